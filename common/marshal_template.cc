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
#include <algorithm>
#include <cstring>

#include "marshal_parts.h"
#include "p11_attributes.h"

namespace mp11 {
namespace {

enum Shape : uint8_t { kNull = 0, kOctets = 1, kNested = 2, kBlank = 3 };

/* Attributes of one C_GetAttributeValue at all depths: their heads fit beside limits::kOutput. */
constexpr unsigned kQueryAttributes = 2048;
static_assert(kQueryAttributes * 25 + 64 < limits::kMessage - limits::kOutput);

/* What a template may still make the other side allocate for it. */
struct Budget {
  uint64_t octets = limits::kOutput;
  unsigned attributes = kQueryAttributes;
  uint64_t most = limits::kOutput; /* for one of them; the packing side only */
};

bool is_template(const CK_ATTRIBUTE& attribute) {
  return attribute_kind(attribute.type) == AttrKind::kTemplate;
}

CK_RV pack_attributes(const CK_ATTRIBUTE* attributes, uint64_t count, bool values, unsigned depth,
                      Budget* left, PackWriter* out);

/* A value in, behind its type. */
CK_RV pack_value(const CK_ATTRIBUTE& a, Budget* left, PackWriter* out) {
  out->u64(wide(a.ulValueLen));
  if (is_template(a) || is_unknown_array(a.type)) {
    /* Neither attributes nor octets: an array of them holds pointers, which never travel. */
    if (a.ulValueLen > left->octets) return CKR_HOST_MEMORY;
    left->octets -= a.ulValueLen;
    out->u8(kBlank);
    return CKR_OK;
  }
  if (a.ulValueLen > limits::kOutput) return CKR_HOST_MEMORY;
  out->u8(kOctets);
  out->raw(a.pValue, a.ulValueLen);
  return CKR_OK;
}

/* Rooms of a query at all depths, and their sum. False: too many to be carried. */
bool measure(const CK_ATTRIBUTE* attributes, uint64_t count, unsigned depth, unsigned* rooms,
             uint64_t* sum) {
  if (count > limits::kAttributes || depth > limits::kDepth) return false;
  for (uint64_t i = 0; i < count; i++) {
    const CK_ATTRIBUTE& a = attributes[i];
    if (++*rooms > kQueryAttributes) return false;
    if (is_nested(a)) {
      if (!measure(static_cast<const CK_ATTRIBUTE*>(a.pValue), a.ulValueLen / sizeof a, depth + 1,
                   rooms, sum))
        return false;
    } else if (a.pValue != nullptr) {
      *sum += std::min<uint64_t>(a.ulValueLen, limits::kOutput + 1);
    }
  }
  return true;
}

CK_RV pack_attribute(const CK_ATTRIBUTE& a, bool values, unsigned depth, Budget* left,
                     PackWriter* out) {
  out->u64(wide(a.type));
  if (is_nested(a)) {
    uint64_t nested = a.ulValueLen / sizeof(CK_ATTRIBUTE);
    out->u64(wide(a.ulValueLen));
    out->u8(kNested);
    out->u64(nested);
    return pack_attributes(static_cast<const CK_ATTRIBUTE*>(a.pValue), nested, values, depth + 1,
                           left, out);
  }
  if (a.pValue != nullptr && values) return pack_value(a, left, out);
  if (a.pValue != nullptr) {
    out->u64(std::min<uint64_t>(a.ulValueLen, left->most));
    out->u8(kOctets);
    return CKR_OK;
  }
  out->u64(wide(a.ulValueLen));
  out->u8(kNull);
  return CKR_OK;
}

CK_RV pack_attributes(const CK_ATTRIBUTE* attributes, uint64_t count, bool values, unsigned depth,
                      Budget* left, PackWriter* out) {
  if (count > limits::kAttributes || depth > limits::kDepth) return CKR_HOST_MEMORY;
  for (uint64_t i = 0; i < count; i++) {
    CK_RV rv = pack_attribute(attributes[i], values, depth, left, out);
    if (rv != CKR_OK) return rv;
    if (out->size() > limits::kMessage) return CKR_HOST_MEMORY;
  }
  return CKR_OK;
}

/* Reads what pack_attributes wrote. */
class AttributeReader {
 public:
  AttributeReader(PackReader* in, bool values, CallArena* arena, uint64_t room = limits::kOutput)
      : in_(in), values_(values), arena_(arena), left_{.octets = room} {}

