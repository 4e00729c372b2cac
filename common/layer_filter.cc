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
#include "layer_filter.h"

#include <algorithm>

#include "marshal.h"
#include "p11_params.h"
#include "record_io.h"
#include "result.h"

namespace mp11 {
namespace {

template <size_t N>
bool has_bit(const uint64_t (&bits)[N], size_t n) {
  return n < 64 * N && (bits[n / 64] >> n % 64 & 1) != 0;
}

/* Among the mechanisms that the tables know. */
template <size_t N>
bool has_mechanism(const uint64_t (&bits)[N], uint64_t type, bool unknown) {
  CK_ULONG narrow = 0;
  if (!narrow_ulong(type, &narrow)) return unknown;
  const MechanismRow* row = mechanism_row(narrow);
  if (row == nullptr) return unknown;
  return has_bit(bits, static_cast<size_t>(row - mechanism_rows().data()));
}

}  // namespace

uint32_t class_bit(uint64_t object_class) {
  switch (object_class) {
    case CKO_DATA:
      return kCreateData;
    case CKO_CERTIFICATE:
      return kCreateCertificate;
    case CKO_PUBLIC_KEY:
      return kCreatePublicKey;
    case CKO_PRIVATE_KEY:
      return kCreatePrivateKey;
    case CKO_SECRET_KEY:
      return kCreateSecretKey;
    case CKO_DOMAIN_PARAMETERS:
      return kCreateDomainParameters;
    default:
      return kCreateOther;
  }
}

bool glob_matches(std::string_view pattern, std::string_view text) {
  size_t p = 0, t = 0;
  size_t star = pattern.npos, star_text = 0; /* where to go on when what follows a `*` fails */
  while (t < text.size()) {
    const bool escaped = p + 1 < pattern.size() && pattern[p] == '\\';
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      star_text = t;
    } else if (p < pattern.size() && pattern[p + escaped] == text[t]) {
      p += 1u + escaped;
      t++;
    } else if (star != pattern.npos) {
      p = star + 1;
      t = ++star_text;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') p++;
  return p == pattern.size();
}

bool filterable(const FunctionRow& row) {
  switch (row.route) {
    case Route::kPinLayer:
    case Route::kState:
    case Route::kCreate:
    case Route::kMechanismLayer:
    case Route::kObject:
    case Route::kContinue:
    case Route::kDual:
      return true;
    default:
      return false;
  }
}

bool filter_is_good(const FilterPlan& plan) {
  if ((plan.flags & ~kFilterKnown) != 0 || plan.objects > std::size(plan.object)) return false;
  return std::all_of(std::begin(plan.object), std::end(plan.object), [](const FilterObject& rule) {
    return rule.shows <= 1 && (rule.classes & ~kCreateKnown) == 0 && text_ends(rule.label) &&
           text_ends(rule.id);
  });
}

bool rule_matches(const FilterObject& rule, const ObjectFacts& facts, bool unknown) {
  auto text = [unknown](const char* pattern, const std::optional<std::string>& value) {
    if (pattern[0] == '\0') return true;
    return value ? glob_matches(pattern, *value) : unknown;
  };
  const bool of_class =
      rule.classes == 0 || (facts.class_bit != 0 ? (rule.classes & facts.class_bit) != 0 : unknown);
  return of_class && text(rule.label, facts.label) && text(rule.id, facts.id_hex);
}

bool LayerFilter::takes_function(uint32_t number) const {
  return !has_bit(plan_.functions, number);
}

bool LayerFilter::takes_mechanism(uint64_t type) const {
  return !chooses_mechanisms() || !has_mechanism(plan_.mechanisms, type, true);
}

bool LayerFilter::makes_with(uint64_t type) const {
  return (plan_.flags & kFilterCreate) == 0 || has_mechanism(plan_.makes, type, false);
}

bool LayerFilter::shows(const ObjectFacts& facts) const {
  bool some_show = false, shown = false;
  for (uint32_t i = 0; i < plan_.objects; i++) {
    const FilterObject& rule = plan_.object[i];
    if (rule.shows == 0 && rule_matches(rule, facts, true)) return false;
    if (rule.shows == 0) continue;
    some_show = true;
    shown |= rule_matches(rule, facts, false);
  }
  return shown || !some_show;
}

}  // namespace mp11
