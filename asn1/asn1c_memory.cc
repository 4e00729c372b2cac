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
#include "asn1c_memory.h"

#include <cstring>
#include <new>

#include "result.h"

namespace mp11::asn1 {
namespace {

thread_local Asn1cMemory* scope = nullptr;

/* Before each block, so that realloc knows how much to copy. Keeps the block aligned to 16. */
struct alignas(16) Header {
  size_t size;
};

void* allocate_block(size_t size) {
  if (scope == nullptr || size > SIZE_MAX - sizeof(Header)) return nullptr;
  auto* header = static_cast<Header*>(scope->allocate(sizeof(Header) + size));
  if (header == nullptr) return nullptr;
  header->size = size;
  return header + 1;
}

}  // namespace

Asn1cMemory::Asn1cMemory(CallArena* arena, size_t limit) : arena_(arena), left_(limit) {
  MP11_ASSERT(scope == nullptr);
  scope = this;
}

Asn1cMemory::~Asn1cMemory() { scope = nullptr; }

Asn1cMemory* Asn1cMemory::current() { return scope; }

void* Asn1cMemory::allocate(size_t size) noexcept {
  if (size > left_) return nullptr;
  left_ -= size;
  try {
    return arena_->allocate(size);
  } catch (const std::bad_alloc&) {
    return nullptr; /* no exception may pass through C */
  }
}

}  // namespace mp11::asn1

extern "C" {

[[gnu::visibility("hidden")]] void* mp11_asn1c_malloc(size_t size) {
  return mp11::asn1::allocate_block(size);
}

[[gnu::visibility("hidden")]] void* mp11_asn1c_calloc(size_t count, size_t size) {
  size_t total;
  if (__builtin_mul_overflow(count, size, &total)) return nullptr;
  return mp11::asn1::allocate_block(total);
}

[[gnu::visibility("hidden")]] void* mp11_asn1c_realloc(void* old, size_t size) {
  void* block = mp11::asn1::allocate_block(size);
  if (block == nullptr || old == nullptr) return block;
  const size_t had = (static_cast<mp11::asn1::Header*>(old) - 1)->size;
  std::memcpy(block, old, had < size ? had : size);
  return block;
}

[[gnu::visibility("hidden")]] void mp11_asn1c_free(void*) {}

}  // extern "C"
