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
/* Templates; see values.h. */
#include <cstring>

#include "p11_attributes.h"
#include "values.h"

namespace mp11::asn1 {
namespace {

using Value = std::remove_pointer_t<decltype(ACK_ATTRIBUTE_t::pValue)>;

/* ulValueLen on the wire counts a CK_ULONG as 8 octets and a CK_ATTRIBUTE as three of them. */
constexpr CK_ULONG kWireUlong = 8;
constexpr CK_ULONG kWireAttribute = 3 * kWireUlong;

constexpr CK_ULONG scale(CK_ULONG length, CK_ULONG from, CK_ULONG to) {
  return length == CK_UNAVAILABLE_INFORMATION ? length : length / from * to + length % from;
}
CK_ULONG wire_length(AttrKind kind, CK_ULONG length) {
  if (kind == AttrKind::kUlong || kind == AttrKind::kUlongs)
    return scale(length, sizeof(CK_ULONG), kWireUlong);
  if (kind == AttrKind::kTemplate) return scale(length, sizeof(CK_ATTRIBUTE), kWireAttribute);
  return length;
}
CK_ULONG c_length(AttrKind kind, CK_ULONG length) {
  if (kind == AttrKind::kUlong || kind == AttrKind::kUlongs)
    return scale(length, kWireUlong, sizeof(CK_ULONG));
  if (kind == AttrKind::kTemplate) return scale(length, kWireAttribute, sizeof(CK_ATTRIBUTE));
  return length;
}

CK_ULONG load_ulong(const void* base, size_t index) {
  CK_ULONG value;
  std::memcpy(&value, static_cast<const uint8_t*>(base) + index * sizeof value, sizeof value);
  return value;
}

void put_null(Value* value) { value->present = ACK_ATTRIBUTE__pValue_PR_null; }

void put_data(const void* data, size_t size, Value* value) {
  value->present = ACK_ATTRIBUTE__pValue_PR_data;
  put_octets(data, size, &value->choice.data);
}

/* One or more CK_ULONG; false when one of them has no form on the wire. */
bool put_ulongs(const CK_ATTRIBUTE& a, AttrKind kind, Value* value, CallArena* arena) {
  const size_t count = a.ulValueLen / sizeof(CK_ULONG);
  if (kind == AttrKind::kUlong) {
    value->present = ACK_ATTRIBUTE__pValue_PR_ulong;
    return put_number(load_ulong(a.pValue, 0), &value->choice.ulong);
  }
  value->present = ACK_ATTRIBUTE__pValue_PR_ulongs;
  auto* list = reinterpret_cast<List*>(&value->choice.ulongs.list);
  auto* numbers = static_cast<WireNumber*>(make_list(list, count, sizeof(WireNumber), arena));
  for (size_t i = 0; i < count; i++)
    if (!put_number(load_ulong(a.pValue, i), &numbers[i])) return false;
  return true;
}

/* Whether a value is CK_ULONGs by its type and its length. */
bool is_ulongs(const CK_ATTRIBUTE& a, AttrKind kind) {
  return (kind == AttrKind::kUlong && a.ulValueLen == sizeof(CK_ULONG)) ||
         (kind == AttrKind::kUlongs && a.ulValueLen % sizeof(CK_ULONG) == 0 &&
          a.ulValueLen / sizeof(CK_ULONG) <= limits::kWireList);
}

bool is_template(const CK_ATTRIBUTE& a, AttrKind kind) {
  return kind == AttrKind::kTemplate && a.ulValueLen % sizeof(CK_ATTRIBUTE) == 0;
}

/* ---- attributes of a call ---- */

CK_RV put_attributes(const CK_ATTRIBUTE* attributes, CK_ULONG count, bool values, unsigned depth,
                     ACK_ATTRIBUTE_ARRAY_t* out, CallArena* arena);

/* A value that is not NULL. */
CK_RV put_value(const CK_ATTRIBUTE& a, AttrKind kind, bool values, unsigned depth, Value* value,
                CallArena* arena) {
  if (is_template(a, kind)) {
    value->present = ACK_ATTRIBUTE__pValue_PR_attrs;
    value->choice.attrs = arena->make<ACK_ATTRIBUTE_ARRAY_t>();
    return put_attributes(static_cast<const CK_ATTRIBUTE*>(a.pValue),
                          a.ulValueLen / sizeof(CK_ATTRIBUTE), values, depth + 1,
                          value->choice.attrs, arena);
  }
  if (values && is_ulongs(a, kind))
    return put_ulongs(a, kind, value, arena) ? CKR_OK : CKR_ARGUMENTS_BAD;
  if (a.ulValueLen > limits::kOutput) return CKR_HOST_MEMORY;
  /* Part of a template is pointers, which never travel: the receiver makes as many zero octets. */
  const bool carried = values && kind != AttrKind::kTemplate;
  put_data(carried ? a.pValue : nullptr, carried ? a.ulValueLen : 0, value);
  return CKR_OK;
}

CK_RV put_attributes(const CK_ATTRIBUTE* attributes, CK_ULONG count, bool values, unsigned depth,
                     ACK_ATTRIBUTE_ARRAY_t* out, CallArena* arena) {
  if (count > limits::kAttributes || depth > limits::kDepth) return CKR_HOST_MEMORY;
  auto* list = reinterpret_cast<List*>(&out->list);
  auto* items =
      static_cast<ACK_ATTRIBUTE_t*>(make_list(list, count, sizeof(ACK_ATTRIBUTE_t), arena));
  for (CK_ULONG i = 0; i < count; i++) {
    const CK_ATTRIBUTE& a = attributes[i];
    ACK_ATTRIBUTE_t* item = &items[i];
    const AttrKind kind = attribute_kind(a.type);
    item->pValue = arena->make<Value>();
    if (!put_number(a.type, &item->type)) {
      /* Inside a template that is read into, the types are the library's to write. */
      if (values || depth == 0) return CKR_ARGUMENTS_BAD;
      item->type = kWireUnavailable;
    }
    item->ulValueLen = nearest_number(wire_length(kind, a.ulValueLen));
    if (a.pValue == nullptr) {
      put_null(item->pValue);
      continue;
    }
    CK_RV rv = put_value(a, kind, values, depth, item->pValue, arena);
    if (rv != CKR_OK) return rv;
  }
  return CKR_OK;
}

class TemplateGetter {
 public:
  TemplateGetter(bool values, CallArena* arena, uint64_t* room)
      : values_(values), arena_(arena), room_(room) {}

