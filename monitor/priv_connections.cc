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
#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "log.h"
#include "priv.h"

namespace mp11 {
namespace {

constexpr int kAcceptsAtOnce = 8;
constexpr uint32_t kHeard = EPOLLIN | EPOLLRDHUP; /* of a client that was silent */
constexpr uint64_t kPauseMs = 1000;               /* without descriptors or memory */
constexpr uint64_t kRetryMs = 50;                 /* a full queue */
/*
 * A monitor has read its portfolio by then. Before that it is not given a vault of another
 * configuration, which numbers backends anew.
 */
constexpr uint64_t kSettledMs = 10000;

void put_peer(char (&field)[64], const std::string& peer) {
  std::memcpy(field, peer.data(), std::min(peer.size(), sizeof field - 1));
}

unsigned long long printable(uint64_t number) { return number; }

}  // namespace

PrivConnection* Priv::find_connection(uint64_t name) {
  auto found = connections_.find(name);
  return found == connections_.end() ? nullptr : &found->second;
}

/* ---- accept */

void Priv::on_listener(Listener* listener) {
  for (int i = 0; i < kAcceptsAtOnce && !paused_; i++) {
    Result<Caller> caller = listener->accept();
    if (!caller) {
      int code = caller.error().code;
      if (code == EAGAIN || code == EWOULDBLOCK) return;
      if (code != EMFILE && code != ENFILE && code != ENOBUFS && code != ENOMEM) continue;
      log_error("accept: %s; no new connections for a moment", caller.error().text.c_str());
      pause_listeners();
      if (resume_ == 0)
        resume_ = loop_->after(kPauseMs, [this] {
          resume_ = 0;
          resume_listeners();
        });
      return;
    }
    std::string why = refusal(*caller);
    if (why.empty())
      begin(listener, std::move(*caller));
    else
      log_info("%s refused: %s", caller->peer.c_str(), why.c_str());
  }
}

/* Why this caller is one too many; empty when it is not. */
std::string Priv::refusal(const Caller& caller) const {
  if (connections_.size() - all_.network[PrivConnection::kSilent] >= config_->max_connections)
    return "max-connections is reached";
  auto source = sources_.find(caller.source);
  if (source != sources_.end() && source->second.connections >= config_->max_connections_per_source)
    return "max-connections-per-source is reached";
  return "";
}

/*
 * Ends the oldest connection in the phase of the source that has most of them, if that has more
 * than this source would have. So who floods, from however many addresses, drives out himself, and
 * who comes alone finds a place.
 */
bool Priv::make_room(const std::string& source, PrivConnection::Phase phase) {
  auto own = sources_.find(source);
  unsigned most = own == sources_.end() ? 0 : own->second.network[phase];
  if (most > 0) most++;
  uint64_t oldest = 0;
  for (const auto& [name, connection] : connections_) {
    if (connection.local || connection.phase != phase) continue;
    unsigned held = sources_.at(connection.source).network[phase];
    if (held <= most) continue;
    most = held;
    oldest = name;
  }
  if (oldest == 0) return false;
  end(oldest, "not authenticated yet, and others need its place", LogLevel::kInfo);
  return true;
}

void Priv::pause_listeners() {
  paused_ = true;
  for (const auto& listener : listeners_) loop_->change(listener->fd(), 0);
  for (const auto& [name, connection] : connections_)
    if (connection.silent) loop_->change(connection.silent.get(), 0);
}

void Priv::resume_listeners() {
  if (!paused_ || resume_ != 0 || stopping_ || !services_ready()) return;
  paused_ = false;
  for (const auto& listener : listeners_) loop_->change(listener->fd(), EPOLLIN);
  for (const auto& [name, connection] : connections_)
    if (connection.silent) loop_->change(connection.silent.get(), kHeard);
}

/* ---- a connection's life */

void Priv::set_phase(PrivConnection* connection, PrivConnection::Phase phase) {
  Share& own = sources_[connection->source];
  if (connection->phase == PrivConnection::kGone) own.connections++;
  if (phase == PrivConnection::kGone) own.connections--;
  for (Share* share : {&own, &all_}) {
    if (connection->local) break;
    if (connection->phase != PrivConnection::kGone) share->network[connection->phase]--;
    if (phase != PrivConnection::kGone) share->network[phase]++;
  }
  if (own.connections == 0) sources_.erase(connection->source);
  connection->phase = phase;
}

/*
 * A local client has its processes at once: who it is the kernel has said already. A stranger from
 * the network has to say something first.
 */
void Priv::begin(Listener* listener, Caller caller) {
  const bool local = listener->config().local;
  if (!local && all_.network[PrivConnection::kSilent] >= limits::kSilent &&
      !make_room(caller.source, PrivConnection::kSilent))
    return log_info("%s refused: too many that say nothing", caller.peer.c_str());
  uint64_t name = next_++;
  PrivConnection& connection = connections_[name];
  connection.name = name;
  connection.local = local;
  connection.source = caller.source;
  connection.peer = caller.peer;
  connection.listener = listener->config().name;
  connection.encodings = listener->config().encodings;
  connection.security = listener->config().security;
  connection.streams = caller.streams;
  connection.since_ms = EventLoop::now_ms();
  log_verbose("connection %llu: %s", printable(name), caller.peer.c_str());
  uint64_t limit_ms = uint64_t{config_->handshake_timeout_s} * 1000;
  connection.timer = loop_->after(
      limit_ms, [this, name] { end(name, "handshake-timeout is over", LogLevel::kInfo); });
  if (local) return give_processes(&connection, std::move(caller));
  set_phase(&connection, PrivConnection::kSilent);
  connection.silent = Watch(loop_, std::move(caller.socket), kHeard,
                            [this, name](uint32_t events) { heard(name, events); });
  if (!connection.silent) end(name, "it could not be watched", LogLevel::kError);
}

/* Something has come from a client that was silent, or it has gone. */
void Priv::heard(uint64_t name, uint32_t events) {
  PrivConnection& connection = *find_connection(name);
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
    return end(name, "closed by the peer, which is not authenticated", LogLevel::kInfo);
  if (connections_.size() - all_.network[PrivConnection::kSilent] >= config_->max_connections)
    return end(name, "refused: max-connections is reached", LogLevel::kInfo);
  if (all_.network[PrivConnection::kStarting] >= config_->max_startups &&
      !make_room(connection.source, PrivConnection::kStarting))
    return end(name, "refused: max-startups is reached", LogLevel::kInfo);
  Caller caller;
  caller.socket = connection.silent.release();
  give_processes(&connection, std::move(caller));
}

void Priv::give_processes(PrivConnection* connection, Caller caller) {
  connection->config = config_;
  connection->vault = service(Kind::kVault).process;
  connection->auth = connection->local ? 0 : service(Kind::kAuth).process;
  set_phase(connection, PrivConnection::kStarting);
  connection->monitor = take_pooled(Kind::kMonitor);
  if (!connection->local) connection->net = take_pooled(Kind::kNet);
  for (uint64_t id : {connection->monitor, connection->net})
    if (Process* process = find_process(id)) process->connection = connection->name;
  if (!introduce(connection, &caller))
    end(connection->name, "its processes could not be introduced to each other");
}

/* Makes the socket pairs of a connection and hands out their ends (records.h). */
bool Priv::introduce(PrivConnection* connection, Caller* caller) {
  Process* monitor = find_process(connection->monitor);
  Process* net = find_process(connection->net);
  Process* vault = find_process(connection->vault);
  Process* auth = find_process(connection->auth);
  bool local = connection->local;
  if (monitor == nullptr || vault == nullptr || (!local && (net == nullptr || auth == nullptr)))
    return false;
  Result<Pair> vault_monitor = record_pair();
  if (!vault_monitor) return false;
  VaultConnection to_vault = make_record<VaultConnection>(RecordType::kVaultConnection);
  to_vault.connection = connection->name;
  MonitorStart to_monitor = make_record<MonitorStart>(RecordType::kMonitorStart);
  to_monitor.connection = connection->name;
  to_monitor.front = local ? kFrontLocal : kFrontNet;
  put_peer(to_monitor.peer, connection->peer);
  auto send = [](Process* to, const auto& record, std::initializer_list<int> fds) {
    return send_record(to->control.get(), record, {fds.begin(), fds.size()}) == RecordStatus::kOk;
  };
  int for_vault = vault_monitor->first.get(), for_monitor = vault_monitor->second.get();
  if (local) {
    to_vault.has_verdict = 1;
    to_vault.verdict = caller->verdict;
    return send(vault, to_vault, {for_vault}) &&
           send(monitor, to_monitor, {caller->socket.get(), for_monitor});
  }
  Result<Pair> net_auth = record_pair(), auth_vault = record_pair(), channel = record_pair();
  if (!net_auth || !auth_vault || !channel) return false;
  AuthConnection to_auth = make_record<AuthConnection>(RecordType::kAuthConnection);
  to_auth.connection = connection->name;
  NetStart to_net = make_record<NetStart>(RecordType::kNetStart);
  to_net.connection = connection->name;
  to_net.idle_timeout_s = config_->idle_timeout_s;
  to_net.encodings = connection->encodings;
  to_net.security = connection->security;
  to_net.streams = connection->streams;
  put_peer(to_net.peer, connection->peer);
  return send(vault, to_vault, {for_vault, auth_vault->second.get()}) &&
         send(auth, to_auth, {net_auth->second.get(), auth_vault->first.get()}) &&
         send(monitor, to_monitor, {channel->second.get(), for_monitor}) &&
         send(net, to_net, {caller->socket.get(), channel->first.get(), net_auth->first.get()});
}

/* Kills what serves the connection, tells vault and auth, and forgets it. */
void Priv::end(uint64_t name, const char* why, LogLevel level) {
  PrivConnection* connection = find_connection(name);
  if (connection == nullptr) return;
  log_line(level, "connection %llu from %s: %s", printable(name), connection->peer.c_str(), why);
  loop_->cancel(&connection->timer);
  std::vector<uint64_t> ids = connection->backends;
  ids.push_back(connection->monitor);
  ids.push_back(connection->net);
  for (uint64_t id : ids)
    if (Process* process = find_process(id)) kill(process);
  ConnectionName gone = make_record<ConnectionName>(RecordType::kVaultEnd);
  gone.connection = name;
  for (uint64_t id : {connection->vault, connection->auth})
    if (Process* process = find_process(id); process != nullptr && process->control)
      (void)send_record(process->control.get(), gone); /* its sockets have hung up anyway */
  set_phase(connection, PrivConnection::kGone);
  connections_.erase(name);
  refill_later(); /* instances may have become free */
  if (stopping_ && connections_.empty()) {
    loop_->cancel(&stop_timer_);
    stop_timer_ = loop_->after(0, [this] { finish(); });
  } else {
    retire_unused();
  }
}

/* ---- another vault */

void Priv::vault_died(uint64_t process) {
  std::vector<uint64_t> lost;
  for (auto& [name, connection] : connections_) {
    if (connection.vault != process) continue;
    connection.vault = 0;
    bool settled = EventLoop::now_ms() - connection.running_ms >= kSettledMs;
    if (connection.phase == PrivConnection::kStarting || (connection.config != config_ && !settled))
      lost.push_back(name);
  }
  for (uint64_t name : lost) end(name, "the vault died before it had its portfolio");
}

void Priv::auth_died(uint64_t process) {
  std::vector<uint64_t> lost;
  for (auto& [name, connection] : connections_) {
    if (connection.auth != process) continue;
    connection.auth = 0; /* the connection's ticket is not renewed any more */
    if (connection.phase == PrivConnection::kStarting) lost.push_back(name);
  }
  for (uint64_t name : lost) end(name, "multip11-auth died during its handshake");
}

/* Brings all running connections to the present vault, as soon as each may go there. */
void Priv::move_all() {
  uint64_t vault = service(Kind::kVault).process, again = 0;
  for (auto& [name, connection] : connections_) {
    if (connection.phase != PrivConnection::kRunning || connection.vault == vault || vault == 0)
      continue;
    uint64_t age = EventLoop::now_ms() - connection.running_ms;
    if (connection.config == config_ || age >= kSettledMs) move_to_vault(&connection);
    uint64_t wait = age >= kSettledMs ? kRetryMs : kSettledMs - age;
    if (connection.vault != vault) again = again == 0 ? wait : std::min(again, wait);
  }
  retire_unused();
  loop_->cancel(&move_again_);
  if (again != 0)
    move_again_ = loop_->after(again, [this] {
      move_again_ = 0;
      move_all();
    });
}

void Priv::move_to_vault(PrivConnection* connection) {
  Process* vault = find_process(service(Kind::kVault).process);
  Process* monitor = find_process(connection->monitor);
  Result<Pair> pair = record_pair();
  if (vault == nullptr || monitor == nullptr || !pair) return;
  VaultConnection to_vault = make_record<VaultConnection>(RecordType::kVaultConnection);
  to_vault.connection = connection->name;
  to_vault.has_verdict = 1;
  to_vault.verdict = connection->verdict;
  int for_vault = pair->first.get(), for_monitor = pair->second.get();
  if (send_record(vault->control.get(), to_vault, {&for_vault, 1}) != RecordStatus::kOk) return;
  if (Process* old = find_process(connection->vault); old != nullptr && old->control) {
    ConnectionName gone = make_record<ConnectionName>(RecordType::kVaultEnd);
    gone.connection = connection->name;
    (void)send_record(old->control.get(), gone);
  }
  connection->vault = vault->id;
  const RecordHead to_monitor{RecordType::kNewVault, sizeof(RecordHead)};
  if (send_record(monitor->control.get(), to_monitor, {&for_monitor, 1}) == RecordStatus::kAgain)
    kill(monitor); /* it does not read what [priv] says */
}

}  // namespace mp11
