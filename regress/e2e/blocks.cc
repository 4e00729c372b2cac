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
 * blocks MODULE TOKEN TIMES: long blocks beside short calls, for sctp.sh. One thread enciphers and
 * deciphers a MiB in one call each, TIMES times, while another asks for random octets; prints how
 * many of those came meanwhile, or what failed. The PIN is in $P11TEST_PIN (default 1234).
 */
#include <dlfcn.h>

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

CK_SESSION_HANDLE open_session(CK_SLOT_ID slot) {
  CK_SESSION_HANDLE session;
  must("C_OpenSession", p11->C_OpenSession(slot, CKF_SERIAL_SESSION, nullptr, nullptr, &session));
  return session;
}

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

}  // namespace

int main(int argc, char** argv) {
  setvbuf(stdout, nullptr, _IOLBF, 0);
  void* module = argc > 3 ? dlopen(argv[1], RTLD_NOW) : nullptr;
  auto get = module == nullptr
                 ? nullptr
                 : reinterpret_cast<CK_C_GetFunctionList>(dlsym(module, "C_GetFunctionList"));
  if (get == nullptr || get(&p11) != CKR_OK) {
    fprintf(stderr, "usage: blocks MODULE TOKEN TIMES\n");
    return 2;
  }
  CK_C_INITIALIZE_ARGS threads = {};
  threads.flags = CKF_OS_LOCKING_OK;
  must("C_Initialize", p11->C_Initialize(&threads));
  const CK_SLOT_ID slot = slot_of(argv[2]);
  CK_SESSION_HANDLE blocks = open_session(slot), others = open_session(slot);
  const char* pin = getenv("P11TEST_PIN") != nullptr ? getenv("P11TEST_PIN") : "1234";
  must("C_Login",
       p11->C_Login(blocks, CKU_USER, reinterpret_cast<CK_UTF8CHAR*>(strdup(pin)), strlen(pin)));
  const CK_OBJECT_HANDLE key = make_key(blocks);
  std::atomic<bool> done = false;
  unsigned short_calls = 0;
  std::thread beside([&] {
    CK_BYTE random[32];
    for (; !done; short_calls++)
      must("C_GenerateRandom", p11->C_GenerateRandom(others, random, sizeof random));
  });
  for (int i = 0; i < atoi(argv[3]); i++) there_and_back(blocks, key, static_cast<unsigned>(i));
  done = true;
  beside.join();
  must("C_Finalize", p11->C_Finalize(nullptr));
  printf("as they went, beside %u short calls\n", short_calls);
  return 0;
}
