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
 * Tokens on demand, seen from the monitor. If these failed, two tokens would be made where there
 * should be one, somebody would get one that is half made, or a library that dies or lies while it
 * makes one would take more with it than that.
 */
#include "session_fixture.h"

using namespace mp11;
using namespace mp11::session_test;

namespace {

constexpr char kId[] = "0123456789abcdef0123456789abcdef";
const std::string kUser(kDerivedPin, 'u'), kOfficer(kDerivedPin, 's');

StoredPin stored(const std::string& text) {
  StoredPin pin{};
  pin.size = static_cast<uint32_t>(text.size());
  std::memcpy(pin.pin, text.data(), text.size());
  return pin;
}

/* "Keys" in slot 1 is a token on demand of backend 0. What the library keeps is `disk`. */
struct Demanded : World {
  explicit Demanded(std::vector<FakeLibrary::Slot> at_first = {{10, ""}}, uint32_t layer_flags = 0,
                    uint32_t backend_flags = 0)
      : World(Plans{{backend_plan(0, backend_flags)}, {plan(layer_flags)}}),
        disk(std::move(at_first)) {
    processes[0].make = [this] {
      auto library = std::make_unique<FakeLibrary>(disk);
      library->disk = &disk;
      library->next_free = next_free;
      library->answer = [this](uint32_t function, const Words& words) -> CK_RV {
        if (function == kC_InitToken) inits++;
        if (function == kC_Login) heard.emplace_back(at<char>(words.w[2]), words.w[3]);
        return answers ? answers(function, words) : CKR_OK;
      };
      return library;
    };
    BOOST_REQUIRE_EQUAL(initialize(), CKR_OK);
  }
  static TokenPlan plan(uint32_t flags) {
    TokenPlan token = layered_plan(
        1, "Keys", {layer_plan(0, kId, flags | kLayerOnDemand | kLayerUnmade, kPinStored)});
    token.pins = {kUser};
    return token;
  }
  /* Begins to open a session, and goes as far as that comes by itself. */
  Run* begin_open() {
    Words words;
    words.w[0] = 1;
    words.w[1] = CKF_SERIAL_SESSION | CKF_RW_SESSION;
    words.w[4] = word(&session);
    Run* run = begin(kC_OpenSession, words);
    run->then = [this](CK_RV rv) { opened.push_back(rv); };
    settle();
    return run;
  }
  void vault_says(uint32_t verdict, size_t pin_size = kDerivedPin) {
    MakeAnswer answer{};
    std::memcpy(answer.id, kId, sizeof kId);
    answer.answer = verdict;
    if (verdict != kTokenIsNot) answer.user = stored(kUser.substr(0, pin_size));
    if (verdict == kMakeIt) answer.so = stored(kOfficer);
    told.clear();
    monitor.make_answered(&answer);
    go();
  }
  /* settle(), until `stopped`. */
  void go() {
    for (;;) {
      Run* next = nullptr;
      for (auto& run : runs)
        if (ready(*run)) next = run.get();
      if (next == nullptr && (events.empty() || stopped)) return;
      if (next != nullptr)
        advance(next);
      else
        happen(0);
    }
  }
  /* What the vault has heard since the last look. */
  std::string asked() {
    std::string text;
    for (const std::string& line : std::exchange(told, {}))
      if (line.starts_with("ask ") || line.starts_with("made "))
        text += (text.empty() ? "" : ", ") + line.substr(0, line.find(' ')) +
                (line.starts_with("made ") ? line.substr(line.rfind(' ')) : "");
    return text;
  }
  /* As the vault would answer, until nobody asks. */
  void answer_all() {
    for (std::string heard_now = asked(); !heard_now.empty(); heard_now = asked())
      vault_says(heard_now == "ask" ? kMakeIt : heard_now == "made 0" ? kTokenIsNot : kTokenIsMade);
  }
  size_t tokens() const {
    return static_cast<size_t>(
        std::count_if(disk.begin(), disk.end(), [](auto& slot) { return slot.label == kId; }));
  }
  bool usable() {
    opened.clear();
    begin_open();
    answer_all();
    return opened == std::vector<CK_RV>{CKR_OK} &&
           call(kC_Login, {session, CKU_USER, word(""), 0}) == CKR_OK &&
           create(session, "key", true, true) != 0 && tokens() == 1;
  }
  std::vector<FakeLibrary::Slot> disk;
  CK_SLOT_ID next_free = 0;
  std::function<CK_RV(uint32_t, const Words&)> answers;
  bool stopped = false;
  unsigned inits = 0;
  std::vector<std::string> heard; /* PINs */
  std::vector<CK_RV> opened;
  CK_SESSION_HANDLE session = 0;
};

using Values = std::vector<CK_RV>;

}  // namespace

BOOST_AUTO_TEST_SUITE(session_making)

