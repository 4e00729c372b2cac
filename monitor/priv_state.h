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
 * The directories of state-directory that [priv] makes, and whose they are:
 *
 *   STATE                       root's, open to look at
 *   STATE/vault                 the vault's, of its database
 *   STATE/tokens/BACKEND/UID    of a token of isolate = token: that uid's, closed to all others
 *
 * Trust: STATE is checked as the configuration file is. [priv] makes directories and gives them
 * away; it neither opens nor reads what lies in them. One that belongs to somebody else than it
 * should is an error, and is left as it is.
 */
#pragma once
#include <string>

#include "config.h"
#include "unique_fd.h"

namespace mp11 {

/* At start and at SIGHUP, where the configuration needs_state(). */
Status prepare_state(const Config& config);
/* The directory itself, for the vault to enter. */
Result<UniqueFd> open_vault_directory(const Config& config);
/* The directory of a token, made where it is not there yet. */
Result<std::string> make_scope_directory(const Config& config, const BackendConfig& backend,
                                         uint32_t uid);

}  // namespace mp11
