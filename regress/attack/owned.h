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
 * What the programs share that stand in for owned ones (owned_net, owned_monitor, owned_service):
 * regress/attack/net.sh and its like put them in the place of the real ones, so that the daemon
 * starts them with the real ones' users, descriptors and start data. They confine themselves by the
 * same calls and then turn on who started them.
 *
 * What to try stands in the file `mode` beside the program, which they have open and read when it
 * is time. What came of it goes to the log: "attack NAME yes", the wall held, or "attack NAME no".
 */
#pragma once
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <string>

#include "channel.h"
#include "p11_functions.h"
#include "process_start.h"
#include "record_io.h"

namespace owned {

/* Opened before the sandbox stands, read afterwards. */
class Mode {
 public:
  Mode() {
    char path[4096] = "";
    ssize_t size = ::readlink("/proc/self/exe", path, sizeof path - 8);
    std::string file(path, size > 0 ? static_cast<size_t>(size) : 0);
    file_.reset(::open((file.substr(0, file.rfind('/')) + "/mode").c_str(), O_RDONLY | O_CLOEXEC));
  }
  std::string word() const {
    char text[64] = "";
    ssize_t size = file_ ? ::pread(file_.get(), text, sizeof text - 1, 0) : 0;
    return std::string(text, size > 0 ? std::strcspn(text, "\n") : 0);
  }

 private:
  mp11::UniqueFd file_;
};

inline void say(const std::string& text) {
  const std::string line = "<6>" + text + "\n";
  (void)!::write(2, line.data(), line.size());
}
inline void held(const char* attack, bool wall, const std::string& detail = "") {
  say(std::string("attack ") + attack + (wall ? " yes" : " no") + " " + detail);
}

/* poll()'s events, 0 after ms. */
inline short events_within(int fd, int ms) {
  pollfd wait{fd, POLLIN, 0};
  return ::poll(&wait, 1, ms) == 1 ? wait.revents : static_cast<short>(0);
}
/* One record within ms; kAgain when none came. */
inline mp11::RecordStatus receive(mp11::RecordBuffer* record, int fd, int ms) {
  return events_within(fd, ms) == 0 ? mp11::RecordStatus::kAgain : record->receive(fd, true);
}
/* Everything on the socket until it hangs up: true when it did within ms. */
inline bool hangs_up(int fd, int ms) {
  for (int waited = 0; waited < ms; waited += 20) {
    if (events_within(fd, 20) == 0) continue;
    char octets[65536];
    ssize_t size = ::recv(fd, octets, sizeof octets, MSG_DONTWAIT);
    if (size == 0 || (size < 0 && errno != EAGAIN)) return true;
  }
  return false;
}
/* Descriptors of this process below 256. */
inline int open_descriptors() {
  int count = 0;
  for (int fd = 0; fd < 256; fd++) count += ::fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
  return count;
}
/* As many octets as a real record, all of one value behind the head. */
inline bool send_raw(int socket, mp11::RecordType type, size_t size, int fill,
                     std::span<const int> fds = {}) {
  std::string octets(size, static_cast<char>(fill));
  const mp11::RecordHead head{type, static_cast<uint32_t>(size)};
  std::memcpy(octets.data(), &head, std::min(size, sizeof head));
  return mp11::send_record(socket, octets.data(), octets.size(), {}, fds) ==
         mp11::RecordStatus::kOk;
}

}  // namespace owned
