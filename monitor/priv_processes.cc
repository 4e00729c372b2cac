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
#include <signal.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "log.h"
#include "os_memfd.h"
#include "os_process.h"
#include "policy.h"
#include "priv.h"
#include "priv_state.h"
#include "secure_buffer.h"
#include "start_blocks.h"
#include "vault_records.h"

namespace mp11 {
namespace {

constexpr int kRecordsAtOnce = 32; /* of one child, before the others have their turn */
constexpr uint64_t kFirstDelayMs = 100, kFirstAuthDelayMs = 1100, kLongestDelayMs = 30000;
constexpr uint64_t kHealthyMs = 60000; /* who lived so long has its failures forgotten */
constexpr uint64_t kRetireMs = 10000;  /* an old service that does not end by itself is killed */
constexpr uint64_t kLingerMs = 10000;  /* a monitor whose net is gone */
constexpr uint64_t kClosingMs = 1000;  /* a child that has hung up and does not end */
constexpr uint64_t kRetryMs = 50;      /* a full queue */
constexpr size_t kKeytabOctets = 1u << 20, kMasterKeyOctets = 128u << 10;

/*
 * auth remembers authenticators in memory, and after a start refuses those of an earlier second: so
 * the next one must not start within the second in which the last one died.
 */
uint64_t delay_ms(Kind kind, unsigned failures) {
  uint64_t first = kind == Kind::kAuth ? kFirstAuthDelayMs : kFirstDelayMs;
  return std::min(kLongestDelayMs, first << std::min(failures, 10u));
}

const char* program_of(Kind kind) {
  switch (kind) {
    case Kind::kLog:
      return "multip11-log";
    case Kind::kAuth:
      return "multip11-auth";
    case Kind::kVault:
      return "multip11-vault";
    case Kind::kNet:
      return "multip11-net";
    case Kind::kMonitor:
      return "multip11-monitor";
    case Kind::kBackend:
    case Kind::kEraser:
      return "multip11-backend";
  }
  return "";
}

std::span<const uint8_t> octets_of(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

Result<UniqueFd> copy_keytab(const std::string& path) {
  UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file) return Error{errno, "keytab " + path + ": " + std::strerror(errno)};
  return sealed_copy("keytab", file.get(), kKeytabOctets);
}

Result<UniqueFd> copy_master_key(const std::string& path) {
  UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file) return Error{errno, "master-key " + path + ": " + std::strerror(errno)};
  return sealed_copy("master-key", file.get(), kMasterKeyOctets);
}

/* It has the PINs of layers with pin = file. */
Result<UniqueFd> sealed_policy(const Config& config) {
  std::vector<uint8_t> octets = serialise_policy(config);
  Result<UniqueFd> memfd = sealed_memfd("policy", octets);
  wipe(octets.data(), octets.size());
  return memfd;
}

}  // namespace

/* ---- start */

Process* Priv::find_process(uint64_t id) {
  auto found = processes_.find(id);
  return found == processes_.end() ? nullptr : found->second.get();
}

Process* Priv::adopt(Kind kind, const std::string& name, Launched launched, UniqueFd control) {
  uint64_t id = next_++;
  auto process = std::make_unique<Process>();
  process->id = id;
  process->kind = kind;
  process->pid = launched.pid;
  process->name = name;
  process->config = config_;
  process->log = std::move(launched.log);
  process->started_ms = EventLoop::now_ms();
  process->pidfd =
      Watch(loop_, std::move(launched.pidfd), EPOLLIN, [this, id](uint32_t) { on_exit(id); });
  if (control)
    process->control =
        Watch(loop_, std::move(control), EPOLLIN, [this, id](uint32_t) { on_control(id); });
  log_verbose("%s is process %d", name.c_str(), launched.pid);
  Process* adopted = process.get();
  processes_[id] = std::move(process);
  tell_log();
  return adopted;
}

/* One socket for all vaults, one after the other; for root, or for us, alone. */
Result<UniqueFd> Priv::admin_socket() {
  if (admins_ == nullptr) {
    ListenerConfig where;
    where.name = "administrators";
    where.local = true;
    where.path = config_->run_directory + "/" + kVaultSocket;
    where.mode = 0600;
    Result<std::unique_ptr<Listener>> bound = Listener::bind(where);
    if (!bound) return bound.error();
    admins_ = std::move(*bound);
  }
  UniqueFd copy(::fcntl(admins_->fd(), F_DUPFD_CLOEXEC, 3));
  if (!copy) return Error{errno, std::string("fcntl: ") + std::strerror(errno)};
  return copy;
}

