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
 * Who may act as whom: what the policy says of it, and what the vault makes of that. If these
 * failed, somebody would be offered an identity that the configuration does not give to him, or
 * would get more than [priv] was told.
 */
#include <algorithm>
#include <cstring>

#include "explain.h"
#include "policy.h"
#include "vault_fixture.h"

using namespace mp11;
using namespace mp11::vault_test;

namespace {

/*
 * "Keys" is everybody's: a layer for each person, one for the services, one for ops. Of services,
 * svc/web may be acted as by ops and by whoever is admin in R, local:backup by root's uid.
 */
Config sample() {
  Config c;
  c.backends.resize(3);
  c.backends[0].name = "people";
  c.backends[1].name = "services";
  c.backends[2].name = "ops";
  c.groups.resize(1);
  c.groups[0].name = "ops";
  c.groups[0].all = {{"olga@R", "line 1"}, {"omar@S", "line 1"}};
  c.tokens.resize(2);
  TokenConfig& keys = c.tokens[0];
  keys.label = "Keys of %p";
  keys.serial = "77";
  keys.pin_select = true;
  keys.allow = {"*@R", "*@S", "*/admin@R", "svc/web@R", "local:backup", "uid:0"};
  keys.layers.resize(3);
  keys.layers[0].at_backend.text = keys.layers[0].at_backend.label = "%p";
  keys.layers[0].of_person = true;
  keys.layers[1].backend = 1;
  keys.layers[1].allow = {"svc/web@R", "local:backup"};
  keys.layers[2].backend = 2;
  keys.layers[2].allow = {"group:ops"};
  c.tokens[1].label = "Plain";
  c.tokens[1].allow = {"olga@R", "svc/web@R"};
  c.tokens[1].layers.resize(1);
  c.identities.resize(4);
  c.identities[0] = {"svc/web@R", 20, {"group:ops", "*/admin@R"}};
  c.identities[1] = {"local:backup", 21, {"uid:0", "olga@R"}};
  c.identities[2] = {"svc/elsewhere@R", 22, {"olga@R"}}; /* which sees nothing */
  c.identities[3] = {"nobody@R", 23, {}};
  return c;
}

std::string acting(const Policy& policy, const std::string& who) {
  std::string all;
  for (const Policy::Acting& one : policy.may_act_as(verdict_of(who)))
    all += (all.empty() ? "" : " ") + std::string(policy.identities()[one.identity].text);
  return all;
}

/* A vault, and what it says to [priv] and to the monitor of one who has connected. */
struct Told {
  Told(const Config& config, const std::string& who) {
    VaultFixture f(config);
    const Seen seen = f.connect(who);
    BOOST_TEST(seen.allow.verdict.principal == std::string(verdict_of(who).principal));
    for (uint32_t i = 0; i < seen.allow.count; i++)
      backends += std::to_string(seen.allow.backends[i].backend);
    for (const auto& [token, layers] : seen.tokens) {
      portfolio += "\n" + std::to_string(token.slot) + " [" + token.label + "] " + token.serial +
                   " " + token.identity + ":";
      for (const SeenLayer& layer : layers)
        portfolio += " " + std::to_string(layer.row.backend) + "/" + layer.row.at_backend.label;
    }
    BOOST_TEST((f.look(f.control) == RecordStatus::kAgain));
  }
  size_t variants() const {
    return static_cast<size_t>(std::count(portfolio.begin(), portfolio.end(), '\n'));
  }
  std::string backends; /* indices, in the order of their numbers */
  std::string portfolio;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(identity)

BOOST_AUTO_TEST_CASE(who_may_act_as_whom) {
  const Policy policy = policy_of(sample());
  BOOST_TEST(acting(policy, "olga@R") == "svc/web@R local:backup svc/elsewhere@R");
  BOOST_TEST(acting(policy, "omar@S") == "svc/web@R");
  BOOST_TEST(acting(policy, "alice/admin@R") == "svc/web@R");
  BOOST_TEST(acting(policy, "uid:0") == "local:backup");
  for (const char* who : {"alice@R", "olga@S", "omar@R", "alice/admin@S", "svc/web@R", "uid:1000",
                          "local:olga@R", "local:ops", "nobody@R", "local:backup",
                          "WELLKNOWN/admin@R", "WELLKNOWN/ANONYMOUS@WELLKNOWN:ANONYMOUS"})
    BOOST_TEST(acting(policy, who) == "", who);
  Verdict unknown = verdict_of("olga@R");
  unknown.kind = 7;
  BOOST_TEST(policy.may_act_as(unknown).empty());
  unknown = verdict_of("olga@R");
  std::memset(unknown.principal, 'x', sizeof unknown.principal);
  BOOST_TEST(policy.may_act_as(unknown).empty());
}

BOOST_AUTO_TEST_CASE(a_variant_is_what_that_identity_sees) {
  Told olga(sample(), "olga@R");
  const std::string serial = serial_of("77olga@R");
  BOOST_TEST(olga.backends == "021"); /* her own, then those of whom she may act as */
  BOOST_TEST(olga.portfolio == "\n1 [Keys of olga@R] " + serial + " : 0/olga@R 1/" +  //
                                   "\n1 [Keys of olga@R] " + serial +                 //
                                   " svc/web@R: 0/svc/web@R 2/" +                     //
                                   "\n1 [Keys of olga@R] " + serial + " local:backup: 0/backup 2/" +
                                   "\n2 [Plain]  : 0/");
  Told alice(sample(), "alice@R");
  BOOST_TEST(alice.backends == "0");
  BOOST_TEST(alice.variants() == 1u);
  Told web(sample(), "svc/web@R"); /* it is itself, and needs no rule for that */
  BOOST_TEST(web.backends == "01");
  BOOST_TEST(web.variants() == 2u);
  Told root(sample(), "uid:0");
  BOOST_TEST(root.portfolio.find(" local:backup: 0/backup 1/") != std::string::npos);
  BOOST_TEST(Told(sample(), "nobody@S").variants() == 1u);
}

BOOST_AUTO_TEST_CASE(nothing_of_it_without_pin_select) {
  Config c = sample();
  c.tokens[0].pin_select = false;
  Told olga(c, "olga@R");
  BOOST_TEST(olga.backends == "02");
  BOOST_TEST(olga.variants() == 2u);
  /* Who does not see the token does not see it as another. */
  c = sample();
  c.tokens[0].allow = {"svc/web@R"};
  Told blind(c, "olga@R");
  BOOST_TEST(blind.variants() == 1u);
  BOOST_TEST(blind.backends == "0");
}

BOOST_AUTO_TEST_CASE(there_may_be_too_many) {
  Config c = sample();
  c.identities.clear();
  for (uint32_t i = 0; i < limits::kIdentities + 3; i++)
    c.identities.push_back({"s" + std::to_string(i) + "@R", 0, {"olga@R"}});
  Told olga(c, "olga@R");
  BOOST_TEST(olga.variants() == 2 + limits::kIdentities);
  BOOST_TEST(olga.portfolio.find(" s15@R:") != std::string::npos);
  BOOST_TEST(olga.portfolio.find(" s16@R:") == std::string::npos);
  /* One's own tokens are all there, whatever is missing of others'. */
  c.tokens.resize(1);
  c.tokens.resize(limits::kTokens - 2, c.tokens[0]);
  c.tokens.resize(limits::kTokens);
  for (size_t i = limits::kTokens - 2; i < limits::kTokens; i++) {
    c.tokens[i] = c.tokens[0];
    c.tokens[i].pin_select = i + 1 == limits::kTokens;
  }
  for (size_t i = 1; i + 1 < limits::kTokens; i++) {
    c.tokens[i].pin_select = false;
    c.tokens[i].allow = i < 1000 ? std::vector<std::string>{"olga@R"} : std::vector<std::string>();
    c.tokens[i].layers.resize(1);
  }
  Told full(c, "olga@R");
  BOOST_TEST(full.variants() == limits::kTokens);
  BOOST_TEST(full.portfolio.find("\n1024 [") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_policy_with_damaged_identities) {
  const std::vector<uint8_t> good = serialise_policy(sample());
  BOOST_TEST(Policy::read(good).ok());
  const size_t first = sizeof(PolicyHead) + 3 * sizeof(PolicyBackend) + 2 * sizeof(PolicyToken) +
                       4 * sizeof(PolicyLayer);
  auto refused = [&](const std::function<void(PolicyIdentity*)>& spoil) {
    std::vector<uint8_t> bad = good;
    PolicyIdentity identity;
    std::memcpy(&identity, &bad[first], sizeof identity);
    BOOST_REQUIRE_EQUAL(identity.text, "svc/web@R");
    spoil(&identity);
    std::memcpy(&bad[first], &identity, sizeof identity);
    return !Policy::read(bad).ok();
  };
  BOOST_TEST(refused([](PolicyIdentity* i) { i->first_rule = 1000; }));
  BOOST_TEST(refused([](PolicyIdentity* i) { i->rule_count = 1000; }));
  BOOST_TEST(refused([](PolicyIdentity* i) { i->text[0] = '\0'; }));
  BOOST_TEST(refused([](PolicyIdentity* i) { std::memset(i->text, 'x', sizeof i->text); }));
  BOOST_TEST(refused([](PolicyIdentity* i) { std::strcpy(i->text, "noRealm"); }));
  BOOST_TEST(refused([](PolicyIdentity* i) { std::strcpy(i->text, "a+b@R"); }));
  BOOST_TEST(!refused([](PolicyIdentity* i) { std::strcpy(i->text, "uid:7"); }));
}

BOOST_AUTO_TEST_CASE(what_is_told_of_it) {
  bool sees = false;
  Result<std::string> text = explain(sample(), {"user=olga@R"}, &sees);
  BOOST_REQUIRE(text.ok());
  for (const char* part : {"  acts as svc/web@R\n    allowed by: \"group:ops\", line 20; its "
                           "member \"olga@R\", line 1\n",
                           "  acts as local:backup\n    allowed by: \"olga@R\", line 21\n",
                           "  acts as svc/elsewhere@R\n    allowed by: \"olga@R\", line 22\n"
                           "    but not here, as that one does not see this token\n"})
    BOOST_TEST(text->find(part) != std::string::npos, *text);
  text = explain(sample(), {"user=alice@R"}, &sees);
  BOOST_REQUIRE(text.ok());
  BOOST_TEST(text->find("  acts as nobody else") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
