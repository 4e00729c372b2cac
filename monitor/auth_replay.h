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
 * What multip11-auth remembers so that nobody uses an authenticator twice. libkrb5's own replay
 * cache is a file, and auth has no files.
 *
 * An entry is a digest of the initiator's subkey, a fresh random key in each authenticator: it is
 * the same in a replayed token however its unprotected parts were changed, and different in every
 * honest one. Kept for twice the clock skew, since an authenticator may be one skew ahead and is
 * good until it is one skew behind.
 *
 * Trust: only authenticated clients add entries. When it is full the answer is kFull and the
 * handshake fails: an entry is never dropped before its time to make room.
 */
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <set>

namespace mp11 {

class ReplaySet {
 public:
  using Id = std::array<uint8_t, 32>;
  enum class Answer { kNew, kReplay, kFull };

  ReplaySet(size_t most, int64_t keep_s) : most_(most), keep_s_(keep_s) {}
  /* Notes the digest. `now_s` is CLOCK_REALTIME: it is what the authenticator's age is taken by. */
  Answer note(const Id& id, int64_t now_s);
  size_t size() const { return ids_.size(); }

 private:
  struct Entry {
    int64_t until_s;
    std::set<Id>::iterator id;
  };
  size_t most_;
  int64_t keep_s_;
  std::set<Id> ids_; /* a tree: no peer can choose digests that make it slow */
  std::deque<Entry> ages_;
};

}  // namespace mp11
