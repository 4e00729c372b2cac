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
 * Values between C memory and asn1c's structures: numbers, flags, texts, information structures,
 * templates and mechanisms. Inside of asn1/ only. put_ writes a structure that will be encoded,
 * get_ reads one that was decoded; each pair stands side by side in its file.
 *
 * Trust: a decoded structure has passed der_shape() and its type's constraints and nothing else.
 * What get_ functions write is fit to be given to pack_call: a nested template or a parameter
 * structure is never made of octets that a peer chose, so no pointer in it is a peer's.
 *
 * Memory: octet strings are not copied; structures point to the caller's memory and, after
 * decoding, C memory points to asn1c's, which lives in the same arena.
 */
#pragma once
#include <BIT_STRING.h>
#include <OCTET_STRING.h>

#include <concepts>

#include "ACK-ATTRIBUTE-ARRAY.h"
#include "ACK-ATTRIBUTE.h"
#include "ACK-MECHANISM-PTR.h"
#include "infos.h"
#include "schema.h"

namespace mp11::asn1 {

/* ---- numbers ---- */

using WireNumber = unsigned long; /* ACK_ULONG_t */

/* All ones by name; what stands between it and kWireMost cannot be said. */
inline constexpr WireNumber kWireUnavailable = 0xffffffff;
inline constexpr WireNumber kWireMost = 0xfffffffe;

/* False when the number has no form on the wire. */
constexpr bool put_number(CK_ULONG value, WireNumber* wire) {
  if (value == CK_UNAVAILABLE_INFORMATION)
    *wire = kWireUnavailable;
  else if (value <= kWireMost)
    *wire = value;
  else
    return false;
  return true;
}
/*
 * For lengths of room and of what there is no pointer to, where the nearest number will do; and for
 * handles, mechanisms and other single arguments: kWireMost is none of these, and the library says
 * so.
 */
constexpr WireNumber nearest_number(CK_ULONG value) {
  WireNumber wire = kWireMost;
  put_number(value, &wire);
  return wire;
}
/* False beyond 32 bits: the module's range is open to extension, this version has none. */
constexpr bool get_number(WireNumber wire, CK_ULONG* value) {
  if (wire > kWireUnavailable) return false;
  *value = wire == kWireUnavailable ? CK_UNAVAILABLE_INFORMATION : static_cast<CK_ULONG>(wire);
  return true;
}

/*
 * Lengths that a library tells. One that has run below zero (SoftHSM's C_DecryptUpdate) keeps its
 * distance from zero: from kWireBelowZero on, which no true length comes near.
 */
inline constexpr WireNumber kWireBelowZero = 0xffff0000;
constexpr WireNumber put_length(CK_ULONG length) {
  const bool below = length > CK_UNAVAILABLE_INFORMATION - 0x10000;
  return below ? static_cast<WireNumber>(length & 0xffffffff) : nearest_number(length);
}
constexpr bool get_length(WireNumber wire, CK_ULONG* length) {
  if (!get_number(wire, length)) return false;
  if (wire >= kWireBelowZero && wire <= kWireMost)
    *length = CK_UNAVAILABLE_INFORMATION - static_cast<CK_ULONG>(kWireUnavailable - wire);
  return true;
}

/* ---- octets, flags, texts ---- */

void put_octets(const void* data, size_t size, OCTET_STRING_t* out);
std::span<const uint8_t> octets_of(const OCTET_STRING_t& string);
/* Never nullptr, so that octets of length 0 and NULL stay two things. */
void* pointer_to(const OCTET_STRING_t& string, CallArena* arena);

void put_flags(CK_FLAGS flags, BIT_STRING_t* out, CallArena* arena);
/* False beyond 64 bits, or those that CK_FLAGS has. */
bool get_flags(const BIT_STRING_t& bits, CK_FLAGS* flags);

/* Length in octets of the valid character at the start, 0 when there is none. */
size_t utf8_character(std::span<const uint8_t> text);
bool is_utf8(std::span<const uint8_t> text);
/* Fixed, blank-padded texts of C. What is not UTF-8 becomes '?'. */
void put_text(const uint8_t* text, size_t size, OCTET_STRING_t* out, CallArena* arena);
void get_text(const OCTET_STRING_t& string, uint8_t* text, size_t size);

/* ---- information structures: the members of visit_info, in order ---- */

class InfoPutter {
 public:
  InfoPutter(const Type* type, void* structure, CallArena* arena)
      : type_(type), structure_(structure), arena_(arena) {}
  template <size_t N>
  void octets(const CK_BYTE (&field)[N]) {
    text(field, N);
  }
  void number(CK_ULONG value);
  void version(const CK_VERSION& version);
  bool complete() const { return next_ == type_->elements_count; }

