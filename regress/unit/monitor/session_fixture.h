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
 * For the tests of SessionMonitor: libraries in memory (fake_library.h), and a host that lets the
 * test decide what happens when.
 */
#pragma once
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "fake_library.h"
#include "session_monitor.h"

namespace mp11::session_test {

/* ---- portfolios ---- */

struct TokenPlan {
  PortfolioToken token;
  std::vector<PortfolioLayer> layers;
  std::vector<FilterPlan> filters = {}; /* of its layers that are kLayerFiltered */
  std::vector<std::string> pins = {};   /* of those that are kPinStored */
  std::vector<std::string> next = {};   /* of the same, what they are changed to; empty: not */
};

struct Plans {
  std::vector<PortfolioBackend> backends;
  std::vector<TokenPlan> tokens;
  Portfolio portfolio() const {
    Portfolio all{backends, {}, {}, {}, {}, {}};
    for (const TokenPlan& plan : tokens) {
      all.tokens.push_back(plan.token);
      all.tokens.back().layers = static_cast<uint32_t>(plan.layers.size());
      all.layers.insert(all.layers.end(), plan.layers.begin(), plan.layers.end());
      all.filters.insert(all.filters.end(), plan.filters.begin(), plan.filters.end());
      for (const std::string& pin : plan.pins) {
        auto kept = std::make_shared<SecureBuffer>();
        kept->append(pin.data(), pin.size());
        all.pins.push_back(std::move(kept));
      }
      for (const std::string& pin : plan.next) {
        auto kept = std::make_shared<SecureBuffer>();
        kept->append(pin.data(), pin.size());
        all.next_pins.push_back(pin.empty() ? nullptr : std::move(kept));
      }
    }
    return all;
  }
};

/* ---- the host ---- */

/*
 * Runs calls of one client. Whatever takes time outside, the start of a process, a lock, the work
 * of a library, the way of a reply, is an event that waits in `events` until the test lets it
 * happen.
 */
class World : public MonitorHost {
 public:
  using Action = SessionMonitor::Action;
  struct Run {
    SessionMonitor::Call call;
    const FunctionRow* row = nullptr;
    Words words;
    bool waiting = false; /* was told kWait, and nothing has changed since */
    bool pending = false; /* an event below will bring it on */
    bool answered = false;
    bool checked = true;  /* its answer must be one that the client understands */
    uint32_t backend = 0; /* of the event */
    uint64_t id = 0;      /* the client's; on the way to a backend it has another */
    std::function<void(CK_RV)> then;
  };
  struct Event {
    enum class Kind { kSpawn, kLock, kExecute, kReply } kind;
    Run* run; /* nullptr: kSpawn */
    uint32_t backend;
    std::shared_ptr<Message> message;
  };
  struct Process {
    std::unique_ptr<FakeLibrary> library; /* while it runs */
    std::function<std::unique_ptr<FakeLibrary>()> make;
    uint32_t spawn_error = kSpawnOk;
    bool lock_fails = false;
    bool locked = false;
    unsigned starts = 0;
    unsigned ended = 0;
    unsigned locks = 0;
    LockMode last_mode = LockMode::kNoLock;
  };

  explicit World(const Plans& plans) : monitor(plans.portfolio(), this) {}

  /* MonitorHost */
  void unlock(uint32_t backend) override { processes[backend].locked = false; }
  void end_backend(uint32_t backend) override {
    processes[backend].ended++;
    stop_process(backend);
  }
  void filtered(const Filtered& what) override {
    told.push_back(std::string(what.function) + " " + what.objection +
                   (what.audit ? " audit" : ""));
  }
  void layer_changed(const LayerState& state) override {
    told.push_back(std::string(state.backend) + "/" + std::to_string(state.layer) +
                   (state.there ? " there" : " left out"));
  }
  void acting(const Acting& acting) override {
    const char* const kWords[] = {"begun", "ended", "refused"};
    told.push_back(std::string("acting ") + kWords[static_cast<int>(acting.what)] + " " +
                   acting.identity);
  }
  void ask_to_make(const char* id) override { told.push_back("ask " + std::string(id)); }
  void tell_made(const char* id, uint32_t pin_size) override {
    told.push_back("made " + std::string(id) + " " + std::to_string(pin_size));
  }
  void ask_to_turn(const LayerName& layer) override {
    told.push_back("turn " + std::string(layer.backend));
  }
  void tell_turned(const LayerName& layer, TurnOutcome outcome, uint32_t pin_size,
                   uint64_t) override {
    constexpr const char* kOutcomes[] = {"", "done", "refused", "unknown", "neither", "untried"};
    told.push_back(std::string(layer.backend) + " " + kOutcomes[outcome] +
                   (pin_size != 0 ? " " + std::to_string(pin_size) : ""));
  }
  void changed() override {
    for (auto& run : runs) run->waiting = false;
  }

