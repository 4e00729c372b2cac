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
 * p11test: a PKCS #11 client for the shell tests, where pkcs11-tool does not do.
 *
 *   p11test MODULE SCENARIO [ARGUMENT...]
 *
 * Some scenarios print `ok NAME` and `not ok NAME` lines, which regress/run counts; others print
 * one word about what happened, for the script to judge. What each does stands in the table at the
 * end. The token is named by label; the PIN is in $P11TEST_PIN (default 1234).
 */
#include <dlfcn.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "cryptoki.h"

namespace {

CK_FUNCTION_LIST* p11;
int failures;

const char* rv_name(CK_RV rv) {
  switch (rv) {
    case CKR_OK:
      return "CKR_OK";
    case CKR_SLOT_ID_INVALID:
      return "CKR_SLOT_ID_INVALID";
    case CKR_GENERAL_ERROR:
      return "CKR_GENERAL_ERROR";
    case CKR_DEVICE_ERROR:
      return "CKR_DEVICE_ERROR";
    case CKR_DEVICE_REMOVED:
      return "CKR_DEVICE_REMOVED";
    case CKR_KEY_HANDLE_INVALID:
      return "CKR_KEY_HANDLE_INVALID";
    case CKR_OBJECT_HANDLE_INVALID:
      return "CKR_OBJECT_HANDLE_INVALID";
    case CKR_SESSION_HANDLE_INVALID:
      return "CKR_SESSION_HANDLE_INVALID";
    case CKR_PIN_INCORRECT:
      return "CKR_PIN_INCORRECT";
    case CKR_TOKEN_NOT_PRESENT:
      return "CKR_TOKEN_NOT_PRESENT";
    case CKR_USER_NOT_LOGGED_IN:
      return "CKR_USER_NOT_LOGGED_IN";
    case CKR_CRYPTOKI_NOT_INITIALIZED:
      return "CKR_CRYPTOKI_NOT_INITIALIZED";
    case CKR_CRYPTOKI_ALREADY_INITIALIZED:
      return "CKR_CRYPTOKI_ALREADY_INITIALIZED";
    default:
      break;
  }
  static char text[32];
  snprintf(text, sizeof text, "0x%lx", rv);
  return text;
}

void verdict(bool right, const std::string& name, const std::string& detail = "") {
  printf("%s %s%s\n", right ? "ok" : "not ok", name.c_str(),
         right || detail.empty() ? "" : (" (" + detail + ")").c_str());
  fflush(stdout);
  if (!right) failures++;
}

void expect(const std::string& name, CK_RV wanted, CK_RV got) {
  verdict(wanted == got, name,
          std::string("expected ") + rv_name(wanted) + ", got " + rv_name(got));
}

/* Says what a script waits for, at once. */
void say(const char* text) {
  puts(text);
  fflush(stdout);
}

[[noreturn]] void die(const char* what, CK_RV rv) {
  fprintf(stderr, "p11test: %s: %s\n", what, rv_name(rv));
  printf("%s %s\n", what, rv_name(rv));
  exit(1);
}

void must(const char* what, CK_RV rv) {
  if (rv != CKR_OK) die(what, rv);
}

std::string pin() {
  const char* given = getenv("P11TEST_PIN");
  return given != nullptr ? given : "1234";
}

CK_UTF8CHAR* utf8(const std::string& s) {
  return const_cast<CK_UTF8CHAR*>(reinterpret_cast<const CK_UTF8CHAR*>(s.data()));
}

void initialize() {
  CK_C_INITIALIZE_ARGS arguments = {};
  arguments.flags = CKF_OS_LOCKING_OK;
  must("C_Initialize", p11->C_Initialize(&arguments));
}

std::vector<CK_SLOT_ID> slots() {
  CK_SLOT_ID list[64];
  CK_ULONG count = 64;
  must("C_GetSlotList", p11->C_GetSlotList(CK_TRUE, list, &count));
  return std::vector<CK_SLOT_ID>(list, list + count);
}

CK_SLOT_ID slot_of(const std::string& label) {
  std::string padded = label;
  padded.resize(32, ' ');
  for (CK_SLOT_ID slot : slots()) {
    CK_TOKEN_INFO info;
    CK_RV rv = p11->C_GetTokenInfo(slot, &info);
    if (rv == CKR_OK && memcmp(info.label, padded.data(), 32) == 0) return slot;
  }
  die("no such token", CKR_OK);
}

CK_RV try_open(CK_SLOT_ID slot, CK_SESSION_HANDLE* session) {
  return p11->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, session);
}

