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
#include "codec_fixture.h"

#include <cstring>

#include "infos.h"
#include "p11_attributes.h"
#include "param_walk.h"
#include "words.h"

namespace mp11::asn1_test {
namespace {

/* One attribute of each kind, and one that no table knows. */
constexpr CK_ATTRIBUTE_TYPE kTypes[] = {CKA_CLASS,
                                        CKA_TOKEN,
                                        CKA_LABEL,
                                        CKA_VALUE,
                                        CKA_MODULUS,
                                        CKA_ID,
                                        CKA_START_DATE,
                                        CKA_ALLOWED_MECHANISMS,
                                        CKA_KEY_TYPE,
                                        CKA_HSS_LMS_TYPES,
                                        CKA_VENDOR_DEFINED | 77,
                                        CKA_WRAP_TEMPLATE,
                                        CKA_UNWRAP_TEMPLATE};

template <size_t N>
void fill_text(Random* random, CK_BYTE (&text)[N]) {
  for (CK_BYTE& c : text) c = static_cast<CK_BYTE>(' ' + random->below(95));
}

/* A visitor of visit_info that makes every member up. */
class InfoFiller {
 public:
  explicit InfoFiller(Random* random) : random_(random) {}
  template <size_t N>
  void octets(CK_BYTE (&field)[N]) {
    fill_text(random_, field);
  }
  void number(CK_ULONG& value) { value = random_->number(); }
  void version(CK_VERSION& v) { random_->fill(&v, sizeof v); }

