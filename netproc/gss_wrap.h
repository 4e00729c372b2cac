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
 * Per-message protection of RFC 4121 (wrap tokens, always sealed) with the key of a context that
 * multip11-auth accepted and handed over (GssDone). So multip11-net needs libk5crypto but neither
 * libgssapi nor a Kerberos configuration nor any file. Interoperates with gss_wrap and gss_unwrap.
 *
 * Used by multip11-net as acceptor; the initiator's half exists so that both can be tested.
 *
 * Trust: a token is a stranger's until krb5_k_decrypt_iov has verified it, and its header is
 * believed only after it was found equal to the copy inside the ciphertext. No distinction is made
 * between the ways in which a token can be wrong. MIC tokens, unsealed tokens, tokens of our own
 * direction and of another key are refused. The first refused token ends the connection.
 */
#pragma once
#include <krb5/krb5.h>

#include <bitset>
#include <cstdint>
#include <span>
#include <vector>

#include "records.h"
#include "result.h"
#include "secure_buffer.h"

namespace mp11 {

/*
 * Which sequence numbers were seen, in a window of 1024: libgssapi's has 64, and an undefined shift
 * when 64 or more are outstanding, which unordered SCTP reaches.
 */
class SequenceWindow {
 public:
  static constexpr uint64_t kSize = 1024;
  enum class Seen { kNew, kDuplicate, kOld };

  /* `first` is the number that the peer's first token has. */
  explicit SequenceWindow(uint64_t first) : first_(first) {}
  /* Notes the number. kOld: too old to tell, or before the first. */
  Seen note(uint64_t sequence);

 private:
  uint64_t first_;
  uint64_t next_ = 0; /* one above the highest seen, counted from first_ */
  std::bitset<kSize> seen_;
};

enum class GssRole { kAcceptor, kInitiator };
/* kStrict for byte streams, where each token must bear the next number; kWindow for SCTP. */
enum class GssOrder { kStrict, kWindow };

class GssWrap {
 public:
  struct Parameters {
    GssRole role;
    GssOrder order;
    uint32_t enctype; /* 17 to 20 */
    bool acceptor_subkey;
    uint64_t send_sequence;
    uint64_t receive_sequence;
    std::span<const uint8_t> key; /* copied; the caller wipes his */
  };

  /* Fails for a key that is not of an AES type, and for a key of the wrong size. */
  static Result<GssWrap> create(const Parameters& parameters);
  /* As acceptor. The caller wipes `done`. */
  static Result<GssWrap> create(const GssDone& done, GssOrder order);

  GssWrap(GssWrap&& other) noexcept;
  GssWrap& operator=(GssWrap&&) = delete;
  ~GssWrap();

  /* Octets that a token is longer than its message, by 60 or 72. */
  size_t overhead() const { return 2 * kHeader + head_size_ + tail_size_; }
  /*
   * Appends the token for `message` to `out`, which may already hold its length. False, and `out`
   * is as before, when the token would be larger than limits::kGssFrame.
   */
  [[nodiscard]] bool wrap(std::span<const uint8_t> message, std::vector<uint8_t>* out);

  enum class Unwrapped {
    kOk,
    kBad,      /* not a sealed token of this context and direction, or changed on the way */
    kReplayed, /* genuine, but seen before or too old (kStrict: not the next) */
  };
  /* `message` is replaced; it is empty unless kOk. */
  [[nodiscard]] Unwrapped unwrap(std::span<const uint8_t> token, SecureBuffer* message);

 private:
  static constexpr size_t kHeader = 16; /* RFC 4121 section 4.2.6.2 */
  static constexpr uint8_t kSentByAcceptor = 1, kSealed = 2, kAcceptorSubkey = 4;

  GssWrap(const Parameters& parameters, krb5_key key, unsigned head_size, unsigned tail_size);
  void put_header(uint8_t flags, uint64_t sequence, uint8_t out[kHeader]) const;
  bool header_acceptable(std::span<const uint8_t> token) const;

  GssRole role_;
  GssOrder order_;
  bool acceptor_subkey_;
  unsigned head_size_; /* of the ciphertext: confounder */
  unsigned tail_size_; /* of the ciphertext: checksum */
  uint64_t send_sequence_;
  uint64_t next_receive_; /* kStrict */
  SequenceWindow window_; /* kWindow */
  krb5_key key_;          /* owned; libk5crypto wipes it when it is freed */
};

}  // namespace mp11
