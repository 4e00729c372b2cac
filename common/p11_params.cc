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
#define ULONG(m) ParamField{FieldKind::kUlong, offsetof(S, m), sizeof(S::m), 0, nullptr, #m},
#define OCTET(m) ParamField{FieldKind::kOctet, offsetof(S, m), sizeof(S::m), 0, nullptr, #m},
#define ARRAY(m) ParamField{FieldKind::kArray, offsetof(S, m), sizeof(S::m), 0, nullptr, #m},
#define BYTES(m, length) \
  ParamField{FieldKind::kBytes, offsetof(S, m), sizeof(S::m), offsetof(S, length), nullptr, #m},
#define HANDLE(m) ParamField{FieldKind::kHandle, offsetof(S, m), sizeof(S::m), 0, nullptr, #m},
#define INSIDE(m, s) ParamField{FieldKind::kInside, offsetof(S, m), sizeof(S::m), 0, &k_##s, #m},
#define POINTER(m, s) ParamField{FieldKind::kPointer, offsetof(S, m), sizeof(S::m), 0, &k_##s, #m},
#define P11_STRUCT(s, members)                   \
  constexpr auto fields_##s = [] {               \
    using S = s;                                 \
    return std::to_array<ParamField>({members}); \
  }();                                           \
  constexpr ParamStruct k_##s{#s, sizeof(s), fields_##s};
#define P11_MECHANISM(name, form)
#include "p11_params.def"
#undef P11_STRUCT
#undef P11_MECHANISM

/* The members must cover the structure: sizes with padding add up, kinds have their sizes. */
constexpr bool covers(const ParamStruct& s) {
  size_t end = 0;
  for (const ParamField& f : s.fields) {
    if (f.offset < end || f.offset >= end + sizeof(CK_ULONG)) return false;
    end = f.offset + size_t{f.size};
    if (f.kind == FieldKind::kUlong && f.size != sizeof(CK_ULONG)) return false;
    if (f.kind == FieldKind::kHandle && f.size != sizeof(CK_OBJECT_HANDLE)) return false;
    if (f.kind == FieldKind::kOctet && f.size != 1) return false;
    if ((f.kind == FieldKind::kBytes || f.kind == FieldKind::kPointer) && f.size != sizeof(void*))
      return false;
    if ((f.kind == FieldKind::kInside) && f.nested->size != f.size) return false;
  }
  return s.size >= end && s.size < end + sizeof(CK_ULONG);
}

constexpr const ParamStruct* kStructs[] = {
#define P11_STRUCT(s, members) &k_##s,
#define P11_MECHANISM(name, form)
#include "p11_params.def"
#undef P11_STRUCT
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

std::span<const MechanismRow> mechanism_rows() { return kMechanisms; }
std::span<const ParamStruct* const> param_structs() { return kStructs; }

}  // namespace mp11
