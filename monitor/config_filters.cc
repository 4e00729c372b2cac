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
 * The filter of a layer: names and patterns of the file made the bits and patterns of a FilterPlan.
 * And its prefixes.
 */
#include <cstring>

#include "config_checker.h"
#include "layer_filter.h"
#include "p11_functions.h"
#include "p11_params.h"

namespace mp11 {
namespace {

using Bits = std::vector<bool>;

/* What the entries of a list name. `name` says what the n-th is called; nullptr: not to be named.
 */
template <class Name>
Bits named_by(const std::vector<ConfigValue>& values, size_t count, Name name,
              const std::string& advice, ConfigErrors* errors) {
  Bits all(count);
  for (const ConfigValue& value : values) {
    bool some = false;
    for (size_t n = 0; n < count; n++) {
      const char* its = name(n);
      if (its == nullptr || !glob_matches(value.text, its)) continue;
      all[n] = some = true;
    }
    if (!some) errors->add(value.line, "'" + value.text + "' names nothing; " + advice);
  }
  return all;
}

/* Sets what the filter refuses: what is not among `only`, where that is written, and what is in
 * `not_these`. */
template <size_t N>
void set_refused(const Bits& may, const Bits& only, bool has_only, const Bits& not_these,
                 uint64_t (&refused)[N]) {
  for (size_t n = 0; n < may.size(); n++)
    if (may[n] && ((has_only && !only[n]) || not_these[n]))
      refused[n / 64] |= uint64_t{1} << n % 64;
}

std::vector<std::string> texts(const std::vector<ConfigValue>& values) {
  std::vector<std::string> all;
  for (const ConfigValue& value : values) all.push_back(value.text);
  return all;
}

/* "class=private-key;label=web-*;id=0a*", in any order. Empty: well said, else what is wrong. */
std::string read_object_rule(const std::string& text, FilterObject* rule) {
  size_t at = 0;
  while (at <= text.size()) {
    const size_t end = std::min(text.find(';', at), text.size());
    const std::string part = text.substr(at, end - at);
    const size_t equals = part.find('=');
    const std::string key = part.substr(0, equals);
    const std::string value = equals == part.npos ? "" : part.substr(equals + 1);
    if (value.empty()) return "has a part without a value";
    if (key == "class") {
      auto found = std::find(std::begin(kCreateNames), std::end(kCreateNames), value);
      if (found == std::end(kCreateNames)) return "names no class of objects";
      rule->classes |= 1u << (found - std::begin(kCreateNames));
    } else if (key == "label" || key == "id") {
      char* field = key == "label" ? rule->label : rule->id;
      if (field[0] != '\0') return "has two of a kind";
      if (value.size() >= sizeof rule->label) return "is too long";
      if (key == "id" && value.find_first_not_of("0123456789abcdef*") != value.npos)
        return "has an id of other than lower-case hexadecimal digits and *";
      std::memcpy(field, value.data(), value.size());
    } else {
      return "is of another form";
    }
    at = end + 1;
  }
  return "";
}

}  // namespace

void ConfigChecker::object_rules(const Reader& r, const char* keyword, FilterConfig* filter) {
  for (const ConfigValue& value : r.list(keyword)) {
    FilterObject rule{};
    rule.shows = std::strcmp(keyword, "show") == 0;
    if (std::string wrong = read_object_rule(value.text, &rule); !wrong.empty())
      errors_->add(value.line, std::string(keyword) + ": '" + value.text + "' " + wrong +
                                   "; write it like \"class=private-key;label=web-*;id=0a*\"");
    else if (filter->plan.objects == std::size(filter->plan.object))
      errors_->add(value.line, "a layer has at most " +
                                   std::to_string(std::size(filter->plan.object)) +
                                   " entries of show and hide; use patterns");
    else
      filter->plan.object[filter->plan.objects++] = rule;
  }
}

void ConfigChecker::filter_of(const Reader& r, LayerConfig* layer) {
  bool some = !layer->create_mechanisms.empty();
  for (const char* keyword :
       {"functions", "no-functions", "mechanisms", "no-mechanisms", "show", "hide", "no-export"})
    some |= r.has(keyword);
  if (!some) {
    r.forbid("policy",
             "is for a layer with functions, mechanisms, show, hide or no-export; "
             "remove it");
    return;
  }
  FilterConfig& filter = layer->filter.emplace();
  filter.functions = texts(r.list("functions"));
  filter.no_functions = texts(r.list("no-functions"));
  filter.mechanisms = texts(r.list("mechanisms"));
  filter.no_mechanisms = texts(r.list("no-mechanisms"));
  filter.show = texts(r.list("show"));
  filter.hide = texts(r.list("hide"));
  filter.only_functions = r.has("functions");
  filter.only_mechanisms = r.has("mechanisms");
  filter.no_export = r.flag("no-export", false);
  filter.audit = r.choice("policy", {"enforce", "audit"}) == "audit";

  auto function = [](size_t n) {
    return filterable(kFunctionTable[n]) ? kFunctionTable[n].name : nullptr;
  };
  const std::string function_advice =
      "write a function that goes to one layer, as C_WrapKey, or a pattern, as C_Sign*";
  Bits may(kFunctions);
  for (size_t n = 0; n < kFunctions; n++) may[n] = function(n) != nullptr;
  set_refused(may, named_by(r.list("functions"), kFunctions, function, function_advice, errors_),
              filter.only_functions,
              named_by(r.list("no-functions"), kFunctions, function, function_advice, errors_),
              filter.plan.functions);

  const auto rows = mechanism_rows();
  auto mechanism = [rows](size_t n) { return rows[n].name; };
  const std::string mechanism_advice =
      "write a mechanism of PKCS #11, as CKM_RSA_PKCS, or a pattern, as CKM_AES_*";
  set_refused(Bits(rows.size(), true),
              named_by(r.list("mechanisms"), rows.size(), mechanism, mechanism_advice, errors_),
              filter.only_mechanisms,
              named_by(r.list("no-mechanisms"), rows.size(), mechanism, mechanism_advice, errors_),
              filter.plan.mechanisms);
  std::vector<ConfigValue> makes = r.list("create");
  std::erase_if(makes, [](const ConfigValue& v) { return !v.text.starts_with("CKM_"); });
  const Bits made = named_by(makes, rows.size(), mechanism, mechanism_advice, errors_);
  for (size_t n = 0; n < made.size(); n++)
    if (made[n]) filter.plan.makes[n / 64] |= uint64_t{1} << n % 64;
  object_rules(r, "show", &filter);
  object_rules(r, "hide", &filter);
  filter.plan.flags =
      (filter.only_mechanisms || r.has("no-mechanisms") ? uint32_t{kFilterMechanisms} : 0u) |
      (filter.no_export ? uint32_t{kFilterNoExport} : 0u) |
      (filter.audit ? uint32_t{kFilterAudit} : 0u) |
      (!makes.empty() ? uint32_t{kFilterCreate} : 0u);
  filters_++;
}

/* What clients see before the labels and ids of the library. */
void ConfigChecker::prefixes_of(const Reader& r, LayerConfig* layer) {
  LayerPrefix& prefix = layer->prefix;
  if (r.has("label-prefix")) {
    const std::string text = r.text("label-prefix");
    if (text.empty() || text.size() > sizeof prefix.label)
      r.error("label-prefix", "label-prefix = '" + text + "' is not usable; write 1 to " +
                                  std::to_string(sizeof prefix.label) +
                                  " octets of text, as \"team: \"");
    else
      std::memcpy(prefix.label, text.data(),
                  prefix.label_size = static_cast<uint32_t>(text.size()));
  }
  if (!r.has("id-prefix")) return;
  const std::string hex = r.text("id-prefix");
  const size_t size = hex.size() / 2;
  bool good = size != 0 && hex.size() % 2 == 0 && size <= sizeof prefix.id;
  for (size_t i = 0; good && i < size; i++) {
    const std::optional<uint32_t> octet = parse_number(hex.substr(2 * i, 2), 16);
    good = octet.has_value();
    if (good) prefix.id[i] = static_cast<uint8_t>(*octet);
  }
  if (good)
    prefix.id_size = static_cast<uint32_t>(size);
  else
    r.error("id-prefix", "id-prefix = '" + hex + "' is not usable; write 1 to " +
                             std::to_string(sizeof prefix.id) +
                             " octets in hexadecimal digits, as 0a1b");
}

}  // namespace mp11
