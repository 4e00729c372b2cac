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
 * Keys whose handles come back within a mechanism parameter. If one of these failed, a client could
 * make of them what a token's rules forbid, or a handle would name another key than it did.
 */
#include "p11_params.h"
#include "packing.h"
#include "session_fixture.h"

using namespace mp11;
using namespace mp11::session_test;

namespace {

constexpr CK_OBJECT_HANDLE kFirst = 500, kSecond = 501;

/* One layer; its library derives two additional keys, of numbers that it gives again. */
struct Deriving : World {
  explicit Deriving(uint32_t flags = 0, FilterPlan plan = {})
      : World(Plans{{backend_plan(0)}, {plans(flags, plan)}}) {
    processes[0] = process({{10, "a", "7777777777777777", "", {CKM_SP800_108_COUNTER_KDF}}});
    BOOST_REQUIRE_EQUAL(initialize(), CKR_OK);
    session = open(1);
    other = open(1);
    base = create(other, "base");
    library().answer = [this](uint32_t function, const Words& words) {
      return function == kC_DeriveKey ? derive(words) : CK_RV{CKR_OK};
    };
    params = {CKM_SHA256_HMAC, 0, nullptr, 2, keys};
    keys[0] = {nullptr, 0, &made[0]};
    keys[1] = {nullptr, 0, &made[1]};
  }
  static TokenPlan plans(uint32_t flags, const FilterPlan& plan) {
    TokenPlan token = layered_plan(1, "Derived", {layer_plan(0, "a", flags)});
    token.token.serial[0] = '\0';
    if ((flags & kLayerFiltered) != 0) token.filters = {plan};
    return token;
  }
  FakeLibrary& library() { return *processes[0].library; }

  static bool says(const CK_DERIVED_KEY& key, CK_ATTRIBUTE_TYPE type, bool value) {
    for (CK_ULONG i = 0; key.pTemplate != nullptr && i < key.ulAttributeCount; i++)
      if (key.pTemplate[i].type == type)
        return (*static_cast<const CK_BBOOL*>(key.pTemplate[i].pValue) != 0) == value;
    return false;
  }

  CK_RV derive(const Words& words) {
    const auto* m = reinterpret_cast<const CK_MECHANISM*>(words.w[1]);
    if (m->mechanism == CKM_SSL3_KEY_AND_MAC_DERIVE) {
      auto* out = static_cast<CK_SSL3_KEY_MAT_PARAMS*>(m->pParameter)->pReturnedKeyMaterial;
      out->hClientKey = kFirst;
      library().objects[kFirst] = {"client key", 10, false, false, words.w[0]};
      return CKR_OK;
    }
    if (m->mechanism != CKM_SP800_108_COUNTER_KDF) return CKR_OK;
    const auto* p = static_cast<const CK_SP800_108_KDF_PARAMS*>(m->pParameter);
    for (CK_ULONG i = 0; i < p->ulAdditionalDerivedKeys; i++) {
      const CK_DERIVED_KEY& key = p->pAdditionalDerivedKeys[i];
      sensitive = says(key, CKA_SENSITIVE, true) && says(key, CKA_EXTRACTABLE, false);
      library().objects[kFirst + i] = {"derived", 10, says(key, CKA_TOKEN, true),
                                       says(key, CKA_PRIVATE, true), words.w[0]};
      if (key.phKey != nullptr) *key.phKey = kFirst + i;
    }
    return CKR_OK;
  }

  template <class T>
  CK_RV derive_with(CK_MECHANISM_TYPE type, T* parameter) {
    CK_MECHANISM m{type, parameter, sizeof *parameter};
    return call(kC_DeriveKey, {session, word(&m), base, 0, 0, word(&derived)});
  }
  CK_RV derive_two() { return derive_with(CKM_SP800_108_COUNTER_KDF, &params); }
  CK_RV destroy(CK_OBJECT_HANDLE object) { return call(kC_DestroyObject, {other, object}); }

  CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
  CK_ATTRIBUTE token{CKA_TOKEN, &yes, 1}, priv{CKA_PRIVATE, &yes, 1};
  CK_OBJECT_HANDLE derived = 0; /* the call's own key */
  CK_OBJECT_HANDLE made[2] = {};
  CK_DERIVED_KEY keys[2];
  CK_SP800_108_KDF_PARAMS params;
  bool sensitive = false;
  CK_SESSION_HANDLE session = 0, other = 0;
  CK_OBJECT_HANDLE base = 0;
};

FilterPlan no_export() {
  FilterPlan plan{};
  plan.flags = kFilterNoExport;
  return plan;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(session_params)

BOOST_AUTO_TEST_CASE(additional_keys_are_objects) {
  Deriving w;
  BOOST_REQUIRE(w.derive_two() == CKR_OK);
  BOOST_TEST(w.made[0] != w.made[1]);
  BOOST_TEST(w.made[0] != kFirst); /* not the library's number */
  BOOST_TEST(w.id_of(w.session, w.made[0]) == "derived");
  BOOST_TEST(w.destroy(w.made[1]) == CKR_OK);
  BOOST_TEST(w.library().objects.count(kSecond) == 0u);
  BOOST_TEST(w.library().objects.count(kFirst) == 1u);
  /* One that nobody wants to hear of has no handle. */
  w.keys[0].phKey = nullptr;
  BOOST_REQUIRE(w.derive_two() == CKR_OK);
  BOOST_TEST(w.id_of(w.session, w.made[1]) == "derived");
}

/* Each lives as long as its own template says, whatever number the library gives again. */
BOOST_AUTO_TEST_CASE(additional_keys_end_with_their_session) {
  Deriving w;
  w.keys[1] = {&w.token, 1, &w.made[1]};
  BOOST_REQUIRE(w.derive_two() == CKR_OK);
  BOOST_REQUIRE(w.call(kC_CloseSession, {w.session}) == CKR_OK);
  w.library().objects[kFirst] = {"somebody else's", 10, true, false, 0};
  BOOST_TEST(w.destroy(w.made[0]) == CKR_OBJECT_HANDLE_INVALID);
  BOOST_TEST(w.library().objects.count(kFirst) == 1u);
  BOOST_TEST(w.destroy(w.made[1]) == CKR_OK);
}

BOOST_AUTO_TEST_CASE(private_additional_keys_end_with_the_login) {
  Deriving w;
  w.keys[1] = {&w.priv, 1, &w.made[1]};
  BOOST_REQUIRE(w.derive_two() == CKR_OK);
  BOOST_REQUIRE(w.call(kC_Logout, {w.session}) == CKR_OK);
  w.library().objects[kSecond] = {"somebody else's", 10, true, false, 0};
  BOOST_TEST(w.destroy(w.made[1]) == CKR_OBJECT_HANDLE_INVALID);
  BOOST_TEST(w.destroy(w.made[0]) == CKR_OK);
}

/* Those of key material are what the call's own template says: session objects without one. */
BOOST_AUTO_TEST_CASE(key_material_is_of_the_calls_template) {
  Deriving w;
  CK_SSL3_KEY_MAT_OUT out{};
  CK_SSL3_KEY_MAT_PARAMS material{};
  material.pReturnedKeyMaterial = &out;
  BOOST_REQUIRE(w.derive_with(CKM_SSL3_KEY_AND_MAC_DERIVE, &material) == CKR_OK);
  BOOST_TEST(out.hClientMacSecret == 0u);
  BOOST_TEST(w.id_of(w.session, out.hClientKey) == "client key");
  BOOST_REQUIRE(w.call(kC_CloseSession, {w.session}) == CKR_OK);
  w.library().objects[kFirst] = {"somebody else's", 10, true, false, 0};
  BOOST_TEST(w.destroy(out.hClientKey) == CKR_OBJECT_HANDLE_INVALID);
}

BOOST_AUTO_TEST_CASE(a_read_only_layer_gets_no_additional_key) {
  Deriving w(kLayerReadOnly);
  w.keys[1] = {&w.token, 1, &w.made[1]};
  BOOST_TEST(w.derive_two() == CKR_TOKEN_WRITE_PROTECTED);
  BOOST_TEST(w.library().count(kC_DeriveKey) == 0u);
  w.keys[1].phKey = nullptr; /* nobody asks for its handle: it would lie there all the same */
  BOOST_TEST(w.derive_two() == CKR_TOKEN_WRITE_PROTECTED);
  w.token.pValue = &w.no;
  BOOST_TEST(w.derive_two() == CKR_OK);
}

BOOST_AUTO_TEST_CASE(additional_keys_do_not_leave) {
  Deriving w(kLayerFiltered, no_export());
  CK_OBJECT_CLASS data = CKO_DATA;
  for (CK_ATTRIBUTE open :
       {CK_ATTRIBUTE{CKA_EXTRACTABLE, &w.yes, 1}, CK_ATTRIBUTE{CKA_SENSITIVE, &w.no, 1},
        CK_ATTRIBUTE{CKA_CLASS, &data, sizeof data}}) {
    w.keys[1] = {&open, 1, &w.made[1]};
    BOOST_TEST(w.derive_two() == CKR_TEMPLATE_INCONSISTENT);
  }
  BOOST_TEST(w.library().count(kC_DeriveKey) == 0u);
  /* What says nothing is made sensitive and not extractable. */
  w.keys[1] = {&w.priv, 1, &w.made[1]};
  BOOST_REQUIRE(w.derive_two() == CKR_OK);
  BOOST_TEST(w.sensitive);
  BOOST_TEST(w.library().objects[kSecond].priv); /* the rest as it was */
  w.keys[1] = {nullptr, 0, &w.made[1]};
  w.sensitive = false;
  BOOST_REQUIRE(w.derive_two() == CKR_OK);
  BOOST_TEST(w.sensitive);
  w.keys[1] = {nullptr, 3, &w.made[1]};
  BOOST_TEST(w.derive_two() == CKR_ARGUMENTS_BAD);
}

BOOST_AUTO_TEST_CASE(key_material_does_not_leave_as_octets) {
  Deriving w(kLayerFiltered, no_export());
  CK_BYTE output[16];
  CK_ULONG length = sizeof output;
  CK_TLS_PRF_PARAMS prf{nullptr, 0, nullptr, 0, output, &length};
  BOOST_TEST(w.derive_with(CKM_TLS_PRF, &prf) == CKR_MECHANISM_INVALID);
  BOOST_TEST(w.library().count(kC_DeriveKey) == 0u);
  Deriving open;
  BOOST_TEST(open.derive_with(CKM_TLS_PRF, &prf) == CKR_OK);
}

/* What is unwrapped beside a key, out of a block that the client has made. */
BOOST_AUTO_TEST_CASE(what_is_unwrapped_beside_a_key_does_not_leave) {
  CK_BYTE x[16] = {}, wrapped[4] = {};
  CK_KEY_WRAP_SET_OAEP_PARAMS oaep{0, x, sizeof x};
  CK_MECHANISM m{CKM_KEY_WRAP_SET_OAEP, &oaep, sizeof oaep};
  Deriving w(kLayerFiltered, no_export());
  auto unwrap = [&](Deriving* one) {
    return one->call(kC_UnwrapKey, {one->session, word(&m), one->base, word(wrapped), 4, 0, 0,
                                    word(&one->derived)});
  };
  BOOST_TEST(unwrap(&w) == CKR_MECHANISM_INVALID);
  BOOST_TEST(w.library().count(kC_UnwrapKey) == 0u);
  Deriving open;
  BOOST_TEST(unwrap(&open) == CKR_OK);
  oaep.pX = nullptr; /* nobody wants it */
  BOOST_TEST(unwrap(&w) == CKR_OK);
}

/* What CKM_HKDF_DATA makes is CKO_DATA, whether its template says so or not. */
BOOST_AUTO_TEST_CASE(hkdf_data_is_data) {
  CK_HKDF_PARAMS params{CK_TRUE, CK_TRUE, CKM_SHA256, CKF_HKDF_SALT_NULL, nullptr, 0,
                        0,       nullptr, 0};
  Deriving w(kLayerFiltered, no_export());
  BOOST_TEST(w.derive_with(CKM_HKDF_DATA, &params) == CKR_TEMPLATE_INCONSISTENT);
  BOOST_TEST(w.library().count(kC_DeriveKey) == 0u);
  BOOST_TEST(w.derive_with(CKM_HKDF_DERIVE, &params) == CKR_OK);
  Deriving open;
  BOOST_TEST(open.derive_with(CKM_HKDF_DATA, &params) == CKR_OK);
}

/* IVs are octets of the key block, and with MACs and keys of one octet nearly all of it. */
BOOST_AUTO_TEST_CASE(a_key_block_does_not_leave_as_ivs) {
  CK_BYTE iv[2][32];
  CK_SSL3_KEY_MAT_OUT out{0, 0, 0, 0, iv[0], nullptr};
  CK_SSL3_KEY_MAT_PARAMS ssl3{8, 8, 256, CK_FALSE, {}, &out};
  CK_TLS12_KEY_MAT_PARAMS tls12{8, 8, 256, CK_FALSE, {}, &out, CKM_SHA256};
  CK_WTLS_KEY_MAT_OUT wtls_out{0, 0, iv[0]};
  CK_WTLS_KEY_MAT_PARAMS wtls{CKM_SHA_1, 8, 8, 256, 0, CK_FALSE, {}, &wtls_out};
  Deriving w(kLayerFiltered, no_export());
  for (CK_MECHANISM_TYPE type : {CKM_SSL3_KEY_AND_MAC_DERIVE, CKM_TLS_KEY_AND_MAC_DERIVE})
    BOOST_TEST(w.derive_with(type, &ssl3) == CKR_MECHANISM_INVALID);
  BOOST_TEST(w.derive_with(CKM_TLS12_KEY_AND_MAC_DERIVE, &tls12) == CKR_MECHANISM_INVALID);
  for (CK_MECHANISM_TYPE type :
       {CKM_WTLS_SERVER_KEY_AND_MAC_DERIVE, CKM_WTLS_CLIENT_KEY_AND_MAC_DERIVE})
    BOOST_TEST(w.derive_with(type, &wtls) == CKR_MECHANISM_INVALID);
  out = {0, 0, 0, 0, nullptr, iv[1]};
  BOOST_TEST(w.derive_with(CKM_SSL3_KEY_AND_MAC_DERIVE, &ssl3) == CKR_MECHANISM_INVALID);
  ssl3.ulIVSizeInBits = 1;
  BOOST_TEST(w.derive_with(CKM_SSL3_KEY_AND_MAC_DERIVE, &ssl3) == CKR_MECHANISM_INVALID);
  BOOST_TEST(w.library().count(kC_DeriveKey) == 0u);
  /* Keys alone, and a mechanism that makes no IV. */
  BOOST_TEST(w.derive_with(CKM_TLS12_KEY_SAFE_DERIVE, &tls12) == CKR_OK);
  ssl3.ulIVSizeInBits = 0;
  BOOST_TEST(w.derive_with(CKM_SSL3_KEY_AND_MAC_DERIVE, &ssl3) == CKR_OK);
  ssl3.ulIVSizeInBits = 256;
  out = {};
  BOOST_TEST(w.derive_with(CKM_SSL3_KEY_AND_MAC_DERIVE, &ssl3) == CKR_OK);
}

/* A mechanism within another's parameter is used as well. */
BOOST_AUTO_TEST_CASE(mechanisms_within_are_refused) {
  FilterPlan plan{};
  const auto n = static_cast<size_t>(mechanism_row(CKM_AES_CBC) - mechanism_rows().data());
  plan.mechanisms[n / 64] |= uint64_t{1} << n % 64;
  plan.flags |= kFilterMechanisms;
  Deriving w(kLayerFiltered, plan);
  CK_MECHANISM inner{CKM_AES_ECB, nullptr, 0};
  CK_KIP_PARAMS kip{&inner, w.base, nullptr, 0};
  BOOST_TEST(w.derive_with(CKM_KIP_DERIVE, &kip) == CKR_OK);
  inner.mechanism = CKM_AES_CBC;
  BOOST_TEST(w.derive_with(CKM_KIP_DERIVE, &kip) == CKR_MECHANISM_INVALID);
}

/* A library that gives more or fewer handles than were asked for is ended. */
BOOST_AUTO_TEST_CASE(other_handles_than_asked_for) {
  for (size_t handles : {size_t{0}, size_t{1}, size_t{3}, size_t{60000}}) {
    Deriving w;
    w.library().tamper = [=](uint32_t function, Message* reply) {
      if (function == kC_DeriveKey) reply->list.assign(handles, 77);
    };
    BOOST_TEST(w.derive_two() == CKR_DEVICE_REMOVED);
    BOOST_TEST(w.processes[0].ended == 1u);
    BOOST_TEST(w.made[0] == 0u);
  }
  /* Nor of a mechanism that gives none. */
  Deriving w;
  w.library().tamper = [](uint32_t function, Message* reply) {
    if (function == kC_DeriveKey) reply->list = {77};
  };
  CK_KEY_DERIVATION_STRING_DATA data{nullptr, 0};
  BOOST_TEST(w.derive_with(CKM_CONCATENATE_BASE_AND_DATA, &data) == CKR_DEVICE_REMOVED);
}

/* No more objects than the map of handles takes; what has a handle keeps it. */
BOOST_AUTO_TEST_CASE(handles_are_limited) {
  Deriving w;
  constexpr uint64_t kBatch = limits::kHandleList;
  uint64_t next = 1000;
  w.library().tamper = [&](uint32_t function, Message* reply) {
    if (function != kC_FindObjects) return;
    reply->list.resize(kBatch);
    for (uint64_t& handle : reply->list) handle = next++;
    reply->bytes.clear();
    PackWriter out(&reply->bytes);
    out.u8(1);
    out.u64(kBatch);
    out.u8(1);
  };
  std::vector<CK_OBJECT_HANDLE> found(kBatch);
  CK_ULONG count = 0;
  BOOST_REQUIRE(w.call(kC_FindObjectsInit, {w.session, 0, 0}) == CKR_OK);
  CK_RV rv = CKR_OK;
  for (uint64_t all = 0; rv == CKR_OK && all <= limits::kObjects; all += kBatch)
    rv = w.call(kC_FindObjects, {w.session, word(found.data()), kBatch, word(&count)});
  BOOST_TEST(rv == CKR_HOST_MEMORY);
  BOOST_TEST(w.derive_two() == CKR_HOST_MEMORY);
  BOOST_TEST(w.id_of(w.other, w.base) == "base");
}

BOOST_AUTO_TEST_SUITE_END()
