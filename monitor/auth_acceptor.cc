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
#include "auth_acceptor.h"

#include <gssapi/gssapi_ext.h>
#include <gssapi/gssapi_krb5.h>

#include <cstring>
#include <ctime>
#include <utility>

#include "auth_keys.h"

namespace mp11 {
namespace {

constexpr char kMemoryKeytab[] = "MEMORY:multip11";
constexpr OM_uint32 kNeededFlags =
    GSS_C_MUTUAL_FLAG | GSS_C_REPLAY_FLAG | GSS_C_CONF_FLAG | GSS_C_INTEG_FLAG;
constexpr char kReplayLabel[] = "multip11 replay set";

int64_t now_us() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return int64_t{now.tv_sec} * 1000000 + now.tv_nsec / 1000;
}

void add_status(OM_uint32 status, int kind, std::string* out) {
  OM_uint32 minor, more = 0;
  do {
    gss_buffer_desc text = GSS_C_EMPTY_BUFFER;
    if (GSS_ERROR(gss_display_status(&minor, status, kind, const_cast<gss_OID>(gss_mech_krb5),
                                     &more, &text)))
      return;
    if (!out->empty()) *out += ": ";
    out->append(static_cast<const char*>(text.value), text.length);
    gss_release_buffer(&minor, &text);
  } while (more != 0);
}

std::string gss_text(OM_uint32 major, OM_uint32 minor) {
  std::string out;
  add_status(major, GSS_C_GSS_CODE, &out);
  if (minor != 0) add_status(minor, GSS_C_MECH_CODE, &out);
  return out;
}

std::string krb5_text(krb5_context context, krb5_error_code code) {
  const char* text = krb5_get_error_message(context, code);
  std::string out = text;
  krb5_free_error_message(context, text);
  return out;
}

gss_OID_set_desc only_krb5() { return {1, const_cast<gss_OID>(gss_mech_krb5)}; }

krb5_keyblock keyblock(const ApReq& ap_req) {
  krb5_keyblock block{};
  block.enctype = ap_req.subkey_type;
  block.length = static_cast<unsigned>(ap_req.subkey.size());
  block.contents = const_cast<krb5_octet*>(ap_req.subkey.data());
  return block;
}

}  // namespace

/* A security context and what came with it. */
struct Acceptor::Context {
  Context() = default;
  Context(const Context&) = delete;
  ~Context() {
    OM_uint32 minor;
    if (lucid != nullptr) gss_krb5_free_lucid_sec_context(&minor, lucid); /* wipes its keys */
    gss_release_buffer(&minor, &reply);
    gss_release_name(&minor, &client);
    gss_delete_sec_context(&minor, &handle, GSS_C_NO_BUFFER);
  }
  gss_ctx_id_t handle = GSS_C_NO_CONTEXT;
  gss_name_t client = GSS_C_NO_NAME;
  gss_buffer_desc reply = GSS_C_EMPTY_BUFFER;
  gss_krb5_lucid_context_v1_t* lucid = nullptr;
};

Acceptor::Acceptor(const AuthStart& start)
    : start_(start),
      started_s_(now_us() / 1000000),
      replays_(limits::kReplays, 2 * int64_t{start.clockskew_s}) {}

Acceptor::~Acceptor() {
  OM_uint32 minor;
  gss_release_cred(&minor, &credential_);
  if (context_ == nullptr) return;
  if (keytab_ != nullptr) krb5_kt_close(context_, keytab_);
  krb5_free_principal(context_, service_);
  krb5_free_context(context_);
}

Result<std::unique_ptr<Acceptor>> Acceptor::create(const AuthStart& start,
                                                   const std::string& keytab) {
  std::unique_ptr<Acceptor> acceptor(new Acceptor(start));
  krb5_error_code code = krb5_init_context(&acceptor->context_);
  if (code != 0) return Error{0, "krb5_init_context: " + krb5_text(nullptr, code)};
  code = krb5_parse_name(acceptor->context_, start.principal.c_str(), &acceptor->service_);
  if (code != 0)
    return Error{0, "principal " + start.principal + ": " + krb5_text(acceptor->context_, code)};
  if (Status loaded = acceptor->load_keytab(keytab); !loaded) return loaded.error();
  if (Status acquired = acceptor->acquire_credential(); !acquired) return acquired.error();
  return acceptor;
}

