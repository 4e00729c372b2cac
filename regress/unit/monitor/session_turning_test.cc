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
 * PINs that are being changed with the next login: what a monitor does with its layer's library.
 * If these failed, a crash at a bad moment would leave a token whose PIN nobody knows, two monitors
 * would lock one, or a read-only layer would be open to writing.
 */
#include "session_fixture.h"

using namespace mp11;
using namespace mp11::session_test;

namespace {

using Words_ = std::vector<std::string>;

constexpr char kOld[] = "oldoldold", kNew[] = "abcdefghijklmnopqrstuvwxyz234567";

FakeLibrary::Slot a_token() { return {20, "ours", "7777777777777777", kOld, {CKM_RSA_PKCS}}; }

StoredPin stored(const std::string& pin) {
  StoredPin stored{};
  stored.size = static_cast<uint32_t>(pin.size());
  std::memcpy(stored.pin, pin.data(), pin.size());
  return stored;
}

/* One connection to a token, as it was left by those before: C_Login opens the stored PIN's layer.
 */
struct Turned : World {
  explicit Turned(FakeLibrary::Slot token, uint32_t flags = 0, const char* next = kNew,
                  const char* pin = kOld, const std::vector<TokenPlan>& more = {})
      : World(plans(plan(flags, pin, next), more)) {
    processes[0] = process({{10, "mine", "7777777777777777", "1234", {CKM_RSA_PKCS}}});
    token_ = std::move(token);
    processes[1].make = [this] {
      auto library = std::make_unique<FakeLibrary>(std::vector{token_, beside_});
      library->answer = [this](uint32_t function, const Words& words) -> CK_RV {
        if (function == kC_Login) heard.emplace_back(at<char>(words.w[2]), words.w[3]);
        if (function == kC_OpenSession) writes += (words.w[1] & CKF_RW_SESSION) != 0;
        return answers != nullptr ? answers(function) : CKR_OK;
      };
      return library;
    };
    BOOST_REQUIRE_EQUAL(initialize(), CKR_OK);
    session = open(1);
    told.clear();
    heard.clear();
    writes = 0;
  }
  /* Further tokens in the slots after the first. */
  static Plans plans(const TokenPlan& first, const std::vector<TokenPlan>& more) {
    Plans all{{backend_plan(0), backend_plan(1)}, {first}};
    all.tokens.insert(all.tokens.end(), more.begin(), more.end());
    return all;
  }
  static TokenPlan plan(uint32_t flags, const char* pin, const char* next) {
    TokenPlan token = layered_plan(
        1, "Turned", {layer_plan(0, "mine"), layer_plan(1, "ours", flags, kPinStored)});
    token.pins = {pin};
    token.next = {next};
    return token;
  }
  Run* begin_login(const char* pin = "1234") {
    Words words;
    const Word arguments[] = {session, CKU_USER, word(pin), std::strlen(pin)};
    std::copy(std::begin(arguments), std::end(arguments), words.w);
    Run* run = begin(kC_Login, words);
    run->then = [this](CK_RV rv) { rv_ = rv; };
    return run;
  }
  bool asked() { return std::find(told.begin(), told.end(), "turn b1") != told.end(); }
  void say(TurnVerdict verdict, const std::string& pin = kOld, const std::string& next = kNew) {
    LayerPin news = make(verdict);
    news.pin = stored(pin);
    news.next = stored(next);
    monitor.pin_changed(&news);
  }
  static LayerPin make(TurnVerdict verdict) {
    LayerPin news{};
    news.verdict = verdict;
    std::strcpy(news.layer.backend, "b1");
    std::strcpy(news.layer.at_backend.label, "ours");
    return news;
  }
  /* The vault grants what is asked. */
  CK_RV login(TurnVerdict verdict = kTurnIt) {
    Run* run = begin_login();
    settle();
    if (asked() && !run->answered) say(verdict);
    settle();
    BOOST_REQUIRE(run->answered);
    forget_answered();
    return rv_;
  }
  FakeLibrary::Slot& token() {
    return processes[1].library != nullptr ? processes[1].library->slots.at(0) : token_;
  }
  /* As the device has it when the connection, or the library, is gone. */
  FakeLibrary::Slot left() {
    FakeLibrary::Slot slot = token();
    slot.logged_in = false;
    return slot;
  }
  bool is_open() { return processes[1].library != nullptr && token().logged_in; }
  std::vector<std::string> heard; /* PINs */
  unsigned writes = 0;            /* sessions that may write */
  std::function<CK_RV(uint32_t)> answers;
  CK_SESSION_HANDLE session = 0;
  FakeLibrary::Slot token_, beside_ = {21, "other"};
  CK_RV rv_ = CKR_GENERAL_ERROR;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(session_turning)

BOOST_AUTO_TEST_CASE(a_login_changes_the_pin) {
  for (uint32_t flags : {0u, uint32_t{kLayerReadOnly}, uint32_t{kLayerRequired}}) {
    Turned w(a_token(), flags);
    BOOST_TEST(w.login() == CKR_OK);
    BOOST_TEST(w.is_open());
    BOOST_TEST(w.token().pin == kNew);
    BOOST_TEST(w.heard == Words_{kOld});
    BOOST_TEST(w.told == (Words_{"turn b1", "b1 done 32"}));
    BOOST_TEST(w.writes == 1u); /* its own, which is closed by now */
    for (auto& [handle, session] : w.processes[1].library->sessions)
      BOOST_TEST((session.flags & CKF_RW_SESSION) == 0u);
    /* From now on it is the new one, and nobody is asked. */
    BOOST_TEST(w.call(kC_Logout, {w.session}) == CKR_OK);
    BOOST_TEST(w.login() == CKR_OK);
    BOOST_TEST(w.heard == (Words_{kOld, kNew}));
    BOOST_TEST(w.told.size() == 2u);
  }
}

BOOST_AUTO_TEST_CASE(nothing_is_tried_before_the_vault_has_said_so) {
  Turned w(a_token());
  World::Run* run = w.begin_login();
  w.settle();
  BOOST_TEST(!run->answered);
  BOOST_TEST(w.heard.empty());
  /* Another monitor has done it meanwhile. */
  w.token_.pin = kNew;
  w.say(kPinIs, kNew, "");
  w.settle();
  BOOST_TEST(w.rv_ == CKR_OK);
  BOOST_TEST(w.is_open());
  BOOST_TEST(w.heard == Words_{kNew});
}

BOOST_AUTO_TEST_CASE(a_vault_that_is_gone_or_cannot_say) {
  for (bool gone : {true, false}) {
    Turned w(a_token());
    World::Run* run = w.begin_login();
    w.settle();
    if (gone)
      w.monitor.pin_changed(nullptr);
    else
      w.say(kTurnNot);
    w.settle();
    BOOST_REQUIRE(run->answered);
    BOOST_TEST(w.rv_ == CKR_OK); /* of the client's own layer */
    BOOST_TEST(!w.is_open());
    BOOST_TEST(w.heard.empty());
    w.forget_answered();
    /* The next one asks anew. */
    w.told.clear();
    BOOST_TEST(w.call(kC_Logout, {w.session}) == CKR_OK);
    BOOST_TEST(w.login() == CKR_OK);
    BOOST_TEST(w.is_open());
    BOOST_TEST(w.token().pin == kNew);
  }
}

/* It may have said yes, and another vault does not know of it: then nobody is told. */
BOOST_AUTO_TEST_CASE(a_vault_that_goes_in_the_middle) {
  Turned w(a_token());
  World::Run* run = w.begin_login();
  w.settle();
  w.say(kTurnIt);
  w.advance(run);
  w.monitor.pin_changed(nullptr);
  w.settle();
  BOOST_TEST(w.rv_ == CKR_OK);
  BOOST_TEST(w.token().pin == kNew);
  BOOST_TEST(w.told == Words_{"turn b1"});
}

/* Somebody came as far as C_SetPIN. */
BOOST_AUTO_TEST_CASE(a_token_that_has_the_new_one_already) {
  FakeLibrary::Slot token = a_token();
  token.pin = kNew;
  Turned w(token);
  BOOST_TEST(w.login(kTurnItAgain) == CKR_OK);
  BOOST_TEST(w.is_open());
  BOOST_TEST(w.heard == (Words_{kOld, kNew}));
  BOOST_TEST(w.told == (Words_{"turn b1", "b1 done 32"}));
  BOOST_TEST(w.token().wrong == 0u);
}

BOOST_AUTO_TEST_CASE(never_more_than_two_attempts) {
  FakeLibrary::Slot token = a_token();
  token.pin = "another";
  Turned w(token);
  for (int i = 0; i < 5; i++) {
    BOOST_TEST(w.login() == CKR_OK);
    BOOST_TEST(!w.is_open());
    BOOST_TEST(w.call(kC_Logout, {w.session}) == CKR_OK);
  }
  BOOST_TEST(w.heard == (Words_{kOld, kNew}));
  BOOST_TEST((std::find(w.told.begin(), w.told.end(), "b1 neither") != w.told.end()));
  /* Nor by those who come later. */
  FakeLibrary::Slot now = w.left();
  for (int i = 0; i < 5; i++) {
    Turned next(now);
    BOOST_TEST(next.login(kTurnItAgain) == CKR_OK);
    now = next.left();
    BOOST_TEST(next.heard.empty());
  }
  BOOST_TEST(now.wrong == 2u);
}

BOOST_AUTO_TEST_CASE(a_token_that_counts_a_wrong_pin) {
  FakeLibrary::Slot token = a_token();
  token.wrong = 1;
  {
    Turned w(token); /* nobody has begun: it is not our PIN that was wrong */
    BOOST_TEST(w.login(kTurnIt) == CKR_OK);
    BOOST_TEST(w.heard.empty());
    BOOST_TEST(w.token().pin == kOld);
    BOOST_TEST((w.told == Words_{"turn b1", "b1 untried", "b1/2 left out"}));
  }
  token.pin = kNew;
  Turned w(token); /* somebody has, and found the old one wrong */
  BOOST_TEST(w.login(kTurnItAgain) == CKR_OK);
  BOOST_TEST(w.heard == Words_{kNew});
  BOOST_TEST(w.is_open());
  token.wrong = 2;
  for (TurnVerdict verdict : {kTurnIt, kTurnItAgain}) {
    Turned last(token);
    BOOST_TEST(last.login(verdict) == CKR_OK);
    BOOST_TEST(last.heard.empty());
  }
}

BOOST_AUTO_TEST_CASE(a_token_of_short_pins) {
  FakeLibrary::Slot token = a_token();
  token.most = 12;
  Turned w(token);
  BOOST_TEST(w.login() == CKR_OK);
  BOOST_TEST(w.token().pin == std::string(kNew).substr(0, 12));
  BOOST_TEST(w.told.back() == "b1 done 12");
  BOOST_TEST(w.call(kC_Logout, {w.session}) == CKR_OK);
  BOOST_TEST(w.login() == CKR_OK);
  BOOST_TEST(w.is_open());
  token.most = 6;
  Turned small(token);
  BOOST_TEST(small.login() == CKR_OK);
  BOOST_TEST(small.is_open());
  BOOST_TEST(small.token().pin == kOld);
  BOOST_TEST(small.told.back() == "b1 refused");
  BOOST_TEST(small.call(kC_Logout, {small.session}) == CKR_OK);
  BOOST_TEST(small.login() == CKR_OK);
  BOOST_TEST(small.is_open());
  BOOST_TEST(small.heard == (Words_{kOld, kOld}));
}

/* Where the library surely has the old one, the new one is forgotten; else both are kept. */
BOOST_AUTO_TEST_CASE(a_library_that_does_not_change_it) {
  for (uint32_t function : {uint32_t{kC_SetPIN}, uint32_t{kC_OpenSession}})
    for (CK_RV rv : {CKR_PIN_INVALID, CKR_TOKEN_WRITE_PROTECTED, CKR_DEVICE_ERROR,
                     CKR_PIN_INCORRECT, CKR_FUNCTION_FAILED}) {
      Turned w(a_token());
      World::Run* run = w.begin_login();
      w.settle();
      w.answers = [=](uint32_t called) { return called == function ? rv : CKR_OK; };
      w.say(kTurnIt);
      w.settle();
      BOOST_REQUIRE(run->answered);
      BOOST_TEST(w.rv_ == CKR_OK);
      BOOST_TEST(w.is_open());
      const bool sure = rv == CKR_PIN_INVALID || rv == CKR_TOKEN_WRITE_PROTECTED;
      const char* unsure = function == kC_SetPIN ? "b1 unknown" : "b1 untried";
      BOOST_TEST(w.told.back() == (sure ? "b1 refused" : unsure));
    }
}

/* Libraries that look at a token's PIN once, when they start, are started again. */
BOOST_AUTO_TEST_CASE(a_library_that_knows_the_old_pin) {
  Turned w(a_token());
  BOOST_TEST(w.find(w.session).empty()); /* the library runs */
  const unsigned starts = w.processes[1].starts;
  w.token_.pin = kNew; /* somebody else's library has done it: this one does not notice */
  w.say(kPinIs, kNew, "");
  BOOST_TEST(w.token().pin == kOld);
  BOOST_TEST(w.login() == CKR_OK);
  BOOST_TEST(w.is_open());
  BOOST_TEST(w.heard == Words_{kNew});
  BOOST_TEST(w.token().wrong == 0u);
  BOOST_TEST(w.processes[1].starts == starts + 1);
  BOOST_TEST(w.call(kC_Logout, {w.session}) == CKR_OK);
  BOOST_TEST(w.login() == CKR_OK);
  BOOST_TEST(w.processes[1].starts == starts + 1);
}

/* Not while a token without layers has sessions there: they would be lost. */
BOOST_AUTO_TEST_CASE(a_library_that_others_use_is_not_started_again) {
  Turned w(a_token(), 0, kNew, kOld, {token_plan(2, 1, 0, "other")});
  const CK_SESSION_HANDLE other = w.open(2);
  const CK_OBJECT_HANDLE theirs = w.create(other, "theirs");
  w.find(w.session);
  const unsigned starts = w.processes[1].starts;
  w.say(kPinIs, kNew, "");
  w.token_.pin = kNew;
  BOOST_TEST(w.login() == CKR_OK); /* of the client's own layer */
  BOOST_TEST(!w.is_open());
  BOOST_TEST(w.heard.empty());
  BOOST_TEST(w.processes[1].starts == starts);
  BOOST_TEST(w.id_of(other, theirs) == "theirs");
  BOOST_TEST((w.told == Words_{"b1/2 left out"}));
  BOOST_TEST(w.call(kC_CloseSession, {other}) == CKR_OK);
  BOOST_TEST(w.call(kC_Logout, {w.session}) == CKR_OK);
  BOOST_TEST(w.login() == CKR_OK);
  BOOST_TEST(w.is_open());
  BOOST_TEST(w.heard == Words_{kNew});
  BOOST_TEST(w.processes[1].starts == starts + 1);
}

/* Nor while another layered token is logged in there. */
BOOST_AUTO_TEST_CASE(nor_one_where_others_are_logged_in) {
  TokenPlan second = layered_plan(2, "Second", {layer_plan(1, "other")});
  Turned w(a_token(), 0, kNew, kOld, {second});
  w.beside_.pin = "4444";
  const CK_SESSION_HANDLE other = w.open(2);
  BOOST_TEST(w.call(kC_Login, {other, CKU_USER, word("4444"), 4}) == CKR_OK);
  w.find(w.session);
  const unsigned starts = w.processes[1].starts;
  w.say(kPinIs, kNew, "");
  w.token_.pin = kNew;
  BOOST_TEST(w.login() == CKR_OK);
  BOOST_TEST(!w.is_open());
  BOOST_TEST(w.processes[1].starts == starts);
  BOOST_TEST(w.processes[1].library->slots.at(1).logged_in);
}

/* Nor in the middle of a call, which may be one that writes: the login waits for its end. */
BOOST_AUTO_TEST_CASE(nor_in_the_middle_of_a_call) {
  Turned w(a_token(), 0, kNew, kOld, {token_plan(2, 1, 0, "other")});
  CK_TOKEN_INFO info;
  BOOST_TEST(w.call(kC_GetTokenInfo, {2, word(&info)}) == CKR_OK);
  w.find(w.session);
  const unsigned starts = w.processes[1].starts;
  w.say(kPinIs, kNew, "");
  w.token_.pin = kNew;
  Words words;
  words.w[0] = 2;
  words.w[1] = word(&info);
  World::Run* asking = w.begin(kC_GetTokenInfo, words);
  w.advance(asking);
  BOOST_REQUIRE(w.events.size() == 1);
  World::Run* login = w.begin_login();
  while (w.ready(*login) || w.events.size() > 1) { /* everything but that call */
    if (w.ready(*login))
      w.advance(login);
    else
      w.happen(1);
  }
  BOOST_TEST(!login->answered);
  BOOST_TEST(w.processes[1].starts == starts);
  BOOST_TEST(w.processes[1].ended == 0u);
  w.settle();
  BOOST_REQUIRE(asking->answered);
  BOOST_TEST(asking->call.reply.rec.rv == CKR_OK);
  BOOST_TEST(w.rv_ == CKR_OK);
  BOOST_TEST(w.is_open());
  BOOST_TEST(w.heard == Words_{kNew});
  BOOST_TEST(w.processes[1].starts == starts + 1);
}

/* Two layers that are one token: the second knows what was done for the first. */
BOOST_AUTO_TEST_CASE(layers_of_one_token_learn_together) {
  TokenPlan sibling = layered_plan(2, "Sibling", {layer_plan(1, "ours", 0, kPinStored)});
  sibling.pins = {kOld};
  sibling.next = {kNew};
  Turned w(a_token(), 0, kNew, kOld, {sibling});
  BOOST_TEST(w.login() == CKR_OK);
  BOOST_TEST(w.token().pin == kNew);
  BOOST_TEST(w.call(kC_Logout, {w.session}) == CKR_OK);
  const CK_SESSION_HANDLE second = w.open(2);
  w.told.clear();
  w.heard.clear();
  BOOST_TEST(w.call(kC_Login, {second, CKU_USER, 0, 0}) == CKR_OK);
  BOOST_TEST(w.is_open());
  BOOST_TEST(w.heard == Words_{kNew});
  BOOST_TEST(w.told.empty()); /* nobody is asked */
  BOOST_TEST(w.token().wrong == 0u);
}

/*
 * A right PIN of another identity, but a library starts anew and takes the client's session with
 * it: that is not the PIN's fault. A wrong one is wrong before it comes to that.
 */
BOOST_AUTO_TEST_CASE(a_library_that_starts_anew_under_an_identity) {
  for (const char* pin : {"svc@R+3333", "svc@R+4444"}) {
    TokenPlan own = layered_plan(1, "Desk", {layer_plan(1, "other", kLayerRequired)});
    TokenPlan svc = layered_plan(
        1, "Desk", {layer_plan(0, "svc"), layer_plan(1, "ours", kLayerRequired, kPinStored)});
    svc.pins = {kOld};
    own.token.flags = svc.token.flags = kTokenPinSelect;
    std::snprintf(svc.token.identity, sizeof svc.token.identity, "svc@R");
    World w(Plans{{backend_plan(0), backend_plan(1)}, {own, svc}});
    w.processes[0] = process({{10, "svc", "7777777777777777", "3333"}});
    FakeLibrary::Slot token = a_token();
    w.processes[1].make = [&token] {
      return std::make_unique<FakeLibrary>(std::vector{token, FakeLibrary::Slot{21, "other"}});
    };
    BOOST_REQUIRE_EQUAL(w.initialize(), CKR_OK);
    CK_SESSION_HANDLE session = w.open(1);
    token.pin = kNew;
    LayerPin news = Turned::make(kPinIs);
    news.pin = stored(kNew);
    w.monitor.pin_changed(&news);
    auto login = [&] { return w.call(kC_Login, {session, CKU_USER, word(pin), std::strlen(pin)}); };
    const bool right = pin == std::string("svc@R+3333");
    BOOST_TEST(login() == (right ? CKR_DEVICE_ERROR : CKR_PIN_INCORRECT));
    BOOST_TEST(w.late == 1u);
    if (!right) continue;
    BOOST_TEST(login() == CKR_SESSION_HANDLE_INVALID);
    session = w.open(1);
    BOOST_TEST(login() == CKR_OK);
  }
}

/* A key that asks each time gets no PIN that the library would count as wrong. */
BOOST_AUTO_TEST_CASE(a_key_that_asks_each_time_of_a_library_that_knows_the_old_pin) {
  Turned w(a_token(), 0, "");
  BOOST_TEST(w.login() == CKR_OK);
  const CK_OBJECT_HANDLE key = [&] {
    w.processes[1].library->objects[5] = {"key", 20, true, false, 0};
    return w.find(w.session).at(0);
  }();
  CK_MECHANISM mechanism{CKM_RSA_PKCS, nullptr, 0};
  BOOST_TEST(w.call(kC_SignInit, {w.session, word(&mechanism), key}) == CKR_OK);
  w.say(kPinIs, kNew, "");
  w.heard.clear();
  BOOST_TEST(w.call(kC_Login, {w.session, CKU_CONTEXT_SPECIFIC, word("1234"), 4}) ==
             CKR_DEVICE_ERROR);
  BOOST_TEST(w.heard.empty());
  BOOST_TEST(w.token().wrong == 0u);
}

BOOST_AUTO_TEST_CASE(a_pin_that_is_set_while_somebody_is_connected) {
  Turned w(a_token(), 0, "", "");
  BOOST_TEST(w.login() == CKR_OK);
  BOOST_TEST(!w.is_open());
  BOOST_TEST(w.heard.empty()); /* there is none: none is tried */
  BOOST_TEST((w.told == Words_{"b1/2 left out"}));
  w.say(kPinIs, "wrongwrong", "");
  BOOST_TEST(w.call(kC_Logout, {w.session}) == CKR_OK);
  BOOST_TEST(w.login() == CKR_OK);
  BOOST_TEST(!w.is_open());
  w.say(kPinIs, kOld, "");
  w.token().wrong = 0;
  BOOST_TEST(w.call(kC_Logout, {w.session}) == CKR_OK);
  BOOST_TEST(w.login() == CKR_OK);
  BOOST_TEST(w.is_open());
  BOOST_TEST(w.heard == (Words_{"wrongwrong", kOld}));
  Turned required(a_token(), kLayerRequired, "", "");
  BOOST_TEST(required.login() == CKR_DEVICE_ERROR);
}

/*
 * Somebody dies after each step: the library, or the whole connection. Whatever was left, the next
 * one opens the token, and once the vault has been told it has the new PIN.
 */
BOOST_AUTO_TEST_CASE(a_death_at_every_step) {
  for (bool library : {true, false})
    for (uint32_t flags : {0u, uint32_t{kLayerReadOnly}, uint32_t{kLayerRequired}})
      for (bool new_already : {false, true}) {
        size_t steps = 0;
        for (bool over = false; !over; steps++) {
          BOOST_REQUIRE(steps < 50);
          FakeLibrary::Slot token = a_token();
          if (new_already) token.pin = kNew;
          bool done = false;
          {
            Turned w(token, flags);
            World::Run* run = w.begin_login();
            w.settle();
            w.say(new_already ? kTurnItAgain : kTurnIt);
            size_t n = 0;
            while (n < steps && !run->answered) {
              if (w.ready(*run))
                w.advance(run);
              else
                w.happen(0);
              n++;
            }
            over = run->answered;
            token = w.left();
            if (library && !over) {
              w.kill(1);
              w.token_ = token;
              w.settle();
              BOOST_REQUIRE(run->answered);
              token = w.left();
            }
            done = w.told.back().starts_with("b1 done");
          }
          BOOST_TEST(token.wrong <= 1u);
          Turned next(token, flags, done ? "" : kNew, done ? kNew : kOld);
          BOOST_TEST(next.login(kTurnItAgain) == CKR_OK);
          BOOST_TEST(next.is_open(), "after " << steps << " steps");
          BOOST_TEST(next.token().pin == kNew);
          BOOST_TEST(next.token().wrong == 0u);
          if (!done) BOOST_TEST(next.told.back() == "b1 done 32");
        }
        BOOST_TEST(steps > 6u);
      }
}

/* Who asked has gone before the answer came: the next one is not kept waiting. */
BOOST_AUTO_TEST_CASE(a_client_that_does_not_wait) {
  Turned w(a_token());
  World::Run* run = w.begin_login();
  w.settle();
  BOOST_TEST(!run->answered);
  w.kill(0);
  BOOST_TEST(w.call(kC_CloseSession, {w.session}) == CKR_OK);
  w.settle();
  BOOST_TEST(run->answered);
  w.say(kTurnIt);
  if (w.told.back() != "b1 untried") BOOST_TEST(w.told.back() == "turn b1");
  w.session = w.open(1);
  w.told.clear();
  BOOST_TEST(w.login() == CKR_OK);
  BOOST_TEST(w.is_open());
}

BOOST_AUTO_TEST_SUITE_END()
