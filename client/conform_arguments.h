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
 * The inside of an executor: what stands for variables on this side, and calls made of symbols.
 * Several threads use one Executor at the same time.
 */
#pragma once
#include <mutex>
#include <unordered_map>

#include "conform_call.h"
#include "conform_memory.h"

namespace mp11::conform {

enum class HandleKind : uint8_t { kSlot, kSession, kObject };

class Handles {
 public:
  void bind(HandleKind kind, Var var, uint64_t value);
  /* The variable of a value that was found, which becomes `fresh` if it was not known. */
  Var find_or_bind(HandleKind kind, uint64_t value, Var fresh);
  /* The variable that stands for the value now, or 0. */
  Var var_of(HandleKind kind, uint64_t value) const;
  uint64_t value_of(const Ref& ref) const; /* 0 for a variable that was never bound */
  void forget(HandleKind kind, const Ref& ref);
  /* After C_Finalize: what comes has nothing to do with what was. Slots stay. */
  void forget_all();
  bool ambiguous(HandleKind kind, const Ref& ref) const;

 private:
  struct Entry {
    HandleKind kind;
    uint64_t value;
  };
  mutable std::mutex mutex_;
  std::unordered_map<Var, Entry> values_;
  std::unordered_map<uint64_t, Var> vars_[3]; /* by HandleKind: the latest */
};

class Outputs {
 public:
  void keep(Var var, const Bytes& data);
  Bytes get(Var var) const;

 private:
  mutable std::mutex mutex_;
  std::unordered_map<Var, Bytes> data_;
};

/* The memory of one call on one side: words for a function, and afterwards what they gave out. */
class Arguments {
 public:
  Arguments(const Handles& handles, const Outputs& outputs, GuardedMemory* memory)
      : handles_(handles), outputs_(outputs), memory_(memory) {}
  /* args must be as many as the row has. */
  void make(const FunctionRow& row, const Call& call, Words* words);

 private:
  void argument(const ArgSpec& spec, const Arg& arg, Word* w);
  Bytes octets(const Octets& o) const;
  Word place(const Octets& o, CK_ULONG* size);
  Word attributes(const std::vector<Attribute>& list, bool query);
  Word mechanism(const Mechanism& m);
  Word parameter(const Mechanism& m);
  void fields(const ParamStruct& layout, const std::vector<Field>& values, uint8_t* at);
  Word init_args(uint64_t variant);
  static size_t out_size(ArgKind kind);

  const Handles& handles_;
  const Outputs& outputs_;
  GuardedMemory* memory_;
};

/* Collects what the module left; binds handles and keeps octets. */
void collect(const FunctionRow& row, const Call& call, const Words& words, CK_RV rv,
             Handles* handles, Outputs* outputs, Reply* reply);

}  // namespace mp11::conform
