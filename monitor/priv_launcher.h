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
 * Starts the daemon's other programs, each as its own user, with nothing but the descriptors that
 * its plan names, in an empty network namespace unless it says otherwise. Part of [priv].
 *
 * What every child gets: 0 and 1 /dev/null; 2 a pipe whose read end [priv] hands to multip11-log;
 * from 3 on what the caller lists. It is killed when [priv] dies.
 */
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "config.h"
#include "result.h"
#include "unique_fd.h"

namespace mp11 {

struct Launch {
  std::string program; /* "multip11-net" */
  UserId user;
  std::vector<UniqueFd> fds;   /* placed at 3, 4, ... */
  bool options = true;         /* --log-level and --sandbox; the others have a start block */
  bool own_namespaces = false; /* IPC, UTS and mounts of its own, for foreign code */
  bool network = false;        /* the host's, for multip11-remote; all others have none */
  bool pipe = true;            /* false, for multip11-log: 2 is `stderr_fd`, or /dev/null */
  int stderr_fd = -1;
};

struct Launched {
  int pid = -1;
  UniqueFd pidfd;
  UniqueFd log; /* read end of its descriptor 2 */
};

/* An interface, so that a test can be all of the daemon's children by itself. */
class Launcher {
 public:
  /* Makes the empty network namespace, once; where that is refused and `sandbox = full`, fails. */
  static Result<std::unique_ptr<Launcher>> create(const Config& config);
  virtual ~Launcher() = default;

  virtual Result<Launched> launch(const Config& config, Launch launch) = 0;
  /* What the children go without, in words for the log; empty: nothing. */
  const std::string& missing() const { return missing_; }

 protected:
  std::string missing_;
};

/* A pipe for log lines: neither end ever blocks. First the read end. */
Result<std::pair<UniqueFd, UniqueFd>> log_pipe();

}  // namespace mp11
