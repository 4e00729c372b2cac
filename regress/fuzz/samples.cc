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
#include "samples.h"

#include <cstring>

#include "p11_params.h"

namespace mp11::fuzz {
namespace {

template <class T>
Word word(T* p) {
  return reinterpret_cast<Word>(p);
}

class Sample {
 public:
  Sample(unsigned variant, unsigned mechanism, CallArena* arena)
      : variant_(variant), mechanism_(mechanism), arena_(arena) {}

  void argument(const ArgSpec& arg, Word* w) {
    switch (arg.kind) {
      case ArgKind::kSession:
      case ArgKind::kSlot:
      case ArgKind::kHandle:
      case ArgKind::kNumber:
        w[0] = 1;
        return;
      case ArgKind::kBytes:
      case ArgKind::kPin:
        w[0] = nulls() ? 0 : octets(arg.kind == ArgKind::kPin ? 4 : 16);
        w[1] = arg.kind == ArgKind::kPin ? 4 : 16;
        return;
      case ArgKind::kBytesOut:
        room(w, &w[1], 32, 1);
        return;
      case ArgKind::kSlotList:
      case ArgKind::kNumberList:
        room(w, &w[1], 4, sizeof(CK_ULONG));
        return;
      case ArgKind::kFillOut:
        w[0] = buffers() ? word(arena_->allocate_out(16)) : 0;
        w[1] = 16;
        return;
      case ArgKind::kHandleList:
        w[0] = buffers() ? word(arena_->allocate_out(4 * sizeof(CK_ULONG))) : 0;
        w[1] = 4;
        w[2] = nulls() ? 0 : word(arena_->make<CK_ULONG>());
        return;
      case ArgKind::kMechanism:
        w[0] = nulls() ? 0 : word(mechanism());
        return;
      case ArgKind::kTemplate:
        w[0] = nulls() ? 0 : word(attributes());
        w[1] = 3;
        return;
      case ArgKind::kTemplateInOut:
        w[0] = nulls() ? 0 : word(query());
        w[1] = 3;
        return;
      case ArgKind::kReserved:
      case ArgKind::kInitArgs:
      case ArgKind::kNotify:
        return;
      case ArgKind::kLabel:
        w[0] = nulls() ? 0 : octets(32);
        return;
      default: /* a result of fixed size */
        w[0] = nulls() ? 0 : word(arena_->allocate(sizeof(CK_TOKEN_INFO)));
        return;
    }
  }

 private:
  bool nulls() const { return variant_ == 3; }
  bool buffers() const { return variant_ != 2 && variant_ != 3; }

  Word octets(size_t size) {
    auto* p = arena_->make<char>(size);
    for (size_t i = 0; i < size; i++) p[i] = kSampleText[i % 16];
    return word(p);
  }

  void room(Word* buffer, Word* length, CK_ULONG count, size_t unit) {
    *buffer = buffers() ? word(arena_->allocate_out(count * unit)) : 0;
    if (nulls()) return;
    auto* p = arena_->make<CK_ULONG>();
    *p = count;
    *length = word(p);
  }

  void attribute(CK_ATTRIBUTE* a, CK_ATTRIBUTE_TYPE type, CK_ULONG length) {
    a->type = type;
    a->pValue = reinterpret_cast<void*>(octets(length));
    a->ulValueLen = length;
  }

  void boolean(CK_ATTRIBUTE* a, CK_ATTRIBUTE_TYPE type, CK_BBOOL value) {
    attribute(a, type, 1);
    *static_cast<CK_BBOOL*>(a->pValue) = value;
  }

  /* CKA_TOKEN, CKA_PRIVATE by variant, and something longer. */
  CK_ATTRIBUTE* attributes() {
    auto* all = arena_->make<CK_ATTRIBUTE>(3);
    boolean(&all[0], CKA_TOKEN, variant_ >= 4);
    boolean(&all[1], variant_ == 5 ? CKA_MODIFIABLE : CKA_PRIVATE, variant_ == 1);
    attribute(&all[2], CKA_ID, 5);
    if (variant_ < 4) return all;
    auto* nested = arena_->make<CK_ATTRIBUTE>(2);
    boolean(&nested[0], CKA_ENCRYPT, CK_TRUE);
    attribute(&nested[1], CKA_LABEL, 3);
    all[2] = {CKA_WRAP_TEMPLATE, nested, 2 * sizeof(CK_ATTRIBUTE)};
    return all;
  }

  CK_ATTRIBUTE* query() {
    auto* all = arena_->make<CK_ATTRIBUTE>(3);
    all[0] = {CKA_ID, nullptr, 0};
    all[1] = {CKA_MODIFIABLE, nullptr, 1};
    all[2] = {CKA_VALUE, nullptr, 16};
    for (unsigned i = 0; buffers() && i < 3; i++) {
      all[i].ulValueLen = i == 1 ? 1 : 16;
      all[i].pValue = arena_->allocate_out(all[i].ulValueLen);
    }
    return all;
  }

