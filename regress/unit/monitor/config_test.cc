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
/* The configuration: what is accepted, what is refused and on which line, and that -T reads back.
 */
#include "config.h"

#include <sys/stat.h>
#include <unistd.h>

#include "config_fixture.h"
#include "layer_filter.h"
#include "remote_start.h"
#include "start_blocks.h"

using namespace mp11;
using namespace mp11::config_test;

BOOST_AUTO_TEST_SUITE(config)

BOOST_AUTO_TEST_CASE(minimal_file_and_its_defaults) {
  ConfigDir dir;
  LoadedConfig loaded = load(dir, good(dir));
  require_good(loaded);
  const Config& c = *loaded.config;
  BOOST_TEST(!c.unprivileged);
  BOOST_TEST(c.tokens[0].layers.at(0).read_only); /* safe unless the file says more */
  BOOST_TEST(!c.tokens[0].admin);
  BOOST_TEST((c.sandbox == SandboxMode::kFull));
  BOOST_TEST(c.users.net.uid == 64004u);
  BOOST_TEST(c.handshake_timeout_s == 30u);
  BOOST_TEST(!c.has_tcp());
}

BOOST_AUTO_TEST_CASE(dump_reads_back_the_same) {
  ConfigDir dir;
  std::string text =
      kUsers + std::string("log-level = debug log-target = \"file:") + dir.file("log file") +
      "\"\nlisten"
      "er a { path = \"" +
      dir.file("s \\\"q\\\"") +
      "\" mode = 0660 principal = web }\nlistener t { address = \"::1\" port = 99 }\nkeytab = \"" +
      dir.file("keytab") + "\" principal = \"pkcs11/host@EXAMPLE.ORG\"\n" +
      backend(dir,
              "environment = {'A=${B} \"x\"', \"C=\\\\\"} read = {\"/tmp\"} token-lock = yes") +
      "backend tr { module = \"" + dir.file("module.so") +
      "\" user = \"64011:64011\" transparent = yes admin = yes allow = {\"uid:0\"} }\n" +
      "token 'a # \"b\" // c' { layer { backend = hsm token = \"pkcs11:serial=x%24;token=x$y\" } "
      "access = read-write "
      "serial = 1 allow = {\"*/admin@R\", \"uid:7\", \"local:web\", \"group:g\"} }\n"
      "token Layered { layer { backend = hsm token = a access = read-write create = {secret-key, "
      "\"certificate\", \"CKM_AES_*\"} } "
      "layer { backend = tr token = b required = yes allow = {\"uid:7\", \"group:g\"} } layer { "
      "backend = tr token = c pin = none } "
      "allow = {\"uid:7\"} }\n"
      "group g { members = {\"a\\\\*@R\"} file = \"" +
      dir.file("members") + "\" unix-group = root realm = R }\n";
  dir.write("members", "bob@R\n", 0644);
  LoadedConfig first = load(dir, text);
  require_good(first);
  const LoadedConfig second = read_back(dir, *first.config);
  const std::vector<LayerConfig>& layers = second.config->tokens.at(1).layers;
  BOOST_REQUIRE(layers.size() == 3u);
  BOOST_TEST(!layers[0].read_only);
  BOOST_TEST(layers[0].creates == (kCreateSecretKey | kCreateCertificate));
  BOOST_TEST(layers[1].creates == 0u);
  BOOST_REQUIRE(layers[0].filter.has_value());
  BOOST_TEST(layers[0].filter->plan.flags == uint32_t{kFilterCreate});
  const LayerFilter filter(layers[0].filter->plan);
  BOOST_TEST((filter.makes_with(CKM_AES_KEY_GEN) && !filter.makes_with(CKM_DES3_KEY_GEN)));
  BOOST_TEST((!filter.makes_with(CKM_VENDOR_DEFINED) && filter.takes_mechanism(CKM_DES3_KEY_GEN)));
  BOOST_TEST(!layers[1].filter.has_value());
  BOOST_TEST((layers[1].allow == std::vector<std::string>{"uid:7", "group:g"}));
  BOOST_TEST(layers[0].allow.empty());
  BOOST_TEST((layers[1].read_only && layers[1].required && layers[1].backend == 1u));
  BOOST_TEST((layers[2].read_only && !layers[2].required && layers[2].pin == kPinNone));
  BOOST_TEST(second.config->tokens[1].serial == "2522337e36b545b7"); /* of "Layered", for ever */
  BOOST_TEST(second.config->backends[0].environment[0] == "A=${B} \"x\"");
  BOOST_TEST(second.config->backends[0].environment[1] == "C=\\");
  BOOST_TEST(second.config->tokens[0].label == "a # \"b\" // c");
  BOOST_TEST(second.config->listeners[0].path == dir.file("s \"q\""));
  BOOST_TEST(second.config->listeners[0].mode == 0660u);
}

