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
#include "kdh_client.h"

#include <krb5/krb5.h>
#include <openssl/ssl.h>
#include <poll.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "auth_kdh.h"
#include "channel.h"
#include "secure_buffer.h"
#include "service_ticket.h"
#include "tls_stream.h"

namespace mp11 {
namespace {

/* A ticket for the service, and the one AP-REQ that is made of it for the handshake. */
class Credentials {
 public:
  Credentials() = default;
  Credentials(const Credentials&) = delete;
  ~Credentials() { wipe(psk_, sizeof psk_); }

  Status get(const std::string& service) { return ticket_.get(service); }
  /* For the callback: once, as a second ClientHello must have the same. */
  krb5_error_code make(std::span<const uint8_t, kKdhRandom> random) {
    if (!ap_req_.empty()) return 0;
    std::vector<uint8_t> ap_req;
    krb5_keyblock* subkey = nullptr;
    krb5_error_code code = ticket_.make_ap_req(kdh_checksummed(random), &ap_req, &subkey);
    if (code == 0) code = kdh_psk(ticket_.context(), *subkey, psk_);
    if (code == 0) code = kdh_renewal_binding(ticket_.context(), *subkey, &binding_);
    if (code == 0) ap_req_ = std::move(ap_req);
    krb5_free_keyblock(ticket_.context(), subkey);
    return code;
  }

  Error failure(krb5_error_code code) const { return ticket_.failure(code); }
  std::span<const uint8_t> ap_req() const { return ap_req_; }
  std::span<const uint8_t> psk() const { return psk_; }
  RenewalBasis basis(const std::string& service) const {
    return {service, ticket_.client(), ticket_.ends_s(), binding_};
  }

 private:
  ServiceTicket ticket_;
  std::vector<uint8_t> ap_req_;
  uint8_t psk_[kKdhPsk] = {};
  RenewalBinding binding_{};
};

/* What the callback has of us. */
struct Offer {
  Credentials* credentials;
  krb5_error_code error = 0;
};

int on_psk(SSL* tls, const EVP_MD* hash, const unsigned char** identity, size_t* size,
           SSL_SESSION** session) {
  auto* offer = static_cast<Offer*>(SSL_get_app_data(tls));
  *session = nullptr;
  uint8_t random[kKdhRandom];
  if (SSL_get_client_random(tls, random, sizeof random) != sizeof random) return 0;
  offer->error = offer->credentials->make(random);
  if (offer->error != 0) return 0;
  /* After a HelloRetryRequest it is known which; ours is the only one that was offered. */
  if (hash != nullptr && EVP_MD_get_size(hash) != static_cast<int>(kKdhPsk)) return 0;
  *identity = offer->credentials->ap_req().data();
  *size = offer->credentials->ap_req().size();
  *session = kdh_session(tls, offer->credentials->psk());
  return *session != nullptr;
}

/* What came of it, in words: those of the Kerberos error that the alert stands for. */
Error refused(const TlsStream& stream, const std::string& service, const Offer& offer,
              bool answered) {
  if (offer.error != 0) return offer.credentials->failure(offer.error);
  const std::string text = "authentication to " + service + " failed: ";
  switch (stream.alert()) {
    case kKdhAlertDenied:
      return Error{EPROTO, text + "the server does not admit this client (its log says why)"};
    case kKdhAlertTryAgain:
      return Error{EPROTO, text +
                               "the server may have seen this authenticator before (it has just "
                               "been restarted, or somebody replays), or is too busy; try "
                               "again. If that does not help, this may be no multip11 server"};
    case kKdhAlertExpired:
      return offer.credentials->failure(KRB5KRB_AP_ERR_TKT_EXPIRED);
    case kKdhAlertSkew:
      return offer.credentials->failure(KRB5KRB_AP_ERR_SKEW);
    case kKdhAlertWeak:
      return offer.credentials->failure(KRB5KDC_ERR_ETYPE_NOSUPP);
    case kKdhAlertWrongKey:
      return offer.credentials->failure(KRB5KRB_AP_ERR_MODIFIED);
    default:
      break;
  }
  if (!answered)
    return Error{kNotForKdh, text +
                                 "the server closed the connection; it may not speak TLS-KDH "
                                 "(its log says why)"};
  return Error{EPROTO, text + stream.reason()};
}

}  // namespace

Result<std::unique_ptr<PeerStream>> kdh_connect(UniqueFd socket, const std::string& service,
                                                uint64_t deadline_ns, RenewalBasis* basis) {
  Credentials credentials;
  if (Status got = credentials.get(service); !got) return got.error();
  TlsContext context = kdh_tls_context(false);
  if (!context) return Error{ENOMEM, "no memory for TLS"};
  Offer offer{&credentials};
  SSL_CTX_set_psk_use_session_callback(context.get(), on_psk);
  /* Nobody's certificate is good: there are no anchors. */
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  if (SSL_CTX_set_alpn_protos(context.get(), kKdhAlpn, kKdhAlpnSize) != 0)
    return Error{ENOMEM, "no memory for TLS"};
  auto stream = std::make_unique<TlsStream>(std::move(socket), context.get(), false);
  SSL_set_app_data(stream->tls(), &offer);

  bool answered = false;
  for (;;) {
    const TlsStream::Handshake state = stream->handshake();
    if (state == TlsStream::Handshake::kFailed) {
      stream->write_last();
      return refused(*stream, service, offer, answered);
    }
    stream->write();
    if (state == TlsStream::Handshake::kDone) break;
    const uint64_t now = Waiter::now_ns();
    if (now >= deadline_ns)
      return Error{ETIMEDOUT, "authentication to " + service +
                                  " failed: the server does not answer: timed out"};
    pollfd fd{stream->fd(), POLLIN, 0};
    if (stream->unwritten() != 0) fd.events |= POLLOUT;
    wait_for_events({&fd, 1}, deadline_ns - now);
    if ((fd.revents & ~POLLOUT) != 0) answered |= stream->read();
  }
  forget_kdh_key(stream->tls());
  SSL_set_psk_use_session_callback(stream->tls(), nullptr);
  SSL_set_app_data(stream->tls(), nullptr);
  if (SSL_session_reused(stream->tls()) != 1)
    return Error{EPROTO, "authentication to " + service +
                             " failed: the server has not proved that "
                             "it has the service's key"};
  *basis = credentials.basis(service);
  return std::unique_ptr<PeerStream>(std::move(stream));
}

}  // namespace mp11
