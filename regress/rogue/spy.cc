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
 * A PKCS #11 library that tells on who calls it: it looks at what it is given, adds to it, and
 * writes nothing else, so that its caller sees what was there before.
 *
 * - C_Initialize takes a tenth of a second. C_GetInfo says in libraryVersion.major how many calls
 *   of it there were, in cryptokiVersion.major how many at once.
 * - The infos set one bit of `flags` by OR; a number, a handle, an element of a list gets its bits
 *   by OR as well. Buffers are left as they are, and their lengths.
 * - C_EncryptInit keeps a description of its mechanism, which C_Encrypt gives: "NULL" or the
 *   parameter's length and "zero" or "data"; of CKM_AES_GCM the members.
 * - C_UnwrapKey and C_DeriveKey make a token object, as if the key's own template said so, and
 *   refuse that in a session that was opened for reading.
 * - C_SeedRandom takes a second and a half with the seed "long".
 *
 * There is one slot with a token. Sessions that were closed live on.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <string>

#include "cryptoki.h"

namespace {

constexpr CK_SLOT_ID kSlot = 3;
constexpr CK_ULONG kSessions = 64;

std::atomic<unsigned> initialized{0}, at_once{0}, most_at_once{0};
std::atomic<CK_ULONG> last_session{0};
std::atomic<bool> writes[kSessions + 1];
std::mutex mutex;
std::string said; /* of the last C_EncryptInit */

void pause_ms(long ms) {
  timespec time{ms / 1000, ms % 1000 * 1000000};
  nanosleep(&time, nullptr);
}

CK_RV initialize(CK_VOID_PTR) {
  unsigned now = ++at_once, most = most_at_once;
  while (now > most && !most_at_once.compare_exchange_weak(most, now)) {
  }
  pause_ms(100);
  at_once--;
  return initialized++ == 0 ? CKR_OK : CKR_CRYPTOKI_ALREADY_INITIALIZED;
}
CK_RV finalize(CK_VOID_PTR) { return CKR_OK; }

CK_RV get_info(CK_INFO_PTR info) {
  info->flags |= 0x40;
  info->cryptokiVersion.major = static_cast<CK_BYTE>(most_at_once);
  info->libraryVersion.major = static_cast<CK_BYTE>(initialized);
  return CKR_OK;
}

CK_RV get_slot_list(CK_BBOOL, CK_SLOT_ID_PTR slots, CK_ULONG_PTR count) {
  if (slots != nullptr && *count < 1) return CKR_BUFFER_TOO_SMALL;
  if (slots != nullptr) slots[0] |= kSlot;
  *count = 1;
  return CKR_OK;
}

CK_RV get_slot_info(CK_SLOT_ID, CK_SLOT_INFO_PTR info) {
  info->flags |= CKF_TOKEN_PRESENT;
  return CKR_OK;
}
CK_RV get_token_info(CK_SLOT_ID, CK_TOKEN_INFO_PTR info) {
  info->flags |= CKF_TOKEN_INITIALIZED;
  return CKR_OK;
}
CK_RV get_mechanism_info(CK_SLOT_ID, CK_MECHANISM_TYPE, CK_MECHANISM_INFO_PTR info) {
  info->flags |= CKF_DIGEST;
  return CKR_OK;
}
CK_RV get_session_info(CK_SESSION_HANDLE, CK_SESSION_INFO_PTR info) {
  info->flags |= CKF_SERIAL_SESSION;
  return CKR_OK;
}

CK_RV get_mechanism_list(CK_SLOT_ID, CK_MECHANISM_TYPE_PTR list, CK_ULONG_PTR count) {
  for (CK_ULONG i = 0; list != nullptr && i < *count; i++) list[i] |= CKM_SHA256;
  if (list == nullptr) *count = 1;
  return CKR_OK;
}

CK_RV open_session(CK_SLOT_ID, CK_FLAGS flags, CK_VOID_PTR, CK_NOTIFY,
                   CK_SESSION_HANDLE_PTR session) {
  if (last_session == kSessions) return CKR_SESSION_COUNT;
  CK_ULONG number = ++last_session;
  writes[number] = (flags & CKF_RW_SESSION) != 0;
  *session |= number;
  return CKR_OK;
}
CK_RV close_session(CK_SESSION_HANDLE) { return CKR_OK; }
CK_RV login(CK_SESSION_HANDLE, CK_USER_TYPE, CK_UTF8CHAR_PTR, CK_ULONG) { return CKR_OK; }

CK_RV create_object(CK_SESSION_HANDLE, CK_ATTRIBUTE_PTR, CK_ULONG, CK_OBJECT_HANDLE_PTR object) {
  *object |= 5;
  return CKR_OK;
}
/* Of the object itself, whose handle thus comes to light. */
CK_RV get_object_size(CK_SESSION_HANDLE, CK_OBJECT_HANDLE object, CK_ULONG_PTR size) {
  *size |= object;
  return CKR_OK;
}

CK_RV get_attribute_value(CK_SESSION_HANDLE, CK_OBJECT_HANDLE, CK_ATTRIBUTE_PTR, CK_ULONG) {
  return CKR_OK;
}

CK_RV unwrap_key(CK_SESSION_HANDLE session, CK_MECHANISM_PTR, CK_OBJECT_HANDLE, CK_BYTE_PTR,
                 CK_ULONG, CK_ATTRIBUTE_PTR, CK_ULONG, CK_OBJECT_HANDLE_PTR key) {
  if (session > kSessions || !writes[session]) return CKR_SESSION_READ_ONLY;
  *key |= 6;
  return CKR_OK;
}
CK_RV derive_key(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE base,
                 CK_ATTRIBUTE_PTR attributes, CK_ULONG count, CK_OBJECT_HANDLE_PTR key) {
  return unwrap_key(session, mechanism, base, nullptr, 0, attributes, count, key);
}

CK_RV find_objects_init(CK_SESSION_HANDLE, CK_ATTRIBUTE_PTR, CK_ULONG) { return CKR_OK; }
CK_RV find_objects(CK_SESSION_HANDLE, CK_OBJECT_HANDLE_PTR objects, CK_ULONG most,
                   CK_ULONG_PTR count) {
  for (CK_ULONG i = 0; i < most; i++) objects[i] |= 0x100 + i;
  *count |= most;
  return CKR_OK;
}
CK_RV find_objects_final(CK_SESSION_HANDLE) { return CKR_OK; }

/* Where it ends, and nothing of what is in it. */
CK_RV digest(CK_SESSION_HANDLE, CK_BYTE_PTR, CK_ULONG, CK_BYTE_PTR, CK_ULONG_PTR) { return CKR_OK; }
CK_RV digest_init(CK_SESSION_HANDLE, CK_MECHANISM_PTR) { return CKR_OK; }
CK_RV digest_update(CK_SESSION_HANDLE, CK_BYTE_PTR, CK_ULONG) { return CKR_OK; }
CK_RV generate_random(CK_SESSION_HANDLE, CK_BYTE_PTR, CK_ULONG) { return CKR_OK; }
CK_RV seed_random(CK_SESSION_HANDLE, CK_BYTE_PTR seed, CK_ULONG size) {
  if (size == 4 && memcmp(seed, "long", 4) == 0) pause_ms(1500);
  return CKR_OK;
}

CK_RV wait_for_slot_event(CK_FLAGS, CK_SLOT_ID_PTR slot, CK_VOID_PTR) {
  *slot |= kSlot;
  return CKR_OK;
}

bool all_zero(const void* data, CK_ULONG size) {
  const auto* p = static_cast<const CK_BYTE*>(data);
  return std::all_of(p, p + size, [](CK_BYTE octet) { return octet == 0; });
}

/* An octet of a member that points to some, or -1. */
int first_of(const CK_BYTE* octets) { return octets != nullptr ? octets[0] : -1; }

std::string describe(const CK_MECHANISM& mechanism) {
  char text[160];
  const void* parameter = mechanism.pParameter;
  CK_ULONG size = mechanism.ulParameterLen;
  if (parameter == nullptr) return "NULL " + std::to_string(size);
  bool zero = all_zero(parameter, size);
  snprintf(text, sizeof text, "%lu %s", size, zero ? "zero" : "data");
  if (mechanism.mechanism == CKM_AES_GCM && !zero && size == sizeof(CK_GCM_PARAMS)) {
    const auto* p = static_cast<const CK_GCM_PARAMS*>(parameter);
    snprintf(text, sizeof text, "48 iv %d %lu %lu aad %d %lu tag %lu", first_of(p->pIv), p->ulIvLen,
             p->ulIvBits, first_of(p->pAAD), p->ulAADLen, p->ulTagBits);
  }
  if (mechanism.mechanism == CKM_AES_GCM && !zero && size == sizeof(CK_GCM_PARAMS_NO_IV_BITS)) {
    const auto* p = static_cast<const CK_GCM_PARAMS_NO_IV_BITS*>(parameter);
    snprintf(text, sizeof text, "40 iv %d %lu aad %d %lu tag %lu", first_of(p->pIv), p->ulIvLen,
             first_of(p->pAAD), p->ulAADLen, p->ulTagBits);
  }
  return text;
}

CK_RV encrypt_init(CK_SESSION_HANDLE, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE) {
  std::lock_guard<std::mutex> guard(mutex);
  said = mechanism == nullptr ? "no mechanism" : describe(*mechanism);
  return CKR_OK;
}
CK_RV encrypt(CK_SESSION_HANDLE, CK_BYTE_PTR, CK_ULONG, CK_BYTE_PTR out, CK_ULONG_PTR size) {
  std::lock_guard<std::mutex> guard(mutex);
  if (*size < said.size()) return CKR_BUFFER_TOO_SMALL;
  memcpy(out, said.data(), said.size());
  *size = said.size();
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
  list.C_GetSlotInfo = get_slot_info;
  list.C_GetTokenInfo = get_token_info;
  list.C_GetMechanismList = get_mechanism_list;
  list.C_GetMechanismInfo = get_mechanism_info;
  list.C_OpenSession = open_session;
  list.C_CloseSession = close_session;
  list.C_GetSessionInfo = get_session_info;
  list.C_Login = login;
  list.C_CreateObject = create_object;
  list.C_GetObjectSize = get_object_size;
  list.C_GetAttributeValue = get_attribute_value;
  list.C_UnwrapKey = unwrap_key;
  list.C_DeriveKey = derive_key;
  list.C_FindObjectsInit = find_objects_init;
  list.C_FindObjects = find_objects;
  list.C_FindObjectsFinal = find_objects_final;
  list.C_DigestInit = digest_init;
  list.C_Digest = digest;
  list.C_DigestUpdate = digest_update;
  list.C_EncryptInit = encrypt_init;
  list.C_Encrypt = encrypt;
  list.C_SeedRandom = seed_random;
  list.C_GenerateRandom = generate_random;
  list.C_WaitForSlotEvent = wait_for_slot_event;
  *out = &list;
  return CKR_OK;
}
