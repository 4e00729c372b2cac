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
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <atomic>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "os_process.h"
#include "os_test_util.h"

using namespace mp11;
using test::in_child;

namespace {

struct Pipe {
  UniqueFd read, write;
  Pipe() {
    int fds[2];
    if (::pipe2(fds, O_CLOEXEC) != 0) std::abort();
    read = UniqueFd(fds[0]);
    write = UniqueFd(fds[1]);
  }
};

bool is_root() { return ::geteuid() == 0; }
std::optional<Identity> somebody() {
  return is_root() ? std::optional(Identity{65533, 65534}) : std::nullopt;
}

SpawnSpec shell(const std::string& script) {
  SpawnSpec spec;
  spec.program = "/bin/sh";
  spec.argv = {"mp11-test", "-c", script};
  spec.environment = {"PATH=/usr/bin:/bin", "ONLY=this"};
  spec.identity = somebody();
  return spec;
}

/* Runs the script and returns what it wrote to descriptor 1. */
std::string output_of(SpawnSpec spec) {
  Pipe out;
  spec.fds.push_back({out.write.get(), 1});
  auto child = spawn(spec);
  if (!child) return "error: " + child.error().text;
  out.write.reset();
  std::string text = test::read_all(out.read.get());
  auto reason = wait_child(child->pidfd.get(), true);
  if (!reason.ok() || (*reason)->describe() != "exit code 0") text += "(failed)";
  return text;
}

std::string field(const std::string& status, const std::string& name) {
  std::istringstream lines(status);
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with(name + ":"))
      return line.substr(std::min(line.size(), line.find_first_not_of(" \t", name.size() + 1)));
  return "(none)";
}

bool no_children() { return ::waitpid(-1, nullptr, WNOHANG | __WALL) == -1 && errno == ECHILD; }

}  // namespace

BOOST_AUTO_TEST_SUITE(spawning)

/* A descriptor that leaks into a child is a way out of its sandbox. */
BOOST_AUTO_TEST_CASE(descriptors_are_placed_and_the_rest_closed) {
  Pipe a, b;
  int leak =
      ::open("/etc/passwd", O_RDONLY); /* without close-on-exec, as an application's may be */
  int high = ::fcntl(leak, F_DUPFD, 500);
  BOOST_REQUIRE(high >= 500);
  SpawnSpec spec = shell("ls /proc/$$/fd; echo from5 >&5; echo from9 >&9; :");
  spec.fds = {{a.write.get(), 5}, {b.write.get(), 9}};
  BOOST_TEST(output_of(spec) == "0\n1\n2\n5\n9\n");
  a.write.reset();
  b.write.reset();
  BOOST_TEST(test::read_all(a.read.get()) == "from5\n");
  BOOST_TEST(test::read_all(b.read.get()) == "from9\n");
  ::close(leak);
  ::close(high);
}

/* Places that are sources of other places: none may be lost. */
BOOST_AUTO_TEST_CASE(descriptors_can_trade_places) {
  auto child = in_child([] {
    Pipe a, b;
    CHILD_CHECK(::dup2(a.write.get(), 8) == 8 && ::dup2(b.write.get(), 9) == 9);
    SpawnSpec spec = shell("echo a >&9; echo b >&8; x=$(readlink /proc/$$/fd/0); echo \"$x\" >&8");
    spec.fds = {{8, 9}, {9, 8}};
    auto started = spawn(spec);
    CHILD_CHECK(started.ok());
    CHILD_CHECK((*wait_child(started->pidfd.get(), true))->describe() == "exit code 0");
    ::close(8);
    ::close(9);
    a.write.reset();
    b.write.reset();
    CHILD_CHECK(test::read_all(a.read.get()) == "a\n");
    CHILD_CHECK(test::read_all(b.read.get()) == "b\n/dev/null\n");
    return 0;
  });
  BOOST_TEST(child.exited(0), child.describe());
}

