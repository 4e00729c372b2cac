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
 * SessionMonitor between two enemies: a client that speaks to it without our module, and a backend
 * that lies. Neither gets past a token's rules, and neither harms what belongs to others.
 */
#include "packing.h"
#include "session_fixture.h"

namespace mp11::session_test {
namespace {

/* Backend 0 has a read-only token in slot 1, a common one in slot 2; backend 1 one in slot 3. */
struct Mixed : World {
  explicit Mixed(uint32_t layer_flags = kLayerReadOnly, uint32_t flags = 0)
      : World({{backend_plan(0), backend_plan(1)},
               {token_plan(1, 0, flags, "alpha", "", layer_flags), token_plan(2, 0, 0, "beta"),
                token_plan(3, 1, 0, "gamma")}}) {
    processes[0] = process({{10, "alpha"}, {11, "beta"}});
    processes[1] = process({{20, "gamma"}});
    BOOST_REQUIRE_EQUAL(initialize(), CKR_OK);
    session = open(1);
    common = open(2);
    other = open(3);
    library().objects[7] = {"old", 10, true, false, 0};
    found = find(session).at(0);
  }
  FakeLibrary& library() { return *processes[0].library; }

  /* A call as the client packed it, after the test has had its hands on it. */
  CK_RV forged(uint32_t function, std::initializer_list<Word> arguments,
               const std::function<void(Message*)>& change) {
    Words words;
    std::copy(arguments.begin(), arguments.end(), words.w);
    CK_RV rv = CKR_OK;
    Run* run = begin(function, words);
    run->then = [&](CK_RV value) { rv = value; };
    change(&run->call.request);
    settle();
    BOOST_REQUIRE(run->answered);
    forget_answered();
    return rv;
  }

