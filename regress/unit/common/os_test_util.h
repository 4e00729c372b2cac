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
/* For tests that must end a process, or bind it for good: they run in a child. */
#pragma once
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <functional>
#include <string>

#include "unique_fd.h"

namespace test {

/*
 * ThreadSanitizer has a thread of its own in every process and makes calls that no profile has, so
 * that nothing can be confined: *boost::unit_test::enable_if<!test::kThreadSanitizer>().
 */
#if defined(__SANITIZE_THREAD__)
inline constexpr bool kThreadSanitizer = true;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
inline constexpr bool kThreadSanitizer = true;
#else
inline constexpr bool kThreadSanitizer = false;
#endif
#else
inline constexpr bool kThreadSanitizer = false;
#endif

struct ChildResult {
  int status = 0;  /* of waitpid */
  std::string err; /* what it wrote to descriptor 2 */
  bool exited(int code) const { return WIFEXITED(status) && WEXITSTATUS(status) == code; }
  bool killed(int signal) const { return WIFSIGNALED(status) && WTERMSIG(status) == signal; }
  std::string describe() const {
    if (WIFEXITED(status)) return "exit " + std::to_string(WEXITSTATUS(status)) + ": " + err;
    return "signal " + std::to_string(WTERMSIG(status)) + ": " + err;
  }
};

/* Runs body in a child, which ends with the code that body returns; a minute at most. */
inline ChildResult in_child(const std::function<int()>& body) {
  int fds[2];
  if (::pipe(fds) != 0) std::abort();
  pid_t pid = ::fork();
  if (pid == 0) {
    /* No handler of the test framework's in here. */
    for (int signal : {SIGABRT, SIGSEGV, SIGSYS, SIGCHLD, SIGALRM}) ::signal(signal, SIG_DFL);
    ::alarm(60);
    ::dup2(fds[1], 2);
    ::close(fds[0]);
    ::close(fds[1]);
    int code = 1;
    try {
      code = body();
    } catch (const std::exception& error) {
      ::dprintf(2, "exception: %s\n", error.what());
    }
    ::_exit(code);
  }
  ::close(fds[1]);
  ChildResult result;
  char piece[512];
  for (;;) {
    ssize_t n = ::read(fds[0], piece, sizeof piece);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    result.err.append(piece, static_cast<size_t>(n));
  }
  ::close(fds[0]);
  while (::waitpid(pid, &result.status, 0) < 0 && errno == EINTR) {
  }
  return result;
}

/* A check in a child: a message and exit code 1 instead of a framework that is not there. */
#define CHILD_CHECK(condition)                                                                   \
  do {                                                                                           \
    if (!(condition)) {                                                                          \
      ::dprintf(2, "%s:%d: %s (errno %s)\n", __FILE__, __LINE__, #condition, ::strerror(errno)); \
      ::_exit(1);                                                                                \
    }                                                                                            \
  } while (0)

/* Waits for a descriptor to be readable. */
inline bool readable_within(int fd, int timeout_ms) {
  pollfd wait{fd, POLLIN, 0};
  return ::poll(&wait, 1, timeout_ms) == 1;
}

/* All that comes until the end, or until nothing came for five seconds. */
inline std::string read_all(int fd) {
  std::string text;
  char piece[4096];
  while (readable_within(fd, 5000)) {
    ssize_t n = ::read(fd, piece, sizeof piece);
    if (n <= 0) break;
    text.append(piece, static_cast<size_t>(n));
  }
  return text;
}

}  // namespace test
