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
 * SessionMonitor, a PIN that the vault wants changed: with the next login.
 *
 * While there are two PINs, the old and the new one, a login asks the vault first and waits until
 * it is alone with the token. Then it tries the old one and changes it, in a session of the
 * monitor's own that may write, which is closed before anything else is done: so also for a layer
 * that is read-only, where the client has no such session. If the old one is wrong, somebody came
 * as far as the change and did not say so; then the new one is tried, once.
 *
 * A token that counts a wrong PIN already is left alone, as ever, but for one case: somebody was
 * told to change it before, and it has more than one attempt left. Then it was the old PIN that was
 * wrong, and the new one is tried, once. If that is wrong as well nobody tries any more: it is
 * never locked.
 *
 * Trust: the library is hostile, and has the PINs by the nature of things. It can spoil its own
 * token, and nothing else.
 */
#include <algorithm>
#include <cstring>
#include <utility>

#include "infos.h"
#include "session_monitor.h"

namespace mp11 {
namespace {

using Step = SessionMonitor::Step;

constexpr CK_FLAGS kPinNearlyLost = CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_LOCKED;

bool same(const LayerName& a, const LayerName& b) { return std::memcmp(&a, &b, sizeof a) == 0; }

bool wrong_pin(CK_RV rv) {
  return rv == CKR_PIN_INCORRECT || rv == CKR_PIN_LEN_RANGE || rv == CKR_PIN_INVALID;
}

/* The library did not look at the PINs, or does not like the new one: it has the old one still. */
bool not_done_at_all(CK_RV rv) {
  switch (rv) {
    case CKR_PIN_LEN_RANGE:
    case CKR_PIN_INVALID:
    case CKR_FUNCTION_NOT_SUPPORTED:
    case CKR_SESSION_READ_ONLY:
    case CKR_TOKEN_WRITE_PROTECTED:
    case CKR_ACTION_PROHIBITED:
      return true;
    default:
      return false;
  }
}

bool equal(const SecureBuffer& a, const SecureBuffer& b) {
  return a.size() == b.size() && equal_constant_time(a.data(), b.data(), a.size());
}

std::shared_ptr<const SecureBuffer> copy_of(const StoredPin& pin) {
  auto copy = std::make_shared<SecureBuffer>();
  copy->append(pin.pin, pin.size);
  return copy;
}

}  // namespace

LayerName SessionMonitor::name_of(const Layer& layer) const {
  LayerName name{};
  std::memcpy(name.backend, layer.backend->plan.name, sizeof name.backend);
  name.at_backend = layer.plan.at_backend;
  return name;
}

SessionMonitor::Token* SessionMonitor::token_of(const Layer& layer) {
  for (Token& token : tokens_)
    for (const Layer& its : token.layers)
      if (&its == &layer) return &token;
  return nullptr;
}

/* ---- the vault */

std::optional<Step> SessionMonitor::need_turn(Call* call, Layer* layer) {
  if (!layer->next || (layer->turning && layer->turner == call)) return {};
  const LayerName name = name_of(*layer);
  for (const Layer* other : layers_)
    if (other->turn != Layer::Turn::kNone && same(name_of(*other), name))
      return wait(call, layer->backend);
  /* It has been asked: the vault is gone, or cannot say. */
  if (std::exchange(call->round->turned, layer) == layer) return fail(call, CKR_DEVICE_ERROR);
  layer->turn = Layer::Turn::kAsked;
  layer->turner = call;
  host_->ask_to_turn(name);
  return wait(call, layer->backend);
}

void SessionMonitor::pin_changed(const LayerPin* news) {
  for (Layer* layer : layers_) {
    if (news == nullptr) {
      if (layer->turn == Layer::Turn::kGranted) layer->turn = Layer::Turn::kLost;
      if (layer->turn != Layer::Turn::kAsked) continue;
      layer->turn = Layer::Turn::kNone;
      layer->turner = nullptr;
      continue;
    }
    if (layer->plan.pin != kPinStored || !same(name_of(*layer), news->layer)) continue;
    if (layer->turning) continue; /* who changes it knows better */
    const bool granted = news->verdict == kTurnIt || news->verdict == kTurnItAgain;
    if (news->verdict != kTurnNot) {
      auto pin = copy_of(news->pin);
      if (!layer->pin->empty() && !equal(*layer->pin, *pin))
        layer->outdated = layer->backend->epoch;
      if (!equal(*layer->pin, *pin) || (layer->next != nullptr) != (news->next.size != 0))
        layer->pin_refused = false;
      layer->pin = std::move(pin);
      layer->next = news->next.size != 0 ? copy_of(news->next) : nullptr;
    }
    if (layer->turn != Layer::Turn::kAsked) continue;
    if (!granted || !layer->next) {
      layer->turn = Layer::Turn::kNone;
      layer->turner = nullptr;
      continue;
    }
    layer->turn = Layer::Turn::kGranted;
    layer->turning = std::make_unique<Turning>();
    layer->turning->again = news->verdict == kTurnItAgain;
    if (layer->turner == nullptr) abandon_turning(layer); /* who asked has gone */
  }
  host_->changed();
}

/* What is known now: the vault hears of it, once, and the layer has that PIN. */
void SessionMonitor::turned(Layer* layer, TurnOutcome outcome, CK_RV rv) {
  Turning& turning = *layer->turning;
  if (std::exchange(turning.reported, true)) return;
  const bool tried = turning.step == Turning::Step::kChange;
  if (outcome == kTurnUnknown && !tried) outcome = kTurnUntried;
  uint32_t size = 0;
  if (outcome == kTurnDone) {
    size = static_cast<uint32_t>(turning.next.size());
    auto pin = std::make_shared<SecureBuffer>();
    pin->append(turning.next.data(), size);
    layer->pin = std::move(pin);
  }
  if (outcome == kTurnDone || outcome == kTurnRefused) layer->next = nullptr;
  /* Other layers that are the same token: this library knows of the change. */
  const LayerName name = name_of(*layer);
  for (Layer* other : layers_)
    if (other != layer && !other->turning && other->plan.pin == kPinStored &&
        same(name_of(*other), name)) {
      other->pin = layer->pin;
      other->next = layer->next;
    }
  if (layer->turn == Layer::Turn::kGranted)
    host_->tell_turned(name_of(*layer), outcome, size, wide(rv));
}

/* It is over, or who did it has gone. One that still waits for the vault hears of it later. */
void SessionMonitor::abandon_turning(Layer* layer) {
  layer->turner = nullptr;
  if (layer->turning) {
    turned(layer, kTurnUnknown, CKR_FUNCTION_CANCELED);
    Token* token = token_of(*layer);
    orphan(token, static_cast<size_t>(layer - token->layers.data()), layer->turning->session);
    layer->turning.reset();
    layer->turn = Layer::Turn::kNone;
  }
  host_->changed();
}

/*
 * Libraries have been seen (SoftHSM 2.6) to look at a token's PIN when they are initialised and
 * never again: with the new one a C_Login would be wrong there, and counted.
 */
bool SessionMonitor::knows_old_pin(const Layer& layer) const {
  return layer.outdated == layer.backend->epoch && layer.backend->state == Backend::State::kRunning;
}

/* Another token is in use there, or is logged in. */
bool SessionMonitor::others_need(const Backend* backend) {
  for (const Layer* other : layers_)
    if (other->backend == backend && other->logged_in) return true;
  for (const auto& [handle, session] : sessions_)
    if (!session.token->layered() && session.token->only().backend == backend) return true;
  return false;
}

/*
 * The library begins anew, unless somebody needs it as it is: then this layer is left out. It is
 * not ended in the middle of a call, which may be one that writes.
 */
Step SessionMonitor::start_anew(Call* call, Layer* layer) {
  call->layer = layer;
  if (others_need(layer->backend)) {
    replied_stored_login(call, CKR_DEVICE_ERROR);
    return next(call);
  }
  if (layer->backend->flying != 0) {
    layer->backend->quiet_awaited = true;
    return wait(call, layer->backend);
  }
  host_->end_backend(layer->backend->plan.backend);
  drop_backend(layer->backend);
  host_->changed();
  return next(call);
}

/* ---- the change */

Step SessionMonitor::next_turning(Call* call, Layer* layer) {
  Turning& turning = *layer->turning;
  uint64_t slot = 0;
  if (auto step = need_slot(call, layer, &slot)) return *step;
  call->layer = layer;
  arena_.clear();
  Words words;
  auto put = [&](size_t at, const SecureBuffer& pin) {
    words.w[at] = reinterpret_cast<Word>(pin.data());
    words.w[at + 1] = pin.size();
  };
  auto make = [&](uint32_t function) {
    return send_internal(call, layer->backend, Call::Internal::kTurn, kFunctionTable[function],
                         words);
  };
  switch (turning.step) {
    case Turning::Step::kLook:
      words.w[0] = static_cast<Word>(slot);
      words.w[1] = reinterpret_cast<Word>(arena_.make<CK_TOKEN_INFO>());
      return make(kC_GetTokenInfo);
    case Turning::Step::kOld:
    case Turning::Step::kNew:
      words.w[0] = static_cast<Word>(layer->anchor);
      words.w[1] = CKU_USER;
      put(2, turning.step == Turning::Step::kOld ? *layer->pin : turning.next);
      return make(kC_Login);
    case Turning::Step::kOpen:
      words.w[0] = static_cast<Word>(slot);
      words.w[1] = CKF_SERIAL_SESSION | CKF_RW_SESSION;
      words.w[4] = reinterpret_cast<Word>(arena_.make<CK_SESSION_HANDLE>());
      return make(kC_OpenSession);
    case Turning::Step::kChange:
      words.w[0] = static_cast<Word>(turning.session);
      put(1, *layer->pin);
      put(3, turning.next);
      return make(kC_SetPIN);
    case Turning::Step::kClose:
      words.w[0] = static_cast<Word>(turning.session);
      return make(kC_CloseSession);
  }
  return answer(call, CKR_GENERAL_ERROR);
}

/* C_Login goes on with what it has come to. */
void SessionMonitor::end_turning(Call* call, CK_RV login) {
  abandon_turning(call->layer);
  replied_stored_login(call, login);
}

void SessionMonitor::look_before_turning(Call* call, CK_RV rv) {
  Layer* layer = call->layer;
  Turning& turning = *layer->turning;
  CK_TOKEN_INFO info;
  const bool known = rv == CKR_OK && read_token_info(call->reply, &info);
  const bool counts = known && (info.flags & CKF_USER_PIN_COUNT_LOW) != 0;
  if (!known || (info.flags & kPinNearlyLost) != 0 || (counts && !turning.again)) {
    turned(layer, kTurnUnknown, known ? CKR_PIN_LOCKED : rv);
    return end_turning(call, CKR_PIN_LOCKED);
  }
  const size_t most = std::min<size_t>({kDerivedPin, layer->next->size(), info.ulMaxPinLen});
  turning.next.clear();
  turning.next.append(layer->next->data(), most);
  const bool fits = most >= std::max<size_t>(kLeastDerivedPin, info.ulMinPinLen);
  if (!fits) turned(layer, counts ? kTurnUnknown : kTurnRefused, CKR_PIN_LEN_RANGE);
  if (!fits && counts) return end_turning(call, CKR_PIN_LOCKED);
  turning.step = counts || layer->pin->size() == 0 ? Turning::Step::kNew : Turning::Step::kOld;
}

void SessionMonitor::replied_turning(Call* call, CK_RV rv) {
  Layer* layer = call->layer;
  if (!layer->turning || layer->turner != call) return;
  Turning& turning = *layer->turning;
  using At = Turning::Step;
  switch (turning.step) {
    case At::kLook:
      return look_before_turning(call, rv);
    case At::kOld:
      if (wrong_pin(rv) && !turning.reported) {
        turning.step = At::kNew;
        return;
      }
      if (rv != CKR_OK || turning.reported) {
        turned(layer, kTurnUnknown, rv); /* also when another token's login is there already */
        return end_turning(call, rv);
      }
      layer->logged_in = true; /* whatever comes now */
      turning.step = At::kOpen;
      return;
    case At::kNew:
      turned(layer, rv == CKR_OK ? kTurnDone : wrong_pin(rv) ? kTurnNeither : kTurnUnknown, rv);
      return end_turning(call, rv);
    case At::kOpen:
      turning.session = rv == CKR_OK ? call->reply.rec.handles[0] : 0;
      if (turning.session != 0) {
        turning.step = At::kChange;
        return;
      }
      turned(layer, not_done_at_all(rv) ? kTurnRefused : kTurnUnknown, rv);
      return end_turning(call, CKR_OK);
    case At::kChange:
      turned(layer,
             rv == CKR_OK          ? kTurnDone
             : not_done_at_all(rv) ? kTurnRefused
                                   : kTurnUnknown,
             rv);
      turning.step = At::kClose;
      return;
    case At::kClose:
      turning.session = 0;
      return end_turning(call, CKR_OK);
  }
}

}  // namespace mp11
