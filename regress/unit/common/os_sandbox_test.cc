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
 * Each program, in a child that put itself under its profile, tries what it must not do. A row here
 * is an attempt; what comes of it without a sandbox is tried too, so that a refusal means
 * something.
 */
#include "os_sandbox.h"

#include <fcntl.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <atomic>
#include <boost/test/unit_test.hpp>
#include <map>
#include <set>
#include <thread>

#include "log.h"
#include "os_landlock.h"
#include "os_process.h"
#include "os_test_util.h"

using namespace mp11;
using test::ChildResult;
using test::in_child;

namespace {

constexpr Program kAll[] = {Program::kPriv,
                            Program::kAuth,
                            Program::kVault,
                            Program::kVaultState,
                            Program::kLog,
                            Program::kMonitor,
                            Program::kNet,
                            Program::kBackend,
                            Program::kRemote,
                            Program::kUplink,
                            Program::kUplinkConnected,
                            Program::kEraser};
/* All but [priv], whose table only denies. */
constexpr Program kConfined[] = {Program::kAuth,       Program::kVault,
                                 Program::kVaultState, Program::kLog,
                                 Program::kMonitor,    Program::kNet,
                                 Program::kBackend,    Program::kRemote,
                                 Program::kUplink,     Program::kUplinkConnected,
                                 Program::kEraser};

unsigned set(std::initializer_list<Program> programs) {
  unsigned out = 0;
  for (Program program : programs) out |= 1u << static_cast<unsigned>(program);
  return out;
}
bool in(unsigned programs, Program program) {
  return (programs >> static_cast<unsigned>(program) & 1) != 0;
}
const unsigned kFiles =
    set({Program::kBackend, Program::kRemote, Program::kUplink, Program::kVaultState});
/* Of files the eraser looks at directories. */
const unsigned kLooks = kFiles | set({Program::kEraser});
const unsigned kBackend = set({Program::kBackend});
const unsigned kRemote = set({Program::kRemote, Program::kUplink});

/* Set before the sandbox, for the attempts. */
int g_file = -1; /* a file that may be mapped as code */
void* g_page = nullptr;
pid_t g_self = 0, g_parent = 0;

long sys(long number, unsigned long a = 0, unsigned long b = 0, unsigned long c = 0,
         unsigned long d = 0, unsigned long e = 0, unsigned long f = 0) {
  return ::syscall(number, a, b, c, d, e, f);
}
template <class T>
unsigned long at(T* pointer) {
  return reinterpret_cast<unsigned long>(pointer);
}
unsigned long num(long value) { return static_cast<unsigned long>(value); }

struct Attempt {
  const char* name;
  long (*run)();              /* -1 and errno, or anything else */
  bool works_without = false; /* succeeds where there is no sandbox, for an ordinary user too */
  unsigned allowed = 0;       /* programs that may */
  unsigned refused = 0;       /* programs that get `error` instead of being ended */
  int error = 0;
};

constexpr char kPasswd[] = "/etc/passwd";
long clone_with(unsigned long flags) {
  long pid = sys(SYS_clone, flags);
  if (pid == 0) ::_exit(0);
  return pid;
}

/* These two tell apart "open" of the programs that see no files. */
const unsigned kBlind =
    set({Program::kAuth, Program::kVault, Program::kNet, Program::kLog, Program::kUplinkConnected});

const Attempt kAttempts[] = {
    {"open", [] { return sys(SYS_open, at(kPasswd), O_RDONLY); }, true, kFiles, kBlind, ENOENT},
    {"openat", [] { return sys(SYS_openat, num(AT_FDCWD), at(kPasswd), O_RDONLY); }, true, kFiles,
     kBlind, ENOENT},
    {"open a directory",
     [] { return sys(SYS_openat, num(AT_FDCWD), at("/etc"), O_RDONLY | O_DIRECTORY); }, true,
     kLooks, kBlind, ENOENT},
    {"open to write", [] { return sys(SYS_openat, num(AT_FDCWD), at("/dev/null"), O_WRONLY); },
     true, kFiles, kBlind, ENOENT},
    {"rename", [] { return sys(SYS_rename, at("/proc/x"), at("/proc/y")); }, false, kBackend},
    {"remove", [] { return sys(SYS_unlinkat, num(AT_FDCWD), at("/proc/x"), 0); }, false,
     set({Program::kBackend, Program::kVaultState, Program::kEraser})},
    {"mode by path", [] { return sys(SYS_fchmodat, num(AT_FDCWD), at("/proc/x"), 0700); }, false,
     set({Program::kEraser}), kBackend, EPERM},
    {"stat by path",
     [] {
       struct stat about;
       return sys(SYS_newfstatat, num(AT_FDCWD), at(kPasswd), at(&about), 0);
     },
     true, kLooks, kBlind, ENOENT},
    {"access", [] { return sys(SYS_access, at(kPasswd), R_OK); }, true, kFiles, kBlind, ENOENT},
    {"create set-uid file",
     [] { return sys(SYS_openat, num(AT_FDCWD), at("/dev/null"), O_WRONLY | O_CREAT, 04755); },
     true, 0, kBlind, ENOENT},
    {"symlink", [] { return sys(SYS_symlink, at("/x"), at("/proc/x")); }},
    {"link", [] { return sys(SYS_link, at(kPasswd), at("/proc/x")); }},
    {"mknod", [] { return sys(SYS_mknod, at("/proc/x"), S_IFIFO | 0600, 0); }},
    {"chown", [] { return sys(SYS_chown, at("/proc/self"), num(-1), num(-1)); }},
    {"chroot", [] { return sys(SYS_chroot, at("/")); }},
    {"mount", [] { return sys(SYS_mount, 0, at("/"), 0, MS_ASYNC); }},
    {"open by handle", [] { return sys(SYS_open_by_handle_at, 0, 0, 0); }},

    {"socketpair",
     [] {
       int fds[2];
       return sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, at(fds));
     },
     true},
    {"listen", [] { return sys(SYS_listen, 0, 1); }},
    {"bind", [] { return sys(SYS_bind, 0, 0, 0); }, false, kRemote},
    {"connect", [] { return sys(SYS_connect, 0, 0, 0); }, false, kRemote | set({Program::kLog})},
    {"accept", [] { return sys(SYS_accept, 0, 0, 0); }},
    {"accept4", [] { return sys(SYS_accept4, 0, 0, 0, 0); }, false, set({Program::kVaultState})},

