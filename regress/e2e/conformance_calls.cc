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
 * conformance: bad arguments in every place and order. The library's own answer, in its own order
 * of checks, must come through, and a call that ends an operation there must end it here.
 *
 * Left out is what crashes SoftHSM 2.6 when it is asked directly.
 */
#include <string.h>

#include <functional>

#include "conformance.h"

namespace conformance {
namespace {

/* Everything that calls of one kind are tried with. */
struct Keys {
  CK_OBJECT_HANDLE aes, hmac;
  KeyPair rsa;
};

Keys make_keys(CK_SESSION_HANDLE session) {
  return {make_secret(session, CKK_AES, 16), make_secret(session, CKK_GENERIC_SECRET, 32),
          make_rsa(session)};
}

/* ---- C_...Init ---- */

struct Mechanism {
  const char* name;
  CK_MECHANISM mechanism;
};

CK_BYTE parameter[70000];
CK_RSA_PKCS_OAEP_PARAMS oaep = {CKM_SHA_1, CKG_MGF1_SHA1, CKZ_DATA_SPECIFIED, nullptr, 0};
CK_RSA_PKCS_PSS_PARAMS pss = {CKM_SHA256, CKG_MGF1_SHA256, 32};

const Mechanism kMechanisms[] = {
    {"unknown", {0x7654321, nullptr, 0}},
    {"unknown, parameter NULL of 16", {0x7654321, nullptr, 16}},
    {"unknown, parameter of 16", {0x7654321, parameter, 16}},
    {"unknown, parameter of 0", {0x7654321, parameter, 0}},
    {"a vendor's, parameter of 24", {CKM_VENDOR_DEFINED | 7, parameter, 24}},
    {"RC4", {CKM_RC4, nullptr, 0}},
    {"TLS 1.2 master key, parameter of 64", {CKM_TLS12_MASTER_KEY_DERIVE, parameter, 64}},
    {"AES-CBC", {CKM_AES_CBC, parameter, 16}},
    {"AES-CBC, parameter NULL", {CKM_AES_CBC, nullptr, 0}},
    {"AES-CBC, parameter NULL of 16", {CKM_AES_CBC, nullptr, 16}},
    {"AES-CBC, parameter of 0", {CKM_AES_CBC, parameter, 0}},
    {"AES-CBC, parameter of 15", {CKM_AES_CBC, parameter, 15}},
    {"AES-CBC, parameter of 17", {CKM_AES_CBC, parameter, 17}},
    {"AES-CBC, parameter of 65536", {CKM_AES_CBC, parameter, 65536}},
    {"AES-ECB, parameter of 16", {CKM_AES_ECB, parameter, 16}},
    {"RSA-PKCS", {CKM_RSA_PKCS, nullptr, 0}},
    {"RSA-PKCS, parameter of 8", {CKM_RSA_PKCS, parameter, 8}},
    {"OAEP", {CKM_RSA_PKCS_OAEP, &oaep, sizeof oaep}},
    {"OAEP, parameter NULL", {CKM_RSA_PKCS_OAEP, nullptr, 0}},
    {"OAEP, parameter of 12", {CKM_RSA_PKCS_OAEP, parameter, 12}},
    {"PSS", {CKM_SHA256_RSA_PKCS_PSS, &pss, sizeof pss}},
    {"PSS, parameter NULL of 24", {CKM_SHA256_RSA_PKCS_PSS, nullptr, 24}},
    {"PSS, parameter of 23", {CKM_SHA256_RSA_PKCS_PSS, parameter, 23}},
    {"SHA-256", {CKM_SHA256, nullptr, 0}},
    {"SHA-256, parameter of 3", {CKM_SHA256, parameter, 3}},
    {"HMAC", {CKM_SHA256_HMAC, nullptr, 0}},
    {"HMAC, parameter of 8", {CKM_SHA256_HMAC, parameter, 8}},
};

CK_RV digest_init(CK_SESSION_HANDLE session, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE) {
  return p11->C_DigestInit(session, mechanism);
}

}  // namespace

void init_calls(const Arguments&) {
  CK_SESSION_HANDLE home = logged_in();
  Keys keys = make_keys(home);
  CK_SLOT_ID slot = token_slot();
  CK_SESSION_HANDLE session = open_session(slot);
  using Init = CK_RV (*)(CK_SESSION_HANDLE, CK_MECHANISM*, CK_OBJECT_HANDLE);
  const std::pair<const char*, Init> calls[] = {
      {"EncryptInit", p11->C_EncryptInit},
      {"DecryptInit", p11->C_DecryptInit},
      {"DigestInit", digest_init},
      {"SignInit", p11->C_SignInit},
      {"VerifyInit", p11->C_VerifyInit},
      {"SignRecoverInit", p11->C_SignRecoverInit},
      {"VerifyRecoverInit", p11->C_VerifyRecoverInit},
  };
  const std::pair<const char*, CK_OBJECT_HANDLE> objects[] = {
      {"AES", keys.aes},        {"HMAC", keys.hmac}, {"RSA", keys.rsa.secret},
      {"RSA's", keys.rsa.open}, {"bad", kNoHandle},  {"0", 0}};
  auto ask = [&](const std::string& name, Init call, CK_SESSION_HANDLE in, CK_MECHANISM* m,
                 CK_OBJECT_HANDLE key) {
    CK_RV rv = call(in, m, key);
    tell(name, rv);
    if (rv != CKR_OK) return;
    p11->C_CloseSession(session); /* with the operation */
    session = open_session(slot);
  };
  for (const auto& [call_name, call] : calls) {
    for (const auto& [key_name, key] : objects) {
      std::string name = std::string(call_name) + " with key " + key_name;
      ask(name + ", mechanism NULL", call, session, nullptr, key);
      ask(name + ", session bad, mechanism NULL", call, kNoHandle, nullptr, key);
      for (Mechanism m : kMechanisms) {
        ask(name + ", mechanism " + m.name, call, session, &m.mechanism, key);
        if (key != keys.aes) continue;
        ask(name + ", session bad, mechanism " + m.name, call, kNoHandle, &m.mechanism, key);
      }
    }
  }
  must("C_Finalize", p11->C_Finalize(nullptr));
}

/* ---- operations: what goes in, what comes out, and whether it goes on ---- */

namespace {

using Out = CK_RV (*)(CK_SESSION_HANDLE, CK_BYTE_PTR, CK_ULONG, CK_BYTE_PTR, CK_ULONG_PTR);
using In = CK_RV (*)(CK_SESSION_HANDLE, CK_BYTE_PTR, CK_ULONG);
using Last = CK_RV (*)(CK_SESSION_HANDLE, CK_BYTE_PTR, CK_ULONG_PTR);

struct Operation {
  std::string name;
  std::function<CK_RV(CK_SESSION_HANDLE)> begin;
  Out whole, update_out; /* C_Encrypt, C_EncryptUpdate */
  In update;             /* C_SignUpdate */
  Last last;
  Octets in; /* of the right length for `whole` */
  bool random;
};

CK_SESSION_HANDLE the_session;

/* After the call that is tried: whether the operation still runs, and in what state. */
std::string state_of(const Operation& operation) {
  Octets in(16, 0x61), out(600);
  CK_ULONG size = out.size();
  CK_RV rv = operation.update != nullptr
                 ? operation.update(the_session, in.data(), in.size())
                 : operation.update_out(the_session, in.data(), in.size(), out.data(), &size);
  std::string value = "; then an update " + text_of(rv);
  size = out.size();
  rv = operation.last(the_session, out.data(), &size);
  value += "; then its end " + text_of(rv);
  if (rv == CKR_OK) value += ", " + (operation.random ? std::to_string(size) : text_of(out, size));
  return value + "; then a new one " + text_of(operation.begin(the_session));
}

/* One call with each kind of output buffer. `call` gets buffer and length. */
void tell_outputs(const std::string& name, const Operation& operation, bool begun,
                  const std::function<CK_RV(CK_BYTE_PTR, CK_ULONG_PTR)>& call) {
  const CK_SLOT_ID slot = token_slot();
  for (const char* kind : {"NULL and NULL", "no length", "no buffer", "no buffer, length 7",
                           "room 0", "room 1", "room 15", "room 600", "more room than there is"}) {
    Octets out(600, 0xee);
    std::string k = kind;
    CK_ULONG size = k == "room 1" ? 1 : k == "room 15" ? 15 : k == "room 600" ? 600 : 0;
    if (k == "more room than there is") size = 1ul << 40;
    if (k == "no buffer, length 7") size = 7;
    CK_BYTE* buffer = k.starts_with("no buffer") || k.starts_with("NULL") ? nullptr : out.data();
    CK_ULONG* length = k == "no length" || k.starts_with("NULL") ? nullptr : &size;
    the_session = open_session(slot);
    if (begun) must("begin", operation.begin(the_session));
    CK_RV rv = call(buffer, length);
    /* SoftHSM's arithmetic goes below 0 at times; on the wire a number has 32 bits. */
    std::string value =
        text_of(rv) + ", length " + (size < 0xfffffffe ? std::to_string(size) : "beyond 32 bits");
    if (rv == CKR_OK && buffer != nullptr && length != nullptr && !operation.random)
      value += ", " + text_of(out, size);
    tell(name + ", " + kind, value + state_of(operation));
    p11->C_CloseSession(the_session);
  }
}

void tell_operation(Operation operation, bool begun) {
  std::string name = operation.name + (begun ? "" : ", not begun");
  CK_BYTE* data = operation.in.data();
  CK_ULONG size = operation.in.size();
  struct Input {
    const char* name;
    CK_BYTE* data;
    CK_ULONG size;
  };
  for (const Input& in : {Input{"data", data, size},
                          {"NULL", nullptr, 0},
                          {"NULL of 20", nullptr, 20},
                          {"endless NULL", nullptr, ~0ul},
                          {"no octets", data, 0},
                          {"one octet less", data, size - 1}}) {
    std::string with = name + " of " + in.name;
    if (operation.whole != nullptr)
      tell_outputs(with + " at once", operation, begun, [&](CK_BYTE_PTR out, CK_ULONG_PTR length) {
        return operation.whole(the_session, in.data, in.size, out, length);
      });
    if (operation.update_out != nullptr) {
      tell_outputs(with + " in part", operation, begun, [&](CK_BYTE_PTR out, CK_ULONG_PTR length) {
        return operation.update_out(the_session, in.data, in.size, out, length);
      });
    } else {
      the_session = open_session(token_slot());
      if (begun) must("begin", operation.begin(the_session));
      CK_RV rv = operation.update(the_session, in.data, in.size);
      tell(with + " in part", text_of(rv) + state_of(operation));
      p11->C_CloseSession(the_session);
    }
  }
  tell_outputs(name + ", its end", operation, begun, [&](CK_BYTE_PTR out, CK_ULONG_PTR length) {
    return operation.last(the_session, out, length);
  });
}

/* Signatures go in. */
void tell_verify(const Keys& keys) {
  CK_MECHANISM mechanism = {CKM_SHA256_HMAC, nullptr, 0};
  CK_SLOT_ID slot = token_slot();
  Octets data(20, 0x61), signature(32);
  CK_ULONG size = 32;
  CK_SESSION_HANDLE session = open_session(slot);
  must("C_SignInit", p11->C_SignInit(session, &mechanism, keys.hmac));
  must("C_Sign", p11->C_Sign(session, data.data(), 20, signature.data(), &size));
  p11->C_CloseSession(session);
  for (bool begun : {true, false})
    for (CK_ULONG data_size : {20ul, 19ul, 0ul})
      for (CK_ULONG length : {32ul, 31ul, 33ul, 0ul, ~0ul}) {
        bool none = length == ~0ul;
        std::string name = std::string(begun ? "Verify" : "Verify, not begun") + " of " +
                           std::to_string(data_size) + " with " +
                           (none ? "no signature" : std::to_string(length));
        signature.resize(40);
        CK_BYTE* in = none ? nullptr : signature.data();
        session = open_session(slot);
        if (begun) must("C_VerifyInit", p11->C_VerifyInit(session, &mechanism, keys.hmac));
        tell(name, p11->C_Verify(session, data.data(), data_size, in, none ? 32 : length));
        tell(name + ", again", p11->C_Verify(session, data.data(), 20, signature.data(), 32));
        p11->C_CloseSession(session);
        session = open_session(slot);
        if (begun) must("C_VerifyInit", p11->C_VerifyInit(session, &mechanism, keys.hmac));
        tell(name + ", in part", p11->C_VerifyUpdate(session, data.data(), data_size));
        tell(name + ", its end", p11->C_VerifyFinal(session, in, none ? 32 : length));
        tell(name + ", again its end", p11->C_VerifyFinal(session, signature.data(), 32));
        p11->C_CloseSession(session);
      }
}

}  // namespace

void operation_calls(const Arguments&) {
  Keys keys = make_keys(logged_in());
  auto init = [](auto function, CK_MECHANISM m, CK_OBJECT_HANDLE key) {
    return [=](CK_SESSION_HANDLE session) mutable { return function(session, &m, key); };
  };
  CK_MECHANISM cbc = {CKM_AES_CBC_PAD, parameter, 16}, hmac = {CKM_SHA256_HMAC, nullptr, 0},
               sha = {CKM_SHA256, nullptr, 0}, rsa = {CKM_SHA256_RSA_PKCS, nullptr, 0},
               pkcs = {CKM_RSA_PKCS, nullptr, 0};
  auto digest = [sha](CK_SESSION_HANDLE s) mutable { return p11->C_DigestInit(s, &sha); };
  const Operation operations[] = {
      {"Encrypt", init(p11->C_EncryptInit, cbc, keys.aes), p11->C_Encrypt, p11->C_EncryptUpdate,
       nullptr, p11->C_EncryptFinal, Octets(20, 0x61), false},
      {"Decrypt", init(p11->C_DecryptInit, cbc, keys.aes), p11->C_Decrypt, p11->C_DecryptUpdate,
       nullptr, p11->C_DecryptFinal, Octets(32, 0x61), false},
      {"Digest", digest, p11->C_Digest, nullptr, p11->C_DigestUpdate, p11->C_DigestFinal,
       Octets(20, 0x61), false},
      {"Sign", init(p11->C_SignInit, hmac, keys.hmac), p11->C_Sign, nullptr, p11->C_SignUpdate,
       p11->C_SignFinal, Octets(20, 0x61), false},
      {"Sign by RSA", init(p11->C_SignInit, rsa, keys.rsa.secret), p11->C_Sign, nullptr,
       p11->C_SignUpdate, p11->C_SignFinal, Octets(20, 0x61), true},
      {"Encrypt by RSA", init(p11->C_EncryptInit, pkcs, keys.rsa.open), p11->C_Encrypt,
       p11->C_EncryptUpdate, nullptr, p11->C_EncryptFinal, Octets(20, 0x61), true},
      {"Decrypt by RSA", init(p11->C_DecryptInit, pkcs, keys.rsa.secret), p11->C_Decrypt,
       p11->C_DecryptUpdate, nullptr, p11->C_DecryptFinal, Octets(128, 0x01), true},
  };
  for (const Operation& operation : operations)
    for (bool begun : {true, false}) tell_operation(operation, begun);
  tell_verify(keys);
  must("C_Finalize", p11->C_Finalize(nullptr));
}

/* ---- everything else, one call each ---- */

namespace {

CK_BYTE buffer[600];
CK_ULONG size;

void ask_about_sessions(CK_SESSION_HANDLE s, CK_SLOT_ID slot) {
  CK_SESSION_HANDLE other;
  CK_SESSION_INFO info;
  const CK_FLAGS serial = CKF_SERIAL_SESSION;
  ASK(p11->C_OpenSession(slot, 0, nullptr, nullptr, &other));
  ASK(p11->C_OpenSession(slot, CKF_RW_SESSION, nullptr, nullptr, &other));
  ASK(p11->C_OpenSession(slot, serial, nullptr, nullptr, nullptr));
  ASK(p11->C_OpenSession(slot, 0, nullptr, nullptr, nullptr));
  ASK(p11->C_OpenSession(kNoHandle, serial, nullptr, nullptr, nullptr));
  ASK(p11->C_OpenSession(kNoHandle, 0, nullptr, nullptr, &other));
  ASK(p11->C_OpenSession(free_slot(), serial, nullptr, nullptr, &other));
  ASK(p11->C_CloseSession(0));
  ASK(p11->C_CloseSession(kNoHandle));
  ASK(p11->C_CloseAllSessions(kNoHandle));
  ASK(p11->C_GetSessionInfo(s, nullptr));
  ASK(p11->C_GetSessionInfo(kNoHandle, nullptr));
  ASK(p11->C_GetSessionInfo(kNoHandle, &info));
  ASK(p11->C_Login(s, CKU_USER, user_pin, kUserPin));
  ASK(p11->C_Login(s, CKU_SO, so_pin, kSoPin));
  ASK(p11->C_Login(s, 77, user_pin, kUserPin));
  ASK(p11->C_Login(s, CKU_CONTEXT_SPECIFIC, user_pin, kUserPin));
  ASK(p11->C_Login(s, CKU_USER, nullptr, 0));
  ASK(p11->C_Login(s, CKU_USER, nullptr, 4));
  ASK(p11->C_Login(kNoHandle, CKU_USER, nullptr, 4));
  ASK(p11->C_Login(kNoHandle, 77, user_pin, kUserPin));
  ASK(p11->C_Logout(kNoHandle));
  ASK(p11->C_Logout(s));
  ASK(p11->C_Logout(s));
  ASK(p11->C_Login(s, 77, user_pin, kUserPin));
  ASK(p11->C_Login(s, CKU_CONTEXT_SPECIFIC, user_pin, kUserPin));
  ASK(p11->C_Login(s, CKU_USER, nullptr, 0));
  ASK(p11->C_Login(s, CKU_USER, nullptr, 4));
  ASK(p11->C_Login(s, CKU_USER, user_pin, 0));
  ASK(p11->C_Login(s, CKU_USER, user_pin, 3));
  ASK(p11->C_Login(s, CKU_USER, so_pin, kSoPin));
  ASK(p11->C_SetPIN(s, nullptr, 0, user_pin, kUserPin));
  ASK(p11->C_SetPIN(s, user_pin, kUserPin, nullptr, 0));
  ASK(p11->C_SetPIN(s, nullptr, 4, nullptr, 4));
  ASK(p11->C_SetPIN(s, user_pin, kUserPin, user_pin, 3));
  ASK(p11->C_SetPIN(s, user_pin, 3, user_pin, kUserPin));
  ASK(p11->C_SetPIN(kNoHandle, nullptr, 0, nullptr, 0));
  ASK(p11->C_SetPIN(s, user_pin, kUserPin, user_pin, kUserPin));
  ASK(p11->C_InitPIN(s, user_pin, kUserPin));
  ASK(p11->C_InitPIN(s, nullptr, 0));
  ASK(p11->C_InitPIN(kNoHandle, nullptr, 0));
  ASK(p11->C_Login(s, CKU_USER, user_pin, kUserPin));
  ASK(p11->C_InitPIN(s, user_pin, kUserPin));
  ASK(p11->C_GetOperationState(s, nullptr, &size));
  ASK(p11->C_GetOperationState(s, nullptr, nullptr));
  ASK(p11->C_GetOperationState(kNoHandle, nullptr, nullptr));
  ASK(p11->C_SetOperationState(s, buffer, 8, 0, 0));
  ASK(p11->C_SetOperationState(s, nullptr, 8, kNoHandle, kNoHandle));
  ASK(p11->C_SetOperationState(kNoHandle, nullptr, 0, 0, 0));
  ASK(p11->C_GetFunctionStatus(s));
  ASK(p11->C_GetFunctionStatus(kNoHandle));
  ASK(p11->C_CancelFunction(s));
  ASK(p11->C_CancelFunction(kNoHandle));
}

void ask_about_objects(CK_SESSION_HANDLE s, const Keys& keys) {
  CK_OBJECT_HANDLE object, found[4];
  CK_OBJECT_CLASS data = CKO_DATA, bad_class = 0x7654321;
  CK_ATTRIBUTE whole[] = {attribute(CKA_CLASS, data), attribute(CKA_TOKEN, no)};
  CK_ATTRIBUTE bad[] = {attribute(CKA_CLASS, bad_class), attribute(CKA_TOKEN, no)};
  CK_ATTRIBUTE cut[] = {{CKA_CLASS, &data, 3}, {CKA_TOKEN, &no, 1}};
  CK_ATTRIBUTE label[] = {{CKA_LABEL, buffer, 5}};
  CK_ATTRIBUTE hollow_label[] = {{CKA_LABEL, nullptr, 5}};
  CK_ATTRIBUTE unknown[] = {{0x7654321, buffer, 5}};
  CK_ATTRIBUTE fixed[] = {attribute(CKA_CLASS, data)};
  ASK(p11->C_CreateObject(s, nullptr, 0, &object));
  ASK(p11->C_CreateObject(s, nullptr, 2, &object));
  ASK(p11->C_CreateObject(s, nullptr, ~0ul, &object));
  ASK(p11->C_CreateObject(s, whole, 2, nullptr));
  ASK(p11->C_CreateObject(s, nullptr, 0, nullptr));
  ASK(p11->C_CreateObject(s, whole, 0, &object));
  ASK(p11->C_CreateObject(s, bad, 2, &object));
  ASK(p11->C_CreateObject(s, cut, 2, &object));
  ASK(p11->C_CreateObject(kNoHandle, nullptr, 0, nullptr));
  ASK(p11->C_CreateObject(kNoHandle, bad, 2, &object));
  ASK(p11->C_CopyObject(s, kNoHandle, nullptr, 0, &object));
  ASK(p11->C_CopyObject(s, keys.aes, nullptr, 0, &object));
  ASK(p11->C_CopyObject(s, keys.aes, nullptr, 1, &object));
  ASK(p11->C_CopyObject(s, keys.aes, label, 1, nullptr));
  ASK(p11->C_CopyObject(s, keys.aes, fixed, 1, &object));
  ASK(p11->C_CopyObject(kNoHandle, kNoHandle, nullptr, 1, nullptr));
  ASK(p11->C_DestroyObject(s, kNoHandle));
  ASK(p11->C_DestroyObject(s, 0));
  ASK(p11->C_DestroyObject(kNoHandle, keys.aes));
  ASK(p11->C_GetObjectSize(s, keys.aes, nullptr));
  ASK(p11->C_GetObjectSize(s, keys.aes, &size));
  ASK(p11->C_GetObjectSize(s, kNoHandle, &size));
  ASK(p11->C_GetObjectSize(kNoHandle, kNoHandle, nullptr));
  ASK(p11->C_SetAttributeValue(s, keys.aes, nullptr, 0));
  ASK(p11->C_SetAttributeValue(s, keys.aes, nullptr, 1));
  ASK(p11->C_SetAttributeValue(s, keys.aes, label, 0));
  ASK(p11->C_SetAttributeValue(s, keys.aes, label, 1));
  ASK(p11->C_SetAttributeValue(s, keys.aes, hollow_label, 1));
  ASK(p11->C_SetAttributeValue(s, keys.aes, unknown, 1));
  ASK(p11->C_SetAttributeValue(s, keys.aes, fixed, 1));
  ASK(p11->C_SetAttributeValue(s, kNoHandle, nullptr, 1));
  ASK(p11->C_SetAttributeValue(kNoHandle, keys.aes, nullptr, 1));
  ASK(p11->C_FindObjects(s, found, 4, &size));
  ASK(p11->C_FindObjectsFinal(s));
  ASK(p11->C_FindObjectsInit(s, nullptr, 1));
  ASK(p11->C_FindObjectsInit(kNoHandle, nullptr, 1));
  ASK(p11->C_FindObjectsInit(s, unknown, 1));
  ASK(p11->C_FindObjects(s, found, 4, &size));
  tell("of an unknown attribute", std::to_string(size));
  ASK(p11->C_FindObjectsFinal(s));
  ASK(p11->C_FindObjectsInit(s, nullptr, 0));
  ASK(p11->C_FindObjectsInit(s, nullptr, 0));
  ASK(p11->C_FindObjects(s, nullptr, 4, &size));
  ASK(p11->C_FindObjects(s, found, 4, nullptr));
  ASK(p11->C_FindObjects(s, nullptr, 0, nullptr));
  ASK(p11->C_FindObjects(s, found, 0, &size));
  tell("with no room", std::to_string(size));
  for (int i = 0; i < 4; i++) {
    ASK(p11->C_FindObjects(s, found, 2, &size));
    tell("with room for two", std::to_string(size));
  }
  ASK(p11->C_FindObjects(kNoHandle, found, 2, &size));
  ASK(p11->C_FindObjectsFinal(kNoHandle));
  ASK(p11->C_FindObjectsFinal(s));
  ASK(p11->C_FindObjectsFinal(s));
}

/* Queries of one object, alone and together: the values, the lengths, the verdict on the whole. */
void ask_about_attributes(CK_SESSION_HANDLE s, const Keys& keys) {
  struct Query {
    const char* name;
    CK_ATTRIBUTE_TYPE type;
    bool no_buffer;
    CK_ULONG room;
  };
  const Query queries[] = {
      {"class", CKA_CLASS, false, 8},
      {"class, room 7", CKA_CLASS, false, 7},
      {"class, room 9", CKA_CLASS, false, 9},
      {"class, length", CKA_CLASS, true, 0},
      {"class, no room", CKA_CLASS, false, 0},
      {"modulus", CKA_MODULUS, false, 256},
      {"value", CKA_VALUE, false, 64},
      {"value, room 15", CKA_VALUE, false, 15},
      {"value, NULL of 16", CKA_VALUE, true, 16},
      {"label", CKA_LABEL, false, 64},
      {"label, length", CKA_LABEL, true, 5},
      {"unknown", 0x7654321, false, 8},
      {"unknown, length", 0x7654321, true, 0},
      {"exponent", CKA_PRIVATE_EXPONENT, false, 256},
      {"start date", CKA_START_DATE, false, 8},
      {"endless", CKA_KEY_TYPE, true, ~0ul},
      {"class, endless room", CKA_CLASS, false, ~0ul},
  };
  const std::pair<const char*, CK_OBJECT_HANDLE> objects[] = {
      {"AES", keys.aes}, {"RSA", keys.rsa.secret}, {"RSA's", keys.rsa.open}, {"bad", kNoHandle}};
  auto ask = [&](const std::string& name, CK_OBJECT_HANDLE object,
                 const std::vector<Query>& wanted) {
    std::vector<Octets> rooms(wanted.size(), Octets(256, 0xee));
    std::vector<CK_ATTRIBUTE> attributes;
    for (size_t i = 0; i < wanted.size(); i++)
      attributes.push_back(
          {wanted[i].type, wanted[i].no_buffer ? nullptr : rooms[i].data(), wanted[i].room});
    std::string value =
        text_of(p11->C_GetAttributeValue(s, object, attributes.data(), attributes.size()));
    for (size_t i = 0; i < wanted.size(); i++) {
      value += "; " + std::to_string(attributes[i].ulValueLen);
      bool random = wanted[i].type == CKA_MODULUS;
      bool told = attributes[i].ulValueLen <= 256 && !wanted[i].no_buffer && !random;
      if (told) value += " " + text_of(rooms[i], attributes[i].ulValueLen);
    }
    tell(name, value);
  };
  for (const auto& [name, object] : objects) {
    std::string what = std::string("attributes of ") + name;
    for (const Query& one : queries) {
      ask(what + ": " + one.name, object, {one});
      for (const Query& two : queries)
        ask(what + ": " + one.name + " and " + two.name, object, {one, two});
    }
    ask(what + ": all", object, std::vector<Query>(std::begin(queries), std::end(queries)));
  }
  CK_ATTRIBUTE one[] = {{CKA_CLASS, nullptr, 0}};
  ASK(p11->C_GetAttributeValue(s, keys.aes, nullptr, 0));
  ASK(p11->C_GetAttributeValue(s, keys.aes, nullptr, 1));
  ASK(p11->C_GetAttributeValue(s, keys.aes, nullptr, ~0ul));
  ASK(p11->C_GetAttributeValue(s, keys.aes, one, 0));
  ASK(p11->C_GetAttributeValue(s, kNoHandle, nullptr, 1));
  ASK(p11->C_GetAttributeValue(kNoHandle, keys.aes, nullptr, 1));
  ASK(p11->C_GetAttributeValue(kNoHandle, keys.aes, one, 1));
}

void ask_about_keys(CK_SESSION_HANDLE s, const Keys& keys) {
  CK_OBJECT_HANDLE a, b;
  CK_ULONG length = 16, bad_length = 17;
  CK_OBJECT_CLASS secret = CKO_SECRET_KEY;
  CK_KEY_TYPE aes_type = CKK_AES;
  CK_MECHANISM aes = {CKM_AES_KEY_GEN, nullptr, 0}, wrap = {CKM_AES_KEY_WRAP, nullptr, 0};
  CK_MECHANISM pair = {CKM_RSA_PKCS_KEY_PAIR_GEN, nullptr, 0};
  CK_MECHANISM unknown = {0x7654321, nullptr, 0}, odd = {CKM_AES_KEY_GEN, parameter, 16};
  CK_ATTRIBUTE good[] = {attribute(CKA_VALUE_LEN, length), attribute(CKA_TOKEN, no)};
  CK_ATTRIBUTE bad[] = {attribute(CKA_VALUE_LEN, bad_length), attribute(CKA_TOKEN, no)};
  CK_ATTRIBUTE target[] = {attribute(CKA_CLASS, secret), attribute(CKA_KEY_TYPE, aes_type),
                           attribute(CKA_TOKEN, no), attribute(CKA_EXTRACTABLE, yes)};
  ASK(p11->C_GenerateKey(s, &aes, good, 2, nullptr));
  ASK(p11->C_GenerateKey(s, nullptr, good, 2, &a));
  ASK(p11->C_GenerateKey(s, nullptr, nullptr, 2, nullptr));
  ASK(p11->C_GenerateKey(s, &aes, nullptr, 0, &a));
  ASK(p11->C_GenerateKey(s, &aes, nullptr, 2, &a));
  ASK(p11->C_GenerateKey(s, &aes, bad, 2, &a));
  ASK(p11->C_GenerateKey(s, &odd, good, 2, &a));
  ASK(p11->C_GenerateKey(s, &unknown, nullptr, 2, &a));
  ASK(p11->C_GenerateKey(s, &pair, good, 2, &a));
  ASK(p11->C_GenerateKey(kNoHandle, nullptr, nullptr, 2, nullptr));
  ASK(p11->C_GenerateKey(kNoHandle, &unknown, good, 2, &a));
  ASK(p11->C_GenerateKeyPair(s, &pair, nullptr, 0, nullptr, 0, &a, &b));
  ASK(p11->C_GenerateKeyPair(s, &pair, nullptr, 1, nullptr, 0, &a, &b));
  ASK(p11->C_GenerateKeyPair(s, &pair, nullptr, 0, nullptr, 1, &a, &b));
  ASK(p11->C_GenerateKeyPair(s, &pair, good, 2, good, 2, nullptr, &b));
  ASK(p11->C_GenerateKeyPair(s, &pair, good, 2, good, 2, &a, nullptr));
  ASK(p11->C_GenerateKeyPair(s, nullptr, good, 2, good, 2, &a, &b));
  ASK(p11->C_GenerateKeyPair(s, &aes, good, 2, good, 2, &a, &b));
  ASK(p11->C_GenerateKeyPair(s, &unknown, nullptr, 1, nullptr, 1, nullptr, nullptr));
  ASK(p11->C_GenerateKeyPair(kNoHandle, nullptr, nullptr, 1, nullptr, 1, nullptr, nullptr));
  ASK(p11->C_WrapKey(s, &wrap, keys.aes, keys.aes, nullptr, nullptr));
  ASK(p11->C_WrapKey(s, &wrap, keys.aes, keys.aes, nullptr, &size));
  tell("length of the wrapped key", std::to_string(size));
  size = 1;
  ASK(p11->C_WrapKey(s, &wrap, keys.aes, keys.aes, buffer, &size));
  tell("length with room for one", std::to_string(size));
  size = 600;
  ASK(p11->C_WrapKey(s, &wrap, keys.aes, keys.aes, buffer, nullptr));
  ASK(p11->C_WrapKey(s, &wrap, keys.aes, kNoHandle, buffer, &size));
  ASK(p11->C_WrapKey(s, &wrap, kNoHandle, keys.aes, buffer, &size));
  ASK(p11->C_WrapKey(s, &wrap, keys.rsa.open, keys.aes, buffer, &size));
  ASK(p11->C_WrapKey(s, nullptr, keys.aes, keys.aes, buffer, &size));
  ASK(p11->C_WrapKey(s, &unknown, kNoHandle, kNoHandle, nullptr, &size));
  ASK(p11->C_WrapKey(kNoHandle, nullptr, kNoHandle, kNoHandle, nullptr, nullptr));
  size = 600;
  ASK(p11->C_WrapKey(s, &wrap, keys.aes, keys.aes, buffer, &size));
  ASK(p11->C_UnwrapKey(s, &wrap, keys.aes, buffer, size, target, 4, nullptr));
  ASK(p11->C_UnwrapKey(s, &wrap, keys.aes, buffer, size, target, 4, &a));
  ASK(p11->C_UnwrapKey(s, &wrap, keys.aes, buffer, size - 1, target, 4, &a));
  ASK(p11->C_UnwrapKey(s, &wrap, keys.aes, buffer, 0, target, 4, &a));
  ASK(p11->C_UnwrapKey(s, &wrap, keys.aes, nullptr, 24, target, 4, &a));
  ASK(p11->C_UnwrapKey(s, &wrap, keys.aes, buffer, size, nullptr, 4, &a));
  ASK(p11->C_UnwrapKey(s, &wrap, keys.aes, buffer, size, target, 1, &a));
  ASK(p11->C_UnwrapKey(s, &wrap, kNoHandle, buffer, size, target, 4, &a));
  ASK(p11->C_UnwrapKey(s, nullptr, keys.aes, buffer, size, target, 4, &a));
  ASK(p11->C_UnwrapKey(kNoHandle, nullptr, kNoHandle, nullptr, 1, nullptr, 1, nullptr));
  CK_KEY_DERIVATION_STRING_DATA string = {parameter, 16};
  CK_MECHANISM derive = {CKM_AES_ECB_ENCRYPT_DATA, &string, sizeof string};
  CK_MECHANISM short_derive = {CKM_AES_ECB_ENCRYPT_DATA, &string, 15};
  ASK(p11->C_DeriveKey(s, &derive, keys.aes, target, 4, &a));
  ASK(p11->C_DeriveKey(s, &derive, keys.aes, target, 4, nullptr));
  ASK(p11->C_DeriveKey(s, &derive, keys.aes, nullptr, 4, &a));
  ASK(p11->C_DeriveKey(s, &derive, keys.hmac, target, 4, &a));
  ASK(p11->C_DeriveKey(s, &derive, kNoHandle, target, 4, &a));
  ASK(p11->C_DeriveKey(s, &short_derive, keys.aes, target, 4, &a));
  ASK(p11->C_DeriveKey(s, &unknown, kNoHandle, target, 4, &a));
  ASK(p11->C_DeriveKey(s, nullptr, keys.aes, target, 4, &a));
  ASK(p11->C_DeriveKey(kNoHandle, nullptr, kNoHandle, nullptr, 1, nullptr));
}

void ask_about_the_rest(CK_SESSION_HANDLE s, const Keys& keys) {
  size = sizeof buffer;
  CK_MECHANISM sha = {CKM_SHA256, nullptr, 0};
  CK_MECHANISM cbc = {CKM_AES_CBC, parameter, 16};
  ASK(p11->C_SeedRandom(s, nullptr, 0));
  ASK(p11->C_SeedRandom(s, nullptr, 5));
  ASK(p11->C_SeedRandom(s, buffer, 0));
  ASK(p11->C_SeedRandom(s, buffer, 5));
  ASK(p11->C_SeedRandom(kNoHandle, nullptr, 5));
  ASK(p11->C_GenerateRandom(s, nullptr, 0));
  ASK(p11->C_GenerateRandom(s, nullptr, 5));
  ASK(p11->C_GenerateRandom(s, nullptr, ~0ul));
  ASK(p11->C_GenerateRandom(s, buffer, 0));
  ASK(p11->C_GenerateRandom(s, buffer, 5));
  ASK(p11->C_GenerateRandom(kNoHandle, nullptr, 5));
  ASK(p11->C_DigestKey(s, keys.aes));
  ASK(p11->C_DigestInit(s, &sha));
  ASK(p11->C_DigestInit(s, &sha));
  ASK(p11->C_EncryptInit(s, &cbc, keys.aes));
  ASK(p11->C_DigestKey(s, kNoHandle));
  ASK(p11->C_DigestKey(kNoHandle, keys.aes));
  ASK(p11->C_DigestKey(s, keys.aes));
  ASK(p11->C_DigestFinal(s, buffer, &size));
  ASK(p11->C_DigestEncryptUpdate(s, buffer, 16, buffer, &size));
  ASK(p11->C_DecryptDigestUpdate(s, nullptr, 16, nullptr, nullptr));
  ASK(p11->C_SignEncryptUpdate(kNoHandle, buffer, 16, buffer, &size));
  ASK(p11->C_DecryptVerifyUpdate(s, buffer, 16, buffer, &size));
  ASK(p11->C_SignRecover(s, buffer, 16, buffer, &size));
  ASK(p11->C_SignRecover(s, nullptr, 16, nullptr, nullptr));
  ASK(p11->C_VerifyRecover(s, buffer, 16, buffer, &size));
  ASK(p11->C_VerifyRecover(kNoHandle, nullptr, 16, nullptr, nullptr));
  ASK(p11->C_GetInfo(nullptr));
  ASK(p11->C_GetFunctionList(nullptr));
  ASK(p11->C_GetSlotList(CK_TRUE, nullptr, nullptr));
  ASK(p11->C_GetSlotInfo(token_slot(), nullptr));
  ASK(p11->C_GetSlotInfo(kNoHandle, nullptr));
  ASK(p11->C_GetTokenInfo(token_slot(), nullptr));
  ASK(p11->C_GetTokenInfo(kNoHandle, nullptr));
  for (CK_ULONG room = 0; room < 4; room++) {
    CK_SLOT_ID list[4] = {};
    size = room;
    ASK(p11->C_GetSlotList(CK_FALSE, list, &size));
    tell("slots", std::to_string(size));
    size = room;
    ASK(p11->C_GetSlotList(7, list, &size));
    tell("slots of any other truth", std::to_string(size));
  }
}

}  // namespace

void single_calls(const Arguments&) {
  CK_SESSION_HANDLE session = logged_in();
  memset(buffer, 0x61, sizeof buffer);
  ask_about_sessions(session, token_slot());
  Keys keys = make_keys(session);
  ask_about_objects(session, keys);
  ask_about_attributes(session, keys);
  ask_about_keys(session, keys);
  ask_about_the_rest(session, keys);
  must("C_Finalize", p11->C_Finalize(nullptr));
}

}  // namespace conformance
