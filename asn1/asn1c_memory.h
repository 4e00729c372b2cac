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
 * The memory of asn1c: a CallArena that the caller names for the time of one decoding or encoding.
 *
 * Trust: what a peer sends decides how much asn1c asks for. A scope has a limit; beyond it, and
 * outside of any scope, asn1c gets NULL, which it reports as a failure. What it frees stays where
 * it is until the arena is cleared, which wipes it, PINs and keys included. So nothing has to walk
 * its structures to free them, and octet strings in them may point into other memory.
 */
#pragma once
#include <cstddef>

#include "marshal.h"

namespace mp11::asn1 {

class Asn1cMemory {
 public:
  /* One at a time in each thread. */
  Asn1cMemory(CallArena* arena, size_t limit);
  ~Asn1cMemory();
  Asn1cMemory(const Asn1cMemory&) = delete;
  Asn1cMemory& operator=(const Asn1cMemory&) = delete;

  /* For asn1c: zeroed, aligned to 16 octets, NULL beyond the limit. */
  void* allocate(size_t size) noexcept;
  static Asn1cMemory* current();

  /*
   * What a message of that many octets may make asn1c allocate: its strings twice (open types are
   * copied) in blocks that double, and a structure for each of limits::kDerNodes values.
   */
  static constexpr size_t limit_for(size_t octets) { return octets * 8 + (16u << 20); }

 private:
  CallArena* arena_;
  size_t left_;
};

}  // namespace mp11::asn1
