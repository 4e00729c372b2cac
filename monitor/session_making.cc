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
 * SessionMonitor, tokens on demand: made when a call first needs more of one than its infos.
 *
 * The call that needs it asks the vault and waits. When it is told to make the token, TokenBirth
 * says how; then it tells the vault, and only when that has noted it is the token there. Whatever
 * ends on the way, this process, the library's or the daemon, nobody has seen the token by then:
 * the next one who asks finds it by its id, and initialises it anew.
 *
 * Trust: a token is there when the vault says so, and not when a library does.
 */
#include <cstring>
#include <utility>

#include "infos.h"
#include "packing.h"
#include "session_monitor.h"

namespace mp11 {
namespace {

using Step = SessionMonitor::Step;

SecureBuffer copy_pin(const StoredPin& pin) {
  SecureBuffer copy;
  copy.append(pin.pin, pin.size);
  return copy;
}

}  // namespace

/* ---- what is shown of it before */

CK_TOKEN_INFO SessionMonitor::info_of_unmade() {
  CK_TOKEN_INFO info{};
  pad_text(info.label, sizeof info.label, "");
  pad_text(info.manufacturerID, sizeof info.manufacturerID, "multip11");
  pad_text(info.model, sizeof info.model, "on demand");
  pad_text(info.serialNumber, sizeof info.serialNumber, "");
  std::memset(info.utcTime, ' ', sizeof info.utcTime);
  info.flags = CKF_TOKEN_INITIALIZED | CKF_LOGIN_REQUIRED | CKF_USER_PIN_INITIALIZED;
  info.ulMaxSessionCount = CK_EFFECTIVELY_INFINITE;
  info.ulMaxRwSessionCount = CK_EFFECTIVELY_INFINITE;
  info.ulMaxPinLen = kDerivedPin;
  info.ulTotalPublicMemory = info.ulFreePublicMemory = CK_UNAVAILABLE_INFORMATION;
  info.ulTotalPrivateMemory = info.ulFreePrivateMemory = CK_UNAVAILABLE_INFORMATION;
  return info;
}

Step SessionMonitor::answer_unmade_slot(Call* call) {
  PackReader in(call->request.bytes.span());
  if (!in.flag()) return answer(call, CKR_ARGUMENTS_BAD);
  CK_SLOT_INFO info{};
  pad_text(info.slotDescription, sizeof info.slotDescription, call->token->plan.label);
  pad_text(info.manufacturerID, sizeof info.manufacturerID, "multip11");
  info.flags = CKF_TOKEN_PRESENT;
  Step step = answer(call, CKR_OK);
  write_slot_info(info, &call->reply);
  return step;
}

/* ---- asking */

std::optional<Step> SessionMonitor::need_made(Call* call, Layer* layer) {
  if (call->awaited == layer && call->seen_not_made != layer->not_made) {
    call->awaited = nullptr;
    return fail(call, CKR_TOKEN_NOT_PRESENT);
  }
  auto await = [&] {
    call->awaited = layer;
    call->seen_not_made = layer->not_made;
    return wait(call, layer->backend);
  };
  if (layer->maker == nullptr) layer->maker = call;
  if (layer->maker != call) return await();
  if (layer->made == Layer::Made::kGranted) return next_birth(call, layer);
  if (layer->made != Layer::Made::kIsNot) return wait(call, layer->backend);
  /* Two layers may be one token; the vault is asked once. */
  for (const Layer* other : layers_)
    if (other->made > Layer::Made::kIsNot &&
        std::strcmp(other->plan.at_backend.label, layer->plan.at_backend.label) == 0) {
      layer->maker = nullptr;
      return await();
    }
  layer->made = Layer::Made::kAsked;
  host_->ask_to_make(layer->plan.at_backend.label);
  return await();
}

void SessionMonitor::make_answered(const MakeAnswer* answer) {
  for (Layer* layer : layers_) {
    if (layer->made == Layer::Made::kIs) continue;
    const char* id = layer->plan.at_backend.label;
    if (answer != nullptr && std::strcmp(answer->id, id) != 0) continue;
    if (answer != nullptr && answer->answer == kTokenIsMade) {
      layer->made = Layer::Made::kIs;
      layer->maker = nullptr;
      layer->birth.reset();
      layer->pin = std::make_shared<const SecureBuffer>(copy_pin(answer->user));
    } else if (answer != nullptr && answer->answer == kMakeIt) {
      if (layer->made != Layer::Made::kAsked) continue;
      layer->made = Layer::Made::kGranted;
      layer->birth = std::make_unique<TokenBirth>(id, copy_pin(answer->so), copy_pin(answer->user));
      if (layer->maker == nullptr) abandon_birth(layer); /* who asked has gone */
    } else {
      /* Without a vault nobody knows any more who makes it: not this one, whatever it has begun. */
      const bool begun = layer->made == Layer::Made::kGranted && layer->birth->has_begun();
      layer->made = Layer::Made::kIsNot;
      layer->maker = nullptr;
      layer->birth.reset();
      layer->not_made++;
      if (!begun) continue;
      host_->end_backend(layer->backend->plan.backend);
      drop_backend(layer->backend);
    }
  }
  host_->changed();
}

/* Who made it has gone, or failed. While the vault's answer is on its way another may take over. */
void SessionMonitor::abandon_birth(Layer* layer) {
  layer->maker = nullptr;
  if (layer->made == Layer::Made::kGranted) {
    Token* token = token_of(*layer);
    orphan(token, static_cast<size_t>(layer - token->layers.data()), layer->birth->take_session());
    layer->birth.reset();
    layer->made = Layer::Made::kTold;
    host_->tell_made(layer->plan.at_backend.label, 0);
  }
  host_->changed();
}

/* ---- making */

Step SessionMonitor::next_birth(Call* call, Layer* layer) {
  TokenBirth& birth = *layer->birth;
  if (const CK_RV rv = birth.failure(); rv != CKR_OK) {
    const size_t n = static_cast<size_t>(layer - call->token->layers.data());
    orphan(call->token, n, birth.take_session());
    tell_layer(*call->token, layer, false, rv);
    return fail(call, rv == CKR_TOKEN_NOT_PRESENT ? rv : CK_RV{CKR_DEVICE_ERROR});
  }
  if (auto step = need_initialized(call, layer->backend)) return *step;
  arena_.clear();
  return send_own(call, layer, Call::Internal::kBirth, birth.next(&arena_));
}

void SessionMonitor::replied_birth(Call* call) {
  Layer* layer = call->layer;
  if (layer->birth == nullptr || layer->maker != call) return;
  const bool knew_slots = !layer->birth->has_initialised();
  layer->birth->replied(call->reply);
  if (knew_slots && layer->birth->has_initialised())
    for (Layer* other : layers_)
      if (other->backend == layer->backend) other->located = false;
  if (!layer->birth->is_over()) return;
  layer->made = Layer::Made::kTold;
  host_->tell_made(layer->plan.at_backend.label, layer->birth->pin_size());
}

}  // namespace mp11
