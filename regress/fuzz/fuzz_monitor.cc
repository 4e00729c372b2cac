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
 * SessionMonitor between a hostile client and hostile backends. The input is a program: calls with
 * records and octets of any kind, and what then happens: starts that fail, locks that are not had,
 * deaths, and replies that lie. Beside the monitor runs a model of what each client's handle was
 * given for. Whatever the program does,
 *
 *   - a call goes to a backend that runs, is this client's, and has been initialised, with the lock
 *     if it needs one;
 *   - a handle, session or slot in it is the one that this backend gave, in this life, for the
 *     client's own, in the same slot; or one that stands for none;
 *   - what a virtual token forbids does not go out;
 *   - each call is answered once, as the client's own call, with handles of the monitor's;
 *   - and when everybody behaves again, no call waits for ever.
 */
#include <array>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "fuzz.h"
#include "packing.h"
#include "samples.h"
#include "session_monitor.h"

namespace {

using namespace mp11;
using fuzz::Input;
using Action = SessionMonitor::Action;

constexpr char kDemanded[kTokenId] = "0123456789abcdef0123456789abcdef";
constexpr uint64_t kNone = 0xfffffffe; /* stands for a handle that names nothing */
constexpr uint32_t kBackendCount = 3;
constexpr unsigned kCalls = 6;
constexpr unsigned kMostSteps = 20000;
/* Real handles and slots are larger than any virtual one, so that none is taken for one. */
constexpr uint64_t kReal = 1ull << 40;
/* Virtual slots of transparent tokens begin here; below are the configuration's, or the library's
 * own where it is the only one. */
constexpr uint64_t kTransparent = 0x80000000;
constexpr uint64_t kNoSlot = UINT64_MAX;

PortfolioBackend backend_plan(uint32_t number, uint32_t flags) {
  PortfolioBackend plan{};
  plan.backend = number;
  plan.flags = flags;
  return plan;
}

/* A token of one layer. */
struct TokenPlan {
  PortfolioToken token{};
  PortfolioLayer layer{};
};

TokenPlan token_plan(uint64_t slot, uint32_t backend, uint32_t flags, const char* label,
                     uint32_t layer_flags = 0) {
  TokenPlan plan;
  plan.token.slot = slot;
  plan.token.flags = flags;
  plan.token.layers = 1;
  plan.layer.backend = backend;
  plan.layer.flags = layer_flags;
  plan.layer.pin = kPinClient;
  std::snprintf(plan.layer.at_backend.label, sizeof plan.layer.at_backend.label, "%s", label);
  std::snprintf(plan.token.label, sizeof plan.token.label, "%s", label);
  return plan;
}

Portfolio all_of(std::vector<PortfolioBackend> backends, const std::vector<TokenPlan>& plans) {
  Portfolio portfolio{std::move(backends), {}, {}, {}, {}, {}};
  for (const TokenPlan& plan : plans) {
    portfolio.tokens.push_back(plan.token);
    portfolio.layers.push_back(plan.layer);
  }
  return portfolio;
}

/* With which ids and labels in the samples begin. */
void set_prefix(PortfolioLayer* layer) {
  layer->prefix.label_size = layer->prefix.id_size = 1;
  layer->prefix.label[0] = layer->prefix.id[0] = fuzz::kSampleText[0];
}

/* One token of three layers on two backends. */
Portfolio layered(uint8_t choice) {
  TokenPlan first = token_plan(1, 0, 0, "a", (choice & 4) != 0 ? uint32_t{kLayerRequired} : 0u);
  Portfolio all = all_of(
      {backend_plan(0, (choice & 8) != 0 ? uint32_t{kBackendTokenLock} : 0u), backend_plan(1, 0)},
      {first});
  all.tokens[0].layers = 3;
  all.tokens[0].serial[0] = '1';
  if ((choice & 4) == 0) all.layers[0].flags |= kLayerBlind;
  all.layers.push_back(token_plan(1, 1, 0, "b", kLayerReadOnly).layer);
  if ((choice & 8) == 0) set_prefix(&all.layers.back());
  all.layers.push_back(token_plan(1, (choice & 32) != 0, 0, "c").layer);
  if ((choice & 16) != 0) all.layers.back().pin = kPinNone;
  if ((choice & 18) == 0) { /* made on demand, perhaps the first */
    PortfolioLayer& born = (choice & 1) != 0 ? all.layers.back() : all.layers.front();
    std::memcpy(born.at_backend.label, kDemanded, sizeof kDemanded);
    born.flags |= kLayerOnDemand | kLayerUnmade;
    born.pin = kPinStored;
    all.pins.push_back(std::make_shared<SecureBuffer>(kDerivedPin));
  }
  if ((choice & 18) == 18) {
    auto pin = std::make_shared<SecureBuffer>();
    pin->append("5678", 4);
    all.layers.back().pin = kPinStored;
    all.pins.push_back(std::move(pin));
    if ((choice & 8) != 0) { /* which is being changed */
      auto next = std::make_shared<SecureBuffer>(kDerivedPin);
      all.next_pins.push_back(std::move(next));
    }
  }
  if ((choice & 1) == 0) return all;
  FilterPlan filter{};
  filter.functions[kC_DestroyObject / 64] |= uint64_t{1} << kC_DestroyObject % 64;
  filter.mechanisms[0] = 0xf0f0f0f0f0f0f0f0;
  filter.flags = kFilterMechanisms | kFilterNoExport;
  if ((choice & 2) != 0) filter.flags |= kFilterAudit;
  for (PortfolioLayer& layer : all.layers) {
    layer.flags |= kLayerFiltered;
    all.filters.push_back(filter);
  }
  return all;
}

Portfolio portfolio(uint8_t choice) {
  if (choice >= 192) return layered(choice);
  const uint32_t lock = (choice & 8) != 0 ? uint32_t{kBackendTokenLock} : 0u;
  const uint32_t read_only = (choice & 16) != 0 ? uint32_t{kLayerReadOnly} : 0u;
  const uint32_t flags = (choice & 32) != 0 ? uint32_t{kTokenAdmin} : 0u;
  switch (choice % 4) {
    case 0: /* one transparent backend */
      return all_of({backend_plan(0, lock)},
                    {token_plan(1, 0, kTokenTransparent | flags, "", read_only)});
    case 1: /* one backend, two tokens, one of them read-only */
      return all_of({backend_plan(0, lock)}, {token_plan(1, 0, flags, "a", read_only),
                                              token_plan(2, 0, 0, "b", kLayerReadOnly)});
    case 2: /* two backends with tokens */
      return all_of({backend_plan(0, lock), backend_plan(1, 0)},
                    {token_plan(1, 0, flags, "a", read_only), token_plan(2, 1, 0, "b"),
                     token_plan(3, 1, 0, "")});
    default: /* tokens and a transparent backend */
      return all_of(
          {backend_plan(0, 0), backend_plan(1, lock), backend_plan(2, kBackendTokenLock)},
          {token_plan(1, 0, 0, "a"), token_plan(2, 1, kTokenTransparent | flags, "", read_only),
           token_plan(3, 2, 0, "b", kLayerReadOnly)});
  }
}

/* What a handle of the client's was given for. */
struct Given {
  uint32_t backend = 0;
  uint64_t life = 0; /* of the backend */
  uint64_t slot = 0; /* virtual */
  uint64_t real = 0;
  bool operator==(const Given&) const = default;
};

struct Run {
  enum class State { kFree, kReady, kWaiting, kLocking, kSent };
  SessionMonitor::Call call;
  State state = State::kFree;
  CallRec asked;            /* the client's record */
  uint32_t backend = 0;     /* locking, or sent to */
  Message sent;             /* as the backend has it */
  bool internal = false;    /* sent is the monitor's own call */
  uint64_t slot = 0;        /* virtual, or kNoSlot; of the call that was sent */
  std::vector<Given> found; /* of a token of several layers: what its layers found, in order */
};

struct Backend {
  bool in_portfolio = false;
  bool starting = false, running = false, initialized = false;
  uint64_t life = 0;
  Run* locked_by = nullptr;
  std::set<uint64_t> slots;    /* that it has ever named */
  std::set<uint64_t> sessions; /* that it has given in this life */
  std::set<uint64_t> listed;   /* the same, of objects that it has found */
};

class World : public MonitorHost {
 public:
  World(Input in, const Portfolio& plan) : in_(in), plan_(plan), monitor_(plan, this) {
    for (const PortfolioBackend& backend : plan.backends)
      backends_[backend.backend].in_portfolio = true;
  }