  CK_RV attributes(const ACK_ATTRIBUTE_ARRAY_t& in, unsigned depth, CK_ATTRIBUTE** out) {
    const auto count = static_cast<size_t>(in.list.count);
    if (count > limits::kAttributes || depth > limits::kDepth) return CKR_HOST_MEMORY;
    /* Inner templates that are read into are buffers themselves. */
    const size_t size = count * sizeof(CK_ATTRIBUTE);
    *out =
        static_cast<CK_ATTRIBUTE*>(values_ ? arena_->allocate(size) : arena_->allocate_out(size));
    for (size_t i = 0; i < count; i++) {
      CK_RV rv = attribute(*in.list.array[i], depth, &(*out)[i]);
      if (rv != CKR_OK) return rv;
    }
    return CKR_OK;
  }

 private:
  CK_RV attribute(const ACK_ATTRIBUTE_t& in, unsigned depth, CK_ATTRIBUTE* out) {
    CK_ULONG length;
    if (!get_number(in.type, &out->type) || !get_number(in.ulValueLen, &length))
      return CKR_ARGUMENTS_BAD;
    const AttrKind kind = attribute_kind(out->type);
    out->ulValueLen = c_length(kind, length);
    if (in.pValue == nullptr) return CKR_OK;
    const auto& choice = in.pValue->choice;
    switch (in.pValue->present) {
      case ACK_ATTRIBUTE__pValue_PR_null:
        return CKR_OK;
      case ACK_ATTRIBUTE__pValue_PR_data:
        return data(choice.data, kind, out);
      case ACK_ATTRIBUTE__pValue_PR_ulong:
        return values_ ? ulongs(&choice.ulong, 1, kind, out) : CKR_ARGUMENTS_BAD;
      case ACK_ATTRIBUTE__pValue_PR_ulongs:
        return values_ ? ulongs(choice.ulongs, kind, out) : CKR_ARGUMENTS_BAD;
      case ACK_ATTRIBUTE__pValue_PR_attrs:
        return nested(*choice.attrs, kind, depth, out);
      default:
        return CKR_ARGUMENTS_BAD;
    }
  }

