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
/* Mechanisms and their parameters in a call. What they give back: marshal_outputs.cc. */
#include "marshal_parts.h"
#include "p11_params.h"
#include "param_walk.h"

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

/* The form in which a value is carried, by its row, if it has one. */
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

/* A mechanism within a parameter: what it gives back would come back to nobody. */
bool fits_inside(Form form, const MechanismRow* row, CK_ULONG length) {
  return form != kBlank && (form != kStruct || !has_outputs(*param_struct(*row, length)));
}

/* ---- memory to packed octets ---- */

class Packer {
 public:
  Packer(CallRec* rec, PackWriter* out) : rec_(rec), out_(out) {}

  CK_RV mechanism(const CK_MECHANISM* mechanism, unsigned depth) {
    if (mechanism == nullptr) {
      out_->u8(kNoMechanism);
      return CKR_OK;
    }
    if (depth > limits::kDepth) return CKR_MECHANISM_PARAM_INVALID;
    const void* parameter = mechanism->pParameter;
    CK_ULONG length = mechanism->ulParameterLen;
    if (parameter == nullptr) {
      out_->u8(kNullParameter);
      out_->u64(wide(mechanism->mechanism));
      out_->u64(wide(length));
      return CKR_OK;
    }
    const MechanismRow* row = mechanism_row(mechanism->mechanism);
    Form form = form_of(row, length);
    if (depth != 0 && !fits_inside(form, row, length)) return CKR_MECHANISM_PARAM_INVALID;
    /* Clients that try one form after the other go on after this value, and not after others. */
    if (form != kStruct && length > kMaxFlat) return CKR_MECHANISM_PARAM_INVALID;
    out_->u8(form);
    out_->u64(wide(mechanism->mechanism));
    if (form != kBlank) return content(form, row, parameter, length, depth);
    out_->u64(length);
    return CKR_OK;
  }

 private:
  /* A value whose form is known. */
  CK_RV content(Form form, const MechanismRow* row, const void* p, CK_ULONG length,
                unsigned depth) {
    switch (form) {
      case kOctets:
        if (length > kMaxFlat) return CKR_MECHANISM_PARAM_INVALID;
        out_->octets(p, length);
        return CKR_OK;
      case kNumber:
        out_->u64(wide(load<CK_ULONG>(p, 0)));
        return CKR_OK;
      case kHandle:
        return handle(load<CK_OBJECT_HANDLE>(p, 0));
      default:
        out_->u64(length);
        return members(*param_struct(*row, length), p, 0, depth);
    }
  }

  CK_RV handle(CK_OBJECT_HANDLE handle) {
    out_->u8(static_cast<uint8_t>(rec_->handle_count));
    return put_handle(rec_, handle) ? CKR_OK : CKR_MECHANISM_PARAM_INVALID;
  }

  CK_RV members(const ParamStruct& layout, const void* base, CK_ULONG outer, unsigned depth) {
    if (depth > limits::kDepth) return CKR_MECHANISM_PARAM_INVALID;
    for (const ParamField& f : layout.fields) {
      CK_RV rv = member(f, base, outer, depth);
      if (rv != CKR_OK) return rv;
      if (out_->size() > limits::kMessage) return CKR_HOST_MEMORY;
    }
    return CKR_OK;
  }

  CK_RV member(const ParamField& f, const void* base, CK_ULONG outer, unsigned depth) {
    const uint8_t* at = static_cast<const uint8_t*>(base) + f.offset;
    switch (f.kind) {
      case FieldKind::kUlong:
        out_->u64(wide(load<CK_ULONG>(at, 0)));
        return CKR_OK;
      case FieldKind::kOctet:
      case FieldKind::kArray:
        out_->raw(at, f.size);
        return CKR_OK;
      case FieldKind::kHandle:
        return f.way == Way::kIn ? handle(load<CK_OBJECT_HANDLE>(at, 0)) : CK_RV{CKR_OK};
      case FieldKind::kInside:
        return members(*f.nested, at, 0, depth + 1);
      case FieldKind::kMechanism:
        return mechanism(load<const CK_MECHANISM*>(at, 0), depth + 1);
      case FieldKind::kTemplate:
        return pack_template(load<const CK_ATTRIBUTE*>(at, 0), length_of(f, base, outer), out_);
      case FieldKind::kValue:
        return value(f, base, depth);
      default:
        break;
    }
    const auto* p = load<const uint8_t*>(at, 0);
    out_->u8(p != nullptr);
    return p != nullptr ? pointed(f, p, length_of(f, base, outer), outer_length(f, base), depth)
                        : CK_RV{CKR_OK};
  }

