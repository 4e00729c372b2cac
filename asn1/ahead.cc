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
#include "ahead.h"

#include <algorithm>
#include <cstring>

#include "ACK-OBJECT-HANDLE-ARRAY.h"
#include "C-FindObjectsInit-Return.h"
#include "p11_attributes.h"
#include "words.h"

namespace mp11::asn1 {
namespace {

const Element* named(const Type* type, const char* name) {
  for (int i = 0; i < type->elements_count; i++)
    if (std::strcmp(type->elements[i].name, name) == 0) return &type->elements[i];
  return nullptr;
}

/* ---- C_FindObjectsInit ---- */

void put_found(const Ahead& ahead, void* result, CallArena* arena) {
  auto* out = static_cast<C_FindObjectsInit_Return_t*>(result);
  if (!ahead.found) return;
  out->phObject = arena->make<ACK_OBJECT_HANDLE_ARRAY_t>();
  auto* to = static_cast<WireNumber*>(make_list(reinterpret_cast<List*>(&out->phObject->list),
                                                ahead.handles.size(), sizeof(WireNumber), arena));
  for (size_t i = 0; i < ahead.handles.size(); i++) to[i] = nearest_number(ahead.handles[i]);
  out->complete = arena->make<BOOLEAN_t>();
  *out->complete = ahead.complete ? 0xff : 0;
}

bool get_found(const void* result, Ahead* ahead) {
  const auto* in = static_cast<const C_FindObjectsInit_Return_t*>(result);
  if (in->phObject == nullptr) return true;
  const auto count = static_cast<size_t>(in->phObject->list.count);
  if (count > ahead->eager) return false;
  ahead->handles.resize(count);
  for (size_t i = 0; i < count; i++)
    if (!get_number(*in->phObject->list.array[i], &ahead->handles[i])) return false;
  ahead->found = true;
  ahead->complete = in->complete != nullptr && *in->complete != 0;
  return true;
}

/* ---- C_GetAttributeValue ---- */

using Value = std::remove_pointer_t<decltype(ACK_ATTRIBUTE_t::pValue)>;

ACK_ATTRIBUTE_ARRAY_t* template_of(const FunctionTypes& types, const void* result) {
  const Element* member = types.result_member[2];
  return const_cast<ACK_ATTRIBUTE_ARRAY_t*>(
      static_cast<const ACK_ATTRIBUTE_ARRAY_t*>(peek(*member, result)));
}

/* A value of one of the plain kinds, where put_results has told its length. */
void put_value(const CK_ATTRIBUTE& a, Value* value, CallArena* arena) {
  CK_ATTRIBUTE one = a;
  ACK_ATTRIBUTE_ARRAY_t list = {};
  if (put_results(&one, 1, true, &list, arena)) *value = *list.list.array[0]->pValue;
}

void put_values(const FunctionRow& row, const Words& words, const Ahead& ahead, void* result,
                CallArena* arena) {
  const ACK_ATTRIBUTE_ARRAY_t* out = template_of(function_types(row), result);
  const auto* attributes = pointer<const CK_ATTRIBUTE>(words.w[2]);
  for (size_t i = 0; i < ahead.values.size(); i++)
    if (attributes[i].pValue == nullptr && ahead.values[i].pValue != nullptr)
      put_value(ahead.values[i], out->list.array[i]->pValue, arena);
}

/* What a number counts against eager: no sender's are smaller. */
constexpr CK_ULONG kSmallestUlong = 4;

/* Takes a value that no buffer was offered for out of the return. */
bool get_one(ACK_ATTRIBUTE_t* in, CK_ATTRIBUTE_TYPE type, CK_ULONG* left, CK_ATTRIBUTE* out,
             CallArena* arena) {
  const AttrKind kind = attribute_kind(type);
  const auto& choice = in->pValue->choice;
  const bool number = kind == AttrKind::kUlong || kind == AttrKind::kUlongs;
  CK_ULONG size = 0, counts = 0;
  if (kind == AttrKind::kTemplate) return false;
  switch (in->pValue->present) {
    case ACK_ATTRIBUTE__pValue_PR_data:
      counts = size = octets_of(choice.data).size();
      break;
    case ACK_ATTRIBUTE__pValue_PR_ulong:
      size = sizeof(CK_ULONG);
      counts = number ? kSmallestUlong : size;
      break;
    case ACK_ATTRIBUTE__pValue_PR_ulongs:
      size = static_cast<CK_ULONG>(choice.ulongs.list.count) * sizeof(CK_ULONG);
      counts = number ? size / sizeof(CK_ULONG) * kSmallestUlong : size;
      break;
    default:
      return false;
  }
  if (counts > *left) return false;
  *left -= counts;
  CK_ATTRIBUTE one = {type, arena->allocate_out(size), size};
  ACK_ATTRIBUTE_t* items[] = {in};
  ACK_ATTRIBUTE_ARRAY_t list = {};
  list.list.array = items;
  list.list.count = 1;
  CK_ATTRIBUTE told = {type, nullptr, 0};
  if (!get_results(list, true, &one, 1)) return false;
  in->pValue->present = ACK_ATTRIBUTE__pValue_PR_null;
  if (!get_results(list, true, &told, 1) || told.ulValueLen != one.ulValueLen) return false;
  *out = one;
  return true;
}

bool get_values(const FunctionRow& row, const Words& words, const void* result, Ahead* ahead,
                CallArena* arena) {
  const ACK_ATTRIBUTE_ARRAY_t* in = template_of(function_types(row), result);
  const auto* attributes = pointer<const CK_ATTRIBUTE>(words.w[2]);
  if (attributes == nullptr || static_cast<CK_ULONG>(in->list.count) != words.w[3]) return true;
  ahead->values.assign(words.w[3], CK_ATTRIBUTE{});
  CK_ULONG left = ahead->eager;
  for (CK_ULONG i = 0; i < words.w[3]; i++) {
    ACK_ATTRIBUTE_t* one = in->list.array[i];
    if (attributes[i].pValue != nullptr || one->pValue == nullptr ||
        one->pValue->present == ACK_ATTRIBUTE__pValue_PR_null)
      continue;
    if (!get_one(one, attributes[i].type, &left, &ahead->values[i], arena)) return false;
  }
  return true;
}

}  // namespace

void put_eager(const FunctionTypes& types, uint32_t eager, void* call, CallArena* arena) {
  const Element* member = named(types.call, "eager");
  if (eager != 0 && member != nullptr)
    *static_cast<WireNumber*>(place(*member, call, arena)) = eager;
}

uint32_t get_eager(const FunctionTypes& types, const void* call) {
  const Element* member = named(types.call, "eager");
  const void* at = member != nullptr ? peek(*member, call) : nullptr;
  if (at == nullptr) return 0;
  return static_cast<uint32_t>(std::min(*static_cast<const WireNumber*>(at), kWireUnavailable));
}

void put_ahead(const FunctionRow& row, const Words& words, const Ahead& ahead, void* result,
               CallArena* arena) {
  if (row.number == kC_FindObjectsInit) return put_found(ahead, result, arena);
  if (row.number == kC_GetAttributeValue) return put_values(row, words, ahead, result, arena);
  const Element* length = named(function_types(row).result, "ulOutputLen");
  if (length != nullptr && ahead.output_len)
    *static_cast<WireNumber*>(place(*length, result, arena)) = nearest_number(*ahead.output_len);
}

bool get_ahead(const FunctionRow& row, const Words& words, const void* result, Ahead* ahead,
               CallArena* arena) {
  if (row.number == kC_FindObjectsInit) return get_found(result, ahead);
  if (row.number == kC_GetAttributeValue)
    return ahead->eager == 0 || get_values(row, words, result, ahead, arena);
  const Element* member = named(function_types(row).result, "ulOutputLen");
  const void* at = member != nullptr ? peek(*member, result) : nullptr;
  CK_ULONG length;
  if (at == nullptr) return true;
  if (!get_number(*static_cast<const WireNumber*>(at), &length) || length > limits::kOutput)
    return false;
  ahead->output_len = length;
  return true;
}

}  // namespace mp11::asn1
