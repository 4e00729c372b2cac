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
/* Connection: calls go through it, and whoever dies, lies, hangs or dawdles harms what is his. */
#include <ctime>

#include "connection_fixture.h"

namespace mp11::connection_test {
namespace {

BOOST_AUTO_TEST_SUITE(connection)

/* ---- calls ---- */

BOOST_AUTO_TEST_CASE(calls_go_through) {
  Daemon d;
  d.begin();
  CK_SESSION_HANDLE one = 0, two = 0;
  BOOST_TEST(d.open(1, &one) == CKR_OK);
  BOOST_TEST(d.open(2, &two) == CKR_OK);
  std::string id = "x";
  CK_ATTRIBUTE a{CKA_ID, id.data(), 1};
  CK_OBJECT_HANDLE object = 0;
  BOOST_TEST(d.call(kC_CreateObject, {one, word(&a), 1, word(&object)}) == CKR_OK);
  BOOST_TEST(object != 0u);
  BOOST_TEST(d.call(kC_DestroyObject, {two, object}) == CKR_OBJECT_HANDLE_INVALID);
  BOOST_TEST(d.call(kC_DestroyObject, {one, object}) == CKR_OK);
  BOOST_TEST(d.call(kC_Finalize, {0}) == CKR_OK);
  BOOST_TEST(d.call(kC_Initialize, {0}) == CKR_OK);
  BOOST_TEST(d.open(1, &one) == CKR_OK);
  BOOST_TEST(d.priv->spawns(0).size() == 2u);
  d.channel.reset();
  BOOST_TEST(d.exit_code() == 0);
}

BOOST_AUTO_TEST_CASE(big_messages) {
  Daemon d;
  PortfolioBackend plan = backend_plan(0);
  plan.deadline_short_ms = 20000; /* a busy machine takes its time for nine megabytes */
  d.send_portfolio({plan}, {token_plan(1, 0, 0, "t0")});
  d.join();
  BOOST_REQUIRE_EQUAL(d.call(kC_Initialize, {0}), CKR_OK);
  CK_SESSION_HANDLE session = 0;
  d.open(1, &session);
  std::vector<uint8_t> big(9u << 20, 7);
  BOOST_TEST(d.call(kC_DigestUpdate, {session, word(big.data()), big.size()}) == CKR_OK);
  BOOST_TEST(d.call(kC_GenerateRandom, {session, word(big.data()), big.size()}) == CKR_OK);
  BOOST_TEST(big[0] == 0);
  BOOST_TEST(big.back() == 0);
}

/* More calls than credits, and replies that are not fetched for a while. */
BOOST_AUTO_TEST_CASE(back_pressure) {
  Daemon d;
  d.begin();
  CK_SESSION_HANDLE one = 0, two = 0;
  d.open(1, &one);
  d.open(2, &two);
  std::vector<uint8_t> random(40'000);
  std::set<uint64_t> waiting;
  for (unsigned i = 0; i < 80; i++) {
    CK_SESSION_HANDLE session = i % 2 != 0 ? one : two;
    waiting.insert(d.send(kC_GenerateRandom, {session, word(random.data()), random.size()}));
  }
  ::usleep(200'000);
  for (unsigned i = 0; i < 80; i++) {
    uint64_t id = 0;
    BOOST_TEST(d.receive(&id) == CKR_OK);
    BOOST_TEST(waiting.erase(id) == 1u);
  }
}

/*
 * More calls than the backend has workers, each as long as two thirds of its deadline: those that
 * find no worker wait here, in order, and lose no time of theirs.
 */
BOOST_AUTO_TEST_CASE(calls_wait_for_workers_before_their_deadline_begins) {
  Daemon d;
  d.begin();
  std::vector<CK_SESSION_HANDLE> sessions(2 * limits::kWorkers + 3);
  for (CK_SESSION_HANDLE& session : sessions) BOOST_REQUIRE_EQUAL(d.open(1, &session), CKR_OK);
  d.priv->change(0, [](Behaviour* b) { b->work_ms = 200; });
  ::usleep(60'000);
  for (CK_SESSION_HANDLE session : sessions) d.send(kC_SeedRandom, {session, word("x"), 1});
  for (size_t i = 0; i < sessions.size(); i++) BOOST_TEST(d.receive() == CKR_OK);
  std::vector<uint64_t> order = d.priv->worked_for();
  BOOST_TEST(order.size() == sessions.size());
  BOOST_TEST(std::is_sorted(order.begin(), order.end())); /* as they were opened */
  BOOST_TEST(d.priv->spawns(0).size() == 1u);
}

/* The same for calls of one session, of which the backend runs one at a time. */
BOOST_AUTO_TEST_CASE(calls_of_one_session_wait_before_their_deadline_begins) {
  Daemon d;
  d.begin();
  CK_SESSION_HANDLE one = 0, two = 0;
  d.open(1, &one);
  d.open(1, &two);
  d.priv->change(0, [](Behaviour* b) { b->delay_ms = 120; });
  ::usleep(60'000);
  for (unsigned i = 0; i < 4; i++) d.send(kC_SeedRandom, {one, word("x"), 1});
  uint64_t other = d.send(kC_SeedRandom, {two, word("x"), 1});
  std::vector<uint64_t> order(5);
  for (uint64_t& id : order) BOOST_TEST(d.receive(&id) == CKR_OK);
  BOOST_TEST(order[1] == other); /* which had none before it */
  order.erase(order.begin() + 1);
  BOOST_TEST(std::is_sorted(order.begin(), order.end()));
  BOOST_TEST(d.priv->spawns(0).size() == 1u);
}

/* All credits are out and more calls stand in the ring: nothing to do is no reason to spin. */
BOOST_AUTO_TEST_CASE(no_spinning) {
  Behaviour hangs;
  hangs.hang_at = kC_GenerateRandom;
  Daemon d({{0, hangs}});
  PortfolioBackend plan = backend_plan(0);
  plan.deadline_short_ms = 2000;
  d.send_portfolio({plan}, {token_plan(1, 0, 0, "t0")});
  d.join();
  BOOST_REQUIRE_EQUAL(d.call(kC_Initialize, {0}), CKR_OK);
  CK_SESSION_HANDLE session = 0;
  d.open(1, &session);
  uint8_t random[8];
  for (unsigned i = 0; i < limits::kCallsPerConnection + 10; i++)
    d.send(kC_GenerateRandom, {session, word(random), sizeof random});
  ::usleep(300'000);
  unsigned before = d.used_ms();
  ::usleep(700'000);
  BOOST_TEST(d.used_ms() - before < 200u);
  for (unsigned i = 0; i < limits::kCallsPerConnection; i++)
    BOOST_TEST(d.receive() == CKR_DEVICE_REMOVED);
}

/* ---- deadlines and deaths of backends ---- */

BOOST_AUTO_TEST_CASE(a_backend_that_hangs) {
  Behaviour hangs;
  hangs.hang_at = kC_SeedRandom;
  Daemon d({{0, hangs}});
  d.begin();
  CK_SESSION_HANDLE one = 0, two = 0;
  d.open(1, &one);
  d.open(2, &two);
  uint64_t started = now_ms();
  BOOST_TEST(d.call(kC_SeedRandom, {one, word("x"), 1}) == CKR_DEVICE_REMOVED);
  uint64_t took = now_ms() - started;
  BOOST_TEST(took >= 290u);
  BOOST_TEST(took < 3000u);
  BOOST_TEST(d.priv->ends(0) == 1u);
  BOOST_TEST(d.call(kC_SeedRandom, {one, word("x"), 1}) == CKR_SESSION_HANDLE_INVALID);
  BOOST_TEST(d.call(kC_SeedRandom, {two, word("x"), 1}) == CKR_OK);
  BOOST_TEST(d.open(1, &one) == CKR_OK);
  BOOST_TEST(d.priv->spawns(0).size() == 2u);
}

/* It takes nothing out of its channel: a message that does not fit has a deadline, too. */
BOOST_AUTO_TEST_CASE(a_backend_that_does_not_read) {
  Daemon d;
  d.begin();
  CK_SESSION_HANDLE session = 0;
  d.open(1, &session);
  d.priv->change(0, [](Behaviour* b) { b->reads = false; });
  ::usleep(60'000);
  std::vector<uint8_t> big(6u << 20, 7);
  BOOST_TEST(d.call(kC_DigestUpdate, {session, word(big.data()), big.size()}) ==
             CKR_DEVICE_REMOVED);
  d.priv->change(0, [](Behaviour* b) { b->reads = true; });
  BOOST_TEST(d.open(1, &session) == CKR_OK);
}

BOOST_AUTO_TEST_CASE(a_backend_that_dies) {
  Behaviour dies;
  dies.die_at = kC_SeedRandom;
  Daemon d({{0, dies}});
  d.begin();
  CK_SESSION_HANDLE one = 0, two = 0;
  d.open(1, &one);
  d.open(2, &two);
  BOOST_TEST(d.call(kC_SeedRandom, {one, word("x"), 1}) == CKR_DEVICE_REMOVED);
  BOOST_TEST(d.call(kC_SeedRandom, {two, word("x"), 1}) == CKR_OK);
  BOOST_TEST(d.open(1, &one) == CKR_OK);
  d.priv->kill(0); /* while nothing is asked of it */
  ::usleep(100'000);
  BOOST_TEST(d.call(kC_SeedRandom, {one, word("x"), 1}) == CKR_SESSION_HANDLE_INVALID);
  BOOST_TEST(d.open(1, &one) == CKR_OK);
}

BOOST_AUTO_TEST_CASE(starts_that_fail_are_spaced) {
  Behaviour fails;
  fails.spawn_error = kSpawnFailed;
  Daemon d({{0, fails}});
  d.begin();
  CK_SESSION_HANDLE session = 0;
  for (unsigned i = 0; i < 4; i++) BOOST_TEST(d.open(1, &session) == CKR_DEVICE_ERROR);
  auto spawns = d.priv->spawns(0);
  BOOST_REQUIRE(spawns.size() == 4u);
  BOOST_TEST(spawns[1] - spawns[0] >= 49u);
  BOOST_TEST(spawns[2] - spawns[1] >= 99u);
  BOOST_TEST(spawns[3] - spawns[2] >= 199u);
  d.priv->change(0, [](Behaviour* b) { b->spawn_error = kSpawnBusy; });
  BOOST_TEST(d.open(1, &session) == CKR_SESSION_COUNT);
  d.priv->change(0, [](Behaviour* b) { b->spawn_error = kSpawnOk; });
  BOOST_TEST(d.open(1, &session) == CKR_OK);
}

void check_spaced(const std::vector<uint64_t>& spawns) {
  BOOST_REQUIRE(spawns.size() == 4u);
  BOOST_TEST(spawns[1] - spawns[0] >= 49u);
  BOOST_TEST(spawns[2] - spawns[1] >= 99u);
  BOOST_TEST(spawns[3] - spawns[2] >= 199u);
}

/* It starts well each time, and dies of the first call that a client needs it for. */
BOOST_AUTO_TEST_CASE(starts_are_spaced_when_a_library_dies_after_them) {
  for (uint32_t function : {kC_GetSlotList, kC_GetTokenInfo, kC_OpenSession}) {
    Behaviour dies;
    dies.die_at = function;
    Daemon d({{0, dies}});
    d.begin();
    CK_SESSION_HANDLE session = 0;
    for (unsigned i = 0; i < 4; i++) BOOST_TEST(d.open(1, &session) == CKR_DEVICE_REMOVED);
    check_spaced(d.priv->spawns(0));
    d.priv->change(0, [](Behaviour* b) { b->die_at = UINT32_MAX; });
    BOOST_TEST(d.open(1, &session) == CKR_OK);
  }
}

BOOST_AUTO_TEST_CASE(starts_are_spaced_when_a_library_cannot_be_initialised_or_lies) {
  const std::function<void(Message*)> lies[] = {
      [](Message* m) { m->rec.rv = CKR_GENERAL_ERROR; },
      [](Message* m) { m->list.push_back(1); },
  };
  for (const auto& tamper : lies) {
    Behaviour liar;
    liar.tamper = tamper;
    Daemon d({{0, liar}});
    d.begin();
    CK_SESSION_HANDLE session = 0;
    for (unsigned i = 0; i < 4; i++) BOOST_TEST(d.open(1, &session) != CKR_OK);
    check_spaced(d.priv->spawns(0));
  }
}

/* What an application does to itself by C_Finalize is no failure. */
BOOST_AUTO_TEST_CASE(starts_are_not_spaced_after_finalize) {
  Daemon d;
  d.begin();
  CK_SESSION_HANDLE session = 0;
  uint64_t started = now_ms();
  for (unsigned i = 0; i < 20; i++) {
    BOOST_TEST(d.open(1, &session) == CKR_OK);
    BOOST_TEST(d.call(kC_Finalize, {0}) == CKR_OK);
    BOOST_TEST(d.call(kC_Initialize, {0}) == CKR_OK);
  }
  BOOST_TEST(now_ms() - started < 20'000u); /* spaced, they would take a minute */
}

/* C_Finalize while a start is put off: that start must not come later, when nobody wants it. */
BOOST_AUTO_TEST_CASE(finalize_during_a_put_off_start) {
  Behaviour fails;
  fails.spawn_error = kSpawnFailed;
  Daemon d({{0, fails}});
  d.begin();
  CK_SESSION_HANDLE session = 0, other = 0;
  for (unsigned i = 0; i < 3; i++) d.open(1, &session);
  uint64_t open = d.send(kC_OpenSession, {1, 4, 0, 0, word(&other)});
  ::usleep(20'000);
  uint64_t finalize = d.send(kC_Finalize, {0}), id = 0;
  for (unsigned i = 0; i < 2; i++) {
    CK_RV rv = d.receive(&id);
    BOOST_TEST((id == open || id == finalize));
    BOOST_TEST(rv == (id == open ? CKR_CRYPTOKI_NOT_INITIALIZED : CKR_OK));
  }
  ::usleep(400'000);
  BOOST_TEST(d.priv->spawns(0).size() == 3u);
  d.priv->change(0, [](Behaviour* b) { b->spawn_error = kSpawnOk; });
  BOOST_TEST(d.call(kC_Initialize, {0}) == CKR_OK);
  BOOST_TEST(d.open(1, &session) == CKR_OK);
}

/* A device that allows one process: the next is asked for when the one before is dead. */
BOOST_AUTO_TEST_CASE(the_next_instance_waits_for_the_death_of_the_last) {
  Behaviour dies_slowly;
  dies_slowly.death_ms = 150;
  Daemon d({{0, dies_slowly}});
  d.begin();
  CK_SESSION_HANDLE session = 0;
  d.open(1, &session);
  uint64_t started = now_ms();
  BOOST_TEST(d.call(kC_Finalize, {0}) == CKR_OK);
  BOOST_TEST(now_ms() - started < 140u); /* which keeps nobody waiting who does not need it */
  BOOST_TEST(d.call(kC_Initialize, {0}) == CKR_OK);
  BOOST_TEST(d.open(1, &session) == CKR_OK);
  uint64_t took = d.priv->spawns(0).at(1) - started;
  BOOST_TEST(took >= 149u);
  BOOST_TEST(took < 1500u);
}

BOOST_AUTO_TEST_CASE(a_backend_that_lies) {
  const std::function<void(Message*)> lies[] = {
      [](Message* m) { m->rec.id += 1000; },
      [](Message* m) { m->rec.function++; },
      [](Message* m) { m->list.push_back(1); },
  };
  for (const auto& tamper : lies) {
    Daemon d;
    d.begin();
    CK_SESSION_HANDLE one = 0, two = 0;
    d.open(1, &one);
    d.open(2, &two);
    d.priv->change(0, [&](Behaviour* b) { b->tamper = tamper; });
    ::usleep(60'000);
    BOOST_TEST(d.call(kC_SeedRandom, {one, word("x"), 1}) == CKR_DEVICE_REMOVED);
    BOOST_TEST(d.priv->ends(0) == 1u);
    BOOST_TEST(d.call(kC_SeedRandom, {two, word("x"), 1}) == CKR_OK);
  }
}

/* ---- locks ---- */

BOOST_AUTO_TEST_CASE(token_lock) {
  char path[] = "/tmp/multip11-lock-XXXXXX";
  UniqueFd held(::mkstemp(path));
  Behaviour locked;
  locked.lock_file = path;
  Daemon d({{0, locked}, {1, locked}});
  d.begin(0, kBackendTokenLock);
  CK_SESSION_HANDLE session = 0;
  BOOST_TEST(d.open(1, &session) == CKR_OK);
  /* Somebody else has it: the call waits, and has it as soon as it is free. */
  BOOST_REQUIRE(::flock(held.get(), LOCK_EX) == 0);
  uint64_t started = now_ms();
  d.send(kC_Login, {session, CKU_USER, word("1234"), 4});
  ::usleep(100'000);
  BOOST_REQUIRE(::flock(held.get(), LOCK_UN) == 0);
  BOOST_TEST(d.receive() == CKR_OK);
  BOOST_TEST(now_ms() - started >= 99u);
  /* And gave it back. */
  BOOST_REQUIRE(::flock(held.get(), LOCK_EX | LOCK_NB) == 0);
  /* Not within the deadline: an error, and the rest goes on. */
  BOOST_TEST(d.call(kC_Login, {session, CKU_USER, word("1234"), 4}) == CKR_DEVICE_ERROR);
  BOOST_TEST(d.call(kC_SeedRandom, {session, word("x"), 1}) == CKR_OK);
  BOOST_REQUIRE(::flock(held.get(), LOCK_UN) == 0);
  BOOST_TEST(d.call(kC_Login, {session, CKU_USER, word("1234"), 4}) == CKR_OK);
  ::unlink(path);
}

BOOST_AUTO_TEST_CASE(a_lock_dies_with_its_backend) {
  char path[] = "/tmp/multip11-lock-XXXXXX";
  UniqueFd other(::mkstemp(path));
  Behaviour locked;
  locked.lock_file = path;
  locked.hang_at = kC_Login;
  locked.death_ms = 150;
  Daemon d({{0, locked}});
  d.begin(0, kBackendTokenLock);
  CK_SESSION_HANDLE session = 0;
  d.open(1, &session);
  d.send(kC_Login, {session, CKU_USER, word("1234"), 4});
  ::usleep(50'000);
  BOOST_TEST(::flock(other.get(), LOCK_SH | LOCK_NB) != 0);
  BOOST_TEST(d.receive() == CKR_DEVICE_REMOVED);
  /* It may be writing still. */
  BOOST_TEST(::flock(other.get(), LOCK_SH | LOCK_NB) != 0);
  ::usleep(300'000);
  BOOST_TEST(::flock(other.get(), LOCK_SH | LOCK_NB) == 0);
  ::unlink(path);
}

/* No lock file although the plan says so: refused, never unlocked. */
BOOST_AUTO_TEST_CASE(a_lock_that_is_missing) {
  Daemon d;
  d.begin(0, kBackendTokenLock);
  CK_SESSION_HANDLE session = 0;
  BOOST_TEST(d.open(1, &session) == CKR_DEVICE_ERROR);
}

/* ---- ends ---- */

BOOST_AUTO_TEST_CASE(stop_answers_what_is_in_flight) {
  Behaviour slow;
  slow.delay_ms = 100;
  Daemon d;
  d.begin();
  CK_SESSION_HANDLE session = 0;
  d.open(1, &session);
  d.priv->change(0, [](Behaviour* b) { b->delay_ms = 150; });
  ::usleep(60'000);
  d.send(kC_SeedRandom, {session, word("x"), 1});
  ::usleep(50'000);
  d.send_stop();
  ::usleep(20'000);
  unsigned before = d.used_ms();
  d.send(kC_SeedRandom, {session, word("x"), 1}); /* too late */
  BOOST_TEST(d.receive() == CKR_OK);
  BOOST_TEST(d.used_ms() - before < 100u);
  BOOST_TEST(d.exit_code() == 0);
}

BOOST_AUTO_TEST_CASE(the_clients_ticket_ends) {
  Daemon d;
  d.begin(static_cast<uint64_t>(::time(nullptr)) + 2);
  CK_SESSION_HANDLE session = 0;
  BOOST_TEST(d.open(1, &session) == CKR_OK);
  BOOST_TEST(d.ended(300) == -1);
  BOOST_TEST(d.exit_code(4000) == 0);

  Daemon late;
  late.send_usual_portfolio(static_cast<uint64_t>(::time(nullptr)) - 1);
  BOOST_TEST(late.exit_code() == 0);
}

BOOST_AUTO_TEST_CASE(priv_is_gone) {
  Daemon d;
  d.begin();
  d.drop_control();
  BOOST_TEST(d.exit_code() == 0);
}

/* A library that is ended while it writes its files would leave half of them to other clients. */
BOOST_AUTO_TEST_CASE(the_client_is_gone_while_the_library_writes) {
  char path[] = "/tmp/multip11-lock-XXXXXX";
  UniqueFd other(::mkstemp(path));
  Behaviour locked;
  locked.lock_file = path;
  Daemon d({{0, locked}});
  d.begin(0, kBackendTokenLock);
  CK_SESSION_HANDLE session = 0;
  d.open(1, &session);
  d.priv->change(0, [](Behaviour* b) { b->delay_ms = 500; });
  ::usleep(60'000); /* the backend looks at that before it receives */
  const uint64_t sent = now_ms();
  d.send(kC_Login, {session, CKU_USER, word("1234"), 4});
  while (::flock(other.get(), LOCK_SH | LOCK_NB) == 0) ::flock(other.get(), LOCK_UN);
  ::usleep(100'000);
  d.channel.reset();
  d.client_socket.reset();
  BOOST_TEST(d.exit_code(20'000) == 0);
  BOOST_TEST(now_ms() - sent >= 500u); /* not before its answer */
  BOOST_TEST(::flock(other.get(), LOCK_SH | LOCK_NB) == 0);
  ::unlink(path);
}

BOOST_AUTO_TEST_CASE(the_client_is_gone) {
  Daemon before; /* before anybody said who it is */
  before.client_socket.reset();
  BOOST_TEST(before.exit_code() == 0);

  Behaviour hangs;
  hangs.hang_at = kC_SeedRandom;
  Daemon d({{0, hangs}});
  d.begin();
  CK_SESSION_HANDLE session = 0;
  d.open(1, &session);
  d.send(kC_SeedRandom, {session, word("x"), 1});
  d.channel.reset();
  BOOST_TEST(d.exit_code(20'000) == 0); /* it has waited for that call, but not for ever */
}

/* ---- what [priv] is told of layers ---- */

BOOST_AUTO_TEST_CASE(priv_hears_of_a_layer_that_is_left_out) {
  Daemon d;
  PortfolioBackend backends[] = {backend_plan(3), backend_plan(4)};
  for (PortfolioBackend& plan : backends)
    plan.deadline_short_ms = plan.deadline_start_ms = plan.deadline_long_ms = 2000;
  d.priv->change(4, [](Behaviour* b) { b->spawn_error = kSpawnFailed; });
  d.send_portfolio({backends[0], backends[1]},
                   {layered_plan(9, "T", {layer_plan(3, "t3"), layer_plan(4, "t4")})});
  d.join();
  CK_SESSION_HANDLE session = 0;
  BOOST_REQUIRE(d.call(kC_Initialize, {0}) == CKR_OK);
  BOOST_REQUIRE(d.open(9, &session) == CKR_OK);
  for (int i = 0; i < 2; i++) { /* told once */
    BOOST_TEST(d.call(kC_FindObjectsInit, {session, 0, 0}) == CKR_OK);
    BOOST_TEST(d.call(kC_FindObjectsFinal, {session}) == CKR_OK);
  }
  std::vector<LayerReport> told = d.priv->layers(1);
  BOOST_REQUIRE_EQUAL(told.size(), 1u);
  BOOST_TEST(told[0].slot == 9u);
  BOOST_TEST(told[0].layer == 2u);
  BOOST_TEST(told[0].backend == 4u);
  BOOST_TEST(told[0].there == 0u);
  BOOST_TEST(told[0].rv != 0u);
  d.priv->change(4, [](Behaviour* b) { b->spawn_error = kSpawnOk; });
  BOOST_TEST(d.call(kC_FindObjectsInit, {session, 0, 0}) == CKR_OK);
  told = d.priv->layers(2);
  BOOST_REQUIRE_EQUAL(told.size(), 2u);
  BOOST_TEST(told[1].layer == 2u);
  BOOST_TEST(told[1].there == 1u);
  BOOST_TEST(told[1].rv == 0u);
}

/* It has no room for that: no call waits for it, and it hears how things are in the end, once. */
BOOST_AUTO_TEST_CASE(priv_hears_of_layers_when_it_has_room) {
  Daemon d;
  PortfolioBackend backends[] = {backend_plan(3), backend_plan(4)};
  for (PortfolioBackend& plan : backends)
    plan.deadline_short_ms = plan.deadline_start_ms = plan.deadline_long_ms = 2000;
  d.send_portfolio({backends[0], backends[1]},
                   {layered_plan(9, "T", {layer_plan(3, "t3"), layer_plan(4, "t4")})});
  d.join();
  CK_TOKEN_INFO info;
  BOOST_REQUIRE(d.call(kC_Initialize, {0}) == CKR_OK);
  auto other_answers = [&](uint32_t backend, CK_RV rv) {
    d.priv->change(backend, [rv](Behaviour* b) {
      b->tamper = [rv](Message* reply) {
        if (reply->rec.function == kC_GetTokenInfo) reply->rec.rv = rv;
      };
    });
    ::usleep(60'000);
    return d.call(kC_GetTokenInfo, {9, word(&info)});
  };
  BOOST_TEST(d.call(kC_GetTokenInfo, {9, word(&info)}) == CKR_OK);
  d.priv->listen(false);
  d.fill_control();
  BOOST_TEST(other_answers(4, CKR_DEVICE_MEMORY) == CKR_OK);
  BOOST_TEST(other_answers(4, CKR_OK) == CKR_OK);
  BOOST_TEST(other_answers(4, CKR_DEVICE_ERROR) == CKR_OK);
  BOOST_TEST(d.priv->spawns(4).size() == 1u); /* only then is nothing else said */
  d.priv->listen(true);
  BOOST_TEST(d.priv->layers(1).size() == 1u);
  ::usleep(100'000);
  const std::vector<LayerReport> told = d.priv->layers(1);
  BOOST_REQUIRE_EQUAL(told.size(), 1u);
  BOOST_TEST((told[0].slot == 9u && told[0].layer == 2u && told[0].backend == 4u));
  BOOST_TEST((told[0].there == 0u && told[0].rv == CKR_DEVICE_ERROR));
}

/* ---- broken formats ---- */

BOOST_AUTO_TEST_CASE(a_front_that_breaks_the_format) {
  Daemon d;
  d.begin();
  /* More numbers than there can be: our own Channel does not send that, so by its own ring. */
  Message message;
  message.rec.function = kC_GetInfo;
  message.rec.flags = 0x800000;
  pid_t hostile = ::fork();
  BOOST_REQUIRE(hostile >= 0);
  if (hostile == 0) {
    /* The segment is mapped here as well: scribble over every ring index. */
    std::ifstream maps("/proc/self/maps");
    std::string line;
    while (std::getline(maps, line)) {
      if (line.find("memfd") == std::string::npos || line.find("rw-s") == std::string::npos)
        continue;
      auto* base = reinterpret_cast<uint8_t*>(std::stoull(line, nullptr, 16));
      std::memset(base, 0x5a, 1024);
    }
    ::_exit(0);
  }
  ::waitpid(hostile, nullptr, 0);
  char bell = 1;
  (void)!::send(d.channel->fd(), &bell, 1, MSG_DONTWAIT);
  BOOST_TEST(d.exit_code() == 255);
}

BOOST_AUTO_TEST_CASE(priv_that_breaks_the_format) {
  Daemon d;
  d.begin();
  send_record(d.control(), make_record<Allow>(RecordType::kAllow));
  BOOST_TEST(d.exit_code() == 255);
}

/* Answers of [priv] that nobody waits for: to another instance, of a backend that is none. */
BOOST_AUTO_TEST_CASE(late_answers_of_priv) {
  Daemon d;
  d.begin();
  CK_SESSION_HANDLE session = 0;
  d.open(1, &session);
  for (uint32_t backend : {0u, 1u, 77u})
    for (uint32_t instance : {0u, 5u, UINT32_MAX}) {
      auto record = make_record<Spawned>(RecordType::kSpawned);
      record.backend = backend;
      record.instance = instance;
      send_record(d.control(), record);
      record.head.type = RecordType::kBackendGone;
      send_record(d.control(), record);
    }
  BOOST_TEST(d.call(kC_SeedRandom, {session, word("x"), 1}) == CKR_OK);
  BOOST_TEST(d.open(2, &session) == CKR_OK);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace mp11::connection_test
