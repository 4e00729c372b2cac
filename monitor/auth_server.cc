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
#include <sys/resource.h>

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

constexpr size_t kLargestRecord = sizeof(KdhHello) + limits::kGssToken;
static_assert(sizeof(KdhHello) >= sizeof(ConnectionToken) && kKdhIdentity <= limits::kGssToken);

int64_t now_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1000000;
}

/* Handshakes come first: who has a connection can do without a longer one. */
size_t room_for_live() {
  constexpr size_t kOthers = 2 * limits::kHandshakes + 16;
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur <= kOthers) return 0;
  return std::min<size_t>(files.rlim_cur - kOthers, limits::kRenewable);
}

}  // namespace

AuthServer::AuthServer(Acceptor* acceptor, int control, uint32_t handshake_ms, UniqueFd epoll)
    : acceptor_(acceptor),
      control_(control),
      handshake_ms_(handshake_ms),
      epoll_(std::move(epoll)),
      most_live_(room_for_live()) {}

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

void AuthServer::log(uint64_t connection, const std::string& text) {
  log_info("connection %" PRIu64 ": %s", connection, text.c_str());
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
      if (at == connections_.end()) { /* authenticated, or ended by an earlier event of this turn */
        auto live = live_.find(key >> 1);
        if (live != live_.end() && (key & kVaultBit) == 0) on_live(live);
        continue;
      }
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
    auto is_it = [&](const auto& entry) { return entry.second.name == ended->connection; };
    std::erase_if(connections_, is_it);
    std::erase_if(live_, is_it);
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

/* One record from net, whatever it is, is the last of the handshake. */
void AuthServer::on_net(Connections::iterator at) {
  Connection& connection = at->second;
  switch (record_.receive(connection.net.get(), false, kLargestRecord)) {
    case RecordStatus::kAgain:
      return;
    case RecordStatus::kClosed:
      break;
    case RecordStatus::kBroken:
      log(connection, "broken record from net");
      break;
    case RecordStatus::kOk: {
      std::span<const uint8_t> token;
      Standing standing;
      bool in = false;
      if (auto* head = record_.with_tail<ConnectionToken>(RecordType::kGssToken, &token);
          head != nullptr && head->token_size == token.size() && head->reserved == 0 &&
          !token.empty() && token.size() <= limits::kGssToken)
        in = answer(connection, token, &standing);
      else if (auto* hello = record_.with_tail<KdhHello>(RecordType::kKdhHello, &token);
               hello != nullptr && hello->token_size == token.size() && hello->reserved == 0 &&
               !token.empty() && token.size() <= kKdhIdentity)
        in = answer(connection, *hello, token, &standing);
      else
        log(connection, "malformed record from net");
      if (in) keep(at->first, &connection, std::move(standing));
      break;
    }
  }
  connections_.erase(at);
}

bool AuthServer::answer(Connection& connection, std::span<const uint8_t> token,
                        Standing* standing) {
  Accepted accepted;
  Refused refused;
  if (!acceptor_->accept(token, &accepted, &refused)) {
    fail(connection, refused);
    return false;
  }
  if (!tell_vault(connection, accepted.principal, accepted.done.expires_s)) {
    refused.text = accepted.principal + ": the vault does not take the verdict";
    fail(connection, refused);
    return false;
  }
  *standing = {accepted.principal, accepted.binding, accepted.done.expires_s};
  accepted.done.head = {RecordType::kGssDone, sizeof(GssDone)};
  accepted.done.token_size = static_cast<uint32_t>(accepted.reply.size());
  return told(
      connection,
      send_record(connection.net.get(), &accepted.done, sizeof accepted.done, accepted.reply),
      *standing, "GSS-API", accepted.done.enctype);
}

bool AuthServer::answer(Connection& connection, const KdhHello& hello,
                        std::span<const uint8_t> ap_req, Standing* standing) {
  AcceptedKdh accepted;
  Refused refused;
  if (!acceptor_->accept_kdh(ap_req, std::span(hello.random), &accepted, &refused)) {
    fail_kdh(connection, refused);
    return false;
  }
  const auto expires_s = static_cast<uint64_t>(accepted.expires_s);
  if (!tell_vault(connection, accepted.principal, expires_s)) {
    refused.text = accepted.principal + ": the vault does not take the verdict";
    refused.code = KRB5KDC_ERR_SVC_UNAVAILABLE;
    fail_kdh(connection, refused);
    return false;
  }
  *standing = {accepted.principal, accepted.binding, expires_s};
  accepted.done.head = {RecordType::kKdhDone, sizeof(KdhDone)};
  return told(connection, send_record(connection.net.get(), accepted.done), *standing, "TLS-KDH",
              static_cast<uint32_t>(accepted.enctype));
}

/* The vault first: net must not be able to use what nobody has been told of. */
bool AuthServer::tell_vault(const Connection& connection, const std::string& principal,
                            uint64_t expires_s) {
  auto verdict = make_record<Verdict>(RecordType::kVerdict);
  verdict.expires_s = expires_s;
  verdict.kind = kVerdictKerberos;
  MP11_ASSERT(principal.size() < sizeof verdict.principal); /* verify_ap_req saw to it */
  std::memcpy(verdict.principal, principal.data(), principal.size());
  return send_record(connection.vault.get(), verdict) == RecordStatus::kOk;
}

/* Of net, what it can go on with. */
bool AuthServer::told(const Connection& connection, RecordStatus status, const Standing& standing,
                      const char* by, uint32_t enctype) {
  if (status != RecordStatus::kOk) {
    log(connection, standing.principal + ": net does not take the key");
    return false;
  }
  log(connection, standing.principal + " authenticated by " + by + ", encryption type " +
                      std::to_string(enctype) + ", ticket ends at " +
                      std::to_string(standing.expires_s));
  return true;
}

void AuthServer::fail(const Connection& connection, const Refused& refused) {
  log(connection, "refused: " + refused.text);
  auto record = make_record<ConnectionToken>(RecordType::kGssFailed);
  record.token_size = static_cast<uint32_t>(refused.token.size());
  (void)send_record(connection.net.get(), &record, sizeof record, refused.token);
}

void AuthServer::fail_kdh(const Connection& connection, const Refused& refused) {
  log(connection, "refused: " + refused.text);
  auto record = make_record<KdhFailed>(RecordType::kKdhFailed);
  record.alert = kdh_alert(refused.code);
  (void)send_record(connection.net.get(), record);
}

}  // namespace mp11
