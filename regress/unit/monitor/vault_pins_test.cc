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
 * PINs that the vault keeps: how they lie in its database, what an administrator may ask, and under
 * which master key they are. If these failed, a PIN could be read or put in another's place, or
 * somebody who is no administrator would get one.
 */
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "pin_box.h"
#include "vault_pin_fixture.h"

using namespace mp11;
using namespace mp11::vault_test;

namespace {

/* Makes "made" on demand, with a PIN of 20 octets. */
void make_token(PinFixture* f) {
  const Seen seen = f->connect(99);
  MakeToken ask = make_record<MakeToken>(RecordType::kMakeToken);
  std::memcpy(ask.id, seen.layer("made").row.at_backend.label, sizeof ask.id);
  send_record(seen.monitor.get(), ask);
  f->turn();
  MakeToken made = make_record<MakeToken>(RecordType::kTokenMade);
  std::memcpy(made.id, ask.id, sizeof made.id);
  made.made = 1;
  made.pin_size = 20;
  send_record(seen.monitor.get(), made);
  f->turn();
  f->end(99);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(vault_pins)

/* ---- how they lie there */

BOOST_AUTO_TEST_CASE(a_pin_opens_where_it_was_put_and_nowhere_else) {
  const MasterKeys keys = keys_of(key_line('1') + key_line('2'));
  const PinPlace place{"hsm", "safe", false};
  auto sealed = seal_pin(keys, 1, place, stored("1234"));
  BOOST_REQUIRE(sealed.ok());
  StoredPin pin;
  BOOST_TEST(open_pin(keys, 1, place, *sealed, &pin).ok());
  BOOST_TEST(text_of(pin) == "1234");
  auto longer = seal_pin(keys, 1, place, stored(std::string(252, 'x')));
  BOOST_REQUIRE(longer.ok());
  BOOST_TEST(longer->size() == sealed->size()); /* which tells nothing of the PIN's length */
  BOOST_TEST((*seal_pin(keys, 1, place, stored("1234")) != *sealed));
  for (const PinPlace& other : {PinPlace{"hsm", "safe", true}, PinPlace{"hsm", "other", false},
                                PinPlace{"other", "safe", false}, PinPlace{"hsmsafe", "", false}})
    BOOST_TEST(!open_pin(keys, 1, other, *sealed, &pin).ok());
  for (uint32_t number : {0u, 2u, 3u})
    BOOST_TEST(!open_pin(keys, number, place, *sealed, &pin).ok());
  for (size_t i = 0; i < sealed->size(); i++)
    for (uint8_t bit : {uint8_t{1}, uint8_t{128}}) {
      std::vector<uint8_t> changed = *sealed;
      changed[i] = static_cast<uint8_t>(changed[i] ^ bit);
      BOOST_TEST(!open_pin(keys, 1, place, changed, &pin).ok());
      BOOST_TEST(pin.size == 0u);
      BOOST_TEST(pin.pin[0] == 0u);
    }
  for (size_t size : {size_t{0}, size_t{27}, sealed->size() - 1})
    BOOST_TEST(!open_pin(keys, 1, place, std::span(*sealed).first(size), &pin).ok());
  BOOST_TEST(!seal_pin(keys, 1, place, stored("")).ok());
  BOOST_TEST(!seal_pin(keys, 3, place, stored("1234")).ok());
  StoredPin a, b;
  BOOST_TEST((make_pin(&a).ok() && make_pin(&b).ok()));
  BOOST_TEST(a.size == kDerivedPin);
  BOOST_TEST(text_of(a) != text_of(b));
}

BOOST_AUTO_TEST_CASE(a_database_that_somebody_changed) {
  PinFixture f;
  BOOST_TEST(f.does(kVaultSet, "safe", "first-pin") == kVaultDone);
  BOOST_TEST(f.does(kVaultSet, "of uid:1000", "other-pin") == kVaultDone);
  BOOST_TEST(f.pin_of("safe") == "first-pin");
  f.sql(
      "UPDATE pin SET sealed = (SELECT sealed FROM pin WHERE token = 'of uid:1000') WHERE token "
      "= 'safe'");
  BOOST_TEST(f.does(kVaultExport, "safe") == kVaultRefused);
  BOOST_TEST(has(f.last.text, "is not what was written there"));
  BOOST_TEST(f.last.pin.size == 0u);
  BOOST_TEST(has(f.entry_of("safe"), "vault 1 0 2"));
  BOOST_TEST(f.connect(1).pin("safe").pin.size == 0u);
  BOOST_TEST(f.does(kVaultRotate, "safe") == kVaultRefused);
  BOOST_TEST(f.does(kVaultRekey) == kVaultRefused);
  BOOST_TEST(has(f.last.text, "token \"safe\" on hsm"));
  BOOST_TEST(f.pin_of("of uid:1000") == "other-pin");
  /* The next PIN in the place of the present one, in its own row. */
  BOOST_TEST(f.does(kVaultSet, "safe", "first-pin") == kVaultDone);
  BOOST_TEST(f.does(kVaultRotate, "safe") == kVaultDone);
  f.sql("UPDATE pin SET sealed = next WHERE token = 'safe'");
  BOOST_TEST(f.does(kVaultExport, "safe") == kVaultRefused);
  /* No PIN lies there readable. */
  const std::string all = f.database();
  BOOST_TEST((!has(all, "first-pin") && !has(all, "other-pin")));
}

/* What was removed, or is under another key, is not there any more, encrypted as it was. */
BOOST_AUTO_TEST_CASE(nothing_is_left_in_the_database) {
  PinFixture f;
  auto sealed = [&f](const std::string& token) {
    auto row = f.dir.state()->pin({VaultState::PinKind::kVault, "hsm", token});
    BOOST_REQUIRE((row.ok() && row->has_value()));
    return std::string((*row)->sealed.begin(), (*row)->sealed.end());
  };
  BOOST_TEST(f.does(kVaultSet, "safe", "1234") == kVaultDone);
  BOOST_TEST(f.does(kVaultSet, "of uid:1000", "5678") == kVaultDone);
  auto left = [&f](const std::string& old) {
    return has(f.database(), old.substr(old.size() / 2)); /* its beginning is written over */
  };
  const std::string one = sealed("safe"), other = sealed("of uid:1000");
  BOOST_TEST((left(one) && left(other)));
  BOOST_TEST(f.does(kVaultRemove, "safe") == kVaultDone);
  BOOST_TEST(!left(one));
  f.start(key_line('1') + key_line('2'));
  BOOST_TEST(f.does(kVaultRekey) == kVaultDone);
  BOOST_TEST(!left(other));
}

/* ---- administrators */

BOOST_AUTO_TEST_CASE(what_an_administrator_may_do) {
  PinFixture f;
  BOOST_TEST(f.entry_of("safe") == "vault 0 0 0");
  BOOST_TEST(f.pin_of("safe") == "");
  BOOST_TEST(has(f.last.text, "has no PIN yet"));
  BOOST_TEST(f.does(kVaultRotate, "safe") == kVaultRefused);
  BOOST_TEST(f.does(kVaultRemove, "safe") == kVaultRefused);
  BOOST_TEST(f.does(kVaultSet, "safe", "1234") == kVaultDone);
  BOOST_TEST(f.entry_of("safe") == "vault 1 0 0 since");
  for (const VaultEntry& entry : f.entries) BOOST_TEST(!has(entry.token, "%"));
  BOOST_TEST(f.pin_of("safe") == "1234");
  BOOST_TEST(f.does(kVaultSet, "safe", "5678") == kVaultDone);
  BOOST_TEST(f.pin_of("safe") == "5678");
  BOOST_TEST(f.does(kVaultRotate, "safe") == kVaultDone);
  BOOST_TEST(f.entry_of("safe") == "vault 1 1 0 since");
  BOOST_TEST(f.does(kVaultRotate, "safe") == kVaultRefused);
  BOOST_TEST(f.pin_of("safe") == "5678");
  BOOST_TEST(f.last.next.size == 32u);
  BOOST_TEST(f.does(kVaultSet, "safe", "9999") == kVaultChanging);
  BOOST_TEST(f.forced(kVaultSet, "safe", "9999").result == kVaultDone);
  BOOST_TEST(f.pin_of("safe") == "9999");
  BOOST_TEST(f.last.next.size == 0u);
  BOOST_TEST(f.does(kVaultRotate, "safe") == kVaultDone);
  BOOST_TEST(f.does(kVaultRemove, "safe") == kVaultChanging);
  BOOST_TEST(f.pin_of("safe") == "9999");
  BOOST_TEST(f.forced(kVaultRemove, "safe").result == kVaultDone);
  BOOST_TEST(f.pin_of("safe") == "");
  BOOST_TEST(f.does(kVaultSet, "safe", "9999") == kVaultDone);
  BOOST_TEST(f.does(kVaultRemove, "safe") == kVaultDone);
  BOOST_TEST(f.pin_of("safe") == "");
  /* What no layer names. */
  BOOST_TEST(f.does(kVaultSet, "unknown", "1234") == kVaultRefused);
  BOOST_TEST(has(f.last.text, "no layer has pin = vault"));
  BOOST_TEST(f.does(kVaultSet, "open", "1234") == kVaultRefused);
  BOOST_TEST(f.does(kVaultSet, "made", "1234") == kVaultRefused);
  BOOST_TEST(has(f.last.text, "derived"));
  BOOST_TEST(f.does(kVaultRotate, "made") == kVaultRefused);
  BOOST_TEST(has(f.last.text, "not been made"));
  BOOST_TEST(f.ask(PinFixture::request(kVaultSet, "safe", "1", "none")).result == kVaultRefused);
  BOOST_TEST(f.does(kVaultSet, "of alice@R", "1234") == kVaultDone);
  BOOST_TEST(f.does(kVaultSet, "off alice@R", "1234") == kVaultRefused);
}

BOOST_AUTO_TEST_CASE(requests_that_are_none) {
  PinFixture f;
  std::vector<VaultRequest> bad(10, PinFixture::request(kVaultSet, "safe", "1234"));
  bad[0].command = 0;
  bad[1].command = kVaultRemove + 1;
  bad[2].force = 2;
  std::memset(bad[3].backend, 'x', sizeof bad[3].backend);
  std::memset(bad[4].token, 'x', sizeof bad[4].token);
  bad[5].pin.size = 0;
  bad[6].pin.size = sizeof bad[6].pin.pin + 1;
  bad[7].token[0] = '\n';
  bad[8].command = kVaultExport; /* with a PIN */
  bad[9].head.type = RecordType::kVaultAnswer;
  for (const VaultRequest& request : bad) BOOST_TEST(f.ask(request).result == 0u);
  UniqueFd fd = f.admin();
  const uint8_t noise[2000] = {};
  for (size_t size :
       {size_t{0}, size_t{1}, sizeof(VaultRequest) - 1, sizeof(VaultRequest) + 1, sizeof noise}) {
    fd = f.admin();
    (void)!::send(fd.get(), noise, size, MSG_NOSIGNAL);
    f.turn();
    RecordBuffer record;
    BOOST_TEST((record.receive(fd.get(), false) == RecordStatus::kClosed));
  }
  BOOST_TEST(f.does(kVaultList) == kVaultDone); /* the others' time is not theirs */
}

/* Four who say nothing keep the fifth waiting until one of them goes. */
BOOST_AUTO_TEST_CASE(few_at_once) {
  PinFixture f;
  std::vector<UniqueFd> silent;
  for (int i = 0; i < 4; i++) silent.push_back(f.admin());
  f.turn();
  UniqueFd fifth = f.admin();
  send_record(fifth.get(), PinFixture::request(kVaultList));
  f.turn();
  RecordBuffer record;
  BOOST_TEST((record.receive(fifth.get(), false) == RecordStatus::kAgain));
  silent.pop_back();
  f.turn();
  BOOST_TEST((record.receive(fifth.get(), false) == RecordStatus::kOk));
}

BOOST_AUTO_TEST_CASE(who_is_no_administrator) {
  if (::geteuid() != 0) return; /* only root can be somebody else */
  PinFixture f;
  const pid_t pid = ::fork();
  if (pid == 0) {
    if (::setgid(61997) != 0 || ::setuid(61997) != 0) ::_exit(2);
    UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET, 0));
    const sockaddr_un address = f.where();
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
      ::_exit(3);
    send_record(fd.get(), PinFixture::request(kVaultList));
    char octet;
    ::_exit(::recv(fd.get(), &octet, 1, 0) <= 0 ? 0 : 1);
  }
  int status = -1;
  for (int i = 0; i < 1000 && ::waitpid(pid, &status, WNOHANG) == 0; i++) {
    f.turn();
    ::usleep(2000);
  }
  BOOST_TEST(status == 0);
  BOOST_TEST(f.does(kVaultList) == kVaultDone);
}

