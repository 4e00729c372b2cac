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
#include "auth_server.h"

#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstring>
#include <ctime>
#include <utility>
#include <vector>

#include "log.h"

namespace mp11 {
namespace {

/* What epoll says woke us: a connection's serial number, shifted, and which of its sockets. */
constexpr uint64_t kControlKey = 0;
constexpr uint64_t kVaultBit = 1;

int64_t now_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1000000;
}

}  // namespace

AuthServer::AuthServer(Acceptor* acceptor, int control, uint32_t handshake_ms, UniqueFd epoll)
    : acceptor_(acceptor),
      control_(control),
      handshake_ms_(handshake_ms),
      epoll_(std::move(epoll)) {}

Result<AuthServer> AuthServer::create(Acceptor* acceptor, int control, uint32_t handshake_ms) {
  UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return Error{errno, "epoll_create1 failed"};
  AuthServer server(acceptor, control, handshake_ms, std::move(epoll));
  if (!server.watch(control, kControlKey)) return Error{errno, "epoll_ctl failed"};
  return server;
}

bool AuthServer::watch(int fd, uint64_t key) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLRDHUP;
  event.data.u64 = key;
  return ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

void AuthServer::log(const Connection& connection, const std::string& text) const {
  log_info("connection %" PRIu64 ": %s", connection.name, text.c_str());
}

int AuthServer::until_next_deadline() const {
  if (connections_.empty()) return -1;
  return static_cast<int>(
      std::clamp<int64_t>(connections_.begin()->second.deadline_ms - now_ms(), 0, handshake_ms_));
}

void AuthServer::end_overdue() {
  const int64_t now = now_ms();
  while (!connections_.empty() && connections_.begin()->second.deadline_ms <= now) {
    log_verbose("connection %" PRIu64 ": no token within the deadline",
                connections_.begin()->second.name);
    connections_.erase(connections_.begin());
  }
}

void AuthServer::run() {
  for (;;) {
    epoll_event events[64];
    const int count = ::epoll_wait(epoll_.get(), events, std::size(events), until_next_deadline());
    if (count < 0 && errno != EINTR) {
      log_error("epoll_wait: %m");
      return;
    }
    for (int i = 0; i < count; i++) {
      const uint64_t key = events[i].data.u64;
      if (key == kControlKey) {
        if (!on_control()) return;
        continue;
      }
      auto at = connections_.find(key >> 1);
      if (at == connections_.end()) continue; /* ended by an earlier event of this turn */
      if ((key & kVaultBit) != 0)
        connections_.erase(at); /* the vault has nothing to say: it hung up */
      else
        on_net(at);
    }
    end_overdue();
  }
}

/* False when [priv] is gone. */
bool AuthServer::on_control() {
  switch (record_.receive(control_, true)) {
    case RecordStatus::kAgain:
      return true;
    case RecordStatus::kClosed:
      return false;
    case RecordStatus::kBroken:
      log_error("broken record from the listener");
      return true;
    case RecordStatus::kOk:
      break;
  }
  if (record_.as<AuthConnection>(RecordType::kAuthConnection) != nullptr) {
    on_new_connection();
  } else if (auto* ended = record_.as<ConnectionName>(RecordType::kVaultEnd); ended != nullptr) {
    std::erase_if(connections_,
                  [&](const auto& entry) { return entry.second.name == ended->connection; });
  } else {
    log_error("unknown record from the listener");
  }
  return true;
}

void AuthServer::on_new_connection() {
  Connection connection;
  connection.name = record_.as<AuthConnection>(RecordType::kAuthConnection)->connection;
  connection.deadline_ms = now_ms() + handshake_ms_;
  std::vector<UniqueFd> sockets = std::move(record_.fds());
  record_.fds().clear();
  if (sockets.size() != 2) {
    log(connection, "the listener sent a wrong number of sockets");
    return;
  }
  if (connections_.size() >= limits::kHandshakes) {
    log(connection, "refused: too many handshakes at once");
    return;
  }
  connection.net = std::move(sockets[0]);
  connection.vault = std::move(sockets[1]);
  const uint64_t serial = ++last_serial_;
  if (!watch(connection.net.get(), serial << 1) ||
      !watch(connection.vault.get(), serial << 1 | kVaultBit)) {
    log(connection, std::string("epoll_ctl: ") + std::strerror(errno));
    return;
  }
  connections_.emplace(serial, std::move(connection));
}

/* One record from net, whatever it is, is the last that this connection sees of us. */
void AuthServer::on_net(Connections::iterator at) {
  Connection& connection = at->second;
  switch (
      record_.receive(connection.net.get(), false, sizeof(ConnectionToken) + limits::kGssToken)) {
    case RecordStatus::kAgain:
      return;
    case RecordStatus::kClosed:
      break;
    case RecordStatus::kBroken:
      log(connection, "broken record from net");
      break;
    case RecordStatus::kOk: {
      std::span<const uint8_t> token;
      auto* head = record_.with_tail<ConnectionToken>(RecordType::kGssToken, &token);
      if (head == nullptr || head->token_size != token.size() || head->reserved != 0 ||
          token.empty())
        log(connection, "malformed record from net");
      else
        answer(connection, token);
      break;
    }
  }
  connections_.erase(at);
}

void AuthServer::answer(Connection& connection, std::span<const uint8_t> token) {
  Accepted accepted;
  Refused refused;
  if (!acceptor_->accept(token, &accepted, &refused)) {
    fail(connection, refused);
    return;
  }
  /* The vault first: net must not be able to use what nobody has been told of. */
  auto verdict = make_record<Verdict>(RecordType::kVerdict);
  verdict.expires_s = accepted.done.expires_s;
  verdict.kind = kVerdictKerberos;
  MP11_ASSERT(accepted.principal.size() < sizeof verdict.principal); /* verify_ap_req saw to it */
  std::memcpy(verdict.principal, accepted.principal.data(), accepted.principal.size());
  if (send_record(connection.vault.get(), verdict) != RecordStatus::kOk) {
    refused.text = accepted.principal + ": the vault does not take the verdict";
    fail(connection, refused);
    return;
  }
  accepted.done.head = {RecordType::kGssDone, sizeof(GssDone)};
  accepted.done.token_size = static_cast<uint32_t>(accepted.reply.size());
  if (send_record(connection.net.get(), &accepted.done, sizeof accepted.done, accepted.reply) !=
      RecordStatus::kOk) {
    log(connection, accepted.principal + ": net does not take the context");
    return;
  }
  log(connection, accepted.principal + " authenticated, encryption type " +
                      std::to_string(accepted.done.enctype) + ", ticket ends at " +
                      std::to_string(accepted.done.expires_s));
}

void AuthServer::fail(const Connection& connection, const Refused& refused) {
  log(connection, "refused: " + refused.text);
  auto record = make_record<ConnectionToken>(RecordType::kGssFailed);
  record.token_size = static_cast<uint32_t>(refused.token.size());
  (void)send_record(connection.net.get(), &record, sizeof record, refused.token);
}

}  // namespace mp11
