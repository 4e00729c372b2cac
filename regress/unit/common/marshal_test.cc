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
/* marshal.h against a library that is called directly: the application must not see a difference.
 */
#include <array>
#include <string>

#include "infos.h"
#include "marshal_fixture.h"

namespace mp11::marshal_test {
namespace {

/* ---- a call arrives as it was made ---- */

bool same_octets(const void* a, const void* b, size_t size) {
  return (a == nullptr) == (b == nullptr) &&
         (a == nullptr || size == 0 || !std::memcmp(a, b, size));
}

bool all_zero(const void* data, size_t size) {
  auto* p = static_cast<const uint8_t*>(data);
  return std::all_of(p, p + size, [](uint8_t octet) { return octet == 0; });
}

bool same_mechanism(const CK_MECHANISM* a, const CK_MECHANISM* b);
bool same_template(const CK_ATTRIBUTE* a, const CK_ATTRIBUTE* b, CK_ULONG count, bool values);
bool same_members(const ParamStruct& layout, const void* a, const void* b, CK_ULONG outer);

/* What two pointers that are not NULL point to. */
bool same_pointed(const ParamField& f, const void* a, const void* p, const void* q,
                  CK_ULONG outer) {
  const CK_ULONG length = length_of(f, a, outer);
  switch (f.kind) {
    case FieldKind::kBytes:
      return f.way == Way::kOut ? CallArena::room(q) == length : same_octets(p, q, length);
    case FieldKind::kText:
      return !std::strcmp(static_cast<const char*>(p), static_cast<const char*>(q));
    case FieldKind::kPointer:
      return same_members(*f.nested, p, q, outer_length(f, a));
    case FieldKind::kStructs: {
      const size_t size = f.nested->size;
      for (CK_ULONG i = 0; i < length; i++)
        if (!same_members(*f.nested, static_cast<const uint8_t*>(p) + i * size,
                          static_cast<const uint8_t*>(q) + i * size, 0))
          return false;
      return true;
    }
    case FieldKind::kTemplate:
      return same_template(static_cast<const CK_ATTRIBUTE*>(p), static_cast<const CK_ATTRIBUTE*>(q),
                           length, true);
    case FieldKind::kValue: {
      const MechanismRow& row = *value_row(load<CK_ULONG>(a, f.type_offset));
      return row.form == ParamForm::kStruct ? same_members(*row.structs[0], p, q, 0)
                                            : same_octets(p, q, length);
    }
    case FieldKind::kMechanism:
      return same_mechanism(static_cast<const CK_MECHANISM*>(p),
                            static_cast<const CK_MECHANISM*>(q));
    case FieldKind::kRoom:
      return same_octets(p, q, sizeof(CK_ULONG));
    default: /* kHandleAt */
      return load<CK_OBJECT_HANDLE>(q, 0) == 0;
  }
}

bool same_members(const ParamStruct& layout, const void* a, const void* b, CK_ULONG outer) {
  for (const ParamField& f : layout.fields) {
    const auto* x = static_cast<const uint8_t*>(a) + f.offset;
    const auto* y = static_cast<const uint8_t*>(b) + f.offset;
    bool same = true;
    if (f.kind == FieldKind::kHandle && f.way == Way::kOut) {
      same = load<CK_OBJECT_HANDLE>(y, 0) == 0;
    } else if (f.kind == FieldKind::kInside) {
      same = same_members(*f.nested, x, y, 0);
    } else if (f.kind <= FieldKind::kArray || f.kind == FieldKind::kHandle) {
      same = !std::memcmp(x, y, f.size);
    } else {
      const auto* p = load<const void*>(x, 0);
      const auto* q = load<const void*>(y, 0);
      same = p == nullptr ? q == nullptr : q != nullptr && same_pointed(f, a, p, q, outer);
    }
    if (!same) return false;
  }
  return true;
}

bool same_mechanism(const CK_MECHANISM* a, const CK_MECHANISM* b) {
  if (a == nullptr || b == nullptr) return a == b;
  if (a->mechanism != b->mechanism || a->ulParameterLen != b->ulParameterLen) return false;
  if (a->pParameter == nullptr || b->pParameter == nullptr) return a->pParameter == b->pParameter;
  const MechanismRow* row = mechanism_row(a->mechanism);
  const ParamStruct* layout = param_struct(*row, a->ulParameterLen);
  if (layout != nullptr) return same_members(*layout, a->pParameter, b->pParameter, 0);
  bool number = row->form == ParamForm::kNumber || row->form == ParamForm::kHandle;
  if (row->form == ParamForm::kOctets || (number && a->ulParameterLen == sizeof(CK_ULONG)))
    return !std::memcmp(a->pParameter, b->pParameter, a->ulParameterLen);
  return all_zero(b->pParameter, b->ulParameterLen);
}

bool same_template(const CK_ATTRIBUTE* a, const CK_ATTRIBUTE* b, CK_ULONG count, bool values) {
  for (CK_ULONG i = 0; i < count; i++) {
    const CK_ATTRIBUTE &x = a[i], &y = b[i];
    if (x.type != y.type || (x.pValue == nullptr) != (y.pValue == nullptr)) return false;
    if (x.ulValueLen != y.ulValueLen)
      if (values || x.pValue == nullptr || y.ulValueLen > limits::kOutput) return false;
    if (x.pValue == nullptr) continue;
    bool same = true;
    if (is_nested(x))
      same =
          same_template(static_cast<CK_ATTRIBUTE*>(x.pValue), static_cast<CK_ATTRIBUTE*>(y.pValue),
                        x.ulValueLen / sizeof(CK_ATTRIBUTE), values);
    else if (!values)
      same = CallArena::room(y.pValue) == y.ulValueLen && all_zero(y.pValue, y.ulValueLen);
    else if (attribute_kind(x.type) == AttrKind::kTemplate)
      same = all_zero(y.pValue, y.ulValueLen);
    else
      same = same_octets(x.pValue, y.pValue, x.ulValueLen);
    if (!same) return false;
  }
  return true;
}

bool same_room(const Word* a, const Word* b, size_t unit, CK_ULONG most) {
  if ((a[0] == 0) != (b[0] == 0) || (a[1] == 0) != (b[1] == 0)) return false;
  CK_ULONG said = a[1] != 0 ? *at<CK_ULONG>(a[1]) : 0;
  CK_ULONG room = a[0] != 0 ? std::min(said, most) : said;
  if (b[0] != 0 && CallArena::room(at<void>(b[0])) != room * unit) return false;
  return b[1] == 0 || *at<CK_ULONG>(b[1]) == room;
}

bool same_argument(ArgKind kind, const Word* a, const Word* b) {
  switch (kind) {
    case ArgKind::kSession:
    case ArgKind::kSlot:
    case ArgKind::kHandle:
    case ArgKind::kNumber:
      return a[0] == b[0];
    case ArgKind::kBytes:
    case ArgKind::kPin:
      return a[1] == b[1] && same_octets(at<void>(a[0]), at<void>(b[0]), a[1]);
    case ArgKind::kLabel:
      return same_octets(at<void>(a[0]), at<void>(b[0]), 32);
    case ArgKind::kBytesOut:
      return same_room(a, b, 1, limits::kOutput);
    case ArgKind::kSlotList:
    case ArgKind::kNumberList:
      return same_room(a, b, sizeof(CK_ULONG), limits::kHandleList);
    case ArgKind::kHandleList:
      return (a[0] == 0) == (b[0] == 0) && a[1] == b[1] && (a[2] == 0) == (b[2] == 0);
    case ArgKind::kFillOut:
      return (a[0] == 0) == (b[0] == 0) && a[1] == b[1];
    case ArgKind::kMechanism:
      return same_mechanism(at<CK_MECHANISM>(a[0]), at<CK_MECHANISM>(b[0]));
    case ArgKind::kTemplate:
    case ArgKind::kTemplateInOut:
      if (a[1] != b[1] || (a[0] == 0) != (b[0] == 0)) return false;
      return a[0] == 0 || same_template(at<CK_ATTRIBUTE>(a[0]), at<CK_ATTRIBUTE>(b[0]), a[1],
                                        kind == ArgKind::kTemplate);
    case ArgKind::kNotify:
      return b[0] == 0 && b[1] == 0;
    default:
      return (a[0] == 0) == (b[0] == 0);
  }
}

bool same_call(const FunctionRow& row, const Words& a, const Words& b) {
  for (unsigned i = 0; i < row.arg_count; i++)
    if (!same_argument(row.args[i].kind, &a.w[row.args[i].first], &b.w[row.args[i].first]))
      return false;
  return true;
}

/* ---- a library that does the same for the same seed, wherever it is called ---- */

class Library {
 public:
  Library(uint64_t seed, CK_RV rv) : random_(seed), rv_(rv) {}

