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
 * SessionMonitor, searches over several layers: to the client it is one, which goes on from each
 * layer to the next.
 *
 * Trust: a library finds what it likes. Its objects get handles of its own layer, no more of them
 * than the client has asked for, and it is not asked for ever.
 */
#include <utility>

#include "packing.h"
#include "session_monitor.h"

namespace mp11 {

using Step = SessionMonitor::Step;

void SessionMonitor::Session::end_search() {
  for (Search& search : searches) {
    if (search == Search::kActive) search = Search::kStale;
    if (search == Search::kVoid) search = Search::kNone;
  }
}

/* A search goes on in the next layer; where it was, it is active until C_FindObjectsFinal. */
void SessionMonitor::pass_on(Session* session, const Call& call) {
  if (call.layer == nullptr || session->search_at >= session->searches.size()) return;
  if (&call.token->layers[session->search_at] == call.layer) session->search_at++;
}

/*
 * The first layer that is asked judges the template. One that has nothing of such a name is not
 * asked.
 */
Step SessionMonitor::next_find_init(Call* call, Session* session) {
  using Search = Session::Search;
  Call::Round& round = *call->round;
  if (!session->searches_are(Search::kActive) && session->searches_are(Search::kVoid))
    return answer(call, CKR_OPERATION_ACTIVE); /* there is no library that would say so */
  if (!round.led && is_searching_elsewhere(call, *session))
    return answer(call, CKR_OPERATION_ACTIVE);
  for (; round.at < session->real.size(); round.at++) {
    Layer* layer = &call->token->layers[round.at];
    const Search had = session->searches[round.at];
    const bool asked = fits_prefix(call, *layer);
    if (!asked && !round.led && had == Search::kActive) return answer(call, CKR_OPERATION_ACTIVE);
    const bool left = had == Search::kStale || ((round.led || !asked) && had == Search::kActive);
    if (!asked && !left && !hides(*call->token, round.at)) continue;
    round.spares = !layer->required();
    if (auto step = need_layer_session(call, session, round.at)) return *step;
    /* One of an earlier search, which the first layer has lost. */
    if (left) {
      Words words;
      words.w[0] = static_cast<Word>(session->real[round.at]);
      call->layer = layer;
      return send_internal(call, layer->backend, Call::Internal::kFindFinal,
                           kFunctionTable[kC_FindObjectsFinal], words);
    }
    if (auto step = need_blind_list(call, session, round.at)) return *step;
    if (asked) return send_copy(call, layer, Call::Internal::kFindInit, session->real[round.at]);
  }
  return begin_search(call, session);
}

/* The layer that leads the client's search is not the one that would be asked first: no library
 * would say that there is one already. */
bool SessionMonitor::is_searching_elsewhere(Call* call, const Session& session) {
  const size_t lead = session.search_lead;
  if (session.searches[lead] != Session::Search::kActive || session.real[lead] == 0) return false;
  size_t first = 0;
  while (first < lead && !fits_prefix(call, call->token->layers[first])) first++;
  return first != lead;
}

/* What it is in layers that were not asked; where none could be, that is all. */
Step SessionMonitor::begin_search(Call* call, Session* session) {
  using Search = Session::Search;
  Call::Round& round = *call->round;
  if (round.led && round.said != CKR_OK) return answer(call, round.said);
  bool begun = round.led;
  for (size_t n = 0; n < session->searches.size(); n++) {
    Search& search = session->searches[n];
    const bool asked = fits_prefix(call, call->token->layers[n]);
    if (!asked || search == Search::kVoid) search = asked ? Search::kNone : Search::kVoid;
    begun |= !asked;
  }
  session->blinds = std::move(round.blinds);
  return answer(call, begun ? CK_RV{CKR_OK} : round.failure);
}

/*
 * Layer by layer; one is through when it finds nothing more. The one that leads is asked each time,
 * as it may have an opinion on what the session has done meanwhile.
 */
Step SessionMonitor::next_find(Call* call, Session* session) {
  Call::Round& round = *call->round;
  PackReader in(call->request.bytes.span());
  const bool has_list = in.flag();
  const uint64_t most = in.u64();
  const bool has_count = in.flag();
  if (!in.end() || most > limits::kHandleList) return answer(call, CKR_ARGUMENTS_BAD);
  round.led |= has_list && has_count && most != 0 && session->searching();
  if (!round.led && session->searches_are(Session::Search::kStale))
    return answer(call, CKR_OPERATION_NOT_INITIALIZED); /* a library may find something still */
  if (!round.led) return to_first(call, session);
  auto active = [session](size_t n) {
    return n < session->real.size() && session->searches[n] == Session::Search::kActive &&
           session->real[n] != 0;
  };
  if (!active(session->search_lead)) round.judged = true;
  if (auto step = need_facts(call, session)) return *step;
  while (session->search_at < session->real.size() || !round.judged) {
    const size_t n = round.judged ? session->search_at : session->search_lead;
    if (!active(n)) {
      session->search_at++;
      continue;
    }
    if (round.found.size() >= most) break;
    if (round.looked >= limits::kHiddenInARow) {
      if (!round.found.empty()) break;
      if (auto step = stop_endless(call, session)) return *step;
      continue;
    }
    Layer* layer = &call->token->layers[n];
    round.spares = true;
    call->layer = layer;
    arena_.clear();
    const uint64_t room = most - round.found.size();
    Words words;
    words.w[0] = static_cast<Word>(session->real[n]);
    words.w[1] = reinterpret_cast<Word>(
        arena_.allocate_out(static_cast<size_t>(room) * sizeof(CK_OBJECT_HANDLE)));
    words.w[2] = static_cast<Word>(room);
    words.w[3] = reinterpret_cast<Word>(arena_.make<CK_ULONG>());
    return send_internal(call, layer->backend, Call::Internal::kFind,
                         kFunctionTable[kC_FindObjects], words);
  }
  Step step = answer(call, CKR_OK);
  call->reply.list = round.found;
  PackWriter out(&call->reply.bytes);
  out.u8(1);
  out.u64(round.found.size());
  out.u8(1);
  return step;
}

/* Of a layer that has nothing but objects that are not shown, and ever more of them. */
std::optional<Step> SessionMonitor::stop_endless(Call* call, Session* session) {
  Layer* layer = call->round->unseen_in;
  if (call->token->layers.size() == 1 || layer->required()) {
    session->end_search();
    return answer(call, CKR_DEVICE_ERROR);
  }
  call->round->looked = 0;
  call->layer = layer;
  skip_layer(call, CKR_DEVICE_ERROR);
  return {};
}

Step SessionMonitor::next_find_final(Call* call, Session* session) {
  Call::Round& round = *call->round;
  if (!session->searching() && !round.led) return to_first(call, session);
  for (; round.at < session->real.size(); round.at++) {
    if (session->searches[round.at] != Session::Search::kActive || session->real[round.at] == 0)
      continue;
    round.spares = true;
    return send_copy(call, &call->token->layers[round.at], Call::Internal::kFindFinal,
                     session->real[round.at]);
  }
  bool ended = round.led;
  for (Session::Search& search : session->searches) {
    if (search != Session::Search::kVoid) continue;
    search = Session::Search::kNone;
    ended = true;
  }
  session->blinds.clear();
  return answer(call, ended ? round.said : round.failure);
}

/* ---- replies ---- */

/* False when the layer gives more than was asked for, or the map is full. */
bool SessionMonitor::take_found(Call* call) {
  Session* session = session_of(*call);
  if (session == nullptr) return true; /* next() says so */
  PackReader in(call->request.bytes.span());
  if (!in.flag() || call->reply.list.size() > in.u64() - call->round->found.size()) return false;
  const size_t n = static_cast<size_t>(call->layer - call->token->layers.data());
  const bool chooses =
      (call->layer->filter && call->layer->filter->chooses_objects()) || may_be_hidden(session, n);
  call->round->unseen_in = call->layer;
  call->round->unseen_epoch = call->backend->epoch;
  if (chooses) call->round->looked += call->reply.list.size();
  for (uint64_t real : call->reply.list) {
    if (chooses) {
      call->round->unseen.push_back(real);
      continue;
    }
    uint64_t handle = objects_.add({.real = real, .scope = call->layer->id, .slot = call->slot});
    if (handle == 0) return false;
    call->round->found.push_back(handle);
  }
  call->round->judged = true;
  if (call->reply.list.empty()) pass_on(session, *call);
  return true;
}

}  // namespace mp11
