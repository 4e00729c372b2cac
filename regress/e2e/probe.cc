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
 * An application that does one thing with a PKCS #11 module and says what came of it, for the shell
 * tests. It knows nothing of multip11 beyond what /proc tells of its own process.
 *
 *   probe THING MODULE [ARGUMENT...]
 *
 * - rules: what the standard says of C_Initialize, C_Finalize and NULL
 * - random [COUNT]: COUNT times C_GenerateRandom of 4 octets, each in a session of its own, or the
 *   same one again; prints CK_RV and octets
 * - order: sixteen threads, four to a session; for the module `rogue`
 * - threads LABEL PIN N: N threads with a session and a key each: sign, verify, digest
 * - signals: no SIGCHLD, nothing for wait()
 * - fork LABEL PIN: parent and child
 * - kill LABEL PIN: kills the helper in the middle of a call
 * - finalize LABEL: C_Finalize while threads are inside
 * - missing LIBRARY: kills the helper and takes its library away for 300 ms, in which it asks all
 *   the time
 * - stillborn: asks for 300 ms, all the time, what the library dies of
 * - busy: more calls at once than there are workers; for the module `spy`
 * - unwrap: prints the CK_RV of C_UnwrapKey and C_DeriveKey in a session that was opened for
 *   writing; for the module `spy`
 * - hold: initialises, says "ready", and waits for its input to end
 *
 * Ends with 0 when all is as it should be; else says what is not.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "cryptoki.h"

namespace {

CK_FUNCTION_LIST* p11;
std::atomic<int> failures{0};

void expect(bool good, const char* what, unsigned long got) {
  if (good) return;
  failures++;
  fprintf(stderr, "%s: got 0x%lx\n", what, got);
}
void expect_rv(CK_RV wanted, CK_RV got, const char* what) { expect(wanted == got, what, got); }

void load(const char* module) {
  void* handle = dlopen(module, RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    fprintf(stderr, "%s\n", dlerror());
    exit(2);
  }
  auto get = reinterpret_cast<CK_C_GetFunctionList>(dlsym(handle, "C_GetFunctionList"));
  if (get == nullptr || get(&p11) != CKR_OK) exit(2);
}

void initialize() {
  CK_C_INITIALIZE_ARGS args{};
  args.flags = CKF_OS_LOCKING_OK;
  CK_RV rv = p11->C_Initialize(&args);
  if (rv == CKR_OK) return;
  fprintf(stderr, "C_Initialize: 0x%lx\n", rv);
  exit(2);
}

/* The slot of the token with that label; any token for nullptr. */
CK_SLOT_ID find_slot(const char* label) {
  CK_SLOT_ID slots[64];
  CK_ULONG count = 64;
  if (p11->C_GetSlotList(CK_TRUE, slots, &count) != CKR_OK) count = 0;
  for (CK_ULONG i = 0; i < count; i++) {
    CK_TOKEN_INFO info;
    if (label == nullptr) return slots[i];
    if (p11->C_GetTokenInfo(slots[i], &info) != CKR_OK) continue;
    std::string text(reinterpret_cast<const char*>(info.label), sizeof info.label);
    if (text.substr(0, text.find_last_not_of(' ') + 1) == label) return slots[i];
  }
  fprintf(stderr, "no such token\n");
  exit(2);
}

CK_SESSION_HANDLE open_session(CK_SLOT_ID slot) {
  CK_SESSION_HANDLE session = 0;
  CK_RV rv =
      p11->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &session);
  expect_rv(CKR_OK, rv, "C_OpenSession");
  return session;
}

CK_RV log_in(CK_SESSION_HANDLE session, const char* pin) {
  return p11->C_Login(session, CKU_USER, reinterpret_cast<CK_UTF8CHAR_PTR>(const_cast<char*>(pin)),
                      strlen(pin));
}

CK_RV random_4(CK_SESSION_HANDLE session, CK_BYTE* out) {
  memset(out, 0, 4);
  return p11->C_GenerateRandom(session, out, 4);
}

struct KeyPair {
  CK_OBJECT_HANDLE open = 0, secret = 0;
};

