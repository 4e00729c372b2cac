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
 * Dual functions, such as C_SignEncryptUpdate, whose two operations are on two layers: each layer
 * is told its half.
 */
#include "session_layers_fixture.h"

namespace mp11::session_test {
namespace {

struct DualCase {
  uint32_t function, cipher_init, cipher_update, other_init, other_update;
};
constexpr DualCase kDualCases[] = {
    {kC_DigestEncryptUpdate, kC_EncryptInit, kC_EncryptUpdate, kC_DigestInit, kC_DigestUpdate},
    {kC_DecryptDigestUpdate, kC_DecryptInit, kC_DecryptUpdate, kC_DigestInit, kC_DigestUpdate},
    {kC_SignEncryptUpdate, kC_EncryptInit, kC_EncryptUpdate, kC_SignInit, kC_SignUpdate},
    {kC_DecryptVerifyUpdate, kC_DecryptInit, kC_DecryptUpdate, kC_VerifyInit, kC_VerifyUpdate},
};

/* A cipher that changes the case of letters, on the second layer, and what is told the other. */
struct DualWorld : Layered {
  std::string told;
  CK_RV other_says = CKR_OK;
  explicit DualWorld(const DualCase& dual) {
    const CK_OBJECT_HANDLE mine = named("mine-5"), ours = named("ours-5");
    slot(0, 0).mechanisms = slot(1, 0).mechanisms = {CKM_SHA256, CKM_AES_CBC, CKM_SHA256_RSA_PKCS};
    auto hook = [this, dual](uint32_t f, const Words& words) -> CK_RV {
      const Word* w = words.w;
      if (f == dual.other_update) {
        told.append(at<char>(w[1]), w[2]);
        return other_says;
      }
      if (f != dual.cipher_update) return CKR_OK;
      const CK_ULONG room = std::exchange(*at<CK_ULONG>(w[4]), w[2]);
      if (w[3] == 0) return CKR_OK;
      if (room < w[2]) return CKR_BUFFER_TOO_SMALL;
      for (Word i = 0; i < w[2]; i++) at<char>(w[3])[i] = static_cast<char>(at<char>(w[1])[i] ^ 32);
      return CKR_OK;
    };
    library(0).answer = library(1).answer = hook;
    CK_MECHANISM cipher{CKM_AES_CBC, nullptr, 0}, digest{CKM_SHA256, nullptr, 0};
    BOOST_REQUIRE_EQUAL(call(dual.cipher_init, {session, word(&cipher), ours}), CKR_OK);
    if (dual.other_init == kC_DigestInit)
      BOOST_REQUIRE_EQUAL(call(kC_DigestInit, {session, word(&digest)}), CKR_OK);
    else
      BOOST_REQUIRE_EQUAL(call(dual.other_init, {session, word(&digest), mine}), CKR_OK);
  }
  CK_RV update(const DualCase& dual, const std::string& in, char* out, CK_ULONG* length) {
    return call(dual.function, {session, word(in.data()), in.size(), word(out), word(length)});
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(session_dual)

BOOST_AUTO_TEST_CASE(a_dual_function_is_split_over_two_layers) {
  for (const DualCase& dual : kDualCases) {
    DualWorld w(dual);
    const bool encrypts = dual.cipher_init == kC_EncryptInit;
    char out[32];
    CK_ULONG length = 0;
    BOOST_TEST(w.update(dual, "hello", nullptr, &length) == CKR_OK);
    BOOST_TEST(length == 5u);
    length = 2;
    BOOST_TEST(w.update(dual, "hello", out, &length) == CKR_BUFFER_TOO_SMALL);
    BOOST_TEST(length == 5u);
    BOOST_TEST(w.told == ""); /* nothing has happened so far */
    for (const char* part : {"hello", "THERE"}) {
      length = sizeof out;
      BOOST_TEST(w.update(dual, part, out, &length) == CKR_OK);
      BOOST_TEST(std::string(out, length) == (part[0] == 'h' ? "HELLO" : "there"));
    }
    BOOST_TEST(w.told == (encrypts ? "helloTHERE" : "HELLOthere"));
    BOOST_TEST(w.library(0).count(dual.other_update) == 2u);
    BOOST_TEST(w.library(1).count(dual.cipher_update) == 4u);
    BOOST_TEST(w.library(0).count(dual.function) + w.library(1).count(dual.function) == 0u);
  }
}

BOOST_AUTO_TEST_CASE(a_dual_function_of_one_layer_stays_whole) {
  for (const DualCase& dual : kDualCases) {
    DualWorld w(dual);
    const CK_OBJECT_HANDLE mine = w.named("mine-5");
    CK_MECHANISM cipher{CKM_AES_CBC, nullptr, 0};
    char out[32];
    CK_ULONG length = sizeof out;
    BOOST_TEST(w.call(dual.cipher_init, {w.session, word(&cipher), mine}) == CKR_OPERATION_ACTIVE);
    w.kill(1); /* so the cipher may begin anew, now where the other half is */
    BOOST_TEST(w.update(dual, "hello", out, &length) == CKR_DEVICE_REMOVED);
    BOOST_TEST(w.call(dual.cipher_init, {w.session, word(&cipher), mine}) == CKR_OK);
    length = 0;
    BOOST_TEST(w.update(dual, "hello", nullptr, &length) == CKR_OK);
    BOOST_TEST(w.library(0).count(dual.function) == 1u);
    BOOST_TEST(w.library(0).count(dual.cipher_update) == 0u);
  }
}

BOOST_AUTO_TEST_CASE(a_dual_function_whose_other_half_fails) {
  for (const DualCase& dual : kDualCases) {
    DualWorld w(dual);
    char out[32];
    CK_ULONG length = sizeof out;
    w.other_says = CKR_DEVICE_MEMORY;
    BOOST_TEST(w.update(dual, "hello", out, &length) == CKR_DEVICE_MEMORY);
    length = 0; /* the other half is over: it is for the cipher's layer to say what that means */
    BOOST_TEST(w.update(dual, "hello", nullptr, &length) == CKR_OK);
    BOOST_TEST(w.library(1).count(dual.function) == 1u);
    BOOST_TEST(w.library(0).count(dual.other_update) == 1u);
    DualWorld v(dual);
    v.kill(0);
    length = sizeof out;
    BOOST_TEST(v.update(dual, "hello", out, &length) == CKR_DEVICE_REMOVED);
    BOOST_TEST(v.library(1).count(dual.cipher_update) == 0u); /* not half of it */
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace mp11::session_test
