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
/* The only file that makes Landlock's three system calls: Debian 12 has no library for them. */
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "os_landlock.h"
#include "os_process.h"
#include "unique_fd.h"

namespace mp11 {
namespace {

/* As the kernel has them; the system's header may be older than the kernel. */
constexpr uint64_t kTruncate = 1u << 14;
constexpr uint64_t kIoctlDevice = 1u << 15;
constexpr uint64_t kBindTcp = 1u << 0;
constexpr uint64_t kConnectTcp = 1u << 1;
constexpr uint64_t kScopeAbstractUnix = 1u << 0;
constexpr uint64_t kScopeSignal = 1u << 1;
constexpr int kRuleNetPort = 2;

struct RulesetAttr {
  uint64_t fs;
  uint64_t net;
  uint64_t scoped;
};
struct NetPortAttr {
  uint64_t access;
  uint64_t port;
};

constexpr uint64_t kFsAbi1 =
    LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE |
    LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
    LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
    LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
    LANDLOCK_ACCESS_FS_MAKE_SYM;
/* Rights that a rule on something else than a directory may have. */
constexpr uint64_t kFsFile = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |
                             LANDLOCK_ACCESS_FS_READ_FILE | kTruncate | kIoctlDevice;
constexpr uint64_t kFsRead = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr uint64_t kFsWrite = kFsRead | LANDLOCK_ACCESS_FS_WRITE_FILE | kTruncate;
constexpr uint64_t kFsCreate = kFsWrite | LANDLOCK_ACCESS_FS_MAKE_REG |
                               LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                               LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REFER;

uint64_t rights(PathAccess access) {
  switch (access) {
    case PathAccess::kRead:
      return kFsRead;
    case PathAccess::kReadExec:
      return kFsRead | LANDLOCK_ACCESS_FS_EXECUTE;
    case PathAccess::kReadWrite:
      return kFsWrite;
    case PathAccess::kReadWriteCreate:
      return kFsCreate;
  }
  return 0;
}

RulesetAttr handled(int abi, const LandlockSpec& spec) {
  RulesetAttr attr{kFsAbi1, 0, 0};
  if (abi >= 2) attr.fs |= LANDLOCK_ACCESS_FS_REFER;
  if (abi >= 3) attr.fs |= kTruncate;
  if (abi >= 4 && !spec.unrestricted_tcp) attr.net = kBindTcp | kConnectTcp;
  if (abi >= 5) attr.fs |= kIoctlDevice;
  if (abi >= 6) attr.scoped = kScopeAbstractUnix | kScopeSignal;
  return attr;
}

std::string describe(int abi, const RulesetAttr& attr) {
  std::string text = "Landlock ABI " + std::to_string(abi) + ": files";
  if (abi < 2) text += " (no rename between directories)";
  if (abi < 3) text += " (truncate is not covered)";
  text += attr.net != 0 ? ", TCP" : ", TCP not covered";
  text += attr.scoped != 0 ? ", signals, abstract sockets" : ", signals not covered";
  return text;
}

Error failed(const std::string& what) { return Error{errno, what + ": " + strerror(errno)}; }

Status add_path(int ruleset, const PathRule& rule, uint64_t handled_fs) {
  UniqueFd fd(::open(rule.path.c_str(), O_PATH | O_CLOEXEC));
  if (!fd) {
    if (rule.optional && (errno == ENOENT || errno == ENOTDIR)) return ok();
    return failed("sandbox rule for " + rule.path);
  }
  struct stat about {};
  if (::fstat(fd.get(), &about) != 0) return failed("sandbox rule for " + rule.path);
  uint64_t allowed = rights(rule.access) & handled_fs;
  if (!S_ISDIR(about.st_mode)) allowed &= kFsFile;
  landlock_path_beneath_attr attr{};
  attr.allowed_access = allowed;
  attr.parent_fd = fd.get();
  if (::syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &attr, 0) != 0)
    return failed("sandbox rule for " + rule.path);
  return ok();
}

}  // namespace

int landlock_abi() {
  long abi = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  return abi < 0 ? 0 : static_cast<int>(abi);
}

Result<LandlockReport> landlock_enter(const LandlockSpec& spec) {
  if (thread_count() > 1) return Error{EBUSY, "Landlock was asked for after threads were started"};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed("no-new-privileges");
  int abi = landlock_abi();
  if (abi == 0) {
    if (!spec.may_be_absent)
      return Error{ENOSYS,
                   "this kernel has no Landlock; enable it (lsm=landlock,...) or say "
                   "`sandbox = seccomp-only`"};
    return LandlockReport{0, "no Landlock (sandbox = seccomp-only)"};
  }
  RulesetAttr attr = handled(abi, spec);
  UniqueFd ruleset(static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0)));
  if (!ruleset) return failed("landlock_create_ruleset");
  for (const PathRule& rule : spec.paths)
    if (auto added = add_path(ruleset.get(), rule, attr.fs); !added) return added.error();
  for (uint16_t port : spec.connect_ports) {
    if (attr.net == 0) break;
    NetPortAttr rule{kConnectTcp, port};
    if (::syscall(SYS_landlock_add_rule, ruleset.get(), kRuleNetPort, &rule, 0) != 0)
      return failed("sandbox rule for port " + std::to_string(port));
  }
  if (::syscall(SYS_landlock_restrict_self, ruleset.get(), 0) != 0)
    return failed("landlock_restrict_self");
  return LandlockReport{abi, describe(abi, attr)};
}

}  // namespace mp11
