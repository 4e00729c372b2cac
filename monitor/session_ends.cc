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
 * SessionMonitor, ends: what goes with a session, a slot, a layer or a library's process, and the
 * real sessions that are closed after their virtual ones.
 */
#include <utility>

#include "session_monitor.h"

namespace mp11 {

using Step = SessionMonitor::Step;

/* Everything that lived in the backend is gone; the next use starts a new instance. */
void SessionMonitor::drop_backend(Backend* backend) {
  if (backend->state == Backend::State::kStarting) {
    backend->failures++;
    backend->last_error = kSpawnFailed;
  }
  backend->state = Backend::State::kAbsent;
  backend->initialized = false;
  backend->initializing = nullptr;
  backend->enders = 0;
  backend->flying = 0;
  backend->quiet_awaited = false;
  backend->epoch++;
  if (backend->lock_holder != nullptr) {
    backend->lock_holder = nullptr;
    host_->unlock(backend->plan.backend);
  }
  for (Token& token : tokens_)
    for (size_t n = 0; n < token.layers.size(); n++)
      if (token.layers[n].backend == backend) drop_layer(&token, n);
}

/* What lived in a layer has gone; with an only or a required one, all that the token had. */
void SessionMonitor::drop_layer(Token* token, size_t n) {
  Layer& layer = token->layers[n];
  layer.located = false;
  layer.locating = nullptr;
  layer.anchor = 0;
  layer.anchoring = nullptr;
  layer.logged_in = false;
  if (layer.turning) (void)layer.turning->take_session();
  layer.mechanisms.reset();
  std::erase_if(token->orphans, [n](const Orphan& o) { return o.layer == n; });
  for (auto& [handle, session] : sessions_) {
    if (session.token != token) continue;
    session.real[n] = 0;
    if (token->layered()) session.searches[n] = Session::Search::kNone;
  }
  if (token->selection != nullptr && token->selection->trial.token == token)
    token->selection->trial.real[n] = 0;
  if (token->layered() && !layer.required()) {
    objects_.lose_if([&](const HandleMap::Entry& e) { return e.scope == layer.id; });
    return;
  }
  for (auto& [handle, session] : sessions_)
    if (session.token == token) orphan_all(token, &session);
  std::erase_if(sessions_, [token](const auto& s) { return s.second.token == token; });
  end_logins(token);
  if (token->selection != nullptr && token->selection->current == token)
    return_to_own(token->selection);
  for (const Layer& one : token->layers)
    objects_.remove_if([&](const HandleMap::Entry& e) { return e.scope == one.id; });
}

void SessionMonitor::finalized() {
  for (Backend& backend : backends_) {
    if (backend.state != Backend::State::kAbsent) host_->end_backend(backend.plan.backend);
    drop_backend(&backend);
  }
  for (Selection& selection : selections_) return_to_own(&selection);
  sessions_.clear(); /* also those that would have outlived a library's death */
  objects_.remove_if([](const HandleMap::Entry&) { return true; });
  for (Token& token : tokens_) token.saved_states.clear();
  initialized_ = false;
  host_->changed();
}

void SessionMonitor::drop_session(uint64_t handle) {
  auto it = sessions_.find(handle);
  if (it == sessions_.end()) return;
  uint64_t slot = it->second.slot;
  if (it->second.token->layered()) orphan_all(it->second.token, &it->second);
  sessions_.erase(it);
  for (const auto& [other, session] : sessions_) {
    if (session.slot != slot) continue;
    objects_.remove_if([handle](const HandleMap::Entry& e) { return e.session == handle; });
    return;
  }
  drop_slot(slot);
}

/* The last session of a token has ended: so has everything that its sessions were given. */
void SessionMonitor::drop_slot(uint64_t slot) {
  for (auto it = sessions_.begin(); it != sessions_.end();) {
    if (it->second.slot != slot) {
      ++it;
      continue;
    }
    if (it->second.token->layered()) orphan_all(it->second.token, &it->second);
    it = sessions_.erase(it);
  }
  for (Token& token : tokens_)
    if (token.layered() && token.plan.slot == slot) end_logins(&token);
  objects_.remove_if([slot](const HandleMap::Entry& e) { return e.slot == slot; });
  for (Selection& selection : selections_)
    if (selection.own()->plan.slot == slot) return_to_own(&selection);
}

/* ---- orphans ---- */

void SessionMonitor::orphan(Token* token, size_t layer, uint64_t real) {
  if (real != 0) token->orphans.push_back({layer, real});
}

void SessionMonitor::orphan_all(Token* token, Session* session) {
  for (size_t n = 0; token->layered() && n < session->real.size(); n++)
    orphan(token, n, std::exchange(session->real[n], 0));
}

/* Without its anchor a layer keeps a login only as long as it has other sessions. */
void SessionMonitor::end_logins(Token* token) {
  for (size_t n = 0; n < token->layers.size(); n++) {
    token->layers[n].logged_in = false;
    orphan(token, n, std::exchange(token->layers[n].anchor, 0));
  }
}

std::optional<Step> SessionMonitor::need_drained(Call* call, Token* token) {
  while (!token->orphans.empty()) {
    const Orphan orphan = token->orphans.back();
    token->orphans.pop_back();
    Layer* layer = &token->layers[orphan.layer];
    if (layer->backend->state != Backend::State::kRunning) continue;
    token->closing++;
    return send_own(call, layer, Call::Internal::kOrphan, close_session(orphan.real));
  }
  if (token->closing != 0) return wait(call, token->only().backend);
  return {};
}

/* The call has had its effect: what is left is to close what nobody uses any more. */
Step SessionMonitor::drain(Call* call, CK_RV rv) {
  call->round->draining = true;
  call->round->said = rv;
  if (auto step = need_drained(call, call->token)) return *step;
  return answer(call, rv);
}

Step SessionMonitor::next_close(Call* call) {
  if (call->row->number == kC_CloseSession)
    drop_session(call->session);
  else
    drop_slot(call->slot);
  return drain(call, CKR_OK);
}

}  // namespace mp11
