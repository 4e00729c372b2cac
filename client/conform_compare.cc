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
#include "conform_compare.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "conform_keys.h"
#include "conform_model.h"
#include "marshal.h"
#include "p11_attributes.h"

namespace mp11::conform {
namespace {

/* The two operations of a dual function. */
std::pair<Operation, Operation> operations(const FunctionRow& row) {
  switch (row.number) {
    case kC_DigestEncryptUpdate:
      return {Operation::kOpDigest, Operation::kOpEncrypt};
    case kC_DecryptDigestUpdate:
      return {Operation::kOpDecrypt, Operation::kOpDigest};
    case kC_SignEncryptUpdate:
      return {Operation::kOpSign, Operation::kOpEncrypt};
    case kC_DecryptVerifyUpdate:
      return {Operation::kOpDecrypt, Operation::kOpVerify};
    default:
      return {row.operation, row.operation};
  }
}

bool begins(const FunctionRow& row) {
  return row.operation != Operation::kOpNone && row.has(ArgKind::kMechanism);
}

const Mechanism* mechanism_of(const FunctionRow& row, const Call& call) {
  for (unsigned i = 0; i < row.arg_count && i < call.args.size(); i++)
    if (row.args[i].kind == ArgKind::kMechanism && !call.args[i].null)
      return &call.args[i].mechanism;
  return nullptr;
}

bool deciphers(Operation operation) {
  return operation == Operation::kOpDecrypt || operation == Operation::kOpVerifyRecover;
}

/* Of a random key, also the length may be random: leading zeros of numbers, DER around them. */
bool random_length(uint64_t type) {
  return attribute_kind(static_cast<CK_ATTRIBUTE_TYPE>(type)) == AttrKind::kBigInteger ||
         type == CKA_VALUE || type == CKA_PUBLIC_KEY_INFO || type == CKA_EC_POINT;
}
bool random_value(uint64_t type) {
  return random_length(type) || type == CKA_CHECK_VALUE || type == CKA_HASH_OF_SUBJECT_PUBLIC_KEY ||
         type == CKA_UNIQUE_ID;
}

/*
 * An RSA key that was spoiled: what it makes is random, as libraries blind with one exponent and
 * sign with the other.
 */
bool inconsistent(const FunctionRow& row, const Call& call) {
  if (row.number != kC_CreateObject) return false;
  const std::vector<Attribute>& list = call.args[1].attributes;
  if (ulong_of(list, CKA_KEY_TYPE, CKK_AES) != CKK_RSA ||
      ulong_of(list, CKA_CLASS, CKO_DATA) != CKO_PRIVATE_KEY)
    return false;
  auto has = [&](const MaterialAttribute& part) {
    return std::any_of(list.begin(), list.end(), [&](const Attribute& a) {
      return a.type == part.type && a.value.data == from_hex(part.hex);
    });
  };
  return std::none_of(materials().begin(), materials().end(), [&](const Material& m) {
    return m.object_class == CKO_PRIVATE_KEY &&
           std::all_of(m.attributes.begin(), m.attributes.end(), has);
  });
}

std::string number(uint64_t value) {
  return value == CK_UNAVAILABLE_INFORMATION ? "CK_UNAVAILABLE_INFORMATION" : std::to_string(value);
}
std::string differ(const char* what, const std::string& direct, const std::string& hosted) {
  return std::string(what) + ": direct " + direct + ", hosted " + hosted;
}

/* Empty: equal. Else where and how. */
std::string compare_octets(const Bytes& direct, const Bytes& hosted) {
  if (direct == hosted) return {};
  if (direct.size() != hosted.size())
    return differ("octets given out", number(direct.size()), number(hosted.size()));
  size_t at = 0;
  while (direct[at] == hosted[at]) at++;
  char text[80];
  snprintf(text, sizeof text, "octet %zu of %zu: direct %02x, hosted %02x", at, direct.size(),
           direct[at], hosted[at]);
  return text;
}

std::string compare_numbers(const std::vector<uint64_t>& direct,
                            const std::vector<uint64_t>& hosted) {
  if (direct == hosted) return {};
  if (direct.size() != hosted.size())
    return differ("elements", number(direct.size()), number(hosted.size()));
  size_t at = 0;
  while (direct[at] == hosted[at]) at++;
  return differ(("element " + number(at)).c_str(), number(direct[at]), number(hosted[at]));
}

}  // namespace

bool randomised(uint64_t mechanism, Operation operation) {
  const std::string name = mechanism_name(mechanism);
  auto has = [&](const char* part) { return name.find(part) != std::string::npos; };
  if (operation == Operation::kOpEncrypt || operation == Operation::kOpNone)
    return mechanism == CKM_RSA_PKCS || has("OAEP") || has("RSA_AES_KEY_WRAP") ||
           has("ECDH_AES_KEY_WRAP");
  return has("_PSS") || (has("DSA") && !has("EDDSA"));
}

/* ---- what is random ---- */

bool Comparer::uses_random(const Octets& octets) const {
  return octets.kind == Octets::Kind::kOutput && is_random(octets.output);
}
bool Comparer::uses_random(const std::vector<Attribute>& list) const {
  return std::any_of(list.begin(), list.end(), [&](const Attribute& a) {
    return a.nested ? uses_random(a.inner) : uses_random(a.value);
  });
}
bool Comparer::uses_random(const std::vector<Field>& list) const {
  return std::any_of(list.begin(), list.end(), [&](const Field& f) {
    return is_random(f.handle.var) || uses_random(f.octets) || uses_random(f.inner);
  });
}
bool Comparer::uses_random(const Mechanism& m) const {
  return uses_random(m.octets) || is_random(m.handle.var) || uses_random(m.fields);
}
bool Comparer::uses_random(const Call& call, const FunctionRow& row) const {
  for (unsigned i = 0; i < row.arg_count && i < call.args.size(); i++) {
    const Arg& arg = call.args[i];
    const ArgKind kind = row.args[i].kind;
    if (kind == ArgKind::kHandle && is_random(arg.ref.var)) return true;
    if (uses_random(arg.octets) || uses_random(arg.mechanism)) return true;
    if (kind == ArgKind::kTemplate && uses_random(arg.attributes)) return true;
  }
  return false;
}

Comparer::Level Comparer::level(const FunctionRow& row, const Call& call) {
  if (row.number == kC_GenerateRandom || row.number == kC_GetOperationState) return Level::kLength;
  const bool random_input = uses_random(call, row);
  if (row.number == kC_WrapKey) {
    if (random_input) return Level::kValueOnly;
    const Mechanism* m = mechanism_of(row, call);
    return m != nullptr && randomised(m->type, Operation::kOpNone) ? Level::kLength : Level::kExact;
  }
  if (row.number == kC_UnwrapKey) {
    /* The wrapping key is random and the octets are not of its making. */
    const bool own = uses_random(call.args[3].octets);
    return random_input && !own ? Level::kNothing : Level::kExact;
  }
  if (row.operation == Operation::kOpNone || begins(row) || call.args.empty()) return Level::kExact;
  const auto [first, second] = operations(row);
  Level found = Level::kExact;
  for (Operation operation : {first, second}) {
    Running& running = running_[{call.args[0].ref.var, operation}];
    const bool key_random = running.random;
    running.random |= random_input;
    if (key_random && deciphers(operation) && !random_input) return Level::kNothing;
    if (running.random || running.randomised) found = Level::kLength;
  }
  return found;
}

/* What a library forgets of token objects, it finds again in another order. */
void Comparer::learn_order(const FunctionRow& row, const Call& call) {
  for (const Arg& arg : call.args)
    for (const Attribute& a : arg.attributes)
      token_objects_ |= a.type == CKA_TOKEN && call.binds != 0 && a.value.data != Bytes{CK_FALSE};
  const bool forgets = row.number == kC_Finalize || row.number == kC_Logout ||
                       row.number == kC_CloseSession || row.number == kC_CloseAllSessions;
  if (token_objects_ && forgets) ordered_ = false;
  /* What a search found before may be dead when it is given out, and its handle then means nothing.
   */
  if (forgets || row.number == kC_DestroyObject) fresh_searches_.clear();
  if (row.number == kC_FindObjectsInit) fresh_searches_.insert(call.args[0].ref.var);
}

void Comparer::learn(const FunctionRow& row, const Call& call, const Reply& reply, Level level) {
  if (row.number == kC_InitToken && reply.rv == CKR_OK) new_serial_ = true;
  if (reply.rv != CKR_OK) {
    /* SoftHSM keeps what it could not make, and finds it later. */
    if (row.has(ArgKind::kHandleOut)) ordered_ = false;
    return;
  }
  learn_order(row, call);
  /* Where the orders differ, so does what is left for the next call of the search. */
  if (row.number == kC_FindObjects && !ordered_ && reply.outs.size() > 1 &&
      reply.outs[1].length == call.args[1].room)
    fresh_searches_.erase(call.args[0].ref.var);
  if (row.has(ArgKind::kHandleOut)) made_.insert({call.binds, call.binds + 1});
  const bool random_input = uses_random(call, row);
  const bool generates =
      row.number == kC_GenerateKey || row.number == kC_GenerateKeyPair || inconsistent(row, call);
  if (call.binds != 0 && row.has(ArgKind::kHandleOut) && (generates || random_input)) {
    random_.insert(call.binds);
    random_.insert(call.binds + 1);
  }
  if (call.output != 0 && level != Level::kExact) random_.insert(call.output);
  if (!begins(row)) return;
  const Mechanism* m = mechanism_of(row, call);
  running_[{call.args[0].ref.var, row.operation}] = {
      random_input, m != nullptr && randomised(m->type, row.operation)};
}

/* ---- comparing ---- */

std::string Comparer::compare_info(ArgKind kind, const Out& direct, const Out& hosted) const {
  Bytes a = direct.data, b = hosted.data;
  auto exempt = [&](size_t offset, size_t size) {
    for (Bytes* bytes : {&a, &b})
      if (bytes->size() >= offset + size)
        std::fill_n(bytes->begin() + static_cast<ptrdiff_t>(offset), size, uint8_t{0});
  };
  if (kind == ArgKind::kSlotInfoOut)
    exempt(offsetof(CK_SLOT_INFO, slotDescription), sizeof(CK_SLOT_INFO::slotDescription));
  if (kind == ArgKind::kTokenInfoOut) {
    exempt(offsetof(CK_TOKEN_INFO, utcTime), sizeof(CK_TOKEN_INFO::utcTime));
    exempt(offsetof(CK_TOKEN_INFO, ulSessionCount), sizeof(CK_ULONG));
    exempt(offsetof(CK_TOKEN_INFO, ulRwSessionCount), sizeof(CK_ULONG));
    if (named_) exempt(offsetof(CK_TOKEN_INFO, label), sizeof(CK_TOKEN_INFO::label));
    if (new_serial_ || named_)
      exempt(offsetof(CK_TOKEN_INFO, serialNumber), sizeof(CK_TOKEN_INFO::serialNumber));
  }
  if (kind == ArgKind::kInfoOut && named_) return {};
  std::string text = compare_octets(a, b);
  return text.empty() ? compare_numbers(direct.numbers, hosted.numbers) : text;
}

std::string Comparer::compare_attributes(const std::vector<Attribute>& asked,
                                         const std::vector<Out>& direct,
                                         const std::vector<Out>& hosted, bool random) const {
  if (direct.size() != hosted.size())
    return differ("attributes", number(direct.size()), number(hosted.size()));
  for (size_t i = 0; i < direct.size() && i < asked.size(); i++) {
    const uint64_t type = asked[i].type;
    const char* name = attribute_name(static_cast<CK_ATTRIBUTE_TYPE>(type));
    const std::string where =
        "attribute " + std::to_string(i) + " " + (name != nullptr ? name : "") + " ";
    const bool unknown = direct[i].length == CK_UNAVAILABLE_INFORMATION ||
                         hosted[i].length == CK_UNAVAILABLE_INFORMATION;
    if (direct[i].length != hosted[i].length && (unknown || !random || !random_length(type)))
      return where + differ("length", number(direct[i].length), number(hosted[i].length));
    std::string text;
    if (!random || !random_value(type)) text = compare_octets(direct[i].data, hosted[i].data);
    if (text.empty())
      text = compare_attributes(asked[i].inner, direct[i].inner, hosted[i].inner, random);
    if (!text.empty()) return where + text;
  }
  return {};
}

std::string Comparer::compare_found(const Call& call, const Out& direct, const Out& hosted) const {
  if (!fresh_searches_.contains(call.args[0].ref.var)) return {};
  if (ordered_) return compare_numbers(direct.numbers, hosted.numbers);
  auto made = [&](const Out& out) {
    std::vector<uint64_t> vars;
    for (uint64_t var : out.numbers)
      if (made_.contains(var)) vars.push_back(var);
    std::sort(vars.begin(), vars.end());
    return vars;
  };
  return compare_numbers(made(direct), made(hosted));
}

std::string Comparer::compare_out(const FunctionRow& row, unsigned i, const Call& call,
                                  const Reply& direct, const Reply& hosted, Level level) const {
  const Out& a = direct.outs[i];
  const Out& b = hosted.outs[i];
  const Arg& arg = call.args[i];
  switch (row.args[i].kind) {
    case ArgKind::kBytesOut:
    case ArgKind::kFillOut:
      if (level == Level::kValueOnly) return {};
      if (a.length != b.length) return differ("length", number(a.length), number(b.length));
      if (a.data.size() != b.data.size() || level == Level::kExact)
        return compare_octets(a.data, b.data);
      return {};
    case ArgKind::kTemplateInOut:
      return compare_attributes(arg.attributes, a.inner, b.inner, is_random(call.args[1].ref.var));
    case ArgKind::kNumberOut:
      if (is_random(call.args[1].ref.var) || a.length == b.length) return {};
      return differ("number", number(a.length), number(b.length));
    case ArgKind::kInfoOut:
    case ArgKind::kSlotInfoOut:
    case ArgKind::kTokenInfoOut:
    case ArgKind::kSessionInfoOut:
    case ArgKind::kMechanismInfoOut:
      return compare_info(row.args[i].kind, a, b);
    default:
      if (a.length != b.length) return differ("count", number(a.length), number(b.length));
      if (row.number == kC_FindObjects) return compare_found(call, a, b);
      return compare_numbers(a.numbers, b.numbers);
  }
}

std::optional<Difference> Comparer::compare(const Call& call, const Reply& direct,
                                            const Reply& hosted) {
  for (size_t t = 0; t < call.threads.size(); t++) {
    for (size_t i = 0; i < call.threads[t].size(); i++) {
      if (t >= direct.threads.size() || t >= hosted.threads.size()) break;
      auto found = compare(call.threads[t][i], direct.threads[t].at(i), hosted.threads[t].at(i));
      if (!found) continue;
      found->text = "thread " + std::to_string(t + 1) + ", its call " + std::to_string(i + 1) +
                    ": " + found->text;
      return found;
    }
  }
  const FunctionRow* row = function_row(call.function);
  if (row == nullptr) return std::nullopt;
  const Level how = level(*row, call);
  learn(*row, call, direct, how);
  if (how == Level::kNothing) return std::nullopt;
  if (direct.rv != hosted.rv) {
    /* Room was measured by the one side's random length. */
    const bool room_only = (direct.rv == CKR_OK || direct.rv == CKR_BUFFER_TOO_SMALL) &&
                           (hosted.rv == CKR_OK || hosted.rv == CKR_BUFFER_TOO_SMALL);
    const bool random_object =
        row->number == kC_GetAttributeValue && is_random(call.args[1].ref.var);
    if (room_only && (random_object || how == Level::kValueOnly)) return std::nullopt;
    const std::string a = rv_name(direct.rv), b = rv_name(hosted.rv);
    return Difference{std::string(row->name) + " CK_RV " + a + " " + b,
                      std::string(row->name) + ": " + differ("CK_RV", a, b)};
  }
  if (!carries_results(direct.rv) || direct.outs.size() != hosted.outs.size()) return std::nullopt;
  for (unsigned i = 0; i < row->arg_count && i < direct.outs.size() && i < call.args.size(); i++) {
    std::string text = compare_out(*row, i, call, direct, hosted, how);
    if (text.empty()) continue;
    const std::string where = std::string(row->name) + " " + row->args[i].names[0];
    return Difference{where, where + ": " + text + " (both " + rv_name(direct.rv) + ")"};
  }
  return std::nullopt;
}

}  // namespace mp11::conform
