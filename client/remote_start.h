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
 * What multip11-remote is told before it does anything, by multip11.so or by [priv], and the
 * connection that it then makes. Lines `key=value` in a sealed memfd:
 *
 *   name=TEXT           of the server, for the log
 *   server=HOST:PORT    or [ADDRESS]:PORT
 *   transport=tcp|sctp  default tcp
 *   security=any|kdh|gss  how it is protected; any: kdh, and gss where that is not possible
 *   principal=NAME      of its service; default pkcs11/HOST
 *   encoding=der|xer|jer of messages; default der
 *   eager=yes|no        to save round trips, where the server does; default yes
 *   deadline=SECONDS    for name, connection and authentication together; default 20
 *   sandbox=full|seccomp-only
 *   owner=pidfd|none    descriptor 5 is a pidfd of the application; end when that ends
 *   tickets=user|keytab the user's own tickets; or those that the keytab in descriptor 5 gets. The
 *                       second is that of a daemon's backend, and what follows is for it alone
 *   client=NAME         whose keys to take from there; default the first one's
 *   env.0=NAME=VALUE, env.1= ...
 *   memory=MIB          0, the default: no limit
 *
 * With tickets=user the environment is what the process was started with: KRB5CCNAME and its like.
 *
 * Trust: the writer is the application that this process works for, or [priv].
 */
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "encoding.h"
#include "os_landlock.h"
#include "result.h"
#include "security.h"
#include "unique_fd.h"

namespace mp11 {

struct RemoteStart {
  std::string host;
  std::string port;
  bool sctp = false; /* then security is gss, or nothing, which is the same */
  std::string name;
  std::string principal;
  std::optional<Security> security; /* nothing: any */
  Encoding encoding = Encoding::kDer;
  bool eager = true;
  uint32_t deadline_s = 20;
  bool landlock_may_be_absent = false;
  bool owner = false;
  bool keytab = false;
  std::string client;
  std::vector<std::string> environment;
  uint64_t memory_mib = 0;
};

Result<RemoteStart> parse_remote_start(std::string_view text);

/* Files that Kerberos and the resolver need, by the environment; tickets and keytabs of the user.
 */
LandlockSpec remote_files();
/* The same for who looks for renewed tickets: a cache that is written anew is a new file, so reads
 * its directory. */
LandlockSpec renewal_files();
/* The same for a daemon's backend: of what every user may read, and no keys. */
LandlockSpec uplink_files();

/* Connects; tries every address of the name until deadline_ns (CLOCK_MONOTONIC). Non-blocking. */
Result<UniqueFd> connect_server(const RemoteStart& start, uint64_t deadline_ns);

}  // namespace mp11
