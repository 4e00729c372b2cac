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
#include "remote_start.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "channel.h"
#include "key_lines.h"
#include "sctp_socket.h"

namespace mp11 {
namespace {

constexpr uint32_t kMostDeadline = 86400;

bool parse_server(std::string_view value, RemoteStart* start) {
  size_t colon = value.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  std::string_view host = value.substr(0, colon), port = value.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  uint16_t number = 0;
  auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (host.empty() || error != std::errc() || end != port.data() + port.size() || number == 0)
    return false;
  start->host = host;
  start->port = port;
  return true;
}

bool parse_number(std::string_view text, uint64_t most, uint64_t* value) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size() && *value <= most;
}

bool parse_choice(std::string_view text, const char* yes, const char* no, bool* value) {
  *value = text == yes;
  return *value || text == no;
}

bool parse_key(std::string_view key, std::string_view value, RemoteStart* start) {
  if (key == "server") return parse_server(value, start);
  if (key == "transport") return parse_choice(value, "sctp", "tcp", &start->sctp);
  if (key == "name") {
    start->name = value;
    return true;
  }
  if (key == "principal") {
    start->principal = value;
    return !value.empty();
  }
  if (key == "security") {
    start->security = security_named(value);
    return start->security || value == "any";
  }
  if (key == "encoding") {
    const std::optional<Encoding> encoding = encoding_named(value);
    start->encoding = encoding.value_or(Encoding::kDer);
    return encoding.has_value();
  }
  if (key == "eager") return parse_choice(value, "yes", "no", &start->eager);
  if (key == "deadline") {
    uint64_t number = 0;
    if (!parse_number(value, kMostDeadline, &number) || number == 0) return false;
    start->deadline_s = static_cast<uint32_t>(number);
    return true;
  }
  if (key == "sandbox")
    return parse_choice(value, "seccomp-only", "full", &start->landlock_may_be_absent);
  if (key == "owner") return parse_choice(value, "pidfd", "none", &start->owner);
  if (key == "tickets") return parse_choice(value, "keytab", "user", &start->keytab);
  if (key == "memory") return parse_number(value, 1u << 30, &start->memory_mib);
  if (key == "client") {
    start->client = value;
    return !value.empty();
  }
  if (key.starts_with("env.")) {
    uint64_t index;
    start->environment.emplace_back(value);
    return value.find('=') != value.npos && parse_number(key.substr(4), 4095, &index) &&
           index + 1 == start->environment.size();
  }
  return false;
}

/* The path in a ccache or keytab name: "FILE:/path", "WRFILE:/path" or "/path". */
std::string file_of(const char* name) {
  if (name == nullptr) return {};
  std::string_view text = name;
  for (std::string_view type : {"FILE:", "WRFILE:", "DIR:"})
    if (text.starts_with(type)) text.remove_prefix(type.size());
  return text.starts_with('/') ? std::string(text) : std::string();
}

/* The user's, where it is a file or a directory of them; else empty. */
std::string ticket_cache() {
  const char* name = ::getenv("KRB5CCNAME");
  if (name == nullptr) return "/tmp/krb5cc_" + std::to_string(::getuid());
  return file_of(name);
}

/* KRB5_CONFIG is a list of files. */
void add_krb5_config(LandlockSpec* spec) {
  const char* config = ::getenv("KRB5_CONFIG");
  for (std::string_view rest = config != nullptr ? config : ""; !rest.empty();) {
    size_t colon = rest.find(':');
    std::string path(rest.substr(0, colon));
    if (path.starts_with('/')) spec->paths.push_back({path, PathAccess::kRead, true});
    rest.remove_prefix(colon == std::string_view::npos ? rest.size() : colon + 1);
  }
}

Result<UniqueFd> connect_one(const addrinfo& address, bool sctp, uint64_t deadline_ns) {
  UniqueFd socket(::socket(address.ai_family, address.ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
                           sctp ? IPPROTO_SCTP : address.ai_protocol));
  if (!socket) return Error{errno, std::strerror(errno)};
  int on = 1;
  if (sctp)
    prepare_sctp(socket.get(), false);
  else
    (void)::setsockopt(socket.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  if (::connect(socket.get(), address.ai_addr, address.ai_addrlen) == 0) return socket;
  if (errno != EINPROGRESS) return Error{errno, std::strerror(errno)};
  for (;;) {
    uint64_t now = Waiter::now_ns();
    if (now >= deadline_ns) return Error{ETIMEDOUT, std::strerror(ETIMEDOUT)};
    pollfd wait{socket.get(), POLLOUT, 0};
    int n = ::poll(&wait, 1, static_cast<int>((deadline_ns - now) / 1000000 + 1));
    if (n < 0 && errno != EINTR) return Error{errno, std::strerror(errno)};
    if (n > 0) break;
  }
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (error != 0) return Error{error, std::strerror(error)};
  return socket;
}

}  // namespace

Result<RemoteStart> parse_remote_start(std::string_view text) {
  RemoteStart start;
  unsigned line = for_each_key(text, [&start](std::string_view key, std::string_view value) {
    return parse_key(key, value, &start);
  });
  if (line != 0) return Error{0, "start block, line " + std::to_string(line) + ": not understood"};
  if (start.host.empty()) return Error{0, "start block: no server"};
  if (start.sctp && start.security == Security::kKdh)
    return Error{0, "start block: TLS-KDH is not for SCTP"};
  if (start.keytab && start.owner) return Error{0, "start block: both are descriptor 5"};
  if (start.principal.empty()) start.principal = "pkcs11/" + start.host;
  if (start.name.empty()) start.name = start.host;
  return start;
}

LandlockSpec remote_files() {
  LandlockSpec spec;
  for (const char* path :
       {"/etc", "/usr/lib", "/usr/share", "/lib", "/lib64", "/usr/lib64", "/usr/local/lib",
        "/dev/urandom", "/run/systemd/resolve", "/run/resolvconf"})
    spec.paths.push_back({path, PathAccess::kRead, true});
  if (const std::string cache = ticket_cache(); !cache.empty())
    spec.paths.push_back({cache, PathAccess::kReadWrite, true});
  for (const char* name : {"KRB5_CLIENT_KTNAME", "KRB5_KTNAME"}) {
    std::string keytab = file_of(::getenv(name));
    if (!keytab.empty()) spec.paths.push_back({keytab, PathAccess::kRead, true});
  }
  add_krb5_config(&spec);
  spec.unrestricted_tcp = true;
  return spec;
}

LandlockSpec renewal_files() {
  LandlockSpec spec = remote_files();
  const std::string cache = ticket_cache();
  const size_t slash = cache.rfind('/');
  if (slash != cache.npos && slash != 0)
    spec.paths.push_back({cache.substr(0, slash), PathAccess::kRead, true});
  return spec;
}

LandlockSpec uplink_files() {
  LandlockSpec spec;
  for (const char* path : {"/etc/krb5.conf",
                           "/etc/krb5.conf.d",
                           "/etc/gss",
                           "/etc/hosts",
                           "/etc/host.conf",
                           "/etc/resolv.conf",
                           "/etc/nsswitch.conf",
                           "/etc/gai.conf",
                           "/etc/services",
                           "/etc/localtime",
                           "/etc/ld.so.cache",
                           "/etc/ssl/openssl.cnf",
                           "/etc/pki/tls/openssl.cnf",
                           "/etc/crypto-policies",
                           "/usr/lib",
                           "/usr/lib64",
                           "/usr/local/lib",
                           "/usr/share",
                           "/lib",
                           "/lib64",
                           "/dev/urandom",
                           "/run/systemd/resolve",
                           "/run/resolvconf"})
    spec.paths.push_back({path, PathAccess::kRead, true});
  add_krb5_config(&spec);
  spec.unrestricted_tcp = true;
  return spec;
}

Result<UniqueFd> connect_server(const RemoteStart& start, uint64_t deadline_ns) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  int error = ::getaddrinfo(start.host.c_str(), start.port.c_str(), &hints, &found);
  if (error == EAI_NONAME || error == EAI_ADDRFAMILY || error == EAI_NODATA) {
    hints.ai_flags = 0; /* only loopback may be configured */
    error = ::getaddrinfo(start.host.c_str(), start.port.c_str(), &hints, &found);
  }
  if (error != 0)
    return Error{0, "the server's name " + start.host + " is not known: " + ::gai_strerror(error)};
  std::unique_ptr<addrinfo, void (*)(addrinfo*)> addresses(found, ::freeaddrinfo);
  std::string last = "it has no address";
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    auto socket = connect_one(*address, start.sctp, deadline_ns);
    if (socket) return socket;
    if (start.sctp && sctp_is_missing(socket.error().code))
      return Error{0, sctp_advice(socket.error().code) + ", or use tcp:// instead"};
    last = socket.error().text;
  }
  return Error{0, "no connection to " + start.host + " port " + start.port + ": " + last +
                      "; is multip11d running there, and the port open?"};
}

}  // namespace mp11
