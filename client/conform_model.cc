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
#include "conform_model.h"

#include <cstring>

#include "conform_keys.h"

namespace mp11::conform {
namespace {

/* Made octets and dead objects are forgotten beyond that many, the oldest first. */
constexpr size_t kMostMade = 40;

/* The imported object that a template describes, by its first own attribute; -1 for none. */
int material_of(const std::vector<Attribute>& list) {
  const uint64_t object_class = ulong_of(list, CKA_CLASS, CKO_DATA);
  for (size_t i = 0; i < materials().size(); i++) {
    const Material& m = materials()[i];
    if (m.object_class != object_class) continue;
    const MaterialAttribute& last = m.attributes.back();
    for (const Attribute& a : list)
      if (a.type == last.type && a.value.data == from_hex(last.hex)) return static_cast<int>(i);
  }
  return -1;
}

bool ends_operation(uint32_t function) {
  switch (function) {
    case kC_Encrypt:
    case kC_EncryptFinal:
    case kC_Decrypt:
    case kC_DecryptFinal:
    case kC_Digest:
    case kC_DigestFinal:
    case kC_Sign:
    case kC_SignFinal:
    case kC_SignRecover:
    case kC_Verify:
    case kC_VerifyFinal:
    case kC_VerifyRecover:
    case kC_FindObjectsFinal:
      return true;
    default:
      return false;
  }
}

}  // namespace

uint64_t ulong_of(const std::vector<Attribute>& list, uint64_t type, uint64_t otherwise) {
  for (const Attribute& a : list) {
    if (a.type != type || a.value.data.size() != sizeof(CK_ULONG)) continue;
    CK_ULONG value;
    memcpy(&value, a.value.data.data(), sizeof value);
    return value;
  }
  return otherwise;
}

bool begins_operation(const FunctionRow& row) {
  return row.operation != Operation::kOpNone &&
         (row.has(ArgKind::kMechanism) || row.number == kC_FindObjectsInit);
}

std::vector<const Session*> Model::open_sessions() const {
  std::vector<const Session*> open;
  for (const Session& s : sessions)
    if (s.open) open.push_back(&s);
  return open;
}

Session* Model::session(Var var) {
  for (Session& s : sessions)
    if (s.var == var) return &s;
  return nullptr;
}
Object* Model::object(Var var) {
  for (Object& o : objects)
    if (o.var == var) return &o;
  return nullptr;
}

void Model::close_all() {
  for (Session& s : sessions) s.open = false;
  for (Object& o : objects) o.alive = false;
  logged_in = false;
}

void Model::learn_session(const FunctionRow& row, const Call& call) {
  switch (row.number) {
    case kC_OpenSession:
      if (Session* known = session(call.binds)) known->open = false, known->var = 0;
      sessions.push_back(
          {call.binds, true, (call.args[1].number & CKF_RW_SESSION) != 0, call.thread, {}});
      break;
    case kC_CloseSession:
      if (Session* s = session(call.args[0].ref.var)) s->open = false;
      for (Object& o : objects)
        if (o.session == call.args[0].ref.var) o.alive = false;
      if (open_sessions().empty()) close_all();
      break;
    case kC_CloseAllSessions:
      close_all();
      break;
    case kC_Initialize:
      initialized = true;
      break;
    case kC_Finalize:
      initialized = false;
      made.clear();
      close_all();
      break;
    case kC_Login:
      logged_in = true;
      break;
    case kC_Logout:
      logged_in = false;
      break;
    case kC_SetPIN:
      /* Which of the two it was is seen by the old one. */
      if (call.args[2].octets.kind == Octets::Kind::kLiteral) {
        const Bytes& old_pin = call.args[1].octets.data;
        const Bytes& new_pin = call.args[2].octets.data;
        std::string& pin =
            std::string(old_pin.begin(), old_pin.end()) == so_pin ? so_pin : user_pin;
        pin.assign(new_pin.begin(), new_pin.end());
      }
      break;
    case kC_InitPIN:
      user_pin.assign(call.args[1].octets.data.begin(), call.args[1].octets.data.end());
      break;
    default:
      break;
  }
}

void Model::learn_object(const FunctionRow& row, const Call& call) {
  if (row.number == kC_DestroyObject) {
    if (Object* o = object(call.args[1].ref.var)) o->alive = false;
    return;
  }
  if (call.binds == 0 || !row.has(ArgKind::kHandleOut)) return;
  const Var by = call.args[0].ref.var;
  std::vector<const Arg*> templates;
  for (unsigned i = 0; i < row.arg_count; i++)
    if (row.args[i].kind == ArgKind::kTemplate) templates.push_back(&call.args[i]);
  if (row.number == kC_CopyObject) {
    Object copy;
    if (const Object* from = object(call.args[1].ref.var)) copy = *from;
    copy.var = call.binds;
    copy.alive = true;
    copy.session = by;
    objects.push_back(copy);
    return;
  }
  for (size_t i = 0; i < templates.size(); i++) {
    const std::vector<Attribute>& list = templates[i]->attributes;
    uint64_t otherwise = CKO_SECRET_KEY;
    if (row.number == kC_GenerateKeyPair) otherwise = i == 0 ? CKO_PUBLIC_KEY : CKO_PRIVATE_KEY;
    if (Object* known = object(call.binds + i)) known->alive = false, known->var = 0;
    objects.push_back({call.binds + i, true, ulong_of(list, CKA_CLASS, otherwise),
                       ulong_of(list, CKA_KEY_TYPE, CKK_GENERIC_SECRET), material_of(list), by});
  }
}

void Model::learn_made(const FunctionRow& row, const Call& call, const Reply& reply,
                       const Running& running) {
  if (row.number != kC_Encrypt && row.number != kC_Sign && row.number != kC_SignRecover) return;
  if (call.output == 0 || reply.outs.size() < 3 || reply.outs[2].data.empty()) return;
  if (running.made != 0) return;
  Made made_now;
  made_now.operation = row.operation;
  made_now.mechanism = running.mechanism;
  made_now.key = running.key;
  made_now.material = running.material;
  made_now.input = call.args[1].octets;
  made_now.output = call.output;
  if (running.material >= 0) made_now.octets = reply.outs[2].data;
  made.push_back(made_now);
}

void Model::learn_wrapped(const Call& call, const Reply& reply) {
  if (call.output == 0 || call.args[1].null || reply.outs[4].data.empty()) return;
  Made made_now;
  made_now.mechanism = call.args[1].mechanism;
  made_now.key = call.args[2].ref.var;
  made_now.output = call.output;
  const Object* key = object(made_now.key);
  const Object* wrapped = object(call.args[3].ref.var);
  if (key == nullptr || wrapped == nullptr) return;
  made_now.material = key->material;
  made_now.wrapped_class = wrapped->object_class;
  made_now.wrapped_type = wrapped->key_type;
  if (key->material >= 0 && wrapped->material >= 0) made_now.octets = reply.outs[4].data;
  made.push_back(made_now);
}

void Model::learn_operation(const FunctionRow& row, const Call& call, const Reply& reply) {
  if (row.number == kC_WrapKey && reply.rv == CKR_OK) learn_wrapped(call, reply);
  if (row.operation == Operation::kOpNone || row.operation == Operation::kOpDual) return;
  Session* s = session(call.args[0].ref.var);
  if (s == nullptr) return;
  if (begins_operation(row)) {
    if (reply.rv != CKR_OK) return;
    Running& running = s->running[row.operation] = {};
    if (row.number == kC_FindObjectsInit) return;
    running.mechanism = call.args[1].mechanism;
    running.key = call.args.size() > 2 ? call.args[2].ref.var : 0;
    if (const Object* key = object(running.key)) running.material = key->material;
    return;
  }
  auto it = s->running.find(row.operation);
  if (it == s->running.end()) return;
  Running& running = it->second;
  bool query = reply.rv == CKR_BUFFER_TOO_SMALL;
  for (unsigned i = 0; i < row.arg_count && i < reply.outs.size(); i++) {
    if (row.args[i].kind != ArgKind::kBytesOut) continue;
    query |= reply.rv == CKR_OK && call.args[i].null && !call.args[i].null_length;
    if (query) running.needed = reply.outs[i].length;
  }
  if (query) return;
  if (reply.rv == CKR_OK) learn_made(row, call, reply, running);
  if (reply.rv != CKR_OK || ends_operation(row.number)) s->running.erase(it);
}

void Model::learn(const Call& call, const Reply& reply) {
  const FunctionRow* row = function_row(call.function);
  if (row == nullptr) return;
  learn_operation(*row, call, reply);
  if (reply.rv == CKR_OK) {
    learn_session(*row, call);
    learn_object(*row, call);
    if (row->number == kC_GetSlotList && !call.args[1].null) slots = reply.outs[1].numbers;
  }
  while (made.size() > kMostMade) made.erase(made.begin());
  std::erase_if(objects, [](const Object& o) { return o.var == 0; });
  std::erase_if(sessions, [](const Session& s) { return s.var == 0; });
}

}  // namespace mp11::conform
