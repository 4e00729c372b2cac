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
#include "eraser.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "unique_fd.h"

namespace mp11 {
namespace {

/* Directories in directories: two descriptors each, of 256. No library needs ten. */
constexpr unsigned kDepth = 64;

class Eraser {
 public:
  explicit Eraser(dev_t device) : device_(device) {}
  void empty(const UniqueFd& directory, unsigned depth);
  uint64_t left() const { return left_; }
  int error() const { return error_; }

 private:
  bool remove(const UniqueFd& at, const char* name, unsigned depth);
  bool remove_directory(const UniqueFd& at, const char* name, unsigned depth);
  bool failed(int error) {
    if (error_ == 0 || error != ENOTEMPTY) error_ = error; /* that only follows from another */
    return false;
  }
  dev_t device_;
  uint64_t left_ = 0;
  int error_ = 0;
};

bool is_itself(const char* name) {
  return std::strcmp(name, ".") == 0 || std::strcmp(name, "..") == 0;
}

/* Where it cannot be done, opening fails and says why. */
void make_accessible(int at, const char* directory) {
  [[maybe_unused]] const int status = ::fchmodat(at, directory, 0700, 0);
}

UniqueFd open_directory(int at, const char* name) {
  return UniqueFd(::openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

/*
 * A listing may leave out what is behind something that was removed meanwhile, so it is read again
 * until nothing more could be removed.
 */
void Eraser::empty(const UniqueFd& directory, unsigned depth) {
  UniqueFd again = open_directory(directory.get(), ".");
  std::unique_ptr<DIR, int (*)(DIR*)> listing(::fdopendir(again.get()), ::closedir);
  if (!listing) {
    left_++;
    (void)failed(errno);
    return;
  }
  (void)again.release(); /* the listing's */
  const uint64_t before = left_;
  for (bool removed = true; removed;) {
    removed = false;
    left_ = before;
    ::rewinddir(listing.get());
    while (const dirent* entry = ::readdir(listing.get())) {
      if (is_itself(entry->d_name)) continue;
      if (remove(directory, entry->d_name, depth))
        removed = true;
      else
        left_++;
    }
  }
}

bool Eraser::remove(const UniqueFd& at, const char* name, unsigned depth) {
  if (::unlinkat(at.get(), name, 0) == 0) return true;
  if (errno != EISDIR && errno != EPERM) return failed(errno);
  struct stat st;
  if (::fstatat(at.get(), name, &st, AT_SYMLINK_NOFOLLOW) != 0) return failed(errno);
  if (!S_ISDIR(st.st_mode)) return failed(EPERM);
  return remove_directory(at, name, depth);
}

bool Eraser::remove_directory(const UniqueFd& at, const char* name, unsigned depth) {
  if (depth == kDepth) return failed(ELOOP);
  /* It was a directory a moment ago, and there is nobody who could put something in its place. */
  make_accessible(at.get(), name);
  UniqueFd below = open_directory(at.get(), name);
  struct stat st;
  if (!below || ::fstat(below.get(), &st) != 0) return failed(errno);
  if (st.st_dev != device_) return failed(EXDEV);
  empty(below, depth + 1);
  return ::unlinkat(at.get(), name, AT_REMOVEDIR) == 0 || failed(errno);
}

}  // namespace

Status erase_directory(const std::string& directory) {
  auto wrong = [](const std::string& text, int error) {
    return Error{error, text + ": " + std::strerror(error)};
  };
  /* [priv] made it, in a directory of root's. */
  make_accessible(AT_FDCWD, directory.c_str());
  UniqueFd top = open_directory(AT_FDCWD, directory.c_str());
  struct stat st;
  if (!top || ::fstat(top.get(), &st) != 0) return wrong(directory, errno);
  Eraser eraser(st.st_dev);
  eraser.empty(top, 0);
  if (eraser.left() == 0) return ok();
  return wrong(directory + ": " + std::to_string(eraser.left()) +
                   " files or directories stay; remove them by hand",
               eraser.error());
}

}  // namespace mp11
