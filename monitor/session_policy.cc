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
 * SessionMonitor, the part that stands above what a library would allow or tell: rules of a virtual
 * token for calls, and the few words in replies that are the virtual token's own.
 *
 * Trust: a rule is decided by the portfolio, by what the NAT map knows of a handle, and by the
 * templates themselves; by nothing that a record claims. Attributes are read here and nowhere else
 * in the monitor, in an arena that is wiped at once.
 */
#include <cstring>
#include <utility>

#include "infos.h"
#include "packing.h"
#include "session_monitor.h"

namespace mp11 {
namespace {

/* Every class that the template names: a second one does not hide the first. */
uint32_t classes_in(const CK_ATTRIBUTE* attributes, Word count) {
  uint32_t classes = 0;
  for (Word i = 0; attributes != nullptr && i < count; i++) {
    const CK_ATTRIBUTE& one = attributes[i];
    CK_ULONG value = 0;
    if (one.type != CKA_CLASS || one.pValue == nullptr) continue;
    if (one.ulValueLen != sizeof value) continue; /* no library takes it */
    std::memcpy(&value, one.pValue, sizeof value);
    classes |= class_bit(value);
  }
  return classes;
}

/* Some attribute of this type says `value`, or something that is no CK_BBOOL at all. */
bool says(const CK_ATTRIBUTE* attributes, Word count, CK_ATTRIBUTE_TYPE type, bool value) {
  for (Word i = 0; attributes != nullptr && i < count; i++) {
    const CK_ATTRIBUTE& one = attributes[i];
    if (one.type != type) continue;
    if (one.pValue == nullptr || one.ulValueLen != sizeof(CK_BBOOL)) return true;
    if ((*static_cast<const CK_BBOOL*>(one.pValue) != CK_FALSE) == value) return true;
  }
  return false;
}

/* The library took a NULL pInfo for success: it told nothing. */
bool tells_nothing(const Message& reply) {
  return reply.bytes.size() == 1 && reply.bytes.data()[0] == 0;
}

}  // namespace

/* ---- calls ---- */

/* Mechanisms of C_GenerateKey that make no key. */
bool SessionMonitor::makes_parameters(uint64_t mechanism) {
  switch (mechanism) {
    case CKM_DSA_PARAMETER_GEN:
    case CKM_DSA_PROBABILISTIC_PARAMETER_GEN:
    case CKM_DSA_SHAWE_TAYLOR_PARAMETER_GEN:
    case CKM_DH_PKCS_PARAMETER_GEN:
    case CKM_X9_42_DH_PARAMETER_GEN:
      return true;
    default:
      return false;
  }
}

/* A backend would break off over these; they cannot come from pack_call. */
bool SessionMonitor::well_formed(const Call& call) const {
  uint32_t numbers = 0;
  for (unsigned i = 0; i < call.row->arg_count; i++)
    numbers += call.row->args[i].kind == ArgKind::kNumber;
  return (call.flags & (kFlagReply | kFlagMore)) == 0 && call.request.list.empty() &&
         call.request.rec.number_count == numbers;
}

std::optional<CK_RV> SessionMonitor::refused(Call* call, const Token& token) {
  bool admin = (token.plan.flags & kTokenAdmin) != 0;
  if (!admin && (call->row->route == Route::kAdmin || call->row->route == Route::kAdminSlot))
    return CKR_FUNCTION_NOT_SUPPORTED;
  if (!admin && call->row->number == kC_Login && call->request.rec.numbers[0] == CKU_SO)
    return CKR_USER_TYPE_INVALID;
  if (call->layer == nullptr) return {};
  if (call->row->route == Route::kCreate && call->layer->plan.creates != 0) {
    const std::optional<Making> making = read_making(call);
    if (!making) return CKR_ARGUMENTS_BAD;
    if (!call->layer->takes(making->classes)) return CKR_TEMPLATE_INCONSISTENT;
  }
  if (!call->layer->read_only()) return {};
  return refused_read_only(call);
}

std::optional<CK_RV> SessionMonitor::refused_read_only(Call* call) {
  CallRec& rec = call->request.rec;
  const FunctionRow& row = *call->row;
  const HandleMap::Entry* object = rec.handle_count != 0 ? objects_.find(rec.handles[0]) : nullptr;
  bool of_token = object != nullptr && object->token_object;
  switch (row.number) {
    case kC_InitToken:
    case kC_InitPIN:
    case kC_SetPIN:
      return CKR_TOKEN_WRITE_PROTECTED;
    case kC_DestroyObject:
    case kC_SetAttributeValue:
      if (of_token) return CKR_ACTION_PROHIBITED;
      break;
    case kC_FindObjectsInit:
      return {}; /* its template asks */
    default:
      break;
  }
  if (!row.has(ArgKind::kTemplate)) return {};
  arena_.clear();
  Words words;
  bool readable = unpack_call(row, call->request, &arena_, &words);
  bool names_token = readable && names_token_object(row, words);
  if (readable) call->flags = object_flags(row, words);
  arena_.clear();
  if (!readable) return CKR_ARGUMENTS_BAD;
  bool copies_token = (call->flags & kFlagTokenUnknown0) != 0 && of_token;
  if (names_token || copies_token) return CKR_TOKEN_WRITE_PROTECTED;
  return {};
}

std::optional<SessionMonitor::Making> SessionMonitor::read_making(Call* call) {
  const FunctionRow& row = *call->row;
  Making making;
  arena_.clear();
  Words words;
  const bool readable = unpack_call(row, call->request, &arena_, &words);
  if (readable) making.on_token = names_token_object(row, words);
  auto look = [&making](const CK_ATTRIBUTE* attributes, Word count) {
    making.classes |= classes_in(attributes, count);
    making.opens_key |= says(attributes, count, CKA_EXTRACTABLE, true) ||
                        says(attributes, count, CKA_SENSITIVE, false);
  };
  for (unsigned i = 0; readable && i < row.arg_count; i++) {
    const Word* w = &words.w[row.args[i].first];
    if (row.args[i].kind == ArgKind::kMechanism && w[0] != 0)
      making.mechanism = wide(reinterpret_cast<const CK_MECHANISM*>(w[0])->mechanism);
    if (row.args[i].kind == ArgKind::kTemplate)
      look(reinterpret_cast<const CK_ATTRIBUTE*>(w[0]), w[1]);
  }
  if (readable && row.has(ArgKind::kMechanism)) {
    ParameterFacts facts = parameter_facts(row, words);
    for (const ParameterFacts::Template& one : facts.templates) look(one.attributes(), one.count());
    making.gives_octets = facts.gives_octets;
    making.named = std::move(facts.mechanisms);
  }
  arena_.clear();
  if (!readable) return {};
  /* What its template may also say, but need not (PKCS #11 3.1, 5.18.3 and 5.18.4). */
  if (row.number == kC_GenerateKeyPair) making.classes |= kCreatePublicKey | kCreatePrivateKey;
  if (making.mechanism == CKM_HKDF_DATA) making.classes |= kCreateData;
  if (row.number == kC_GenerateKey && making.mechanism)
    making.classes |=
        makes_parameters(*making.mechanism) ? kCreateDomainParameters : kCreateSecretKey;
  return making;
}

/* ---- replies ---- */

/*
 * Every instance that the backend may have serves somebody else. The token is there all the same,
 * and shown as far as the configuration knows it, so that clients find it and are told to wait by
 * C_OpenSession.
 */
SessionMonitor::Step SessionMonitor::answer_busy(Call* call) {
  Token* token = nullptr;
  std::optional<uint64_t> real;
  uint32_t function = call->row->number;
  if (function == kC_OpenSession) return answer(call, CKR_SESSION_COUNT);
  if ((function != kC_GetSlotInfo && function != kC_GetTokenInfo) ||
      !find_slot(call->request.rec.primary, &token, &real) || token->transparent())
    return answer(call, function == kC_Initialize ? CKR_GENERAL_ERROR : CKR_DEVICE_ERROR);
  PackReader in(call->request.bytes.span());
  if (!in.flag()) return answer(call, CKR_ARGUMENTS_BAD);
  Step step = answer(call, CKR_OK);
  if (function == kC_GetSlotInfo) {
    CK_SLOT_INFO info{};
    pad_text(info.slotDescription, sizeof info.slotDescription, token->plan.label);
    pad_text(info.manufacturerID, sizeof info.manufacturerID, "multip11");
    info.flags = CKF_TOKEN_PRESENT;
    write_slot_info(info, &call->reply);
    return step;
  }
  CK_TOKEN_INFO info{};
  const PortfolioToken& plan = token->plan;
  pad_text(info.label, sizeof info.label,
           plan.label[0] != '\0' ? plan.label : token->only().plan.at_backend.label);
  pad_text(info.manufacturerID, sizeof info.manufacturerID, "multip11");
  pad_text(info.model, sizeof info.model, "");
  pad_text(info.serialNumber, sizeof info.serialNumber, plan.serial);
  pad_text(info.utcTime, sizeof info.utcTime, "");
  info.flags = CKF_TOKEN_INITIALIZED | CKF_USER_PIN_INITIALIZED | CKF_LOGIN_REQUIRED;
  if (token->only().read_only()) info.flags |= CKF_WRITE_PROTECTED;
  info.ulMaxSessionCount = info.ulMaxRwSessionCount = CK_UNAVAILABLE_INFORMATION;
  info.ulSessionCount = info.ulRwSessionCount = CK_UNAVAILABLE_INFORMATION;
  info.ulMaxPinLen = CK_UNAVAILABLE_INFORMATION;
  info.ulTotalPublicMemory = info.ulFreePublicMemory = CK_UNAVAILABLE_INFORMATION;
  info.ulTotalPrivateMemory = info.ulFreePrivateMemory = CK_UNAVAILABLE_INFORMATION;
  write_token_info(info, &call->reply);
  return step;
}

/* False when the reply has not the form of the function's. */
bool SessionMonitor::rewrite(Call* call) {
  if (call->token == nullptr || tells_nothing(call->reply)) return true;
  if (call->row->number == kC_GetAttributeValue) {
    hide_changeable(call);
    blank_secrets(call);
    show_prefix_of_answer(call);
    return true;
  }
  if (call->reply.rec.rv != CKR_OK) return true;
  if (call->row->number == kC_GetTokenInfo) return rewrite_token_info(call);
  if (call->row->number == kC_GetSlotInfo && call->token->layered()) {
    CK_SLOT_INFO info;
    if (!read_slot_info(call->reply, &info)) return false;
    pad_text(info.slotDescription, sizeof info.slotDescription, call->token->plan.label);
    write_slot_info(info, &call->reply);
    return true;
  }
  if (call->row->number != kC_GetSessionInfo) return true;
  CK_SESSION_INFO info;
  if (!read_session_info(call->reply, &info)) return false;
  info.slotID = static_cast<CK_SLOT_ID>(call->slot);
  if (call->token->layered()) rewrite_session_info(*call, &info);
  write_session_info(info, &call->reply);
  return true;
}

bool SessionMonitor::rewrite_token_info(Call* call) {
  Token& token = *call->token;
  CK_TOKEN_INFO info;
  if (!read_token_info(call->reply, &info)) return false;
  if (!token.transparent() && token.plan.label[0] != '\0')
    pad_text(info.label, sizeof info.label, token.plan.label);
  if (!token.transparent() && token.plan.serial[0] != '\0')
    pad_text(info.serialNumber, sizeof info.serialNumber, token.plan.serial);
  if (token.only().read_only()) info.flags |= CKF_WRITE_PROTECTED;
  write_token_info(info, &call->reply);
  return true;
}

/* On a read-only token nothing is modifiable, copyable or destroyable that lies on it. */
void SessionMonitor::hide_changeable(Call* call) {
  if (call->layer == nullptr || !call->layer->read_only()) return;
  const HandleMap::Entry* object = objects_.find(call->object);
  if (object != nullptr && !object->token_object) return;
  arena_.clear();
  Words words;
  if (unpack_call(*call->row, call->request, &arena_, &words) &&
      unpack_reply(*call->row, call->reply, words)) {
    auto* attributes = reinterpret_cast<CK_ATTRIBUTE*>(words.w[2]);
    for (Word i = 0; attributes != nullptr && i < words.w[3]; i++) {
      CK_ATTRIBUTE_TYPE type = attributes[i].type;
      if (type != CKA_MODIFIABLE && type != CKA_COPYABLE && type != CKA_DESTROYABLE) continue;
      if (attributes[i].pValue != nullptr && attributes[i].ulValueLen == sizeof(CK_BBOOL))
        *static_cast<CK_BBOOL*>(attributes[i].pValue) = CK_FALSE;
    }
    pack_reply(*call->row, words, static_cast<CK_RV>(call->reply.rec.rv), &call->reply);
  }
  arena_.clear();
}

}  // namespace mp11