  CK_RV call(const FunctionRow& row, const Words& words) {
    for (unsigned i = 0; i < row.arg_count; i++)
      result(row.args[i].kind, &words.w[row.args[i].first]);
    /* Last, when the return value is what it will be. */
    for (unsigned i = 0; i < row.arg_count; i++)
      if (row.args[i].kind == ArgKind::kMechanism) outputs(words.w[row.args[i].first]);
    return rv_;
  }

 private:
  bool writes() const { return carries_results(rv_); }

  void list(Word buffer, CK_ULONG room, CK_ULONG* length, size_t unit) {
    size_t count = random_.below(kLongestResult / unit);
    std::array<uint8_t, kLongestResult> data;
    random_.fill(data.data(), data.size());
    if (length == nullptr || !writes()) return;
    *length = count;
    if (buffer == 0) return;
    if (room < count) rv_ = CKR_BUFFER_TOO_SMALL;
    if (rv_ == CKR_OK) std::memcpy(at<void>(buffer), data.data(), count * unit);
  }

  void outputs(Word w) {
    const ParamStruct* layout = output_struct(at<CK_MECHANISM>(w));
    auto leaf = [this](const ParamStruct&, const ParamField& f, void* base, CK_ULONG outer) {
      if (f.way != Way::kIn) output(f, static_cast<uint8_t*>(base), outer);
      return true;
    };
    if (layout != nullptr && writes())
      walk_members(*layout, at<CK_MECHANISM>(w)->pParameter, 0, leaf);
  }

