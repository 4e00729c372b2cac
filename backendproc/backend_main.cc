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
 * multip11-backend: one PKCS #11 library, in a process of its own. Started by multip11d's [priv] or
 * by multip11.so, never by hand. Or, with erase=yes, no library, and a token's directory that is
 * emptied: the exit status says how that went.
 *
 * Descriptors:
 *   0, 1  /dev/null
 *   2     log, or /dev/null
 *   3     channel socket; the monitor, or multip11.so, sends the segment
 *   4     start block (start_block.h)
 *   5     where the start block says owner=pidfd: the application
 *
 * Trust: who started us is believed. The library is not, from its first constructor on; that it can
 * do no harm outside of this process is confine()'s work, and that of who gave us our uid.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "channel.h"
#include "confine.h"
#include "eraser.h"
#include "library.h"
#include "log.h"
#include "skeleton.h"
#include "start_block.h"
#include "worker_pool.h"

namespace {

using namespace mp11;

constexpr int kChannelFd = 3;
constexpr int kStartFd = 4;
constexpr int kOwnerFd = 5;

void set_environment(const StartBlock& block) {
  if (::clearenv() != 0) fatal("cannot clear the environment");
  for (const std::string& entry : block.environment) {
    size_t equals = entry.find('=');
    if (::setenv(entry.substr(0, equals).c_str(), entry.c_str() + equals + 1, 1) != 0)
      fatal("environment: '%s' is not NAME=VALUE", entry.c_str());
  }
}

/* A peer that is gone is seen by poll, not by a signal. */
void set_signals() {
  ::signal(SIGPIPE, SIG_IGN);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

int erase(const StartBlock& block) {
  Status erased = confine_eraser(block);
  if (erased) erased = erase_directory(block.directory);
  if (!erased) fatal("%s: %s", block.name.c_str(), erased.error().text.c_str());
  return 0;
}

}  // namespace

int main() {
  log_init("multip11-backend", LogLevel::kError, false);
  Result<StartBlock> block = read_start_block(kStartFd);
  if (!block)
    fatal("%s (multip11d and multip11.so start this program)", block.error().text.c_str());
  const char* name = block->name.c_str();
  ::close(kStartFd);
  set_environment(*block);
  set_signals();
  if (block->erase) return erase(*block);
  if (!block->directory.empty() && ::chdir(block->directory.c_str()) != 0)
    fatal("%s: %s: %s", name, block->directory.c_str(), strerror(errno));
  if (Status confined = confine(*block); !confined)
    fatal("%s: %s", name, confined.error().text.c_str());
  if (!block->skeleton.empty())
    if (Status copied = copy_skeleton(block->skeleton, block->directory); !copied)
      fatal("%s: %s", name, copied.error().text.c_str());

  Result<Library> library = Library::load(block->module);
  if (!library) fatal("%s: %s", name, library.error().text.c_str());
  std::optional<CK_RV> initialized;
  if (block->prestart) initialized = library->initialize();

  Result<std::unique_ptr<Channel>> channel = Channel::join(UniqueFd(kChannelFd), -1);
  if (!channel) fatal("%s: %s", name, channel.error().text.c_str());
  WorkerPool pool(channel->get(), &*library, block->workers, initialized);
  pool.run(block->owner ? kOwnerFd : -1);
}