CK_SESSION_HANDLE open_session(CK_SLOT_ID slot) {
  CK_SESSION_HANDLE session = 0;
  must("C_OpenSession", try_open(slot, &session));
  return session;
}

CK_RV try_login(CK_SESSION_HANDLE session, const std::string& with) {
  return p11->C_Login(session, CKU_USER, utf8(with), with.size());
}

/* initialize, find the token, open a session, log in. */
CK_SESSION_HANDLE start(const std::string& label, bool login = true) {
  initialize();
  CK_SESSION_HANDLE session = open_session(slot_of(label));
  if (login) must("C_Login", try_login(session, pin()));
  return session;
}

CK_STATE state_of(CK_SESSION_HANDLE session) {
  CK_SESSION_INFO info;
  must("C_GetSessionInfo", p11->C_GetSessionInfo(session, &info));
  return info.state;
}

struct KeyPair {
  CK_OBJECT_HANDLE pub = 0, priv = 0;
};

CK_RV generate_ec(CK_SESSION_HANDLE session, const std::string& label, bool token, KeyPair* pair) {
  CK_BBOOL yes = CK_TRUE, is_token = token ? CK_TRUE : CK_FALSE;
  unsigned char p256[] = {6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7};
  CK_MECHANISM mechanism = {CKM_EC_KEY_PAIR_GEN, nullptr, 0};
  CK_ATTRIBUTE pub[] = {{CKA_TOKEN, &is_token, 1},
                        {CKA_EC_PARAMS, p256, sizeof p256},
                        {CKA_VERIFY, &yes, 1},
                        {CKA_LABEL, utf8(label), label.size()}};
  CK_ATTRIBUTE priv[] = {
      {CKA_TOKEN, &is_token, 1}, {CKA_SIGN, &yes, 1}, {CKA_LABEL, utf8(label), label.size()}};
  return p11->C_GenerateKeyPair(session, &mechanism, pub, 4, priv, 3, &pair->pub, &pair->priv);
}

CK_RV generate_rsa(CK_SESSION_HANDLE session, CK_ULONG bits, KeyPair* pair) {
  CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
  CK_MECHANISM mechanism = {CKM_RSA_PKCS_KEY_PAIR_GEN, nullptr, 0};
  CK_ATTRIBUTE pub[] = {
      {CKA_TOKEN, &no, 1}, {CKA_MODULUS_BITS, &bits, sizeof bits}, {CKA_VERIFY, &yes, 1}};
  CK_ATTRIBUTE priv[] = {{CKA_TOKEN, &no, 1}, {CKA_SIGN, &yes, 1}};
  return p11->C_GenerateKeyPair(session, &mechanism, pub, 3, priv, 2, &pair->pub, &pair->priv);
}

std::vector<CK_OBJECT_HANDLE> find(CK_SESSION_HANDLE session, CK_OBJECT_CLASS type,
                                   const std::string& label) {
  CK_ATTRIBUTE t[] = {{CKA_CLASS, &type, sizeof type}, {CKA_LABEL, utf8(label), label.size()}};
  CK_OBJECT_HANDLE found[16];
  CK_ULONG count = 0;
  must("C_FindObjectsInit", p11->C_FindObjectsInit(session, t, 2));
  must("C_FindObjects", p11->C_FindObjects(session, found, 16, &count));
  must("C_FindObjectsFinal", p11->C_FindObjectsFinal(session));
  return std::vector<CK_OBJECT_HANDLE>(found, found + count);
}

CK_RV sign_ec(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, unsigned char signature[64]) {
  unsigned char hash[32];
  memset(hash, 0x5a, sizeof hash);
  CK_MECHANISM mechanism = {CKM_ECDSA, nullptr, 0};
  CK_ULONG length = 64;
  CK_RV rv = p11->C_SignInit(session, &mechanism, key);
  return rv != CKR_OK ? rv : p11->C_Sign(session, hash, sizeof hash, signature, &length);
}

CK_RV verify_ec(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, unsigned char signature[64]) {
  unsigned char hash[32];
  memset(hash, 0x5a, sizeof hash);
  CK_MECHANISM mechanism = {CKM_ECDSA, nullptr, 0};
  CK_RV rv = p11->C_VerifyInit(session, &mechanism, key);
  return rv != CKR_OK ? rv : p11->C_Verify(session, hash, sizeof hash, signature, 64);
}

