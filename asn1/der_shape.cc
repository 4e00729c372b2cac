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
#include "der_shape.h"

#include "mp11_limits.h"

namespace mp11 {
namespace {

constexpr uint8_t kConstructed = 0x20;
constexpr uint8_t kClassMask = 0xc0; /* 0: universal */
constexpr uint8_t kNumberMask = 0x1f;

enum Universal : uint8_t {
  kBoolean = 1,
  kInteger = 2,
  kBitString = 3,
  kNull = 5,
  kEnumerated = 10,
  kSequence = 16,
  kSet = 17,
};

/*
 * Reads a length at *at, which stands before `end`; moves *at behind it. DER has the short form up
 * to 127, above it the fewest octets. Four octets are enough for every message that can be.
 */
DerError read_length(const uint8_t** at, const uint8_t* end, size_t* length) {
  if (*at == end) return DerError::kTruncated;
  const uint8_t first = *(*at)++;
  if (first < 0x80) {
    *length = first;
    return DerError::kNone;
  }
  const size_t octets = first & 0x7f;
  if (octets == 0 || octets > 4) return DerError::kLength;
  if (static_cast<size_t>(end - *at) < octets) return DerError::kTruncated;
  if (**at == 0) return DerError::kLength;
  size_t value = 0;
  for (size_t i = 0; i < octets; i++) value = value << 8 | *(*at)++;
  if (value < 0x80) return DerError::kLength;
  *length = value;
  return DerError::kNone;
}

/* Whether the value of a primitive universal type is the one that DER has for it. */
bool value_is_canonical(uint8_t tag, std::span<const uint8_t> value) {
  switch (tag) {
    case kBoolean:
      return value.size() == 1 && (value[0] == 0 || value[0] == 0xff);
    case kInteger:
    case kEnumerated:
      /* The protocol has no negative numbers; asn1c would take them for positive ones. */
      if (value.empty() || value[0] > 0x7f) return false;
      /* Nine bits that are all zero: the first octet would say nothing. */
      return value.size() == 1 || value[0] != 0 || value[1] > 0x7f;
    case kNull:
      return value.empty();
    case kBitString: {
      if (value.empty() || value[0] > 7) return false;
      const unsigned unused = value[0];
      if (unused == 0) return true;
      return value.size() > 1 && (value.back() & ((1u << unused) - 1)) == 0;
    }
    default:
      return true;
  }
}

}  // namespace

DerError der_shape(std::span<const uint8_t> der) {
  if (der.empty()) return DerError::kEmpty;
  const uint8_t* at = der.data();
  /* Where the value that is open at each depth ends; the input itself at depth 0. */
  const uint8_t* ends[limits::kDerDepth + 1] = {der.data() + der.size()};
  size_t depth = 0;
  size_t nodes = 0;

  for (;;) {
    while (depth > 0 && at == ends[depth]) depth--;
    if (depth == 0 && nodes > 0) return at == ends[0] ? DerError::kNone : DerError::kTrailing;
    const uint8_t* end = ends[depth];

    if (++nodes > limits::kDerNodes) return DerError::kTooManyNodes;
    const uint8_t tag = *at++;
    const uint8_t number = tag & kNumberMask;
    const bool constructed = tag & kConstructed;
    const bool universal = (tag & kClassMask) == 0;
    if (tag == 0) return DerError::kEndOfContents;
    if (number == kNumberMask) return DerError::kHighTag;
    /*
     * The module's own tags are explicit, so they stand around something. asn1c does not ask: it
     * would look for values inside of a primitive one, where this function has not been.
     */
    if (constructed != (!universal || number == kSequence || number == kSet))
      return DerError::kForm;

    size_t length = 0;
    if (DerError error = read_length(&at, end, &length); error != DerError::kNone) return error;
    if (static_cast<size_t>(end - at) < length) return DerError::kTruncated;
    if (universal && !constructed && !value_is_canonical(number, {at, length}))
      return DerError::kValue;

    if (constructed) {
      if (depth == limits::kDerDepth) return DerError::kTooDeep;
      ends[++depth] = at + length;
    } else {
      at += length;
    }
  }
}

const char* der_error_text(DerError error) {
  switch (error) {
    case DerError::kNone:
      return "no error";
    case DerError::kEmpty:
      return "no octets";
    case DerError::kTruncated:
      return "a value ends beyond its surroundings";
    case DerError::kTrailing:
      return "octets follow the message";
    case DerError::kTooManyNodes:
      return "too many values";
    case DerError::kTooDeep:
      return "nested too deeply";
    case DerError::kHighTag:
      return "a tag of several octets";
    case DerError::kEndOfContents:
      return "an end-of-contents tag";
    case DerError::kForm:
      return "constructed where it must not be, or primitive";
    case DerError::kLength:
      return "a length that DER does not allow";
    case DerError::kValue:
      return "a value that DER does not allow";
  }
  return "unknown";
}

DerFrame der_frame(std::span<const uint8_t> head, size_t max, size_t* total) {
  if (head.empty()) return DerFrame::kMore;
  if (head[0] != (kSequence | kConstructed)) return DerFrame::kBad;
  const uint8_t* at = head.data() + 1;
  size_t length = 0;
  switch (read_length(&at, head.data() + head.size(), &length)) {
    case DerError::kNone:
      break;
    case DerError::kTruncated:
      return DerFrame::kMore;
    default:
      return DerFrame::kBad;
  }
  const size_t header = static_cast<size_t>(at - head.data());
  if (header > max || length > max - header) return DerFrame::kTooLarge;
  *total = header + length;
  return DerFrame::kKnown;
}

}  // namespace mp11
