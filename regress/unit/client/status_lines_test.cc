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
/* Lines of a daemon's report: nothing that is not printable, or of another form, gets through. */
#include "status_lines.h"

#include <boost/test/unit_test.hpp>

using namespace mp11::client;

namespace {

std::string json(const char* line) {
  auto read = read_status_line(line);
  return read ? status_json(*read) : "none";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(status_lines)

BOOST_AUTO_TEST_CASE(read_and_written) {
  for (const char* line : {"end", "end left-out=0",
                           "connection number=7 principal=\"a b@R\" since=2026-01-01T00:00:00Z",
                           "x k=\"\" n=1", "x k=\"a\\x22b\\\\\""}) {
    auto read = read_status_line(line);
    BOOST_REQUIRE_MESSAGE(read, line);
    BOOST_TEST(status_text(*read) == line);
  }
  auto read = read_status_line("x k=\"a b=c\" n=1");
  BOOST_REQUIRE(read);
  BOOST_TEST(read->word == "x");
  BOOST_TEST(read->fields.size() == 2u);
  BOOST_TEST(read->find("k")->value == "a b=c");
  BOOST_TEST(read->find("b") == nullptr);
}

BOOST_AUTO_TEST_CASE(another_form) {
  for (const char* line :
       {"", " ", "X", "x ", "x k", "x =1", "x k=", "x k=\"", "x k=\"a", "x k=\"a\"b", "x k=a\"",
        "x  k=1", "x k=1 ", "x k=\"a\" ", "x K=1", "x k=\"\x1b\"", "x k=\"\x7f\"", "x\tk=1"})
    BOOST_TEST(!read_status_line(line), line);
}

BOOST_AUTO_TEST_CASE(as_json) {
  BOOST_TEST(json("x n=7 z=0 w=yes") == "{\"line\": \"x\", \"n\": 7, \"z\": 0, \"w\": \"yes\"}");
  BOOST_TEST(json("x q=\"7\" l=007 big=12345678901234567890 rv=0x00000030") ==
             "{\"line\": \"x\", \"q\": \"7\", \"l\": \"007\", \"big\": \"12345678901234567890\", "
             "\"rv\": \"0x00000030\"}");
  BOOST_TEST(json("x t=\"a\\x22\\\\\"") == "{\"line\": \"x\", \"t\": \"a\\\\x22\\\\\\\\\"}");
}

BOOST_AUTO_TEST_SUITE_END()
