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
#include "session_monitor.h"

#include <algorithm>
#include <utility>

#include "infos.h"
#include "packing.h"
#include "result.h"

namespace mp11 {
namespace {

using Action = SessionMonitor::Action;
using Step = SessionMonitor::Step;

/*
 * What stands for a virtual handle that names nothing: the library is asked all the same, so that
 * it is the library's own order of checks that the client sees. No library gives such a handle.
 */
constexpr uint64_t kNoSuchHandle = 0xfffffffe;

/* Calls after which a library may give out old handles anew. */
bool ends_handles(const FunctionRow& row) {
  return row.number == kC_DestroyObject || row.number == kC_CloseSession ||
         row.number == kC_CloseAllSessions || row.number == kC_Logout;
}

}  // namespace

void SessionMonitor::Call::reset() {
  Message kept_request = std::move(request), kept_reply = std::move(reply);
  Message kept_internal = std::move(internal_message);
  *this = Call{};
  request = std::move(kept_request);
  reply = std::move(kept_reply);
  internal_message = std::move(kept_internal);
  request.clear();
  reply.clear();
  internal_message.clear();
}

SessionMonitor::SessionMonitor(Portfolio portfolio, MonitorHost* host) : host_(host) {
  backends_.reserve(portfolio.backends.size());
  for (const PortfolioBackend& plan : portfolio.backends) backends_.push_back(Backend{plan});
  tokens_.reserve(portfolio.tokens.size());
  auto backend_of = [this](uint32_t number) {
    auto it = std::find_if(backends_.begin(), backends_.end(),
                           [=](const Backend& b) { return b.plan.backend == number; });
    MP11_ASSERT(it != backends_.end());
    return &*it;
  };
  uint32_t id = 0;
  size_t filters = 0, pins = 0;
  for (const PortfolioToken& plan : portfolio.tokens) {
    Token& token = tokens_.emplace_back();
    token.plan = plan;
    MP11_ASSERT(plan.layers >= 1 && plan.layers <= portfolio.layers.size() - id);
    for (const uint32_t end = id + plan.layers; id < end; id++)
      token.layers.push_back(
          Layer{portfolio.layers[id], backend_of(portfolio.layers[id].backend), id});
    for (Layer& layer : token.layers) {
      layers_.push_back(&layer);
      if ((layer.plan.flags & kLayerUnmade) != 0) layer.made = Layer::Made::kIsNot;
      if (layer.plan.pin == kPinStored) {
        MP11_ASSERT(pins < portfolio.pins.size());
        if (pins < portfolio.next_pins.size()) layer.next = portfolio.next_pins[pins];
        layer.pin = portfolio.pins[pins++];
      }
      if ((layer.plan.flags & kLayerFiltered) == 0) continue;
      MP11_ASSERT(filters < portfolio.filters.size());
      layer.filter = std::make_unique<const LayerFilter>(portfolio.filters[filters++]);
    }
  }
  make_selections();
}

SessionMonitor::~SessionMonitor() = default;

uint32_t SessionMonitor::deadline_ms(uint32_t number, Deadline deadline) const {
  for (const Backend& backend : backends_) {
    if (backend.plan.backend != number) continue;
    switch (deadline) {
      case Deadline::kNone:
        return 0;
      case Deadline::kShort:
        return backend.plan.deadline_short_ms;
      case Deadline::kStart:
        return backend.plan.deadline_start_ms;
      case Deadline::kLong:
        return backend.plan.deadline_long_ms;
    }
  }
  return 0;
}

/* ---- steps ---- */

Step SessionMonitor::done(Call* call) {
  let_go(call);
  call->late = !selections_.empty() && call->request.rec.function == kC_Login &&
               call->reply.rec.rv != CKR_OK;
  leave_selection(call);
  for (Token& token : tokens_) {
    if (call->round == nullptr || token.logging != call) continue;
    token.logging = nullptr;
    host_->changed();
  }
  call->phase = Call::Phase::kDone;
  call->reply.rec.id = call->client_id;
  Step step;
  step.late = call->late;
  return step;
}

Step SessionMonitor::answer(Call* call, CK_RV rv) {
  if (call->trying) {
    end_trial(call, rv);
    return Step{}; /* next() goes on */
  }
  call->reply.clear();
  call->reply.rec.function = call->request.rec.function;
  call->reply.rec.flags = kFlagReply;
  call->reply.rec.rv = rv;
  return done(call);
}

/*
 * What a call needs is not to be had. In a round over layers that spares the one whose turn it is,
 * the next one's turn comes.
 */
Step SessionMonitor::fail(Call* call, CK_RV rv) {
  if (call->round == nullptr || !call->round->spares) return answer(call, rv);
  skip_layer(call, rv);
  return next(call);
}

/* Who waits holds no lock: another may need it to do what is waited for. */
Step SessionMonitor::wait(Call* call, Backend* backend) {
  release_lock(call);
  return Step{Action::kWait, backend->plan.backend};
}

/* No reply comes: the backend has died under the call. */
Step SessionMonitor::died(Call* call) {
  bool internal = call->phase == Call::Phase::kInternal;
  if (call->internal == Call::Internal::kOrphan) {
    call->token->closing--;
    host_->changed();
  }
  call->phase = Call::Phase::kReady;
  const bool closed =
      std::exchange(call->internal, Call::Internal::kNone) == Call::Internal::kOrphan;
  if (closed) return next(call); /* as well as if it had been closed */
  if (call->row->number == kC_Finalize) return next_finalize(call);
  if (call->row->number == kC_GetSlotList && internal && !passes_slots_on()) {
    let_go(call);
    call->next_index++;
    return next_slot_list(call);
  }
  if (call->row->number == kC_Initialize) return answer(call, CKR_GENERAL_ERROR);
  return internal ? fail(call, CKR_DEVICE_REMOVED) : answer(call, CKR_DEVICE_REMOVED);
}

/* layer is nullptr when the call is of no token. */
Step SessionMonitor::send(Call* call, Backend* backend, Layer* layer) {
  if (auto step = need_lock(call, backend, call->row->lock)) return *step;
  call->object = call->request.rec.handle_count != 0 ? call->request.rec.handles[0] : 0;
  translate_handles(call, layer, &call->request.rec);
  call->layer = layer;
  if (ends_handles(*call->row)) {
    call->ending = true;
    backend->enders++;
  }
  call->phase = Call::Phase::kInFlight;
  call->backend = backend;
  backend->flying++;
  call->epoch = backend->epoch;
  return {Action::kSend, backend->plan.backend, &call->request, LockMode::kNoLock,
          call->row->deadline};
}

Step SessionMonitor::send_internal(Call* call, Backend* backend, Call::Internal what,
                                   const FunctionRow& row, const Words& words) {
  if (auto step = need_lock(call, backend, row.lock)) return *step;
  CK_RV rv = pack_call(row, words, &call->internal_message);
  MP11_ASSERT(rv == CKR_OK);
  return in_flight(call, backend, what, row);
}

Step SessionMonitor::send_own(Call* call, Layer* layer, Call::Internal what, const OwnCall& own) {
  call->layer = layer;
  return send_internal(call, layer->backend, what, kFunctionTable[own.function], own.words);
}

/* internal_message stands ready, and so does the lock. */
Step SessionMonitor::in_flight(Call* call, Backend* backend, Call::Internal what,
                               const FunctionRow& row) {
  call->phase = Call::Phase::kInternal;
  call->internal = what;
  call->backend = backend;
  backend->flying++;
  call->epoch = backend->epoch;
  return {Action::kSend, backend->plan.backend, &call->internal_message, LockMode::kNoLock,
          row.deadline};
}

std::optional<Step> SessionMonitor::need_running(Call* call, Backend* backend) {
  if (backend->state == Backend::State::kRunning) return {};
  if (call->asked != backend) {
    call->asked = backend;
    call->seen_failures = backend->failures;
  } else if (call->seen_failures != backend->failures) {
    const bool spared = call->round != nullptr && call->round->spares;
    if (backend->last_error == kSpawnBusy && !spared) return answer_busy(call);
    return fail(call, call->row->number == kC_Initialize ? CKR_GENERAL_ERROR : CKR_DEVICE_ERROR);
  }
  if (backend->state == Backend::State::kStarting) return wait(call, backend);
  backend->state = Backend::State::kStarting;
  return Step{Action::kSpawn, backend->plan.backend};
}

std::optional<Step> SessionMonitor::need_initialized(Call* call, Backend* backend) {
  if (auto step = need_running(call, backend)) return step;
  if (backend->initialized) return {};
  if (backend->initializing != nullptr && backend->initializing != call) return wait(call, backend);
  backend->initializing = call;
  return send_internal(call, backend, Call::Internal::kInitialize, kFunctionTable[kC_Initialize],
                       Words{});
}

std::optional<Step> SessionMonitor::need_lock(Call* call, Backend* backend, LockMode mode) {
  if (mode == LockMode::kNoLock || (backend->plan.flags & kBackendTokenLock) == 0) return {};
  if (call->lock_failed) return fail(call, CKR_DEVICE_ERROR);
  if (backend->lock_holder == call) return {};
  if (backend->lock_holder != nullptr) return wait(call, backend);
  backend->lock_holder = call;
  call->locking = backend;
  return Step{Action::kLock, backend->plan.backend, nullptr, mode, Deadline::kStart};
}

void SessionMonitor::release_lock(Call* call) {
  for (Backend& backend : backends_) {
    if (backend.lock_holder != call) continue;
    backend.lock_holder = nullptr;
    host_->unlock(backend.plan.backend);
    host_->changed();
  }
}

/* An answered call keeps nothing that others wait for. */
void SessionMonitor::let_go(Call* call) {
  release_lock(call);
  for (Backend& backend : backends_) {
    if (backend.initializing != call) continue;
    backend.initializing = nullptr;
    host_->changed();
  }
  for (Layer* layer : layers_)
    if (layer->maker == call) abandon_birth(layer);
  for (Layer* layer : layers_)
    if (layer->turner == call) abandon_turning(layer);
  for (Layer* layer : layers_) {
    if (layer->locating != call && layer->anchoring != call) continue;
    if (layer->locating == call) layer->locating = nullptr;
    if (layer->anchoring == call) layer->anchoring = nullptr;
    host_->changed();
  }
  auto opened = sessions_.find(std::exchange(call->opening, 0));
  if (opened == sessions_.end() || opened->second.opening != call) return;
  opened->second.opening = nullptr;
  host_->changed();
}

/* ---- what is next ---- */

Step SessionMonitor::next(Call* call) {
  call->tried = false;
  Step step = next_step(call);
  while (std::exchange(call->tried, false)) step = next_step(call);
  return step;
}

Step SessionMonitor::next_step(Call* call) {
  switch (call->phase) {
    case Call::Phase::kDone: {
      Step step;
      step.late = call->late;
      return step;
    }
    case Call::Phase::kInFlight:
    case Call::Phase::kInternal:
      MP11_ASSERT(call->epoch != call->backend->epoch);
      return died(call);
    case Call::Phase::kNew:
      call->row = function_row(call->request.rec.function);
      call->client_id = call->request.rec.id;
      call->flags = call->request.rec.flags;
      if (call->row == nullptr || !carried(*call->row))
        return answer(call, CKR_FUNCTION_NOT_SUPPORTED);
      if (!well_formed(*call)) return answer(call, CKR_ARGUMENTS_BAD);
      if (call->row->number == kC_OpenSession) call->open_flags = call->request.rec.numbers[0];
      call->phase = Call::Phase::kReady;
      break;
    case Call::Phase::kReady:
      break;
  }
  if (initialized_ && call->row->number == kC_Initialize)
    return answer(call, CKR_CRYPTOKI_ALREADY_INITIALIZED);
  if (!initialized_ && call->row->number != kC_Initialize)
    return answer(call, CKR_CRYPTOKI_NOT_INITIALIZED);
  if (drains(*call)) return drain(call, call->round->said);
  if (call->trying) return next_trial(call);
  switch (call->row->number) {
    case kC_Initialize:
      return next_initialize(call);
    case kC_Finalize:
      return next_finalize(call);
    case kC_GetInfo:
      return next_info(call);
    case kC_GetSlotList:
      return next_slot_list(call);
    case kC_WaitForSlotEvent:
      return next_slot_event(call);
    default:
      return call->row->has(ArgKind::kSlot) ? next_by_slot(call) : next_by_session(call);
  }
}

/*
 * With one backend the library's own answer counts, as it would directly. With several a library
 * that fails must not take the others down: each is initialised when it is first needed.
 */
Step SessionMonitor::next_initialize(Call* call) {
  Backend* sole = sole_backend();
  bool busy = sole != nullptr && call->asked == sole && call->seen_failures != sole->failures &&
              sole->last_error == kSpawnBusy;
  if (sole == nullptr || busy) {
    initialized_ = true;
    return answer(call, CKR_OK);
  }
  if (auto step = need_running(call, sole)) return *step;
  if (sole->initializing != nullptr && sole->initializing != call) return wait(call, sole);
  sole->initializing = call;
  return send(call, sole, nullptr);
}

/* Each running library is finalised in turn, and its process ended. */
Step SessionMonitor::next_finalize(Call* call) {
  PackReader in(call->request.bytes.span());
  bool reserved = in.flag();
  while (call->next_index < backends_.size()) {
    Backend* backend = &backends_[call->next_index];
    if (backend->state == Backend::State::kRunning && backend->initialized)
      return send(call, backend, nullptr);
    call->next_index++;
  }
  /* Where there was a library, it has judged. */
  if (reserved && call->backend == nullptr) return answer(call, CKR_ARGUMENTS_BAD);
  finalized();
  return answer(call, CKR_OK);
}

Step SessionMonitor::next_info(Call* call) {
  if (Backend* sole = sole_backend()) {
    if (auto step = need_initialized(call, sole)) return *step;
    return send(call, sole, nullptr);
  }
  PackReader in(call->request.bytes.span());
  if (!in.flag()) return answer(call, CKR_ARGUMENTS_BAD);
  CK_INFO info{};
  info.cryptokiVersion = {2, 40};
  pad_text(info.manufacturerID, sizeof info.manufacturerID, "multip11");
  pad_text(info.libraryDescription, sizeof info.libraryDescription, "hosted PKCS #11");
  info.libraryVersion = {0, 1};
  Step step = answer(call, CKR_OK);
  write_info(info, &call->reply);
  return step;
}

Step SessionMonitor::next_by_slot(Call* call) {
  call->slot = call->request.rec.primary;
  Token* token = nullptr;
  std::optional<uint64_t> known;
  if (!find_slot(call->slot, &token, &known)) {
    Backend* sole = sole_backend();
    /* Not for a call that no policy of a token could refuse. */
    if (sole == nullptr || sole->state != Backend::State::kRunning || !sole->initialized ||
        call->row->route == Route::kAdminSlot)
      return answer(call, CKR_SLOT_ID_INVALID);
    call->token = nullptr;
    if (auto step = need_lock(call, sole, call->row->lock)) return *step;
    call->request.rec.primary = kNoSuchHandle;
    return send(call, sole, nullptr);
  }
  call->token = token;
  if (auto step = need_entry(call, token)) return *step;
  if (token->layered()) return next_layered(call);
  Layer* layer = &token->only();
  uint64_t real = 0;
  if (known) {
    if (auto step = need_initialized(call, layer->backend)) return *step;
    real = *known;
  } else if (auto step = need_slot(call, layer, &real)) {
    return *step;
  }
  call->layer = layer;
  if (auto rv = refused(call, *token)) {
    /* A slot that was never shown may be none. */
    const bool shown = !known || *known != call->slot || transparent_index_.contains({token, real});
    return answer(call, shown ? *rv : CKR_SLOT_ID_INVALID);
  }
  if (call->row->number == kC_OpenSession && sessions_.size() >= limits::kSessions)
    return answer(call, CKR_SESSION_COUNT);
  if (auto step = need_lock(call, layer->backend, call->row->lock)) return *step;
  /* The library's own wall behind ours: templates of keys may say more than those of calls. */
  if (call->row->number == kC_OpenSession && layer->read_only())
    call->request.rec.numbers[0] &= ~uint64_t{CKF_RW_SESSION};
  call->request.rec.primary = real;
  return send(call, layer->backend, layer);
}

Step SessionMonitor::next_by_session(Call* call) {
  call->session = call->request.rec.primary;
  auto it = sessions_.find(call->session);
  if (it == sessions_.end()) {
    Backend* sole = sole_backend();
    if (sole == nullptr || sole->state != Backend::State::kRunning || !sole->initialized)
      return answer(call, CKR_SESSION_HANDLE_INVALID);
    if (call->round != nullptr) call->round->spares = false; /* it was closed in between */
    call->token = nullptr;
    call->session = 0;
    if (auto step = need_lock(call, sole, call->row->lock)) return *step;
    call->request.rec.primary = kNoSuchHandle;
    return send(call, sole, nullptr);
  }
  const Session& session = it->second;
  call->token = session.token;
  call->slot = session.slot;
  if (auto step = need_entry(call, session.token)) return *step;
  if (session.token->layered()) return next_layered(call);
  Layer* layer = call->layer = &session.token->only();
  if (auto rv = refused(call, *session.token)) return answer(call, *rv);
  if (auto step = need_lock(call, layer->backend, call->row->lock)) return *step;
  call->request.rec.primary = session.real.front();
  return send(call, layer->backend, layer);
}

/*
 * A handle is good in the virtual token that it was given in and nowhere else: libraries have been
 * seen to take one of their tokens' handles in a session of another, where other rules may hold.
 * The slots of a transparent token have one rule, and it is the library that judges.
 */
bool SessionMonitor::may_name(const HandleMap::Entry& entry, const Call& call) {
  if (entry.slot == call.slot) return true;
  Token* token = nullptr;
  std::optional<uint64_t> real;
  return find_slot(entry.slot, &token, &real) && token->transparent() && token == call.token;
}

void SessionMonitor::translate_handles(Call* call, const Layer* layer, CallRec* rec) {
  for (uint32_t i = 0; i < rec->handle_count; i++) {
    if (rec->handles[i] == CK_INVALID_HANDLE) continue;
    const HandleMap::Entry* entry = objects_.find(rec->handles[i]);
    bool ours = entry != nullptr && layer != nullptr && entry->scope == layer->id && !entry->gone &&
                may_name(*entry, *call);
    rec->handles[i] = ours ? entry->real : kNoSuchHandle;
  }
}

/* ---- events from the host ---- */

void SessionMonitor::locked(Call* call, bool ok) {
  Backend* backend = std::exchange(call->locking, nullptr);
  if (backend == nullptr) return;
  if (backend->lock_holder != call) {
    /* The backend died while the host was at it: nobody has asked for this lock any more. */
    if (ok && backend->lock_holder == nullptr) host_->unlock(backend->plan.backend);
    return;
  }
  if (ok) return;
  call->lock_failed = true;
  backend->lock_holder = nullptr;
  host_->changed();
}

void SessionMonitor::spawned(uint32_t number, uint32_t error) {
  for (Backend& backend : backends_) {
    if (backend.plan.backend != number) continue;
    if (backend.state != Backend::State::kStarting) {
      /* Finalised meanwhile. */
      if (error == kSpawnOk && backend.state == Backend::State::kAbsent) host_->end_backend(number);
      continue;
    }
    backend.state = error == kSpawnOk ? Backend::State::kRunning : Backend::State::kAbsent;
    backend.last_error = error;
    if (error != kSpawnOk) backend.failures++;
  }
  host_->changed();
}

void SessionMonitor::backend_gone(uint32_t number) {
  for (Backend& backend : backends_)
    if (backend.plan.backend == number) drop_backend(&backend);
  host_->changed();
}

}  // namespace mp11
