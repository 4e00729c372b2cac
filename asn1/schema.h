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
 * asn1c's description of the module, and the table of functions bound to it: which member of which
 * type carries which C argument. Inside of asn1/ only.
 *
 * A member's tag [n] is the position of its argument, so the binding needs no names; that the names
 * agree too is a test's matter.
 *
 * Memory: structures are made in a CallArena and never freed one by one (asn1c_memory.h).
 */
#pragma once
#include <BOOLEAN.h>
#include <asn_SEQUENCE_OF.h>
#include <asn_application.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "marshal.h"
#include "p11_functions.h"
#include "result.h"

namespace mp11::asn1 {

using Type = asn_TYPE_descriptor_t;
using Element = asn_TYPE_member_t;
using List = asn_anonymous_sequence_; /* any SEQUENCE OF */

/* What a type's value looks like in memory, by its innermost tag. */
enum class Shape : uint8_t {
  kBoolean,
  kNumber,
  kBits,
  kOctets,
  kNull,
  kEnumerated,
  kText,
  kSequence, /* and SEQUENCE OF */
  kChoice,
  kOther,
};
Shape shape_of(const Type* type);
/* Of a kSequence: SEQUENCE OF, which asn1c describes by one member without a name. */
bool is_list(const Type* type);
/* sizeof of the C structure. */
size_t size_of(const Type* type);

struct FunctionTypes {
  Type* call = nullptr;
  Type* result = nullptr;
  const Element* call_member[kMaxWords] = {}; /* by the argument's position; nullptr: none */
  const Element* result_member[kMaxWords] = {};
  uint32_t nullable = 0; /* arguments for which `nulls` of TransportMessage may speak */
};

/*
 * The types of a row. The first call prepares asn1c's descriptors, which patch themselves when they
 * are first used; so call it once before there are threads.
 */
const FunctionTypes& function_types(const FunctionRow& row);

/* What an operation's opdata is in a call and in its return; nullptr for one that is not known. */
const Type* call_type(long opcode);
const Type* return_type(long opcode);

/* An ENUMERATED's values and their names; false and nullptr for those that the module has not. */
bool value_named(const Type* enumerated, std::string_view name, long* value);
const char* name_of(const Type* enumerated, long value);

/* Where a member's value is, nullptr where an OPTIONAL one is absent. */
const void* peek(const Element& element, const void* structure);
/* The same to write: makes an OPTIONAL one present. */
void* place(const Element& element, void* structure, CallArena* arena);

/* The alternative that a CHOICE holds, nullptr for none that is known. */
const Element* chosen(const Type* choice, const void* structure);
/* True and *value set when the CHOICE holds the alternative of that name. */
bool holds(const Type* choice, const void* structure, const char* name, const void** value);
/* Chooses an alternative by name and returns where its value is to be written. */
void* choose(const Type* choice, void* structure, const char* name, CallArena* arena);

/* Makes a list of `count` zeroed elements of `size` octets and returns the first. */
void* make_list(List* list, size_t count, size_t size, CallArena* arena);

/* Strict DER, whole and within constraints, or nullptr. */
void* decode(const Type* type, const uint8_t* der, size_t size);
/* Octets of DER, 0 when the structure does not say a value of the type. */
size_t encoded_size(const Type* type, const void* structure);
/* Writes as many octets as encoded_size said. */
[[nodiscard]] bool encode(const Type* type, const void* structure, uint8_t* out, size_t size);

}  // namespace mp11::asn1
