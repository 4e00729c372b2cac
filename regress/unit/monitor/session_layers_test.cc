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
 * SessionMonitor over tokens of several layers: which layer a call goes to, what a layer's failure
 * does to the others, and what a PIN does to any of them.
 */
#include "session_layers_fixture.h"

namespace mp11::session_test {

BOOST_AUTO_TEST_SUITE(session_layers)

BOOST_AUTO_TEST_CASE(searches_go_through_all_layers) {
  for (CK_ULONG batch : {1, 2, 3, 4, 5, 8}) {
    Layered w;
    BOOST_TEST((w.processes[1].library == nullptr)); /* not before it is needed */
    BOOST_TEST((ids(&w, batch) == std::set<std::string>{"mine-5", "ours-5", "ours-6", "all-7"}));
    BOOST_TEST((ids(&w, batch).size() == 4u)); /* and again */
  }
}

BOOST_AUTO_TEST_CASE(a_search_ends_in_all_layers) {
  Layered w;
  CK_OBJECT_HANDLE found[1];
  CK_ULONG count = 0;
  BOOST_TEST(w.call(kC_FindObjectsInit, {w.session, 0, 0}) == CKR_OK);
  BOOST_TEST(w.call(kC_FindObjects, {w.session, word(found), 1, word(&count)}) == CKR_OK);
  BOOST_TEST(w.call(kC_FindObjectsFinal, {w.session}) == CKR_OK);
  BOOST_TEST(w.library(0).count(kC_FindObjectsFinal) == 1u);
  BOOST_TEST(w.library(1).count(kC_FindObjectsFinal) == 2u);
  BOOST_TEST(w.library(1).count(kC_FindObjectsInit) == 2u);
}

BOOST_AUTO_TEST_CASE(one_search_at_a_time) {
  Layered w;
  CK_OBJECT_HANDLE found[8];
  CK_ULONG count = 0;
  auto next = [&] { return w.call(kC_FindObjects, {w.session, word(found), 3, word(&count)}); };
  BOOST_TEST(next() == CKR_OPERATION_NOT_INITIALIZED);
  for (unsigned i = 0; i < 3; i++) {
    BOOST_TEST(w.call(kC_FindObjectsInit, {w.session, 0, 0}) == CKR_OK);
    BOOST_TEST(next() == CKR_OK);
    BOOST_TEST(count == 3u);
    BOOST_TEST(w.call(kC_FindObjectsInit, {w.session, 0, 0}) == CKR_OPERATION_ACTIVE);
    BOOST_TEST(next() == CKR_OK); /* the first one goes on */
    BOOST_TEST(count == 1u);
    BOOST_TEST(next() == CKR_OK);
    BOOST_TEST(count == 0u);
    BOOST_TEST(w.call(kC_FindObjectsFinal, {w.session}) == CKR_OK);
    BOOST_TEST(w.call(kC_FindObjectsFinal, {w.session}) == CKR_OPERATION_NOT_INITIALIZED);
    if (i == 1) w.kill(0); /* the others' are not in the way of the next one */
  }
  BOOST_TEST(w.call(kC_FindObjectsInit, {w.session, 0, 0}) == CKR_OK);
  w.kill(0);
  BOOST_TEST(w.call(kC_FindObjectsInit, {w.session, 0, 0}) == CKR_OK);
  BOOST_TEST(next() == CKR_OK);
  BOOST_TEST(count == 3u);
}

BOOST_AUTO_TEST_CASE(the_first_layer_judges_a_search) {
  Layered w;
  w.library(0).answer = [](uint32_t f, const Words&) -> CK_RV {
    return f == kC_FindObjectsInit ? CKR_ATTRIBUTE_TYPE_INVALID : CKR_OK;
  };
  BOOST_TEST(w.call(kC_FindObjectsInit, {w.session, 0, 0}) == CKR_ATTRIBUTE_TYPE_INVALID);
  BOOST_TEST((w.processes[1].library == nullptr));
}

BOOST_AUTO_TEST_CASE(keys_work_where_they_lie) {
  Layered w;
  for (const char* id : {"mine-5", "ours-5", "ours-6", "all-7", "mine-5"})
    BOOST_TEST(w.signed_with(w.named(id)) == id);
  BOOST_TEST(w.signed_with(5) == ""); /* a real handle is none */
  BOOST_TEST(w.last_rv == CKR_KEY_HANDLE_INVALID);
}

BOOST_AUTO_TEST_CASE(an_operation_stays_on_its_layer) {
  Layered w;
  CK_OBJECT_HANDLE mine = w.named("mine-5"), ours = w.named("ours-5");
  CK_MECHANISM mechanism{CKM_RSA_PKCS, nullptr, 0};
  char out[32], data[] = "data";
  CK_ULONG length = 0;
  BOOST_TEST(w.call(kC_SignInit, {w.session, word(&mechanism), ours}) == CKR_OK);
  BOOST_TEST(w.call(kC_SignInit, {w.session, word(&mechanism), mine}) == CKR_OPERATION_ACTIVE);
  BOOST_TEST(w.call(kC_Sign, {w.session, word(data), 4, 0, word(&length)}) == CKR_OK);
  BOOST_TEST(length == 6u);
  length = 2;
  BOOST_TEST(w.call(kC_Sign, {w.session, word(data), 4, word(out), word(&length)}) ==
             CKR_BUFFER_TOO_SMALL);
  BOOST_TEST(w.call(kC_SignInit, {w.session, word(&mechanism), mine}) == CKR_OPERATION_ACTIVE);
  length = sizeof out;
  BOOST_TEST(w.call(kC_Sign, {w.session, word(data), 4, word(out), word(&length)}) == CKR_OK);
  BOOST_TEST(std::string(out, length) == "ours-5");
  BOOST_TEST(w.signed_with(mine) == "mine-5"); /* it is over */
}

BOOST_AUTO_TEST_CASE(handles_of_two_layers_in_one_call) {
  Layered w;
  CK_OBJECT_HANDLE mine = w.named("mine-5"), ours = w.named("ours-5");
  CK_MECHANISM mechanism{CKM_RSA_PKCS, nullptr, 0};
  CK_ULONG length = 0;
  BOOST_TEST(w.call(kC_WrapKey, {w.session, word(&mechanism), mine, ours, 0, word(&length)}) ==
             CKR_KEY_HANDLE_INVALID);
  BOOST_TEST(w.library(0).count(kC_WrapKey) == 0u);
  BOOST_TEST(w.library(1).count(kC_WrapKey) == 0u);
}

BOOST_AUTO_TEST_CASE(handles_of_another_token) {
  Layered w;
  CK_OBJECT_HANDLE mine = w.named("mine-5");
  CK_SESSION_HANDLE other = w.open(2);
  CK_OBJECT_HANDLE others = w.find(other).at(0);
  BOOST_TEST(w.id_of(other, others) == "other-6");
  BOOST_TEST(w.id_of(w.session, others) == "");
  BOOST_TEST(w.id_of(other, mine) == "");
  BOOST_TEST(w.id_of(other, w.named("ours-5")) == "");
}

BOOST_AUTO_TEST_CASE(one_pin_for_all_layers) {
  Layered w;
  BOOST_TEST(w.login("1234") == CKR_OK);
  BOOST_TEST(w.slot(0, 0).logged_in);
  BOOST_TEST(w.slot(1, 0).logged_in);
  BOOST_TEST(w.login("1234") == CKR_USER_ALREADY_LOGGED_IN);
  CK_SESSION_HANDLE second = w.open(1);
  BOOST_TEST(w.call(kC_CloseSession, {w.session}) == CKR_OK);
  BOOST_TEST(w.slot(1, 0).logged_in); /* as long as the token has a session */
  w.session = second;
  BOOST_TEST(w.call(kC_Logout, {w.session}) == CKR_OK);
  BOOST_TEST(!w.slot(0, 0).logged_in);
  BOOST_TEST(!w.slot(1, 0).logged_in);
  BOOST_TEST(w.call(kC_Logout, {w.session}) == CKR_USER_NOT_LOGGED_IN);
}

BOOST_AUTO_TEST_CASE(a_wrong_pin_is_counted_once) {
  Layered w;
  for (unsigned i = 0; i < 2; i++) BOOST_TEST(w.login("4321") == CKR_PIN_INCORRECT);
  BOOST_TEST(w.slot(0, 0).wrong == 2u);
  BOOST_TEST((w.processes[1].library == nullptr || w.slot(1, 0).wrong == 0u));
}

BOOST_AUTO_TEST_CASE(another_layers_pin_never_locks_one) {
  Layered w;
  w.named("ours-5"); /* starts it */
  w.slot(1, 0).pin = "another";
  for (unsigned i = 0; i < 20; i++) {
    BOOST_TEST(w.login("1234") == CKR_OK);
    BOOST_TEST(w.call(kC_Logout, {w.session}) == CKR_OK);
  }
  BOOST_TEST(w.slot(1, 0).wrong == 1u);

  Layered again; /* another connection, to a token that counts already */
  again.named("ours-5");
  again.slot(1, 0).pin = "another";
  again.slot(1, 0).wrong = 1;
  BOOST_TEST(again.login("1234") == CKR_OK);
  BOOST_TEST(again.slot(1, 0).wrong == 1u);
  BOOST_TEST(!again.slot(1, 0).logged_in);
}

BOOST_AUTO_TEST_CASE(a_required_layer_has_a_say_in_the_login) {
  Layered w(kLayerReadOnly | kLayerRequired);
  w.slot(1, 0).pin = "another";
  BOOST_TEST(w.login("1234") == CKR_PIN_INCORRECT);
  BOOST_TEST(!w.slot(0, 0).logged_in);
  w.slot(1, 0).pin = "1234";
  BOOST_TEST(w.login("1234") == CKR_OK);
}

BOOST_AUTO_TEST_CASE(closing_leaves_nothing_open) {
  for (uint32_t how : {uint32_t{kC_CloseSession}, uint32_t{kC_CloseAllSessions}}) {
    Layered w;
    w.named("ours-5");
    BOOST_TEST(w.login("1234") == CKR_OK);
    BOOST_TEST(w.call(how, {how == kC_CloseSession ? w.session : CK_ULONG{1}}) == CKR_OK);
    BOOST_TEST(w.library(0).sessions.empty());
    BOOST_TEST(w.library(1).sessions.empty());
    BOOST_TEST(!w.slot(1, 0).logged_in);
    BOOST_TEST(w.call(kC_Logout, {w.session}) == CKR_SESSION_HANDLE_INVALID);
  }
}

BOOST_AUTO_TEST_CASE(a_layer_that_dies) {
  Layered w;
  CK_OBJECT_HANDLE mine = w.named("mine-5"), ours = w.named("ours-5");
  CK_MECHANISM mechanism{CKM_RSA_PKCS, nullptr, 0};
  BOOST_TEST(w.call(kC_SignInit, {w.session, word(&mechanism), ours}) == CKR_OK);
  w.kill(1);
  char out[32];
  CK_ULONG length = sizeof out;
  BOOST_TEST(w.call(kC_Sign, {w.session, word(out), 4, word(out), word(&length)}) ==
             CKR_DEVICE_REMOVED);
  BOOST_TEST(w.id_of(w.session, mine) == "mine-5");
  BOOST_TEST(w.id_of(w.session, ours) == "");
  BOOST_TEST(w.last_rv == CKR_DEVICE_REMOVED);
  BOOST_TEST(w.id_of(w.session, w.named("ours-5")) == "ours-5"); /* a new instance, a new handle */
  BOOST_TEST(w.id_of(w.session, ours) == "");
  w.kill(0);
  BOOST_TEST(w.id_of(w.session, w.named("mine-5")) == "mine-5");
  BOOST_TEST(w.id_of(w.session, mine) == "");
}

BOOST_AUTO_TEST_CASE(a_required_layer_that_dies_takes_the_token) {
  Layered w(kLayerReadOnly | kLayerRequired);
  CK_OBJECT_HANDLE mine = w.named("mine-5");
  BOOST_TEST(w.login("1234") == CKR_OK);
  w.kill(1);
  BOOST_TEST(w.id_of(w.session, mine) == "");
  BOOST_TEST(w.last_rv == CKR_SESSION_HANDLE_INVALID);
  w.session = w.open(1);
  BOOST_TEST(w.library(0).sessions.size() == 1u); /* what it had there has been closed */
  BOOST_TEST(!w.slot(0, 0).logged_in);
  BOOST_TEST(w.id_of(w.session, mine) == "");
}

BOOST_AUTO_TEST_CASE(a_layer_that_cannot_be_had) {
  for (uint32_t missing : {0u, 1u}) {
    Layered w;
    w.kill(missing);
    w.processes[missing].spawn_error = kSpawnFailed;
    const std::set<std::string> left = missing == 0
                                           ? std::set<std::string>{"ours-5", "ours-6", "all-7"}
                                           : std::set<std::string>{"mine-5"};
    BOOST_TEST((ids(&w, 3) == left));
    CK_TOKEN_INFO info;
    CK_MECHANISM_TYPE mechanisms[8];
    CK_ULONG count = 8;
    BOOST_TEST(w.call(kC_GetTokenInfo, {1, word(&info)}) == CKR_OK);
    BOOST_TEST(w.call(kC_GetMechanismList, {1, word(mechanisms), word(&count)}) == CKR_OK);
    BOOST_TEST(count == (missing == 0 ? 3u : 2u));
    BOOST_TEST(w.login("1234") == CKR_OK);
    w.open(1);
    CK_SESSION_INFO session;
    BOOST_TEST(w.call(kC_GetSessionInfo, {w.session, word(&session)}) == CKR_OK);
    BOOST_TEST((session.flags & CKF_RW_SESSION) != 0u);
    /* A new key must not lie where nobody looks for it. */
    if (missing == 0) BOOST_TEST(w.create(w.session, "new", true) == 0u);
    w.processes[missing].spawn_error = kSpawnOk;
    BOOST_TEST(ids(&w, 3).size() == 4u); /* when it is there again */
  }
  Layered w;
  w.kill(0);
  w.processes[0].spawn_error = w.processes[1].spawn_error = kSpawnFailed;
  CK_TOKEN_INFO info;
  BOOST_TEST(w.call(kC_GetTokenInfo, {1, word(&info)}) == CKR_DEVICE_ERROR);
  BOOST_TEST(w.call(kC_FindObjectsInit, {w.session, 0, 0}) == CKR_DEVICE_ERROR);
}

/* A required layer that fails just when a session is on its way. */
BOOST_AUTO_TEST_CASE(a_required_layer_that_dies_during_open) {
  Layered w(kLayerReadOnly | kLayerRequired);
  BOOST_TEST(w.call(kC_CloseSession, {w.session}) == CKR_OK);
  w.kill(0);
  CK_SESSION_HANDLE session = 0;
  CK_RV rv = CKR_OK;
  World::Run* run = w.begin(kC_OpenSession, Words{{1, CKF_SERIAL_SESSION, 0, 0, word(&session)}});
  run->then = [&](CK_RV value) { rv = value; };
  w.advance(run); /* asks for the first layer's process */
  w.kill(1);
  w.processes[1].spawn_error = kSpawnFailed;
  w.settle();
  BOOST_TEST(run->answered);
  BOOST_TEST(rv == CKR_DEVICE_ERROR);
  w.processes[1].spawn_error = kSpawnOk;
  w.session = w.open(1);
  BOOST_TEST(w.login("1234") == CKR_OK);
}

/* Whatever their order, all layers are logged in or none is. */
BOOST_AUTO_TEST_CASE(login_and_logout_at_once) {
  for (unsigned seed = 1; seed <= 200; seed++) {
    Layered w;
    w.named("ours-5");
    uint32_t x = seed * 2654435761u;
    auto below = [&x](size_t n) {
      x ^= x << 13, x ^= x >> 17, x ^= x << 5;
      return x % n;
    };
    for (uint32_t function : {uint32_t{kC_Login}, uint32_t{kC_Logout}, uint32_t{kC_Login}})
      w.begin(function, Words{{w.session, CKU_USER, word("1234"), 4}});
    for (;;) {
      std::vector<World::Run*> ready;
      for (auto& run : w.runs)
        if (w.ready(*run)) ready.push_back(run.get());
      const size_t choices = ready.size() + w.events.size();
      if (choices == 0) break;
      const size_t choice = below(choices);
      if (choice < ready.size())
        w.advance(ready[choice]);
      else
        w.happen(choice - ready.size());
    }
    for (auto& run : w.runs) BOOST_TEST(run->answered);
    BOOST_TEST(w.slot(0, 0).logged_in == w.slot(1, 0).logged_in, "seed " << seed);
    w.forget_answered();
  }
}

BOOST_AUTO_TEST_CASE(merged_infos) {
  Layered w;
  CK_TOKEN_INFO info;
  BOOST_TEST(w.call(kC_GetTokenInfo, {1, word(&info)}) == CKR_OK);
  BOOST_TEST(std::string(reinterpret_cast<char*>(info.label), 14) == "Mine and ours ");
  BOOST_TEST(std::string(reinterpret_cast<char*>(info.serialNumber), 16) == "0000000000000001");
  BOOST_TEST((info.flags & CKF_LOGIN_REQUIRED) != 0u);
  BOOST_TEST((info.flags & CKF_WRITE_PROTECTED) == 0u);
  CK_SLOT_INFO slot;
  BOOST_TEST(w.call(kC_GetSlotInfo, {1, word(&slot)}) == CKR_OK);
  BOOST_TEST(std::string(reinterpret_cast<char*>(slot.slotDescription), 13) == "Mine and ours");

  CK_MECHANISM_TYPE list[8];
  CK_ULONG count = 0;
  BOOST_TEST(w.call(kC_GetMechanismList, {1, 0, word(&count)}) == CKR_OK);
  BOOST_TEST(count == 4u);
  count = 3;
  BOOST_TEST(w.call(kC_GetMechanismList, {1, word(list), word(&count)}) == CKR_BUFFER_TOO_SMALL);
  count = 8;
  BOOST_TEST(w.call(kC_GetMechanismList, {1, word(list), word(&count)}) == CKR_OK);
  const CK_MECHANISM_TYPE expected[] = {CKM_RSA_PKCS, CKM_SHA256, CKM_ECDSA, CKM_AES_CBC};
  BOOST_TEST(std::equal(list, list + count, expected, expected + 4));
  CK_MECHANISM_INFO m;
  BOOST_TEST(w.call(kC_GetMechanismInfo, {1, CKM_RSA_PKCS, word(&m)}) == CKR_OK);
  BOOST_TEST(m.ulMinKeySize == 10u); /* of two layers */
  BOOST_TEST(m.ulMaxKeySize == 200u);
  BOOST_TEST(m.flags == (1u << 10 | 1u));
  BOOST_TEST(w.call(kC_GetMechanismInfo, {1, CKM_AES_CBC, word(&m)}) == CKR_OK);
  BOOST_TEST(m.ulMinKeySize == 21u);
  BOOST_TEST(w.call(kC_GetMechanismInfo, {1, 99, word(&m)}) == CKR_MECHANISM_INVALID);
}

/* A layer's library that breaks the rules loses its own layer. */
BOOST_AUTO_TEST_CASE(a_rogue_layer_harms_itself) {
  using Tamper = std::function<void(uint32_t, Message*)>;
  for (const Tamper& tamper : {Tamper([](uint32_t f, Message*m) {
                                 if (f == kC_FindObjects) m->list.assign(5000, 5);
                               }),
                               Tamper([](uint32_t f, Message*m) {
                                 if (f == kC_OpenSession) m->rec.handle_count = 3;
                               }),
                               Tamper([](uint32_t f, Message*m) {
                                 if (f == kC_FindObjectsInit) m->list.push_back(7);
                               })}) {
    Layered w;
    w.processes[1].make = [&] {
      auto library = std::make_unique<FakeLibrary>(
          std::vector<FakeLibrary::Slot>{{20, "ours", "1", "1234"}, {21, "all"}});
      library->tamper = tamper;
      return library;
    };
    BOOST_TEST((ids(&w, 8) == std::set<std::string>{"mine-5"}));
    BOOST_TEST(w.signed_with(w.named("mine-5")) == "mine-5");
  }
}

/*
 * Whatever happens in whatever order, a handle shows the object that it was given for or none: the
 * model is a map of handles to what they showed first.
 */
BOOST_AUTO_TEST_CASE(random_calls_over_layers) {
  for (uint64_t seed = 1; seed <= 30; seed++) {
    Layered w(seed % 2 != 0 ? uint32_t{kLayerReadOnly} : 0u,
              seed % 3 == 0 ? uint32_t{kLayerRequired} : 0u);
    uint64_t x = seed * 0x9e3779b97f4a7c15u + 1;
    auto below = [&x](size_t n) {
      x ^= x << 13, x ^= x >> 7, x ^= x << 17;
      return static_cast<size_t>(x % n);
    };
    std::map<CK_OBJECT_HANDLE, std::string> shown;
    std::vector<CK_SESSION_HANDLE> sessions = {w.session};
    unsigned made = 0;
    for (unsigned step = 0; step < 300; step++) {
      if (sessions.empty()) sessions.push_back(w.open(1));
      CK_SESSION_HANDLE s = w.session = sessions[below(sessions.size())];
      switch (below(12)) {
        case 0:
          if (sessions.size() < 5) sessions.push_back(w.open(1));
          break;
        case 1:
          w.call(kC_CloseSession, {s});
          std::erase(sessions, s);
          break;
        case 2:
          w.login(below(4) != 0 ? "1234" : "4321");
          for (auto& [number, p] : w.processes)
            if (p.library != nullptr) p.library->slots[0].wrong = 0;
          break;
        case 3:
          w.call(kC_Logout, {s});
          break;
        case 4:
          if (below(6) == 0) w.kill(static_cast<uint32_t>(below(2)));
          break;
        case 5:
        case 6: {
          const std::string id = "made-" + std::to_string(++made);
          if (CK_OBJECT_HANDLE h = w.create(s, id, below(2) != 0, below(2) != 0); h != 0)
            BOOST_REQUIRE(shown.emplace(h, id).second);
          break;
        }
        case 7:
          if (w.call(kC_FindObjectsInit, {s, 0, 0}) == CKR_OK) {
            CK_OBJECT_HANDLE found[64];
            CK_ULONG count = 0;
            w.call(kC_FindObjects, {s, word(found), 1 + below(64), word(&count)});
            for (CK_ULONG i = 0; i < count; i++)
              if (std::string id = w.id_of(s, found[i]); !id.empty()) shown.emplace(found[i], id);
            w.call(kC_FindObjectsFinal, {s});
          }
          break;
        case 8:
          if (!shown.empty())
            w.call(kC_DestroyObject,
                   {s, std::next(shown.begin(), static_cast<long>(below(shown.size())))->first});
          break;
        default:
          for (const auto& [handle, id] : shown) {
            const std::string now = w.id_of(s, handle);
            BOOST_REQUIRE_MESSAGE(now.empty() || now == id, "seed " << seed << ": " << handle
                                                                    << " was " << id << ", is "
                                                                    << now);
          }
      }
      std::erase_if(sessions, [&](CK_SESSION_HANDLE h) {
        CK_SESSION_INFO info;
        return w.call(kC_GetSessionInfo, {h, word(&info)}) == CKR_SESSION_HANDLE_INVALID;
      });
    }
    w.call(kC_CloseAllSessions, {1});
    for (auto& [number, p] : w.processes)
      if (p.library != nullptr) BOOST_TEST(p.library->sessions.empty());
  }
}

/* The log says since when a layer is away, and that it is back; not each time that it is missed. */
BOOST_AUTO_TEST_CASE(the_host_hears_of_a_layer_that_is_left_out) {
  Layered w;
  w.named("ours-5"); /* starts it */
  w.told.clear();
  w.kill(1);
  w.processes[1].spawn_error = kSpawnFailed;
  for (int i = 0; i < 3; i++) w.find(w.session);
  BOOST_REQUIRE(!w.told.empty());
  for (const std::string& line : w.told) BOOST_TEST(line.ends_with(" left out"), line);
  const std::set<std::string> once(w.told.begin(), w.told.end());
  BOOST_TEST(once.size() == w.told.size());
  const size_t away = w.told.size();
  w.told.clear();
  w.processes[1].spawn_error = kSpawnOk;
  for (int i = 0; i < 3; i++) w.find(w.session);
  BOOST_TEST(w.told.size() == away);
  for (const std::string& line : w.told) BOOST_TEST(line.ends_with(" there"), line);
}

/* C_Finalize ends what outlives a library's death, too. */
BOOST_AUTO_TEST_CASE(nothing_outlives_finalize) {
  for (uint32_t flags : {0u, uint32_t{kLayerRequired}}) {
    World w(Plans{{backend_plan(0), backend_plan(1)},
                  {layered_plan(1, "T", {layer_plan(0, "a", flags), layer_plan(1, "b", flags)})}});
    w.processes[0] = process({{10, "a"}});
    w.processes[1] = process({{20, "b"}});
    BOOST_REQUIRE(w.initialize() == CKR_OK);
    const CK_SESSION_HANDLE session = w.open(1);
    const CK_OBJECT_HANDLE object = w.create(session, "x", true);
    BOOST_TEST(w.call(kC_Finalize, {0}) == CKR_OK);
    BOOST_TEST(w.monitor.session_count() == 0u);
    BOOST_REQUIRE(w.initialize() == CKR_OK);
    BOOST_TEST(w.call(kC_FindObjectsInit, {session, 0, 0}) == CKR_SESSION_HANDLE_INVALID);
    BOOST_TEST(w.call(kC_DestroyObject, {w.open(1), object}) == CKR_OBJECT_HANDLE_INVALID);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace mp11::session_test