  /* The process is gone: what was on its way is lost, and next() answers for it. */
  void stop_process(uint32_t backend) {
    processes[backend].library.reset();
    std::erase_if(events, [&](const Event& e) {
      if (e.backend != backend) return false;
      if (e.run != nullptr) e.run->pending = false;
      return true;
    });
    changed();
  }
  void kill(uint32_t backend) {
    stop_process(backend);
    monitor.backend_gone(backend);
  }

  Run* begin(uint32_t function, const Words& words) {
    runs.push_back(std::make_unique<Run>());
    Run* run = runs.back().get();
    run->row = &kFunctionTable[function];
    run->words = words;
    BOOST_REQUIRE(pack_call(*run->row, words, &run->call.request) == CKR_OK);
    run->id = run->call.request.rec.id = ++ids_;
    return run;
  }

  bool ready(const Run& run) const { return !run.answered && !run.pending && !run.waiting; }

  /* One step of a call that is ready. */
  void advance(Run* run) {
    SessionMonitor::Step step = monitor.next(&run->call);
    if (step.action == Action::kAnswer) {
      late += step.late;
      if (!hold_late) monitor.released(&run->call);
      finish(run);
      return;
    }
    if (step.action == Action::kWait) {
      run->waiting = true;
      return;
    }
    run->backend = step.backend;
    run->pending = true;
    Event event{Event::Kind::kSpawn, run, step.backend, nullptr};
    if (step.action == Action::kSpawn) {
      event.run = nullptr;
      run->pending = false; /* it asks again after spawned() */
      run->waiting = true;
      for (const Event& e : events)
        BOOST_REQUIRE(e.kind != Event::Kind::kSpawn || e.backend != step.backend);
      BOOST_REQUIRE(processes[step.backend].library == nullptr);
    } else if (step.action == Action::kLock) {
      event.kind = Event::Kind::kLock;
      BOOST_REQUIRE_MESSAGE(!processes[step.backend].locked, "asked for a lock that is held");
      processes[step.backend].last_mode = step.lock;
    } else {
      event.kind = Event::Kind::kExecute;
      step.message->rec.id = 1'000'000 + ids_;
      event.message = std::make_shared<Message>();
      event.message->rec = step.message->rec;
      event.message->list = step.message->list;
      event.message->bytes.append(step.message->bytes.data(), step.message->bytes.size());
      last_deadline = step.deadline;
    }
    events.push_back(std::move(event));
  }

  /* Lets the n-th event happen. */
  void happen(size_t n) {
    Event event = std::move(events[n]);
    events.erase(events.begin() + static_cast<long>(n));
    Process& process = processes[event.backend];
    switch (event.kind) {
      case Event::Kind::kSpawn:
        process.starts++;
        if (process.spawn_error == kSpawnOk) process.library = process.make();
        monitor.spawned(event.backend, process.spawn_error);
        return;
      case Event::Kind::kLock:
        process.locks++;
        event.run->pending = false;
        process.locked = !process.lock_fails;
        monitor.locked(&event.run->call, !process.lock_fails);
        return;
      case Event::Kind::kExecute: {
        BOOST_REQUIRE(process.library != nullptr);
        auto reply = std::make_shared<Message>();
        process.library->execute(*event.message, reply.get());
        events.push_back({Event::Kind::kReply, event.run, event.backend, reply});
        return;
      }
      case Event::Kind::kReply:
        event.run->pending = false;
        std::swap(event.run->call.reply, *event.message);
        monitor.replied(&event.run->call);
        return;
    }
  }

