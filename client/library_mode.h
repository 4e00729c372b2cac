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
 * The host of SessionMonitor in an application (session_monitor.h says what a host does). There are
 * no threads here but the application's own, each of which runs its call from beginning to end.
 *
 * One mutex guards SessionMonitor and everything here; it is never held while something is waited
 * for: a turn, a reply, room in a channel, the start of a process, a lock file. Of the threads that
 * wait for replies of one backend, one receives, for all of them; when it has its own reply,
 * another goes on.
 *
 * Trust: what SessionMonitor and Channel say of the backend; and a backend that misses a deadline,
 * or answers what was not asked, is ended.
 */
#pragma once
#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include "client_config.h"
#include "launch.h"
#include "session_monitor.h"

namespace mp11::client {

class LibraryMode final : public MonitorHost {
 public:
  explicit LibraryMode(const ClientConfig& config);
  /* No thread may be inside any more. Backends that still run are ended. */
  ~LibraryMode() override;

  /*
   * Runs one call, from any thread. May throw std::bad_alloc: the backends are ended then, so that
   * nothing is left half done.
   */
  CK_RV call(const FunctionRow& row, const Words& words);
  /* After C_Finalize: calls that are still inside come back soon. */
  void end();

 private:
  struct Slot;
  struct Connection;
  struct Link;
  using Lock = std::unique_lock<std::mutex>;
  using ConnectionPtr = std::shared_ptr<Connection>;

  /* MonitorHost, called by SessionMonitor under the mutex. */
  void unlock(uint32_t backend) override;
  void end_backend(uint32_t backend) override;
  void filtered(const Filtered&) override {}        /* its portfolio has no filters */
  void layer_changed(const LayerState&) override {} /* nor several layers */
  void ask_to_make(const char*) override {}         /* nor tokens on demand */
  void tell_made(const char*, uint32_t) override {}
  void acting(const Acting&) override {}         /* nor other identities */
  void ask_to_turn(const LayerName&) override {} /* nor PINs of its own */
  void tell_turned(const LayerName&, TurnOutcome, uint32_t, uint64_t) override {}
  void changed() override { changed_.notify_all(); }

  std::unique_ptr<Slot> take_slot();
  void give_back(std::unique_ptr<Slot> slot);
  void run(Slot* slot);
  void start(Link* link, Lock* lock);
  void take_lock(Slot* slot, Link* link, LockMode mode, Lock* lock);
  bool exchange(Slot* slot, const SessionMonitor::Step& step, Lock* lock);
  bool take_turn(Slot* slot, const ConnectionPtr& connection, Lock* lock);
  bool reply_soon(Slot* slot, const ConnectionPtr& connection, Lock* lock);
  bool await_reply(Slot* slot, Link* link, const ConnectionPtr& connection, uint64_t deadline_ns,
                   Lock* lock);
  void receive(Slot* slot, Link* link, const ConnectionPtr& connection, uint64_t deadline_ns,
               Lock* lock);
  bool deliver(Connection* connection, Slot* own);
  void fail(Link* link, const ConnectionPtr& connection, const char* why);
  void cut(Connection* connection);
  void put_off_start(Link* link, bool proven);
  void abandon();

  std::mutex mutex_; /* of everything below */
  std::condition_variable changed_;
  std::vector<Link> links_; /* by SessionMonitor's number of the backend */
  SessionMonitor monitor_;
  std::vector<std::unique_ptr<Slot>> free_slots_;
  bool finalizing_ = false; /* backends end as they should */
};

}  // namespace mp11::client