CK_RV make_rsa(CK_SESSION_HANDLE session, CK_ULONG bits, KeyPair* keys) {
  CK_MECHANISM mechanism{CKM_RSA_PKCS_KEY_PAIR_GEN, nullptr, 0};
  CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
  CK_BYTE exponent[] = {1, 0, 1};
  CK_ATTRIBUTE open[] = {{CKA_MODULUS_BITS, &bits, sizeof bits},
                         {CKA_PUBLIC_EXPONENT, exponent, sizeof exponent},
                         {CKA_VERIFY, &yes, sizeof yes},
                         {CKA_TOKEN, &no, sizeof no}};
  CK_ATTRIBUTE secret[] = {{CKA_SIGN, &yes, sizeof yes}, {CKA_TOKEN, &no, sizeof no}};
  return p11->C_GenerateKeyPair(session, &mechanism, open, 4, secret, 2, &keys->open,
                                &keys->secret);
}

/* Signs, verifies, and sees that a changed signature is refused. */
void sign_and_verify(CK_SESSION_HANDLE session, const KeyPair& keys, CK_BYTE seed) {
  CK_MECHANISM mechanism{CKM_SHA256_RSA_PKCS, nullptr, 0};
  std::vector<CK_BYTE> data(1000 + seed, seed), signature(512);
  CK_ULONG size = signature.size();
  expect_rv(CKR_OK, p11->C_SignInit(session, &mechanism, keys.secret), "C_SignInit");
  expect_rv(CKR_OK, p11->C_Sign(session, data.data(), data.size(), signature.data(), &size),
            "C_Sign");
  expect_rv(CKR_OK, p11->C_VerifyInit(session, &mechanism, keys.open), "C_VerifyInit");
  expect_rv(CKR_OK, p11->C_Verify(session, data.data(), data.size(), signature.data(), size),
            "C_Verify");
  signature[size / 2] ^= 1;
  expect_rv(CKR_OK, p11->C_VerifyInit(session, &mechanism, keys.open), "C_VerifyInit");
  expect_rv(CKR_SIGNATURE_INVALID,
            p11->C_Verify(session, data.data(), data.size(), signature.data(), size),
            "C_Verify of a changed signature");
}

/* In two parts and in one: the same digest, and not that of another thread. */
void digest(CK_SESSION_HANDLE session, CK_BYTE seed) {
  CK_MECHANISM mechanism{CKM_SHA256, nullptr, 0};
  std::vector<CK_BYTE> data(3000, seed);
  CK_BYTE once[32], twice[32];
  CK_ULONG size = sizeof once;
  expect_rv(CKR_OK, p11->C_DigestInit(session, &mechanism), "C_DigestInit");
  expect_rv(CKR_OK, p11->C_Digest(session, data.data(), 3000, once, &size), "C_Digest");
  expect_rv(CKR_OK, p11->C_DigestInit(session, &mechanism), "C_DigestInit");
  expect_rv(CKR_OK, p11->C_DigestUpdate(session, data.data(), 1000), "C_DigestUpdate");
  expect_rv(CKR_OK, p11->C_DigestUpdate(session, data.data(), 2000), "C_DigestUpdate");
  size = sizeof twice;
  expect_rv(CKR_OK, p11->C_DigestFinal(session, twice, &size), "C_DigestFinal");
  expect(memcmp(once, twice, sizeof once) == 0, "digests differ", seed);
}

/* Processes of which we have a pidfd: our helpers. */
std::vector<pid_t> helpers() {
  std::vector<pid_t> pids;
  DIR* listing = opendir("/proc/self/fdinfo");
  while (const dirent* entry = readdir(listing)) {
    std::string path = std::string("/proc/self/fdinfo/") + entry->d_name;
    FILE* file = fopen(path.c_str(), "re");
    char line[128];
    int pid;
    while (file != nullptr && fgets(line, sizeof line, file) != nullptr)
      if (sscanf(line, "Pid: %d", &pid) == 1 && pid > 0) pids.push_back(pid);
    if (file != nullptr) fclose(file);
  }
  closedir(listing);
  return pids;
}

/* ---- the subcommands ---- */

