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
#include "compound_length.h"

#include <algorithm>
#include <iterator>

#include "words.h"

namespace mp11 {
namespace {

/* RSA of 16384 bits; the longest name of a curve. */
constexpr CK_ULONG kModulusRoom = 2048;
constexpr CK_ULONG kCurveRoom = 64;

struct Mechanism {
  CK_MECHANISM_TYPE type;
  LengthOf what;
  CK_ULONG fixed = 0;
};

constexpr Mechanism kSigning[] = {
    {CKM_RSA_PKCS, LengthOf::kModulus},
    {CKM_RSA_X_509, LengthOf::kModulus},
    {CKM_RSA_PKCS_PSS, LengthOf::kModulus},
    {CKM_SHA1_RSA_PKCS, LengthOf::kModulus},
    {CKM_SHA224_RSA_PKCS, LengthOf::kModulus},
    {CKM_SHA256_RSA_PKCS, LengthOf::kModulus},
    {CKM_SHA384_RSA_PKCS, LengthOf::kModulus},
    {CKM_SHA512_RSA_PKCS, LengthOf::kModulus},
    {CKM_SHA1_RSA_PKCS_PSS, LengthOf::kModulus},
    {CKM_SHA224_RSA_PKCS_PSS, LengthOf::kModulus},
    {CKM_SHA256_RSA_PKCS_PSS, LengthOf::kModulus},
    {CKM_SHA384_RSA_PKCS_PSS, LengthOf::kModulus},
    {CKM_SHA512_RSA_PKCS_PSS, LengthOf::kModulus},
    {CKM_ECDSA, LengthOf::kCurve},
    {CKM_ECDSA_SHA1, LengthOf::kCurve},
    {CKM_ECDSA_SHA224, LengthOf::kCurve},
    {CKM_ECDSA_SHA256, LengthOf::kCurve},
    {CKM_ECDSA_SHA384, LengthOf::kCurve},
    {CKM_ECDSA_SHA512, LengthOf::kCurve},
    {CKM_EDDSA, LengthOf::kEdwards},
    {CKM_MD5_HMAC, LengthOf::kNothing, 16},
    {CKM_SHA_1_HMAC, LengthOf::kNothing, 20},
    {CKM_SHA224_HMAC, LengthOf::kNothing, 28},
    {CKM_SHA256_HMAC, LengthOf::kNothing, 32},
    {CKM_SHA384_HMAC, LengthOf::kNothing, 48},
    {CKM_SHA512_HMAC, LengthOf::kNothing, 64},
    {CKM_DES3_CMAC, LengthOf::kNothing, 8},
    {CKM_AES_CMAC, LengthOf::kNothing, 16},
};
constexpr Mechanism kEncrypting[] = {
    {CKM_RSA_PKCS, LengthOf::kModulus},
    {CKM_RSA_X_509, LengthOf::kModulus},
    {CKM_RSA_PKCS_OAEP, LengthOf::kModulus},
};

/* CKA_EC_PARAMS, DER: the name of a curve by its object identifier, or by words. */
struct Curve {
  std::string_view params;
  CK_ULONG signature; /* twice the octets of the order */
  LengthOf what = LengthOf::kCurve;
};
using namespace std::string_view_literals;
constexpr Curve kCurves[] = {
    {"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"sv, 64},      /* P-256 */
    {"\x06\x05\x2b\x81\x04\x00\x22"sv, 96},                  /* P-384 */
    {"\x06\x05\x2b\x81\x04\x00\x23"sv, 132},                 /* P-521 */
    {"\x06\x05\x2b\x81\x04\x00\x21"sv, 56},                  /* P-224 */
    {"\x06\x05\x2b\x81\x04\x00\x0a"sv, 64},                  /* secp256k1 */
    {"\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x07"sv, 64},  /* brainpoolP256r1 */
    {"\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x0b"sv, 96},  /* brainpoolP384r1 */
    {"\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x0d"sv, 128}, /* brainpoolP512r1 */
    {"\x06\x03\x2b\x65\x70"sv, 64, LengthOf::kEdwards},      /* Ed25519 */
    {"\x13\x0c"
     "edwards25519"sv,
     64, LengthOf::kEdwards},
    {"\x06\x03\x2b\x65\x71"sv, 114, LengthOf::kEdwards}, /* Ed448 */
    {"\x13\x0a"
     "edwards448"sv,
     114, LengthOf::kEdwards},
};

/* An Init, and what the key says of itself. */
class Length : public AheadCompound {
 public:
  Length(const FunctionRow& row, const Words& words, LengthOf what, std::optional<CK_ULONG> known,
         KeyLengths* lengths)
      : AheadCompound(row, words),
        key_{words.w[2], what, row.number},
        known_(known),
        lengths_(lengths),
        epoch_(lengths->epoch()) {}

  size_t most() const override { return 2 * kModulusRoom; }

