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
 * Tokens on demand that nobody may use any more, seen from the vault. If these failed, somebody's
 * keys would be destroyed too early, or while they may be used, or somebody who comes back would
 * find a token of which a part is missing.
 */
#include <algorithm>
#include <cstdio>
#include <cstring>

#include "vault_fixture.h"

using namespace mp11;
using namespace mp11::vault_test;

namespace {

constexpr uint64_t kDay = 86400, kNow = 20000 * kDay;
constexpr uint32_t kFirstUid = 70000;

LayerConfig layer_of(const char* name, RetireMode retire, uint32_t days) {
  LayerConfig layer;
  layer.on_demand = true;
  layer.pin = kPinDerived;
  layer.of_person = std::strchr(name, '%') != nullptr;
  layer.at_backend.text = layer.at_backend.label = name;
  layer.retire = retire;
  layer.retire_days = days;
  return layer;
}

/* Each of `who` has a token of its own, and all of them have the club's. */
Config sample(RetireMode retire, uint32_t days, std::vector<std::string> who) {
  Config c;
  c.backends.resize(1);
  c.backends[0].name = "people";
  c.backends[0].first_uid = kFirstUid;
  c.backends[0].last_uid = kFirstUid + 99;
  c.groups.resize(1);
  c.groups[0].name = "club";
  for (const std::string& one : who) c.groups[0].all.push_back({one, "a line"});
  c.tokens.resize(2);
  c.tokens[0].label = "Own";
  c.tokens[0].serial = "1";
  c.tokens[0].allow = who;
  c.tokens[0].layers.push_back(layer_of("own of %p", retire, days));
  c.tokens[1].label = "Club";
  c.tokens[1].serial = "2";
  c.tokens[1].allow = {"group:club"};
  c.tokens[1].layers.push_back(layer_of("club", retire, days));
  return c;
}

struct Fixture : VaultFixture {
  Fixture(const StateDir& at, const Config& config)
      : VaultFixture(config, at.state(), keys_of(std::string(64, '5'))) {}
  /* The uid that the vault wants to have erased; 0: none. */
  uint32_t asked() {
    RecordBuffer record;
    if (record.receive(control.get(), false) != RecordStatus::kOk) return 0;
    const auto* request = record.as<Erase>(RecordType::kErase);
    BOOST_REQUIRE(request != nullptr);
    BOOST_TEST(request->which.backend == 0u);
    BOOST_TEST(request->outcome == 0u);
    return request->which.uid;
  }
  uint32_t retire(uint64_t now_s) {
    vault->retire(now_s);
    return asked();
  }
  /* As a vault does that looks once a day in between. */
  uint32_t retire_daily(uint64_t from_s, uint64_t now_s) {
    for (uint64_t at = from_s + kDay; at < now_s; at += kDay) BOOST_TEST(retire(at) == 0u);
    return retire(now_s);
  }
  void answer(EraseOutcome outcome) {
    Erase record = make_record<Erase>(RecordType::kErased);
    record.outcome = outcome;
    send_record(control.get(), record);
    turn();
  }
};

const std::vector<std::string> kBoth = {"uid:1", "uid:2"}, kTwo = {"uid:2"};

void make(const StateDir& place, const std::string& id) {
  auto state = place.state();
  auto number = state->begin_making(id);
  BOOST_REQUIRE((number.ok() && *number != 0));
  BOOST_REQUIRE(state->end_making(id, *number, 32).ok());
}
/* What uid:1 has before anything happens: its own token, made, and the club's. */
Seen begin(const StateDir& place, RetireMode retire, uint32_t days) {
  Fixture f(place, sample(retire, days, kBoth));
  Seen seen = f.connect("uid:1");
  BOOST_REQUIRE(seen.ids.size() == 2u);
  make(place, seen.ids[0]);
  BOOST_TEST(f.retire(kNow) == 0u);
  return seen;
}
uint64_t gone(const StateDir& place, const std::string& token = "own of uid:1") {
  for (const auto& one : *place.state()->retirable())
    if (one.name.token == token) return one.gone.since_s;
  return 1; /* it is not there */
}
/* That it is being destroyed. */
bool marked(const StateDir& place) {
  for (const auto& one : *place.state()->retirable())
    if (one.name.token == "own of uid:1") return one.gone.erasing;
  return false;
}
size_t hidden(const StateDir& place) { return place.state()->hidden()->size(); }

}  // namespace