  /* nullptr after a failure. */
  CK_ATTRIBUTE* attributes(uint64_t count, unsigned depth) {
    if (count > limits::kAttributes || depth > limits::kDepth) {
      in_->fail();
      return nullptr;
    }
    size_t size = static_cast<size_t>(count) * sizeof(CK_ATTRIBUTE);
    auto* all =
        static_cast<CK_ATTRIBUTE*>(values_ ? arena_->allocate(size) : arena_->allocate_out(size));
    for (uint64_t i = 0; i < count; i++) {
      if (!attribute(&all[i], depth) || !in_->ok()) {
        in_->fail();
        return nullptr;
      }
    }
    return all;
  }
  uint64_t room() const { return left_.octets; }

 private:
  bool attribute(CK_ATTRIBUTE* a, unsigned depth) {
    if (!values_ && left_.attributes-- == 0) return false;
    if (!narrow_ulong(in_->u64(), &a->type)) return false;
    uint64_t length = in_->u64();
    if (!narrow_ulong(length, &a->ulValueLen)) return false;
    switch (in_->u8()) {
      case kNull:
        return true;
      case kOctets:
        return values_ ? octets(length, a) : room(length, a);
      case kBlank:
        return values_ &&
               (is_unknown_array(a->type) || (is_template(*a) && length % sizeof *a != 0)) &&
               room(length, a);
      case kNested: {
        uint64_t nested = in_->u64();
        if (!is_template(*a) || nested != length / sizeof(CK_ATTRIBUTE) ||
            length % sizeof(CK_ATTRIBUTE) != 0)
          return false;
        a->pValue = attributes(nested, depth + 1);
        return a->pValue != nullptr;
      }
      default:
        return false;
    }
  }

  /* Never what a library would take for an array of attributes: its pointers would be the peer's.
   */
  bool octets(uint64_t length, CK_ATTRIBUTE* a) {
    const bool pointers = is_template(*a) || is_unknown_array(a->type);
    const uint8_t* p = pointers ? nullptr : in_->raw(length);
    if (p == nullptr) return false;
    a->pValue = arena_->allocate(static_cast<size_t>(length));
    if (length != 0) std::memcpy(a->pValue, p, static_cast<size_t>(length));
    return true;
  }

  bool room(uint64_t length, CK_ATTRIBUTE* a) {
    if (length > left_.octets) return false;
    left_.octets -= length;
    a->pValue = arena_->allocate_out(static_cast<size_t>(length));
    return true;
  }

  PackReader* in_;
  bool values_;
  CallArena* arena_;
  Budget left_;
};

CK_RV pack_any(const CK_ATTRIBUTE* attributes, CK_ULONG count, bool values, PackWriter* out) {
  out->u8(attributes != nullptr);
  out->u64(wide(count));
  if (attributes == nullptr) return CKR_OK;
  Budget left;
  if (!values) {
    /* Rooms that no reply could fill together are cut: no values are that long. */
    unsigned rooms = 0;
    uint64_t sum = 0;
    if (!measure(attributes, count, 0, &rooms, &sum)) return CKR_HOST_MEMORY;
    if (sum > limits::kOutput) left.most = limits::kOutput / rooms;
  }
  return pack_attributes(attributes, count, values, 0, &left, out);
}

bool unpack_any(PackReader* in, bool values, CallArena* arena, Word words[2]) {
  bool present = in->flag();
  CK_ULONG count;
  if (!narrow_ulong(in->u64(), &count)) return false;
  words[0] = 0;
  words[1] = count;
  if (present)
    words[0] = reinterpret_cast<Word>(AttributeReader(in, values, arena).attributes(count, 0));
  return in->ok();
}

/*
 * What the library left in the attributes of a C_GetAttributeValue. False when it said CKR_OK and
 * claims to have written more than there was room for.
 */
bool pack_values(const CK_ATTRIBUTE* attributes, uint64_t count, bool ok, PackWriter* out) {
  bool believable = true;
  for (uint64_t i = 0; i < count; i++) {
    const CK_ATTRIBUTE& a = attributes[i];
    out->u64(wide(a.type));
    if (a.pValue != nullptr && is_unknown_array(a.type)) {
      /* What it holds may be the library's own pointers. */
      out->u64(wide(CK_UNAVAILABLE_INFORMATION));
      out->u8(kNull);
      continue;
    }
    out->u64(wide(a.ulValueLen));
    bool told = a.pValue != nullptr && a.ulValueLen != CK_UNAVAILABLE_INFORMATION;
    bool fits = told && a.ulValueLen <= CallArena::room(a.pValue);
    if (ok && told && !fits) believable = false;
    if (!fits || (is_template(a) && !is_nested(a))) {
      out->u8(kNull);
    } else if (is_nested(a)) {
      out->u8(kNested);
      uint64_t nested = a.ulValueLen / sizeof(CK_ATTRIBUTE);
      out->u64(nested);
      believable &= pack_values(static_cast<const CK_ATTRIBUTE*>(a.pValue), nested, ok, out);
    } else {
      out->u8(kOctets);
      out->raw(a.pValue, a.ulValueLen);
    }
  }
  return believable;
}

/*
 * Into the caller's attributes, whose ulValueLen still is the room they offer. Inner attributes of
 * a nested template get their type from the library, as PKCS #11 has it, but never one that makes
 * pointers of a buffer that the caller has for octets, or the reverse.
 */
class ValueReader {
 public:
  ValueReader(PackReader* in, bool ok) : in_(in), ok_(ok) {}

