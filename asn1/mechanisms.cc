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
#include "param_walk.h"
#include "values.h"

namespace mp11::asn1 {
namespace {

ACK_PARAM_FIELD_t* make_fields(ACK_PARAM_FIELD_ARRAY_t* out, size_t count, CallArena* arena) {
  auto* list = reinterpret_cast<List*>(&out->list);
  return static_cast<ACK_PARAM_FIELD_t*>(make_list(list, count, sizeof(ACK_PARAM_FIELD_t), arena));
}

/* A parameter that is one number or one handle: a structure of one member. */
constexpr ParamField kNumberField[] = {{FieldKind::kUlong, 0, sizeof(CK_ULONG), "number"}};
constexpr ParamField kHandleField[] = {{FieldKind::kHandle, 0, sizeof(CK_OBJECT_HANDLE), "handle"}};
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

/* The layout of that many members. */
const ParamStruct* layout_of_count(const MechanismRow* row, int count) {
  return find_layout(row, [=](const ParamStruct& layout) {
    return layout.fields.size() == static_cast<size_t>(count);
  });
}

bool is_octets(const MechanismRow* row) {
  return row != nullptr && row->form == ParamForm::kOctets;
}

void put_bytes(const void* data, size_t size, ACK_PARAM_FIELD_t* out) {
  out->present = ACK_PARAM_FIELD_PR_bytes;
  put_octets(data, size, &out->choice.bytes);
}

/* Makes a field the struct of `count` fields, and returns the first of these. */
ACK_PARAM_FIELD_t* put_fields(size_t count, ACK_PARAM_FIELD_t* out, CallArena* arena) {
  out->present = ACK_PARAM_FIELD_PR_struct;
  out->choice.Struct = arena->make<ACK_PARAM_FIELD_ARRAY_t>();
  return make_fields(out->choice.Struct, count, arena);
}

/* ---- structures to fields ---- */

class Putter {
 public:
  explicit Putter(CallArena* arena) : arena_(arena) {}

  CK_RV members(const ParamStruct& layout, const void* base, CK_ULONG outer, unsigned depth,
                ACK_PARAM_FIELD_t* fields) {
    if (depth > limits::kDepth) return CKR_MECHANISM_PARAM_INVALID;
    for (size_t i = 0; i < layout.fields.size(); i++) {
      fields[i].present = ACK_PARAM_FIELD_PR_null;
      CK_RV rv = member(layout.fields[i], base, outer, depth, &fields[i]);
      if (rv != CKR_OK) return rv;
    }
    return CKR_OK;
  }

 private:
  CK_RV structure(const ParamStruct& layout, const void* base, CK_ULONG outer, unsigned depth,
                  ACK_PARAM_FIELD_t* out) {
    return members(layout, base, outer, depth + 1, put_fields(layout.fields.size(), out, arena_));
  }

  CK_RV number(CK_ULONG value, ACK_PARAM_FIELD_t* out) {
    out->present = ACK_PARAM_FIELD_PR_ulong;
    return put_number(value, &out->choice.ulong) ? CKR_OK : CKR_ARGUMENTS_BAD;
  }
  CK_RV handle(const void* at, ACK_PARAM_FIELD_t* out) {
    out->present = ACK_PARAM_FIELD_PR_handle;
    out->choice.handle = nearest_number(load<CK_OBJECT_HANDLE>(at, 0));
    return CKR_OK;
  }
  CK_RV octets(const void* data, CK_ULONG size, ACK_PARAM_FIELD_t* out) {
    if (size > limits::kOutput) return CKR_HOST_MEMORY;
    put_bytes(data, size, out);
    return CKR_OK;
  }
  CK_RV room(CK_ULONG size, ACK_PARAM_FIELD_t* out) {
    if (size > limits::kOutput) return CKR_HOST_MEMORY;
    out->present = ACK_PARAM_FIELD_PR_room;
    out->choice.room = size;
    return CKR_OK;
  }

