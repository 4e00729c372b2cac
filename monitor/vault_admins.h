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
 * The socket at which administrators speak to the vault (vault_records.h): who may, how many at
 * once, and for how long. What is answered, its owner says.
 *
 * Trust: who asks is what the kernel says of the other end: root, or whoever the socket was made
 * by, who is [priv]. Others, and who sends anything but one request, are hung up on.
 */
#pragma once
#include <deque>
#include <functional>
#include <map>
#include <vector>

#include "event_loop.h"
#include "os_process.h"
#include "record_io.h"
#include "vault_records.h"

namespace mp11 {

class VaultAdmins {
 public:
  using Serve = std::function<VaultAnswer(const VaultRequest& request, const PeerCredentials& who,
                                          std::vector<VaultEntry>* entries)>;
  /* `loop` outlives it. */
  VaultAdmins(EventLoop* loop, UniqueFd listener, Serve serve);
  ~VaultAdmins();
  VaultAdmins(const VaultAdmins&) = delete;

 private:
  struct Admin {
    Watch socket;
    PeerCredentials who{};
    EventLoop::TimerId patience = 0;
    std::deque<std::vector<uint8_t>> unsent; /* once it has asked */
    bool asked = false;
  };
  void on_listener();
  void on_admin(uint64_t number, uint32_t events);
  void answer(Admin* admin, const VaultRequest& request);
  void end(uint64_t number);

  EventLoop* loop_;
  Serve serve_;
  Watch listener_;
  uid_t owner_ = 0;
  std::map<uint64_t, Admin> admins_;
  uint64_t next_ = 1;
};

}  // namespace mp11
