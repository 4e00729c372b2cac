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
/* If these fail, a stranger can make net hold more than a token, or tokens are cut wrongly. */
#include "gss_frames.h"

#include <boost/test/unit_test.hpp>

using mp11::GssFrame;
using mp11::GssFrameStatus;

BOOST_AUTO_TEST_SUITE(gss_frames)

BOOST_AUTO_TEST_CASE(every_prefix_of_a_frame_waits_for_the_rest) {
  std::vector<uint8_t> wire;
  std::vector<uint8_t> token(300, 0x60);
  BOOST_REQUIRE(mp11::append_gss_frame(token, &wire));
  BOOST_REQUIRE_EQUAL(wire.size(), 304u);
  for (size_t have = 0; have < wire.size(); have++) {
    GssFrame frame = mp11::next_gss_frame(std::span(wire).first(have), 1000);
    BOOST_REQUIRE(frame.status == GssFrameStatus::kMore);
    BOOST_REQUIRE_EQUAL(frame.size, have < 4 ? 4u : 304u);
  }
  GssFrame frame = mp11::next_gss_frame(wire, 1000);
  BOOST_REQUIRE(frame.status == GssFrameStatus::kFrame);
  BOOST_CHECK_EQUAL(frame.size, wire.size());
  BOOST_CHECK(std::equal(frame.token.begin(), frame.token.end(), token.begin(), token.end()));
}

BOOST_AUTO_TEST_CASE(two_frames_in_one_buffer_come_out_one_by_one) {
  std::vector<uint8_t> wire;
  BOOST_REQUIRE(mp11::append_gss_frame(std::vector<uint8_t>{1, 2, 3}, &wire));
  BOOST_REQUIRE(mp11::append_gss_frame(std::vector<uint8_t>{4}, &wire));
  GssFrame first = mp11::next_gss_frame(wire, 10);
  BOOST_REQUIRE(first.status == GssFrameStatus::kFrame);
  BOOST_CHECK_EQUAL(first.token.size(), 3u);
  GssFrame second = mp11::next_gss_frame(std::span(wire).subspan(first.size), 10);
  BOOST_REQUIRE(second.status == GssFrameStatus::kFrame);
  BOOST_CHECK_EQUAL(second.token[0], 4);
  BOOST_CHECK_EQUAL(first.size + second.size, wire.size());
}

BOOST_AUTO_TEST_CASE(the_length_is_refused_before_the_token_has_come) {
  struct {
    std::vector<uint8_t> head;
    size_t limit;
    GssFrameStatus status;
  } const rows[] = {
      {{0, 0, 0, 0}, 1000, GssFrameStatus::kBroken},
      {{0, 0, 0, 11}, 10, GssFrameStatus::kBroken},
      {{0, 0, 0, 10}, 10, GssFrameStatus::kMore},
      {{0xff, 0xff, 0xff, 0xff}, mp11::limits::kGssFrame, GssFrameStatus::kBroken},
      {{0, 1, 0x80, 0}, mp11::limits::kGssToken, GssFrameStatus::kMore},
      {{0, 1, 0x80, 1}, mp11::limits::kGssToken, GssFrameStatus::kBroken},
      {{0, 0x10, 0, 0}, mp11::limits::kGssFrame, GssFrameStatus::kMore},
      {{0, 0x10, 0, 1}, mp11::limits::kGssFrame, GssFrameStatus::kBroken},
  };
  for (const auto& row : rows)
    BOOST_CHECK(mp11::next_gss_frame(row.head, row.limit).status == row.status);
}

BOOST_AUTO_TEST_CASE(an_impossible_token_is_not_framed) {
  std::vector<uint8_t> wire{7};
  BOOST_CHECK(!mp11::append_gss_frame({}, &wire));
  BOOST_CHECK(!mp11::append_gss_frame(std::vector<uint8_t>(mp11::limits::kGssFrame + 1), &wire));
  BOOST_CHECK_EQUAL(wire.size(), 1u);
}

BOOST_AUTO_TEST_SUITE_END()
