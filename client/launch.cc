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
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "client_log.h"
#include "os_memfd.h"
#include "os_process.h"
#include "record_io.h"
#include "server_address.h"

namespace mp11::client {
namespace {

/* Places of a helper's descriptors (backend_main.cc; multip11-remote has the same). */
constexpr int kLogPlace = 2;
constexpr int kChannelPlace = 3;
constexpr int kStartPlace = 4;
constexpr int kOwnerPlace = 5;

/* What Kerberos, GSS-API and the resolver read; the rest is none of multip11-remote's business. */
constexpr const char* kRemoteVariables[] = {"HOME",
                                            "KRB5_CLIENT_KTNAME",
                                            "KRB5_CONFIG",
                                            "KRB5_KTNAME",
                                            "KRB5_TRACE",
                                            "KRB5CCNAME",
                                            "GSS_USE_PROXY",
                                            "LOCALDOMAIN",
                                            "MULTIP11_DEBUG",
                                            "RES_OPTIONS",
                                            "TZ",
                                            "USER",
                                            "XDG_RUNTIME_DIR"};

std::vector<std::string> remote_environment() {
  std::vector<std::string> environment;
  for (const char* name : kRemoteVariables)
    if (const char* value = ::secure_getenv(name))
      environment.push_back(std::string(name) + "=" + value);
  return environment;
}

void add_list(std::string* text, const char* key, const std::vector<std::string>& values) {
  for (size_t i = 0; i < values.size(); i++)
    *text += std::string(key) + "." + std::to_string(i) + "=" + values[i] + "\n";
}

Error failed(const std::string& what) { return Error{errno, what + ": " + strerror(errno)}; }

Result<Launched> launch_helper(const BackendConfig& backend) {
  const bool remote = backend.kind == BackendKind::kRemote;
  const char* directory = ::secure_getenv("MULTIP11_LIBEXEC");
  const std::string name = remote ? "multip11-remote" : "multip11-backend";
  DetachedSpec spec;
  spec.program = std::string(directory != nullptr ? directory : MP11_LIBEXECDIR) + "/" + name;
  spec.argv = {name};
  if (remote) spec.environment = remote_environment();
  spec.application_pidfd_at = kOwnerPlace;

  const std::string text = start_block_text(backend);
  Result<UniqueFd> block =
      sealed_memfd("multip11-start", {reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  if (!block) return block.error();
  Result<std::pair<UniqueFd, UniqueFd>> sockets = record_pair();
  if (!sockets) return sockets.error();
  spec.fds = {{sockets->second.get(), kChannelPlace}, {block->get(), kStartPlace}};
  /* Neither end waits: a library that says more than a pipe takes says it to nobody. */
  int pipe[2] = {-1, -1};
  if (::pipe2(pipe, O_CLOEXEC | O_NONBLOCK) != 0) return failed("pipe");
  UniqueFd said(pipe[0]), saying(pipe[1]);
  const bool own_log = log_to_stderr() && ::fcntl(2, F_GETFD) >= 0;
  spec.fds.push_back({own_log ? 2 : saying.get(), kLogPlace});

  Result<std::unique_ptr<Channel>> channel = Channel::create(std::move(sockets->first), true);
  if (!channel) return channel.error();
  Result<Child> child = spawn_detached(spec);
  if (!child) return child.error();
  report_debug("%s: started %s as process %d", backend.name.c_str(), name.c_str(), child->pid);
  if (own_log) said.reset();
  return Launched{std::move(*channel), std::move(child->pidfd), std::move(said)};
}

Result<UniqueFd> connect_local(const BackendConfig& backend) {
  UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!socket) return failed("socket");
  /* connect() waits while multip11d has more connections than it accepts. */
  const timeval limit{static_cast<time_t>(backend.deadline_start_s), 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  memcpy(address.sun_path, backend.path.c_str(), backend.path.size() + 1);
  const sockaddr* to = reinterpret_cast<const sockaddr*>(&address);
  while (::connect(socket.get(), to, sizeof address) != 0)
    if (errno != EINTR) return failed("unix://" + backend.path);
  Result<PeerCredentials> peer = peer_credentials(socket.get());
  if (!peer) return peer.error();
  if (peer->uid != 0 && peer->uid != ::geteuid() && peer->uid != backend.owner)
    return Error{0, "unix://" + backend.path + ": belongs to user " + std::to_string(peer->uid) +
                        "; if that is right, set owner = " + std::to_string(peer->uid)};
  if (::fcntl(socket.get(), F_SETFL, O_NONBLOCK) != 0) return failed("O_NONBLOCK");
  return socket;
}

Result<Launched> launch_local(const BackendConfig& backend) {
  Result<UniqueFd> socket = connect_local(backend);
  if (!socket) return socket.error();
  Result<std::unique_ptr<Channel>> channel =
      Channel::join(std::move(*socket), static_cast<int>(backend.deadline_start_s * 1000), true);
  if (!channel) return Error{0, "unix://" + backend.path + ": " + channel.error().text};
  return Launched{std::move(*channel), UniqueFd(), UniqueFd()};
}

}  // namespace

std::string start_block_text(const BackendConfig& backend) {
  std::string text = "name=" + backend.name + "\nowner=pidfd\n";
  text += std::string("sandbox=") + (backend.landlock ? "full" : "seccomp-only") + "\n";
  if (backend.kind == BackendKind::kRemote) {
    text += "server=" + backend.address + "\n";
    if (backend.sctp) text += "transport=sctp\n";
    text += "security=" + (backend.security.empty() ? "any" : backend.security) + "\n";
    if (!backend.principal.empty()) text += "principal=" + backend.principal + "\n";
    if (backend.encoding == "xer" || backend.encoding == "jer")
      text += "encoding=" + backend.encoding + "\n";
    if (!backend.eager) text += "eager=no\n";
    text += "deadline=" + std::to_string(remote_deadline_s(backend.deadline_start_s)) + "\n";
    return text;
  }
  text += "module=" + backend.module + "\n";
  add_list(&text, "env", backend.environment);
  add_list(&text, "read", backend.read);
  add_list(&text, "write", backend.write);
  text += "memory=" + std::to_string(backend.memory_mib) + "\n";
  text += "files=" + std::to_string(backend.files) + "\n";
  text += "workers=" + std::to_string(backend.workers) + "\n";
  return text;
}

Result<Launched> launch(const BackendConfig& backend) {
  return backend.kind == BackendKind::kLocal ? launch_local(backend) : launch_helper(backend);
}

}  // namespace mp11::client