  CK_SESSION_HANDLE session = 0, common = 0, other = 0;
  CK_OBJECT_HANDLE found = 0;
};

BOOST_AUTO_TEST_SUITE(session_hostile)

/* ---- rules of a token ---- */

BOOST_AUTO_TEST_CASE(read_only_tokens_stay_as_they_are) {
  Mixed w;
  CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
  CK_ATTRIBUTE token{CKA_TOKEN, &yes, 1}, session_object{CKA_TOKEN, &no, 1};
  CK_OBJECT_HANDLE made = 0, second = 0;
  CK_MECHANISM m{CKM_RSA_PKCS_KEY_PAIR_GEN, nullptr, 0};
  BOOST_TEST(w.call(kC_DestroyObject, {w.session, w.found}) == CKR_ACTION_PROHIBITED);
  BOOST_TEST(w.call(kC_SetAttributeValue, {w.session, w.found, 0, 0}) == CKR_ACTION_PROHIBITED);
  BOOST_TEST(w.call(kC_CreateObject, {w.session, word(&token), 1, word(&made)}) ==
             CKR_TOKEN_WRITE_PROTECTED);
  BOOST_TEST(w.call(kC_GenerateKeyPair, {w.session, word(&m), word(&session_object), 1,
                                         word(&token), 1, word(&made), word(&second)}) ==
             CKR_TOKEN_WRITE_PROTECTED);
  BOOST_TEST(w.call(kC_CopyObject, {w.session, w.found, 0, 0, word(&made)}) ==
             CKR_TOKEN_WRITE_PROTECTED);
  BOOST_TEST(w.call(kC_SetPIN, {w.session, 0, 0, 0, 0}) == CKR_TOKEN_WRITE_PROTECTED);
  BOOST_TEST(w.library().objects.size() == 1u);
  BOOST_TEST(w.library().count(kC_SetPIN) == 0u);

  /* Session objects may be made, changed, copied and destroyed. */
  CK_OBJECT_HANDLE mine = w.create(w.session, "mine");
  BOOST_TEST(w.last_rv == CKR_OK);
  BOOST_TEST(w.call(kC_CopyObject, {w.session, w.found, word(&session_object), 1, word(&made)}) ==
             CKR_OK);
  BOOST_TEST(w.call(kC_CopyObject, {w.session, mine, 0, 0, word(&second)}) == CKR_OK);
  BOOST_TEST(w.call(kC_SetAttributeValue, {w.session, mine, 0, 0}) == CKR_OK);
  BOOST_TEST(w.call(kC_SetAttributeValue, {w.session, mine, word(&token), 1}) ==
             CKR_TOKEN_WRITE_PROTECTED);
  for (CK_OBJECT_HANDLE object : {mine, made, second})
    BOOST_TEST(w.call(kC_DestroyObject, {w.session, object}) == CKR_OK);

  /* And the library is told: it may know more of what a call makes than the call says. */
  for (const auto& [handle, opened] : w.library().sessions)
    BOOST_TEST(opened.flags ==
               (opened.slot == 10 ? CKF_SERIAL_SESSION : CKF_SERIAL_SESSION | CKF_RW_SESSION));

  CK_TOKEN_INFO info;
  BOOST_TEST(w.call(kC_GetTokenInfo, {1, word(&info)}) == CKR_OK);
  BOOST_TEST((info.flags & CKF_WRITE_PROTECTED) != 0u);
  BOOST_TEST(w.call(kC_GetTokenInfo, {2, word(&info)}) == CKR_OK);
  BOOST_TEST((info.flags & CKF_WRITE_PROTECTED) == 0u);
}

/* What the record says of the template is the client's word, and worth nothing. */
BOOST_AUTO_TEST_CASE(flags_of_a_record_are_not_believed) {
  Mixed w;
  CK_BBOOL yes = CK_TRUE;
  CK_ATTRIBUTE token{CKA_TOKEN, &yes, 1};
  CK_OBJECT_HANDLE made = 0;
  auto no_flags = [](Message* m) { m->rec.flags = 0; };
  BOOST_TEST(w.forged(kC_CreateObject, {w.session, word(&token), 1, word(&made)}, no_flags) ==
             CKR_TOKEN_WRITE_PROTECTED);
  BOOST_TEST(w.forged(kC_CopyObject, {w.session, w.found, 0, 0, word(&made)}, no_flags) ==
             CKR_TOKEN_WRITE_PROTECTED);
  BOOST_TEST(w.library().objects.size() == 1u);
}

/* A template within a template makes token objects later. */
BOOST_AUTO_TEST_CASE(nested_templates_are_looked_at) {
  Mixed w;
  CK_BBOOL yes = CK_TRUE;
  CK_ATTRIBUTE inner{CKA_TOKEN, &yes, 1};
  CK_ATTRIBUTE outer{CKA_UNWRAP_TEMPLATE, &inner, sizeof inner};
  CK_OBJECT_HANDLE made = 0;
  BOOST_TEST(w.call(kC_CreateObject, {w.session, word(&outer), 1, word(&made)}) ==
             CKR_TOKEN_WRITE_PROTECTED);
  BOOST_TEST(w.call(kC_FindObjectsInit, {w.session, word(&inner), 1}) == CKR_OK);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_read_is_not_let_through) {
  Mixed w;
  CK_BBOOL no = CK_FALSE;
  CK_ATTRIBUTE a{CKA_TOKEN, &no, 1};
  CK_OBJECT_HANDLE made = 0;
  auto cut = [](Message* m) { m->bytes.resize(m->bytes.size() - 1); };
  BOOST_TEST(w.forged(kC_CreateObject, {w.session, word(&a), 1, word(&made)}, cut) ==
             CKR_ARGUMENTS_BAD);
  auto more = [](Message* m) { m->bytes.extend(1); };
  BOOST_TEST(w.forged(kC_CreateObject, {w.session, word(&a), 1, word(&made)}, more) ==
             CKR_ARGUMENTS_BAD);
}

/* By way of a session of another slot of the same library. */
BOOST_AUTO_TEST_CASE(a_read_only_object_is_not_reached_from_another_slot) {
  Mixed w;
  BOOST_TEST(w.call(kC_DestroyObject, {w.common, w.found}) == CKR_OBJECT_HANDLE_INVALID);
  BOOST_TEST(w.call(kC_DestroyObject, {w.other, w.found}) == CKR_OBJECT_HANDLE_INVALID);
  BOOST_TEST(w.library().objects.size() == 1u);
}

BOOST_AUTO_TEST_CASE(changeable_attributes_are_hidden) {
  Mixed w;
  auto shown = [&](CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object) {
    CK_BBOOL values[3] = {7, 7, 7};
    char id[8];
    CK_ATTRIBUTE query[] = {{CKA_MODIFIABLE, &values[0], 1},
                            {CKA_COPYABLE, &values[1], 1},
                            {CKA_DESTROYABLE, &values[2], 1},
                            {CKA_ID, id, sizeof id},
                            {CKA_MODIFIABLE, nullptr, 0}};
    BOOST_TEST(w.call(kC_GetAttributeValue, {session, object, word(query), 5}) == CKR_OK);
    BOOST_TEST(query[3].ulValueLen > 0u);
    BOOST_TEST(query[4].ulValueLen == 1u);
    BOOST_TEST((values[0] == values[1] && values[1] == values[2]));
    return values[0];
  };
  BOOST_TEST(shown(w.session, w.found) == CK_FALSE);
  BOOST_TEST(shown(w.session, w.create(w.session, "mine")) == CK_TRUE);
  w.create(w.common, "there", true);
  BOOST_TEST(shown(w.common, w.find(w.common).at(0)) == CK_TRUE);
}

BOOST_AUTO_TEST_CASE(administration_needs_admin) {
  Mixed w(0);
  const char* label = "01234567890123456789012345678901";
  BOOST_TEST(w.call(kC_InitToken, {1, word("so"), 2, word(label)}) == CKR_FUNCTION_NOT_SUPPORTED);
  BOOST_TEST(w.call(kC_InitPIN, {w.session, word("pin"), 3}) == CKR_FUNCTION_NOT_SUPPORTED);
  BOOST_TEST(w.call(kC_Login, {w.session, CKU_SO, word("so"), 2}) == CKR_USER_TYPE_INVALID);
  BOOST_TEST(w.call(kC_Login, {w.session, CKU_USER, word("pin"), 3}) == CKR_OK);
  for (uint32_t function : {kC_InitToken, kC_InitPIN})
    BOOST_TEST(w.library().count(function) == 0u);

  Mixed admin(0, kTokenAdmin);
  BOOST_TEST(admin.call(kC_Login, {admin.session, CKU_SO, word("so"), 2}) == CKR_OK);
  BOOST_TEST(admin.call(kC_InitPIN, {admin.session, word("pin"), 3}) == CKR_OK);
  BOOST_TEST(admin.call(kC_InitToken, {1, word("so"), 2, word(label)}) == CKR_OK);
}

/* ---- clients without our module ---- */

BOOST_AUTO_TEST_CASE(records_that_no_module_makes) {
  Mixed w;
  CK_SESSION_INFO info;
  auto get = [&](const std::function<void(Message*)>& change) {
    return w.forged(kC_GetSessionInfo, {w.session, word(&info)}, change);
  };
  BOOST_TEST(get([](Message*) {}) == CKR_OK);
  size_t calls = w.library().calls.size();
  BOOST_TEST(get([](Message* m) { m->rec.flags |= kFlagReply; }) == CKR_ARGUMENTS_BAD);
  BOOST_TEST(get([](Message* m) { m->rec.flags |= kFlagMore; }) == CKR_ARGUMENTS_BAD);
  BOOST_TEST(get([](Message* m) { m->list.push_back(1); }) == CKR_ARGUMENTS_BAD);
  BOOST_TEST(get([](Message* m) { m->rec.number_count = 1; }) == CKR_ARGUMENTS_BAD);
  BOOST_TEST(w.library().calls.size() == calls);
}

BOOST_AUTO_TEST_CASE(functions_that_are_none) {
  Mixed w;
  for (uint32_t function : {uint32_t{kC_GetFunctionList}, uint32_t{kC_EncryptMessage},
                            uint32_t{kFunctions}, UINT32_MAX}) {
    World::Run run;
    run.call.request.rec.function = function;
    run.call.request.rec.id = 9;
    SessionMonitor::Step step = w.monitor.next(&run.call);
    BOOST_TEST((step.action == World::Action::kAnswer));
    BOOST_TEST(run.call.reply.rec.rv == CKR_FUNCTION_NOT_SUPPORTED);
    BOOST_TEST(run.call.reply.rec.id == 9u);
  }
}

BOOST_AUTO_TEST_CASE(random_handles_reach_nothing) {
  Mixed w;
  uint64_t x = 88172645463325252u;
  for (unsigned i = 0; i < 3000; i++) {
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    CK_OBJECT_HANDLE handle = i % 3 == 0 ? x : i % 3 == 1 ? x & 0xffffffff : x & 0xfff;
    if (handle == w.found) continue;
    BOOST_REQUIRE(w.call(kC_DestroyObject, {w.common, handle}) != CKR_OK);
    BOOST_REQUIRE(w.call(kC_DestroyObject, {w.session, handle}) != CKR_OK);
  }
  BOOST_TEST(w.library().objects.size() == 1u);
}

/* ---- backends that lie ---- */

/* One lie for one function: the backend is ended, its sessions are gone, the other one's live on.
 */
CK_RV lie(uint32_t function, const std::function<void(Message*)>& change,
          const std::function<CK_RV(Mixed*)>& act) {
  Mixed w;
  w.library().tamper = [&](uint32_t f, Message* reply) {
    if (f == function) change(reply);
  };
  CK_RV rv = act(&w);
  BOOST_TEST(w.processes[0].ended == 1u);
  BOOST_TEST(w.processes[1].ended == 0u);
  BOOST_TEST(w.id_of(w.session, w.found) == "");
  BOOST_TEST(w.last_rv == CKR_SESSION_HANDLE_INVALID);
  BOOST_TEST(w.create(w.other, "x") != 0u);
  w.open(1); /* a new instance */
  return rv;
}

BOOST_AUTO_TEST_CASE(lies_about_the_record) {
  CK_SESSION_INFO info;
  auto get = [&](Mixed* w) { return w->call(kC_GetSessionInfo, {w->session, word(&info)}); };
  const std::function<void(Message*)> lies[] = {
      [](Message* m) { m->rec.function = kC_GetTokenInfo; },
      [](Message* m) { m->rec.flags = 0; },
      [](Message* m) { m->rec.flags |= kFlagTokenObject0; },
      [](Message* m) { m->rec.handle_count = 1, m->rec.handles[0] = 5; },
      [](Message* m) { m->list.push_back(5); },
      [](Message* m) { m->bytes.resize(3); },
  };
  for (const auto& change : lies)
    BOOST_TEST(lie(kC_GetSessionInfo, change, get) == CKR_DEVICE_REMOVED);
}

BOOST_AUTO_TEST_CASE(lies_about_handles) {
  auto create = [](Mixed* w) {
    w->create(w->session, "x");
    return w->last_rv;
  };
  BOOST_TEST(lie(
                 kC_CreateObject, [](Message* m) { m->rec.handle_count = 0; }, create) ==
             CKR_DEVICE_REMOVED);
  BOOST_TEST(lie(
                 kC_CreateObject, [](Message* m) { m->rec.handle_count = 16; }, create) ==
             CKR_DEVICE_REMOVED);
  auto token = [](Mixed* w) {
    CK_TOKEN_INFO info;
    return w->call(kC_GetTokenInfo, {1, word(&info)});
  };
  BOOST_TEST(lie(
                 kC_GetTokenInfo, [](Message* m) { m->bytes.resize(20); }, token) ==
             CKR_DEVICE_REMOVED);
}

/* Success in a session that the client never had: whatever it gives is nobody's. */
BOOST_AUTO_TEST_CASE(lies_about_sessions_that_are_none) {
  World w({{backend_plan(0)}, {token_plan(1, 0, kTokenTransparent)}});
  w.processes[0] = process({{10, "alpha"}});
  w.initialize();
  CK_SLOT_ID slot = w.slots()[0];
  w.open(slot);
  w.processes[0].library->tamper = [](uint32_t function, Message* m) {
    if (function != kC_CreateObject) return;
    m->rec.rv = CKR_OK;
    m->rec.handle_count = 1;
    m->rec.handles[0] = 7;
  };
  CK_OBJECT_HANDLE made = 0;
  BOOST_TEST(w.call(kC_CreateObject, {12345, 0, 0, word(&made)}) == CKR_DEVICE_REMOVED);
  BOOST_TEST(made == 0u);
  BOOST_TEST(w.processes[0].ended == 1u);
}

/* Some errors come with results; the handles among them are real ones, and nobody's business. */
BOOST_AUTO_TEST_CASE(errors_carry_no_handles) {
  Mixed w;
  w.library().tamper = [](uint32_t function, Message* m) {
    if (function != kC_CreateObject) return;
    m->rec.rv = CKR_ATTRIBUTE_TYPE_INVALID;
    m->rec.handles[0] = 4711;
  };
  CK_OBJECT_HANDLE made = 0;
  uint64_t seen = 1;
  World::Run* run = w.begin(kC_CreateObject, Words{{w.session, 0, 0, word(&made)}});
  run->then = [&](CK_RV) { seen = run->call.reply.rec.handles[0]; };
  w.settle();
  BOOST_TEST(seen == 0u);
  BOOST_TEST(made == 0u);
}

BOOST_AUTO_TEST_CASE(lies_about_slots) {
  World w({{backend_plan(0)}, {token_plan(1, 0, kTokenTransparent)}});
  w.processes[0] = process({{10, "alpha"}});
  w.initialize();
  /* Ever new slots: the map of slots must not grow without end. */
  uint64_t next = 1;
  w.processes[0].library->tamper = [&](uint32_t function, Message* m) {
    if (function != kC_GetSlotList) return;
    m->list.resize(32);
    for (uint64_t& slot : m->list) slot = next++;
    m->bytes.data()[1] = 32;
  };
  for (unsigned i = 0; i < 200 && w.processes[0].ended == 0; i++) w.slots();
  BOOST_TEST(w.processes[0].ended == 1u);
}

BOOST_AUTO_TEST_CASE(a_list_of_slots_that_never_ends) {
  Mixed w;
  w.kill(1);
  w.processes[1].make = [] {
    auto library = std::make_unique<FakeLibrary>(std::vector<FakeLibrary::Slot>{{20, "not gamma"}});
    library->tamper = [](uint32_t function, Message* m) {
      if (function != kC_GetSlotList) return;
      m->list.resize(limits::kHandleList, 20);
      m->bytes.clear();
      PackWriter out(&m->bytes);
      out.u8(1);
      out.u64(limits::kHandleList);
      out.u8(1);
    };
    return library;
  };
  CK_SESSION_HANDLE session;
  BOOST_TEST(w.call(kC_OpenSession, {3, 4, 0, 0, word(&session)}) == CKR_TOKEN_NOT_PRESENT);
  BOOST_TEST(w.processes[1].library->calls.size() < 5000u);
}

/* The lie of one call ends the backend: others that are in flight there are answered too. */
BOOST_AUTO_TEST_CASE(a_lie_while_others_are_in_flight) {
  Mixed w;
  w.library().tamper = [](uint32_t function, Message* m) {
    if (function == kC_GetSessionInfo) m->rec.function = kC_Login;
  };
  CK_SESSION_INFO info;
  std::vector<CK_RV> values;
  for (uint32_t f : {kC_FindObjectsFinal, kC_GetSessionInfo, kC_Logout})
    w.begin(f, Words{{w.session, word(&info)}})->then = [&](CK_RV rv) { values.push_back(rv); };
  for (auto& run : w.runs) w.advance(run.get());
  w.happen(1);
  w.happen(w.events.size() - 1);
  w.settle();
  BOOST_REQUIRE(values.size() == 3u);
  for (CK_RV rv : values) BOOST_TEST(rv == CKR_DEVICE_REMOVED);
}

/* A host with threads may hold a reply of a backend that another thread has found to be a liar. */
BOOST_AUTO_TEST_CASE(a_reply_of_a_backend_that_is_gone) {
  Mixed w;
  CK_SESSION_HANDLE fresh = 0;
  CK_RV value = CKR_OK;
  World::Run* run = w.begin(kC_OpenSession, Words{{1, 4, 0, 0, word(&fresh)}});
  run->then = [&](CK_RV rv) { value = rv; };
  w.advance(run);
  w.happen(0);
  Message reply;
  std::swap(reply, *w.events[0].message);
  w.kill(0);
  std::swap(run->call.reply, reply);
  w.monitor.replied(&run->call);
  w.settle();
  BOOST_TEST(value == CKR_DEVICE_REMOVED);
  BOOST_TEST(w.monitor.session_count() == 1u);
}

/* Octets of a reply, at random: the monitor reads some of them. */
BOOST_AUTO_TEST_CASE(random_replies) {
  uint64_t x = 362436069u;
  auto next = [&x] { return x ^= x << 13, x ^= x >> 7, x ^= x << 17; };
  for (unsigned i = 0; i < 2000; i++) {
    World w({{backend_plan(0)}, {token_plan(1, 0, 0, "alpha", "", kLayerReadOnly)}});
    w.processes[0].make = [&] {
      auto library = std::make_unique<FakeLibrary>(std::vector<FakeLibrary::Slot>{{10, "alpha"}});
      library->tamper = [&](uint32_t, Message* m) {
        if (next() % 4 != 0) return;
        if (!m->bytes.empty())
          m->bytes.data()[next() % m->bytes.size()] = static_cast<uint8_t>(next());
        if (next() % 4 == 0) m->bytes.resize(next() % (m->bytes.size() + 2));
        if (next() % 8 == 0) m->list.push_back(next());
        if (next() % 8 == 0) m->rec.handle_count = static_cast<uint32_t>(next() % 17);
      };
      return library;
    };
    /* Not through call(): what reaches the client need not fit any more. */
    CK_BBOOL value;
    CK_ATTRIBUTE a{CKA_MODIFIABLE, &value, 1};
    CK_SESSION_HANDLE session = 0;
    CK_TOKEN_INFO info;
    for (auto [f, words] : {std::pair<uint32_t, Words>{kC_Initialize, {}},
                            {kC_OpenSession, {{1, 4, 0, 0, word(&session)}}},
                            {kC_GetTokenInfo, {{1, word(&info)}}},
                            {kC_GetAttributeValue, {{1, 1, word(&a), 1}}},
                            {kC_GetSessionInfo, {{1, word(&info)}}}}) {
      World::Run* run = w.begin(f, words);
      run->checked = false;
      w.settle();
      BOOST_REQUIRE(run->answered);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace mp11::session_test
