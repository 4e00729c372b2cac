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
#include <optional>

#include "file_check.h"
#include "layer_filter.h"
#include "layer_prefix.h"
#include "p11_params.h"
#include "policy.h"
#include "principal.h"

namespace mp11 {
namespace {

struct Question {
  Verdict verdict{};
  std::optional<std::string> token;
  const FunctionRow* function = nullptr;
  const MechanismRow* mechanism = nullptr;
};

/* What follows `key` at the end of the specification, cut off there. */
std::optional<std::string> take_last(std::string* spec, const std::string& key) {
  const size_t at = spec->rfind(key);
  if (at == spec->npos) return {};
  std::string value = spec->substr(at + key.size());
  spec->resize(at);
  return value;
}

/* The function and the mechanism, which come last. Empty: well said, else what is wrong. */
std::string read_call(std::string* spec, Question* question) {
  if (const auto name = take_last(spec, ",mechanism=")) {
    for (const MechanismRow& row : mechanism_rows())
      if (*name == row.name) question->mechanism = &row;
    if (question->mechanism == nullptr)
      return "mechanism=" + *name + " is none of PKCS #11; write it like CKM_RSA_PKCS";
  }
  if (const auto name = take_last(spec, ",function=")) {
    for (const FunctionRow& row : kFunctionTable)
      if (*name == row.name) question->function = &row;
    if (question->function == nullptr)
      return "function=" + *name + " is none of PKCS #11; write it like C_WrapKey";
  }
  return "";
}

/* rule_problem() has seen it: what does not parse is uid:N or local:NAME. */
bool is_pattern(const std::string& user) {
  Result<PrincipalPattern> pattern = parse_pattern(user);
  return pattern && std::any_of(pattern->components.begin(), pattern->components.end(),
                                [](const auto& component) { return !component; });
}

Result<Question> read_question(std::string spec) {
  Question question;
  if (!spec.starts_with("user="))
    return Error{0, "-C " + spec + " is not understood; write user=WHO or user=WHO,token=LABEL"};
  if (std::string wrong = read_call(&spec, &question); !wrong.empty()) return Error{0, wrong};
  const size_t comma = spec.find(",token="); /* a label may hold a comma, a user hardly this */
  const std::string user = spec.substr(5, comma == std::string::npos ? comma : comma - 5);
  if (comma != std::string::npos) question.token = spec.substr(comma + 7);
  if (std::string wrong = rule_problem(user); !wrong.empty())
    return Error{0, "user=" + user + " " + wrong + "; write name@REALM, uid:NUMBER or local:NAME"};
  if (is_pattern(user))
    return Error{0,
                 "user=" + user + " is a pattern; write the name of one, or \\* for an asterisk"};
  question.verdict = verdict_of(user); /* rule_problem knows it fits */
  return question;
}

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
    text += ", made on demand, with a derived PIN";
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

/* What the layer says to the call that the question names. */
std::string judge(const Question& question, const LayerConfig& layer) {
  std::string text;
  auto say = [&](const char* name, const char* refused_by) {
    text += std::string("    ") + name + ": ";
    if (refused_by == nullptr)
      text += "not refused\n";
    else
      text +=
          std::string(layer.filter->audit ? "let through and logged, against " : "refused by ") +
          refused_by + ", line " + std::to_string(layer.line) + "\n";
  };
  std::optional<LayerFilter> filter;
  if (layer.filter) filter.emplace(layer.filter->plan);
  if (const FunctionRow* row = question.function) {
    const bool wraps = row->number == kC_WrapKey || row->number == kC_WrapKeyAuthenticated;
    const char* by = nullptr;
    if (filter && !filter->takes_function(row->number))
      by = "functions";
    else if (filter && filter->keeps_keys() && wraps)
      by = "no-export";
    if (filterable(*row))
      say(row->name, by);
    else
      text += std::string("    ") + row->name + ": no layer can be kept from it\n";
  }
  if (const MechanismRow* row = question.mechanism)
    say(row->name, filter && !filter->takes_mechanism(row->type) ? "mechanisms" : nullptr);
  return text;
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

std::string describe_layers(const Config& config, const Question& question,
                            const TokenConfig& token, const Policy::Match& match) {
  std::string text;
  auto seen = match.layers.begin();
  for (uint32_t n = 0; n < token.layers.size(); n++) {
    const LayerConfig& layer = token.layers[n];
    text += describe(config, layer, token.admin);
    if (seen == match.layers.end() || seen->layer != n) {
      text += "    not seen, as none of its entries of allow matches\n";
      continue;
    }
    if (seen->reason)
      text += "    allowed by: " + why(config, layer.allow, *seen->reason, layer.line) + "\n";
    if (layer.filter) text += describe_filter(*layer.filter);
    text += judge(question, layer);
    ++seen;
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
    if (match == seen.end() || match->layers.empty())
      text += "    but not here, as that one does not see this token\n";
    else
      text += describe_layers(config, question, token, *match);
  }
  return text;
}

std::string describe(const Config& config, const Question& question, const Policy& policy,
                     const Entry& entry, const Policy::Match& match) {
  std::string text = "slot " + std::to_string(match.token + 1) + ": " + name_of(entry) + "\n";
  if (entry.token == nullptr)
    text = name_of(entry) + ", read-write" + (entry.backend->admin ? ", admin" : "") + "\n";
  else
    text += describe_layers(config, question, *entry.token, match);
  text += "  allowed by: " + why(config, entry.allow(), match.reason, entry.line()) + "\n";
  if (entry.token != nullptr)
    text += describe_identities(config, question, policy, *entry.token, match);
  return text;
}

}  // namespace

Result<std::string> explain(const Config& config, const std::string& spec, bool* sees) {
  Result<Question> question = read_question(spec);
  if (!question) return question.error();
  Result<Policy> policy = Policy::read(serialise_policy(config));
  if (!policy) return policy.error();
  const std::vector<Entry> entries = entries_of(config);
  const std::vector<Policy::Match> matches = policy->matches(question->verdict);

  std::string text;
  size_t hidden = 0, asked = 0;
  *sees = false;
  auto match = matches.begin();
  for (uint32_t i = 0; i < entries.size(); i++) {
    const bool seen = match != matches.end() && match->token == i;
    const bool wanted = !question->token || (entries[i].token != nullptr &&
                                             entries[i].token->label == *question->token);
    asked += wanted;
    if (wanted && seen) {
      text += describe(config, *question, *policy, entries[i], *match);
      *sees |= !match->layers.empty();
    }
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
