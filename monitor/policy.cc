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
#include "policy.h"

#include <cstdio>
#include <cstring>

#include "layer_filter.h"
#include "layer_prefix.h"
#include "record_io.h"

namespace mp11 {
namespace {

constexpr uint32_t kTokenFlagsKnown = kTokenAdmin | kTokenTransparent | kTokenPinSelect;
constexpr uint32_t kLayerFlagsKnown =
    kLayerReadOnly | kLayerRequired | kLayerFiltered | kLayerOnDemand | kLayerBlind;

/* The caller's limits make the text fit with its NUL; a longer one is a mistake of ours. */
template <size_t N>
void put_text(char (&field)[N], const std::string& text) {
  MP11_ASSERT(text.size() < N);
  std::memcpy(field, text.data(), text.size());
}

PolicyRule make_rule(const Config& config, const std::string& text) {
  PolicyRule rule{};
  if (const GroupConfig* group = config.group_of(text)) {
    rule.kind = kRuleGroup;
    rule.group = static_cast<uint32_t>(group - config.groups.data());
    return rule;
  }
  rule.kind = kVerdictKerberos;
  std::string name = text;
  if (text.starts_with("uid:")) {
    rule.kind = kVerdictLocal;
  } else if (text.starts_with("local:")) {
    rule.kind = kVerdictLocal;
    name = text.substr(6);
  }
  put_text(rule.text, name);
  return rule;
}

template <class T>
void append(std::vector<uint8_t>* octets, const T& record) {
  size_t before = octets->size();
  octets->resize(before + sizeof record);
  std::memcpy(octets->data() + before, &record, sizeof record);
}

/* Takes records from the front of the octets. */
class Taker {
 public:
  explicit Taker(std::span<const uint8_t> octets) : octets_(octets) {}
  template <class T>
  bool take(T* record) {
    if (octets_.size() < sizeof *record) return false;
    std::memcpy(record, octets_.data(), sizeof *record);
    octets_ = octets_.subspan(sizeof *record);
    return true;
  }
  bool end() const { return octets_.empty(); }

