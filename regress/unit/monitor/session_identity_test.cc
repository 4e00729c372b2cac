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
 * Acting as another identity. If these failed, a client would be somebody whom it may not be, would
 * learn whom it could be, or a handle that it was given as one would reach something as another.
 */
#include <random>
#include <set>

#include "session_fixture.h"

using namespace mp11;
using namespace mp11::session_test;

namespace {

using Pins = std::vector<std::string>;

/*
 * The client's own token is "desk" of library 0. It may act as svc/web@R, who has "web" of library
 * 1, and as svc/db@R, who has "db" of library 1 and sees "desk" below it. Slot 2 is another token.
 */
struct Desk : World {
  explicit Desk(uint32_t flags = 0) : World(plans(flags)) {
    processes[0] = process({{10, "desk", "7777777777777777", "11+11", {CKM_RSA_PKCS}},
                            {11, "other", "7777777777777777", "4444", {CKM_RSA_PKCS}}});
    processes[1] = process({{20, "web", "7777777777777777", "2222", {CKM_RSA_PKCS}},
                            {21, "db", "7777777777777777", "3333", {CKM_RSA_PKCS}}});
    for (auto& [number, p] : processes)
      p.make = [this, make = p.make, number = number] {
        auto library = make();
        for (const FakeLibrary::Slot& slot : library->slots) {
          const CK_OBJECT_HANDLE handle = 5 + slot.id % 10;
          library->objects[handle] = {slot.label + "-key", slot.id, true, false, 0};
        }
        library->answer = [this, number](uint32_t function, const Words& words) -> CK_RV {
          if (function == kC_Login) heard[number].emplace_back(at<char>(words.w[2]), words.w[3]);
          if (function == kC_SetPIN) {
            heard[number].emplace_back(at<char>(words.w[1]), words.w[2]);
            heard[number].emplace_back(at<char>(words.w[3]), words.w[4]);
          }
          return CKR_OK;
        };
        return library;
      };
    BOOST_REQUIRE_EQUAL(initialize(), CKR_OK);
    session = open(1);
  }
  static TokenPlan variant(const char* identity, std::vector<PortfolioLayer> layers) {
    TokenPlan plan = layered_plan(1, "Desk", std::move(layers));
    plan.token.flags = kTokenPinSelect;
    std::snprintf(plan.token.identity, sizeof plan.token.identity, "%s", identity);
    return plan;
  }
  static Plans plans(uint32_t flags) {
    return {{backend_plan(0), backend_plan(1)},
            {variant("", {layer_plan(0, "desk", flags)}),
             variant("svc/web@R", {layer_plan(1, "web", flags)}),
             variant("svc/db@R", {layer_plan(1, "db", flags), layer_plan(0, "desk")}),
             layered_plan(2, "Other", {layer_plan(0, "other")})}};
  }
  CK_RV login(const std::string& pin, CK_USER_TYPE user = CKU_USER) {
    return call(kC_Login, {session, user, word(pin.data()), pin.size()});
  }
  CK_RV logout() { return call(kC_Logout, {session}); }
  std::set<std::string> ids() {
    std::set<std::string> all;
    for (CK_OBJECT_HANDLE object : find(session)) all.insert(id_of(session, object));
    return all;
  }
  /* Sessions that a library has; none where it does not run. */
  size_t sessions(uint32_t n) {
    return processes[n].library != nullptr ? processes[n].library->sessions.size() : 0;
  }
  std::string label() {
    CK_TOKEN_INFO info;
    BOOST_REQUIRE_EQUAL(call(kC_GetTokenInfo, {1, word(&info)}), CKR_OK);
    return std::string(reinterpret_cast<char*>(info.label), 4) +
           std::string(reinterpret_cast<char*>(info.serialNumber), 16);
  }
  Run* begin_login(const std::string& pin) {
    Words words;
    words.w[0] = session;
    words.w[1] = CKU_USER;
    words.w[2] = word(pin.data());
    words.w[3] = pin.size();
    return begin(kC_Login, words);
  }
  std::map<uint32_t, Pins> heard; /* by library */
  CK_SESSION_HANDLE session = 0;
};

using Ids = std::set<std::string>;

}  // namespace

