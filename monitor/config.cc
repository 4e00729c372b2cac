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

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "config_checker.h"
#include "encoding.h"
#include "file_check.h"
#include "policy.h"
#include "principal.h"
#include "security.h"
#include "start_blocks.h"
#include "unique_fd.h"

namespace mp11 {
namespace {

constexpr size_t kConfigOctets = 1u << 20; /* 1024 tokens with long rules fit */
constexpr uint32_t kMaxSeconds = 7 * 86400;

#ifdef MP11_RUNDIR
constexpr char kDefaultRunDirectory[] = MP11_RUNDIR;
#else
constexpr char kDefaultRunDirectory[] = "/run/multip11";
#endif

#ifdef MP11_STATEDIR
constexpr char kDefaultStateDirectory[] = MP11_STATEDIR;
#else
constexpr char kDefaultStateDirectory[] = "/var/lib/multip11";
#endif

/* A literal address. */
struct IpAddress {
  int family = AF_INET;
  std::array<uint8_t, sizeof(in6_addr)> octets{}; /* of IPv4 the first four */
  bool operator==(const IpAddress&) const = default;
  /* 0.0.0.0 or :: */
  bool is_any() const { return octets == decltype(octets){}; }
};

std::optional<IpAddress> parse_ip(const std::string& text) {
  IpAddress address;
  for (int family : {AF_INET, AF_INET6}) {
    address.family = family;
    if (::inet_pton(family, text.c_str(), address.octets.data()) == 1) return address;
  }
  return std::nullopt;
}

/* Uids that the system gives to nobody, or to its own users (Debian policy, 9.2.2). */
constexpr uint32_t kFirstOrdinaryUid = 1000, kLastUid = 0x7ffffffe;

/* The defaults, each safe for a machine that nobody has looked at yet. */
constexpr uint32_t kDefaultConnections = 256;
constexpr uint32_t kDefaultPerSource = 64;
constexpr uint32_t kDefaultStartups = 64;
constexpr uint32_t kDefaultHandshakeS = 30;
constexpr uint32_t kDefaultPool = 4;
constexpr uint32_t kDefaultLogRate = 200;
constexpr uint32_t kDefaultInstances = 256;
constexpr uint32_t kDefaultDeadlineS = 30;
constexpr uint32_t kDefaultStartS = 60; /* a slow library may take this long to initialise */
constexpr uint32_t kDefaultConnectS =
    15; /* while it is down, each call that wants it waits so long */
constexpr uint32_t kDefaultLongS = 300; /* RSA keys of 16384 bits on a small device */
constexpr uint32_t kDefaultMemoryMib = 1024;
constexpr uint32_t kDefaultFiles = 256;

/* Opens first and looks at what was opened, so that nobody changes it between. */
Result<std::string> read_config_file(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return Error{errno, std::strerror(errno)};
  struct stat st;
  if (::fstat(fd.get(), &st) != 0 || !S_ISREG(st.st_mode))
    return Error{EINVAL, "is not a regular file; name a file"};
  std::string absolute = path;
  if (path[0] != '/') {
    char directory[4096];
    if (::getcwd(directory, sizeof directory) == nullptr) return Error{errno, std::strerror(errno)};
    absolute = std::string(directory) + "/" + path;
  }
  if (Status status = check_trusted_path(absolute); !status) return status.error();
  if ((st.st_uid != 0 && st.st_uid != ::geteuid()) || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return Error{EPERM, "changed while it was being read; start again"};
  return read_file_text(fd.get(), kConfigOctets);
}

}  // namespace

void ConfigChecker::run() {
  global(Reader(root_, errors_));
  users();
  for_each("group", [this](const Reader& r) { group(r); });
  for_each("listener", [this](const Reader& r) { listener(r); });
  for_each("backend", [this](const Reader& r) { backend(r); });
  for_each("token", [this](const Reader& r) { token(r); });
  for_each("act-as", [this](const Reader& r) { act_as(r); });
  limits_of_one_configuration();
  network();
  if (!config_->unprivileged) clashes();
  if (!config_->unprivileged) uid_ranges();
  usefulness();
  master_key_is_there();
}

void ConfigChecker::warn(int line, const std::string& text) {
  ConfigErrors one(file_);
  one.add(line, text);
  loaded_->warnings.push_back(one.lines()[0]);
}

void ConfigChecker::global(const Reader& r) {
  Config& c = *config_;
  c.unprivileged = r.flag("unprivileged", false);
  c.run_directory = r.absolute("run-directory", kDefaultRunDirectory);
  c.state_directory = r.absolute("state-directory", kDefaultStateDirectory);
  c.master_key = r.absolute("master-key", "");
  if (c.master_key.starts_with('/'))
    if (Status status = check_secret_file(c.master_key); !status)
      r.error("master-key", "master-key: " + status.error().text);
  libexec(r);
  c.log_level = r.choice("log-level", {"info", "error", "verbose", "debug"});
  log_target(r);
  c.log_rate = r.number("log-rate", kDefaultLogRate, 1, 100000);
  c.max_connections = r.number("max-connections", kDefaultConnections, 1, 16384);
  c.max_connections_per_source =
      r.number("max-connections-per-source", kDefaultPerSource, 1, 16384);
  c.max_startups = r.number("max-startups", kDefaultStartups, 1, limits::kHandshakes);
  c.handshake_timeout_s = r.number("handshake-timeout", kDefaultHandshakeS, 1, 3600);
  c.idle_timeout_s = r.number("idle-timeout", 0, 0, kMaxSeconds);
  c.pool_size = r.number("pool-size", kDefaultPool, 0, 256);
  c.sandbox = r.choice("sandbox", {"full", "seccomp-only"}) == "full" ? SandboxMode::kFull
                                                                      : SandboxMode::kSeccompOnly;
}

/* Where our own programs are: believed as the configuration is, so it must be as well kept. */
void ConfigChecker::libexec(const Reader& r) {
#ifdef MP11_LIBEXECDIR
  const char* built_in = MP11_LIBEXECDIR;
#else
  const char* built_in = "/usr/libexec/multip11";
#endif
  config_->libexec_directory = r.absolute("libexec-directory", built_in);
  if (config_->libexec_directory == built_in) return;
  if (Status status = check_trusted_path(config_->libexec_directory); !status)
    r.error("libexec-directory", "libexec-directory: " + status.error().text);
}

void ConfigChecker::log_target(const Reader& r) {
  std::string target = r.text("log-target", "syslog");
  if (target == "syslog") {
    config_->log_target = kLogToSyslog;
  } else if (target == "stderr") {
    config_->log_target = kLogToStderr;
  } else if (target.starts_with("file:/")) {
    config_->log_target = kLogToFile;
    config_->log_file = target.substr(5);
    std::string directory = config_->log_file.substr(0, config_->log_file.rfind('/') + 1);
    if (Status status = check_trusted_path(directory); !status)
      r.error("log-target", "log-target: " + status.error().text);
  } else {
    r.error("log-target", "log-target = " + target +
                              " is not understood; write syslog, stderr or file:/ABSOLUTE/PATH");
  }
}

/* "UID:GID", or a name in /etc/passwd. */
UserId ConfigChecker::user_id(const std::string& text, int line, const std::string& what) {
  UserId id{text, 0, 0};
  if (config_->unprivileged) return id;
  size_t colon = text.find(':');
  std::string advice = "; name a user of /etc/passwd, or write \"UID:GID\"";
  if (colon != std::string::npos) {
    auto uid = parse_number(text.substr(0, colon)), gid = parse_number(text.substr(colon + 1));
    if (!uid || !gid) {
      errors_->add(line, what + " = " + text + " is not understood" + advice);
      return id;
    }
    id.uid = *uid;
    id.gid = *gid;
  } else if (std::optional<PasswdEntry> entry = find_user(text); entry) {
    id.uid = entry->uid;
    id.gid = entry->gid;
  } else {
    errors_->add(line, what + ": there is no user '" + text + "'" + advice);
    return id;
  }
  if (id.uid == 0 || id.gid == 0 || id.uid == UINT32_MAX || id.gid == UINT32_MAX)
    errors_->add(line, what + " = " + text +
                           " is root, or of root's group; no program of multip11d runs as root" +
                           advice);
  return id;
}

void ConfigChecker::users() {
  const ConfigSection none;
  const ConfigSection* section = nullptr;
  for (const ConfigSection& s : root_.sections) {
    if (s.keyword != "users") continue;
    if (section != nullptr)
      errors_->add(s.line, "a second users section; put all into the one on line " +
                               std::to_string(section->line));
    section = &s;
  }
  Reader r(section != nullptr ? *section : none, errors_);
  users_line_ = section != nullptr ? section->line : 1;
  auto one = [&](const char* keyword, UserId* id) {
    int line = r.find(keyword) != nullptr ? r.line(keyword) : users_line_;
    *id = user_id(r.text(keyword, std::string("_multip11-") + keyword), line,
                  std::string("users: ") + keyword);
  };
  one("auth", &config_->users.auth);
  one("vault", &config_->users.vault);
  one("monitor", &config_->users.monitor);
  one("net", &config_->users.net);
  one("log", &config_->users.log);
}

void ConfigChecker::listener(const Reader& r) {
  ListenerConfig l;
  l.name = r.section().title;
  l.line = r.section().line;
  if (!is_name(l.name, 31))
    errors_->add(l.line, "listener name '" + l.name +
                             "' is not usable; write at most 31 letters, digits, - _ .");
  bool tcp = r.has("address") || r.has("port"), local = r.has("path");
  l.local = local;
  if (tcp == local) {
    errors_->add(
        l.line,
        "listener '" + l.name +
            "' is neither on the network nor local; write either address and port, or path");
  } else if (local) {
    local_listener(r, &l);
  } else {
    tcp_listener(r, &l);
  }
  for (const ListenerConfig& other : config_->listeners)
    if (other.local == l.local && other.path == l.path && other.address == l.address &&
        other.port == l.port && other.sctp == l.sctp)
      errors_->add(l.line, "listener '" + l.name + "' is where listener '" + other.name +
                               "' is already; give it another address, port or path");
  config_->listeners.push_back(std::move(l));
}

void ConfigChecker::encodings(const Reader& r, ListenerConfig* l) {
  if (!r.has("encodings")) l->encodings = kAllEncodings;
  for (const ConfigValue& value : r.list("encodings")) {
    const std::optional<Encoding> encoding = encoding_named(value.text);
    if (encoding)
      l->encodings |= encoding_bit(*encoding);
    else
      errors_->add(value.line, "encodings: '" + value.text + "' is none; write der, xer or jer");
  }
  if (r.has("encodings") && r.list("encodings").empty())
    r.error("encodings", "encodings: without one nobody could call; name der, xer or jer");
}

void ConfigChecker::security(const Reader& r, ListenerConfig* l) {
  if (!r.has("security")) l->security = kAllSecurity;
  for (const ConfigValue& value : r.list("security")) {
    const std::optional<Security> security = security_named(value.text);
    if (security)
      l->security |= security_bit(*security);
    else
      errors_->add(value.line, "security: '" + value.text + "' is none; write kdh, gss or both");
  }
  if (r.has("security") && r.list("security").empty())
    r.error("security", "security: without one nobody could call; name kdh, gss or both");
}

void ConfigChecker::tcp_listener(const Reader& r, ListenerConfig* l) {
  for (const char* keyword : {"mode", "group", "peer-uid", "principal"})
    r.forbid(keyword, "belongs to a listener with path; remove it, or address and port");
  l->address = r.text("address");
  if (!parse_ip(l->address))
    r.error("address", "address = '" + l->address +
                           "' is not a literal IPv4 or IPv6 address; write one, as 127.0.0.1");
  l->port = static_cast<uint16_t>(r.number("port", 4611, 1, 65535));
  encodings(r, l);
  security(r, l);
  transport(r, l);
}

void ConfigChecker::transport(const Reader& r, ListenerConfig* l) {
  l->sctp = r.choice("transport", {"tcp", "sctp"}) == "sctp";
  l->optional = r.flag("optional", false);
  if (!l->sctp) {
    r.forbid("optional", "belongs to transport = sctp, which not every kernel has; remove it");
    r.forbid("also", "belongs to transport = sctp; for TCP write a listener for each address");
    return;
  }
  further_addresses(r, l);
  if (l->security != security_bit(Security::kGss))
    r.error("transport",
            "transport = sctp is for GSS-API alone, as TLS-KDH needs octets in order; write "
            "security = gss here, and let another listener take TCP");
}

/* One socket has all of them, so that one connection may. */
void ConfigChecker::further_addresses(const Reader& r, ListenerConfig* l) {
  const std::optional<IpAddress> first = parse_ip(l->address);
  std::vector<IpAddress> all;
  if (first) all.push_back(*first);
  for (const ConfigValue& value : r.list("also")) {
    const std::optional<IpAddress> address = parse_ip(value.text);
    const std::string is = "also: '" + value.text + "' is ";
    if (!address)
      errors_->add(value.line, is + "not a literal IPv4 or IPv6 address; write one, as 192.0.2.7");
    else if (first && address->family != first->family)
      errors_->add(value.line, is + "of another family than address; let another listener have it");
    else if (address->is_any() || (first && first->is_any()))
      errors_->add(value.line, is + "not needed: one of address and also is every address; remove "
                                    "all but that one");
    else if (std::find(all.begin(), all.end(), *address) != all.end())
      errors_->add(value.line, is + "there already; remove it");
    else if (all.size() > limits::kFurtherAddresses)
      errors_->add(value.line, is + "one too many; there may be " +
                                   std::to_string(limits::kFurtherAddresses) + " in also");
    else
      all.push_back(*address);
    l->also.push_back(value.text);
  }
}

void ConfigChecker::local_listener(const Reader& r, ListenerConfig* l) {
  for (const char* keyword : {"security", "transport", "encodings", "optional", "also"})
    r.forbid(keyword, "belongs to a listener with address and port; remove it");
  l->path = r.absolute("path", "");
  if (l->path.size() > 107) /* sun_path, with its NUL */
    r.error("path", "path is longer than a socket's may be; write at most 107 octets");
  std::optional<uint32_t> mode = parse_number(r.text("mode", "0666"), 8);
  if (!mode || *mode > 0777)
    r.error("mode", "mode = " + r.text("mode") + " is not understood; write it like 0660");
  l->mode = mode.value_or(0600);
  l->group = r.text("group");
  if (!l->group.empty()) {
    std::optional<uint32_t> number = parse_number(l->group);
    l->gid = number ? std::optional<gid_t>(*number) : find_group(l->group);
    if (!l->gid) r.error("group", "there is no group '" + l->group + "'; name one of /etc/group");
  }
  l->peer_uid = r.flag("peer-uid", false);
  l->principal = r.text("principal");
  if (l->peer_uid == !l->principal.empty())
    errors_->add(l->line,
                 "listener '" + l->name +
                     "' does not say who its clients are; write exactly one of peer-uid = yes and "
                     "principal = NAME");
  if (!l->principal.empty() && !is_local_name(l->principal))
    r.error("principal", "principal = " + l->principal +
                             " is not usable here; write a plain name of letters, digits, - _ .");
}

void ConfigChecker::path_list(const Reader& r, const char* keyword,
                              std::vector<std::string>* paths) {
  for (const ConfigValue& value : r.list(keyword)) {
    struct stat st;
    if (value.text.empty() || value.text[0] != '/')
      errors_->add(value.line, std::string(keyword) + ": '" + value.text +
                                   "' is relative; write it from the root");
    else if (::stat(value.text.c_str(), &st) != 0)
      errors_->add(value.line, std::string(keyword) + ": " + value.text + ": " +
                                   std::strerror(errno) + "; create it, or remove it here");
    else
      paths->push_back(value.text);
  }
}

void ConfigChecker::environment(const Reader& r, BackendConfig* b) {
  for (const ConfigValue& value : r.list("environment")) {
    size_t equals = value.text.find('=');
    std::string name = value.text.substr(0, equals);
    bool good = equals != std::string::npos && is_name(name, 128) &&
                name.find_first_of("-.") == std::string::npos;
    if (!good)
      errors_->add(value.line,
                   "environment: '" + value.text + "' is not understood; write \"NAME=VALUE\"");
    else if (name.starts_with("LD_"))
      errors_->add(value.line,
                   "environment: " + name + " has no effect on a running program; remove it");
    else if (std::string wrong = b->isolates_tokens() ? directory_text_problem(value.text) : "";
             !wrong.empty())
      errors_->add(value.line, "environment: '" + value.text + "' " + wrong);
    else
      b->environment.push_back(value.text);
  }
}

/* Whether its tokens are apart from each other, and where. */
void ConfigChecker::isolation(const Reader& r, BackendConfig* b) {
  const bool apart =
      r.choice("isolate", r.has("uids") ? std::vector<std::string>{"token", "backend"}
                                        : std::vector<std::string>{"backend", "token"}) == "token";
  if (!apart) {
    for (const char* keyword : {"uids", "skeleton"})
      r.forbid(keyword, "belongs to isolate = token; remove it, or write that");
    if (r.has("user"))
      b->user = user_id(r.text("user"), r.line("user"), "user");
    else if (!config_->unprivileged)
      errors_->add(b->line, "backend '" + b->name +
                                "' has no user; add user = NAME, one that nothing else uses");
    return;
  }
  /* Without users they are but numbers; with them one that clashes with nothing, till it is read.
   */
  b->first_uid = config_->unprivileged ? kFirstOrdinaryUid : kLastUid;
  b->last_uid = kLastUid;
  r.forbid("user", "is not for isolate = token, where each token has its own; remove it");
  r.forbid("transparent", "is not for isolate = token, whose tokens have names; remove it");
  r.forbid("prestart", "is not for isolate = token: it is not known for whom; remove it");
  b->skeleton = r.absolute("skeleton", "");
  if (b->skeleton.starts_with('/'))
    if (Status status = check_trusted_path(b->skeleton); !status)
      r.error("skeleton", "skeleton: " + status.error().text);
  if (!r.has("uids")) {
    if (!config_->unprivileged)
      errors_->add(b->line, "backend '" + b->name +
                                "' has no uids; add uids = \"FIRST-LAST\", of which nothing else "
                                "uses one");
    return;
  }
  const std::string text = r.text("uids");
  const size_t dash = text.find('-');
  std::optional<uint32_t> first = parse_number(text.substr(0, dash)), last;
  if (dash != text.npos) last = parse_number(text.substr(dash + 1));
  if (!first || !last || *first > *last || *first < kFirstOrdinaryUid || *last > kLastUid)
    return r.error("uids", "uids = " + text + " is not understood; write \"FIRST-LAST\", from " +
                               std::to_string(kFirstOrdinaryUid) + " to " +
                               std::to_string(kLastUid));
  b->first_uid = *first;
  b->last_uid = *last;
}

void ConfigChecker::backend(const Reader& r) {
  BackendConfig b;
  b.name = r.section().title;
  b.line = r.section().line;
  if (!is_name(b.name, 31))
    errors_->add(b.line, "backend name '" + b.name +
                             "' is not usable; write at most 31 letters, digits, - _ .");
  const bool elsewhere = r.has("server");
  if (elsewhere)
    server(r, &b);
  else
    library(r, &b);
  b.max_instances = r.number("max-instances", kDefaultInstances, 1, 16384);
  b.prestart = r.number("prestart", 0, 0, 256);
  if (b.prestart > b.max_instances)
    r.error("prestart", "prestart is above max-instances; lower it");
  b.deadline_s = r.number("deadline", kDefaultDeadlineS, 1, kMaxSeconds);
  b.deadline_start_s =
      r.number("deadline-start", elsewhere ? kDefaultConnectS : kDefaultStartS, 1, kMaxSeconds);
  b.deadline_long_s = r.number("deadline-long", kDefaultLongS, 1, kMaxSeconds);
  b.memory_mib = r.number("memory-limit", kDefaultMemoryMib, 0, 1u << 20);
  b.files = r.number("file-limit", kDefaultFiles, 16, 65536);
  b.token_lock = r.flag("token-lock", false);
  b.transparent = r.flag("transparent", false);
  if (b.transparent) {
    b.admin = r.flag("admin", false);
    b.allow = rules(r, "allow");
  } else {
    for (const char* keyword : {"allow", "admin"})
      r.forbid(keyword, "belongs to a token, or to a backend with transparent = yes; move it");
  }
  if (start_block_of(b, config_->sandbox, false, scope_directory(*config_, b, kLastUid)).size() >
      kStartBlockOctets)
    errors_->add(b.line, "backend '" + b.name +
                             "' has too long lists of environment, read and write; shorten them");
  config_->backends.push_back(std::move(b));
}

/* keytab and principal: needed by the network, of no use without it. */
void ConfigChecker::network() {
  Reader r(root_, errors_);
  config_->keytab = r.absolute("keytab", "");
  config_->principal = r.text("principal");
  principal_of(r, "principal", config_->principal, "pkcs11/HOST@REALM");
  if (!config_->keytab.empty() && config_->keytab[0] == '/')
    if (Status status = check_secret_file(config_->keytab); !status)
      r.error("keytab", "keytab: " + status.error().text);
  for (const ListenerConfig& l : config_->listeners) {
    if (l.local) continue;
    if (config_->keytab.empty())
      errors_->add(l.line, "listener '" + l.name + "' needs a keytab; add keytab = \"/PATH\"");
    if (config_->principal.empty())
      errors_->add(l.line, "listener '" + l.name +
                               "' needs a principal; add principal = \"pkcs11/HOST@REALM\"");
  }
}

/* No two kinds of process, and no two backends, share a uid or a group. */
void ConfigChecker::clashes() {
  struct Owner {
    std::string what;
    const UserId* id;
    int line;
  };
  const UsersConfig& u = config_->users;
  std::vector<Owner> owners;
  for (auto [what, id] :
       {std::pair("auth", &u.auth), std::pair("vault", &u.vault), std::pair("monitor", &u.monitor),
        std::pair("net", &u.net), std::pair("log", &u.log)})
    owners.push_back({std::string("multip11-") + what, id, users_line_});
  for (const BackendConfig& b : config_->backends)
    if (!b.user.text.empty()) owners.push_back({"backend '" + b.name + "'", &b.user, b.line});
  for (size_t i = 0; i < owners.size(); i++)
    for (size_t j = 0; j < i; j++) {
      if (owners[i].id->uid == 0 || owners[j].id->uid == 0) continue; /* reported already */
      if (owners[i].id->uid == owners[j].id->uid)
        errors_->add(owners[i].line, owners[i].what + " has the same uid as " + owners[j].what +
                                         "; give each a user of its own");
      else if (owners[i].id->gid == owners[j].id->gid)
        errors_->add(owners[i].line, owners[i].what + " has the same group as " + owners[j].what +
                                         "; give each a group of its own");
    }
}

/* Whose uid another token's files may be: a range is for nothing else. */
void ConfigChecker::uid_ranges() {
  auto overlaps = [](const BackendConfig& b, uint32_t first, uint32_t last) {
    return b.first_uid <= last && first <= b.last_uid;
  };
  const UsersConfig& u = config_->users;
  for (const BackendConfig& b : config_->backends) {
    if (!b.isolates_tokens()) continue;
    auto clash = [&](const std::string& what) {
      errors_->add(b.line, "uids of backend '" + b.name + "' have that of " + what +
                               " among them; choose others");
    };
    for (auto [what, id] :
         {std::pair("multip11-auth", &u.auth), std::pair("multip11-vault", &u.vault),
          std::pair("multip11-monitor", &u.monitor), std::pair("multip11-net", &u.net),
          std::pair("multip11-log", &u.log)})
      if (overlaps(b, id->uid, id->uid) || overlaps(b, id->gid, id->gid)) clash(what);
    for (const BackendConfig& other : config_->backends) {
      if (&other == &b) break;
      const bool both = other.isolates_tokens();
      if (both ? overlaps(b, other.first_uid, other.last_uid)
               : overlaps(b, other.user.uid, other.user.uid) ||
                     overlaps(b, other.user.gid, other.user.gid))
        clash("backend '" + other.name + "'");
    }
    for (const BackendConfig& other : config_->backends)
      if (&other > &b && !other.isolates_tokens() &&
          (overlaps(b, other.user.uid, other.user.uid) ||
           overlaps(b, other.user.gid, other.user.gid)))
        clash("backend '" + other.name + "'");
    if (std::optional<std::string> name = user_within(b.first_uid, b.last_uid))
      clash("'" + *name + "' in /etc/passwd or /etc/group");
  }
}

void ConfigChecker::limits_of_one_configuration() {
  size_t slots = config_->tokens.size(), layers = 0;
  for (const TokenConfig& t : config_->tokens) layers += t.layers.size();
  for (const BackendConfig& b : config_->backends) slots += b.transparent ? 1 : 0;
  layers += slots - config_->tokens.size();
  if (config_->backends.size() > limits::kBackends)
    errors_->add(1, "more than " + std::to_string(limits::kBackends) + " backends; remove some");
  if (slots > limits::kTokens)
    errors_->add(1, "more than " + std::to_string(limits::kTokens) +
                        " tokens and transparent backends; remove some");
  if (layers > kPolicyLayers)
    errors_->add(
        1, "more than " + std::to_string(kPolicyLayers) + " layers of all tokens; remove some");
  if (filters_ > kPolicyFilters)
    errors_->add(1, "more than " + std::to_string(kPolicyFilters) +
                        " layers with functions, mechanisms, show, hide or no-export; remove some");
  if (pins_ > kPolicyPins)
    errors_->add(1, "more than " + std::to_string(kPolicyPins) +
                        " layers with a PIN in a file; remove some");
  if (config_->identities.size() > kPolicyIdentities)
    errors_->add(
        1, "more than " + std::to_string(kPolicyIdentities) + " identities in act-as; remove some");
  if (config_->groups.size() > kPolicyGroups)
    errors_->add(1, "more than " + std::to_string(kPolicyGroups) + " groups; remove some");
  if (rules_ > kPolicyRules)
    errors_->add(1, "more than " + std::to_string(kPolicyRules) +
                        " entries of allow and members of groups; use patterns");
}

/* Said once, where a PIN is the vault's, and when all else is right. */
void ConfigChecker::master_key_is_there() {
  if (!config_->master_key.empty() || !errors_->empty()) return;
  for (const TokenConfig& t : config_->tokens)
    for (const LayerConfig& layer : t.layers) {
      if (!layer.on_demand && layer.pin != kPinVault) continue;
      return errors_->add(layer.line,
                          "on-demand = yes and pin = vault need a master key; add master-key = "
                          "\"/PATH\", a file that `openssl rand -hex 32` has written");
    }
}

void ConfigChecker::usefulness() {
  ways_around_filters();
  identities_of_use();
  if (config_->listeners.empty())
    errors_->add(1, "there is no listener, so nobody could connect; add one");
  if (config_->tokens.empty() && std::none_of(config_->backends.begin(), config_->backends.end(),
                                              [](const BackendConfig& b) { return b.transparent; }))
    errors_->add(1, "there is neither a token nor a backend with transparent = yes; add one");
  for (const TokenConfig& t : config_->tokens)
    if (t.allow.empty())
      warn(t.line, "token '" + t.label + "' has no allow list: nobody can see it");
  for (const BackendConfig& b : config_->backends)
    if (b.transparent && b.allow.empty())
      warn(b.line, "backend '" + b.name + "' has no allow list: nobody can see it");
}

bool Config::has_tcp() const {
  return std::any_of(listeners.begin(), listeners.end(),
                     [](const ListenerConfig& l) { return !l.local; });
}

bool Config::needs_master_key() const {
  return std::any_of(tokens.begin(), tokens.end(), [](const TokenConfig& t) {
    return std::any_of(t.layers.begin(), t.layers.end(), [](const LayerConfig& layer) {
      return layer.on_demand || layer.pin == kPinVault;
    });
  });
}

bool Config::needs_state() const {
  return needs_master_key() ||
         std::any_of(backends.begin(), backends.end(),
                     [](const BackendConfig& b) { return b.isolates_tokens(); });
}

std::vector<std::string> create_names(uint32_t creates) {
  std::vector<std::string> names;
  for (size_t bit = 0; bit < std::size(kCreateNames); bit++)
    if ((creates >> bit & 1) != 0) names.push_back(kCreateNames[bit]);
  return names;
}

LoadedConfig load_config(const ConfigSource& source) {
  LoadedConfig loaded;
  Result<std::string> text = read_config_file(source.path);
  if (!text) {
    loaded.errors.push_back(source.path + ":1: " + text.error().text);
    return loaded;
  }
  ConfigErrors errors(source.path);
  ConfigSection root;
  Config config;
  if (parse_config_text(*text, source.options, &root, &errors)) {
    ConfigChecker(root, source.path, &config, &loaded, &errors).run();
  }
  loaded.errors = errors.lines();
  if (loaded.errors.empty()) loaded.config = std::move(config);
  return loaded;
}

}  // namespace mp11
