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
#include "priv_launcher.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "os_process.h"
#include "process_start.h"

namespace mp11 {
namespace {

LogLevel level_of(const std::string& text) {
  if (text == "error") return LogLevel::kError;
  if (text == "verbose") return LogLevel::kVerbose;
  return text == "debug" ? LogLevel::kDebug : LogLevel::kInfo;
}

class ProgramLauncher : public Launcher {
 public:
  ProgramLauncher(UniqueFd netns, std::string missing) : netns_(std::move(netns)) {
    missing_ = std::move(missing);
  }
  Result<Launched> launch(const Config& config, Launch launch) override;

 private:
  UniqueFd netns_;
};

}  // namespace

Result<std::pair<UniqueFd, UniqueFd>> log_pipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0)
    return Error{errno, std::string("pipe: ") + std::strerror(errno)};
  return std::pair(UniqueFd(fds[0]), UniqueFd(fds[1]));
}

Result<std::unique_ptr<Launcher>> Launcher::create(const Config& config) {
  UniqueFd netns;
  std::string missing;
  if (config.unprivileged) {
    missing =
        "unprivileged = yes: all processes share one uid and the host's network; "
        "only Landlock and seccomp part them";
  } else if (Result<UniqueFd> made = new_empty_netns(); made) {
    netns = std::move(*made);
  } else if (config.sandbox == SandboxMode::kFull) {
    return Error{made.error().code, made.error().text +
                                        "; multip11d needs CAP_SYS_ADMIN for it, or the setting "
                                        "sandbox = seccomp-only to do without"};
  } else {
    missing = "no network namespace (" + made.error().text +
              "): backends are kept from the network by seccomp alone";
  }
  return std::unique_ptr<Launcher>(
      std::make_unique<ProgramLauncher>(std::move(netns), std::move(missing)));
}

Result<Launched> ProgramLauncher::launch(const Config& config, Launch launch) {
  SpawnSpec spec;
  spec.program = config.libexec_directory + "/" + launch.program;
  spec.argv = {launch.program};
  bool seccomp_only = config.sandbox == SandboxMode::kSeccompOnly;
  if (launch.options)
    for (std::string& word : process_options({level_of(config.log_level), seccomp_only}))
      spec.argv.push_back(std::move(word));
  Launched launched;
  UniqueFd write_end;
  if (launch.pipe) {
    Result<std::pair<UniqueFd, UniqueFd>> pipe = log_pipe();
    if (!pipe) return pipe.error();
    launched.log = std::move(pipe->first);
    write_end = std::move(pipe->second);
  }
  if (int fd = launch.pipe ? write_end.get() : launch.stderr_fd; fd >= 0)
    spec.fds.push_back({fd, 2});
  for (size_t i = 0; i < launch.fds.size(); i++)
    spec.fds.push_back({launch.fds[i].get(), static_cast<int>(i) + 3});
  spec.death_signal = SIGKILL;
  if (!config.unprivileged) {
    spec.identity = Identity{launch.user.uid, launch.user.gid};
    if (!launch.network) spec.net_namespace = netns_.get();
    if (launch.own_namespaces) spec.namespaces = kOwnIpc | kOwnUts | kOwnMount;
    spec.namespaces_required = !seccomp_only;
  }
  Result<Child> child = spawn(spec);
  if (!child) return child.error();
  launched.pid = child->pid;
  launched.pidfd = std::move(child->pidfd);
  return launched;
}

}  // namespace mp11
