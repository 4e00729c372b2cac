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
 * Kerberos tokens from strangers: as multip11-auth takes the first one apart and verifies its
 * AP-REQ, and as multip11-net unwraps those that follow. A genuine token is made at the start; the
 * input changes it, or is the token. Nothing that was changed is believed.
 */
#include <gssapi/gssapi_krb5.h>
#include <time.h>

#include <cstring>
#include <vector>

#include "../krb5/ticket_forge.h"
#include "auth_ap_req.h"
#include "fuzz.h"
#include "gss_frames.h"
#include "gss_wrap.h"

namespace {

using namespace mp11;
using fuzz::Input;
using Bytes = std::vector<uint8_t>;

constexpr char kKeytab[] = "MEMORY:fuzz";

/* The edits of the input: an offset and a value each. False when nothing is different after it. */
bool edit(Input* in, Bytes* octets) {
  const Bytes before = *octets;
  const uint8_t what = in->u8();
  if ((what & 1) != 0 && !octets->empty()) octets->resize(in->u16() % octets->size());
  if ((what & 2) != 0) octets->push_back(in->u8());
  while (!in->end() && !octets->empty()) {
    const size_t offset = in->u16() % octets->size();
    (*octets)[offset] = in->u8();
  }
  return *octets != before;
}

/* ---- auth ---- */

class Service {
 public:
  Service() {
    ::setenv("KRB5_CONFIG", "/dev/null", 1);
    ::setenv("KRB5RCACHENAME", "none:", 1);
    forge_ = new test::Forge();
    const test::Forgery forgery;
    forge_->write_keytab(kKeytab, forgery.service);
    FUZZ_REQUIRE(krb5_kt_resolve(forge_->context(), kKeytab, &keytab_) == 0);
    FUZZ_REQUIRE(krb5_parse_name(forge_->context(), forgery.service.c_str(), &name_) == 0);
    make_token(forgery);
    ApReq request;
    FUZZ_REQUIRE(verify(ap_req_in_token(token_), &request));
    FUZZ_REQUIRE(request.client == forgery.client);
  }
  const Bytes& token() const { return token_; }

  bool verify(std::span<const uint8_t> ap_req, ApReq* request) const {
    const int64_t now_s = ::time(nullptr);
    const ApReqPolicy policy{forge_->context(), name_, keytab_, 300, now_s - 100000};
    ApReqError error;
    const bool good = verify_ap_req(policy, ap_req, {}, now_s * 1000000, request, &error);
    FUZZ_REQUIRE(good == (error.code == 0));
    /* What was made for GSS-API is of no use for TLS-KDH, however it is changed. */
    const uint8_t random[kKdhRandom] = {};
    ApReq other;
    ApReqError why;
    FUZZ_REQUIRE(
        !verify_ap_req(policy, ap_req, kdh_checksummed(random), now_s * 1000000, &other, &why));
    if (!good) FUZZ_REQUIRE(!error_token(forge_->context(), name_, error.code).empty());
    return good;
  }

 private:
  void make_token(const test::Forgery& forgery) {
    OM_uint32 minor;
    gss_cred_id_t credential = forge_->credential(forgery);
    gss_buffer_desc text = {forgery.service.size(), const_cast<char*>(forgery.service.data())};
    gss_name_t name;
    gss_ctx_id_t context = GSS_C_NO_CONTEXT;
    gss_buffer_desc out = GSS_C_EMPTY_BUFFER;
    gss_import_name(&minor, &text, const_cast<gss_OID>(GSS_KRB5_NT_PRINCIPAL_NAME), &name);
    OM_uint32 major =
        gss_init_sec_context(&minor, credential, &context, name, const_cast<gss_OID>(gss_mech_krb5),
                             GSS_C_MUTUAL_FLAG | GSS_C_CONF_FLAG | GSS_C_INTEG_FLAG, 0, nullptr,
                             GSS_C_NO_BUFFER, nullptr, &out, nullptr, nullptr);
    FUZZ_REQUIRE(!GSS_ERROR(major));
    const auto* p = static_cast<const uint8_t*>(out.value);
    token_.assign(p, p + out.length);
    gss_release_buffer(&minor, &out);
    gss_delete_sec_context(&minor, &context, GSS_C_NO_BUFFER);
    gss_release_name(&minor, &name);
    gss_release_cred(&minor, &credential);
  }