  /* What a pointer that is not NULL points to. */
  CK_RV pointed(const ParamField& f, const uint8_t* p, CK_ULONG length, CK_ULONG outer,
                unsigned depth) {
    switch (f.kind) {
      case FieldKind::kBytes:
        if (length > limits::kOutput) return CKR_HOST_MEMORY;
        if (f.way == Way::kOut)
          out_->u64(length);
        else
          out_->octets(p, length);
        return CKR_OK;
      case FieldKind::kText:
        length = ::strnlen(reinterpret_cast<const char*>(p), limits::kOutput + 1);
        if (length > limits::kOutput) return CKR_HOST_MEMORY;
        out_->octets(p, length);
        return CKR_OK;
      case FieldKind::kRoom:
        out_->u64(wide(load<CK_ULONG>(p, 0)));
        return CKR_OK;
      case FieldKind::kPointer:
        return members(*f.nested, p, outer, depth + 1);
      case FieldKind::kStructs: {
        if (length > limits::kParamStructs) return CKR_HOST_MEMORY;
        out_->u64(length);
        CK_RV rv = CKR_OK;
        for (CK_ULONG i = 0; rv == CKR_OK && i < length; i++)
          rv = members(*f.nested, p + i * f.nested->size, 0, depth + 1);
        return rv;
      }
      default: /* a pointer that is only written through */
        return CKR_OK;
    }
  }

  CK_RV value(const ParamField& f, const void* base, unsigned depth) {
    const auto* p = load<const void*>(base, f.offset);
    const CK_ULONG length = length_of(f, base, 0);
    const MechanismRow* row = value_row(load<CK_ULONG>(base, f.type_offset));
    const Form form = p == nullptr ? kNullParameter : form_of(row, length);
    if (form == kBlank) return CKR_MECHANISM_PARAM_INVALID;
    out_->u8(form);
    return form != kNullParameter ? content(form, row, p, length, depth + 1) : CK_RV{CKR_OK};
  }

  CallRec* rec_;
  PackWriter* out_;
};

/* ---- packed octets to memory ---- */

class Unpacker {
 public:
  Unpacker(PackReader* in, const CallRec& rec, unsigned* next_handle, CallArena* arena)
      : in_(in), rec_(rec), next_handle_(next_handle), arena_(arena) {}

  bool mechanism(CK_MECHANISM** result, unsigned depth) {
    *result = nullptr;
    const uint8_t form = in_->u8();
    if (form == kNoMechanism) return in_->ok();
    if (depth > limits::kDepth) return false;
    auto* made = *result = arena_->make<CK_MECHANISM>();
    if (!narrow_ulong(in_->u64(), &made->mechanism)) return false;
    if (form == kNullParameter) return narrow_ulong(in_->u64(), &made->ulParameterLen) && in_->ok();
    const MechanismRow* row = mechanism_row(made->mechanism);
    if (form == kBlank) return depth == 0 && blank(row, made);
    if (!content(form, row, &made->pParameter, &made->ulParameterLen, depth)) return false;
    return depth == 0 || fits_inside(static_cast<Form>(form), row, made->ulParameterLen);
  }

  /* Once all lengths are there: whether each says what came with its octets. */
  bool lengths_agree() const {
    for (const Length& l : lengths_)
      if (length_of(*l.field, l.base, l.outer) != l.length) return false;
    return true;
  }

