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
 * conformance: what "hosted equals direct" means, statement by statement. The shell test runs it on
 * a library and on multip11 before the same library.
 *
 *   conformance MODULE POINT [ARGUMENT...]
 *
 * It prints two kinds of lines. `NAME<tab>VALUE` is what came of something; the script compares the
 * values of the two runs. `ok NAME` and `not ok NAME` are verdicts on what the standard, or the
 * project, decides; they count for the hosted run alone. No value holds a handle, a slot id or
 * anything random. A point ends the process with 0 whatever it found.
 */
#pragma once
#include <string>
#include <vector>

#include "cryptoki.h"

namespace conformance {

using Arguments = std::vector<std::string>;
using Octets = std::vector<CK_BYTE>;

extern CK_FUNCTION_LIST* p11;
extern void* module_handle; /* of dlopen */
extern std::string module_path;

/* Prints; a name that was there before gets a number. */
void tell(const std::string& name, const std::string& value);
std::string text_of(CK_RV rv);
std::string text_of(const Octets& octets, CK_ULONG size); /* size, and what is in them */
std::string text_of(const CK_UTF8CHAR* field, size_t size);
inline void tell(const std::string& name, CK_RV rv) { tell(name, text_of(rv)); }
/* With any other value the standard leaves open what stands in the results. */
inline bool has_results(CK_RV rv) {
  return rv == CKR_OK || rv == CKR_BUFFER_TOO_SMALL || rv == CKR_ATTRIBUTE_SENSITIVE ||
         rv == CKR_ATTRIBUTE_TYPE_INVALID;
}

/* The expression is the name. */
#define ASK(expression) ::conformance::tell(#expression, ::conformance::text_of(expression))

void verdict(bool right, const std::string& name, const std::string& detail = "");
void expect(const std::string& name, CK_RV wanted, CK_RV got);
/* For what must work before anything can be asked: ends the process. */
void must(const char* what, CK_RV rv);

inline constexpr char kLabel[] = "conformance";
inline constexpr CK_ULONG kNoHandle = 0x7ffffff1; /* names nothing */
extern CK_UTF8CHAR so_pin[], user_pin[];          /* 8 and 4 octets */
inline constexpr CK_ULONG kSoPin = 8, kUserPin = 4;

/* Slots as they are listed now, after the library was asked for their number. */
std::vector<CK_SLOT_ID> slots();
/* The slot of the token kLabel, and the one with a token that is not initialised. */
CK_SLOT_ID token_slot(const char* label = kLabel);
CK_SLOT_ID free_slot();

void initialize();
CK_SESSION_HANDLE open_session(CK_SLOT_ID slot, CK_FLAGS more = CKF_RW_SESSION);
/* Initialised, with a session of the token, logged in as its user. */
CK_SESSION_HANDLE logged_in();

/* Session objects, the same at each run. `more` are further attributes. */
CK_OBJECT_HANDLE make_secret(CK_SESSION_HANDLE session, CK_KEY_TYPE type, CK_ULONG size,
                             const std::vector<CK_ATTRIBUTE>& more = {}, CK_RV* rv = nullptr);
struct KeyPair {
  CK_OBJECT_HANDLE open = 0, secret = 0;
};
KeyPair make_rsa(CK_SESSION_HANDLE session, CK_ULONG bits = 1024);

template <class T>
CK_ATTRIBUTE attribute(CK_ATTRIBUTE_TYPE type, T& value) {
  return {type, &value, sizeof value};
}
extern CK_BBOOL yes, no;

/* One for each point of the list that the shell test states. */
void initialize_arguments(const Arguments&);
void init_calls(const Arguments&);
void operation_calls(const Arguments&);
void single_calls(const Arguments&);
void mechanism_lists(const Arguments&);
void parameter_lengths(const Arguments&);
void parameter_forms(const Arguments&); /* module: spy */
void infos(const Arguments&);
void infos_configured(const Arguments&);
void nested_templates(const Arguments&);
void slot_calls(const Arguments&);
void new_slot(const Arguments&);
void admin_calls(const Arguments&);
void no_admin(const Arguments&);
void zeroed_results(const Arguments&); /* module: spy */
void initialize_once(const Arguments&);
void initialize_at_once(const Arguments&);
void legacy_mechanisms(const Arguments&);
void forked(const Arguments&);
void two_users(const Arguments&);
void interfaces(const Arguments&);

}  // namespace conformance
