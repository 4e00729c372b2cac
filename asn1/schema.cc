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
#include "schema.h"

#include <INTEGER.h>
#include <NULL.h>
#include <constr_CHOICE.h>
#include <constr_SEQUENCE.h>
#include <constr_SEQUENCE_OF.h>

#include <cstring>
#include <iterator>
#include <map>
#include <span>

#include "TransportMessage.h"
#include "result.h"

extern "C" {
#define P11_FUNCTION(number, name, ...)                 \
  extern asn_TYPE_descriptor_t asn_DEF_C_##name##_Call; \
  extern asn_TYPE_descriptor_t asn_DEF_C_##name##_Return;
#include "p11_functions.def"
#undef P11_FUNCTION
extern asn_TYPE_descriptor_t asn_DEF_C_Failed_Return;
extern asn_TYPE_descriptor_t asn_DEF_X_Cancel_Call, asn_DEF_X_Cancel_Return;
extern asn_TYPE_descriptor_t asn_DEF_X_Snapshot_Call, asn_DEF_X_Snapshot_Return;
extern asn_TYPE_descriptor_t asn_DEF_X_Renew_Call, asn_DEF_X_Renew_Return;
}

namespace mp11::asn1 {
namespace {

struct TypePair {
  Type* call;
  Type* result;
};

constexpr TypePair kTypes[] = {
#define P11_FUNCTION(number, name, ...) {&asn_DEF_C_##name##_Call, &asn_DEF_C_##name##_Return},
#include "p11_functions.def"
#undef P11_FUNCTION
};
static_assert(std::size(kTypes) == kFunctions);

/* What is not PKCS #11, from this opcode on. */
constexpr long kFirstOther = 256;
constexpr TypePair kOtherTypes[] = {
    {&asn_DEF_X_Cancel_Call, &asn_DEF_X_Cancel_Return},
    {&asn_DEF_X_Snapshot_Call, &asn_DEF_X_Snapshot_Return},
    {&asn_DEF_X_Renew_Call, &asn_DEF_X_Renew_Return},
};

const TypePair* operation(long opcode) {
  const auto index = static_cast<size_t>(opcode);
  if (opcode >= 0 && index < std::size(kTypes)) return &kTypes[index];
  const auto other = static_cast<size_t>(opcode - kFirstOther);
  if (opcode >= kFirstOther && other < std::size(kOtherTypes)) return &kOtherTypes[other];
  return nullptr;
}

/*
 * asn1c's descriptors as they are to be used. Types that are another type by name copy its
 * functions into their own descriptor when they are first used, one step at a time; freeing nothing
 * three times takes the longest chain there is.
 *
 * With the functions comes the other type's check, in the place of the type's own: from its first
 * use on an ACK-BYTE might have two octets. A check of a type's own stays where it is put back; one
 * that is but the other type's puts that there by itself when it is called.
 */
class Descriptors {
 public:
  void add(Type* type) {
    if (!checks_.emplace(type, Check{type->check_constraints}).second) return;
    for (int i = 0; i < 3; i++) type->free_struct(type, nullptr, 1);
    for (int i = 0; i < type->elements_count; i++) add(type->elements[i].type);
  }
  void prepare() {
    for (int i = 0; i < 3; i++)
      for (const auto& [type, check] : checks_) {
        type->check_constraints = check.function;
        check.function(type, nullptr, nullptr, nullptr);
      }
  }

 private:
  struct Check {
    asn_constr_check_f* function;
  };
  std::map<Type*, Check> checks_;
};

/* Arguments that are pointers and for which the call has no NULL of its own. */
uint32_t nullable_words(const FunctionRow& row, const FunctionTypes& types) {
  using enum ArgKind;
  uint32_t bits = 0;
  for (unsigned i = 0; i < row.arg_count; i++) {
    const ArgSpec& arg = row.args[i];
    const uint32_t first = 1u << arg.first;
    switch (arg.kind) {
      case kBytes:
      case kPin:
        if (shape_of(types.call_member[arg.first]->type) != Shape::kChoice) bits |= first;
        break;
      case kBytesOut:
      case kSlotList:
      case kNumberList:
        bits |= first << 1;
        break;
      case kHandleList:
        bits |= first | first << 2;
        break;
      case kFillOut:
      case kTemplate:
      case kTemplateInOut:
      case kHandleOut:
      case kSessionOut:
      case kSlotOut:
      case kNumberOut:
      case kInfoOut:
      case kSlotInfoOut:
      case kTokenInfoOut:
      case kSessionInfoOut:
      case kMechanismInfoOut:
      case kLabel:
        bits |= first;
        break;
      default:
        break;
    }
  }
  return bits;
}

void bind(const Type* type, unsigned words, const Element** members) {
  for (int i = 0; i < type->elements_count; i++) {
    const Element& element = type->elements[i];
    if (BER_TAG_CLASS(element.tag) != ASN_TAG_CLASS_CONTEXT) continue;
    if (BER_TAG_VALUE(element.tag) < words) members[BER_TAG_VALUE(element.tag)] = &element;
  }
}

struct Bindings {
  FunctionTypes functions[kFunctions];

