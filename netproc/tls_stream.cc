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
#include "tls_stream.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <sys/socket.h>

#include <algorithm>

#include "kdh.h"
#include "log.h"

namespace mp11 {
namespace {

constexpr uint8_t kSuiteId[2] = {0x13, 0x02};
/* What a small message has room in; longer ones take a second SSL_read. */
constexpr size_t kShort = 4096;
/*
 * Octets that wait to be written: several times what the users of a stream let wait. More are
 * OpenSSL's own answers (KeyUpdate), of a peer that asks for them and reads none.
 */
constexpr size_t kMostUnwritten = 1u << 20;

}  // namespace

/* Without openssl.cnf: nothing that it could say makes this safer. */
void tls_start() {
  if (OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr) != 1) fatal("OpenSSL does not start");
}

TlsContext kdh_tls_context(bool server) {
  TlsContext context(SSL_CTX_new(server ? TLS_server_method() : TLS_client_method()));
  if (!context) return nullptr;
  SSL_CTX* c = context.get();
  if (SSL_CTX_set_min_proto_version(c, TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_max_proto_version(c, TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_ciphersuites(c, kKdhSuite) != 1 || SSL_CTX_set1_groups_list(c, kKdhGroups) != 1 ||
      SSL_CTX_set_num_tickets(c, 0) != 1 || SSL_CTX_set_max_early_data(c, 0) != 1 ||
      SSL_CTX_set_recv_max_early_data(c, 0) != 1)
    return nullptr;
  SSL_CTX_set_options(c, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                             SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_CLEANSE_PLAINTEXT);
  SSL_CTX_clear_options(c, SSL_OP_ALLOW_NO_DHE_KEX);
  SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
  return context;
}

SSL_SESSION* kdh_session(SSL* tls, std::span<const uint8_t> psk) {
  SSL_SESSION* session = SSL_SESSION_new();
  const SSL_CIPHER* suite = SSL_CIPHER_find(tls, kSuiteId);
  if (session != nullptr && suite != nullptr &&
      SSL_SESSION_set1_master_key(session, psk.data(), psk.size()) == 1 &&
      SSL_SESSION_set_cipher(session, suite) == 1 &&
      SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION) == 1)
    return session;
  SSL_SESSION_free(session);
  return nullptr;
}

void forget_kdh_key(SSL* tls) {
  constexpr uint8_t kNothing[kKdhPsk] = {};
  if (SSL_SESSION* session = SSL_get0_session(tls); session != nullptr)
    (void)SSL_SESSION_set1_master_key(session, kNothing, sizeof kNothing);
}

/* ---- OpenSSL's side of the buffers ---- */

int TlsStream::bio_read(BIO* bio, char* out, size_t room, size_t* taken) {
  auto* stream = static_cast<TlsStream*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  *taken = std::min(room, stream->done_ ? stream->unread() : stream->given_);
  if (*taken == 0) {
    BIO_set_retry_read(bio);
    return 0;
  }
  std::copy_n(stream->received().data(), *taken, out);
  stream->used(*taken);
  if (!stream->done_) stream->given_ -= *taken;
  return 1;
}

int TlsStream::bio_write(BIO* bio, const char* octets, size_t size, size_t* taken) {
  auto* stream = static_cast<TlsStream*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  stream->output().insert(stream->output().end(), octets, octets + size);
  *taken = size;
  return 1;
}

long TlsStream::bio_ctrl(BIO*, int command, long, void*) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO_METHOD* TlsStream::bio_method() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");
    if (made == nullptr) fatal("no memory for TLS");
    BIO_meth_set_read_ex(made, bio_read);
    BIO_meth_set_write_ex(made, bio_write);
    BIO_meth_set_ctrl(made, bio_ctrl);
    return made;
  }();
  return method;
}

/* ---- the stream ---- */

TlsStream::TlsStream(UniqueFd socket, SSL_CTX* context, bool server, uint64_t key_records)
    : TcpStream(std::move(socket)),
      server_(server),
      key_records_(key_records),
      tls_(SSL_new(context)) {
  BIO* bio = BIO_new(bio_method());
  if (!tls_ || bio == nullptr) fatal("no memory for TLS");
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(tls_.get(), bio, bio);
  if (server)
    SSL_set_accept_state(tls_.get());
  else
    SSL_set_connect_state(tls_.get());
}

TlsStream::~TlsStream() {
  if (!done_ || ended()) return;
  (void)SSL_shutdown(tls_.get());
  ERR_clear_error();
  write();
}

