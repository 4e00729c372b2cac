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
 * The daemon's configuration, read, checked and complete: every value that multip11d.conf(5) names,
 * with its default filled in.
 *
 * Called by [priv] only: at start, on SIGHUP (a file with an error changes nothing), and by
 * `multip11d -t` and `-T`. Everything that can be wrong is found here and told with file, line and
 * what to do; what comes out needs no further check.
 *
 * Trust: the file must belong to root (or, for an ordinary user, to that user), stand in
 * directories that only they can write to, and not be writable by others.
 */
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "groups.h"
#include "mp11_limits.h"
#include "records.h"
#include "result.h"
#include "token_uri.h"

namespace mp11 {

/* Whom a process runs as. */
struct UserId {
  std::string text; /* as configured: a name, or UID:GID */
  uid_t uid = 0;
  gid_t gid = 0;
  bool operator==(const UserId&) const = default;
};

struct UsersConfig {
  UserId auth, vault, monitor, net, log;
};

struct ListenerConfig {
  std::string name;
  int line = 0;
  bool local = false;
  /* TCP or SCTP: a literal address. */
  std::string address;
  uint16_t port = 0;
  uint32_t encodings = 0; /* encoding_bit()s */
  uint32_t security = 0;  /* security_bit()s */
  bool sctp = false;
  std::vector<std::string> also; /* SCTP: further addresses, of the same family */
  bool optional = false;         /* SCTP: a kernel without it is no error */
  /* Local: a socket file, and who its clients are. */
  std::string path;
  unsigned mode = 0;
  std::string group; /* as configured; empty: none */
  std::optional<gid_t> gid;
  bool peer_uid = false;
  std::string principal; /* a fixed name when peer_uid is false */
};

struct BackendConfig {
  std::string name;
  int line = 0;
  std::string module;
  /* Another multip11d instead of a module: HOST:PORT, its service (empty: pkcs11/HOST), and whose
   * keys we have for it (empty: the first ones in the keytab). */
  std::string server, principal, keytab, client;
  bool sctp = false;    /* to that server, and not TCP */
  std::string security; /* kdh or gss; empty: kdh, and gss where that is not possible */
  UserId user;          /* unused when unprivileged, and where each token has its own */
  /* isolate = token: each of its tokens has a uid of these, and a directory; 0: it is backend. */
  uint32_t first_uid = 0, last_uid = 0;
  std::string skeleton;                 /* what such a directory begins with; empty: nothing */
  std::vector<std::string> environment; /* with isolate = token %d is the directory, %% is % */
  std::vector<std::string> read, write;
  uint32_t prestart = 0;
  uint32_t max_instances = 0;
  uint32_t deadline_s = 0, deadline_start_s = 0, deadline_long_s = 0;
  uint32_t memory_mib = 0; /* 0: no limit */
  uint32_t files = 0;
  bool token_lock = false;
  bool transparent = false;
  bool admin = false;             /* transparent only */
  std::vector<std::string> allow; /* transparent only */
  bool isolates_tokens() const { return first_uid != 0; }
  bool is_server() const { return !server.empty(); }
  bool operator==(const BackendConfig&) const = default;
};

/* What a layer keeps its clients from: as configured, and what it means. */
struct FilterConfig {
  std::vector<std::string> functions, no_functions, mechanisms, no_mechanisms, show, hide;
  bool only_functions = false, only_mechanisms = false; /* the lists without no- are written */
  bool no_export = false;
  bool audit = false;
  FilterPlan plan{};
};

struct LayerConfig {
  int line = 0;
  uint32_t backend = 0; /* index */
  TokenName at_backend;
  bool on_demand = false; /* then pin is kPinDerived */
  RetireMode retire = kRetireKeep;
  uint32_t retire_days = 0;
  bool of_person = false; /* the label of at_backend is as in person_text.h */
  bool read_only = false;
  bool required = false;
  PinMode pin = kPinClient;
  std::string pin_file, stored_pin;           /* of kPinStored */
  uint32_t creates = 0;                       /* CreateClass; 0: anything */
  std::vector<std::string> create_mechanisms; /* patterns; empty: with any */
  std::vector<std::string> allow;             /* empty: for whoever sees the token */
  std::optional<FilterConfig> filter;
  bool blind = false;
  LayerPrefix prefix{};
};

/* What CreateClass bits are called in the file, from the lowest. */
inline constexpr const char* kCreateNames[] = {
    "data", "certificate", "public-key", "private-key", "secret-key", "domain-parameters", "other",
};
std::vector<std::string> create_names(uint32_t creates);

/* What a RetireMode is called in the file, from kRetireKeep. */
inline constexpr const char* kRetireNames[] = {"keep", "hide", "destroy"};

struct TokenConfig {
  std::string label; /* as in person_text.h */
  int line = 0;
  std::vector<LayerConfig> layers; /* at least one, in order */
  bool admin = false;              /* of one layer only */
  std::string serial;              /* empty: the backend's own; of several layers never empty */
  bool pin_select = false;         /* a PIN may name an identity to act as */
  std::vector<std::string> allow;
};

/* Who may act as whom, where a token has pin-select. */
struct ActAsConfig {
  std::string identity; /* as it is written before the + of a PIN: name@REALM, uid:N, local:NAME */
  int line = 0;
  std::vector<std::string> allow;
};

enum class SandboxMode : uint32_t { kFull = 1, kSeccompOnly };

struct Config {
  bool unprivileged = false;
  std::string run_directory, libexec_directory;
  std::string state_directory; /* used where needs_state() */
  std::string master_key;      /* where needs_master_key(); else it may be empty */
  std::string log_level;       /* error, info, verbose or debug */
  LogTargetKind log_target = kLogToSyslog;
  std::string log_file;
  uint32_t log_rate = 0; /* lines a second and process */
  UsersConfig users;
  uint32_t max_connections = 0, max_connections_per_source = 0, max_startups = 0;
  uint32_t handshake_timeout_s = 0, idle_timeout_s = 0; /* idle 0: none */
  uint32_t pool_size = 0;
  SandboxMode sandbox = SandboxMode::kFull;
  std::string keytab, principal; /* empty where no listener needs them */
  std::vector<GroupConfig> groups;
  std::vector<ListenerConfig> listeners;
  std::vector<BackendConfig> backends;
  std::vector<TokenConfig> tokens;
  std::vector<ActAsConfig> identities;

