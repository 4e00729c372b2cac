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
 * TokenStream: a TcpStream of GSS tokens, each after its length, first those of the handshake,
 * then wrapped messages.
 *
 * Trust: limits are those of gss_frames.h.
 */
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "gss_wrapping.h"
#include "tcp_stream.h"
#include "unique_fd.h"

namespace mp11 {

class TokenStream final : public TcpStream {
 public:
  explicit TokenStream(UniqueFd socket) : TcpStream(std::move(socket)) {}

  /* Handshake: the next whole token of at most `limit` octets, or an empty span. Then used(). */
  std::span<const uint8_t> token(size_t limit);
  void used_token();
  bool put_token(std::span<const uint8_t> token);
  /* The end of the handshake: from here on it is messages. */
  void begin(std::unique_ptr<Wrapping> wrapping) { wrapping_ = std::move(wrapping); }

  void wrap(std::span<const uint8_t> octets) override; /* into one token */

 private:
  void unwrap_next(SecureBuffer* plain) override;

  size_t token_size_ = 0; /* of the token that token() showed, with its length */
  std::unique_ptr<Wrapping> wrapping_;
};

}  // namespace mp11
