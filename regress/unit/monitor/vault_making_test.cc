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
 * Tokens on demand, seen from the vault. If these failed, two clients that race would make two
 * tokens or spoil each other's, somebody who stopped half-way would block all others, or a PIN
 * would come from a key that is not there any more.
 */
#include <cstring>
#include <map>

#include "vault_fixture.h"

using namespace mp11;
using namespace mp11::vault_test;

namespace {

const std::string kKey(64, '5');

std::string problem(const std::string& text) {
  Result<MasterKeys> keys =
      MasterKeys::read(std::span(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
  return keys ? "" : keys.error().text;
}

/* "Own" has a token on demand for each person, "Club" one for all; both of one library. */
Config sample() {
  Config c;
  c.backends.resize(1);
  c.backends[0].name = "people";
  c.tokens.resize(2);
  for (TokenConfig& token : c.tokens) {
    token.layers.resize(1);
    token.layers[0].on_demand = true;
    token.layers[0].pin = kPinDerived;
    token.allow = {"uid:1", "uid:2"};
  }
  c.tokens[0].label = "Own";
  c.tokens[0].serial = "1";
  c.tokens[0].layers[0].of_person = true;
  c.tokens[0].layers[0].at_backend.text = "own of %p";
  c.tokens[0].layers[0].at_backend.label = "own of %p";
  c.tokens[1].label = "Club";
  c.tokens[1].serial = "2";
  c.tokens[1].layers[0].at_backend.text = "club";
  c.tokens[1].layers[0].at_backend.label = "club";
  return c;
}

struct Fixture : VaultFixture {
  explicit Fixture(const StateDir& at, const std::string& keys = kKey)
      : VaultFixture(sample(), at.state(), keys_of(keys)) {}
  Seen connect(uint64_t name, const std::string& who) {
    Seen seen = VaultFixture::connect(name, who);
    BOOST_REQUIRE(seen.ids.size() == 2u);
    for (const SeenToken& token : seen.tokens) /* how, is no matter of the monitor's */
      BOOST_TEST(token.layers.at(0).row.pin == uint32_t{kPinStored});
    monitors[name] = std::move(seen.monitor);
    return seen;
  }
  void say(uint64_t name, RecordType type, const std::string& id, uint32_t pin_size = 0) {
    MakeToken record = make_record<MakeToken>(type);
    std::memcpy(record.id, id.data(), std::min(id.size(), sizeof record.id));
    record.made = pin_size != 0;
    record.pin_size = pin_size;
    send_record(monitors[name].get(), record);
    turn();
  }
  void ask(uint64_t name, const std::string& id) { say(name, RecordType::kMakeToken, id); }
  void tell(uint64_t name, const std::string& id, uint32_t pin_size) {
    say(name, RecordType::kTokenMade, id, pin_size);
  }
  /* 0: it has said nothing. */
  uint32_t answer(uint64_t name, MakeAnswer* whole = nullptr) {
    RecordBuffer record;
    if (record.receive(monitors[name].get(), false) != RecordStatus::kOk) return 0;
    const auto* answer = record.as<MakeAnswer>(RecordType::kMakeAnswer);
    BOOST_REQUIRE(answer != nullptr);
    if (whole != nullptr) *whole = *answer;
    return answer->answer;
  }
  /* [priv] was asked to end some connection. */
  bool refused(uint64_t name) {
    RecordBuffer record;
    if (record.receive(control.get(), false) != RecordStatus::kOk) return false;
    const auto* end = record.as<ConnectionName>(RecordType::kVaultEnd);
    return end != nullptr && end->connection == name;
  }
  std::map<uint64_t, UniqueFd> monitors;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(vault_making)

BOOST_AUTO_TEST_CASE(master_keys) {
  BOOST_TEST(problem(kKey) == "");
  BOOST_TEST(problem(kKey + "\n") == "");
  BOOST_TEST(problem(kKey + "\n" + std::string(64, 'F') + "\n") == "");
  for (const std::string& bad :
       {std::string(), std::string("\n"), kKey.substr(1), kKey + "5", kKey + "\n\n" + kKey,
        kKey + " \n", std::string(63, '5') + "g", kKey + "\nx", std::string("0x") + kKey})
    BOOST_TEST(problem(bad) != "", bad);
  const MasterKeys keys = keys_of(kKey + "\n" + std::string(64, '6'));
  std::vector<std::string> all;
  for (uint32_t number : {1, 2})
    for (const char* backend : {"b", "bt"})
      for (const char* token : {"t", ""})
        for (PinPurpose purpose : {PinPurpose::kUser, PinPurpose::kSecurityOfficer}) {
          StoredPin pin;
          BOOST_REQUIRE(keys.derive(number, backend, token, purpose, &pin));
          BOOST_TEST(pin.size == kDerivedPin);
          BOOST_TEST(text_of(pin).find_first_not_of("abcdefghijklmnopqrstuvwxyz234567") ==
                     std::string::npos);
          all.push_back(text_of(pin));
        }
  std::sort(all.begin(), all.end());
  BOOST_TEST((std::adjacent_find(all.begin(), all.end()) == all.end()));
  StoredPin pin;
  BOOST_TEST(!keys.derive(0, "b", "t", PinPurpose::kUser, &pin));
  BOOST_TEST(!keys.derive(3, "b", "t", PinPurpose::kUser, &pin));
  /* HKDF-SHA256 (RFC 5869), no salt, over "multip11 user PIN", 0, "b", 0, "t": a PIN that was given
   * once must come again from every later release. */
  BOOST_REQUIRE(keys.derive(1, "b", "t", PinPurpose::kUser, &pin));
  BOOST_TEST(text_of(pin) == "3eipdn35k34mf3mp3dn3qtjwslxrvb7r");
  BOOST_TEST(keys.fingerprint(1) != keys.fingerprint(2));
}

BOOST_AUTO_TEST_CASE(names_of_tokens_last) {
  StateDir place;
  Seen first, other;
  {
    Fixture f(place);
    first = f.connect(1, "uid:1");
    other = f.connect(2, "uid:2");
  }
  for (const std::string& id : first.ids)
    BOOST_TEST((id.size() == 32u && id.find_first_not_of("0123456789abcdef") == std::string::npos));
  BOOST_TEST(first.ids[0] != other.ids[0]); /* each one's own */
  BOOST_TEST(first.pins[0] != other.pins[0]);
  BOOST_TEST(first.ids[1] == other.ids[1]); /* everybody's */
  BOOST_TEST(first.pins[1] == other.pins[1]);
  Fixture again(place);
  const Seen later = again.connect(1, "uid:1");
  BOOST_TEST(later.ids == first.ids);
  BOOST_TEST(later.pins == first.pins);
  BOOST_TEST((!later.made[0] && !later.made[1]));
}

BOOST_AUTO_TEST_CASE(one_makes_it_and_the_others_wait) {
  StateDir place;
  Fixture f(place);
  const Seen seen = f.connect(1, "uid:1");
  f.connect(2, "uid:2");
  const std::string club = seen.ids[1];
  f.ask(1, club);
  f.ask(2, club);
  MakeAnswer first, second;
  BOOST_TEST(f.answer(1, &first) == uint32_t{kMakeIt});
  BOOST_TEST(text_of(first.user) == seen.pins[1]);
  BOOST_TEST(first.so.size == kDerivedPin);
  BOOST_TEST(text_of(first.so) != text_of(first.user));
  BOOST_TEST(f.answer(2) == 0u);
  f.tell(1, club, 20);
  BOOST_TEST(f.answer(1, &first) == uint32_t{kTokenIsMade});
  BOOST_TEST(f.answer(2, &second) == uint32_t{kTokenIsMade});
  for (const MakeAnswer& answer : {first, second}) {
    BOOST_TEST(text_of(answer.user) == seen.pins[1].substr(0, 20));
    BOOST_TEST(answer.so.size == 0u); /* nobody needs it any more */
  }
  const Seen third = f.connect(3, "uid:2");
  BOOST_TEST((third.made[1] && !third.made[0]));
  BOOST_TEST(third.pins[1] == seen.pins[1].substr(0, 20));
}

/* Two tokens of one library: two that look for a free slot at once would find the same. */
BOOST_AUTO_TEST_CASE(one_at_a_time_in_a_library) {
  StateDir place;
  Fixture f(place);
  const Seen one = f.connect(1, "uid:1"), two = f.connect(2, "uid:2");
  f.ask(1, one.ids[0]);
  f.ask(2, two.ids[0]);
  f.ask(2, two.ids[1]);
  BOOST_TEST(f.answer(1) == uint32_t{kMakeIt});
  BOOST_TEST(f.answer(2) == 0u);
  f.tell(1, one.ids[0], 0); /* it could not */
  BOOST_TEST(f.answer(1) == uint32_t{kTokenIsNot});
  MakeAnswer answer;
  BOOST_TEST(f.answer(2, &answer) == uint32_t{kMakeIt});
  BOOST_TEST(answer.id == two.ids[0]);
  f.tell(2, two.ids[0], 32);
  BOOST_TEST(f.answer(2) == uint32_t{kTokenIsMade});
  BOOST_TEST(f.answer(2, &answer) == uint32_t{kMakeIt});
  BOOST_TEST(answer.id == two.ids[1]);
}

BOOST_AUTO_TEST_CASE(who_goes_does_not_block_the_others) {
  StateDir place;
  Fixture f(place);
  const Seen seen = f.connect(1, "uid:1");
  f.connect(2, "uid:2");
  f.connect(3, "uid:1");
  for (uint64_t name : {1, 2, 3}) f.ask(name, seen.ids[1]);
  BOOST_TEST(f.answer(1) == uint32_t{kMakeIt});
  f.end(2); /* one that waits */
  BOOST_TEST(f.answer(3) == 0u);
  f.monitors[1].reset(); /* its monitor dies; its backends may still be there */
  f.turn();
  BOOST_TEST(f.answer(3) == 0u);
  f.end(1); /* they are not */
  BOOST_TEST(f.answer(3) == uint32_t{kMakeIt});
}

/* Who was told to make it, and was given up by a vault that is no more, comes too late. */
BOOST_AUTO_TEST_CASE(a_late_word_is_not_believed) {
  StateDir place;
  Fixture before(place);
  const Seen seen = before.connect(1, "uid:1");
  before.ask(1, seen.ids[1]);
  BOOST_TEST(before.answer(1) == uint32_t{kMakeIt});
  Fixture after(place);
  after.connect(7, "uid:2");
  after.ask(7, seen.ids[1]);
  BOOST_TEST(after.answer(7) == uint32_t{kMakeIt});
  before.tell(1, seen.ids[1], 32);
  BOOST_TEST(before.answer(1) == uint32_t{kTokenIsNot});
  after.tell(7, seen.ids[1], 16);
  BOOST_TEST(after.answer(7) == uint32_t{kTokenIsMade});
  before.ask(1, seen.ids[1]);
  MakeAnswer answer;
  BOOST_TEST(before.answer(1, &answer) == uint32_t{kTokenIsMade});
  BOOST_TEST(answer.user.size == 16u);
}

/* Its PINs cannot be had at this moment: whoever asks next is not kept waiting, nor ended. */
BOOST_AUTO_TEST_CASE(a_token_without_its_key) {
  StateDir place;
  Fixture f(place);
  const Seen seen = f.connect(1, "uid:1");
  f.connect(2, "uid:2");
  auto key_is = [&place](const std::string& number) {
    place.sql("UPDATE token SET key = " + number);
  };
  key_is("9");
  for (uint64_t name : {1, 1, 2}) {
    f.ask(name, seen.ids[1]);
    BOOST_TEST(f.answer(name) == uint32_t{kTokenIsNot});
  }
  key_is("1");
  f.ask(2, seen.ids[1]);
  BOOST_TEST(f.answer(2) == uint32_t{kMakeIt});
  BOOST_TEST(f.vault->connections() == 2u);
}

/* What a monitor may not say ends its connection, and nothing else. */
BOOST_AUTO_TEST_CASE(monitors_that_ask_for_more) {
  StateDir place;
  for (int attempt = 0; attempt < 9; attempt++) {
    Fixture f(place);
    const Seen mine = f.connect(1, "uid:1"), others = f.connect(2, "uid:2");
    switch (attempt) {
      case 0: /* another's */
        f.ask(1, others.ids[0]);
        break;
      case 1: /* nobody's */
        f.ask(1, std::string(32, '0'));
        break;
      case 2: /* no end */
        f.ask(1, std::string(33, 'a'));
        break;
      case 3: /* twice */
        f.ask(1, mine.ids[1]);
        f.ask(1, mine.ids[1]);
        break;
      case 4: /* it was not told to */
        f.tell(1, mine.ids[1], 32);
        break;
      case 5: /* another was */
        f.ask(2, mine.ids[1]);
        f.ask(1, mine.ids[1]);
        f.tell(1, mine.ids[1], 32);
        break;
      case 6:
      case 7:
      case 8: /* a PIN of no length that it may have */
        f.ask(1, mine.ids[1]);
        f.tell(1, mine.ids[1], attempt == 6 ? 7 : attempt == 7 ? 33 : 0x80000000u);
        break;
    }
    BOOST_TEST(f.refused(1), attempt);
    BOOST_TEST(f.vault->connections() == 1u);
    const Seen later = f.connect(3, "uid:1");
    BOOST_TEST((!later.made[0] && !later.made[1]));
  }
}

BOOST_AUTO_TEST_CASE(new_keys_leave_old_pins_alone) {
  StateDir place;
  Seen old;
  {
    Fixture f(place);
    old = f.connect(1, "uid:1");
  }
  Fixture f(place, kKey + "\n" + std::string(64, '6'));
  BOOST_TEST(f.connect(1, "uid:1").pins == old.pins);
  const Seen fresh = f.connect(2, "uid:2");
  BOOST_TEST(fresh.pins[1] == old.pins[1]);
  const MasterKeys keys = keys_of(kKey + "\n" + std::string(64, '6'));
  StoredPin pin;
  BOOST_REQUIRE(keys.derive(2, "people", fresh.ids[0], PinPurpose::kUser, &pin));
  BOOST_TEST(fresh.pins[0] == text_of(pin));
}

/* The first line of master-key has been taken out, or is another. */
BOOST_AUTO_TEST_CASE(keys_are_told_apart) {
  StateDir place;
  const std::unique_ptr<VaultState> state = place.state();
  const MasterKeys one = keys_of(kKey), other = keys_of(std::string(64, '6'));
  BOOST_TEST(state->know_key(1, one.fingerprint(1)).ok());
  BOOST_TEST(state->know_key(1, one.fingerprint(1)).ok());
  Status changed = state->know_key(1, other.fingerprint(1));
  BOOST_TEST(!changed.ok());
  if (!changed.ok())
    BOOST_TEST(changed.error().text.find("put the old one there") != std::string::npos);
  BOOST_TEST(state->know_key(2, other.fingerprint(1)).ok());
}

BOOST_AUTO_TEST_SUITE_END()
