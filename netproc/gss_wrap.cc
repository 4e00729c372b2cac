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
#include "gss_wrap.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace mp11 {
namespace {

/* RFC 4121 section 2. */
constexpr krb5_keyusage kUsageAcceptorSeal = 22;
constexpr krb5_keyusage kUsageInitiatorSeal = 24;

constexpr uint32_t kFirstEnctype = ENCTYPE_AES128_CTS_HMAC_SHA1_96;   /* 17 */
constexpr uint32_t kLastEnctype = ENCTYPE_AES256_CTS_HMAC_SHA384_192; /* 20 */

uint16_t get16(const uint8_t* p) { return static_cast<uint16_t>(p[0] << 8 | p[1]); }

uint64_t get64(const uint8_t* p) {
  uint64_t value = 0;
  for (size_t i = 0; i < 8; i++) value = value << 8 | p[i];
  return value;
}

krb5_crypto_iov part(krb5_cryptotype type, uint8_t* data, size_t size) {
  krb5_crypto_iov iov{};
  iov.flags = type;
  iov.data.data = reinterpret_cast<char*>(data);
  iov.data.length = static_cast<unsigned>(size);
  return iov;
}

}  // namespace

SequenceWindow::Seen SequenceWindow::note(uint64_t sequence) {
  uint64_t position = sequence - first_; /* numbers may run over 2^64: only distance counts */
  if (position >> 63 != 0) return Seen::kOld;
  if (position >= next_) {
    if (position - next_ >= kSize) seen_.reset();
    for (uint64_t at = next_; at < position && seen_.any(); at++) seen_.reset(at % kSize);
    next_ = position + 1;
  } else if (next_ - position > kSize) {
    return Seen::kOld;
  } else if (seen_.test(position % kSize)) {
    return Seen::kDuplicate;
  }
  seen_.set(position % kSize);
  return Seen::kNew;
}

Result<GssWrap> GssWrap::create(const Parameters& parameters) {
  if (parameters.enctype < kFirstEnctype || parameters.enctype > kLastEnctype)
    return Error{0, "context key is not of an AES encryption type"};
  auto enctype = static_cast<krb5_enctype>(parameters.enctype);
  size_t random_size = 0, key_size = 0;
  unsigned head_size = 0, padding = 0, tail_size = 0;
  if (krb5_c_keylengths(nullptr, enctype, &random_size, &key_size) != 0 ||
      krb5_c_crypto_length(nullptr, enctype, KRB5_CRYPTO_TYPE_HEADER, &head_size) != 0 ||
      krb5_c_crypto_length(nullptr, enctype, KRB5_CRYPTO_TYPE_PADDING, &padding) != 0 ||
      krb5_c_crypto_length(nullptr, enctype, KRB5_CRYPTO_TYPE_TRAILER, &tail_size) != 0)
    return Error{0, "encryption type is not in this Kerberos library"};
  if (parameters.key.size() != key_size) return Error{0, "context key has the wrong size"};
  MP11_ASSERT(padding == 0); /* ciphertext stealing */

  krb5_keyblock block{};
  block.enctype = enctype;
  block.length = static_cast<unsigned>(parameters.key.size());
  block.contents = const_cast<krb5_octet*>(parameters.key.data());
  krb5_key key = nullptr;
  if (krb5_k_create_key(nullptr, &block, &key) != 0) return Error{ENOMEM, "no memory for a key"};
  return GssWrap(parameters, key, head_size, tail_size);
}

Result<GssWrap> GssWrap::create(const GssDone& done, GssOrder order) {
  if (done.key_size > sizeof done.key || done.acceptor_subkey > 1)
    return Error{0, "malformed context"};
  return create({GssRole::kAcceptor,
                 order,
                 done.enctype,
                 done.acceptor_subkey == 1,
                 done.send_sequence,
                 done.receive_sequence,
                 {done.key, done.key_size}});
}

GssWrap::GssWrap(const Parameters& parameters, krb5_key key, unsigned head_size, unsigned tail_size)
    : role_(parameters.role),
      order_(parameters.order),
      acceptor_subkey_(parameters.acceptor_subkey),
      head_size_(head_size),
      tail_size_(tail_size),
      send_sequence_(parameters.send_sequence),
      next_receive_(parameters.receive_sequence),
      window_(parameters.receive_sequence),
      key_(key) {}

GssWrap::GssWrap(GssWrap&& other) noexcept
    : role_(other.role_),
      order_(other.order_),
      acceptor_subkey_(other.acceptor_subkey_),
      head_size_(other.head_size_),
      tail_size_(other.tail_size_),
      send_sequence_(other.send_sequence_),
      next_receive_(other.next_receive_),
      window_(other.window_),
      key_(std::exchange(other.key_, nullptr)) {}

GssWrap::~GssWrap() {
  if (key_ != nullptr) krb5_k_free_key(nullptr, key_);
}

