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
 * A small, strict PKCS #11 library for tests of handles: its numbers are large and look random, it
 * holds as many objects as there is memory, and it knows mechanisms whose parameters name further
 * keys. What it derives is no secret but a text that says which keys and octets went in, so that a
 * handle that was translated wrongly is seen at once. One slot, one token, all in memory.
 *
 *   MOCK_LABEL     the token's label; default "mock"
 *   MOCK_EXHIBIT   label of a public data object that is there from the beginning; default none
 *
 * The user's PIN is 1234. Functions that are not written here answer CKR_FUNCTION_NOT_SUPPORTED.
 */
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "cryptoki.h"
#include "mock_recipe.h"

namespace {

using mock::read_mechanism;
using mock::Recipe;

constexpr CK_SLOT_ID kSlot = 0x7000000000000001;
constexpr char kPin[] = "1234";

struct Object {
  std::map<CK_ATTRIBUTE_TYPE, std::string> attributes;
  CK_SESSION_HANDLE session = 0; /* 0: a token object */
};
struct Session {
  CK_FLAGS flags = 0;
  bool searching = false;
  std::vector<CK_OBJECT_HANDLE> found;
};

struct State {
  std::mutex mutex;
  bool initialized = false;
  bool logged_in = false;
  std::map<CK_SESSION_HANDLE, Session> sessions;
  std::map<CK_OBJECT_HANDLE, Object> objects;
  CK_ULONG numbers = 0;

  /* An odd factor: no number comes twice. All are above 2^33, and none is all ones. */
  CK_ULONG number() {
    for (;;) {
      const CK_ULONG n = ++numbers * 0x9e3779b97f4a7c15;
      if (n >> 33 != 0 && n != CK_UNAVAILABLE_INFORMATION) return n;
    }
  }
};
State state;

std::string text_of(const char* variable, const char* otherwise) {
  const char* value = getenv(variable);
  return value != nullptr ? value : otherwise;
}

template <size_t N>
void pad(CK_UTF8CHAR (&field)[N], const std::string& text) {
  std::memset(field, ' ', N);
  std::memcpy(field, text.data(), std::min(N, text.size()));
}

std::string octets(const void* data, CK_ULONG size) {
  return data != nullptr ? std::string(static_cast<const char*>(data), size) : std::string("-");
}

template <class T>
std::string octets_of(T value) {
  return octets(&value, sizeof value);
}

bool is_true(const Object& object, CK_ATTRIBUTE_TYPE type) {
  auto it = object.attributes.find(type);
  return it != object.attributes.end() && it->second.size() == 1 && it->second[0] != 0;
}

/* With the lock, for functions of an initialised library. */
class Entry {
 public:
  Entry() : lock_(state.mutex) {}
  CK_RV rv() const { return state.initialized ? CKR_OK : CKR_CRYPTOKI_NOT_INITIALIZED; }

