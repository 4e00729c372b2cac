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
 * A PKCS #11 library that attacks from inside of the process that hosts it: in its constructor, in
 * C_Initialize, in a call and in a thread of its own. It tries what gives an error where a wall
 * holds; calls that end the process are tried by attack/inject.cc. For each that worked it writes
 * "inside WHERE worked: WHAT" to descriptor 2, and at the end "inside WHERE tried N".
 *
 *   INSIDE_READ, INSIDE_WRITE    files to open, with ':' between them
 *   INSIDE_DIRECTORIES           directories to list, and to make a file in
 *   INSIDE_MINE                  a file of the process's own user that it was not given
 *   INSIDE_FILL                  what else, in the call: memory, descriptors, bells, lines
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "cryptoki.h"

namespace {

constexpr int kChannel = 3;

std::string text_of(const char* variable) {
  const char* value = getenv(variable);
  return value != nullptr ? value : "";
}

std::vector<std::string> words(const char* variable) {
  std::vector<std::string> out;
  std::string text = text_of(variable);
  for (size_t at = 0; at < text.size();) {
    size_t end = std::min(text.find(':', at), text.size());
    if (end > at) out.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

/* stderr may be a pipe that is full for the moment. */
void say(const std::string& line) {
  for (int i = 0; i < 1000; i++) {
    if (write(2, (line + "\n").data(), line.size() + 1) >= 0 || errno != EAGAIN) return;
    usleep(1000);
  }
}

class Attempts {
 public:
  explicit Attempts(const char* where) : where_(where) {}
  void tried(bool worked, const std::string& what) {
    tried_++;
    if (worked) say("inside " + where_ + " worked: " + what);
  }
  void end() { say("inside " + where_ + " tried " + std::to_string(tried_)); }

  void files() {
    for (const std::string& path : words("INSIDE_READ")) open_file(path, O_RDONLY, "read ");
    for (const std::string& path : words("INSIDE_WRITE"))
      open_file(path, O_WRONLY | O_APPEND, "write ");
    for (const std::string& path : words("INSIDE_DIRECTORIES")) {
      DIR* listing = opendir(path.c_str());
      tried(listing != nullptr, "list " + path);
      if (listing != nullptr) closedir(listing);
      const std::string made = path + "/multip11-inside." + std::to_string(getpid());
      int fd = open(made.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
      tried(fd >= 0, "make " + made);
      if (fd >= 0) unlink(made.c_str()), close(fd);
      tried(mkdir((made + ".d").c_str(), 0700) == 0, "mkdir " + made);
      rmdir((made + ".d").c_str());
    }
  }
  /* What Landlock alone would not stop, on a file of the same user. */
  void own_file() {
    const std::string mine = text_of("INSIDE_MINE");
    const timespec times[2] = {{1, 0}, {1, 0}};
    tried(chmod(mine.c_str(), 0666) == 0, "chmod");
    tried(fchmodat(AT_FDCWD, mine.c_str(), 0666, 0) == 0, "fchmodat");
    tried(utimensat(AT_FDCWD, mine.c_str(), times, 0) == 0, "utimensat");
    tried(truncate(mine.c_str(), 1) == 0, "truncate");
    open_file(mine, O_RDONLY, "read own ");
    int fd = open(mine.c_str(), O_PATH | O_CLOEXEC);
    tried(fd >= 0 && fchmod(fd, 0666) == 0, "fchmod by O_PATH");
    if (fd >= 0) close(fd);
  }
  void sockets() {
    for (int family = 0; family < 46; family++)
      for (int type : {SOCK_STREAM, SOCK_DGRAM, SOCK_RAW}) {
        int fd = socket(family, type | SOCK_CLOEXEC, 0);
        tried(fd >= 0, "socket " + std::to_string(family));
        if (fd >= 0) close(fd);
      }
  }

 private:
  void open_file(const std::string& path, int flags, const char* how) {
    int fd = open(path.c_str(), flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    tried(fd >= 0, how + path);
    if (fd >= 0) close(fd);
  }
  std::string where_;
  unsigned tried_ = 0;
};

void attack(const char* where) {
  Attempts attempts(where);
  attempts.files();
  attempts.own_file();
  attempts.sockets();
  attempts.end();
}

/* ---- taking all there is, and making noise */

void take_descriptors() {
  int before = 0, count = 0;
  for (int fd = 0; fd < 4096; fd++) before += fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
  std::vector<int> all;
  for (int fd; (fd = dup(2)) >= 0 && count < 100000; count++) all.push_back(fd);
  for (int fd : all) close(fd);
  say("inside descriptors: " + std::to_string(before) + " open, " + std::to_string(count) +
      " more");
}

/* MiB of a kind, 1024 at most. */
size_t memory_of(int kind) {
  constexpr size_t kPiece = 1u << 20;
  std::vector<void*> all;
  for (; all.size() < 1024;) {
    void* piece = mmap(nullptr, kPiece, PROT_READ | PROT_WRITE, kind | MAP_ANONYMOUS, -1, 0);
    if (piece == MAP_FAILED) break;
    all.push_back(piece);
  }
  for (void* piece : all) munmap(piece, kPiece);
  return all.size();
}
void take_memory() {
  const size_t own = memory_of(MAP_PRIVATE), shared = memory_of(MAP_SHARED);
  say("inside memory: " + std::to_string(own) + " MiB, " + std::to_string(shared) + " MiB shared");
}

/* Bells without end, of every size, with descriptors. */
void ring() {
  std::string octets(65536, 'x');
  unsigned rung = 0;
  for (unsigned i = 0; i < 20000; i++) {
    iovec part{octets.data(), i % 7 == 0 ? octets.size() : 1};
    alignas(cmsghdr) char control[CMSG_SPACE(3 * sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(3 * sizeof(int));
    const int fds[3] = {0, 1, 2};
    memcpy(CMSG_DATA(header), fds, sizeof fds);
    rung += sendmsg(kChannel, &message, MSG_DONTWAIT | MSG_NOSIGNAL) > 0 ? 1 : 0;
  }
  say("inside bells: " + std::to_string(rung));
}

void fill() {
  const std::string what = text_of("INSIDE_FILL");
  if (what == "memory") take_memory();
  if (what == "descriptors") take_descriptors();
  if (what == "bells") ring();
  if (what == "lines") {
    say("<0>inside says: the kernel is on fire");
    say("inside escapes \033]0;title\007\r\nmultip11d[1]: info: forged");
    for (int i = 0; i < 20000; i++) say("inside noise " + std::to_string(i));
  }
}

/* ---- the library */

CK_SESSION_HANDLE sessions = 0;

__attribute__((constructor)) void construct() { attack("constructor"); }

CK_RV initialize(CK_VOID_PTR) {
  attack("initialize");
  return CKR_OK;
}
CK_RV finalize(CK_VOID_PTR) { return CKR_OK; }
CK_RV get_info(CK_INFO_PTR info) {
  *info = {};
  info->cryptokiVersion = {2, 40};
  return CKR_OK;
}
CK_RV get_slot_list(CK_BBOOL, CK_SLOT_ID_PTR slots, CK_ULONG_PTR count) {
  if (slots != nullptr) slots[0] = 1;
  *count = 1;
  return CKR_OK;
}
CK_RV get_token_info(CK_SLOT_ID, CK_TOKEN_INFO_PTR info) {
  *info = {};
  memset(info->label, ' ', sizeof info->label);
  memcpy(info->label, "inside", 6);
  info->flags = CKF_TOKEN_INITIALIZED;
  return CKR_OK;
}
CK_RV open_session(CK_SLOT_ID, CK_FLAGS, CK_VOID_PTR, CK_NOTIFY, CK_SESSION_HANDLE_PTR session) {
  *session = ++sessions;
  return CKR_OK;
}
CK_RV close_session(CK_SESSION_HANDLE) { return CKR_OK; }
CK_RV generate_random(CK_SESSION_HANDLE, CK_BYTE_PTR data, CK_ULONG size) {
  memset(data, 0x42, size);
  attack("call");
  std::thread([] { attack("thread"); }).join();
  fill();
  return CKR_OK;
}

template <class... A>
CK_RV refuse(A...) {
  return CKR_FUNCTION_NOT_SUPPORTED;
}
template <class... A>
void set(CK_RV (**member)(A...)) {
  *member = refuse<A...>;
}

CK_FUNCTION_LIST list;

}  // namespace

extern "C" [[gnu::visibility("default")]] CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR out) {
  list.version = {2, 40};
#define ROW_240(name) set(&list.C_##name);
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