void rules() {
  CK_INFO info;
  CK_ULONG count = 0;
  expect_rv(CKR_CRYPTOKI_NOT_INITIALIZED, p11->C_GetInfo(&info), "C_GetInfo before C_Initialize");
  expect_rv(CKR_CRYPTOKI_NOT_INITIALIZED, p11->C_GetSlotList(CK_TRUE, nullptr, &count),
            "C_GetSlotList before C_Initialize");
  expect_rv(CKR_CRYPTOKI_NOT_INITIALIZED, p11->C_Finalize(nullptr),
            "C_Finalize before C_Initialize");
  expect_rv(CKR_ARGUMENTS_BAD, p11->C_GetFunctionList(nullptr), "C_GetFunctionList(NULL)");

  CK_C_INITIALIZE_ARGS args{};
  args.pReserved = &args;
  expect_rv(CKR_ARGUMENTS_BAD, p11->C_Initialize(&args), "pReserved");
  args.pReserved = nullptr;
  args.CreateMutex = [](CK_VOID_PTR_PTR) -> CK_RV { return CKR_OK; };
  expect_rv(CKR_ARGUMENTS_BAD, p11->C_Initialize(&args), "one callback of four");
  args.DestroyMutex = [](CK_VOID_PTR) -> CK_RV { return CKR_OK; };
  args.LockMutex = args.UnlockMutex = args.DestroyMutex;
  expect_rv(CKR_OK, p11->C_Initialize(&args), "all callbacks");
  expect_rv(CKR_CRYPTOKI_ALREADY_INITIALIZED, p11->C_Initialize(nullptr), "C_Initialize twice");
  expect_rv(CKR_ARGUMENTS_BAD, p11->C_Finalize(&args), "C_Finalize with pReserved");
  expect_rv(CKR_OK, p11->C_GetInfo(&info), "C_GetInfo after a bad C_Finalize");
  expect_rv(CKR_ARGUMENTS_BAD, p11->C_GetInfo(nullptr), "C_GetInfo(NULL)");
  expect_rv(CKR_OK, p11->C_Finalize(nullptr), "C_Finalize");
  expect_rv(CKR_CRYPTOKI_NOT_INITIALIZED, p11->C_Finalize(nullptr), "C_Finalize twice");

  args = CK_C_INITIALIZE_ARGS{}; /* without CKF_OS_LOCKING_OK */
  for (int i = 0; i < 3; i++) {
    expect_rv(CKR_OK, p11->C_Initialize(&args), "C_Initialize again");
    CK_SLOT_INFO slot;
    CK_SESSION_INFO session;
    expect_rv(CKR_SLOT_ID_INVALID, p11->C_GetSlotInfo(0x7fffffff, &slot),
              "C_GetSlotInfo of no slot");
    expect_rv(CKR_SESSION_HANDLE_INVALID, p11->C_GetSessionInfo(0, &session), "session 0");
    expect_rv(CKR_SESSION_HANDLE_INVALID, p11->C_GetSessionInfo(~0UL, &session), "session ~0");
    expect_rv(CKR_FUNCTION_NOT_SUPPORTED, p11->C_WaitForSlotEvent(0, &count, nullptr),
              "a blocking C_WaitForSlotEvent");
    expect_rv(CKR_NO_EVENT, p11->C_WaitForSlotEvent(CKF_DONT_BLOCK, &count, nullptr),
              "C_WaitForSlotEvent");
    expect_rv(CKR_OK, p11->C_Finalize(nullptr), "C_Finalize again");
  }
}

void random(int count) {
  initialize();
  CK_SLOT_ID slot = find_slot(nullptr);
  for (int i = 0; i < count; i++) {
    CK_BYTE out[4] = {};
    CK_SESSION_HANDLE session = 0;
    CK_RV rv = p11->C_OpenSession(slot, CKF_SERIAL_SESSION, nullptr, nullptr, &session);
    if (rv == CKR_OK) rv = random_4(session, out);
    printf("%lx %02x%02x%02x%02x\n", rv, out[0], out[1], out[2], out[3]);
    if (rv == CKR_DEVICE_REMOVED)
      expect_rv(CKR_SESSION_HANDLE_INVALID, random_4(session, out), "a dead backend's session");
  }
  expect_rv(CKR_OK, p11->C_Finalize(nullptr), "C_Finalize");
}

