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
/* What helpers said comes out as lines of ours, whatever they put into it. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>

#include "client_log.h"
#include "unique_fd.h"

namespace {

using namespace mp11;
using namespace mp11::client;

std::string read_all(int fd) {
  char text[8192];
  ssize_t size = read(fd, text, sizeof text);
  return std::string(text, size > 0 ? static_cast<size_t>(size) : 0);
}

/* What report_said() makes of the text on our descriptor 2. */
std::string said(const std::string& text) {
  int in[2], out[2];
  BOOST_REQUIRE(pipe2(in, O_CLOEXEC | O_NONBLOCK) == 0 && pipe2(out, O_CLOEXEC | O_NONBLOCK) == 0);
  UniqueFd in_read(in[0]), in_write(in[1]), out_read(out[0]), out_write(out[1]);
  BOOST_REQUIRE(write(in_write.get(), text.data(), text.size()) ==
                static_cast<ssize_t>(text.size()));
  UniqueFd kept(dup(2));
  dup2(out_write.get(), 2);
  report_said("soft", in_read.get());
  dup2(kept.get(), 2);
  return read_all(out_read.get());
}

BOOST_AUTO_TEST_CASE(what_helpers_said) {
  setenv("MULTIP11_DEBUG", "1", 1);
  log_start();
  log_choose(LogChoice::kQuiet); /* nothing to syslog from a test */
  BOOST_TEST(log_to_stderr());
  BOOST_TEST(said("") == "");
  BOOST_TEST(said("one\n\ntwo") == "multip11: soft: said: one\nmultip11: soft: said: two\n");
  BOOST_TEST(said("a\x1b[31mb\r%s%n\xff\n") == "multip11: soft: said: a?[31mb?%s%n?\n");
  const std::string cut = said(std::string(5000, 'x'));
  BOOST_TEST(cut == "multip11: soft: said: " + std::string(300, 'x') + "\n");
  std::string lines;
  for (int i = 0; i < 100; i++) lines += "l\n";
  const std::string few = said(lines);
  BOOST_TEST(std::count(few.begin(), few.end(), '\n') == 8);
}

}  // namespace
