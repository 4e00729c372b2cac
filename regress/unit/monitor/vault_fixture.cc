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
#include "vault_fixture.h"

#include <sqlite3.h>

namespace mp11::vault_test {

Policy policy_of(const Config& config) {
  auto policy = Policy::read(serialise_policy(config));
  BOOST_REQUIRE_MESSAGE(policy.ok(), (policy.ok() ? "" : policy.error().text));
  return std::move(*policy);
}

MasterKeys keys_of(const std::string& text) {
  auto keys = MasterKeys::read({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  BOOST_REQUIRE_MESSAGE(keys.ok(), (keys.ok() ? "" : keys.error().text));
  return std::move(*keys);
}

std::string text_of(const StoredPin& pin) {
  return std::string(reinterpret_cast<const char*>(pin.pin), pin.size);
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

Verdict verdict_for(const std::string& who) {
  Verdict verdict = verdict_of(who);
  if (verdict.kind == kVerdictKerberos) verdict.expires_s = 4000000000u;
  return verdict;
}

std::string backends_of(const Allow& allow) {
  std::string text;
  for (uint32_t i = 0; i < allow.count; i++)
    text += (i != 0 ? " " : "") + std::to_string(allow.backends[i].backend) + "/" +
            std::to_string(allow.backends[i].uid);
  return text;
}

/* ---- StateDir */

std::unique_ptr<VaultState> StateDir::state() const {
  auto opened = VaultState::open(database());
  BOOST_REQUIRE_MESSAGE(opened.ok(), (opened.ok() ? "" : opened.error().text));
  return std::move(*opened);
}

void StateDir::sql(const std::string& text) const {
  sqlite3* opened = nullptr;
  BOOST_REQUIRE(sqlite3_open(database().c_str(), &opened) == SQLITE_OK);
  BOOST_REQUIRE(sqlite3_exec(opened, text.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(opened);
}

/* ---- Seen */

static const SeenLayer* only_layer(const Seen& seen, const std::string& token) {
  for (const SeenToken& one : seen.tokens)
    if (one.row.label == token && one.layers.size() == 1) return &one.layers[0];
  return nullptr;
}

const SeenLayer& Seen::layer(const std::string& token) const {
  const SeenLayer* its = only_layer(*this, token);
  BOOST_REQUIRE_MESSAGE(its != nullptr, token);
  return *its;
}

const PortfolioPin& Seen::pin(const std::string& token) const {
  BOOST_REQUIRE_MESSAGE(has_pin(token), token);
  return *layer(token).pin;
}

bool Seen::has_pin(const std::string& token) const {
  const SeenLayer* its = only_layer(*this, token);
  return its != nullptr && its->pin.has_value();
}

/* ---- VaultFixture */

void VaultFixture::start(const Config& config, std::unique_ptr<VaultState> state, MasterKeys keys,
                         UniqueFd admins) {
  vault.reset();
  auto pair = record_pair();
  BOOST_REQUIRE(pair.ok());
  control = std::move(pair->first);
  vault = std::make_unique<Vault>(&loop, policy_of(config), std::move(state), std::move(keys),
                                  std::move(pair->second), std::move(admins));
}

void VaultFixture::turn() {
  for (int i = 0; i < 10; i++) {
    loop.after(0, [] {});
    loop.run_once();
  }
}

void VaultFixture::send_name(RecordType type, uint64_t name) {
  ConnectionName record = make_record<ConnectionName>(type);
  record.connection = name;
  send_record(control.get(), record);
  turn();
}

VaultFixture::Ends VaultFixture::introduce(uint64_t name, const Verdict* known) {
  auto with_monitor = record_pair(), with_auth = record_pair();
  BOOST_REQUIRE((with_monitor.ok() && with_auth.ok()));
  VaultConnection record = make_record<VaultConnection>(RecordType::kVaultConnection);
  record.connection = name;
  record.has_verdict = known != nullptr;
  if (known != nullptr) record.verdict = *known;
  const int fds[] = {with_monitor->first.get(), with_auth->first.get()};
  BOOST_REQUIRE(
      (send_record(control.get(), record, {fds, known != nullptr ? 1u : 2u}) == RecordStatus::kOk));
  with_monitor->first.reset();
  with_auth->first.reset();
  turn();
  return {std::move(with_monitor->second), std::move(with_auth->second)};
}

Seen VaultFixture::connect(uint64_t name, const std::string& who) {
  const Verdict verdict = verdict_for(who);
  const bool local = verdict.kind == kVerdictLocal;
  Ends ends = introduce(name, local ? &verdict : nullptr);
  if (!local) send_record(ends.auth.get(), verdict);
  turn();
  RecordBuffer record;
  do { /* that others have ended is not asked here */
    BOOST_REQUIRE((record.receive(control.get(), true) == RecordStatus::kOk));
  } while (record.as<ConnectionName>(RecordType::kVaultEnd) != nullptr);
  const Allow* allow = record.as<Allow>(RecordType::kAllow);
  BOOST_REQUIRE(allow != nullptr);
  BOOST_TEST(allow->connection == name);
  Seen seen;
  seen.monitor = std::move(ends.monitor);
  seen.allow = *allow;
  allowed(name);
  read_portfolio(&seen);
  return seen;
}

void VaultFixture::read_portfolio(Seen* seen) {
  for (bool end = false; !end; turn()) {
    RecordBuffer got;
    BOOST_REQUIRE((got.receive(seen->monitor.get(), true) == RecordStatus::kOk));
    if (const auto* backend = got.as<PortfolioBackend>(RecordType::kPortfolioBackend)) {
      seen->backends.push_back(*backend);
    } else if (const auto* token = got.as<PortfolioToken>(RecordType::kPortfolioToken)) {
      seen->tokens.push_back({*token, {}});
    } else if (const auto* layer = got.as<PortfolioLayer>(RecordType::kPortfolioLayer)) {
      seen->tokens.back().layers.push_back({*layer, {}, {}});
      seen->ids.push_back(layer->at_backend.label);
      seen->made.push_back((layer->flags & kLayerUnmade) == 0);
    } else if (const auto* pin = got.as<PortfolioPin>(RecordType::kPortfolioPin)) {
      seen->tokens.back().layers.back().pin = *pin;
      seen->pins.push_back(text_of(pin->pin));
    } else if (const auto* filter = got.as<PortfolioFilter>(RecordType::kPortfolioFilter)) {
      seen->tokens.back().layers.back().filter = *filter;
    } else {
      end = got.as<PortfolioEnd>(RecordType::kPortfolioEnd) != nullptr;
      BOOST_REQUIRE(end);
    }
  }
}

}  // namespace mp11::vault_test
