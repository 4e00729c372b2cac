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
#include "conform_generate.h"

#include <algorithm>

#include "conform_keys.h"

namespace mp11::conform {
namespace {

/* How often which function is begun with, beside operations that go on. */
struct Weight {
  uint32_t function;
  unsigned weight;
};
constexpr Weight kWeights[] = {
    {kC_CreateObject, 50},
    {kC_CopyObject, 15},
    {kC_DestroyObject, 25},
    {kC_GetObjectSize, 8},
    {kC_GetAttributeValue, 90},
    {kC_SetAttributeValue, 20},

    {kC_EncryptInit, 60},
    {kC_DecryptInit, 60},
    {kC_DigestInit, 40},
    {kC_SignInit, 60},
    {kC_VerifyInit, 60},
    {kC_SignRecoverInit, 8},
    {kC_VerifyRecoverInit, 8},
    {kC_Encrypt, 2},
    {kC_EncryptUpdate, 2},
    {kC_EncryptFinal, 2},
    {kC_Decrypt, 2},
    {kC_DecryptUpdate, 2},
    {kC_DecryptFinal, 2},
    {kC_Digest, 2},
    {kC_DigestUpdate, 2},
    {kC_DigestKey, 2},
    {kC_DigestFinal, 2},
    {kC_Sign, 2},
    {kC_SignUpdate, 2},
    {kC_SignFinal, 2},
    {kC_SignRecover, 2},
    {kC_Verify, 2},
    {kC_VerifyUpdate, 2},
    {kC_VerifyFinal, 2},
    {kC_VerifyRecover, 2},
    {kC_DigestEncryptUpdate, 2},
    {kC_DecryptDigestUpdate, 2},
    {kC_SignEncryptUpdate, 2},
    {kC_DecryptVerifyUpdate, 2},
    {kC_GenerateKey, 12},
    {kC_GenerateKeyPair, 6},
    {kC_WrapKey, 25},
    {kC_UnwrapKey, 25},
    {kC_DeriveKey, 25},
    {kC_SeedRandom, 5},
    {kC_GenerateRandom, 12},
    {kC_GetOperationState, 6},
    {kC_SetOperationState, 6},
};
/* Those that are no matter of one session alone. */
constexpr Weight kShared[] = {
    {kC_FindObjectsInit, 25},
    {kC_FindObjects, 4},
    {kC_FindObjectsFinal, 4},
    {kC_OpenSession, 15},
    {kC_CloseSession, 10},
    {kC_CloseAllSessions, 1},
    {kC_GetSessionInfo, 15},
    {kC_Login, 6},
    {kC_Logout, 3},
    {kC_InitPIN, 2},
    {kC_SetPIN, 3},
    {kC_InitToken, 1},
    {kC_GetInfo, 4},
    {kC_GetFunctionList, 2},
    {kC_GetSlotList, 6},
    {kC_GetSlotInfo, 4},
    {kC_GetTokenInfo, 6},
    {kC_GetMechanismList, 5},
    {kC_GetMechanismInfo, 8},
    {kC_WaitForSlotEvent, 2},
    {kC_Finalize, 1},
    {kC_Initialize, 1},
    {kC_GetFunctionStatus, 2},
    {kC_CancelFunction, 2},
    {kFork, 1},
};

constexpr unsigned kMostSessions = 10;
constexpr size_t kMostObjects = 50;
constexpr size_t kBlockCalls = 30;
/* Variables that a list of handles or slots may need. */
constexpr Var kListVars = 256;

uint64_t mechanism_flag(uint32_t function) {
  switch (function) {
    case kC_EncryptInit:
      return CKF_ENCRYPT;
    case kC_DecryptInit:
      return CKF_DECRYPT;
    case kC_DigestInit:
      return CKF_DIGEST;
    case kC_SignInit:
      return CKF_SIGN;
    case kC_SignRecoverInit:
      return CKF_SIGN_RECOVER;
    case kC_VerifyInit:
      return CKF_VERIFY;
    case kC_VerifyRecoverInit:
      return CKF_VERIFY_RECOVER;
    case kC_GenerateKey:
      return CKF_GENERATE;
    case kC_GenerateKeyPair:
      return CKF_GENERATE_KEY_PAIR;
    case kC_WrapKey:
      return CKF_WRAP;
    case kC_UnwrapKey:
      return CKF_UNWRAP;
    case kC_DeriveKey:
      return CKF_DERIVE;
    default:
      return ~uint64_t{0};
  }
}

/* What an operation undoes. */
Operation undone_by(const FunctionRow& row) {
  switch (row.operation) {
    case Operation::kOpDecrypt:
      return Operation::kOpEncrypt;
    case Operation::kOpVerify:
      return Operation::kOpSign;
    case Operation::kOpVerifyRecover:
      return Operation::kOpSignRecover;
    default:
      return Operation::kOpFind; /* nothing is made by that */
  }
}

}  // namespace

Generator::Generator(const GeneratorConfig& config, const TokenFacts& facts,
                     const Comparer& comparer)
    : config_(config), facts_(facts), comparer_(comparer), random_(config.seed) {
  model_.user_pin = config.user_pin;
  model_.so_pin = config.so_pin;
  if (config_.threads > 2 && random_.percent(30)) blocks_left_ = config_.threads - 1;
  prepare();
}

/* ---- from call to call ---- */

void Generator::prepare() {
  Call initialize = call_of(kC_Initialize);
  if (blocks_left_ > 0) {
    /* Without locks of any kind, threads must not call at the same time (2.40, 5.4). */
    initialize.args[0].null = false;
    initialize.args[0].number = 1 + random_.below(3);
  }
  planned_.push_back(initialize);
  Call list = call_of(kC_GetSlotList);
  list.args[0].number = CK_FALSE;
  list.args[1] = Arg{};
  list.args[1].room = kListVars;
  number_results(&list);
  target_ = list.binds + facts_.target;
  planned_.push_back(list);
  Var session = 0;
  for (uint64_t i = 0; i < 2 + random_.below(2); i++) {
    Call open = call_of(kC_OpenSession);
    open.args[0].ref.var = target_;
    open.args[1].number = CKF_SERIAL_SESSION | (i == 1 ? 0 : CKF_RW_SESSION);
    open.args[3].null = false;
    number_results(&open);
    if (session == 0) session = open.binds;
    planned_.push_back(open);
  }
  if (config_.user_pin.empty() || random_.one_in(10)) return;
  Call login = call_of(kC_Login);
  login.args[0].ref.var = session;
  login.args[1].number = CKU_USER;
  login.args[2].octets = pin(model_.user_pin);
  planned_.push_back(login);
}

Call Generator::next() {
  Call call;
  if (!planned_.empty()) {
    call = planned_.front();
    planned_.pop_front();
  } else if (block_calls_ == 0 && blocks_left_ > 0 && model_.initialized) {
    plan_threads();
    return next();
  } else {
    call = choose();
    if (random_.percent(12)) spoil(&call);
    if (config_.threads > 1 && block_calls_ == 0 && random_.percent(25))
      call.thread = static_cast<uint32_t>(random_.below(config_.threads));
    protect(&call);
    mark_dead(&call);
    number_results(&call);
  }
  if (block_calls_ != 0) record_block(call);
  return call;
}

void Generator::learn(const Call& call, const Reply& reply) {
  model_.learn(call, reply);
  const FunctionRow* row = function_row(call.function);
  if (row == nullptr) return;
  if (pending_made_ != 0 && begins_operation(*row) && reply.rv == CKR_OK)
    if (Session* s = model_.session(call.args[0].ref.var))
      s->running[row->operation].made = pending_made_;
  pending_made_ = 0;
  if (row->number == kC_InitToken && reply.rv == CKR_OK)
    new_token_ |= call.args[0].ref.var != target_;
  if (row->number == kC_Finalize && reply.rv == CKR_OK) {
    planned_.clear();
    /* Now and then, what comes is called on a module that is not initialised. */
    if (!random_.one_in(8)) prepare();
  }
}

void Generator::forget(const Call& call) {
  const FunctionRow* row = function_row(call.function);
  /* Else the same would be tried again and again. */
  if (row != nullptr && row->has(ArgKind::kSession))
    if (Session* s = model_.session(call.args[0].ref.var)) s->running.erase(row->operation);
  pending_made_ = 0;
  if (block_calls_ != 0 && !blocks_.empty() && !blocks_.back().empty()) blocks_.back().pop_back();
}

/*
 * Calls of one session, made once in turn so that the model can follow, and then again by several
 * threads at the same time, each with a session and objects of its own.
 */
void Generator::plan_threads() {
  blocks_left_--;
  block_calls_ = kBlockCalls;
  blocks_.emplace_back();
  Call open = call_of(kC_OpenSession);
  open.args[0].ref.var = target_;
  open.args[1].number = CKF_SERIAL_SESSION | CKF_RW_SESSION;
  open.args[3].null = false;
  number_results(&open);
  block_session_ = open.binds;
  planned_.push_back(open);
  for (int i = 0; i < 3; i++) {
    Call create = call_of(kC_CreateObject);
    create.args[1].attributes = material_template(random_.below(materials().size()));
    create.args[2].null = false;
    protect(&create);
    number_results(&create);
    planned_.push_back(create);
  }
}

void Generator::record_block(const Call& call) {
  blocks_.back().push_back(call);
  blocks_.back().back().thread = 0;
  if (--block_calls_ > 1) return;
  if (block_calls_ == 1) {
    Call close = call_of(kC_CloseSession);
    close.args[0].ref.var = block_session_;
    planned_ = {close};
    return;
  }
  block_session_ = 0;
  if (blocks_left_ > 0) return;
  Call together;
  together.function = kThreads;
  together.threads = std::move(blocks_);
  blocks_.clear();
  planned_ = {together};
}

/* ---- one call ---- */

uint32_t Generator::choose_function() {
  unsigned own = 0, shared = 0;
  for (const Weight& w : kWeights) own += w.weight;
  if (block_calls_ == 0)
    for (const Weight& w : kShared) shared += w.weight;
  uint64_t at = random_.below(own + shared);
  for (const Weight& w : kWeights) {
    const bool dual = kFunctionTable[w.function].operation == Operation::kOpDual;
    if (at < w.weight) return dual && !config_.duals ? uint32_t{kC_GetSessionInfo} : w.function;
    at -= w.weight;
  }
  for (const Weight& w : kShared) {
    if (at < w.weight) return w.function;
    at -= w.weight;
  }
  return kC_GetInfo;
}

Call Generator::choose() {
  if (!model_.initialized && random_.percent(60)) return call_of(kC_Initialize);
  std::vector<std::pair<Session*, Operation>> running;
  for (Session& s : model_.sessions) {
    if (!s.open || (block_calls_ != 0 && s.var != block_session_)) continue;
    for (const auto& [operation, ignored] : s.running) running.emplace_back(&s, operation);
  }
  if (!running.empty() && random_.percent(60)) {
    auto [session, operation] = random_.pick(running);
    Call call;
    continue_operation(&call, session, operation);
    return call;
  }
  uint32_t function = choose_function();
  if (function == kFork) {
    if (!config_.forks) return call_of(kC_GetInfo);
    Call call;
    call.function = kFork;
    call.args.resize(1);
    call.args[0].number = random_.below(3);
    return call;
  }
  size_t alive = 0;
  for (const Object& o : model_.objects) alive += o.alive;
  const size_t open = model_.open_sessions().size();
  if (function == kC_CreateObject && alive > kMostObjects) function = kC_DestroyObject;
  if (function == kC_OpenSession && open > kMostSessions) function = kC_CloseSession;
  if (function == kC_CloseSession && open < 2) function = kC_OpenSession;
  if (function == kC_DestroyObject && alive < 4) function = kC_CreateObject;
  Call call = call_of(function);
  improve(&call);
  return call;
}

/* Any arguments that fit the prototype. */
Arg Generator::argument(const ArgSpec& spec, const FunctionRow& row) {
  Arg arg;
  switch (spec.kind) {
    case ArgKind::kSession:
      arg.ref.var = pick_session();
      break;
    case ArgKind::kSlot:
      arg.ref.var =
          model_.slots.empty() || random_.percent(80) ? target_ : random_.pick(model_.slots);
      break;
    case ArgKind::kHandle:
      arg.ref.var = pick_object();
      break;
    case ArgKind::kBytes:
      arg.octets = data(70000);
      break;
    case ArgKind::kPin:
      arg.octets = pin(model_.user_pin);
      break;
    case ArgKind::kBytesOut:
    case ArgKind::kFillOut:
      arg.room = random_.percent(85) ? 80000 : random_.below(64);
      if (spec.kind == ArgKind::kFillOut) arg.room = random_.below(2000);
      arg.null = spec.kind == ArgKind::kBytesOut && random_.one_in(8);
      break;
    case ArgKind::kSlotList:
    case ArgKind::kNumberList:
      arg.null = random_.one_in(3);
      arg.room = random_.percent(60) ? kListVars : random_.below(100);
      break;
    case ArgKind::kHandleList:
      arg.room = random_.percent(50) ? 100 : random_.below(5);
      break;
    case ArgKind::kMechanism:
      if (const MechanismFacts* m = pick_mechanism(mechanism_flag(row.number)))
        arg.mechanism = mechanism(m->type);
      break;
    case ArgKind::kTemplate:
      arg.attributes = object_template();
      break;
    case ArgKind::kTemplateInOut:
      arg.attributes = query_template(nullptr);
      break;
    case ArgKind::kLabel:
      arg.octets = literal(Bytes(32, ' '));
      break;
    case ArgKind::kNotify:
      arg.null = random_.percent(80);
      break;
    case ArgKind::kReserved:
      arg.null = true;
      break;
    case ArgKind::kInitArgs: {
      constexpr uint64_t kVariants[] = {1, 1, 1, 3, 2, 0, 17};
      arg.null = random_.percent(40);
      arg.number = random_.pick(kVariants);
      if (random_.one_in(10)) arg.number = random_.below(32);
      break;
    }
    default:
      break;
  }
  return arg;
}

Call Generator::call_of(uint32_t function) {
  Call call;
  call.function = function;
  const FunctionRow& row = kFunctionTable[function];
  for (unsigned i = 0; i < row.arg_count; i++) call.args.push_back(argument(row.args[i], row));
  return call;
}

void Generator::improve_init(Call* call, const FunctionRow& row) {
  std::vector<Arg>& args = call->args;
  const bool unwraps = row.number == kC_UnwrapKey;
  const Operation undone = unwraps ? Operation::kOpNone : undone_by(row);
  std::vector<const Made*> fitting;
  for (const Made& m : model_.made)
    if (m.operation == undone && (block_calls_ == 0 || pick_object() == m.key))
      fitting.push_back(&m);
  if (fitting.empty() || random_.percent(30)) {
    if (args.size() > 2 && row.args[2].kind == ArgKind::kHandle)
      args[2].ref.var =
          key_for(args[1].mechanism.type,
                  unwraps ? Operation::kOpDecrypt
                          : (row.number == kC_WrapKey ? Operation::kOpEncrypt : row.operation));
    return;
  }
  const Made& made = *random_.pick(fitting);
  args[1].mechanism = made.mechanism;
  args[2].ref.var = made.key;
  if (made.material >= 0) {
    /* The other half of the pair. */
    const Material& own = materials()[static_cast<size_t>(made.material)];
    for (const Object& o : model_.objects) {
      if (!o.alive || o.material < 0) continue;
      const Material& other = materials()[static_cast<size_t>(o.material)];
      if (own.object_class != CKO_SECRET_KEY && std::string(own.name) == other.name &&
          own.object_class != other.object_class)
        args[2].ref.var = o.var;
    }
  }
  if (!unwraps) {
    pending_made_ = made.output;
    return;
  }
  args[3].octets.kind = Octets::Kind::kOutput;
  args[3].octets.output = made.output;
  if (!made.octets.empty() && random_.percent(30)) args[3].octets = literal(made.octets);
  args[4].attributes = {ulong_attribute(CKA_CLASS, made.wrapped_class),
                        ulong_attribute(CKA_KEY_TYPE, made.wrapped_type),
                        bool_attribute(CKA_TOKEN, false),
                        bool_attribute(CKA_PRIVATE, model_.logged_in),
                        bool_attribute(CKA_SENSITIVE, random_.one_in(4)),
                        bool_attribute(CKA_EXTRACTABLE, true)};
}

void Generator::improve(Call* call) {
  std::vector<Arg>& args = call->args;
  const FunctionRow& row = kFunctionTable[call->function];
  switch (call->function) {
    case kC_EncryptInit:
    case kC_DecryptInit:
    case kC_SignInit:
    case kC_SignRecoverInit:
    case kC_VerifyInit:
    case kC_VerifyRecoverInit:
      improve_init(call, row);
      break;
    case kC_WrapKey:
    case kC_UnwrapKey:
      if (row.number == kC_UnwrapKey)
        args[4].attributes = new_key_template(args[1].mechanism.type, -1);
      improve_init(call, row);
      break;
    case kC_DeriveKey:
      args[2].ref.var = key_for(args[1].mechanism.type, Operation::kOpDecrypt);
      args[3].attributes = new_key_template(args[1].mechanism.type, -1);
      break;
    case kC_GenerateKey:
      args[2].attributes = new_key_template(args[1].mechanism.type, -1);
      break;
    case kC_GenerateKeyPair:
      args[2].attributes = new_key_template(args[1].mechanism.type, 0);
      args[3].attributes = new_key_template(args[1].mechanism.type, 1);
      break;
    case kC_GetAttributeValue:
      args[2].attributes = query_template(model_.object(args[1].ref.var));
      break;
    case kC_SetAttributeValue:
    case kC_CopyObject:
      args[2].attributes = change_template();
      break;
    case kC_FindObjectsInit:
      args[1].attributes = search_template();
      break;
    case kC_GetMechanismInfo:
      args[1].number = random_.percent(90) && !facts_.mechanisms.empty()
                           ? random_.pick(facts_.mechanisms).type
                           : random_.below(0x2000);
      break;
    case kC_GetSlotList:
      args[0].number = random_.below(2);
      break;
    case kC_OpenSession:
      args[1].number = CKF_SERIAL_SESSION | (random_.percent(70) ? CKF_RW_SESSION : 0);
      if (random_.one_in(12)) args[1].number = random_.below(8);
      break;
    case kC_SeedRandom:
      args[1].octets = data(100);
      break;
    case kC_Login:
      args[1].number = CKU_USER;
      if (random_.one_in(4)) args[1].number = random_.one_in(2) ? CKU_SO : random_.below(5);
      if (args[1].number == CKU_SO) args[2].octets = pin(model_.so_pin);
      break;
    case kC_SetPIN:
      if (random_.one_in(4)) args[1].octets = pin(model_.so_pin);
      args[2].octets = random_.one_in(3) ? args[1].octets : pin("87654321");
      break;
    case kC_InitPIN:
      args[1].octets = pin(random_.percent(50) ? "1234" : "43210");
      break;
    case kC_InitToken:
      args[1].octets = pin(model_.so_pin);
      break;
    case kC_SetOperationState:
      args[1].octets = data(200);
      break;
    default:
      break;
  }
}

/* ---- operations that go on ---- */

namespace {

uint32_t continuation(Operation operation, uint64_t choice) {
  switch (operation) {
    case Operation::kOpEncrypt:
      return choice < 45 ? kC_Encrypt : choice < 80 ? kC_EncryptUpdate : kC_EncryptFinal;
    case Operation::kOpDecrypt:
      return choice < 45 ? kC_Decrypt : choice < 80 ? kC_DecryptUpdate : kC_DecryptFinal;
    case Operation::kOpDigest:
      return choice < 40   ? kC_Digest
             : choice < 70 ? kC_DigestUpdate
             : choice < 80 ? kC_DigestKey
                           : kC_DigestFinal;
    case Operation::kOpSign:
      return choice < 50 ? kC_Sign : choice < 80 ? kC_SignUpdate : kC_SignFinal;
    case Operation::kOpVerify:
      return choice < 50 ? kC_Verify : choice < 80 ? kC_VerifyUpdate : kC_VerifyFinal;
    case Operation::kOpSignRecover:
      return kC_SignRecover;
    case Operation::kOpVerifyRecover:
      return kC_VerifyRecover;
    default:
      return choice < 70 ? kC_FindObjects : kC_FindObjectsFinal;
  }
}

/* A function for two operations that run together, or 0. */
uint32_t dual_of(const std::map<Operation, Running>& running) {
  auto both = [&](Operation a, Operation b) { return running.contains(a) && running.contains(b); };
  if (both(Operation::kOpDigest, Operation::kOpEncrypt)) return kC_DigestEncryptUpdate;
  if (both(Operation::kOpDecrypt, Operation::kOpDigest)) return kC_DecryptDigestUpdate;
  if (both(Operation::kOpSign, Operation::kOpEncrypt)) return kC_SignEncryptUpdate;
  if (both(Operation::kOpDecrypt, Operation::kOpVerify)) return kC_DecryptVerifyUpdate;
  return 0;
}

}  // namespace

void Generator::continue_operation(Call* call, Session* session, Operation operation) {
  const Running& running = session->running[operation];
  uint32_t function = continuation(operation, random_.below(100));
  const Made* made = nullptr;
  for (const Made& m : model_.made)
    if (m.output == running.made && running.made != 0) made = &m;
  if (made != nullptr && random_.percent(85)) function = continuation(operation, 0);
  const uint32_t dual = dual_of(session->running);
  if (dual != 0 && config_.duals && made == nullptr && random_.percent(30)) function = dual;
  *call = call_of(function);
  const FunctionRow& row = kFunctionTable[function];
  call->args[0].ref.var = session->var;
  for (unsigned i = 0; i < row.arg_count; i++) {
    Arg& arg = call->args[i];
    if (row.args[i].kind == ArgKind::kBytes) arg.octets = data_for(running, operation);
    if (row.args[i].kind == ArgKind::kBytesOut) {
      arg.null = random_.one_in(10);
      arg.room = room_for(running.needed);
      if (running.needed > 4000 && running.needed < (1u << 20) && random_.percent(80))
        arg.room = running.needed;
    }
  }
  if (made == nullptr ||
      (function != kC_Decrypt && function != kC_Verify && function != kC_VerifyRecover))
    return;
  Octets given;
  given.kind = Octets::Kind::kOutput;
  given.output = made->output;
  if (!made->octets.empty() && random_.percent(40)) given = literal(made->octets);
  if (function == kC_Verify) {
    call->args[1].octets = made->input;
    call->args[2].octets = given;
    if (!made->octets.empty() && random_.one_in(8)) {
      Bytes wrong = made->octets;
      wrong[random_.below(wrong.size())] ^= 1;
      call->args[2].octets = literal(wrong);
    }
  } else {
    call->args[1].octets = given;
  }
}

/* ---- before a call is made ---- */

/*
 * Without --destructive, nothing reaches the token that outlives the session; nor do threads that
 * run at the same time make what the others see.
 */
void Generator::protect(Call* call) const {
  const FunctionRow* row = function_row(call->function);
  if (row == nullptr) return;
  if (row->number == kC_WaitForSlotEvent) call->args[0].number |= CKF_DONT_BLOCK;
  if (row->number == kC_Finalize && new_token_) call->args[0].null = false; /* refused */
  if (config_.destructive && block_calls_ == 0) return;
  for (Arg& arg : call->args)
    for (Attribute& a : arg.attributes)
      if (a.type == CKA_TOKEN && row->number != kC_FindObjectsInit &&
          row->number != kC_GetAttributeValue)
        a = bool_attribute(CKA_TOKEN, false);
  const bool pins =
      row->number == kC_InitToken || row->number == kC_InitPIN || row->number == kC_SetPIN;
  const bool login =
      row->number == kC_Login && (call->args[1].number != CKU_USER || model_.user_pin.empty());
  if (!pins && !login) return;
  *call = Call{};
  call->function = kC_GetInfo;
  call->args.resize(1);
}

/* A handle that is dead here may be alive again there. */
void Generator::mark_dead(Call* call) {
  const FunctionRow* row = function_row(call->function);
  for (unsigned i = 0; row != nullptr && i < row->arg_count; i++) {
    const Var var = call->args[i].ref.var;
    const Session* session = model_.session(var);
    const Object* object = model_.object(var);
    if (row->args[i].kind == ArgKind::kSession)
      call->probe |= var != 0 && (session == nullptr || !session->open);
    if (row->args[i].kind == ArgKind::kHandle)
      call->probe |= var != 0 && (object == nullptr || !object->alive);
  }
}

void Generator::number_results(Call* call) {
  const FunctionRow* row = function_row(call->function);
  if (row == nullptr) return;
  auto take = [&](Var count) {
    const Var first = last_var_ + 1;
    last_var_ += count;
    return first;
  };
  if (row->has(ArgKind::kHandleOut) || row->has(ArgKind::kSessionOut)) call->binds = take(2);
  if (row->has(ArgKind::kSlotList) || row->has(ArgKind::kHandleList) || row->has(ArgKind::kSlotOut))
    call->binds = take(kListVars);
  if (row->has(ArgKind::kBytesOut) || row->has(ArgKind::kFillOut)) call->output = take(1);
}

}  // namespace mp11::conform
