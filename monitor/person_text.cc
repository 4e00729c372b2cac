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
#include "person_text.h"

namespace mp11 {
namespace {

bool plain(char c) {
  constexpr std::string_view kOthers = "-._~:@/";
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         kOthers.find(c) != std::string_view::npos;
}

void append_encoded(std::string* text, std::string_view name) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  for (char c : name) {
    const uint8_t octet = static_cast<uint8_t>(c);
    if (plain(c))
      text->push_back(c);
    else
      text->append({'%', kDigits[octet >> 4], kDigits[octet & 15]});
  }
}

/* krb5_unparse_name() writes '\' before an '@' that belongs to a component: the last one is not. */
std::string_view without_realm(std::string_view principal) {
  return principal.substr(0, principal.rfind('@'));
}

bool has(std::string_view text, char what) {
  for (size_t i = 0; i + 1 < text.size(); i++) {
    if (text[i] != '%') continue;
    if (text[++i] == what) return true;
  }
  return false;
}

}  // namespace

std::string person_text_problem(std::string_view text) {
  if (text.empty() || text.size() >= kPersonText)
    return "is not usable; write 1 to " + std::to_string(kPersonText - 1) + " octets";
  for (size_t i = 0; i < text.size(); i++) {
    if (text[i] != '%') continue;
    i++;
    if (i == text.size() || (text[i] != 'p' && text[i] != 'u' && text[i] != '%'))
      return "has a % that stands for nothing; write %p, %u, or %% for %";
  }
  return "";
}

bool names_user(std::string_view text) { return has(text, 'u'); }

bool names_person(std::string_view text) { return has(text, 'p') || names_user(text); }

std::string person_text(std::string_view text, std::string_view principal) {
  std::string said;
  for (size_t i = 0; i < text.size(); i++) {
    if (text[i] != '%' || i + 1 == text.size()) {
      said.push_back(text[i]);
      continue;
    }
    switch (text[++i]) {
      case 'p':
        append_encoded(&said, principal);
        break;
      case 'u':
        append_encoded(&said, without_realm(principal));
        break;
      default:
        said.push_back(text[i]);
        break;
    }
  }
  return said;
}

}  // namespace mp11