void order() {
  initialize();
  CK_SLOT_ID slot = find_slot(nullptr);
  CK_SESSION_HANDLE sessions[4];
  for (auto& session : sessions) session = open_session(slot);
  std::atomic<int> most_at_once{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 16; i++)
    threads.emplace_back([&, i] {
      CK_BYTE out[4];
      expect_rv(CKR_OK, random_4(sessions[i % 4], out), "C_GenerateRandom");
      expect(out[0] == 0, "two calls of one session at once", out[0]);
      int most = most_at_once;
      while (out[1] > most && !most_at_once.compare_exchange_weak(most, out[1])) {
      }
    });
  for (auto& thread : threads) thread.join();
  /* The four sessions side by side. */
  expect(most_at_once == 3, "other calls beside the busiest",
         static_cast<unsigned long>(most_at_once));
  expect_rv(CKR_OK, p11->C_Finalize(nullptr), "C_Finalize");
}

void threads(const char* label, const char* pin, int count) {
  initialize();
  CK_SLOT_ID slot = find_slot(label);
  CK_SESSION_HANDLE first = open_session(slot);
  expect_rv(CKR_OK, log_in(first, pin), "C_Login");
  std::vector<std::thread> all;
  for (int i = 0; i < count; i++)
    all.emplace_back([slot, i] {
      CK_BYTE seed = static_cast<CK_BYTE>(i + 1);
      CK_SESSION_HANDLE session = open_session(slot);
      KeyPair keys;
      expect_rv(CKR_OK, make_rsa(session, 1024, &keys), "C_GenerateKeyPair");
      for (int round = 0; round < 20; round++) {
        sign_and_verify(session, keys, seed);
        digest(session, seed);
      }
      expect_rv(CKR_OK, p11->C_CloseSession(session), "C_CloseSession");
    });
  for (auto& thread : all) thread.join();
  expect_rv(CKR_OK, p11->C_Finalize(nullptr), "C_Finalize");
}

volatile sig_atomic_t child_signals = 0;

void signals() {
  struct sigaction action {};
  action.sa_handler = [](int) { child_signals = child_signals + 1; };
  sigaction(SIGCHLD, &action, nullptr);
  for (int i = 0; i < 2; i++) {
    initialize();
    find_slot(nullptr);
    expect(helpers().size() == 1, "helpers", helpers().size());
    expect(waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD, "wait() has a child", 0);
    for (pid_t pid : helpers())
      if (i == 1) kill(pid, SIGKILL);
    CK_RV rv = p11->C_Finalize(nullptr);
    expect(rv == CKR_OK || i == 1, "C_Finalize", rv);
  }
  expect(waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD, "wait() has a child", 0);
  pid_t own = fork();
  if (own == 0) _exit(3);
  int status = 0;
  expect(waitpid(-1, &status, 0) == own && WEXITSTATUS(status) == 3, "own child", 0);
  expect(child_signals == 1, "SIGCHLDs", static_cast<unsigned long>(child_signals));
}

/* What the child does with a module that its parent has initialised. */
void child_of(CK_SESSION_HANDLE session, const char* label, const char* pin) {
  CK_INFO info;
  CK_BYTE out[4];
  expect_rv(CKR_CRYPTOKI_NOT_INITIALIZED, p11->C_GetInfo(&info), "C_GetInfo in the child");
  expect_rv(CKR_CRYPTOKI_NOT_INITIALIZED, random_4(session, out), "parent's session in the child");
  expect_rv(CKR_CRYPTOKI_NOT_INITIALIZED, p11->C_Finalize(nullptr), "C_Finalize in the child");
  initialize();
  expect_rv(CKR_SESSION_HANDLE_INVALID, random_4(session, out),
            "parent's session after C_Initialize");
  CK_SESSION_HANDLE own = open_session(find_slot(label));
  CK_SESSION_INFO state;
  expect_rv(CKR_OK, p11->C_GetSessionInfo(own, &state), "C_GetSessionInfo");
  expect(state.state == CKS_RW_PUBLIC_SESSION, "child has its parent's login", state.state);
  expect_rv(CKR_OK, log_in(own, pin), "C_Login in the child");
  expect_rv(CKR_OK, random_4(own, out), "C_GenerateRandom in the child");
  expect_rv(CKR_OK, p11->C_Finalize(nullptr), "C_Finalize in the child");
}

