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
#include "net_connection.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "codec_renew.h"
#include "log.h"
#include "net_handshake.h"
#include "p11_looks.h"
#include "snapshot.h"

namespace mp11 {
namespace {

/* Octets waiting to be written beyond this, and no more answers are wrapped. */
constexpr size_t kOutHigh = 256u << 10;
/* The monitor makes the segment when it has the portfolio; longer than this, and it never will. */
constexpr int kSegmentMs = 60000;

constexpr uint64_t kSecondNs = 1000000000;
/* Room in the monitor's ring comes without a bell. */
constexpr uint64_t kRoomSliceNs = 1000000;

}  // namespace

NetConnection::NetConnection(const NetStart& start, UniqueFd client, UniqueFd monitor_socket,
                             UniqueFd auth)
    : start_(start),
      number_(start.connection),
      client_socket_(std::move(client)),
      monitor_socket_(std::move(monitor_socket)),
      auth_(std::move(auth)),
      frames_(FrameLimits{.placed = start.streams != 0}) {}

NetConnection::~NetConnection() = default;

void NetConnection::run() {
  const char* why = nullptr;
  client_ = authenticate(start_, std::move(client_socket_), &auth_, &why);
  if (client_) {
    renewal_.begin(std::move(auth_));
    auto channel = Channel::join(std::move(monitor_socket_), kSegmentMs);
    if (channel) {
      monitor_ = std::move(*channel);
      serve();
    } else {
      client_->end("no monitor");
    }
    why = client_->reason();
  }
  log_info("connection %llu from %s: %s", number_, start_.peer, why);
}

/* ---- serving ---- */

void NetConnection::serve() {
  active_ns_ = Waiter::now_ns();
  while (!client_->ended()) {
    bool progress = take_messages();
    progress |= pump_monitor();
    if (renewing_ != nullptr) progress |= pump_auth();
    progress |= pump_output();
    if (last_words_ && returning_.empty() && client_->unwritten() == 0)
      client_->end("closed after a broken message");
    if (!progress && !client_->ended()) sleep();
  }
}

/* Unwraps and takes what has arrived, as long as there is room for the calls in it. */
bool NetConnection::take_messages() {
  bool progress = false;
  while (takes_calls() && client_->unwrap()) {
    progress = true;
    std::span<const uint8_t> rest = client_->plain();
    if (delimiter_ == Delimiter::kUnknown) {
      const std::optional<Encoding> encoding = encoding_of(rest[0]);
      if (rest[0] != 0x00 && !encoding) {
        client_->end("octets that begin no message: neither frames nor DER, XER or JER");
        break;
      }
      if (client_->form().placed && encoding) {
        client_->end("messages without frames, on a transport that keeps no order");
        break;
      }
      delimiter_ = !encoding                     ? Delimiter::kFrames
                   : *encoding == Encoding::kDer ? Delimiter::kDer
                                                 : Delimiter::kLines;
    }
    const bool goes_on = delimiter_ == Delimiter::kFrames ? take_frames(rest)
                         : delimiter_ == Delimiter::kDer  ? take_der(rest)
                                                          : take_line(rest);
    if (!goes_on) break;
  }
  return progress;
}

bool NetConnection::take_frames(std::span<const uint8_t> rest) {
  std::span<const uint8_t> input = rest;
  uint32_t number = 0;
  FrameStatus status = frames_.take(&input, &number, &message_);
  client_->used_plain(rest.size() - input.size());
  if (status == FrameStatus::kMore) return true;
  if (status == FrameStatus::kMessage) {
    const bool goes_on = take_message(number, message_.span());
    message_.clear(); /* at once: it may be long until the next message is swapped in */
    return goes_on;
  }
  client_->end(status == FrameStatus::kMisplaced ? "a fragment that is not in its place"
                                                 : "a frame that breaks a limit");
  return false;
}

/* Messages that delimit themselves: gathers one, which may span tokens. */
bool NetConnection::take_der(std::span<const uint8_t> rest) {
  size_t used = 0, total = 0;
  DerFrame frame = DerFrame::kMore;
  while (used < rest.size()) {
    if (!message_.empty()) frame = der_frame(message_.span(), limits::kMessage, &total);
    if (frame == DerFrame::kBad || frame == DerFrame::kTooLarge) {
      client_->end("a message of an impossible length");
      return false;
    }
    /* The header octet by octet, the rest in one go. */
    size_t want = frame == DerFrame::kKnown ? total - message_.size() : 1;
    size_t take = std::min(want, rest.size() - used);
    message_.append(rest.data() + used, take);
    used += take;
    if (frame != DerFrame::kKnown || message_.size() != total) continue;
    SecureBuffer whole;
    whole.swap(message_);
    client_->used_plain(used);
    return take_message(0, whole.span());
  }
  client_->used_plain(used);
  return true;
}

/* Messages that are a line of text each. */
bool NetConnection::take_line(std::span<const uint8_t> rest) {
  const auto* end = static_cast<const uint8_t*>(std::memchr(rest.data(), '\n', rest.size()));
  const size_t used = end == nullptr ? rest.size() : static_cast<size_t>(end - rest.data()) + 1;
  if (used > limits::kMessage - message_.size()) {
    client_->end("a line that is too long");
    return false;
  }
  message_.append(rest.data(), used);
  client_->used_plain(used);
  if (end == nullptr) return true;
  SecureBuffer whole;
  whole.swap(message_);
  return take_message(0, whole.span());
}

/* One whole message. False when the connection goes no further. */
bool NetConnection::take_message(uint32_t number, std::span<const uint8_t> octets) {
  Call* call = free_call();
  call->arena.clear();
  call->number = number;
  call->opcode = 0;
  call->row = nullptr;
  call->compound.reset();
  call->envelope = Envelope{};
  call->encoding = encoding_of(octets[0]).value_or(Encoding::kDer);
  if ((start_.encodings & encoding_bit(call->encoding)) == 0) {
    /* Without a word: to answer in an encoding is to have taken it. */
    client_->end("an encoding that this listener does not take");
    return false;
  }
  if (call->encoding == Encoding::kDer) {
    if (delimiter_ == Delimiter::kLines) return break_off(call, "a line that is no text");
    return take_call(call, octets);
  }
  TextError error;
  SecureBuffer der;
  switch (text_to_der(call->encoding, octets, &call->arena, &der, &error)) {
    case TextStatus::kSyntax:
      log_info("connection %llu from %s: octet %zu of a message: %s", number_, start_.peer,
               error.offset, error.what);
      return break_off(call, error.what);
    case TextStatus::kMemory:
      give_failure(call, FailureReason::kTooLarge, "", 0, CKR_HOST_MEMORY);
      return true;
    case TextStatus::kOpcode: /* which its DER says */
    case TextStatus::kOk:
      break;
  }
  return take_call(call, der.span());
}

/* What cannot be understood ends the connection, after an answer that says so. */
bool NetConnection::break_off(Call* call, const char* why) {
  give_failure(call, FailureReason::kSyntax, why, 0, CKR_GENERAL_ERROR);
  last_words_ = true;
  return false;
}

bool NetConnection::take_call(Call* call, std::span<const uint8_t> der) {
  Received received;
  CodecStatus status = decode_message(der, &call->arena, &received);
  call->envelope.transport = received.envelope.transport;
  call->envelope.request = received.envelope.request;
  if (received.envelope.hello && !said_hello_) {
    call->envelope.hello = own_hello();
    call->envelope.hello->encodings &= start_.encodings;
    said_hello_ = true;
    eager_ = names_extension(received.envelope.hello, kEagerExtension);
    snapshots_ = names_extension(received.envelope.hello, kSnapshotExtension);
    lengths_ = names_extension(received.envelope.hello, kOutputLenExtension);
    renews_ = names_extension(received.envelope.hello, kRenewExtension);
  }
  if (status == CodecStatus::kOk && !received.call) status = CodecStatus::kSyntax;
  if (status == CodecStatus::kVersion) {
    give_failure(call, FailureReason::kVersion, "version 0.3 is spoken here", 0, CKR_GENERAL_ERROR);
    return true;
  }
  if (status == CodecStatus::kMemory) {
    give_failure(call, FailureReason::kTooLarge, "", received.opcode, CKR_HOST_MEMORY);
    return true;
  }
  if (status != CodecStatus::kOk) {
    log_info("connection %llu from %s: a message of broken syntax: %s", number_, start_.peer,
             der_error_text(received.shape));
    return break_off(call, der_error_text(received.shape));
  }
  call->opcode = received.opcode;
  if (received.opcode == kOpRenew && renews_) return take_renewal(call, received, der.size());
  active_ns_ = Waiter::now_ns();
  call->row = function_row(received.opcode);
  if (received.opcode == kSnapshotOpcode && snapshots_) return take_snapshot(call, received);
  if (call->row == nullptr) {
    give_failure(call, FailureReason::kOpcode, "", received.opcode, CKR_FUNCTION_NOT_SUPPORTED);
    return true;
  }
  CK_RV rv = CKR_OK;
  uint32_t eager = 0;
  status = decode_call(received, *call->row, &call->arena, &call->words, &rv, &eager);
  if (status == CodecStatus::kOk) call->compound = compound_of(*call, eager);
  call->held = der.size() + call->arena.size() + (call->compound ? call->compound->most() : 0);
  pending_ += call->held;
  if (status == CodecStatus::kOk) {
    rv = ask_monitor(call, {call->row, call->words});
    if (rv == CKR_OK) return true;
    status = CodecStatus::kAnswer;
  }
  if (status == CodecStatus::kAnswer) {
    encode_answer(received.opcode, rv, call->envelope, &call->arena, &call->answer);
    give_answer(call);
    return true;
  }
  give_failure(call,
               status == CodecStatus::kMemory ? FailureReason::kTooLarge : FailureReason::kSyntax,
               "", received.opcode, CKR_GENERAL_ERROR);
  last_words_ = status != CodecStatus::kMemory;
  return !last_words_;
}

/*
 * A fresh ticket, for auth. It is no use of the connection: who does nothing else is idle. (One
 * that is refused here counts as one, as calls that are none do.)
 */
bool NetConnection::take_renewal(Call* call, const Received& received, size_t octets) {
  std::span<const uint8_t> ap_req;
  if (!decode_renew_call(received, &call->arena, &ap_req)) {
    give_failure(call, FailureReason::kSyntax, "", received.opcode, CKR_GENERAL_ERROR);
    last_words_ = true;
    return false;
  }
  call->held = octets + call->arena.size();
  pending_ += call->held;
  const CK_RV rv = renewing_ != nullptr ? CKR_OPERATION_ACTIVE : renewal_.ask(ap_req);
  if (rv != CKR_OK) {
    answer_renewal(call, rv, 0);
    return true;
  }
  call->state = Call::State::kAtAuth;
  renewing_ = call;
  return true;
}

bool NetConnection::pump_auth() {
  CK_RV rv = CKR_OK;
  uint64_t expires_s = 0;
  if (!renewal_.answered(&rv, &expires_s)) return false;
  answer_renewal(std::exchange(renewing_, nullptr), rv, expires_s);
  return true;
}

/* Who only renews his ticket is idle, whatever he is told. */
void NetConnection::answer_renewal(Call* call, CK_RV rv, uint64_t expires_s) {
  encode_renew_return(rv, expires_s, call->envelope, &call->arena, &call->answer);
  const uint64_t active_ns = active_ns_;
  give_answer(call);
  active_ns_ = active_ns;
}

void NetConnection::give_failure(Call* call, FailureReason reason, const char* detail,
                                 uint32_t opcode, CK_RV rv) {
  call->envelope.failure = Failure{static_cast<uint32_t>(reason), detail};
  encode_answer(opcode, rv, call->envelope, &call->arena, &call->answer);
  give_answer(call);
}

void NetConnection::give_answer(Call* call) {
  if (call->encoding != Encoding::kDer) {
    /* What the client gets is what it would have got in DER; or, where that has no form as text
     * (labels with characters that XML has not), that there is something, but not what. */
    if (!der_to_text(call->encoding, call->answer.span(), &call->arena, &text_)) {
      encode_answer(call->opcode, CKR_GENERAL_ERROR, call->envelope, &call->arena, &call->answer);
      if (!der_to_text(call->encoding, call->answer.span(), &call->arena, &text_))
        fatal("connection %llu: a failure that has no form as text", number_);
    }
    call->answer.swap(text_);
    text_.clear();
    const size_t holds = call->answer.size() + call->arena.size();
    pending_ += holds - std::min(holds, call->held);
    call->held = std::max(holds, call->held);
  }
  call->state = Call::State::kReturning;
  call->rest = {call->number, call->answer.span()};
  returning_.push_back(call);
  active_ns_ = Waiter::now_ns();
}

/* ---- the monitor ---- */

/* Unless CKR_OK, it cannot be asked. */
CK_RV NetConnection::ask_monitor(Call* call, const Compound::Step& step) {
  const CK_RV rv = pack_call(*step.row, step.words, &call->request);
  if (rv != CKR_OK) return rv;
  call->step = step;
  call->request.rec.id = call->id = next_id_++;
  call->state = Call::State::kQueued;
  to_monitor_.push_back(call);
  return CKR_OK;
}

/* reply_, to a call or to one of its further steps. */
void NetConnection::take_reply() {
  auto it = std::find_if(calls_.begin(), calls_.end(), [&](const Call& call) {
    return call.state == Call::State::kAtMonitor && call.id == reply_.rec.id;
  });
  if (it == calls_.end() || reply_.rec.function != it->step.row->number)
    fatal("connection %llu: a reply that fits no call", number_);
  Call* call = &*it;
  const FunctionRow& row = *call->step.row;
  pace_.took(row.number, Waiter::now_ns() - call->sent_ns);
  /* The monitor looks at handles, not at octets: a library that lies about those spoils one call.
   */
  const bool understood = unpack_reply(row, reply_, call->step.words);
  const CK_RV rv = understood ? static_cast<CK_RV>(reply_.rec.rv) : CKR_DEVICE_ERROR;
  if (!understood)
    log_error("connection %llu: a library's results of %s cannot be understood", number_, row.name);
  reply_.clear();
  if (call->compound) return go_on(call, rv);
  encode_return(*call->row, call->words, rv, call->envelope, &call->arena, &call->answer);
  give_answer(call);
}

/* The next step of a compound, whose last returned so, or its answer. */
void NetConnection::go_on(Call* call, CK_RV rv) {
  while (const std::optional<Compound::Step> step = call->compound->next(rv, &call->arena)) {
    rv = ask_monitor(call, *step);
    if (rv == CKR_OK) return;
  }
  call->compound->finish(call->envelope, &call->arena, &call->answer);
  call->compound.reset();
  give_answer(call);
}

/* What a call is with what its client has asked for; nullptr: itself. */
std::unique_ptr<Compound> NetConnection::compound_of(const Call& call, uint32_t eager) {
  if (!only_looks(*call.row)) key_lengths_.changed();
  std::unique_ptr<Compound> compound;
  if (eager_) compound = compound_for(*call.row, call.words, eager);
  if (!compound && lengths_) compound = length_compound(*call.row, call.words, &key_lengths_);
  return compound;
}

/* Of the opcode that is none of PKCS #11's. One at a time, behind C_Initialize. */
bool NetConnection::take_snapshot(Call* call, const Received& received) {
  bool token_present = false;
  if (!decode_snapshot_call(received, &call->arena, &token_present)) {
    give_failure(call, FailureReason::kSyntax, "", kSnapshotOpcode, CKR_GENERAL_ERROR);
    last_words_ = true;
    return false;
  }
  const bool busy = std::ranges::any_of(
      calls_, [](const Call& other) { return other.row == nullptr && other.compound != nullptr; });
  if (busy) {
    give_failure(call, FailureReason::kBusy, "one snapshot at a time", kSnapshotOpcode,
                 CKR_GENERAL_ERROR);
    return true;
  }
  call->compound = snapshot_compound(token_present, Waiter::now_ns());
  call->held = call->arena.size() + call->compound->most();
  pending_ += call->held;
  call->state = Call::State::kHeld;
  return true;
}

/* Not before the library that it is of is there. */
bool NetConnection::start_snapshot() {
  auto held = std::ranges::find(calls_, Call::State::kHeld, &Call::state);
  if (held == calls_.end()) return false;
  const bool initializing = std::ranges::any_of(calls_, [](const Call& call) {
    return (call.state == Call::State::kQueued || call.state == Call::State::kAtMonitor) &&
           call.step.row->number == kC_Initialize;
  });
  if (initializing) return false;
  go_on(&*held, CKR_OK);
  return true;
}

/*
 * A search lies in several libraries, which end it one after the other, and a library may begin
 * nothing in a session that still has one. Who has posted C_FindObjectsFinal did not wait for that.
 */
bool NetConnection::must_wait(const Call& call) const {
  if (call.step.row->args[0].kind != ArgKind::kSession) return false;
  return std::ranges::any_of(calls_, [&](const Call& other) {
    return other.state == Call::State::kAtMonitor &&
           other.step.row->number == kC_FindObjectsFinal &&
           other.step.words.w[0] == call.step.words.w[0];
  });
}

/* Puts the next one that is to be sent to the front of to_monitor_; false: there is none. */
bool NetConnection::choose_next() {
  if (sent_ != 0) return true; /* the rest of it */
  auto next = std::ranges::find_if(to_monitor_, [this](const Call* c) { return !must_wait(*c); });
  if (next == to_monitor_.end()) return false;
  std::rotate(to_monitor_.begin(), next, next + 1);
  return true;
}

bool NetConnection::pump_monitor() {
  bool progress = start_snapshot();
  while (choose_next()) {
    Call* call = to_monitor_.front();
    ChannelStatus status = monitor_->try_send(call->request, &sent_);
    if (status == ChannelStatus::kAgain) break;
    if (status != ChannelStatus::kOk) {
      client_->end("its monitor has ended");
      return true;
    }
    to_monitor_.pop_front();
    sent_ = 0;
    call->request.clear();
    call->state = Call::State::kAtMonitor;
    call->sent_ns = Waiter::now_ns();
    progress = true;
  }
  for (;;) {
    ChannelStatus status = monitor_->try_receive(&reply_);
    if (status == ChannelStatus::kAgain) return progress;
    if (status != ChannelStatus::kOk) {
      client_->end("its monitor has ended");
      return true;
    }
    take_reply();
    progress = true;
  }
}

/* ---- the client's socket ---- */

/* Fragments of different answers take turns, so that a long one does not hold up the others. */
bool NetConnection::pump_output() {
  bool progress = false;
  while (!returning_.empty() && client_->unwritten() < kOutHigh) {
    Call* call = returning_.front();
    returning_.pop_front();
    bool more = false;
    if (delimiter_ == Delimiter::kFrames) {
      more = write_frame(&call->rest, &fragment_, client_->form());
    } else {
      fragment_.append(call->rest.rest.data(), std::min(call->rest.rest.size(), limits::kFragment));
      call->rest.rest = call->rest.rest.subspan(fragment_.size());
      more = !call->rest.rest.empty();
    }
    client_->wrap(fragment_.span());
    fragment_.clear();
    progress = true;
    if (more) {
      /* A message that is not in frames must not be interrupted. */
      if (delimiter_ == Delimiter::kFrames)
        returning_.push_back(call);
      else
        returning_.push_front(call);
      continue;
    }
    call->answer.clear();
    call->arena.clear();
    call->state = Call::State::kFree;
    pending_ -= std::exchange(call->held, 0);
  }
  return client_->write() || progress;
}

/*
 * Nothing to do: a few looks at both sides with a yield between, then poll. The client's octets are
 * read only while there is room for what they say.
 */
void NetConnection::sleep() {
  bool wants_input = takes_calls();
  uint64_t now = Waiter::now_ns();
  const uint64_t expected = expected_ns();
  const uint64_t nap = Waiter::nap_ns(expected, now);
  auto ready = [&] {
    return monitor_->readable() || (wants_input && client_->read()) || client_->ended();
  };
  if (nap == 0 && waiter_.spin(ready, expected)) return;
  bool armed = monitor_->arm();
  pollfd fds[3] = {{client_->fd(), static_cast<short>(wants_input ? POLLIN : 0), 0},
                   {monitor_->fd(), POLLIN, 0},
                   {renewing_ != nullptr ? renewal_.fd() : -1, POLLIN, 0}};
  if (client_->unwritten() != 0) fds[0].events |= POLLOUT;
  uint64_t longest = UINT64_MAX;
  if (start_.idle_timeout_s != 0 && !busy())
    longest = active_ns_ + start_.idle_timeout_s * kSecondNs -
              std::min(now, active_ns_ + start_.idle_timeout_s * kSecondNs);
  if (choose_next()) longest = kRoomSliceNs;
  if (nap != 0) longest = std::min(longest, nap);
  wait_for_events(fds, armed ? longest : 0);
  if (monitor_->disarm() == ChannelStatus::kClosed && !monitor_->readable())
    client_->end("its monitor has ended");
  if ((fds[0].revents & (POLLERR | POLLHUP)) != 0 && !wants_input)
    client_->end("closed by the peer");
  if (wants_input && fds[0].revents != 0) client_->read();
  now = Waiter::now_ns();
  if (start_.idle_timeout_s != 0 && !busy() &&
      now - std::min(now, active_ns_) >= start_.idle_timeout_s * kSecondNs)
    client_->end("idle for too long");
}

/* When the monitor's next reply usually comes; 0: nobody knows. */
uint64_t NetConnection::expected_ns() const {
  uint64_t next = UINT64_MAX;
  for (const Call& call : calls_) {
    if (call.state != Call::State::kAtMonitor) continue;
    const uint64_t usual = pace_.expected_ns(call.step.row->number);
    next = std::min(next, usual == 0 ? 0 : call.sent_ns + usual);
  }
  return next == UINT64_MAX ? 0 : next;
}

bool NetConnection::busy() const {
  return std::any_of(calls_.begin(), calls_.end(),
                     [](const Call& call) { return call.state != Call::State::kFree; });
}

bool NetConnection::takes_calls() {
  return !last_words_ && pending_ < limits::kPendingOctets && free_call() != nullptr;
}

NetConnection::Call* NetConnection::free_call() {
  for (Call& call : calls_)
    if (call.state == Call::State::kFree) return &call;
  return nullptr;
}

}  // namespace mp11
