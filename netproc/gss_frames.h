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
 * GSS tokens over a byte stream (PROTOCOL, Transports): four octets of length, big-endian, then the
 * token, while the context is made and afterwards. Buffers in, buffers out; no descriptor, no
 * state.
 *
 * Used by multip11-net and, at the other end, by multip11-remote.
 *
 * Trust: the length is the first thing that a stranger sends. It is held against a limit before a
 * single octet of the token is waited for: limits::kGssToken until the peer is authenticated, so
 * that a stranger cannot make us hold more, and limits::kGssFrame from then on.
 */
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "mp11_limits.h"

namespace mp11 {

inline constexpr size_t kGssLength = 4; /* octets in front of each token */

enum class GssFrameStatus {
  kMore,  /* not all of it has arrived */
  kFrame, /* token is complete */
  kBroken /* length 0 or above the limit: close the connection */
};

struct GssFrame {
  GssFrameStatus status = GssFrameStatus::kMore;
  std::span<const uint8_t> token; /* kFrame: points into what was given */
  /* kFrame: octets to drop from the front. kMore: octets the buffer must hold before it is worth
   * looking again. */
  size_t size = 0;
};

/* Looks at what has arrived so far. */
GssFrame next_gss_frame(std::span<const uint8_t> received, size_t limit);

/* The four octets for a token of `size` octets, 1 <= size <= limits::kGssFrame. */
void put_gss_length(size_t size, uint8_t out[kGssLength]);

/* Appends length and token to `out`. False, and nothing is appended, for an impossible size. */
[[nodiscard]] bool append_gss_frame(std::span<const uint8_t> token, std::vector<uint8_t>* out);

}  // namespace mp11
