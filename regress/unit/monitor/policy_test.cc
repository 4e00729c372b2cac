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
/* Principals, patterns, and which tokens a verdict may see. If these fail, somebody sees keys of
 * others. */
#include "policy.h"

#include <boost/test/unit_test.hpp>
#include <cstring>

#include "explain.h"
#include "layer_filter.h"
#include "layer_prefix.h"

using namespace mp11;

namespace {

bool match(const char* pattern, const char* name) {
  auto p = parse_pattern(pattern);
  auto n = parse_principal(name);
  BOOST_REQUIRE(p.ok());
  BOOST_REQUIRE(n.ok());
  return matches(*p, *n);
}

Config sample() {
  Config c;
  c.backends.resize(2);
  c.backends[0].name = "hsm";
  c.backends[0].deadline_s = 2;
  c.backends[0].token_lock = true;
  c.backends[1].name = "open";
  c.backends[1].transparent = true;
  c.backends[1].allow = {"root/admin@R"};
  c.tokens.resize(3);
  c.tokens[0].label = "One";
  c.tokens[0].allow = {"alice@R", "*/admin@R"};
  c.tokens[1].label = "Two";
  c.tokens[1].allow = {"uid:1000", "local:web"};
  c.tokens[2].label = "Nobody's";
  c.tokens[2].serial = "3";
  for (TokenConfig& token : c.tokens) token.layers.resize(1);
  c.tokens[2].layers.resize(3);
  c.tokens[2].layers[1].backend = 1;
  c.tokens[2].layers[1].read_only = true;
  c.tokens[2].layers[1].at_backend.text = c.tokens[2].layers[1].at_backend.label = "below";
  c.tokens[2].layers[1].line = 7;
  c.tokens[2].layers[0].blind = true;
  LayerPrefix& prefix = c.tokens[2].layers[1].prefix;
  std::memcpy(prefix.label, "team: ", prefix.label_size = 6);
  std::memcpy(prefix.id, "\n\xff", prefix.id_size = 2);
  FilterConfig& filter = c.tokens[2].layers[1].filter.emplace();
  filter.no_functions = {"C_WrapKey"};
  filter.plan.functions[kC_WrapKey / 64] |= uint64_t{1} << kC_WrapKey % 64;
  filter.no_mechanisms = {"CKM_RSA_PKCS_KEY_PAIR_GEN"}; /* the first of all */
  filter.plan.mechanisms[0] = 1;
  filter.plan.flags = kFilterMechanisms;
  c.tokens[2].layers[2].required = true;
  c.tokens[2].layers[2].pin = kPinNone;
  c.tokens[2].layers[1].pin = kPinStored;
  c.tokens[2].layers[1].pin_file = "/pin";
  c.tokens[2].layers[1].stored_pin = "5678";
  c.tokens[2].layers[2].creates = kCreateData | kCreateSecretKey;
  return c;
}

Verdict verdict(uint32_t kind, const std::string& name) {
  Verdict v{};
  v.kind = kind;
  std::memcpy(v.principal, name.data(), name.size());
  return v;
}

using Tokens = std::vector<uint32_t>;

}  // namespace

BOOST_AUTO_TEST_SUITE(policy)

BOOST_AUTO_TEST_CASE(names) {
  auto name = parse_principal("pkcs11/host.example@EXAMPLE.ORG");
  BOOST_REQUIRE(name.ok());
  BOOST_TEST(name->components.size() == 2u);
  BOOST_TEST(name->realm == "EXAMPLE.ORG");
  auto escaped = parse_principal("a\\/b\\@c\\\\@R");
  BOOST_REQUIRE(escaped.ok());
  BOOST_TEST(escaped->components[0] == "a/b@c\\");
  for (const char* bad : {"", "alice", "alice@", "@R", "a//b@R", "/a@R", "a/@R", "a@R@S", "a\\",
                          "1/2/3/4/5/6/7/8/9@R"})
    BOOST_TEST(!parse_principal(bad).ok(), bad);
  for (const char* bad : {"a*@R", "*a@R", "**@R", "a@*", "a@R*", "*"})
    BOOST_TEST(!parse_pattern(bad).ok(), bad);
}