/* What each of our own programs is started with; its control socket comes first. */
Result<Launch> Priv::plan_service(Kind kind) {
  Launch launch;
  launch.program = program_of(kind);
  const UsersConfig& users = config_->users;
  std::vector<Result<UniqueFd>> more;
  switch (kind) {
    case Kind::kLog:
      launch.user = users.log;
      launch.pipe = false;
      launch.stderr_fd = terminal_.get();
      break;
    case Kind::kVault:
      launch.user = users.vault;
      more.push_back(sealed_policy(*config_));
      if (config_->needs_state()) more.push_back(open_vault_directory(*config_));
      if (!config_->needs_master_key()) break;
      more.push_back(copy_master_key(config_->master_key));
      more.push_back(admin_socket());
      break;
    case Kind::kAuth:
      launch.user = users.auth;
      more.push_back(sealed_memfd("start", octets_of(auth_start_block(*config_))));
      more.push_back(copy_keytab(config_->keytab));
      break;
    case Kind::kNet:
      launch.user = users.net;
      break;
    default:
      launch.user = users.monitor;
      break;
  }
  launch.fds.emplace_back(); /* for the control socket */
  for (Result<UniqueFd>& fd : more) {
    if (!fd) return Error{fd.error().code, launch.program + ": " + fd.error().text};
    launch.fds.push_back(std::move(*fd));
  }
  return launch;
}

Result<Process*> Priv::start_program(Kind kind) {
  Result<Launch> launch = plan_service(kind);
  if (!launch) return launch.error();
  Result<Pair> control = record_pair();
  if (!control) return control.error();
  launch->fds[0] = std::move(control->second);
  Result<Launched> launched = launcher_->launch(*config_, std::move(*launch));
  if (!launched) return launched.error();
  return adopt(kind, program_of(kind), std::move(*launched), std::move(control->first));
}

Result<Process*> Priv::start_backend(const SharedConfig& config, AllowedBackend which,
                                     bool prestart) {
  const std::string& name = config->backends[which.backend].name;
  Result<Process*> process = launch_backend(config, which, prestart);
  if (process)
    histories_[name].started++;
  else
    backend_failed(name, process.error().text);
  return process;
}

Result<Process*> Priv::launch_backend(const SharedConfig& config, AllowedBackend which,
                                      bool prestart) {
  const BackendConfig& backend = config->backends[which.backend];
  std::string name = "backend " + backend.name, directory;
  if (which.uid != 0) {
    Result<std::string> made = make_scope_directory(*config, backend, which.uid);
    if (!made) return made.error();
    directory = std::move(*made);
    name += "/" + std::to_string(which.uid);
  }
  /* With a token lock nobody may touch the token before a monitor holds the lock. */
  std::string block =
      start_block_of(backend, config->sandbox, prestart && !backend.token_lock, directory);
  Result<UniqueFd> memfd = sealed_memfd("start", octets_of(block));
  if (!memfd) return memfd.error();
  Result<Pair> channel = record_pair();
  if (!channel) return channel.error();
  Launch launch;
  launch.program = backend.is_server() ? "multip11-remote" : program_of(Kind::kBackend);
  launch.user = which.uid != 0 ? UserId{"", which.uid, which.uid} : backend.user;
  launch.options = false;
  launch.own_namespaces = true;
  launch.fds.push_back(std::move(channel->second));
  launch.fds.push_back(std::move(*memfd));
  if (backend.is_server()) {
    Result<UniqueFd> keytab = copy_keytab(backend.keytab);
    if (!keytab) return keytab.error();
    launch.fds.push_back(std::move(*keytab));
    launch.network = true;
  }
  Result<Launched> launched = launcher_->launch(*config, std::move(launch));
  if (!launched) return launched.error();
  Process* process = adopt(Kind::kBackend, name, std::move(*launched), {});
  process->config = config;
  process->backend = which.backend;
  process->uid = which.uid;
  process->channel = std::move(channel->first);
  return process;
}

Priv::Service& Priv::service(Kind kind) { return services_[kind]; }

