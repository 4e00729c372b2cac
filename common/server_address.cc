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
#include "server_address.h"

#include <algorithm>
#include <charconv>

namespace mp11 {
namespace {

constexpr uint32_t kMostRemoteDeadlineS = 86400; /* remote_start.cc */

bool is_port(std::string_view text) {
  uint16_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && number != 0;
}

/* What would mean something else in a URI, or end a line of a start block. */
bool unusable(char c) {
  return static_cast<unsigned char>(c) <= ' ' || c == 0x7f || c == '/' || c == '@';
}

}  // namespace

Result<ServerAddress> parse_server_address(std::string_view text) {
  const bool sctp = text.starts_with(kSctpScheme);
  if (!sctp && !text.starts_with(kTcpScheme)) return Error{0, ""};
  text.remove_prefix(sctp ? kSctpScheme.size() : kTcpScheme.size());
  size_t host_end = text.find(text.starts_with('[') ? ']' : ':');
  if (text.starts_with('[')) {
    if (host_end == text.npos || host_end == 1) return Error{0, ""};
    host_end++;
  } else if (host_end == text.npos) {
    host_end = text.size();
  }
  const std::string_view host = text.substr(0, host_end);
  std::string_view port = kDefaultServerPort;
  if (host_end < text.size()) port = text.substr(host_end + 1);
  if (host.empty() || std::any_of(host.begin(), host.end(), unusable) ||
      (host_end < text.size() && text[host_end] != ':') || !is_port(port))
    return Error{0, ""};
  return ServerAddress{sctp, std::string(host) + ":" + std::string(port)};
}

uint32_t remote_deadline_s(uint32_t deadline_start_s) {
  return std::clamp(deadline_start_s * 2 / 3, 1u, kMostRemoteDeadlineS);
}

}  // namespace mp11
