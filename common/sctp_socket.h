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
 * What is set on an SCTP socket, and what is asked of it: by [priv] on those that listen, as what
 * is accepted there inherits it, and by multip11-remote before it connects. Nobody else sets
 * options.
 *
 * Trust: none; numbers of our own go to the kernel.
 */
#pragma once
#include <sys/socket.h>

#include <cstdint>
#include <string>

namespace mp11 {

/* Streams each way: one for what fits a token, and those that longer messages are spread over. */
inline constexpr uint16_t kSctpStreams = 17;

/*
 * Before bind or connect: no delay, short timers, heartbeats, streams, and buffers: ours for
 * sending bounds what is on its way, so that it never overruns the peer's. `privileged` may exceed
 * the limit that the system has for users. What cannot be set stays as it was: an improvement, not
 * a need.
 */
void prepare_sctp(int fd, bool privileged);

/*
 * Another address of the same family and port for a socket that is bound: clients are told of it,
 * and may be reached by it when the way to the first is broken (RFC 6458, section 9.1). False: see
 * errno.
 */
bool add_sctp_address(int fd, const sockaddr* address, socklen_t size);
/* No more, for connections to come. */
bool remove_sctp_address(int fd, const sockaddr* address, socklen_t size);

/* Of a connection, for sending; 1 if the kernel does not say. */
uint32_t sctp_streams(int fd);

/* Is this errno, of socket or listen, one of a kernel without SCTP or a part of it? */
bool sctp_is_missing(int error);
/* Then: what, and what to do. */
std::string sctp_advice(int error);

}  // namespace mp11