BOOST_AUTO_TEST_CASE(patterns) {
  BOOST_TEST(match("alice@R", "alice@R"));
  BOOST_TEST(!match("alice@R", "Alice@R"));
  BOOST_TEST(!match("alice@R", "alice@S"));
  BOOST_TEST(!match("alice@R", "alice/admin@R"));
  BOOST_TEST(match("*@R", "alice@R"));
  BOOST_TEST(!match("*@R", "alice/admin@R"));
  BOOST_TEST(match("*/admin@R", "alice/admin@R"));
  BOOST_TEST(!match("*/admin@R", "admin@R"));
  BOOST_TEST(!match("*/admin@R", "alice/admin/x@R"));
  /* An escaped separator is part of a component, never the end of one. */
  BOOST_TEST(!match("*/admin@R", "alice\\/admin@R"));
  BOOST_TEST(match("*@R", "alice\\/admin@R"));
  BOOST_TEST(!match("alice@R", "alice\\@R@S"));
  /* A client named `*` is not a pattern, and `\*` means just that client. */
  BOOST_TEST(!match("alice@R", "*@R"));
  BOOST_TEST(match("\\*@R", "*@R"));
  BOOST_TEST(!match("\\*@R", "alice@R"));
  /* Anonymous principals come in by their own name only. */
  BOOST_TEST(!match("*/*@R", "WELLKNOWN/ANONYMOUS@R"));
  BOOST_TEST(match("WELLKNOWN/ANONYMOUS@R", "WELLKNOWN/ANONYMOUS@R"));
}

BOOST_AUTO_TEST_CASE(who_sees_what) {
  auto policy = Policy::read(serialise_policy(sample()));
  BOOST_REQUIRE(policy.ok());
  auto see = [&](uint32_t kind, const char* name) { return policy->visible(verdict(kind, name)); };
  BOOST_TEST(see(kVerdictKerberos, "alice@R") == Tokens{0});
  BOOST_TEST((see(kVerdictKerberos, "root/admin@R") == Tokens{0, 3}));
  BOOST_TEST(see(kVerdictLocal, "uid:1000") == Tokens{1});
  BOOST_TEST(see(kVerdictLocal, "web") == Tokens{1});
  BOOST_TEST(see(kVerdictLocal, "uid:1001") == Tokens{});
  BOOST_TEST(see(kVerdictKerberos, "bob@R") == Tokens{});
  /* The kinds never meet, whatever the text. */
  BOOST_TEST(see(kVerdictLocal, "alice@R") == Tokens{});
  BOOST_TEST(see(kVerdictKerberos, "uid:1000") == Tokens{});
  BOOST_TEST(see(kVerdictKerberos, "uid:1000@R") == Tokens{});
  BOOST_TEST(see(kVerdictKerberos, "web") == Tokens{});
  BOOST_TEST(see(0, "alice@R") == Tokens{});
  BOOST_TEST(see(3, "web") == Tokens{});
  BOOST_TEST(see(kVerdictLocal, "") == Tokens{});
}

BOOST_AUTO_TEST_CASE(a_verdict_without_its_final_nul_sees_nothing) {
  auto policy = Policy::read(serialise_policy(sample()));
  BOOST_REQUIRE(policy.ok());
  Verdict v = verdict(kVerdictKerberos, "alice@R");
  std::memset(v.principal + 7, 'x', sizeof v.principal - 7);
  BOOST_TEST(policy->visible(v) == Tokens{});
}

