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
 * Processes: how one of ours limits itself, gives up its identity, starts another and learns how
 * that one ended. The files os_linux_process.cc and os_linux_spawn.cc are Linux; another system
 * needs files of its own behind this header.
 *
 * Trust: spawn() is called by [priv] with what its own configuration says, spawn_detached() by
 * multip11.so inside an application of which nothing is known: any thread, any signal disposition,
 * any descriptor, any limit. Between clone and exec a child makes system calls and nothing else.
 */
#pragma once
#include <sys/resource.h>
#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "result.h"
#include "unique_fd.h"

namespace mp11 {

/* ---- a process limits itself ---- */

inline constexpr rlim_t kKeepLimit = RLIM_INFINITY;

/* Each is set as soft and hard limit; never raised, kKeepLimit leaves it. */
struct SelfLimits {
  rlim_t files = 64;                 /* RLIMIT_NOFILE: highest descriptor + 1 */
  rlim_t file_size = 0;              /* RLIMIT_FSIZE, octets; memfds count. SIGXFSZ is ignored, so a
                                        write fails with EFBIG (as a log line to a file would) */
  rlim_t processes = kKeepLimit;     /* RLIMIT_NPROC: threads of the whole uid; binds no uid 0 */
  rlim_t address_space = kKeepLimit; /* RLIMIT_AS, octets */
  rlim_t data = kKeepLimit;          /* RLIMIT_DATA, octets. For foreign code rather than RLIMIT_AS:
                                        malloc and threads reserve far more addresses than they use */
};

/*
 * No core dump, not dumpable (so that no process of the same uid can trace it or read its memory;
 * exec resets this, hence each program calls it first), no-new-privileges, umask 077, the limits.
 */
Status limit_self(const SelfLimits& limits);

/* ---- identity ---- */

struct Identity {
  uid_t uid;
  gid_t gid;
};

/*
 * Becomes uid and gid for good: no supplementary groups, no capability in any set (bounding set
 * where permitted), keepcaps off; then tries to get root back and reports an error when that
 * works. Needs root. The caller must have one thread, and must exit when this fails.
 */
Status drop_to(Identity identity);
/* Gives up every capability without changing ids: where we are not root, or an application is. */
Status drop_capabilities();
/*
 * For [priv]: keeps the capabilities whose bits (1 << CAP_...) are set as permitted and effective,
 * gives up all others in every set. Capabilities in the mask that it does not have are no error.
 */
Status keep_capabilities(uint64_t mask);

/* Threads of this process; 0 when /proc is not there. */
int thread_count();

/* ---- starting programs ---- */

struct FdPlace {
  int fd; /* in the caller */
  int at; /* number in the child, at most kHighestPlace */
};
inline constexpr int kHighestPlace = 255;

/* Namespaces of its own for the child, beside the one in SpawnSpec::net_namespace. */
enum SpawnNamespaces : unsigned {
  kOwnIpc = 1u << 0,
  kOwnUts = 1u << 1,
  kOwnNet = 1u << 2,   /* new and empty: 0.4 to 1 ms; an fd of one made at start is cheaper */
  kOwnMount = 1u << 3, /* mounts made private, so that none made outside comes in */
};

/*
 * Every descriptor that has no place is closed; 0, 1 and 2 without a place are /dev/null. The child
 * runs in "/", with default signal handling and no signal blocked, and no-new-privileges. (The
 * death signal fires when the *thread* that spawned ends.)
 */
struct SpawnSpec {
  std::string program;                  /* absolute path */
  std::vector<std::string> argv;        /* argv[0] first */
  std::vector<std::string> environment; /* "NAME=value"; nothing is inherited */
  std::vector<FdPlace> fds;
  std::optional<Identity>
      identity;            /* never uid or gid 0. Absent: the caller's own, refused to root */
  int net_namespace = -1;  /* descriptor of a network namespace to join, -1: none */
  unsigned namespaces = 0; /* SpawnNamespaces */
  bool namespaces_required = true; /* false: go on without those that the kernel refuses */
  int death_signal = 0;            /* sent to the child when the caller's thread ends, 0: none */
};

struct Child {
  pid_t pid = -1;
  UniqueFd pidfd;
  unsigned missing_namespaces = 0; /* SpawnNamespaces that were asked for, not required, refused */
};

/*
 * Starts a program; returns when it runs, or with the step that failed and its errno. The caller
 * reaps the child by wait_child(). Its thread sleeps until exec is done (as with vfork).
 */
Result<Child> spawn(const SpawnSpec& spec);

struct DetachedSpec {
  std::string program;
  std::vector<std::string> argv;
  std::vector<std::string> environment;
  std::vector<FdPlace> fds;
  int application_pidfd_at = -1; /* place for a pidfd of the application, to poll; -1: none */
};

/*
 * Starts a helper of multip11.so that the application cannot meet: no child of it, no SIGCHLD, not
 * seen by its wait(). An intermediate process with exit signal 0 forks the helper, sends its pidfd
 * and ends; it is reaped here. The helper is in a process group of its own, so that keys typed at
 * the application's terminal do not signal it; not in a session of its own, which Linux would
 * schedule against the application's (autogroup), and neither could yield to the other. It has no
 * death signal; it polls application_pidfd_at.
 *
 * Exceptions, which the manual page names: an application that is process 1 of its namespace, or a
 * subreaper, becomes the helper's parent when the intermediate ends; one that calls wait() with
 * __WALL or __WCLONE in another thread may reap the intermediate, which is not an error here.
 *
 * Any thread may call this; signals are blocked in it meanwhile, none is raised, errno is kept. Uid
 * and capabilities stay the application's: the helper gives up what it does not need.
 */
Result<Child> spawn_detached(const DetachedSpec& spec);

/* ---- how a process ended ---- */

struct ExitReason {
  enum Kind : uint8_t {
    kExited,    /* value: exit code */
    kSignalled, /* value: signal */
    kSandbox,   /* killed by seccomp, or ended by our handler for it (os_sandbox.h) */
  };
  Kind kind = kExited;
  int value = 0;
  std::string describe() const;
};

/* SIGKILL, or another signal, by pidfd; a process that is gone already is no error. */
Status kill_process(int pidfd, int signal);
/*
 * Reaps a child (not a detached helper) by its pidfd. wait: sleep until it ends; else nullopt while
 * it runs. A pidfd is readable (poll) when its process has ended; that works for helpers too.
 */
Result<std::optional<ExitReason>> wait_child(int pidfd, bool wait);

/* ---- namespaces, peers, descriptors ---- */

/* A descriptor of a new, empty network namespace; the caller's own stays. EPERM without root. */
Result<UniqueFd> new_empty_netns();

struct PeerCredentials {
  pid_t pid; /* 0: of another pid namespace */
  uid_t uid;
  gid_t gid;
};
/* Who called connect(), or made the socket pair, at that time. For unix sockets. */
Result<PeerCredentials> peer_credentials(int socket);

/* All descriptors from `first` on. */
Status close_from(int first);
Status cloexec_from(int first);

namespace detail {
/* For the child between clone and exec: 0, or errno. Raw system calls, so this thread only. */
int drop_ids(uid_t uid, gid_t gid);
int drop_all_capabilities();
}  // namespace detail

}  // namespace mp11
