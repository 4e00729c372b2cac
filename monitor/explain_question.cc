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
#include "explain_question.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "groups.h"
#include "principal.h"
#include "token_uri.h"

namespace mp11 {
namespace {

constexpr const char* kKeys[] = {"user", "token", "function", "mechanism", "object"};

using Parts = std::map<std::string, std::string>;

/* "user=WHO,token=LABEL,...": from the right, as a label may hold a comma, and a URI too. */
Parts split(std::string spec) {
  Parts parts;
  for (size_t k = std::size(kKeys) - 1; k > 1; k--) {
    const std::string key = std::string(",") + kKeys[k] + "=";
    const size_t at = spec.rfind(key);
    if (at == spec.npos) continue;
    parts[kKeys[k]] = spec.substr(at + key.size());
    spec.resize(at);
  }
  const size_t comma = spec.find(",token="); /* a user holds hardly this */
  if (comma != spec.npos) parts["token"] = spec.substr(comma + 7);
  parts["user"] = spec.substr(5, comma == spec.npos ? comma : comma - 5);
  return parts;
}

Result<Parts> take_parts(const std::vector<std::string>& all) {
  if (all.size() == 1 && all[0].starts_with("user=")) return split(all[0]);
  Parts parts;
  for (const std::string& one : all) {
    const size_t equals = one.find('=');
    const std::string key = one.substr(0, equals);
    if (equals == one.npos || std::find(std::begin(kKeys), std::end(kKeys), key) == std::end(kKeys))
      return Error{0, one + " is not understood; write user=WHO, token=LABEL, function=NAME, " +
                          "mechanism=NAME or object=URI"};
    if (!parts.emplace(key, one.substr(equals + 1)).second)
      return Error{0, key + "= is there twice; ask once for each"};
  }
  if (parts.count("user") == 0) return Error{0, "nobody is asked about; write user=WHO"};
  return parts;
}

/* rule_problem() has seen it: what does not parse is uid:N or local:NAME. */
bool is_pattern(const std::string& user) {
  Result<PrincipalPattern> pattern = parse_pattern(user);
  return pattern && std::any_of(pattern->components.begin(), pattern->components.end(),
                                [](const auto& component) { return !component; });
}

/* Empty: well said, else what is wrong. */
std::string read_user(std::string user, Verdict* verdict) {
  if (std::string wrong = rule_problem(user); !wrong.empty())
    return "user=" + user + " " + wrong + "; write name@REALM, uid:NUMBER or local:NAME";
  if (is_pattern(user))
    return "user=" + user + " is a pattern; write the name of one, or \\* for an asterisk";
  const bool local = user.starts_with("local:");
  verdict->kind = local || user.starts_with("uid:") ? kVerdictLocal : kVerdictKerberos;
  if (local) user.erase(0, 6);
  std::memcpy(verdict->principal, user.data(), user.size()); /* rule_problem knows it fits */
  return "";
}

std::string read_call(const Parts& parts, Question* question) {
  if (auto name = parts.find("function"); name != parts.end()) {
    for (const FunctionRow& row : kFunctionTable)
      if (name->second == row.name) question->function = &row;
    if (question->function == nullptr)
      return "function=" + name->second + " is none of PKCS #11; write it like C_WrapKey";
  }
  if (auto name = parts.find("mechanism"); name != parts.end()) {
    for (const MechanismRow& row : mechanism_rows())
      if (name->second == row.name) question->mechanism = &row;
    if (question->mechanism == nullptr)
      return "mechanism=" + name->second + " is none of PKCS #11; write it like CKM_RSA_PKCS";
  }
  if (auto uri = parts.find("object"); uri != parts.end()) {
    Result<ObjectFacts> facts = name_object(uri->second);
    if (!facts) return "object=" + uri->second + " " + facts.error().text;
    question->object = std::move(*facts);
    question->object_text = uri->second;
  }
  return "";
}

}  // namespace

Result<Question> read_question(const std::vector<std::string>& all) {
  Result<Parts> parts = take_parts(all);
  if (!parts) return parts.error();
  Question question;
  std::string wrong = read_user(parts->at("user"), &question.verdict);
  if (wrong.empty()) wrong = read_call(*parts, &question);
  if (!wrong.empty()) return Error{0, wrong};
  if (auto token = parts->find("token"); token != parts->end()) question.token = token->second;
  return question;
}

}  // namespace mp11
