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

#include <cstring>
#include <optional>

#include "file_check.h"
#include "policy.h"
#include "principal.h"

namespace mp11 {
namespace {

struct Question {
  Verdict verdict{};
  std::optional<std::string> token;
};

Result<Question> read_question(const std::string& spec) {
  Question question;
  if (!spec.starts_with("user="))
    return Error{0, "-C " + spec + " is not understood; write user=WHO or user=WHO,token=LABEL"};
  const size_t comma = spec.find(",token="); /* a label may hold a comma, a user hardly this */
  std::string user = spec.substr(5, comma == std::string::npos ? comma : comma - 5);
  if (comma != std::string::npos) question.token = spec.substr(comma + 7);
  if (std::string wrong = rule_problem(user); !wrong.empty())
    return Error{0, "user=" + user + " " + wrong + "; write name@REALM, uid:NUMBER or local:NAME"};
  const bool local = user.starts_with("local:");
  question.verdict.kind = local || user.starts_with("uid:") ? kVerdictLocal : kVerdictKerberos;
  if (local) user.erase(0, 6);
  std::memcpy(question.verdict.principal, user.data(),
              user.size()); /* rule_problem knows it fits */
  return question;
}

struct Entry {
  const std::string* label; /* nullptr: every slot of the backend */
  const TokenName* at_backend;
  const BackendConfig* backend;
  const std::vector<std::string>* allow;
  int line;
  const char* access;
};

/* In the order of the policy: tokens, then transparent backends. */
std::vector<Entry> entries_of(const Config& config) {
  std::vector<Entry> entries;
  for (const TokenConfig& t : config.tokens)
    entries.push_back({&t.label, &t.at_backend, &config.backends[t.backend], &t.allow, t.line,
                       t.read_only ? "read-only"
                       : t.admin   ? "read-write, admin"
                                   : "read-write"});
  for (const BackendConfig& b : config.backends)
    if (b.transparent)
      entries.push_back(
          {nullptr, nullptr, &b, &b.allow, b.line, b.admin ? "read-write, admin" : "read-write"});
  return entries;
}

std::string name_of(const Entry& entry) {
  if (entry.label == nullptr) return "every slot of backend " + entry.backend->name;
  return "token \"" + *entry.label + "\"";
}

std::string describe(const Config& config, const Entry& entry, const Policy::Match& match) {
  std::string text = "slot " + std::to_string(match.token + 1) + ": " + name_of(entry) + "\n";
  if (entry.label == nullptr) text = name_of(entry) + "\n";
  if (entry.label != nullptr)
    text += "  layer: backend " + entry.backend->name + ", " +
            (entry.at_backend->text.empty() ? "its first token"
                                            : "token \"" + entry.at_backend->text + "\"") +
            "\n";
  text += std::string("  access: ") + entry.access + "\n";
  const std::string& rule = (*entry.allow)[match.rule];
  text += "  allowed by: \"" + rule + "\", line " + std::to_string(entry.line);
  if (const GroupConfig* group = config.group_of(rule)) {
    const GroupMember& member = group->all[match.member];
    text += "; its member \"" + member.rule + "\", " + member.where;
  }
  return text + "\n";
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
    const bool wanted =
        !question->token || (entries[i].label != nullptr && *entries[i].label == *question->token);
    asked += wanted;
    if (wanted && seen) {
      text += describe(config, entries[i], *match);
      *sees = true;
    }
    if (wanted && !seen && question->token)
      text += name_of(entries[i]) + ", line " + std::to_string(entries[i].line) +
              ": not seen, as none of the " + std::to_string(entries[i].allow->size()) +
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
