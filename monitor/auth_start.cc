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
#include "auth_start.h"

#include <charconv>

namespace mp11 {
namespace {

bool parse_number(std::string_view text, uint32_t least, uint32_t most, uint32_t* out) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *out);
  return error == std::errc() && end == text.data() + text.size() && *out >= least && *out <= most;
}

}  // namespace

Result<AuthStart> parse_auth_start(std::string_view block) {
  AuthStart start;
  bool skew_seen = false, handshake_seen = false;
  while (!block.empty()) {
    const size_t end = block.find('\n');
    if (end == block.npos) return Error{0, "start block does not end with a line"};
    const std::string_view line = block.substr(0, end);
    block.remove_prefix(end + 1);
    const size_t equals = line.find('=');
    const std::string_view key = line.substr(0, equals);
    const std::string_view value = equals == line.npos ? "" : line.substr(equals + 1);
    bool good = false;
    if (key == "principal") {
      good = start.principal.empty() && value.find('@') != value.npos;
      start.principal = value;
    } else if (key == "clockskew") {
      good = !skew_seen && parse_number(value, 1, kMostClockskew, &start.clockskew_s);
      skew_seen = true;
    } else if (key == "handshake-ms") {
      good = !handshake_seen && parse_number(value, 1, 3600'000, &start.handshake_ms);
      handshake_seen = true;
    } else if (key == "sandbox") {
      good = !start.seccomp_only && value == "seccomp-only";
      start.seccomp_only = true;
    }
    if (!good) return Error{0, "start block: bad line '" + std::string(line) + "'"};
  }
  if (start.principal.empty()) return Error{0, "start block: no principal"};
  return start;
}

}  // namespace mp11