  test::Forge* forge_; /* lives as long as the process */
  krb5_keytab keytab_ = nullptr;
  krb5_principal name_ = nullptr;
  Bytes token_;
};

void first_token(const Service& service, const Bytes& token) {
  std::span<const uint8_t> ap_req = ap_req_in_token(token);
  if (ap_req.empty()) return;
  FUZZ_REQUIRE(ap_req.data() > token.data() &&
               ap_req.data() + ap_req.size() == token.data() + token.size());
  ApReq request;
  /* Octets outside of what is enciphered may differ: who it is comes from within. */
  if (service.verify(ap_req, &request)) FUZZ_REQUIRE(request.client == test::Forgery().client);
}

/* ---- net ---- */

GssWrap wrap_of(GssRole role, GssOrder order, uint32_t enctype, uint8_t key_octet = 1) {
  uint8_t key[32] = {key_octet, 2, 3};
  const size_t size = enctype == 17 || enctype == 19 ? 16 : 32;
  auto made = GssWrap::create({role, order, enctype, true, 5, 5, {key, size}});
  FUZZ_REQUIRE(made);
  return std::move(*made);
}

void later_tokens(Input in) {
  const uint8_t what = in.u8();
  const uint32_t enctype = 17 + what % 4;
  const GssOrder order = (what & 16) != 0 ? GssOrder::kWindow : GssOrder::kStrict;
  GssWrap sender = wrap_of(GssRole::kInitiator, order, enctype);
  GssWrap receiver = wrap_of(GssRole::kAcceptor, order, enctype);
  const Bytes message(in.u8(), 0x2a);
  Bytes token;
  FUZZ_REQUIRE(sender.wrap(message, &token));
  Bytes changed = token;
  SecureBuffer plain;
  if ((what & 32) != 0) {
    /* Of a key that nothing is made with: the fuzzer learns genuine tokens from comparisons. */
    GssWrap other = wrap_of(GssRole::kAcceptor, order, enctype, 9);
    std::span<const uint8_t> raw = in.rest();
    FUZZ_REQUIRE(other.unwrap(raw, &plain) != GssWrap::Unwrapped::kOk);
    FUZZ_REQUIRE(plain.empty());
  } else if (edit(&in, &changed)) {
    /* How far it is rotated is not protected, and may say the same in other words. */
    if (changed.size() > 7) std::copy_n(&token[6], 2, &changed[6]);
    if (changed != token) FUZZ_REQUIRE(receiver.unwrap(changed, &plain) != GssWrap::Unwrapped::kOk);
    FUZZ_REQUIRE(plain.empty());
  }
  /* One bad token is the end of a connection, and no more than that. */
  FUZZ_REQUIRE(receiver.unwrap(token, &plain) == GssWrap::Unwrapped::kOk);
  FUZZ_REQUIRE(std::ranges::equal(plain.span(), message));
  FUZZ_REQUIRE(receiver.unwrap(token, &plain) == GssWrap::Unwrapped::kReplayed);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Service service;
  Input in(data, size);
  switch (in.u8() % 3) {
    case 0: {
      std::span<const uint8_t> raw = in.rest();
      first_token(service, Bytes(raw.begin(), raw.end()));
      break;
    }
    case 1: {
      Bytes token = service.token();
      edit(&in, &token);
      first_token(service, token);
      break;
    }
    default:
      later_tokens(in);
      break;
  }
  return 0;
}
