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
 * SessionMonitor, C_Login and C_Logout of a token of several layers: whose PIN goes where.
 *
 * Trust: a PIN that is stored goes to its own layer and nowhere else. The client never sees it, nor
 * what the layer says of it: only whether it is open.
 */
#include <utility>

#include "session_monitor.h"

namespace mp11 {

using Step = SessionMonitor::Step;

/* One at a time, until it is answered: a half of each would leave a layer logged in. */
std::optional<Step> SessionMonitor::need_login_turn(Call* call) {
  Token* token = call->token;
  if (token->logging != nullptr && token->logging != call) return wait(call, token->only().backend);
  token->logging = call;
  return {};
}

/*
 * The first layer that has a PIN is given the client's call as it is, and what it says is the
 * answer. Only after its yes do the others hear of the PIN: a wrong one is counted once, and not by
 * each. One that counts wrong PINs already is left alone, so that it is never locked by a client
 * who only ever typed another layer's.
 */
Step SessionMonitor::next_login(Call* call, Session* session) {
  Call::Round& round = *call->round;
  if (auto step = need_login_turn(call)) return *step;
  if (round.undoing) return next_logout(call, session);
  if (call->request.rec.numbers[0] == CKU_CONTEXT_SPECIFIC)
    return next_context_login(call, session);
  for (; !round.stored && round.at < session->real.size(); round.at++) {
    Layer* layer = &call->token->layers[round.at];
    if (layer->plan.pin != kPinClient) continue;
    round.spares = !layer->required();
    if (!round.led) {
      if (auto step = need_layer_session(call, session, round.at)) return *step;
      return send_copy(call, layer, Call::Internal::kLogin, session->real[round.at]);
    }
    if (layer->logged_in || layer->pin_refused) continue;
    if (auto step = need_anchor(call, layer)) return *step;
    if (auto step = need_safe_pin(call, layer)) return *step;
    return send_copy(call, layer, Call::Internal::kLogin, layer->anchor);
  }
  if (round.led && round.said != CKR_OK) return answer(call, round.said);
  bool asks = false; /* some layer asks for the client's PIN */
  for (const Layer& layer : call->token->layers) asks |= layer.plan.pin == kPinClient;
  if (!round.led && asks) return answer(call, round.failure); /* and none could be asked */
  if (!std::exchange(round.stored, true)) round.at = 0;
  return next_stored_login(call, session);
}

/*
 * Layers whose PIN is the configuration's, once the client is who he should be: by the PIN of the
 * layer that decides, or where no layer asks for one, by having come here.
 */
Step SessionMonitor::next_stored_login(Call* call, Session* session) {
  Call::Round& round = *call->round;
  bool stored = false, open = false;
  if (!round.led && call->request.rec.numbers[0] != CKU_USER)
    return answer(call, CKR_USER_TYPE_INVALID);
  for (; round.at < session->real.size(); round.at++) {
    Layer* layer = &call->token->layers[round.at];
    const bool turns = layer->turning && layer->turner == call;
    if (layer->plan.pin != kPinStored || layer->pin_refused) continue;
    if (layer->logged_in && !turns) continue;
    round.spares = !layer->required();
    if (layer->pin->empty()) { /* the daemon has none yet */
      call->layer = layer;
      replied_stored_login(call, CKR_USER_PIN_NOT_INITIALIZED);
      return next_login(call, session);
    }
    if (knows_old_pin(*layer)) return start_anew(call, layer);
    if (auto step = need_anchor(call, layer)) return *step;
    if (auto step = need_turn(call, layer)) return *step;
    if (knows_old_pin(*layer)) return start_anew(call, layer);
    if (layer->turning && layer->turner == call) return next_turning(call, layer);
    if (auto step = need_safe_pin(call, layer)) return *step;
    return send_stored_pin(call, layer, Call::Internal::kStoredLogin, layer->anchor, CKU_USER);
  }
  if (round.led) return answer(call, round.said);
  for (const Layer& layer : call->token->layers) {
    stored |= layer.plan.pin == kPinStored;
    open |= layer.plan.pin == kPinStored && layer.logged_in;
  }
  if (!stored || round.opened) return answer(call, CKR_OK);
  return answer(call, open ? CK_RV{CKR_USER_ALREADY_LOGGED_IN} : round.failure);
}

const SessionMonitor::Session::Begun* SessionMonitor::latest(const Session& session) {
  const Session::Begun* latest = nullptr;
  for (const Session::Begun& begun : session.begun)
    if (begun.active && session.real[begun.layer] != 0 &&
        (latest == nullptr || begun.turn > latest->turn))
      latest = &begun;
  return latest;
}

/*
 * For one use of a key that asks each time: the layer that uses it, with the PIN of its mode. The
 * client's goes to no layer that is not to hear it, whatever has been begun there.
 */
Step SessionMonitor::next_context_login(Call* call, Session* session) {
  if (const Session::Begun* begun = latest(*session)) {
    Layer* layer = &call->token->layers[begun->layer];
    if (layer->plan.pin == kPinClient) return to_layer(call, session, begun->layer);
    const bool none = layer->plan.pin == kPinNone || layer->pin->empty();
    if (none) return answer(call, CKR_USER_PIN_NOT_INITIALIZED);
    /* One that was wrong is not tried with each operation. */
    if (layer->pin_refused || knows_old_pin(*layer)) return answer(call, CKR_DEVICE_ERROR);
    call->round->spares = false;
    return send_stored_pin(call, layer, Call::Internal::kContextLogin, session->real[begun->layer],
                           CKU_CONTEXT_SPECIFIC);
  }
  for (size_t n = 0; n < session->real.size(); n++)
    if (call->token->layers[n].plan.pin == kPinClient) return to_layer(call, session, n);
  return answer(call, CKR_OPERATION_NOT_INITIALIZED);
}

/* Whether the layer has not begun to count wrong PINs; one that has is left alone. */
std::optional<Step> SessionMonitor::need_safe_pin(Call* call, Layer* layer) {
  uint64_t slot = 0;
  if (call->round->pin_is_safe) return {};
  if (auto step = need_slot(call, layer, &slot)) return step;
  arena_.clear();
  return send_own(call, layer, Call::Internal::kPinState, ask_token_info(slot, &arena_));
}

Step SessionMonitor::send_stored_pin(Call* call, Layer* layer, Call::Internal what,
                                     uint64_t session, CK_USER_TYPE user) {
  return send_own(call, layer, what, log_in(session, user, *layer->pin));
}

/* Also of a login that was refused half-way; then its answer stands already. */
Step SessionMonitor::next_logout(Call* call, Session* session) {
  Call::Round& round = *call->round;
  if (auto step = need_login_turn(call)) return *step;
  for (; round.at < session->real.size(); round.at++) {
    Layer* layer = &call->token->layers[round.at];
    round.spares = true;
    if (layer->plan.pin == kPinNone) continue;
    if (!layer->logged_in && round.led) continue;
    if (layer->anchor == 0)
      if (auto step = need_layer_session(call, session, round.at)) return *step;
    const uint64_t real = layer->anchor != 0 ? layer->anchor : session->real[round.at];
    arena_.clear();
    Words words;
    words.w[0] = static_cast<Word>(real);
    call->layer = layer;
    return send_internal(call, layer->backend, Call::Internal::kLogout, kFunctionTable[kC_Logout],
                         words);
  }
  const CK_RV rv = round.led ? round.said : CK_RV{CKR_USER_NOT_LOGGED_IN};
  end_logins(call->token);
  if (call->within != nullptr && !round.undoing) return_to_own(call->within);
  if (rv == CKR_OK || round.undoing)
    objects_.remove_if(
        [call](const HandleMap::Entry& e) { return e.private_object && e.slot == call->slot; });
  return drain(call, rv);
}

/* ---- replies ---- */

void SessionMonitor::replied_login(Call* call, CK_RV rv) {
  Call::Round& round = *call->round;
  Layer* layer = call->layer;
  const bool leads = !round.led;
  const bool in = rv == CKR_OK || (!leads && rv == CKR_USER_ALREADY_LOGGED_IN);
  if (in) layer->logged_in = leads || layer->anchor != 0;
  if (leads) {
    round.led = true;
    round.said = rv;
    round.proved = in;
  }
  round.pin_is_safe = false;
  round.at++;
  if (in) return;
  if (leads) {
    round.at = call->token->layers.size();
  } else if (layer->required()) {
    round.said = rv;
    round.undoing = true;
    round.at = 0;
  } else if (rv == CKR_PIN_INCORRECT || rv == CKR_PIN_LEN_RANGE || rv == CKR_PIN_INVALID) {
    layer->pin_refused = true;
  }
}

void SessionMonitor::replied_stored_login(Call* call, CK_RV rv) {
  Call::Round& round = *call->round;
  Layer* layer = call->layer;
  const bool in = rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN;
  round.pin_is_safe = false;
  round.at++;
  layer->logged_in = in && layer->anchor != 0;
  round.opened |= in;
  if (in) return;
  tell_layer(*call->token, layer, false, rv);
  layer->pin_refused = rv == CKR_PIN_INCORRECT || rv == CKR_PIN_LEN_RANGE || rv == CKR_PIN_INVALID;
  round.failure = CKR_DEVICE_ERROR; /* it is not the client's PIN that is wrong */
  if (!layer->required()) return;
  round.led = true;
  round.said = round.failure;
  round.undoing = true;
  round.at = 0;
}

}  // namespace mp11