 private:
  std::lock_guard<std::mutex> lock_;
};
#define ENTER  \
  Entry entry; \
  if (entry.rv() != CKR_OK) return entry.rv()
#define FIND_SESSION(handle)                                                    \
  ENTER;                                                                        \
  auto found_session = state.sessions.find(handle);                             \
  if (found_session == state.sessions.end()) return CKR_SESSION_HANDLE_INVALID; \
  Session& session = found_session->second

/* ---- the library and its token ---- */

CK_RV initialize(void* arguments) {
  std::lock_guard<std::mutex> lock(state.mutex);
  if (state.initialized) return CKR_CRYPTOKI_ALREADY_INITIALIZED;
  if (arguments != nullptr && static_cast<CK_C_INITIALIZE_ARGS*>(arguments)->pReserved != nullptr)
    return CKR_ARGUMENTS_BAD;
  state.initialized = true;
  const std::string exhibit = text_of("MOCK_EXHIBIT", "");
  if (exhibit.empty()) return CKR_OK;
  Object object;
  object.attributes[CKA_CLASS] = octets_of<CK_ULONG>(CKO_DATA);
  object.attributes[CKA_TOKEN] = std::string(1, '\1');
  object.attributes[CKA_PRIVATE] = std::string(1, '\0');
  object.attributes[CKA_LABEL] = exhibit;
  object.attributes[CKA_VALUE] = "the value of " + exhibit;
  state.objects[state.number()] = object;
  return CKR_OK;
}

CK_RV finalize(void* reserved) {
  ENTER;
  if (reserved != nullptr) return CKR_ARGUMENTS_BAD;
  state.initialized = state.logged_in = false;
  state.sessions.clear();
  state.objects.clear();
  return CKR_OK;
}

CK_RV get_info(CK_INFO* info) {
  ENTER;
  if (info == nullptr) return CKR_ARGUMENTS_BAD;
  *info = {};
  info->cryptokiVersion = {2, 40};
  pad(info->manufacturerID, "multip11");
  pad(info->libraryDescription, "mock");
  return CKR_OK;
}

CK_RV get_slot_list(CK_BBOOL, CK_SLOT_ID* list, CK_ULONG* count) {
  ENTER;
  if (count == nullptr) return CKR_ARGUMENTS_BAD;
  const CK_ULONG room = *count;
  *count = 1;
  if (list == nullptr) return CKR_OK;
  if (room < 1) return CKR_BUFFER_TOO_SMALL;
  *list = kSlot;
  return CKR_OK;
}

CK_RV get_slot_info(CK_SLOT_ID slot, CK_SLOT_INFO* info) {
  ENTER;
  if (slot != kSlot) return CKR_SLOT_ID_INVALID;
  if (info == nullptr) return CKR_ARGUMENTS_BAD;
  *info = {};
  pad(info->slotDescription, "mock slot");
  pad(info->manufacturerID, "multip11");
  info->flags = CKF_TOKEN_PRESENT;
  return CKR_OK;
}

CK_RV get_token_info(CK_SLOT_ID slot, CK_TOKEN_INFO* info) {
  ENTER;
  if (slot != kSlot) return CKR_SLOT_ID_INVALID;
  if (info == nullptr) return CKR_ARGUMENTS_BAD;
  *info = {};
  pad(info->label, text_of("MOCK_LABEL", "mock"));
  pad(info->manufacturerID, "multip11");
  pad(info->model, "mock");
  pad(info->serialNumber, "1");
  pad(info->utcTime, "");
  info->flags = CKF_TOKEN_INITIALIZED | CKF_LOGIN_REQUIRED | CKF_USER_PIN_INITIALIZED;
  info->ulMaxPinLen = info->ulMinPinLen = sizeof kPin - 1;
  return CKR_OK;
}

/* ---- sessions ---- */

CK_RV open_session(CK_SLOT_ID slot, CK_FLAGS flags, void*, CK_NOTIFY, CK_SESSION_HANDLE* handle) {
  ENTER;
  if (slot != kSlot) return CKR_SLOT_ID_INVALID;
  if (handle == nullptr) return CKR_ARGUMENTS_BAD;
  if ((flags & CKF_SERIAL_SESSION) == 0) return CKR_SESSION_PARALLEL_NOT_SUPPORTED;
  *handle = state.number();
  state.sessions[*handle].flags = flags;
  return CKR_OK;
}

void end_session(CK_SESSION_HANDLE handle) {
  state.sessions.erase(handle);
  std::erase_if(state.objects, [=](const auto& one) { return one.second.session == handle; });
  if (state.sessions.empty()) state.logged_in = false;
}

CK_RV close_session(CK_SESSION_HANDLE handle) {
  FIND_SESSION(handle);
  (void)session;
  end_session(handle);
  return CKR_OK;
}

CK_RV close_all_sessions(CK_SLOT_ID slot) {
  ENTER;
  if (slot != kSlot) return CKR_SLOT_ID_INVALID;
  while (!state.sessions.empty()) end_session(state.sessions.begin()->first);
  return CKR_OK;
}

CK_RV get_session_info(CK_SESSION_HANDLE handle, CK_SESSION_INFO* info) {
  FIND_SESSION(handle);
  if (info == nullptr) return CKR_ARGUMENTS_BAD;
  const bool writes = (session.flags & CKF_RW_SESSION) != 0;
  *info = {kSlot, 0, session.flags, 0};
  if (state.logged_in)
    info->state = writes ? CKS_RW_USER_FUNCTIONS : CKS_RO_USER_FUNCTIONS;
  else
    info->state = writes ? CKS_RW_PUBLIC_SESSION : CKS_RO_PUBLIC_SESSION;
  return CKR_OK;
}

CK_RV login(CK_SESSION_HANDLE handle, CK_USER_TYPE user, CK_UTF8CHAR* pin, CK_ULONG length) {
  FIND_SESSION(handle);
  (void)session;
  if (user != CKU_USER) return CKR_USER_TYPE_INVALID;
  if (state.logged_in) return CKR_USER_ALREADY_LOGGED_IN;
  if (octets(pin, length) != kPin) return CKR_PIN_INCORRECT;
  state.logged_in = true;
  return CKR_OK;
}

CK_RV logout(CK_SESSION_HANDLE handle) {
  FIND_SESSION(handle);
  (void)session;
  if (!state.logged_in) return CKR_USER_NOT_LOGGED_IN;
  state.logged_in = false;
  std::erase_if(state.objects, [](const auto& one) {
    return one.second.session != 0 && is_true(one.second, CKA_PRIVATE);
  });
  return CKR_OK;
}

/* ---- objects ---- */

CK_RV make_object(CK_SESSION_HANDLE handle, const Session& session, const CK_ATTRIBUTE* attributes,
                  CK_ULONG count, Object object, CK_OBJECT_HANDLE* made) {
  if (made == nullptr || (attributes == nullptr && count != 0)) return CKR_ARGUMENTS_BAD;
  for (CK_ULONG i = 0; i < count; i++) {
    if (attributes[i].pValue == nullptr && attributes[i].ulValueLen != 0)
      return CKR_ATTRIBUTE_VALUE_INVALID;
    object.attributes[attributes[i].type] = octets(attributes[i].pValue, attributes[i].ulValueLen);
  }
  if (object.attributes.count(CKA_CLASS) == 0) return CKR_TEMPLATE_INCOMPLETE;
  object.session = is_true(object, CKA_TOKEN) ? 0 : handle;
  if (object.session == 0 && (session.flags & CKF_RW_SESSION) == 0) return CKR_SESSION_READ_ONLY;
  *made = state.number();
  state.objects[*made] = std::move(object);
  return CKR_OK;
}

CK_RV create_object(CK_SESSION_HANDLE handle, CK_ATTRIBUTE* attributes, CK_ULONG count,
                    CK_OBJECT_HANDLE* made) {
  FIND_SESSION(handle);
  return make_object(handle, session, attributes, count, {}, made);
}

CK_RV copy_object(CK_SESSION_HANDLE handle, CK_OBJECT_HANDLE object, CK_ATTRIBUTE* attributes,
                  CK_ULONG count, CK_OBJECT_HANDLE* made) {
  FIND_SESSION(handle);
  auto it = state.objects.find(object);
  if (it == state.objects.end()) return CKR_OBJECT_HANDLE_INVALID;
  return make_object(handle, session, attributes, count, it->second, made);
}

CK_RV destroy_object(CK_SESSION_HANDLE handle, CK_OBJECT_HANDLE object) {
  FIND_SESSION(handle);
  (void)session;
  return state.objects.erase(object) == 1 ? CKR_OK : CKR_OBJECT_HANDLE_INVALID;
}

CK_RV get_attribute_value(CK_SESSION_HANDLE handle, CK_OBJECT_HANDLE object,
                          CK_ATTRIBUTE* attributes, CK_ULONG count) {
  FIND_SESSION(handle);
  (void)session;
  auto it = state.objects.find(object);
  if (it == state.objects.end()) return CKR_OBJECT_HANDLE_INVALID;
  if (attributes == nullptr || count == 0) return CKR_ARGUMENTS_BAD;
  CK_RV rv = CKR_OK;
  for (CK_ULONG i = 0; i < count; i++) {
    CK_ATTRIBUTE& a = attributes[i];
    auto value = it->second.attributes.find(a.type);
    if (value == it->second.attributes.end()) {
      a.ulValueLen = CK_UNAVAILABLE_INFORMATION;
      rv = CKR_ATTRIBUTE_TYPE_INVALID;
    } else if (a.pValue != nullptr && a.ulValueLen < value->second.size()) {
      a.ulValueLen = CK_UNAVAILABLE_INFORMATION;
      rv = CKR_BUFFER_TOO_SMALL;
    } else {
      a.ulValueLen = value->second.size();
      if (a.pValue != nullptr) std::memcpy(a.pValue, value->second.data(), a.ulValueLen);
    }
  }
  return rv;
}

CK_RV find_objects_init(CK_SESSION_HANDLE handle, CK_ATTRIBUTE* attributes, CK_ULONG count) {
  FIND_SESSION(handle);
  if (session.searching) return CKR_OPERATION_ACTIVE;
  if (attributes == nullptr && count != 0) return CKR_ARGUMENTS_BAD;
  session.found.clear();
  for (const auto& [number, object] : state.objects) {
    bool matches = state.logged_in || !is_true(object, CKA_PRIVATE);
    for (CK_ULONG i = 0; i < count; i++) {
      auto it = object.attributes.find(attributes[i].type);
      matches &= it != object.attributes.end() &&
                 it->second == octets(attributes[i].pValue, attributes[i].ulValueLen);
    }
    if (matches) session.found.push_back(number);
  }
  session.searching = true;
  return CKR_OK;
}

CK_RV find_objects(CK_SESSION_HANDLE handle, CK_OBJECT_HANDLE* list, CK_ULONG most,
                   CK_ULONG* count) {
  FIND_SESSION(handle);
  if (!session.searching) return CKR_OPERATION_NOT_INITIALIZED;
  if (list == nullptr || count == nullptr) return CKR_ARGUMENTS_BAD;
  for (*count = 0; *count < most && !session.found.empty(); session.found.pop_back())
    list[(*count)++] = session.found.back();
  return CKR_OK;
}

CK_RV find_objects_final(CK_SESSION_HANDLE handle) {
  FIND_SESSION(handle);
  if (!session.searching) return CKR_OPERATION_NOT_INITIALIZED;
  session.searching = false;
  return CKR_OK;
}

/* ---- mechanisms ---- */

constexpr CK_MECHANISM_TYPE kMechanisms[] = {
    CKM_CONCATENATE_BASE_AND_KEY,
    CKM_HKDF_DERIVE,
    CKM_ECMQV_DERIVE,
    CKM_X9_42_DH_HYBRID_DERIVE,
    CKM_X9_42_MQV_DERIVE,
    CKM_IKE2_PRF_PLUS_DERIVE,
    CKM_IKE_PRF_DERIVE,
    CKM_IKE1_PRF_DERIVE,
    CKM_IKE1_EXTENDED_DERIVE,
    CKM_SP800_108_COUNTER_KDF,
    CKM_SP800_108_FEEDBACK_KDF,
    CKM_SSL3_MASTER_KEY_DERIVE,
    CKM_TLS12_MASTER_KEY_DERIVE,
    CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE,
    CKM_SSL3_KEY_AND_MAC_DERIVE,
    CKM_TLS12_KEY_AND_MAC_DERIVE,
    CKM_TLS12_KEY_SAFE_DERIVE,
    CKM_WTLS_MASTER_KEY_DERIVE,
    CKM_WTLS_CLIENT_KEY_AND_MAC_DERIVE,
    CKM_TLS_PRF,
    CKM_WTLS_PRF,
    CKM_PBE_SHA1_DES3_EDE_CBC,
    CKM_PBE_SHA1_RC4_128,
    CKM_KIP_DERIVE,
    CKM_KEA_DERIVE,
};

CK_RV get_mechanism_list(CK_SLOT_ID slot, CK_MECHANISM_TYPE* list, CK_ULONG* count) {
  ENTER;
  if (slot != kSlot) return CKR_SLOT_ID_INVALID;
  if (count == nullptr) return CKR_ARGUMENTS_BAD;
  const CK_ULONG room = *count;
  *count = std::size(kMechanisms);
  if (list == nullptr) return CKR_OK;
  if (room < *count) return CKR_BUFFER_TOO_SMALL;
  std::memcpy(list, kMechanisms, sizeof kMechanisms);
  return CKR_OK;
}

CK_RV get_mechanism_info(CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO* info) {
  ENTER;
  if (slot != kSlot) return CKR_SLOT_ID_INVALID;
  if (info == nullptr) return CKR_ARGUMENTS_BAD;
  for (CK_MECHANISM_TYPE one : kMechanisms)
    if (one == type) {
      *info = {0, 0, CKF_DERIVE};
      return CKR_OK;
    }
  return CKR_MECHANISM_INVALID;
}

CK_RV derive(CK_SESSION_HANDLE handle, CK_MECHANISM* mechanism, Recipe* recipe,
             CK_ATTRIBUTE* attributes, CK_ULONG count, CK_OBJECT_HANDLE* made) {
  if (CK_RV rv = read_mechanism(*mechanism, recipe); rv != CKR_OK) return rv;
  bool own = true;
  const mock::Deriver deriver{handle, recipe->text(), attributes, count};
  const CK_RV rv = deriver.outputs(*mechanism, &own);
  if (rv != CKR_OK || !own) return rv;
  return mock::make_key(handle, recipe->text(), attributes, count, made);
}

CK_RV derive_key(CK_SESSION_HANDLE handle, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE base,
                 CK_ATTRIBUTE* attributes, CK_ULONG count, CK_OBJECT_HANDLE* made) {
  FIND_SESSION(handle);
  if (mechanism == nullptr) return CKR_ARGUMENTS_BAD;
  if (state.objects.count(base) == 0) return CKR_KEY_HANDLE_INVALID;
  (void)session;
  Recipe recipe(mechanism->mechanism);
  recipe.key(base);
  return derive(handle, mechanism, &recipe, attributes, count, made);
}

CK_RV generate_key(CK_SESSION_HANDLE handle, CK_MECHANISM* mechanism, CK_ATTRIBUTE* attributes,
                   CK_ULONG count, CK_OBJECT_HANDLE* made) {
  FIND_SESSION(handle);
  if (mechanism == nullptr) return CKR_ARGUMENTS_BAD;
  (void)session;
  const bool from_password = mechanism->mechanism == CKM_PBE_SHA1_DES3_EDE_CBC ||
                             mechanism->mechanism == CKM_PBE_SHA1_RC4_128;
  if (!from_password) return CKR_MECHANISM_INVALID;
  Recipe recipe(mechanism->mechanism);
  return derive(handle, mechanism, &recipe, attributes, count, made);
}

/* ---- the table ---- */

/* Stands for a function of whatever type. */
struct NotWritten {
  template <class... A>
  using Function = CK_RV (*)(A...);
  template <class... A>
  operator Function<A...>() const {
    return [](A...) -> CK_RV { return CKR_FUNCTION_NOT_SUPPORTED; };
  }
};

CK_FUNCTION_LIST make_list();
CK_FUNCTION_LIST list = make_list();

CK_RV get_function_list(CK_FUNCTION_LIST** out) {
  if (out == nullptr) return CKR_ARGUMENTS_BAD;
  *out = &list;
  return CKR_OK;
}

CK_FUNCTION_LIST make_list() {
  CK_FUNCTION_LIST all{};
  const NotWritten none;
  all.version = {2, 40};
  all.C_InitToken = none;
  all.C_InitPIN = none;
  all.C_SetPIN = none;
  all.C_GetOperationState = none;
  all.C_SetOperationState = none;
  all.C_GetObjectSize = none;
  all.C_SetAttributeValue = none;
  all.C_EncryptInit = none;
  all.C_Encrypt = none;
  all.C_EncryptUpdate = none;
  all.C_EncryptFinal = none;
  all.C_DecryptInit = none;
  all.C_Decrypt = none;
  all.C_DecryptUpdate = none;
  all.C_DecryptFinal = none;
  all.C_DigestInit = none;
  all.C_Digest = none;
  all.C_DigestUpdate = none;
  all.C_DigestKey = none;
  all.C_DigestFinal = none;
  all.C_SignInit = none;
  all.C_Sign = none;
  all.C_SignUpdate = none;
  all.C_SignFinal = none;
  all.C_SignRecoverInit = none;
  all.C_SignRecover = none;
  all.C_VerifyInit = none;
  all.C_Verify = none;
  all.C_VerifyUpdate = none;
  all.C_VerifyFinal = none;
  all.C_VerifyRecoverInit = none;
  all.C_VerifyRecover = none;
  all.C_DigestEncryptUpdate = none;
  all.C_DecryptDigestUpdate = none;
  all.C_SignEncryptUpdate = none;
  all.C_DecryptVerifyUpdate = none;
  all.C_GenerateKeyPair = none;
  all.C_WrapKey = none;
  all.C_UnwrapKey = none;
  all.C_SeedRandom = none;
  all.C_GenerateRandom = none;
  all.C_GetFunctionStatus = none;
  all.C_CancelFunction = none;
  all.C_WaitForSlotEvent = none;
  all.C_Initialize = initialize;
  all.C_Finalize = finalize;
  all.C_GetInfo = get_info;
  all.C_GetFunctionList = get_function_list;
  all.C_GetSlotList = get_slot_list;
  all.C_GetSlotInfo = get_slot_info;
  all.C_GetTokenInfo = get_token_info;
  all.C_GetMechanismList = get_mechanism_list;
  all.C_GetMechanismInfo = get_mechanism_info;
  all.C_OpenSession = open_session;
  all.C_CloseSession = close_session;
  all.C_CloseAllSessions = close_all_sessions;
  all.C_GetSessionInfo = get_session_info;
  all.C_Login = login;
  all.C_Logout = logout;
  all.C_CreateObject = create_object;
  all.C_CopyObject = copy_object;
  all.C_DestroyObject = destroy_object;
  all.C_GetAttributeValue = get_attribute_value;
  all.C_FindObjectsInit = find_objects_init;
  all.C_FindObjects = find_objects;
  all.C_FindObjectsFinal = find_objects_final;
  all.C_GenerateKey = generate_key;
  all.C_DeriveKey = derive_key;
  return all;
}

}  // namespace

bool mock::value_of_key(CK_OBJECT_HANDLE handle, std::string* value) {
  auto it = state.objects.find(handle);
  if (it != state.objects.end()) *value = it->second.attributes[CKA_VALUE];
  return it != state.objects.end();
}

CK_RV mock::make_key(CK_SESSION_HANDLE session, const std::string& text,
                     const CK_ATTRIBUTE* attributes, CK_ULONG count, CK_OBJECT_HANDLE* made) {
  Object object;
  object.attributes[CKA_CLASS] = octets_of<CK_ULONG>(CKO_SECRET_KEY);
  object.attributes[CKA_VALUE] = text;
  return make_object(session, state.sessions[session], attributes, count, std::move(object), made);
}

extern "C" __attribute__((visibility("default"))) CK_RV C_GetFunctionList(CK_FUNCTION_LIST** out) {
  return get_function_list(out);
}
