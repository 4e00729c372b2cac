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
 * A multip11-net that an attacker owns (owned.h). Modes:
 *
 *   before      before authentication: what the three sockets give that it was handed
 *   twice       two exchanges with auth on one socket
 *   spawn, allow, end    records on the socket to [priv] that only others may send
 *   after       hands the client's handshake to auth as it should, and then uses what that gives
 *   renew, say-renewal    the same, and then what is no fresh ticket, on the socket to auth
 */
#include <netinet/in.h>

#include <memory>

#include "owned.h"
#include "token_stream.h"

using namespace mp11;
using namespace owned;

namespace {

constexpr int kControl = 3;
constexpr int kMs = 500; /* how long a wall is given to fall */

struct Sockets {
  UniqueFd client, monitor, auth;
};

void token_to_auth(int auth, std::span<const uint8_t> token) {
  ConnectionToken record = make_record<ConnectionToken>(RecordType::kGssToken);
  record.token_size = static_cast<uint32_t>(token.size());
  send_record(auth, &record, sizeof record, token);
}

/* ---- before authentication */

void before(const Sockets& sockets) {
  /* 0 to 3, the three, and `mode`. */
  held("own-descriptors", open_descriptors() == 8, std::to_string(open_descriptors()));

  bool early = events_within(sockets.monitor.get(), kMs) != 0;
  int fds[] = {sockets.client.get(), sockets.monitor.get()};
  send_raw(sockets.monitor.get(), RecordType::kMonitorStart, 1, 0, fds); /* as if a segment */
  for (int i = 0; i < 100; i++) (void)!::send(sockets.monitor.get(), "!", 1, MSG_DONTWAIT);
  early |= events_within(sockets.monitor.get(), kMs) != 0;
  held("early-channel", !early);

  /* Words that auth would say to the vault. */
  Verdict verdict = make_record<Verdict>(RecordType::kVerdict);
  verdict.kind = kVerdictKerberos;
  verdict.expires_s = UINT32_MAX;
  std::strcpy(verdict.principal, "alice@MULTIP11.TEST");
  send_record(sockets.auth.get(), verdict);
  RecordBuffer answer;
  RecordStatus status = receive(&answer, sockets.auth.get(), 10 * kMs);
  std::span<const uint8_t> token;
  bool done = status == RecordStatus::kOk &&
              answer.with_tail<GssDone>(RecordType::kGssDone, &token) != nullptr;
  held("own-verdict",
       status != RecordStatus::kAgain && !done && events_within(sockets.monitor.get(), kMs) == 0);
}

/* auth takes one record of a connection, whatever it is. */
void twice(const Sockets& sockets) {
  const uint8_t noise[] = {0x60, 0x03, 0x06, 0x01, 0x00};
  token_to_auth(sockets.auth.get(), noise);
  token_to_auth(sockets.auth.get(), noise);
  unsigned answers = 0;
  bool closed = false;
  RecordBuffer answer;
  for (int i = 0; i < 10 && !closed; i++) {
    RecordStatus status = receive(&answer, sockets.auth.get(), kMs);
    answers += status == RecordStatus::kOk ? 1 : 0;
    closed = status == RecordStatus::kClosed;
  }
  held("asks-auth-twice", closed && answers <= 1, std::to_string(answers));
}

/* ---- to [priv], which expects nothing from net */

void records_to_priv(const std::string& mode, uint64_t connection) {
  if (mode == "spawn") send_record(kControl, make_record<Spawn>(RecordType::kSpawn));
  if (mode == "allow") {
    Allow allow = make_record<Allow>(RecordType::kAllow);
    allow.connection = connection;
    allow.count = 2;
    allow.backends[1].backend = 1;
    send_record(kControl, allow);
  }
  for (uint64_t other = 1; mode == "end" && other < connection; other++) {
    ConnectionName end = make_record<ConnectionName>(RecordType::kVaultEnd);
    end.connection = other;
    send_record(kControl, end);
  }
  ::sleep(10); /* [priv] kills */
  say("attack " + mode + " no");
}

/* ---- after authentication */

/* What auth answers to those octets: a RenewalAnswer, or 0 when it hangs up. */
uint32_t renew(int auth, std::span<const uint8_t> ap_req) {
  ConnectionToken record = make_record<ConnectionToken>(RecordType::kRenew);
  record.token_size = static_cast<uint32_t>(ap_req.size());
  send_record(auth, &record, sizeof record, ap_req);
  RecordBuffer answer;
  if (receive(&answer, auth, 10 * kMs) != RecordStatus::kOk) return 0;
  const auto* renewed = answer.as<Renewed>(RecordType::kRenewed);
  return renewed != nullptr ? renewed->answer : 0;
}

/* The client's own AP-REQ, of its handshake, is all that there is; and words of auth itself. */
void renew_with_nothing(int auth, std::span<const uint8_t> token) {
  ::sleep(limits::kRenewalGapMs / 1000 + 1);
  unsigned refused = 0, taken = 0;
  for (uint32_t i = 0; i < limits::kWrongRenewals; i++) {
    const uint32_t answer = renew(auth, token.subspan(i % 2 == 0 ? 17 : 0));
    refused += answer == kRenewalRefused ? 1 : 0;
    taken += answer == kRenewalDone ? 1 : 0;
  }
  held("renews-with-nothing",
       taken == 0 && refused == limits::kWrongRenewals && hangs_up(auth, 10 * kMs),
       std::to_string(refused) + " " + std::to_string(taken));
}
void say_renewal(int auth) {
  Renewal renewal = make_record<Renewal>(RecordType::kRenewal);
  renewal.connection = 1;
  renewal.expires_s = UINT32_MAX;
  std::strcpy(renewal.principal, "alice@MULTIP11.TEST");
  send_record(auth, renewal);
  held("says-renewal", hangs_up(auth, 10 * kMs));
}

/* Carries the handshake; true with the channel to the monitor. */
std::unique_ptr<Channel> authenticate(Sockets* sockets, const std::string& mode) {
  TokenStream client(std::move(sockets->client));
  for (;;) {
    if (events_within(client.fd(), 10 * kMs) == 0 || !client.read()) return nullptr;
    std::span<const uint8_t> token = client.token(limits::kGssToken);
    if (token.empty()) continue;
    token_to_auth(sockets->auth.get(), token);
    RecordBuffer answer;
    if (receive(&answer, sockets->auth.get(), 10 * kMs) != RecordStatus::kOk) return nullptr;
    if (answer.with_tail<GssDone>(RecordType::kGssDone, &token) == nullptr) return nullptr;
    if (mode != "after") {
      const std::span<const uint8_t> first = client.token(limits::kGssToken);
      if (mode == "renew") renew_with_nothing(sockets->auth.get(), first);
      if (mode == "say-renewal") say_renewal(sockets->auth.get());
      return nullptr;
    }
    /* The verdict is spoken once for this connection: the same token once more. */
    token_to_auth(sockets->auth.get(), client.token(limits::kGssToken));
    held("auth-after-verdict", hangs_up(sockets->auth.get(), 10 * kMs));
    auto channel = Channel::join(std::move(sockets->monitor), 10 * kMs);
    return channel ? std::move(*channel) : nullptr;
  }
}

class Caller {
 public:
  explicit Caller(Channel* channel) : channel_(channel) {}
  /* The reply's CK_RV; ~0 when there is none. */
  uint64_t call(uint32_t function, uint64_t primary, std::initializer_list<uint8_t> octets,
                uint64_t object = 0, uint64_t number = 0) {
    Message request;
    request.rec.function = function;
    request.rec.id = ++id_;
    request.rec.primary = primary;
    request.rec.handles[0] = object;
    request.rec.handle_count = object != 0 ? 1 : 0;
    request.rec.numbers[0] = number;
    request.rec.number_count = number != 0 ? 1 : 0;
    request.bytes.append(octets.begin(), octets.size());
    const uint64_t deadline = Waiter::now_ns() + 10'000'000'000u;
    reply_.clear();
    if (channel_->send(request, deadline) != ChannelStatus::kOk ||
        channel_->receive(&reply_, deadline) != ChannelStatus::kOk || reply_.rec.id != id_)
      return ~uint64_t{0};
    return reply_.rec.rv;
  }
  uint64_t session() const { return reply_.rec.handles[0]; }

