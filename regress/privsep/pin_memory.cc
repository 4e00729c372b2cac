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
 * Where a PIN is in memory, for regress/privsep/memory.sh.
 *
 *   pin_memory client MODULE LABEL   logs in with the PIN in the file $PIN_FILE, which it keeps in
 *                                    locked memory of no dump and wipes as soon as C_Login has
 *                                    returned. Prints "opened"; logs in when a line comes; prints
 *                                    "login RV"; waits for another line.
 *   pin_memory scan PID...           prints a line for each mapping of these processes that holds
 *                                    the PIN: PID PROGRAM safe|bare NAME, safe when it is locked
 *                                    and goes into no dump
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "cryptoki.h"

namespace {

constexpr size_t kPage = 4096;

struct Pin {
  CK_UTF8CHAR* octets;
  size_t size;
};

Pin read_pin() {
  void* page = ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const char* file = std::getenv("PIN_FILE");
  int fd = file == nullptr ? -1 : ::open(file, O_RDONLY | O_CLOEXEC);
  if (page == MAP_FAILED || fd < 0 || ::mlock(page, kPage) != 0 ||
      ::madvise(page, kPage, MADV_DONTDUMP) != 0) {
    std::perror("the PIN");
    std::exit(2);
  }
  ssize_t n = ::read(fd, page, kPage);
  ::close(fd);
  return {static_cast<CK_UTF8CHAR*>(page), static_cast<size_t>(std::max<ssize_t>(n, 0))};
}

void must(const char* what, CK_RV rv) {
  if (rv == CKR_OK) return;
  std::printf("%s 0x%lx\n", what, rv);
  std::exit(1);
}

void say(const char* what, CK_RV rv) {
  std::printf("%s 0x%lx\n", what, rv);
  std::fflush(stdout);
}

void wait_for_line() {
  char octet = 0;
  while (::read(STDIN_FILENO, &octet, 1) == 1 && octet != '\n') {
  }
}

int client(const char* path, const char* label) {
  void* module = ::dlopen(path, RTLD_NOW);
  auto get = module == nullptr
                 ? nullptr
                 : reinterpret_cast<CK_C_GetFunctionList>(::dlsym(module, "C_GetFunctionList"));
  CK_FUNCTION_LIST* p11 = nullptr;
  if (get == nullptr) return 2;
  must("C_GetFunctionList", get(&p11));
  CK_C_INITIALIZE_ARGS arguments = {};
  arguments.flags = CKF_OS_LOCKING_OK;
  must("C_Initialize", p11->C_Initialize(&arguments));
  CK_SLOT_ID slots[16];
  CK_ULONG count = 16;
  must("C_GetSlotList", p11->C_GetSlotList(CK_TRUE, slots, &count));
  CK_SESSION_HANDLE session = 0;
  for (CK_ULONG i = 0; i < count && session == 0; i++) {
    CK_TOKEN_INFO info;
    must("C_GetTokenInfo", p11->C_GetTokenInfo(slots[i], &info));
    if (std::memcmp(info.label, label, std::strlen(label)) != 0) continue;
    must("C_OpenSession",
         p11->C_OpenSession(slots[i], CKF_SERIAL_SESSION, nullptr, nullptr, &session));
  }
  say("opened", 0);
  wait_for_line();
  Pin pin = read_pin();
  CK_RV rv = p11->C_Login(session, CKU_USER, pin.octets, pin.size);
  ::explicit_bzero(pin.octets, kPage);
  say("login", rv);
  wait_for_line();
  return 0;
}

/* ---- scan ---- */

struct Mapping {
  unsigned long from = 0, to = 0;
  std::string name, flags;
  bool readable = false;
};

std::vector<Mapping> mappings_of(const std::string& process) {
  std::vector<Mapping> out;
  std::ifstream smaps(process + "/smaps");
  for (std::string line; std::getline(smaps, line);) {
    Mapping one;
    char access[8];
    int name_at = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx %7s %*s %*s %*s %n", &one.from, &one.to, access,
                    &name_at) == 3) {
      one.readable = access[0] == 'r';
      one.name = name_at != 0 ? line.substr(static_cast<size_t>(name_at)) : "";
      out.push_back(one);
    } else if (line.starts_with("VmFlags:") && !out.empty()) {
      out.back().flags = line + " ";
    }
  }
  return out;
}

bool holds(int memory, const Mapping& mapping, const Pin& pin) {
  std::vector<uint8_t> octets(mapping.to - mapping.from);
  size_t have = 0;
  while (have < octets.size()) {
    ssize_t n = ::pread(memory, &octets[have], octets.size() - have,
                        static_cast<off_t>(mapping.from + have));
    if (n <= 0) break;
    have += static_cast<size_t>(n);
  }
  const bool found = ::memmem(octets.data(), have, pin.octets, pin.size) != nullptr;
  return found;
}

int scan(int argc, char** argv) {
  Pin pin = read_pin();
  if (pin.size < 8) return 2;
  for (int i = 0; i < argc; i++) {
    const std::string process = std::string("/proc/") + argv[i];
    int memory = ::open((process + "/mem").c_str(), O_RDONLY | O_CLOEXEC);
    if (memory < 0) {
      std::printf("%s not readable\n", argv[i]);
      return 1;
    }
    std::string program;
    std::getline(std::ifstream(process + "/comm") >> std::ws, program);
    for (const Mapping& one : mappings_of(process)) {
      if (!one.readable || one.name.starts_with("[v") || !holds(memory, one, pin)) continue;
      const bool safe = one.flags.find(" lo ") != std::string::npos &&
                        one.flags.find(" dd ") != std::string::npos;
      std::printf("%s %s %s %s\n", argv[i], program.c_str(), safe ? "safe" : "bare",
                  one.name.empty() ? "anonymous" : one.name.c_str());
    }
    ::close(memory);
  }
  std::puts("scanned");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 4 && std::strcmp(argv[1], "client") == 0) return client(argv[2], argv[3]);
  if (argc > 2 && std::strcmp(argv[1], "scan") == 0) return scan(argc - 2, argv + 2);
  return 2;
}
