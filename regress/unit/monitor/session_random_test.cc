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
 * SessionMonitor with many calls at once, whose steps, replies, starts, locks and deaths come in
 * random order. Whatever the order: every call is answered once, none waits for ever, no lock stays
 * behind, no handle is given twice, and none names another object than the one it was given for.
 */
#include <set>

#include "session_fixture.h"

namespace mp11::session_test {
namespace {

class Chaos {
 public:
  explicit Chaos(uint64_t seed)
      : x_(seed * 0x9e3779b97f4a7c15u + 1),
        world_({{backend_plan(0, kBackendTokenLock), backend_plan(1)},
                {token_plan(1, 0, 0, "alpha"), token_plan(2, 0, 0, "beta"),
                 token_plan(3, 1, 0, "gamma"), token_plan(4, 1, kTokenTransparent),
                 layered_plan(5, "Delta",
                              {layer_plan(0, "delta", kLayerBlind), layer_plan(1, "epsilon")}),
                 layered_plan(
                     6, "Zeta",
                     {prefixed(layer_plan(1, "zeta", kLayerBlind)), layer_plan(0, "eta")})}}) {
    world_.processes[0] = process({{10, "alpha"}, {11, "beta"}, {12, "delta"}, {13, "eta"}});
    world_.processes[1] = process({{20, "gamma"}, {21, "epsilon"}, {22, "zeta"}});
    furnish(0, {12, 13});
    furnish(1, {21, 22});
  }

  void run(unsigned calls) {
    world_.initialize();
    unsigned begun = 0;
    while (begun < calls || outstanding_ != 0) {
      if (begun < calls && outstanding_ < 6 && below(3) != 0) {
        begun += begin();
        continue;
      }
      if (!act()) BOOST_REQUIRE_MESSAGE(begun < calls && outstanding_ < 6, "a call waits for ever");
    }
    BOOST_REQUIRE(!world_.processes[0].locked);
    BOOST_REQUIRE(!world_.processes[1].locked);
    for (auto& [number, process] : world_.processes) {
      process.spawn_error = kSpawnOk;
      process.lock_fails = false;
    }
    if (!world_.monitor.initialized()) BOOST_REQUIRE_EQUAL(world_.initialize(), CKR_OK);
    for (CK_SLOT_ID slot : kSlots) world_.open(slot); /* and all is well */
  }

 private:
  /* Every id in this test begins with it. */
  static PortfolioLayer prefixed(PortfolioLayer layer) {
    set_prefix(&layer, "", "o");
    return layer;
  }
  /* Objects that are there from the start, so that blind layers have something to hide. */
  void furnish(uint32_t backend, std::vector<CK_SLOT_ID> slots) {
    world_.processes[backend].make = [make = world_.processes[backend].make, slots] {
      auto library = make();
      CK_OBJECT_HANDLE handle = 1 << 20;
      for (CK_SLOT_ID slot : slots)
        for (const char* id : {"x", "y", ""})
          library->objects[handle++] = FakeLibrary::Object{id, slot, true, false, 0};
      return library;
    };
  }

  static constexpr CK_SLOT_ID kSlots[] = {1, 2, 3, 5, 6}; /* the last two are of two layers */
  /* kUnsure: may have died of something that was under way at the same time. */
  enum class State { kLive, kUnsure, kEnding, kDead };
  struct Session {
    CK_SESSION_HANDLE handle = 0;
    CK_SLOT_ID slot = 0;
    State state = State::kLive;
    unsigned uses = 0;
  };
  struct Object {
    CK_OBJECT_HANDLE handle = 0;
    std::string id;
    Session* session = nullptr;
    bool priv = false;
    State state = State::kLive;
    unsigned uses = 0;
    unsigned deaths = 0; /* of its backend until then */
  };
  /* What a call points to; lives as long as the test. */
  struct Memory {
    CK_ULONG handle = 0;
    CK_BBOOL token = CK_FALSE, priv = CK_FALSE;
    std::string id;
    char value[16];
    CK_ATTRIBUTE attributes[3];
    CK_TOKEN_INFO info;
    CK_SLOT_ID slots[8];
    CK_OBJECT_HANDLE found[4];
    CK_ULONG count = 8;
  };

  uint64_t next() { return x_ ^= x_ << 13, x_ ^= x_ >> 7, x_ ^= x_ << 17; }
  size_t below(size_t n) { return static_cast<size_t>(next() % n); }
  /* Of the backend where its objects are made. */
  unsigned deaths(CK_SLOT_ID slot) const { return deaths_[slot == 3 || slot == 6]; }

