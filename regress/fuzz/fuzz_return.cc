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
 * Remote PKCS #11 as multip11-remote reads it from a server: the return to a call that waits for
 * it. Nothing is written beyond what the call has room for (AddressSanitizer knows each room); what
 * was understood is encoded again as a server would, and understood again.
 */
#include "codec.h"
#include "der_mutator.h"
#include "fuzz.h"
#include "samples.h"
#include "snapshot.h"

namespace {

using namespace mp11;

constexpr size_t kHead = 3; /* octets of the input that choose the call */

/* In the octet that chooses the variant: what is ahead is asked for, much of it or little. */
constexpr unsigned kAhead = 0x40, kLittle = 0x80;
/* In the octet that chooses the function: the return to a snapshot. */
constexpr unsigned kSnapshot = 255;

struct Answered {
  CodecStatus status = CodecStatus::kSyntax;
  CK_RV rv = CKR_OK;
  SecureBuffer again; /* the return that a server would give of what is now in the memory */
};

Answered decode(const FunctionRow& row, unsigned variant, unsigned mechanism,
                std::span<const uint8_t> der) {
  CallArena arena, memory;
  Received received;
  Answered answered;
  answered.status = decode_message(der, &arena, &received);
  if (answered.status != CodecStatus::kOk) return answered;
  Words words;
  fuzz::sample_call(row, variant & ~(kAhead | kLittle), mechanism, &memory, &words);
  Ahead ahead;
  Ahead* asked = variant & kAhead ? &ahead : nullptr;
  ahead.eager = variant & kLittle ? 2 : 1000;
  answered.status = decode_return(received, row, words, &arena, &answered.rv, asked);
  FUZZ_REQUIRE(answered.status != CodecStatus::kOk || ahead.handles.size() <= ahead.eager);
  if (answered.status != CodecStatus::kOk) return answered;
  FUZZ_REQUIRE(!received.call);
  CallArena scratch;
  encode_return(row, words, answered.rv, received.envelope, &scratch, &answered.again, asked);
  return answered;
}

Answered decode_picture(std::span<const uint8_t> der) {
  CallArena arena;
  Received received;
  Answered answered;
  Snapshot snapshot;
  answered.status = decode_message(der, &arena, &received);
  if (answered.status != CodecStatus::kOk) return answered;
  answered.status = decode_snapshot(received, &arena, &snapshot);
  if (answered.status != CodecStatus::kOk) return answered;
  FUZZ_REQUIRE(snapshot.slots.size() <= limits::kSnapshotSlots);
  encode_snapshot(snapshot, received.envelope, &arena, &answered.again);
  return answered;
}

}  // namespace

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

/* The call seldom, the return to it mostly. */
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned seed) {
  if (size <= kHead || seed % 16 == 0) return LLVMFuzzerMutate(data, size, max_size);
  return kHead + fuzz::mutate_der(data + kHead, size - kHead, max_size - kHead, seed / 16);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const bool started = (codec_start(), true);
  (void)started;
  fuzz::Input in(data, size);
  const unsigned function = in.u8(), variant = in.u8(), mechanism = in.u8();
  const FunctionRow& row = kFunctionTable[function % kFunctions240];
  if (function != kSnapshot && !carried(row)) return 0;
  auto answer = [&](std::span<const uint8_t> der) {
    return function == kSnapshot ? decode_picture(der) : decode(row, variant, mechanism, der);
  };
  Answered first = answer(in.rest());
  if (first.status != CodecStatus::kOk) return 0;
  Answered second = answer(first.again.span());
  FUZZ_REQUIRE(second.status == CodecStatus::kOk && second.rv == first.rv);
  FUZZ_REQUIRE(std::ranges::equal(second.again.span(), first.again.span()));
  return 0;
}
