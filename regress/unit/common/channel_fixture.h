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
/* What the tests of the channel share: pairs, messages that can be checked, a peer without honour.
 */
#pragma once
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <filesystem>
#include <memory>
#include <utility>

#include "channel.h"
#include "channel_ring.h"

#if defined(__has_feature)
#define MP11_HAS_FEATURE(x) __has_feature(x)
#else
#define MP11_HAS_FEATURE(x) 0
#endif
/* AddressSanitizer or ThreadSanitizer: slow, and they make system calls of their own. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__) || \
    MP11_HAS_FEATURE(thread_sanitizer) || MP11_HAS_FEATURE(address_sanitizer)
#define MP11_SANITIZED 1
#else
#define MP11_SANITIZED 0
#endif

namespace mp11 {

inline std::ostream& operator<<(std::ostream& out, ChannelStatus status) {
  const char* const names[] = {"kOk", "kAgain", "kTimeout", "kClosed", "kBroken", "kTooLong"};
  return out << names[static_cast<int>(status)];
}

namespace channel_test {

using enum ChannelStatus;
namespace fs = std::filesystem;

inline uint64_t in_ms(uint64_t ms) { return Waiter::now_ns() + ms * 1000000u; }

inline size_t open_descriptors() {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator("/proc/self/fd")) count++;
  return count;
}

struct Sockets {
  UniqueFd a, b;
  Sockets() {
    int pair[2];
    BOOST_REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    a.reset(pair[0]);
    b.reset(pair[1]);
  }
};

/* Both ends in this process; each has a mapping of its own, as two processes would. */
struct Pair {
  std::unique_ptr<Channel> a, b;
  explicit Pair(bool fork_guard = false) {
    Sockets sockets;
    auto made = Channel::create(std::move(sockets.a), fork_guard);
    BOOST_REQUIRE_MESSAGE(made, made.error().text);
    auto joined = Channel::join(std::move(sockets.b), 1000, fork_guard);
    BOOST_REQUIRE_MESSAGE(joined, joined.error().text);
    a = std::move(*made);
    b = std::move(*joined);
  }
};

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u + 1) {}
  uint64_t next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_;
  }
  size_t below(size_t limit) { return static_cast<size_t>(next() % limit); }

 private:
  uint64_t state_;
};

/* A message of which every part follows from the seed. */
inline void fill(Message* message, uint64_t seed, size_t bytes, size_t handles) {
  Random random(seed);
  message->clear();
  CallRec& rec = message->rec;
  rec.function = static_cast<uint32_t>(seed % 104);
  rec.flags = seed % 2 == 0 ? kFlagReply : kFlagTokenObject0 | kFlagPrivateUnknown1;
  rec.id = seed;
  rec.rv = random.next();
  rec.primary = random.next();
  rec.handle_count = static_cast<uint32_t>(random.below(limits::kRecordHandles + 1));
  rec.number_count = static_cast<uint32_t>(random.below(limits::kRecordNumbers + 1));
  for (uint32_t i = 0; i < rec.handle_count; i++) rec.handles[i] = random.next();
  for (uint32_t i = 0; i < rec.number_count; i++) rec.numbers[i] = random.next();
  for (size_t i = 0; i < handles; i++) message->list.push_back(random.next());
  message->bytes.resize(bytes);
  for (size_t i = 0; i < bytes; i += 8) {
    const uint64_t word = random.next();
    memcpy(message->bytes.data() + i, &word, std::min<size_t>(8, bytes - i));
  }
}

inline bool same(const Message& x, const Message& y) {
  return memcmp(&x.rec, &y.rec, sizeof x.rec) == 0 && x.list == y.list &&
         x.bytes.size() == y.bytes.size() &&
         (x.bytes.empty() || memcmp(x.bytes.data(), y.bytes.data(), x.bytes.size()) == 0);
}

