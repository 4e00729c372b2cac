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
 * The call by which a client gives a fresh ticket for its connection, and its return (X-Renew;
 * PROTOCOL, section 9): no function of PKCS #11's, so it has no row.
 *
 * Trust: as for codec.h. The AP-REQ is octets here and nothing more.
 */
#pragma once
#include "codec.h"

namespace mp11 {

/* Not without kRenewExtension in the hello of both. */
inline constexpr uint32_t kOpRenew = 258;

/* Clears *out first. False: it has no form on the wire. */
[[nodiscard]] bool encode_renew_call(std::span<const uint8_t> ap_req, const Envelope& envelope,
                                     CallArena* arena, SecureBuffer* out);
/* False for what is none. *ap_req lies in the arena. */
bool decode_renew_call(const Received& received, CallArena* arena,
                       std::span<const uint8_t>* ap_req);

/* With CKR_OK expires_s counts; anything else is a C-Failed-Return. */
void encode_renew_return(CK_RV rv, uint64_t expires_s, const Envelope& envelope, CallArena* arena,
                         SecureBuffer* out);
bool decode_renew_return(const Received& received, CallArena* arena, CK_RV* rv,
                         uint64_t* expires_s);

}  // namespace mp11
