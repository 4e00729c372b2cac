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
 * C_Login where a layer's PIN is stored. If these failed, a PIN would reach a library that it is
 * not for, a wrong one would lock a token that many share, or who has not proved himself would be
 * let in.
 */
#include "session_fixture.h"

using namespace mp11;
using namespace mp11::session_test;

namespace {

/* "mine" asks for the client's PIN, 1234; "ours" has 5678, and the configuration says `stored`. */
struct Stored : World {
  Stored(const char* stored, unsigned which, uint32_t flags = 0)
      : World(Plans{{backend_plan(0), backend_plan(1)}, {plan(stored, which, flags)}}) {
    processes[0] = process({{10, "mine", "7777777777777777", "1234", {CKM_RSA_PKCS}}});
    processes[1] = process({{20, "ours", "7777777777777777", "5678", {CKM_RSA_PKCS}}});
    for (auto& [number, p] : processes)
      p.make = [this, make = p.make, number = number] {
        auto library = make();
        library->objects[5] = {number == 0 ? "mine-5" : "ours-5", number == 0 ? 10u : 20u, true,
                               false, 0};
        library->answer = [this, number](uint32_t function, const Words& words) -> CK_RV {
          if (function == kC_Login) heard[number].emplace_back(at<char>(words.w[2]), words.w[3]);
          return CKR_OK;
        };
        return library;
      };
    BOOST_REQUIRE_EQUAL(initialize(), CKR_OK);
    session = open(1);
  }
  /* 1: the client's layer, 2: the stored one; 12 and 21: both, in this order. */
  static TokenPlan plan(const char* stored, unsigned which, uint32_t flags) {
    const PortfolioLayer mine = layer_plan(0, "mine");
    const PortfolioLayer ours = layer_plan(1, "ours", flags, kPinStored);
    std::vector<PortfolioLayer> layers = {ours};
    if (which == 12) layers = {mine, ours};
    if (which == 21) layers = {ours, mine};
    TokenPlan token = layered_plan(1, "Stored", layers);
    token.pins = {stored};
    return token;
  }
  CK_RV login(const char* pin) {
    return call(kC_Login, {session, CKU_USER, word(pin), pin == nullptr ? 0 : std::strlen(pin)});
  }
  FakeLibrary::Slot& slot(uint32_t n) { return processes[n].library->slots.at(0); }
  bool is_open(uint32_t n) { return processes[n].library != nullptr && slot(n).logged_in; }
  CK_FLAGS token_flags() {
    CK_TOKEN_INFO info;
    BOOST_REQUIRE_EQUAL(call(kC_GetTokenInfo, {1, word(&info)}), CKR_OK);
    return info.flags;
  }
  std::map<uint32_t, std::vector<std::string>> heard; /* PINs, by library */
  CK_SESSION_HANDLE session = 0;
};

using Pins = std::vector<std::string>;

}  // namespace

BOOST_AUTO_TEST_SUITE(session_login)

BOOST_AUTO_TEST_CASE(each_layer_hears_its_own_pin) {
  for (unsigned which : {12u, 21u}) {
    Stored w("5678", which);
    BOOST_TEST(w.login("1234") == CKR_OK);
    BOOST_TEST((w.is_open(0) && w.is_open(1)));
    BOOST_TEST(w.heard[0] == Pins{"1234"});
    BOOST_TEST(w.heard[1] == Pins{"5678"});
    BOOST_TEST(w.login("1234") == CKR_USER_ALREADY_LOGGED_IN);
    BOOST_TEST(w.call(kC_Logout, {w.session}) == CKR_OK);
    BOOST_TEST((!w.is_open(0) && !w.is_open(1)));
    BOOST_TEST(w.login("1234") == CKR_OK);
    BOOST_TEST((w.is_open(0) && w.is_open(1)));
    /* The login of the stored layer lasts as long as the token has a session. */
    CK_SESSION_HANDLE second = w.open(1);
    BOOST_TEST(w.call(kC_CloseSession, {w.session}) == CKR_OK);
    BOOST_TEST(w.is_open(1));
    BOOST_TEST(w.call(kC_CloseSession, {second}) == CKR_OK);
    BOOST_TEST(!w.is_open(1));
    BOOST_TEST((w.told.empty()));
  }
}

BOOST_AUTO_TEST_CASE(a_wrong_pin_of_the_clients_opens_nothing) {
  for (unsigned which : {12u, 21u}) {
    Stored w("5678", which);
    BOOST_TEST(w.login("4321") == CKR_PIN_INCORRECT);
    BOOST_TEST(w.login(nullptr) != CKR_OK);
    BOOST_TEST(w.login("5678") == CKR_PIN_INCORRECT); /* nor does knowing the other */
    BOOST_TEST((!w.is_open(0) && !w.is_open(1)));
    BOOST_TEST(w.heard[1].empty());
  }
  Stored w("5678", 21); /* nor does a library that cannot be asked */
  w.processes[0].spawn_error = kSpawnFailed;
  BOOST_TEST(w.login("1234") != CKR_OK);
  BOOST_TEST(w.heard[1].empty());
}