  /* One thing happens. False: nothing can. */
  bool act() {
    if (below(150) == 0) {
      uint32_t backend = static_cast<uint32_t>(below(2));
      deaths_[backend]++;
      if (world_.processes[backend].library != nullptr) world_.kill(backend);
      return true;
    }
    for (auto& [number, process] : world_.processes) {
      if (below(20) == 0) process.spawn_error = below(5) == 0 ? kSpawnFailed : kSpawnOk;
      if (below(20) == 0) process.lock_fails = below(5) == 0;
    }
    std::vector<World::Run*> ready;
    for (auto& run : world_.runs)
      if (world_.ready(*run)) ready.push_back(run.get());
    size_t choices = ready.size() + world_.events.size();
    if (choices == 0) return false;
    size_t choice = below(choices);
    if (choice < ready.size())
      world_.advance(ready[choice]);
    else
      world_.happen(choice - ready.size());
    world_.forget_answered();
    return true;
  }

  template <class T>
  T* pick(std::vector<std::unique_ptr<T>>& all, bool live) {
    for (unsigned tries = 0; tries < 5 && !all.empty(); tries++) {
      T* one = all[below(all.size())].get();
      if (live ? one->state <= State::kUnsure : one->state == State::kDead) return one;
    }
    return nullptr;
  }

  void start(uint32_t function, std::initializer_list<Word> arguments,
             std::function<void(CK_RV)> then) {
    Words words;
    std::copy(arguments.begin(), arguments.end(), words.w);
    outstanding_++;
    world_.begin(function, words)->then = [this, then](CK_RV rv) {
      outstanding_--;
      then(rv);
    };
  }

  bool begin() {
    memory_.push_back(std::make_unique<Memory>());
    Memory* m = memory_.back().get();
    switch (below(14)) {
      case 0:
      case 1:
        return open(m);
      case 2:
      case 3:
      case 4:
        return create(m);
      case 5:
      case 6:
        return get(m, pick(objects_, below(4) != 0));
      case 7:
      case 8:
        return destroy();
      case 9:
        return below(3) == 0 ? close() : log_out();
      case 10:
        start(kC_GetTokenInfo, {kSlots[below(5)], word(&m->info)}, [](CK_RV) {});
        return true;
      case 11:
      case 12:
        return find_or_log_in(m);
      default:
        if (below(25) == 0) return finalize();
        start(kC_GetSlotList, {0, word(m->slots), word(&m->count)}, [](CK_RV) {});
        return true;
    }
  }

  bool open(Memory* m) {
    CK_SLOT_ID slot = kSlots[below(5)];
    unsigned era = era_;
    start(kC_OpenSession, {slot, 4, 0, 0, word(&m->handle)}, [=, this](CK_RV rv) {
      if (rv != CKR_OK) return;
      BOOST_REQUIRE_MESSAGE(given_sessions_.insert(m->handle).second, "a session was given twice");
      sessions_.push_back(std::make_unique<Session>(Session{.handle = m->handle, .slot = slot}));
      if (era != era_ || finalizing_ != 0) sessions_.back()->state = State::kUnsure;
    });
    return true;
  }

  bool create(Memory* m) {
    Session* session = pick(sessions_, true);
    if (session == nullptr) return false;
    m->id = "o" + std::to_string(++ids_);
    /* Not while a logout is under way: who does both at once gets what he deserves. */
    m->priv = below(3) == 0 && logouts_under_way_ == 0;
    m->attributes[0] = {CKA_TOKEN, &m->token, 1};
    m->attributes[1] = {CKA_PRIVATE, &m->priv, 1};
    m->attributes[2] = {CKA_ID, m->id.data(), m->id.size()};
    session->uses++;
    unsigned before = deaths(session->slot), era = era_;
    private_under_way_ += m->priv;
    start(kC_CreateObject, {session->handle, word(m->attributes), 3, word(&m->handle)},
          [=, this](CK_RV rv) {
            session->uses--;
            private_under_way_ -= m->priv;
            if (rv != CKR_OK) return;
            BOOST_REQUIRE_MESSAGE(given_objects_.insert(m->handle).second,
                                  "a handle was given twice");
            objects_.push_back(std::make_unique<Object>());
            Object* made = objects_.back().get();
            made->handle = m->handle;
            made->id = m->id;
            made->session = session;
            made->priv = m->priv != 0;
            made->deaths = before;
            if (era != era_ || finalizing_ != 0 || session->state != State::kLive)
              made->state = State::kUnsure;
          });
    return true;
  }

  bool get(Memory* m, Object* object) {
    if (object == nullptr) return false;
    Session* session = object->session;
    if (session->state > State::kUnsure) session = pick(sessions_, true);
    if (session == nullptr) return false;
    m->attributes[0] = {CKA_ID, m->value, sizeof m->value};
    bool dead = object->state == State::kDead;
    object->uses++;
    session->uses++;
    start(kC_GetAttributeValue, {session->handle, object->handle, word(m->attributes), 1},
          [=, this](CK_RV rv) {
            object->uses--;
            session->uses--;
            bool must = object->state == State::kLive && session->state == State::kLive &&
                        session->slot == object->session->slot &&
                        deaths(session->slot) == object->deaths;
            BOOST_REQUIRE_MESSAGE(!must || rv == CKR_OK, object->id << " is lost: " << rv);
            BOOST_REQUIRE_MESSAGE(!dead || rv != CKR_OK, object->id << " came back");
            /* Unsure: it may have ended between the monitor and the library, and its number with
             * it. */
            if (rv != CKR_OK || object->state == State::kUnsure) return;
            std::string value(m->value, m->attributes[0].ulValueLen);
            BOOST_REQUIRE_EQUAL(value, object->id);
          });
    return true;
  }

