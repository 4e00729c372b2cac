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
 * sctp_relay PORT SERVER-PORT WAY HOW: somebody between a client and multip11d who can do to SCTP
 * what he likes, but has no key. WAY: there (to the server) or back. HOW, with what goes that way:
 *
 *   pass      nothing
 *   reorder   messages that are not in order come in another one: eight, or those of 3 ms, mixed
 *   repeat    the twentieth comes twice
 *   swap      the first two fragments of a long message change places
 *   drop      the second one does not arrive
 *
 * Prints "ready" when it listens, and serves one connection after the other, each in a process.
 */
#include <netinet/in.h>
#include <netinet/sctp.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace {

constexpr size_t kRoom = 256u << 10;
constexpr int kMixMs = 3;
constexpr size_t kMixed = 8;
constexpr unsigned kRepeated = 20;

struct Message {
  std::vector<uint8_t> octets;
  uint16_t stream = 0;
  bool ordered = true;
};

[[noreturn]] void fail(const char* what) {
  perror(what);
  exit(1);
}

sockaddr_in loopback(const char* port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(atoi(port)));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int make_socket() {
  const int fd = ::socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP);
  if (fd < 0) fail("socket");
  const int on = 1;
  sctp_event_subscribe events{};
  events.sctp_data_io_event = 1;
  sctp_initmsg streams{};
  streams.sinit_num_ostreams = streams.sinit_max_instreams = 64;
  (void)::setsockopt(fd, IPPROTO_SCTP, SCTP_NODELAY, &on, sizeof on);
  (void)::setsockopt(fd, IPPROTO_SCTP, SCTP_EVENTS, &events, sizeof events);
  (void)::setsockopt(fd, IPPROTO_SCTP, SCTP_INITMSG, &streams, sizeof streams);
  return fd;
}

/* False at the end. */
bool receive(int fd, Message* message) {
  message->octets.resize(kRoom);
  size_t have = 0;
  for (int flags = 0; (flags & MSG_EOR) == 0;) {
    sctp_sndrcvinfo info{};
    flags = 0;
    const int n =
        ::sctp_recvmsg(fd, &message->octets[have], kRoom - have, nullptr, nullptr, &info, &flags);
    if (n <= 0) return false;
    have += static_cast<size_t>(n);
    message->stream = info.sinfo_stream;
    message->ordered = (info.sinfo_flags & SCTP_UNORDERED) == 0;
  }
  message->octets.resize(have);
  return true;
}

/* What goes one way. */
class Way {
 public:
  Way(int from, int to, std::string how) : from_(from), to_(to), how_(std::move(how)) {}
  int from() const { return from_; }
  bool holds() const { return !mixed_.empty(); }

  bool take() {
    Message message;
    if (!receive(from_, &message)) return false;
    const bool fragment = message.ordered && message.stream != 0;
    if (how_ == "reorder" && !message.ordered) {
      mixed_.push_back(std::move(message));
      if (mixed_.size() == kMixed) flush();
      return true;
    }
    if (fragment) fragments_++;
    if (how_ == "swap" && fragment && fragments_ == 1) {
      held_ = std::move(message);
      return true;
    }
    if (how_ == "drop" && fragment && fragments_ == 2) return true;
    send(message);
    if (how_ == "swap" && fragment && fragments_ == 2) send(held_);
    if (how_ == "repeat" && ++messages_ == kRepeated) send(message);
    return true;
  }
  void flush() {
    std::shuffle(mixed_.begin(), mixed_.end(), random_);
    for (const Message& message : mixed_) send(message);
    mixed_.clear();
  }

 private:
  void send(const Message& message) {
    sctp_sndrcvinfo info{};
    info.sinfo_stream = message.stream;
    info.sinfo_flags = message.ordered ? 0 : SCTP_UNORDERED;
    if (::sctp_send(to_, message.octets.data(), message.octets.size(), &info, MSG_NOSIGNAL) < 0)
      exit(0); /* they are gone */
  }

  const int from_, to_;
  const std::string how_;
  unsigned messages_ = 0, fragments_ = 0;
  Message held_;
  std::vector<Message> mixed_;
  std::minstd_rand random_{1};
};

void relay(int client, const char* port, bool back, const char* how) {
  const int server = make_socket();
  sockaddr_in address = loopback(port);
  if (::connect(server, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    fail("connect");
  Way there(client, server, back ? "pass" : how), other(server, client, back ? how : "pass");
  for (;;) {
    pollfd fds[2] = {{client, POLLIN, 0}, {server, POLLIN, 0}};
    const int n = ::poll(fds, 2, there.holds() || other.holds() ? kMixMs : -1);
    if (n == 0) {
      there.flush();
      other.flush();
    }
    if (fds[0].revents != 0 && !there.take()) return;
    if (fds[1].revents != 0 && !other.take()) return;
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    fprintf(stderr, "usage: sctp_relay PORT SERVER-PORT there|back HOW\n");
    return 2;
  }
  ::signal(SIGCHLD, SIG_IGN);
  const int listener = make_socket(), on = 1;
  (void)::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address = loopback(argv[1]);
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fail("bind");
  if (::listen(listener, 16) != 0) fail("listen");
  puts("ready");
  fflush(stdout);
  for (;;) {
    const int client = ::accept(listener, nullptr, nullptr);
    if (client < 0) continue;
    if (::fork() == 0) {
      relay(client, argv[2], strcmp(argv[3], "back") == 0, argv[4]);
      return 0;
    }
    ::close(client);
  }
}
