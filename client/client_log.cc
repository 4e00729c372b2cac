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
#include "client_log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <string_view>

#include "log.h"

namespace mp11::client {
namespace {

constinit std::atomic<bool> to_stderr{false};
constinit std::atomic<LogChoice> chosen{LogChoice::kError};

void report(int priority, const char* format, va_list arguments) {
  const int kept = errno;
  char text[limits::kLogLine];
  vsnprintf(text, sizeof text - 1, format, arguments);
  const bool wanted =
      priority == LOG_ERR ? chosen != LogChoice::kQuiet : chosen == LogChoice::kDebug;
  if (wanted) ::syslog(priority, "multip11: %s", text);
  if (to_stderr) {
    char line[limits::kLogLine + 16];
    int size = snprintf(line, sizeof line, "multip11: %s\n", text);
    ssize_t written = ::write(2, line, static_cast<size_t>(size));
    static_cast<void>(written); /* nobody is left to tell */
  }
  errno = kept;
}

}  // namespace

void log_start() {
  const char* debug = ::secure_getenv("MULTIP11_DEBUG");
  to_stderr = debug != nullptr && strcmp(debug, "1") == 0;
  chosen = LogChoice::kError;
  /* What common/ has to say goes to descriptor 2, which is the application's. */
  log_init("multip11", to_stderr ? LogLevel::kVerbose : LogLevel::kQuiet, false);
}

void log_choose(LogChoice choice) { chosen = choice; }

bool log_to_stderr() { return to_stderr; }

void report_error(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  report(LOG_ERR, format, arguments);
  va_end(arguments);
}

void report_debug(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  report(LOG_DEBUG, format, arguments);
  va_end(arguments);
}

void report_said(const std::string& name, int said) {
  constexpr unsigned kMostLines = 8;
  char text[2048];
  const ssize_t size = ::read(said, text, sizeof text);
  if (size <= 0) return;
  std::string_view rest(text, static_cast<size_t>(size));
  for (unsigned i = 0; i < kMostLines && !rest.empty(); i++) {
    std::string line(rest.substr(0, rest.find('\n')));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    for (char& c : line)
      if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e) c = '?';
    if (!line.empty()) report_error("%s: said: %.300s", name.c_str(), line.c_str());
  }
}

}  // namespace mp11::client
