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
#include "log.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "mp11_limits.h"

namespace mp11 {
namespace {

struct LogState {
  const char* program = "multip11";
  LogLevel threshold = LogLevel::kInfo;
  bool stderr_is_log = false;
};
constinit LogState g_log;
/* Lines that found no room since the last one that got through. */
constinit std::atomic<unsigned> g_lost{0};

char priority_digit(LogLevel level) {
  switch (level) {
    case LogLevel::kFatal:
      return '2';
    case LogLevel::kError:
      return '3';
    case LogLevel::kDebug:
      return '7';
    default:
      return '6';
  }
}

/* One line under construction: appends, escapes, and remembers that it had to cut. */
class Line {
 public:
  void plain(const char* text) {
    for (; *text != '\0'; text++) put(text, 1);
  }
  void number(unsigned value) {
    char digits[12];
    size_t at = sizeof digits;
    do {
      digits[--at] = static_cast<char>('0' + value % 10);
      value /= 10;
    } while (value != 0);
    put(digits + at, sizeof digits - at);
  }
  void escaped(const char* text) {
    static constexpr char kHex[] = "0123456789abcdef";
    for (; *text != '\0'; text++) {
      auto octet = static_cast<unsigned char>(*text);
      char code[4] = {'\\', 'x', kHex[octet >> 4], kHex[octet & 15]};
      if (octet == '\\')
        put("\\\\", 2);
      else if (octet >= 0x20 && octet < 0x7f)
        put(text, 1);
      else
        put(code, sizeof code);
    }
  }
  void cut() { cut_ = true; }
  /* The final newline included. */
  size_t finish() {
    if (cut_) {
      std::memcpy(text_ + size_, "...", 3);
      size_ += 3;
    }
    text_[size_++] = '\n';
    return size_;
  }
  const char* text() const { return text_; }

 private:
  /* All of it or nothing, so that an escape is never cut in two. */
  void put(const char* text, size_t size) {
    if (cut_ || size > sizeof text_ - size_ - kTail) {
      cut_ = true;
      return;
    }
    std::memcpy(text_ + size_, text, size);
    size_ += size;
  }
  static constexpr size_t kTail = 4; /* "..." and the newline */
  char text_[limits::kLogLine];
  size_t size_ = 0;
  bool cut_ = false;
};

/* poll first: the descriptor may be a blocking one, or a pipe that nobody reads (no SIGPIPE). */
bool write_now(const char* text, size_t size) {
  pollfd ready{STDERR_FILENO, POLLOUT, 0};
  if (::poll(&ready, 1, 0) != 1 || ready.revents != POLLOUT) return false;
  ssize_t n;
  do {
    n = ::write(STDERR_FILENO, text, size);
  } while (n < 0 && errno == EINTR);
  return n >= 0;
}

void emit(LogLevel level, const char* text, bool cut) {
  Line line;
  if (g_log.stderr_is_log) {
    char prefix[] = {'<', priority_digit(level), '>', '\0'};
    line.plain(prefix);
  } else {
    line.escaped(g_log.program);
    line.plain(": ");
  }
  unsigned lost = g_lost.exchange(0, std::memory_order_relaxed);
  if (lost != 0) {
    line.plain("[");
    line.number(lost);
    line.plain(" lines lost] ");
  }
  line.escaped(text);
  if (cut) line.cut();
  size_t size = line.finish();
  if (!write_now(line.text(), size)) g_lost.fetch_add(lost + 1, std::memory_order_relaxed);
}

}  // namespace

void log_init(const char* program, LogLevel threshold, bool stderr_is_log) {
  g_log = {program, threshold, stderr_is_log};
}

bool log_wants(LogLevel level) { return level <= g_log.threshold; }

void log_line_v(LogLevel level, const char* format, va_list arguments) {
  if (!log_wants(level)) return;
  int saved = errno;
  char text[limits::kLogLine];
  int size = std::vsnprintf(text, sizeof text, format, arguments);
  bool cut = size >= static_cast<int>(sizeof text);
  emit(level, size < 0 ? "(this line could not be formatted)" : text, cut);
  errno = saved;
}

#define MP11_LOG_FORWARD(level)           \
  do {                                    \
    va_list arguments;                    \
    va_start(arguments, format);          \
    log_line_v(level, format, arguments); \
    va_end(arguments);                    \
  } while (0)

void log_line(LogLevel level, const char* format, ...) { MP11_LOG_FORWARD(level); }
void log_error(const char* format, ...) { MP11_LOG_FORWARD(LogLevel::kError); }
void log_info(const char* format, ...) { MP11_LOG_FORWARD(LogLevel::kInfo); }
void log_verbose(const char* format, ...) { MP11_LOG_FORWARD(LogLevel::kVerbose); }
void log_debug(const char* format, ...) { MP11_LOG_FORWARD(LogLevel::kDebug); }

void fatal(const char* format, ...) {
  MP11_LOG_FORWARD(LogLevel::kFatal);
  ::_exit(kFatalExit);
}

void log_signal_safe(LogLevel level, const char* text) {
  if (!log_wants(level)) return;
  int saved = errno;
  emit(level, text, false);
  errno = saved;
}

}  // namespace mp11
