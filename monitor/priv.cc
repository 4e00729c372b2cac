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
#include "priv.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>

#include "log.h"
#include "os_sandbox.h"
#include "priv_state.h"
#include "process_start.h"

namespace mp11 {
namespace {

/* How long clients have to see their calls in flight answered when the daemon stops. */
constexpr uint64_t kStopMs = 10000;
/* How long multip11-log has to write what is in the pipes. */
constexpr uint64_t kLogDrainMs = 2000;

LogLevel own_level(const Config& config) {
  if (config.log_level == "error") return LogLevel::kError;
  if (config.log_level == "verbose") return LogLevel::kVerbose;
  return config.log_level == "debug" ? LogLevel::kDebug : LogLevel::kInfo;
}

}  // namespace

void apply_options(const PrivOptions& options, Config* config) {
  if (options.debug) config->log_level = "debug";
  if (options.to_stderr) config->log_target = kLogToStderr;
}

Priv::Priv(EventLoop* loop, PrivOptions options, Config config, std::unique_ptr<Launcher> launcher,
           std::vector<std::unique_ptr<Listener>> listeners, UniqueFd terminal)
    : loop_(loop),
      options_(std::move(options)),
      config_(std::make_shared<const Config>(std::move(config))),
      launcher_(std::move(launcher)),
      listeners_(std::move(listeners)),
      terminal_(std::move(terminal)) {}

Status Priv::start() {
  started_ms_ = EventLoop::now_ms();
  Result<std::unique_ptr<StatusServer>> server = StatusServer::create(
      loop_, config_->run_directory + "/status.sock", [this] { return status_report(); });
  if (!server) return server.error();
  status_ = std::move(*server);
  if (Status status = start_service(Kind::kLog); !status) return status;
  if (Status status = start_service(Kind::kVault); !status) return status;
  if (config_->has_tcp())
    if (Status status = start_service(Kind::kAuth); !status) return status;
  own_log_to_pipe(); /* until here errors are seen by whoever started us */
  log_init("multip11d", own_level(*config_), true);
  log_info("starting; %zu listeners, %zu backends, %zu tokens", config_->listeners.size(),
           config_->backends.size(), config_->tokens.size());
  if (!launcher_->missing().empty()) log_info("warning: %s", launcher_->missing().c_str());
  if (kSanitized) log_info("warning: %s", kSanitizedNote);
  watch_listeners();
  refill_later();
  return ok();
}

void Priv::watch_listeners() {
  for (const std::unique_ptr<Listener>& listener : listeners_) {
    Listener* one = listener.get();
    loop_->remove(one->fd());
    loop_->add(one->fd(), paused_ ? 0u : uint32_t{EPOLLIN},
               [this, one](uint32_t) { on_listener(one); });
  }
}

/* ---- SIGHUP */

/* Binds what is new; nothing of the old is touched before all of it worked. */
bool Priv::bind_listeners(const Config& config, std::vector<std::unique_ptr<Listener>>* fresh) {
  for (const ListenerConfig& wanted : config.listeners) {
    bool known = std::any_of(listeners_.begin(), listeners_.end(),
                             [&](const auto& l) { return l->same_place(wanted); });
    if (known) continue;
    Result<std::unique_ptr<Listener>> listener = Listener::bind(wanted);
    if (!listener) {
      log_error("%s; the old configuration stays", listener.error().text.c_str());
      return false;
    }
    if (*listener) fresh->push_back(std::move(*listener));
  }
  return true;
}

void Priv::reload() {
  if (stopping_) return;
  log_info("reading %s again", options_.source.path.c_str());
  LoadedConfig loaded = load_config(options_.source);
  for (const std::string& line : loaded.errors) log_error("%s", line.c_str());
  if (!loaded.config) return log_error("the old configuration stays");
  for (const std::string& line : loaded.warnings) log_info("warning: %s", line.c_str());
  apply_options(options_, &*loaded.config);
  const Config &old = *config_, &wanted = *loaded.config;
  if (wanted.unprivileged != old.unprivileged || wanted.run_directory != old.run_directory ||
      wanted.libexec_directory != old.libexec_directory ||
      wanted.state_directory != old.state_directory)
    return log_error(
        "unprivileged, run-directory, state-directory and libexec-directory need a new start; the "
        "old "
        "configuration stays");
  if (Status status = prepare_state(wanted); !status)
    return log_error("%s; the old configuration stays", status.error().text.c_str());
  std::vector<std::unique_ptr<Listener>> all;
  if (!bind_listeners(wanted, &all)) return;
  config_ = std::make_shared<const Config>(std::move(*loaded.config));
  for (std::unique_ptr<Listener>& listener : listeners_) {
    auto still = std::find_if(config_->listeners.begin(), config_->listeners.end(),
                              [&](const ListenerConfig& l) { return listener->same_place(l); });
    loop_->remove(listener->fd());
    if (still == config_->listeners.end()) continue; /* closed, and its file removed, below */
    if (Status status = listener->adopt(*still); !status)
      log_error("%s", status.error().text.c_str());
    all.push_back(std::move(listener));
  }
  listeners_ = std::move(all);
  after_reload();
}

/* New processes for new connections; those that are served keep what they have. */
void Priv::after_reload() {
  forget_backends();
  log_init("multip11d", own_level(*config_), true);
  if (Status status = tell_log_target(); !status) log_error("%s", status.error().text.c_str());
  drop_pools();
  if (!config_->needs_master_key()) admins_.reset();
  for (Kind kind : {Kind::kVault, Kind::kAuth}) {
    Service& old = service(kind);
    loop_->cancel(&old.restart);
    const RecordHead stop{RecordType::kStop, sizeof(RecordHead)}; /* administrators go to the new */
    if (Process* vault = find_process(old.process); kind == Kind::kVault && vault != nullptr)
      (void)send_record(vault->control.get(), stop);
    if (old.process != 0) retiring_.push_back(std::exchange(old.process, 0));
    old.failures = 0;
    if (kind == Kind::kAuth && !config_->has_tcp()) continue;
    if (Status status = start_service(kind); !status) {
      log_error("%s", status.error().text.c_str());
      pause_listeners();
      restart_later(kind);
    }
  }
  watch_listeners();
  move_all();
  retire_unused();
  refill_later();
  log_info("the new configuration is in effect");
}

/* ---- SIGTERM */

void Priv::stop() {
  if (stopping_) return finish(); /* told twice */
  stopping_ = true;
  log_info("stopping; %zu connections", connections_.size());
  for (const auto& listener : listeners_) loop_->remove(listener->fd());
  listeners_.clear();
  admins_.reset();
  drop_pools();
  const RecordHead record{RecordType::kStop, sizeof(RecordHead)};
  std::vector<uint64_t> starting;
  for (auto& [name, connection] : connections_) {
    Process* monitor = find_process(connection.monitor);
    if (connection.phase == PrivConnection::kStarting || monitor == nullptr ||
        send_record(monitor->control.get(), record) != RecordStatus::kOk)
      starting.push_back(name);
  }
  for (uint64_t name : starting) end(name, "the daemon stops");
  stop_timer_ = loop_->after(connections_.empty() ? 0 : kStopMs, [this] { finish(); });
}

/* Ends what is left; multip11-log last, so that every line gets out. */
void Priv::finish() {
  loop_->cancel(&stop_timer_);
  while (!connections_.empty()) end(connections_.begin()->first, "the daemon stops");
  Process* log = find_process(service(Kind::kLog).process);
  for (auto& [id, process] : processes_)
    if (process.get() != log) kill(process.get());
  for (auto& [id, process] : processes_)
    if (process.get() != log) (void)wait_child(process->pidfd.get(), true);
  status_.reset();
  log_info("stopped");
  if (log != nullptr) {
    log->control.reset(); /* it drains its pipes and exits */
    uint64_t until = EventLoop::now_ms() + kLogDrainMs;
    for (;;) {
      Result<std::optional<ExitReason>> done = wait_child(log->pidfd.get(), false);
      if (!done || done->has_value()) break;
      if (EventLoop::now_ms() >= until) {
        kill(log);
        (void)wait_child(log->pidfd.get(), true);
        break;
      }
      ::usleep(5000);
    }
  }
  processes_.clear();
  loop_->stop();
}

}  // namespace mp11