  CK_RV data(const ACK_OPAQUE_t& in, AttrKind kind, CK_ATTRIBUTE* out) {
    const auto size = static_cast<size_t>(in.size);
    if (values_ && kind != AttrKind::kTemplate) {
      if (out->ulValueLen != size) return CKR_ARGUMENTS_BAD;
      out->pValue = pointer_to(in, arena_);
      return CKR_OK;
    }
    if (size != 0) return CKR_ARGUMENTS_BAD;
    /* A length that fits an array of attributes says attrs. */
    if (values_ && (out->ulValueLen > kMaxBlank || out->ulValueLen % sizeof(CK_ATTRIBUTE) == 0))
      return CKR_ARGUMENTS_BAD;
    if (out->ulValueLen > *room_) return CKR_HOST_MEMORY;
    *room_ -= out->ulValueLen;
    out->pValue = arena_->allocate_out(out->ulValueLen);
    return CKR_OK;
  }

  CK_RV ulongs(const WireNumber* number, size_t count, AttrKind kind, CK_ATTRIBUTE* out) {
    if (kind == AttrKind::kTemplate) return CKR_ARGUMENTS_BAD;
    auto* values = arena_->make<CK_ULONG>(count);
    for (size_t i = 0; i < count; i++)
      if (!get_number(number[i], &values[i])) return CKR_ARGUMENTS_BAD;
    out->pValue = values;
    out->ulValueLen = count * sizeof(CK_ULONG);
    return CKR_OK;
  }

  CK_RV ulongs(const ACK_ULONG_ARRAY_t& in, AttrKind kind, CK_ATTRIBUTE* out) {
    const auto count = static_cast<size_t>(in.list.count);
    auto* numbers = arena_->make<WireNumber>(count);
    for (size_t i = 0; i < count; i++) numbers[i] = *in.list.array[i];
    return ulongs(numbers, count, kind, out);
  }

  CK_RV nested(const ACK_ATTRIBUTE_ARRAY_t& in, AttrKind kind, unsigned depth, CK_ATTRIBUTE* out) {
    if (kind != AttrKind::kTemplate) return CKR_ARGUMENTS_BAD;
    CK_ATTRIBUTE* inner;
    CK_RV rv = attributes(in, depth + 1, &inner);
    if (rv != CKR_OK) return rv;
    out->pValue = inner;
    out->ulValueLen = static_cast<size_t>(in.list.count) * sizeof(CK_ATTRIBUTE);
    return CKR_OK;
  }

