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
 * Names of principals, parsed into components and realm, and patterns over them.
 *
 * Called by the configuration ([priv]: is the name well formed?) and by the vault (does a rule
 * match whom the client proved to be?). The text is that of krb5_unparse_name: components separated
 * by
 * '/', the realm behind '@', '\' before a separator that belongs to a component, and \n \t \b \0
 * for those octets.
 *
 * Trust: the text of a pattern comes from the configuration, that of a name from multip11-auth. A
 * name that does not parse matches nothing. Components are compared whole, octet by octet, case
 * included; no text is ever searched for a substring.
 */
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "result.h"

namespace mp11 {

/* More components than any Kerberos name in use has (pkcs11/host, service/host/domain). */
inline constexpr size_t kPrincipalComponents = 8;

struct PrincipalName {
  std::vector<std::string> components;
  std::string realm;
};

struct PrincipalPattern {
  std::vector<std::optional<std::string>> components; /* nullopt: `*`, any non-empty component */
  std::string realm;                                  /* always literal */
};

/* The text as a name; needs at least one component and a realm. `*` is an ordinary octet here. */
Result<PrincipalName> parse_principal(std::string_view text);
/* The text as a pattern: `*` alone is a whole component; a literal asterisk is written `\*`. */
Result<PrincipalPattern> parse_pattern(std::string_view text);

/*
 * True when both have the same number of components, the same realm, and every component is equal
 * or
 * `*`. A `*` never matches in a name that begins with WELLKNOWN (RFC 6111, RFC 8062: anonymous).
 */
bool matches(const PrincipalPattern& pattern, const PrincipalName& name);

}  // namespace mp11
