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
 * TLS-KDH v1 in multip11-net: the ClientHello's AP-REQ goes to multip11-auth, and with the key that
 * comes back OpenSSL ends the handshake.
 */
#include <openssl/ssl.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "channel.h"
#include "kdh.h"
#include "kdh_hello.h"
#include "log.h"
#include "net_handshake.h"
#include "record_io.h"
#include "tls_stream.h"

namespace mp11 {
namespace {

/*
 * From auth's answer to the client's Finished: one round trip. Whoever repeats another's
 * ClientHello never sends one.
 */
constexpr uint64_t kFinishNs = 10 * uint64_t{1000000000};

class KdhHandshake {
 public:
  KdhHandshake(UniqueFd client, UniqueFd auth)
      : context_(kdh_tls_context(true)), auth_(std::move(auth)) {
    if (!context_) fatal("no memory for TLS");
    SSL_CTX_set_client_hello_cb(context_.get(), on_hello, this);
    SSL_CTX_set_psk_find_session_callback(context_.get(), on_psk);
    SSL_CTX_set_alpn_select_cb(context_.get(), on_alpn, this);
    client_ = std::make_unique<TlsStream>(std::move(client), context_.get(), true);
    SSL_set_app_data(client_->tls(), this);
  }
  KdhHandshake(const KdhHandshake&) = delete;
  ~KdhHandshake() { wipe(psk_, sizeof psk_); }

  bool run() {
    uint64_t until_ns = UINT64_MAX;
    for (;;) {
      const TlsStream::Handshake state = client_->handshake();
      if (state == TlsStream::Handshake::kFailed) {
        client_->write_last();
        return false;
      }
      client_->write();
      const bool done = state == TlsStream::Handshake::kDone;
      if (done && client_->unwritten() == 0) break;
      const uint64_t now = Waiter::now_ns();
      if (now >= until_ns) {
        why_ = "the client did not finish the handshake";
        return false;
      }
      /* Nothing is read that nobody takes; auth_ is -1 when it has answered, and ignored. */
      const bool asked = state == TlsStream::Handshake::kAsked;
      pollfd fds[2] = {{asked ? -1 : client_->fd(), static_cast<short>(done ? 0 : POLLIN), 0},
                       {auth_.get(), POLLIN, 0}};
      if (client_->unwritten() != 0) fds[0].events |= POLLOUT;
      wait_for_events(fds, until_ns == UINT64_MAX ? until_ns : until_ns - now);
      if (fds[1].revents != 0) {
        record_from_auth();
        if (!auth_) until_ns = Waiter::now_ns() + kFinishNs;
      }
      if (fds[0].revents != 0 && !done) client_->read();
    }
    /* A certificate there is none, so nothing else can have happened; but it costs nothing. */
    if (SSL_session_reused(client_->tls()) != 1) {
      why_ = "a handshake without the key";
      return false;
    }
    forget_kdh_key(client_->tls());
    SSL_CTX_set_client_hello_cb(context_.get(), nullptr, nullptr);
    SSL_CTX_set_alpn_select_cb(context_.get(), nullptr, nullptr);
    SSL_set_psk_find_session_callback(client_->tls(), nullptr);
    SSL_set_app_data(client_->tls(), nullptr);
    return true;
  }
  const char* why() const {
    if (why_ != nullptr) return why_;
    return client_->ended() ? client_->reason() : "not authenticated";
  }
  std::unique_ptr<TlsStream>& client() { return client_; }
  UniqueFd take_auth() { return std::move(kept_auth_); }

 private:
  enum class State { kNoHello, kAsked, kAccepted, kRefused };