BOOST_AUTO_TEST_CASE(state_of_the_child) {
  auto child = in_child([] {
    /* What a child must not inherit. */
    ::signal(SIGINT, SIG_IGN);
    sigset_t mask;
    ::sigemptyset(&mask);
    ::sigaddset(&mask, SIGUSR1);
    ::sigprocmask(SIG_BLOCK, &mask, nullptr);
    ::setenv("LEAK", "x", 1);
    std::string status = output_of(
        shell("pwd; env | sort; while read -r l; do echo \"$l\"; done < /proc/$$/status"));
    CHILD_CHECK(status.starts_with("/\nONLY=this\nPATH=/usr/bin:/bin\nPWD=/\n") ||
                status.starts_with("/\nONLY=this\nPATH="));
    CHILD_CHECK(status.find("LEAK") == std::string::npos);
    CHILD_CHECK(field(status, "SigBlk") == "0000000000000000");
    CHILD_CHECK(field(status, "SigIgn") == "0000000000000000");
    CHILD_CHECK(field(status, "NoNewPrivs") == "1");
    CHILD_CHECK(field(status, "CapEff") == "0000000000000000");
    CHILD_CHECK(field(status, "CapPrm") == "0000000000000000");
    if (is_root()) {
      CHILD_CHECK(field(status, "CapBnd") == "0000000000000000");
      CHILD_CHECK(field(status, "Uid") == "65533\t65533\t65533\t65533");
      CHILD_CHECK(field(status, "Gid") == "65534\t65534\t65534\t65534");
      CHILD_CHECK(field(status, "Groups").find_first_of("0123456789") == std::string::npos);
    }
    /* And the caller's own is as before. */
    sigset_t after;
    ::sigprocmask(SIG_BLOCK, nullptr, &after);
    CHILD_CHECK(::sigismember(&after, SIGUSR1) == 1 && ::sigismember(&after, SIGTERM) == 0);
    CHILD_CHECK(no_children());
    return 0;
  });
  BOOST_TEST(child.exited(0), child.describe());
}

BOOST_AUTO_TEST_CASE(no_child_runs_as_root) {
  SpawnSpec spec = shell("id -u");
  spec.identity = Identity{0, 65534};
  BOOST_TEST(spawn(spec).error().code == EPERM);
  spec.identity = Identity{65534, 0};
  BOOST_TEST(spawn(spec).error().code == EPERM);
  spec.identity.reset();
  BOOST_TEST(spawn(spec).ok() == !is_root());
  if (!is_root()) ::wait(nullptr);
}

BOOST_AUTO_TEST_CASE(failures_are_reported) {
  auto child = in_child([] {
    SpawnSpec spec = shell(":");
    spec.program = "/no/such/program";
    auto missing = spawn(spec);
    CHILD_CHECK(!missing.ok() && missing.error().code == ENOENT);
    CHILD_CHECK(missing.error().text.find("/no/such/program: exec") == 0);
    spec.program = "/etc/passwd";
    CHILD_CHECK(spawn(spec).error().code == EACCES);
    spec.program = "sh";
    CHILD_CHECK(spawn(spec).error().code == EINVAL);
    spec = shell(":");
    spec.fds = {{900, 5}};
    CHILD_CHECK(spawn(spec).error().code == EBADF);
    spec.fds = {{0, 5}, {1, 5}};
    CHILD_CHECK(spawn(spec).error().code == EINVAL);
    spec.fds = {{0, 256}};
    CHILD_CHECK(spawn(spec).error().code == EINVAL);
    spec.fds.clear();
    spec.net_namespace = 0; /* not a namespace */
    CHILD_CHECK(!spawn(spec).ok());
    CHILD_CHECK(no_children()); /* failed ones are reaped */
    return 0;
  });
  BOOST_TEST(child.exited(0), child.describe());
}

BOOST_AUTO_TEST_CASE(death_signal) {
  Pipe numbers;
  auto parent = in_child([&] {
    SpawnSpec spec = shell("echo ready; exec sleep 60");
    spec.death_signal = SIGKILL;
    Pipe out;
    spec.fds = {{out.write.get(), 1}};
    auto started = spawn(spec);
    CHILD_CHECK(started.ok());
    CHILD_CHECK(test::readable_within(out.read.get(), 5000));
    CHILD_CHECK(::write(numbers.write.get(), &started->pid, sizeof(pid_t)) == sizeof(pid_t));
    CHILD_CHECK(::syscall(SYS_pidfd_send_signal, started->pidfd.get(), 0, nullptr, 0) == 0);
    return 0;
  });
  BOOST_REQUIRE(parent.exited(0));
  pid_t pid = 0;
  BOOST_REQUIRE(::read(numbers.read.get(), &pid, sizeof pid) == sizeof pid);
  UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (pidfd) BOOST_TEST(test::readable_within(pidfd.get(), 5000)); /* else it is gone already */
}

