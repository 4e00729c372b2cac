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
 * The service's Kerberos identity: keys, credential, and the acceptance of one GSS token, or of the
 * AP-REQ of one ClientHello (TLS-KDH). Lives in multip11-auth, before and after it has locked
 * itself down; after that it needs no file.
 *
 * The mechanism is krb5 alone and needs one token each way. Whoever would need more (DCE style,
 * SPNEGO) is refused, so no half-made context outlives a call.
 *
 * libgssapi runs with an empty profile, since it makes a context of its own for each call and auth
 * cannot read a krb5.conf then. What a krb5.conf would decide is decided here or is the library's
 * default: encryption types and clock skew by verify_ap_req; capaths not at all (a client of
 * another realm needs a KDC that checks the transited realms, which is what KDCs do).
 *
 * Trust: the keytab is [priv]'s. The token is a stranger's, and so is each of its fields until both
 * krb5_rd_req and gss_accept_sec_context have taken it, with the same key.
 */
#pragma once
#include <gssapi/gssapi.h>
#include <krb5/krb5.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "auth_ap_req.h"
#include "auth_renewal.h"
#include "auth_replay.h"
#include "auth_start.h"
#include "records.h"
#include "result.h"

namespace mp11 {

/* A client that is authenticated. Wipes the key. */
struct Accepted {
  Accepted() = default;
  Accepted(const Accepted&) = delete;
  ~Accepted() { wipe(&done, sizeof done); }

  std::string principal;
  RenewalBinding binding{};   /* of this context */
  GssDone done{};             /* all but head and token_size */
  std::vector<uint8_t> reply; /* the acceptor's token */
};

/* The same by TLS-KDH. */
struct AcceptedKdh {
  AcceptedKdh() = default;
  AcceptedKdh(const AcceptedKdh&) = delete;
  ~AcceptedKdh() { wipe(&done, sizeof done); }

  std::string principal;
  RenewalBinding binding{}; /* of this handshake */
  int64_t expires_s = 0;
  krb5_enctype enctype = 0; /* of the subkey */
  KdhDone done{};           /* all but head */
};

/* What is known of a client that was accepted, by which a fresh ticket of his is judged. */
struct Standing {
  std::string principal;
  RenewalBinding binding{};
  uint64_t expires_s = 0;
};

struct Refused {
  std::string text;           /* for the log */
  std::vector<uint8_t> token; /* for a client of GSS-API, possibly empty */
  krb5_error_code code = 0;   /* KRB5KRB_...: for a client of TLS-KDH, kdh_alert() */
};

/* What a TLS client is told. */
KdhAlert kdh_alert(krb5_error_code code);

class Acceptor {
 public:
  /*
   * Reads the keytab ("FILE:/PATH") into memory: the principal's AES keys and no others. Needs
   * files; so does warm_up.
   */
  static Result<std::unique_ptr<Acceptor>> create(const AuthStart& start,
                                                  const std::string& keytab);
  ~Acceptor();
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  /* Makes the libraries open now whatever they open once. */
  void warm_up();
  /* Fills in one of the two. A client that is accepted will not be again by this token. */
  bool accept(std::span<const uint8_t> token, Accepted* accepted, Refused* refused);
  /* The same for the AP-REQ of a ClientHello with that random. */
  bool accept_kdh(std::span<const uint8_t> ap_req, std::span<const uint8_t, kKdhRandom> random,
                  AcceptedKdh* accepted, Refused* refused);
  /*
   * The AP-REQ of a fresh ticket: of the same principal, made for this connection and never used
   * before, with a ticket that ends later. Then *standing has its end.
   */
  bool accept_renewal(std::span<const uint8_t> ap_req, Standing* standing, Refused* refused);

 private:
  struct Context;
  explicit Acceptor(const AuthStart& start);
  Status load_keytab(const std::string& name);
  Status acquire_credential();
  bool refuse(krb5_error_code code, std::string text, Refused* refused);
  bool make_context(std::span<const uint8_t> token, Context* context, Accepted* accepted,
                    Refused* refused);
  bool take_key(const Context& context, const ApReq& ap_req, Accepted* accepted, Refused* refused);
  ApReqPolicy policy() const;
  bool note_use(const ApReq& ap_req, Refused* refused);

  AuthStart start_;
  krb5_context context_ = nullptr; /* kept, so that libgssapi finds its profile in memory */
  krb5_principal service_ = nullptr;
  krb5_keytab keytab_ = nullptr;
  gss_cred_id_t credential_ = GSS_C_NO_CREDENTIAL;
  int64_t started_s_;
  ReplaySet replays_;
};

}  // namespace mp11