 private:
  Random* random_;
};

}  // namespace

CK_ULONG Random::number() {
  switch (below(6)) {
    case 0:
      return CK_UNAVAILABLE_INFORMATION;
    case 1:
      return 0;
    case 2:
      return below(256);
    case 3:
      return 0xfffffffe;
    default:
      return static_cast<CK_ULONG>(engine_() & 0x7fffffff);
  }
}

void Random::fill(void* data, size_t size) {
  for (size_t i = 0; i < size; i++)
    static_cast<uint8_t*>(data)[i] = static_cast<uint8_t>(engine_());
}

void* CallMaker::octets(size_t size) {
  void* p = arena_->allocate(size);
  random_->fill(p, size);
  return p;
}

CK_ULONG* CallMaker::length(CK_ULONG most) {
  auto* p = arena_->make<CK_ULONG>();
  *p = random_->below(static_cast<uint32_t>(most));
  return p;
}

void CallMaker::value(CK_ATTRIBUTE* a, unsigned depth) {
  size_t size = random_->below(40);
  switch (attribute_kind(a->type)) {
    case AttrKind::kUlong: {
      if (random_->one_in(8)) { /* a length that is none: octets as they are */
        size %= sizeof(CK_ULONG);
        break;
      }
      auto* number = arena_->make<CK_ULONG>();
      *number = random_->number();
      a->pValue = number;
      a->ulValueLen = sizeof *number;
      return;
    }
    case AttrKind::kUlongs: {
      size = random_->below(5);
      auto* numbers = arena_->make<CK_ULONG>(size);
      for (size_t i = 0; i < size; i++) numbers[i] = random_->number();
      a->pValue = numbers;
      a->ulValueLen = size * sizeof *numbers;
      return;
    }
    case AttrKind::kTemplate:
      size = depth < 3 ? random_->below(4) : 0;
      a->pValue = attributes(size, depth + 1, true);
      a->ulValueLen = size * sizeof(CK_ATTRIBUTE);
      return;
    default:
      break;
  }
  a->pValue = octets(size);
  a->ulValueLen = size;
}

CK_ATTRIBUTE* CallMaker::attributes(size_t count, unsigned depth, bool values) {
  auto* all = arena_->make<CK_ATTRIBUTE>(count);
  for (size_t i = 0; i < count; i++) {
    CK_ATTRIBUTE* a = &all[i];
    a->type = kTypes[random_->below(std::size(kTypes))];
    if (random_->one_in(4)) {
      a->ulValueLen = random_->number();
    } else if (values) {
      value(a, depth);
    } else if (attribute_kind(a->type) == AttrKind::kTemplate) {
      const size_t inner = depth < 3 ? random_->below(4) : 0;
      a->pValue = attributes(inner, depth + 1, false);
      a->ulValueLen = inner * sizeof(CK_ATTRIBUTE);
    } else {
      a->ulValueLen = random_->below(64);
      a->pValue = octets(a->ulValueLen);
    }
  }
  return all;
}

void CallMaker::members(const ParamStruct& layout, uint8_t* base, CK_ULONG outer) {
  for (const ParamField& f : layout.fields)
    if (f.kind == FieldKind::kUlong || (f.kind == FieldKind::kHandle && f.way == Way::kIn))
      store(base, f.offset, random_->number());
    else if (f.kind == FieldKind::kOctet || f.kind == FieldKind::kArray)
      random_->fill(base + f.offset, f.size);
    else if (f.kind == FieldKind::kInside)
      members(*f.nested, base + f.offset, 0);
  for (const ParamField& f : layout.fields) {
    if (f.kind <= FieldKind::kArray || f.kind == FieldKind::kHandle || f.kind == FieldKind::kInside)
      continue;
    if (load<void*>(base, f.offset) == nullptr && !null())
      store(base, f.offset, pointed(layout, f, base, outer));
  }
}

uint8_t* CallMaker::structure(const ParamStruct& layout, CK_ULONG outer) {
  auto* p = static_cast<uint8_t*>(arena_->allocate(layout.size));
  members(layout, p, outer);
  return p;
}

/* What a member points to; its length, and the type of a value, are written where they belong. */
void* CallMaker::pointed(const ParamStruct& layout, const ParamField& f, uint8_t* base,
                         CK_ULONG outer) {
  CK_ULONG count = random_->below(4);
  switch (f.kind) {
    case FieldKind::kBytes:
      return bytes(layout, f, base, outer);
    case FieldKind::kText:
      return std::strcpy(arena_->make<char>(10), "text/text");
    case FieldKind::kRoom:
    case FieldKind::kHandleAt:
      return length(f.kind == FieldKind::kRoom ? 60 : 1);
    case FieldKind::kPointer:
      if (f.length == LengthIs::kBits) store(base, f.length_offset, CK_ULONG{random_->below(300)});
      return structure(*f.nested, outer_length(f, base));
    case FieldKind::kStructs: {
      auto* all = arena_->make<uint8_t>(count * f.nested->size);
      for (CK_ULONG i = 0; i < count; i++) members(*f.nested, all + i * f.nested->size, 0);
      store(base, f.length_offset, count);
      return all;
    }
    case FieldKind::kTemplate:
      store(base, f.length_offset, count);
      return attributes(count, 1, true);
    case FieldKind::kValue: {
      const CK_ULONG type = 1 + random_->below(5);
      const MechanismRow& row = *value_row(type);
      const ParamStruct* inner = row.structs[0];
      store(base, f.type_offset, type);
      const CK_ULONG size = inner != nullptr                 ? inner->size
                            : row.form == ParamForm::kOctets ? random_->below(30)
                                                             : sizeof(CK_ULONG);
      store(base, f.length_offset, size);
      if (inner != nullptr) return structure(*inner, 0);
      if (row.form == ParamForm::kOctets) return octets(size);
      auto* handle = arena_->make<CK_ULONG>();
      *handle = random_->number();
      return handle;
    }
    default: { /* a mechanism */
      auto* m = arena_->make<CK_MECHANISM>();
      const bool pss = random_->one_in(2);
      m->mechanism = pss ? CKM_RSA_PKCS_PSS : CKM_AES_CBC;
      m->ulParameterLen = pss ? sizeof(CK_RSA_PKCS_PSS_PARAMS) : random_->below(20);
      m->pParameter = pss ? structure(*mechanism_row(CKM_RSA_PKCS_PSS)->structs[0], 0)
                          : octets(m->ulParameterLen);
      return m;
    }
  }
}

void* CallMaker::bytes(const ParamStruct& layout, const ParamField& f, uint8_t* base,
                       CK_ULONG outer) {
  CK_ULONG size = random_->below(30);
  if (f.length == LengthIs::kFixed) size = f.fixed;
  if (f.length == LengthIs::kOuter) size = outer;
  for (const ParamField& other : layout.fields) /* two may have one length */
    if (&other < &f && other.kind == FieldKind::kBytes && other.length == f.length &&
        other.length_offset == f.length_offset && load<void*>(base, other.offset) != nullptr)
      size = length_of(f, base, outer);
  if (f.length == LengthIs::kPointed) store(base, f.length_offset, length(1));
  if (f.length == LengthIs::kPointed) *load<CK_ULONG*>(base, f.length_offset) = size;
  if (f.length == LengthIs::kOctets) store(base, f.length_offset, size);
  if (f.length == LengthIs::kBits) store(base, f.length_offset, size * 8);
  void* p = arena_->allocate_out(size);
  random_->fill(p, size);
  return p;
}

CK_MECHANISM* CallMaker::mechanism(const MechanismRow& row) {
  auto* m = arena_->make<CK_MECHANISM>();
  m->mechanism = row.type;
  if (null() || row.form == ParamForm::kNotCarried) {
    m->ulParameterLen = random_->one_in(2) ? 0 : random_->number();
    return m;
  }
  size_t size = random_->below(40); /* mostly a length that no form has: the length is carried */
  const bool right = plain_ || !random_->one_in(6);
  if (right && (row.form == ParamForm::kNumber || row.form == ParamForm::kHandle)) {
    auto* number = arena_->make<CK_ULONG>();
    *number = random_->number();
    m->pParameter = number;
    m->ulParameterLen = sizeof *number;
    return m;
  }
  if (right && row.form == ParamForm::kStruct) {
    const ParamStruct* layout = row.structs[row.structs[1] != nullptr && random_->one_in(2)];
    auto* base = static_cast<uint8_t*>(arena_->allocate(layout->size));
    members(*layout, base, 0);
    m->pParameter = base;
    m->ulParameterLen = layout->size;
    return m;
  }
  while (row.form != ParamForm::kOctets && (size == sizeof(CK_ULONG) || param_struct(row, size)))
    size = random_->below(40);
  m->pParameter = octets(size);
  m->ulParameterLen = size;
  return m;
}

void CallMaker::argument(const ArgSpec& arg, Word* w) {
  switch (arg.kind) {
    case ArgKind::kSession:
    case ArgKind::kSlot:
    case ArgKind::kHandle:
      w[0] = random_->number();
      break;
    case ArgKind::kNumber:
      w[0] =
          std::string_view(arg.names[0]) == "tokenPresent" ? random_->below(2) : random_->number();
      break;
    case ArgKind::kBytes:
    case ArgKind::kPin:
      w[1] = null() ? random_->number() : random_->below(100);
      if (w[1] >= 100 || null()) break;
      w[0] = word_of(octets(w[1]));
      if (arg.kind == ArgKind::kPin && random_->one_in(2))
        for (size_t i = 0; i < w[1]; i++) pointer<uint8_t>(w[0])[i] = 'p';
      break;
    case ArgKind::kBytesOut:
    case ArgKind::kSlotList:
    case ArgKind::kNumberList:
      if (!null()) w[0] = word_of(arena_->allocate_out(300 * sizeof(CK_ULONG)));
      if (!null()) w[1] = word_of(length(300));
      break;
    case ArgKind::kFillOut:
      w[1] = random_->below(200);
      if (!null()) w[0] = word_of(arena_->allocate_out(w[1]));
      break;
    case ArgKind::kHandleList:
      w[1] = random_->below(200);
      if (!null()) w[0] = word_of(arena_->allocate_out(w[1] * sizeof(CK_OBJECT_HANDLE)));
      if (!null()) w[2] = word_of(length(5));
      break;
    case ArgKind::kMechanism:
      if (!null())
        w[0] = word_of(mechanism(
            mechanism_rows()[random_->below(static_cast<uint32_t>(mechanism_rows().size()))]));
      break;
    case ArgKind::kTemplate:
    case ArgKind::kTemplateInOut:
      w[1] = random_->below(12);
      if (!null()) w[0] = word_of(attributes(w[1], 0, arg.kind == ArgKind::kTemplate));
      break;
    case ArgKind::kLabel: {
      if (null()) break;
      auto* label = static_cast<CK_BYTE(*)[32]>(arena_->allocate(32));
      fill_text(random_, *label);
      w[0] = word_of(label);
      break;
    }
    case ArgKind::kNotify:
      if (!null()) w[0] = word_of(octets(8));
      if (!null()) w[1] = word_of(octets(8));
      break;
    case ArgKind::kReserved: /* that of C_Finalize can only be NULL */
      if (std::string_view(arg.names[0]) == "pRserved" && !null()) w[0] = word_of(octets(8));
      break;
    default:
      if (!null()) w[0] = word_of(arena_->allocate(sizeof(CK_TOKEN_INFO)));
  }
}

Words CallMaker::call(const FunctionRow& row) {
  Words words;
  for (unsigned i = 0; i < row.arg_count; i++) argument(row.args[i], &words.w[row.args[i].first]);
  return words;
}

Words CallMaker::plain_call(const FunctionRow& row) {
  plain_ = true;
  Words words = call(row);
  plain_ = false;
  return words;
}

namespace {

class Library {
 public:
  explicit Library(Random* random) : random_(random) {}

