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
 * Who can write to a file that [priv] believes, and which user a name stands for.
 *
 * Called by the configuration, in [priv]. Names of users and groups are looked up in /etc/passwd
 * and /etc/group themselves, never through NSS: its modules are foreign code in a root process.
 */
#pragma once
#include <sys/types.h>

#include <optional>
#include <string>

#include "result.h"

namespace mp11 {

/*
 * The path is absolute; it and every directory above it belong to root or to us and nobody else can
 * write to them (a sticky directory, like /tmp, counts as not writable: others cannot rename in
 * it). Symbolic links are resolved first. The error says which component is wrong and what to do.
 */
Status check_trusted_path(const std::string& path);

/* The path is an existing regular file that neither its group nor others may write to. */
Status check_module_file(const std::string& path);
/* The path is an existing regular file of root or ours that nobody else may read. */
Status check_secret_file(const std::string& path);

struct PasswdEntry {
  uid_t uid;
  gid_t gid;
};
std::optional<PasswdEntry> find_user(const std::string& name);
/* A user or group whose number is in the range, for whoever wants the range for itself. */
std::optional<std::string> user_within(uid_t first, uid_t last);
std::optional<gid_t> find_group(const std::string& name);

/* The whole text of an already checked file, at most `limit` octets. */
Result<std::string> read_file_text(int fd, size_t limit);

}  // namespace mp11
