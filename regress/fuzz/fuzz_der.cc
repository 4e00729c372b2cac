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
 * Remote PKCS #11 as multip11-net reads it from a client: shape, envelope, arguments; what was
 * understood is packed for the monitor as it would be, and encoded again, which must give the same
 * call. The first octet chooses: a call from a client, or a return from a server to a call of ours.
 */
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "codec.h"
#include "der_shape.h"

namespace {

using namespace mp11;

void require(bool condition) {
  if (!condition) abort();
}

void from_client(std::span<const uint8_t> der) {
  CallArena arena;
  Received received;
  if (decode_message(der, &arena, &received) != CodecStatus::kOk) return;
  require(der_shape(der) == DerError::kNone);
  const FunctionRow* row = function_row(received.opcode);
  if (!received.call || row == nullptr) return;
  Words words{};
  CK_RV answer = CKR_OK;
  if (decode_call(received, *row, &arena, &words, &answer) != CodecStatus::kOk) return;

  Message packed;
  if (pack_call(*row, words, &packed) != CKR_OK) return;
  CallArena second_arena;
  Words second{};
  require(unpack_call(*row, packed, &second_arena, &second));
  SecureBuffer again;
  if (encode_call(*row, second, received.envelope, &second_arena, &again) != CKR_OK) return;
  /* One call has one encoding, so a third time changes nothing. */
  CallArena third_arena;
  Received third;
  std::span<const uint8_t> octets(again.data(), again.size());
  require(decode_message(octets, &third_arena, &third) == CodecStatus::kOk);
  require(third.opcode == received.opcode && third.nulls == received.nulls);
}

void from_server(uint8_t function, std::span<const uint8_t> der) {
  const FunctionRow* row = function_row(function % kFunctions);
  if (!carried(*row)) return;
  CallArena arena;
  Received received;
  if (decode_message(der, &arena, &received) != CodecStatus::kOk || received.call) return;
  /* A call of ours with NULL for every pointer: nothing may be written anywhere. */
  Words words{};
  CK_RV rv = CKR_OK;
  (void)decode_return(received, *row, words, &arena, &rv);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const bool started = (codec_start(), true);
  (void)started;
  if (size < 2) return 0;
  if (data[0] == 0)
    from_client({data + 1, size - 1});
  else
    from_server(data[1], {data + 2, size - 2});
  return 0;
}