  CK_RV call(const FunctionRow& row, const Words& words) {
    for (unsigned i = 0; i < row.arg_count; i++) result(row.args[i], &words.w[row.args[i].first]);
    for (unsigned i = 0; i < row.arg_count; i++)
      if (row.args[i].kind == ArgKind::kMechanism)
        outputs(pointer<CK_MECHANISM>(words.w[row.args[i].first]));
    return rv_;
  }

 private:
  void result(const ArgSpec& arg, const Word* w) {
    switch (arg.kind) {
      case ArgKind::kBytesOut:
        return octets(w);
      case ArgKind::kFillOut:
        if (w[0] != 0) random_->fill(pointer<void>(w[0]), w[1]);
        break;
      case ArgKind::kHandleList:
        return list(w[0], w[1], w[2]);
      case ArgKind::kSlotList:
      case ArgKind::kNumberList:
        return list(w[0], w[1] != 0 ? *pointer<CK_ULONG>(w[1]) : 0, w[1]);
      case ArgKind::kTemplateInOut:
        if (w[0] != 0) attributes(pointer<CK_ATTRIBUTE>(w[0]), w[1]);
        break;
      case ArgKind::kHandleOut:
      case ArgKind::kSessionOut:
      case ArgKind::kSlotOut:
      case ArgKind::kNumberOut:
        if (w[0] != 0) *pointer<CK_ULONG>(w[0]) = random_->number();
        break;
      case ArgKind::kInfoOut:
        return info<CK_INFO>(w);
      case ArgKind::kSlotInfoOut:
        return info<CK_SLOT_INFO>(w);
      case ArgKind::kTokenInfoOut:
        return info<CK_TOKEN_INFO>(w);
      case ArgKind::kSessionInfoOut:
        return info<CK_SESSION_INFO>(w);
      case ArgKind::kMechanismInfoOut:
        return info<CK_MECHANISM_INFO>(w);
      default:
        break;
    }
  }

