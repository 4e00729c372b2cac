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
 * What mechanism parameters give back, in a return; see values.h. Members stand where they stand in
 * the call; what is only read is null.
 */
#include <cstring>

#include "ACK-PARAM-FIELD-ARRAY.h"
#include "ACK-PARAM-FIELD.h"
#include "p11_params.h"
#include "param_walk.h"
#include "values.h"

namespace mp11::asn1 {
namespace {

bool gives(const ParamField& f) {
  return f.way != Way::kIn || (f.nested != nullptr && has_outputs(*f.nested));
}

/* ---- memory to fields ---- */

class Putter {
 public:
  Putter(bool ok, CallArena* arena) : ok_(ok), arena_(arena) {}

  bool members(const ParamStruct& layout, const void* base, CK_ULONG outer,
               ACK_PARAM_FIELD_ARRAY_t* out) {
    ACK_PARAM_FIELD_t* fields = make(out, layout.fields.size());
    for (size_t i = 0; i < layout.fields.size(); i++)
      if (gives(layout.fields[i]) && !member(layout.fields[i], base, outer, &fields[i]))
        return false;
    return true;
  }

 private:
  ACK_PARAM_FIELD_t* make(ACK_PARAM_FIELD_ARRAY_t* out, size_t count) {
    auto* fields = static_cast<ACK_PARAM_FIELD_t*>(
        make_list(reinterpret_cast<List*>(&out->list), count, sizeof(ACK_PARAM_FIELD_t), arena_));
    for (size_t i = 0; i < count; i++) fields[i].present = ACK_PARAM_FIELD_PR_null;
    return fields;
  }
  ACK_PARAM_FIELD_ARRAY_t* make_struct(ACK_PARAM_FIELD_t* out) {
    out->present = ACK_PARAM_FIELD_PR_struct;
    return out->choice.Struct = arena_->make<ACK_PARAM_FIELD_ARRAY_t>();
  }

  bool number(CK_ULONG value, ACK_PARAM_FIELD_t* out) {
    out->present = ACK_PARAM_FIELD_PR_ulong;
    out->choice.ulong = put_length(value);
    return true;
  }
  bool handle(const void* at, ACK_PARAM_FIELD_t* out) {
    out->present = ACK_PARAM_FIELD_PR_handle;
    return put_number(load<CK_OBJECT_HANDLE>(at, 0), &out->choice.handle);
  }

  bool member(const ParamField& f, const void* base, CK_ULONG outer, ACK_PARAM_FIELD_t* out) {
    const uint8_t* at = static_cast<const uint8_t*>(base) + f.offset;
    if (f.kind == FieldKind::kUlong) return number(load<CK_ULONG>(at, 0), out);
    if (f.kind == FieldKind::kOctet) return number(*at, out);
    if (f.kind == FieldKind::kHandle) return !ok_ || handle(at, out);
    if (f.kind == FieldKind::kInside) return members(*f.nested, at, 0, make_struct(out));
    const auto* p = load<const uint8_t*>(at, 0);
    return p == nullptr || pointed(f, base, p, outer, out);
  }

  bool pointed(const ParamField& f, const void* base, const uint8_t* p, CK_ULONG outer,
               ACK_PARAM_FIELD_t* out) {
    switch (f.kind) {
      case FieldKind::kRoom:
        return number(load<CK_ULONG>(p, 0), out);
      case FieldKind::kHandleAt:
        return !ok_ || handle(p, out);
      case FieldKind::kPointer:
        return members(*f.nested, p, outer_length(f, base), make_struct(out));
      case FieldKind::kStructs: {
        const CK_ULONG count = length_of(f, base, outer);
        ACK_PARAM_FIELD_t* all = make(make_struct(out), count);
        for (CK_ULONG i = 0; i < count; i++)
          if (!members(*f.nested, p + i * f.nested->size, 0, make_struct(&all[i]))) return false;
        return true;
      }
      default:
        return !ok_ || octets(f, base, p, outer, out);
    }
  }

  bool octets(const ParamField& f, const void* base, const uint8_t* p, CK_ULONG outer,
              ACK_PARAM_FIELD_t* out) {
    const CK_ULONG room = CallArena::room(p);
    const CK_ULONG length = length_written(f) ? length_of(f, base, outer) : room;
    if (length > room) return false;
    out->present = ACK_PARAM_FIELD_PR_bytes;
    put_octets(p, length, &out->choice.bytes);
    return true;
  }

  const bool ok_;
  CallArena* arena_;
};

/* ---- fields to memory ---- */

class Getter {
 public:
  explicit Getter(bool ok) : ok_(ok) {}

