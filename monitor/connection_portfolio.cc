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
 * Connection, what comes before its calls: the portfolio, from the vault. And what is said in the
 * log of it later.
 */
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "connection.h"
#include "layer_prefix.h"
#include "log.h"
#include "record_io.h"
#include "secure_buffer.h"

namespace mp11 {
namespace {

/* Whether the last layer's filter has not come yet. */
bool filter_due(const Portfolio& portfolio) {
  size_t filtered = 0;
  for (const PortfolioLayer& layer : portfolio.layers)
    filtered += (layer.flags & kLayerFiltered) != 0;
  return filtered != portfolio.filters.size();
}

/* Nor its PIN. */
bool pin_due(const Portfolio& portfolio) {
  size_t stored = 0;
  for (const PortfolioLayer& layer : portfolio.layers) stored += layer.pin == kPinStored;
  return stored != portfolio.pins.size();
}

/* A variant comes after its token, or after another variant of it. */
bool may_follow(const Portfolio& portfolio, const PortfolioToken& token) {
  if (token.identity[0] == '\0') return true;
  if (portfolio.tokens.empty()) return false;
  const PortfolioToken& before = portfolio.tokens.back();
  return token.slot == before.slot && (before.flags & token.flags & kTokenPinSelect) != 0;
}

/* None is known, or one, or two. */
bool pins_are_good(const StoredPin& pin, const StoredPin& next) {
  return pin.size <= sizeof pin.pin && next.size <= sizeof next.pin &&
         (pin.size != 0 || next.size == 0);
}

std::shared_ptr<const SecureBuffer> kept(const StoredPin& pin) {
  auto copy = std::make_shared<SecureBuffer>();
  copy->append(pin.pin, pin.size);
  return copy;
}

}  // namespace

/* The portfolio comes first; until it is whole, no call is looked at. */
void Connection::receive_portfolio() {
  Portfolio portfolio;
  for (bool whole = false; !whole;) {
    pollfd fds[3] = {
        {vault_.get(), POLLIN, 0}, {control_.get(), POLLIN, 0}, {front_socket_.get(), 0, 0}};
    if (::poll(fds, 3, -1) < 0) {
      if (errno != EINTR) fatal("poll: %s", std::strerror(errno));
      continue;
    }
    if (fds[2].revents != 0) _exit(0); /* the client has gone before it was known */
    if (fds[1].revents != 0) {
      pump_control();
      if (stopping_) _exit(0);
      if (std::exchange(new_vault_, false)) {
        portfolio = {}; /* it starts anew */
        continue;
      }
    }
    if (fds[0].revents != 0) whole = take_portfolio_record(&portfolio);
  }
  for (const PortfolioBackend& plan : portfolio.backends) {
    backends_.emplace_back();
    backends_.back().plan = plan;
  }
  vault_ready_ = true;
  monitor_.emplace(std::move(portfolio), static_cast<MonitorHost*>(this));
}

/* True for the last one. */
bool Connection::take_portfolio_record(Portfolio* portfolio) {
  RecordBuffer record;
  RecordStatus status = record.receive(vault_.get(), false);
  if (status == RecordStatus::kAgain) return false;
  if (status != RecordStatus::kOk) {
    /* The vault has died; [priv] hands out a socket to the next one, which starts anew. */
    vault_.reset();
    *portfolio = {};
    return false;
  }
  auto known = [portfolio](uint32_t number) {
    return std::any_of(portfolio->backends.begin(), portfolio->backends.end(),
                       [number](const PortfolioBackend& b) { return b.backend == number; });
  };
  if (const auto* backend = record.as<PortfolioBackend>(RecordType::kPortfolioBackend)) {
    if (portfolio->backends.size() >= limits::kBackends || known(backend->backend) ||
        !text_ends(backend->name))
      fatal("unusable backend from vault");
    portfolio->backends.push_back(*backend);
    return false;
  }
  size_t due = 0; /* layers of the last token that have not come yet */
  for (const PortfolioToken& token : portfolio->tokens) due += token.layers;
  due -= portfolio->layers.size();
  if (const auto* token = record.as<PortfolioToken>(RecordType::kPortfolioToken)) {
    const bool named = token->label[0] != '\0' && token->serial[0] != '\0';
    const bool selects = (token->flags & kTokenPinSelect) != 0;
    if (!text_ends(token->identity) || !may_follow(*portfolio, *token) || due != 0 ||
        filter_due(*portfolio) || pin_due(*portfolio) ||
        portfolio->tokens.size() >= limits::kTokens || token->layers == 0 ||
        token->layers > limits::kLayers || !text_ends(token->label) || !text_ends(token->serial) ||
        ((token->layers > 1 || selects) && ((token->flags & ~kTokenPinSelect) != 0 || !named)))
      fatal("unusable token from vault");
    portfolio->tokens.push_back(*token);
    return false;
  }
  if (const auto* layer = record.as<PortfolioLayer>(RecordType::kPortfolioLayer)) {
    if (due == 0 || !known(layer->backend) || !text_ends(layer->at_backend) ||
        (layer->pin != kPinClient && layer->pin != kPinNone && layer->pin != kPinStored) ||
        (layer->creates & ~kCreateKnown) != 0 || filter_due(*portfolio) || pin_due(*portfolio) ||
        !prefix_is_good(layer->prefix) ||
        (((layer->flags & kLayerFiltered) != 0 || layer->pin == kPinStored ||
          has_prefix(layer->prefix)) &&
         (portfolio->tokens.back().flags & ~kTokenPinSelect) != 0))
      fatal("unusable layer from vault");
    portfolio->layers.push_back(*layer);
    return false;
  }
  if (const auto* filter = record.as<PortfolioFilter>(RecordType::kPortfolioFilter)) {
    if (!filter_due(*portfolio) || !filter_is_good(filter->plan))
      fatal("unusable filter from vault");
    portfolio->filters.push_back(filter->plan);
    return false;
  }
  if (filter_due(*portfolio)) fatal("a layer without its filter from vault");
  if (const auto* pin = record.as<PortfolioPin>(RecordType::kPortfolioPin)) {
    if (!pin_due(*portfolio) || !pins_are_good(pin->pin, pin->next))
      fatal("unusable PIN from vault");
    portfolio->pins.push_back(kept(pin->pin));
    portfolio->next_pins.push_back(pin->next.size != 0 ? kept(pin->next) : nullptr);
    record.wipe();
    return false;
  }
  if (pin_due(*portfolio)) fatal("a layer without its PIN from vault");
  if (due != 0) fatal("a token without its layers from vault");
  const auto* end = record.as<PortfolioEnd>(RecordType::kPortfolioEnd);
  if (end == nullptr || !text_ends(end->principal)) fatal("unexpected record from vault");
  expires_s_ = end->expires_s;
  principal_ = end->principal;
  const size_t own = static_cast<size_t>(
      std::count_if(portfolio->tokens.begin(), portfolio->tokens.end(),
                    [](const PortfolioToken& token) { return token.identity[0] == '\0'; }));
  log_info("connection %llu from %s: %s has %zu tokens", static_cast<unsigned long long>(number_),
           peer_.c_str(), end->principal, own);
  return true;
}

/* ---- what it is asked later: tokens on demand */

void Connection::ask_to_make(const char* id) {
  MakeToken ask = make_record<MakeToken>(RecordType::kMakeToken);
  std::memcpy(ask.id, id, std::min(std::strlen(id), sizeof ask.id - 1));
  if (!vault_ready_ || send_record(vault_.get(), ask) != RecordStatus::kOk) unanswered_ = true;
}

void Connection::tell_made(const char* id, uint32_t pin_size) {
  MakeToken told = make_record<MakeToken>(RecordType::kTokenMade);
  std::memcpy(told.id, id, std::min(std::strlen(id), sizeof told.id - 1));
  told.made = pin_size != 0;
  told.pin_size = pin_size;
  if (!vault_ready_ || send_record(vault_.get(), told) != RecordStatus::kOk) unanswered_ = true;
}

void Connection::ask_to_turn(const LayerName& layer) {
  PinTurn ask = make_record<PinTurn>(RecordType::kTurnPin);
  ask.layer = layer;
  if (!vault_ready_ || send_record(vault_.get(), ask) != RecordStatus::kOk) unanswered_ = true;
}

void Connection::tell_turned(const LayerName& layer, TurnOutcome outcome, uint32_t pin_size,
                             uint64_t rv) {
  PinTurn told = make_record<PinTurn>(RecordType::kPinTurned);
  told.layer = layer;
  told.outcome = outcome;
  told.pin_size = pin_size;
  told.rv = static_cast<uint32_t>(rv);
  if (!vault_ready_ || send_record(vault_.get(), told) != RecordStatus::kOk) unanswered_ = true;
}

/* The vault's word on a PIN, or another vault's, within its portfolio. */
void Connection::take_layer_pin(const RecordBuffer& record) {
  if (const auto* backend = record.as<PortfolioBackend>(RecordType::kPortfolioBackend)) {
    later_backends_.push_back(*backend);
  } else if (const auto* layer = record.as<PortfolioLayer>(RecordType::kPortfolioLayer)) {
    later_layer_ = {};
    for (const PortfolioBackend& one : later_backends_)
      if (one.backend == layer->backend)
        std::memcpy(later_layer_.backend, one.name, sizeof one.name);
    later_layer_.at_backend = layer->at_backend;
  } else if (const auto* pin = record.as<PortfolioPin>(RecordType::kPortfolioPin)) {
    if (!pins_are_good(pin->pin, pin->next)) fatal("unusable PIN from vault");
    LayerPin news = make_record<LayerPin>(RecordType::kLayerPin);
    news.layer = later_layer_;
    news.verdict = kPinIs;
    news.pin = pin->pin;
    news.next = pin->next;
    monitor_->pin_changed(&news);
    wipe(&news, sizeof news);
  } else if (const auto* told = record.as<LayerPin>(RecordType::kLayerPin)) {
    if (!pins_are_good(told->pin, told->next)) fatal("unusable PIN from vault");
    monitor_->pin_changed(told);
  }
}

/* Another vault knows nothing of what the one before was asked. */
void Connection::vault_lost() {
  vault_ready_ = false;
  later_backends_.clear();
  if (!monitor_) return;
  monitor_->make_answered(nullptr); /* before anything is said that the new one could hear */
  monitor_->pin_changed(nullptr);
}

/*
 * Answers of the vault. A new one sends the portfolio once more, of which only PINs and its end
 * count: what it takes away [priv] has noted.
 */
void Connection::pump_vault() {
  RecordBuffer record;
  while (vault_) {
    RecordStatus status = record.receive(vault_.get(), false);
    if (status == RecordStatus::kAgain) break;
    if (status != RecordStatus::kOk) {
      vault_.reset();
      vault_lost();
      break;
    }
    if (const auto* answer = record.as<MakeAnswer>(RecordType::kMakeAnswer)) {
      if (!text_ends(answer->id) || answer->user.size > kDerivedPin ||
          answer->so.size > kDerivedPin)
        fatal("unusable answer from vault");
      monitor_->make_answered(answer);
    }
    take_layer_pin(record);
    if (const auto* renewed = record.as<PortfolioRenewed>(RecordType::kPortfolioRenewed))
      renew(renewed->expires_s);
    if (const auto* end = record.as<PortfolioEnd>(RecordType::kPortfolioEnd)) {
      vault_ready_ = true;
      renew(end->expires_s); /* while there was no vault */
    }
    record.wipe();
  }
}

/* Never to an earlier end, and who has none gets none. */
void Connection::renew(uint64_t expires_s) {
  if (expires_s_ == 0 || expires_s <= expires_s_) return;
  expires_s_ = expires_s;
  log_info("connection %llu: ticket renewed, ends at %llu",
           static_cast<unsigned long long>(number_), static_cast<unsigned long long>(expires_s));
}

void Connection::filtered(const Filtered& what) {
  log_info("token \"%s\", layer %zu: %s: %s, %s", what.token, what.layer, what.function,
           what.objection, what.audit ? "but this is an audit" : "refused");
}

void Connection::layer_changed(const LayerState& state) {
  if (state.there)
    log_info("token \"%s\", layer %zu (%s) is there again", state.token, state.layer,
             state.backend);
  else
    log_info("token \"%s\", layer %zu (%s) is left out: 0x%llx", state.token, state.layer,
             state.backend, static_cast<unsigned long long>(state.rv));
  LayerReport report = make_record<LayerReport>(RecordType::kLayerState);
  report.slot = state.slot;
  report.layer = static_cast<uint32_t>(state.layer);
  report.backend = state.number;
  report.there = state.there;
  report.rv = state.there ? 0 : state.rv;
  std::erase_if(untold_, [&](const LayerReport& old) {
    return old.slot == report.slot && old.layer == report.layer && old.backend == report.backend;
  });
  untold_.push_back(report);
  tell_layers();
}

/* To [priv], as far as it takes them now; the rest when it has room. Nothing else waits for it. */
void Connection::tell_layers() {
  size_t told = 0;
  while (told < untold_.size() && send_record(control_.get(), untold_[told]) == RecordStatus::kOk)
    told++;
  untold_.erase(untold_.begin(), untold_.begin() + static_cast<ptrdiff_t>(told));
}

void Connection::acting(const Acting& acting) {
  const auto number = static_cast<unsigned long long>(number_);
  const char* who = principal_.c_str();
  switch (acting.what) {
    case Acting::What::kBegun:
      log_info("connection %llu: %s acts as %s in token \"%s\"", number, who, acting.identity,
               acting.token);
      return;
    case Acting::What::kEnded:
      log_info("connection %llu: %s no longer acts as %s in token \"%s\"", number, who,
               acting.identity, acting.token);
      return;
    case Acting::What::kRefused:
      break;
  }
  if (acting.identity[0] == '\0')
    log_info(
        "connection %llu: %s is refused in token \"%s\": what stands before the + of the PIN "
        "is nobody that it may act as",
        number, who, acting.token);
  else
    log_info("connection %llu: %s is refused as %s in token \"%s\": 0x%llx", number, who,
             acting.identity, acting.token, static_cast<unsigned long long>(acting.rv));
}

}  // namespace mp11
