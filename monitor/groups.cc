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
#include "groups.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "config_reader.h"
#include "file_check.h"
#include "mp11_limits.h"
#include "principal.h"
#include "unique_fd.h"

namespace mp11 {
namespace {

constexpr size_t kGroupFileOctets = 1u << 20;
constexpr size_t kGroupEntryOctets = 256u << 10; /* a line of /etc/group with very many members */

struct FileClose {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, FileClose>;

std::string trimmed(std::string_view text) {
  const char* blank = " \t\r";
  const size_t first = text.find_first_not_of(blank);
  if (first == std::string_view::npos) return "";
  return std::string(text.substr(first, text.find_last_not_of(blank) - first + 1));
}

/* A user's name as one component of a principal, whatever it holds. */
std::string component(const std::string& name) {
  std::string text;
  for (char c : name) {
    if (c == '/' || c == '@' || c == '*' || c == '\\') text.push_back('\\');
    text.push_back(c);
  }
  return text;
}

/* Not a name but where to ask NIS; in /etc/passwd such an entry seems to have uid 0. */
bool is_of_nis(std::string_view name) { return name.starts_with('+') || name.starts_with('-'); }

}  // namespace

bool is_local_name(const std::string& name) { return is_name(name, 64); }

std::string rule_problem(const std::string& text) {
  if (text.size() >= limits::kPrincipal) return "is too long";
  /* A name has these escaped. A NUL would cut the rule short in the policy: another principal's. */
  for (const char c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return "has a control character";
  if (text.starts_with("group:")) return "is a group, and there are no groups of groups";
  if (text.starts_with("uid:")) {
    std::optional<uint32_t> uid = parse_number(text.substr(4));
    return uid && "uid:" + std::to_string(*uid) == text ? "" : "is not uid:NUMBER";
  }
  if (text.starts_with("local:")) return is_local_name(text.substr(6)) ? "" : "is not local:NAME";
  Result<PrincipalPattern> pattern = parse_pattern(text);
  return pattern ? "" : pattern.error().text;
}

/* Opens first and looks at what was opened, so that nobody changes it between. */
Result<std::vector<GroupMember>> read_group_file(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return Error{errno, path + ": " + std::strerror(errno) + "; create it, or name another"};
  struct stat st;
  if (::fstat(fd.get(), &st) != 0 || !S_ISREG(st.st_mode))
    return Error{EINVAL, path + " is not a regular file; name one"};
  if (Status status = check_trusted_path(path); !status) return status.error();
  if ((st.st_uid != 0 && st.st_uid != ::geteuid()) || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return Error{EPERM, path + " changed while it was being read; start again"};
  Result<std::string> text = read_file_text(fd.get(), kGroupFileOctets);
  if (!text) return Error{text.error().code, path + " " + text.error().text};

  std::vector<GroupMember> members;
  std::string_view rest = *text;
  if (rest.starts_with("\xef\xbb\xbf"))
    return Error{EINVAL, path + ":1: begins with a byte order mark; remove it"};
  for (int line = 1; !rest.empty(); line++) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view one = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    std::string rule = trimmed(one.substr(0, one.find('#')));
    if (rule.empty()) continue;
    const std::string where = path + ":" + std::to_string(line);
    if (std::string wrong = rule_problem(rule); !wrong.empty())
      return Error{EINVAL, where + ": '" + rule + "' " + wrong +
                               "; write name@REALM, */admin@REALM, uid:NUMBER or local:NAME"};
    members.push_back({std::move(rule), where});
  }
  return members;
}

Result<std::vector<GroupMember>> read_unix_group(const std::string& wanted,
                                                 const std::string& realm, const UnixFiles& files) {
  std::string buffer(kGroupEntryOctets, '\0');
  File groups(std::fopen(files.group, "re"));
  if (!groups) return Error{errno, files.group + std::string(": ") + std::strerror(errno)};
  group group_entry, *group_found = nullptr;
  bool found = false;
  int error = 0;
  while (!found && (error = ::fgetgrent_r(groups.get(), &group_entry, buffer.data(), buffer.size(),
                                          &group_found)) == 0)
    found = wanted == group_found->gr_name;
  if (!found && error == ERANGE)
    return Error{error, files.group + std::string(" has a line that is too long; shorten it")};
  if (!found)
    return Error{ENOENT,
                 "there is no group '" + wanted + "' in " + files.group + "; name one of it"};
  std::vector<std::string> listed;
  for (char** name = group_found->gr_mem; *name != nullptr; name++)
    if (!is_of_nis(*name)) listed.emplace_back(*name);
  const gid_t gid = group_found->gr_gid;

  File users(std::fopen(files.passwd, "re"));
  if (!users) return Error{errno, files.passwd + std::string(": ") + std::strerror(errno)};
  std::vector<GroupMember> members;
  const std::string where = "group '" + wanted + "' of " + files.group;
  std::string wrong;
  auto add = [&](std::string rule) {
    if (const std::string problem = rule_problem(rule); !problem.empty())
      wrong = where + ": '" + rule + "' " + problem + "; name that user in members, or remove it";
    members.push_back({std::move(rule), where});
  };
  passwd user, *user_found;
  while ((error = ::fgetpwent_r(users.get(), &user, buffer.data(), buffer.size(), &user_found)) ==
         0) {
    const std::string name = user_found->pw_name;
    if (is_of_nis(name)) continue;
    const bool is_listed = std::erase(listed, name) != 0;
    if (!is_listed && user_found->pw_gid != gid) continue;
    add("uid:" + std::to_string(user_found->pw_uid));
    if (!realm.empty()) add(component(name) + "@" + realm);
  }
  if (error == ERANGE)
    return Error{error, files.passwd + std::string(" has a line that is too long; shorten it")};
  for (const std::string& name : listed) /* who has no account on this machine */
    if (!realm.empty()) add(component(name) + "@" + realm);
  if (!wrong.empty()) return Error{EINVAL, wrong};
  return members;
}

}  // namespace mp11
