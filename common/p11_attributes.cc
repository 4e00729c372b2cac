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
#include "p11_attributes.h"

#include <algorithm>
#include <array>

namespace mp11 {
namespace {

struct AttrRow {
  CK_ATTRIBUTE_TYPE type;
  AttrKind kind;
  const char* name;
};

constexpr auto kRows = [] {
  using enum AttrKind;
#define P11_ATTRIBUTE(name, kind) AttrRow{CKA_##name, kind, "CKA_" #name},
  auto rows = std::to_array<AttrRow>({
#include "p11_attributes.def"
  });
#undef P11_ATTRIBUTE
  std::sort(rows.begin(), rows.end(),
            [](const AttrRow& a, const AttrRow& b) { return a.type < b.type; });
  return rows;
}();

const AttrRow* find_row(CK_ATTRIBUTE_TYPE type) {
  auto it = std::lower_bound(kRows.begin(), kRows.end(), type,
                             [](const AttrRow& row, CK_ATTRIBUTE_TYPE t) { return row.type < t; });
  return it != kRows.end() && it->type == type ? &*it : nullptr;
}

}  // namespace

AttrKind attribute_kind(CK_ATTRIBUTE_TYPE type) {
  const AttrRow* row = find_row(type);
  return row != nullptr ? row->kind : AttrKind::kBytes;
}

const char* attribute_name(CK_ATTRIBUTE_TYPE type) {
  const AttrRow* row = find_row(type);
  return row != nullptr ? row->name : nullptr;
}

bool is_unknown_array(CK_ATTRIBUTE_TYPE type) {
  return (type & CKF_ARRAY_ATTRIBUTE) != 0 && find_row(type) == nullptr;
}

bool same_pointers(CK_ATTRIBUTE_TYPE one, CK_ATTRIBUTE_TYPE other) {
  const bool arrays[] = {attribute_kind(one) == AttrKind::kTemplate,
                         attribute_kind(other) == AttrKind::kTemplate};
  return arrays[0] == arrays[1] && is_unknown_array(one) == is_unknown_array(other);
}

}  // namespace mp11