  void outputs(CK_MECHANISM* mechanism) {
    const ParamStruct* layout = output_struct(mechanism);
    auto leaf = [this](const ParamStruct&, const ParamField& f, void* base, CK_ULONG outer) {
      if (f.way != Way::kIn) output(f, static_cast<uint8_t*>(base), outer);
      return true;
    };
    if (layout != nullptr) walk_members(*layout, mechanism->pParameter, 0, leaf);
  }

  void output(const ParamField& f, uint8_t* base, CK_ULONG outer) {
    uint8_t* at = base + f.offset;
    if (f.kind == FieldKind::kOctet) return random_->fill(at, 1);
    if (f.kind == FieldKind::kHandle) return store(at, 0, random_->number());
    if (f.kind == FieldKind::kUlong) return; /* with its octets */
    auto* p = load<uint8_t*>(at, 0);
    if (p == nullptr || f.kind == FieldKind::kRoom) return;
    if (f.kind == FieldKind::kHandleAt) return store(p, 0, random_->number());
    CK_ULONG size = length_of(f, base, outer);
    if (f.length == LengthIs::kOctets || f.length == LengthIs::kPointed) {
      if (size != 0) size = random_->below(static_cast<uint32_t>(size));
      if (f.length == LengthIs::kOctets) store(base, f.length_offset, size);
      auto* room =
          f.length == LengthIs::kPointed ? load<CK_ULONG*>(base, f.length_offset) : nullptr;
      if (room != nullptr) *room = size;
    }
    random_->fill(p, size);
  }

