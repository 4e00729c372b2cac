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
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "log.h"
#include "os_process.h"
#include "priv.h"

namespace mp11 {
namespace {

/* Backends of one connection at once, those that are being killed included. */
constexpr size_t kBackendsPerConnection = 16;

/* The same library, user and limits under another configuration; its place in the file may differ.
 */
bool same_backend(BackendConfig a, BackendConfig b) {
  a.line = b.line = 0;
  a.allow.clear();
  b.allow.clear();
  return a == b;
}

/* A token of its own has a uid of the backend's range, and no other backend's process has. */
bool may_run_as(const BackendConfig& backend, uint32_t uid) {
  if (!backend.isolates_tokens()) return uid == 0;
  return uid >= backend.first_uid && uid <= backend.last_uid;
}

unsigned long long printable(uint64_t number) { return number; }

}  // namespace

/* All that a child may say to [priv]. net and log say nothing. */
const Priv::Row Priv::kRows[] = {
    {Kind::kVault, RecordType::kAllow, 0, &Priv::answer_allow},
    {Kind::kVault, RecordType::kVaultEnd, 0, &Priv::answer_vault_end},
    {Kind::kVault, RecordType::kErase, 0, &Priv::answer_erase},
    {Kind::kAuth, RecordType::kRenewal, 0, &Priv::answer_renewal},
    {Kind::kMonitor, RecordType::kSpawn, PrivConnection::kRunning, &Priv::answer_spawn},
    {Kind::kMonitor, RecordType::kEndBackend, PrivConnection::kRunning, &Priv::answer_end_backend},
    {Kind::kMonitor, RecordType::kLayerState, PrivConnection::kRunning, &Priv::answer_layer_state},
};

bool Priv::dispatch(Process* process, const RecordBuffer& record) {
  for (const Row& row : kRows) {
    if (row.from != process->kind || row.type != record.type()) continue;
    if (row.phases != 0) {
      const PrivConnection* connection = find_connection(process->connection);
      if (connection == nullptr) return process->killed; /* it ended meanwhile */
      if ((connection->phase & row.phases) == 0) return false;
    }
    return (this->*row.answer)(process, record);
  }
  return false;
}

/* ---- vault */

bool Priv::answer_allow(Process* process, const RecordBuffer& record) {
  const Allow* allow = record.as<Allow>(RecordType::kAllow);
  if (allow == nullptr) return false;
  const std::vector<BackendConfig>& now = process->config->backends;
  if (allow->count > limits::kBackends) return false;
  const std::span<const AllowedBackend> given(allow->backends, allow->count);
  for (const AllowedBackend& one : given)
    if (one.backend >= now.size() || !may_run_as(now[one.backend], one.uid)) return false;
  PrivConnection* connection = find_connection(allow->connection);
  if (connection == nullptr) return true;            /* it ended meanwhile */
  if (connection->vault != process->id) return true; /* it has been given to another meanwhile */
  if (connection->phase == PrivConnection::kStarting) {
    for (const AllowedBackend& one : given) connection->allowed.push_back({one, true});
    connection->verdict = allow->verdict;
    set_phase(connection, PrivConnection::kRunning);
    connection->running_ms = EventLoop::now_ms();
    loop_->cancel(&connection->timer);
    if (connection->config != config_) move_all(); /* arranges for it to be moved in time */
  } else {
    /* A new vault may take away, never give: a backend must be the same and allowed by both. */
    for (PrivConnection::Allowed& old : connection->allowed) {
      const BackendConfig& its = connection->config->backends[old.backend];
      old.still &= std::any_of(given.begin(), given.end(), [&](const AllowedBackend& one) {
        return one.uid == old.uid && its.name == now[one.backend].name &&
               same_backend(its, now[one.backend]);
      });
    }
  }
  ConnectionName allowed = make_record<ConnectionName>(RecordType::kAllowed);
  allowed.connection = connection->name;
  if (send_record(process->control.get(), allowed) != RecordStatus::kOk)
    end(connection->name, "the vault takes no records");
  return true;
}

bool Priv::answer_vault_end(Process* process, const RecordBuffer& record) {
  const ConnectionName* gone = record.as<ConnectionName>(RecordType::kVaultEnd);
  if (gone == nullptr) return false;
  PrivConnection* connection = find_connection(gone->connection);
  if (connection != nullptr && connection->vault == process->id)
    end(connection->name, "the vault refused it");
  return true;
}

/* ---- auth */

/*
 * Only the auth that accepted a connection speaks of it. Its words are the vault's to judge; but
 * one that contradicts what it said before has been taken over, and the vault may be missing.
 */
bool Priv::answer_renewal(Process* process, const RecordBuffer& record) {
  const Renewal* renewal = record.as<Renewal>(RecordType::kRenewal);
  if (renewal == nullptr || !text_ends(renewal->principal)) return false;
  PrivConnection* connection = find_connection(renewal->connection);
  if (connection == nullptr) return true; /* it ended meanwhile */
  if (connection->auth != process->id) return false;
  Verdict& verdict = connection->verdict;
  if (connection->phase != PrivConnection::kRunning ||
      std::strncmp(verdict.principal, renewal->principal, sizeof verdict.principal) != 0 ||
      renewal->expires_s <= verdict.expires_s) {
    end(connection->name, "multip11-auth renewed what it is not");
    return true;
  }
  verdict.expires_s = renewal->expires_s;
  Process* vault = find_process(connection->vault);
  if (vault == nullptr) return true; /* the next one is given the verdict */
  if (send_record(vault->control.get(), *renewal) != RecordStatus::kOk)
    end(connection->name, "the vault takes no records");
  return true;
}

/* ---- monitor */

bool Priv::answer_spawn(Process* process, const RecordBuffer& record) {
  const Spawn* request = record.as<Spawn>(RecordType::kSpawn);
  if (request == nullptr) return false;
  PrivConnection* connection = find_connection(process->connection);
  for (uint64_t id : connection->backends) {
    const Process* other = find_process(id);
    if (other->number == request->backend && other->instance == request->instance) return false;
  }
  Pair fds;
  uint32_t detail = 0;
  Spawned answer = make_record<Spawned>(RecordType::kSpawned);
  answer.backend = request->backend;
  answer.instance = request->instance;
  answer.error = spawn_for(connection, *request, &fds, &detail);
  answer.detail = detail;
  int both[] = {fds.first.get(), fds.second.get()};
  size_t count = answer.error != kSpawnOk ? 0 : fds.second ? 2 : 1;
  return send_record(process->control.get(), answer, {both, count}) != RecordStatus::kAgain;
}

/* A SpawnError; with kSpawnOk the channel socket and, where it has one, the lock file. */
uint32_t Priv::spawn_for(PrivConnection* connection, const Spawn& request, Pair* fds,
                         uint32_t* detail) {
  const SharedConfig& config = connection->config;
  if (request.backend >= connection->allowed.size() ||
      !connection->allowed[request.backend].still) {
    log_error("connection %llu asks for a backend that it may not have",
              printable(connection->name));
    return kSpawnDenied;
  }
  const AllowedBackend which = connection->allowed[request.backend];
  const BackendConfig& backend = config->backends[which.backend];
  if (stopping_ || connection->backends.size() >= kBackendsPerConnection) return kSpawnBusy;
  if (is_erased(*config, which)) return kSpawnBusy;
  if (backend.token_lock) {
    Result<UniqueFd> lock = open_lock(backend, which.uid);
    if (!lock) {
      log_error("%s", lock.error().text.c_str());
      *detail = static_cast<uint32_t>(lock.error().code);
      return kSpawnFailed;
    }
    fds->second = std::move(*lock);
  }
  Process* process = nullptr;
  std::deque<uint64_t>& pool = pools_.backends[backend.name];
  while (config == config_ && process == nullptr && !pool.empty()) {
    process = find_process(pool.front());
    pool.pop_front();
    if (process != nullptr && process->killed) process = nullptr;
  }
  if (process == nullptr) {
    if (instances(backend.name) >= backend.max_instances) {
      histories_[backend.name].refused++;
      return kSpawnBusy;
    }
    Result<Process*> started = start_backend(config, which, false);
    if (!started) {
      log_error("%s", started.error().text.c_str());
      *detail = static_cast<uint32_t>(started.error().code);
      return kSpawnFailed;
    }
    process = *started;
  } else {
    pools_.failures = 0;
    refill_later();
  }
  process->connection = connection->name;
  process->number = request.backend;
  process->instance = request.instance;
  connection->backends.push_back(process->id);
  fds->first = std::move(process->channel);
  return kSpawnOk;
}

/* Opened anew for each monitor: a descriptor that two share would share the lock as well. */
Result<UniqueFd> Priv::open_lock(const BackendConfig& backend, uint32_t uid) {
  std::string path = config_->run_directory + "/lock/" + backend.name;
  if (uid != 0) path += "." + std::to_string(uid);
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return Error{errno, path + ": " + std::strerror(errno)};
  return fd;
}

bool Priv::answer_end_backend(Process* process, const RecordBuffer& record) {
  const Spawn* request = record.as<Spawn>(RecordType::kEndBackend);
  if (request == nullptr) return false;
  PrivConnection* connection = find_connection(process->connection);
  for (uint64_t id : connection->backends) {
    Process* backend = find_process(id);
    if (backend->number == request->backend && backend->instance == request->instance)
      kill(backend);
  }
  return true; /* none: it has ended by itself meanwhile */
}

}  // namespace mp11