    {"execve",
     [] {
       const char* argv[] = {"true", nullptr};
       return sys(SYS_execve, at("/bin/true"), at(argv), at(argv + 1));
     },
     true},
    {"execveat", [] { return sys(SYS_execveat, num(g_file), at(""), 0, 0, AT_EMPTY_PATH); }},
    {"fork", [] { return clone_with(SIGCHLD); }, true},
    {"fork by its own call",
     [] {
       long pid = sys(SYS_fork);
       if (pid == 0) ::_exit(0);
       return pid;
     },
     true},
    {"clone into a user namespace", [] { return clone_with(SIGCHLD | CLONE_NEWUSER); }},
    {"thread in a namespace",
     [] { return sys(SYS_clone, CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_NEWNET, 1); }},
    {"clone3", [] { return sys(SYS_clone3, 0, 0); }, false, 0, kBackend, ENOSYS},
    {"unshare", [] { return sys(SYS_unshare, CLONE_NEWUSER); }},
    {"setns", [] { return sys(SYS_setns, 0, 0); }},
    {"setresuid", [] { return sys(SYS_setresuid, num(-1), num(-1), num(-1)); }, true},
    {"capset", [] { return sys(SYS_capset, 0, 0); }},

    {"ptrace", [] { return sys(SYS_ptrace, PTRACE_TRACEME); }, true},
    {"process_vm_readv",
     [] {
       char out[8];
       iovec to{out, sizeof out}, from{g_page, sizeof out};
       return sys(SYS_process_vm_readv, num(g_self), at(&to), 1, at(&from), 1, 0);
     },
     true},
    {"process_vm_writev", [] { return sys(SYS_process_vm_writev, num(g_self), 0, 0, 0, 0, 0); },
     true},
    {"kcmp", [] { return sys(SYS_kcmp, num(g_self), num(g_self), 0, 0, 0); }},
    {"pidfd_open", [] { return sys(SYS_pidfd_open, num(g_parent), 0); }, true},
    {"pidfd_getfd", [] { return sys(SYS_pidfd_getfd, 0, 0, 0); }},
    {"kill", [] { return sys(SYS_kill, num(g_parent), 0); }, true},
    {"kill everybody", [] { return sys(SYS_kill, num(-1), 0); }, true},
    {"tkill", [] { return sys(SYS_tkill, num(g_parent), 0); }, true},
    {"tgkill another", [] { return sys(SYS_tgkill, num(g_parent), num(g_parent), 0); }, true},
    {"signals by fcntl: F_SETOWN", [] { return sys(SYS_fcntl, 2, F_SETOWN, num(g_parent)); }, true},
    {"signals by fcntl: F_SETSIG", [] { return sys(SYS_fcntl, 2, F_SETSIG, SIGTERM); }, true},
    {"prlimit of another",
     [] {
       rlimit limit{1, 1};
       return sys(SYS_prlimit64, num(g_self), RLIMIT_CORE, at(&limit), 0);
     },
     false},
    {"sched_setscheduler", [] { return sys(SYS_sched_setscheduler, num(g_parent), 0, 0); }},