  void output(const ParamField& f, uint8_t* base, CK_ULONG outer) {
    uint8_t* member = base + f.offset;
    const bool ok = rv_ == CKR_OK;
    if (f.kind == FieldKind::kUlong) {
      if (!ok) store(member, 0, CK_ULONG{random_.number()});
    } else if (f.kind == FieldKind::kOctet) {
      if (ok) random_.fill(member, 1);
    } else if (f.kind == FieldKind::kHandle) {
      if (ok) store(member, 0, CK_OBJECT_HANDLE{random_.number()});
    } else if (auto* p = load<uint8_t*>(member, 0)) {
      if (f.kind == FieldKind::kBytes) return bytes(f, p, base, outer);
      if (f.kind == FieldKind::kRoom ? !ok : ok) store(p, 0, CK_ULONG{random_.number()});
    }
  }

  /* Into a buffer; where there is a length to tell, it is told. */
  void bytes(const ParamField& f, uint8_t* p, uint8_t* base, CK_ULONG outer) {
    if (rv_ != CKR_OK) return;
    CK_ULONG length = length_of(f, base, outer);
    if (f.length == LengthIs::kOctets || f.length == LengthIs::kPointed) {
      if (length != 0) length = random_.below(length + 1);
      if (f.length == LengthIs::kOctets)
        store(base, f.length_offset, length);
      else if (auto* room = load<CK_ULONG*>(base, f.length_offset))
        *room = length;
    }
    random_.fill(p, length);
  }

  /* Fills an info, member by member, so that the padding is zero as in the hosted one. */
  struct Filler {
    Random* random;
    template <size_t N>
    void octets(CK_BYTE (&field)[N]) {
      random->fill(field, N);
    }
    void number(CK_ULONG& value) { value = random->number(); }
    void version(CK_VERSION& v) { v = {static_cast<CK_BYTE>(random->next()), 7}; }
  };

  template <class T>
  void info(Word w) {
    T value;
    std::memset(&value, 0, sizeof value);
    Filler filler{&random_};
    visit_info(filler, value);
    if (w != 0 && rv_ == CKR_OK) std::memcpy(at<void>(w), &value, sizeof value);
  }

  void values(CK_ATTRIBUTE* attributes, CK_ULONG count, bool inner) {
    for (CK_ULONG i = 0; i < count; i++) {
      CK_ATTRIBUTE& a = attributes[i];
      /* A buffer for attributes is never written to as octets. */
      if (inner && (a.pValue == nullptr || attribute_kind(a.type) != AttrKind::kTemplate))
        a.type = random_.one_in(2) ? CKA_VALUE : CKA_LABEL;
      size_t size = random_.below(200);
      std::array<uint8_t, 200> data;
      random_.fill(data.data(), data.size());
      bool refuses = rv_ != CKR_OK && random_.one_in(3);
      if (is_nested(a)) {
        values(static_cast<CK_ATTRIBUTE*>(a.pValue), a.ulValueLen / sizeof(CK_ATTRIBUTE), true);
      } else if (attribute_kind(a.type) == AttrKind::kTemplate && a.pValue != nullptr) {
        a.ulValueLen = CK_UNAVAILABLE_INFORMATION;
      } else if (a.pValue == nullptr) {
        a.ulValueLen = refuses ? CK_UNAVAILABLE_INFORMATION : size;
      } else if (refuses || a.ulValueLen < size) {
        if (rv_ == CKR_OK) rv_ = CKR_BUFFER_TOO_SMALL;
        a.ulValueLen = CK_UNAVAILABLE_INFORMATION;
      } else {
        std::memcpy(a.pValue, data.data(), size);
        a.ulValueLen = size;
      }
    }
  }

