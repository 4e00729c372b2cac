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
 * The client's end of TLS-KDH v1 (PROTOCOL, TLS-KDH): TLS 1.3 over a connected TCP socket, with a
 * key that is made of a ticket. Used by multip11-remote, as the application's user, with his ticket
 * cache and krb5.conf; or with the tickets that a keytab got.
 *
 * Trust: the server proves that it has the key of the principal that was asked for by knowing what
 * the AP-REQ holds; before that nothing is sent but the ClientHello, and its early data is never
 * used. A server that offers a certificate instead is refused: there is no certificate that would
 * be believed. Not thread-safe.
 */
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "peer_stream.h"
#include "renewer.h"
#include "result.h"
#include "service_ticket.h"
#include "unique_fd.h"

namespace mp11 {

/*
 * Runs the handshake on `socket`, connected, for the server's principal, as GssClient::connect()
 * has it, until `deadline_ns` (CLOCK_MONOTONIC); a KDC that must be asked has the library's own
 * time limits, which count. An error's text says what the user can do; its code is kNotForKdh also
 * when the server closed before it said anything. *basis is what renewals of the connection need.
 */
Result<std::unique_ptr<PeerStream>> kdh_connect(UniqueFd socket, const std::string& service,
                                                uint64_t deadline_ns, RenewalBasis* basis);

}  // namespace mp11
