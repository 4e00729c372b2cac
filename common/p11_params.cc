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
#include "p11_params.h"

#include <algorithm>
#include <array>

namespace mp11 {
namespace {

/* One list of fields and one ParamStruct for each row, named k_<structure>. */
#define FIELD(kind, m) FieldKind::kind, offsetof(S, m), sizeof(S::m), #m
#define ULONG(m) ParamField{FIELD(kUlong, m)},
#define ULONG_INOUT(m) ParamField{FIELD(kUlong, m), Way::kInOut},
#define OCTET(m) ParamField{FIELD(kOctet, m)},
#define OCTET_INOUT(m) ParamField{FIELD(kOctet, m), Way::kInOut},
#define ARRAY(m) ParamField{FIELD(kArray, m)},
#define BYTES(m, len) ParamField{FIELD(kBytes, m), Way::kIn, LengthIs::kOctets, offsetof(S, len)},
#define BYTES_INOUT(m, len) \
  ParamField{FIELD(kBytes, m), Way::kInOut, LengthIs::kOctets, offsetof(S, len)},
#define BITS(m, len) ParamField{FIELD(kBytes, m), Way::kIn, LengthIs::kBits, offsetof(S, len)},
#define FIXED(m, n) ParamField{FIELD(kBytes, m), Way::kIn, LengthIs::kFixed, 0, n},
#define FIXED_INOUT(m, n) ParamField{FIELD(kBytes, m), Way::kInOut, LengthIs::kFixed, 0, n},
#define FIXED_OUT(m, n) ParamField{FIELD(kBytes, m), Way::kOut, LengthIs::kFixed, 0, n},
#define OUTER_OUT(m) ParamField{FIELD(kBytes, m), Way::kOut, LengthIs::kOuter},
#define BUFFER_OUT(m, len) \
  ParamField{FIELD(kBytes, m), Way::kOut, LengthIs::kPointed, offsetof(S, len)},
#define ROOM(m) ParamField{FIELD(kRoom, m), Way::kInOut},
#define TEXT(m) ParamField{FIELD(kText, m)},
#define HANDLE(m) ParamField{FIELD(kHandle, m)},
#define HANDLE_OUT(m) ParamField{FIELD(kHandle, m), Way::kOut},
#define HANDLE_AT(m) ParamField{FIELD(kHandleAt, m), Way::kOut},
#define INSIDE(m, s) ParamField{FIELD(kInside, m), Way::kIn, LengthIs::kNone, 0, 0, 0, &k_##s},
#define POINTER(m, s) ParamField{FIELD(kPointer, m), Way::kIn, LengthIs::kNone, 0, 0, 0, &k_##s},
#define POINTER_BITS(m, s, len) \
  ParamField{FIELD(kPointer, m), Way::kIn, LengthIs::kBits, offsetof(S, len), 0, 0, &k_##s},
#define STRUCTS(m, s, len) \
  ParamField{FIELD(kStructs, m), Way::kIn, LengthIs::kOctets, offsetof(S, len), 0, 0, &k_##s},
#define TEMPLATE(m, len) \
  ParamField{FIELD(kTemplate, m), Way::kIn, LengthIs::kOctets, offsetof(S, len)},
#define VALUE(m, type, len) \
  ParamField{FIELD(kValue, m), Way::kIn, LengthIs::kOctets, offsetof(S, len), 0, offsetof(S, type)},
#define MECHANISM(m) ParamField{FIELD(kMechanism, m)},
#define P11_STRUCT(s, members)                   \
  constexpr auto fields_##s = [] {               \
    using S = s;                                 \
    return std::to_array<ParamField>({members}); \
  }();                                           \
  constexpr ParamStruct k_##s{#s, sizeof(s), fields_##s};
#define P11_VALUE(name, form)
#define P11_MECHANISM(name, form)
#include "p11_params.def"
#undef P11_STRUCT
#undef P11_VALUE
#undef P11_MECHANISM

constexpr bool right_size(const ParamField& f) {
  switch (f.kind) {
    case FieldKind::kUlong:
      return f.size == sizeof(CK_ULONG);
    case FieldKind::kHandle:
      return f.size == sizeof(CK_OBJECT_HANDLE);
    case FieldKind::kOctet:
      return f.size == 1;
    case FieldKind::kArray:
      return f.size > 1;
    case FieldKind::kInside:
      return f.nested->size == f.size;
    default:
      return f.size == sizeof(void*);
  }
}

/*
 * A length that the library writes stands behind its buffer, so that it still is the room when the
 * buffer is written; one for another structure, and the type of a value, stand before it.
 */
constexpr bool right_order(const ParamField& f) {
  if (f.kind == FieldKind::kPointer && f.length != LengthIs::kNone)
    return f.length_offset < f.offset;
  if (f.kind == FieldKind::kValue) return f.type_offset < f.offset;
  if (f.kind != FieldKind::kBytes || f.way == Way::kIn) return true;
  bool written = f.length == LengthIs::kOctets || f.length == LengthIs::kPointed;
  return !written || f.length_offset > f.offset;
}

/* The members must cover the structure: sizes with padding add up, kinds have their sizes. */
constexpr bool covers(const ParamStruct& s) {
  size_t end = 0;
  for (const ParamField& f : s.fields) {
    if (f.offset < end || f.offset >= end + sizeof(CK_ULONG)) return false;
    end = f.offset + size_t{f.size};
    if (!right_size(f) || !right_order(f)) return false;
  }
  return s.size >= end && s.size < end + sizeof(CK_ULONG);
}

constexpr const ParamStruct* kStructs[] = {
#define P11_STRUCT(s, members) &k_##s,
#define P11_VALUE(name, form)
#define P11_MECHANISM(name, form)
#include "p11_params.def"
#undef P11_STRUCT
#undef P11_VALUE
#undef P11_MECHANISM
};
static_assert(std::all_of(std::begin(kStructs), std::end(kStructs),
                          [](const ParamStruct* s) { return covers(*s); }),
              "a row of p11_params.def leaves out a member or has the wrong kind");

#define NoParameter \
  ParamForm::kNone, { nullptr, nullptr }
#define Octets \
  ParamForm::kOctets, { nullptr, nullptr }
#define Number \
  ParamForm::kNumber, { nullptr, nullptr }
#define Handle \
  ParamForm::kHandle, { nullptr, nullptr }
#define NotCarried \
  ParamForm::kNotCarried, { nullptr, nullptr }
#define Struct(s) \
  ParamForm::kStruct, { &k_##s, nullptr }
#define Structs(s, t) \
  ParamForm::kStruct, { &k_##s, &k_##t }
#define P11_STRUCT(s, members)
#define P11_MECHANISM(name, form)
#define P11_VALUE(name, form) MechanismRow{name, #name, form},
constexpr MechanismRow kValues[] = {
#include "p11_params.def"
};
#undef P11_VALUE
#undef P11_MECHANISM
#define P11_VALUE(name, form)
#define P11_MECHANISM(name, form) MechanismRow{name, #name, form},
constexpr auto kMechanisms = [] {
  auto rows = std::to_array<MechanismRow>({
#include "p11_params.def"
  });
  std::sort(rows.begin(), rows.end(),
            [](const MechanismRow& a, const MechanismRow& b) { return a.type < b.type; });
  return rows;
}();
#undef P11_STRUCT
#undef P11_VALUE
#undef P11_MECHANISM
static_assert(std::adjacent_find(kMechanisms.begin(), kMechanisms.end(),
                                 [](const MechanismRow& a, const MechanismRow& b) {
                                   return a.type == b.type;
                                 }) == kMechanisms.end(),
              "a mechanism has two rows");

}  // namespace

const MechanismRow* mechanism_row(CK_MECHANISM_TYPE type) {
  auto it =
      std::lower_bound(kMechanisms.begin(), kMechanisms.end(), type,
                       [](const MechanismRow& row, CK_MECHANISM_TYPE t) { return row.type < t; });
  return it != kMechanisms.end() && it->type == type ? &*it : nullptr;
}

const ParamStruct* param_struct(const MechanismRow& row, CK_ULONG length) {
  for (const ParamStruct* s : row.structs)
    if (s != nullptr && s->size == length) return s;
  return nullptr;
}

bool has_outputs(const ParamStruct& layout) {
  return std::any_of(layout.fields.begin(), layout.fields.end(), [](const ParamField& f) {
    return f.way != Way::kIn || (f.nested != nullptr && has_outputs(*f.nested));
  });
}

const MechanismRow* value_row(CK_ULONG type) {
  const auto* row = std::find_if(std::begin(kValues), std::end(kValues),
                                 [=](const MechanismRow& r) { return r.type == type; });
  return row != std::end(kValues) ? row : nullptr;
}

std::span<const MechanismRow> mechanism_rows() { return kMechanisms; }
std::span<const ParamStruct* const> param_structs() { return kStructs; }

}  // namespace mp11