    {"io_uring_setup", [] { return sys(SYS_io_uring_setup, 1, 0); }},
    {"keyctl", [] { return sys(SYS_keyctl, KEYCTL_GET_KEYRING_ID, num(KEY_SPEC_SESSION_KEYRING)); },
     false, 0, kRemote, ENOSYS},
    {"add_key", [] { return sys(SYS_add_key, 0, 0, 0, 0, 0); }, false, 0, kRemote, ENOSYS},
    {"bpf", [] { return sys(SYS_bpf, 0, 0, 0); }},
    {"userfaultfd", [] { return sys(SYS_userfaultfd, 0); }},
    {"perf_event_open", [] { return sys(SYS_perf_event_open, 0, 0, 0, 0, 0); }},
    {"shmget", [] { return sys(SYS_shmget, IPC_PRIVATE, 4096, 0600); }, true},
    {"memfd_create", [] { return sys(SYS_memfd_create, at("x"), 0); }, true,
     set({Program::kMonitor})},
    {"personality", [] { return sys(SYS_personality, 0x0400000 /* READ_IMPLIES_EXEC */); }, true},
    {"dumpable again", [] { return sys(SYS_prctl, PR_SET_DUMPABLE, 1); }, true},
    {"ioctl: type for the user", [] { return sys(SYS_ioctl, 0, 0x5412 /* TIOCSTI */, 0); }, false,
     0, kBackend, ENOTTY},

    {"memory made executable",
     [] { return sys(SYS_mprotect, at(g_page), 4096, PROT_READ | PROT_EXEC); }, true},
    {"memory made executable by its key",
     [] { return sys(SYS_pkey_mprotect, at(g_page), 4096, PROT_READ | PROT_EXEC, num(-1)); }, true},
    {"memory writable and executable",
     [] {
       return sys(SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                  MAP_PRIVATE | MAP_ANONYMOUS, num(-1), 0);
     },
     true},
    {"file mapped as code",
     [] { return sys(SYS_mmap, 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, num(g_file), 0); },
     true, kBackend | kRemote},

    {"SIGSYS handler", [] { return sys(SYS_rt_sigaction, SIGSYS, 0, 0, 8); }, true},
    {"SIGSYS handler, high bits set",
     [] { return sys(SYS_rt_sigaction, 1ul << 32 | SIGSYS, 0, 0, 8); }, true},
    {"SIGSEGV handler", [] { return sys(SYS_rt_sigaction, SIGSEGV, 0, 0, 8); }, true, kBackend},
    {"real-time handler", [] { return sys(SYS_rt_sigaction, 40, 0, 0, 8); }, true, kBackend},
    {"filter for one thread only", [] { return sys(SYS_seccomp, 1, 0, 0); }},
    {"seccomp notifications", [] { return sys(SYS_seccomp, 1, 8, 0); }},
};

constexpr int kDone = 42, kErrnoBase = 100;

/* In a child: exit code kDone when the attempt did not answer -1, else kErrnoBase + errno. */
ChildResult attempt(const std::function<long()>& run, const Program* program) {
  pid_t parent = ::getpid();
  return in_child([&] {
    g_self = ::getpid();
    g_parent = parent;
    g_file = ::open("/proc/self/exe", O_RDONLY);
    g_page = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (program != nullptr) {
      log_init(sandbox_profile(*program).name, LogLevel::kInfo, true);
      auto entered = sandbox_enter(*program);
      if (!entered) {
        ::dprintf(2, "%s\n", entered.error().text.c_str());
        return 1;
      }
    }
    errno = 0;
    if (run() != -1) return kDone;
    return kErrnoBase + (errno < 100 ? errno : 99);
  });
}

/* The process was ended for the call, in the way of its profile. */
bool ended(const ChildResult& child, Program program) {
  if (program != Program::kBackend) return child.killed(SIGSYS);
  return child.exited(kSandboxExit) &&
         child.err.find("<2>sandbox: refused system call ") != std::string::npos;
}

