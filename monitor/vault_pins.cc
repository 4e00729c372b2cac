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
 * Vault, PINs of layers: what they are, and who is told when they are changed.
 *
 * A PIN is found by the backend and by what the token is called for that principal. One that is in
 * the database, or is derived, goes to the monitors of those who see the layer: with the portfolio,
 * and whenever it is set or changed.
 *
 * Trust: the database is not believed further than it decrypts (pin_box.h).
 */
#include <algorithm>
#include <cstring>

#include "log.h"
#include "pin_box.h"
#include "secure_buffer.h"
#include "vault.h"

namespace mp11 {

Vault::Pins::~Pins() {
  wipe(&pin, sizeof pin);
  wipe(&next, sizeof next);
}

/* It may be changed, and its monitors hear of that. */
bool Vault::keeps_pin(const SeenLayer& layer) {
  return layer.layer->pin == kPinVault || layer.layer->pin == kPinDerived;
}

Vault::PinName Vault::pin_name(const SeenLayer& layer) const {
  return {layer.layer->pin == kPinDerived ? PinKind::kDerived : PinKind::kVault,
          policy_.backends()[layer.layer->backend].name, layer.token};
}

Status Vault::open_row(const PinName& name, const PinRow& row, Pins* pins) const {
  if (Status status =
          open_pin(keys_, row.key, {name.backend, name.token, false}, row.sealed, &pins->pin);
      !status || row.next_key == 0)
    return status;
  return open_pin(keys_, row.next_key, {name.backend, name.token, true}, row.next, &pins->next);
}

/* Of a token on demand that has been made. */
Status Vault::derive_row(const PinName& name, const PinRow& row,
                         const VaultState::DemandedToken& token, Pins* pins) const {
  auto derive = [&](uint32_t key, StoredPin* pin) {
    if (!keys_.derive(key, name.backend, token.id, PinPurpose::kUser, pin)) return false;
    pin->size = token.pin_size;
    return true;
  };
  if (!derive(row.key, &pins->pin) || (row.next_key != 0 && !derive(row.next_key, &pins->next)))
    return Error{0, "its PIN comes from line " + std::to_string(std::max(row.key, row.next_key)) +
                        " of master-key, which is not there"};
  return ok();
}

Status Vault::read_pins(const SeenLayer& layer, Pins* pins) {
  if (const StoredPin* stored = policy_.pin(*layer.layer)) {
    pins->pin = *stored;
    return ok();
  }
  if (state_ == nullptr || keys_.count() == 0) return Error{0, "there is no master-key"};
  const PinName name = pin_name(layer);
  Result<std::optional<PinRow>> row = state_->pin(name);
  if (!row) return row.error();
  if (name.kind == PinKind::kVault) {
    if (!*row)
      return Error{0, "it has no PIN yet; run: multip11 vault set " + name.backend + " '" +
                          name.token + "'"};
    return open_row(name, **row, pins);
  }
  Result<VaultState::DemandedToken> token = state_->demanded_by_id(layer.demanded->id);
  if (!token) return token.error();
  if (*row && token->made) return derive_row(name, **row, *token, pins);
  SeenLayer as_known = layer;
  as_known.demanded = std::move(*token);
  if (derive_pin(as_known, PinPurpose::kUser, &pins->pin)) return ok();
  return Error{0, "its PIN comes from a line of master-key that is not there"};
}

/* ---- monitors */

LayerName Vault::layer_name(const SeenLayer& layer) const {
  LayerName name{};
  const PolicyBackend& backend = policy_.backends()[layer.layer->backend];
  std::memcpy(name.backend, backend.name, sizeof name.backend);
  name.at_backend = layer.at_backend;
  return name;
}

const Vault::SeenLayer* Vault::layer_of(const Connection& connection, const LayerName& name) const {
  for (const SeenToken& token : connection.tokens)
    for (const SeenLayer& layer : token.layers) {
      const LayerName its = layer_name(layer);
      if (keeps_pin(layer) && std::memcmp(&its, &name, sizeof its) == 0) return &layer;
    }
  return nullptr;
}

const Vault::SeenLayer* Vault::layer_of(const Connection& connection, const PinName& name) const {
  for (const SeenToken& token : connection.tokens)
    for (const SeenLayer& layer : token.layers)
      if (keeps_pin(layer) && pin_name(layer) == name) return &layer;
  return nullptr;
}

TurnVerdict Vault::send_pins(Connection* connection, const SeenLayer& layer, TurnVerdict verdict) {
  LayerPin news = make_record<LayerPin>(RecordType::kLayerPin);
  news.layer = layer_name(layer);
  news.verdict = verdict;
  Pins pins;
  if (Status status = read_pins(layer, &pins); !status && verdict != kPinIs) {
    log_error("token \"%s\" on %s: %s", layer.token.c_str(), news.layer.backend,
              status.error().text.c_str());
    news.verdict = verdict = kTurnNot;
  }
  news.pin = pins.pin;
  news.next = pins.next;
  const uint8_t* octets = reinterpret_cast<const uint8_t*>(&news);
  connection->unsent.emplace_back(octets, octets + sizeof news);
  wipe(&news, sizeof news);
  flush(connection);
  return verdict;
}

/* All that see such a layer: it has been set or changed. */
void Vault::tell_pins(const PinName& name) {
  for (auto& [number, connection] : connections_) {
    if (connection.phase != kTold || !connection.monitor) continue;
    if (const SeenLayer* layer = layer_of(connection, name)) send_pins(&connection, *layer, kPinIs);
  }
}

}  // namespace mp11