 private:
  void text(const CK_BYTE* field, size_t size);
  void* next(Shape* shape);
  const Type* type_;
  void* structure_;
  CallArena* arena_;
  int next_ = 0;
};

class InfoGetter {
 public:
  InfoGetter(const Type* type, const void* structure) : type_(type), structure_(structure) {}
  template <size_t N>
  void octets(CK_BYTE (&field)[N]) {
    text(field, N);
  }
  void number(CK_ULONG& value);
  void version(CK_VERSION& version);
  bool ok() const { return ok_ && next_ == type_->elements_count; }

 private:
  void text(CK_BYTE* field, size_t size);
  const void* next(Shape* shape);
  const Type* type_;
  const void* structure_;
  int next_ = 0;
  bool ok_ = true;
};

/* ---- templates and mechanisms: CKR_OK, or what the caller of the function is answered ---- */

/*
 * values: a template whose values the call carries; else the buffers that C_GetAttributeValue is
 * offered, of which only the room is carried.
 */
CK_RV put_template(const CK_ATTRIBUTE* attributes, CK_ULONG count, bool values,
                   ACK_ATTRIBUTE_ARRAY_t* out, CallArena* arena);
/* *room: octets that output buffers may still take. */
CK_RV get_template(const ACK_ATTRIBUTE_ARRAY_t& in, bool values, CallArena* arena, uint64_t* room,
                   CK_ATTRIBUTE** attributes);

/*
 * What C_GetAttributeValue left in attributes that get_template made (values: false). ok: it
 * returned CKR_OK. False when it then claims more octets than it had room for.
 */
bool put_results(const CK_ATTRIBUTE* attributes, size_t count, bool ok, ACK_ATTRIBUTE_ARRAY_t* out,
                 CallArena* arena);
/*
 * Into the attributes of the application. False when they are not its own, beyond its room, or
 * lacking where there was success.
 */
bool get_results(const ACK_ATTRIBUTE_ARRAY_t& in, bool ok, CK_ATTRIBUTE* attributes,
                 CK_ULONG count);

CK_RV put_mechanism(const CK_MECHANISM* mechanism, ACK_MECHANISM_PTR_t* out, CallArena* arena);
/* *room: octets that output buffers may still take. */
CK_RV get_mechanism(const ACK_MECHANISM_PTR_t& in, CallArena* arena, uint64_t* room,
                    CK_MECHANISM** mechanism);

/*
 * What a library left in the parameter that get_mechanism made, which has outputs.
 * ok: it returned CKR_OK. False when it then claims more octets than it had room for.
 */
bool put_outputs(const CK_MECHANISM* mechanism, bool ok, ACK_MECHANISM_t* out, CallArena* arena);
/* Into the application's parameter. False when it does not fit, or lacks what success gives. */
bool get_outputs(const ACK_MECHANISM_t* in, bool ok, const CK_MECHANISM* mechanism);

/* Nothing that get_template or get_mechanism makes room for alone is larger. */
inline constexpr CK_ULONG kMaxBlank = limits::kOutput;

}  // namespace mp11::asn1
