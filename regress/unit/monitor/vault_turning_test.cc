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
 * PINs that are changed, seen from the vault: who is told to, and what it believes of that. If
 * these failed, two would change one PIN, or a monitor would make the vault forget one.
 */
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>

#include "vault_pin_fixture.h"

using namespace mp11;
using namespace mp11::vault_test;

namespace {

/* How often the text stands in the heap, also where it was freed; 0 where that is not known. */
size_t count_in_heap(const std::string& text) {
  static char chunk[1 << 16];
  std::ifstream maps("/proc/self/maps");
  size_t count = 0;
  const int fd = ::open("/proc/self/mem", O_RDONLY);
  for (std::string line; std::getline(maps, line);) {
    unsigned long from = 0, to = 0;
    if (!has(line, "[heap]") || sscanf(line.c_str(), "%lx-%lx", &from, &to) != 2) continue;
    for (; from < to; from += sizeof chunk - text.size()) {
      const ssize_t got = ::pread(fd, chunk, std::min(sizeof chunk, to - from), (off_t)from);
      if (got <= 0) break;
      const char* end = chunk + got;
      for (const char* at = chunk; (at = std::search(at, end, text.begin(), text.end())) != end;)
        at++, count++;
    }
  }
  ::close(fd);
  return count;
}

/* "safe" is 1234 and is being changed to `next` by the monitor of `one`. */
struct Turning : PinFixture {
  Turning() {
    BOOST_TEST(does(kVaultSet, "safe", "1234") == kVaultDone);
    BOOST_TEST(does(kVaultRotate, "safe") == kVaultDone);
    one = connect(1);
    next = text_of(one.pin("safe").next);
    say(one, "safe", RecordType::kTurnPin);
    BOOST_TEST(heard(one) == verdict(kTurnIt, "1234", next));
  }
  Seen one;
  std::string next;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(vault_turning)

/* ---- who is told */

BOOST_AUTO_TEST_CASE(monitors_hear_of_a_pin) {
  PinFixture f;
  Seen one = f.connect(1), two = f.connect(2, "uid:1001");
  BOOST_TEST(one.pin("safe").pin.size == 0u);
  BOOST_TEST(f.does(kVaultSet, "safe", "1234") == kVaultDone);
  for (const Seen* monitor : {&one, &two}) {
    BOOST_TEST(f.heard(*monitor) == verdict(kPinIs, "1234"));
    BOOST_TEST(f.heard(*monitor) == "");
  }
  /* Of a person's token, that person's alone. */
  BOOST_TEST(f.does(kVaultSet, "of uid:1000", "mine") == kVaultDone);
  BOOST_TEST(f.heard(one) == verdict(kPinIs, "mine"));
  BOOST_TEST(f.heard(two) == "");
  Seen later = f.connect(3, "uid:1001");
  BOOST_TEST(text_of(later.pin("safe").pin) == "1234");
  BOOST_TEST(later.pin("of uid:1001").pin.size == 0u);
}

BOOST_AUTO_TEST_CASE(one_at_a_time_changes_it) {
  PinFixture f;
  BOOST_TEST(f.does(kVaultSet, "safe", "1234") == kVaultDone);
  Seen one = f.connect(1), two = f.connect(2, "uid:1001"), three = f.connect(3);
  BOOST_TEST(f.does(kVaultRotate, "safe") == kVaultDone);
  BOOST_TEST(f.pin_of("safe") == "1234");
  const std::string next = text_of(f.last.next);
  Seen four = f.connect(4);
  BOOST_TEST(text_of(four.pin("safe").next) == next);
  for (const Seen* monitor : {&one, &two, &three})
    BOOST_TEST(f.heard(*monitor) == verdict(kPinIs, "1234", next));
  f.say(one, "safe", RecordType::kTurnPin);
  f.say(two, "safe", RecordType::kTurnPin);
  f.say(three, "safe", RecordType::kTurnPin);
  BOOST_TEST(f.heard(one) == verdict(kTurnIt, "1234", next));
  BOOST_TEST(f.heard(two) == "");
  f.end(1); /* it dies */
  BOOST_TEST(f.heard(two) == verdict(kTurnItAgain, "1234", next));
  BOOST_TEST(f.heard(three) == "");
  f.say(two, "safe", RecordType::kPinTurned, kTurnDone, 12);
  BOOST_TEST(f.pin_of("safe") == next.substr(0, 12));
  BOOST_TEST(f.last.next.size == 0u);
  const std::string now = verdict(kPinIs, next.substr(0, 12));
  for (const Seen* monitor : {&two, &three, &four}) BOOST_TEST(f.heard(*monitor) == now);
  BOOST_TEST(f.heard(three) == now); /* the answer to what it asked */
  BOOST_TEST(f.heard(two) == "");
}

BOOST_AUTO_TEST_CASE(a_change_that_does_not_come_about) {
  Turning f;
  const Seen& one = f.one;
  const std::string& next = f.next;
  f.say(one, "safe", RecordType::kPinTurned, kTurnUntried);
  f.say(one, "safe", RecordType::kTurnPin);
  BOOST_TEST(f.heard(one) == verdict(kTurnIt, "1234", next)); /* nobody has begun yet */
  f.say(one, "safe", RecordType::kPinTurned, kTurnUnknown);
  BOOST_TEST(f.entry_of("safe") == "vault 1 1 0 since"); /* both are kept */
  f.say(one, "safe", RecordType::kTurnPin);
  BOOST_TEST(f.heard(one) == verdict(kTurnItAgain, "1234", next));
  f.say(one, "safe", RecordType::kPinTurned, kTurnRefused);
  BOOST_TEST(f.heard(one) == verdict(kPinIs, "1234"));
  BOOST_TEST(f.pin_of("safe") == "1234");
  BOOST_TEST(f.entry_of("safe") == "vault 1 0 0 since");
  /* Neither is right: nobody tries until somebody knows better. */
  BOOST_TEST(f.does(kVaultRotate, "safe") == kVaultDone);
  (void)f.heard(one);
  f.say(one, "safe", RecordType::kTurnPin);
  BOOST_TEST(f.heard(one).starts_with(std::to_string(kTurnIt)));
  f.say(one, "safe", RecordType::kPinTurned, kTurnNeither);
  f.say(one, "safe", RecordType::kTurnPin);
  BOOST_TEST(f.heard(one).starts_with(std::to_string(kTurnNot)));
  BOOST_TEST(f.forced(kVaultSet, "safe", "8888").result == kVaultDone);
  BOOST_TEST(f.heard(one) == verdict(kPinIs, "8888"));
  f.say(one, "safe", RecordType::kTurnPin);
  BOOST_TEST(f.heard(one) == verdict(kPinIs, "8888"));
}

/* Another vault knows what this one has on the disk, at every step. */
BOOST_AUTO_TEST_CASE(a_vault_that_dies) {
  PinFixture f;
  BOOST_TEST(f.does(kVaultSet, "safe", "1234") == kVaultDone);
  f.start(key_line('1'));
  BOOST_TEST(f.pin_of("safe") == "1234");
  BOOST_TEST(f.does(kVaultRotate, "safe") == kVaultDone);
  f.start(key_line('1'));
  BOOST_TEST(f.pin_of("safe") == "1234");
  const std::string next = text_of(f.last.next);
  BOOST_TEST(next.size() == 32u);
  {
    Seen one = f.connect(1);
    f.say(one, "safe", RecordType::kTurnPin);
    BOOST_TEST(f.heard(one) == verdict(kTurnIt, "1234", next));
    f.start(key_line('1')); /* before it says anything */
  }
  Seen two = f.connect(2);
  f.say(two, "safe", RecordType::kTurnPin);
  BOOST_TEST(f.heard(two) == verdict(kTurnItAgain, "1234", next));
  f.say(two, "safe", RecordType::kPinTurned, kTurnDone, 32);
  f.start(key_line('1'));
  BOOST_TEST(f.pin_of("safe") == next);
}

BOOST_AUTO_TEST_CASE(what_a_monitor_may_not_say) {
  PinFixture f;
  BOOST_TEST(f.does(kVaultSet, "safe", "1234") == kVaultDone);
  BOOST_TEST(f.does(kVaultRotate, "safe") == kVaultDone);
  auto ends = [&](const char* token, RecordType type, uint32_t outcome, uint32_t size, bool asks) {
    Seen monitor = f.connect(7);
    if (asks) {
      f.say(monitor, "safe", RecordType::kTurnPin);
      BOOST_TEST(f.heard(monitor) != "");
    }
    f.say(monitor, token, type, outcome, size);
    const bool ended = f.heard(monitor) == "closed";
    f.end(7);
    return ended;
  };
  BOOST_TEST(ends("safe", RecordType::kPinTurned, kTurnDone, 32, false)); /* it was not told to */
  BOOST_TEST(ends("safe", RecordType::kPinTurned, kTurnRefused, 0, false));
  BOOST_TEST(ends("open", RecordType::kTurnPin, 0, 0, false)); /* it is no PIN of the vault's */
  BOOST_TEST(ends("open", RecordType::kPinTurned, kTurnDone, 32, true));
  BOOST_TEST(ends("made", RecordType::kPinTurned, kTurnDone, 32, true));
  BOOST_TEST(ends("safe", RecordType::kTurnPin, 0, 0, true)); /* twice */
  BOOST_TEST(ends("safe", RecordType::kPinTurned, 0, 0, true));
  BOOST_TEST(ends("safe", RecordType::kPinTurned, 6, 0, true));
  BOOST_TEST(ends("safe", RecordType::kPinTurned, kTurnDone, 7, true));
  BOOST_TEST(ends("safe", RecordType::kPinTurned, kTurnDone, 33, true));
  BOOST_TEST(ends("safe", RecordType::kPinTurned, kTurnRefused, 1, true));
  BOOST_TEST(f.pin_of("safe") == "1234");
  BOOST_TEST(f.last.next.size == 32u); /* nothing of it had an effect */
  /* Whom it was taken from: another vault's administrator has set another one meanwhile. */
  Seen late = f.connect(8);
  f.say(late, "safe", RecordType::kTurnPin);
  f.sql("UPDATE pin SET begun = begun + 1, next_key = 0, next = x'' WHERE token = 'safe'");
  f.say(late, "safe", RecordType::kPinTurned, kTurnDone, 32);
  BOOST_TEST(f.pin_of("safe") == "1234");
}

/* What the token may have at this moment is not forgotten, whatever an administrator says. */
BOOST_AUTO_TEST_CASE(a_pin_is_kept_while_somebody_changes_it) {
  Turning f;
  const Seen& one = f.one;
  const std::string& next = f.next;
  for (VaultCommand command : {kVaultSet, kVaultRemove})
    for (bool force : {false, true}) {
      const char* pin = command == kVaultSet ? "5555" : "";
      const VaultAnswer answer =
          force ? f.forced(command, "safe", pin) : f.ask(PinFixture::request(command, "safe", pin));
      BOOST_TEST(answer.result == kVaultRefused);
      BOOST_TEST(has(answer.text, "is being changed now; try again in two minutes"));
    }
  BOOST_TEST(f.pin_of("safe") == "1234");
  BOOST_TEST(text_of(f.last.next) == next);
  f.say(one, "safe", RecordType::kPinTurned, kTurnDone, 32);
  BOOST_TEST(f.heard(one) == verdict(kPinIs, next));
  BOOST_TEST(f.pin_of("safe") == next);
  BOOST_TEST(f.does(kVaultRemove, "safe") == kVaultDone); /* it is known which one it was */
}

/* ---- monitors that do not do their part */

BOOST_AUTO_TEST_CASE(who_does_not_read_is_not_heard) {
  PinFixture f;
  BOOST_TEST(f.does(kVaultSet, "safe", "1234") == kVaultDone);
  auto fill = [&f](const Seen& monitor) {
    const PinTurn ask = f.turn_of(monitor, "safe", RecordType::kTurnPin);
    int asked = 0;
    while (asked < 5000 && send_record(monitor.monitor.get(), ask) == RecordStatus::kOk) {
      asked++;
      f.turn();
    }
    return asked;
  };
  Seen one = f.connect(1), two = f.connect(2, "uid:1001");
  const std::string before = f.database();
  const int asked = fill(one);
  BOOST_TEST(asked < 5000); /* the vault has stopped taking them */
  BOOST_TEST((f.database() == before));
  f.say(two, "safe", RecordType::kTurnPin); /* others are served */
  BOOST_TEST(f.heard(two) == verdict(kPinIs, "1234"));
  int answers = 0;
  while (f.heard(one) == verdict(kPinIs, "1234")) {
    answers++;
    f.turn();
  }
  BOOST_TEST(answers == asked); /* nothing is lost once it reads */
  /* That it hangs up is told: the vault does not wait for it. */
  BOOST_TEST(fill(one) < 5000);
  one.monitor.reset();
  f.turn();
  f.control.reset();
  bool waited = false;
  f.loop.after(5000, [&] {
    waited = true;
    f.loop.stop();
  });
  f.loop.run();
  BOOST_TEST(!waited);
}

BOOST_AUTO_TEST_CASE(what_was_not_sent_is_wiped) {
  const std::string pin = "only-once-15-at"; /* short enough to be in no heap of ours */
  PinFixture f;
  Seen one = f.connect(1);
  BOOST_TEST(f.does(kVaultSet, "safe", pin.c_str()) == kVaultDone);
  const PinTurn ask = f.turn_of(one, "safe", RecordType::kTurnPin);
  for (int i = 0; i < 5000 && send_record(one.monitor.get(), ask) == RecordStatus::kOk; i++)
    f.turn();
  if (count_in_heap(pin) == 0) return; /* another allocator's heap */
  f.end(1);
  BOOST_TEST(count_in_heap(pin) == 0u);
}

/* Its PINs cannot be read at this moment: it is nobody's to change, and nobody's fault. */
BOOST_AUTO_TEST_CASE(a_change_without_its_pins) {
  PinFixture f;
  BOOST_TEST(f.does(kVaultSet, "safe", "1234") == kVaultDone);
  BOOST_TEST(f.does(kVaultRotate, "safe") == kVaultDone);
  Seen one = f.connect(1), two = f.connect(2, "uid:1001");
  const std::string next = text_of(one.pin("safe").next);
  f.sql(
      "INSERT INTO pin SELECT 7, backend, token, key, sealed, next_key, next, begun, started,"
      " changed FROM pin; UPDATE pin SET next = sealed WHERE kind = 1");
  const std::string before = f.database();
  for (const Seen* monitor : {&one, &one, &two}) {
    f.say(*monitor, "safe", RecordType::kTurnPin);
    BOOST_TEST(f.heard(*monitor).starts_with(std::to_string(kTurnNot)));
  }
  BOOST_TEST((f.database() == before));
  f.sql("UPDATE pin SET next = (SELECT next FROM pin WHERE kind = 7) WHERE kind = 1");
  f.say(two, "safe", RecordType::kTurnPin);
  BOOST_TEST(f.heard(two) == verdict(kTurnIt, "1234", next)); /* it is the first */
}

BOOST_AUTO_TEST_SUITE_END()