  void run() {
    while (!in_.end() && steps_ < kMostSteps) {
      uint8_t what = in_.u8();
      if (what < 100)
        begin();
      else if (what < 200)
        happen(in_.u8());
      else if (what < 220)
        advance_all();
      else if (what < 230)
        die(what);
      else if (what < 240)
        answer(in_.u8());
      else
        behave();
    }
    settle();
  }

  /* ---- MonitorHost ---- */

  void unlock(uint32_t backend) override { backends_.at(backend).locked_by = nullptr; }
  void end_backend(uint32_t backend) override {
    FUZZ_REQUIRE(backends_.at(backend).in_portfolio);
    stop(backend);
  }
  void filtered(const Filtered&) override {}
  void layer_changed(const LayerState&) override {}
  void acting(const Acting&) override {}
  /* One question at a time, and no word of what was not granted. */
  void ask_to_make(const char* id) override {
    FUZZ_REQUIRE(std::strcmp(id, kDemanded) == 0 && vault_ == VaultState::kIdle);
    vault_ = VaultState::kAsked;
  }
  void tell_made(const char* id, uint32_t pin_size) override {
    FUZZ_REQUIRE(std::strcmp(id, kDemanded) == 0 && vault_ == VaultState::kGranted);
    FUZZ_REQUIRE(pin_size == 0 || (pin_size >= kLeastDerivedPin && pin_size <= kDerivedPin));
    made_ = pin_size != 0;
    vault_ = VaultState::kTold;
  }
  void ask_to_turn(const LayerName& layer) override {
    FUZZ_REQUIRE(changing_ == Turn::kIdle);
    changing_ = Turn::kAsked;
    turning_ = layer;
  }
  void tell_turned(const LayerName&, TurnOutcome outcome, uint32_t pin_size, uint64_t) override {
    FUZZ_REQUIRE(changing_ == Turn::kGranted);
    FUZZ_REQUIRE(outcome == kTurnDone ? pin_size >= kLeastDerivedPin && pin_size <= kDerivedPin
                                      : pin_size == 0);
    changing_ = Turn::kIdle;
  }
  void changed() override {
    for (Run& run : runs_)
      if (run.state == Run::State::kWaiting) run.state = Run::State::kReady;
  }

