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
#include "library_mode.h"

#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>

#include "call_turn.h"
#include "client_log.h"
#include "os_process.h"
#include "process_state.h"
#include "record_io.h"
#include "token_lock.h"

namespace mp11::client {
namespace {

/* Calls whose memory is kept for the next ones. */
constexpr size_t kKeptSlots = 16;
/* After a start that came to nothing: twice as long each time. */
constexpr uint64_t kFirstBackOffNs = 100'000'000;
constexpr unsigned kMostDoublings = 7; /* 12.8 s */

std::chrono::steady_clock::time_point clock_time(uint64_t ns) {
  return std::chrono::steady_clock::time_point(std::chrono::nanoseconds(ns));
}

uint64_t deadline_after_ms(uint32_t ms) {
  return ms == 0 ? 0 : Waiter::now_ns() + uint64_t{ms} * 1000000u;
}

bool passed(uint64_t deadline_ns) { return deadline_ns != 0 && Waiter::now_ns() >= deadline_ns; }

/* A server runs each backend for this application alone, so that none has more workers. */
unsigned calls_at_once(const BackendConfig& config) {
  return config.kind == BackendKind::kLibrary ? config.workers : limits::kCallsPerBackend;
}

/* The one backend, shown as it is: every slot of it, and nothing between it and the user. */
Portfolio portfolio_of(const ClientConfig& config) {
  Portfolio portfolio;
  if (!config.backend) return portfolio;
  PortfolioBackend backend = make_record<PortfolioBackend>(RecordType::kPortfolioBackend);
  backend.deadline_short_ms = config.backend->deadline_s * 1000;
  backend.deadline_start_ms = config.backend->deadline_start_s * 1000;
  backend.deadline_long_ms = config.backend->deadline_long_s * 1000;
  if (config.backend->token_lock) backend.flags = kBackendTokenLock;
  strncpy(backend.name, config.backend->name.c_str(), sizeof backend.name - 1);
  portfolio.backends.push_back(backend);
  PortfolioToken token = make_record<PortfolioToken>(RecordType::kPortfolioToken);
  token.slot = 1;
  token.flags = kTokenTransparent | kTokenAdmin;
  token.layers = 1;
  portfolio.tokens.push_back(token);
  PortfolioLayer layer = make_record<PortfolioLayer>(RecordType::kPortfolioLayer);
  layer.pin = kPinClient;
  portfolio.layers.push_back(layer);
  return portfolio;
}

}  // namespace

/* A call, and the thread that waits for its reply. */
struct LibraryMode::Slot {
  SessionMonitor::Call call;
  const Message* message = nullptr; /* of the call: what is sent */
  std::condition_variable woken;
  uint64_t id = 0;
  uint64_t sent_ns = 0;     /* CLOCK_MONOTONIC */
  uint64_t expected_ns = 0; /* when its reply usually comes; 0: not known */
  bool may_send = false;
  /* This and the two flags of Connection change under the mutex, and are looked at without it. */
  std::atomic<bool> replied = false;
  Waiter waiter;
  Link* asked = nullptr; /* where the last reply came from */
};

/* A running backend. Lives as long as a thread of ours is in its channel. */
struct LibraryMode::Connection {
  Connection(Launched launched, unsigned most_calls)
      : most(most_calls),
        channel(std::move(launched.channel)),
        pidfd(std::move(launched.pidfd)),
        said(std::move(launched.said)) {
    waiting.reserve(limits::kCallsPerBackend);
    note_socket(channel->fd());
  }
  ~Connection() { forget_socket(channel->fd()); }

  const unsigned most; /* calls at once */
  std::unique_ptr<Channel> channel;
  UniqueFd pidfd;
  UniqueFd said;
  std::mutex sending; /* one sends at a time, apart from the mutex of LibraryMode */
  std::atomic<bool> receiving = false;
  std::atomic<bool> dead = false;
  bool proven = false; /* more than C_Initialize was answered: its start came to something */
  uint64_t last_id = 0;
  Pace pace;
  Message incoming;           /* of the thread that receives */
  std::vector<Slot*> waiting; /* calls in flight, or about to be sent */
  std::deque<Slot*> queue;    /* calls that wait for these, in order */

