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
#include "status_server.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "log.h"
#include "mp11_limits.h"
#include "os_process.h"

namespace mp11 {
namespace {

constexpr int kBacklog = 16;
constexpr uint64_t kPauseMs = 1000; /* without descriptors or memory */

Error failed(const std::string& path) { return Error{errno, path + ": " + std::strerror(errno)}; }

/* Whoever holds the lock of the PID file is alone here, so a socket is of one that has died. */
Status remove_stale(const std::string& path) {
  struct stat st;
  if (::lstat(path.c_str(), &st) != 0) return errno == ENOENT ? ok() : failed(path);
  if (!S_ISSOCK(st.st_mode)) return Error{EEXIST, path + " is not a socket; remove it"};
  return ::unlink(path.c_str()) == 0 ? ok() : failed(path);
}

/* 0: all of it is there; EAGAIN: no more for now; else the reader is gone. */
int send_rest(int socket, const std::string& text, size_t* sent) {
  while (*sent < text.size()) {
    const ssize_t n =
        ::send(socket, text.data() + *sent, text.size() - *sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno == EWOULDBLOCK ? EAGAIN : errno;
    *sent += static_cast<size_t>(n);
  }
  return 0;
}

}  // namespace

Result<std::unique_ptr<StatusServer>> StatusServer::create(EventLoop* loop, const std::string& path,
                                                           Report report) {
  std::unique_ptr<StatusServer> server(new StatusServer(loop, path, std::move(report)));
  if (Status status = server->listen(); !status) return status.error();
  return server;
}

Status StatusServer::listen() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path_.size() >= sizeof address.sun_path)
    return Error{ENAMETOOLONG, path_ + " is too long for a socket; choose a shorter run-directory"};
  std::memcpy(address.sun_path, path_.data(), path_.size());
  if (Status status = remove_stale(path_); !status) return status;
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return failed("socket");
  const mode_t before = ::umask(0177); /* nobody connects in between */
  made_ = ::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  const int code = errno;
  ::umask(before);
  if (!made_) return Error{code, "cannot bind " + path_ + ": " + std::strerror(code)};
  if (::listen(fd.get(), kBacklog) != 0) return failed(path_);
  listener_ = Watch(loop_, std::move(fd), EPOLLIN, [this](uint32_t) { on_listener(); });
  if (!listener_) return Error{0, path_ + " cannot be watched"};
  return ok();
}

StatusServer::~StatusServer() {
  loop_->cancel(&resume_);
  for (auto& [name, reader] : readers_) loop_->cancel(&reader.timer);
  if (made_) ::unlink(path_.c_str());
}

void StatusServer::on_listener() {
  if (readers_.size() >= limits::kStatusReaders) {
    loop_->change(listener_.get(), 0); /* until one has gone */
    return;
  }
  UniqueFd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket) {
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) pause();
    return;
  }
  Result<PeerCredentials> peer = peer_credentials(socket.get());
  if (!peer) return;
  if (peer->uid != 0 && peer->uid != ::geteuid())
    return log_info("uid:%u pid %d is not told the status", peer->uid, peer->pid);
  serve(std::move(socket));
}

void StatusServer::pause() {
  loop_->change(listener_.get(), 0);
  if (resume_ != 0) return;
  resume_ = loop_->after(kPauseMs, [this] {
    resume_ = 0;
    loop_->change(listener_.get(), EPOLLIN);
  });
}

void StatusServer::serve(UniqueFd socket) {
  ::shutdown(socket.get(), SHUT_RD); /* nothing is read, so nothing need be sent */
  Reader reader;
  reader.report = report_();
  if (send_rest(socket.get(), reader.report, &reader.sent) != EAGAIN) return; /* or he has gone */
  const uint64_t name = next_++;
  reader.socket =
      Watch(loop_, std::move(socket), EPOLLOUT, [this, name](uint32_t) { on_reader(name); });
  if (!reader.socket) return;
  reader.timer = loop_->after(limits::kStatusMs, [this, name] {
    log_info("a reader of the status is too slow; hung up");
    end(name);
  });
  readers_.emplace(name, std::move(reader));
}

void StatusServer::on_reader(uint64_t name) {
  Reader& reader = readers_.at(name);
  if (send_rest(reader.socket.get(), reader.report, &reader.sent) != EAGAIN) end(name);
}

void StatusServer::end(uint64_t name) {
  loop_->cancel(&readers_.at(name).timer);
  readers_.erase(name);
  if (resume_ == 0) loop_->change(listener_.get(), EPOLLIN);
}

}  // namespace mp11
