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
/*
 * Calls and returns through DER and back. If one of these failed, a remote library would see other
 * arguments than a local one, or the application other results.
 *
 * What is compared is the packed form (marshal.h), which is made by code that shares nothing with
 * the codec: equal messages are equal arguments, to the last NULL pointer.
 */
#include "codec.h"

#include <boost/test/unit_test.hpp>
#include <cstring>

#include "codec_fixture.h"
#include "values.h"

using namespace mp11;
using namespace mp11::asn1_test;

namespace {

bool equal(const Message& a, const Message& b) {
  return std::memcmp(&a.rec, &b.rec, sizeof a.rec) == 0 && a.list == b.list &&
         a.bytes.size() == b.bytes.size() &&
         (a.bytes.empty() || std::memcmp(a.bytes.data(), b.bytes.data(), a.bytes.size()) == 0);
}

/* One call of `words` through the wire; both sides' words, for returns. */
struct Trip {
  explicit Trip(const FunctionRow& its_row) : row(its_row) {}

  void call(const Words& words) {
    Message packed, again;
    BOOST_REQUIRE(pack_call(row, words, &packed) == CKR_OK);
    /* The client's own memory, twice: one is written by the codec, one by unpack_reply. */
    BOOST_REQUIRE(unpack_call(row, packed, &client_arena, &client));
    BOOST_REQUIRE(unpack_call(row, packed, &other_arena, &other));
    BOOST_REQUIRE(pack_call(row, client, &packed) == CKR_OK);

    CallArena scratch;
    const CK_RV rv = encode_call(row, client, envelope(77), &scratch, &der);
    BOOST_REQUIRE_MESSAGE(rv == CKR_OK, row.name << ": encode_call says " << rv);
    Received received;
    BOOST_REQUIRE((decode_message(der.span(), &server_arena, &received) == CodecStatus::kOk));
    BOOST_TEST(received.call);
    BOOST_TEST(received.opcode == row.number);
    BOOST_TEST((received.envelope.request == id_of_number(77)));
    CK_RV answer = CKR_OK;
    BOOST_REQUIRE(
        (decode_call(received, row, &server_arena, &server, &answer) == CodecStatus::kOk));
    BOOST_REQUIRE(pack_call(row, server, &again) == CKR_OK);
    BOOST_TEST(equal(packed, again), row.name << ": arguments differ");
  }

  void result(CK_RV rv) {
    Message packed, mine, others;
    pack_reply(row, server, rv, &packed);
    BOOST_REQUIRE((!carries_results(rv) || unpack_reply(row, packed, other)));

    encode_return(row, server, rv, envelope(77), &server_arena, &der);
    CallArena scratch;
    Received received;
    BOOST_REQUIRE((decode_message(der.span(), &scratch, &received) == CodecStatus::kOk));
    BOOST_TEST(!received.call);
    CK_RV got = ~rv;
    BOOST_REQUIRE((decode_return(received, row, client, &scratch, &got) == CodecStatus::kOk));
    BOOST_TEST(got == rv);
    if (rv == CKR_ATTRIBUTE_SENSITIVE || rv == CKR_ATTRIBUTE_TYPE_INVALID ||
        rv == CKR_BUFFER_TOO_SMALL || rv == CKR_OK) {
      pack_reply(row, client, rv, &mine);
      pack_reply(row, other, rv, &others);
      BOOST_TEST(equal(mine, others), row.name << ": results differ, rv " << rv);
    }
  }

  const FunctionRow& row;
  CallArena client_arena, other_arena, server_arena;
  Words client, other, server;
  SecureBuffer der;
};

constexpr int kRounds = 60;

}  // namespace

BOOST_AUTO_TEST_SUITE(codec)

BOOST_AUTO_TEST_CASE(every_function_there_and_back) {
  Random random(20261123);
  for (const FunctionRow& row : kFunctionTable) {
    if (!carried(row)) continue;
    for (int round = 0; round < kRounds; round++) {
      CallArena arena;
      Trip trip(row);
      Words words = CallMaker(&random, &arena).call(row);
      Message trial;
      CK_RV refused = pack_call(row, words, &trial);
      if (refused != CKR_OK) { /* the same at both */
        BOOST_TEST(encode_call(row, words, envelope(1), &arena, &trip.der) == refused);
        continue;
      }
      trip.call(words);
      trip.result(play_library(row, trip.server, &random));
    }
  }
}

BOOST_AUTO_TEST_CASE(every_mechanism_there_and_back) {
  Random random(7);
  const FunctionRow& row = kFunctionTable[kC_DeriveKey];
  for (const MechanismRow& mechanism : mechanism_rows()) {
    for (int round = 0; round < 10; round++) {
      CallArena arena;
      CallMaker maker(&random, &arena);
      Words words = maker.plain_call(row);
      words.w[1] = reinterpret_cast<Word>(maker.mechanism(mechanism));
      Trip trip(row);
      trip.call(words);
      trip.result(play_library(row, trip.server, &random));
    }
  }
}

/* What a library let run below zero arrives as that, all ones and true lengths as they are. */
BOOST_AUTO_TEST_CASE(lengths_below_zero) {
  const CK_ULONG all_ones = ~CK_ULONG{0};
  for (CK_ULONG length : {CK_ULONG{0}, CK_ULONG{16u << 20}, CK_ULONG{0xfffeffff}, all_ones,
                          all_ones - 7, all_ones - 15, all_ones - 0xffff}) {
    CK_ULONG back = 1;
    BOOST_TEST(asn1::get_length(asn1::put_length(length), &back));
    BOOST_TEST(back == length);
  }
  CK_ULONG back = 1;
  BOOST_TEST(!asn1::get_length(0x100000000, &back));
  BOOST_TEST(asn1::put_length(all_ones - 0x10000) == asn1::kWireMost);
}

BOOST_AUTO_TEST_SUITE_END()