BOOST_AUTO_TEST_SUITE(session_identity)

BOOST_AUTO_TEST_CASE(a_pin_says_whom_the_client_acts_as) {
  Desk w;
  const std::string label = w.label();
  BOOST_TEST((w.slots() == std::vector<CK_SLOT_ID>{1, 2})); /* variants are no slots */
  BOOST_TEST((w.ids() == Ids{"desk-key"}));
  BOOST_TEST(w.login("svc/web@R+2222") == CKR_OK);
  BOOST_TEST((w.ids() == Ids{"web-key"}));
  BOOST_TEST((w.heard[1] == Pins{"2222"})); /* and nobody the identity before it */
  BOOST_TEST(w.heard[0].empty());
  BOOST_TEST(w.sessions(0) == 0u);
  BOOST_TEST(w.label() == label);       /* it is the same token to whoever looks at it */
  CK_SESSION_HANDLE second = w.open(1); /* now there may be more */
  BOOST_TEST(w.id_of(second, w.find(second).at(0)) == "web-key");
  BOOST_TEST(w.logout() == CKR_OK);
  BOOST_TEST((w.ids() == Ids{"desk-key"}));
  BOOST_TEST(w.id_of(second, w.find(second).at(0)) == "desk-key");
  BOOST_TEST(w.sessions(1) == 0u);
  BOOST_TEST(w.call(kC_CloseSession, {second}) == CKR_OK);
  BOOST_TEST(w.login("svc/db@R+3333") == CKR_OK);
  BOOST_TEST((w.ids() == Ids{"db-key", "desk-key"}));
  BOOST_TEST(w.logout() == CKR_OK);
  BOOST_TEST((w.told == Pins{"acting begun svc/web@R", "acting ended svc/web@R",
                             "acting begun svc/db@R", "acting ended svc/db@R"}));
  BOOST_TEST(w.late == 0u);
}

BOOST_AUTO_TEST_CASE(a_pin_of_the_clients_own) {
  Desk w;
  BOOST_TEST(w.login("+11+11") == CKR_OK);
  BOOST_TEST((w.ids() == Ids{"desk-key"}));
  BOOST_TEST(w.logout() == CKR_OK);
  BOOST_TEST(w.login("11+11") == CKR_PIN_INCORRECT); /* there is nobody called 11 */
  BOOST_TEST(w.login("1234") == CKR_PIN_INCORRECT);
  BOOST_TEST((w.heard[0] == Pins{"11+11", "1234"}));
  BOOST_TEST(w.call(kC_Login, {w.session, CKU_USER, 0, 0}) == CKR_PIN_INCORRECT);
  BOOST_TEST(w.login("svc/web@R+2222", CKU_SO) == CKR_USER_TYPE_INVALID);
  BOOST_TEST(w.heard[1].empty());
  BOOST_TEST(w.late == 4u);
}

/* Neither says whether there is such an identity, and what was there before still is. */
BOOST_AUTO_TEST_CASE(a_wrong_pin_and_an_unknown_identity_are_the_same) {
  for (uint32_t flags : {0u, uint32_t{kLayerRequired}}) {
    Desk w(flags);
    w.find(w.session);
    const CK_OBJECT_HANDLE mine = w.create(w.session, "mine");
    unsigned n = 0;
    for (const char* pin : {"svc/web@R+4321", "svc/mail@R+4321", "svc/db@R+1", "svc/db@RR+1",
                            "svc/web@R+", "svc/we@R+2222", "svc/web@r+2222", "+4321"}) {
      BOOST_TEST(w.login(pin) == CKR_PIN_INCORRECT, pin);
      BOOST_TEST(w.late == ++n);
      BOOST_TEST(w.id_of(w.session, mine) == "mine");
      BOOST_TEST(w.sessions(0) == 1u);
      BOOST_TEST(w.sessions(1) == 0u);
    }
    BOOST_TEST((w.heard[1] == Pins{"4321", "1", ""}));
    BOOST_TEST((w.heard[0] == Pins{"4321"}));
    /* What a library says beyond that is for the log. */
    w.processes[1].library->slots[0].wrong = 3;
    BOOST_TEST(w.login("svc/web@R+2222") == CKR_PIN_INCORRECT);
    w.processes[1].library->answer = [](uint32_t function, const Words&) -> CK_RV {
      return function == kC_Login ? CKR_DEVICE_MEMORY : CKR_OK;
    };
    BOOST_TEST(w.login("svc/web@R+2222") == CKR_PIN_INCORRECT);
    w.kill(1);
    w.processes[1].spawn_error = kSpawnFailed;
    BOOST_TEST(w.login("svc/web@R+2222") == CKR_PIN_INCORRECT);
    for (const std::string& line : w.told)
      if (line.starts_with("acting"))
        BOOST_TEST((line == "acting refused svc/web@R" || line == "acting refused svc/db@R" ||
                    line == "acting refused ")); /* never what was typed */
  }
}