void try_one(const Attempt& row, Program program) {
  ChildResult child = attempt(row.run, &program);
  std::string text =
      std::string(sandbox_profile(program).name) + " tries " + row.name + ": " + child.describe();
  if (in(row.allowed, program)) {
    BOOST_TEST((!ended(child, program) && !child.exited(1)), text);
    if (row.works_without) BOOST_TEST(child.exited(kDone), text);
  } else if (in(row.refused, program)) {
    BOOST_TEST(child.exited(kErrnoBase + row.error), text);
  } else {
    /* With sanitizers some calls are refused that would end the process (kSanitized). */
    bool refused = kSanitized && !child.exited(kDone) && !child.exited(1);
    BOOST_TEST((ended(child, program) || refused), text);
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(sandbox, *boost::unit_test::enable_if<!test::kThreadSanitizer>())

BOOST_AUTO_TEST_CASE(attempts_work_without_a_sandbox) {
  for (const Attempt& row : kAttempts) {
    if (!row.works_without) continue;
    ChildResult child = attempt(row.run, nullptr);
    /* execve of true ends with 0 */
    BOOST_TEST((child.exited(kDone) || child.exited(0)), row.name << ": " << child.describe());
  }
}

BOOST_AUTO_TEST_CASE(attempts_are_refused) {
  for (const Attempt& row : kAttempts)
    for (Program program : kConfined) try_one(row, program);
}

BOOST_AUTO_TEST_CASE(sockets_of_every_family) {
  const std::map<Program, std::set<int>> may = {
      {Program::kRemote, {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK}},
      {Program::kUplink, {AF_INET, AF_INET6, AF_NETLINK}}};
  for (Program program : kConfined)
    for (int family = 0; family < 46; family++) {
      auto child = attempt(
          [family] { return sys(SYS_socket, static_cast<unsigned>(family), SOCK_STREAM, 0); },
          &program);
      std::string text = std::string(sandbox_profile(program).name) + " family " +
                         std::to_string(family) + " " + child.describe();
      auto row = may.find(program);
      if (row != may.end() && row->second.count(family) != 0)
        BOOST_TEST((child.exited(kDone) || WEXITSTATUS(child.status) > kErrnoBase), text);
      else if (program == Program::kBackend)
        BOOST_TEST(child.exited(kErrnoBase + EACCES), text);
      else if (program == Program::kUplink && family == AF_UNIX)
        BOOST_TEST(child.exited(kErrnoBase + EAFNOSUPPORT), text);
      else
        BOOST_TEST(child.killed(SIGSYS), text);
    }
  Program remote = Program::kRemote;
  auto netfilter = attempt(
      [] { return sys(SYS_socket, AF_NETLINK, SOCK_RAW, 12 /* NETLINK_NETFILTER */); }, &remote);
  BOOST_TEST(netfilter.killed(SIGSYS), netfilter.describe());
  Program log = Program::kLog;
  BOOST_TEST(attempt([] { return sys(SYS_socket, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0); }, &log)
                 .exited(kDone));
}

BOOST_AUTO_TEST_CASE(priv_is_denied_what_it_never_needs) {
  Program priv = Program::kPriv;
  for (long number : {SYS_ptrace, SYS_process_vm_readv, SYS_io_uring_setup, SYS_bpf, SYS_keyctl,
                      SYS_userfaultfd, SYS_perf_event_open, SYS_init_module, SYS_kexec_load,
                      SYS_pidfd_getfd, SYS_open_by_handle_at, SYS_shmget, SYS_reboot}) {
    auto child = attempt([number] { return sys(number); }, &priv);
    BOOST_TEST(child.exited(kErrnoBase + EPERM), number << ": " << child.describe());
  }
  /* And may still do its work. */
  auto child = attempt(
      [] {
        int fds[2];
        CHILD_CHECK(::socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
        CHILD_CHECK(::open(kPasswd, O_RDONLY) >= 0);
        return clone_with(SIGCHLD);
      },
      &priv);
  BOOST_TEST(child.exited(kDone), child.describe());
}

/* A child of [priv] inherits its filter; the child's own report of a refused call must not suffer.
 */
BOOST_AUTO_TEST_CASE(filters_of_priv_and_backend_together) {
  Program backend = Program::kBackend;
  auto child = in_child([&] {
    CHILD_CHECK(sandbox_enter(Program::kPriv).ok());
    CHILD_CHECK(sandbox_enter(backend).ok());
    return static_cast<int>(sys(SYS_ptrace, PTRACE_TRACEME));
  });
  BOOST_TEST(child.exited(kSandboxExit), child.describe());
  BOOST_TEST(child.err == "multip11: sandbox: refused system call 101 (ptrace)\n");
}

/* What every program of ours does once it is confined. */
BOOST_AUTO_TEST_CASE(ordinary_work_is_allowed) {
  for (Program program : kAll) {
    int fds[2];
    BOOST_REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) == 0);
    UniqueFd a(fds[0]), b(fds[1]);
    auto child = attempt(
        [&]() -> long {
          char octet = 'x';
          CHILD_CHECK(::send(a.get(), &octet, 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1);
          CHILD_CHECK(test::readable_within(b.get(), 1000));
          CHILD_CHECK(::recv(b.get(), &octet, 1, 0) == 1);
          void* memory =
              ::mmap(nullptr, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
          CHILD_CHECK(memory != MAP_FAILED);
          CHILD_CHECK(::mlock(memory, 4096) == 0 || errno == ENOMEM || errno == EPERM);
          CHILD_CHECK(::madvise(memory, 4096, MADV_DONTDUMP) == 0);
          CHILD_CHECK(::munmap(memory, 1 << 20) == 0);
          free(malloc(10u << 20));
          timespec now;
          CHILD_CHECK(::syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now) == 0);
          CHILD_CHECK(::syscall(SYS_sched_yield) == 0);
          CHILD_CHECK(::syscall(SYS_getrandom, &now, sizeof now, 0) == sizeof now);
          log_info("a line");
          return 0;
        },
        &program);
    BOOST_TEST(child.exited(kDone), sandbox_profile(program).name << ": " << child.describe());
    BOOST_TEST(child.err == "<6>a line\n");
    /* An assertion must look like one in the log, and not like a break-in. */
    auto aborted = attempt(
        []() -> long {
          MP11_ASSERT(1 + 1 == 3);
          return 0;
        },
        &program);
    BOOST_TEST(aborted.killed(SIGABRT), sandbox_profile(program).name << aborted.describe());
  }
}

/* Threads that were there before are bound as well. */
BOOST_AUTO_TEST_CASE(all_threads_are_bound) {
  auto child = in_child([] {
    std::atomic<bool> confined{false};
    std::thread other([&] {
      while (!confined) ::usleep(1000);
      ::syscall(SYS_getppid); /* fine */
      ::syscall(SYS_personality, 0xffffffff);
      ::_exit(3);
    });
    CHILD_CHECK(sandbox_enter(Program::kBackend).ok());
    confined = true;
    other.join();
    return 2;
  });
  BOOST_TEST(child.exited(kSandboxExit), child.describe());
}

/* A library that blocks the report still does not get its call. */
BOOST_AUTO_TEST_CASE(blocked_sigsys_is_death) {
  Program backend = Program::kBackend;
  auto child = attempt(
      [] {
        sigset_t all;
        ::sigfillset(&all);
        ::sigprocmask(SIG_BLOCK, &all, nullptr);
        return sys(SYS_ptrace, PTRACE_TRACEME);
      },
      &backend);
  BOOST_TEST(child.killed(SIGSYS), child.describe());
}

BOOST_AUTO_TEST_CASE(backend_may_start_threads) {
  Program backend = Program::kBackend;
  auto child = attempt(
      [] {
        std::atomic<int> ran{0};
        std::thread a([&] { ran++; }), b([&] { ran++; });
        a.join();
        b.join();
        return ran == 2 ? 0l : -1l;
      },
      &backend);
  BOOST_TEST(child.exited(kDone), child.describe());
  for (Program program : {Program::kAuth, Program::kVault, Program::kMonitor, Program::kNet}) {
    auto refused = attempt([]() -> long { return std::thread([] {}).join(), 0; }, &program);
    BOOST_TEST(refused.killed(SIGSYS), refused.describe());
  }
}

BOOST_AUTO_TEST_CASE(no_new_code_after_loading) {
  for (Program program : {Program::kBackend, Program::kRemote}) {
    auto child = attempt(
        [&]() -> long {
          auto map_code = [] {
            return ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, g_file, 0) !=
                   MAP_FAILED;
          };
          CHILD_CHECK(map_code());
          std::atomic<int> stage{0};
          std::thread other;
          if (program == Program::kBackend)
            other = std::thread([&] {
              while (stage == 0) ::usleep(1000);
              if (!map_code() && errno == EACCES) stage = 2;
            });
          auto loaded = sandbox_loaded();
          CHILD_CHECK(loaded.ok());
          CHILD_CHECK(!map_code() && errno == EACCES);
          CHILD_CHECK(::syscall(SYS_seccomp, 1, 1, nullptr) == -1 && errno == EPERM);
          CHILD_CHECK(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                             0) != MAP_FAILED);
          stage = 1;
          if (other.joinable()) {
            other.join();
            CHILD_CHECK(stage == 2);
          }
          return 0;
        },
        &program);
    BOOST_TEST(child.exited(kDone), child.describe());
  }
  auto child = in_child([] {
    CHILD_CHECK(sandbox_enter(Program::kNet).ok());
    CHILD_CHECK(!sandbox_loaded().ok());
    return 0;
  });
  BOOST_TEST(child.exited(0), child.describe());
}

