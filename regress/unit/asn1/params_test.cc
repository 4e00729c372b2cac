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
 * Parameters that give something back, through DER. If one of these failed, a peer could make the
 * other side read or write beyond its memory.
 */
#include <boost/test/unit_test.hpp>
#include <cstring>
#include <vector>

#include "codec.h"
#include "codec_fixture.h"

using namespace mp11;
using namespace mp11::asn1_test;

namespace {

const FunctionRow& kDerive = kFunctionTable[kC_DeriveKey];

/* A call of C_DeriveKey from a client's memory to a server's, and back. */
struct Wire {
  template <class T>
  Wire(CK_MECHANISM_TYPE type, T* parameter) : mechanism{type, parameter, sizeof *parameter} {
    words.w[0] = 1;
    words.w[1] = reinterpret_cast<Word>(&mechanism);
    words.w[2] = 2;
    words.w[5] = reinterpret_cast<Word>(&made);
  }
  CK_RV call() {
    CallArena scratch;
    return encode_call(kDerive, words, envelope(1), &scratch, &der);
  }
  /* What the server makes of it. */
  CK_RV arrives() {
    Received received;
    CK_RV answer = CKR_OK;
    arena.clear();
    if (decode_message(der.span(), &arena, &received) != CodecStatus::kOk) return CKR_DEVICE_ERROR;
    if (decode_call(received, kDerive, &arena, &server, &answer) == CodecStatus::kSyntax)
      return CKR_DEVICE_ERROR;
    return answer;
  }
  void answer() { encode_return(kDerive, server, CKR_OK, envelope(1), &arena, &der); }
  CodecStatus back() {
    answer();
    return taken();
  }
  CodecStatus taken() {
    CallArena scratch;
    Received received;
    if (decode_message(der.span(), &scratch, &received) != CodecStatus::kOk)
      return CodecStatus::kSyntax;
    return decode_return(received, kDerive, words, &scratch, &rv);
  }
  /* The last INTEGER `from` in the message becomes `to`. */
  void change(uint8_t from, uint8_t to) {
    for (size_t i = der.size() - 2; i-- > 0;)
      if (der.data()[i] == 2 && der.data()[i + 1] == 1 && der.data()[i + 2] == from) {
        der.data()[i + 2] = to;
        return;
      }
    BOOST_FAIL("no such number");
  }

