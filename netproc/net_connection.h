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
 * NetConnection: what multip11-net does for its client: reads tokens, unwraps them, reassembles and
 * decodes messages, hands calls to the monitor, and all of that backwards.
 *
 * Trust: the client is a stranger until auth has said who it is, and hostile afterwards too. auth
 * and monitor are believed about the keys and the replies; the monitor's replies are still checked
 * for format, as everything that comes out of a channel. A client that breaks the protocol loses
 * its connection, after one failure message where it can still be told.
 */
#pragma once
#include <array>
#include <deque>
#include <memory>
#include <vector>

#include "channel.h"
#include "codec.h"
#include "compound_length.h"
#include "frames.h"
#include "net_renewal.h"
#include "peer_stream.h"
#include "record_io.h"
#include "text.h"
#include "unique_fd.h"

namespace mp11 {

class NetConnection {
 public:
  NetConnection(const NetStart& start, UniqueFd client, UniqueFd monitor_socket, UniqueFd auth);
  NetConnection(const NetConnection&) = delete;
  ~NetConnection();

  /* Authenticates the client, then serves it until it goes or breaks the protocol. */
  void run();

 private:
  /* How the client's messages are delimited; its first octet inside the wrapping decides. */
  enum class Delimiter { kUnknown, kFrames, kDer, kLines };

  /* One call of the client, from decoding to its return's last fragment. */
  struct Call {
    enum class State { kFree, kHeld, kQueued, kAtMonitor, kAtAuth, kReturning };
    State state = State::kFree;
    uint64_t id = 0;     /* on the monitor's channel */
    uint32_t number = 0; /* of the message */
    Encoding encoding = Encoding::kDer;
    uint64_t sent_ns = 0; /* to the monitor */
    uint32_t opcode = 0;
    const FunctionRow* row = nullptr;
    Words words;
    std::unique_ptr<Compound> compound; /* the call and what goes with it; or it is a single one */
    Compound::Step step;                /* the one that the monitor has */
    Envelope envelope;
    CallArena arena;
    Message request;
    SecureBuffer answer;
    FrameSource rest; /* of the answer */
    size_t held = 0;  /* of pending_ */
  };

  void serve();
  bool take_messages();
  bool take_frames(std::span<const uint8_t> rest);
  bool take_der(std::span<const uint8_t> rest);
  bool take_line(std::span<const uint8_t> rest);
  bool take_message(uint32_t number, std::span<const uint8_t> octets);
  bool take_call(Call* call, std::span<const uint8_t> der);
  CK_RV ask_monitor(Call* call, const Compound::Step& step);
  std::unique_ptr<Compound> compound_of(const Call& call, uint32_t eager);
  bool take_snapshot(Call* call, const Received& received);
  bool start_snapshot();
  bool must_wait(const Call& call) const;
  bool choose_next();
  void take_reply();
  void go_on(Call* call, CK_RV rv);
  bool take_renewal(Call* call, const Received& received, size_t octets);
  bool pump_auth();
  void answer_renewal(Call* call, CK_RV rv, uint64_t expires_s);
  bool break_off(Call* call, const char* why);
  void give_answer(Call* call);
  void give_failure(Call* call, FailureReason reason, const char* detail, uint32_t opcode,
                    CK_RV rv);
  bool pump_monitor();
  bool pump_output();
  void sleep();
  Call* free_call();
  bool takes_calls();
  bool busy() const;
  uint64_t expected_ns() const;

  const NetStart start_;
  const unsigned long long number_;
  UniqueFd client_socket_, monitor_socket_, auth_; /* until they are used */

  std::unique_ptr<PeerStream> client_;
  std::unique_ptr<Channel> monitor_;
  SecureBuffer message_;
  SecureBuffer text_; /* a message as text, or from it */
  FrameReader frames_;
  Delimiter delimiter_ = Delimiter::kUnknown;
  std::array<Call, limits::kCallsPerConnection> calls_;
  std::deque<Call*> to_monitor_;
  size_t sent_ = 0; /* of the first in to_monitor_ */
  std::deque<Call*> returning_;
  NetRenewal renewal_;
  Call* renewing_ = nullptr; /* the one that is kAtAuth */
  bool renews_ = false;      /* its hello names the extension */
  Message reply_;
  SecureBuffer fragment_;
  KeyLengths key_lengths_;
  size_t pending_ = 0; /* octets of calls, and of the room that they ask for */
  uint64_t next_id_ = 1;
  uint64_t active_ns_ = 0; /* last message in either direction */
  Waiter waiter_;
  Pace pace_;
  bool said_hello_ = false;
  bool eager_ = false; /* extensions that the client has */
  bool snapshots_ = false;
  bool lengths_ = false;
  bool last_words_ = false; /* a failure is on its way; then the end */
};

}  // namespace mp11