Status Acceptor::load_keytab(const std::string& name) {
  if (krb5_error_code code = krb5_kt_resolve(context_, kMemoryKeytab, &keytab_); code != 0)
    return Error{0, "cannot read the keytab: " + krb5_text(context_, code)};
  Result<KeysTaken> keys =
      take_keys(context_, name, keytab_, [this](const krb5_keytab_entry& entry, krb5_error_code*) {
        return krb5_principal_compare(context_, entry.principal, service_) != 0 &&
               enctype_allowed(entry.key.enctype);
      });
  if (!keys) return keys.error();
  if (keys->taken == 0)
    return Error{0, "the keytab has no AES key of " + start_.principal + " among its " +
                        std::to_string(keys->others) +
                        " entries (look with klist -ket; add one with "
                        "ktadd in kadmin)"};
  return ok();
}

Status Acceptor::acquire_credential() {
  OM_uint32 minor;
  gss_buffer_desc text = {start_.principal.size(), start_.principal.data()};
  gss_name_t name = GSS_C_NO_NAME;
  OM_uint32 major =
      gss_import_name(&minor, &text, const_cast<gss_OID>(GSS_KRB5_NT_PRINCIPAL_NAME), &name);
  if (GSS_ERROR(major)) return Error{0, "gss_import_name: " + gss_text(major, minor)};
  gss_key_value_element_desc elements[] = {{"keytab", kMemoryKeytab}, {"rcache", "none:"}};
  gss_key_value_set_desc store = {std::size(elements), elements};
  gss_OID_set_desc mechanisms = only_krb5();
  major = gss_acquire_cred_from(&minor, name, GSS_C_INDEFINITE, &mechanisms, GSS_C_ACCEPT, &store,
                                &credential_, nullptr, nullptr);
  OM_uint32 ignored;
  gss_release_name(&ignored, &name);
  if (GSS_ERROR(major)) return Error{0, "gss_acquire_cred_from: " + gss_text(major, minor)};
  /* For the acceptor's subkey, best first. */
  krb5_enctype enctypes[] = {ENCTYPE_AES256_CTS_HMAC_SHA384_192, ENCTYPE_AES256_CTS_HMAC_SHA1_96,
                             ENCTYPE_AES128_CTS_HMAC_SHA256_128, ENCTYPE_AES128_CTS_HMAC_SHA1_96};
  major = gss_krb5_set_allowable_enctypes(&minor, credential_, std::size(enctypes), enctypes);
  if (GSS_ERROR(major))
    return Error{0, "gss_krb5_set_allowable_enctypes: " + gss_text(major, minor)};
  return ok();
}

void Acceptor::warm_up() {
  ::tzset();
  uint8_t octets[16];
  krb5_data random{0, sizeof octets, reinterpret_cast<char*>(octets)};
  (void)krb5_c_random_make_octets(context_, &random);
  /* Tokens of the right form that hold no AP-REQ: both libraries' ways to a failure and its text.
   */
  std::vector<uint8_t> token = error_token(context_, service_, KRB5KRB_ERR_GENERIC);
  Accepted accepted;
  Refused refused;
  (void)accept(token, &accepted, &refused);
  Context context;
  (void)make_context(token, &context, &accepted, &refused);
  const uint8_t no_ap_req[] = {0x6e, 0x00};
  ApReq ap_req;
  ApReqError error;
  (void)verify_ap_req(policy(), no_ap_req, {}, now_us(), &ap_req, &error);
}

bool Acceptor::refuse(krb5_error_code code, std::string text, Refused* refused) {
  refused->text = std::move(text);
  refused->code = code;
  if (refused->token.empty()) refused->token = error_token(context_, service_, code);
  return false;
}

