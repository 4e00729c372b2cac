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
#include "explain_call.h"

#include <algorithm>

#include "explain_opinion.h"

namespace mp11 {
namespace {

/* What the route of a function means, for the line above the layers. */
const char* route_text(const FunctionRow& row) {
  switch (row.route) {
    case Route::kWhole:
      return "the connection as a whole";
    case Route::kMergeSlot:
      return row.number == kC_GetSlotInfo ? "the first layer that can be reached"
                                          : "every layer, merged";
    case Route::kAdminSlot:
    case Route::kAdmin:
      return "the layer of a token with admin = yes";
    case Route::kPinLayer:
      return "the layer with pin = client, if there is just one";
    case Route::kOpen:
      return "the first layer that can be reached; the others when something is wanted there";
    case Route::kClose:
      return "every layer that has a session";
    case Route::kLogin:
      return "every layer that has a PIN";
    case Route::kLogout:
      return "every layer";
    case Route::kState:
      return "the layer of the operation that is saved or restored";
    case Route::kCreate:
      return "the first layer that may hold it and has the mechanism";
    case Route::kFind:
      return "layer after layer";
    case Route::kMechanismLayer:
      return "the first layer that has the mechanism";
    case Route::kObject:
      return "the layer of the object";
    case Route::kContinue:
      return "the layer where the operation was begun";
    case Route::kDual:
      return "the layers where the two operations were begun";
    case Route::kFirst:
      return "the first layer that can be reached";
  }
  return "";
}

/* One call to one token. */
class Answering {
 public:
  Answering(const Config& config, const Question& question, const TokenConfig& token,
            const std::vector<const LayerConfig*>& seen)
      : config_(config), question_(question), token_(token), seen_(seen) {
    for (const LayerConfig* layer : seen) opinions_.push_back(opinion_of(question, *layer));
  }

  CallAnswer result() {
    const FunctionRow* row = question_.function;
    std::string what = row != nullptr ? row->name : "";
    if (question_.mechanism != nullptr) what += (what.empty() ? "" : " ") + mechanism();
    if (question_.object) what += (what.empty() ? "" : " ") + question_.object_text;
    text_ = "  " + what;
    if (row != nullptr) text_ += std::string(": ") + route_text(*row);
    text_ += "\n";
    if (row != nullptr && row->number >= kFunctions240)
      nobody(
          "CKR_FUNCTION_NOT_SUPPORTED, as functions of PKCS #11 3.0 and later are not built yet");
    else
      answer(row);
    return {text_ + "  answer: " + answer_ + "\n", yes_};
  }

 private:
  std::string mechanism() const { return question_.mechanism->name; }
  std::string name(size_t n) const {
    return "layer " + std::to_string(n + 1) + ", backend " +
           config_.backends[seen_[n]->backend].name;
  }
  void say(size_t n, const std::string& what) {
    text_ += "    " + name(n) + ", line " + std::to_string(seen_[n]->line) + ": " + what + "\n";
  }
  void say_all() {
    for (size_t n = 0; n < seen_.size(); n++) say(n, opinions_[n].text());
  }
  void some(const std::string& who) {
    answer_ = who;
    yes_ = true;
  }
  void nobody(const std::string& why) { answer_ = "nobody: " + why; }
  const LayerConfig& first() const { return *seen_.front(); }

  void answer(const FunctionRow* row) {
    switch (row == nullptr ? Route::kObject : row->route) {
      case Route::kWhole:
        return some("multip11-monitor, for all tokens at once");
      case Route::kAdminSlot:
      case Route::kAdmin:
        if (!token_.admin)
          return nobody("CKR_FUNCTION_NOT_SUPPORTED, as the token has no admin = yes");
        return first_one();
      case Route::kPinLayer:
        return pin_layer();
      case Route::kLogin:
        return login();
      case Route::kClose:
      case Route::kLogout:
        return some("every layer");
      case Route::kMergeSlot:
        return row->number == kC_GetSlotInfo ? first_one() : any_of("every layer, merged");
      case Route::kOpen:
        return open();
      case Route::kFirst:
        return first_one();
      case Route::kCreate:
      case Route::kMechanismLayer:
        return first_that_may(*row);
      case Route::kState:
      case Route::kFind:
      case Route::kObject:
      case Route::kContinue:
      case Route::kDual:
        return any_of("");
    }
  }

  void first_one() {
    say_all();
    if (!opinions_[0].yes()) return nobody(opinions_[0].text().substr(4));
    some(name(0) + (seen_.size() > 1 ? ", or the next one where that cannot be reached" : ""));
  }

