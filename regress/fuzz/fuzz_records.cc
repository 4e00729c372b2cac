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
 * What the daemon's processes read of each other: fixed-size records over a socket, whole and cut,
 * with too many descriptors; the vault between a [priv], an auth and a monitor that say anything;
 * the lines that multip11-log gets from a library.
 *
 * The vault tells a monitor nothing before [priv] has noted the connection's backends, allows none
 * that the verdict has no right to, and outlives whatever comes.
 */
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "fuzz.h"
#include "log.h"
#include "log_lines.h"
#include "record_io.h"
#include "vault.h"

namespace {

using namespace mp11;
using fuzz::Input;

template <class T>
void look(const RecordBuffer& record, RecordType type) {
  const T* whole = record.as<T>(type);
  std::span<const uint8_t> tail;
  const T* with = record.with_tail<T>(type, &tail);
  if (whole != nullptr) FUZZ_REQUIRE(record.type() == type);
  if (with != nullptr) FUZZ_REQUIRE(with->head.size == sizeof(T));
  volatile uint8_t sum = 0;
  for (uint8_t octet : tail) sum = sum + octet;
}

/* Any octets, with any number of descriptors, to a receiver that expects them or not. */
void any_record(Input in) {
  const uint8_t what = in.u8();
  const RecordType type = static_cast<RecordType>(in.u16());
  auto pair = record_pair();
  FUZZ_REQUIRE(pair);
  std::vector<int> fds(what % (kMaxFds + 1), STDERR_FILENO);
  std::span<const uint8_t> octets = in.rest();
  RecordStatus sent = send_record(pair->first.get(), octets.data(), octets.size(), {}, fds);
  if (sent != RecordStatus::kOk) return;
  RecordBuffer record;
  const bool expect = (what & 16) != 0;
  const size_t capacity = (what & 32) != 0 ? 64 : 4096;
  RecordStatus got = record.receive(pair->second.get(), expect, capacity);
  FUZZ_REQUIRE(record.fds().size() <= (expect ? fds.size() : 0));
  if (got != RecordStatus::kOk) {
    FUZZ_REQUIRE(octets.size() < sizeof(RecordHead) || octets.size() > capacity);
    return;
  }
  look<Verdict>(record, type);
  look<VaultConnection>(record, type);
  look<Allow>(record, type);
  look<Spawned>(record, type);
  look<LayerReport>(record, type);
  look<NetStart>(record, type);
  look<ConnectionToken>(record, type);
  look<GssDone>(record, type);
  look<PortfolioToken>(record, type);
  look<PortfolioLayer>(record, type);
  look<PortfolioFilter>(record, type);
  look<PortfolioPin>(record, type);
  record.wipe();
}

/* ---- the vault ---- */

Config configuration() {
  Config c;
  c.backends.resize(3);
  c.backends[0].name = "a";
  c.backends[1].name = "b";
  c.backends[2].name = "c";
  c.backends[2].transparent = true;
  c.backends[2].allow = {"local:web"};
  c.tokens.resize(2);
  c.tokens[0].label = "One";
  c.tokens[0].allow = {"alice@R", "*/admin@R"};
  c.tokens[0].layers.resize(1);
  c.tokens[1].label = "Two";
  c.tokens[1].serial = "2";
  c.tokens[1].layers.resize(2);
  c.tokens[1].layers[1].backend = 1;
  c.tokens[1].allow = {"uid:1000"};
  return c;
}

class VaultWorld {
 public:
  VaultWorld()
      : loop_(std::move(*EventLoop::create())), octets_(serialise_policy(configuration())) {
    auto pair = record_pair();
    FUZZ_REQUIRE(pair);
    priv_ = std::move(pair->first);
    vault_ =
        std::make_unique<Vault>(&loop_, policy(), nullptr, MasterKeys(), std::move(pair->second));
  }

  void run(Input in) {
    while (!in.end() && priv_) {
      const uint8_t what = in.u8();
      const uint64_t name = what / 8 % 4;
      Connection& connection = connections_[name];
      switch (what % 8) {
        case 0:
          introduce(name, false, verdict(&in));
          break;
        case 1:
          introduce(name, true, verdict(&in));
          break;
        case 2:
          send(connection.auth, verdict(&in));
          break;
        case 3:
          allowed(name, RecordType::kAllowed);
          connection.noted = connection.asked;
          break;
        case 4:
          allowed(name, RecordType::kVaultEnd);
          break;
        case 5:
          raw(connection.auth, &in);
          break;
        case 6:
          raw((what & 64) != 0 ? connection.monitor : priv_, &in);
          break;
        default:
          (what & 64) != 0 ? connection.auth.reset() : connection.monitor.reset();
          break;
      }
      turn();
      read_all();
    }
  }

 private:
  struct Connection {
    UniqueFd auth, monitor;
    bool asked = false; /* the vault sent kAllow */
    bool noted = false; /* and we sent kAllowed after that */
  };

