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
/* The making of a token on demand; see token_birth.h. */
#include "token_birth.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "infos.h"
#include "records.h"

namespace mp11 {

TokenBirth::TokenBirth(std::string id, SecureBuffer so, SecureBuffer user)
    : id_(std::move(id)), so_(std::move(so)), user_(std::move(user)) {}

uint64_t TokenBirth::take_session() { return std::exchange(session_, 0); }

OwnCall TokenBirth::next(CallArena* arena) const {
  switch (step_) {
    case Step::kList:
    case Step::kFind:
      return list_slots(true, arena);
    case Step::kLook:
    case Step::kFindLook:
      return ask_token_info(slots_[at_], arena);
    case Step::kInit: {
      OwnCall call{kC_InitToken};
      auto* label = static_cast<CK_UTF8CHAR*>(arena->allocate_out(sizeof CK_TOKEN_INFO::label));
      pad_text(label, sizeof CK_TOKEN_INFO::label, id_.c_str());
      call.words.w[0] = static_cast<Word>(*slot_);
      call.words.w[1] = reinterpret_cast<Word>(so_.data());
      call.words.w[2] = so_.size();
      call.words.w[3] = reinterpret_cast<Word>(label);
      return call;
    }
    case Step::kOpen:
      return open_session(*slot_, CKF_RW_SESSION, arena);
    case Step::kLogin:
      return log_in(session_, CKU_SO, so_);
    case Step::kPin: {
      OwnCall call{kC_InitPIN};
      call.words.w[0] = static_cast<Word>(session_);
      call.words.w[1] = reinterpret_cast<Word>(user_.data());
      call.words.w[2] = user_.size();
      return call;
    }
    case Step::kLogout: {
      OwnCall call{kC_Logout};
      call.words.w[0] = static_cast<Word>(session_);
      return call;
    }
    case Step::kClose:
    case Step::kOver:
      break;
  }
  return close_session(session_);
}

void TokenBirth::replied(const Message& reply) {
  const auto rv = static_cast<CK_RV>(reply.rec.rv);
  const bool looks = step_ == Step::kLook || step_ == Step::kFindLook;
  if (rv != CKR_OK && !looks) {
    failure_ = rv;
    return;
  }
  switch (step_) {
    case Step::kList:
    case Step::kFind:
      return take_list(reply);
    case Step::kLook:
      return look(reply);
    case Step::kInit:
      step_ = Step::kFind; /* libraries have been seen to give it another slot */
      return;
    case Step::kFindLook:
      return find(reply);
    case Step::kOpen:
      session_ = reply.rec.handles[0];
      step_ = Step::kLogin;
      return;
    case Step::kLogin:
      step_ = Step::kPin;
      return;
    case Step::kPin:
      step_ = Step::kLogout;
      return;
    case Step::kLogout:
      step_ = Step::kClose;
      return;
    case Step::kClose:
      session_ = 0;
      step_ = Step::kOver;
      return;
    case Step::kOver:
      return;
  }
}

void TokenBirth::take_list(const Message& reply) {
  at_ = 0;
  slots_.clear();
  (void)read_slots(reply, &slots_);
  step_ = step_ == Step::kList ? Step::kLook : Step::kFindLook;
  if (slots_.empty()) failure_ = CKR_TOKEN_NOT_PRESENT;
}

void TokenBirth::look(const Message& reply) {
  CK_TOKEN_INFO info;
  if (reply.rec.rv == CKR_OK && read_token_info(reply, &info)) take_candidate(info);
  const bool last = ++at_ == slots_.size();
  if (begun_before_ || (last && slot_))
    step_ = Step::kInit;
  else if (last)
    failure_ = CKR_TOKEN_NOT_PRESENT; /* no slot is free */
}

/* One that has the id was begun by somebody who did not come to the end. */
void TokenBirth::take_candidate(const CK_TOKEN_INFO& info) {
  const bool ours = is_of(info);
  const bool free = (info.flags & CKF_TOKEN_INITIALIZED) == 0;
  if (!ours && (!free || slot_)) return;
  slot_ = slots_[at_];
  begun_before_ = ours;
  const size_t most = std::min<size_t>(kDerivedPin, info.ulMaxPinLen);
  if (most < std::max<size_t>(kLeastDerivedPin, info.ulMinPinLen)) {
    failure_ = CKR_PIN_LEN_RANGE;
    return;
  }
  so_.resize(most);
  user_.resize(most);
}

void TokenBirth::find(const Message& reply) {
  CK_TOKEN_INFO info;
  const bool ours = reply.rec.rv == CKR_OK && read_token_info(reply, &info) && is_of(info);
  if (ours) {
    slot_ = slots_[at_];
    step_ = Step::kOpen;
  }
  if (++at_ == slots_.size() && !ours) failure_ = CKR_TOKEN_NOT_PRESENT;
}

bool TokenBirth::is_of(const CK_TOKEN_INFO& info) const {
  CK_UTF8CHAR label[sizeof info.label];
  pad_text(label, sizeof label, id_.c_str());
  return std::memcmp(label, info.label, sizeof label) == 0;
}

}  // namespace mp11
