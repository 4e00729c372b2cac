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
 * The call record: one PKCS #11 call or its reply, as it travels in a channel.
 *
 * Trust: none of the record's fields may be believed when it comes out of shared memory. Channel
 * copies it whole, then checks format (extents, counts); the receiver checks meaning.
 *
 * Every handle of a call stands in `handles`, in the order in which the function's row and then its
 * mechanism parameter's row name them, or, where a list is longer, in the handle list. None stands
 * among the argument octets. So a monitor translates handles without knowing any mechanism.
 */
#pragma once
#include <cstdint>
#include <type_traits>
#include <vector>

#include "mp11_limits.h"
#include "secure_buffer.h"

namespace mp11 {

struct Extent {
  uint32_t offset = 0; /* from the start of the sender's half of the arena, octets */
  uint32_t length = 0; /* octets */
};

enum CallFlags : uint32_t {
  kFlagReply = 1u << 0,
  kFlagMore = 1u << 1, /* another piece of the same message follows in the next record */
  /* What the n-th object made by this call will be, n in 0..1; from the caller's template. */
  kFlagTokenObject0 = 1u << 8,
  kFlagTokenObject1 = 1u << 9,
  kFlagPrivateObject0 = 1u << 10,
  kFlagPrivateObject1 = 1u << 11,
  /* The template does not say whether the object is private: the backend's default holds. */
  kFlagPrivateUnknown0 = 1u << 12,
  kFlagPrivateUnknown1 = 1u << 13,
  /* C_CopyObject whose template does not say CKA_TOKEN: as the original. */
  kFlagTokenUnknown0 = 1u << 14,
  kFlagsKnown = 0x7f03
};

struct CallRec {
  uint32_t function = 0; /* ordinal in p11_functions.def */
  uint32_t flags = 0;    /* CallFlags */
  uint64_t id = 0;       /* chosen by the caller; the reply repeats it */
  uint64_t rv = 0;       /* CK_RV, in a reply */
  uint64_t primary = 0;  /* session handle, or slot id */
  uint64_t handles[limits::kRecordHandles] = {};
  uint64_t numbers[limits::kRecordNumbers] = {};
  uint32_t handle_count = 0; /* used entries of handles */
  uint32_t number_count = 0; /* used entries of numbers */
  Extent handle_list;        /* 64-bit words; length is a multiple of 8 */
  Extent bytes;              /* packed arguments of a call, packed results of a reply */
  uint64_t reserved[3] = {}; /* zero */
};
static_assert(sizeof(CallRec) == 256);
static_assert(std::has_unique_object_representations_v<CallRec>);

/*
 * A record with its octets, in private memory. Reused from call to call: clear() wipes what was
 * used and keeps the memory.
 */
struct Message {
  CallRec rec;
  std::vector<uint64_t> list; /* the handle list */
  SecureBuffer bytes;
  /*
   * Of a message to be sent: octets that stand elsewhere until it is sent, so that long ones are
   * copied once on their way into the channel. They belong after the first `at` of bytes. None in
   * a message that was received.
   */
  struct Lent {
    const uint8_t* data = nullptr;
    size_t size = 0;
    size_t at = 0;
  } lent;

  size_t size() const { return bytes.size() + lent.size; }
  void clear() {
    rec = CallRec{};
    list.clear();
    bytes.clear();
    lent = {};
  }
};

}  // namespace mp11
