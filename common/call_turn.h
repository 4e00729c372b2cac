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
 * CallTurn: which calls to one library may run at the same time. Those of one session run one after
 * the other, in the order in which they came, and C_Initialize and C_Finalize run alone.
 *
 * multip11-backend keeps to it when it runs calls, and who sends it calls keeps to it, too: what
 * would only wait in the backend waits at the sender, where its deadline has not begun.
 */
#pragma once
#include "call_rec.h"
#include "p11_functions.h"

namespace mp11 {

class CallTurn {
 public:
  /* Of a call; the function must be one of the table. */
  explicit CallTurn(const CallRec& rec)
      : alone_(rec.function == kC_Initialize || rec.function == kC_Finalize),
        by_session_(kFunctionTable[rec.function].has(ArgKind::kSession)),
        session_(rec.primary) {}

  bool waits_for(const CallTurn& earlier) const {
    return alone_ || earlier.alone_ ||
           (by_session_ && earlier.by_session_ && session_ == earlier.session_);
  }

 private:
  bool alone_;
  bool by_session_;
  uint64_t session_;
};

}  // namespace mp11