 private:
  /* ---- the client ---- */

  void begin() {
    Run* run = nullptr;
    for (Run& candidate : runs_)
      if (candidate.state == Run::State::kFree) run = &candidate;
    if (run == nullptr) return;
    uint8_t function = in_.u8();
    const FunctionRow* row = function_row(function);
    uint8_t shape = in_.u8();
    Message& request = run->call.request;
    request.clear();
    if (row != nullptr && carried(*row)) {
      arena_.clear();
      Words words;
      fuzz::sample_call(*row, shape, in_.u8(), &arena_, &words);
      FUZZ_REQUIRE(pack_call(*row, words, &request) == CKR_OK || request.rec.function == function);
      arena_.clear();
    }
    CallRec& rec = request.rec;
    rec.function = function;
    rec.id = ++ids_;
    rec.primary = row != nullptr && row->has(ArgKind::kSlot) ? slot() : session();
    for (uint32_t i = 0; i < rec.handle_count; i++) rec.handles[i] = object();
    for (uint32_t i = 0; i < rec.number_count; i++) rec.numbers[i] = in_.u8();
    if ((shape & 0x40) != 0) spoil(&request);
    run->asked = rec;
    run->state = Run::State::kReady;
    if ((shape & 0x80) == 0) advance(run);
  }

  uint64_t session() { return known(sessions_ever_); }
  uint64_t object() { return known(objects_ever_); }
  uint64_t slot() {
    uint8_t choice = in_.u8();
    if (choice < 64) return choice % 5;
    if (choice < 192) return kTransparent + choice % 8;
    return choice < 250 ? kReal + choice % 4 : in_.u64();
  }
  uint64_t known(const std::vector<uint64_t>& all) {
    uint8_t choice = in_.u8();
    if (choice < 240 && !all.empty()) return all[all.size() - 1 - choice % all.size()];
    return choice < 250 ? choice % 4 : in_.u64();
  }

  /* Any record that a channel lets through. */
  void spoil(Message* message) {
    CallRec& rec = message->rec;
    uint8_t what = in_.u8();
    uint8_t value = in_.u8();
    if ((what & 1) != 0) rec.flags = in_.u16() & uint32_t{kFlagsKnown & ~kFlagMore};
    if ((what & 2) != 0) {
      uint32_t count = value % uint32_t{limits::kRecordHandles + 1};
      for (uint32_t i = count; i < limits::kRecordHandles; i++) rec.handles[i] = 0;
      for (uint32_t i = rec.handle_count; i < count; i++) rec.handles[i] = object();
      rec.handle_count = count;
    }
    if ((what & 4) != 0) {
      rec.number_count = value % uint32_t{limits::kRecordNumbers + 1};
      for (uint32_t i = rec.number_count; i < limits::kRecordNumbers; i++) rec.numbers[i] = 0;
    }
    if ((what & 8) != 0) message->list.assign(value % 8u, in_.u64());
    if ((what & 16) != 0) {
      message->bytes.clear();
      std::span<const uint8_t> octets = in_.take(value);
      message->bytes.append(octets.data(), octets.size());
    }
    if ((what & 32) != 0 && !message->bytes.empty())
      message->bytes.data()[in_.u16() % message->bytes.size()] = value;
    if ((what & 64) != 0) message->bytes.resize(message->bytes.size() - message->bytes.size() % 7);
    if ((what & 128) != 0) rec.rv = value;
  }

  /* ---- steps ---- */

  void advance_all() {
    for (Run& run : runs_)
      if (run.state == Run::State::kReady) advance(&run);
  }

  void advance(Run* run) {
    steps_++;
    SessionMonitor::Step step = monitor_.next(&run->call);
    if (step.action == Action::kAnswer) {
      answered(run);
      return;
    }
    if (step.action == Action::kWait) {
      run->state = Run::State::kWaiting;
      return;
    }
    Backend& backend = backends_.at(step.backend);
    FUZZ_REQUIRE(backend.in_portfolio);
    run->backend = step.backend;
    switch (step.action) {
      case Action::kSpawn:
        FUZZ_REQUIRE(!backend.starting && !backend.running);
        backend.starting = true;
        run->state = Run::State::kWaiting;
        return;
      case Action::kLock:
        FUZZ_REQUIRE(backend.running && backend.locked_by == nullptr);
        FUZZ_REQUIRE(step.lock != LockMode::kNoLock);
        run->state = Run::State::kLocking;
        return;
      default:
        FUZZ_REQUIRE(backend.running);
        run->state = Run::State::kSent;
        send(run, *step.message);
        return;
    }
  }

