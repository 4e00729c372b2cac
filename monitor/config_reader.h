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
 * The values of one section of the configuration, each turned into what it must be; what cannot be
 * is reported on the line where it stands. For config_checker.h alone.
 */
#pragma once
#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <vector>

#include "config_parse.h"

namespace mp11 {

/* A name that can stand in a log line, a file name and a start block as it is. */
inline bool is_name(const std::string& text, size_t limit) {
  if (text.empty() || text.size() > limit || text[0] == '-' || text[0] == '.') return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
}

inline std::optional<uint32_t> parse_number(const std::string& text, int base = 10) {
  uint32_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

class Reader {
 public:
  Reader(const ConfigSection& section, ConfigErrors* errors) : section_(section), errors_(errors) {}

  const ConfigValue* find(const char* keyword) const {
    auto found = section_.values.find(keyword);
    return found == section_.values.end() || found->second.empty() ? nullptr : &found->second[0];
  }
  bool has(const char* keyword) const { return section_.values.contains(keyword); }
  int line(const char* keyword) const {
    const ConfigValue* value = find(keyword);
    return value != nullptr ? value->line : section_.line;
  }
  std::string text(const char* keyword, const std::string& otherwise = "") const {
    const ConfigValue* value = find(keyword);
    return value != nullptr ? value->text : otherwise;
  }
  std::vector<ConfigValue> list(const char* keyword) const {
    auto found = section_.values.find(keyword);
    return found == section_.values.end() ? std::vector<ConfigValue>() : found->second;
  }
  uint32_t number(const char* keyword, uint32_t otherwise, uint32_t low, uint32_t high) const {
    const ConfigValue* value = find(keyword);
    if (value == nullptr) return otherwise;
    std::optional<uint32_t> number = parse_number(value->text);
    if (!number || *number < low || *number > high) {
      errors_->add(value->line, std::string(keyword) + " = " + value->text +
                                    " is not understood; write a number from " +
                                    std::to_string(low) + " to " + std::to_string(high));
      return otherwise;
    }
    return *number;
  }
  bool flag(const char* keyword, bool otherwise) const {
    const ConfigValue* value = find(keyword);
    if (value == nullptr) return otherwise;
    if (value->text != "yes" && value->text != "no")
      errors_->add(value->line, std::string(keyword) + " = " + value->text +
                                    " is not understood; write yes or no");
    return value->text == "yes";
  }
  /* One of the words; the first is the default. */
  std::string choice(const char* keyword, const std::vector<std::string>& words) const {
    const ConfigValue* value = find(keyword);
    if (value == nullptr) return words[0];
    if (std::find(words.begin(), words.end(), value->text) != words.end()) return value->text;
    std::string all;
    for (const std::string& word : words) all += (all.empty() ? "" : " or ") + word;
    errors_->add(value->line,
                 std::string(keyword) + " = " + value->text + " is not understood; write " + all);
    return words[0];
  }
  void forbid(const char* keyword, const std::string& why) const {
    if (has(keyword)) errors_->add(line(keyword), std::string(keyword) + " " + why);
  }
  void error(const char* keyword, const std::string& text) const {
    errors_->add(line(keyword), text);
  }
  std::string absolute(const char* keyword, const std::string& otherwise) const {
    std::string path = text(keyword, otherwise);
    if (!path.empty() && path[0] != '/')
      error(keyword, std::string(keyword) + " = " + path + " is relative; write it from the root");
    return path;
  }
  const ConfigSection& section() const { return section_; }

 private:
  const ConfigSection& section_;
  ConfigErrors* errors_;
};

}  // namespace mp11