BOOST_AUTO_TEST_SUITE(vault_retiring)

BOOST_AUTO_TEST_CASE(kept) {
  StateDir place;
  const Seen first = begin(place, kRetireKeep, 0);
  {
    Fixture without(place, sample(kRetireKeep, 0, kTwo));
    BOOST_TEST(without.retire(kNow + 1000 * kDay) == 0u);
    BOOST_TEST(without.connect("uid:1").ids.empty());
  }
  Fixture back(place, sample(kRetireKeep, 0, kBoth));
  const Seen again = back.connect("uid:1");
  BOOST_TEST(again.ids == first.ids);
  BOOST_TEST(again.made[0]);
}

BOOST_AUTO_TEST_CASE(hidden_at_once) {
  StateDir place;
  const Seen first = begin(place, kRetireHide, 0);
  {
    Fixture without(place, sample(kRetireHide, 0, kTwo));
    BOOST_TEST(without.retire(kNow) == 0u);
    BOOST_TEST(without.retire(kNow) == 0u); /* once more is nothing more */
  }
  Fixture back(place, sample(kRetireHide, 0, kBoth));
  BOOST_TEST(back.retire(kNow + kDay) == 0u);
  const Seen again = back.connect("uid:1");
  BOOST_REQUIRE(again.ids.size() == 2u);
  BOOST_TEST(again.ids[0] != first.ids[0]);
  BOOST_TEST(!again.made[0]);
  BOOST_TEST(again.ids[1] == first.ids[1]); /* which uid:2 could still use */
  const auto old = *place.state()->hidden();
  BOOST_REQUIRE(old.size() == 1u);
  BOOST_TEST(old[0].what.id == first.ids[0]);
  BOOST_TEST(old[0].name.token == "own of uid:1");
  BOOST_TEST((old[0].what.user_key == 1u && old[0].what.pin_size == 32u));
  BOOST_TEST((old[0].next_key == 0u && old[0].since_s == kNow));
  BOOST_TEST(!place.state()->forget_hidden("other", first.ids[0]).ok());
  BOOST_TEST(place.state()->forget_hidden("people", first.ids[0]).ok());
  BOOST_TEST(!place.state()->forget_hidden("people", first.ids[0]).ok());
}

/* A PIN that was being changed: one of the two is right, and neither is forgotten. */
BOOST_AUTO_TEST_CASE(hidden_while_its_pin_is_changed) {
  StateDir place;
  begin(place, kRetireHide, 0);
  const VaultState::PinName name{VaultState::PinKind::kDerived, "people", "own of uid:1"};
  BOOST_REQUIRE(place.state()->change_pin(name, [](std::optional<VaultState::PinRow>* row) {
    *row = VaultState::PinRow{.key = 1, .next_key = 2};
    return ok();
  }));
  Fixture without(place, sample(kRetireHide, 0, kTwo));
  without.retire(kNow);
  const auto old = *place.state()->hidden();
  BOOST_REQUIRE(old.size() == 1u);
  BOOST_TEST((old[0].what.user_key == 1u && old[0].next_key == 2u));
  BOOST_TEST(!place.state()->pin(name)->has_value()); /* the next one is not changed by that */
}

