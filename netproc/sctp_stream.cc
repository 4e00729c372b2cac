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
#include "sctp_stream.h"

#include <netinet/in.h>
#include <netinet/sctp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace mp11 {

SctpStream::SctpStream(UniqueFd socket, uint32_t streams)
    : PeerStream(std::move(socket)),
      streams_(streams),
      in_(std::make_unique_for_overwrite<uint8_t[]>(limits::kGssToken)) {}

/* ---- what comes: the kernel gives one message after another, each in one or more pieces ---- */

bool SctpStream::read() {
  if (ended() || whole_) return false;
  iovec room{in_.get() + in_size_, longest() - in_size_};
  msghdr message{};
  message.msg_iov = &room;
  message.msg_iovlen = 1;
  ssize_t n = ::recvmsg(fd(), &message, MSG_DONTWAIT);
  if (n > 0) {
    in_size_ += static_cast<size_t>(n);
    whole_ = (message.msg_flags & MSG_EOR) != 0;
    if (!whole_ && in_size_ == longest()) end("a GSS token that is too long");
    return true;
  }
  if (n == 0)
    end("closed by the peer");
  else if (errno != EAGAIN && errno != EINTR)
    end(std::strerror(errno));
  return false;
}

std::span<const uint8_t> SctpStream::token(size_t limit) {
  if (ended() || !whole_) return {};
  if (in_size_ > limit) {
    end("a GSS token that is too long");
    return {};
  }
  return {in_.get(), in_size_};
}

void SctpStream::used_token() {
  in_size_ = 0;
  whole_ = false;
}

void SctpStream::unwrap_next(SecureBuffer* plain) {
  std::span<const uint8_t> next = token(limits::kSctpToken);
  if (next.empty()) return;
  const char* refused = wrapping_->unwrap_token(next, plain);
  used_token();
  if (refused != nullptr) end(refused);
}

/* ---- what goes ---- */

void SctpStream::queue(Outgoing outgoing) {
  unwritten_ += outgoing.token.size();
  out_.push_back(std::move(outgoing));
}

bool SctpStream::put_token(std::span<const uint8_t> token) {
  if (token.empty() || token.size() > limits::kGssToken) return false;
  queue({{token.begin(), token.end()}});
  return true;
}

void SctpStream::wrap(std::span<const uint8_t> frame) {
  const FrameHead head = placed_frame_head(frame);
  Outgoing outgoing;
  outgoing.ordered = !head.whole;
  if (!head.whole && streams_ > 1)
    outgoing.stream = static_cast<uint16_t>(1 + head.number % (streams_ - 1));
  if (!wrapping_->wrap_token(frame, &outgoing.token) ||
      outgoing.token.size() > limits::kSctpToken) {
    end("a message could not be wrapped");
    return;
  }
  queue(std::move(outgoing));
}

/* The kernel takes a message whole, or not now. */
bool SctpStream::write() {
  bool progress = false;
  while (!ended() && !out_.empty()) {
    const Outgoing& next = out_.front();
    sctp_sndrcvinfo info{};
    info.sinfo_stream = next.stream;
    info.sinfo_flags = next.ordered ? 0 : SCTP_UNORDERED;
    /* Not sctp_sendv, which passes no flags on. */
    const int n =
        ::sctp_send(fd(), next.token.data(), next.token.size(), &info, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) break;
    if (n < 0 || static_cast<size_t>(n) != next.token.size()) {
      end("the peer does not take what it is sent");
      break;
    }
    unwritten_ -= next.token.size();
    out_.pop_front();
    progress = true;
  }
  return progress;
}

}  // namespace mp11