/* Sizes as calls have them: mostly small, sometimes beyond the arena. */
inline void fill_random(Message* message, uint64_t seed) {
  Random random(seed ^ 0x5555);
  size_t bytes = random.below(300);
  size_t handles = 0;
  const size_t kind = random.below(100);
  if (kind >= 60) bytes = random.below(70'000);
  if (kind >= 90) bytes = random.below(700'000);
  if (kind == 99) bytes = random.below(5u << 20);
  if (kind % 7 == 0) handles = random.below(500);
  if (kind == 98) handles = random.below(limits::kHandleList + 1);
  fill(message, seed, bytes, handles);
}

/*
 * A peer that has the segment and the socket and no code of ours. Joined: it is the side that
 * Channel::create sent the segment to, so it writes direction 1 and reads direction 0.
 */
class RawPeer {
 public:
  explicit RawPeer(UniqueFd socket) : socket_(std::move(socket)) {
    char octet;
    iovec data{&octet, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    BOOST_REQUIRE(::recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC) == 1);
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    BOOST_REQUIRE(header != nullptr);
    int fd = -1;
    memcpy(&fd, CMSG_DATA(header), sizeof fd);
    fd_.reset(fd);
    data_ = map();
    other_ = map();
  }
  ~RawPeer() {
    ::munmap(data_, ring::kSegment);
    ::munmap(other_, ring::kSegment);
  }
  RawPeer(const RawPeer&) = delete;
  RawPeer& operator=(const RawPeer&) = delete;

  uint8_t* data() { return data_; }
  /* The same memory at another address, for a second thread. */
  uint8_t* other() { return other_; }
  int socket() const { return socket_.get(); }
  int fd() const { return fd_.get(); }
  void hang_up() { socket_.reset(); }

  void set(size_t offset, uint32_t value) {
    __atomic_store_n(reinterpret_cast<uint32_t*>(data_ + offset), value, __ATOMIC_SEQ_CST);
  }
  uint32_t get(size_t offset) {
    return __atomic_load_n(reinterpret_cast<uint32_t*>(data_ + offset), __ATOMIC_SEQ_CST);
  }
  /* Puts a record as it is into the next place and counts it. */
  void push(const CallRec& rec) {
    memcpy(data_ + kOut.records + (sent_ % limits::kRingRecords) * sizeof rec, &rec, sizeof rec);
    set(kOut.head, ++sent_);
  }
  void ring_bell() { (void)!::send(socket_.get(), "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL); }

  static constexpr ring::Direction kOut = ring::direction(1);
  static constexpr ring::Direction kIn = ring::direction(0);

 private:
  uint8_t* map() {
    void* mapped =
        ::mmap(nullptr, ring::kSegment, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), 0);
    BOOST_REQUIRE(mapped != MAP_FAILED);
    return static_cast<uint8_t*>(mapped);
  }

  UniqueFd socket_;
  UniqueFd fd_;
  uint8_t* data_ = nullptr;
  uint8_t* other_ = nullptr;
  uint32_t sent_ = 0;
};

/* A channel of ours and such a peer. */
struct Attacked {
  std::unique_ptr<Channel> channel;
  std::unique_ptr<RawPeer> peer;
  Attacked() {
    Sockets sockets;
    auto made = Channel::create(std::move(sockets.a));
    BOOST_REQUIRE_MESSAGE(made, made.error().text);
    channel = std::move(*made);
    peer = std::make_unique<RawPeer>(std::move(sockets.b));
  }
};

/* Runs body in a child; true if that returned true. The child is killed after a minute. */
template <class Body>
pid_t start_child(Body body) {
  const pid_t child = ::fork();
  BOOST_REQUIRE(child >= 0);
  if (child == 0) {
    ::alarm(60);
    ::_exit(body() ? 0 : 1);
  }
  return child;
}

inline int wait_child(pid_t child) {
  int status = -1;
  BOOST_REQUIRE(::waitpid(child, &status, 0) == child);
  return status;
}

}  // namespace channel_test
}  // namespace mp11