BOOST_AUTO_TEST_CASE(other_sessions_and_logins_come_first) {
  Desk w;
  CK_SESSION_HANDLE second = w.open(1), elsewhere = w.open(2);
  for (const char* pin : {"svc/web@R+2222", "svc/mail@R+2222"})
    BOOST_TEST(w.login(pin) == CKR_SESSION_EXISTS);
  BOOST_TEST(w.call(kC_CloseSession, {second}) == CKR_OK);
  BOOST_TEST(w.login("+11+11") == CKR_OK);
  for (const char* pin : {"svc/web@R+2222", "svc/mail@R+2222"})
    BOOST_TEST(w.login(pin) == CKR_USER_ALREADY_LOGGED_IN);
  BOOST_TEST(w.heard[1].empty());
  BOOST_TEST(w.logout() == CKR_OK);
  BOOST_TEST(w.login("svc/web@R+2222") == CKR_OK); /* that of the other slot is none of these */
  for (const char* pin : {"svc/web@R+2222", "svc/db@R+3333", "svc/mail@R+1", "+11+11", "1111"})
    BOOST_TEST(w.login(pin) == CKR_USER_ALREADY_LOGGED_IN, pin);
  BOOST_TEST((w.ids() == Ids{"web-key"}));
  BOOST_TEST(w.id_of(elsewhere, w.find(elsewhere).at(0)) == "other-key");
}

BOOST_AUTO_TEST_CASE(handles_of_another_identity_name_nothing) {
  Desk w;
  const CK_OBJECT_HANDLE desk = w.find(w.session).at(0);
  const CK_OBJECT_HANDLE mine = w.create(w.session, "mine");
  auto is_dead = [&](CK_OBJECT_HANDLE object) {
    return w.id_of(w.session, object).empty() && w.last_rv == CKR_OBJECT_HANDLE_INVALID &&
           w.call(kC_DestroyObject, {w.session, object}) == CKR_OBJECT_HANDLE_INVALID;
  };
  BOOST_TEST(w.login("svc/web@R+2222") == CKR_OK);
  BOOST_TEST((is_dead(desk) && is_dead(mine)));
  const CK_OBJECT_HANDLE web = w.find(w.session).at(0);
  const CK_OBJECT_HANDLE made = w.create(w.session, "made"),
                         kept = w.create(w.session, "kept", true);
  BOOST_TEST(w.id_of(w.session, web) == "web-key");
  BOOST_TEST(w.logout() == CKR_OK);
  for (CK_OBJECT_HANDLE object : {desk, mine, web, made, kept}) BOOST_TEST(is_dead(object));
  BOOST_TEST(w.login("svc/db@R+3333") == CKR_OK);
  for (CK_OBJECT_HANDLE object : {desk, mine, web, made, kept}) BOOST_TEST(is_dead(object));
  BOOST_TEST(w.logout() == CKR_OK);
  BOOST_TEST(w.login("svc/web@R+2222") == CKR_OK); /* nor later, as the same one */
  for (CK_OBJECT_HANDLE object : {desk, mine, web, made, kept}) BOOST_TEST(is_dead(object));
  BOOST_TEST(w.processes[1].library->objects.size() == 3u); /* the two keys, and what was kept */
}

