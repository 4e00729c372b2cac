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
 * The master keys, and the PINs that are derived from them. multip11-vault alone has them.
 *
 * A file of them has one on each line, as 64 hexadecimal digits (256 bits): the first is number 1.
 * New PINs come from the last one; the others stay for the PINs that came from them.
 *
 * A PIN is HKDF-SHA256 (RFC 5869) of the key over backend, token and purpose, spelled with the 32
 * letters and digits a-z and 2-7: kDerivedPin of them, of which a token may take fewer.
 */
#pragma once
#include <span>
#include <string>
#include <vector>

#include "records.h"
#include "result.h"
#include "secure_buffer.h"

namespace mp11 {

enum class PinPurpose { kUser, kSecurityOfficer };

/* So many octets, of which five bits count, as letters and digits. */
void spell_pin(const uint8_t (&octets)[kDerivedPin], StoredPin* pin);

class MasterKeys {
 public:
  static Result<MasterKeys> read(std::span<const uint8_t> text);

  /* Numbers are 1 to count(). */
  uint32_t count() const { return static_cast<uint32_t>(keys_.size()); }
  /* False when there is no such key. The PIN is whole (kDerivedPin). */
  bool derive(uint32_t number, const std::string& backend, const std::string& token,
              PinPurpose purpose, StoredPin* pin) const;
  /* What PINs in the database are encrypted with: pin_box.h. False when there is no such key. */
  bool sealing_key(uint32_t number, uint8_t (*key)[32]) const;
  /* Tells it from others, and nothing else of it: hexadecimal digits. */
  std::string fingerprint(uint32_t number) const;

 private:
  bool expand(uint32_t number, const std::string& info, uint8_t (&octets)[32]) const;
  std::vector<SecureBuffer> keys_;
};

}  // namespace mp11
