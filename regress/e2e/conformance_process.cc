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
 * conformance: slots, the security officer, and what concerns the process: memory that others left
 * behind, threads that start at once, fork, and the functions that a module shows.
 */
#include <dlfcn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "conformance.h"

namespace conformance {

/* ---- slots ---- */

void slot_calls(const Arguments&) {
  initialize();
  CK_BYTE label[32];
  memset(label, ' ', sizeof label);
  const std::pair<const char*, CK_SLOT_ID> bad[] = {
      {"a huge slot", ~0ul}, {"a random slot", 0x5bd1e995}, {"a slot too many", 0x7fffffff}};
  for (const auto& [name, slot] : bad) {
    CK_SLOT_INFO slot_info;
    CK_TOKEN_INFO token_info;
    CK_MECHANISM_INFO mechanism_info;
    CK_MECHANISM_TYPE list[100];
    CK_ULONG count = 100;
    CK_SESSION_HANDLE session;
    const std::pair<const char*, CK_RV> calls[] = {
        {"C_GetSlotInfo", p11->C_GetSlotInfo(slot, &slot_info)},
        {"C_GetTokenInfo", p11->C_GetTokenInfo(slot, &token_info)},
        {"C_GetMechanismList", p11->C_GetMechanismList(slot, list, &count)},
        {"C_GetMechanismList for the length", p11->C_GetMechanismList(slot, nullptr, &count)},
        {"C_GetMechanismInfo", p11->C_GetMechanismInfo(slot, CKM_SHA256, &mechanism_info)},
        {"C_InitToken", p11->C_InitToken(slot, so_pin, kSoPin, label)},
        {"C_OpenSession", p11->C_OpenSession(slot, CKF_SERIAL_SESSION, nullptr, nullptr, &session)},
        {"C_CloseAllSessions", p11->C_CloseAllSessions(slot)},
    };
    for (const auto& [call, rv] : calls) {
      tell(std::string(call) + " of " + name, rv);
      expect(std::string(call) + " of " + name + " is CKR_SLOT_ID_INVALID", CKR_SLOT_ID_INVALID,
             rv);
    }
  }
  CK_SLOT_ID event = 0;
  ASK(p11->C_WaitForSlotEvent(CKF_DONT_BLOCK, &event, nullptr));
  ASK(p11->C_WaitForSlotEvent(CKF_DONT_BLOCK, &event, nullptr));
  expect("C_WaitForSlotEvent(CKF_DONT_BLOCK) is CKR_NO_EVENT", CKR_NO_EVENT,
         p11->C_WaitForSlotEvent(CKF_DONT_BLOCK, &event, nullptr));
  for (CK_BBOOL with_token : {no, yes}) {
    std::string name = with_token != CK_FALSE ? "slots with a token" : "slots";
    CK_ULONG count = 0;
    tell(name + ", counted", p11->C_GetSlotList(with_token, nullptr, &count));
    tell(name + ", their number", std::to_string(count));
    std::vector<CK_SLOT_ID> list(count + 1);
    CK_ULONG room = count + 1;
    tell(name + ", with room to spare", p11->C_GetSlotList(with_token, list.data(), &room));
    tell(name + ", listed", std::to_string(room));
    std::sort(list.begin(), list.begin() + static_cast<long>(room));
    verdict(std::adjacent_find(list.begin(), list.begin() + static_cast<long>(room)) ==
                list.begin() + static_cast<long>(room),
            name + " are different ones");
  }
  must("C_Finalize", p11->C_Finalize(nullptr));
}

namespace {

std::string counted(CK_SLOT_ID_PTR list, CK_ULONG room) {
  CK_RV rv = p11->C_GetSlotList(CK_FALSE, list, &room);
  return text_of(rv) + ", " + std::to_string(room);
}

void init_token(CK_SLOT_ID slot, const char* text) {
  CK_UTF8CHAR label[32];
  memset(label, ' ', sizeof label);
  memcpy(label, text, strlen(text));
  must("C_InitToken", p11->C_InitToken(slot, so_pin, kSoPin, label));
}

}  // namespace

/* SoftHSM shows a new free slot when the number of slots is asked for, and then only. */
void new_slot(const Arguments&) {
  initialize();
  CK_SLOT_ID list[32];
  size_t before = slots().size();
  tell("before", counted(nullptr, 0));
  init_token(free_slot(), "first");
  tell("a list without asking for its length", counted(list, 32));
  tell("again", counted(list, 32));
  tell("the length", counted(nullptr, 0));
  tell("the list then", counted(list, 32));
  verdict(slots().size() == before + 1, "a new free slot is shown after C_GetSlotList(NULL)");
  CK_SLOT_ID fresh = free_slot();
  CK_TOKEN_INFO info;
  ASK(p11->C_GetTokenInfo(fresh, &info));
  init_token(fresh, "second");
  tell("one more: a list without asking", counted(list, 32));
  tell("one more: the length", counted(nullptr, 0));
  tell("one more: the list", counted(list, 32));
  open_session(token_slot("first"));
  open_session(token_slot("second"));
  ASK(p11->C_CloseAllSessions(token_slot("first")));
  must("C_Finalize", p11->C_Finalize(nullptr));
  initialize();
  tell("after C_Finalize and C_Initialize", counted(nullptr, 0));
  open_session(token_slot("second"));
  must("C_Finalize", p11->C_Finalize(nullptr));
}

/* ---- the security officer ---- */

void admin_calls(const Arguments&) {
  initialize();
  CK_SLOT_ID slot = free_slot();
  CK_TOKEN_INFO info = {};
  CK_UTF8CHAR label[33] = "made here                       ";
  ASK(p11->C_InitToken(slot, so_pin, 3, label));
  ASK(p11->C_InitToken(slot, nullptr, 0, label));
  ASK(p11->C_InitToken(slot, so_pin, kSoPin, label));
  ASK(p11->C_GetTokenInfo(slot, &info));
  tell("flags of the new token", std::to_string(info.flags));
  tell("its label", text_of(info.label, sizeof info.label));
  CK_SESSION_HANDLE s = open_session(slot), reading = open_session(slot, 0);
  ASK(p11->C_InitToken(slot, so_pin, kSoPin, label));
  ASK(p11->C_Login(s, CKU_USER, user_pin, kUserPin));
  ASK(p11->C_Login(s, CKU_SO, so_pin, kSoPin));
  ASK(p11->C_CloseSession(reading));
  ASK(p11->C_Login(s, CKU_SO, so_pin, 7));
  ASK(p11->C_InitPIN(s, user_pin, kUserPin));
  ASK(p11->C_Login(s, CKU_SO, so_pin, kSoPin));
  ASK(p11->C_OpenSession(slot, CKF_SERIAL_SESSION, nullptr, nullptr, &reading));
  ASK(p11->C_InitPIN(s, user_pin, 3));
  ASK(p11->C_InitPIN(s, user_pin, kUserPin));
  CK_SESSION_INFO session = {};
  ASK(p11->C_GetSessionInfo(s, &session));
  tell("state of the security officer's session", std::to_string(session.state));
  CK_UTF8CHAR other_pin[] = "87654321";
  ASK(p11->C_SetPIN(s, so_pin, kSoPin, other_pin, 8));
  ASK(p11->C_Logout(s));
  ASK(p11->C_Login(s, CKU_SO, so_pin, kSoPin));
  ASK(p11->C_Login(s, CKU_SO, other_pin, 8));
  ASK(p11->C_Logout(s));
  ASK(p11->C_Login(s, CKU_USER, user_pin, kUserPin));
  make_secret(s, CKK_AES, 16);
  info = {};
  ASK(p11->C_GetTokenInfo(slot, &info));
  tell("flags of the token in use", std::to_string(info.flags));
  ASK(p11->C_CloseAllSessions(slot));
  ASK(p11->C_InitToken(slot, so_pin, kSoPin, label));
  ASK(p11->C_InitToken(slot, other_pin, 8, label));
  info = {};
  ASK(p11->C_GetTokenInfo(slot, &info));
  tell("flags of the token made anew", std::to_string(info.flags));
  must("C_Finalize", p11->C_Finalize(nullptr));
}

/* LABEL: what the configuration does not allow, and that the rest works. */
void no_admin(const Arguments& a) {
  initialize();
  CK_SLOT_ID slot = token_slot(a.at(0).c_str());
  CK_UTF8CHAR label[33] = "not made here                   ";
  CK_SESSION_HANDLE s = open_session(slot);
  expect("C_Login(CKU_SO) without admin", CKR_USER_TYPE_INVALID,
         p11->C_Login(s, CKU_SO, so_pin, kSoPin));
  expect("C_InitPIN without admin", CKR_FUNCTION_NOT_SUPPORTED,
         p11->C_InitPIN(s, user_pin, kUserPin));
  must("C_CloseSession", p11->C_CloseSession(s));
  for (CK_SLOT_ID each : slots())
    expect("C_InitToken without admin", CKR_FUNCTION_NOT_SUPPORTED,
           p11->C_InitToken(each, so_pin, kSoPin, label));
  s = open_session(slot);
  expect("C_Login(CKU_USER) without admin", CKR_OK, p11->C_Login(s, CKU_USER, user_pin, kUserPin));
  must("C_Finalize", p11->C_Finalize(nullptr));
}

/* ---- memory that somebody else has used ---- */

namespace {

template <class T>
bool only_flags(const T& info, CK_FLAGS flags) {
  T wanted;
  memset(&wanted, 0, sizeof wanted);
  wanted.flags = flags;
  return memcmp(&info, &wanted, sizeof info) == 0;
}

/* The caller's own block is full of 0xff: were it handed on, the flags would stay. */
template <class T>
T filled() {
  T value;
  memset(&value, 0xff, sizeof value);
  return value;
}

bool all_zero(const Octets& octets) {
  return std::all_of(octets.begin(), octets.end(), [](CK_BYTE octet) { return octet == 0; });
}

void look_at_infos(const std::string& when, CK_SLOT_ID slot, CK_SESSION_HANDLE s) {
  auto library = filled<CK_INFO>();
  must("C_GetInfo", p11->C_GetInfo(&library));
  library.cryptokiVersion = library.libraryVersion = {};
  verdict(library.flags == 0x40 &&
              all_zero(Octets(library.manufacturerID, library.manufacturerID + 32)) &&
              all_zero(Octets(library.libraryDescription, library.libraryDescription + 32)),
          "CK_INFO" + when);
  auto slot_info = filled<CK_SLOT_INFO>();
  must("C_GetSlotInfo", p11->C_GetSlotInfo(slot, &slot_info));
  verdict(only_flags(slot_info, CKF_TOKEN_PRESENT), "CK_SLOT_INFO" + when);
  auto token_info = filled<CK_TOKEN_INFO>();
  must("C_GetTokenInfo", p11->C_GetTokenInfo(slot, &token_info));
  verdict(only_flags(token_info, CKF_TOKEN_INITIALIZED), "CK_TOKEN_INFO" + when);
  auto mechanism_info = filled<CK_MECHANISM_INFO>();
  must("C_GetMechanismInfo", p11->C_GetMechanismInfo(slot, CKM_SHA256, &mechanism_info));
  verdict(only_flags(mechanism_info, CKF_DIGEST), "CK_MECHANISM_INFO" + when);
  auto session_info = filled<CK_SESSION_INFO>();
  must("C_GetSessionInfo", p11->C_GetSessionInfo(s, &session_info));
  session_info.slotID = 0; /* the client's own */
  verdict(only_flags(session_info, CKF_SERIAL_SESSION), "CK_SESSION_INFO" + when);
}

void look_at_lists(const std::string& when, CK_SLOT_ID slot, CK_SESSION_HANDLE s,
                   CK_OBJECT_HANDLE object) {
  CK_MECHANISM_TYPE types[300];
  CK_ULONG count = 300;
  std::fill_n(types, 300, ~0ul);
  must("C_GetMechanismList", p11->C_GetMechanismList(slot, types, &count));
  verdict(count == 300 && std::count(types, types + 300, CKM_SHA256) == 300,
          "a list of mechanisms" + when);
  CK_OBJECT_HANDLE found[10];
  count = ~0ul;
  must("C_FindObjectsInit", p11->C_FindObjectsInit(s, nullptr, 0));
  must("C_FindObjects", p11->C_FindObjects(s, found, 10, &count));
  must("C_FindObjectsFinal", p11->C_FindObjectsFinal(s));
  bool right = count == 10;
  for (CK_ULONG i = 0; right && i < 10; i++) {
    CK_ULONG size = ~0ul;
    right = p11->C_GetObjectSize(s, found[i], &size) == CKR_OK && size == 0x100 + i;
  }
  verdict(right, "a list of objects, and its length" + when, std::to_string(count));
  CK_ULONG size = ~0ul;
  must("C_GetObjectSize", p11->C_GetObjectSize(s, object, &size));
  verdict(size == 5, "a number, and the handle of an object that was made" + when,
          std::to_string(size));
}

void look_at_buffers(const std::string& when, CK_SESSION_HANDLE s, CK_OBJECT_HANDLE object) {
  Octets random(100'000, 0xff);
  must("C_GenerateRandom", p11->C_GenerateRandom(s, random.data(), random.size()));
  verdict(all_zero(random), "a buffer to fill" + when);
  Octets out(50'000, 0xff);
  CK_ULONG size = out.size();
  must("C_Digest", p11->C_Digest(s, out.data(), 1, out.data(), &size));
  verdict(size == out.size() && all_zero(out), "an output buffer" + when, std::to_string(size));
  Octets one(3000, 0xff), two(3000, 0xff);
  CK_ATTRIBUTE inner = {CKA_ID, two.data(), two.size()};
  CK_ATTRIBUTE both[] = {{CKA_VALUE, one.data(), one.size()},
                         {CKA_WRAP_TEMPLATE, &inner, sizeof inner}};
  must("C_GetAttributeValue", p11->C_GetAttributeValue(s, object, both, 2));
  verdict(all_zero(one), "the value of an attribute" + when);
  verdict(all_zero(two), "the value of an attribute in a template" + when);
}

}  // namespace

void zeroed_results(const Arguments&) {
  initialize();
  CK_SLOT_ID slot = slots().at(0);
  CK_SESSION_HANDLE s = open_session(slot);
  CK_OBJECT_HANDLE object = ~0ul;
  must("C_CreateObject", p11->C_CreateObject(s, nullptr, 0, &object));
  for (const char* when : {" is zeroed", " is zeroed after others have used the memory"}) {
    look_at_infos(when, slot, s);
    look_at_lists(when, slot, s, object);
    look_at_buffers(when, s, object);
    /* Secrets go through every buffer on the way. */
    Octets secret(200'000, 0xff);
    must("C_DigestUpdate", p11->C_DigestUpdate(s, secret.data(), secret.size()));
    must("C_SeedRandom", p11->C_SeedRandom(s, secret.data(), secret.size()));
    for (int i = 0; i < 20; i++) must("C_Login", p11->C_Login(s, CKU_USER, secret.data(), 250));
  }
  must("C_Finalize", p11->C_Finalize(nullptr));
}

/* ---- C_Initialize once ---- */

/* ROUNDS: eight threads each time; for a library that does not bear two at once. */
void initialize_at_once(const Arguments& a) {
  bool right = true, alive = true;
  for (int round = 0; round < std::stoi(a.at(0)); round++) {
    std::atomic<int> good{0}, known{0};
    std::vector<std::thread> threads;
    std::atomic<bool> go{false};
    for (int i = 0; i < 8; i++)
      threads.emplace_back([&] {
        while (!go) std::this_thread::yield();
        CK_RV rv = p11->C_Initialize(nullptr);
        if (rv == CKR_OK) good++;
        if (rv == CKR_CRYPTOKI_ALREADY_INITIALIZED) known++;
      });
    go = true;
    for (std::thread& thread : threads) thread.join();
    right = right && good == 1 && known == 7;
    CK_ULONG count = 0;
    alive = alive && p11->C_GetSlotList(CK_FALSE, nullptr, &count) == CKR_OK && count >= 1;
    alive = alive && p11->C_Finalize(nullptr) == CKR_OK;
  }
  verdict(right,
          "of eight threads in C_Initialize one gets CKR_OK, the others ALREADY_INITIALIZED");
  verdict(alive, "and the library works");
}

/* The module's library is spy, or one of them is: eight threads need it first, all at once. */
void initialize_once(const Arguments&) {
  initialize();
  std::vector<CK_SLOT_ID> list = slots();
  std::vector<std::thread> threads;
  std::atomic<bool> go{false}, good{true};
  for (int i = 0; i < 8; i++)
    threads.emplace_back([&] {
      while (!go) std::this_thread::yield();
      for (CK_SLOT_ID slot : list) {
        CK_TOKEN_INFO info;
        CK_SESSION_HANDLE session;
        if (p11->C_GetTokenInfo(slot, &info) != CKR_OK ||
            p11->C_OpenSession(slot, CKF_SERIAL_SESSION, nullptr, nullptr, &session) != CKR_OK)
          good = false;
      }
    });
  go = true;
  for (std::thread& thread : threads) thread.join();
  verdict(good, "eight threads that need a library at once all get it");
  CK_INFO info = {};
  must("C_GetInfo", p11->C_GetInfo(&info));
  /* With two libraries these are multip11's own: the script's portfolio has one then. */
  verdict(info.libraryVersion.major == 1, "C_Initialize of the library was called once",
          std::to_string(info.libraryVersion.major));
  verdict(info.cryptokiVersion.major == 1, "and in one thread",
          std::to_string(info.cryptokiVersion.major));
  must("C_Finalize", p11->C_Finalize(nullptr));
}

/* ---- fork ---- */

namespace {

template <class... A>
CK_RV call_with_nothing(CK_RV (*function)(A...)) {
  return function(A{}...);
}

/* Every function of 2.40 but the two that need no C_Initialize: those that answer otherwise. */
std::string others() {
  std::string wrong;
#define ROW_240(name)                                                                            \
  if (std::string_view(#name) != "Initialize" && std::string_view(#name) != "GetFunctionList") { \
    CK_RV rv = call_with_nothing(p11->C_##name);                                                 \
    if (rv != CKR_CRYPTOKI_NOT_INITIALIZED) wrong += " C_" #name " " + text_of(rv);              \
  }
#define ROW_300(name)
#define ROW_310(name)
#define ROW_320(name)
#define P11_FUNCTION(number, name, since, ...) ROW_##since(name)
#include "p11_functions.def"
#undef P11_FUNCTION
#undef ROW_240
#undef ROW_300
#undef ROW_310
#undef ROW_320
  return wrong;
}

int child_of(CK_SESSION_HANDLE parents, CK_OBJECT_HANDLE parents_key) {
  std::string wrong = others();
  verdict(wrong.empty(), "in the child every call is CKR_CRYPTOKI_NOT_INITIALIZED", wrong);
  CK_FUNCTION_LIST* list = nullptr;
  expect("but C_GetFunctionList", CKR_OK, p11->C_GetFunctionList(&list));
  expect("C_Initialize in the child", CKR_OK, p11->C_Initialize(nullptr));
  CK_SESSION_INFO info = {};
  expect("the parent's session is not the child's", CKR_SESSION_HANDLE_INVALID,
         p11->C_GetSessionInfo(parents, &info));
  CK_SESSION_HANDLE s = open_session(token_slot());
  must("C_GetSessionInfo", p11->C_GetSessionInfo(s, &info));
  verdict(info.state == CKS_RW_PUBLIC_SESSION, "nor is its login", std::to_string(info.state));
  expect("C_Login in the child", CKR_OK, p11->C_Login(s, CKU_USER, user_pin, kUserPin));
  CK_ULONG size;
  expect("the parent's key is not the child's", CKR_OBJECT_HANDLE_INVALID,
         p11->C_GetObjectSize(s, parents_key, &size));
  CK_BYTE label[] = "only the parent's";
  CK_ATTRIBUTE wanted = {CKA_LABEL, label, sizeof label};
  CK_OBJECT_HANDLE found;
  CK_ULONG count = 9;
  must("C_FindObjectsInit", p11->C_FindObjectsInit(s, &wanted, 1));
  must("C_FindObjects", p11->C_FindObjects(s, &found, 1, &count));
  verdict(count == 0, "nor does the child find it", std::to_string(count));
  CK_BYTE random[4];
  expect("the child's calls work", CKR_OK, p11->C_GenerateRandom(s, random, 4));
  pid_t grandchild = fork();
  if (grandchild == 0) {
    _exit(others().empty() && p11->C_Initialize(nullptr) == CKR_OK &&
                  p11->C_Finalize(nullptr) == CKR_OK
              ? 0
              : 1);
  }
  int status = -1;
  waitpid(grandchild, &status, 0);
  verdict(status == 0, "a child of the child is like it", std::to_string(status));
  expect("C_Finalize in the child", CKR_OK, p11->C_Finalize(nullptr));
  return 0;
}

}  // namespace

void forked(const Arguments&) {
  std::string wrong = others();
  verdict(wrong.empty(), "before C_Initialize every call is CKR_CRYPTOKI_NOT_INITIALIZED", wrong);
  CK_SESSION_HANDLE s = logged_in();
  CK_BYTE label[] = "only the parent's";
  CK_OBJECT_HANDLE key = make_secret(s, CKK_AES, 16, {{CKA_LABEL, label, sizeof label}});
  CK_MECHANISM sha = {CKM_SHA256, nullptr, 0};
  CK_BYTE data[] = "abc", digest[32];
  must("C_DigestInit", p11->C_DigestInit(s, &sha));
  must("C_DigestUpdate", p11->C_DigestUpdate(s, data, 2));
  pid_t child = fork();
  if (child == 0) {
    alarm(60);
    _exit(child_of(s, key));
  }
  /* At the same time. */
  CK_BYTE random[4];
  CK_RV rv = CKR_OK;
  for (int i = 0; i < 200 && rv == CKR_OK; i++) rv = p11->C_GenerateRandom(s, random, 4);
  expect("the parent goes on beside the child", CKR_OK, rv);
  int status = -1;
  waitpid(child, &status, 0);
  verdict(status == 0, "the child ends well", std::to_string(status));
  CK_ULONG size = sizeof digest;
  must("C_DigestUpdate", p11->C_DigestUpdate(s, data + 2, 1));
  must("C_DigestFinal", p11->C_DigestFinal(s, digest, &size));
  const CK_BYTE of_abc[] = {0xba, 0x78, 0x16, 0xbf};
  verdict(memcmp(digest, of_abc, 4) == 0, "the parent's operation is where it was");
  CK_SESSION_INFO info = {};
  must("C_GetSessionInfo", p11->C_GetSessionInfo(s, &info));
  verdict(info.state == CKS_RW_USER_FUNCTIONS, "and its login", std::to_string(info.state));
  expect("and its key", CKR_OK, p11->C_GetObjectSize(s, key, &size));
  must("C_Finalize", p11->C_Finalize(nullptr));
  wrong = others();
  verdict(wrong.empty(), "after C_Finalize every call is CKR_CRYPTOKI_NOT_INITIALIZED", wrong);
}

/* ---- functions and interfaces ---- */

namespace {

void ask_for_interfaces(void* get) {
  auto interface = reinterpret_cast<CK_C_GetInterface>(get);
  CK_UTF8CHAR name[] = "PKCS 11", other[] = "other";
  for (CK_BYTE major : {CK_BYTE{2}, CK_BYTE{3}}) {
    CK_VERSION wanted = {major, major == 2 ? CK_BYTE{40} : CK_BYTE{0}};
    CK_INTERFACE* found = nullptr;
    CK_RV rv = interface(name, &wanted, &found, 0);
    bool right = rv == CKR_OK && found != nullptr && found->pFunctionList != nullptr;
    if (right) {
      const auto* v = static_cast<const CK_VERSION*>(found->pFunctionList);
      right = v->major == wanted.major && v->minor == wanted.minor;
    }
    verdict(right, "C_GetInterface for version " + std::to_string(major), text_of(rv));
  }
  CK_INTERFACE* found = nullptr;
  verdict(interface(other, nullptr, &found, 0) != CKR_OK, "C_GetInterface of another name");
}

}  // namespace

void interfaces(const Arguments&) {
  verdict(p11->version.major == 2 && p11->version.minor == 40, "the function list is of 2.40");
  std::string missing, other;
#define ROW_240(name)                                                             \
  if (p11->C_##name == nullptr) missing += " C_" #name;                           \
  if (reinterpret_cast<void*>(p11->C_##name) != dlsym(module_handle, "C_" #name)) \
    other += " C_" #name;
#define ROW_300(name)
#define ROW_310(name)
#define ROW_320(name)
#define P11_FUNCTION(number, name, since, ...) ROW_##since(name)
#include "p11_functions.def"
#undef P11_FUNCTION
#undef ROW_240
#undef ROW_300
#undef ROW_310
#undef ROW_320
  verdict(missing.empty(), "every function of 2.40 is in it", missing);
  verdict(other.empty(), "and is the one that is exported", other);
  void* get = dlsym(module_handle, "C_GetInterface");
  verdict((get == nullptr) == (dlsym(module_handle, "C_GetInterfaceList") == nullptr),
          "C_GetInterface and C_GetInterfaceList come together");
  if (get != nullptr) ask_for_interfaces(get);
  /* What came later is exported: a program that is linked with it starts, and is told. */
  std::string answers;
  CK_RV wanted = CKR_CRYPTOKI_NOT_INITIALIZED;
#define ROW_240(name)
#define ROW_300(name)                                                       \
  if (void* f = dlsym(module_handle, "C_" #name);                           \
      f != nullptr && strncmp(#name, "GetInterface", 12) != 0) {            \
    CK_RV rv = call_with_nothing(reinterpret_cast<decltype(&C_##name)>(f)); \
    if (rv != wanted) answers += " C_" #name " " + text_of(rv);             \
  }
#define ROW_310(name) ROW_300(name)
#define ROW_320(name) ROW_300(name)
#define P11_FUNCTION(number, name, since, ...) ROW_##since(name)
#include "p11_functions.def"
  verdict(answers.empty(), "later functions before C_Initialize", answers);
  initialize();
  answers.clear();
  wanted = CKR_FUNCTION_NOT_SUPPORTED;
#include "p11_functions.def"
#undef P11_FUNCTION
  verdict(answers.empty(), "later functions are CKR_FUNCTION_NOT_SUPPORTED with a library of 2.40",
          answers);
  must("C_Finalize", p11->C_Finalize(nullptr));
}

}  // namespace conformance
