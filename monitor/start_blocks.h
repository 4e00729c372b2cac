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
 * What [priv] writes into the sealed memfds that multip11-backend, multip11-remote and
 * multip11-auth read at their start: lines `key=value`, whose readers are start_block.h in
 * backendproc/, remote_start.h in client/ and auth_start.h.
 *
 * The values come from a checked configuration: none has a line break in it.
 */
#pragma once
#include <string>

#include "config.h"

namespace mp11 {

/* What the backend's reader takes at most, with room for what is added here. */
inline constexpr size_t kStartBlockOctets = 255u << 10;

/*
 * `prestart`: it shall call C_Initialize at once, before anybody asks. `directory` is that of the
 * token, of isolate = token; else empty.
 */
std::string start_block_of(const BackendConfig& backend, SandboxMode sandbox, bool prestart,
                           const std::string& directory);
/* The same program, to empty that directory. */
std::string eraser_start_block(const BackendConfig& backend, SandboxMode sandbox,
                               const std::string& directory);
/* Of a token of isolate = token, which has this uid. */
std::string scope_directory(const Config& config, const BackendConfig& backend, uint32_t uid);
/* What is wrong with text in which %d is that directory; empty: nothing. */
std::string directory_text_problem(const std::string& text);
std::string auth_start_block(const Config& config);

}  // namespace mp11
