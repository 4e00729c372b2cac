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
 * Two TlsStreams with a key that both have, over a pair of sockets.
 * If these fail, messages over TLS-KDH are lost, mixed up, or outlive their key.
 */
#include "tls_stream.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <sys/socket.h>

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "kdh.h"

using mp11::TlsContext;
using mp11::TlsStream;
using mp11::UniqueFd;
using Bytes = std::vector<uint8_t>;

namespace {

struct Fixture {
  static int use(SSL* tls, const EVP_MD*, const unsigned char** identity, size_t* size,
                 SSL_SESSION** session) {
    auto* fixture = static_cast<Fixture*>(SSL_get_app_data(tls));
    *identity = kIdentity;
    *size = sizeof kIdentity;
    *session = mp11::kdh_session(tls, fixture->client_psk);
    return 1;
  }
  static int find(SSL* tls, const unsigned char*, size_t, SSL_SESSION** session) {
    *session = mp11::kdh_session(tls, static_cast<Fixture*>(SSL_get_app_data(tls))->server_psk);
    return 1;
  }

  /* A connected pair before its handshake. */
  void make(uint64_t key_records = TlsStream::kMostRecords) {
    int pair[2];
    BOOST_REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    client_context = mp11::kdh_tls_context(false);
    server_context = mp11::kdh_tls_context(true);
    BOOST_REQUIRE(client_context && server_context);
    SSL_CTX_set_psk_use_session_callback(client_context.get(), use);
    SSL_CTX_set_psk_find_session_callback(server_context.get(), find);
    SSL_CTX_set_verify(client_context.get(), SSL_VERIFY_PEER, nullptr);
    client =
        std::make_unique<TlsStream>(UniqueFd(pair[0]), client_context.get(), false, key_records);
    server =
        std::make_unique<TlsStream>(UniqueFd(pair[1]), server_context.get(), true, key_records);
    SSL_set_app_data(client->tls(), this);
    SSL_set_app_data(server->tls(), this);
  }
  /* True when both are done; false when one has failed. */
  bool shake() {
    bool done[2] = {};
    for (int turn = 0; turn < 20 && !(done[0] && done[1]); turn++) {
      for (TlsStream* stream : {client.get(), server.get()}) {
        bool& mine = done[stream == server.get()];
        if (!mine) mine = stream->handshake() == TlsStream::Handshake::kDone;
        if (stream->ended()) stream->write_last();
        stream->write();
        TlsStream* other = stream == client.get() ? server.get() : client.get();
        other->read();
      }
      if (client->ended() || server->ended()) {
        client->handshake();
        server->handshake();
        return false;
      }
    }
    return done[0] && done[1];
  }
  /* What comes out at the other end, until there is no more. */
  static Bytes carry(TlsStream* from, TlsStream* to) {
    Bytes out;
    for (bool moved = true; moved;) {
      moved = from->write();
      moved |= to->read();
      while (to->unwrap()) {
        out.insert(out.end(), to->plain().begin(), to->plain().end());
        to->used_plain(to->plain().size());
        moved = true;
      }
    }
    return out;
  }

