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
 * Many calls at once; the PIN is in $P11TEST_PIN (default 1234).
 *
 * flights MODULE TOKEN blocks TIMES: one thread enciphers and deciphers a MiB in one call each,
 * TIMES times, while another asks for random octets; prints how many of those came meanwhile, or
 * what failed.
 *
 * flights MODULE TOKEN threads THREADS CALLS: threads with a session each have messages digested,
 * with CALLS calls in all; prints how many digests were not those of the message that was given, by
 * OpenSSL's word. A return that is lost hangs; one that is doubled, or taken for another's, is
 * wrong.
 *
 * flights MODULE TOKEN slow: digests while another thread has an RSA key of 4096 bits made; prints
 * how many there were before the key was.
 */
#include <dlfcn.h>
#include <openssl/evp.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include "cryptoki.h"

namespace {

constexpr size_t kBlock = 1u << 20;
CK_FUNCTION_LIST* p11;
CK_SLOT_ID slot;

void must(const char* what, CK_RV rv) {
  if (rv == CKR_OK) return;
  printf("%s: 0x%lx\n", what, rv);
  exit(1);
}

CK_SLOT_ID slot_of(const char* label) {
  CK_SLOT_ID slots[64];
  CK_ULONG count = 64;
  must("C_GetSlotList", p11->C_GetSlotList(CK_TRUE, slots, &count));
  for (CK_ULONG i = 0; i < count; i++) {
    CK_TOKEN_INFO info;
    must("C_GetTokenInfo", p11->C_GetTokenInfo(slots[i], &info));
    if (memcmp(info.label, label, strlen(label)) == 0) return slots[i];
  }
  must("the token", CKR_TOKEN_NOT_PRESENT);
  return 0;
}

CK_SESSION_HANDLE open_session() {
  CK_SESSION_HANDLE session;
  must("C_OpenSession", p11->C_OpenSession(slot, CKF_SERIAL_SESSION, nullptr, nullptr, &session));
  return session;
}

CK_SESSION_HANDLE logged_in() {
  const CK_SESSION_HANDLE session = open_session();
  const char* pin = getenv("P11TEST_PIN") != nullptr ? getenv("P11TEST_PIN") : "1234";
  must("C_Login",
       p11->C_Login(session, CKU_USER, reinterpret_cast<CK_UTF8CHAR*>(strdup(pin)), strlen(pin)));
  return session;
}

/* ---- long blocks ---- */

CK_OBJECT_HANDLE make_key(CK_SESSION_HANDLE session) {
  CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
  CK_ULONG size = 32;
  CK_ATTRIBUTE about[] = {{CKA_TOKEN, &no, sizeof no},
                          {CKA_ENCRYPT, &yes, sizeof yes},
                          {CKA_DECRYPT, &yes, sizeof yes},
                          {CKA_VALUE_LEN, &size, sizeof size}};
  CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, nullptr, 0};
  CK_OBJECT_HANDLE key;
  must("C_GenerateKey", p11->C_GenerateKey(session, &mechanism, about, 4, &key));
  return key;
}

void there_and_back(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, unsigned seed) {
  CK_BYTE iv[16] = {};
  CK_MECHANISM mechanism = {CKM_AES_CBC_PAD, iv, sizeof iv};
  std::vector<CK_BYTE> plain(kBlock), sealed(kBlock + 16), back(kBlock + 16);
  for (size_t i = 0; i < plain.size(); i++)
    plain[i] = static_cast<CK_BYTE>(i * 7 + i / 4096 + seed);
  CK_ULONG size = sealed.size();
  must("C_EncryptInit", p11->C_EncryptInit(session, &mechanism, key));
  must("C_Encrypt", p11->C_Encrypt(session, plain.data(), plain.size(), sealed.data(), &size));
  sealed.resize(size);
  size = back.size();
  must("C_DecryptInit", p11->C_DecryptInit(session, &mechanism, key));
  must("C_Decrypt", p11->C_Decrypt(session, sealed.data(), sealed.size(), back.data(), &size));
  back.resize(size);
  if (back == plain) return;
  puts("a block has changed on its way");
  exit(1);
}

void blocks(const int times) {
  const CK_SESSION_HANDLE session = logged_in(), others = open_session();
  const CK_OBJECT_HANDLE key = make_key(session);
  std::atomic<bool> done = false;
  unsigned short_calls = 0;
  std::thread beside([&] {
    CK_BYTE random[32];
    for (; !done; short_calls++)
      must("C_GenerateRandom", p11->C_GenerateRandom(others, random, sizeof random));
  });
  for (int i = 0; i < times; i++) there_and_back(session, key, static_cast<unsigned>(i));
  done = true;
  beside.join();
  printf("as they went, beside %u short calls\n", short_calls);
}

