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
 * Vault, PINs that are being changed: who changes one, and that it is one at a time.
 *
 * From the administrator's word on the database has both PINs, the old and the new one, and whoever
 * wants to log in asks first. One monitor at a time is told to; it tries the old PIN, changes it,
 * or finds the new one, and says so; the others wait for that. Only then is the old one forgotten.
 * Wherever one of them ends on the way, the token has one of two PINs that are known, and the next
 * one finds out which, with one wrong PIN at most. If around a SIGHUP two vaults should tell two
 * monitors, the one that was told first has a number that is no longer the last, and is not
 * believed: both PINs stay until somebody has found out.
 *
 * Trust: a monitor is believed about what its own portfolio has and it was told to do: its client's
 * library holds that token anyway.
 */
#include <time.h>

#include <algorithm>
#include <cstring>

#include "log.h"
#include "pin_box.h"
#include "secure_buffer.h"
#include "vault.h"

namespace mp11 {
namespace {

/* For four calls to a slow device; then its connection is ended. */
constexpr uint64_t kPatienceMs = 120000;

unsigned long long printable(uint64_t number) { return number; }

}  // namespace

bool Vault::asked_to_turn(Connection* connection, const PinTurn& request) {
  if (!text_ends(request.layer.backend) || !text_ends(request.layer.at_backend)) return false;
  const SeenLayer* layer = layer_of(*connection, request.layer);
  if (layer == nullptr) return false;
  const PinName name = pin_name(*layer);
  auto [place, fresh] = turnings_.try_emplace(name);
  std::deque<uint64_t>& waiting = place->second.waiting;
  if (place->second.connection == connection->name ||
      std::find(waiting.begin(), waiting.end(), connection->name) != waiting.end())
    return false; /* it has asked already */
  waiting.push_back(connection->name);
  if (fresh) next_turner(name);
  return true;
}

/* The next one that waits is told to change it; if it is not being changed any more, all go on. */
void Vault::next_turner(const PinName& name) {
  Turning& turning = turnings_[name];
  turning.connection = 0;
  loop_->cancel(&turning.patience);
  while (!turning.waiting.empty()) {
    const uint64_t asker = turning.waiting.front();
    turning.waiting.pop_front();
    Connection* connection = find(asker);
    const SeenLayer* layer = connection != nullptr ? layer_of(*connection, name) : nullptr;
    if (layer == nullptr) continue;
    if (stuck_.contains(name)) { /* wrong PINs have been counted there */
      send_pins(connection, *layer, kTurnNot);
      continue;
    }
    uint64_t number = 0;
    bool again = false;
    Status status = state_->change_pin(name, [&](std::optional<PinRow>* row) -> Status {
      if (!*row || (*row)->next_key == 0) return ok();
      Pins pins; /* nobody is counted who could not be told them */
      if (Status readable = read_pins(*layer, &pins); !readable) return readable;
      number = ++(*row)->begun;
      again = number - (*row)->started > 1;
      return ok();
    });
    if (!status) {
      log_error("connection %llu: token \"%s\" on %s: %s", printable(asker), name.token.c_str(),
                name.backend.c_str(), status.error().text.c_str());
      send_pins(connection, *layer, kTurnNot);
      continue;
    }
    if (number == 0) {
      send_pins(connection, *layer, kPinIs);
      continue;
    }
    if (send_pins(connection, *layer, again ? kTurnItAgain : kTurnIt) == kTurnNot) continue;
    turning.connection = asker;
    turning.number = number;
    turning.patience = loop_->after(
        kPatienceMs, [this, asker] { refuse(asker, "its monitor is too slow in changing a PIN"); });
    return;
  }
  turnings_.erase(name);
}

bool Vault::told_of_turning(Connection* connection, const PinTurn& report) {
  if (!text_ends(report.layer.backend) || !text_ends(report.layer.at_backend)) return false;
  const SeenLayer* layer = layer_of(*connection, report.layer);
  if (layer == nullptr) return false;
  const PinName name = pin_name(*layer);
  auto place = turnings_.find(name);
  if (place == turnings_.end() || place->second.connection != connection->name) return false;
  const bool done = report.outcome == kTurnDone;
  if (report.outcome < kTurnDone || report.outcome > kTurnUntried ||
      (done ? report.pin_size < kLeastDerivedPin || report.pin_size > kDerivedPin
            : report.pin_size != 0))
    return false;
  const std::string text = "token \"" + name.token + "\" on " + name.backend;
  Status status = end_turn(name, place->second.number, report);
  if (!status)
    log_error("connection %llu: %s: %s", printable(connection->name), text.c_str(),
              status.error().text.c_str());
  else if (done)
    log_info("audit: connection %llu has changed the PIN of %s", printable(connection->name),
             text.c_str());
  else if (report.outcome == kTurnRefused)
    log_error("%s does not take a new PIN (0x%x); the old one stays", text.c_str(), report.rv);
  else if (report.outcome == kTurnUntried)
    log_info("%s is left with the PIN that it has (0x%x); the next login tries", text.c_str(),
             report.rv);
  else if (report.outcome == kTurnUnknown)
    log_error("%s has the old PIN or the new one (0x%x); the next login tries", text.c_str(),
              report.rv);
  else
    log_error("%s has neither the old PIN nor the new one; run: multip11 vault set %s '%s'",
              text.c_str(), name.backend.c_str(), name.token.c_str());
  if (report.outcome == kTurnNeither) stuck_.insert(name);
  if (status && report.outcome <= kTurnRefused) tell_pins(name);
  next_turner(name);
  return true;
}

/* What is known now is on the disk before anybody is told. */
Status Vault::end_turn(const PinName& name, uint64_t number, const PinTurn& report) {
  if (report.outcome == kTurnUnknown || report.outcome == kTurnNeither) return ok();
  return state_->change_pin(name, [&](std::optional<PinRow>* place) -> Status {
    if (!*place || (*place)->next_key == 0 || (*place)->begun != number)
      return Error{0, "somebody else has been told to change its PIN, or it was set meanwhile"};
    PinRow& row = **place;
    if (report.outcome == kTurnUntried) { /* as if the first one had not been told to */
      if (row.begun - row.started == 1) row.started = row.begun;
      return ok();
    }
    if (report.outcome == kTurnDone) {
      if (name.kind == PinKind::kVault) {
        Pins pins;
        if (Status status = open_row(name, row, &pins); !status) return status;
        if (report.pin_size > pins.next.size) return Error{0, "there are no such octets"};
        pins.next.size = report.pin_size;
        Result<std::vector<uint8_t>> sealed =
            seal_pin(keys_, row.next_key, {name.backend, name.token, false}, pins.next);
        if (!sealed) return sealed.error();
        row.sealed = std::move(*sealed);
      } else {
        Result<VaultState::DemandedToken> token = made_token(name);
        if (!token) return token.error();
        if (report.pin_size != token->pin_size)
          return Error{0, "its new PIN is said to be of another length than the vault derives; " +
                              std::string("both are kept, and the next login tries")};
      }
      row.key = row.next_key;
      row.changed_s = static_cast<uint64_t>(::time(nullptr));
    }
    row.next_key = 0;
    row.next.clear();
    return ok();
  });
}

/* The connection has ended. */
void Vault::give_up_turnings(uint64_t connection) {
  std::vector<PinName> its;
  for (auto& [name, turning] : turnings_) {
    std::erase(turning.waiting, connection);
    if (turning.connection == connection) its.push_back(name);
  }
  for (const PinName& name : its) next_turner(name);
}

}  // namespace mp11
