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
 * SessionMonitor, calls to a token of several layers. Which layer answers is the route of the
 * function's row; what is done on the way to it is here.
 *
 * Everything is written to be asked again: next() comes back after each of the monitor's own calls,
 * and each function looks for the first thing that is still missing.
 *
 * Trust: a layer's library is hostile to the other layers too. It is told the client's arguments
 * and its own handles, nothing of another's; its failure is its own, unless it is required.
 */
#include <algorithm>
#include <utility>

#include "packing.h"
#include "result.h"
#include "session_monitor.h"

namespace mp11 {
namespace {

using Step = SessionMonitor::Step;

/* A library has fewer mechanisms than that; what it lists beyond is not known to us. */
constexpr CK_ULONG kMaxMechanisms = 4096;

/* Digests of operation states that are remembered, with the layer of each. */
constexpr size_t kMaxSavedStates = 64;

/* FNV-1a, 64 bits. A client that makes two states meet mistakes the layer of its own. */
uint64_t digest_of(std::span<const uint8_t> octets) {
  uint64_t digest = 0xcbf29ce484222325;
  for (uint8_t octet : octets) digest = (digest ^ octet) * 0x100000001b3;
  return digest;
}

/* Functions after which, if they succeed with a result, an operation is over. */
bool ends_operation(const FunctionRow& row) {
  switch (row.number) {
    case kC_EncryptUpdate:
    case kC_DecryptUpdate:
    case kC_DigestUpdate:
    case kC_DigestKey:
    case kC_SignUpdate:
    case kC_VerifyUpdate:
      return false;
    default:
      return row.route == Route::kContinue;
  }
}

}  // namespace

/* ---- routes ---- */

Step SessionMonitor::next_layered(Call* call) {
  if (call->round == nullptr) call->round = std::make_unique<Call::Round>();
  call->layer = nullptr;
  if (auto rv = refused(call, *call->token)) return answer(call, *rv);
  Session* session = session_of(*call);
  switch (call->row->route) {
    case Route::kOpen:
      if (sessions_.size() >= limits::kSessions) return answer(call, CKR_SESSION_COUNT);
      if (auto step = need_drained(call, call->token)) return *step;
      call->round->spares = false; /* it may be here for the second time */
      for (size_t n = 0; n < call->token->layers.size(); n++) {
        uint64_t real = 0;
        if (!call->token->layers[n].required()) continue;
        if (auto step = need_slot(call, &call->token->layers[n], &real)) return *step;
      }
      return to_first_slot(call);
    case Route::kClose:
      return next_close(call);
    case Route::kMergeSlot:
      if (call->row->number == kC_GetTokenInfo) return next_merged_info(call);
      if (call->row->number == kC_GetMechanismList) return next_mechanism_list(call);
      if (call->row->number == kC_GetMechanismInfo) return next_mechanism_info(call);
      if (call->row->number == kC_GetSlotInfo &&
          call->token->layers.front().made != Layer::Made::kIs)
        return answer_unmade_slot(call);
      return to_first_slot(call);
    case Route::kLogin:
      if (call->within != nullptr && call->request.rec.numbers[0] == CKU_USER)
        return next_identity_login(call, session);
      return next_login(call, session);
    case Route::kLogout:
      if (call->within != nullptr && call->token != call->within->own())
        if (auto step = need_alone(call)) return *step;
      return next_logout(call, session);
    case Route::kFind:
      if (call->row->number == kC_FindObjectsInit) return next_find_init(call, session);
      if (call->row->number == kC_FindObjects) return next_find(call, session);
      return next_find_final(call, session);
    case Route::kCreate:
      return to_layer_that_makes(call, session);
    case Route::kMechanismLayer:
      return to_layer_with_mechanism(call, session);
    case Route::kObject:
      return to_layer_of_objects(call, session);
    case Route::kContinue:
      return to_layer_begun(call, session, call->row->operation);
    case Route::kDual:
      return next_dual(call, session);
    case Route::kState:
      return to_layer_of_state(call, session);
    case Route::kPinLayer: {
      std::optional<size_t> only;
      for (size_t n = 0; n < call->token->layers.size(); n++) {
        if (call->token->layers[n].plan.pin != kPinClient) continue;
        if (only) return answer(call, CKR_FUNCTION_NOT_SUPPORTED); /* whose would it be? */
        only = n;
      }
      if (!only) return answer(call, CKR_FUNCTION_NOT_SUPPORTED);
      return to_layer(call, session, *only);
    }
    case Route::kFirst:
      return to_first(call, session);
    case Route::kWhole:
    case Route::kAdminSlot:
    case Route::kAdmin:
      break;
  }
  return answer(call, CKR_FUNCTION_NOT_SUPPORTED);
}

SessionMonitor::Session* SessionMonitor::session_of(const Call& call) {
  if (call.trying) return &call.within->trial;
  auto it = sessions_.find(call.session);
  return it != sessions_.end() ? &it->second : nullptr;
}

/* The client's call, as it is, to the first layer that can be reached. */
Step SessionMonitor::to_first_slot(Call* call) {
  Call::Round& round = *call->round;
  while (round.at < call->token->layers.size()) {
    Layer* layer = &call->token->layers[round.at];
    uint64_t real = 0;
    round.spares = !layer->required();
    if (auto step = need_slot(call, layer, &real)) return *step;
    if (auto step = need_lock(call, layer->backend, call->row->lock)) return *step;
    if (call->row->number == kC_OpenSession && layer->read_only())
      call->request.rec.numbers[0] &= ~uint64_t{CKF_RW_SESSION};
    call->request.rec.primary = real;
    return send(call, layer->backend, layer);
  }
  return answer(call, round.failure);
}

Step SessionMonitor::to_first(Call* call, Session* session) {
  Call::Round& round = *call->round;
  while (round.at < session->real.size()) {
    round.spares = true;
    if (auto step = need_layer_session(call, session, round.at)) return *step;
    return to_layer(call, session, round.at);
  }
  return answer(call, round.failure);
}

/* The client's call to one layer, as if there were no other. */
Step SessionMonitor::to_layer(Call* call, Session* session, size_t n) {
  Layer* layer = &call->token->layers[n];
  call->round->spares = false;
  call->layer = layer;
  if (several_layers_named(*call, n)) return answer(call, CKR_KEY_HANDLE_INVALID);
  if (layer->read_only())
    if (auto rv = refused_read_only(call)) return answer(call, *rv);
  if (auto rv = refused_by_filter(call, layer)) return answer(call, *rv);
  if (!fits_prefix(call, *layer)) return answer(call, CKR_TEMPLATE_INCONSISTENT);
  if (begins(*call->row)) {
    const Session::Begun& begun = session->begun[static_cast<size_t>(call->row->operation)];
    if (begun.active && begun.layer != n && session->real[begun.layer] != 0)
      return answer(call, CKR_OPERATION_ACTIVE);
  }
  if (auto step = need_layer_session(call, session, n)) return *step;
  if (auto step = need_class(call, session, n)) return *step;
  if (auto step = need_lock(call, layer->backend, call->row->lock)) return *step;
  if (const CK_RV rv = rewrite_for_prefix(call, *layer); rv != CKR_OK) return answer(call, rv);
  call->request.rec.primary = session->real[n];
  return send(call, layer->backend, layer);
}

std::optional<size_t> SessionMonitor::layer_of_handle(const Call& call, uint64_t handle) const {
  const HandleMap::Entry* entry = objects_.find(handle);
  if (entry == nullptr || entry->slot != call.slot) return {};
  const std::vector<Layer>& layers = call.token->layers;
  for (size_t n = 0; n < layers.size(); n++)
    if (layers[n].id == entry->scope) return n;
  return {};
}

bool SessionMonitor::several_layers_named(const Call& call, size_t n) const {
  const CallRec& rec = call.request.rec;
  for (uint32_t i = 0; i < rec.handle_count; i++)
    if (layer_of_handle(call, rec.handles[i]).value_or(n) != n) return true;
  return false;
}

/* A handle that names nothing goes to the first layer: it says what is wrong. */
Step SessionMonitor::to_layer_of_objects(Call* call, Session* session) {
  const CallRec& rec = call->request.rec;
  for (uint32_t i = 0; i < rec.handle_count; i++) {
    const std::optional<size_t> n = layer_of_handle(*call, rec.handles[i]);
    if (!n) continue;
    if (objects_.find(rec.handles[i])->gone) return answer(call, CKR_DEVICE_REMOVED);
    return to_layer(call, session, *n);
  }
  return to_first(call, session);
}

Step SessionMonitor::to_layer_begun(Call* call, Session* session, Operation operation) {
  Session::Begun& begun = session->begun[static_cast<size_t>(operation)];
  if (!begun.active) return to_first(call, session);
  if (session->real[begun.layer] == 0) {
    begun.active = false;
    return answer(call, CKR_DEVICE_REMOVED);
  }
  return to_layer(call, session, begun.layer);
}

/* A saved state is its layer's; one that is not known is given to that of its keys to judge. */
Step SessionMonitor::to_layer_of_state(Call* call, Session* session) {
  if (call->row->number == kC_GetOperationState) {
    for (const Session::Begun& begun : session->begun)
      if (begun.active && session->real[begun.layer] != 0)
        return to_layer(call, session, begun.layer);
    return to_first(call, session);
  }
  PackReader in(call->request.bytes.span());
  const bool there = in.flag();
  const std::span<const uint8_t> state = there ? in.octets() : std::span<const uint8_t>();
  auto saved = call->token->saved_states.find(digest_of(state));
  if (saved == call->token->saved_states.end()) return to_layer_of_objects(call, session);
  if (several_layers_named(*call, saved->second)) return answer(call, CKR_SAVED_STATE_INVALID);
  return to_layer(call, session, saved->second);
}

/* ---- where new things are made ---- */

/*
 * The first layer that may hold it and has the mechanism. One that cannot be reached is not passed
 * over: a key must not lie where nobody looks for it. Where none has the mechanism, the first one
 * says so.
 */
Step SessionMonitor::to_layer_that_makes(Call* call, Session* session) {
  Call::Round& round = *call->round;
  const std::optional<Making> making = read_making(call);
  if (!making) return answer(call, CKR_ARGUMENTS_BAD);
  std::optional<size_t> first;
  bool writable = false, elsewhere = false;
  round.spares = false;
  for (size_t n = 0; n < session->real.size() && !round.target; n++) {
    Layer& layer = call->token->layers[n];
    if (making->on_token && layer.read_only()) continue;
    writable = true;
    if (!layer.takes(making->classes) || !fits_prefix(call, layer)) continue;
    if (making->mechanism && layer.filter && !layer.filter->makes_with(*making->mechanism)) {
      elsewhere = true;
      continue;
    }
    if (!first) first = n;
    if (making->mechanism) {
      if (auto step = need_mechanisms(call, &layer)) return *step;
      if (std::find(layer.mechanisms->begin(), layer.mechanisms->end(), *making->mechanism) ==
          layer.mechanisms->end())
        continue;
    }
    round.target = n;
  }
  if (!round.target && !first && elsewhere) return answer(call, CKR_MECHANISM_INVALID);
  if (!round.target && !first)
    return answer(call, writable ? CKR_TEMPLATE_INCONSISTENT : CKR_TOKEN_WRITE_PROTECTED);
  if (!round.target) round.target = first;
  return to_layer(call, session, *round.target);
}

/* Digests and random numbers: any layer's do, so one that fails is passed over. */
Step SessionMonitor::to_layer_with_mechanism(Call* call, Session* session) {
  Call::Round& round = *call->round;
  const std::optional<Making> making = read_making(call);
  if (!making) return answer(call, CKR_ARGUMENTS_BAD);
  if (!making->mechanism) return to_first(call, session);
  while (round.at < session->real.size()) {
    Layer& layer = call->token->layers[round.at];
    round.spares = true;
    if (auto step = need_mechanisms(call, &layer)) return *step;
    if (std::find(layer.mechanisms->begin(), layer.mechanisms->end(), *making->mechanism) ==
        layer.mechanisms->end()) {
      round.at++;
      continue;
    }
    if (auto step = need_layer_session(call, session, round.at)) return *step;
    return to_layer(call, session, round.at);
  }
  return to_layer(call, session, 0); /* which knows what to say */
}

/* ---- what a layer is asked before ---- */

void SessionMonitor::copy_message(const Message& from, Message* to) {
  to->clear();
  to->rec = from.rec;
  to->list = from.list;
  to->bytes.append(from.bytes.data(), from.bytes.size());
  to->lent = from.lent;
}

/* A copy of the client's call, with the handles that this layer knows. */
Step SessionMonitor::send_copy(Call* call, Layer* layer, Call::Internal what, uint64_t session) {
  if (auto step = need_lock(call, layer->backend, call->row->lock)) return *step;
  copy_message(call->request, &call->internal_message);
  if (const CK_RV rv = take_prefix_off_call(*layer, &call->internal_message); rv != CKR_OK)
    return answer(call, rv);
  call->internal_message.rec.primary = session;
  translate_handles(call, layer, &call->internal_message.rec);
  call->layer = layer;
  return in_flight(call, layer->backend, what, *call->row);
}

std::optional<Step> SessionMonitor::need_layer_session(Call* call, Session* session, size_t n) {
  if (session->real[n] != 0) return {};
  Layer* layer = &call->token->layers[n];
  if (session->opening != nullptr && session->opening != call) return wait(call, layer->backend);
  uint64_t slot = 0;
  if (auto step = need_slot(call, layer, &slot)) return step;
  session->opening = call;
  call->opening = call->session;
  arena_.clear();
  const uint64_t flags =
      layer->read_only() ? session->flags & ~uint64_t{CKF_RW_SESSION} : session->flags;
  return send_own(call, layer, Call::Internal::kLayerSession, open_session(slot, flags, &arena_));
}

std::optional<Step> SessionMonitor::need_anchor(Call* call, Layer* layer) {
  if (layer->anchor != 0) return {};
  if (layer->anchoring != nullptr && layer->anchoring != call) return wait(call, layer->backend);
  uint64_t slot = 0;
  if (auto step = need_slot(call, layer, &slot)) return step;
  layer->anchoring = call;
  arena_.clear();
  return send_own(call, layer, Call::Internal::kAnchor, open_session(slot, 0, &arena_));
}

std::optional<Step> SessionMonitor::need_mechanisms(Call* call, Layer* layer) {
  uint64_t slot = 0;
  if (layer->mechanisms) return {};
  if (auto step = need_slot(call, layer, &slot)) return step;
  call->layer = layer;
  arena_.clear();
  auto* count = arena_.make<CK_ULONG>();
  *count = kMaxMechanisms;
  Words words;
  words.w[0] = static_cast<Word>(slot);
  words.w[1] =
      reinterpret_cast<Word>(arena_.allocate_out(kMaxMechanisms * sizeof(CK_MECHANISM_TYPE)));
  words.w[2] = reinterpret_cast<Word>(count);
  return send_internal(call, layer->backend, Call::Internal::kMechanisms,
                       kFunctionTable[kC_GetMechanismList], words);
}

/* ---- operations ---- */

bool SessionMonitor::begins(const FunctionRow& row) const {
  return row.operation != Operation::kOpNone &&
         (row.route == Route::kObject || row.route == Route::kMechanismLayer);
}

/* Which layer the operations of a session run on, from what the library said to the call. */
void SessionMonitor::note_operation(Call* call) {
  const FunctionRow& row = *call->row;
  const CallRec& rec = call->reply.rec;
  Session* session = session_of(*call);
  if (session == nullptr || call->layer == nullptr) return;
  const size_t n = static_cast<size_t>(call->layer - call->token->layers.data());
  if (row.number == kC_GetOperationState && rec.rv == CKR_OK) {
    PackReader in(call->reply.bytes.span());
    if (in.flag()) (void)in.u64();
    if (!in.flag()) return;
    std::map<uint64_t, size_t>& saved = call->token->saved_states;
    if (saved.size() >= kMaxSavedStates) saved.clear();
    saved[digest_of(in.octets())] = n;
    return;
  }
  if (row.operation == Operation::kOpNone || row.operation >= Operation::kOpDual ||
      row.operation == Operation::kOpFind)
    return;
  Session::Begun& begun = session->begun[static_cast<size_t>(row.operation)];
  if (begins(row)) {
    if (rec.rv == CKR_OK) begun = {n, true, ++session->turns};
    return;
  }
  if (begun.layer != n || rec.rv == CKR_BUFFER_TOO_SMALL) return;
  if (rec.rv != CKR_OK) {
    begun.active = false;
    return;
  }
  if (!ends_operation(row)) return;
  if (row.has(ArgKind::kBytesOut)) { /* the length alone was asked for */
    PackReader in(call->reply.bytes.span());
    if (in.flag()) (void)in.u64();
    if (!in.flag()) return;
  }
  begun.active = false;
}

}  // namespace mp11
