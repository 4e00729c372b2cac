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
#include "skeleton.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "unique_fd.h"

namespace mp11 {
namespace {

constexpr unsigned kDepth = 4;
constexpr unsigned kEntries = 256;
constexpr size_t kOctets = 64u << 10;
constexpr std::string_view kTemplate = ".in", kPlace = "@directory@";

class Copier {
 public:
  explicit Copier(const std::string& directory) : directory_(directory) {}
  Status copy(const UniqueFd& from, const UniqueFd& to, const std::string& path, unsigned depth);

 private:
  Status copy_entry(const UniqueFd& from, const UniqueFd& to, const std::string& name,
                    const std::string& path, unsigned depth);
  Status copy_file(const UniqueFd& file, const UniqueFd& to, std::string name,
                   const std::string& path);
  const std::string& directory_;
  unsigned entries_ = 0;
};

Error failed(const std::string& path) {
  return Error{errno, "skeleton: " + path + ": " + std::strerror(errno)};
}

UniqueFd open_directory(const UniqueFd& at, const char* name) {
  return UniqueFd(::openat(at.get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

bool write_all(int fd, const std::string& text) {
  for (size_t done = 0; done < text.size();) {
    const ssize_t n = ::write(fd, text.data() + done, text.size() - done);
    if (n < 0 && errno != EINTR) return false;
    if (n > 0) done += static_cast<size_t>(n);
  }
  return true;
}

Status Copier::copy(const UniqueFd& from, const UniqueFd& to, const std::string& path,
                    unsigned depth) {
  UniqueFd again(::openat(from.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  std::unique_ptr<DIR, int (*)(DIR*)> listing(::fdopendir(again.get()), ::closedir);
  if (!listing) return failed(path);
  (void)again.release(); /* the listing's */
  errno = 0;
  while (const dirent* entry = ::readdir(listing.get())) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (++entries_ > kEntries) return Error{E2BIG, "skeleton: more than 256 files"};
    if (Status status = copy_entry(from, to, name, path + "/" + name, depth); !status)
      return status;
    errno = 0;
  }
  return errno == 0 ? ok() : Status(failed(path));
}

Status Copier::copy_entry(const UniqueFd& from, const UniqueFd& to, const std::string& name,
                          const std::string& path, unsigned depth) {
  UniqueFd file(::openat(from.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat st;
  if (!file || ::fstat(file.get(), &st) != 0) return failed(path);
  if (S_ISREG(st.st_mode)) return copy_file(file, to, name, path);
  if (!S_ISDIR(st.st_mode)) return Error{EINVAL, "skeleton: " + path + " is no ordinary file"};
  if (depth == kDepth) return Error{E2BIG, "skeleton: " + path + " is too deep"};
  if (::mkdirat(to.get(), name.c_str(), 0700) != 0 && errno != EEXIST) return failed(path);
  UniqueFd below = open_directory(to, name.c_str());
  if (!below) return errno == ENOTDIR || errno == ELOOP ? ok() : Status(failed(path));
  return copy(file, below, path, depth + 1);
}

Status Copier::copy_file(const UniqueFd& file, const UniqueFd& to, std::string name,
                         const std::string& path) {
  const bool filled_in = name.size() > kTemplate.size() && name.ends_with(kTemplate);
  if (filled_in) name.resize(name.size() - kTemplate.size());
  struct stat st;
  if (::fstatat(to.get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0) return ok();
  std::string text(kOctets + 1, '\0');
  size_t size = 0;
  for (ssize_t n = 1; n != 0 && size < text.size();) {
    n = ::read(file.get(), text.data() + size, text.size() - size);
    if (n < 0 && errno != EINTR) return failed(path);
    if (n > 0) size += static_cast<size_t>(n);
  }
  if (size > kOctets) return Error{EFBIG, "skeleton: " + path + " is larger than 64 KiB"};
  text.resize(size);
  for (size_t at = 0; filled_in && (at = text.find(kPlace, at)) != text.npos;) {
    text.replace(at, kPlace.size(), directory_);
    at += directory_.size();
  }
  /* Several processes of one token may be at it at once: each has a file of its own until then. */
  const std::string fresh = ".skeleton." + std::to_string(::getpid());
  (void)::unlinkat(to.get(), fresh.c_str(), 0);
  UniqueFd made(::openat(to.get(), fresh.c_str(),
                         O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!made || !write_all(made.get(), text) || ::fsync(made.get()) != 0) return failed(path);
  if (::renameat2(to.get(), fresh.c_str(), to.get(), name.c_str(), RENAME_NOREPLACE) == 0)
    return ok();
  const bool there = errno == EEXIST;
  Status status = failed(path);
  (void)::unlinkat(to.get(), fresh.c_str(), 0);
  return there ? ok() : status;
}

}  // namespace

Status copy_skeleton(const std::string& skeleton, const std::string& directory) {
  UniqueFd from(::open(skeleton.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!from) return failed(skeleton);
  UniqueFd to(::open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!to) return failed(directory);
  return Copier(directory).copy(from, to, skeleton, 0);
}

}  // namespace mp11
