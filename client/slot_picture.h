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
 * SlotPicture: what multip11-remote knows of slots and tokens since it asked for a snapshot, right
 * behind C_Initialize, and answers from it (PROTOCOL, Fewer round trips).
 *
 * Slots and tokens are told for a second, and until the application's first call of another kind:
 * that is how long it looks around. Mechanisms are a token's for as long as nobody makes it anew.
 * NULL pointers, and slots and mechanisms that are not known, are the server's to judge.
 *
 * Trust: decode_snapshot has seen to its form.
 */
#pragma once
#include <cstdint>
#include <optional>

#include "snapshot.h"

namespace mp11 {

class SlotPicture {
 public:
  enum class Says {
    kNothing, /* the server is to be asked */
    kWait,    /* the snapshot is on its way: ask again when it has come, or by due_ns() */
    kAnswer,
  };

  void asked(uint64_t now_ns);
  /* C_Initialize has returned: the server makes it now. */
  void begins(uint64_t now_ns);
  /* nullopt: there is none. */
  void came(std::optional<Snapshot> snapshot);
  /* A call of the application. What the words point to, and *rv, are as kAnswer makes them. */
  Says take(const FunctionRow& row, const Words& words, uint64_t now_ns, CK_RV* rv);
  /* How long a call may wait; 0: there is nothing to wait for. */
  uint64_t due_ns() const;

 private:
  Says mechanisms(const FunctionRow& row, const Words& words, CK_RV* rv) const;
  Says slots(const FunctionRow& row, const Words& words, CK_RV* rv) const;
  Says slot_list(const Words& words, CK_RV* rv) const;
  const SlotSnapshot* find(CK_SLOT_ID id) const;

  bool waiting_ = false;
  bool looks_around_ = true; /* the application has made no call of another kind */
  std::optional<Snapshot> snapshot_;
  uint64_t since_ns_ = 0; /* it is no older than that */
};

}  // namespace mp11
