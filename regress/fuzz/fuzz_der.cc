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
 * Remote PKCS #11 as multip11-net reads it from a client: shape, envelope, arguments. What was
 * understood is the same call when it is encoded again; and it is packed for the monitor and
 * understood by a backend.
 */
#include <cstring>

#include "codec.h"
#include "der_mutator.h"
#include "der_shape.h"
#include "fuzz.h"

namespace {

using namespace mp11;

/* What a return to this call would be can be understood by who made it. */
void answer(const FunctionRow& row, const Words& words, const Received& received, CK_RV rv) {
  CallArena arena;
  SecureBuffer der;
  if (rv == CKR_OK)
    encode_return(row, words, rv, received.envelope, &arena, &der);
  else
    encode_answer(received.opcode, rv, received.envelope, &arena, &der);
  CallArena second;
  Received back;
  FUZZ_REQUIRE(decode_message(der.span(), &second, &back) == CodecStatus::kOk);
  FUZZ_REQUIRE(!back.call && back.opcode == received.opcode);
  FUZZ_REQUIRE(back.envelope.request == received.envelope.request);
}

/* Two calls are the same when they pack to the same. */
bool same(const Message& a, const Message& b) {
  return std::memcmp(&a.rec, &b.rec, sizeof a.rec) == 0 &&
         std::ranges::equal(a.bytes.span(), b.bytes.span());
}

/*
 * Encoded again it is the same call, in octets that a third time gives as well. (Not always the
 * octets that came: the module lets BIT STRINGs end in zeroes, and any minor version is taken.)
 */
void encode_again(const FunctionRow& row, const Words& words, const Received& received) {
  CallArena scratch, arena;
  SecureBuffer again, third;
  FUZZ_REQUIRE(encode_call(row, words, received.envelope, &scratch, &again) == CKR_OK);
  Received second;
  FUZZ_REQUIRE(decode_message(again.span(), &arena, &second) == CodecStatus::kOk);
  Words second_words;
  CK_RV rv;
  FUZZ_REQUIRE(decode_call(second, row, &arena, &second_words, &rv) == CodecStatus::kOk);
  FUZZ_REQUIRE(encode_call(row, second_words, second.envelope, &scratch, &third) == CKR_OK);
  FUZZ_REQUIRE(std::ranges::equal(again.span(), third.span()));
  Message packed, second_packed;
  if (pack_call(row, words, &packed) != CKR_OK) return;
  FUZZ_REQUIRE(pack_call(row, second_words, &second_packed) == CKR_OK);
  FUZZ_REQUIRE(same(packed, second_packed));
  Words unpacked;
  FUZZ_REQUIRE(unpack_call(row, packed, &arena, &unpacked));
}

}  // namespace

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned seed) {
  return fuzz::mutate_der(data, size, max_size, seed);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const bool started = (codec_start(), true);
  (void)started;
  std::span<const uint8_t> der(data, size);
  CallArena arena;
  Received received;
  if (decode_message(der, &arena, &received) != CodecStatus::kOk) return 0;
  FUZZ_REQUIRE(der_shape(der) == DerError::kNone);
  const FunctionRow* row = function_row(received.opcode);
  if (!received.call || row == nullptr) return 0;
  Words words{};
  CK_RV rv = CKR_OK;
  switch (decode_call(received, *row, &arena, &words, &rv)) {
    case CodecStatus::kOk:
      break;
    case CodecStatus::kAnswer:
      FUZZ_REQUIRE(rv != CKR_OK);
      answer(*row, words, received, rv);
      return 0;
    default:
      return 0;
  }
  encode_again(*row, words, received);
  answer(*row, words, received, CKR_OK);
  return 0;
}
