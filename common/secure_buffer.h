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
 * Memory for PINs, keys and everything that passes between a client and its library: locked where
 * the limit allows, left out of core dumps, wiped when cleared, shrunk or freed.
 *
 * Owner: one object, moved, never copied. Not thread-safe.
 */
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace mp11 {

/* Overwrites memory in a way that the compiler keeps. */
void wipe(void* data, size_t size);
/* Compares in time that depends on size only. */
bool equal_constant_time(const void* a, const void* b, size_t size);

class SecureBuffer {
 public:
  SecureBuffer() = default;
  explicit SecureBuffer(size_t size) { resize(size); }
  SecureBuffer(SecureBuffer&& other) noexcept { swap(other); }
  SecureBuffer& operator=(SecureBuffer&& other) noexcept {
    swap(other);
    return *this;
  }
  SecureBuffer(const SecureBuffer&) = delete;
  SecureBuffer& operator=(const SecureBuffer&) = delete;
  ~SecureBuffer();

  uint8_t* data() { return data_; }
  const uint8_t* data() const { return data_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::span<uint8_t> span() { return {data_, size_}; }
  std::span<const uint8_t> span() const { return {data_, size_}; }

  /* Keeps what fits; new octets are zero. Throws std::bad_alloc when memory is short. */
  void resize(size_t size);
  /* Grows by size octets and returns where they begin; they are zero. */
  uint8_t* extend(size_t size);
  void append(const void* data, size_t size);
  /* Wipes what was used; gives memory beyond 64 KiB back, if not at once then after a few uses. */
  void clear();
  void swap(SecureBuffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
    std::swap(light_uses_, other.light_uses_);
  }

 private:
  void reserve(size_t capacity);
  uint8_t* data_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;    /* whole pages from mmap */
  uint8_t light_uses_ = 0; /* in a row, that would have done with a quarter of it */
};

}  // namespace mp11
