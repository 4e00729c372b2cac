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
 * multip11d.conf: tokens with their layers, and who is meant by the names in them. If these failed,
 * somebody would be given what the file does not give him, or a mistake in it would not be told.
 */
#include <algorithm>

#include "config_fixture.h"
#include "layer_filter.h"
#include "layer_prefix.h"
#include "p11_params.h"

using namespace mp11;
using namespace mp11::config_test;

BOOST_AUTO_TEST_SUITE(config_tokens)

BOOST_AUTO_TEST_CASE(tokens) {
  ConfigDir dir;
  std::string head = kUsers + std::string(kListener) + backend(dir);
  auto bad = [&](const std::string& body, const std::string& part) {
    return only_error(dir, head + "token T { " + body + " }\n", 5, part);
  };
  std::string layer = "layer { backend = hsm } ";
  BOOST_TEST(bad("allow = {\"a@B\"}", "0 layers"));
  BOOST_TEST(bad(layer + layer + "allow = {\"a@B\"}", "once more"));
  std::string many;
  for (int i = 0; i < 33; i++)
    many += "layer { backend = hsm token = t" + std::to_string(i) + " } ";
  BOOST_TEST(bad(many + "allow = {\"a@B\"}", "33 layers; write 1 to 32"));
  BOOST_TEST(
      bad("layer { backend = hsm token = a } layer { backend = hsm token = b } admin = yes "
          "access = read-write allow = {\"a@B\"}",
          "tokens of one layer"));
  BOOST_TEST(
      bad(layer + "layer { backend = hsm token = a } allow = {\"a@B\"}", "could be one token"));
  BOOST_TEST(
      bad("layer { backend = hsm token = a } layer { backend = hsm token = \"pkcs11:token=a\" "
          "} allow = {\"a@B\"}",
          "once more"));
  BOOST_TEST(bad("layer { backend = hsm pin = vault } allow = {\"a@B\"}",
                 "a token with a name; add token = LABEL"));
  BOOST_TEST(
      bad("layer { backend = hsm pin = vault token = a } allow = {\"a@B\"}", "add master-key = "));
  BOOST_TEST(bad("layer { backend = hsm pin = derived } allow = {\"a@B\"}",
                 "write on-demand = yes, or client"));
  dir.write("key", std::string(64, 'a') + "\n", 0600);
  const std::string key = "master-key = \"" + dir.file("key") + "\"\n";
  auto bad_demand = [&](const std::string& rest, const std::string& part) {
    return only_error(
        dir, key + head + "token T { layer { backend = hsm " + rest + " } allow = {\"a@B\"} }\n", 6,
        part);
  };
  const std::string demand = "on-demand = yes access = read-write ";
  BOOST_TEST(bad_demand(demand, "add token = LABEL"));
  BOOST_TEST(bad_demand(demand + "token = \"pkcs11:serial=1\"", "write a label"));
  BOOST_TEST(bad_demand(demand + "token = a pin = client", "is not for on-demand = yes"));
  BOOST_TEST(bad_demand("on-demand = yes token = a", "stays empty"));
  BOOST_TEST(only_error(
      dir, head + "token T { layer { backend = hsm " + demand + "token = a } allow = {\"a@B\"} }\n",
      5, "add master-key = "));
  BOOST_TEST(only_error(dir,
                        kUsers + std::string(kListener) + backend(dir) +
                            "token A { layer { backend = hsm } serial = 2522337e36b545b7 allow = "
                            "{\"a@B\"} }\n"
                            "token Layered { layer { backend = hsm token = a } "
                            "layer { backend = hsm token = b } allow = {\"a@B\"} }\n",
                        6, "is that of token 'A'"));
  BOOST_TEST(
      bad("layer { backend = hsm pin = given } allow = {\"a@B\"}", "client, none, vault or"));
  BOOST_TEST(bad("layer { backend = hsm allow = {} } allow = {\"a@B\"}", "names nobody"));
  BOOST_TEST(bad("layer { backend = hsm allow = {\"alice\"} } allow = {\"a@B\"}", "has no realm"));
  BOOST_TEST(bad("layer { backend = hsm access = read-write create = {} } allow = {\"a@B\"}",
                 "names nothing"));
  BOOST_TEST(bad("layer { backend = hsm access = read-write create = {key} } allow = {\"a@B\"}",
                 "'key' is no class of objects"));
  BOOST_TEST(bad("layer { backend = hsm access = read-write create = {CKM_KEY} } allow = {\"a@B\"}",
                 "'CKM_KEY' names nothing; write a mechanism"));
  BOOST_TEST(bad("layer { backend = hsm create = {data} } allow = {\"a@B\"}", "read-only layer"));
  BOOST_TEST(bad("layer { backend = hsm functions = {C_Login} } allow = {\"a@B\"}",
                 "'C_Login' names nothing; write a function that goes to one layer"));
  BOOST_TEST(
      bad("layer { backend = hsm no-functions = {sign} } allow = {\"a@B\"}", "names nothing"));
  BOOST_TEST(bad("layer { backend = hsm mechanisms = {\"CKM_NONE*\"} } allow = {\"a@B\"}",
                 "names nothing; write a mechanism"));
  for (const char* rule : {"", "private-key", "class=key", "label=", "label=a;label=b", "id=0A",
                           "id=x", "class=data;", "name=x"})
    BOOST_TEST(
        bad("layer { backend = hsm show = {\"" + std::string(rule) + "\"} } allow = {\"a@B\"}",
            "write it like \"class=private-key;label=web-*;id=0a*\""),
        rule);
  BOOST_TEST(bad(
      "layer { backend = hsm hide = {\"label=" + std::string(96, 'x') + "\"} } allow = {\"a@B\"}",
      "too long"));
  BOOST_TEST(
      bad("layer { backend = hsm policy = audit } allow = {\"a@B\"}", "policy is for a layer"));
  BOOST_TEST(bad("layer { backend = hsm no-export = yes policy = perhaps } allow = {\"a@B\"}",
                 "write enforce or audit"));
  BOOST_TEST(
      bad("layer { backend = hsm no-export = yes } access = read-write admin = yes allow = "
          "{\"a@B\"}",
          "refuses nothing"));
  BOOST_TEST(
      bad("layer { backend = hsm label-prefix = a } access = read-write admin = yes allow = "
          "{\"a@B\"}",
          "has no prefix"));
  for (const std::string& prefix : {std::string(), std::string(65, 'x')})
    BOOST_TEST(bad("layer { backend = hsm label-prefix = \"" + prefix + "\" } allow = {\"a@B\"}",
                   "write 1 to 64 octets of text"),
               prefix);
  for (const std::string& prefix : {std::string(), std::string("0"), std::string("0x"),
                                    std::string("-1"), std::string(66, '0')})
    BOOST_TEST(bad("layer { backend = hsm id-prefix = \"" + prefix + "\" } allow = {\"a@B\"}",
                   "write 1 to 32 octets in hexadecimal digits"),
               prefix);
  BOOST_TEST(bad("layer { backend = hsm blind = perhaps } allow = {\"a@B\"}", "yes or no"));
  BOOST_TEST(bad("layer { backend = hsm access = write } allow = {\"a@B\"}", "read-only"));
  BOOST_TEST(bad("layer { backend = hsm required = perhaps } allow = {\"a@B\"}", "required"));
  BOOST_TEST(bad("layer { backend = other } allow = {\"a@B\"}", "no backend 'other'"));
  BOOST_TEST(bad("layer { backend = hsm token = \"pkcs11:id=1\" } allow = {\"a@B\"}",
                 "'id', which does not belong to the name of a token"));
  BOOST_TEST(bad(layer + "allow = {\"alice\"}", "has no realm"));
  BOOST_TEST(bad(layer + "allow = {\"al*@R\"}", "asterisk within a component"));
  BOOST_TEST(bad(layer + "allow = {\"a@*\"}", "asterisk in the realm"));
  BOOST_TEST(bad(layer + "allow = {\"uid:01\"}", "not uid:NUMBER"));
  BOOST_TEST(bad(layer + "allow = {\"local:a b\"}", "not local:NAME"));
  BOOST_TEST(bad(layer + "admin = yes allow = {\"a@B\"}", "needs access = read-write"));
  BOOST_TEST(bad(layer + "serial = 12345678901234567 allow = {\"a@B\"}", "1 to 16"));
  BOOST_TEST(only_error(
      dir,
      head + "token \"123456789012345678901234567890123\" { " + layer + " allow = {\"a@B\"} }\n", 5,
      "1 to 32 octets"));
  LoadedConfig nobody = load(dir, head + "token T { " + layer + "}\n");
  BOOST_TEST(nobody.config.has_value());
  BOOST_TEST(nobody.warnings.size() == 1u);
}

