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
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <condition_variable>
#include <deque>
#include <memory>
#include <thread>
#include <type_traits>
#include <utility>

#include "conform_arguments.h"
#include "conform_side.h"
#include "conform_wire.h"

namespace mp11::conform {
namespace {

template <class T>
T from_word(Word word) {
  if constexpr (std::is_pointer_v<T>)
    return reinterpret_cast<T>(word);
  else
    return static_cast<T>(word);
}
template <class... A, size_t... I>
CK_RV invoke(CK_RV (*function)(A...), const Words& words, std::index_sequence<I...>) {
  return function(from_word<A>(words.w[I])...);
}
template <class List, auto Member>
CK_RV call_member(const void* list, const Words& words) {
  auto function = static_cast<const List*>(list)->*Member;
  if (function == nullptr) return CKR_FUNCTION_NOT_SUPPORTED;
  return [&]<class... A>(CK_RV (*f)(A...)) {
    return invoke(f, words, std::index_sequence_for<A...>{});
  }(function);
}

using Caller = CK_RV (*)(const void*, const Words&);
constexpr Caller kCallers[] = {
#define ROW_240(name) call_member<CK_FUNCTION_LIST, &CK_FUNCTION_LIST::C_##name>,
#define ROW_300(name)
#define ROW_310(name)
#define ROW_320(name)
#define P11_FUNCTION(number, name, since, ...) ROW_##since(name)
#include "p11_functions.def"
#undef P11_FUNCTION
};
static_assert(sizeof kCallers / sizeof kCallers[0] == kFunctions240);

/* How long a forked child may take before it is killed: a module may be at odds with fork. */
constexpr int kChildSeconds = 5;

class Executor {
 public:
  Executor(CK_FUNCTION_LIST* list, unsigned threads);
  bool ambiguous(const Call& call) const;
  /* On the thread that the call names. */
  Reply run(const Call& call);

 private:
  struct Worker {
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<const std::vector<Call>*> tasks;
    std::vector<Reply>* replies = nullptr;
    std::thread thread;
    GuardedMemory memory;
  };
  void serve(Worker* worker);
  void give(Worker* worker, const std::vector<Call>& calls, std::vector<Reply>* replies);
  static void await(Worker* worker);
  Reply make(const Call& call, GuardedMemory* memory);
  void fork_child(uint64_t what);
  Reply run_threads(const Call& call);

  CK_FUNCTION_LIST* list_;
  Handles handles_;
  Outputs outputs_;
  GuardedMemory memory_; /* of the first thread */
  std::vector<std::unique_ptr<Worker>> workers_;
};

Executor::Executor(CK_FUNCTION_LIST* list, unsigned threads) : list_(list) {
  for (unsigned i = 1; i < threads; i++) {
    workers_.push_back(std::make_unique<Worker>());
    Worker* worker = workers_.back().get();
    worker->thread = std::thread([this, worker] { serve(worker); });
  }
}

void Executor::serve(Worker* worker) {
  std::unique_lock<std::mutex> lock(worker->mutex);
  for (;;) {
    worker->changed.wait(lock, [&] { return !worker->tasks.empty(); });
    const std::vector<Call>& calls = *worker->tasks.front();
    lock.unlock();
    std::vector<Reply> replies;
    for (const Call& call : calls) replies.push_back(make(call, &worker->memory));
    lock.lock();
    *worker->replies = std::move(replies);
    worker->tasks.pop_front();
    worker->changed.notify_all();
  }
}

void Executor::give(Worker* worker, const std::vector<Call>& calls, std::vector<Reply>* replies) {
  std::lock_guard<std::mutex> lock(worker->mutex);
  worker->replies = replies;
  worker->tasks.push_back(&calls);
  worker->changed.notify_all();
}

void Executor::await(Worker* worker) {
  std::unique_lock<std::mutex> lock(worker->mutex);
  worker->changed.wait(lock, [&] { return worker->tasks.empty(); });
}

Reply Executor::run(const Call& call) {
  if (call.function == kThreads) return run_threads(call);
  if (call.thread == 0 || workers_.empty()) return make(call, &memory_);
  Worker* worker = workers_[(call.thread - 1) % workers_.size()].get();
  std::vector<Call> one = {call};
  std::vector<Reply> reply;
  give(worker, one, &reply);
  await(worker);
  return std::move(reply[0]);
}

Reply Executor::run_threads(const Call& call) {
  Reply reply;
  const size_t count = std::min(call.threads.size(), workers_.size());
  reply.threads.resize(count);
  for (size_t i = 0; i < count; i++) give(workers_[i].get(), call.threads[i], &reply.threads[i]);
  for (size_t i = 0; i < count; i++) await(workers_[i].get());
  return reply;
}

Reply Executor::make(const Call& call, GuardedMemory* memory) {
  Reply reply;
  if (call.function == kFork) {
    fork_child(call.args.empty() ? 0 : call.args[0].number);
    return reply;
  }
  const FunctionRow* row = function_row(call.function);
  if (row == nullptr || row->number >= kFunctions240) {
    reply.rv = CKR_FUNCTION_NOT_SUPPORTED;
    return reply;
  }
  Words words;
  Arguments arguments(handles_, outputs_, memory);
  arguments.make(*row, call, &words);
  const CK_RV rv = kCallers[row->number](list_, words);
  collect(*row, call, words, rv, &handles_, &outputs_, &reply);
  memory->clear();
  return reply;
}

/*
 * What the child finds is not compared: the standard lets it call C_Initialize first, which modules
 * take differently. Compared is that its parent goes on as if nothing had happened.
 */
void Executor::fork_child(uint64_t what) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (what == 1) list_->C_Finalize(nullptr);
    if (what == 2 && list_->C_Initialize(nullptr) == CKR_OK) {
      CK_ULONG count = 0;
      list_->C_GetSlotList(CK_FALSE, nullptr, &count);
      list_->C_Finalize(nullptr);
    }
    ::_exit(0);
  }
  const timespec pause{0, 1000000};
  for (int ms = 0; child > 0 && ::waitpid(child, nullptr, WNOHANG) == 0; ms++) {
    if (ms == kChildSeconds * 1000) ::kill(child, SIGKILL);
    ::nanosleep(&pause, nullptr);
  }
}

