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
 * [priv], tokens that are destroyed: the vault says which, by backend and uid; a process of that
 * uid empties its directory (backendproc/eraser.h), and how it ended is told to the vault.
 *
 * Trust: the vault may be an attacker's. It names a backend of the configuration that has a layer
 * with retire = destroy, and a uid of that backend's own range, or it is ended; the path is put
 * together here. Nothing is done while a process has the uid, or a connection may start one, and
 * none of that uid is started while it is done; one at a time. That the days have passed only the
 * vault knows: one that is owned can have any token of such a backend destroyed that nobody is
 * connected to.
 */
#include <algorithm>

#include "log.h"
#include "os_memfd.h"
#include "priv.h"
#include "priv_state.h"
#include "start_blocks.h"

namespace mp11 {
namespace {

/* As whom its process runs; 0 where there are no users, but for tokens that have one each. */
uint32_t uid_of(const Config& config, AllowedBackend which) {
  return which.uid != 0 ? which.uid : config.backends[which.backend].user.uid;
}

}  // namespace

bool Priv::answer_erase(Process* process, const RecordBuffer& record) {
  const Erase* request = record.as<Erase>(RecordType::kErase);
  if (request == nullptr || request->outcome != 0 || request->reserved != 0) return false;
  const SharedConfig config = process->config;
  const AllowedBackend which = request->which;
  if (which.backend >= config->backends.size() || !config->destroys(which.backend)) return false;
  const BackendConfig& backend = config->backends[which.backend];
  if (!backend.isolates_tokens() || which.uid < backend.first_uid || which.uid > backend.last_uid)
    return false;
  if (erasing_.eraser != 0 && erasing_.vault == process->id) return false; /* one at a time */
  Erase answer = *request;
  answer.head.type = RecordType::kErased;
  answer.outcome = kEraseBusy;
  const bool old = process->id != service(Kind::kVault).process;
  if (!old && !stopping_ && erasing_.eraser == 0 && !may_be_used(which.uid)) {
    Result<Process*> eraser = launch_eraser(config, which);
    if (eraser) {
      erasing_ = {process->id, (*eraser)->id, answer};
      loop_->after(limits::kEraseMs, [this, id = (*eraser)->id] {
        if (Process* late = find_process(id)) kill(late);
      });
      return true;
    }
    log_error("%s", eraser.error().text.c_str()); /* and nothing has been touched */
  }
  tell_erased(process, answer);
  return true;
}

/* Whatever the backend is called: no two have a uid in common, but of two configurations. */
bool Priv::may_be_used(uint32_t uid) const {
  for (const auto& [id, process] : processes_) {
    const bool of_backend = process->kind == Kind::kBackend || process->kind == Kind::kEraser;
    if (of_backend && uid_of(*process->config, {process->backend, process->uid}) == uid)
      return true;
  }
  for (const auto& [name, connection] : connections_)
    for (const PrivConnection::Allowed& allowed : connection.allowed)
      if (allowed.still && uid_of(*connection.config, allowed) == uid) return true;
  return false;
}

/* Its process would have the eraser's uid, which may be another's in a later configuration. */
bool Priv::is_erased(const Config& config, AllowedBackend which) const {
  return erasing_.eraser != 0 && erasing_.answer.which.uid == uid_of(config, which);
}

Result<Process*> Priv::launch_eraser(const SharedConfig& config, AllowedBackend which) {
  const BackendConfig& backend = config->backends[which.backend];
  Result<std::string> directory = make_scope_directory(*config, backend, which.uid);
  if (!directory) return directory.error();
  const std::string block = eraser_start_block(backend, config->sandbox, *directory);
  Result<UniqueFd> memfd =
      sealed_memfd("start", {reinterpret_cast<const uint8_t*>(block.data()), block.size()});
  if (!memfd) return memfd.error();
  Result<Pair> unused = record_pair(); /* where a backend has its channel */
  if (!unused) return unused.error();
  Launch launch;
  launch.program = "multip11-backend";
  launch.user = UserId{"", which.uid, which.uid};
  launch.options = false;
  launch.own_namespaces = true;
  launch.fds.push_back(std::move(unused->second));
  launch.fds.push_back(std::move(*memfd));
  Result<Launched> launched = launcher_->launch(*config, std::move(launch));
  if (!launched) return launched.error();
  const std::string name = "eraser " + backend.name + "/" + std::to_string(which.uid);
  Process* process = adopt(Kind::kEraser, name, std::move(*launched), {});
  process->config = config;
  process->backend = which.backend;
  process->uid = which.uid;
  return process;
}

void Priv::eraser_ended(const Process& process, bool clean) {
  if (process.id != erasing_.eraser) return;
  Erase answer = erasing_.answer;
  answer.outcome = clean ? kEraseDone : kEraseFailed;
  Process* vault = find_process(erasing_.vault);
  erasing_ = {};
  refill_later(); /* what waited for that uid */
  if (vault != nullptr && vault->control) tell_erased(vault, answer);
}

void Priv::tell_erased(Process* vault, const Erase& answer) {
  if (send_record(vault->control.get(), answer) == RecordStatus::kAgain)
    kill(vault); /* it does not read what [priv] says */
}

}  // namespace mp11
