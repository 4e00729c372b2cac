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
#include "marshal_parts.h"
#include "p11_params.h"

namespace mp11 {
namespace {

enum Form : uint8_t {
  kNoMechanism = 0,
  kNullParameter = 1,
  kOctets = 2,
  kNumber = 3,
  kHandle = 4,
  kStruct = 5,
  kBlank = 6,
};

/* However absurd a length is for a parameter, it is the library that says so. */
constexpr CK_ULONG kMaxFlat = limits::kOutput;

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

CK_RV pack_members(const ParamStruct& layout, const void* base, unsigned depth, CallRec* rec,
                   PackWriter* out) {
  if (depth > limits::kDepth) return CKR_MECHANISM_PARAM_INVALID;
  for (const ParamField& f : layout.fields) {
    const uint8_t* at = static_cast<const uint8_t*>(base) + f.offset;
    CK_RV rv = CKR_OK;
    switch (f.kind) {
      case FieldKind::kUlong:
        out->u64(wide(load<CK_ULONG>(base, f.offset)));
        break;
      case FieldKind::kOctet:
      case FieldKind::kArray:
        out->raw(at, f.size);
        break;
      case FieldKind::kBytes: {
        const auto* p = load<const void*>(base, f.offset);
        CK_ULONG length = load<CK_ULONG>(base, f.length_offset);
        out->u8(p != nullptr);
        if (p == nullptr) break;
        if (length > limits::kOutput) return CKR_HOST_MEMORY;
        out->octets(p, length);
        break;
      }
      case FieldKind::kHandle:
        out->u8(static_cast<uint8_t>(rec->handle_count));
        if (!put_handle(rec, load<CK_OBJECT_HANDLE>(base, f.offset)))
          return CKR_MECHANISM_PARAM_INVALID;
        break;
      case FieldKind::kInside:
        rv = pack_members(*f.nested, at, depth + 1, rec, out);
        break;
      case FieldKind::kPointer: {
        const auto* p = load<const void*>(base, f.offset);
        out->u8(p != nullptr);
        if (p != nullptr) rv = pack_members(*f.nested, p, depth + 1, rec, out);
        break;
      }
    }
    if (rv != CKR_OK) return rv;
  }
  return CKR_OK;
}

/* What a structure's members are read with. */
struct MemberReader {
  PackReader* in;
  const CallRec& rec;
  unsigned* next_handle;
  CallArena* arena;

  bool handle(CK_OBJECT_HANDLE* handle) {
    uint8_t index = in->u8();
    if (!in->ok() || index != *next_handle || index >= rec.handle_count) return false;
    (*next_handle)++;
    return narrow_ulong(rec.handles[index], handle);
  }

  bool member(const ParamField& f, void* base, unsigned depth) {
    uint8_t* at = static_cast<uint8_t*>(base) + f.offset;
    switch (f.kind) {
      case FieldKind::kUlong: {
        CK_ULONG value;
        if (!narrow_ulong(in->u64(), &value)) return false;
        store(base, f.offset, value);
        break;
      }
      case FieldKind::kOctet:
      case FieldKind::kArray: {
        const uint8_t* p = in->raw(f.size);
        if (p == nullptr) return false;
        std::memcpy(at, p, f.size);
        break;
      }
      case FieldKind::kBytes: {
        if (!in->flag()) break;
        std::span<const uint8_t> octets = in->octets();
        if (!in->ok()) return false;
        void* p = arena->allocate(octets.size());
        if (!octets.empty()) std::memcpy(p, octets.data(), octets.size());
        store(base, f.offset, p);
        /* The length member stands before or after; members() compares. */
        lengths_ok_at_end.push_back({base, f.length_offset, octets.size()});
        break;
      }
      case FieldKind::kHandle: {
        CK_OBJECT_HANDLE value;
        if (!handle(&value)) return false;
        store(base, f.offset, value);
        break;
      }
      case FieldKind::kInside:
        return members(*f.nested, at, depth + 1);
      case FieldKind::kPointer: {
        if (!in->flag()) break;
        void* p = arena->allocate(f.nested->size);
        store(base, f.offset, p);
        return members(*f.nested, p, depth + 1);
      }
    }
    return in->ok();
  }

  bool members(const ParamStruct& layout, void* base, unsigned depth) {
    if (depth > limits::kDepth) return false;
    for (const ParamField& f : layout.fields)
      if (!member(f, base, depth)) return false;
    return true;
  }

  bool lengths_agree() const {
    for (const Length& l : lengths_ok_at_end)
      if (load<CK_ULONG>(l.base, l.offset) != l.size) return false;
    return true;
  }

