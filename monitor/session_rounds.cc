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
 * SessionMonitor, rounds over the layers of a token: what layers say of themselves, merged, and the
 * replies to the monitor's own calls.
 *
 * Trust: a reply that has not the form of its function's is a layer's failure.
 */
#include <algorithm>
#include <utility>

#include "infos.h"
#include "packing.h"
#include "session_monitor.h"

namespace mp11 {
namespace {

using Step = SessionMonitor::Step;

/* Flags of a token that speak of the user's PIN. */
constexpr CK_FLAGS kPinFlags = CKF_LOGIN_REQUIRED | CKF_USER_PIN_INITIALIZED |
                               CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY |
                               CKF_USER_PIN_LOCKED | CKF_USER_PIN_TO_BE_CHANGED;
constexpr CK_FLAGS kPinInDanger =
    CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_LOCKED;

/* Numbers of a reply to a call for a list with room for them; none when it is something else. */
std::vector<uint64_t> read_numbers(const Message& reply) {
  PackReader in(reply.bytes.span());
  const bool has_length = in.flag();
  const uint64_t count = in.u64();
  if (!in.flag() || !has_length || count > reply.bytes.size() / sizeof(uint64_t)) return {};
  std::vector<uint64_t> numbers;
  for (uint64_t i = 0; i < count; i++) numbers.push_back(in.u64());
  return in.end() ? numbers : std::vector<uint64_t>();
}

bool has(const std::vector<uint64_t>& all, uint64_t one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

CK_ULONG sum(CK_ULONG a, CK_ULONG b) {
  if (a == CK_UNAVAILABLE_INFORMATION || b == CK_UNAVAILABLE_INFORMATION || a + b < a)
    return CK_UNAVAILABLE_INFORMATION;
  return a + b;
}

}  // namespace

/* ---- infos ---- */

/* The first layer's words, as far as the others have nothing to add. */
void SessionMonitor::merge_token_info(Call::Round* round, const Layer& layer,
                                      const CK_TOKEN_INFO& info) {
  const bool asks = layer.plan.pin == kPinClient, stored = layer.plan.pin == kPinStored;
  const bool decides = asks && !round->led;
  if (!round->token_info) {
    round->token_info = info;
    round->token_info->flags &= ~(kPinFlags | CKF_WRITE_PROTECTED);
  } else {
    CK_TOKEN_INFO& all = *round->token_info;
    all.flags |= info.flags & (CKF_RNG | CKF_CLOCK_ON_TOKEN);
    all.ulTotalPublicMemory = sum(all.ulTotalPublicMemory, info.ulTotalPublicMemory);
    all.ulFreePublicMemory = sum(all.ulFreePublicMemory, info.ulFreePublicMemory);
    all.ulTotalPrivateMemory = sum(all.ulTotalPrivateMemory, info.ulTotalPrivateMemory);
    all.ulFreePrivateMemory = sum(all.ulFreePrivateMemory, info.ulFreePrivateMemory);
  }
  CK_TOKEN_INFO& all = *round->token_info;
  if (decides || (asks && layer.required())) all.flags |= info.flags & kPinFlags;
  /* There is something that C_Login opens, with whatever PIN. */
  if (stored) all.flags |= CKF_LOGIN_REQUIRED | CKF_USER_PIN_INITIALIZED;
  if (decides) {
    all.ulMinPinLen = info.ulMinPinLen;
    all.ulMaxPinLen = info.ulMaxPinLen;
    round->led = true;
  }
}

Step SessionMonitor::next_merged_info(Call* call) {
  Call::Round& round = *call->round;
  PackReader in(call->request.bytes.span());
  if (!in.flag()) return to_first_slot(call);
  for (; round.at < call->token->layers.size(); round.at++) {
    Layer* layer = &call->token->layers[round.at];
    uint64_t slot = 0;
    round.spares = !layer->required();
    if (layer->made != Layer::Made::kIs) {
      merge_token_info(&round, *layer, info_of_unmade());
      continue;
    }
    if (auto step = need_slot(call, layer, &slot)) return *step;
    arena_.clear();
    return send_own(call, layer, Call::Internal::kLayerInfo, ask_token_info(slot, &arena_));
  }
  if (!round.token_info) return answer(call, round.failure);
  CK_TOKEN_INFO info = *round.token_info;
  const PortfolioToken& plan = call->token->plan;
  pad_text(info.label, sizeof info.label, plan.label);
  if (plan.serial[0] != '\0') pad_text(info.serialNumber, sizeof info.serialNumber, plan.serial);
  bool writable = false;
  for (const Layer& layer : call->token->layers) writable |= !layer.read_only();
  if (!writable) info.flags |= CKF_WRITE_PROTECTED;
  if (call->token->selection != nullptr) /* there is always something to type, or may be */
    info.ulMaxPinLen = sum(info.ulMaxPinLen, limits::kPrincipal);
  else if (!round.led)
    info.flags |= CKF_PROTECTED_AUTHENTICATION_PATH;
  Step step = answer(call, CKR_OK);
  write_token_info(info, &call->reply);
  return step;
}

/* The mechanisms of all layers, each once, in the order of the layers. */
Step SessionMonitor::next_mechanism_list(Call* call) {
  Call::Round& round = *call->round;
  PackReader in(call->request.bytes.span());
  const bool has_length = in.flag(), has_buffer = in.flag();
  const uint64_t room = in.u64();
  if (!in.end() || !has_length) return to_first_slot(call);
  for (; round.at < call->token->layers.size(); round.at++) {
    Layer* layer = &call->token->layers[round.at];
    round.spares = !layer->required();
    if (auto step = need_mechanisms(call, layer)) return *step;
    round.led = true;
    for (uint64_t mechanism : *layer->mechanisms)
      if (!has(round.found, mechanism)) round.found.push_back(mechanism);
  }
  if (!round.led) return answer(call, round.failure);
  const bool small = has_buffer && room < round.found.size();
  Step step = answer(call, small ? CKR_BUFFER_TOO_SMALL : CKR_OK);
  PackWriter out(&call->reply.bytes);
  out.u8(1);
  out.u64(round.found.size());
  out.u8(has_buffer && !small);
  for (uint64_t mechanism : round.found)
    if (has_buffer && !small) out.u64(mechanism);
  return step;
}

Step SessionMonitor::next_mechanism_info(Call* call) {
  Call::Round& round = *call->round;
  PackReader in(call->request.bytes.span());
  const uint64_t type = call->request.rec.numbers[0];
  CK_ULONG narrow = 0;
  if (!in.flag() || !narrow_ulong(type, &narrow)) return to_first_slot(call);
  for (; round.at < call->token->layers.size(); round.at++) {
    Layer* layer = &call->token->layers[round.at];
    uint64_t slot = 0;
    round.spares = !layer->required();
    if (auto step = need_mechanisms(call, layer)) return *step;
    if (!has(*layer->mechanisms, type)) continue;
    if (auto step = need_slot(call, layer, &slot)) return *step;
    call->layer = layer;
    arena_.clear();
    Words words;
    words.w[0] = static_cast<Word>(slot);
    words.w[1] = narrow;
    words.w[2] = reinterpret_cast<Word>(arena_.make<CK_MECHANISM_INFO>());
    return send_internal(call, layer->backend, Call::Internal::kMechanismInfo,
                         kFunctionTable[kC_GetMechanismInfo], words);
  }
  if (!round.mechanism_info) {
    for (const Layer& layer : call->token->layers)
      if (layer.filter && !layer.filter->audits() && !layer.filter->takes_mechanism(type))
        return answer(call, CKR_MECHANISM_INVALID);
    if (std::exchange(round.led, true)) return answer(call, round.failure);
    round.at = 0;
    return to_first_slot(call); /* which knows what to say */
  }
  Step step = answer(call, CKR_OK);
  write_mechanism_info(*round.mechanism_info, &call->reply);
  return step;
}

/* A session that may write shows so, whichever layer tells of it. */
void SessionMonitor::rewrite_session_info(const Call& call, CK_SESSION_INFO* info) {
  const Session* session = session_of(call);
  if (session == nullptr || (session->flags & CKF_RW_SESSION) == 0) return;
  info->flags |= CKF_RW_SESSION;
  if (info->state == CKS_RO_PUBLIC_SESSION) info->state = CKS_RW_PUBLIC_SESSION;
  if (info->state == CKS_RO_USER_FUNCTIONS) info->state = CKS_RW_USER_FUNCTIONS;
}

/* ---- replies ---- */

/* Once for each change: who looks at the log wants to know since when. */
void SessionMonitor::tell_layer(const Token& token, Layer* layer, bool there, CK_RV rv) {
  if (layer->left_out == !there || token.layers.size() == 1) return;
  layer->left_out = !there;
  const size_t n = static_cast<size_t>(layer - token.layers.data()) + 1;
  const PortfolioBackend& backend = layer->backend->plan;
  host_->layer_changed(
      {token.plan.label, n, backend.name, there, wide(rv), token.plan.slot, backend.backend});
}

/* The layer whose turn it is has no part in this round. */
void SessionMonitor::skip_layer(Call* call, CK_RV rv) {
  let_go(call);
  Layer* layer = call->layer;
  if (layer == nullptr && call->round->at < call->token->layers.size())
    layer = &call->token->layers[call->round->at];
  if (layer != nullptr) tell_layer(*call->token, layer, false, rv);
  call->lock_failed = false;
  call->round->failure = rv;
  call->round->at++;
  call->round->pin_is_safe = false;
  if (layer == call->round->unseen_in) call->round->unseen.clear();
  Session* session = session_of(*call);
  if (call->row->number == kC_FindObjects && session != nullptr) pass_on(session, *call);
}

void SessionMonitor::replied_round(Call* call, Call::Internal what, CK_RV rv) {
  Call::Round& round = *call->round;
  auto failed = [&](CK_RV value) {
    if (round.spares)
      skip_layer(call, value);
    else
      answer(call, value);
  };
  Session* session = session_of(*call);
  switch (what) {
    case Call::Internal::kLayerSession:
    case Call::Internal::kAnchor:
      replied_session(call, what, rv);
      return;
    case Call::Internal::kOrphan:
      call->token->closing--;
      host_->changed();
      return;
    case Call::Internal::kMechanisms:
      if (rv != CKR_OK) return failed(rv);
      call->layer->mechanisms = read_numbers(call->reply);
      filter_mechanisms(call->layer);
      return;
    case Call::Internal::kLayerInfo: {
      CK_TOKEN_INFO info;
      if (rv != CKR_OK || !read_token_info(call->reply, &info))
        return failed(rv != CKR_OK ? rv : CK_RV{CKR_DEVICE_ERROR});
      merge_token_info(&round, *call->layer, info);
      tell_layer(*call->token, call->layer, true, CKR_OK);
      round.at++;
      return;
    }
    case Call::Internal::kMechanismInfo: {
      CK_MECHANISM_INFO info;
      if (rv != CKR_OK || !read_mechanism_info(call->reply, &info))
        return failed(rv != CKR_OK ? rv : CK_RV{CKR_DEVICE_ERROR});
      if (round.mechanism_info) {
        info.ulMinKeySize = std::min(info.ulMinKeySize, round.mechanism_info->ulMinKeySize);
        info.ulMaxKeySize = std::max(info.ulMaxKeySize, round.mechanism_info->ulMaxKeySize);
        info.flags |= round.mechanism_info->flags;
      }
      round.mechanism_info = info;
      round.at++;
      return;
    }
    case Call::Internal::kPinState: {
      CK_TOKEN_INFO info;
      const bool known = rv == CKR_OK && read_token_info(call->reply, &info);
      const bool must = !round.spares && call->layer->plan.pin == kPinClient;
      if (must || (known && (info.flags & kPinInDanger) == 0))
        round.pin_is_safe = true;
      else
        skip_layer(call, CKR_PIN_LOCKED);
      return;
    }
    case Call::Internal::kLogin:
      replied_login(call, rv);
      return;
    case Call::Internal::kStoredLogin:
      replied_stored_login(call, rv);
      return;
    case Call::Internal::kContextLogin:
      call->layer->pin_refused |= rv == CKR_PIN_INCORRECT;
      answer(call, rv == CKR_PIN_INCORRECT ? CK_RV{CKR_DEVICE_ERROR} : rv);
      return;
    case Call::Internal::kLogout:
      call->layer->logged_in = false;
      if (!round.undoing && (!round.led || rv == CKR_OK)) round.said = rv;
      round.led = true;
      round.at++;
      return;
    case Call::Internal::kFindInit:
      /* One that says CKR_OPERATION_ACTIVE has the old search still. */
      if (session != nullptr && rv == CKR_OK) {
        session->searches[round.at] = Session::Search::kActive;
        if (!round.led) session->search_lead = session->search_at = round.at;
      }
      if (!round.led) round.said = rv;
      if (!round.led && rv != CKR_OK) round.at = call->token->layers.size();
      round.led = true;
      round.at++;
      return;
    case Call::Internal::kFind:
      if (rv == CKR_OK && take_found(call)) return;
      if (round.judged || session == nullptr)
        return failed(rv != CKR_OK ? rv : CK_RV{CKR_DEVICE_ERROR});
      session->end_search();
      answer(call, rv != CKR_OK ? rv : CK_RV{CKR_DEVICE_ERROR});
      return;
    case Call::Internal::kFindFinal:
      if (session != nullptr) session->searches[round.at] = Session::Search::kNone;
      if (call->row->number == kC_FindObjectsInit) return; /* now the new one */
      if (!round.led) round.said = rv;
      round.led = true;
      round.at++;
      return;
    case Call::Internal::kObjectFacts:
      replied_facts(call);
      return;
    case Call::Internal::kObjectClass:
      replied_class(call);
      return;
    case Call::Internal::kBlindInit:
    case Call::Internal::kBlindList:
    case Call::Internal::kBlindFinal:
      replied_blind_list(call, what, rv);
      return;
    case Call::Internal::kBlindFacts:
      replied_blind_facts(call);
      return;
    case Call::Internal::kDualCipher:
    case Call::Internal::kDualOther:
      replied_dual(call, what, rv);
      return;
    default:
      return;
  }
}

/* A real session for a virtual one, or an anchor. Whoever wanted it may be gone by now. */
void SessionMonitor::replied_session(Call* call, Call::Internal what, CK_RV rv) {
  Layer* layer = call->layer;
  const size_t n = static_cast<size_t>(layer - call->token->layers.data());
  const uint64_t real = rv == CKR_OK ? call->reply.rec.handles[0] : 0;
  Session* session = session_of(*call);
  const bool spares = call->round->spares;
  uint64_t* place = &layer->anchor;
  if (what == Call::Internal::kLayerSession)
    place = session != nullptr ? &session->real[n] : nullptr;
  if (session == nullptr || (place != nullptr && *place != 0)) place = nullptr;
  let_go(call);
  if (real != 0) tell_layer(*call->token, layer, true, CKR_OK);
  if (real == 0) {
    if (spares)
      skip_layer(call, rv != CKR_OK ? rv : CK_RV{CKR_DEVICE_ERROR});
    else
      answer(call, rv != CKR_OK ? rv : CK_RV{CKR_DEVICE_ERROR});
  } else if (place == nullptr) {
    orphan(call->token, n, real);
  } else {
    *place = real;
  }
}

}  // namespace mp11
