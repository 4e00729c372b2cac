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
 * New objects of tokens of several layers: on which layer they come to lie, and that nothing is
 * changed where nothing may be.
 */
#include "session_layers_fixture.h"

namespace mp11::session_test {
namespace {

/* Objects by their class, and so by layer: certificates on the first, secret keys on the second. */
struct Sorted : World {
  explicit Sorted(bool one = false)
      : World(Plans{{backend_plan(0), backend_plan(1)}, {plan(one)}}) {
    processes[0] = process({{10, "a", "7777777777777777", "", {CKM_AES_KEY_GEN}}});
    processes[1] = process({{20,
                             "b",
                             "7777777777777777",
                             "",
                             {CKM_AES_KEY_GEN, CKM_DSA_PARAMETER_GEN, CKM_EC_KEY_PAIR_GEN}}});
    BOOST_REQUIRE_EQUAL(initialize(), CKR_OK);
    session = open(1);
  }
  static TokenPlan plan(bool one) {
    std::vector<PortfolioLayer> layers = {layer_plan(0, "a"), layer_plan(1, "b")};
    layers[0].creates = kCreateCertificate | kCreatePublicKey;
    layers[1].creates = kCreateSecretKey | kCreateCertificate | kCreatePublicKey;
    if (one) layers.pop_back();
    return layered_plan(1, "Sorted", layers);
  }
  CK_RV create(std::vector<CK_ULONG> classes) {
    std::vector<CK_ATTRIBUTE> t;
    for (CK_ULONG& c : classes) t.push_back({CKA_CLASS, &c, sizeof c});
    CK_OBJECT_HANDLE made = 0;
    return call(kC_CreateObject, {session, word(t.data()), t.size(), word(&made)});
  }
  CK_RV generate(uint32_t function, CK_MECHANISM_TYPE type) {
    CK_MECHANISM mechanism{type, nullptr, 0};
    CK_OBJECT_HANDLE a = 0, b = 0;
    if (function == kC_GenerateKey)
      return call(function, {session, word(&mechanism), 0, 0, word(&a)});
    return call(function, {session, word(&mechanism), 0, 0, 0, 0, word(&a), word(&b)});
  }
  size_t made(uint32_t n, uint32_t function) {
    return processes[n].library == nullptr ? 0 : processes[n].library->count(function);
  }
  CK_SESSION_HANDLE session = 0;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(session_creating)

BOOST_AUTO_TEST_CASE(new_objects_go_to_the_first_that_may_hold_them) {
  Layered w;
  CK_OBJECT_HANDLE made = w.create(w.session, "new", true);
  BOOST_TEST(w.id_of(w.session, made) == "new");
  BOOST_TEST(w.library(0).count(kC_CreateObject) == 1u);

  CK_MECHANISM ecdsa{CKM_ECDSA, nullptr, 0}, rsa{CKM_RSA_PKCS, nullptr, 0}, none{99, nullptr, 0};
  CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
  CK_ATTRIBUTE token[] = {{CKA_TOKEN, &yes, 1}}, session[] = {{CKA_TOKEN, &no, 1}};
  CK_OBJECT_HANDLE a = 0, b = 0;
  auto generate = [&](CK_MECHANISM* m, CK_ATTRIBUTE* t) {
    return w.call(kC_GenerateKeyPair,
                  {w.session, word(m), word(t), 1, word(t), 1, word(&a), word(&b)});
  };
  BOOST_TEST(generate(&rsa, token) == CKR_OK);
  BOOST_TEST(w.library(0).count(kC_GenerateKeyPair) == 1u);
  /* Only a read-only layer has it: a session object may be made there. */
  BOOST_TEST(generate(&ecdsa, session) == CKR_OK);
  BOOST_TEST(w.library(1).count(kC_GenerateKeyPair) == 1u);
  BOOST_TEST(generate(&ecdsa, token) == CKR_OK); /* the first writable one judges */
  BOOST_TEST(w.library(0).count(kC_GenerateKeyPair) == 2u);
  BOOST_TEST(generate(&none, session) == CKR_OK);
  BOOST_TEST(w.library(0).count(kC_GenerateKeyPair) == 3u);
}

BOOST_AUTO_TEST_CASE(new_objects_go_where_their_class_belongs) {
  Sorted w;
  BOOST_TEST(w.create({CKO_CERTIFICATE}) == CKR_OK);
  BOOST_TEST(w.made(0, kC_CreateObject) == 1u);
  BOOST_TEST(w.create({CKO_SECRET_KEY}) == CKR_OK);
  BOOST_TEST(w.made(1, kC_CreateObject) == 1u);
  /* It may be either: where both may lie. */
  BOOST_TEST(w.create({CKO_CERTIFICATE, CKO_SECRET_KEY}) == CKR_OK);
  BOOST_TEST(w.made(1, kC_CreateObject) == 2u);
  for (CK_ULONG none : {CKO_PRIVATE_KEY, CKO_DATA, CKO_DOMAIN_PARAMETERS, CKO_VENDOR_DEFINED + 0ul})
    BOOST_TEST(w.create({none}) == CKR_TEMPLATE_INCONSISTENT);
  BOOST_TEST(w.create({}) == CKR_OK); /* of no class: the first library judges */
  BOOST_TEST(w.made(0, kC_CreateObject) == 2u);
  BOOST_TEST(w.generate(kC_GenerateKey, CKM_AES_KEY_GEN) == CKR_OK);
  BOOST_TEST(w.made(1, kC_GenerateKey) == 1u);
  BOOST_TEST(w.generate(kC_GenerateKey, CKM_DSA_PARAMETER_GEN) == CKR_TEMPLATE_INCONSISTENT);
  BOOST_TEST(w.generate(kC_GenerateKeyPair, CKM_EC_KEY_PAIR_GEN) == CKR_TEMPLATE_INCONSISTENT);
  BOOST_TEST(w.made(0, kC_GenerateKey) + w.made(0, kC_GenerateKeyPair) == 0u);
}

/* Who sees just one of the layers puts nothing else there either. */
BOOST_AUTO_TEST_CASE(an_only_layer_takes_no_other_class) {
  Sorted w(true);
  BOOST_TEST(w.create({CKO_CERTIFICATE}) == CKR_OK);
  BOOST_TEST(w.create({CKO_SECRET_KEY}) == CKR_TEMPLATE_INCONSISTENT);
  BOOST_TEST(w.create({CKO_CERTIFICATE, CKO_SECRET_KEY}) == CKR_TEMPLATE_INCONSISTENT);
  BOOST_TEST(w.generate(kC_GenerateKey, CKM_AES_KEY_GEN) == CKR_TEMPLATE_INCONSISTENT);
  BOOST_TEST(w.made(0, kC_CreateObject) == 1u);
}

BOOST_AUTO_TEST_CASE(nothing_is_changed_on_a_read_only_layer) {
  Layered w(kLayerReadOnly, kLayerReadOnly);
  BOOST_TEST(w.create(w.session, "new", true) == 0u);
  BOOST_TEST(w.last_rv == CKR_TOKEN_WRITE_PROTECTED);
  for (const char* id : {"mine-5", "ours-5", "all-7"}) {
    CK_OBJECT_HANDLE object = w.named(id);
    BOOST_TEST(w.call(kC_DestroyObject, {w.session, object}) == CKR_ACTION_PROHIBITED);
    CK_BBOOL value = CK_TRUE;
    CK_ATTRIBUTE modifiable{CKA_MODIFIABLE, &value, 1};
    BOOST_TEST(w.call(kC_GetAttributeValue, {w.session, object, word(&modifiable), 1}) == CKR_OK);
    BOOST_TEST(value == CK_FALSE);
  }
  for (uint32_t n : {0u, 1u})
    for (auto& [handle, s] : w.library(n).sessions) BOOST_TEST((s.flags & CKF_RW_SESSION) == 0u);
  CK_OBJECT_HANDLE object = w.create(w.session, "session's");
  BOOST_TEST(w.call(kC_DestroyObject, {w.session, object}) == CKR_OK);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace mp11::session_test