  void send(Run* run, const Message& message) {
    const CallRec& rec = message.rec;
    Backend& backend = backends_[run->backend];
    run->internal = &message != &run->call.request;
    run->sent.rec = rec;
    run->sent.list = message.list;
    run->sent.bytes.clear();
    run->sent.bytes.append(message.bytes.data(), message.bytes.size());
    const FunctionRow* row = function_row(rec.function);
    FUZZ_REQUIRE(row != nullptr && carried(*row));
    FUZZ_REQUIRE(message.list.empty());
    FUZZ_REQUIRE((rec.flags & (kFlagReply | kFlagMore)) == 0);
    FUZZ_REQUIRE(backend.initialized || rec.function == kC_Initialize);
    if (several_layers()) return check_layered(run, *row);
    if (row->lock != LockMode::kNoLock && lock_plan(run->backend))
      FUZZ_REQUIRE(backend.locked_by == run);
    if (run->internal) {
      FUZZ_REQUIRE(rec.handle_count == 0);
      FUZZ_REQUIRE(rec.function == kC_Initialize || rec.function == kC_GetSlotList ||
                   rec.function == kC_GetTokenInfo);
      if (rec.function == kC_GetTokenInfo) FUZZ_REQUIRE(backend.slots.count(rec.primary) != 0);
      return;
    }
    FUZZ_REQUIRE(rec.function == run->asked.function);
    check_translation(run, *row);
    check_rules(*run, *row);
  }

  bool several_layers() const { return plan_.layers.size() != plan_.tokens.size(); }

  /*
   * To a layer of a token of several: slots and sessions are what its library gave in this life,
   * and a handle is what the client was given it for.
   */
  void check_layered(Run* run, const FunctionRow& row) {
    const CallRec& rec = run->sent.rec;
    const Backend& backend = backends_[run->backend];
    if (row.lock != LockMode::kNoLock && lock_plan(run->backend))
      FUZZ_REQUIRE(backend.locked_by == run);
    FUZZ_REQUIRE(row.route != Route::kAdmin && row.route != Route::kAdminSlot);
    FUZZ_REQUIRE(row.number != kC_Login || rec.numbers[0] != CKU_SO);
    if (row.has(ArgKind::kSession)) FUZZ_REQUIRE(backend.sessions.count(rec.primary) != 0);
    if (row.has(ArgKind::kSlot)) FUZZ_REQUIRE(backend.slots.count(rec.primary) != 0);
    FUZZ_REQUIRE(run->internal || rec.function == run->asked.function);
    if (run->internal && rec.handle_count == 0) return;
    if (run->internal && run->asked.function == kC_FindObjects) { /* what it is that was found */
      FUZZ_REQUIRE(row.number == kC_GetAttributeValue && rec.handle_count == 1);
      FUZZ_REQUIRE(backend.listed.count(rec.handles[0]) != 0);
      return;
    }
    FUZZ_REQUIRE(rec.function == run->asked.function);
    if (run->internal && row.number == kC_GetAttributeValue) /* of what class the object is */
      FUZZ_REQUIRE(rec.handle_count == 1 && run->asked.handle_count != 0);
    else
      FUZZ_REQUIRE(rec.handle_count == run->asked.handle_count);
    if (!plan_.filters.empty() && (plan_.filters[0].flags & kFilterAudit) == 0)
      FUZZ_REQUIRE(row.number != kC_DestroyObject && row.number != kC_WrapKey);
    for (uint32_t i = 0; i < rec.handle_count; i++) {
      if (rec.handles[i] == CK_INVALID_HANDLE || rec.handles[i] == kNone) continue;
      auto it = objects_.find(run->asked.handles[i]);
      if (it == objects_.end()) { /* guessed: found in a search whose answer it has not had */
        FUZZ_REQUIRE(objects_given_.count(run->asked.handles[i]) == 0);
        continue;
      }
      FUZZ_REQUIRE((it->second == Given{run->backend, backend.life, 1, rec.handles[i]}));
    }
  }

  /* What a layer gave. */
  void learn_layered(Run* run, const CallRec& replied, const std::vector<uint64_t>& list) {
    Backend& backend = backends_[run->backend];
    const uint32_t function = run->sent.rec.function;
    run->slot = 1;
    if (function == kC_OpenSession && replied.rv == CKR_OK)
      backend.sessions.insert(replied.handles[0]);
    if (function != kC_FindObjects || !run->internal) return;
    backend.listed.insert(list.begin(), list.end());
    for (uint64_t real : list) run->found.push_back({run->backend, backend.life, 1, real});
  }

  /* The handles of an answer stand for what the layers found, in this order. */
  void learn_found(const Run& run) {
    const std::vector<uint64_t>& list = run.call.reply.list;
    if (run.call.reply.rec.rv != CKR_OK || list.size() != run.found.size()) return;
    for (size_t i = 0; i < list.size(); i++) {
      auto [it, fresh] = objects_given_.try_emplace(list[i], run.found[i]);
      FUZZ_REQUIRE(fresh || it->second == run.found[i]);
      if (fresh) objects_ever_.push_back(list[i]);
      objects_[list[i]] = run.found[i];
    }
  }

