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
#include "priv_listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "file_check.h"
#include "log.h"
#include "os_process.h"
#include "sctp_socket.h"

namespace mp11 {
namespace {

/* So that a flood does not push others out before they are accepted. */
constexpr int kBacklog = 1024;
/* A peer that is gone without a word is noticed after about three minutes. */
constexpr int kKeepIdleS = 90, kKeepIntervalS = 15, kKeepProbes = 6;

constexpr char kOneAddress[] =
    "a socket that is passed has one address; remove also, or have the daemon make the socket, "
    "without a .socket unit for it";

Error failed(const std::string& what, int code = errno) {
  return Error{code, what + ": " + std::strerror(code)};
}

void set_option(int fd, int level, int name, int value) {
  ::setsockopt(fd, level, name, &value, sizeof value); /* an improvement, not a need */
}

void keep_alive(int tcp) {
  set_option(tcp, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(tcp, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(tcp, IPPROTO_TCP, TCP_KEEPIDLE, kKeepIdleS);
  set_option(tcp, IPPROTO_TCP, TCP_KEEPINTVL, kKeepIntervalS);
  set_option(tcp, IPPROTO_TCP, TCP_KEEPCNT, kKeepProbes);
}

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

Address network_address(const std::string& text, uint16_t port) {
  Address address;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
  if (::inet_pton(AF_INET, text.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    address.size = sizeof *v4;
  } else if (::inet_pton(AF_INET6, text.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    address.size = sizeof *v6;
  }
  return address;
}
Address network_address(const ListenerConfig& config) {
  return network_address(config.address, config.port);
}

sockaddr_un local_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size()); /* the configuration bounds it */
  return address;
}

Result<UniqueFd> bind_network(const ListenerConfig& config) {
  Address address = network_address(config);
  UniqueFd fd(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
                       config.sctp ? IPPROTO_SCTP : 0));
  if (!fd) return failed("socket");
  if (config.sctp) prepare_sctp(fd.get(), true); /* what is accepted inherits it */
  set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (address.storage.ss_family == AF_INET6) set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
  if (::bind(fd.get(), address.get(), address.size) != 0)
    return failed("cannot bind " + config.address + " port " + std::to_string(config.port));
  for (const std::string& text : config.also) {
    Address further = network_address(text, config.port);
    if (!add_sctp_address(fd.get(), further.get(), further.size))
      return failed("cannot bind " + text + " port " + std::to_string(config.port) + " as well");
  }
  return fd;
}

/* Removes the socket file of a daemon that died; refuses when somebody still listens there. */
Status remove_stale(const std::string& path) {
  struct stat st;
  if (::lstat(path.c_str(), &st) != 0) return errno == ENOENT ? ok() : failed(path);
  if (!S_ISSOCK(st.st_mode))
    return Error{EEXIST, path + " exists and is not a socket; remove it or choose another path"};
  UniqueFd probe(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un address = local_address(path);
  if (!probe) return failed("socket");
  if (::connect(probe.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 ||
      errno != ECONNREFUSED)
    return Error{EADDRINUSE, path + " is in use by another program"};
  if (::unlink(path.c_str()) != 0) return failed(path);
  return ok();
}

Status set_owner_and_mode(const ListenerConfig& config) {
  const char* path = config.path.c_str();
  if (config.gid && ::chown(path, static_cast<uid_t>(-1), *config.gid) != 0)
    return failed("cannot give " + config.path + " to group " + config.group);
  if (::chmod(path, config.mode) != 0) return failed(config.path);
  return ok();
}

Result<UniqueFd> bind_local(const ListenerConfig& config) {
  std::string directory = config.path.substr(0, config.path.rfind('/') + 1);
  if (Status status = check_trusted_path(directory); !status) return status.error();
  if (Status status = remove_stale(config.path); !status) return status.error();
  UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return failed("socket");
  sockaddr_un address = local_address(config.path);
  mode_t before = ::umask(0777); /* nobody connects before owner and mode are set */
  int rc = ::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  int code = errno;
  ::umask(before);
  if (rc != 0) return failed("cannot bind " + config.path, code);
  if (Status status = set_owner_and_mode(config); !status) {
    ::unlink(config.path.c_str());
    return status.error();
  }
  return fd;
}

Address address_of(int fd) {
  Address address;
  address.size = sizeof address.storage;
  if (::getsockname(fd, address.get(), &address.size) != 0) address.storage.ss_family = AF_UNSPEC;
  return address;
}

/* The path of a socket file, or nothing. */
std::string path_in(const Address& address) {
  if (address.storage.ss_family != AF_UNIX) return {};
  auto* local = reinterpret_cast<const sockaddr_un*>(&address.storage);
  return {local->sun_path, ::strnlen(local->sun_path, sizeof local->sun_path)};
}

int option_of(int fd, int name) {
  int value = 0;
  socklen_t size = sizeof value;
  return ::getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

bool is_at(int fd, const ListenerConfig& config) {
  Address is = address_of(fd);
  if (config.local) return path_in(is) == config.path;
  if ((option_of(fd, SO_PROTOCOL) == IPPROTO_SCTP) != config.sctp) return false;
  Address wanted = network_address(config);
  if (is.storage.ss_family != wanted.storage.ss_family) return false;
  if (is.storage.ss_family == AF_INET) {
    auto* a = reinterpret_cast<sockaddr_in*>(&is.storage);
    auto* b = reinterpret_cast<sockaddr_in*>(&wanted.storage);
    return a->sin_port == b->sin_port && a->sin_addr.s_addr == b->sin_addr.s_addr;
  }
  auto* a = reinterpret_cast<sockaddr_in6*>(&is.storage);
  auto* b = reinterpret_cast<sockaddr_in6*>(&wanted.storage);
  return a->sin6_port == b->sin6_port &&
         std::memcmp(&a->sin6_addr, &b->sin6_addr, sizeof a->sin6_addr) == 0;
}

/* Address and port as text; `source`: what of it stands for one customer. */
std::string peer_text(const Address& address, std::string* source) {
  char text[INET6_ADDRSTRLEN] = "?";
  uint16_t port = 0;
  if (address.storage.ss_family == AF_INET) {
    auto* v4 = reinterpret_cast<const sockaddr_in*>(&address.storage);
    ::inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
    port = ntohs(v4->sin_port);
    *source = text;
  } else {
    auto* v6 = reinterpret_cast<const sockaddr_in6*>(&address.storage);
    ::inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
    port = ntohs(v6->sin6_port);
    /* One customer has a /64 at least, and may use every address of it. */
    source->assign(reinterpret_cast<const char*>(v6->sin6_addr.s6_addr), 8);
  }
  return std::string(text) + " port " + std::to_string(port);
}

}  // namespace

std::string place_of(const PassedSocket& socket) {
  const Address address = address_of(socket.fd.get());
  std::string ignored, place;
  if (address.storage.ss_family == AF_INET || address.storage.ss_family == AF_INET6)
    place = peer_text(address, &ignored);
  else
    place = path_in(address).empty() ? "no place" : path_in(address);
  return socket.name.empty() ? place : socket.name + " (" + place + ")";
}

Result<std::unique_ptr<Listener>> Listener::bind(const ListenerConfig& config) {
  Result<UniqueFd> fd = config.local ? bind_local(config) : bind_network(config);
  if (fd && ::listen(fd->get(), kBacklog) != 0) fd = failed("listen");
  if (fd) return std::unique_ptr<Listener>(new Listener(config, std::move(*fd), false));
  const std::string who = "listener '" + config.name + "': ";
  if (!config.sctp || !sctp_is_missing(fd.error().code))
    return Error{fd.error().code, who + fd.error().text};
  const std::string advice = who + sctp_advice(fd.error().code);
  if (!config.optional)
    return Error{fd.error().code, advice + ", or let the daemon do without: optional = yes"};
  log_info("warning: %s; nobody is served there", advice.c_str());
  return std::unique_ptr<Listener>();
}

Result<std::unique_ptr<Listener>> Listener::take(const ListenerConfig& config,
                                                 std::vector<PassedSocket>* passed) {
  auto at = std::find_if(passed->begin(), passed->end(), [&](const PassedSocket& socket) {
    return is_at(socket.fd.get(), config);
  });
  if (at == passed->end()) return std::unique_ptr<Listener>();
  const int fd = at->fd.get();
  const int wanted = config.local ? SOCK_SEQPACKET : SOCK_STREAM;
  if (option_of(fd, SO_TYPE) != wanted)
    return Error{EINVAL, "listener '" + config.name +
                             "': the socket that was passed is of another "
                             "type; write " +
                             (config.local ? "ListenSequentialPacket" : "ListenStream") +
                             "= in its .socket unit"};
  if (option_of(fd, SO_ACCEPTCONN) != 1)
    return Error{EINVAL, "listener '" + config.name +
                             "': the socket that was passed does not "
                             "listen; write Accept=no in its .socket unit"};
  if (config.local) {
    const std::string directory = config.path.substr(0, config.path.rfind('/') + 1);
    if (Status status = check_trusted_path(directory); !status) return status.error();
  }
  if (!config.also.empty()) return Error{EINVAL, "listener '" + config.name + "': " + kOneAddress};
  if (config.sctp) prepare_sctp(fd, true);
  std::unique_ptr<Listener> listener(new Listener(config, std::move(at->fd), true));
  passed->erase(at);
  return listener;
}

Listener::~Listener() {
  if (config_.local && !passed_) ::unlink(config_.path.c_str());
}

bool Listener::same_place(const ListenerConfig& other) const {
  return config_.local == other.local && config_.path == other.path &&
         config_.address == other.address && config_.port == other.port &&
         config_.sctp == other.sctp;
}

/* Connections that are there keep the addresses that they know. */
Status Listener::change_further(const std::vector<std::string>& wanted) {
  auto is_in = [](const std::vector<std::string>& all, const std::string& text) {
    return std::find(all.begin(), all.end(), text) != all.end();
  };
  if (passed_ && !wanted.empty())
    return Error{EINVAL, "listener '" + config_.name + "': " + kOneAddress};
  for (const std::string& text : wanted)
    if (!is_in(config_.also, text) && !set_sctp_address(true, text))
      return failed("listener '" + config_.name + "': cannot add " + text);
  for (const std::string& text : config_.also)
    if (!is_in(wanted, text) && !set_sctp_address(false, text))
      return failed("listener '" + config_.name + "': cannot remove " + text);
  return ok();
}

bool Listener::set_sctp_address(bool there, const std::string& text) const {
  Address address = network_address(text, config_.port);
  return there ? add_sctp_address(fd_.get(), address.get(), address.size)
               : remove_sctp_address(fd_.get(), address.get(), address.size);
}

Status Listener::adopt(const ListenerConfig& config) {
  if (Status status = change_further(config.also); !status) return status;
  config_ = config;
  return config.local && !passed_ ? set_owner_and_mode(config) : ok();
}

Result<Caller> Listener::accept() {
  UniqueFd socket(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket) return Error{errno, std::strerror(errno)};
  return config_.local ? local_caller(std::move(socket)) : network_caller(std::move(socket));
}

Result<Caller> Listener::network_caller(UniqueFd socket) {
  Address address;
  address.size = sizeof address.storage;
  if (::getpeername(socket.get(), address.get(), &address.size) != 0)
    return Error{ECONNABORTED, "gone before it was accepted"};
  Caller caller;
  caller.peer = peer_text(address, &caller.source);
  if (config_.sctp)
    caller.streams = sctp_streams(socket.get());
  else
    keep_alive(socket.get());
  caller.socket = std::move(socket);
  return caller;
}

Result<Caller> Listener::local_caller(UniqueFd socket) {
  Result<PeerCredentials> peer = peer_credentials(socket.get());
  if (!peer) return Error{ECONNABORTED, peer.error().text};
  Caller caller;
  std::string uid = "uid:" + std::to_string(peer->uid);
  caller.peer = uid + " pid " + std::to_string(peer->pid) + " on " + config_.name;
  caller.verdict.head = {RecordType::kVerdict, sizeof(Verdict)};
  caller.verdict.kind = kVerdictLocal;
  const std::string& name = config_.peer_uid ? uid : config_.principal;
  MP11_ASSERT(name.size() < sizeof caller.verdict.principal);
  std::memcpy(caller.verdict.principal, name.data(), name.size());
  /* Behind a fixed principal any uid may be made up, so the listener is the source. */
  caller.source = config_.peer_uid ? uid : "listener:" + config_.name;
  caller.socket = std::move(socket);
  return caller;
}

}  // namespace mp11
