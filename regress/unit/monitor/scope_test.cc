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
 * isolate = token: names that say something else for each person, and the uid that each token of a
 * backend has for good. If these failed, two persons' tokens would lie in one directory, open to a
 * library that one of them has broken.
 */
#include <sys/stat.h>

#include <cstring>
#include <fstream>

#include "config_fixture.h"
#include "explain.h"
#include "person_text.h"
#include "vault_fixture.h"

using namespace mp11;
using namespace mp11::vault_test;
using config_test::ConfigDir;
using config_test::kListener;
using config_test::kUsers;
using config_test::load;
using config_test::read_back;
using config_test::require_good;

namespace {

uint32_t uid_of(VaultState* state, const std::string& backend, const std::string& token,
                uint32_t first = 70000, uint32_t last = 70003) {
  Result<uint32_t> uid = state->uid_of(backend, token, first, last);
  return uid ? *uid : 0;
}

std::string complaint(VaultState* state, const std::string& backend, const std::string& token,
                      uint32_t first, uint32_t last) {
  Result<uint32_t> uid = state->uid_of(backend, token, first, last);
  return uid ? "" : uid.error().text;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(scope)

BOOST_AUTO_TEST_CASE(texts_of_persons) {
  const std::string alice = "alice@EXAMPLE.ORG";
  BOOST_TEST(person_text("keys of %u", alice) == "keys of alice");
  BOOST_TEST(person_text("%p", alice) == alice);
  BOOST_TEST(person_text("100%% %p", "uid:7") == "100% uid:7");
  BOOST_TEST(person_text("%u", "host/a.b@R") == "host/a.b");
  BOOST_TEST(person_text("%u", "web") == "web");
  /* What is no plain letter never looks like another name. */
  BOOST_TEST(person_text("%u", "a%20b@R") == "a%2520b");
  BOOST_TEST(person_text("%u", "a b@R") == "a%20b");
  BOOST_TEST(person_text("%u", "a\\@B@R") == "a%5C@B");
  BOOST_TEST(person_text("%p", "\xc3\xbc@R") == "%C3%BC@R");
  for (const char* good : {"%u", "%p", "%%", "a%%b", "keys"})
    BOOST_TEST(person_text_problem(good) == "");
  for (const char* bad : {"", "%", "a%", "%d", "%%%", "% p"})
    BOOST_TEST(person_text_problem(bad) != "");
  BOOST_TEST(person_text_problem(std::string(kPersonText, 'x')) != "");
  BOOST_TEST(names_person("x%p"));
  BOOST_TEST(names_person("%u"));
  BOOST_TEST(!names_person("%%p"));
  BOOST_TEST(!names_user("%p"));
}

BOOST_AUTO_TEST_CASE(a_uid_is_given_once_and_for_good) {
  StateDir dir;
  std::unique_ptr<VaultState> state = dir.state();
  const uint32_t alice = uid_of(state.get(), "people", "alice");
  const uint32_t bob = uid_of(state.get(), "people", "bob");
  const uint32_t other = uid_of(state.get(), "other", "alice", 80000, 80009);
  BOOST_TEST(alice == 70000u);
  BOOST_TEST(bob == 70001u);
  BOOST_TEST(other == 80000u);
  state.reset();
  state = dir.state(); /* the next start */
  BOOST_TEST(uid_of(state.get(), "people", "bob") == bob);
  BOOST_TEST(uid_of(state.get(), "people", "alice") == alice);
  std::unique_ptr<VaultState> beside = dir.state(); /* around a SIGHUP */
  BOOST_TEST(uid_of(beside.get(), "people", "carol") == 70002u);
  BOOST_TEST(uid_of(state.get(), "people", "carol") == 70002u);
  BOOST_TEST(uid_of(state.get(), "people", "dave") == 70003u);
  BOOST_TEST(has(complaint(state.get(), "people", "eve", 70000, 70003), "are given; widen"));
  BOOST_TEST(uid_of(state.get(), "people", "eve", 70000, 70009) == 70004u);
  /* A range that was another backend's gives nobody what lies there. */
  BOOST_TEST(uid_of(state.get(), "other", "eve", 70000, 70009) == 70005u);
  BOOST_TEST(has(complaint(state.get(), "people", "alice", 90000, 90009), "is not of uids"));
  BOOST_TEST(uid_of(state.get(), "people", "alice") == alice);
  /* Names are texts, whatever is in them. */
  const std::string nasty = "x', 0); DROP TABLE scope; --";
  BOOST_TEST(uid_of(state.get(), "people", nasty, 70000, 70009) == 70006u);
  BOOST_TEST(uid_of(state.get(), "people", nasty, 70000, 70009) == 70006u);
}

BOOST_AUTO_TEST_CASE(what_is_no_database_of_ours_stays_as_it_is) {
  StateDir dir;
  dir.write("state.db", "these are somebody's notes, and long enough for a header");
  BOOST_TEST(!VaultState::open(dir.file("state.db")).ok());
  std::ifstream in(dir.file("state.db"));
  std::string text;
  std::getline(in, text);
  BOOST_TEST(has(text, "somebody's notes"));
  BOOST_TEST(!VaultState::open(dir.file("absent/state.db")).ok());
}

BOOST_AUTO_TEST_CASE(names_of_tokens) {
  auto name = [](const char* label, const char* manufacturer, const char* serial) {
    BackendToken token{};
    std::strcpy(token.label, label);
    std::strcpy(token.manufacturer, manufacturer);
    std::strcpy(token.serial, serial);
    return token_name(token);
  };
  BOOST_TEST(name("alice", "", "") == "alice");
  BOOST_TEST(name("alice", "", "7") == "pkcs11:token=alice;serial=7");
  BOOST_TEST(name("a;serial=7", "x", "") == "pkcs11:token=a%3Bserial=7;manufacturer=x");
}

/* The vault gives each its own, numbers them for the connection, and says so to [priv]. */
BOOST_AUTO_TEST_CASE(each_person_has_a_token_of_its_own) {
  StateDir dir;
  Config c;
  c.backends.resize(2);
  c.backends[0].name = "plain";
  c.backends[1].name = "people";
  c.backends[1].first_uid = 70000;
  c.backends[1].last_uid = 70001;
  c.tokens.resize(1);
  c.tokens[0].label = "desk of %u";
  c.tokens[0].serial = "77";
  c.tokens[0].allow = {"*@R"};
  c.tokens[0].layers.resize(3);
  c.tokens[0].layers[0].backend = 1;
  c.tokens[0].layers[0].of_person = true;
  c.tokens[0].layers[0].at_backend.label = "%u";
  c.tokens[0].layers[1].backend = 1;
  c.tokens[0].layers[1].at_backend.label = "group";
  c.tokens[0].layers[2].backend = 0;
  VaultFixture f(c, dir.state());
  auto layers = [](const Seen& seen) {
    std::string all;
    for (const SeenLayer& layer : seen.tokens.at(0).layers)
      all += std::to_string(layer.row.backend) + ":" + layer.row.at_backend.label + " ";
    return all;
  };
  const Seen alice = f.connect("alice@R"), bob = f.connect("bob@R"), again = f.connect("alice@R");
  auto serial = [](const Seen& seen) { return std::string(seen.tokens.at(0).row.serial); };
  BOOST_TEST(std::string(alice.tokens.at(0).row.label) == "desk of alice");
  BOOST_TEST(backends_of(alice.allow) == "1/70000 1/70001 0/0");
  BOOST_TEST(layers(alice) == "0:alice 1:group 2: ");
  /* The range is used up: bob goes without the layer of his own, and shares the group's. */
  BOOST_TEST(backends_of(bob.allow) == "1/70001 0/0");
  BOOST_TEST(layers(bob) == "0:group 1: ");
  BOOST_TEST(serial(bob) != serial(alice));
  BOOST_TEST(backends_of(again.allow) == backends_of(alice.allow));
  BOOST_TEST(serial(again) == serial(alice));
  /* A label that no token can have. */
  BOOST_TEST(layers(f.connect(std::string(40, 'x') + "@R")) == "0:group 1: ");
}

BOOST_AUTO_TEST_CASE(configuration) {
  ConfigDir dir;
  BOOST_REQUIRE(::mkdir(dir.file("skeleton").c_str(), 0755) == 0);
  const std::string users = kUsers + std::string(kListener) + "backend plain { module = \"" +
                            dir.file("module.so") + "\" user = \"64010:64010\" }\n";
  auto text = [&](const std::string& backend, const std::string& token) {
    return users + "backend people { module = \"" + dir.file("module.so") + "\" " + backend +
           " }\n" + token + "\n";
  };
  const std::string apart = "uids = \"70000-70009\"";
  const std::string token =
      "token \"%u\" { layer { backend = people token = \"%u\" } allow = {\"*@R\"} }";
  LoadedConfig good = load(
      dir, text(apart + " environment = {\"C=%d/c%%\"} skeleton = \"" + dir.file("skeleton") + "\"",
                token));
  require_good(good);
  BOOST_TEST(good.config->needs_state());
  BOOST_TEST(good.config->backends[1].first_uid == 70000u);
  BOOST_TEST(good.config->backends[1].last_uid == 70009u);
  BOOST_TEST(good.config->tokens[0].layers[0].of_person);
  read_back(dir, *good.config);

  auto bad = [&](const std::string& backend, const std::string& its_token,
                 const std::string& part) {
    LoadedConfig loaded = load(dir, text(backend, its_token));
    const bool right =
        loaded.errors.size() == 1 && has(loaded.errors[0], part) && has(loaded.errors[0], ";");
    for (const std::string& error : loaded.errors)
      if (!right) BOOST_TEST_MESSAGE("got: " << error);
    return right;
  };
  BOOST_TEST(bad("isolate = token", token, "has no uids"));
  BOOST_TEST(bad("uids = \"70000\"", token, "is not understood"));
  BOOST_TEST(bad("uids = \"70009-70000\"", token, "is not understood"));
  BOOST_TEST(bad("uids = \"0-70000\"", token, "is not understood"));
  BOOST_TEST(bad("uids = \"999-70000\"", token, "is not understood"));
  BOOST_TEST(bad("uids = \"70000-4294967295\"", token, "is not understood"));
  BOOST_TEST(bad("uids = \"64003-64003\"", token, "multip11-monitor"));
  BOOST_TEST(bad("uids = \"64010-64020\"", token, "backend 'plain'"));
  BOOST_TEST(bad("uids = \"65533-65535\"", token, "in /etc/passwd"));
  BOOST_TEST(bad(apart + " user = \"70000:70000\"", token, "each token has its own"));
  BOOST_TEST(bad(apart + " prestart = 1", token, "not known for whom"));
  BOOST_TEST(bad(apart + " transparent = yes allow = {\"a@R\"}", token, "whose tokens have names"));
  BOOST_TEST(bad(apart + " environment = {\"C=%x\"}", token, "write %d"));
  BOOST_TEST(bad(apart + " skeleton = \"/nonexistent\"", token, "skeleton"));
  BOOST_TEST(
      bad(apart, "token a { layer { backend = people } allow = {\"a@R\"} }", "names no token"));
  BOOST_TEST(bad(apart, "token \"%d\" { layer { backend = people token = x } allow = {\"a@R\"} }",
                 "stands for nothing"));
  BOOST_TEST(bad(apart, "token a { layer { backend = people token = \"%\" } allow = {\"a@R\"} }",
                 "stands for nothing"));
  for (const char* who :
       {"\"*@R\", \"a@OTHER\"", "\"*@R\", \"local:a\"", "\"*@R\", \"uid:7\"", "\"group:mixed\""})
    BOOST_TEST(bad(apart,
                   "group mixed { members = {\"a@R\", \"a@OTHER\"} } token a { layer { backend = "
                   "people token = \"%u\" } allow = {" +
                       std::string(who) + "} }",
                   "write %p instead"));
  LoadedConfig two = load(dir, text(apart, token) + "backend more { module = \"" +
                                   dir.file("module.so") + "\" uids = \"70009-70010\" }\n");
  BOOST_REQUIRE(two.errors.size() == 1u);
  BOOST_TEST(has(two.errors[0], "backend 'people' among them"));
}

/* What becomes of tokens on demand is written in the layer, and only where it can be done. */
BOOST_AUTO_TEST_CASE(retirement) {
  ConfigDir dir;
  dir.write("key", std::string(64, 'a') + "\n", 0600);
  auto text = [&](const std::string& layer,
                  const std::string& isolation = "uids = \"70000-70009\"") {
    return kUsers + std::string(kListener) + "master-key = \"" + dir.file("key") +
           "\"\nbackend people { module = \"" + dir.file("module.so") + "\" " + isolation +
           " }\ntoken T { layer { backend = people token = a access = read-write\n" + layer +
           " } allow = {\"a@R\"} }\n";
  };
  struct {
    const char* layer;
    RetireMode mode;
    uint32_t days;
    const char* told;
  } const good[] = {{"on-demand = yes", kRetireKeep, 0, "with a derived PIN, line"},
                    {"on-demand = yes retire = keep", kRetireKeep, 0, "with a derived PIN, line"},
                    {"on-demand = yes retire = hide", kRetireHide, 1,
                     "PIN, hidden once nobody may use it for 1 day, line"},
                    {"on-demand = yes retire = hide retire-after = 7", kRetireHide, 7,
                     "PIN, hidden once nobody may use it for 7 days, line"},
                    {"on-demand = yes retire = destroy retire-after = 36500", kRetireDestroy, 36500,
                     "PIN, destroyed once nobody may use it for 36500 days, line"}};
  for (const auto& row : good) {
    LoadedConfig loaded = load(dir, text(row.layer));
    require_good(loaded);
    loaded = read_back(dir, *loaded.config);
    const LayerConfig& layer = loaded.config->tokens[0].layers[0];
    BOOST_TEST((layer.retire == row.mode && layer.retire_days == row.days), row.layer);
    BOOST_TEST(loaded.config->destroys(0) == (row.mode == kRetireDestroy));
    bool yes = false;
    Result<std::string> told = explain(*loaded.config, {"user=a@R"}, &yes);
    BOOST_TEST((told.ok() && has(*told, row.told)), row.layer);
  }
  auto bad = [&](const std::string& written, const std::string& part) {
    LoadedConfig loaded = load(dir, written);
    const bool right = loaded.errors.size() == 1 && has(loaded.errors[0], part);
    for (const std::string& error : loaded.errors)
      if (!right) BOOST_TEST_MESSAGE("got: " << error);
    return right;
  };
  const std::string demand = "on-demand = yes ", destroy = demand + "retire = destroy ";
  BOOST_TEST(bad(text("retire = hide"), ":7: retire is for tokens that the daemon makes; add on-"));
  BOOST_TEST(bad(text(demand + "retire = never"), "write keep or hide or destroy"));
  BOOST_TEST(bad(text(demand + "retire-after = 3"), "is for retire = hide and retire = destroy"));
  BOOST_TEST(bad(text(demand + "retire = keep retire-after = 3"), "is for retire = hide"));
  BOOST_TEST(bad(text(destroy), "add retire-after = DAYS"));
  BOOST_TEST(bad(text(destroy + "retire-after = 0"), "write a number from 1 to 36500"));
  BOOST_TEST(bad(text(destroy + "retire-after = 36501"), "write a number from 1 to 36500"));
  BOOST_TEST(bad(text(demand + "retire = hide retire-after = x"), "a number from 1 to 36500"));
  BOOST_TEST(bad(text(destroy + "retire-after = 30", "user = \"64010:64010\""),
                 "'people' has not isolate = token; add that there, or write retire = hide"));
}

BOOST_AUTO_TEST_SUITE_END()