/* EC and RRC are 0: no filler, no rotation. */
void GssWrap::put_header(uint8_t flags, uint64_t sequence, uint8_t out[kHeader]) const {
  const uint8_t fixed[8] = {0x05, 0x04, flags, 0xff, 0, 0, 0, 0};
  std::memcpy(out, fixed, sizeof fixed);
  for (size_t i = 0; i < 8; i++) out[8 + i] = static_cast<uint8_t>(sequence >> (56 - 8 * i));
}

bool GssWrap::wrap(std::span<const uint8_t> message, std::vector<uint8_t>* out) {
  if (message.size() > limits::kGssFrame - overhead()) return false;
  auto flags = static_cast<uint8_t>((role_ == GssRole::kAcceptor ? kSentByAcceptor : 0) | kSealed |
                                    (acceptor_subkey_ ? kAcceptorSubkey : 0));
  const size_t start = out->size();
  out->resize(start + message.size() + overhead());
  uint8_t* token = out->data() + start;
  put_header(flags, send_sequence_, token);
  /* Encrypted in place: what remains of the message in `out` is ciphertext. */
  uint8_t* head = token + kHeader;
  uint8_t* body = head + head_size_;
  std::copy(message.begin(), message.end(), body);
  std::memcpy(body + message.size(), token, kHeader);
  krb5_crypto_iov parts[] = {
      part(KRB5_CRYPTO_TYPE_HEADER, head, head_size_),
      part(KRB5_CRYPTO_TYPE_DATA, body, message.size() + kHeader),
      part(KRB5_CRYPTO_TYPE_TRAILER, body + message.size() + kHeader, tail_size_),
  };
  krb5_keyusage usage = role_ == GssRole::kAcceptor ? kUsageAcceptorSeal : kUsageInitiatorSeal;
  if (krb5_k_encrypt_iov(nullptr, key_, usage, nullptr, parts, std::size(parts)) != 0) {
    wipe(token, message.size() + overhead());
    out->resize(start);
    return false;
  }
  send_sequence_++;
  return true;
}

/* What can be said before the token is deciphered. Unknown flags are ignored, as RFC 4121 says. */
bool GssWrap::header_acceptable(std::span<const uint8_t> token) const {
  if (token.size() < overhead() || token.size() > limits::kGssFrame) return false;
  if (token[0] != 0x05 || token[1] != 0x04 || token[3] != 0xff) return false;
  const bool from_acceptor = (token[2] & kSentByAcceptor) != 0;
  return from_acceptor == (role_ == GssRole::kInitiator) && (token[2] & kSealed) != 0 &&
         ((token[2] & kAcceptorSubkey) != 0) == acceptor_subkey_;
}

GssWrap::Unwrapped GssWrap::unwrap(std::span<const uint8_t> token, SecureBuffer* message) {
  message->clear();
  if (!header_acceptable(token)) return Unwrapped::kBad;
  const size_t filler = get16(&token[4]);
  const uint64_t sequence = get64(&token[8]);

  /* Undo the rotation to the right (Windows sends 28) while copying. */
  std::span<const uint8_t> rotated = token.subspan(kHeader);
  const size_t rotation = get16(&token[6]) % rotated.size();
  message->resize(rotated.size());
  uint8_t* text = message->data();
  std::rotate_copy(rotated.begin(), rotated.begin() + static_cast<ptrdiff_t>(rotation),
                   rotated.end(), text);

  const size_t data_size = rotated.size() - head_size_ - tail_size_;
  krb5_crypto_iov parts[] = {
      part(KRB5_CRYPTO_TYPE_HEADER, text, head_size_),
      part(KRB5_CRYPTO_TYPE_DATA, text + head_size_, data_size),
      part(KRB5_CRYPTO_TYPE_TRAILER, text + head_size_ + data_size, tail_size_),
  };
  krb5_keyusage usage = role_ == GssRole::kAcceptor ? kUsageInitiatorSeal : kUsageAcceptorSeal;
  uint8_t header[kHeader];
  std::memcpy(header, token.data(), kHeader);
  header[6] = header[7] = 0; /* RRC is 0 in the copy */
  const uint8_t* copy = text + head_size_ + data_size - kHeader;
  if (krb5_k_decrypt_iov(nullptr, key_, usage, nullptr, parts, std::size(parts)) != 0 ||
      data_size < kHeader + filler || !equal_constant_time(copy, header, kHeader)) {
    message->clear();
    return Unwrapped::kBad;
  }
  const bool fresh = order_ == GssOrder::kStrict
                         ? sequence == next_receive_
                         : window_.note(sequence) == SequenceWindow::Seen::kNew;
  if (!fresh) {
    message->clear();
    return Unwrapped::kReplayed;
  }
  next_receive_++;
  const size_t size = data_size - kHeader - filler;
  std::memmove(text, text + head_size_, size);
  message->resize(size);
  return Unwrapped::kOk;
}

}  // namespace mp11
