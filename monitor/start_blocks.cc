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
#include "start_blocks.h"

#include "server_address.h"

namespace mp11 {
namespace {

void add(std::string* block, const std::string& key, const std::string& value) {
  *block += key + "=" + value + "\n";
}

void add_list(std::string* block, const char* key, const std::vector<std::string>& values) {
  for (size_t i = 0; i < values.size(); i++)
    add(block, std::string(key) + "." + std::to_string(i), values[i]);
}

std::string with_directory(const std::string& text, const std::string& directory) {
  std::string said;
  for (size_t i = 0; i < text.size(); i++) {
    if (text[i] != '%')
      said.push_back(text[i]);
    else if (text[++i] == 'd')
      said += directory;
    else
      said.push_back('%');
  }
  return said;
}

const char* sandbox_text(SandboxMode mode) {
  return mode == SandboxMode::kFull ? "full" : "seccomp-only";
}

std::string server_start_block(const BackendConfig& backend, SandboxMode sandbox) {
  std::string block;
  add(&block, "name", backend.name);
  add(&block, "server", backend.server);
  if (backend.sctp) add(&block, "transport", "sctp");
  add(&block, "security", backend.security.empty() ? "any" : backend.security);
  if (!backend.principal.empty()) add(&block, "principal", backend.principal);
  add(&block, "tickets", "keytab");
  if (!backend.client.empty()) add(&block, "client", backend.client);
  add_list(&block, "env", backend.environment);
  add(&block, "memory", std::to_string(backend.memory_mib));
  add(&block, "deadline", std::to_string(remote_deadline_s(backend.deadline_start_s)));
  add(&block, "sandbox", sandbox_text(sandbox));
  return block;
}

}  // namespace

std::string scope_directory(const Config& config, const BackendConfig& backend, uint32_t uid) {
  return config.state_directory + "/tokens/" + backend.name + "/" + std::to_string(uid);
}

std::string directory_text_problem(const std::string& text) {
  for (size_t i = 0; i < text.size(); i++)
    if (text[i] == '%' && text[++i] != 'd' && text[i] != '%')
      return "has a % that stands for nothing; write %d, or %% for %";
  return "";
}

std::string start_block_of(const BackendConfig& backend, SandboxMode sandbox, bool prestart,
                           const std::string& directory) {
  if (backend.is_server()) return server_start_block(backend, sandbox);
  std::string block;
  add(&block, "module", backend.module);
  add(&block, "name", backend.name);
  std::vector<std::string> environment = backend.environment;
  if (!directory.empty()) {
    for (std::string& entry : environment) entry = with_directory(entry, directory);
    add(&block, "directory", directory);
    if (!backend.skeleton.empty()) add(&block, "skeleton", backend.skeleton);
  }
  add_list(&block, "env", environment);
  add_list(&block, "read", backend.read);
  add_list(&block, "write", backend.write);
  add(&block, "memory", std::to_string(backend.memory_mib));
  add(&block, "files", std::to_string(backend.files));
  add(&block, "workers", std::to_string(limits::kWorkers));
  add(&block, "sandbox", sandbox_text(sandbox));
  add(&block, "prestart", prestart ? "yes" : "no");
  return block;
}

std::string eraser_start_block(const BackendConfig& backend, SandboxMode sandbox,
                               const std::string& directory) {
  std::string block;
  add(&block, "erase", "yes");
  add(&block, "name", "eraser of " + backend.name);
  add(&block, "directory", directory);
  add(&block, "sandbox", sandbox_text(sandbox));
  return block;
}

std::string auth_start_block(const Config& config) {
  std::string block;
  add(&block, "principal", config.principal);
  add(&block, "handshake-ms", std::to_string(config.handshake_timeout_s * 1000));
  if (config.sandbox == SandboxMode::kSeccompOnly) add(&block, "sandbox", "seccomp-only");
  return block;
}

}  // namespace mp11
