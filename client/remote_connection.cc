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
#include "remote_connection.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "codec_renew.h"
#include "log.h"

namespace mp11 {
namespace {

/* Octets waiting to be written beyond this, and no more calls are wrapped. */
constexpr size_t kOutHigh = 256u << 10;
/* Room in the application's ring comes without a bell. */
constexpr uint64_t kRoomSliceNs = 1000000;

/* A return's text is longer than the same in DER. */
FrameLimits frame_limits(Encoding encoding, const FrameForm& form) {
  FrameLimits limits;
  limits.placed = form.placed;
  if (encoding == Encoding::kDer) return limits;
  limits.message = limits::kTextMessage;
  limits.total = limits::kTextMessage + limits::kMessage;
  return limits;
}

}  // namespace

RemoteConnection::RemoteConnection(Channel* application, std::unique_ptr<PeerStream> server,
                                   Encoding encoding, int owner, bool eager, Renewer* renewer)
    : application_(application),
      server_(std::move(server)),
      encoding_(encoding),
      owner_(owner),
      eager_(eager),
      frames_(frame_limits(encoding, server_->form())),
      renewer_(renewer) {}

void RemoteConnection::run(Message* first) {
  take_call(*first);
  first->clear();
  while (!application_gone_ && !server_->ended()) {
    bool progress = pump_application();
    progress |= pump_held();
    if (server_renews_) progress |= pump_renewal();
    progress |= pump_output();
    progress |= pump_server();
    if (finalized_ && replying_.empty()) return;
    if (!progress) sleep();
  }
}

/* ---- the application's side ---- */

/* A call of the application; there is a free place for it. */
void RemoteConnection::take_call(const Message& message) {
  Call* call = free_call();
  call->id = message.rec.id;
  call->row = function_row(message.rec.function);
  call->arena.clear();
  if (call->row == nullptr || !unpack_call(*call->row, message, &call->arena, &call->words))
    fatal("the application's channel carries a call that cannot be understood");
  call->purpose = Call::Purpose::kApplication;
  call->asking.row = call->row;
  call->asking.words = &call->words;
  answer_or_send(call);
  if (call->row->number == kC_Initialize && call->state == Call::State::kSending && eager_ &&
      keeps_order())
    ask_snapshot();
}

/* Whether what is sent now arrives before what is sent later. */
bool RemoteConnection::keeps_order() const { return !server_->form().placed; }

void RemoteConnection::answer_or_send(Call* call) {
  if (answer_of_picture(call)) return;
  const bool may_post =
      keeps_order() && std::ranges::count(calls_, Call::State::kFree, &Call::state) > 1;
  const Foresight::Way way = foresight_.take(&call->asking, may_post, Waiter::now_ns());
  CK_RV rv = call->asking.answer;
  if (way == Foresight::Way::kServer) rv = send_call(call);
  if (call->state == Call::State::kSending) return;
  if (way == Foresight::Way::kServer) foresight_.withdraw(&call->asking);
  give_reply(call, rv);
  if (way == Foresight::Way::kBoth) post_call(*call->row, call->words);
}

/* Or it waits for one. */
bool RemoteConnection::answer_of_picture(Call* call) {
  CK_RV rv = CKR_OK;
  switch (picture_.take(*call->row, call->words, Waiter::now_ns(), &rv)) {
    case SlotPicture::Says::kNothing:
      return false;
    case SlotPicture::Says::kWait:
      call->state = Call::State::kHeld;
      return true;
    case SlotPicture::Says::kAnswer:
      give_reply(call, rv);
      return true;
  }
  return false;
}

/* Calls that wait for a snapshot: it has come, or they have waited for long enough. */
bool RemoteConnection::pump_held() {
  if (Waiter::now_ns() < picture_.due_ns()) return false;
  bool progress = false;
  for (Call& call : calls_) {
    if (call.state != Call::State::kHeld) continue;
    answer_or_send(&call);
    progress = true;
  }
  return progress;
}

/* A call of which only numbers are carried, and whose return is for nobody. */
void RemoteConnection::post_call(const FunctionRow& row, const Words& words) {
  Call* call = free_call();
  call->purpose = Call::Purpose::kPosted;
  call->row = &row;
  call->words = words;
  call->arena.clear();
  (void)send_call(call); /* the worst is that the server does not learn that a search has ended */
}

/* Right behind C_Initialize, if it then arrives behind it, so before there is a hello from the
 * server: one that has no snapshots says so. */
void RemoteConnection::ask_snapshot() {
  Call* call = free_call();
  if (call == nullptr) return;
  call->purpose = Call::Purpose::kSnapshot;
  call->row = nullptr;
  call->arena.clear();
  call->number = next_number_++;
  Envelope envelope;
  envelope.request = id_of_number(call->number);
  encode_snapshot_call(envelope, &call->arena, &call->octets);
  if (begin_sending(call) == CKR_OK) picture_.asked(Waiter::now_ns());
}

/* Unless CKR_OK, it does not go, and that is its answer. */
CK_RV RemoteConnection::send_call(Call* call) {
  call->number = next_number_++;
  Envelope envelope;
  envelope.request = id_of_number(call->number);
  if (!said_hello_) {
    envelope.hello = own_hello();
    if (!eager_) envelope.hello->extensions = {kRenewExtension};
  }
  const bool posted = call->purpose == Call::Purpose::kPosted;
  const uint32_t eager = posted ? 0 : call->asking.ahead.eager;
  CK_RV rv = encode_call(*call->row, call->words, envelope, &call->arena, &call->octets, eager);
  if (rv == CKR_OK) rv = begin_sending(call);
  if (rv == CKR_OK) said_hello_ = true;
  return rv;
}

/* What is in octets, DER. */
CK_RV RemoteConnection::begin_sending(Call* call) {
  CK_RV rv = CKR_OK;
  if (encoding_ != Encoding::kDer) {
    if (!der_to_text(encoding_, call->octets.span(), &call->arena, &text_))
      rv = CKR_ARGUMENTS_BAD; /* a text of the application's that has no form in it */
    else if (text_.size() > limits::kMessage)
      rv = CKR_HOST_MEMORY; /* the server would end the connection */
    else
      call->octets.swap(text_);
    text_.clear();
  }
  if (rv != CKR_OK) return rv;
  call->state = Call::State::kSending;
  call->rest = {call->number, call->octets.span()};
  sending_.push_back(call);
  return CKR_OK;
}

void RemoteConnection::give_reply(Call* call, CK_RV rv) {
  pack_reply(*call->row, call->words, rv, &call->reply);
  call->reply.rec.id = call->id;
  call->octets.clear();
  call->state = Call::State::kReplying;
  replying_.push_back(call);
}

bool RemoteConnection::pump_application() {
  bool progress = false;
  while (!replying_.empty()) {
    Call* call = replying_.front();
    ChannelStatus status = application_->try_send(call->reply, &reply_sent_);
    if (status == ChannelStatus::kAgain) break;
    if (status != ChannelStatus::kOk) {
      application_gone_ = true;
      return true;
    }
    replying_.pop_front();
    reply_sent_ = 0;
    if (call->row->number == kC_Finalize && call->reply.rec.rv == CKR_OK) finalized_ = true;
    call->reply.clear();
    free(call);
    progress = true;
  }
  while (free_call() != nullptr) {
    ChannelStatus status = application_->try_receive(&incoming_);
    if (status == ChannelStatus::kAgain) break;
    if (status != ChannelStatus::kOk) {
      application_gone_ = true;
      return true;
    }
    take_call(incoming_);
    incoming_.clear();
    progress = true;
  }
  return progress;
}

/* ---- the server's side ---- */

/* Fragments of different calls take turns, so that a long one does not hold up the others. */
bool RemoteConnection::pump_output() {
  bool progress = false;
  while (!sending_.empty() && server_->unwritten() < kOutHigh) {
    Call* call = sending_.front();
    sending_.pop_front();
    bool more = write_frame(&call->rest, &fragment_, server_->form());
    server_->wrap(fragment_.span());
    fragment_.clear();
    progress = true;
    if (more) {
      sending_.push_back(call);
      continue;
    }
    call->octets.clear();
    call->state = Call::State::kSent;
    call->sent_ns = Waiter::now_ns();
  }
  return server_->write() || progress;
}

bool RemoteConnection::pump_server() {
  bool progress = false;
  while (server_->unwrap()) {
    progress = true;
    std::span<const uint8_t> plain = server_->plain(), input = plain;
    uint32_t number = 0;
    FrameStatus status = frames_.take(&input, &number, &message_);
    server_->used_plain(plain.size() - input.size());
    if (status == FrameStatus::kMore) continue;
    if (status != FrameStatus::kMessage) {
      server_->end("the server sent a frame that breaks a limit");
      break;
    }
    const bool fits = take_message(number);
    message_.clear(); /* at once: it may be long until the next message is swapped in */
    if (!fits) {
      server_->end("the server sent a return that fits no call, or has what no call asked for");
      break;
    }
  }
  return progress;
}

/* message_, in whichever encoding it is: the server's is that of the call. */
bool RemoteConnection::take_message(uint32_t number) {
  const Encoding encoding = encoding_of(message_.data()[0]).value_or(Encoding::kDer);
  if (encoding != encoding_) return false;
  if (encoding == Encoding::kDer) return take_return(number, message_.span());
  CallArena arena;
  TextError error;
  const bool taken =
      text_to_der(encoding, message_.span(), &arena, &text_, &error) == TextStatus::kOk &&
      take_return(number, text_.span());
  if (error.what[0] != 0) log_error("octet %zu of a return: %s", error.offset, error.what);
  text_.clear();
  return taken;
}

bool RemoteConnection::take_return(uint32_t number, std::span<const uint8_t> der) {
  if (renewal_.state == Call::State::kSent && renewal_.number == number) return take_renewal(der);
  auto it = std::find_if(calls_.begin(), calls_.end(), [number](const Call& call) {
    return call.state == Call::State::kSent && call.number == number;
  });
  if (it == calls_.end()) return false;
  Received received;
  if (decode_message(der, &it->arena, &received) != CodecStatus::kOk || received.call ||
      !(received.envelope.request == id_of_number(number)))
    return false;
  if (received.envelope.hello) take_hello(received.envelope.hello);
  if (it->purpose == Call::Purpose::kSnapshot) return take_snapshot(received, &*it);
  CK_RV rv = CKR_GENERAL_ERROR;
  if (!results_of(received, &*it, &rv)) return false;
  const uint64_t now = Waiter::now_ns();
  pace_.took(it->row->number, now - it->sent_ns);
  if (it->purpose == Call::Purpose::kPosted) {
    free(&*it);
    return true;
  }
  if (it->row->number == kC_Initialize) {
    picture_.begins(now);
    if (rv == CKR_OK && eager_ && !keeps_order()) ask_snapshot();
  }
  foresight_.came(&it->asking, rv, now);
  give_reply(&*it, rv);
  return true;
}

void RemoteConnection::take_hello(const std::optional<Hello>& hello) {
  if (eager_)
    foresight_.use(names_extension(hello, kEagerExtension),
                   names_extension(hello, kOutputLenExtension));
  server_renews_ = renewer_ != nullptr && names_extension(hello, kRenewExtension);
}

bool RemoteConnection::take_snapshot(const Received& received, Call* call) {
  Snapshot snapshot;
  const CodecStatus status = decode_snapshot(received, &call->arena, &snapshot);
  if (status != CodecStatus::kOk && status != CodecStatus::kAnswer) return false;
  if (status == CodecStatus::kOk)
    picture_.came(std::move(snapshot));
  else
    picture_.came(std::nullopt);
  free(call);
  return true;
}

/* What a return says; after a failure *rv stays. */
bool RemoteConnection::results_of(const Received& received, Call* call, CK_RV* rv) {
  if (received.envelope.failure) {
    log_error("the server could not take a call of %s: reason %u, %s", call->row->name,
              received.envelope.failure->reason, received.envelope.failure->detail.c_str());
    return true;
  }
  return decode_return(received, *call->row, call->words, &call->arena, rv,
                       call->purpose == Call::Purpose::kPosted ? nullptr : &call->asking.ahead) ==
         CodecStatus::kOk;
}

/* Nothing to do: a few looks at both sides with a yield between, then poll. */
void RemoteConnection::sleep() {
  bool takes_calls = free_call() != nullptr;
  const uint64_t expected = expected_ns();
  const uint64_t nap = Waiter::nap_ns(expected, Waiter::now_ns());
  auto ready = [&] {
    return (takes_calls && application_->readable()) || server_->read() || server_->ended();
  };
  if (nap == 0 && waiter_.spin(ready, expected)) return;
  bool armed = application_->arm() || !takes_calls;
  pollfd fds[4] = {{server_->fd(), POLLIN, 0},
                   {application_->fd(), POLLIN, 0},
                   {owner_, POLLIN, 0},
                   {server_renews_ ? renewer_->fd() : -1, POLLIN, 0}};
  if (server_->unwritten() != 0) fds[0].events |= POLLOUT;
  uint64_t longest = replying_.empty() ? UINT64_MAX : kRoomSliceNs;
  if (nap != 0) longest = std::min(longest, nap);
  const uint64_t now = Waiter::now_ns(), old = foresight_.expire(now);
  if (old != UINT64_MAX) longest = std::min(longest, old - std::min(now, old));
  const uint64_t due = picture_.due_ns();
  if (due > now) longest = std::min(longest, due - now);
  if (server_renews_) longest = std::min(longest, renewer_->wait_ns());
  wait_for_events(fds, armed ? longest : 0);
  if (application_->disarm() == ChannelStatus::kClosed && !application_->readable())
    application_gone_ = true;
  if (fds[2].revents != 0) application_gone_ = true;
  if (fds[0].revents != 0) server_->read();
}

/* When the server's next return usually comes; 0: nobody knows. */
uint64_t RemoteConnection::expected_ns() const {
  uint64_t next = UINT64_MAX;
  for (const Call& call : calls_) {
    if (call.state != Call::State::kSent) continue;
    const uint64_t usual = call.row == nullptr ? 0 : pace_.expected_ns(call.row->number);
    next = std::min(next, usual == 0 ? 0 : call.sent_ns + usual);
  }
  return next == UINT64_MAX ? 0 : next;
}

RemoteConnection::Call* RemoteConnection::free_call() {
  for (Call& call : calls_)
    if (call.state == Call::State::kFree) return &call;
  return nullptr;
}

void RemoteConnection::free(Call* call) {
  call->octets.clear();
  call->arena.clear();
  call->state = Call::State::kFree;
}

}  // namespace mp11