Status Priv::start_service(Kind kind) {
  Result<Process*> process = start_program(kind);
  if (!process) return process.error();
  service(kind).process = (*process)->id;
  if (kind == Kind::kLog) {
    own_log_told_ = false;
    for (auto& [id, one] : processes_) one->log_told = false;
    if (Status status = tell_log_target(); !status) return status;
    tell_log();
  } else if (kind == Kind::kVault) {
    move_all();
  }
  resume_listeners();
  return ok();
}

bool Priv::services_ready() const {
  auto there = [&](Kind kind) {
    auto found = services_.find(kind);
    return found != services_.end() && found->second.process != 0;
  };
  return there(Kind::kVault) && (there(Kind::kAuth) || !config_->has_tcp());
}

void Priv::restart_later(Kind kind) {
  Service& one = service(kind);
  uint64_t delay = delay_ms(kind, one.failures++);
  log_error("%s starts again in %llu ms", program_of(kind), static_cast<unsigned long long>(delay));
  loop_->cancel(&one.restart);
  one.restart = loop_->after(delay, [this, kind] {
    service(kind).restart = 0;
    if (stopping_) return;
    Status status = start_service(kind);
    if (status) return;
    log_error("%s", status.error().text.c_str());
    restart_later(kind);
  });
}

/* ---- log lines of children */

/* Our own lines go the way of all others, and wait in the pipe while there is no multip11-log. */
void Priv::own_log_to_pipe() {
  Result<Pair> pipe = log_pipe();
  if (!pipe || ::dup3(pipe->second.get(), STDERR_FILENO, 0) < 0) return;
  own_log_ = std::move(pipe->first);
  tell_log();
}

Status Priv::tell_log_target() {
  Process* log = find_process(service(Kind::kLog).process);
  if (log == nullptr) return ok(); /* it is told when it starts */
  LogTarget record = make_record<LogTarget>(RecordType::kLogTarget);
  record.target = config_->log_target;
  record.rate = config_->log_rate;
  UniqueFd opened;
  int fd = terminal_.get();
  if (config_->log_target == kLogToFile) {
    opened.reset(::open(config_->log_file.c_str(),
                        O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0640));
    if (!opened) return Error{errno, config_->log_file + ": " + std::strerror(errno)};
    fd = opened.get();
  }
  bool with_fd = config_->log_target != kLogToSyslog;
  if (with_fd && fd < 0) return Error{EBADF, "log-target = stderr: there is none any more"};
  std::span<const int> fds = with_fd ? std::span<const int>(&fd, 1) : std::span<const int>();
  if (send_record(log->control.get(), record, fds) != RecordStatus::kOk)
    return Error{EPIPE, "multip11-log does not take its target"};
  return ok();
}

/* Hands the read ends of all that multip11-log does not have yet. */
void Priv::tell_log() {
  Process* log = find_process(service(Kind::kLog).process);
  if (log == nullptr) return;
  auto tell = [&](const std::string& name, int pid, Kind kind, const UniqueFd& pipe) {
    LogSource record = make_record<LogSource>(RecordType::kLogSource);
    record.untrusted = kind == Kind::kBackend ? 1 : 0;
    record.many = record.untrusted != 0 || kind == Kind::kNet || kind == Kind::kMonitor ? 1 : 0;
    record.pid = pid;
    std::memcpy(record.name, name.data(), std::min(name.size(), sizeof record.name - 1));
    int fd = pipe.get();
    return send_record(log->control.get(), record, {&fd, 1}) == RecordStatus::kOk;
  };
  bool all = true;
  if (own_log_ && !own_log_told_)
    all = own_log_told_ = tell("multip11d", ::getpid(), Kind::kLog, own_log_);
  for (auto& [id, process] : processes_) {
    if (process->log_told || !process->log || !all) continue;
    all = process->log_told = tell(process->name, process->pid, process->kind, process->log);
  }
  if (all || log_again_ != 0) return;
  log_again_ = loop_->after(kRetryMs, [this] {
    log_again_ = 0;
    tell_log();
  });
}

/* ---- records and ends */

void Priv::on_control(uint64_t id) {
  RecordBuffer record;
  for (int i = 0; i < kRecordsAtOnce; i++) {
    Process* process = find_process(id);
    if (process == nullptr || !process->control) return;
    RecordStatus status = record.receive(process->control.get(), false);
    if (status == RecordStatus::kAgain) return;
    if (status == RecordStatus::kClosed) {
      /* net closes its end when it has its connection; for all others it is the end. */
      process->control.reset();
      if (process->kind == Kind::kNet && process->connection != 0) return;
      loop_->after(kClosingMs, [this, id] {
        if (Process* late = find_process(id)) kill(late);
      });
      return;
    }
    if (status == RecordStatus::kOk && dispatch(process, record)) continue;
    log_error("%s[%d] broke the form of its records; killed", process->name.c_str(), process->pid);
    process->control.reset();
    kill(process);
    return;
  }
}