  bool members(const ParamStruct& layout, const ACK_PARAM_FIELD_ARRAY_t& in, void* base,
               CK_ULONG outer) {
    if (static_cast<size_t>(in.list.count) != layout.fields.size()) return false;
    for (size_t i = 0; i < layout.fields.size(); i++)
      if (gives(layout.fields[i]) && !member(layout.fields[i], *in.list.array[i], base, outer))
        return false;
    return true;
  }

 private:
  bool structure(const ParamStruct& layout, const ACK_PARAM_FIELD_t& in, void* base,
                 CK_ULONG outer) {
    return in.present == ACK_PARAM_FIELD_PR_struct &&
           members(layout, *in.choice.Struct, base, outer);
  }
  bool number(const ParamField& f, const ACK_PARAM_FIELD_t& in, const void* base, void* at) {
    CK_ULONG value;
    if (in.present != ACK_PARAM_FIELD_PR_ulong || !get_length(in.choice.ulong, &value))
      return false;
    if (!told_.agrees(f, base, value)) return false;
    write_back(f, at, &value, sizeof value);
    return true;
  }
  bool handle(const ACK_PARAM_FIELD_t& in, void* at) {
    CK_OBJECT_HANDLE value;
    if (in.present != ACK_PARAM_FIELD_PR_handle || !get_number(in.choice.handle, &value))
      return false;
    store(at, 0, value);
    return true;
  }

  bool member(const ParamField& f, const ACK_PARAM_FIELD_t& in, void* base, CK_ULONG outer) {
    uint8_t* at = static_cast<uint8_t*>(base) + f.offset;
    if (f.kind == FieldKind::kUlong) return number(f, in, base, at);
    if (f.kind == FieldKind::kOctet) {
      if (in.present != ACK_PARAM_FIELD_PR_ulong || in.choice.ulong > 0xff) return false;
      const auto octet = static_cast<uint8_t>(in.choice.ulong);
      if (ok_) write_back(f, at, &octet, 1);
      return true;
    }
    if (f.kind == FieldKind::kHandle) return !ok_ || handle(in, at);
    if (f.kind == FieldKind::kInside) return structure(*f.nested, in, at, 0);
    auto* p = load<uint8_t*>(at, 0);
    return p == nullptr || pointed(f, in, base, p, outer);
  }

  bool pointed(const ParamField& f, const ACK_PARAM_FIELD_t& in, const void* base, uint8_t* p,
               CK_ULONG outer) {
    const CK_ULONG length = length_of(f, base, outer);
    switch (f.kind) {
      case FieldKind::kRoom:
        return number(f, in, base, p);
      case FieldKind::kHandleAt:
        return !ok_ || handle(in, p);
      case FieldKind::kPointer:
        return structure(*f.nested, in, p, outer_length(f, base));
      case FieldKind::kStructs:
        if (in.present != ACK_PARAM_FIELD_PR_struct) return false;
        if (static_cast<CK_ULONG>(in.choice.Struct->list.count) != length) return false;
        for (CK_ULONG i = 0; i < length; i++) {
          const ACK_PARAM_FIELD_t& one = *in.choice.Struct->list.array[i];
          if (!structure(*f.nested, one, p + i * f.nested->size, 0)) return false;
        }
        return true;
      default:
        return !ok_ || octets(f, in, base, p, length);
    }
  }

  /* All of the room where no length is told. */
  bool octets(const ParamField& f, const ACK_PARAM_FIELD_t& in, const void* base, uint8_t* p,
              CK_ULONG room) {
    if (in.present != ACK_PARAM_FIELD_PR_bytes) return false;
    std::span<const uint8_t> from = octets_of(in.choice.bytes);
    if (from.size() > room || (!length_written(f) && from.size() != room)) return false;
    write_back(f, p, from.data(), from.size());
    told_.came(f, base, from.size());
    return true;
  }

  const bool ok_;
  ToldLength told_;
};

}  // namespace

bool put_outputs(const CK_MECHANISM* mechanism, bool ok, ACK_MECHANISM_t* out, CallArena* arena) {
  out->mechanism = nearest_number(mechanism->mechanism);
  out->ulParameterLen = nearest_number(mechanism->ulParameterLen);
  out->pParameter.present = ACK_MECHANISM__pParameter_PR_fields;
  return Putter(ok, arena).members(*output_struct(mechanism), mechanism->pParameter, 0,
                                   &out->pParameter.choice.fields);
}

bool get_outputs(const ACK_MECHANISM_t* in, bool ok, const CK_MECHANISM* mechanism) {
  if (in == nullptr || in->pParameter.present != ACK_MECHANISM__pParameter_PR_fields) return false;
  return Getter(ok).members(*output_struct(mechanism), in->pParameter.choice.fields,
                            mechanism->pParameter, 0);
}

}  // namespace mp11::asn1
