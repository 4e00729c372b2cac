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
 * Whose ClientHello is taken, with forged tickets, against Acceptor.
 * If these fail, auth takes somebody for whom he is not, or gives the key of one connection to
 * another.
 */
#include "auth_kdh.h"

#include <gssapi/gssapi_krb5.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "auth_fixture.h"

using mp11::AcceptedKdh;
using mp11::kKdhRandom;
using mp11::Refused;
using mp11::test::Forgery;
using Bytes = std::vector<uint8_t>;

namespace {

/* How an AP-REQ is made; the rest as TLS-KDH has it. */
struct Making {
  bool subkey = true;
  bool checksum = true;
  uint32_t options = 0;
};

struct Fixture : mp11::test::AuthFixture {
  Fixture() { std::memset(random, 7, sizeof random); }

  /* The AP-REQ for `checksummed`; and the client's key into psk. */
  Bytes ap_req(const Forgery& forgery, Bytes checksummed, const Making& making = {}) {
    krb5_context context = forge->context();
    krb5_creds creds = forge->credentials(forgery);
    krb5_auth_context connection = nullptr;
    krb5_data in{0, static_cast<unsigned>(checksummed.size()),
                 reinterpret_cast<char*>(checksummed.data())};
    krb5_data out{};
    krb5_keyblock* subkey = nullptr;
    BOOST_REQUIRE_EQUAL(krb5_auth_con_init(context, &connection), 0);
    BOOST_REQUIRE_EQUAL(
        krb5_mk_req_extended(
            context, &connection,
            static_cast<krb5_flags>((making.subkey ? AP_OPTS_USE_SUBKEY : 0) | making.options),
            making.checksum ? &in : nullptr, &creds, &out),
        0);
    BOOST_REQUIRE_EQUAL(krb5_auth_con_getsendsubkey(context, connection, &subkey), 0);
    if (subkey != nullptr) BOOST_REQUIRE_EQUAL(mp11::kdh_psk(context, *subkey, psk), 0);
    Bytes bytes(out.data, out.data + out.length);
    krb5_free_keyblock(context, subkey);
    krb5_free_data_contents(context, &out);
    krb5_auth_con_free(context, connection);
    krb5_free_cred_contents(context, &creds);
    return bytes;
  }
  Bytes ap_req(const Forgery& forgery = {}) {
    return ap_req(forgery, mp11::kdh_checksummed(random));
  }
  void check_refused(const Bytes& octets, const std::string& reason, mp11::KdhAlert alert) {
    BOOST_TEST_INFO("expecting: " << reason);
    AcceptedKdh accepted;
    Refused refused;
    BOOST_REQUIRE(!acceptor->accept_kdh(octets, random, &accepted, &refused));
    BOOST_CHECK_MESSAGE(refused.text.find(reason) != std::string::npos,
                        "'" << refused.text << "' does not say '" << reason << "'");
    BOOST_CHECK_EQUAL(static_cast<int>(mp11::kdh_alert(refused.code)), static_cast<int>(alert));
  }

