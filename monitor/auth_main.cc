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
 * multip11-auth: holds the service's keytab and finds out who a client is.
 *
 * Descriptors, as [priv] makes them:
 *   0, 1  /dev/null
 *   2     to multip11-log
 *   3     control socket to [priv] (AuthConnection, ConnectionName)
 *   4     sealed memfd: start block (auth_start.h)
 *   5     sealed memfd: the keytab file's octets, copied unparsed by [priv]
 * 4 and 5 are closed before the first message is read. Later on: an epoll descriptor, two sockets
 * for each handshake under way, and one for each connection whose client is authenticated.
 *
 * Trust: this process reads what strangers send, with libkrb5 and libgssapi, and has the service's
 * keys. So it has nothing else: no files, no network, no PINs, no policy; what it may do with the
 * kernel is send and receive on the sockets that it was given. Who owns it can be any client of
 * this service until the keytab is changed (SECURITY).
 */
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "auth_acceptor.h"
#include "auth_server.h"
#include "auth_start.h"
#include "log.h"
#include "os_landlock.h"
#include "os_memfd.h"
#include "os_process.h"
#include "os_sandbox.h"
#include "process_start.h"

namespace mp11 {
namespace {

constexpr int kControl = 3;
constexpr int kStartBlock = 4;
constexpr int kKeytab = 5;
constexpr int kFirstFree = 6;
constexpr size_t kMostStartBlock = 4096;
constexpr size_t kMostKeytab = 1u << 20;

template <class T>
T need(Result<T> result) {
  if (!result) fatal("%s", result.error().text.c_str());
  return std::move(*result);
}

AuthStart read_start() {
  SecureBuffer block = need(read_sealed_memfd(kStartBlock, kMostStartBlock));
  return need(parse_auth_start({reinterpret_cast<const char*>(block.data()), block.size()}));
}

std::unique_ptr<Acceptor> read_keytab(const AuthStart& start) {
  (void)need(read_sealed_memfd(kKeytab, kMostKeytab)); /* only to see that it is sealed */
  return need(Acceptor::create(start, "FILE:/proc/self/fd/" + std::to_string(kKeytab)));
}

/* Whatever is not here cannot tell the Kerberos libraries where to find more. */
void clean_environment() {
  if (::clearenv() != 0 || ::setenv("KRB5_CONFIG", "/dev/null", 1) != 0 ||
      ::setenv("GSS_MECH_CONFIG", "/dev/null", 1) != 0)
    fatal("no memory for the environment");
}

void lock_down(bool landlock_may_be_absent) {
  LandlockSpec nothing;
  nothing.may_be_absent = landlock_may_be_absent;
  LandlockReport report = need(landlock_enter(nothing));
  log_verbose("sandbox: %s", report.text.c_str());
  need(sandbox_enter(Program::kAuth));
}

int serve(const ProcessStart& options) {
  need(limit_self({.files = 2 * limits::kHandshakes + limits::kRenewable + 16}));
  need(drop_capabilities());
  need(close_from(kFirstFree));
  clean_environment();
  const AuthStart start = read_start();
  std::unique_ptr<Acceptor> acceptor = read_keytab(start);
  ::close(kStartBlock);
  ::close(kKeytab);
  AuthServer server = need(AuthServer::create(acceptor.get(), kControl, start.handshake_ms));
  acceptor->warm_up();
  lock_down(start.seccomp_only || options.landlock_may_be_absent);
  log_verbose("serving as %s", start.principal.c_str());
  server.run();
  return 0;
}

}  // namespace
}  // namespace mp11

int main(int argc, char** argv) {
  return mp11::serve(mp11::process_start("multip11-auth", argc, argv));
}