BOOST_AUTO_TEST_CASE(namespaces) {
  auto child = in_child([] {
    auto name = [](const char* kind) {
      return std::filesystem::read_symlink(std::string("/proc/self/ns/") + kind).string() + "\n";
    };
    const std::string script =
        "readlink /proc/self/ns/ipc /proc/self/ns/uts /proc/self/ns/net; grep -c : /proc/net/dev";
    if (!is_root()) {
      /* Refused to an ordinary user: an error, or said to be missing. */
      SpawnSpec spec = shell(script);
      spec.namespaces = kOwnIpc | kOwnNet;
      CHILD_CHECK(spawn(spec).error().code == EPERM);
      spec.namespaces_required = false;
      auto started = spawn(spec);
      CHILD_CHECK(started.ok() && started->missing_namespaces == (kOwnIpc | kOwnNet));
      CHILD_CHECK(!new_empty_netns().ok());
      ::wait(nullptr);
      return 77;
    }
    std::string before = name("net");
    auto empty = new_empty_netns();
    if (!empty.ok()) return 77; /* root of a container */
    CHILD_CHECK(name("net") == before);
    SpawnSpec spec = shell(script);
    spec.net_namespace = empty->get();
    spec.namespaces = kOwnIpc | kOwnUts;
    std::string text = output_of(spec);
    CHILD_CHECK(text.find(name("ipc")) == std::string::npos);
    CHILD_CHECK(text.find(name("uts")) == std::string::npos);
    CHILD_CHECK(text.find(before) == std::string::npos);
    CHILD_CHECK(text.ends_with("\n1\n")); /* lo and nothing else */
    spec.net_namespace = -1;
    spec.namespaces = kOwnNet | kOwnMount;
    std::string own = output_of(spec);
    CHILD_CHECK(own.find(before) == std::string::npos && own.ends_with("\n1\n"));
    CHILD_CHECK(own.find(name("ipc")) == 0);
    return 0;
  });
  if (child.exited(77)) BOOST_TEST_MESSAGE("skipped in part: needs root that may make namespaces");
  BOOST_TEST((child.exited(0) || child.exited(77)), child.describe());
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(detached)

std::atomic<int> g_sigchld{0};

DetachedSpec helper(const std::string& script, int out) {
  DetachedSpec spec;
  spec.program = "/bin/sh";
  spec.argv = {"helper", "-c", script};
  spec.environment = {"PATH=/usr/bin:/bin"};
  spec.fds = {{out, 4}};
  spec.application_pidfd_at = 7;
  return spec;
}

/* An application with a SIGCHLD handler, a wait() loop and busy threads meets none of it. */
int application(bool from_thread, bool ignore_sigchld) {
  sigset_t before;
  ::pthread_sigmask(SIG_BLOCK, nullptr, &before);
  ::signal(SIGINT, SIG_IGN);
  if (ignore_sigchld)
    ::signal(SIGCHLD, SIG_IGN);
  else
    ::signal(SIGCHLD, [](int) { g_sigchld++; });
  std::atomic<bool> stop{false};
  std::atomic<int> reaped{0};
  std::thread waiter([&] {
    while (!stop)
      if (::waitpid(-1, nullptr, 0) > 0) reaped++;
  });
  std::thread allocator([&] {
    while (!stop) free(malloc(1000)); /* holds malloc's lock at odd moments */
  });
  Pipe out;
  Result<Child> child = Error{};
  auto start = [&] {
    errno = 4711;
    child = spawn_detached(
        helper("exec >&4; while read -r l; do echo \"$l\"; done < /proc/$$/status; grep "
               "^Pid: /proc/$$/fdinfo/7;"
               "ls /proc/$$/fd; echo END; exec sleep 60",
               out.write.get()));
    CHILD_CHECK(errno == 4711);
  };
  if (from_thread)
    std::thread(start).join();
  else
    start();
  CHILD_CHECK(child.ok());
  out.write.reset();
  std::string text;
  char c;
  while (text.find("END\n") == std::string::npos && ::read(out.read.get(), &c, 1) == 1) text += c;
  CHILD_CHECK(field(text, "Pid") == std::to_string(child->pid));
  CHILD_CHECK(field(text, "PPid") != std::to_string(::getpid()));
  CHILD_CHECK(field(text, "SigBlk") == "0000000000000000");
  CHILD_CHECK(field(text, "SigIgn") == "0000000000000000");
  CHILD_CHECK(field(text, "NoNewPrivs") == "1");
  CHILD_CHECK(text.find("\nPid:\t" + std::to_string(::getpid()) + "\n") != std::string::npos);
  CHILD_CHECK(text.find("\n0\n1\n2\n4\n7\nEND\n") != std::string::npos);
  /* No child: neither a running one nor a zombie, not even for a wait that sees all kinds. */
  CHILD_CHECK(no_children());
  CHILD_CHECK(!test::readable_within(child->pidfd.get(), 0));
  CHILD_CHECK(kill_process(child->pidfd.get(), SIGTERM).ok());
  CHILD_CHECK(test::readable_within(child->pidfd.get(), 5000));
  CHILD_CHECK(!wait_child(child->pidfd.get(), true).ok()); /* not ours to reap */
  CHILD_CHECK(no_children());
  stop = true;
  waiter.join();
  allocator.join();
  CHILD_CHECK(g_sigchld == 0 && reaped == 0);
  sigset_t after;
  ::pthread_sigmask(SIG_BLOCK, nullptr, &after);
  for (int signal = 1; signal < 65; signal++)
    CHILD_CHECK(::sigismember(&before, signal) == ::sigismember(&after, signal));
  return 0;
}

BOOST_AUTO_TEST_CASE(application_meets_nothing) {
  for (bool from_thread : {false, true})
    for (bool ignore_sigchld : {false, true}) {
      auto child = in_child([&] { return application(from_thread, ignore_sigchld); });
      BOOST_TEST(child.exited(0), child.describe());
    }
}

/* Another thread forks while a helper starts: a copy of our pipes elsewhere must not stop us. */
BOOST_AUTO_TEST_CASE(forks_meanwhile) {
  auto child = in_child([] {
    std::atomic<bool> stop{false};
    std::atomic<int> forks{0};
    std::thread forker([&] {
      while (!stop) {
        pid_t pid = ::fork();
        if (pid == 0) {
          ::usleep(300000);
          ::_exit(0);
        }
        if (++forks >= 20) ::usleep(20000);
      }
    });
    for (int i = 0; i < 20; i++) {
      auto started = spawn_detached(helper("exit 0", 0));
      CHILD_CHECK(started.ok());
      CHILD_CHECK(test::readable_within(started->pidfd.get(), 5000));
    }
    stop = true;
    forker.join();
    int reaped = 0;
    while (::waitpid(-1, nullptr, 0) > 0) reaped++;
    CHILD_CHECK(reaped == forks);
    return 0;
  });
  BOOST_TEST(child.exited(0), child.describe());
}

BOOST_AUTO_TEST_CASE(failures_leave_nothing) {
  auto child = in_child([] {
    DetachedSpec spec = helper(":", 0);
    spec.program = "/no/such/program";
    auto missing = spawn_detached(spec);
    CHILD_CHECK(!missing.ok() && missing.error().code == ENOENT);
    spec = helper(":", 900);
    CHILD_CHECK(spawn_detached(spec).error().code == EBADF);
    CHILD_CHECK(no_children());
    int next = ::dup(0);
    CHILD_CHECK(next == 3 || ::fcntl(next - 1, F_GETFD) >= 0); /* no descriptor left open */
    return 0;
  });
  BOOST_TEST(child.exited(0), child.describe());
}

/* Applications close 0, 1 and 2; our own descriptors then have these numbers. */
BOOST_AUTO_TEST_CASE(application_without_standard_descriptors) {
  auto child = in_child([] {
    Pipe out;
    int high = ::fcntl(out.write.get(), F_DUPFD_CLOEXEC, 30);
    int err = ::fcntl(2, F_DUPFD_CLOEXEC, 31);
    for (int fd : {0, 1, 2}) ::close(fd);
    auto started = spawn_detached(
        helper("x=$(readlink /proc/$$/fd/0 /proc/$$/fd/1 /proc/$$/fd/2); echo \"$x\" >&4", high));
    ::dup2(err, 2);
    CHILD_CHECK(started.ok());
    ::close(high);
    out.write.reset();
    std::string text = test::read_all(out.read.get());
    CHILD_CHECK(text == "/dev/null\n/dev/null\n/dev/null\n");
    return 0;
  });
  BOOST_TEST(child.exited(0), child.describe());
}

BOOST_AUTO_TEST_SUITE_END()
