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
 * Layers that keep something from their clients. If these failed, a key that must not leave its
 * library would, or somebody would see or use what the configuration hides from him.
 */
#include "p11_params.h"
#include "session_fixture.h"

using namespace mp11;
using namespace mp11::session_test;

namespace {

void refuse_function(FilterPlan* plan, uint32_t function) {
  plan->functions[function / 64] |= uint64_t{1} << function % 64;
}
void refuse_mechanism(FilterPlan* plan, CK_MECHANISM_TYPE type) {
  const auto n = static_cast<size_t>(mechanism_row(type) - mechanism_rows().data());
  plan->mechanisms[n / 64] |= uint64_t{1} << n % 64;
  plan->flags |= kFilterMechanisms;
}
void object_rule(FilterPlan* plan, bool shows, uint32_t classes, const char* label,
                 const char* id = "") {
  FilterObject& one = plan->object[plan->objects++];
  one.shows = shows;
  one.classes = classes;
  std::strcpy(one.label, label);
  std::strcpy(one.id, id);
}

/* One filtered layer, or one above another that is not filtered. */
struct Filtered : World {
  Filtered(const FilterPlan& plan, unsigned layers)
      : World(Plans{{backend_plan(0), backend_plan(1)}, {plans(plan, layers)}}) {
    processes[0] =
        process({{10, "a", "7777777777777777", "", {CKM_AES_KEY_GEN, CKM_AES_ECB, CKM_RSA_PKCS}}});
    processes[1] = process({{20, "b", "7777777777777777", "", {CKM_AES_ECB, CKM_SHA256}}});
    BOOST_REQUIRE_EQUAL(initialize(), CKR_OK);
    session = open(1);
  }
  static TokenPlan plans(const FilterPlan& plan, unsigned layers) {
    std::vector<PortfolioLayer> all = {layer_plan(0, "a", kLayerFiltered), layer_plan(1, "b")};
    all.resize(layers);
    TokenPlan token = layered_plan(1, "Filtered", all);
    token.filters = {plan};
    if (layers == 1) token.token.serial[0] = '\0';
    return token;
  }
  FakeLibrary& library(uint32_t n) { return *processes[n].library; }
  CK_OBJECT_HANDLE made(CK_OBJECT_CLASS of_class, const std::string& label, const std::string& id,
                        std::vector<CK_ATTRIBUTE> more = {}) {
    std::string l = label, i = id;
    std::vector<CK_ATTRIBUTE> t = {{CKA_CLASS, &of_class, sizeof of_class},
                                   {CKA_LABEL, l.data(), l.size()},
                                   {CKA_ID, i.data(), i.size()}};
    t.insert(t.end(), more.begin(), more.end());
    CK_OBJECT_HANDLE object = 0;
    last_rv = call(kC_CreateObject, {session, word(t.data()), t.size(), word(&object)});
    return last_rv == CKR_OK ? object : 0;
  }
  /* In the library, past the monitor. */
  void there(uint32_t n, CK_OBJECT_CLASS of_class, const std::string& label,
             const std::string& id) {
    FakeLibrary::Object object{id, n == 0 ? 10u : 20u, true, false, 0};
    object.of_class = of_class;
    object.label = label;
    library(n).objects[1000 + library(n).objects.size()] = object;
  }
  std::vector<std::string> seen() {
    std::vector<std::string> ids;
    for (CK_OBJECT_HANDLE object : find(session)) ids.push_back(id_of(session, object));
    return ids;
  }
  CK_RV with_mechanism(uint32_t function, CK_MECHANISM_TYPE type, CK_OBJECT_HANDLE key) {
    CK_MECHANISM mechanism{type, nullptr, 0};
    return call(function, {session, word(&mechanism), key});
  }
  CK_SESSION_HANDLE session = 0;
};

using Ids = std::vector<std::string>;

}  // namespace

BOOST_AUTO_TEST_SUITE(session_filter)

