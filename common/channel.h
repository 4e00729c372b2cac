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
 * A channel: one sealed memfd that two processes map, and the SOCK_SEQPACKET pair beside it.
 *
 * Segment: a page of ring indexes and sleep words, a ring of call records for each direction, an
 * arena half for each direction. Each half is written by one side only, first in first out with
 * its records; the receiver copies a record and its octets out in one go, wipes them and moves the
 * index on, which frees them.
 *
 * Socket: passes the memfd once, carries one-octet doorbells, and tells of death by hanging up.
 *
 * Trust: the other side is hostile. It may write anything anywhere in the segment at any time.
 * Every index is loaded once into private memory and checked against private bounds; what this side
 * wrote it never reads back; nothing here waits for the other side without the caller's deadline,
 * and no lock stands in shared memory. A record that breaks the format gives kBroken for good.
 *
 * Threads: one thread sends and one receives at a time; callers with more hold a lock of their own.
 */
#pragma once
#include <poll.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "call_rec.h"
#include "result.h"
#include "unique_fd.h"

namespace mp11 {

enum class ChannelStatus {
  kOk,
  kAgain,   /* nothing there, or no room */
  kTimeout, /* the deadline passed */
  kClosed,  /* the other side hung up */
  kBroken,  /* the other side broke the format, or a limit */
  kTooLong, /* our message exceeds limits::kMessage or kHandleList; nothing was sent */
};

class Channel {
 public:
  /*
   * The trusted side makes the segment and sends it. `fork_guard`: the mapping is not inherited by
   * fork (for multip11.so).
   */
  static Result<std::unique_ptr<Channel>> create(UniqueFd socket, bool fork_guard = false);
  /*
   * The other side waits at most deadline_ms (-1: for ever) for the segment, checks that its size
   * and seals are those of a channel, and maps it.
   */
  static Result<std::unique_ptr<Channel>> join(UniqueFd socket, int deadline_ms,
                                               bool fork_guard = false);
  ~Channel();

  /*
   * Puts the message, or its next pieces, into the ring and wakes the receiver if it sleeps.
   * *sent counts the octets of message.bytes that are through: 0 at first; the same message again
   * after kAgain until kOk. Sets the record's extents itself. Another message after a part of one
   * is kBroken: the pieces of two must not mix.
   */
  ChannelStatus try_send(const Message& message, size_t* sent);
  /*
   * The same, waiting for room until deadline_ns (CLOCK_MONOTONIC; 0: none). A time-out in the
   * middle of a message leaves the channel broken.
   */
  ChannelStatus send(const Message& message, uint64_t deadline_ns);

  /* Takes one whole message, copied out; a message in pieces comes when its last piece has. */
  ChannelStatus try_receive(Message* message);
  /*
   * The same, waiting: a few yields (Waiter below), then sleep. Sleeps in poll on the socket, so
   * it sees death. expected_ns: when the next message probably comes (0: not known).
   */
  ChannelStatus receive(Message* message, uint64_t deadline_ns, uint64_t expected_ns = 0);
  /* For workers of a backend: sleeps on the futex; another thread watches the socket. */
  ChannelStatus receive_futex(Message* message);
  /* Makes receive_futex of this side return kClosed, in every thread. */
  void interrupt();

  /*
   * For event loops that wait on several channels: poll fd() for input after arm() said true.
   * arm() asks for a doorbell and returns false when something is there already (or the channel is
   * closed or broken), so that the loop must not sleep. disarm() takes the request back and drains
   * doorbells; it returns kClosed when the other side hung up (what it sent before that can still
   * be received). After try_send said kAgain, arm() asks for a doorbell for room as well.
   * Poll by level, not by edge. A thread that only watches for the other side's death, beside
   * receive_futex, polls fd() for no events: POLLHUP comes all the same.
   */
  int fd() const { return socket_.get(); }
  bool arm();
  ChannelStatus disarm();
  /* disarm() for who did not sleep after arm(): no system call unless a doorbell was rung. */
  void take_back_arm();

  /* True when a receive would find a record; two loads, no system call. */
  bool readable() const;

  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

 private:
  Channel() = default;
  struct State;
  UniqueFd socket_;
  std::unique_ptr<State> state_;
};

/* The clock and the yield of whoever waits. */
struct SystemClock {
  static uint64_t now_ns(); /* CLOCK_MONOTONIC */
  static void yield();
};

/*
 * How long to look, with a yield between looks, before sleeping; waiter.cc has the figures and the
 * reasons. For one thread at a time. The clock is a parameter for the tests.
 */
template <class Clock>
class WaiterOf {
 public:
  /*
   * Calls ready() between yields; true as soon as it says true, false when it is time to sleep:
   * after kSpinNs, and as long after expected_ns if that is near; or at once for kQuietNs after
   * yielding has cost too much.
   */
  template <class Ready>
  bool spin(Ready ready, uint64_t expected_ns = 0) {
    uint64_t now = now_ns();
    const uint64_t until = std::clamp(expected_ns, now, now + kSpinNs + kEarlyNs) + kSpinNs;
    while (now < until && now >= quiet_until_ns_) {
      for (unsigned i = 0; i < kRoundsUnclocked; i++) {
        if (ready()) {
          if (i != 0) round(now); /* what was waited for may have come in a yield that cost much */
          return true;
        }
        Clock::yield();
      }
      now = round(now);
    }
    return ready();
  }
  /*
   * How long to sleep before looking is worth while, when the next thing is expected at
   * expected_ns (CLOCK_MONOTONIC; 0: nobody knows). 0: look now.
   */
  static uint64_t nap_ns(uint64_t expected_ns, uint64_t now_ns) {
    const bool far = expected_ns > now_ns + kSpinNs + kEarlyNs;
    return far ? expected_ns - now_ns - kEarlyNs : 0;
  }
  static uint64_t now_ns() { return Clock::now_ns(); }

 private:
  static constexpr uint64_t kSpinNs = 150'000;
  static constexpr uint64_t kEarlyNs = 200'000;
  static constexpr uint64_t kQuietNs = 100'000'000;
  static constexpr uint64_t kCrowdedNs = 1'500'000;
  static constexpr unsigned kRoundsUnclocked = 8;

  /* After a round that began at started_ns. */
  uint64_t round(uint64_t started_ns) {
    const uint64_t now = now_ns();
    if (now - started_ns > kCrowdedNs) quiet_until_ns_ = now + kQuietNs;
    return now;
  }
  uint64_t quiet_until_ns_ = 0;
};
using Waiter = WaiterOf<SystemClock>;

/*
 * poll() with a bound in ns (UINT64_MAX: none), for event loops: a signal ends it with nothing to
 * report. fatal() when it fails otherwise, so not for multip11.so.
 */
void wait_for_events(std::span<pollfd> fds, uint64_t longest_ns);

/* How long calls of each function have taken, of late: when to expect the next reply. */
class Pace {
 public:
  void took(uint32_t function, uint64_t ns);
  /* 0: not known. */
  uint64_t expected_ns(uint32_t function) const {
    return function < typical_ns_.size() ? typical_ns_[function] : 0;
  }

 private:
  std::array<uint64_t, 128> typical_ns_{}; /* by function number, which end at 104 */
};

}  // namespace mp11