  CK_MECHANISM mechanism;
  CK_OBJECT_HANDLE made = 0;
  Words words, server;
  SecureBuffer der;
  CallArena arena;
  CK_RV rv = CKR_OK;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(params)

BOOST_AUTO_TEST_CASE(returns_beyond_the_room_are_refused) {
  CK_BYTE iv[2][32];
  std::memset(iv, 0x55, sizeof iv);
  CK_SSL3_KEY_MAT_OUT out{0, 0, 0, 0, iv[0], iv[1]};
  CK_SSL3_KEY_MAT_PARAMS material{};
  material.ulIVSizeInBits = 128;
  material.pReturnedKeyMaterial = &out;
  Wire wire(CKM_SSL3_KEY_AND_MAC_DERIVE, &material);
  BOOST_REQUIRE(wire.call() == CKR_OK);
  BOOST_REQUIRE(wire.arrives() == CKR_OK);
  BOOST_REQUIRE((wire.back() == CodecStatus::kOk));
  BOOST_TEST(iv[0][15] == 0);
  BOOST_TEST(iv[0][16] == 0x55);
  for (CK_ULONG bits : {0, 64, 120, 136}) { /* other than what the server has */
    material.ulIVSizeInBits = bits;
    std::memset(iv, 0x55, sizeof iv);
    BOOST_TEST((wire.back() == CodecStatus::kSyntax));
    BOOST_TEST(iv[0][0] == 0x55);
  }
}

BOOST_AUTO_TEST_CASE(returns_of_other_keys_are_refused) {
  CK_OBJECT_HANDLE made[3] = {};
  CK_DERIVED_KEY keys[3] = {{nullptr, 0, &made[0]}, {nullptr, 0, &made[1]}, {nullptr, 0, &made[2]}};
  CK_SP800_108_KDF_PARAMS kdf{CKM_SHA256_HMAC, 0, nullptr, 2, keys};
  Wire wire(CKM_SP800_108_COUNTER_KDF, &kdf);
  BOOST_REQUIRE(wire.call() == CKR_OK);
  BOOST_REQUIRE(wire.arrives() == CKR_OK);
  BOOST_REQUIRE((wire.back() == CodecStatus::kOk));
  for (CK_ULONG count : {0, 1, 3}) {
    kdf.ulAdditionalDerivedKeys = count;
    BOOST_TEST((wire.back() == CodecStatus::kSyntax));
  }
  kdf.ulAdditionalDerivedKeys = 2;
  auto* mechanism = reinterpret_cast<CK_MECHANISM*>(wire.server.w[1]);
  static_cast<CK_SP800_108_KDF_PARAMS*>(mechanism->pParameter)->pAdditionalDerivedKeys[1].phKey =
      nullptr; /* success without what was asked for */
  BOOST_TEST((wire.back() == CodecStatus::kSyntax));
}

BOOST_AUTO_TEST_CASE(output_beyond_the_room_is_refused) {
  CK_BYTE output[32];
  CK_ULONG length = 16;
  CK_TLS_PRF_PARAMS prf{nullptr, 0, nullptr, 0, output, &length};
  Wire wire(CKM_TLS_PRF, &prf);
  BOOST_REQUIRE(wire.call() == CKR_OK);
  BOOST_REQUIRE(wire.arrives() == CKR_OK);
  length = 15;
  BOOST_TEST((wire.back() == CodecStatus::kSyntax));
  length = 16;
  BOOST_TEST((wire.back() == CodecStatus::kOk));
}

/* An application believes the length: one that is not that of the octets has it read beyond them.
 */
BOOST_AUTO_TEST_CASE(lengths_other_than_of_what_came_are_refused) {
  CK_BYTE output[99];
  CK_ULONG length = sizeof output;
  CK_TLS_PRF_PARAMS prf{nullptr, 0, nullptr, 0, output, &length};
  Wire wire(CKM_TLS_PRF, &prf);
  for (int told : {99, 98, 100, 0}) {
    length = sizeof output;
    BOOST_REQUIRE(wire.call() == CKR_OK);
    BOOST_REQUIRE(wire.arrives() == CKR_OK);
    wire.answer();
    wire.change(99, static_cast<uint8_t>(told));
    BOOST_TEST((wire.taken() == (told == 99 ? CodecStatus::kOk : CodecStatus::kSyntax)));
    BOOST_TEST(length == 99u);
  }
  prf.pOutput = nullptr; /* who asks for the length alone gets any */
  BOOST_REQUIRE(wire.call() == CKR_OK);
  BOOST_REQUIRE(wire.arrives() == CKR_OK);
  wire.answer();
  wire.change(99, 100);
  BOOST_TEST((wire.taken() == CodecStatus::kOk));
  BOOST_TEST(length == 100u);
}

/* What a library does not change may lie in constants, which cannot be written to. */
BOOST_AUTO_TEST_CASE(what_is_unchanged_is_not_written) {
  static const CK_VERSION version{3, 1};
  static const CK_BYTE x[4] = {1, 2, 3, 4};
  static const CK_KEY_WRAP_SET_OAEP_PARAMS oaep{7, const_cast<CK_BYTE*>(x), sizeof x};
  CK_SSL3_MASTER_KEY_DERIVE_PARAMS params{{}, const_cast<CK_VERSION*>(&version)};
  Wire master(CKM_TLS_MASTER_KEY_DERIVE, &params);
  Wire wrapped(CKM_KEY_WRAP_SET_OAEP, const_cast<CK_KEY_WRAP_SET_OAEP_PARAMS*>(&oaep));
  for (Wire* wire : {&master, &wrapped}) {
    BOOST_REQUIRE(wire->call() == CKR_OK);
    BOOST_REQUIRE(wire->arrives() == CKR_OK);
    BOOST_TEST((wire->back() == CodecStatus::kOk));
  }
}

/* Counts and rooms that say more than what came. */
BOOST_AUTO_TEST_CASE(forged_lengths_are_refused) {
  std::vector<CK_DERIVED_KEY> keys(93, CK_DERIVED_KEY{});
  CK_SP800_108_KDF_PARAMS kdf{CKM_SHA256_HMAC, 0, nullptr, keys.size(), keys.data()};
  Wire many(CKM_SP800_108_COUNTER_KDF, &kdf);
  BOOST_REQUIRE(many.call() == CKR_OK);
  BOOST_TEST(many.arrives() == CKR_OK);
  many.change(93, 94);
  BOOST_TEST(many.arrives() == CKR_MECHANISM_PARAM_INVALID);

  CK_BYTE output[99];
  CK_ULONG length = sizeof output;
  CK_TLS_PRF_PARAMS prf{nullptr, 0, nullptr, 0, output, &length};
  Wire wire(CKM_TLS_PRF, &prf);
  BOOST_REQUIRE(wire.call() == CKR_OK);
  BOOST_TEST(wire.arrives() == CKR_OK);
  wire.change(99, 100);
  BOOST_TEST(wire.arrives() == CKR_MECHANISM_PARAM_INVALID);
}

BOOST_AUTO_TEST_CASE(what_has_no_form_is_refused_at_once) {
  CK_BYTE octet = 0;
  CK_PRF_DATA_PARAM data{77, &octet, 1};
  CK_SP800_108_KDF_PARAMS kdf{CKM_SHA256_HMAC, 1, &data, 0, nullptr};
  Wire unknown(CKM_SP800_108_COUNTER_KDF, &kdf);
  BOOST_TEST(unknown.call() == CKR_MECHANISM_PARAM_INVALID);
  CK_KIP_PARAMS kip{nullptr, 1, nullptr, 0};
  Wire within(CKM_KIP_DERIVE, &kip);
  kip.pMechanism = &within.mechanism; /* within itself */
  BOOST_TEST(within.call() == CKR_MECHANISM_PARAM_INVALID);
  CK_MECHANISM vendor{CKM_VENDOR_DEFINED, &octet, 1};
  kip.pMechanism = &vendor;
  BOOST_TEST(within.call() == CKR_MECHANISM_PARAM_INVALID);
}

BOOST_AUTO_TEST_SUITE_END()