  CK_RV member(const ParamField& f, const void* base, CK_ULONG outer, unsigned depth,
               ACK_PARAM_FIELD_t* out) {
    const uint8_t* at = static_cast<const uint8_t*>(base) + f.offset;
    switch (f.kind) {
      case FieldKind::kUlong:
        return number(load<CK_ULONG>(at, 0), out);
      case FieldKind::kOctet:
        return number(*at, out);
      case FieldKind::kArray:
        return octets(at, f.size, out);
      case FieldKind::kHandle:
        return f.way == Way::kIn ? handle(at, out) : CK_RV{CKR_OK};
      case FieldKind::kInside:
        return structure(*f.nested, at, 0, depth, out);
      default:
        break;
    }
    const auto* p = load<const uint8_t*>(at, 0);
    return p != nullptr ? pointed(f, base, p, outer, depth, out) : CK_RV{CKR_OK};
  }

  CK_RV pointed(const ParamField& f, const void* base, const uint8_t* p, CK_ULONG outer,
                unsigned depth, ACK_PARAM_FIELD_t* out) {
    const CK_ULONG length = length_of(f, base, outer);
    switch (f.kind) {
      case FieldKind::kBytes:
        return f.way == Way::kOut ? room(length, out) : octets(p, length, out);
      case FieldKind::kText:
        return octets(p, ::strnlen(reinterpret_cast<const char*>(p), limits::kOutput + 1), out);
      case FieldKind::kRoom:
        return number(load<CK_ULONG>(p, 0), out);
      case FieldKind::kHandleAt:
        return room(1, out);
      case FieldKind::kPointer:
        return structure(*f.nested, p, outer_length(f, base), depth, out);
      case FieldKind::kStructs: {
        if (length > limits::kParamStructs) return CKR_HOST_MEMORY;
        ACK_PARAM_FIELD_t* all = put_fields(length, out, arena_);
        CK_RV rv = CKR_OK;
        for (CK_ULONG i = 0; rv == CKR_OK && i < length; i++)
          rv = structure(*f.nested, p + i * f.nested->size, 0, depth, &all[i]);
        return rv;
      }
      case FieldKind::kTemplate:
        out->present = ACK_PARAM_FIELD_PR_attrs;
        return put_template(reinterpret_cast<const CK_ATTRIBUTE*>(p), length, true,
                            &out->choice.attrs, arena_);
      case FieldKind::kValue:
        return value(value_row(load<CK_ULONG>(base, f.type_offset)), p, length, depth, out);
      case FieldKind::kMechanism:
        return mechanism(load<CK_MECHANISM>(p, 0), depth, out);
      default:
        return CKR_MECHANISM_PARAM_INVALID;
    }
  }

  CK_RV value(const MechanismRow* row, const void* p, CK_ULONG length, unsigned depth,
              ACK_PARAM_FIELD_t* out) {
    if (is_octets(row)) return octets(p, length, out);
    const ParamStruct* layout = layout_of_size(row, length);
    if (layout == &kNumberStruct) return number(load<CK_ULONG>(p, 0), out);
    if (layout == &kHandleStruct) return handle(p, out);
    return layout != nullptr ? structure(*layout, p, 0, depth, out)
                             : CK_RV{CKR_MECHANISM_PARAM_INVALID};
  }

  CK_RV mechanism(const CK_MECHANISM& m, unsigned depth, ACK_PARAM_FIELD_t* out) {
    ACK_PARAM_FIELD_t* fields = put_fields(3, out, arena_);
    fields[0].present = ACK_PARAM_FIELD_PR_ulong;
    fields[0].choice.ulong = nearest_number(m.mechanism);
    fields[2].present = ACK_PARAM_FIELD_PR_ulong;
    fields[2].choice.ulong = nearest_number(m.ulParameterLen);
    fields[1].present = ACK_PARAM_FIELD_PR_null;
    if (m.pParameter == nullptr) return CKR_OK;
    const MechanismRow* row = mechanism_row(m.mechanism);
    if (is_octets(row)) return octets(m.pParameter, m.ulParameterLen, &fields[1]);
    const ParamStruct* layout = layout_of_size(row, m.ulParameterLen);
    if (layout == nullptr || has_outputs(*layout)) return CKR_MECHANISM_PARAM_INVALID;
    return structure(*layout, m.pParameter, 0, depth + 1, &fields[1]);
  }

