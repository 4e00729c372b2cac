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
 * Kerberos tickets made without a KDC, for tests: who has a service's key can write any ticket for
 * it, also those that no KDC would issue (expired, anonymous, of a weak encryption type).
 */
#pragma once
#include <gssapi/gssapi.h>
#include <krb5/krb5.h>

#include <cstdint>
#include <string>
#include <vector>

namespace mp11::test {

struct Forgery {
  std::string client = "alice@FORGED.TEST";
  std::string service = "pkcs11/localhost@FORGED.TEST";
  krb5_enctype ticket_enctype = ENCTYPE_AES256_CTS_HMAC_SHA384_192; /* of the service's key */
  krb5_enctype session_enctype = ENCTYPE_AES256_CTS_HMAC_SHA384_192;
  int64_t start_s = -60; /* from now */
  int64_t end_s = 3600;
  uint32_t flags = 0;     /* TKT_FLG_* */
  bool other_key = false; /* encrypted in a key that the service does not have */
  std::string requested;  /* service name that the client asks for; empty: `service` */
};

/* A service with a keytab in memory and, on demand, clients with tickets for it. */
class Forge {
 public:
  explicit Forge(std::vector<krb5_enctype> service_enctypes = {
                     ENCTYPE_AES256_CTS_HMAC_SHA384_192, ENCTYPE_AES128_CTS_HMAC_SHA256_128,
                     ENCTYPE_AES256_CTS_HMAC_SHA1_96, ENCTYPE_AES128_CTS_HMAC_SHA1_96,
                     ENCTYPE_ARCFOUR_HMAC});
  ~Forge();
  Forge(const Forge&) = delete;
  Forge& operator=(const Forge&) = delete;

  krb5_context context() { return context_; }
  /* The service's keys as a keytab of this name ("MEMORY:..." or "FILE:..."). */
  void write_keytab(const std::string& name, const std::string& service);
  /* An initiator's credential that holds the forged ticket. The caller releases it. */
  gss_cred_id_t credential(const Forgery& forgery);
  /* The ticket and its session key themselves. The caller frees their contents. */
  krb5_creds credentials(const Forgery& forgery);

 private:
  std::string ticket(const Forgery& forgery, const krb5_keyblock& session);
  const krb5_keyblock& service_key(krb5_enctype enctype, bool other_key);

  krb5_context context_ = nullptr;
  std::vector<krb5_keyblock> keys_;
  std::vector<krb5_keyblock> other_keys_;
  std::vector<krb5_ccache> caches_;
};

}  // namespace mp11::test
