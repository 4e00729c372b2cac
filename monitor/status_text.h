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
 * The text of a report of [priv]'s, `multip11 status`: lines of a word and KEY=VALUE, with one
 * space between. The first says which version of it this is, the last is `end`, without which it is
 * not whole. A value is a number, a word, or a text in quotes.
 *
 * Trust: a text is whatever somebody is called, or a library has said. In a line it is UTF-8 that
 * can be printed, without a quote; every other octet is \xHH, and a backslash \\. So nobody forges
 * a line, another key, or a terminal's control sequence.
 */
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace mp11 {

inline constexpr unsigned kStatusVersion = 1;

class StatusLine {
 public:
  explicit StatusLine(const char* word) : line_(word) {}
  StatusLine& number(const char* key, uint64_t value);
  StatusLine& hex(const char* key, uint64_t value);
  /* One of our own, of letters. */
  StatusLine& word(const char* key, const char* value);
  /* Of anybody; cut where it is as long as a line of the log. */
  StatusLine& text(const char* key, std::string_view value);
  /* UTC, of seconds since 1970. */
  StatusLine& time(const char* key, uint64_t seconds);
  const std::string& line() const { return line_; }

 private:
  StatusLine& add(const char* key, std::string_view value);
  std::string line_;
};

/* Lines up to limits::kStatus; the rest is counted. */
class StatusText {
 public:
  void add(const StatusLine& line);
  /* With the last line. */
  std::string finish();

 private:
  std::string text_;
  uint64_t left_out_ = 0;
};

}  // namespace mp11
