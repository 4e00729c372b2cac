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
#include "p11_functions.h"

#include <array>
#include <string_view>

namespace mp11 {
namespace {

using enum ArgKind;
using enum Route;
using enum Operation;
using enum LockMode;
using enum Secrecy;

template <size_t N>
constexpr FunctionRow make_row(unsigned number, const char* name, unsigned since, Route route,
                               Operation operation, Deadline deadline, LockMode lock,
                               Secrecy secrecy, const std::array<ArgSpec, N>& args) {
  static_assert(N <= kMaxArgs);
  FunctionRow row;
  row.number = static_cast<uint16_t>(number);
  row.name = name;
  row.since = static_cast<uint16_t>(since);
  row.route = route;
  row.operation = operation;
  row.deadline = deadline;
  row.lock = lock;
  row.secrecy = secrecy;
  for (const ArgSpec& arg : args) {
    row.args[row.arg_count] = arg;
    row.args[row.arg_count].first = row.word_count;
    row.arg_count++;
    row.word_count = static_cast<uint8_t>(row.word_count + arg.words);
  }
  return row;
}

#define ARG1(kind, a) ArgSpec{kind, 1, 0, {#a, nullptr, nullptr}},
#define ARG2(kind, a, b) ArgSpec{kind, 2, 0, {#a, #b, nullptr}},
#define ARG3(kind, a, b, c) ArgSpec{kind, 3, 0, {#a, #b, #c}},
#define P11_FUNCTION(number, name, since, route, operation, deadline, lock, secrecy, arguments) \
  make_row(number, "C_" #name, since, route, operation, Deadline::deadline, lock, secrecy,      \
           std::to_array<ArgSpec>({arguments})),

constexpr FunctionRow kTable[] = {
#include "p11_functions.def"
};
#undef P11_FUNCTION

template <class... A>
constexpr unsigned parameters(CK_RV (*)(A...)) {
  return sizeof...(A);
}

/* Each row against the C prototype of the same name. */
constexpr bool rows_complete() {
  constexpr unsigned counts[] = {
#define P11_FUNCTION(number, name, ...) parameters(static_cast<CK_C_##name>(nullptr)),
#include "p11_functions.def"
#undef P11_FUNCTION
  };
  for (unsigned i = 0; i < kFunctions; i++) {
    const FunctionRow& row = kTable[i];
    if (row.number != i || row.arg_count == 0 || row.word_count != counts[i]) return false;
    if (row.word_count > kMaxWords) return false;
    if ((row.since == 240) != (i < kFunctions240)) return false;
    bool by_session = row.has(kSession), by_slot = row.has(kSlot);
    if (by_session && by_slot) return false;
    if (row.route != kWhole && !by_session && !by_slot) return false;
    if (row.has(kPin) && (row.secrecy != kSecretPin || row.lock != kExclusive)) return false;
    if (row.has(kBytesOut) && row.secrecy == kPublic) return false;
    if ((row.route == kContinue || row.route == kDual) && row.operation == kOpNone &&
        std::string_view(row.name) != "C_SessionCancel")
      return false;
  }
  return true;
}
static_assert(sizeof kTable / sizeof kTable[0] == kFunctions, "a function has no row");
static_assert(rows_complete(),
              "a row of p11_functions.def lacks a part or contradicts its prototype");

}  // namespace

constinit const FunctionRow kFunctionTable[kFunctions] = {
#define P11_FUNCTION(number, ...) kTable[number],
#include "p11_functions.def"
#undef P11_FUNCTION
};

}  // namespace mp11
