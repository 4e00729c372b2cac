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
 * For the tests of Vault: one vault in this thread, with the test in the places of [priv], of
 * multip11-auth and of the clients' monitors.
 */
#pragma once
#include <boost/test/unit_test.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "../common/temp_dir.h"
#include "vault.h"

namespace mp11::vault_test {

Policy policy_of(const Config& config);
MasterKeys keys_of(const std::string& text);
std::string text_of(const StoredPin& pin);
bool has(const std::string& text, const std::string& part);

/* Of that one, as verdict_of() has it; one of Kerberos is good for years. */
Verdict verdict_for(const std::string& who);

/* "INDEX/UID" of each backend, in the order of their numbers. */
std::string backends_of(const Allow& allow);

/* A directory with the database of a vault. */
class StateDir : public test::TempDir {
 public:
  std::unique_ptr<VaultState> state() const;
  void sql(const std::string& text) const;
  std::string database() const { return file("state.db"); }
};

struct SeenLayer {
  PortfolioLayer row;
  std::optional<PortfolioPin> pin;
  std::optional<PortfolioFilter> filter;
};

struct SeenToken {
  PortfolioToken row;
  std::vector<SeenLayer> layers;
};

/* What a client's monitor is told, and what [priv] was told before. */
struct Seen {
  UniqueFd monitor;
  Allow allow{};
  std::vector<PortfolioBackend> backends;
  std::vector<SeenToken> tokens;
  /* Of all layers, in their order: the label of the backend's token, and whether it is made. */
  std::vector<std::string> ids;
  std::vector<bool> made;
  std::vector<std::string> pins; /* of those that have one */

  /* Of the only layer of the token with that label. */
  const SeenLayer& layer(const std::string& token) const;
  const PortfolioPin& pin(const std::string& token) const;
  bool has_pin(const std::string& token) const;
};

struct VaultFixture {
  VaultFixture() : loop(std::move(*EventLoop::create())) {}
  explicit VaultFixture(const Config& config, std::unique_ptr<VaultState> state = nullptr,
                        MasterKeys keys = MasterKeys())
      : VaultFixture() {
    start(config, std::move(state), std::move(keys));
  }
  /* Another vault in the place of the one that there is, if any. */
  void start(const Config& config, std::unique_ptr<VaultState> state, MasterKeys keys,
             UniqueFd admins = {});
  /* Lets the vault do what it has to do. */
  void turn();

  /* ---- [priv] */

  struct Ends {
    UniqueFd monitor, auth;
  };
  /* A connection, with its verdict where [priv] knows it; otherwise multip11-auth says it. */
  Ends introduce(uint64_t name, const Verdict* known = nullptr);
  /* The same, with its verdict and up to the end of its portfolio. */
  Seen connect(uint64_t name, const std::string& who);
  Seen connect(const std::string& who) { return connect(++last_name_, who); }
  void allowed(uint64_t name) { send_name(RecordType::kAllowed, name); }
  void end(uint64_t name) { send_name(RecordType::kVaultEnd, name); }

  /* ---- Any socket: what comes next */

  template <class T>
  std::optional<T> take(const UniqueFd& socket, RecordType type) {
    RecordBuffer buffer;
    if (buffer.receive(socket.get(), true) != RecordStatus::kOk) return std::nullopt;
    const T* record = buffer.as<T>(type);
    return record != nullptr ? std::optional<T>(*record) : std::nullopt;
  }
  RecordStatus look(const UniqueFd& socket) {
    RecordBuffer buffer;
    return buffer.receive(socket.get(), true);
  }

  EventLoop loop;
  std::unique_ptr<Vault> vault;
  UniqueFd control;

 private:
  void send_name(RecordType type, uint64_t name);
  void read_portfolio(Seen* seen);
  uint64_t last_name_ = 0;
};

}  // namespace mp11::vault_test
