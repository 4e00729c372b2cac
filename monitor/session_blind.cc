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
 * SessionMonitor, blind layers: what such a layer holds itself hides, in the layers below it, what
 * has the same class and the same CKA_ID.
 *
 * What it holds is listed when a search begins, in the client's own session there, which has no
 * search at that time: so the list and the search see the same objects, those that the client would
 * be shown if it looked for them. Class and id of each are asked for when something has been found
 * in a layer below, and once for each search. That costs as many calls as there are objects in both
 * layers. To look in the upper layer for each object of the lower one would cost their product:
 * libraries search one object after the other. Where the client's template names a class or an id,
 * only what has those is listed, so who looks for one key makes a few calls.
 *
 * Trust: what a library says of its objects hides objects of layers below it, whatever it says; it
 * is never given anything of theirs. What is remembered is bounded (BlindList), and so is how long
 * a library is listed.
 */
#include <cstring>
#include <utility>

#include "session_monitor.h"

namespace mp11 {
namespace {

using Step = SessionMonitor::Step;

/* Handles that are listed at once. */
constexpr CK_ULONG kListRoom = 4096;

/* The only attribute of this type, if it has a value; nullptr: there is none, or another. */
const CK_ATTRIBUTE* only_one(const CK_ATTRIBUTE* attributes, Word count, CK_ATTRIBUTE_TYPE type) {
  const CK_ATTRIBUTE* only = nullptr;
  for (Word i = 0; attributes != nullptr && i < count; i++) {
    if (attributes[i].type != type) continue;
    if (only != nullptr) return nullptr;
    only = &attributes[i];
  }
  return only != nullptr && only->pValue != nullptr && only->ulValueLen != 0 ? only : nullptr;
}

}  // namespace

/* ---- what a blind layer holds, when a search begins ---- */

bool SessionMonitor::hides(const Token& token, size_t n) {
  return token.layers[n].blind() && n + 1 < token.layers.size();
}

/*
 * What hides an object that the template finds has its class and its id too. The id is the
 * library's own, so with a prefix in a layer below it says nothing.
 */
void SessionMonitor::narrow_to_template(Call* call, size_t n, Words* words) {
  Words asked;
  words->w[1] = words->w[2] = 0;
  if (!unpack_call(*call->row, call->request, &arena_, &asked)) return;
  auto* attributes = reinterpret_cast<const CK_ATTRIBUTE*>(asked.w[1]);
  bool ids_are_own = true;
  for (size_t below = n + 1; below < call->token->layers.size(); below++)
    ids_are_own &= call->token->layers[below].plan.prefix.id_size == 0;
  auto* narrow = arena_.make<CK_ATTRIBUTE>(2);
  for (CK_ATTRIBUTE_TYPE type : {CKA_CLASS, CKA_ID}) {
    const CK_ATTRIBUTE* one = only_one(attributes, asked.w[2], type);
    /* A longer id is the same as no other, and no class is as long. */
    if (one != nullptr && one->ulValueLen > limits::kBlindId) one = nullptr;
    if (one != nullptr && (type != CKA_ID || ids_are_own)) narrow[words->w[2]++] = *one;
  }
  if (words->w[2] != 0) words->w[1] = reinterpret_cast<Word>(narrow);
}

std::optional<Step> SessionMonitor::need_blind_list(Call* call, Session* session, size_t n) {
  using Listing = Call::Round::Listing;
  Call::Round& round = *call->round;
  if (!hides(*call->token, n)) return {};
  Layer* layer = call->layer = &call->token->layers[n];
  if (std::exchange(round.listed, n) != n) round.listing = Listing::kInit;
  round.blinds.resize(call->token->layers.size());
  arena_.clear();
  Words words;
  words.w[0] = static_cast<Word>(session->real[n]);
  switch (round.listing) {
    case Listing::kInit:
      narrow_to_template(call, n, &words);
      return send_internal(call, layer->backend, Call::Internal::kBlindInit,
                           kFunctionTable[kC_FindObjectsInit], words);
    case Listing::kList:
      words.w[1] =
          reinterpret_cast<Word>(arena_.allocate_out(kListRoom * sizeof(CK_OBJECT_HANDLE)));
      words.w[2] = kListRoom;
      words.w[3] = reinterpret_cast<Word>(arena_.make<CK_ULONG>());
      return send_internal(call, layer->backend, Call::Internal::kBlindList,
                           kFunctionTable[kC_FindObjects], words);
    case Listing::kFinal:
      return send_internal(call, layer->backend, Call::Internal::kBlindFinal,
                           kFunctionTable[kC_FindObjectsFinal], words);
    case Listing::kDone:
      break;
  }
  return {};
}

/* A layer that cannot be listed hides nothing. The client's own search there says why. */
void SessionMonitor::replied_blind_list(Call* call, Call::Internal what, CK_RV rv) {
  using Listing = Call::Round::Listing;
  Call::Round& round = *call->round;
  BlindList& blind = round.blinds[round.at];
  const std::vector<uint64_t>& list = call->reply.list;
  switch (what) {
    case Call::Internal::kBlindInit:
      blind = BlindList(blind_total_, call->backend->epoch);
      round.listing = rv == CKR_OK ? Listing::kList : Listing::kDone;
      return;
    case Call::Internal::kBlindList:
      if (rv != CKR_OK || list.size() > kListRoom) {
        blind.clear();
      } else if (!list.empty()) {
        round.unlisted = blind.add(list);
        if (round.unlisted == CKR_OK) return;
      }
      round.listing = Listing::kFinal;
      return;
    default:
      round.listing = Listing::kDone;
      if (round.unlisted == CKR_OK) return;
      if (Session* session = session_of(*call)) session->end_search(); /* of layers above */
      answer(call, round.unlisted);
      return;
  }
}

/* ---- while it finds something ---- */

/* Whether a layer above the n-th may hide something there. What has died hides nothing. */
bool SessionMonitor::may_be_hidden(Session* session, size_t n) {
  bool may = false;
  for (size_t above = 0; above < n && above < session->blinds.size(); above++) {
    BlindList& blind = session->blinds[above];
    if (session->real[above] == 0 || blind.epoch() != session->token->layers[above].backend->epoch)
      blind = BlindList();
    may |= !blind.empty();
  }
  return may;
}

/* All of what lies above, before one below is judged. */
std::optional<Step> SessionMonitor::need_blind_facts(Call* call, Session* session, size_t n) {
  for (size_t above = 0; above < n && above < session->blinds.size(); above++) {
    const std::optional<uint64_t> unread = session->blinds[above].unread();
    if (!unread) continue;
    call->layer = &call->token->layers[above];
    return send_facts_query(call, session->real[above], *unread, Call::Internal::kBlindFacts);
  }
  return {};
}

void SessionMonitor::replied_blind_facts(Call* call) {
  Session* session = session_of(*call);
  const std::optional<Facts> facts = read_facts(call);
  const size_t n = static_cast<size_t>(call->layer - call->token->layers.data());
  if (session == nullptr || n >= session->blinds.size()) return;
  std::optional<std::pair<uint64_t, std::string>> class_and_id;
  const LayerFilter* filter = call->layer->filter.get();
  const bool seen = facts && (!filter || filter->audits() || filter->shows(facts->shown));
  if (seen && facts->object_class && facts->id && !facts->id->empty() &&
      facts->id->size() <= limits::kBlindId)
    class_and_id.emplace(*facts->object_class, *facts->id);
  session->blinds[n].read(call->round->asked_of, class_and_id);
}

bool SessionMonitor::is_hidden(const Call& call, size_t n, const Facts& facts) {
  Session* session = session_of(call);
  if (session == nullptr || !facts.object_class || !facts.id || facts.id->empty()) return false;
  if (!may_be_hidden(session, n)) return false;
  for (size_t above = 0; above < n && above < session->blinds.size(); above++)
    if (session->blinds[above].hides(*facts.object_class, *facts.id)) return true;
  return false;
}

}  // namespace mp11