using Arguments = std::vector<std::string>;

/* ---- Words for the script */

void list_slots(const Arguments&) {
  initialize();
  printf("%zu slots\n", slots().size());
  for (CK_SLOT_ID slot : slots()) {
    CK_TOKEN_INFO info;
    CK_RV rv = p11->C_GetTokenInfo(slot, &info);
    printf("%lu %.32s %s\n", slot, rv == CKR_OK ? reinterpret_cast<char*>(info.label) : "-",
           rv_name(rv));
  }
  must("C_Finalize", p11->C_Finalize(nullptr));
}

/* LABEL: from nothing to a verified signature, with a key of its own. */
void sign_once(const Arguments& a) {
  CK_SESSION_HANDLE session = start(a.at(0));
  KeyPair pair;
  unsigned char signature[64];
  must("generate", generate_ec(session, "once", false, &pair));
  must("sign", sign_ec(session, pair.priv, signature));
  must("verify", verify_ec(session, pair.pub, signature));
  must("C_Finalize", p11->C_Finalize(nullptr));
  say("signed");
}

/* LABEL KEYLABEL: makes an EC key on the token. */
void make_key(const Arguments& a) {
  CK_SESSION_HANDLE session = start(a.at(0));
  KeyPair pair;
  must("generate", generate_ec(session, a.at(1), true, &pair));
  must("C_Finalize", p11->C_Finalize(nullptr));
  say("made");
}

/*
 * LABEL: opens a session, logs in, says "ready", and ends when its standard input does. For each
 * line signs, or, for "find LABEL", says how many data objects of this label there are.
 */
void hold(const Arguments& a) {
  CK_SESSION_HANDLE session = start(a.at(0));
  KeyPair pair;
  unsigned char signature[64];
  must("generate", generate_ec(session, "held", false, &pair));
  must("sign", sign_ec(session, pair.priv, signature));
  say("ready");
  char line[64];
  while (fgets(line, sizeof line, stdin) != nullptr) {
    line[strcspn(line, "\n")] = '\0';
    if (strncmp(line, "find ", 5) == 0)
      printf("found %zu\n", find(session, CKO_DATA, line + 5).size());
    else
      printf("sign %s\n", rv_name(sign_ec(session, pair.priv, signature)));
    fflush(stdout);
  }
  p11->C_Finalize(nullptr);
}

/*
 * LABEL: says "calling", makes RSA-4096 keys until a call fails, says with what; then what an old
 * session answers; then tries for 20 s to open a new one and sign: "recovered" or the last answer.
 */
void slow(const Arguments& a) {
  CK_SESSION_HANDLE session = start(a.at(0));
  CK_SLOT_ID slot = slot_of(a.at(0));
  say("calling");
  KeyPair pair;
  CK_RV rv;
  while ((rv = generate_rsa(session, 4096, &pair)) == CKR_OK) continue;
  printf("in flight: %s\n", rv_name(rv));
  CK_SESSION_INFO info;
  printf("old session: %s\n", rv_name(p11->C_GetSessionInfo(session, &info)));
  fflush(stdout);
  for (int i = 0; i < 200; i++) {
    rv = try_open(slot, &session);
    if (rv == CKR_OK) rv = try_login(session, pin());
    if (rv == CKR_OK) rv = generate_ec(session, "again", false, &pair);
    if (rv == CKR_OK) {
      say("recovered");
      p11->C_Finalize(nullptr);
      return;
    }
    struct timespec pause = {0, 100000000};
    nanosleep(&pause, nullptr);
  }
  printf("not recovered: %s\n", rv_name(rv));
}

/* ---- Checks */

