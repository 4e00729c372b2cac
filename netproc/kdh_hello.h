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
 * What TLS-KDH asks of a ClientHello beyond what OpenSSL does: the rules of PROTOCOL (TLS-KDH) as
 * functions of extensions' octets. Buffers in, spans out; no state.
 *
 * Trust: the octets are a stranger's. OpenSSL has found where each extension begins and ends, and
 * nothing else.
 */
#pragma once
#include <cstdint>
#include <optional>
#include <span>

namespace mp11 {

/* Numbers of extensions (RFC 8446 section 4.2). */
inline constexpr unsigned kExtPreSharedKey = 41, kExtEarlyData = 42, kExtPskModes = 45;

/* Does psk_key_exchange_modes offer the one with Diffie-Hellman (psk_dhe_ke)? */
bool offers_dhe(std::span<const uint8_t> psk_modes);

/*
 * The identity in pre_shared_key (RFC 8446 section 4.2.11): exactly one, of 1 to kKdhIdentity
 * octets, of age 0, and one binder of the hash's size. Anything else: nothing.
 */
std::optional<std::span<const uint8_t>> only_identity(std::span<const uint8_t> pre_shared_key);

}  // namespace mp11
