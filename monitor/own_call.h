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
 * Calls that the monitor makes itself, with room for what they give back. What they point to lies
 * in the arena that they are made in, or is a PIN of the caller's.
 */
#pragma once
#include <cstdint>
#include <vector>

#include "call_rec.h"
#include "cryptoki.h"
#include "marshal.h"
#include "secure_buffer.h"

namespace mp11 {

/* Slots of one library that are looked at: more tokens than that is no library we know. */
inline constexpr CK_ULONG kMaxRealSlots = 4096;

struct OwnCall {
  uint32_t function; /* its number */
  Words words = {};
};

OwnCall list_slots(bool with_token, CallArena* arena);
OwnCall ask_token_info(uint64_t slot, CallArena* arena);
OwnCall open_session(uint64_t slot, uint64_t flags, CallArena* arena);
OwnCall close_session(uint64_t session);
OwnCall log_in(uint64_t session, CK_USER_TYPE user, const SecureBuffer& pin);

/* What a library says to list_slots(). False: it is no list, or of more than there was room for. */
bool read_slots(const Message& reply, std::vector<uint64_t>* slots);

}  // namespace mp11
