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
#include "pin_box.h"

#include <openssl/evp.h>
#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "secure_buffer.h"

namespace mp11 {
namespace {

constexpr size_t kNonce = 12, kTag = 16;
constexpr size_t kSealed = kNonce + sizeof(StoredPin) + kTag;
static_assert(sizeof(StoredPin) == 256);

struct CipherFree {
  void operator()(EVP_CIPHER* cipher) const { EVP_CIPHER_free(cipher); }
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Cipher = std::unique_ptr<EVP_CIPHER_CTX, CipherFree>;

bool usable(const StoredPin& pin) { return pin.size != 0 && pin.size <= sizeof pin.pin; }

/* None of the names has a NUL. */
std::string words_of(const PinPlace& place) {
  std::string words = place.next ? "multip11 next PIN" : "multip11 PIN";
  for (const std::string& part : {place.backend, place.token}) words += '\0' + part;
  return words;
}

/* Ready for the text, with nonce and place; nullptr: it cannot be had. */
Cipher begin(const MasterKeys& keys, uint32_t number, const PinPlace& place, const uint8_t* nonce,
             bool encrypts) {
  uint8_t key[32];
  if (!keys.sealing_key(number, &key)) return nullptr;
  std::unique_ptr<EVP_CIPHER, CipherFree> gcm(EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr));
  Cipher context(gcm ? EVP_CIPHER_CTX_new() : nullptr);
  const std::string words = words_of(place);
  int size = 0;
  const bool ready =
      context &&
      EVP_CipherInit_ex2(context.get(), gcm.get(), key, nonce, encrypts ? 1 : 0, nullptr) == 1 &&
      EVP_CipherUpdate(context.get(), nullptr, &size,
                       reinterpret_cast<const uint8_t*>(words.data()),
                       static_cast<int>(words.size())) == 1;
  wipe(key, sizeof key);
  return ready ? std::move(context) : nullptr;
}

Error no_key(uint32_t number) {
  return Error{0, "there is no line " + std::to_string(number) + " of master-key"};
}

}  // namespace

Result<std::vector<uint8_t>> seal_pin(const MasterKeys& keys, uint32_t number,
                                      const PinPlace& place, const StoredPin& pin) {
  std::vector<uint8_t> sealed(kSealed);
  if (!usable(pin)) return Error{EINVAL, "a PIN has 1 to 252 octets"};
  if (number == 0 || number > keys.count()) return no_key(number);
  if (::getrandom(sealed.data(), kNonce, 0) != kNonce) return Error{errno, "getrandom"};
  StoredPin clean{}; /* nothing behind the PIN */
  clean.size = pin.size;
  std::memcpy(clean.pin, pin.pin, pin.size);
  Cipher cipher = begin(keys, number, place, sealed.data(), true);
  int size = 0, rest = 0;
  uint8_t* text = sealed.data() + kNonce;
  const bool done =
      cipher &&
      EVP_CipherUpdate(cipher.get(), text, &size, reinterpret_cast<const uint8_t*>(&clean),
                       sizeof clean) == 1 &&
      size == sizeof clean && EVP_CipherFinal_ex(cipher.get(), text + size, &rest) == 1 &&
      rest == 0 &&
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_AEAD_GET_TAG, kTag, text + sizeof clean) == 1;
  wipe(&clean, sizeof clean);
  if (!done) return Error{0, "a PIN cannot be encrypted"};
  return sealed;
}

Status open_pin(const MasterKeys& keys, uint32_t number, const PinPlace& place,
                std::span<const uint8_t> sealed, StoredPin* pin) {
  *pin = {};
  if (number == 0 || number > keys.count()) return no_key(number);
  const Error changed{0, "its PIN in the database is not what was written there, or not of line " +
                             std::to_string(number) + " of master-key"};
  if (sealed.size() != kSealed) return changed;
  Cipher cipher = begin(keys, number, place, sealed.data(), false);
  const uint8_t* text = sealed.data() + kNonce;
  uint8_t tag[kTag];
  std::memcpy(tag, text + sizeof *pin, kTag);
  uint8_t* out = reinterpret_cast<uint8_t*>(pin);
  int size = 0, rest = 0;
  const bool done = cipher && EVP_CipherUpdate(cipher.get(), out, &size, text, sizeof *pin) == 1 &&
                    size == sizeof *pin &&
                    EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_AEAD_SET_TAG, kTag, tag) == 1 &&
                    EVP_CipherFinal_ex(cipher.get(), out + size, &rest) == 1 && usable(*pin);
  if (done) return ok();
  wipe(pin, sizeof *pin);
  return changed;
}

Status make_pin(StoredPin* pin) {
  *pin = {};
  uint8_t octets[kDerivedPin];
  if (::getrandom(octets, sizeof octets, 0) != sizeof octets) return Error{errno, "getrandom"};
  spell_pin(octets, pin);
  wipe(octets, sizeof octets);
  return ok();
}

}  // namespace mp11