BOOST_AUTO_TEST_CASE(functions_are_refused_at_the_layer) {
  FilterPlan plan{};
  refuse_function(&plan, kC_DestroyObject);
  for (unsigned layers : {1u, 2u}) {
    Filtered w(plan, layers);
    CK_OBJECT_HANDLE object = w.made(CKO_DATA, "x", "one");
    BOOST_TEST(w.call(kC_DestroyObject, {w.session, object}) == CKR_FUNCTION_NOT_SUPPORTED);
    BOOST_TEST(w.library(0).count(kC_DestroyObject) == 0u);
    BOOST_TEST(w.id_of(w.session, object) == "one");
    BOOST_TEST((w.told == Ids{"C_DestroyObject the function"}));
  }
  Filtered w(plan, 2); /* and not at another */
  w.find(w.session);
  w.there(1, CKO_DATA, "", "below");
  CK_OBJECT_HANDLE below = w.find(w.session).at(0);
  BOOST_TEST(w.call(kC_DestroyObject, {w.session, below}) == CKR_OK);
}

BOOST_AUTO_TEST_CASE(mechanisms_are_refused_and_not_listed) {
  FilterPlan plan{};
  refuse_mechanism(&plan, CKM_AES_ECB);
  for (unsigned layers : {1u, 2u}) {
    Filtered w(plan, layers);
    CK_OBJECT_HANDLE key = w.made(CKO_SECRET_KEY, "x", "one");
    BOOST_TEST(w.with_mechanism(kC_EncryptInit, CKM_AES_ECB, key) == CKR_MECHANISM_INVALID);
    BOOST_TEST(w.library(0).count(kC_EncryptInit) == 0u);
    BOOST_TEST(w.with_mechanism(kC_SignInit, CKM_RSA_PKCS, key) == CKR_OK);
    CK_MECHANISM_TYPE types[8];
    CK_ULONG count = 8;
    BOOST_TEST(w.call(kC_GetMechanismList, {1, word(types), word(&count)}) == CKR_OK);
    std::vector<CK_MECHANISM_TYPE> expected = {CKM_AES_KEY_GEN, CKM_RSA_PKCS};
    if (layers == 2) expected.insert(expected.end(), {CKM_AES_ECB, CKM_SHA256});
    BOOST_TEST(std::vector<CK_MECHANISM_TYPE>(types, types + count) == expected);
    CK_MECHANISM_INFO info;
    BOOST_TEST(w.call(kC_GetMechanismInfo, {1, CKM_AES_ECB, word(&info)}) ==
               (layers == 1 ? CKR_MECHANISM_INVALID : CKR_OK));
    uint8_t state[4] = {};
    CK_ULONG length = sizeof state;
    BOOST_TEST(w.call(kC_GetOperationState, {w.session, word(state), word(&length)}) ==
               CKR_STATE_UNSAVEABLE);
    BOOST_TEST(w.call(kC_SetOperationState, {w.session, word(state), 4, 0, 0}) ==
               CKR_SAVED_STATE_INVALID);
  }
}

