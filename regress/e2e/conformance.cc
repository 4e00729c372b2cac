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
/* conformance: what all points need, and those on C_Initialize, infos, slots and users. */
#include "conformance.h"

#include <dlfcn.h>
#include <string.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <thread>

namespace conformance {

CK_FUNCTION_LIST* p11;
void* module_handle;
std::string module_path;
CK_UTF8CHAR so_pin[] = "12345678", user_pin[] = "1234";
CK_BBOOL yes = CK_TRUE, no = CK_FALSE;

void tell(const std::string& name, const std::string& value) {
  static std::map<std::string, int> told;
  int times = ++told[name];
  printf("%s%s\t%s\n", name.c_str(), times > 1 ? (" #" + std::to_string(times)).c_str() : "",
         value.c_str());
  fflush(stdout);
}

std::string text_of(CK_RV rv) {
  char text[32];
  snprintf(text, sizeof text, "rv 0x%lx", rv);
  return text;
}

/* FNV-1a: long results need not be read, only compared. */
std::string text_of(const Octets& octets, CK_ULONG size) {
  if (size == CK_UNAVAILABLE_INFORMATION) return "unavailable";
  if (size > octets.size()) return std::to_string(size) + " octets, more than asked for";
  uint64_t hash = 0xcbf29ce484222325;
  for (CK_ULONG i = 0; i < size; i++) hash = (hash ^ octets[i]) * 0x100000001b3;
  char text[64];
  snprintf(text, sizeof text, "%lu octets, %016lx", size, static_cast<unsigned long>(hash));
  return text;
}

std::string text_of(const CK_UTF8CHAR* field, size_t size) {
  std::string text;
  for (size_t i = 0; i < size; i++) text += field[i] >= 32 && field[i] < 127 ? char(field[i]) : '?';
  return "\"" + text + "\"";
}

void verdict(bool right, const std::string& name, const std::string& detail) {
  printf("%s %s%s\n", right ? "ok" : "not ok", name.c_str(),
         right || detail.empty() ? "" : (": " + detail).c_str());
  fflush(stdout);
}

void expect(const std::string& name, CK_RV wanted, CK_RV got) {
  verdict(wanted == got, name, text_of(got) + ", expected " + text_of(wanted));
}

void must(const char* what, CK_RV rv) {
  if (rv == CKR_OK) return;
  verdict(false, what, text_of(rv));
  exit(1);
}

std::vector<CK_SLOT_ID> slots() {
  CK_ULONG count = 0;
  must("C_GetSlotList", p11->C_GetSlotList(CK_FALSE, nullptr, &count));
  std::vector<CK_SLOT_ID> list(count);
  must("C_GetSlotList", p11->C_GetSlotList(CK_FALSE, list.data(), &count));
  list.resize(count);
  return list;
}

CK_SLOT_ID token_slot(const char* label) {
  std::string padded = label;
  padded.resize(32, ' ');
  for (CK_SLOT_ID slot : slots()) {
    CK_TOKEN_INFO info;
    if (p11->C_GetTokenInfo(slot, &info) == CKR_OK && memcmp(info.label, padded.data(), 32) == 0)
      return slot;
  }
  must("there is no such token", CKR_TOKEN_NOT_PRESENT);
  return 0;
}

CK_SLOT_ID free_slot() {
  for (CK_SLOT_ID slot : slots()) {
    CK_TOKEN_INFO info;
    if (p11->C_GetTokenInfo(slot, &info) == CKR_OK && (info.flags & CKF_TOKEN_INITIALIZED) == 0)
      return slot;
  }
  must("there is no free slot", CKR_TOKEN_NOT_PRESENT);
  return 0;
}

void initialize() {
  CK_C_INITIALIZE_ARGS arguments = {};
  arguments.flags = CKF_OS_LOCKING_OK;
  must("C_Initialize", p11->C_Initialize(&arguments));
}

CK_SESSION_HANDLE open_session(CK_SLOT_ID slot, CK_FLAGS more) {
  CK_SESSION_HANDLE session = 0;
  must("C_OpenSession",
       p11->C_OpenSession(slot, CKF_SERIAL_SESSION | more, nullptr, nullptr, &session));
  return session;
}

CK_SESSION_HANDLE logged_in() {
  initialize();
  CK_SESSION_HANDLE session = open_session(token_slot());
  must("C_Login", p11->C_Login(session, CKU_USER, user_pin, kUserPin));
  return session;
}

CK_OBJECT_HANDLE make_secret(CK_SESSION_HANDLE session, CK_KEY_TYPE type, CK_ULONG size,
                             const std::vector<CK_ATTRIBUTE>& more, CK_RV* rv) {
  CK_OBJECT_CLASS secret = CKO_SECRET_KEY;
  Octets value(size);
  for (CK_ULONG i = 0; i < size; i++) value[i] = static_cast<CK_BYTE>(0x10 + 3 * i);
  std::vector<CK_ATTRIBUTE> all = {attribute(CKA_CLASS, secret),   attribute(CKA_KEY_TYPE, type),
                                   attribute(CKA_TOKEN, no),       attribute(CKA_SENSITIVE, no),
                                   attribute(CKA_ENCRYPT, yes),    attribute(CKA_DECRYPT, yes),
                                   attribute(CKA_SIGN, yes),       attribute(CKA_VERIFY, yes),
                                   attribute(CKA_WRAP, yes),       attribute(CKA_UNWRAP, yes),
                                   attribute(CKA_DERIVE, yes),     attribute(CKA_EXTRACTABLE, yes),
                                   {CKA_VALUE, value.data(), size}};
  all.insert(all.end(), more.begin(), more.end());
  CK_OBJECT_HANDLE key = 0;
  CK_RV made = p11->C_CreateObject(session, all.data(), all.size(), &key);
  if (rv != nullptr)
    *rv = made;
  else
    must("C_CreateObject", made);
  return key;
}

KeyPair make_rsa(CK_SESSION_HANDLE session, CK_ULONG bits) {
  CK_MECHANISM mechanism = {CKM_RSA_PKCS_KEY_PAIR_GEN, nullptr, 0};
  CK_BYTE exponent[] = {1, 0, 1};
  std::vector<CK_ATTRIBUTE> open = {
      attribute(CKA_MODULUS_BITS, bits), attribute(CKA_PUBLIC_EXPONENT, exponent),
      attribute(CKA_TOKEN, no),          attribute(CKA_VERIFY, yes),
      attribute(CKA_ENCRYPT, yes),       attribute(CKA_WRAP, yes)};
  std::vector<CK_ATTRIBUTE> secret = {attribute(CKA_TOKEN, no), attribute(CKA_SIGN, yes),
                                      attribute(CKA_DECRYPT, yes), attribute(CKA_UNWRAP, yes)};
  KeyPair pair;
  must("C_GenerateKeyPair",
       p11->C_GenerateKeyPair(session, &mechanism, open.data(), open.size(), secret.data(),
                              secret.size(), &pair.open, &pair.secret));
  return pair;
}

/* ---- C_Initialize ---- */

namespace {

CK_RV create_mutex(CK_VOID_PTR_PTR mutex) {
  *mutex = new char;
  return CKR_OK;
}
CK_RV destroy_mutex(CK_VOID_PTR mutex) {
  delete static_cast<char*>(mutex);
  return CKR_OK;
}
CK_RV use_mutex(CK_VOID_PTR) { return CKR_OK; }

}  // namespace

void initialize_arguments(const Arguments&) {
  CK_INFO info;
  CK_ULONG count = 0;
  CK_C_INITIALIZE_ARGS arguments;
  auto try_it = [&](const std::string& name, CK_C_INITIALIZE_ARGS* a, CK_RV wanted) {
    CK_RV rv = p11->C_Initialize(a);
    tell(name, rv);
    expect(name, wanted, rv);
    CK_RV after = wanted == CKR_OK ? CKR_OK : CKR_CRYPTOKI_NOT_INITIALIZED;
    expect(name + ": what it leaves behind", after, p11->C_GetInfo(&info));
    if (rv == CKR_OK) must("C_Finalize", p11->C_Finalize(nullptr));
  };
  ASK(p11->C_GetInfo(&info));
  ASK(p11->C_GetSlotList(CK_TRUE, nullptr, &count));
  ASK(p11->C_Finalize(nullptr));
  try_it("no arguments", nullptr, CKR_OK);
  for (CK_FLAGS flags : {0ul, CKF_OS_LOCKING_OK, CKF_LIBRARY_CANT_CREATE_OS_THREADS,
                         CKF_OS_LOCKING_OK | CKF_LIBRARY_CANT_CREATE_OS_THREADS}) {
    std::string with = "flags " + std::to_string(flags);
    for (unsigned set = 0; set < 16; set++) {
      arguments = {};
      arguments.flags = flags;
      if ((set & 1) != 0) arguments.CreateMutex = create_mutex;
      if ((set & 2) != 0) arguments.DestroyMutex = destroy_mutex;
      if ((set & 4) != 0) arguments.LockMutex = use_mutex;
      if ((set & 8) != 0) arguments.UnlockMutex = use_mutex;
      bool whole = set == 0 || set == 15;
      try_it(with + ", callbacks " + std::to_string(set), &arguments,
             whole ? CKR_OK : CKR_ARGUMENTS_BAD);
    }
    arguments = {};
    arguments.flags = flags;
    arguments.pReserved = &info;
    try_it(with + ", pReserved", &arguments, CKR_ARGUMENTS_BAD);
  }
  initialize();
  expect("C_Finalize with pReserved", CKR_ARGUMENTS_BAD, p11->C_Finalize(&info));
  ASK(p11->C_Finalize(&info));
  ASK(p11->C_GetInfo(&info));
  ASK(p11->C_Finalize(nullptr));
  ASK(p11->C_Finalize(nullptr));
}

/* ---- mechanism lists ---- */

namespace {

void lists_of(const std::string& which, CK_SLOT_ID slot) {
  CK_ULONG count = 0;
  tell(which + ": count asked for", p11->C_GetMechanismList(slot, nullptr, &count));
  tell(which + ": count", std::to_string(count));
  std::vector<CK_MECHANISM_TYPE> list(count + 2), whole(count);
  CK_ULONG all = count;
  must("C_GetMechanismList", p11->C_GetMechanismList(slot, whole.data(), &all));
  verdict(all == count, which + ": count and list agree");
  for (CK_ULONG room = 0; room <= count + 1; room++) {
    std::fill(list.begin(), list.end(), 0xa5a5);
    CK_ULONG n = room;
    CK_RV rv = p11->C_GetMechanismList(slot, list.data(), &n);
    std::string value = text_of(rv) + ", says " + std::to_string(n);
    size_t written =
        size_t(std::find(list.begin(), list.end(), CK_MECHANISM_TYPE{0xa5a5}) - list.begin());
    value += ", writes " + std::to_string(written);
    if (rv == CKR_OK && !std::equal(whole.begin(), whole.end(), list.begin())) value += ", others";
    tell(which + ": room for " + std::to_string(room), value);
  }
  for (CK_MECHANISM_TYPE type : whole) {
    CK_MECHANISM_INFO info;
    memset(&info, 0xff, sizeof info);
    CK_RV rv = p11->C_GetMechanismInfo(slot, type, &info);
    char value[128];
    /* Which bits the caller's memory had is not the library's word, and SoftHSM ORs into it. */
    snprintf(value, sizeof value, "%s, %lu to %lu", text_of(rv).c_str(), info.ulMinKeySize,
             info.ulMaxKeySize);
    tell(which + ": mechanism " + std::to_string(type), value);
    info = {};
    p11->C_GetMechanismInfo(slot, type, &info);
    tell(which + ": flags of mechanism " + std::to_string(type), std::to_string(info.flags));
  }
  CK_ULONG huge = ~0ul;
  tell(which + ": no list, a huge length", p11->C_GetMechanismList(slot, nullptr, &huge));
  tell(which + ": the length then", std::to_string(huge));
  tell(which + ": no length", p11->C_GetMechanismList(slot, list.data(), nullptr));
  tell(which + ": nothing", p11->C_GetMechanismList(slot, nullptr, nullptr));
  CK_MECHANISM_INFO info;
  tell(which + ": an unknown mechanism", p11->C_GetMechanismInfo(slot, 0x7654321, &info));
  tell(which + ": no mechanism info", p11->C_GetMechanismInfo(slot, CKM_SHA256, nullptr));
}

}  // namespace

void mechanism_lists(const Arguments&) {
  initialize();
  lists_of("the token", token_slot());
  lists_of("the free slot", free_slot());
  must("C_Finalize", p11->C_Finalize(nullptr));
}

/* ---- infos ---- */

namespace {

std::string version(const CK_VERSION& v) {
  return std::to_string(v.major) + "." + std::to_string(v.minor);
}

void tell_slot(const std::string& which, CK_SLOT_ID slot) {
  CK_SLOT_INFO info;
  memset(&info, 0x5a, sizeof info);
  tell(which + ": slot info", p11->C_GetSlotInfo(slot, &info));
  tell(which + ": slotDescription", text_of(info.slotDescription, sizeof info.slotDescription));
  tell(which + ": manufacturerID", text_of(info.manufacturerID, sizeof info.manufacturerID));
  tell(which + ": flags", std::to_string(info.flags));
  tell(which + ": hardwareVersion", version(info.hardwareVersion));
  tell(which + ": firmwareVersion", version(info.firmwareVersion));
}

void tell_token(const std::string& which, CK_SLOT_ID slot) {
  CK_TOKEN_INFO info;
  memset(&info, 0x5a, sizeof info);
  tell(which + ": token info", p11->C_GetTokenInfo(slot, &info));
  tell(which + ": label", text_of(info.label, sizeof info.label));
  tell(which + ": token's manufacturerID",
       text_of(info.manufacturerID, sizeof info.manufacturerID));
  tell(which + ": model", text_of(info.model, sizeof info.model));
  tell(which + ": serialNumber", text_of(info.serialNumber, sizeof info.serialNumber));
  tell(which + ": token's flags", std::to_string(info.flags));
  for (auto& [name, value] : {std::pair("ulMaxSessionCount", info.ulMaxSessionCount),
                              {"ulMaxRwSessionCount", info.ulMaxRwSessionCount},
                              {"ulMaxPinLen", info.ulMaxPinLen},
                              {"ulMinPinLen", info.ulMinPinLen},
                              {"ulTotalPublicMemory", info.ulTotalPublicMemory},
                              {"ulFreePublicMemory", info.ulFreePublicMemory},
                              {"ulTotalPrivateMemory", info.ulTotalPrivateMemory},
                              {"ulFreePrivateMemory", info.ulFreePrivateMemory}})
    tell(which + ": " + name, std::to_string(value));
  tell(which + ": token's hardwareVersion", version(info.hardwareVersion));
  tell(which + ": token's firmwareVersion", version(info.firmwareVersion));
}

void tell_session(const std::string& which, CK_SESSION_HANDLE session, CK_SLOT_ID slot) {
  CK_SESSION_INFO info;
  memset(&info, 0x5a, sizeof info);
  tell(which, p11->C_GetSessionInfo(session, &info));
  tell(which + ": state, flags, device error", std::to_string(info.state) + " " +
                                                   std::to_string(info.flags) + " " +
                                                   std::to_string(info.ulDeviceError));
  verdict(info.slotID == slot, which + ": slotID is the slot that was opened");
}

void tell_info() {
  CK_INFO info;
  memset(&info, 0x5a, sizeof info);
  tell("C_GetInfo", p11->C_GetInfo(&info));
  tell("library's manufacturerID", text_of(info.manufacturerID, sizeof info.manufacturerID));
  tell("libraryDescription", text_of(info.libraryDescription, sizeof info.libraryDescription));
  tell("cryptokiVersion", version(info.cryptokiVersion));
  tell("libraryVersion", version(info.libraryVersion));
  tell("library's flags", std::to_string(info.flags));
}

void tell_sessions(CK_SLOT_ID slot) {
  CK_SESSION_HANDLE reading = open_session(slot, 0), writing = open_session(slot);
  tell_session("a session to read", reading, slot);
  tell_session("a session to write", writing, slot);
  must("C_Login", p11->C_Login(reading, CKU_USER, user_pin, kUserPin));
  tell_session("a session to read, logged in", reading, slot);
  tell_session("a session to write, logged in", writing, slot);
  must("C_Logout", p11->C_Logout(writing));
  tell_session("a session to write, logged out", writing, slot);
  tell_token("the token in use", slot);
}

}  // namespace

void infos(const Arguments&) {
  initialize();
  tell_info();
  CK_SLOT_ID slot = token_slot();
  tell_slot("the token's slot", slot);
  tell_slot("the free slot", free_slot());
  tell_token("the token", slot);
  tell_token("the free token", free_slot());
  tell_sessions(slot);
  must("C_Finalize", p11->C_Finalize(nullptr));
}

/* The same without a free slot; with LABEL SERIAL these are asserted and not told. */
void infos_configured(const Arguments& a) {
  initialize();
  if (a.empty()) {
    tell_info();
    CK_SLOT_ID slot = token_slot();
    tell_slot("the token's slot", slot);
    tell_token("the token", slot);
    tell_sessions(slot);
  } else {
    CK_SLOT_ID slot = token_slot(a.at(0).c_str());
    CK_TOKEN_INFO info = {};
    must("C_GetTokenInfo", p11->C_GetTokenInfo(slot, &info));
    std::string serial = a.at(1);
    serial.resize(16, ' ');
    verdict(memcmp(info.serialNumber, serial.data(), 16) == 0, "the configured label and serial",
            text_of(info.serialNumber, 16));
    tell("the token: manufacturerID", text_of(info.manufacturerID, sizeof info.manufacturerID));
    tell("the token: model", text_of(info.model, sizeof info.model));
    CK_INFO library = {};
    must("C_GetInfo", p11->C_GetInfo(&library));
    verdict(memcmp(library.manufacturerID, "multip11 ", 9) == 0,
            "two libraries: C_GetInfo has words of its own", text_of(library.manufacturerID, 32));
  }
  must("C_Finalize", p11->C_Finalize(nullptr));
}

/* ---- users of one process ---- */

void two_users(const Arguments&) {
  void* again = dlopen(module_path.c_str(), RTLD_NOW | RTLD_LOCAL);
  CK_FUNCTION_LIST* other = nullptr;
  auto get = reinterpret_cast<CK_C_GetFunctionList>(dlsym(again, "C_GetFunctionList"));
  must("C_GetFunctionList", get(&other));
  verdict(other == p11, "both users have one function list");
  initialize();
  CK_SESSION_HANDLE session = open_session(token_slot());
  CK_C_INITIALIZE_ARGS arguments = {};
  arguments.flags = CKF_OS_LOCKING_OK;
  CK_SESSION_INFO info;
  for (int i = 0; i < 3; i++) {
    expect("the second C_Initialize", CKR_CRYPTOKI_ALREADY_INITIALIZED,
           other->C_Initialize(&arguments));
    ASK(other->C_Initialize(&arguments));
    ASK(other->C_Initialize(nullptr));
    ASK(p11->C_GetSessionInfo(session, &info));
    ASK(other->C_GetSessionInfo(session, &info));
  }
  ASK(other->C_Login(session, CKU_USER, user_pin, kUserPin));
  ASK(p11->C_Login(session, CKU_USER, user_pin, kUserPin));
  CK_RV rv = other->C_Finalize(nullptr);
  tell("the second user's C_Finalize", rv);
  expect("one C_Finalize ends it for both", CKR_CRYPTOKI_NOT_INITIALIZED,
         p11->C_GetSessionInfo(session, &info));
  ASK(p11->C_GetSessionInfo(session, &info));
  ASK(p11->C_Finalize(nullptr));
  ASK(p11->C_Initialize(&arguments));
  ASK(other->C_GetSessionInfo(session, &info));
  ASK(p11->C_Finalize(nullptr));
  dlclose(again);
}

}  // namespace conformance

