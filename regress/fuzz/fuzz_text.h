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
 * Text as multip11-net reads it from a client. What was understood is the same message when it is
 * written and read again, in both texts; and its DER is one that decode_message has an opinion on.
 */
#pragma once
#include "codec.h"
#include "der_shape.h"
#include "fuzz.h"
#include "text.h"

namespace mp11::fuzz {

inline void try_text(Encoding encoding, std::span<const uint8_t> text) {
  CallArena arena;
  SecureBuffer der, again;
  TextError error;
  const TextStatus status = text_to_der(encoding, text, &arena, &der, &error);
  FUZZ_REQUIRE(error.offset <= text.size());
  if (status == TextStatus::kSyntax || status == TextStatus::kMemory) {
    FUZZ_REQUIRE(der.empty() && error.what[0] != 0);
    return;
  }
  CallArena second;
  Received received;
  decode_message(der.span(), &second, &received);
  if (status == TextStatus::kOpcode || der_shape(der.span()) != DerError::kNone) return;
  for (Encoding other : {Encoding::kXer, Encoding::kJer}) {
    CallArena third;
    SecureBuffer written;
    if (!der_to_text(other, der.span(), &third, &written)) continue;
    FUZZ_REQUIRE(text_to_der(other, written.span(), &third, &again, &error) == TextStatus::kOk);
    FUZZ_REQUIRE(std::ranges::equal(der.span(), again.span()));
  }
}

}  // namespace mp11::fuzz
