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
#include "confine.h"

#include <dirent.h>
#include <string.h>

#include <memory>

#include "os_landlock.h"
#include "os_process.h"
#include "os_sandbox.h"

namespace mp11 {
namespace {

/* What nearly every library reads, and nobody minds. The certificates are there, private keys not.
 */
constexpr const char* kCommonRead[] = {
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/local/lib",
    "/lib",
    "/lib64",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/usr/share/zoneinfo",
    "/etc/ssl/openssl.cnf",
    "/etc/ssl/certs",
    "/etc/pki/tls/openssl.cnf",
    "/etc/crypto-policies/back-ends",
    "/dev/urandom",
    "/dev/random",
    "/dev/zero",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/sys/crypto",
    "/sys/devices/system/cpu",
};

/*
 * A directory of modules would do, but theirs may be somebody's home: the libraries beside the
 * module are named one by one, and the rest of the directory is not given away.
 */
void add_neighbours(const std::string& module, std::vector<PathRule>* rules) {
  constexpr size_t kMost = 512;
  std::string directory = module.substr(0, module.rfind('/') + 1);
  if (directory.starts_with("/usr/lib/") || directory.starts_with("/lib/")) return;
  std::unique_ptr<DIR, int (*)(DIR*)> listing(::opendir(directory.c_str()), ::closedir);
  if (!listing) return;
  while (const dirent* entry = ::readdir(listing.get())) {
    if (entry->d_type == DT_DIR || strstr(entry->d_name, ".so") == nullptr) continue;
    if (rules->size() >= kMost) return;
    rules->push_back({directory + entry->d_name, PathAccess::kRead, true});
  }
}

}  // namespace

Status confine(const StartBlock& block) {
  SelfLimits limits;
  limits.files = block.files;
  limits.file_size = kKeepLimit;
  if (block.memory_mib != 0 && !kSanitized) /* a sanitizer's shadow is larger than any limit */
    limits.data = block.memory_mib << 20;
  if (Status limited = limit_self(limits); !limited) return limited;
  if (Status dropped = drop_capabilities(); !dropped) return dropped;

  LandlockSpec spec;
  spec.may_be_absent = !block.landlock;
  for (const char* path : kCommonRead) spec.paths.push_back({path, PathAccess::kRead, true});
  spec.paths.push_back({"/dev/null", PathAccess::kReadWrite, true});
  spec.paths.push_back({block.module, PathAccess::kRead});
  add_neighbours(block.module, &spec.paths);
  for (const std::string& path : block.read) spec.paths.push_back({path, PathAccess::kRead});
  for (const std::string& path : block.write)
    spec.paths.push_back({path, PathAccess::kReadWriteCreate});
  if (!block.skeleton.empty()) spec.paths.push_back({block.skeleton, PathAccess::kRead});
  if (!block.directory.empty())
    spec.paths.push_back({block.directory, PathAccess::kReadWriteCreate});
  if (Result<LandlockReport> entered = landlock_enter(spec); !entered) return entered.error();
  return sandbox_enter(Program::kBackend);
}

Status confine_eraser(const StartBlock& block) {
  SelfLimits limits;
  limits.files = block.files;
  limits.file_size = kKeepLimit; /* the filter is compiled through a memfd */
  if (Status limited = limit_self(limits); !limited) return limited;
  if (Status dropped = drop_capabilities(); !dropped) return dropped;
  LandlockSpec spec;
  spec.may_be_absent = !block.landlock;
  spec.paths.push_back({block.directory, PathAccess::kReadWriteCreate});
  if (Result<LandlockReport> entered = landlock_enter(spec); !entered) return entered.error();
  return sandbox_enter(Program::kEraser);
}

}  // namespace mp11
