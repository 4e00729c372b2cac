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
#include "vault.h"

#include <sys/epoll.h>
#include <time.h>

#include <algorithm>
#include <cstring>

#include "log.h"
#include "secure_buffer.h"

namespace mp11 {
namespace {

/* Records served for one wake-up, so that one busy peer does not keep the others waiting. */
constexpr int kBatch = 32;

template <class T>
std::vector<uint8_t> octets_of(const T& record) {
  const uint8_t* data = reinterpret_cast<const uint8_t*>(&record);
  return {data, data + sizeof record};
}

}  // namespace

const Vault::Row Vault::kRows[] = {
    {RecordType::kVaultConnection, 0, &Vault::answer_connection},
    {RecordType::kAllowed, kAllowedAwaited, &Vault::answer_allowed},
    {RecordType::kVaultEnd, kVerdictAwaited | kAllowedAwaited | kTold, &Vault::answer_end},
    {RecordType::kRenewal, kAllowedAwaited | kTold, &Vault::answer_renewal},
    {RecordType::kStop, 0, &Vault::answer_stop},
    {RecordType::kErased, 0, &Vault::answer_erased},
};

Vault::Vault(EventLoop* loop, Policy policy, std::unique_ptr<VaultState> state, MasterKeys keys,
             UniqueFd control, UniqueFd admins)
    : loop_(loop), policy_(std::move(policy)), state_(std::move(state)), keys_(std::move(keys)) {
  if (admins && state_ != nullptr)
    admins_ = std::make_unique<VaultAdmins>(
        loop_, std::move(admins),
        [this](const VaultRequest& request, const PeerCredentials& who,
               std::vector<VaultEntry>* entries) { return serve(request, who, entries); });
  control_ = Watch(loop_, std::move(control), EPOLLIN, [this](uint32_t) { on_control(); });
}

Vault::Connection* Vault::find(uint64_t name) {
  auto found = connections_.find(name);
  return found == connections_.end() ? nullptr : &found->second;
}

template <class T>
void Vault::tell_priv(const T& record) {
  if (send_record(control_.get(), record) != RecordStatus::kOk)
    log_error("[priv] does not take a record; the connection will not start");
}

void Vault::refuse(uint64_t name, const char* why) {
  log_error("connection %llu: %s; ended", static_cast<unsigned long long>(name), why);
  forget(name);
  ConnectionName end = make_record<ConnectionName>(RecordType::kVaultEnd);
  end.connection = name;
  tell_priv(end);
}

/* ---- [priv] */

void Vault::on_control() {
  RecordBuffer record;
  for (int i = 0; i < kBatch; i++) {
    RecordStatus status = record.receive(control_.get(), true);
    if (status == RecordStatus::kAgain) return;
    if (status != RecordStatus::kOk) {
      control_.reset();
      admins_.reset();
      return stop_when_sent();
    }
    const Row* row = std::find_if(std::begin(kRows), std::end(kRows),
                                  [&](const Row& r) { return r.type == record.type(); });
    if (row == std::end(kRows) || !(this->*row->answer)(record))
      log_error("record of type %#x from [priv] is not understood",
                static_cast<unsigned>(record.type()));
  }
}

bool Vault::answer_connection(RecordBuffer& record) {
  const VaultConnection* start = record.as<VaultConnection>(RecordType::kVaultConnection);
  if (start == nullptr || start->has_verdict > 1 || start->connection == 0 ||
      record.fds().size() != (start->has_verdict == 1 ? 1u : 2u))
    return false;
  uint64_t name = start->connection;
  auto [place, fresh] = connections_.try_emplace(name);
  if (!fresh) return false;
  Connection* connection = &place->second;
  connection->name = name;
  connection->monitor = Watch(loop_, std::move(record.fds()[0]), EPOLLIN,
                              [this, name](uint32_t events) { on_monitor(name, events); });
  if (start->has_verdict == 1) {
    if (!take_verdict(connection, start->verdict, false)) refuse(name, "unusable verdict");
    return true;
  }
  connection->auth =
      Watch(loop_, std::move(record.fds()[1]), EPOLLIN, [this, name](uint32_t) { on_auth(name); });
  return true;
}

bool Vault::answer_allowed(RecordBuffer& record) {
  const ConnectionName* allowed = record.as<ConnectionName>(RecordType::kAllowed);
  if (allowed == nullptr) return false;
  Connection* connection = find(allowed->connection);
  if (connection == nullptr) return true; /* ended meanwhile */
  if (connection->phase != kAllowedAwaited) return false;
  connection->phase = kTold;
  queue_portfolio(connection);
  flush(connection);
  return true;
}

/* Of whom a connection is never changes, and no record makes its time shorter. */
bool Vault::answer_renewal(RecordBuffer& record) {
  const Renewal* renewal = record.as<Renewal>(RecordType::kRenewal);
  if (renewal == nullptr) return false;
  Connection* connection = find(renewal->connection);
  if (connection == nullptr) return true; /* ended meanwhile */
  Verdict& verdict = connection->verdict;
  if (connection->phase == kVerdictAwaited || verdict.kind != kVerdictKerberos ||
      !text_ends(renewal->principal) || std::strcmp(renewal->principal, verdict.principal) != 0 ||
      renewal->expires_s <= verdict.expires_s) {
    refuse(connection->name, "a renewal that is not of its verdict");
    return true;
  }
  verdict.expires_s = renewal->expires_s;
  if (connection->phase != kTold || !connection->monitor) return true; /* its portfolio has it */
  PortfolioRenewed renewed = make_record<PortfolioRenewed>(RecordType::kPortfolioRenewed);
  renewed.expires_s = renewal->expires_s;
  connection->unsent.push_back(octets_of(renewed));
  flush(connection);
  return true;
}

bool Vault::answer_end(RecordBuffer& record) {
  const ConnectionName* end = record.as<ConnectionName>(RecordType::kVaultEnd);
  if (end == nullptr) return false;
  forget(end->connection);
  return true;
}

/* Another vault has the administrators, and looks after what is not used, from now on. */
bool Vault::answer_stop(RecordBuffer&) {
  admins_.reset();
  replaced_ = true;
  return true;
}

/* Whom it kept waiting goes on. */
void Vault::forget(uint64_t name) {
  give_up_makings(name);
  give_up_turnings(name);
  if (Connection* connection = find(name)) forget_unsent(connection);
  connections_.erase(name);
}

void Vault::stop_when_sent() {
  if (control_) return;
  for (const auto& [name, connection] : connections_)
    if (!connection.unsent.empty()) return;
  loop_->stop();
}

/* ---- auth */

void Vault::on_auth(uint64_t name) {
  Connection* connection = find(name);
  RecordBuffer record;
  RecordStatus status = record.receive(connection->auth.get(), false);
  if (status == RecordStatus::kAgain) return;
  if (status == RecordStatus::kClosed) {
    /* auth has nothing more to say: refused, or done. [priv] times handshakes. */
    connection->auth.reset();
    return;
  }
  if (status != RecordStatus::kOk) return refuse(name, "broken record from auth");
  const Verdict* verdict = record.as<Verdict>(RecordType::kVerdict);
  if (verdict == nullptr) return refuse(name, "auth sent something that is no verdict");
  if (connection->phase != kVerdictAwaited) return refuse(name, "a second verdict");
  if (!take_verdict(connection, *verdict, true)) refuse(name, "unusable verdict from auth");
}

bool Vault::take_verdict(Connection* connection, const Verdict& verdict, bool from_auth) {
  if (verdict.head.type != RecordType::kVerdict || verdict.head.size != sizeof verdict ||
      verdict.reserved != 0 || !text_ends(verdict.principal) || verdict.principal[0] == '\0')
    return false;
  if (verdict.kind == kVerdictKerberos) {
    if (!parse_principal(verdict.principal)) return false;
    uint64_t now_s = static_cast<uint64_t>(::time(nullptr));
    if (from_auth && verdict.expires_s <= now_s) return false;
  } else if (verdict.kind != kVerdictLocal || from_auth) {
    return false; /* auth may not speak for local users */
  }
  connection->verdict = verdict;
  look_through_policy(connection);
  connection->phase = kAllowedAwaited;
  Allow allow = make_record<Allow>(RecordType::kAllow);
  allow.connection = connection->name;
  allow.count = static_cast<uint32_t>(connection->backends.size());
  std::copy(connection->backends.begin(), connection->backends.end(), allow.backends);
  allow.verdict = verdict;
  tell_priv(allow);
  return true;
}

/* ---- the policy, for one principal */

/*
 * Everything that the connection may ever do, also as another identity: nothing is added later. The
 * principal's own comes first, so that what there is too much of is missing elsewhere.
 */
void Vault::look_through_policy(Connection* connection) {
  const Verdict& verdict = connection->verdict;
  std::vector<std::vector<SeenToken>> slots; /* each with its variants */
  for (const Policy::Match& match : policy_.matches(verdict)) {
    SeenToken seen = see_token(match, verdict.principal, connection);
    if (seen.layers.empty()) continue;
    note_person(seen, verdict);
    slots.emplace_back().push_back(std::move(seen));
  }
  see_variants(&slots, connection);
  for (std::vector<SeenToken>& slot : slots)
    for (SeenToken& seen : slot) connection->tokens.push_back(std::move(seen));
}

/* Of a token's layers those that are the principal's; none: it is not seen. */
Vault::SeenToken Vault::see_token(const Policy::Match& match, const std::string& principal,
                                  Connection* connection) {
  const PolicyToken& token = policy_.tokens()[match.token];
  SeenToken seen{&token, person_text(token.label, principal), token.serial, {}};
  seen.label.resize(std::min(seen.label.size(), sizeof PortfolioToken::label - 1));
  if (names_person(token.label) && !seen.serial.empty())
    seen.serial = serial_of(seen.serial + principal);
  /* A layer that is not to be had is left out, as one whose library does not answer would be. */
  for (const Policy::LayerMatch& one : match.layers) {
    const PolicyLayer& layer = policy_.layers(token)[one.layer];
    Result<SeenLayer> its = see_layer(layer, principal, connection);
    if (its) {
      seen.layers.push_back(*its);
      continue;
    }
    const bool required = (layer.flags & kLayerRequired) != 0;
    log_error("connection %llu: %s sees no %s of \"%s\" on %s: %s",
              static_cast<unsigned long long>(connection->name), principal.c_str(),
              required ? "token" : "layer", token.label, policy_.backends()[layer.backend].name,
              its.error().text.c_str());
    if (!required) continue;
    seen.layers.clear();
    break;
  }
  return seen;
}

/* What the connection sees when it acts as another, in tokens where a PIN may say so. */
void Vault::see_variants(std::vector<std::vector<SeenToken>>* slots, Connection* connection) {
  const bool selects = std::any_of(slots->begin(), slots->end(), [](const auto& slot) {
    return (slot.front().token->flags & kTokenPinSelect) != 0;
  });
  if (!selects) return;
  const auto name = static_cast<unsigned long long>(connection->name);
  size_t count = slots->size(), identities = 0;
  for (const Policy::Acting& acting : policy_.may_act_as(connection->verdict)) {
    const char* identity = policy_.identities()[acting.identity].text;
    if (identities++ >= limits::kIdentities) {
      log_error("connection %llu: %s cannot act as %s: it may act as more than %u; allow it fewer",
                name, connection->verdict.principal, identity, limits::kIdentities);
      continue;
    }
    const Verdict verdict = verdict_of(identity);
    for (const Policy::Match& match : policy_.matches(verdict)) {
      const PolicyToken* token = &policy_.tokens()[match.token];
      auto slot = std::find_if(slots->begin(), slots->end(),
                               [&](const auto& s) { return s.front().token == token; });
      if (slot == slots->end() || (token->flags & kTokenPinSelect) == 0) continue;
      if (count >= limits::kTokens) {
        log_error("connection %llu: %s cannot act as %s in \"%s\": more tokens than %u", name,
                  connection->verdict.principal, identity, token->label, limits::kTokens);
        continue;
      }
      SeenToken seen = see_token(match, verdict.principal, connection);
      if (seen.layers.empty()) continue;
      note_person(seen, verdict);
      seen.label = slot->front().label; /* it is the same token to whoever looks at it */
      seen.serial = slot->front().serial;
      seen.identity = identity;
      slot->push_back(std::move(seen));
      count++;
    }
  }
}

Result<Vault::SeenLayer> Vault::see_layer(const PolicyLayer& layer, const std::string& principal,
                                          Connection* connection) {
  SeenLayer seen{&layer, layer.at_backend, 0};
  const PolicyBackend& backend = policy_.backends()[layer.backend];
  const bool on_demand = (layer.flags & kLayerOnDemand) != 0;
  std::string name = token_name(layer, principal);
  if (layer.of_person[0] != '\0' && !on_demand) {
    if (name.size() >= sizeof seen.at_backend.label)
      return Error{0, "a token's label has at most 32 octets, and not " + name};
    std::memcpy(seen.at_backend.label, name.data(), name.size());
  }
  AllowedBackend allowed{layer.backend, 0};
  if (backend.isolates_tokens()) {
    if (state_ == nullptr) return Error{0, "there is no state-directory"};
    Result<uint32_t> uid = state_->uid_of(backend.name, name, backend.first_uid, backend.last_uid);
    if (!uid) return Error{0, "token " + name + ": " + uid.error().text};
    allowed.uid = *uid;
  }
  std::vector<AllowedBackend>& all = connection->backends;
  auto place = std::find_if(all.begin(), all.end(), [&](const AllowedBackend& other) {
    return other.backend == allowed.backend && other.uid == allowed.uid;
  });
  if (place == all.end() && all.size() >= limits::kBackends)
    return Error{0, "more backends than one connection may have"};
  if (on_demand) {
    Result<VaultState::DemandedToken> token = demanded(backend, name);
    if (!token) return Error{0, "token " + name + ": " + token.error().text};
    seen.at_backend = {};
    std::memcpy(seen.at_backend.label, token->id.data(), token->id.size());
    seen.demanded = std::move(*token);
  }
  seen.token = std::move(name);
  seen.number = static_cast<uint32_t>(place - all.begin());
  if (place == all.end()) all.push_back(allowed);
  return seen;
}

/* What is known of a token on demand; what has been asked for has a name from then on. */
Result<VaultState::DemandedToken> Vault::demanded(const PolicyBackend& backend,
                                                  const std::string& token) {
  if (state_ == nullptr || keys_.count() == 0) return Error{0, "there is no master-key"};
  Result<VaultState::DemandedToken> known = state_->demanded(backend.name, token, keys_.count());
  if (!known) return known;
  if (known->erasing)
    return Error{0, "it is being destroyed, as nobody was allowed to use it; it is made anew then"};
  if (known->id.size() != kTokenId - 1 || known->key == 0 || known->key > keys_.count() ||
      known->user_key == 0 || known->user_key > keys_.count() ||
      (known->made && (known->pin_size < kLeastDerivedPin || known->pin_size > kDerivedPin)))
    return Error{0, "its PIN comes from line " +
                        std::to_string(std::max(known->key, known->user_key)) +
                        " of master-key, which is not there"};
  return known;
}

/* ---- monitor */

/* Of a layer that has one of ours. */
void Vault::queue_pin(const SeenLayer& layer, Connection* connection) {
  Pins pins;
  if (Status status = read_pins(layer, &pins); !status)
    log_error("connection %llu: token \"%s\" on %s stays closed: %s",
              static_cast<unsigned long long>(connection->name), layer.token.c_str(),
              policy_.backends()[layer.layer->backend].name, status.error().text.c_str());
  PortfolioPin pin = make_record<PortfolioPin>(RecordType::kPortfolioPin);
  pin.pin = pins.pin;
  pin.next = pins.next;
  connection->unsent.push_back(octets_of(pin));
  wipe(&pin, sizeof pin);
}

void Vault::queue_portfolio(Connection* connection) {
  for (uint32_t number = 0; number < connection->backends.size(); number++) {
    const PolicyBackend& from = policy_.backends()[connection->backends[number].backend];
    PortfolioBackend backend = make_record<PortfolioBackend>(RecordType::kPortfolioBackend);
    backend.backend = number;
    backend.flags = from.flags;
    backend.deadline_short_ms = from.deadline_short_ms;
    backend.deadline_start_ms = from.deadline_start_ms;
    backend.deadline_long_ms = from.deadline_long_ms;
    std::memcpy(backend.name, from.name, sizeof backend.name);
    connection->unsent.push_back(octets_of(backend));
  }
  for (const SeenToken& seen : connection->tokens) {
    PortfolioToken token = make_record<PortfolioToken>(RecordType::kPortfolioToken);
    token.slot = seen.token->slot;
    token.flags = seen.token->flags;
    token.layers = static_cast<uint32_t>(seen.layers.size());
    std::memcpy(token.label, seen.label.data(), seen.label.size());
    std::memcpy(token.serial, seen.serial.data(), seen.serial.size());
    std::memcpy(token.identity, seen.identity.data(), seen.identity.size());
    connection->unsent.push_back(octets_of(token));
    for (const SeenLayer& one : seen.layers) {
      const PolicyLayer* its = one.layer;
      PortfolioLayer layer = make_record<PortfolioLayer>(RecordType::kPortfolioLayer);
      layer.backend = one.number;
      layer.flags = its->flags;
      const bool stored = its->pin == kPinStored || keeps_pin(one);
      layer.pin = stored ? kPinStored : its->pin;
      if (one.demanded && !one.demanded->made) layer.flags |= kLayerUnmade;
      layer.creates = its->creates;
      layer.prefix = its->prefix;
      layer.at_backend = one.at_backend;
      connection->unsent.push_back(octets_of(layer));
      if (const FilterPlan* plan = policy_.filter(*its); plan != nullptr) {
        PortfolioFilter filter = make_record<PortfolioFilter>(RecordType::kPortfolioFilter);
        filter.plan = *plan;
        connection->unsent.push_back(octets_of(filter));
      }
      if (stored) queue_pin(one, connection);
    }
  }
  PortfolioEnd end = make_record<PortfolioEnd>(RecordType::kPortfolioEnd);
  end.expires_s = connection->verdict.expires_s;
  std::memcpy(end.principal, connection->verdict.principal, sizeof end.principal);
  connection->unsent.push_back(octets_of(end));
}

void Vault::forget_unsent(Connection* connection) {
  for (std::vector<uint8_t>& record : connection->unsent) wipe(record.data(), record.size());
  connection->unsent.clear();
}

/*
 * Sends what the socket takes; the rest goes when it has room again, and nothing that the monitor
 * asks is read before: who does not read gets no more answers that would have to be kept here.
 */
void Vault::flush(Connection* connection) {
  while (!connection->unsent.empty()) {
    std::vector<uint8_t>& record = connection->unsent.front();
    RecordStatus status = send_record(connection->monitor.get(), record.data(), record.size());
    if (status == RecordStatus::kAgain) {
      loop_->change(connection->monitor.get(), EPOLLOUT); /* a hang-up is told all the same */
      return;
    }
    if (status != RecordStatus::kOk) {
      connection->monitor.reset(); /* it has gone; [priv] knows */
      forget_unsent(connection);
      return stop_when_sent();
    }
    wipe(record.data(), record.size()); /* it may have been a PIN */
    connection->unsent.pop_front();
  }
  stop_when_sent();
  loop_->change(connection->monitor.get(), EPOLLIN);
}

/* False when the monitor may not say so. */
bool Vault::heard(Connection* connection, const RecordBuffer& record) {
  if (const auto* ask = record.as<MakeToken>(RecordType::kMakeToken))
    return asked_to_make(connection, *ask);
  if (const auto* made = record.as<MakeToken>(RecordType::kTokenMade))
    return told_of_making(connection, *made);
  if (const auto* ask = record.as<PinTurn>(RecordType::kTurnPin))
    return asked_to_turn(connection, *ask);
  const auto* turned = record.as<PinTurn>(RecordType::kPinTurned);
  return turned != nullptr && told_of_turning(connection, *turned);
}

void Vault::on_monitor(uint64_t name, uint32_t events) {
  Connection* connection = find(name);
  if ((events & EPOLLIN) != 0 && connection->unsent.empty()) {
    RecordBuffer record;
    RecordStatus status = record.receive(connection->monitor.get(), false);
    const bool good =
        status == RecordStatus::kOk && connection->phase == kTold && heard(connection, record);
    if (!good && (status == RecordStatus::kOk || status == RecordStatus::kBroken))
      return refuse(name, "the monitor sent something");
    if (good && (connection = find(name)) == nullptr) return;
    if (status == RecordStatus::kClosed) events |= EPOLLHUP;
  }
  if ((events & (EPOLLHUP | EPOLLERR)) != 0) {
    connection->monitor.reset();
    forget_unsent(connection);
    return stop_when_sent();
  }
  if ((events & EPOLLOUT) != 0) flush(connection);
}

}  // namespace mp11
