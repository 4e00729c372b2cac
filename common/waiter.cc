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
 * How long to yield before sleeping. Measured on two processors of a virtual machine: a wake-up
 * across processors costs 40 to 80 us (the hypervisor takes an idle one away), a yield 0.1 to
 * 0.4 us, a yield in turns with two others about 1 us. Busy loops without a yield are worse than
 * sleeping wherever processes share a processor.
 *
 * So everybody looks for kSpinNs, about two wake-ups, before each sleep. That bounds the price:
 * whoever sleeps all the same has spent no more than about what sleeping costs. The bound must not
 * shrink when waits are long: in a chain of processes one that has stopped looking makes the waits
 * of all the others long by its wake-ups, they stop as well, and nobody ever starts again.
 *
 * What must stop the looking is that it costs others, or us: a round of yields that takes
 * kCrowdedNs has handed the processor to somebody with real work, or we have been throttled (in a
 * loaded cgroup yields had a p99 of 5 ms). Then nobody looks for kQuietNs, and everything sleeps at
 * once. That the round found what it was for changes nothing: beside an endless loop each yield
 * gives it a whole slice, the reply has long come when we get the processor back, and calls took
 * 4 ms where sleeping takes 60 us.
 *
 * For a call that usually takes longer (an RSA signature), looking from the start would be waste,
 * and sleeping to the end costs a wake-up: so sleep until kEarlyNs before its usual end, and look
 * then. kEarlyNs covers the timer's slack (50 us) and what the wake-up costs.
 *
 * Trust: the other side decides how long we wait, so it can choose how much of our time goes into
 * yielding: kSpinNs for each wait, and yields only hand the processor to others.
 */
#include <sched.h>
#include <time.h>

#include <algorithm>

#include "channel.h"

namespace mp11 {

namespace {

/* An odd long call must not keep the next ones asleep for long. */
constexpr uint64_t kLongestPaceNs = 1'000'000'000;

}  // namespace

uint64_t SystemClock::now_ns() {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000u + static_cast<uint64_t>(now.tv_nsec);
}

void SystemClock::yield() { ::sched_yield(); }

void Pace::took(uint32_t function, uint64_t ns) {
  if (function >= typical_ns_.size()) return;
  uint64_t& typical = typical_ns_[function];
  ns = std::min(ns, kLongestPaceNs);
  typical = typical == 0 ? ns : (3 * typical + ns) / 4;
}

}  // namespace mp11
