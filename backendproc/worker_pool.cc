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
#include "worker_pool.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <new>
#include <system_error>
#include <thread>

#include "log.h"

namespace mp11 {

WorkerPool::WorkerPool(Channel* channel, const Library* library, unsigned most,
                       std::optional<CK_RV> initialized)
    : channel_(channel), library_(library), most_(most), initialized_(initialized) {
  jobs_.reserve(limits::kCallsPerBackend);
  all_.reserve(limits::kCallsPerBackend);
  free_.reserve(limits::kCallsPerBackend);
}

/* The first worker must be; without a further one, calls wait for the others. */
void WorkerPool::start_worker() {
  try {
    std::thread([this] { work(); }).detach();
    threads_++;
  } catch (const std::system_error& error) {
    if (threads_ == 0) fatal("cannot start a thread: %s", error.what());
  }
}

void WorkerPool::run(int owner_fd) {
  {
    Lock lock(mutex_);
    start_worker();
  }
  pollfd fds[] = {{channel_->fd(), POLLIN, 0}, {owner_fd, POLLIN, 0}};
  for (;;) {
    if (::poll(fds, 2, -1) < 0) continue; /* a signal */
    if ((fds[1].revents & POLLIN) != 0) ::_exit(0);
    if ((fds[0].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0) ::_exit(0);
    if ((fds[0].revents & POLLIN) != 0) doorbell();
  }
}

/*
 * Takes the bell off the socket by hand: Channel::take_back_arm() is for the thread that receives,
 * which by now may be another.
 */
void WorkerPool::doorbell() {
  uint8_t bell;
  if (::recv(channel_->fd(), &bell, sizeof bell, MSG_DONTWAIT) == 0) ::_exit(0);
  Lock lock(mutex_);
  if (!armed_) return;
  armed_ = false;
  promote();
}

void WorkerPool::work() {
  Lock lock(mutex_);
  for (;;) {
    if (Job* job = next_runnable()) {
      job->running = true;
      running_++;
      listen_while_running();
      lock.unlock();
      execute(job);
      lock.lock();
      running_--;
      done(job);
    } else if (!receiving_ && jobs_.size() < limits::kCallsPerBackend) {
      receive(&lock);
    } else {
      idle_threads_++;
      idle_.wait(lock);
      idle_threads_--;
    }
  }
}

/* The oldest call that need not wait for one before it. */
WorkerPool::Job* WorkerPool::next_runnable() {
  for (size_t i = 0; i < jobs_.size(); i++) {
    Job* job = jobs_[i];
    if (job->running) continue;
    auto before = [job](const Job* other) { return job->turn->waits_for(*other->turn); };
    auto end = jobs_.begin() + static_cast<ptrdiff_t>(i);
    if (std::find_if(jobs_.begin(), end, before) == end) return job;
  }
  return nullptr;
}

void WorkerPool::receive(Lock* lock) {
  if (free_.empty()) {
    all_.push_back(std::make_unique<Job>());
    free_.push_back(all_.back().get());
  }
  Job* job = free_.back();
  free_.pop_back();
  if (armed_) {
    armed_ = false;
    channel_->take_back_arm();
  }
  receiving_ = true;
  lock->unlock();
  ChannelStatus status = channel_->receive_futex(&job->call);
  if (status == ChannelStatus::kClosed) ::_exit(0);
  if (status != ChannelStatus::kOk) fatal("the monitor broke the channel's format");
  job->row = function_row(job->call.rec.function);
  if (job->row == nullptr || (job->call.rec.flags & kFlagReply) != 0)
    fatal("the monitor sent what is no call");
  job->turn.emplace(job->call.rec);
  lock->lock();
  receiving_ = false;
  jobs_.push_back(job);
}

/* Sees to it that the next call is noticed while this thread is in the library. */
void WorkerPool::listen_while_running() {
  if (receiving_) {
    if (idle_threads_ > 0 && next_runnable() != nullptr) idle_.notify_one();
    return;
  }
  if (jobs_.size() >= limits::kCallsPerBackend) return; /* done() wakes a worker */
  if (running_ == 1 && jobs_.size() == 1 && channel_->arm()) {
    armed_ = true;
    return;
  }
  if (armed_) {
    armed_ = false;
    channel_->take_back_arm();
  }
  promote();
}

void WorkerPool::promote() {
  if (idle_threads_ > 0)
    idle_.notify_one();
  else if (threads_ < most_)
    start_worker();
}

void WorkerPool::disarm() {
  Lock lock(mutex_);
  if (!armed_) return;
  armed_ = false;
  channel_->take_back_arm();
}

void WorkerPool::execute(Job* job) {
  CK_RV rv = call_library(job);
  disarm(); /* before the reply: the next call follows on its heels, and is found without a bell */
  job->reply.rec.flags = kFlagReply;
  job->reply.rec.function = job->call.rec.function;
  job->reply.rec.id = job->call.rec.id;
  {
    std::lock_guard lock(send_mutex_);
    ChannelStatus status = channel_->send(job->reply, 0);
    if (status == ChannelStatus::kClosed) ::_exit(0);
    if (status != ChannelStatus::kOk) fatal("the monitor broke the channel's format");
  }
  if (job->row->number == kC_Finalize && rv == CKR_OK) ::_exit(0);
  job->call.clear();
  job->reply.clear();
  job->arena.clear();
}

/* Memory that is short, here, is the client's CKR_HOST_MEMORY; in the library it is its own matter.
 */
CK_RV WorkerPool::call_library(Job* job) {
  const FunctionRow& row = *job->row;
  Words words;
  CK_RV rv = CKR_FUNCTION_NOT_SUPPORTED;
  if (carried(row)) {
    bool room = true;
    try {
      if (!unpack_call(row, job->call, &job->arena, &words))
        fatal("the monitor sent a call of %s that cannot be unpacked", row.name);
    } catch (const std::bad_alloc&) {
      room = false;
    }
    if (!room) {
      rv = CKR_HOST_MEMORY;
    } else if (row.number == kC_Initialize && initialized_) {
      rv = *initialized_; /* runs alone: no lock is needed */
      initialized_.reset();
    } else {
      rv = library_->call(row, words);
    }
  }
  try {
    pack_reply(row, words, rv, &job->reply, Lend::kYes);
  } catch (const std::bad_alloc&) {
    rv = CKR_HOST_MEMORY;
    job->reply.clear();
    pack_reply(row, words, rv, &job->reply, Lend::kYes);
  }
  return rv;
}

void WorkerPool::done(Job* job) {
  jobs_.erase(std::find(jobs_.begin(), jobs_.end(), job));
  job->running = false;
  free_.push_back(job);
  /* This thread takes one of what has become possible; another may have to take a second. */
  if (idle_threads_ > 0 && jobs_.size() > running_ && next_runnable() != nullptr)
    idle_.notify_one();
}

}  // namespace mp11
