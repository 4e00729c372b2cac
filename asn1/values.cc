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
#include "values.h"

#include <algorithm>
#include <cstring>

#include "ACK-VERSION.h"
#include "result.h"

namespace mp11::asn1 {

void put_octets(const void* data, size_t size, OCTET_STRING_t* out) {
  /* asn1c only reads what it encodes. */
  static uint8_t nothing; /* some types of asn1c take NULL for absence, even of no octets */
  out->buf = data != nullptr ? const_cast<uint8_t*>(static_cast<const uint8_t*>(data)) : &nothing;
  out->size = static_cast<int>(size);
}

std::span<const uint8_t> octets_of(const OCTET_STRING_t& string) {
  return {string.buf, static_cast<size_t>(string.size)};
}

void* pointer_to(const OCTET_STRING_t& string, CallArena* arena) {
  return string.buf != nullptr ? string.buf : arena->allocate(1);
}

/* ---- flags: bit i of the BIT STRING, counted from the highest bit of its first octet ---- */

void put_flags(CK_FLAGS flags, BIT_STRING_t* out, CallArena* arena) {
  const unsigned octets = uint64_t{flags} >> 32 ? 8 : 4;
  out->buf = arena->make<uint8_t>(octets);
  out->size = static_cast<int>(octets);
  for (unsigned i = 0; i < octets * 8; i++)
    if (uint64_t{flags} >> i & 1) out->buf[i / 8] |= static_cast<uint8_t>(0x80 >> i % 8);
}

bool get_flags(const BIT_STRING_t& bits, CK_FLAGS* flags) {
  if (bits.size > 8) return false;
  uint64_t value = 0;
  for (unsigned i = 0; i < static_cast<unsigned>(bits.size) * 8; i++)
    if (bits.buf[i / 8] & 0x80 >> i % 8) value |= uint64_t{1} << i;
  *flags = static_cast<CK_FLAGS>(value);
  return *flags == value;
}

/* ---- texts ---- */

size_t utf8_character(std::span<const uint8_t> text) {
  if (text.empty()) return 0;
  const uint8_t first = text[0];
  if (first < 0x80) return 1;
  const size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < size) return 0;
  uint32_t value = first & (0x7fu >> size);
  for (size_t i = 1; i < size; i++) {
    if ((text[i] & 0xc0) != 0x80) return 0;
    value = value << 6 | (text[i] & 0x3f);
  }
  constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  if (value < kLeast[size] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) return 0;
  return size;
}

bool is_utf8(std::span<const uint8_t> text) {
  while (!text.empty()) {
    const size_t size = utf8_character(text);
    if (size == 0) return false;
    text = text.subspan(size);
  }
  return true;
}

void put_text(const uint8_t* text, size_t size, OCTET_STRING_t* out, CallArena* arena) {
  uint8_t* copy = arena->make<uint8_t>(size);
  std::copy_n(text, size, copy);
  for (size_t at = 0; at < size;) {
    const size_t character = utf8_character({copy + at, size - at});
    if (character == 0) copy[at] = '?';
    at += std::max<size_t>(character, 1);
  }
  put_octets(copy, size, out);
}

void get_text(const OCTET_STRING_t& string, uint8_t* text, size_t size) {
  std::span<const uint8_t> rest = octets_of(string);
  size_t at = 0;
  while (!rest.empty()) {
    size_t character = utf8_character(rest);
    const bool valid = character != 0;
    if (!valid) character = 1;
    if (character > size - at) break;
    if (valid)
      std::copy_n(rest.data(), character, text + at);
    else
      text[at] = '?';
    at += character;
    rest = rest.subspan(character);
  }
  std::fill(text + at, text + size, uint8_t{' '});
}

/* ---- information structures ---- */

void* InfoPutter::next(Shape* shape) {
  MP11_ASSERT(next_ < type_->elements_count);
  const Element& element = type_->elements[next_++];
  *shape = shape_of(element.type);
  return place(element, structure_, arena_);
}

void InfoPutter::text(const CK_BYTE* field, size_t size) {
  Shape shape;
  void* at = next(&shape);
  MP11_ASSERT(shape == Shape::kText);
  put_text(field, size, static_cast<OCTET_STRING_t*>(at), arena_);
  /* utcTime is an IA5String: a token without a clock may have anything there. */
  const ber_tlv_tag_t tag = type_->elements[next_ - 1].type->tags[0];
  if (BER_TAG_VALUE(tag) == 22) {
    auto* string = static_cast<OCTET_STRING_t*>(at);
    std::replace_if(
        string->buf, string->buf + size, [](uint8_t c) { return c > 0x7f; }, '?');
  }
}

void InfoPutter::number(CK_ULONG value) {
  Shape shape;
  void* at = next(&shape);
  if (shape == Shape::kBits) return put_flags(value, static_cast<BIT_STRING_t*>(at), arena_);
  MP11_ASSERT(shape == Shape::kNumber);
  *static_cast<WireNumber*>(at) = nearest_number(value);
}

void InfoPutter::version(const CK_VERSION& version) {
  Shape shape;
  auto* out = static_cast<ACK_VERSION_t*>(next(&shape));
  uint8_t* octets = arena_->make<uint8_t>(2);
  octets[0] = version.major;
  octets[1] = version.minor;
  put_octets(octets, 1, &out->major);
  put_octets(octets + 1, 1, &out->minor);
}

const void* InfoGetter::next(Shape* shape) {
  MP11_ASSERT(next_ < type_->elements_count);
  const Element& element = type_->elements[next_++];
  *shape = shape_of(element.type);
  return peek(element, structure_);
}

void InfoGetter::text(CK_BYTE* field, size_t size) {
  Shape shape;
  const void* at = next(&shape);
  get_text(*static_cast<const OCTET_STRING_t*>(at), field, size);
}

void InfoGetter::number(CK_ULONG& value) {
  Shape shape;
  const void* at = next(&shape);
  ok_ = ok_ && (shape == Shape::kBits ? get_flags(*static_cast<const BIT_STRING_t*>(at), &value)
                                      : get_number(*static_cast<const WireNumber*>(at), &value));
}

void InfoGetter::version(CK_VERSION& version) {
  Shape shape;
  const auto* in = static_cast<const ACK_VERSION_t*>(next(&shape));
  if (in->major.size != 1 || in->minor.size != 1) {
    ok_ = false;
    return;
  }
  version.major = in->major.buf[0];
  version.minor = in->minor.buf[0];
}

}  // namespace mp11::asn1
