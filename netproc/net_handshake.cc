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
#include "net_handshake.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "gss_wrapping.h"
#include "log.h"
#include "record_io.h"
#include "sctp_stream.h"
#include "security.h"
#include "token_stream.h"

namespace mp11 {
namespace {

/* The first octet, which stays to be read; -1: the connection is over, and *why says so. */
int first_octet(int client, int auth, const char** why) {
  for (;;) {
    uint8_t octet = 0;
    const ssize_t n = ::recv(client, &octet, 1, MSG_PEEK | MSG_DONTWAIT);
    if (n == 1) return octet;
    if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
      *why = n == 0 ? "closed by the peer" : std::strerror(errno);
      return -1;
    }
    pollfd fds[2] = {{client, POLLIN, 0}, {auth, POLLIN, 0}};
    if (::poll(fds, 2, -1) < 0 && errno != EINTR) fatal("poll: %s", std::strerror(errno));
    if (fds[1].revents != 0) return -1; /* auth hung up: it was silent for too long */
  }
}

/* Tokens to and fro; auth decides. `Stream` is TokenStream or SctpStream. */
template <class Stream>
class GssHandshake {
 public:
  GssHandshake(std::unique_ptr<Stream> client, GssOrder order, UniqueFd auth)
      : client_(std::move(client)), order_(order), auth_(std::move(auth)) {}

  bool run() {
    bool done = false;
    while (!client_->ended()) {
      client_->write();
      if (done && client_->unwritten() == 0) return true;
      pollfd fds[2] = {{client_->fd(), static_cast<short>(done ? 0 : POLLIN), 0},
                       {auth_.get(), POLLIN, 0}}; /* -1 when done, and ignored */
      if (client_->unwritten() != 0) fds[0].events |= POLLOUT;
      if (::poll(fds, 2, -1) < 0 && errno != EINTR) fatal("poll: %s", std::strerror(errno));
      if (fds[1].revents != 0 && !record_from_auth(&done)) return false;
      if (!done && fds[0].revents != 0 && !token_to_auth()) return false;
    }
    return false;
  }
  std::unique_ptr<Stream>& client() { return client_; }
  UniqueFd take_auth() { return std::move(kept_auth_); }

 private:
  /* Whatever follows the token that ends the exchange stays in the stream: it is wrapped already.
   */
  bool token_to_auth() {
    client_->read();
    std::span<const uint8_t> token = client_->token(limits::kGssToken);
    if (token.empty()) return !client_->ended();
    ConnectionToken record = make_record<ConnectionToken>(RecordType::kGssToken);
    record.token_size = static_cast<uint32_t>(token.size());
    RecordStatus status = send_record(auth_.get(), &record, sizeof record, token);
    client_->used_token();
    return status == RecordStatus::kOk;
  }

  bool record_from_auth(bool* done) {
    RecordBuffer record;
    RecordStatus status = record.receive(auth_.get(), false, sizeof(GssDone) + limits::kGssToken);
    if (status == RecordStatus::kAgain) return true;
    if (status != RecordStatus::kOk) return false;
    std::span<const uint8_t> token;
    if (const auto* key = record.with_tail<GssDone>(RecordType::kGssDone, &token)) {
      auto wrap = GssWrap::create(*key, order_);
      if (!wrap) fatal("key from auth: %s", wrap.error().text.c_str());
      client_->begin(std::make_unique<KeyWrapping>(std::move(*wrap)));
      bool written = token.empty() || client_->put_token(token);
      record.wipe(); /* the key, and `token` with it */
      kept_auth_ = std::move(auth_);
      *done = true;
      return written;
    }
    bool failed = record.with_tail<ConnectionToken>(RecordType::kGssFailed, &token) != nullptr;
    if (!failed && record.with_tail<ConnectionToken>(RecordType::kGssToken, &token) == nullptr)
      fatal("unexpected record from auth");
    if (!token.empty() && !client_->put_token(token)) fatal("a token from auth has no size");
    if (!failed) return true;
    client_->write(); /* as far as it goes: the connection is over */
    return false;
  }

  std::unique_ptr<Stream> client_;
  const GssOrder order_;
  UniqueFd auth_;      /* until it has answered */
  UniqueFd kept_auth_; /* from then on */
};

template <class Stream>
std::unique_ptr<PeerStream> authenticate_gss(std::unique_ptr<Stream> client, GssOrder order,
                                             UniqueFd* auth, const char** why) {
  GssHandshake<Stream> handshake(std::move(client), order, std::move(*auth));
  if (handshake.run()) {
    *auth = handshake.take_auth();
    return std::move(handshake.client());
  }
  *why = handshake.client()->ended() ? handshake.client()->reason() : "not authenticated";
  return nullptr;
}

}  // namespace

std::unique_ptr<PeerStream> authenticate(const NetStart& start, UniqueFd client, UniqueFd* auth,
                                         const char** why) {
  *why = "not authenticated";
  if (start.streams != 0)
    return authenticate_gss(std::make_unique<SctpStream>(std::move(client), start.streams),
                            GssOrder::kWindow, auth, why);
  const int first = first_octet(client.get(), auth->get(), why);
  switch (first) {
    case -1:
      return nullptr;
    case kFirstOctetGss:
      if ((start.security & security_bit(Security::kGss)) != 0)
        return authenticate_gss(std::make_unique<TokenStream>(std::move(client)), GssOrder::kStrict,
                                auth, why);
      *why = "GSS-API, which this listener does not take";
      return nullptr;
    case kFirstOctetTls:
      if ((start.security & security_bit(Security::kKdh)) != 0)
        return authenticate_kdh(std::move(client), auth, why);
      *why = "TLS, which this listener does not take";
      return nullptr;
    default:
      *why = "octets that begin neither TLS nor a GSS token";
      return nullptr;
  }
}

}  // namespace mp11
