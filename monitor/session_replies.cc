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
 * SessionMonitor, the half that takes a backend's replies: translates what they hold and notes what
 * they change.
 *
 * Trust: the backend is hostile. A reply is matched to the saved call; the number of handles it may
 * hold is that of the function's row. What does not fit ends the backend.
 */
#include <algorithm>
#include <cstring>

#include "infos.h"
#include "packing.h"
#include "session_monitor.h"

namespace mp11 {
namespace {

/* Nothing wanted is always there. */
template <size_t N>
bool says(const CK_UTF8CHAR (&field)[N], const char* wanted) {
  CK_UTF8CHAR padded[N];
  pad_text(padded, sizeof padded, wanted);
  return wanted[0] == '\0' || std::memcmp(field, padded, sizeof padded) == 0;
}

bool is_wanted(const CK_TOKEN_INFO& info, const BackendToken& wanted) {
  if (wanted.label[0] == '\0' && wanted.manufacturer[0] == '\0' && wanted.model[0] == '\0' &&
      wanted.serial[0] == '\0')
    return (info.flags & CKF_TOKEN_INITIALIZED) != 0;
  return says(info.label, wanted.label) && says(info.manufacturerID, wanted.manufacturer) &&
         says(info.model, wanted.model) && says(info.serialNumber, wanted.serial);
}

unsigned handles_out(const FunctionRow& row) {
  unsigned count = 0;
  for (unsigned i = 0; i < row.arg_count; i++)
    count += row.args[i].kind == ArgKind::kHandleOut || row.args[i].kind == ArgKind::kSessionOut;
  return count;
}

}  // namespace

void SessionMonitor::replied(Call* call) {
  if (call->epoch != call->backend->epoch) return; /* of a backend that is gone; next() says so */
  if (--call->backend->flying == 0 && std::exchange(call->backend->quiet_awaited, false))
    host_->changed();
  if (call->ending) call->backend->enders--;
  call->ending = false;
  CallRec& rec = call->reply.rec;
  bool internal = call->phase == Call::Phase::kInternal;
  const Message& asked = internal ? call->internal_message : call->request;
  uint32_t function = internal ? asked.rec.function : call->row->number;
  const FunctionRow& row = kFunctionTable[function];
  unsigned handles = carries_results(rec.rv) ? handles_out(row) : 0;
  bool lists =
      row.has(ArgKind::kHandleList) || row.has(ArgKind::kSlotList) || row.has(ArgKind::kMechanism);
  bool fits = rec.function == function && (rec.flags & ~uint32_t{kFlagMore}) == kFlagReply &&
              rec.handle_count == handles && (lists || call->reply.list.empty());
  if (fits && internal) {
    replied_internal(call);
    return;
  }
  if (!fits || !absorb(call)) not_believed(call);
}

/* It lies about its own calls: nothing it says later can be believed either. */
void SessionMonitor::not_believed(Call* call) {
  const bool internal = call->phase == Call::Phase::kInternal;
  host_->end_backend(call->backend->plan.backend);
  drop_backend(call->backend);
  host_->changed();
  if (internal) return; /* next() says so, as of one that has died */
  answer(call, CKR_DEVICE_REMOVED);
}

/* ---- replies to the monitor's own calls ---- */

void SessionMonitor::replied_internal(Call* call) {
  CK_RV rv = static_cast<CK_RV>(call->reply.rec.rv);
  Backend* backend = call->backend;
  Call::Internal what = call->internal;
  call->internal = Call::Internal::kNone;
  call->phase = Call::Phase::kReady;
  release_lock(call);
  switch (what) {
    case Call::Internal::kInitialize:
      backend->initializing = nullptr;
      backend->initialized = rv == CKR_OK || rv == CKR_CRYPTOKI_ALREADY_INITIALIZED;
      if (!backend->initialized) {
        backend->failures++;
        backend->last_error = kSpawnFailed;
        host_->end_backend(backend->plan.backend);
        drop_backend(backend);
      }
      host_->changed();
      break;
    case Call::Internal::kListForToken:
      call->slots.clear();
      call->next_index = 0;
      call->listed = true;
      if (rv == CKR_OK && !read_slots(call->reply, &call->slots)) call->slots.clear();
      break;
    case Call::Internal::kTokenInfo: {
      CK_TOKEN_INFO info;
      Layer* layer = call->layer;
      const bool found = rv == CKR_OK && read_token_info(call->reply, &info) &&
                         is_wanted(info, layer->plan.at_backend);
      if (found) {
        layer->located = true;
        layer->real_slot = call->slots[call->next_index];
        layer->locating = nullptr;
        host_->changed();
      } else {
        call->next_index++;
      }
      break;
    }
    case Call::Internal::kListForClient: {
      std::vector<uint64_t> slots;
      Token* token = &tokens_[call->next_index];
      if (rv == CKR_OK) (void)read_slots(call->reply, &slots);
      for (uint64_t real : slots) {
        std::optional<uint64_t> slot = transparent_slot(token, real);
        if (slot && call->slots.size() < limits::kHandleList) call->slots.push_back(*slot);
      }
      call->next_index++;
      break;
    }
    case Call::Internal::kBirth:
      replied_birth(call);
      break;
    case Call::Internal::kTurn:
      replied_turning(call);
      break;
    default:
      replied_round(call, what, rv);
      break;
  }
}

/* ---- replies to the client's calls ---- */

bool SessionMonitor::absorb(Call* call) {
  const FunctionRow& row = *call->row;
  CallRec& rec = call->reply.rec;
  if (row.number == kC_Initialize) {
    call->backend->initializing = nullptr;
    call->backend->initialized = initialized_ = rec.rv == CKR_OK;
    if (rec.rv != CKR_OK) {
      host_->end_backend(call->backend->plan.backend);
      drop_backend(call->backend);
    }
    host_->changed();
  } else if (row.number == kC_Finalize && rec.rv == CKR_OK) {
    host_->end_backend(call->backend->plan.backend);
    drop_backend(call->backend);
    host_->changed();
    call->phase = Call::Phase::kReady;
    return true; /* the next library's turn, then the answer */
  }
  if (rec.rv == CKR_OK ? !absorb_objects(call) : !call->reply.list.empty()) return false;
  if (rec.rv == CKR_OK) absorb_state(call);
  if (call->token != nullptr && call->token->layered()) note_operation(call);
  if (rec.rv != CKR_OK) std::fill_n(rec.handles, rec.handle_count, 0); /* what they hold is real */
  if (carries_results(static_cast<CK_RV>(rec.rv)) && !rewrite(call)) return false;
  done(call);
  return true;
}

/* Handles of sessions and objects made, or listed. False when the backend gives what none asked. */
bool SessionMonitor::absorb_objects(Call* call) {
  const FunctionRow& row = *call->row;
  Message& reply = call->reply;
  if (row.number == kC_WaitForSlotEvent && call->token != nullptr) {
    std::optional<uint64_t> slot = transparent_slot(call->token, reply.rec.primary);
    reply.rec.primary = slot.value_or(0);
    return slot.has_value();
  }
  std::vector<uint32_t> made; /* flags of what a parameter gives back */
  if (row.has(ArgKind::kMechanism) && !read_made(call, &made)) return false;
  if (reply.rec.handle_count == 0 && reply.list.empty()) return true;
  if (call->token == nullptr || call->layer == nullptr) return false;
  if (row.number == kC_OpenSession) return absorb_session(call);
  if (row.has(ArgKind::kSlotList)) return absorb_slots(call);
  if (sessions_.find(call->session) == sessions_.end()) {
    answer(call, CKR_SESSION_CLOSED); /* by another thread, meanwhile */
    return true;
  }
  /* Of a search that another thread, or the monitor itself, has begun there meanwhile: what it
   * finds may be hidden from the client. */
  if (row.number == kC_FindObjects && call->token->layered()) {
    answer(call, CKR_OPERATION_NOT_INITIALIZED);
    return true;
  }
  bool room = true;
  for (uint32_t i = 0; room && i < reply.rec.handle_count; i++)
    room = absorb_made(call, call->flags >> i, &reply.rec.handles[i]);
  for (size_t i = 0; room && i < made.size(); i++)
    room = absorb_made(call, made[i], &reply.list[i]);
  if (!room) answer(call, CKR_HOST_MEMORY);
  if (!room || row.has(ArgKind::kMechanism)) return true;
  for (uint64_t& handle : reply.list) {
    handle = objects_.add({.real = handle, .scope = call->layer->id, .slot = call->slot});
    if (handle != 0) continue;
    answer(call, CKR_HOST_MEMORY);
    break;
  }
  return true;
}

bool SessionMonitor::absorb_session(Call* call) {
  uint64_t& handle = call->reply.rec.handles[0];
  if (handle == 0) return true; /* phSession was NULL */
  const size_t n = static_cast<size_t>(call->layer - call->token->layers.data());
  /* One that had this handle has been closed: its reply is still under way. */
  for (auto& [other, session] : sessions_) {
    const std::vector<Layer>& layers = session.token->layers;
    bool same = false;
    for (size_t i = 0; i < layers.size(); i++)
      same |= session.real[i] == handle && layers[i].backend == call->backend;
    if (!same) continue;
    drop_session(other);
    break;
  }
  Session session;
  session.slot = call->slot;
  session.flags = call->open_flags;
  become(&session,
         call->token->selection != nullptr ? call->token->selection->current : call->token);
  /* The last session before may have ended meanwhile, and with it whom the client acted as. */
  if (session.token == call->token)
    session.real[n] = handle;
  else
    orphan(call->token, n, handle);
  sessions_.emplace(++last_session_, std::move(session));
  handle = last_session_;
  return last_session_ < kNoSuchSession;
}

bool SessionMonitor::absorb_slots(Call* call) {
  for (uint64_t& slot : call->reply.list) {
    std::optional<uint64_t> shown = transparent_slot(call->token, slot);
    if (!shown) return false;
    slot = *shown;
  }
  return true;
}

/*
 * What the parameter's handles in the reply's list are, from the templates that the library was
 * given. False when there are more or fewer of them.
 */
bool SessionMonitor::read_made(Call* call, std::vector<uint32_t>* made) {
  arena_.clear();
  Words words;
  if (unpack_call(*call->row, call->request, &arena_, &words)) {
    const ParameterFacts facts = parameter_facts(*call->row, words);
    const uint32_t by_call = object_flags(*call->row, words);
    for (const std::optional<size_t>& own : facts.handles)
      made->push_back(own ? template_flags(facts.templates[*own]) : by_call);
  }
  arena_.clear();
  return made->size() == call->reply.list.size();
}

/* An object that the call made, with its flags as of a first one. False when the map is full. */
bool SessionMonitor::absorb_made(Call* call, uint32_t flags, uint64_t* made) {
  uint64_t& handle = *made;
  if (handle == 0) return true;
  HandleMap::Entry entry;
  entry.real = handle;
  entry.scope = call->layer->id;
  entry.slot = call->slot;
  entry.token_object = (flags & kFlagTokenObject0) != 0;
  entry.private_object = (flags & kFlagPrivateObject0) != 0;
  if (const HandleMap::Entry* original = objects_.find(call->object);
      call->row->number == kC_CopyObject && original != nullptr) {
    if ((call->flags & kFlagTokenUnknown0) != 0) entry.token_object = original->token_object;
    if ((call->flags & kFlagPrivateUnknown0) != 0) entry.private_object = original->private_object;
  }
  if (!entry.token_object) entry.session = call->session;
  /*
   * One that had this handle has ended, with its session, by a logout, or by a call whose reply is
   * still under way. Only a token object that is made twice may be the old one (NSS does so).
   */
  uint64_t known = objects_.known(entry);
  const HandleMap::Entry* old = objects_.find(known);
  bool same =
      old != nullptr && old->token_object && entry.token_object && call->backend->enders == 0;
  if (!same) objects_.remove(known);
  handle = objects_.add(entry);
  return handle != 0;
}

/* What a successful call ends. */
void SessionMonitor::absorb_state(Call* call) {
  switch (call->row->number) {
    case kC_CloseSession:
      drop_session(call->session);
      break;
    case kC_CloseAllSessions:
      drop_slot(call->slot);
      break;
    case kC_Logout:
      objects_.remove_if(
          [call](const HandleMap::Entry& e) { return e.private_object && e.slot == call->slot; });
      break;
    case kC_DestroyObject:
      objects_.remove(call->object);
      break;
    case kC_InitToken:
      for (Layer* layer : layers_)
        if (layer->backend == call->backend) layer->located = false;
      break;
    default:
      break;
  }
}

}  // namespace mp11
