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
 * Parameters that give something back, or that hold further structures. If one of these failed, an
 * application would get another key's handle, or a peer could write where it has no room.
 */
#include <boost/test/unit_test.hpp>
#include <cstring>
#include <vector>

#include "marshal.h"
#include "marshal_parts.h"
#include "p11_params.h"
#include "param_walk.h"

using namespace mp11;

namespace {

const FunctionRow& kDerive = kFunctionTable[kC_DeriveKey];

/* A call of C_DeriveKey on its way to a library and back. */
struct Derivation {
  template <class T>
  Derivation(CK_MECHANISM_TYPE type, T* parameter, const FunctionRow& its_row = kDerive)
      : row(its_row), mechanism{type, parameter, sizeof *parameter} {
    words.w[0] = 1;
    words.w[1] = reinterpret_cast<Word>(&mechanism);
    words.w[2] = 7;
    words.w[row.word_count - 1] = reinterpret_cast<Word>(&made);
  }

  CK_RV pack() { return pack_call(row, words, &call); }
  bool unpack() {
    arena.clear();
    return unpack_call(row, call, &arena, &theirs);
  }
  void go() {
    BOOST_REQUIRE(pack() == CKR_OK);
    BOOST_REQUIRE(unpack());
  }
  /* The library's parameter. */
  template <class T>
  T* there() {
    return static_cast<T*>(reinterpret_cast<CK_MECHANISM*>(theirs.w[1])->pParameter);
  }
  CK_OBJECT_HANDLE* key_there() {
    return reinterpret_cast<CK_OBJECT_HANDLE*>(theirs.w[row.word_count - 1]);
  }
  bool back(CK_RV rv) {
    pack_reply(row, theirs, rv, &reply);
    return unpack_reply(row, reply, words);
  }

