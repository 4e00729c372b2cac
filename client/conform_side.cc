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
#include "conform_side.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

#include "conform_wire.h"

namespace mp11::conform {
namespace {

/* Ten times what the slowest call (a key of 4096 bits) takes. */
constexpr int kHangMs = 60000;

}  // namespace

bool send_message(int socket, uint8_t kind, const Bytes& body) {
  Bytes message(5);
  message[0] = kind;
  const auto size = static_cast<uint32_t>(body.size());
  memcpy(&message[1], &size, sizeof size);
  message.insert(message.end(), body.begin(), body.end());
  for (size_t sent = 0; sent < message.size();) {
    ssize_t n = ::send(socket, message.data() + sent, message.size() - sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    sent += static_cast<size_t>(n);
  }
  return true;
}

bool receive_octets(int socket, uint8_t* data, size_t size) {
  while (size > 0) {
    ssize_t n = ::recv(socket, data, size, MSG_WAITALL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    data += n;
    size -= static_cast<size_t>(n);
  }
  return true;
}

bool receive_message(int socket, uint8_t* kind, Bytes* body) {
  uint8_t head[5];
  uint32_t size;
  if (!receive_octets(socket, head, sizeof head)) return false;
  *kind = head[0];
  memcpy(&size, &head[1], sizeof size);
  body->resize(size);
  return receive_octets(socket, body->data(), size);
}

bool Side::start(const Side& other) {
  stop();
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return false;
  UniqueFd ours(ends[0]), theirs(ends[1]);
  ::fflush(nullptr);
  pid_ = ::fork();
  if (pid_ < 0) return false;
  if (pid_ == 0) {
    ours.reset();
    if (other.socket_) ::close(other.socket_.get());
    run_executor(config_, theirs.get());
  }
  socket_ = std::move(ours);
  end_.clear();
  return true;
}

void Side::stop() {
  socket_.reset(); /* the executor ends when it reads this */
  if (pid_ > 0) note_end();
}

void Side::note_end() {
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  socket_.reset();
  if (WIFSIGNALED(status))
    end_ = std::string("killed by signal ") + std::to_string(WTERMSIG(status)) + " (" +
           strsignal(WTERMSIG(status)) + ")";
  else if (end_.empty())
    end_ = "ended with status " + std::to_string(WEXITSTATUS(status));
}

SideStatus Side::read_message(Bytes* message) {
  if (!socket_) return SideStatus::kDied;
  pollfd wait{socket_.get(), POLLIN, 0};
  int ready;
  while ((ready = ::poll(&wait, 1, kHangMs)) < 0 && errno == EINTR) {
  }
  if (ready == 0) {
    ::kill(pid_, SIGKILL);
    note_end();
    end_ = "gave no answer";
    return SideStatus::kHung;
  }
  uint8_t kind;
  if (receive_message(socket_.get(), &kind, message) && kind != kMessageFailed)
    return SideStatus::kOk;
  if (!message->empty()) end_.assign(message->begin(), message->end());
  note_end();
  return SideStatus::kDied;
}

SideStatus Side::ambiguous(const Call& call, bool* result) {
  Bytes body;
  write_call(call, &body);
  if (socket_) send_message(socket_.get(), kMessageProbe, body);
  SideStatus status = read_message(&body);
  *result = status == SideStatus::kOk && !body.empty() && body[0] != 0;
  return status;
}

void Side::send(const Call& call) {
  Bytes body;
  write_call(call, &body);
  /* A failure shows at receive. */
  if (socket_) send_message(socket_.get(), kMessageCall, body);
}

SideStatus Side::receive(Reply* reply) {
  Bytes body;
  SideStatus status = read_message(&body);
  *reply = Reply{};
  if (status == SideStatus::kOk && !read_reply(body.data(), body.size(), reply)) {
    ::kill(pid_, SIGKILL);
    note_end();
    return SideStatus::kDied;
  }
  return status;
}

}  // namespace mp11::conform
