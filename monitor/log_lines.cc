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
#include "log_lines.h"

#include <algorithm>
#include <charconv>

#include "mp11_limits.h"

namespace mp11 {
namespace {

/* Length of the well-formed UTF-8 sequence at the front, 0 when there is none (RFC 3629). */
size_t utf8_length(std::string_view text) {
  auto octet = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  unsigned char first = octet(0);
  size_t length = first < 0x80   ? 1
                  : first < 0xc2 ? 0
                  : first < 0xe0 ? 2
                  : first < 0xf0 ? 3
                  : first < 0xf5 ? 4
                                 : 0;
  if (length == 0 || text.size() < length) return 0;
  for (size_t i = 1; i < length; i++)
    if ((octet(i) & 0xc0) != 0x80) return 0;
  if (length < 3) return length;
  unsigned char second = octet(1);
  bool overlong = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
  bool outside = (first == 0xed && second > 0x9f) || (first == 0xf4 && second > 0x8f);
  return overlong || outside ? 0 : length;
}

/* Characters that are well formed and yet not shown: C1 controls, and line and direction marks. */
bool is_hidden(std::string_view sequence) {
  auto octet = [&](size_t i) { return static_cast<unsigned char>(sequence[i]); };
  if (sequence.size() == 2) return octet(0) == 0xc2 && octet(1) < 0xa0;
  if (sequence.size() != 3 || octet(0) != 0xe2) return false;
  bool marks = octet(1) == 0x80 &&
               ((octet(2) >= 0x8b && octet(2) <= 0x8f) || (octet(2) >= 0xa8 && octet(2) <= 0xae));
  bool isolates = octet(1) == 0x81 && octet(2) >= 0xa0 && octet(2) <= 0xaf;
  return marks || isolates;
}

void append_escaped(std::string* out, std::string_view octets) {
  static constexpr char kHex[] = "0123456789abcdef";
  for (char c : octets) {
    unsigned char octet = static_cast<unsigned char>(c);
    *out += {'\\', 'x', kHex[octet >> 4], kHex[octet & 15]};
  }
}

/* N in "[N lines lost] ...": what the program itself could not write before (log.cc). */
uint64_t lost_before(std::string_view text) {
  uint64_t count = 0;
  if (!text.starts_with('[')) return 0;
  const char* end = text.data() + text.size();
  auto [rest, code] = std::from_chars(text.data() + 1, end, count);
  return code == std::errc() && std::string_view(rest, end).starts_with(" lines lost] ") ? count
                                                                                         : 0;
}

}  // namespace

std::string escape_log_text(std::string_view text, bool escape_backslash) {
  std::string out;
  while (!text.empty()) {
    size_t length = utf8_length(text);
    std::string_view sequence = text.substr(0, std::max<size_t>(length, 1));
    unsigned char first = static_cast<unsigned char>(text[0]);
    bool control = length == 1 && (first < 0x20 || first == 0x7f);
    size_t before = out.size();
    if (length == 0 || control || is_hidden(sequence))
      append_escaped(&out, sequence);
    else if (first == '\\' && escape_backslash)
      out += "\\\\";
    else
      out += sequence;
    if (out.size() > limits::kLogLine - 3) {
      out.resize(before);
      return out + "...";
    }
    text.remove_prefix(sequence.size());
  }
  return out;
}

std::string dropped_text(uint64_t count) {
  return std::to_string(count) + " lines above log-rate were dropped";
}

void LogRate::refill(uint64_t now_ms) {
  uint64_t passed = std::min<uint64_t>(now_ms - refilled_ms_, 60000);
  for (uint64_t& tokens : tokens_) tokens = std::min(tokens + passed * rate_, burst());
  refilled_ms_ = now_ms;
}

bool LogRate::has_room(int priority, uint64_t now_ms) {
  refill(now_ms);
  return tokens_[which(priority)] >= 1000;
}

uint64_t LogRate::dropped(uint64_t now_ms) {
  return dropped_ > 0 && has_room(kPriorityInfo, now_ms) ? all_dropped() : 0;
}

void LogLines::line(uint64_t now_ms, const Sink& sink) {
  std::string_view text = text_;
  int priority = kPriorityInfo;
  if (trusted_ && text.size() >= 3 && text[0] == '<' && text[1] >= '0' && text[1] <= '7' &&
      text[2] == '>') {
    priority = text[1] - '0';
    text.remove_prefix(3);
  }
  report(now_ms, sink);
  if (rate_.has_room(priority, now_ms) &&
      (shared_ == nullptr || shared_->has_room(priority, now_ms))) {
    rate_.take(priority);
    if (shared_ != nullptr) shared_->take(priority);
    sink(priority, escape_log_text(text, !trusted_));
  } else {
    (shared_ != nullptr ? shared_ : &rate_)->drop(1 + (trusted_ ? lost_before(text) : 0));
  }
  text_.clear();
}

void LogLines::report(uint64_t now_ms, const Sink& sink) {
  if (uint64_t count = rate_.dropped(now_ms); count > 0)
    sink(kPriorityWarning, dropped_text(count));
}

void LogLines::feed(std::string_view octets, uint64_t now_ms, const Sink& sink) {
  for (char c : octets) {
    if (c == '\n') {
      if (!text_.empty()) line(now_ms, sink);
    } else if (text_.size() <= limits::kLogLine) { /* one more than fits, so that the cut shows */
      text_.push_back(c);
    }
  }
}

void LogLines::end(uint64_t now_ms, const Sink& sink) {
  if (!text_.empty()) line(now_ms, sink);
  if (uint64_t count = rate_.all_dropped(); count > 0) sink(kPriorityWarning, dropped_text(count));
}

}  // namespace mp11