BOOST_AUTO_TEST_CASE(names_of_tokens) {
  BOOST_TEST(name_token("PKCS11:serial=1")->serial == "1");
  auto label = name_token("Signing keys");
  BOOST_REQUIRE(label.ok());
  BOOST_TEST(label->label == "Signing keys");
  auto uri =
      name_token("pkcs11:serial=0a%2F1;manufacturer=ACME%20Ltd;model=M:[1]&;token=caf%C3%a9");
  BOOST_REQUIRE(uri.ok());
  BOOST_TEST(uri->label == "caf\xc3\xa9");
  BOOST_TEST(uri->serial == "0a/1");
  BOOST_TEST(uri->manufacturer == "ACME Ltd");
  BOOST_TEST(uri->model == "M:[1]&");
  const std::string u16(16, 'x'), u32(32, 'x');
  BOOST_TEST(name_token("pkcs11:serial=" + u16 + ";token=" + u32).ok());
  for (const std::string& bad :
       {std::string(), u32 + "x", std::string("pkcs11:"), std::string("pkcs11:token"),
        std::string("pkcs11:token="), std::string("pkcs11:token=a;"),
        std::string("pkcs11:;token=a"), std::string("pkcs11:token=a;token=b"),
        std::string("pkcs11:token=a%2"), std::string("pkcs11:token=a%zz"),
        std::string("pkcs11:token=a%00"), std::string("pkcs11:token=a b"),
        std::string("pkcs11:token=a/b"), std::string("pkcs11:object=a"),
        std::string("pkcs11:token=a?pin-value=1"), std::string("pkcs11:slot-id=1"),
        std::string("pkcs11:Token=a"), "pkcs11:serial=x" + u16, "pkcs11:token=x" + u32})
    BOOST_TEST(!name_token(bad).ok(), bad);
}

