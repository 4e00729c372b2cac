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
 * Trust: this memory belongs to this process alone. What it must withstand is a core dump, the
 * swap area, and a later reader of freed pages.
 *
 * Octets from size_ to capacity_ are zero, always: fresh pages are, and whatever shrinks wipes.
 * So growing within the capacity costs nothing, and clear() wipes only what was used.
 */
#include "secure_buffer.h"

#include <string.h>

#include <algorithm>
#include <new>

#include "memory_fence.h"
#include "os_memory.h"

namespace mp11 {

namespace {

/* What clear() always keeps. Enough for any call but bulk data. */
constexpr size_t kKept = 64u << 10;
/*
 * What it keeps while bulk data goes on: mapping, locking and faulting in 1 MiB anew costs more
 * than to digest it. Given back after so many uses in a row that needed less than a quarter of it.
 */
constexpr size_t kKeptBusy = 2u << 20;
constexpr uint8_t kLightUses = 16;
/* Half the address space is never reached; it keeps the sums below from overflowing. */
constexpr size_t kMost = SIZE_MAX / 4;

size_t whole_pages(size_t size) {
  size_t page = os::page_size();
  return (size + page - 1) / page * page;
}

}  // namespace

void wipe(void* data, size_t size) {
  if (size != 0) ::explicit_bzero(data, size);
}

bool equal_constant_time(const void* a, const void* b, size_t size) {
  const volatile uint8_t* x = static_cast<const volatile uint8_t*>(a);
  const volatile uint8_t* y = static_cast<const volatile uint8_t*>(b);
  unsigned difference = 0;
  for (size_t i = 0; i < size; i++) difference |= static_cast<unsigned>(x[i] ^ y[i]);
  return difference == 0;
}

SecureBuffer::~SecureBuffer() {
  if (data_ == nullptr) return;
  allow_access(data_, capacity_);
  wipe(data_, size_);
  os::unmap_secret(data_, capacity_);
}

void SecureBuffer::reserve(size_t capacity) {
  if (capacity <= capacity_) return;
  if (capacity > kMost) throw std::bad_alloc();
  capacity = whole_pages(std::max(capacity, 2 * capacity_));
  allow_access(data_, capacity_);
  void* data = data_ == nullptr ? nullptr : os::grow_secret(data_, capacity_, capacity);
  if (data == nullptr) {
    data = os::map_secret(capacity);
    if (data == nullptr) throw std::bad_alloc();
    if (data_ != nullptr) {
      memcpy(data, data_, size_);
      wipe(data_, size_);
      os::unmap_secret(data_, capacity_);
    }
  }
  data_ = static_cast<uint8_t*>(data);
  capacity_ = capacity;
  forbid_access(data_ + size_, capacity_ - size_);
}

void SecureBuffer::resize(size_t size) {
  if (size < size_) {
    wipe(data_ + size, size_ - size);
    forbid_access(data_ + size, size_ - size);
  } else {
    reserve(size);
    allow_access(data_ + size_, size - size_);
  }
  size_ = size;
}

uint8_t* SecureBuffer::extend(size_t size) {
  if (size > kMost) throw std::bad_alloc();
  reserve(size_ + size);
  uint8_t* begin = data_ + size_;
  allow_access(begin, size);
  size_ += size;
  return begin;
}

void SecureBuffer::append(const void* data, size_t size) {
  if (size != 0) memcpy(extend(size), data, size);
}

void SecureBuffer::clear() {
  if (data_ == nullptr) return;
  bool light = size_ < capacity_ / 4;
  wipe(data_, size_);
  forbid_access(data_, size_);
  size_ = 0;
  if (capacity_ <= kKept) return;
  light_uses_ = light ? static_cast<uint8_t>(light_uses_ + 1) : uint8_t{0};
  if (capacity_ <= kKeptBusy && light_uses_ < kLightUses) return;
  light_uses_ = 0;
  size_t keep = whole_pages(kKept);
  if (keep < capacity_) {
    allow_access(data_ + keep, capacity_ - keep);
    os::unmap_secret(data_ + keep, capacity_ - keep);
    capacity_ = keep;
  }
}

}  // namespace mp11
