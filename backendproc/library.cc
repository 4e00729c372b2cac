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
#include "library.h"

#include <dlfcn.h>

#include <type_traits>
#include <utility>

#include "log.h"
#include "os_sandbox.h"
#include "p11_params.h"

namespace mp11 {
namespace {

/* Stands for the application's callback, whose address means nothing here. */
CK_RV ignore_notification(CK_SESSION_HANDLE, CK_NOTIFICATION, CK_VOID_PTR) { return CKR_OK; }

template <class T>
T from_word(Word word) {
  if constexpr (std::is_same_v<T, CK_NOTIFY>)
    return word == 0 ? nullptr : ignore_notification;
  else if constexpr (std::is_pointer_v<T>)
    return reinterpret_cast<T>(word);
  else
    return static_cast<T>(word);
}

template <class... A, size_t... I>
CK_RV invoke(CK_RV (*function)(A...), const Words& words, std::index_sequence<I...>) {
  return function(from_word<A>(words.w[I])...);
}

template <class... A>
CK_RV invoke(CK_RV (*function)(A...), const Words& words) {
  return invoke(function, words, std::index_sequence_for<A...>{});
}

template <auto Member>
CK_RV call_member(const CK_FUNCTION_LIST& list, const Words& words) {
  return list.*Member == nullptr ? CKR_FUNCTION_NOT_SUPPORTED : invoke(list.*Member, words);
}

using Caller = CK_RV (*)(const CK_FUNCTION_LIST&, const Words&);

/* The rows of 2.40 come first in the table; the list has no more. */
constexpr Caller kCallers[] = {
#define ROW_240(name) call_member<&CK_FUNCTION_LIST::C_##name>,
#define ROW_300(name)
#define ROW_310(name)
#define ROW_320(name)
#define P11_FUNCTION(number, name, since, ...) ROW_##since(name)
#include "p11_functions.def"
#undef P11_FUNCTION
};
static_assert(sizeof kCallers / sizeof kCallers[0] == kFunctions240);

/* Functions in a list of that version: C_WaitForSlotEvent came with 2.01. */
unsigned functions_in(const CK_VERSION& version) {
  bool before_201 = version.major < 2 || (version.major == 2 && version.minor == 0);
  return before_201 ? kC_WaitForSlotEvent : kFunctions240;
}

/* The mechanism of a call whose parameter is zeroes instead of what the caller gave; or nullptr. */
const CK_MECHANISM* without_parameter(const FunctionRow& row, const Words& words) {
  for (unsigned i = 0; i < row.arg_count; i++) {
    if (row.args[i].kind != ArgKind::kMechanism) continue;
    const auto* mechanism = reinterpret_cast<const CK_MECHANISM*>(words.w[row.args[i].first]);
    if (mechanism == nullptr || mechanism->pParameter == nullptr || mechanism->ulParameterLen == 0)
      return nullptr;
    const MechanismRow* known = mechanism_row(mechanism->mechanism);
    bool carried = known != nullptr && known->form != ParamForm::kNotCarried;
    return carried ? nullptr : mechanism;
  }
  return nullptr;
}

/*
 * OpenSSL reads its configuration at the first fetch of an algorithm, which may come long after
 * C_Initialize, when a provider that it names could be loaded no more. So a library that brought
 * OpenSSL with it has that done now. One with OpenSSL inside of it must do so itself.
 */
void load_openssl_providers() {
  constexpr uint64_t kLoadConfig = 0x40; /* OPENSSL_INIT_LOAD_CONFIG */
  void* crypto = ::dlopen("libcrypto.so.3", RTLD_NOW | RTLD_NOLOAD);
  if (crypto == nullptr) return;
  auto init =
      reinterpret_cast<int (*)(uint64_t, const void*)>(::dlsym(crypto, "OPENSSL_init_crypto"));
  if (init != nullptr) (void)init(kLoadConfig, nullptr);
}

}  // namespace

Result<Library> Library::load(const std::string& path) {
  void* handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return Error{0, ::dlerror()};
  auto get_list = reinterpret_cast<CK_C_GetFunctionList>(::dlsym(handle, "C_GetFunctionList"));
  if (get_list == nullptr) return Error{0, path + ": no PKCS #11 library: no C_GetFunctionList"};
  CK_FUNCTION_LIST* list = nullptr;
  CK_RV rv = get_list(&list);
  if (rv != CKR_OK || list == nullptr)
    return Error{0, path + ": C_GetFunctionList failed with CK_RV " + std::to_string(rv)};
  return Library(list);
}

CK_RV Library::initialize() const {
  if (list_->C_Initialize == nullptr) return CKR_FUNCTION_NOT_SUPPORTED;
  CK_C_INITIALIZE_ARGS args{};
  args.flags = CKF_OS_LOCKING_OK;
  CK_RV rv = list_->C_Initialize(&args);
  if (rv != CKR_OK) return rv;
  load_openssl_providers();
  if (Status closed = sandbox_loaded(); !closed) fatal("sandbox: %s", closed.error().text.c_str());
  return rv;
}

CK_RV Library::call(const FunctionRow& row, const Words& words) const {
  if (row.number >= functions_in(list_->version)) return CKR_FUNCTION_NOT_SUPPORTED;
  if (row.number == kC_Initialize) return initialize();
  if (row.number == kC_WaitForSlotEvent && (words.w[0] & CKF_DONT_BLOCK) == 0)
    return CKR_FUNCTION_NOT_SUPPORTED;
  const CK_MECHANISM* lacks = without_parameter(row, words);
  if (lacks == nullptr) return kCallers[row.number](*list_, words);
  if (may_have(words.w[0], lacks->mechanism)) return CKR_MECHANISM_PARAM_INVALID;
  CK_RV rv = kCallers[row.number](*list_, words);
  if (rv == CKR_OK) fatal("%s: a mechanism that the library said it has not", row.name);
  return rv;
}

/* Unless it says that it has not; of a session that it does not know it will say so itself. */
bool Library::may_have(CK_SESSION_HANDLE session, CK_MECHANISM_TYPE type) const {
  CK_SESSION_INFO opened{};
  CK_MECHANISM_INFO info{};
  if (list_->C_GetSessionInfo == nullptr || list_->C_GetMechanismInfo == nullptr) return true;
  CK_RV rv = list_->C_GetSessionInfo(session, &opened);
  if (rv != CKR_OK) return rv != CKR_SESSION_HANDLE_INVALID;
  return list_->C_GetMechanismInfo(opened.slotID, type, &info) != CKR_MECHANISM_INVALID;
}

}  // namespace mp11
