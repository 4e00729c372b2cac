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
#include "conform_restore.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "unique_fd.h"

namespace mp11::conform {
namespace {

Error file_error(const std::string& path) { return Error{errno, path + ": " + strerror(errno)}; }

struct CloseDir {
  void operator()(DIR* dir) const { ::closedir(dir); }
};

Result<std::vector<std::string>> names_in(const std::string& path) {
  std::unique_ptr<DIR, CloseDir> dir(::opendir(path.c_str()));
  if (!dir) return file_error(path);
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(dir.get())) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  return names;
}

Status read_content(const std::string& path, Bytes* content) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) return file_error(path);
  uint8_t block[65536];
  ssize_t n;
  while ((n = ::read(fd.get(), block, sizeof block)) > 0)
    content->insert(content->end(), block, block + n);
  if (n < 0) return file_error(path);
  return ok();
}

}  // namespace

Result<Snapshot> Snapshot::take(const std::string& directory) {
  Snapshot snapshot;
  snapshot.directory_ = directory;
  if (Status added = snapshot.add(""); !added) return added.error();
  return snapshot;
}

Status Snapshot::add(const std::string& below) {
  Result<std::vector<std::string>> names = names_in(directory_ + below);
  if (!names) return names.error();
  for (const std::string& name : *names) {
    const std::string path = below + "/" + name;
    struct stat info;
    if (::lstat((directory_ + path).c_str(), &info) != 0) return file_error(directory_ + path);
    Entry entry{path, info.st_mode, info.st_uid, info.st_gid, {}};
    if (!S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode))
      return Error{0, directory_ + path + ": neither a file nor a directory"};
    if (S_ISREG(info.st_mode))
      if (Status done = read_content(directory_ + path, &entry.content); !done) return done;
    const bool is_directory = S_ISDIR(info.st_mode);
    entries_.push_back(std::move(entry));
    if (is_directory)
      if (Status added = add(path); !added) return added;
  }
  return ok();
}

bool Snapshot::has(const std::string& path) const {
  return std::any_of(entries_.begin(), entries_.end(),
                     [&](const Entry& e) { return e.path == path; });
}

Status Snapshot::remove_others(const std::string& below) const {
  Result<std::vector<std::string>> names = names_in(directory_ + below);
  if (!names) return names.error();
  for (const std::string& name : *names) {
    const std::string path = below + "/" + name, whole = directory_ + path;
    struct stat info;
    if (::lstat(whole.c_str(), &info) != 0) return file_error(whole);
    if (S_ISDIR(info.st_mode))
      if (Status removed = remove_others(path); !removed) return removed;
    if (has(path)) continue;
    if ((S_ISDIR(info.st_mode) ? ::rmdir(whole.c_str()) : ::unlink(whole.c_str())) != 0)
      return file_error(whole);
  }
  return ok();
}

Status Snapshot::write_file(const Entry& entry) const {
  const std::string path = directory_ + entry.path;
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return file_error(path);
  for (size_t at = 0; at < entry.content.size();) {
    ssize_t n = ::write(fd.get(), entry.content.data() + at, entry.content.size() - at);
    if (n <= 0) return file_error(path);
    at += static_cast<size_t>(n);
  }
  return ok();
}

Status Snapshot::put_back() const {
  if (Status removed = remove_others(""); !removed) return removed;
  for (const Entry& entry : entries_) {
    const std::string path = directory_ + entry.path;
    if (S_ISDIR(entry.mode)) {
      if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return file_error(path);
    } else if (Status written = write_file(entry); !written) {
      return written;
    }
    /* Nobody but root can give files away; then they are his who runs this already. */
    if (::lchown(path.c_str(), entry.uid, entry.gid) != 0 && ::geteuid() == 0)
      return file_error(path);
    if (::chmod(path.c_str(), entry.mode & 07777) != 0) return file_error(path);
  }
  return ok();
}

}  // namespace mp11::conform