BOOST_AUTO_TEST_CASE(another_vault_takes_the_administrators) {
  PinFixture f;
  const RecordHead stop{RecordType::kStop, sizeof(RecordHead)};
  BOOST_REQUIRE((send_record(f.control.get(), &stop, sizeof stop) == RecordStatus::kOk));
  f.turn();
  BOOST_TEST(!f.admin());
}

/* ---- master keys */

BOOST_AUTO_TEST_CASE(derived_pins_follow_the_keys) {
  PinFixture f;
  make_token(&f);
  BOOST_TEST(f.entry_of("made") == "derived 1 0 1");
  const std::string first = f.pin_of("made");
  BOOST_TEST(first.size() == 20u);
  BOOST_TEST(f.does(kVaultRotate, "made") == kVaultRefused);
  BOOST_TEST(has(f.last.text, "add one"));
  f.start(key_line('1') + key_line('2'));
  BOOST_TEST(f.pin_of("made") == first);
  BOOST_TEST(f.does(kVaultRotate, "made") == kVaultDone);
  Seen one = f.connect(1);
  BOOST_TEST(text_of(one.pin("made").pin) == first);
  const std::string second = text_of(one.pin("made").next);
  BOOST_TEST((second.size() == 20u && second != first));
  f.say(one, "made", RecordType::kTurnPin);
  BOOST_TEST(f.heard(one) == verdict(kTurnIt, first, second));
  f.say(one, "made", RecordType::kPinTurned, kTurnDone, 16); /* which nobody derives */
  BOOST_TEST(f.heard(one) == "");
  BOOST_TEST(f.entry_of("made") == "derived 1 2 1");
  f.say(one, "made", RecordType::kTurnPin);
  BOOST_TEST(f.heard(one) == verdict(kTurnItAgain, first, second));
  f.say(one, "made", RecordType::kPinTurned, kTurnDone, 20);
  BOOST_TEST(f.heard(one) == verdict(kPinIs, second));
  BOOST_TEST(f.entry_of("made") == "derived 2 0 1 since");
  BOOST_TEST(text_of(f.connect(2).pin("made").pin) == second);
  BOOST_TEST(f.pin_of("made") == second);
  /* A vault that has lost the key says so, and lives. */
  f.start(key_line('1'));
  BOOST_TEST(f.pin_of("made") == "");
  BOOST_TEST(!f.connect(3).has_pin("made"));
}

