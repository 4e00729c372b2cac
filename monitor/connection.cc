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
#include "connection.h"

#include <poll.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "call_turn.h"
#include "log.h"

namespace mp11 {
namespace {

constexpr uint64_t kMs = 1000000;
/* Between two looks at a lock file that another process holds. */
constexpr uint64_t kLockRetryNs = 2 * kMs;
/* A backend that fails to start, or dies at once, is tried again after 50 ms, doubling to 5 s. */
constexpr uint64_t kBackOffNs = 50 * kMs;
constexpr uint32_t kBackOffDoublings = 7;

/* An instance that lived so long was a good start, whatever it died of. */
constexpr uint64_t kProvenNs = 1000 * kMs;

/* How long an ended instance may take to die before the next one is asked for all the same. */
constexpr uint64_t kDyingNs = 2000 * kMs;

/* A ticket's end is told by the clock on the wall, which may be set. */
constexpr uint64_t kLongestSleepS = 3600;
/* What calls that are in flight when the client goes have to end. */
constexpr uint64_t kFarewellNs = 2000 * kMs;

constexpr unsigned kRoundsBetweenLooks = 256;
constexpr uint64_t kLookEveryNs = 10 * kMs;

uint64_t realtime_s() {
  timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return static_cast<uint64_t>(t.tv_sec);
}

}  // namespace

Connection::Connection(UniqueFd control, const MonitorStart& start, UniqueFd front, UniqueFd vault)
    : control_(std::move(control)),
      vault_(std::move(vault)),
      front_socket_(std::move(front)),
      number_(start.connection),
      peer_(start.peer) {}

Connection::~Connection() = default;

void Connection::run() {
  receive_portfolio();
  auto channel = Channel::create(std::move(front_socket_));
  if (!channel)
    fatal("connection %llu: channel to the client: %s", static_cast<unsigned long long>(number_),
          channel.error().text.c_str());
  front_ = std::move(*channel);
  unsigned rounds = 0;
  while (!(stopping_ && idle())) {
    if (expires_s_ != 0 && realtime_s() >= expires_s_) {
      log_info("connection %llu: the client's ticket has ended",
               static_cast<unsigned long long>(number_));
      leave();
    }
    if (!pump())
      sleep();
    else if (++rounds % kRoundsBetweenLooks == 0)
      look_around(); /* a busy client must not keep timers and [priv] waiting */
  }
}

/* ---- one round ---- */

bool Connection::pump() {
  bool progress = pump_front();
  for (Backend& backend : backends_) progress |= pump_backend(&backend);
  if (std::exchange(unanswered_, false)) {
    monitor_->make_answered(nullptr);
    monitor_->pin_changed(nullptr);
  }
  if (changed_) {
    advance_waiting();
    progress = true;
  }
  progress |= pump_answers();
  return progress;
}

/* Calls are taken while there is a free slot, which is a client's credit, and until [priv] says
 * stop. */
bool Connection::takes_calls() { return !stopping_ && free_slot() != nullptr; }

bool Connection::pump_front() {
  bool progress = false;
  for (; takes_calls(); progress = true) {
    Slot* slot = free_slot();
    switch (front_->try_receive(&slot->call.request)) {
      case ChannelStatus::kOk:
        slot->state = Slot::State::kWaiting;
        if (slot->call.request.rec.function == kC_Login)
          slot->due_ns = Waiter::now_ns() + failed_login_ns_;
        advance(slot);
        break;
      case ChannelStatus::kAgain:
        return progress;
      case ChannelStatus::kClosed:
        leave();
      default:
        fatal("connection %llu from %s: the front broke the channel's format",
              static_cast<unsigned long long>(number_), peer_.c_str());
    }
  }
  return progress;
}

bool Connection::pump_answers() {
  bool progress = false;
  while (!answers_.empty()) {
    Slot* slot = answers_.front();
    switch (front_->try_send(slot->call.reply, &answer_sent_)) {
      case ChannelStatus::kOk:
        break;
      case ChannelStatus::kAgain:
        return progress;
      default:
        leave(); /* the client is gone */
    }
    answers_.pop_front();
    answer_sent_ = 0;
    slot->call.reset();
    slot->state = Slot::State::kFree;
    progress = true;
  }
  return progress;
}

/*
 * The oldest call in the queue that the library can run beside those it has, now first there;
 * nullptr for none. (One that is half sent comes first in any case.)
 */
Connection::Slot* Connection::next_to_send(Backend* backend) {
  std::deque<Slot*>& queue = backend->queue;
  if (queue.empty()) return nullptr;
  if (backend->sent != 0 || backend->in_flight == 0) return queue.front();
  if (backend->in_flight >= limits::kCallsPerBackend) return nullptr;
  for (auto it = queue.begin(); it != queue.end(); ++it) {
    Slot* slot = *it;
    const CallTurn turn(slot->message->rec);
    auto before = [&](const Slot& other) { return turn.waits_for(CallTurn(other.message->rec)); };
    auto runs_before = [&](const Slot& other) {
      return other.state == Slot::State::kSent && &backends_[other.backend] == backend &&
             before(other);
    };
    if (std::any_of(slots_.begin(), slots_.end(), runs_before)) continue;
    if (std::any_of(queue.begin(), it, [&](const Slot* other) { return before(*other); })) continue;
    queue.erase(it);
    queue.push_front(slot);
    return slot;
  }
  return nullptr;
}

bool Connection::pump_backend(Backend* backend) {
  bool progress = false;
  while (backend->channel != nullptr) {
    Slot* slot = next_to_send(backend);
    if (slot == nullptr) break;
    ChannelStatus status = backend->channel->try_send(*slot->message, &backend->sent);
    backend->full = status == ChannelStatus::kAgain;
    if (status == ChannelStatus::kAgain) {
      /* It does not take what it is sent: that has a deadline as well. */
      if (slot->deadline_ns == 0) slot->deadline_ns = deadline_of(backend, slot->deadline_class);
      break;
    }
    if (status != ChannelStatus::kOk) {
      lost(backend, "hung up");
      return true;
    }
    backend->queue.pop_front();
    backend->sent = 0;
    backend->in_flight++;
    slot->state = Slot::State::kSent;
    slot->sent_ns = Waiter::now_ns();
    slot->deadline_ns = deadline_of(backend, slot->deadline_class);
    progress = true;
  }
  while (backend->channel != nullptr) {
    ChannelStatus status = backend->channel->try_receive(&backend->incoming);
    if (status == ChannelStatus::kAgain) break;
    if (status != ChannelStatus::kOk) {
      lost(backend, status == ChannelStatus::kClosed ? "hung up" : "broke the channel's format");
      return true;
    }
    auto it = std::find_if(slots_.begin(), slots_.end(), [&](const Slot& s) {
      return s.state == Slot::State::kSent && s.id == backend->incoming.rec.id &&
             &backends_[s.backend] == backend;
    });
    if (it == slots_.end()) {
      lost(backend, "answered a call that nobody made");
      return true;
    }
    backend->pace.took(it->message->rec.function, Waiter::now_ns() - it->sent_ns);
    std::swap(it->call.reply, backend->incoming);
    backend->in_flight--;
    it->state = Slot::State::kWaiting;
    const bool finalized = it->message->rec.function == kC_Finalize;
    monitor_->replied(&it->call);
    /* It was ended for what it said: it lied, or could not be initialised. */
    if (backend->channel == nullptr && !finalized) backend->failures++;
    advance(&*it);
    progress = true;
  }
  return progress;
}

/* Does what the monitor says until the call waits for somebody else. */
void Connection::advance(Slot* slot) {
  slot->state = Slot::State::kWaiting;
  for (;;) {
    SessionMonitor::Step step = monitor_->next(&slot->call);
    if (step.action == SessionMonitor::Action::kAnswer) {
      if (step.late) return hold(slot);
      slot->state = Slot::State::kAnswering;
      answers_.push_back(slot);
      return;
    }
    Backend* backend = backend_of(step.backend);
    slot->backend = static_cast<uint32_t>(backend - backends_.data());
    switch (step.action) {
      case SessionMonitor::Action::kSend:
        slot->message = step.message;
        slot->deadline_class = step.deadline;
        slot->id = step.message->rec.id = next_id_++;
        slot->state = Slot::State::kQueued;
        slot->deadline_ns = 0;
        backend->queue.push_back(slot);
        return;
      case SessionMonitor::Action::kSpawn:
        request_spawn(backend);
        return;
      case SessionMonitor::Action::kLock: {
        slot->lock = step.lock;
        slot->state = Slot::State::kLocking;
        slot->deadline_ns = deadline_of(backend, step.deadline);
        try_lock(slot, Waiter::now_ns());
        if (slot->state == Slot::State::kLocking) return;
        break;
      }
      default:
        return;
    }
  }
}

/* The answer waits for its time; a call that took longer has the next multiple of that. */
void Connection::hold(Slot* slot) {
  const uint64_t now = Waiter::now_ns();
  while (slot->due_ns < now) slot->due_ns += failed_login_ns_;
  slot->state = Slot::State::kHeld;
}

/* CLOCK_MONOTONIC; 0: none. */
uint64_t Connection::deadline_of(const Backend* backend, Deadline deadline) const {
  uint32_t ms = monitor_->deadline_ms(backend->plan.backend, deadline);
  return ms != 0 ? Waiter::now_ns() + ms * kMs : 0;
}

/* Somebody's step may be what others were waiting for; each of them asks again, once a round. */
void Connection::advance_waiting() {
  changed_ = false;
  for (Slot& slot : slots_)
    if (slot.state == Slot::State::kWaiting) advance(&slot);
}

/* ---- locks ---- */

/* Never waits: a lock file held elsewhere is tried again from the loop, until the deadline. */
void Connection::try_lock(Slot* slot, uint64_t now) {
  Backend& backend = backends_[slot->backend];
  int operation = slot->lock == LockMode::kExclusive ? LOCK_EX : LOCK_SH;
  bool had = backend.lock_file && ::flock(backend.lock_file.get(), operation | LOCK_NB) == 0;
  if (!had && backend.lock_file && (slot->deadline_ns == 0 || now < slot->deadline_ns)) return;
  if (!had) log_error("backend %s: its lock was not to be had in time", backend.plan.name);
  slot->state = Slot::State::kWaiting;
  monitor_->locked(&slot->call, had);
}

void Connection::unlock(uint32_t number) {
  Backend* backend = backend_of(number);
  if (backend->lock_file) (void)::flock(backend->lock_file.get(), LOCK_UN);
}

/* ---- starting and ending backends ---- */

/* At once, or later: after failures, and while the instance before is not dead yet. */
void Connection::request_spawn(Backend* backend) {
  uint64_t due = Waiter::now_ns();
  if (backend->failures != 0)
    due += kBackOffNs << std::min(backend->failures - 1, kBackOffDoublings);
  backend->due_ns = due;
  backend->start_ns = backend->dying ? std::max(due, Waiter::now_ns() + kDyingNs) : due;
  if (backend->failures == 0 && !backend->dying) spawn(backend);
}

void Connection::spawn(Backend* backend) {
  bury(backend);
  backend->start_ns = 0;
  backend->starting = true;
  Spawn request = make_record<Spawn>(RecordType::kSpawn);
  request.backend = backend->plan.backend;
  request.instance = ++backend->instance;
  if (send_record(control_.get(), request) != RecordStatus::kOk) fatal("[priv] does not listen");
}

void Connection::spawned(const Spawned& record, std::vector<UniqueFd>* fds) {
  Backend* backend = backend_of(record.backend);
  if (backend == nullptr || record.instance != backend->instance) return;
  if (!backend->starting) {
    if (record.error != kSpawnOk) bury(backend); /* ended before it was started, and it was not */
    return;
  }
  backend->starting = false;
  uint32_t error = record.error;
  if (error == kSpawnOk) {
    if (fds->empty()) fatal("[priv] sent no channel");
    auto channel = Channel::create(std::move((*fds)[0]));
    if (channel) {
      backend->channel = std::move(*channel);
      backend->started_ns = Waiter::now_ns();
      backend->lock_file = fds->size() > 1 ? std::move((*fds)[1]) : UniqueFd();
    } else {
      log_error("backend %s: %s", backend->plan.name, channel.error().text.c_str());
      backend->starting = true; /* still is, as far as [priv] knows */
      end_backend(record.backend);
      error = kSpawnFailed;
    }
  }
  if (error != kSpawnOk && error != kSpawnBusy) backend->failures++;
  monitor_->spawned(record.backend, error);
  for (Slot& slot : slots_)
    if (slot.state == Slot::State::kWaiting) changed_ = true;
}

void Connection::end_backend(uint32_t number) {
  Backend* backend = backend_of(number);
  Spawn request = make_record<Spawn>(RecordType::kEndBackend);
  request.backend = number;
  request.instance = backend->instance;
  if (send_record(control_.get(), request) != RecordStatus::kOk) fatal("[priv] does not listen");
  if (backend->channel != nullptr || backend->starting) {
    /* Until it is dead nobody else may have the device, nor the lock that it may have had. */
    backend->dying = true;
    backend->dying_lock = std::move(backend->lock_file);
  }
  forget(backend);
}

/* [priv] says that it is dead, or has had its time to. */
void Connection::bury(Backend* backend) {
  backend->dying = false;
  backend->dying_lock.reset();
  if (backend->start_ns != 0) backend->start_ns = backend->due_ns;
}

/* Its channel is closed; calls that were queued or in flight are answered by the monitor. */
void Connection::forget(Backend* backend) {
  if (backend->channel != nullptr && Waiter::now_ns() - backend->started_ns >= kProvenNs)
    backend->failures = 0;
  backend->channel.reset();
  backend->lock_file.reset();
  backend->queue.clear();
  backend->sent = 0;
  backend->full = false;
  backend->in_flight = 0;
  backend->starting = false;
  backend->start_ns = 0;
  for (Slot& slot : slots_) {
    bool there = &backends_[slot.backend] == backend;
    bool pending = slot.state == Slot::State::kQueued || slot.state == Slot::State::kSent ||
                   slot.state == Slot::State::kLocking;
    if (there && pending) slot.state = Slot::State::kWaiting;
  }
  changed_ = true;
}

void Connection::lost(Backend* backend, const char* why) {
  log_error("connection %llu: backend %s %s", static_cast<unsigned long long>(number_),
            backend->plan.name, why);
  end_backend(backend->plan.backend);
  backend->failures++;
  monitor_->backend_gone(backend->plan.backend);
}

/* ---- records from [priv] and vault ---- */

void Connection::pump_control() {
  for (;;) {
    RecordBuffer record;
    switch (record.receive(control_.get(), true)) {
      case RecordStatus::kOk:
        break;
      case RecordStatus::kAgain:
        return;
      default:
        _exit(0); /* [priv] is gone, or wants this connection to go */
    }
    if (record.as<RecordHead>(RecordType::kStop) != nullptr) {
      stopping_ = true;
    } else if (record.as<RecordHead>(RecordType::kNewVault) != nullptr) {
      if (record.fds().size() != 1) fatal("[priv] sent no new vault");
      vault_ = std::move(record.fds()[0]);
      new_vault_ = true;
      vault_lost();
    } else if (const auto* answer = record.as<Spawned>(RecordType::kSpawned)) {
      if (monitor_) spawned(*answer, &record.fds());
    } else if (const auto* gone = record.as<Spawned>(RecordType::kBackendGone)) {
      Backend* backend = backend_of(gone->backend);
      if (backend == nullptr || backend->instance != gone->instance) continue;
      bury(backend);
      if (backend->channel == nullptr && !backend->starting) continue;
      log_error("connection %llu: backend %s ended (reason %u, detail %u)",
                static_cast<unsigned long long>(number_), backend->plan.name, gone->error,
                gone->detail);
      forget(backend);
      backend->failures++;
      monitor_->backend_gone(gone->backend);
    } else {
      fatal("unexpected record from [priv]");
    }
  }
}

/* ---- waiting ---- */

void Connection::pump_timers(uint64_t now) {
  for (Backend& backend : backends_)
    if (backend.start_ns != 0 && now >= backend.start_ns) spawn(&backend);
  for (Slot& slot : slots_) {
    if (slot.state == Slot::State::kLocking) {
      try_lock(&slot, now);
      if (slot.state == Slot::State::kWaiting) advance(&slot);
    } else if (slot.state == Slot::State::kHeld && now >= slot.due_ns) {
      slot.state = Slot::State::kAnswering;
      answers_.push_back(&slot);
      monitor_->released(&slot.call);
    } else if (slot.has_deadline() && now >= slot.deadline_ns) {
      lost(&backends_[slot.backend], "missed its deadline and is ended");
    }
  }
}

bool Connection::readable() {
  if (takes_calls() && front_->readable()) return true;
  return std::any_of(backends_.begin(), backends_.end(), [](const Backend& b) {
    return b.channel != nullptr && b.channel->readable();
  });
}

void Connection::sleep() {
  const uint64_t started = Waiter::now_ns();
  const uint64_t expected = expected_ns();
  const uint64_t nap = Waiter::nap_ns(expected, started);
  if (nap == 0 && waiter_.spin([this] { return readable(); }, expected)) {
    if (started - looked_ns_ > kLookEveryNs) look_around();
    return;
  }
  /* No bell for calls that would not be taken: its record would keep us from sleeping. */
  bool armed = !takes_calls() || front_->arm();
  for (Backend& backend : backends_)
    if (backend.channel != nullptr) armed &= backend.channel->arm();
  poll_fds_.clear();
  poll_fds_.push_back({front_->fd(), POLLIN, 0});
  poll_fds_.push_back({control_.get(), POLLIN, 0});
  poll_fds_.push_back({vault_.get(), POLLIN, 0}); /* -1 is ignored */
  for (Backend& backend : backends_)
    if (backend.channel != nullptr) poll_fds_.push_back({backend.channel->fd(), POLLIN, 0});
  uint64_t longest = armed ? sleep_ns() : 0;
  if (nap != 0) longest = std::min(longest, nap);
  wait_for_events(poll_fds_, longest);
  if (front_->disarm() == ChannelStatus::kClosed && !(takes_calls() && front_->readable()))
    leave(); /* the client is gone, and nobody would get its answers */
  for (Backend& backend : backends_)
    if (backend.channel != nullptr && backend.channel->disarm() == ChannelStatus::kClosed &&
        !backend.channel->readable())
      lost(&backend, "hung up");
  look_around();
}

/* What does not ring through a channel: [priv], the vault, and time. */
void Connection::look_around() {
  looked_ns_ = Waiter::now_ns();
  pump_control();
  if (!untold_.empty()) tell_layers();
  if (vault_) pump_vault();
  pump_timers(looked_ns_);
}

/* When the next reply of a backend usually comes; 0: nobody knows. */
uint64_t Connection::expected_ns() const {
  uint64_t next = UINT64_MAX;
  for (const Slot& slot : slots_) {
    if (slot.state != Slot::State::kSent) continue;
    const uint64_t usual = backends_[slot.backend].pace.expected_ns(slot.message->rec.function);
    next = std::min(next, usual == 0 ? 0 : slot.sent_ns + usual);
  }
  return next == UINT64_MAX ? 0 : next;
}

/* Until the next timer; UINT64_MAX for ever. Room for answers comes without a bell: look again. */
uint64_t Connection::sleep_ns() const {
  if (!answers_.empty()) return kMs;
  uint64_t now = Waiter::now_ns(), next = UINT64_MAX;
  for (const Backend& backend : backends_) {
    if (backend.start_ns != 0) next = std::min(next, backend.start_ns);
    if (backend.full) next = std::min(next, now + kMs);
  }
  for (const Slot& slot : slots_) {
    if (slot.state == Slot::State::kLocking) next = std::min(next, now + kLockRetryNs);
    if (slot.state == Slot::State::kHeld) next = std::min(next, slot.due_ns);
    if (slot.has_deadline()) next = std::min(next, slot.deadline_ns);
  }
  if (expires_s_ != 0) {
    uint64_t left = expires_s_ - std::min(expires_s_, realtime_s());
    next = std::min(next, now + std::min(left, kLongestSleepS) * 1000 * kMs + kMs);
  }
  if (!untold_.empty()) next = std::min(next, now + kMs);
  if (next == UINT64_MAX) return UINT64_MAX;
  return next - std::min(next, now);
}

/* ---- the end ---- */

/*
 * The client's calls are over, and with this process its backends end. But a library that is killed
 * while it writes leaves half a file: SoftHSM truncates that of a token in C_Login to write it
 * anew, and the token is that of other clients too. So what is in flight has a while to end; not
 * what takes long by its nature, which writes last, and then something new.
 */
void Connection::leave() {
  const uint64_t until = Waiter::now_ns() + kFarewellNs;
  auto may_be_writing = [](const Slot& slot) {
    if (slot.state != Slot::State::kSent) return false;
    const FunctionRow& row = kFunctionTable[slot.message->rec.function];
    return row.lock == LockMode::kExclusive || row.deadline != Deadline::kLong;
  };
  while (std::any_of(slots_.begin(), slots_.end(), may_be_writing) && Waiter::now_ns() < until) {
    for (Backend& backend : backends_) discard_replies(&backend);
    pump_control(); /* which ends this process when [priv] wants it to */
    (void)::poll(nullptr, 0, 1);
  }
  _exit(0);
}

void Connection::discard_replies(Backend* backend) {
  while (backend->channel != nullptr) {
    const ChannelStatus status = backend->channel->try_receive(&backend->incoming);
    if (status == ChannelStatus::kAgain) return;
    const bool lives = status == ChannelStatus::kOk;
    for (Slot& slot : slots_)
      if (slot.state == Slot::State::kSent && &backends_[slot.backend] == backend &&
          (!lives || slot.id == backend->incoming.rec.id))
        slot.state = Slot::State::kFree;
    if (!lives) backend->channel.reset();
  }
}

bool Connection::idle() const {
  return std::all_of(slots_.begin(), slots_.end(),
                     [](const Slot& s) { return s.state == Slot::State::kFree; });
}

Connection::Slot* Connection::free_slot() {
  for (Slot& slot : slots_)
    if (slot.state == Slot::State::kFree) return &slot;
  return nullptr;
}

Connection::Backend* Connection::backend_of(uint32_t number) {
  for (Backend& backend : backends_)
    if (backend.plan.backend == number) return &backend;
  return nullptr;
}

}  // namespace mp11