  bool values(CK_ATTRIBUTE* attributes, uint64_t count, bool inner) {
    for (uint64_t i = 0; i < count; i++)
      if (!value(&attributes[i], inner)) return false;
    return in_->ok();
  }

 private:
  bool value(CK_ATTRIBUTE* a, bool inner) {
    CK_ATTRIBUTE_TYPE type;
    CK_ULONG length;
    if (!narrow_ulong(in_->u64(), &type) || !narrow_ulong(in_->u64(), &length)) return false;
    if (!inner && a->type != type) return false;
    bool room =
        a->pValue != nullptr && length != CK_UNAVAILABLE_INFORMATION && length <= a->ulValueLen;
    const bool same = same_pointers(a->type, type);
    CK_ATTRIBUTE taken{same || a->pValue == nullptr ? type : a->type, a->pValue, length};
    switch (in_->u8()) {
      case kNull:
        /* Success, a buffer and no value: nothing a library may do. */
        if (ok_ && a->pValue != nullptr && length != CK_UNAVAILABLE_INFORMATION &&
            !(room && is_template(taken)))
          return false;
        break;
      case kOctets: {
        const bool octets = same && !is_template(taken) && !is_unknown_array(taken.type);
        const uint8_t* p = room && octets ? in_->raw(length) : nullptr;
        if (p == nullptr) return false;
        if (length != 0) std::memcpy(a->pValue, p, length);
        break;
      }
      case kNested:
        if (!room || !same || !is_nested(taken)) return false;
        if (in_->u64() != length / sizeof(CK_ATTRIBUTE)) return false;
        if (!values(static_cast<CK_ATTRIBUTE*>(a->pValue), length / sizeof(CK_ATTRIBUTE), true))
          return false;
        break;
      default:
        return false;
    }
    if (!in_->ok()) return false;
    *a = taken;
    return true;
  }

