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
#include "ticket_forge.h"

#include <gssapi/gssapi_ext.h>
#include <gssapi/gssapi_krb5.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <initializer_list>

namespace mp11::test {
namespace {

constexpr krb5_keyusage kUsageTicket = 2; /* RFC 4120 section 7.5.1 */

void need(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "ticket forge: %s failed\n", what);
  std::abort();
}

/* DER, enough of it for RFC 4120 section 5.3. */
std::string der(unsigned tag, const std::string& content) {
  std::string out(1, static_cast<char>(tag));
  size_t size = content.size();
  if (size < 128) {
    out += static_cast<char>(size);
  } else {
    out += '\x82';
    out += static_cast<char>(size >> 8);
    out += static_cast<char>(size);
  }
  return out + content;
}
std::string field(unsigned number, const std::string& content) {
  return der(0xa0 + number, content);
}
std::string sequence(std::initializer_list<std::string> parts) {
  std::string all;
  for (const std::string& p : parts) all += p;
  return der(0x30, all);
}
std::string integer(uint32_t value) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
  while (out.size() > 1 && out[0] == 0 && (out[1] & 0x80) == 0) out.erase(0, 1);
  return der(0x02, out);
}
std::string text(const krb5_data& data) { return der(0x1b, std::string(data.data, data.length)); }
std::string octets(const void* data, size_t size) {
  return der(0x04, std::string(static_cast<const char*>(data), size));
}
std::string time_text(time_t t) {
  tm parts{};
  gmtime_r(&t, &parts);
  char out[32];
  std::snprintf(out, sizeof out, "%04d%02d%02d%02d%02d%02dZ", parts.tm_year + 1900,
                parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
  return der(0x18, out);
}
std::string bits(uint32_t flags) {
  std::string out(1, '\0');
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(flags >> shift);
  return der(0x03, out);
}
std::string name(krb5_const_principal principal) {
  std::string parts;
  for (int i = 0; i < principal->length; i++) parts += text(principal->data[i]);
  return sequence(
      {field(0, integer(static_cast<uint32_t>(principal->type))), field(1, der(0x30, parts))});
}

}  // namespace

Forge::Forge(std::vector<krb5_enctype> service_enctypes) {
  need(krb5_init_context(&context_) == 0, "krb5_init_context");
  for (krb5_enctype enctype : service_enctypes) {
    krb5_keyblock key{};
    need(krb5_c_make_random_key(context_, enctype, &key) == 0, "krb5_c_make_random_key");
    keys_.push_back(key);
    need(krb5_c_make_random_key(context_, enctype, &key) == 0, "krb5_c_make_random_key");
    other_keys_.push_back(key);
  }
}

Forge::~Forge() {
  for (krb5_keyblock& key : keys_) krb5_free_keyblock_contents(context_, &key);
  for (krb5_keyblock& key : other_keys_) krb5_free_keyblock_contents(context_, &key);
  for (krb5_ccache cache : caches_) krb5_cc_destroy(context_, cache);
  krb5_free_context(context_);
}

void Forge::write_keytab(const std::string& keytab_name, const std::string& service) {
  krb5_keytab keytab;
  need(krb5_kt_resolve(context_, keytab_name.c_str(), &keytab) == 0, "krb5_kt_resolve");
  for (krb5_keyblock& key : keys_) {
    krb5_keytab_entry entry{};
    need(krb5_parse_name(context_, service.c_str(), &entry.principal) == 0, "krb5_parse_name");
    entry.vno = 1;
    entry.key = key;
    need(krb5_kt_add_entry(context_, keytab, &entry) == 0, "krb5_kt_add_entry");
    krb5_free_principal(context_, entry.principal);
  }
  /* A keytab in memory lives as long as something refers to it: leaked on purpose. */
  if (keytab_name.rfind("MEMORY:", 0) != 0) krb5_kt_close(context_, keytab);
}

const krb5_keyblock& Forge::service_key(krb5_enctype enctype, bool other_key) {
  for (const krb5_keyblock& key : other_key ? other_keys_ : keys_)
    if (key.enctype == enctype) return key;
  need(false, "finding the service's key");
  std::abort();
}

