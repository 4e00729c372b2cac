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
#include "file_check.h"

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace mp11 {
namespace {

struct FileClose {
  void operator()(FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<FILE, FileClose>;

Status check_component(const std::string& path) {
  struct stat st;
  if (::lstat(path.c_str(), &st) != 0)
    return Error{errno, path + ": " + std::strerror(errno) + "; name one that is there"};
  if (st.st_uid != 0 && st.st_uid != ::geteuid())
    return Error{EPERM, path + " belongs to uid " + std::to_string(st.st_uid) +
                            "; give it to root (chown root)"};
  bool sticky = S_ISDIR(st.st_mode) && (st.st_mode & S_ISVTX) != 0;
  if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0 && !sticky)
    return Error{EPERM, path + " can be written to by others; chmod go-w " + path};
  return ok();
}

Result<struct stat> regular_file(const std::string& path) {
  struct stat st;
  if (path.empty() || path[0] != '/')
    return Error{EINVAL, "'" + path + "' is not an absolute path; write it from the root"};
  if (::stat(path.c_str(), &st) != 0)
    return Error{errno, path + ": " + std::strerror(errno) + "; name a file that is there"};
  if (!S_ISREG(st.st_mode)) return Error{EINVAL, path + " is not a regular file; name one"};
  return st;
}

}  // namespace

Status check_trusted_path(const std::string& path) {
  if (path.empty() || path[0] != '/')
    return Error{EINVAL, "'" + path + "' is not an absolute path; write it from the root"};
  std::unique_ptr<char, void (*)(void*)> real(::realpath(path.c_str(), nullptr), std::free);
  if (!real) return Error{errno, path + ": " + std::strerror(errno) + "; name one that is there"};
  std::string component = real.get();
  for (;;) {
    if (Status status = check_component(component); !status) return status;
    if (component == "/") return ok();
    size_t slash = component.rfind('/');
    component = slash == 0 ? "/" : component.substr(0, slash);
  }
}

Status check_module_file(const std::string& path) {
  Result<struct stat> st = regular_file(path);
  if (!st) return st.error();
  if ((st->st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return Error{EPERM, path + " can be written to by others; chmod go-w " + path};
  return ok();
}

Status check_secret_file(const std::string& path) {
  Result<struct stat> st = regular_file(path);
  if (!st) return st.error();
  if (st->st_uid != 0 && st->st_uid != ::geteuid())
    return Error{EPERM, path + " belongs to uid " + std::to_string(st->st_uid) +
                            "; give it to root (chown root)"};
  if ((st->st_mode & (S_IRWXG | S_IRWXO)) != 0)
    return Error{EPERM, path + " is open to others; chmod 600 " + path};
  return ok();
}

std::optional<PasswdEntry> find_user(const std::string& name) {
  File file(std::fopen("/etc/passwd", "re"));
  if (!file) return std::nullopt;
  passwd entry, *found;
  char buffer[4096];
  while (::fgetpwent_r(file.get(), &entry, buffer, sizeof buffer, &found) == 0)
    if (name == found->pw_name) return PasswdEntry{found->pw_uid, found->pw_gid};
  return std::nullopt;
}

std::optional<gid_t> find_group(const std::string& name) {
  File file(std::fopen("/etc/group", "re"));
  if (!file) return std::nullopt;
  group entry, *found;
  std::string buffer(256u << 10, '\0'); /* a group with very many members */
  while (::fgetgrent_r(file.get(), &entry, buffer.data(), buffer.size(), &found) == 0)
    if (name == found->gr_name) return found->gr_gid;
  return std::nullopt;
}

std::optional<std::string> user_within(uid_t first, uid_t last) {
  auto within = [=](uint32_t id) { return id >= first && id <= last; };
  if (File file(std::fopen("/etc/passwd", "re")); file) {
    passwd entry, *found;
    char buffer[4096];
    while (::fgetpwent_r(file.get(), &entry, buffer, sizeof buffer, &found) == 0)
      if (within(found->pw_uid) || within(found->pw_gid)) return found->pw_name;
  }
  if (File file(std::fopen("/etc/group", "re")); file) {
    group entry, *found;
    std::string buffer(256u << 10, '\0');
    while (::fgetgrent_r(file.get(), &entry, buffer.data(), buffer.size(), &found) == 0)
      if (within(found->gr_gid)) return found->gr_name;
  }
  return std::nullopt;
}

Result<std::string> read_file_text(int fd, size_t limit) {
  std::string text;
  char piece[4096];
  for (;;) {
    ssize_t n = ::read(fd, piece, sizeof piece);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error{errno, std::strerror(errno)};
    if (n == 0) return text;
    text.append(piece, static_cast<size_t>(n));
    if (text.size() > limit) return Error{EFBIG, "is larger than a configuration can be"};
  }
}

}  // namespace mp11
