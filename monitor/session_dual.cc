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
 * Dual-function calls (C_DigestEncryptUpdate and the other three) whose halves are on two layers.
 * Each is then the two updates that it stands for. The cipher's comes first: it may find the buffer
 * too small, or be asked for the length alone, and then nothing has happened in either layer.
 *
 * Trust: a layer that decrypts may give the other whatever it likes as the plaintext. That is what
 * the client asked for, and the other is told no more than that.
 */
#include <optional>
#include <span>
#include <utility>

#include "packing.h"
#include "result.h"
#include "session_monitor.h"

namespace mp11 {
namespace {

using Step = SessionMonitor::Step;

struct Dual {
  FunctionNumber function;
  FunctionNumber cipher_update; /* which has the same arguments */
  FunctionNumber other_update;
  Operation cipher;
  Operation other;
};

constexpr Dual kDuals[] = {
    {kC_DigestEncryptUpdate, kC_EncryptUpdate, kC_DigestUpdate, Operation::kOpEncrypt,
     Operation::kOpDigest},
    {kC_DecryptDigestUpdate, kC_DecryptUpdate, kC_DigestUpdate, Operation::kOpDecrypt,
     Operation::kOpDigest},
    {kC_SignEncryptUpdate, kC_EncryptUpdate, kC_SignUpdate, Operation::kOpEncrypt,
     Operation::kOpSign},
    {kC_DecryptVerifyUpdate, kC_DecryptUpdate, kC_VerifyUpdate, Operation::kOpDecrypt,
     Operation::kOpVerify},
};

const Dual& dual_of(const FunctionRow& row) {
  for (const Dual& dual : kDuals)
    if (dual.function == row.number) return dual;
  MP11_ASSERT(false); /* the row's route says that it is one */
  return kDuals[0];
}

/* The octets of a reply that has nothing else; none when the length alone was asked for. */
std::optional<std::span<const uint8_t>> octets_in(const Message& reply) {
  PackReader in(reply.bytes.span());
  if (in.flag()) (void)in.u64();
  if (!in.flag()) return {};
  const std::span<const uint8_t> octets = in.octets();
  return in.end() ? std::optional(octets) : std::nullopt;
}

}  // namespace

Step SessionMonitor::next_dual(Call* call, Session* session) {
  const Dual& dual = dual_of(*call->row);
  Call::Round& round = *call->round;
  Session::Begun& cipher = session->begun[static_cast<size_t>(dual.cipher)];
  Session::Begun& other = session->begun[static_cast<size_t>(dual.other)];
  if (!round.led) {
    if (!cipher.active || !other.active || cipher.layer == other.layer)
      return to_layer_begun(call, session, cipher.active ? dual.cipher : dual.other);
    for (Session::Begun* half : {&cipher, &other}) {
      if (session->real[half->layer] != 0) continue;
      half->active = false;
      return answer(call, CKR_DEVICE_REMOVED);
    }
    for (const Session::Begun* half : {&cipher, &other})
      if (auto rv = refused_by_filter(call, &call->token->layers[half->layer]))
        return answer(call, *rv);
    Layer* layer = &call->token->layers[cipher.layer];
    round.spares = false;
    call->layer = layer;
    copy_message(call->request, &call->internal_message);
    call->internal_message.rec.function = dual.cipher_update;
    call->internal_message.rec.primary = session->real[cipher.layer];
    return in_flight(call, layer->backend, Call::Internal::kDualCipher,
                     kFunctionTable[dual.cipher_update]);
  }
  /* Another thread of the client's may have ended it meanwhile. */
  if (!other.active || session->real[other.layer] == 0)
    return answer(call, other.active ? CKR_DEVICE_REMOVED : CKR_OPERATION_NOT_INITIALIZED);
  std::span<const uint8_t> plain;
  if (dual.cipher == Operation::kOpDecrypt) {
    plain = octets_in(round.kept).value_or(plain);
  } else if (const Message::Lent& lent = call->request.lent; lent.size != 0) {
    plain = {lent.data, lent.size};
  } else {
    PackReader in(call->request.bytes.span());
    if (in.flag()) plain = in.octets();
  }
  Layer* layer = &call->token->layers[other.layer];
  call->layer = layer;
  Words words;
  words.w[0] = static_cast<Word>(session->real[other.layer]);
  words.w[1] = reinterpret_cast<Word>(plain.data());
  words.w[2] = static_cast<Word>(plain.size());
  const FunctionRow& row = kFunctionTable[dual.other_update];
  if (pack_call(row, words, &call->internal_message) != CKR_OK)
    return answer(call, CKR_DEVICE_ERROR); /* more plaintext than any call carries */
  return in_flight(call, layer->backend, Call::Internal::kDualOther, row);
}

/* The reply to the client is the cipher's; it is kept until the other half is done. */
void SessionMonitor::replied_dual(Call* call, Call::Internal what, CK_RV rv) {
  const Dual& dual = dual_of(*call->row);
  Call::Round& round = *call->round;
  Session* session = session_of(*call);
  if (session == nullptr) return; /* next() says so */
  auto give = [&](Message* reply) {
    if (reply != &call->reply) std::swap(call->reply, *reply);
    call->reply.rec.function = call->row->number;
    done(call);
  };
  if (what == Call::Internal::kDualCipher) {
    if (rv != CKR_OK && rv != CKR_BUFFER_TOO_SMALL)
      session->begun[static_cast<size_t>(dual.cipher)].active = false;
    if (rv != CKR_OK || !octets_in(call->reply)) return give(&call->reply);
    std::swap(call->reply, round.kept);
    round.led = true;
    return;
  }
  if (rv == CKR_OK) return give(&round.kept);
  session->begun[static_cast<size_t>(dual.other)].active = false;
  answer(call, rv);
}

}  // namespace mp11
