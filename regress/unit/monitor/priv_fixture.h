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
 * For the tests of Priv: [priv] in this thread, and the test in the places of all its children.
 * What it starts is a process that does nothing; the test has the descriptors that would be the
 * child's.
 */
#pragma once
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <initializer_list>
#include <memory>
#include <optional>
#include <vector>

#include "config_fixture.h"
#include "os_process.h"
#include "priv.h"
#include "priv_state.h"

namespace mp11::priv_test {

struct Child {
  std::string program;
  UserId user;
  std::vector<UniqueFd> fds; /* 3, 4, ...; of our own programs the first is the control socket */
  UniqueFd life;             /* when it is closed the process ends, with 0 */
  pid_t pid = -1;
  int control() const { return fds.at(0).get(); }
};

/* In the place of the real one: no program of the daemon's is there, nor needed. */
class Stage : public Launcher {
 public:
  ~Stage() override {
    for (Child& child : children) {
      child.life.reset();
      (void)::waitpid(child.pid, nullptr, 0); /* most have been reaped */
    }
  }
  Result<Launched> launch(const Config&, Launch launch) override {
    if (launch.program == refused) return Error{EAGAIN, launch.program + " does not start"};
    int pipe[2];
    BOOST_REQUIRE(::pipe2(pipe, O_CLOEXEC) == 0);
    const UniqueFd input(pipe[0]);
    Child child;
    child.program = launch.program;
    child.user = launch.user;
    child.life.reset(pipe[1]);
    for (UniqueFd& fd : launch.fds) child.fds.push_back(std::move(fd));
    SpawnSpec spec;
    spec.program = "/bin/cat";
    spec.argv = {"cat"};
    spec.fds = {{input.get(), 0}};
    if (::geteuid() == 0) spec.identity = Identity{65533, 65534};
    spec.death_signal = SIGKILL;
    auto started = spawn(spec);
    BOOST_REQUIRE_MESSAGE(started.ok(), (started.ok() ? "" : started.error().text));
    Launched launched;
    launched.pid = child.pid = started->pid;
    launched.pidfd = std::move(started->pidfd);
    children.push_back(std::move(child));
    return launched;
  }
  size_t count(const std::string& program) const {
    return static_cast<size_t>(
        std::count_if(children.begin(), children.end(),
                      [&](const Child& child) { return child.program == program; }));
  }
  Child& last(const std::string& program) {
    auto found = std::find_if(children.rbegin(), children.rend(),
                              [&](const Child& child) { return child.program == program; });
    BOOST_REQUIRE_MESSAGE(found != children.rend(), program);
    return *found;
  }

  std::vector<Child> children;
  std::string refused; /* a program */
};

struct Client {
  UniqueFd socket;
  uint64_t name = 0;
  size_t monitor = 0; /* its place among the children */
};

class PrivFixture : public config_test::ConfigDir {
 public:
  /* `more` says who the users are, and has backends and tokens; @module@ is a library. */
  explicit PrivFixture(const std::string& more) : loop_(std::move(*EventLoop::create())) {
    write("key", std::string(64, 'a') + "\n", 0600);
    for (const char* name : {"run", "run/lock", "libexec", "state"})
      BOOST_REQUIRE(::mkdir(file(name).c_str(), 0755) == 0);
    LoadedConfig loaded = config(more);
    std::vector<std::unique_ptr<Listener>> listeners;
    for (const ListenerConfig& one : loaded.config->listeners)
      listeners.push_back(std::move(*Listener::bind(one)));
    BOOST_REQUIRE(prepare_state(*loaded.config).ok());
    auto stage_made = std::make_unique<Stage>();
    stage = stage_made.get();
    PrivOptions options;
    options.source.path = file("conf");
    priv = std::make_unique<Priv>(&loop_, options, std::move(*loaded.config), std::move(stage_made),
                                  std::move(listeners), UniqueFd());
    /* Its log goes into a pipe; what fails here is to be seen. */
    const UniqueFd stderr_here(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3));
    const Status started = priv->start();
    ::dup2(stderr_here.get(), STDERR_FILENO);
    log_init("test", LogLevel::kFatal, false);
    BOOST_REQUIRE_MESSAGE(started.ok(), (started.ok() ? "" : started.error().text));
  }

