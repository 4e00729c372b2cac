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
#include "status_lines.h"

#include <algorithm>

namespace mp11::client {
namespace {

bool is_name(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

/* Octets above 0x7f are of UTF-8, which the daemon has checked. */
bool is_shown(char c) {
  const unsigned char octet = static_cast<unsigned char>(c);
  return octet >= 0x20 && octet != 0x7f;
}

/* Of as many digits as any reader of JSON takes for a whole number. */
bool is_number(const StatusField& field) {
  const std::string& v = field.value;
  return !field.quoted && !v.empty() && v.size() <= 15 && (v == "0" || v[0] != '0') &&
         std::all_of(v.begin(), v.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    out += c;
  }
  return out + "\"";
}

}  // namespace

const StatusField* ReadStatusLine::find(std::string_view key) const {
  for (const StatusField& field : fields)
    if (field.key == key) return &field;
  return nullptr;
}

std::optional<ReadStatusLine> read_status_line(std::string_view line) {
  if (!std::all_of(line.begin(), line.end(), is_shown)) return {};
  ReadStatusLine read;
  size_t end = std::min(line.find(' '), line.size());
  read.word = line.substr(0, end);
  if (!is_name(read.word)) return {};
  while (end < line.size()) {
    line.remove_prefix(end + 1);
    const size_t equals = line.find('=');
    if (equals == line.npos) return {};
    StatusField field;
    field.key = line.substr(0, equals);
    line.remove_prefix(equals + 1);
    field.quoted = line.starts_with('"');
    const size_t close = field.quoted ? line.find('"', 1) : line.npos;
    if (field.quoted && close == line.npos) return {};
    end = field.quoted ? close + 1 : std::min(line.find(' '), line.size());
    if (end < line.size() && line[end] != ' ') return {};
    field.value = field.quoted ? line.substr(1, close - 1) : line.substr(0, end);
    const bool good = field.quoted || (!field.value.empty() && field.value.find('"') == line.npos);
    if (!good || !is_name(field.key)) return {};
    read.fields.push_back(std::move(field));
  }
  return read;
}

std::string status_text(const ReadStatusLine& line) {
  std::string text = line.word;
  for (const StatusField& field : line.fields) {
    const char* quote = field.quoted ? "\"" : "";
    text += " " + field.key + "=" + quote + field.value + quote;
  }
  return text;
}

std::string status_json(const ReadStatusLine& line) {
  std::string text = "{\"line\": " + json_string(line.word);
  for (const StatusField& field : line.fields)
    text += ", " + json_string(field.key) + ": " +
            (is_number(field) ? field.value : json_string(field.value));
  return text + "}";
}

}  // namespace mp11::client
