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
 * Sleeping and waking, the socket, and the start of a channel. The rings are in channel_ring.cc.
 *
 * The one rule against lost wake-ups: who wants to sleep sets its sleep word, then looks at the
 * ring once more, then sleeps; who changes the ring looks at the sleep word afterwards. All of it
 * is sequentially consistent, so one of the two sees the other.
 *
 * Room is waited for on the futex, records in poll on the socket (or on the futex by a backend's
 * workers): only the receiving thread takes doorbells off the socket, so none is taken in error.
 *
 * Trust: the other side can ring as often as it likes, set any sleep word, wake any futex. That
 * costs us one look at the ring each time, and it a system call or more. Should it put a sleep word
 * back between our look and our sleep, the sleeps on a futex end by themselves.
 */
#include "channel.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <atomic>

#include "channel_ring.h"
#include "log.h"
#include "shm_segment.h"

namespace mp11 {

namespace {

/* While waiting for room: how often to look whether the other side is still there. */
constexpr uint64_t kRoomSliceNs = 100'000'000;
/* How soon an idle side looks whether it can give arena memory back. */
constexpr uint64_t kTrimSliceNs = 250'000'000;
/* Doorbells taken off the socket in one go. The queue holds more; poll then returns at once. */
constexpr int kDrainMost = 64;

/* Time left until the deadline, slice_ns at most; deadline 0: none. */
uint64_t time_left(uint64_t deadline_ns, uint64_t now_ns, uint64_t slice_ns) {
  if (deadline_ns == 0) return slice_ns;
  return now_ns >= deadline_ns ? 0 : std::min(deadline_ns - now_ns, slice_ns);
}

int poll_ns(std::span<pollfd> fds, uint64_t timeout_ns) {
  timespec timeout{static_cast<time_t>(timeout_ns / 1000000000u),
                   static_cast<long>(timeout_ns % 1000000000u)};
  return ::ppoll(fds.data(), fds.size(), timeout_ns == UINT64_MAX ? nullptr : &timeout, nullptr);
}

/* Polls one descriptor; UINT64_MAX: for ever. What poll says, 0 for nothing (or a signal). */
short poll_one(int fd, short events, uint64_t timeout_ns) {
  pollfd one{fd, events, 0};
  return poll_ns(std::span(&one, 1), timeout_ns) > 0 ? one.revents : short{0};
}

Error failed(const char* what, int code) {
  return Error{code, std::string(what) + ": " + strerror(code)};
}

union Control {
  cmsghdr header; /* aligns the buffer */
  uint8_t space[CMSG_SPACE(sizeof(int))];
};

Status send_segment(int socket, int fd) {
  uint8_t octet = 1;
  iovec data{&octet, sizeof octet};
  Control control{};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = &control;
  message.msg_controllen = CMSG_LEN(sizeof(int));
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(header), &fd, sizeof fd);
  if (::sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
    return failed("sending the segment", errno);
  return ok();
}

/* One descriptor in a message of one octet; whatever else came is closed. */
Result<UniqueFd> take_segment(int socket) {
  uint8_t octet = 0;
  iovec data{&octet, sizeof octet};
  Control control{};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = &control;
  /* Not CMSG_SPACE: its padding has room for a second descriptor. */
  message.msg_controllen = CMSG_LEN(sizeof(int));
  ssize_t size = ::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (size < 0) return failed("waiting for the segment", errno);
  UniqueFd fd;
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header != nullptr && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
      header->cmsg_len == CMSG_LEN(sizeof(int))) {
    int received = -1;
    memcpy(&received, CMSG_DATA(header), sizeof received);
    fd.reset(received);
  }
  if (size == 0) return Error{0, "the other side hung up before it sent the segment"};
  if (!fd || (message.msg_flags & (MSG_CTRUNC | MSG_TRUNC)) != 0)
    return Error{0, "the other side sent something else than one segment"};
  return fd;
}

Result<UniqueFd> wait_for_segment(int socket, int deadline_ms) {
  const uint64_t deadline_ns =
      deadline_ms < 0 ? 0 : Waiter::now_ns() + static_cast<uint64_t>(deadline_ms) * 1000000u;
  for (;;) {
    const uint64_t left = time_left(deadline_ns, Waiter::now_ns(), UINT64_MAX);
    if (poll_one(socket, POLLIN, left) != 0) return take_segment(socket);
    if (left == 0) return Error{ETIMEDOUT, "the other side did not send the segment in time"};
  }
}

}  // namespace

struct Channel::State {
  State(ShmSegment mapped, int channel_socket, unsigned out)
      : segment(std::move(mapped)),
        socket(channel_socket),
        sender(&segment, ring::direction(out), channel_socket),
        receiver(&segment, ring::direction(1 - out), channel_socket) {}