  bool lock_plan(uint32_t number) const {
    for (const PortfolioBackend& plan : plan_.backends)
      if (plan.backend == number) return (plan.flags & kBackendTokenLock) != 0;
    return false;
  }

  /* Every handle is the client's own, translated for this backend and this slot. */
  void check_translation(Run* run, const FunctionRow& row) {
    const CallRec& rec = run->sent.rec;
    const Backend& backend = backends_[run->backend];
    run->slot = kNoSlot;
    if (row.has(ArgKind::kSession) && rec.primary != kNone) {
      auto it = sessions_.find(run->asked.primary);
      FUZZ_REQUIRE(it != sessions_.end());
      const Given& given = it->second;
      FUZZ_REQUIRE(given.backend == run->backend && given.life == backend.life);
      FUZZ_REQUIRE(given.real == rec.primary);
      run->slot = given.slot;
    } else if (row.has(ArgKind::kSlot) && rec.primary != kNone) {
      bool own = own_slots() && rec.primary == run->asked.primary && rec.primary < kTransparent;
      FUZZ_REQUIRE(own || backend.slots.count(rec.primary) != 0);
      const PortfolioToken* token = token_of(run->asked.primary, run->backend);
      FUZZ_REQUIRE(token != nullptr && layer_of(*token).backend == run->backend);
      run->slot = run->asked.primary;
    }
    FUZZ_REQUIRE(rec.handle_count == run->asked.handle_count);
    for (uint32_t i = 0; i < rec.handle_count; i++) {
      uint64_t asked = run->asked.handles[i], sent = rec.handles[i];
      if (asked == CK_INVALID_HANDLE || sent == kNone) {
        FUZZ_REQUIRE(asked != CK_INVALID_HANDLE || sent == CK_INVALID_HANDLE);
        continue;
      }
      auto it = objects_.find(asked);
      FUZZ_REQUIRE(it != objects_.end());
      const Given expected{run->backend, backend.life, it->second.slot, sent};
      FUZZ_REQUIRE(it->second == expected && may_name(it->second.slot, *run));
    }
  }

  const PortfolioLayer& layer_of(const PortfolioToken& token) const {
    return plan_.layers[static_cast<size_t>(&token - plan_.tokens.data())];
  }
  const PortfolioToken* token_of(uint64_t slot, uint32_t backend) const {
    for (const PortfolioToken& token : plan_.tokens) {
      bool transparent = (token.flags & kTokenTransparent) != 0;
      bool its = transparent
                     ? (slot >= kTransparent || own_slots()) && layer_of(token).backend == backend
                     : token.slot == slot;
      if (its) return &token;
    }
    return nullptr;
  }
  /* One transparent backend and nothing else: its slots have the library's numbers. */
  bool own_slots() const {
    return plan_.backends.size() == 1 && plan_.tokens.size() == 1 &&
           (plan_.tokens[0].flags & kTokenTransparent) != 0;
  }

  /* A handle is good in its own slot, and in others of the same transparent token. */
  bool may_name(uint64_t slot, const Run& run) const {
    const PortfolioToken* token = token_of(slot, run.backend);
    return slot == run.slot || (token != nullptr && (token->flags & kTokenTransparent) != 0 &&
                                token == token_of(run.slot, run.backend));
  }

  /* What the virtual token forbids, unless the library is asked about nothing at all. */
  void check_rules(const Run& run, const FunctionRow& row) {
    if (run.sent.rec.primary == kNone || run.slot == kNoSlot) return;
    const PortfolioToken* token = token_of(run.slot, run.backend);
    FUZZ_REQUIRE(token != nullptr);
    if ((token->flags & kTokenAdmin) == 0) {
      FUZZ_REQUIRE(row.route != Route::kAdmin && row.route != Route::kAdminSlot);
      FUZZ_REQUIRE(row.number != kC_Login || run.sent.rec.numbers[0] != CKU_SO);
    }
    if ((layer_of(*token).flags & kLayerReadOnly) == 0) return;
    FUZZ_REQUIRE(row.number != kC_InitToken && row.number != kC_InitPIN && row.number != kC_SetPIN);
    if (row.number == kC_OpenSession) FUZZ_REQUIRE((run.sent.rec.numbers[0] & CKF_RW_SESSION) == 0);
    if (!row.has(ArgKind::kTemplate) || row.number == kC_FindObjectsInit) return;
    arena_.clear();
    Words words;
    FUZZ_REQUIRE(unpack_call(row, run.sent, &arena_, &words));
    FUZZ_REQUIRE(!names_token_object(row, words));
    arena_.clear();
  }

  /* ---- what happens outside ---- */