  /* Too small, a query, or data. True when there is room and *count elements are to be made. */
  bool produce(Word buffer, CK_ULONG room, CK_ULONG* count) {
    if (count == nullptr) return false;
    if (buffer == 0) {
      *count = random_->below(1000);
      return false;
    }
    if (random_->one_in(3)) {
      *count = room + 1 + random_->below(1000);
      rv_ = CKR_BUFFER_TOO_SMALL;
      return false;
    }
    *count = random_->below(static_cast<uint32_t>(room) + 1);
    return true;
  }

  void octets(const Word* w) {
    auto* length = pointer<CK_ULONG>(w[1]);
    if (produce(w[0], length != nullptr ? *length : 0, length))
      random_->fill(pointer<void>(w[0]), *length);
  }

  void list(Word elements, CK_ULONG room, Word count) {
    auto* found = pointer<CK_ULONG>(count);
    if (!produce(elements, room, found)) return;
    for (CK_ULONG i = 0; i < *found; i++) pointer<CK_ULONG>(elements)[i] = random_->number();
  }

  void attributes(CK_ATTRIBUTE* attributes, CK_ULONG count) {
    for (CK_ULONG i = 0; i < count; i++) attribute(&attributes[i]);
  }

  void attribute(CK_ATTRIBUTE* a) {
    const AttrKind kind = attribute_kind(a->type);
    const CK_ULONG room = a->pValue != nullptr ? a->ulValueLen : 0;
    if (random_->one_in(5)) {
      a->ulValueLen = CK_UNAVAILABLE_INFORMATION;
      rv_ = random_->one_in(2) ? CKR_ATTRIBUTE_SENSITIVE : CKR_ATTRIBUTE_TYPE_INVALID;
      return;
    }
    if (a->pValue == nullptr) {
      a->ulValueLen = random_->below(5000);
      return;
    }
    if (kind == AttrKind::kTemplate) {
      const CK_ULONG inner = random_->below(static_cast<uint32_t>(room / sizeof *a) + 1);
      auto* list = static_cast<CK_ATTRIBUTE*>(a->pValue);
      /* A buffer for attributes is never written to as octets. */
      for (CK_ULONG i = 0; i < inner; i++)
        if (list[i].pValue == nullptr || attribute_kind(list[i].type) != AttrKind::kTemplate)
          list[i].type = CKA_LABEL + random_->below(2);
      attributes(list, inner);
      a->ulValueLen = inner * sizeof *a;
      return;
    }
    CK_ULONG length = random_->below(static_cast<uint32_t>(room) + 1);
    if (kind == AttrKind::kUlong || kind == AttrKind::kUlongs) {
      const CK_ULONG most = kind == AttrKind::kUlong ? 1 : room / sizeof(CK_ULONG);
      length = std::min(most, room / sizeof(CK_ULONG)) * sizeof(CK_ULONG);
      for (CK_ULONG i = 0; i < length / sizeof(CK_ULONG); i++)
        static_cast<CK_ULONG*>(a->pValue)[i] = random_->number();
    } else {
      random_->fill(a->pValue, length);
    }
    a->ulValueLen = length;
  }

  template <class T>
  void info(const Word* w) {
    if (w[0] == 0) return;
    InfoFiller filler(random_);
    visit_info(filler, *pointer<T>(w[0]));
    auto& flags = *pointer<T>(w[0]);
    if constexpr (requires { flags.flags; }) flags.flags &= 0xffffffff;
  }

  Random* random_;
  CK_RV rv_ = CKR_OK;
};

}  // namespace

CK_RV play_library(const FunctionRow& row, const Words& words, Random* random) {
  if (random->one_in(10)) return CKR_DEVICE_ERROR;
  return Library(random).call(row, words);
}

}  // namespace mp11::asn1_test