  /* Whether the library can run it beside those before it. */
  bool has_turn(const Slot& slot) const {
    if (waiting.empty() && queue.empty()) return true;
    if (waiting.size() >= most) return false;
    const CallTurn turn(slot.message->rec);
    auto before = [&](const Slot* other) { return turn.waits_for(CallTurn(other->message->rec)); };
    return std::none_of(waiting.begin(), waiting.end(), before) &&
           std::none_of(queue.begin(), std::find(queue.begin(), queue.end(), &slot), before);
  }
  /* Whose turn has come is in flight from here on. */
  void advance_queue() {
    for (auto it = queue.begin(); it != queue.end() && waiting.size() < most;) {
      Slot* slot = *it;
      if (!has_turn(*slot)) {
        ++it;
        continue;
      }
      it = queue.erase(it);
      waiting.push_back(slot);
      slot->may_send = true;
      slot->woken.notify_one();
    }
  }
};

struct LibraryMode::Link {
  uint32_t number = 0;
  BackendConfig config;
  ConnectionPtr connection; /* none: not running */
  unsigned failed_starts = 0;
  uint64_t not_before_ns = 0; /* CLOCK_MONOTONIC */
  UniqueFd lock_file;         /* open: we have the token lock */
  uint64_t unlocks = 0;
};

LibraryMode::LibraryMode(const ClientConfig& config) : monitor_(portfolio_of(config), this) {
  if (!config.backend) return;
  links_.emplace_back();
  links_[0].config = *config.backend;
}

LibraryMode::~LibraryMode() { end(); }

void LibraryMode::end() {
  Lock lock(mutex_);
  for (Link& link : links_)
    if (ConnectionPtr connection = link.connection) fail(&link, connection, nullptr);
}

/* ---- calls ---- */

std::unique_ptr<LibraryMode::Slot> LibraryMode::take_slot() {
  {
    Lock lock(mutex_);
    if (!free_slots_.empty()) {
      std::unique_ptr<Slot> slot = std::move(free_slots_.back());
      free_slots_.pop_back();
      return slot;
    }
  }
  return std::make_unique<Slot>();
}

void LibraryMode::give_back(std::unique_ptr<Slot> slot) {
  slot->call.reset();
  slot->asked = nullptr;
  Lock lock(mutex_);
  if (free_slots_.size() < kKeptSlots) free_slots_.push_back(std::move(slot));
}

CK_RV LibraryMode::call(const FunctionRow& row, const Words& words) {
  std::unique_ptr<Slot> slot = take_slot();
  CK_RV rv = pack_call(row, words, &slot->call.request, Lend::kYes);
  if (rv == CKR_OK) {
    run(slot.get());
    const Message& reply = slot->call.reply;
    if (!narrow_ulong(reply.rec.rv, &rv) || !unpack_reply(row, reply, words)) {
      rv = CKR_DEVICE_REMOVED;
      Lock lock(mutex_);
      if (slot->asked != nullptr && slot->asked->connection)
        fail(slot->asked, ConnectionPtr(slot->asked->connection), "sent a reply of broken form");
    }
  }
  give_back(std::move(slot));
  return rv;
}

void LibraryMode::run(Slot* slot) {
  Lock lock(mutex_);
  if (slot->call.request.rec.function == kC_Finalize) finalizing_ = true;
  try {
    for (;;) {
      SessionMonitor::Step step = monitor_.next(&slot->call);
      switch (step.action) {
        case SessionMonitor::Action::kAnswer:
          return;
        case SessionMonitor::Action::kWait:
          changed_.wait(lock);
          break;
        case SessionMonitor::Action::kSpawn:
          start(&links_[step.backend], &lock);
          break;
        case SessionMonitor::Action::kLock:
          take_lock(slot, &links_[step.backend], step.lock, &lock);
          break;
        case SessionMonitor::Action::kSend:
          if (exchange(slot, step, &lock)) monitor_.replied(&slot->call);
          break;
      }
    }
  } catch (...) {
    if (!lock.owns_lock()) lock.lock();
    abandon();
    throw;
  }
}

/* Memory ran out in the middle of a call: whatever SessionMonitor believed of it is void now. */
void LibraryMode::abandon() {
  for (Link& link : links_) {
    if (ConnectionPtr connection = link.connection) fail(&link, connection, "out of memory");
    monitor_.spawned(link.number, kSpawnFailed);
    monitor_.backend_gone(link.number);
  }
}

void LibraryMode::start(Link* link, Lock* lock) {
  if (Waiter::now_ns() < link->not_before_ns) {
    monitor_.spawned(link->number, kSpawnFailed);
    return;
  }
  lock->unlock();
  Result<Launched> launched = launch(link->config);
  ConnectionPtr connection;
  if (launched)
    connection = std::make_shared<Connection>(std::move(*launched), calls_at_once(link->config));
  else
    report_error("%s: %s", link->config.name.c_str(), launched.error().text.c_str());
  lock->lock();
  if (connection) {
    link->connection = std::move(connection);
    monitor_.spawned(link->number, kSpawnOk);
    return;
  }
  put_off_start(link, false);
  monitor_.spawned(link->number, kSpawnFailed);
}

void LibraryMode::take_lock(Slot* slot, Link* link, LockMode mode, Lock* lock) {
  const uint64_t unlocks = link->unlocks;
  const uint64_t deadline_ns =
      deadline_after_ms(monitor_.deadline_ms(link->number, Deadline::kStart));
  lock->unlock();
  Result<std::string> path = link->config.lock_file;
  if (path->empty()) path = default_lock_file(link->config.name);
  Result<UniqueFd> file =
      path ? take_token_lock(*path, mode == LockMode::kExclusive, deadline_ns) : path.error();
  if (!file)
    report_error("%s: token-lock: %s", link->config.name.c_str(), file.error().text.c_str());
  lock->lock();
  /* Given back meanwhile, as the backend died: the lock is for whoever asks next. */
  if (file && link->unlocks == unlocks) link->lock_file = std::move(*file);
  monitor_.locked(&slot->call, file.ok());
}

/* ---- the channel ---- */

/* True: the reply stands in the call. False: the backend is gone, and SessionMonitor knows. */
bool LibraryMode::exchange(Slot* slot, const SessionMonitor::Step& step, Lock* lock) {
  Link* link = &links_[step.backend];
  slot->asked = link;
  const ConnectionPtr connection = link->connection;
  if (!connection) {
    monitor_.backend_gone(link->number);
    return false;
  }
  slot->message = step.message;
  if (!take_turn(slot, connection, lock)) return false;

  slot->id = ++connection->last_id;
  slot->sent_ns = Waiter::now_ns();
  const uint64_t usual_ns = connection->pace.expected_ns(step.message->rec.function);
  slot->expected_ns = usual_ns == 0 ? 0 : slot->sent_ns + usual_ns;
  step.message->rec.id = slot->id;
  const uint64_t deadline_ns = deadline_after_ms(monitor_.deadline_ms(link->number, step.deadline));
  lock->unlock();
  ChannelStatus status;
  {
    std::lock_guard<std::mutex> sending(connection->sending);
    status = connection->channel->send(*step.message, deadline_ns);
  }
  lock->lock();
  if (status == ChannelStatus::kTimeout) fail(link, connection, "took no call within its deadline");
  if (status == ChannelStatus::kClosed) fail(link, connection, "has ended");
  if (status == ChannelStatus::kBroken) fail(link, connection, "broke the channel's format");

  const bool replied = await_reply(slot, link, connection, deadline_ns, lock);
  std::erase(connection->waiting, slot);
  connection->advance_queue();
  /* Somebody else receives from here on. */
  if (!connection->receiving && !connection->waiting.empty())
    connection->waiting.front()->woken.notify_one();
  return replied;
}

/* Waits until the call may be sent; its deadline begins then. False: the backend is dead. */
bool LibraryMode::take_turn(Slot* slot, const ConnectionPtr& connection, Lock* lock) {
  slot->id = 0; /* not sent: no reply can be its */
  slot->expected_ns = 0;
  slot->replied = false;
  slot->may_send = false;
  if (!connection->dead && connection->queue.empty() && connection->has_turn(*slot)) {
    connection->waiting.push_back(slot);
    return true;
  }
  connection->queue.push_back(slot);
  connection->advance_queue();
  while (!connection->dead && !slot->may_send) slot->woken.wait(*lock);
  if (!connection->dead) return true;
  std::erase(connection->queue, slot);
  std::erase(connection->waiting, slot);
  return false;
}

bool LibraryMode::await_reply(Slot* slot, Link* link, const ConnectionPtr& connection,
                              uint64_t deadline_ns, Lock* lock) {
  while (!slot->replied && !connection->dead) {
    if (passed(deadline_ns))
      fail(link, connection, "missed a deadline");
    else if (!connection->receiving)
      receive(slot, link, connection, deadline_ns, lock);
    else if (reply_soon(slot, connection, lock))
      continue;
    else if (deadline_ns == 0)
      slot->woken.wait(*lock);
    else
      slot->woken.wait_until(*lock, clock_time(deadline_ns));
  }
  return slot->replied;
}

/* While another thread receives: waking up from a sleep costs more than looking for a while. */
bool LibraryMode::reply_soon(Slot* slot, const ConnectionPtr& connection, Lock* lock) {
  auto ready = [&] { return slot->replied || !connection->receiving || connection->dead; };
  lock->unlock();
  slot->waiter.spin(ready);
  lock->lock();
  return ready();
}

/* Receives one reply, whosever it is, or waits in vain until the deadline. */
void LibraryMode::receive(Slot* slot, Link* link, const ConnectionPtr& connection,
                          uint64_t deadline_ns, Lock* lock) {
  connection->receiving = true;
  uint64_t expected_ns = slot->expected_ns;
  for (const Slot* other : connection->waiting)
    if (!other->replied) expected_ns = std::min(expected_ns, other->expected_ns);
  lock->unlock();
  ChannelStatus status = ChannelStatus::kBroken;
  bool short_of_memory = false;
  try {
    status = connection->channel->receive(&connection->incoming, deadline_ns, expected_ns);
  } catch (const std::bad_alloc&) {
    short_of_memory = true;
  }
  lock->lock();
  connection->receiving = false;
  if (short_of_memory) {
    fail(link, connection, "sent more than there is memory for");
  } else if (status == ChannelStatus::kClosed) {
    fail(link, connection, "has ended");
  } else if (status == ChannelStatus::kBroken) {
    fail(link, connection, "broke the channel's format");
  } else if (status == ChannelStatus::kOk && !deliver(connection.get(), slot)) {
    fail(link, connection, "answered what was not asked");
  }
}

bool LibraryMode::deliver(Connection* connection, Slot* own) {
  connection->proven |= connection->incoming.rec.function != kC_Initialize;
  for (Slot* slot : connection->waiting) {
    if (slot->id == 0 || slot->id != connection->incoming.rec.id || slot->replied) continue;
    std::swap(slot->call.reply, connection->incoming);
    slot->replied = true;
    connection->pace.took(slot->call.reply.rec.function, Waiter::now_ns() - slot->sent_ns);
    if (slot != own) slot->woken.notify_one();
    return true;
  }
  return false;
}

/* ---- the end of a backend ---- */

/* Whoever is in its channel gets kClosed; whoever waits is woken. */
void LibraryMode::cut(Connection* connection) {
  connection->dead = true;
  if (connection->pidfd)
    if (Status killed = kill_process(connection->pidfd.get(), SIGKILL); !killed)
      report_error("%s", killed.error().text.c_str());
  ::shutdown(connection->channel->fd(), SHUT_RDWR);
  for (Slot* slot : connection->waiting) slot->woken.notify_one();
  for (Slot* slot : connection->queue) slot->woken.notify_one();
}

/* why: for the log; nullptr when it is meant to end. */
void LibraryMode::fail(Link* link, const ConnectionPtr& connection, const char* why) {
  if (connection->dead) return;
  if (why != nullptr) {
    report_error("%s: the backend %s", link->config.name.c_str(), why);
    report_said(link->config.name, connection->said.get());
  }
  cut(connection.get());
  if (link->connection != connection) return;
  link->connection.reset();
  put_off_start(link, connection->proven);
  monitor_.backend_gone(link->number);
}

void LibraryMode::end_backend(uint32_t backend) {
  Link& link = links_[backend];
  if (!link.connection) return;
  if (!finalizing_) report_said(link.config.name, link.connection->said.get());
  cut(link.connection.get());
  if (!finalizing_) put_off_start(&link, link.connection->proven);
  link.connection.reset();
}

void LibraryMode::put_off_start(Link* link, bool proven) {
  if (proven)
    link->failed_starts = 0;
  else
    link->not_before_ns =
        Waiter::now_ns() + (kFirstBackOffNs << std::min(link->failed_starts++, kMostDoublings));
}

void LibraryMode::unlock(uint32_t backend) {
  links_[backend].lock_file.reset();
  links_[backend].unlocks++;
}

}  // namespace mp11::client
