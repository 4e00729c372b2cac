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
#include "token_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include <algorithm>

#include "channel.h"

namespace mp11::client {
namespace {

constexpr uint64_t kFirstPauseNs = 200'000;
constexpr uint64_t kLongestPauseNs = 20'000'000;

Error failed(const std::string& path) { return Error{errno, path + ": " + strerror(errno)}; }

void make_directories(const std::string& path) {
  for (size_t at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1))
    ::mkdir(path.substr(0, at).c_str(), 0700); /* open() tells what is still missing */
}

void pause_ns(uint64_t nanoseconds) {
  timespec time{0, static_cast<long>(nanoseconds)};
  ::nanosleep(&time, nullptr);
}

}  // namespace

Result<std::string> default_lock_file(const std::string& backend_name) {
  const char* state = ::secure_getenv("XDG_STATE_HOME");
  const char* home = ::secure_getenv("HOME");
  const std::string file = "/multip11/" + backend_name + ".lock";
  if (state != nullptr && state[0] == '/') return state + file;
  if (home != nullptr && home[0] == '/') return std::string(home) + "/.local/state" + file;
  return Error{0, "there is no home directory for a lock file; set lock-file"};
}

Result<UniqueFd> take_token_lock(const std::string& path, bool exclusive, uint64_t deadline_ns) {
  constexpr int kFlags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW;
  UniqueFd fd(::open(path.c_str(), kFlags, 0600));
  if (!fd && errno == ENOENT) {
    make_directories(path);
    fd.reset(::open(path.c_str(), kFlags, 0600));
  }
  if (!fd) return failed(path);
  uint64_t pause = kFirstPauseNs;
  while (::flock(fd.get(), (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) return failed(path);
    if (Waiter::now_ns() >= deadline_ns)
      return Error{ETIMEDOUT, path + ": held by another process"};
    pause_ns(pause);
    pause = std::min(pause * 2, kLongestPauseNs);
  }
  return fd;
}

}  // namespace mp11::client
