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
 * The two texts, each with a reader and a writer. Inside of asn1/ only; text.cc puts them together.
 */
#pragma once
#include <span>

#include "secure_buffer.h"
#include "text_value.h"

namespace mp11::asn1 {

/* Feeds the text to the value. False: *offset says where it ended, *why what its form lacks. */
bool read_jer(std::string_view text, TextValue* value, size_t* offset, const char** why);
bool read_xer(std::string_view text, TextValue* value, size_t* offset, const char** why);

/* Write a value; XER what stands within its element. False for one that has no form. */
bool write_jer(const Type* type, const void* structure, SecureBuffer* out);
bool write_xer(const Type* type, const void* structure, SecureBuffer* out);

/* An opdata decoded: its type, C-Failed-Return for a return without results, and its value. */
struct Opdata {
  const Type* type = nullptr;
  const void* value = nullptr; /* nullptr: not known, or not of its type */
};
Opdata opdata_of(const Type* procedure, const void* structure, const Element& element);

inline void put(std::string_view text, SecureBuffer* out) { out->append(text.data(), text.size()); }
void put_decimal(uint64_t number, SecureBuffer* out);
void put_hexadecimal(std::span<const uint8_t> octets, SecureBuffer* out);

}  // namespace mp11::asn1
