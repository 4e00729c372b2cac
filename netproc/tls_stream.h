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
 * TlsStream: a TcpStream of TLS 1.3, its handshake included; and the settings that both ends of
 * TLS-KDH v1 have in common (PROTOCOL, TLS-KDH). OpenSSL sees no descriptor: its records come from
 * the stream's buffers and go there.
 *
 * Trust: OpenSSL reads what a stranger sends, in multip11-net before it is known who he is. Its
 * errors end the stream, and its queue of errors is emptied where they are taken from it. Messages
 * that it has deciphered are wiped when they have been given out.
 */
#pragma once
#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <span>

#include "result.h"
#include "tcp_stream.h"

namespace mp11 {

struct FreeTls {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL* tls) const { SSL_free(tls); }
};
using TlsContext = std::unique_ptr<SSL_CTX, FreeTls>;

/* Once, before the sandbox: OpenSSL looks around in the system when it begins. */
void tls_start();

/*
 * TLS 1.3 and the one cipher suite; no certificate, no ticket, no resumption, no early data, no key
 * exchange without Diffie-Hellman. nullptr: out of memory.
 */
TlsContext kdh_tls_context(bool server);
/* The one key, of kKdhPsk octets, as OpenSSL takes it. nullptr: out of memory. */
SSL_SESSION* kdh_session(SSL* tls, std::span<const uint8_t> psk);
/* OpenSSL keeps it; after the handshake nothing needs it. */
void forget_kdh_key(SSL* tls);

class TlsStream final : public TcpStream {
 public:
  enum class Handshake {
    kMore,  /* write(), wait for input, read(), and again */
    kAsked, /* the ClientHello's callback asked for time: again when that has what it needs */
    kDone,
    kFailed /* and ended(); what is unwritten() is an alert */
  };

  /*
   * `key_records`: after so many records in one direction both get new keys. kMostRecords is a
   * third of what AES-GCM bears (RFC 8446 section 5.5).
   */
  static constexpr uint64_t kMostRecords = 1u << 23;
  TlsStream(UniqueFd socket, SSL_CTX* context, bool server, uint64_t key_records = kMostRecords);
  ~TlsStream() override; /* says goodbye, as far as the socket takes it */

  SSL* tls() { return tls_.get(); }
  /*
   * Record by record. A client's fails with the ServerHello if that does not use the key: nothing
   * of what a server without it would say next, a certificate above all, is looked at.
   */
  Handshake handshake();
  /* The alert that the peer sent to refuse us, or -1. */
  int alert() const { return alert_; }
  /* Like write(), but although the stream has ended: an alert, as far as it goes. */
  void write_last();

  void wrap(std::span<const uint8_t> octets) override;
  /* How often we have asked for new keys. */
  uint64_t key_updates() const { return key_updates_; }

 private:
  static int bio_read(BIO* bio, char* out, size_t room, size_t* taken);
  static int bio_write(BIO* bio, const char* octets, size_t size, size_t* taken);
  static long bio_ctrl(BIO* bio, int command, long number, void* pointer);
  static BIO_METHOD* bio_method();
  void unwrap_next(SecureBuffer* plain) override;
  bool next_record();
  void renew_keys();
  void end_by_error();

  const bool server_;
  const uint64_t key_records_;
  size_t given_ = 0;                /* octets that OpenSSL may take, while it shakes hands */
  uint64_t read_ = 0, written_ = 0; /* records since the keys of now were asked for */
  uint64_t key_updates_ = 0;
  int alert_ = -1;
  bool done_ = false;
  std::unique_ptr<SSL, FreeTls> tls_;
};

}  // namespace mp11
