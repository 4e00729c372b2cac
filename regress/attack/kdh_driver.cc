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
 * A client of TLS-KDH that is in nobody's hands but the test's: each case does one thing that no
 * honest client does, or that one may. For kdh.sh.
 *
 *   kdh_driver PORT SERVICE CASE [ARGUMENT]
 *
 * Prints one line: "accepted GROUP SUITE", or "refused ALERT" (RFC 8446 section 6), or "closed"
 * when the server closes without an alert. Ends with 1 when something else went wrong. Takes the
 * tickets that the environment names.
 */
#include <krb5/krb5.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "auth_kdh.h"
#include "unique_fd.h"
#include "wire_client.h"

namespace mp11 {
namespace {

using test::Bytes;
using test::send_all;

constexpr uint8_t kSuite[] = {0x13, 0x02};

/* ---- tickets ---- */

struct Ticket {
  /* `padding`: octets of authorisation data that the KDC is asked to put into it. */
  Ticket(const std::string& service, size_t padding) {
    krb5_creds wanted{};
    krb5_error_code code = krb5_init_context(&context);
    krb5_ccache cache = nullptr;
    if (code == 0) code = krb5_cc_default(context, &cache);
    if (code == 0) code = krb5_cc_get_principal(context, cache, &wanted.client);
    if (code == 0) code = krb5_parse_name(context, service.c_str(), &wanted.server);
    std::string text(padding, 'x');
    krb5_authdata data{};
    krb5_authdata* list[] = {&data, nullptr};
    data.magic = KV5M_AUTHDATA;
    data.ad_type = -1234;
    data.length = static_cast<unsigned>(text.size());
    data.contents = reinterpret_cast<krb5_octet*>(text.data());
    if (padding != 0) wanted.authdata = list;
    if (code == 0)
      code = krb5_get_credentials(context, padding != 0 ? KRB5_GC_NO_STORE : 0, cache, &wanted,
                                  &creds);
    NEED(code == 0, "%s", krb5_get_error_message(context, code));
    creds->authdata = nullptr; /* else it would be in the authenticator too */
  }
  /* The AP-REQ for what is checksummed, and its key. */
  void make(std::span<const uint8_t, kKdhRandom> random, Bytes* ap_req, uint8_t psk[kKdhPsk]) {
    krb5_auth_context connection = nullptr;
    Bytes checksummed = kdh_checksummed(random);
    krb5_data in{0, static_cast<unsigned>(checksummed.size()),
                 reinterpret_cast<char*>(checksummed.data())};
    krb5_data out{};
    krb5_keyblock* subkey = nullptr;
    NEED(
        krb5_auth_con_init(context, &connection) == 0 &&
            krb5_mk_req_extended(context, &connection, AP_OPTS_USE_SUBKEY, &in, creds, &out) == 0 &&
            krb5_auth_con_getsendsubkey(context, connection, &subkey) == 0 &&
            kdh_psk(context, *subkey, std::span<uint8_t, kKdhPsk>(psk, kKdhPsk)) == 0,
        "AP-REQ");
    ap_req->assign(out.data, out.data + out.length);
    krb5_free_keyblock(context, subkey);
    krb5_free_data_contents(context, &out);
    krb5_auth_con_free(context, connection);
  }
  krb5_context context = nullptr;
  krb5_creds* creds = nullptr;
};

/* ---- TLS over buffers, so that what is sent can be changed ---- */

struct Client {
  std::string kind;
  Ticket* ticket = nullptr;
  Bytes ap_req;
  uint8_t psk[kKdhPsk] = {};
  int asked = 0;
  uint32_t early = 0; /* octets of early data that are offered */
};

int on_psk(SSL* tls, const EVP_MD*, const unsigned char** identity, size_t* size,
           SSL_SESSION** session) {
  auto* client = static_cast<Client*>(SSL_get_app_data(tls));
  client->asked++;
  if (client->ap_req.empty() || (client->kind == "other-after-hrr" && client->asked == 2)) {
    uint8_t random[kKdhRandom];
    SSL_get_client_random(tls, random, sizeof random);
    if (client->kind == "other-hello") random[0] ^= 1;
    client->ticket->make(random, &client->ap_req, client->psk);
    if (client->kind == "wrong-psk") client->psk[0] ^= 1;
  }
  *identity = client->ap_req.data();
  *size = client->ap_req.size();
  *session = SSL_SESSION_new();
  NEED(SSL_SESSION_set1_master_key(*session, client->psk, sizeof client->psk) == 1 &&
           SSL_SESSION_set_cipher(*session, SSL_CIPHER_find(tls, kSuite)) == 1 &&
           SSL_SESSION_set_protocol_version(*session, TLS1_3_VERSION) == 1,
       "SSL_SESSION");
  if (client->early != 0) SSL_SESSION_set_max_early_data(*session, client->early);
  return 1;
}

SSL_CTX* context_of(const std::string& kind) {
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_min_proto_version(context, kind == "tls12" ? TLS1_2_VERSION : TLS1_3_VERSION);
  SSL_CTX_set_max_proto_version(context, kind == "tls12" ? TLS1_2_VERSION : TLS1_3_VERSION);
  SSL_CTX_set_ciphersuites(context, kind == "other-suite" ? "TLS_AES_128_GCM_SHA256" : kKdhSuite);
  const char* groups = kind == "hrr" || kind == "other-after-hrr" ? "P-384:X25519"
                       : kind == "no-group"                       ? "P-521"
                       : kind == "p256"                           ? "P-256"
                                                                  : kKdhGroups;
  SSL_CTX_set1_groups_list(context, groups);
  if (kind == "both-modes" || kind == "psk-only")
    SSL_CTX_set_options(context, SSL_OP_ALLOW_NO_DHE_KEX);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  if (kind != "no-psk" && kind != "tls12") SSL_CTX_set_psk_use_session_callback(context, on_psk);
  if (kind == "other-alpn")
    SSL_CTX_set_alpn_protos(context, reinterpret_cast<const uint8_t*>("\x02h2"), 3);
  else if (kind != "no-alpn")
    SSL_CTX_set_alpn_protos(context, kKdhAlpn, kKdhAlpnSize);
  return context;
}

UniqueFd dial(uint16_t port) {
  test::Target target;
  target.port = port;
  return test::dial(target);
}

/* What comes next; empty when the peer closes. */
Bytes receive(int fd) {
  pollfd wait{fd, POLLIN, 0};
  NEED(::poll(&wait, 1, test::kPatienceMs) == 1, "the server neither answers nor closes");
  Bytes out(70000);
  const ssize_t n = ::recv(fd, out.data(), out.size(), 0);
  out.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return out;
}
Bytes pending(BIO* bio) {
  Bytes out(static_cast<size_t>(BIO_pending(bio)));
  if (!out.empty()) BIO_read(bio, out.data(), static_cast<int>(out.size()));
  return out;
}

/* Replaces one sequence of octets by another of the same length; it must be there. */
void rewrite(Bytes* octets, const Bytes& from, const Bytes& to) {
  auto at = std::search(octets->begin(), octets->end(), from.begin(), from.end());
  NEED(at != octets->end(), "what was to be rewritten is not there");
  std::copy(to.begin(), to.end(), at);
}

std::string alert_line() {
  const unsigned long error = ERR_peek_last_error();
  const int reason = ERR_GET_REASON(error);
  if (reason > SSL_AD_REASON_OFFSET)
    return "refused " + std::to_string(reason - SSL_AD_REASON_OFFSET);
  char text[256];
  ERR_error_string_n(error, text, sizeof text);
  return std::string("failed: ") + text;
}

/* One connection. *flight: what was sent first; a case may stop after it. */
std::string connect(uint16_t port, Client* client, Bytes* flight) {
  SSL_CTX* context = context_of(client->kind);
  SSL* tls = SSL_new(context);
  BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
  SSL_set_bio(tls, in, out);
  SSL_set_app_data(tls, client);
  SSL_set_connect_state(tls);
  UniqueFd fd = dial(port);
  std::string line;
  if (client->kind == "early-data") {
    client->early = 100;
    size_t written = 0;
    SSL_write_early_data(tls, "hello", 5, &written);
  }
  for (bool first = true; line.empty(); first = false) {
    ERR_clear_error();
    const int result = SSL_do_handshake(tls);
    const int error = SSL_get_error(tls, result);
    Bytes octets = pending(out);
    if (first) {
      /* psk_key_exchange_modes with psk_ke instead of psk_dhe_ke. */
      if (client->kind == "psk-only") {
        const Bytes both = {0x00, 0x2d, 0x00, 0x03, 0x02, 0x00, 0x01};
        const Bytes other = {0x00, 0x2d, 0x00, 0x03, 0x02, 0x01, 0x00};
        const auto there = [&](const Bytes& what) {
          return std::search(octets.begin(), octets.end(), what.begin(), what.end()) !=
                 octets.end();
        };
        const Bytes none = {0x00, 0x2d, 0x00, 0x03, 0x02, 0x00, 0x00};
        rewrite(&octets, there(both) ? both : other, none);
      }
      *flight = octets;
    }
    if (!octets.empty() && !send_all(fd.get(), octets)) line = "closed";
    if (result == 1) {
      line = std::string("accepted ") +
             OBJ_nid2sn(static_cast<int>(SSL_get_negotiated_group(tls))) + " " +
             SSL_get_cipher(tls) + (SSL_session_reused(tls) == 1 ? "" : " without-key");
    } else if (error != SSL_ERROR_WANT_READ) {
      line = alert_line();
    } else {
      if (client->kind == "no-finish" && !first) {
        while (!receive(fd.get()).empty())
          ;
        line = "closed";
        break;
      }
      Bytes answer = receive(fd.get());
      if (answer.empty()) {
        line = "closed";
      } else if (client->kind == "no-finish") {
        NEED(answer[0] == 22, "no ServerHello");
        while (!receive(fd.get()).empty())
          ;
        line = "closed";
      } else {
        BIO_write(in, answer.data(), static_cast<int>(answer.size()));
      }
    }
  }
  /* A server that refuses does so when the client believes that all is well, too. */
  if (line.starts_with("accepted")) {
    uint8_t octet = 0;
    pollfd wait{fd.get(), POLLIN, 0};
    if (::poll(&wait, 1, 300) == 1) {
      Bytes answer = receive(fd.get());
      if (answer.empty()) {
        line = "closed";
      } else {
        BIO_write(in, answer.data(), static_cast<int>(answer.size()));
        ERR_clear_error();
        const int taken = SSL_read(tls, &octet, 1);
        if (taken <= 0 && SSL_get_error(tls, taken) == SSL_ERROR_SSL) line = alert_line();
      }
    }
  }
  if (client->kind == "hrr") NEED(client->asked == 2, "there was no HelloRetryRequest");
  SSL_free(tls);
  SSL_CTX_free(context);
  return line;
}

/* Octets, as they are, and the alert that they get. */
std::string raw(uint16_t port, const Bytes& octets) {
  UniqueFd fd = dial(port);
  if (!send_all(fd.get(), octets)) return "closed";
  const Bytes answer = receive(fd.get());
  if (answer.empty()) return "closed";
  if (answer.size() >= 7 && answer[0] == 21) return "refused " + std::to_string(answer[6]);
  return "answered";
}

int run(int argc, char** argv) {
  NEED(argc >= 4, "usage: kdh_driver PORT SERVICE CASE [ARGUMENT]");
  const auto port = static_cast<uint16_t>(std::atoi(argv[1]));
  const std::string service = argv[2], kind = argv[3];
  const std::string argument = argc > 4 ? argv[4] : "";
  size_t padding = 0;
  if (kind == "padded") padding = static_cast<size_t>(std::atoi(argument.c_str()));
  Ticket ticket(service, padding);
  Client client;
  client.kind = kind;
  client.ticket = &ticket;
  Bytes flight;
  if (kind == "held") { /* an AP-REQ that is made now and used later */
    ::sleep(static_cast<unsigned>(std::atoi(argument.c_str())));
  }
  std::string line;
  if (kind == "again") { /* the AP-REQ of an honest connection in a new ClientHello */
    NEED(connect(port, &client, &flight).starts_with("accepted"), "the first is not accepted");
    line = connect(port, &client, &flight);
  } else if (kind == "replay") { /* a whole ClientHello once more */
    NEED(connect(port, &client, &flight).starts_with("accepted"), "the first is not accepted");
    const size_t record = 5 + (size_t{flight[3]} << 8 | flight[4]);
    flight.resize(std::min(flight.size(), record));
    line = raw(port, flight);
  } else if (kind == "cut") { /* behind each octet of it */
    Client other = client;
    NEED(connect(port, &other, &flight).starts_with("accepted"), "not accepted");
    for (size_t size = 1; size < flight.size(); size += 1 + size / 20) {
      UniqueFd fd = dial(port);
      NEED(send_all(fd.get(), {flight.begin(), flight.begin() + static_cast<ptrdiff_t>(size)}),
           "closed early");
      test::half_close(fd.get());
      while (!receive(fd.get()).empty())
        ;
    }
    line = "closed";
  } else if (kind == "changed") { /* one octet of it, at many places; none may be accepted */
    for (unsigned i = 0; i < 60; i++) {
      Client other;
      other.kind = "changed";
      other.ticket = &ticket;
      SSL_CTX* context = context_of(kind);
      SSL* tls = SSL_new(context);
      BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
      SSL_set_bio(tls, in, out);
      SSL_set_app_data(tls, &other);
      SSL_set_connect_state(tls);
      (void)SSL_do_handshake(tls);
      Bytes octets = pending(out);
      octets[5 + i * (octets.size() - 6) / 60] ^= 0x21;
      UniqueFd fd = dial(port);
      NEED(send_all(fd.get(), octets), "closed early");
      test::half_close(fd.get());
      for (;;) {
        Bytes answer = receive(fd.get());
        if (answer.empty()) break;
        BIO_write(in, answer.data(), static_cast<int>(answer.size()));
        if (SSL_do_handshake(tls) == 1) {
          std::printf("octet %u changed, and accepted\n", i);
          return 1;
        }
      }
      SSL_free(tls);
      SSL_CTX_free(context);
    }
    line = "closed";
  } else {
    line = connect(port, &client, &flight);
  }
  std::printf("%s\n", line.c_str());
  return 0;
}

}  // namespace
}  // namespace mp11

int main(int argc, char** argv) { return mp11::run(argc, argv); }