  struct Length {
    const void* base;
    size_t offset;
    size_t size;
  };
  std::vector<Length> lengths_ok_at_end;
};

/* The form in which this parameter is carried, by the mechanism's row, if it has one. */
Form form_of(const MechanismRow* row, CK_ULONG length) {
  if (row == nullptr) return kBlank;
  switch (row->form) {
    case ParamForm::kOctets:
      return kOctets;
    case ParamForm::kNumber:
      return length == sizeof(CK_ULONG) ? kNumber : kBlank;
    case ParamForm::kHandle:
      return length == sizeof(CK_OBJECT_HANDLE) ? kHandle : kBlank;
    case ParamForm::kStruct:
      return param_struct(*row, length) != nullptr ? kStruct : kBlank;
    case ParamForm::kNone:
    case ParamForm::kNotCarried:
      break;
  }
  return kBlank;
}

}  // namespace

bool put_handle(CallRec* rec, uint64_t handle) {
  if (rec->handle_count >= limits::kRecordHandles) return false;
  rec->handles[rec->handle_count++] = handle;
  return true;
}

CK_RV pack_mechanism(const CK_MECHANISM* mechanism, CallRec* rec, PackWriter* out) {
  if (mechanism == nullptr) {
    out->u8(kNoMechanism);
    return CKR_OK;
  }
  const void* parameter = mechanism->pParameter;
  CK_ULONG length = mechanism->ulParameterLen;
  if (parameter == nullptr) {
    out->u8(kNullParameter);
    out->u64(wide(mechanism->mechanism));
    out->u64(wide(length));
    return CKR_OK;
  }
  const MechanismRow* row = mechanism_row(mechanism->mechanism);
  Form form = form_of(row, length);
  /* Clients that try one form after the other go on after this value, and not after others. */
  if (form != kStruct && length > kMaxFlat) return CKR_MECHANISM_PARAM_INVALID;
  out->u8(form);
  out->u64(wide(mechanism->mechanism));
  switch (form) {
    case kOctets:
      out->octets(parameter, length);
      break;
    case kNumber:
      out->u64(wide(load<CK_ULONG>(parameter, 0)));
      break;
    case kHandle:
      out->u8(static_cast<uint8_t>(rec->handle_count));
      if (!put_handle(rec, load<CK_OBJECT_HANDLE>(parameter, 0)))
        return CKR_MECHANISM_PARAM_INVALID;
      break;
    case kStruct:
      out->u64(length);
      return pack_members(*param_struct(*row, length), parameter, 0, rec, out);
    default:
      out->u64(length);
  }
  return CKR_OK;
}

bool unpack_mechanism(PackReader* in, const CallRec& rec, unsigned* next_handle, CallArena* arena,
                      Word* word) {
  uint8_t form = in->u8();
  *word = 0;
  if (form == kNoMechanism) return in->ok();
  auto* mechanism = arena->make<CK_MECHANISM>();
  *word = reinterpret_cast<Word>(mechanism);
  if (!narrow_ulong(in->u64(), &mechanism->mechanism)) return false;
  if (form == kNullParameter)
    return narrow_ulong(in->u64(), &mechanism->ulParameterLen) && in->ok();
  const MechanismRow* row = mechanism_row(mechanism->mechanism);
  if (row == nullptr && form != kBlank) return false;
  MemberReader reader{in, rec, next_handle, arena, {}};
  CK_ULONG number;
  switch (form) {
    case kOctets: {
      std::span<const uint8_t> octets = in->octets();
      if (!in->ok() || row->form != ParamForm::kOctets || octets.size() > kMaxFlat) return false;
      mechanism->pParameter = arena->allocate(octets.size());
      mechanism->ulParameterLen = octets.size();
      if (!octets.empty()) std::memcpy(mechanism->pParameter, octets.data(), octets.size());
      return true;
    }
    case kNumber:
    case kHandle:
      mechanism->ulParameterLen = sizeof number;
      mechanism->pParameter = arena->allocate(sizeof number);
      if (form != form_of(row, sizeof number)) return false;
      if (form == kNumber ? !narrow_ulong(in->u64(), &number) : !reader.handle(&number))
        return false;
      store(mechanism->pParameter, 0, number);
      return in->ok();
    case kStruct: {
      if (!narrow_ulong(in->u64(), &mechanism->ulParameterLen)) return false;
      const ParamStruct* layout = param_struct(*row, mechanism->ulParameterLen);
      if (layout == nullptr) return false;
      mechanism->pParameter = arena->allocate(layout->size);
      return reader.members(*layout, mechanism->pParameter, 0) && reader.lengths_agree() &&
             in->ok();
    }
    case kBlank:
      if (!narrow_ulong(in->u64(), &mechanism->ulParameterLen)) return false;
      if (mechanism->ulParameterLen > kMaxFlat || form_of(row, mechanism->ulParameterLen) != kBlank)
        return false;
      mechanism->pParameter = arena->allocate(mechanism->ulParameterLen);
      return in->ok();
    default:
      return false;
  }
}

}  // namespace mp11
