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
 * Acting as another identity: act-as, which says who may, and pin-select, which says in which
 * tokens.
 */
#include <algorithm>

#include "config_checker.h"
#include "policy.h"
#include "principal.h"

namespace mp11 {
namespace {

/*
 * What is wrong with an identity; empty: nothing. It is one principal, in the one way that it is
 * written: what is typed before a PIN is compared with it octet by octet, and %p is made of it.
 */
std::string identity_problem(const std::string& text) {
  if (std::string wrong = rule_problem(text); !wrong.empty()) return wrong;
  if (text.find('+') != text.npos) return "has a +, which is where the PIN begins";
  if (text.find('\\') != text.npos) return "has a backslash, and such names cannot be acted as";
  if (text.find('*') != text.npos) return "has an asterisk, and an identity is one and no pattern";
  return "";
}

}  // namespace

void ConfigChecker::act_as(const Reader& r) {
  ActAsConfig a;
  a.identity = r.section().title;
  a.line = r.section().line;
  if (std::string wrong = identity_problem(a.identity); !wrong.empty())
    errors_->add(a.line, "act-as '" + a.identity + "' " + wrong +
                             "; write name@REALM, uid:NUMBER or local:NAME");
  a.allow = rules(r, "allow");
  if (a.allow.empty())
    warn(a.line, "act-as '" + a.identity + "' has no allow list: nobody can act as it");
  config_->identities.push_back(std::move(a));
}

void ConfigChecker::pin_select(const Reader& r, TokenConfig* t) {
  t->pin_select = r.flag("pin-select", false);
  if (t->pin_select && t->admin)
    r.error("pin-select",
            "pin-select = yes is not for admin = yes, where the PIN is the library's alone; remove "
            "one of them");
}

void ConfigChecker::identities_of_use() {
  const bool selects = std::any_of(config_->tokens.begin(), config_->tokens.end(),
                                   [](const TokenConfig& t) { return t.pin_select; });
  for (const ActAsConfig& a : config_->identities)
    if (!selects)
      warn(a.line, "act-as '" + a.identity + "' is of no use, as no token has pin-select = yes");
  for (const TokenConfig& t : config_->tokens)
    if (t.pin_select && config_->identities.empty())
      warn(t.line, "token '" + t.label +
                       "' has pin-select = yes, but there is no act-as that names an identity");
}

}  // namespace mp11
