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
#include "dispatch.h"

#include <exception>
#include <memory>
#include <new>

#include "client_config.h"
#include "client_log.h"
#include "library_mode.h"
#include "process_state.h"

namespace mp11::client {
namespace {

/* PKCS #11 2.40, 5.4: all callbacks or none. We use the system's locks whatever the flags say. */
bool arguments_good(const CK_C_INITIALIZE_ARGS* args) {
  if (args == nullptr) return true;
  const bool create = args->CreateMutex != nullptr;
  return args->pReserved == nullptr && (args->DestroyMutex != nullptr) == create &&
         (args->LockMutex != nullptr) == create && (args->UnlockMutex != nullptr) == create;
}

/* What C_Initialize may answer by the standard. The log says more. */
CK_RV start_answer(CK_RV rv) {
  return rv == CKR_DEVICE_REMOVED || rv == CKR_DEVICE_ERROR ? CKR_GENERAL_ERROR : rv;
}

CK_RV start(const FunctionRow& row, const Words& words, std::unique_ptr<LibraryMode>* application) {
  if (!arguments_good(reinterpret_cast<const CK_C_INITIALIZE_ARGS*>(words.w[0])))
    return CKR_ARGUMENTS_BAD;
  log_start();
  Result<ClientConfig> config = load_config(config_places());
  if (!config) {
    report_error("%s", config.error().text.c_str());
    return CKR_GENERAL_ERROR;
  }
  log_choose(config->log);
  auto made = std::make_unique<LibraryMode>(*config);
  CK_RV rv = made->call(row, words);
  if (rv == CKR_OK) *application = std::move(made);
  return start_answer(rv);
}

CK_RV initialize(const FunctionRow& row, const Words& words) {
  if (CK_RV rv = begin_initialize(); rv != CKR_OK) return rv;
  std::unique_ptr<LibraryMode> application;
  CK_RV rv = CKR_HOST_MEMORY;
  try {
    rv = start(row, words, &application);
  } catch (const std::bad_alloc&) {
  } catch (const std::exception& error) {
    report_error("C_Initialize: %s", error.what());
    rv = CKR_GENERAL_ERROR;
  }
  end_initialize(application.release());
  return rv;
}

CK_RV finalize(const FunctionRow& row, const Words& words) {
  LibraryMode* application = begin_finalize();
  if (application == nullptr) return CKR_CRYPTOKI_NOT_INITIALIZED;
  if (words.w[0] != 0) { /* pReserved */
    cancel_finalize();
    return CKR_ARGUMENTS_BAD;
  }
  CK_RV rv = CKR_HOST_MEMORY;
  try {
    rv = application->call(row, words);
    /* A backend that died needs no C_Finalize; whatever else there is, is ended this time. */
    if (rv == CKR_DEVICE_REMOVED) rv = application->call(row, words);
  } catch (const std::exception&) {
    /* It is ended below, by its destructor. */
  }
  application->end();
  wait_until_empty();
  delete application;
  end_finalize();
  return rv;
}

CK_RV get_function_list(const Words& words) {
  auto* list = reinterpret_cast<CK_FUNCTION_LIST**>(words.w[0]);
  if (list == nullptr) return CKR_ARGUMENTS_BAD;
  *list = function_list();
  return CKR_OK;
}

}  // namespace

CK_RV dispatch(const FunctionRow& row, const Words& words) noexcept {
  switch (row.number) {
    case kC_GetFunctionList:
      return get_function_list(words);
    case kC_Initialize:
      return initialize(row, words);
    case kC_Finalize:
      return finalize(row, words);
    default:
      break;
  }
  LibraryMode* application = enter();
  if (application == nullptr) return CKR_CRYPTOKI_NOT_INITIALIZED;
  CK_RV rv = CKR_HOST_MEMORY;
  try {
    rv = application->call(row, words);
  } catch (const std::bad_alloc&) {
  } catch (const std::exception&) {
    rv = CKR_GENERAL_ERROR;
  }
  leave();
  return rv;
}

}  // namespace mp11::client
