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
 * How the configuration names a token of a library: by its label, or by a PKCS #11 URI. And how a
 * question to multip11d -T -C names an object.
 *
 * Called by the configuration, in [priv], and by explain_question.cc.
 */
#pragma once
#include <string>

#include "layer_filter.h"
#include "result.h"

namespace mp11 {

struct TokenName {
  std::string text; /* as configured; empty: the library's first token */
  /* What the token itself says, without padding; empty: whatever it is. */
  std::string label, manufacturer, model, serial;
};

/* Whether it begins as a URI, and is none of labels. */
bool is_token_uri(const std::string& text);

/*
 * "pkcs11:..." is a URI (RFC 7512) with at least one of token, manufacturer, model and serial, each
 * at most as long as its field of CK_TOKEN_INFO; with other attributes it names something else than
 * a token, and is an error. Any other text is a label. The error says what to write.
 */
Result<TokenName> name_token(const std::string& text);

/*
 * A URI with at least one of object, id and type, and nothing else: which object of a token that
 * is named elsewhere. The error says what to write.
 */
Result<ObjectFacts> name_object(const std::string& text);

}  // namespace mp11