  CallArena* arena_;
};

/* ---- fields to structures ---- */

class Getter {
 public:
  Getter(CallArena* arena, uint64_t* room) : arena_(arena), room_(room) {}

  bool members(const ParamStruct& layout, const ACK_PARAM_FIELD_ARRAY_t& in, void* base,
               CK_ULONG outer, unsigned depth) {
    if (depth > limits::kDepth) return false;
    if (static_cast<size_t>(in.list.count) != layout.fields.size()) return false;
    for (size_t i = 0; i < layout.fields.size(); i++)
      if (!member(layout.fields[i], *in.list.array[i], base, outer, depth)) return false;
    for (size_t i = 0; i < layout.fields.size(); i++)
      if (!length_agrees(layout.fields[i], *in.list.array[i], base, outer)) return false;
    return true;
  }

 private:
  /* A length says what its octets say; a length without octets is the library's to judge. */
  bool length_agrees(const ParamField& f, const ACK_PARAM_FIELD_t& in, void* base, CK_ULONG outer) {
    const CK_ULONG length = length_of(f, base, outer);
    switch (in.present) {
      case ACK_PARAM_FIELD_PR_bytes:
        return f.length == LengthIs::kNone || length == static_cast<CK_ULONG>(in.choice.bytes.size);
      case ACK_PARAM_FIELD_PR_room:
        return f.kind != FieldKind::kBytes || length == in.choice.room;
      case ACK_PARAM_FIELD_PR_attrs:
        return length == static_cast<CK_ULONG>(in.choice.attrs.list.count);
      case ACK_PARAM_FIELD_PR_struct:
        if (f.kind == FieldKind::kStructs)
          return length == static_cast<CK_ULONG>(in.choice.Struct->list.count);
        break;
      default:
        break;
    }
    /* The sender's may differ, with its CK_ULONG. */
    if (f.kind == FieldKind::kValue && in.present != ACK_PARAM_FIELD_PR_null)
      store(base, f.length_offset, size_of(value_row(load<CK_ULONG>(base, f.type_offset))));
    return true;
  }

  /* Of a value that is not octets. */
  static CK_ULONG size_of(const MechanismRow* row) {
    return row->form == ParamForm::kStruct ? row->structs[0]->size : sizeof(CK_ULONG);
  }

  bool number(const ACK_PARAM_FIELD_t& in, void* at) {
    CK_ULONG value;
    if (in.present != ACK_PARAM_FIELD_PR_ulong || !get_number(in.choice.ulong, &value))
      return false;
    store(at, 0, value);
    return true;
  }
  bool handle(const ACK_PARAM_FIELD_t& in, void* at) {
    CK_ULONG value;
    if (in.present != ACK_PARAM_FIELD_PR_handle || !get_number(in.choice.handle, &value))
      return false;
    store(at, 0, value);
    return true;
  }

  bool member(const ParamField& f, const ACK_PARAM_FIELD_t& in, void* base, CK_ULONG outer,
              unsigned depth) {
    uint8_t* at = static_cast<uint8_t*>(base) + f.offset;
    const bool null = in.present == ACK_PARAM_FIELD_PR_null;
    switch (f.kind) {
      case FieldKind::kUlong:
        return number(in, at);
      case FieldKind::kOctet:
        if (in.present != ACK_PARAM_FIELD_PR_ulong || in.choice.ulong > 0xff) return false;
        *at = static_cast<uint8_t>(in.choice.ulong);
        return true;
      case FieldKind::kArray:
        if (in.present != ACK_PARAM_FIELD_PR_bytes || in.choice.bytes.size != f.size) return false;
        std::memcpy(at, in.choice.bytes.buf, f.size);
        return true;
      case FieldKind::kHandle:
        return f.way == Way::kIn ? handle(in, at) : null;
      case FieldKind::kInside:
        return in.present == ACK_PARAM_FIELD_PR_struct &&
               members(*f.nested, *in.choice.Struct, at, 0, depth + 1);
      default:
        break;
    }
    if (null) return true;
    void* p = pointed(f, in, base, outer, depth);
    store(at, 0, p);
    return p != nullptr;
  }

