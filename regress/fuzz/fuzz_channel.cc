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
 * The readers of shared memory: both sides of a channel, whose peer writes what the input says into
 * the segment, and, in most runs, while another thread writes random words all over it. Whatever
 * is there, what try_receive gives is within all limits and changes no more; what is broken stays
 * broken; nothing blocks. Without the other thread, messages between two ends arrive as they were
 * sent.
 *
 * Input: what to do first (side, thread, its seed), then steps.
 */
#include <sys/mman.h>
#include <sys/socket.h>

#include <atomic>
#include <cstring>
#include <deque>
#include <memory>
#include <thread>
#include <vector>

#include "channel.h"
#include "channel_ring.h"
#include "fuzz.h"
#include "log.h"
#include "shm_segment.h"

namespace {

using namespace mp11;
using fuzz::Input;

/* ---- a mapping without rules ---- */

class Raw {
 public:
  explicit Raw(int fd)
      : data_(static_cast<uint8_t*>(
            ::mmap(nullptr, ring::kSegment, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0))) {
    FUZZ_REQUIRE(data_ != MAP_FAILED);
  }
  ~Raw() { ::munmap(data_, ring::kSegment); }
  Raw(const Raw&) = delete;

  void word(size_t offset, uint32_t value) {
    __atomic_store_n(reinterpret_cast<uint32_t*>(data_ + offset % (ring::kSegment - 4) / 4 * 4),
                     value, __ATOMIC_SEQ_CST);
  }
  uint32_t word(size_t offset) const {
    return __atomic_load_n(reinterpret_cast<uint32_t*>(data_ + offset), __ATOMIC_SEQ_CST);
  }
  void write(size_t offset, std::span<const uint8_t> octets) {
    offset %= ring::kSegment;
    if (!octets.empty())
      std::memcpy(data_ + offset, octets.data(), std::min(octets.size(), ring::kSegment - offset));
  }

 private:
  uint8_t* data_;
};

/* Writes until it is destroyed: indexes, sleep words, records, and the beginning of the arena. */
class Scribbler {
 public:
  Scribbler(Raw* raw, unsigned direction, uint32_t seed)
      : thread_([this, raw, direction, seed] { run(raw, ring::direction(direction), seed | 1); }) {}
  ~Scribbler() {
    stop_.store(true, std::memory_order_relaxed);
    thread_.join();
  }

 private:
  void run(Raw* raw, const ring::Direction& in, uint32_t x) {
    const ring::Direction out = ring::direction(in.head == ring::direction(0).head ? 1 : 0);
    while (!stop_.load(std::memory_order_relaxed)) {
      x ^= x << 13, x ^= x >> 17, x ^= x << 5;
      const uint32_t value = x >> 8;
      switch (x % 16) {
        case 0:
          raw->word(in.head, raw->word(in.head) + value % 3);
          break;
        case 1:
          raw->word(in.reader_sleep, value % 4);
          raw->word(out.writer_sleep, value / 4 % 4);
          break;
        case 2:
          raw->word(out.tail, raw->word(out.tail) + value % 2);
          break;
        case 3:
        case 4:
        case 5: /* lengths and offsets that nearly fit */
          raw->word(in.records + value % 64 * sizeof(CallRec) + offsetof(CallRec, handle_count) +
                        x % 7 * 4,
                    value % 5 == 0 ? value * 7919 : value % 4097);
          break;
        case 6:
          raw->word(in.records + value % ring::kRingBytes, x % 3 == 0 ? 0 : value);
          break;
        default:
          raw->word(in.half + value % 8192, x);
          break;
      }
    }
  }

