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
 * Wrapping: what makes tokens of messages and messages of tokens, for the streams that carry them
 * (token_stream.h, sctp_stream.h).
 *
 * Trust: a token is a stranger's until it is unwrapped; the first that is refused ends its stream.
 */
#pragma once
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "gss_wrap.h"
#include "secure_buffer.h"

namespace mp11 {

class Wrapping {
 public:
  virtual ~Wrapping() = default;
  /* Appends a token to *out. */
  virtual bool wrap_token(std::span<const uint8_t> message, std::vector<uint8_t>* out) = 0;
  /* nullptr when *message is what was in the token; else why the token is refused. */
  virtual const char* unwrap_token(std::span<const uint8_t> token, SecureBuffer* message) = 0;
};

/* With a key and no library: in multip11-net, and in multip11-remote where tokens change places. */
class KeyWrapping final : public Wrapping {
 public:
  explicit KeyWrapping(GssWrap wrap) : wrap_(std::move(wrap)) {}
  bool wrap_token(std::span<const uint8_t> message, std::vector<uint8_t>* out) override {
    return wrap_.wrap(message, out);
  }
  const char* unwrap_token(std::span<const uint8_t> token, SecureBuffer* message) override {
    switch (wrap_.unwrap(token, message)) {
      case GssWrap::Unwrapped::kOk:
        return nullptr;
      case GssWrap::Unwrapped::kReplayed:
        return "a replayed GSS token";
      default:
        return "a bad GSS token";
    }
  }

 private:
  GssWrap wrap_;
};

}  // namespace mp11
