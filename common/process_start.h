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
 * How the daemon's programs without a start block begin: their few options come on the command
 * line, which [priv] writes, and the order of limiting oneself is the same for all.
 *
 *   --log-level=error|info|verbose|debug     default info
 *   --sandbox=full|seccomp-only              the second goes on without Landlock; default full
 *
 * Trust: the command line is [priv]'s. Anything unknown in it ends the program.
 */
#pragma once
#include "log.h"
#include "os_landlock.h"
#include "os_process.h"
#include "os_sandbox.h"

namespace mp11 {

struct ProcessStart {
  LogLevel level = LogLevel::kInfo;
  bool landlock_may_be_absent = false;
};

/* Reads the options and starts the log as a child of [priv]; fatal() for what it does not know. */
ProcessStart process_start(const char* program, int argc, char** argv);
/* The options as words, for who starts such a program. */
std::vector<std::string> process_options(const ProcessStart& start);

/*
 * Limits, Landlock, seccomp, in this order; fatal() when one of them fails. After it the program
 * may read its first octet from a peer.
 */
void limit_program(Program program, const ProcessStart& start, const SelfLimits& limits,
                   LandlockSpec landlock);

}  // namespace mp11
