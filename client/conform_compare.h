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
 * Says whether two replies to one call are equal, and knows what may differ: handles and slot ids,
 * which are variables already; slot descriptions, the time of the token's clock, session counts;
 * and whatever is made of random numbers. For that it follows which objects and octets are random:
 * generated keys, randomised signatures and encryptions, and all that is made of these.
 */
#pragma once
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "conform_call.h"

namespace mp11::conform {

struct Difference {
  std::string kind; /* the same for what is probably one fault: "C_Sign CK_RV CKR_OK CKR_..." */
  std::string text; /* for people */
};

/* Both sides behave the same, whatever else they may be: a signature that anybody can verify. */
bool randomised(uint64_t mechanism, Operation operation);

class Comparer {
 public:
  /*
   * `ordered`: the token has no objects yet. Libraries find those that they did not make since
   * C_Initialize in any order (SoftHSM's is that of addresses).
   * `named`: the hosted token has a label and a serial number of its own, and C_GetInfo is not the
   * module's.
   */
  Comparer(bool ordered, bool named) : ordered_(ordered), named_(named) {}
  /* To be called for every call of a sequence in turn; also learns what became random. */
  std::optional<Difference> compare(const Call& call, const Reply& direct, const Reply& hosted);
  bool is_random(Var object_or_output) const { return random_.contains(object_or_output); }

 private:
  /* How much of the octets that a call gives out is compared. */
  enum class Level {
    kExact,
    kLength,
    kValueOnly, /* neither octets nor their length */
    kNothing,   /* not even the CK_RV: random octets were deciphered */
  };
  struct Running {
    bool random = false;     /* made of random keys or octets */
    bool randomised = false; /* makes something random */
  };
  using Key = std::pair<Var, Operation>;

  bool uses_random(const Octets& octets) const;
  bool uses_random(const std::vector<Attribute>& list) const;
  bool uses_random(const std::vector<Field>& list) const;
  bool uses_random(const Mechanism& m) const;
  bool uses_random(const Call& call, const FunctionRow& row) const;
  Level level(const FunctionRow& row, const Call& call);
  void learn(const FunctionRow& row, const Call& call, const Reply& reply, Level level);
  std::string compare_out(const FunctionRow& row, unsigned i, const Call& call, const Reply& direct,
                          const Reply& hosted, Level level) const;
  std::string compare_attributes(const std::vector<Attribute>& asked,
                                 const std::vector<Out>& direct, const std::vector<Out>& hosted,
                                 bool random) const;
  std::string compare_info(ArgKind kind, const Out& direct, const Out& hosted) const;

  std::set<Var> random_;
  std::map<Key, Running> running_;
  void learn_order(const FunctionRow& row, const Call& call);
  std::string compare_found(const Call& call, const Out& direct, const Out& hosted) const;

  bool ordered_;                 /* objects are found in the same order on both sides */
  bool named_;                   /* the hosted token has words of its own */
  std::set<Var> made_;           /* objects that calls of the sequence made */
  bool token_objects_ = false;   /* some were made */
  std::set<Var> fresh_searches_; /* sessions whose search has found what still is there */
  bool new_serial_ = false;      /* a token was made: its serial number is random */
};

}  // namespace mp11::conform