  /* nullptr when the field is not what the member points to. */
  void* pointed(const ParamField& f, const ACK_PARAM_FIELD_t& in, const void* base, CK_ULONG outer,
                unsigned depth) {
    switch (f.kind) {
      case FieldKind::kBytes:
        return f.way == Way::kOut ? buffer(in) : octets(f, in);
      case FieldKind::kText:
        return text(in);
      case FieldKind::kRoom: {
        auto* p = arena_->make<CK_ULONG>();
        return number(in, p) ? p : nullptr;
      }
      case FieldKind::kHandleAt:
        if (in.present != ACK_PARAM_FIELD_PR_room || in.choice.room != 1) return nullptr;
        return arena_->make<CK_OBJECT_HANDLE>();
      case FieldKind::kPointer:
        return structure(*f.nested, in, outer_length(f, base), depth);
      case FieldKind::kStructs:
        return structures(*f.nested, in, depth);
      case FieldKind::kTemplate: {
        if (in.present != ACK_PARAM_FIELD_PR_attrs) return nullptr;
        CK_ATTRIBUTE* made = nullptr;
        CK_RV rv = get_template(in.choice.attrs, true, arena_, room_, &made);
        return rv == CKR_OK ? made : nullptr;
      }
      case FieldKind::kValue:
        return value(value_row(load<CK_ULONG>(base, f.type_offset)), f, in, depth);
      case FieldKind::kMechanism:
        return mechanism(in, depth);
      default:
        return (void)outer, nullptr;
    }
  }

  void* buffer(const ACK_PARAM_FIELD_t& in) {
    if (in.present != ACK_PARAM_FIELD_PR_room || in.choice.room > *room_) return nullptr;
    *room_ -= in.choice.room;
    return arena_->allocate_out(in.choice.room);
  }

  void* octets(const ParamField& f, const ACK_PARAM_FIELD_t& in) {
    if (in.present != ACK_PARAM_FIELD_PR_bytes) return nullptr;
    if (f.way == Way::kIn) return pointer_to(in.choice.bytes, arena_);
    std::span<const uint8_t> from = octets_of(in.choice.bytes);
    void* p = arena_->allocate_out(from.size());
    if (!from.empty()) std::memcpy(p, from.data(), from.size());
    return p;
  }

  void* text(const ACK_PARAM_FIELD_t& in) {
    if (in.present != ACK_PARAM_FIELD_PR_bytes) return nullptr;
    std::span<const uint8_t> from = octets_of(in.choice.bytes);
    if (!from.empty() && std::memchr(from.data(), 0, from.size()) != nullptr) return nullptr;
    void* p = arena_->allocate(from.size() + 1);
    if (!from.empty()) std::memcpy(p, from.data(), from.size());
    return p;
  }

  void* structure(const ParamStruct& layout, const ACK_PARAM_FIELD_t& in, CK_ULONG outer,
                  unsigned depth) {
    if (in.present != ACK_PARAM_FIELD_PR_struct) return nullptr;
    void* p = arena_->allocate(layout.size);
    return members(layout, *in.choice.Struct, p, outer, depth + 1) ? p : nullptr;
  }

  void* structures(const ParamStruct& layout, const ACK_PARAM_FIELD_t& in, unsigned depth) {
    if (in.present != ACK_PARAM_FIELD_PR_struct) return nullptr;
    const auto count = static_cast<size_t>(in.choice.Struct->list.count);
    if (count > limits::kParamStructs) return nullptr;
    auto* all = arena_->make<uint8_t>(count * layout.size);
    for (size_t i = 0; i < count; i++) {
      const ACK_PARAM_FIELD_t& one = *in.choice.Struct->list.array[i];
      if (one.present != ACK_PARAM_FIELD_PR_struct) return nullptr;
      if (!members(layout, *one.choice.Struct, all + i * layout.size, 0, depth + 1)) return nullptr;
    }
    return all;
  }

  void* value(const MechanismRow* row, const ParamField& f, const ACK_PARAM_FIELD_t& in,
              unsigned depth) {
    if (row == nullptr) return nullptr;
    if (is_octets(row)) return octets(f, in);
    if (row->form == ParamForm::kStruct) return structure(*row->structs[0], in, 0, depth);
    auto* p = arena_->make<CK_ULONG>();
    const bool good = row->form == ParamForm::kHandle ? handle(in, p) : number(in, p);
    return good ? p : nullptr;
  }