BOOST_AUTO_TEST_CASE(all_under_the_last_key) {
  PinFixture f;
  make_token(&f);
  BOOST_TEST(f.does(kVaultSet, "safe", "1234") == kVaultDone);
  BOOST_TEST(f.does(kVaultSet, "of uid:1000", "5678") == kVaultDone);
  BOOST_TEST(f.does(kVaultRotate, "safe") == kVaultDone);
  BOOST_TEST(f.pin_of("safe") == "1234");
  const std::string next = text_of(f.last.next);
  f.start(key_line('1') + key_line('2'));
  BOOST_TEST(f.does(kVaultRekey) == kVaultDone);
  BOOST_TEST(has(f.last.text, "2 PINs are encrypted under line 2 of master-key; 1 derived"));
  BOOST_TEST(f.entry_of("safe") == "vault 2 2 0 since");
  BOOST_TEST(f.entry_of("of uid:1000") == "vault 2 0 0 since");
  BOOST_TEST(f.entry_of("made") == "derived 1 2 1");
  f.start(key_line('3') + key_line('2')); /* the old key is needed no more */
  BOOST_TEST(f.pin_of("safe") == "1234");
  BOOST_TEST(text_of(f.last.next) == next);
  BOOST_TEST(f.pin_of("of uid:1000") == "5678");
  f.start(key_line('1'));
  BOOST_TEST(f.pin_of("safe") == "");
  BOOST_TEST(has(f.last.text, "no line 2 of master-key"));
}

BOOST_AUTO_TEST_SUITE_END()
