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
 * [priv], the one privileged process of multip11d: it listens, starts and ends all others, and
 * hands out the sockets that join them. It serves from its event loop until it is told to stop.
 *
 *   priv.cc               start, reload, stop
 *   priv_processes.cc     children: start, log pipes, pools, end; multip11-log, -auth and -vault
 *   priv_connections.cc   clients: accept, limits, introduction, end, a new vault
 *   priv_answers.cc       the records that children send, and who may send which when
 *   priv_erasing.cc       tokens' directories that are emptied
 *   priv_status.cc        what `multip11 status` is told
 *
 * Trust: nothing that a child sends is more than a fixed-size record (records.h); each is checked
 * for type, size and phase against the table in priv_answers.cc. A child that breaks the form is
 * killed, and with it the connection that it serves; none can end [priv]. What a monitor may have
 * was said by the vault, and whom it serves is never asked of the monitor.
 */
#pragma once
#include <array>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "config.h"
#include "event_loop.h"
#include "left_out.h"
#include "log.h"
#include "priv_launcher.h"
#include "priv_listener.h"
#include "record_io.h"
#include "status_server.h"
#include "status_text.h"

namespace mp11 {

enum class Kind : uint8_t { kLog, kAuth, kVault, kNet, kMonitor, kBackend, kEraser };

using SharedConfig = std::shared_ptr<const Config>;

/* A child, from its start until it is reaped. */
struct Process {
  uint64_t id = 0;
  Kind kind = Kind::kLog;
  int pid = -1;
  std::string name;
  SharedConfig config; /* that it was started under */
  Watch pidfd, control;
  UniqueFd log; /* read end of its descriptor 2; kept for the next multip11-log */
  bool log_told = false;
  bool killed = false; /* by us */
  uint64_t started_ms = 0;
  uint64_t connection = 0; /* that it serves; 0: a service, or waiting in a pool */
  /* Backends; of erasers the first two. */
  uint32_t backend = 0;              /* index in `config` */
  uint32_t uid = 0;                  /* AllowedBackend::uid */
  uint32_t number = 0, instance = 0; /* by which its monitor calls it */
  UniqueFd channel;                  /* prestarted: the monitor's end of its channel socket */
};

/* One client. */
struct PrivConnection {
  enum Phase : uint32_t {
    kGone = 0,
    kStarting = 1, /* its verdict is awaited */
    kRunning = 2,  /* the vault has said what it may have */
    kSilent = 4,   /* from the network, and nothing has come yet: it has no process */
    kPhases = 5
  };
  uint64_t name = 0;
  Phase phase = kGone;
  Watch silent; /* kSilent: the client; looked at for input, never read */
  bool local = false;
  std::string source, peer, listener;
  uint32_t encodings = 0, security = 0, streams = 0; /* as in NetStart */
  uint64_t since_ms = 0;
  SharedConfig config;
  uint64_t monitor = 0, net = 0, auth = 0, vault = 0; /* processes; vault 0: to be moved to one */
  struct Allowed : AllowedBackend {
    bool still; /* a vault that came later says so too */
  };
  std::vector<Allowed> allowed;   /* by number; indices in `config` */
  Verdict verdict{};              /* kept for the next vault, and shown (answer_renewal) */
  std::vector<uint64_t> backends; /* processes */
  EventLoop::TimerId timer = 0;   /* handshake; later: time to end by itself */
  uint64_t running_ms = 0;        /* since when kRunning */
  LeftOut left_out;               /* as the monitor says */
};

/* What became of a backend's processes since the daemon was started. */
struct BackendHistory {
  uint64_t started = 0;
  uint64_t refused = 0;   /* max-instances was reached */
  uint64_t failed = 0;    /* did not start, or ended badly and not by us */
  uint64_t failed_ms = 0; /* the last one */
  std::string failure;
};

/* What a source, or all of them together, has of the limits. */
struct Share {
  unsigned connections = 0;                                /* local ones, too */
  std::array<unsigned, PrivConnection::kPhases> network{}; /* connections in each phase */
};

struct PrivOptions {
  ConfigSource source;
  bool debug = false;     /* -d */
  bool to_stderr = false; /* -e, -d */
};
/* What the command line says over the configuration. */
void apply_options(const PrivOptions& options, Config* config);

class Priv {
 public:
  /* Signals must be blocked already; `terminal` is where log-target = stderr goes. */
  Priv(EventLoop* loop, PrivOptions options, Config config, std::unique_ptr<Launcher> launcher,
       std::vector<std::unique_ptr<Listener>> listeners, UniqueFd terminal);
  Priv(const Priv&) = delete;

  /* Starts log, vault and auth, and serves from the loop from then on. */
  Status start();
  /* SIGHUP, SIGTERM. */
  void reload();
  void stop();

 private:
  /* A process that is started again when it ends. */
  struct Service {
    uint64_t process = 0; /* 0: not there */
    unsigned failures = 0;
    EventLoop::TimerId restart = 0;
  };
  using Pair = std::pair<UniqueFd, UniqueFd>;
  struct Pools {
    std::deque<uint64_t> net, monitor;
    std::map<std::string, std::deque<uint64_t>> backends; /* prestarted, by name */
    unsigned failures = 0;
    EventLoop::TimerId refill = 0;
    uint64_t pause_until_ms = 0;
  };