void expect_session(const std::string& what, CK_SESSION_HANDLE session) {
  CK_SESSION_INFO info;
  unsigned char octets[8];
  CK_OBJECT_HANDLE object;
  CK_ULONG count;
  CK_MECHANISM mechanism = {CKM_SHA256, nullptr, 0};
  const CK_RV wanted = CKR_SESSION_HANDLE_INVALID;
  expect(what + " in C_GetSessionInfo", wanted, p11->C_GetSessionInfo(session, &info));
  expect(what + " in C_GenerateRandom", wanted, p11->C_GenerateRandom(session, octets, 8));
  expect(what + " in C_DigestInit", wanted, p11->C_DigestInit(session, &mechanism));
  expect(what + " in C_FindObjectsInit", wanted, p11->C_FindObjectsInit(session, nullptr, 0));
  expect(what + " in C_FindObjects", wanted, p11->C_FindObjects(session, &object, 1, &count));
  expect(what + " in C_Login", wanted, try_login(session, pin()));
  expect(what + " in C_Logout", wanted, p11->C_Logout(session));
  expect(what + " in C_CloseSession", wanted, p11->C_CloseSession(session));
}

void expect_object(const std::string& what, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object) {
  CK_OBJECT_CLASS type;
  CK_ULONG size;
  CK_ATTRIBUTE t = {CKA_CLASS, &type, sizeof type};
  CK_MECHANISM mechanism = {CKM_ECDSA, nullptr, 0};
  expect(what + " in C_GetAttributeValue", CKR_OBJECT_HANDLE_INVALID,
         p11->C_GetAttributeValue(session, object, &t, 1));
  expect(what + " in C_GetObjectSize", CKR_OBJECT_HANDLE_INVALID,
         p11->C_GetObjectSize(session, object, &size));
  expect(what + " in C_DestroyObject", CKR_OBJECT_HANDLE_INVALID,
         p11->C_DestroyObject(session, object));
  /* The standard names the first; SoftHSM, asked directly, answers the second. */
  CK_RV rv = p11->C_SignInit(session, &mechanism, object);
  verdict(rv == CKR_KEY_HANDLE_INVALID || rv == CKR_OBJECT_HANDLE_INVALID, what + " in C_SignInit",
          rv_name(rv));
}

void expect_slot(const std::string& what, CK_SLOT_ID slot) {
  CK_SLOT_INFO info;
  CK_TOKEN_INFO token;
  CK_SESSION_HANDLE session;
  CK_ULONG count = 0;
  expect(what + " in C_GetSlotInfo", CKR_SLOT_ID_INVALID, p11->C_GetSlotInfo(slot, &info));
  expect(what + " in C_GetTokenInfo", CKR_SLOT_ID_INVALID, p11->C_GetTokenInfo(slot, &token));
  expect(what + " in C_GetMechanismList", CKR_SLOT_ID_INVALID,
         p11->C_GetMechanismList(slot, nullptr, &count));
  expect(what + " in C_OpenSession", CKR_SLOT_ID_INVALID, try_open(slot, &session));
  expect(what + " in C_CloseAllSessions", CKR_SLOT_ID_INVALID, p11->C_CloseAllSessions(slot));
}

/* LABEL: handles that name nothing. */
void handles(const Arguments& a) {
  CK_SESSION_HANDLE session = start(a.at(0));
  CK_SLOT_ID slot = slot_of(a.at(0));
  expect_session("session 0", 0);
  expect_session("a huge session", ~CK_ULONG(0));
  expect_session("a session above 32 bits", session | (CK_ULONG(1) << 32));
  expect_session("a random session", 0x5bd1e995);
  CK_SESSION_HANDLE second = open_session(slot);
  must("C_CloseSession", p11->C_CloseSession(second));
  expect_session("a closed session", second);

  KeyPair pair;
  must("generate", generate_ec(session, "handles", false, &pair));
  expect_object("object 0", session, 0);
  expect_object("a huge object", session, ~CK_ULONG(0));
  expect_object("an object above 32 bits", session, pair.priv | (CK_ULONG(1) << 32));
  expect_object("a random object", session, 0x5bd1e995);
  must("C_DestroyObject", p11->C_DestroyObject(session, pair.priv));
  expect_object("a destroyed object", session, pair.priv);

  expect_slot("a huge slot", ~CK_ULONG(0));
  expect_slot("a random slot", 0x5bd1e995);
  expect("the session still lives", CKR_OK, p11->C_CloseSession(session));
  must("C_Finalize", p11->C_Finalize(nullptr));
}

/* LABEL HANDLE...: none of these, which live in another connection, is a session or object here. */
void foreign(const Arguments& a) {
  initialize();
  CK_SLOT_ID slot = slot_of(a.at(0));
  for (size_t i = 1; i < a.size(); i++)
    expect_session("session of another connection", strtoul(a[i].c_str(), nullptr, 0));
  CK_SESSION_HANDLE session = open_session(slot);
  must("C_Login", try_login(session, pin()));
  for (size_t i = 1; i < a.size(); i++)
    expect_object("object of another connection", session, strtoul(a[i].c_str(), nullptr, 0));
  must("C_Finalize", p11->C_Finalize(nullptr));
}

