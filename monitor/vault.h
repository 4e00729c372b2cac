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
 * multip11-vault: turns a verdict (who the client is) into a portfolio (which tokens it may see),
 * and tells [priv] which backends that connection may have.
 *
 * For each connection: [priv] introduces it (kVaultConnection), a verdict comes once - from
 * multip11-auth on the connection's own socket, or from [priv] beside the introduction - the vault
 * asks [priv] to note the backends (kAllow), and only when [priv] has (kAllowed) does the monitor
 * learn its portfolio. Later [priv] may say that the same client has a fresh ticket (kRenewal).
 *
 * Trust: [priv] is believed as far as the form of its records. auth's word is taken once for each
 * connection; a second verdict, a renewal for somebody else, or a record of any other form, ends
 * the connection. A monitor
 * asks for tokens on demand that its portfolio has, and tells how their making went, and the same
 * of PINs that are being changed; anything else that it sends ends its connection. Every record has
 * a fixed size; nothing of variable length is ever received. An administrator is root, or whoever
 * runs the daemon. No fatal(): one broken peer must not take the policy of all away.
 *
 *   vault.cc            connections, and who sees what
 *   vault_making.cc     tokens on demand
 *   vault_pins.cc       PINs: what they are, and who is told
 *   vault_turning.cc    PINs that are being changed: who changes them, and that it is one at a time
 *   vault_retiring.cc   tokens on demand that nobody may use any more
 *   vault_commands.cc   what an administrator may ask
 */
#pragma once
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "event_loop.h"
#include "master_keys.h"
#include "policy.h"
#include "record_io.h"
#include "vault_admins.h"
#include "vault_state.h"

namespace mp11 {

class Vault {
 public:
  /*
   * `loop` outlives the vault. `state` is nullptr, and `keys` have none, where the policy needs
   * none. `control` is the socket to [priv]; when it hangs up, portfolios that are under way are
   * still delivered, and then the loop stops. `admins` listens for administrators, or is none.
   */
  Vault(EventLoop* loop, Policy policy, std::unique_ptr<VaultState> state, MasterKeys keys,
        UniqueFd control, UniqueFd admins = {});
  Vault(const Vault&) = delete;

  size_t connections() const { return connections_.size(); }

  /*
   * Looks for tokens on demand that nobody may use any more, and deals with them as their layers
   * say: once, by that clock (CLOCK_REALTIME); what is much goes on from the loop.
   */
  void retire(uint64_t now_s);
  /* The same now, and from time to time. */
  void keep_retiring();

 private:
  enum Phase : uint32_t { kVerdictAwaited = 1, kAllowedAwaited = 2, kTold = 4 };
  /* What of the policy is that principal's, and how it is called for it. */
  struct SeenLayer {
    const PolicyLayer* layer;
    BackendToken at_backend;
    uint32_t number;        /* of its backend, in Connection::backends */
    std::string token = {}; /* as it is called here: what its PIN lies under */
    std::optional<VaultState::DemandedToken> demanded = {}; /* at_backend is its name alone */
  };
  struct SeenToken {
    const PolicyToken* token;
    std::string label, serial;
    std::vector<SeenLayer> layers; /* at least one */
    std::string identity = {};     /* of a variant, for who acts as that one; else empty */
  };
  struct Connection {
    uint64_t name = 0;
    Phase phase = kVerdictAwaited;
    Watch auth, monitor;
    Verdict verdict{};
    std::vector<AllowedBackend> backends;    /* once the verdict is there */
    std::vector<SeenToken> tokens;           /* the same */
    std::deque<std::vector<uint8_t>> unsent; /* for the monitor */
  };
  /* Who wants a token on demand, by the token's id. */
  struct Wish {
    uint64_t connection = 0; /* 0: nobody */
    std::string id = {};
    bool operator==(const Wish&) const = default;
  };
  /* Of a backend's scope: what is being made there. */
  struct Making {
    Wish now;            /* whose monitor was told to */
    uint64_t number = 0; /* VaultState::begin_making() */
    EventLoop::TimerId patience = 0;
    std::deque<Wish> waiting;
  };
  using Scope = std::pair<uint32_t, uint32_t>; /* backend, uid */
  /* A PIN that is being changed, while somebody wants to log in with it. */
  struct Turning {
    uint64_t connection = 0; /* whose monitor was told to */
    uint64_t number = 0;     /* VaultState::PinRow::begun */
    EventLoop::TimerId patience = 0;
    std::deque<uint64_t> waiting; /* connections */
  };
  using PinName = VaultState::PinName;
  using PinRow = VaultState::PinRow;
  using PinKind = VaultState::PinKind;
  /* One row for each request from [priv]: its type, in which phases of the connection, who answers.
   */
  struct Row {
    RecordType type;
    uint32_t phases; /* 0: the connection must not exist yet */
    bool (Vault::*answer)(RecordBuffer& record);
  };
  static const Row kRows[];

  void on_control();
  void on_auth(uint64_t name);
  void on_monitor(uint64_t name, uint32_t events);
  bool answer_connection(RecordBuffer& record);
  bool answer_allowed(RecordBuffer& record);
  bool answer_renewal(RecordBuffer& record);
  bool answer_end(RecordBuffer& record);
  bool answer_stop(RecordBuffer& record);
  bool answer_erased(RecordBuffer& record);
  bool heard(Connection* connection, const RecordBuffer& record);
  Connection* find(uint64_t name);

