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
 * A PIN as it lies in the vault's database: AES-256-GCM under a key of its own that comes from a
 * master key, over 256 octets whatever the PIN's length. Its place, backend, token and whether it
 * is the PIN or the next one, is authenticated with it: what is moved to another place does not
 * open.
 *
 * Sealed: 12 random octets (the nonce), 256 of ciphertext, 16 of tag.
 *
 * Trust: the database may be anybody's. What does not open is an error, never a PIN. That somebody
 * puts an older entry back in its own place is not noticed.
 */
#pragma once
#include <span>
#include <string>
#include <vector>

#include "master_keys.h"
#include "records.h"
#include "result.h"

namespace mp11 {

struct PinPlace {
  std::string backend, token;
  bool next = false;
};

Result<std::vector<uint8_t>> seal_pin(const MasterKeys& keys, uint32_t number,
                                      const PinPlace& place, const StoredPin& pin);
Status open_pin(const MasterKeys& keys, uint32_t number, const PinPlace& place,
                std::span<const uint8_t> sealed, StoredPin* pin);
/* A random one: kDerivedPin of the letters and digits a-z and 2-7. */
Status make_pin(StoredPin* pin);

}  // namespace mp11
