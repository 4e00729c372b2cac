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
 * The lock file of a backend with token-lock: who holds it may make the calls that read or rewrite
 * the token's files, so that applications of one user do not meet a file that is half written.
 *
 * The descriptor exists only while the lock is held: one that a child inherits by fork shares it.
 *
 * Trust: whoever can open the file can keep everybody else waiting until their deadline.
 */
#pragma once
#include <string>

#include "result.h"
#include "unique_fd.h"

namespace mp11::client {

/* NAME.lock in the user's state directory ($XDG_STATE_HOME or ~/.local/state, multip11). */
Result<std::string> default_lock_file(const std::string& backend_name);

/*
 * Opens the file, making it and its directories, and takes the lock; asks again and again until
 * deadline_ns (CLOCK_MONOTONIC). Closing the descriptor gives it back.
 */
Result<UniqueFd> take_token_lock(const std::string& path, bool exclusive, uint64_t deadline_ns);

}  // namespace mp11::client
