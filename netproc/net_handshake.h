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
 * How multip11-net finds out who its client is: it carries what the client sends to multip11-auth,
 * and what auth answers back. Over TCP the first octet of the connection says how: 16 (hexadecimal)
 * is TLS, for TLS-KDH; 00 is the length of a GSS token. Over SCTP it is GSS tokens.
 *
 * Trust: the client is a stranger until auth has said who it is, and auth says that to the vault
 * and not here. What comes from auth is believed. A client that breaks the form is ended; auth,
 * which keeps the time, ends one that is silent by hanging up.
 */
#pragma once
#include <memory>

#include "peer_stream.h"
#include "records.h"
#include "unique_fd.h"

namespace mp11 {

/*
 * Returns the stream from which messages can be read; whatever the client has sent behind the
 * handshake is still in it. nullptr: it came to nothing; *why has words for the log. *auth is the
 * same socket afterwards: auth takes fresh tickets there (net_renewal.h).
 */
std::unique_ptr<PeerStream> authenticate(const NetStart& start, UniqueFd client, UniqueFd* auth,
                                         const char** why);

/* One of the ways, for authenticate(). `client` has something to read. */
std::unique_ptr<PeerStream> authenticate_kdh(UniqueFd client, UniqueFd* auth, const char** why);

}  // namespace mp11