  PackReader* in_;
  bool ok_;
};

/* ---- what templates say of objects ---- */

/* Anything but CK_FALSE in one octet: a library may take the rest for true. */
bool means_true(const CK_ATTRIBUTE& a) {
  return a.pValue != nullptr && a.ulValueLen != 0 &&
         (a.ulValueLen != sizeof(CK_BBOOL) || *static_cast<const CK_BBOOL*>(a.pValue) != CK_FALSE);
}

CK_ULONG attribute_count(const CK_ATTRIBUTE* attributes, CK_ULONG count) {
  return attributes != nullptr ? std::min<CK_ULONG>(count, limits::kAttributes) : 0;
}

/* Flags of the first object that a call makes, by its template. */
uint32_t template_flags(const CK_ATTRIBUTE* attributes, CK_ULONG count) {
  uint32_t flags = kFlagPrivateUnknown0 | kFlagTokenUnknown0;
  for (CK_ULONG i = 0; i < attribute_count(attributes, count); i++) {
    const CK_ATTRIBUTE& a = attributes[i];
    if (a.type == CKA_TOKEN) flags &= ~uint32_t{kFlagTokenUnknown0};
    if (a.type == CKA_TOKEN && means_true(a)) flags |= kFlagTokenObject0;
    /* Of another length: SoftHSM makes it private or not by its class, and only it knows. */
    if (a.type != CKA_PRIVATE || a.pValue == nullptr || a.ulValueLen != sizeof(CK_BBOOL)) continue;
    flags &= ~uint32_t{kFlagPrivateUnknown0};
    if (means_true(a)) flags |= kFlagPrivateObject0;
  }
  return flags;
}

bool names_token(const CK_ATTRIBUTE* attributes, CK_ULONG count, unsigned depth) {
  if (depth > limits::kDepth) return false; /* is not carried either */
  for (CK_ULONG i = 0; i < attribute_count(attributes, count); i++) {
    const CK_ATTRIBUTE& a = attributes[i];
    if (a.type == CKA_TOKEN && means_true(a)) return true;
    if (is_nested(a) && names_token(static_cast<const CK_ATTRIBUTE*>(a.pValue),
                                    a.ulValueLen / sizeof(CK_ATTRIBUTE), depth + 1))
      return true;
  }
  return false;
}

}  // namespace

bool is_nested(const CK_ATTRIBUTE& attribute) {
  return is_template(attribute) && attribute.pValue != nullptr &&
         attribute.ulValueLen % sizeof(CK_ATTRIBUTE) == 0 &&
         attribute.ulValueLen != CK_UNAVAILABLE_INFORMATION;
}

CK_RV pack_template(const CK_ATTRIBUTE* attributes, CK_ULONG count, PackWriter* out) {
  return pack_any(attributes, count, true, out);
}

bool unpack_template(PackReader* in, CallArena* arena, Word words[2]) {
  return unpack_any(in, true, arena, words);
}

bool unpack_template(PackReader* in, CallArena* arena, uint64_t* room, Word words[2]) {
  const bool present = in->flag();
  CK_ULONG count;
  if (!narrow_ulong(in->u64(), &count)) return false;
  words[0] = 0;
  words[1] = count;
  if (!present) return in->ok();
  AttributeReader reader(in, true, arena, *room);
  words[0] = reinterpret_cast<Word>(reader.attributes(count, 0));
  *room = reader.room();
  return in->ok();
}

CK_RV pack_query(const CK_ATTRIBUTE* attributes, CK_ULONG count, PackWriter* out) {
  return pack_any(attributes, count, false, out);
}

bool unpack_query(PackReader* in, CallArena* arena, Word words[2]) {
  return unpack_any(in, false, arena, words);
}

bool asks_for_unknown_array(const CK_ATTRIBUTE* attributes, CK_ULONG count) {
  for (CK_ULONG i = 0; attributes != nullptr && i < count; i++) {
    const CK_ATTRIBUTE& a = attributes[i];
    if (a.pValue != nullptr && is_unknown_array(a.type)) return true;
    if (is_nested(a) && asks_for_unknown_array(static_cast<const CK_ATTRIBUTE*>(a.pValue),
                                               a.ulValueLen / sizeof(CK_ATTRIBUTE)))
      return true;
  }
  return false;
}

bool pack_query_reply(const CK_ATTRIBUTE* attributes, CK_ULONG count, CK_RV rv, PackWriter* out) {
  if (attributes == nullptr) count = 0;
  out->u64(count);
  return pack_values(attributes, count, rv == CKR_OK, out);
}

bool unpack_query_reply(PackReader* in, CK_RV rv, CK_ATTRIBUTE* attributes, CK_ULONG count) {
  if (attributes == nullptr) count = 0;
  return in->u64() == count && ValueReader(in, rv == CKR_OK).values(attributes, count, false);
}

uint32_t template_flags(const ParameterFacts::Template& one) {
  return template_flags(one.attributes(), one.count()) & ~uint32_t{kFlagTokenUnknown0};
}

uint32_t object_flags(const FunctionRow& row, const Words& words) {
  uint32_t flags = 0, shift = 0;
  if (!row.has(ArgKind::kHandleOut)) return 0;
  for (unsigned i = 0; i < row.arg_count; i++) {
    if (row.args[i].kind != ArgKind::kTemplate) continue;
    const Word* w = &words.w[row.args[i].first];
    uint32_t one = template_flags(reinterpret_cast<const CK_ATTRIBUTE*>(w[0]), w[1]);
    /* Only a copy is what its original was; other objects are session objects by default. */
    if (row.number != kC_CopyObject) one &= ~uint32_t{kFlagTokenUnknown0};
    flags |= one << shift++;
  }
  return flags;
}

bool names_token_object(const FunctionRow& row, const Words& words) {
  for (unsigned i = 0; i < row.arg_count; i++) {
    if (row.args[i].kind != ArgKind::kTemplate) continue;
    const Word* w = &words.w[row.args[i].first];
    if (names_token(reinterpret_cast<const CK_ATTRIBUTE*>(w[0]), w[1], 0)) return true;
  }
  for (const ParameterFacts::Template& one : parameter_facts(row, words).templates)
    if (names_token(one.attributes(), one.count(), 0)) return true;
  return false;
}

}  // namespace mp11