BOOST_AUTO_TEST_CASE(hidden_after_days) {
  StateDir place;
  const Seen first = begin(place, kRetireHide, 3);
  {
    Fixture without(place, sample(kRetireHide, 3, kTwo));
    without.retire(kNow);
    BOOST_TEST(gone(place) == kNow);
    without.retire_daily(kNow, kNow + 3 * kDay - 1);
    BOOST_TEST(hidden(place) == 0u);
  }
  {
    Fixture back(place, sample(kRetireHide, 3, kBoth));
    back.retire(kNow + 3 * kDay);
    BOOST_TEST(gone(place) == 0u);
    BOOST_TEST(back.connect("uid:1").ids == first.ids);
  }
  Fixture without(place, sample(kRetireHide, 3, kTwo));
  without.retire(kNow + 4 * kDay); /* the days begin anew */
  without.retire_daily(kNow + 4 * kDay, kNow + 7 * kDay - 1);
  BOOST_TEST(hidden(place) == 0u);
  without.retire(kNow + 7 * kDay);
  BOOST_TEST(hidden(place) == 1u);
}

BOOST_AUTO_TEST_CASE(what_was_not_made_is_not_hidden) {
  StateDir place;
  {
    Fixture f(place, sample(kRetireHide, 0, kBoth));
    f.connect("uid:1");
  }
  Fixture without(place, sample(kRetireHide, 0, kTwo));
  without.retire(kNow);
  BOOST_TEST(hidden(place) == 0u);
  BOOST_TEST(gone(place) == 0u);
}

BOOST_AUTO_TEST_CASE(destroyed_after_days) {
  StateDir place;
  const Seen first = begin(place, kRetireDestroy, 30);
  BOOST_REQUIRE(place.state()->hide({"people", "own of uid:1"}, kNow).ok()); /* of another time */
  {
    Fixture f(place, sample(kRetireDestroy, 30, kBoth));
    make(place, f.connect("uid:1").ids[0]);
  }
  {
    Fixture without(place, sample(kRetireDestroy, 30, kTwo));
    BOOST_TEST(without.retire(kNow) == 0u);
    BOOST_TEST(gone(place) == kNow);
    BOOST_TEST(without.retire_daily(kNow, kNow + 30 * kDay - 1) == 0u);
    BOOST_TEST(without.retire(kNow + 30 * kDay) == kFirstUid);
    BOOST_TEST(without.retire(kNow + 30 * kDay) == 0u); /* it waits for the answer */
    BOOST_TEST(gone(place) == kNow);                    /* until then the rows are there */
    BOOST_TEST(hidden(place) == 1u);
    without.answer(kEraseDone);
    BOOST_TEST(gone(place) == 1u);
    BOOST_TEST(hidden(place) == 0u); /* it lay in the same directory */
    BOOST_TEST(without.retire(kNow + 31 * kDay) == 0u);
  }
  Fixture back(place, sample(kRetireDestroy, 30, kBoth));
  const Seen again = back.connect("uid:1");
  BOOST_REQUIRE(again.ids.size() == 2u);
  BOOST_TEST(again.ids[0] != first.ids[0]);
  BOOST_TEST((!again.made[0] && again.ids[1] == first.ids[1]));
  BOOST_TEST(*place.state()->uid_of("people", "own of uid:1", kFirstUid, kFirstUid + 9) ==
             kFirstUid); /* nobody else is ever given it */
}

BOOST_AUTO_TEST_CASE(a_clock_that_goes_back) {
  StateDir place;
  begin(place, kRetireDestroy, 2);
  Fixture without(place, sample(kRetireDestroy, 2, kTwo));
  without.retire(kNow);
  without.retire(kNow - 100 * kDay);
  BOOST_TEST(gone(place) == kNow - 100 * kDay);
  BOOST_TEST(without.retire_daily(kNow - 100 * kDay, kNow - 98 * kDay - 1) == 0u);
  BOOST_TEST(without.retire(kNow - 98 * kDay) == kFirstUid);
}

/* A machine that takes itself to be in 1970 until it hears otherwise, or for a moment in 2100. */
BOOST_AUTO_TEST_CASE(a_clock_that_leaps) {
  StateDir place;
  begin(place, kRetireDestroy, 3);
  Fixture without(place, sample(kRetireDestroy, 3, kTwo));
  BOOST_TEST(without.retire(kDay) == 0u);
  BOOST_TEST(without.retire(kNow) == 0u);
  BOOST_TEST(without.retire(kNow + 50000 * kDay) == 0u);
  BOOST_TEST(without.retire(kNow + 60) == 0u);
  BOOST_TEST(without.retire(kNow + kDay + 59) == 0u);
  BOOST_TEST(without.retire(kNow + kDay + 60) == kFirstUid);
}

