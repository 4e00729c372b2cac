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
 * One thread that waits for descriptors and timers: the main loop of [priv], vault and log.
 *
 * A handler may add and remove descriptors and timers, its own included; an event that was already
 * fetched for a descriptor removed meanwhile is dropped. Handlers get EPOLL* bits.
 */
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <unordered_map>

#include "result.h"
#include "unique_fd.h"

namespace mp11 {

class EventLoop {
 public:
  using Handler = std::function<void(uint32_t events)>;
  using Action = std::function<void()>;
  using TimerId = uint64_t; /* 0: none */

  static Result<EventLoop> create();
  EventLoop(EventLoop&&) = default;

  /* Watches the descriptor, which stays the caller's, until remove(); false when the kernel
   * refuses. */
  bool add(int fd, uint32_t events, Handler handler);
  bool change(int fd, uint32_t events);
  void remove(int fd);

  /* Runs the action once, after so long. */
  TimerId after(uint64_t delay_ms, Action action);
  void cancel(TimerId* timer); /* also sets it to 0 */

  /* Waits for one batch of events or timers and serves it. */
  void run_once();
  /* Until stop(). */
  void run();
  void stop() { running_ = false; }

  static uint64_t now_ms(); /* CLOCK_MONOTONIC */

 private:
  EventLoop() = default;
  int wait_ms() const;
  void run_timers();
  UniqueFd epoll_;
  bool running_ = true;
  uint64_t next_ = 1; /* names registrations and timers, never reused */
  std::unordered_map<int, uint64_t> by_fd_;
  std::unordered_map<uint64_t, std::shared_ptr<Handler>> handlers_;
  std::map<std::pair<uint64_t, TimerId>, Action> timers_; /* by time, then age */
  std::unordered_map<TimerId, uint64_t> timer_times_;
};

/* A descriptor that is owned and watched; both end with the object. */
class Watch {
 public:
  Watch() = default;
  Watch(EventLoop* loop, UniqueFd fd, uint32_t events, EventLoop::Handler handler)
      : loop_(loop), fd_(std::move(fd)) {
    if (!loop_->add(fd_.get(), events, std::move(handler))) fd_.reset();
  }
  Watch(Watch&& other) noexcept : loop_(other.loop_), fd_(std::move(other.fd_)) {}
  Watch& operator=(Watch&& other) noexcept {
    if (this != &other) {
      reset();
      loop_ = other.loop_;
      fd_ = std::move(other.fd_);
    }
    return *this;
  }
  ~Watch() { reset(); }

  int get() const { return fd_.get(); }
  explicit operator bool() const { return static_cast<bool>(fd_); }
  void reset() { release().reset(); }
  /* The descriptor is the caller's, and watched no more. */
  UniqueFd release() {
    if (fd_) loop_->remove(fd_.get());
    return std::move(fd_);
  }

 private:
  EventLoop* loop_ = nullptr;
  UniqueFd fd_;
};

}  // namespace mp11
