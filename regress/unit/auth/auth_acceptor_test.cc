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
 * Who is let in: libgssapi as the client, with forged tickets, against Acceptor.
 * If these fail, auth takes somebody for whom he is not, or takes a token twice.
 */
#include "auth_acceptor.h"

#include <gssapi/gssapi_ext.h>
#include <gssapi/gssapi_krb5.h>

#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <optional>

#include "auth_fixture.h"

using mp11::Accepted;
using mp11::Acceptor;
using mp11::AuthStart;
using mp11::Refused;
using mp11::test::Forgery;
using Bytes = std::vector<uint8_t>;

namespace {

constexpr OM_uint32 kFlags =
    GSS_C_MUTUAL_FLAG | GSS_C_REPLAY_FLAG | GSS_C_CONF_FLAG | GSS_C_INTEG_FLAG;

struct Fixture : mp11::test::AuthFixture {
  ~Fixture() {
    OM_uint32 minor;
    gss_delete_sec_context(&minor, &client, GSS_C_NO_BUFFER);
  }
  /* The client's first token. */
  Bytes token(const Forgery& forgery, OM_uint32 flags = kFlags) {
    OM_uint32 minor;
    gss_delete_sec_context(&minor, &client, GSS_C_NO_BUFFER);
    gss_cred_id_t credential = forge->credential(forgery);
    if (!protect) {
      gss_buffer_desc empty = GSS_C_EMPTY_BUFFER;
      BOOST_REQUIRE_EQUAL(
          gss_set_cred_option(&minor, &credential, const_cast<gss_OID>(GSS_KRB5_CRED_NO_CI_FLAGS_X),
                              &empty),
          0u);
    }
    const std::string& service = forgery.requested.empty() ? forgery.service : forgery.requested;
    gss_buffer_desc text = {service.size(), const_cast<char*>(service.data())};
    gss_name_t name;
    gss_import_name(&minor, &text, const_cast<gss_OID>(GSS_KRB5_NT_PRINCIPAL_NAME), &name);
    gss_buffer_desc out = GSS_C_EMPTY_BUFFER;
    OM_uint32 major =
        gss_init_sec_context(&minor, credential, &client, name, const_cast<gss_OID>(gss_mech_krb5),
                             flags, 0, nullptr, GSS_C_NO_BUFFER, nullptr, &out, nullptr, nullptr);
    BOOST_REQUIRE_MESSAGE(!GSS_ERROR(major), "gss_init_sec_context " << major << "/" << minor);
    auto* p = static_cast<uint8_t*>(out.value);
    Bytes bytes(p, p + out.length);
    gss_release_buffer(&minor, &out);
    gss_release_name(&minor, &name);
    gss_release_cred(&minor, &credential);
    return bytes;
  }
  /* What the client makes of the answer: 0, or the Kerberos error. */
  OM_uint32 finish(const Bytes& reply) {
    gss_buffer_desc in = {reply.size(), const_cast<uint8_t*>(reply.data())};
    gss_buffer_desc out = GSS_C_EMPTY_BUFFER;
    OM_uint32 minor, ignored;
    gss_buffer_desc text = {start.principal.size(), start.principal.data()};
    gss_name_t name;
    gss_import_name(&minor, &text, const_cast<gss_OID>(GSS_KRB5_NT_PRINCIPAL_NAME), &name);
    OM_uint32 major = gss_init_sec_context(&minor, GSS_C_NO_CREDENTIAL, &client, name,
                                           const_cast<gss_OID>(gss_mech_krb5), kFlags, 0, nullptr,
                                           &in, nullptr, &out, nullptr, nullptr);
    gss_release_buffer(&ignored, &out);
    gss_release_name(&ignored, &name);
    return major == GSS_S_COMPLETE ? 0 : minor;
  }
  void check_refused(const Bytes& token, const std::string& reason, long error) {
    BOOST_TEST_INFO("expecting: " << reason);
    Accepted accepted;
    Refused refused;
    BOOST_REQUIRE(!acceptor->accept(token, &accepted, &refused));
    BOOST_CHECK_MESSAGE(refused.text.find(reason) != std::string::npos,
                        "'" << refused.text << "' does not say '" << reason << "'");
    if (error != 0) BOOST_CHECK_EQUAL(static_cast<int>(finish(refused.token)), error);
  }

