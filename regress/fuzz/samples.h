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
 * Calls as an application could make them, for every function and every mechanism: where targets
 * and the corpora begin.
 */
#pragma once
#include "marshal.h"
#include "p11_functions.h"

namespace mp11::fuzz {

inline constexpr unsigned kSampleVariants = 6;
/* What octets in them are, as often as they are long. */
inline constexpr char kSampleText[] = "sixteen octets!!";

/*
 * The words of a call of `row`, in the arena: 0 and 1 with buffers, 2 asking for lengths, 3 with
 * NULL for every pointer, 4 and 5 with nested templates and an object of the token. Output buffers
 * are CallArena::allocate_out. `mechanism` counts mechanism_rows(), modulo their number.
 */
void sample_call(const FunctionRow& row, unsigned variant, unsigned mechanism, CallArena* arena,
                 Words* words);

}  // namespace mp11::fuzz
