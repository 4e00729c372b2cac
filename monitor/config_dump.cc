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
#include "config.h"
#include "encoding.h"
#include "layer_prefix.h"
#include "security.h"
#include "server_address.h"

namespace mp11 {
namespace {

/* Writes the syntax of the file; strings in double quotes with what libconfuse takes back. */
class Writer {
 public:
  void open(const std::string& keyword, const std::string* title = nullptr) {
    indent();
    text_ += keyword + (title != nullptr ? " " + quote(*title) : "") + " {\n";
    depth_++;
  }
  void close() {
    depth_--;
    indent();
    text_ += "}\n";
  }
  void string(const char* keyword, const std::string& value) {
    if (!value.empty()) raw(keyword, quote(value));
  }
  void word(const char* keyword, const std::string& value) { raw(keyword, value); }
  void number(const char* keyword, uint64_t value) { raw(keyword, std::to_string(value)); }
  void flag(const char* keyword, bool value) { raw(keyword, value ? "yes" : "no"); }
  void list(const char* keyword, const std::vector<std::string>& values) {
    std::string all;
    for (const std::string& value : values) all += (all.empty() ? "" : ", ") + quote(value);
    raw(keyword, "{" + all + "}");
  }
  std::string take() { return std::move(text_); }

 private:
  void indent() { text_.append(depth_ * 2, ' '); }
  void raw(const char* keyword, const std::string& value) {
    indent();
    text_ += std::string(keyword) + " = " + value + "\n";
  }
  static std::string quote(const std::string& value) {
    std::string quoted = "\"";
    for (char c : value) {
      if (c == '"' || c == '\\' || c == '$') quoted.push_back('\\');
      quoted.push_back(c);
    }
    return quoted + "\"";
  }
  std::string text_;
  size_t depth_ = 0;
};

/* Of those whose bits are set. */
template <size_t N>
std::vector<std::string> names_of(const char* const (&names)[N], uint32_t bits) {
  std::vector<std::string> out;
  for (size_t i = 0; i < N; i++)
    if ((bits >> i & 1) != 0) out.emplace_back(names[i]);
  return out;
}

void dump_users(const Config& c, Writer* w) {
  w->open("users");
  w->string("auth", c.users.auth.text);
  w->string("vault", c.users.vault.text);
  w->string("monitor", c.users.monitor.text);
  w->string("net", c.users.net.text);
  w->string("log", c.users.log.text);
  w->close();
}

void dump_group(const GroupConfig& g, Writer* w) {
  w->open("group", &g.name);
  w->list("members", g.members);
  w->string("file", g.file);
  w->string("unix-group", g.unix_group);
  w->string("realm", g.unix_realm);
  w->close();
}

void dump_listener(const ListenerConfig& l, Writer* w) {
  w->open("listener", &l.name);
  if (l.local) {
    w->string("path", l.path);
    std::string mode = "0";
    for (int shift = 6; shift >= 0; shift -= 3)
      mode.push_back(static_cast<char>('0' + ((l.mode >> shift) & 7)));
    w->word("mode", mode);
    w->string("group", l.group);
    if (l.peer_uid) w->flag("peer-uid", true);
    w->string("principal", l.principal);
  } else {
    w->string("address", l.address);
    w->number("port", l.port);
    w->list("security", names_of(kSecurityNames, l.security));
    w->word("transport", l.sctp ? "sctp" : "tcp");
    if (!l.also.empty()) w->list("also", l.also);
    if (l.optional) w->flag("optional", true);
    w->list("encodings", names_of(kEncodingNames, l.encodings));
  }
  w->close();
}

void dump_library(const BackendConfig& b, Writer* w) {
  w->string("module", b.module);
  w->string("user", b.user.text);
  w->word("isolate", b.isolates_tokens() ? "token" : "backend");
  if (b.isolates_tokens())
    w->string("uids", std::to_string(b.first_uid) + "-" + std::to_string(b.last_uid));
  w->string("skeleton", b.skeleton);
  w->list("environment", b.environment);
  w->list("read", b.read);
  w->list("write", b.write);
  if (!b.isolates_tokens()) w->number("prestart", b.prestart);
  w->number("file-limit", b.files);
  w->flag("token-lock", b.token_lock);
}

void dump_server(const BackendConfig& b, Writer* w) {
  w->string("server", std::string(b.sctp ? kSctpScheme : kTcpScheme) + b.server);
  w->string("principal", b.principal);
  if (!b.security.empty()) w->word("security", b.security);
  w->string("keytab", b.keytab);
  w->string("client-principal", b.client);
  w->string("user", b.user.text);
  w->list("environment", b.environment);
}

void dump_backend(const BackendConfig& b, Writer* w) {
  w->open("backend", &b.name);
  if (b.is_server())
    dump_server(b, w);
  else
    dump_library(b, w);
  w->number("max-instances", b.max_instances);
  w->number("deadline", b.deadline_s);
  w->number("deadline-start", b.deadline_start_s);
  w->number("deadline-long", b.deadline_long_s);
  w->number("memory-limit", b.memory_mib);
  if (!b.isolates_tokens()) w->flag("transparent", b.transparent);
  if (b.transparent) {
    w->flag("admin", b.admin);
    w->list("allow", b.allow);
  }
  w->close();
}

void dump_filter(const FilterConfig& f, Writer* w) {
  if (f.only_functions) w->list("functions", f.functions);
  if (!f.no_functions.empty()) w->list("no-functions", f.no_functions);
  if (f.only_mechanisms) w->list("mechanisms", f.mechanisms);
  if (!f.no_mechanisms.empty()) w->list("no-mechanisms", f.no_mechanisms);
  if (!f.show.empty()) w->list("show", f.show);
  if (!f.hide.empty()) w->list("hide", f.hide);
  w->flag("no-export", f.no_export);
  w->word("policy", f.audit ? "audit" : "enforce");
}

void dump_token(const Config& c, const TokenConfig& t, Writer* w) {
  w->open("token", &t.label);
  for (const LayerConfig& layer : t.layers) {
    w->open("layer");
    w->string("backend", c.backends[layer.backend].name);
    w->string("token", layer.at_backend.text);
    w->word("access", layer.read_only ? "read-only" : "read-write");
    w->flag("required", layer.required);
    if (layer.on_demand) w->flag("on-demand", true);
    if (layer.on_demand) w->word("retire", kRetireNames[layer.retire]);
    if (layer.retire != kRetireKeep) w->number("retire-after", layer.retire_days);
    if (layer.pin == kPinStored)
      w->string("pin", "file:" + layer.pin_file);
    else
      w->word("pin", layer.pin == kPinNone      ? "none"
                     : layer.pin == kPinDerived ? "derived"
                     : layer.pin == kPinVault   ? "vault"
                                                : "client");
    std::vector<std::string> create = create_names(layer.creates);
    create.insert(create.end(), layer.create_mechanisms.begin(), layer.create_mechanisms.end());
    if (!create.empty()) w->list("create", create);
    if (!layer.allow.empty()) w->list("allow", layer.allow);
    if (layer.filter) dump_filter(*layer.filter, w);
    if (layer.blind) w->flag("blind", true);
    if (layer.prefix.label_size != 0) w->string("label-prefix", label_prefix(layer.prefix));
    if (layer.prefix.id_size != 0) w->string("id-prefix", id_prefix_hex(layer.prefix));
    w->close();
  }
  w->flag("admin", t.admin);
  w->string("serial", t.serial);
  if (t.pin_select) w->flag("pin-select", true);
  w->list("allow", t.allow);
  w->close();
}

}  // namespace

std::string dump_config(const Config& c) {
  Writer w;
  w.flag("unprivileged", c.unprivileged);
  w.string("run-directory", c.run_directory);
  w.string("state-directory", c.state_directory);
  w.string("master-key", c.master_key);
  w.string("libexec-directory", c.libexec_directory);
  w.word("log-level", c.log_level);
  switch (c.log_target) {
    case kLogToSyslog:
      w.string("log-target", "syslog");
      break;
    case kLogToStderr:
      w.string("log-target", "stderr");
      break;
    case kLogToFile:
      w.string("log-target", "file:" + c.log_file);
      break;
  }
  w.number("log-rate", c.log_rate);
  w.number("max-connections", c.max_connections);
  w.number("max-connections-per-source", c.max_connections_per_source);
  w.number("max-startups", c.max_startups);
  w.number("handshake-timeout", c.handshake_timeout_s);
  w.number("idle-timeout", c.idle_timeout_s);
  w.number("pool-size", c.pool_size);
  w.word("sandbox", c.sandbox == SandboxMode::kFull ? "full" : "seccomp-only");
  w.string("keytab", c.keytab);
  w.string("principal", c.principal);
  dump_users(c, &w);
  for (const GroupConfig& g : c.groups) dump_group(g, &w);
  for (const ListenerConfig& l : c.listeners) dump_listener(l, &w);
  for (const BackendConfig& b : c.backends) dump_backend(b, &w);
  for (const TokenConfig& t : c.tokens) dump_token(c, t, &w);
  for (const ActAsConfig& a : c.identities) {
    w.open("act-as", &a.identity);
    w.list("allow", a.allow);
    w.close();
  }
  return w.take();
}

}  // namespace mp11
