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
/* The fresh ticket among the calls of RemoteConnection: a message of ours, in its own place. */
#include "codec_renew.h"
#include "log.h"
#include "remote_connection.h"

namespace mp11 {

bool RemoteConnection::pump_renewal() {
  if (renewal_.state != Call::State::kFree) return false;
  auto ap_req = renewer_->look();
  if (!ap_req) return false;
  Call* call = &renewal_;
  call->arena.clear();
  call->number = next_number_++;
  Envelope envelope;
  envelope.request = id_of_number(call->number);
  bool good = encode_renew_call(*ap_req, envelope, &call->arena, &call->octets);
  if (good && encoding_ != Encoding::kDer) {
    good = der_to_text(encoding_, call->octets.span(), &call->arena, &text_);
    call->octets.swap(text_);
    text_.clear();
  }
  if (!good) {
    call->octets.clear();
    renewer_->answered(CKR_GENERAL_ERROR, 0);
    return true;
  }
  call->state = Call::State::kSending;
  call->rest = {call->number, call->octets.span()};
  sending_.push_back(call);
  return true;
}

/* False: it is no return of that. */
bool RemoteConnection::take_renewal(std::span<const uint8_t> der) {
  Received received;
  CK_RV rv = CKR_GENERAL_ERROR;
  uint64_t expires_s = 0;
  if (decode_message(der, &renewal_.arena, &received) != CodecStatus::kOk ||
      !(received.envelope.request == id_of_number(renewal_.number)) ||
      !decode_renew_return(received, &renewal_.arena, &rv, &expires_s))
    return false;
  renewal_.state = Call::State::kFree;
  renewal_.arena.clear();
  renewer_->answered(rv, expires_s);
  return true;
}

}  // namespace mp11
