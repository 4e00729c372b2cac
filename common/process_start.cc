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
#include "process_start.h"

#include <string_view>

namespace mp11 {
namespace {

struct LevelName {
  const char* name;
  LogLevel level;
};
constexpr LevelName kLevels[] = {{"error", LogLevel::kError},
                                 {"info", LogLevel::kInfo},
                                 {"verbose", LogLevel::kVerbose},
                                 {"debug", LogLevel::kDebug}};

constexpr std::string_view kLevelOption = "--log-level=";
constexpr std::string_view kFullSandbox = "--sandbox=full";
constexpr std::string_view kSeccompOnly = "--sandbox=seccomp-only";

bool parse_level(std::string_view text, LogLevel* level) {
  for (const LevelName& known : kLevels) {
    if (text != known.name) continue;
    *level = known.level;
    return true;
  }
  return false;
}

}  // namespace

ProcessStart process_start(const char* program, int argc, char** argv) {
  log_init(program, LogLevel::kInfo, true);
  ProcessStart start;
  for (int i = 1; i < argc; i++) {
    std::string_view option = argv[i];
    if (option.starts_with(kLevelOption)) {
      if (!parse_level(option.substr(kLevelOption.size()), &start.level))
        fatal("no such log level: %s", argv[i]);
    } else if (option == kSeccompOnly) {
      start.landlock_may_be_absent = true;
    } else if (option != kFullSandbox) {
      fatal("%s is started by multip11d and takes no option %s", program, argv[i]);
    }
  }
  log_init(program, start.level, true);
  return start;
}

std::vector<std::string> process_options(const ProcessStart& start) {
  std::vector<std::string> words;
  for (const LevelName& known : kLevels)
    if (known.level == start.level) words.push_back(std::string(kLevelOption) + known.name);
  words.emplace_back(start.landlock_may_be_absent ? kSeccompOnly : kFullSandbox);
  return words;
}

void limit_program(Program program, const ProcessStart& start, const SelfLimits& limits,
                   LandlockSpec landlock) {
  if (Status status = limit_self(limits); !status.ok()) fatal("%s", status.error().text.c_str());
  landlock.may_be_absent = start.landlock_may_be_absent;
  auto report = landlock_enter(landlock);
  if (!report) fatal("%s", report.error().text.c_str());
  if (Status status = sandbox_enter(program); !status.ok())
    fatal("%s", status.error().text.c_str());
  log_debug("limited: %s", report->text.c_str());
}

}  // namespace mp11
