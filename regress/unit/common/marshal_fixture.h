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
 * An application's memory for the tests of marshal.h: random arguments of every kind, the same ones
 * twice from the same seed, so that a library called directly and one called through messages can
 * be compared by what they leave behind. Every block has its exact size, so that AddressSanitizer
 * sees one octet too many.
 */
#pragma once
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstring>
#include <memory>
#include <vector>

#include "marshal.h"
#include "marshal_parts.h"
#include "p11_attributes.h"
#include "p11_params.h"
#include "param_walk.h"

namespace mp11::marshal_test {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u + 1) {}
  uint64_t next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_;
  }
  size_t below(size_t limit) { return static_cast<size_t>(next() % limit); }
  bool one_in(size_t n) { return below(n) == 0; }
  /* A number as applications pass them, the special ones often. */
  CK_ULONG number() {
    switch (below(5)) {
      case 0:
        return 0;
      case 1:
        return CK_UNAVAILABLE_INFORMATION;
      case 2:
        return next();
      default:
        return below(1000);
    }
  }
  void fill(void* data, size_t size) {
    for (size_t i = 0; i < size; i++) static_cast<uint8_t*>(data)[i] = static_cast<uint8_t>(next());
  }

 private:
  uint64_t state_;
};

template <class T>
T* at(Word word) {
  return reinterpret_cast<T*>(word);
}

/* Buffers that claim more room than they have hold at least this; no result is longer. */
constexpr size_t kLongestResult = 400;

class Application {
 public:
  explicit Application(uint64_t seed) : random_(seed) {}
  Random& random() { return random_; }

  /* Random octets, compared by same_memory(). */
  void* block(size_t size) {
    plain_.push_back({std::make_unique<uint8_t[]>(size), size});
    random_.fill(plain_.back().data.get(), size);
    return plain_.back().data.get();
  }
  /* Memory that holds pointers; what matters of it is compared where it is used. */
  void* with_pointers(size_t size) {
    pointers_.push_back(std::make_unique<uint8_t[]>(size));
    std::memset(pointers_.back().get(), 0, size);
    return pointers_.back().get();
  }
  CK_ULONG* ulong(CK_ULONG value) {
    auto* p = static_cast<CK_ULONG*>(block(sizeof value));
    *p = value;
    return p;
  }

  Words arguments(const FunctionRow& row) {
    Words words;
    for (unsigned i = 0; i < row.arg_count; i++)
      argument(row.args[i].kind, &words.w[row.args[i].first]);
    return words;
  }

  CK_MECHANISM* mechanism();
  CK_MECHANISM* mechanism(const MechanismRow& row);
  void* parameter(const ParamStruct& layout);
  CK_ATTRIBUTE* attributes(CK_ULONG count, bool values, unsigned depth);

  /* Octet for octet, also of blocks that were never written to. */
  bool same_memory(const Application& other) const {
    if (plain_.size() != other.plain_.size()) return false;
    for (size_t i = 0; i < plain_.size(); i++) {
      if (plain_[i].size != other.plain_[i].size) return false;
      if (std::memcmp(plain_[i].data.get(), other.plain_[i].data.get(), plain_[i].size) != 0)
        return false;
    }
    return true;
  }
  void forbid_big() { big_ = false; }
  /* No buffer claims more room than it has: who writes into all of it is not in error. */
  void truthful() { lies_ = false; }

 private:
  struct Block {
    std::unique_ptr<uint8_t[]> data;
    size_t size;
  };