BOOST_AUTO_TEST_CASE(it_looks_like_a_token_before_it_is_one) {
  Demanded w;
  BOOST_TEST(w.slots().size() == 1u);
  CK_TOKEN_INFO info;
  BOOST_TEST(w.call(kC_GetTokenInfo, {1, word(&info)}) == CKR_OK);
  const CK_FLAGS shown = CKF_TOKEN_INITIALIZED | CKF_USER_PIN_INITIALIZED | CKF_LOGIN_REQUIRED |
                         CKF_PROTECTED_AUTHENTICATION_PATH;
  BOOST_TEST((info.flags & shown) == shown);
  BOOST_TEST(std::string(reinterpret_cast<char*>(info.label), 5) == "Keys ");
  CK_SLOT_INFO slot;
  BOOST_TEST(w.call(kC_GetSlotInfo, {1, word(&slot)}) == CKR_OK);
  BOOST_TEST((slot.flags & CKF_TOKEN_PRESENT) != 0u);
  BOOST_TEST(w.asked() == "");
  BOOST_TEST(w.inits == 0u); /* nothing is made by looking */
}

BOOST_AUTO_TEST_CASE(it_is_made_by_the_first_session) {
  Demanded w;
  w.begin_open();
  BOOST_TEST(w.asked() == "ask");
  BOOST_TEST(w.opened.empty());
  BOOST_TEST(w.inits == 0u); /* not before the vault says so */
  w.vault_says(kMakeIt);
  BOOST_TEST(w.asked() == "made 32");
  BOOST_TEST(w.opened.empty()); /* nor is it shown before the vault knows it */
  BOOST_TEST(w.tokens() == 1u);
  BOOST_TEST(w.disk[0].so_pin == kOfficer);
  BOOST_TEST(w.disk[0].pin == kUser);
  w.vault_says(kTokenIsMade);
  BOOST_TEST(w.opened == Values{CKR_OK});
  BOOST_TEST(w.call(kC_Login, {w.session, CKU_USER, word("whatever"), 8}) == CKR_OK);
  BOOST_TEST(w.heard == (std::vector<std::string>{kOfficer, kUser}));
  CK_TOKEN_INFO info;
  BOOST_TEST(w.call(kC_GetTokenInfo, {1, word(&info)}) == CKR_OK);
  BOOST_TEST(std::string(reinterpret_cast<char*>(info.label), 5) == "Keys ");
  BOOST_TEST(w.create(w.session, "key", true) != 0u);
  w.open(1);
  BOOST_TEST(w.asked() == "");
  BOOST_TEST(w.inits == 1u);
}

BOOST_AUTO_TEST_CASE(two_sessions_at_once_make_one) {
  Demanded w;
  w.begin_open();
  w.begin_open();
  BOOST_TEST(w.asked() == "ask");
  w.vault_says(kMakeIt);
  w.vault_says(kTokenIsMade);
  BOOST_TEST(w.opened == (Values{CKR_OK, CKR_OK}));
  BOOST_TEST(w.inits == 1u);
}

BOOST_AUTO_TEST_CASE(another_has_made_it) {
  Demanded w({{10, "another"}, {11, kId, "1", kUser.substr(0, 12)}});
  w.begin_open();
  w.vault_says(kTokenIsMade, 12);
  BOOST_TEST(w.opened == Values{CKR_OK});
  BOOST_TEST(w.call(kC_Login, {w.session, CKU_USER, word(""), 0}) == CKR_OK);
  BOOST_TEST(w.heard == std::vector<std::string>{kUser.substr(0, 12)});
  BOOST_TEST(w.inits == 0u);
}

/* A token of somebody else's is never initialised, whatever it is called. */
BOOST_AUTO_TEST_CASE(only_a_free_slot_is_taken) {
  Demanded w({{10, "another", "1", "1234"}, {11, "0123456789abcdef0123456789abcdeF"}, {12, ""}});
  const auto before = w.disk;
  w.next_free = 13; /* the library shows another free slot then */
  BOOST_TEST(w.usable());
  BOOST_TEST(w.disk[0].label == before[0].label);
  BOOST_TEST(w.disk[0].pin == before[0].pin);
  BOOST_TEST(w.disk[1].label == before[1].label);
  BOOST_TEST(w.disk[2].label == kId);
}

BOOST_AUTO_TEST_CASE(no_free_slot_is_tried_again) {
  Demanded w({{10, "another"}});
  for (int i = 0; i < 2; i++) {
    w.opened.clear();
    w.begin_open();
    BOOST_TEST(w.asked() == "ask");
    w.vault_says(kMakeIt);
    BOOST_TEST(w.asked() == "made 0");
    BOOST_TEST(w.opened == Values{CKR_TOKEN_NOT_PRESENT});
    w.vault_says(kTokenIsNot);
  }
  BOOST_TEST(w.inits == 0u);
  w.processes[0].library->slots.push_back({11, ""});
  BOOST_TEST(w.usable());
}

