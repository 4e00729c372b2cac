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
 * What `multip11 conform` runs: calls with symbolic handles, their results, and the octets in which
 * both travel between the comparer and its two executors.
 *
 * A handle or slot id is a variable: the call that makes it binds it, later calls use it, and each
 * executor knows the real value on its side. So one sequence runs on any module, and still means
 * something when calls were taken out of it: a variable that nothing bound is the value 0.
 */
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "cryptoki.h"
#include "p11_functions.h"
#include "p11_params.h"

namespace mp11::conform {

using Bytes = std::vector<uint8_t>;
using Var = uint64_t; /* 0: none */

/* A session, object or slot as argument. */
struct Ref {
  Var var = 0; /* 0: the value stands in `literal` */
  uint64_t literal = 0;
};

/* Octets as argument. */
struct Octets {
  enum class Kind : uint8_t {
    kNull,    /* a NULL pointer, with `size` as the length */
    kLiteral, /* `data` */
    kPattern, /* `size` octets made from `seed` */
    kOutput,  /* what an earlier call on the same side gave out; no octets if it did not */
  };
  Kind kind = Kind::kNull;
  uint64_t size = 0;
  uint64_t seed = 0;
  Var output = 0;
  Bytes data;
};

struct Attribute {
  uint64_t type = 0;
  bool nested = false; /* the value is `inner`, else `value` */
  Octets value;        /* of a query: kNull, or as much room as `size` says */
  std::vector<Attribute> inner;
};

/* One member of a parameter structure, in the order of ParamStruct::fields. */
struct Field {
  uint64_t number = 0;      /* kUlong, kOctet */
  Ref handle;               /* kHandle */
  Octets octets;            /* kArray, kBytes */
  bool null = false;        /* kPointer */
  std::vector<Field> inner; /* kInside, kPointer */
};

struct Mechanism {
  enum class Form : uint8_t { kFlat, kNumber, kHandle, kStruct };
  uint64_t type = 0;
  Form form = Form::kFlat;
  Octets octets;       /* kFlat */
  uint64_t number = 0; /* kNumber */
  Ref handle;          /* kHandle */
  uint32_t layout = 0; /* kStruct: index in param_structs() */
  std::vector<Field> fields;
  uint64_t length =
      0; /* ulParameterLen; the parameter is cut to it, or zeros follow. kFlat: unused */
};

/* One argument; what counts depends on its ArgKind. */
struct Arg {
  bool null = false;        /* the pointer is NULL */
  bool null_length = false; /* the pointer to the length is NULL */
  Ref ref;
  uint64_t number = 0; /* kNumber; how an interesting pointer is made: kInitArgs */
  uint64_t room = 0;   /* of an output, in its elements */
  Octets octets;
  Mechanism mechanism;
  std::vector<Attribute> attributes;
};

/* Beside the functions of PKCS #11, what an application may do. */
inline constexpr uint32_t kFork = 1000;    /* fork; number: what the child does */
inline constexpr uint32_t kThreads = 1001; /* `threads` at the same time, each in order */

struct Call {
  uint32_t function = 0;
  uint32_t thread = 0; /* which of the executor's threads makes it; 0: its first */
  bool probe = false;  /* may mean another handle by chance: ask first (Executor::ambiguous) */
  Var binds = 0;       /* first of the variables for handles that it gives out */
  Var output = 0;      /* variable for octets that it gives out */
  std::vector<Arg> args;
  std::vector<std::vector<Call>> threads;
};

/* What one argument gave out. */
struct Out {
  uint64_t length = 0; /* as the module left it */
  Bytes data;
  std::vector<uint64_t> numbers;
  std::vector<Out> inner; /* of a template */
};

struct Reply {
  uint64_t rv = 0;
  std::vector<Out> outs; /* one for each argument */
  std::vector<std::vector<Reply>> threads;
};

/* What kOctets::kPattern stands for. */
Bytes pattern(uint64_t seed, uint64_t size);

void write_call(const Call& call, Bytes* out);
void write_reply(const Reply& reply, Bytes* out);
/* False: not what write_call or write_reply wrote. */
[[nodiscard]] bool read_call(const uint8_t* data, size_t size, Call* call);
[[nodiscard]] bool read_reply(const uint8_t* data, size_t size, Reply* reply);

/* One line of text for people. */
std::string to_text(const Call& call);
std::string rv_name(uint64_t rv);
std::string mechanism_name(uint64_t type);

/* Pseudo-random numbers that are the same everywhere: splitmix64. */
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next();
  uint64_t below(uint64_t bound) { return bound == 0 ? 0 : next() % bound; }
  bool percent(unsigned chance) { return below(100) < chance; }
  bool one_in(unsigned count) { return below(count) == 0; }
  template <class List>
  const auto& pick(const List& list) {
    return *(std::begin(list) + static_cast<ptrdiff_t>(below(std::size(list))));
  }

 private:
  uint64_t state_;
};

}  // namespace mp11::conform
