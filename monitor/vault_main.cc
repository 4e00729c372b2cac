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
 * multip11-vault: see vault.h for what it does.
 *
 * Descriptors: 0 and 1 /dev/null; 2 pipe to multip11-log; 3 control socket to [priv]; 4 the policy,
 * a sealed memfd; 5, where the policy needs a state, the directory of that; 6, where it has tokens
 * on demand or pin = vault, the master keys, a sealed memfd; 7, then, the socket that
 * administrators connect to.
 *
 * Trust: the sandbox stands before the first octet is read. The policy is [priv]'s and checked all
 * the same; a vault that cannot read it does not start.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "os_memfd.h"
#include "process_start.h"
#include "vault.h"

namespace mp11 {
namespace {

/* Larger than the largest policy: 65536 rules, 16384 layers, 4096 filters and PINs. */
constexpr size_t kPolicyOctets = 64u << 20;

constexpr int kStateFd = 5, kKeysFd = 6, kAdminsFd = 7;
constexpr size_t kKeysOctets = 128u << 10;
constexpr size_t kStateOctets = 1u << 30; /* the database: some hundred for each token */

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

/* The keys that the configuration has, each the same as ever. */
MasterKeys read_keys(UniqueFd memfd, VaultState* state) {
  Result<SecureBuffer> text = read_sealed_memfd(memfd.get(), kKeysOctets);
  if (!text) fatal("master-key: %s", text.error().text.c_str());
  Result<MasterKeys> keys = MasterKeys::read(text->span());
  if (!keys) fatal("master-key: %s", keys.error().text.c_str());
  for (uint32_t number = 1; number <= keys->count(); number++)
    if (Status status = state->know_key(number, keys->fingerprint(number)); !status)
      fatal("%s", status.error().text.c_str());
  return std::move(*keys);
}

/* The working directory is then that of the state. False: there is none. */
bool enter_state_directory() {
  if (!is_open(kStateFd)) return false;
  UniqueFd directory(kStateFd);
  if (::fchdir(kStateFd) != 0) fatal("state-directory: %s", std::strerror(errno));
  ::umask(077);
  return true;
}

int vault_main(int argc, char** argv) {
  ProcessStart start = process_start("multip11-vault", argc, argv);
  SelfLimits limits;
  limits.files = kKeepLimit;   /* two sockets for each connection */
  limits.file_size = 1u << 20; /* the seccomp filter is compiled through a memfd, which counts */
  const bool has_keys = is_open(kKeysFd);
  UniqueFd admins(has_keys && is_open(kAdminsFd) ? kAdminsFd : -1);
  const bool has_state = enter_state_directory(); /* before there is another descriptor 5 */
  Result<EventLoop> loop = EventLoop::create();
  if (!loop) fatal("%s", loop.error().text.c_str());
  LandlockSpec files;
  if (has_state) {
    limits.file_size = kStateOctets;
    files.paths.push_back({".", PathAccess::kReadWriteCreate});
  }
  limit_program(has_state ? Program::kVaultState : Program::kVault, start, limits, files);
  UniqueFd memfd(4);
  Result<SecureBuffer> octets = read_sealed_memfd(memfd.get(), kPolicyOctets);
  if (!octets) fatal("policy: %s", octets.error().text.c_str());
  Result<Policy> policy = Policy::read(octets->span());
  if (!policy) fatal("policy: %s", policy.error().text.c_str());
  log_verbose("policy of %zu tokens on %zu backends", policy->tokens().size(),
              policy->backends().size());
  memfd.reset();
  std::unique_ptr<VaultState> state;
  MasterKeys keys;
  if (has_state) {
    Result<std::unique_ptr<VaultState>> opened = VaultState::open("state.db");
    if (!opened) fatal("%s", opened.error().text.c_str());
    state = std::move(*opened);
    if (has_keys) keys = read_keys(UniqueFd(kKeysFd), state.get());
  }
  Vault vault(&*loop, std::move(*policy), std::move(state), std::move(keys), UniqueFd(3),
              std::move(admins));
  vault.keep_retiring();
  loop->run();
  return 0;
}

}  // namespace
}  // namespace mp11

int main(int argc, char** argv) { return mp11::vault_main(argc, argv); }
