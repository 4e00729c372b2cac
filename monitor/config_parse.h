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
 * The configuration file as a tree of keywords and values, each with its line: what libconfuse
 * read, before anybody has asked what it means. config.cc asks.
 *
 * Called by [priv] at start and on SIGHUP, and by `multip11d -t`. libconfuse is given the text
 * after a look of our own, because of what it does otherwise: it replaces ${NAME} from the
 * environment, stays in its string state after an unterminated string (so that the next file is
 * misread), and counts a line too many for a C comment.
 *
 * Trust: the file is the administrator's; config.cc has checked owner and mode before the text is
 * read.
 */
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace mp11 {

struct ConfigValue {
  std::string text;
  int line = 0; /* 0: from the command line */
};

struct ConfigSection {
  std::string keyword; /* "listener", "backend", "token", "layer", "users"; empty: the whole file */
  std::string title;
  int line = 0;
  std::map<std::string, std::vector<ConfigValue>> values; /* only keywords that were set */
  std::vector<ConfigSection> sections;                    /* in the order of the file, by keyword */
};

/* Collects what is wrong, as lines for the user: `FILE:LINE: what is wrong; what to do`. */
class ConfigErrors {
 public:
  explicit ConfigErrors(std::string file) : file_(std::move(file)) {}
  void add(int line, const std::string& text);
  const std::vector<std::string>& lines() const { return lines_; }
  bool empty() const { return lines_.empty(); }

 private:
  std::string file_;
  std::vector<std::string> lines_;
};

/* For each keyword of a section, the lines where such sections begin, in the order of the file. */
using SectionLines = std::map<std::string, std::vector<int>>;

/*
 * The file's text without comments, line breaks kept; reports strings and comments that do not end,
 * ${...} and control characters. False when libconfuse must not see the text. Notes where sections
 * begin, which libconfuse does not keep.
 */
bool strip_comments(std::string_view text, std::string* stripped, SectionLines* sections,
                    ConfigErrors* errors);

/*
 * Parses the text of the file and then, over it, each of `options` (from -o). Unknown keywords,
 * repeated keywords and sections, and syntax errors are reported. Not re-entrant: libconfuse's
 * callbacks carry no context.
 */
bool parse_config_text(std::string_view text, const std::vector<std::string>& options,
                       ConfigSection* root, ConfigErrors* errors);

}  // namespace mp11
