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
/* multip11.conf(5): what is understood, and what is said of everything else. */
#include <sys/stat.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>

#include "../common/temp_dir.h"
#include "client_config.h"

namespace {

using namespace mp11;
using namespace mp11::client;

/* Files of a user's, and what is said of them. */
struct Files : test::TempDir {
  std::string write(const std::string& name, const std::string& text, mode_t mode = 0600) const {
    return TempDir::write(name, text, mode);
  }
  /* The error of a file with that text, without its path. */
  std::string error(const std::string& text) {
    ConfigPlaces places;
    places.only_file = write("one.conf", text);
    Result<ClientConfig> config = load_config(places);
    if (config) return "no error";
    const std::string& said = config.error().text;
    BOOST_TEST(said.starts_with(places.only_file));
    return said.substr(std::min(said.size(), places.only_file.size()));
  }
  ClientConfig good(const std::string& text) {
    ConfigPlaces places;
    places.only_file = write("one.conf", text);
    Result<ClientConfig> config = load_config(places);
    BOOST_REQUIRE_MESSAGE(config.ok(), config.error().text);
    return *config;
  }
};

BOOST_FIXTURE_TEST_SUITE(config, Files)

/* What an error quotes cannot begin a line of its own in the log. */
BOOST_AUTO_TEST_CASE(an_error_is_one_line) {
  ConfigPlaces places;
  places.server = "tcp://a\nforged";
  Result<ClientConfig> config = load_config(places);
  BOOST_REQUIRE(!config.ok());
  BOOST_TEST(config.error().text.find('\n') == std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_backend) {
  ClientConfig config = good(R"(
# a comment, with an odd "quote
backend soft-1 {            // another
  module = "/bin/sh"        /* and
                               another */
  environment = { "A=B", 'C=D E#//' }
  read = { "/etc" }
  read += { "/usr" }
  write = {"/tmp"}
  token-lock = yes
  lock-file = /tmp/x.lock
  deadline = 1
  deadline-start = 2
  deadline-long = 604800
  memory-limit = 64
  file-limit = 16
  workers = 8
  sandbox = seccomp-only
}
log-level = debug
)");
  BOOST_REQUIRE(config.backend.has_value());
  const BackendConfig& b = *config.backend;
  BOOST_TEST((b.kind == BackendKind::kLibrary));
  BOOST_TEST(b.name == "soft-1");
  BOOST_TEST(b.module == "/bin/sh");
  BOOST_REQUIRE(b.environment.size() == 2u);
  BOOST_TEST(b.environment[0] == "A=B");
  BOOST_TEST(b.environment[1] == "C=D E#//");
  BOOST_TEST(b.read.size() == 2u);
  BOOST_TEST(b.write.size() == 1u);
  BOOST_TEST(b.token_lock);
  BOOST_TEST(b.lock_file == "/tmp/x.lock");
  BOOST_TEST(b.deadline_s == 1u);
  BOOST_TEST(b.deadline_start_s == 2u);
  BOOST_TEST(b.deadline_long_s == 604800u);
  BOOST_TEST(b.memory_mib == 64u);
  BOOST_TEST(b.files == 16u);
  BOOST_TEST(b.workers == 8u);
  BOOST_TEST(!b.landlock);
  BOOST_TEST((config.log == LogChoice::kDebug));
}

BOOST_AUTO_TEST_CASE(defaults) {
  const ClientConfig config = good("backend b { module = /bin/sh }");
  BOOST_TEST((config.log == LogChoice::kError));
  BOOST_TEST(config.backend->landlock);
  BOOST_TEST(!config.backend->token_lock);
  BOOST_TEST(config.backend->deadline_s == 30u);
  BOOST_TEST(config.backend->environment.empty());
}

BOOST_AUTO_TEST_CASE(servers) {
  BackendConfig b = *good("server = \"tcp://hsm.example.org\"\n").backend;
  BOOST_TEST((b.kind == BackendKind::kRemote));
  BOOST_TEST(b.address == "hsm.example.org:4611");
  b = *good(
           "server main {\n address = \"tcp://[2001:db8::1]:99\"\n security = gss\n"
           " principal = \"pkcs11/a@B\"\n deadline = 7\n}\n")
           .backend;
  BOOST_TEST(b.address == "[2001:db8::1]:99");
  BOOST_TEST(b.principal == "pkcs11/a@B");
  BOOST_TEST(b.deadline_s == 7u);
  BOOST_TEST(!b.sctp);
  b = *good("server s { address = \"sctp://[::1]:99\" security = gss }\n").backend;
  BOOST_TEST((b.kind == BackendKind::kRemote && b.sctp && b.address == "[::1]:99"));
  b = *good("server = \"sctp://hsm\"\n").backend;
  BOOST_TEST((b.sctp && b.address == "hsm:4611"));
  b = *good("server s { address = \"unix:///run/x\" owner = 5 }\n").backend;
  BOOST_TEST((b.kind == BackendKind::kLocal));
  BOOST_TEST(b.path == "/run/x");
  BOOST_TEST(b.owner == 5u);
}

/* The line is that of the mistake, whatever comments and strings stand before it. */
BOOST_AUTO_TEST_CASE(mistakes) {
  struct {
    const char* text;
    const char* says;
  } const cases[] = {
      {"modul = x\n", ":1: unknown keyword 'modul'"},
      {"# c\n\n// c\n/* c\n c */\nmodul = x\n", ":6: unknown keyword 'modul'"},
      {"backend b {\n module = /bin/sh # \"\n modul = x\n}\n", ":3: unknown keyword 'modul'"},
      {"\n/* c\n", ":2: this comment has no end"},
      {"backend b {\n module = \"/does/not/exist\"\n}\n", ":2: module = /does/not/exist: No such"},
      {"backend b {\n module = sh\n}\n", ":2: module = sh: write an absolute path"},
      {"backend b {\n deadline = 1\n}\n", ":3: backend b has no module; add one"},
      {"backend ../b { module = /bin/sh }\n", ":1: backend ../b: write a name"},
      {"backend b {\n environment = {\n \"A=B\",\n \"C\"\n}\n}\n",
       ":4: environment = C: write NAME=VALUE"},
      {"backend b {\n deadline = 0\n}\n", ":2: deadline = 0: write a number from 1 to 604800"},
      {"backend b {\n deadline = 10s\n}\n", ":2: deadline = 10s: write a number"},
      {"backend b {\n workers = 9\n}\n", ":2: workers = 9: write a number from 1 to 8"},
      {"backend b {\n token-lock = maybe\n}\n", ":2: token-lock = maybe: write yes or no"},
      {"backend b {\n sandbox = none\n}\n", ":2: sandbox = none: write full or seccomp-only"},
      {"backend b {\n read = {\"/etc\\n/usr\"}\n}\n", "remove the control character"},
      {"backend a { module = /bin/sh }\nbackend b { module = /bin/sh }\n",
       ":2: backend b: more than one"},
      {"server = \"tcp://x\"\nbackend b { module = /bin/sh }\n", ":2: backend b: more than one"},
      {"server = \"http://x\"\n", ":1: server = http://x: write tcp://HOST"},
      {"server s {\n principal = x\n}\n", ":3: server s has no address"},
      {"server s { address = \"tcp://x\"\n security = none }\n",
       ":2: security = none: write kdh or gss"},
      {"server s { address = \"tcp://x\"\n encoding = ber }\n", ":2: encoding = ber: write der"},
      {"server s { address = \"unix:///x\"\n encoding = jer }\n",
       ":2: server s: encoding means nothing for unix:///x"},
      {"server s { address = \"tcp://x\"\n eager = on }\n", ":2: eager = on: write yes or no"},
      {"server s { address = \"unix:///x\"\n eager = no }\n",
       ":2: server s: eager means nothing for unix:///x"},
      {"server s { address = \"unix:///x\"\n security = gss }\n",
       ":2: server s: security means nothing for unix:///x"},
      {"server s { address = \"sctp://x\"\n security = kdh }\n", "is not for sctp://"},
      {"server s { address = \"tcp://x\"\n owner = 0 }\n",
       ":2: server s: owner means nothing for tcp://x"},
      {"log-level = loud\n", ":1: log-level = loud: write quiet, error or debug"},
      {"backend b {\n module = /bin/sh\n", ":1: this { has no }"},
  };
  for (const auto& c : cases) {
    const std::string said = error(c.text);
    BOOST_TEST(said.find(c.says) != std::string::npos, c.text << "says: " << said);
  }
}

BOOST_AUTO_TEST_CASE(places) {
  ConfigPlaces p;
  Result<ClientConfig> config = load_config(p);
  BOOST_REQUIRE(config.ok());
  BOOST_TEST(!config->backend.has_value());

  p.system_file = write("system", "server = \"tcp://system\"\nlog-level = quiet\n");
  p.user_file = file("none");
  config = load_config(p);
  BOOST_TEST(config->backend->address == "system:4611");
  p.user_file = write("user", "backend b { module = /bin/sh }\n");
  config = load_config(p);
  BOOST_TEST((config->backend->kind == BackendKind::kLibrary));
  BOOST_TEST((config->log == LogChoice::kQuiet));
  p.user_file = write("user", "log-level = debug\n");
  config = load_config(p);
  BOOST_TEST(config->backend->address == "system:4611");
  BOOST_TEST((config->log == LogChoice::kDebug));
  p.only_file = write("only", "server s { address = \"tcp://only\" principal = p }\n");
  config = load_config(p);
  BOOST_TEST(config->backend->address == "only:4611");
  p.server = "tcp://other:1";
  config = load_config(p);
  BOOST_TEST(config->backend->address == "other:1");
  BOOST_TEST(config->backend->principal == "");
  p.server = "tcp://only";
  config = load_config(p);
  BOOST_TEST(config->backend->principal == "p");
  p.server = "sctp://only"; /* is another, with nothing in the file */
  config = load_config(p);
  BOOST_TEST((config->backend->sctp && config->backend->principal == ""));
  p.server = "only";
  BOOST_TEST(!load_config(p).ok());
  p.server.clear();
  p.only_file = file("none");
  BOOST_TEST(!load_config(p).ok());
}

BOOST_AUTO_TEST_CASE(files_of_others) {
  ConfigPlaces p;
  p.only_file = write("f", "log-level = error\n", 0620);
  BOOST_TEST(load_config(p).error().text.find("chmod go-w") != std::string::npos);
  chmod(p.only_file.c_str(), 0602);
  BOOST_TEST(load_config(p).error().text.find("chmod go-w") != std::string::npos);
  chmod(p.only_file.c_str(), 0644);
  BOOST_TEST(load_config(p).ok());
  if (getuid() == 0) {
    BOOST_REQUIRE(chown(p.only_file.c_str(), 12345, 0) == 0);
    BOOST_TEST(load_config(p).error().text.find("somebody else") != std::string::npos);
  }
  p.only_file = path();
  BOOST_TEST(load_config(p).error().text.find("regular file") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(addresses) {
  BackendConfig b;
  BOOST_TEST(parse_address("tcp://host:1", &b).ok());
  BOOST_TEST(b.address == "host:1");
  for (const char* bad : {"", "host", "tcp://", "tcp://:1", "tcp://h:", "tcp://h:0",
                          "tcp://h:65536", "tcp://h:1x", "tcp://h/p", "tcp://[::1", "tcp://[]:1",
                          "tcp://[::1]x", "tcp://u@h", "unix://", "unix://x", "udp://h"})
    BOOST_TEST(!parse_address(bad, &b).ok(), bad);
  BOOST_TEST(parse_address("unix:///" + std::string(106, 'x'), &b).ok());
  BOOST_TEST(!parse_address("unix:///" + std::string(107, 'x'), &b).ok());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
