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
#include <dirent.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <memory>

#include "os_process.h"
#include "os_sandbox.h"

namespace mp11 {
namespace {

/* The kernel's 32-bit architectures have older calls with 16-bit ids beside these. */
#ifdef SYS_setresuid32
constexpr long kSetresuid = SYS_setresuid32, kSetresgid = SYS_setresgid32;
constexpr long kSetgroups = SYS_setgroups32;
#else
constexpr long kSetresuid = SYS_setresuid, kSetresgid = SYS_setresgid;
constexpr long kSetgroups = SYS_setgroups;
#endif

Error failed(const char* what, int code = errno) {
  return Error{code, std::string(what) + ": " + strerror(code)};
}

Status set_limit(int resource, const char* name, rlim_t wanted) {
  if (wanted == kKeepLimit) return ok();
  rlimit limit{};
  auto which = static_cast<__rlimit_resource>(resource);
  if (::getrlimit(which, &limit) != 0) return failed(name);
  limit.rlim_max = std::min(limit.rlim_max, wanted);
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(which, &limit) != 0) return failed(name);
  return ok();
}

/* Permitted and effective as given, inheritable empty. 0 or errno. */
int set_capabilities(uint64_t mask) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  for (unsigned i = 0; i < 2; i++)
    data[i].permitted = data[i].effective = static_cast<uint32_t>(mask >> (32 * i));
  return ::syscall(SYS_capset, &header, data) == 0 ? 0 : errno;
}

/* What this process has as permitted. 0 or errno. */
int get_capabilities(uint64_t* permitted) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (::syscall(SYS_capget, &header, data) != 0) return errno;
  *permitted = data[0].permitted | static_cast<uint64_t>(data[1].permitted) << 32;
  return 0;
}

/* Ambient set emptied, bounding set cut to the mask where permitted (CAP_SETPCAP). 0 or errno. */
int cut_inherited_capabilities(uint64_t mask) {
  /* EINVAL: a kernel without ambient capabilities (before 4.3). */
  if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0 && errno != EINVAL)
    return errno;
  for (unsigned cap = 0; cap < 64; cap++) {
    if ((mask >> cap & 1) != 0) continue;
    if (::prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0) continue;
    if (errno == EINVAL || errno == EPERM) break; /* past the last one; or not permitted */
    return errno;
  }
  return 0;
}

/* The ids really are the ones asked for, and nothing brings root back. 0 or errno. */
int verify_ids(uid_t uid, gid_t gid) {
  uid_t u[3];
  gid_t g[3];
  if (::getresuid(&u[0], &u[1], &u[2]) != 0 || ::getresgid(&g[0], &g[1], &g[2]) != 0) return errno;
  for (int i = 0; i < 3; i++)
    if (u[i] != uid || g[i] != gid) return EPERM;
  if (::getgroups(0, nullptr) != 0) return EPERM;
  if (uid != 0 && ::syscall(kSetresuid, 0, 0, 0) == 0) return EPERM;
  if (uid != 0 && ::syscall(kSetresuid, -1, 0, -1) == 0) return EPERM;
  if (gid != 0 && ::syscall(kSetresgid, 0, 0, 0) == 0) return EPERM;
  if (gid != 0 && ::syscall(kSetresgid, -1, 0, -1) == 0) return EPERM;
  uint64_t left = 0;
  if (int error = get_capabilities(&left); error != 0) return error;
  return left == 0 ? 0 : EPERM;
}

}  // namespace

namespace detail {

int drop_all_capabilities() {
  if (::prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) != 0) return errno;
  if (int error = cut_inherited_capabilities(0); error != 0) return error;
  return set_capabilities(0);
}

int drop_ids(uid_t uid, gid_t gid) {
  if (uid == 0 || gid == 0) return EINVAL;
  if (::prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) != 0) return errno;
  if (int error = cut_inherited_capabilities(0); error != 0) return error;
  if (::syscall(kSetgroups, 0, nullptr) != 0) return errno;
  if (::syscall(kSetresgid, gid, gid, gid) != 0) return errno;
  if (::syscall(kSetresuid, uid, uid, uid) != 0) return errno;
  if (int error = set_capabilities(0); error != 0) return error;
  return verify_ids(uid, gid);
}

}  // namespace detail

