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
/* If these fail, auth starts with another meaning than [priv] gave it, or forgets a replay. */
#include "auth_start.h"

#include <boost/test/unit_test.hpp>

#include "auth_replay.h"

using mp11::parse_auth_start;
using mp11::ReplaySet;

BOOST_AUTO_TEST_SUITE(auth_start)

BOOST_AUTO_TEST_CASE(a_full_block_is_read) {
  auto start = parse_auth_start(
      "clockskew=60\nprincipal=pkcs11/h@R=1\nsandbox=seccomp-only\nhandshake-ms=1500\n");
  BOOST_REQUIRE_MESSAGE(start.ok(), start.error().text);
  BOOST_CHECK_EQUAL(start->principal, "pkcs11/h@R=1");
  BOOST_CHECK_EQUAL(start->clockskew_s, 60u);
  BOOST_CHECK_EQUAL(start->handshake_ms, 1500u);
  BOOST_CHECK(start->seccomp_only);
  start = parse_auth_start("principal=a@B\n");
  BOOST_REQUIRE(start.ok());
  BOOST_CHECK_EQUAL(start->clockskew_s, 300u);
  BOOST_CHECK(!start->seccomp_only);
}

BOOST_AUTO_TEST_CASE(whatever_is_not_understood_is_refused) {
  for (const char* block :
       {"", "principal=a@B", "principal=a@B\nprincipal=a@B\n", "principal=a\n", "principal=\n",
        "principal\n", "clockskew=60\n", "principal=a@B\nclockskew=0\n",
        "principal=a@B\nclockskew=301\n", "principal=a@B\nclockskew=60 \n",
        "principal=a@B\nclockskew=-1\n", "principal=a@B\nclockskew=60\nclockskew=60\n",
        "principal=a@B\nhandshake-ms=0\n", "principal=a@B\nhandshake-ms=9999999\n",
        "principal=a@B\nhandshake-ms=5\nhandshake-ms=5\n", "principal=a@B\nsandbox=off\n",
        "principal=a@B\n\n", "principal=a@B\nunknown=1\n", "principal=a@B\n keytab=x\n"})
    BOOST_CHECK_MESSAGE(!parse_auth_start(block).ok(), block);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(replay_set)

ReplaySet::Id id(uint8_t n) { return {n}; }

BOOST_AUTO_TEST_CASE(an_entry_is_kept_for_its_time_and_no_longer) {
  using Answer = ReplaySet::Answer;
  ReplaySet set(10, 600);
  BOOST_CHECK(set.note(id(1), 1000) == Answer::kNew);
  BOOST_CHECK(set.note(id(2), 1300) == Answer::kNew);
  BOOST_CHECK(set.note(id(1), 1000) == Answer::kReplay);
  BOOST_CHECK(set.note(id(1), 1600) == Answer::kReplay);
  BOOST_CHECK(set.note(id(1), 1601) == Answer::kNew);
  BOOST_CHECK(set.note(id(2), 1601) == Answer::kReplay);
  BOOST_CHECK_EQUAL(set.size(), 2u);
}

BOOST_AUTO_TEST_CASE(a_clock_that_is_set_back_loses_no_entry) {
  using Answer = ReplaySet::Answer;
  ReplaySet set(10, 600);
  BOOST_CHECK(set.note(id(1), 5000) == Answer::kNew);
  BOOST_CHECK(set.note(id(2), 1000) == Answer::kNew);
  BOOST_CHECK(set.note(id(2), 5600) == Answer::kReplay);
  BOOST_CHECK(set.note(id(1), 5600) == Answer::kReplay);
}

BOOST_AUTO_TEST_CASE(when_full_it_refuses_and_forgets_nothing) {
  using Answer = ReplaySet::Answer;
  ReplaySet set(2, 600);
  BOOST_CHECK(set.note(id(1), 1000) == Answer::kNew);
  BOOST_CHECK(set.note(id(2), 1000) == Answer::kNew);
  BOOST_CHECK(set.note(id(3), 1000) == Answer::kFull);
  BOOST_CHECK(set.note(id(1), 1000) == Answer::kReplay);
  BOOST_CHECK(set.note(id(3), 1601) == Answer::kNew);
}

BOOST_AUTO_TEST_SUITE_END()