  std::atomic<bool> stop_{false};
  std::thread thread_;
};

/* ---- the peer's end of the socket ---- */

struct Ends {
  UniqueFd ours, theirs;
  Ends() {
    int pair[2];
    FUZZ_REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    ours.reset(pair[0]);
    theirs.reset(pair[1]);
  }
};

union Control {
  cmsghdr header;
  uint8_t space[CMSG_SPACE(sizeof(int))];
};

msghdr message_of(iovec* data, Control* control) {
  msghdr message{};
  message.msg_iov = data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = CMSG_LEN(sizeof(int));
  return message;
}

UniqueFd take_descriptor(int socket) {
  uint8_t octet;
  iovec data{&octet, 1};
  Control control{};
  msghdr message = message_of(&data, &control);
  FUZZ_REQUIRE(::recvmsg(socket, &message, MSG_CMSG_CLOEXEC) == 1);
  int fd;
  std::memcpy(&fd, CMSG_DATA(&control.header), sizeof fd);
  return UniqueFd(fd);
}

void send_descriptor(int socket, int fd) {
  uint8_t octet = 1;
  iovec data{&octet, 1};
  Control control{};
  msghdr message = message_of(&data, &control);
  control.header = {CMSG_LEN(sizeof fd), SOL_SOCKET, SCM_RIGHTS};
  std::memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
  FUZZ_REQUIRE(::sendmsg(socket, &message, 0) == 1);
}

/* A channel of ours, made or joined, and the same segment without rules. */
struct Victim {
  std::unique_ptr<Channel> channel;
  std::unique_ptr<Raw> raw;
  UniqueFd theirs;
  unsigned direction; /* in which the peer sends */