  /* kBroken and kClosed stay. What was sent before the hang-up can still be received. */
  ChannelStatus keep(ChannelStatus status) {
    if (status == ChannelStatus::kBroken) broken.store(true, std::memory_order_relaxed);
    if (status == ChannelStatus::kClosed) closed.store(true, std::memory_order_relaxed);
    return status;
  }
  bool is_broken() const { return broken.load(std::memory_order_relaxed); }
  bool is_closed() const { return closed.load(std::memory_order_relaxed); }

  ChannelStatus put(const Message& message, size_t* sent);
  void sleep_until_room(uint64_t timeout_ns);
  void sleep_until_readable(uint64_t timeout_ns);
  void sleep_on_futex();
  void drain(int most);
  void stay_awake();

  ShmSegment segment;
  int socket;
  ring::SendRing sender;
  ring::ReceiveRing receiver;
  Waiter send_waiter;
  Waiter receive_waiter;
  std::atomic<bool> broken{false};
  std::atomic<bool> closed{false};
  std::atomic<bool> interrupted{false};
  std::atomic<bool> on_futex{false};   /* the worker is asleep, or nearly */
  std::atomic<bool> wants_room{false}; /* the last try_send said kAgain */
};

ChannelStatus Channel::State::put(const Message& message, size_t* sent) {
  if (is_broken()) return ChannelStatus::kBroken;
  if (is_closed()) return ChannelStatus::kClosed;
  return keep(sender.put(message, sent));
}

void Channel::State::sleep_until_room(uint64_t timeout_ns) {
  const size_t word = sender.where().writer_sleep;
  segment.store(word, ring::kOnFutex);
  if (!sender.room_changed()) segment.futex_wait(word, ring::kOnFutex, timeout_ns);
  segment.store(word, ring::kAwake);
  if ((poll_one(socket, 0, 0) & (POLLHUP | POLLERR | POLLNVAL)) != 0) keep(ChannelStatus::kClosed);
}

void Channel::State::sleep_until_readable(uint64_t timeout_ns) {
  const size_t word = receiver.where().reader_sleep;
  segment.store(word, ring::kWantsDoorbell);
  short events = 0;
  if (!receiver.readable()) events = poll_one(socket, POLLIN, timeout_ns);
  segment.store(word, ring::kAwake);
  if (events != 0) drain(1); /* whatever else is there, the next poll tells */
}

void Channel::State::sleep_on_futex() {
  const size_t word = receiver.where().reader_sleep;
  on_futex.store(true);
  segment.store(word, ring::kOnFutex);
  if (!interrupted.load() && !receiver.readable())
    segment.futex_wait(word, ring::kOnFutex, sender.may_trim() ? kTrimSliceNs : UINT64_MAX);
  segment.store(word, ring::kAwake);
  on_futex.store(false);
}

/* recv, not recvmsg: descriptors that the other side attached to a bell are dropped. */
void Channel::State::drain(int most) {
  for (int i = 0; i < most; i++) {
    uint8_t bell;
    ssize_t size = ::recv(socket, &bell, sizeof bell, MSG_DONTWAIT);
    if (size > 0 || (size < 0 && errno == EINTR)) continue;
    if (size == 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) keep(ChannelStatus::kClosed);
    return;
  }
}

Result<std::unique_ptr<Channel>> Channel::create(UniqueFd socket, bool fork_guard) {
  UniqueFd fd;
  Result<ShmSegment> segment = ShmSegment::create(ring::kSegment, fork_guard, &fd);
  if (!segment) return segment.error();
  segment->store(ring::kShapeOffset, ring::kShape);
  ring::lock_segment(&*segment);
  Status sent = send_segment(socket.get(), fd.get());
  if (!sent) return sent.error();
  std::unique_ptr<Channel> channel(new Channel());
  channel->state_ = std::make_unique<State>(std::move(*segment), socket.get(), 0);
  channel->socket_ = std::move(socket);
  return channel;
}

Result<std::unique_ptr<Channel>> Channel::join(UniqueFd socket, int deadline_ms, bool fork_guard) {
  Result<UniqueFd> fd = wait_for_segment(socket.get(), deadline_ms);
  if (!fd) return fd.error();
  Result<ShmSegment> segment = ShmSegment::attach(fd->get(), ring::kSegment, fork_guard);
  if (!segment) return segment.error();
  if (segment->load(ring::kShapeOffset) != ring::kShape)
    return Error{0, "segment refused: the other side is of another version"};
  ring::lock_segment(&*segment);
  std::unique_ptr<Channel> channel(new Channel());
  channel->state_ = std::make_unique<State>(std::move(*segment), socket.get(), 1);
  channel->socket_ = std::move(socket);
  return channel;
}

Channel::~Channel() = default;

ChannelStatus Channel::try_send(const Message& message, size_t* sent) {
  ChannelStatus status = state_->put(message, sent);
  state_->wants_room.store(status == ChannelStatus::kAgain, std::memory_order_relaxed);
  return status;
}

