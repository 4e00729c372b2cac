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
 * Two honest sides. If one of these failed, calls would get lost, changed or stuck, or a call would
 * cost more than it must.
 */
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <atomic>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "channel_fixture.h"
#include "os_memory.h"

using namespace mp11;
using namespace mp11::channel_test;

namespace {

/* Sends and receives by turns in one thread, as neither side may need the other to run. */
void carry(Channel* from, Channel* to, const Message& message, Message* received) {
  size_t sent = 0;
  for (int i = 0; i < 1000; i++) {
    const ChannelStatus sending = from->try_send(message, &sent);
    BOOST_REQUIRE((sending == kOk || sending == kAgain));
    const ChannelStatus receiving = to->try_receive(received);
    if (receiving == kOk) {
      BOOST_REQUIRE(sending == kOk);
      BOOST_REQUIRE(sent == message.size());
      return;
    }
    BOOST_REQUIRE(receiving == kAgain);
  }
  BOOST_FAIL("the message did not get through");
}

enum class How { kPoll, kFutex, kLoop };

/* Receives like a thread that waits, like a worker, or like an event loop. */
ChannelStatus receive_as(How how, Channel* channel, Message* message) {
  if (how == How::kPoll) return channel->receive(message, in_ms(20'000));
  if (how == How::kFutex) return channel->receive_futex(message);
  for (;;) {
    ChannelStatus status = channel->try_receive(message);
    if (status != kAgain) return status;
    if (!channel->arm()) continue;
    pollfd one{channel->fd(), POLLIN, 0};
    if (::poll(&one, 1, 20'000) == 0) return kTimeout;
    channel->disarm(); /* what it says comes back from try_receive */
  }
}

/* Takes `count` messages and sends each one back. */
bool echo(How how, Channel* channel, unsigned count) {
  Message message;
  for (unsigned i = 0; i < count; i++) {
    if (receive_as(how, channel, &message) != kOk) return false;
    if (channel->send(message, in_ms(20'000)) != kOk) return false;
  }
  return true;
}

/* Sends `count` messages from a thread of its own while this one checks what comes back. */
bool drive(How how, Channel* channel, unsigned count, uint64_t seed) {
  std::atomic<bool> good{true};
  std::thread sender([&] {
    Message message;
    for (unsigned i = 0; i < count && good; i++) {
      fill_random(&message, seed + i);
      if (channel->send(message, in_ms(20'000)) != kOk) good = false;
    }
  });
  Message message;
  Message expected;
  for (unsigned i = 0; i < count && good; i++) {
    fill_random(&expected, seed + i);
    if (receive_as(how, channel, &message) != kOk || !same(message, expected)) good = false;
  }
  if (!good) channel->interrupt();
  sender.join();
  return good;
}

unsigned rounds(unsigned count) { return MP11_SANITIZED ? count / 4 : count; }

void stress_threads(How driver, How echoer) {
  Pair pair;
  std::atomic<bool> echoed{false};
  const unsigned count = rounds(1200);
  std::thread other([&] { echoed = echo(echoer, pair.b.get(), count); });
  const bool driven = drive(driver, pair.a.get(), count, 7000);
  BOOST_TEST(driven);
  if (!driven) pair.b->interrupt();
  other.join();
  BOOST_TEST(echoed);
}

std::string own_maps() {
  std::ifstream file("/proc/self/maps");
  return std::string(std::istreambuf_iterator<char>(file), {});
}

}  // namespace

BOOST_AUTO_TEST_SUITE(channel)

BOOST_AUTO_TEST_CASE(messages_arrive_as_they_were) {
  Pair pair;
  Message sent;
  Message received;
  const size_t sizes[] = {0,
                          1,
                          63,
                          64,
                          4096,
                          4097,
                          32768,
                          65536,
                          limits::kPiece - 1,
                          limits::kPiece,
                          limits::kPiece + 1,
                          2 * limits::kPiece,
                          ring::kHalf,
                          5u << 20,
                          limits::kMessage - 1,
                          limits::kMessage};
  uint64_t seed = 1;
  for (size_t size : sizes) {
    for (size_t handles : {size_t{0}, size_t{1}, size_t{17}, size_t{limits::kHandleList}}) {
      if (handles > 1 && size > limits::kPiece + 1 && size != limits::kMessage) continue;
      BOOST_TEST_CONTEXT("octets " << size << ", handles " << handles) {
        fill(&sent, seed++, size, handles);
        carry(pair.a.get(), pair.b.get(), sent, &received);
        BOOST_TEST(same(sent, received));
        carry(pair.b.get(), pair.a.get(), received, &sent);
        BOOST_TEST(same(sent, received));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(what_the_caller_left_in_unused_places_stays_here) {
  Pair pair;
  Message sent;
  Message received;
  fill(&sent, 3, 10, 0);
  sent.rec.handle_count = 2;
  sent.rec.number_count = 1;
  sent.rec.handles[2] = sent.rec.handles[15] = sent.rec.numbers[1] = 0x1234;
  sent.rec.reserved[2] = 99;
  sent.rec.bytes = Extent{77, 88};
  carry(pair.a.get(), pair.b.get(), sent, &received);
  BOOST_TEST(received.rec.handles[1] == sent.rec.handles[1]);
  BOOST_TEST((received.rec.handles[2] | received.rec.handles[15]) == 0u);
  BOOST_TEST((received.rec.numbers[1] | received.rec.reserved[2]) == 0u);
  BOOST_TEST((received.rec.bytes.offset | received.rec.bytes.length) == 0u);
}

BOOST_AUTO_TEST_CASE(too_long_is_refused_and_harmless) {
  Pair pair;
  Message message;
  Message received;
  size_t sent = 0;
  fill(&message, 1, limits::kMessage + 1, 0);
  BOOST_TEST(pair.a->try_send(message, &sent) == kTooLong);
  fill(&message, 1, 1, limits::kHandleList + 1);
  BOOST_TEST(pair.a->send(message, in_ms(100)) == kTooLong);
  BOOST_TEST(!pair.b->readable());
  fill(&message, 2, 5, 5);
  carry(pair.a.get(), pair.b.get(), message, &received);
  BOOST_TEST(same(message, received));
}

BOOST_AUTO_TEST_CASE(a_full_ring_says_again_and_rings_when_there_is_room) {
  Pair pair;
  Message message;
  size_t sent = 0;
  unsigned count = 0;
  for (;; count++) {
    fill(&message, count, 8, 0);
    sent = 0;
    if (pair.a->try_send(message, &sent) != kOk) break;
  }
  BOOST_TEST(count == limits::kRingRecords);
  BOOST_TEST(sent == 0u);
  BOOST_TEST(pair.a->arm());
  pollfd one{pair.a->fd(), POLLIN, 0};
  BOOST_TEST(::poll(&one, 1, 0) == 0);
  Message received;
  BOOST_TEST(pair.b->try_receive(&received) == kOk);
  BOOST_TEST(::poll(&one, 1, 0) == 1);
  BOOST_TEST(pair.a->disarm() == kOk);
  BOOST_TEST(::poll(&one, 1, 0) == 0);
  BOOST_TEST(pair.a->try_send(message, &sent) == kOk);
  sent = 0;
  BOOST_TEST(pair.a->try_send(message, &sent) == kAgain);
  BOOST_TEST(pair.b->try_receive(&received) == kOk);
  BOOST_TEST(!pair.a->arm()); /* room already: do not sleep */
}

BOOST_AUTO_TEST_CASE(arm_rings_once_for_a_message) {
  Pair pair;
  Message message;
  BOOST_TEST(pair.b->arm());
  pollfd one{pair.b->fd(), POLLIN, 0};
  BOOST_TEST(::poll(&one, 1, 0) == 0);
  fill(&message, 1, 8, 0);
  for (int i = 0; i < 5; i++) BOOST_TEST(pair.a->send(message, 0) == kOk);
  char bells[2];
  BOOST_TEST(::recv(pair.b->fd(), bells, 2, MSG_DONTWAIT) == 1);
  BOOST_TEST(::recv(pair.b->fd(), bells, 2, MSG_DONTWAIT) == -1);
  BOOST_TEST(!pair.b->arm()); /* something is there */
  BOOST_TEST(pair.b->disarm() == kOk);
}

BOOST_AUTO_TEST_CASE(pieces_of_two_messages_never_mix) {
  Pair pair;
  Message message;
  size_t sent = 0;
  fill(&message, 1, limits::kMessage, 0);
  BOOST_TEST(pair.a->try_send(message, &sent) == kAgain);
  BOOST_TEST(sent > 0u);
  sent = 0;
  fill(&message, 2, 1, 0);
  BOOST_TEST(pair.a->try_send(message, &sent) == kBroken);
  BOOST_TEST(pair.a->try_receive(&message) == kBroken);

  Pair late;
  fill(&message, 1, limits::kMessage, 0);
  BOOST_TEST(late.a->send(message, in_ms(20)) == kTimeout);
  BOOST_TEST(late.a->send(message, in_ms(20)) == kBroken);
}

BOOST_AUTO_TEST_CASE(deadlines_are_kept) {
  Pair pair;
  Message message;
  const uint64_t started = Waiter::now_ns();
  BOOST_TEST(pair.a->receive(&message, in_ms(50)) == kTimeout);
  BOOST_TEST(Waiter::now_ns() - started >= 50'000'000u);
  BOOST_TEST(pair.a->receive(&message, 1) == kTimeout);
  fill(&message, 1, 8, 0);
  for (unsigned i = 0; i < limits::kRingRecords; i++)
    BOOST_TEST(pair.a->send(message, in_ms(50)) == kOk);
  BOOST_TEST(pair.a->send(message, in_ms(50)) == kTimeout);
  BOOST_TEST(pair.b->receive(&message, in_ms(50)) == kOk);
  BOOST_TEST(pair.a->send(message, in_ms(50)) == kOk); /* nothing of it was out: still whole */
}

BOOST_AUTO_TEST_CASE(threads_poll) { stress_threads(How::kPoll, How::kPoll); }
BOOST_AUTO_TEST_CASE(threads_futex) { stress_threads(How::kFutex, How::kFutex); }
BOOST_AUTO_TEST_CASE(threads_loop) { stress_threads(How::kLoop, How::kLoop); }
BOOST_AUTO_TEST_CASE(threads_mixed) { stress_threads(How::kLoop, How::kFutex); }

BOOST_AUTO_TEST_CASE(several_workers_with_a_lock_of_their_own) {
  Pair pair;
  const unsigned count = rounds(2000);
  std::mutex receiving;
  std::mutex sending;
  std::atomic<unsigned> closed{0};
  std::vector<std::thread> workers;
  for (int i = 0; i < 4; i++) {
    workers.emplace_back([&] {
      Message message;
      for (;;) {
        ChannelStatus status;
        {
          std::lock_guard<std::mutex> guard(receiving);
          status = pair.b->receive_futex(&message);
        }
        if (status != kOk) {
          if (status == kClosed) closed++;
          return;
        }
        message.rec.rv = ~message.rec.id;
        std::lock_guard<std::mutex> guard(sending);
        pair.b->send(message, in_ms(20'000));
      }
    });
  }
  Message message;
  std::vector<bool> seen(count);
  unsigned sent = 0;
  for (unsigned got = 0; got < count; got++) {
    while (sent < count && sent - got < limits::kCallsPerBackend) {
      fill(&message, sent++, 100, 0);
      BOOST_REQUIRE(pair.a->send(message, in_ms(20'000)) == kOk);
    }
    BOOST_REQUIRE(pair.a->receive(&message, in_ms(20'000)) == kOk);
    BOOST_REQUIRE(message.rec.id < count);
    BOOST_REQUIRE(message.rec.rv == ~message.rec.id);
    BOOST_REQUIRE(!seen[message.rec.id]);
    seen[message.rec.id] = true;
  }
  pair.b->interrupt();
  for (std::thread& worker : workers) worker.join();
  BOOST_TEST(closed == 4u);
}

BOOST_AUTO_TEST_CASE(two_processes) {
  for (How how : {How::kPoll, How::kFutex, How::kLoop}) {
    Sockets sockets;
    const unsigned count = rounds(1200);
    const pid_t child = start_child([&] {
      sockets.a.reset();
      auto joined = Channel::join(std::move(sockets.b), 10'000);
      return joined.ok() && echo(how, joined->get(), count);
    });
    sockets.b.reset();
    auto made = Channel::create(std::move(sockets.a));
    BOOST_REQUIRE(made);
    BOOST_TEST(drive(How::kPoll, made->get(), count, 90'000));
    BOOST_TEST(wait_child(child) == 0);
    Message message;
    BOOST_TEST((*made)->receive(&message, in_ms(20'000)) == kClosed);
  }
}

BOOST_AUTO_TEST_CASE(hang_up) {
  Message message;
  Message received;
  fill(&message, 5, 500, 3);
  {
    Pair pair; /* what was sent before still arrives */
    BOOST_TEST(pair.a->send(message, 0) == kOk);
    pair.a.reset();
    BOOST_TEST(pair.b->disarm() == kClosed);
    BOOST_TEST(!pair.b->arm());
    BOOST_TEST(pair.b->receive(&received, 0) == kOk);
    BOOST_TEST(same(message, received));
    BOOST_TEST(pair.b->receive(&received, 0) == kClosed);
    BOOST_TEST(pair.b->try_receive(&received) == kClosed);
    BOOST_TEST(pair.b->send(message, 0) == kClosed);
  }
  {
    Pair pair; /* in the middle of a wait */
    std::thread killer([&] {
      ::usleep(30'000);
      pair.a.reset();
    });
    BOOST_TEST(pair.b->receive(&received, 0) == kClosed);
    killer.join();
  }
  {
    Pair pair; /* while waiting for room, in the middle of a message */
    fill(&message, 5, limits::kMessage, 0);
    std::thread killer([&] {
      ::usleep(30'000);
      pair.a.reset();
    });
    BOOST_TEST(pair.b->send(message, 0) == kClosed);
    killer.join();
  }
}

BOOST_AUTO_TEST_CASE(interrupt_wakes_a_worker_for_good) {
  Pair pair;
  Message message;
  std::atomic<int> status{-1};
  std::thread worker([&] {
    Message received;
    status = static_cast<int>(pair.b->receive_futex(&received));
  });
  ::usleep(30'000);
  BOOST_TEST(status == -1);
  const uint64_t started = Waiter::now_ns();
  pair.b->interrupt();
  worker.join();
  BOOST_TEST(Waiter::now_ns() - started < 20'000'000'000u);
  BOOST_TEST(status == static_cast<int>(kClosed));
  BOOST_TEST(pair.b->receive_futex(&message) == kClosed);
}

BOOST_AUTO_TEST_CASE(fork_guard_keeps_the_segment_from_children) {
  for (bool guard : {true, false}) {
    Pair pair(guard);
    BOOST_TEST(own_maps().find("multip11-channel") != std::string::npos);
    const pid_t child = start_child([&] {
      const bool mapped = own_maps().find("multip11-channel") != std::string::npos;
      if (guard) { /* what the child has mapped there since must outlive the channel */
        pair.a.reset();
        pair.b.reset();
      }
      return mapped != guard;
    });
    BOOST_TEST(wait_child(child) == 0);
    Message message;
    Message received;
    fill(&message, 1, 100, 0);
    carry(pair.a.get(), pair.b.get(), message, &received);
    BOOST_TEST(same(message, received));
  }
}

BOOST_AUTO_TEST_CASE(only_the_sockets_stay_open_and_nothing_is_dumped) {
  const size_t before = open_descriptors();
  Pair pair;
  BOOST_TEST(open_descriptors() == before + 2);
  std::ifstream smaps("/proc/self/smaps");
  std::string line;
  int dumped = 0;
  int kept = 0;
  bool inside = false;
  while (std::getline(smaps, line)) {
    unsigned long begin = 0;
    unsigned long end = 0;
    if (sscanf(line.c_str(), "%lx-%lx ", &begin, &end) == 2)
      inside = line.find("multip11-channel") != std::string::npos;
    if (inside && line.rfind("VmFlags:", 0) == 0)
      (line.find(" dd") == std::string::npos ? dumped : kept)++;
  }
  BOOST_TEST(dumped == 0);
  BOOST_TEST(kept >= 2);
}

BOOST_AUTO_TEST_CASE(octets_are_wiped_and_idle_memory_is_given_back) {
  Attacked attacked;
  RawPeer& peer = *attacked.peer;
  Message message;
  fill(&message, 1, 1000, 0);
  memcpy(peer.data() + RawPeer::kOut.half + 64, message.bytes.data(), 1000);
  CallRec rec = message.rec;
  rec.bytes = Extent{64, 1000};
  peer.push(rec);
  Message received;
  BOOST_TEST(attacked.channel->try_receive(&received) == kOk);
  BOOST_TEST(same(message, received));
  bool clean = true;
  for (size_t i = 0; i < 1000; i++) clean &= peer.data()[RawPeer::kOut.half + 64 + i] == 0;
  for (size_t i = 0; i < sizeof rec; i++) clean &= peer.data()[RawPeer::kOut.records + i] == 0;
  BOOST_TEST(clean);

  fill(&message, 2, limits::kPiece, 0);
  BOOST_TEST(attacked.channel->send(message, 0) == kOk);
  struct stat status;
  BOOST_REQUIRE(::fstat(peer.fd(), &status) == 0);
  const auto blocks = status.st_blocks;
  BOOST_TEST(blocks * 512 >= static_cast<long>(limits::kPiece));
  peer.set(RawPeer::kIn.tail, 1);
  BOOST_TEST(attacked.channel->receive(&received, in_ms(600)) == kTimeout);
  BOOST_REQUIRE(::fstat(peer.fd(), &status) == 0);
  BOOST_TEST((blocks - status.st_blocks) * 512 >= static_cast<long>(limits::kPiece));
  fill(&message, 3, limits::kPiece, 0); /* and it can be used again */
  BOOST_TEST(attacked.channel->send(message, 0) == kOk);
  BOOST_TEST(memcmp(peer.data() + RawPeer::kIn.half + limits::kArenaLocked, message.bytes.data(),
                    message.bytes.size()) == 0);
}

#if !MP11_SANITIZED
BOOST_AUTO_TEST_CASE(a_call_needs_no_system_call_while_nobody_sleeps) {
  Pair pair;
  const pid_t child = start_child([&] {
    Message message;
    Message received;
    fill(&message, 1, 3000, 16);
    auto once = [&] {
      size_t sent = 0;
      if (pair.a->try_send(message, &sent) != kOk) return false;
      return pair.b->try_receive(&received) == kOk && same(message, received);
    };
    if (!once()) return false; /* allocates */
    /* From here on only read, write and exit are allowed; anything else is SIGKILL. */
    if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0) return false;
    bool good = true;
    for (int i = 0; i < 1000; i++) good = good && once();
    ::syscall(SYS_exit, good ? 0 : 1);
    return false;
  });
  BOOST_TEST(wait_child(child) == 0);
}
#endif

/* A clock on which nothing but a yield takes time: a microsecond, and what a test adds. */
struct TestClock {
  static uint64_t now;
  static uint64_t now_ns() { return now; }
  static void yield() { now += 1'000; }
};
uint64_t TestClock::now = 1'000'000'000;
using TestWaiter = WaiterOf<TestClock>;

BOOST_AUTO_TEST_CASE(waiter_looks_for_a_bounded_time) {
  TestWaiter waiter;
  auto never = [] { return false; };
  auto spent = [&](uint64_t expected_in) {
    const uint64_t started = TestClock::now;
    BOOST_TEST(!waiter.spin(never, expected_in == 0 ? 0 : started + expected_in));
    return TestClock::now - started;
  };
  const uint64_t plain = spent(0);
  BOOST_TEST(plain >= 150'000u);
  BOOST_TEST(plain <= 160'000u);
  /* What is expected soon is looked for until after it should have come, */
  BOOST_TEST(spent(300'000) >= 450'000u);
  BOOST_TEST(spent(300'000) <= 460'000u);
  /* and no longer than that, whoever expects it. */
  BOOST_TEST(spent(3'000'000'000) <= 510'000u);
  /* Something ready is found at the first look. */
  unsigned looks = 0;
  BOOST_TEST(waiter.spin([&] { return ++looks == 1; }));
  BOOST_TEST(looks == 1u);
}

BOOST_AUTO_TEST_CASE(waiter_stops_where_yielding_costs) {
  TestWaiter waiter;
  unsigned looks = 0;
  /* A round that takes so long has handed the processor to somebody else. */
  BOOST_TEST(!waiter.spin([&] {
    looks++;
    TestClock::now += 1'000'000;
    return false;
  }));
  BOOST_TEST(looks <= 9u);
  looks = 0;
  auto count = [&] {
    looks++;
    return false;
  };
  BOOST_TEST(!waiter.spin(count));
  BOOST_TEST(looks == 1u); /* for a while it sleeps at once */
  TestClock::now += 110'000'000;
  looks = 0;
  BOOST_TEST(!waiter.spin(count));
  BOOST_TEST(looks > 1u);
}

/* Also when what it waits for comes in the costly round: else it would go on for ever like that. */
BOOST_AUTO_TEST_CASE(waiter_stops_where_the_yield_that_found_costs) {
  TestWaiter waiter;
  unsigned looks = 0;
  BOOST_TEST(waiter.spin([&] {
    if (++looks == 2) TestClock::now += 2'000'000;
    return looks == 3;
  }));
  looks = 0;
  BOOST_TEST(!waiter.spin([&] {
    looks++;
    return false;
  }));
  BOOST_TEST(looks == 1u);
}

/* The real one: its clock goes on, and it comes back. */
BOOST_AUTO_TEST_CASE(waiter_on_the_system_clock) {
  Waiter waiter;
  const uint64_t started = Waiter::now_ns();
  BOOST_TEST(!waiter.spin([] { return false; }));
  BOOST_TEST(Waiter::now_ns() > started);
}

BOOST_AUTO_TEST_CASE(pace_tells_when_to_look) {
  Pace pace;
  BOOST_TEST(pace.expected_ns(7) == 0u);
  for (int i = 0; i < 40; i++) pace.took(7, 600'000);
  BOOST_TEST(pace.expected_ns(7) == 600'000u);
  BOOST_TEST(pace.expected_ns(8) == 0u);
  pace.took(1000, 1); /* no such function: whoever made it up gains nothing */
  BOOST_TEST(pace.expected_ns(1000) == 0u);
  for (int i = 0; i < 100; i++) pace.took(9, UINT64_MAX);
  BOOST_TEST(pace.expected_ns(9) <= 1'000'000'000u);
  /* Near or unknown: look at once. Far: sleep, but not until then. */
  BOOST_TEST(Waiter::nap_ns(0, 5'000'000) == 0u);
  BOOST_TEST(Waiter::nap_ns(4'000'000, 5'000'000) == 0u);
  BOOST_TEST(Waiter::nap_ns(5'300'000, 5'000'000) == 0u);
  const uint64_t nap = Waiter::nap_ns(6'000'000, 5'000'000);
  BOOST_TEST(nap > 0u);
  BOOST_TEST(nap < 1'000'000u);
}

BOOST_AUTO_TEST_CASE(lent_octets_arrive_in_their_place) {
  Pair pair;
  std::vector<uint8_t> lent(3 * limits::kPiece + 5);
  for (size_t i = 0; i < lent.size(); i++) lent[i] = static_cast<uint8_t>(i * 7 + i / 256);
  const std::string own = "0123456789";
  for (size_t at : {size_t{0}, size_t{3}, own.size()}) {
    Message out, in;
    out.bytes.append(own.data(), own.size());
    out.lent = {lent.data(), lent.size(), at};
    carry(pair.a.get(), pair.b.get(), out, &in);
    BOOST_REQUIRE(in.bytes.size() == out.size());
    BOOST_TEST(in.lent.size == 0u);
    const uint8_t* octets = in.bytes.data();
    BOOST_TEST(memcmp(octets, own.data(), at) == 0);
    BOOST_TEST(memcmp(octets + at, lent.data(), lent.size()) == 0);
    BOOST_TEST(memcmp(octets + at + lent.size(), own.data() + at, own.size() - at) == 0);
  }
}

BOOST_AUTO_TEST_SUITE_END()