/* LABEL: opens 8 sessions, makes 4 key pairs, prints their handles, waits for the end of input. */
void print_handles(const Arguments& a) {
  CK_SESSION_HANDLE session = start(a.at(0));
  CK_SLOT_ID slot = slot_of(a.at(0));
  printf("0x%lx", session);
  for (int i = 0; i < 7; i++) printf(" 0x%lx", open_session(slot));
  for (int i = 0; i < 4; i++) {
    KeyPair pair;
    must("generate", generate_ec(session, "foreign", false, &pair));
    printf(" 0x%lx 0x%lx", pair.pub, pair.priv);
  }
  say("");
  char line[64];
  while (fgets(line, sizeof line, stdin) != nullptr) continue;
  p11->C_Finalize(nullptr);
}

/*
 * LABEL: one of two clients of one token, in step with the other by standard input and output: does
 * a thing for each letter that comes, and says what came of it.
 */
void stepwise(const Arguments& a) {
  CK_SESSION_HANDLE session = start(a.at(0), false);
  KeyPair pair;
  unsigned char signature[64];
  say("ready");
  char line[64];
  while (fgets(line, sizeof line, stdin) != nullptr) {
    switch (line[0]) {
      case 'l':
        printf("login %s\n", rv_name(try_login(session, pin())));
        break;
      case 'w':
        printf("wrong pin %s\n", rv_name(try_login(session, "0000")));
        break;
      case 'o':
        printf("logout %s\n", rv_name(p11->C_Logout(session)));
        break;
      case 'i':
        printf("state %lu\n", state_of(session));
        break;
      case 'g':
        printf("generate %s\n", rv_name(generate_ec(session, "stepwise", false, &pair)));
        break;
      case 's':
        printf("sign %s\n", rv_name(sign_ec(session, pair.priv, signature)));
        break;
      case 'f':
        printf("found %zu\n", find(session, CKO_PRIVATE_KEY, "stepwise").size() +
                                  find(session, CKO_PUBLIC_KEY, "stepwise").size());
        break;
      case 'c': {
        CK_RV rv = p11->C_CloseAllSessions(slot_of(a.at(0)));
        session = open_session(slot_of(a.at(0)));
        printf("close all %s\n", rv_name(rv));
        break;
      }
      default:
        printf("unknown\n");
        break;
    }
    fflush(stdout);
  }
  p11->C_Finalize(nullptr);
}

/* LABEL THREADS ROUNDS: threads with sessions of their own sign and verify at the same time. */
void threads(const Arguments& a) {
  CK_SESSION_HANDLE session = start(a.at(0));
  CK_SLOT_ID slot = slot_of(a.at(0));
  const int rounds = atoi(a.at(2).c_str());
  KeyPair pair;
  must("generate", generate_ec(session, "threads", false, &pair));
  std::atomic<int> signatures{0}, wrong{0};
  std::vector<std::thread> running;
  const int count = atoi(a.at(1).c_str());
  for (int i = 0; i < count; i++)
    running.emplace_back([&] {
      CK_SESSION_HANDLE own;
      if (try_open(slot, &own) != CKR_OK) {
        wrong++;
        return;
      }
      unsigned char signature[64], octets[100];
      for (int round = 0; round < rounds; round++) {
        if (sign_ec(own, pair.priv, signature) == CKR_OK &&
            verify_ec(own, pair.pub, signature) == CKR_OK &&
            p11->C_GenerateRandom(own, octets, sizeof octets) == CKR_OK)
          signatures++;
        else
          wrong++;
      }
      if (p11->C_CloseSession(own) != CKR_OK) wrong++;
    });
  for (std::thread& t : running) t.join();
  verdict(signatures == count * rounds && wrong == 0, "every thread signs and verifies",
          std::to_string(signatures) + " right, " + std::to_string(wrong) + " wrong");
  /* Eight threads initialise at once: one succeeds, the others are told that it is done. */
  must("C_Finalize", p11->C_Finalize(nullptr));
  std::atomic<int> first{0}, later{0};
  running.clear();
  for (int i = 0; i < 8; i++)
    running.emplace_back([&] {
      CK_C_INITIALIZE_ARGS arguments = {};
      arguments.flags = CKF_OS_LOCKING_OK;
      CK_RV rv = p11->C_Initialize(&arguments);
      if (rv == CKR_OK) first++;
      if (rv == CKR_CRYPTOKI_ALREADY_INITIALIZED) later++;
    });
  for (std::thread& t : running) t.join();
  verdict(first == 1 && later == 7, "eight threads initialise at once, one does");
  must("C_Finalize", p11->C_Finalize(nullptr));
}