bool Acceptor::make_context(std::span<const uint8_t> token, Context* context, Accepted* accepted,
                            Refused* refused) {
  gss_buffer_desc in = {token.size(), const_cast<uint8_t*>(token.data())};
  gss_OID mechanism = GSS_C_NO_OID;
  OM_uint32 minor, flags = 0;
  OM_uint32 major = gss_accept_sec_context(&minor, &context->handle, credential_, &in,
                                           GSS_C_NO_CHANNEL_BINDINGS, &context->client, &mechanism,
                                           &context->reply, &flags, nullptr, nullptr);
  if (GSS_ERROR(major)) return refuse(KRB5KRB_ERR_GENERIC, gss_text(major, minor), refused);
  if (major != GSS_S_COMPLETE)
    return refuse(KRB5KRB_ERR_GENERIC, "client wants more than one token each way", refused);
  if (!gss_oid_equal(mechanism, gss_mech_krb5))
    return refuse(KRB5KRB_ERR_GENERIC, "mechanism is not Kerberos", refused);
  if ((flags & kNeededFlags) != kNeededFlags || (flags & GSS_C_DCE_STYLE) != 0 ||
      (flags & GSS_C_ANON_FLAG) != 0)
    return refuse(KRB5KRB_ERR_GENERIC,
                  "client does not ask for mutual authentication, confidentiality, integrity and "
                  "replay detection",
                  refused);
  gss_buffer_desc name = GSS_C_EMPTY_BUFFER;
  major = gss_display_name(&minor, context->client, &name, nullptr);
  if (GSS_ERROR(major)) return refuse(KRB5KRB_ERR_GENERIC, gss_text(major, minor), refused);
  accepted->principal.assign(static_cast<const char*>(name.value), name.length);
  gss_release_buffer(&minor, &name);
  auto* reply = static_cast<const uint8_t*>(context->reply.value);
  accepted->reply.assign(reply, reply + context->reply.length);

  if (!gss_renewal_binding(context->handle, &accepted->binding))
    return refuse(KRB5KRB_ERR_GENERIC, "gss_pseudo_random failed", refused);
  void* lucid = nullptr;
  major = gss_krb5_export_lucid_sec_context(&minor, &context->handle, 1, &lucid);
  if (GSS_ERROR(major)) return refuse(KRB5KRB_ERR_GENERIC, gss_text(major, minor), refused);
  context->lucid = static_cast<gss_krb5_lucid_context_v1_t*>(lucid);
  return true;
}

bool Acceptor::take_key(const Context& context, const ApReq& ap_req, Accepted* accepted,
                        Refused* refused) {
  const gss_krb5_lucid_context_v1_t& lucid = *context.lucid;
  const gss_krb5_lucid_key_t& initiators = lucid.cfx_kd.ctx_key;
  const bool subkey = lucid.cfx_kd.have_acceptor_subkey != 0;
  const gss_krb5_lucid_key_t& key = subkey ? lucid.cfx_kd.acceptor_subkey : initiators;
  if (lucid.initiate != 0 || lucid.protocol != 1 || key.length > sizeof accepted->done.key ||
      !enctype_allowed(static_cast<krb5_enctype>(key.type)))
    return refuse(KRB5KDC_ERR_ETYPE_NOSUPP, "context has no AES key", refused);
  /* The AP-REQ that was checked and the one that made this context are the same. */
  if (initiators.length != ap_req.subkey.size() ||
      !equal_constant_time(initiators.data, ap_req.subkey.data(), ap_req.subkey.size()) ||
      accepted->principal != ap_req.client)
    return refuse(KRB5KRB_ERR_GENERIC, "token was read in two ways", refused);

  if (!note_use(ap_req, refused)) return false;
  GssDone& done = accepted->done;
  done.enctype = key.type;
  done.key_size = key.length;
  done.acceptor_subkey = subkey ? 1 : 0;
  done.send_sequence = lucid.send_seq;
  done.receive_sequence = lucid.recv_seq;
  done.expires_s = static_cast<uint64_t>(ap_req.expires_s);
  std::memcpy(done.key, key.data, key.length);
  return true;
}

ApReqPolicy Acceptor::policy() const {
  return {context_, service_, keytab_, start_.clockskew_s, started_s_};
}

/* By the subkey, one way only, so that the set holds nothing that is a key. */
bool Acceptor::note_use(const ApReq& ap_req, Refused* refused) {
  ReplaySet::Id id;
  const krb5_keyblock subkey = keyblock(ap_req);
  krb5_data label{0, sizeof kReplayLabel - 1, const_cast<char*>(kReplayLabel)};
  krb5_data out{0, static_cast<unsigned>(id.size()), reinterpret_cast<char*>(id.data())};
  if (krb5_c_prfplus(context_, &subkey, &label, &out) != 0)
    return refuse(KRB5KRB_ERR_GENERIC, "krb5_c_prfplus failed", refused);
  switch (replays_.note(id, now_us() / 1000000)) {
    case ReplaySet::Answer::kNew:
      return true;
    case ReplaySet::Answer::kReplay:
      return refuse(KRB5KRB_AP_ERR_REPEAT, ap_req.client + ": replayed authenticator", refused);
    case ReplaySet::Answer::kFull:
      return refuse(KRB5KDC_ERR_SVC_UNAVAILABLE,
                    ap_req.client + ": too many handshakes within twice the clock skew", refused);
  }
  return false;
}

