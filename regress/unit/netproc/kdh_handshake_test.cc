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
 * The handshake of TLS-KDH in net: in a thread, with the test in the places of the client and of
 * auth. If these fail, auth is asked about something else than what the client has sent, or a
 * client is not told why it is refused.
 */
#include <poll.h>
#include <sys/socket.h>

#include <boost/test/unit_test.hpp>
#include <thread>
#include <vector>

#include "kdh.h"
#include "net_handshake.h"
#include "record_io.h"
#include "tls_stream.h"

using namespace mp11;
using Bytes = std::vector<uint8_t>;

namespace {

constexpr int kPatienceMs = 10000;

struct Fixture {
  Fixture() {
    int client[2], auth[2];
    BOOST_REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, client) == 0);
    BOOST_REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, auth) == 0);
    context_ = kdh_tls_context(false);
    SSL_CTX_set_psk_use_session_callback(context_.get(), use);
    client_ = std::make_unique<TlsStream>(UniqueFd(client[0]), context_.get(), false);
    SSL_set_app_data(client_->tls(), this);
    auth_ = UniqueFd(auth[0]);
    thread_ = std::thread([this, net = UniqueFd(client[1]), to_auth = UniqueFd(auth[1])]() mutable {
      stream_ = authenticate_kdh(std::move(net), &to_auth, &why_);
    });
    client_->handshake();
    client_->write();
  }
  ~Fixture() {
    client_.reset();
    if (thread_.joinable()) thread_.join();
  }
  static int use(SSL* tls, const EVP_MD*, const unsigned char** identity, size_t* size,
                 SSL_SESSION** session) {
    *identity = kIdentity;
    *size = sizeof kIdentity;
    *session = kdh_session(tls, static_cast<Fixture*>(SSL_get_app_data(tls))->psk);
    return 1;
  }
  static bool wait(int fd) {
    pollfd poll_fd{fd, POLLIN, 0};
    return ::poll(&poll_fd, 1, kPatienceMs) == 1;
  }
  /* What auth is asked: the random, and the identity behind it. */
  Bytes question() {
    BOOST_REQUIRE(wait(auth_.get()));
    BOOST_REQUIRE((record_.receive(auth_.get(), false, 100000) == RecordStatus::kOk));
    std::span<const uint8_t> identity;
    const auto* hello = record_.with_tail<KdhHello>(RecordType::kKdhHello, &identity);
    BOOST_REQUIRE(hello != nullptr);
    BOOST_CHECK_EQUAL(hello->token_size, identity.size());
    Bytes out(hello->random, hello->random + sizeof hello->random);
    out.insert(out.end(), identity.begin(), identity.end());
    return out;
  }
  /* The client's side to its end; true when it is done. */
  bool finish() {
    TlsStream::Handshake state = TlsStream::Handshake::kMore;
    while (state == TlsStream::Handshake::kMore) {
      if (!wait(client_->fd())) return false;
      client_->read();
      state = client_->handshake();
      client_->write();
    }
    thread_.join();
    return state == TlsStream::Handshake::kDone;
  }

  static constexpr uint8_t kIdentity[] = {0x6e, 1, 2, 3};
  Bytes psk = Bytes(kKdhPsk, 1);
  TlsContext context_;
  std::unique_ptr<TlsStream> client_;
  UniqueFd auth_;
  RecordBuffer record_;
  std::thread thread_;
  std::unique_ptr<PeerStream> stream_;
  const char* why_ = "";
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(kdh_handshake, Fixture)

BOOST_AUTO_TEST_CASE(auth_is_asked_about_this_client_hello_and_its_key_is_used) {
  Bytes expected(kKdhRandom);
  BOOST_REQUIRE(SSL_get_client_random(client_->tls(), expected.data(), expected.size()) ==
                expected.size());
  expected.insert(expected.end(), std::begin(kIdentity), std::end(kIdentity));
  BOOST_CHECK(question() == expected);
  auto done = make_record<KdhDone>(RecordType::kKdhDone);
  std::copy(psk.begin(), psk.end(), done.psk);
  BOOST_REQUIRE((send_record(auth_.get(), done) == RecordStatus::kOk));
  BOOST_REQUIRE(finish());
  BOOST_REQUIRE(stream_ != nullptr);
  client_->wrap(Bytes(50, 3));
  client_->write();
  BOOST_REQUIRE(wait(stream_->fd()));
  stream_->read();
  BOOST_REQUIRE(stream_->unwrap());
  BOOST_CHECK_EQUAL(stream_->plain().size(), 50u);
}

BOOST_AUTO_TEST_CASE(a_refusal_of_auth_reaches_the_client_as_its_alert) {
  (void)question();
  auto failed = make_record<KdhFailed>(RecordType::kKdhFailed);
  failed.alert = kKdhAlertExpired;
  BOOST_REQUIRE((send_record(auth_.get(), failed) == RecordStatus::kOk));
  BOOST_CHECK(!finish());
  BOOST_CHECK_EQUAL(client_->alert(), static_cast<int>(kKdhAlertExpired));
  BOOST_CHECK(stream_ == nullptr);
}

/* It has too much to do, or has died: the client must not take that for a server without TLS. */
BOOST_AUTO_TEST_CASE(when_auth_hangs_up_the_client_is_told_to_try_again) {
  (void)question();
  auth_.reset();
  BOOST_CHECK(!finish());
  BOOST_CHECK_EQUAL(client_->alert(), static_cast<int>(kKdhAlertTryAgain));
  BOOST_CHECK(stream_ == nullptr);
}

BOOST_AUTO_TEST_CASE(a_key_that_is_not_the_clients_is_the_end) {
  (void)question();
  auto done = make_record<KdhDone>(RecordType::kKdhDone);
  std::copy(psk.begin(), psk.end(), done.psk);
  done.psk[0] ^= 1;
  BOOST_REQUIRE((send_record(auth_.get(), done) == RecordStatus::kOk));
  BOOST_CHECK(!finish());
  BOOST_CHECK(stream_ == nullptr);
}

BOOST_AUTO_TEST_SUITE_END()
