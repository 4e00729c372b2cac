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
/* What parameters of the mock library's mechanisms say, as text; for mock.cc alone. */
#pragma once
#include <string>

#include "cryptoki.h"

namespace mock {

/* The value of a key; false when there is none of that handle. */
bool value_of_key(CK_OBJECT_HANDLE handle, std::string* value);

/* Writes down what goes into a derivation, and whether every key that it names is there. */
class Recipe {
 public:
  explicit Recipe(CK_MECHANISM_TYPE type) : text_(std::to_string(type)) {}
  void key(CK_OBJECT_HANDLE handle) {
    std::string value;
    const bool there = value_of_key(handle, &value);
    good_ &= there;
    if (there) text_ += " key(" + value + ")";
  }
  void number(CK_ULONG n) { text_ += " " + std::to_string(n); }
  void data(const void* p, CK_ULONG size) { text_ += " data(" + octets_at(p, size) + ")"; }
  bool good() const { return good_; }
  const std::string& text() const { return text_; }

 private:
  static std::string octets_at(const void* data, CK_ULONG size) {
    return data != nullptr ? std::string(static_cast<const char*>(data), size) : std::string("-");
  }
  std::string text_;
  bool good_ = true;
};

/* CKR_OK, or what is wrong with a mechanism, its parameter, or a key that this names. */
CK_RV read_mechanism(const CK_MECHANISM& m, Recipe* recipe);

/* Makes a key of that value in a session that there is. */
CK_RV make_key(CK_SESSION_HANDLE session, const std::string& text, const CK_ATTRIBUTE* attributes,
               CK_ULONG count, CK_OBJECT_HANDLE* made);

/* Makes what a parameter gives back. */
struct Deriver {
  CK_SESSION_HANDLE session;
  std::string text; /* what went in */
  const CK_ATTRIBUTE* attributes;
  CK_ULONG count;

  /* *own: whether the call makes a key beside. */
  CK_RV outputs(const CK_MECHANISM& m, bool* own) const;

 private:
  CK_RV key(const char* what, CK_OBJECT_HANDLE* made) const;
  CK_RV additional(CK_DERIVED_KEY* keys, CK_ULONG number) const;
  CK_RV material(CK_SSL3_KEY_MAT_OUT* out, CK_ULONG iv_bits) const;
  CK_RV material(CK_WTLS_KEY_MAT_OUT* out, CK_ULONG iv_bits) const;
  CK_RV output(CK_BYTE* out, CK_ULONG* length) const;
};

}  // namespace mock