  /* Those that do not refuse; `who`: what to call them. */
  void any_of(const std::string& who) {
    say_all();
    std::string names;
    size_t refusing = 0;
    for (size_t n = 0; n < seen_.size(); n++) {
      if (opinions_[n].yes())
        names += (names.empty() ? "" : "; or ") + name(n);
      else
        refusing++;
    }
    if (refusing < seen_.size()) return some(who.empty() || refusing != 0 ? names : who);
    nobody(seen_.size() == 1 ? opinions_[0].text().substr(4) : "every layer refuses");
  }

  void open() {
    std::string needed;
    for (size_t n = 0; n < seen_.size(); n++)
      if (seen_[n]->required) needed += (needed.empty() ? "" : " and ") + name(n);
    some(name(0) + (needed.empty() ? "" : "; not without " + needed));
  }

  void pin_layer() {
    std::vector<size_t> with_pin;
    for (size_t n = 0; n < seen_.size(); n++) {
      const bool clients = seen_[n]->pin == kPinClient;
      if (clients) with_pin.push_back(n);
      say(n, clients ? opinions_[n].text() : "no: its PIN is not the client's");
    }
    if (with_pin.size() != 1)
      return nobody("CKR_FUNCTION_NOT_SUPPORTED, as " + std::to_string(with_pin.size()) +
                    " layers have pin = client");
    const Opinion& its = opinions_[with_pin[0]];
    if (!its.yes()) return nobody(its.text().substr(4));
    some(name(with_pin[0]));
  }

  void login() {
    std::string leader;
    for (size_t n = 0; n < seen_.size(); n++) {
      const LayerConfig& layer = *seen_[n];
      const std::string say_so = layer.required ? "; required, so it has a say" : "";
      if (layer.pin == kPinNone) {
        say(n, "nobody logs in there (pin = none)");
      } else if (layer.pin != kPinClient) {
        say(n, "opened then, with a PIN that the daemon knows" + say_so);
      } else if (leader.empty()) {
        say(n, "hears the client's PIN first, and decides");
        leader = name(n);
      } else {
        say(n, "hears the client's PIN after that" + say_so);
      }
    }
    some(leader.empty() ? "yes, without a PIN of the client's" : leader + ", with the user's PIN");
  }

  /* Who refuses by his filter was chosen all the same: no other one is asked then. */
  void first_that_may(const FunctionRow& row) {
    say_all();
    std::vector<size_t> able;
    for (size_t n = 0; n < seen_.size(); n++)
      if (opinions_[n].passed.empty()) able.push_back(n);
    if (able.empty()) return nobody(why_none(row));
    const Opinion& its = opinions_[able[0]];
    const bool by_mechanism = row.has(ArgKind::kMechanism);
    if (!its.against.empty() && (able.size() == 1 || !by_mechanism))
      return nobody(its.text().substr(4));
    std::string who = name(able[0]);
    if (!by_mechanism || able.size() == 1) return some(who);
    for (size_t i = 1; i < able.size(); i++) who += "; then " + name(able[i]);
    some(who + ": the first whose library has " +
         (question_.mechanism != nullptr ? mechanism() : "the mechanism"));
    yes_ = std::any_of(able.begin(), able.end(),
                       [this](size_t n) { return opinions_[n].against.empty(); });
  }

  /* As SessionMonitor::to_layer_that_makes() has it. */
  std::string why_none(const FunctionRow& row) const {
    if (row.route == Route::kMechanismLayer) return "CKR_MECHANISM_INVALID, of " + name(0);
    bool writable = false, mechanism = false;
    for (size_t n = 0; n < seen_.size(); n++) {
      writable |= !seen_[n]->read_only;
      for (const std::string& why : opinions_[n].passed)
        mechanism |= !seen_[n]->read_only && why.starts_with("CKR_MECHANISM_INVALID");
    }
    if (!writable) return "CKR_TOKEN_WRITE_PROTECTED, as every layer is read-only";
    return std::string(mechanism ? "CKR_MECHANISM_INVALID" : "CKR_TEMPLATE_INCONSISTENT") +
           ", as no layer makes it";
  }

  const Config& config_;
  const Question& question_;
  const TokenConfig& token_;
  const std::vector<const LayerConfig*>& seen_;
  std::vector<Opinion> opinions_;
  std::string text_, answer_;
  bool yes_ = false;
};

}  // namespace

CallAnswer answer_call(const Config& config, const Question& question, const TokenConfig& token,
                       const std::vector<const LayerConfig*>& seen) {
  return Answering(config, question, token, seen).result();
}

}  // namespace mp11