void fork_both(const char* label, const char* pin) {
  initialize();
  CK_SLOT_ID slot = find_slot(label);
  CK_SESSION_HANDLE session = open_session(slot);
  expect_rv(CKR_OK, log_in(session, pin), "C_Login");
  KeyPair keys;
  expect_rv(CKR_OK, make_rsa(session, 1024, &keys), "C_GenerateKeyPair");
  /* Other threads hold whatever locks there are when the process forks. */
  std::atomic<bool> stop{false};
  std::thread busy([&] {
    CK_SESSION_HANDLE other = open_session(slot);
    CK_BYTE out[4];
    while (!stop) expect_rv(CKR_OK, random_4(other, out), "C_GenerateRandom beside fork");
  });
  for (int i = 0; i < 10; i++) {
    fflush(nullptr);
    pid_t child = fork();
    if (child == 0) {
      alarm(30);
      if (i % 2 == 0) child_of(session, label, pin);
      _exit(failures != 0);
    }
    int status = 0;
    expect(waitpid(child, &status, 0) == child && status == 0, "child",
           static_cast<unsigned long>(status));
    sign_and_verify(session, keys, 1);
  }
  stop = true;
  busy.join();
  CK_SESSION_INFO state;
  expect_rv(CKR_OK, p11->C_GetSessionInfo(session, &state), "C_GetSessionInfo");
  expect(state.state == CKS_RW_USER_FUNCTIONS, "parent's login", state.state);
  expect_rv(CKR_OK, p11->C_Finalize(nullptr), "C_Finalize");
}

void kill_helper(const char* label, const char* pin) {
  initialize();
  CK_SLOT_ID slot = find_slot(label);
  CK_SESSION_HANDLE session = open_session(slot);
  expect_rv(CKR_OK, log_in(session, pin), "C_Login");
  std::vector<pid_t> pids = helpers();
  expect(pids.size() == 1, "helpers", pids.size());
  std::thread killer([&] {
    timespec time{0, 300000000};
    nanosleep(&time, nullptr);
    for (pid_t pid : pids) kill(pid, SIGKILL);
  });
  CK_RV rv = CKR_OK; /* RSA 4096 takes a second or so; again if it was quick */
  for (int i = 0; rv == CKR_OK && i < 100; i++) {
    KeyPair keys;
    rv = make_rsa(session, 4096, &keys);
  }
  expect_rv(CKR_DEVICE_REMOVED, rv, "the call in flight");
  killer.join();
  CK_BYTE out[4];
  CK_SESSION_INFO state;
  expect_rv(CKR_SESSION_HANDLE_INVALID, p11->C_GetSessionInfo(session, &state), "its session");
  expect_rv(CKR_SESSION_HANDLE_INVALID, random_4(session, out), "its session");
  session = open_session(find_slot(label));
  expect(helpers().size() == 1 && helpers() != pids, "a new helper", helpers().size());
  expect_rv(CKR_OK, p11->C_GetSessionInfo(session, &state), "a new session");
  expect(state.state == CKS_RW_PUBLIC_SESSION, "logged in by itself", state.state);
  expect_rv(CKR_OK, log_in(session, pin), "C_Login again");
  KeyPair keys;
  expect_rv(CKR_OK, make_rsa(session, 1024, &keys), "C_GenerateKeyPair again");
  sign_and_verify(session, keys, 1);
  expect_rv(CKR_OK, p11->C_Finalize(nullptr), "C_Finalize");
}

void finalize_inside(const char* label) {
  for (int round = 0; round < 5; round++) {
    initialize();
    CK_SLOT_ID slot = find_slot(label);
    std::vector<std::thread> all;
    std::atomic<int> inside{0};
    for (int i = 0; i < 8; i++)
      all.emplace_back([&] {
        CK_SESSION_HANDLE session = open_session(slot);
        inside++;
        CK_BYTE out[4];
        CK_RV rv;
        while ((rv = random_4(session, out)) == CKR_OK) {
        }
        expect(rv == CKR_CRYPTOKI_NOT_INITIALIZED || rv == CKR_DEVICE_REMOVED, "inside", rv);
      });
    while (inside < 8) std::this_thread::yield();
    expect_rv(CKR_OK, p11->C_Finalize(nullptr), "C_Finalize");
    for (auto& thread : all) thread.join();
    expect(helpers().empty(), "pidfds after C_Finalize", helpers().size());
  }
}

