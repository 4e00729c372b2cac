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
 * How long a signature or ciphertext will be, where that is certain from mechanism and key: what
 * every library tells for a NULL buffer (PROTOCOL, Fewer round trips, output-len). Never asked of
 * the operation itself; and not told of keys that want a PIN for each use, where a library may have
 * another answer first.
 */
#pragma once
#include <optional>
#include <span>
#include <vector>

#include "compound.h"

namespace mp11 {

/*
 * What of a key decides; kNothing: the mechanism alone. A library need not look whether a key is
 * one for the mechanism before it tells a length: each has a type of key, and curves.
 */
enum class LengthOf : uint8_t { kUnknown, kNothing, kModulus, kCurve, kEdwards };
/* *fixed is set for kNothing. */
LengthOf length_of(uint32_t function, CK_MECHANISM_TYPE mechanism, CK_ULONG* fixed);
/* Octets of a signature with a key on a curve that CKA_EC_PARAMS says; none: not known here. */
std::optional<CK_ULONG> signature_on(std::span<const uint8_t> ec_params, LengthOf what);

/* Lengths of keys that were used lately, so that each is looked at once. */
class KeyLengths {
 public:
  struct Key {
    CK_OBJECT_HANDLE handle;
    LengthOf what;
    uint32_t function;
    bool operator==(const Key&) const = default;
  };
  std::optional<CK_ULONG> find(const Key& key) const;
  /* Unless something has changed since epoch() was that. */
  void keep(const Key& key, CK_ULONG length, uint64_t epoch);
  uint64_t epoch() const { return epoch_; }
  /* A call that may make a handle another key's. */
  void changed();

 private:
  static constexpr size_t kKept = 16;
  struct Entry {
    Key key;
    CK_ULONG length;
  };
  std::vector<Entry> entries_;
  uint64_t epoch_ = 0;
};

/* For the Init of an operation; nullptr: its length is not certain. */
std::unique_ptr<Compound> length_compound(const FunctionRow& row, const Words& words,
                                          KeyLengths* lengths);

}  // namespace mp11