BOOST_AUTO_TEST_CASE(a_stored_pin_that_is_wrong_locks_nothing) {
  Stored w("8765", 12);
  for (int i = 0; i < 10; i++) {
    BOOST_TEST(w.login("1234") == CKR_OK);
    BOOST_TEST((w.is_open(0) && !w.is_open(1)));
    BOOST_TEST(w.call(kC_Logout, {w.session}) == CKR_OK);
  }
  BOOST_TEST(w.heard[1] == Pins{"8765"});
  BOOST_TEST(w.slot(1).wrong == 1u);
  BOOST_TEST((w.told == Pins{"b1/2 left out"}));
  /* Another connection finds that it counts, and leaves it alone. */
  Stored again("5678", 12);
  again.find(again.session);
  again.slot(1).wrong = 1;
  BOOST_TEST(again.login("1234") == CKR_OK);
  BOOST_TEST(again.heard[1].empty());
}

BOOST_AUTO_TEST_CASE(a_required_layer_that_does_not_open) {
  Stored w("8765", 12, kLayerRequired);
  BOOST_TEST(w.login("1234") == CKR_DEVICE_ERROR); /* the client's PIN was right */
  BOOST_TEST((!w.is_open(0) && !w.is_open(1)));
  Stored alone("8765", 2, kLayerRequired);
  BOOST_TEST(alone.login("1234") == CKR_DEVICE_ERROR);
  BOOST_TEST(!alone.is_open(1));
}

BOOST_AUTO_TEST_CASE(a_token_that_asks_for_no_pin) {
  for (const char* pin : {static_cast<const char*>(nullptr), "whatever"}) {
    Stored w("5678", 2);
    const CK_FLAGS flags = w.token_flags();
    BOOST_TEST((flags & CKF_LOGIN_REQUIRED) != 0u);
    BOOST_TEST((flags & CKF_PROTECTED_AUTHENTICATION_PATH) != 0u);
    BOOST_TEST(w.call(kC_Logout, {w.session}) == CKR_USER_NOT_LOGGED_IN);
    BOOST_TEST(w.login(pin) == CKR_OK);
    BOOST_TEST(w.is_open(1));
    BOOST_TEST(w.heard[1] == Pins{"5678"});
    BOOST_TEST(w.login(pin) == CKR_USER_ALREADY_LOGGED_IN);
    BOOST_TEST(w.call(kC_Logout, {w.session}) == CKR_OK);
    BOOST_TEST(!w.is_open(1));
    /* Nobody changes it. */
    BOOST_TEST(w.call(kC_SetPIN, {w.session, word("5678"), 4, word("9999"), 4}) ==
               CKR_FUNCTION_NOT_SUPPORTED);
  }
  Stored wrong("8765", 2);
  BOOST_TEST(wrong.login("5678") == CKR_DEVICE_ERROR);
  BOOST_TEST(wrong.login("5678") == CKR_DEVICE_ERROR);
  BOOST_TEST(wrong.heard[1] == Pins{"8765"});
}

/* A key that asks each time is opened with the PIN of its own layer. */
BOOST_AUTO_TEST_CASE(a_key_that_asks_each_time) {
  Stored w("5678", 12);
  BOOST_REQUIRE_EQUAL(w.login("1234"), CKR_OK);
  for (CK_OBJECT_HANDLE key : w.find(w.session)) {
    const bool ours = w.id_of(w.session, key) == "ours-5";
    w.heard.clear();
    CK_MECHANISM mechanism{CKM_RSA_PKCS, nullptr, 0};
    BOOST_TEST(w.call(kC_SignInit, {w.session, word(&mechanism), key}) == CKR_OK);
    w.slot(0).logged_in = w.slot(1).logged_in = false; /* the test's library knows one login only */
    BOOST_TEST(w.call(kC_Login, {w.session, CKU_CONTEXT_SPECIFIC, word("1234"), 4}) == CKR_OK);
    BOOST_TEST(w.heard[ours ? 1 : 0] == (ours ? Pins{"5678"} : Pins{"1234"}));
    BOOST_TEST(w.heard[ours ? 0 : 1].empty());
    char out[32], data[] = "data";
    CK_ULONG length = sizeof out;
    BOOST_TEST(w.call(kC_Sign, {w.session, word(data), 4, word(out), word(&length)}) == CKR_OK);
  }
}

