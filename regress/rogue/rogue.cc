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
 * A PKCS #11 library that misbehaves, for tests of what hosts it. It has one slot with a token and
 * one session; C_GenerateRandom does what the environment variable ROGUE says:
 *
 * - none: fills the buffer with 0x42
 * - stillborn: as none, and C_GetSlotList crashes, so that it serves nobody after C_Initialize
 * - hang: never returns
 * - crash: writes to address 0
 * - exit: calls _exit(0)
 * - slow: takes a fifth of a second
 * - socket: asks for a socket
 * - exec: starts a program
 * - read: opens the file that ROGUE_FILE names for reading, `write` for writing: the buffer's first
 *   octet is 1 when that worked, 0 when it did not
 * - order: says in the buffer's octets how many calls of its session, and how many calls in all,
 *   were running when it began (itself not counted)
 * - scribble: writes over every shared mapping that it finds in /proc/self/maps, which it must be
 *   allowed to read
 * - preinit: as none, and its constructor opens ROGUE_FILE: if that works, C_Initialize fails
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>

#include "cryptoki.h"

namespace {

constexpr CK_SLOT_ID kSlot = 7;
constexpr CK_ULONG kSessions = 64;

std::atomic<bool> opened_before_initialize{false};
std::atomic<CK_ULONG> last_session{0};
std::atomic<int> running{0};
std::atomic<int> running_in[kSessions + 1];

bool behaves(const char* how) {
  const char* rogue = getenv("ROGUE");
  return rogue != nullptr && strcmp(rogue, how) == 0;
}

bool can_open(int flags) {
  const char* file = getenv("ROGUE_FILE");
  int fd = file != nullptr ? open(file, flags | O_CLOEXEC, 0600) : -1;
  if (fd >= 0) close(fd);
  return fd >= 0;
}

__attribute__((constructor)) void construct() {
  if (behaves("preinit")) opened_before_initialize = can_open(O_RDONLY);
}

void pad(CK_UTF8CHAR* field, size_t size, const char* text) {
  memset(field, ' ', size);
  memcpy(field, text, strlen(text));
}

void pause_ms(long ms) {
  timespec time{ms / 1000, ms % 1000 * 1000000};
  nanosleep(&time, nullptr);
}

void scribble() {
  FILE* maps = fopen("/proc/self/maps", "r");
  char line[512];
  while (maps != nullptr && fgets(line, sizeof line, maps) != nullptr) {
    unsigned long from, to;
    char access[5];
    if (sscanf(line, "%lx-%lx %4s", &from, &to, access) == 3 && strcmp(access, "rw-s") == 0)
      memset(reinterpret_cast<void*>(from), 0xa5, to - from);
  }
  if (maps != nullptr) fclose(maps);
}

CK_RV initialize(CK_VOID_PTR) { return opened_before_initialize ? CKR_FUNCTION_FAILED : CKR_OK; }
CK_RV finalize(CK_VOID_PTR) { return CKR_OK; }

CK_RV get_info(CK_INFO_PTR info) {
  info->cryptokiVersion = {2, 40};
  pad(info->manufacturerID, sizeof info->manufacturerID, "rogue");
  pad(info->libraryDescription, sizeof info->libraryDescription, "rogue");
  return CKR_OK;
}

CK_RV get_slot_list(CK_BBOOL, CK_SLOT_ID_PTR slots, CK_ULONG_PTR count) {
  if (behaves("stillborn")) raise(SIGSEGV);
  if (slots != nullptr && *count < 1) return CKR_BUFFER_TOO_SMALL;
  if (slots != nullptr) slots[0] = kSlot;
  *count = 1;
  return CKR_OK;
}

CK_RV get_token_info(CK_SLOT_ID slot, CK_TOKEN_INFO_PTR info) {
  if (slot != kSlot) return CKR_SLOT_ID_INVALID;
  pad(info->label, sizeof info->label, "rogue");
  info->flags = CKF_TOKEN_INITIALIZED;
  return CKR_OK;
}

CK_RV open_session(CK_SLOT_ID slot, CK_FLAGS, CK_VOID_PTR, CK_NOTIFY,
                   CK_SESSION_HANDLE_PTR session) {
  if (slot != kSlot) return CKR_SLOT_ID_INVALID;
  if (last_session == kSessions) return CKR_SESSION_COUNT;
  *session = ++last_session;
  return CKR_OK;
}
CK_RV close_session(CK_SESSION_HANDLE) { return CKR_OK; }

CK_RV generate_random(CK_SESSION_HANDLE session, CK_BYTE_PTR data, CK_ULONG size) {
  if (session == 0 || session > last_session) return CKR_SESSION_HANDLE_INVALID;
  if (size == 0) return CKR_OK;
  memset(data, 0x42, size);
  if (behaves("hang"))
    for (;;) pause_ms(1000);
  if (behaves("crash")) raise(SIGSEGV);
  if (behaves("exit")) _exit(0);
  if (behaves("slow")) pause_ms(200);
  if (behaves("socket")) data[0] = socket(AF_INET, SOCK_STREAM, 0) >= 0;
  if (behaves("exec")) {
    char name[] = "/bin/true";
    char* arguments[] = {name, nullptr};
    execve(name, arguments, nullptr);
    data[0] = 0;
  }
  if (behaves("read")) data[0] = can_open(O_RDONLY);
  if (behaves("write")) data[0] = can_open(O_WRONLY | O_CREAT);
  if (behaves("scribble")) scribble();
  if (behaves("order") && size >= 2) {
    data[0] = static_cast<CK_BYTE>(running_in[session]++);
    data[1] = static_cast<CK_BYTE>(running++);
    pause_ms(50);
    running--;
    running_in[session]--;
  }
  return CKR_OK;
}

template <class... A>
CK_RV refuse(A...) {
  return CKR_FUNCTION_NOT_SUPPORTED;
}
template <class... A>
void fill(CK_RV (**member)(A...)) {
  *member = refuse<A...>;
}

CK_FUNCTION_LIST list;

}  // namespace

extern "C" [[gnu::visibility("default")]] CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR out) {
  list.version = {2, 40};
#define ROW_240(name) fill(&list.C_##name);
#define ROW_300(name)
#define ROW_310(name)
#define ROW_320(name)
#define P11_FUNCTION(number, name, since, ...) ROW_##since(name)
#include "p11_functions.def"
#undef P11_FUNCTION
  list.C_Initialize = initialize;
  list.C_Finalize = finalize;
  list.C_GetInfo = get_info;
  list.C_GetFunctionList = C_GetFunctionList;
  list.C_GetSlotList = get_slot_list;
  list.C_GetTokenInfo = get_token_info;
  list.C_OpenSession = open_session;
  list.C_CloseSession = close_session;
  list.C_GenerateRandom = generate_random;
  *out = &list;
  return CKR_OK;
}
