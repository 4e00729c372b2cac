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
#include "renewer.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <tuple>
#include <utility>

#include "kdh.h"
#include "log.h"
#include "mp11_limits.h"
#include "service_ticket.h"

namespace mp11 {
namespace {

constexpr uint64_t kMostBetweenS = 60;
/* The clock may be set meanwhile, and a machine may sleep. */
constexpr uint64_t kLongestWaitS = 600;
/* A server that refused so many will not take the next; it has a limit too (kWrongRenewals). */
constexpr unsigned kMostRefused = 3;
static_assert(kMostRefused < limits::kWrongRenewals);

/* Between the two processes, which are one program. */
struct Question {
  uint64_t ends_s;
  uint8_t binding[std::tuple_size_v<RenewalBinding>];
  char service[limits::kPrincipal];
  char client[limits::kPrincipal];
};
/* And the AP-REQ, if there is a newer ticket. */
struct Answer {
  char why[256]; /* there is none; for who looks for reasons */
};

bool put(const std::string& text, char (*field)[limits::kPrincipal]) {
  if (text.size() >= sizeof *field) return false;
  std::memcpy(*field, text.data(), text.size());
  return true;
}

uint64_t now_s() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<uint64_t>(now.tv_sec);
}

/* Why there is no AP-REQ; empty: there is one. */
std::string make_renewal(const Question& question, std::vector<uint8_t>* ap_req) {
  ServiceTicket ticket;
  if (Status got = ticket.get(question.service); !got) return got.error().text;
  if (ticket.client() != question.client) return "the tickets are those of " + ticket.client();
  if (ticket.ends_s() <= question.ends_s) return "the ticket ends no later";
  RenewalBinding binding;
  std::copy(std::begin(question.binding), std::end(question.binding), binding.begin());
  krb5_keyblock* subkey = nullptr;
  const krb5_error_code code = ticket.make_ap_req(renewal_checksummed(binding), ap_req, &subkey);
  krb5_free_keyblock(ticket.context(), subkey);
  if (code == 0) return {};
  ap_req->clear();
  return ticket.failure(code).text;
}

}  // namespace

void serve_renewals(int socket) {
  Question question;
  while (::recv(socket, &question, sizeof question, 0) == sizeof question) {
    Answer answer{};
    std::vector<uint8_t> ap_req;
    const std::string why = make_renewal(question, &ap_req);
    std::memcpy(answer.why, why.data(), std::min(why.size(), sizeof answer.why - 1));
    iovec parts[2] = {{&answer, sizeof answer}, {ap_req.data(), ap_req.size()}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = std::size(parts);
    if (::sendmsg(socket, &message, MSG_NOSIGNAL) < 0) return;
  }
}

Renewer::Renewer(RenewalBasis basis, UniqueFd helper)
    : basis_(std::move(basis)), helper_(std::move(helper)) {
  const uint64_t now = now_s();
  if (!helper_ || basis_.ends_s <= now)
    state_ = State::kNever;
  else
    next_s_ = now + (basis_.ends_s - now) * 3 / 4;
}

void Renewer::begin() {
  Question question{};
  question.ends_s = basis_.ends_s;
  std::copy(basis_.binding.begin(), basis_.binding.end(), question.binding);
  const bool fits = put(basis_.service, &question.service) && put(basis_.client, &question.client);
  if (fits && ::send(helper_.get(), &question, sizeof question, MSG_NOSIGNAL | MSG_DONTWAIT) ==
                  sizeof question)
    state_ = State::kLooking;
  else
    state_ = State::kNever;
}

std::optional<std::vector<uint8_t>> Renewer::look() {
  if (state_ == State::kWaiting && now_s() >= next_s_) begin();
  if (state_ != State::kLooking) return std::nullopt;
  Answer answer{};
  std::vector<uint8_t> ap_req(kKdhIdentity);
  iovec parts[2] = {{&answer, sizeof answer}, {ap_req.data(), ap_req.size()}};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = std::size(parts);
  const ssize_t n = ::recvmsg(helper_.get(), &message, MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return std::nullopt;
  if (n < static_cast<ssize_t>(sizeof answer)) { /* it has ended */
    state_ = State::kNever;
    return std::nullopt;
  }
  ap_req.resize(static_cast<size_t>(n) - sizeof answer);
  if (ap_req.empty()) {
    answer.why[sizeof answer.why - 1] = '\0';
    log_debug("no newer ticket: %s", answer.why);
    wait_again();
    return std::nullopt;
  }
  state_ = State::kAsked;
  return ap_req;
}

void Renewer::answered(CK_RV rv, uint64_t expires_s) {
  MP11_ASSERT(state_ == State::kAsked);
  if (rv == CKR_OK) {
    const uint64_t now = now_s();
    basis_.ends_s = expires_s;
    refused_ = 0;
    log_debug("the connection's ticket is renewed, until %llu",
              static_cast<unsigned long long>(expires_s));
    if (expires_s <= now) return wait_again();
    next_s_ = now + (expires_s - now) * 3 / 4;
    state_ = State::kWaiting;
    return;
  }
  log_error(
      "the server does not take the newer ticket (0x%lx; its log says why): the connection "
      "will end with the one that it has",
      rv);
  /* Its auth is not there any more (CKR_DEVICE_REMOVED), and no other knows this connection. */
  if (++refused_ >= kMostRefused || rv == CKR_DEVICE_REMOVED) state_ = State::kNever;
  if (state_ != State::kNever) wait_again();
}

/* Until the end, as somebody may run kinit late. */
void Renewer::wait_again() {
  const uint64_t now = now_s();
  const uint64_t left = basis_.ends_s - std::min(basis_.ends_s, now);
  state_ = left == 0 ? State::kNever : State::kWaiting;
  next_s_ = now + std::clamp<uint64_t>(left / 8, 1, kMostBetweenS);
}

uint64_t Renewer::wait_ns() const {
  if (state_ != State::kWaiting) return UINT64_MAX;
  const uint64_t now = now_s();
  return std::min(next_s_ - std::min(next_s_, now), kLongestWaitS) * 1000000000 + 1000000;
}

}  // namespace mp11
