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
 * The entry points of multip11.so, one for each row of p11_functions.def: arguments become words,
 * and dispatch() does the rest. C_GetInterface and C_GetInterfaceList stay hidden: who finds them
 * expects the functions of 3.0 behind them, which answer CKR_FUNCTION_NOT_SUPPORTED for now.
 *
 * Trust: the application is believed, as by any library: its pointers and lengths are what it says.
 */
#include <tuple>
#include <type_traits>

#include "dispatch.h"

namespace {

using mp11::Word;

template <class T>
Word to_word(T value) {
  if constexpr (std::is_pointer_v<T>)
    return reinterpret_cast<Word>(value);
  else
    return static_cast<Word>(value);
}

/* The C prototypes cannot be noexcept, as cryptoki.h declares them without; this is. */
template <unsigned number, class... A>
CK_RV entry(A... arguments) noexcept {
  mp11::Words words{{to_word(arguments)...}};
  return mp11::client::dispatch(mp11::kFunctionTable[number], words);
}

template <class Function>
struct Prototype;
template <class... A>
struct Prototype<CK_RV (*)(A...)> {
  template <unsigned I>
  using Parameter = std::tuple_element_t<I, std::tuple<A...>>;
};

}  // namespace

/* n parameters of C_name, as declarations and as arguments. */
#define PARAMETER(name, i) typename Prototype<CK_C_##name>::Parameter<i> a##i
#define PARAMETERS_1(name) PARAMETER(name, 0)
#define PARAMETERS_2(name) PARAMETERS_1(name), PARAMETER(name, 1)
#define PARAMETERS_3(name) PARAMETERS_2(name), PARAMETER(name, 2)
#define PARAMETERS_4(name) PARAMETERS_3(name), PARAMETER(name, 3)
#define PARAMETERS_5(name) PARAMETERS_4(name), PARAMETER(name, 4)
#define PARAMETERS_6(name) PARAMETERS_5(name), PARAMETER(name, 5)
#define PARAMETERS_7(name) PARAMETERS_6(name), PARAMETER(name, 6)
#define PARAMETERS_8(name) PARAMETERS_7(name), PARAMETER(name, 7)
#define PARAMETERS_9(name) PARAMETERS_8(name), PARAMETER(name, 8)
#define PARAMETERS_10(name) PARAMETERS_9(name), PARAMETER(name, 9)
#define PARAMETERS_11(name) PARAMETERS_10(name), PARAMETER(name, 10)
#define ARGUMENTS_1 a0
#define ARGUMENTS_2 ARGUMENTS_1, a1
#define ARGUMENTS_3 ARGUMENTS_2, a2
#define ARGUMENTS_4 ARGUMENTS_3, a3
#define ARGUMENTS_5 ARGUMENTS_4, a4
#define ARGUMENTS_6 ARGUMENTS_5, a5
#define ARGUMENTS_7 ARGUMENTS_6, a6
#define ARGUMENTS_8 ARGUMENTS_7, a7
#define ARGUMENTS_9 ARGUMENTS_8, a8
#define ARGUMENTS_10 ARGUMENTS_9, a9
#define ARGUMENTS_11 ARGUMENTS_10, a10

/* How many: each C argument of a row brings a comma, so one more item follows, which is empty. */
#define ARG1(kind, a) a,
#define ARG2(kind, a, b) a, b,
#define ARG3(kind, a, b, c) a, b, c,
#define THIRTEENTH(a, b, c, d, e, f, g, h, i, j, k, l, m, ...) m
#define COUNT(...) THIRTEENTH(__VA_ARGS__, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)

#define JOIN(a, b) a##b
#define DEFINE(name, n) \
  CK_RV C_##name(JOIN(PARAMETERS_, n)(name)) { return entry<mp11::kC_##name>(JOIN(ARGUMENTS_, n)); }
#define DEFINE_COUNTED(name, ...) DEFINE(name, COUNT(__VA_ARGS__))
#define P11_FUNCTION(number, name, since, route, operation, deadline, lock, secrecy, arguments) \
  DEFINE_COUNTED(name, arguments)

[[gnu::visibility("hidden")]] CK_RV C_GetInterfaceList(CK_INTERFACE_PTR, CK_ULONG_PTR);
[[gnu::visibility("hidden")]] CK_RV C_GetInterface(CK_UTF8CHAR_PTR, CK_VERSION_PTR,
                                                   CK_INTERFACE_PTR_PTR, CK_FLAGS);

#pragma GCC visibility push(default)
#include "p11_functions.def"
#pragma GCC visibility pop
#undef P11_FUNCTION

namespace mp11::client {

CK_FUNCTION_LIST* function_list() {
#define ROW_240(name) C_##name,
#define ROW_300(name)
#define ROW_310(name)
#define ROW_320(name)
#define P11_FUNCTION(number, name, since, ...) ROW_##since(name)
  static constinit CK_FUNCTION_LIST list = {
      {2, 40},
#include "p11_functions.def"
  };
#undef P11_FUNCTION
  return &list;
}

}  // namespace mp11::client
