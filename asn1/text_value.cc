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
#include "text_value.h"

#include <algorithm>
#include <cstring>

#include "C-Failed-Return.h"
#include "RemoteProcedureCall.h"
#include "RemoteProcedureReturn.h"
#include "values.h"

namespace mp11::asn1 {
namespace {

constexpr long kNoOpcode = 65535;

bool is_opdata_type(const Element& element) { return (element.flags & ATF_OPEN_TYPE) != 0; }

bool extensible(const Type* sequence) {
  return static_cast<const asn_SEQUENCE_specifics_t*>(sequence->specifics)->ext_after >= 0;
}

int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

/* One more element, in an array that grows by doubling. */
void append(List* list, void* element, CallArena* arena) {
  if (list->count == list->size) {
    const int size = std::max(4, list->size * 2);
    auto** array = arena->make<void*>(static_cast<size_t>(size));
    if (list->count > 0)
      std::memcpy(array, list->array, static_cast<size_t>(list->count) * sizeof *array);
    list->array = array;
    list->size = size;
  }
  list->array[list->count++] = element;
}

}  // namespace

uint8_t* from_hexadecimal(std::string_view hexadecimal, CallArena* arena, size_t* size) {
  auto* octets = arena->make<uint8_t>(hexadecimal.size() / 2 + 1);
  size_t digits = 0;
  for (char c : hexadecimal) {
    if (is_blank(c)) continue;
    const int digit = digit_of(c);
    if (digit < 0) return nullptr;
    octets[digits / 2] = static_cast<uint8_t>(octets[digits / 2] << 4 | digit);
    digits++;
  }
  *size = digits / 2;
  return digits % 2 == 0 ? octets : nullptr;
}

TextValue::TextValue(const Type* type, CallArena* arena) : arena_(arena) {
  root_ = arena->allocate(size_of(type));
  make_slot(type, root_);
}

bool TextValue::refuse(const char* why) {
  why_ = why;
  return false;
}

bool TextValue::make_slot(const Type* type, void* at) {
  if (++nodes_ > limits::kDerNodes) return refuse("too many values");
  slot_ = Slot{};
  slot_.type = type;
  slot_.at = at;
  return true;
}

/* ---- values with values inside ---- */

bool TextValue::begin() {
  if (slot_.type == nullptr) return refuse("a value where none belongs");
  const Shape shape = shape_of(slot_.type);
  if (shape != Shape::kSequence && shape != Shape::kChoice)
    return refuse("members where there is a simple value");
  if (frames_.size() == limits::kDerDepth) return refuse("nested too deeply");
  frames_.push_back({slot_.type, slot_.at, slot_.any});
  slot_ = Slot{};
  return true;
}

bool TextValue::item() {
  if (frames_.empty() || !is_list(frames_.back().type) || slot_.type != nullptr)
    return refuse("an element outside of a list");
  const Frame& frame = frames_.back();
  const Type* type = frame.type->elements[0].type;
  void* element = arena_->allocate(size_of(type));
  append(static_cast<List*>(frame.structure), element, arena_);
  return make_slot(type, element);
}

bool TextValue::member(std::string_view name) {
  if (frames_.empty() || is_list(frames_.back().type) || slot_.type != nullptr || slot_.unknown)
    return refuse("a member where none belongs");
  Frame& frame = frames_.back();
  if (shape_of(frame.type) == Shape::kSequence) return sequence_member(&frame, name);
  if (frame.next != 0) return refuse("a second alternative");
  for (int i = 0; i < frame.type->elements_count; i++) {
    const Element& element = frame.type->elements[i];
    if (name != element.name) continue;
    frame.next = 1;
    return make_slot(element.type, choose(frame.type, frame.structure, element.name, arena_));
  }
  return refuse("an alternative that there is not");
}

bool TextValue::sequence_member(Frame* frame, std::string_view name) {
  const Type* type = frame->type;
  int i = frame->next;
  while (i < type->elements_count && name != type->elements[i].name) i++;
  for (int before = frame->next; before < i; before++)
    if (!type->elements[before].optional)
      return refuse("a member is missing, repeated, unknown or not in order");
  if (i == type->elements_count) {
    /* Of a later version: passed over, as in DER. Nothing of this version follows it. */
    if (!extensible(type)) return refuse("a member that there is not");
    frame->next = i;
    slot_ = Slot{};
    slot_.unknown = true;
    return true;
  }
  frame->next = i + 1;
  const Element& element = type->elements[i];
  if (is_opdata_type(element)) return opdata(element, *frame);
  return make_slot(element.type, place(element, frame->structure, arena_));
}

/* The slot of an opdata takes the type that the opcode before it has chosen. */
bool TextValue::opdata(const Element& element, const Frame& frame) {
  const bool call = frame.type == &asn_DEF_RemoteProcedureCall;
  if (!call && frame.type != &asn_DEF_RemoteProcedureReturn)
    return refuse("notifications are not part of this version");
  long opcode;
  std::memcpy(&opcode, peek(frame.type->elements[0], frame.structure), sizeof opcode);
  auto* any = static_cast<OCTET_STRING_t*>(place(element, frame.structure, arena_));
  const Type* type = call ? call_type(opcode) : return_type(opcode);
  if (type == nullptr) {
    static constexpr uint8_t kNull[] = {0x05, 0x00};
    put_octets(kNull, sizeof kNull, any);
    slot_ = Slot{};
    slot_.unknown = true;
    return true;
  }
  if (!make_slot(type, arena_->allocate(size_of(type)))) return false;
  slot_.any = any;
  return true;
}

bool TextValue::end() {
  if (frames_.empty() || slot_.type != nullptr || slot_.unknown)
    return refuse("an end where a value is missing");
  Frame frame = frames_.back();
  if (shape_of(frame.type) == Shape::kChoice) {
    if (frame.next == 0) return refuse("a choice without an alternative");
  } else if (!is_list(frame.type)) {
    if (frame.any != nullptr) failed_return(&frame);
    for (int i = frame.next; i < frame.type->elements_count; i++)
      if (!frame.type->elements[i].optional) return refuse("a member is missing");
  }
  frames_.pop_back();
  return filled(frame.type, frame.structure, frame.any);
}

/*
 * A return that has its value alone, and one that comes without results, is a C-Failed-Return:
 * retval is the first member of both.
 */
bool TextValue::failed_return(Frame* frame) {
  const Element& first = frame->type->elements[0];
  if (frame->next != 1 || std::strcmp(first.name, "retval") != 0) return false;
  WireNumber retval;
  std::memcpy(&retval, peek(first, frame->structure), sizeof retval);
  if (carries_results(retval)) return false;
  auto* failed = arena_->make<C_Failed_Return_t>();
  failed->retval = retval;
  frame->type = &asn_DEF_C_Failed_Return;
  frame->structure = failed;
  return true;
}

bool TextValue::passed_over() {
  if (!slot_.unknown) return refuse("a value where none belongs");
  slot_ = Slot{};
  return true;
}

/* The value of a slot is complete. */
bool TextValue::filled(const Type* type, const void* value, OCTET_STRING_t* any) {
  slot_ = Slot{};
  if (any != nullptr) {
    const size_t size = encoded_size(type, value);
    auto* der = arena_->make<uint8_t>(size + 1);
    if (size == 0 || !encode(type, value, der, size)) return refuse("a value that is out of range");
    put_octets(der, size, any);
  }
  complete_ = frames_.empty();
  return true;
}

/* ---- simple values ---- */

bool TextValue::take(Shape shape, const char* why) {
  if (slot_.type == nullptr || shape_of(slot_.type) != shape) return refuse(why);
  return true;
}

bool TextValue::boolean(bool value) {
  if (!take(Shape::kBoolean, "true or false where there is another value")) return false;
  *static_cast<BOOLEAN_t*>(slot_.at) = value ? 1 : 0;
  return filled(slot_.type, slot_.at, slot_.any);
}

bool TextValue::number(uint64_t value) {
  if (!take(Shape::kNumber, "a number where there is another value")) return false;
  if (value > INT64_MAX) return refuse("a number that is too large");
  std::memcpy(slot_.at, &value, sizeof value);
  return filled(slot_.type, slot_.at, slot_.any);
}

bool TextValue::named(std::string_view name) {
  if (!take(Shape::kEnumerated, "a name where there is another value")) return false;
  long value = kNoOpcode;
  if (!value_named(slot_.type, name, &value)) {
    /* Only an operation's may be unknown: there is an answer for that. */
    const Type* in = open();
    if (in != &asn_DEF_RemoteProcedureCall && in != &asn_DEF_RemoteProcedureReturn)
      return refuse("a name that there is not");
    unknown_opcode_ = true;
  }
  std::memcpy(slot_.at, &value, sizeof value);
  return filled(slot_.type, slot_.at, slot_.any);
}

bool TextValue::null() {
  if (!take(Shape::kNull, "null where there is another value")) return false;
  return filled(slot_.type, slot_.at, slot_.any);
}

bool TextValue::text(std::string_view utf8) {
  if (!take(Shape::kText, "a text where there is another value")) return false;
  auto* copy = arena_->make<uint8_t>(utf8.size() + 1);
  if (!utf8.empty()) std::memcpy(copy, utf8.data(), utf8.size());
  put_octets(copy, utf8.size(), static_cast<OCTET_STRING_t*>(slot_.at));
  return filled(slot_.type, slot_.at, slot_.any);
}

bool TextValue::octets(std::string_view hexadecimal) {
  if (!take(Shape::kOctets, "octets where there is another value")) return false;
  size_t size = 0;
  const uint8_t* data = from_hexadecimal(hexadecimal, arena_, &size);
  if (data == nullptr) return refuse("octets that are not pairs of hexadecimal digits");
  put_octets(data, size, static_cast<OCTET_STRING_t*>(slot_.at));
  return filled(slot_.type, slot_.at, slot_.any);
}

bool TextValue::bits(std::span<const uint8_t> octets, size_t count) {
  if (!take(Shape::kBits, "bits where there is another value")) return false;
  if (octets.size() != (count + 7) / 8) return refuse("bits of another length than they have");
  const unsigned unused = static_cast<unsigned>((8 - count % 8) % 8);
  if (unused != 0 && (octets.back() & ((1u << unused) - 1)) != 0)
    return refuse("bits beyond the length");
  auto* out = static_cast<BIT_STRING_t*>(slot_.at);
  out->buf = arena_->make<uint8_t>(octets.size() + 1);
  std::copy(octets.begin(), octets.end(), out->buf);
  out->size = static_cast<int>(octets.size());
  out->bits_unused = static_cast<int>(unused);
  return filled(slot_.type, slot_.at, slot_.any);
}

}  // namespace mp11::asn1
