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
 * NetRenewal: multip11-net's words with auth after the handshake: the client's fresh ticket, one at
a
 * time, on the socket on which auth accepted him.
 *
 * Trust: auth is believed. What it says changes nothing here: how long the connection lives is
 * between auth, the vault and the monitor, and the client is told.
 */
#pragma once
#include <cstdint>
#include <span>

#include "cryptoki.h"
#include "unique_fd.h"

namespace mp11 {

class NetRenewal {
 public:
  void begin(UniqueFd auth) { auth_ = std::move(auth); }
  int fd() const { return auth_.get(); }
  /* Anything but CKR_OK is the answer; else answered() has it, when fd() is readable. */
  CK_RV ask(std::span<const uint8_t> ap_req);
  /* False: not yet. Only after ask(). */
  bool answered(CK_RV* rv, uint64_t* expires_s);

 private:
  UniqueFd auth_; /* none: auth is gone, or takes no more of this connection */
};

}  // namespace mp11
