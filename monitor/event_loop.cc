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
#include "event_loop.h"

#include <sys/epoll.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <climits>

namespace mp11 {

Result<EventLoop> EventLoop::create() {
  EventLoop loop;
  loop.epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
  if (!loop.epoll_) return Error{errno, "epoll_create1 failed"};
  return loop;
}

bool EventLoop::add(int fd, uint32_t events, Handler handler) {
  epoll_event event{};
  event.events = events;
  /* Not a reference to a member of epoll_event: on some machines it is packed. */
  const uint64_t name = next_++;
  event.data.u64 = name;
  if (fd < 0 || ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return false;
  by_fd_[fd] = name;
  handlers_[name] = std::make_shared<Handler>(std::move(handler));
  return true;
}

bool EventLoop::change(int fd, uint32_t events) {
  auto found = by_fd_.find(fd);
  if (found == by_fd_.end()) return false;
  epoll_event event{};
  event.events = events;
  event.data.u64 = found->second;
  return ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) == 0;
}

void EventLoop::remove(int fd) {
  auto found = by_fd_.find(fd);
  if (found == by_fd_.end()) return;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  handlers_.erase(found->second);
  by_fd_.erase(found);
}

uint64_t EventLoop::now_ms() {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / 1000000;
}

EventLoop::TimerId EventLoop::after(uint64_t delay_ms, Action action) {
  TimerId id = next_++;
  uint64_t time = now_ms() + delay_ms;
  timers_.emplace(std::pair(time, id), std::move(action));
  timer_times_[id] = time;
  return id;
}

void EventLoop::cancel(TimerId* timer) {
  auto found = timer_times_.find(*timer);
  *timer = 0;
  if (found == timer_times_.end()) return;
  timers_.erase({found->second, found->first});
  timer_times_.erase(found);
}

int EventLoop::wait_ms() const {
  if (timers_.empty()) return -1;
  uint64_t now = now_ms(), first = timers_.begin()->first.first;
  if (first <= now) return 0;
  return static_cast<int>(std::min<uint64_t>(first - now, INT_MAX));
}

void EventLoop::run_timers() {
  uint64_t now = now_ms();
  while (!timers_.empty() && timers_.begin()->first.first <= now) {
    Action action = std::move(timers_.begin()->second);
    timer_times_.erase(timers_.begin()->first.second);
    timers_.erase(timers_.begin());
    action();
  }
}

void EventLoop::run_once() {
  epoll_event events[64];
  int count = ::epoll_wait(epoll_.get(), events, 64, wait_ms());
  for (int i = 0; i < count; i++) {
    const uint64_t name = events[i].data.u64;
    auto found = handlers_.find(name);
    if (found == handlers_.end()) continue;
    std::shared_ptr<Handler> handler = found->second; /* lives while it runs */
    (*handler)(events[i].events);
  }
  run_timers();
}

void EventLoop::run() {
  while (running_) run_once();
}

}  // namespace mp11
