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
#include "text.h"

#include <cstring>

#include "C-Failed-Return.h"
#include "RemoteProcedureCall.h"
#include "TransportMessage.h"
#include "asn1c_memory.h"
#include "codec.h"
#include "der_shape.h"
#include "text_forms.h"
#include "values.h"

namespace mp11 {

using namespace asn1;

TextStatus text_to_der(Encoding encoding, std::span<const uint8_t> text, CallArena* arena,
                       SecureBuffer* der, TextError* error) {
  codec_start();
  der->clear();
  *error = {text.size(), "too long"};
  if (text.size() > limits::kTextMessage) return TextStatus::kMemory;
  Asn1cMemory memory(arena, Asn1cMemory::limit_for(limits::kMessage));
  TextValue value(&asn_DEF_TransportMessage, arena);
  const std::string_view characters(reinterpret_cast<const char*>(text.data()), text.size());
  const char* form = "";
  const bool read = encoding == Encoding::kXer ? read_xer(characters, &value, &error->offset, &form)
                    : encoding == Encoding::kJer
                        ? read_jer(characters, &value, &error->offset, &form)
                        : false;
  if (!read || !value.complete()) {
    error->what = value.why()[0] != 0 ? value.why() : form;
    return TextStatus::kSyntax;
  }
  const size_t size = encoded_size(&asn_DEF_TransportMessage, value.value());
  if (size > limits::kMessage) return TextStatus::kMemory;
  der->resize(size);
  if (size == 0 || !encode(&asn_DEF_TransportMessage, value.value(), der->data(), size)) {
    der->clear();
    *error = {text.size(), "a value that is out of range"};
    return TextStatus::kSyntax;
  }
  *error = {};
  return value.unknown_opcode() ? TextStatus::kOpcode : TextStatus::kOk;
}

bool der_to_text(Encoding encoding, std::span<const uint8_t> der, CallArena* arena,
                 SecureBuffer* text) {
  codec_start();
  text->clear();
  if (der.size() > limits::kMessage || der_shape(der) != DerError::kNone) return false;
  Asn1cMemory memory(arena, Asn1cMemory::limit_for(2 * der.size()));
  const Type* type = &asn_DEF_TransportMessage;
  const void* message = decode(type, der.data(), der.size());
  if (message == nullptr) return false;
  bool written = false;
  if (encoding == Encoding::kJer) {
    written = write_jer(type, message, text);
  } else if (encoding == Encoding::kXer) {
    put("<TransportMessage>", text);
    written = write_xer(type, message, text);
    put("</TransportMessage>", text);
  }
  put("\n", text);
  if (written && text->size() <= limits::kTextMessage) return true;
  text->clear();
  return false;
}

namespace asn1 {

Opdata opdata_of(const Type* procedure, const void* structure, const Element& element) {
  const bool call = procedure == &asn_DEF_RemoteProcedureCall;
  if (!call && procedure != &asn_DEF_RemoteProcedureReturn) return {};
  const auto der = octets_of(*static_cast<const OCTET_STRING_t*>(peek(element, structure)));
  long opcode;
  std::memcpy(&opcode, peek(procedure->elements[0], structure), sizeof opcode);
  const Type* type = call ? call_type(opcode) : return_type(opcode);
  if (type == nullptr) return {};
  const void* value = decode(type, der.data(), der.size());
  if (call) return {type, value};
  /* Where the return value is all that there is, it is a C-Failed-Return's if it may be one. */
  const auto* failed = static_cast<const C_Failed_Return_t*>(
      decode(&asn_DEF_C_Failed_Return, der.data(), der.size()));
  const bool alone =
      value == nullptr || encoded_size(&asn_DEF_C_Failed_Return, failed) == der.size();
  if (failed != nullptr && alone && !carries_results(failed->retval))
    return {&asn_DEF_C_Failed_Return, failed};
  return {type, value};
}

void put_decimal(uint64_t number, SecureBuffer* out) {
  char digits[20];
  size_t at = sizeof digits;
  do {
    digits[--at] = static_cast<char>('0' + number % 10);
    number /= 10;
  } while (number != 0);
  out->append(digits + at, sizeof digits - at);
}

void put_hexadecimal(std::span<const uint8_t> octets, SecureBuffer* out) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  uint8_t* at = out->extend(octets.size() * 2);
  for (const uint8_t octet : octets) {
    *at++ = static_cast<uint8_t>(kDigits[octet >> 4]);
    *at++ = static_cast<uint8_t>(kDigits[octet & 15]);
  }
}

}  // namespace asn1
}  // namespace mp11
