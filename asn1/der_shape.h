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
 * The shape of DER, checked before asn1c sees an octet (PROTOCOL, Encodings).
 *
 * Trust: the octets come from the network. asn1c 0.9.28 hangs, recurses without end or takes
 * thirty-two times an input's memory on BER that a DER parser need never meet: indefinite lengths,
 * constructed strings, deep nesting. der_shape() lets through only what has the form of DER, so
 * that none of this reaches it. It neither allocates nor recurses, and reads no octet beyond its
 * input.
 */
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

namespace mp11 {

enum class DerError : uint8_t {
  kNone,
  kEmpty,         /* no octets */
  kTruncated,     /* a tag, length or value ends beyond its surroundings */
  kTrailing,      /* octets after the one value */
  kTooManyNodes,  /* limits::kDerNodes */
  kTooDeep,       /* limits::kDerDepth */
  kHighTag,       /* a tag of more than one octet: the protocol has none */
  kEndOfContents, /* tag 0: part of indefinite lengths only */
  kForm,          /* a constructed string, or a primitive SEQUENCE, SET or explicit tag */
  kLength,        /* indefinite, or more octets than needed */
  kValue,         /* INTEGER, BOOLEAN, NULL or BIT STRING not in its one DER form, or negative */
};

/* kNone when `der` is exactly one value of the right shape, from its first to its last octet. */
DerError der_shape(std::span<const uint8_t> der);

/* For the log. */
const char* der_error_text(DerError error);

enum class DerFrame : uint8_t {
  kMore,     /* the length is not complete yet */
  kKnown,    /* *total is set */
  kBad,      /* no SEQUENCE, or a length that DER does not allow */
  kTooLarge, /* more than `max` octets in total */
};

/*
 * How many octets the message at the start of a stream has, header and all. `head` may be any part
 * of it, from its first octet on. A message is a SEQUENCE.
 */
DerFrame der_frame(std::span<const uint8_t> head, size_t max, size_t* total);

}  // namespace mp11
