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
 * Vault, what an administrator may ask (vault_records.h): `multip11 vault`.
 *
 * Every change, and every PIN that is shown, is a line of the log that begins with "audit:". It
 * says who, by uid and process, and what, and never a PIN.
 *
 * Trust: who asks is an administrator (VaultAdmins). All the same only what a layer of the policy
 * names, or might name for some person, is set.
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

uint64_t now_s() { return static_cast<uint64_t>(::time(nullptr)); }

template <size_t N>
void put_text(char (&field)[N], const std::string& text) {
  std::memset(field, 0, N);
  std::memcpy(field, text.data(), std::min(text.size(), N - 1));
}

const char* name_of(uint32_t command) {
  switch (command) {
    case kVaultSet:
      return "has set the PIN of";
    case kVaultRotate:
      return "has asked for another PIN of";
    case kVaultExport:
      return "has been shown the PIN of";
    case kVaultRekey:
      return "has put all PINs under the last master key";
    default:
      return "has removed the PIN of";
  }
}

}  // namespace

VaultAnswer Vault::serve(const VaultRequest& request, const PeerCredentials& who,
                         std::vector<VaultEntry>* entries) {
  VaultAnswer answer = make_record<VaultAnswer>(RecordType::kVaultAnswer);
  bool changing = false;
  std::string text;
  auto run = [&]() -> Status {
    switch (request.command) {
      case kVaultList:
        return list_pins(entries);
      case kVaultSet:
        return set_command(request, &changing);
      case kVaultRotate:
        return rotate_command(request);
      case kVaultExport:
        return request.hidden != 0 ? export_hidden(request, &answer)
                                   : export_command(request, &answer);
      case kVaultRekey:
        return rekey_command(&text);
      default:
        return request.hidden != 0 ? state_->forget_hidden(request.backend, request.token)
                                   : remove_command(request, &changing);
    }
  };
  const Status status = run();
  answer.result = status ? kVaultDone : changing ? kVaultChanging : kVaultRefused;
  put_text(answer.text, status ? text : status.error().text);
  if (request.command == kVaultList) return answer;
  const std::string token = request.command == kVaultRekey
                                ? std::string()
                                : (request.hidden != 0 ? " hidden token \"" : " token \"") +
                                      std::string(request.token) + "\" on " + request.backend;
  log_info("audit: uid %u, process %d: %s%s%s%s", who.uid, who.pid, name_of(request.command),
           token.c_str(), status ? "" : "; refused: ", status ? "" : answer.text);
  return answer;
}

/* ---- which one */

/* What a layer of the policy may be for somebody. The kind is that of the layer. */
Result<Vault::PinName> Vault::named(const VaultRequest& request) {
  const std::string backend = request.backend, token = request.token;
  bool known = false;
  std::optional<PinKind> kind;
  for (const PolicyBackend& one : policy_.backends()) known |= backend == one.name;
  for (const PolicyToken& one : policy_.tokens())
    for (const PolicyLayer& layer : policy_.layers(one)) {
      if (backend != policy_.backends()[layer.backend].name) continue;
      const bool its = may_be_named(layer, token);
      if (its && layer.pin == kPinVault) kind = PinKind::kVault;
      if (its && layer.pin == kPinDerived && !kind) kind = PinKind::kDerived;
    }
  if (!known) return Error{0, "there is no backend " + backend + " in the configuration"};
  if (!kind)
    return Error{
        0, "no layer has pin = vault or on-demand = yes and token = " + token + " on " + backend};
  return PinName{*kind, backend, token};
}

Result<VaultState::DemandedToken> Vault::made_token(const PinName& name) {
  Result<std::vector<VaultState::NamedToken>> all = state_->all_demanded();
  if (!all) return all.error();
  for (VaultState::NamedToken& one : *all)
    if (one.backend == name.backend && one.token == name.token && one.what.made)
      return std::move(one.what);
  return Error{0, "it has not been made yet: nobody has used it"};
}

/* ---- the commands */