  /* One of the things that can happen: n chooses. False when nothing can. */
  bool happen(uint8_t n, bool benign = false) {
    steps_++;
    unsigned choices = 0;
    for (uint32_t b = 0; b < kBackendCount; b++) choices += backends_[b].starting;
    for (Run& run : runs_) choices += outside(run);
    if (choices == 0) return false;
    unsigned choice = n % choices;
    for (uint32_t b = 0; b < kBackendCount; b++)
      if (backends_[b].starting && choice-- == 0) return spawned(b, benign);
    for (Run& run : runs_)
      if (outside(run) && choice-- == 0) {
        if (run.state == Run::State::kLocking)
          locked(&run, benign);
        else
          reply(&run, benign);
        break;
      }
    return true;
  }

  static bool outside(const Run& run) {
    return run.state == Run::State::kLocking || run.state == Run::State::kSent;
  }

  bool spawned(uint32_t number, bool benign) {
    uint8_t error = benign ? 0 : in_.u8();
    Backend& backend = backends_[number];
    backend.starting = false;
    backend.running = error < 200;
    backend.initialized = false;
    monitor_.spawned(number, error < 200 ? uint32_t{kSpawnOk} : 1u + error % 3);
    return true;
  }

  void locked(Run* run, bool benign) {
    bool had = benign || in_.u8() < 220;
    run->state = Run::State::kReady;
    if (had) backends_[run->backend].locked_by = run;
    monitor_.locked(&run->call, had);
  }

  void die(uint8_t n) {
    uint32_t backend = n % kBackendCount;
    if (!backends_[backend].in_portfolio) return;
    stop(backend);
    monitor_.backend_gone(backend);
  }

  void stop(uint32_t number) {
    Backend& backend = backends_[number];
    backend.starting = backend.running = backend.initialized = false;
    backend.life++;
    backend.sessions.clear();
    backend.listed.clear();
    backend.locked_by = nullptr;
    for (Run& run : runs_)
      if (outside(run) && run.backend == number) run.state = Run::State::kReady;
  }

  /* ---- the backend ---- */

  void reply(Run* run, bool benign) {
    Message& reply = run->call.reply;
    make_reply(*run, benign, &reply);
    if (!benign && in_.u8() >= 200) spoil_reply(&reply);
    Backend& backend = backends_[run->backend];
    note_slots(&backend, reply);
    bool ok = reply.rec.rv == CKR_OK || reply.rec.rv == CKR_CRYPTOKI_ALREADY_INITIALIZED;
    if (run->sent.rec.function == kC_Initialize) backend.initialized = ok;
    const CallRec replied = reply.rec;
    const std::vector<uint64_t> list = reply.list;
    run->state = Run::State::kReady;
    const uint64_t life = backend.life;
    if (several_layers()) learn_layered(run, replied, list);
    monitor_.replied(&run->call);
    if (backend.life != life) backend.sessions.clear();
    if (run->internal || run->call.reply.rec.rv != CKR_OK) return;
    learn(*run, replied, list);
    forget(*run);
  }

  /* As a library could have answered. */
  void make_reply(const Run& run, bool benign, Message* reply) {
    const FunctionRow& row = *function_row(run.sent.rec.function);
    static constexpr CK_RV kOthers[] = {CKR_GENERAL_ERROR, CKR_BUFFER_TOO_SMALL,
                                        CKR_ATTRIBUTE_SENSITIVE, CKR_CRYPTOKI_ALREADY_INITIALIZED};
    uint8_t answer = benign ? 0 : in_.u8();
    CK_RV rv = answer < 192 ? CKR_OK : kOthers[answer % 4];
    arena_.clear();
    Words words;
    if (unpack_call(row, run.sent, &arena_, &words)) {
      if (rv == CKR_OK) results(row, words, run.backend, benign);
      pack_reply(row, words, rv, reply);
    } else {
      reply->clear();
      reply->rec.function = row.number;
      reply->rec.flags = kFlagReply;
      reply->rec.rv = rv;
    }
    reply->rec.id = run.sent.rec.id;
    arena_.clear();
  }

  /* Handles and slots of a backend; few, so that they come again. */
  uint64_t real(uint32_t backend, bool benign) {
    uint8_t choice = benign ? ++turn_ % 8 : in_.u8();
    if (choice >= 250) return choice % 4;
    return kReal * (backend + 1) + choice % 8;
  }

