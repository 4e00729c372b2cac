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
/* A question to multip11d -T -C, read. */
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "layer_filter.h"
#include "p11_functions.h"
#include "p11_params.h"
#include "records.h"
#include "result.h"

namespace mp11 {

struct Question {
  Verdict verdict{};                /* of whom it asks */
  std::optional<std::string> token; /* label, as configured; none: all */
  const FunctionRow* function = nullptr;
  const MechanismRow* mechanism = nullptr;
  std::optional<ObjectFacts> object;
  std::string object_text;
  bool asks_for_call() const { return function != nullptr || mechanism != nullptr || object; }
};

/*
 * Either parts KEY=VALUE, in any order; or one part, user=WHO, with the others behind it in the
 * order of explain.h, each after a comma. An error says what is wrong and what to write.
 */
Result<Question> read_question(const std::vector<std::string>& parts);

}  // namespace mp11
