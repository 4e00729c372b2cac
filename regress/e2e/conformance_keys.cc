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
/* conformance: parameters of every length, templates within templates, old mechanisms. */
#include <string.h>

#include <algorithm>

#include "conformance.h"

namespace conformance {

/* ---- lengths of mechanism parameters ---- */

namespace {

CK_BYTE iv[12] = {0x31, 2, 3}, aad[20] = {0x32, 7};
CK_GCM_PARAMS gcm = {iv, sizeof iv, 96, aad, sizeof aad, 128};
/* As it was before ulIvBits came; Java tries it first. */
CK_GCM_PARAMS_NO_IV_BITS short_gcm = {iv, sizeof iv, aad, sizeof aad, 128};
CK_RSA_PKCS_OAEP_PARAMS oaep = {CKM_SHA_1, CKG_MGF1_SHA1, CKZ_DATA_SPECIFIED, nullptr, 0};
CK_AES_CTR_PARAMS ctr = {128, {1, 2, 3}};
CK_KEY_DERIVATION_STRING_DATA string = {iv, 16};

/* Each parameter with room behind it, so that a longer length reads only what is ours. */
struct Parameter {
  const char* name;
  CK_MECHANISM_TYPE type;
  const void* from;
  size_t size;
};
const Parameter kParameters[] = {
    {"GCM", CKM_AES_GCM, &gcm, sizeof gcm},
    {"short GCM", CKM_AES_GCM, &short_gcm, sizeof short_gcm},
    {"AES-CTR", CKM_AES_CTR, &ctr, sizeof ctr},
    {"AES-CBC", CKM_AES_CBC, iv, sizeof iv},
    {"AES-ECB", CKM_AES_ECB, iv, sizeof iv},
    {"OAEP", CKM_RSA_PKCS_OAEP, &oaep, sizeof oaep},
    {"RSA-PKCS", CKM_RSA_PKCS, iv, sizeof iv},
    {"derivation", CKM_AES_ECB_ENCRYPT_DATA, &string, sizeof string},
    {"unknown", 0x7654321, iv, sizeof iv},
};
constexpr CK_ULONG kLengths = 80;
constexpr CK_ULONG kLong[] = {255, 4096, 65535, 65536};

Octets block_of(const Parameter& p) {
  Octets block(65536, 0);
  memcpy(block.data(), p.from, p.size);
  return block;
}

}  // namespace

void parameter_lengths(const Arguments&) {
  CK_SESSION_HANDLE home = logged_in();
  CK_SLOT_ID slot = token_slot();
  CK_OBJECT_HANDLE aes = make_secret(home, CKK_AES, 16);
  KeyPair rsa = make_rsa(home);
  auto ask = [&](const Parameter& p, void* block, CK_ULONG length, const std::string& suffix) {
    CK_MECHANISM m = {p.type, block, length};
    CK_SESSION_HANDLE s = open_session(slot);
    std::string name = std::string(p.name) + " of " + std::to_string(length) + suffix;
    bool by_rsa = p.type == CKM_RSA_PKCS_OAEP || p.type == CKM_RSA_PKCS;
    CK_RV rv = p11->C_EncryptInit(s, &m, by_rsa ? rsa.open : aes);
    tell(name, rv);
    if (rv == CKR_OK) {
      Octets data(16, 0x61), out(300);
      CK_ULONG size = out.size();
      rv = p11->C_Encrypt(s, data.data(), data.size(), out.data(), &size);
      tell(name + ", the cipher text",
           text_of(rv) + " " + (by_rsa ? std::to_string(size) : text_of(out, size)));
    }
    CK_OBJECT_HANDLE made;
    if (p.type == CKM_AES_ECB_ENCRYPT_DATA)
      tell(name + ", derived", p11->C_DeriveKey(s, &m, aes, nullptr, 0, &made));
    p11->C_CloseSession(s);
  };
  for (const Parameter& p : kParameters) {
    Octets block = block_of(p);
    for (CK_ULONG length = 0; length <= kLengths; length++) {
      /* One taken for the other has no pointers where they should be. */
      bool other = (p.from == &short_gcm && length == sizeof gcm) ||
                   (p.from == &gcm && length == sizeof short_gcm);
      if (!other) ask(p, block.data(), length, "");
      if (length % 8 == 0) ask(p, nullptr, length, ", NULL");
    }
    for (CK_ULONG length : kLong) ask(p, block.data(), length, "");
    ask(p, nullptr, ~0ul, ", NULL");
  }
  /* What cannot be carried at all is still no lack of memory, and hurts nobody. */
  Octets block(70000);
  CK_MECHANISM endless = {CKM_AES_GCM, block.data(), ~0ul};
  CK_RV rv = p11->C_EncryptInit(home, &endless, aes);
  verdict(rv != CKR_OK && rv != CKR_HOST_MEMORY && rv != CKR_DEVICE_REMOVED,
          "a parameter of endless length", text_of(rv));
  CK_BYTE random[4];
  expect("and calls go on", CKR_OK, p11->C_GenerateRandom(home, random, 4));
  must("C_Finalize", p11->C_Finalize(nullptr));
}

/* What the library is given, in its own words. */
void parameter_forms(const Arguments&) {
  initialize();
  CK_SESSION_HANDLE session = open_session(slots().at(0));
  auto given = [&](CK_MECHANISM m) {
    CK_BYTE out[200];
    CK_ULONG size = sizeof out;
    CK_RV rv = p11->C_EncryptInit(session, &m, 0);
    if (rv == CKR_OK) rv = p11->C_Encrypt(session, nullptr, 0, out, &size);
    return rv == CKR_OK ? std::string(out, out + size) : text_of(rv);
  };
  auto expect_given = [&](const std::string& name, const CK_MECHANISM& m,
                          const std::string& wanted) {
    std::string got = given(m);
    verdict(got == wanted, name, got + ", expected " + wanted);
  };
  expect_given("GCM of 48 octets", {CKM_AES_GCM, &gcm, sizeof gcm},
               "48 iv 49 12 96 aad 50 20 tag 128");
  expect_given("GCM of 40 octets, its older form", {CKM_AES_GCM, &short_gcm, sizeof short_gcm},
               "40 iv 49 12 aad 50 20 tag 128");
  expect_given("no parameter", {CKM_AES_GCM, nullptr, 0}, "NULL 0");
  expect_given("no parameter with a length", {CKM_AES_GCM, nullptr, 48}, "NULL 48");
  expect_given("octets are carried", {CKM_AES_CBC, iv, 12}, "12 data");
  expect_given("octets of any length are carried", {CKM_AES_CBC, aad, 20}, "20 data");
  Octets full(65536, 0xff);
  for (CK_ULONG length = 1; length <= kLengths; length++) {
    if (length == sizeof gcm || length == sizeof short_gcm) continue;
    expect_given("GCM of " + std::to_string(length) + " octets: a zeroed block",
                 {CKM_AES_GCM, full.data(), length}, std::to_string(length) + " zero");
  }
  for (CK_ULONG length : kLong)
    expect_given("GCM of " + std::to_string(length) + " octets: a zeroed block",
                 {CKM_AES_GCM, full.data(), length}, std::to_string(length) + " zero");
  expect_given("OAEP of 12 octets: a zeroed block", {CKM_RSA_PKCS_OAEP, full.data(), 12},
               "12 zero");
  expect_given("a number of 4 octets: a zeroed block", {CKM_SHA256_HMAC_GENERAL, full.data(), 4},
               "4 zero");
  expect_given("a parameter where none is known: a zeroed block", {CKM_RSA_PKCS, full.data(), 9},
               "9 zero");
  /* The library says of every mechanism that it has it: then zeroes would be a wrong parameter. */
  expect_given("an unknown mechanism that the library has, with a parameter",
               {CKM_VENDOR_DEFINED | 7, full.data(), 16}, text_of(CKR_MECHANISM_PARAM_INVALID));
  expect_given("a parameter that is not carried", {CKM_X3DH_INITIALIZE, full.data(), 64},
               text_of(CKR_MECHANISM_PARAM_INVALID));
  expect_given("an unknown mechanism without one", {CKM_VENDOR_DEFINED | 7, nullptr, 0}, "NULL 0");
  must("C_Finalize", p11->C_Finalize(nullptr));
}

/* ---- templates in templates ---- */

namespace {

/* Of one attribute that is an array of attributes, with inner buffers of `room` octets. */
std::string read_nested(CK_SESSION_HANDLE s, CK_OBJECT_HANDLE key, CK_ATTRIBUTE_TYPE type,
                        size_t inner, CK_ULONG room, bool buffers) {
  std::vector<CK_ATTRIBUTE> array(inner + 1, CK_ATTRIBUTE{0, nullptr, 0});
  std::vector<Octets> values(inner + 1, Octets(200, 0xee));
  for (size_t i = 0; buffers && i < inner; i++) {
    array[i].pValue = values[i].data();
    array[i].ulValueLen = room;
  }
  CK_ATTRIBUTE outer = {type, array.data(), inner * sizeof(CK_ATTRIBUTE)};
  CK_RV rv = p11->C_GetAttributeValue(s, key, &outer, 1);
  if (!has_results(rv)) return text_of(rv);
  std::string value = text_of(rv) + ", " + std::to_string(outer.ulValueLen);
  for (size_t i = 0; i < inner; i++) {
    value += "; type " + std::to_string(array[i].type) + " " + std::to_string(array[i].ulValueLen);
    if (buffers && array[i].ulValueLen <= room && array[i].ulValueLen <= 200)
      value += " " + text_of(values[i], array[i].ulValueLen);
  }
  return value;
}

void tell_nested(const std::string& which, CK_SESSION_HANDLE s, CK_OBJECT_HANDLE key,
                 CK_ATTRIBUTE_TYPE type) {
  for (CK_ULONG length : {0ul, 7ul, 24ul, ~0ul}) {
    CK_ATTRIBUTE outer = {type, nullptr, length};
    CK_RV rv = p11->C_GetAttributeValue(s, key, &outer, 1);
    tell(which + ", the length, asked with " + std::to_string(length),
         text_of(rv) + ", " + std::to_string(outer.ulValueLen));
  }
  for (size_t inner : {0u, 1u, 2u, 3u, 4u, 7u}) {
    std::string name = which + ", room for " + std::to_string(inner);
    tell(name + ", inner lengths", read_nested(s, key, type, inner, 0, false));
    for (CK_ULONG room : {0ul, 1ul, 4ul, 8ul, 9ul, 200ul})
      tell(name + ", each with " + std::to_string(room),
           read_nested(s, key, type, inner, room, true));
  }
  for (CK_ULONG odd : {1ul, 23ul, 25ul, 73ul}) {
    std::vector<CK_ATTRIBUTE> array(8, CK_ATTRIBUTE{0, nullptr, 0});
    CK_ATTRIBUTE outer = {type, array.data(), odd};
    CK_RV rv = p11->C_GetAttributeValue(s, key, &outer, 1);
    tell(which + ", room of " + std::to_string(odd),
         text_of(rv) + (has_results(rv) ? ", " + std::to_string(outer.ulValueLen) : ""));
  }
}

void tell_allowed(const std::string& which, CK_SESSION_HANDLE s, CK_OBJECT_HANDLE key) {
  for (CK_ULONG room : {0ul, 7ul, 8ul, 15ul, 16ul, 17ul, 24ul, 200ul}) {
    Octets value(200, 0xee);
    CK_ATTRIBUTE a = {CKA_ALLOWED_MECHANISMS, value.data(), room};
    CK_RV rv = p11->C_GetAttributeValue(s, key, &a, 1);
    std::string text = text_of(rv) + ", " + std::to_string(a.ulValueLen);
    if (a.ulValueLen <= 200) {
      /* SoftHSM keeps a set: its order is by number, so compared as it comes. */
      text += ", " + text_of(value, rv == CKR_OK ? a.ulValueLen : 0);
    }
    tell(which + ", room of " + std::to_string(room), text);
  }
  CK_ATTRIBUTE a = {CKA_ALLOWED_MECHANISMS, nullptr, 5};
  CK_RV rv = p11->C_GetAttributeValue(s, key, &a, 1);
  tell(which + ", the length", text_of(rv) + ", " + std::to_string(a.ulValueLen));
}

size_t found(CK_SESSION_HANDLE s, std::vector<CK_ATTRIBUTE> wanted, CK_RV* rv) {
  CK_OBJECT_HANDLE objects[50];
  CK_ULONG count = 0;
  *rv = p11->C_FindObjectsInit(s, wanted.data(), wanted.size());
  if (*rv == CKR_OK) *rv = p11->C_FindObjects(s, objects, 50, &count);
  p11->C_FindObjectsFinal(s);
  return count;
}

}  // namespace

void nested_templates(const Arguments&) {
  CK_SESSION_HANDLE s = logged_in();
  CK_BYTE label[] = "wrapped", other[] = "others";
  CK_OBJECT_CLASS secret = CKO_SECRET_KEY;
  CK_KEY_TYPE aes_type = CKK_AES;
  CK_MECHANISM_TYPE two[] = {CKM_AES_KEY_WRAP, CKM_AES_CBC}, wrong[] = {CKM_AES_ECB};
  CK_ATTRIBUTE inner[] = {
      {CKA_LABEL, label, 7}, attribute(CKA_EXTRACTABLE, yes), attribute(CKA_KEY_TYPE, aes_type)};
  CK_ATTRIBUTE inner_other[] = {{CKA_LABEL, other, 6}};
  CK_ATTRIBUTE deep[] = {{CKA_WRAP_TEMPLATE, inner_other, sizeof inner_other}};
  auto templates = [](CK_ATTRIBUTE_TYPE type, CK_ATTRIBUTE* array, size_t octets) {
    return CK_ATTRIBUTE{type, array, octets};
  };
  struct Case {
    const char* name;
    std::vector<CK_ATTRIBUTE> more;
  };
  const Case cases[] = {
      {"wrap template", {templates(CKA_WRAP_TEMPLATE, inner, sizeof inner)}},
      {"unwrap template", {templates(CKA_UNWRAP_TEMPLATE, inner, sizeof inner)}},
      {"derive template", {templates(CKA_DERIVE_TEMPLATE, inner, sizeof inner)}},
      {"both templates",
       {templates(CKA_WRAP_TEMPLATE, inner, sizeof inner),
        templates(CKA_UNWRAP_TEMPLATE, inner_other, sizeof inner_other)}},
      {"empty template", {templates(CKA_WRAP_TEMPLATE, inner, 0)}},
      {"no template", {templates(CKA_WRAP_TEMPLATE, nullptr, 0)}},
      {"NULL of a length", {templates(CKA_WRAP_TEMPLATE, nullptr, 24)}},
      {"template of 23 octets", {templates(CKA_WRAP_TEMPLATE, inner, 23)}},
      {"template of 25 octets", {templates(CKA_WRAP_TEMPLATE, inner, 25)}},
      {"template in a template", {templates(CKA_WRAP_TEMPLATE, deep, sizeof deep)}},
      {"two mechanisms", {attribute(CKA_ALLOWED_MECHANISMS, two)}},
      {"no mechanisms", {{CKA_ALLOWED_MECHANISMS, two, 0}}},
      {"NULL mechanisms", {{CKA_ALLOWED_MECHANISMS, nullptr, 0}}},
      {"mechanisms of 7 octets", {{CKA_ALLOWED_MECHANISMS, two, 7}}},
      {"mechanisms of 12 octets", {{CKA_ALLOWED_MECHANISMS, two, 12}}},
      {"another mechanism", {attribute(CKA_ALLOWED_MECHANISMS, wrong)}},
  };
  CK_OBJECT_HANDLE plain =
      make_secret(s, CKK_AES, 16, {{CKA_LABEL, label, 7}, attribute(CKA_ID, label)});
  for (const Case& c : cases) {
    CK_RV rv;
    CK_OBJECT_HANDLE key = make_secret(s, CKK_AES, 32, c.more, &rv);
    tell(std::string("made with ") + c.name, rv);
    if (rv != CKR_OK) continue;
    for (const CK_ATTRIBUTE& a : c.more) {
      std::string name = std::string(c.name) + ", attribute " + std::to_string(a.type);
      if (a.type == CKA_ALLOWED_MECHANISMS)
        tell_allowed(name, s, key);
      else
        tell_nested(name, s, key, a.type);
    }
    CK_MECHANISM wrap = {CKM_AES_KEY_WRAP, nullptr, 0}, ecb = {CKM_AES_ECB, nullptr, 0};
    CK_BYTE out[100];
    CK_ULONG size = sizeof out;
    rv = p11->C_WrapKey(s, &wrap, key, plain, out, &size);
    tell(std::string(c.name) + ": wraps what matches", rv);
    CK_ULONG size_other = sizeof out;
    CK_BYTE out_other[100];
    tell(std::string(c.name) + ": wraps what does not",
         p11->C_WrapKey(s, &wrap, key, key, out_other, &size_other));
    if (rv == CKR_OK) {
      CK_ATTRIBUTE target[] = {attribute(CKA_CLASS, secret), attribute(CKA_KEY_TYPE, aes_type),
                               attribute(CKA_TOKEN, no)};
      CK_OBJECT_HANDLE made = 0;
      CK_RV unwrapped = p11->C_UnwrapKey(s, &wrap, key, out, size, target, 3, &made);
      tell(std::string(c.name) + ": unwraps", unwrapped);
      Octets got(50);
      CK_ATTRIBUTE a = {CKA_LABEL, got.data(), 50};
      rv = unwrapped == CKR_OK ? p11->C_GetAttributeValue(s, made, &a, 1) : unwrapped;
      tell(std::string(c.name) + ": the label of what was unwrapped",
           text_of(rv) + (rv == CKR_OK ? " " + text_of(got, a.ulValueLen) : ""));
    }
    rv = p11->C_EncryptInit(s, &ecb, key);
    tell(std::string(c.name) + ": encrypts with a mechanism that is not named", rv);
    if (rv == CKR_OK) {
      size = sizeof out;
      p11->C_Encrypt(s, label, 0, out, &size);
    }
    tell(std::string(c.name) + ": found by it", [&] {
      size_t n = found(s, c.more, &rv);
      return text_of(rv) + ", " + std::to_string(n);
    }());
    std::vector<CK_ATTRIBUTE> change = c.more;
    tell(std::string(c.name) + ": set again",
         p11->C_SetAttributeValue(s, key, change.data(), change.size()));
    CK_OBJECT_HANDLE copy;
    tell(std::string(c.name) + ": copied",
         p11->C_CopyObject(s, plain, change.data(), change.size(), &copy));
    p11->C_DestroyObject(s, key);
  }
  must("C_Finalize", p11->C_Finalize(nullptr));
}

/* ---- what OpenSSL calls legacy ---- */

void legacy_mechanisms(const Arguments&) {
  CK_SESSION_HANDLE s = logged_in();
  Octets data(32, 0x61), out(300);
  auto encrypt = [&](const std::string& name, CK_MECHANISM m, CK_OBJECT_HANDLE key) {
    CK_ULONG size = out.size();
    CK_RV rv = p11->C_EncryptInit(s, &m, key);
    if (rv == CKR_OK) rv = p11->C_Encrypt(s, data.data(), data.size(), out.data(), &size);
    tell(name, text_of(rv) + (rv == CKR_OK ? " " + text_of(out, size) : ""));
    expect(name + " works", CKR_OK, rv);
  };
  CK_OBJECT_HANDLE des = make_secret(s, CKK_DES, 8), des2 = make_secret(s, CKK_DES2, 16),
                   des3 = make_secret(s, CKK_DES3, 24);
  for (auto& [key_name, key] : {std::pair("DES", des)}) {
    encrypt(std::string(key_name) + " ECB", {CKM_DES_ECB, nullptr, 0}, key);
    encrypt(std::string(key_name) + " CBC", {CKM_DES_CBC, iv, 8}, key);
    encrypt(std::string(key_name) + " CBC-PAD", {CKM_DES_CBC_PAD, iv, 8}, key);
  }
  for (auto& [key_name, key] : {std::pair("2-key 3DES", des2), {"3DES", des3}}) {
    encrypt(std::string(key_name) + " ECB", {CKM_DES3_ECB, nullptr, 0}, key);
    encrypt(std::string(key_name) + " CBC", {CKM_DES3_CBC, iv, 8}, key);
    encrypt(std::string(key_name) + " CBC-PAD", {CKM_DES3_CBC_PAD, iv, 8}, key);
  }
  CK_MECHANISM md5 = {CKM_MD5, nullptr, 0}, hmac = {CKM_MD5_HMAC, nullptr, 0},
               rsa = {CKM_MD5_RSA_PKCS, nullptr, 0}, cmac = {CKM_DES3_CMAC, nullptr, 0};
  CK_ULONG size = out.size();
  CK_RV rv = p11->C_DigestInit(s, &md5);
  if (rv == CKR_OK) rv = p11->C_Digest(s, data.data(), data.size(), out.data(), &size);
  tell("MD5", text_of(rv) + " " + text_of(out, size));
  expect("MD5 works", CKR_OK, rv);
  auto sign = [&](const std::string& name, CK_MECHANISM m, CK_OBJECT_HANDLE key, bool random) {
    size = out.size();
    rv = p11->C_SignInit(s, &m, key);
    if (rv == CKR_OK) rv = p11->C_Sign(s, data.data(), data.size(), out.data(), &size);
    tell(name, text_of(rv) + " " + (random ? std::to_string(size) : text_of(out, size)));
    expect(name + " works", CKR_OK, rv);
  };
  sign("HMAC-MD5", hmac, make_secret(s, CKK_GENERIC_SECRET, 32), false);
  sign("3DES-CMAC", cmac, des3, false);
  sign("MD5 with RSA", rsa, make_rsa(s).secret, true);
  must("C_Finalize", p11->C_Finalize(nullptr));
}

}  // namespace conformance
