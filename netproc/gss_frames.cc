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
#include "gss_frames.h"

#include "result.h"

namespace mp11 {

GssFrame next_gss_frame(std::span<const uint8_t> received, size_t limit) {
  if (received.size() < kGssLength) return {GssFrameStatus::kMore, {}, kGssLength};
  size_t size = size_t{received[0]} << 24 | size_t{received[1]} << 16 | size_t{received[2]} << 8 |
                size_t{received[3]};
  if (size == 0 || size > limit) return {GssFrameStatus::kBroken, {}, 0};
  if (received.size() - kGssLength < size) return {GssFrameStatus::kMore, {}, kGssLength + size};
  return {GssFrameStatus::kFrame, received.subspan(kGssLength, size), kGssLength + size};
}

void put_gss_length(size_t size, uint8_t out[kGssLength]) {
  MP11_ASSERT(size >= 1 && size <= limits::kGssFrame);
  out[0] = static_cast<uint8_t>(size >> 24);
  out[1] = static_cast<uint8_t>(size >> 16);
  out[2] = static_cast<uint8_t>(size >> 8);
  out[3] = static_cast<uint8_t>(size);
}

bool append_gss_frame(std::span<const uint8_t> token, std::vector<uint8_t>* out) {
  if (token.empty() || token.size() > limits::kGssFrame) return false;
  uint8_t length[kGssLength];
  put_gss_length(token.size(), length);
  out->insert(out->end(), length, length + kGssLength);
  out->insert(out->end(), token.begin(), token.end());
  return true;
}

}  // namespace mp11
