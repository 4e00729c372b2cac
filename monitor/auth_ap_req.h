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
 * The AP-REQ of a client, verified by libkrb5 itself: that inside an initiator's GSS token, or the
 * identity of TLS-KDH. libgssapi does not tell an acceptor when the authenticator was made, of
 * which type the session key is, or whether the ticket is anonymous; multip11-auth refuses by
 * these.
 *
 * Trust: the octets are a stranger's. Of a token only its ASN.1 header of 17 octets or so is taken
 * apart here; it has to be that of the one mechanism, in DER, and to span the token exactly. The
 * rest is given to krb5_rd_req, before libgssapi sees the token. What counts is the context that
 * libgssapi makes of it: auth_acceptor.cc holds its key against the `subkey` found here.
 */
#pragma once
#include <krb5/krb5.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "auth_kdh.h"
#include "secure_buffer.h"

namespace mp11 {

struct ApReqPolicy {
  krb5_context context;
  krb5_principal service;
  krb5_keytab keytab;
  uint32_t clockskew_s;
  int64_t oldest_s; /* CLOCK_REALTIME when this process started */
};

struct ApReq {
  std::string client; /* krb5_unparse_name */
  int64_t expires_s = 0;
  SecureBuffer subkey; /* the initiator's */
  krb5_enctype subkey_type = 0;
};

/* What went wrong: for the log, and the RFC 4120 error for the client. */
struct ApReqError {
  krb5_error_code code = 0; /* KRB5KRB_... */
  std::string text;
};

/*
 * The AP-REQ within an initial token of the Kerberos mechanism (RFC 4121 section 4.1); empty for
 * anything else.
 */
std::span<const uint8_t> ap_req_in_token(std::span<const uint8_t> token);

/*
 * Verifies the AP-REQ. Which service a ticket is for, its key alone says: the name in it stands in
 * the clear and is no evidence, so the service's key must not be another's too. Refuses, beside
 * what libkrb5 refuses: encryption types other than AES in ticket, session key and subkey; no
 * subkey; user-to-user; anonymous clients; tickets that are over (libkrb5 would grant them one
 * clock skew); authenticators from before the second in which this process started, which the
 * replay set cannot know. (One of that very second, used before a restart within it, can be used
 * again; so can one whose client's clock is ahead by more than the restart took.) `now_us`:
 * CLOCK_REALTIME. `checksummed`: if not empty, what the authenticator must have a checksum of, made
 * with the session key (RFC 4120 section 5.5.1), as that of TLS-KDH has.
 */
bool verify_ap_req(const ApReqPolicy& policy, std::span<const uint8_t> ap_req,
                   std::span<const uint8_t> checksummed, int64_t now_us, ApReq* out,
                   ApReqError* error);

/* The GSS token that tells the client (RFC 4121 section 4.1, KRB-ERROR); empty if out of memory. */
std::vector<uint8_t> error_token(krb5_context context, krb5_principal service,
                                 krb5_error_code code);

}  // namespace mp11