  static int on_hello(SSL* tls, int* alert, void* self) {
    return static_cast<KdhHandshake*>(self)->hello(tls, alert);
  }
  static int on_psk(SSL* tls, const unsigned char* identity, size_t size, SSL_SESSION** session) {
    return static_cast<KdhHandshake*>(SSL_get_app_data(tls))->psk({identity, size}, session);
  }
  static int on_alpn(SSL*, const unsigned char** out, unsigned char* out_size,
                     const unsigned char* in, unsigned in_size, void* self) {
    unsigned char* chosen = nullptr;
    if (SSL_select_next_proto(&chosen, out_size, kKdhAlpn, kKdhAlpnSize, in, in_size) !=
        OPENSSL_NPN_NEGOTIATED) {
      static_cast<KdhHandshake*>(self)->why_ = "another protocol is asked for (ALPN)";
      return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
  }

  int refuse(const char* why, int with, int* alert) {
    why_ = why;
    *alert = with;
    return SSL_CLIENT_HELLO_ERROR;
  }

  /*
   * Called for the ClientHello, again when auth has answered, and for a second ClientHello after a
   * HelloRetryRequest: that one must have the same AP-REQ, as auth would not take it twice.
   */
  int hello(SSL* tls, int* alert) {
    if (state_ == State::kAsked) return SSL_CLIENT_HELLO_RETRY;
    if (state_ == State::kRefused) {
      *alert = alert_;
      return SSL_CLIENT_HELLO_ERROR;
    }
    auto extension = [&](unsigned number) {
      const unsigned char* octets = nullptr;
      size_t size = 0;
      const bool there = SSL_client_hello_get0_ext(tls, number, &octets, &size) == 1;
      return std::pair(there, std::span<const uint8_t>(octets, size));
    };
    const auto [there, offered] = extension(kExtPreSharedKey);
    if (!there) return refuse("TLS without a pre_shared_key", SSL_AD_MISSING_EXTENSION, alert);
    if (!offers_dhe(extension(kExtPskModes).second))
      return refuse("a key exchange without Diffie-Hellman (no psk_dhe_ke)",
                    SSL_AD_HANDSHAKE_FAILURE, alert);
    if (extension(kExtEarlyData).first)
      return refuse("early data", SSL_AD_HANDSHAKE_FAILURE, alert);
    const auto identity = only_identity(offered);
    if (!identity)
      return refuse("a pre_shared_key that is not one AP-REQ", SSL_AD_ILLEGAL_PARAMETER, alert);
    if (state_ == State::kAccepted) {
      if (same_identity(*identity)) return SSL_CLIENT_HELLO_SUCCESS;
      return refuse("another AP-REQ after HelloRetryRequest", SSL_AD_ILLEGAL_PARAMETER, alert);
    }
    identity_.assign(identity->begin(), identity->end());
    const unsigned char* random = nullptr;
    auto record = make_record<KdhHello>(RecordType::kKdhHello);
    if (SSL_client_hello_get0_random(tls, &random) != sizeof record.random)
      return refuse("no random", SSL_AD_ILLEGAL_PARAMETER, alert);
    std::copy_n(random, sizeof record.random, record.random);
    record.token_size = static_cast<uint32_t>(identity_.size());
    if (send_record(auth_.get(), &record, sizeof record, identity_) != RecordStatus::kOk)
      return refuse("auth is gone", SSL_AD_INTERNAL_ERROR, alert);
    state_ = State::kAsked;
    return SSL_CLIENT_HELLO_RETRY;
  }

  bool same_identity(std::span<const uint8_t> identity) const {
    return std::equal(identity.begin(), identity.end(), identity_.begin(), identity_.end());
  }

  int psk(std::span<const uint8_t> identity, SSL_SESSION** session) {
    *session = nullptr;
    if (state_ != State::kAccepted || !same_identity(identity)) return 1; /* none that fits */
    *session = kdh_session(client_->tls(), psk_);
    return *session != nullptr;
  }

  /* When auth hangs up, as it does when it has too much to do, a client that asked is told. */
  void record_from_auth() {
    RecordBuffer record;
    RecordStatus status = record.receive(auth_.get(), false);
    if (status == RecordStatus::kAgain) return;
    if (status != RecordStatus::kOk) {
      if (state_ == State::kNoHello) client_->end("not authenticated");
      alert_ = kKdhAlertTryAgain;
      why_ = "not authenticated";
      state_ = State::kRefused;
      auth_.reset();
      return;
    }
    if (const auto* done = record.as<KdhDone>(RecordType::kKdhDone)) {
      std::copy_n(done->psk, sizeof psk_, psk_);
      state_ = State::kAccepted;
      kept_auth_ = std::move(auth_);
    } else if (const auto* failed = record.as<KdhFailed>(RecordType::kKdhFailed)) {
      alert_ = static_cast<int>(failed->alert & 0xff);
      why_ = "not authenticated";
      state_ = State::kRefused;
    } else {
      fatal("unexpected record from auth");
    }
    record.wipe();
    auth_.reset();
  }

  TlsContext context_;
  UniqueFd auth_;      /* until it has answered */
  UniqueFd kept_auth_; /* from then on, if it has accepted */
  std::unique_ptr<TlsStream> client_;
  State state_ = State::kNoHello;
  std::vector<uint8_t> identity_;
  uint8_t psk_[kKdhPsk] = {};
  int alert_ = 0;
  const char* why_ = nullptr;
};

}  // namespace

std::unique_ptr<PeerStream> authenticate_kdh(UniqueFd client, UniqueFd* auth, const char** why) {
  auto handshake = std::make_unique<KdhHandshake>(std::move(client), std::move(*auth));
  if (handshake->run()) {
    *auth = handshake->take_auth();
    return std::move(handshake->client());
  }
  *why = handshake->why();
  return nullptr;
}

}  // namespace mp11