  void results(const FunctionRow& row, const Words& words, uint32_t backend, bool benign) {
    const Word slot = words.w[0];
    for (unsigned i = 0; i < row.arg_count; i++) {
      const Word* w = &words.w[row.args[i].first];
      ArgKind kind = row.args[i].kind;
      if (kind == ArgKind::kHandleOut || kind == ArgKind::kSessionOut ||
          kind == ArgKind::kSlotOut) {
        if (w[0] != 0) *reinterpret_cast<CK_ULONG*>(w[0]) = real(backend, benign);
      } else if (kind == ArgKind::kHandleList || kind == ArgKind::kSlotList) {
        auto* count = reinterpret_cast<CK_ULONG*>(kind == ArgKind::kSlotList ? w[1] : w[2]);
        auto* list = reinterpret_cast<CK_ULONG*>(w[0]);
        if (count == nullptr) continue;
        CK_ULONG room = list != nullptr ? CallArena::room(list) / sizeof(CK_ULONG) : 0;
        *count = benign ? 3 : in_.u8() % 8;
        for (CK_ULONG n = 0; n < std::min(room, *count); n++) list[n] = real(backend, benign);
      } else if (kind == ArgKind::kTokenInfoOut && w[0] != 0) {
        auto* info = reinterpret_cast<CK_TOKEN_INFO*>(w[0]);
        std::fill(std::begin(info->label), std::end(info->label), uint8_t{' '});
        uint8_t label = benign ? 0 : in_.u8();
        info->label[0] = static_cast<CK_UTF8CHAR>('a' + (label < 128 ? slot : label) % 3);
        info->flags = CKF_TOKEN_INITIALIZED;
      } else if (kind == ArgKind::kTemplateInOut && w[0] != 0 && !benign) {
        auto* attributes = reinterpret_cast<CK_ATTRIBUTE*>(w[0]);
        for (Word n = 0; n < w[1]; n++) value(&attributes[n]);
      } else if (kind == ArgKind::kSessionInfoOut && w[0] != 0) {
        reinterpret_cast<CK_SESSION_INFO*>(w[0])->slotID = kReal;
      }
    }
  }

  /* Few values, so that they meet; and lengths of every kind. */
  void value(CK_ATTRIBUTE* a) {
    const uint8_t choice = in_.u8();
    if (choice >= 240) {
      a->ulValueLen = choice >= 248 ? CK_UNAVAILABLE_INFORMATION - choice % 8 : in_.u8();
      return;
    }
    if (a->type == CKA_CLASS) {
      CK_ULONG object_class = choice % 2;
      if (a->pValue != nullptr && a->ulValueLen == sizeof object_class)
        std::memcpy(a->pValue, &object_class, sizeof object_class);
      return;
    }
    const CK_ULONG length = choice % 3;
    if (a->pValue != nullptr && a->ulValueLen >= length) std::memset(a->pValue, choice % 2, length);
    a->ulValueLen = length;
  }

  void spoil_reply(Message* message) {
    uint8_t more = in_.u8();
    if ((more & 1) != 0) message->rec.function = in_.u8();
    if ((more & 2) != 0) message->rec.primary = in_.u64();
    if ((more & 4) != 0) message->rec.handles[0] = in_.u64();
    if ((more & 8) != 0) message->list.push_back(in_.u64());
    if ((more & 16) == 0) spoil(message);
    if (message->rec.handle_count == 0) message->rec.handles[0] = 0;
  }

  static void note_slots(Backend* backend, const Message& reply) {
    if (reply.rec.function == kC_WaitForSlotEvent) backend->slots.insert(reply.rec.primary);
    if (reply.rec.function == kC_GetSlotList)
      backend->slots.insert(reply.list.begin(), reply.list.end());
  }

  /* ---- answers ---- */

  void answered(Run* run) {
    const Message& answer = run->call.reply;
    const CallRec& rec = answer.rec;
    FUZZ_REQUIRE(rec.id == run->asked.id);
    FUZZ_REQUIRE(rec.function == run->asked.function);
    FUZZ_REQUIRE((rec.flags & kFlagReply) != 0);
    bool results = carries_results(static_cast<CK_RV>(rec.rv));
    FUZZ_REQUIRE(results || (rec.handle_count == 0 && answer.list.empty()));
    for (uint32_t i = 0; i < rec.handle_count; i++)
      FUZZ_REQUIRE(rec.handles[i] < kNone && (rec.rv == CKR_OK || rec.handles[i] == 0));
    for (uint64_t handle : answer.list)
      FUZZ_REQUIRE(handle < kNone && (handle != 0 || rec.function == kC_GetSlotList));
    if (rec.function == kC_WaitForSlotEvent && rec.rv == CKR_OK) FUZZ_REQUIRE(rec.primary < kNone);
    if (rec.function == kC_Finalize && rec.rv == CKR_OK) FUZZ_REQUIRE(!monitor_.initialized());
    if (several_layers()) learn_found(*run);
    run->found.clear();
    run->call.reset();
    run->state = Run::State::kFree;
  }

  /* From what the client will be told, and what the backend said. */
  void learn(const Run& run, const CallRec& replied, const std::vector<uint64_t>& list) {
    const FunctionRow& row = *function_row(run.sent.rec.function);
    const Message& answer = run.call.reply;
    bool session = row.has(ArgKind::kSessionOut);
    FUZZ_REQUIRE(answer.rec.handle_count == replied.handle_count);
    for (uint32_t i = 0; i < answer.rec.handle_count; i++)
      if (answer.rec.handles[i] != 0) give(session, answer.rec.handles[i], run, replied.handles[i]);
    if (!row.has(ArgKind::kHandleList) || answer.list.empty()) return;
    FUZZ_REQUIRE(answer.list.size() == list.size());
    for (size_t i = 0; i < answer.list.size(); i++) give(false, answer.list[i], run, list[i]);
  }

