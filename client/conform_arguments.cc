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
#include "conform_arguments.h"

#include <pthread.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "result.h"
#include "words.h"

namespace mp11::conform {
namespace {

/* What an output buffer holds before the call: a module must not rely on it. */
constexpr uint8_t kFill = 0xa5;

/* Locks for a module that is told to use the application's. */
CK_RV create_mutex(CK_VOID_PTR_PTR mutex) {
  auto* made = new pthread_mutex_t;
  pthread_mutex_init(made, nullptr);
  *mutex = made;
  return CKR_OK;
}
CK_RV destroy_mutex(CK_VOID_PTR mutex) {
  pthread_mutex_destroy(static_cast<pthread_mutex_t*>(mutex));
  delete static_cast<pthread_mutex_t*>(mutex);
  return CKR_OK;
}
CK_RV lock_mutex(CK_VOID_PTR mutex) {
  pthread_mutex_lock(static_cast<pthread_mutex_t*>(mutex));
  return CKR_OK;
}
CK_RV unlock_mutex(CK_VOID_PTR mutex) {
  pthread_mutex_unlock(static_cast<pthread_mutex_t*>(mutex));
  return CKR_OK;
}
CK_RV notify(CK_SESSION_HANDLE, CK_NOTIFICATION, CK_VOID_PTR) { return CKR_OK; }

}  // namespace

/* ---- variables ---- */

void Handles::bind(HandleKind kind, Var var, uint64_t value) {
  std::lock_guard<std::mutex> lock(mutex_);
  values_[var] = {kind, value};
  vars_[static_cast<size_t>(kind)][value] = var;
}

Var Handles::find_or_bind(HandleKind kind, uint64_t value, Var fresh) {
  if (Var known = var_of(kind, value); known != 0) return known;
  bind(kind, fresh, value);
  return fresh;
}

Var Handles::var_of(HandleKind kind, uint64_t value) const {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto& vars = vars_[static_cast<size_t>(kind)];
  auto it = vars.find(value);
  return it != vars.end() ? it->second : 0;
}

uint64_t Handles::value_of(const Ref& ref) const {
  if (ref.var == 0) return ref.literal;
  std::lock_guard<std::mutex> lock(mutex_);
  auto it = values_.find(ref.var);
  return it != values_.end() ? it->second.value : 0;
}

void Handles::forget(HandleKind kind, const Ref& ref) {
  const uint64_t value = value_of(ref);
  std::lock_guard<std::mutex> lock(mutex_);
  vars_[static_cast<size_t>(kind)].erase(value);
}

void Handles::forget_all() {
  std::lock_guard<std::mutex> lock(mutex_);
  vars_[static_cast<size_t>(HandleKind::kSession)].clear();
  vars_[static_cast<size_t>(HandleKind::kObject)].clear();
}

bool Handles::ambiguous(HandleKind kind, const Ref& ref) const {
  const Var now = var_of(kind, value_of(ref));
  return now != 0 && now != ref.var;
}

void Outputs::keep(Var var, const Bytes& data) {
  std::lock_guard<std::mutex> lock(mutex_);
  data_[var] = data;
}
Bytes Outputs::get(Var var) const {
  std::lock_guard<std::mutex> lock(mutex_);
  auto it = data_.find(var);
  return it != data_.end() ? it->second : Bytes();
}

/* ---- symbols to words ---- */

Bytes Arguments::octets(const Octets& o) const {
  switch (o.kind) {
    case Octets::Kind::kLiteral:
      return o.data;
    case Octets::Kind::kPattern:
      return pattern(o.seed, o.size);
    case Octets::Kind::kOutput:
      return outputs_.get(o.output);
    case Octets::Kind::kNull:
      break;
  }
  return {};
}

Word Arguments::place(const Octets& o, CK_ULONG* size) {
  *size = static_cast<CK_ULONG>(o.size);
  if (o.kind == Octets::Kind::kNull) return 0;
  Bytes data = octets(o);
  *size = data.size();
  uint8_t* p = memory_->allocate(data.size(), 0);
  if (!data.empty()) std::memcpy(p, data.data(), data.size());
  return word_of(p);
}

Word Arguments::attributes(const std::vector<Attribute>& list, bool query) {
  auto* array =
      reinterpret_cast<CK_ATTRIBUTE*>(memory_->allocate(list.size() * sizeof(CK_ATTRIBUTE), 0));
  for (size_t i = 0; i < list.size(); i++) {
    const Attribute& from = list[i];
    CK_ATTRIBUTE& to = array[i];
    to.type = static_cast<CK_ATTRIBUTE_TYPE>(from.type);
    if (from.nested) {
      to.pValue = pointer<void>(attributes(from.inner, query));
      to.ulValueLen = from.inner.size() * sizeof(CK_ATTRIBUTE);
    } else if (query) {
      to.ulValueLen = static_cast<CK_ULONG>(from.value.size);
      const bool buffer = from.value.kind != Octets::Kind::kNull;
      to.pValue = buffer ? memory_->allocate(to.ulValueLen, kFill) : nullptr;
    } else {
      to.pValue = pointer<void>(place(from.value, &to.ulValueLen));
    }
  }
  return word_of(array);
}

void Arguments::fields(const ParamStruct& layout, const std::vector<Field>& values, uint8_t* at) {
  std::vector<std::pair<size_t, CK_ULONG>> lengths;
  for (size_t i = 0; i < layout.fields.size() && i < values.size(); i++) {
    const ParamField& field = layout.fields[i];
    const Field& value = values[i];
    uint8_t* member = at + field.offset;
    auto store = [member](auto v) { std::memcpy(member, &v, sizeof v); };
    switch (field.kind) {
      case FieldKind::kUlong:
        store(static_cast<CK_ULONG>(value.number));
        break;
      case FieldKind::kOctet:
        *member = static_cast<uint8_t>(value.number);
        break;
      case FieldKind::kHandle:
        store(static_cast<CK_OBJECT_HANDLE>(handles_.value_of(value.handle)));
        break;
      case FieldKind::kArray: {
        Bytes data = octets(value.octets);
        if (!data.empty())
          std::memcpy(member, data.data(), std::min<size_t>(data.size(), field.size));
        break;
      }
      case FieldKind::kBytes: {
        if (field.length != LengthIs::kOctets || field.way != Way::kIn) break;
        /* A length that lies is no call that any module could be asked to make. */
        CK_ULONG size;
        store(place(value.octets, &size));
        lengths.emplace_back(field.length_offset, size);
        break;
      }
      case FieldKind::kInside:
        fields(*field.nested, value.inner, member);
        break;
      case FieldKind::kPointer: {
        if (value.null) break;
        uint8_t* inner = memory_->allocate(field.nested->size, 0);
        fields(*field.nested, value.inner, inner);
        store(inner);
        break;
      }
      default: /* no such parameter is made up yet: NULL */
        break;
    }
  }
  /* Arrays that share a length (CK_KEA_DERIVE_PARAMS): no more than the shortest of them has. */
  std::map<size_t, CK_ULONG> least;
  for (const auto& [offset, size] : lengths) {
    const auto [shortest, first] = least.emplace(offset, size);
    if (!first) shortest->second = std::min(shortest->second, size);
  }
  for (const auto& [offset, size] : least) std::memcpy(at + offset, &size, sizeof size);
}

/* The parameter of a structure, a number or a handle, cut or filled to the length that is told. */
Word Arguments::parameter(const Mechanism& m) {
  Bytes whole;
  if (m.form == Mechanism::Form::kStruct && m.layout < param_structs().size()) {
    const ParamStruct& layout = *param_structs()[m.layout];
    alignas(16) uint8_t block[512] = {};
    MP11_ASSERT(layout.size <= sizeof block);
    fields(layout, m.fields, block);
    whole.assign(block, block + layout.size);
  } else {
    const auto value = static_cast<CK_ULONG>(
        m.form == Mechanism::Form::kHandle ? handles_.value_of(m.handle) : m.number);
    whole.resize(sizeof value);
    std::memcpy(whole.data(), &value, sizeof value);
  }
  whole.resize(static_cast<size_t>(m.length));
  uint8_t* p = memory_->allocate(whole.size(), 0);
  if (!whole.empty()) std::memcpy(p, whole.data(), whole.size());
  return word_of(p);
}

Word Arguments::mechanism(const Mechanism& m) {
  auto* made = memory_->make<CK_MECHANISM>();
  made->mechanism = static_cast<CK_MECHANISM_TYPE>(m.type);
  if (m.form == Mechanism::Form::kFlat) {
    CK_ULONG size;
    made->pParameter = pointer<void>(place(m.octets, &size));
    made->ulParameterLen = size;
  } else {
    made->pParameter = pointer<void>(parameter(m));
    made->ulParameterLen = static_cast<CK_ULONG>(m.length);
  }
  return word_of(made);
}

Word Arguments::init_args(uint64_t variant) {
  auto* args = memory_->make<CK_C_INITIALIZE_ARGS>();
  args->flags = (variant & 1) != 0 ? CKF_OS_LOCKING_OK : 0;
  if ((variant & 2) != 0) {
    args->CreateMutex = create_mutex;
    args->DestroyMutex = destroy_mutex;
    args->LockMutex = lock_mutex;
    if ((variant & 4) == 0) args->UnlockMutex = unlock_mutex;
  }
  if ((variant & 8) != 0) args->pReserved = memory_->allocate(16, 0);
  if ((variant & 16) != 0) args->flags |= CKF_LIBRARY_CANT_CREATE_OS_THREADS;
  return word_of(args);
}

void Arguments::argument(const ArgSpec& spec, const Arg& arg, Word* w) {
  const auto room = static_cast<size_t>(arg.room);
  auto buffer = [&](size_t unit) {
    return arg.null ? Word{0} : word_of(memory_->allocate(room * unit, kFill));
  };
  auto length = [&] {
    if (arg.null_length) return Word{0};
    auto* made = memory_->make<CK_ULONG>();
    *made = static_cast<CK_ULONG>(arg.room);
    return word_of(made);
  };
  switch (spec.kind) {
    case ArgKind::kSession:
    case ArgKind::kSlot:
    case ArgKind::kHandle:
      w[0] = static_cast<Word>(handles_.value_of(arg.ref));
      break;
    case ArgKind::kNumber:
      w[0] = static_cast<Word>(arg.number);
      break;
    case ArgKind::kBytes:
    case ArgKind::kPin:
    case ArgKind::kParameter: {
      CK_ULONG size;
      w[0] = place(arg.octets, &size);
      w[1] = size;
      break;
    }
    case ArgKind::kBytesOut:
      w[0] = buffer(1);
      w[1] = length();
      break;
    case ArgKind::kFillOut:
      w[0] = buffer(1);
      w[1] = room;
      break;
    case ArgKind::kSlotList:
    case ArgKind::kNumberList:
      w[0] = buffer(sizeof(CK_ULONG));
      w[1] = length();
      break;
    case ArgKind::kHandleList:
      w[0] = buffer(sizeof(CK_ULONG));
      w[1] = room;
      w[2] = arg.null_length ? 0 : word_of(memory_->make<CK_ULONG>());
      break;
    case ArgKind::kMechanism:
      w[0] = arg.null ? 0 : mechanism(arg.mechanism);
      break;
    case ArgKind::kTemplate:
    case ArgKind::kTemplateInOut:
      w[0] = arg.null ? 0 : attributes(arg.attributes, spec.kind == ArgKind::kTemplateInOut);
      w[1] = arg.null ? static_cast<Word>(arg.number) : arg.attributes.size();
      break;
    case ArgKind::kLabel: {
      CK_ULONG size;
      w[0] = place(arg.octets, &size);
      break;
    }
    case ArgKind::kNotify:
      w[0] = arg.null ? 0 : word_of(memory_->allocate(16, 0));
      w[1] = arg.null ? 0 : reinterpret_cast<Word>(&notify);
      break;
    case ArgKind::kInitArgs:
      w[0] = arg.null ? 0 : init_args(arg.number);
      break;
    case ArgKind::kNone:
      break;
    default: /* a structure, a handle or a number that is given out, or a reserved pointer */
      w[0] = arg.null ? 0 : word_of(memory_->allocate(out_size(spec.kind), 0));
      break;
  }
}

void Arguments::make(const FunctionRow& row, const Call& call, Words* words) {
  static const Arg none;
  for (unsigned i = 0; i < row.arg_count; i++)
    argument(row.args[i], i < call.args.size() ? call.args[i] : none, &words->w[row.args[i].first]);
}

size_t Arguments::out_size(ArgKind kind) {
  switch (kind) {
    case ArgKind::kInfoOut:
      return sizeof(CK_INFO);
    case ArgKind::kSlotInfoOut:
      return sizeof(CK_SLOT_INFO);
    case ArgKind::kTokenInfoOut:
      return sizeof(CK_TOKEN_INFO);
    case ArgKind::kSessionInfoOut:
      return sizeof(CK_SESSION_INFO);
    case ArgKind::kMechanismInfoOut:
      return sizeof(CK_MECHANISM_INFO);
    default:
      return sizeof(CK_ULONG);
  }
}

/* ---- words to a reply ---- */

namespace {

void collect_octets(const Word* w, const Arg& arg, CK_RV rv, Out* out) {
  const auto* length = pointer<const CK_ULONG>(w[1]);
  if (length == nullptr) return;
  out->length = *length;
  const auto* data = pointer<const uint8_t>(w[0]);
  if (rv == CKR_OK && data != nullptr && *length <= arg.room)
    out->data.assign(data, data + *length);
}

void collect_attributes(const CK_ATTRIBUTE* array, const std::vector<Attribute>& asked,
                        std::vector<Out>* outs) {
  for (size_t i = 0; array != nullptr && i < asked.size(); i++) {
    Out out;
    out.length = array[i].ulValueLen;
    if (asked[i].nested)
      collect_attributes(static_cast<const CK_ATTRIBUTE*>(array[i].pValue), asked[i].inner,
                         &out.inner);
    else if (array[i].pValue != nullptr && array[i].ulValueLen <= asked[i].value.size)
      out.data.assign(static_cast<const uint8_t*>(array[i].pValue),
                      static_cast<const uint8_t*>(array[i].pValue) + array[i].ulValueLen);
    outs->push_back(std::move(out));
  }
}

struct Collector {
  const Call& call;
  CK_RV rv;
  Handles* handles;
  Outputs* outputs;
  Var next_bind;