  void result(ArgKind kind, const Word* w) {
    switch (kind) {
      case ArgKind::kBytesOut:
        return list(w[0], w[1] != 0 ? *at<CK_ULONG>(w[1]) : 0, at<CK_ULONG>(w[1]), 1);
      case ArgKind::kSlotList:
      case ArgKind::kNumberList:
        return list(w[0], w[1] != 0 ? *at<CK_ULONG>(w[1]) : 0, at<CK_ULONG>(w[1]),
                    sizeof(CK_ULONG));
      case ArgKind::kHandleList: {
        CK_ULONG count = std::min<CK_ULONG>(w[1], random_.below(20));
        if (w[2] == 0 || rv_ != CKR_OK) return;
        *at<CK_ULONG>(w[2]) = count;
        for (CK_ULONG i = 0; w[0] != 0 && i < count; i++) at<CK_ULONG>(w[0])[i] = random_.next();
        return;
      }
      case ArgKind::kFillOut:
        if (rv_ == CKR_OK && w[0] != 0) random_.fill(at<void>(w[0]), w[1]);
        return;
      case ArgKind::kTemplateInOut:
        if (writes() && w[0] != 0) values(at<CK_ATTRIBUTE>(w[0]), w[1], false);
        return;
      case ArgKind::kHandleOut:
      case ArgKind::kSessionOut:
      case ArgKind::kSlotOut:
      case ArgKind::kNumberOut:
        if (rv_ == CKR_OK && w[0] != 0) *at<CK_ULONG>(w[0]) = random_.number();
        return;
      case ArgKind::kInfoOut:
        return info<CK_INFO>(w[0]);
      case ArgKind::kSlotInfoOut:
        return info<CK_SLOT_INFO>(w[0]);
      case ArgKind::kTokenInfoOut:
        return info<CK_TOKEN_INFO>(w[0]);
      case ArgKind::kSessionInfoOut:
        return info<CK_SESSION_INFO>(w[0]);
      case ArgKind::kMechanismInfoOut:
        return info<CK_MECHANISM_INFO>(w[0]);
      default:
        return;
    }
  }