  Bindings() {
    Descriptors descriptors;
    descriptors.add(&asn_DEF_TransportMessage);
    descriptors.add(&asn_DEF_C_Failed_Return);
    for (const TypePair& other : kOtherTypes) {
      descriptors.add(other.call);
      descriptors.add(other.result);
    }
    for (unsigned i = 0; i < kFunctions; i++) {
      const FunctionRow& row = kFunctionTable[i];
      FunctionTypes& types = functions[i];
      types.call = kTypes[i].call;
      types.result = kTypes[i].result;
      descriptors.add(types.call);
      descriptors.add(types.result);
      bind(types.call, row.word_count, types.call_member);
      bind(types.result, row.word_count, types.result_member);
      types.nullable = nullable_words(row, types);
    }
    descriptors.prepare();
  }
};

/* Takes asn1c's output; `to` is what is left of the buffer. */
int append(const void* data, size_t size, void* to) {
  auto* rest = static_cast<std::span<uint8_t>*>(to);
  if (size > rest->size()) return -1;
  if (size > 0) std::memcpy(rest->data(), data, size);
  *rest = rest->subspan(size);
  return 0;
}

template <class T>
const T& specifics(const Type* type) {
  return *static_cast<const T*>(type->specifics);
}

}  // namespace

const FunctionTypes& function_types(const FunctionRow& row) {
  static const Bindings bindings;
  return bindings.functions[row.number];
}

Shape shape_of(const Type* type) {
  if (type->tags_count == 0) return type->elements_count > 0 ? Shape::kChoice : Shape::kOther;
  const ber_tlv_tag_t tag = type->tags[type->tags_count - 1];
  if (BER_TAG_CLASS(tag) != ASN_TAG_CLASS_UNIVERSAL)
    return type->elements_count > 0 ? Shape::kChoice : Shape::kOther;
  switch (BER_TAG_VALUE(tag)) {
    case 1:
      return Shape::kBoolean;
    case 2:
      return Shape::kNumber;
    case 3:
      return Shape::kBits;
    case 4:
      return Shape::kOctets;
    case 5:
      return Shape::kNull;
    case 10:
      return Shape::kEnumerated;
    case 12:
    case 22:
      return Shape::kText;
    case 16:
      return Shape::kSequence;
    default:
      return Shape::kOther;
  }
}

bool is_list(const Type* type) {
  return shape_of(type) == Shape::kSequence && type->elements_count == 1 &&
         type->elements[0].name[0] == 0;
}

const Type* call_type(long opcode) {
  const TypePair* types = operation(opcode);
  return types != nullptr ? types->call : nullptr;
}

const Type* return_type(long opcode) {
  const TypePair* types = operation(opcode);
  return types != nullptr ? types->result : nullptr;
}

bool value_named(const Type* enumerated, std::string_view name, long* value) {
  const auto& spec = specifics<asn_INTEGER_specifics_t>(enumerated);
  for (int i = 0; i < spec.map_count; i++) {
    const auto& entry = spec.value2enum[i];
    if (name != std::string_view(entry.enum_name, entry.enum_len)) continue;
    *value = entry.nat_value;
    return true;
  }
  return false;
}

const char* name_of(const Type* enumerated, long value) {
  const auto& spec = specifics<asn_INTEGER_specifics_t>(enumerated);
  for (int i = 0; i < spec.map_count; i++)
    if (spec.value2enum[i].nat_value == value) return spec.value2enum[i].enum_name;
  return nullptr;
}

size_t size_of(const Type* type) {
  switch (shape_of(type)) {
    case Shape::kBoolean:
      return sizeof(BOOLEAN_t);
    case Shape::kNumber:
    case Shape::kEnumerated:
      return sizeof(long);
    case Shape::kBits:
      return sizeof(BIT_STRING_t);
    case Shape::kOctets:
    case Shape::kText:
      return sizeof(OCTET_STRING_t);
    case Shape::kNull:
      return sizeof(NULL_t);
    case Shape::kChoice:
      return static_cast<size_t>(specifics<asn_CHOICE_specifics_t>(type).struct_size);
    case Shape::kSequence:
      /* SEQUENCE and SEQUENCE OF both begin with it. */
      return static_cast<size_t>(specifics<asn_SEQUENCE_specifics_t>(type).struct_size);
    case Shape::kOther:
      break;
  }
  MP11_ASSERT(false && "a type of the module that has no size here");
}

const void* peek(const Element& element, const void* structure) {
  const auto* at = static_cast<const uint8_t*>(structure) + element.memb_offset;
  if (!(element.flags & ATF_POINTER)) return at;
  const void* pointer;
  std::memcpy(&pointer, at, sizeof pointer);
  return pointer;
}

void* place(const Element& element, void* structure, CallArena* arena) {
  auto* at = static_cast<uint8_t*>(structure) + element.memb_offset;
  if (!(element.flags & ATF_POINTER)) return at;
  void* value = arena->allocate(size_of(element.type));
  std::memcpy(at, &value, sizeof value);
  return value;
}

const Element* chosen(const Type* choice, const void* structure) {
  const auto& spec = specifics<asn_CHOICE_specifics_t>(choice);
  unsigned present = 0;
  MP11_ASSERT(spec.pres_size == sizeof present);
  std::memcpy(&present, static_cast<const uint8_t*>(structure) + spec.pres_offset, sizeof present);
  if (present == 0 || present > static_cast<unsigned>(choice->elements_count)) return nullptr;
  return &choice->elements[present - 1];
}

bool holds(const Type* choice, const void* structure, const char* name, const void** value) {
  const Element* element = chosen(choice, structure);
  if (element == nullptr || std::strcmp(element->name, name) != 0) return false;
  *value = peek(*element, structure);
  return true;
}

void* choose(const Type* choice, void* structure, const char* name, CallArena* arena) {
  const auto& spec = specifics<asn_CHOICE_specifics_t>(choice);
  for (int i = 0; i < choice->elements_count; i++) {
    const Element& element = choice->elements[i];
    if (std::strcmp(element.name, name) != 0) continue;
    const unsigned present = static_cast<unsigned>(i) + 1;
    MP11_ASSERT(spec.pres_size == sizeof present);
    std::memcpy(static_cast<uint8_t*>(structure) + spec.pres_offset, &present, sizeof present);
    return place(element, structure, arena);
  }
  MP11_ASSERT(false && "an alternative that the module does not have");
}

void* make_list(List* list, size_t count, size_t size, CallArena* arena) {
  MP11_ASSERT(count <= limits::kDerNodes);
  auto* elements = static_cast<uint8_t*>(arena->allocate(count * size));
  list->array = arena->make<void*>(count);
  for (size_t i = 0; i < count; i++) list->array[i] = elements + i * size;
  list->count = static_cast<int>(count);
  list->size = list->count;
  return elements;
}

void* decode(const Type* type, const uint8_t* der, size_t size) {
  auto* descriptor = const_cast<Type*>(type); /* asn1c's interface has no const */
  void* structure = nullptr;
  asn_dec_rval_t got = ber_decode(nullptr, descriptor, &structure, der, size);
  if (got.code != RC_OK || got.consumed != size || structure == nullptr) return nullptr;
  if (asn_check_constraints(descriptor, structure, nullptr, nullptr) != 0) return nullptr;
  return structure;
}

size_t encoded_size(const Type* type, const void* structure) {
  auto* descriptor = const_cast<Type*>(type);
  auto* from = const_cast<void*>(structure);
  if (asn_check_constraints(descriptor, structure, nullptr, nullptr) != 0) return 0;
  asn_enc_rval_t sized = der_encode(descriptor, from, nullptr, nullptr);
  return sized.encoded > 0 ? static_cast<size_t>(sized.encoded) : 0;
}

bool encode(const Type* type, const void* structure, uint8_t* out, size_t size) {
  std::span<uint8_t> rest(out, size);
  asn_enc_rval_t encoded =
      der_encode(const_cast<Type*>(type), const_cast<void*>(structure), append, &rest);
  return encoded.encoded >= 0 && rest.empty();
}

}  // namespace mp11::asn1