/* libconfuse gives up there without a word; it was taken for an empty file without a mistake. */
BOOST_AUTO_TEST_CASE(a_keyword_of_no_letters_is_a_mistake) {
  ConfigDir dir;
  BOOST_TEST(only_error(dir, "'' = 9\n", 1, "not understood"));
  BOOST_TEST(only_error(dir, good(dir) + "\n'':9y", 7, "not understood"));
  LoadedConfig option = load(dir, good(dir), {"''"});
  BOOST_TEST(!option.config.has_value());
  BOOST_TEST(option.errors.size() == 1u);
}

/* What an error quotes cannot begin a line of its own in the log. */
BOOST_AUTO_TEST_CASE(an_error_is_one_line) {
  ConfigDir dir;
  LoadedConfig loaded = load(dir, good(dir), {"log-level\n<3>forged"});
  BOOST_REQUIRE(loaded.errors.size() == 1u);
  BOOST_TEST(loaded.errors[0].find('\n') == std::string::npos);
}

BOOST_AUTO_TEST_CASE(each_mistake_has_its_line) {
  ConfigDir dir;
  std::string end = good(dir);
  auto first = [&](const std::string& line) { return line + "\n" + end; };
  BOOST_TEST(only_error(dir, "\n\n/* one\n two */ foo = 3\n" + end, 4, "unknown keyword 'foo'"));
  BOOST_TEST(only_error(dir, first("max-connections = many"), 1, "write a number from 1"));
  BOOST_TEST(only_error(dir, first("max-connections = 0"), 1, "write a number from 1"));
  BOOST_TEST(only_error(dir, first("max-connections = 99999999999"), 1, "write a number"));
  BOOST_TEST(only_error(dir, first("unprivileged = maybe"), 1, "write yes or no"));
  BOOST_TEST(only_error(dir, first("pool-size = 1\npool-size = 2"), 2, "already set on line 1"));
  BOOST_TEST(only_error(dir, first("run-directory = run"), 1, "relative"));
  BOOST_TEST(only_error(dir, first("log-level = loud"), 1, "write info or error"));
  BOOST_TEST(only_error(dir, first("log-target = \"file:x\""), 1, "file:/ABSOLUTE/PATH"));
  BOOST_TEST(only_error(dir, first("sandbox = none"), 1, "write full or seccomp-only"));
  BOOST_TEST(only_error(dir, first("state-directory = x"), 1, "write it from the root"));
  BOOST_TEST(only_error(dir, first("principal = host"), 1, "has no realm"));
  BOOST_TEST(only_error(dir, first("principal = \"*@R\""), 1, "is a pattern"));
  BOOST_TEST(only_error(dir, first("keytab = \"/nonexistent\""), 1, "No such file"));
  BOOST_TEST(only_error(dir, first("run-directory = \"/a\\nb\""), 1, "single quotes"));
  BOOST_TEST(only_error(dir, first("run-directory = \"${HOME}\""), 1, "not replaced"));
  BOOST_TEST(only_error(dir, first("users { }"), 2, "a second users section"));
}