/* While it had no directory of its own, others' files were beside it. */
BOOST_AUTO_TEST_CASE(made_without_a_directory) {
  StateDir place;
  begin(place, kRetireDestroy, 1);
  place.sql("DELETE FROM scope");
  Fixture without(place, sample(kRetireDestroy, 1, kTwo));
  without.retire(kNow);
  BOOST_TEST(without.retire(kNow + kDay) == 0u);
  BOOST_TEST(gone(place) == kNow);
}

/* The vault ends when the directory is half empty: it is asked again, until it is empty. */
BOOST_AUTO_TEST_CASE(an_end_in_the_middle) {
  StateDir place;
  const Seen first = begin(place, kRetireDestroy, 1);
  {
    Fixture without(place, sample(kRetireDestroy, 1, kTwo));
    without.retire(kNow);
    BOOST_TEST(without.retire(kNow + kDay) == kFirstUid);
  }
  for (EraseOutcome outcome : {kEraseBusy, kEraseFailed, kEraseDone}) {
    Fixture without(place, sample(kRetireDestroy, 1, kTwo));
    BOOST_TEST(without.retire(kNow + kDay) == kFirstUid);
    without.answer(outcome);
    BOOST_TEST((gone(place) == 1u) == (outcome == kEraseDone));
  }
  Fixture back(place, sample(kRetireDestroy, 1, kBoth));
  const Seen again = back.connect("uid:1");
  BOOST_REQUIRE(again.ids.size() == 2u);
  BOOST_TEST((again.ids[0] != first.ids[0] && !again.made[0]));
}

/* Who comes back when it has begun gets another, and what is left is there to be looked at. */
BOOST_AUTO_TEST_CASE(back_in_the_middle) {
  StateDir place;
  const Seen first = begin(place, kRetireDestroy, 1);
  {
    Fixture without(place, sample(kRetireDestroy, 1, kTwo));
    without.retire(kNow);
    BOOST_TEST(without.retire(kNow + kDay) == kFirstUid);
  }
  Fixture back(place, sample(kRetireDestroy, 1, kBoth));
  BOOST_TEST(back.connect("uid:1").ids.size() == 1u); /* the club's, until it has been looked at */
  BOOST_TEST(back.retire(kNow + kDay) == 0u);
  BOOST_TEST(hidden(place) == 1u);
  const Seen again = back.connect("uid:1");
  BOOST_REQUIRE(again.ids.size() == 2u);
  BOOST_TEST((again.ids[0] != first.ids[0] && !again.made[0]));
}

/* Nothing was done: whoever may use it again has it as it was. */
BOOST_AUTO_TEST_CASE(somebody_is_connected) {
  StateDir place;
  const Seen first = begin(place, kRetireDestroy, 1);
  {
    Fixture without(place, sample(kRetireDestroy, 1, kTwo));
    without.retire(kNow);
    BOOST_TEST(without.retire(kNow + kDay) == kFirstUid);
    without.answer(kEraseBusy);
    BOOST_TEST(without.retire(kNow + kDay) == kFirstUid); /* an hour later */
    without.answer(kEraseBusy);
  }
  Fixture back(place, sample(kRetireDestroy, 1, kBoth));
  BOOST_TEST(back.connect("uid:1").ids == first.ids);
  BOOST_TEST(back.retire(kNow + kDay) == 0u);
  BOOST_TEST(gone(place) == 0u);
}