  /* priv.cc */
  bool bind_listeners(const Config& config, std::vector<std::unique_ptr<Listener>>* fresh);
  void watch_listeners();
  void after_reload();
  void finish();

  /* priv_processes.cc */
  Process* find_process(uint64_t id);
  Process* adopt(Kind kind, const std::string& name, Launched launched, UniqueFd control);
  Result<Process*> start_program(Kind kind);
  Result<Process*> launch_backend(const SharedConfig& config, AllowedBackend which, bool prestart);
  Result<Process*> start_backend(const SharedConfig& config, AllowedBackend which, bool prestart);
  Result<Launch> plan_service(Kind kind);
  Result<UniqueFd> admin_socket();
  Status start_service(Kind kind);
  Service& service(Kind kind);
  bool services_ready() const;
  void restart_later(Kind kind);
  void on_control(uint64_t id);
  void on_exit(uint64_t id);
  void backend_ended(const Process& process, uint32_t reason, uint32_t detail);
  void service_ended(const Process& process);
  void kill(Process* process);
  void retire(uint64_t id);
  void retire_unused();
  void tell_log();
  Status tell_log_target();
  void own_log_to_pipe();
  uint64_t take_pooled(Kind kind);
  void refill_later();
  void refill();
  bool refill_one(bool* failed);
  void pool_process_failed(const Process& process);
  void drop_pools();
  unsigned instances(const std::string& backend) const;

  /* priv_connections.cc */
  void on_listener(Listener* listener);
  std::string refusal(const Caller& caller) const;
  bool make_room(const std::string& source, PrivConnection::Phase phase);
  void set_phase(PrivConnection* connection, PrivConnection::Phase phase);
  void begin(Listener* listener, Caller caller);
  void heard(uint64_t name, uint32_t events);
  void give_processes(PrivConnection* connection, Caller caller);
  bool introduce(PrivConnection* connection, Caller* caller);
  PrivConnection* find_connection(uint64_t name);
  void end(uint64_t name, const char* why, LogLevel level = LogLevel::kVerbose);
  void move_to_vault(PrivConnection* connection);
  void move_all();
  void vault_died(uint64_t process);
  void auth_died(uint64_t process);
  void pause_listeners();
  void resume_listeners();

  /* priv_answers.cc */
  struct Row {
    Kind from;
    RecordType type;
    uint32_t phases; /* of the connection that the sender serves; 0: the sender is a service */
    bool (Priv::*answer)(Process* process, const RecordBuffer& record);
  };
  static const Row kRows[];
  bool dispatch(Process* process, const RecordBuffer& record);
  bool answer_allow(Process* process, const RecordBuffer& record);
  bool answer_vault_end(Process* process, const RecordBuffer& record);
  bool answer_renewal(Process* process, const RecordBuffer& record);
  bool answer_spawn(Process* process, const RecordBuffer& record);
  bool answer_end_backend(Process* process, const RecordBuffer& record);
  bool answer_layer_state(Process* process, const RecordBuffer& record);
  uint32_t spawn_for(PrivConnection* connection, const Spawn& request, Pair* fds, uint32_t* detail);
  Result<UniqueFd> open_lock(const BackendConfig& backend, uint32_t uid);

  /* priv_erasing.cc */
  struct Erasing {
    uint64_t vault = 0, eraser = 0; /* processes; of the eraser 0: there is none */
    Erase answer{};
  };
  bool answer_erase(Process* process, const RecordBuffer& record);
  bool may_be_used(uint32_t uid) const;
  bool is_erased(const Config& config, AllowedBackend which) const;
  Result<Process*> launch_eraser(const SharedConfig& config, AllowedBackend which);
  void eraser_ended(const Process& process, bool clean);
  void tell_erased(Process* vault, const Erase& answer);

  /* priv_status.cc */
  void backend_failed(const std::string& backend, const std::string& why);
  void forget_backends();
  std::string status_report() const;
  StatusLine status_of_daemon() const;
  StatusLine status_of_service(Kind kind) const;
  StatusLine status_of_backend(const BackendConfig& backend) const;
  StatusLine status_of_process(const Process& process) const;
  StatusLine status_of_connection(const PrivConnection& connection) const;
  void add_left_out(const PrivConnection& connection, StatusText* text) const;

  EventLoop* loop_;
  PrivOptions options_;
  SharedConfig config_;
  std::unique_ptr<Launcher> launcher_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::unique_ptr<Listener> admins_; /* administrators of the vault; never accepted from here */
  UniqueFd terminal_;
  UniqueFd own_log_; /* read end of our own descriptor 2 */
  bool own_log_told_ = false;
  std::map<uint64_t, std::unique_ptr<Process>> processes_;
  std::map<uint64_t, PrivConnection> connections_;
  std::map<std::string, Share> sources_;
  Share all_;
  std::map<Kind, Service> services_;
  std::vector<uint64_t> retiring_; /* auth and vault of an older configuration */
  Erasing erasing_;
  Pools pools_;
  std::map<std::string, BackendHistory> histories_; /* by name of the backend */
  std::unique_ptr<StatusServer> status_;
  uint64_t started_ms_ = 0;
  uint64_t next_ = 1; /* names processes and connections, never reused */
  EventLoop::TimerId resume_ = 0, move_again_ = 0, log_again_ = 0, stop_timer_ = 0;
  bool paused_ = false;
  bool stopping_ = false;
};

}  // namespace mp11
