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
#include "conform.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>

#include "conform_run.h"

namespace mp11::conform {
namespace {

constexpr const char* kUsage =
    "usage: multip11 conform [-v] [--seed number] [--calls number] [--length number]\n"
    "           [--sequence number] [--threads number] [--no-fork] [--all] [--token label]\n"
    "           [--named] [--destructive] [--restore directory] [--against module]\n"
    "           [--env name=value] [--direct-env name=value] [--hosted-env name=value]\n"
    "           [--read path] [--write path] module\n";

struct Options {
  RunConfig run;
  std::string against;
  std::vector<std::string> read, write;
};

bool number_of(const char* text, uint64_t least, uint64_t most, uint64_t* value) {
  auto [end, error] = std::from_chars(text, text + strlen(text), *value);
  return error == std::errc() && *end == 0 && *value >= least && *value <= most;
}

/* A directory that is gone when the process ends as it should. */
class PrivateDirectory {
 public:
  bool make() {
    const char* base = ::getenv("TMPDIR");
    path_ = std::string(base != nullptr && base[0] == '/' ? base : "/tmp") + "/multip11-XXXXXX";
    made_ = ::mkdtemp(path_.data()) != nullptr;
    return made_;
  }
  ~PrivateDirectory() {
    if (!made_) return;
    ::unlink(file().c_str());
    ::rmdir(path_.c_str());
  }
  std::string file() const { return path_ + "/multip11.conf"; }

