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
 * SessionMonitor, slots: which virtual ones there are, and where a layer's token lies.
 *
 * Trust: a library says what slots it has and what their tokens are called; a virtual slot of a
 * configured token is the portfolio's alone. A library that comes up with ever new slots is not
 * followed beyond kMaxRealSlots.
 */
#include <utility>

#include "packing.h"
#include "session_monitor.h"

namespace mp11 {
namespace {

using Step = SessionMonitor::Step;

/* Virtual slots of transparent backends begin here, above every configured token. */
constexpr uint64_t kTransparentSlots = 0x80000000;
static_assert(kTransparentSlots > limits::kTokens);

}  // namespace

/* ---- where a layer's token is ---- */

/* The real slot of a layer's token; looks for it by what it says of itself when not known. */
std::optional<Step> SessionMonitor::need_slot(Call* call, Layer* layer, uint64_t* real) {
  if (layer->made != Layer::Made::kIs)
    if (auto step = need_made(call, layer)) return step;
  if (auto step = need_initialized(call, layer->backend)) return step;
  if (layer->located) {
    *real = layer->real_slot;
    return {};
  }
  if (layer->locating != nullptr && layer->locating != call) return wait(call, layer->backend);
  if (layer->locating == nullptr || call->seeking != layer) {
    /* Of another layer it was looking for, when that one's library died, the list is no use. */
    Layer* other = std::exchange(call->seeking, layer);
    if (other != nullptr && other != layer && other->locating == call) {
      other->locating = nullptr;
      host_->changed();
    }
    layer->locating = call;
    call->listed = false;
  }
  if (call->listed && call->next_index >= call->slots.size()) {
    call->layer = layer;
    return fail(call, CKR_TOKEN_NOT_PRESENT);
  }
  arena_.clear();
  if (!call->listed)
    return send_own(call, layer, Call::Internal::kListForToken, list_slots(true, &arena_));
  return send_own(call, layer, Call::Internal::kTokenInfo,
                  ask_token_info(call->slots[call->next_index], &arena_));
}

/* ---- what the client is shown ---- */

/* A portfolio that is one transparent backend passes the call on; others are gathered. */
Step SessionMonitor::next_slot_list(Call* call) {
  Backend* sole = sole_backend();
  if (passes_slots_on()) {
    if (auto step = need_initialized(call, sole)) return *step;
    call->token = &tokens_[0];
    return send(call, sole, &tokens_[0].only());
  }
  while (call->next_index < tokens_.size()) {
    Token* token = &tokens_[call->next_index];
    if (!token->transparent()) {
      if (token->plan.identity[0] == '\0') call->slots.push_back(token->plan.slot);
      call->next_index++;
      continue;
    }
    Backend* backend = token->only().backend;
    /* A backend that fails is left out and does not spoil the list. */
    if (call->lock_failed || (call->asked == backend && call->seen_failures != backend->failures)) {
      let_go(call);
      call->lock_failed = false;
      call->next_index++;
      continue;
    }
    if (auto step = need_initialized(call, backend)) return *step;
    arena_.clear();
    const OwnCall own = list_slots(call->request.rec.numbers[0] != 0, &arena_);
    return send_internal(call, backend, Call::Internal::kListForClient,
                         kFunctionTable[own.function], own.words);
  }
  PackReader in(call->request.bytes.span());
  bool has_length = in.flag(), has_buffer = in.flag();
  uint64_t room = in.u64();
  if (!in.end() || !has_length) return answer(call, CKR_ARGUMENTS_BAD);
  bool small = has_buffer && room < call->slots.size();
  Step step = answer(call, small ? CKR_BUFFER_TOO_SMALL : CKR_OK);
  PackWriter out(&call->reply.bytes);
  out.u8(1);
  out.u64(call->slots.size());
  out.u8(has_buffer && !small);
  if (has_buffer && !small) call->reply.list = call->slots;
  return step;
}

/* Blocking is not built yet; a configured token never comes or goes. */
Step SessionMonitor::next_slot_event(Call* call) {
  if ((call->request.rec.numbers[0] & CKF_DONT_BLOCK) == 0)
    return answer(call, CKR_FUNCTION_NOT_SUPPORTED);
  Backend* sole = sole_backend();
  if (sole == nullptr || tokens_.empty() || !tokens_[0].transparent())
    return answer(call, CKR_NO_EVENT);
  if (auto step = need_initialized(call, sole)) return *step;
  call->token = &tokens_[0];
  Step step = send(call, sole, &tokens_[0].only());
  step.deadline = Deadline::kShort; /* does not block, so it has one */
  return step;
}

/*
 * The virtual slot of a real one; none for a library that comes up with ever new ones. Of a sole
 * backend it is the library's own number: applications remember it, or have it in a configuration,
 * and use it without having asked for a list.
 */
std::optional<uint64_t> SessionMonitor::transparent_slot(Token* token, uint64_t real) {
  auto [place, fresh] = transparent_index_.try_emplace({token, real}, transparent_slots_.size());
  if (fresh && token->shown_slots >= kMaxRealSlots) {
    transparent_index_.erase(place);
    return {};
  }
  if (fresh) {
    token->shown_slots++;
    transparent_slots_.emplace_back(token, real);
  }
  if (passes_slots_on() && real < kTransparentSlots) return real;
  return kTransparentSlots + place->second;
}

/* A virtual slot: its token and, for transparent backends, its real slot. */
bool SessionMonitor::find_slot(uint64_t slot, Token** token, std::optional<uint64_t>* real) {
  if (slot >= kTransparentSlots && slot - kTransparentSlots < transparent_slots_.size()) {
    const auto& [owner, real_slot] =
        transparent_slots_[static_cast<size_t>(slot - kTransparentSlots)];
    *token = owner;
    *real = real_slot;
    return true;
  }
  if (passes_slots_on() && slot < kTransparentSlots) {
    *token = &tokens_[0];
    *real = slot;
    return true;
  }
  for (Token& t : tokens_) {
    if (t.transparent() || t.plan.slot != slot) continue;
    *token = t.selection != nullptr ? t.selection->current : &t;
    return true;
  }
  return false;
}

}  // namespace mp11
