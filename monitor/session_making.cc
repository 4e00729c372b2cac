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
 * The call that needs it asks the vault and waits. When it is told to make the token, it looks for
 * a slot with one that is not initialised, initialises that under the token's id, sets the user's
 * PIN, closes everything, and tells the vault; only when that has noted it is the token there.
 * Whatever ends on the way, this process, the library's or the daemon, nobody has seen the token by
 * then: the next one who asks finds it by its id, and initialises it anew.
 *
 * Trust: the library is hostile, and has the token's PINs by the nature of things. It can spoil the
 * making, and nothing else.
 */
#include <algorithm>
#include <cstring>
#include <utility>

#include "infos.h"
#include "packing.h"
#include "session_monitor.h"

namespace mp11 {
namespace {

using Step = SessionMonitor::Step;

bool is_of(const CK_TOKEN_INFO& info, const char* id) {
  CK_UTF8CHAR label[sizeof info.label];
  pad_text(label, sizeof label, id);
  return std::memcmp(label, info.label, sizeof label) == 0;
}

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
      layer->birth = std::make_unique<Birth>();
      layer->birth->so = copy_pin(answer->so);
      layer->birth->user = copy_pin(answer->user);
      if (layer->maker == nullptr) abandon_birth(layer); /* who asked has gone */
    } else {
      /* Without a vault nobody knows any more who makes it: not this one, whatever it has begun. */
      const bool begun =
          layer->made == Layer::Made::kGranted && layer->birth->step >= Birth::Step::kInit;
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
    orphan(token, static_cast<size_t>(layer - token->layers.data()),
           std::exchange(layer->birth->session, 0)); /* it may be the security officer's */
    layer->birth.reset();
    layer->made = Layer::Made::kTold;
    host_->tell_made(layer->plan.at_backend.label, 0);
  }
  host_->changed();
}

/* ---- making */

Step SessionMonitor::next_birth(Call* call, Layer* layer) {
  Birth& birth = *layer->birth;
  if (birth.failure != CKR_OK) {
    const size_t n = static_cast<size_t>(layer - call->token->layers.data());
    orphan(call->token, n, std::exchange(birth.session, 0));
    const CK_RV rv = birth.failure;
    tell_layer(*call->token, layer, false, rv);
    return fail(call, rv == CKR_TOKEN_NOT_PRESENT ? rv : CK_RV{CKR_DEVICE_ERROR});
  }
  if (auto step = need_initialized(call, layer->backend)) return *step;
  call->layer = layer;
  arena_.clear();
  Words words;
  auto make = [&](uint32_t function) {
    return send_internal(call, layer->backend, Call::Internal::kBirth, kFunctionTable[function],
                         words);
  };
  switch (birth.step) {
    case Birth::Step::kList:
    case Birth::Step::kFind: {
      auto* count = arena_.make<CK_ULONG>();
      *count = kMaxRealSlots;
      words.w[0] = CK_TRUE;
      words.w[1] = reinterpret_cast<Word>(arena_.allocate_out(kMaxRealSlots * sizeof(CK_SLOT_ID)));
      words.w[2] = reinterpret_cast<Word>(count);
      return make(kC_GetSlotList);
    }
    case Birth::Step::kLook:
    case Birth::Step::kFindLook:
      words.w[0] = static_cast<Word>(birth.slots[birth.at]);
      words.w[1] = reinterpret_cast<Word>(arena_.make<CK_TOKEN_INFO>());
      return make(kC_GetTokenInfo);
    case Birth::Step::kInit: {
      auto* label = static_cast<CK_UTF8CHAR*>(arena_.allocate_out(sizeof CK_TOKEN_INFO::label));
      pad_text(label, sizeof CK_TOKEN_INFO::label, layer->plan.at_backend.label);
      words.w[0] = static_cast<Word>(*birth.slot);
      words.w[1] = reinterpret_cast<Word>(birth.so.data());
      words.w[2] = birth.so.size();
      words.w[3] = reinterpret_cast<Word>(label);
      return make(kC_InitToken);
    }
    case Birth::Step::kOpen:
      words.w[0] = static_cast<Word>(*birth.slot);
      words.w[1] = CKF_SERIAL_SESSION | CKF_RW_SESSION;
      words.w[4] = reinterpret_cast<Word>(arena_.make<CK_SESSION_HANDLE>());
      return make(kC_OpenSession);
    case Birth::Step::kLogin:
      words.w[0] = static_cast<Word>(birth.session);
      words.w[1] = CKU_SO;
      words.w[2] = reinterpret_cast<Word>(birth.so.data());
      words.w[3] = birth.so.size();
      return make(kC_Login);
    case Birth::Step::kPin:
      words.w[0] = static_cast<Word>(birth.session);
      words.w[1] = reinterpret_cast<Word>(birth.user.data());
      words.w[2] = birth.user.size();
      return make(kC_InitPIN);
    case Birth::Step::kLogout:
      words.w[0] = static_cast<Word>(birth.session);
      return make(kC_Logout);
    case Birth::Step::kClose:
      words.w[0] = static_cast<Word>(birth.session);
      return make(kC_CloseSession);
  }
  return answer(call, CKR_GENERAL_ERROR);
}

