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
 * TcpStream: the octets of a PeerStream over TCP, in both directions; how they are protected is
 * said by TokenStream and TlsStream.
 *
 * Trust: that of PeerStream. What has been read and not been used is bounded, as what is protected
 * together is.
 */
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "peer_stream.h"
#include "unique_fd.h"

namespace mp11 {

class TcpStream : public PeerStream {
 public:
  explicit TcpStream(UniqueFd socket);

  bool read() override;
  bool write() override;
  size_t unread() const { return in_end_ - in_at_; }
  size_t unwritten() const override { return out_.size() - out_at_; }
  /* Octets of memory for those, and for what has been written before them. */
  size_t held() const { return out_.capacity(); }

 protected:
  /* What has been read and not been used. */
  std::span<const uint8_t> received() const { return {in_.get() + in_at_, unread()}; }
  void used(size_t octets) { in_at_ += octets; }
  /* To be written; appended to. */
  std::vector<uint8_t>& output() { return out_; }

 private:
  void make_room();

  /* Not zeroed: pages that nothing was read into cost no memory. */
  std::unique_ptr<uint8_t[]> in_;
  size_t in_room_ = 0;
  size_t in_at_ = 0;         /* used up to here */
  size_t in_end_ = 0;        /* read up to here */
  std::vector<uint8_t> out_; /* out_at_ octets of it are written */
  size_t out_at_ = 0;
};

}  // namespace mp11
