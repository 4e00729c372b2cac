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
 * PeerStream: a connection that carries protected messages, whichever way they are protected and
 * transported: GSS tokens over TCP (token_stream.h) or SCTP (sctp_stream.h), or TLS (tls_stream.h).
 * Non-blocking buffers around one descriptor; used by multip11-net and, at the other end, by
 * multip11-remote.
 *
 * Trust: the peer is a stranger until somebody else says otherwise. reason() says in words why a
 * stream can go no further.
 */
#pragma once
#include <cstdint>
#include <span>

#include "frames.h"
#include "secure_buffer.h"
#include "unique_fd.h"

namespace mp11 {

class PeerStream {
 public:
  explicit PeerStream(UniqueFd socket) : socket_(std::move(socket)) {}
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
  virtual bool read() = 0;
  virtual bool write() = 0;
  virtual size_t unwritten() const = 0;

  /* The frames that it carries. Placed ones: it carries nothing else, and each wrap() is of one. */
  virtual FrameForm form() const { return {}; }
  /* Unprotects what has been read, if plain() is empty; true when there is something in it. */
  bool unwrap();
  std::span<const uint8_t> plain() const { return plain_.span().subspan(plain_at_); }
  void used_plain(size_t octets);
  /* Protects octets, to be written. */
  virtual void wrap(std::span<const uint8_t> octets) = 0;

 protected:
  /* The next of them into *plain, which is empty; nothing when more has to be read first. */
  virtual void unwrap_next(SecureBuffer* plain) = 0;

 private:
  UniqueFd socket_;
  SecureBuffer plain_; /* plain_at_ octets of it are used */
  size_t plain_at_ = 0;
  const char* reason_ = nullptr;
};

}  // namespace mp11
