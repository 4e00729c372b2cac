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
#include <algorithm>

#include "conform_generate.h"
#include "conform_keys.h"
#include "p11_attributes.h"

namespace mp11::conform {
namespace {

/* No module gives such values out as handles or slot ids; Executor::ambiguous makes sure. */
constexpr uint64_t kNoHandles[] = {0, ~uint64_t{0}, 0x7ffffff1, 0x1234567890};

}  // namespace

void Generator::spoil_ref(Ref* ref, Call* call) {
  *ref = Ref{};
  if (block_calls_ != 0 || random_.percent(50)) {
    ref->literal = block_calls_ != 0 ? kNoHandles[random_.below(2)] : random_.pick(kNoHandles);
  } else if (random_.percent(50) && !model_.sessions.empty()) {
    ref->var = random_.pick(model_.sessions).var; /* closed, or not of this kind */
  } else if (!model_.objects.empty()) {
    ref->var = random_.pick(model_.objects).var;
  }
  call->probe = block_calls_ == 0;
}

void Generator::spoil_octets(Octets* octets) {
  switch (random_.below(5)) {
    case 0:
      *octets = Octets{};
      break;
    case 1:
      *octets = Octets{};
      octets->size = random_.below(40);
      break;
    case 2:
      *octets = literal({});
      break;
    case 3:
      *octets = data(70000);
      break;
    default:
      if (octets->kind == Octets::Kind::kLiteral && !octets->data.empty())
        octets->data.pop_back();
      else if (octets->kind == Octets::Kind::kPattern)
        octets->size++;
      break;
  }
}

/* Numbers in templates stay below 2^32: others have no form on the wire (PROTOCOL, 5). */
Bytes Generator::wrong_value(uint64_t type) {
  Bytes value = pattern(1, random_.below(10));
  const AttrKind kind = attribute_kind(static_cast<CK_ATTRIBUTE_TYPE>(type));
  if (value.size() == sizeof(CK_ULONG) && (kind == AttrKind::kUlong || kind == AttrKind::kUlongs))
    return ulong_attribute(type, value[0]).value.data;
  return value;
}

void Generator::spoil_template(std::vector<Attribute>* list, bool query) {
  constexpr uint64_t kOdd[] = {0x7fffffff, CKA_WRAP_TEMPLATE, CKA_ALLOWED_MECHANISMS,
                               0x80000001, CKA_MODULUS,       CKA_CLASS,
                               CKA_VALUE,  CKA_LOCAL,         0x12345};
  if (list->empty() || random_.one_in(6)) {
    Attribute odd = attribute_of(random_.pick(kOdd), {});
    odd.value.data = wrong_value(odd.type);
    /* A template's value would be taken for pointers. */
    if (odd.type == CKA_WRAP_TEMPLATE) {
      odd.nested = true;
      odd.inner = {bool_attribute(CKA_SENSITIVE, true)};
    }
    if (query) odd.value.size = odd.value.data.size();
    list->push_back(odd);
    return;
  }
  const size_t at = random_.below(list->size());
  Attribute& a = (*list)[at];
  switch (random_.below(6)) {
    case 0:
      list->erase(list->begin() + static_cast<ptrdiff_t>(at));
      break;
    case 1:
      list->push_back(Attribute(a));
      break;
    case 2:
      if (!a.nested) a.type = random_.percent(50) ? random_.below(0x190) : CKA_LABEL;
      break;
    case 3:
      if (!a.nested && query) a.value.size = random_.below(10);
      if (!a.nested && !query) a.value = literal(wrong_value(a.type));
      break;
    case 4: /* NULL and a length: often a crash, so not often */
      if (!a.nested) {
        a.value = Octets{};
        a.value.size = random_.one_in(5) ? 1 + random_.below(8) : 0;
      }
      break;
    default:
      list->clear();
      break;
  }
}

void Generator::spoil_mechanism(Mechanism* m) {
  switch (random_.below(6)) {
    case 0:
      if (!facts_.mechanisms.empty()) *m = mechanism(random_.pick(facts_.mechanisms).type);
      break;
    case 1: {
      /* Any mechanism that is known somewhere, or one that nobody knows. */
      const auto rows = mechanism_rows();
      *m = mechanism(random_.percent(80) ? random_.pick(rows).type : 0x80001234 + random_.below(4));
      break;
    }
    case 2: /* no parameter where one is needed */
      m->form = Mechanism::Form::kFlat;
      m->octets = Octets{};
      break;
    case 3: { /* one where none is needed; never octets where a structure's pointers would be */
      const MechanismRow* row = mechanism_row(static_cast<CK_MECHANISM_TYPE>(m->type));
      if (row != nullptr && row->form == ParamForm::kStruct) {
        m->length = random_.below(m->length + 9);
      } else {
        m->form = Mechanism::Form::kFlat;
        m->octets = data(random_.percent(80) ? 40 : 3000);
      }
      break;
    }
    case 4:
      if (m->form != Mechanism::Form::kFlat && m->length >= 8)
        m->length = random_.percent(50) ? m->length - 8 : m->length + 8;
      else
        spoil_octets(&m->octets);
      break;
    default:
      for (Field& field : m->fields)
        if (random_.one_in(3)) {
          field.number = random_.percent(70) ? random_.below(0x300) : ~uint64_t{0};
          if (field.octets.kind == Octets::Kind::kPattern && random_.percent(50))
            field.octets = data(300);
        }
      break;
  }
}

/* Cut to the length of another form, its octets would be taken for that one's pointers. */
void Generator::keep_form(Mechanism* m) {
  const MechanismRow* row = mechanism_row(static_cast<CK_MECHANISM_TYPE>(m->type));
  if (row == nullptr || m->form != Mechanism::Form::kStruct) return;
  const ParamStruct* own = param_structs()[m->layout];
  const ParamStruct* other = param_struct(*row, static_cast<CK_ULONG>(m->length));
  if (other != nullptr && other != own) m->length = own->size;
}

void Generator::spoil_argument(const ArgSpec& spec, Arg* arg, Call* call) {
  switch (spec.kind) {
    case ArgKind::kSession:
    case ArgKind::kSlot:
    case ArgKind::kHandle:
      return spoil_ref(&arg->ref, call);
    case ArgKind::kNumber: {
      constexpr uint64_t kNumbers[] = {0, 1, 2, 4, 6, 0xffffffff, ~uint64_t{0}};
      arg->number = random_.percent(70) ? random_.pick(kNumbers) : random_.next();
      return;
    }
    case ArgKind::kBytes:
      return spoil_octets(&arg->octets);
    case ArgKind::kPin:
      if (config_.destructive) spoil_octets(&arg->octets);
      return;
    case ArgKind::kBytesOut:
    case ArgKind::kSlotList:
    case ArgKind::kNumberList:
    case ArgKind::kHandleList:
      if (random_.one_in(4)) arg->null = true;
      if (random_.one_in(4)) arg->null_length = true;
      if (random_.percent(60)) arg->room = random_.below(40);
      return;
    case ArgKind::kFillOut:
      if (random_.one_in(3)) arg->null = true;
      arg->room = random_.below(70000);
      return;
    case ArgKind::kMechanism:
      if (random_.one_in(6)) arg->null = true;
      spoil_mechanism(&arg->mechanism);
      return keep_form(&arg->mechanism);
    case ArgKind::kTemplate:
    case ArgKind::kTemplateInOut:
      if (random_.one_in(12)) {
        arg->null = true;
        arg->number = random_.one_in(3) ? random_.below(3) : 0;
        return;
      }
      return spoil_template(&arg->attributes, spec.kind == ArgKind::kTemplateInOut);
    case ArgKind::kLabel:
      if (random_.one_in(3)) arg->octets = Octets{};
      return;
    case ArgKind::kInitArgs:
      arg->null = false;
      arg->number = random_.below(32);
      return;
    default:
      arg->null = !arg->null;
      return;
  }
}

void Generator::spoil(Call* call) {
  const FunctionRow* row = function_row(call->function);
  if (row == nullptr || row->arg_count == 0) return;
  for (uint64_t times = random_.one_in(5) ? 2 : 1; times > 0; times--) {
    const size_t at = random_.below(row->arg_count);
    spoil_argument(row->args[at], &call->args[at], call);
  }
}

}  // namespace mp11::conform
