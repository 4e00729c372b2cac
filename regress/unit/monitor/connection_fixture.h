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
 * For the tests of Connection: the whole of multip11-monitor's loop in a child process, with this
 * process as its [priv], its vault, its client and its backends.
 */
#pragma once
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <mutex>
#include <set>
#include <sstream>
#include <thread>

#include "connection.h"
#include "session_fixture.h"

namespace mp11::connection_test {

using session_test::at;
using session_test::backend_plan;
using session_test::FakeLibrary;
using session_test::layer_plan;
using session_test::layered_plan;
using session_test::token_plan;
using session_test::TokenPlan;
using session_test::word;

inline std::pair<UniqueFd, UniqueFd> socket_pair() {
  int pair[2];
  BOOST_REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
  return {UniqueFd(pair[0]), UniqueFd(pair[1])};
}

inline uint64_t now_ms() { return Waiter::now_ns() / 1000000; }

/* What a backend of the test does instead of being one. */
struct Behaviour {
  uint32_t spawn_error = kSpawnOk;
  uint32_t die_at = UINT32_MAX;  /* hangs up when this function comes */
  uint32_t hang_at = UINT32_MAX; /* never answers it */
  bool reads = true;             /* takes anything out of its channel at all */
  unsigned delay_ms = 0;         /* before each answer */
  unsigned work_ms = 0;          /* of each C_SeedRandom, by as many workers as there may be */
  unsigned death_ms = 0;         /* from kEndBackend to kBackendGone */
  std::function<void(Message*)> tamper;
  std::string pin = {};  /* empty: whatever it is given will do */
  std::string lock_file; /* passed along, opened anew each time */
};

/* [priv], in a thread: starts and ends backends, each in a thread of its own. */
class FakePriv {
 public:
  FakePriv(int control, std::map<uint32_t, Behaviour> behaviours)
      : control_(control), behaviours_(std::move(behaviours)), thread_([this] { run(); }) {}
  ~FakePriv() {
    stop_ = true;
    thread_.join();
    for (auto& [number, backend] : backends_) end(&backend);
    for (std::thread& thread : threads_) thread.join();
  }

