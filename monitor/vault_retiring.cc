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
 * Vault, tokens on demand that nobody may use any more (retire in multip11d.conf).
 *
 * A token is known by its name at the backend. Which layers may mean it is asked of the policy; of
 * several the mildest has its way, and where one is not on-demand, or there is none, the token is
 * kept: what no layer speaks of is nobody's to destroy. It is used as long as somebody may see such
 * a layer: where the name is a person's, one of those who have seen it (noted when they do); where
 * it is the same for all, anybody who might. A token of which nobody has been noted is kept.
 *
 * The policy changes only with the vault: [priv] starts a new one with each configuration that it
 * has read without error, and none with another. So a file with an error takes nobody's token away.
 * A list of members that has become empty is no error; retire-after is the time to notice.
 *
 * Days are counted from look to look, and never more than one at once: a clock that was wrong when
 * the waiting began, or is for a moment, makes it a day shorter and no more, and a daemon that does
 * not run lets nothing pass.
 *
 * To destroy: the row is marked, [priv] is asked, and when it says that the directory is empty the
 * rows go. What ends in between leaves the mark, with which nobody is given the token, and the next
 * look asks once more; if by then somebody may use it again, what is left is hidden. So a token is
 * there whole, with its row, or on its way to be gone, or can be looked at.
 *
 * Trust: [priv] is believed that it is done. The clock is the machine's.
 */
#include <time.h>

#include <algorithm>

#include "log.h"
#include "vault.h"