/* Operations and searches are those of whom they were begun as. */
BOOST_AUTO_TEST_CASE(what_was_begun_does_not_go_on) {
  Desk w;
  CK_MECHANISM mechanism{CKM_RSA_PKCS, nullptr, 0};
  char signature[64];
  CK_ULONG length = sizeof signature, count = 0;
  CK_OBJECT_HANDLE all[8];
  auto begin = [&] {
    const CK_OBJECT_HANDLE key = w.find(w.session).at(0);
    BOOST_TEST(w.call(kC_SignInit, {w.session, word(&mechanism), key}) == CKR_OK);
    BOOST_TEST(w.call(kC_FindObjectsInit, {w.session, 0, 0}) == CKR_OK);
  };
  auto goes_on = [&] {
    length = sizeof signature;
    return w.call(kC_Sign, {w.session, word("x"), 1, word(signature), word(&length)}) == CKR_OK ||
           w.call(kC_FindObjects, {w.session, word(all), 8, word(&count)}) == CKR_OK;
  };
  begin();
  BOOST_TEST(w.login("svc/web@R+2222") == CKR_OK);
  BOOST_TEST(!goes_on());
  begin();
  BOOST_TEST(w.logout() == CKR_OK);
  BOOST_TEST(!goes_on());
}

BOOST_AUTO_TEST_CASE(the_last_session_ends_it_too) {
  for (uint32_t function : {kC_CloseSession, kC_CloseAllSessions, kC_Finalize}) {
    Desk w;
    BOOST_TEST(w.login("svc/web@R+2222") == CKR_OK);
    const Word which = function == kC_CloseSession ? w.session : function == kC_Finalize ? 0 : 1;
    BOOST_TEST(w.call(function, {which}) == CKR_OK);
    BOOST_TEST(w.sessions(1) == 0u);
    BOOST_TEST(w.told.back() == "acting ended svc/web@R");
    if (function == kC_Finalize) BOOST_TEST(w.initialize() == CKR_OK);
    w.session = w.open(1);
    BOOST_TEST((w.ids() == Ids{"desk-key"}));
  }
}

BOOST_AUTO_TEST_CASE(a_library_that_dies) {
  for (uint32_t flags : {0u, uint32_t{kLayerRequired}}) {
    Desk w(flags);
    BOOST_TEST(w.login("svc/web@R+2222") == CKR_OK);
    const CK_OBJECT_HANDLE web = w.find(w.session).at(0);
    w.kill(1);
    if (flags != 0) { /* which took the session along */
      BOOST_TEST(w.told.back() == "acting ended svc/web@R");
      w.session = w.open(1);
      BOOST_TEST((w.ids() == Ids{"desk-key"}));
    } else {
      BOOST_TEST((w.ids() == Ids{"web-key"}));
      BOOST_TEST(w.login("svc/web@R+2221") == CKR_PIN_INCORRECT);
      BOOST_TEST(w.login("svc/db@R+3333") == CKR_OK); /* nobody is logged in any more */
      BOOST_TEST((w.ids() == Ids{"db-key", "desk-key"}));
      BOOST_TEST(w.logout() == CKR_OK);
      BOOST_TEST((w.ids() == Ids{"desk-key"}));
    }
    BOOST_TEST(w.id_of(w.session, web).empty());
  }
}

/* At every step of a login: the session is the client's own, and works. */
BOOST_AUTO_TEST_CASE(a_library_that_dies_during_the_login) {
  for (unsigned steps = 0; steps < 12; steps++)
    for (uint32_t victim : {0u, 1u}) {
      Desk w;
      w.find(w.session);
      World::Run* run = w.begin_login("svc/db@R+3333");
      CK_RV rv = CKR_GENERAL_ERROR;
      run->then = [&](CK_RV value) { rv = value; };
      for (unsigned i = 0; i < steps; i++) {
        if (w.ready(*run)) w.advance(run);
        if (!w.events.empty()) w.happen(0);
      }
      w.kill(victim);
      w.settle();
      BOOST_REQUIRE(run->answered);
      BOOST_TEST((rv == CKR_OK || rv == CKR_PIN_INCORRECT || rv == CKR_SESSION_HANDLE_INVALID),
                 rv << " after " << steps);
      w.forget_answered();
      BOOST_TEST(w.call(kC_CloseAllSessions, {1}) == CKR_OK);
      BOOST_TEST(w.sessions(1) == 0u);
      w.session = w.open(1);
      BOOST_TEST((w.ids() == Ids{"desk-key"}));
      BOOST_TEST(w.login("svc/web@R+2222") == CKR_OK);
      BOOST_TEST((w.ids() == Ids{"web-key"}));
    }
}

