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
 * The threads of a backend process: they take calls from the channel, call the library and send the
 * replies.
 *
 * Calls of one session run one at a time and in the order in which they came, on whatever worker is
 * free; calls without a session run in parallel; C_Initialize and C_Finalize run alone. No lock is
 * held while the library runs.
 *
 * One worker receives at a time. Who took a call runs it itself, so that a client with one thread
 * never pays for waking a second one. While it does, nobody receives: either another worker takes
 * over at once, because calls are coming in side by side, or the channel is armed and the main
 * thread, woken by the doorbell of the next call, sends a worker.
 *
 * Trust: the monitor's calls are well-formed records with handles and lengths of an untrusted
 * client; unpack_call judges their form, the library their meaning. Broken form ends the process.
 */
#pragma once
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "call_turn.h"
#include "channel.h"
#include "library.h"
#include "marshal.h"

namespace mp11 {

class WorkerPool {
 public:
  /* initialized: what C_Initialize said at the start (prestart); the first call of it gets that. */
  WorkerPool(Channel* channel, const Library* library, unsigned most,
             std::optional<CK_RV> initialized);

  /*
   * For the main thread: starts the first worker, then waits for the end: the monitor hangs up, or
   * owner_fd (a pidfd, or -1) becomes readable, or C_Finalize has returned CKR_OK and its reply is
   * sent. The process ends here, by _exit: no destructor of the library's may run under its
   * workers' feet.
   */
  [[noreturn]] void run(int owner_fd);

 private:
  /* A call from arrival to reply; kept and reused, so that no call allocates. */
  struct Job {
    Message call;
    Message reply;
    CallArena arena;
    const FunctionRow* row = nullptr;
    /* For the order; the rest belongs to the worker that runs it. */
    std::optional<CallTurn> turn; /* always, once it is received */
    bool running = false;
  };
  using Lock = std::unique_lock<std::mutex>;

  void start_worker();
  void work();
  Job* next_runnable();
  void receive(Lock* lock);
  void listen_while_running();
  void promote();
  void doorbell();
  void disarm();
  void execute(Job* job);
  CK_RV call_library(Job* job);
  void done(Job* job);

  Channel* channel_;
  const Library* library_;
  const unsigned most_;
  std::optional<CK_RV> initialized_;

  std::mutex mutex_; /* of everything below */
  std::condition_variable idle_;
  std::vector<Job*> jobs_; /* waiting and running, in the order of arrival */
  std::vector<std::unique_ptr<Job>> all_;
  std::vector<Job*> free_;
  unsigned threads_ = 0;
  unsigned idle_threads_ = 0;
  unsigned running_ = 0;
  bool receiving_ = false;
  bool armed_ = false; /* nobody receives, and the next call rings */

  std::mutex send_mutex_;
};

}  // namespace mp11
