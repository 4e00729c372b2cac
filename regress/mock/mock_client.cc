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
  char value[512];
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
  many(static_cast<unsigned>(std::atoi(argv[3])));
  must(p11->C_CloseSession(session), "C_CloseSession");
  open();
  std::printf("a new session finds %zu\n", find_all().size());
  must(p11->C_Finalize(nullptr), "C_Finalize");
  return 0;
}
