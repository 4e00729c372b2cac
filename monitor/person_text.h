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
 * Names in the configuration that say something else for each person: labels of virtual tokens, and
 * of tokens of a library.
 *
 *   %p    the principal: alice@EXAMPLE.ORG, uid:1000, or the name of a local listener
 *   %u    the same without the realm; the configuration takes it only where all have one realm
 *   %%    %
 *
 * In what %p and %u stand for, every octet but letters, digits and - . _ ~ : @ / is written %XX, so
 * that two persons never have one name.
 *
 * Called by the configuration, in [priv], and by the vault.
 */
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace mp11 {

/* Of such a text as configured, in octets with its NUL. */
inline constexpr size_t kPersonText = 104;

/* What is wrong with the text, for the user; empty: nothing. */
std::string person_text_problem(std::string_view text);
/* Whether it has %p or %u, which are different persons' different names. */
bool names_person(std::string_view text);
bool names_user(std::string_view text); /* %u */
/* What the text says for that principal (Verdict::principal). */
std::string person_text(std::string_view text, std::string_view principal);

}  // namespace mp11
