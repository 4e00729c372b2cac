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
 * Connection and its vault: the portfolio that comes first, and vaults that die and come back. If
 * these failed, a monitor would serve what it was not given, or tell one vault what another was
 * asked.
 */
#include "connection_fixture.h"

namespace mp11::connection_test {
namespace {

BOOST_AUTO_TEST_SUITE(connection_vault)

BOOST_AUTO_TEST_CASE(no_call_before_the_portfolio) {
  Daemon d;
  d.send_portfolio({backend_plan(0)}, {token_plan(1, 0, 0, "t0")}, 0, false);
  pollfd fds{d.client_socket.get(), POLLIN, 0};
  BOOST_TEST(::poll(&fds, 1, 200) == 0); /* there is not even a channel */
}

BOOST_AUTO_TEST_CASE(the_vault_dies_before_the_portfolio_is_whole) {
  for (bool noticed : {true, false}) {
    Daemon d;
    d.send_portfolio({backend_plan(0), backend_plan(1)}, {token_plan(1, 0, 0, "t0")}, 0, false);
    if (noticed) d.drop_vault();
    ::usleep(50'000);
    UniqueFd old = d.new_vault(); /* starts anew: what the old one sent must not count twice */
    d.begin();
    CK_SLOT_ID slots[8];
    CK_ULONG count = 8;
    BOOST_TEST(d.call(kC_GetSlotList, {0, word(slots), word(&count)}) == CKR_OK);
    BOOST_TEST(count == 2u);
  }
}

BOOST_AUTO_TEST_CASE(the_vault_dies_later) {
  Daemon d;
  d.begin();
  d.drop_vault();
  CK_SESSION_HANDLE session = 0;
  BOOST_TEST(d.open(1, &session) == CKR_OK);
  d.new_vault();
  BOOST_TEST(d.open(2, &session) == CKR_OK);
  d.send_usual_portfolio(); /* the new one says it again: nothing changes */
  BOOST_TEST(d.open(2, &session) == CKR_OK);
  CK_SLOT_ID slots[8];
  CK_ULONG count = 8;
  BOOST_TEST(d.call(kC_GetSlotList, {0, word(slots), word(&count)}) == CKR_OK);
  BOOST_TEST(count == 2u);
}

/* It lives beyond the old end and ends at the new one; no record makes it end earlier. */
BOOST_AUTO_TEST_CASE(a_renewed_ticket) {
  Daemon d;
  const auto now = static_cast<uint64_t>(::time(nullptr));
  d.begin(now + 2);
  auto renewed = make_record<PortfolioRenewed>(RecordType::kPortfolioRenewed);
  for (const uint64_t expires_s : {now + 5, now + 1, uint64_t{0}}) {
    renewed.expires_s = expires_s;
    BOOST_REQUIRE((send_record(d.vault(), renewed) == RecordStatus::kOk));
  }
  BOOST_TEST(d.ended(3500) == -1);
  CK_SESSION_HANDLE session = 0;
  BOOST_TEST(d.open(1, &session) == CKR_OK);
  BOOST_TEST(d.exit_code(4000) == 0);
  BOOST_TEST(static_cast<uint64_t>(::time(nullptr)) >= now + 5);
}

/* While there was no vault: the next one says it with its portfolio. */
BOOST_AUTO_TEST_CASE(a_ticket_that_was_renewed_meanwhile) {
  Daemon d;
  const auto now = static_cast<uint64_t>(::time(nullptr));
  d.begin(now + 2);
  d.drop_vault();
  d.new_vault();
  d.send_usual_portfolio(now + 60);
  BOOST_TEST(d.ended(3500) == -1);
}

/* Who has no ticket gets no end. */
BOOST_AUTO_TEST_CASE(a_renewal_for_who_has_no_ticket) {
  Daemon d;
  d.begin(0);
  auto renewed = make_record<PortfolioRenewed>(RecordType::kPortfolioRenewed);
  renewed.expires_s = 1;
  BOOST_REQUIRE((send_record(d.vault(), renewed) == RecordStatus::kOk));
  BOOST_TEST(d.ended(1000) == -1);
}

BOOST_AUTO_TEST_CASE(portfolios_that_are_none) {
  auto refused = [](const std::function<void(Daemon*)>& act) {
    Daemon d;
    act(&d);
    BOOST_TEST(d.exit_code() == 255);
  };
  refused([](Daemon* d) { d->send_portfolio({backend_plan(0), backend_plan(0)}, {}); });
  refused([](Daemon* d) { d->send_portfolio({backend_plan(0)}, {token_plan(1, 1, 0)}); });
  refused([](Daemon* d) {
    PortfolioBackend plan = backend_plan(0);
    std::memset(plan.name, 'x', sizeof plan.name);
    d->send_portfolio({plan}, {});
  });
  refused([](Daemon* d) {
    TokenPlan plan = token_plan(1, 0, 0);
    std::memset(plan.layers[0].at_backend.label, 'x', sizeof plan.layers[0].at_backend.label);
    d->send_portfolio({backend_plan(0)}, {plan});
  });
  /* Fewer layers than were told, none, more than there can be, and one that no token has. */
  for (uint32_t layers : {2u, 33u})
    refused([layers](Daemon* d) {
      TokenPlan plan = layered_plan(1, "T", {layer_plan(0, "a")});
      plan.token.layers = layers;
      d->send_portfolio({backend_plan(0)}, {plan, token_plan(2, 0, 0)});
    });
  refused([](Daemon* d) { d->send_portfolio({backend_plan(0)}, {layered_plan(1, "T", {})}); });
  /* The same of PINs. */
  refused([](Daemon* d) {
    TokenPlan plan = token_plan(1, 0, 0);
    plan.pins = {"5678"};
    d->send_portfolio({backend_plan(0)}, {plan});
  });
  for (std::vector<std::string> pins :
       std::vector<std::vector<std::string>>{{}, {std::string(253, '1')}, {"1", "2"}})
    refused([pins](Daemon* d) {
      TokenPlan plan = token_plan(1, 0, 0);
      plan.layers[0].pin = kPinStored;
      plan.pins = pins;
      d->send_portfolio({backend_plan(0)}, {plan});
    });
  for (const auto& [pin, next] : std::vector<std::pair<std::string, std::string>>{
           {"", "new"}, {"old", std::string(253, '1')}})
    refused([pin = pin, next = next](Daemon* d) {
      TokenPlan plan = token_plan(1, 0, 0);
      plan.layers[0].pin = kPinStored;
      plan.pins = {pin};
      plan.next = {next};
      d->send_portfolio({backend_plan(0)}, {plan});
    });
  refused([](Daemon* d) {
    TokenPlan plan = token_plan(1, 0, kTokenAdmin);
    plan.layers[0].pin = kPinStored;
    plan.pins = {"5678"};
    d->send_portfolio({backend_plan(0)}, {plan});
  });
  /* A prefix that is too long, and one for an admin. */
  for (uint32_t admin : {0u, uint32_t{kTokenAdmin}})
    refused([admin](Daemon* d) {
      TokenPlan plan = token_plan(1, 0, admin);
      plan.layers[0].prefix.label_size = admin != 0 ? 1 : 65;
      d->send_portfolio({backend_plan(0)}, {plan});
    });
  /* A filter of a layer that has none, a layer without its filter, a bad one, one for an admin. */
  refused([](Daemon* d) {
    TokenPlan plan = token_plan(1, 0, 0);
    plan.filters.emplace_back();
    d->send_portfolio({backend_plan(0)}, {plan});
  });
  for (uint32_t wrong : {0u, 1u, 2u})
    refused([wrong](Daemon* d) {
      TokenPlan plan =
          token_plan(1, 0, wrong == 2 ? uint32_t{kTokenAdmin} : 0u, "", "T", kLayerFiltered);
      if (wrong != 0) plan.filters.emplace_back();
      if (wrong == 1) plan.filters[0].objects = 17;
      d->send_portfolio({backend_plan(0)}, {plan});
    });
  refused([](Daemon* d) {
    TokenPlan plan = layered_plan(1, "T", {layer_plan(0, "a"), layer_plan(0, "b")});
    plan.token.layers = 1;
    d->send_portfolio({backend_plan(0)}, {plan});
  });
  /* Of several layers: with a name, and nobody's to initialise. */
  for (uint32_t flags : {uint32_t{kTokenAdmin}, uint32_t{kTokenTransparent}, 0u})
    refused([flags](Daemon* d) {
      TokenPlan plan =
          layered_plan(1, flags != 0 ? "T" : "", {layer_plan(0, "a"), layer_plan(0, "b")});
      plan.token.flags = flags;
      d->send_portfolio({backend_plan(0)}, {plan});
    });
  refused([](Daemon* d) { send_record(d->vault(), make_record<Spawn>(RecordType::kSpawn)); });
}

/*
 * A vault is lost while a PIN is changed that it has said yes to, and the next one is there before
 * the library answers. Whatever comes at once, that one is told nothing: it has asked for nothing.
 */
BOOST_AUTO_TEST_CASE(another_vault_hears_nothing_of_a_change) {
  constexpr char kOld[] = "oldoldold";
  const std::string fresh(kDerivedPin, 'n');
  std::map<uint32_t, Behaviour> behaviours;
  std::atomic<bool> asked{false}, answers{false};
  behaviours[0].pin = kOld;
  behaviours[0].tamper = [&](Message* reply) {
    if (reply->rec.function != kC_SetPIN) return;
    asked = true;
    for (unsigned i = 0; !answers && i < 2000; i++) ::usleep(5'000);
  };
  Daemon d(behaviours);
  PortfolioBackend backend = backend_plan(0);
  backend.deadline_short_ms = backend.deadline_start_ms = backend.deadline_long_ms = 20'000;
  TokenPlan plan = layered_plan(1, "T", {layer_plan(0, "t0", 0, kPinStored)});
  plan.pins = {kOld};
  plan.next = {fresh};
  d.send_portfolio({backend}, {plan});
  d.join();
  CK_SESSION_HANDLE session = 0;
  BOOST_REQUIRE(d.call(kC_Initialize, {0}) == CKR_OK);
  BOOST_REQUIRE(d.open(1, &session) == CKR_OK);
  d.send(kC_Login, {session, CKU_USER, 0, 0});
  RecordBuffer record;
  pollfd fds{d.vault(), POLLIN, 0};
  BOOST_REQUIRE(::poll(&fds, 1, 10'000) == 1);
  BOOST_REQUIRE((record.receive(d.vault(), false) == RecordStatus::kOk));
  const auto* turn = record.as<PinTurn>(RecordType::kTurnPin);
  BOOST_REQUIRE(turn != nullptr);
  LayerPin yes = make_record<LayerPin>(RecordType::kLayerPin);
  yes.layer = turn->layer;
  yes.verdict = kTurnIt;
  std::memcpy(yes.pin.pin, kOld, yes.pin.size = sizeof kOld - 1);
  std::memcpy(yes.next.pin, fresh.data(), yes.next.size = kDerivedPin);
  BOOST_REQUIRE(send_record(d.vault(), yes) == RecordStatus::kOk);
  for (unsigned i = 0; !asked && i < 1000; i++) ::usleep(5'000);
  BOOST_REQUIRE(asked);
  ::kill(d.child, SIGSTOP); /* then all of this is there when it looks again */
  UniqueFd old = d.new_vault();
  d.send_portfolio({backend}, {plan});
  answers = true;
  ::usleep(200'000);
  ::kill(d.child, SIGCONT);
  BOOST_TEST(d.receive() == CKR_OK);
  BOOST_TEST((record.receive(d.vault(), false) == RecordStatus::kAgain));
  d.call(kC_Logout, {session});
  BOOST_TEST((record.receive(d.vault(), false) == RecordStatus::kAgain));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace mp11::connection_test
