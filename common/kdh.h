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
 * TLS-KDH v1: what both ends and multip11-auth must have the same (PROTOCOL, TLS-KDH). TLS 1.3
 * with an external pre-shared key that Kerberos makes: its identity is an AP-REQ, its value is
 * derived from the subkey in there.
 */
#pragma once
#include <cstddef>
#include <cstdint>

namespace mp11 {

/* One suite, so that the hash of the key schedule is known before the key is. */
inline constexpr char kKdhSuite[] = "TLS_AES_256_GCM_SHA384";
inline constexpr char kKdhGroups[] = "X25519:P-256";
inline constexpr size_t kKdhPsk = 48;    /* octets: the hash's size */
inline constexpr size_t kKdhRandom = 32; /* octets of ClientHello.random */
/* Octets of an AP-REQ: what a ClientHello has room for beside what else must be in it. */
inline constexpr size_t kKdhIdentity = 65000;
/* ALPN (RFC 7301), with its length in front. */
inline constexpr uint8_t kKdhAlpn[] = "\x0amultip11/1";
inline constexpr size_t kKdhAlpnSize = sizeof kKdhAlpn - 1;

/* The authenticator's checksum is over this, its NUL included, and ClientHello.random. */
inline constexpr char kKdhChecksumLabel[] = "multip11 TLS-KDH v1 checksum";
/* PRF+ (RFC 6113 section 5.1) of the subkey and this, without a NUL, is the key. */
inline constexpr char kKdhPskLabel[] = "multip11 TLS-KDH v1 psk TLS13 1302";

/* Which alert (RFC 8446 section 6.2) tells the client why its AP-REQ is refused. */
enum KdhAlert : uint8_t {
  kKdhAlertTryAgain = 40,  /* handshake_failure: seen before, or too busy */
  kKdhAlertExpired = 45,   /* certificate_expired: the ticket has ended */
  kKdhAlertSkew = 46,      /* certificate_unknown: the clocks differ */
  kKdhAlertDenied = 49,    /* access_denied: anonymous, user-to-user, anything else */
  kKdhAlertWeak = 71,      /* insufficient_security: an encryption type that is not AES */
  kKdhAlertWrongKey = 115, /* unknown_psk_identity: not a ticket for a key in the keytab */
};

}  // namespace mp11