Status Vault::list_pins(std::vector<VaultEntry>* entries) {
  Result<VaultState::PinRows> rows = state_->pins();
  if (!rows) return rows.error();
  Result<std::vector<VaultState::NamedToken>> tokens = state_->all_demanded();
  if (!tokens) return tokens.error();
  std::map<PinName, VaultEntry> all;
  auto add = [&all](const PinName& name) -> VaultEntry& {
    VaultEntry entry = make_record<VaultEntry>(RecordType::kVaultEntry);
    entry.pin = name.kind == PinKind::kVault ? kPinVault : kPinDerived;
    put_text(entry.backend, name.backend);
    put_text(entry.token, name.token);
    return all.try_emplace(name, entry).first->second;
  };
  for (const PolicyToken& token : policy_.tokens())
    for (const PolicyLayer& layer : policy_.layers(token))
      if (layer.pin == kPinVault && layer.of_person[0] == '\0')
        add({PinKind::kVault, policy_.backends()[layer.backend].name,
             token_name(layer.at_backend)});
  for (const VaultState::NamedToken& token : *tokens) {
    VaultEntry& entry = add({PinKind::kDerived, token.backend, token.token});
    entry.flags = token.what.made ? uint32_t{kEntryMade} : 0u;
    entry.key = token.what.user_key;
  }
  for (const auto& [name, row] : *rows) {
    VaultEntry& entry = add(name);
    entry.key = row.key;
    entry.next_key = row.next_key;
    entry.changed_s = row.changed_s;
    Pins pins;
    if (name.kind == PinKind::kVault && !open_row(name, row, &pins)) entry.flags |= kEntryUnusable;
  }
  Result<std::vector<Retirable>> retirable = state_->retirable();
  if (!retirable) return retirable.error();
  for (const Retirable& token : *retirable)
    if (auto its = all.find({PinKind::kDerived, token.name.backend, token.name.token});
        its != all.end())
      its->second.gone_s = token.gone.since_s;
  for (const auto& [name, entry] : all) entries->push_back(entry);
  return list_hidden(entries);
}

Status Vault::list_hidden(std::vector<VaultEntry>* entries) {
  Result<std::vector<VaultState::HiddenToken>> tokens = state_->hidden();
  if (!tokens) return tokens.error();
  for (const VaultState::HiddenToken& token : *tokens) {
    VaultEntry& entry = entries->emplace_back(make_record<VaultEntry>(RecordType::kVaultEntry));
    entry.pin = kPinDerived;
    entry.flags = kEntryMade | kEntryHidden;
    entry.key = token.what.user_key;
    entry.next_key = token.next_key;
    entry.changed_s = entry.gone_s = token.since_s;
    put_text(entry.backend, token.name.backend);
    put_text(entry.token, token.name.token);
    put_text(entry.id, token.what.id);
  }
  return ok();
}

Status Vault::export_hidden(const VaultRequest& request, VaultAnswer* answer) {
  Result<std::vector<VaultState::HiddenToken>> tokens = state_->hidden();
  if (!tokens) return tokens.error();
  for (const VaultState::HiddenToken& token : *tokens) {
    if (token.name.backend != request.backend || token.what.id != request.token) continue;
    Pins pins;
    const PinRow row{.key = token.what.user_key, .next_key = token.next_key};
    Status status = derive_row({PinKind::kDerived, token.name.backend, token.name.token}, row,
                               token.what, &pins);
    if (!status) return status;
    answer->pin = pins.pin;
    answer->next = pins.next;
    return ok();
  }
  return Error{0, "there is no such hidden token; list shows the ids of those that there are"};
}

/*
 * A monitor that was told to change it may be before C_SetPIN or in it: what the token has then
 * must not be forgotten, whatever the administrator says.
 */
Status Vault::may_forget(const PinName& name, const PinRow& row, bool force, bool* changing) const {
  auto turning = turnings_.find(name);
  if (turning != turnings_.end() && turning->second.connection != 0)
    return Error{0, "it is being changed now; try again in two minutes"};
  if (row.next_key == 0 || force) return ok();
  *changing = true;
  return Error{0, "it is being changed, and may have the new PIN already; export shows both"};
}

Status Vault::set_command(const VaultRequest& request, bool* changing) {
  Result<PinName> name = named(request);
  if (!name) return name.error();
  if (name->kind == PinKind::kDerived)
    return Error{0, "its PIN is derived and was never anybody's to choose; rotate changes it"};
  Status status = state_->change_pin(*name, [&](std::optional<PinRow>* place) -> Status {
    PinRow row = place->value_or(PinRow{});
    if (Status may = may_forget(*name, row, request.force != 0, changing); !may) return may;
    Result<std::vector<uint8_t>> sealed =
        seal_pin(keys_, keys_.count(), {name->backend, name->token, false}, request.pin);
    if (!sealed) return sealed.error();
    row.key = keys_.count();
    row.sealed = std::move(*sealed);
    row.next_key = 0;
    row.next.clear();
    row.begun++; /* whom another vault has told to change it is not believed any more */
    row.changed_s = now_s();
    *place = std::move(row);
    return ok();
  });
  if (!status) return status;
  stuck_.erase(*name);
  tell_pins(*name);
  return ok();
}