bool Acceptor::accept(std::span<const uint8_t> token, Accepted* accepted, Refused* refused) {
  const std::span<const uint8_t> encoded = ap_req_in_token(token);
  if (encoded.empty())
    return refuse(KRB5KRB_AP_ERR_MSG_TYPE, "not an initial token of the Kerberos mechanism",
                  refused);
  ApReq ap_req;
  ApReqError error;
  if (!verify_ap_req(policy(), encoded, {}, now_us(), &ap_req, &error))
    return refuse(error.code, error.text, refused);
  Context context;
  if (!make_context(token, &context, accepted, refused)) {
    refused->text = ap_req.client + ": " + refused->text;
    return false;
  }
  return take_key(context, ap_req, accepted, refused);
}

bool Acceptor::accept_kdh(std::span<const uint8_t> encoded,
                          std::span<const uint8_t, kKdhRandom> random, AcceptedKdh* accepted,
                          Refused* refused) {
  ApReq ap_req;
  ApReqError error;
  if (!verify_ap_req(policy(), encoded, kdh_checksummed(random), now_us(), &ap_req, &error))
    return refuse(error.code, error.text, refused);
  if (!note_use(ap_req, refused)) return false;
  if (kdh_psk(context_, keyblock(ap_req), std::span(accepted->done.psk)) != 0 ||
      kdh_renewal_binding(context_, keyblock(ap_req), &accepted->binding) != 0)
    return refuse(KRB5KRB_ERR_GENERIC, "krb5_c_prfplus failed", refused);
  accepted->principal = ap_req.client;
  accepted->expires_s = ap_req.expires_s;
  accepted->enctype = ap_req.subkey_type;
  return true;
}

bool Acceptor::accept_renewal(std::span<const uint8_t> encoded, Standing* standing,
                              Refused* refused) {
  ApReq ap_req;
  ApReqError error;
  if (!verify_ap_req(policy(), encoded, renewal_checksummed(standing->binding), now_us(), &ap_req,
                     &error))
    return refuse(error.code, error.text, refused);
  if (ap_req.client != standing->principal)
    return refuse(KRB5KRB_AP_ERR_BADMATCH,
                  ap_req.client + ": the connection is that of " + standing->principal, refused);
  const auto expires_s = static_cast<uint64_t>(ap_req.expires_s);
  if (expires_s <= standing->expires_s)
    return refuse(KRB5KRB_AP_ERR_TKT_EXPIRED,
                  ap_req.client + ": the ticket ends no later than the one before", refused);
  if (!note_use(ap_req, refused)) return false;
  standing->expires_s = expires_s;
  return true;
}

KdhAlert kdh_alert(krb5_error_code code) {
  switch (code) {
    case KRB5KRB_AP_ERR_TKT_EXPIRED:
      return kKdhAlertExpired;
    case KRB5KRB_AP_ERR_SKEW:
    case KRB5KRB_AP_ERR_TKT_NYV: /* to a clock that is behind */
      return kKdhAlertSkew;
    case KRB5KRB_AP_ERR_REPEAT:
    case KRB5KDC_ERR_SVC_UNAVAILABLE:
      return kKdhAlertTryAgain;
    case KRB5KDC_ERR_ETYPE_NOSUPP:
      return kKdhAlertWeak;
    case KRB5KRB_AP_ERR_BAD_INTEGRITY:
    case KRB5KRB_AP_ERR_NOKEY:
    case KRB5KRB_AP_ERR_BADKEYVER:
    case KRB5KRB_AP_ERR_NOT_US:
    case KRB5KRB_AP_WRONG_PRINC:
    case KRB5_KT_NOTFOUND:
    case KRB5_KT_KVNONOTFOUND:
      return kKdhAlertWrongKey;
    default:
      return kKdhAlertDenied;
  }
}

}  // namespace mp11
