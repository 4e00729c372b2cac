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
 * What of a renewal Kerberos does, for both ends (PROTOCOL, section 9): how the AP-REQ of a fresh
 * ticket is tied to one connection. A header alone: who includes it links libkrb5, and libgssapi
 * where it calls the half that is for that.
 *
 * The binding is derived from the key that the connection's own handshake made, which is fresh in
 * each and which auth and the client both have. So auth knows it by itself: it does not have to
 * believe net, which a client may own, about which connection an AP-REQ was made for. It is no
 * secret: who has it and no ticket can make nothing of it, and from it follows no key.
 */
#pragma once
#include <gssapi/gssapi_ext.h>
#include <krb5/krb5.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace mp11 {

/* The authenticator's checksum is over this, its NUL included, and the binding. */
inline constexpr char kRenewalLabel[] = "multip11 renewal v1";
/* The binding is the pseudo-random function of the key and this, without a NUL. */
inline constexpr char kRenewalBindingLabel[] = "multip11 renewal v1 binding";
using RenewalBinding = std::array<uint8_t, 32>;

inline std::vector<uint8_t> renewal_checksummed(const RenewalBinding& binding) {
  std::vector<uint8_t> out(kRenewalLabel, kRenewalLabel + sizeof kRenewalLabel);
  out.insert(out.end(), binding.begin(), binding.end());
  return out;
}

/* Of a handshake of TLS-KDH, by the subkey of its authenticator. */
inline krb5_error_code kdh_renewal_binding(krb5_context context, const krb5_keyblock& subkey,
                                           RenewalBinding* binding) {
  krb5_data label{0, sizeof kRenewalBindingLabel - 1, const_cast<char*>(kRenewalBindingLabel)};
  krb5_data out{0, static_cast<unsigned>(binding->size()),
                reinterpret_cast<char*>(binding->data())};
  return krb5_c_prfplus(context, &subkey, &label, &out);
}

/* Of a security context, complete and not yet exported (RFC 4401, RFC 4402). */
inline bool gss_renewal_binding(gss_ctx_id_t context, RenewalBinding* binding) {
  OM_uint32 minor;
  gss_buffer_desc label = {sizeof kRenewalBindingLabel - 1,
                           const_cast<char*>(kRenewalBindingLabel)};
  gss_buffer_desc out = GSS_C_EMPTY_BUFFER;
  const bool good =
      gss_pseudo_random(&minor, context, GSS_C_PRF_KEY_FULL, &label,
                        static_cast<ssize_t>(binding->size()), &out) == GSS_S_COMPLETE &&
      out.length == binding->size();
  if (good) std::copy_n(static_cast<const uint8_t*>(out.value), out.length, binding->begin());
  gss_release_buffer(&minor, &out);
  return good;
}

}  // namespace mp11
