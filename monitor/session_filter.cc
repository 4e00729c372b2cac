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
 * SessionMonitor, filters of layers: what is refused before it is sent, what is written into a
 * template, and which of the objects that a layer has are found.
 *
 * Trust: the monitor reads templates itself, in an arena that is wiped at once; what a record says
 * of itself decides nothing. What a library says of an object's class, label and id decides what is
 * shown of that library, and of nothing else. An object that is not shown never gets a handle, so
 * no call can name it.
 */
#include <cstring>
#include <utility>

#include "session_monitor.h"

namespace mp11 {
namespace {

using Step = SessionMonitor::Step;

/* Longer labels and ids are cut off by no filter: they count as not known. */
constexpr size_t kFactOctets = 1024;

constexpr CK_ATTRIBUTE_TYPE kSecrets[] = {
    CKA_VALUE,      CKA_PRIVATE_EXPONENT, CKA_PRIME_1,     CKA_PRIME_2,
    CKA_EXPONENT_1, CKA_EXPONENT_2,       CKA_COEFFICIENT, CKA_SEED,
};
/* Classes of which these attributes are no secret. */
constexpr uint32_t kOpenClasses =
    kCreateData | kCreateCertificate | kCreatePublicKey | kCreateDomainParameters;

bool is_secret(CK_ATTRIBUTE_TYPE type) {
  for (CK_ATTRIBUTE_TYPE secret : kSecrets)
    if (type == secret) return true;
  return false;
}

const CK_ATTRIBUTE* find_attribute(const Word* t, CK_ATTRIBUTE_TYPE type) {
  auto* attributes = reinterpret_cast<const CK_ATTRIBUTE*>(t[0]);
  for (Word i = 0; attributes != nullptr && i < t[1]; i++)
    if (attributes[i].type == type) return &attributes[i];
  return nullptr;
}

/* The words of the last template: of a key pair that is the private key's. */
Word* last_template(const FunctionRow& row, Words* words) {
  for (unsigned i = row.arg_count; i > 0; i--)
    if (row.args[i - 1].kind == ArgKind::kTemplate) return &words->w[row.args[i - 1].first];
  return nullptr;
}

std::optional<std::string> octets_of(const CK_ATTRIBUTE& attribute, CK_RV rv) {
  if (attribute.ulValueLen == CK_UNAVAILABLE_INFORMATION)
    return rv == CKR_BUFFER_TOO_SMALL ? std::nullopt : std::optional<std::string>("");
  if (attribute.ulValueLen > kFactOctets) return {};
  return std::string(static_cast<const char*>(attribute.pValue), attribute.ulValueLen);
}

std::optional<std::string> hex_of(const std::optional<std::string>& octets) {
  if (!octets) return {};
  std::string hex;
  for (char one : *octets) {
    const unsigned octet = static_cast<uint8_t>(one);
    hex.push_back("0123456789abcdef"[octet >> 4]);
    hex.push_back("0123456789abcdef"[octet & 15]);
  }
  return hex;
}

std::optional<uint64_t> class_in(const CK_ATTRIBUTE& attribute) {
  CK_ULONG value = 0;
  if (attribute.ulValueLen != sizeof value) return {};
  std::memcpy(&value, attribute.pValue, sizeof value);
  return value;
}

uint32_t class_of(const CK_ATTRIBUTE& attribute) {
  const std::optional<uint64_t> value = class_in(attribute);
  return value ? class_bit(*value) : 0;
}

}  // namespace

/* ---- calls ---- */

/* What speaks against a call that is about to go to the filter's layer. */
std::optional<SessionMonitor::Objection> SessionMonitor::objection(Call* call,
                                                                   const LayerFilter& filter) {
  const FunctionRow& row = *call->row;
  if (!filter.takes_function(row.number))
    return Objection{CKR_FUNCTION_NOT_SUPPORTED, "the function"};
  if (filter.chooses_mechanisms()) {
    /* A state may be of any operation. */
    if (row.number == kC_GetOperationState) return Objection{CKR_STATE_UNSAVEABLE, "saved states"};
    if (row.number == kC_SetOperationState)
      return Objection{CKR_SAVED_STATE_INVALID, "saved states"};
  }
  if (!row.has(ArgKind::kMechanism) && !row.has(ArgKind::kTemplate)) return {};
  const std::optional<Making> making = read_making(call);
  if (!making) return Objection{CKR_ARGUMENTS_BAD, "arguments that cannot be read"};
  for (CK_MECHANISM_TYPE type : making->named)
    if (!filter.takes_mechanism(wide(type)))
      return Objection{CKR_MECHANISM_INVALID, "the mechanism"};
  if (!filter.keeps_keys()) return {};
  if (row.number == kC_WrapKey || row.number == kC_WrapKeyAuthenticated)
    return Objection{CKR_KEY_UNEXTRACTABLE, "the export of a key"};
  if (making->opens_key && row.number != kC_FindObjectsInit)
    return Objection{CKR_TEMPLATE_INCONSISTENT, "a key that could be exported"};
  if (row.number == kC_DeriveKey && (making->classes & kCreateData) != 0)
    return Objection{CKR_TEMPLATE_INCONSISTENT, "key material as data"};
  if (making->gives_octets) return Objection{CKR_MECHANISM_INVALID, "key material as octets"};
  return {};
}

/* False in audit mode: then it was only told. A call is told of once, however often it asks. */
bool SessionMonitor::tell_filtered(Call* call, const Layer& layer, const char* why) {
  const bool audit = layer.filter->audits();
  const size_t n = static_cast<size_t>(&layer - call->token->layers.data()) + 1;
  if (!std::exchange(call->round->told, true))
    host_->filtered({call->token->plan.label, n, call->row->name, why, audit});
  return !audit;
}

std::optional<CK_RV> SessionMonitor::refused_by_filter(Call* call, Layer* layer) {
  if (!layer->filter) return {};
  if (const std::optional<Objection> against = objection(call, *layer->filter)) {
    if (tell_filtered(call, *layer, against->why)) return against->rv;
    return {};
  }
  if (!layer->filter->keeps_keys() || layer->filter->audits()) return {};
  const CK_RV rv = keep_made_keys(call);
  return rv != CKR_OK ? std::optional<CK_RV>(rv) : std::nullopt;
}

/*
 * Writes CKA_SENSITIVE and CKA_EXTRACTABLE into the template of a key that is made. A copy has them
 * from its original, and can only gain them (PKCS #11 3.1, 4.9 and 4.10).
 */
CK_RV SessionMonitor::keep_made_keys(Call* call) {
  const FunctionRow& row = *call->row;
  if (!row.has(ArgKind::kTemplate) || !row.has(ArgKind::kHandleOut) || row.number == kC_CopyObject)
    return CKR_OK;
  const std::optional<Making> making = read_making(call);
  if (!making) return CKR_ARGUMENTS_BAD;
  const bool key = (making->classes & (kCreatePrivateKey | kCreateSecretKey)) != 0;
  if (row.number == kC_CreateObject && !key) return CKR_OK;
  if (row.number == kC_GenerateKey && making->mechanism && makes_parameters(*making->mechanism))
    return CKR_OK;
  arena_.clear();
  Words words;
  const bool readable = unpack_call(row, call->request, &arena_, &words);
  const CK_RV rv = readable ? keep_keys_of(row, &words, call) : CK_RV{CKR_ARGUMENTS_BAD};
  arena_.clear();
  return rv;
}

/* The same, of words in arena_: of the call's own key, and of those that its parameter asks for. */
CK_RV SessionMonitor::keep_keys_of(const FunctionRow& row, Words* words, Call* call) {
  Word* t = last_template(row, words);
  /* A count of attributes at no address is only a number of the client's. */
  if (t == nullptr || (t[0] == 0 && t[1] != 0)) return CKR_ARGUMENTS_BAD;
  bool changed = keep_key(t);
  for (const ParameterFacts::Template& one : parameter_facts(row, *words).templates) {
    Word own[2] = {reinterpret_cast<Word>(one.attributes()), one.count()};
    if (own[0] == 0 && own[1] != 0) return CKR_ARGUMENTS_BAD;
    if (!keep_key(own)) continue;
    one.replace(reinterpret_cast<CK_ATTRIBUTE*>(own[0]), own[1]);
    changed = true;
  }
  if (!changed) return CKR_OK;
  Message message;
  const CK_RV rv = pack_call(row, *words, &message);
  if (rv != CKR_OK) return rv;
  std::swap(call->request.bytes, message.bytes);
  call->request.lent = {};
  return CKR_OK;
}

/* Writes what is lacking into a template, which then is a new one. False when nothing is. */
bool SessionMonitor::keep_key(Word t[2]) {
  const size_t count = t[1];
  auto* more = arena_.make<CK_ATTRIBUTE>(count + 2);
  auto* truth = arena_.make<CK_BBOOL>(2);
  truth[0] = CK_TRUE;
  size_t now = count;
  if (count != 0) std::memcpy(more, reinterpret_cast<const void*>(t[0]), count * sizeof *more);
  if (find_attribute(t, CKA_SENSITIVE) == nullptr) more[now++] = {CKA_SENSITIVE, &truth[0], 1};
  if (find_attribute(t, CKA_EXTRACTABLE) == nullptr) more[now++] = {CKA_EXTRACTABLE, &truth[1], 1};
  t[0] = reinterpret_cast<Word>(more);
  t[1] = now;
  return now != count;
}

void SessionMonitor::filter_mechanisms(Layer* layer) {
  if (!layer->filter || layer->filter->audits()) return;
  std::erase_if(*layer->mechanisms,
                [&](uint64_t type) { return !layer->filter->takes_mechanism(type); });
}

/* ---- objects that are found ---- */

/* Handles for those of the objects found that are shown, and that no layer above hides. */
std::optional<Step> SessionMonitor::need_facts(Call* call, Session* session) {
  Call::Round& round = *call->round;
  while (!round.unseen.empty()) {
    Layer* layer = round.unseen_in;
    const size_t n = static_cast<size_t>(layer - call->token->layers.data());
    const uint64_t real = round.unseen.front();
    if (layer->backend->epoch != round.unseen_epoch || session->real[n] == 0) {
      round.unseen.clear(); /* they are a dead library's */
      break;
    }
    round.spares = true;
    const bool may_be_not_found = may_be_hidden(session, n);
    const uint64_t known = objects_.known({.real = real, .scope = layer->id, .slot = call->slot});
    if (known != 0 && !may_be_not_found) {
      round.found.push_back(known);
      round.unseen.pop_front();
      continue;
    }
    if (may_be_not_found)
      if (auto step = need_blind_facts(call, session, n)) return step;
    call->layer = layer;
    return send_facts_query(call, session->real[n], real, Call::Internal::kObjectFacts);
  }
  return {};
}

/* Of an object of call->layer. */
Step SessionMonitor::send_facts_query(Call* call, uint64_t session, uint64_t real,
                                      Call::Internal what) {
  call->round->asked_of = real;
  arena_.clear();
  auto* query = arena_.make<CK_ATTRIBUTE>(3);
  query[0] = {CKA_CLASS, arena_.allocate_out(sizeof(CK_ULONG)), sizeof(CK_ULONG)};
  query[1] = {CKA_LABEL, arena_.allocate_out(kFactOctets), kFactOctets};
  query[2] = {CKA_ID, arena_.allocate_out(kFactOctets), kFactOctets};
  CK_ULONG narrow = 0;
  Words words;
  words.w[0] = static_cast<Word>(session);
  words.w[1] = narrow_ulong(real, &narrow) ? narrow : CK_INVALID_HANDLE;
  words.w[2] = reinterpret_cast<Word>(query);
  words.w[3] = 3;
  return send_internal(call, call->layer->backend, what, kFunctionTable[kC_GetAttributeValue],
                       words);
}

/* The words of the monitor's own C_GetAttributeValue, answered. False: there is nothing in it. */
bool SessionMonitor::read_attributes(Call* call, Words* words) {
  const FunctionRow& row = kFunctionTable[kC_GetAttributeValue];
  arena_.clear();
  return carries_results(static_cast<CK_RV>(call->reply.rec.rv)) &&
         unpack_call(row, call->internal_message, &arena_, words) &&
         unpack_reply(row, call->reply, *words);
}

std::optional<SessionMonitor::Facts> SessionMonitor::read_facts(Call* call) {
  Words words;
  std::optional<Facts> facts;
  if (read_attributes(call, &words)) {
    auto* a = reinterpret_cast<const CK_ATTRIBUTE*>(words.w[2]);
    const CK_RV rv = static_cast<CK_RV>(call->reply.rec.rv);
    facts.emplace();
    facts->object_class = class_in(a[0]);
    facts->id = octets_of(a[2], rv);
    facts->shown = {class_of(a[0]), octets_of(a[1], rv), hex_of(facts->id)};
  }
  arena_.clear();
  return facts;
}

void SessionMonitor::replied_facts(Call* call) {
  Call::Round& round = *call->round;
  Layer* layer = call->layer;
  const Facts facts = read_facts(call).value_or(Facts{});
  if (round.unseen.empty()) return;
  const uint64_t real = round.unseen.front();
  round.unseen.pop_front();
  if (is_hidden(*call, static_cast<size_t>(layer - call->token->layers.data()), facts)) return;
  uint64_t handle = objects_.known({.real = real, .scope = layer->id, .slot = call->slot});
  /* What it has a handle of, a client may find again, whatever it is called now. */
  if (handle == 0 && layer->filter && !layer->filter->shows(facts.shown)) {
    if (!layer->filter->audits()) return; /* nobody has asked for it: that is no news */
    round.told = false;                   /* but here each is */
    tell_filtered(call, *layer, "an object that is hidden");
  }
  if (handle == 0) handle = objects_.add({.real = real, .scope = layer->id, .slot = call->slot});
  if (handle == 0)
    answer(call, CKR_HOST_MEMORY);
  else
    round.found.push_back(handle);
}

/* ---- secrets of keys that are there already ---- */

/* Of what class the object is whose CKA_VALUE or the like is asked for. */
std::optional<Step> SessionMonitor::need_class(Call* call, Session* session, size_t n) {
  Layer* layer = &call->token->layers[n];
  Call::Round& round = *call->round;
  if (!layer->filter || !layer->filter->keeps_keys() || round.object_class ||
      call->row->number != kC_GetAttributeValue || call->request.rec.handle_count == 0)
    return {};
  const HandleMap::Entry* entry = objects_.find(call->request.rec.handles[0]);
  if (entry == nullptr || entry->gone || layer_of_handle(*call, call->request.rec.handles[0]) != n)
    return {}; /* it names nothing there */
  arena_.clear();
  Words words;
  bool asks = !unpack_call(*call->row, call->request, &arena_, &words);
  auto* query = reinterpret_cast<const CK_ATTRIBUTE*>(words.w[2]);
  for (Word i = 0; query != nullptr && i < words.w[3]; i++) asks |= is_secret(query[i].type);
  arena_.clear();
  if (!asks) return {};
  auto* one = arena_.make<CK_ATTRIBUTE>();
  *one = {CKA_CLASS, arena_.allocate_out(sizeof(CK_ULONG)), sizeof(CK_ULONG)};
  CK_ULONG narrow = 0;
  Words mine;
  mine.w[0] = static_cast<Word>(session->real[n]);
  mine.w[1] = narrow_ulong(entry->real, &narrow) ? narrow : CK_INVALID_HANDLE;
  mine.w[2] = reinterpret_cast<Word>(one);
  mine.w[3] = 1;
  return send_internal(call, layer->backend, Call::Internal::kObjectClass,
                       kFunctionTable[kC_GetAttributeValue], mine);
}

void SessionMonitor::replied_class(Call* call) {
  Words words;
  uint32_t of_class = 0;
  if (read_attributes(call, &words))
    of_class = class_of(*reinterpret_cast<const CK_ATTRIBUTE*>(words.w[2]));
  arena_.clear();
  call->round->object_class = of_class;
}

void SessionMonitor::blank_secrets(Call* call) {
  if (call->layer == nullptr || !call->layer->filter || call->round == nullptr) return;
  const std::optional<uint32_t> of_class = call->round->object_class;
  if (!of_class || (*of_class & kOpenClasses) != 0) return;
  arena_.clear();
  Words words;
  bool found = false;
  if (unpack_call(*call->row, call->request, &arena_, &words) &&
      unpack_reply(*call->row, call->reply, words)) {
    auto* attributes = reinterpret_cast<CK_ATTRIBUTE*>(words.w[2]);
    for (Word i = 0; attributes != nullptr && i < words.w[3]; i++)
      found |=
          is_secret(attributes[i].type) && attributes[i].ulValueLen != CK_UNAVAILABLE_INFORMATION;
    if (found && tell_filtered(call, *call->layer, "a key's secret")) {
      for (Word i = 0; i < words.w[3]; i++)
        if (is_secret(attributes[i].type)) attributes[i].ulValueLen = CK_UNAVAILABLE_INFORMATION;
      call->reply.lent = {};
      pack_reply(*call->row, words, CKR_ATTRIBUTE_SENSITIVE, &call->reply);
    }
  } else if (!call->layer->filter->audits()) {
    answer(call, CKR_DEVICE_ERROR);
  }
  arena_.clear();
}

}  // namespace mp11
