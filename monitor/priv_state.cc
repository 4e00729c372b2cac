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
#include "priv_state.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "file_check.h"
#include "start_blocks.h"

namespace mp11 {
namespace {

Error failed(const std::string& path) { return Error{errno, path + ": " + std::strerror(errno)}; }

std::string vault_directory(const Config& config) { return config.state_directory + "/vault"; }

Status make_open_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0755) == 0) {
    if (::chmod(path.c_str(), 0755) != 0) return failed(path); /* whatever the umask */
  } else if (errno != EEXIST) {
    return Error{errno, "cannot make " + path + ": " + std::strerror(errno)};
  }
  return check_trusted_path(path);
}

/*
 * Whoever owns the directory above is root, or us, so nobody else can put something in its place.
 * One that is still ours was made, and not given away, before an end of ours.
 */
Status make_directory_of(const Config& config, const std::string& path, uid_t uid, gid_t gid) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
    return Error{errno, "cannot make " + path + ": " + std::strerror(errno)};
  struct stat st;
  if (::lstat(path.c_str(), &st) != 0) return failed(path);
  if (!S_ISDIR(st.st_mode)) return Error{ENOTDIR, path + " is no directory; remove it"};
  const bool ours = st.st_uid == ::geteuid();
  if (ours && !config.unprivileged) {
    if (::chmod(path.c_str(), 0700) != 0 || ::lchown(path.c_str(), uid, gid) != 0)
      return failed(path);
    return ok();
  }
  if (!ours && st.st_uid != uid)
    return Error{EPERM, path + " belongs to uid " + std::to_string(st.st_uid) + " and not to " +
                            std::to_string(uid) + "; chown it, with what is in it, or remove it"};
  return ok();
}

}  // namespace

Status prepare_state(const Config& config) {
  if (!config.needs_state()) return ok();
  const std::string& state = config.state_directory;
  if (Status status = make_open_directory(state); !status) return status;
  if (Status status = make_open_directory(state + "/tokens"); !status) return status;
  for (const BackendConfig& backend : config.backends)
    if (backend.isolates_tokens())
      if (Status status = make_open_directory(state + "/tokens/" + backend.name); !status)
        return status;
  return make_directory_of(config, vault_directory(config), config.users.vault.uid,
                           config.users.vault.gid);
}

Result<UniqueFd> open_vault_directory(const Config& config) {
  const std::string path = vault_directory(config);
  /* O_PATH: without CAP_DAC_OVERRIDE it is closed to us as well. */
  UniqueFd fd(::open(path.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return failed(path);
  return fd;
}

Result<std::string> make_scope_directory(const Config& config, const BackendConfig& backend,
                                         uint32_t uid) {
  std::string path = scope_directory(config, backend, uid);
  if (Status status = make_directory_of(config, path, uid, uid); !status) return status.error();
  return path;
}

}  // namespace mp11
