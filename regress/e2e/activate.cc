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
 * Starts a program with listening sockets, as systemd does for .socket units.
 *
 *   activate tcp:PORT|seqpacket:PATH|stream:PATH|deaf:PORT ... -- PROGRAM ARGUMENT...
 *
 * deaf: does not listen. PIDs and names are as sd_listen_fds(3) says; the names are a, b, c ...
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

[[noreturn]] void fail(const std::string& what) {
  std::perror(what.c_str());
  std::exit(1);
}

int tcp(const std::string& port, bool listens) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(static_cast<uint16_t>(std::atoi(port.c_str())));
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0) fail("bind " + port);
  if (listens && ::listen(fd, 16) != 0) fail("listen " + port);
  return fd;
}

int local(const std::string& path, int type) {
  const int fd = ::socket(AF_UNIX, type, 0);
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  std::strncpy(at.sun_path, path.c_str(), sizeof at.sun_path - 1);
  ::unlink(path.c_str());
  if (::bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0 ||
      ::chmod(path.c_str(), 0666) != 0 || ::listen(fd, 16) != 0)
    fail(path);
  return fd;
}

}  // namespace

int main(int argc, char** argv) {
  int next = 3, at = 1;
  std::string names;
  for (; at < argc && std::strcmp(argv[at], "--") != 0; at++) {
    const std::string word = argv[at];
    const size_t colon = word.find(':');
    const std::string kind = word.substr(0, colon), place = word.substr(colon + 1);
    const int fd = kind == "tcp"         ? tcp(place, true)
                   : kind == "deaf"      ? tcp(place, false)
                   : kind == "seqpacket" ? local(place, SOCK_SEQPACKET)
                                         : local(place, SOCK_STREAM);
    if (fd != next) {
      if (::dup2(fd, next) < 0) fail("dup2");
      ::close(fd);
    }
    names += (names.empty() ? "" : ":") + std::string(1, static_cast<char>('a' + next - 3));
    next++;
  }
  if (at + 1 >= argc) return 2;
  ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
  ::setenv("LISTEN_FDS", std::to_string(next - 3).c_str(), 1);
  ::setenv("LISTEN_FDNAMES", names.c_str(), 1);
  ::execv(argv[at + 1], argv + at + 1);
  fail(argv[at + 1]);
}
