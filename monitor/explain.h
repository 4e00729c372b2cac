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
 * What somebody sees, and which line of the configuration says so: multip11d -T -C.
 *
 * Called by multip11d before it becomes anything. Asks the policy in the form in which the vault
 * gets it, so that what is told is what would be done.
 */
#pragma once
#include <string>
#include <vector>

#include "config.h"
#include "result.h"

namespace mp11 {

/*
 * parts: user=WHO, WHO as in an allow list without patterns (a principal, uid:N or local:NAME);
 * then, if wanted, token=LABEL, which tells of that token alone, seen or not; and of a call
 * function=C_NAME, mechanism=CKM_NAME and object=URI (RFC 7512), for which is told which layer
 * answers. All may stand in one part, in this order, each after a comma. *yes: whether there is
 * something to see, and a layer that answers. An error says what is wrong with the question.
 */
Result<std::string> explain(const Config& config, const std::vector<std::string>& parts, bool* yes);

}  // namespace mp11
