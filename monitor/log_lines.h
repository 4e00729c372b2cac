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
 * What multip11-log does to octets that arrive on a source's pipe before they become lines of the
 * log: cut into lines, read the priority, escape, count.
 *
 * Trust: none in what is written. Our own programs (trusted sources) may put `<N>` in front of a
 * line to say how bad it is; a library's stderr may not, its lines are always informational.
 * Whatever comes, one line in is one line out, printable and no longer than limits::kLogLine.
 */
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace mp11 {

/* Syslog's numbers, as far as we use them. */
inline constexpr int kPriorityError = 3;
inline constexpr int kPriorityWarning = 4;
inline constexpr int kPriorityInfo = 6;
inline constexpr int kPriorityDebug = 7;

/*
 * The text with control characters, DEL, C1 controls, direction marks and whatever is not UTF-8
 * written as \xHH, so that no source forges a line or a terminal sequence. `escape_backslash`
 * doubles backslashes too, so that none forges an escape; our own programs (log.h) have done so
 * already. Longer than limits::kLogLine: cut between characters, "..." at the end.
 */
std::string escape_log_text(std::string_view text, bool escape_backslash);

/*
 * How many lines may pass, and how many did not. Errors have as many of their own, so that a flood
 * of what strangers cause does not hide them.
 */
class LogRate {
 public:
  LogRate(uint32_t rate, uint64_t now_ms) : rate_(rate), refilled_ms_(now_ms) {
    tokens_[0] = tokens_[1] = burst();
  }
  bool has_room(int priority, uint64_t now_ms);
  void take(int priority) { tokens_[which(priority)] -= 1000; }
  void drop(uint64_t lines) { dropped_ += lines; }
  /* What was dropped since it was last told; 0 as long as there is no room for the line. */
  uint64_t dropped(uint64_t now_ms);
  bool has_dropped() const { return dropped_ > 0; }
  uint64_t all_dropped() { return std::exchange(dropped_, 0); }
  void set_rate(uint32_t rate) { rate_ = rate; }

 private:
  static size_t which(int priority) { return priority <= kPriorityError ? 1 : 0; }
  /* A process may say this much at once, as at its start; later only `rate` a second. */
  uint64_t burst() const { return uint64_t{rate_} * 2 * 1000; }
  void refill(uint64_t now_ms);

  uint32_t rate_;      /* lines a second */
  uint64_t tokens_[2]; /* thousandths of lines that may pass: others, errors */
  uint64_t refilled_ms_;
  uint64_t dropped_ = 0;
};

/* One source: a process, or a library's stderr. */
class LogLines {
 public:
  using Sink = std::function<void(int priority, const std::string& text)>;

  /*
   * `shared`: of the processes of one kind, one for each connection, as strangers can have any
   * number of these started; what they drop is counted there. nullptr: the process is the only one.
   */
  LogLines(bool trusted, uint32_t rate, uint64_t now_ms, LogRate* shared = nullptr)
      : trusted_(trusted), rate_(rate, now_ms), shared_(shared) {}

  /* Octets that were read; whole lines go to the sink, escaped, as the rate allows. */
  void feed(std::string_view octets, uint64_t now_ms, const Sink& sink);
  /* The source has ended: what is left of a line, and the count of what was dropped. */
  void end(uint64_t now_ms, const Sink& sink);
  /* Tells what was dropped, if anything, once the source is below its rate again. */
  void report(uint64_t now_ms, const Sink& sink);
  /* Whether there is something to report, by this source or those of its kind. */
  bool has_dropped() const { return (shared_ != nullptr ? *shared_ : rate_).has_dropped(); }
  void set_rate(uint32_t rate) { rate_.set_rate(rate); }

 private:
  void line(uint64_t now_ms, const Sink& sink);

  bool trusted_;
  LogRate rate_;
  LogRate* shared_;
  std::string text_; /* the line so far */
};

/* The line that tells of dropped ones. */
std::string dropped_text(uint64_t count);

}  // namespace mp11
