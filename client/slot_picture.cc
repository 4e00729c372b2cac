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
#include "slot_picture.h"

#include <algorithm>
#include <utility>

#include "words.h"

namespace mp11 {
namespace {

constexpr uint64_t kSecondNs = 1000000000;
/* Of what depends on tokens that come and go; of what does not; and to wait for a snapshot. */
constexpr uint64_t kSlotsNs = kSecondNs;
constexpr uint64_t kMechanismsNs = 10 * kSecondNs;
constexpr uint64_t kPatienceNs = kSecondNs;

using Says = SlotPicture::Says;

template <class T>
Says give(const T& from, Word to) {
  if (to == 0) return Says::kNothing;
  *pointer<T>(to) = from;
  return Says::kAnswer;
}

/* As PKCS #11 gives a list (2.40, 5.2). */
template <class List>
Says give_list(const List& from, Word to, Word count_word, CK_RV* rv) {
  auto* count = pointer<CK_ULONG>(count_word);
  if (count == nullptr) return Says::kNothing;
  const CK_ULONG room = *count;
  *count = from.size();
  if (to == 0) return Says::kAnswer;
  if (room < from.size())
    *rv = CKR_BUFFER_TOO_SMALL;
  else
    std::ranges::copy(from, pointer<CK_ULONG>(to));
  return Says::kAnswer;
}

/* Whether an application looks around by it, before it opens a session. */
bool looks_around(uint32_t function) {
  return function >= kC_GetInfo && function <= kC_GetMechanismInfo &&
         function != kC_GetFunctionList;
}
bool of_slots(uint32_t function) {
  return function == kC_GetSlotList || function == kC_GetSlotInfo || function == kC_GetTokenInfo;
}

}  // namespace

void SlotPicture::asked(uint64_t now_ns) {
  waiting_ = true;
  since_ns_ = now_ns;
}

void SlotPicture::begins(uint64_t now_ns) {
  if (waiting_) since_ns_ = now_ns;
}

void SlotPicture::came(std::optional<Snapshot> snapshot) {
  if (!std::exchange(waiting_, false)) return; /* a token has been made anew meanwhile */
  snapshot_ = std::move(snapshot);
}

Says SlotPicture::take(const FunctionRow& row, const Words& words, uint64_t now_ns, CK_RV* rv) {
  *rv = CKR_OK;
  if (row.number == kC_Initialize) return Says::kNothing; /* the one before everything */
  if (!looks_around(row.number)) {
    looks_around_ = false;
    if (row.number == kC_InitToken || row.number == kC_WaitForSlotEvent) {
      waiting_ = false;
      snapshot_.reset();
    }
    return Says::kNothing;
  }
  if (of_slots(row.number) && !looks_around_) return Says::kNothing;
  const uint64_t age = now_ns - std::min(now_ns, since_ns_);
  if (waiting_) return age < kPatienceNs ? Says::kWait : Says::kNothing;
  if (!snapshot_ || age >= (of_slots(row.number) ? kSlotsNs : kMechanismsNs)) return Says::kNothing;
  if (row.number == kC_GetInfo) return give(snapshot_->info, words.w[0]);
  return of_slots(row.number) ? slots(row, words, rv) : mechanisms(row, words, rv);
}

Says SlotPicture::slots(const FunctionRow& row, const Words& words, CK_RV* rv) const {
  if (row.number == kC_GetSlotList) return slot_list(words, rv);
  const SlotSnapshot* slot = find(words.w[0]);
  if (slot == nullptr) return Says::kNothing;
  if (row.number == kC_GetSlotInfo) return give(slot->info, words.w[1]);
  return slot->token ? give(*slot->token, words.w[1]) : Says::kNothing;
}

Says SlotPicture::slot_list(const Words& words, CK_RV* rv) const {
  std::vector<CK_SLOT_ID> ids;
  for (const SlotSnapshot& slot : snapshot_->slots)
    if (words.w[0] == CK_FALSE || (slot.info.flags & CKF_TOKEN_PRESENT) != 0)
      ids.push_back(slot.id);
  return give_list(ids, words.w[1], words.w[2], rv);
}

Says SlotPicture::mechanisms(const FunctionRow& row, const Words& words, CK_RV* rv) const {
  const SlotSnapshot* slot = find(words.w[0]);
  if (slot == nullptr || slot->mechanisms.empty()) return Says::kNothing;
  if (row.number == kC_GetMechanismList)
    return give_list(slot->mechanisms, words.w[1], words.w[2], rv);
  const auto it = std::ranges::find(slot->mechanisms, words.w[1]);
  if (it == slot->mechanisms.end() || slot->infos.empty()) return Says::kNothing;
  return give(slot->infos[static_cast<size_t>(it - slot->mechanisms.begin())], words.w[2]);
}

const SlotSnapshot* SlotPicture::find(CK_SLOT_ID id) const {
  const auto it = std::ranges::find(snapshot_->slots, id, &SlotSnapshot::id);
  return it == snapshot_->slots.end() ? nullptr : &*it;
}

uint64_t SlotPicture::due_ns() const { return waiting_ ? since_ns_ + kPatienceNs : 0; }

}  // namespace mp11