  CK_MECHANISM* mechanism() {
    std::span<const MechanismRow> rows = mechanism_rows();
    const MechanismRow& row = rows[mechanism_ % rows.size()];
    auto* result = arena_->make<CK_MECHANISM>();
    result->mechanism = row.type;
    switch (row.form) {
      case ParamForm::kOctets:
        parameter(result, octets(16), 16);
        break;
      case ParamForm::kNumber:
      case ParamForm::kHandle: {
        auto* number = arena_->make<CK_ULONG>();
        *number = 1;
        parameter(result, word(number), sizeof *number);
        break;
      }
      case ParamForm::kStruct: {
        const ParamStruct* chosen = row.structs[variant_ % 2];
        if (chosen == nullptr) chosen = row.structs[0];
        auto* memory = arena_->make<uint8_t>(chosen->size);
        structure(*chosen, memory, limits::kDepth);
        parameter(result, word(memory), chosen->size);
        break;
      }
      default:
        break;
    }
    return result;
  }

  static void parameter(CK_MECHANISM* mechanism, Word value, CK_ULONG length) {
    mechanism->pParameter = reinterpret_cast<void*>(value);
    mechanism->ulParameterLen = length;
  }

  void structure(const ParamStruct& type, uint8_t* memory, unsigned depth) {
    const CK_ULONG one = 1, eight = 8;
    for (const ParamField& field : type.fields) {
      uint8_t* at = memory + field.offset;
      switch (field.kind) {
        case FieldKind::kUlong:
        case FieldKind::kHandle:
          std::memcpy(at, &one, sizeof one);
          break;
        case FieldKind::kOctet:
          *at = 1;
          break;
        case FieldKind::kArray:
          std::memset(at, 'a', field.size);
          break;
        case FieldKind::kBytes: {
          /* One octet where the structure around it says how many bits: 1. */
          size_t size = field.length == LengthIs::kOuter ? 1 : 8;
          if (field.length == LengthIs::kFixed) size = field.fixed;
          Word bytes = field.way == Way::kIn ? octets(8) : word(arena_->allocate_out(size));
          std::memcpy(at, &bytes, sizeof bytes);
          if (field.length == LengthIs::kOctets || field.length == LengthIs::kBits)
            std::memcpy(memory + field.length_offset, &eight, sizeof eight);
          break;
        }
        case FieldKind::kText: {
          Word text = word(arena_->make<char>(9));
          std::memset(reinterpret_cast<void*>(text), 'a', 8);
          std::memcpy(at, &text, sizeof text);
          break;
        }
        case FieldKind::kRoom:
        case FieldKind::kHandleAt: {
          auto* number = arena_->make<CK_ULONG>();
          *number = field.kind == FieldKind::kRoom ? 8 : 0;
          std::memcpy(at, &number, sizeof number);
          break;
        }
        case FieldKind::kStructs: {
          auto* first = arena_->make<uint8_t>(field.nested->size);
          structure(*field.nested, first, depth);
          std::memcpy(at, &first, sizeof first);
          break; /* the count stands before it, and is 1 */
        }
        case FieldKind::kTemplate: {
          auto* a = arena_->make<CK_ATTRIBUTE>();
          *a = {CKA_LABEL, reinterpret_cast<void*>(octets(8)), 8};
          std::memcpy(at, &a, sizeof a);
          break;
        }
        case FieldKind::kValue: { /* the type stands before it */
          const CK_ULONG octets_follow = CK_SP800_108_BYTE_ARRAY;
          Word bytes = octets(1);
          std::memcpy(memory + field.type_offset, &octets_follow, sizeof octets_follow);
          std::memcpy(at, &bytes, sizeof bytes);
          break;
        }
        case FieldKind::kMechanism: {
          auto* m = arena_->make<CK_MECHANISM>();
          m->mechanism = CKM_SHA256;
          std::memcpy(at, &m, sizeof m);
          break;
        }
        case FieldKind::kInside:
          structure(*field.nested, at, depth);
          break;
        case FieldKind::kPointer: {
          if (depth == 0 || variant_ == 1) break;
          auto* nested = arena_->make<uint8_t>(field.nested->size);
          structure(*field.nested, nested, depth - 1);
          std::memcpy(at, &nested, sizeof nested);
          break;
        }
      }
    }
  }

  unsigned variant_, mechanism_;
  CallArena* arena_;
};

}  // namespace

void sample_call(const FunctionRow& row, unsigned variant, unsigned mechanism, CallArena* arena,
                 Words* words) {
  *words = Words{};
  Sample sample(variant % kSampleVariants, mechanism, arena);
  for (unsigned i = 0; i < row.arg_count; i++)
    sample.argument(row.args[i], &words->w[row.args[i].first]);
}

}  // namespace mp11::fuzz