/* One that has the id was begun by somebody who did not come to the end. */
void SessionMonitor::take_candidate(const CK_TOKEN_INFO& info, const Layer& layer) {
  Birth& birth = *layer.birth;
  const bool ours = is_of(info, layer.plan.at_backend.label);
  const bool free = (info.flags & CKF_TOKEN_INITIALIZED) == 0;
  if (!ours && (!free || birth.slot)) return;
  birth.slot = birth.slots[birth.at];
  birth.begun_before = ours;
  const size_t most = std::min<size_t>(kDerivedPin, info.ulMaxPinLen);
  if (most < std::max<size_t>(kLeastDerivedPin, info.ulMinPinLen)) {
    birth.failure = CKR_PIN_LEN_RANGE;
    return;
  }
  birth.so.resize(most);
  birth.user.resize(most);
}

void SessionMonitor::replied_birth(Call* call, CK_RV rv) {
  Layer* layer = call->layer;
  if (layer->birth == nullptr || layer->maker != call) return;
  Birth& birth = *layer->birth;
  using At = Birth::Step;
  const bool looks = birth.step == At::kLook || birth.step == At::kFindLook;
  if (rv != CKR_OK && !looks) {
    birth.failure = rv;
    return;
  }
  switch (birth.step) {
    case At::kList:
    case At::kFind: {
      birth.slots.clear();
      birth.at = 0;
      PackReader in(call->reply.bytes.span());
      const bool has_length = in.flag();
      const uint64_t count = in.u64();
      const bool good = has_length && in.flag() && in.end() && count == call->reply.list.size() &&
                        count <= kMaxRealSlots;
      if (good) birth.slots = call->reply.list;
      birth.step = birth.step == At::kList ? At::kLook : At::kFindLook;
      if (birth.slots.empty()) birth.failure = CKR_TOKEN_NOT_PRESENT;
      return;
    }
    case At::kLook:
    case At::kFindLook: {
      CK_TOKEN_INFO info;
      const bool known = rv == CKR_OK && read_token_info(call->reply, &info);
      const bool last = birth.at + 1 == birth.slots.size();
      if (birth.step == At::kFindLook) {
        if (known && is_of(info, layer->plan.at_backend.label)) {
          birth.slot = birth.slots[birth.at];
          birth.step = At::kOpen;
        } else if (last) {
          birth.failure = CKR_TOKEN_NOT_PRESENT;
        }
      } else {
        if (known) take_candidate(info, *layer);
        if (birth.begun_before || (last && birth.slot))
          birth.step = At::kInit;
        else if (last)
          birth.failure = CKR_TOKEN_NOT_PRESENT; /* no slot is free */
      }
      birth.at++;
      return;
    }
    case At::kInit:
      for (Layer* other : layers_)
        if (other->backend == layer->backend) other->located = false;
      birth.step = At::kFind; /* libraries have been seen to give it another slot */
      return;
    case At::kOpen:
      birth.session = call->reply.rec.handles[0];
      birth.step = At::kLogin;
      return;
    case At::kLogin:
      birth.step = At::kPin;
      return;
    case At::kPin:
      birth.step = At::kLogout;
      return;
    case At::kLogout:
      birth.step = At::kClose;
      return;
    case At::kClose:
      layer->made = Layer::Made::kTold;
      host_->tell_made(layer->plan.at_backend.label, static_cast<uint32_t>(birth.user.size()));
      return;
  }
}

}  // namespace mp11