  size_t size() {
    if (random_.one_in(20)) return 0;
    if (big_ && random_.one_in(200)) return random_.below(200'000);
    return random_.below(300);
  }
  void argument(ArgKind kind, Word* w);
  void output(Word* buffer, Word* length, size_t unit);
  void attribute(CK_ATTRIBUTE* a, bool values, unsigned depth);
  void members(const ParamStruct& layout, uint8_t* base);
  void pointer(const ParamStruct& layout, const ParamField& f, uint8_t* base);
  void* bytes(const ParamStruct& layout, const ParamField& f, uint8_t* base);
  template <class T>
  Word out() {
    return random_.one_in(8) ? 0 : reinterpret_cast<Word>(block(sizeof(T)));
  }

  Random random_;
  bool big_ = true;
  bool lies_ = true;
  CK_ULONG outer_ = 0; /* octets of the OUTER_OUT members of the structure that is made */
  std::vector<Block> plain_;
  std::vector<std::unique_ptr<uint8_t[]>> pointers_;
};

inline void Application::output(Word* buffer, Word* length, size_t unit) {
  size_t count = random_.below(kLongestResult / unit);
  CK_ULONG said = count;
  *buffer = 0;
  if (!random_.one_in(4)) {
    if (lies_ && random_.one_in(10)) {
      count = kLongestResult / unit;
      said = random_.one_in(2) ? CK_UNAVAILABLE_INFORMATION : CK_ULONG{1} << 40;
    }
    *buffer = reinterpret_cast<Word>(block(count * unit));
  } else {
    said = random_.number();
  }
  if (length != nullptr) *length = random_.one_in(12) ? 0 : reinterpret_cast<Word>(ulong(said));
}

inline void Application::argument(ArgKind kind, Word* w) {
  switch (kind) {
    case ArgKind::kSession:
    case ArgKind::kSlot:
    case ArgKind::kHandle:
    case ArgKind::kNumber:
      w[0] = random_.number();
      break;
    case ArgKind::kBytes:
    case ArgKind::kPin:
      w[1] = random_.one_in(6) ? random_.number() : size();
      w[0] = 0;
      if (w[1] <= 200'000 && !random_.one_in(6)) w[0] = reinterpret_cast<Word>(block(w[1]));
      break;
    case ArgKind::kBytesOut:
      output(&w[0], &w[1], 1);
      break;
    case ArgKind::kSlotList:
    case ArgKind::kNumberList:
      output(&w[0], &w[1], sizeof(CK_ULONG));
      break;
    case ArgKind::kHandleList: {
      size_t room = random_.below(kLongestResult / sizeof(CK_ULONG));
      w[0] = random_.one_in(8) ? 0 : reinterpret_cast<Word>(block(room * sizeof(CK_ULONG)));
      w[1] = room;
      w[2] = random_.one_in(8) ? 0 : reinterpret_cast<Word>(ulong(random_.number()));
      break;
    }
    case ArgKind::kFillOut:
      w[1] = size();
      w[0] = random_.one_in(6) ? 0 : reinterpret_cast<Word>(block(w[1]));
      break;
    case ArgKind::kMechanism:
      w[0] = reinterpret_cast<Word>(mechanism());
      break;
    case ArgKind::kTemplate:
    case ArgKind::kTemplateInOut: {
      bool null = random_.one_in(8);
      w[1] = null ? random_.number() : random_.below(7);
      w[0] = null ? 0 : reinterpret_cast<Word>(attributes(w[1], kind == ArgKind::kTemplate, 0));
      break;
    }
    case ArgKind::kHandleOut:
    case ArgKind::kSessionOut:
    case ArgKind::kSlotOut:
    case ArgKind::kNumberOut:
      w[0] = out<CK_ULONG>();
      break;
    case ArgKind::kInfoOut:
      w[0] = out<CK_INFO>();
      break;
    case ArgKind::kSlotInfoOut:
      w[0] = out<CK_SLOT_INFO>();
      break;
    case ArgKind::kTokenInfoOut:
      w[0] = out<CK_TOKEN_INFO>();
      break;
    case ArgKind::kSessionInfoOut:
      w[0] = out<CK_SESSION_INFO>();
      break;
    case ArgKind::kMechanismInfoOut:
      w[0] = out<CK_MECHANISM_INFO>();
      break;
    case ArgKind::kLabel:
      w[0] = random_.one_in(6) ? 0 : reinterpret_cast<Word>(block(32));
      break;
    case ArgKind::kNotify:
      w[0] = random_.one_in(2) ? 0 : 0x1234;
      w[1] = random_.one_in(2) ? 0 : 0x5678;
      break;
    case ArgKind::kReserved:
    case ArgKind::kInitArgs:
      w[0] = random_.one_in(2) ? 0 : reinterpret_cast<Word>(with_pointers(64));
      break;
    default:
      BOOST_FAIL("an argument of 2.40 that the test does not know");
  }
}

inline CK_MECHANISM* Application::mechanism() {
  if (random_.one_in(12)) return nullptr;
  auto rows = mechanism_rows();
  const MechanismRow* row = &rows[random_.below(rows.size())];
  while (row->form == ParamForm::kNotCarried) row = &rows[random_.below(rows.size())];
  CK_MECHANISM* m = mechanism(*row);
  if (random_.one_in(8)) { /* of a vendor's, which go without a parameter */
    m->mechanism = CKM_VENDOR_DEFINED | random_.below(1000);
    m->pParameter = nullptr;
    m->ulParameterLen = random_.number();
  }
  return m;
}

/* A parameter in the form of the row; sometimes none, sometimes of a length that is no form. */
inline CK_MECHANISM* Application::mechanism(const MechanismRow& row) {
  auto* m = static_cast<CK_MECHANISM*>(with_pointers(sizeof(CK_MECHANISM)));
  m->mechanism = row.type;
  if (random_.one_in(8)) {
    m->ulParameterLen = random_.number();
    return m;
  }
  if (random_.one_in(6)) {
    m->ulParameterLen = 1 + 2 * random_.below(50); /* odd: no structure has such a length */
    m->pParameter = block(m->ulParameterLen);
    return m;
  }
  if (row.form == ParamForm::kStruct) {
    const ParamStruct* layout = row.structs[row.structs[1] != nullptr ? random_.below(2) : 0];
    m->ulParameterLen = layout->size;
    m->pParameter = parameter(*layout);
    return m;
  }
  bool number = row.form == ParamForm::kNumber || row.form == ParamForm::kHandle;
  m->ulParameterLen = number ? sizeof(CK_ULONG) : random_.below(80);
  m->pParameter = block(m->ulParameterLen);
  return m;
}

inline void* Application::parameter(const ParamStruct& layout) {
  auto* base = static_cast<uint8_t*>(with_pointers(layout.size));
  members(layout, base);
  return base;
}

inline void Application::members(const ParamStruct& layout, uint8_t* base) {
  for (const ParamField& f : layout.fields) {
    if (f.kind == FieldKind::kInside) {
      members(*f.nested, base + f.offset);
    } else if (f.kind == FieldKind::kUlong || f.kind == FieldKind::kHandle) {
      store(base, f.offset, CK_ULONG{random_.number()});
    } else if (f.kind == FieldKind::kOctet || f.kind == FieldKind::kArray) {
      random_.fill(base + f.offset, f.size);
    }
  }
  /* Lengths for what is there: each is the sum of nothing but its own octets. */
  for (const ParamField& f : layout.fields) pointer(layout, f, base);
}

/* What a member points to, sometimes NULL. */
inline void Application::pointer(const ParamStruct& layout, const ParamField& f, uint8_t* base) {
  if (f.kind <= FieldKind::kArray || f.kind == FieldKind::kHandle || f.kind == FieldKind::kInside)
    return;
  if (load<void*>(base, f.offset) != nullptr || random_.one_in(4)) return;
  void* p = nullptr;
  switch (f.kind) {
    case FieldKind::kBytes:
      p = bytes(layout, f, base);
      break;
    case FieldKind::kText: {
      const CK_ULONG length = 1 + random_.below(20);
      auto* text = static_cast<char*>(block(length + 1));
      std::memset(text, 'x', length);
      text[length] = 0;
      p = text;
      break;
    }
    case FieldKind::kPointer:
      if (f.length == LengthIs::kBits) store(base, f.length_offset, CK_ULONG{random_.below(300)});
      outer_ = outer_length(f, base);
      p = parameter(*f.nested);
      outer_ = 0;
      break;
    case FieldKind::kStructs: {
      const CK_ULONG count = random_.below(4);
      auto* all = static_cast<uint8_t*>(with_pointers(count * f.nested->size + 1));
      for (CK_ULONG i = 0; i < count; i++) members(*f.nested, all + i * f.nested->size);
      store(base, f.length_offset, count);
      p = all;
      break;
    }
    case FieldKind::kTemplate: {
      const CK_ULONG count = random_.below(4);
      p = attributes(count, true, 1);
      store(base, f.length_offset, count);
      break;
    }
    case FieldKind::kValue: {
      const CK_ULONG type = 1 + random_.below(5);
      store(base, f.type_offset, type);
      const MechanismRow& row = *value_row(type);
      const bool octets = row.form == ParamForm::kOctets;
      const CK_ULONG length = octets                           ? size()
                              : row.form == ParamForm::kStruct ? row.structs[0]->size
                                                               : sizeof(CK_ULONG);
      p = row.form == ParamForm::kStruct ? parameter(*row.structs[0]) : block(length);
      store(base, f.length_offset, length);
      break;
    }
    case FieldKind::kMechanism: {
      auto* m = static_cast<CK_MECHANISM*>(with_pointers(sizeof(CK_MECHANISM)));
      static CK_RSA_PKCS_PSS_PARAMS pss{CKM_SHA256, CKG_MGF1_SHA256, 32};
      *m = {CKM_SHA256, nullptr, 0};
      if (random_.one_in(2)) *m = {CKM_RSA_PKCS_PSS, &pss, sizeof pss};
      p = m;
      break;
    }
    default: /* kRoom, kHandleAt */
      p = block(sizeof(CK_ULONG));
      store(p, 0, CK_ULONG{random_.below(64)});
      break;
  }
  store(base, f.offset, p);
}

inline void* Application::bytes(const ParamStruct& layout, const ParamField& f, uint8_t* base) {
  if (f.length == LengthIs::kFixed) return block(f.fixed);
  if (f.length == LengthIs::kOuter) return block(outer_);
  if (f.length == LengthIs::kPointed) {
    for (const ParamField& other : layout.fields)
      if (other.offset == f.length_offset && load<void*>(base, other.offset) == nullptr)
        store(base, other.offset, static_cast<CK_ULONG*>(block(sizeof(CK_ULONG))));
    auto* room = load<CK_ULONG*>(base, f.length_offset);
    *room = random_.below(64);
    return block(*room);
  }
  /* Two may have one length. */
  CK_ULONG length = size();
  for (const ParamField& other : layout.fields)
    if (&other < &f && other.kind == FieldKind::kBytes && other.length_offset == f.length_offset &&
        other.length == f.length && load<void*>(base, other.offset) != nullptr)
      length = load<CK_ULONG>(base, f.length_offset);
  store(base, f.length_offset, f.length == LengthIs::kBits ? length * 8 : length);
  return block(length);
}

inline CK_ATTRIBUTE* Application::attributes(CK_ULONG count, bool values, unsigned depth) {
  auto* all = static_cast<CK_ATTRIBUTE*>(with_pointers(count * sizeof(CK_ATTRIBUTE)));
  for (CK_ULONG i = 0; i < count; i++) attribute(&all[i], values, depth);
  return all;
}

inline void Application::attribute(CK_ATTRIBUTE* a, bool values, unsigned depth) {
  static constexpr CK_ATTRIBUTE_TYPE kTypes[] = {
      CKA_CLASS,         CKA_TOKEN,           CKA_PRIVATE,         CKA_LABEL,
      CKA_VALUE,         CKA_MODULUS,         CKA_START_DATE,      CKA_ALLOWED_MECHANISMS,
      CKA_WRAP_TEMPLATE, CKA_UNWRAP_TEMPLATE, CKA_DERIVE_TEMPLATE, CKA_VENDOR_DEFINED | 7};
  a->type = kTypes[random_.below(std::size(kTypes))];
  bool is_template = attribute_kind(a->type) == AttrKind::kTemplate;
  if (random_.one_in(5)) {
    a->ulValueLen = random_.number();
  } else if (is_template && random_.one_in(6)) {
    a->ulValueLen = 1 + sizeof(CK_ATTRIBUTE) * random_.below(4); /* no array has such a length */
    a->pValue = values ? block(a->ulValueLen) : with_pointers(a->ulValueLen);
  } else if (is_template) {
    CK_ULONG count = depth < 3 ? random_.below(4) : 0;
    a->ulValueLen = count * sizeof(CK_ATTRIBUTE);
    a->pValue = attributes(count, values, depth + 1);
  } else if (!values && lies_ && random_.one_in(10)) {
    a->ulValueLen = random_.one_in(2) ? CK_UNAVAILABLE_INFORMATION : CK_ULONG{1} << 33;
    a->pValue = block(kLongestResult);
  } else {
    a->ulValueLen = size();
    a->pValue = block(a->ulValueLen);
  }
}

}  // namespace mp11::marshal_test
