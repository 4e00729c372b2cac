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
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "os_memfd.h"

namespace mp11 {
namespace {

constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
constexpr unsigned kNoExecSeal = 8; /* MFD_NOEXEC_SEAL, Linux 6.3 */

Error failed(const char* what) { return Error{errno, std::string(what) + ": " + strerror(errno)}; }

Result<UniqueFd> new_memfd(const char* name) {
  int fd = ::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | kNoExecSeal);
  /* An older kernel does not know the flag. */
  if (fd < 0 && errno == EINVAL) fd = ::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return failed("memfd_create");
  return UniqueFd(fd);
}

/* Writes all of it at the offset. */
bool write_at(int fd, const uint8_t* data, size_t size, size_t offset) {
  while (size != 0) {
    ssize_t n = ::pwrite(fd, data, size, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    data += n;
    size -= static_cast<size_t>(n);
    offset += static_cast<size_t>(n);
  }
  return true;
}

/* Reads up to size octets at the offset; less at the end of the file only; -1 on error. */
ssize_t read_at(int fd, uint8_t* data, size_t size, size_t offset) {
  size_t done = 0;
  while (done < size) {
    ssize_t n = ::pread(fd, data + done, size - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -1;
    if (n == 0) break;
    done += static_cast<size_t>(n);
  }
  return static_cast<ssize_t>(done);
}

Result<UniqueFd> seal(UniqueFd fd) {
  if (::fcntl(fd.get(), F_ADD_SEALS, kSeals) != 0) return failed("sealing a memfd");
  return fd;
}

}  // namespace

Result<UniqueFd> sealed_memfd(const char* name, std::span<const uint8_t> bytes) {
  auto fd = new_memfd(name);
  if (!fd) return fd;
  if (!write_at(fd->get(), bytes.data(), bytes.size(), 0)) return failed("filling a memfd");
  return seal(std::move(*fd));
}

Result<UniqueFd> sealed_copy(const char* name, int file, size_t max) {
  struct stat before {};
  if (::fstat(file, &before) != 0) return failed("fstat");
  if (!S_ISREG(before.st_mode)) return Error{EINVAL, std::string(name) + ": not a regular file"};
  if (static_cast<uint64_t>(before.st_size) > max)
    return Error{EFBIG, std::string(name) + ": larger than " + std::to_string(max) + " octets"};
  auto fd = new_memfd(name);
  if (!fd) return fd;
  SecureBuffer piece(64u << 10);
  size_t total = 0;
  for (;;) {
    ssize_t n = read_at(file, piece.data(), piece.size(), total);
    if (n < 0) return failed(name);
    size_t size = static_cast<size_t>(n);
    if (size > max - total) return Error{EFBIG, std::string(name) + ": it grows while it is read"};
    if (!write_at(fd->get(), piece.data(), size, total)) return failed("filling a memfd");
    total += size;
    if (size < piece.size()) break;
  }
  if (total != static_cast<uint64_t>(before.st_size))
    return Error{EAGAIN, std::string(name) + ": its size changed while it was read"};
  return seal(std::move(*fd));
}

Result<SecureBuffer> read_sealed_memfd(int fd, size_t max) {
  int seals = ::fcntl(fd, F_GET_SEALS);
  if (seals < 0) return failed("not a memfd");
  if ((seals & kSeals) != kSeals) return Error{EPERM, "a memfd that is not sealed"};
  /* lseek, not fstat: programs that may not stat use this too. */
  off_t size = ::lseek(fd, 0, SEEK_END);
  if (size < 0) return failed("lseek");
  if (static_cast<uint64_t>(size) > max)
    return Error{EFBIG, "a memfd larger than " + std::to_string(max) + " octets"};
  SecureBuffer bytes(static_cast<size_t>(size));
  ssize_t n = read_at(fd, bytes.data(), bytes.size(), 0);
  if (n < 0) return failed("reading a memfd");
  if (n != size) return Error{EIO, "a memfd shorter than it says"};
  return bytes;
}

}  // namespace mp11
