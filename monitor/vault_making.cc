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
 * Vault, tokens on demand: who may make one, and that it is made once.
 *
 * One monitor at a time is told to make a token in a backend's scope (all of the backend, or with
 * isolate = token the one token), so that no two of them take the same free slot; others that ask
 * meanwhile wait for how it goes. If its connection ends, the next one is told. Its processes have
 * been sent SIGKILL by then, so none of them does more than end the system call that it is in. And
 * should one all the same come back and say that it was made (around a SIGHUP there are two
 * vaults), its number is no longer the last: it is not believed, and who was told later makes it
 * anew, before anybody has used it.
 *
 * Trust: a monitor is believed about what its own portfolio has, and its token's library holds
 * anyway: that it is made, and of how many octets the PIN is.
 */
#include <sys/epoll.h>

#include <algorithm>
#include <cstring>

#include "log.h"
#include "secure_buffer.h"
#include "vault.h"

namespace mp11 {
namespace {

/* For C_InitToken and what follows on a slow device; then its connection is ended. */
constexpr uint64_t kPatienceMs = 300000;

unsigned long long printable(uint64_t number) { return number; }

}  // namespace

const Vault::SeenLayer* Vault::demanded_layer(const Connection& connection,
                                              const std::string& id) const {
  for (const SeenToken& token : connection.tokens)
    for (const SeenLayer& layer : token.layers)
      if (layer.demanded && layer.demanded->id == id) return &layer;
  return nullptr;
}

bool Vault::derive_pin(const SeenLayer& layer, PinPurpose purpose, StoredPin* pin) const {
  const VaultState::DemandedToken& token = *layer.demanded;
  const PolicyBackend& backend = policy_.backends()[layer.layer->backend];
  const bool user = purpose == PinPurpose::kUser;
  if (!keys_.derive(user ? token.user_key : token.key, backend.name, token.id, purpose, pin))
    return false; /* another vault knows of more keys */
  if (token.made && user) pin->size = token.pin_size;
  return true;
}

/* What at most one monitor at a time makes a token in. */
Vault::Scope Vault::scope_of(const Connection& connection, const SeenLayer& layer) {
  const AllowedBackend& allowed = connection.backends[layer.number];
  return {allowed.backend, allowed.uid};
}

bool Vault::asked_to_make(Connection* connection, const MakeToken& request) {
  if (!text_ends(request.id)) return false;
  const SeenLayer* layer = demanded_layer(*connection, request.id);
  if (layer == nullptr) return false;
  const Scope scope = scope_of(*connection, *layer);
  auto [place, fresh] = makings_.try_emplace(scope);
  const Wish wish{connection->name, request.id};
  std::deque<Wish>& waiting = place->second.waiting;
  if (place->second.now == wish || std::find(waiting.begin(), waiting.end(), wish) != waiting.end())
    return false; /* it has asked already */
  waiting.push_back(wish);
  if (fresh) next_maker(scope);
  return true;
}

/* The first that waits for a token that is not there is told to make it. */
void Vault::next_maker(const Scope& scope) {
  Making& making = makings_[scope];
  making.now = {};
  loop_->cancel(&making.patience);
  while (!making.waiting.empty()) {
    const Wish wish = making.waiting.front();
    making.waiting.pop_front();
    Result<uint64_t> number = state_->begin_making(wish.id);
    if (!number) {
      log_error("connection %llu: a token on demand: %s", printable(wish.connection),
                number.error().text.c_str());
      answer_maker(wish, kTokenIsNot);
      continue;
    }
    if (*number == 0) {
      answer_maker(wish, kTokenIsMade);
      continue;
    }
    if (answer_maker(wish, kMakeIt) != kMakeIt) continue;
    making.now = wish;
    making.number = *number;
    making.patience = loop_->after(kPatienceMs, [this, name = wish.connection] {
      refuse(name, "its monitor is too slow in making a token");
    });
    return;
  }
  makings_.erase(scope);
}

bool Vault::told_of_making(Connection* connection, const MakeToken& report) {
  if (!text_ends(report.id)) return false;
  const SeenLayer* layer = demanded_layer(*connection, report.id);
  if (layer == nullptr) return false;
  const Scope scope = scope_of(*connection, *layer);
  const Wish wish{connection->name, report.id};
  auto place = makings_.find(scope);
  if (place == makings_.end() || place->second.now != wish) return false;
  const bool sized = report.pin_size >= kLeastDerivedPin && report.pin_size <= kDerivedPin;
  if (report.made > 1 || (report.made == 1) != sized) return false;
  MakeVerdict verdict = kTokenIsNot;
  if (report.made == 1) {
    Status status = state_->end_making(wish.id, place->second.number, report.pin_size);
    if (status)
      verdict = kTokenIsMade;
    else
      log_error("connection %llu: a token on demand: %s", printable(wish.connection),
                status.error().text.c_str());
  }
  answer_maker(wish, verdict);
  next_maker(scope);
  return true;
}

/* The connection has ended. */
void Vault::give_up_makings(uint64_t connection) {
  std::vector<Scope> its;
  for (auto& [scope, making] : makings_) {
    std::erase_if(making.waiting, [&](const Wish& wish) { return wish.connection == connection; });
    if (making.now.connection == connection) its.push_back(scope);
  }
  for (const Scope& scope : its) next_maker(scope);
}

MakeVerdict Vault::answer_maker(const Wish& wish, MakeVerdict verdict) {
  Connection* connection = find(wish.connection);
  const SeenLayer* layer = connection != nullptr ? demanded_layer(*connection, wish.id) : nullptr;
  if (layer == nullptr) return kTokenIsNot;
  MakeAnswer answer = make_record<MakeAnswer>(RecordType::kMakeAnswer);
  std::memcpy(answer.id, wish.id.data(), wish.id.size());
  if (verdict != kTokenIsNot) {
    SeenLayer as_known = *layer;
    Result<VaultState::DemandedToken> known =
        state_->demanded_by_id(wish.id); /* it may have been made since the portfolio */
    if (known) as_known.demanded = std::move(*known);
    const bool derived =
        derive_pin(as_known, PinPurpose::kUser, &answer.user) &&
        (verdict != kMakeIt || derive_pin(as_known, PinPurpose::kSecurityOfficer, &answer.so));
    if (!known || !derived) verdict = kTokenIsNot;
  }
  answer.answer = verdict;
  const uint8_t* octets = reinterpret_cast<const uint8_t*>(&answer);
  connection->unsent.emplace_back(octets, octets + sizeof answer);
  wipe(&answer, sizeof answer);
  flush(connection);
  return verdict;
}

}  // namespace mp11
