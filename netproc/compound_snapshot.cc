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
 * The snapshot that a client asks for when it starts: what it would ask in a call for each, asked
 * one after the other. Only one at a time is made for a client, which so gets no more of the
 * monitor's time than by calls of its own.
 *
 * Mechanisms are not among it, though the message has room for them: a token on demand comes into
 * being when it is asked for those, which no C_Initialize may bring about.
 */
#include <algorithm>

#include "channel.h"
#include "compound.h"
#include "snapshot.h"
#include "words.h"

namespace mp11 {
namespace {

/* What is not there by then comes too late: the client waits no longer, and keeps it no longer. */
constexpr uint64_t kLongestNs = 500000000;

class Picture : public Compound {
 public:
  Picture(bool token_present, uint64_t now_ns)
      : token_present_(token_present), until_ns_(now_ns + kLongestNs) {}

  std::optional<Step> next(CK_RV rv, CallArena* arena) override {
    if (at_ != At::kStart && !took(rv)) return std::nullopt;
    return ask(arena);
  }
  size_t most() const override { return kMost; }
  void finish(const Envelope& envelope, CallArena* arena, SecureBuffer* out) override {
    if (at_ == At::kEnd)
      encode_snapshot(snapshot_, envelope, arena, out);
    else
      encode_answer(kSnapshotOpcode, failed_, envelope, arena, out);
  }

 private:
  /* What the last step asked for. */
  enum class At { kStart, kInfo, kSlots, kSlot, kToken, kEnd };

  /* All slots that there may be, as they are here, in DER and as asn1c has them. */
  static constexpr size_t kMost = limits::kSnapshotSlots * 8192;

  SlotSnapshot& slot() { return snapshot_.slots[index_]; }

  /* The results of the last step. False where there is no snapshot without them. */
  bool took(CK_RV rv) {
    const bool ok = rv == CKR_OK;
    switch (at_) {
      case At::kInfo:
        snapshot_.info = *static_cast<const CK_INFO*>(result_);
        break;
      case At::kSlots:
        if (ok) snapshot_.slots.resize(count_);
        for (size_t i = 0; ok && i < count_; i++)
          snapshot_.slots[i].id = static_cast<const CK_SLOT_ID*>(result_)[i];
        break;
      case At::kSlot:
        slot().info = *static_cast<const CK_SLOT_INFO*>(result_);
        break;
      case At::kToken:
        if (ok) slot().token = *static_cast<const CK_TOKEN_INFO*>(result_);
        return true;
      default:
        break;
    }
    if (!ok) failed_ = rv == CKR_BUFFER_TOO_SMALL ? CK_RV{CKR_HOST_MEMORY} : rv;
    return ok;
  }

  std::optional<Step> ask(CallArena* arena) {
    switch (at_) {
      case At::kStart:
        return single<CK_INFO>(At::kInfo, kC_GetInfo, {}, arena);
      case At::kInfo:
        return list(At::kSlots, kC_GetSlotList, token_present_, limits::kSnapshotSlots, arena);
      case At::kSlots:
        return next_slot(0, arena);
      case At::kSlot:
        if ((slot().info.flags & CKF_TOKEN_PRESENT) == 0 || Waiter::now_ns() > until_ns_)
          return next_slot(index_ + 1, arena);
        return single<CK_TOKEN_INFO>(At::kToken, kC_GetTokenInfo, {{slot().id}}, arena);
      default:
        return next_slot(index_ + 1, arena);
    }
  }

  std::optional<Step> next_slot(size_t index, CallArena* arena) {
    index_ = index;
    if (index_ == snapshot_.slots.size()) {
      at_ = At::kEnd;
      return std::nullopt;
    }
    return single<CK_SLOT_INFO>(At::kSlot, kC_GetSlotInfo, {{slot().id}}, arena);
  }

  /* A call whose last argument is where one structure goes. */
  template <class T>
  Step single(At at, FunctionNumber function, Words words, CallArena* arena) {
    const FunctionRow& row = kFunctionTable[function];
    T* structure = arena->make<T>();
    at_ = at;
    result_ = structure;
    words.w[row.word_count - 1] = word_of(structure);
    return {&row, words};
  }
  Step list(At at, FunctionNumber function, Word first, size_t room, CallArena* arena) {
    at_ = at;
    auto* numbers = static_cast<CK_ULONG*>(arena->allocate_out(room * sizeof(CK_ULONG)));
    result_ = numbers;
    count_ = room;
    return {&kFunctionTable[function], {{first, word_of(numbers), word_of(&count_)}}};
  }

  const bool token_present_;
  const uint64_t until_ns_;
  At at_ = At::kStart;
  const void* result_ = nullptr;
  CK_ULONG count_ = 0;
  size_t index_ = 0;
  CK_RV failed_ = CKR_GENERAL_ERROR;
  Snapshot snapshot_;
};

}  // namespace

std::unique_ptr<Compound> snapshot_compound(bool token_present, uint64_t now_ns) {
  return std::make_unique<Picture>(token_present, now_ns);
}

}  // namespace mp11
