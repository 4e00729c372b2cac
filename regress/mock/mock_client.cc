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
 * mock_client MODULE LABEL OBJECTS: uses a token of the mock library in every way that its numbers
 * matter, and prints what comes of it. Whoever hosts the library, the lines are the same.
 */
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "cryptoki.h"

namespace {

CK_FUNCTION_LIST* p11 = nullptr;
CK_SESSION_HANDLE session = 0;

void must(CK_RV rv, const char* what) {
  if (rv == CKR_OK) return;
  std::printf("%s: 0x%lx\n", what, rv);
  std::exit(1);
}

CK_SLOT_ID slot_of(const std::string& label) {
  CK_SLOT_ID slots[64];
  CK_ULONG count = 64;
  must(p11->C_GetSlotList(CK_TRUE, slots, &count), "C_GetSlotList");
  for (CK_ULONG i = 0; i < count; i++) {
    CK_TOKEN_INFO info;
    if (p11->C_GetTokenInfo(slots[i], &info) != CKR_OK) continue;
    const std::string its(reinterpret_cast<char*>(info.label), sizeof info.label);
    if (its.substr(0, its.find_last_not_of(' ') + 1) == label) return slots[i];
  }
  std::printf("there is no token %s\n", label.c_str());
  std::exit(1);
}

CK_OBJECT_HANDLE make(const std::string& value) {
  CK_OBJECT_CLASS of_class = CKO_SECRET_KEY;
  std::string copy = value;
  CK_ATTRIBUTE t[] = {{CKA_CLASS, &of_class, sizeof of_class},
                      {CKA_VALUE, copy.data(), copy.size()}};
  CK_OBJECT_HANDLE object = 0;
  must(p11->C_CreateObject(session, t, 2, &object), "C_CreateObject");
  return object;
}

std::string value_of(CK_OBJECT_HANDLE object) {
  char value[2048];
  CK_ATTRIBUTE a{CKA_VALUE, value, sizeof value};
  const CK_RV rv = p11->C_GetAttributeValue(session, object, &a, 1);
  return rv == CKR_OK ? std::string(value, a.ulValueLen) : "error " + std::to_string(rv);
}

/* ---- keys that parameters name ---- */

CK_BYTE kOne[] = "one", kTwo[] = "zwei", kThree[] = "three";

struct Derivation {
  const char* name;
  unsigned keys; /* that the parameter names */
  std::function<CK_RV(CK_OBJECT_HANDLE base, const CK_OBJECT_HANDLE* keys, CK_OBJECT_HANDLE* made)>
      derive;
};

template <class T>
CK_RV derive(CK_MECHANISM_TYPE type, T parameter, CK_OBJECT_HANDLE base, CK_OBJECT_HANDLE* made) {
  CK_MECHANISM mechanism{type, &parameter, sizeof parameter};
  return p11->C_DeriveKey(session, &mechanism, base, nullptr, 0, made);
}

using Key = CK_OBJECT_HANDLE;
const Derivation kDerivations[] = {
    {"concatenate", 1,
     [](Key base, const Key* k, Key* made) {
       return derive(CKM_CONCATENATE_BASE_AND_KEY, k[0], base, made);
     }},
    {"HKDF, salt a key", 1,
     [](Key base, const Key* k, Key* made) {
       CK_HKDF_PARAMS p{CK_TRUE, CK_FALSE, CKM_SHA256, CKF_HKDF_SALT_KEY, nullptr, 0,
                        k[0],    kOne,     3};
       return derive(CKM_HKDF_DERIVE, p, base, made);
     }},
    {"HKDF, salt octets", 0,
     [](Key base, const Key*, Key* made) {
       CK_HKDF_PARAMS p{CK_TRUE, CK_TRUE, CKM_SHA512, CKF_HKDF_SALT_DATA, kTwo, 4, 0, kOne, 3};
       return derive(CKM_HKDF_DERIVE, p, base, made);
     }},
    {"ECMQV", 2,
     [](Key base, const Key* k, Key* made) {
       CK_ECMQV_DERIVE_PARAMS p{CKD_NULL, 3, kOne, 4, kTwo, 32, k[0], 5, kThree, k[1]};
       return derive(CKM_ECMQV_DERIVE, p, base, made);
     }},
    {"X9.42 hybrid", 1,
     [](Key base, const Key* k, Key* made) {
       CK_X9_42_DH2_DERIVE_PARAMS p{CKD_NULL, 3, kOne, 4, kTwo, 32, k[0], 5, kThree};
       return derive(CKM_X9_42_DH_HYBRID_DERIVE, p, base, made);
     }},
    {"X9.42 MQV", 2,
     [](Key base, const Key* k, Key* made) {
       CK_X9_42_MQV_DERIVE_PARAMS p{CKD_NULL, 3, kOne, 4, kTwo, 32, k[0], 5, kThree, k[1]};
       return derive(CKM_X9_42_MQV_DERIVE, p, base, made);
     }},
    {"IKE2 PRF+", 1,
     [](Key base, const Key* k, Key* made) {
       CK_IKE2_PRF_PLUS_DERIVE_PARAMS p{CKM_SHA256_HMAC, CK_TRUE, k[0], kOne, 3};
       return derive(CKM_IKE2_PRF_PLUS_DERIVE, p, base, made);
     }},
    {"IKE PRF, rekeyed", 1,
     [](Key base, const Key* k, Key* made) {
       CK_IKE_PRF_DERIVE_PARAMS p{CKM_SHA256_HMAC, CK_FALSE, CK_TRUE, kOne, 3, kTwo, 4, k[0]};
       return derive(CKM_IKE_PRF_DERIVE, p, base, made);
     }},
    {"IKE1 PRF", 2,
     [](Key base, const Key* k, Key* made) {
       CK_IKE1_PRF_DERIVE_PARAMS p{CKM_SHA_1_HMAC, CK_TRUE, k[0], k[1], kOne, 3, kTwo, 4, 7};
       return derive(CKM_IKE1_PRF_DERIVE, p, base, made);
     }},
    {"IKE1 PRF, no key before", 1,
     [](Key base, const Key* k, Key* made) {
       CK_IKE1_PRF_DERIVE_PARAMS p{CKM_SHA_1_HMAC, CK_FALSE, k[0], 0, kOne, 3, kTwo, 4, 0};
       return derive(CKM_IKE1_PRF_DERIVE, p, base, made);
     }},
    {"IKE1 extended", 1,
     [](Key base, const Key* k, Key* made) {
       CK_IKE1_EXTENDED_DERIVE_PARAMS p{CKM_SHA_1_HMAC, CK_TRUE, k[0], kThree, 5};
       return derive(CKM_IKE1_EXTENDED_DERIVE, p, base, made);
     }},
};

void derive_all() {
  const Key base = make("the base"), first = make("first"), second = make("second");
  const Key gone = make("gone");
  must(p11->C_DestroyObject(session, gone), "C_DestroyObject");
  for (const Derivation& d : kDerivations) {
    Key made = 0;
    const Key right[] = {first, second}, swapped[] = {second, first};
    for (const Key* keys : {right, swapped}) {
      const CK_RV rv = d.derive(base, keys, &made);
      if (rv == CKR_OK)
        std::printf("%s: %s\n", d.name, value_of(made).c_str());
      else
        std::printf("%s: 0x%lx\n", d.name, rv);
    }
    /* What was derived is a key like others. */
    const Key derived[] = {made, base};
    if (d.derive(made, derived, &made) == CKR_OK)
      std::printf("%s, of that: %s\n", d.name, value_of(made).c_str());
    for (unsigned at = 0; at < d.keys; at++)
      for (Key bad : {gone, Key{0}, Key{12345}, ~Key{0}}) {
        Key keys[] = {first, second};
        keys[at] = bad;
        std::printf("%s with a bad key %u: 0x%lx\n", d.name, at, d.derive(base, keys, &made));
      }
  }
}

/* ---- what parameters give back ---- */

void print_octets(const char* name, const CK_BYTE* data, size_t size) {
  std::printf("%s: ", name);
  for (size_t i = 0; i < size; i++)
    std::printf("%c", data[i] >= 32 && data[i] < 127 ? data[i] : '.');
  std::printf("\n");
}

CK_RV derive_with(CK_MECHANISM_TYPE type, void* p, size_t size, Key base, Key* made,
                  CK_ATTRIBUTE* t = nullptr, CK_ULONG count = 0) {
  CK_MECHANISM mechanism{type, p, size};
  return p11->C_DeriveKey(session, &mechanism, base, t, count, made);
}

/* All of a set of data parameters, and `keys` additional keys with labels. */
void derive_kdf(const char* name, bool feedback, Key base, Key named, CK_ULONG keys) {
  CK_SP800_108_COUNTER_FORMAT counter{CK_FALSE, 24};
  CK_SP800_108_DKM_LENGTH_FORMAT length{CK_SP800_108_DKM_LENGTH_SUM_OF_KEYS, CK_TRUE, 48};
  CK_PRF_DATA_PARAM data[] = {{CK_SP800_108_ITERATION_VARIABLE, feedback ? nullptr : &counter,
                               feedback ? 0 : sizeof counter},
                              {CK_SP800_108_BYTE_ARRAY, kThree, 5},
                              {CK_SP800_108_KEY_HANDLE, &named, sizeof named},
                              {CK_SP800_108_DKM_LENGTH, &length, sizeof length}};
  std::vector<CK_DERIVED_KEY> more(keys);
  std::vector<Key> handles(keys);
  CK_BBOOL no = CK_FALSE;
  CK_ATTRIBUTE t[] = {{CKA_LABEL, kTwo, 4}, {CKA_TOKEN, &no, 1}};
  for (CK_ULONG i = 0; i < keys; i++) more[i] = {i % 3 == 0 ? nullptr : t, i % 3, &handles[i]};
  Key made = 0;
  CK_RV rv;
  if (feedback) {
    CK_SP800_108_FEEDBACK_KDF_PARAMS p{CKM_SHA256_HMAC, 4, data, 3, kOne, keys, more.data()};
    rv = derive_with(CKM_SP800_108_FEEDBACK_KDF, &p, sizeof p, base, &made);
  } else {
    CK_SP800_108_KDF_PARAMS p{CKM_SHA256_HMAC, 4, data, keys, more.data()};
    rv = derive_with(CKM_SP800_108_COUNTER_KDF, &p, sizeof p, base, &made);
  }
  std::printf("%s, %lu keys: 0x%lx %s\n", name, keys, rv, value_of(made).c_str());
  for (Key one : handles) std::printf("%s: %s\n", name, value_of(one).c_str());
}

template <class T>
void derive_material(const char* name, CK_MECHANISM_TYPE type, T p, Key base) {
  CK_BYTE iv[2][17];
  std::memset(iv, '?', sizeof iv);
  CK_SSL3_KEY_MAT_OUT out{1, 2, 3, 4, iv[0], iv[1]};
  p.ulMacSizeInBits = 160;
  p.ulKeySizeInBits = 128;
  p.ulIVSizeInBits = 128;
  p.RandomInfo = {kOne, 3, kTwo, 4};
  p.pReturnedKeyMaterial = &out;
  std::printf("%s: 0x%lx\n", name, derive_with(type, &p, sizeof p, base, nullptr));
  for (Key one : {out.hClientMacSecret, out.hServerMacSecret, out.hClientKey, out.hServerKey})
    std::printf("%s: %s\n", name, value_of(one).c_str());
  print_octets(name, iv[0], sizeof iv);
}

void derive_prf(const char* name, Key base, CK_ULONG room) {
  CK_BYTE output[64];
  std::memset(output, '?', sizeof output);
  CK_ULONG length = room;
  CK_TLS_PRF_PARAMS p{kOne, 3, kTwo, 4, output, &length};
  const CK_RV rv = derive_with(CKM_TLS_PRF, &p, sizeof p, base, nullptr);
  std::printf("%s of %lu: 0x%lx, %lu\n", name, room, rv, length);
  print_octets(name, output, sizeof output);
  CK_WTLS_PRF_PARAMS w{CKM_SHA_1, kOne, 3, kTwo, 4, output, &length};
  std::printf("W%s: 0x%lx, %lu\n", name, derive_with(CKM_WTLS_PRF, &w, sizeof w, base, nullptr),
              length);
  print_octets(name, output, sizeof output);
}

void generate_with_password(CK_MECHANISM_TYPE type) {
  CK_BYTE iv[9] = {'?', '?', '?', '?', '?', '?', '?', '?', '?'};
  CK_PBE_PARAMS p{iv, kThree, 5, kOne, 3, 1000};
  CK_MECHANISM mechanism{type, &p, sizeof p};
  Key made = 0;
  const CK_RV rv = p11->C_GenerateKey(session, &mechanism, nullptr, 0, &made);
  std::printf("PBE: 0x%lx %s\n", rv, value_of(made).c_str());
  print_octets("PBE", iv, sizeof iv);
}

void derive_masters(Key base) {
  CK_VERSION version{3, 1};
  CK_BYTE octet = 1;
  Key made = 0;
  CK_SSL3_MASTER_KEY_DERIVE_PARAMS ssl{{kOne, 3, kTwo, 4}, &version};
  CK_RV rv = derive_with(CKM_SSL3_MASTER_KEY_DERIVE, &ssl, sizeof ssl, base, &made);
  std::printf("master: 0x%lx %s, %u.%u\n", rv, value_of(made).c_str(), version.major,
              version.minor);
  CK_TLS12_MASTER_KEY_DERIVE_PARAMS tls{{kOne, 3, nullptr, 0}, &version, CKM_SHA384};
  rv = derive_with(CKM_TLS12_MASTER_KEY_DERIVE, &tls, sizeof tls, base, &made);
  std::printf("master: 0x%lx %s, %u.%u\n", rv, value_of(made).c_str(), version.major,
              version.minor);
  CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS more{CKM_SHA256, kThree, 5, nullptr};
  rv = derive_with(CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE, &more, sizeof more, base, &made);
  std::printf("master: 0x%lx %s\n", rv, value_of(made).c_str());
  CK_WTLS_MASTER_KEY_DERIVE_PARAMS wtls{CKM_SHA_1, {kOne, 3, kTwo, 4}, &octet};
  rv = derive_with(CKM_WTLS_MASTER_KEY_DERIVE, &wtls, sizeof wtls, base, &made);
  std::printf("master: 0x%lx %s, %u\n", rv, value_of(made).c_str(), octet);
}

void derive_nested(Key base, Key named) {
  Key made = 0;
  CK_MECHANISM concatenate{CKM_CONCATENATE_BASE_AND_KEY, &named, sizeof named};
  CK_KIP_PARAMS inner{&concatenate, named, kOne, 3};
  CK_MECHANISM kip{CKM_KIP_DERIVE, &inner, sizeof inner};
  CK_KIP_PARAMS outer{&kip, base, kTwo, 4};
  CK_RV rv = derive_with(CKM_KIP_DERIVE, &outer, sizeof outer, base, &made);
  std::printf("KIP: 0x%lx %s\n", rv, value_of(made).c_str());
  CK_KEA_DERIVE_PARAMS kea{CK_TRUE, 3, kOne, kThree, 4, kTwo};
  rv = derive_with(CKM_KEA_DERIVE, &kea, sizeof kea, base, &made);
  std::printf("KEA: 0x%lx %s\n", rv, value_of(made).c_str());
}

void give_back() {
  const Key base = make("base"), named = make("named");
  for (CK_ULONG keys : {0ul, 1ul, 3ul, 40ul}) {
    derive_kdf("counter KDF", false, base, named, keys);
    derive_kdf("feedback KDF", true, base, named, keys);
  }
  derive_kdf("counter KDF, no such key", false, base, 12345, 1);
  derive_masters(base);
  derive_material("SSL3", CKM_SSL3_KEY_AND_MAC_DERIVE, CK_SSL3_KEY_MAT_PARAMS{}, base);
  derive_material("TLS 1.2", CKM_TLS12_KEY_AND_MAC_DERIVE, CK_TLS12_KEY_MAT_PARAMS{}, base);
  derive_material("safe", CKM_TLS12_KEY_SAFE_DERIVE, CK_TLS12_KEY_MAT_PARAMS{}, base);
  for (CK_ULONG room : {0ul, 23ul, 24ul, 60ul}) derive_prf("TLS PRF", base, room);
  generate_with_password(CKM_PBE_SHA1_DES3_EDE_CBC);
  generate_with_password(CKM_PBE_SHA1_RC4_128);
  derive_nested(base, named);
}

/* ---- many objects ---- */

std::vector<Key> find_all() {
  std::vector<Key> all;
  Key batch[1000];
  CK_ULONG count = 0;
  must(p11->C_FindObjectsInit(session, nullptr, 0), "C_FindObjectsInit");
  do {
    must(p11->C_FindObjects(session, batch, 1000, &count), "C_FindObjects");
    all.insert(all.end(), batch, batch + count);
  } while (count != 0);
  must(p11->C_FindObjectsFinal(session), "C_FindObjectsFinal");
  return all;
}

void many(unsigned objects) {
  std::vector<Key> made;
  const size_t before = find_all().size();
  for (unsigned i = 0; i < objects; i++) made.push_back(make("object " + std::to_string(i)));
  const std::vector<Key> found = find_all();
  const std::set<Key> different(found.begin(), found.end());
  std::printf("made %zu, found %zu, different %zu\n", made.size(), found.size() - before,
              different.size() - before);
  unsigned right = 0;
  for (unsigned i = 0; i < objects; i++)
    right += different.count(made[i]) == 1 && value_of(made[i]) == "object " + std::to_string(i);
  std::printf("each is what it was made as: %u\n", right);
  for (unsigned i = 0; i < objects; i += 2)
    must(p11->C_DestroyObject(session, made[i]), "C_DestroyObject");
  unsigned refused = 0;
  for (unsigned i = 0; i < objects; i += 2)
    refused += value_of(made[i]) == "error " + std::to_string(CKR_OBJECT_HANDLE_INVALID);
  std::printf("half destroyed, found %zu, refused %u\n", find_all().size() - before, refused);
  std::printf("the last is still %s\n", value_of(made.back()).c_str());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  void* library = dlopen(argv[1], RTLD_NOW);
  auto* get =
      library == nullptr
          ? nullptr
          : reinterpret_cast<CK_RV (*)(CK_FUNCTION_LIST**)>(dlsym(library, "C_GetFunctionList"));
  if (get == nullptr || get(&p11) != CKR_OK) return 2;
  must(p11->C_Initialize(nullptr), "C_Initialize");
  const CK_SLOT_ID slot = slot_of(argv[2]);
  auto open = [slot] {
    must(p11->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &session),
         "C_OpenSession");
  };
  open();
  CK_UTF8CHAR pin[] = "1234";
  must(p11->C_Login(session, CKU_USER, pin, 4), "C_Login");
  derive_all();
  give_back();
  many(static_cast<unsigned>(std::atoi(argv[3])));
  must(p11->C_CloseSession(session), "C_CloseSession");
  open();
  std::printf("a new session finds %zu\n", find_all().size());
  must(p11->C_Finalize(nullptr), "C_Finalize");
  return 0;
}
