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
#include "codec_renew.h"

#include <algorithm>

#include "X-Renew-Call.h"
#include "X-Renew-Return.h"
#include "asn1c_memory.h"
#include "envelope.h"
#include "values.h"

namespace mp11 {

using namespace asn1;

bool encode_renew_call(std::span<const uint8_t> ap_req, const Envelope& envelope, CallArena* arena,
                       SecureBuffer* out) {
  codec_start();
  X_Renew_Call_t call = {};
  put_octets(ap_req.data(), ap_req.size(), &call.apReq);
  return encode_message(true, kOpRenew, 0, call_type(kOpRenew), &call, envelope, arena, out);
}

bool decode_renew_call(const Received& received, CallArena* arena,
                       std::span<const uint8_t>* ap_req) {
  if (!received.call || received.opcode != kOpRenew) return false;
  Asn1cMemory memory(arena, Asn1cMemory::limit_for(received.opdata.size()));
  const void* call = decode(call_type(kOpRenew), received.opdata.data(), received.opdata.size());
  if (call == nullptr) return false;
  *ap_req = octets_of(static_cast<const X_Renew_Call_t*>(call)->apReq);
  return true;
}

void encode_renew_return(CK_RV rv, uint64_t expires_s, const Envelope& envelope, CallArena* arena,
                         SecureBuffer* out) {
  codec_start();
  X_Renew_Return_t result = {};
  if (rv == CKR_OK && put_number(expires_s, &result.expires) &&
      encode_message(false, kOpRenew, 0, return_type(kOpRenew), &result, envelope, arena, out))
    return;
  encode_answer(kOpRenew, rv == CKR_OK ? CKR_GENERAL_ERROR : rv, envelope, arena, out);
}

bool decode_renew_return(const Received& received, CallArena* arena, CK_RV* rv,
                         uint64_t* expires_s) {
  if (received.call || received.opcode != kOpRenew) return false;
  Asn1cMemory memory(arena, Asn1cMemory::limit_for(received.opdata.size()));
  if (!decode_retval(received, rv)) return false;
  if (*rv != CKR_OK) return true;
  const void* result =
      decode(return_type(kOpRenew), received.opdata.data(), received.opdata.size());
  CK_ULONG expires = 0;
  if (result == nullptr ||
      !get_number(static_cast<const X_Renew_Return_t*>(result)->expires, &expires))
    return false;
  *expires_s = expires;
  return true;
}

}  // namespace mp11
