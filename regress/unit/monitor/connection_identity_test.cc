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
 * A failed C_Login where a PIN may name an identity: when it is answered. If these failed, the time
 * would tell whether there is such an identity, or a client's other calls would wait with it.
 */
#include "connection_fixture.h"

namespace mp11::connection_test {
namespace {

constexpr unsigned kHeldMs = 400;

/* Slot 1 is t0, or of svc/web@R t1; slot 2 is t0 as well. */
struct Held : Daemon {
  static std::map<uint32_t, Behaviour> behaviours() {
    std::map<uint32_t, Behaviour> all;
    all[0].pin = "1111";
    all[1].pin = "2222";
    return all;
  }
  static std::vector<TokenPlan> tokens() {
    TokenPlan own = layered_plan(1, "T", {layer_plan(0, "t0")});
    TokenPlan web = layered_plan(1, "T", {layer_plan(1, "t1")});
    own.token.flags = web.token.flags = kTokenPinSelect;
    std::snprintf(web.token.identity, sizeof web.token.identity, "svc/web@R");
    return {own, web, token_plan(2, 0, 0, "t0")};
  }
  explicit Held(bool selects = true) : Daemon(behaviours(), kHeldMs) {
    std::vector<TokenPlan> all = tokens();
    if (!selects) all = {token_plan(1, 0, 0, "t0"), token_plan(2, 1, 0, "t1")};
    send_portfolio({backend_plan(0), backend_plan(1)}, all);
    join();
    BOOST_REQUIRE_EQUAL(call(kC_Initialize, {0}), CKR_OK);
    BOOST_REQUIRE_EQUAL(open(1, &session), CKR_OK);
    BOOST_REQUIRE_EQUAL(open(2, &elsewhere), CKR_OK);
    BOOST_REQUIRE_EQUAL(call(kC_GetSessionInfo, {session, word(&info)}), CKR_OK);
  }
  uint64_t send_login(const std::string& pin) {
    return send(kC_Login, {session, CKU_USER, word(pin.data()), pin.size()});
  }
  /* Milliseconds. */
  uint64_t login(const std::string& pin, CK_RV expected) {
    const uint64_t before = now_ms();
    send_login(pin);
    BOOST_TEST(receive() == expected);
    return now_ms() - before;
  }
  CK_SESSION_HANDLE session = 0, elsewhere = 0;
  CK_SESSION_INFO info;
};

BOOST_AUTO_TEST_SUITE(connection_identity)

BOOST_AUTO_TEST_CASE(a_failed_login_has_a_fixed_time) {
  Held d;
  for (const char* pin : {"svc/web@R+1", "svc/mail@R+1", "1", "+1", "svc/web@R+2"}) {
    const uint64_t took = d.login(pin, CKR_PIN_INCORRECT);
    BOOST_TEST((took >= kHeldMs - 5 && took < 2 * kHeldMs), pin << " took " << took);
  }
  BOOST_TEST(d.login("svc/web@R+2222", CKR_OK) < kHeldMs);
  BOOST_TEST(d.login("svc/web@R+2222", CKR_USER_ALREADY_LOGGED_IN) >= kHeldMs - 5);
}

/* A library that takes longer than that is not told from one that takes a little less. */
BOOST_AUTO_TEST_CASE(a_slow_login_has_a_multiple_of_it) {
  Held d;
  d.priv->change(1, [](Behaviour* b) { b->delay_ms = 120; });
  BOOST_TEST(d.login("svc/web@R+2222", CKR_OK) > kHeldMs); /* it has five calls of the library */
  BOOST_TEST(d.call(kC_Logout, {d.session}) == CKR_OK);
  ::usleep(60'000);
  d.priv->change(1, [](Behaviour* b) { b->delay_ms = 250; });
  const uint64_t took = d.login("svc/web@R+1", CKR_PIN_INCORRECT);
  BOOST_TEST((took >= 2 * kHeldMs - 5 && took % kHeldMs < kHeldMs / 2), took);
}

BOOST_AUTO_TEST_CASE(other_calls_go_on_meanwhile) {
  for (const char* pin : {"svc/web@R+1", "svc/mail@R+1"}) {
    Held d;
    const uint64_t before = now_ms();
    const uint64_t login = d.send_login(pin);
    for (int i = 0; i < 20; i++) {
      const uint64_t other = d.send(kC_GetSessionInfo, {d.elsewhere, word(&d.info)});
      uint64_t got = 0;
      BOOST_TEST(d.receive(&got) == CKR_OK);
      BOOST_TEST(got == other);
    }
    BOOST_TEST(now_ms() - before < kHeldMs);
    /* Those of the same slot do not: they would tell how far it is. */
    d.send(kC_GetSessionInfo, {d.session, word(&d.info)});
    uint64_t first = 0;
    BOOST_TEST(d.receive(&first) == CKR_PIN_INCORRECT);
    BOOST_TEST(first == login);
    BOOST_TEST(d.receive() == CKR_OK);
    const unsigned used = d.used_ms();
    d.login(pin, CKR_PIN_INCORRECT);
    BOOST_TEST(d.used_ms() - used <= kHeldMs / 4); /* and who waits, sleeps */
  }
}

BOOST_AUTO_TEST_CASE(stop_answers_what_is_held) {
  Held d;
  d.send_login("svc/mail@R+1");
  ::usleep(50'000);
  d.send_stop();
  BOOST_TEST(d.receive() == CKR_PIN_INCORRECT);
  BOOST_TEST(d.exit_code() == 0);
}

BOOST_AUTO_TEST_CASE(without_pin_select_nothing_is_held) {
  Held d(false);
  BOOST_TEST(d.login("1", CKR_PIN_INCORRECT) < kHeldMs);
  BOOST_TEST(d.login("svc/web@R+1", CKR_PIN_INCORRECT) < kHeldMs);
}

BOOST_AUTO_TEST_CASE(portfolios_with_variants_that_are_none) {
  auto refused = [](const std::function<void(std::vector<TokenPlan>*)>& spoil) {
    Daemon d;
    std::vector<TokenPlan> tokens = Held::tokens();
    spoil(&tokens);
    d.send_portfolio({backend_plan(0), backend_plan(1)}, tokens);
    BOOST_TEST(d.exit_code() == 255);
  };
  using Tokens = std::vector<TokenPlan>*;
  refused([](Tokens t) { t->erase(t->begin()); });           /* of nothing */
  refused([](Tokens t) { (*t)[1].token.slot = 7; });         /* of another slot */
  refused([](Tokens t) { (*t)[0].token.flags = 0; });        /* of one that has none */
  refused([](Tokens t) { (*t)[1].token.flags = 0; });        /* itself not */
  refused([](Tokens t) { (*t)[0].token.serial[0] = '\0'; }); /* without a name of its own */
  refused([](Tokens t) { (*t)[0].token.flags |= kTokenAdmin; });
  refused([](Tokens t) { std::swap((*t)[1], (*t)[2]); }); /* apart */
  refused([](Tokens t) { std::memset((*t)[1].token.identity, 'x', sizeof(*t)[1].token.identity); });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace mp11::connection_test