namespace {

using namespace conformance;

const struct Point {
  const char* name;
  void (*run)(const Arguments&);
} kPoints[] = {
    {"initialize-arguments", initialize_arguments},
    {"init-calls", init_calls},
    {"operation-calls", operation_calls},
    {"single-calls", single_calls},
    {"mechanism-lists", mechanism_lists},
    {"parameter-lengths", parameter_lengths},
    {"parameter-forms", parameter_forms},
    {"infos", infos},
    {"infos-configured", infos_configured},
    {"nested-templates", nested_templates},
    {"slot-calls", slot_calls},
    {"new-slot", new_slot},
    {"admin-calls", admin_calls},
    {"no-admin", no_admin},
    {"zeroed-results", zeroed_results},
    {"initialize-once", initialize_once},
    {"initialize-at-once", initialize_at_once},
    {"legacy-mechanisms", legacy_mechanisms},
    {"forked", forked},
    {"two-users", two_users},
    {"interfaces", interfaces},
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    fputs("usage: conformance MODULE POINT [ARGUMENT...]\n", stderr);
    return 2;
  }
  module_path = argv[1];
  module_handle = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  if (module_handle == nullptr) {
    fprintf(stderr, "conformance: %s\n", dlerror());
    return 2;
  }
  auto get = reinterpret_cast<CK_C_GetFunctionList>(dlsym(module_handle, "C_GetFunctionList"));
  if (get == nullptr || get(&p11) != CKR_OK) {
    fputs("conformance: no function list\n", stderr);
    return 2;
  }
  for (const Point& point : kPoints) {
    if (strcmp(point.name, argv[2]) != 0) continue;
    point.run(Arguments(argv + 3, argv + argc));
    return 0;
  }
  fprintf(stderr, "conformance: no point %s\n", argv[2]);
  return 2;
}
