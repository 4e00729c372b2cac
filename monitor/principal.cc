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
#include "principal.h"

namespace mp11 {
namespace {

/* A component or realm as it is being read. */
struct Part {
  std::string text;
  bool star_only = false; /* the component is exactly one unescaped asterisk */
  bool has_star = false;  /* an unescaped asterisk stands anywhere in it */
};

struct Parts {
  std::vector<Part> components;
  Part realm;
};

char unescape(char c) {
  switch (c) {
    case 'n':
      return '\n';
    case 't':
      return '\t';
    case 'b':
      return '\b';
    case '0':
      return '\0';
    default:
      return c;
  }
}

Result<Parts> split(std::string_view text) {
  Parts parts;
  parts.components.emplace_back();
  Part* part = &parts.components.back();
  bool in_realm = false;
  for (size_t i = 0; i < text.size(); i++) {
    char c = text[i];
    if (c == '\\') {
      if (++i == text.size()) return Error{0, "ends with a backslash"};
      part->text.push_back(unescape(text[i]));
      part->star_only = false;
    } else if (c == '/' && !in_realm) {
      if (parts.components.size() == kPrincipalComponents)
        return Error{0, "has too many components"};
      part = &parts.components.emplace_back();
    } else if (c == '@') {
      if (in_realm) return Error{0, "has two realms"};
      in_realm = true;
      part = &parts.realm;
    } else {
      if (c == '*') {
        part->has_star = true;
        part->star_only = part->text.empty();
      } else {
        part->star_only = false;
      }
      part->text.push_back(c);
      if (part->text.size() > 1) part->star_only = false;
    }
  }
  if (!in_realm || parts.realm.text.empty()) return Error{0, "has no realm"};
  for (const Part& component : parts.components)
    if (component.text.empty()) return Error{0, "has an empty component"};
  return parts;
}

}  // namespace

Result<PrincipalName> parse_principal(std::string_view text) {
  Result<Parts> parts = split(text);
  if (!parts) return parts.error();
  PrincipalName name;
  for (Part& component : parts->components) name.components.push_back(std::move(component.text));
  name.realm = std::move(parts->realm.text);
  return name;
}

Result<PrincipalPattern> parse_pattern(std::string_view text) {
  Result<Parts> parts = split(text);
  if (!parts) return parts.error();
  if (parts->realm.has_star) return Error{0, "has an asterisk in the realm, which must be literal"};
  PrincipalPattern pattern;
  for (Part& component : parts->components) {
    if (component.has_star && !component.star_only)
      return Error{0, "has an asterisk within a component; only a whole component may be `*`"};
    if (component.star_only)
      pattern.components.emplace_back(std::nullopt);
    else
      pattern.components.emplace_back(std::move(component.text));
  }
  pattern.realm = std::move(parts->realm.text);
  return pattern;
}

bool matches(const PrincipalPattern& pattern, const PrincipalName& name) {
  if (pattern.realm != name.realm || pattern.components.size() != name.components.size())
    return false;
  bool well_known = name.components[0] == "WELLKNOWN";
  for (size_t i = 0; i < name.components.size(); i++) {
    if (!pattern.components[i]) {
      if (well_known) return false;
    } else if (*pattern.components[i] != name.components[i]) {
      return false;
    }
  }
  return true;
}

}  // namespace mp11