void Priv::kill(Process* process) {
  process->killed = true;
  if (Status status = kill_process(process->pidfd.get(), SIGKILL); !status)
    log_error("%s[%d]: %s", process->name.c_str(), process->pid, status.error().text.c_str());
}

void Priv::on_exit(uint64_t id) {
  Process* alive = find_process(id);
  Result<std::optional<ExitReason>> result = wait_child(alive->pidfd.get(), false);
  if (result && !result->has_value()) return; /* not yet */
  ExitReason reason = result ? **result : ExitReason{};
  std::unique_ptr<Process> process = std::move(processes_[id]);
  processes_.erase(id);
  bool clean = reason.kind == ExitReason::kExited && reason.value == 0;
  LogLevel level = clean || process->killed ? LogLevel::kVerbose : LogLevel::kError;
  log_line(level, "%s[%d] ended: %s", process->name.c_str(), process->pid,
           reason.describe().c_str());
  PrivConnection* connection = find_connection(process->connection);
  switch (process->kind) {
    case Kind::kBackend: {
      uint32_t kind = reason.kind == ExitReason::kSandbox     ? kEndViolation
                      : process->killed                       ? kEndKilled
                      : reason.kind == ExitReason::kSignalled ? kEndSignal
                                                              : kEndExit;
      /* A monitor that sees it fall has it killed, which it then need not have been. */
      const bool ours =
          process->killed && reason.kind == ExitReason::kSignalled && reason.value == SIGKILL;
      if (!clean && !ours)
        backend_failed(process->config->backends[process->backend].name, reason.describe());
      backend_ended(*process, kind, static_cast<uint32_t>(reason.value));
      break;
    }
    case Kind::kEraser:
      eraser_ended(*process, clean);
      break;
    case Kind::kMonitor:
      if (connection != nullptr) return end(connection->name, "its monitor has ended");
      if (!process->killed) pool_process_failed(*process);
      break;
    case Kind::kNet:
      if (connection == nullptr) {
        if (!process->killed) pool_process_failed(*process);
        break;
      }
      connection->net = 0;
      if (connection->phase == PrivConnection::kStarting)
        return end(connection->name, "it was closed before it was authenticated");
      loop_->cancel(&connection->timer);
      connection->timer = loop_->after(
          kLingerMs, [this, name = connection->name] { end(name, "its monitor did not end"); });
      break;
    default:
      service_ended(*process);
      break;
  }
}

void Priv::backend_ended(const Process& process, uint32_t reason, uint32_t detail) {
  PrivConnection* connection = find_connection(process.connection);
  if (connection == nullptr) {
    std::deque<uint64_t>& pool = pools_.backends[process.config->backends[process.backend].name];
    std::erase(pool, process.id);
    if (process.connection == 0 && !process.killed) pool_process_failed(process);
    return;
  }
  std::erase(connection->backends, process.id);
  Spawned record = make_record<Spawned>(RecordType::kBackendGone);
  record.backend = process.number;
  record.instance = process.instance;
  record.error = reason;
  record.detail = detail;
  Process* monitor = find_process(connection->monitor);
  if (monitor != nullptr && send_record(monitor->control.get(), record) == RecordStatus::kAgain)
    kill(monitor); /* it does not read what [priv] says */
}

void Priv::service_ended(const Process& process) {
  Kind kind = process.kind;
  std::erase(retiring_, process.id);
  if (kind == Kind::kVault) vault_died(process.id);
  if (kind == Kind::kAuth) auth_died(process.id);
  Service& one = service(kind);
  if (one.process != process.id) return;
  one.process = 0;
  if (stopping_) return;
  if (EventLoop::now_ms() - process.started_ms >= kHealthyMs) one.failures = 0;
  if (kind != Kind::kLog) pause_listeners();
  restart_later(kind);
}

/* ---- services of an older configuration */