std::string Forge::ticket(const Forgery& forgery, const krb5_keyblock& session) {
  krb5_principal client, service;
  need(krb5_parse_name(context_, forgery.client.c_str(), &client) == 0, "krb5_parse_name");
  need(krb5_parse_name(context_, forgery.service.c_str(), &service) == 0, "krb5_parse_name");
  time_t now = time(nullptr);
  std::string part =
      der(0x63, /* EncTicketPart */
          sequence({field(0, bits(forgery.flags)),
                    field(1, sequence({field(0, integer(static_cast<uint32_t>(session.enctype))),
                                       field(1, octets(session.contents, session.length))})),
                    field(2, text(client->realm)), field(3, name(client)),
                    field(4, sequence({field(0, integer(1)), field(1, octets("", 0))})),
                    field(5, time_text(now + forgery.start_s)),
                    field(6, time_text(now + forgery.start_s)),
                    field(7, time_text(now + forgery.end_s))}));

  const krb5_keyblock& key = service_key(forgery.ticket_enctype, forgery.other_key);
  size_t size = 0;
  need(krb5_c_encrypt_length(context_, key.enctype, part.size(), &size) == 0, "encrypt_length");
  std::string cipher(size, '\0');
  krb5_data plain{0, static_cast<unsigned>(part.size()), part.data()};
  krb5_enc_data sealed{};
  sealed.ciphertext = {0, static_cast<unsigned>(size), cipher.data()};
  need(krb5_c_encrypt(context_, &key, kUsageTicket, nullptr, &plain, &sealed) == 0, "encrypt");
  cipher.resize(sealed.ciphertext.length);
  std::string out = der(
      0x61, sequence({field(0, integer(5)), field(1, text(service->realm)), field(2, name(service)),
                      field(3, sequence({field(0, integer(static_cast<uint32_t>(key.enctype))),
                                         field(1, integer(1)),
                                         field(2, octets(cipher.data(), cipher.size()))}))}));
  krb5_free_principal(context_, client);
  krb5_free_principal(context_, service);
  return out;
}

krb5_creds Forge::credentials(const Forgery& forgery) {
  const std::string& requested = forgery.requested.empty() ? forgery.service : forgery.requested;
  krb5_creds creds{};
  need(krb5_parse_name(context_, forgery.client.c_str(), &creds.client) == 0, "krb5_parse_name");
  need(krb5_parse_name(context_, requested.c_str(), &creds.server) == 0, "krb5_parse_name");
  need(krb5_c_make_random_key(context_, forgery.session_enctype, &creds.keyblock) == 0, "key");
  const std::string der_ticket = ticket(forgery, creds.keyblock);
  creds.ticket = {0, static_cast<unsigned>(der_ticket.size()),
                  static_cast<char*>(std::malloc(der_ticket.size()))}; /* libkrb5 frees it */
  need(creds.ticket.data != nullptr, "memory");
  std::memcpy(creds.ticket.data, der_ticket.data(), der_ticket.size());
  /* The client believes in a good ticket, so that it is the service which must refuse a bad one. */
  auto now = static_cast<krb5_timestamp>(time(nullptr));
  creds.times = {now - 60, now - 60, now + 3600, 0};
  return creds;
}

gss_cred_id_t Forge::credential(const Forgery& forgery) {
  krb5_ccache cache;
  need(krb5_cc_new_unique(context_, "MEMORY", nullptr, &cache) == 0, "krb5_cc_new_unique");
  caches_.push_back(cache);
  krb5_creds creds = credentials(forgery);
  need(krb5_cc_initialize(context_, cache, creds.client) == 0, "krb5_cc_initialize");
  need(krb5_cc_store_cred(context_, cache, &creds) == 0, "krb5_cc_store_cred");
  krb5_free_cred_contents(context_, &creds);

  std::string full = std::string("MEMORY:") + krb5_cc_get_name(context_, cache);
  gss_key_value_element_desc element = {"ccache", full.c_str()};
  gss_key_value_set_desc store = {1, &element};
  gss_OID_set_desc mechanisms = {1, const_cast<gss_OID>(gss_mech_krb5)};
  gss_cred_id_t out = GSS_C_NO_CREDENTIAL;
  OM_uint32 minor;
  OM_uint32 major = gss_acquire_cred_from(&minor, GSS_C_NO_NAME, 0, &mechanisms, GSS_C_INITIATE,
                                          &store, &out, nullptr, nullptr);
  need(!GSS_ERROR(major), "gss_acquire_cred_from");
  return out;
}

}  // namespace mp11::test