  Policy policy() const {
    auto read = Policy::read(octets_);
    FUZZ_REQUIRE(read);
    return std::move(*read);
  }

  static Verdict verdict(Input* in) {
    static constexpr const char* kNames[] = {"alice@R", "uid:1000", "web",      "host/admin@R",
                                             "a",       "",         "alice@R@", "local:web"};
    Verdict v = make_record<Verdict>(RecordType::kVerdict);
    const uint8_t what = in->u8();
    v.kind = what % 4;
    v.expires_s = (what & 4) != 0 ? 4000000000u : 0;
    std::snprintf(v.principal, sizeof v.principal, "%s", kNames[what / 8 % 8]);
    if ((what & 64) != 0) std::memset(v.principal, in->u8(), sizeof v.principal);
    if ((what & 128) != 0) v.reserved = in->u8();
    return v;
  }

  template <class T>
  static void send(const UniqueFd& socket, const T& record) {
    if (socket) (void)send_record(socket.get(), record);
  }
  static void raw(const UniqueFd& socket, Input* in) {
    std::span<const uint8_t> octets = in->take(in->u8());
    if (socket) (void)send_record(socket.get(), octets.data(), octets.size());
  }

  void introduce(uint64_t name, bool has_verdict, const Verdict& v) {
    auto with_monitor = record_pair(), with_auth = record_pair();
    FUZZ_REQUIRE(with_monitor && with_auth);
    VaultConnection record = make_record<VaultConnection>(RecordType::kVaultConnection);
    record.connection = name;
    record.has_verdict = has_verdict;
    record.verdict = v;
    int fds[] = {with_monitor->first.get(), with_auth->first.get()};
    if (send_record(priv_.get(), record, {fds, has_verdict ? 1u : 2u}) != RecordStatus::kOk) return;
    if (connections_[name].monitor) return; /* twice: the new sockets lead nowhere */
    connections_[name] = {std::move(with_auth->second), std::move(with_monitor->second)};
  }

  void allowed(uint64_t name, RecordType type) {
    ConnectionName record = make_record<ConnectionName>(type);
    record.connection = name;
    send(priv_, record);
  }

  void turn() {
    for (int i = 0; i < 4; i++) {
      loop_.after(0, [] {});
      loop_.run_once();
    }
  }

  void read_all() {
    RecordBuffer record;
    while (priv_ && record.receive(priv_.get(), true) == RecordStatus::kOk) {
      const Allow* allow = record.as<Allow>(RecordType::kAllow);
      if (allow == nullptr) {
        FUZZ_REQUIRE(record.as<ConnectionName>(RecordType::kVaultEnd) != nullptr);
        continue;
      }
      connections_[allow->connection].asked = true;
      const Policy known = policy();
      const std::vector<Policy::Match> visible = known.matches(allow->verdict);
      FUZZ_REQUIRE(allow->count <= limits::kBackends);
      for (uint32_t backend = 0; backend < limits::kBackends; backend++) {
        bool may = false;
        size_t given = 0;
        for (uint32_t i = 0; i < allow->count; i++) {
          FUZZ_REQUIRE(allow->backends[i].uid == 0);
          given += allow->backends[i].backend == backend;
        }
        for (const Policy::Match& match : visible)
          for (const Policy::LayerMatch& one : match.layers)
            may |= known.layers(known.tokens()[match.token])[one.layer].backend == backend;
        FUZZ_REQUIRE(given == (may ? 1u : 0u));
      }
    }
    for (auto& [name, connection] : connections_)
      while (connection.monitor &&
             record.receive(connection.monitor.get(), false) == RecordStatus::kOk)
        FUZZ_REQUIRE(connection.noted);
  }

  EventLoop loop_;
  std::vector<uint8_t> octets_;
  UniqueFd priv_;
  std::unique_ptr<Vault> vault_;
  std::map<uint64_t, Connection> connections_;
};

/* ---- the log ---- */

void log_text(Input in) {
  const uint8_t what = in.u8();
  LogLines lines((what & 1) != 0, 1 + what / 2 % 8, 0);
  auto sink = [](int priority, const std::string& text) {
    FUZZ_REQUIRE(priority >= 0 && priority <= 7);
    FUZZ_REQUIRE(text.size() <= limits::kLogLine);
    for (char c : text) FUZZ_REQUIRE(static_cast<uint8_t>(c) >= 0x20 && c != 0x7f);
  };
  uint64_t now = 0;
  while (!in.end()) {
    std::span<const uint8_t> part = in.take(1 + in.u16() % 2000);
    lines.feed({reinterpret_cast<const char*>(part.data()), part.size()}, now, sink);
    now += in.u8();
    lines.report(now, sink);
  }
  lines.end(now, sink);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const bool quiet = (log_init("fuzz", LogLevel::kQuiet, false), true);
  (void)quiet;
  Input in(data, size);
  switch (in.u8() % 3) {
    case 0:
      any_record(in);
      break;
    case 1:
      VaultWorld().run(in);
      break;
    default:
      log_text(in);
      break;
  }
  return 0;
}
