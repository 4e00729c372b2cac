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
#include "priv_activation.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "os_process.h"

namespace mp11 {
namespace {

constexpr int kFirst = 3; /* SD_LISTEN_FDS_START */
constexpr int kMost = 256;

/* -1: it is not there, or no number. */
long number_of(const char* variable) {
  const char* text = ::getenv(variable);
  if (text == nullptr) return -1;
  long value = -1;
  const char* end = text + std::strlen(text);
  auto [at, error] = std::from_chars(text, end, value);
  return error == std::errc() && at == end ? value : -1;
}

}  // namespace

Result<std::vector<PassedSocket>> take_passed_sockets() {
  /* Those of another process, of which we are a child, are not ours. */
  const bool ours = number_of("LISTEN_PID") == static_cast<long>(::getpid());
  const long count = ours ? number_of("LISTEN_FDS") : 0;
  const char* all_names = ::getenv("LISTEN_FDNAMES");
  std::string names = ours && all_names != nullptr ? all_names : "";
  for (const char* variable : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) ::unsetenv(variable);
  if (count < 0 || count > kMost)
    return Error{EINVAL, "LISTEN_FDS is no number of sockets, of which there may be " +
                             std::to_string(kMost)};
  std::vector<PassedSocket> sockets;
  std::string_view rest = names;
  for (int fd = kFirst; fd < kFirst + count; fd++) {
    PassedSocket& socket = sockets.emplace_back();
    socket.fd = UniqueFd(fd);
    const size_t colon = rest.find(':');
    socket.name = rest.substr(0, colon);
    rest.remove_prefix(colon == rest.npos ? rest.size() : colon + 1);
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
        ::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
      return Error{errno,
                   "socket " + std::to_string(fd) + " of LISTEN_FDS: " + std::strerror(errno)};
  }
  if (Status status = close_from(kFirst + static_cast<int>(count)); !status) return status.error();
  return sockets;
}

}  // namespace mp11
