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
 * Frames of a connection, in pieces of any size, GSS frames, and extensions of a ClientHello:
 * whatever comes, no more is held than the limits say, and cutting the input elsewhere gives the
 * same messages.
 */
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <utility>
#include <vector>

#include "frames.h"
#include "gss_frames.h"
#include "kdh.h"
#include "kdh_hello.h"

namespace {

using namespace mp11;

constexpr FrameLimits kSmall = {.message = 4096, .fragment = 1024, .partial = 4, .total = 8192};
constexpr FrameLimits kPlaced = {
    .message = 4096, .fragment = 1024, .partial = 4, .total = 8192, .placed = true};

using Messages = std::vector<std::pair<uint32_t, std::vector<uint8_t>>>;

FrameStatus read_all(std::span<const uint8_t> input, size_t piece, Messages* messages,
                     const FrameLimits& limits = kSmall) {
  FrameReader reader(limits);
  while (!input.empty()) {
    std::span<const uint8_t> part = input.first(std::min(piece, input.size()));
    input = input.subspan(part.size());
    for (;;) {
      uint32_t number = 0;
      SecureBuffer message;
      FrameStatus status = reader.take(&part, &number, &message);
      if (reader.held() > kSmall.total) abort();
      if (status == FrameStatus::kMore) break;
      if (status != FrameStatus::kMessage) return status;
      if (message.size() > kSmall.message) abort();
      messages->emplace_back(number,
                             std::vector<uint8_t>(message.data(), message.data() + message.size()));
    }
  }
  return FrameStatus::kMore;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  std::span<const uint8_t> input(data + 1, size - 1);
  Messages whole, pieces;
  FrameStatus first = read_all(input, input.size() + 1, &whole);
  FrameStatus second = read_all(input, size_t{data[0]} + 1, &pieces);
  if (first != second || whole != pieces) abort();
  Messages tokens; /* one in each piece, over SCTP */
  (void)read_all(input, size_t{data[0]} + 1, &tokens, kPlaced);

  GssFrame frame = next_gss_frame(input, 512);
  if (frame.token.size() > 512) abort();

  (void)offers_dhe(input);
  if (const auto identity = only_identity(input)) {
    if (identity->empty() || identity->size() > kKdhIdentity) abort();
    /* It is what stands between its length and its age. */
    if (identity->data() != input.data() + 4) abort();
    if (input.size() != 4 + identity->size() + 4 + 3 + kKdhPsk) abort();
  }
  return 0;
}