void missing(const std::string& library) {
  initialize();
  const std::string away = library + ".away";
  CK_ULONG count = 0;
  for (pid_t pid : helpers()) kill(pid, SIGKILL);
  expect(rename(library.c_str(), away.c_str()) == 0, "rename", 0);
  timespec pause{0, 1000000};
  for (int i = 0; i < 300; i++) {
    expect(p11->C_GetSlotList(CK_TRUE, nullptr, &count) != CKR_OK,
           "C_GetSlotList without a library", count);
    nanosleep(&pause, nullptr);
  }
  expect(rename(away.c_str(), library.c_str()) == 0, "rename", 0);
  CK_RV rv = CKR_DEVICE_ERROR;
  for (int i = 0; i < 5000 && rv != CKR_OK; i++) {
    rv = p11->C_GetSlotList(CK_TRUE, nullptr, &count);
    nanosleep(&pause, nullptr);
  }
  expect_rv(CKR_OK, rv, "C_GetSlotList with the library back");
  expect_rv(CKR_OK, p11->C_Finalize(nullptr), "C_Finalize");
}

void stillborn() {
  initialize();
  CK_ULONG count = 0;
  timespec pause{0, 1000000};
  for (int i = 0; i < 300; i++) {
    expect(p11->C_GetSlotList(CK_TRUE, nullptr, &count) != CKR_OK, "C_GetSlotList", count);
    nanosleep(&pause, nullptr);
  }
}

/* Long ones, of a second and a half each: in sessions of their own, then all in one. */
void busy() {
  initialize();
  CK_SLOT_ID slot = find_slot(nullptr);
  CK_SESSION_HANDLE quick = open_session(slot), one = open_session(slot);
  CK_BYTE seed[] = {'l', 'o', 'n', 'g'};
  for (bool shared : {false, true}) {
    std::vector<std::thread> all;
    for (int i = 0; i < (shared ? 3 : 12); i++)
      all.emplace_back([&] {
        CK_SESSION_HANDLE session = shared ? one : open_session(slot);
        expect_rv(CKR_OK, p11->C_SeedRandom(session, seed, sizeof seed), "a long call");
      });
    timespec pause{0, 300000000};
    nanosleep(&pause, nullptr);
    CK_BYTE out[4];
    expect_rv(CKR_OK, random_4(quick, out), "a short call behind them");
    for (auto& thread : all) thread.join();
    expect_rv(CKR_OK, random_4(quick, out), "a short call after them");
  }
  expect_rv(CKR_OK, p11->C_Finalize(nullptr), "C_Finalize");
}

void unwrap() {
  initialize();
  CK_SESSION_HANDLE session = open_session(find_slot(nullptr));
  CK_MECHANISM mechanism{CKM_AES_KEY_WRAP, nullptr, 0};
  CK_BBOOL no = CK_FALSE;
  CK_ATTRIBUTE innocent{CKA_TOKEN, &no, sizeof no};
  CK_BYTE wrapped[24] = {};
  CK_OBJECT_HANDLE key = 0;
  printf("%lx", p11->C_UnwrapKey(session, &mechanism, 0, wrapped, 24, &innocent, 1, &key));
  printf(" %lx\n", p11->C_DeriveKey(session, &mechanism, 0, &innocent, 1, &key));
}

void hold() {
  initialize();
  for (pid_t pid : helpers()) printf("ready %d\n", pid);
  fflush(stdout);
  char octet;
  while (read(0, &octet, 1) > 0) {
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::string command = argc > 2 ? argv[1] : "";
  if (!command.empty()) load(argv[2]);
  if (command == "rules")
    rules();
  else if (command == "random")
    random(argc > 3 ? atoi(argv[3]) : 1);
  else if (command == "order")
    order();
  else if (command == "threads" && argc == 6)
    threads(argv[3], argv[4], atoi(argv[5]));
  else if (command == "signals")
    signals();
  else if (command == "fork" && argc == 5)
    fork_both(argv[3], argv[4]);
  else if (command == "kill" && argc == 5)
    kill_helper(argv[3], argv[4]);
  else if (command == "finalize" && argc == 4)
    finalize_inside(argv[3]);
  else if (command == "missing" && argc == 4)
    missing(argv[3]);
  else if (command == "stillborn")
    stillborn();
  else if (command == "busy")
    busy();
  else if (command == "unwrap")
    unwrap();
  else if (command == "hold")
    hold();
  else
    return 2;
  return failures != 0;
}
