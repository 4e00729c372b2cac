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
#include "status_text.h"

#include <time.h>

#include <cstdio>

#include "log_lines.h"
#include "mp11_limits.h"

namespace mp11 {
namespace {

constexpr size_t kLastLine = 64; /* room for it */

}  // namespace

StatusLine& StatusLine::add(const char* key, std::string_view value) {
  line_ += std::string(" ") + key + "=";
  line_ += value;
  return *this;
}

StatusLine& StatusLine::number(const char* key, uint64_t value) {
  return add(key, std::to_string(value));
}

StatusLine& StatusLine::hex(const char* key, uint64_t value) {
  char text[24];
  snprintf(text, sizeof text, "0x%08llx", static_cast<unsigned long long>(value));
  return add(key, text);
}

StatusLine& StatusLine::word(const char* key, const char* value) { return add(key, value); }

StatusLine& StatusLine::text(const char* key, std::string_view value) {
  std::string quoted = "\"";
  for (char c : escape_log_text(value, true)) quoted += c == '"' ? "\\x22" : std::string(1, c);
  return add(key, quoted + "\"");
}

StatusLine& StatusLine::time(const char* key, uint64_t seconds) {
  const time_t when = static_cast<time_t>(seconds);
  tm parts{};
  char text[64];
  if (::gmtime_r(&when, &parts) == nullptr || strftime(text, sizeof text, "%FT%TZ", &parts) == 0)
    return number(key, seconds);
  return add(key, text);
}

void StatusText::add(const StatusLine& line) {
  if (left_out_ != 0 || text_.size() + line.line().size() + kLastLine > limits::kStatus)
    left_out_++;
  else
    text_ += line.line() + "\n";
}

std::string StatusText::finish() {
  return text_ + StatusLine("end").number("left-out", left_out_).line() + "\n";
}

}  // namespace mp11
