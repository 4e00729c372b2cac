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
 * Configuration files: multip11d.conf and -o options, multip11.conf, and $MULTIP11_SERVER. What is
 * accepted is complete, and multip11d's is written in a form that reads back the same; what is
 * refused says why, in one line for each mistake.
 *
 * Input: what it is, then the text; for multip11d.conf, an option behind a NUL. %D in it stands for
 * a directory with a module and a keytab that pass the checks.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "client_config.h"
#include "config.h"
#include "config_parse.h"
#include "fuzz.h"

namespace {

using namespace mp11;

void write_file(const std::string& path, const std::string& text, mode_t mode) {
  int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  FUZZ_REQUIRE(fd >= 0);
  FUZZ_REQUIRE(::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  ::close(fd);
}

class Directory {
 public:
  Directory() {
    char pattern[] = "/tmp/multip11-fuzz.XXXXXX";
    FUZZ_REQUIRE(::mkdtemp(pattern) != nullptr);
    path_ = pattern;
    write_file(path_ + "/module", "x", 0644);
    write_file(path_ + "/keytab", "x", 0600);
  }
  ~Directory() {
    for (const char* name : {"/module", "/keytab", "/conf"}) ::unlink((path_ + name).c_str());
    ::rmdir(path_.c_str());
  }
  const std::string& path() const { return path_; }
  std::string conf(const std::string& text) const {
    write_file(path_ + "/conf", text, 0600);
    return path_ + "/conf";
  }

 private:
  std::string path_;
};

std::string with_directory(std::string text, const std::string& directory) {
  for (size_t at = text.find("%D"); at != text.npos; at = text.find("%D", at + directory.size()))
    text.replace(at, 2, directory);
  return text;
}

bool one_line(const std::string& text) {
  return !text.empty() && text.find('\n') == text.npos && text.find('\0') == text.npos;
}

void check_daemon(const Directory& directory, const std::string& input) {
  size_t end = input.find('\0');
  ConfigSource source{directory.conf(input.substr(0, end)), {}};
  if (end != input.npos) source.options.emplace_back(input.c_str() + end + 1);
  LoadedConfig loaded = load_config(source);
  for (const std::string& line : loaded.errors) FUZZ_REQUIRE(one_line(line));
  for (const std::string& line : loaded.warnings) FUZZ_REQUIRE(one_line(line));
  FUZZ_REQUIRE(loaded.config.has_value() == loaded.errors.empty());
  if (!loaded.config) return;
  const Config& config = *loaded.config;
  FUZZ_REQUIRE(config.backends.size() <= limits::kBackends);
  FUZZ_REQUIRE(config.tokens.size() <= limits::kTokens);
  for (const TokenConfig& token : config.tokens) {
    FUZZ_REQUIRE(!token.layers.empty() && token.layers.size() <= limits::kLayers);
    FUZZ_REQUIRE(token.layers.size() == 1 || (!token.admin && !token.serial.empty()));
    for (const LayerConfig& layer : token.layers)
      FUZZ_REQUIRE(layer.backend < config.backends.size());
  }
  std::string dump = dump_config(config);
  LoadedConfig again = load_config({directory.conf(dump), {}});
  FUZZ_REQUIRE(again.config.has_value());
  FUZZ_REQUIRE(dump_config(*again.config) == dump);
}

void check_client(const client::ConfigPlaces& places) {
  Result<client::ClientConfig> config = client::load_config(places);
  if (!config) {
    FUZZ_REQUIRE(one_line(config.error().text));
    return;
  }
  if (!config->backend) return;
  const client::BackendConfig& backend = *config->backend;
  switch (backend.kind) {
    case client::BackendKind::kLibrary:
      FUZZ_REQUIRE(backend.module.starts_with("/"));
      break;
    case client::BackendKind::kRemote:
      FUZZ_REQUIRE(!backend.address.empty());
      break;
    case client::BackendKind::kLocal:
      FUZZ_REQUIRE(backend.path.starts_with("/"));
      break;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Directory directory;
  if (size < 1) return 0;
  std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  text = with_directory(text, directory.path());
  switch (data[0] % 3) {
    case 0:
      check_daemon(directory, text);
      break;
    case 1:
      check_client({{}, {}, directory.conf(text), {}});
      break;
    default:
      check_client({{}, {}, {}, text});
      break;
  }
  return 0;
}
