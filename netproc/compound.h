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
 * Compound: a call of the client that is a short series of calls to the monitor, one after the
 * other, so that the client need not make them (PROTOCOL, Fewer round trips).
 *
 * The first is the client's own, and its results and return value are what they always are. What
 * the others find goes into members beside them; when one of them fails, it is as if it had not
 * been made, and the client makes it itself. A snapshot has no first one.
 *
 * Trust: the client says how much it wants, and gets limits.h's share of that. The monitor treats
 * each call as if the client had made it: what a client may not do by itself, it may not do ahead.
 */
#pragma once
#include <memory>
#include <optional>
#include <utility>

#include "codec.h"

namespace mp11 {

class Compound {
 public:
  struct Step {
    const FunctionRow* row = nullptr;
    Words words; /* in the arena of the call */
  };

  virtual ~Compound() = default;
  /*
   * The last call has returned so, and its results are in the words' memory; the first was the
   * client's. The next one; nothing, when there is an answer.
   */
  virtual std::optional<Step> next(CK_RV rv, CallArena* arena) = 0;
  /* The return, with the first call's results. */
  virtual void finish(const Envelope& envelope, CallArena* arena, SecureBuffer* out) = 0;
  /* Octets that it may add to what the client's call takes. */
  virtual size_t most() const = 0;
};

/* One that begins with a call of the client's. */
class AheadCompound : public Compound {
 public:
  AheadCompound(const FunctionRow& row, const Words& words) : row_(row), words_(words) {}
  std::optional<Step> next(CK_RV rv, CallArena* arena) final {
    if (!std::exchange(returned_, true)) {
      rv_ = rv;
      return begin(rv, arena);
    }
    return proceed(rv, arena);
  }
  void finish(const Envelope& envelope, CallArena* arena, SecureBuffer* out) final {
    encode_return(row_, words_, rv_, envelope, arena, out, &ahead_);
  }
  const Ahead& ahead() const { return ahead_; }

 protected:
  /* After the client's call, and after each of the others. */
  virtual std::optional<Step> begin(CK_RV rv, CallArena* arena) = 0;
  virtual std::optional<Step> proceed(CK_RV rv, CallArena* arena) = 0;

  const FunctionRow& row_;
  const Words words_;
  CK_RV rv_ = CKR_OK; /* of the client's call */
  Ahead ahead_;

 private:
  bool returned_ = false;
};

/* For a call whose client names the extensions; nullptr: it is a single one. */
std::unique_ptr<AheadCompound> compound_for(const FunctionRow& row, const Words& words,
                                            uint32_t eager);
/* A snapshot; its next() is first called with CKR_OK. */
std::unique_ptr<Compound> snapshot_compound(bool token_present, uint64_t now_ns);

}  // namespace mp11
