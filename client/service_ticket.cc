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
#include "service_ticket.h"

#include <utility>

#include "auth_kdh.h"
#include "kerberos_advice.h"

namespace mp11 {
namespace {

/* Of an AP-REQ: what stands around the ticket, the authenticator above all. */
constexpr size_t kAroundTicket = 1024;

}  // namespace

ServiceTicket::~ServiceTicket() {
  if (context_ == nullptr) return;
  krb5_free_creds(context_, ticket_);
  krb5_free_principal(context_, wanted_.client);
  krb5_free_principal(context_, wanted_.server);
  if (cache_ != nullptr) krb5_cc_close(context_, cache_);
  krb5_free_context(context_);
}

Status ServiceTicket::get(const std::string& service) {
  service_ = service;
  krb5_error_code code = krb5_init_context(&context_);
  if (code == 0) code = krb5_parse_name(context_, service.c_str(), &wanted_.server);
  if (code == 0) code = find_cache();
  if (code != 0 && cache_ == nullptr) return Error{kNotForKdh, failure(code).text};
  if (code == 0) code = krb5_get_credentials(context_, 0, cache_, &wanted_, &ticket_);
  if (code == 0 && !enctype_allowed(ticket_->keyblock.enctype)) code = KRB5KDC_ERR_ETYPE_NOSUPP;
  if (code == 0 && ticket_->ticket.length > kKdhIdentity - kAroundTicket)
    return Error{kNotForKdh, "authentication to " + service +
                                 " failed: your Kerberos ticket is too large for TLS-KDH (" +
                                 std::to_string(ticket_->ticket.length) +
                                 " octets); use security = gss"};
  if (code != 0) return failure(code);
  return ok();
}

/* Of several caches the one that is for this server, as libgssapi finds it; else the default. */
krb5_error_code ServiceTicket::find_cache() {
  krb5_error_code code = krb5_cc_select(context_, wanted_.server, &cache_, &wanted_.client);
  if (code == 0) return 0;
  krb5_free_principal(context_, std::exchange(wanted_.client, nullptr));
  if (cache_ != nullptr) krb5_cc_close(context_, std::exchange(cache_, nullptr));
  krb5_ccache cache = nullptr;
  code = krb5_cc_default(context_, &cache);
  if (code == 0) code = krb5_cc_get_principal(context_, cache, &wanted_.client);
  if (code == 0)
    cache_ = cache;
  else if (cache != nullptr)
    krb5_cc_close(context_, cache);
  return code;
}

krb5_error_code ServiceTicket::make_ap_req(std::span<const uint8_t> checksummed,
                                           std::vector<uint8_t>* ap_req, krb5_keyblock** subkey) {
  *subkey = nullptr;
  krb5_data in{0, static_cast<unsigned>(checksummed.size()),
               reinterpret_cast<char*>(const_cast<uint8_t*>(checksummed.data()))};
  krb5_data out{};
  krb5_auth_context connection = nullptr;
  krb5_error_code code = krb5_auth_con_init(context_, &connection);
  if (code == 0)
    code = krb5_mk_req_extended(context_, &connection, AP_OPTS_USE_SUBKEY, &in, ticket_, &out);
  if (code == 0) code = krb5_auth_con_getsendsubkey(context_, connection, subkey);
  if (code == 0 && *subkey == nullptr) code = KRB5KRB_AP_ERR_METHOD;
  if (code == 0) ap_req->assign(out.data, out.data + out.length);
  krb5_free_data_contents(context_, &out);
  if (connection != nullptr) krb5_auth_con_free(context_, connection);
  return code;
}

std::string ServiceTicket::client() const {
  char* name = nullptr;
  if (krb5_unparse_name(context_, ticket_->client, &name) != 0) return {};
  std::string out = name;
  krb5_free_unparsed_name(context_, name);
  return out;
}

Error ServiceTicket::failure(krb5_error_code code) const {
  return kerberos_failure(context_, service_, code);
}

}  // namespace mp11