  /* One call of a search, or a login: what they bring is not looked at, but what they do to others
   * is. */
  bool find_or_log_in(Memory* m) {
    Session* session = pick(sessions_, true);
    if (session == nullptr) return false;
    session->uses++;
    auto done = [=](CK_RV) { session->uses--; };
    switch (below(4)) {
      case 0:
        start(kC_FindObjectsInit, {session->handle, 0, 0}, done);
        break;
      case 1:
        start(kC_FindObjects, {session->handle, word(m->found), 1 + below(4), word(&m->count)},
              done);
        break;
      case 2:
        start(kC_FindObjectsFinal, {session->handle}, done);
        break;
      default:
        start(kC_Login, {session->handle, CKU_USER, word("1234"), 4}, done);
        break;
    }
    return true;
  }

  bool destroy() {
    Object* object = pick(objects_, true);
    /* Not one that may be dead already: directly, too, that could hit another object. */
    if (object == nullptr || object->uses != 0 || object->state != State::kLive ||
        object->session->state != State::kLive)
      return false;
    Session* session = object->session;
    object->state = State::kEnding;
    session->uses++;
    start(kC_DestroyObject, {session->handle, object->handle}, [=](CK_RV rv) {
      session->uses--;
      object->state = rv == CKR_OK ? State::kDead : State::kUnsure;
    });
    return true;
  }

  bool close() {
    Session* session = pick(sessions_, true);
    if (session == nullptr || session->uses != 0) return false;
    bool others = false;
    for (auto& other : sessions_)
      others |=
          other.get() != session && other->slot == session->slot && other->state == State::kLive;
    for (auto& object : objects_)
      if (object->session == session && object->uses != 0) return false;
    std::vector<Object*> mine;
    for (auto& object : objects_) {
      if (object->session == session && object->state != State::kDead) mine.push_back(object.get());
      if (!others && object->session->slot == session->slot && object->state == State::kLive)
        object->state = State::kUnsure;
    }
    session->state = State::kEnding;
    for (Object* object : mine) object->state = State::kEnding;
    start(kC_CloseSession, {session->handle}, [=](CK_RV rv) {
      session->state = rv == CKR_OK ? State::kDead : State::kUnsure;
      for (Object* object : mine)
        if (rv == CKR_OK) object->state = State::kDead;
    });
    return true;
  }

  bool log_out() {
    Session* session = pick(sessions_, true);
    if (session == nullptr || private_under_way_ != 0) return false;
    for (auto& object : objects_)
      if (object->priv && object->state == State::kEnding) return false;
    logouts_under_way_++;
    for (auto& object : objects_)
      if (object->priv && object->session->slot == session->slot && object->state == State::kLive)
        object->state = State::kUnsure;
    session->uses++;
    start(kC_Logout, {session->handle}, [=, this](CK_RV) {
      session->uses--;
      logouts_under_way_--;
    });
    return true;
  }

  /* With calls under way: those may end as they like. */
  bool finalize() {
    new_era();
    finalizing_++;
    start(kC_Finalize, {0}, [this](CK_RV) {
      finalizing_--;
      new_era();
      start(kC_Initialize, {0}, [](CK_RV) {});
    });
    return true;
  }

  void new_era() {
    era_++;
    for (auto& session : sessions_)
      if (session->state == State::kLive) session->state = State::kUnsure;
    for (auto& object : objects_)
      if (object->state == State::kLive) object->state = State::kUnsure;
  }

  uint64_t x_;
  World world_;
  unsigned deaths_[2] = {};
  unsigned outstanding_ = 0, ids_ = 0, era_ = 0;
  unsigned logouts_under_way_ = 0, private_under_way_ = 0, finalizing_ = 0;
  std::vector<std::unique_ptr<Session>> sessions_;
  std::vector<std::unique_ptr<Object>> objects_;
  std::vector<std::unique_ptr<Memory>> memory_;
  std::set<CK_SESSION_HANDLE> given_sessions_;
  std::set<CK_OBJECT_HANDLE> given_objects_;
};

BOOST_AUTO_TEST_SUITE(session_random)

BOOST_AUTO_TEST_CASE(any_order) {
  for (uint64_t seed = 1; seed <= 120; seed++) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      Chaos chaos(seed);
      chaos.run(200);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace mp11::session_test