ChannelStatus Channel::send(const Message& message, uint64_t deadline_ns) {
  size_t sent = 0;
  ChannelStatus status = state_->put(message, &sent);
  while (status == ChannelStatus::kAgain) {
    const uint64_t started = Waiter::now_ns();
    const uint64_t left = time_left(deadline_ns, started, kRoomSliceNs);
    if (left == 0) {
      /* Half a message is out, and the other half never comes: nothing may follow it. */
      if (sent != 0) state_->keep(ChannelStatus::kBroken);
      return ChannelStatus::kTimeout;
    }
    if (!state_->send_waiter.spin([this] { return state_->sender.room_changed(); }))
      state_->sleep_until_room(left);
    status = state_->put(message, &sent);
  }
  return status;
}

ChannelStatus Channel::try_receive(Message* message) {
  if (state_->is_broken()) return ChannelStatus::kBroken;
  /* Looked at first: what was sent before the hang-up is in the ring by then. */
  const bool closed = state_->is_closed();
  ChannelStatus status = state_->keep(state_->receiver.take(message));
  return status == ChannelStatus::kAgain && closed ? ChannelStatus::kClosed : status;
}

ChannelStatus Channel::receive(Message* message, uint64_t deadline_ns, uint64_t expected_ns) {
  ChannelStatus status = try_receive(message);
  while (status == ChannelStatus::kAgain) {
    /* Each time round, as the other side may keep us busy with an index that comes and goes. */
    const uint64_t now = Waiter::now_ns();
    const uint64_t slice = state_->sender.may_trim() ? kTrimSliceNs : UINT64_MAX;
    const uint64_t left = time_left(deadline_ns, now, slice);
    if (left == 0) return ChannelStatus::kTimeout;
    if (const uint64_t nap = Waiter::nap_ns(expected_ns, now); nap != 0) {
      state_->sleep_until_readable(std::min(left, nap));
    } else if (!state_->receive_waiter.spin([this] { return readable(); }, expected_ns)) {
      state_->sleep_until_readable(left);
      state_->sender.trim();
    }
    status = try_receive(message);
  }
  return status;
}

ChannelStatus Channel::receive_futex(Message* message) {
  if (state_->interrupted.load()) return ChannelStatus::kClosed;
  ChannelStatus status = try_receive(message);
  while (status == ChannelStatus::kAgain) {
    if (!state_->receive_waiter.spin([this] { return readable(); })) {
      state_->sleep_on_futex();
      state_->sender.trim();
    }
    if (state_->interrupted.load()) return ChannelStatus::kClosed;
    status = try_receive(message);
  }
  return status;
}

/* Again until it is through: the peer can put the word back between the store and the sleep. */
void Channel::interrupt() {
  const size_t word = state_->receiver.where().reader_sleep;
  state_->interrupted.store(true);
  do {
    state_->segment.store(word, ring::kAwake);
    state_->segment.futex_wake_all(word);
    ::sched_yield();
  } while (state_->on_futex.load());
}

/* Takes the requests for doorbells back. */
void Channel::State::stay_awake() {
  segment.store(receiver.where().reader_sleep, ring::kAwake);
  if (wants_room.load(std::memory_order_relaxed))
    segment.store(sender.where().writer_sleep, ring::kAwake);
}

bool Channel::arm() {
  State& state = *state_;
  if (state.is_broken() || state.is_closed()) return false;
  state.sender.trim();
  bool ready = false;
  if (state.wants_room.load(std::memory_order_relaxed)) {
    state.segment.store(state.sender.where().writer_sleep, ring::kWantsDoorbell);
    ready = state.sender.room_changed();
  }
  state.segment.store(state.receiver.where().reader_sleep, ring::kWantsDoorbell);
  if (!ready && !readable()) return true;
  state.stay_awake();
  return false;
}

ChannelStatus Channel::disarm() {
  State& state = *state_;
  state.stay_awake();
  state.drain(kDrainMost);
  if (state.is_broken()) return ChannelStatus::kBroken;
  return state.is_closed() ? ChannelStatus::kClosed : ChannelStatus::kOk;
}

void wait_for_events(std::span<pollfd> fds, uint64_t longest_ns) {
  for (pollfd& fd : fds) fd.revents = 0;
  if (poll_ns(fds, longest_ns) < 0 && errno != EINTR) fatal("poll: %s", strerror(errno));
}

void Channel::take_back_arm() {
  State& state = *state_;
  const size_t word = state.receiver.where().reader_sleep;
  if (state.segment.exchange(word, ring::kAwake) != ring::kWantsDoorbell) state.drain(1);
  state.stay_awake();
}

bool Channel::readable() const { return state_->receiver.readable(); }

}  // namespace mp11
