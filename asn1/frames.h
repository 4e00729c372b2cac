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
 * Frames: several messages on one connection, in fragments that take turns (PROTOCOL, Encodings).
 *
 *   u32 length of the fragment | u8 flags | u32 message number | the fragment
 *
 * Numbers are big-endian. The length counts the fragment alone, is never 0 and stays below 2^24, so
 * the first octet of a connection that speaks frames is 00. Bit 0 of flags: more fragments of this
 * message follow; the other bits are 0. The sender numbers its messages as it likes, but not two at
 * a time alike; fragments of one message keep their order.
 *
 * Placed frames are for a transport on which somebody may change the order of what he cannot read
 * (SCTP): bit 1 of flags is set in each fragment of a message that has several, and an u32 after
 * the number says where in the message it begins. A frame does not span two tokens.
 *
 * Trust: what FrameReader is given comes from the network. It holds no more than its limits say,
 * whatever comes, and after an error takes nothing more. Buffers only; no input or output here.
 */
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "mp11_limits.h"
#include "secure_buffer.h"

namespace mp11 {

inline constexpr size_t kFrameHeader = 9;
inline constexpr size_t kFramePlace = 4; /* more, of a fragment that says where it is */

/* As both ends of a transport have them. */
struct FrameForm {
  size_t fragment = limits::kFragment; /* octets of one fragment */
  bool placed = false;
};

/* A message on its way out. The octets belong to the caller and stay until the last frame. */
struct FrameSource {
  uint32_t number = 0;
  std::span<const uint8_t> rest; /* what has not been written yet */
  uint32_t written = 0;
};

/*
 * Appends the next frame of the message to *out. True while more of it is left, so that the caller
 * can let another message go between. A message of no octets has no frame.
 */
bool write_frame(FrameSource* source, SecureBuffer* out, const FrameForm& form = {});

/* What write_frame wrote into `frame`, which is not empty. */
struct FrameHead {
  bool whole = false; /* a message, and not a fragment of one */
  uint32_t number = 0;
};
FrameHead placed_frame_head(std::span<const uint8_t> frame);

struct FrameLimits {
  size_t message = limits::kMessage;         /* octets of one message */
  size_t fragment = limits::kFragment;       /* octets of one fragment */
  size_t partial = limits::kPartialMessages; /* messages begun and not ended */
  size_t total = limits::kPartialOctets;     /* octets of all of them */
  bool placed = false;                       /* placed frames, and no others */
};

enum class FrameStatus : uint8_t {
  kMore,         /* all input is taken and no message complete */
  kMessage,      /* a message is complete; there may be more input */
  kHeader,       /* broken: a length of 0, or unknown flags */
  kLongFragment, /* broken: FrameLimits::fragment */
  kLongMessage,  /* broken: FrameLimits::message */
  kManyMessages, /* broken: FrameLimits::partial */
  kManyOctets,   /* broken: FrameLimits::total */
  kMisplaced,    /* broken, of placed frames: one is missing, or not in its place */
};

class FrameReader {
 public:
  explicit FrameReader(const FrameLimits& limits = {}) : limits_(limits) {}

  /*
   * Takes octets from the front of *input until a message is complete, which it swaps into
   * *message (what was there is wiped). Call again until kMore. Every other status is final: the
   * connection cannot be understood any more and must end. Of placed frames *input is what one
   * token had, or what is left of that.
   */
  FrameStatus take(std::span<const uint8_t>* input, uint32_t* number, SecureBuffer* message);

  size_t held() const { return held_; } /* octets of incomplete messages */

 private:
  struct Partial {
    uint32_t number;
    SecureBuffer octets;
  };
  size_t header_length() const;
  FrameStatus begin_fragment();
  FrameStatus out_of_input();
  FrameStatus fail(FrameStatus status);

  const FrameLimits limits_;
  std::vector<Partial> partial_;
  size_t held_ = 0;
  uint8_t header_[kFrameHeader + kFramePlace] = {};
  size_t header_size_ = 0;   /* octets of it that are there */
  size_t fragment_left_ = 0; /* octets of the fragment that are still to come */
  size_t current_ = 0;       /* in partial_: whose fragment it is */
  FrameStatus broken_ = FrameStatus::kMore;
};

}  // namespace mp11
