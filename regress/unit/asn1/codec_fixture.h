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
 * Random calls and results of every kind of argument, for the tests of the codec. The same seed
 * makes the same calls.
 */
#pragma once
#include <random>
#include <vector>

#include "codec.h"
#include "p11_params.h"

namespace mp11::asn1_test {

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  uint32_t below(uint32_t n) { return static_cast<uint32_t>(engine_() % n); }
  bool one_in(uint32_t n) { return below(n) == 0; }
  /* Any number that has a form on the wire. */
  CK_ULONG number();
  void fill(void* data, size_t size);

 private:
  std::mt19937_64 engine_;
};

/* Arguments of a call, in an arena, as an application may pass them. */
class CallMaker {
 public:
  CallMaker(Random* random, CallArena* arena) : random_(random), arena_(arena) {}
  Words call(const FunctionRow& row);
  /* Nothing is NULL that need not be. */
  Words plain_call(const FunctionRow& row);
  CK_MECHANISM* mechanism(const MechanismRow& row);

 private:
  void argument(const ArgSpec& arg, Word* w);
  bool null() { return !plain_ && random_->one_in(5); }
  void* octets(size_t size);
  CK_ATTRIBUTE* attributes(size_t count, unsigned depth, bool values);
  void value(CK_ATTRIBUTE* a, unsigned depth);
  void members(const ParamStruct& layout, uint8_t* base, CK_ULONG outer);
  uint8_t* structure(const ParamStruct& layout, CK_ULONG outer);
  void* pointed(const ParamStruct& layout, const ParamField& f, uint8_t* base, CK_ULONG outer);
  void* bytes(const ParamStruct& layout, const ParamField& f, uint8_t* base, CK_ULONG outer);
  CK_ULONG* length(CK_ULONG most);
  Random* random_;
  CallArena* arena_;
  bool plain_ = false;
};

/*
 * Plays the library: writes results into arguments that decode_call or unpack_call made, within
 * their room, and gives a return value.
 */
CK_RV play_library(const FunctionRow& row, const Words& words, Random* random);

inline Envelope envelope(uint64_t number) {
  Envelope e;
  e.request = id_of_number(number);
  return e;
}

}  // namespace mp11::asn1_test
