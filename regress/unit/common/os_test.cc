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
#include <arpa/inet.h>
#include <fcntl.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <boost/test/unit_test.hpp>
#include <fstream>
#include <thread>

#include "os_landlock.h"
#include "os_memfd.h"
#include "os_process.h"
#include "os_test_util.h"
#include "temp_dir.h"

using namespace mp11;
using test::in_child;
using test::TempDir;

namespace {

void write_file(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

int try_open(const std::string& path, int flags) {
  UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC, 0600));
  return fd ? 0 : errno;
}

struct Tree {
  TempDir dir;
  std::string read = dir.file("read"), write = dir.file("write"), create = dir.file("create"),
              other = dir.file("other");
  Tree() {
    ::chmod(dir.path().c_str(), 0755);
    for (const auto& path : {read, write, create, other}) {
      ::mkdir(path.c_str(), 0755);
      write_file(path + "/file", "text");
    }
  }
  LandlockSpec spec() const {
    LandlockSpec spec;
    spec.paths = {{read, PathAccess::kRead},
                  {write, PathAccess::kReadWrite},
                  {create, PathAccess::kReadWriteCreate},
                  {dir.file("absent"), PathAccess::kRead, true}};
    return spec;
  }
};

bool has_landlock() {
  if (landlock_abi() > 0) return true;
  BOOST_TEST_MESSAGE("skipped: this kernel has no Landlock");
  return false;
}

sockaddr_un abstract_address() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "mp11-test-%d", ::getpid());
  return address;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(landlock, *boost::unit_test::enable_if<!test::kThreadSanitizer>())

