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
 * The tables of os_sandbox.h for Linux. To let a program make one more call, add a row with the
 * reason; regress/unit/common/os_sandbox_test.cc tries what each program must not do.
 *
 * A row without a condition beside one with a condition for the same call would make the condition
 * void, so a test refuses that. Conditions on flags test bits and not whole values: an argument is
 * 64 bits wide here, and the kernel looks at fewer.
 */
#include <fcntl.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <string_view>

#include "os_sandbox.h"

namespace mp11 {
namespace {

constexpr SandboxArg equal(uint8_t index, uint64_t value, const char* text) {
  return {SandboxArg::kEqual, index, 0, value, text};
}
constexpr SandboxArg differs(uint8_t index, uint64_t value, const char* text) {
  return {SandboxArg::kDiffers, index, 0, value, text};
}
constexpr SandboxArg masked(uint8_t index, uint64_t mask, uint64_t value, const char* text) {
  return {SandboxArg::kMasked, index, mask, value, text};
}
constexpr SandboxArg own_pid(uint8_t index) {
  return {SandboxArg::kOwnPid, index, 0, 0, "own process"};
}
constexpr SandboxArg less(uint8_t index, uint64_t value, const char* text) {
  return {SandboxArg::kLess, index, 0, value, text};
}
constexpr SandboxRule refuse(const char* call, int error, const char* why, SandboxArg arg = {}) {
  return {call, why, arg, {}, error};
}

constexpr uint64_t kWriteExec = PROT_WRITE | PROT_EXEC;
/* What a new thread has, and every bit that would make it a process or a namespace instead. */
constexpr uint64_t kThread = CLONE_VM | CLONE_SIGHAND | CLONE_THREAD;
constexpr uint64_t kCloneBits = kThread | CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS |
                                CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET |
                                CLONE_PTRACE | CLONE_PARENT | CLONE_VFORK | CLONE_IO;
constexpr uint64_t kSpecialModes = S_ISUID | S_ISGID;

// clang-format off

/* Every program but [priv]. */
constexpr SandboxRule kEvery[] = {
    {"read", "used for pipes, sockets and files that are open"},
    {"write", "used for log lines and doorbells"},
    {"writev", "used for the message of an assertion"},
    {"close", "used for descriptors no longer needed"},
    {"lseek", "used for the size of a sealed memfd"},
    {"pread64", "used for reading a sealed memfd"},
    {"sendto", "used for doorbells and records, on sockets that are there"},
    {"sendmsg", "used for records"},
    {"recvfrom", "used for doorbells and records"},
    {"recvmsg", "used for records and the descriptors that come with them"},
    {"poll", "used for waiting, and for log lines that must not wait"},
    {"ppoll", "used for waiting where poll does not exist"},
    {"epoll_create1", "used for event loops"},
    {"epoll_ctl", "used for event loops"},
    {"epoll_wait", "used for event loops"},
    {"epoll_pwait", "used for event loops where epoll_wait does not exist"},
    {"futex", "used for the sleep words of channels, and locks"},
    {"sched_yield", "used for waiting a short time before sleeping (channel.h)"},
    {"munmap", "used for giving memory back"},
    {"mremap", "used for growing memory; keeps its protection"},
    {"brk", "used for memory"},
    {"madvise", "used for MADV_DONTDUMP, and for giving back pages"},
    {"mlock", "used for PINs and keys, which must not be swapped out"},
    {"mlock2", "used for PINs and keys, which must not be swapped out"},
    {"munlock", "used for memory that held PINs and keys"},
    {"prlimit64", "used for how much memory may be locked", equal(2, 0, "no new limit")},
    {"getrandom", "used for keys, nonces and hash seeds"},
    {"clock_gettime", "used for deadlines where the vDSO has no clock"},
    {"clock_getres", "used for deadlines"},
    {"gettimeofday", "used for times where the vDSO has no clock"},
    {"time", "used for times where the vDSO has no clock"},
    {"clock_nanosleep", "used for short sleeps"},
    {"nanosleep", "used for short sleeps"},
    {"restart_syscall", "used by the kernel to go on after a stop"},
    {"getpid", "used for log lines and random numbers after fork"},
    {"gettid", "used for abort"},
    {"rt_sigreturn", "used for coming back from signal handlers"},
    {"sigaltstack", "used by AddressSanitizer, and by handlers of stack overflow in libraries"},
    {"rt_sigprocmask", "used for abort, and for starting threads"},
    {"tgkill", "used for abort", own_pid(0)},
    {"exit", "used for ending a thread"},
    {"exit_group", "used for ending"},
    /* Not F_SETOWN and F_SETSIG: they send signals to other processes of the same uid. */
    {"fcntl", "used for flags of descriptors", equal(1, F_GETFD, "F_GETFD")},
    {"fcntl", "used for close-on-exec", equal(1, F_SETFD, "F_SETFD")},
    {"fcntl", "used for flags of descriptors", equal(1, F_GETFL, "F_GETFL")},
    {"fcntl", "used for O_NONBLOCK", equal(1, F_SETFL, "F_SETFL")},
    {"fcntl", "used for copies of descriptors", equal(1, F_DUPFD_CLOEXEC, "F_DUPFD_CLOEXEC")},
    {"fcntl", "used for sealing a segment", equal(1, F_ADD_SEALS, "F_ADD_SEALS")},
    {"fcntl", "used for checking a segment's seals", equal(1, F_GET_SEALS, "F_GET_SEALS")},
};

/* Programs that load nothing once they are confined. */
constexpr SandboxRule kNoNewCode[] = {
    {"mmap", "used for memory and segments", masked(2, PROT_EXEC, 0, "not executable")},
    {"mprotect", "used for memory", masked(2, PROT_EXEC, 0, "not executable")},
};

/*
 * Programs that load code until sandbox_loaded(). Memory is private or of a file: what is shared and
 * of no file is in nobody's RLIMIT_DATA.
 */
constexpr uint64_t kKindOfMemory = MAP_ANONYMOUS | MAP_TYPE;
constexpr SandboxArg of_a_file() { return masked(3, MAP_ANONYMOUS, 0, "of a file"); }
constexpr SandboxArg is_private() {
  return masked(3, kKindOfMemory, MAP_ANONYMOUS | MAP_PRIVATE, "private");
}
constexpr SandboxRule kLoadsCode[] = {
    {"mmap", "used for memory", masked(2, kWriteExec, 0, "not writable, not executable"),
     of_a_file()},
    {"mmap", "used for memory", masked(2, kWriteExec, 0, "not writable, not executable"),
     is_private()},
    {"mmap", "used for files", masked(2, kWriteExec, PROT_WRITE, "writable"), of_a_file()},
    {"mmap", "used for memory", masked(2, kWriteExec, PROT_WRITE, "writable"), is_private()},
    {"mmap", "used for loading libraries", masked(2, kWriteExec, PROT_EXEC, "executable"),
     of_a_file()},
    refuse("mmap", ENOMEM, "shared with nobody: no limit counts it",
           masked(3, kKindOfMemory, MAP_ANONYMOUS | MAP_SHARED, "shared")),
    refuse("mmap", ENOMEM, "shared with nobody: no limit counts it",
           masked(3, kKindOfMemory, MAP_ANONYMOUS | MAP_SHARED_VALIDATE, "shared")),
    {"mprotect", "used for memory, RELRO", masked(2, PROT_EXEC, 0, "not executable")},
    {"seccomp", "used for the second stage", equal(0, SECCOMP_SET_MODE_FILTER, "another filter"),
     equal(1, SECCOMP_FILTER_FLAG_TSYNC, "on all threads")},
};
constexpr SandboxRule kLoaded[] = {
    refuse("mmap", EACCES, "no new code: a late plug-in is not found",
           masked(2, PROT_EXEC, PROT_EXEC, "executable")),
    refuse("seccomp", EPERM, "no third stage"),
};

/* Programs whose libraries look for files, and must be told that there are none. */
constexpr SandboxRule kNoFiles[] = {
    refuse("open", ENOENT, "asked for by krb5 (configuration, plug-ins) and by tzset"),
    refuse("openat", ENOENT, "asked for by krb5 (configuration, plug-ins) and by tzset"),
    refuse("stat", ENOENT, "asked for by krb5 (is krb5.conf newer?) and by tzset"),
    refuse("lstat", ENOENT, "asked for by krb5"),
    refuse("statx", ENOENT, "asked for by krb5 on some systems"),
    refuse("access", ENOENT, "asked for by krb5 (may krb5.conf be read?)"),
    refuse("faccessat", ENOENT, "asked for by krb5"),
    refuse("faccessat2", ENOENT, "asked for by krb5"),
    refuse("readlink", ENOENT, "asked for by libraries that look for themselves"),
    refuse("readlinkat", ENOENT, "asked for by libraries that look for themselves"),
    /* With AT_EMPTY_PATH it is fstat, see kFstat. */
    refuse("newfstatat", ENOENT, "asked for by krb5 (is krb5.conf newer?) and by tzset",
           masked(3, AT_EMPTY_PATH, 0, "by path")),
};

/* glibc's fstat. That the path is really empty a filter cannot see: sizes and times may leak. */
constexpr SandboxRule kFstat[] = {
    {"fstat", "used for checking a segment's size"},
    {"newfstatat", "used for checking a segment's size (fstat in glibc)",
     masked(3, AT_EMPTY_PATH, AT_EMPTY_PATH, "by descriptor")},
};

constexpr SandboxRule kThreads[] = {
    refuse("clone3", ENOSYS, "its flags are behind a pointer; glibc then uses clone"),
    {"clone", "used for worker threads", masked(0, kCloneBits, kThread, "a thread")},
    {"set_robust_list", "used for starting threads"},
    {"rseq", "used for starting threads"},
    {"set_tid_address", "used for starting threads"},
    {"sched_getaffinity", "used for the number of processors"},
    {"membarrier", "used by lock-free code in libraries"},
};

/*
 * Files: which ones is for Landlock to say. It looks at the access mode, and before ABI 3 (Linux
 * 6.2) not at O_TRUNC, so that what may be read could be emptied: not without a mode that writes.
 */
constexpr SandboxRule kReadFiles[] = {
    {"open", "used for files", masked(1, O_TRUNC, 0, "not cut"),
     masked(2, kSpecialModes, 0, "not set-id")},
    {"open", "used for files", masked(1, O_ACCMODE, O_WRONLY, "for writing"),
     masked(2, kSpecialModes, 0, "not set-id")},
    {"open", "used for files", masked(1, O_ACCMODE, O_RDWR, "for reading and writing"),
     masked(2, kSpecialModes, 0, "not set-id")},
    {"openat", "used for files", masked(2, O_TRUNC, 0, "not cut"),
     masked(3, kSpecialModes, 0, "not set-id")},
    {"openat", "used for files", masked(2, O_ACCMODE, O_WRONLY, "for writing"),
     masked(3, kSpecialModes, 0, "not set-id")},
    {"openat", "used for files", masked(2, O_ACCMODE, O_RDWR, "for reading and writing"),
     masked(3, kSpecialModes, 0, "not set-id")},
    {"stat", "used for files"},
    {"lstat", "used for files"},
    {"fstat", "used for files"},
    {"newfstatat", "used for files (stat and fstat in glibc)"},
    {"statx", "used for files"},
    {"access", "used for files"},
    {"faccessat", "used for files"},
    {"faccessat2", "used for files"},
    {"readlink", "used for resolving paths"},
    {"readlinkat", "used for resolving paths"},
    {"getcwd", "used for resolving paths"},
    {"getdents64", "used for listing a token directory"},
    {"readv", "used for files"},
    {"fcntl", "used for file locks", equal(1, F_GETLK, "F_GETLK")},
    {"fcntl", "used for file locks", equal(1, F_SETLK, "F_SETLK")},
    {"fcntl", "used for file locks", equal(1, F_SETLKW, "F_SETLKW")},
    {"fcntl", "used for file locks", equal(1, F_OFD_GETLK, "F_OFD_GETLK")},
    {"fcntl", "used for file locks", equal(1, F_OFD_SETLK, "F_OFD_SETLK")},
    {"fcntl", "used for file locks", equal(1, F_OFD_SETLKW, "F_OFD_SETLKW")},
    {"fcntl", "used for copies of descriptors", equal(1, F_DUPFD, "F_DUPFD")},
    {"flock", "used for file locks"},
    {"getuid", "used for paths and file owners"},
    {"geteuid", "used for paths and file owners"},
    {"getgid", "used for paths and file owners"},
    {"getegid", "used for paths and file owners"},
};

/*
 * Landlock covers neither modes nor times, and truncate only from ABI 3 on: by path they would reach
 * every file of the same user, so they are for descriptors only, which Landlock saw opened.
 */
constexpr SandboxRule kWriteFiles[] = {
    {"pwrite64", "used for databases"},
    {"pwritev", "used for databases"},
    {"ftruncate", "used for rewriting a file"},
    refuse("truncate", EPERM, "by path: Landlock may not see it"),
    {"fallocate", "used for databases"},
    {"fsync", "used for what must survive a crash"},
    {"fdatasync", "used for what must survive a crash"},
    {"rename", "used for replacing a file"},
    {"renameat", "used for replacing a file"},
    {"renameat2", "used for replacing a file"},
    {"unlink", "used for removing a file"},
    {"unlinkat", "used for removing a file"},
    {"mkdir", "used for a new token", masked(1, kSpecialModes, 0, "not set-id")},
    {"mkdirat", "used for a new token", masked(2, kSpecialModes, 0, "not set-id")},
    {"rmdir", "used for removing a token"},
    {"umask", "used for the modes of new files"},
    {"fchmod", "used for the modes of new files", masked(1, kSpecialModes, 0, "not set-id")},
};

/* SQLite, in the one directory that Landlock leaves; without Landlock, in what its uid may have. */
constexpr SandboxRule kVaultState[] = {
    {"open", "used for the database and its journal", masked(2, kSpecialModes, 0, "not set-id")},
    {"openat", "used for the database and its journal", masked(3, kSpecialModes, 0, "not set-id")},
    {"stat", "used for the database and its journal"},
    {"lstat", "used for the database's path"},
    {"fstat", "used for the database's size"},
    {"newfstatat", "used for the database and its journal (stat and fstat in glibc)"},
    {"access", "used for: is there a journal?"},
    {"faccessat", "used for: is there a journal?"},
    {"faccessat2", "used for: is there a journal?"},
    {"readlink", "used for the database's path"},
    {"readlinkat", "used for the database's path"},
    {"getcwd", "used for the database's path"},
    {"geteuid", "used for whose a new file is"},
    {"fcntl", "used for the database's locks", equal(1, F_GETLK, "F_GETLK")},
    {"fcntl", "used for the database's locks", equal(1, F_SETLK, "F_SETLK")},
    {"pwrite64", "used for the database"},
    {"ftruncate", "used for the database and its journal"},
    {"accept4", "used for administrators, at the one socket that listens"},
    {"getsockopt", "used for SO_PEERCRED: who they are", equal(1, SOL_SOCKET, "SOL_SOCKET"),
     equal(2, SO_PEERCRED, "SO_PEERCRED")},
    {"fsync", "used for what must survive a crash"},
    {"fdatasync", "used for what must survive a crash"},
    {"unlink", "used for the journal"},
    {"unlinkat", "used for the journal"},
    refuse("fchmod", EPERM, "files are made with the right mode"),
    refuse("fchown", EPERM, "asked for where root runs SQLite"),
    refuse("statx", ENOENT, "asked for by tzset on some systems"),
};

constexpr SandboxRule kLog[] = {
    {"socket", "used for reaching syslog or the journal again", equal(0, AF_UNIX, "AF_UNIX"),
     masked(1, 0xf, SOCK_DGRAM, "datagrams")},
    {"connect", "used for reaching syslog or the journal again"},
};

constexpr SandboxRule kMonitor[] = {
    {"memfd_create", "used for segments"},
    {"ftruncate", "used for segments"},
    {"fallocate", "used for punching idle segments"},
    {"flock", "used for token locks"},
};

/* The two options and no others: filters, upper layers and new associations are options too. */
constexpr SandboxRule kNet[] = {
    {"setsockopt", "used for answers without delay", equal(1, IPPROTO_TCP, "IPPROTO_TCP"),
     equal(2, TCP_NODELAY, "TCP_NODELAY")},
    {"setsockopt", "used for peers that are gone", equal(1, IPPROTO_TCP, "IPPROTO_TCP"),
     equal(2, TCP_USER_TIMEOUT, "TCP_USER_TIMEOUT")},
};

/* Foreign code: more than ours would need, for libraries that look around. */
constexpr SandboxRule kBackend[] = {
    /* syslog(3) in a library asks; a socket would be a way out. */
    refuse("socket", EACCES, "no sockets: libraries that use syslog(3) go on without"),
    refuse("ioctl", ENOTTY, "asked for by stdio: is this a terminal?"),
    {"rt_sigaction", "used for handlers of signals 1 to 30", less(0, SIGSYS, "below SIGSYS")},
    {"rt_sigaction", "used for starting and cancelling threads",
     masked(0, ~uint64_t{31}, 32, "32 to 63, not SIGSYS")},
    {"prctl", "used for thread names", equal(0, PR_SET_NAME, "PR_SET_NAME")},
    {"prctl", "used for thread names", equal(0, PR_GET_NAME, "PR_GET_NAME")},
    {"prctl", "used for names of memory in /proc", equal(0, 0x53564d41, "PR_SET_VMA")},
    {"getrusage", "used for seeding random numbers"},
    {"times", "used for seeding random numbers"},
    {"uname", "used for names of platforms"},
    {"sysinfo", "used for sizes of caches"},
    {"getcpu", "used for caches per processor"},
    {"getppid", "used for seeding random numbers"},
    {"getpgrp", "used for seeding random numbers"},
    {"getresuid", "used for: am I set-id?"},
    {"getresgid", "used for: am I set-id?"},
    {"getgroups", "used for file permissions"},
    {"eventfd2", "used for waking threads"},
    {"pipe", "used for waking threads"},
    {"pipe2", "used for waking threads"},
    {"dup", "used for copies of descriptors"},
    {"dup2", "used for copies of descriptors"},
    {"dup3", "used for copies of descriptors"},
    {"select", "used for waiting"},
    {"pselect6", "used for waiting"},
    {"timerfd_create", "used for timers"},
    {"timerfd_settime", "used for timers"},
    {"statfs", "used for: is this a network file system? (NSS)"},
    {"fstatfs", "used for: is this a network file system? (NSS)"},
    {"fadvise64", "used for reading files"},
    {"msync", "used for databases"},
    {"mlockall", "used by libraries that keep keys in memory; RLIMIT_MEMLOCK bounds it"},
    {"munlockall", "used by libraries that keep keys in memory"},
    refuse("chmod", EPERM, "by path: Landlock does not see it (NSS asks)"),
    refuse("fchmodat", EPERM, "by path: Landlock does not see it"),
    refuse("utime", EPERM, "by path: Landlock does not see it (SQLite asks)"),
    refuse("utimes", EPERM, "by path: Landlock does not see it"),
    refuse("utimensat", EPERM, "by path: Landlock does not see it", differs(1, 0, "by path")),
    {"utimensat", "used for times of files", equal(1, 0, "by descriptor")},
};

/*
 * Our own code in the directory of one token, as the uid that owns nothing else. Modes by path are
 * for directories that a library closed to itself.
 */
constexpr uint64_t kHowOpened = O_ACCMODE | O_CREAT | O_TRUNC | O_DIRECTORY;
constexpr SandboxRule kEraser[] = {
    {"openat", "used for directories", masked(2, kHowOpened, O_DIRECTORY, "a directory, to read")},
    {"fstat", "used for: is it on the same file system?"},
    {"newfstatat", "used for: is it a directory? (stat and fstat in glibc)"},
    {"getdents64", "used for listing directories"},
    {"unlinkat", "used for removing what is there"},
    {"fchmodat", "used for directories that are closed", masked(2, kSpecialModes, 0, "not set-id")},
};

/* With the network: what it may not do is become or reach another process. */
constexpr SandboxRule kRemote[] = {
    {"socket", "used for multip11d and the KDC", equal(0, AF_INET, "AF_INET")},
    {"socket", "used for multip11d and the KDC", equal(0, AF_INET6, "AF_INET6")},
    {"socket", "used by getaddrinfo for own addresses", equal(0, AF_NETLINK, "AF_NETLINK"),
     equal(2, 0, "NETLINK_ROUTE")},
    {"connect", "used for multip11d and the KDC"},
    {"bind", "used by getaddrinfo on its netlink socket"},
    {"getsockname", "used by getaddrinfo"},
    {"getpeername", "used for log lines"},
    {"setsockopt", "used for TCP_NODELAY, SCTP's timers, and by the resolver"},
    {"getsockopt", "used for SO_ERROR"},
    {"shutdown", "used for the end of a connection"},
    {"sendmmsg", "used by the resolver"},
    {"ioctl", "used by the resolver", equal(1, FIONREAD, "FIONREAD")},
    {"ioctl", "used by krb5", equal(1, FIONBIO, "FIONBIO")},
    {"ioctl", "used by stdio", equal(1, TCGETS, "TCGETS")},
    {"select", "used by krb5"},
    {"pselect6", "used by krb5"},
    refuse("keyctl", ENOSYS, "asked for by krb5 for KEYRING: caches, which are not supported"),
    refuse("add_key", ENOSYS, "asked for by krb5 for KEYRING: caches"),
    refuse("request_key", ENOSYS, "asked for by krb5 for KEYRING: caches"),
    {"uname", "used for the host's name"},
    {"sysinfo", "used for sizes of caches"},
    {"getresuid", "used by krb5: am I set-id?"},
    {"getresgid", "used by krb5: am I set-id?"},
    {"getppid", "used for noticing the application's end"},
    {"statfs", "used by libselinux, which krb5 may load"},
    {"prctl", "used by libcap, which NSS modules load",
     equal(0, PR_CAPBSET_READ, "PR_CAPBSET_READ")},
    {"sched_getaffinity", "used for the number of processors"},
    {"eventfd2", "used for event loops"},
    {"timerfd_create", "used for deadlines"},
    {"timerfd_settime", "used for deadlines"},
};

/* Of the application's user: who keeps his tickets, and answers for names, may be a local daemon. */
constexpr SandboxRule kRemoteLocal[] = {
    {"socket", "used for KCM, nscd and resolved", equal(0, AF_UNIX, "AF_UNIX")},
};

/* As a backend: what listens at a unix socket of the host is not for it. */
constexpr SandboxRule kUplink[] = {
    refuse("socket", EAFNOSUPPORT, "asked for by the resolver, which goes on without nscd",
           equal(0, AF_UNIX, "AF_UNIX")),
    {"prctl", "used for the second stage", equal(0, PR_SET_NO_NEW_PRIVS, "no-new-privileges")},
    {"landlock_create_ruleset", "used for the second stage"},
    {"landlock_restrict_self", "used for the second stage"},
};

/*
 * [priv] may do what root may; these it never needs. An errno and no kill: its children inherit
 * the filter, and a kill here would come before their own report of the call.
 */
constexpr SandboxRule kPriv[] = {
    refuse("ptrace", EPERM, "no process looks into another"),
    refuse("process_vm_readv", EPERM, "no process looks into another"),
    refuse("process_vm_writev", EPERM, "no process looks into another"),
    refuse("process_madvise", EPERM, "no process looks into another"),
    refuse("kcmp", EPERM, "no process looks into another"),
    refuse("pidfd_getfd", EPERM, "descriptors are passed, not taken"),
    refuse("io_uring_setup", EPERM, "a way around every filter"),
    refuse("io_uring_enter", EPERM, "a way around every filter"),
    refuse("io_uring_register", EPERM, "a way around every filter"),
    refuse("bpf", EPERM, "kernel's attack surface"),
    refuse("perf_event_open", EPERM, "kernel's attack surface"),
    refuse("userfaultfd", EPERM, "kernel's attack surface"),
    refuse("add_key", EPERM, "kernel's attack surface"),
    refuse("keyctl", EPERM, "kernel's attack surface"),
    refuse("request_key", EPERM, "kernel's attack surface"),
    refuse("init_module", EPERM, "root's power over the kernel"),
    refuse("finit_module", EPERM, "root's power over the kernel"),
    refuse("delete_module", EPERM, "root's power over the kernel"),
    refuse("kexec_load", EPERM, "root's power over the kernel"),
    refuse("kexec_file_load", EPERM, "root's power over the kernel"),
    refuse("reboot", EPERM, "root's power over the machine"),
    refuse("swapon", EPERM, "root's power over the machine"),
    refuse("swapoff", EPERM, "root's power over the machine"),
    refuse("iopl", EPERM, "root's power over the machine"),
    refuse("ioperm", EPERM, "root's power over the machine"),
    refuse("acct", EPERM, "root's power over the machine"),
    refuse("quotactl", EPERM, "root's power over the machine"),
    refuse("settimeofday", EPERM, "root's power over the machine"),
    refuse("clock_settime", EPERM, "root's power over the machine"),
    refuse("adjtimex", EPERM, "root's power over the machine"),
    refuse("clock_adjtime", EPERM, "root's power over the machine"),
    refuse("sethostname", EPERM, "root's power over the machine"),
    refuse("setdomainname", EPERM, "root's power over the machine"),
    refuse("syslog", EPERM, "root's power over the machine"),
    refuse("open_by_handle_at", EPERM, "reaches files without a path"),
    refuse("name_to_handle_at", EPERM, "reaches files without a path"),
    refuse("mount_setattr", EPERM, "mounts are not changed"),
    refuse("move_mount", EPERM, "mounts are not changed"),
    refuse("open_tree", EPERM, "mounts are not changed"),
    refuse("fsopen", EPERM, "mounts are not changed"),
    refuse("umount2", EPERM, "mounts are not changed"),
    refuse("pivot_root", EPERM, "mounts are not changed"),
    refuse("personality", EPERM, "old execution domains"),
    refuse("modify_ldt", EPERM, "old execution domains"),
    refuse("vmsplice", EPERM, "kernel's attack surface"),
    refuse("shmget", EPERM, "segments are memfds"),
    refuse("msgget", EPERM, "no System V queues"),
    refuse("semget", EPERM, "no System V semaphores"),
};

/*
 * Only in a build with sanitizers: what their reports ask for, so that a report comes out before
 * the process ends. Everything else that they do is in the tables above. (Where a row for the same
 * call is there already, theirs is not added.)
 */
constexpr SandboxRule kSanitizers[] = {
    refuse("ioctl", ENOTTY, "asked for by sanitizers: is this a terminal?"),
    refuse("readlink", ENOENT, "asked for by sanitizers: which program is this?"),
    refuse("open", ENOENT, "asked for by sanitizers, for symbols and /proc/self/maps"),
    refuse("openat", ENOENT, "asked for by sanitizers, for symbols and /proc/self/maps"),
    refuse("stat", ENOENT, "asked for by sanitizers: is there a symbolizer?"),
    refuse("access", ENOENT, "asked for by sanitizers: is there a symbolizer?"),
    refuse("pipe", EMFILE, "asked for by sanitizers: can this address be read?"),
    refuse("pipe2", EMFILE, "asked for by sanitizers: can this address be read?"),
};

// clang-format on

/* Those of kSanitizers that no row of the profile has an answer for. */
std::span<const SandboxRule> sanitizer_rule(const SandboxProfile& profile,
                                            const SandboxRule& rule) {
  for (std::span<const SandboxRule> group : profile.groups)
    for (const SandboxRule& known : group)
      if (std::string_view(known.call) == rule.call) return {};
  return {&rule, 1};
}

SandboxProfile plain_profile(Program program) {
  constexpr auto kKill = SandboxDefault::kKill;
  switch (program) {
    case Program::kAuth:
      return {program, "auth", kKill, false, {kEvery, kNoNewCode, kNoFiles}};
    case Program::kVault:
      return {program, "vault", kKill, false, {kEvery, kNoNewCode, kNoFiles}};
    case Program::kVaultState:
      return {program, "vault-state", kKill, false, {kEvery, kNoNewCode, kVaultState}};
    case Program::kLog:
      return {program, "log", kKill, false, {kEvery, kNoNewCode, kNoFiles, kLog}};
    case Program::kMonitor:
      return {program, "monitor", kKill, false, {kEvery, kNoNewCode, kFstat, kMonitor}};
    case Program::kNet:
      return {program, "net", kKill, false, {kEvery, kNoNewCode, kNoFiles, kFstat, kNet}};
    case Program::kBackend:
      return {program,
              "backend",
              SandboxDefault::kTrap,
              true,
              {kEvery, kLoadsCode, kThreads, kReadFiles, kWriteFiles, kBackend}};
    case Program::kRemote:
      return {
          program, "remote", kKill, true, {kEvery, kLoadsCode, kReadFiles, kRemote, kRemoteLocal}};
    case Program::kUplink:
      return {program,
              "uplink",
              kKill,
              true,
              {kEvery, kLoadsCode, kReadFiles, kRemote, kUplink},
              Program::kUplinkConnected};
    case Program::kUplinkConnected:
      /* What multip11-net may, which does the same at the other end. */
      return {
          program, "uplink-connected", kKill, false, {kEvery, kNoNewCode, kNoFiles, kFstat, kNet}};
    case Program::kEraser:
      return {program, "eraser", kKill, false, {kEvery, kNoNewCode, kEraser}};
    case Program::kPriv:
      break;
  }
  return {Program::kPriv, "priv", SandboxDefault::kAllow, false, {kPriv}};
}

}  // namespace

std::span<const SandboxRule> sandbox_loaded_rules() { return kLoaded; }

SandboxProfile sandbox_profile(Program program) {
  SandboxProfile profile = plain_profile(program);
  if (!kSanitized || program == Program::kPriv) return profile;
  for (const SandboxRule& rule : kSanitizers)
    if (auto added = sanitizer_rule(profile, rule); !added.empty()) profile.groups.push_back(added);
  return profile;
}

}  // namespace mp11
