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
/* The report of `multip11 status`: what is in a line, and who gets it how. If these fail, a name
 * forges a line, somebody who is not root is told, or a slow reader holds up [priv]. */
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <fstream>

#include "../common/temp_dir.h"
#include "left_out.h"
#include "mp11_limits.h"
#include "record_io.h"
#include "status_server.h"
#include "status_text.h"

using namespace mp11;

namespace {

/* A server in this thread, and its readers. */
struct Served {
  Served() : loop(std::move(*EventLoop::create())) { start(); }
  void start() {
    auto made = StatusServer::create(&loop, path, [this] {
      reports++;
      return report;
    });
    BOOST_REQUIRE_MESSAGE(made.ok(), made.error().text);
    server = std::move(*made);
  }
  UniqueFd connect() {
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fd.reset();
    return fd;
  }
  void turn(int times = 20) {
    for (int i = 0; i < times; i++) {
      loop.after(0, [] {});
      loop.run_once();
    }
  }
  /* All that comes until the server hangs up; false when it does not. */
  bool read_all(const UniqueFd& fd, std::string* all) {
    char piece[65536];
    for (int i = 0; i < 1000; i++) {
      turn(1);
      const ssize_t n = ::recv(fd.get(), piece, sizeof piece, 0);
      if (n == 0) return true;
      if (n > 0) all->append(piece, static_cast<size_t>(n));
    }
    return false;
  }
  test::TempDir dir;
  EventLoop loop;
  const std::string path = dir.file("status.sock");
  std::string report = "report\n";
  unsigned reports = 0;
  std::unique_ptr<StatusServer> server;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(status)

BOOST_AUTO_TEST_CASE(no_text_forges_a_line) {
  auto text = [](std::string_view value) { return StatusLine("x").text("k", value).line(); };
  BOOST_TEST(text("alice@R") == "x k=\"alice@R\"");
  BOOST_TEST(text("") == "x k=\"\"");
  BOOST_TEST(text("a\" k2=\"b") == "x k=\"a\\x22 k2=\\x22b\"");
  BOOST_TEST(text("a\nend left-out=0") == "x k=\"a\\x0aend left-out=0\"");
  BOOST_TEST(text("\x1b[2J\x9b\x7f\r\t") == "x k=\"\\x1b[2J\\x9b\\x7f\\x0d\\x09\"");
  BOOST_TEST(text("\\x22") == "x k=\"\\\\x22\"");
  BOOST_TEST(text("\xc3\xbc") == "x k=\"\xc3\xbc\"");
  BOOST_TEST(text("\xc2\x9b\xe2\x80\xae") == "x k=\"\\xc2\\x9b\\xe2\\x80\\xae\"");
  BOOST_TEST(text(std::string(5000, 'a')).size() < limits::kLogLine + 16);
  BOOST_TEST(StatusLine("x").number("n", 7).hex("rv", 0x30).time("at", 0).word("w", "yes").line() ==
             "x n=7 rv=0x00000030 at=1970-01-01T00:00:00Z w=yes");
}

BOOST_AUTO_TEST_CASE(a_report_is_bounded_and_ends) {
  StatusText small;
  small.add(StatusLine("x").number("n", 1));
  BOOST_TEST(small.finish() == "x n=1\nend left-out=0\n");
  StatusText large;
  const StatusLine line = StatusLine("x").text("t", std::string(1000, 'a'));
  const size_t fit = limits::kStatus / (line.line().size() + 1);
  for (size_t i = 0; i < fit + 10; i++) large.add(line);
  large.add(StatusLine("small")); /* not after a gap */
  const std::string text = large.finish();
  BOOST_TEST(text.size() <= limits::kStatus);
  BOOST_TEST(text.find("small") == text.npos);
  BOOST_TEST(text.substr(text.rfind("end")) != "end left-out=0\n");
}

/* Each layer of each variant of a token, which all have one slot. */
BOOST_AUTO_TEST_CASE(layers_that_are_left_out) {
  auto report = [](uint64_t slot, uint32_t layer, uint32_t backend, bool there) {
    LayerReport one = make_record<LayerReport>(RecordType::kLayerState);
    one.slot = slot;
    one.layer = layer;
    one.backend = backend;
    one.there = there;
    one.rv = 0x30;
    return one;
  };
  LeftOut left_out;
  left_out.note(report(1, 1, 0, false), 5);
  left_out.note(report(1, 1, 0, false), 6); /* the same */
  left_out.note(report(1, 1, 1, false), 7); /* of a variant */
  left_out.note(report(1, 2, 0, false), 8);
  BOOST_TEST(left_out.all().size() == 3u);
  left_out.note(report(1, 1, 1, true), 9);
  left_out.note(report(2, 1, 1, true), 9); /* it was never left out */
  BOOST_TEST(left_out.all().size() == 2u);
  BOOST_TEST((left_out.all().begin()->second.since_ms == 6));
  for (uint32_t layer = 1; layer <= limits::kLayersLeftOut + 5; layer++)
    left_out.note(report(3, layer, 0, false), 10);
  BOOST_TEST(left_out.all().size() == limits::kLayersLeftOut);
  BOOST_TEST(left_out.more());
  while (!left_out.all().empty()) {
    const LeftOut::Place place = left_out.all().begin()->first;
    left_out.note(report(place.slot, place.layer, place.backend, true), 11);
  }
  BOOST_TEST(!left_out.more());
}

BOOST_AUTO_TEST_CASE(a_reader_gets_the_report) {
  Served s;
  struct stat st;
  BOOST_REQUIRE(::stat(s.path.c_str(), &st) == 0);
  BOOST_TEST((st.st_mode & 07777u) == 0600u);
  UniqueFd fd = s.connect();
  std::string all;
  BOOST_REQUIRE(fd);
  BOOST_TEST(s.read_all(fd, &all));
  BOOST_TEST(all == "report\n");
  BOOST_TEST(s.server->readers() == 0u);
}

BOOST_AUTO_TEST_CASE(slow_readers_are_few_and_end) {
  Served s;
  s.report = std::string(limits::kStatus - 8, 'a') + "\n";
  std::vector<UniqueFd> slow;
  for (size_t i = 0; i < limits::kStatusReaders + 3; i++) slow.push_back(s.connect());
  s.turn();
  BOOST_TEST(s.server->readers() == limits::kStatusReaders);
  BOOST_TEST(s.reports == limits::kStatusReaders); /* no more is kept */
  /* Nobody listens to what he has to say. */
  BOOST_TEST(::send(slow[0].get(), "x", 1, MSG_NOSIGNAL) < 0);
  BOOST_TEST(errno == EPIPE);
  std::string all;
  BOOST_TEST(s.read_all(slow[1], &all)); /* who reads gets all of it */
  BOOST_TEST(all == s.report);
  s.turn();
  BOOST_TEST(s.reports == limits::kStatusReaders + 1); /* and makes room */
  slow[0].reset();                                     /* as does who goes */
  s.turn();
  BOOST_TEST(s.reports == limits::kStatusReaders + 2);
  const uint64_t until = EventLoop::now_ms() + limits::kStatusMs + 2000;
  while (s.reports < limits::kStatusReaders + 3 && EventLoop::now_ms() < until) {
    ::usleep(20000);
    s.turn(1);
  }
  BOOST_TEST(s.reports == limits::kStatusReaders + 3); /* the others have had their time */
  all.clear();
  BOOST_TEST(s.read_all(slow[2], &all));
  BOOST_TEST(all.size() < s.report.size());
}

BOOST_AUTO_TEST_CASE(the_place_of_the_socket) {
  Served s;
  s.server.reset();
  BOOST_TEST(::access(s.path.c_str(), F_OK) != 0);
  { /* what a dead daemon has left */
    UniqueFd dead(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, s.path.data(), s.path.size());
    BOOST_REQUIRE(::bind(dead.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  }
  s.start();
  BOOST_TEST(static_cast<bool>(s.connect()));
  s.server.reset();
  std::ofstream(s.path) << "somebody's";
  auto refused = StatusServer::create(&s.loop, s.path, [] { return std::string(); });
  BOOST_TEST(!refused.ok());
  BOOST_TEST(refused.error().text.find("is not a socket; remove it") != std::string::npos);
  BOOST_TEST(::access(s.path.c_str(), F_OK) == 0); /* and it is still there */
  auto long_one = StatusServer::create(&s.loop, "/" + std::string(200, 'a'), nullptr);
  BOOST_TEST(!long_one.ok());
}

BOOST_AUTO_TEST_CASE(nobody_else_is_told) {
  if (::geteuid() != 0) return; /* only root can be somebody else */
  Served s;
  ::chmod(s.dir.path().c_str(), 0755);
  auto as_other = [&] { /* in a child: 0 told nothing, 1 told, 2 not even connected */
                        const pid_t child = ::fork();
                        if (child == 0) {
                          if (::setresgid(61999, 61999, 61999) != 0 ||
                              ::setresuid(61999, 61999, 61999) != 0)
                            ::_exit(3);
                          UniqueFd fd = s.connect();
                          if (!fd) ::_exit(2);
                          ::fcntl(fd.get(), F_SETFL, 0);
                          char octet;
                          ::_exit(::recv(fd.get(), &octet, 1, 0) == 1 ? 1 : 0);
                        }
                        int status = -1;
                        for (int i = 0; i < 500 && ::waitpid(child, &status, WNOHANG) == 0; i++) {
                          s.turn(1);
                          ::usleep(10000);
                        }
                        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  };
  BOOST_TEST(as_other() == 2);
  BOOST_TEST(s.reports == 0u);
  ::chmod(s.path.c_str(), 0666); /* whatever the mode, the kernel says who it is */
  BOOST_TEST(as_other() == 0);
  BOOST_TEST(s.reports == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
