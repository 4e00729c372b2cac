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
 * SctpStream: a PeerStream of GSS tokens over SCTP, one user message each, first those of the
 * handshake, then wrapped frames. A message of one frame goes unordered, so that none waits for
 * another that was lost; the fragments of a longer one go in order, on a stream that its number
 * chooses, beside stream 0.
 *
 * Trust: whoever can alter packets can change the order of tokens, leave some out and repeat some.
 * Repeated ones are refused by the Wrapping, whose window is that of SequenceWindow; that fragments
 * are all there and in order is said by the frames themselves (frames.h, placed ones). At most one
 * message is held in each direction of what the kernel has given, of a bounded length.
 */
#pragma once
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "gss_wrapping.h"
#include "peer_stream.h"
#include "unique_fd.h"

namespace mp11 {

class SctpStream final : public PeerStream {
 public:
  /* `streams`: sctp_streams() of the socket, whose options are set already. */
  SctpStream(UniqueFd socket, uint32_t streams);

  /* As those of TokenStream. */
  std::span<const uint8_t> token(size_t limit);
  void used_token();
  bool put_token(std::span<const uint8_t> token);
  void begin(std::unique_ptr<Wrapping> wrapping) { wrapping_ = std::move(wrapping); }

  bool read() override;
  bool write() override;
  size_t unwritten() const override { return unwritten_; }
  FrameForm form() const override { return {limits::kSctpFragment, true}; }
  void wrap(std::span<const uint8_t> frame) override;

 private:
  struct Outgoing {
    std::vector<uint8_t> token;
    uint16_t stream = 0;
    bool ordered = true;
  };
  void unwrap_next(SecureBuffer* plain) override;
  size_t longest() const { return wrapping_ ? limits::kSctpToken : limits::kGssToken; }
  void queue(Outgoing outgoing);

  const uint32_t streams_;
  std::unique_ptr<Wrapping> wrapping_;
  std::unique_ptr<uint8_t[]> in_; /* the first octets of a message, or all: kGssToken at most */
  size_t in_size_ = 0;
  bool whole_ = false;
  std::deque<Outgoing> out_;
  size_t unwritten_ = 0;
};

}  // namespace mp11