BOOST_AUTO_TEST_CASE(the_record_form) {
  std::vector<uint8_t> octets = serialise_policy(sample());
  auto policy = Policy::read(octets);
  BOOST_REQUIRE(policy.ok());
  BOOST_TEST(policy->tokens().size() == 4u);
  BOOST_TEST(policy->tokens()[3].slot == 4u);
  BOOST_TEST(policy->tokens()[3].flags == uint32_t{kTokenTransparent});
  const auto layers = policy->layers(policy->tokens()[2]);
  BOOST_REQUIRE(layers.size() == 3u);
  BOOST_TEST(layers[1].backend == 1u);
  BOOST_TEST(layers[0].flags == uint32_t{kLayerBlind});
  BOOST_TEST(layers[1].flags == (kLayerReadOnly | kLayerFiltered));
  BOOST_TEST(label_prefix(layers[1].prefix) == "team: ");
  BOOST_TEST(id_prefix_hex(layers[1].prefix) == "0aff");
  BOOST_TEST(!has_prefix(layers[0].prefix));
  BOOST_TEST(policy->pin(layers[0]) == nullptr);
  BOOST_REQUIRE(policy->pin(layers[1]) != nullptr);
  BOOST_TEST(policy->pin(layers[1])->size == 4u);
  BOOST_TEST(std::memcmp(policy->pin(layers[1])->pin, "5678", 4) == 0);
  BOOST_TEST(policy->filter(layers[0]) == nullptr);
  BOOST_REQUIRE(policy->filter(layers[1]) != nullptr);
  BOOST_TEST(policy->filter(layers[1])->flags == uint32_t{kFilterMechanisms});
  BOOST_TEST(std::string(layers[1].at_backend.label) == "below");
  BOOST_TEST(layers[2].flags == uint32_t{kLayerRequired});
  BOOST_TEST(layers[2].pin == uint32_t{kPinNone});
  BOOST_TEST(layers[2].creates == (kCreateData | kCreateSecretKey));
  BOOST_TEST(layers[1].creates == 0u);
  BOOST_TEST(policy->layers(policy->tokens()[3]).size() == 1u);
  BOOST_TEST(policy->backends()[0].flags == uint32_t{kBackendTokenLock});
  BOOST_TEST(policy->backends()[0].deadline_short_ms == 2000u);
  /* Cut anywhere, or one octet longer: refused. */
  for (size_t size = 0; size < octets.size(); size++)
    BOOST_REQUIRE(!Policy::read(std::span(octets).first(size)).ok());
  octets.push_back(0);
  BOOST_TEST(!Policy::read(octets).ok());
}

BOOST_AUTO_TEST_CASE(a_damaged_policy_is_refused) {
  std::vector<uint8_t> good = serialise_policy(sample());
  size_t tokens = sizeof(PolicyHead) + 2 * sizeof(PolicyBackend);
  size_t third = tokens + 2 * sizeof(PolicyToken);
  size_t layers = tokens + 4 * sizeof(PolicyToken);
  size_t filters = layers + 6 * sizeof(PolicyLayer);
  size_t pins = filters + sizeof(FilterPlan);
  size_t rules = pins + sizeof(StoredPin);
  auto damaged = [&](size_t offset, uint8_t value) {
    std::vector<uint8_t> octets = good;
    octets.at(offset) = value;
    return !Policy::read(octets).ok();
  };
  BOOST_TEST(damaged(0, 0)); /* magic */
  BOOST_TEST(damaged(offsetof(PolicyHead, version), kPolicyVersion + 1));
  BOOST_TEST(damaged(offsetof(PolicyHead, backends) + 3, 0xff));   /* count */
  BOOST_TEST(damaged(layers + offsetof(PolicyLayer, backend), 2)); /* no such backend */
  BOOST_TEST(damaged(offsetof(PolicyHead, layers) + 3, 0xff));
  BOOST_TEST(damaged(offsetof(PolicyHead, layers), 5)); /* fewer than the tokens name */
  BOOST_TEST(damaged(layers + offsetof(PolicyLayer, flags) + 3, 0x80));
  BOOST_TEST(damaged(layers + offsetof(PolicyLayer, prefix.label_size), 65));
  BOOST_TEST(damaged(layers + offsetof(PolicyLayer, prefix.id_size), 33));
  BOOST_TEST(!damaged(layers + offsetof(PolicyLayer, prefix.id_size), 32));
  BOOST_TEST(damaged(layers + 5 * sizeof(PolicyLayer) + offsetof(PolicyLayer, prefix.id_size), 1));
  BOOST_TEST(damaged(layers + offsetof(PolicyLayer, pin), 0));
  BOOST_TEST(damaged(layers + offsetof(PolicyLayer, first_rule) + 3, 0xff));
  BOOST_TEST(damaged(layers + offsetof(PolicyLayer, rule_count) + 3, 0xff));
  BOOST_TEST(damaged(layers + offsetof(PolicyLayer, pin), 4));
  size_t filtered = layers + 3 * sizeof(PolicyLayer);
  BOOST_TEST(damaged(filtered + offsetof(PolicyLayer, filter), 1)); /* no such filter */
  BOOST_TEST(damaged(layers + offsetof(PolicyLayer, filter), 1));   /* of one without */
  BOOST_TEST(damaged(layers + offsetof(PolicyLayer, flags), kLayerFiltered + 0u) == false);
  BOOST_TEST(damaged(filters + offsetof(FilterPlan, flags), 0x80));
  BOOST_TEST(damaged(filtered + offsetof(PolicyLayer, stored), 1)); /* no such PIN */
  BOOST_TEST(damaged(layers + offsetof(PolicyLayer, stored), 1));   /* of one that has none */
  BOOST_TEST(damaged(pins + offsetof(StoredPin, size), 0));
  BOOST_TEST(damaged(pins + offsetof(StoredPin, size), 253));
  BOOST_TEST(damaged(offsetof(PolicyHead, pins), 0));
  BOOST_TEST(damaged(offsetof(PolicyHead, pins) + 3, 0xff));
  BOOST_TEST(damaged(filters + offsetof(FilterPlan, objects), 17));
  BOOST_TEST(damaged(offsetof(PolicyHead, filters), 0));
  BOOST_TEST(damaged(offsetof(PolicyHead, filters) + 3, 0xff));
  BOOST_TEST(damaged(tokens + offsetof(PolicyToken, layer_count), 0));
  BOOST_TEST(damaged(tokens + offsetof(PolicyToken, layer_count), 7));
  BOOST_TEST(damaged(tokens + offsetof(PolicyToken, first_layer) + 3, 0xff));
  BOOST_TEST(damaged(third + offsetof(PolicyToken, flags), kTokenAdmin));
  BOOST_TEST(damaged(third + offsetof(PolicyToken, serial), 0));
  BOOST_TEST(damaged(third + offsetof(PolicyToken, label), 0));
  BOOST_TEST(damaged(tokens + offsetof(PolicyToken, flags) + 3, 0x80)); /* unknown flag */
  BOOST_TEST(damaged(tokens + offsetof(PolicyToken, rule_count) + 3, 0xff));
  BOOST_TEST(damaged(tokens + offsetof(PolicyToken, first_rule), 200));
  BOOST_TEST(damaged(rules + offsetof(PolicyRule, kind), 7));
}

