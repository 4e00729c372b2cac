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
/* The part of Run that makes a sequence short, and tells of it. */
#include <algorithm>
#include <cstdio>

#include "conform_run.h"

namespace mp11::conform {
namespace {

/* Every play starts two processes: a bound on how long one difference is worked on. */
constexpr unsigned kMostPlays = 600;

}  // namespace

std::optional<Difference> Run::play(const std::vector<Call>& calls, size_t* at,
                                    std::vector<std::string>* trace) {
  if (!restart()) return std::nullopt;
  Comparer comparer(facts_.empty, config_.named);
  for (size_t i = 0; i < calls.size(); i++) {
    Reply direct, hosted;
    *at = i;
    switch (step(calls[i], &direct, &hosted)) {
      case Step::kDone: {
        if (trace != nullptr)
          trace->push_back(direct.rv == hosted.rv
                               ? rv_name(direct.rv)
                               : "direct " + rv_name(direct.rv) + ", hosted " + rv_name(hosted.rv));
        auto found = comparer.compare(calls[i], direct, hosted);
        if (found) return found;
        break;
      }
      case Step::kSkipped:
        if (trace != nullptr) trace->push_back("left out");
        break;
      case Step::kHostedEnded:
        if (trace != nullptr) trace->push_back("hosted: " + hosted_.end());
        return ended();
      case Step::kCrashed:
      case Step::kBroken:
        return std::nullopt;
    }
  }
  return std::nullopt;
}

bool Run::still(const std::vector<Call>& calls, const std::string& kind) {
  if (plays_left_ == 0) return false;
  plays_left_--;
  size_t at;
  auto found = play(calls, &at, nullptr);
  return found && found->kind == kind;
}

/* Takes out ever smaller pieces, as long as the difference stays (ddmin). */
std::vector<Call> Run::shrink(std::vector<Call> calls, const std::string& kind) {
  for (size_t piece = calls.size() / 2; piece > 0;) {
    bool smaller = false;
    for (size_t from = 0; from < calls.size() && calls.size() > 1;) {
      std::vector<Call> fewer(calls.begin(), calls.begin() + static_cast<ptrdiff_t>(from));
      const size_t to = std::min(from + piece, calls.size());
      fewer.insert(fewer.end(), calls.begin() + static_cast<ptrdiff_t>(to), calls.end());
      if (!fewer.empty() && still(fewer, kind)) {
        calls = std::move(fewer);
        smaller = true;
      } else {
        from += piece;
      }
    }
    if (piece > 1)
      piece /= 2;
    else if (!smaller)
      break;
  }
  return calls;
}

/* What is left is made plainer: one thread, fewer attributes, short octets. */
void Run::simplify(std::vector<Call>* calls, const std::string& kind) {
  auto attempt = [&](auto change) {
    std::vector<Call> simpler = *calls;
    change(&simpler);
    if (!still(simpler, kind)) return false;
    *calls = std::move(simpler);
    return true;
  };
  attempt([](std::vector<Call>* all) {
    for (Call& call : *all) call.thread = 0;
  });
  for (size_t i = 0; i < calls->size(); i++) {
    for (size_t t = 0; t < (*calls)[i].threads.size(); t++)
      for (size_t k = (*calls)[i].threads[t].size(); k-- > 0;)
        attempt([=](std::vector<Call>* all) {
          auto& list = (*all)[i].threads[t];
          list.erase(list.begin() + static_cast<ptrdiff_t>(k));
        });
    for (size_t a = 0; a < (*calls)[i].args.size(); a++) {
      for (size_t k = (*calls)[i].args[a].attributes.size(); k-- > 0;)
        attempt([=](std::vector<Call>* all) {
          auto& list = (*all)[i].args[a].attributes;
          list.erase(list.begin() + static_cast<ptrdiff_t>(k));
        });
      while ((*calls)[i].args[a].octets.kind == Octets::Kind::kPattern &&
             (*calls)[i].args[a].octets.size > 1 &&
             attempt([=](std::vector<Call>* all) { (*all)[i].args[a].octets.size /= 2; })) {
      }
    }
  }
}

void Run::report(uint64_t number, const std::vector<Call>& made, const Difference& found) {
  if (!known_.insert(found.kind).second) {
    differences_++;
    return;
  }
  differences_++;
  printf("difference in sequence %llu, call %zu: %s\n", static_cast<unsigned long long>(number),
         made.size(), found.text.c_str());
  plays_left_ = kMostPlays;
  std::vector<Call> shortest = made;
  const bool repeatable = still(made, found.kind);
  if (repeatable) {
    shortest = shrink(std::move(shortest), found.kind);
    simplify(&shortest, found.kind);
    shortest = shrink(std::move(shortest), found.kind);
  }
  size_t at = 0;
  std::vector<std::string> trace;
  auto last = play(shortest, &at, &trace);
  if (!repeatable)
    printf("  it does not show again; the whole sequence:\n");
  else
    printf("  %zu calls are enough: %s\n", shortest.size(), last ? last->text.c_str() : "");
  for (size_t i = 0; i < shortest.size(); i++)
    printf("  %3zu %s   %s\n", i + 1, to_text(shortest[i]).c_str(),
           i < trace.size() ? trace[i].c_str() : "not made");
  printf("  repeat with: %s --sequence %llu\n", config_.repeat.c_str(),
         static_cast<unsigned long long>(number));
}

}  // namespace mp11::conform
