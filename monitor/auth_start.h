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
 * What [priv] tells multip11-auth when it starts it: lines of text in descriptor 4.
 *
 * Trust: sealed memory that [priv] wrote before auth was executed, so it is believed; yet a block
 * that does not parse to its last line ends the start with a text, never with a guess.
 */
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "result.h"

namespace mp11 {

/* The library's default, and the most that libgssapi lets pass where there is no krb5.conf. */
inline constexpr uint32_t kMostClockskew = 300;

struct AuthStart {
  std::string principal; /* of the service, with its realm; required */
  uint32_t clockskew_s = kMostClockskew;
  uint32_t handshake_ms = 30000; /* from being told of a connection to having its token */
  bool seccomp_only = false;     /* Landlock may be absent */
};

/*
 * Lines, each at most once, in any order:
 *   principal=NAME@REALM
 *   clockskew=SECONDS         1 to kMostClockskew
 *   handshake-ms=N            1 to 3600000
 *   sandbox=seccomp-only
 */
Result<AuthStart> parse_auth_start(std::string_view block);

}  // namespace mp11
