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
 * Messages written by hand from the module: what is on the wire is what the module says, and for
 * what 0.2 could say it is what 0.2 said. If one of these failed, another implementation would not
 * understand us.
 */
#include <boost/test/unit_test.hpp>
#include <cstring>
#include <string>
#include <vector>

#include "codec.h"

using namespace mp11;
using Bytes = std::vector<uint8_t>;

namespace {

Bytes hex(const std::string& text) {
  Bytes out;
  std::string digits;
  for (char c : text) {
    if (c == ' ') continue;
    digits += c;
    if (digits.size() < 2) continue;
    out.push_back(static_cast<uint8_t>(std::stoul(digits, nullptr, 16)));
    digits.clear();
  }
  return out;
}

std::string spell(std::span<const uint8_t> octets) {
  static const char kDigits[] = "0123456789abcdef";
  std::string out;
  for (uint8_t o : octets) {
    out += kDigits[o >> 4];
    out += kDigits[o & 15];
  }
  return out;
}

/*
 * The message around opdata: version 0.3, transportID of no octets, requestID 01. `tail` are
 * extensions. All short lengths.
 */
Bytes message(bool call, uint8_t opcode, const std::string& opdata, const std::string& tail = "") {
  auto tlv = [](uint8_t tag, const Bytes& inner) {
    Bytes out = {tag, static_cast<uint8_t>(inner.size())};
    out.insert(out.end(), inner.begin(), inner.end());
    return out;
  };
  Bytes procedure = {0x0a, 0x01, opcode};
  const Bytes data = tlv(0x30, hex(opdata));
  procedure.insert(procedure.end(), data.begin(), data.end());
  Bytes inner = hex("30 06 04 01 00 04 01 03  04 00  04 01 01");
  const Bytes payload = tlv(call ? 0x61 : 0x62, tlv(0x30, procedure));
  inner.insert(inner.end(), payload.begin(), payload.end());
  const Bytes extensions = hex(tail);
  inner.insert(inner.end(), extensions.begin(), extensions.end());
  BOOST_REQUIRE(inner.size() < 0x80);
  return tlv(0x30, inner);
}

Envelope first() {
  Envelope e;
  e.request.size = 1;
  e.request.octets[0] = 1;
  return e;
}

Word word(const void* p) { return reinterpret_cast<Word>(p); }

void check_call(unsigned function, const Words& words, const std::string& opdata,
                const std::string& tail = "") {
  CallArena arena;
  SecureBuffer der;
  BOOST_REQUIRE(encode_call(kFunctionTable[function], words, first(), &arena, &der) == CKR_OK);
  BOOST_TEST(spell(der.span()) ==
             spell(message(true, static_cast<uint8_t>(function), opdata, tail)));
}

/* Decodes a call written by hand. */
struct Decoded {
  Decoded(unsigned function, const std::string& opdata, const std::string& tail = "") {
    const Bytes der = message(true, static_cast<uint8_t>(function), opdata, tail);
    Received received;
    status = decode_message(der, &arena, &received);
    if (status == CodecStatus::kOk)
      status = decode_call(received, kFunctionTable[function], &arena, &words, &answer);
  }
  CallArena arena;
  CodecStatus status;
  Words words;
  CK_RV answer = CKR_OK;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(golden)

BOOST_AUTO_TEST_CASE(close_session_whole) {
  CallArena arena;
  SecureBuffer der;
  const Words words{{5}};
  BOOST_REQUIRE(encode_call(kFunctionTable[kC_CloseSession], words, first(), &arena, &der) ==
                CKR_OK);
  BOOST_TEST(spell(der.span()) ==
             "301b"
             "3006040100040103" /* version 0.3 */
             "0400"
             "040101" /* transportID, requestID */
             "610c300a"
             "0a010d"           /* call, opc-CloseSession */
             "3005a003020105"); /* hSession 5 */
}

BOOST_AUTO_TEST_CASE(sign) {
  const uint8_t data[] = {'a', 'b', 'c'};
  uint8_t signature[256];
  CK_ULONG length = 256;
  check_call(kC_Sign, {{1, word(data), 3, word(signature), word(&length)}},
             "a003020101 a1050403616263 a203020103 a40402020100");
  length = 0; /* a query, and an empty buffer: two things */
  check_call(kC_Sign, {{1, word(data), 3, 0, word(&length)}},
             "a003020101 a1050403616263 a203020103 a3020500 a403020100");
  check_call(kC_Sign, {{1, word(data), 3, word(signature), word(&length)}},
             "a003020101 a1050403616263 a203020103 a403020100");
  check_call(kC_Sign, {{1, word(data), 0, word(signature), word(&length)}},
             "a003020101 a1020400 a203020100 a403020100");
  /* pData NULL: bit 1; pulSignatureLen NULL: bit 4. */
  check_call(kC_Sign, {{1, 0, 0, word(signature), 0}}, "a003020101 a1020400 a203020100 a403020100",
             "a207030500 48000000");
}

BOOST_AUTO_TEST_CASE(login) {
  const char* pin = "1234";
  check_call(kC_Login, {{1, CKU_USER, word(pin), 4}},
             "a003020101 a103020101 a2060c0431323334 a303020104");
  check_call(kC_Login, {{1, CKU_USER, 0, 0}}, "a003020101 a103020101 a2020500 a303020100");
  check_call(kC_Login, {{1, CKU_USER, word("\xff\x31"), 2}},
             "a003020101 a103020101 a206a0040402ff31 a303020102");

  Decoded raw(kC_Login, "a003020101 a103020101 a206a0040402ff31 a303020102");
  BOOST_REQUIRE((raw.status == CodecStatus::kOk));
  BOOST_TEST(std::memcmp(reinterpret_cast<const void*>(raw.words.w[2]), "\xff\x31", 2) == 0);
}

BOOST_AUTO_TEST_CASE(mechanisms) {
  CK_MECHANISM mechanism = {CKM_SHA256_RSA_PKCS, nullptr, 0};
  check_call(kC_SignInit, {{1, word(&mechanism), 9}},
             "a003020101 a10a3008 020140 0500 020100 a203020109");
  check_call(kC_SignInit, {{1, 0, 9}}, "a003020101 a1020500 a203020109");

  uint8_t iv[4] = {1, 2, 3, 4};
  mechanism = {CKM_DES_CBC, iv, 4};
  check_call(kC_SignInit, {{1, word(&mechanism), 9}},
             "a003020101 a10f300d 02020122 040401020304 020104 a203020109");

  CK_RSA_PKCS_PSS_PARAMS pss = {CKM_SHA256, CKG_MGF1_SHA256, 32};
  mechanism = {CKM_SHA256_RSA_PKCS_PSS, &pss, sizeof pss};
  check_call(kC_SignInit, {{1, word(&mechanism), 9}},
             "a003020101 a1163014 020143 a00c300a 02020250 020102 020120 020118 a203020109");
}

BOOST_AUTO_TEST_CASE(attributes) {
  CK_OBJECT_CLASS key = CKO_PRIVATE_KEY;
  CK_BBOOL yes = CK_TRUE;
  CK_ATTRIBUTE all[] = {{CKA_CLASS, &key, sizeof key}, {CKA_TOKEN, &yes, 1}, {CKA_ID, nullptr, 0}};
  check_call(kC_FindObjectsInit, {{1, word(all), 3}},
             "a003020101 a1253023"
             "300b 020100 a003020103 020108" /* CKA_CLASS: a number */
             "3009 020101 040101 020101"     /* CKA_TOKEN: octets */
             "3009 02020102 0500 020100"     /* CKA_ID: NULL */
             "a203020103");
  /* The whole of what a token has: no attributes, and no pointer to them. */
  check_call(kC_FindObjectsInit, {{1, 0, 0}}, "a003020101 a1023000 a203020100",
             "a2070305 0040000000");
}

BOOST_AUTO_TEST_CASE(flags) {
  CK_SESSION_HANDLE session;
  check_call(kC_OpenSession, {{3, CKF_SERIAL_SESSION | CKF_RW_SESSION, 0, 0, word(&session)}},
             "a003020103 a1070305 00 60000000 a2020500 a3020500");
  for (const char* bits : {"030100", "03020560", "0305 00 60000000", "0309 00 6000000000000000"}) {
    const size_t size = hex(bits).size();
    const std::string tag = "a1" + spell(Bytes{static_cast<uint8_t>(size)});
    Decoded d(kC_OpenSession, "a003020103" + tag + bits + "a2020500 a3020500");
    BOOST_REQUIRE_MESSAGE(d.status == CodecStatus::kOk, bits);
    BOOST_TEST(d.words.w[1] == (size == 3 ? 0 : CKF_SERIAL_SESSION | CKF_RW_SESSION), bits);
  }
  Decoded long_flags(kC_OpenSession, "a003020103 a10c030a00 600000000000000000 a2020500 a3020500");
  BOOST_TEST((long_flags.status == CodecStatus::kAnswer));
}

BOOST_AUTO_TEST_CASE(callbacks_are_present_or_not) {
  CK_SESSION_HANDLE session;
  int cookie;
  check_call(kC_OpenSession, {{3, 4, word(&cookie), word(&cookie), word(&session)}},
             "a003020103 a1070305 00 20000000 a2020400 a3030101ff");
  Decoded d(kC_OpenSession, "a003020103 a1070305 00 20000000 a2020400 a3030101ff");
  BOOST_REQUIRE((d.status == CodecStatus::kOk));
  BOOST_TEST(d.words.w[2] != 0u);
  BOOST_TEST(d.words.w[3] != 0u);
}

BOOST_AUTO_TEST_CASE(reserved_pointers) {
  int something;
  CK_SLOT_ID slot;
  check_call(kC_Finalize, {{0}}, "a0020500");
  check_call(kC_WaitForSlotEvent, {{CKF_DONT_BLOCK, word(&slot), 0}},
             "a00703050080000000 a2020500");
  check_call(kC_WaitForSlotEvent, {{CKF_DONT_BLOCK, word(&slot), word(&something)}},
             "a00703050080000000");
  CallArena arena;
  SecureBuffer der;
  BOOST_TEST(encode_call(kFunctionTable[kC_Finalize], {{word(&something)}}, first(), &arena,
                         &der) == CKR_ARGUMENTS_BAD);
}

BOOST_AUTO_TEST_CASE(returns) {
  CallArena arena;
  SecureBuffer der;
  auto* found = static_cast<CK_OBJECT_HANDLE*>(arena.allocate_out(4 * sizeof(CK_OBJECT_HANDLE)));
  found[0] = 2;
  found[1] = 0x80000003;
  CK_ULONG count = 2;
  const Words find{{1, word(found), 4, word(&count)}};
  encode_return(kFunctionTable[kC_FindObjects], find, CKR_OK, first(), &arena, &der);
  BOOST_TEST(
      spell(der.span()) ==
      spell(message(false, kC_FindObjects, "020100 a10c300a 020102 02050080000003 a303020102")));
  encode_return(kFunctionTable[kC_Login], {}, CKR_PIN_INCORRECT, first(), &arena, &der);
  BOOST_TEST(spell(der.span()) == spell(message(false, kC_Login, "020200a0")));
  encode_answer(kC_LoginUser, CKR_FUNCTION_NOT_SUPPORTED, first(), &arena, &der);
  BOOST_TEST(spell(der.span()) == spell(message(false, kC_LoginUser, "020154")));
}

BOOST_AUTO_TEST_SUITE_END()
