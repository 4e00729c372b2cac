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
/* Lines of the log: no source forges a line or a priority, and none drowns the others. */
#include "log_lines.h"

#include <boost/test/unit_test.hpp>
#include <vector>

#include "mp11_limits.h"

using namespace mp11;

namespace {

struct Lines {
  std::vector<std::pair<int, std::string>> all;
  LogLines::Sink sink() {
    return [this](int priority, const std::string& text) { all.emplace_back(priority, text); };
  }
};

std::string one(bool trusted, std::string_view octets, int* priority = nullptr) {
  Lines lines;
  LogLines source(trusted, 100, 0);
  source.feed(octets, 0, lines.sink());
  source.end(0, lines.sink());
  if (lines.all.size() != 1) return "(" + std::to_string(lines.all.size()) + " lines)";
  if (priority != nullptr) *priority = lines.all[0].first;
  return lines.all[0].second;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(log_lines)

BOOST_AUTO_TEST_CASE(escapes) {
  BOOST_TEST(one(false, "plain\n") == "plain");
  BOOST_TEST(one(false, "a\x1b[31mb\rc\x7f\n") == "a\\x1b[31mb\\x0dc\\x7f");
  BOOST_TEST(one(false, std::string_view("a\0b\n", 4)) == "a\\x00b");
  BOOST_TEST(one(false, "gr\xc3\xbc\xc3\x9f\n") == "gr\xc3\xbc\xc3\x9f");
  BOOST_TEST(one(false, "\xff\xc3(\xc0\x80\n") == "\\xff\\xc3(\\xc0\\x80");
  BOOST_TEST(one(false, "\xed\xa0\x80\n") == "\\xed\\xa0\\x80"); /* surrogate */
  BOOST_TEST(one(false,
                 "\xc2\x9b"
                 "2J\n") ==
             "\\xc2\\x9b"
             "2J"); /* C1: CSI */
  BOOST_TEST(one(false,
                 "\xe2\x80\xae"
                 "x\n") ==
             "\\xe2\\x80\\xae"
             "x"); /* right-to-left override */
  BOOST_TEST(one(false,
                 "\xe2\x80\xa8"
                 "x\n") ==
             "\\xe2\\x80\\xa8"
             "x");                                /* line separator */
  BOOST_TEST(one(false, "\\x0a\n") == "\\\\x0a"); /* a forged escape shows as such */
  BOOST_TEST(one(true, "<6>\\x0a\n") == "\\x0a"); /* our programs have escaped already */
}

BOOST_AUTO_TEST_CASE(priorities_only_from_trusted_sources) {
  int priority = -1;
  BOOST_TEST(one(true, "<3>bad\n", &priority) == "bad");
  BOOST_TEST(priority == 3);
  BOOST_TEST(one(false, "<3>bad\n", &priority) == "<3>bad");
  BOOST_TEST(priority == kPriorityInfo);
  BOOST_TEST(one(true, "<9>bad\n", &priority) == "<9>bad");
  BOOST_TEST(priority == kPriorityInfo);
}

BOOST_AUTO_TEST_CASE(lines_in_pieces_and_without_end) {
  Lines lines;
  LogLines source(false, 100, 0);
  source.feed("ab", 0, lines.sink());
  source.feed("c\n\nd", 0, lines.sink());
  BOOST_TEST(lines.all.size() == 1u);
  source.end(0, lines.sink());
  BOOST_REQUIRE_EQUAL(lines.all.size(), 2u);
  BOOST_TEST(lines.all[0].second == "abc");
  BOOST_TEST(lines.all[1].second == "d");
}

BOOST_AUTO_TEST_CASE(long_lines_are_cut_between_characters) {
  std::string cut = one(false, std::string(100000, 'x') + "\n");
  BOOST_TEST(cut.size() == limits::kLogLine);
  BOOST_TEST(cut.ends_with("x..."));
  cut = one(false, std::string(100000, '\x01') + "\n");
  BOOST_TEST(cut.size() <= limits::kLogLine);
  BOOST_TEST(cut.ends_with("\\x01..."));
  BOOST_TEST(one(false, std::string(limits::kLogLine - 3, 'y')) ==
             std::string(limits::kLogLine - 3, 'y'));
}

BOOST_AUTO_TEST_CASE(a_flood_is_dropped_and_counted) {
  Lines lines;
  LogLines source(false, 10, 0);
  for (int i = 0; i < 1000; i++) source.feed("noise\n", 0, lines.sink());
  BOOST_TEST(lines.all.size() == 20u); /* two seconds' worth at once */
  source.report(500, lines.sink());    /* five more may pass; the first says what is missing */
  BOOST_REQUIRE_EQUAL(lines.all.size(), 21u);
  BOOST_TEST(lines.all.back().first == kPriorityWarning);
  BOOST_TEST(lines.all.back().second == "980 lines above log-rate were dropped");
  source.feed("later\n", 500, lines.sink());
  BOOST_TEST(lines.all.back().second == "later");
  source.feed("more\nmore\nmore\nmore\nmore\nmore\n", 500, lines.sink());
  source.end(500, lines.sink());
  BOOST_TEST(lines.all.back().second == "2 lines above log-rate were dropped");
}

BOOST_AUTO_TEST_CASE(errors_pass_a_flood_of_others) {
  Lines lines;
  LogLines source(true, 10, 0);
  for (int i = 0; i < 1000; i++) source.feed("<6>refused\n", 0, lines.sink());
  source.feed("<3>broken\n", 0, lines.sink());
  BOOST_TEST(lines.all.back().second == "broken");
  for (int i = 0; i < 1000; i++) source.feed("<3>broken\n", 0, lines.sink());
  BOOST_TEST(lines.all.size() == 40u);
}

BOOST_AUTO_TEST_CASE(processes_of_one_kind_share_a_rate) {
  Lines lines;
  LogRate shared(10, 0);
  for (int i = 0; i < 1000; i++) {
    LogLines source(true, 2, 0, &shared);
    for (int j = 0; j < 10; j++) source.feed("<6>closed\n", 0, lines.sink());
    if (i == 0) BOOST_TEST(lines.all.size() == 4u); /* one has not the share of all */
    source.end(0, lines.sink());
  }
  BOOST_TEST(lines.all.size() == 20u); /* what was dropped is not a line for each */
  BOOST_TEST(shared.dropped(0) == 0u); /* there is no room to say so */
  BOOST_TEST(shared.dropped(1000) == 9980u);
  BOOST_TEST(shared.dropped(1000) == 0u);
}

BOOST_AUTO_TEST_CASE(lines_lost_before_are_counted) {
  Lines lines;
  LogLines source(true, 1, 0);
  for (int i = 0; i < 3; i++) source.feed("<6>[7 lines lost] x\n", 0, lines.sink());
  source.feed("<6>[7 lines x\n<6>[99999999999999999999 lines lost] \n", 0, lines.sink());
  source.end(0, lines.sink());
  BOOST_TEST(lines.all.back().second == "10 lines above log-rate were dropped");
}

BOOST_AUTO_TEST_SUITE_END()
