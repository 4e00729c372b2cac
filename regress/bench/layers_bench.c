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
 * layers_bench: what a token with many objects costs.
 *
 *   layers_bench MODULE fill SLOT-INDEX PIN COUNT     makes so many data objects
 *   layers_bench MODULE measure PIN [LABEL]           prints "slots N ms", "objects N ms", "sign
 * ms"
 *
 * measure: the first C_GetSlotList of a connection; C_OpenSession, C_Login and all objects of the
 * first slot, or of the token with that label, 100 at a time; and a signature with its first
 * private key (CKM_ECDSA). Milliseconds of CLOCK_MONOTONIC.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cryptoki.h"

static CK_FUNCTION_LIST_PTR p11;

static void need(CK_RV rv, const char* what) {
  if (rv == CKR_OK) return;
  fprintf(stderr, "layers_bench: %s: 0x%lx\n", what, rv);
  exit(1);
}

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static CK_SESSION_HANDLE log_in(CK_SLOT_ID slot, char* pin) {
  CK_SESSION_HANDLE session;
  need(p11->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session),
       "C_OpenSession");
  need(p11->C_Login(session, CKU_USER, (CK_UTF8CHAR_PTR)pin, strlen(pin)), "C_Login");
  return session;
}

static void fill(CK_SLOT_ID slot, char* pin, unsigned long count) {
  CK_SESSION_HANDLE session = log_in(slot, pin);
  CK_OBJECT_CLASS data = CKO_DATA;
  CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
  char label[32];
  for (unsigned long i = 0; i < count; i++) {
    CK_OBJECT_HANDLE object;
    int length = snprintf(label, sizeof label, "object %lu", i);
    CK_ATTRIBUTE attributes[] = {{CKA_CLASS, &data, sizeof data},
                                 {CKA_TOKEN, &yes, 1},
                                 {CKA_PRIVATE, &no, 1},
                                 {CKA_LABEL, label, (CK_ULONG)length},
                                 {CKA_VALUE, label, (CK_ULONG)length}};
    need(p11->C_CreateObject(session, attributes, 5, &object), "C_CreateObject");
  }
}

static void sign(CK_SESSION_HANDLE session) {
  CK_OBJECT_CLASS private_key = CKO_PRIVATE_KEY;
  CK_ATTRIBUTE wanted = {CKA_CLASS, &private_key, sizeof private_key};
  CK_OBJECT_HANDLE key;
  CK_ULONG found = 0, length = 256;
  CK_BYTE digest[32] = {1}, signature[256];
  CK_MECHANISM ecdsa = {CKM_ECDSA, NULL, 0};
  need(p11->C_FindObjectsInit(session, &wanted, 1), "C_FindObjectsInit");
  need(p11->C_FindObjects(session, &key, 1, &found), "C_FindObjects");
  need(p11->C_FindObjectsFinal(session), "C_FindObjectsFinal");
  if (found == 0) need(CKR_GENERAL_ERROR, "there is no private key");
  double begin = now_ms();
  need(p11->C_SignInit(session, &ecdsa, key), "C_SignInit");
  need(p11->C_Sign(session, digest, sizeof digest, signature, &length), "C_Sign");
  printf("sign %.3f\n", now_ms() - begin);
}

static CK_SLOT_ID slot_of(const CK_SLOT_ID* slots, CK_ULONG count, const char* label) {
  CK_TOKEN_INFO info;
  if (label == NULL) return slots[0];
  for (CK_ULONG i = 0; i < count; i++) {
    need(p11->C_GetTokenInfo(slots[i], &info), "C_GetTokenInfo");
    if (memcmp(info.label, label, strlen(label)) == 0 && info.label[strlen(label)] == ' ')
      return slots[i];
  }
  need(CKR_TOKEN_NOT_PRESENT, label);
  return 0;
}

static void measure(char* pin, const char* label) {
  static CK_SLOT_ID slots[4096];
  CK_ULONG slot_count = 4096;
  double begin = now_ms();
  need(p11->C_GetSlotList(CK_TRUE, slots, &slot_count), "C_GetSlotList");
  printf("slots %lu %.3f\n", slot_count, now_ms() - begin);
  begin = now_ms();
  CK_SESSION_HANDLE session = log_in(slot_of(slots, slot_count, label), pin);
  printf("login %.3f\n", now_ms() - begin);
  for (int round = 0; round < 2; round++) { /* the second without the layers' start */
    CK_OBJECT_HANDLE objects[100];
    CK_ULONG total = 0, found = 0;
    begin = now_ms();
    need(p11->C_FindObjectsInit(session, NULL, 0), "C_FindObjectsInit");
    do {
      need(p11->C_FindObjects(session, objects, 100, &found), "C_FindObjects");
      total += found;
    } while (found != 0);
    need(p11->C_FindObjectsFinal(session), "C_FindObjectsFinal");
    printf("%s %lu %.3f\n", round == 0 ? "objects" : "objects-again", total, now_ms() - begin);
  }
  sign(session);
  fflush(stdout);
  getchar(); /* so that who measures can look at the processes */
}

int main(int argc, char** argv) {
  if (argc < 4) {
    fprintf(stderr,
            "usage: layers_bench MODULE fill SLOT-INDEX PIN COUNT\n"
            "       layers_bench MODULE measure PIN [LABEL]\n");
    return 2;
  }
  void* module = dlopen(argv[1], RTLD_NOW);
  CK_C_GetFunctionList get =
      module == NULL ? NULL : (CK_C_GetFunctionList)dlsym(module, "C_GetFunctionList");
  if (get == NULL) {
    fprintf(stderr, "layers_bench: %s: %s\n", argv[1], dlerror());
    return 1;
  }
  need(get(&p11), "C_GetFunctionList");
  need(p11->C_Initialize(NULL), "C_Initialize");
  if (strcmp(argv[2], "fill") == 0 && argc == 6) {
    CK_SLOT_ID slots[256];
    CK_ULONG count = 256, index = strtoul(argv[3], NULL, 10);
    need(p11->C_GetSlotList(CK_TRUE, slots, &count), "C_GetSlotList");
    if (index >= count) need(CKR_SLOT_ID_INVALID, "fill");
    fill(slots[index], argv[4], strtoul(argv[5], NULL, 10));
  } else {
    measure(argv[3], argc > 4 ? argv[4] : NULL);
  }
  return p11->C_Finalize(NULL) == CKR_OK ? 0 : 1;
}
