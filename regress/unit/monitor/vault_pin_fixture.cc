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
#include "vault_pin_fixture.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <iterator>

namespace mp11::vault_test {

namespace {

Config sample() {
  Config c;
  c.backends.resize(2);
  c.backends[0].name = "hsm";
  c.backends[1].name = "other";
  auto add = [&](const char* label, PinMode pin, bool of_person = false) {
    TokenConfig& token = c.tokens.emplace_back();
    token.label = label;
    token.serial = label;
    token.allow = {"uid:1000", "uid:1001"};
    LayerConfig& layer = token.layers.emplace_back();
    layer.at_backend.label = label;
    layer.of_person = of_person;
    layer.pin = pin;
    layer.on_demand = pin == kPinDerived;
  };
  add("safe", kPinVault);
  add("of %p", kPinVault, true);
  add("made", kPinDerived);
  add("open", kPinClient);
  return c;
}

UniqueFd seqpacket() {
  return UniqueFd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

}  // namespace

std::string key_line(char digit) { return std::string(64, digit) + "\n"; }

StoredPin stored(const std::string& pin) {
  StoredPin stored{};
  stored.size = static_cast<uint32_t>(pin.size());
  std::memcpy(stored.pin, pin.data(), pin.size());
  return stored;
}

std::string verdict(uint32_t verdict, const std::string& pin, const std::string& next) {
  return std::to_string(verdict) + " " + pin + " " + next;
}

PinFixture::PinFixture(const std::string& keys) {
  ::chmod(dir.path().c_str(), 0755); /* others reach its socket */
  start(keys);
}

void PinFixture::start(const std::string& keys) {
  vault.reset(); /* before another opens its database */
  VaultFixture::start(sample(), dir.state(), keys_of(keys), listener());
}

std::string PinFixture::database() {
  std::ifstream file(dir.database(), std::ios::binary);
  std::string all((std::istreambuf_iterator<char>(file)), {});
  BOOST_REQUIRE(all.size() > 100);
  return all;
}

/* ---- An administrator */

UniqueFd PinFixture::listener() const {
  UniqueFd fd = seqpacket();
  const sockaddr_un address = where();
  ::unlink(address.sun_path);
  BOOST_REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  BOOST_REQUIRE(::chmod(address.sun_path, 0666) == 0);
  BOOST_REQUIRE(::listen(fd.get(), 10) == 0);
  return fd;
}

sockaddr_un PinFixture::where() const {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, dir.file("sock").c_str());
  return address;
}

UniqueFd PinFixture::admin() {
  UniqueFd fd = seqpacket();
  const sockaddr_un address = where();
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    fd.reset();
  return fd;
}

VaultRequest PinFixture::request(VaultCommand command, const char* token, const char* pin,
                                 const char* backend) {
  VaultRequest request = make_record<VaultRequest>(RecordType::kVaultRequest);
  request.command = command;
  if (*token != '\0') std::strcpy(request.backend, backend);
  std::strcpy(request.token, token);
  request.pin = stored(pin);
  return request;
}

VaultAnswer PinFixture::ask(const VaultRequest& request) {
  UniqueFd fd = admin();
  BOOST_REQUIRE(fd);
  BOOST_REQUIRE((send_record(fd.get(), request) == RecordStatus::kOk));
  turn();
  entries.clear();
  RecordBuffer record;
  while (record.receive(fd.get(), false) == RecordStatus::kOk) {
    if (const auto* entry = record.as<VaultEntry>(RecordType::kVaultEntry))
      entries.push_back(*entry);
    if (const auto* answer = record.as<VaultAnswer>(RecordType::kVaultAnswer)) return *answer;
    turn();
  }
  return VaultAnswer{};
}

VaultAnswer PinFixture::forced(VaultCommand command, const char* token, const char* pin) {
  VaultRequest forced = request(command, token, pin);
  forced.force = 1;
  return ask(forced);
}

uint32_t PinFixture::does(VaultCommand command, const char* token, const char* pin) {
  last = ask(request(command, token, pin));
  return last.result;
}

std::string PinFixture::pin_of(const char* token) {
  return does(kVaultExport, token) == kVaultDone ? text_of(last.pin) : "";
}

std::string PinFixture::entry_of(const char* token) {
  BOOST_REQUIRE(does(kVaultList) == kVaultDone);
  for (const VaultEntry& e : entries)
    if (std::string(e.token) == token)
      return std::string(e.pin == kPinVault ? "vault " : "derived ") + std::to_string(e.key) + " " +
             std::to_string(e.next_key) + " " + std::to_string(e.flags) +
             (e.changed_s != 0 ? " since" : "");
  return "";
}

/* ---- A monitor that changes the PIN of a layer */

PinTurn PinFixture::turn_of(const Seen& seen, const char* token, RecordType type, uint32_t outcome,
                            uint32_t size) {
  PinTurn record = make_record<PinTurn>(type);
  std::strcpy(record.layer.backend, "hsm");
  record.layer.at_backend = seen.layer(token).row.at_backend;
  record.outcome = outcome;
  record.pin_size = size;
  return record;
}

void PinFixture::say(const Seen& seen, const char* token, RecordType type, uint32_t outcome,
                     uint32_t size) {
  send_record(seen.monitor.get(), turn_of(seen, token, type, outcome, size));
  turn();
}

std::string PinFixture::heard(const Seen& seen) {
  RecordBuffer record;
  const RecordStatus status = record.receive(seen.monitor.get(), false);
  if (status == RecordStatus::kAgain) return "";
  const auto* news =
      status == RecordStatus::kOk ? record.as<LayerPin>(RecordType::kLayerPin) : nullptr;
  if (news == nullptr) return "closed";
  return verdict(news->verdict, text_of(news->pin), text_of(news->next));
}

}  // namespace mp11::vault_test