  const bool values_;
  CallArena* arena_;
  uint64_t* room_;
};

/* ---- attributes of a return ---- */

/* False when a successful library claims more octets than it had room for. */
bool put_result(const CK_ATTRIBUTE& a, AttrKind kind, bool ok, Value* value, CallArena* arena) {
  const bool told = a.pValue != nullptr && a.ulValueLen != CK_UNAVAILABLE_INFORMATION;
  const bool fits = told && a.ulValueLen <= CallArena::room(a.pValue);
  if (!fits || (kind == AttrKind::kTemplate && !is_template(a, kind))) {
    put_null(value);
    return fits || !told || !ok;
  }
  if (is_template(a, kind)) {
    value->present = ACK_ATTRIBUTE__pValue_PR_attrs;
    value->choice.attrs = arena->make<ACK_ATTRIBUTE_ARRAY_t>();
    return put_results(static_cast<const CK_ATTRIBUTE*>(a.pValue),
                       a.ulValueLen / sizeof(CK_ATTRIBUTE), ok, value->choice.attrs, arena);
  }
  if (!is_ulongs(a, kind) || !put_ulongs(a, kind, value, arena))
    put_data(a.pValue, a.ulValueLen, value); /* not what the type says: as it is */
  return true;
}

bool get_values(const ACK_ATTRIBUTE_ARRAY_t& in, bool ok, CK_ATTRIBUTE* attributes, CK_ULONG count,
                bool inner);

/* A value into a buffer of `room` octets; *length is set. */
bool get_value(const Value& value, AttrKind kind, bool ok, void* buffer, CK_ULONG room,
               CK_ULONG* length) {
  switch (value.present) {
    case ACK_ATTRIBUTE__pValue_PR_data: {
      std::span<const uint8_t> octets = octets_of(value.choice.data);
      if (octets.size() > room || (kind == AttrKind::kTemplate && !octets.empty())) return false;
      if (!octets.empty()) std::memcpy(buffer, octets.data(), octets.size());
      *length = octets.size();
      return true;
    }
    case ACK_ATTRIBUTE__pValue_PR_ulong:
    case ACK_ATTRIBUTE__pValue_PR_ulongs: {
      if (kind == AttrKind::kTemplate) return false;
      const bool one = value.present == ACK_ATTRIBUTE__pValue_PR_ulong;
      const size_t count = one ? 1 : static_cast<size_t>(value.choice.ulongs.list.count);
      if (count * sizeof(CK_ULONG) > room) return false;
      for (size_t i = 0; i < count; i++) {
        CK_ULONG number;
        if (!get_number(one ? value.choice.ulong : *value.choice.ulongs.list.array[i], &number))
          return false;
        std::memcpy(static_cast<uint8_t*>(buffer) + i * sizeof number, &number, sizeof number);
      }
      *length = count * sizeof(CK_ULONG);
      return true;
    }
    case ACK_ATTRIBUTE__pValue_PR_attrs: {
      const auto count = static_cast<size_t>(value.choice.attrs->list.count);
      if (kind != AttrKind::kTemplate || count > room / sizeof(CK_ATTRIBUTE)) return false;
      *length = count * sizeof(CK_ATTRIBUTE);
      return get_values(*value.choice.attrs, ok, static_cast<CK_ATTRIBUTE*>(buffer), count, true);
    }
    default:
      return false;
  }
}

/* One attribute of the application's, whose ulValueLen still is the room that it offers. */
bool get_result(const ACK_ATTRIBUTE_t& in, bool ok, CK_ATTRIBUTE* a, bool inner) {
  CK_ATTRIBUTE_TYPE type;
  CK_ULONG length;
  if (!get_number(in.type, &type) || !get_number(in.ulValueLen, &length)) return false;
  /* Attributes of a nested template get their type from the library, as PKCS #11 has it. */
  if (!inner && a->type != type) return false;
  length = c_length(attribute_kind(type), length);
  const bool buffer = a->pValue != nullptr;
  /* But never one that makes pointers of a buffer for octets, or the reverse. */
  const bool same = same_pointers(a->type, type);
  if (buffer && !same) type = a->type;
  const AttrKind kind = attribute_kind(type);
  if (in.pValue != nullptr && in.pValue->present != ACK_ATTRIBUTE__pValue_PR_null) {
    if (!buffer || !same || a->ulValueLen == CK_UNAVAILABLE_INFORMATION) return false;
    if (!get_value(*in.pValue, kind, ok, a->pValue, a->ulValueLen, &length)) return false;
  } else if (ok && buffer && length != CK_UNAVAILABLE_INFORMATION &&
             (kind != AttrKind::kTemplate || length > a->ulValueLen)) {
    return false; /* success, a buffer and no value: nothing a library may do */
  }
  a->type = type;
  a->ulValueLen = length;
  return true;
}

bool get_values(const ACK_ATTRIBUTE_ARRAY_t& in, bool ok, CK_ATTRIBUTE* attributes, CK_ULONG count,
                bool inner) {
  if (static_cast<size_t>(in.list.count) != count) return false;
  for (CK_ULONG i = 0; i < count; i++)
    if (!get_result(*in.list.array[i], ok, &attributes[i], inner)) return false;
  return true;
}

}  // namespace

CK_RV put_template(const CK_ATTRIBUTE* attributes, CK_ULONG count, bool values,
                   ACK_ATTRIBUTE_ARRAY_t* out, CallArena* arena) {
  return put_attributes(attributes, count, values, 0, out, arena);
}

CK_RV get_template(const ACK_ATTRIBUTE_ARRAY_t& in, bool values, CallArena* arena, uint64_t* room,
                   CK_ATTRIBUTE** attributes) {
  return TemplateGetter(values, arena, room).attributes(in, 0, attributes);
}

bool put_results(const CK_ATTRIBUTE* attributes, size_t count, bool ok, ACK_ATTRIBUTE_ARRAY_t* out,
                 CallArena* arena) {
  auto* list = reinterpret_cast<List*>(&out->list);
  auto* items =
      static_cast<ACK_ATTRIBUTE_t*>(make_list(list, count, sizeof(ACK_ATTRIBUTE_t), arena));
  for (size_t i = 0; i < count; i++) {
    const CK_ATTRIBUTE& a = attributes[i];
    const AttrKind kind = attribute_kind(a.type);
    items[i].type = nearest_number(a.type);
    items[i].ulValueLen = nearest_number(wire_length(kind, a.ulValueLen));
    items[i].pValue = arena->make<Value>();
    if (!put_result(a, kind, ok, items[i].pValue, arena)) return false;
  }
  return true;
}

bool get_results(const ACK_ATTRIBUTE_ARRAY_t& in, bool ok, CK_ATTRIBUTE* attributes,
                 CK_ULONG count) {
  return get_values(in, ok, attributes, count, false);
}

}  // namespace mp11::asn1