BOOST_AUTO_TEST_CASE(strings_and_comments_that_do_not_end) {
  ConfigDir dir;
  BOOST_TEST(only_error(dir, "\nkeytab = \"/x\n" + good(dir), 2, "does not end"));
  BOOST_TEST(only_error(dir, "\n/* x\n", 2, "does not end"));
  /* libconfuse's scanner must not remember: the next good file loads. */
  BOOST_TEST(load(dir, good(dir)).config.has_value());
  BOOST_TEST(only_error(dir, "\nbackend x {\n", 2, "not closed"));
  BOOST_TEST(load(dir, good(dir)).config.has_value());
}

/* What libconfuse would make of them means more than what stands there. */
BOOST_AUTO_TEST_CASE(escapes) {
  ConfigDir dir;
  auto allow = [&](const std::string& entry) {
    return kUsers + std::string(kListener) + backend(dir) +
           "token T { layer { backend = hsm } allow = {" + entry + "} }\n";
  };
  for (const char* entry : {R"("\\*@R")", R"('\*@R')", R"('\\*@R')"})
    BOOST_TEST(load(dir, allow(entry)).config->tokens[0].allow[0] == "\\*@R", entry);
  for (const char* entry : {R"("\*@R")", R"("a\/b@R")", R"("a@R\0x")", R"("a@R\x00x")"})
    BOOST_TEST(only_error(dir, allow(entry), 5, "single quotes"), entry);
  for (const char* quote : {"'", "\""})
    for (const char* before : {"", "\\"})
      BOOST_TEST(
          !load(dir, allow(quote + ("a@R" + std::string(before)) + '\0' + "x" + quote)).config);
}

