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
 * The PKCS #11 library of this process: loaded once, never unloaded.
 *
 * Trust: it is foreign code that runs in this process. Nothing here protects the process from it;
 * the sandbox, which stands before load(), protects everything else.
 */
#pragma once
#include <string>

#include "cryptoki.h"
#include "p11_functions.h"
#include "result.h"

namespace mp11 {

class Library {
 public:
  /* dlopen with RTLD_NOW and RTLD_LOCAL, then C_GetFunctionList. */
  static Result<Library> load(const std::string& path);

  /*
   * Calls the function of that row; the words point to private memory of the caller's and are in
   * the order of the prototype. CKR_FUNCTION_NOT_SUPPORTED where the library has no such function
   * or the row is later than 2.40. A blocking C_WaitForSlotEvent is refused: it would keep a worker
   * for ever. So is a mechanism that the library has and whose parameter was not carried
   * (p11_params.def): zeroes in its place would be a wrong parameter.
   */
  CK_RV call(const FunctionRow& row, const Words& words) const;
  /*
   * C_Initialize, with the system's locks and no callbacks, whatever the application passed. Once
   * it has returned CKR_OK no more code can be loaded (os_sandbox.h).
   */
  CK_RV initialize() const;

 private:
  explicit Library(const CK_FUNCTION_LIST* list) : list_(list) {}
  bool may_have(CK_SESSION_HANDLE session, CK_MECHANISM_TYPE type) const;
  const CK_FUNCTION_LIST* list_;
};

}  // namespace mp11
