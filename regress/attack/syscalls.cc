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
#include "syscalls.h"

#include <fcntl.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cerrno>
#include <initializer_list>

namespace attack {
namespace {

constexpr uint64_t num(long long value) { return static_cast<uint64_t>(value); }
constexpr uint64_t kCwd = num(AT_FDCWD), kNone = num(-1);
constexpr uint64_t kAnonymous = MAP_PRIVATE | MAP_ANONYMOUS;
constexpr bool kWorks = true;

constexpr Attempt kAttempts[] = {
    {"exec", "execve", SYS_execve, {kText, kArguments, kZeros}, "/bin/true", kWorks},
    {"exec", "execveat", SYS_execveat, {kCwd, kText, kArguments, kZeros, 0}, "/bin/true", kWorks},

    {"fork", "fork", SYS_fork, {}, "", kWorks},
    {"fork", "clone", SYS_clone, {SIGCHLD}, "", kWorks},
    {"fork", "clone-namespace", SYS_clone, {SIGCHLD | CLONE_NEWUSER}},
    {"fork",
     "thread-namespace",
     SYS_clone,
     {CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_NEWUSER, 0}},
    {"fork", "clone3", SYS_clone3, {0, 0}},

    /* unit/common, sockets_of_every_family, tries all there are. */
    {"sockets", "socket-unix", SYS_socket, {AF_UNIX, SOCK_STREAM, 0}, "", kWorks},
    {"sockets", "socket-unix-datagram", SYS_socket, {AF_UNIX, SOCK_DGRAM, 0}, "", kWorks},
    {"sockets", "socket-tcp", SYS_socket, {AF_INET, SOCK_STREAM, 0}, "", kWorks},
    {"sockets", "socket-udp6", SYS_socket, {AF_INET6, SOCK_DGRAM, 0}},
    {"sockets", "socket-sctp", SYS_socket, {AF_INET, SOCK_STREAM, IPPROTO_SCTP}},
    {"sockets", "socket-raw", SYS_socket, {AF_INET, SOCK_RAW, 1}},
    {"sockets", "socket-route", SYS_socket, {AF_NETLINK, SOCK_RAW, 0}, "", kWorks},
    {"sockets", "socket-netfilter", SYS_socket, {AF_NETLINK, SOCK_RAW, 12}},
    {"sockets", "socket-packet", SYS_socket, {AF_PACKET, SOCK_RAW, 0}},
    {"sockets", "socket-alg", SYS_socket, {AF_ALG, SOCK_SEQPACKET, 0}},
    {"sockets", "socket-vsock", SYS_socket, {AF_VSOCK, SOCK_STREAM, 0}},
    {"sockets", "socket-bluetooth", SYS_socket, {AF_BLUETOOTH, SOCK_RAW, 1}},
    {"network", "socketpair", SYS_socketpair, {AF_UNIX, SOCK_STREAM, 0, kZeros}, "", kWorks},
    {"network", "bind", SYS_bind, {0, kZeros, 16}},
    {"network", "connect", SYS_connect, {0, kZeros, 16}},
    {"network", "listen", SYS_listen, {0, 1}},
    {"network", "accept", SYS_accept, {0, 0, 0}},
    {"network", "accept4", SYS_accept4, {0, 0, 0, 0}},
    {"network", "setsockopt-filter", SYS_setsockopt, {3, SOL_SOCKET, SO_ATTACH_FILTER, kZeros, 16}},
    {"network", "setsockopt-ulp", SYS_setsockopt, {3, 6, 31 /* TCP_ULP */, kText, 4}, "tls"},
    {"network", "setsockopt-sctp", SYS_setsockopt, {3, 132, 110 /* CONNECTX */, kZeros, 16}},
    {"network", "getsockopt-pidfd", SYS_getsockopt, {3, SOL_SOCKET, 77, kZeros, kZeros}},

    {"files", "open-passwd", SYS_openat, {kCwd, kText, O_RDONLY}, "/etc/passwd", kWorks},
    {"files", "open-keytab", SYS_openat, {kCwd, kKeytab, O_RDONLY}},
    {"files", "open-token", SYS_openat, {kCwd, kOtherToken, O_RDONLY}},
    {"files", "open-own", SYS_openat, {kCwd, kOwnFile, O_RDONLY}, "", kWorks},
    {"files", "open-old", SYS_open, {kText, O_RDONLY}, "/etc/passwd", kWorks},
    {"files", "openat2", SYS_openat2, {kCwd, kText, kZeros, 24}, "/etc/passwd", kWorks},
    {"files", "truncate-read-only", SYS_openat, {kCwd, kOwnFile, O_RDONLY | O_TRUNC}, "", kWorks},
    {"files", "truncate", SYS_truncate, {kOwnFile, 1}, "", kWorks},
    {"files", "chmod", SYS_chmod, {kOwnFile, 0666}, "", kWorks},
    {"files", "fchmodat", SYS_fchmodat, {kCwd, kOwnFile, 0666}, "", kWorks},
    {"files", "chown", SYS_chown, {kOwnFile, kNone, kNone}, "", kWorks},
    {"files", "utimensat", SYS_utimensat, {kCwd, kOwnFile, 0, 0}, "", kWorks},
    {"files", "setxattr", SYS_setxattr, {kOwnFile, kText, kZeros, 1, 0}, "user.x"},
    {"files", "unlink", SYS_unlinkat, {kCwd, kOwnFile, AT_REMOVEDIR}},
    {"files", "rename", SYS_rename, {kOwnFile, kOwnFile}, "", kWorks},
    {"files", "link", SYS_linkat, {kCwd, kOwnFile, kCwd, kText, 0}, "/tmp/none/x"},
    {"files", "symlink", SYS_symlink, {kText, kText}, "/tmp/none/x"},
    {"files", "mknod", SYS_mknodat, {kCwd, kText, S_IFIFO | 0600, 0}, "/tmp/none/x"},
    {"files", "set-id", SYS_openat, {kCwd, kText, O_WRONLY | O_CREAT, 04755}, "/tmp/none/x"},
    {"files", "inotify", SYS_inotify_init1, {0}, "", kWorks},
    {"files", "fanotify", SYS_fanotify_init, {0, 0}},
    {"files", "by-handle", SYS_open_by_handle_at, {kCwd, kZeros, 0}},
    {"files", "chdir", SYS_chdir, {kText}, "/tmp", kWorks},

    {"trace", "ptrace", SYS_ptrace, {PTRACE_SEIZE, kVictimPid, 0, 0}},
    {"trace",
     "read-memory",
     SYS_process_vm_readv,
     {kVictimPid, kZeros, 1, kZeros, 1, 0},
     "",
     kWorks},
    {"trace",
     "write-memory",
     SYS_process_vm_writev,
     {kVictimPid, kZeros, 1, kZeros, 1, 0},
     "",
     kWorks},
    {"trace", "proc-memory", SYS_openat, {kCwd, kVictimMemory, O_RDWR}, "", kWorks},
    {"trace", "kcmp", SYS_kcmp, {kVictimPid, kVictimPid, 0, 0, 0}},
    {"trace", "pidfd_open", SYS_pidfd_open, {kVictimPid, 0}, "", kWorks},
    {"trace", "pidfd_getfd", SYS_pidfd_getfd, {3, 0, 0}},
    {"trace", "process_madvise", SYS_process_madvise, {3, 0, 0, 0, 0}},

    {"signals", "kill", SYS_kill, {kVictimPid, 0}, "", kWorks},
    {"signals", "kill-all", SYS_kill, {kNone, 0}, "", kWorks},
    {"signals", "tkill", SYS_tkill, {kVictimPid, 0}, "", kWorks},
    {"signals", "tgkill", SYS_tgkill, {kVictimPid, kVictimPid, 0}, "", kWorks},
    {"signals", "queue", SYS_rt_sigqueueinfo, {kVictimPid, 0, kZeros}},
    {"signals", "pidfd_send_signal", SYS_pidfd_send_signal, {3, 0, 0, 0}},
    {"signals", "set-owner", SYS_fcntl, {2, F_SETOWN, kVictimPid}},
    {"signals", "set-signal", SYS_fcntl, {2, F_SETSIG, SIGTERM}, "", kWorks},

    {"identity", "setuid", SYS_setuid, {0}},
    {"identity", "setresuid", SYS_setresuid, {kNone, kNone, kNone}, "", kWorks},
    {"identity", "setgid", SYS_setgid, {0}},
    {"identity", "setgroups", SYS_setgroups, {0, 0}},
    {"identity", "setfsuid", SYS_setfsuid, {kNone}, "", kWorks},
    {"identity", "capset", SYS_capset, {kZeros, kZeros}},
    {"identity", "dumpable", SYS_prctl, {PR_SET_DUMPABLE, 1}, "", kWorks},
    {"identity", "tracer", SYS_prctl, {0x59616d61 /* PR_SET_PTRACER */, kNone}},

    {"namespaces", "unshare", SYS_unshare, {0}, "", kWorks},
    {"namespaces", "setns", SYS_setns, {0, 0}},
    {"namespaces", "chroot", SYS_chroot, {kText}, "/tmp/none"},
    {"namespaces", "mount", SYS_mount, {0, kText, 0, 0, 0}, "/tmp/none"},
    {"namespaces", "umount", SYS_umount2, {kText, 0}, "/tmp/none"},
    {"namespaces", "pivot_root", SYS_pivot_root, {kText, kText}, "/tmp/none"},
    {"namespaces", "fsopen", SYS_fsopen, {kText, 0}, "none"},
    {"namespaces", "open_tree", SYS_open_tree, {kCwd, kText, 0}, "/tmp/none"},
    {"namespaces", "move_mount", SYS_move_mount, {kCwd, kText, kCwd, kText, 0}, "/tmp/none"},
    {"namespaces", "mount_setattr", SYS_mount_setattr, {kCwd, kText, 0, 0, 0}, "/tmp/none"},

    {"kernel", "bpf", SYS_bpf, {0, 0, 0}},
    {"kernel", "io_uring_setup", SYS_io_uring_setup, {1, 0}},
    {"kernel", "io_uring_enter", SYS_io_uring_enter, {3, 1, 0, 0}},
    {"kernel", "io_uring_register", SYS_io_uring_register, {3, 0, 0, 0}},
    {"kernel", "userfaultfd", SYS_userfaultfd, {0}},
    {"kernel", "perf_event_open", SYS_perf_event_open, {kZeros, 0, kNone, kNone, 0}},
    {"kernel", "keyctl", SYS_keyctl, {KEYCTL_GET_KEYRING_ID, num(KEY_SPEC_SESSION_KEYRING), 0}},
    {"kernel", "add_key", SYS_add_key, {kText, kText, kZeros, 1, 0}, "user"},
    {"kernel", "request_key", SYS_request_key, {kText, kText, 0, 0}, "user"},
    {"kernel", "init_module", SYS_init_module, {0, 0, 0}},
    {"kernel", "finit_module", SYS_finit_module, {kNone, kZeros, 0}},
    {"kernel", "delete_module", SYS_delete_module, {kText, O_NONBLOCK}, "none"},
    {"kernel", "kexec_load", SYS_kexec_load, {0, 0, 0, 1}},
    {"kernel", "kernel-log", SYS_syslog, {10 /* size of the buffer */, 0, 0}},
    {"kernel", "ioctl", SYS_ioctl, {0, 0x5412 /* TIOCSTI */, kZeros}},
    {"kernel", "shmget", SYS_shmget, {0, 0, 0600}},
    {"kernel", "msgget", SYS_msgget, {0x5ca1ab1e, 0600}},
    {"kernel", "semget", SYS_semget, {0x5ca1ab1e, 1, 0600}},
    {"kernel", "mq_open", SYS_mq_open, {kText, O_RDWR, 0, 0}, "none"},
    {"kernel", "personality", SYS_personality, {0xffffffff}, "", kWorks},
    {"kernel",
     "seccomp-notify",
     SYS_seccomp,
     {SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, 0}},
    {"kernel", "sigsys-handler", SYS_rt_sigaction, {SIGSYS, 0, 0, 8}, "", kWorks},
    {"kernel", "modify_ldt", SYS_modify_ldt, {0, kZeros, 16}},
    {"kernel", "vmsplice", SYS_vmsplice, {kNone, 0, 0, 0}},
    {"kernel", "iopl", SYS_iopl, {3}},

    {"memory", "mprotect", SYS_mprotect, {kPage, 4096, PROT_READ | PROT_EXEC}, "", kWorks},
    {"memory", "pkey_mprotect", SYS_pkey_mprotect, {kPage, 4096, PROT_READ | PROT_EXEC, kNone}},
    {"memory",
     "write-execute",
     SYS_mmap,
     {0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, kAnonymous, kNone, 0},
     "",
     kWorks},
    {"memory",
     "map-code",
     SYS_mmap,
     {0, 4096, PROT_READ | PROT_EXEC, kAnonymous, kNone, 0},
     "",
     kWorks},
    {"memory", "memfd", SYS_memfd_create, {kText, 0}, "none", kWorks},

    {"machine", "sethostname", SYS_sethostname, {kText, num(-1)}, "none"},
    {"machine", "setdomainname", SYS_setdomainname, {kText, num(-1)}, "none"},
    {"machine", "reboot", SYS_reboot, {0, 0, 0, 0}},
    {"machine", "settimeofday", SYS_settimeofday, {1, 1}},
    {"machine", "clock_settime", SYS_clock_settime, {0, 1}},
    {"machine", "adjtimex", SYS_adjtimex, {1}},
    {"machine", "swapon", SYS_swapon, {kText, 0}, "/tmp/none"},
    {"machine", "swapoff", SYS_swapoff, {kText}, "/tmp/none"},
    {"machine", "quotactl", SYS_quotactl, {0, 0, 0, 0}},
    {"machine", "acct", SYS_acct, {kText}, "/tmp/none"},
    {"machine", "limits", SYS_prlimit64, {0, RLIMIT_CORE, kZeros, 0}, "", kWorks},
    {"machine", "priority", SYS_setpriority, {0, 0, 0}, "", kWorks},
    {"machine", "scheduler", SYS_sched_setscheduler, {0, 0, kZeros}, "", kWorks},
    {"machine", "affinity", SYS_sched_setaffinity, {0, 0, 0}},
};

constexpr unsigned bits(std::initializer_list<Who> whos) {
  unsigned out = 0;
  for (Who who : whos) out |= 1u << who;
  return out;
}
/* uplink's first filter, which stays, ends it for what no program with files may do. */
constexpr unsigned kAlwaysBlind = bits({kAuth, kVault, kLog, kNet});
constexpr unsigned kBlind = kAlwaysBlind | bits({kUplink});
constexpr unsigned kLibraries = bits({kBackend, kLibrary});
constexpr unsigned kHelpers = bits({kBackend, kLibrary, kRemote});
constexpr unsigned kOne = 1;

constexpr char kStarts[] =
    "[priv] starts and ends the others with their users and namespaces, and listens for clients";
constexpr char kRoot[] = "[priv] is root: it loses what its capabilities and its filter take";
constexpr char kReaches[] =
    "multip11-remote reaches multip11d, the KDC, the resolver and the ticket cache's daemon";
constexpr char kResolves[] = "multip11-remote reads what the resolver and Kerberos read below /etc";
constexpr char kSyslog[] = "multip11-log reaches syslog or the journal, by datagrams on the host";
constexpr char kSegments[] = "multip11-monitor makes the segments of its channels, not executable";

constexpr Exception kExceptions[] = {
    {"open-passwd", kBlind, ENOENT, ""},
    {"open-keytab", kBlind, ENOENT, ""},
    {"open-token", kBlind, ENOENT, ""},
    {"open-own", kBlind, ENOENT, ""},
    {"open-old", kBlind, ENOENT, ""},
    {"truncate-read-only", kAlwaysBlind, ENOENT, ""},
    {"set-id", kAlwaysBlind, ENOENT, ""},
    {"proc-memory", kBlind, ENOENT, ""},

    /* Landlock, and for what it does not see the filter. */
    {"open-passwd", kLibraries, EACCES, ""},
    {"open-passwd", kOne << kRemote, 0, kResolves},
    {"open-old", kLibraries, EACCES, ""},
    {"open-old", kOne << kRemote, 0, kResolves},
    {"open-keytab", kHelpers, EACCES, ""},
    {"open-token", kHelpers, EACCES, ""},
    {"open-own", kHelpers, EACCES, ""},
    {"proc-memory", kHelpers, EACCES, ""},
    {"truncate", kLibraries, EPERM, ""},
    {"chmod", kLibraries, EPERM, ""},
    {"fchmodat", kLibraries, EPERM, ""},
    {"utimensat", kLibraries, EPERM, ""},
    {"unlink", kLibraries, EACCES, ""},
    {"rename", kLibraries, EACCES, ""},

    {"clone3", kLibraries, ENOSYS, ""},
    {"ioctl", kLibraries, ENOTTY, ""},
    {"sockets", kLibraries, EACCES, ""},
    {"keyctl", kOne << kRemote, ENOSYS, ""},
    {"add_key", kOne << kRemote, ENOSYS, ""},
    {"request_key", kOne << kRemote, ENOSYS, ""},

    {"socket-unix", kOne << kRemote, 0, kReaches},
    {"socket-unix-datagram", kOne << kRemote, 0, kReaches},
    {"socket-tcp", kOne << kRemote, 0, kReaches},
    {"socket-udp6", kOne << kRemote, 0, kReaches},
    {"socket-sctp", kOne << kRemote, 0, kReaches},
    {"socket-raw", kOne << kRemote, EPERM, ""},
    {"socket-route", kOne << kRemote, 0, kReaches},
    {"bind", kOne << kRemote, 0, kReaches},
    {"connect", kOne << kRemote, 0, kReaches},
    {"setsockopt-filter", kOne << kRemote, 0, kReaches},
    {"setsockopt-ulp", kOne << kRemote, 0, kReaches},
    {"setsockopt-sctp", kOne << kRemote, 0, kReaches},
    {"getsockopt-pidfd", kOne << kRemote, 0, kReaches},
    {"socket-unix-datagram", kOne << kLog, 0, kSyslog},
    {"connect", kOne << kLog, 0, kSyslog},
    {"memfd", kOne << kMonitor, 0, kSegments},

    {"exec", kOne << kPriv, 0, kStarts},
    {"fork", kOne << kPriv, 0, kStarts},
    {"sockets", kOne << kPriv, 0, kStarts},
    {"network", kOne << kPriv, 0, kStarts},
    {"signals", kOne << kPriv, 0, kStarts},
    {"identity", kOne << kPriv, 0, kStarts},
    {"pidfd_open", kOne << kPriv, 0, kStarts},
    {"unshare", kOne << kPriv, 0, kStarts},
    {"setns", kOne << kPriv, 0, kStarts},
    {"mount", kOne << kPriv, 0, kStarts},
    {"chroot", kOne << kPriv, 0, kRoot},
    {"namespaces", kOne << kPriv, EPERM, ""},
    {"proc-memory", kOne << kPriv, EACCES, ""},
    {"trace", kOne << kPriv, EPERM, ""},
    {"files", kOne << kPriv, 0, kRoot},
    {"ioctl", kOne << kPriv, 0, kRoot},
    {"mq_open", kOne << kPriv, 0, kRoot},
    {"seccomp-notify", kOne << kPriv, 0, kRoot},
    {"sigsys-handler", kOne << kPriv, 0, kRoot},
    {"kernel", kOne << kPriv, EPERM, ""},
    {"memory", kOne << kPriv, 0, kRoot},
    {"limits", kOne << kPriv, 0, kRoot},
    {"priority", kOne << kPriv, 0, kRoot},
    {"scheduler", kOne << kPriv, 0, kRoot},
    {"affinity", kOne << kPriv, 0, kRoot},
    {"machine", kOne << kPriv, EPERM, ""},
};

}  // namespace

std::span<const Attempt> attempts() { return kAttempts; }
std::span<const Exception> exceptions() { return kExceptions; }

}  // namespace attack