Status Vault::rotate_command(const VaultRequest& request) {
  Result<PinName> name = named(request);
  if (!name) return name.error();
  uint32_t key = 0;
  if (name->kind == PinKind::kDerived) {
    Result<VaultState::DemandedToken> token = made_token(*name);
    if (!token) return token.error();
    key = token->user_key;
    if (key >= keys_.count())
      return Error{0,
                   "its PIN comes from the last line of master-key; add one, send multip11d "
                   "SIGHUP, and rotate then"};
  }
  Status status = state_->change_pin(*name, [&](std::optional<PinRow>* place) -> Status {
    if (!*place && name->kind == PinKind::kVault)
      return Error{0, "it has no PIN yet; set one first"};
    PinRow row = place->value_or(PinRow{.key = key});
    if (row.next_key != 0) return Error{0, "it is being changed already, with the next login"};
    if (name->kind == PinKind::kVault) {
      Pins pins;
      if (Status opened = open_row(*name, row, &pins); !opened) return opened;
      if (Status made = make_pin(&pins.next); !made) return made;
      Result<std::vector<uint8_t>> sealed =
          seal_pin(keys_, keys_.count(), {name->backend, name->token, true}, pins.next);
      if (!sealed) return sealed.error();
      row.next = std::move(*sealed);
    }
    row.next_key = keys_.count();
    row.started = row.begun;
    *place = std::move(row);
    return ok();
  });
  if (status) tell_pins(*name);
  return status;
}

Status Vault::export_command(const VaultRequest& request, VaultAnswer* answer) {
  Result<PinName> name = named(request);
  if (!name) return name.error();
  Result<std::optional<PinRow>> row = state_->pin(*name);
  if (!row) return row.error();
  Pins pins;
  Status status = ok();
  if (name->kind == PinKind::kDerived) {
    Result<VaultState::DemandedToken> token = made_token(*name);
    if (!token) return token.error();
    status = derive_row(*name, row->value_or(PinRow{.key = token->user_key}), *token, &pins);
  } else if (!*row) {
    status = Error{0, "it has no PIN yet"};
  } else {
    status = open_row(*name, **row, &pins);
  }
  if (!status) return status;
  answer->pin = pins.pin;
  answer->next = pins.next;
  return ok();
}

/* All or none: an entry that does not open is told, and nothing is changed. */
Status Vault::rekey_command(std::string* text) {
  const uint32_t last = keys_.count();
  Result<std::vector<VaultState::NamedToken>> tokens = state_->all_demanded();
  if (!tokens) return tokens.error();
  size_t sealed_anew = 0, asked = 0, later = 0;
  std::vector<PinName> changed;
  Status status = state_->change_pins([&](VaultState::PinRows* rows) -> Status {
    for (const VaultState::NamedToken& token : *tokens)
      if (token.what.made && token.what.user_key != last)
        rows->try_emplace({PinKind::kDerived, token.backend, token.token},
                          PinRow{.key = token.what.user_key});
    for (auto& [name, row] : *rows) {
      if (name.kind == PinKind::kDerived) {
        later += row.next_key != 0 && row.next_key != last;
        if (row.key == last || row.next_key != 0) continue;
        row.next_key = last;
        row.started = row.begun;
        changed.push_back(name);
        asked++;
        continue;
      }
      Pins pins;
      if (Status opened = open_row(name, row, &pins); !opened)
        return Error{0, "token \"" + name.token + "\" on " + name.backend + ": " +
                            opened.error().text + "; set or remove it first"};
      for (bool next : {false, true}) {
        if (next && row.next_key == 0) continue;
        Result<std::vector<uint8_t>> sealed =
            seal_pin(keys_, last, {name.backend, name.token, next}, next ? pins.next : pins.pin);
        if (!sealed) return sealed.error();
        (next ? row.next : row.sealed) = std::move(*sealed);
        (next ? row.next_key : row.key) = last;
      }
      sealed_anew++;
    }
    return ok();
  });
  if (!status) return status;
  for (const PinName& name : changed) tell_pins(name);
  *text = std::to_string(sealed_anew) + " PINs are encrypted under line " + std::to_string(last) +
          " of master-key; " + std::to_string(asked) + " derived ones change with the next login";
  if (later != 0)
    *text +=
        "; " + std::to_string(later) + " are being changed to an older line: rekey once more then";
  return ok();
}

/* Also of a token that no layer names any more. */
Status Vault::remove_command(const VaultRequest& request, bool* changing) {
  const PinName name{PinKind::kVault, request.backend, request.token};
  Status status = state_->change_pin(name, [&](std::optional<PinRow>* place) -> Status {
    if (!*place) return Error{0, "the vault keeps no such PIN; list shows those that it keeps"};
    if (Status may = may_forget(name, **place, request.force != 0, changing); !may) return may;
    place->reset();
    return ok();
  });
  if (!status) return status;
  stuck_.erase(name);
  tell_pins(name);
  return ok();
}

}  // namespace mp11
