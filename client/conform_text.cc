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
#include <cstdarg>
#include <cstdio>

#include "conform_call.h"
#include "p11_attributes.h"

namespace mp11::conform {
namespace {

struct Name {
  uint64_t value;
  const char* name;
};
#define NAME(n) \
  { n, #n }
constexpr Name kReturnValues[] = {
    NAME(CKR_OK),
    NAME(CKR_CANCEL),
    NAME(CKR_HOST_MEMORY),
    NAME(CKR_SLOT_ID_INVALID),
    NAME(CKR_GENERAL_ERROR),
    NAME(CKR_FUNCTION_FAILED),
    NAME(CKR_ARGUMENTS_BAD),
    NAME(CKR_NO_EVENT),
    NAME(CKR_NEED_TO_CREATE_THREADS),
    NAME(CKR_CANT_LOCK),
    NAME(CKR_ATTRIBUTE_READ_ONLY),
    NAME(CKR_ATTRIBUTE_SENSITIVE),
    NAME(CKR_ATTRIBUTE_TYPE_INVALID),
    NAME(CKR_ATTRIBUTE_VALUE_INVALID),
    NAME(CKR_ACTION_PROHIBITED),
    NAME(CKR_DATA_INVALID),
    NAME(CKR_DATA_LEN_RANGE),
    NAME(CKR_DEVICE_ERROR),
    NAME(CKR_DEVICE_MEMORY),
    NAME(CKR_DEVICE_REMOVED),
    NAME(CKR_ENCRYPTED_DATA_INVALID),
    NAME(CKR_ENCRYPTED_DATA_LEN_RANGE),
    NAME(CKR_AEAD_DECRYPT_FAILED),
    NAME(CKR_FUNCTION_CANCELED),
    NAME(CKR_FUNCTION_NOT_PARALLEL),
    NAME(CKR_FUNCTION_NOT_SUPPORTED),
    NAME(CKR_KEY_HANDLE_INVALID),
    NAME(CKR_KEY_SIZE_RANGE),
    NAME(CKR_KEY_TYPE_INCONSISTENT),
    NAME(CKR_KEY_NOT_NEEDED),
    NAME(CKR_KEY_CHANGED),
    NAME(CKR_KEY_NEEDED),
    NAME(CKR_KEY_INDIGESTIBLE),
    NAME(CKR_KEY_FUNCTION_NOT_PERMITTED),
    NAME(CKR_KEY_NOT_WRAPPABLE),
    NAME(CKR_KEY_UNEXTRACTABLE),
    NAME(CKR_MECHANISM_INVALID),
    NAME(CKR_MECHANISM_PARAM_INVALID),
    NAME(CKR_OBJECT_HANDLE_INVALID),
    NAME(CKR_OPERATION_ACTIVE),
    NAME(CKR_OPERATION_NOT_INITIALIZED),
    NAME(CKR_PIN_INCORRECT),
    NAME(CKR_PIN_INVALID),
    NAME(CKR_PIN_LEN_RANGE),
    NAME(CKR_PIN_EXPIRED),
    NAME(CKR_PIN_LOCKED),
    NAME(CKR_SESSION_CLOSED),
    NAME(CKR_SESSION_COUNT),
    NAME(CKR_SESSION_HANDLE_INVALID),
    NAME(CKR_SESSION_PARALLEL_NOT_SUPPORTED),
    NAME(CKR_SESSION_READ_ONLY),
    NAME(CKR_SESSION_EXISTS),
    NAME(CKR_SESSION_READ_ONLY_EXISTS),
    NAME(CKR_SESSION_READ_WRITE_SO_EXISTS),
    NAME(CKR_SIGNATURE_INVALID),
    NAME(CKR_SIGNATURE_LEN_RANGE),
    NAME(CKR_TEMPLATE_INCOMPLETE),
    NAME(CKR_TEMPLATE_INCONSISTENT),
    NAME(CKR_TOKEN_NOT_PRESENT),
    NAME(CKR_TOKEN_NOT_RECOGNIZED),
    NAME(CKR_TOKEN_WRITE_PROTECTED),
    NAME(CKR_UNWRAPPING_KEY_HANDLE_INVALID),
    NAME(CKR_UNWRAPPING_KEY_SIZE_RANGE),
    NAME(CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT),
    NAME(CKR_USER_ALREADY_LOGGED_IN),
    NAME(CKR_USER_NOT_LOGGED_IN),
    NAME(CKR_USER_PIN_NOT_INITIALIZED),
    NAME(CKR_USER_TYPE_INVALID),
    NAME(CKR_USER_ANOTHER_ALREADY_LOGGED_IN),
    NAME(CKR_USER_TOO_MANY_TYPES),
    NAME(CKR_WRAPPED_KEY_INVALID),
    NAME(CKR_WRAPPED_KEY_LEN_RANGE),
    NAME(CKR_WRAPPING_KEY_HANDLE_INVALID),
    NAME(CKR_WRAPPING_KEY_SIZE_RANGE),
    NAME(CKR_WRAPPING_KEY_TYPE_INCONSISTENT),
    NAME(CKR_RANDOM_SEED_NOT_SUPPORTED),
    NAME(CKR_RANDOM_NO_RNG),
    NAME(CKR_DOMAIN_PARAMS_INVALID),
    NAME(CKR_CURVE_NOT_SUPPORTED),
    NAME(CKR_BUFFER_TOO_SMALL),
    NAME(CKR_SAVED_STATE_INVALID),
    NAME(CKR_INFORMATION_SENSITIVE),
    NAME(CKR_STATE_UNSAVEABLE),
    NAME(CKR_CRYPTOKI_NOT_INITIALIZED),
    NAME(CKR_CRYPTOKI_ALREADY_INITIALIZED),
    NAME(CKR_MUTEX_BAD),
    NAME(CKR_MUTEX_NOT_LOCKED),
    NAME(CKR_NEW_PIN_MODE),
    NAME(CKR_NEXT_OTP),
    NAME(CKR_EXCEEDED_MAX_ITERATIONS),
    NAME(CKR_FIPS_SELF_TEST_FAILED),
    NAME(CKR_LIBRARY_LOAD_FAILED),
    NAME(CKR_PIN_TOO_WEAK),
    NAME(CKR_PUBLIC_KEY_INVALID),
    NAME(CKR_FUNCTION_REJECTED),
    NAME(CKR_TOKEN_RESOURCE_EXCEEDED),
    NAME(CKR_OPERATION_CANCEL_FAILED),
    NAME(CKR_KEY_EXHAUSTED),
    NAME(CKR_PENDING),
    NAME(CKR_SESSION_ASYNC_NOT_SUPPORTED),
    NAME(CKR_SEED_RANDOM_REQUIRED),
    NAME(CKR_OPERATION_NOT_VALIDATED),
    NAME(CKR_TOKEN_NOT_INITIALIZED),
    NAME(CKR_PARAMETER_SET_NOT_SUPPORTED),
    NAME(CKR_VENDOR_DEFINED),
};
#undef NAME

[[gnu::format(printf, 2, 3)]] void add(std::string* text, const char* format, ...) {
  char line[256];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  *text += line;
}

using ulong = unsigned long;

std::string hex(uint64_t value) {
  char text[24];
  if (value == CK_UNAVAILABLE_INFORMATION) return "~0";
  snprintf(text, sizeof text, value < 10 ? "%lu" : "0x%lx", static_cast<ulong>(value));
  return text;
}

std::string ref(const Ref& r, char kind) {
  if (r.var == 0) return hex(r.literal);
  return kind + std::to_string(r.var);
}

std::string octets(const Octets& o) {
  std::string text;
  switch (o.kind) {
    case Octets::Kind::kNull:
      return "NULL[" + hex(o.size) + "]";
    case Octets::Kind::kPattern:
      return "pattern(" + hex(o.seed) + ")[" + std::to_string(o.size) + "]";
    case Octets::Kind::kOutput:
      return "output" + std::to_string(o.output);
    case Octets::Kind::kLiteral:
      break;
  }
  text = "x'";
  /* Long ones are keys of ours, which a reader knows by the start. */
  const size_t shown = std::min<size_t>(o.data.size(), 32);
  for (size_t i = 0; i < shown; i++) add(&text, "%02x", o.data[i]);
  text += shown < o.data.size() ? "...'" : "'";
  add(&text, "[%zu]", o.data.size());
  return text;
}

std::string attributes(const std::vector<Attribute>& list, bool query) {
  std::string text = "{";
  for (const Attribute& a : list) {
    if (text.size() > 1) text += ", ";
    const char* name = attribute_name(static_cast<CK_ATTRIBUTE_TYPE>(a.type));
    text += name != nullptr ? name : hex(a.type);
    if (a.nested)
      text += "=" + attributes(a.inner, query);
    else if (!query)
      text += "=" + octets(a.value);
    else if (a.value.kind == Octets::Kind::kNull)
      text += ":NULL[" + hex(a.value.size) + "]";
    else
      text += ":room[" + hex(a.value.size) + "]";
  }
  return text + "}";
}

/* Is it the length of an array? Its octets tell it then, and Arguments::fields sets it. */
bool is_length(const ParamStruct& layout, const ParamField& field) {
  return std::any_of(layout.fields.begin(), layout.fields.end(), [&](const ParamField& array) {
    return array.kind == FieldKind::kBytes && array.length == LengthIs::kOctets &&
           array.way == Way::kIn && array.length_offset == field.offset;
  });
}

std::string fields(const ParamStruct& layout, const std::vector<Field>& values) {
  std::string text = "{";
  for (size_t i = 0; i < values.size() && i < layout.fields.size(); i++) {
    const ParamField& field = layout.fields[i];
    const Field& value = values[i];
    if (field.kind == FieldKind::kUlong && is_length(layout, field)) continue;
    text += std::string(text.size() > 1 ? ", " : "") + field.name + "=";
    switch (field.kind) {
      case FieldKind::kUlong:
      case FieldKind::kOctet:
        text += hex(value.number);
        break;
      case FieldKind::kHandle:
        text += ref(value.handle, 'o');
        break;
      case FieldKind::kArray:
      case FieldKind::kBytes:
        text += octets(value.octets);
        break;
      case FieldKind::kInside:
      case FieldKind::kPointer:
        text += value.null ? "NULL" : fields(*field.nested, value.inner);
        break;
      default: /* Arguments::fields */
        text += "NULL";
        break;
    }
  }
  return text + "}";
}

std::string mechanism(const Mechanism& m) {
  std::string text = "{" + mechanism_name(m.type) + ", ";
  const std::string length = "[" + hex(m.length) + "]";
  switch (m.form) {
    case Mechanism::Form::kFlat:
      return text + octets(m.octets) + "}";
    case Mechanism::Form::kNumber:
      return text + hex(m.number) + length + "}";
    case Mechanism::Form::kHandle:
      return text + ref(m.handle, 'o') + length + "}";
    case Mechanism::Form::kStruct:
      break;
  }
  if (m.layout >= param_structs().size()) return text + "?}";
  const ParamStruct& layout = *param_structs()[m.layout];
  return text + layout.name + fields(layout, m.fields) + length + "}";
}

std::string argument(const ArgSpec& spec, const Arg& arg) {
  const std::string room = arg.null_length ? ", NULL" : ", [" + hex(arg.room) + "]";
  const std::string buffer = arg.null ? "NULL" : "buffer";
  switch (spec.kind) {
    case ArgKind::kSession:
      return ref(arg.ref, 's');
    case ArgKind::kSlot:
      return ref(arg.ref, 't');
    case ArgKind::kHandle:
      return ref(arg.ref, 'o');
    case ArgKind::kNumber:
      return hex(arg.number);
    case ArgKind::kBytes:
    case ArgKind::kParameter:
    case ArgKind::kLabel:
      return octets(arg.octets);
    case ArgKind::kPin:
      /* Never a PIN itself: what is printed ends up in reports. */
      return "PIN[" +
             hex(arg.octets.kind == Octets::Kind::kLiteral ? arg.octets.data.size()
                                                           : arg.octets.size) +
             "]";
    case ArgKind::kMechanism:
      return arg.null ? "NULL" : mechanism(arg.mechanism);
    case ArgKind::kTemplate:
    case ArgKind::kTemplateInOut:
      return arg.null ? "NULL[" + hex(arg.number) + "]"
                      : attributes(arg.attributes, spec.kind == ArgKind::kTemplateInOut);
    case ArgKind::kBytesOut:
    case ArgKind::kSlotList:
    case ArgKind::kNumberList:
    case ArgKind::kHandleList:
      return buffer + room;
    case ArgKind::kFillOut:
      return buffer + "[" + hex(arg.room) + "]";
    case ArgKind::kInitArgs: {
      if (arg.null) return "NULL";
      std::string text = (arg.number & 1) != 0 ? "{CKF_OS_LOCKING_OK" : "{0";
      if ((arg.number & 16) != 0) text += "|CKF_LIBRARY_CANT_CREATE_OS_THREADS";
      if ((arg.number & 2) != 0)
        text += (arg.number & 4) != 0 ? ", three callbacks" : ", callbacks";
      return text + ((arg.number & 8) != 0 ? ", pReserved}" : "}");
    }
    default:
      return arg.null ? "NULL" : "&";
  }
}

}  // namespace

std::string rv_name(uint64_t rv) {
  for (const Name& name : kReturnValues)
    if (name.value == rv) return name.name;
  return hex(rv);
}

std::string mechanism_name(uint64_t type) {
  const MechanismRow* row = mechanism_row(static_cast<CK_MECHANISM_TYPE>(type));
  return row != nullptr ? row->name : hex(type);
}

std::string to_text(const Call& call) {
  std::string text;
  if (call.thread != 0) text = "[thread " + std::to_string(call.thread) + "] ";
  if (call.function == kFork)
    return text + "fork (child " + std::to_string(call.args.empty() ? 0 : call.args[0].number) +
           ")";
  if (call.function == kThreads) {
    text += "at the same time:";
    for (size_t i = 0; i < call.threads.size(); i++)
      for (const Call& one : call.threads[i])
        text += "\n      thread " + std::to_string(i + 1) + ": " + to_text(one);
    return text;
  }
  const FunctionRow* row = function_row(call.function);
  if (row == nullptr) return text + "?";
  text += std::string(row->name) + "(";
  for (unsigned i = 0; i < row->arg_count && i < call.args.size(); i++)
    text += (i > 0 ? ", " : "") + argument(row->args[i], call.args[i]);
  text += ")";
  if (call.binds != 0) {
    const bool session = row->has(ArgKind::kSessionOut);
    const bool slot = row->has(ArgKind::kSlotList) || row->has(ArgKind::kSlotOut);
    text += std::string(" -> ") + (session ? 's' : slot ? 't' : 'o') + std::to_string(call.binds);
    if (row->number == kC_GenerateKeyPair) text += ", o" + std::to_string(call.binds + 1);
    if (slot || row->number == kC_FindObjects) text += "...";
  }
  if (call.output != 0) text += " -> output" + std::to_string(call.output);
  return text;
}

}  // namespace mp11::conform