  Random random_;
  CK_RV rv_;
};

constexpr CK_RV kValues[] = {CKR_OK,
                             CKR_OK,
                             CKR_OK,
                             CKR_BUFFER_TOO_SMALL,
                             CKR_ATTRIBUTE_SENSITIVE,
                             CKR_ATTRIBUTE_TYPE_INVALID,
                             CKR_ARGUMENTS_BAD,
                             CKR_GENERAL_ERROR};

/* The attributes of a query after the call: their lengths and types, at all depths. */
bool same_answer(const CK_ATTRIBUTE* a, const CK_ATTRIBUTE* b, CK_ULONG count) {
  for (CK_ULONG i = 0; i < count; i++) {
    if (a[i].type != b[i].type || a[i].ulValueLen != b[i].ulValueLen) return false;
    if (is_nested(a[i]) && !same_answer(static_cast<CK_ATTRIBUTE*>(a[i].pValue),
                                        static_cast<CK_ATTRIBUTE*>(b[i].pValue),
                                        a[i].ulValueLen / sizeof(CK_ATTRIBUTE)))
      return false;
  }
  return true;
}

std::string name(const FunctionRow& row, uint64_t seed) {
  return std::string(row.name) + ", seed " + std::to_string(seed);
}

BOOST_AUTO_TEST_SUITE(marshal)

BOOST_AUTO_TEST_CASE(hosted_is_direct_for_every_function) {
  CallArena arena;
  Message call, reply;
  for (unsigned f = 0; f < kFunctions240; f++) {
    const FunctionRow& row = kFunctionTable[f];
    if (!carried(row)) continue;
    for (uint64_t seed = 1; seed <= 80; seed++) {
      uint64_t here = f * 10000 + seed;
      Application direct(here), hosted(here);
      Words words = direct.arguments(row), ours = hosted.arguments(row), theirs;
      BOOST_REQUIRE_MESSAGE(pack_call(row, ours, &call) == CKR_OK, name(row, here));
      arena.clear();
      BOOST_REQUIRE_MESSAGE(unpack_call(row, call, &arena, &theirs), name(row, here));
      BOOST_REQUIRE_MESSAGE(same_call(row, words, theirs), name(row, here));

      CK_RV value = kValues[seed % std::size(kValues)];
      CK_RV rv = Library(here, value).call(row, words);
      pack_reply(row, theirs, Library(here, value).call(row, theirs), &reply);
      BOOST_REQUIRE_MESSAGE(unpack_reply(row, reply, ours), name(row, here));
      BOOST_REQUIRE_MESSAGE(reply.rec.rv == rv, name(row, here));
      BOOST_REQUIRE_MESSAGE(direct.same_memory(hosted), name(row, here));
      if (row.number == kC_GetAttributeValue && words.w[2] != 0)
        BOOST_REQUIRE_MESSAGE(
            same_answer(at<CK_ATTRIBUTE>(words.w[2]), at<CK_ATTRIBUTE>(ours.w[2]), words.w[3]),
            name(row, here));
    }
  }
}

BOOST_AUTO_TEST_CASE(every_mechanism_has_its_form) {
  CallArena arena;
  Message call;
  const FunctionRow& row = kFunctionTable[kC_DeriveKey];
  for (const MechanismRow& mechanism : mechanism_rows()) {
    for (uint64_t seed = 1; seed <= 40; seed++) {
      Application app(mechanism.type * 100 + seed);
      Words words{}, theirs;
      CK_MECHANISM* m = app.mechanism(mechanism);
      words.w[1] = reinterpret_cast<Word>(m);
      words.w[2] = 77;
      BOOST_REQUIRE_MESSAGE(pack_call(row, words, &call) == CKR_OK, mechanism.name);
      arena.clear();
      BOOST_REQUIRE_MESSAGE(unpack_call(row, call, &arena, &theirs), mechanism.name);
      if (mechanism.form == ParamForm::kNotCarried && m->pParameter != nullptr) {
        auto* unpacked = at<CK_MECHANISM>(theirs.w[1]);
        BOOST_TEST(unpacked->ulParameterLen == m->ulParameterLen);
        BOOST_TEST(all_zero(unpacked->pParameter, m->ulParameterLen));
        continue;
      }
      BOOST_REQUIRE_MESSAGE(same_call(row, words, theirs), mechanism.name);
    }
  }
}

/* Handles of every structure stand in the record, in order, and the base key behind them. */
BOOST_AUTO_TEST_CASE(handles_of_mechanisms_are_in_the_record) {
  const FunctionRow& row = kFunctionTable[kC_DeriveKey];
  Message call;
  Words words{}, theirs;
  CK_HKDF_PARAMS hkdf{};
  hkdf.hSaltKey = 11;
  CK_MECHANISM m{CKM_HKDF_DERIVE, &hkdf, sizeof hkdf};
  words.w[1] = reinterpret_cast<Word>(&m);
  words.w[2] = 22;
  BOOST_REQUIRE(pack_call(row, words, &call) == CKR_OK);
  BOOST_REQUIRE(call.rec.handle_count == 2 && call.rec.handles[0] == 11 &&
                call.rec.handles[1] == 22);
  /* A monitor translates the record and nothing else: the library gets what stands there. */
  call.rec.handles[0] = 111;
  call.rec.handles[1] = 222;
  CallArena arena;
  BOOST_REQUIRE(unpack_call(row, call, &arena, &theirs));
  auto* unpacked = at<CK_MECHANISM>(theirs.w[1]);
  BOOST_TEST(static_cast<CK_HKDF_PARAMS*>(unpacked->pParameter)->hSaltKey == 111u);
  BOOST_TEST(theirs.w[2] == 222u);

  CK_OBJECT_HANDLE other = 33;
  m = {CKM_CONCATENATE_BASE_AND_KEY, &other, sizeof other};
  BOOST_REQUIRE(pack_call(row, words, &call) == CKR_OK);
  BOOST_TEST(call.rec.handle_count == 2u);
  BOOST_TEST(call.rec.handles[0] == 33u);
}

/* An older and shorter form that libraries still take. */
BOOST_AUTO_TEST_CASE(gcm_of_40_octets) {
  const FunctionRow& row = kFunctionTable[kC_EncryptInit];
  uint8_t iv[12] = {1, 2}, aad[3] = {3, 4, 5};
  CK_GCM_PARAMS_NO_IV_BITS gcm{iv, sizeof iv, aad, sizeof aad, 128};
  CK_MECHANISM m{CKM_AES_GCM, &gcm, sizeof gcm};
  Words words{}, theirs;
  words.w[1] = reinterpret_cast<Word>(&m);
  Message call;
  CallArena arena;
  BOOST_REQUIRE(pack_call(row, words, &call) == CKR_OK);
  BOOST_REQUIRE(unpack_call(row, call, &arena, &theirs));
  auto* unpacked = at<CK_MECHANISM>(theirs.w[1]);
  BOOST_REQUIRE(unpacked->ulParameterLen == 40u);
  auto* there = static_cast<CK_GCM_PARAMS_NO_IV_BITS*>(unpacked->pParameter);
  BOOST_TEST(std::memcmp(there->pIv, iv, sizeof iv) == 0);
  BOOST_TEST(std::memcmp(there->pAAD, aad, sizeof aad) == 0);
  BOOST_TEST(there->ulTagBits == 128u);
}

/* A length of no known form: the library judges a zeroed block of that length. */
BOOST_AUTO_TEST_CASE(gcm_of_32_octets) {
  const FunctionRow& row = kFunctionTable[kC_EncryptInit];
  CK_GCM_PARAMS gcm;
  std::memset(&gcm, 0x55, sizeof gcm);
  CK_MECHANISM m{CKM_AES_GCM, &gcm, 32};
  Words words{}, theirs;
  words.w[1] = reinterpret_cast<Word>(&m);
  Message call;
  CallArena arena;
  BOOST_REQUIRE(pack_call(row, words, &call) == CKR_OK);
  BOOST_REQUIRE(unpack_call(row, call, &arena, &theirs));
  auto* unpacked = at<CK_MECHANISM>(theirs.w[1]);
  BOOST_TEST(unpacked->ulParameterLen == 32u);
  BOOST_TEST(all_zero(unpacked->pParameter, 32));
}

BOOST_AUTO_TEST_CASE(what_cannot_be_carried_is_refused_at_once) {
  Message call;
  Words words{};
  std::vector<CK_ATTRIBUTE> many(limits::kAttributes + 1, CK_ATTRIBUTE{CKA_LABEL, nullptr, 0});
  words.w[1] = reinterpret_cast<Word>(many.data());
  words.w[2] = limits::kAttributes;
  BOOST_TEST(pack_call(kFunctionTable[kC_FindObjectsInit], words, &call) == CKR_OK);
  words.w[2] = limits::kAttributes + 1;
  BOOST_TEST(pack_call(kFunctionTable[kC_FindObjectsInit], words, &call) == CKR_HOST_MEMORY);

  CK_ATTRIBUTE nested[limits::kDepth + 3];
  for (size_t i = 0; i < std::size(nested); i++)
    nested[i] = {CKA_WRAP_TEMPLATE, i + 1 < std::size(nested) ? &nested[i + 1] : nullptr,
                 sizeof nested[0]};
  words.w[1] = reinterpret_cast<Word>(&nested[2]);
  words.w[2] = 1;
  BOOST_TEST(pack_call(kFunctionTable[kC_FindObjectsInit], words, &call) == CKR_OK);
  words.w[1] = reinterpret_cast<Word>(nested);
  BOOST_TEST(pack_call(kFunctionTable[kC_FindObjectsInit], words, &call) == CKR_HOST_MEMORY);

  /* The octets of an unknown parameter may be pointers: its length alone. */
  uint8_t octet = 0x55;
  CK_MECHANISM vendor{CKM_VENDOR_DEFINED | 1, &octet, 1};
  words = Words{};
  Words theirs;
  CallArena arena;
  words.w[1] = reinterpret_cast<Word>(&vendor);
  BOOST_REQUIRE(pack_call(kFunctionTable[kC_SignInit], words, &call) == CKR_OK);
  BOOST_REQUIRE(unpack_call(kFunctionTable[kC_SignInit], call, &arena, &theirs));
  BOOST_TEST(all_zero(at<CK_MECHANISM>(theirs.w[1])->pParameter, 1));
  vendor.ulParameterLen = 70000; /* absurd, and still the library's to judge */
  BOOST_REQUIRE(pack_call(kFunctionTable[kC_SignInit], words, &call) == CKR_OK);
  BOOST_REQUIRE(unpack_call(kFunctionTable[kC_SignInit], call, &arena, &theirs));
  BOOST_TEST(at<CK_MECHANISM>(theirs.w[1])->ulParameterLen == 70000u);
  vendor.ulParameterLen = ~CK_ULONG{0};
  BOOST_TEST(pack_call(kFunctionTable[kC_SignInit], words, &call) == CKR_MECHANISM_PARAM_INVALID);
  BOOST_TEST(pack_call(kFunctionTable[kC_GetFunctionList], Words{}, &call) ==
             CKR_FUNCTION_NOT_SUPPORTED);
  BOOST_TEST(pack_call(kFunctionTable[kC_EncryptMessage], Words{}, &call) ==
             CKR_FUNCTION_NOT_SUPPORTED);
}

/* Rooms that no reply could fill together are cut; the backend must not take it for an attack. */
BOOST_AUTO_TEST_CASE(rooms_beyond_a_message) {
  std::vector<uint8_t> big(10u << 20);
  CK_ATTRIBUTE query[3] = {{CKA_VALUE, big.data(), big.size()},
                           {CKA_MODULUS, big.data(), big.size()},
                           {CKA_LABEL, big.data(), CK_UNAVAILABLE_INFORMATION}};
  Words words{}, theirs;
  words.w[2] = reinterpret_cast<Word>(query);
  words.w[3] = 3;
  const FunctionRow& row = kFunctionTable[kC_GetAttributeValue];
  Message call, reply;
  CallArena arena;
  BOOST_REQUIRE(pack_call(row, words, &call) == CKR_OK);
  BOOST_REQUIRE(unpack_call(row, call, &arena, &theirs));
  auto* rooms = at<CK_ATTRIBUTE>(theirs.w[2]);
  BOOST_TEST(rooms[0].ulValueLen >= 1u << 20);
  BOOST_TEST(rooms[1].ulValueLen >= 1u << 20);
  BOOST_TEST(rooms[0].ulValueLen + rooms[1].ulValueLen + rooms[2].ulValueLen <= limits::kOutput);
  pack_reply(row, theirs, CKR_OK, &reply);
  BOOST_TEST(reply.bytes.size() <= limits::kMessage);
}

BOOST_AUTO_TEST_CASE(largest_outputs_fit_a_message) {
  std::vector<uint8_t> big(limits::kOutput + 10);
  CK_ULONG length = big.size();
  Words words{}, theirs;
  words.w[3] = reinterpret_cast<Word>(big.data());
  words.w[4] = reinterpret_cast<Word>(&length);
  const FunctionRow& row = kFunctionTable[kC_Encrypt];
  Message call, reply;
  CallArena arena;
  BOOST_REQUIRE(pack_call(row, words, &call) == CKR_OK);
  BOOST_REQUIRE(unpack_call(row, call, &arena, &theirs));
  BOOST_TEST(*at<CK_ULONG>(theirs.w[4]) == limits::kOutput);
  pack_reply(row, theirs, CKR_OK, &reply);
  BOOST_TEST(reply.rec.rv == CKR_OK);
  BOOST_TEST(reply.bytes.size() <= limits::kMessage);
  BOOST_TEST(unpack_reply(row, reply, words));
  BOOST_TEST(length == limits::kOutput);
}

/* What a channel makes of octets that were lent. */
std::vector<uint8_t> whole(const Message& message) {
  std::span<const uint8_t> bytes = message.bytes.span();
  std::vector<uint8_t> all(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(message.lent.at));
  all.insert(all.end(), message.lent.data, message.lent.data + message.lent.size);
  all.insert(all.end(), bytes.begin() + static_cast<ptrdiff_t>(message.lent.at), bytes.end());
  return all;
}

BOOST_AUTO_TEST_CASE(lent_is_what_is_packed) {
  std::vector<uint8_t> in(70000, 0x5a), out(70000, 0xa5);
  for (size_t size : {size_t{0}, size_t{4095}, size_t{4096}, in.size()}) {
    CK_ULONG room = out.size();
    Words words{}, theirs;
    words.w[1] = reinterpret_cast<Word>(in.data());
    words.w[2] = size;
    words.w[3] = reinterpret_cast<Word>(out.data());
    words.w[4] = reinterpret_cast<Word>(&room);
    const FunctionRow& row = kFunctionTable[kC_Encrypt];
    Message copied, lent;
    BOOST_REQUIRE(pack_call(row, words, &copied) == CKR_OK);
    BOOST_REQUIRE(pack_call(row, words, &lent, Lend::kYes) == CKR_OK);
    BOOST_TEST((lent.lent.size != 0) == (size >= 4096));
    BOOST_TEST((whole(lent) == whole(copied)));

    CallArena arena;
    BOOST_REQUIRE(unpack_call(row, copied, &arena, &theirs));
    *at<CK_ULONG>(theirs.w[4]) = size;
    Message reply, lent_reply;
    pack_reply(row, theirs, CKR_OK, &reply);
    pack_reply(row, theirs, CKR_OK, &lent_reply, Lend::kYes);
    BOOST_TEST((lent_reply.lent.size != 0) == (size >= 4096));
    BOOST_TEST((whole(lent_reply) == whole(reply)));
  }
}

/* Templates are looked at on the way, by who sees only the message. */
BOOST_AUTO_TEST_CASE(nothing_is_lent_beside_a_template) {
  std::vector<uint8_t> wrapped(70000, 1);
  CK_ULONG handle = 0;
  Words words{};
  words.w[3] = reinterpret_cast<Word>(wrapped.data());
  words.w[4] = wrapped.size();
  words.w[7] = reinterpret_cast<Word>(&handle);
  Message call;
  const CK_RV rv = pack_call(kFunctionTable[kC_UnwrapKey], words, &call, Lend::kYes);
  BOOST_TEST(rv == CKR_OK);
  BOOST_TEST(call.lent.size == 0u);
  BOOST_TEST(call.bytes.size() > wrapped.size());
}

/* Bulk data that goes on finds the memory of the call before; when it stops, it is given back. */
BOOST_AUTO_TEST_CASE(arena_settles_on_one_block) {
  CallArena arena;
  auto bulk = [&] {
    arena.allocate(100000);
    void* second = arena.allocate_out(100000);
    arena.clear();
    return second;
  };
  bulk();
  void* settled = bulk();
  for (int i = 0; i < 5; i++) BOOST_TEST(bulk() == settled);
  for (int i = 0; i < 15; i++) {
    arena.allocate(16);
    arena.clear();
  }
  BOOST_TEST(bulk() == settled);
}

/* ---- flags ---- */

uint32_t flags_of(const FunctionRow& row, std::vector<CK_ATTRIBUTE> attributes) {
  Words words{};
  for (unsigned i = 0; i < row.arg_count; i++) {
    if (row.args[i].kind != ArgKind::kTemplate) continue;
    words.w[row.args[i].first] = reinterpret_cast<Word>(attributes.data());
    words.w[row.args[i].first + 1] = attributes.size();
  }
  return object_flags(row, words);
}

BOOST_AUTO_TEST_CASE(flags_say_what_the_template_says) {
  CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
  CK_ULONG wrong = 0;
  const FunctionRow& create = kFunctionTable[kC_CreateObject];
  const FunctionRow& pair = kFunctionTable[kC_GenerateKeyPair];
  const FunctionRow& copy = kFunctionTable[kC_CopyObject];
  CK_ATTRIBUTE token{CKA_TOKEN, &yes, 1}, session{CKA_TOKEN, &no, 1}, priv{CKA_PRIVATE, &yes, 1};
  CK_ATTRIBUTE odd{CKA_TOKEN, &wrong, sizeof wrong};
  BOOST_TEST(flags_of(create, {}) == uint32_t{kFlagPrivateUnknown0});
  BOOST_TEST(flags_of(create, {token}) == (kFlagTokenObject0 | kFlagPrivateUnknown0));
  BOOST_TEST(flags_of(create, {priv, session}) == uint32_t{kFlagPrivateObject0});
  /* Twice, or not a CK_BBOOL: some library could take it for true. */
  BOOST_TEST((flags_of(create, {session, token}) & kFlagTokenObject0) != 0u);
  BOOST_TEST((flags_of(create, {token, session}) & kFlagTokenObject0) != 0u);
  BOOST_TEST((flags_of(create, {odd}) & kFlagTokenObject0) != 0u);
  /* Who can see it without a login only the library knows: the handle is not ended by a logout. */
  CK_ATTRIBUTE odd_private{CKA_PRIVATE, &wrong, sizeof wrong};
  BOOST_TEST(flags_of(create, {odd_private}) == uint32_t{kFlagPrivateUnknown0});
  BOOST_TEST(flags_of(copy, {}) == (kFlagTokenUnknown0 | kFlagPrivateUnknown0));
  BOOST_TEST((flags_of(copy, {session}) & kFlagTokenUnknown0) == 0u);
  BOOST_TEST(flags_of(pair, {token, priv}) ==
             (kFlagTokenObject0 | kFlagTokenObject1 | kFlagPrivateObject0 | kFlagPrivateObject1));
  BOOST_TEST(flags_of(kFunctionTable[kC_FindObjectsInit], {token}) == 0u);
}

BOOST_AUTO_TEST_CASE(token_objects_are_named_at_any_depth) {
  CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
  CK_ATTRIBUTE inner{CKA_TOKEN, &yes, 1};
  CK_ATTRIBUTE middle{CKA_DERIVE_TEMPLATE, &inner, sizeof inner};
  CK_ATTRIBUTE outer[2] = {{CKA_TOKEN, &no, 1}, {CKA_UNWRAP_TEMPLATE, &middle, sizeof middle}};
  Words words{};
  words.w[1] = reinterpret_cast<Word>(outer);
  words.w[2] = 2;
  BOOST_TEST(names_token_object(kFunctionTable[kC_CreateObject], words));
  yes = CK_FALSE;
  BOOST_TEST(!names_token_object(kFunctionTable[kC_CreateObject], words));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace mp11::marshal_test
