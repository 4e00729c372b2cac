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
 * [priv], what it knows of itself, for `multip11 status`: the lines of a report, and what is kept
 * for them.
 *
 * Trust: what a monitor says of its layers is shown as lines of its own connection, as many as
 * limits::kLayersLeftOut, and nothing else comes of it. It must be about a token of the
 * configuration that has a layer of a backend which the vault allowed to this connection; who is
 * in the right about the rest cannot be known here. Whom a connection serves is what the vault
 * said.
 */
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "priv.h"

namespace mp11 {
namespace {

/* A time of CLOCK_MONOTONIC by the clock on the wall, as it goes now. */
uint64_t wall_s(uint64_t ms) {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<uint64_t>(now.tv_sec) - (EventLoop::now_ms() - ms) / 1000;
}

std::string principal_of(const Verdict& verdict) {
  return std::string(verdict.principal, strnlen(verdict.principal, sizeof verdict.principal));
}

}  // namespace

/* ---- what is kept */

void Priv::backend_failed(const std::string& backend, const std::string& why) {
  BackendHistory& history = histories_[backend];
  history.failed++;
  history.failed_ms = EventLoop::now_ms();
  history.failure = why;
}

/* Those that are not in the configuration any more. */
void Priv::forget_backends() {
  std::erase_if(histories_, [&](const auto& entry) {
    return std::none_of(config_->backends.begin(), config_->backends.end(),
                        [&](const BackendConfig& b) { return b.name == entry.first; });
  });
}

bool Priv::answer_layer_state(Process* process, const RecordBuffer& record) {
  const LayerReport* report = record.as<LayerReport>(RecordType::kLayerState);
  if (report == nullptr || report->there > 1) return false;
  PrivConnection* connection = find_connection(process->connection);
  const std::vector<TokenConfig>& tokens = connection->config->tokens;
  if (report->slot == 0 || report->slot > tokens.size() ||
      report->backend >= connection->allowed.size())
    return false;
  const std::vector<LayerConfig>& layers = tokens[static_cast<size_t>(report->slot) - 1].layers;
  const uint32_t backend = connection->allowed[report->backend].backend;
  if (report->layer == 0 || report->layer > layers.size() ||
      std::none_of(layers.begin(), layers.end(),
                   [&](const LayerConfig& layer) { return layer.backend == backend; }))
    return false;
  connection->left_out.note(*report, EventLoop::now_ms());
  return true;
}

/* ---- the report */

StatusLine Priv::status_of_daemon() const {
  const size_t silent = all_.network[PrivConnection::kSilent];
  StatusLine line("multip11d");
  line.number("status", kStatusVersion).text("version", MP11_VERSION);
  line.number("pid", static_cast<uint64_t>(::getpid())).time("since", wall_s(started_ms_));
  line.number("connections", connections_.size() - silent);
  line.number("max-connections", config_->max_connections).number("silent", silent);
  return line.word("state", stopping_ ? "stopping" : paused_ ? "paused" : "serving");
}

StatusLine Priv::status_of_service(Kind kind) const {
  StatusLine line("service");
  line.text("name", kind == Kind::kLog     ? "multip11-log"
                    : kind == Kind::kVault ? "multip11-vault"
                                           : "multip11-auth");
  auto found = services_.find(kind);
  const Service none, &service = found == services_.end() ? none : found->second;
  auto process = processes_.find(service.process);
  if (process != processes_.end())
    line.number("pid", static_cast<uint64_t>(process->second->pid))
        .time("since", wall_s(process->second->started_ms));
  else
    line.word("state", "absent");
  return line.number("failed", service.failures);
}

StatusLine Priv::status_of_backend(const BackendConfig& backend) const {
  auto found = histories_.find(backend.name);
  auto pool = pools_.backends.find(backend.name);
  const BackendHistory none, &history = found == histories_.end() ? none : found->second;
  StatusLine line("backend");
  line.text("name", backend.name).number("running", instances(backend.name));
  line.number("waiting", pool == pools_.backends.end() ? 0 : pool->second.size());
  line.number("max-instances", backend.max_instances).number("started", history.started);
  line.number("refused", history.refused).number("failed", history.failed);
  if (history.failed != 0)
    line.time("last-failed", wall_s(history.failed_ms)).text("last-failure", history.failure);
  return line;
}

StatusLine Priv::status_of_process(const Process& process) const {
  StatusLine line("process");
  line.text("backend", process.config->backends[process.backend].name);
  line.number("pid", static_cast<uint64_t>(process.pid));
  if (process.uid != 0) line.number("token-uid", process.uid);
  line.time("since", wall_s(process.started_ms));
  if (process.connection != 0) line.number("connection", process.connection);
  return line;
}

StatusLine Priv::status_of_connection(const PrivConnection& connection) const {
  const bool running = connection.phase == PrivConnection::kRunning;
  StatusLine line("connection");
  line.number("number", connection.name).time("since", wall_s(connection.since_ms));
  line.word("state", running ? "running" : "starting");
  line.word("from", connection.local ? "local" : "network");
  line.text("listener", connection.listener).text("peer", connection.peer);
  if (running) {
    line.word("kind", connection.verdict.kind == kVerdictKerberos ? "kerberos" : "local");
    line.text("principal", principal_of(connection.verdict));
    if (connection.verdict.expires_s != 0) line.time("until", connection.verdict.expires_s);
  }
  auto monitor = processes_.find(connection.monitor);
  if (monitor != processes_.end())
    line.number("monitor", static_cast<uint64_t>(monitor->second->pid));
  line.number("backends", connection.backends.size());
  line.number("left-out", connection.left_out.all().size());
  return line.word("configuration", connection.config == config_ ? "present" : "earlier");
}

void Priv::add_left_out(const PrivConnection& connection, StatusText* text) const {
  for (const auto& [place, why] : connection.left_out.all()) {
    const Config& config = *connection.config;
    StatusLine line("left-out");
    line.number("connection", connection.name).number("slot", place.slot);
    line.text("token", config.tokens[static_cast<size_t>(place.slot) - 1].label);
    line.number("layer", place.layer);
    line.text("backend", config.backends[connection.allowed[place.backend].backend].name);
    text->add(line.time("since", wall_s(why.since_ms)).hex("rv", why.rv));
  }
  if (connection.left_out.more())
    text->add(StatusLine("left-out").number("connection", connection.name).word("more", "yes"));
}

std::string Priv::status_report() const {
  StatusText text;
  text.add(status_of_daemon());
  text.add(status_of_service(Kind::kLog));
  text.add(status_of_service(Kind::kVault));
  if (config_->has_tcp()) text.add(status_of_service(Kind::kAuth));
  for (const BackendConfig& backend : config_->backends) text.add(status_of_backend(backend));
  for (const auto& [id, process] : processes_)
    if (process->kind == Kind::kBackend) text.add(status_of_process(*process));
  for (const auto& [name, connection] : connections_) {
    if (connection.phase == PrivConnection::kSilent) continue;
    text.add(status_of_connection(connection));
    add_left_out(connection, &text);
  }
  return text.finish();
}

}  // namespace mp11