BOOST_AUTO_TEST_CASE(set_pin_is_the_current_ones) {
  Desk w;
  auto set_pin = [&](const char* from, const char* to) {
    return w.call(kC_SetPIN, {w.session, word(from), std::strlen(from), word(to), std::strlen(to)});
  };
  BOOST_TEST(set_pin("11+11", "b") == CKR_OK);
  BOOST_TEST(w.login("svc/web@R+2222") == CKR_OK);
  BOOST_TEST(set_pin("2222", "x+y") == CKR_OK); /* there is no identity before these */
  BOOST_TEST((w.heard[0] == Pins{"11+11", "b"}));
  BOOST_TEST((w.heard[1] == Pins{"2222", "2222", "x+y"}));
}

/* Other calls of the slot do not tell how far the login is; those of other slots do not wait. */
BOOST_AUTO_TEST_CASE(nobody_looks_on) {
  for (const char* pin : {"svc/web@R+4321", "svc/mail@R+4321"}) {
    Desk w;
    CK_SESSION_HANDLE elsewhere = w.open(2);
    w.hold_late = true;
    World::Run* login = w.begin_login(pin);
    w.settle();
    BOOST_TEST(login->answered);
    Words words;
    words.w[0] = w.session;
    CK_SESSION_INFO info;
    words.w[1] = word(&info);
    World::Run* look = w.begin(kC_GetSessionInfo, words);
    words.w[0] = elsewhere;
    World::Run* other = w.begin(kC_GetSessionInfo, words);
    w.settle();
    BOOST_TEST(!look->answered);
    BOOST_TEST(other->answered);
    w.monitor.released(&login->call);
    w.settle();
    BOOST_TEST(look->answered);
    w.forget_answered();
  }
}

/* A call that is under way is one's own, and the login waits for it. */
BOOST_AUTO_TEST_CASE(a_login_waits_for_calls_that_are_under_way) {
  Desk w;
  Words words;
  CK_ATTRIBUTE id{CKA_ID, const_cast<char*>("late"), 4};
  CK_OBJECT_HANDLE object = 0;
  words.w[0] = w.session;
  words.w[1] = word(&id);
  words.w[2] = 1;
  words.w[3] = word(&object);
  World::Run* make = w.begin(kC_CreateObject, words);
  w.advance(make);
  World::Run* login = w.begin_login("svc/web@R+2222");
  World::Run* other = w.begin_login("svc/db@R+3333"); /* and two of them for each other */
  w.advance(login);
  w.advance(other);
  BOOST_TEST((!login->answered && !other->answered));
  BOOST_TEST(w.heard[1].empty());
  w.settle();
  BOOST_TEST((make->answered && login->answered && other->answered));
  BOOST_TEST(object != 0u);
  BOOST_TEST(w.heard[1].size() == 1u);
  w.forget_answered();
  BOOST_TEST(w.id_of(w.session, object).empty());
}

/*
 * Everything at once, in any order, with libraries that die. A handle reaches what it was given for
 * or nothing; a library of another identity hears of the client's calls only after its own yes.
 */