 private:
  /* A length that no form has: that many zero octets for the library to judge. */
  bool blank(const MechanismRow* row, CK_MECHANISM* made) {
    if (!narrow_ulong(in_->u64(), &made->ulParameterLen)) return false;
    if (made->ulParameterLen > kMaxFlat || form_of(row, made->ulParameterLen) != kBlank)
      return false;
    made->pParameter = arena_->allocate(made->ulParameterLen);
    return in_->ok();
  }

  bool content(uint8_t form, const MechanismRow* row, void** p, CK_ULONG* length, unsigned depth) {
    CK_ULONG number;
    switch (form) {
      case kOctets: {
        std::span<const uint8_t> octets = in_->octets();
        *length = octets.size();
        if (!in_->ok() || *length > kMaxFlat || form_of(row, *length) != kOctets) return false;
        *p = copy(octets, 0);
        return true;
      }
      case kNumber:
      case kHandle:
        *length = sizeof number;
        *p = arena_->allocate(sizeof number);
        if (form != form_of(row, sizeof number)) return false;
        if (form == kNumber ? !narrow_ulong(in_->u64(), &number) : !handle(&number)) return false;
        store(*p, 0, number);
        return in_->ok();
      case kStruct: {
        if (!narrow_ulong(in_->u64(), length) || form_of(row, *length) != kStruct) return false;
        const ParamStruct* layout = param_struct(*row, *length);
        *p = arena_->allocate(layout->size);
        return members(*layout, *p, 0, depth) && in_->ok();
      }
      default:
        return false;
    }
  }

  bool handle(CK_OBJECT_HANDLE* handle) {
    uint8_t index = in_->u8();
    if (!in_->ok() || index != *next_handle_ || index >= rec_.handle_count) return false;
    (*next_handle_)++;
    return narrow_ulong(rec_.handles[index], handle);
  }

  /* A copy with `more` zero octets behind it. */
  void* copy(std::span<const uint8_t> octets, size_t more) {
    void* p = arena_->allocate_out(octets.size() + more);
    if (!octets.empty()) std::memcpy(p, octets.data(), octets.size());
    return p;
  }

  /* Rooms for results are made of a few octets of message: all of a call's together are bounded. */
  bool take_room(uint64_t size) {
    if (size > room_) return false;
    room_ -= size;
    return true;
  }

  bool members(const ParamStruct& layout, void* base, CK_ULONG outer, unsigned depth) {
    if (depth > limits::kDepth) return false;
    for (const ParamField& f : layout.fields)
      if (!member(f, base, outer, depth)) return false;
    return true;
  }

  bool member(const ParamField& f, void* base, CK_ULONG outer, unsigned depth) {
    uint8_t* at = static_cast<uint8_t*>(base) + f.offset;
    switch (f.kind) {
      case FieldKind::kUlong: {
        CK_ULONG number;
        if (!narrow_ulong(in_->u64(), &number)) return false;
        store(at, 0, number);
        return in_->ok();
      }
      case FieldKind::kOctet:
      case FieldKind::kArray: {
        const uint8_t* p = in_->raw(f.size);
        if (p != nullptr) std::memcpy(at, p, f.size);
        return p != nullptr;
      }
      case FieldKind::kHandle: {
        CK_OBJECT_HANDLE number = 0;
        if (f.way == Way::kIn && !handle(&number)) return false;
        store(at, 0, number);
        return true;
      }
      case FieldKind::kInside:
        return members(*f.nested, at, 0, depth + 1);
      case FieldKind::kMechanism: {
        CK_MECHANISM* made;
        if (!mechanism(&made, depth + 1)) return false;
        store(at, 0, made);
        return true;
      }
      case FieldKind::kTemplate: {
        Word words[2];
        if (!unpack_template(in_, arena_, &room_, words)) return false;
        store(at, 0, words[0]);
        expect(f, base, 0, words[1]);
        return true;
      }
      case FieldKind::kValue:
        return value(f, base, depth);
      default:
        return !in_->flag() || pointed(f, base, outer, depth);
    }
  }

