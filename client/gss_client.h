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
 * The client's end of Kerberos by GSS-API: makes a security context with a server over a connected
 * socket and protects messages with it. Used by multip11-remote, as the application's user,
 * with his ticket cache and krb5.conf.
 *
 * Trust: the server has to prove that it has the key of the principal that was asked for (mutual
 * authentication) before anything but the tokens of the handshake is sent. A token that repeats
 * another is refused, although gss_unwrap gives its message out. Not thread-safe.
 */
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "gss_wrapping.h"
#include "renewer.h"
#include "result.h"
#include "secure_buffer.h"

struct gss_ctx_id_struct;

namespace mp11 {

/* How tokens of the handshake are told apart: over TCP by a length, over SCTP each is a message. */
enum class TokenForm { kLengths, kMessages };

class GssClient final : public Wrapping {
 public:
  /*
   * Runs the handshake. `socket` is connected, stays the caller's, blocking or not; not an octet is
   * read beyond the handshake's tokens. `service` is the server's principal, pkcs11/HOST@REALM;
   * without a realm, krb5.conf's. `timeout_ms` bounds what passes on `socket`; a KDC that must be
   * asked for the service's ticket has the library's own time limits. An error's text says what the
   * user can do.
   */
  static Result<std::unique_ptr<GssClient>> connect(int socket, TokenForm form,
                                                    const std::string& service, int timeout_ms);
  ~GssClient() override;
  GssClient(const GssClient&) = delete;
  GssClient& operator=(const GssClient&) = delete;

  /* Sealed, in tokens of at most limits::kGssFrame octets; false for a message too long for that.
   */
  bool wrap_token(std::span<const uint8_t> message, std::vector<uint8_t>* out) override;
  const char* unwrap_token(std::span<const uint8_t> token, SecureBuffer* message) override;

  /*
   * The same without libgssapi, for tokens that change places: its window has 64 places, and
   * miscounts when that many are missing. Once, before the first message; this object is of no use
   * afterwards.
   */
  Result<std::unique_ptr<Wrapping>> take_key();

  /* CLOCK_REALTIME seconds at which the ticket ends; 0 when it never does. */
  uint64_t expires_s() const { return expires_s_; }
  /* What renewals of the connection need. */
  RenewalBasis basis() const { return {service_, client_, expires_s_, binding_}; }

 private:
  GssClient() = default;
  Status handshake(int socket, TokenForm form, const std::string& service, int64_t deadline_ms);

  gss_ctx_id_struct* context_ = nullptr;
  uint64_t expires_s_ = 0;
  std::string service_, client_;
  RenewalBinding binding_{};
};

}  // namespace mp11
