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
 * A PKCS #11 library that stands before another and stops at a call of a certain function: so that
 * a test can end whatever it likes at just that moment. What to do it reads when it is loaded, from
 * the file that STUMBLE_FILE names, as one line:
 *
 *   C_InitToken before exit     the process ends before the other library hears of the call
 *   C_InitToken after exit      or when it has done it
 *   C_InitToken after sleep     the call takes a minute
 *
 * An empty file: nothing of it. STUMBLE_MODULE names the other library.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cryptoki.h"

namespace {

CK_FUNCTION_LIST list;
CK_FUNCTION_LIST* other = nullptr;
char plan[80], *at, *when, *what;

void stumble(const char* function, const char* now) {
  if (what == nullptr || strcmp(at, function) != 0 || strcmp(when, now) != 0) return;
  if (strcmp(what, "exit") == 0) _exit(7);
  timespec minute{60, 0};
  nanosleep(&minute, nullptr);
}

/* One for each function that can be named. */
template <class F, F CK_FUNCTION_LIST::*kMember>
struct Before;
template <class... Args, CK_RV (*CK_FUNCTION_LIST::*kMember)(Args...)>
struct Before<CK_RV (*)(Args...), kMember> {
  static const char* name;
  static CK_RV call(Args... args) {
    stumble(name, "before");
    CK_RV rv = (other->*kMember)(args...);
    stumble(name, "after");
    return rv;
  }
};
template <class... Args, CK_RV (*CK_FUNCTION_LIST::*kMember)(Args...)>
const char* Before<CK_RV (*)(Args...), kMember>::name = nullptr;

#define STAND_BEFORE(function)                                                \
  do {                                                                        \
    using Its = Before<decltype(list.function), &CK_FUNCTION_LIST::function>; \
    Its::name = #function;                                                    \
    list.function = &Its::call;                                               \
  } while (0)

void read_plan() {
  const char* path = getenv("STUMBLE_FILE");
  int fd = path != nullptr ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  ssize_t size = fd >= 0 ? read(fd, plan, sizeof plan - 1) : 0;
  if (fd >= 0) close(fd);
  if (size <= 0) return;
  char* rest = nullptr;
  at = strtok_r(plan, " \n", &rest);
  when = strtok_r(nullptr, " \n", &rest);
  what = strtok_r(nullptr, " \n", &rest);
}

/* As it is loaded: afterwards the sandbox lets nothing more be loaded. */
[[gnu::constructor]] void load() {
  read_plan();
  const char* path = getenv("STUMBLE_MODULE");
  void* library = path != nullptr ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : nullptr;
  auto get = library == nullptr
                 ? nullptr
                 : reinterpret_cast<CK_C_GetFunctionList>(dlsym(library, "C_GetFunctionList"));
  if (get == nullptr || get(&other) != CKR_OK) return;
  list = *other;
  STAND_BEFORE(C_GetSlotList);
  STAND_BEFORE(C_GetTokenInfo);
  STAND_BEFORE(C_InitToken);
  STAND_BEFORE(C_OpenSession);
  STAND_BEFORE(C_CloseSession);
  STAND_BEFORE(C_Login);
  STAND_BEFORE(C_Logout);
  STAND_BEFORE(C_InitPIN);
  STAND_BEFORE(C_SetPIN);
}

}  // namespace

extern "C" [[gnu::visibility("default")]] CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR out) {
  if (other == nullptr) return CKR_GENERAL_ERROR;
  *out = &list;
  return CKR_OK;
}
