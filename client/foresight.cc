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
#include "foresight.h"

#include <algorithm>
#include <cstring>

#include "p11_attributes.h"
#include "p11_looks.h"
#include "words.h"

namespace mp11 {
namespace {

/* Longer than an application takes from a length to the value, and shorter than a person. */
constexpr uint64_t kFreshNs = 1000000000;

bool of_session(const FunctionRow& row) {
  return row.arg_count != 0 && row.args[0].kind == ArgKind::kSession;
}

/* A session that is no more, or a token without which it is none. */
bool session_lost(CK_RV rv) {
  return rv == CKR_SESSION_HANDLE_INVALID || rv == CKR_SESSION_CLOSED || rv == CKR_DEVICE_REMOVED ||
         rv == CKR_TOKEN_NOT_PRESENT || rv == CKR_CRYPTOKI_NOT_INITIALIZED;
}

}  // namespace

Foresight::Way Foresight::take(Asking* asking, bool may_post, uint64_t now_ns) {
  asking->ahead = {};
  asking->answer = CKR_OK;
  asking->joined.clear();
  Way way = Way::kServer;
  if (!only_looks(*asking->row)) changed();
  const bool undisturbed = alone(asking);
  if (Session* session = session_of(*asking); session != nullptr) {
    way = take_in_session(session, asking, undisturbed, may_post, now_ns);
    session->forget();
  }
  asking->epoch = epoch_;
  if (way == Way::kServer) flying_.push_back(asking);
  return way;
}

/* Whether no other call of its session is on its way; those that are know of this one. */
bool Foresight::alone(Asking* asking) {
  asking->disturbed = false;
  if (!of_session(*asking->row)) return true;
  for (Asking* other : flying_) {
    if (!of_session(*other->row) || other->words->w[0] != asking->words->w[0]) continue;
    other->disturbed = asking->disturbed = true;
  }
  return !asking->disturbed;
}

Foresight::Session* Foresight::session_of(const Asking& asking) {
  if (!of_session(*asking.row)) return nullptr;
  auto it = sessions_.find(asking.words->w[0]);
  return it == sessions_.end() ? nullptr : &it->second;
}

bool Foresight::fresh(const Session& session, uint64_t now_ns) const {
  return session.epoch == epoch_ && now_ns - std::min(now_ns, session.since_ns) < kFreshNs;
}

Foresight::Way Foresight::take_in_session(Session* session, Asking* asking, bool alone,
                                          bool may_post, uint64_t now_ns) {
  const Words& words = *asking->words;
  switch (asking->row->number) {
    case kC_FindObjectsInit:
      if (eager_) asking->ahead.eager = limits::kEagerHandles;
      return Way::kServer;
    case kC_FindObjects:
      return alone ? find(session, asking) : Way::kServer;
    case kC_FindObjectsFinal:
      /* Of a search that is known to be there, with nothing between that might have ended it. */
      if (!eager_ || !alone || !may_post || !session->search || session->search->epoch != epoch_)
        return Way::kServer;
      session->search.reset();
      return Way::kBoth;
    case kC_GetAttributeValue:
      if (alone && session->values && fresh(*session, now_ns) &&
          give_values(*session->values, words) == Way::kHere) {
        asking->answer = session->values->rv;
        return Way::kHere;
      }
      if (eager_ && asks_for_a_length(words)) asking->ahead.eager = limits::kEagerOctets;
      return Way::kServer;
    case kC_Sign:
    case kC_Encrypt:
      return alone && fresh(*session, now_ns) ? give_length(*session, asking) : Way::kServer;
    default:
      return Way::kServer;
  }
}

/* The question for the length, of an operation that was begun just now. */
Foresight::Way Foresight::give_length(const Session& session, const Asking* asking) {
  const Words& words = *asking->words;
  auto* length = pointer<CK_ULONG>(words.w[4]);
  const bool asks = words.w[1] != 0 && words.w[3] == 0 && length != nullptr;
  if (!session.output_len || session.ends_with != asking->row->number || !asks) return Way::kServer;
  *length = *session.output_len;
  return Way::kHere;
}

/* ---- a search ---- */

Foresight::Way Foresight::find(Session* session, Asking* asking) {
  Words* words = asking->words;
  auto* to = pointer<CK_OBJECT_HANDLE>(words->w[1]);
  auto* count = pointer<CK_ULONG>(words->w[3]);
  const CK_ULONG most = words->w[2];
  if (!session->search || to == nullptr || count == nullptr || most == 0) return Way::kServer;
  std::vector<CK_OBJECT_HANDLE>& hand = session->search->handles;
  const size_t given = std::min<size_t>(hand.size(), most);
  if (given < most && !session->search->complete) {
    /* The rest of the application's memory is the server's to fill. */
    asking->joined.swap(hand);
    std::copy(asking->joined.begin(), asking->joined.end(), to);
    words->w[1] = reinterpret_cast<Word>(to + given);
    words->w[2] = most - given;
    return Way::kServer;
  }
  std::copy_n(hand.begin(), given, to);
  *count = given;
  hand.erase(hand.begin(), hand.begin() + static_cast<std::ptrdiff_t>(given));
  return Way::kHere;
}

/* The words as the application's were; an error leaves in hand what was there. */
void Foresight::rejoin(Session* session, Asking* asking, CK_RV rv) {
  Words* words = asking->words;
  const size_t given = asking->joined.size();
  words->w[1] = reinterpret_cast<Word>(pointer<CK_OBJECT_HANDLE>(words->w[1]) - given);
  words->w[2] += given;
  if (rv == CKR_OK)
    *pointer<CK_ULONG>(words->w[3]) += given;
  else if (session != nullptr && session->search)
    session->search->handles.swap(asking->joined);
  asking->joined.clear();
}

/* ---- values ---- */

/*
 * To the template that asked for the lengths the answer is known, whatever it is; of another one
 * of success alone can parts be answered.
 */
Foresight::Way Foresight::give_values(const Values& values, const Words& words) {
  auto* asked = pointer<CK_ATTRIBUTE>(words.w[2]);
  const CK_ULONG count = words.w[3];
  if (words.w[1] != values.object || asked == nullptr || count == 0) return Way::kServer;
  std::vector<const Attribute*> found(count);
  for (CK_ULONG i = 0; i < count; i++) {
    auto it = std::ranges::find(values.attributes, asked[i].type, &Attribute::type);
    if (it == values.attributes.end()) return Way::kServer;
    found[i] = &*it;
    if (it->length == CK_UNAVAILABLE_INFORMATION) continue;
    if (asked[i].pValue == nullptr || asked[i].ulValueLen == CK_UNAVAILABLE_INFORMATION ||
        asked[i].ulValueLen < it->length)
      return Way::kServer;
  }
  const bool same = std::ranges::equal(std::span(asked, count), values.attributes, {},
                                       &CK_ATTRIBUTE::type, &Attribute::type);
  if (values.rv != CKR_OK && !same) return Way::kServer;
  for (CK_ULONG i = 0; i < count; i++) {
    const Attribute& a = *found[i];
    asked[i].ulValueLen = a.length;
    if (a.length != CK_UNAVAILABLE_INFORMATION && a.length != 0)
      std::memcpy(asked[i].pValue, values.octets.data() + a.at, a.length);
  }
  return Way::kHere;
}

void Foresight::learn_values(Session* session, const Asking& asking, CK_RV rv) {
  const auto* attributes = pointer<const CK_ATTRIBUTE>(asking.words->w[2]);
  const CK_ULONG count = asking.words->w[3];
  if (asking.ahead.values.size() != count) return;
  Values values;
  values.object = asking.words->w[1];
  values.rv = rv;
  for (CK_ULONG i = 0; i < count; i++) {
    const CK_ATTRIBUTE& ahead = asking.ahead.values[i];
    Attribute a{attributes[i].type, attributes[i].ulValueLen, values.octets.size()};
    const CK_ATTRIBUTE* from = ahead.pValue != nullptr ? &ahead : &attributes[i];
    if (a.length == CK_UNAVAILABLE_INFORMATION) {
      if (from->pValue != nullptr) return; /* for want of room, perhaps: the next may offer more */
    } else {
      /* What had a buffer has come as ever; of an answer that is not success, not all of it may. */
      const bool as_ever = from != &ahead;
      if (from->pValue == nullptr || (as_ever && rv != CKR_OK)) return;
      if (attribute_kind(a.type) == AttrKind::kTemplate) return;
      values.octets.append(static_cast<const uint8_t*>(from->pValue), a.length);
    }
    values.attributes.push_back(a);
  }
  session->values = std::move(values);
}

/* ---- returns ---- */

void Foresight::came(Asking* asking, CK_RV rv, uint64_t now_ns) {
  withdraw(asking);
  if (!only_looks(*asking->row)) changed();
  Session* session = session_of(*asking);
  if (!asking->joined.empty()) rejoin(session, asking, rv);
  if (session != nullptr) came_in_session(session, asking, rv, now_ns);
  opened_or_closed(*asking, rv);
}

void Foresight::came_in_session(Session* session, Asking* asking, CK_RV rv, uint64_t now_ns) {
  if (session_lost(rv)) session->search.reset();
  switch (asking->row->number) {
    case kC_FindObjectsInit:
      if (rv != CKR_OK) return;
      session->search = Search{std::move(asking->ahead.handles), asking->ahead.complete, epoch_};
      return;
    case kC_FindObjects:
      if (rv != CKR_OK && session->search) session->search->epoch = UINT64_MAX;
      return;
    case kC_FindObjectsFinal:
      if (rv == CKR_OK || rv == CKR_OPERATION_NOT_INITIALIZED) session->search.reset();
      return;
    default:
      break;
  }
  if (asking->disturbed || asking->epoch != epoch_) return;
  session->forget();
  session->since_ns = now_ns;
  session->epoch = epoch_;
  if (asking->row->number == kC_GetAttributeValue && eager_) learn_values(session, *asking, rv);
  if (rv != CKR_OK || !output_len_) return;
  session->output_len = asking->ahead.output_len;
  session->ends_with = asking->row->number + 1; /* as PKCS #11 has it, for each of them */
}

void Foresight::opened_or_closed(const Asking& asking, CK_RV rv) {
  const Words& words = *asking.words;
  const CK_ULONG first = words.w[0];
  if (rv != CKR_OK) return;
  switch (asking.row->number) {
    case kC_OpenSession:
      if (words.w[4] != 0) opened(*pointer<const CK_SESSION_HANDLE>(words.w[4]), first);
      return;
    case kC_CloseSession:
      sessions_.erase(first);
      return;
    case kC_CloseAllSessions:
      std::erase_if(sessions_, [first](const auto& entry) { return entry.second.slot == first; });
      return;
    case kC_Finalize:
      sessions_.clear();
      return;
    default:
      return;
  }
}

/* A number that comes again is another session. */
void Foresight::opened(CK_SESSION_HANDLE handle, CK_SLOT_ID slot) {
  sessions_.erase(handle);
  sessions_[handle].slot = slot;
}

void Foresight::withdraw(Asking* asking) { std::erase(flying_, asking); }

void Foresight::changed() {
  epoch_++;
  for (auto& [handle, session] : sessions_) session.forget();
}

uint64_t Foresight::expire(uint64_t now_ns) {
  uint64_t next = UINT64_MAX;
  for (auto& [handle, session] : sessions_) {
    if (!session.values) continue;
    if (!fresh(session, now_ns))
      session.forget();
    else
      next = std::min(next, session.since_ns + kFreshNs);
  }
  return next;
}

}  // namespace mp11
