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
 * Lines of the daemon's report (monitor/status_text.h), as `multip11 status` reads them.
 *
 * Trust: the report comes from whoever listens where the user said; nothing but what can be printed
 * gets through.
 */
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mp11::client {

struct StatusField {
  std::string key;
  std::string value; /* without its quotes; escapes as they are */
  bool quoted = false;
};
struct ReadStatusLine {
  std::string word;
  std::vector<StatusField> fields;
  const StatusField* find(std::string_view key) const;
};

/* Nothing where it has another form. The line is without its line feed. */
std::optional<ReadStatusLine> read_status_line(std::string_view line);
/* As it was read. */
std::string status_text(const ReadStatusLine& line);
/* {"line": WORD, "KEY": VALUE, ...}: numbers are numbers, all else strings, escapes as they are. */
std::string status_json(const ReadStatusLine& line);

}  // namespace mp11::client