  /* Everything, in order, until nothing is left to do. */
  void settle() {
    for (;;) {
      Run* next = nullptr;
      for (auto& run : runs)
        if (ready(*run)) next = run.get();
      if (next != nullptr)
        advance(next);
      else if (!events.empty())
        happen(0);
      else
        return;
    }
  }

  /* One call from beginning to end. */
  CK_RV call(uint32_t function, std::initializer_list<Word> arguments) {
    Words words;
    std::copy(arguments.begin(), arguments.end(), words.w);
    CK_RV rv = CKR_GENERAL_ERROR;
    Run* run = begin(function, words);
    run->then = [&](CK_RV value) { rv = value; };
    settle();
    BOOST_REQUIRE_MESSAGE(run->answered, run->row->name);
    forget_answered();
    return rv;
  }

  void forget_answered() {
    std::erase_if(runs, [](const auto& run) { return run->answered; });
  }

  /* ---- the calls that tests make most ---- */

  CK_RV initialize() { return call(kC_Initialize, {0}); }
  CK_SESSION_HANDLE open(CK_SLOT_ID slot) {
    CK_SESSION_HANDLE session = 0;
    CK_RV rv =
        call(kC_OpenSession, {slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, 0, 0, word(&session)});
    BOOST_REQUIRE_EQUAL(rv, CKR_OK);
    return session;
  }
  /* The handle, or 0 with the value in last_rv. */
  CK_OBJECT_HANDLE create(CK_SESSION_HANDLE session, const std::string& id, bool token = false,
                          bool priv = false) {
    CK_BBOOL t = token, p = priv;
    std::string copy = id;
    CK_ATTRIBUTE attributes[] = {
        {CKA_TOKEN, &t, 1}, {CKA_PRIVATE, &p, 1}, {CKA_ID, copy.data(), copy.size()}};
    CK_OBJECT_HANDLE object = 0;
    last_rv = call(kC_CreateObject, {session, word(attributes), 3, word(&object)});
    return last_rv == CKR_OK ? object : 0;
  }
  std::string id_of(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object) {
    char value[32];
    CK_ATTRIBUTE a{CKA_ID, value, sizeof value};
    last_rv = call(kC_GetAttributeValue, {session, object, word(&a), 1});
    return last_rv == CKR_OK ? std::string(value, a.ulValueLen) : std::string();
  }
  std::vector<CK_SLOT_ID> slots() {
    CK_SLOT_ID all[64];
    CK_ULONG count = 64;
    last_rv = call(kC_GetSlotList, {CK_TRUE, word(all), word(&count)});
    return last_rv == CKR_OK ? std::vector<CK_SLOT_ID>(all, all + count)
                             : std::vector<CK_SLOT_ID>();
  }
  std::vector<CK_OBJECT_HANDLE> find(CK_SESSION_HANDLE session) {
    CK_OBJECT_HANDLE all[64];
    CK_ULONG count = 0;
    BOOST_REQUIRE_EQUAL(call(kC_FindObjectsInit, {session, 0, 0}), CKR_OK);
    BOOST_REQUIRE_EQUAL(call(kC_FindObjects, {session, word(all), 64, word(&count)}), CKR_OK);
    BOOST_REQUIRE_EQUAL(call(kC_FindObjectsFinal, {session}), CKR_OK);
    return {all, all + count};
  }

  std::vector<std::string> told; /* of filters and layers */
  unsigned late = 0;             /* answers with Step::late */
  bool hold_late = false;        /* the test says released() */
  std::map<uint32_t, Process> processes;
  std::deque<Event> events;
  std::vector<std::unique_ptr<Run>> runs;
  SessionMonitor monitor;
  CK_RV last_rv = CKR_OK;
  Deadline last_deadline = Deadline::kNone;

