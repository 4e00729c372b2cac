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
 * Groups, virtual tokens and their layers: the part of the configuration that says who may see
 * what.
 */
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <tuple>

#include "config_checker.h"
#include "file_check.h"
#include "layer_prefix.h"
#include "person_text.h"
#include "policy.h"
#include "principal.h"
#include "unique_fd.h"

namespace mp11 {
namespace {

/* By what the file says of them: the library is not asked. */
bool same_token(const LayerConfig& a, const LayerConfig& b) {
  auto words = [](const TokenName& n) {
    return std::tie(n.label, n.manufacturer, n.model, n.serial);
  };
  return a.backend == b.backend && words(a.at_backend) == words(b.at_backend);
}

constexpr char kFilePin[] = "file:";

/* The first line of a file that nobody else may read. */
void read_pin_file(const Reader& r, LayerConfig* layer) {
  auto wrong = [&](const std::string& text) { r.error("pin", "pin: " + text); };
  const std::string& path = layer->pin_file;
  if (path.empty() || path[0] != '/') return wrong("write \"file:/ABSOLUTE/PATH\"");
  if (Status status = check_secret_file(path); !status) return wrong(status.error().text);
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return wrong(path + ": " + std::strerror(errno));
  Result<std::string> text = read_file_text(fd.get(), 4096);
  if (!text) return wrong(path + " " + text.error().text);
  const std::string line = text->substr(0, text->find('\n'));
  if (line.empty() || line.size() > sizeof(StoredPin::pin) || line.size() + 1 < text->size())
    return wrong(path + " is not one line of 1 to " + std::to_string(sizeof(StoredPin::pin)) +
                 " octets; put the PIN there and nothing else");
  layer->stored_pin = line;
}

void pin_of(const Reader& r, LayerConfig* layer) {
  const std::string pin = r.text("pin");
  if (pin.starts_with(kFilePin) && !layer->on_demand) {
    layer->pin = kPinStored;
    layer->pin_file = pin.substr(sizeof kFilePin - 1);
    read_pin_file(r, layer);
  } else if (layer->on_demand) {
    layer->pin = kPinDerived;
    if (r.has("pin") && pin != "derived")
      r.error("pin", "pin = " + pin + " is not for on-demand = yes; remove it, or write derived");
  } else if (pin == "derived") {
    r.error("pin", "pin = derived is that of tokens on demand; write on-demand = yes, or client");
  } else if (pin == "vault") {
    layer->pin = kPinVault;
    if (!r.has("token"))
      r.error("pin", "pin = vault is that of a token with a name; add token = LABEL");
  } else if (pin == "none") {
    layer->pin = kPinNone;
  } else if (r.has("pin") && pin != "client") {
    r.error("pin",
            "pin = " + pin + " is not understood; write client, none, vault or \"file:/PATH\"");
  }
}

uint32_t creates_of(const Reader& r, bool read_only, std::vector<std::string>* mechanisms) {
  uint32_t creates = 0;
  if (!r.has("create")) return creates;
  for (const ConfigValue& value : r.list("create")) {
    const std::string& name = value.text;
    if (name.starts_with("CKM_")) {
      mechanisms->push_back(name);
      continue;
    }
    auto found = std::find(std::begin(kCreateNames), std::end(kCreateNames), name);
    if (found == std::end(kCreateNames))
      r.error("create", "'" + name +
                            "' is no class of objects; write data, certificate, public-key, "
                            "private-key, secret-key, domain-parameters, other or a mechanism");
    else
      creates |= 1u << (found - std::begin(kCreateNames));
  }
  if (r.list("create").empty())
    r.error("create", "names nothing; write access = read-only, or what may be made there");
  else if (read_only)
    r.error("create",
            "only session objects are made on a read-only layer; write access = "
            "read-write or remove create");
  return creates;
}

}  // namespace

/* "uid:N", "local:NAME", a principal or pattern with its realm, or, for allow, "group:NAME". */
std::vector<std::string> ConfigChecker::rules(const Reader& r, const char* keyword) {
  const bool groups = std::string_view(keyword) == "allow";
  std::vector<std::string> good;
  for (const ConfigValue& value : r.list(keyword)) {
    const std::string& text = value.text;
    std::string wrong;
    if (!text.starts_with("group:"))
      wrong = rule_problem(text);
    else if (!groups)
      wrong = "is a group, and there are no groups of groups";
    else if (config_->group_of(text) == nullptr)
      wrong = "names no group of this file";
    rules_++;
    if (wrong.empty())
      good.push_back(text);
    else
      errors_->add(value.line, std::string(keyword) + ": '" + text + "' " + wrong +
                                   "; write name@REALM, */admin@REALM, uid:NUMBER" +
                                   (groups ? ", local:NAME or group:NAME" : " or local:NAME"));
  }
  return good;
}

void ConfigChecker::group(const Reader& r) {
  GroupConfig g;
  g.name = r.section().title;
  g.line = r.section().line;
  if (!is_name(g.name, 64))
    errors_->add(g.line, "group name '" + g.name +
                             "' is not usable; write at most 64 letters, digits, - _ .");
  g.members = rules(r, "members");
  for (const std::string& member : g.members)
    g.all.push_back({member, "line " + std::to_string(g.line)});
  auto add = [&](const char* keyword, Result<std::vector<GroupMember>> more) {
    if (!more) {
      r.error(keyword, "group '" + g.name + "': " + more.error().text);
      return;
    }
    rules_ += more->size();
    g.all.insert(g.all.end(), more->begin(), more->end());
  };
  g.file = r.absolute("file", "");
  if (g.file.starts_with('/')) add("file", read_group_file(g.file));
  g.unix_group = r.text("unix-group");
  g.unix_realm = r.text("realm");
  if (r.has("realm") && !r.has("unix-group"))
    r.error("realm", "realm is that of the users of unix-group; add that, or remove it");
  else if (r.has("realm") && !rule_problem("user@" + g.unix_realm).empty())
    r.error("realm", "realm = '" + g.unix_realm + "' is not usable; write it as EXAMPLE.ORG");
  else if (r.has("unix-group"))
    add("unix-group", read_unix_group(g.unix_group, g.unix_realm));
  if (!r.has("members") && !r.has("file") && !r.has("unix-group") && !r.has("realm"))
    errors_->add(g.line, "group '" + g.name + "' says nothing; add members, file or unix-group");
  else if (g.all.empty())
    warn(g.line, "group '" + g.name + "' has no members");
  config_->groups.push_back(std::move(g));
}

void ConfigChecker::token(const Reader& r) {
  TokenConfig t;
  t.label = r.section().title;
  t.line = r.section().line;
  const std::string wrong_label = person_text_problem(t.label);
  if (!wrong_label.empty())
    errors_->add(t.line, "token label '" + t.label + "' " + wrong_label);
  else if (!names_person(t.label) && person_text(t.label, "").size() > 32)
    errors_->add(t.line, "token label '" + t.label + "' is not usable; write 1 to 32 octets");
  const size_t layers = r.section().sections.size();
  if (layers == 0 || layers > limits::kLayers)
    errors_->add(t.line, "token '" + t.label + "' has " + std::to_string(layers) +
                             " layers; write 1 to " + std::to_string(limits::kLayers));
  const bool read_only = r.choice("access", {"read-only", "read-write"}) == "read-only";
  for (const ConfigSection& layer : r.section().sections)
    layer_of(Reader(layer, errors_), read_only, &t);
  t.admin = r.flag("admin", false);
  if (t.admin && layers > 1)
    r.error("admin", "admin = yes is for tokens of one layer; remove it");
  else if (t.admin && layers == 1 && t.layers[0].read_only)
    r.error("admin", "admin = yes needs access = read-write; change one of them");
  else if (t.admin && layers == 1 &&
           (t.layers[0].filter || t.layers[0].pin != kPinClient || has_prefix(t.layers[0].prefix)))
    r.error("admin",
            "admin = yes is for a token whose layer refuses nothing, has no prefix and has pin = "
            "client; remove it");
  if (!t.layers.empty() && t.layers.back().blind)
    warn(t.layers.back().line,
         "blind = yes hides nothing, as no layer is below this one; move it up or remove blind");
  t.serial = r.text("serial");
  const bool on_demand = std::any_of(t.layers.begin(), t.layers.end(),
                                     [](const LayerConfig& layer) { return layer.on_demand; });
  const bool own_serial = layers > 1 || on_demand || r.flag("pin-select", false);
  if (own_serial && !r.has("serial")) t.serial = serial_of(t.label);
  bool printable =
      std::all_of(t.serial.begin(), t.serial.end(), [](char c) { return c > ' ' && c < 0x7f; });
  if (r.has("serial") && (t.serial.empty() || t.serial.size() > 16 || !printable))
    r.error("serial", "serial = '" + t.serial + "' is not usable; write 1 to 16 printable octets");
  for (const TokenConfig& other : config_->tokens)
    if (!t.serial.empty() && other.serial == t.serial)
      errors_->add(
          r.has("serial") ? r.line("serial") : t.line,
          "serial " + t.serial + " is that of token '" + other.label + "'; give each its own");
  pin_select(r, &t);
  t.allow = rules(r, "allow");
  one_realm(t);
  config_->tokens.push_back(std::move(t));
}

/* A label with a %, or a name as of token_uri.h. */
void ConfigChecker::token_of(const Reader& r, LayerConfig* layer) {
  if (!r.has("token")) return;
  const std::string text = r.text("token");
  layer->of_person = !is_token_uri(text) && text.find('%') != text.npos;
  std::string wrong;
  if (layer->of_person) {
    wrong = person_text_problem(text);
    layer->at_backend.text = layer->at_backend.label = text;
  } else if (Result<TokenName> named = name_token(text); named) {
    layer->at_backend = std::move(*named);
  } else {
    wrong = named.error().text;
  }
  if (!wrong.empty()) r.error("token", "token = " + text + " " + wrong);
}

/* With %u one person of two realms, or one of them and a local name, would be the same. */
void ConfigChecker::one_realm(const TokenConfig& t) {
  bool used = names_user(t.label);
  for (const LayerConfig& layer : t.layers)
    used |= layer.of_person && names_user(layer.at_backend.label);
  std::optional<std::string> realm;
  std::string other;
  auto look = [&](const std::string& rule) {
    Result<PrincipalPattern> pattern = parse_pattern(rule);
    if (!pattern || rule.starts_with("uid:") || rule.starts_with("local:"))
      other = rule;
    else if (realm.value_or(pattern->realm) != pattern->realm)
      other = rule;
    else
      realm = pattern->realm;
  };
  for (const std::string& rule : t.allow) {
    if (const GroupConfig* group = config_->group_of(rule))
      for (const GroupMember& member : group->all) look(member.rule);
    else
      look(rule);
  }
  if (used && !other.empty())
    errors_->add(t.line, "token '" + t.label +
                             "' has %u, but its allow list is not of one realm ('" + other +
                             "'); write %p instead");
}

/* access of the token is that of its layers, unless they say otherwise. */
void ConfigChecker::layer_of(const Reader& r, bool read_only, TokenConfig* t) {
  LayerConfig layer;
  layer.line = r.section().line;
  std::string name = r.text("backend");
  auto& all = config_->backends;
  auto found =
      std::find_if(all.begin(), all.end(), [&](const BackendConfig& b) { return b.name == name; });
  if (name.empty())
    errors_->add(r.section().line, "the layer names no backend; add backend = NAME");
  else if (found == all.end())
    r.error("backend", "there is no backend '" + name + "'; name one of this file");
  else
    layer.backend = static_cast<uint32_t>(found - all.begin());
  token_of(r, &layer);
  if (found != all.end() && found->isolates_tokens() && !r.has("token"))
    errors_->add(layer.line, "the layer names no token, and backend '" + name +
                                 "' has isolate = token; add token = LABEL");
  layer.read_only = read_only;
  if (r.has("access"))
    layer.read_only = r.choice("access", {"read-only", "read-write"}) == "read-only";
  layer.required = r.flag("required", false);
  layer.on_demand = r.flag("on-demand", false);
  if (layer.on_demand && !r.has("token"))
    errors_->add(layer.line, "on-demand = yes needs the token's name; add token = LABEL");
  if (layer.on_demand && found != all.end() && found->is_server())
    r.error("on-demand",
            "on-demand = yes is not for a backend with server, whose tokens are made "
            "by the multip11d there; remove it, or write it there");
  if (layer.on_demand && is_token_uri(r.text("token")))
    r.error("token", "token of on-demand = yes is a name of yours and no URI; write a label");
  if (layer.on_demand && layer.read_only)
    r.error("on-demand",
            "on-demand = yes on a read-only layer makes a token that stays empty; "
            "write access = read-write");
  if (found != all.end()) retire_of(r, &layer);
  pin_of(r, &layer);
  pins_ += layer.pin == kPinStored;
  layer.creates = creates_of(r, layer.read_only, &layer.create_mechanisms);
  filter_of(r, &layer);
  layer.blind = r.flag("blind", false);
  prefixes_of(r, &layer);
  layer.allow = rules(r, "allow");
  if (r.has("allow") && r.list("allow").empty())
    r.error("allow", "names nobody, and no allow is for whoever sees the token; remove the layer");
  if (found != all.end()) token_once(*t, layer, name);
  t->layers.push_back(std::move(layer));
}

/* A directory that tokens share cannot be emptied for one of them. */
void ConfigChecker::retire_of(const Reader& r, LayerConfig* layer) {
  constexpr uint32_t kMostDays = 36500;
  const std::string word = r.choice("retire", {"keep", "hide", "destroy"});
  for (size_t mode = 0; mode < std::size(kRetireNames); mode++)
    if (word == kRetireNames[mode]) layer->retire = static_cast<RetireMode>(mode);
  const bool destroys = layer->retire == kRetireDestroy;
  const uint32_t least = layer->retire == kRetireKeep ? 0 : 1;
  layer->retire_days = r.number("retire-after", least, least, kMostDays);
  if (r.has("retire") && !layer->on_demand)
    r.error("retire",
            "retire is for tokens that the daemon makes; add on-demand = yes, or remove it");
  else if (r.has("retire-after") && layer->retire == kRetireKeep)
    r.error(
        "retire-after",
        "retire-after is for retire = hide and retire = destroy; add one of them, or remove it");
  else if (destroys && !r.has("retire-after"))
    r.error("retire", "retire = destroy needs a time to think again; add retire-after = DAYS");
  const BackendConfig& backend = config_->backends[layer->backend];
  if (destroys && !backend.isolates_tokens())
    r.error("retire", "retire = destroy needs tokens with directories of their own, and backend '" +
                          backend.name +
                          "' has not isolate = token; add that there, or write retire = hide");
}

/* Two layers that are one token of a library would log in to it twice, and show it twice. */
void ConfigChecker::token_once(const TokenConfig& t, const LayerConfig& layer,
                               const std::string& backend) {
  for (const LayerConfig& other : t.layers) {
    if (other.backend != layer.backend) continue;
    const std::string its_line = "the layer of line " + std::to_string(other.line);
    if (same_token(other, layer))
      errors_->add(layer.line, "this is " + its_line + " once more; name another token of '" +
                                   backend + "', or remove it");
    else if (other.at_backend.text.empty() || layer.at_backend.text.empty())
      errors_->add(layer.line, "this and " + its_line + " are of backend '" + backend +
                                   "' and could be one token; name the tokens of both");
  }
}

/* A filter keeps nothing from who has another way to the token. */
void ConfigChecker::ways_around_filters() {
  for (const TokenConfig& t : config_->tokens)
    for (const LayerConfig& filtered : t.layers) {
      if (!filtered.filter || filtered.filter->audit) continue;
      for (const TokenConfig& other : config_->tokens)
        for (const LayerConfig& layer : other.layers)
          if (&layer != &filtered && !layer.filter && same_token(layer, filtered))
            warn(layer.line, "this token of '" + config_->backends[layer.backend].name +
                                 "' has a filter on line " + std::to_string(filtered.line) +
                                 ", which keeps nothing from who also sees it here");
    }
}

bool Config::destroys(uint32_t backend) const {
  return std::any_of(tokens.begin(), tokens.end(), [backend](const TokenConfig& t) {
    return std::any_of(t.layers.begin(), t.layers.end(), [backend](const LayerConfig& layer) {
      return layer.backend == backend && layer.retire == kRetireDestroy;
    });
  });
}

}  // namespace mp11
