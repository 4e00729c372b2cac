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
 * it is alone with the token. Then PinTurning says what is done, also for a layer that is
 * read-only, where the client has no session that may write. What has become of it the vault is
 * told, and the other layers that are the same token.
 *
 * Trust: what the vault says of a PIN counts, unless this monitor is changing it. A vault that is
 * lost had its say; the next one is told nothing of what it has not allowed.
 */
#include <cstring>
#include <utility>

#include "session_monitor.h"

namespace mp11 {
namespace {

using Step = SessionMonitor::Step;

bool same(const LayerName& a, const LayerName& b) { return std::memcmp(&a, &b, sizeof a) == 0; }

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
    layer->turning =
        std::make_unique<PinTurning>(layer->pin, layer->next, news->verdict == kTurnItAgain);
    if (layer->turner == nullptr) abandon_turning(layer); /* who asked has gone */
  }
  host_->changed();
}

/* What is known now: the vault hears of it, and the layer has that PIN. */
void SessionMonitor::turned(Layer* layer, const PinTurning::Known& known) {
  uint32_t size = 0;
  if (known.outcome == kTurnDone) {
    const SecureBuffer& fresh = layer->turning->fresh();
    size = static_cast<uint32_t>(fresh.size());
    auto pin = std::make_shared<SecureBuffer>();
    pin->append(fresh.data(), size);
    layer->pin = std::move(pin);
  }
  if (known.outcome == kTurnDone || known.outcome == kTurnRefused) layer->next = nullptr;
  /* Other layers that are the same token: this library knows of the change. */
  const LayerName name = name_of(*layer);
  for (Layer* other : layers_)
    if (other != layer && !other->turning && other->plan.pin == kPinStored &&
        same(name_of(*other), name)) {
      other->pin = layer->pin;
      other->next = layer->next;
    }
  if (layer->turn == Layer::Turn::kGranted)
    host_->tell_turned(name_of(*layer), known.outcome, size, wide(known.rv));
}

/* It is over, or who did it has gone. One that still waits for the vault hears of it later. */
void SessionMonitor::abandon_turning(Layer* layer) {
  layer->turner = nullptr;
  if (layer->turning) {
    if (const auto known = layer->turning->give_up()) turned(layer, *known);
    Token* token = token_of(*layer);
    orphan(token, static_cast<size_t>(layer - token->layers.data()),
           layer->turning->take_session());
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
  uint64_t slot = 0;
  if (auto step = need_slot(call, layer, &slot)) return *step;
  arena_.clear();
  return send_own(call, layer, Call::Internal::kTurn,
                  layer->turning->next(slot, layer->anchor, &arena_));
}

void SessionMonitor::replied_turning(Call* call) {
  Layer* layer = call->layer;
  if (!layer->turning || layer->turner != call) return;
  const PinTurning::Said said = layer->turning->replied(call->reply);
  layer->logged_in |= layer->turning->is_logged_in();
  if (said.known) turned(layer, *said.known);
  if (!said.login) return;
  abandon_turning(layer); /* C_Login goes on with what it has come to */
  replied_stored_login(call, *said.login);
}

}  // namespace mp11
