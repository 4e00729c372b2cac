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
#include <cstdint>
#include <memory>

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
   * it sees death.
   */
  ChannelStatus receive(Message* message, uint64_t deadline_ns);
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

/*
 * How long to yield before sleeping: 10 to 600 calls of sched_yield by the last latencies, for at
 * most 150 us, and none for 100 ms after two waits in a row of more than 200 us (waiter.cc).
 */
class Waiter {
 public:
  /* Calls ready() between yields; true as soon as it says true, false when it is time to sleep. */
  template <class Ready>
  bool spin(Ready ready) {
    unsigned rounds = begin();
    uint64_t until = rounds > kRoundsUnclocked ? now_ns() + kSpinNs : 0;
    for (unsigned i = 0; i < rounds; i++) {
      if (ready()) return true;
      yield();
      if (i % kRoundsUnclocked == kRoundsUnclocked - 1 && until != 0 && now_ns() > until) break;
    }
    return ready();
  }
  /* Tells how long the whole wait took, to adapt. */
  void waited(uint64_t started_ns);
  static uint64_t now_ns();

 private:
  static constexpr uint64_t kSpinNs = 150'000;
  static constexpr unsigned kRoundsUnclocked = 16;

  unsigned begin();
  static void yield();
  unsigned rounds_ = 10;
  unsigned long_waits_ = 0; /* in a row */
  uint64_t quiet_until_ns_ = 0;
};

}  // namespace mp11
