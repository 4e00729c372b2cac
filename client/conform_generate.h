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
 * Makes the next call of a sequence, at random, from what the model says: mostly calls that work,
 * with one thing wrong now and then. The same seed and the same replies make the same calls.
 */
#pragma once
#include <deque>

#include "conform_compare.h"
#include "conform_model.h"

namespace mp11::conform {

struct GeneratorConfig {
  uint64_t seed = 1;
  unsigned threads = 1;
  std::string user_pin, so_pin; /* empty: never logged in by it */
  bool destructive = false;     /* may change the token: objects, PINs, initialisation */
  bool forks = true;
  bool duals = true; /* dual functions */
};

class Generator {
 public:
  Generator(const GeneratorConfig& config, const TokenFacts& facts, const Comparer& comparer);
  Call next();
  void learn(const Call& call, const Reply& reply);
  /* The call is not to be made: it crashes the module. */
  void forget(const Call& call);

 private:
  /* conform_generate.cc: which call, and its arguments in general */
  void prepare();
  Call choose();
  uint32_t choose_function();
  Call call_of(uint32_t function);
  Arg argument(const ArgSpec& spec, const FunctionRow& row);
  void continue_operation(Call* call, Session* session, Operation operation);
  void improve(Call* call);
  void improve_init(Call* call, const FunctionRow& row);
  void protect(Call* call) const;
  void number_results(Call* call);
  void mark_dead(Call* call);
  void plan_threads();
  void record_block(const Call& call);

  /* conform_mistakes.cc: one thing wrong */
  void spoil(Call* call);
  void spoil_argument(const ArgSpec& spec, Arg* arg, Call* call);
  void spoil_ref(Ref* ref, Call* call);
  void spoil_octets(Octets* octets);
  Bytes wrong_value(uint64_t type);
  void spoil_template(std::vector<Attribute>* list, bool query);
  void spoil_mechanism(Mechanism* m);
  static void keep_form(Mechanism* m);

  /* conform_values.cc: what arguments are made of */
  Var pick_session();
  Var pick_object();
  Var pick_object(uint64_t object_class, uint64_t key_type);
  const MechanismFacts* pick_mechanism(uint64_t flag);
  Mechanism mechanism(uint64_t type);
  std::vector<Field> fields(const ParamStruct& layout, uint64_t type);
  Var key_for(uint64_t type, Operation operation);
  Octets peer(uint64_t type);
  Attribute allowed_mechanisms();
  Octets data(uint64_t most);
  Octets data_for(const Running& running, Operation operation);
  uint64_t room_for(uint64_t needed);
  std::vector<Attribute> object_template();
  std::vector<Attribute> material_template(size_t material);
  std::vector<Attribute> new_key_template(uint64_t mechanism, int half);
  std::vector<Attribute> search_template();
  std::vector<Attribute> query_template(const Object* object);
  std::vector<Attribute> change_template();
  Octets pin(const std::string& text);

  GeneratorConfig config_;
  const TokenFacts& facts_;
  const Comparer& comparer_;
  Random random_;
  Model model_;
  std::deque<Call> planned_;
  Var last_var_ = 0;
  Var target_ = 0;         /* the slot */
  bool new_token_ = false; /* in another slot, with a random number: lists would differ later */
  Var pending_made_ = 0;   /* of the Init that was made last */
  /* While the lists of one kThreads are recorded: */
  std::vector<std::vector<Call>> blocks_;
  size_t block_calls_ = 0; /* left to record of the current block; 0: none is recorded */
  size_t blocks_left_ = 0;
  Var block_session_ = 0;
};

Attribute attribute_of(uint64_t type, Bytes value);
Attribute ulong_attribute(uint64_t type, uint64_t value);
Attribute bool_attribute(uint64_t type, bool value);
Octets literal(Bytes data);

}  // namespace mp11::conform
