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
/* Words, which are C arguments, as the pointers that some of them are (p11_functions.h). */
#pragma once
#include <algorithm>

#include "cryptoki.h"
#include "p11_functions.h"

namespace mp11 {

template <class T>
T* pointer(Word word) {
  return reinterpret_cast<T*>(word);
}
template <class T>
Word word_of(T* p) {
  return reinterpret_cast<Word>(p);
}

/* Of C_GetAttributeValue: whether an attribute has no buffer. */
inline bool asks_for_a_length(const Words& words) {
  const auto* attributes = pointer<const CK_ATTRIBUTE>(words.w[2]);
  return attributes != nullptr && std::any_of(attributes, attributes + words.w[3],
                                              [](const auto& a) { return a.pValue == nullptr; });
}

}  // namespace mp11