/* One that was wrong is not tried with each operation. */
BOOST_AUTO_TEST_CASE(a_wrong_pin_for_a_key_that_asks_each_time) {
  Stored w("5678", 12);
  BOOST_REQUIRE_EQUAL(w.login("1234"), CKR_OK);
  CK_OBJECT_HANDLE key = 0;
  for (CK_OBJECT_HANDLE one : w.find(w.session))
    if (w.id_of(w.session, one) == "ours-5") key = one;
  CK_MECHANISM mechanism{CKM_RSA_PKCS, nullptr, 0};
  BOOST_TEST(w.call(kC_SignInit, {w.session, word(&mechanism), key}) == CKR_OK);
  w.slot(1).pin = "9999"; /* somebody has changed it */
  w.slot(1).logged_in = false;
  w.heard.clear();
  for (int i = 0; i < 5; i++)
    BOOST_TEST(w.call(kC_Login, {w.session, CKU_CONTEXT_SPECIFIC, word("1234"), 4}) ==
               CKR_DEVICE_ERROR);
  BOOST_TEST(w.heard[1] == Pins{"5678"});
  BOOST_TEST(w.slot(1).wrong == 1u);
}

/* A library that is not to hear the client's PIN does not, however it is asked for. */
BOOST_AUTO_TEST_CASE(no_pin_for_a_layer_without_one) {
  for (bool both : {false, true}) {
    World w(Plans{
        {backend_plan(0), backend_plan(1)},
        {layered_plan(1, "None",
                      both ? std::vector{layer_plan(0, "none", 0, kPinNone), layer_plan(1, "mine")}
                           : std::vector{layer_plan(0, "none", 0, kPinNone)})}});
    for (uint32_t n : {0u, 1u})
      w.processes[n] =
          process({{10, n == 0 ? "none" : "mine", "7777777777777777", "1234", {CKM_RSA_PKCS}}});
    BOOST_REQUIRE_EQUAL(w.initialize(), CKR_OK);
    CK_SESSION_HANDLE session = w.open(1);
    w.find(session);
    const auto heard = [&w](uint32_t n) { return w.processes[n].library->count(kC_Login); };
    auto login = [&](CK_USER_TYPE user) {
      return w.call(kC_Login, {session, user, word("1234"), 4});
    };
    BOOST_TEST(login(CKU_CONTEXT_SPECIFIC) == (both ? CKR_OK : CKR_OPERATION_NOT_INITIALIZED));
    BOOST_TEST(heard(0) == 0u);
    BOOST_TEST(login(7) != CKR_GENERAL_ERROR);
    if (!both) BOOST_TEST(login(7) == CKR_USER_TYPE_INVALID);
    if (both) w.processes[1].library->slots[0].logged_in = false;
    BOOST_TEST(login(CKU_USER) == CKR_OK);
    /* A key of the layer's, as if it asked each time; begun last, and then before another. */
    CK_OBJECT_HANDLE key = w.create(session, "none-key");
    BOOST_REQUIRE(key != 0u);
    CK_MECHANISM mechanism{CKM_RSA_PKCS, nullptr, 0};
    BOOST_TEST(w.call(kC_SignInit, {session, word(&mechanism), key}) == CKR_OK);
    BOOST_TEST(login(CKU_CONTEXT_SPECIFIC) == CKR_USER_PIN_NOT_INITIALIZED);
    BOOST_TEST(heard(0) == 0u);
    if (!both) continue;
    w.processes[1].library->objects[5] = {"mine-5", 10, true, false, 0};
    CK_OBJECT_HANDLE mine = 0;
    for (CK_OBJECT_HANDLE object : w.find(session))
      if (w.id_of(session, object) == "mine-5") mine = object;
    BOOST_REQUIRE(mine != 0u);
    w.processes[1].library->slots[0].logged_in = false;
    BOOST_TEST(w.call(kC_VerifyInit, {session, word(&mechanism), mine}) == CKR_OK);
    BOOST_TEST(login(CKU_CONTEXT_SPECIFIC) == CKR_OK);
    BOOST_TEST(heard(0) == 0u);
  }
}

/* Deaths at every step of a login leave no layer open that should not be, and end nothing else. */
BOOST_AUTO_TEST_CASE(a_library_dies_during_the_login) {
  for (uint32_t victim : {0u, 1u})
    for (unsigned steps = 1; steps < 24; steps++) {
      Stored w("5678", 12);
      const char* pin = "1234";
      Words words;
      words.w[0] = w.session;
      words.w[1] = CKU_USER;
      words.w[2] = word(pin);
      words.w[3] = 4;
      World::Run* run = w.begin(kC_Login, words);
      for (unsigned n = 0; n < steps && !run->answered; n++) {
        if (w.ready(*run))
          w.advance(run);
        else if (!w.events.empty())
          w.happen(0);
      }
      w.kill(victim);
      w.settle();
      BOOST_REQUIRE(run->answered);
      const bool in = run->call.reply.rec.rv == CKR_OK;
      w.forget_answered();
      if (!in) BOOST_TEST(w.heard[1].empty());
      BOOST_TEST(w.heard[1].size() <= 2u);
      for (const std::string& heard : w.heard[1]) BOOST_TEST(heard == "5678");
      for (const std::string& heard : w.heard[0]) BOOST_TEST(heard == "1234");
    }
}

BOOST_AUTO_TEST_SUITE_END()
