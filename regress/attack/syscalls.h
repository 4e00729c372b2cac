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
 * The attempts of inject.cc: one row a call that some program of multip11's must not make, in the
 * class by which SECURITY, section 2, names it. A cell that is allowed is a row of kExceptions,
 * with its reason; SECURITY has the same sentence.
 */
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

namespace attack {

/* The columns of SECURITY's table. kControl is a process without a sandbox. */
enum Who : unsigned {
  kPriv,
  kAuth,
  kVault,
  kLog,
  kMonitor,
  kNet,
  kBackend,
  kRemote,
  kUplink,  /* multip11-remote as a backend, connected */
  kLibrary, /* multip11-backend in library mode */
  kWhos,
  kControl = kWhos,
};
inline constexpr const char* kWhoNames[] = {"priv",    "auth",    "vault",   "log",
                                            "monitor", "net",     "backend", "remote",
                                            "uplink",  "library", "control"};

/* Arguments that are known only when the attempt is made. */
inline constexpr uint64_t kMark = 0x5ca1ab1e00000000;
enum Mark : uint64_t {
  kText = kMark, /* pointer to Attempt::text */
  kZeros,        /* pointer to 512 zero octets */
  kVictimPid,    /* an unconfined process of the same uid, where there is one */
  kSelfPid,      /* the process itself */
  kKeytab,       /* pointers to paths */
  kOtherToken,   /* a file of another backend's */
  kOwnFile,      /* a file of the program's uid, outside of what it was given */
  kVictimMemory, /* /proc/PID/mem of the victim */
  kPage,         /* an anonymous page of the process, writable */
  kArguments,    /* pointer to {kText, NULL} */
};

struct Attempt {
  const char* kind; /* the class */
  const char* name;
  long number;
  uint64_t args[6];
  const char* text = "";
  bool works = false; /* answers no error in a process without a sandbox */
};

/* What may come of an attempt. */
enum Outcome : int {
  kEnded = -2, /* by the sandbox */
  kDone = -1,  /* no error */
  /* else the errno */
};

/* Where something else than kEnded is right. error 0: the call is allowed by design, and its own
 * result does not matter; else it is answered so. */
struct Exception {
  const char* attempt; /* a name; the whole class when it is a class */
  unsigned whos;       /* bits 1 << Who */
  int error;
  const char* why; /* empty for an errno: it is refused all the same */
};

std::span<const Attempt> attempts();
std::span<const Exception> exceptions();

}  // namespace attack
