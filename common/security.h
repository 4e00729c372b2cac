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
/* How a connection between hosts is protected (PROTOCOL, Layers). */
#pragma once
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string_view>

namespace mp11 {

/* By their bits in NetStart. */
enum class Security : uint8_t { kGss = 0, kKdh = 1 };

inline constexpr const char* kSecurityNames[] = {"gss", "kdh"};
inline constexpr uint32_t kAllSecurity = (1u << std::size(kSecurityNames)) - 1;

/* What the first octet of a connection says. */
inline constexpr uint8_t kFirstOctetGss = 0x00; /* of a token's length */
inline constexpr uint8_t kFirstOctetTls = 0x16; /* a record of type handshake */

constexpr uint32_t security_bit(Security security) { return 1u << static_cast<unsigned>(security); }
constexpr std::optional<Security> security_named(std::string_view name) {
  for (size_t i = 0; i < std::size(kSecurityNames); i++)
    if (name == kSecurityNames[i]) return static_cast<Security>(i);
  return std::nullopt;
}

}  // namespace mp11
