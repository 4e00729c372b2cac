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
#include "master_keys.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <algorithm>
#include <cstdio>
#include <memory>

namespace mp11 {
namespace {

constexpr size_t kOctets = 32, kMostKeys = 1000;

int hex(uint8_t c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

struct KdfFree {
  void operator()(EVP_KDF* kdf) const { EVP_KDF_free(kdf); }
  void operator()(EVP_KDF_CTX* context) const { EVP_KDF_CTX_free(context); }
};

}  // namespace

void spell_pin(const uint8_t (&octets)[kDerivedPin], StoredPin* pin) {
  constexpr char kAlphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
  static_assert(sizeof kAlphabet - 1 == 32 && kDerivedPin <= sizeof StoredPin::pin);
  *pin = {};
  pin->size = kDerivedPin;
  for (size_t i = 0; i < kDerivedPin; i++)
    pin->pin[i] = static_cast<uint8_t>(kAlphabet[octets[i] & 31]);
}

Result<MasterKeys> MasterKeys::read(std::span<const uint8_t> text) {
  /* No configuration: there is no file to be read here, and nothing in it for us. */
  OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr);
  MasterKeys keys;
  while (!text.empty()) {
    const std::string line = std::to_string(keys.keys_.size() + 1);
    if (text.size() < 2 * kOctets || keys.keys_.size() >= kMostKeys ||
        (text.size() > 2 * kOctets && text[2 * kOctets] != '\n'))
      return Error{0, "line " + line + " is not 64 hexadecimal digits"};
    SecureBuffer key;
    for (size_t i = 0; i < kOctets; i++) {
      const int high = hex(text[2 * i]), low = hex(text[2 * i + 1]);
      if (high < 0 || low < 0) return Error{0, "line " + line + " is not 64 hexadecimal digits"};
      uint8_t octet = static_cast<uint8_t>(high * 16 + low);
      key.append(&octet, 1);
      wipe(&octet, sizeof octet);
    }
    keys.keys_.push_back(std::move(key));
    text = text.subspan(std::min(text.size(), 2 * kOctets + 1));
  }
  if (keys.keys_.empty()) return Error{0, "no line with 64 hexadecimal digits"};
  return keys;
}

bool MasterKeys::expand(uint32_t number, const std::string& info, uint8_t (&octets)[32]) const {
  if (number == 0 || number > keys_.size()) return false;
  const SecureBuffer& key = keys_[number - 1];
  std::unique_ptr<EVP_KDF, KdfFree> kdf(EVP_KDF_fetch(nullptr, "HKDF", nullptr));
  std::unique_ptr<EVP_KDF_CTX, KdfFree> context(kdf ? EVP_KDF_CTX_new(kdf.get()) : nullptr);
  if (!context) return false;
  char digest[] = "SHA256";
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, const_cast<uint8_t*>(key.data()),
                                        key.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, const_cast<char*>(info.data()),
                                        info.size()),
      OSSL_PARAM_construct_end()};
  return EVP_KDF_derive(context.get(), octets, sizeof octets, parameters) == 1;
}

bool MasterKeys::derive(uint32_t number, const std::string& backend, const std::string& token,
                        PinPurpose purpose, StoredPin* pin) const {
  uint8_t octets[kDerivedPin];
  std::string info = purpose == PinPurpose::kUser ? "multip11 user PIN" : "multip11 SO PIN";
  for (const std::string& part : {backend, token}) info += '\0' + part;
  if (!expand(number, info, octets)) return false;
  spell_pin(octets, pin);
  wipe(octets, sizeof octets);
  return true;
}

bool MasterKeys::sealing_key(uint32_t number, uint8_t (*key)[32]) const {
  return expand(number, "multip11 PINs in the database", *key);
}

std::string MasterKeys::fingerprint(uint32_t number) const {
  uint8_t octets[32];
  if (!expand(number, "multip11 fingerprint", octets)) return "";
  std::string text;
  for (size_t i = 0; i < 16; i++) {
    char digits[3];
    snprintf(digits, sizeof digits, "%02x", octets[i]);
    text += digits;
  }
  return text;
}

}  // namespace mp11
