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
/* SessionMonitor with backends that behave. */
#include "session_fixture.h"

namespace mp11::session_test {
namespace {

constexpr uint64_t kFirstTransparent = 0x80000000;

BOOST_AUTO_TEST_SUITE(session_monitor)

/* ---- C_Initialize and C_Finalize ---- */

BOOST_AUTO_TEST_CASE(nothing_before_initialize) {
  Transparent w;
  CK_INFO info;
  BOOST_TEST(w.call(kC_GetInfo, {word(&info)}) == CKR_CRYPTOKI_NOT_INITIALIZED);
  BOOST_TEST(w.call(kC_Finalize, {0}) == CKR_CRYPTOKI_NOT_INITIALIZED);
  BOOST_TEST(w.call(kC_CloseSession, {1}) == CKR_CRYPTOKI_NOT_INITIALIZED);
  BOOST_TEST(w.processes[0].starts == 0u);
  BOOST_TEST(w.initialize() == CKR_OK);
  BOOST_TEST(w.initialize() == CKR_CRYPTOKI_ALREADY_INITIALIZED);
  BOOST_TEST(w.library().count(kC_Initialize) == 1u);
}

/* Two threads at once: one of them is told so, and the library goes on. */
BOOST_AUTO_TEST_CASE(two_initialize_at_once) {
  Transparent w;
  std::vector<CK_RV> values;
  for (int i = 0; i < 2; i++)
    w.begin(kC_Initialize, Words{})->then = [&](CK_RV rv) { values.push_back(rv); };
  w.settle();
  BOOST_REQUIRE(values.size() == 2u);
  BOOST_TEST(values[0] == CKR_OK);
  BOOST_TEST(values[1] == CKR_CRYPTOKI_ALREADY_INITIALIZED);
  w.forget_answered();
  w.open(w.slots().at(0));
  BOOST_TEST(w.processes[0].ended == 0u);
}

BOOST_AUTO_TEST_CASE(initialize_with_many_backends_starts_none) {
  Labelled w;
  BOOST_TEST(w.initialize() == CKR_OK);
  BOOST_TEST(w.slots() == (std::vector<CK_SLOT_ID>{1, 2, 3}), boost::test_tools::per_element());
  BOOST_TEST(w.processes[3].starts == 0u);
  w.open(3);
  BOOST_TEST(w.processes[3].starts == 0u);
  BOOST_TEST(w.processes[8].starts == 1u);
}

BOOST_AUTO_TEST_CASE(finalize_and_again) {
  Transparent w;
  BOOST_TEST(w.initialize() == CKR_OK);
  CK_SESSION_HANDLE session = w.open(w.slots().at(0));
  CK_OBJECT_HANDLE object = w.create(session, "x");
  BOOST_TEST(w.call(kC_Finalize, {1}) == CKR_ARGUMENTS_BAD); /* the library says so */
  BOOST_TEST(w.id_of(session, object) == "x");
  BOOST_TEST(w.call(kC_Finalize, {0}) == CKR_OK);
  BOOST_TEST(w.processes[0].ended == 1u);
  BOOST_TEST(w.initialize() == CKR_OK);
  BOOST_TEST(w.processes[0].starts == 2u);
  BOOST_TEST(w.id_of(session, object) == "");
  BOOST_TEST(w.last_rv == CKR_SESSION_HANDLE_INVALID);
  CK_SESSION_HANDLE next = w.open(w.slots().at(0));
  BOOST_TEST(next != session);
  BOOST_TEST(w.id_of(next, object) == "");
}

BOOST_AUTO_TEST_CASE(finalize_reaches_every_library) {
  Labelled w;
  w.initialize();
  w.open(1);
  w.open(3);
  BOOST_TEST(w.call(kC_Finalize, {0}) == CKR_OK);
  BOOST_TEST(w.processes[3].ended == 1u);
  BOOST_TEST(w.processes[8].ended == 1u);
  BOOST_TEST(w.call(kC_Finalize, {0}) == CKR_CRYPTOKI_NOT_INITIALIZED);
}

/* C_Finalize must not fail because a library has died of it. */
BOOST_AUTO_TEST_CASE(finalize_kills_the_library) {
  Labelled w;
  w.initialize();
  w.open(1);
  w.open(3);
  CK_RV value = CKR_GENERAL_ERROR;
  World::Run* run = w.begin(kC_Finalize, Words{});
  run->then = [&](CK_RV rv) { value = rv; };
  w.advance(run);
  BOOST_REQUIRE(run->pending);
  w.kill(run->backend);
  w.settle();
  BOOST_TEST(value == CKR_OK);
  BOOST_TEST(w.monitor.initialized() == false);
}

/* While another thread's call is waiting for a process to start. */
BOOST_AUTO_TEST_CASE(finalize_during_a_start) {
  Labelled w;
  w.initialize();
  CK_SESSION_HANDLE session = 0;
  Words words{{1, CKF_SERIAL_SESSION, 0, 0, word(&session)}};
  CK_RV value = CKR_OK;
  World::Run* run = w.begin(kC_OpenSession, words);
  run->then = [&](CK_RV rv) { value = rv; };
  w.advance(run);
  BOOST_REQUIRE(w.events.size() == 1u);
  BOOST_TEST(w.call(kC_Finalize, {0}) == CKR_OK);
  BOOST_TEST(w.processes[3].ended == 1u);
  BOOST_TEST(value == CKR_CRYPTOKI_NOT_INITIALIZED);
  /* A host that could not stop it any more. */
  w.monitor.spawned(3, kSpawnOk);
  BOOST_TEST(w.processes[3].ended == 2u);
}

BOOST_AUTO_TEST_CASE(a_library_that_fails_to_initialize) {
  Transparent w;
  w.processes[0].make = [] {
    auto library = std::make_unique<FakeLibrary>(std::vector<FakeLibrary::Slot>{{1, "x"}});
    library->answer = [](uint32_t function, const Words&) {
      return function == kC_Initialize ? CKR_DEVICE_ERROR : CKR_OK;
    };
    return library;
  };
  BOOST_TEST(w.initialize() == CKR_DEVICE_ERROR);
  BOOST_TEST(w.processes[0].ended == 1u);
  BOOST_TEST(!w.monitor.initialized());
  BOOST_TEST(w.initialize() == CKR_DEVICE_ERROR); /* tried anew */
  BOOST_TEST(w.processes[0].starts == 2u);
}

/* ---- slots and tokens ---- */

BOOST_AUTO_TEST_CASE(transparent_slots_are_the_librarys) {
  Transparent w;
  w.initialize();
  auto slots = w.slots();
  BOOST_REQUIRE(slots.size() == 3u);
  BOOST_TEST(slots == w.slots(), boost::test_tools::per_element());
  CK_ULONG count = 0;
  BOOST_TEST(w.call(kC_GetSlotList, {0, 0, word(&count)}) == CKR_OK);
  BOOST_TEST(count == 3u);
  CK_SLOT_ID two[2];
  count = 2;
  BOOST_TEST(w.call(kC_GetSlotList, {0, word(two), word(&count)}) == CKR_BUFFER_TOO_SMALL);
  BOOST_TEST(count == 3u);
  CK_TOKEN_INFO info;
  BOOST_TEST(w.call(kC_GetTokenInfo, {slots[1], word(&info)}) == CKR_OK);
  BOOST_TEST(std::memcmp(info.label, "beta ", 5) == 0);
  BOOST_TEST(w.call(kC_GetTokenInfo, {500, word(&info)}) == CKR_SLOT_ID_INVALID);
  CK_SLOT_ID changed = 0;
  BOOST_TEST(w.call(kC_WaitForSlotEvent, {CKF_DONT_BLOCK, word(&changed), 0}) == CKR_OK);
  BOOST_TEST(changed == slots[2]);
  BOOST_TEST((w.last_deadline == Deadline::kShort)); /* does not block: a hang is a fault */
  BOOST_TEST(w.call(kC_WaitForSlotEvent, {0, word(&changed), 0}) == CKR_FUNCTION_NOT_SUPPORTED);
}

BOOST_AUTO_TEST_CASE(bad_slots) {
  Transparent w;
  w.initialize();
  CK_TOKEN_INFO info;
  CK_SESSION_HANDLE session;
  for (CK_SLOT_ID slot : {CK_SLOT_ID{0}, CK_SLOT_ID{500}, kFirstTransparent + 77,
                          CK_UNAVAILABLE_INFORMATION, CK_SLOT_ID{1}}) {
    BOOST_TEST(w.call(kC_GetTokenInfo, {slot, word(&info)}) == CKR_SLOT_ID_INVALID);
    BOOST_TEST(w.call(kC_OpenSession, {slot, 4, 0, 0, word(&session)}) == CKR_SLOT_ID_INVALID);
    BOOST_TEST(w.call(kC_InitToken, {slot, 0, 0, word("01234567890123456789012345678901")}) ==
               CKR_SLOT_ID_INVALID);
  }
}

/* An application that knows a slot from before needs no list to use it. */
BOOST_AUTO_TEST_CASE(a_slot_is_known_by_the_librarys_number) {
  Transparent w;
  w.initialize();
  BOOST_TEST(w.open(502) != 0u);
  BOOST_TEST(w.library().count(kC_GetSlotList) == 0u);
  BOOST_TEST(w.slots() == (std::vector<CK_SLOT_ID>{501, 502, 503}),
             boost::test_tools::per_element());
  CK_SESSION_INFO info;
  BOOST_TEST(w.call(kC_Finalize, {0}) == CKR_OK);
  w.initialize();
  BOOST_TEST(w.call(kC_GetSessionInfo, {w.open(501), word(&info)}) == CKR_OK);
  BOOST_TEST(info.slotID == 501u);
}

/* Without admin a bad slot is still a bad slot, and nothing reaches the library. */
BOOST_AUTO_TEST_CASE(bad_slots_without_admin) {
  Transparent w(kTokenTransparent);
  w.initialize();
  w.slots();
  const Word label = word("01234567890123456789012345678901");
  BOOST_TEST(w.call(kC_InitToken, {500, 0, 0, label}) == CKR_SLOT_ID_INVALID);
  BOOST_TEST(w.call(kC_InitToken, {501, 0, 0, label}) == CKR_FUNCTION_NOT_SUPPORTED);
  BOOST_TEST(w.library().count(kC_InitToken) == 0u);
}

BOOST_AUTO_TEST_CASE(labelled_tokens_are_looked_for) {
  Labelled w;
  w.initialize();
  CK_SESSION_HANDLE one = w.open(1), two = w.open(2), three = w.open(3);
  CK_SESSION_INFO info;
  BOOST_TEST(w.call(kC_GetSessionInfo, {one, word(&info)}) == CKR_OK);
  BOOST_TEST(info.slotID == 1u);
  BOOST_TEST(w.call(kC_GetSessionInfo, {three, word(&info)}) == CKR_OK);
  BOOST_TEST(info.slotID == 3u);
  auto& sessions = w.processes[3].library->sessions;
  BOOST_TEST(sessions.at(1).slot == 702u);
  BOOST_TEST(sessions.at(2).slot == 701u);
  BOOST_TEST(w.processes[8].library->sessions.at(1).slot == 2u); /* the first initialised one */
  CK_TOKEN_INFO token;
  BOOST_TEST(w.call(kC_GetTokenInfo, {1, word(&token)}) == CKR_OK);
  BOOST_TEST(std::memcmp(token.label, "Alpha!  ", 8) == 0);
  BOOST_TEST(w.call(kC_GetTokenInfo, {2, word(&token)}) == CKR_OK);
  BOOST_TEST(std::memcmp(token.label, "beta   ", 7) == 0);
  BOOST_TEST(two != one);
}

/* Three tokens of one label: each word that the plan has must be the token's, padding aside. */
BOOST_AUTO_TEST_CASE(tokens_are_told_apart_by_what_they_say) {
  struct Wanted {
    const char *label, *manufacturer, *model, *serial;
    CK_SLOT_ID found; /* 0: none */
  };
  for (const Wanted& wanted :
       {Wanted{"", "", "", "0a1b", 11}, Wanted{"same", "", "", "0a1b2", 12},
        Wanted{"", "ACME Ltd", "Mark 13", "", 13}, Wanted{"same", "ACME Ltd", "", "", 11},
        Wanted{"other", "", "", "0a1b", 0}, Wanted{"", "ACME", "", "", 0},
        Wanted{"", "", "Mark 1", "", 0}, Wanted{"", "", "", "0a1", 0}}) {
    TokenPlan plan = token_plan(1, 0, 0, wanted.label);
    BackendToken& at_backend = plan.layers[0].at_backend;
    std::snprintf(at_backend.manufacturer, sizeof at_backend.manufacturer, "%s",
                  wanted.manufacturer);
    std::snprintf(at_backend.model, sizeof at_backend.model, "%s", wanted.model);
    std::snprintf(at_backend.serial, sizeof at_backend.serial, "%s", wanted.serial);
    World w({{backend_plan(0)}, {plan}});
    w.processes[0] = process({{10, ""}, {11, "same", "0a1b"}, {12, "same", "0a1b2"}, {13, "same"}});
    w.initialize();
    CK_SESSION_HANDLE session = 0;
    const CK_RV rv = w.call(kC_OpenSession, {1, CKF_SERIAL_SESSION, 0, 0, word(&session)});
    BOOST_TEST(rv == (wanted.found != 0 ? CKR_OK : CKR_TOKEN_NOT_PRESENT), wanted.serial);
    if (rv == CKR_OK) BOOST_TEST(w.processes[0].library->sessions.at(1).slot == wanted.found);
  }
}

/* With a lock: it is taken before the list and before each info, and given back. */
BOOST_AUTO_TEST_CASE(labelled_tokens_are_found_under_a_lock) {
  Labelled w(0, kBackendTokenLock);
  w.initialize();
  w.open(1);
  BOOST_TEST(w.processes[3].locks >= 3u); /* C_Initialize, C_GetSlotList, C_GetTokenInfo */
  BOOST_TEST(!w.processes[3].locked);
  BOOST_TEST((w.processes[3].last_mode == LockMode::kShared));
}

BOOST_AUTO_TEST_CASE(a_token_that_is_not_there) {
  Labelled w;
  w.processes[3] = process({{700, ""}, {701, "beta"}});
  w.initialize();
  CK_SESSION_HANDLE session;
  BOOST_TEST(w.call(kC_OpenSession, {1, 4, 0, 0, word(&session)}) == CKR_TOKEN_NOT_PRESENT);
  w.processes[3].library->slots.push_back({705, "alpha"});
  w.open(1); /* asked anew each time */
  w.open(2);
}

BOOST_AUTO_TEST_CASE(portfolio_of_nothing) {
  World w(Plans{});
  BOOST_TEST(w.initialize() == CKR_OK);
  BOOST_TEST(w.slots().empty());
  CK_SLOT_ID slot;
  BOOST_TEST(w.call(kC_WaitForSlotEvent, {CKF_DONT_BLOCK, word(&slot), 0}) == CKR_NO_EVENT);
  CK_INFO info;
  BOOST_TEST(w.call(kC_GetInfo, {word(&info)}) == CKR_OK);
  BOOST_TEST(w.call(kC_GetInfo, {0}) == CKR_ARGUMENTS_BAD);
  BOOST_TEST(w.call(kC_Finalize, {1}) == CKR_ARGUMENTS_BAD);
  BOOST_TEST(w.call(kC_Finalize, {0}) == CKR_OK);

  World backend_only({{backend_plan(0)}, {}});
  backend_only.processes[0] = process({});
  BOOST_TEST(backend_only.initialize() == CKR_OK);
  BOOST_TEST(backend_only.call(kC_WaitForSlotEvent, {CKF_DONT_BLOCK, word(&slot), 0}) ==
             CKR_NO_EVENT);
}

/* ---- sessions and objects ---- */

BOOST_AUTO_TEST_CASE(session_objects_die_with_their_session) {
  Transparent w;
  w.initialize();
  CK_SLOT_ID slot = w.slots()[0];
  CK_SESSION_HANDLE one = w.open(slot), two = w.open(slot);
  CK_OBJECT_HANDLE mine = w.create(one, "mine"), other = w.create(two, "other");
  CK_OBJECT_HANDLE token = w.create(one, "token", true);
  BOOST_TEST(w.call(kC_CloseSession, {one}) == CKR_OK);
  BOOST_TEST(w.call(kC_CloseSession, {one}) == CKR_SESSION_HANDLE_INVALID);
  /* The library gives the same number out again: the old handle must not name the new object. */
  CK_OBJECT_HANDLE fresh = w.create(two, "fresh");
  BOOST_TEST(fresh != mine);
  BOOST_TEST(w.id_of(two, mine) == "");
  BOOST_TEST(w.id_of(two, other) == "other");
  BOOST_TEST(w.id_of(two, token) == "token");
  BOOST_TEST(w.id_of(two, fresh) == "fresh");
}

BOOST_AUTO_TEST_CASE(everything_dies_with_the_last_session) {
  Transparent w;
  w.initialize();
  CK_SLOT_ID slot = w.slots()[0];
  CK_SESSION_HANDLE one = w.open(slot), elsewhere = w.open(w.slots()[1]);
  CK_OBJECT_HANDLE token = w.create(one, "token", true);
  CK_OBJECT_HANDLE far = w.create(elsewhere, "far", true);
  w.call(kC_CloseAllSessions, {slot});
  one = w.open(slot);
  BOOST_TEST(w.id_of(one, token) == "");
  BOOST_TEST(w.find(one).size() == 1u);
  BOOST_TEST(w.find(one)[0] != token);
  BOOST_TEST(w.id_of(elsewhere, far) == "far");
}

BOOST_AUTO_TEST_CASE(private_objects_die_with_logout) {
  Transparent w;
  w.initialize();
  CK_SESSION_HANDLE session = w.open(w.slots()[0]);
  CK_OBJECT_HANDLE secret = w.create(session, "secret", false, true);
  CK_OBJECT_HANDLE open = w.create(session, "open");
  w.call(kC_Logout, {session});
  CK_OBJECT_HANDLE fresh = w.create(session, "fresh", false, true);
  BOOST_TEST(fresh != secret);
  BOOST_TEST(w.id_of(session, secret) == "");
  BOOST_TEST(w.id_of(session, open) == "open");
}

BOOST_AUTO_TEST_CASE(destroyed_objects_and_copies) {
  Transparent w;
  w.initialize();
  CK_SESSION_HANDLE session = w.open(w.slots()[0]);
  CK_OBJECT_HANDLE object = w.create(session, "a"), copy = 0;
  BOOST_TEST(w.call(kC_CopyObject, {session, object, 0, 0, word(&copy)}) == CKR_OK);
  BOOST_TEST(copy != object);
  BOOST_TEST(w.id_of(session, copy) == "a");
  BOOST_TEST(w.call(kC_DestroyObject, {session, object}) == CKR_OK);
  BOOST_TEST(w.call(kC_DestroyObject, {session, object}) == CKR_OBJECT_HANDLE_INVALID);
  BOOST_TEST(w.create(session, "b") != object);
  BOOST_TEST(w.id_of(session, object) == "");
  auto found = w.find(session);
  BOOST_TEST(found.size() == 2u);
  BOOST_TEST(std::count(found.begin(), found.end(), copy) == 1);
}

BOOST_AUTO_TEST_CASE(handles_that_name_nothing) {
  Transparent w;
  w.initialize();
  CK_SESSION_HANDLE session = w.open(w.slots()[0]);
  CK_OBJECT_HANDLE object = w.create(session, "a");
  for (CK_SESSION_HANDLE bad : {CK_SESSION_HANDLE{0}, session + 1, CK_UNAVAILABLE_INFORMATION,
                                session + (CK_ULONG{1} << 32)})
    BOOST_TEST(w.call(kC_DestroyObject, {bad, object}) == CKR_SESSION_HANDLE_INVALID);
  for (CK_OBJECT_HANDLE bad :
       {CK_OBJECT_HANDLE{0}, object + 1, CK_UNAVAILABLE_INFORMATION, object + (CK_ULONG{1} << 32)})
    BOOST_TEST(w.call(kC_DestroyObject, {session, bad}) == CKR_OBJECT_HANDLE_INVALID);
  BOOST_TEST(w.id_of(session, object) == "a");
}

/* SoftHSM takes a handle of one token in a session of another; the rules of the first would be
 * void. */
BOOST_AUTO_TEST_CASE(a_handle_is_good_in_its_own_slot) {
  Labelled w;
  w.initialize();
  CK_SESSION_HANDLE alpha = w.open(1), beta = w.open(2), gamma = w.open(3);
  CK_OBJECT_HANDLE object = w.create(alpha, "a", true);
  BOOST_TEST(w.call(kC_DestroyObject, {beta, object}) == CKR_OBJECT_HANDLE_INVALID);
  BOOST_TEST(w.call(kC_DestroyObject, {gamma, object}) == CKR_OBJECT_HANDLE_INVALID);
  BOOST_TEST(w.id_of(alpha, object) == "a");
}

/* The slots of one transparent backend have one rule: it is the library that judges. */
BOOST_AUTO_TEST_CASE(a_transparent_librarys_handles_reach_it_from_every_slot) {
  Transparent w;
  w.initialize();
  CK_SESSION_HANDLE alpha = w.open(501), beta = w.open(502);
  CK_OBJECT_HANDLE object = w.create(alpha, "a"), copy = 0;
  const uint64_t before = w.library().count(kC_CopyObject);
  w.call(kC_CopyObject, {beta, object, 0, 0, word(&copy)});
  BOOST_TEST(w.library().count(kC_CopyObject) == before + 1);
  BOOST_TEST(w.id_of(beta, object) == "a"); /* the fake library takes it, as SoftHSM does */
}

/* Handles in a mechanism are translated like any other. */
BOOST_AUTO_TEST_CASE(handles_in_mechanisms) {
  Transparent w;
  w.initialize();
  CK_SESSION_HANDLE session = w.open(w.slots()[0]);
  w.create(session, "shift"); /* so that real and virtual numbers differ */
  CK_OBJECT_HANDLE gone = w.create(session, "gone");
  w.call(kC_DestroyObject, {session, gone});
  CK_OBJECT_HANDLE base = w.create(session, "base"), salt = w.create(session, "salt");
  CK_OBJECT_HANDLE seen_salt = 0, seen_base = 0;
  w.library().answer = [&](uint32_t function, const Words& words) {
    if (function != kC_DeriveKey) return CKR_OK;
    seen_salt = static_cast<CK_HKDF_PARAMS*>(at<CK_MECHANISM>(words.w[1])->pParameter)->hSaltKey;
    seen_base = words.w[2];
    return CKR_KEY_TYPE_INCONSISTENT;
  };
  CK_HKDF_PARAMS hkdf{};
  hkdf.hSaltKey = salt;
  CK_MECHANISM m{CKM_HKDF_DERIVE, &hkdf, sizeof hkdf};
  CK_OBJECT_HANDLE derived;
  w.call(kC_DeriveKey, {session, word(&m), base, 0, 0, word(&derived)});
  BOOST_TEST(w.library().objects.at(seen_salt).id == "salt");
  BOOST_TEST(w.library().objects.at(seen_base).id == "base");
  hkdf.hSaltKey = gone; /* names nothing, and is not "no key" either */
  w.call(kC_DeriveKey, {session, word(&m), base, 0, 0, word(&derived)});
  BOOST_TEST(w.library().objects.count(seen_salt) == 0u);
  BOOST_TEST(seen_salt != 0u);
  hkdf.hSaltKey = 0;
  w.call(kC_DeriveKey, {session, word(&m), base, 0, 0, word(&derived)});
  BOOST_TEST(seen_salt == 0u);
}

BOOST_AUTO_TEST_CASE(sessions_are_limited) {
  Transparent w;
  w.initialize();
  CK_SLOT_ID slot = w.slots()[0];
  for (uint32_t i = 0; i < limits::kSessions; i++) w.open(slot);
  CK_SESSION_HANDLE session;
  BOOST_TEST(w.call(kC_OpenSession, {slot, 4, 0, 0, word(&session)}) == CKR_SESSION_COUNT);
  w.call(kC_CloseAllSessions, {slot});
  BOOST_TEST(w.monitor.session_count() == 0u);
  w.open(slot);
}

/* ---- answers that overtake each other ---- */

/* The library reuses a number before the answer to the call that freed it has arrived. */
BOOST_AUTO_TEST_CASE(a_reused_object_handle_overtakes_its_destruction) {
  for (bool on_token : {false, true}) {
    Transparent w;
    w.initialize();
    CK_SESSION_HANDLE session = w.open(w.slots()[0]);
    CK_OBJECT_HANDLE old = w.create(session, "old", on_token), fresh = 0;
    std::string id = "fresh";
    CK_BBOOL token = on_token;
    CK_ATTRIBUTE a[] = {{CKA_ID, id.data(), id.size()}, {CKA_TOKEN, &token, 1}};
    World::Run* destroy = w.begin(kC_DestroyObject, Words{{session, old}});
    World::Run* create = w.begin(kC_CreateObject, Words{{session, word(a), 2, word(&fresh)}});
    w.advance(destroy);
    w.advance(create);
    w.happen(0); /* the library destroys */
    w.happen(0); /* and creates */
    w.happen(1); /* but the second answer comes first */
    w.settle();
    BOOST_TEST(fresh != old);
    BOOST_TEST(w.id_of(session, fresh) == "fresh");
    BOOST_TEST(w.id_of(session, old) == "");
  }
}

/* NSS gives the handle of a certificate that is there already: both callers may go on using it. */
BOOST_AUTO_TEST_CASE(a_token_object_made_twice) {
  Transparent w;
  w.initialize();
  CK_SESSION_HANDLE session = w.open(w.slots()[0]);
  w.call(kC_DestroyObject, {session, w.create(session, "gone", true)});
  CK_OBJECT_HANDLE first = w.create(session, "first", true);
  w.library().tamper = [](uint32_t function, Message* reply) {
    if (function == kC_CreateObject) reply->rec.handles[0] = 1;
  };
  BOOST_TEST(w.create(session, "again", true) == first);
  BOOST_TEST(w.id_of(session, first) == "first");
}

BOOST_AUTO_TEST_CASE(a_reused_session_handle_overtakes_its_closing) {
  Transparent w;
  w.initialize();
  CK_SLOT_ID slot = w.slots()[0];
  w.open(slot);
  CK_SESSION_HANDLE old = w.open(slot), fresh = 0;
  World::Run* close = w.begin(kC_CloseSession, Words{{old}});
  World::Run* open = w.begin(kC_OpenSession, Words{{slot, 4, 0, 0, word(&fresh)}});
  w.advance(close);
  w.advance(open);
  w.happen(0);
  w.happen(0);
  w.happen(1);
  w.settle();
  BOOST_TEST(w.processes[0].ended == 0u); /* no lie: nobody is punished */
  CK_SESSION_INFO info;
  BOOST_TEST(w.call(kC_GetSessionInfo, {fresh, word(&info)}) == CKR_OK);
  BOOST_TEST(w.call(kC_GetSessionInfo, {old, word(&info)}) == CKR_SESSION_HANDLE_INVALID);
}

BOOST_AUTO_TEST_CASE(a_session_closed_under_a_call_gives_no_handles) {
  Transparent w;
  w.initialize();
  CK_SLOT_ID slot = w.slots()[0];
  w.open(slot);
  CK_SESSION_HANDLE session = w.open(slot);
  CK_OBJECT_HANDLE made = 0;
  CK_RV value = CKR_OK;
  World::Run* create = w.begin(kC_CreateObject, Words{{session, 0, 0, word(&made)}});
  create->then = [&](CK_RV rv) { value = rv; };
  World::Run* close = w.begin(kC_CloseSession, Words{{session}});
  w.advance(create);
  w.advance(close);
  w.happen(0);
  w.happen(0);
  w.happen(1);
  w.settle();
  BOOST_TEST(value == CKR_SESSION_CLOSED);
  BOOST_TEST(made == 0u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace mp11::session_test
