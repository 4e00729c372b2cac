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
 * token_relay: between a client and multip11d, says how long each token is that passes.
 *
 *   token_relay PORT
 *
 * Prints "port N", its own port on 127.0.0.1, and forwards one connection after the other to PORT.
 * Before a token goes on, a line: "> OCTETS" for the client's, "< OCTETS" for the server's (without
 * the four octets of its length; PROTOCOL, Layers). Ends when it is killed.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <vector>

#include "unique_fd.h"

using namespace mp11;

namespace {

sockaddr_in loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(2);
}

/* One direction. Follows the lengths in what passes. */
class Direction {
 public:
  Direction(int from, int to, char sign) : from_(from), to_(to), sign_(sign) {}

  /* False when this connection is over. */
  bool pass() {
    uint8_t octets[65536];
    const ssize_t n = ::recv(from_, octets, sizeof octets, 0);
    if (n <= 0) return false;
    std::span<const uint8_t> rest(octets, static_cast<size_t>(n));
    look(rest);
    while (!rest.empty()) {
      const ssize_t sent = ::send(to_, rest.data(), rest.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      rest = rest.subspan(static_cast<size_t>(sent));
    }
    return true;
  }

 private:
  void look(std::span<const uint8_t> octets) {
    for (size_t i = 0; i < octets.size();) {
      if (left_ > 0) {
        const size_t step = std::min(left_, octets.size() - i);
        left_ -= step;
        i += step;
        continue;
      }
      length_ = length_ << 8 | octets[i++];
      if (++length_octets_ < 4) continue;
      std::printf("%c %zu\n", sign_, length_);
      std::fflush(stdout);
      left_ = length_;
      length_ = length_octets_ = 0;
    }
  }

  int from_, to_;
  char sign_;
  size_t length_ = 0, length_octets_ = 0; /* of the length that is being read */
  size_t left_ = 0;                       /* of the token that passes */
};

void forward(UniqueFd client, uint16_t port) {
  UniqueFd server(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = loopback(port);
  if (::connect(server.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    fail("connect");
  const int yes = 1;
  for (int fd : {client.get(), server.get()})
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  Direction out(client.get(), server.get(), '>');
  Direction back(server.get(), client.get(), '<');
  for (;;) {
    pollfd fds[2] = {{client.get(), POLLIN, 0}, {server.get(), POLLIN, 0}};
    if (::poll(fds, 2, -1) < 0) fail("poll");
    if (fds[0].revents != 0 && !out.pass()) return;
    if (fds[1].revents != 0 && !back.pass()) return;
  }
}

}  // namespace

int main(int argc, char** argv) {
  const long port = argc == 2 ? std::atol(argv[1]) : 0;
  if (port < 1 || port > 65535) {
    std::fprintf(stderr, "usage: token_relay PORT\n");
    return 2;
  }
  UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  if (::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::listen(listener.get(), 1) != 0 ||
      ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
    fail("listen");
  std::printf("port %u\n", ntohs(address.sin_port));
  std::fflush(stdout);
  for (;;) {
    UniqueFd client(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!client) fail("accept");
    forward(std::move(client), static_cast<uint16_t>(port));
  }
}