BOOST_AUTO_TEST_CASE(files) {
  if (!has_landlock()) return;
  Tree tree;
  auto child = in_child([&] {
    auto entered = landlock_enter(tree.spec());
    if (!entered) ::dprintf(2, "%s\n", entered.error().text.c_str());
    CHILD_CHECK(entered.ok());
    CHILD_CHECK(entered->abi == landlock_abi());
    CHILD_CHECK(::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
    /* What is granted ... */
    CHILD_CHECK(try_open(tree.read + "/file", O_RDONLY) == 0);
    CHILD_CHECK(try_open(tree.read, O_RDONLY | O_DIRECTORY) == 0);
    CHILD_CHECK(try_open(tree.write + "/file", O_RDWR) == 0);
    CHILD_CHECK(try_open(tree.create + "/new", O_RDWR | O_CREAT | O_TRUNC) == 0);
    CHILD_CHECK(::mkdir((tree.create + "/dir").c_str(), 0700) == 0);
    CHILD_CHECK(::rename((tree.create + "/new").c_str(), (tree.create + "/dir/new").c_str()) == 0 ||
                entered->abi < 2);
    CHILD_CHECK(::unlink((tree.create + "/file").c_str()) == 0);
    /* ... and what is not. */
    CHILD_CHECK(try_open(tree.read + "/file", O_WRONLY) == EACCES);
    CHILD_CHECK(try_open(tree.read + "/new", O_WRONLY | O_CREAT) == EACCES);
    CHILD_CHECK(try_open(tree.write + "/new", O_WRONLY | O_CREAT) == EACCES);
    CHILD_CHECK(::unlink((tree.write + "/file").c_str()) == -1);
    CHILD_CHECK(try_open(tree.other + "/file", O_RDONLY) == EACCES);
    CHILD_CHECK(try_open(tree.dir.path(), O_RDONLY | O_DIRECTORY) == EACCES);
    CHILD_CHECK(try_open("/etc/passwd", O_RDONLY) == EACCES);
    CHILD_CHECK(try_open(tree.read + "/../other/file", O_RDONLY) == EACCES);
    CHILD_CHECK(::symlink("/etc", (tree.create + "/link").c_str()) == -1);
    CHILD_CHECK(::mkfifo((tree.create + "/fifo").c_str(), 0600) == -1);
    CHILD_CHECK(::rename((tree.create + "/dir").c_str(), (tree.other + "/dir").c_str()) == -1);
    CHILD_CHECK(::link((tree.read + "/file").c_str(), (tree.create + "/link").c_str()) == -1);
    if (entered->abi >= 3) CHILD_CHECK(::truncate((tree.read + "/file").c_str(), 0) == -1);
    return 0;
  });
  BOOST_TEST(child.exited(0), child.describe());
}

BOOST_AUTO_TEST_CASE(execution) {
  if (!has_landlock()) return;
  for (PathAccess access : {PathAccess::kRead, PathAccess::kReadExec}) {
    auto child = in_child([&] {
      LandlockSpec spec;
      for (const char* path : {"/bin", "/usr", "/lib", "/lib64"})
        spec.paths.push_back({path, access, true});
      CHILD_CHECK(landlock_enter(spec).ok());
      ::execl("/bin/true", "true", nullptr);
      return errno == EACCES ? 13 : 1;
    });
    BOOST_TEST(child.exited(access == PathAccess::kReadExec ? 0 : 13), child.describe());
  }
}

BOOST_AUTO_TEST_CASE(network_sockets_and_signals) {
  if (!has_landlock()) return;
  UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  UniqueFd other_listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  UniqueFd abstract(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{}, other{};
  for (auto [fd, where] : {std::pair(&listener, &address), std::pair(&other_listener, &other)}) {
    where->sin_family = AF_INET;
    where->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof *where;
    BOOST_REQUIRE(::bind(fd->get(), reinterpret_cast<sockaddr*>(where), size) == 0);
    BOOST_REQUIRE(::listen(fd->get(), 5) == 0);
    ::getsockname(fd->get(), reinterpret_cast<sockaddr*>(where), &size);
  }
  sockaddr_un name = abstract_address();
  BOOST_REQUIRE(::bind(abstract.get(), reinterpret_cast<sockaddr*>(&name), sizeof name) == 0);
  BOOST_REQUIRE(::listen(abstract.get(), 5) == 0);
  for (bool confined : {false, true}) {
    auto child = in_child([&] {
      LandlockSpec spec;
      spec.connect_ports = {ntohs(address.sin_port)};
      int abi = confined ? landlock_enter(spec)->abi : 0;
      auto connects = [](int family, const void* where, size_t size) {
        UniqueFd fd(::socket(family, SOCK_STREAM, 0));
        return ::connect(fd.get(), static_cast<const sockaddr*>(where),
                         static_cast<socklen_t>(size)) == 0;
      };
      UniqueFd fd(::socket(AF_INET, SOCK_STREAM, 0));
      sockaddr_in any{};
      any.sin_family = AF_INET;
      CHILD_CHECK(connects(AF_INET, &address, sizeof address));
      CHILD_CHECK(connects(AF_INET, &other, sizeof other) == (abi < 4));
      CHILD_CHECK((::bind(fd.get(), reinterpret_cast<sockaddr*>(&any), sizeof any) == 0) ==
                  (abi < 4));
      CHILD_CHECK(connects(AF_UNIX, &name, sizeof name) == (abi < 6));
      CHILD_CHECK((::kill(::getppid(), 0) == 0) == (abi < 6));
      return 0;
    });
    BOOST_TEST(child.exited(0), child.describe());
  }
}

BOOST_AUTO_TEST_CASE(errors) {
  auto child = in_child([] {
    LandlockSpec missing;
    missing.paths = {{"/no/such/path", PathAccess::kRead}};
    CHILD_CHECK(!landlock_enter(missing).ok());
    std::thread([] { ::pause(); }).detach();
    auto entered = landlock_enter({});
    CHILD_CHECK(!entered.ok() && entered.error().code == EBUSY);
    return 0;
  });
  BOOST_TEST(child.exited(0), child.describe());
}

/* The kernel of somebody else: its Landlock calls are made to fail. */
BOOST_AUTO_TEST_CASE(absence_is_an_error_unless_allowed) {
  auto child = in_child([] {
    scmp_filter_ctx filter = ::seccomp_init(SCMP_ACT_ALLOW);
    ::seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SYS_landlock_create_ruleset, 0);
    CHILD_CHECK(::seccomp_load(filter) == 0);
    ::seccomp_release(filter);
    LandlockSpec spec;
    auto refused = landlock_enter(spec);
    CHILD_CHECK(!refused.ok() && refused.error().code == ENOSYS);
    spec.may_be_absent = true;
    auto allowed = landlock_enter(spec);
    CHILD_CHECK(allowed.ok() && allowed->abi == 0);
    CHILD_CHECK(try_open("/etc/passwd", O_RDONLY) == 0);
    return 0;
  });
  BOOST_TEST(child.exited(0), child.describe());
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(memfd)

BOOST_AUTO_TEST_CASE(sealed_and_read_back) {
  const uint8_t bytes[] = {1, 2, 3, 0, 5};
  auto fd = sealed_memfd("test", bytes);
  BOOST_REQUIRE(fd.ok());
  int raw = fd->get();
  BOOST_TEST((::fcntl(raw, F_GETFD) & FD_CLOEXEC) != 0);
  BOOST_TEST(::pwrite(raw, "x", 1, 0) == -1);
  BOOST_TEST(::ftruncate(raw, 2) == -1);
  BOOST_TEST(::ftruncate(raw, 20) == -1);
  BOOST_TEST(::fcntl(raw, F_ADD_SEALS, 0) == -1);
  BOOST_TEST((::mmap(nullptr, 5, PROT_READ | PROT_WRITE, MAP_SHARED, raw, 0) == MAP_FAILED));
  auto back = read_sealed_memfd(raw, 5);
  BOOST_REQUIRE(back.ok());
  BOOST_TEST(back->size() == 5u);
  BOOST_TEST(::memcmp(back->data(), bytes, 5) == 0);
  auto small = read_sealed_memfd(raw, 4);
  BOOST_TEST(!small.ok());
  BOOST_TEST(small.error().code == EFBIG);
  auto empty = sealed_memfd("empty", {});
  BOOST_REQUIRE(empty.ok());
  auto nothing = read_sealed_memfd(empty->get(), 0);
  BOOST_TEST(nothing.ok());
}

BOOST_AUTO_TEST_CASE(unsealed_is_refused) {
  UniqueFd fd(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  BOOST_TEST(read_sealed_memfd(fd.get(), 100).error().code == EPERM);
  ::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL); /* but WRITE */
  BOOST_TEST(read_sealed_memfd(fd.get(), 100).error().code == EPERM);
  UniqueFd file(::open("/etc/passwd", O_RDONLY | O_CLOEXEC));
  BOOST_TEST(!read_sealed_memfd(file.get(), 1u << 20).ok());
}

BOOST_AUTO_TEST_CASE(copy_of_a_file) {
  TempDir dir;
  std::string text(200000, 'k');
  text += "end";
  write_file(dir.file("file"), text);
  UniqueFd file(::open(dir.file("file").c_str(), O_RDONLY | O_CLOEXEC));
  auto fd = sealed_copy("copy", file.get(), text.size());
  BOOST_REQUIRE(fd.ok());
  auto back = read_sealed_memfd(fd->get(), text.size());
  BOOST_REQUIRE(back.ok());
  BOOST_TEST(back->size() == text.size());
  BOOST_TEST(::memcmp(back->data(), text.data(), text.size()) == 0);
  BOOST_TEST(sealed_copy("copy", file.get(), text.size() - 1).error().code == EFBIG);
  UniqueFd directory(::open(dir.path().c_str(), O_RDONLY | O_CLOEXEC));
  BOOST_TEST(sealed_copy("copy", directory.get(), 1000).error().code == EINVAL);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(process)

BOOST_AUTO_TEST_CASE(limits_of_its_own) {
  auto child = in_child([] {
    SelfLimits limits;
    limits.files = 40;
    limits.file_size = 4096;
    CHILD_CHECK(limit_self(limits).ok());
    rlimit got{};
    CHILD_CHECK(::getrlimit(RLIMIT_NOFILE, &got) == 0 && got.rlim_max == 40 && got.rlim_cur == 40);
    CHILD_CHECK(::getrlimit(RLIMIT_CORE, &got) == 0 && got.rlim_max == 0);
    CHILD_CHECK(::prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
    CHILD_CHECK(::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
    CHILD_CHECK(::umask(0) == 077);
    CHILD_CHECK(::fcntl(0, F_DUPFD, 40) == -1);
    UniqueFd memory(::memfd_create("test", 0));
    CHILD_CHECK(::ftruncate(memory.get(), 4096) == 0);
    CHILD_CHECK(::ftruncate(memory.get(), 4097) == -1 && errno == EFBIG);
    limits.files = 100; /* never raised */
    CHILD_CHECK(limit_self(limits).ok());
    CHILD_CHECK(::getrlimit(RLIMIT_NOFILE, &got) == 0 && got.rlim_max == 40);
    return 0;
  });
  BOOST_TEST(child.exited(0), child.describe());
}

BOOST_AUTO_TEST_CASE(descriptors) {
  auto child = in_child([] {
    CHILD_CHECK(::dup2(0, 10) == 10 && ::dup2(0, 12) == 12 && ::dup2(0, 9) == 9);
    CHILD_CHECK(cloexec_from(10).ok());
    CHILD_CHECK(::fcntl(9, F_GETFD) == 0);
    CHILD_CHECK(::fcntl(10, F_GETFD) == FD_CLOEXEC && ::fcntl(12, F_GETFD) == FD_CLOEXEC);
    CHILD_CHECK(close_from(10).ok());
    CHILD_CHECK(::fcntl(9, F_GETFD) == 0);
    CHILD_CHECK(::fcntl(10, F_GETFD) == -1 && ::fcntl(12, F_GETFD) == -1);
    return 0;
  });
  BOOST_TEST(child.exited(0), child.describe());
}

BOOST_AUTO_TEST_CASE(credentials_of_a_peer) {
  int fds[2];
  BOOST_REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) == 0);
  UniqueFd a(fds[0]), b(fds[1]), file(::open("/etc/passwd", O_RDONLY | O_CLOEXEC)),
      unconnected(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  auto peer = peer_credentials(a.get());
  BOOST_REQUIRE(peer.ok());
  BOOST_TEST(peer->uid == ::geteuid());
  BOOST_TEST(peer->pid == ::getpid());
  BOOST_TEST(!peer_credentials(file.get()).ok());
  BOOST_TEST(!peer_credentials(unconnected.get()).ok());
}

BOOST_AUTO_TEST_CASE(thread_count_counts, *boost::unit_test::enable_if<!test::kThreadSanitizer>()) {
  auto child = in_child([] {
    CHILD_CHECK(thread_count() == 1);
    std::thread([] { ::pause(); }).detach();
    CHILD_CHECK(thread_count() == 2);
    return 0;
  });
  BOOST_TEST(child.exited(0), child.describe());
}

BOOST_AUTO_TEST_CASE(root_does_not_come_back,
                     *boost::unit_test::enable_if<!test::kThreadSanitizer>()) {
  if (::geteuid() != 0) {
    BOOST_TEST_MESSAGE("skipped: needs root");
    return;
  }
  auto child = in_child([] {
    CHILD_CHECK(!drop_to({0, 65534}).ok());
    CHILD_CHECK(!drop_to({65534, 0}).ok());
    CHILD_CHECK(::geteuid() == 0);
    CHILD_CHECK(drop_to({65533, 65534}).ok());
    uid_t r, e, s;
    CHILD_CHECK(::getresuid(&r, &e, &s) == 0 && r == 65533 && e == 65533 && s == 65533);
    CHILD_CHECK(::getgroups(0, nullptr) == 0);
    CHILD_CHECK(::setuid(0) == -1 && ::seteuid(0) == -1 && ::setreuid(0, 0) == -1);
    CHILD_CHECK(::setgid(0) == -1 && ::setegid(0) == -1);
    std::ifstream status("/proc/self/status");
    int sets = 0;
    for (std::string line; std::getline(status, line);) {
      if (!line.starts_with("Cap")) continue;
      CHILD_CHECK(line.ends_with("\t0000000000000000"));
      sets++;
    }
    CHILD_CHECK(sets == 5);
    return 0;
  });
  BOOST_TEST(child.exited(0), child.describe());
}

BOOST_AUTO_TEST_CASE(capabilities_are_cut) {
  auto child = in_child([] {
    CHILD_CHECK(keep_capabilities(1u << 7 /* CAP_SETUID */).ok());
    bool root = ::geteuid() == 0;
    CHILD_CHECK((::setresuid(65533, static_cast<uid_t>(-1), static_cast<uid_t>(-1)) == 0) == root);
    CHILD_CHECK(::setresgid(65533, 65533, 65533) == -1);
    CHILD_CHECK(drop_capabilities().ok());
    return 0;
  });
  BOOST_TEST(child.exited(0), child.describe());
}

BOOST_AUTO_TEST_CASE(how_a_child_ended) {
  auto ends = [](auto body) {
    pid_t pid = ::fork();
    if (pid == 0) {
      ::signal(SIGSYS, SIG_DFL);
      ::signal(SIGTERM, SIG_DFL);
      body();
      ::_exit(0);
    }
    UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    return *wait_child(pidfd.get(), true);
  };
  BOOST_TEST(ends([] { ::_exit(3); })->describe() == "exit code 3");
  BOOST_TEST(ends([] { ::raise(SIGKILL); })->describe() == "signal 9");
  BOOST_TEST((ends([] { ::raise(SIGSYS); })->kind == ExitReason::kSandbox));
  BOOST_TEST((ends([] { ::_exit(159); })->kind == ExitReason::kSandbox));
  pid_t pid = ::fork();
  if (pid == 0) {
    ::pause();
    ::_exit(0);
  }
  UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  auto running = wait_child(pidfd.get(), false);
  BOOST_REQUIRE(running.ok());
  BOOST_TEST(!running->has_value());
  BOOST_TEST(kill_process(pidfd.get(), SIGKILL).ok());
  BOOST_TEST((*wait_child(pidfd.get(), true))->value == SIGKILL);
  BOOST_TEST(kill_process(pidfd.get(), SIGKILL).ok()); /* gone: no error */
  BOOST_TEST(!wait_child(pidfd.get(), true).ok());
}

BOOST_AUTO_TEST_SUITE_END()
