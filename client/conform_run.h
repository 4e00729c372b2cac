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
 * Runs sequences of calls on both sides, finds the first difference of each, and makes the sequence
 * that shows it as short as it can.
 */
#pragma once
#include <map>
#include <set>
#include <string>
#include <vector>

#include "conform_compare.h"
#include "conform_generate.h"
#include "conform_restore.h"
#include "conform_side.h"

namespace mp11::conform {

struct RunConfig {
  SideConfig direct, hosted;
  GeneratorConfig generator; /* its seed is that of the whole run */
  std::string token;         /* label; empty: the first slot with an initialised token */
  uint64_t calls = 10000;
  uint64_t length = 400;            /* calls of one sequence */
  int64_t only = -1;                /* this sequence alone, or -1 */
  bool named = false;               /* the hosted token has words of its own: Comparer */
  bool all = false;                 /* go on after a difference */
  std::vector<std::string> restore; /* directories that are put back before each sequence */
  std::string repeat;               /* a command line that does the same, without the sequence */
};

/* What was seen, for the end of the run. */
struct Coverage {
  std::map<uint32_t, std::map<uint64_t, uint64_t>> functions; /* function, CK_RV, how often */
  std::map<uint64_t, uint64_t> mechanisms;                    /* how often one was accepted */
  uint64_t calls = 0, skipped = 0, crashes = 0;
  std::map<std::string, uint64_t> crashed; /* function, how often */
  void note(const Call& call, const Reply& reply);
};

class Run {
 public:
  explicit Run(RunConfig config);
  /* The program's exit status: 0 equal, 1 differences, 2 it cannot be run. */
  int run();

 private:
  enum class Step { kDone, kSkipped, kCrashed, kHostedEnded, kBroken };
  bool restart();
  Step step(const Call& call, Reply* direct, Reply* hosted);
  bool discover();
  bool discover_token(Var first_slot);
  bool discover_objects(Var slot);
  bool restore() const;
  void sequence(uint64_t number);
  bool recover(const std::vector<Call>& made);
  /* Plays a sequence anew; the difference it shows, and in *at after which call. */
  std::optional<Difference> play(const std::vector<Call>& calls, size_t* at,
                                 std::vector<std::string>* trace);
  std::vector<Call> shrink(std::vector<Call> calls, const std::string& kind);
  bool still(const std::vector<Call>& calls, const std::string& kind);
  void simplify(std::vector<Call>* calls, const std::string& kind);
  void report(uint64_t number, const std::vector<Call>& made, const Difference& found);
  void print_coverage() const;
  Difference ended() const;

  RunConfig config_;
  Side direct_, hosted_;
  std::vector<Snapshot> snapshots_;
  TokenFacts facts_;
  Coverage coverage_;
  std::set<std::string> known_; /* kinds of differences that were reported */
  uint64_t differences_ = 0;
  unsigned plays_left_ = 0;
};

}  // namespace mp11::conform
