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
#include "log.h"

#include <fcntl.h>

#include <boost/test/unit_test.hpp>

#include "mp11_limits.h"
#include "os_test_util.h"

using mp11::LogLevel;
using test::in_child;

BOOST_AUTO_TEST_SUITE(log_lines)

BOOST_AUTO_TEST_CASE(plain_lines_name_the_program) {
  auto child = in_child([] {
    mp11::log_init("multip11-x", LogLevel::kInfo, false);
    mp11::log_info("answer %d", 42);
    mp11::log_debug("not wanted");
    return 0;
  });
  BOOST_TEST(child.err == "multip11-x: answer 42\n");
}

BOOST_AUTO_TEST_CASE(lines_for_the_log_have_a_priority) {
  auto child = in_child([] {
    mp11::log_init("multip11-x", LogLevel::kDebug, true);
    mp11::log_error("e");
    mp11::log_info("i");
    mp11::log_verbose("v");
    mp11::log_debug("d");
    mp11::log_signal_safe(LogLevel::kFatal, "s\n");
    return 0;
  });
  BOOST_TEST(child.err == "<3>e\n<6>i\n<6>v\n<7>d\n<2>s\\x0a\n");
}

BOOST_AUTO_TEST_CASE(quiet_is_quiet) {
  auto child = in_child([] {
    mp11::log_init("multip11.so", LogLevel::kQuiet, false);
    mp11::log_line(LogLevel::kFatal, "no");
    mp11::log_signal_safe(LogLevel::kFatal, "no");
    return 0;
  });
  BOOST_TEST(child.err == "");
}

/* Else a client could write lines in another's name, or speak to the administrator's terminal. */
BOOST_AUTO_TEST_CASE(nothing_in_a_text_makes_a_line) {
  auto child = in_child([] {
    mp11::log_init("x", LogLevel::kInfo, true);
    mp11::log_info("%s", "a\n<2>b\r\x1b[2J\x7f\xc2\x9b\\n\t.");
    return 0;
  });
  BOOST_TEST(child.err == "<6>a\\x0a<2>b\\x0d\\x1b[2J\\x7f\\xc2\\x9b\\\\n\\x09.\n");
}

BOOST_AUTO_TEST_CASE(long_lines_are_cut) {
  auto child = in_child([] {
    mp11::log_init("x", LogLevel::kInfo, false);
    mp11::log_info("%s", std::string(5000, 'a').c_str());
    mp11::log_info("%s", std::string(500, '\n').c_str()); /* four octets each once escaped */
    return 0;
  });
  size_t end = child.err.find('\n');
  BOOST_REQUIRE(end != std::string::npos);
  std::string first = child.err.substr(0, end + 1), second = child.err.substr(end + 1);
  BOOST_TEST(first.size() == mp11::limits::kLogLine);
  BOOST_TEST(first.ends_with("a...\n"));
  BOOST_TEST(second.size() <= mp11::limits::kLogLine);
  BOOST_TEST(second.ends_with("\\x0a...\n"));
}

BOOST_AUTO_TEST_CASE(errno_is_kept_and_usable) {
  auto child = in_child([] {
    mp11::log_init("x", LogLevel::kInfo, false);
    errno = ENOENT;
    mp11::log_info("%m");
    return errno == ENOENT ? 0 : 1;
  });
  BOOST_TEST(child.exited(0));
  BOOST_TEST(child.err == "x: No such file or directory\n");
}

BOOST_AUTO_TEST_CASE(fatal_ends_with_255) {
  auto child = in_child([]() -> int {
    mp11::log_init("x", LogLevel::kError, false);
    mp11::fatal("bad %s", "peer");
  });
  BOOST_TEST(child.exited(255));
  BOOST_TEST(child.err == "x: bad peer\n");
}

/* A log that is not read must not stop a process, and what is lost must be known. */
void full_pipe(int flags) {
  int fds[2];
  BOOST_REQUIRE(::pipe2(fds, flags) == 0);
  mp11::UniqueFd read_end(fds[0]), write_end(fds[1]);
  auto child = in_child([&] {
    ::dup2(write_end.get(), 2);
    mp11::log_init("x", LogLevel::kInfo, true);
    int lines = 0;
    int room = ::fcntl(2, F_GETPIPE_SZ);
    for (; lines < room; lines++)
      mp11::log_info("%0900d", lines); /* returns, or alarm() kills us */
    char drain[1 << 16];
    int size = room;
    while (size > 0 && test::readable_within(read_end.get(), 0)) {
      ssize_t n = ::read(read_end.get(), drain, sizeof drain);
      if (n <= 0) break;
    }
    mp11::log_info("after");
    mp11::log_info("last");
    return 0;
  });
  BOOST_TEST(child.exited(0), child.describe());
  write_end.reset();
  std::string rest = test::read_all(read_end.get());
  BOOST_TEST(rest.starts_with("<6>["), rest);
  BOOST_TEST(rest.ends_with(" lines lost] after\n<6>last\n"), rest);
  int lost = std::atoi(rest.c_str() + 4);
  BOOST_TEST(lost > 60000);
  BOOST_TEST(lost < 65536);
}
BOOST_AUTO_TEST_CASE(full_pipe_blocking) { full_pipe(0); }
BOOST_AUTO_TEST_CASE(full_pipe_nonblocking) { full_pipe(O_NONBLOCK); }

BOOST_AUTO_TEST_CASE(nobody_reads) {
  auto child = in_child([] {
    int fds[2];
    CHILD_CHECK(::pipe(fds) == 0);
    ::dup2(fds[1], 2);
    ::close(fds[1]);
    ::close(fds[0]);
    ::signal(SIGPIPE, SIG_DFL);
    mp11::log_init("x", LogLevel::kInfo, true);
    mp11::log_info("into the void");
    return 7;
  });
  BOOST_TEST(child.exited(7), child.describe());
}

BOOST_AUTO_TEST_SUITE_END()
