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
#include "layer_prefix.h"

#include <cstring>
#include <span>

#include "marshal.h"
#include "p11_attributes.h"

namespace mp11 {
namespace {

std::span<const uint8_t> prefix_of(const LayerPrefix& prefix, CK_ATTRIBUTE_TYPE type) {
  if (type == CKA_LABEL) return {prefix.label, prefix.label_size};
  if (type == CKA_ID) return {prefix.id, prefix.id_size};
  return {};
}

/* Whether attributes have come in, or lie in buffers whose room they may exceed (CallArena). */
enum class Where { kIn, kBuffers };

/* Attributes within an attribute; nullptr: it holds none. */
const CK_ATTRIBUTE* inner(const CK_ATTRIBUTE& a, Where where, CK_ULONG* count) {
  if (attribute_kind(a.type) != AttrKind::kTemplate || a.pValue == nullptr ||
      a.ulValueLen == CK_UNAVAILABLE_INFORMATION || a.ulValueLen % sizeof a != 0)
    return nullptr;
  if (where == Where::kBuffers && a.ulValueLen > CallArena::room(a.pValue)) return nullptr;
  *count = a.ulValueLen / sizeof a;
  return static_cast<const CK_ATTRIBUTE*>(a.pValue);
}

/* At any depth: packing has seen to it that there is an end. */
bool names_prefixed(const LayerPrefix& prefix, const CK_ATTRIBUTE* attributes, Where where,
                    CK_ULONG count) {
  for (CK_ULONG i = 0; i < count; i++) {
    if (!prefix_of(prefix, attributes[i].type).empty()) return true;
    CK_ULONG inside = 0;
    const CK_ATTRIBUTE* its = inner(attributes[i], where, &inside);
    if (its != nullptr && names_prefixed(prefix, its, where, inside)) return true;
  }
  return false;
}

/* Of one that names a label or id; where it has no value, the library judges that. */
bool begins_with(const CK_ATTRIBUTE& a, std::span<const uint8_t> its) {
  if (a.pValue == nullptr || a.ulValueLen == 0) return true;
  return a.ulValueLen > its.size() && std::memcmp(a.pValue, its.data(), its.size()) == 0;
}

/* One that has a prefix, and a value, or a length. False: of a length that cannot be. */
bool show_one(std::span<const uint8_t> its, const CK_ATTRIBUTE& told, CK_RV* rv, CK_ATTRIBUTE* a) {
  const CK_ULONG room = a->ulValueLen, own = told.ulValueLen;
  a->ulValueLen = own;
  if (own == 0 || own == CK_UNAVAILABLE_INFORMATION) return true;
  if (own >= CK_UNAVAILABLE_INFORMATION - its.size()) return false;
  a->ulValueLen = own + its.size();
  if (a->pValue == nullptr) return true;
  if (a->ulValueLen > room || told.pValue == nullptr) {
    a->ulValueLen = CK_UNAVAILABLE_INFORMATION;
    if (*rv == CKR_OK) *rv = CKR_BUFFER_TOO_SMALL;
    return true;
  }
  std::memcpy(a->pValue, its.data(), its.size());
  std::memcpy(static_cast<uint8_t*>(a->pValue) + its.size(), told.pValue, own);
  return true;
}

}  // namespace

bool prefix_is_good(const LayerPrefix& prefix) {
  return prefix.label_size <= sizeof prefix.label && prefix.id_size <= sizeof prefix.id;
}

std::string label_prefix(const LayerPrefix& prefix) {
  return std::string(reinterpret_cast<const char*>(prefix.label), prefix.label_size);
}

std::string id_prefix_hex(const LayerPrefix& prefix) {
  std::string hex;
  for (uint32_t i = 0; i < prefix.id_size; i++) {
    hex.push_back("0123456789abcdef"[prefix.id[i] >> 4]);
    hex.push_back("0123456789abcdef"[prefix.id[i] & 15]);
  }
  return hex;
}

bool prefix_fits(const LayerPrefix& prefix, const CK_ATTRIBUTE* attributes, CK_ULONG count,
                 bool once) {
  unsigned labels = 0, ids = 0;
  for (CK_ULONG i = 0; attributes != nullptr && i < count; i++) {
    const CK_ATTRIBUTE& a = attributes[i];
    const std::span<const uint8_t> its = prefix_of(prefix, a.type);
    CK_ULONG inside = 0;
    const CK_ATTRIBUTE* nested = inner(a, Where::kIn, &inside);
    if (nested != nullptr && names_prefixed(prefix, nested, Where::kIn, inside)) return false;
    if (its.empty()) continue;
    if (++(a.type == CKA_LABEL ? labels : ids) > 1 && once) return false;
    if (!begins_with(a, its)) return false;
  }
  return true;
}

bool take_prefix_off(const LayerPrefix& prefix, CK_ATTRIBUTE* attributes, CK_ULONG count) {
  bool changed = false;
  for (CK_ULONG i = 0; attributes != nullptr && i < count; i++) {
    CK_ATTRIBUTE& a = attributes[i];
    const size_t size = prefix_of(prefix, a.type).size();
    if (size == 0 || a.pValue == nullptr || a.ulValueLen < size) continue;
    a.pValue = static_cast<uint8_t*>(a.pValue) + size;
    a.ulValueLen -= size;
    changed = true;
  }
  return changed;
}

bool make_room_for_prefix(const LayerPrefix& prefix, CK_ATTRIBUTE* query, CK_ULONG count) {
  bool concerned = false;
  for (CK_ULONG i = 0; query != nullptr && i < count; i++) {
    CK_ATTRIBUTE& a = query[i];
    const size_t size = prefix_of(prefix, a.type).size();
    concerned |= size != 0 || attribute_kind(a.type) == AttrKind::kTemplate;
    if (size == 0 || a.pValue == nullptr) continue;
    if (a.ulValueLen < size) {
      a.pValue = nullptr;
      a.ulValueLen = 0;
    } else {
      a.ulValueLen -= size;
    }
  }
  return concerned;
}

CK_RV show_prefix(const LayerPrefix& prefix, const CK_ATTRIBUTE* answer, CK_RV rv,
                  CK_ATTRIBUTE* query, CK_ULONG count) {
  for (CK_ULONG i = 0; i < count; i++) {
    const CK_ATTRIBUTE& told = answer[i];
    CK_ATTRIBUTE& a = query[i];
    const std::span<const uint8_t> its = prefix_of(prefix, a.type);
    CK_ULONG inside = 0;
    const CK_ATTRIBUTE* nested = inner(told, Where::kBuffers, &inside);
    if (!its.empty()) {
      if (!show_one(its, told, &rv, &a)) return CKR_DEVICE_ERROR;
    } else if (nested != nullptr && names_prefixed(prefix, nested, Where::kBuffers, inside)) {
      a.ulValueLen = CK_UNAVAILABLE_INFORMATION;
      if (rv == CKR_OK) rv = CKR_ATTRIBUTE_SENSITIVE;
    } else {
      a = told;
    }
  }
  return rv;
}

}  // namespace mp11
