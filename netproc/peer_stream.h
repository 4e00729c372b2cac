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
 * PeerStream: a TCP connection that carries protected messages, whichever way they are protected:
 * GSS tokens (token_stream.h) or TLS (tls_stream.h). Non-blocking buffers around one descriptor;
 * used by multip11-net and, at the other end, by multip11-remote.
 *
 * Trust: the peer is a stranger until somebody else says otherwise. reason() says in words why a
 * stream can go no further.
 */
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "secure_buffer.h"
#include "unique_fd.h"

namespace mp11 {

class PeerStream {
 public:
  explicit PeerStream(UniqueFd socket);
  virtual ~PeerStream() = default;
  PeerStream(const PeerStream&) = delete;
  PeerStream& operator=(const PeerStream&) = delete;

  int fd() const { return socket_.get(); }
  /* Once true, nothing more comes or goes. */
  bool ended() const { return reason_ != nullptr; }
  const char* reason() const { return reason_; }
  void end(const char* reason) {
    if (reason_ == nullptr) reason_ = reason;
  }

  /* Takes what the socket has, and gives it what it takes. True when octets moved. */
  bool read();
  bool write();
  size_t unread() const { return in_end_ - in_at_; }
  size_t unwritten() const { return out_.size() - out_at_; }
  /* Octets of memory for those, and for what has been written before them. */
  size_t held() const { return out_.capacity(); }

  /* Unprotects what has been read, if plain() is empty; true when there is something in it. */
  bool unwrap();
  std::span<const uint8_t> plain() const { return plain_.span().subspan(plain_at_); }
  void used_plain(size_t octets);
  /* Protects octets, to be written. */
  virtual void wrap(std::span<const uint8_t> octets) = 0;

 protected:
  /* The next of them into *plain, which is empty; nothing when more has to be read first. */
  virtual void unwrap_next(SecureBuffer* plain) = 0;
  /* What has been read and not been used. */
  std::span<const uint8_t> received() const { return {in_.get() + in_at_, unread()}; }
  void used(size_t octets) { in_at_ += octets; }
  /* To be written; appended to. */
  std::vector<uint8_t>& output() { return out_; }

 private:
  void make_room();

  UniqueFd socket_;
  /* Not zeroed: pages that nothing was read into cost no memory. */
  std::unique_ptr<uint8_t[]> in_;
  size_t in_room_ = 0;
  size_t in_at_ = 0;   /* used up to here */
  size_t in_end_ = 0;  /* read up to here */
  SecureBuffer plain_; /* plain_at_ octets of it are used */
  size_t plain_at_ = 0;
  std::vector<uint8_t> out_; /* out_at_ octets of it are written */
  size_t out_at_ = 0;
  const char* reason_ = nullptr;
};

}  // namespace mp11