BOOST_AUTO_TEST_CASE(listeners) {
  ConfigDir dir;
  std::string rest = kUsers + backend(dir) + kToken;
  auto one = [&](const std::string& body) { return "listener a {\n" + body + " }\n" + rest; };
  BOOST_TEST(only_error(dir, one("path = \"/x\""), 1, "exactly one of peer-uid"));
  BOOST_TEST(only_error(dir, one("path = \"/x\" peer-uid = yes principal = a"), 1, "exactly one"));
  BOOST_TEST(only_error(dir, "keytab = \n" + std::string(), 2, "premature end of file"));
  BOOST_TEST(
      only_error(dir, one("path = \"/x\" peer-uid = yes port = 1"), 1, "write either address"));
  BOOST_TEST(only_error(dir, one("path = \"/x\" principal = \"uid:1\""), 2, "not usable here"));
  BOOST_TEST(only_error(dir, one("path = \"x\" peer-uid = yes"), 2, "relative"));
  BOOST_TEST(only_error(dir, one("path = \"/x\" peer-uid = yes mode = 8"), 2, "like 0660"));
  BOOST_TEST(only_error(dir, one("path = \"/x\" peer-uid = yes group = nosuch"), 2, "no group"));
  std::string secrets = "keytab = \"" + dir.file("keytab") + "\" principal = \"p/h@R\"\n";
  auto tcp = [&](const std::string& body) { return one(body) + secrets; };
  BOOST_TEST(load(dir, tcp("address = \"127.0.0.1\"")).config.has_value());
  BOOST_TEST(only_error(dir, tcp("address = localhost"), 2, "not a literal"));
  BOOST_TEST(only_error(dir, tcp("address = \"::1\" port = 70000"), 2, "1 to 65535"));
  BOOST_TEST(only_error(dir, tcp("address = \"::1\" security = {kdh, tls}"), 2,
                        "security: 'tls' is none; write kdh, gss or both"));
  BOOST_TEST(only_error(dir, tcp("address = \"::1\" security = {}"), 1, "nobody could call"));
  const std::string sctp = "address = \"::1\" transport = sctp ";
  BOOST_TEST(only_error(dir, tcp(sctp), 2, "write security = gss"));
  BOOST_TEST(only_error(dir, tcp(sctp + "security = kdh"), 2, "write security = gss"));
  BOOST_TEST(only_error(dir, tcp(sctp + "security = {gss, kdh}"), 2, "write security = gss"));
  BOOST_TEST(only_error(dir, tcp("address = \"::1\" transport = udp"), 2, "write tcp or sctp"));
  BOOST_TEST(only_error(dir, tcp("address = \"::1\" optional = yes"), 2, "transport = sctp"));
  BOOST_TEST(only_error(dir, one("path = \"/x\" peer-uid = yes optional = yes"), 2,
                        "belongs to a listener with address"));
  const std::string sctp4 = "address = \"192.0.2.7\" transport = sctp security = gss also = ";
  BOOST_TEST(only_error(dir, tcp("address = \"::1\" also = {\"::2\"}"), 2, "transport = sctp"));
  BOOST_TEST(only_error(dir, tcp(sctp4 + "{\"hsm.example.org\"}"), 2, "not a literal"));
  BOOST_TEST(only_error(dir, tcp(sctp4 + "{\"2001:db8::7\"}"), 2, "of another family"));
  BOOST_TEST(only_error(dir, tcp(sctp4 + "{\"192.0.2.7\"}"), 2, "there already"));
  BOOST_TEST(only_error(dir, tcp(sctp4 + "{\"192.0.2.8\", \"192.0.2.8\"}"), 2, "there already"));
  BOOST_TEST(only_error(dir, tcp(sctp4 + "{\"0.0.0.0\"}"), 2, "is every address"));
  BOOST_TEST(only_error(dir,
                        tcp("address = \"0.0.0.0\" transport = sctp security = gss also = "
                            "{\"192.0.2.8\"}"),
                        2, "is every address"));
  std::string many;
  for (size_t i = 0; i < limits::kFurtherAddresses; i++)
    many += "\"192.0.2." + std::to_string(100 + i) + "\", ";
  BOOST_TEST(only_error(dir, tcp(sctp4 + "{" + many + "\"192.0.2.9\"}"), 2, "may be 15"));
  LoadedConfig homes = load(dir, tcp(sctp4 + "{\"192.0.2.8\", \"198.51.100.7\"}"));
  require_good(homes);
  BOOST_TEST(homes.config->listeners[0].also ==
             (std::vector<std::string>{"192.0.2.8", "198.51.100.7"}));
  read_back(dir, *homes.config);
  const std::string both =
      tcp(sctp + "security = gss optional = yes") + "listener b { address = \"::1\" }\n";
  LoadedConfig on_both = load(dir, both); /* one address, one port, and two transports */
  require_good(on_both);
  BOOST_TEST((on_both.config->listeners[0].sctp && on_both.config->listeners[0].optional));
  BOOST_TEST((!on_both.config->listeners[1].sctp && !on_both.config->listeners[1].optional));
  read_back(dir, *on_both.config);
  BOOST_TEST(only_error(dir,
                        tcp(sctp + "security = gss") + "listener b { " + sctp + "security = gss }",
                        4 + 4, "is where listener 'a' is"));
  BOOST_TEST(only_error(dir, tcp("address = \"::1\" encodings = {\"der\", \"ber\"}"), 2,
                        "encodings: 'ber' is none; write der, xer or jer"));
  BOOST_TEST(only_error(dir, tcp("address = \"::1\" encodings = {}"), 1, "nobody could call"));
  BOOST_TEST(only_error(dir, tcp("address = \"::1\" peer-uid = yes"), 2, "belongs to a listener"));
  LoadedConfig loaded = load(dir, one("address = \"127.0.0.1\""));
  BOOST_TEST(loaded.errors.size() == 2u); /* keytab and principal: both told in one run */
  BOOST_TEST(only_error(dir, good(dir) + "listener here { path = \"/y\" peer-uid = yes }", 6,
                        "duplicate name 'here'"));
  BOOST_TEST(only_error(dir,
                        good(dir) + "listener b { path = \"/tmp/nowhere.sock\" peer-uid = yes }", 6,
                        "is where listener 'here' is"));
}

