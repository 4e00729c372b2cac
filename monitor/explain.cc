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
#include "explain.h"

#include <algorithm>

#include "explain_call.h"
#include "explain_question.h"
#include "layer_prefix.h"
#include "mp11_limits.h"
#include "policy.h"

namespace mp11 {
namespace {

/* A token, or a transparent backend: one of the two is nullptr. */
struct Entry {
  const TokenConfig* token;
  const BackendConfig* backend;
  const std::vector<std::string>& allow() const { return token ? token->allow : backend->allow; }
  int line() const { return token ? token->line : backend->line; }
};

/* In the order of the policy: tokens, then transparent backends. */
std::vector<Entry> entries_of(const Config& config) {
  std::vector<Entry> entries;
  for (const TokenConfig& t : config.tokens) entries.push_back({&t, nullptr});
  for (const BackendConfig& b : config.backends)
    if (b.transparent) entries.push_back({nullptr, &b});
  return entries;
}

std::string name_of(const Entry& entry) {
  if (entry.token == nullptr) return "every slot of backend " + entry.backend->name;
  return "token \"" + entry.token->label + "\"";
}

/* What becomes of a token on demand in the end. */
std::string retirement(const LayerConfig& layer) {
  if (layer.retire == kRetireKeep) return "";
  std::string text = layer.retire == kRetireHide ? ", hidden" : ", destroyed";
  text += " once nobody may use it";
  text += " for " + std::to_string(layer.retire_days) + (layer.retire_days == 1 ? " day" : " days");
  return text;
}

std::string describe(const Config& config, const LayerConfig& layer, bool admin) {
  std::string text = "  layer: backend " + config.backends[layer.backend].name + ", ";
  text +=
      layer.at_backend.text.empty() ? "its first token" : "token \"" + layer.at_backend.text + "\"";
  text += layer.read_only ? ", read-only" : ", read-write";
  if (admin) text += ", admin";
  if (layer.required) text += ", required";
  if (layer.blind) text += ", hides what layers below have of the same class and id";
  if (layer.prefix.label_size != 0)
    text += ", labels begin with \"" + label_prefix(layer.prefix) + "\"";
  if (layer.prefix.id_size != 0) text += ", ids begin with " + id_prefix_hex(layer.prefix);
  const bool chooses = layer.creates != 0 || !layer.create_mechanisms.empty();
  if (chooses) text += ", for new objects of";
  for (const std::string& name : create_names(layer.creates)) text += " " + name;
  for (const std::string& name : layer.create_mechanisms) text += " " + name;
  if (layer.pin == kPinStored)
    text += ", the PIN in " + layer.pin_file;
  else if (layer.on_demand)
    text += ", made on demand, with a derived PIN" + retirement(layer);
  else if (layer.pin == kPinVault)
    text += ", the PIN that the vault keeps";
  else
    text += layer.pin == kPinNone ? ", no PIN" : ", the client's PIN";
  return text + ", line " + std::to_string(layer.line) + "\n";
}

std::string describe_filter(const FilterConfig& filter) {
  std::string text;
  auto list = [&text](const char* keyword, const std::vector<std::string>& values) {
    if (values.empty()) return;
    text += std::string(text.empty() ? "" : "; ") + keyword;
    for (const std::string& value : values) text += " " + value;
  };
  list("functions", filter.functions);
  list("no-functions", filter.no_functions);
  list("mechanisms", filter.mechanisms);
  list("no-mechanisms", filter.no_mechanisms);
  list("show", filter.show);
  list("hide", filter.hide);
  if (filter.no_export) text += std::string(text.empty() ? "" : "; ") + "no-export";
  if (filter.audit) text += "; policy audit";
  return text.empty() ? text : "    filter: " + text + "\n";
}

std::string why(const Config& config, const std::vector<std::string>& allow,
                const Policy::Reason& reason, int line) {
  const std::string& rule = allow[reason.rule];
  std::string text = "\"" + rule + "\", line " + std::to_string(line);
  if (const GroupConfig* group = config.group_of(rule)) {
    const GroupMember& member = group->all[reason.member];
    text += "; its member \"" + member.rule + "\", " + member.where;
  }
  return text;
}

/* What is seen of a token's layers is added to `seen`. */
std::string describe_layers(const Config& config, const TokenConfig& token,
                            const Policy::Match& match, std::vector<const LayerConfig*>* seen) {
  std::string text;
  auto its = match.layers.begin();
  for (uint32_t n = 0; n < token.layers.size(); n++) {
    const LayerConfig& layer = token.layers[n];
    text += describe(config, layer, token.admin);
    if (its == match.layers.end() || its->layer != n) {
      text += "    not seen, as none of its entries of allow matches\n";
      continue;
    }
    seen->push_back(&layer);
    if (its->reason)
      text += "    allowed by: " + why(config, layer.allow, *its->reason, layer.line) + "\n";
    if (layer.filter) text += describe_filter(*layer.filter);
    ++its;
  }
  return text;
}

/* What is seen in the token by each identity that the PIN may name there. */
std::string describe_identities(const Config& config, const Question& question,
                                const Policy& policy, const TokenConfig& token,
                                const Policy::Match& own) {
  std::string text;
  if (!token.pin_select || own.layers.empty()) return text;
  std::vector<Policy::Acting> all = policy.may_act_as(question.verdict);
  if (all.empty()) text += "  acts as nobody else, as none of the entries of act-as matches\n";
  for (size_t i = 0; i < all.size(); i++) {
    const ActAsConfig& its = config.identities[all[i].identity];
    text += "  acts as " + its.identity +
            "\n    allowed by: " + why(config, its.allow, all[i].reason, its.line) + "\n";
    if (i >= limits::kIdentities) {
      text += "    but not this one, as it is above " + std::to_string(limits::kIdentities) +
              " identities of one principal\n";
      continue;
    }
    const std::vector<Policy::Match> seen = policy.matches(verdict_of(its.identity));
    auto match = std::find_if(seen.begin(), seen.end(),
                              [&](const Policy::Match& m) { return m.token == own.token; });
    std::vector<const LayerConfig*> layers;
    if (match == seen.end() || match->layers.empty())
      text += "    but not here, as that one does not see this token\n";
    else
      text += describe_layers(config, token, *match, &layers);
  }
  return text;
}

/* A backend's slot, as if it were a token of its own. */
TokenConfig as_token(const Config& config, const BackendConfig& backend) {
  TokenConfig token;
  token.admin = backend.admin;
  LayerConfig& layer = token.layers.emplace_back();
  layer.backend = static_cast<uint32_t>(&backend - config.backends.data());
  layer.line = backend.line;
  return token;
}

/* *yes: it is seen, and if there is a call, answered. */
std::string describe(const Config& config, const Question& question, const Policy& policy,
                     const Entry& entry, const Policy::Match& match, bool* yes) {
  std::string text = "slot " + std::to_string(match.token + 1) + ": " + name_of(entry) + "\n";
  std::vector<const LayerConfig*> seen;
  const TokenConfig slot =
      entry.token == nullptr ? as_token(config, *entry.backend) : TokenConfig();
  const TokenConfig& token = entry.token == nullptr ? slot : *entry.token;
  if (entry.token == nullptr) {
    text = name_of(entry) + ", read-write" + (entry.backend->admin ? ", admin" : "") + "\n";
    seen.push_back(&slot.layers.front());
  } else {
    text += describe_layers(config, token, match, &seen);
  }
  text += "  allowed by: " + why(config, entry.allow(), match.reason, entry.line()) + "\n";
  if (entry.token != nullptr) text += describe_identities(config, question, policy, token, match);
  if (seen.empty() || !question.asks_for_call()) {
    *yes |= !seen.empty();
    return text;
  }
  const CallAnswer answer = answer_call(config, question, token, seen);
  *yes |= answer.yes;
  return text + answer.text;
}

}  // namespace

Result<std::string> explain(const Config& config, const std::vector<std::string>& parts,
                            bool* yes) {
  Result<Question> question = read_question(parts);
  if (!question) return question.error();
  Result<Policy> policy = Policy::read(serialise_policy(config));
  if (!policy) return policy.error();
  const std::vector<Entry> entries = entries_of(config);
  const std::vector<Policy::Match> matches = policy->matches(question->verdict);

  std::string text;
  size_t hidden = 0, asked = 0;
  *yes = false;
  auto match = matches.begin();
  for (uint32_t i = 0; i < entries.size(); i++) {
    const bool seen = match != matches.end() && match->token == i;
    const bool wanted = !question->token || (entries[i].token != nullptr &&
                                             entries[i].token->label == *question->token);
    asked += wanted;
    if (wanted && seen) text += describe(config, *question, *policy, entries[i], *match, yes);
    if (wanted && !seen && question->token)
      text += name_of(entries[i]) + ", line " + std::to_string(entries[i].line()) +
              ": not seen, as none of the " + std::to_string(entries[i].allow().size()) +
              " entries of allow matches\n";
    hidden += !seen;
    if (seen) ++match;
  }
  if (asked == 0)
    return Error{0, "token=" + *question->token + ": there is no token with this label"};
  if (!question->token) text += std::to_string(hidden) + " not seen\n";
  return text;
}

}  // namespace mp11
