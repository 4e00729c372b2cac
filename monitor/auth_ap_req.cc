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
#include "auth_ap_req.h"

#include <cstring>

#include "mp11_limits.h"

namespace mp11 {
namespace {

/* 1.2.840.113554.1.2.2 with its tag and length. */
constexpr uint8_t kMechanism[] = {0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x02};
constexpr uint8_t kApReqId[] = {0x01, 0x00};
constexpr uint8_t kErrorId[] = {0x03, 0x00};

/* What krb5_rd_req leaves to be freed. */
struct Received {
  explicit Received(krb5_context c) : context(c) {}
  Received(const Received&) = delete;
  ~Received() {
    krb5_free_keyblock(context, subkey);
    krb5_free_authenticator(context, authenticator);
    krb5_free_ticket(context, ticket);
    if (connection != nullptr) krb5_auth_con_free(context, connection);
  }
  krb5_context context;
  krb5_auth_context connection = nullptr;
  krb5_ticket* ticket = nullptr;
  krb5_authenticator* authenticator = nullptr;
  krb5_keyblock* subkey = nullptr;
};

std::string message(krb5_context context, krb5_error_code code) {
  const char* text = krb5_get_error_message(context, code);
  std::string out = text;
  krb5_free_error_message(context, text);
  return out;
}

/* Seconds of a krb5_timestamp: unsigned, as RFC 4120 times go beyond 2038. */
int64_t seconds(krb5_timestamp t) { return static_cast<uint32_t>(t); }

bool decode(const ApReqPolicy& policy, std::span<const uint8_t> ap_req, Received* received,
            krb5_flags* options, ApReqError* error) {
  krb5_data data{};
  data.data = reinterpret_cast<char*>(const_cast<uint8_t*>(ap_req.data()));
  data.length = static_cast<unsigned>(ap_req.size());
  krb5_context context = policy.context;
  krb5_error_code code = krb5_auth_con_init(context, &received->connection);
  /* No DO_TIME: libkrb5 would open its replay cache. It checks the clock skew all the same. */
  if (code == 0) code = krb5_auth_con_setflags(context, received->connection, 0);
  if (code == 0)
    code = krb5_rd_req(context, &received->connection, &data, policy.service, policy.keytab,
                       options, &received->ticket);
  if (code == 0)
    code = krb5_auth_con_getauthenticator(context, received->connection, &received->authenticator);
  if (code == 0)
    code = krb5_auth_con_getrecvsubkey(context, received->connection, &received->subkey);
  if (code != 0) *error = {code, message(context, code)};
  return code == 0;
}

ApReqError check_keys(const Received& received, krb5_flags options) {
  const krb5_enc_tkt_part& part = *received.ticket->enc_part2;
  if ((options & AP_OPTS_USE_SESSION_KEY) != 0)
    return {KRB5KRB_AP_ERR_BADVERSION, "user-to-user authentication is not offered"};
  if (!enctype_allowed(received.ticket->enc_part.enctype) ||
      !enctype_allowed(part.session->enctype))
    return {KRB5KDC_ERR_ETYPE_NOSUPP, "ticket or session key is not of an AES encryption type"};
  if (received.subkey == nullptr) return {KRB5KRB_AP_ERR_METHOD, "authenticator has no subkey"};
  if (!enctype_allowed(received.subkey->enctype))
    return {KRB5KDC_ERR_ETYPE_NOSUPP, "subkey is not of an AES encryption type"};
  return {};
}

ApReqError check_client(krb5_context context, const krb5_enc_tkt_part& part,
                        const std::string& name) {
  if ((part.flags & TKT_FLG_ANONYMOUS) != 0 ||
      krb5_principal_compare_any_realm(context, part.client, krb5_anonymous_principal()))
    return {KRB5KDC_ERR_POLICY, "client is anonymous"};
  if (name.empty() || name.size() >= limits::kPrincipal)
    return {KRB5KRB_ERR_FIELD_TOOLONG, "client's name is too long"};
  return {};
}

ApReqError check_times(const ApReqPolicy& policy, const Received& received, int64_t now_us) {
  const krb5_authenticator& made = *received.authenticator;
  const int64_t made_us = seconds(made.ctime) * 1000000 + made.cusec;
  const int64_t skew_us = int64_t{policy.clockskew_s} * 1000000;
  if (made_us < now_us - skew_us || made_us > now_us + skew_us)
    return {KRB5KRB_AP_ERR_SKEW,
            "clocks differ by " + std::to_string((made_us - now_us) / 1000000) + " seconds"};
  /* In whole seconds: within one, MIT's library counts up from where it was at the first call. */
  if (seconds(made.ctime) < policy.oldest_s)
    return {KRB5KRB_AP_ERR_REPEAT,
            "authenticator is older than this process and may have been used before"};
  if (seconds(received.ticket->enc_part2->times.endtime) <= now_us / 1000000)
    return {KRB5KRB_AP_ERR_TKT_EXPIRED, "ticket has expired"};
  return {};
}

/* Of the types that belong to AES keys, so that it is one that takes the key to make. */
bool checksum_allowed(krb5_cksumtype type) {
  return type == CKSUMTYPE_HMAC_SHA1_96_AES128 || type == CKSUMTYPE_HMAC_SHA1_96_AES256 ||
         type == CKSUMTYPE_HMAC_SHA256_128_AES128 || type == CKSUMTYPE_HMAC_SHA384_192_AES256;
}

ApReqError check_checksum(krb5_context context, const Received& received,
                          std::span<const uint8_t> checksummed) {
  const krb5_checksum* checksum = received.authenticator->checksum;
  if (checksum == nullptr || !checksum_allowed(checksum->checksum_type))
    return {KRB5KRB_AP_ERR_INAPP_CKSUM, "authenticator has no checksum by a key"};
  krb5_data data{0, static_cast<unsigned>(checksummed.size()),
                 reinterpret_cast<char*>(const_cast<uint8_t*>(checksummed.data()))};
  krb5_boolean valid = 0;
  krb5_error_code code =
      krb5_c_verify_checksum(context, received.ticket->enc_part2->session,
                             KRB5_KEYUSAGE_AP_REQ_AUTH_CKSUM, &data, checksum, &valid);
  if (code != 0 || valid == 0)
    return {KRB5KRB_AP_ERR_MODIFIED,
            "authenticator was made for another ClientHello, or another connection"};
  return {};
}

}  // namespace

std::span<const uint8_t> ap_req_in_token(std::span<const uint8_t> token) {
  if (token.size() < 2 || token.size() > limits::kGssToken || token[0] != 0x60) return {};
  size_t size = token[1], octets = 0;
  if (size >= 0x80) {
    octets = size & 0x7f;
    if (octets == 0 || octets > 3 || token.size() < 2 + octets || token[2] == 0) return {};
    size = 0;
    for (size_t i = 0; i < octets; i++) size = size << 8 | token[2 + i];
    if (size < 0x80) return {}; /* not DER */
  }
  token = token.subspan(2 + octets);
  constexpr size_t kHead = sizeof kMechanism + sizeof kApReqId;
  if (token.size() != size || size <= kHead) return {};
  if (std::memcmp(token.data(), kMechanism, sizeof kMechanism) != 0 ||
      std::memcmp(token.data() + sizeof kMechanism, kApReqId, sizeof kApReqId) != 0)
    return {};
  return token.subspan(kHead);
}

bool verify_ap_req(const ApReqPolicy& policy, std::span<const uint8_t> ap_req,
                   std::span<const uint8_t> checksummed, int64_t now_us, ApReq* out,
                   ApReqError* error) {
  Received received(policy.context);
  krb5_flags options = 0;
  if (!decode(policy, ap_req, &received, &options, error)) return false;
  const krb5_enc_tkt_part& part = *received.ticket->enc_part2;
  char* name = nullptr;
  if (krb5_unparse_name(policy.context, part.client, &name) != 0) {
    *error = {KRB5KRB_ERR_GENERIC, "client's name cannot be written"};
    return false;
  }
  out->client = name;
  krb5_free_unparsed_name(policy.context, name);

  *error = check_keys(received, options);
  if (error->code == 0) *error = check_client(policy.context, part, out->client);
  if (error->code == 0) *error = check_times(policy, received, now_us);
  if (error->code == 0 && !checksummed.empty())
    *error = check_checksum(policy.context, received, checksummed);
  if (error->code != 0) {
    error->text = out->client + ": " + error->text;
    return false;
  }
  out->expires_s = seconds(part.times.endtime);
  out->subkey.clear();
  out->subkey.append(received.subkey->contents, received.subkey->length);
  out->subkey_type = received.subkey->enctype;
  return true;
}

std::vector<uint8_t> error_token(krb5_context context, krb5_principal service,
                                 krb5_error_code code) {
  krb5_error error{};
  const long number = static_cast<long>(code) - ERROR_TABLE_BASE_krb5;
  error.error =
      number > 0 && number < 128 ? static_cast<krb5_ui_4>(number) : 60 /* KRB_ERR_GENERIC */;
  error.server = service;
  krb5_data encoded{};
  if (krb5_us_timeofday(context, &error.stime, &error.susec) != 0 ||
      krb5_mk_error(context, &error, &encoded) != 0)
    return {};
  std::vector<uint8_t> out{0x60};
  const size_t size = sizeof kMechanism + sizeof kErrorId + encoded.length;
  if (size < 0x80) {
    out.push_back(static_cast<uint8_t>(size));
  } else {
    out.insert(out.end(), {0x82, static_cast<uint8_t>(size >> 8), static_cast<uint8_t>(size)});
    if (out[2] == 0) out = {0x60, 0x81, static_cast<uint8_t>(size)};
  }
  out.insert(out.end(), kMechanism, kMechanism + sizeof kMechanism);
  out.insert(out.end(), kErrorId, kErrorId + sizeof kErrorId);
  out.insert(out.end(), encoded.data, encoded.data + encoded.length);
  krb5_free_data_contents(context, &encoded);
  return out;
}

}  // namespace mp11
