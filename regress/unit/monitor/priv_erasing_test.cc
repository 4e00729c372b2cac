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
 * Tokens' directories that are emptied, seen from [priv]. If these failed, a token would be emptied
 * under the hands of who uses it, or one that nobody uses would stay half gone.
 */
#include "priv_fixture.h"

using namespace mp11;
using namespace mp11::priv_test;

namespace {

constexpr char kProgram[] = "multip11-backend"; /* of libraries and of erasers */
constexpr uint32_t kUid = 62005;

const char kNoUsers[] = "unprivileged = yes\n";

/* Its tokens have a uid each, and are destroyed. */
std::string apart(const std::string& isolation) {
  return "backend people { module = \"@module@\" " + isolation +
         " }\n"
         "token T { layer { backend = people token = \"%p\" on-demand = yes access = read-write\n"
         "  retire = destroy retire-after = 1 } allow = {\"uid:1\"} }\n";
}

/* A backend that has that uid for all of its processes. */
std::string together(const std::string& more = "") {
  const std::string user = std::to_string(kUid) + ":" + std::to_string(kUid);
  return "backend hsm { module = \"@module@\" user = \"" + user + "\" " + more +
         " }\n"
         "token T { layer { backend = hsm } allow = {\"uid:1\"} }\n";
}

struct Erasing : PrivFixture {
  explicit Erasing(const std::string& config = kNoUsers + apart("isolate = token"))
      : PrivFixture(config) {}
  /* Processes that were started as that user. */
  size_t of_user(uint32_t uid) const {
    size_t count = 0;
    for (const auto& child : stage->children)
      count += child.program == kProgram && child.user.uid == uid;
    return count;
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(priv_erasing)

/* Its process ends, and how it ended is the answer. */
BOOST_AUTO_TEST_CASE(one_after_the_other) {
  Erasing f;
  f.ask_to_erase(kUid);
  BOOST_TEST(f.of_user(kUid) == 1u);
  f.stage->last(kProgram).life.reset();
  BOOST_TEST(f.erased() == kEraseDone);
  f.ask_to_erase(kUid);
  BOOST_TEST(f.of_user(kUid) == 2u);
  ::kill(f.stage->last(kProgram).pid, SIGKILL);
  BOOST_TEST(f.erased() == kEraseFailed);
}

BOOST_AUTO_TEST_CASE(an_eraser_that_cannot_be_started) {
  Erasing f;
  f.stage->refused = kProgram;
  f.ask_to_erase(kUid);
  BOOST_TEST(f.erased() == kEraseBusy); /* nothing was done */
  BOOST_TEST(f.stage->count(kProgram) == 0u);
  f.stage->refused.clear();
  const std::string tokens = f.file("state/tokens"), aside = f.file("aside");
  BOOST_REQUIRE(::rename(tokens.c_str(), aside.c_str()) == 0);
  f.ask_to_erase(kUid);
  BOOST_TEST(f.erased() == kEraseBusy); /* it would have had no directory */
  BOOST_TEST(f.stage->count(kProgram) == 0u);
  BOOST_REQUIRE(::rename(aside.c_str(), tokens.c_str()) == 0);
  f.ask_to_erase(kUid);
  BOOST_TEST(f.of_user(kUid) == 1u); /* and it may be asked again */
}

/* Who may have it comes while it is being emptied. */
BOOST_AUTO_TEST_CASE(none_is_started_meanwhile) {
  Erasing f;
  f.ask_to_erase(kUid);
  BOOST_TEST(f.of_user(kUid) == 1u);
  UniqueFd eraser = std::move(f.stage->last(kProgram).life);
  const Client client = f.connect({{0, kUid}, {0, kUid + 1}});
  BOOST_TEST(f.start_backend(client, 0) == kSpawnBusy);
  BOOST_TEST(f.of_user(kUid) == 1u);
  BOOST_TEST(f.start_backend(client, 1) == kSpawnOk); /* another token's */
  eraser.reset();
  BOOST_TEST(f.erased() == kEraseDone);
  BOOST_TEST(f.start_backend(client, 0) == kSpawnOk);
  BOOST_TEST(f.of_user(kUid) == 2u);
}

BOOST_AUTO_TEST_CASE(who_is_connected_may_start_one) {
  Erasing f;
  Client client = f.connect({{0, kUid}});
  f.ask_to_erase(kUid);
  BOOST_TEST(f.erased() == kEraseBusy);
  f.ask_to_erase(kUid + 1);
  BOOST_TEST(f.of_user(kUid + 1) == 1u);
  f.stage->last(kProgram).life.reset();
  BOOST_TEST(f.erased() == kEraseDone);
  f.stage->children[client.monitor].life.reset(); /* the connection ends with it */
  BOOST_TEST(f.hear<ConnectionName>(f.vault(), RecordType::kVaultEnd).has_value());
  f.ask_to_erase(kUid);
  BOOST_TEST(f.of_user(kUid) == 1u);
}

/* The next vault does not allow it any more, and it has been started. */
BOOST_AUTO_TEST_CASE(what_runs_on) {
  Erasing f;
  const Client client = f.connect({{0, kUid}});
  BOOST_TEST(f.start_backend(client, 0) == kSpawnOk);
  f.stage->last("multip11-vault").life.reset();
  for (int i = 0; i < 300 && f.stage->count("multip11-vault") == 1; i++) f.turn();
  BOOST_TEST(f.allow({}) == client.name);
  BOOST_TEST(f.start_backend(client, 0) == kSpawnDenied);
  f.ask_to_erase(kUid);
  BOOST_TEST(f.erased() == kEraseBusy);
  f.stage->last(kProgram).life.reset();
  BOOST_TEST(f.hear<Spawned>(f.stage->children[client.monitor].control(), RecordType::kBackendGone)
                 .has_value());
  f.ask_to_erase(kUid);
  BOOST_TEST(f.of_user(kUid) == 2u);
}

const std::string kApart = config_test::kUsers + apart("uids = \"62000-62009\"");

/* It had the uid in the configuration before, and its client is still there. */
BOOST_AUTO_TEST_CASE(a_backend_of_an_older_configuration) {
  if (::geteuid() != 0) return; /* only root gives a directory away */
  Erasing f(config_test::kUsers + together());
  const Client client = f.connect({{0, 0}});
  f.reload(kApart);
  f.ask_to_erase(kUid);
  BOOST_TEST(f.erased() == kEraseBusy);
  f.ask_to_erase(kUid + 1);
  BOOST_TEST(f.of_user(kUid + 1) == 1u); /* whose uid is its own */
  BOOST_TEST(f.start_backend(client, 0) == kSpawnOk);
}

/* The other way round: an eraser of the configuration before has the uid. */
BOOST_AUTO_TEST_CASE(a_backend_of_a_later_configuration) {
  if (::geteuid() != 0) return;
  Erasing f(kApart);
  f.ask_to_erase(kUid);
  BOOST_TEST(f.of_user(kUid) == 1u);
  UniqueFd eraser = std::move(f.stage->last(kProgram).life);
  f.reload(config_test::kUsers + together("prestart = 1"));
  f.turn(100);
  BOOST_TEST(f.of_user(kUid) == 1u);
  const Client client = f.connect({{0, 0}});
  BOOST_TEST(f.start_backend(client, 0) == kSpawnBusy);
  BOOST_TEST(f.of_user(kUid) == 1u);
  eraser.reset();
  f.turn(300);
  BOOST_TEST(f.of_user(kUid) == 2u); /* prestarted */
  BOOST_TEST(f.start_backend(client, 0) == kSpawnOk);
}

BOOST_AUTO_TEST_SUITE_END()