  /* What a pointer that is not NULL points to. */
  bool pointed(const ParamField& f, void* base, CK_ULONG outer, unsigned depth) {
    void* p = nullptr;
    bool good = true;
    switch (f.kind) {
      case FieldKind::kBytes:
        good = octets(f, base, outer, &p);
        break;
      case FieldKind::kText: {
        std::span<const uint8_t> text = in_->octets();
        if (!in_->ok() || std::memchr(text.data(), 0, text.size()) != nullptr) return false;
        p = copy(text, 1);
        break;
      }
      case FieldKind::kRoom: {
        CK_ULONG number;
        if (!narrow_ulong(in_->u64(), &number)) return false;
        p = arena_->make<CK_ULONG>();
        store(p, 0, number);
        break;
      }
      case FieldKind::kPointer:
        p = arena_->allocate(f.nested->size);
        good = members(*f.nested, p, outer_length(f, base), depth + 1);
        break;
      case FieldKind::kStructs: {
        const uint64_t count = in_->u64();
        if (!in_->ok() || count > limits::kParamStructs) return false;
        auto* all = arena_->make<uint8_t>(static_cast<size_t>(count) * f.nested->size);
        for (uint64_t i = 0; good && i < count; i++)
          good = members(*f.nested, all + i * f.nested->size, 0, depth + 1);
        p = all;
        expect(f, base, 0, count);
        break;
      }
      default:
        p = arena_->make<CK_OBJECT_HANDLE>();
    }
    store(base, f.offset, p);
    return good && in_->ok();
  }

  bool octets(const ParamField& f, const void* base, CK_ULONG outer, void** p) {
    if (f.way == Way::kOut) {
      const uint64_t room = in_->u64();
      if (!in_->ok() || !take_room(room)) return false;
      *p = arena_->allocate_out(static_cast<size_t>(room));
      expect(f, base, outer, room);
      return true;
    }
    std::span<const uint8_t> octets = in_->octets();
    if (!in_->ok()) return false;
    *p = copy(octets, 0);
    expect(f, base, outer, octets.size());
    return true;
  }

  bool value(const ParamField& f, void* base, unsigned depth) {
    const uint8_t form = in_->u8();
    if (!in_->ok() || form == kNullParameter) return in_->ok();
    void* p = nullptr;
    CK_ULONG length = 0;
    const MechanismRow* row = value_row(load<CK_ULONG>(base, f.type_offset));
    if (!content(form, row, &p, &length, depth + 1)) return false;
    store(base, f.offset, p);
    expect(f, base, 0, length);
    return true;
  }

  /* A length may stand before what it counts or behind it. */
  void expect(const ParamField& f, const void* base, CK_ULONG outer, uint64_t length) {
    lengths_.push_back({&f, base, outer, length});
  }
  struct Length {
    const ParamField* field;
    const void* base;
    CK_ULONG outer;
    uint64_t length;
  };

  PackReader* in_;
  const CallRec& rec_;
  unsigned* next_handle_;
  CallArena* arena_;
  uint64_t room_ = limits::kOutput;
  std::vector<Length> lengths_;
};

}  // namespace

bool put_handle(CallRec* rec, uint64_t handle) {
  if (rec->handle_count >= limits::kRecordHandles) return false;
  rec->handles[rec->handle_count++] = handle;
  return true;
}

CK_RV pack_mechanism(const CK_MECHANISM* mechanism, CallRec* rec, PackWriter* out) {
  return Packer(rec, out).mechanism(mechanism, 0);
}

bool unpack_mechanism(PackReader* in, const CallRec& rec, unsigned* next_handle, CallArena* arena,
                      Word* word) {
  Unpacker unpacker(in, rec, next_handle, arena);
  CK_MECHANISM* made;
  const bool good = unpacker.mechanism(&made, 0);
  *word = reinterpret_cast<Word>(made);
  return good && unpacker.lengths_agree();
}

}  // namespace mp11
