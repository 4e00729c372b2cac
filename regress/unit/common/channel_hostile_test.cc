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
 * A peer that breaks every rule. If one of these failed, an owned process could crash, hang or
 * exhaust the one at the other end of its channel.
 */
#include <fcntl.h>

#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "channel_fixture.h"

using namespace mp11;
using namespace mp11::channel_test;

namespace {

/* A record that is well formed and has 100 octets. */
CallRec good_record() {
  CallRec rec;
  rec.function = 3;
  rec.id = 7;
  rec.handle_count = 1;
  rec.handles[0] = 42;
  rec.bytes = Extent{0, 100};
  return rec;
}

void check_final(Attacked* attacked) {
  Message message;
  size_t sent = 0;
  Channel& channel = *attacked->channel;
  BOOST_TEST(channel.try_receive(&message) == kBroken);
  BOOST_TEST(channel.receive(&message, in_ms(1000)) == kBroken);
  BOOST_TEST(channel.receive_futex(&message) == kBroken);
  BOOST_TEST(channel.send(message, in_ms(1000)) == kBroken);
  BOOST_TEST(channel.try_send(message, &sent) == kBroken);
  BOOST_TEST(!channel.arm());
  BOOST_TEST(channel.disarm() == kBroken);
}

/* Runs body again and again in a thread until it is destroyed. */
class Background {
 public:
  explicit Background(std::function<void()> body)
      : thread_([this, body = std::move(body)] {
          while (!stop_) body();
        }) {}
  ~Background() {
    stop_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

UniqueFd memfd(size_t size, int seals) {
  UniqueFd fd(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  BOOST_REQUIRE(fd);
  BOOST_REQUIRE(::ftruncate(fd.get(), static_cast<off_t>(size)) == 0);
  BOOST_REQUIRE(seals == 0 || ::fcntl(fd.get(), F_ADD_SEALS, seals) == 0);
  return fd;
}

void send_fds(int socket, const std::vector<int>& fds) {
  char octet = 1;
  iovec data{&octet, 1};
  alignas(cmsghdr) char control[256] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    memcpy(CMSG_DATA(header), fds.data(), fds.size() * sizeof(int));
  }
  BOOST_REQUIRE(::sendmsg(socket, &message, MSG_NOSIGNAL) == 1);
}

constexpr int kSealed = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

}  // namespace

BOOST_AUTO_TEST_SUITE(channel_hostile)

BOOST_AUTO_TEST_CASE(indexes_out_of_range_break_the_channel) {
  for (uint32_t head : {limits::kRingRecords + 1, 1000u, 0x80000000u, UINT32_MAX}) {
    Attacked attacked;
    Message message;
    attacked.peer->set(RawPeer::kOut.head, head);
    BOOST_TEST(attacked.channel->try_receive(&message) == kBroken);
    check_final(&attacked);
  }
  for (uint32_t tail : {1u, limits::kRingRecords, 0x80000000u, UINT32_MAX}) {
    Attacked attacked;
    Message message;
    size_t sent = 0;
    attacked.peer->set(RawPeer::kIn.tail, tail);
    BOOST_TEST(attacked.channel->try_send(message, &sent) == kBroken);
    check_final(&attacked);
  }
}

BOOST_AUTO_TEST_CASE(indexes_that_go_back_break_the_channel) {
  Attacked attacked;
  Message message;
  attacked.peer->push(good_record());
  attacked.peer->push(good_record());
  BOOST_TEST(attacked.channel->try_receive(&message) == kOk);
  attacked.peer->set(RawPeer::kOut.head, 0);
  BOOST_TEST(attacked.channel->try_receive(&message) == kBroken);

  Attacked other;
  for (int i = 0; i < 3; i++) BOOST_TEST(other.channel->send(message, 0) == kOk);
  other.peer->set(RawPeer::kIn.tail, 2);
  BOOST_TEST(other.channel->send(message, 0) == kOk);
  other.peer->set(RawPeer::kIn.tail, 1);
  BOOST_TEST(other.channel->send(message, in_ms(1000)) == kBroken);
}

BOOST_AUTO_TEST_CASE(malformed_records_break_the_channel) {
  const uint32_t half = ring::kHalf;
  const uint32_t piece = limits::kPiece;
  const std::vector<std::pair<const char*, std::function<void(CallRec*)>>> mutations = {
      {"unknown flag", [](CallRec* r) { r->flags = 4; }},
      {"high flag", [](CallRec* r) { r->flags = 1u << 31; }},
      {"handle count", [](CallRec* r) { r->handle_count = limits::kRecordHandles + 1; }},
      {"huge handle count", [](CallRec* r) { r->handle_count = UINT32_MAX; }},
      {"number count", [](CallRec* r) { r->number_count = limits::kRecordNumbers + 1; }},
      {"handle beyond the count", [](CallRec* r) { r->handles[1] = 1; }},
      {"last handle", [](CallRec* r) { r->handles[15] = 1; }},
      {"number beyond the count", [](CallRec* r) { r->numbers[0] = 1; }},
      {"reserved", [](CallRec* r) { r->reserved[2] = 1; }},
      {"octets beyond the half",
       [=](CallRec* r) {
         r->bytes = {half - 99, 100};
       }},
      {"octets far away",
       [](CallRec* r) {
         r->bytes = {UINT32_MAX, 100};
       }},
      {"octets wrap round",
       [](CallRec* r) {
         r->bytes = {UINT32_MAX - 50, 100};
       }},
      {"offset alone beyond the half",
       [=](CallRec* r) {
         r->bytes = {half + 1, 0};
       }},
      {"octets longer than a piece",
       [=](CallRec* r) {
         r->bytes = {0, piece + 1};
       }},
      {"octets longer than anything",
       [](CallRec* r) {
         r->bytes = {0, UINT32_MAX};
       }},
      {"list not of words",
       [](CallRec* r) {
         r->handle_list = {0, 7};
       }},
      {"list too long",
       [](CallRec* r) {
         r->handle_list = {0, limits::kHandleList * 8 + 8};
       }},
      {"list beyond the half",
       [=](CallRec* r) {
         r->handle_list = {half - 8, 16};
       }},
      {"list longer than anything",
       [](CallRec* r) {
         r->handle_list = {8, UINT32_MAX - 7};
       }},
      {"short piece with more to come", [](CallRec* r) { r->flags = kFlagMore; }},
  };
  for (const auto& [name, mutate] : mutations) {
    BOOST_TEST_CONTEXT(name) {
      Attacked attacked;
      Message message;
      attacked.peer->push(good_record());
      BOOST_TEST(attacked.channel->try_receive(&message) == kOk);
      CallRec rec = good_record();
      mutate(&rec);
      attacked.peer->push(rec);
      BOOST_TEST(attacked.channel->try_receive(&message) == kBroken);
      check_final(&attacked);
    }
  }
}

BOOST_AUTO_TEST_CASE(the_last_octet_of_the_half_is_in_reach) {
  Attacked attacked;
  Message message;
  CallRec rec = good_record();
  rec.bytes = Extent{ring::kHalf - 1, 1};
  rec.handle_list = Extent{ring::kHalf - 8, 8};
  attacked.peer->data()[RawPeer::kOut.half + ring::kHalf - 1] = 0xee;
  attacked.peer->push(rec);
  BOOST_TEST(attacked.channel->try_receive(&message) == kOk);
  BOOST_TEST(message.bytes.data()[0] == 0xee);
  BOOST_TEST(message.list.at(0) == 0xee00000000000000u);
}

BOOST_AUTO_TEST_CASE(endless_pieces_end_at_the_limit) {
  Attacked attacked;
  Message message;
  CallRec rec = good_record();
  rec.flags = kFlagMore;
  rec.bytes = Extent{0, limits::kPiece};
  ChannelStatus status = kAgain;
  unsigned pieces = 0;
  while (status == kAgain && pieces < 1000) {
    attacked.peer->push(rec);
    pieces++;
    status = attacked.channel->try_receive(&message);
  }
  BOOST_TEST(status == kBroken);
  BOOST_TEST(pieces == limits::kMessage / limits::kPiece + 1);
}

BOOST_AUTO_TEST_CASE(pieces_must_belong_together) {
  const std::vector<std::pair<const char*, std::function<void(CallRec*)>>> mutations = {
      {"id", [](CallRec* r) { r->id++; }},
      {"function", [](CallRec* r) { r->function++; }},
      {"flags", [](CallRec* r) { r->flags |= kFlagReply; }},
      {"handle", [](CallRec* r) { r->handles[0]++; }},
      {"handle count", [](CallRec* r) { r->handle_count++; }},
      {"rv", [](CallRec* r) { r->rv = 5; }},
      {"second list",
       [](CallRec* r) {
         r->handle_list = {0, 8};
       }},
  };
  for (const auto& [name, mutate] : mutations) {
    BOOST_TEST_CONTEXT(name) {
      Attacked attacked;
      Message message;
      CallRec rec = good_record();
      rec.flags = kFlagMore;
      rec.bytes = Extent{0, limits::kPiece};
      attacked.peer->push(rec);
      BOOST_TEST(attacked.channel->try_receive(&message) == kAgain);
      rec = good_record();
      mutate(&rec);
      attacked.peer->push(rec);
      BOOST_TEST(attacked.channel->try_receive(&message) == kBroken);
    }
  }
}

BOOST_AUTO_TEST_CASE(octets_that_change_while_they_are_read) {
  Attacked attacked;
  RawPeer& peer = *attacked.peer;
  CallRec rec = good_record();
  rec.bytes = Extent{0, 50'000};
  rec.handle_list = Extent{65536, 8000};
  uint8_t value = 0;
  uint32_t index = 0;
  Background scribbler([&] {
    value++;
    memset(peer.other() + RawPeer::kOut.half, value, 80'000);
    /* The record too, once it has been sent: count, lengths, flags. */
    CallRec* there = reinterpret_cast<CallRec*>(peer.other() + RawPeer::kOut.records) +
                     index++ % limits::kRingRecords;
    there->bytes.length = value;
    there->handle_list.length = 8u * value;
  });
  Message message;
  for (int i = 0; i < 2000; i++) {
    peer.push(rec);
    if (attacked.channel->try_receive(&message) != kOk) {
      BOOST_TEST(attacked.channel->try_receive(&message) == kBroken);
      return;
    }
    BOOST_REQUIRE(message.bytes.size() <= 50'000u);
    BOOST_REQUIRE(message.list.size() <= 1000u);
  }
}

BOOST_AUTO_TEST_CASE(random_writes_never_crash_or_hang) {
  Random random(4711);
  unsigned broken = 0;
  for (int round = 0; round < 60; round++) {
    Attacked attacked;
    RawPeer& peer = *attacked.peer;
    Channel& channel = *attacked.channel;
    Random wild(random.next());
    Background scribbler([&] {
      if (wild.below(4) == 0) peer.ring_bell();
      const size_t words[] = {RawPeer::kOut.head,         RawPeer::kOut.reader_sleep,
                              RawPeer::kOut.writer_sleep, RawPeer::kIn.tail,
                              RawPeer::kIn.reader_sleep,  RawPeer::kIn.writer_sleep,
                              RawPeer::kOut.tail,         RawPeer::kIn.head};
      const size_t offset = words[wild.below(round % 2 == 0 ? 8 : 3)];
      peer.set(offset, peer.get(offset) + static_cast<uint32_t>(wild.below(3)));
      CallRec rec = good_record();
      uint8_t* octets = reinterpret_cast<uint8_t*>(&rec);
      for (size_t i = wild.below(3); i > 0; i--)
        octets[wild.below(sizeof rec)] = static_cast<uint8_t>(wild.next());
      memcpy(peer.data() + RawPeer::kOut.records + wild.below(limits::kRingRecords) * sizeof rec,
             &rec, sizeof rec);
    });
    Message message;
    Message outgoing;
    fill_random(&outgoing, random.next());
    const uint64_t until = in_ms(20);
    while (Waiter::now_ns() < until) {
      ChannelStatus status = channel.receive(&message, in_ms(2));
      if (status == kBroken || channel.send(outgoing, in_ms(2)) == kBroken) {
        broken++;
        break;
      }
      if (channel.arm()) channel.disarm();
    }
    BOOST_TEST(Waiter::now_ns() < until + 5'000'000'000u);
  }
  BOOST_TEST(broken > 0u);
}

BOOST_AUTO_TEST_CASE(an_index_that_comes_and_goes_keeps_no_deadline_waiting) {
  Attacked attacked;
  uint32_t head = 0;
  Background flicker([&] {
    attacked.peer->set(RawPeer::kOut.head, head);
    head = 1 - head;
  });
  /* Whatever is received are records of zeros: well formed, so no end to it but the deadline. */
  Message message;
  const uint64_t started = Waiter::now_ns();
  ChannelStatus status = kOk;
  while (status == kOk) status = attacked.channel->receive(&message, started + 50'000'000u);
  BOOST_TEST((status == kTimeout || status == kBroken));
  BOOST_TEST(Waiter::now_ns() - started < 5'000'000'000u);
}

BOOST_AUTO_TEST_CASE(sleep_words_and_bells_are_only_noise) {
  Attacked attacked;
  RawPeer& peer = *attacked.peer;
  Background noise([&] {
    for (uint32_t value : {0u, 1u, 2u, 3u, UINT32_MAX}) {
      peer.set(RawPeer::kOut.reader_sleep, value);
      peer.set(RawPeer::kOut.writer_sleep, value);
      peer.ring_bell();
    }
  });
  Message message;
  const uint64_t started = Waiter::now_ns();
  BOOST_TEST(attacked.channel->receive(&message, in_ms(100)) == kTimeout);
  BOOST_TEST(Waiter::now_ns() - started < 5'000'000'000u);
  BOOST_TEST(attacked.channel->disarm() == kOk);
  peer.push(good_record());
  BOOST_TEST(attacked.channel->receive(&message, in_ms(5000)) == kOk);

  std::atomic<bool> done{false};
  std::thread worker([&] {
    Message received;
    attacked.channel->receive_futex(&received);
    done = true;
  });
  ::usleep(20'000);
  attacked.channel->interrupt();
  worker.join();
  BOOST_TEST(done);
  BOOST_TEST(Waiter::now_ns() - started < 15'000'000'000u);
}

BOOST_AUTO_TEST_CASE(a_peer_that_takes_no_bells_blocks_nobody) {
  Attacked attacked;
  RawPeer& peer = *attacked.peer;
  Message message;
  fill(&message, 1, 10, 0);
  for (uint32_t i = 1; i < 5000; i++) {
    peer.set(RawPeer::kIn.reader_sleep, ring::kWantsDoorbell);
    BOOST_REQUIRE(attacked.channel->send(message, in_ms(5000)) == kOk);
    peer.set(RawPeer::kIn.tail, i);
  }
}

BOOST_AUTO_TEST_CASE(an_empty_datagram_is_a_hang_up) {
  Attacked attacked;
  BOOST_REQUIRE(::send(attacked.peer->socket(), "", 0, 0) == 0);
  Message message;
  BOOST_TEST(attacked.channel->receive(&message, in_ms(5000)) == kClosed);
}

BOOST_AUTO_TEST_CASE(descriptors_on_a_bell_are_dropped) {
  Attacked attacked;
  const size_t before = open_descriptors();
  Message message;
  for (int i = 0; i < 20; i++) {
    send_fds(attacked.peer->socket(), {0, 1, 2});
    BOOST_TEST(attacked.channel->receive(&message, in_ms(5)) == kTimeout);
    send_fds(attacked.peer->socket(), {0});
    BOOST_TEST(attacked.channel->disarm() == kOk);
  }
  BOOST_TEST(open_descriptors() == before);
}

BOOST_AUTO_TEST_CASE(join_takes_nothing_but_a_channel) {
  const size_t before = open_descriptors();
  auto refused = [](const std::vector<int>& fds) {
    Sockets sockets;
    send_fds(sockets.a.get(), fds);
    auto joined = Channel::join(std::move(sockets.b), 1000);
    if (!joined) BOOST_TEST_MESSAGE(joined.error().text);
    return !joined;
  };
  {
    UniqueFd right = memfd(ring::kSegment, kSealed); /* but its shape word is zero */
    UniqueFd longer = memfd(ring::kSegment + 4096, kSealed);
    UniqueFd shorter = memfd(ring::kSegment - 4096, kSealed);
    UniqueFd empty = memfd(0, kSealed);
    UniqueFd may_shrink = memfd(ring::kSegment, F_SEAL_GROW | F_SEAL_SEAL);
    UniqueFd may_grow = memfd(ring::kSegment, F_SEAL_SHRINK | F_SEAL_SEAL);
    UniqueFd may_seal = memfd(ring::kSegment, F_SEAL_SHRINK | F_SEAL_GROW);
    UniqueFd not_writable = memfd(ring::kSegment, kSealed | F_SEAL_WRITE);
    UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    UniqueFd folder(::open("/", O_RDONLY | O_CLOEXEC));
    char name[] = "/tmp/mp11-test-XXXXXX";
    UniqueFd file(::mkostemp(name, O_CLOEXEC));
    BOOST_REQUIRE(file);
    ::unlink(name);
    BOOST_REQUIRE(::ftruncate(file.get(), static_cast<off_t>(ring::kSegment)) == 0);
    for (int fd :
         {right.get(), longer.get(), shorter.get(), empty.get(), may_shrink.get(), may_grow.get(),
          may_seal.get(), not_writable.get(), null.get(), folder.get(), file.get()})
      BOOST_TEST(refused({fd}));
    BOOST_TEST(refused({}));
    BOOST_TEST(::pwrite(right.get(), &ring::kShape, 4, ring::kShapeOffset) == 4);
    BOOST_TEST(
        !refused({right.get()})); /* so the others were refused for what is wrong with them */
    BOOST_TEST(refused({right.get(), right.get()}));
    BOOST_TEST(refused({right.get(), right.get(), right.get()}));
  }
  {
    Sockets sockets;
    sockets.a.reset();
    BOOST_TEST(!Channel::join(std::move(sockets.b), -1));
  }
  {
    Sockets sockets;
    const uint64_t started = Waiter::now_ns();
    auto joined = Channel::join(std::move(sockets.b), 50);
    BOOST_TEST(!joined);
    BOOST_TEST(joined.error().code == ETIMEDOUT);
    BOOST_TEST(Waiter::now_ns() - started >= 50'000'000u);
  }
  BOOST_TEST(open_descriptors() == before);
}

BOOST_AUTO_TEST_SUITE_END()
