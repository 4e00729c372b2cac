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
 * Remote PKCS #11 as text: messages in XER and JER, made of DER and into DER (PROTOCOL, Encodings).
 * All else works on DER; who speaks text on a connection has each message put through here once.
 *
 *   text_to_der      one automaton for values (text_value.h), fed by expat or by Boost.JSON
 *   der_to_text      canonical XER, or JER without blanks; both are one line
 *
 * opdata is shown as the type that the opcode chooses. What is read need not be canonical: blanks
 * between elements and within hexadecimal numbers, and either case of their letters, are taken.
 *
 * Trust: text comes from the network. It may have limits::kTextMessage octets, kDerNodes values and
 * kDerDepth levels; XML has no DOCTYPE, no processing instructions and no attributes. What
 * comes out has passed the constraints of its types and no more: it goes through decode_message as
 * DER from the network does.
 *
 * Memory: the arena takes the values, and is not cleared. Threads: as in codec.h. std::bad_alloc
 * passes.
 */
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "encoding.h"
#include "marshal.h"
#include "secure_buffer.h"

namespace mp11 {

enum class TextStatus : uint8_t {
  kOk,
  kSyntax, /* not a message */
  kOpcode, /* an operation that is not known: the DER has opcode 65535 in its place, and NULL */
  kMemory, /* more than a message may take */
};

/* Where and why text was refused, for a log or a user. */
struct TextError {
  size_t offset = 0;     /* octets from the start, to where the parser was */
  const char* what = ""; /* for people; nothing of what the text said */
};

TextStatus text_to_der(Encoding encoding, std::span<const uint8_t> text, CallArena* arena,
                       SecureBuffer* der, TextError* error);

/*
 * Clears *text first; ends it with a line feed. False when the octets are no message in DER, or one
 * that has no form as text: an operation that is not known, or data of another type than its own.
 */
[[nodiscard]] bool der_to_text(Encoding encoding, std::span<const uint8_t> der, CallArena* arena,
                               SecureBuffer* text);

}  // namespace mp11