  gss_ctx_id_t client = GSS_C_NO_CONTEXT;
  bool protect = true;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(auth_acceptor, Fixture)

BOOST_AUTO_TEST_CASE(a_good_client_is_accepted_with_every_aes_type) {
  for (krb5_enctype ticket : {17, 18, 19, 20}) {
    for (krb5_enctype session : {17, 18, 19, 20}) {
      Forgery forgery;
      forgery.ticket_enctype = ticket;
      forgery.session_enctype = session;
      Accepted accepted;
      Refused refused;
      BOOST_REQUIRE_MESSAGE(acceptor->accept(token(forgery), &accepted, &refused), refused.text);
      BOOST_CHECK_EQUAL(accepted.principal, "alice@FORGED.TEST");
      BOOST_CHECK_EQUAL(finish(accepted.reply), 0u);
      BOOST_CHECK_EQUAL(accepted.done.enctype, 20u); /* RFC 4537: the best that both know */
      BOOST_CHECK_EQUAL(accepted.done.key_size, 32u);
      BOOST_CHECK_EQUAL(accepted.done.acceptor_subkey, 1u);
      auto left = static_cast<int64_t>(accepted.done.expires_s) - time(nullptr);
      BOOST_CHECK(left > 3590 && left <= 3600);
    }
  }
}

BOOST_AUTO_TEST_CASE(names_are_written_as_krb5_unparse_name_writes_them) {
  for (std::string name :
       {"host/a.b.c@FORGED.TEST", "a\\@b\\/c@OTHER.REALM", "a\\nb@FORGED.TEST"}) {
    Forgery forgery;
    forgery.client = name;
    Accepted accepted;
    Refused refused;
    BOOST_REQUIRE_MESSAGE(acceptor->accept(token(forgery), &accepted, &refused), refused.text);
    BOOST_CHECK_EQUAL(accepted.principal, name);
  }
  Forgery forgery;
  forgery.client = std::string(510 - 12, 'x') + "@FORGED.TEST";
  Accepted accepted;
  Refused refused;
  BOOST_CHECK_MESSAGE(acceptor->accept(token(forgery), &accepted, &refused), refused.text);
  forgery.client = std::string(512 - 12, 'x') + "@FORGED.TEST";
  check_refused(token(forgery), "too long", KRB5KRB_ERR_FIELD_TOOLONG);
}

BOOST_AUTO_TEST_CASE(a_replayed_token_is_refused) {
  Bytes first = token({});
  Accepted accepted;
  Refused refused;
  BOOST_REQUIRE(acceptor->accept(first, &accepted, &refused));
  check_refused(first, "replayed", KRB5KRB_AP_ERR_REPEAT);
  Accepted again;
  BOOST_CHECK(acceptor->accept(token({}), &again, &refused)); /* a new one is not affected */
}

BOOST_AUTO_TEST_CASE(a_token_from_before_the_start_is_refused) {
  Bytes old = token({});
  sleep(1);
  make_acceptor();
  check_refused(old, "older than this process", KRB5KRB_AP_ERR_REPEAT);
  Accepted accepted;
  Refused refused;
  BOOST_CHECK_MESSAGE(acceptor->accept(token({}), &accepted, &refused), refused.text);
}

BOOST_AUTO_TEST_CASE(bad_tickets_are_refused) {
  Forgery forgery;
  forgery.start_s = -7200;
  forgery.end_s = -3600;
  check_refused(token(forgery), "expired", KRB5KRB_AP_ERR_TKT_EXPIRED);
  forgery.end_s = -2; /* libkrb5 would grant it another five minutes */
  check_refused(token(forgery), "expired", KRB5KRB_AP_ERR_TKT_EXPIRED);
  forgery = {};
  forgery.start_s = 3600;
  forgery.end_s = 7200;
  check_refused(token(forgery), "not yet valid", KRB5KRB_AP_ERR_TKT_NYV);
  forgery = {};
  forgery.flags = TKT_FLG_INVALID;
  check_refused(token(forgery), "nvalid", 0);
  forgery = {};
  forgery.other_key = true;
  check_refused(token(forgery), "ecrypt", 0);
  forgery = {};
  forgery.service = "http/localhost@FORGED.TEST";
  forgery.other_key = true;
  check_refused(token(forgery), "ecrypt", 0);
}

BOOST_AUTO_TEST_CASE(anonymous_clients_are_refused) {
  Forgery forgery;
  forgery.client = "WELLKNOWN/ANONYMOUS@FORGED.TEST";
  check_refused(token(forgery), "anonymous", KRB5KDC_ERR_POLICY);
  forgery.client = "WELLKNOWN/ANONYMOUS@WELLKNOWN:ANONYMOUS";
  check_refused(token(forgery), "anonymous", KRB5KDC_ERR_POLICY);
  forgery.client = "alice@FORGED.TEST";
  forgery.flags = TKT_FLG_ANONYMOUS;
  check_refused(token(forgery), "anonymous", KRB5KDC_ERR_POLICY);
}

BOOST_AUTO_TEST_CASE(rc4_is_refused_in_ticket_and_session_key) {
  Forgery forgery;
  forgery.session_enctype = ENCTYPE_ARCFOUR_HMAC;
  check_refused(token(forgery), "session key", KRB5KDC_ERR_ETYPE_NOSUPP);
  forgery = {};
  forgery.ticket_enctype = ENCTYPE_ARCFOUR_HMAC; /* that key was not taken out of the keytab */
  check_refused(token(forgery), "", 0);
}

BOOST_AUTO_TEST_CASE(every_flag_is_needed) {
  for (int missing : {GSS_C_MUTUAL_FLAG, GSS_C_REPLAY_FLAG})
    check_refused(token({}, kFlags & ~static_cast<OM_uint32>(missing)), "does not ask for", 0);
  protect = false; /* libgssapi asks for both even if its caller does not */
  for (int missing : {GSS_C_CONF_FLAG, GSS_C_INTEG_FLAG})
    check_refused(token({}, kFlags & ~static_cast<OM_uint32>(missing)), "does not ask for", 0);
  protect = true;
  check_refused(token({}, kFlags | GSS_C_DCE_STYLE), "initial token", 0);
}

BOOST_AUTO_TEST_CASE(user_to_user_is_refused) {
  Bytes bytes = token({});
  /* ap-options [2] BIT STRING stands outside what is encrypted. */
  const uint8_t options[] = {0xa2, 0x07, 0x03, 0x05, 0x00, 0x20};
  auto at = std::search(bytes.begin(), bytes.end(), std::begin(options), std::end(options));
  BOOST_REQUIRE(at != bytes.end());
  at[5] |= 0x40;
  check_refused(bytes, "user-to-user", 0);
}

BOOST_AUTO_TEST_CASE(no_changed_or_cut_token_is_accepted) {
  const Bytes good = token({});
  size_t taken = 0;
  for (size_t i = 0; i < good.size(); i += 3) {
    Bytes bad = good;
    bad[i] = static_cast<uint8_t>(bad[i] ^ 0x04);
    Accepted accepted;
    Refused refused;
    /* Few octets are unprotected (ap-options): who changes them still uses the token up. */
    if (acceptor->accept(bad, &accepted, &refused)) taken++;
    BOOST_REQUIRE(taken <= 1);
  }
  for (size_t size = 0; size < good.size(); size++) {
    Accepted accepted;
    Refused refused;
    BOOST_REQUIRE(!acceptor->accept(std::span(good).first(size), &accepted, &refused));
  }
  Bytes longer = good;
  longer.push_back(0);
  check_refused(longer, "initial token", 0);
}

BOOST_AUTO_TEST_CASE(only_the_kerberos_mechanism_in_der_is_taken) {
  const Bytes good = token({});
  const auto inner = mp11::ap_req_in_token(good);
  BOOST_REQUIRE(!inner.empty());
  BOOST_CHECK_EQUAL(inner[0], 0x6e);
  check_refused(Bytes(inner.begin(), inner.end()), "initial token", 0); /* bare, as DCE has it */
  const uint8_t spnego[] = {0x60, 0x08, 0x06, 0x06, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x02};
  check_refused(Bytes(spnego, spnego + sizeof spnego), "initial token", 0);
  Bytes old = good; /* 1.2.840.48018.1.2.2, Microsoft's */
  const uint8_t wrong[] = {0x2a, 0x86, 0x48, 0x82, 0xf7, 0x12, 0x01, 0x02, 0x02};
  std::copy(std::begin(wrong), std::end(wrong), old.begin() + 6);
  check_refused(old, "initial token", 0);
  Bytes indefinite = good;
  indefinite[1] = 0x80;
  check_refused(indefinite, "initial token", 0);
  Bytes padded = good; /* the length in one octet more than it needs */
  padded[1]++;
  padded.insert(padded.begin() + 2, 0);
  check_refused(padded, "initial token", 0);
  check_refused(Bytes(mp11::limits::kGssToken + 1, 0x60), "initial token", 0);
}

BOOST_AUTO_TEST_CASE(a_keytab_without_the_right_key_is_no_keytab) {
  AuthStart other = start;
  other.principal = "pkcs11/elsewhere@FORGED.TEST";
  auto made = Acceptor::create(other, keytab);
  BOOST_REQUIRE(!made.ok());
  BOOST_CHECK(made.error().text.find("no AES key of pkcs11/elsewhere") != std::string::npos);
  made = Acceptor::create(start, "FILE:/dev/null");
  BOOST_CHECK(!made.ok());
  made = Acceptor::create(start, "FILE:/nonexistent");
  BOOST_CHECK(!made.ok());
}

BOOST_AUTO_TEST_CASE(a_narrow_clockskew_is_kept) {
  start.clockskew_s = 1;
  make_acceptor();
  Bytes late = token({});
  sleep(2);
  check_refused(late, "clocks differ", KRB5KRB_AP_ERR_SKEW);
}

BOOST_AUTO_TEST_SUITE_END()
