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
#include "snapshot.h"

#include <algorithm>

#include "ACK-MECHANISM-INFO.h"
#include "ACK-SLOT-SNAPSHOT.h"
#include "ACK-TOKEN-INFO.h"
#include "X-Snapshot-Call.h"
#include "X-Snapshot-Return.h"
#include "asn1c_memory.h"
#include "envelope.h"
#include "values.h"

namespace mp11 {

using namespace asn1;

namespace {

template <class T>
bool put_info(const T& from, const Type* type, void* to, CallArena* arena) {
  InfoPutter putter(type, to, arena);
  visit_info(putter, from);
  return putter.complete();
}

template <class T>
bool get_info(const Type* type, const void* from, T* to) {
  InfoGetter getter(type, from);
  visit_info(getter, *to);
  return getter.ok();
}

template <class L>
List* list_of(L* list) {
  return reinterpret_cast<List*>(list);
}

bool put_slot(const SlotSnapshot& slot, ACK_SLOT_SNAPSHOT_t* out, CallArena* arena) {
  if (!put_number(slot.id, &out->slotID) ||
      !put_info(slot.info, &asn_DEF_ACK_SLOT_INFO, &out->slotInfo, arena))
    return false;
  if (slot.token) {
    out->tokenInfo = arena->make<ACK_TOKEN_INFO_t>();
    if (!put_info(*slot.token, &asn_DEF_ACK_TOKEN_INFO, out->tokenInfo, arena)) return false;
  }
  auto* types = static_cast<WireNumber*>(make_list(
      list_of(&out->mechanismTypes.list), slot.mechanisms.size(), sizeof(WireNumber), arena));
  for (size_t i = 0; i < slot.mechanisms.size(); i++)
    if (!put_number(slot.mechanisms[i], &types[i])) return false;
  auto* infos = static_cast<ACK_MECHANISM_INFO_t*>(make_list(
      list_of(&out->mechanismInfos.list), slot.infos.size(), sizeof(ACK_MECHANISM_INFO_t), arena));
  for (size_t i = 0; i < slot.infos.size(); i++)
    if (!put_info(slot.infos[i], &asn_DEF_ACK_MECHANISM_INFO, &infos[i], arena)) return false;
  return true;
}

bool get_slot(const ACK_SLOT_SNAPSHOT_t& in, SlotSnapshot* slot, size_t* mechanisms) {
  if (!get_number(in.slotID, &slot->id) ||
      !get_info(&asn_DEF_ACK_SLOT_INFO, &in.slotInfo, &slot->info))
    return false;
  if (in.tokenInfo != nullptr &&
      !get_info(&asn_DEF_ACK_TOKEN_INFO, in.tokenInfo, &slot->token.emplace()))
    return false;
  const auto types = static_cast<size_t>(in.mechanismTypes.list.count);
  const auto infos = static_cast<size_t>(in.mechanismInfos.list.count);
  if ((infos != 0 && infos != types) || types > *mechanisms) return false;
  *mechanisms -= types;
  slot->mechanisms.resize(types);
  slot->infos.resize(infos);
  for (size_t i = 0; i < types; i++)
    if (!get_number(*in.mechanismTypes.list.array[i], &slot->mechanisms[i])) return false;
  for (size_t i = 0; i < infos; i++)
    if (!get_info(&asn_DEF_ACK_MECHANISM_INFO, in.mechanismInfos.list.array[i], &slot->infos[i]))
      return false;
  return true;
}

}  // namespace

void encode_snapshot_call(const Envelope& envelope, CallArena* arena, SecureBuffer* out) {
  codec_start();
  X_Snapshot_Call_t call = {}; /* tokenPresent FALSE: all slots */
  const bool encoded = encode_message(true, kSnapshotOpcode, 0, &asn_DEF_X_Snapshot_Call, &call,
                                      envelope, arena, out);
  MP11_ASSERT(encoded);
}

CodecStatus decode_snapshot(const Received& received, CallArena* arena, Snapshot* snapshot) {
  *snapshot = {};
  CK_RV rv;
  if (received.call || received.opcode != kSnapshotOpcode) return CodecStatus::kSyntax;
  Asn1cMemory memory(arena, Asn1cMemory::limit_for(received.opdata.size()));
  if (!decode_retval(received, &rv)) return CodecStatus::kSyntax;
  if (rv != CKR_OK || received.envelope.failure) return CodecStatus::kAnswer;
  const auto* in = static_cast<const X_Snapshot_Return_t*>(
      decode(&asn_DEF_X_Snapshot_Return, received.opdata.data(), received.opdata.size()));
  if (in == nullptr || !get_info(&asn_DEF_ACK_INFO, &in->info, &snapshot->info))
    return CodecStatus::kSyntax;
  const auto count = static_cast<size_t>(in->slots.list.count);
  size_t mechanisms = limits::kSnapshotMechanisms;
  if (count > limits::kSnapshotSlots) return CodecStatus::kSyntax;
  for (size_t i = 0; i < count; i++) {
    SlotSnapshot slot;
    if (!get_slot(*in->slots.list.array[i], &slot, &mechanisms) ||
        std::ranges::find(snapshot->slots, slot.id, &SlotSnapshot::id) != snapshot->slots.end())
      return CodecStatus::kSyntax;
    snapshot->slots.push_back(std::move(slot));
  }
  return CodecStatus::kOk;
}

bool decode_snapshot_call(const Received& received, CallArena* arena, bool* token_present) {
  if (!received.call || received.opcode != kSnapshotOpcode) return false;
  Asn1cMemory memory(arena, Asn1cMemory::limit_for(received.opdata.size()));
  const auto* in = static_cast<const X_Snapshot_Call_t*>(
      decode(&asn_DEF_X_Snapshot_Call, received.opdata.data(), received.opdata.size()));
  if (in != nullptr) *token_present = in->tokenPresent != 0;
  return in != nullptr;
}

void encode_snapshot(const Snapshot& snapshot, const Envelope& envelope, CallArena* arena,
                     SecureBuffer* out) {
  X_Snapshot_Return_t result = {};
  bool fits = put_info(snapshot.info, &asn_DEF_ACK_INFO, &result.info, arena);
  auto* slots = static_cast<ACK_SLOT_SNAPSHOT_t*>(make_list(
      list_of(&result.slots.list), snapshot.slots.size(), sizeof(ACK_SLOT_SNAPSHOT_t), arena));
  for (size_t i = 0; i < snapshot.slots.size(); i++)
    fits = fits && put_slot(snapshot.slots[i], &slots[i], arena);
  if (fits && encode_message(false, kSnapshotOpcode, 0, &asn_DEF_X_Snapshot_Return, &result,
                             envelope, arena, out))
    return;
  encode_answer(kSnapshotOpcode, CKR_HOST_MEMORY, envelope, arena, out);
}

}  // namespace mp11
