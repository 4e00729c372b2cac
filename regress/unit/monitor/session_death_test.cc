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
/* SessionMonitor with backends that die, fail to start, and with locks that are not to be had. */
#include "session_fixture.h"

namespace mp11::session_test {
namespace {

BOOST_AUTO_TEST_SUITE(session_death)

/* ---- death ---- */

BOOST_AUTO_TEST_CASE(backend_dies_in_flight) {
  for (bool executed : {false, true}) {
    Transparent w;
    w.initialize();
    CK_SLOT_ID slot = w.slots()[0];
    CK_SESSION_HANDLE session = w.open(slot);
    CK_OBJECT_HANDLE object = w.create(session, "a", true);
    CK_RV value = CKR_OK;
    World::Run* run = w.begin(kC_DestroyObject, Words{{session, object}});
    run->then = [&](CK_RV rv) { value = rv; };
    w.advance(run);
    if (executed) w.happen(0);
    w.kill(0);
    w.settle();
    BOOST_TEST(value == CKR_DEVICE_REMOVED);
    BOOST_TEST(w.id_of(session, object) == "");
    BOOST_TEST(w.last_rv == CKR_SESSION_HANDLE_INVALID);
    /* The next use of the slot starts a new instance. */
    CK_SESSION_HANDLE next = w.open(slot);
    BOOST_TEST(next != session);
    BOOST_TEST(w.processes[0].starts == 2u);
    BOOST_TEST(w.id_of(next, object) == "");
  }
}

/* In each phase of the first use of a labelled token: starting, initialising, locating, opening. */
BOOST_AUTO_TEST_CASE(backend_dies_in_every_phase) {
  for (uint32_t flags : {0u, uint32_t{kBackendTokenLock}}) {
    for (size_t when = 0; when < 30; when++) {
      Labelled w(0, flags);
      w.initialize();
      std::vector<CK_RV> values;
      CK_SESSION_HANDLE sessions[2];
      for (CK_SESSION_HANDLE& session : sessions)
        w.begin(kC_OpenSession, Words{{1, 4, 0, 0, word(&session)}})->then = [&](CK_RV rv) {
          values.push_back(rv);
        };
      bool killed = false;
      for (size_t n = 0;; n++) {
        for (auto& run : w.runs)
          if (w.ready(*run)) w.advance(run.get());
        if (n == when && !w.events.empty()) {
          w.kill(3);
          killed = true;
        }
        bool more = !w.events.empty();
        if (more) w.happen(0);
        for (auto& run : w.runs) more |= w.ready(*run);
        if (!more) break;
      }
      BOOST_REQUIRE_EQUAL(values.size(), 2u);
      BOOST_TEST(!w.processes[3].locked);
      for (CK_RV rv : values)
        BOOST_TEST((rv == CKR_OK || rv == CKR_DEVICE_REMOVED || rv == CKR_DEVICE_ERROR), rv);
      w.forget_answered();
      w.open(1); /* and all is well again */
      if (!killed) break;
      BOOST_REQUIRE(when < 29);
    }
  }
}

BOOST_AUTO_TEST_CASE(starts_that_fail) {
  Labelled w;
  w.initialize();
  CK_SESSION_HANDLE session;
  w.processes[3].spawn_error = kSpawnFailed;
  BOOST_TEST(w.call(kC_OpenSession, {1, 4, 0, 0, word(&session)}) == CKR_DEVICE_ERROR);
  w.processes[3].spawn_error = kSpawnBusy;
  BOOST_TEST(w.call(kC_OpenSession, {1, 4, 0, 0, word(&session)}) == CKR_SESSION_COUNT);
  CK_TOKEN_INFO info;
  /* The token is there all the same, or no client would come so far as to be told to wait. */
  BOOST_TEST(w.call(kC_GetTokenInfo, {1, word(&info)}) == CKR_OK);
  BOOST_TEST(std::memcmp(info.label, "Alpha!  ", 8) == 0);
  BOOST_TEST(w.call(kC_GetTokenInfo, {2, word(&info)}) == CKR_OK);
  BOOST_TEST(std::memcmp(info.label, "beta   ", 7) == 0);
  CK_MECHANISM_INFO mechanism;
  BOOST_TEST(w.call(kC_GetMechanismInfo, {1, CKM_AES_CBC, word(&mechanism)}) == CKR_DEVICE_ERROR);
  w.open(3); /* the other one is not concerned */
  w.processes[3].spawn_error = kSpawnOk;
  w.open(1);

  Transparent t;
  t.processes[0].spawn_error = kSpawnFailed;
  BOOST_TEST(t.initialize() == CKR_GENERAL_ERROR);
  t.processes[0].spawn_error = kSpawnBusy; /* somebody else has the device */
  BOOST_TEST(t.initialize() == CKR_OK);
  t.processes[0].spawn_error = kSpawnOk;
  t.open(t.slots().at(0));
}

/* One of several transparent backends fails, in whichever way: the others are listed. */
BOOST_AUTO_TEST_CASE(a_slot_list_without_the_dead) {
  for (int how = 0; how < 3; how++) {
    World w({{backend_plan(0, kBackendTokenLock), backend_plan(1)},
             {token_plan(1, 0, kTokenTransparent), token_plan(2, 1, kTokenTransparent)}});
    w.processes[0] = process({{1, "x"}});
    w.processes[1] = process({{2, "y"}});
    w.initialize();
    if (how == 0) w.processes[0].spawn_error = kSpawnFailed;
    if (how == 1) w.processes[0].lock_fails = true;
    if (how == 2) {
      w.processes[0].make = [&w] {
        auto library = std::make_unique<FakeLibrary>(std::vector<FakeLibrary::Slot>{{1, "x"}});
        library->answer = [](uint32_t, const Words&) { return CKR_DEVICE_ERROR; };
        return library;
      };
    }
    BOOST_TEST(w.slots().size() == 1u);
    BOOST_TEST(!w.processes[0].locked);
  }
  World w({{backend_plan(0), backend_plan(1)},
           {token_plan(1, 0, kTokenTransparent), token_plan(2, 1, kTokenTransparent)}});
  w.processes[0] = process({{1, "x"}});
  w.processes[1] = process({{2, "y"}});
  w.initialize();
  CK_SLOT_ID all[8];
  CK_ULONG count = 8;
  World::Run* run = w.begin(kC_GetSlotList, Words{{0, word(all), word(&count)}});
  while (w.events.empty() || w.events[0].kind != World::Event::Kind::kReply) {
    if (w.ready(*run)) w.advance(run);
    w.happen(0);
  }
  w.kill(0); /* as it answers C_Initialize */
  w.settle();
  BOOST_TEST(count == 1u);
}

/* ---- locks ---- */

BOOST_AUTO_TEST_CASE(lock_modes) {
  Transparent w(kTokenTransparent | kTokenAdmin, kBackendTokenLock);
  auto& p = w.processes[0];
  w.initialize();
  BOOST_TEST((p.locks == 1 && p.last_mode == LockMode::kShared));
  CK_SLOT_ID slot = w.slots()[0];
  CK_SESSION_HANDLE session = w.open(slot);
  for (uint32_t function : {uint32_t{kC_Login}, uint32_t{kC_Logout}}) {
    unsigned before = p.locks;
    w.call(function, {session, CKU_USER, word("1234"), 4});
    BOOST_TEST(p.locks == before + 1);
    BOOST_TEST((p.last_mode == LockMode::kExclusive));
    BOOST_TEST(!p.locked);
  }
  unsigned before = p.locks;
  w.create(session, "x");
  BOOST_TEST(p.locks == before);
}

BOOST_AUTO_TEST_CASE(a_lock_that_is_not_had) {
  Transparent w(kTokenTransparent, kBackendTokenLock);
  w.initialize();
  CK_SLOT_ID slot = w.slots()[0];
  CK_SESSION_HANDLE session = w.open(slot);
  w.processes[0].lock_fails = true;
  BOOST_TEST(w.call(kC_Login, {session, CKU_USER, word("1234"), 4}) == CKR_DEVICE_ERROR);
  BOOST_TEST(w.library().count(kC_Login) == 0u);
  w.processes[0].lock_fails = false;
  BOOST_TEST(w.call(kC_Login, {session, CKU_USER, word("1234"), 4}) == CKR_OK);

  /* During C_Initialize: it can be tried again. */
  Transparent t(kTokenTransparent, kBackendTokenLock);
  t.processes[0].lock_fails = true;
  BOOST_TEST(t.initialize() == CKR_DEVICE_ERROR);
  t.processes[0].lock_fails = false;
  BOOST_TEST(t.initialize() == CKR_OK);
}

BOOST_AUTO_TEST_CASE(one_call_at_a_time_has_the_lock) {
  Transparent w(kTokenTransparent, kBackendTokenLock);
  w.initialize();
  CK_SESSION_HANDLE session = w.open(w.slots()[0]);
  unsigned answered = 0;
  for (int i = 0; i < 5; i++)
    w.begin(kC_Login, Words{{session, CKU_USER, word("1234"), 4}})->then = [&](CK_RV) {
      answered++;
    };
  w.settle(); /* the fixture fails when a lock is asked for that is held */
  BOOST_TEST(answered == 5u);
  BOOST_TEST(!w.processes[0].locked);
}

BOOST_AUTO_TEST_CASE(backend_dies_while_it_has_the_lock) {
  Transparent w(kTokenTransparent, kBackendTokenLock);
  w.initialize();
  CK_SESSION_HANDLE session = w.open(w.slots()[0]);
  std::vector<CK_RV> values;
  for (int i = 0; i < 2; i++)
    w.begin(kC_Login, Words{{session, CKU_USER, word("1234"), 4}})->then = [&](CK_RV rv) {
      values.push_back(rv);
    };
  w.advance(w.runs[0].get());
  w.happen(0);
  BOOST_REQUIRE(w.processes[0].locked);
  w.advance(w.runs[0].get());
  w.advance(w.runs[1].get());
  BOOST_REQUIRE(w.runs[1]->waiting);
  w.kill(0);
  BOOST_TEST(!w.processes[0].locked);
  w.settle();
  BOOST_TEST(values.size() == 2u);
}

/* A host with threads has the lock only after the backend has died: it must be given back. */
BOOST_AUTO_TEST_CASE(a_lock_that_comes_too_late) {
  Transparent w(kTokenTransparent, kBackendTokenLock);
  w.initialize();
  CK_SESSION_HANDLE session = w.open(w.slots()[0]);
  World::Run* run = w.begin(kC_Login, Words{{session, CKU_USER, word("1234"), 4}});
  w.advance(run);
  w.kill(0);
  w.processes[0].locked = true;
  w.monitor.locked(&run->call, true);
  BOOST_TEST(!w.processes[0].locked);
  w.settle();
  BOOST_TEST(run->answered);
}

BOOST_AUTO_TEST_CASE(deadlines_are_the_backends) {
  Labelled w;
  BOOST_TEST(w.monitor.deadline_ms(3, Deadline::kShort) == 1003u);
  BOOST_TEST(w.monitor.deadline_ms(8, Deadline::kShort) == 1008u);
  BOOST_TEST(w.monitor.deadline_ms(8, Deadline::kStart) == 2000u);
  BOOST_TEST(w.monitor.deadline_ms(8, Deadline::kLong) == 3000u);
  BOOST_TEST(w.monitor.deadline_ms(8, Deadline::kNone) == 0u);
  BOOST_TEST(w.monitor.deadline_ms(99, Deadline::kShort) == 0u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace mp11::session_test
