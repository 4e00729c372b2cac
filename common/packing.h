/*
 * Copyright (c) 2026 The multip11 authors
 *
 * Redistribution and use in source and binary forms, with or without
 * modification, are permitted provided that the following conditions
 * are met:
 * 1. Redistributions of source code must retain the above copyright
 *    notice, this list of conditions and the following disclaimer.
 * 2. Redistributions in binary form must reproduce the above copyright
 *    notice, this list of conditions and the following disclaimer in the
 *    documentation and/or other materials provided with the distribution.
 *
 * THIS SOFTWARE IS PROVIDED BY THE AUTHORS ``AS IS'' AND ANY EXPRESS OR
 * IMPLIED WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED WARRANTIES
 * OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE DISCLAIMED.
 * IN NO EVENT SHALL THE AUTHORS BE LIABLE FOR ANY DIRECT, INDIRECT,
 * INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL DAMAGES (INCLUDING, BUT
 * NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR SERVICES; LOSS OF USE,
 * DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER CAUSED AND ON ANY
 * THEORY OF LIABILITY, WHETHER IN CONTRACT, STRICT LIABILITY, OR TORT
 * (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE USE OF
 * THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.
 */
/*
 * Writing and reading packed octets: little-endian, no alignment, no padding. A writer and a reader
 * of the same thing stand beside each other in marshal*.cc.
 *
 * Trust: PackReader believes nothing; after the first failure everything reads as 0 and ok() is
 * false. A reader ends with end(), which must be reached with nothing left.
 */
#pragma once
#include <cstdint>
#include <cstring>
#include <span>

#include "secure_buffer.h"

namespace mp11 {

class PackWriter {
 public:
  explicit PackWriter(SecureBuffer* out) : out_(out) {}
  void u8(uint8_t value) { *out_->extend(1) = value; }
  void u64(uint64_t value) {
    uint8_t* p = out_->extend(8);
    for (unsigned i = 0; i < 8; i++) p[i] = static_cast<uint8_t>(value >> (8 * i));
  }
  void raw(const void* data, size_t size) {
    if (size != 0) std::memcpy(out_->extend(size), data, size);
  }
  /* Length and octets. */
  void octets(const void* data, size_t size) {
    u64(size);
    raw(data, size);
  }
  size_t size() const { return out_->size(); }

 private:
  SecureBuffer* out_;
};

class PackReader {
 public:
  explicit PackReader(std::span<const uint8_t> in) : in_(in) {}
  uint8_t u8() {
    const uint8_t* p = raw(1);
    return p != nullptr ? *p : 0;
  }
  /* A flag: 0 or 1 and nothing else. */
  bool flag() {
    uint8_t value = u8();
    if (value > 1) ok_ = false;
    return value == 1;
  }
  uint64_t u64() {
    const uint8_t* p = raw(8);
    uint64_t value = 0;
    for (unsigned i = 0; p != nullptr && i < 8; i++) value |= uint64_t{p[i]} << (8 * i);
    return value;
  }
  /* Points into the input; nullptr after a failure. size 0 gives a pointer that is not NULL. */
  const uint8_t* raw(uint64_t size) {
    if (!ok_ || size > in_.size() - at_) {
      ok_ = false;
      return nullptr;
    }
    const uint8_t* p = in_.data() + at_;
    at_ += static_cast<size_t>(size);
    return p != nullptr ? p : reinterpret_cast<const uint8_t*>("");
  }
  std::span<const uint8_t> octets() {
    uint64_t size = u64();
    const uint8_t* p = raw(size);
    return p != nullptr ? std::span(p, static_cast<size_t>(size)) : std::span<const uint8_t>();
  }
  bool ok() const { return ok_; }
  void fail() { ok_ = false; }
  bool end() const { return ok_ && at_ == in_.size(); }

 private:
  std::span<const uint8_t> in_;
  size_t at_ = 0;
  bool ok_ = true;
};

}  // namespace mp11