BOOST_AUTO_TEST_CASE(pins_as_long_as_the_token_takes) {
  FakeLibrary::Slot slot{10, ""};
  slot.most = 12;
  Demanded w({slot});
  w.begin_open();
  w.vault_says(kMakeIt);
  BOOST_TEST(w.asked() == "made 12");
  BOOST_TEST(w.disk[0].pin == kUser.substr(0, 12));
  BOOST_TEST(w.disk[0].so_pin == kOfficer.substr(0, 12));
  for (CK_ULONG most : {0, 7}) { /* too short to be a secret */
    slot.most = most;
    Demanded short_pin({slot});
    short_pin.begin_open();
    short_pin.vault_says(kMakeIt);
    BOOST_TEST(short_pin.asked() == "made 0");
    BOOST_TEST(short_pin.opened == Values{CKR_DEVICE_ERROR});
    BOOST_TEST(short_pin.inits == 0u);
  }
}

/*
 * The library dies before or after its n-th call of the making. Nobody has seen a token then, and
 * the next one who asks gets a whole one: the only one.
 */
BOOST_AUTO_TEST_CASE(the_library_dies_at_each_step) {
  unsigned steps = 0;
  for (bool before : {true, false})
    for (unsigned n = 1;; n++) {
      Demanded w;
      w.next_free = 20;
      w.begin_open();
      BOOST_REQUIRE(w.asked() == "ask");
      MakeAnswer answer{};
      std::memcpy(answer.id, kId, sizeof kId);
      answer.answer = kMakeIt;
      answer.user = stored(kUser);
      answer.so = stored(kOfficer);
      w.monitor.make_answered(&answer);
      unsigned executed = 0;
      bool dead = false;
      for (;;) {
        World::Run* next = nullptr;
        for (auto& run : w.runs)
          if (w.ready(*run)) next = run.get();
        if (next != nullptr) {
          w.advance(next);
          continue;
        }
        if (w.events.empty()) break;
        const bool executes = w.events.front().kind == World::Event::Kind::kExecute;
        if (executes && ++executed == n && before) w.kill(0), dead = true;
        if (dead) break;
        w.happen(0);
        if (executes && executed == n) {
          w.kill(0), dead = true;
          break;
        }
      }
      if (!dead) break;
      steps++;
      w.settle();
      const std::string heard = w.asked();
      BOOST_TEST(heard == "made 0", n << " " << heard);
      BOOST_TEST(w.opened.size() == 1u);
      if (!w.opened.empty()) BOOST_TEST(w.opened[0] != CKR_OK);
      w.vault_says(kTokenIsNot);
      BOOST_TEST(w.usable(), "died " << (before ? "before" : "after") << " call " << n);
    }
  BOOST_TEST(steps >= 16u); /* list, look, initialise, list, look, open, log in, PIN, out, close */
}

/* It fails instead: the same. */
BOOST_AUTO_TEST_CASE(each_step_fails) {
  for (uint32_t function : {kC_GetSlotList, kC_InitToken, kC_OpenSession, kC_Login, kC_InitPIN,
                            kC_Logout, kC_CloseSession}) {
    Demanded w;
    w.next_free = 20;
    w.answers = [&](uint32_t called, const Words&) -> CK_RV {
      return called == function ? CKR_FUNCTION_FAILED : CKR_OK;
    };
    w.begin_open();
    w.vault_says(kMakeIt);
    BOOST_TEST(w.asked() == "made 0", kFunctionTable[function].name);
    BOOST_TEST(w.opened == Values{CKR_DEVICE_ERROR});
    w.vault_says(kTokenIsNot);
    w.answers = nullptr;
    BOOST_TEST(w.usable(), kFunctionTable[function].name);
  }
}

/* The vault goes while it is asked, while the token is made, and before it says that it is. */
BOOST_AUTO_TEST_CASE(the_vault_dies) {
  for (int when = 0; when < 3; when++) {
    Demanded w;
    w.next_free = 20;
    w.begin_open();
    if (when == 1)
      w.answers = [&](uint32_t function, const Words&) -> CK_RV {
        w.stopped |= function == kC_InitPIN;
        return CKR_OK;
      };
    if (when > 0) w.vault_says(kMakeIt);
    w.stopped = false;
    w.monitor.make_answered(nullptr);
    w.settle();
    BOOST_TEST(w.opened.size() == 1u, when);
    if (!w.opened.empty()) BOOST_TEST(w.opened[0] != CKR_OK);
    w.answers = nullptr;
    w.asked();
    BOOST_TEST(w.usable(), when);
  }
}