 private:
  std::string path_;
  bool made_ = false;
};

/* A string of multip11.conf(5); false for what cannot stand there. */
bool quote(const std::string& text, std::string* list) {
  for (char c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '\'' || c == '\\') return false;
  *list += (list->empty() ? "'" : ", '") + text + "'";
  return true;
}

/* Whether somebody else says where the hosted module is. */
bool is_configured(const Options& options) {
  for (const std::string& variable : options.run.hosted.environment)
    if (variable.starts_with("MULTIP11_CONFIG=") || variable.starts_with("MULTIP11_SERVER="))
      return true;
  return !options.against.empty() &&
         (::getenv("MULTIP11_CONFIG") != nullptr || ::getenv("MULTIP11_SERVER") != nullptr);
}

/* Library mode: the module that is given, in the environment of the direct side. */
bool write_configuration(const Options& options, const std::string& path) {
  std::string environment, read, write, module;
  for (const std::string& variable : options.run.direct.environment) quote(variable, &environment);
  for (char** variable = environ; *variable != nullptr; variable++) {
    const std::string name(*variable, strcspn(*variable, "=") + 1);
    bool replaced = false;
    for (const std::string& own : options.run.direct.environment) replaced |= own.starts_with(name);
    if (!replaced && name.size() > 1) quote(*variable, &environment);
  }
  for (const std::string& p : options.read) quote(p, &read);
  for (const std::string& p : options.write) quote(p, &write);
  if (read.empty() && write.empty()) read = write = "'/'";
  if (!quote(options.run.direct.module, &module)) return false;
  FILE* file = ::fopen(path.c_str(), "wxe");
  if (file == nullptr) return false;
  fprintf(file, "backend conform {\n  module = %s\n  environment = {%s}\n", module.c_str(),
          environment.c_str());
  if (!read.empty()) fprintf(file, "  read = {%s}\n", read.c_str());
  if (!write.empty()) fprintf(file, "  write = {%s}\n", write.c_str());
  fprintf(file, "}\n");
  const bool written = ferror(file) == 0;
  return ::fclose(file) == 0 && written;
}

enum Choice : int {
  kSeed = 256,
  kCalls,
  kLength,
  kSequence,
  kThreadCount,
  kNoFork,
  kAll,
  kToken,
  kNamed,
  kDestructive,
  kRestore,
  kAgainst,
  kEnv,
  kDirectEnv,
  kHostedEnv,
  kRead,
  kWrite,
};

constexpr option kOptions[] = {
    {"seed", required_argument, nullptr, kSeed},
    {"calls", required_argument, nullptr, kCalls},
    {"length", required_argument, nullptr, kLength},
    {"sequence", required_argument, nullptr, kSequence},
    {"threads", required_argument, nullptr, kThreadCount},
    {"no-fork", no_argument, nullptr, kNoFork},
    {"all", no_argument, nullptr, kAll},
    {"token", required_argument, nullptr, kToken},
    {"named", no_argument, nullptr, kNamed},
    {"destructive", no_argument, nullptr, kDestructive},
    {"restore", required_argument, nullptr, kRestore},
    {"against", required_argument, nullptr, kAgainst},
    {"env", required_argument, nullptr, kEnv},
    {"direct-env", required_argument, nullptr, kDirectEnv},
    {"hosted-env", required_argument, nullptr, kHostedEnv},
    {"read", required_argument, nullptr, kRead},
    {"write", required_argument, nullptr, kWrite},
    {},
};

/* False: what is wrong was said. */
bool take_option(int choice, const char* value, Options* options) {
  RunConfig& run = options->run;
  uint64_t number = 0;
  auto need_number = [&](uint64_t least, uint64_t most) {
    if (number_of(value, least, most, &number)) return true;
    fprintf(stderr, "multip11 conform: %s: write a number from %llu to %llu\n", value,
            static_cast<unsigned long long>(least), static_cast<unsigned long long>(most));
    return false;
  };
  auto need_variable = [&] {
    if (strchr(value, '=') != nullptr && value[0] != '=') return true;
    fprintf(stderr, "multip11 conform: %s: write NAME=VALUE\n", value);
    return false;
  };
  switch (choice) {
    case 'v':
      return run.direct.show_errors = run.hosted.show_errors = true;
    case kSeed:
      if (!need_number(0, UINT64_MAX)) return false;
      run.generator.seed = number;
      return true;
    case kCalls:
      if (!need_number(1, UINT64_MAX)) return false;
      run.calls = number;
      return true;
    case kLength:
      if (!need_number(10, 100000)) return false;
      run.length = number;
      return true;
    case kSequence:
      if (!need_number(0, INT64_MAX)) return false;
      run.only = static_cast<int64_t>(number);
      return true;
    case kThreadCount:
      if (!need_number(1, 64)) return false;
      run.generator.threads = run.direct.threads = run.hosted.threads =
          static_cast<unsigned>(number);
      return true;
    case kNoFork:
      run.generator.forks = false;
      return true;
    case kAll:
      return run.all = true;
    case kToken:
      run.token = value;
      return true;
    case kNamed:
      return run.named = true;
    case kDestructive:
      return run.generator.destructive = true;
    case kRestore:
      run.restore.push_back(value);
      return true;
    case kAgainst:
      options->against = value;
      return true;
    case kEnv:
      if (!need_variable()) return false;
      run.direct.environment.push_back(value);
      run.hosted.environment.push_back(value);
      return true;
    case kDirectEnv:
      if (!need_variable()) return false;
      run.direct.environment.push_back(value);
      return true;
    case kHostedEnv:
      if (!need_variable()) return false;
      run.hosted.environment.push_back(value);
      return true;
    case kRead:
      options->read.push_back(value);
      return true;
    case kWrite:
      options->write.push_back(value);
      return true;
    default: /* getopt_long said what */
      return false;
  }
}

std::string absolute(const std::string& path) {
  char* real = ::realpath(path.c_str(), nullptr);
  if (real == nullptr) return path;
  std::string text = real;
  ::free(real);
  return text;
}

/* What was typed, without what says which sequences. */
std::string command_line(int argc, char** argv, uint64_t seed) {
  std::string text = "multip11";
  for (int i = 0; i < argc; i++) {
    const std::string word = argv[i];
    if (word == "--seed" || word == "--sequence" || word == "--calls") {
      i++;
      continue;
    }
    if (word.starts_with("--seed=") || word.starts_with("--sequence=") ||
        word.starts_with("--calls="))
      continue;
    text += " " + word;
  }
  return text + " --seed " + std::to_string(seed);
}

std::string from_environment(const char* name) {
  const char* value = ::getenv(name);
  const std::string text = value != nullptr ? value : "";
  /* Not for the modules. */
  ::unsetenv(name);
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  RunConfig& run = options.run;
  run.direct.name = "direct";
  run.hosted.name = "hosted";
  run.generator.threads = run.direct.threads = run.hosted.threads = 4;
  /* getopt_long moves the arguments. */
  std::vector<char*> typed(argv, argv + argc);
  for (int choice; (choice = ::getopt_long(argc, argv, "v", kOptions, nullptr)) != -1;) {
    if (take_option(choice, optarg, &options)) continue;
    fputs(kUsage, stderr);
    return 2;
  }
  if (optind != argc - 1) {
    fputs(kUsage, stderr);
    return 2;
  }
  run.direct.module = absolute(argv[optind]);
  run.generator.user_pin = from_environment("MULTIP11_PIN");
  run.generator.so_pin = from_environment("MULTIP11_SO_PIN");
  run.repeat = command_line(argc, typed.data(), run.generator.seed);
  PrivateDirectory directory;
  run.hosted.module =
      absolute(options.against.empty() ? MP11_MODULEDIR "/multip11.so" : options.against);
  if (!is_configured(options)) {
    if (!directory.make() || !write_configuration(options, directory.file())) {
      fprintf(stderr, "multip11 conform: no configuration can be written: %s\n", strerror(errno));
      return 2;
    }
    run.hosted.environment.push_back("MULTIP11_CONFIG=" + directory.file());
  }
  return Run(run).run();
}

}  // namespace mp11::conform