void TlsStream::end_by_error() {
  const unsigned long error = ERR_peek_last_error();
  /* OpenSSL's way to say that it was an alert. */
  const int reason = ERR_GET_REASON(error);
  if (ERR_GET_LIB(error) == ERR_LIB_SSL && reason > SSL_AD_REASON_OFFSET &&
      reason <= SSL_AD_REASON_OFFSET + 255)
    alert_ = reason - SSL_AD_REASON_OFFSET;
  const char* text = ERR_reason_error_string(error);
  ERR_clear_error();
  /* Without an error, what OpenSSL waits for is the rest of one of its own messages. */
  end(text != nullptr ? text : "TLS failed: the peer stops within a message of its own");
}

/* Gives OpenSSL the next record, if all of it is there. What is no record it may refuse at once. */
bool TlsStream::next_record() {
  const std::span<const uint8_t> octets = received();
  if (octets.size() < SSL3_RT_HEADER_LENGTH) return false;
  const size_t size = SSL3_RT_HEADER_LENGTH + (static_cast<size_t>(octets[3]) << 8 | octets[4]);
  if (size <= SSL3_RT_HEADER_LENGTH + SSL3_RT_MAX_ENCRYPTED_LENGTH && octets.size() < size)
    return false;
  given_ = std::min(size, octets.size());
  return true;
}

TlsStream::Handshake TlsStream::handshake() {
  if (ended()) return Handshake::kFailed;
  for (;;) {
    ERR_clear_error();
    const int result = SSL_do_handshake(tls_.get());
    if (result == 1) {
      done_ = true;
      return Handshake::kDone;
    }
    switch (SSL_get_error(tls_.get(), result)) {
      case SSL_ERROR_WANT_READ:
        break;
      case SSL_ERROR_WANT_CLIENT_HELLO_CB:
        return Handshake::kAsked;
      default:
        end_by_error();
        return Handshake::kFailed;
    }
    if (!server_ && SSL_get_state(tls_.get()) == TLS_ST_CR_SRVR_HELLO &&
        SSL_session_reused(tls_.get()) != 1) {
      end("the server does not use the key: it has not the one of the service, or is none of ours");
      return Handshake::kFailed;
    }
    if (given_ != 0 || !next_record()) return Handshake::kMore;
  }
}

void TlsStream::write_last() {
  if (unwritten() != 0)
    (void)::send(fd(), output().data() + (output().size() - unwritten()), unwritten(),
                 MSG_DONTWAIT | MSG_NOSIGNAL);
}

void TlsStream::unwrap_next(SecureBuffer* plain) {
  if (unwritten() > kMostUnwritten) {
    end("the peer has itself answered and does not read");
    return;
  }
  ERR_clear_error();
  for (size_t room = kShort; room != 0; room = static_cast<size_t>(SSL_pending(tls_.get()))) {
    const size_t had = plain->size();
    size_t taken = 0;
    const int result = SSL_read_ex(tls_.get(), plain->extend(room), room, &taken);
    plain->resize(had + taken);
    if (result == 1) {
      if (had == 0 && ++read_ > key_records_) renew_keys(); /* a peer may not count */
      continue;
    }
    switch (SSL_get_error(tls_.get(), result)) {
      case SSL_ERROR_WANT_READ:
        return;
      case SSL_ERROR_ZERO_RETURN:
        end("closed by the peer");
        return;
      default:
        end_by_error();
        return;
    }
  }
}

/* Of both directions: whoever asks gets a new one too, and need not count. */
void TlsStream::renew_keys() {
  read_ = written_ = 0;
  key_updates_++;
  if (SSL_key_update(tls_.get(), SSL_KEY_UPDATE_REQUESTED) != 1 ||
      SSL_do_handshake(tls_.get()) != 1) /* which sends it */
    end_by_error();
}

void TlsStream::wrap(std::span<const uint8_t> octets) {
  if (octets.empty() || ended()) return;
  ERR_clear_error();
  const uint64_t records =
      (octets.size() + SSL3_RT_MAX_PLAIN_LENGTH - 1) / SSL3_RT_MAX_PLAIN_LENGTH;
  if (written_ + records > key_records_) renew_keys();
  written_ += records;
  size_t taken = 0;
  if (!ended() && SSL_write_ex(tls_.get(), octets.data(), octets.size(), &taken) != 1)
    end_by_error();
}

}  // namespace mp11
