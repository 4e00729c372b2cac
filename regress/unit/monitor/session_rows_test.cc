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
 * A client that names what it was not given, in every function there is. The rows come from the
 * table of functions, so that a new one is tried without being asked for.
 *
 * The test keeps a model of what each virtual handle was given for: a library, a life of it, a real
 * handle. Whatever arrives at a library with a handle in it must be what the client named, by that
 * model, for that library; what stands for nothing may always arrive. If this failed, a client
 * could use keys of a layer, a token or a person that it has no part in.
 */
#include "session_fixture.h"

using namespace mp11;
using namespace mp11::session_test;

namespace {

constexpr uint64_t kNothing = 0xfffffffe; /* what the monitor lets stand for no handle */

struct Given {
  uint32_t library;
  unsigned life;
  uint64_t real;
  bool operator==(const Given&) const = default;
};

/*
 * Slot 1: three layers, of which the last is read-only and shares the second's library. Slot 2: a
 * layer of its own on the first's library. Real numbers of all libraries are the same few.
 */
struct Hostile : World {
  Hostile()
      : World(Plans{{backend_plan(0), backend_plan(1)},
                    {layered_plan(1, "Mine",
                                  {layer_plan(0, "a"), layer_plan(1, "b"),
                                   layer_plan(1, "c", kLayerReadOnly)}),
                     layered_plan(2, "Other", {layer_plan(0, "d"), layer_plan(1, "e")})}}) {
    processes[0] =
        process({{10, "a", "1", "1234", kMechanisms}, {11, "d", "2", "1234", kMechanisms}});
    processes[1] = process({{20, "b", "3", "1234", kMechanisms},
                            {21, "c", "4", "1234", kMechanisms},
                            {22, "e", "5", "1234", kMechanisms}});
    BOOST_REQUIRE_EQUAL(initialize(), CKR_OK);
    session = open(1);
    other = open(2);
    CK_OBJECT_HANDLE all[64];
    for (CK_SESSION_HANDLE s : {session, other}) find_into(s, all); /* starts every library */
    for (uint32_t n : {0u, 1u})
      for (const FakeLibrary::Slot& slot : processes[n].library->slots)
        for (int i = 0; i < 3; i++) {
          auto& objects = processes[n].library->objects;
          objects[objects.size() + 1] =
              FakeLibrary::Object{slot.label + std::to_string(i), slot.id, true, false, 0};
        }
  }
  size_t find_into(CK_SESSION_HANDLE s, CK_OBJECT_HANDLE* all) {
    CK_ULONG count = 0;
    BOOST_REQUIRE_EQUAL(call(kC_FindObjectsInit, {s, 0, 0}), CKR_OK);
    BOOST_REQUIRE_EQUAL(call(kC_FindObjects, {s, word(all), 64, word(&count)}), CKR_OK);
    BOOST_REQUIRE_EQUAL(call(kC_FindObjectsFinal, {s}), CKR_OK);
    return count;
  }
  /* Every object, and what its handle stands for. */
  void learn() {
    for (CK_SESSION_HANDLE s : {session, other}) {
      CK_OBJECT_HANDLE all[64];
      const size_t count = find_into(s, all);
      for (size_t i = 0; i < count; i++) {
        const std::string id = id_of(s, all[i]);
        given[all[i]] = where_is(id);
        by_id[id] = all[i];
      }
    }
  }
  Given where_is(const std::string& id) {
    for (uint32_t n : {0u, 1u})
      for (const auto& [real, object] : processes[n].library->objects)
        if (object.id == id) return {n, processes[n].starts, real};
    BOOST_FAIL("no object " + id);
    return {};
  }

  /* From now on each call that arrives is looked at. */
  void watch() {
    for (uint32_t n : {0u, 1u})
      if (FakeLibrary* library = processes[n].library.get(); library != nullptr) {
        library->arrives = [this, n](const Message& message) { look(n, message); };
        /* Nothing new is made, as the model would not know it. */
        library->answer = [](uint32_t function, const Words&) -> CK_RV {
          const bool makes = kFunctionTable[function].has(ArgKind::kHandleOut);
          return makes ? CKR_DEVICE_MEMORY : CKR_OK;
        };
      }
  }
  void look(uint32_t n, const Message& message) {
    const FunctionRow& row = kFunctionTable[message.rec.function];
    arrived++;
    if (row.has(ArgKind::kSession) && message.rec.primary != kNothing) {
      const auto& sessions = processes[n].library->sessions;
      BOOST_REQUIRE_MESSAGE(sessions.count(message.rec.primary) != 0, row.name);
    }
    for (uint32_t i = 0; i < message.rec.handle_count; i++) {
      const uint64_t real = message.rec.handles[i];
      if (real == CK_INVALID_HANDLE || real == kNothing) continue;
      real_ones++;
      bool named = false; /* by the client, as something of this library and life */
      for (uint64_t handle : asked) {
        auto it = given.find(handle);
        named |= it != given.end() && it->second == Given{n, processes[n].starts, real} &&
                 reachable(handle, processes[n].library->objects[real], message.rec.primary, n);
      }
      BOOST_REQUIRE_MESSAGE(named,
                            row.name << " brought real handle " << real << " to library " << n);
    }
  }
  /* In a session of the token of the library that the object lies on. */
  bool reachable(uint64_t, const FakeLibrary::Object& object, uint64_t real_session, uint32_t n) {
    const auto& sessions = processes[n].library->sessions;
    auto it = sessions.find(real_session);
    return it != sessions.end() && it->second.slot == object.slot;
  }

