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
 * An honest application that must not notice what others do to its daemon, for attack tests.
 *
 *   honest MODULE LABEL calls     one connection, call after call
 *   honest MODULE LABEL connects  a connection of its own for each few calls
 *
 * Prints "ready" after the first round. Goes on until its standard input ends; then prints how many
 * rounds there were and how long they took, and ends with 0. A call that fails ends it at once,
 * with what failed.
 */
#include <dlfcn.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "cryptoki.h"

namespace {

CK_FUNCTION_LIST* p11;

void must(const char* what, CK_RV rv) {
  if (rv == CKR_OK) return;
  std::printf("%s: 0x%lx\n", what, rv);
  std::exit(1);
}

double now_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

CK_SESSION_HANDLE begin(const char* label) {
  CK_C_INITIALIZE_ARGS arguments = {};
  arguments.flags = CKF_OS_LOCKING_OK;
  must("C_Initialize", p11->C_Initialize(&arguments));
  CK_SLOT_ID slots[64];
  CK_ULONG count = 64;
  must("C_GetSlotList", p11->C_GetSlotList(CK_TRUE, slots, &count));
  for (CK_ULONG i = 0; i < count; i++) {
    CK_TOKEN_INFO info;
    must("C_GetTokenInfo", p11->C_GetTokenInfo(slots[i], &info));
    if (std::strncmp(reinterpret_cast<const char*>(info.label), label, std::strlen(label)) != 0)
      continue;
    CK_SESSION_HANDLE session;
    must("C_OpenSession",
         p11->C_OpenSession(slots[i], CKF_SERIAL_SESSION, nullptr, nullptr, &session));
    return session;
  }
  must("no such token", CKR_TOKEN_NOT_PRESENT);
  return 0;
}

/* With a PIN in $P11TEST_PIN: a login, and a private key that is the session's. */
CK_OBJECT_HANDLE log_in(CK_SESSION_HANDLE session) {
  const char* pin = std::getenv("P11TEST_PIN");
  if (pin == nullptr) return CK_INVALID_HANDLE;
  std::string copy = pin;
  must("C_Login", p11->C_Login(session, CKU_USER, reinterpret_cast<CK_UTF8CHAR*>(copy.data()),
                               static_cast<CK_ULONG>(copy.size())));
  CK_OBJECT_CLASS secret = CKO_SECRET_KEY;
  CK_KEY_TYPE aes = CKK_AES;
  CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
  CK_BYTE value[16] = {};
  CK_ATTRIBUTE key[] = {{CKA_CLASS, &secret, sizeof secret}, {CKA_KEY_TYPE, &aes, sizeof aes},
                        {CKA_TOKEN, &no, sizeof no},         {CKA_PRIVATE, &yes, sizeof yes},
                        {CKA_ENCRYPT, &yes, sizeof yes},     {CKA_VALUE, value, sizeof value}};
  CK_OBJECT_HANDLE handle;
  must("C_CreateObject", p11->C_CreateObject(session, key, 6, &handle));
  return handle;
}

void use_key(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key) {
  static const CK_BYTE kExpected[] = {0x66, 0xe9, 0x4b, 0xd4, 0xef, 0x8a, 0x2c, 0x3b};
  CK_MECHANISM ecb = {CKM_AES_ECB, nullptr, 0};
  CK_BYTE block[16] = {}, out[16];
  CK_ULONG length = sizeof out;
  must("C_EncryptInit", p11->C_EncryptInit(session, &ecb, key));
  must("C_Encrypt", p11->C_Encrypt(session, block, sizeof block, out, &length));
  if (length != 16 || std::memcmp(out, kExpected, sizeof kExpected) != 0)
    must("a wrong ciphertext", CKR_GENERAL_ERROR);
  CK_SESSION_INFO info;
  must("C_GetSessionInfo", p11->C_GetSessionInfo(session, &info));
  if (info.state != CKS_RO_USER_FUNCTIONS) must("logged out", CKR_USER_NOT_LOGGED_IN);
}

/* What it gets must be right, not only there. */
void use(CK_SESSION_HANDLE session) {
  static const CK_BYTE kExpected[] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea};
  CK_MECHANISM sha256 = {CKM_SHA256, nullptr, 0};
  CK_BYTE text[] = {'a', 'b', 'c'}, digest[32];
  CK_ULONG length = sizeof digest;
  must("C_DigestInit", p11->C_DigestInit(session, &sha256));
  must("C_Digest", p11->C_Digest(session, text, sizeof text, digest, &length));
  if (length != 32 || std::memcmp(digest, kExpected, sizeof kExpected) != 0)
    must("a wrong digest", CKR_GENERAL_ERROR);
}

bool told_to_stop(int wait_ms) {
  pollfd in{STDIN_FILENO, POLLIN, 0};
  return ::poll(&in, 1, wait_ms) != 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const bool connects = std::string(argv[3]) == "connects";
  void* module = ::dlopen(argv[1], RTLD_NOW);
  auto get = module == nullptr
                 ? nullptr
                 : reinterpret_cast<CK_C_GetFunctionList>(::dlsym(module, "C_GetFunctionList"));
  if (get == nullptr) {
    std::printf("%s\n", ::dlerror());
    return 1;
  }
  must("C_GetFunctionList", get(&p11));
  std::vector<double> took;
  CK_SESSION_HANDLE session = connects ? 0 : begin(argv[2]);
  const CK_OBJECT_HANDLE key = connects ? CK_INVALID_HANDLE : log_in(session);
  do {
    const double started = now_ms();
    if (connects) session = begin(argv[2]);
    use(session);
    if (key != CK_INVALID_HANDLE) use_key(session, key);
    if (connects) must("C_Finalize", p11->C_Finalize(nullptr));
    took.push_back(now_ms() - started);
    if (took.size() == 1) {
      std::puts("ready");
      std::fflush(stdout);
    }
  } while (!told_to_stop(connects ? 50 : 5));
  if (!connects) must("C_Finalize", p11->C_Finalize(nullptr));
  std::sort(took.begin(), took.end());
  std::printf("%zu rounds, median %.2f ms, longest %.2f ms\n", took.size(), took[took.size() / 2],
              took.back());
  return 0;
}
