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
 * The event loop of multip11-auth: one handshake per connection, and then, for as long as it lives,
 * fresh tickets of the same client (auth_server_renewals.cc). After the handshake the socket to the
 * vault is closed. What is kept of a client is its name, its ticket's end and what ties a ticket to
 * the connection (auth_renewal.h); and its entry in the replay set.
 *
 * clang-format off
 *   [priv] ---kAuthConnection-----> auth     two sockets: to that connection's net, and the vault
 *   net ------kGssToken, kKdhHello-> auth    once
 *   auth -----kVerdict-------------> vault   once, and first
 *   auth -----kGssDone, kKdhDone---> net     with the acceptor's token, or the key
 *   auth -----kGssFailed, kKdhFailed-> net   instead, whatever goes wrong, and no verdict
 *   net ------kRenew---------------> auth    later: a fresh ticket
 *   auth -----kRenewal-------------> [priv]  if it is good; [priv] tells the vault
 *   auth -----kRenewed-------------> net     what came of it
 * clang-format on
 *
 * Trust: [priv] is believed. net is a stranger: a record of the wrong form, a second handshake,
 * silence beyond the deadline, too many tickets that are refused and a hang-up all end that
 * connection's place here and nothing else. A renewal is for the socket that it came on. The vault
 * never sends. Nothing here is fatal; multip11-auth ends when [priv] hangs up.
 */
#pragma once
#include <cstdint>
#include <map>
#include <span>
#include <string>

#include "auth_acceptor.h"
#include "record_io.h"
#include "unique_fd.h"

namespace mp11 {

class AuthServer {
 public:
  /* `control` is the socket to [priv], open as long as the server runs. */
  static Result<AuthServer> create(Acceptor* acceptor, int control, uint32_t handshake_ms);
  /* Returns when [priv] has hung up. */
  void run();

 private:
  struct Connection {
    uint64_t name; /* [priv]'s */
    UniqueFd net, vault;
    int64_t deadline_ms;
  };
  using Connections = std::map<uint64_t, Connection>;
  /* One that is authenticated. */
  struct Live {
    uint64_t name;
    UniqueFd net;
    Standing standing;
    int64_t last_ms; /* the handshake, or a ticket that was taken */
    uint32_t wrong = 0;
  };
  using LiveOnes = std::map<uint64_t, Live>;

  AuthServer(Acceptor* acceptor, int control, uint32_t handshake_ms, UniqueFd epoll);
  bool watch(int fd, uint64_t key);
  int until_next_deadline() const;
  void end_overdue();
  bool on_control();
  void on_new_connection();
  void on_net(Connections::iterator at);
  /* True, and *standing has who it is, when the client is in. */
  bool answer(Connection& connection, std::span<const uint8_t> token, Standing* standing);
  bool answer(Connection& connection, const KdhHello& hello, std::span<const uint8_t> ap_req,
              Standing* standing);
  bool tell_vault(const Connection& connection, const std::string& principal, uint64_t expires_s);
  bool told(const Connection& connection, RecordStatus status, const Standing& standing,
            const char* by, uint32_t enctype);
  void fail(const Connection& connection, const Refused& refused);
  void fail_kdh(const Connection& connection, const Refused& refused);
  static void log(uint64_t connection, const std::string& text);
  static void log(const Connection& connection, const std::string& text) {
    log(connection.name, text);
  }
  /* auth_server_renewals.cc */
  void keep(uint64_t serial, Connection* connection, Standing standing);
  void on_live(LiveOnes::iterator at);
  Renewed renew(Live* live, std::span<const uint8_t> ap_req);
  bool tell_priv(const Live& live);

  Acceptor* acceptor_;
  int control_;
  uint32_t handshake_ms_;
  UniqueFd epoll_;
  RecordBuffer record_;
  Connections connections_; /* by a serial number of ours, so also by deadline */
  LiveOnes live_;           /* by the same */
  size_t most_live_;        /* as many as there are descriptors beside those of handshakes */
  uint64_t last_serial_ = 0;
};

}  // namespace mp11
