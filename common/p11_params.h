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
 * The tables of mechanism parameters, from p11_params.def: how each structure is laid out in memory
 * and which mechanism takes which. marshal.cc packs by them, the ASN.1 codec writes `fields` by
 * them.
 */
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "cryptoki.h"

namespace mp11 {

enum class FieldKind : uint8_t {
  kUlong,     /* CK_ULONG */
  kOctet,     /* one octet */
  kArray,     /* `size` octets */
  kBytes,     /* pointer to octets; `length` says how many */
  kText,      /* pointer to text that ends with NUL */
  kHandle,    /* CK_OBJECT_HANDLE */
  kInside,    /* structure `nested` as a member */
  kPointer,   /* pointer to one structure `nested`, or NULL */
  kStructs,   /* pointer to structures `nested`, as many as the member at `length_offset` says */
  kTemplate,  /* pointer to attributes, as many as the member at `length_offset` says */
  kValue,     /* pointer to what value_row() says for the number at `type_offset` */
  kMechanism, /* pointer to one CK_MECHANISM, or NULL */
  kRoom,      /* pointer to a CK_ULONG: room of a buffer, and then how much of it is used */
  kHandleAt,  /* pointer to a CK_OBJECT_HANDLE */
};

/* Whether the library reads a member or writes it; what it writes comes back in the reply. */
enum class Way : uint8_t { kIn, kOut, kInOut };

/* How long the octets are that a member points to. */
enum class LengthIs : uint8_t {
  kNone,    /* nothing to say */
  kOctets,  /* the CK_ULONG at `length_offset` */
  kBits,    /* the same, in bits */
  kFixed,   /* `fixed` octets */
  kPointed, /* what the kRoom at `length_offset` points to */
  kOuter,   /* the structure that points to this one has it, in bits */
};

struct ParamStruct;

struct ParamField {
  FieldKind kind;
  uint16_t offset; /* in the structure, octets */
  uint16_t size;   /* of the member, octets */
  const char* name;
  Way way = Way::kIn;
  LengthIs length = LengthIs::kNone;
  uint16_t length_offset = 0;
  uint16_t fixed = 0;       /* kFixed only */
  uint16_t type_offset = 0; /* kValue only */
  const ParamStruct* nested = nullptr;
};

struct ParamStruct {
  const char* name;
  uint16_t size; /* sizeof */
  std::span<const ParamField> fields;
};

enum class ParamForm : uint8_t {
  kNone,       /* no parameter */
  kOctets,     /* flat octets */
  kNumber,     /* one CK_ULONG */
  kHandle,     /* one CK_OBJECT_HANDLE */
  kStruct,     /* one of `structs`, by size */
  kNotCarried, /* a structure that has no row: the table says why */
};

struct MechanismRow {
  CK_MECHANISM_TYPE type;
  const char* name;
  ParamForm form;
  const ParamStruct* structs[2];
};

/* nullptr for a mechanism that the table does not know (a vendor's, or a later version's). */
const MechanismRow* mechanism_row(CK_MECHANISM_TYPE type);
/* The layout of that many octets for this mechanism, or nullptr. */
const ParamStruct* param_struct(const MechanismRow& row, CK_ULONG length);
/* Whether a library writes something into the structure or what it points to. */
bool has_outputs(const ParamStruct& layout);
/* What a CK_PRF_DATA_PARAM of that type points to; nullptr for a type that is not known. */
const MechanismRow* value_row(CK_ULONG type);
/* Every row, in the order of its number; for tests and printing. */
std::span<const MechanismRow> mechanism_rows();
std::span<const ParamStruct* const> param_structs();

}  // namespace mp11