/* The layer says something else meanwhile: what is half there is nobody's, and nothing is asked. */
BOOST_AUTO_TEST_CASE(kept_after_all_when_it_is_half_gone) {
  StateDir place;
  const Seen first = begin(place, kRetireDestroy, 1);
  {
    Fixture without(place, sample(kRetireDestroy, 1, kTwo));
    without.retire(kNow);
    without.retire(kNow + kDay);
  }
  Fixture back(place, sample(kRetireKeep, 0, kBoth));
  BOOST_TEST(back.retire(kNow + kDay) == 0u);
  const Seen again = back.connect("uid:1");
  BOOST_REQUIRE(again.ids.size() == 2u);
  BOOST_TEST((again.ids[0] != first.ids[0] && !again.made[0]));
  BOOST_TEST(hidden(place) == 1u);
}

/* One after the other, and the answer to none that was not asked. */
BOOST_AUTO_TEST_CASE(several) {
  StateDir place;
  {
    Fixture f(place, sample(kRetireDestroy, 1, kBoth));
    f.connect("uid:1");
    f.connect("uid:2");
  }
  Fixture nobody(place, sample(kRetireDestroy, 1, {}));
  nobody.retire(kNow);
  nobody.answer(kEraseDone);
  BOOST_TEST(place.state()->retirable()->size() == 3u);
  std::vector<uint32_t> uids;
  for (uint32_t uid = nobody.retire(kNow + kDay); uid != 0; uid = nobody.asked()) {
    uids.push_back(uid);
    nobody.answer(uid == kFirstUid ? kEraseFailed : kEraseDone);
  }
  std::sort(uids.begin(), uids.end());
  BOOST_TEST((uids == std::vector<uint32_t>{kFirstUid, kFirstUid + 1, kFirstUid + 2}));
  const auto left = *place.state()->retirable();
  BOOST_REQUIRE(left.size() == 1u);
  BOOST_TEST(left[0].gone.erasing);
}

/* More than are looked at in one go. */
BOOST_AUTO_TEST_CASE(many) {
  StateDir place;
  std::vector<std::string> who;
  for (int i = 1; i <= 40; i++) who.push_back("local:p" + std::to_string(i));
  {
    Fixture f(place, sample(kRetireHide, 0, who));
    for (const std::string& one : who) f.connect(one);
  }
  place.sql("UPDATE token SET made = 1, pin_size = 32");
  Fixture nobody(place, sample(kRetireHide, 0, {}));
  nobody.retire(kNow);
  BOOST_TEST(hidden(place) < 41u);
  nobody.turn();
  BOOST_TEST(hidden(place) == 41u); /* and the club's */
}

BOOST_AUTO_TEST_CASE(another_vault_has_taken_over) {
  StateDir place;
  begin(place, kRetireHide, 0);
  Fixture old(place, sample(kRetireHide, 0, kTwo));
  send_record(old.control.get(), RecordHead{RecordType::kStop, sizeof(RecordHead)});
  old.turn();
  BOOST_TEST(old.retire(kNow) == 0u);
  BOOST_TEST(hidden(place) == 0u);
}

/* Its answer comes when the mark is the next vault's, which has asked for the same. */
BOOST_AUTO_TEST_CASE(an_answer_after_another_vault_has_taken_over) {
  StateDir place;
  begin(place, kRetireDestroy, 1);
  Fixture old(place, sample(kRetireDestroy, 1, kTwo));
  old.retire(kNow);
  BOOST_TEST(old.retire(kNow + kDay) == kFirstUid);
  send_record(old.control.get(), RecordHead{RecordType::kStop, sizeof(RecordHead)});
  old.turn();
  Fixture next(place, sample(kRetireDestroy, 1, kTwo));
  BOOST_TEST(next.retire(kNow + kDay) == kFirstUid);
  old.answer(kEraseBusy);
  BOOST_TEST(marked(place)); /* else somebody would be given what the next eraser is emptying */
  next.answer(kEraseDone);
  BOOST_TEST(gone(place) == 1u);
}

