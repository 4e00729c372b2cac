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
 * What of the file system and of TCP a process may still reach (Landlock). Called by each program
 * on itself, before its seccomp filter (os_sandbox.h) and before it reads its first octet.
 *
 * Trust: the rules come from root's configuration or from our own code. A path is opened here, so
 * what it names at this moment is what is granted; a later rename of it changes nothing.
 *
 * Threads: Landlock binds the calling thread and what it starts later, so landlock_enter refuses
 * when another thread is running.
 *
 * What Landlock does not cover: stat, chmod, chown, utimes, flock and access on any path, and
 * connect to a unix socket that has a path. The seccomp profiles do.
 */
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "result.h"

namespace mp11 {

enum class PathAccess : uint8_t {
  kRead,            /* read files and list directories below */
  kReadExec,        /* the same, and execute: a program. (dlopen needs kRead only) */
  kReadWrite,       /* read and write what is there; nothing is made or removed */
  kReadWriteCreate, /* the same, and make, rename, truncate and remove files and directories; never
                       devices, sockets, fifos or symbolic links */
};

struct PathRule {
  std::string path;
  PathAccess access;
  bool optional = false; /* not an error when the path does not exist */
};

struct LandlockSpec {
  std::vector<PathRule> paths; /* everything else is refused */
  std::vector<uint16_t>
      connect_ports;             /* TCP, from ABI 4 on; other connects and binds are refused */
  bool may_be_absent = false;    /* the configuration says `sandbox = seccomp-only` */
  bool unrestricted_tcp = false; /* for multip11-remote, whose KDC may be on any port */
};

struct LandlockReport {
  int abi = 0;      /* of the kernel; 0: there is no Landlock and the caller allowed that */
  std::string text; /* what is enforced, in words, for the log */
};

/* Version of the kernel's Landlock, 0 when it has none. */
int landlock_abi();

/*
 * Sets no-new-privileges and enforces the rules, with everything that the kernel knows up to ABI
 * 7: files, REFER (2), truncate (3), TCP (4), device ioctl (5), abstract unix sockets and signals
 * to other domains (6). No way back.
 */
Result<LandlockReport> landlock_enter(const LandlockSpec& spec);

}  // namespace mp11