BOOST_AUTO_TEST_CASE(random_interleavings) {
  for (unsigned seed = 0; seed < 300; seed++) {
    std::mt19937 random(seed);
    auto below = [&](size_t n) { return static_cast<size_t>(random() % n); };
    const bool deaths = seed % 3 == 0;
    Desk w;
    bool ever[2] = {false, false}; /* web and db have said yes to a PIN */
    const char* trespass = nullptr;
    auto watch = [&] {
      FakeLibrary* library = w.processes[1].library.get();
      if (library == nullptr || library->arrives != nullptr) return;
      library->arrives = [&, library](const Message& call) {
        const FunctionRow& row = kFunctionTable[call.rec.function];
        for (const FakeLibrary::Slot& slot : library->slots) ever[slot.id - 20] |= slot.logged_in;
        if (row.has(ArgKind::kSlot) || row.route == Route::kLogin || row.route == Route::kClose ||
            row.route == Route::kWhole || row.route == Route::kLogout)
          return;
        auto session = library->sessions.find(call.rec.primary);
        if (session != library->sessions.end() && !ever[session->second.slot - 20])
          trespass = row.name;
      };
    };
    std::map<CK_OBJECT_HANDLE, std::string> given;
    std::vector<CK_SESSION_HANDLE> sessions = {w.session};
    struct Op {
      CK_OBJECT_HANDLE object = 0;
      CK_SESSION_HANDLE session = 0;
      std::string id, pin;
      char value[32];
      CK_ATTRIBUTE a{};
    };
    std::deque<Op> ops;
    for (unsigned step = 0; step < 120; step++) {
      watch();
      const size_t what = below(16);
      if (w.runs.size() < 6 && what < 8) {
        Op& op = ops.emplace_back();
        Words words;
        const CK_SESSION_HANDLE session = sessions[below(sessions.size())];
        words.w[0] = session;
        World::Run* run = nullptr;
        if (what < 2) {
          op.id = "o" + std::to_string(seed) + "-" + std::to_string(step);
          op.a = {CKA_ID, op.id.data(), op.id.size()};
          words.w[1] = word(&op.a);
          words.w[2] = 1;
          words.w[3] = word(&op.object);
          run = w.begin(kC_CreateObject, words);
          run->then = [&](CK_RV rv) {
            if (rv == CKR_OK) given[op.object] = op.id;
          };
        } else if (what < 4 && !given.empty()) {
          auto place = given.begin();
          std::advance(place, static_cast<long>(below(given.size())));
          op.object = place->first;
          op.a = {CKA_ID, op.value, sizeof op.value};
          words.w[1] = op.object;
          words.w[2] = word(&op.a);
          words.w[3] = 1;
          run = w.begin(kC_GetAttributeValue, words);
          run->then = [&](CK_RV rv) {
            if (rv == CKR_OK)
              BOOST_TEST(std::string(op.value, op.a.ulValueLen) == given[op.object]);
          };
        } else if (what < 6) {
          const char* pins[] = {"svc/web@R+2222", "svc/db@R+3333", "svc/web@R+1", "no@R+1",
                                "+11+11"};
          op.pin = pins[below(5)];
          words.w[1] = CKU_USER;
          words.w[2] = word(op.pin.data());
          words.w[3] = op.pin.size();
          if (op.pin == "svc/web@R+1" && w.processes[1].library != nullptr)
            w.processes[1].library->slots[0].wrong = 0; /* never locked */
          run = w.begin(kC_Login, words);
        } else if (what == 6) {
          run = w.begin(below(4) == 0 ? kC_CloseSession : kC_Logout, words);
        } else {
          words.w[0] = 1;
          words.w[1] = CKF_SERIAL_SESSION | CKF_RW_SESSION;
          words.w[4] = word(&op.session);
          run = w.begin(kC_OpenSession, words);
          run->then = [&](CK_RV rv) {
            if (rv == CKR_OK) sessions.push_back(op.session);
          };
        }
      } else if (deaths && what == 15 && below(4) == 0) {
        const uint32_t victim = static_cast<uint32_t>(below(2));
        if (w.processes[victim].library != nullptr) w.kill(victim);
      } else if (!w.events.empty() && below(2) == 0) {
        w.happen(below(w.events.size()));
      } else {
        std::vector<World::Run*> ready;
        for (auto& run : w.runs)
          if (w.ready(*run)) ready.push_back(run.get());
        if (!ready.empty()) w.advance(ready[below(ready.size())]);
      }
      w.forget_answered();
    }
    while (true) {
      watch();
      w.settle();
      if (w.events.empty()) break;
    }
    for (auto& run : w.runs) BOOST_TEST(run->answered, run->row->name);
    w.forget_answered();
    if (!deaths) BOOST_TEST(trespass == nullptr, trespass);
    BOOST_TEST(w.call(kC_CloseAllSessions, {1}) == CKR_OK);
    BOOST_TEST(w.sessions(1) == 0u);
    w.session = w.open(1);
    BOOST_TEST(w.ids().contains("desk-key"));
    BOOST_TEST(!w.ids().contains("web-key"));
  }
}

BOOST_AUTO_TEST_SUITE_END()