/* alice is a member twice over, bob once, carol of a group that no token names. */
Config with_groups() {
  Config c = sample();
  c.groups.resize(2);
  c.groups[0].name = "idle";
  c.groups[0].all = {{"carol@R", "line 1"}};
  c.groups[1].name = "staff";
  c.groups[1].all = {{"uid:1001", "line 2"}, {"bob@R", "/g:1"}, {"*/staff@R", "/g:2"}};
  c.tokens[1].allow = {"uid:1000", "group:staff"};
  c.tokens[1].line = 9;
  c.tokens[2].allow = {"group:staff", "alice@R"};
  return c;
}

BOOST_AUTO_TEST_CASE(groups) {
  auto policy = Policy::read(serialise_policy(with_groups()));
  BOOST_REQUIRE(policy.ok());
  auto see = [&](uint32_t kind, const char* name) { return policy->visible(verdict(kind, name)); };
  BOOST_TEST((see(kVerdictKerberos, "bob@R") == Tokens{1, 2}));
  BOOST_TEST((see(kVerdictKerberos, "eve/staff@R") == Tokens{1, 2}));
  BOOST_TEST((see(kVerdictKerberos, "alice@R") == Tokens{0, 2}));
  BOOST_TEST((see(kVerdictLocal, "uid:1001") == Tokens{1, 2}));
  BOOST_TEST(see(kVerdictLocal, "uid:1000") == Tokens{1});
  BOOST_TEST(see(kVerdictKerberos, "carol@R") == Tokens{});
  BOOST_TEST(see(kVerdictLocal, "bob@R") == Tokens{});
  BOOST_TEST(see(kVerdictKerberos, "bob@S") == Tokens{});
  /* The kind of a rule that is a group is nobody's kind. */
  BOOST_TEST(see(kRuleGroup, "bob@R") == Tokens{});
  BOOST_TEST(see(kVerdictLocal, "group:staff") == Tokens{});
  auto matches = policy->matches(verdict(kVerdictKerberos, "eve/staff@R"));
  BOOST_REQUIRE(matches.size() == 2u);
  BOOST_TEST(matches[0].reason.rule == 1u);
  BOOST_TEST(matches[0].reason.member == 2u);
  BOOST_TEST(matches[1].reason.rule == 0u);
}

