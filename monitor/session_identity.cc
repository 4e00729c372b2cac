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
 * SessionMonitor, acting as another identity: a slot whose token has several variants, of which the
 * client sees its own until a PIN at C_Login names another.
 *
 *   PIN = IDENTITY "+" REST    as that identity; REST is the PIN there
 *         "+" REST             as oneself; for a PIN that has a + in it
 *         anything without +   as oneself
 *
 * The other variant is tried beside the one that is seen: until the login has succeeded there, the
 * session is what it was, and after a refusal it still is. Meanwhile no other call of the slot goes
 * on, so that none is of two variants, and none tells how far the login is.
 *
 * Trust: what stands before the + is the client's word, and only compared with identities of the
 * portfolio. One that is not among them is no library's business: nobody hears of it, and the
 * answer is that to a wrong PIN. Nor is it logged, as it may be half of a PIN.
 */
#include <algorithm>
#include <cstring>
#include <utility>

#include "result.h"
#include "session_monitor.h"

namespace mp11 {

using Step = SessionMonitor::Step;
using What = MonitorHost::Acting::What;

void SessionMonitor::make_selections() {
  for (Token& token : tokens_) {
    if ((token.plan.flags & kTokenPinSelect) == 0) continue;
    if (token.plan.identity[0] == '\0') {
      selections_.emplace_back();
      selections_.back().current = &token;
    }
    MP11_ASSERT(!selections_.empty());
    token.selection = &selections_.back();
    token.selection->variants.push_back(&token);
  }
}

void SessionMonitor::tell_acting(What what, const Token* token, CK_RV rv) {
  host_->acting({what, token->plan.label, token->plan.identity, wide(rv)});
}

/* ---- who is within a slot */

/* A call comes in when nobody is changing who is seen there. */
std::optional<Step> SessionMonitor::need_entry(Call* call, Token* token) {
  Selection* selection = token->selection;
  if (selection == nullptr || call->within == selection) return {};
  if (selection->selecting != nullptr) return wait(call, token->only().backend);
  call->within = selection;
  selection->within++;
  return {};
}

/* Of several that want this one does it at a time, and the others begin anew. */
std::optional<Step> SessionMonitor::need_alone(Call* call) {
  Selection* selection = call->within;
  Backend* backend = call->token->only().backend;
  if (selection->selecting != nullptr && selection->selecting != call) {
    leave_selection(call);
    return wait(call, backend);
  }
  selection->selecting = call;
  if (selection->within > 1) return wait(call, backend);
  return {};
}

/* Also one that is answered; a late answer keeps the others out until the client has it. */
void SessionMonitor::leave_selection(Call* call) {
  Selection* selection = std::exchange(call->within, nullptr);
  if (selection == nullptr) return;
  selection->within--;
  if (selection->selecting == nullptr) return;
  if (selection->selecting == call && call->late)
    call->keeping = selection;
  else if (selection->selecting == call)
    selection->selecting = nullptr;
  host_->changed();
}

void SessionMonitor::released(Call* call) {
  Selection* selection = std::exchange(call->keeping, nullptr);
  if (selection == nullptr) return;
  selection->selecting = nullptr;
  host_->changed();
}

/* ---- the login */

/*
 * Finds out whom the PIN names, and leaves the rest of it in the request. False: it is no PIN. No
 * copy of it stays behind, nor of what stands before the +.
 */
bool SessionMonitor::take_identity(Call* call) {
  arena_.clear();
  Words words;
  if (!unpack_call(*call->row, call->request, &arena_, &words)) return false;
  call->wanted = call->within->own();
  const auto* pin = reinterpret_cast<const uint8_t*>(words.w[2]);
  const uint8_t* end = pin + (pin != nullptr ? words.w[3] : 0);
  const uint8_t* plus = std::find(pin, end, '+');
  if (plus != end) {
    const size_t length = static_cast<size_t>(plus - pin);
    auto named = [&](const Token* token) {
      const char* identity = token->plan.identity; /* of the own one empty */
      return std::strlen(identity) == length && std::memcmp(identity, pin, length) == 0;
    };
    const std::vector<Token*>& all = call->within->variants;
    auto found = std::find_if(all.begin(), all.end(), named);
    call->wanted = found != all.end() ? *found : nullptr;
    SecureBuffer rest;
    rest.append(plus + 1, static_cast<size_t>(end - plus - 1));
    words.w[2] =
        reinterpret_cast<Word>(rest.empty() ? reinterpret_cast<const uint8_t*>("") : rest.data());
    words.w[3] = rest.size();
    const CallRec record = call->request.rec;
    (void)pack_call(*call->row, words, &call->request); /* shorter than what was packed before */
    call->request.rec = record;
  }
  arena_.clear();
  return true;
}

/* What is refused here does not depend on whether there is such an identity. */
Step SessionMonitor::next_identity_login(Call* call, Session* session) {
  if (!call->selected && !take_identity(call)) return answer(call, CKR_ARGUMENTS_BAD);
  call->selected = true;
  if (call->wanted == call->token) return next_login(call, session);
  if (auto step = need_alone(call)) return *step;
  for (const auto& [handle, other] : sessions_)
    if (other.slot == call->slot && handle != call->session)
      return answer(call, CKR_SESSION_EXISTS);
  for (const Layer& layer : call->token->layers)
    if (layer.logged_in) return answer(call, CKR_USER_ALREADY_LOGGED_IN);
  if (call->wanted == nullptr) {
    tell_acting(What::kRefused, call->within->own(), CKR_PIN_INCORRECT);
    return answer(call, CKR_PIN_INCORRECT);
  }
  Session& trial = call->within->trial;
  trial.slot = session->slot;
  trial.flags = session->flags;
  become(&trial, call->wanted);
  call->trying = true;
  return next_trial(call);
}

Step SessionMonitor::next_trial(Call* call) {
  call->token = call->wanted;
  if (auto step = need_drained(call, call->token)) return *step;
  return next_login(call, &call->within->trial);
}

/* The login has its answer; what is left to do, and the client's answer, is up to next(). */
void SessionMonitor::end_trial(Call* call, CK_RV rv) {
  let_go(call);
  call->trying = false;
  call->tried = true;
  call->phase = Call::Phase::kReady;
  Selection* selection = call->within;
  Session trial = std::exchange(selection->trial, Session{});
  auto place = sessions_.find(call->session);
  if (rv == CKR_OK && place == sessions_.end()) rv = CKR_SESSION_HANDLE_INVALID;
  if (rv == CKR_OK) {
    Token* before = place->second.token;
    end_logins(before);
    orphan_all(before, &place->second);
    /* The layers are others, so none would be found there; and none is to come back to life. */
    objects_.remove_if([call](const HandleMap::Entry& e) { return e.slot == call->slot; });
    trial.opening = nullptr;
    place->second = std::move(trial);
    selection->current = call->wanted;
    call->token = before;
    if (before != selection->own()) tell_acting(What::kEnded, before, CKR_OK);
    if (call->wanted != selection->own()) tell_acting(What::kBegun, call->wanted, CKR_OK);
  } else {
    end_logins(call->wanted);
    orphan_all(call->wanted, &trial);
    tell_acting(What::kRefused, call->wanted, rv);
    /* As of one that is nobody; but who has the right PIN is not told that it is wrong. */
    rv = call->round->proved ? CKR_DEVICE_ERROR : CKR_PIN_INCORRECT;
  }
  *call->round = Call::Round{};
  call->round->draining = true;
  call->round->said = rv;
}

/* ---- the way back */

/* A session of that variant in which nothing has been done yet. Its slot and flags stay. */
void SessionMonitor::become(Session* session, Token* token) {
  Session fresh;
  fresh.token = token;
  fresh.slot = session->slot;
  fresh.flags = session->flags;
  fresh.real.resize(token->layers.size());
  fresh.searches.resize(token->layers.size());
  *session = std::move(fresh);
}

void SessionMonitor::return_to_own(Selection* selection) {
  Token* before = selection->current;
  if (before == selection->own()) return;
  for (auto& [handle, session] : sessions_) {
    if (session.token != before) continue;
    orphan_all(before, &session);
    become(&session, selection->own());
  }
  end_logins(before);
  const uint64_t slot = before->plan.slot;
  objects_.remove_if([slot](const HandleMap::Entry& e) { return e.slot == slot; });
  selection->current = selection->own();
  tell_acting(What::kEnded, before, CKR_OK);
}

}  // namespace mp11