  /* Arguments of any function: places that may be written to, and `handles` in turn. */
  CK_RV attempt(const FunctionRow& row, uint64_t in_session, std::vector<uint64_t> handles) {
    asked = handles;
    Words words;
    size_t next = 0;
    uint32_t number = 0;
    std::memset(room, 0, sizeof room);
    *reinterpret_cast<CK_ULONG*>(length) = sizeof room;
    for (unsigned i = 0; i < row.arg_count; i++) {
      Word* w = &words.w[row.args[i].first];
      switch (row.args[i].kind) {
        case ArgKind::kSession:
          w[0] = in_session;
          break;
        case ArgKind::kSlot:
          w[0] = 1;
          break;
        case ArgKind::kHandle:
          w[0] = handles[next++ % handles.size()];
          break;
        case ArgKind::kNumber:
          w[0] = row.number == kC_Login ? Word{CKU_USER} : Word{number};
          break;
        case ArgKind::kMechanism:
          w[0] = word(&mechanism);
          break;
        case ArgKind::kTemplate:
        case ArgKind::kTemplateInOut:
          w[0] = word(&attribute);
          w[1] = 1;
          attribute = {CKA_ID, id_room, sizeof id_room};
          break;
        case ArgKind::kBytes:
        case ArgKind::kPin:
        case ArgKind::kFillOut:
          w[0] = word(room);
          w[1] = 4;
          break;
        case ArgKind::kBytesOut:
        case ArgKind::kSlotList:
        case ArgKind::kNumberList:
          w[0] = word(room);
          w[1] = word(length);
          *reinterpret_cast<CK_ULONG*>(length) = 8;
          break;
        case ArgKind::kHandleList:
          w[0] = word(room);
          w[1] = 8;
          w[2] = word(length);
          break;
        case ArgKind::kReserved:
        case ArgKind::kInitArgs:
        case ArgKind::kNotify:
          break;
        default: /* one place to be written to */
          w[0] = word(room);
          break;
      }
    }
    CK_RV rv = CKR_GENERAL_ERROR;
    Run* run = begin(row.number, words);
    run->checked = false; /* what a library of this test leaves unwritten is no matter here */
    run->then = [&rv](CK_RV value) { rv = value; };
    settle();
    BOOST_REQUIRE_MESSAGE(run->answered, row.name);
    forget_answered();
    return rv;
  }
  /* Functions that would end what the test stands on come by their own tests. */
  static bool tried(const FunctionRow& row) {
    switch (row.number) {
      case kC_CloseSession:
      case kC_CloseAllSessions:
      case kC_Finalize:
      case kC_Initialize:
      case kC_DestroyObject:
        return false;
      default:
        return carried(row) && row.has(ArgKind::kSession);
    }
  }
  void try_all(const char* what, const std::vector<uint64_t>& sessions,
               const std::vector<std::vector<uint64_t>>& handles) {
    for (const FunctionRow& row : kFunctionTable) {
      if (!tried(row) && !(row.number == kC_DestroyObject && destroys)) continue;
      for (uint64_t s : sessions)
        for (const std::vector<uint64_t>& h : handles) {
          BOOST_TEST_INFO(what << ": " << row.name);
          attempt(row, s, h);
        }
    }
  }

  static inline const std::vector<CK_MECHANISM_TYPE> kMechanisms = {CKM_AES_ECB, CKM_SHA256};
  CK_SESSION_HANDLE session = 0, other = 0;
  std::map<uint64_t, Given> given;
  std::map<std::string, uint64_t> by_id;
  std::vector<uint64_t> asked;
  size_t arrived = 0, real_ones = 0;
  bool destroys = false; /* C_DestroyObject is tried as well: nothing is to be destroyed */
  alignas(16) uint8_t room[4096];
  alignas(16) uint8_t length[sizeof(CK_ULONG)];
  char id_room[64];
  CK_ATTRIBUTE attribute{};
  CK_MECHANISM mechanism{CKM_AES_ECB, nullptr, 0};
};

}  // namespace

BOOST_AUTO_TEST_SUITE(session_rows)

/* The test itself: what the client was given does arrive, in every function that names an object.
 */
BOOST_AUTO_TEST_CASE(what_was_given_arrives) {
  Hostile w;
  w.learn();
  BOOST_REQUIRE_EQUAL(w.given.size(), 15u);
  w.watch();
  for (const FunctionRow& row : kFunctionTable) {
    if (!Hostile::tried(row) || !row.has(ArgKind::kHandle)) continue;
    const size_t before = w.real_ones;
    w.attempt(row, w.session, {w.by_id["a0"]});
    BOOST_TEST(w.real_ones > before, row.name);
  }
}