  /* False when the verdict is not one to act on. */
  bool take_verdict(Connection* connection, const Verdict& verdict, bool from_auth);
  void look_through_policy(Connection* connection);
  SeenToken see_token(const Policy::Match& match, const std::string& principal,
                      Connection* connection);
  void see_variants(std::vector<std::vector<SeenToken>>* slots, Connection* connection);
  Result<SeenLayer> see_layer(const PolicyLayer& layer, const std::string& principal,
                              Connection* connection);
  Result<VaultState::DemandedToken> demanded(const PolicyBackend& backend,
                                             const std::string& token);
  bool derive_pin(const SeenLayer& layer, PinPurpose purpose, StoredPin* pin) const;
  void queue_portfolio(Connection* connection);
  void queue_pin(const SeenLayer& layer, Connection* connection);
  void flush(Connection* connection);
  static void forget_unsent(Connection* connection);
  /* Asks [priv] to end the connection, and forgets it. */
  void refuse(uint64_t name, const char* why);
  /* vault_making.cc. False: the monitor asks for what it may not. */
  bool asked_to_make(Connection* connection, const MakeToken& request);
  bool told_of_making(Connection* connection, const MakeToken& report);
  static Scope scope_of(const Connection& connection, const SeenLayer& layer);
  void next_maker(const Scope& scope);
  void give_up_makings(uint64_t connection);
  /* What was said really: kTokenIsNot when there are no PINs to go with it. */
  MakeVerdict answer_maker(const Wish& wish, MakeVerdict verdict);
  const SeenLayer* demanded_layer(const Connection& connection, const std::string& id) const;
  void forget(uint64_t name);

  /* vault_pins.cc */
  struct Pins {
    StoredPin pin{}, next{}; /* of size 0: there is none */
    Pins() = default;
    Pins(const Pins&) = delete;
    ~Pins();
  };
  static bool keeps_pin(const SeenLayer& layer);
  PinName pin_name(const SeenLayer& layer) const;
  Status read_pins(const SeenLayer& layer, Pins* pins);
  Status open_row(const PinName& name, const PinRow& row, Pins* pins) const;
  Status derive_row(const PinName& name, const PinRow& row, const VaultState::DemandedToken& token,
                    Pins* pins) const;
  LayerName layer_name(const SeenLayer& layer) const;
  const SeenLayer* layer_of(const Connection& connection, const LayerName& name) const;
  const SeenLayer* layer_of(const Connection& connection, const PinName& name) const;
  /* What was said really: kTurnNot when the PINs cannot be read. */
  TurnVerdict send_pins(Connection* connection, const SeenLayer& layer, TurnVerdict verdict);
  void tell_pins(const PinName& name);

  /* vault_turning.cc. False: the monitor asks for, or tells, what it may not. */
  bool asked_to_turn(Connection* connection, const PinTurn& request);
  bool told_of_turning(Connection* connection, const PinTurn& report);
  Status end_turn(const PinName& name, uint64_t number, const PinTurn& report);
  void next_turner(const PinName& name);
  void give_up_turnings(uint64_t connection);

  /* vault_retiring.cc */
  using Retirable = VaultState::Retirable;
  /* What the layers say that a token may be of. */
  struct Fate {
    uint32_t mode; /* RetireMode */
    uint64_t days;
    bool used; /* somebody may use it */
  };
  /* One whose directory is to be emptied. */
  struct Doomed {
    VaultState::TokenName name;
    VaultState::Gone gone;
    bool begun; /* before we asked: it may be half empty */
  };
  void note_person(const SeenToken& seen, const Verdict& who);
  Fate fate_of(const Retirable& token) const;
  void retire_some(uint64_t now_s);
  void retire_one(const Retirable& token, uint64_t now_s);
  void look_again_in(uint64_t ms);
  void erase_next();
  Status ask_to_erase(const Doomed& doomed);

  /* vault_commands.cc */
  VaultAnswer serve(const VaultRequest& request, const PeerCredentials& who,
                    std::vector<VaultEntry>* entries);
  Status list_pins(std::vector<VaultEntry>* entries);
  Status set_command(const VaultRequest& request, bool* changing);
  Status rotate_command(const VaultRequest& request);
  Status export_command(const VaultRequest& request, VaultAnswer* answer);
  Status rekey_command(std::string* text);
  Status remove_command(const VaultRequest& request, bool* changing);
  Status list_hidden(std::vector<VaultEntry>* entries);
  Status export_hidden(const VaultRequest& request, VaultAnswer* answer);
  /* Whether an administrator may have its PINs forgotten; *changing: with `force` only. */
  Status may_forget(const PinName& name, const PinRow& row, bool force, bool* changing) const;
  Result<PinName> named(const VaultRequest& request);
  Result<VaultState::DemandedToken> made_token(const PinName& name);

  /* [priv] has hung up: stops the loop when nothing is left to be sent. */
  void stop_when_sent();
  template <class T>
  void tell_priv(const T& record);

  EventLoop* loop_;
  Policy policy_;
  std::unique_ptr<VaultState> state_;
  MasterKeys keys_;
  std::map<Scope, Making> makings_;
  std::map<PinName, Turning> turnings_;
  std::set<PinName> stuck_;         /* being changed, and neither PIN is right: until one is set */
  std::deque<Retirable> retirable_; /* to be looked at now */
  bool looked_at_all_ = false;
  std::deque<Doomed> doomed_;
  std::optional<Doomed> erasing_; /* [priv] has been asked */
  EventLoop::TimerId look_again_ = 0;
  bool replaced_ = false; /* another vault has the policy that counts */
  std::unique_ptr<VaultAdmins> admins_;
  Watch control_;
  std::map<uint64_t, Connection> connections_;
};

}  // namespace mp11
