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
 * Where another multip11d is, as both configurations write it: tcp://HOST, tcp://HOST:PORT or
 * tcp://[IPV6]:PORT, or the same with sctp://.
 *
 * Trust: the text is an administrator's or a user's; it is looked at, and nothing is resolved.
 */
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "result.h"

namespace mp11 {

inline constexpr char kDefaultServerPort[] = "4611";
inline constexpr std::string_view kTcpScheme = "tcp://", kSctpScheme = "sctp://";
inline constexpr char kServerForm[] =
    "tcp://HOST, tcp://HOST:PORT or tcp://[IPV6]:PORT (or sctp:// for SCTP)";

struct ServerAddress {
  bool sctp = false;
  std::string place; /* HOST:PORT, an IPv6 address in brackets */
};

/* An error has no text: the caller says what to write. */
Result<ServerAddress> parse_server_address(std::string_view text);

/*
 * What multip11-remote has for name, connection and authentication: less than C_Initialize has, as
 * it is to say what was slow before it is ended for it.
 */
uint32_t remote_deadline_s(uint32_t deadline_start_s);

}  // namespace mp11
