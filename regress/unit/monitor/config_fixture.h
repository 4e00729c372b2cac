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
/* For the tests of multip11d.conf: a file of that text, and what is said of it. */
#pragma once
#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "../common/temp_dir.h"
#include "config.h"

namespace mp11::config_test {

/* With a module and a keytab that pass the checks. */
struct ConfigDir : test::TempDir {
  ConfigDir() {
    write("module.so", "x");
    write("keytab", "x", 0600);
  }
};

inline const char kUsers[] =
    "users { auth = \"64001:64001\" vault = \"64002:64002\" monitor = \"64003:64003\"\n"
    "  net = \"64004:64004\" log = \"64005:64005\" }\n";
inline const char kListener[] = "listener here { path = \"/tmp/nowhere.sock\" peer-uid = yes }\n";

inline std::string backend(const ConfigDir& dir, const std::string& more = "") {
  return "backend hsm { module = \"" + dir.file("module.so") + "\" user = \"64010:64010\" " + more +
         " }\n";
}
inline const char kToken[] =
    "token Keys { layer { backend = hsm } allow = {\"alice@EXAMPLE.ORG\"} }\n";

inline std::string good(const ConfigDir& dir) {
  return kUsers + std::string(kListener) + backend(dir) + kToken;
}

inline LoadedConfig load(const ConfigDir& dir, const std::string& text,
                         std::vector<std::string> options = {}) {
  dir.write("conf", text, 0644);
  return load_config({dir.file("conf"), std::move(options)});
}

inline void require_good(const LoadedConfig& loaded) {
  BOOST_REQUIRE_MESSAGE(loaded.config, (loaded.errors.empty() ? "" : loaded.errors[0]));
}

/* As -T writes it, and what is read from that: the same. */
inline LoadedConfig read_back(const ConfigDir& dir, const Config& config) {
  const std::string dump = dump_config(config);
  LoadedConfig again = load(dir, dump);
  require_good(again);
  BOOST_TEST(dump_config(*again.config) == dump);
  return again;
}

/* True when exactly one error is there, on that line, with that text in it. */
inline bool only_error(const ConfigDir& dir, const std::string& text, int line,
                       const std::string& part) {
  LoadedConfig loaded = load(dir, text);
  std::string place = dir.file("conf") + ":" + std::to_string(line) + ": ";
  bool right = !loaded.config && loaded.errors.size() == 1 && loaded.errors[0].starts_with(place) &&
               loaded.errors[0].find(part) != std::string::npos &&
               loaded.errors[0].find(';') != std::string::npos; /* what to do */
  if (!right)
    for (const std::string& error : loaded.errors) BOOST_TEST_MESSAGE("got: " << error);
  if (!right && loaded.errors.empty()) BOOST_TEST_MESSAGE("got no error");
  return right;
}

}  // namespace mp11::config_test
