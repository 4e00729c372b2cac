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
 * Start blocks: text of lines `key=value`, each ending with a newline, that one of our processes
 * leaves for another in a sealed memfd.
 *
 * Trust: the writer is believed; the reader is strict so that a mistake is found.
 */
#pragma once
#include <string_view>

namespace mp11 {

/*
 * Calls take(key, value) for each line, in order. 0 when every line was taken, else the number of
 * the first line that has no form or that take() refused, counted from 1.
 */
template <class Take>
unsigned for_each_key(std::string_view text, Take take) {
  for (unsigned line = 1; !text.empty(); line++) {
    size_t end = text.find('\n');
    std::string_view one = text.substr(0, end);
    size_t equals = one.find('=');
    if (end == std::string_view::npos || equals == std::string_view::npos ||
        one.find('\0') != std::string_view::npos ||
        !take(one.substr(0, equals), one.substr(equals + 1)))
      return line;
    text.remove_prefix(end + 1);
  }
  return 0;
}

}  // namespace mp11
