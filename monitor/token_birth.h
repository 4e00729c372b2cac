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
 * TokenBirth: how a library is made to have a token that it has not, call after call. It looks for
 * a slot with a token that is not initialised, initialises that under the token's id, sets the
 * user's PIN and closes everything. One that has the id already was begun by somebody who did not
 * come to the end, and is initialised anew.
 *
 * Trust: the library is hostile, and has the token's PINs by the nature of things. It can spoil the
 * making, and nothing else.
 */
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "own_call.h"
#include "secure_buffer.h"

namespace mp11 {

class TokenBirth {
 public:
  /* so and user are PINs, cut to what the token takes when that is known. */
  TokenBirth(std::string id, SecureBuffer so, SecureBuffer user);

  /* The call that is next, unless it has failed or is over. */
  OwnCall next(CallArena* arena) const;
  void replied(const Message& reply);

  bool is_over() const { return step_ == Step::kOver; } /* the token is there */
  CK_RV failure() const { return failure_; }            /* CKR_OK: none */
  /* Something may have been done to a token; and has been, so that slots may be others now. */
  bool has_begun() const { return step_ >= Step::kInit; }
  bool has_initialised() const { return step_ > Step::kInit; }
  uint32_t pin_size() const { return static_cast<uint32_t>(user_.size()); }
  /* One that somebody has to close: it may be the security officer's. 0: none. */
  uint64_t take_session();

 private:
  enum class Step {
    kList,
    kLook,
    kInit,
    kFind,
    kFindLook,
    kOpen,
    kLogin,
    kPin,
    kLogout,
    kClose,
    kOver
  };
  void take_list(const Message& reply);
  void look(const Message& reply);
  void find(const Message& reply);
  void take_candidate(const CK_TOKEN_INFO& info);
  bool is_of(const CK_TOKEN_INFO& info) const;

  std::string id_;
  SecureBuffer so_, user_;
  Step step_ = Step::kList;
  std::vector<uint64_t> slots_; /* candidates */
  size_t at_ = 0;
  std::optional<uint64_t> slot_; /* of one that can be initialised; then of the token */
  bool begun_before_ = false;    /* that one is ours already, and was not finished */
  uint64_t session_ = 0;
  CK_RV failure_ = CKR_OK;
};

}  // namespace mp11
