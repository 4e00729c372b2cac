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
#include "kerberos_advice.h"

namespace mp11 {

const char* kerberos_advice(krb5_error_code code) {
  switch (code) {
    case KRB5KRB_AP_ERR_TKT_EXPIRED:
      return "your Kerberos ticket has expired; run kinit";
    case KRB5_FCC_NOFILE:
    case KRB5_CC_NOTFOUND:
    case KRB5_CC_NOMEM:
      return "you have no Kerberos ticket; run kinit";
    case KRB5KDC_ERR_S_PRINCIPAL_UNKNOWN:
      return "the KDC does not know this service; check the server's name and realm, and that the "
             "principal was created";
    case KRB5_KDC_UNREACH:
    case KRB5_REALM_UNKNOWN:
    case KRB5_REALM_CANT_RESOLVE:
      return "the KDC of the realm cannot be reached; check krb5.conf and the network";
    case KRB5KRB_AP_ERR_SKEW:
      return "this machine's clock and the server's differ too much; set them right";
    case KRB5KRB_AP_ERR_REPEAT:
      return "the server may have seen this authenticator before (it has just been restarted, or "
             "somebody replays); try again";
    case KRB5KRB_AP_ERR_MODIFIED:
    case KRB5KRB_AP_ERR_BAD_INTEGRITY:
    case KRB5KRB_AP_ERR_NOKEY:
    case KRB5KRB_AP_ERR_BADKEYVER:
    case KRB5KRB_AP_ERR_NOT_US:
    case KRB5KRB_AP_WRONG_PRINC:
      return "the server's keytab does not have the key that the KDC uses for it; run kinit again, "
             "and if that does not help the server needs a new keytab";
    case KRB5KDC_ERR_ETYPE_NOSUPP:
      return "the ticket's encryption type is not AES, which the server insists on; give the "
             "service AES keys";
    case KRB5KDC_ERR_POLICY:
      return "the server does not admit this client (anonymous tickets are refused)";
    case KRB5KDC_ERR_SVC_UNAVAILABLE:
      return "the server is too busy with other handshakes; try again later";
    default:
      return nullptr;
  }
}

Error kerberos_failure(krb5_context context, const std::string& service, krb5_error_code code) {
  const char* known = kerberos_advice(code);
  const char* text = krb5_get_error_message(context, code);
  std::string what = "authentication to " + service + " failed: ";
  what += known != nullptr ? std::string(known) + " (" + text + ")" : std::string(text);
  krb5_free_error_message(context, text);
  return Error{0, what};
}

}  // namespace mp11