  const FunctionRow& row;
  CK_MECHANISM mechanism;
  CK_OBJECT_HANDLE made = 0;
  Words words, theirs;
  Message call, reply;
  CallArena arena;
};

CK_BBOOL yes = CK_TRUE;

/* Of counter mode, with a key among its data and two keys more. */
struct Kdf {
  Kdf() {
    params = {CKM_SHA256_HMAC, 4, data, 2, keys};
    keys[0] = {&token, 1, &made[0]};
    keys[1] = {nullptr, 0, &made[1]};
  }
  CK_SP800_108_COUNTER_FORMAT counter{CK_FALSE, 16};
  CK_SP800_108_DKM_LENGTH_FORMAT length{CK_SP800_108_DKM_LENGTH_SUM_OF_KEYS, CK_TRUE, 32};
  CK_OBJECT_HANDLE named = 5;
  CK_PRF_DATA_PARAM data[4] = {
      {CK_SP800_108_ITERATION_VARIABLE, &counter, sizeof counter},
      {CK_SP800_108_BYTE_ARRAY, const_cast<char*>("label"), 5},
      {CK_SP800_108_KEY_HANDLE, &named, sizeof named},
      {CK_SP800_108_DKM_LENGTH, &length, sizeof length},
  };
  CK_ATTRIBUTE token{CKA_TOKEN, &yes, 1};
  CK_OBJECT_HANDLE made[2] = {};
  CK_DERIVED_KEY keys[2];
  CK_SP800_108_KDF_PARAMS params;
};

/* What a hostile client packs by hand: everything of C_DeriveKey but its mechanism. */
struct Forged {
  explicit Forged(CK_MECHANISM_TYPE type, CK_ULONG size) : out(&call.bytes) {
    call.rec.function = kC_DeriveKey;
    out.u8(5);
    out.u64(type);
    out.u64(size);
  }
  bool taken() {
    call.rec.handles[call.rec.handle_count++] = 7; /* base key */
    out.u8(1);                                     /* template: present, none */
    out.u64(0);
    out.u8(1); /* phKey */
    CallArena arena;
    Words words;
    return unpack_call(kDerive, call, &arena, &words);
  }
  void octets(const char* text) {
    out.u8(1);
    out.octets(text, std::strlen(text));
  }
  Message call;
  PackWriter out;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(marshal_params)

BOOST_AUTO_TEST_CASE(additional_keys) {
  Kdf kdf;
  Derivation d(CKM_SP800_108_COUNTER_KDF, &kdf.params);
  d.go();
  /* Each handle that goes in is in the record, and what the record says is what arrives. */
  BOOST_REQUIRE(d.call.rec.handle_count == 2u);
  BOOST_TEST(d.call.rec.handles[0] == 5u);
  d.call.rec.handles[0] = 555;
  BOOST_REQUIRE(d.unpack());
  auto* there = d.there<CK_SP800_108_KDF_PARAMS>();
  BOOST_REQUIRE(there->ulNumberOfDataParams == 4u);
  BOOST_TEST(*static_cast<CK_OBJECT_HANDLE*>(there->pDataParams[2].pValue) == 555u);
  BOOST_TEST(
      static_cast<CK_SP800_108_COUNTER_FORMAT*>(there->pDataParams[0].pValue)->ulWidthInBits ==
      16u);
  BOOST_TEST(std::memcmp(there->pDataParams[1].pValue, "label", 5) == 0);
  BOOST_REQUIRE(there->ulAdditionalDerivedKeys == 2u);
  BOOST_TEST(there->pAdditionalDerivedKeys[0].pTemplate->type == CKA_TOKEN);
  *d.key_there() = 100;
  *there->pAdditionalDerivedKeys[0].phKey = 101;
  *there->pAdditionalDerivedKeys[1].phKey = 102;
  BOOST_REQUIRE(d.back(CKR_OK));
  BOOST_TEST(d.reply.rec.handle_count == 1u);
  BOOST_TEST((d.reply.list == std::vector<uint64_t>{101, 102}));
  BOOST_TEST(d.made == 100u);
  BOOST_TEST(kdf.made[0] == 101u);
  BOOST_TEST(kdf.made[1] == 102u);
  /* Without success nothing is written. */
  kdf.made[0] = 1;
  BOOST_REQUIRE(d.back(CKR_TEMPLATE_INCONSISTENT));
  BOOST_REQUIRE(d.back(CKR_ATTRIBUTE_TYPE_INVALID));
  BOOST_TEST(kdf.made[0] == 1u);
}

BOOST_AUTO_TEST_CASE(facts_of_additional_keys) {
  Kdf kdf;
  Derivation d(CKM_SP800_108_FEEDBACK_KDF, &kdf.params);
  CK_SP800_108_FEEDBACK_KDF_PARAMS feedback{CKM_SHA256_HMAC, 4, kdf.data, 0, nullptr, 2, kdf.keys};
  d.mechanism = {CKM_SP800_108_FEEDBACK_KDF, &feedback, sizeof feedback};
  kdf.keys[1].phKey = nullptr;
  d.go();
  ParameterFacts facts = parameter_facts(kDerive, d.theirs);
  BOOST_TEST(facts.templates.size() == 2u);
  BOOST_TEST(facts.handles.size() == 1u); /* nobody is told of the other */
  BOOST_TEST(template_flags(facts.templates[0]) == (kFlagTokenObject0 | kFlagPrivateUnknown0));
  BOOST_TEST(template_flags(facts.templates[1]) == kFlagPrivateUnknown0);
  BOOST_TEST(names_token_object(kDerive, d.theirs));
  BOOST_TEST((object_flags(kDerive, d.theirs) & kFlagTokenObject0) == 0u);
  kdf.keys[0] = {nullptr, 0, &kdf.made[0]};
  d.go();
  BOOST_TEST(!names_token_object(kDerive, d.theirs));
}

BOOST_AUTO_TEST_CASE(replies_with_other_handles_are_refused) {
  Kdf kdf;
  Derivation d(CKM_SP800_108_COUNTER_KDF, &kdf.params);
  d.go();
  BOOST_REQUIRE(d.back(CKR_OK));
  for (std::vector<uint64_t> list : {std::vector<uint64_t>{}, {1}, {1, 2, 3}}) {
    d.reply.list = list;
    BOOST_TEST(!unpack_reply(d.row, d.reply, d.words));
  }
  BOOST_REQUIRE(d.back(CKR_ATTRIBUTE_TYPE_INVALID));
  d.reply.list = {1, 2};
  BOOST_TEST(!unpack_reply(d.row, d.reply, d.words));
}

struct KeyMaterial {
  KeyMaterial() {
    std::memset(room, 0x55, sizeof room);
    out = {0, 0, 0, 0, room, room + 32};
    params.ulIVSizeInBits = 121; /* 16 octets */
    params.RandomInfo = {room, 3, nullptr, 0};
    params.pReturnedKeyMaterial = &out;
  }
  bool untouched() const {
    for (size_t i = 0; i < sizeof room; i++)
      if (i % 32 >= 16 && room[i] != 0x55) return false;
    return true;
  }
  CK_BYTE room[64];
  CK_SSL3_KEY_MAT_OUT out{};
  CK_TLS12_KEY_MAT_PARAMS params{};
};

BOOST_AUTO_TEST_CASE(key_material) {
  KeyMaterial material;
  Derivation d(CKM_TLS12_KEY_AND_MAC_DERIVE, &material.params);
  d.words.w[5] = 0;
  d.go();
  auto* there = d.there<CK_TLS12_KEY_MAT_PARAMS>()->pReturnedKeyMaterial;
  BOOST_REQUIRE(CallArena::room(there->pIVClient) == 16u);
  std::memset(there->pIVClient, 1, 16);
  std::memset(there->pIVServer, 2, 16);
  there->hClientMacSecret = 11;
  there->hServerMacSecret = 12;
  there->hClientKey = 13;
  there->hServerKey = 14;
  BOOST_REQUIRE(d.back(CKR_OK));
  BOOST_TEST(material.out.hClientMacSecret == 11u);
  BOOST_TEST(material.out.hServerKey == 14u);
  BOOST_TEST(material.room[0] == 1);
  BOOST_TEST(material.room[15] == 1);
  BOOST_TEST(material.room[32] == 2);
  BOOST_TEST(material.untouched());
  /* The keys are what the call's own template says. */
  ParameterFacts facts = parameter_facts(kDerive, d.theirs);
  BOOST_REQUIRE(facts.handles.size() == 4u);
  BOOST_TEST(!facts.handles[3].has_value());
}

/* A mechanism that makes no IV has nothing to write one with. */
BOOST_AUTO_TEST_CASE(key_material_without_iv) {
  KeyMaterial material;
  Derivation d(CKM_TLS12_KEY_SAFE_DERIVE, &material.params);
  d.go();
  auto* there = d.there<CK_TLS12_KEY_MAT_PARAMS>()->pReturnedKeyMaterial;
  BOOST_TEST(CallArena::room(there->pIVClient) == 0u);
  BOOST_REQUIRE(d.back(CKR_OK));
  BOOST_TEST(material.room[0] == 0x55);
}

/* An IV of any other length than the one that was agreed upon. */
BOOST_AUTO_TEST_CASE(replies_with_longer_octets_are_refused) {
  KeyMaterial material;
  Derivation d(CKM_TLS12_KEY_AND_MAC_DERIVE, &material.params);
  d.go();
  for (size_t size : {size_t{0}, size_t{15}, size_t{16}, size_t{17}, size_t{4096}}) {
    BOOST_REQUIRE(d.back(CKR_OK));
    d.reply.bytes.clear();
    PackWriter out(&d.reply.bytes);
    std::vector<uint8_t> iv(size, 0x41);
    for (int i = 0; i < 2; i++) {
      out.u8(1);
      out.octets(iv.data(), size);
    }
    BOOST_TEST(unpack_reply(d.row, d.reply, d.words) == (size == 16));
    BOOST_TEST(material.untouched());
  }
  d.reply.bytes.clear(); /* success without what was asked for */
  PackWriter out(&d.reply.bytes);
  out.u8(0);
  out.u8(0);
  BOOST_TEST(!unpack_reply(d.row, d.reply, d.words));
}

BOOST_AUTO_TEST_CASE(version_is_read_and_written) {
  CK_VERSION version{3, 1};
  CK_SSL3_MASTER_KEY_DERIVE_PARAMS params{{}, &version};
  Derivation d(CKM_TLS_MASTER_KEY_DERIVE, &params);
  d.go();
  auto* there = d.there<CK_SSL3_MASTER_KEY_DERIVE_PARAMS>();
  BOOST_TEST(there->pVersion->major == 3);
  BOOST_TEST(there->pVersion->minor == 1);
  *there->pVersion = {3, 3};
  BOOST_REQUIRE(d.back(CKR_OK));
  BOOST_TEST(version.minor == 3);
  params.pVersion = nullptr;
  d.mechanism.mechanism = CKM_TLS_MASTER_KEY_DERIVE_DH;
  d.go();
  BOOST_TEST(d.there<CK_SSL3_MASTER_KEY_DERIVE_PARAMS>()->pVersion == nullptr);
  BOOST_REQUIRE(d.back(CKR_OK));
}

BOOST_AUTO_TEST_CASE(output_and_its_length) {
  CK_BYTE output[16];
  std::memset(output, 0x55, sizeof output);
  CK_ULONG length = 12;
  CK_TLS_PRF_PARAMS params{nullptr, 0, nullptr, 0, output, &length};
  Derivation d(CKM_TLS_PRF, &params);
  d.go();
  auto* there = d.there<CK_TLS_PRF_PARAMS>();
  BOOST_REQUIRE(CallArena::room(there->pOutput) == 12u);
  std::memset(there->pOutput, 1, 12);
  *there->pulOutputLen = 100;
  BOOST_REQUIRE(d.back(CKR_BUFFER_TOO_SMALL)); /* the length alone */
  BOOST_TEST(length == 100u);
  BOOST_TEST(output[0] == 0x55);
  length = 12;
  *there->pulOutputLen = 10;
  BOOST_REQUIRE(d.back(CKR_OK));
  BOOST_TEST(length == 10u);
  BOOST_TEST(output[9] == 1);
  BOOST_TEST(output[10] == 0x55);
  /* More than there was room for: a library's word, and a peer's. */
  length = 12;
  *there->pulOutputLen = 13;
  pack_reply(d.row, d.theirs, CKR_OK, &d.reply);
  BOOST_TEST(d.reply.rec.rv == CKR_GENERAL_ERROR);
  *there->pulOutputLen = 12;
  BOOST_REQUIRE(d.back(CKR_OK));
  length = 11;
  BOOST_TEST(!unpack_reply(d.row, d.reply, d.words));
  BOOST_TEST(parameter_facts(kDerive, d.theirs).gives_octets);
}

BOOST_AUTO_TEST_CASE(iv_of_a_password) {
  CK_BYTE iv[9] = {9, 9, 9, 9, 9, 9, 9, 9, 9};
  CK_PBE_PARAMS params{iv, nullptr, 0, nullptr, 0, 1};
  Derivation d(CKM_PBE_SHA1_DES3_EDE_CBC, &params, kFunctionTable[kC_GenerateKey]);
  d.words.w[2] = 0;
  d.go();
  std::memcpy(d.there<CK_PBE_PARAMS>()->pInitVector, "12345678", 8);
  BOOST_REQUIRE(d.back(CKR_OK));
  BOOST_TEST(std::memcmp(iv, "12345678\x09", 9) == 0);
  d.mechanism.mechanism = CKM_PBE_SHA1_RC4_128; /* has none */
  d.go();
  BOOST_REQUIRE(d.back(CKR_OK));
  BOOST_TEST(iv[0] == '1');
}

BOOST_AUTO_TEST_CASE(what_was_wrapped_with_a_key_comes_back) {
  CK_BYTE x[8] = {1, 2, 3};
  CK_KEY_WRAP_SET_OAEP_PARAMS params{0, x, sizeof x};
  Derivation d(CKM_KEY_WRAP_SET_OAEP, &params, kFunctionTable[kC_UnwrapKey]);
  d.go();
  auto* there = d.there<CK_KEY_WRAP_SET_OAEP_PARAMS>();
  BOOST_TEST(there->pX[1] == 2);
  there->bBC = 3;
  std::memcpy(there->pX, "abcd", 4);
  there->ulXLen = 4;
  BOOST_REQUIRE(d.back(CKR_OK));
  BOOST_TEST(params.bBC == 3);
  BOOST_TEST(params.ulXLen == 4u);
  BOOST_TEST(std::memcmp(x, "abcd\0\0\0", 7) == 0);
}

/* An application believes the length: one that is not that of the octets has it read beyond them.
 */
BOOST_AUTO_TEST_CASE(lengths_other_than_of_what_came_are_refused) {
  CK_BYTE buffer[8] = {};
  CK_ULONG length = sizeof buffer;
  CK_TLS_PRF_PARAMS prf{nullptr, 0, nullptr, 0, buffer, &length};
  CK_KEY_WRAP_SET_OAEP_PARAMS oaep{0, buffer, sizeof buffer};
  for (bool wrapped : {false, true})
    for (uint64_t told : {uint64_t{4}, uint64_t{0}, uint64_t{3}, uint64_t{5}, uint64_t{8},
                          uint64_t{1} << 40, UINT64_MAX}) {
      length = oaep.ulXLen = sizeof buffer;
      Derivation d(CKM_TLS_PRF, &prf, kFunctionTable[wrapped ? kC_UnwrapKey : kC_DeriveKey]);
      if (wrapped) d.mechanism = {CKM_KEY_WRAP_SET_OAEP, &oaep, sizeof oaep};
      d.go();
      BOOST_REQUIRE(d.back(CKR_OK));
      d.reply.bytes.clear();
      PackWriter out(&d.reply.bytes);
      if (wrapped) out.u8(0);
      out.u8(1);
      out.octets("abcd", 4);
      if (!wrapped) out.u8(1);
      out.u64(told);
      BOOST_TEST(unpack_reply(d.row, d.reply, d.words) == (told == 4), told);
      BOOST_TEST((wrapped ? oaep.ulXLen : length) == (told == 4 ? 4u : sizeof buffer));
    }
  /* Who asks for the length alone gets any. */
  prf.pOutput = nullptr;
  length = 0;
  Derivation d(CKM_TLS_PRF, &prf);
  d.go();
  *d.there<CK_TLS_PRF_PARAMS>()->pulOutputLen = 100;
  BOOST_REQUIRE(d.back(CKR_OK));
  BOOST_TEST(length == 100u);
}

/* What a library does not change may lie in constants, which cannot be written to. */
BOOST_AUTO_TEST_CASE(what_is_unchanged_is_not_written) {
  static const CK_VERSION version{3, 1};
  static const CK_BYTE x[4] = {1, 2, 3, 4};
  static const CK_ULONG length = 4;
  static const CK_KEY_WRAP_SET_OAEP_PARAMS oaep{7, const_cast<CK_BYTE*>(x), sizeof x};
  CK_SSL3_MASTER_KEY_DERIVE_PARAMS params{{}, const_cast<CK_VERSION*>(&version)};
  Derivation master(CKM_TLS_MASTER_KEY_DERIVE, &params);
  master.go();
  BOOST_TEST(master.back(CKR_OK));
  Derivation unwrap(CKM_KEY_WRAP_SET_OAEP, const_cast<CK_KEY_WRAP_SET_OAEP_PARAMS*>(&oaep),
                    kFunctionTable[kC_UnwrapKey]);
  unwrap.go();
  BOOST_TEST(unwrap.back(CKR_OK));
  CK_BYTE output[4];
  CK_TLS_PRF_PARAMS prf{nullptr, 0, nullptr, 0, output, const_cast<CK_ULONG*>(&length)};
  Derivation made(CKM_TLS_PRF, &prf);
  made.go();
  BOOST_TEST(made.back(CKR_OK));
}

BOOST_AUTO_TEST_CASE(mechanisms_within_parameters) {
  CK_RSA_PKCS_PSS_PARAMS pss{CKM_SHA256, CKG_MGF1_SHA256, 32};
  CK_MECHANISM sign{CKM_RSA_PKCS_PSS, &pss, sizeof pss}, digest{CKM_SHA256, nullptr, 0};
  CK_CMS_SIG_PARAMS cms{
      9,       &sign,
      &digest, const_cast<CK_UTF8CHAR*>(reinterpret_cast<const CK_UTF8CHAR*>("text/x")),
      nullptr, 0,
      nullptr, 0};
  Derivation d(CKM_CMS_SIG, &cms);
  d.go();
  auto* there = d.there<CK_CMS_SIG_PARAMS>();
  BOOST_TEST(static_cast<CK_RSA_PKCS_PSS_PARAMS*>(there->pSigningMechanism->pParameter)->sLen ==
             32u);
  BOOST_TEST(reinterpret_cast<const char*>(there->pContentType) == std::string("text/x"));
  BOOST_TEST(d.call.rec.handles[0] == 9u);
  /* A filter of mechanisms is told of all. */
  const ParameterFacts facts = parameter_facts(kDerive, d.theirs);
  BOOST_TEST((facts.mechanisms ==
              std::vector<CK_MECHANISM_TYPE>{CKM_CMS_SIG, CKM_RSA_PKCS_PSS, CKM_SHA256}));

  /* What gives something back, or has no form, goes nowhere. */
  CK_BYTE octet = 0;
  digest = {CKM_VENDOR_DEFINED | 1, &octet, 1};
  BOOST_TEST(d.pack() == CKR_MECHANISM_PARAM_INVALID);
  CK_PBE_PARAMS pbe{};
  digest = {CKM_PBE_MD5_DES_CBC, &pbe, sizeof pbe};
  BOOST_TEST(d.pack() == CKR_MECHANISM_PARAM_INVALID);
  /* Nor does one within itself. */
  digest = {CKM_CMS_SIG, &cms, sizeof cms};
  BOOST_TEST(d.pack() == CKR_MECHANISM_PARAM_INVALID);
}

BOOST_AUTO_TEST_CASE(what_no_table_knows_is_refused_at_once) {
  Kdf kdf;
  Derivation d(CKM_SP800_108_COUNTER_KDF, &kdf.params);
  kdf.data[1].type = 77; /* may be a pointer */
  BOOST_TEST(d.pack() == CKR_MECHANISM_PARAM_INVALID);
  kdf.data[1].type = CK_SP800_108_BYTE_ARRAY;
  kdf.data[0].ulValueLen = 3;
  BOOST_TEST(d.pack() == CKR_MECHANISM_PARAM_INVALID);
  kdf.data[0].ulValueLen = sizeof kdf.counter;
  BOOST_TEST(d.pack() == CKR_OK);
  std::vector<CK_DERIVED_KEY> many(limits::kParamStructs + 1, CK_DERIVED_KEY{});
  kdf.params.pAdditionalDerivedKeys = many.data();
  kdf.params.ulAdditionalDerivedKeys = many.size();
  BOOST_TEST(d.pack() == CKR_HOST_MEMORY);
  kdf.params.ulAdditionalDerivedKeys--;
  BOOST_TEST(d.pack() == CKR_OK);
  CK_ULONG length = limits::kOutput + 1;
  CK_TLS_PRF_PARAMS prf{nullptr, 0, nullptr, 0, &yes, &length};
  d.mechanism = {CKM_TLS_PRF, &prf, sizeof prf};
  BOOST_TEST(d.pack() == CKR_HOST_MEMORY);
}

BOOST_AUTO_TEST_CASE(forged_structures_are_refused) {
  /* count of structures, the length that it must agree with, type and form of the first one */
  auto kdf = [](uint64_t count, uint64_t said, uint64_t type, uint8_t form) {
    Forged f(CKM_SP800_108_COUNTER_KDF, sizeof(CK_SP800_108_KDF_PARAMS));
    f.out.u64(CKM_SHA256_HMAC);
    f.out.u64(said);
    f.out.u8(1);
    f.out.u64(count);
    for (uint64_t i = 0; i < std::min<uint64_t>(count, 200); i++) {
      f.out.u64(type);
      f.out.u8(form);
      if (form == 2) f.out.octets("abc", 3);
      if (form == 3) f.out.u64(3);
      f.out.u64(form == 1 ? 0 : form == 2 ? 3 : 8);
    }
    f.out.u64(0);
    f.out.u8(0);
    return f.taken();
  };
  BOOST_TEST(kdf(1, 1, CK_SP800_108_BYTE_ARRAY, 2));
  BOOST_TEST(kdf(1, 1, CK_SP800_108_ITERATION_VARIABLE, 1));
  BOOST_TEST(kdf(128, 128, CK_SP800_108_BYTE_ARRAY, 2));
  BOOST_TEST(!kdf(1, 2, CK_SP800_108_BYTE_ARRAY, 2)); /* the library would read on */
  BOOST_TEST(!kdf(129, 129, CK_SP800_108_BYTE_ARRAY, 2));
  BOOST_TEST(!kdf(1, 1, CK_SP800_108_ITERATION_VARIABLE, 2)); /* octets for a structure */
  BOOST_TEST(!kdf(1, 1, CK_SP800_108_KEY_HANDLE, 2));         /* past the record */
  BOOST_TEST(!kdf(1, 1, CK_SP800_108_KEY_HANDLE, 3));
  BOOST_TEST(!kdf(1, 1, 77, 2));
  BOOST_TEST(!kdf(1, 1, CK_SP800_108_BYTE_ARRAY, 6));
}

BOOST_AUTO_TEST_CASE(forged_rooms_are_refused) {
  auto prf = [](uint64_t room, bool has_length, uint64_t said) {
    Forged f(CKM_TLS_PRF, sizeof(CK_TLS_PRF_PARAMS));
    for (int i = 0; i < 2; i++) {
      f.out.u8(0);
      f.out.u64(0);
    }
    f.out.u8(1);
    f.out.u64(room);
    f.out.u8(has_length);
    if (has_length) f.out.u64(said);
    return f.taken();
  };
  BOOST_TEST(prf(48, true, 48));
  BOOST_TEST(!prf(48, true, 49)); /* the library would write on */
  BOOST_TEST(!prf(48, false, 0));
  BOOST_TEST(prf(0, false, 0));
  BOOST_TEST(!prf(limits::kOutput + 1, true, limits::kOutput + 1));
  /* Two rooms of a message of some octets. */
  auto material = [](uint64_t octets) {
    Forged f(CKM_SSL3_KEY_AND_MAC_DERIVE, sizeof(CK_SSL3_KEY_MAT_PARAMS));
    for (uint64_t bits : {uint64_t{0}, uint64_t{0}, octets * 8}) f.out.u64(bits);
    f.out.u8(0);
    for (int i = 0; i < 2; i++) {
      f.out.u8(0);
      f.out.u64(0);
    }
    f.out.u8(1);
    for (int i = 0; i < 2; i++) {
      f.out.u8(1);
      f.out.u64(octets);
    }
    return f.taken();
  };
  BOOST_TEST(material(16));
  BOOST_TEST(!material(limits::kOutput / 2 + 1));
}

BOOST_AUTO_TEST_CASE(forged_mechanisms_within_are_refused) {
  auto kip = [](unsigned depth, uint8_t form) {
    Forged f(CKM_KIP_DERIVE, sizeof(CK_KIP_PARAMS));
    for (unsigned i = 1; i < depth; i++) {
      f.out.u8(5);
      f.out.u64(CKM_KIP_DERIVE);
      f.out.u64(sizeof(CK_KIP_PARAMS));
    }
    f.out.u8(form);
    f.out.u64(form == 6 ? CKM_VENDOR_DEFINED : CKM_SHA256);
    f.out.u64(form == 6 ? 16 : 0);
    for (unsigned i = 0; i < depth; i++) {
      f.out.u8(static_cast<uint8_t>(f.call.rec.handle_count));
      f.call.rec.handles[f.call.rec.handle_count++] = 3;
      f.octets("seed");
      f.out.u64(4);
    }
    return f.taken();
  };
  BOOST_TEST(kip(1, 1));
  BOOST_TEST(kip(3, 1));
  BOOST_TEST(!kip(1, 6));
  BOOST_TEST(!kip(limits::kDepth + 2, 1));
}

BOOST_AUTO_TEST_CASE(forged_text_is_refused) {
  for (bool nul : {false, true}) {
    Forged f(CKM_CMS_SIG, sizeof(CK_CMS_SIG_PARAMS));
    f.out.u8(0);
    f.call.rec.handles[f.call.rec.handle_count++] = 3;
    f.out.u8(0);
    f.out.u8(0);
    f.out.u8(1);
    f.out.octets(nul ? "a\0b" : "a-b", 3);
    for (int i = 0; i < 2; i++) {
      f.out.u8(0);
      f.out.u64(0);
    }
    BOOST_TEST(f.taken() == !nul);
  }
}

/* Every structure with outputs, whatever garbage a peer answers: never beyond the room. */
BOOST_AUTO_TEST_CASE(short_and_long_replies_are_refused) {
  KeyMaterial material;
  Derivation d(CKM_TLS12_KEY_AND_MAC_DERIVE, &material.params);
  d.go();
  BOOST_REQUIRE(d.back(CKR_OK));
  const size_t whole = d.reply.bytes.size();
  for (size_t size = 0; size < whole; size++) {
    Message cut;
    cut.rec = d.reply.rec;
    cut.list = d.reply.list;
    cut.bytes.append(d.reply.bytes.data(), size);
    BOOST_TEST(!unpack_reply(d.row, cut, d.words));
  }
  d.reply.bytes.append("x", 1);
  BOOST_TEST(!unpack_reply(d.row, d.reply, d.words));
  BOOST_TEST(material.untouched());
}

BOOST_AUTO_TEST_SUITE_END()