/* What a layer shows before labels and ids, and hides; and the same again from what is dumped. */
BOOST_AUTO_TEST_CASE(prefixes_and_blind_layers) {
  ConfigDir dir;
  const std::string text = kUsers + std::string(kListener) + backend(dir) +
                           "token Keys { layer { backend = hsm token = a blind = yes } layer { "
                           "backend = hsm token = b label-prefix = \"te\\\"am: \" id-prefix = "
                           "\"0aFF\" } allow = {\"alice@EXAMPLE.ORG\"} }\n";
  LoadedConfig loaded = load(dir, text);
  require_good(loaded);
  BOOST_TEST(loaded.warnings.empty());
  LoadedConfig again = read_back(dir, *loaded.config);
  for (const LoadedConfig* one : {&loaded, &again}) {
    const std::vector<LayerConfig>& layers = one->config->tokens.at(0).layers;
    BOOST_TEST(layers.at(0).blind);
    BOOST_TEST(!has_prefix(layers[0].prefix));
    BOOST_TEST(!layers.at(1).blind);
    BOOST_TEST(label_prefix(layers[1].prefix) == "te\"am: ");
    BOOST_TEST(id_prefix_hex(layers[1].prefix) == "0aff");
  }
  LoadedConfig last =
      load(dir, kUsers + std::string(kListener) + backend(dir) +
                    "token Keys { layer { backend = hsm blind = yes } allow = {\"a@B\"} }\n");
  BOOST_REQUIRE(last.config.has_value());
  BOOST_REQUIRE(last.warnings.size() == 1u);
  BOOST_TEST(last.warnings[0].find("blind = yes hides nothing") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_pin_in_a_file) {
  ConfigDir dir;
  auto with = [&](const std::string& pin) {
    std::string text = good(dir);
    text.insert(text.find("layer { backend = hsm") + 21, " pin = \"" + pin + "\"");
    return load(dir, text);
  };
  auto error = [&](const std::string& pin) {
    LoadedConfig loaded = with(pin);
    return loaded.errors.size() == 1 ? loaded.errors[0] : std::to_string(loaded.errors.size());
  };
  dir.write("pin", "12 34\n", 0600);
  LoadedConfig loaded = with("file:" + dir.file("pin"));
  require_good(loaded);
  const LayerConfig& layer = loaded.config->tokens.at(0).layers.at(0);
  BOOST_TEST(layer.pin == kPinStored);
  BOOST_TEST(layer.stored_pin == "12 34");
  const std::string dump = dump_config(*loaded.config);
  BOOST_TEST(dump.find("12 34") == dump.npos);
  BOOST_TEST(load(dir, dump).config->tokens.at(0).layers.at(0).stored_pin == "12 34");
  for (const char* text : {"", "\n", "1\n2\n", "1\n\n"}) {
    dir.write("pin", text, 0600);
    BOOST_TEST(error("file:" + dir.file("pin")).find("is not one line of 1 to 252") !=
               std::string::npos);
  }
  dir.write("pin", std::string(253, '1'), 0600);
  BOOST_TEST(error("file:" + dir.file("pin")).find("1 to 252") != std::string::npos);
  dir.write("pin", std::string(252, '1'), 0600);
  BOOST_TEST(with("file:" + dir.file("pin")).config.has_value());
  dir.write("pin", "1234", 0640);
  BOOST_TEST(error("file:" + dir.file("pin")).find("chmod 600") != std::string::npos);
  BOOST_TEST(error("file:pin").find("/ABSOLUTE/PATH") != std::string::npos);
  BOOST_TEST(error("file:/nonexistent/pin").find("No such file") != std::string::npos);
  BOOST_TEST(error("vault").find("pin = vault") != std::string::npos);
  BOOST_TEST(error("pin").find("write client, none, vault or") != std::string::npos);
}

/* Names and patterns become bits; both lists of a kind may stand together. */
BOOST_AUTO_TEST_CASE(a_filter_is_what_its_words_say) {
  ConfigDir dir;
  std::string text = good(dir);
  const size_t at = text.find("layer { backend = hsm");
  BOOST_REQUIRE(at != text.npos);
  text.insert(at + 21,
              " functions = {\"C_*\"} no-functions = {\"C_Wrap*\", C_DestroyObject}"
              " mechanisms = {\"CKM_RSA_*\"} no-mechanisms = {CKM_RSA_X_509} no-export = yes"
              " show = {\"class=private-key;class=public-key;label=web-*;id=0a*\"}"
              " hide = {\"label=*;id=00\"} policy = audit");
  LoadedConfig loaded = load(dir, text);
  require_good(loaded);
  LoadedConfig again = read_back(dir, *loaded.config);
  for (const LoadedConfig* one : {&loaded, &again}) {
    const auto& configured = one->config->tokens.at(0).layers.at(0).filter;
    BOOST_REQUIRE(configured.has_value());
    const FilterPlan& plan = configured->plan;
    BOOST_REQUIRE(filter_is_good(plan));
    BOOST_TEST(plan.flags == (kFilterKnown & ~uint32_t{kFilterCreate}));
    LayerFilter filter(plan);
    for (const FunctionRow& row : kFunctionTable)
      BOOST_TEST(filter.takes_function(row.number) ==
                     (row.number != kC_WrapKey && row.number != kC_WrapKeyAuthenticated &&
                      row.number != kC_DestroyObject),
                 row.name);
    for (const MechanismRow& row : mechanism_rows())
      BOOST_TEST(
          filter.takes_mechanism(row.type) ==
              (std::string_view(row.name).starts_with("CKM_RSA_") && row.type != CKM_RSA_X_509),
          row.name);
    BOOST_REQUIRE(plan.objects == 2u);
    BOOST_TEST(plan.object[0].shows == 1u);
    BOOST_TEST(plan.object[0].classes == (kCreatePrivateKey | kCreatePublicKey));
    BOOST_TEST(std::string(plan.object[0].label) == "web-*");
    BOOST_TEST(std::string(plan.object[0].id) == "0a*");
    BOOST_TEST(plan.object[1].shows == 0u);
    BOOST_TEST(std::string(plan.object[1].id) == "00");
  }
  /* Nothing written refuses nothing; an empty list of what is taken takes nothing. */
  BOOST_TEST(!load(dir, good(dir)).config->tokens.at(0).layers.at(0).filter.has_value());
  text = good(dir);
  text.insert(text.find("layer { backend = hsm") + 21, " functions = {}");
  loaded = load(dir, text);
  require_good(loaded);
  LayerFilter none(loaded.config->tokens.at(0).layers.at(0).filter->plan);
  for (const FunctionRow& row : kFunctionTable)
    BOOST_TEST(none.takes_function(row.number) == !filterable(row), row.name);
}

BOOST_AUTO_TEST_CASE(a_way_around_a_filter_is_told) {
  ConfigDir dir;
  auto warnings = [&](const std::string& second) {
    std::string text = good(dir) +
                       "token One { layer { backend = hsm token = a no-export = yes } "
                       "allow = {\"a@B\"} }\n" +
                       second;
    LoadedConfig loaded = load(dir, text);
    require_good(loaded);
    size_t told = 0;
    for (const std::string& line : loaded.warnings)
      told += line.find("keeps nothing from who also sees it here") != line.npos;
    return told;
  };
  auto two = [](const std::string& layer) {
    return "token Two { layer { backend = hsm " + layer + " } allow = {\"a@B\"} }\n";
  };
  BOOST_TEST(warnings(two("token = a")) == 1u);
  BOOST_TEST(warnings(two("token = b")) == 0u);
  BOOST_TEST(warnings(two("token = a no-export = yes")) == 0u);
}

BOOST_AUTO_TEST_CASE(groups) {
  ConfigDir dir;
  const std::string head = kUsers + std::string(kListener) + backend(dir);
  const std::string token = "token T { layer { backend = hsm } allow = {\"group:g\"} }\n";
  auto bad = [&](const std::string& body, const std::string& part) {
    return only_error(dir, head + "group g { " + body + " }\n" + token, 5, part);
  };
  const std::string file = "file = \"" + dir.file("members") + "\"";
  dir.write("members", "# who signs\n\n  alice@R\t# since May\r\n*/admin@R\nuid:7\nlocal:web",
            0644);
  LoadedConfig loaded =
      load(dir, head + token + "group g { members = {\"bob@R\"} " + file + " }\n");
  require_good(loaded);
  const GroupConfig& g = loaded.config->groups[0];
  std::vector<std::string> rules, places;
  for (const GroupMember& member : g.all) {
    rules.push_back(member.rule);
    places.push_back(member.where);
  }
  BOOST_TEST(
      (rules == std::vector<std::string>{"bob@R", "alice@R", "*/admin@R", "uid:7", "local:web"}));
  BOOST_TEST(places[0] == "line 6");
  BOOST_TEST(places[1] == dir.file("members") + ":3");
  /* Nobody's: allowed, as a group may be empty for a while. */
  loaded = load(dir, head + token + "group g { members = {} }\n");
  BOOST_TEST(loaded.config.has_value());
  BOOST_TEST(loaded.warnings.size() == 1u);

  BOOST_TEST(bad("", "says nothing"));
  BOOST_TEST(bad("members = {\"alice\"}", "has no realm"));
  BOOST_TEST(bad("members = {\"group:g\"}", "no groups of groups"));
  BOOST_TEST(bad("file = members", "is relative"));
  BOOST_TEST(bad("file = \"/nowhere/members\"", "No such file"));
  BOOST_TEST(bad("file = \"" + dir.path() + "\"", "not a regular file"));
  BOOST_TEST(bad("unix-group = \"no such\"", "no group 'no such'"));
  BOOST_TEST(bad("realm = R", "add that, or remove it"));
  BOOST_TEST(bad("unix-group = root realm = \"*\"", "realm = '*' is not usable"));
  dir.write("members", "alice@R\nbob\n", 0644);
  BOOST_TEST(bad(file, "members:2: 'bob' has no realm"));
  dir.write("members", "uid:7\ngroup:g\n", 0644);
  BOOST_TEST(bad(file, "members:2: 'group:g' is a group"));
  dir.write("members", "uid:7\n\nalice@R\rbob@R\n", 0644);
  BOOST_TEST(bad(file, "members:3: "));
  dir.write("members", std::string("alice@R\0.EVIL\n", 14), 0644);
  BOOST_TEST(bad(file, "has a control character"));
  dir.write("members",
            "\xef\xbb\xbf"
            "alice@R\n",
            0644);
  BOOST_TEST(bad(file, "byte order mark"));
  dir.write("members", std::string(512, 'x') + "@R\n", 0644);
  BOOST_TEST(bad(file, "is too long"));
  dir.write("members", "alice@R\n", 0666);
  BOOST_TEST(bad(file, "chmod go-w"));
  BOOST_TEST(only_error(dir, head + token, 5, "names no group of this file"));
  BOOST_TEST(only_error(dir,
                        head + "group \"a b\" { members = {\"a@R\"} }\n" +
                            "token T { layer { backend = hsm } allow = {\"a@R\"} }\n",
                        5, "letters, digits"));
}

/* root is in its own group on every machine, whatever else is in it. */
BOOST_AUTO_TEST_CASE(groups_of_the_machine) {
  auto members = read_unix_group("root", "");
  BOOST_REQUIRE(members.ok());
  auto names = [&](const char* rule) {
    return std::count_if(members->begin(), members->end(),
                         [&](const GroupMember& m) { return m.rule == rule; });
  };
  BOOST_TEST(names("uid:0") == 1);
  BOOST_TEST(names("root@EXAMPLE.ORG") == 0);
  members = read_unix_group("root", "EXAMPLE.ORG");
  BOOST_REQUIRE(members.ok());
  BOOST_TEST(names("uid:0") == 1);
  BOOST_TEST(names("root@EXAMPLE.ORG") == 1);
}

BOOST_AUTO_TEST_CASE(what_stands_in_the_group_files) {
  ConfigDir dir;
  dir.write("group", "+ops:::\nother:x:5:dave\nops:x:7:bob,+eve,a*b,far\n", 0644);
  const std::string accounts =
      "root:x:0:0::/:/bin/sh\n+alice::7::::\n-eve::::::\n+::::::\nbob:x:1001:1001::/:/bin/sh\n"
      "carol:x:1002:7::/:/bin/sh\na*b:x:1003:1003::/:/bin/sh\n";
  dir.write("passwd", accounts, 0644);
  const std::string group = dir.file("group"), passwd = dir.file("passwd");
  auto rules = [&](const std::string& name, const std::string& realm) {
    std::vector<std::string> all;
    auto members = read_unix_group(name, realm, {group.c_str(), passwd.c_str()});
    if (!members) return std::vector<std::string>{members.error().text};
    for (const GroupMember& member : *members) all.push_back(member.rule);
    return all;
  };
  using Rules = std::vector<std::string>;
  BOOST_TEST((rules("ops", "") == Rules{"uid:1001", "uid:1002", "uid:1003"}));
  BOOST_TEST((rules("ops", "R") ==
              Rules{"uid:1001", "bob@R", "uid:1002", "carol@R", "uid:1003", "a\\*b@R", "far@R"}));
  BOOST_TEST((rules("other", "R") == Rules{"dave@R"}));
  /* Who cannot be written as a principal is told, not left out. */
  const std::string realm(510, 'R');
  BOOST_TEST(rules("other", realm)[0].find("is too long;") != std::string::npos);
  dir.write("passwd", accounts + "x:x:9:9:" + std::string(300000, 'x') + ":/:/bin/sh\n", 0644);
  BOOST_TEST(rules("ops", "")[0].find("has a line that is too long") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(identities) {
  ConfigDir dir;
  const std::string start = kUsers + std::string(kListener) + backend(dir);
  const std::string token =
      "token Keys { layer { backend = hsm } pin-select = yes allow = {\"a@R\"} }\n";
  LoadedConfig loaded =
      load(dir, start + "group g { members = {\"a@R\"} }\n" + token +
                    "act-as \"svc/web@R\" { allow = {\"group:g\", \"*/admin@R\"} }\n"
                    "act-as local:web { allow = {\"uid:7\"} }\n");
  require_good(loaded);
  BOOST_TEST(loaded.warnings.empty());
  const Config& c = *loaded.config;
  BOOST_TEST(c.tokens.at(0).pin_select);
  BOOST_TEST(!c.tokens.at(0).serial.empty()); /* it is the same whoever is acted as */
  BOOST_TEST(c.identities.at(0).identity == "svc/web@R");
  BOOST_TEST((c.identities[0].allow == std::vector<std::string>{"group:g", "*/admin@R"}));
  BOOST_TEST(c.identities.at(1).identity == "local:web");
  read_back(dir, c);
  const std::string dump = dump_config(c);
  BOOST_TEST(dump.find("act-as \"svc/web@R\"") != std::string::npos);
  for (auto [identity, wrong] :
       std::vector<std::pair<std::string, std::string>>{{"*@R", "is one and no pattern"},
                                                        {"a*@R", "has an asterisk"},
                                                        {"web", "has no realm"},
                                                        {"group:g", "is a group"},
                                                        {"uid:x", "is not uid:NUMBER"},
                                                        {"a+b@R", "which is where the PIN begins"},
                                                        {"a\\\\/b@R", "has a backslash"}})
    BOOST_TEST(
        only_error(dir, start + token + "\nact-as \"" + identity + "\" { allow = {\"a@R\"} }\n", 7,
                   wrong),
        identity);
  const std::string web = "act-as \"svc/web@R\" { allow = {\"a@R\"} }\n";
  BOOST_TEST(only_error(dir, start + token + web + web, 7, "duplicate name"));
  BOOST_TEST(
      only_error(dir, start + token + "act-as x@R { allow = {\"group:h\"} }", 6, "no group"));
  BOOST_TEST(
      only_error(dir,
                 start +
                     "token K { layer { backend = hsm }\npin-select = yes access = read-write "
                     "admin = yes }\n" +
                     web,
                 6, "remove one of them"));
  auto warns = [&](const std::string& text, const std::string& part) {
    LoadedConfig with = load(dir, start + text);
    return with.config && with.warnings.size() == 1 &&
           with.warnings[0].find(part) != std::string::npos;
  };
  BOOST_TEST(warns(kToken + web, "no token has pin-select"));
  BOOST_TEST(warns(token, "no act-as that names an identity"));
  BOOST_TEST(warns(token + "act-as x@R { }\n", "nobody can act as it"));
}

BOOST_AUTO_TEST_SUITE_END()
