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
 * A PKCS #11 module that passes every call on to the module that WRONG_MODULE names, and after
 * WRONG_AFTER calls of one function is wrong in the one way that WRONG says, to prove that
 * `multip11 conform` finds it:
 *
 *   rv        C_GetSessionInfo answers CKR_GENERAL_ERROR
 *   length    C_Digest tells one octet more when it is asked for the length
 *   octet     C_Digest gives out one wrong bit
 *   flag      C_GetMechanismInfo shows one flag that is none
 *   handle    C_FindObjects gives the same object twice
 *   crash     C_GetSlotInfo crashes
 *   thread    C_Digest gives out one wrong bit if it was called by two threads at once
 *   state     C_CloseSession closes nothing
 *   nothing   nothing is wrong
 */
#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <atomic>

#include "cryptoki.h"

namespace {

CK_FUNCTION_LIST real;
CK_FUNCTION_LIST list;
std::atomic<long> calls{0};
std::atomic<int> digesting{0};

bool wrong_now(const char* how) {
  const char* wrong = getenv("WRONG");
  const char* after = getenv("WRONG_AFTER");
  if (wrong == nullptr || strcmp(wrong, how) != 0) return false;
  return calls++ >= (after != nullptr ? atol(after) : 0);
}

CK_RV get_session_info(CK_SESSION_HANDLE session, CK_SESSION_INFO_PTR info) {
  const CK_RV rv = real.C_GetSessionInfo(session, info);
  return rv == CKR_OK && wrong_now("rv") ? CKR_GENERAL_ERROR : rv;
}

CK_RV digest(CK_SESSION_HANDLE session, CK_BYTE_PTR data, CK_ULONG size, CK_BYTE_PTR out,
             CK_ULONG_PTR out_size) {
  bool together = digesting++ > 0;
  const timespec moment{0, 20000000};
  if (const char* wrong = getenv("WRONG"); wrong != nullptr && strcmp(wrong, "thread") == 0)
    nanosleep(&moment, nullptr);
  const CK_RV rv = real.C_Digest(session, data, size, out, out_size);
  together |= --digesting > 0;
  if (rv != CKR_OK || out_size == nullptr) return rv;
  if (out == nullptr) {
    if (wrong_now("length")) ++*out_size;
  } else if (*out_size > 0 && (wrong_now("octet") || (together && wrong_now("thread")))) {
    out[*out_size - 1] ^= 1;
  }
  return rv;
}

CK_RV get_mechanism_info(CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO_PTR info) {
  const CK_RV rv = real.C_GetMechanismInfo(slot, type, info);
  if (rv == CKR_OK && wrong_now("flag")) info->flags ^= CKF_HW;
  return rv;
}

CK_RV find_objects(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE_PTR objects, CK_ULONG most,
                   CK_ULONG_PTR found) {
  const CK_RV rv = real.C_FindObjects(session, objects, most, found);
  if (rv == CKR_OK && *found > 1 && wrong_now("handle")) objects[1] = objects[0];
  return rv;
}

CK_RV get_slot_info(CK_SLOT_ID slot, CK_SLOT_INFO_PTR info) {
  if (wrong_now("crash")) raise(SIGSEGV);
  return real.C_GetSlotInfo(slot, info);
}

CK_RV close_session(CK_SESSION_HANDLE session) {
  return wrong_now("state") ? CKR_OK : real.C_CloseSession(session);
}

bool load() {
  const char* module = getenv("WRONG_MODULE");
  void* handle = module != nullptr ? dlopen(module, RTLD_NOW | RTLD_LOCAL) : nullptr;
  if (handle == nullptr) return false;
  auto get_list = reinterpret_cast<CK_C_GetFunctionList>(dlsym(handle, "C_GetFunctionList"));
  CK_FUNCTION_LIST* found = nullptr;
  if (get_list == nullptr || get_list(&found) != CKR_OK) return false;
  real = list = *found;
  return true;
}

}  // namespace

extern "C" [[gnu::visibility("default")]] CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR out) {
  if (out == nullptr) return CKR_ARGUMENTS_BAD;
  if (list.C_Initialize == nullptr && !load()) return CKR_GENERAL_ERROR;
  list.C_GetFunctionList = C_GetFunctionList;
  list.C_GetSessionInfo = get_session_info;
  list.C_Digest = digest;
  list.C_GetMechanismInfo = get_mechanism_info;
  list.C_FindObjects = find_objects;
  list.C_GetSlotInfo = get_slot_info;
  list.C_CloseSession = close_session;
  *out = &list;
  return CKR_OK;
}