volatile sig_atomic_t child_signals;
void on_child(int) { child_signals = child_signals + 1; }

/* LABEL: what the application sees of our helpers, and what a forked child sees of its parent. */
void processes(const Arguments& a) {
  struct sigaction action = {};
  action.sa_handler = on_child;
  sigaction(SIGCHLD, &action, nullptr);
  CK_SESSION_HANDLE session = start(a.at(0));
  KeyPair pair;
  unsigned char signature[64];
  must("generate", generate_ec(session, "processes", false, &pair));
  errno = 0;
  verdict(waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD,
          "the application has no child that it did not make");

  pid_t child = fork();
  if (child == 0) {
    CK_SESSION_INFO info;
    if (p11->C_GetSessionInfo(session, &info) != CKR_CRYPTOKI_NOT_INITIALIZED) _exit(1);
    if (p11->C_Finalize(nullptr) != CKR_CRYPTOKI_NOT_INITIALIZED) _exit(2);
    CK_C_INITIALIZE_ARGS arguments = {};
    arguments.flags = CKF_OS_LOCKING_OK;
    if (p11->C_Initialize(&arguments) != CKR_OK) _exit(3);
    CK_SESSION_HANDLE own;
    if (try_open(slot_of(a.at(0)), &own) != CKR_OK) _exit(4);
    if (state_of(own) != CKS_RW_PUBLIC_SESSION) _exit(5);
    if (p11->C_Finalize(nullptr) != CKR_OK) _exit(6);
    _exit(0);
  }
  int status = 0;
  verdict(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0,
          "a forked child is not initialised, initialises, and has a connection of its own",
          "status " + std::to_string(WEXITSTATUS(status)));
  verdict(child_signals == 1, "SIGCHLD came for that child alone",
          std::to_string(child_signals) + " came");
  expect("the parent is unaffected", CKR_OK, sign_ec(session, pair.priv, signature));
  verdict(state_of(session) == CKS_RW_USER_FUNCTIONS, "and still logged in");

  signal(SIGCHLD, SIG_IGN);
  must("C_Finalize", p11->C_Finalize(nullptr));
  initialize();
  expect("works where SIGCHLD is ignored", CKR_OK, try_open(slot_of(a.at(0)), &session));
  must("C_Finalize", p11->C_Finalize(nullptr));
  errno = 0;
  verdict(waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD, "nothing is left to wait for");
}

const struct Scenario {
  const char* name;
  void (*run)(const Arguments&);
  size_t arguments; /* at least */
} kScenarios[] = {
    {"slots", list_slots, 0},    {"sign", sign_once, 1},
    {"make-key", make_key, 2},   {"hold", hold, 1},
    {"slow", slow, 1},           {"handles", handles, 1},
    {"foreign", foreign, 2},     {"print-handles", print_handles, 1},
    {"stepwise", stepwise, 1},   {"threads", threads, 3},
    {"processes", processes, 1},
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    fputs("usage: p11test MODULE SCENARIO [ARGUMENT...]\n", stderr);
    return 2;
  }
  void* library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    fprintf(stderr, "p11test: %s\n", dlerror());
    return 2;
  }
  auto get = reinterpret_cast<CK_RV (*)(CK_FUNCTION_LIST**)>(dlsym(library, "C_GetFunctionList"));
  if (get == nullptr || get(&p11) != CKR_OK) {
    fputs("p11test: no function list\n", stderr);
    return 2;
  }
  Arguments arguments(argv + 3, argv + argc);
  for (const Scenario& s : kScenarios)
    if (strcmp(s.name, argv[2]) == 0 && arguments.size() >= s.arguments) {
      s.run(arguments);
      return failures > 0 ? 1 : 0;
    }
  fprintf(stderr, "p11test: no scenario %s with %zu arguments\n", argv[2], arguments.size());
  return 2;
}
