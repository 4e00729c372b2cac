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
 * SessionMonitor, layers with a prefix: what clients name is looked at and changed on its way to
 * such a layer, and what the library answers on its way back (layer_prefix.h). Filters and blind
 * layers judge what the library has, without a prefix.
 *
 * Trust: templates are read here, in an arena that is wiped at once, and packed anew: what goes out
 * is what was looked at. A library's answer is checked against what it was asked.
 */
#include <utility>

#include "session_monitor.h"

namespace mp11 {
namespace {

/* The template's attributes, and how many there are, in the words of a call. */
struct Template {
  CK_ATTRIBUTE* attributes;
  CK_ULONG count;
};
Template template_at(const Words& words, const ArgSpec& arg) {
  return {reinterpret_cast<CK_ATTRIBUTE*>(words.w[arg.first]), words.w[arg.first + 1]};
}

CK_RV repack(const FunctionRow& row, const Words& words, Message* message) {
  Message changed;
  const CK_RV rv = pack_call(row, words, &changed);
  if (rv != CKR_OK) return rv;
  std::swap(message->bytes, changed.bytes);
  message->lent = {};
  return CKR_OK;
}

}  // namespace

/* Whether the layer can have, or make, what the call's templates name. */
bool SessionMonitor::fits_prefix(Call* call, const Layer& layer) {
  const FunctionRow& row = *call->row;
  if (!has_prefix(layer.plan.prefix) || !row.has(ArgKind::kTemplate)) return true;
  arena_.clear();
  Words words;
  bool fits = unpack_call(row, call->request, &arena_, &words);
  for (unsigned i = 0; fits && i < row.arg_count; i++) {
    if (row.args[i].kind != ArgKind::kTemplate) continue;
    const Template its = template_at(words, row.args[i]);
    fits =
        prefix_fits(layer.plan.prefix, its.attributes, its.count, row.number != kC_FindObjectsInit);
  }
  /* Of the keys that a mechanism's parameter asks for. */
  if (fits)
    for (const ParameterFacts::Template& one : parameter_facts(row, words).templates)
      fits = fits && prefix_fits(layer.plan.prefix, one.attributes(), one.count(), true);
  arena_.clear();
  return fits;
}

/* Of a call that fits. */
CK_RV SessionMonitor::take_prefix_off_call(const Layer& layer, Message* message) {
  const FunctionRow& row = kFunctionTable[message->rec.function];
  if (!has_prefix(layer.plan.prefix) || !row.has(ArgKind::kTemplate)) return CKR_OK;
  arena_.clear();
  Words words;
  CK_RV rv = CKR_ARGUMENTS_BAD;
  if (unpack_call(row, *message, &arena_, &words)) {
    bool changed = false;
    for (unsigned i = 0; i < row.arg_count; i++) {
      if (row.args[i].kind != ArgKind::kTemplate) continue;
      const Template its = template_at(words, row.args[i]);
      changed |= take_prefix_off(layer.plan.prefix, its.attributes, its.count);
    }
    for (const ParameterFacts::Template& one : parameter_facts(row, words).templates)
      changed |= take_prefix_off(
          layer.plan.prefix, const_cast<CK_ATTRIBUTE*>(one.attributes()), /* they lie in arena_ */
          one.count());
    rv = changed ? repack(row, words, message) : CKR_OK;
  }
  arena_.clear();
  return rv;
}

/* The last thing before a call is sent, as it is not to be done twice. */
CK_RV SessionMonitor::rewrite_for_prefix(Call* call, const Layer& layer) {
  const FunctionRow& row = *call->row;
  if (!has_prefix(layer.plan.prefix)) return CKR_OK;
  if (row.number != kC_GetAttributeValue) return take_prefix_off_call(layer, &call->request);
  arena_.clear();
  Words words;
  CK_RV rv = CKR_ARGUMENTS_BAD;
  if (unpack_call(row, call->request, &arena_, &words)) {
    rv = CKR_OK;
    auto* query = reinterpret_cast<CK_ATTRIBUTE*>(words.w[2]);
    if (make_room_for_prefix(layer.plan.prefix, query, words.w[3])) {
      copy_message(call->request, &call->round->asked);
      rv = repack(row, words, &call->request);
    }
  }
  arena_.clear();
  return rv;
}

void SessionMonitor::show_prefix_of_answer(Call* call) {
  if (call->layer == nullptr || call->round == nullptr || call->round->asked.bytes.empty()) return;
  const FunctionRow& row = *call->row;
  CK_RV rv = static_cast<CK_RV>(call->reply.rec.rv);
  if (!carries_results(rv)) return;
  arena_.clear();
  Words told, asked;
  if (unpack_call(row, call->request, &arena_, &told) && unpack_reply(row, call->reply, told) &&
      unpack_call(row, call->round->asked, &arena_, &asked) && told.w[3] == asked.w[3])
    rv = show_prefix(call->layer->plan.prefix, reinterpret_cast<const CK_ATTRIBUTE*>(told.w[2]), rv,
                     reinterpret_cast<CK_ATTRIBUTE*>(asked.w[2]), asked.w[3]);
  else
    rv = CKR_DEVICE_ERROR;
  if (carries_results(rv)) {
    call->reply.lent = {};
    pack_reply(row, asked, rv, &call->reply);
  } else {
    answer(call, rv);
  }
  arena_.clear();
}

}  // namespace mp11