/* multip11-remote as a backend: what it needed for connecting is gone, as its Landlock rules are.
 */
BOOST_AUTO_TEST_CASE(an_uplink_that_is_connected) {
  Program uplink = Program::kUplink;
  static auto connected = [](long number, unsigned long a, unsigned long b, unsigned long c) {
    LandlockSpec nothing;
    nothing.may_be_absent = true;
    CHILD_CHECK(landlock_enter(nothing).ok());
    CHILD_CHECK(::open("/dev/null", O_RDONLY) == -1);
    CHILD_CHECK(sandbox_loaded().ok());
    return sys(number, a, b, c);
  };
  auto file =
      attempt([] { return connected(SYS_openat, num(AT_FDCWD), at(kPasswd), O_RDONLY); }, &uplink);
  BOOST_TEST(file.exited(kErrnoBase + ENOENT), file.describe());
  for (long number : {SYS_socket, SYS_connect, SYS_bind, SYS_landlock_create_ruleset, SYS_prctl,
                      SYS_seccomp, SYS_statfs, SYS_getdents64, SYS_ioctl, SYS_sendmmsg}) {
    auto child = attempt([number] { return connected(number, AF_INET, SOCK_STREAM, 0); }, &uplink);
    BOOST_TEST(child.killed(SIGSYS), number << ": " << child.describe());
  }
  auto code = attempt(
      [] {
        CHILD_CHECK(sandbox_loaded().ok());
        return sys(SYS_mmap, 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, num(g_file), 0);
      },
      &uplink);
  BOOST_TEST(code.killed(SIGSYS), code.describe());
  auto rest = attempt([] { return connected(SYS_getpid, 0, 0, 0); }, &uplink);
  BOOST_TEST(rest.exited(kDone), rest.describe());
}