BOOST_AUTO_TEST_CASE(handles_of_other_layers_and_tokens) {
  Hostile w;
  w.learn();
  w.watch();
  std::vector<uint64_t> all;
  for (const auto& [id, handle] : w.by_id) all.push_back(handle);
  std::vector<std::vector<uint64_t>> pairs;
  for (uint64_t first : all)
    for (uint64_t second : all) pairs.push_back({first, second});
  w.try_all("each with each", {w.session, w.other}, pairs);
  BOOST_TEST(w.real_ones > 1000u);
}

BOOST_AUTO_TEST_CASE(numbers_that_were_never_given) {
  Hostile w, another; /* another connection's: numbers that it was given, and this one was not */
  for (int i = 0; i < 40; i++) BOOST_REQUIRE(another.create(another.session, "x") != 0u);
  another.learn();
  w.learn();
  w.watch();
  std::vector<std::vector<uint64_t>> raw = {{0}, {~0ull}, {~0u}, {kNothing}, {1ull << 32 | 1}};
  for (const auto& [handle, of] : another.given)
    if (w.given.count(handle) == 0) raw.push_back({handle});
  for (uint64_t real = 1; real < 24; real++)
    for (uint64_t high : {0ull, 1ull << 20, 2ull << 20, 1ull << 31, 1ull << 32})
      if (w.given.count(real | high) == 0) raw.push_back({real | high});
  BOOST_REQUIRE(raw.size() > 60u);
  w.destroys = true;
  w.try_all("made up", {w.session, w.other}, raw);
  BOOST_TEST(w.real_ones == 0u);
  /* Sessions that are none, with handles that are good. */
  std::vector<std::vector<uint64_t>> good;
  for (const auto& [handle, of] : w.given) good.push_back({handle});
  w.try_all("no session", {0, 3, 4, 10, kNothing, ~0u, ~0ull, 1ull << 32 | w.session}, good);
  BOOST_TEST(w.real_ones == 0u);
}

BOOST_AUTO_TEST_CASE(handles_of_what_has_ended) {
  Hostile w;
  w.learn();
  std::vector<std::vector<uint64_t>> dead;
  auto end = [&](uint64_t handle) {
    w.given.erase(handle);
    dead.push_back({handle});
  };
  /* Destroyed, and its real number used again. */
  const uint64_t destroyed = w.by_id["a1"];
  const uint64_t real = w.given[destroyed].real;
  BOOST_REQUIRE_EQUAL(w.call(kC_DestroyObject, {w.session, destroyed}), CKR_OK);
  end(destroyed);
  const uint64_t fresh = w.create(w.session, "again", true);
  BOOST_REQUIRE_EQUAL(w.where_is("again").real, real);
  w.given[fresh] = w.where_is("again");
  /* Of a session that is closed, and private ones of a login that is over. */
  CK_SESSION_HANDLE short_one = w.open(1);
  end(w.create(short_one, "short"));
  BOOST_REQUIRE_EQUAL(w.call(kC_CloseSession, {short_one}), CKR_OK);
  char pin[] = "1234";
  BOOST_REQUIRE_EQUAL(w.call(kC_Login, {w.session, CKU_USER, word(pin), 4}), CKR_OK);
  const uint64_t secret = w.create(w.session, "private", false, true);
  BOOST_REQUIRE(secret != 0u);
  BOOST_REQUIRE_EQUAL(w.call(kC_Logout, {w.session}), CKR_OK);
  end(secret);
  w.destroys = true;
  w.watch();
  w.try_all("ended", {w.session, w.other, short_one}, dead);
  BOOST_TEST(w.real_ones == 0u);

  /* Of a library that has died, and is there again with the same numbers. */
  std::vector<std::vector<uint64_t>> lost;
  for (const auto& [handle, of] : w.given)
    if (of.library == 1) lost.push_back({handle});
  BOOST_REQUIRE(lost.size() >= 9u);
  w.kill(1);
  std::erase_if(w.given, [](const auto& one) { return one.second.library == 1; });
  CK_OBJECT_HANDLE all[64];
  w.find_into(w.session, all);
  BOOST_REQUIRE(w.processes[1].library != nullptr);
  for (CK_SLOT_ID slot : {20, 21, 22})
    for (int i = 0; i < 3; i++) {
      auto& objects = w.processes[1].library->objects;
      objects[objects.size() + 1] = FakeLibrary::Object{"new", slot, true, false, 0};
    }
  w.watch();
  w.try_all("of a dead library", {w.session, w.other}, lost);
  BOOST_TEST(w.real_ones == 0u);
  BOOST_TEST(w.processes[0].library != nullptr); /* and nobody took the other one down */
}

BOOST_AUTO_TEST_SUITE_END()
