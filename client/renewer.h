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
 * Renewer: looks, when a connection's ticket has not long to live, whether the user has a newer one
 * by now (kinit again, kinit -R, k5start), and makes of it what the server wants to see (PROTOCOL,
 * section 9).
 *
 * It looks first when a quarter of the ticket's time is left, and then every minute, more often
 * near the end. The user's cache is the user's: nothing is renewed that he has not renewed.
 *
 * The looking is done by a process of its own, made before the sandbox stands. The KDC may have to
 * be asked for the service's ticket, and may not answer, and calls must not wait for that. And a
 * cache that was renewed is a new file: who is to open it must be let into its directory, which is
 * /tmp, and the process that reads what the server sends is not.
 *
 * Trust: the helper reads what libkrb5 reads, and is told names, a time and the binding. The
 * server, which says whether it takes the ticket, is believed about this connection alone.
 */
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "auth_renewal.h"
#include "cryptoki.h"
#include "unique_fd.h"

namespace mp11 {

/* What of a connection's handshake its renewal needs. */
struct RenewalBasis {
  std::string service; /* as it was asked for */
  std::string client;
  uint64_t ends_s = 0; /* CLOCK_REALTIME; 0: nothing is known, and nothing renewed */
  RenewalBinding binding{};
};

/* The helper's work, on its end of a SOCK_SEQPACKET pair, until the other end hangs up. */
void serve_renewals(int socket);

class Renewer {
 public:
  /* `helper`: the other end of serve_renewals(). */
  Renewer(RenewalBasis basis, UniqueFd helper);
  Renewer(const Renewer&) = delete;

  /*
   * Begins a look if it is time, ends one that is done; an AP-REQ if there is a newer ticket. Then
   * answered() has to follow before the next one.
   */
  std::optional<std::vector<uint8_t>> look();
  void answered(CK_RV rv, uint64_t expires_s);

  /* Readable when a look is done. -1: there is none. */
  int fd() const { return state_ == State::kLooking ? helper_.get() : -1; }
  /* Until look() has something to begin. */
  uint64_t wait_ns() const;

 private:
  enum class State { kWaiting, kLooking, kAsked, kNever };
  void begin();
  void wait_again();

  RenewalBasis basis_;
  UniqueFd helper_;
  State state_ = State::kWaiting;
  uint64_t next_s_ = 0; /* CLOCK_REALTIME: it is tickets that are waited for */
  unsigned refused_ = 0;
};

}  // namespace mp11