BOOST_AUTO_TEST_CASE(backends) {
  ConfigDir dir;
  std::string head = kUsers + std::string(kListener);
  auto bad = [&](const std::string& body, const std::string& part) {
    return only_error(dir, head + backend(dir, "\n" + body) + kToken, 5, part);
  };
  BOOST_TEST(bad("isolate = process", "write backend or token"));
  BOOST_TEST(bad("uids = \"70000-70009\" isolate = backend", "belongs to isolate = token"));
  BOOST_TEST(bad("skeleton = \"/etc\"", "belongs to isolate = token"));
  BOOST_TEST(bad("environment = {\"=x\"}", "NAME=VALUE"));
  BOOST_TEST(bad("environment = {\"LD_PRELOAD=x\"}", "no effect"));
  BOOST_TEST(bad("read = {\"etc\"}", "relative"));
  BOOST_TEST(bad("write = {\"/nonexistent\"}", "No such file"));
  BOOST_TEST(bad("allow = {\"a@B\"}", "belongs to a token"));
  BOOST_TEST(bad("admin = yes", "belongs to a token"));
  BOOST_TEST(bad("max-instances = 1 prestart = 2", "above max-instances"));
  BOOST_TEST(bad("deadline = 0", "write a number from 1"));
  auto module = [&](const std::string& path) {
    return head + "backend hsm {\n user = \"64010:64010\" module = \"" + path + "\" }\n" + kToken;
  };
  BOOST_TEST(only_error(dir, module("/nonexistent.so"), 5, "No such file"));
  BOOST_TEST(only_error(dir, module("/tmp"), 5, "not a regular file"));
  BOOST_TEST(only_error(dir, module("m.so"), 5, "relative"));
  ::chmod(dir.file("module.so").c_str(), 0666);
  BOOST_TEST(only_error(dir, good(dir), 4, "can be written to by others"));
}