void Priv::retire(uint64_t id) {
  Process* process = find_process(id);
  if (process == nullptr) return;
  process->control.reset(); /* it ends by itself, when all that it had to say is said */
  process->killed = true;
  loop_->after(kRetireMs, [this, id] {
    if (Process* late = find_process(id)) kill(late);
  });
}

void Priv::retire_unused() {
  std::vector<uint64_t> unused;
  for (uint64_t id : retiring_) {
    bool used = std::any_of(connections_.begin(), connections_.end(), [&](const auto& entry) {
      const PrivConnection& c = entry.second;
      return c.vault == id || c.auth == id; /* an auth for renewals, when it has accepted it */
    });
    if (!used) unused.push_back(id);
  }
  for (uint64_t id : unused) {
    std::erase(retiring_, id);
    retire(id);
  }
}

/* ---- pools */

unsigned Priv::instances(const std::string& backend) const {
  unsigned count = 0;
  for (const auto& [id, process] : processes_)
    if (process->kind == Kind::kBackend &&
        process->config->backends[process->backend].name == backend)
      count++;
  return count;
}

/* A fresh process for a new connection, 0 when there is none to be had. */
uint64_t Priv::take_pooled(Kind kind) {
  std::deque<uint64_t>& pool = kind == Kind::kNet ? pools_.net : pools_.monitor;
  refill_later();
  while (!pool.empty()) {
    uint64_t id = pool.front();
    pool.pop_front();
    Process* process = find_process(id);
    if (process == nullptr || process->killed || !process->control) continue;
    pools_.failures = 0;
    return id;
  }
  Result<Process*> process = start_program(kind);
  if (process) return (*process)->id;
  log_error("%s", process.error().text.c_str());
  return 0;
}

void Priv::refill_later() {
  if (pools_.refill != 0 || stopping_) return;
  uint64_t now = EventLoop::now_ms();
  uint64_t delay = pools_.pause_until_ms > now ? pools_.pause_until_ms - now : 0;
  pools_.refill = loop_->after(delay, [this] {
    pools_.refill = 0;
    refill();
  });
}

/* One process at a time: clients that wait come first. */
void Priv::refill() {
  if (stopping_) return;
  bool failed = false;
  bool more = refill_one(&failed);
  if (failed) {
    pools_.pause_until_ms = EventLoop::now_ms() + delay_ms(Kind::kMonitor, pools_.failures++);
    more = true;
  }
  if (more) refill_later();
}

bool Priv::refill_one(bool* failed) {
  Result<Process*> process = static_cast<Process*>(nullptr);
  std::deque<uint64_t>* pool = nullptr;
  bool tcp = config_->has_tcp();
  if (pools_.monitor.size() < config_->pool_size) {
    pool = &pools_.monitor;
    process = start_program(Kind::kMonitor);
  } else if (tcp && pools_.net.size() < config_->pool_size) {
    pool = &pools_.net;
    process = start_program(Kind::kNet);
  } else {
    for (uint32_t i = 0; i < config_->backends.size() && pool == nullptr; i++) {
      const BackendConfig& backend = config_->backends[i];
      std::deque<uint64_t>& ready = pools_.backends[backend.name];
      if (ready.size() >= backend.prestart || instances(backend.name) >= backend.max_instances ||
          is_erased(*config_, {i, 0}))
        continue;
      pool = &ready;
      process = start_backend(config_, {i, 0}, true);
    }
  }
  if (pool == nullptr) return false;
  if (!process) {
    log_error("%s", process.error().text.c_str());
    *failed = true;
    return false;
  }
  pool->push_back((*process)->id);
  return true;
}

/* It ended before anybody used it: most likely the next will as well, so not at once. */
void Priv::pool_process_failed(const Process& process) {
  std::erase(pools_.net, process.id);
  std::erase(pools_.monitor, process.id);
  pools_.pause_until_ms = EventLoop::now_ms() + delay_ms(Kind::kMonitor, pools_.failures++);
  refill_later();
}

void Priv::drop_pools() {
  std::vector<uint64_t> all(pools_.net.begin(), pools_.net.end());
  all.insert(all.end(), pools_.monitor.begin(), pools_.monitor.end());
  for (const auto& [name, pool] : pools_.backends) all.insert(all.end(), pool.begin(), pool.end());
  loop_->cancel(&pools_.refill);
  pools_ = {};
  for (uint64_t id : all)
    if (Process* process = find_process(id)) kill(process);
}

}  // namespace mp11