 private:
  std::optional<Step> begin(CK_RV rv, CallArena* arena) override {
    if (rv != CKR_OK) return std::nullopt;
    if (!known_) return ask(arena);
    ahead_.output_len = known_;
    return std::nullopt;
  }
  std::optional<Step> proceed(CK_RV rv, CallArena*) override {
    if (rv == CKR_OK && *authenticate_ == CK_FALSE && *key_type_ == key_type())
      ahead_.output_len = told();
    if (ahead_.output_len) lengths_->keep(key_, *ahead_.output_len, epoch_);
    return std::nullopt;
  }

  Step ask(CallArena* arena) {
    const bool modulus = key_.what == LengthOf::kModulus;
    const CK_ULONG room = modulus ? kModulusRoom : kCurveRoom;
    const bool secret = row_.number == kC_SignInit; /* public keys have no such attribute */
    made_ = arena->make<CK_ATTRIBUTE>(3);
    key_type_ = static_cast<CK_KEY_TYPE*>(arena->allocate_out(sizeof(CK_KEY_TYPE)));
    *key_type_ = CK_UNAVAILABLE_INFORMATION;
    authenticate_ = static_cast<CK_BBOOL*>(arena->allocate_out(sizeof(CK_BBOOL)));
    *authenticate_ = secret ? CK_TRUE : CK_FALSE;
    made_[0] = {modulus ? CKA_MODULUS : CKA_EC_PARAMS, arena->allocate_out(room), room};
    made_[1] = {CKA_KEY_TYPE, key_type_, sizeof(CK_KEY_TYPE)};
    made_[2] = {CKA_ALWAYS_AUTHENTICATE, authenticate_, sizeof(CK_BBOOL)};
    return {&kFunctionTable[kC_GetAttributeValue],
            {{words_.w[0], key_.handle, word_of(made_), secret ? 3u : 2u}}};
  }

  CK_KEY_TYPE key_type() const {
    if (key_.what == LengthOf::kModulus) return CKK_RSA;
    return key_.what == LengthOf::kCurve ? CKK_EC : CKK_EC_EDWARDS;
  }

  std::optional<CK_ULONG> told() const {
    std::span<const uint8_t> value(static_cast<const uint8_t*>(made_[0].pValue),
                                   made_[0].ulValueLen);
    if (key_.what != LengthOf::kModulus) return signature_on(value, key_.what);
    while (!value.empty() && value[0] == 0) value = value.subspan(1);
    if (value.empty()) return std::nullopt;
    return value.size();
  }

  const KeyLengths::Key key_;
  const std::optional<CK_ULONG> known_;
  KeyLengths* lengths_;
  const uint64_t epoch_;
  CK_ATTRIBUTE* made_ = nullptr;
  CK_KEY_TYPE* key_type_ = nullptr;
  CK_BBOOL* authenticate_ = nullptr;
};

}  // namespace

LengthOf length_of(uint32_t function, CK_MECHANISM_TYPE mechanism, CK_ULONG* fixed) {
  std::span<const Mechanism> table;
  if (function == kC_SignInit) table = kSigning;
  if (function == kC_EncryptInit) table = kEncrypting;
  const auto found = std::ranges::find(table, mechanism, &Mechanism::type);
  if (found == table.end()) return LengthOf::kUnknown;
  *fixed = found->fixed;
  return found->what;
}

std::optional<CK_ULONG> signature_on(std::span<const uint8_t> ec_params, LengthOf what) {
  const std::string_view params(reinterpret_cast<const char*>(ec_params.data()), ec_params.size());
  const auto* found = std::ranges::find(kCurves, params, &Curve::params);
  if (found == std::end(kCurves) || found->what != what) return std::nullopt;
  return found->signature;
}

std::optional<CK_ULONG> KeyLengths::find(const Key& key) const {
  const auto found = std::ranges::find(entries_, key, &Entry::key);
  if (found == entries_.end()) return std::nullopt;
  return found->length;
}

void KeyLengths::keep(const Key& key, CK_ULONG length, uint64_t epoch) {
  if (epoch != epoch_ || find(key)) return;
  if (entries_.size() == kKept) entries_.erase(entries_.begin());
  entries_.push_back({key, length});
}

void KeyLengths::changed() {
  epoch_++;
  entries_.clear();
}

std::unique_ptr<Compound> length_compound(const FunctionRow& row, const Words& words,
                                          KeyLengths* lengths) {
  if (row.number != kC_SignInit && row.number != kC_EncryptInit) return nullptr;
  const auto* mechanism = reinterpret_cast<const CK_MECHANISM*>(words.w[1]);
  CK_ULONG fixed = 0;
  if (mechanism == nullptr) return nullptr; /* which ends an operation */
  const LengthOf what = length_of(row.number, mechanism->mechanism, &fixed);
  if (what == LengthOf::kUnknown) return nullptr;
  std::optional<CK_ULONG> known = fixed;
  if (what != LengthOf::kNothing) known = lengths->find({words.w[2], what, row.number});
  return std::make_unique<Length>(row, words, what, known, lengths);
}

}  // namespace mp11