BOOST_AUTO_TEST_CASE(layers_for_some) {
  Config c = with_groups();
  c.tokens[2].allow = {"*@R"};
  c.tokens[2].layers[0].allow = {"alice@R"};
  c.tokens[2].layers[1].allow = {"uid:7", "group:staff"};
  c.tokens[2].layers[2].allow = {"alice@R", "bob@R"};
  auto policy = Policy::read(serialise_policy(c));
  BOOST_REQUIRE(policy.ok());
  using Layers = std::vector<uint32_t>;
  auto layers = [&](const char* name) {
    Layers seen;
    for (const Policy::Match& match : policy->matches(verdict(kVerdictKerberos, name)))
      for (const Policy::LayerMatch& layer : match.layers)
        if (match.token == 2) seen.push_back(layer.layer);
    return seen;
  };
  BOOST_TEST((layers("alice@R") == Layers{0, 2}));
  BOOST_TEST((layers("bob@R") == Layers{1, 2}));
  BOOST_TEST(layers("carol@R").empty());
  BOOST_TEST(policy->visible(verdict(kVerdictKerberos, "carol@R")) == Tokens{});
  BOOST_TEST((policy->visible(verdict(kVerdictKerberos, "alice@R")) == Tokens{0, 2}));
  bool sees = true;
  auto text = explain(c, {"user=carol@R,token=Nobody's"}, &sees);
  BOOST_REQUIRE(text.ok());
  BOOST_TEST(!sees);
  BOOST_TEST(text->find("not seen, as none of its entries of allow matches") != std::string::npos);
  text = explain(c, {"user=bob@R,token=Nobody's"}, &sees);
  BOOST_TEST(sees);
  BOOST_TEST(text->find("    allowed by: \"group:staff\", line 7; its member \"bob@R\"") !=
             std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_policy_with_damaged_groups) {
  std::vector<uint8_t> good = serialise_policy(with_groups());
  const size_t groups = sizeof(PolicyHead) + 2 * sizeof(PolicyBackend) + 4 * sizeof(PolicyToken) +
                        6 * sizeof(PolicyLayer) + sizeof(FilterPlan) + sizeof(StoredPin);
  const size_t rules = groups + 2 * sizeof(PolicyGroup);
  auto with = [&](size_t offset, uint8_t value) {
    std::vector<uint8_t> octets = good;
    octets.at(offset) = value;
    return Policy::read(octets);
  };
  auto rule = [&](size_t n) { return rules + n * sizeof(PolicyRule); };
  BOOST_TEST(!with(offsetof(PolicyHead, groups) + 3, 0xff).ok());
  BOOST_TEST(!with(groups + offsetof(PolicyGroup, first_rule), 200).ok());
  BOOST_TEST(!with(groups + offsetof(PolicyGroup, rule_count) + 3, 0xff).ok());
  /* Token 1's second rule, the fourth of all, is the group: no third group, no group 2^24. */
  BOOST_TEST(with(rule(3) + offsetof(PolicyRule, group), 0).ok());
  BOOST_TEST(!with(rule(3) + offsetof(PolicyRule, group), 2).ok());
  BOOST_TEST(!with(rule(3) + offsetof(PolicyRule, group) + 3, 1).ok());
  BOOST_TEST(!with(rule(0) + offsetof(PolicyRule, group), 1).ok()); /* no group at all */
  /* A group whose members are a token's rules, itself among them, ends and adds nobody. */
  std::vector<uint8_t> loop = good;
  PolicyGroup itself{3, 1};
  std::memcpy(loop.data() + groups + sizeof itself, &itself, sizeof itself);
  auto policy = Policy::read(loop);
  BOOST_REQUIRE(policy.ok());
  BOOST_TEST(policy->visible(verdict(kVerdictKerberos, "bob@R")) == Tokens{});
}

BOOST_AUTO_TEST_SUITE_END()
