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
#include "token_stream.h"

#include <utility>

#include "gss_frames.h"

namespace mp11 {

std::span<const uint8_t> TokenStream::token(size_t limit) {
  if (ended()) return {};
  GssFrame frame = next_gss_frame(received(), limit);
  if (frame.status == GssFrameStatus::kBroken) end("a GSS token of an impossible length");
  if (frame.status != GssFrameStatus::kFrame) return {};
  token_size_ = frame.size;
  return frame.token;
}

void TokenStream::used_token() { used(std::exchange(token_size_, 0)); }

bool TokenStream::put_token(std::span<const uint8_t> token) {
  return append_gss_frame(token, &output());
}

void TokenStream::unwrap_next(SecureBuffer* plain) {
  std::span<const uint8_t> next = token(limits::kGssFrame);
  if (next.empty()) return;
  const char* refused = wrapping_->unwrap_token(next, plain);
  used_token();
  if (refused != nullptr) end(refused);
}

void TokenStream::wrap(std::span<const uint8_t> octets) {
  std::vector<uint8_t>& out = output();
  const size_t at = out.size();
  out.resize(at + kGssLength);
  if (!wrapping_->wrap_token(octets, &out)) {
    out.resize(at);
    end("a message could not be wrapped");
    return;
  }
  put_gss_length(out.size() - at - kGssLength, out.data() + at);
}

}  // namespace mp11
