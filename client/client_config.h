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
 * The configuration of multip11.so, multip11.conf(5): where the one backend of an application is.
 *
 * Read by C_Initialize, in the application. In this order, later ones over earlier ones:
 *   SYSCONFDIR/multip11/multip11.conf, then $XDG_CONFIG_HOME or ~/.config, multip11/multip11.conf;
 *   or, instead of both, the file that $MULTIP11_CONFIG names;
 *   then $MULTIP11_SERVER instead of every server and backend of the files.
 * Nothing at all is no error: there are no slots then, as p11-kit loads us into every application.
 *
 * Trust: a file must belong to root or to the user, and nobody else may write to it: it names
 * programs' code. In a set-id application the environment counts for nothing (secure_getenv), so
 * only the system's file is read.
 */
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mp11_limits.h"
#include "result.h"

namespace mp11::client {

/* What stands at the other end of the channel. */
enum class BackendKind {
  kLibrary, /* multip11-backend, a helper of ours, with a library */
  kRemote,  /* multip11-remote, a helper of ours, connected to multip11d on another host */
  kLocal,   /* multip11d on this host, through its unix socket */
};

struct BackendConfig {
  BackendKind kind = BackendKind::kLibrary;
  std::string name;
  uint32_t deadline_s = 0, deadline_start_s = 0, deadline_long_s = 0;

  bool landlock = true; /* of a helper: not kLocal */

  /* kLibrary */
  std::string module;
  std::vector<std::string> environment, read, write;
  uint32_t memory_mib = 0; /* 0: no limit */
  uint32_t files = 0;
  unsigned workers = 0;
  bool token_lock = false;
  std::string lock_file; /* empty: one in the user's state directory */

  /* kRemote */
  std::string address;   /* HOST:PORT, an IPv6 address in brackets */
  bool sctp = false;     /* there, by SCTP and not by TCP */
  std::string principal; /* empty: pkcs11/HOST in the realm that Kerberos finds */
  std::string security;  /* kdh or gss; empty: kdh, and gss where that is not possible */
  std::string encoding;  /* of messages: der, xer, jer */
  bool eager = true;     /* saves round trips */

  /* kLocal */
  std::string path;
  uid_t owner = 0; /* who must be listening there */
};

enum class LogChoice { kQuiet, kError, kDebug };

struct ClientConfig {
  std::optional<BackendConfig> backend; /* one for now; none: no slots */
  LogChoice log = LogChoice::kError;
};

/* Where to look; empty: not there. */
struct ConfigPlaces {
  std::string system_file;
  std::string user_file;
  std::string only_file; /* instead of both, and it must exist */
  std::string server;    /* instead of what the files say */
};
ConfigPlaces config_places();

/* The error's text is one line: FILE:LINE: what is wrong, and what to do. */
Result<ClientConfig> load_config(const ConfigPlaces& places);

/* tcp://HOST[:PORT], sctp://HOST[:PORT] or unix:///PATH into the fields of a backend. The error
 * says what to write. */
Status parse_address(const std::string& text, BackendConfig* backend);

}  // namespace mp11::client