/* Fills the queue to [priv], which reads nothing of it; how many records were to go there. */
size_t fill_queue(Fixture* vault) {
  const Verdict who = verdict_for("uid:2");
  constexpr uint64_t kMany = 300;
  for (uint64_t name = 1; name <= kMany; name++) vault->introduce(name, &who);
  return kMany;
}
size_t empty_queue(Fixture* vault) {
  size_t count = 0;
  while (vault->look(vault->control) == RecordStatus::kOk) count++;
  return count;
}

/* What [priv] was not asked is not begun: whoever may use it again has it as it was. */
BOOST_AUTO_TEST_CASE(priv_takes_no_record) {
  StateDir place;
  begin(place, kRetireDestroy, 1);
  {
    Fixture full(place, sample(kRetireDestroy, 1, kTwo));
    full.retire(kNow);
    const size_t sent = fill_queue(&full);
    full.vault->retire(kNow + kDay);
    BOOST_TEST(empty_queue(&full) < sent);
    BOOST_TEST(!marked(place));
    BOOST_TEST(full.retire(kNow + kDay) == kFirstUid); /* an hour later */
    BOOST_TEST(marked(place));
    full.answer(kEraseBusy);
    BOOST_TEST(!marked(place));
    full.control.reset();
    full.vault->retire(kNow + kDay);
    BOOST_TEST(!marked(place));
  }
  Fixture asks(place, sample(kRetireDestroy, 1, kTwo));
  BOOST_TEST(asks.retire(kNow + kDay) == kFirstUid);
  Fixture next(place, sample(kRetireDestroy, 1, kTwo));
  next.control.reset();
  next.vault->retire(kNow + kDay);
  BOOST_TEST(marked(place)); /* it has been begun, if not by this one */
}

/* A token that all have: as long as somebody might, whoever has seen it. */
BOOST_AUTO_TEST_CASE(of_a_club) {
  StateDir place;
  const Seen first = begin(place, kRetireHide, 0);
  make(place, first.ids[1]);
  {
    Fixture two(place, sample(kRetireHide, 0, {"uid:3"}));
    two.retire(kNow);
    BOOST_TEST(gone(place, "club") == 0u);
  }
  {
    Fixture nobody(place, sample(kRetireHide, 0, {})); /* a group of no members */
    nobody.retire(kNow);
  }
  BOOST_TEST(gone(place, "club") == 1u);
  BOOST_TEST(hidden(place) == 2u); /* with that of uid:1 */
}

/* What no layer speaks of, and what another layer speaks of more mildly, is kept. */
BOOST_AUTO_TEST_CASE(the_mildest_has_its_way) {
  StateDir place;
  begin(place, kRetireDestroy, 1);
  auto kept = [&place](const char* what, Config c) {
    Fixture f(place, c);
    BOOST_TEST(f.retire(kNow) == 0u, what);
    BOOST_TEST(f.retire(kNow + 1000 * kDay) == 0u, what);
    BOOST_TEST(hidden(place) == 0u, what);
  };
  Config c = sample(kRetireDestroy, 1, kTwo);
  c.tokens.erase(c.tokens.begin());
  kept("no layer means it", c);
  c = sample(kRetireDestroy, 1, kTwo);
  c.tokens[0].layers[0].at_backend.label = "other of %p";
  kept("it would be called otherwise", c);
  c = sample(kRetireDestroy, 1, kTwo);
  c.tokens[1].layers.push_back(layer_of("own of %u", kRetireKeep, 0));
  kept("another layer keeps it", c);
  c = sample(kRetireDestroy, 1, kTwo);
  c.tokens[1].layers.push_back(layer_of("own of uid:1", kRetireKeep, 0));
  c.tokens[1].layers[1].on_demand = false;
  c.tokens[1].layers[1].pin = kPinVault;
  kept("another layer is not on demand", c);
  c = sample(kRetireDestroy, 1, kTwo);
  c.tokens[1].layers.push_back(layer_of("own of uid:1", kRetireDestroy, 1));
  kept("somebody else may use it", c);
  c = sample(kRetireDestroy, 1, kTwo);
  c.backends[0].name = "others";
  kept("no backend is called so", c);
  c = sample(kRetireDestroy, 1, kTwo);
  c.tokens[1].layers.push_back(layer_of("own of %u", kRetireDestroy, 2000));
  kept("another layer waits for longer", c);
  place.sql("DELETE FROM person");
  kept("nobody knows whose it is", sample(kRetireDestroy, 1, kTwo));
}

