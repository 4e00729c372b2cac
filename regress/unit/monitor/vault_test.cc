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
/* The vault's records: one verdict a connection, kAllow before the portfolio, nothing for the
 * unknown. */
#include <cstring>

#include "layer_prefix.h"
#include "vault_fixture.h"

using namespace mp11;
using namespace mp11::vault_test;

namespace {

Config sample() {
  Config c;
  c.backends.resize(2);
  c.backends[0].name = "hsm";
  c.backends[0].deadline_s = 2;
  c.backends[1].name = "other";
  c.tokens.resize(2);
  c.tokens[0].label = "One";
  c.tokens[0].serial = "77";
  c.tokens[0].allow = {"alice@R"};
  c.tokens[1].label = "Two";
  c.tokens[0].layers.resize(1);
  c.tokens[1].layers.resize(2);
  c.tokens[1].serial = "78";
  c.tokens[1].layers[0].backend = 1;
  c.tokens[1].layers[0].read_only = true;
  c.tokens[1].layers[1].required = true;
  c.tokens[1].layers[1].pin = kPinNone;
  c.tokens[1].layers[1].creates = kCreateData;
  c.tokens[1].layers[0].blind = true;
  c.tokens[1].layers[1].prefix.id_size = 1;
  c.tokens[1].layers[1].prefix.id[0] = 7;
  c.tokens[1].allow = {"uid:1000"};
  return c;
}

/* One connection at a time. */
struct Fixture : VaultFixture {
  explicit Fixture(const Config& config = sample()) : VaultFixture(config) {}
  void connect(uint64_t name, const Verdict* known = nullptr) {
    Ends ends = introduce(name, known);
    monitor = std::move(ends.monitor);
    auth = std::move(ends.auth);
  }
  UniqueFd auth, monitor;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(vault)

BOOST_AUTO_TEST_CASE(a_verdict_becomes_a_portfolio_only_after_priv_noted_it) {
  Fixture f;
  f.connect(5);
  BOOST_TEST((f.look(f.control) == RecordStatus::kAgain));
  Verdict v = verdict_for("alice@R");
  send_record(f.auth.get(), v);
  f.turn();
  auto allow = f.take<Allow>(f.control, RecordType::kAllow);
  BOOST_REQUIRE(allow.has_value());
  BOOST_TEST(allow->connection == 5u);
  BOOST_TEST(backends_of(*allow) == "0/0");
  BOOST_TEST(std::memcmp(&allow->verdict, &v, sizeof v) == 0);
  BOOST_TEST((f.look(f.monitor) == RecordStatus::kAgain)); /* [priv] has not said so yet */
  f.allowed(5);
  auto backend = f.take<PortfolioBackend>(f.monitor, RecordType::kPortfolioBackend);
  BOOST_REQUIRE(backend.has_value());
  BOOST_TEST(backend->backend == 0u);
  BOOST_TEST(backend->deadline_short_ms == 2000u);
  BOOST_TEST(std::string(backend->name) == "hsm");
  auto token = f.take<PortfolioToken>(f.monitor, RecordType::kPortfolioToken);
  BOOST_REQUIRE(token.has_value());
  BOOST_TEST(token->slot == 1u);
  BOOST_TEST(std::string(token->label) == "One");
  BOOST_TEST(std::string(token->serial) == "77");
  BOOST_TEST(token->layers == 1u);
  auto layer = f.take<PortfolioLayer>(f.monitor, RecordType::kPortfolioLayer);
  BOOST_REQUIRE(layer.has_value());
  BOOST_TEST(layer->backend == 0u);
  BOOST_TEST(layer->pin == uint32_t{kPinClient});
  auto end = f.take<PortfolioEnd>(f.monitor, RecordType::kPortfolioEnd);
  BOOST_REQUIRE(end.has_value());
  BOOST_TEST(end->expires_s == 4000000000u);
  BOOST_TEST(std::string(end->principal) == "alice@R");
  BOOST_TEST((f.look(f.monitor) == RecordStatus::kAgain));
}

BOOST_AUTO_TEST_CASE(a_second_verdict_ends_the_connection) {
  for (bool told : {false, true}) {
    Fixture f;
    f.connect(9);
    send_record(f.auth.get(), verdict_for("alice@R"));
    f.turn();
    BOOST_REQUIRE(f.take<Allow>(f.control, RecordType::kAllow).has_value());
    if (told) f.allowed(9);
    send_record(f.auth.get(), verdict_for("bob@R"));
    f.turn();
    auto end = f.take<ConnectionName>(f.control, RecordType::kVaultEnd);
    BOOST_REQUIRE(end.has_value());
    BOOST_TEST(end->connection == 9u);
    BOOST_TEST(f.vault->connections() == 0u);
  }
}

Renewal renewal_for(uint64_t connection, const char* who, uint64_t expires_s) {
  Renewal renewal = make_record<Renewal>(RecordType::kRenewal);
  renewal.connection = connection;
  renewal.expires_s = expires_s;
  std::strcpy(renewal.principal, who);
  return renewal;
}

BOOST_AUTO_TEST_CASE(a_renewal_reaches_the_monitor) {
  Fixture f;
  const Seen seen = f.VaultFixture::connect(5, "alice@R");
  BOOST_REQUIRE(
      (send_record(f.control.get(), renewal_for(5, "alice@R", 4000000100u)) == RecordStatus::kOk));
  f.turn();
  auto renewed = f.take<PortfolioRenewed>(seen.monitor, RecordType::kPortfolioRenewed);
  BOOST_REQUIRE(renewed.has_value());
  BOOST_TEST(renewed->expires_s == 4000000100u);
  /* Of one that has ended: nothing. */
  send_record(f.control.get(), renewal_for(6, "alice@R", 4000000100u));
  f.turn();
  BOOST_TEST((f.look(f.control) == RecordStatus::kAgain));
  BOOST_TEST(f.vault->connections() == 1u);
}

/* Before [priv] has noted the backends: the portfolio has the end that counts. */
BOOST_AUTO_TEST_CASE(a_renewal_before_the_portfolio) {
  Fixture f;
  f.connect(5);
  send_record(f.auth.get(), verdict_for("alice@R"));
  f.turn();
  BOOST_REQUIRE(f.take<Allow>(f.control, RecordType::kAllow).has_value());
  send_record(f.control.get(), renewal_for(5, "alice@R", 4000000100u));
  f.allowed(5);
  BOOST_TEST(f.take<PortfolioBackend>(f.monitor, RecordType::kPortfolioBackend).has_value());
  BOOST_TEST(f.take<PortfolioToken>(f.monitor, RecordType::kPortfolioToken).has_value());
  BOOST_TEST(f.take<PortfolioLayer>(f.monitor, RecordType::kPortfolioLayer).has_value());
  auto end = f.take<PortfolioEnd>(f.monitor, RecordType::kPortfolioEnd);
  BOOST_REQUIRE(end.has_value());
  BOOST_TEST(end->expires_s == 4000000100u);
}

BOOST_AUTO_TEST_CASE(a_renewal_that_is_not_of_the_verdict_ends_the_connection) {
  Renewal no_end = renewal_for(5, "alice@R", 4000000100u);
  std::memset(no_end.principal, 'x', sizeof no_end.principal);
  for (const Renewal& renewal :
       {renewal_for(5, "bob@R", 4000000100u), renewal_for(5, "alice@R", 4000000000u),
        renewal_for(5, "alice@R", 1), renewal_for(5, "alice@R", 0), no_end}) {
    Fixture f;
    const Seen seen = f.VaultFixture::connect(5, "alice@R");
    send_record(f.control.get(), renewal);
    f.turn();
    BOOST_TEST(f.take<ConnectionName>(f.control, RecordType::kVaultEnd).has_value());
    BOOST_TEST(f.vault->connections() == 0u);
    BOOST_TEST((f.look(seen.monitor) == RecordStatus::kClosed));
  }
  /* Nor have local clients any tickets, and a verdict is awaited before it is renewed. */
  Fixture local;
  (void)local.VaultFixture::connect(5, "uid:1000");
  send_record(local.control.get(), renewal_for(5, "uid:1000", 4000000100u));
  local.turn();
  BOOST_TEST(local.vault->connections() == 0u);
  Fixture early;
  early.connect(5);
  send_record(early.control.get(), renewal_for(5, "alice@R", 4000000100u));
  early.turn();
  BOOST_TEST(early.vault->connections() == 0u);
}

BOOST_AUTO_TEST_CASE(verdicts_that_auth_may_not_give) {
  Verdict local = verdict_for("uid:1000");
  Verdict expired = verdict_for("alice@R");
  expired.expires_s = 1;
  Verdict for_ever = verdict_for("alice@R");
  for_ever.expires_s = 0;
  Verdict no_realm = verdict_for("alice");
  Verdict no_end = verdict_for("alice@R");
  std::memset(no_end.principal, 'x', sizeof no_end.principal);
  Verdict reserved = verdict_for("alice@R");
  reserved.reserved = 1;
  Verdict kind = verdict_for("alice@R");
  kind.kind = 7;
  for (const Verdict& v : {local, expired, for_ever, no_realm, no_end, reserved, kind}) {
    Fixture f;
    f.connect(3);
    send_record(f.auth.get(), v);
    f.turn();
    BOOST_TEST(f.take<ConnectionName>(f.control, RecordType::kVaultEnd).has_value());
    BOOST_TEST((f.look(f.monitor) == RecordStatus::kClosed));
  }
}

BOOST_AUTO_TEST_CASE(whoever_breaks_the_form_ends_its_connection) {
  const uint8_t noise[100] = {};
  for (bool from_auth : {true, false}) {
    Fixture f;
    f.connect(3);
    const UniqueFd& socket = from_auth ? f.auth : f.monitor;
    BOOST_REQUIRE((send_record(socket.get(), noise, sizeof noise) == RecordStatus::kOk));
    f.turn();
    BOOST_TEST(f.take<ConnectionName>(f.control, RecordType::kVaultEnd).has_value());
    BOOST_TEST(f.vault->connections() == 0u);
  }
}

BOOST_AUTO_TEST_CASE(local_clients_have_their_verdict_from_priv) {
  Fixture f;
  Verdict v = verdict_for("uid:1000");
  f.connect(4, &v);
  auto allow = f.take<Allow>(f.control, RecordType::kAllow);
  BOOST_REQUIRE(allow.has_value());
  BOOST_TEST(backends_of(*allow) == "1/0 0/0"); /* of one of its layers each */
  f.allowed(4);
  for (int i = 0; i < 2; i++)
    BOOST_TEST(f.take<PortfolioBackend>(f.monitor, RecordType::kPortfolioBackend).has_value());
  auto token = f.take<PortfolioToken>(f.monitor, RecordType::kPortfolioToken);
  BOOST_REQUIRE(token.has_value());
  BOOST_TEST(token->slot == 2u);
  BOOST_TEST(token->layers == 2u);
  auto upper = f.take<PortfolioLayer>(f.monitor, RecordType::kPortfolioLayer);
  auto lower = f.take<PortfolioLayer>(f.monitor, RecordType::kPortfolioLayer);
  BOOST_REQUIRE((upper.has_value() && lower.has_value()));
  BOOST_TEST(upper->backend == 0u); /* numbers of this connection, in the order of kAllow */
  BOOST_TEST(upper->flags == (kLayerReadOnly | kLayerBlind));
  BOOST_TEST(!has_prefix(upper->prefix));
  BOOST_TEST(id_prefix_hex(lower->prefix) == "07");
  BOOST_TEST(lower->backend == 1u);
  BOOST_TEST(lower->flags == uint32_t{kLayerRequired});
  BOOST_TEST(lower->pin == uint32_t{kPinNone});
}

/* A PIN goes to the monitors of those who see its layer, and to nobody else's. */
BOOST_AUTO_TEST_CASE(a_stored_pin_goes_to_who_sees_the_layer) {
  Config config = sample();
  LayerConfig& layer = config.tokens[1].layers[0];
  layer.pin = kPinStored;
  layer.stored_pin = "5678";
  layer.allow = {"uid:1000"};
  config.tokens[1].allow = {"uid:1000", "uid:1001"};
  VaultFixture f(config);
  BOOST_TEST((f.connect("uid:1000").pins == std::vector<std::string>{"5678"}));
  BOOST_TEST(f.connect("uid:1001").pins.empty());
}

BOOST_AUTO_TEST_CASE(a_filter_follows_its_layer) {
  Config config = sample();
  config.tokens[1].layers[0].filter.emplace().plan.flags = kFilterNoExport;
  VaultFixture f(config);
  const Seen seen = f.connect("uid:1000");
  BOOST_TEST(seen.backends.size() == 2u);
  BOOST_REQUIRE(seen.tokens.size() == 1u);
  const SeenLayer &upper = seen.tokens[0].layers.at(0), &lower = seen.tokens[0].layers.at(1);
  BOOST_TEST((upper.row.flags & kLayerFiltered) != 0u);
  BOOST_REQUIRE(upper.filter.has_value());
  BOOST_TEST(upper.filter->plan.flags == uint32_t{kFilterNoExport});
  BOOST_TEST((lower.row.flags & kLayerFiltered) == 0u);
  BOOST_TEST(!lower.filter.has_value());
}

/* Neither the layer nor its backend are for who is not in the layer's list. */
BOOST_AUTO_TEST_CASE(a_layer_that_is_for_others) {
  Config config = sample();
  config.tokens[1].layers[0].allow = {"uid:1001"};
  VaultFixture f(config);
  const Seen seen = f.connect("uid:1000");
  BOOST_TEST(backends_of(seen.allow) == "0/0");
  BOOST_TEST(seen.backends.size() == 1u);
  BOOST_REQUIRE(seen.tokens.size() == 1u);
  BOOST_TEST(seen.tokens[0].row.layers == 1u);
  BOOST_REQUIRE(seen.tokens[0].layers.size() == 1u);
  const PortfolioLayer& layer = seen.tokens[0].layers[0].row;
  BOOST_TEST(layer.pin == uint32_t{kPinNone});
  BOOST_TEST(layer.creates == uint32_t{kCreateData});
}

BOOST_AUTO_TEST_CASE(a_stranger_gets_an_empty_portfolio) {
  VaultFixture f(sample());
  const Seen seen = f.connect("uid:5");
  BOOST_TEST(backends_of(seen.allow) == "");
  BOOST_TEST((seen.backends.empty() && seen.tokens.empty()));
}

BOOST_AUTO_TEST_CASE(a_portfolio_larger_than_the_socket_arrives_whole) {
  Config big = sample();
  big.tokens.assign(1000, big.tokens[1]);
  Fixture f(big);
  Verdict v = verdict_for("uid:1000");
  f.connect(4, &v);
  BOOST_REQUIRE(f.take<Allow>(f.control, RecordType::kAllow).has_value());
  f.allowed(4);
  unsigned tokens = 0;
  bool whole = false;
  for (int i = 0; i < 5000 && !whole; i++) {
    RecordBuffer buffer;
    if (buffer.receive(f.monitor.get(), false) != RecordStatus::kOk) {
      f.turn();
      continue;
    }
    tokens += buffer.as<PortfolioToken>(RecordType::kPortfolioToken) != nullptr ? 1 : 0;
    whole = buffer.as<PortfolioEnd>(RecordType::kPortfolioEnd) != nullptr;
  }
  BOOST_TEST(whole);
  BOOST_TEST(tokens == 1000u);
}

BOOST_AUTO_TEST_CASE(an_ended_connection_is_forgotten) {
  Fixture f;
  f.connect(4);
  BOOST_TEST(f.vault->connections() == 1u);
  ConnectionName end = make_record<ConnectionName>(RecordType::kVaultEnd);
  end.connection = 4;
  send_record(f.control.get(), end);
  f.turn();
  BOOST_TEST(f.vault->connections() == 0u);
  BOOST_TEST((f.look(f.auth) == RecordStatus::kClosed));
  BOOST_TEST((f.look(f.monitor) == RecordStatus::kClosed));
}

BOOST_AUTO_TEST_SUITE_END()