/* ---- many threads ---- */

/* Most fit a fragment, some are longer, and no two are the same. */
std::vector<CK_BYTE> message_of(unsigned thread, unsigned number) {
  const size_t size = 8 + (number % 16 == 15 ? 70000 : (thread * 131 + number * 977) % 3000);
  std::vector<CK_BYTE> message(size, static_cast<CK_BYTE>(thread + number));
  memcpy(message.data(), &thread, 4);
  memcpy(message.data() + 4, &number, 4);
  return message;
}

/* Two calls; is what came the digest of what went? */
bool right(CK_SESSION_HANDLE session, std::vector<CK_BYTE> message) {
  CK_MECHANISM sha256{CKM_SHA256, nullptr, 0};
  CK_BYTE got[64], expected[EVP_MAX_MD_SIZE];
  CK_ULONG size = sizeof got;
  unsigned expected_size = 0;
  must("C_DigestInit", p11->C_DigestInit(session, &sha256));
  must("C_Digest", p11->C_Digest(session, message.data(), message.size(), got, &size));
  return EVP_Digest(message.data(), message.size(), expected, &expected_size, EVP_sha256(),
                    nullptr) == 1 &&
         size == expected_size && memcmp(got, expected, size) == 0;
}

void threads(unsigned count, unsigned calls) {
  std::atomic<unsigned> asked = 0, wrong = 0;
  std::vector<std::thread> running;
  for (unsigned t = 0; t < count; t++)
    running.emplace_back([&, t] {
      const CK_SESSION_HANDLE session = open_session();
      for (unsigned i = 0; asked.fetch_add(2) < calls; i++)
        wrong += !right(session, message_of(t, i));
    });
  for (std::thread& t : running) t.join();
  printf("%u threads, %u calls, wrong %u\n", count, calls, wrong.load());
}

/* ---- a call that takes long ---- */

void make_rsa(CK_SESSION_HANDLE session) {
  CK_MECHANISM rsa{CKM_RSA_PKCS_KEY_PAIR_GEN, nullptr, 0};
  CK_ULONG bits = 4096;
  CK_BBOOL no = CK_FALSE;
  CK_ATTRIBUTE about[] = {{CKA_TOKEN, &no, sizeof no}, {CKA_MODULUS_BITS, &bits, sizeof bits}};
  CK_OBJECT_HANDLE open, secret;
  must("C_GenerateKeyPair",
       p11->C_GenerateKeyPair(session, &rsa, about, 2, about, 1, &open, &secret));
}

void slow() {
  const CK_SESSION_HANDLE session = logged_in(), other = open_session();
  std::atomic<bool> made = false;
  std::thread slow_call([&] {
    make_rsa(session);
    made = true;
  });
  unsigned before = 0, wrong = 0;
  for (unsigned i = 0; !made; i++) {
    wrong += !right(other, message_of(0, i));
    before += !made;
  }
  slow_call.join();
  printf("%u digests before the key, wrong %u\n", before, wrong);
}

}  // namespace

int main(int argc, char** argv) {
  setvbuf(stdout, nullptr, _IOLBF, 0);
  void* module = argc > 3 ? dlopen(argv[1], RTLD_NOW) : nullptr;
  auto get = module == nullptr
                 ? nullptr
                 : reinterpret_cast<CK_C_GetFunctionList>(dlsym(module, "C_GetFunctionList"));
  if (get == nullptr || get(&p11) != CKR_OK) {
    fprintf(stderr, "usage: flights MODULE TOKEN blocks|threads|slow [NUMBER...]\n");
    return 2;
  }
  CK_C_INITIALIZE_ARGS locking = {};
  locking.flags = CKF_OS_LOCKING_OK;
  must("C_Initialize", p11->C_Initialize(&locking));
  slot = slot_of(argv[2]);
  if (strcmp(argv[3], "blocks") == 0 && argc == 5)
    blocks(atoi(argv[4]));
  else if (strcmp(argv[3], "threads") == 0 && argc == 6)
    threads(static_cast<unsigned>(atoi(argv[4])), static_cast<unsigned>(atoi(argv[5])));
  else if (strcmp(argv[3], "slow") == 0)
    slow();
  else
    return 2;
  must("C_Finalize", p11->C_Finalize(nullptr));
  return 0;
}