 private:
  Channel* channel_;
  Message reply_;
  uint64_t id_ = 0;
};

constexpr uint64_t kSessionInvalid = 0xb3, kSlotInvalid = 0x3, kObjectInvalid = 0x82;

/* The client's portfolio is the first slot; another client has sessions, objects and a login. */
void after(Sockets* sockets) {
  std::unique_ptr<Channel> channel = authenticate(sockets, "after");
  if (channel == nullptr) return say("no handshake");
  /* A segment of one's own choosing, and descriptors that nobody asked for. */
  Caller monitor(channel.get());
  int own[] = {0, 1, 2};
  send_raw(channel->fd(), RecordType::kMonitorStart, 1, 0, own);
  held("serves", monitor.call(kC_Initialize, 0, {0}) == 0);

  unsigned slots = 0, wrong = 0;
  uint64_t mine = 0;
  for (uint64_t slot = 0; slot < 64; slot++) {
    uint64_t rv = monitor.call(kC_GetTokenInfo, slot, {1});
    if (rv == 0) slots++, mine = slot;
    if (rv != 0 && rv != kSlotInvalid) wrong++;
  }
  held("foreign-slots", slots == 1 && wrong == 0, std::to_string(slots));

  unsigned sessions = 0;
  for (uint64_t handle = 0; handle < 2000; handle++)
    for (uint64_t generation : {uint64_t{0}, uint64_t{1} << 16, uint64_t{1} << 24})
      if (monitor.call(kC_GetSessionInfo, generation + handle, {1}) != kSessionInvalid) sessions++;
  held("foreign-sessions", sessions == 0, std::to_string(sessions));

  if (monitor.call(kC_OpenSession, mine, {0, 0, 1}, 0, 6) != 0) return say("no session");
  const uint64_t session = monitor.session();
  held("own-session", monitor.call(kC_GetSessionInfo, session, {1}) == 0);
  unsigned objects = 0;
  uint64_t seen = 0;
  for (uint64_t handle = 1; handle < 2000; handle++)
    for (uint64_t generation : {uint64_t{0}, uint64_t{1} << 16, uint64_t{1} << 24})
      if (uint64_t rv = monitor.call(kC_GetObjectSize, session, {1}, generation + handle);
          rv != kObjectInvalid)
        objects++, seen = rv;
  held("foreign-objects", objects == 0, std::to_string(objects) + " " + std::to_string(seen));
}

}  // namespace

int main(int argc, char** argv) {
  Mode mode;
  ProcessStart start = process_start("multip11-net", argc, argv);
  SelfLimits self;
  self.files = 16;
  limit_program(Program::kNet, start, self, {});
  for (;;) {
    RecordBuffer record;
    RecordStatus status = receive(&record, kControl, -1);
    if (status == RecordStatus::kAgain) continue;
    if (status != RecordStatus::kOk) return 0;
    const auto* net = record.as<NetStart>(RecordType::kNetStart);
    if (net == nullptr || record.fds().size() != 3) return 1;
    Sockets sockets{std::move(record.fds()[0]), std::move(record.fds()[1]),
                    std::move(record.fds()[2])};
    const std::string what = mode.word();
    if (what == "before") before(sockets);
    if (what == "twice") twice(sockets);
    if (what == "spawn" || what == "allow" || what == "end") records_to_priv(what, net->connection);
    if (what == "after") after(&sockets);
    if (what == "renew" || what == "say-renewal") (void)authenticate(&sockets, what);
    say("done " + what);
    return 0;
  }
}
