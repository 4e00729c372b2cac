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
 * Prints what a call costs in the channel alone: the copying, a round trip between two processes,
 * and the chain client - monitor - backend and back, with some work in the backend. No PKCS #11.
 *
 * Usage: channel_bench [repetitions]
 */
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>
#include <vector>

#include "channel.h"

using namespace mp11;

namespace {

struct Ends {
  UniqueFd a, b;
};

Ends ends() {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) std::abort();
  return {UniqueFd(pair[0]), UniqueFd(pair[1])};
}

std::unique_ptr<Channel> must(Result<std::unique_ptr<Channel>> result) {
  if (!result) {
    std::fprintf(stderr, "channel_bench: %s\n", result.error().text.c_str());
    std::exit(1);
  }
  return std::move(*result);
}

void set_size(Message* message, size_t octets) {
  message->clear();
  message->bytes.resize(octets);
}

void print(const char* what, size_t octets, std::vector<uint64_t> ns) {
  std::sort(ns.begin(), ns.end());
  std::printf("%-34s %8zu octets   min %8llu   median %8llu   p99 %8llu ns\n", what, octets,
              static_cast<unsigned long long>(ns.front()),
              static_cast<unsigned long long>(ns[ns.size() / 2]),
              static_cast<unsigned long long>(ns[ns.size() * 99 / 100]));
}

/* Both ends here, in turns: what is left when nobody has to be woken. */
void bench_copy(size_t octets, unsigned repetitions) {
  Ends sockets = ends();
  auto a = must(Channel::create(std::move(sockets.a)));
  auto b = must(Channel::join(std::move(sockets.b), -1));
  Message message;
  Message received;
  set_size(&message, octets);
  std::vector<uint64_t> ns;
  for (unsigned i = 0; i < repetitions; i++) {
    const uint64_t started = Waiter::now_ns();
    size_t sent = 0;
    if (a->try_send(message, &sent) != ChannelStatus::kOk ||
        b->try_receive(&received) != ChannelStatus::kOk)
      std::abort();
    ns.push_back(Waiter::now_ns() - started);
  }
  print("send and receive, no waiting", octets, std::move(ns));
}

/* A backend's worker: some work, then the same message back. Until its peer hangs up. */
void serve(Channel* channel, uint64_t work_ns, bool futex) {
  Message message;
  for (;;) {
    const ChannelStatus status =
        futex ? channel->receive_futex(&message) : channel->receive(&message, 0);
    if (status != ChannelStatus::kOk || message.rec.id == 0) return;
    const uint64_t until = Waiter::now_ns() + work_ns;
    while (work_ns != 0 && Waiter::now_ns() < until) {
    }
    if (channel->send(message, 0) != ChannelStatus::kOk) return;
  }
}

/* A monitor: an event loop over two channels that moves messages across. */
void relay(Channel* front, Channel* back) {
  Message message;
  Waiter waiter;
  for (;;) {
    if (!waiter.spin([&] { return front->readable() || back->readable(); })) {
      const bool front_armed = front->arm();
      const bool back_armed = back->arm();
      if (front_armed && back_armed) {
        pollfd fds[2] = {{front->fd(), POLLIN, 0}, {back->fd(), POLLIN, 0}};
        ::poll(fds, 2, -1);
      }
      front->disarm();
      back->disarm();
    }
    for (auto [from, to] : {std::pair(front, back), std::pair(back, front)}) {
      ChannelStatus status;
      while ((status = from->try_receive(&message)) == ChannelStatus::kOk)
        if (to->send(message, 0) != ChannelStatus::kOk) return;
      if (status != ChannelStatus::kAgain) return;
    }
  }
}

void drive(const char* what, Channel* channel, size_t octets, unsigned repetitions) {
  Message message;
  std::vector<uint64_t> ns;
  for (unsigned i = 0; i < repetitions; i++) {
    set_size(&message, octets);
    message.rec.id = i + 1;
    const uint64_t started = Waiter::now_ns();
    if (channel->send(message, 0) != ChannelStatus::kOk ||
        channel->receive(&message, 0) != ChannelStatus::kOk)
      std::abort();
    ns.push_back(Waiter::now_ns() - started);
  }
  print(what, octets, std::move(ns));
  set_size(&message, 0); /* id 0: stop */
  channel->send(message, 0);
}

template <class Body>
void child(Body body) {
  std::fflush(stdout);
  const pid_t pid = ::fork();
  if (pid < 0) std::abort();
  if (pid == 0) {
    body();
    ::_exit(0);
  }
}

void bench_pair(const char* what, size_t octets, uint64_t work_ns, bool futex,
                unsigned repetitions) {
  Ends sockets = ends();
  child([&] {
    sockets.a.reset();
    serve(must(Channel::join(std::move(sockets.b), -1)).get(), work_ns, futex);
  });
  sockets.b.reset();
  {
    auto channel = must(Channel::create(std::move(sockets.a)));
    drive(what, channel.get(), octets, repetitions);
  }
  ::wait(nullptr);
}

void bench_chain(const char* what, size_t octets, uint64_t work_ns, unsigned repetitions) {
  Ends front = ends();
  Ends back = ends();
  child([&] {
    front = Ends{};
    back.a.reset();
    serve(must(Channel::join(std::move(back.b), -1)).get(), work_ns, true);
  });
  child([&] {
    front.a.reset();
    back.b.reset();
    auto to_back = must(Channel::create(std::move(back.a)));
    auto to_front = must(Channel::create(std::move(front.b)));
    relay(to_front.get(), to_back.get());
  });
  front.b.reset();
  back = Ends{};
  {
    auto channel = must(Channel::join(std::move(front.a), -1));
    drive(what, channel.get(), octets, repetitions);
  }
  while (::wait(nullptr) > 0) {
  }
}

}  // namespace

int main(int argc, char** argv) {
  const long wanted = argc > 1 ? std::atol(argv[1]) : 20000;
  const auto repetitions = static_cast<unsigned>(std::clamp(wanted, 1l, 10'000'000l));
  const unsigned few = std::max(1u, repetitions / 20);
  for (size_t octets : {size_t{0}, size_t{64}, size_t{1024}, size_t{65536}})
    bench_copy(octets, repetitions);
  bench_copy(256u << 10, few);
  bench_pair("A-B", 64, 0, false, repetitions);
  bench_pair("A-B, worker on the futex", 64, 0, true, repetitions);
  bench_pair("A-B, worker on the futex", 65536, 0, true, few);
  bench_pair("A-B, in pieces", 4u << 20, 0, true, std::max(1u, few / 20));
  bench_chain("A-B-C-B-A", 64, 0, repetitions);
  bench_chain("A-B-C-B-A, 30 us of work", 64, 30'000, repetitions / 4 + 1);
  bench_chain("A-B-C-B-A, 500 us of work", 64, 500'000, few);
}
