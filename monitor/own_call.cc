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
 * The monitor's own calls.
 *
 * Trust: the library is hostile; a list is one only if it has the form of one.
 */
#include "own_call.h"

#include "packing.h"

namespace mp11 {

OwnCall list_slots(bool with_token, CallArena* arena) {
  OwnCall call{kC_GetSlotList};
  auto* count = arena->make<CK_ULONG>();
  *count = kMaxRealSlots;
  call.words.w[0] = with_token ? CK_TRUE : CK_FALSE;
  call.words.w[1] = reinterpret_cast<Word>(arena->allocate_out(kMaxRealSlots * sizeof(CK_SLOT_ID)));
  call.words.w[2] = reinterpret_cast<Word>(count);
  return call;
}

OwnCall ask_token_info(uint64_t slot, CallArena* arena) {
  OwnCall call{kC_GetTokenInfo};
  call.words.w[0] = static_cast<Word>(slot);
  call.words.w[1] = reinterpret_cast<Word>(arena->make<CK_TOKEN_INFO>());
  return call;
}

OwnCall open_session(uint64_t slot, uint64_t flags, CallArena* arena) {
  OwnCall call{kC_OpenSession};
  call.words.w[0] = static_cast<Word>(slot);
  call.words.w[1] = static_cast<Word>(flags | CKF_SERIAL_SESSION);
  call.words.w[4] = reinterpret_cast<Word>(arena->make<CK_SESSION_HANDLE>());
  return call;
}

OwnCall close_session(uint64_t session) {
  OwnCall call{kC_CloseSession};
  call.words.w[0] = static_cast<Word>(session);
  return call;
}

OwnCall log_in(uint64_t session, CK_USER_TYPE user, const SecureBuffer& pin) {
  OwnCall call{kC_Login};
  call.words.w[0] = static_cast<Word>(session);
  call.words.w[1] = user;
  call.words.w[2] = reinterpret_cast<Word>(pin.data());
  call.words.w[3] = pin.size();
  return call;
}

bool read_slots(const Message& reply, std::vector<uint64_t>* slots) {
  PackReader in(reply.bytes.span());
  const bool has_length = in.flag();
  const uint64_t count = in.u64();
  if (!has_length || !in.flag() || !in.end() || count != reply.list.size() || count > kMaxRealSlots)
    return false;
  *slots = reply.list;
  return true;
}

}  // namespace mp11
