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
 * token_relay: between a client and a server, tells what passes, and makes the way as long as one
 * likes. For regress/bench and e2e/round-trips.
 *
 *   token_relay [-d MS] PORT            TCP on 127.0.0.1, to multip11d with GSS-API
 *   token_relay [-d MS] -r PATH         a unix socket, PATH.relay, to PATH; any octets
 *
 * Prints "port N", its own port on 127.0.0.1, or "ready", and forwards one connection after the
 * other. When a token comes, a line: "> OCTETS" for the client's, "< OCTETS" for the server's
 * (without the four octets of its length; PROTOCOL, Layers); with -r for whatever comes at once.
 * Each octet goes on MS milliseconds after it came. Ends when it is killed.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <span>
#include <string>
#include <vector>

#include "unique_fd.h"

using namespace mp11;

namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(2);
}

struct Address {
  sockaddr_storage storage = {};
  socklen_t size = 0;
  int family() const { return storage.ss_family; }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

Address loopback(uint16_t port) {
  Address address;
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_port = htons(port);
  in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::memcpy(&address.storage, &in, sizeof in);
  address.size = sizeof in;
  return address;
}

Address local(const std::string& path) {
  Address address;
  sockaddr_un un{};
  un.sun_family = AF_UNIX;
  if (path.size() >= sizeof un.sun_path) {
    std::fprintf(stderr, "token_relay: %s: too long for a socket\n", path.c_str());
    std::exit(2);
  }
  std::memcpy(un.sun_path, path.data(), path.size());
  std::memcpy(&address.storage, &un, sizeof un);
  address.size = sizeof un;
  return address;
}

/* One direction. Follows the lengths in what passes. */
class Direction {
 public:
  Direction(int from, int to, char sign, bool raw, std::chrono::milliseconds delay)
      : from_(from), to_(to), sign_(sign), raw_(raw), delay_(delay) {}

  /* False when this connection is over. */
  bool take() {
    uint8_t octets[65536];
    const ssize_t n = ::recv(from_, octets, sizeof octets, 0);
    if (n <= 0) return false;
    const std::span<const uint8_t> all(octets, static_cast<size_t>(n));
    look(all);
    queue_.push_back({Clock::now() + delay_, {all.begin(), all.end()}});
    return true;
  }
  bool give() {
    while (!queue_.empty() && queue_.front().due <= Clock::now()) {
      std::span<const uint8_t> rest = queue_.front().octets;
      while (!rest.empty()) {
        const ssize_t sent = ::send(to_, rest.data(), rest.size(), MSG_NOSIGNAL);
        if (sent <= 0) return false;
        rest = rest.subspan(static_cast<size_t>(sent));
      }
      queue_.pop_front();
    }
    return true;
  }
  /* Whether there is something to wait for; *due is brought forward to that. */
  void next(Clock::time_point* due) const {
    if (!queue_.empty()) *due = std::min(*due, queue_.front().due);
  }

 private:
  struct Piece {
    Clock::time_point due;
    std::vector<uint8_t> octets;
  };

  void say(size_t octets) const {
    std::printf("%c %zu\n", sign_, octets);
    std::fflush(stdout);
  }
  void look(std::span<const uint8_t> octets) {
    if (raw_) return say(octets.size());
    for (size_t i = 0; i < octets.size();) {
      if (left_ > 0) {
        const size_t step = std::min(left_, octets.size() - i);
        left_ -= step;
        i += step;
        continue;
      }
      length_ = length_ << 8 | octets[i++];
      if (++length_octets_ < 4) continue;
      say(length_);
      left_ = length_;
      length_ = length_octets_ = 0;
    }
  }

  int from_, to_;
  char sign_;
  bool raw_;
  std::chrono::milliseconds delay_;
  std::deque<Piece> queue_;
  size_t length_ = 0, length_octets_ = 0; /* of the length that is being read */
  size_t left_ = 0;                       /* of the token that passes */
};

void forward(UniqueFd client, const Address& server_address, bool raw,
             std::chrono::milliseconds delay) {
  UniqueFd server(::socket(server_address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(server.get(), server_address.get(), server_address.size) != 0) fail("connect");
  const int yes = 1;
  if (server_address.family() == AF_INET)
    for (int fd : {client.get(), server.get()})
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  Direction out(client.get(), server.get(), '>', raw, delay);
  Direction back(server.get(), client.get(), '<', raw, delay);
  for (;;) {
    const auto now = Clock::now();
    auto due = now + std::chrono::hours(1);
    out.next(&due);
    back.next(&due);
    /* Rounded up: poll() would come too early. */
    const auto wait =
        std::chrono::ceil<std::chrono::milliseconds>(std::max(due - now, Clock::duration::zero()));
    pollfd fds[2] = {{client.get(), POLLIN, 0}, {server.get(), POLLIN, 0}};
    if (::poll(fds, 2, static_cast<int>(wait.count())) < 0) fail("poll");
    if (fds[0].revents != 0 && !out.take()) return;
    if (fds[1].revents != 0 && !back.take()) return;
    if (!out.give() || !back.give()) return;
  }
}

UniqueFd listen_at(const Address& address) {
  UniqueFd listener(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::bind(listener.get(), address.get(), address.size) != 0 || ::listen(listener.get(), 8) != 0)
    fail("listen");
  return listener;
}

unsigned port_of(const UniqueFd& listener) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  if (::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
    fail("getsockname");
  return ntohs(address.sin_port);
}

}  // namespace

int main(int argc, char** argv) {
  std::chrono::milliseconds delay{0};
  bool raw = false, usage = false;
  for (int option; (option = ::getopt(argc, argv, "d:r")) != -1;) {
    if (option == 'd')
      delay = std::chrono::milliseconds(std::atol(optarg));
    else if (option == 'r')
      raw = true;
    else
      usage = true;
  }
  const std::string to = optind + 1 == argc ? argv[optind] : "";
  const long port = raw ? 1 : std::atol(to.c_str());
  if (usage || to.empty() || port < 1 || port > 65535) {
    std::fprintf(stderr, "usage: token_relay [-d MS] PORT | [-d MS] -r PATH\n");
    return 2;
  }
  const UniqueFd listener = listen_at(raw ? local(to + ".relay") : loopback(0));
  if (raw)
    std::printf("ready\n");
  else
    std::printf("port %u\n", port_of(listener));
  std::fflush(stdout);
  const Address server = raw ? local(to) : loopback(static_cast<uint16_t>(port));
  for (;;) {
    UniqueFd client(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!client) fail("accept");
    forward(std::move(client), server, raw, delay);
  }
}
