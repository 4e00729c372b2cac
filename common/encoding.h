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
/* In which form messages travel between hosts (PROTOCOL, Encodings). */
#pragma once
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string_view>

namespace mp11 {

/* By their bits in a hello, and in NetStart. */
enum class Encoding : uint8_t { kDer = 0, kXer = 1, kJer = 2 };

inline constexpr const char* kEncodingNames[] = {"der", "xer", "jer"};
inline constexpr uint32_t kAllEncodings = (1u << std::size(kEncodingNames)) - 1;

constexpr uint32_t encoding_bit(Encoding encoding) { return 1u << static_cast<unsigned>(encoding); }
constexpr const char* encoding_name(Encoding encoding) {
  return kEncodingNames[static_cast<size_t>(encoding)];
}
constexpr std::optional<Encoding> encoding_named(std::string_view name) {
  for (size_t i = 0; i < std::size(kEncodingNames); i++)
    if (name == kEncodingNames[i]) return static_cast<Encoding>(i);
  return std::nullopt;
}
/* What a message that begins with this octet is written in. */
constexpr std::optional<Encoding> encoding_of(uint8_t first) {
  switch (first) {
    case 0x30:
      return Encoding::kDer;
    case '<':
      return Encoding::kXer;
    case '{':
      return Encoding::kJer;
    default:
      return std::nullopt;
  }
}

}  // namespace mp11
