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
 * DER as a tree that can be changed and written again, for attack tests: what comes out is
 * well-formed where nothing was done to make it otherwise.
 */
#pragma once
#include <cstdint>
#include <optional>
#include <vector>

namespace mp11::test {

struct DerNode {
  uint8_t tag = 0; /* of one octet: the protocol has no other */
  std::vector<uint8_t> octets;
  std::vector<DerNode> children; /* constructed */
  bool constructed() const { return (tag & 0x20) != 0; }
};

/* nullopt for what is no single value. */
std::optional<DerNode> parse_der(const std::vector<uint8_t>& der);
std::vector<uint8_t> encode_der(const DerNode& node);

/* In a call: another number of the function. */
bool set_opcode(DerNode* message, uint32_t opcode);

/*
 * The message changed at each value in turn: left out, doubled, emptied, longer, of other tags,
 * negative, huge, in a longer form; and cut and lengthened as a whole.
 */
std::vector<std::vector<uint8_t>> mutations(const std::vector<uint8_t>& der);

}  // namespace mp11::test