BOOST_AUTO_TEST_CASE(servers) {
  ConfigDir dir;
  const std::string head = kUsers + std::string(kListener);
  auto server = [&](const std::string& body) {
    return head + "backend far { user = \"64010:64010\"\n" + body +
           " }\ntoken Keys { layer { backend = far token = x } allow = {\"alice@EXAMPLE.ORG\"} }\n";
  };
  const std::string keytab = "keytab = \"" + dir.file("keytab") + "\" ";
  const std::string there = "server = \"tcp://keys.example.org\" " + keytab;
  LoadedConfig loaded =
      load(dir, server(there + "principal = \"pkcs11/keys.example.org@EXAMPLE.ORG\" security = gss "
                               "client-principal = \"multip11/here@EXAMPLE.ORG\" memory-limit = 64 "
                               "environment = {\"KRB5_CONFIG=/k\"} transparent = yes"));
  require_good(loaded);
  const BackendConfig& b = loaded.config->backends[0];
  BOOST_TEST((b.is_server() && b.server == "keys.example.org:4611"));
  BOOST_TEST(b.deadline_start_s == 15u);
  read_back(dir, *loaded.config);

  /* multip11-remote understands what it is told, and that is what was configured. */
  Result<RemoteStart> start = parse_remote_start(start_block_of(b, SandboxMode::kFull, false, ""));
  BOOST_REQUIRE_MESSAGE(start, (start ? "" : start.error().text));
  BOOST_TEST((start->host == "keys.example.org" && start->port == "4611" && start->name == "far"));
  BOOST_TEST((start->keytab && !start->owner && !start->landlock_may_be_absent));
  BOOST_TEST(start->principal == "pkcs11/keys.example.org@EXAMPLE.ORG");
  BOOST_TEST(start->client == "multip11/here@EXAMPLE.ORG");
  BOOST_TEST((start->environment == std::vector<std::string>{"KRB5_CONFIG=/k"}));
  BOOST_TEST((start->deadline_s == 10u && start->memory_mib == 64u));
  for (const char* wrong : {"server=h:1\ntickets=keytab\nowner=pidfd\n", "server=h:1\nenv.1=A=B\n",
                            "server=h:1\ntickets=some\n", "server=h:1\nclient=\n"})
    BOOST_TEST(!parse_remote_start(wrong), wrong);

  const std::string by_sctp = "server = \"sctp://keys.example.org:99\" " + keytab;
  LoadedConfig over_sctp = load(dir, server(by_sctp));
  require_good(over_sctp);
  BOOST_TEST(over_sctp.config->backends[0].sctp);
  read_back(dir, *over_sctp.config);
  start = parse_remote_start(
      start_block_of(over_sctp.config->backends[0], SandboxMode::kFull, false, ""));
  BOOST_REQUIRE_MESSAGE(start, (start ? "" : start.error().text));
  BOOST_TEST((start->sctp && start->host == "keys.example.org" && start->port == "99"));
  BOOST_TEST(!parse_remote_start("server=h:1\ntransport=sctp\nsecurity=kdh\n"));
  BOOST_TEST(!parse_remote_start("server=h:1\ntransport=udp\n"));

  auto bad = [&](const std::string& body, const std::string& part) {
    return only_error(dir, server(body), 5, part);
  };
  BOOST_TEST(bad(by_sctp + "security = kdh", "write gss, or tcp://"));
  for (const char* address : {"", "keys.example.org", "keys.example.org:4611", "tcp://h/x",
                              "tcp://h:0", "tcp://[::1", "http://h"})
    BOOST_TEST(bad("server = \"" + std::string(address) + "\" " + keytab, "write tcp://HOST"));
  BOOST_TEST(bad("server = \"unix:///run/x\" " + keytab, "is on this host"));
  BOOST_TEST(bad(there + "module = \"" + dir.file("module.so") + "\"", "remove one of them"));
  BOOST_TEST(bad(there + "isolate = token", "is for a library"));
  BOOST_TEST(bad(there + "uids = \"70000-70009\"", "is for a library"));
  BOOST_TEST(bad(there + "skeleton = \"/etc\"", "is for a library"));
  BOOST_TEST(bad(there + "prestart = 1", "connected to when it is needed"));
  BOOST_TEST(bad(there + "token-lock = yes", "is for a library"));
  BOOST_TEST(bad(there + "read = {\"/etc\"}", "is for a library"));
  BOOST_TEST(bad(there + "file-limit = 99", "is for a library"));
  BOOST_TEST(bad(there + "security = tls", "write kdh or gss"));
  BOOST_TEST(bad(there + "principal = \"pkcs11/h\"", "write pkcs11/HOST@REALM"));
  BOOST_TEST(bad(there + "client-principal = \"*/h@R\"", "is a pattern"));
  BOOST_TEST(bad("server = \"tcp://h\" keytab = relative", "write it from the root"));
  dir.write("open", "x", 0640);
  BOOST_TEST(bad("server = \"tcp://h\" keytab = \"" + dir.file("open") + "\"", "chmod 600"));
  BOOST_TEST(bad("server = \"tcp://h\" keytab = \"" + dir.file("none") + "\"", "No such file"));
  BOOST_TEST(only_error(dir, server("server = \"tcp://h\""), 4, "add keytab"));
  BOOST_TEST(only_error(
      dir, keytab + "principal = \"pkcs11/h@R\" listener t { address = \"::1\" }\n" + server(there),
      6, "that of this daemon's own service"));
  BOOST_TEST(only_error(dir, head + backend(dir, "\n" + keytab) + kToken, 5,
                        "belongs to a backend with server"));
  std::string on_demand = server(there);
  on_demand.insert(on_demand.find("token = x"), "\non-demand = yes access = read-write ");
  BOOST_TEST(only_error(dir, on_demand, 7, "is not for a backend with server"));
}