  /* SIGHUP, with another configuration. */
  void reload(const std::string& more) {
    (void)config(more);
    const size_t vaults = stage->count("multip11-vault");
    priv->reload();
    log_init("test", LogLevel::kFatal, false);
    BOOST_REQUIRE(stage->count("multip11-vault") == vaults + 1);
  }

  void turn(int ms = 10) {
    bool over = false;
    loop_.after(static_cast<uint64_t>(ms), [&over] { over = true; });
    while (!over) loop_.run_once();
  }

  /* The next record of that type at a child's end, those before it left out. */
  template <class T>
  std::optional<T> hear(int socket, RecordType type) {
    for (int i = 0; i < 500; i++) {
      RecordBuffer record;
      while (record.receive(socket, true) == RecordStatus::kOk)
        if (const T* its = record.as<T>(type)) return *its;
      turn();
    }
    return std::nullopt;
  }

  /* ---- the vault: the last one that was started */

  int vault() { return stage->last("multip11-vault").control(); }
  void ask_to_erase(uint32_t uid, uint32_t backend = 0) {
    Erase request = make_record<Erase>(RecordType::kErase);
    request.which = {backend, uid};
    BOOST_REQUIRE((send_record(vault(), request) == RecordStatus::kOk));
    turn();
  }
  /* The answer; 0: none came. */
  uint32_t erased() {
    const std::optional<Erase> answer = hear<Erase>(vault(), RecordType::kErased);
    return answer ? answer->outcome : 0;
  }

  /* It is given a connection, and says what that may have. Returns its name. */
  uint64_t allow(std::initializer_list<AllowedBackend> allowed) {
    const auto told = hear<VaultConnection>(vault(), RecordType::kVaultConnection);
    BOOST_REQUIRE(told.has_value());
    Allow record = make_record<Allow>(RecordType::kAllow);
    record.connection = told->connection;
    for (const AllowedBackend& one : allowed) record.backends[record.count++] = one;
    record.verdict = told->verdict;
    BOOST_REQUIRE((send_record(vault(), record) == RecordStatus::kOk));
    BOOST_REQUIRE(hear<ConnectionName>(vault(), RecordType::kAllowed).has_value());
    return told->connection;
  }

  /* ---- a client, and its monitor */

  Client connect(std::initializer_list<AllowedBackend> allowed) {
    Client client;
    client.socket.reset(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::snprintf(address.sun_path, sizeof address.sun_path, "%s", file("sock").c_str());
    BOOST_REQUIRE(
        ::connect(client.socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    client.name = allow(allowed);
    client.monitor = static_cast<size_t>(&stage->last("multip11-monitor") - stage->children.data());
    return client;
  }
  /* A SpawnError. */
  uint32_t start_backend(const Client& client, uint32_t number) {
    const int control = stage->children[client.monitor].control();
    Spawn request = make_record<Spawn>(RecordType::kSpawn);
    request.backend = number;
    request.instance = ++instance_;
    BOOST_REQUIRE((send_record(control, request) == RecordStatus::kOk));
    const std::optional<Spawned> answer = hear<Spawned>(control, RecordType::kSpawned);
    BOOST_REQUIRE((answer && answer->instance == instance_));
    return answer->error;
  }

 private:
  LoadedConfig config(std::string more) {
    constexpr std::string_view kModule = "@module@";
    for (size_t at; (at = more.find(kModule)) != more.npos;)
      more.replace(at, kModule.size(), file("module.so"));
    auto path = [this](const char* keyword, const char* name) {
      return std::string(keyword) + " = \"" + file(name) + "\"\n";
    };
    LoadedConfig loaded = config_test::load(
        *this, path("run-directory", "run") + path("libexec-directory", "libexec") +
                   path("state-directory", "state") + path("master-key", "key") +
                   "pool-size = 0\nlistener here {\n" + path("path", "sock") +
                   "peer-uid = yes }\n" + more);
    config_test::require_good(loaded);
    return loaded;
  }

  EventLoop loop_;
  uint32_t instance_ = 0;

 public:
  Stage* stage = nullptr; /* priv's */
  std::unique_ptr<Priv> priv;
};

}  // namespace mp11::priv_test