/* Who is noted is whose it is, of Kerberos or not, and not who acted as that one. */
BOOST_AUTO_TEST_CASE(persons) {
  StateDir place;
  Config c = sample(kRetireHide, 0, {"alice@R", "local:web", "uid:1"});
  c.tokens[0].pin_select = true;
  c.identities.push_back({"alice@R", 1, {"uid:1"}});
  {
    Fixture f(place, c);
    for (const char* who : {"uid:1", "local:web"}) f.connect(who);
  }
  place.sql("UPDATE token SET made = 1, pin_size = 32");
  auto names = [&place] {
    std::vector<std::string> all;
    for (const auto& one : *place.state()->hidden()) all.push_back(one.name.token);
    return all;
  };
  {
    Fixture same(place, c);
    same.retire(kNow);
    BOOST_TEST(names().empty());
  }
  c.identities[0].allow = {"local:web"};
  c.tokens[0].allow = {"alice@R", "web@R", "uid:1"};
  {
    Fixture other(place, c); /* web@R is not local:web */
    other.retire(kNow);
    BOOST_TEST((names() == std::vector<std::string>{"own of web"}));
  }
  c.tokens[0].allow = {"*@S"};
  Fixture none(place, c);
  none.retire(kNow);
  BOOST_TEST((names() == std::vector<std::string>{"own of alice@R", "own of uid:1", "own of web"}));
}

/* Of Kerberos, and called as local users are: what they are was noted, and not guessed from it. */
BOOST_AUTO_TEST_CASE(principals_that_look_local) {
  StateDir place;
  auto kerberos = [](const char* name) {
    Verdict verdict = verdict_for("somebody@R");
    std::snprintf(verdict.principal, sizeof verdict.principal, "%s", name);
    return verdict;
  };
  {
    Fixture f(place, sample(kRetireHide, 0, {"*@R"}));
    uint64_t name = 100;
    for (const char* who : {"uid:1@R", "local:web@R", "local:web\\@R@R"}) {
      VaultFixture::Ends ends = f.introduce(++name);
      BOOST_REQUIRE((send_record(ends.auth.get(), kerberos(who)) == RecordStatus::kOk));
      f.turn();
    }
  }
  place.sql("UPDATE token SET made = 1, pin_size = 32");
  const size_t all = place.state()->retirable()->size();
  BOOST_TEST(all == 4u); /* and the club's */
  {
    Fixture same(place, sample(kRetireHide, 0, {"*@R"}));
    same.retire(kNow);
    BOOST_TEST(hidden(place) == 0u);
  }
  Fixture local(place, sample(kRetireHide, 0, {"uid:1", "local:web"}));
  local.retire(kNow);
  BOOST_TEST(hidden(place) == 3u); /* the club has members */
}

BOOST_AUTO_TEST_CASE(policies_that_are_none) {
  auto good = [](RetireMode retire, uint32_t days, bool on_demand) {
    Config c = sample(retire, days, kBoth);
    c.tokens[0].layers[0].on_demand = on_demand;
    c.tokens[0].layers[0].pin = on_demand ? kPinDerived : kPinVault;
    return Policy::read(serialise_policy(c)).ok();
  };
  BOOST_TEST(good(kRetireKeep, 0, true));
  BOOST_TEST(good(kRetireHide, 0, true));
  BOOST_TEST(good(kRetireDestroy, 1, true));
  BOOST_TEST(!good(kRetireDestroy, 0, true));
  BOOST_TEST(!good(kRetireKeep, 1, true));
  BOOST_TEST(!good(static_cast<RetireMode>(3), 1, true));
  BOOST_TEST(!good(kRetireHide, 0, false));
}

BOOST_AUTO_TEST_SUITE_END()
