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
/* Mechanisms and their parameters; see values.h. */
#include <cstring>

#include "ACK-PARAM-FIELD-ARRAY.h"
#include "ACK-PARAM-FIELD.h"
#include "p11_params.h"
#include "values.h"

namespace mp11::asn1 {
namespace {

template <class T>
T load(const void* base, size_t offset) {
  T value;
  std::memcpy(&value, static_cast<const uint8_t*>(base) + offset, sizeof value);
  return value;
}

template <class T>
void store(void* base, size_t offset, T value) {
  std::memcpy(static_cast<uint8_t*>(base) + offset, &value, sizeof value);
}

ACK_PARAM_FIELD_t* make_fields(ACK_PARAM_FIELD_ARRAY_t* out, size_t count, CallArena* arena) {
  auto* list = reinterpret_cast<List*>(&out->list);
  return static_cast<ACK_PARAM_FIELD_t*>(make_list(list, count, sizeof(ACK_PARAM_FIELD_t), arena));
}

/* A parameter that is one number or one handle: a structure of one member. */
constexpr ParamField kNumberField[] = {
    {FieldKind::kUlong, 0, sizeof(CK_ULONG), 0, nullptr, "number"}};
constexpr ParamField kHandleField[] = {
    {FieldKind::kHandle, 0, sizeof(CK_OBJECT_HANDLE), 0, nullptr, "handle"}};
constexpr ParamStruct kNumberStruct{"number", sizeof(CK_ULONG), kNumberField};
constexpr ParamStruct kHandleStruct{"handle", sizeof(CK_OBJECT_HANDLE), kHandleField};

/* Calls try(layout) for the layouts that the mechanism's row knows, until it says true. */
template <class Try>
const ParamStruct* find_layout(const MechanismRow* row, Try matches) {
  if (row == nullptr) return nullptr;
  switch (row->form) {
    case ParamForm::kNumber:
      return matches(kNumberStruct) ? &kNumberStruct : nullptr;
    case ParamForm::kHandle:
      return matches(kHandleStruct) ? &kHandleStruct : nullptr;
    case ParamForm::kStruct:
      for (const ParamStruct* layout : row->structs)
        if (layout != nullptr && matches(*layout)) return layout;
      return nullptr;
    default:
      return nullptr;
  }
}

const ParamStruct* layout_of_size(const MechanismRow* row, CK_ULONG size) {
  return find_layout(row, [=](const ParamStruct& layout) { return layout.size == size; });
}

/* ---- structures to fields ---- */

CK_RV put_struct(const ParamStruct& layout, const void* base, ACK_PARAM_FIELD_ARRAY_t* out,
                 CallArena* arena);

CK_RV put_nested(const ParamField& f, const void* at, ACK_PARAM_FIELD_t* out, CallArena* arena) {
  out->present = ACK_PARAM_FIELD_PR_struct;
  out->choice.Struct = arena->make<ACK_PARAM_FIELD_ARRAY_t>();
  return put_struct(*f.nested, at, out->choice.Struct, arena);
}

CK_RV put_field(const ParamField& f, const void* base, ACK_PARAM_FIELD_t* out, CallArena* arena) {
  const uint8_t* at = static_cast<const uint8_t*>(base) + f.offset;
  out->present = ACK_PARAM_FIELD_PR_null;
  switch (f.kind) {
    case FieldKind::kUlong: {
      out->present = ACK_PARAM_FIELD_PR_ulong;
      CK_ULONG value = load<CK_ULONG>(at, 0);
      if (put_number(value, &out->choice.ulong)) return CKR_OK;
      return CKR_ARGUMENTS_BAD;
    }
    case FieldKind::kOctet:
      out->present = ACK_PARAM_FIELD_PR_ulong;
      out->choice.ulong = *at;
      return CKR_OK;
    case FieldKind::kArray:
      out->present = ACK_PARAM_FIELD_PR_bytes;
      put_octets(at, f.size, &out->choice.bytes);
      return CKR_OK;
    case FieldKind::kBytes: {
      const auto* p = load<const void*>(at, 0);
      const auto length = load<CK_ULONG>(base, f.length_offset);
      if (p == nullptr) return CKR_OK;
      if (length > limits::kOutput) return CKR_HOST_MEMORY;
      out->present = ACK_PARAM_FIELD_PR_bytes;
      put_octets(p, length, &out->choice.bytes);
      return CKR_OK;
    }
    case FieldKind::kHandle:
      out->present = ACK_PARAM_FIELD_PR_handle;
      out->choice.handle = nearest_number(load<CK_OBJECT_HANDLE>(at, 0));
      return CKR_OK;
    case FieldKind::kInside:
      return put_nested(f, at, out, arena);
    case FieldKind::kPointer: {
      const auto* p = load<const void*>(at, 0);
      return p != nullptr ? put_nested(f, p, out, arena) : CKR_OK;
    }
  }
  return CKR_MECHANISM_PARAM_INVALID;
}

CK_RV put_struct(const ParamStruct& layout, const void* base, ACK_PARAM_FIELD_ARRAY_t* out,
                 CallArena* arena) {
  ACK_PARAM_FIELD_t* fields = make_fields(out, layout.fields.size(), arena);
  for (size_t i = 0; i < layout.fields.size(); i++) {
    CK_RV rv = put_field(layout.fields[i], base, &fields[i], arena);
    if (rv != CKR_OK) return rv;
  }
  return CKR_OK;
}

/* ---- fields to structures ---- */

bool get_struct(const ParamStruct& layout, const ACK_PARAM_FIELD_ARRAY_t& in, void* base,
                CallArena* arena);

bool get_field(const ParamField& f, const ACK_PARAM_FIELD_t& in, void* base, CallArena* arena) {
  uint8_t* at = static_cast<uint8_t*>(base) + f.offset;
  const bool null = in.present == ACK_PARAM_FIELD_PR_null;
  CK_ULONG number;
  switch (f.kind) {
    case FieldKind::kUlong:
      if (in.present != ACK_PARAM_FIELD_PR_ulong || !get_number(in.choice.ulong, &number))
        return false;
      store(at, 0, number);
      return true;
    case FieldKind::kOctet:
      if (in.present != ACK_PARAM_FIELD_PR_ulong || in.choice.ulong > 0xff) return false;
      *at = static_cast<uint8_t>(in.choice.ulong);
      return true;
    case FieldKind::kArray:
      if (in.present != ACK_PARAM_FIELD_PR_bytes || in.choice.bytes.size != f.size) return false;
      std::memcpy(at, in.choice.bytes.buf, f.size);
      return true;
    case FieldKind::kBytes:
      if (null) return true;
      if (in.present != ACK_PARAM_FIELD_PR_bytes) return false;
      store(at, 0, pointer_to(in.choice.bytes, arena));
      return true;
    case FieldKind::kHandle:
      if (in.present != ACK_PARAM_FIELD_PR_handle || !get_number(in.choice.handle, &number))
        return false;
      store(at, 0, number);
      return true;
    case FieldKind::kInside:
      if (in.present != ACK_PARAM_FIELD_PR_struct) return false;
      return get_struct(*f.nested, *in.choice.Struct, at, arena);
    case FieldKind::kPointer: {
      if (null) return true;
      if (in.present != ACK_PARAM_FIELD_PR_struct) return false;
      void* p = arena->allocate(f.nested->size);
      store(at, 0, p);
      return get_struct(*f.nested, *in.choice.Struct, p, arena);
    }
  }
  return false;
}

bool get_struct(const ParamStruct& layout, const ACK_PARAM_FIELD_ARRAY_t& in, void* base,
                CallArena* arena) {
  if (static_cast<size_t>(in.list.count) != layout.fields.size()) return false;
  for (size_t i = 0; i < layout.fields.size(); i++)
    if (!get_field(layout.fields[i], *in.list.array[i], base, arena)) return false;
  /* A length says what its octets say; a length without octets is the library's to judge. */
  for (size_t i = 0; i < layout.fields.size(); i++) {
    const ParamField& f = layout.fields[i];
    const ACK_PARAM_FIELD_t& field = *in.list.array[i];
    if (f.kind == FieldKind::kBytes && field.present == ACK_PARAM_FIELD_PR_bytes &&
        load<CK_ULONG>(base, f.length_offset) != static_cast<CK_ULONG>(field.choice.bytes.size))
      return false;
  }
  return true;
}

CK_RV get_parameter(const MechanismRow* row, const ACK_MECHANISM_t& in, CallArena* arena,
                    CK_MECHANISM* out) {
  const auto& choice = in.pParameter.choice;
  if (in.pParameter.present == ACK_MECHANISM__pParameter_PR_fields) {
    const ParamStruct* layout = find_layout(row, [&](const ParamStruct& l) {
      return l.fields.size() == static_cast<size_t>(choice.fields.list.count);
    });
    if (layout == nullptr) return CKR_MECHANISM_PARAM_INVALID;
    out->pParameter = arena->allocate(layout->size);
    out->ulParameterLen = layout->size; /* the sender's may differ, with its CK_ULONG */
    return get_struct(*layout, choice.fields, out->pParameter, arena) ? CKR_OK
                                                                      : CKR_MECHANISM_PARAM_INVALID;
  }
  if (in.pParameter.present != ACK_MECHANISM__pParameter_PR_data)
    return CKR_MECHANISM_PARAM_INVALID;
  const auto size = static_cast<CK_ULONG>(choice.data.size);
  if (row != nullptr && row->form == ParamForm::kOctets) {
    if (out->ulParameterLen != size) return CKR_ARGUMENTS_BAD;
    out->pParameter = pointer_to(choice.data, arena);
    return CKR_OK;
  }
  /* No octets, and a length that no form has: that many zero octets for the library to judge. */
  if (size != 0 || out->ulParameterLen > kMaxBlank ||
      layout_of_size(row, out->ulParameterLen) != nullptr)
    return CKR_MECHANISM_PARAM_INVALID;
  out->pParameter = arena->allocate(out->ulParameterLen);
  return CKR_OK;
}

}  // namespace

CK_RV put_mechanism(const CK_MECHANISM* mechanism, ACK_MECHANISM_PTR_t* out, CallArena* arena) {
  if (mechanism == nullptr) {
    out->present = ACK_MECHANISM_PTR_PR_null;
    return CKR_OK;
  }
  out->present = ACK_MECHANISM_PTR_PR_data;
  ACK_MECHANISM_t* to = &out->choice.data;
  to->mechanism = nearest_number(mechanism->mechanism);
  to->ulParameterLen = nearest_number(mechanism->ulParameterLen);
  if (mechanism->pParameter == nullptr) {
    to->pParameter.present = ACK_MECHANISM__pParameter_PR_null;
    return CKR_OK;
  }
  const MechanismRow* row = mechanism_row(mechanism->mechanism);
  if (const ParamStruct* layout = layout_of_size(row, mechanism->ulParameterLen)) {
    to->pParameter.present = ACK_MECHANISM__pParameter_PR_fields;
    return put_struct(*layout, mechanism->pParameter, &to->pParameter.choice.fields, arena);
  }
  if (mechanism->ulParameterLen > kMaxBlank) return CKR_MECHANISM_PARAM_INVALID;
  const bool octets = row != nullptr && row->form == ParamForm::kOctets;
  to->pParameter.present = ACK_MECHANISM__pParameter_PR_data;
  put_octets(mechanism->pParameter, octets ? mechanism->ulParameterLen : 0,
             &to->pParameter.choice.data);
  return CKR_OK;
}

CK_RV get_mechanism(const ACK_MECHANISM_PTR_t& in, CallArena* arena, CK_MECHANISM** mechanism) {
  *mechanism = nullptr;
  if (in.present == ACK_MECHANISM_PTR_PR_null) return CKR_OK;
  const ACK_MECHANISM_t& from = in.choice.data;
  auto* out = arena->make<CK_MECHANISM>();
  if (!get_number(from.mechanism, &out->mechanism) ||
      !get_number(from.ulParameterLen, &out->ulParameterLen))
    return CKR_ARGUMENTS_BAD;
  *mechanism = out;
  if (from.pParameter.present == ACK_MECHANISM__pParameter_PR_null) return CKR_OK;
  return get_parameter(mechanism_row(out->mechanism), from, arena, out);
}

}  // namespace mp11::asn1