  void change(uint32_t number, const std::function<void(Behaviour*)>& what) {
    std::lock_guard<std::mutex> guard(mutex_);
    what(&behaviours_[number]);
  }
  /* CLOCK_MONOTONIC in ms of each kSpawn, and the kEndBackend so far. */
  std::vector<uint64_t> spawns(uint32_t number) {
    std::lock_guard<std::mutex> guard(mutex_);
    return spawns_[number];
  }
  /* The library's sessions of the C_SeedRandom that came while there was work_ms, in order. */
  std::vector<uint64_t> worked_for() {
    std::lock_guard<std::mutex> guard(mutex_);
    return worked_for_;
  }
  /* What it was told of layers; waits a while for so many. */
  std::vector<LayerReport> layers(size_t count) {
    for (unsigned i = 0;; i++) {
      {
        std::lock_guard<std::mutex> guard(mutex_);
        if (layers_.size() >= count || i == 200) return layers_;
      }
      ::usleep(10'000);
    }
  }
  /* Whether it takes what it is sent. Not before it has looked once more. */
  void listen(bool yes) {
    deaf_ = !yes;
    ::usleep(60'000);
  }
  /* Waits a while for the first. */
  unsigned ends(uint32_t number) {
    for (unsigned i = 0;; i++) {
      {
        std::lock_guard<std::mutex> guard(mutex_);
        if (ends_[number] != 0 || i == 200) return ends_[number];
      }
      ::usleep(10'000);
    }
  }
  /* The process dies of something else than the monitor. */
  void kill(uint32_t number) {
    std::lock_guard<std::mutex> guard(mutex_);
    end(&backends_.at(number));
    gone(number, backends_.at(number).instance);
  }

 private:
  struct Backend {
    uint32_t instance = 0;
    int socket = -1; /* of the channel; closed by the thread */
    std::shared_ptr<std::atomic<bool>> ended;
  };

  /* Calls that are worked on side by side, or wait for a worker as in multip11-backend. */
  class Workers {
   public:
    void take(Message call, unsigned work_ms) {
      uint64_t& worker = *std::min_element(std::begin(busy_until_), std::end(busy_until_));
      worker = std::max(worker, now_ms()) + work_ms;
      calls_.emplace(worker, std::move(call));
    }
    bool answer_due(FakeLibrary* library, Channel* channel) {
      while (!calls_.empty() && calls_.begin()->first <= now_ms()) {
        Message reply;
        library->execute(calls_.begin()->second, &reply);
        if (channel->send(reply, Waiter::now_ns() + 10'000'000'000) != ChannelStatus::kOk)
          return false;
        calls_.erase(calls_.begin());
      }
      return true;
    }

   private:
    uint64_t busy_until_[limits::kWorkers] = {};
    std::multimap<uint64_t, Message> calls_; /* by when they are done */
  };

  void end(Backend* backend) {
    if (backend->ended == nullptr || backend->ended->exchange(true)) return;
    ::shutdown(backend->socket, SHUT_RDWR);
  }

  void gone(uint32_t number, uint32_t instance) {
    auto record = make_record<Spawned>(RecordType::kBackendGone);
    record.backend = number;
    record.instance = instance;
    record.error = kEndKilled;
    (void)send_record(control_, record);
  }

  void run() {
    while (!stop_) {
      pollfd fds{control_, POLLIN, 0};
      if (::poll(&fds, 1, 20) <= 0) continue;
      if (deaf_) {
        ::usleep(5000);
        continue;
      }
      RecordBuffer record;
      if (record.receive(control_, false) != RecordStatus::kOk) return;
      std::lock_guard<std::mutex> guard(mutex_);
      if (const auto* request = record.as<Spawn>(RecordType::kSpawn)) {
        spawns_[request->backend].push_back(now_ms());
        spawn(*request);
      } else if (const auto* last = record.as<Spawn>(RecordType::kEndBackend)) {
        ends_[last->backend]++;
        Backend& backend = backends_[last->backend];
        if (backend.instance != last->instance) continue;
        end(&backend);
        ::usleep(behaviours_[last->backend].death_ms * 1000);
        gone(last->backend, last->instance);
      } else if (const auto* layer = record.as<LayerReport>(RecordType::kLayerState)) {
        layers_.push_back(*layer);
      }
    }
  }

  void spawn(const Spawn& request) {
    const Behaviour& behaviour = behaviours_[request.backend];
    auto record = make_record<Spawned>(RecordType::kSpawned);
    record.backend = request.backend;
    record.instance = request.instance;
    record.error = behaviour.spawn_error;
    if (record.error != kSpawnOk) {
      (void)send_record(control_, record);
      return;
    }
    auto [theirs, ours] = socket_pair();
    UniqueFd lock;
    std::vector<int> fds = {theirs.get()};
    if (!behaviour.lock_file.empty()) {
      lock = UniqueFd(::open(behaviour.lock_file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
      fds.push_back(lock.get());
    }
    Backend& backend = backends_[request.backend];
    backend.instance = request.instance;
    backend.socket = ours.get();
    backend.ended = std::make_shared<std::atomic<bool>>(false);
    (void)send_record(control_, record, fds);
    threads_.emplace_back(
        [this, number = request.backend, socket = std::move(ours),
         ended = backend.ended]() mutable { serve(number, std::move(socket), ended); });
  }

  Behaviour behaviour_of(uint32_t number) {
    std::lock_guard<std::mutex> guard(mutex_);
    return behaviours_[number];
  }

  void serve(uint32_t number, UniqueFd socket, const std::shared_ptr<std::atomic<bool>>& ended) {
    auto channel = Channel::join(std::move(socket), 5000);
    if (!channel) return;
    FakeLibrary library({{10 + number, "t" + std::to_string(number), "7777777777777777",
                          behaviour_of(number).pin}});
    Message call, reply;
    Workers workers;
    while (!*ended) {
      Behaviour behaviour = behaviour_of(number);
      if (!workers.answer_due(&library, channel->get())) return;
      ChannelStatus status = ChannelStatus::kTimeout;
      if (behaviour.reads)
        status = (*channel)->receive(&call, Waiter::now_ns() + 20'000'000);
      else
        ::usleep(5000);
      if (status == ChannelStatus::kTimeout) continue;
      if (status != ChannelStatus::kOk || call.rec.function == behaviour.die_at) return;
      if (call.rec.function == behaviour.hang_at) continue;
      if (call.rec.function == kC_SeedRandom && behaviour.work_ms != 0) {
        std::lock_guard<std::mutex> guard(mutex_);
        worked_for_.push_back(call.rec.primary);
        workers.take(std::move(call), behaviour.work_ms);
        continue;
      }
      if (behaviour.delay_ms != 0) ::usleep(behaviour.delay_ms * 1000);
      library.execute(call, &reply);
      if (behaviour.tamper != nullptr) behaviour.tamper(&reply);
      if ((*channel)->send(reply, Waiter::now_ns() + 10'000'000'000) != ChannelStatus::kOk) return;
    }
  }

  int control_;
  std::mutex mutex_;
  std::map<uint32_t, Behaviour> behaviours_;
  std::map<uint32_t, Backend> backends_;
  std::map<uint32_t, std::vector<uint64_t>> spawns_;
  std::map<uint32_t, unsigned> ends_;
  std::vector<LayerReport> layers_;
  std::vector<uint64_t> worked_for_;
  std::vector<std::thread> threads_;
  std::atomic<bool> stop_{false}, deaf_{false};
  std::thread thread_;
};

/* The monitor's process, and all that it speaks to. */
class Daemon {
 public:
  explicit Daemon(std::map<uint32_t, Behaviour> behaviours = {}, uint64_t failed_login_ms = 0) {
    auto control = record_pair(), vault = record_pair();
    BOOST_REQUIRE((control && vault));
    auto [front, client] = socket_pair();
    child = ::fork();
    BOOST_REQUIRE(child >= 0);
    if (child == 0) {
      int null = ::open("/dev/null", O_WRONLY);
      ::dup2(null, 2);
      ::alarm(60);
      control->first.reset();
      vault->first.reset();
      client.reset();
      auto start = make_record<MonitorStart>(RecordType::kMonitorStart);
      start.connection = 1;
      std::snprintf(start.peer, sizeof start.peer, "test");
      Connection connection(std::move(control->second), start, std::move(front),
                            std::move(vault->second));
      if (failed_login_ms != 0) connection.answer_failed_logins_after(failed_login_ms);
      connection.run();
      ::_exit(0);
    }
    control_ = std::move(control->first);
    monitors_control_ = std::move(control->second);
    vault_ = std::move(vault->first);
    client_socket = std::move(client);
    priv = std::make_unique<FakePriv>(control_.get(), std::move(behaviours));
  }
  ~Daemon() {
    channel.reset();
    client_socket.reset();
    if (child > 0) {
      ::kill(child, SIGKILL);
      ::waitpid(child, nullptr, 0);
    }
    priv.reset();
  }

  int vault() const { return vault_.get(); }
  int control() const { return control_.get(); }
  /* What the monitor says to [priv] finds no room, until that has taken this. */
  void fill_control() {
    const LogTarget nothing = make_record<LogTarget>(RecordType::kLogTarget);
    while (send_record(monitors_control_.get(), nothing) == RecordStatus::kOk) {
    }
  }
  void drop_vault() { vault_.reset(); }
  void drop_control() {
    priv.reset();
    control_.reset();
  }

  void send_portfolio(const std::vector<PortfolioBackend>& backends,
                      const std::vector<TokenPlan>& tokens, uint64_t expires_s = 0,
                      bool whole = true) {
    /* A monitor that refuses one of them is gone before the next. */
    for (PortfolioBackend backend : backends) {
      backend.head = {RecordType::kPortfolioBackend, sizeof backend};
      (void)send_record(vault(), backend);
    }
    for (const TokenPlan& plan : tokens) {
      PortfolioToken token = plan.token;
      token.head = {RecordType::kPortfolioToken, sizeof token};
      if (token.layers == 0) token.layers = static_cast<uint32_t>(plan.layers.size());
      (void)send_record(vault(), token);
      for (PortfolioLayer layer : plan.layers) {
        layer.head = {RecordType::kPortfolioLayer, sizeof layer};
        (void)send_record(vault(), layer);
      }
      for (size_t n = 0; n < plan.pins.size(); n++) {
        auto record = make_record<PortfolioPin>(RecordType::kPortfolioPin);
        auto put = [](const std::string& text, StoredPin* pin) {
          pin->size = static_cast<uint32_t>(text.size());
          std::memcpy(pin->pin, text.data(), std::min(text.size(), sizeof pin->pin));
        };
        put(plan.pins[n], &record.pin);
        if (n < plan.next.size()) put(plan.next[n], &record.next);
        (void)send_record(vault(), record);
      }
      for (const FilterPlan& filter : plan.filters) {
        auto record = make_record<PortfolioFilter>(RecordType::kPortfolioFilter);
        record.plan = filter;
        (void)send_record(vault(), record);
      }
    }
    if (!whole) return;
    auto end = make_record<PortfolioEnd>(RecordType::kPortfolioEnd);
    end.expires_s = expires_s;
    std::snprintf(end.principal, sizeof end.principal, "test");
    (void)send_record(vault(), end);
  }

  /* Backends 0 and 1, a labelled token of each in slots 1 and 2; deadlines of 300 ms. */
  void send_usual_portfolio(uint64_t expires_s = 0, uint32_t flags = 0) {
    PortfolioBackend one = backend_plan(0, flags), two = backend_plan(1, flags);
    for (PortfolioBackend* plan : {&one, &two})
      plan->deadline_short_ms = plan->deadline_start_ms = plan->deadline_long_ms = 300;
    send_portfolio({one, two}, {token_plan(1, 0, 0, "t0"), token_plan(2, 1, 0, "t1")}, expires_s);
  }

  void join() {
    auto joined = Channel::join(std::move(client_socket), 5000);
    BOOST_REQUIRE_MESSAGE(joined, joined.error().text);
    channel = std::move(*joined);
  }
  void begin(uint64_t expires_s = 0, uint32_t flags = 0) {
    send_usual_portfolio(expires_s, flags);
    join();
    BOOST_REQUIRE_EQUAL(call(kC_Initialize, {0}), CKR_OK);
  }

  /* The end to the old one, if the caller wants it to live on. */
  UniqueFd new_vault() {
    auto pair = record_pair();
    BOOST_REQUIRE(pair);
    auto record = make_record<NewVault>(RecordType::kNewVault);
    int fds[] = {pair->second.get()};
    BOOST_REQUIRE(send_record(control(), &record, sizeof record, {}, fds) == RecordStatus::kOk);
    return std::exchange(vault_, std::move(pair->first));
  }
  void send_stop() {
    NewVault record{{RecordType::kStop, sizeof(NewVault)}};
    BOOST_REQUIRE(send_record(control(), &record, sizeof record) == RecordStatus::kOk);
  }

  /* Sends a call; the reply is taken later, by its id. */
  uint64_t send(uint32_t function, std::initializer_list<Word> arguments) {
    Words words;
    std::copy(arguments.begin(), arguments.end(), words.w);
    Message message;
    BOOST_REQUIRE(pack_call(kFunctionTable[function], words, &message) == CKR_OK);
    message.rec.id = ++last_id;
    calls_[last_id] = {function, words};
    BOOST_REQUIRE(
        (channel->send(message, Waiter::now_ns() + 10'000'000'000) == ChannelStatus::kOk));
    return last_id;
  }
  /* The next reply, whosever; CKR_OK and the like. */
  CK_RV receive(uint64_t* id = nullptr) {
    Message reply;
    ChannelStatus status = channel->receive(&reply, Waiter::now_ns() + 10'000'000'000);
    BOOST_REQUIRE_EQUAL(static_cast<int>(status), static_cast<int>(ChannelStatus::kOk));
    auto it = calls_.find(reply.rec.id);
    BOOST_REQUIRE(it != calls_.end());
    const auto& [function, words] = it->second;
    BOOST_REQUIRE(unpack_reply(kFunctionTable[function], reply, words));
    if (id != nullptr) *id = reply.rec.id;
    calls_.erase(it);
    return static_cast<CK_RV>(reply.rec.rv);
  }
  CK_RV call(uint32_t function, std::initializer_list<Word> arguments) {
    uint64_t sent = send(function, arguments), got = 0;
    CK_RV rv = receive(&got);
    BOOST_REQUIRE_EQUAL(sent, got);
    return rv;
  }
  CK_RV open(CK_SLOT_ID slot, CK_SESSION_HANDLE* session) {
    return call(kC_OpenSession, {slot, 4, 0, 0, word(session)});
  }

  /* Waits for its end; the status as waitpid has it. -1: it lives on. */
  int ended(unsigned within_ms = 5000) {
    for (unsigned i = 0; i < within_ms / 5; i++) {
      int status;
      if (::waitpid(child, &status, WNOHANG) == child) {
        child = -1;
        return status;
      }
      ::usleep(5000);
    }
    return -1;
  }
  int exit_code(unsigned within_ms = 5000) {
    int status = ended(within_ms);
    return status != -1 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  /* Of the processor, in ms. */
  unsigned used_ms() const {
    std::ifstream stat("/proc/" + std::to_string(child) + "/stat");
    std::string text((std::istreambuf_iterator<char>(stat)), {});
    std::istringstream rest(text.substr(text.rfind(')') + 2));
    std::string skip;
    for (int i = 0; i < 11; i++) rest >> skip;
    unsigned user = 0, system = 0;
    rest >> user >> system;
    return (user + system) * 10;
  }

  struct NewVault {
    RecordHead head;
  };
  pid_t child = -1;
  UniqueFd client_socket;
  std::unique_ptr<Channel> channel;
  std::unique_ptr<FakePriv> priv;
  uint64_t last_id = 0;

 private:
  UniqueFd control_, monitors_control_, vault_;
  std::map<uint64_t, std::pair<uint32_t, Words>> calls_;
};

}  // namespace mp11::connection_test
