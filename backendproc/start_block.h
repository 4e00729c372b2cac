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
 * The start block: what a backend process is told before it does anything, as lines `key=value` in
 * a sealed memfd. multip11d's [priv] writes it, or multip11.so in library mode.
 *
 *   module=PATH         the library, an absolute path
 *   name=TEXT           of the backend, for the log
 *   env.N=NAME=VALUE    the whole environment of the process, N from 0
 *   read.N=PATH         what it may read; a directory stands for everything below it
 *   write.N=PATH        what it may read, write, create and remove
 *   directory=PATH      of its token alone: the working directory, which it may write as well
 *   skeleton=PATH       what that directory begins with (skeleton.h)
 *   memory=MIB          limit of its data segment; 0 or absent: none
 *   files=N             limit of its open files; default 256
 *   workers=N           threads that call the library, 1 to limits::kWorkers, the default
 *   sandbox=full|seccomp-only    the second does without Landlock; default full
 *   prestart=yes|no     C_Initialize at once instead of when it is asked for; default no
 *   erase=yes|no        empty `directory` and end (eraser.h): there is no module then; default no
 *   owner=pidfd|none    descriptor 5 is a pidfd; end when that process ends; default none
 *
 * Trust: the writer is believed, as it could as well run any program. The parser is strict so that
 * a mistake is found, not so that an attack is.
 */
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "mp11_limits.h"
#include "result.h"

namespace mp11 {

struct StartBlock {
  std::string module;
  std::string name;
  std::vector<std::string> environment;
  std::vector<std::string> read;
  std::vector<std::string> write;
  std::string directory, skeleton; /* empty: none */
  uint64_t memory_mib = 0;
  uint64_t files = 256;
  unsigned workers = limits::kWorkers;
  bool landlock = true;
  bool prestart = false;
  bool erase = false;
  bool owner = false;
};

/* The error's text names the line. */
Result<StartBlock> parse_start_block(std::string_view text);
/* Reads the descriptor from its beginning; at most 256 KiB, sealed against writing. */
Result<StartBlock> read_start_block(int fd);

}  // namespace mp11