BOOST_AUTO_TEST_CASE(hidden_objects_are_never_found) {
  FilterPlan plan{};
  object_rule(&plan, true, kCreatePrivateKey | kCreateData, "web-*");
  object_rule(&plan, false, 0, "", "6f6c64*"); /* "old" */
  for (unsigned layers : {1u, 2u}) {
    Filtered w(plan, layers);
    w.find(w.session); /* starts them */
    w.there(0, CKO_PRIVATE_KEY, "web-1", "a");
    w.there(0, CKO_SECRET_KEY, "web-1", "b");
    w.there(0, CKO_DATA, "mail", "c");
    w.there(0, CKO_DATA, "web-", "d");
    w.there(0, CKO_DATA, "web-2", "old-1");
    w.there(0, CKO_DATA, std::string(3000, 'w'), "e"); /* longer than is looked at */
    if (layers == 2) w.there(1, CKO_SECRET_KEY, "below", "f");
    const Ids expected = layers == 2 ? Ids{"a", "d", "f"} : Ids{"a", "d"};
    BOOST_TEST(w.seen() == expected);
    /* One at a time, and again: the same. */
    for (int round = 0; round < 2; round++) {
      Ids ids;
      CK_OBJECT_HANDLE object;
      CK_ULONG count = 1;
      BOOST_TEST(w.call(kC_FindObjectsInit, {w.session, 0, 0}) == CKR_OK);
      while (count != 0) {
        BOOST_TEST(w.call(kC_FindObjects, {w.session, word(&object), 1, word(&count)}) == CKR_OK);
        if (count != 0) ids.push_back(w.id_of(w.session, object));
      }
      BOOST_TEST(w.call(kC_FindObjectsFinal, {w.session}) == CKR_OK);
      BOOST_TEST(ids == expected);
    }
    /* The library's own number, or one near those that were given, names nothing. */
    for (CK_OBJECT_HANDLE raw = 1; raw < 1100; raw++) {
      const std::string id = w.id_of(w.session, raw);
      BOOST_TEST((id.empty() || std::count(expected.begin(), expected.end(), id) == 1), raw);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_library_that_dies_while_its_objects_are_looked_at) {
  FilterPlan plan{};
  object_rule(&plan, false, 0, "hidden");
  for (unsigned steps = 0; steps < 12; steps++) {
    Filtered w(plan, 2);
    w.find(w.session);
    for (const char* id : {"a", "b", "c"}) w.there(0, CKO_DATA, "x", id);
    w.there(1, CKO_DATA, "x", "f");
    BOOST_REQUIRE_EQUAL(w.call(kC_FindObjectsInit, {w.session, 0, 0}), CKR_OK);
    CK_OBJECT_HANDLE all[8];
    CK_ULONG count = 0;
    Words words;
    words.w[0] = w.session;
    words.w[1] = word(all);
    words.w[2] = 8;
    words.w[3] = word(&count);
    World::Run* run = w.begin(kC_FindObjects, words);
    for (unsigned n = 0; n < steps && !run->answered; n++) {
      if (w.ready(*run))
        w.advance(run);
      else
        w.happen(0);
    }
    w.kill(0);
    w.settle();
    BOOST_REQUIRE(run->answered);
    BOOST_TEST(run->call.reply.rec.rv == CKR_OK);
    w.forget_answered();
    unsigned alive = 0;
    for (CK_ULONG i = 0; i < count; i++) alive += w.id_of(w.session, all[i]) == "f";
    BOOST_TEST(alive == 1u, steps);
  }
}

BOOST_AUTO_TEST_CASE(keys_do_not_leave) {
  FilterPlan plan{};
  plan.flags = kFilterNoExport;
  for (unsigned layers : {1u, 2u}) {
    Filtered w(plan, layers);
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    /* What says nothing is made sensitive and not extractable. */
    CK_OBJECT_HANDLE key = w.made(CKO_SECRET_KEY, "x", "key");
    BOOST_REQUIRE(key != 0u);
    BOOST_TEST(w.library(0).objects.begin()->second.sensitive == 1);
    BOOST_TEST(w.library(0).objects.begin()->second.extractable == 0);
    BOOST_TEST(w.library(0).objects.begin()->second.id == "key"); /* the rest as it was */
    for (CK_ATTRIBUTE open : {CK_ATTRIBUTE{CKA_EXTRACTABLE, &yes, 1}, {CKA_SENSITIVE, &no, 1}}) {
      w.made(CKO_PRIVATE_KEY, "x", "open", {open});
      BOOST_TEST(w.last_rv == CKR_TEMPLATE_INCONSISTENT);
      BOOST_TEST(w.call(kC_SetAttributeValue, {w.session, key, word(&open), 1}) ==
                 CKR_TEMPLATE_INCONSISTENT);
      CK_OBJECT_HANDLE copy = 0;
      BOOST_TEST(w.call(kC_CopyObject, {w.session, key, word(&open), 1, word(&copy)}) ==
                 CKR_TEMPLATE_INCONSISTENT);
    }
    /* Said twice, the second time as it should be: still refused. */
    w.made(CKO_SECRET_KEY, "x", "twice", {{CKA_EXTRACTABLE, &no, 1}, {CKA_EXTRACTABLE, &yes, 1}});
    BOOST_TEST(w.last_rv == CKR_TEMPLATE_INCONSISTENT);
    /* Nor what a library might read as it likes. */
    CK_ULONG wide_no = 0;
    w.made(CKO_SECRET_KEY, "x", "odd", {{CKA_EXTRACTABLE, &wide_no, sizeof wide_no}});
    BOOST_TEST(w.last_rv == CKR_TEMPLATE_INCONSISTENT);
    w.made(CKO_SECRET_KEY, "x", "odd", {{CKA_SENSITIVE, nullptr, 0}});
    BOOST_TEST(w.last_rv == CKR_TEMPLATE_INCONSISTENT);
    /* No key: nothing is written in. */
    w.made(CKO_DATA, "x", "note");
    BOOST_TEST(w.library(0).objects.rbegin()->second.sensitive == 2);
    CK_MECHANISM pair{CKM_RSA_PKCS_KEY_PAIR_GEN, nullptr, 0};
    CK_OBJECT_HANDLE pub = 0, priv = 0;
    BOOST_TEST(w.call(kC_GenerateKeyPair,
                      {w.session, word(&pair), 0, 0, 0, 0, word(&pub), word(&priv)}) == CKR_OK);
    BOOST_TEST(w.library(0).objects.rbegin()->second.extractable == 0);
    BOOST_TEST(std::prev(w.library(0).objects.end(), 2)->second.extractable == 2);

    CK_MECHANISM wrap{CKM_AES_KEY_WRAP, nullptr, 0};
    uint8_t wrapped[64];
    CK_ULONG length = sizeof wrapped;
    BOOST_TEST(w.call(kC_WrapKey, {w.session, word(&wrap), key, key, word(wrapped),
                                   word(&length)}) == CKR_KEY_UNEXTRACTABLE);
    BOOST_TEST(w.library(0).count(kC_WrapKey) == 0u);
    CK_OBJECT_CLASS data = CKO_DATA;
    CK_ATTRIBUTE as_data{CKA_CLASS, &data, sizeof data};
    CK_OBJECT_HANDLE derived = 0;
    BOOST_TEST(w.call(kC_DeriveKey, {w.session, word(&wrap), key, word(&as_data), 1,
                                     word(&derived)}) == CKR_TEMPLATE_INCONSISTENT);
  }
}

/* Nothing is written into a template of none, however many attributes it is said to have. */
BOOST_AUTO_TEST_CASE(no_template_and_a_count) {
  FilterPlan plan{};
  plan.flags = kFilterNoExport;
  for (unsigned layers : {1u, 2u}) {
    Filtered w(plan, layers);
    CK_MECHANISM aes{CKM_AES_KEY_GEN, nullptr, 0};
    CK_MECHANISM rsa{CKM_RSA_PKCS_KEY_PAIR_GEN, nullptr, 0};
    for (CK_ULONG count : {CK_ULONG{1}, CK_ULONG{1} << 40, ~CK_ULONG{0} / 24, ~CK_ULONG{0} - 2,
                           ~CK_ULONG{0} - 1, ~CK_ULONG{0}}) {
      CK_OBJECT_HANDLE key = 0, other = 0;
      BOOST_TEST(w.call(kC_GenerateKey, {w.session, word(&aes), 0, count, word(&key)}) ==
                 CKR_ARGUMENTS_BAD);
      BOOST_TEST(w.call(kC_GenerateKeyPair, {w.session, word(&rsa), 0, 0, 0, count, word(&key),
                                             word(&other)}) == CKR_ARGUMENTS_BAD);
    }
    BOOST_TEST(w.library(0).count(kC_GenerateKey) == 0u);
    BOOST_TEST(w.library(0).count(kC_GenerateKeyPair) == 0u);
  }
}

/* The library would tell: it was made before the filter was. */
BOOST_AUTO_TEST_CASE(secrets_of_old_keys_stay) {
  FilterPlan plan{};
  plan.flags = kFilterNoExport;
  Filtered w(plan, 1);
  w.there(0, CKO_SECRET_KEY, "x", "key");
  w.there(0, CKO_CERTIFICATE, "x", "cert");
  CK_OBJECT_HANDLE key = 0, cert = 0;
  for (CK_OBJECT_HANDLE object : w.find(w.session))
    (w.id_of(w.session, object) == "key" ? key : cert) = object;
  char value[32], id[32];
  auto ask = [&](CK_OBJECT_HANDLE object, void* to) {
    std::memset(value, '?', sizeof value);
    CK_ATTRIBUTE query[] = {{CKA_VALUE, to, sizeof value}, {CKA_ID, id, sizeof id}};
    const CK_RV rv = w.call(kC_GetAttributeValue, {w.session, object, word(query), 2});
    BOOST_TEST(query[1].ulValueLen == (object == key ? 3u : 4u));
    return std::pair(rv, query[0].ulValueLen);
  };
  const std::pair<CK_RV, CK_ULONG> kept{CKR_ATTRIBUTE_SENSITIVE, CK_UNAVAILABLE_INFORMATION};
  BOOST_TEST((ask(key, value) == kept));
  BOOST_TEST(std::string(value, sizeof value) == std::string(sizeof value, '?'));
  BOOST_TEST((ask(key, nullptr) == kept)); /* not even its length */
  BOOST_TEST((ask(cert, value) == std::pair<CK_RV, CK_ULONG>{CKR_OK, 14}));
  /* A library that does not say what it is. */
  w.library(0).answer = [](uint32_t function, const Words& words) -> CK_RV {
    if (function != kC_GetAttributeValue || words.w[3] != 1) return CKR_OK;
    return at<CK_ATTRIBUTE>(words.w[2])->type == CKA_CLASS ? CKR_DEVICE_ERROR : CKR_OK;
  };
  BOOST_TEST((ask(cert, value) == kept));
}

/* A key goes where its mechanism makes keys; using one is another matter, and so is an audit. */
BOOST_AUTO_TEST_CASE(new_keys_go_where_their_mechanism_belongs) {
  for (uint32_t audit : {0u, uint32_t{kFilterAudit}}) {
    FilterPlan plan{};
    const auto n = static_cast<size_t>(mechanism_row(CKM_RSA_PKCS) - mechanism_rows().data());
    plan.makes[n / 64] |= uint64_t{1} << n % 64;
    plan.flags = kFilterCreate | audit;
    for (unsigned layers : {1u, 2u}) {
      Filtered w(plan, layers);
      auto generate = [&w](CK_MECHANISM_TYPE type) {
        CK_MECHANISM mechanism{type, nullptr, 0};
        CK_OBJECT_HANDLE key = 0;
        return w.call(kC_GenerateKey, {w.session, word(&mechanism), 0, 0, word(&key)});
      };
      BOOST_TEST(generate(CKM_RSA_PKCS) == CKR_OK);
      BOOST_TEST(w.library(0).count(kC_GenerateKey) == 1u);
      BOOST_TEST(generate(CKM_AES_ECB) == (layers == 1 ? CKR_MECHANISM_INVALID : CKR_OK));
      BOOST_TEST(w.library(0).count(kC_GenerateKey) == 1u);
      if (layers == 2) BOOST_TEST(w.library(1).count(kC_GenerateKey) == 1u);
      CK_OBJECT_HANDLE key = w.made(CKO_SECRET_KEY, "x", "key"); /* by no mechanism */
      BOOST_TEST(w.with_mechanism(kC_EncryptInit, CKM_AES_ECB, key) == CKR_OK);
      BOOST_TEST(w.library(0).count(kC_EncryptInit) == 1u);
    }
  }
}

BOOST_AUTO_TEST_CASE(an_audit_tells_and_refuses_nothing) {
  FilterPlan plan{};
  plan.flags = kFilterAudit | kFilterNoExport;
  refuse_function(&plan, kC_DestroyObject);
  refuse_mechanism(&plan, CKM_AES_ECB);
  object_rule(&plan, false, kCreateData, "");
  Filtered w(plan, 2);
  CK_BBOOL yes = CK_TRUE;
  CK_OBJECT_HANDLE key = w.made(CKO_SECRET_KEY, "x", "key", {{CKA_EXTRACTABLE, &yes, 1}});
  BOOST_REQUIRE(key != 0u);
  BOOST_TEST(w.library(0).objects.begin()->second.sensitive == 2); /* nothing was written in */
  BOOST_TEST(w.with_mechanism(kC_EncryptInit, CKM_AES_ECB, key) == CKR_OK);
  w.there(0, CKO_DATA, "x", "note");
  BOOST_TEST((w.seen() == Ids{"key", "note"}));
  char value[32];
  CK_ATTRIBUTE query{CKA_VALUE, value, sizeof value};
  BOOST_TEST(w.call(kC_GetAttributeValue, {w.session, key, word(&query), 1}) == CKR_OK);
  BOOST_TEST(std::string(value, query.ulValueLen) == "secret of key");
  BOOST_TEST(w.call(kC_DestroyObject, {w.session, key}) == CKR_OK);
  const Ids expected = {
      "C_CreateObject a key that could be exported audit", "C_EncryptInit the mechanism audit",
      "C_FindObjects an object that is hidden audit", "C_GetAttributeValue a key's secret audit",
      "C_DestroyObject the function audit"};
  BOOST_TEST(w.told == expected, boost::test_tools::per_element());
}

/* A library that has ever more objects that are not shown: a search comes to an end. */
BOOST_AUTO_TEST_CASE(hidden_objects_without_an_end) {
  FilterPlan plan{};
  plan.objects = 1;
  std::strcpy(plan.object[0].label, "hidden*");
  for (unsigned layers : {1u, 2u}) {
    std::vector<PortfolioLayer> all = {layer_plan(0, "a", kLayerFiltered), layer_plan(1, "b")};
    all.resize(layers);
    TokenPlan token = layered_plan(1, "Endless", all);
    token.filters = {plan};
    World w(Plans{{backend_plan(0), backend_plan(1)}, {token}});
    w.processes[0] = process({{10, "a"}});
    w.processes[1] = process({{20, "b"}});
    BOOST_REQUIRE(w.initialize() == CKR_OK);
    const CK_SESSION_HANDLE session = w.open(1);
    w.find(session); /* starts them */
    FakeLibrary& endless = *w.processes[0].library;
    endless.objects[7] = {"7", 10, true, false, 0};
    endless.objects[7].label = "hidden one";
    if (layers == 2) w.processes[1].library->objects[7] = {"below", 20, true, false, 0};
    endless.tamper = [](uint32_t function, Message* reply) {
      if (function == kC_FindObjects) reply->list.assign(64, 7);
    };
    w.told.clear();
    CK_OBJECT_HANDLE found[64];
    CK_ULONG count = 0;
    BOOST_TEST(w.call(kC_FindObjectsInit, {session, 0, 0}) == CKR_OK);
    const CK_RV rv = w.call(kC_FindObjects, {session, word(found), 64, word(&count)});
    BOOST_TEST(endless.count(kC_GetAttributeValue) <= limits::kHiddenInARow + 64);
    endless.tamper = nullptr;
    if (layers == 1) {
      BOOST_TEST(rv == CKR_DEVICE_ERROR);
      BOOST_TEST(w.call(kC_FindObjects, {session, word(found), 64, word(&count)}) ==
                 CKR_OPERATION_NOT_INITIALIZED);
    } else { /* its failure is its own */
      BOOST_TEST(rv == CKR_OK);
      BOOST_REQUIRE(count == 1u);
      BOOST_TEST(w.id_of(session, found[0]) == "below");
      BOOST_TEST(w.told == std::vector<std::string>{"b0/1 left out"});
      BOOST_TEST(w.call(kC_FindObjectsFinal, {session}) == CKR_OK);
    }
    BOOST_TEST(w.find(session).size() == layers - 1);
  }
}

BOOST_AUTO_TEST_SUITE_END()