bool Executor::ambiguous(const Call& call) const {
  const FunctionRow* row = function_row(call.function);
  for (unsigned i = 0; row != nullptr && i < row->arg_count && i < call.args.size(); i++) {
    const Arg& arg = call.args[i];
    switch (row->args[i].kind) {
      case ArgKind::kSlot:
        if (handles_.ambiguous(HandleKind::kSlot, arg.ref)) return true;
        break;
      case ArgKind::kSession:
        if (handles_.ambiguous(HandleKind::kSession, arg.ref)) return true;
        break;
      case ArgKind::kHandle:
        if (handles_.ambiguous(HandleKind::kObject, arg.ref)) return true;
        break;
      default:
        break;
    }
  }
  return false;
}

[[noreturn]] void give_up(int socket, const std::string& text) {
  send_message(socket, kMessageFailed, Bytes(text.begin(), text.end()));
  ::_exit(2);
}

CK_FUNCTION_LIST* load(const std::string& path, int socket) {
  void* handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) give_up(socket, ::dlerror());
  auto get_list = reinterpret_cast<CK_C_GetFunctionList>(::dlsym(handle, "C_GetFunctionList"));
  CK_FUNCTION_LIST* list = nullptr;
  if (get_list == nullptr || get_list(&list) != CKR_OK || list == nullptr)
    give_up(socket, path + ": not a PKCS #11 module");
  return list;
}

void prepare_process(const SideConfig& config) {
  /* Modules are expected to crash here; no core, and no noise of theirs. */
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  ::signal(SIGPIPE, SIG_IGN);
  for (const std::string& variable : config.environment) ::putenv(::strdup(variable.c_str()));
  if (config.show_errors) return;
  const int null = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (null >= 0) {
    ::dup2(null, STDOUT_FILENO);
    ::dup2(null, STDERR_FILENO);
    ::close(null);
  }
}

}  // namespace

void run_executor(const SideConfig& config, int socket) {
  prepare_process(config);
  /* Threads come after the first request, so that a fork in C_GetFunctionList meets none. */
  auto* executor = new Executor(load(config.module, socket), config.threads);
  uint8_t kind;
  Bytes body;
  while (receive_message(socket, &kind, &body)) {
    Call call;
    if (!read_call(body.data(), body.size(), &call)) give_up(socket, "broken request");
    body.clear();
    if (kind == kMessageProbe) {
      body.push_back(executor->ambiguous(call));
    } else {
      write_reply(executor->run(call), &body);
    }
    if (!send_message(socket, kMessageReply, body)) break;
  }
  /* Without C_Finalize or destructors, as when an application is killed. */
  ::_exit(0);
}

}  // namespace mp11::conform