  bool has_tcp() const;
  bool needs_state() const;
  bool needs_master_key() const; /* some PIN is the vault's */
  /* Some layer on that backend has retire = destroy. */
  bool destroys(uint32_t backend) const;
  /* Of an allow list: the group that "group:NAME" means; nullptr: it is no such entry. */
  const GroupConfig* group_of(const std::string& allow) const {
    if (!allow.starts_with("group:")) return nullptr;
    for (const GroupConfig& group : groups)
      if (allow.compare(6, allow.npos, group.name) == 0) return &group;
    return nullptr;
  }
};

/* Where the configuration comes from. */
struct ConfigSource {
  std::string path;
  std::vector<std::string> options; /* KEYWORD=VALUE from -o, over the file */
};

struct LoadedConfig {
  std::optional<Config> config;      /* absent when there is an error */
  std::vector<std::string> errors;   /* lines for the user */
  std::vector<std::string> warnings; /* likewise: things that are allowed and probably not meant */
};

/* Reads and checks. Opens the file, looks at modules and directories, runs no program. */
LoadedConfig load_config(const ConfigSource& source);

/* What is in effect, in the syntax of the file; reading it again gives the same Config. */
std::string dump_config(const Config& config);

inline constexpr char kDefaultConfigFile[] =
#ifdef MP11_SYSCONFDIR
    MP11_SYSCONFDIR "/multip11d.conf";
#else
    "/etc/multip11/multip11d.conf";
#endif

}  // namespace mp11
