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
 * What the generator believes of both sides: sessions, objects, operations, and octets that were
 * made. It learns from the direct side's replies alone; where it is wrong the calls are merely less
 * interesting.
 */
#pragma once
#include <map>
#include <string>
#include <vector>

#include "conform_call.h"

namespace mp11::conform {

/* What a token offers; found once, before the sequences (Discovery in conform_run.cc). */
struct MechanismFacts {
  uint64_t type = 0;
  uint64_t flags = 0;
};
struct TokenFacts {
  size_t slots = 0;
  size_t target = 0;  /* which of them has the token */
  bool empty = false; /* it has no objects */
  std::vector<MechanismFacts> mechanisms;
};

/* Octets that one call made and another can take: a ciphertext, a signature, a wrapped key. */
struct Made {
  Operation operation = Operation::kOpNone; /* kOpNone: wrapped */
  Mechanism mechanism;
  Var key = 0;
  int material = -1; /* of the key, or -1 */
  Octets input;
  Var output = 0;
  Bytes octets; /* the direct side's; empty if only each side's own will do */
  uint64_t wrapped_class = 0, wrapped_type = 0;
};

struct Running {
  Mechanism mechanism;
  Var key = 0;
  int material = -1;
  uint64_t needed = 0; /* octets that the module last asked for */
  Var made = 0;        /* Made::output of what is undone here, or 0 */
};

struct Session {
  Var var = 0;
  bool open = false;
  bool read_write = false;
  unsigned thread = 0;
  std::map<Operation, Running> running;
};

struct Object {
  Var var = 0;
  bool alive = false;
  uint64_t object_class = 0;
  uint64_t key_type = 0;
  int material = -1; /* index in materials(), or -1 */
  Var session = 0;   /* which made it: only its block of a thread uses it */
};

class Model {
 public:
  void learn(const Call& call, const Reply& reply);
  std::vector<const Session*> open_sessions() const;
  Session* session(Var var);
  Object* object(Var var);

  bool initialized = false;
  bool logged_in = false;
  std::vector<Var> slots;
  std::vector<Session> sessions;
  std::vector<Object> objects;
  std::vector<Made> made;
  std::string user_pin, so_pin; /* as far as known */

 private:
  void learn_session(const FunctionRow& row, const Call& call);
  void learn_object(const FunctionRow& row, const Call& call);
  void learn_operation(const FunctionRow& row, const Call& call, const Reply& reply);
  void learn_made(const FunctionRow& row, const Call& call, const Reply& reply,
                  const Running& running);
  void learn_wrapped(const Call& call, const Reply& reply);
  void close_all();
};

/* The value of a CK_ULONG attribute in a template, or `otherwise`. */
uint64_t ulong_of(const std::vector<Attribute>& list, uint64_t type, uint64_t otherwise);
bool begins_operation(const FunctionRow& row);

}  // namespace mp11::conform