  /* A list of elements, or of handles of that kind. */
  void list(const Word* w, const CK_ULONG* length, uint64_t room, const HandleKind* kind,
            Out* out) {
    if (length == nullptr) return;
    out->length = *length;
    if (rv != CKR_OK || w[0] == 0 || *length > room) return;
    for (CK_ULONG i = 0; i < *length; i++) {
      const CK_ULONG value = pointer<const CK_ULONG>(w[0])[i];
      out->numbers.push_back(kind == nullptr ? value
                                             : handles->find_or_bind(*kind, value, next_bind + i));
    }
  }

  template <class T>
  void info(const Word* w, Out* out) {
    if (w[0] == 0 || rv != CKR_OK) return;
    const auto* data = pointer<const uint8_t>(w[0]);
    out->data.assign(data, data + sizeof(T));
  }

  void made(HandleKind kind, const Word* w) {
    if (rv == CKR_OK && w[0] != 0 && call.binds != 0)
      handles->bind(kind, next_bind++, *pointer<const CK_ULONG>(w[0]));
  }

  void result(const ArgSpec& spec, const Arg& arg, const Word* w, Out* out) {
    constexpr HandleKind kSlots = HandleKind::kSlot, kObjects = HandleKind::kObject;
    switch (spec.kind) {
      case ArgKind::kBytesOut:
        collect_octets(w, arg, rv, out);
        if (call.output != 0 && !out->data.empty()) outputs->keep(call.output, out->data);
        break;
      case ArgKind::kFillOut:
        if (rv != CKR_OK || w[0] == 0) break;
        out->data.assign(pointer<const uint8_t>(w[0]), pointer<const uint8_t>(w[0]) + arg.room);
        if (call.output != 0) outputs->keep(call.output, out->data);
        break;
      case ArgKind::kSlotList:
        return list(w, pointer<const CK_ULONG>(w[1]), arg.room, &kSlots, out);
      case ArgKind::kNumberList:
        return list(w, pointer<const CK_ULONG>(w[1]), arg.room, nullptr, out);
      case ArgKind::kHandleList:
        return list(w, rv == CKR_OK ? pointer<const CK_ULONG>(w[2]) : nullptr, arg.room, &kObjects,
                    out);
      case ArgKind::kTemplateInOut:
        return collect_attributes(pointer<const CK_ATTRIBUTE>(w[0]), arg.attributes, &out->inner);
      case ArgKind::kHandleOut:
        return made(HandleKind::kObject, w);
      case ArgKind::kSessionOut:
        return made(HandleKind::kSession, w);
      case ArgKind::kSlotOut:
        if (rv == CKR_OK && w[0] != 0)
          out->numbers.push_back(
              handles->find_or_bind(kSlots, *pointer<const CK_ULONG>(w[0]), next_bind));
        break;
      case ArgKind::kNumberOut:
        if (rv == CKR_OK && w[0] != 0) out->length = *pointer<const CK_ULONG>(w[0]);
        break;
      case ArgKind::kInfoOut:
        return info<CK_INFO>(w, out);
      case ArgKind::kSlotInfoOut:
        return info<CK_SLOT_INFO>(w, out);
      case ArgKind::kTokenInfoOut:
        return info<CK_TOKEN_INFO>(w, out);
      case ArgKind::kMechanismInfoOut:
        return info<CK_MECHANISM_INFO>(w, out);
      case ArgKind::kSessionInfoOut: {
        if (w[0] == 0 || rv != CKR_OK) break;
        auto* session = pointer<CK_SESSION_INFO>(w[0]);
        out->numbers.push_back(handles->var_of(kSlots, session->slotID));
        session->slotID = 0;
        return info<CK_SESSION_INFO>(w, out);
      }
      case ArgKind::kFunctionListOut:
        if (rv == CKR_OK && w[0] != 0 && *pointer<CK_FUNCTION_LIST*>(w[0]) != nullptr) {
          const CK_VERSION& version = (*pointer<CK_FUNCTION_LIST*>(w[0]))->version;
          out->numbers = {version.major, version.minor};
        }
        break;
      default:
        break;
    }
  }
};

}  // namespace

void collect(const FunctionRow& row, const Call& call, const Words& words, CK_RV rv,
             Handles* handles, Outputs* outputs, Reply* reply) {
  static const Arg none;
  Collector collector{call, rv, handles, outputs, call.binds};
  reply->rv = rv;
  reply->outs.resize(row.arg_count);
  for (unsigned i = 0; i < row.arg_count; i++)
    collector.result(row.args[i], i < call.args.size() ? call.args[i] : none,
                     &words.w[row.args[i].first], &reply->outs[i]);
  if (row.number == kC_Finalize && rv == CKR_OK) handles->forget_all();
  if (row.number == kC_DestroyObject && rv == CKR_OK)
    handles->forget(HandleKind::kObject, call.args[1].ref);
  if (row.number == kC_CloseSession && rv == CKR_OK)
    handles->forget(HandleKind::kSession, call.args[0].ref);
}

}  // namespace mp11::conform