  uint8_t random[kKdhRandom];
  uint8_t psk[mp11::kKdhPsk] = {};
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(auth_kdh, Fixture)

BOOST_AUTO_TEST_CASE(both_ends_have_the_same_key_with_every_aes_type) {
  for (krb5_enctype ticket : {17, 18, 19, 20}) {
    for (krb5_enctype session : {17, 18, 19, 20}) {
      Forgery forgery;
      forgery.ticket_enctype = ticket;
      forgery.session_enctype = session;
      AcceptedKdh accepted;
      Refused refused;
      BOOST_REQUIRE_MESSAGE(acceptor->accept_kdh(ap_req(forgery), random, &accepted, &refused),
                            refused.text);
      BOOST_CHECK_EQUAL(accepted.principal, "alice@FORGED.TEST");
      BOOST_CHECK(std::memcmp(accepted.done.psk, psk, sizeof psk) == 0);
      BOOST_CHECK_EQUAL(accepted.enctype, session);
      const int64_t left = accepted.expires_s - time(nullptr);
      BOOST_CHECK(left > 3590 && left <= 3600);
    }
  }
}

BOOST_AUTO_TEST_CASE(no_two_keys_are_the_same) {
  Bytes first, second;
  for (Bytes* key : {&first, &second}) {
    AcceptedKdh accepted;
    Refused refused;
    BOOST_REQUIRE(acceptor->accept_kdh(ap_req(), random, &accepted, &refused));
    key->assign(psk, psk + sizeof psk);
  }
  BOOST_CHECK(first != second);
  BOOST_CHECK(first != Bytes(mp11::kKdhPsk, 0));
}

BOOST_AUTO_TEST_CASE(an_ap_req_is_for_one_client_hello) {
  Bytes other = mp11::kdh_checksummed(random);
  other.back() ^= 1;
  check_refused(ap_req({}, other), "made for another ClientHello", mp11::kKdhAlertDenied);
  Bytes unlabelled(random, random + sizeof random);
  check_refused(ap_req({}, unlabelled), "made for another ClientHello", mp11::kKdhAlertDenied);
  check_refused(ap_req({}, {}, {.checksum = false}), "no checksum by a key", mp11::kKdhAlertDenied);
}

/* What GSS-API puts there is no checksum by a key. */
BOOST_AUTO_TEST_CASE(an_ap_req_made_for_gss_api_is_refused) {
  gss_cred_id_t credential = forge->credential({});
  OM_uint32 minor;
  gss_buffer_desc text = {start.principal.size(), start.principal.data()};
  gss_buffer_desc token = GSS_C_EMPTY_BUFFER;
  gss_name_t name = GSS_C_NO_NAME;
  gss_ctx_id_t context = GSS_C_NO_CONTEXT;
  gss_import_name(&minor, &text, const_cast<gss_OID>(GSS_KRB5_NT_PRINCIPAL_NAME), &name);
  const OM_uint32 major = gss_init_sec_context(
      &minor, credential, &context, name, const_cast<gss_OID>(gss_mech_krb5),
      GSS_C_MUTUAL_FLAG | GSS_C_REPLAY_FLAG | GSS_C_CONF_FLAG | GSS_C_INTEG_FLAG, 0, nullptr,
      GSS_C_NO_BUFFER, nullptr, &token, nullptr, nullptr);
  BOOST_REQUIRE(!GSS_ERROR(major));
  auto* octets = static_cast<const uint8_t*>(token.value);
  const auto inner = mp11::ap_req_in_token({octets, token.length});
  BOOST_REQUIRE(!inner.empty());
  check_refused(Bytes(inner.begin(), inner.end()), "no checksum by a key", mp11::kKdhAlertDenied);
  gss_release_buffer(&minor, &token);
  gss_release_name(&minor, &name);
  gss_release_cred(&minor, &credential);
  gss_delete_sec_context(&minor, &context, GSS_C_NO_BUFFER);
}

BOOST_AUTO_TEST_CASE(an_ap_req_is_taken_once) {
  Bytes octets = ap_req();
  AcceptedKdh accepted;
  Refused refused;
  BOOST_REQUIRE(acceptor->accept_kdh(octets, random, &accepted, &refused));
  check_refused(octets, "replayed", mp11::kKdhAlertTryAgain);
  /* The octet behind the tag of ap-options is outside what is protected. */
  const uint8_t options[] = {0xa2, 0x07, 0x03, 0x05, 0x00, 0x00};
  auto at = std::search(octets.begin(), octets.end(), std::begin(options), std::end(options));
  BOOST_REQUIRE(at != octets.end());
  at[5] |= 0x01;
  check_refused(octets, "replayed", mp11::kKdhAlertTryAgain);
}

BOOST_AUTO_TEST_CASE(an_ap_req_from_before_the_start_is_refused) {
  const Bytes old = ap_req();
  sleep(1);
  make_acceptor();
  check_refused(old, "older than this process", mp11::kKdhAlertTryAgain);
}

BOOST_AUTO_TEST_CASE(without_a_subkey_there_is_no_key) {
  check_refused(ap_req({}, mp11::kdh_checksummed(random), {.subkey = false}), "no subkey",
                mp11::kKdhAlertDenied);
}

BOOST_AUTO_TEST_CASE(bad_tickets_are_refused) {
  Forgery forgery;
  forgery.end_s = -2; /* libkrb5 would grant it another five minutes */
  check_refused(ap_req(forgery), "expired", mp11::kKdhAlertExpired);
  forgery = {};
  forgery.other_key = true;
  check_refused(ap_req(forgery), "ecrypt", mp11::kKdhAlertWrongKey);
  forgery = {};
  forgery.service = "http/localhost@FORGED.TEST";
  forgery.other_key = true;
  check_refused(ap_req(forgery), "ecrypt", mp11::kKdhAlertWrongKey);
  forgery = {};
  forgery.session_enctype = ENCTYPE_ARCFOUR_HMAC;
  check_refused(ap_req(forgery), "session key", mp11::kKdhAlertWeak);
  forgery = {};
  forgery.ticket_enctype = ENCTYPE_ARCFOUR_HMAC; /* that key was not taken out of the keytab */
  check_refused(ap_req(forgery), "", mp11::kKdhAlertWrongKey);
  forgery = {};
  forgery.client = "WELLKNOWN/ANONYMOUS@WELLKNOWN:ANONYMOUS";
  check_refused(ap_req(forgery), "anonymous", mp11::kKdhAlertDenied);
}

BOOST_AUTO_TEST_CASE(user_to_user_is_refused) {
  Bytes octets = ap_req();
  const uint8_t options[] = {0xa2, 0x07, 0x03, 0x05, 0x00, 0x00};
  auto at = std::search(octets.begin(), octets.end(), std::begin(options), std::end(options));
  BOOST_REQUIRE(at != octets.end());
  at[5] |= 0x40;
  check_refused(octets, "user-to-user", mp11::kKdhAlertDenied);
}

BOOST_AUTO_TEST_CASE(a_clock_that_is_wrong_is_told_so) {
  start.clockskew_s = 1;
  make_acceptor();
  const Bytes octets = ap_req();
  sleep(3);
  check_refused(octets, "clocks differ", mp11::kKdhAlertSkew);
}

BOOST_AUTO_TEST_CASE(no_changed_or_cut_ap_req_is_accepted) {
  const Bytes good = ap_req();
  size_t taken = 0;
  for (size_t i = 0; i < good.size(); i += 3) {
    Bytes bad = good;
    bad[i] = static_cast<uint8_t>(bad[i] ^ 0x04);
    AcceptedKdh accepted;
    Refused refused;
    /* Few octets are unprotected (ap-options): who changes them still uses the AP-REQ up. */
    if (acceptor->accept_kdh(bad, random, &accepted, &refused)) taken++;
    BOOST_REQUIRE(taken <= 1);
  }
  for (size_t size = 0; size < good.size(); size++) {
    AcceptedKdh accepted;
    Refused refused;
    BOOST_REQUIRE(!acceptor->accept_kdh(std::span(good).first(size), random, &accepted, &refused));
  }
}

/* ---- renewal: a fresh ticket for a connection that is there */

namespace {

struct Renewing : Fixture {
  Renewing() {
    AcceptedKdh accepted;
    Refused refused;
    Forgery short_one;
    short_one.end_s = 600;
    BOOST_REQUIRE(acceptor->accept_kdh(ap_req(short_one), random, &accepted, &refused));
    standing = {accepted.principal, accepted.binding, static_cast<uint64_t>(accepted.expires_s)};
  }
  Bytes fresh(const Forgery& forgery = {}) {
    return ap_req(forgery, mp11::renewal_checksummed(standing.binding));
  }
  bool renews(const Bytes& octets, std::string* why = nullptr) {
    Refused refused;
    const mp11::Standing before = standing;
    const bool taken = acceptor->accept_renewal(octets, &standing, &refused);
    if (why != nullptr) *why = refused.text;
    BOOST_CHECK_EQUAL(standing.principal, before.principal);
    BOOST_CHECK(standing.binding == before.binding);
    if (!taken) BOOST_CHECK_EQUAL(standing.expires_s, before.expires_s);
    return taken;
  }
  void check_not_renewed(const Bytes& octets, const std::string& reason) {
    std::string why;
    BOOST_CHECK(!renews(octets, &why));
    BOOST_CHECK_MESSAGE(why.find(reason) != std::string::npos,
                        "'" << why << "' does not say '" << reason << "'");
  }
  mp11::Standing standing;
};

}  // namespace

BOOST_FIXTURE_TEST_CASE(a_fresh_ticket_renews, Renewing) {
  const uint64_t before = standing.expires_s;
  BOOST_CHECK(renews(fresh()));
  BOOST_CHECK(standing.expires_s > before + 2900 && standing.expires_s < before + 3100);
}

BOOST_FIXTURE_TEST_CASE(a_renewal_is_for_one_connection, Renewing) {
  AcceptedKdh other;
  Refused refused;
  BOOST_REQUIRE(acceptor->accept_kdh(ap_req(), random, &other, &refused));
  BOOST_CHECK(other.binding != standing.binding);
  const std::string why = "or another connection";
  check_not_renewed(ap_req({}, mp11::renewal_checksummed(other.binding)), why);
  check_not_renewed(ap_req(), why); /* what a ClientHello has */
  Bytes bare(standing.binding.begin(), standing.binding.end());
  check_not_renewed(ap_req({}, bare), why);
  check_not_renewed(ap_req({}, {}, {.checksum = false}), "no checksum by a key");
  /* Nor is it good for a handshake. */
  check_refused(fresh(), "made for another ClientHello", mp11::kKdhAlertDenied);
}

BOOST_FIXTURE_TEST_CASE(a_renewal_is_of_the_same_principal, Renewing) {
  Forgery bob;
  bob.client = "bob@FORGED.TEST";
  check_not_renewed(fresh(bob), "the connection is that of alice@FORGED.TEST");
  Forgery longer;
  longer.client = "alice/admin@FORGED.TEST";
  check_not_renewed(fresh(longer), "the connection is that of");
}

BOOST_FIXTURE_TEST_CASE(a_renewal_is_taken_once, Renewing) {
  Forgery first;
  first.end_s = 1200;
  const Bytes octets = fresh(first);
  BOOST_CHECK(renews(octets));
  standing.expires_s -= 600; /* else its end would be why */
  check_not_renewed(octets, "replayed");
}

BOOST_FIXTURE_TEST_CASE(a_renewal_never_shortens, Renewing) {
  Forgery shorter;
  shorter.end_s = 300;
  check_not_renewed(fresh(shorter), "ends no later");
  Forgery old;
  old.end_s = -10;
  check_not_renewed(fresh(old), "xpired");
  Forgery foreign;
  foreign.other_key = true;
  check_not_renewed(fresh(foreign), "");
  check_not_renewed(Bytes(100, 0x6e), "");
}

BOOST_AUTO_TEST_SUITE_END()