Status limit_self(const SelfLimits& limits) {
  struct Row {
    int resource;
    const char* name;
    rlim_t value;
  };
  const Row rows[] = {
      {RLIMIT_CORE, "RLIMIT_CORE", 0},
      {RLIMIT_NOFILE, "RLIMIT_NOFILE", limits.files},
      {RLIMIT_FSIZE, "RLIMIT_FSIZE", limits.file_size},
      {RLIMIT_NPROC, "RLIMIT_NPROC", limits.processes},
      {RLIMIT_AS, "RLIMIT_AS", limits.address_space},
      {RLIMIT_DATA, "RLIMIT_DATA", limits.data},
  };
  for (const Row& row : rows)
    if (auto set = set_limit(row.resource, row.name, row.value); !set) return set;
  if (::signal(SIGXFSZ, SIG_IGN) == SIG_ERR) return failed("SIGXFSZ");
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return failed("PR_SET_DUMPABLE");
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed("PR_SET_NO_NEW_PRIVS");
  ::umask(077);
  return ok();
}

Status drop_to(Identity identity) {
  if (identity.uid == 0 || identity.gid == 0) return Error{EINVAL, "drop_to: root is refused"};
  /* The raw calls change one thread only. */
  if (thread_count() > 1) return Error{EBUSY, "drop_to: other threads are running"};
  if (int error = detail::drop_ids(identity.uid, identity.gid); error != 0)
    return failed("giving up root", error);
  return ok();
}

Status drop_capabilities() {
  if (int error = detail::drop_all_capabilities(); error != 0)
    return failed("giving up capabilities", error);
  return ok();
}

Status keep_capabilities(uint64_t mask) {
  uint64_t have = 0;
  if (int error = get_capabilities(&have); error != 0) return failed("capget", error);
  if (int error = cut_inherited_capabilities(mask); error != 0)
    return failed("capability bounding set", error);
  if (int error = set_capabilities(have & mask); error != 0) return failed("capset", error);
  return ok();
}

int thread_count() {
  std::unique_ptr<DIR, int (*)(DIR*)> tasks(::opendir("/proc/self/task"), ::closedir);
  if (!tasks) return 0;
  int count = 0;
  while (const dirent* entry = ::readdir(tasks.get()))
    if (entry->d_name[0] != '.') count++;
  return count;
}

std::string ExitReason::describe() const {
  switch (kind) {
    case kExited:
      return "exit code " + std::to_string(value);
    case kSignalled:
      return "signal " + std::to_string(value);
    case kSandbox:
      return "stopped by its sandbox";
  }
  return "unknown";
}

Status kill_process(int pidfd, int signal) {
  if (::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0) == 0 || errno == ESRCH)
    return ok();
  return failed("pidfd_send_signal");
}

Result<std::optional<ExitReason>> wait_child(int pidfd, bool wait) {
  siginfo_t info{};
  int rc;
  do {
    rc = ::waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED | (wait ? 0 : WNOHANG));
  } while (rc != 0 && errno == EINTR);
  if (rc != 0) return failed("waitid");
  if (info.si_pid == 0) return std::optional<ExitReason>();
  ExitReason reason;
  reason.value = info.si_status;
  if (info.si_code == CLD_EXITED)
    reason.kind = info.si_status == kSandboxExit ? ExitReason::kSandbox : ExitReason::kExited;
  else
    reason.kind = info.si_status == SIGSYS ? ExitReason::kSandbox : ExitReason::kSignalled;
  return std::optional(reason);
}

Result<UniqueFd> new_empty_netns() {
  /* Namespaces belong to threads: thread-self, and the way back before anything else happens. */
  constexpr char kOwn[] = "/proc/thread-self/ns/net";
  UniqueFd before(::open(kOwn, O_RDONLY | O_CLOEXEC));
  if (!before) return failed(kOwn);
  if (::unshare(CLONE_NEWNET) != 0) return failed("new network namespace");
  UniqueFd made(::open(kOwn, O_RDONLY | O_CLOEXEC));
  int error = made ? 0 : errno;
  if (::setns(before.get(), CLONE_NEWNET) != 0) return failed("back to the network namespace");
  if (!made) return failed(kOwn, error);
  return made;
}

Result<PeerCredentials> peer_credentials(int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
    return failed("SO_PEERCRED");
  if (size != sizeof peer || peer.uid == static_cast<uid_t>(-1))
    return Error{ENOTCONN, "SO_PEERCRED: no peer"};
  return PeerCredentials{peer.pid, peer.uid, peer.gid};
}

Status close_from(int first) {
  if (::syscall(SYS_close_range, first, UINT_MAX, 0) != 0) return failed("close_range");
  return ok();
}

Status cloexec_from(int first) {
  if (::syscall(SYS_close_range, first, UINT_MAX, CLOSE_RANGE_CLOEXEC) != 0)
    return failed("close_range");
  return ok();
}

}  // namespace mp11
