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
 * One side of the comparison: a process of its own that loads a module and makes calls with it, on
 * several threads if told so. The process is forked before any module is loaded, so that nothing of
 * one side is in the other, and a crash ends the executor alone.
 */
#pragma once
#include <sys/types.h>

#include <string>
#include <vector>

#include "conform_call.h"
#include "unique_fd.h"

namespace mp11::conform {

struct SideConfig {
  const char* name = "";                /* "direct" or "hosted" */
  std::string module;                   /* path */
  std::vector<std::string> environment; /* NAME=VALUE, over what is inherited */
  unsigned threads = 1;
  bool show_errors = false; /* the module's standard error is shown */
};

/* What became of a request to an executor. */
enum class SideStatus {
  kOk,
  kDied, /* the process ended: end() says how */
  kHung, /* no reply within the time; the process was killed */
};

/* The parent's end. Its functions block. */
class Side {
 public:
  explicit Side(SideConfig config) : config_(std::move(config)) {}
  Side(const Side&) = delete;
  Side& operator=(const Side&) = delete;
  ~Side() { stop(); }
  const SideConfig& config() const { return config_; }

  /* A fresh process. `other`: whose descriptors the new process must not keep. */
  bool start(const Side& other);
  void stop();

  /*
   * True: one of the call's handles is none of its own, yet has the value of one of this side's
   * live handles. What the call means then differs from side to side.
   */
  SideStatus ambiguous(const Call& call, bool* result);
  /* Makes the call: the request, then the reply, so that two sides can work at once. */
  void send(const Call& call);
  SideStatus receive(Reply* reply);
  /* "killed by signal 11" ... after kDied; why there is no module, if start's process said so. */
  const std::string& end() const { return end_; }

 private:
  SideStatus read_message(Bytes* message);
  void note_end();

  SideConfig config_;
  UniqueFd socket_;
  pid_t pid_ = -1;
  std::string end_;
};

/* The process's main function; does not return. */
[[noreturn]] void run_executor(const SideConfig& config, int socket);

}  // namespace mp11::conform
