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
 * Members of calls and returns that are no C arguments: what comes ahead of the calls that it is
 * for (PROTOCOL, Fewer round trips). The declarations are codec.h's; these are their two sides.
 */
#pragma once
#include "codec.h"
#include "values.h"

namespace mp11::asn1 {

/* In a call that has the member; in others eager has no place. */
void put_eager(const FunctionTypes& types, uint32_t eager, void* call, CallArena* arena);
/* 0 where it is absent. */
uint32_t get_eager(const FunctionTypes& types, const void* call);

/* After the results that the words give. */
void put_ahead(const FunctionRow& row, const Words& words, const Ahead& ahead, void* result,
               CallArena* arena);
/*
 * Before the results are: the words' lengths still are the application's. False when there is more
 * than was asked for, or it contradicts itself.
 */
bool get_ahead(const FunctionRow& row, const Words& words, const void* result, Ahead* ahead,
               CallArena* arena);

}  // namespace mp11::asn1
