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
 * Snapshot: what a client asks for when it starts, in one message that is none of PKCS #11's
 * (PROTOCOL, Fewer round trips): the library's info, and of each slot its info, that of its token,
 * and its mechanisms.
 *
 * Trust: as codec.h. What decode_snapshot gives has each slot once, and is within the limits.
 */
#pragma once
#include "codec.h"

namespace mp11 {

/* Opcode of X-Snapshot. */
inline constexpr uint32_t kSnapshotOpcode = 257;

struct SlotSnapshot {
  CK_SLOT_ID id = 0;
  CK_SLOT_INFO info = {};
  std::optional<CK_TOKEN_INFO> token;
  std::vector<CK_MECHANISM_TYPE> mechanisms; /* none: they are not known */
  std::vector<CK_MECHANISM_INFO> infos;      /* of each, or none */
};

struct Snapshot {
  CK_INFO info = {};
  std::vector<SlotSnapshot> slots; /* all that there are, in the order of C_GetSlotList */
};

/* Client side. Both clear *out first. */
void encode_snapshot_call(const Envelope& envelope, CallArena* arena, SecureBuffer* out);
/* kSyntax: it is none, or breaks a limit. kAnswer: the server has none to give. */
CodecStatus decode_snapshot(const Received& received, CallArena* arena, Snapshot* snapshot);

/* Server side. token_present: of the slots that have one alone. */
bool decode_snapshot_call(const Received& received, CallArena* arena, bool* token_present);
/* A C-Failed-Return where it has no form, or is too large for one message. */
void encode_snapshot(const Snapshot& snapshot, const Envelope& envelope, CallArena* arena,
                     SecureBuffer* out);

}  // namespace mp11
