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
 * Which system calls each program may make: one table a program, one row a rule, each row with its
 * reason (os_linux_sandbox_table.cc), and the filter that is made of it (seccomp, by libseccomp).
 *
 * A call without a row kills the process. In a backend, whose library is foreign, it raises SIGSYS
 * instead: our handler writes the call's name to descriptor 2 and ends the process with
 * kSandboxExit. A library that disarms the handler still has the call refused, and dies by SIGSYS.
 *
 * Trust: the tables are ours; the code that runs under them is believed to be an attacker's. A
 * filter sees numbers, not what pointers point at: paths are Landlock's part (os_landlock.h), and
 * what neither can express the row says.
 *
 * Threads: a filter binds every thread of the process at once, or is an error.
 */
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "result.h"

namespace mp11 {

enum class Program : uint8_t {
  kPriv,
  kAuth,
  kVault,
  kVaultState, /* the same with a database */
  kLog,
  kMonitor,
  kNet,
  kBackend, /* profile `files`: a library and its own token directory */
  kRemote,
  kUplink, /* multip11-remote as a backend: the network, and what a name's resolving needs */
  kUplinkConnected, /* the same from sandbox_loaded() on: the descriptors that it has */
  kEraser,          /* multip11-backend, when it empties a token's directory and loads nothing */
};
inline constexpr unsigned kPrograms = 12;

/*
 * A build with sanitizers (configure --enable-asan and the like) is for tests: the sanitizers' own
 * calls are allowed, and limits of memory that theirs would exceed are not set. multip11d says so
 * at its start and in its version.
 */
#ifdef MP11_SANITIZED
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif
inline constexpr char kSanitizedNote[] =
    "built with sanitizers, for tests: the sandbox allows more";

/* Exit code of a backend whose library made a call without a row. */
inline constexpr int kSandboxExit = 159;

/* A condition on one argument; a row holds only where its conditions do. */
struct SandboxArg {
  enum Test : uint8_t { kNone, kEqual, kDiffers, kLess, kMasked, kOwnPid };
  Test test = kNone;
  uint8_t index = 0; /* of the argument, from 0 */
  uint64_t mask = 0; /* kMasked: (argument & mask) == value */
  uint64_t value = 0;
  const char* text = ""; /* the condition in words, for people */
};

struct SandboxRule {
  const char* call; /* the system call's name; one that this architecture lacks is passed over */
  const char* why;  /* "used for ...", or why it is answered with an error */
  SandboxArg first = {};
  SandboxArg second = {};
  int error = 0; /* 0: the call is made; else it is not, and the program sees this errno */
};

enum class SandboxDefault : uint8_t { kKill, kTrap, kAllow };

struct SandboxProfile {
  Program program;
  const char* name;         /* "auth", as in multip11-auth */
  SandboxDefault otherwise; /* for calls without a row */
  bool loads_code;          /* has a second stage: no new code after loaded() */
  std::vector<std::span<const SandboxRule>> groups; /* rows, shared groups first */
  std::optional<Program> then = {}; /* whose rows the second stage leaves, if not all but code */
};

SandboxProfile sandbox_profile(Program program);
/* What sandbox_loaded() adds for a profile without `then`: these rows and nothing else changes. */
std::span<const SandboxRule> sandbox_loaded_rules();
/* The program's table as text: call, condition or error, reason; one line a row. */
std::string sandbox_table(Program program);

/*
 * Sets no-new-privileges and enforces the program's table on all threads. No way back. For the
 * backend this installs the SIGSYS handler too, so it comes before any foreign code is loaded.
 */
Status sandbox_enter(Program program);
/*
 * For programs with loads_code, after dlopen and C_Initialize (or after warming up GSS and the
 * resolver): from now on mapping a file as code answers EACCES. (Memory both writable and
 * executable, and mprotect to executable, are refused from sandbox_enter on.) So a plug-in that a
 * library wants to load later is not found, rather than the end of the process. For multip11-remote
 * as a backend, once it is connected: nothing is left but the rows of kUplinkConnected.
 */
Status sandbox_loaded();

}  // namespace mp11