/* A library that says that the token is there, and then that it is not. */
BOOST_AUTO_TEST_CASE(a_library_that_lies) {
  for (int lie = 0; lie < 3; lie++) {
    Demanded w;
    w.answers = [&](uint32_t function, const Words& words) -> CK_RV {
      if (function == kC_InitToken && lie == 0) { /* it says that it did, and did not */
        std::memset(at<char>(words.w[3]), 'x', 32);
      }
      return CKR_OK;
    };
    w.begin_open();
    if (lie == 1)
      w.processes[0].library->tamper = [](uint32_t function, Message* reply) {
        if (function == kC_GetSlotList) reply->bytes.resize(reply->bytes.size() / 2);
      };
    if (lie == 2)
      w.processes[0].library->tamper = [](uint32_t function, Message* reply) {
        if (function == kC_OpenSession) reply->rec.handle_count = 0;
      };
    w.vault_says(kMakeIt);
    BOOST_TEST(w.asked() == "made 0", lie);
    BOOST_TEST(w.opened.size() == 1u, lie);
    if (!w.opened.empty()) BOOST_TEST(w.opened[0] != CKR_OK);
  }
}

/* Who makes it gives up in the middle: no session of the security officer's stays behind. */
BOOST_AUTO_TEST_CASE(who_makes_it_gives_up) {
  Demanded w({{10, ""}}, 0, kBackendTokenLock);
  w.next_free = 20;
  w.answers = [&](uint32_t function, const Words&) -> CK_RV {
    w.processes[0].lock_fails = function == kC_Login; /* there is none for C_InitPIN */
    return CKR_OK;
  };
  w.begin_open();
  w.vault_says(kMakeIt);
  BOOST_TEST((w.opened == std::vector<CK_RV>{CKR_DEVICE_ERROR}));
  BOOST_TEST(w.asked() == "made 0");
  w.vault_says(kTokenIsNot);
  w.answers = nullptr;
  w.processes[0].lock_fails = false;
  BOOST_TEST(w.usable());
  BOOST_TEST(w.call(kC_CloseSession, {w.session}) == CKR_OK);
  BOOST_TEST(w.processes[0].library->sessions.empty());
}

/* Or the whole client does. */
BOOST_AUTO_TEST_CASE(who_makes_it_goes) {
  Demanded w({{10, ""}});
  w.next_free = 20;
  w.answers = [&](uint32_t function, const Words&) -> CK_RV {
    w.stopped |= function == kC_InitPIN;
    return CKR_OK;
  };
  World::Run* run = w.begin_open();
  w.vault_says(kMakeIt);
  w.stopped = false;
  BOOST_REQUIRE(!w.events.empty()); /* the reply to C_InitPIN */
  w.happen(0);
  BOOST_TEST(w.call(kC_Finalize, {0}) == CKR_OK); /* by another thread */
  BOOST_TEST(run->answered);
  w.answers = nullptr;
  w.asked();
  w.vault_says(kTokenIsNot);
  BOOST_REQUIRE(w.initialize() == CKR_OK);
  BOOST_TEST(w.usable());
}

/* Words of the vault's that nobody has asked for change nothing. */
BOOST_AUTO_TEST_CASE(words_that_were_not_asked_for) {
  Demanded w;
  w.vault_says(kMakeIt);
  w.vault_says(kTokenIsNot);
  BOOST_TEST(w.inits == 0u);
  BOOST_TEST(w.usable());
  w.vault_says(kMakeIt);
  w.vault_says(kTokenIsNot);
  w.monitor.make_answered(nullptr);
  BOOST_TEST(w.inits == 1u);
  BOOST_TEST(w.create(w.session, "another", true) != 0u);
}

/* The layer below, or above, one that is not there yet is served all the same. */
BOOST_AUTO_TEST_CASE(with_other_layers) {
  for (bool above : {true, false}) {
    std::vector<PortfolioLayer> layers = {
        layer_plan(0, kId, kLayerOnDemand | kLayerUnmade, kPinStored), layer_plan(1, "ours")};
    if (!above) std::swap(layers[0], layers[1]);
    TokenPlan plan = layered_plan(1, "Both", layers);
    plan.pins = {kUser};
    World w(Plans{{backend_plan(0), backend_plan(1)}, {plan}});
    w.processes[0] = process({{10, ""}});
    w.processes[1] = process({{20, "ours", "7", "1234", {CKM_RSA_PKCS}}});
    BOOST_REQUIRE(w.initialize() == CKR_OK);
    CK_TOKEN_INFO info;
    BOOST_TEST(w.call(kC_GetTokenInfo, {1, word(&info)}) == CKR_OK);
    BOOST_TEST(info.ulMaxPinLen == 255u); /* of the layer that asks */
    BOOST_TEST(w.processes[0].starts == 0u);
    BOOST_TEST(w.processes[1].starts == 1u);
  }
}

BOOST_AUTO_TEST_SUITE_END()
