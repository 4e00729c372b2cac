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
 * What stands around calls: ids, versions, hello, failure, opcodes that are not known. If one of
 * these failed, an answer could be taken for another call's, or two versions could not meet.
 */
#include <boost/test/unit_test.hpp>
#include <cstring>

#include "codec_fixture.h"

using namespace mp11;
using namespace mp11::asn1_test;

namespace {

struct Answered {
  Answered(uint32_t opcode, CK_RV rv, const Envelope& e) {
    encode_answer(opcode, rv, e, &arena, &der);
    status = decode_message(der.span(), &arena, &received);
  }
  CallArena arena;
  SecureBuffer der;
  Received received;
  CodecStatus status;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(envelopes)

BOOST_AUTO_TEST_CASE(ids) {
  uint64_t number;
  BOOST_TEST(number_of_id(id_of_number(0x0102030405060708), &number));
  BOOST_TEST(number == 0x0102030405060708u);
  MessageId other = id_of_number(1);
  other.size = 7;
  BOOST_TEST(!number_of_id(other, &number));

  Envelope e;
  e.request.size = limits::kMessageId;
  e.transport.size = limits::kMessageId;
  for (unsigned i = 0; i < limits::kMessageId; i++) e.request.octets[i] = static_cast<uint8_t>(i);
  Answered a(kC_Login, CKR_OK, e);
  BOOST_REQUIRE((a.status == CodecStatus::kOk));
  BOOST_TEST((a.received.envelope.request == e.request));
  BOOST_TEST((a.received.envelope.transport == e.transport));
}

BOOST_AUTO_TEST_CASE(long_ids_are_refused) {
  /* As above, with a requestID of 65 octets: its length, and those around it, are patched. */
  Envelope e;
  e.request.size = limits::kMessageId;
  Answered a(kC_Login, CKR_OK, e);
  std::vector<uint8_t> der(a.der.data(), a.der.data() + a.der.size());
  BOOST_REQUIRE(der[1] < 0x7f);
  der[1]++;
  const size_t request = 2 + 8 + 2; /* header, version, transportID */
  BOOST_REQUIRE(der[request] == 0x04);
  BOOST_REQUIRE(der[request + 1] == limits::kMessageId);
  der[request + 1]++;
  der.insert(der.begin() + request + 2, 0);
  BOOST_TEST((decode_message(der, &a.arena, &a.received) == CodecStatus::kSyntax));
  BOOST_TEST((a.received.shape == DerError::kNone));
}

BOOST_AUTO_TEST_CASE(other_versions) {
  Answered a(kC_Login, CKR_OK, envelope(5));
  std::vector<uint8_t> der(a.der.data(), a.der.data() + a.der.size());
  der[9] = 7; /* minor */
  BOOST_TEST((decode_message(der, &a.arena, &a.received) == CodecStatus::kOk));
  der[6] = 1; /* major */
  BOOST_TEST((decode_message(der, &a.arena, &a.received) == CodecStatus::kVersion));
  BOOST_TEST((a.received.envelope.request == id_of_number(5)));
}

BOOST_AUTO_TEST_CASE(hello) {
  Envelope e = envelope(1);
  e.hello = own_hello();
  e.hello->max_message = 1u << 20;
  e.hello->extensions = {"eager", "Grüße"};
  CallArena arena;
  SecureBuffer der;
  BOOST_REQUIRE(encode_call(kFunctionTable[kC_GetInfo], {{Word{1}}}, e, &arena, &der) == CKR_OK);
  Received received;
  BOOST_REQUIRE((decode_message(der.span(), &arena, &received) == CodecStatus::kOk));
  BOOST_REQUIRE(received.envelope.hello.has_value());
  const Hello& got = *received.envelope.hello;
  BOOST_TEST(got.minor == 3);
  BOOST_TEST((got.functions == e.hello->functions));
  BOOST_TEST(got.functions.test(kC_Sign));
  BOOST_TEST(!got.functions.test(kC_LoginUser));
  BOOST_TEST(!got.functions.test(kC_GetFunctionList));
  BOOST_TEST(got.max_message == 1u << 20);
  BOOST_TEST(got.max_pending == limits::kCallsPerConnection);
  BOOST_TEST(got.encodings == kAllEncodings);
  BOOST_TEST(got.extensions == e.hello->extensions, boost::test_tools::per_element());
  BOOST_TEST(!received.envelope.failure.has_value());

  e.hello->extensions.assign(limits::kExtensions + 1, "x");
  BOOST_REQUIRE(encode_call(kFunctionTable[kC_GetInfo], {{Word{1}}}, e, &arena, &der) == CKR_OK);
  BOOST_TEST((decode_message(der.span(), &arena, &received) == CodecStatus::kSyntax));
}

BOOST_AUTO_TEST_CASE(failure) {
  Envelope e = envelope(9);
  e.failure = Failure{static_cast<uint32_t>(FailureReason::kTooLarge), "17 MiB"};
  Answered a(0, CKR_GENERAL_ERROR, e);
  BOOST_REQUIRE((a.status == CodecStatus::kOk));
  BOOST_REQUIRE(a.received.envelope.failure.has_value());
  BOOST_TEST(a.received.envelope.failure->reason == 3u);
  BOOST_TEST(a.received.envelope.failure->detail == "17 MiB");

  e.failure->detail.assign(1000, '\xff'); /* never more than a line, always text */
  Answered b(0, CKR_GENERAL_ERROR, e);
  BOOST_TEST(b.received.envelope.failure->detail == std::string(255, '?'));

  e.failure->reason = 4711; /* of a later version */
  Answered c(0, CKR_GENERAL_ERROR, e);
  BOOST_TEST(c.received.envelope.failure->reason == 4711u);
}

BOOST_AUTO_TEST_CASE(opcodes_of_later_versions) {
  for (uint32_t opcode : {uint32_t{kC_LoginUser}, 103u, 104u, 256u, 0xffffu}) {
    Answered a(opcode, CKR_FUNCTION_NOT_SUPPORTED, envelope(3));
    BOOST_REQUIRE((a.status == CodecStatus::kOk));
    BOOST_TEST(a.received.opcode == opcode);
  }
  /* A call of a function that is not carried yet: known by name, answered, its arguments not read.
   */
  Answered a(kC_LoginUser, CKR_OK, envelope(3));
  a.received.call = true;
  Words words;
  CK_RV answer = CKR_OK;
  BOOST_TEST((decode_call(a.received, kFunctionTable[kC_LoginUser], &a.arena, &words, &answer) ==
              CodecStatus::kAnswer));
  BOOST_TEST(answer == CKR_FUNCTION_NOT_SUPPORTED);
}

BOOST_AUTO_TEST_CASE(return_values) {
  for (CK_RV rv : {CK_RV{CKR_DEVICE_ERROR}, CK_RV{CKR_VENDOR_DEFINED | 5}}) {
    Answered a(kC_Login, rv, envelope(1));
    CK_RV got = 0;
    BOOST_REQUIRE((decode_return(a.received, kFunctionTable[kC_Login], {}, &a.arena, &got) ==
                   CodecStatus::kOk));
    BOOST_TEST(got == rv);
  }
  Answered a(kC_Login, CK_RV{1} << 40, envelope(1)); /* no form on the wire */
  CK_RV got = 0;
  BOOST_REQUIRE((decode_return(a.received, kFunctionTable[kC_Login], {}, &a.arena, &got) ==
                 CodecStatus::kOk));
  BOOST_TEST(got == CKR_GENERAL_ERROR);
}

/* A handle or a single number beyond 32 bits is what no library knows, and the library says so. */
BOOST_AUTO_TEST_CASE(numbers_beyond_the_wire) {
  CallArena arena;
  auto arrives = [&](unsigned function, const Words& words) {
    SecureBuffer der;
    const FunctionRow& row = kFunctionTable[function];
    BOOST_REQUIRE(encode_call(row, words, envelope(1), &arena, &der) == CKR_OK);
    Received received;
    BOOST_REQUIRE((decode_message(der.span(), &arena, &received) == CodecStatus::kOk));
    Words arrived;
    CK_RV answer;
    BOOST_REQUIRE((decode_call(received, row, &arena, &arrived, &answer) == CodecStatus::kOk));
    return arrived;
  };
  const Word big = Word{1} << 32;
  for (Word session : {big, Word{0xffffffff}, Word{0xfffffffe}})
    BOOST_TEST(arrives(kC_CloseSession, {{session}}).w[0] == 0xfffffffe);
  BOOST_TEST(arrives(kC_CloseSession, {{~Word{0}}}).w[0] == ~Word{0});
  BOOST_TEST(arrives(kC_CloseAllSessions, {{big}}).w[0] == 0xfffffffe);
  BOOST_TEST(arrives(kC_DestroyObject, {{1, big}}).w[1] == 0xfffffffe);
  BOOST_TEST(arrives(kC_Login, {{1, big, 0, 0}}).w[1] == 0xfffffffe);
  CK_MECHANISM mechanism = {big, nullptr, 0};
  const Words digest = arrives(kC_DigestInit, {{1, reinterpret_cast<Word>(&mechanism)}});
  BOOST_TEST(reinterpret_cast<CK_MECHANISM*>(digest.w[1])->mechanism == 0xfffffffe);
}

/* What cannot be on the wire is answered at once, with the code that the standard has for it. */
BOOST_AUTO_TEST_CASE(what_cannot_be_carried) {
  CallArena arena;
  SecureBuffer der;
  auto rv = [&](unsigned function, const Words& words) {
    return encode_call(kFunctionTable[function], words, envelope(1), &arena, &der);
  };
  const Word big = Word{1} << 32;
  BOOST_TEST(rv(kC_LoginUser, {{1, 1}}) == CKR_FUNCTION_NOT_SUPPORTED);
  BOOST_TEST(rv(kC_GetFunctionList, {{1}}) == CKR_FUNCTION_NOT_SUPPORTED);
  CK_ULONG large = big;
  CK_ATTRIBUTE attribute = {CKA_CLASS, &large, sizeof large};
  const Word attributes = reinterpret_cast<Word>(&attribute);
  BOOST_TEST(rv(kC_FindObjectsInit, {{1, attributes, 1}}) == CKR_ARGUMENTS_BAD);
  large = CK_UNAVAILABLE_INFORMATION;
  BOOST_TEST(rv(kC_FindObjectsInit, {{1, attributes, 1}}) == CKR_OK);
  BOOST_TEST(rv(kC_FindObjectsInit, {{1, attributes, limits::kAttributes + 1}}) == CKR_HOST_MEMORY);
}

/* Texts: exactly what C has, but for octets that are no UTF-8. */
BOOST_AUTO_TEST_CASE(texts) {
  const FunctionRow& row = kFunctionTable[kC_GetSlotInfo];
  CallArena arena;
  SecureBuffer der;
  CK_SLOT_INFO info = {}, got = {};
  std::memset(info.slotDescription, ' ', sizeof info.slotDescription);
  std::memcpy(info.slotDescription,
              "Gr\xc3\xbc\xc3\x9f"
              "e \xff!",
              10);
  std::memset(info.manufacturerID, 'M', sizeof info.manufacturerID);
  info.manufacturerID[31] = 0xc3; /* a character cut in half */
  info.flags = 5;
  info.hardwareVersion = {2, 40};
  encode_return(row, {{1, reinterpret_cast<Word>(&info)}}, CKR_OK, envelope(1), &arena, &der);
  Received received;
  CK_RV rv;
  BOOST_REQUIRE((decode_message(der.span(), &arena, &received) == CodecStatus::kOk));
  BOOST_REQUIRE((decode_return(received, row, {{1, reinterpret_cast<Word>(&got)}}, &arena, &rv) ==
                 CodecStatus::kOk));
  BOOST_TEST(std::memcmp(got.slotDescription,
                         "Gr\xc3\xbc\xc3\x9f"
                         "e ?! ",
                         11) == 0);
  BOOST_TEST(got.slotDescription[63] == ' ');
  BOOST_TEST(got.manufacturerID[30] == 'M');
  BOOST_TEST(got.manufacturerID[31] == '?');
  BOOST_TEST(got.flags == 5u);
  BOOST_TEST(got.hardwareVersion.minor == 40);
}

BOOST_AUTO_TEST_SUITE_END()
