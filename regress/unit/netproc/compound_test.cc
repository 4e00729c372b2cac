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
 * Calls of the client that are several to the monitor. If these failed, a client that asks for
 * something ahead would get another return value than one that does not, or could have net gather
 * as much as it likes.
 */
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstring>
#include <thread>

#include "compound_length.h"

using namespace mp11;

namespace {

template <class T>
T* at(Word word) {
  return reinterpret_cast<T*>(word);
}

using Step = std::optional<Compound::Step>;

/* A step of a search finds so many. */
void find(const Step& step, CK_ULONG count) {
  BOOST_REQUIRE((step && step->row->number == kC_FindObjects));
  BOOST_REQUIRE(count <= step->words.w[2]);
  BOOST_REQUIRE(CallArena::room(at<void>(step->words.w[1])) == step->words.w[2] * sizeof(CK_ULONG));
  for (CK_ULONG i = 0; i < count; i++) at<CK_OBJECT_HANDLE>(step->words.w[1])[i] = 100 + i;
  *at<CK_ULONG>(step->words.w[3]) = count;
}

struct Search {
  explicit Search(uint32_t eager)
      : compound(compound_for(kFunctionTable[kC_FindObjectsInit], {{7, 0, 0}}, eager)) {}
  Step next(CK_RV rv) { return compound->next(rv, &arena); }
  CallArena arena;
  std::unique_ptr<AheadCompound> compound;
};

/* Lengths of attributes, as a library tells them. */
struct Get {
  explicit Get(std::vector<CK_ATTRIBUTE> asked, uint32_t eager = 1000) : attributes(asked) {
    const Words words = {{7, 8, reinterpret_cast<Word>(attributes.data()), attributes.size()}};
    compound = compound_for(kFunctionTable[kC_GetAttributeValue], words, eager);
  }
  Step next(CK_RV rv) { return compound->next(rv, &arena); }
  std::vector<CK_ATTRIBUTE> attributes;
  CallArena arena;
  std::unique_ptr<AheadCompound> compound;
};

CK_ATTRIBUTE* attributes_of(const Step& step) {
  BOOST_REQUIRE((step && step->row->number == kC_GetAttributeValue));
  BOOST_TEST(step->words.w[0] == 7u);
  BOOST_TEST(step->words.w[1] == 8u);
  return at<CK_ATTRIBUTE>(step->words.w[2]);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(compound)

BOOST_AUTO_TEST_CASE(only_for_who_asks) {
  CK_ULONG value;
  CK_ATTRIBUTE query = {CKA_ID, nullptr, 0}, read = {CKA_CLASS, &value, sizeof value};
  auto made = [](FunctionNumber function, CK_ATTRIBUTE* attribute, uint32_t eager) {
    return compound_for(kFunctionTable[function], {{1, 2, reinterpret_cast<Word>(attribute), 1}},
                        eager) != nullptr;
  };
  BOOST_TEST(made(kC_GetAttributeValue, &query, 1));
  BOOST_TEST(!made(kC_GetAttributeValue, &query, 0));
  BOOST_TEST(!made(kC_GetAttributeValue, &read, 1));
  BOOST_TEST(!made(kC_GetAttributeValue, nullptr, 1));
  BOOST_TEST(!made(kC_SetAttributeValue, &query, 1));
  BOOST_TEST(made(kC_FindObjectsInit, nullptr, 1));
  BOOST_TEST(!made(kC_FindObjectsInit, nullptr, 0));
}

BOOST_AUTO_TEST_CASE(until_there_are_no_more) {
  Search search(10);
  find(search.next(CKR_OK), 3);
  const Step second = search.next(CKR_OK);
  BOOST_TEST(second->words.w[2] == 7u);
  find(second, 0);
  BOOST_TEST(!search.next(CKR_OK));
  const Ahead& ahead = search.compound->ahead();
  BOOST_TEST(ahead.found);
  BOOST_TEST(ahead.complete);
  BOOST_TEST(ahead.handles == (std::vector<CK_OBJECT_HANDLE>{100, 101, 102}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(no_more_than_asked_for_nor_than_the_limit) {
  Search few(2), many(0xffffffff);
  find(few.next(CKR_OK), 2);
  BOOST_TEST(!few.next(CKR_OK));
  BOOST_TEST(few.compound->ahead().handles.size() == 2u);
  BOOST_TEST(!few.compound->ahead().complete);
  const Step step = many.next(CKR_OK);
  BOOST_TEST(step->words.w[2] == limits::kEagerHandles);
  BOOST_TEST(many.compound->most() < 64u * limits::kEagerHandles);
  find(step, limits::kEagerHandles);
  BOOST_TEST(!many.next(CKR_OK));
}

BOOST_AUTO_TEST_CASE(errors_of_a_search) {
  Search never(10), at_once(10), later(10);
  BOOST_TEST(!never.next(CKR_OPERATION_ACTIVE));
  BOOST_TEST(!never.compound->ahead().found);
  BOOST_TEST(at_once.next(CKR_OK).has_value());
  BOOST_TEST(!at_once.next(CKR_DEVICE_ERROR));
  BOOST_TEST(!at_once.compound->ahead().found);
  /* What a library has given out once it gives no second time. */
  find(later.next(CKR_OK), 4);
  BOOST_TEST(later.next(CKR_OK).has_value());
  BOOST_TEST(!later.next(CKR_DEVICE_ERROR));
  BOOST_TEST(later.compound->ahead().found);
  BOOST_TEST(!later.compound->ahead().complete);
  BOOST_TEST(later.compound->ahead().handles.size() == 4u);
}

BOOST_AUTO_TEST_CASE(a_library_that_is_slow) {
  Search search(10);
  const Step step = search.next(CKR_OK);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  find(step, 1);
  BOOST_TEST(!search.next(CKR_OK));
  BOOST_TEST(search.compound->ahead().handles.size() == 1u);
  BOOST_TEST(!search.compound->ahead().complete);
}

BOOST_AUTO_TEST_CASE(values_of_the_lengths_that_were_told) {
  CK_ULONG key_class = CKO_DATA;
  Get get({{CKA_ID, nullptr, 3},
           {CKA_CLASS, &key_class, sizeof key_class},
           {CKA_VALUE, nullptr, CK_UNAVAILABLE_INFORMATION},
           {CKA_LABEL, nullptr, 0}});
  const Step step = get.next(CKR_ATTRIBUTE_SENSITIVE);
  CK_ATTRIBUTE* made = attributes_of(step);
  BOOST_TEST(step->words.w[3] == 4u);
  BOOST_TEST(made[0].ulValueLen == 3u);
  BOOST_TEST(made[1].pValue != nullptr);
  BOOST_TEST(made[1].pValue != &key_class);
  BOOST_TEST(made[2].pValue == nullptr);
  BOOST_TEST(made[3].pValue != nullptr);
  std::memcpy(made[0].pValue, "abc", 3);
  made[2].ulValueLen = CK_UNAVAILABLE_INFORMATION;
  BOOST_TEST(!get.next(CKR_ATTRIBUTE_SENSITIVE));
  BOOST_TEST(get.compound->ahead().values.size() == 4u);
  BOOST_TEST(get.attributes[0].pValue == nullptr); /* the client's own results are what they were */
}

BOOST_AUTO_TEST_CASE(no_values) {
  const CK_ATTRIBUTE id = {CKA_ID, nullptr, 3};
  for (const CK_RV rv : {CKR_OBJECT_HANDLE_INVALID, CKR_BUFFER_TOO_SMALL, CKR_DEVICE_ERROR})
    BOOST_TEST(!Get({id}).next(rv));
  BOOST_TEST(!Get({{CKA_WRAP_TEMPLATE, nullptr, 0}}).next(CKR_OK));
  BOOST_TEST(!Get({{CKA_ID, nullptr, 1001}}).next(CKR_OK));
  BOOST_TEST(!Get({{CKA_ID, nullptr, 600}, {CKA_LABEL, nullptr, 401}}).next(CKR_OK));
  Get greedy({{CKA_ID, nullptr, limits::kEagerOctets + 1}}, 0xffffffff);
  BOOST_TEST(greedy.compound->most() <= 2 * limits::kEagerOctets);
  BOOST_TEST(!greedy.next(CKR_OK));
  /* Something has changed meanwhile: another length, another answer. */
  Get longer({id}), gone({id});
  attributes_of(longer.next(CKR_OK))[0].ulValueLen = 2;
  BOOST_TEST(!longer.next(CKR_OK));
  BOOST_TEST(longer.compound->ahead().values.empty());
  BOOST_TEST(gone.next(CKR_OK).has_value());
  BOOST_TEST(!gone.next(CKR_OBJECT_HANDLE_INVALID));
  BOOST_TEST(gone.compound->ahead().values.empty());
}

/* ---- lengths of results ---- */

namespace {

/* What is told of a key, by an Init with that mechanism. */
struct Init {
  Init(KeyLengths* lengths, CK_MECHANISM_TYPE type, FunctionNumber function = kC_SignInit)
      : mechanism{type, nullptr, 0},
        compound(length_compound(kFunctionTable[function],
                                 {{7, reinterpret_cast<Word>(&mechanism), 8}}, lengths)) {}
  std::optional<CK_ULONG> told() const {
    return static_cast<AheadCompound&>(*compound).ahead().output_len;
  }
  /* The key's value is this, and whether it wants a PIN each time. */
  std::optional<CK_ULONG> told(std::string_view value, CK_BBOOL authenticate = CK_FALSE,
                               CK_RV rv = CKR_OK, CK_KEY_TYPE type = CKK_VENDOR_DEFINED) {
    if (type == CKK_VENDOR_DEFINED)
      type = value.size() > 100 || value.empty() ? CKK_RSA
             : mechanism.mechanism == CKM_EDDSA  ? CKK_EC_EDWARDS
                                                 : CKK_EC;
    const Step step = compound->next(CKR_OK, &arena);
    CK_ATTRIBUTE* made = attributes_of(step);
    std::ranges::copy(value, static_cast<char*>(made[0].pValue));
    made[0].ulValueLen = value.size();
    *static_cast<CK_KEY_TYPE*>(made[1].pValue) = type;
    if (step->words.w[3] == 3) *static_cast<CK_BBOOL*>(made[2].pValue) = authenticate;
    BOOST_TEST(!compound->next(rv, &arena));
    return told();
  }
  CK_MECHANISM mechanism;
  CallArena arena;
  std::unique_ptr<Compound> compound;
};

using Told = std::optional<CK_ULONG>;
constexpr std::string_view kP256("\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07");

}  // namespace

BOOST_AUTO_TEST_CASE(lengths_that_are_certain) {
  auto told = [](CK_MECHANISM_TYPE type, std::string_view value, CK_BBOOL authenticate = CK_FALSE,
                 CK_RV rv = CKR_OK) {
    KeyLengths lengths;
    return Init(&lengths, type).told(value, authenticate, rv);
  };
  const std::string modulus(256, 'x');
  BOOST_TEST((told(CKM_RSA_PKCS, modulus) == Told{256}));
  BOOST_TEST((told(CKM_SHA256_RSA_PKCS_PSS, std::string(1, 0) + modulus) == Told{256}));
  BOOST_TEST((told(CKM_RSA_PKCS, "") == Told{}));
  BOOST_TEST((told(CKM_ECDSA, kP256) == Told{64}));
  BOOST_TEST((told(CKM_EDDSA,
                   "\x13\x0c"
                   "edwards25519") == Told{64}));
  BOOST_TEST((told(CKM_ECDSA, "\x06\x01\x2b") == Told{}));
  BOOST_TEST((told(CKM_ECDSA, kP256, CK_TRUE) == Told{}));
  /* SoftHSM begins such an operation, and has a length of its own for it. */
  BOOST_TEST((told(CKM_EDDSA, kP256) == Told{}));
  BOOST_TEST((told(CKM_ECDSA, "\x06\x03\x2b\x65\x70") == Told{}));
  KeyLengths none;
  BOOST_TEST((Init(&none, CKM_EDDSA).told(kP256, CK_FALSE, CKR_OK, CKK_EC) == Told{}));
  BOOST_TEST((Init(&none, CKM_RSA_PKCS).told(modulus, CK_FALSE, CKR_OK, CKK_EC) == Told{}));
  BOOST_TEST((told(CKM_ECDSA, kP256, CK_FALSE, CKR_ATTRIBUTE_TYPE_INVALID) == Told{}));
  KeyLengths lengths;
  BOOST_TEST(!Init(&lengths, CKM_DSA).compound);
  BOOST_TEST(!Init(&lengths, CKM_RSA_PKCS, kC_DecryptInit).compound);
  BOOST_TEST(!Init(&lengths, CKM_AES_CBC, kC_EncryptInit).compound);
  BOOST_TEST((Init(&lengths, CKM_RSA_PKCS_OAEP, kC_EncryptInit).told(modulus) == Told{256}));
  Init mac(&lengths, CKM_SHA256_HMAC), failed(&lengths, CKM_SHA256_HMAC);
  BOOST_TEST(!mac.compound->next(CKR_OK, &mac.arena));
  BOOST_TEST((mac.told() == Told{32}));
  BOOST_TEST(!failed.compound->next(CKR_KEY_TYPE_INCONSISTENT, &failed.arena));
  BOOST_TEST((failed.told() == Told{}));
  BOOST_TEST(!length_compound(kFunctionTable[kC_SignInit], {{7, 0, 8}}, &lengths));
}

BOOST_AUTO_TEST_CASE(a_key_is_looked_at_once) {
  KeyLengths lengths;
  BOOST_TEST((Init(&lengths, CKM_ECDSA).told(kP256) == Told{64}));
  Init again(&lengths, CKM_ECDSA);
  BOOST_TEST(!again.compound->next(CKR_OK, &again.arena));
  BOOST_TEST((again.told() == Told{64}));
  lengths.changed(); /* the handle may be another key's */
  Init after(&lengths, CKM_ECDSA), before(&lengths, CKM_ECDSA);
  BOOST_TEST(after.compound->next(CKR_OK, &after.arena).has_value());
  lengths.changed();
  BOOST_TEST((before.told(kP256) == Told{64}));
  Init late(&lengths, CKM_ECDSA);
  BOOST_TEST(late.compound->next(CKR_OK, &late.arena).has_value());
}

BOOST_AUTO_TEST_SUITE_END()
