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
 * Connection: one client's connection in multip11-monitor; the host of SessionMonitor in the
 * daemon. An event loop over the front's channel, a channel for each backend, the vault's socket
 * and the control socket to [priv].
 *
 * Trust: the front (net, or a local application) and the backends are hostile; [priv] and the vault
 * are believed. A front that breaks the format ends the process; a backend that does is ended.
 */
#pragma once
#include <poll.h>

#include <array>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "channel.h"
#include "record_io.h"
#include "session_monitor.h"
#include "unique_fd.h"

namespace mp11 {

class Connection : private MonitorHost {
 public:
  /* control: the socket to [priv], which has sent `start` with the two descriptors. */
  Connection(UniqueFd control, const MonitorStart& start, UniqueFd front, UniqueFd vault);
  ~Connection() override;

  /* For tests: another time than limits::kFailedLoginMs. */
  void answer_failed_logins_after(uint64_t ms) { failed_login_ns_ = ms * 1000000; }
  /* Serves until the client goes, its verdict's lifetime ends, or [priv] says stop. */
  void run();

 private:
  static constexpr size_t kSlots = limits::kCallsPerConnection;

  /* One call of the client. */
  struct Slot {
    enum class State { kFree, kWaiting, kLocking, kQueued, kSent, kHeld, kAnswering };
    SessionMonitor::Call call;
    State state = State::kFree;
    uint64_t due_ns = 0;  /* of C_Login: when it is answered if it fails; in kHeld: the next time */
    uint32_t backend = 0; /* index in backends_, from kLocking to kSent */
    Message* message = nullptr;
    uint64_t id = 0; /* on the backend's channel */
    LockMode lock = LockMode::kNoLock;
    Deadline deadline_class = Deadline::kShort;
    uint64_t sent_ns = 0;     /* in kSent */
    uint64_t deadline_ns = 0; /* 0: none */
    bool has_deadline() const {
      return (state == State::kQueued || state == State::kSent) && deadline_ns != 0;
    }
  };

  struct Backend {
    PortfolioBackend plan;
    uint32_t instance = 0; /* counts kSpawn requests */
    bool starting = false;
    uint64_t start_ns = 0; /* when a delayed start is due; 0: none */
    uint64_t due_ns = 0;   /* the same, were the instance before dead */
    bool dying = false;    /* the last instance: told to end, and not yet said to be gone */
    uint32_t failures = 0; /* in a row: starts, and instances that did not live long */
    std::unique_ptr<Channel> channel;
    UniqueFd lock_file;
    UniqueFd dying_lock;     /* of the dying one */
    uint64_t started_ns = 0; /* when its channel was there */
    std::deque<Slot*> queue; /* to be sent, in order */
    size_t sent = 0;         /* octets of the first one that are through */
    bool full = false;       /* its channel had no room for the first one */
    uint32_t in_flight = 0;
    Message incoming;
    Pace pace;
  };

  /* MonitorHost */
  void unlock(uint32_t backend) override;
  void end_backend(uint32_t backend) override;
  void filtered(const Filtered& what) override;
  void layer_changed(const LayerState& state) override;
  void acting(const Acting& acting) override;
  void changed() override { changed_ = true; }
  void ask_to_make(const char* id) override;
  void tell_made(const char* id, uint32_t pin_size) override;
  void ask_to_turn(const LayerName& layer) override;
  void tell_turned(const LayerName& layer, TurnOutcome outcome, uint32_t pin_size,
                   uint64_t rv) override;

  void tell_layers();
  void receive_portfolio();
  bool take_portfolio_record(Portfolio* portfolio);
  bool pump();
  bool pump_front();
  bool pump_answers();
  bool pump_backend(Backend* backend);
  Slot* next_to_send(Backend* backend);
  void pump_control();
  void pump_vault();
  void renew(uint64_t expires_s);
  void take_layer_pin(const RecordBuffer& record);
  void vault_lost();
  void pump_timers(uint64_t now);
  void advance(Slot* slot);
  void hold(Slot* slot);
  void advance_waiting();
  void request_spawn(Backend* backend);
  void spawn(Backend* backend);
  void bury(Backend* backend);
  void try_lock(Slot* slot, uint64_t now);
  void spawned(const Spawned& record, std::vector<UniqueFd>* fds);
  void lost(Backend* backend, const char* why);
  void forget(Backend* backend);
  void sleep();
  void look_around();
  uint64_t sleep_ns() const;
  uint64_t expected_ns() const;
  bool readable();
  bool takes_calls();
  uint64_t deadline_of(const Backend* backend, Deadline deadline) const;
  [[noreturn]] void leave();
  void discard_replies(Backend* backend);
  bool idle() const;
  Slot* free_slot();
  Backend* backend_of(uint32_t number);

  UniqueFd control_;
  UniqueFd vault_;
  UniqueFd front_socket_;
  uint64_t number_;
  std::string peer_;
  std::string principal_; /* for the log */
  uint64_t failed_login_ns_ = uint64_t{limits::kFailedLoginMs} * 1000000;
  std::unique_ptr<Channel> front_;
  std::optional<SessionMonitor> monitor_;
  std::vector<Backend> backends_;
  std::array<Slot, kSlots> slots_;
  std::deque<Slot*> answers_;
  size_t answer_sent_ = 0;
  uint64_t next_id_ = 1;
  uint64_t expires_s_ = 0;
  Waiter waiter_;
  std::vector<pollfd> poll_fds_;
  std::vector<LayerReport> untold_; /* of layers, to [priv], which has no room; one for each */
  uint64_t looked_ns_ = 0;
  bool changed_ = false;
  bool stopping_ = false;
  bool new_vault_ = false;   /* before the portfolio is whole */
  bool vault_ready_ = false; /* it has sent the whole portfolio, and may be asked */
  bool unanswered_ = false;  /* it was asked when it could not be */
  /* Of another vault's portfolio, as far as it has come. */
  std::vector<PortfolioBackend> later_backends_;
  LayerName later_layer_{};
};

}  // namespace mp11