  /* A handle is given for one thing and never for another, also when that is gone. */
  void give(bool session, uint64_t handle, const Run& run, uint64_t real) {
    Given given{run.backend, backends_[run.backend].life, run.slot, real};
    auto& live = session ? sessions_ : objects_;
    auto& ever = session ? sessions_given_ : objects_given_;
    auto [it, fresh] = ever.try_emplace(handle, given);
    FUZZ_REQUIRE(fresh || (!session && it->second == given && live.count(handle) != 0));
    if (fresh) (session ? sessions_ever_ : objects_ever_).push_back(handle);
    live[handle] = given;
  }

  /* What the client is told has ended must not come back. */
  void forget(const Run& run) {
    const CallRec& sent = run.sent.rec;
    switch (sent.function) {
      case kC_DestroyObject:
        if (sent.handle_count != 0 && sent.handles[0] != kNone)
          objects_.erase(run.asked.handles[0]);
        break;
      case kC_CloseSession:
        if (sent.primary != kNone) sessions_.erase(run.asked.primary);
        break;
      case kC_CloseAllSessions:
        if (sent.primary == kNone) break;
        std::erase_if(sessions_, [&](const auto& s) { return s.second.slot == run.slot; });
        std::erase_if(objects_, [&](const auto& o) { return o.second.slot == run.slot; });
        break;
      default:
        break;
    }
  }

  /* ---- the vault ---- */

  void answer(uint8_t how) {
    if (how == 0 || !answer_turn(how)) answer_maker(how);
  }

  bool answer_turn(uint8_t how) {
    if (changing_ != Turn::kAsked) return false;
    constexpr TurnVerdict kVerdicts[] = {kTurnNot, kPinIs, kTurnIt, kTurnItAgain};
    LayerPin news{};
    news.layer = turning_;
    news.verdict = kVerdicts[how % 4];
    news.pin.size = 4;
    std::memcpy(news.pin.pin, "5678", 4);
    if (news.verdict != kPinIs) news.next.size = kDerivedPin;
    changing_ = how % 4 > 1 ? Turn::kGranted : Turn::kIdle;
    monitor_.pin_changed(&news);
    return true;
  }

  /* It answers when it likes, and may be gone; true when there was something to answer. */
  bool answer_maker(uint8_t how) {
    if (vault_ != VaultState::kAsked && vault_ != VaultState::kTold && how != 0) return false;
    if (how == 0) {
      vault_ = VaultState::kIdle;
      changing_ = Turn::kIdle;
      monitor_.make_answered(nullptr);
      monitor_.pin_changed(nullptr);
      return true;
    }
    MakeAnswer answer{};
    std::memcpy(answer.id, kDemanded, sizeof kDemanded);
    answer.user.size = answer.so.size = kDerivedPin;
    std::memset(answer.user.pin, 'a', kDerivedPin);
    std::memset(answer.so.pin, 'b', kDerivedPin);
    answer.answer = kTokenIsNot;
    if (vault_ == VaultState::kTold ? made_ : how % 4 == 1) answer.answer = kTokenIsMade;
    if (vault_ == VaultState::kAsked && how % 4 > 1) answer.answer = kMakeIt;
    vault_ = answer.answer == kMakeIt ? VaultState::kGranted : VaultState::kIdle;
    monitor_.make_answered(&answer);
    return true;
  }

  /* ---- the end ---- */

  /* Whatever is under way comes to its end. */
  void settle() {
    behave();
    for (const Run& run : runs_) FUZZ_REQUIRE(run.state == Run::State::kFree);
    for (const Backend& backend : backends_) FUZZ_REQUIRE(backend.locked_by == nullptr);
    FUZZ_REQUIRE(vault_ == VaultState::kIdle && changing_ == Turn::kIdle);
  }

  /* Everybody does what he is asked to, until nothing is left to do. */
  void behave() {
    for (unsigned steps = 0; steps < kMostSteps; steps++) {
      bool progress = false;
      for (Run& run : runs_) {
        if (run.state != Run::State::kReady) continue;
        advance(&run);
        progress = true;
      }
      progress |= happen(0, true);
      progress |= vault_waits() && answer_maker(2);
      progress |= answer_turn(2);
      if (!progress) break;
    }
  }

  bool vault_waits() const { return vault_ == VaultState::kAsked || vault_ == VaultState::kTold; }

  enum class VaultState { kIdle, kAsked, kGranted, kTold };
  VaultState vault_ = VaultState::kIdle;
  bool made_ = false;
  enum class Turn { kIdle, kAsked, kGranted };
  Turn changing_ = Turn::kIdle;
  LayerName turning_{};
  Input in_;
  Portfolio plan_;
  std::array<Backend, kBackendCount> backends_;
  std::array<Run, kCalls> runs_;
  SessionMonitor monitor_;
  CallArena arena_;
  std::map<uint64_t, Given> sessions_, objects_;             /* the client may use */
  std::map<uint64_t, Given> sessions_given_, objects_given_; /* and what was ever given */
  std::vector<uint64_t> sessions_ever_, objects_ever_;       /* in that order */
  uint64_t ids_ = 0;
  unsigned steps_ = 0;
  unsigned turn_ = 0; /* of the numbers that a backend gives out */
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  Input in(data + 1, size - 1);
  World(in, portfolio(data[0])).run();
  return 0;
}