  /* A mechanism within a parameter. */
  void* mechanism(const ACK_PARAM_FIELD_t& in, unsigned depth) {
    if (in.present != ACK_PARAM_FIELD_PR_struct || in.choice.Struct->list.count != 3)
      return nullptr;
    ACK_PARAM_FIELD_t* const* fields = in.choice.Struct->list.array;
    auto* made = arena_->make<CK_MECHANISM>();
    if (!number(*fields[0], &made->mechanism) || !number(*fields[2], &made->ulParameterLen))
      return nullptr;
    const ACK_PARAM_FIELD_t& from = *fields[1];
    if (from.present == ACK_PARAM_FIELD_PR_null) return made;
    const MechanismRow* row = mechanism_row(made->mechanism);
    if (from.present == ACK_PARAM_FIELD_PR_bytes) {
      made->pParameter = pointer_to(from.choice.bytes, arena_);
      const bool agree = made->ulParameterLen == static_cast<CK_ULONG>(from.choice.bytes.size);
      return is_octets(row) && agree ? made : nullptr;
    }
    if (from.present != ACK_PARAM_FIELD_PR_struct) return nullptr;
    const ParamStruct* layout = layout_of_count(row, from.choice.Struct->list.count);
    if (layout == nullptr || has_outputs(*layout)) return nullptr;
    made->ulParameterLen = layout->size;
    made->pParameter = structure(*layout, from, 0, depth + 1);
    return made->pParameter != nullptr ? made : nullptr;
  }

  CallArena* arena_;
  uint64_t* room_;
};

CK_RV get_parameter(const MechanismRow* row, const ACK_MECHANISM_t& in, CallArena* arena,
                    uint64_t* room, CK_MECHANISM* out) {
  const auto& choice = in.pParameter.choice;
  if (in.pParameter.present == ACK_MECHANISM__pParameter_PR_fields) {
    const ParamStruct* layout = layout_of_count(row, choice.fields.list.count);
    if (layout == nullptr) return CKR_MECHANISM_PARAM_INVALID;
    out->pParameter = arena->allocate(layout->size);
    out->ulParameterLen = layout->size; /* the sender's may differ, with its CK_ULONG */
    return Getter(arena, room).members(*layout, choice.fields, out->pParameter, 0, 0)
               ? CKR_OK
               : CKR_MECHANISM_PARAM_INVALID;
  }
  if (in.pParameter.present != ACK_MECHANISM__pParameter_PR_data)
    return CKR_MECHANISM_PARAM_INVALID;
  const auto size = static_cast<CK_ULONG>(choice.data.size);
  if (is_octets(row)) {
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
    ACK_PARAM_FIELD_t* fields =
        make_fields(&to->pParameter.choice.fields, layout->fields.size(), arena);
    return Putter(arena).members(*layout, mechanism->pParameter, 0, 0, fields);
  }
  if (mechanism->ulParameterLen > kMaxBlank) return CKR_MECHANISM_PARAM_INVALID;
  const bool octets = is_octets(row);
  to->pParameter.present = ACK_MECHANISM__pParameter_PR_data;
  put_octets(mechanism->pParameter, octets ? mechanism->ulParameterLen : 0,
             &to->pParameter.choice.data);
  return CKR_OK;
}

CK_RV get_mechanism(const ACK_MECHANISM_PTR_t& in, CallArena* arena, uint64_t* room,
                    CK_MECHANISM** mechanism) {
  *mechanism = nullptr;
  if (in.present == ACK_MECHANISM_PTR_PR_null) return CKR_OK;
  const ACK_MECHANISM_t& from = in.choice.data;
  auto* out = arena->make<CK_MECHANISM>();
  if (!get_number(from.mechanism, &out->mechanism) ||
      !get_number(from.ulParameterLen, &out->ulParameterLen))
    return CKR_ARGUMENTS_BAD;
  *mechanism = out;
  if (from.pParameter.present == ACK_MECHANISM__pParameter_PR_null) return CKR_OK;
  return get_parameter(mechanism_row(out->mechanism), from, arena, room, out);
}

}  // namespace mp11::asn1