  explicit Victim(bool made) : direction(made ? 1 : 0) {
    Ends ends;
    if (made) {
      auto created = Channel::create(std::move(ends.ours));
      FUZZ_REQUIRE(created);
      channel = std::move(*created);
      raw = std::make_unique<Raw>(take_descriptor(ends.theirs.get()).get());
    } else {
      UniqueFd fd;
      auto segment = ShmSegment::create(ring::kSegment, false, &fd);
      FUZZ_REQUIRE(segment);
      segment->store(ring::kShapeOffset, ring::kShape);
      raw = std::make_unique<Raw>(fd.get());
      send_descriptor(ends.theirs.get(), fd.get());
      auto joined = Channel::join(std::move(ends.ours), 1000);
      FUZZ_REQUIRE(joined);
      channel = std::move(*joined);
    }
    theirs = std::move(ends.theirs);
  }
};

/* ---- what must hold ---- */

uint64_t digest(const Message& message) {
  uint64_t sum = 0xcbf29ce484222325;
  auto add = [&sum](const void* data, size_t size) {
    const auto* octets = static_cast<const uint8_t*>(data);
    for (size_t i = 0; i < size; i++) sum = (sum ^ octets[i]) * 0x100000001b3;
  };
  add(&message.rec, sizeof message.rec);
  add(message.list.data(), message.list.size() * sizeof(uint64_t));
  add(message.bytes.data(), message.bytes.size());
  return sum;
}

void check(const Message& message) {
  const uint64_t before = digest(message);
  const CallRec& rec = message.rec;
  FUZZ_REQUIRE((rec.flags & ~uint32_t{kFlagsKnown & ~kFlagMore}) == 0);
  FUZZ_REQUIRE(rec.handle_count <= limits::kRecordHandles);
  FUZZ_REQUIRE(rec.number_count <= limits::kRecordNumbers);
  for (size_t i = rec.handle_count; i < limits::kRecordHandles; i++)
    FUZZ_REQUIRE(rec.handles[i] == 0);
  for (size_t i = rec.number_count; i < limits::kRecordNumbers; i++)
    FUZZ_REQUIRE(rec.numbers[i] == 0);
  FUZZ_REQUIRE(message.list.size() <= limits::kHandleList);
  FUZZ_REQUIRE(message.bytes.size() <= limits::kMessage);
  FUZZ_REQUIRE(digest(message) == before);
}

/* A record as a peer would write it, as far as the input does not say otherwise. */
CallRec record_of(Input* in) {
  CallRec rec;
  const uint8_t what = in->u8();
  rec.function = in->u8();
  rec.flags = (what & 1) != 0 ? in->u16() : 0;
  rec.handle_count = (what & 2) != 0 ? in->u8() : 0;
  if ((what & 4) != 0) rec.handle_list = {in->u16() * 8u, in->u8() * 8u};
  if ((what & 8) != 0) rec.bytes = {in->u16() * 64u, in->u16()};
  if ((what & 16) != 0) rec.bytes.length = limits::kPiece, rec.flags |= kFlagMore;
  if ((what & 32) != 0) {
    const size_t offset = in->u8() % (sizeof rec / 4) * 4;
    const uint32_t value = static_cast<uint32_t>(in->u64());
    std::memcpy(reinterpret_cast<uint8_t*>(&rec) + offset, &value, sizeof value);
  }
  return rec;
}

void attack(Input in, uint8_t mode) {
  Victim victim((mode & 2) != 0);
  const ring::Direction peer = ring::direction(victim.direction);
  std::unique_ptr<Scribbler> scribbler;
  if ((mode & 12) != 0)
    scribbler = std::make_unique<Scribbler>(victim.raw.get(), victim.direction, in.u16());
  Channel& channel = *victim.channel;
  Message message, out;
  size_t sent = 0;
  bool broken = false;
  for (unsigned steps = 0; !in.end() && steps < 300; steps++) {
    const uint8_t what = in.u8();
    ChannelStatus status = ChannelStatus::kOk;
    switch (what % 8) {
      case 0:
      case 1: { /* the next record of the peer's */
        const CallRec rec = record_of(&in);
        const uint32_t head = victim.raw->word(peer.head);
        victim.raw->write(peer.records + head % limits::kRingRecords * sizeof rec,
                          {reinterpret_cast<const uint8_t*>(&rec), sizeof rec});
        victim.raw->word(peer.head, head + 1 + (what >> 6 == 3));
        break;
      }
      case 2:
        victim.raw->write(in.u16() * size_t{16} + (what >> 5) * 1024 * 1024, in.take(what));
        break;
      case 3:
        victim.raw->word(128 + what / 8 * 32u, static_cast<uint32_t>(in.u16()));
        break;
      case 4:
        if (sent == 0) {
          out.clear();
          out.bytes.resize(in.u16() * size_t{what / 8u});
        }
        status = channel.try_send(out, &sent);
        if (status != ChannelStatus::kAgain) sent = 0;
        break;
      case 5:
        if (channel.arm()) status = channel.disarm();
        break;
      case 6:
        (void)::send(victim.theirs.get(), &what, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (what == 254) victim.theirs.reset();
        break;
      default:
        status = channel.try_receive(&message);
        if (status == ChannelStatus::kOk) check(message);
        break;
    }
    if (broken && what % 8 == 7) FUZZ_REQUIRE(status == ChannelStatus::kBroken);
    if (status == ChannelStatus::kBroken) broken = true;
  }
}

/* Two ends of ours; messages in order and as they were. */
void converse(Input in) {
  Ends ends;
  auto made = Channel::create(std::move(ends.ours));
  FUZZ_REQUIRE(made);
  auto joined = Channel::join(std::move(ends.theirs), 1000);
  FUZZ_REQUIRE(joined);
  Channel& a = **made;
  Channel& b = **joined;
  std::deque<uint64_t> expected;
  Message out, message;
  size_t sent = 0;
  bool under_way = false;
  for (unsigned steps = 0; (!in.end() || under_way || !expected.empty()) && steps < 2000; steps++) {
    const uint8_t what = in.end() ? uint8_t{1} : in.u8();
    if (!under_way && !in.end() && what % 3 != 0) {
      out.clear();
      out.rec.function = what;
      out.rec.handle_count = what % (limits::kRecordHandles + 1);
      for (uint32_t i = 0; i < out.rec.handle_count; i++) out.rec.handles[i] = in.u16();
      out.list.resize(what % 5 == 0 ? in.u16() : 0, what);
      out.bytes.resize(in.u16() * size_t{what % 16u});
      std::fill_n(out.bytes.data(), out.bytes.size(), what);
      under_way = true;
      sent = 0;
    }
    if (under_way) {
      ChannelStatus status = a.try_send(out, &sent);
      FUZZ_REQUIRE(status == ChannelStatus::kOk || status == ChannelStatus::kAgain);
      if (status == ChannelStatus::kOk) expected.push_back(digest(out));
      under_way = status == ChannelStatus::kAgain;
    }
    if (what % 2 == 0) continue;
    ChannelStatus status = b.try_receive(&message);
    FUZZ_REQUIRE(status == ChannelStatus::kOk || status == ChannelStatus::kAgain);
    if (status == ChannelStatus::kAgain) {
      FUZZ_REQUIRE(expected.empty() || under_way);
      continue;
    }
    message.rec.handle_list = message.rec.bytes = Extent{};
    FUZZ_REQUIRE(!expected.empty() && digest(message) == expected.front());
    expected.pop_front();
  }
  FUZZ_REQUIRE(!under_way && expected.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input in(data, size);
  const uint8_t mode = in.u8();
  if (mode % 16 == 0)
    converse(in);
  else
    attack(in, mode);
  return 0;
}