  static constexpr uint8_t kIdentity[] = {0x6e, 1, 2, 3};
  Bytes client_psk = Bytes(mp11::kKdhPsk, 1), server_psk = Bytes(mp11::kKdhPsk, 1);
  TlsContext client_context, server_context;
  std::unique_ptr<TlsStream> client, server;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(tls_stream, Fixture)

BOOST_AUTO_TEST_CASE(messages_of_every_size_arrive_whole_and_in_order) {
  make();
  BOOST_REQUIRE(shake());
  BOOST_CHECK_EQUAL(SSL_session_reused(client->tls()), 1);
  BOOST_CHECK_EQUAL(std::string(SSL_get_cipher(server->tls())), mp11::kKdhSuite);
  Bytes sent, received;
  for (size_t size : {size_t{1}, size_t{4095}, size_t{4096}, size_t{4097}, size_t{16384},
                      size_t{16385}, size_t{65536}, size_t{300000}}) {
    Bytes message(size);
    RAND_bytes(message.data(), static_cast<int>(size));
    for (TlsStream* from : {client.get(), server.get()}) {
      TlsStream* to = from == client.get() ? server.get() : client.get();
      from->wrap(message);
      BOOST_CHECK(carry(from, to) == message);
    }
  }
  BOOST_CHECK(!client->ended() && !server->ended());
}

BOOST_AUTO_TEST_CASE(keys_are_replaced_after_so_many_records) {
  constexpr uint64_t kRecords = 10;
  make(kRecords);
  BOOST_REQUIRE(shake());
  /* KeyUpdates that arrive; asked for or in answer to that. */
  auto count = [](int sent, int, int type, const void* octets, size_t size, SSL*, void* counter) {
    if (sent == 0 && type == SSL3_RT_HANDSHAKE && size > 0 &&
        *static_cast<const uint8_t*>(octets) == SSL3_MT_KEY_UPDATE)
      ++*static_cast<int*>(counter);
  };
  int at_client = 0, at_server = 0;
  SSL_set_msg_callback(client->tls(), count);
  SSL_set_msg_callback_arg(client->tls(), &at_client);
  SSL_set_msg_callback(server->tls(), count);
  SSL_set_msg_callback_arg(server->tls(), &at_server);
  for (int i = 0; i < 100; i++) {
    const Bytes call(100, static_cast<uint8_t>(i)), answer(40000, static_cast<uint8_t>(i + 1));
    client->wrap(call);
    BOOST_REQUIRE(carry(client.get(), server.get()) == call);
    server->wrap(answer);
    BOOST_REQUIRE(carry(server.get(), client.get()) == answer);
  }
  /* 100 records one way, 300 the other: whoever comes to ten first asks, and both change. */
  const auto asked = static_cast<int>(client->key_updates() + server->key_updates());
  BOOST_CHECK_GE(asked, 27);
  BOOST_CHECK_LE(asked, 80);
  BOOST_CHECK_GE(at_client, 27);
  BOOST_CHECK_GE(at_server, 27);
}

BOOST_AUTO_TEST_CASE(a_peer_that_only_sends_is_asked_for_new_keys) {
  constexpr uint64_t kRecords = 10;
  make(kRecords);
  BOOST_REQUIRE(shake());
  for (int i = 0; i < 11; i++) {
    /* Without its own count. */
    size_t written = 0;
    BOOST_REQUIRE(SSL_write_ex(client->tls(), "call", 4, &written) == 1);
    BOOST_REQUIRE(carry(client.get(), server.get()).size() == 4);
  }
  BOOST_CHECK_EQUAL(server->key_updates(), 1u);
  server->wrap(Bytes(4, 1));
  BOOST_CHECK(carry(server.get(), client.get()) == Bytes(4, 1));
  client->wrap(Bytes(4, 2));
  BOOST_CHECK(carry(client.get(), server.get()) == Bytes(4, 2));
}

BOOST_AUTO_TEST_CASE(who_reads_slowly_costs_no_more_memory) {
  make();
  BOOST_REQUIRE(shake());
  const Bytes message(60000, 9);
  size_t most = 0;
  std::vector<uint8_t> some(30000);
  for (int i = 0; i < 400; i++) {
    while (server->unwritten() < 4 * message.size()) server->wrap(message);
    server->write();
    most = std::max(most, server->held());
    BOOST_REQUIRE(::recv(client->fd(), some.data(), some.size(), 0) > 0);
  }
  BOOST_CHECK_LT(most, 2u << 20);
}

BOOST_AUTO_TEST_CASE(the_key_is_forgotten) {
  make();
  BOOST_REQUIRE(shake());
  for (TlsStream* stream : {client.get(), server.get()}) {
    mp11::forget_kdh_key(stream->tls());
    uint8_t key[64] = {1};
    const size_t size =
        SSL_SESSION_get_master_key(SSL_get0_session(stream->tls()), key, sizeof key);
    BOOST_CHECK(Bytes(key, key + size) == Bytes(size, 0));
  }
  client->wrap(Bytes(50, 3));
  BOOST_CHECK(carry(client.get(), server.get()) == Bytes(50, 3));
}

/* As one without the service's key does: with a certificate, of which nothing may be looked at. */
BOOST_AUTO_TEST_CASE(a_server_that_does_not_use_the_key_is_left_at_its_server_hello) {
  make();
  SSL_CTX_set_psk_find_session_callback(server_context.get(), nullptr);
  SSL_set_psk_find_session_callback(server->tls(), nullptr);
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  X509_set_version(certificate, X509_VERSION_3);
  X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  BOOST_REQUIRE(X509_sign(certificate, key, EVP_sha256()) != 0);
  BOOST_REQUIRE(SSL_use_certificate(server->tls(), certificate) == 1 &&
                SSL_use_PrivateKey(server->tls(), key) == 1);
  static int certificates;
  certificates = 0;
  SSL_set_msg_callback(client->tls(),
                       [](int sent, int, int type, const void* octets, size_t size, SSL*, void*) {
                         if (sent == 0 && type == SSL3_RT_HANDSHAKE && size > 0 &&
                             *static_cast<const uint8_t*>(octets) == SSL3_MT_CERTIFICATE)
                           certificates++;
                       });
  BOOST_CHECK(!shake());
  BOOST_REQUIRE(client->ended());
  BOOST_CHECK(std::string(client->reason()).find("does not use the key") != std::string::npos);
  BOOST_CHECK_EQUAL(certificates, 0);
  X509_free(certificate);
  EVP_PKEY_free(key);
}

BOOST_AUTO_TEST_CASE(another_key_is_refused_by_the_server) {
  make();
  client_psk[0] ^= 1;
  BOOST_CHECK(!shake());
  BOOST_CHECK(client->ended() && server->ended());
  BOOST_CHECK(client->alert() == SSL_AD_ILLEGAL_PARAMETER ||
              client->alert() == SSL_AD_DECRYPT_ERROR);
}

BOOST_AUTO_TEST_CASE(a_changed_record_ends_the_stream) {
  for (size_t at : {size_t{5}, size_t{20}}) {
    make();
    BOOST_REQUIRE(shake());
    client->wrap(Bytes(50, 3));
    client->write();
    uint8_t record[200];
    const ssize_t n = ::recv(server->fd(), record, sizeof record, 0);
    BOOST_REQUIRE(n > 50);
    record[at] ^= 1;
    BOOST_REQUIRE(::send(client->fd(), record, static_cast<size_t>(n), 0) == n);
    server->read();
    BOOST_CHECK(!server->unwrap());
    BOOST_CHECK(server->ended());
    BOOST_CHECK(server->plain().empty());
  }
}

BOOST_AUTO_TEST_CASE(a_record_that_is_repeated_ends_the_stream) {
  make();
  BOOST_REQUIRE(shake());
  client->wrap(Bytes(50, 3));
  client->write();
  uint8_t record[200];
  const ssize_t n = ::recv(server->fd(), record, sizeof record, 0);
  for (int i = 0; i < 2; i++)
    BOOST_REQUIRE(::send(client->fd(), record, static_cast<size_t>(n), 0) == n);
  server->read();
  BOOST_REQUIRE(server->unwrap());
  BOOST_CHECK(Bytes(server->plain().begin(), server->plain().end()) == Bytes(50, 3));
  server->used_plain(50);
  BOOST_CHECK(!server->unwrap());
  BOOST_CHECK(server->ended());
}

BOOST_AUTO_TEST_CASE(octets_before_the_end_of_the_handshake_are_no_message) {
  make();
  client->handshake();
  client->write();
  server->read();
  server->handshake();
  const uint8_t plain[] = {23, 3, 3, 0, 5, 1, 2, 3, 4, 5};
  BOOST_REQUIRE(::send(client->fd(), plain, sizeof plain, 0) == sizeof plain);
  server->read();
  BOOST_CHECK(server->handshake() == TlsStream::Handshake::kFailed);
  BOOST_CHECK(server->ended());
}

/* What a hostile peer says of TLS's own when all is done: tickets that nobody wants, new keys. */
BOOST_AUTO_TEST_CASE(tickets_and_new_keys_without_end_have_one) {
  make();
  BOOST_REQUIRE(shake());
  auto update = [this] {
    BOOST_REQUIRE(SSL_key_update(server->tls(), SSL_KEY_UPDATE_REQUESTED) == 1);
    BOOST_REQUIRE(SSL_do_handshake(server->tls()) == 1);
    server->write();
    client->read();
    BOOST_CHECK(!client->unwrap());
  };
  for (int i = 0; i < 1000; i++) {
    update();
    if (i >= 10) continue;
    BOOST_REQUIRE(SSL_new_session_ticket(server->tls()) == 1);
    BOOST_REQUIRE(SSL_do_handshake(server->tls()) == 1);
  }
  client->wrap(Bytes(50, 3));
  BOOST_CHECK(carry(client.get(), server.get()) == Bytes(50, 3));
  server->wrap(Bytes(50, 4));
  BOOST_CHECK(carry(server.get(), client.get()) == Bytes(50, 4));
  /* Each wants an answer, of the same size, and none is read. */
  for (int i = 0; i < 60000 && !client->ended(); i++) update();
  BOOST_REQUIRE(client->ended());
  BOOST_CHECK_EQUAL(std::string(client->reason()),
                    "the peer has itself answered and does not read");
  BOOST_CHECK_LT(client->held(), 4u << 20);
}

BOOST_AUTO_TEST_CASE(the_end_is_said_and_understood) {
  make();
  BOOST_REQUIRE(shake());
  client.reset();
  server->read();
  BOOST_CHECK(!server->unwrap());
  BOOST_REQUIRE(server->ended());
  BOOST_CHECK_EQUAL(std::string(server->reason()), "closed by the peer");
}

BOOST_AUTO_TEST_SUITE_END()
