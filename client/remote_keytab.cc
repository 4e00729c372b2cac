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
#include "remote_keytab.h"

#include <krb5/krb5.h>
#include <stdlib.h>
#include <unistd.h>

#include "auth_keys.h"
#include "os_memfd.h"

namespace mp11 {
namespace {

constexpr char kMemoryKeytab[] = "MEMORY:multip11";
constexpr char kMemoryTickets[] = "MEMORY:multip11";
constexpr size_t kMostKeytab = 1u << 20;     /* as [priv] copies */
constexpr krb5_deltat kLongest = 30 * 86400; /* the KDC gives what it gives to anybody */

std::string library_text(krb5_context context, krb5_error_code code) {
  const char* text = krb5_get_error_message(context, code);
  std::string out = text;
  krb5_free_error_message(context, text);
  return out;
}

/* By Kerberos error; empty: its own words must do. */
std::string advice(krb5_error_code code, const std::string& client) {
  switch (code) {
    case KRB5KDC_ERR_PREAUTH_FAILED:
    case KRB5KRB_AP_ERR_BAD_INTEGRITY:
      return "the keytab's key of " + client +
             " is not the one that the KDC has; make the keytab anew (ktadd in kadmin)";
    case KRB5_KT_NOTFOUND:
      return "the keytab has no key of " + client +
             " of a kind that the KDC has too; make it anew (ktadd in kadmin)";
    case KRB5KDC_ERR_C_PRINCIPAL_UNKNOWN:
      return "the KDC does not know " + client + "; add it, or correct client-principal";
    case KRB5KDC_ERR_CLIENT_REVOKED:
    case KRB5KDC_ERR_NAME_EXP:
    case KRB5KDC_ERR_KEY_EXP:
      return "the KDC gives " + client + " no tickets any more; look at it in kadmin (getprinc)";
    case KRB5KDC_ERR_ETYPE_NOSUPP:
      return "the KDC and the keytab have no kind of key in common; give " + client + " AES keys";
    case KRB5_KDC_UNREACH:
    case KRB5_REALM_UNKNOWN:
    case KRB5_REALM_CANT_RESOLVE:
      return "the KDC of the realm cannot be reached; check krb5.conf and the network";
    case KRB5KRB_AP_ERR_SKEW:
      return "this machine's clock and the KDC's differ too much; set them right";
    default:
      return "";
  }
}

}  // namespace

KeytabTickets::~KeytabTickets() {
  if (context_ == nullptr) return;
  wipe_keys();
  if (tickets_ != nullptr) krb5_cc_destroy(context_, tickets_);
  krb5_free_principal(context_, principal_);
  krb5_free_context(context_);
}

/* The last one to close a keytab in memory wipes it. */
void KeytabTickets::wipe_keys() {
  if (keys_ != nullptr) krb5_kt_close(context_, keys_);
  keys_ = nullptr;
}

Result<std::unique_ptr<KeytabTickets>> KeytabTickets::read(int fd, const std::string& client) {
  std::unique_ptr<KeytabTickets> made(new KeytabTickets);
  Result<SecureBuffer> sealed = read_sealed_memfd(fd, kMostKeytab);
  if (!sealed) return Error{0, "the keytab: " + sealed.error().text};
  krb5_error_code code = krb5_init_context(&made->context_);
  if (code != 0) return Error{0, "krb5_init_context: " + library_text(nullptr, code)};
  Status taken = made->take_keys("FILE:/proc/self/fd/" + std::to_string(fd), client);
  ::close(fd);
  if (!taken) return taken.error();
  return made;
}

Status KeytabTickets::take_keys(const std::string& keytab, const std::string& client) {
  krb5_error_code code = 0;
  if (!client.empty()) code = krb5_parse_name(context_, client.c_str(), &principal_);
  if (code != 0)
    return Error{0, "client-principal " + client + ": " + library_text(context_, code)};
  code = krb5_kt_resolve(context_, kMemoryKeytab, &keys_);
  if (code != 0) return Error{0, "cannot read the keytab: " + library_text(context_, code)};
  /* Of the one who is named, or of the first who has a key. */
  Result<KeysTaken> keys = mp11::take_keys(
      context_, keytab, keys_, [this](const krb5_keytab_entry& entry, krb5_error_code* error) {
        if (principal_ == nullptr)
          *error = krb5_copy_principal(context_, entry.principal, &principal_);
        return *error != 0 || krb5_principal_compare(context_, entry.principal, principal_) != 0;
      });
  if (!keys) return keys.error();
  if (keys->taken == 0)
    return Error{0, "the keytab has no key of " + (client.empty() ? "anybody" : client) +
                        " among its " + std::to_string(keys->others) +
                        " entries (look with klist -kt; add one with ktadd in kadmin)"};
  char* name = nullptr;
  if (krb5_unparse_name(context_, principal_, &name) != 0) return Error{0, "no memory"};
  name_ = name;
  krb5_free_unparsed_name(context_, name);
  return ok();
}

Status KeytabTickets::get() {
  krb5_get_init_creds_opt* options = nullptr;
  krb5_creds credentials{};
  krb5_error_code code = krb5_get_init_creds_opt_alloc(context_, &options);
  if (code == 0) {
    krb5_get_init_creds_opt_set_tkt_life(options, kLongest);
    krb5_get_init_creds_opt_set_forwardable(options, 0);
    krb5_get_init_creds_opt_set_proxiable(options, 0);
    code =
        krb5_get_init_creds_keytab(context_, &credentials, principal_, keys_, 0, nullptr, options);
  }
  std::string text = code == 0 ? "" : library_text(context_, code);
  wipe_keys();
  if (code == 0) {
    code = krb5_cc_resolve(context_, kMemoryTickets, &tickets_);
    if (code == 0) code = krb5_cc_initialize(context_, tickets_, principal_);
    if (code == 0) code = krb5_cc_store_cred(context_, tickets_, &credentials);
    if (code != 0) text = library_text(context_, code);
  }
  krb5_free_cred_contents(context_, &credentials); /* wipes its key */
  krb5_get_init_creds_opt_free(context_, options);
  if (code == 0 && (::setenv("KRB5CCNAME", kMemoryTickets, 1) != 0 ||
                    ::setenv("KRB5_CLIENT_KTNAME", "MEMORY:none", 1) != 0))
    return Error{0, "no memory for the environment"};
  if (code == 0) return ok();
  const std::string known = advice(code, name_);
  return Error{
      0, "no ticket for " + name_ + ": " + (known.empty() ? text : known + " (" + text + ")")};
}

}  // namespace mp11
