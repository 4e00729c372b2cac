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
 * Fresh tickets for connections that live. The one who is asked is the auth that accepted the
 * connection; what it does not know of it, it does not learn from net.
 */
#include <cinttypes>
#include <cstring>
#include <ctime>
#include <utility>

#include "auth_server.h"
#include "log.h"

namespace mp11 {
namespace {

constexpr size_t kLargestRenewal = sizeof(ConnectionToken) + kKdhIdentity;

int64_t now_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1000000;
}

}  // namespace

/* The handshake is over. Where there is no room, the connection ends with the ticket it has. */
void AuthServer::keep(uint64_t serial, Connection* connection, Standing standing) {
  if (live_.size() >= most_live_) {
    log(connection->name, "its ticket cannot be renewed: no descriptors for so many connections");
    return;
  }
  live_.emplace(serial,
                Live{connection->name, std::move(connection->net), std::move(standing), now_ms()});
}

void AuthServer::on_live(LiveOnes::iterator at) {
  Live& live = at->second;
  const RecordStatus status = record_.receive(live.net.get(), false, kLargestRenewal);
  if (status == RecordStatus::kAgain) return;
  std::span<const uint8_t> ap_req;
  const auto* head = status == RecordStatus::kOk
                         ? record_.with_tail<ConnectionToken>(RecordType::kRenew, &ap_req)
                         : nullptr;
  if (head == nullptr || head->token_size != ap_req.size() || head->reserved != 0 ||
      ap_req.empty() || ap_req.size() > kKdhIdentity) {
    if (status != RecordStatus::kClosed) log(live.name, "malformed record from net");
    live_.erase(at);
    return;
  }
  const Renewed answer = renew(&live, ap_req);
  if (answer.answer != kRenewalDone) live.wrong++;
  const bool told = send_record(live.net.get(), answer) == RecordStatus::kOk;
  if (told && live.wrong < limits::kWrongRenewals) return;
  if (told) log(live.name, "too many tickets that were refused: no more are looked at");
  live_.erase(at);
}

/* [priv] first: a client must not be told of what nobody has heard of. */
Renewed AuthServer::renew(Live* live, std::span<const uint8_t> ap_req) {
  auto answer = make_record<Renewed>(RecordType::kRenewed);
  answer.answer = kRenewalTryAgain;
  const int64_t now = now_ms();
  if (now - live->last_ms < static_cast<int64_t>(limits::kRenewalGapMs)) {
    log(live->name, "a fresh ticket is not looked at: it comes too soon");
    return answer;
  }
  const uint64_t before_s = live->standing.expires_s;
  Refused refused;
  if (!acceptor_->accept_renewal(ap_req, &live->standing, &refused)) {
    log(live->name, "a fresh ticket is refused: " + refused.text);
    answer.answer = kRenewalRefused;
    return answer;
  }
  live->last_ms = now;
  if (!tell_priv(*live)) {
    live->standing.expires_s = before_s;
    log(live->name, "a fresh ticket is of no use: the listener takes no records");
    return answer;
  }
  log(live->name, live->standing.principal + " has a fresh ticket, which ends at " +
                      std::to_string(live->standing.expires_s));
  answer.answer = kRenewalDone;
  answer.expires_s = live->standing.expires_s;
  return answer;
}

bool AuthServer::tell_priv(const Live& live) {
  auto renewal = make_record<Renewal>(RecordType::kRenewal);
  const std::string& principal = live.standing.principal;
  renewal.connection = live.name;
  renewal.expires_s = live.standing.expires_s;
  MP11_ASSERT(principal.size() < sizeof renewal.principal); /* verify_ap_req saw to it */
  std::memcpy(renewal.principal, principal.data(), principal.size());
  return send_record(control_, renewal) == RecordStatus::kOk;
}

}  // namespace mp11
