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
 * How long to yield before sleeping. The numbers were measured: a wake-up across cores costs 40 to
 * 80 us where the hypervisor takes an idle core away, a yield 0.1 to 0.4 us. Two sides that have
 * both gone to sleep wake each other up for ever, at that price for each message; only a wait that
 * outlasts a wake-up ends this, so the bound is a little more than one. Busy loops without a yield
 * are worse than either wherever processes share a core. One odd wait changes nothing; two long
 * ones in a row say that the other side is busy, or that yielding costs more than it saves (across
 * loaded cgroups it had a p99 of 5 ms).
 *
 * Trust: the other side decides how long we wait, so it can choose how much of our time goes into
 * yielding: kSpinNs for each wait, and yields only hand the core to others.
 */
#include <sched.h>
#include <time.h>

#include <algorithm>

#include "channel.h"

namespace mp11 {

namespace {

constexpr unsigned kRoundsLeast = 10;
constexpr unsigned kRoundsMost = 600;
/* What one yield covers of a wait, at least. */
constexpr uint64_t kRoundNs = 250;
constexpr uint64_t kLongWaitNs = 200'000;
constexpr unsigned kLongWaitsInRow = 2;
constexpr uint64_t kQuietNs = 100'000'000;

}  // namespace

uint64_t Waiter::now_ns() {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000u + static_cast<uint64_t>(now.tv_nsec);
}

void Waiter::yield() { ::sched_yield(); }

unsigned Waiter::begin() {
  if (quiet_until_ns_ == 0) return rounds_;
  if (now_ns() < quiet_until_ns_) return 0;
  quiet_until_ns_ = 0;
  return rounds_;
}

void Waiter::waited(uint64_t started_ns) {
  uint64_t now = now_ns();
  uint64_t took = now > started_ns ? now - started_ns : 0;
  if (took > kLongWaitNs) {
    if (++long_waits_ < kLongWaitsInRow) return;
    long_waits_ = 0;
    quiet_until_ns_ = now + kQuietNs;
    rounds_ = kRoundsLeast;
    return;
  }
  long_waits_ = 0;
  /* Half as much again as the last waits took; one odd wait changes it by a quarter. */
  uint64_t wanted = took * 3 / 2 / kRoundNs;
  uint64_t mixed = (uint64_t{rounds_} * 3 + wanted) / 4;
  rounds_ = static_cast<unsigned>(std::clamp<uint64_t>(mixed, kRoundsLeast, kRoundsMost));
}

}  // namespace mp11