 private:
  std::span<const uint8_t> octets_;
};

bool rules_are_there(uint32_t first, uint32_t count, const PolicyHead& head) {
  return first <= head.rules && count <= head.rules - first;
}

/*
 * What has several layers, or is several identities', has a name of its own, and is nobody's to
 * initialise.
 */
bool token_is_good(const PolicyToken& token, const PolicyHead& head) {
  const bool selects = (token.flags & kTokenPinSelect) != 0;
  const bool one = token.layer_count == 1 && !selects;
  return token.layer_count >= 1 && token.layer_count <= limits::kLayers &&
         token.first_layer <= head.layers && token.layer_count <= head.layers - token.first_layer &&
         (token.flags & ~kTokenFlagsKnown) == 0 && (one || (token.flags & ~kTokenPinSelect) == 0) &&
         rules_are_there(token.first_rule, token.rule_count, head) && text_ends(token.label) &&
         (token.label[0] == '\0' || person_text_problem(token.label).empty()) &&
         text_ends(token.serial) && (one || (token.label[0] != '\0' && token.serial[0] != '\0'));
}

bool names_one(const std::string& identity) {
  const Verdict verdict = verdict_of(identity);
  return verdict.principal[0] != '\0' && identity.find('+') == identity.npos &&
         (verdict.kind == kVerdictLocal || parse_principal(verdict.principal));
}

bool layer_is_good(const PolicyLayer& layer, const PolicyHead& head) {
  return layer.backend < head.backends && (layer.flags & ~kLayerFlagsKnown) == 0 &&
         (layer.pin == kPinClient || layer.pin == kPinNone || layer.pin == kPinStored ||
          layer.pin == kPinDerived || layer.pin == kPinVault) &&
         (layer.pin == kPinDerived) == ((layer.flags & kLayerOnDemand) != 0) &&
         layer.retire <= kRetireDestroy &&
         (layer.retire == kRetireKeep ? layer.retire_days == 0
                                      : (layer.flags & kLayerOnDemand) != 0) &&
         (layer.retire != kRetireDestroy || layer.retire_days != 0) &&
         (layer.pin == kPinStored ? layer.stored < head.pins : layer.stored == 0) &&
         (layer.creates & ~kCreateKnown) == 0 &&
         ((layer.flags & kLayerFiltered) != 0 ? layer.filter < head.filters : layer.filter == 0) &&
         prefix_is_good(layer.prefix) &&
         rules_are_there(layer.first_rule, layer.rule_count, head) && text_ends(layer.at_backend) &&
         text_ends(layer.of_person) &&
         (layer.of_person[0] == '\0' ||
          (layer.at_backend.label[0] == '\0' && person_text_problem(layer.of_person).empty()));
}

PolicyLayer make_layer(const LayerConfig& from) {
  PolicyLayer layer{};
  layer.backend = from.backend;
  layer.flags = (from.read_only ? kLayerReadOnly : 0u) | (from.required ? kLayerRequired : 0u);
  layer.pin = from.pin;
  if (from.on_demand) layer.flags |= kLayerOnDemand;
  layer.retire = from.retire;
  layer.retire_days = from.retire_days;
  layer.creates = from.creates;
  if (from.filter) layer.flags |= kLayerFiltered;
  if (from.blind) layer.flags |= kLayerBlind;
  layer.prefix = from.prefix;
  if (from.of_person)
    put_text(layer.of_person, from.at_backend.label);
  else
    put_text(layer.at_backend.label, from.at_backend.label);
  put_text(layer.at_backend.manufacturer, from.at_backend.manufacturer);
  put_text(layer.at_backend.model, from.at_backend.model);
  put_text(layer.at_backend.serial, from.at_backend.serial);
  return layer;
}

}  // namespace

std::string serial_of(std::string_view text) {
  uint64_t digest = 0xcbf29ce484222325;
  for (char c : text) digest = (digest ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  char serial[17];
  snprintf(serial, sizeof serial, "%016llx", static_cast<unsigned long long>(digest));
  return serial;
}

Verdict verdict_of(const std::string& who) {
  const bool local = who.starts_with("local:");
  return verdict_of(local || who.starts_with("uid:") ? kVerdictLocal : kVerdictKerberos,
                    local ? who.substr(6) : who);
}

Verdict verdict_of(VerdictKind kind, const std::string& principal) {
  Verdict verdict = make_record<Verdict>(RecordType::kVerdict);
  verdict.kind = kind;
  put_text(verdict.principal, principal);
  return verdict;
}

std::string token_name(const BackendToken& token) {
  if (token.manufacturer[0] == '\0' && token.model[0] == '\0' && token.serial[0] == '\0')
    return token.label;
  std::string name;
  auto add = [&name](const char* key, const char* value) {
    if (value[0] == '\0') return;
    name += (name.empty() ? "pkcs11:" : ";") + std::string(key) + "=";
    for (const char* c = value; *c != '\0'; c++)
      name += *c == ';' ? "%3B" : *c == '%' ? "%25" : std::string(1, *c);
  };
  add("token", token.label);
  add("manufacturer", token.manufacturer);
  add("model", token.model);
  add("serial", token.serial);
  return name;
}

std::string token_name(const PolicyLayer& layer, const std::string& principal) {
  if (layer.of_person[0] != '\0') return person_text(layer.of_person, principal);
  return token_name(layer.at_backend);
}

bool may_be_named(const PolicyLayer& layer, const std::string& token) {
  if (layer.of_person[0] == '\0') return token_name(layer.at_backend) == token;
  std::string pattern;
  for (const char* c = layer.of_person; *c != '\0'; c++) {
    if (*c == '%' && c[1] != '%' && c[1] != '\0')
      pattern.push_back('*');
    else if (*c == '*' || *c == '\\')
      pattern.append({'\\', *c});
    else
      pattern.push_back(*c);
    if (*c == '%' && c[1] != '\0') c++;
  }
  return glob_matches(pattern, token);
}

std::vector<uint8_t> serialise_policy(const Config& config) {
  std::vector<PolicyBackend> backends;
  std::vector<PolicyToken> tokens;
  std::vector<PolicyLayer> layers;
  std::vector<FilterPlan> filters;
  std::vector<StoredPin> pins;
  std::vector<PolicyRule> rules;
  auto add_token = [&](PolicyToken token, const std::vector<LayerConfig>& its_layers,
                       const std::vector<std::string>& allow) {
    token.slot = tokens.size() + 1;
    token.first_layer = static_cast<uint32_t>(layers.size());
    token.layer_count = static_cast<uint32_t>(its_layers.size());
    for (const LayerConfig& from : its_layers) {
      PolicyLayer layer = make_layer(from);
      layer.first_rule = static_cast<uint32_t>(rules.size());
      layer.rule_count = static_cast<uint32_t>(from.allow.size());
      for (const std::string& text : from.allow) rules.push_back(make_rule(config, text));
      if (from.filter) {
        layer.filter = static_cast<uint32_t>(filters.size());
        filters.push_back(from.filter->plan);
      }
      if (from.pin == kPinStored) {
        layer.stored = static_cast<uint32_t>(pins.size());
        StoredPin& pin = pins.emplace_back();
        MP11_ASSERT(!from.stored_pin.empty() && from.stored_pin.size() <= sizeof pin.pin);
        pin.size = static_cast<uint32_t>(from.stored_pin.size());
        std::memcpy(pin.pin, from.stored_pin.data(), pin.size);
      }
      layers.push_back(layer);
    }
    token.first_rule = static_cast<uint32_t>(rules.size());
    token.rule_count = static_cast<uint32_t>(allow.size());
    for (const std::string& text : allow) rules.push_back(make_rule(config, text));
    tokens.push_back(token);
  };
  for (const TokenConfig& t : config.tokens) {
    PolicyToken token{};
    token.flags = (t.admin ? kTokenAdmin : 0u) | (t.pin_select ? kTokenPinSelect : 0u);
    put_text(token.label, t.label);
    put_text(token.serial, t.serial);
    add_token(token, t.layers, t.allow);
  }
  for (size_t i = 0; i < config.backends.size(); i++) {
    const BackendConfig& b = config.backends[i];
    PolicyBackend backend{};
    backend.first_uid = b.first_uid;
    backend.last_uid = b.last_uid;
    backend.flags = b.token_lock ? kBackendTokenLock : 0u;
    backend.deadline_short_ms = b.deadline_s * 1000;
    backend.deadline_start_ms = b.deadline_start_s * 1000;
    backend.deadline_long_ms = b.deadline_long_s * 1000;
    put_text(backend.name, b.name);
    backends.push_back(backend);
    if (!b.transparent) continue;
    PolicyToken token{};
    LayerConfig layer;
    layer.backend = static_cast<uint32_t>(i);
    token.flags = kTokenTransparent | (b.admin ? kTokenAdmin : 0u);
    add_token(token, {layer}, b.allow);
  }
  std::vector<PolicyIdentity> identities;
  for (const ActAsConfig& a : config.identities) {
    PolicyIdentity& identity = identities.emplace_back();
    identity.first_rule = static_cast<uint32_t>(rules.size());
    identity.rule_count = static_cast<uint32_t>(a.allow.size());
    put_text(identity.text, a.identity);
    for (const std::string& text : a.allow) rules.push_back(make_rule(config, text));
  }
  std::vector<PolicyGroup> groups;
  for (const GroupConfig& g : config.groups) {
    groups.push_back({static_cast<uint32_t>(rules.size()), static_cast<uint32_t>(g.all.size())});
    for (const GroupMember& member : g.all) rules.push_back(make_rule(config, member.rule));
  }
  std::vector<uint8_t> octets;
  append(&octets,
         PolicyHead{kPolicyMagic, kPolicyVersion, static_cast<uint32_t>(backends.size()),
                    static_cast<uint32_t>(tokens.size()), static_cast<uint32_t>(layers.size()),
                    static_cast<uint32_t>(filters.size()), static_cast<uint32_t>(pins.size()),
                    static_cast<uint32_t>(identities.size()), static_cast<uint32_t>(groups.size()),
                    static_cast<uint32_t>(rules.size())});
  for (const PolicyBackend& backend : backends) append(&octets, backend);
  for (const PolicyToken& token : tokens) append(&octets, token);
  for (const PolicyLayer& layer : layers) append(&octets, layer);
  for (const FilterPlan& filter : filters) append(&octets, filter);
  for (StoredPin& pin : pins) {
    append(&octets, pin);
    wipe(&pin, sizeof pin);
  }
  for (const PolicyIdentity& identity : identities) append(&octets, identity);
  for (const PolicyGroup& group : groups) append(&octets, group);
  for (const PolicyRule& rule : rules) append(&octets, rule);
  return octets;
}

Result<Policy> Policy::read(std::span<const uint8_t> octets) {
  Taker taker(octets);
  PolicyHead head;
  if (!taker.take(&head) || head.magic != kPolicyMagic || head.version != kPolicyVersion)
    return Error{0, "not a policy of this version"};
  if (head.backends > limits::kBackends || head.tokens > limits::kTokens ||
      head.layers > kPolicyLayers || head.filters > kPolicyFilters || head.pins > kPolicyPins ||
      head.identities > kPolicyIdentities || head.groups > kPolicyGroups ||
      head.rules > kPolicyRules)
    return Error{0, "policy beyond its limits"};
  Policy policy;
  for (uint32_t i = 0; i < head.backends; i++) {
    PolicyBackend backend;
    if (!taker.take(&backend) || !text_ends(backend.name) ||
        (backend.flags & ~uint32_t{kBackendTokenLock}) != 0 ||
        backend.last_uid < backend.first_uid || (backend.first_uid == 0) != (backend.last_uid == 0))
      return Error{0, "bad backend in the policy"};
    policy.backends_.push_back(backend);
  }
  for (uint32_t i = 0; i < head.tokens; i++) {
    PolicyToken token;
    if (!taker.take(&token) || !token_is_good(token, head))
      return Error{0, "bad token in the policy"};
    policy.tokens_.push_back(token);
  }
  for (uint32_t i = 0; i < head.layers; i++) {
    PolicyLayer layer;
    if (!taker.take(&layer) || !layer_is_good(layer, head))
      return Error{0, "bad layer in the policy"};
    policy.layers_.push_back(layer);
  }
  for (const PolicyToken& token : policy.tokens_)
    for (const PolicyLayer& layer : policy.layers(token))
      if (((layer.flags & kLayerFiltered) != 0 || layer.pin == kPinStored ||
           layer.pin == kPinDerived || layer.pin == kPinVault || has_prefix(layer.prefix)) &&
          (token.flags & ~kTokenPinSelect) != 0)
        return Error{0, "bad token in the policy"};
  for (uint32_t i = 0; i < head.filters; i++) {
    FilterPlan filter;
    if (!taker.take(&filter) || !filter_is_good(filter))
      return Error{0, "bad filter in the policy"};
    policy.filters_.push_back(filter);
  }
  for (uint32_t i = 0; i < head.pins; i++) {
    StoredPin pin;
    const bool good = taker.take(&pin) && pin.size != 0 && pin.size <= sizeof pin.pin;
    if (good) policy.pins_.append(&pin, sizeof pin);
    wipe(&pin, sizeof pin);
    if (!good) return Error{0, "bad PIN in the policy"};
  }
  for (uint32_t i = 0; i < head.identities; i++) {
    PolicyIdentity identity;
    if (!taker.take(&identity) || !text_ends(identity.text) || !names_one(identity.text) ||
        !rules_are_there(identity.first_rule, identity.rule_count, head))
      return Error{0, "bad identity in the policy"};
    policy.identities_.push_back(identity);
  }
  for (uint32_t i = 0; i < head.groups; i++) {
    PolicyGroup group;
    if (!taker.take(&group) || !rules_are_there(group.first_rule, group.rule_count, head))
      return Error{0, "bad group in the policy"};
    policy.groups_.push_back(group);
  }
  for (uint32_t i = 0; i < head.rules; i++) {
    PolicyRule record;
    const bool taken = taker.take(&record);
    const uint32_t groups = taken && record.kind == kRuleGroup ? head.groups : 1;
    if (!taken || !text_ends(record.text) || record.group >= groups)
      return Error{0, "bad rule in the policy"};
    Rule rule{record.kind, record.group, "", {}};
    if (record.kind == kVerdictLocal) {
      rule.local = record.text;
    } else if (record.kind == kVerdictKerberos) {
      Result<PrincipalPattern> pattern = parse_pattern(record.text);
      if (!pattern) return Error{0, "bad pattern in the policy"};
      rule.pattern = std::move(*pattern);
    } else if (record.kind != kRuleGroup) {
      return Error{0, "bad kind of rule in the policy"};
    }
    policy.rules_.push_back(std::move(rule));
  }
  if (!taker.end()) return Error{0, "octets behind the policy"};
  return policy;
}

/* Whom the client proved to be. */
struct Policy::Subject {
  uint32_t kind;
  std::string local;
  PrincipalName name;
};

/* A rule that is a group matches nobody here: a group within a group has no say. */
bool Policy::matches_one(const Rule& rule, const Subject& subject) const {
  if (rule.kind != subject.kind) return false;
  return rule.kind == kVerdictLocal ? rule.local == subject.local
                                    : mp11::matches(rule.pattern, subject.name);
}

/* What the rules say of one verdict. Each group is looked through once. */
class Policy::Judge {
 public:
  Judge(const Policy& policy, const Verdict& verdict) : policy_(policy) {
    if (!text_ends(verdict.principal) || verdict.principal[0] == '\0') return;
    subject_ = {verdict.kind, verdict.principal, {}};
    if (verdict.kind == kVerdictKerberos) {
      Result<PrincipalName> parsed = parse_principal(verdict.principal);
      if (!parsed) return;
      subject_.name = std::move(*parsed);
    } else if (verdict.kind != kVerdictLocal) {
      return;
    }
    good_ = true;
    for (const PolicyGroup& group : policy_.groups_)
      members_.push_back(first_match(group.first_rule, group.rule_count, [&](const Rule& rule) {
        return policy_.matches_one(rule, subject_);
      }));
  }

  /* The first of some rules that matches; none for a bad verdict. */
  std::optional<Reason> reason(uint32_t first, uint32_t count) const {
    if (!good_) return {};
    const uint32_t r = first_match(first, count, [&](const Rule& rule) {
      return rule.kind == kRuleGroup ? is_member(rule.group) : policy_.matches_one(rule, subject_);
    });
    if (r == count) return {};
    const Rule& rule = policy_.rules_[first + r];
    return Reason{r, rule.kind == kRuleGroup ? members_[rule.group] : 0};
  }

 private:
  /* `count` when none does. */
  template <class Matching>
  uint32_t first_match(uint32_t first, uint32_t count, Matching&& matching) const {
    uint32_t i = 0;
    while (i < count && !matching(policy_.rules_[first + i])) i++;
    return i;
  }
  bool is_member(uint32_t group) const {
    return members_[group] < policy_.groups_[group].rule_count;
  }

  const Policy& policy_;
  Subject subject_{};
  bool good_ = false;
  std::vector<uint32_t> members_; /* of each group: its first rule that matches */
};

std::vector<Policy::Match> Policy::matches(const Verdict& verdict) const {
  const Judge judge(*this, verdict);
  std::vector<Match> all;
  for (uint32_t i = 0; i < tokens_.size(); i++) {
    const std::optional<Reason> why = judge.reason(tokens_[i].first_rule, tokens_[i].rule_count);
    if (!why) continue;
    Match match{i, *why, {}};
    const std::span<const PolicyLayer> its = layers(tokens_[i]);
    for (uint32_t n = 0; n < its.size(); n++) {
      const std::optional<Reason> layers_why = judge.reason(its[n].first_rule, its[n].rule_count);
      if (its[n].rule_count == 0 || layers_why) match.layers.push_back({n, layers_why});
    }
    all.push_back(std::move(match));
  }
  return all;
}

bool Policy::gives(const Verdict& verdict, const std::string& backend,
                   const std::string& token) const {
  for (const Match& match : matches(verdict))
    for (const LayerMatch& one : match.layers) {
      const PolicyLayer& layer = layers(tokens_[match.token])[one.layer];
      if (backend == backends_[layer.backend].name && token_name(layer, verdict.principal) == token)
        return true;
    }
  return false;
}

/* A group without members gives nobody anything; whether two patterns have a name in common is not
 * asked. */
bool Policy::somebody(uint32_t first_rule, uint32_t count) const {
  for (uint32_t i = first_rule; i < first_rule + count; i++)
    if (rules_[i].kind != kRuleGroup || groups_[rules_[i].group].rule_count != 0) return true;
  return false;
}

bool Policy::gives_somebody(const PolicyToken& token, const PolicyLayer& layer) const {
  return somebody(token.first_rule, token.rule_count) &&
         (layer.rule_count == 0 || somebody(layer.first_rule, layer.rule_count));
}

std::vector<Policy::Acting> Policy::may_act_as(const Verdict& verdict) const {
  const Judge judge(*this, verdict);
  std::vector<Acting> all;
  for (uint32_t i = 0; i < identities_.size(); i++)
    if (auto why = judge.reason(identities_[i].first_rule, identities_[i].rule_count))
      all.push_back({i, *why});
  return all;
}

std::vector<uint32_t> Policy::visible(const Verdict& verdict) const {
  std::vector<uint32_t> seen;
  for (const Match& match : matches(verdict))
    if (!match.layers.empty()) seen.push_back(match.token);
  return seen;
}

}  // namespace mp11
