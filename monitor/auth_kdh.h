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
 * The two things of TLS-KDH v1 that Kerberos does (PROTOCOL, TLS-KDH), for both ends. A header
 * alone: who includes it links libkrb5.
 */
#pragma once
#include <krb5/krb5.h>

#include <cstdint>
#include <span>
#include <vector>

#include "kdh.h"

namespace mp11 {

/* What the authenticator's checksum is over: so the AP-REQ is of use with this ClientHello only. */
inline std::vector<uint8_t> kdh_checksummed(std::span<const uint8_t, kKdhRandom> random) {
  std::vector<uint8_t> out(kKdhChecksumLabel, kKdhChecksumLabel + sizeof kKdhChecksumLabel);
  out.insert(out.end(), random.begin(), random.end());
  return out;
}

/* The pre-shared key, of the authenticator's subkey. */
inline krb5_error_code kdh_psk(krb5_context context, const krb5_keyblock& subkey,
                               std::span<uint8_t, kKdhPsk> psk) {
  krb5_data label{0, sizeof kKdhPskLabel - 1, const_cast<char*>(kKdhPskLabel)};
  krb5_data out{0, static_cast<unsigned>(psk.size()), reinterpret_cast<char*>(psk.data())};
  return krb5_c_prfplus(context, &subkey, &label, &out);
}

/* AES, RFC 3962 and RFC 8009: 17 to 20. */
inline bool enctype_allowed(krb5_enctype enctype) {
  return enctype >= ENCTYPE_AES128_CTS_HMAC_SHA1_96 &&
         enctype <= ENCTYPE_AES256_CTS_HMAC_SHA384_192;
}

}  // namespace mp11
