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
 * PinTurning: the change of a token's PIN, call after call. It looks at the token, logs in with the
 * old PIN in the session that keeps the login, and changes it in a session of its own that may
 * write, which is closed before anything else is done. If the old one is wrong, somebody came as
 * far as the change and did not say so; then the new one is tried, once.
 *
 * A token that counts a wrong PIN already is left alone, as ever, but for one case: somebody was
 * told to change it before, and it has more than one attempt left. Then it was the old PIN that was
 * wrong, and the new one is tried, once. If that is wrong as well nobody tries any more: it is
 * never locked.
 *
 * Trust: the library is hostile, and has the PINs by the nature of things. It can spoil its own
 * token, and nothing else.
 */
#pragma once
#include <cstdint>
#include <memory>
#include <optional>

#include "own_call.h"
#include "records.h"
#include "secure_buffer.h"

namespace mp11 {

class PinTurning {
 public:
  using Pin = std::shared_ptr<const SecureBuffer>;
  /* What has become of the PIN: for the vault. */
  struct Known {
    TurnOutcome outcome;
    CK_RV rv;
  };
  struct Said {
    std::optional<Known> known = {}; /* once, of all that it ever says */
    std::optional<CK_RV> login = {}; /* it is over: this has become of the login */
  };

  /* again: somebody may have changed it already. */
  PinTurning(Pin old, Pin next, bool again);

  /* slot of the token, and a session there that keeps the login. */
  OwnCall next(uint64_t slot, uint64_t anchor, CallArena* arena) const;
  Said replied(const Message& reply);
  /* It goes no further. Nothing: all that there is to know has been said. */
  std::optional<Known> give_up();

  bool is_logged_in() const { return logged_in_; }
  /* The new PIN, as far as the token takes it. */
  const SecureBuffer& fresh() const { return fresh_; }
  /* One that somebody has to close; 0: none. */
  uint64_t take_session();

 private:
  enum class Step { kLook, kOld, kNew, kOpen, kChange, kClose };
  std::optional<Known> tell(TurnOutcome outcome, CK_RV rv);
  Said look(const Message& reply);
  Said old_tried(CK_RV rv);
  Said new_tried(CK_RV rv);
  Said opened(const Message& reply);
  Said changed(CK_RV rv);

  Pin old_, next_;
  bool again_;
  Step step_ = Step::kLook;
  SecureBuffer fresh_;
  uint64_t session_ = 0; /* for the change alone */
  bool logged_in_ = false;
  bool told_ = false;
};

}  // namespace mp11