BOOST_AUTO_TEST_CASE(users_and_clashes) {
  ConfigDir dir;
  std::string rest = std::string(kListener) + kToken;
  std::string module = "backend hsm { module = \"" + dir.file("module.so") + "\" ";
  auto user = [&](const std::string& who) {
    return kUsers + rest + module + "user = \"" + who + "\" }\n";
  };
  BOOST_TEST(only_error(dir, user("0:5"), 5, "is root"));
  BOOST_TEST(only_error(dir, user("5:0"), 5, "is root"));
  BOOST_TEST(only_error(dir, user("root"), 5, "is root"));
  BOOST_TEST(only_error(dir, user("64002:7"), 5, "same uid as multip11-vault"));
  BOOST_TEST(only_error(dir, user("7:64002"), 5, "same group as multip11-vault"));
  BOOST_TEST(only_error(dir, user("no-such-user"), 5, "there is no user"));
  BOOST_TEST(only_error(dir, user("1:x"), 5, "not understood"));
  BOOST_TEST(only_error(dir, kUsers + rest + module + "}\n", 5, "has no user"));
  std::string two = good(dir) + "backend b { module = \"" + dir.file("module.so") +
                    "\" user = \"64010:64011\" }\n";
  BOOST_TEST(only_error(dir, two, 6, "same uid as backend 'hsm'"));
  BOOST_TEST(load(dir, "unprivileged = yes " + rest + module + "}\n").config.has_value());
}

BOOST_AUTO_TEST_CASE(several_errors_in_one_run) {
  ConfigDir dir;
  LoadedConfig loaded = load(dir, "pool-size = x\nlog-rate = y\n" + good(dir));
  BOOST_TEST(loaded.errors.size() == 2u);
}

BOOST_AUTO_TEST_CASE(options_go_over_the_file) {
  ConfigDir dir;
  LoadedConfig loaded = load(dir, "pool-size = 1\n" + good(dir), {"pool-size=7", "log-rate = 5"});
  BOOST_REQUIRE(loaded.config);
  BOOST_TEST(loaded.config->pool_size == 7u);
  BOOST_TEST(loaded.config->log_rate == 5u);
  loaded = load(dir, good(dir), {"nothing=7"});
  BOOST_REQUIRE_EQUAL(loaded.errors.size(), 1u);
  BOOST_TEST(loaded.errors[0].find("option -o: unknown keyword 'nothing'") == 0u);
  loaded = load(dir, good(dir), {"pool-size=x"});
  BOOST_REQUIRE_EQUAL(loaded.errors.size(), 1u);
  BOOST_TEST(loaded.errors[0].find("option -o: ") == 0u);
}

BOOST_AUTO_TEST_CASE(who_can_write_the_file) {
  ConfigDir dir;
  dir.write("conf", good(dir), 0664);
  LoadedConfig loaded = load_config({dir.file("conf"), {}});
  BOOST_REQUIRE_EQUAL(loaded.errors.size(), 1u);
  BOOST_TEST(loaded.errors[0].find("chmod go-w") != std::string::npos);
  ::chmod(dir.file("conf").c_str(), 0644);
  ::chmod(dir.path().c_str(), 0777);
  loaded = load_config({dir.file("conf"), {}});
  BOOST_TEST(loaded.errors.size() == 1u);
  ::chmod(dir.path().c_str(), 0755);
  BOOST_TEST(load_config({dir.file("conf"), {}}).errors.empty());
  if (::geteuid() == 0) {
    BOOST_REQUIRE(::chown(dir.file("conf").c_str(), 64099, 0) == 0);
    loaded = load_config({dir.file("conf"), {}});
    BOOST_REQUIRE_EQUAL(loaded.errors.size(), 1u);
    BOOST_TEST(loaded.errors[0].find("belongs to uid 64099") != std::string::npos);
    BOOST_REQUIRE(::chown(dir.file("conf").c_str(), 0, 0) == 0);
  }
  BOOST_TEST(load_config({dir.file("absent"), {}}).errors.size() == 1u);
  ::chmod(dir.file("keytab").c_str(), 0640);
  BOOST_TEST(
      only_error(dir, "keytab = \"" + dir.file("keytab") + "\"\n" + good(dir), 1, "chmod 600"));
}

BOOST_AUTO_TEST_SUITE_END()
