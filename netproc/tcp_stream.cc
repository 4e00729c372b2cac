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
#include "tcp_stream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace mp11 {
namespace {

constexpr size_t kReadSize = 64u << 10;
/* What has been written is kept up to here, as to remove it is to move the rest. */
constexpr size_t kWritten = 128u << 10;
/* A peer that takes nothing for so long is gone, whatever its TCP believes. */
constexpr unsigned kUserTimeoutMs = 60000;

}  // namespace

TcpStream::TcpStream(UniqueFd socket) : PeerStream(std::move(socket)) {
  int on = 1;
  (void)::setsockopt(fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  (void)::setsockopt(fd(), IPPROTO_TCP, TCP_USER_TIMEOUT, &kUserTimeoutMs, sizeof kUserTimeoutMs);
}

bool TcpStream::read() {
  if (ended()) return false;
  make_room();
  ssize_t n = ::recv(fd(), in_.get() + in_end_, in_room_ - in_end_, MSG_DONTWAIT);
  if (n > 0) {
    in_end_ += static_cast<size_t>(n);
    return true;
  }
  if (n == 0)
    end("closed by the peer");
  else if (errno != EAGAIN && errno != EINTR)
    end(std::strerror(errno));
  return false;
}

/* For kReadSize octets more. What is protected together is bounded, so unread() is. */
void TcpStream::make_room() {
  if (in_at_ == in_end_) in_at_ = in_end_ = 0;
  if (in_room_ - in_end_ >= kReadSize) return;
  const size_t unread_octets = unread();
  if (in_room_ < unread_octets + kReadSize) {
    const size_t room = std::max(2 * in_room_, unread_octets + kReadSize);
    auto larger = std::make_unique_for_overwrite<uint8_t[]>(room);
    std::copy_n(in_.get() + in_at_, unread_octets, larger.get());
    in_ = std::move(larger);
    in_room_ = room;
  } else {
    std::memmove(in_.get(), in_.get() + in_at_, unread_octets);
  }
  in_at_ = 0;
  in_end_ = unread_octets;
}

bool TcpStream::write() {
  if (ended() || unwritten() == 0) return false;
  ssize_t n = ::send(fd(), out_.data() + out_at_, unwritten(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (n < 0) {
    if (errno != EAGAIN && errno != EINTR) end("the peer does not take what it is sent");
    return false;
  }
  out_at_ += static_cast<size_t>(n);
  if (unwritten() == 0 || out_at_ >= kWritten) {
    /* A peer that is slower than what it is sent never lets it become empty. */
    out_.erase(out_.begin(), out_.begin() + static_cast<std::ptrdiff_t>(out_at_));
    out_at_ = 0;
  }
  return n > 0;
}

}  // namespace mp11