namespace mp11 {
namespace {

constexpr uint64_t kLookMs = 3600000; /* days are counted in it */
/* What was begun and could not go on: an eraser of the vault before us is still at it. */
constexpr uint64_t kSoonMs = 60000;
constexpr uint64_t kDay = 86400;
/* Tokens: each is a look through the rules for each person, a millisecond where there are many. */
constexpr int kAtOnce = 16;

std::string date_of(uint64_t seconds) {
  const time_t time = static_cast<time_t>(seconds);
  tm parts{};
  char text[32];
  if (::gmtime_r(&time, &parts) == nullptr || ::strftime(text, sizeof text, "%F", &parts) == 0)
    return "?";
  return text;
}

std::string spelled(const VaultState::TokenName& name) {
  return "token \"" + name.token + "\" on " + name.backend;
}

}  // namespace

/* Who sees a token that is called after persons. */
void Vault::note_person(const SeenToken& seen, const Verdict& who) {
  for (const SeenLayer& layer : seen.layers) {
    if (!layer.demanded || layer.layer->of_person[0] == '\0') continue;
    const VaultState::TokenName name{policy_.backends()[layer.layer->backend].name, layer.token};
    if (Status status = state_->note_person(name, {who.kind, who.principal}); !status)
      log_error("%s: %s", spelled(name).c_str(), status.error().text.c_str());
  }
}

Vault::Fate Vault::fate_of(const Retirable& token) const {
  constexpr Fate kKept{kRetireKeep, 0, true};
  Fate fate{kRetireDestroy, 0, false};
  bool named = false, common = false;
  for (const PolicyToken& one : policy_.tokens())
    for (const PolicyLayer& layer : policy_.layers(one)) {
      if (token.name.backend != policy_.backends()[layer.backend].name ||
          !may_be_named(layer, token.name.token))
        continue;
      if ((layer.flags & kLayerOnDemand) == 0) return kKept;
      named = true;
      fate.mode = std::min(fate.mode, layer.retire);
      fate.days = std::max(fate.days, uint64_t{layer.retire_days});
      if (layer.of_person[0] != '\0') continue;
      common = true;
      fate.used |= policy_.gives_somebody(one, layer);
    }
  if (!named || (!common && token.persons.empty())) return kKept;
  if (fate.mode == kRetireKeep) return fate;
  for (const VaultState::Person& person : token.persons) /* whatever the name looks like */
    fate.used |= policy_.gives(verdict_of(static_cast<VerdictKind>(person.kind), person.principal),
                               token.name.backend, token.name.token);
  return fate;
}

void Vault::retire_one(const Retirable& token, uint64_t now_s) {
  const Fate fate = fate_of(token);
  const std::string name = spelled(token.name);
  auto told = [&name](const Status& status) {
    if (!status) log_error("%s: %s", name.c_str(), status.error().text.c_str());
    return status.ok();
  };
  VaultState::Gone gone = token.gone;
  if (gone.erasing && fate.mode == kRetireDestroy && !fate.used)
    return doomed_.push_back({token.name, gone, true});
  if (gone.erasing) {
    /* It may be whole, or half empty: nobody is given it, and it is not lost either. */
    if (told(token.made ? state_->hide(token.name, now_s)
                        : state_->forget_token(token.name, false)))
      log_info(
          "audit: %s was being destroyed when its layers, or who may use it, changed: what is "
          "left of it was hidden",
          name.c_str());
    return;
  }
  const bool nothing_to_hide = fate.mode == kRetireHide && !token.made;
  if (fate.used || fate.mode == kRetireKeep || nothing_to_hide) {
    if (gone.since_s != 0 && told(state_->set_gone(token.name, {})))
      log_info("%s is kept after all", name.c_str());
    return;
  }
  const bool first = gone.since_s == 0;
  if (!first && now_s > gone.seen_s) gone.waited_s += std::min(now_s - gone.seen_s, kDay);
  if (first || gone.since_s > now_s) gone.since_s = now_s;
  gone.seen_s = now_s;
  if (!told(state_->set_gone(token.name, gone))) return;
  if (first) {
    const std::string when = fate.days != 0 ? " after " + std::to_string(fate.days) + " days" : "";
    log_info("%s: nobody may use it any more; retire = %s%s", name.c_str(),
             fate.mode == kRetireHide ? "hide" : "destroy", when.c_str());
  }
  if (gone.waited_s < fate.days * kDay) return;
  if (fate.mode == kRetireDestroy) return doomed_.push_back({token.name, gone, false});
  if (told(state_->hide(token.name, now_s)))
    log_info("audit: %s was hidden: nobody may use it since %s", name.c_str(),
             date_of(gone.since_s).c_str());
}

/* All are looked at once; the policy does not change after that, only the time. */
void Vault::retire(uint64_t now_s) {
  if (state_ == nullptr || !control_ || replaced_) return;
  Result<std::vector<Retirable>> all = state_->retirable();
  if (!all) return log_error("tokens on demand: %s", all.error().text.c_str());
  doomed_.clear();
  retirable_.clear();
  for (Retirable& token : *all)
    if (!looked_at_all_ || token.gone.since_s != 0) retirable_.push_back(std::move(token));
  looked_at_all_ = true;
  retire_some(now_s);
}

/* Clients are served in between. */
void Vault::retire_some(uint64_t now_s) {
  for (int i = 0; i < kAtOnce && !retirable_.empty() && !replaced_; i++) {
    const Retirable token = std::move(retirable_.front());
    retirable_.pop_front();
    if (!erasing_ || erasing_->name != token.name) retire_one(token, now_s);
  }
  if (retirable_.empty() || replaced_) return erase_next();
  loop_->after(0, [this, now_s] { retire_some(now_s); });
}

void Vault::keep_retiring() {
  if (state_ == nullptr) return;
  look_again_in(kLookMs); /* or sooner, if what comes now says so */
  retire(static_cast<uint64_t>(::time(nullptr)));
}

void Vault::look_again_in(uint64_t ms) {
  loop_->cancel(&look_again_);
  look_again_ = loop_->after(ms, [this] { keep_retiring(); });
}

/* ---- to destroy */

void Vault::erase_next() {
  while (!erasing_ && !doomed_.empty() && !replaced_) {
    const Doomed doomed = doomed_.front();
    doomed_.pop_front();
    if (Status status = ask_to_erase(doomed); !status)
      log_error("%s is not destroyed: %s", spelled(doomed.name).c_str(),
                status.error().text.c_str());
  }
}

Status Vault::ask_to_erase(const Doomed& doomed) {
  const std::vector<PolicyBackend>& all = policy_.backends();
  auto backend = std::find_if(all.begin(), all.end(), [&](const PolicyBackend& one) {
    return doomed.name.backend == one.name;
  });
  if (backend == all.end() || !backend->isolates_tokens())
    return Error{0, "its backend has not isolate = token"};
  Result<std::optional<uint32_t>> uid = state_->known_uid(doomed.name.backend, doomed.name.token,
                                                          backend->first_uid, backend->last_uid);
  if (!uid) return uid.error();
  if (!*uid)
    return Error{0,
                 "it has no directory of its own; it was made when the backend had not isolate = "
                 "token"};
  VaultState::Gone marked = doomed.gone;
  marked.erasing = true;
  if (Status status = state_->set_gone(doomed.name, marked); !status) return status;
  Erase request = make_record<Erase>(RecordType::kErase);
  request.which = {static_cast<uint32_t>(backend - all.begin()), **uid};
  if (send_record(control_.get(), request) != RecordStatus::kOk) {
    if (!doomed.begun) (void)state_->set_gone(doomed.name, doomed.gone); /* else the mark is true */
    return Error{0, "[priv] takes no record; it is tried again"};
  }
  erasing_ = doomed;
  return ok();
}

bool Vault::answer_erased(RecordBuffer& record) {
  const Erase* answer = record.as<Erase>(RecordType::kErased);
  if (answer == nullptr || !erasing_) return false;
  const Doomed doomed = *erasing_;
  const std::string name = spelled(doomed.name);
  erasing_.reset();
  Status status = ok();
  switch (answer->outcome) {
    case kEraseDone:
      status = state_->forget_token(doomed.name, true);
      if (status)
        log_info("audit: %s was destroyed: nobody was allowed to use it since %s", name.c_str(),
                 date_of(doomed.gone.since_s).c_str());
      break;
    case kEraseBusy:
      log_info("%s is not destroyed yet: somebody is connected who could use it", name.c_str());
      if (replaced_) break; /* the mark may be another vault's by now */
      if (doomed.begun)
        look_again_in(kSoonMs);
      else
        status = state_->set_gone(doomed.name, doomed.gone);
      break;
    default:
      log_error("%s is not destroyed yet: its directory could not be emptied", name.c_str());
      break;
  }
  if (!status) log_error("%s: %s", name.c_str(), status.error().text.c_str());
  erase_next();
  return true;
}

}  // namespace mp11