 private:
  void finish(Run* run) {
    BOOST_REQUIRE(!run->answered);
    run->answered = true;
    const Message& reply = run->call.reply;
    BOOST_REQUIRE_EQUAL(reply.rec.id, run->id);
    BOOST_REQUIRE((reply.rec.flags & kFlagReply) != 0);
    bool fits = unpack_reply(*run->row, reply, run->words);
    BOOST_REQUIRE_MESSAGE(fits || !run->checked, run->row->name);
    if (run->then != nullptr) run->then(static_cast<CK_RV>(reply.rec.rv));
  }

  uint64_t ids_ = 0;
};

/* ---- plans ---- */

inline PortfolioBackend backend_plan(uint32_t number, uint32_t flags = 0) {
  PortfolioBackend plan{};
  plan.backend = number;
  plan.flags = flags;
  plan.deadline_short_ms = 1000 + number;
  plan.deadline_start_ms = 2000;
  plan.deadline_long_ms = 3000;
  std::snprintf(plan.name, sizeof plan.name, "b%u", number);
  return plan;
}

inline void set_prefix(PortfolioLayer* layer, const std::string& label,
                       const std::string& id = "") {
  LayerPrefix& prefix = layer->prefix;
  std::memcpy(prefix.label, label.data(), prefix.label_size = static_cast<uint32_t>(label.size()));
  std::memcpy(prefix.id, id.data(), prefix.id_size = static_cast<uint32_t>(id.size()));
}

inline PortfolioLayer layer_plan(uint32_t backend, const char* backend_label, uint32_t flags = 0,
                                 uint32_t pin = kPinClient) {
  PortfolioLayer layer{};
  layer.backend = backend;
  layer.flags = flags;
  layer.pin = pin;
  std::snprintf(layer.at_backend.label, sizeof layer.at_backend.label, "%s", backend_label);
  return layer;
}

/* A token of one layer. layer_flags are the layer's. */
inline TokenPlan token_plan(uint64_t slot, uint32_t backend, uint32_t flags,
                            const char* backend_label = "", const char* label = "",
                            uint32_t layer_flags = 0) {
  TokenPlan plan{};
  plan.token.slot = slot;
  plan.token.flags = flags;
  std::snprintf(plan.token.label, sizeof plan.token.label, "%s", label);
  plan.layers.push_back(layer_plan(backend, backend_label, layer_flags));
  return plan;
}

inline TokenPlan layered_plan(uint64_t slot, const char* label,
                              std::vector<PortfolioLayer> layers) {
  TokenPlan plan = token_plan(slot, 0, 0, "", label);
  std::snprintf(plan.token.serial, sizeof plan.token.serial, "%016llu",
                static_cast<unsigned long long>(slot));
  plan.layers = std::move(layers);
  return plan;
}

inline World::Process process(std::vector<FakeLibrary::Slot> slots) {
  World::Process p;
  p.make = [slots] { return std::make_unique<FakeLibrary>(slots); };
  return p;
}

/* One transparent backend with two tokens and a slot that is not initialised. */
struct Transparent : World {
  explicit Transparent(uint32_t flags = kTokenTransparent | kTokenAdmin, uint32_t backend_flags = 0)
      : World({{backend_plan(0, backend_flags)}, {token_plan(1, 0, flags)}}) {
    processes[0] = process({{501, "alpha"}, {502, "beta"}, {503, ""}});
  }
  FakeLibrary& library() { return *processes[0].library; }
};

/* Two labelled tokens on backend 3, one on backend 8. */
struct Labelled : World {
  explicit Labelled(uint32_t flags = 0, uint32_t backend_flags = 0)
      : World({{backend_plan(3, backend_flags), backend_plan(8, backend_flags)},
               {token_plan(1, 3, flags, "alpha", "Alpha!"), token_plan(2, 3, flags, "beta"),
                token_plan(3, 8, flags, "", "Gamma")}}) {
    processes[3] = process({{700, ""}, {701, "beta"}, {702, "alpha"}});
    processes[8] = process({{1, ""}, {2, "gamma"}});
  }
};

}  // namespace mp11::session_test
