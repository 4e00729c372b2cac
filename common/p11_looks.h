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
/* Which functions leave everything as it is: what was known before such a call still is after it.
 */
#pragma once
#include "p11_functions.h"

namespace mp11 {

/*
 * Whether a call leaves objects, sessions and logins as they are, but for sessions that it opens
 * and operations of its own session. Functions that are not known do not.
 */
constexpr bool only_looks(const FunctionRow& row) {
  if (row.operation != Operation::kOpNone) return row.number < kFunctions240;
  switch (row.number) {
    case kC_GetInfo:
    case kC_GetSlotList:
    case kC_GetSlotInfo:
    case kC_GetTokenInfo:
    case kC_GetMechanismList:
    case kC_GetMechanismInfo:
    case kC_OpenSession:
    case kC_GetSessionInfo:
    case kC_GetOperationState:
    case kC_GetObjectSize:
    case kC_GetAttributeValue:
    case kC_WrapKey:
    case kC_SeedRandom:
    case kC_GenerateRandom:
    case kC_GetFunctionStatus:
    case kC_CancelFunction:
      return true;
    default:
      return false;
  }
}

}  // namespace mp11
