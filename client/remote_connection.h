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
 * RemoteConnection: what multip11-remote does between the application's channel and the server:
 * calls out, returns back, in whatever order they come.
 *
 * Trust: the application is its owner's. The server has proved its name, and nothing else: what it
 * sends is limited, checked and decoded here, in a process that holds none of the application's
 * memory. A server that breaks the protocol, and a network that fails, end this process; to the
 * application that is a device removed, and its next use starts another.
 */
#pragma once
#include <array>
#include <deque>
#include <memory>
#include <string>

#include "channel.h"
#include "codec.h"
#include "foresight.h"
#include "frames.h"
#include "peer_stream.h"
#include "renewer.h"
#include "slot_picture.h"
#include "text.h"

namespace mp11 {

class RemoteConnection {
 public:
  /*
   * owner: a descriptor that becomes readable when the application has ended, or -1. eager: to
   * save round trips, where the server does (PROTOCOL). renewer: nullptr where no ticket is
   * renewed; outlives this.
   */
  RemoteConnection(Channel* application, std::unique_ptr<PeerStream> server, Encoding encoding,
                   int owner, bool eager, Renewer* renewer = nullptr);

  /* Serves until either side goes, or C_Finalize has returned; `first` is the call already taken.
   */
  void run(Message* first);
  /* Why it ended; nullptr after C_Finalize, or when the application went. */
  const char* reason() const { return server_->reason(); }

 private:
  struct Call {
    enum class State { kFree, kHeld, kSending, kSent, kReplying };
    /* A posted one has been answered already. */
    enum class Purpose { kApplication, kPosted, kSnapshot };
    State state = State::kFree;
    uint64_t id = 0;     /* of the application's message */
    uint32_t number = 0; /* of ours */
    uint64_t sent_ns = 0;
    Purpose purpose = Purpose::kApplication;
    const FunctionRow* row = nullptr; /* none of a snapshot */
    Words words;
    Foresight::Asking asking;
    CallArena arena;
    SecureBuffer octets; /* in encoding_ */
    FrameSource rest;    /* of octets */
    Message reply;
  };

  /* remote_renewal.cc */
  bool pump_renewal();
  bool take_renewal(std::span<const uint8_t> der);

  void take_call(const Message& message);
  void answer_or_send(Call* call);
  bool answer_of_picture(Call* call);
  bool pump_held();
  void post_call(const FunctionRow& row, const Words& words);
  void ask_snapshot();
  bool keeps_order() const;
  CK_RV send_call(Call* call);
  CK_RV begin_sending(Call* call);
  void give_reply(Call* call, CK_RV rv);
  bool pump_application();
  bool pump_server();
  bool pump_output();
  bool take_message(uint32_t number);
  bool take_return(uint32_t number, std::span<const uint8_t> der);
  void take_hello(const std::optional<Hello>& hello);
  bool take_snapshot(const Received& received, Call* call);
  bool results_of(const Received& received, Call* call, CK_RV* rv);
  void sleep();
  uint64_t expected_ns() const;
  Call* free_call();
  void free(Call* call);

  Channel* application_;
  std::unique_ptr<PeerStream> server_;
  const Encoding encoding_; /* of messages in both directions */
  int owner_;
  const bool eager_;
  Foresight foresight_;
  SlotPicture picture_;
  FrameReader frames_;
  std::array<Call, limits::kCallsPerConnection> calls_;
  Renewer* renewer_;
  Call renewal_;               /* of no application's call: it has no row */
  bool server_renews_ = false; /* its hello names the extension */
  std::deque<Call*> sending_;
  std::deque<Call*> replying_;
  size_t reply_sent_ = 0; /* of the first in replying_ */
  Message incoming_;
  SecureBuffer fragment_;
  SecureBuffer message_;
  SecureBuffer text_; /* a message as text, or the DER of one */
  uint32_t next_number_ = 1;
  Waiter waiter_;
  Pace pace_;
  bool said_hello_ = false;
  bool finalized_ = false;
  bool application_gone_ = false;
};

}  // namespace mp11
