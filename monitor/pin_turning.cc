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
/* The change of a PIN; see pin_turning.h. */
#include "pin_turning.h"

#include <algorithm>
#include <utility>

#include "infos.h"

namespace mp11 {
namespace {

constexpr CK_FLAGS kNearlyLost = CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_LOCKED;

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

}  // namespace

PinTurning::PinTurning(Pin old, Pin next, bool again)
    : old_(std::move(old)), next_(std::move(next)), again_(again) {}

uint64_t PinTurning::take_session() { return std::exchange(session_, 0); }

OwnCall PinTurning::next(uint64_t slot, uint64_t anchor, CallArena* arena) const {
  switch (step_) {
    case Step::kLook:
      return ask_token_info(slot, arena);
    case Step::kOld:
      return log_in(anchor, CKU_USER, *old_);
    case Step::kNew:
      return log_in(anchor, CKU_USER, fresh_);
    case Step::kOpen:
      return open_session(slot, CKF_RW_SESSION, arena);
    case Step::kChange: {
      OwnCall call{kC_SetPIN};
      call.words.w[0] = static_cast<Word>(session_);
      call.words.w[1] = reinterpret_cast<Word>(old_->data());
      call.words.w[2] = old_->size();
      call.words.w[3] = reinterpret_cast<Word>(fresh_.data());
      call.words.w[4] = fresh_.size();
      return call;
    }
    case Step::kClose:
      break;
  }
  return close_session(session_);
}

/* The first word counts: what comes later is about what was done already. */
std::optional<PinTurning::Known> PinTurning::tell(TurnOutcome outcome, CK_RV rv) {
  if (std::exchange(told_, true)) return {};
  if (outcome == kTurnUnknown && step_ != Step::kChange) outcome = kTurnUntried;
  return Known{outcome, rv};
}

std::optional<PinTurning::Known> PinTurning::give_up() {
  return tell(kTurnUnknown, CKR_FUNCTION_CANCELED);
}

PinTurning::Said PinTurning::replied(const Message& reply) {
  const auto rv = static_cast<CK_RV>(reply.rec.rv);
  switch (step_) {
    case Step::kLook:
      return look(reply);
    case Step::kOld:
      return old_tried(rv);
    case Step::kNew:
      return new_tried(rv);
    case Step::kOpen:
      return opened(reply);
    case Step::kChange:
      return changed(rv);
    case Step::kClose:
      break;
  }
  session_ = 0;
  return {{}, CKR_OK};
}

PinTurning::Said PinTurning::look(const Message& reply) {
  const auto rv = static_cast<CK_RV>(reply.rec.rv);
  CK_TOKEN_INFO info;
  const bool known = rv == CKR_OK && read_token_info(reply, &info);
  const bool counts = known && (info.flags & CKF_USER_PIN_COUNT_LOW) != 0;
  if (!known || (info.flags & kNearlyLost) != 0 || (counts && !again_))
    return {tell(kTurnUnknown, known ? CK_RV{CKR_PIN_LOCKED} : rv), CKR_PIN_LOCKED};
  const size_t most = std::min<size_t>({kDerivedPin, next_->size(), info.ulMaxPinLen});
  fresh_.clear();
  fresh_.append(next_->data(), most);
  Said said;
  if (most < std::max<size_t>(kLeastDerivedPin, info.ulMinPinLen)) {
    said.known = tell(counts ? kTurnUnknown : kTurnRefused, CKR_PIN_LEN_RANGE);
    if (counts) said.login = CKR_PIN_LOCKED;
  }
  step_ = counts || old_->empty() ? Step::kNew : Step::kOld;
  return said;
}

PinTurning::Said PinTurning::old_tried(CK_RV rv) {
  if (wrong_pin(rv) && !told_) {
    step_ = Step::kNew;
    return {};
  }
  /* Also when another token's login is there already. */
  if (rv != CKR_OK || told_) return {tell(kTurnUnknown, rv), rv};
  logged_in_ = true; /* whatever comes now */
  step_ = Step::kOpen;
  return {};
}

PinTurning::Said PinTurning::new_tried(CK_RV rv) {
  TurnOutcome outcome = kTurnUnknown;
  if (rv == CKR_OK) outcome = kTurnDone;
  if (wrong_pin(rv)) outcome = kTurnNeither;
  return {tell(outcome, rv), rv};
}

PinTurning::Said PinTurning::opened(const Message& reply) {
  const auto rv = static_cast<CK_RV>(reply.rec.rv);
  session_ = rv == CKR_OK ? reply.rec.handles[0] : 0;
  if (session_ == 0) return {tell(not_done_at_all(rv) ? kTurnRefused : kTurnUnknown, rv), CKR_OK};
  step_ = Step::kChange;
  return {};
}

PinTurning::Said PinTurning::changed(CK_RV rv) {
  TurnOutcome outcome = not_done_at_all(rv) ? kTurnRefused : kTurnUnknown;
  if (rv == CKR_OK) outcome = kTurnDone;
  const Said said{tell(outcome, rv)};
  step_ = Step::kClose;
  return said;
}

}  // namespace mp11
