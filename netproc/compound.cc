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
#include "compound.h"

#include <algorithm>

#include "channel.h"
#include "p11_attributes.h"
#include "words.h"

namespace mp11 {
namespace {

/* A library that is slow to give handles gives the rest to the client's own calls, each of which
 * has a deadline of its own. */
constexpr uint64_t kLongestNs = 250000000;

/* C_FindObjectsInit, and C_FindObjects until there are no more, or as many as were asked for. */
class Search : public AheadCompound {
 public:
  Search(const FunctionRow& row, const Words& words, uint32_t eager)
      : AheadCompound(row, words), most_(std::min(eager, limits::kEagerHandles)) {}

  size_t most() const override { return most_ * (sizeof(CK_OBJECT_HANDLE) + kOnTheWire); }

 private:
  std::optional<Step> begin(CK_RV rv, CallArena* arena) override {
    if (rv != CKR_OK) return std::nullopt;
    return ask(arena);
  }
  std::optional<Step> proceed(CK_RV rv, CallArena* arena) override {
    if (rv != CKR_OK || !took()) return std::nullopt;
    return ask(arena);
  }

  Step ask(CallArena* arena) {
    const size_t room = most_ - ahead_.handles.size();
    handles_ = static_cast<CK_OBJECT_HANDLE*>(arena->allocate_out(room * sizeof *handles_));
    found_ = arena->make<CK_ULONG>();
    return Step{&kFunctionTable[kC_FindObjects],
                {{words_.w[0], word_of(handles_), room, word_of(found_)}}};
  }

  /* DER of a handle, and asn1c's memory for it. */
  static constexpr size_t kOnTheWire = 32;

  /* True when another step may find more. */
  bool took() {
    ahead_.found = true;
    ahead_.complete = *found_ == 0;
    ahead_.handles.insert(ahead_.handles.end(), handles_, handles_ + *found_);
    const bool late = Waiter::now_ns() - since_ns_ > kLongestNs;
    return !ahead_.complete && !late && ahead_.handles.size() < most_;
  }

  const size_t most_;
  const uint64_t since_ns_ = Waiter::now_ns();
  CK_OBJECT_HANDLE* handles_ = nullptr;
  CK_ULONG* found_ = nullptr;
};

/* C_GetAttributeValue that asks for lengths, and the same again with buffers of these. */
class Values : public AheadCompound {
 public:
  Values(const FunctionRow& row, const Words& words, uint32_t eager)
      : AheadCompound(row, words), left_(std::min<CK_ULONG>(eager, limits::kEagerOctets)) {}

  size_t most() const override { return 2 * left_; } /* in the arena, and in the return */

 private:
  std::optional<Step> begin(CK_RV rv, CallArena* arena) override {
    return has_values(rv) ? offer(arena) : std::nullopt;
  }
  std::optional<Step> proceed(CK_RV rv, CallArena*) override {
    if (rv == rv_) take();
    return std::nullopt;
  }
  static bool has_values(CK_RV rv) {
    return rv == CKR_OK || rv == CKR_ATTRIBUTE_SENSITIVE || rv == CKR_ATTRIBUTE_TYPE_INVALID;
  }
  const CK_ATTRIBUTE* asked() const { return pointer<const CK_ATTRIBUTE>(words_.w[2]); }
  size_t count() const { return words_.w[3]; }

  /*
   * All attributes or none: the library's answer to the whole is what counts. Buffers of the
   * client's own are offered again, elsewhere, so that the answer is to the same question.
   */
  std::optional<Step> offer(CallArena* arena) {
    made_ = arena->make<CK_ATTRIBUTE>(count());
    for (size_t i = 0; i < count(); i++) {
      const CK_ATTRIBUTE& a = asked()[i];
      made_[i] = {a.type, nullptr, 0};
      if (a.ulValueLen == CK_UNAVAILABLE_INFORMATION) continue;
      if (attribute_kind(a.type) == AttrKind::kTemplate || a.ulValueLen > left_)
        return std::nullopt;
      left_ -= a.ulValueLen;
      made_[i].pValue = arena->allocate_out(a.ulValueLen);
      made_[i].ulValueLen = a.ulValueLen;
    }
    return Step{&kFunctionTable[kC_GetAttributeValue],
                {{words_.w[0], words_.w[1], word_of(made_), count()}}};
  }

  /* Not when something has changed in between. */
  void take() {
    for (size_t i = 0; i < count(); i++)
      if (made_[i].type != asked()[i].type || made_[i].ulValueLen != asked()[i].ulValueLen) return;
    ahead_.values.assign(made_, made_ + count());
  }

  CK_ULONG left_; /* octets that are not yet offered */
  CK_ATTRIBUTE* made_ = nullptr;
};

}  // namespace

std::unique_ptr<AheadCompound> compound_for(const FunctionRow& row, const Words& words,
                                            uint32_t eager) {
  if (eager == 0) return nullptr;
  if (row.number == kC_FindObjectsInit) return std::make_unique<Search>(row, words, eager);
  if (row.number == kC_GetAttributeValue && asks_for_a_length(words))
    return std::make_unique<Values>(row, words, eager);
  return nullptr;
}

}  // namespace mp11