/* The order in which programs do it: the limits must leave room for making the filter. */
BOOST_AUTO_TEST_CASE(filters_can_be_made_under_the_limits) {
  for (Program program : kConfined) {
    auto child = in_child([&] {
      SelfLimits limits;
      limits.files = 10;
      CHILD_CHECK(limit_self(limits).ok());
      CHILD_CHECK(sandbox_enter(program).ok());
      return 0;
    });
    BOOST_TEST(child.exited(0), sandbox_profile(program).name << ": " << child.describe());
  }
}

/* See the head of os_linux_sandbox_table.cc: a row without condition swallows those with one. */
BOOST_AUTO_TEST_CASE(tables_are_consistent) {
  for (Program program : kAll) {
    SandboxProfile profile = sandbox_profile(program);
    std::map<std::string, std::pair<int, int>> rows; /* without and with a condition */
    for (auto group : profile.groups)
      for (const SandboxRule& rule : group) {
        bool bare = rule.first.test == SandboxArg::kNone;
        BOOST_TEST((!bare || rule.second.test == SandboxArg::kNone));
        (bare ? rows[rule.call].first : rows[rule.call].second)++;
        BOOST_TEST(std::string(rule.why).size() > 5, rule.call);
        if (!bare) BOOST_TEST(std::string(rule.first.text) != "", rule.call);
      }
    for (const auto& [call, count] : rows) {
      bool fine = count.first == 0 || (count.first == 1 && count.second == 0);
      BOOST_TEST(fine, profile.name << ": " << call);
    }
    std::string table = sandbox_table(program);
    for (const auto& [call, count] : rows)
      BOOST_TEST(("\n" + table).find("\n" + call + " ") != std::string::npos, call);
    BOOST_TEST(table.find("any other call") != std::string::npos);
  }
}

BOOST_AUTO_TEST_SUITE_END()
