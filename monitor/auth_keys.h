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
 * Keys of a keytab in a file, into one in memory, so that the file can be closed and forgotten. A
 * header alone: who includes it links libkrb5.
 */
#pragma once
#include <krb5/krb5.h>

#include <string>

#include "result.h"

namespace mp11 {

struct KeysTaken {
  int taken = 0, others = 0; /* entries */
};

/* pick(entry, &code): whether to take it; an error of Kerberos ends it. */
template <class Pick>
Result<KeysTaken> take_keys(krb5_context context, const std::string& name, krb5_keytab to,
                            Pick pick) {
  krb5_keytab from = nullptr;
  krb5_kt_cursor cursor = nullptr;
  KeysTaken count;
  krb5_error_code code = krb5_kt_resolve(context, name.c_str(), &from);
  if (code == 0) code = krb5_kt_start_seq_get(context, from, &cursor);
  if (code == 0) {
    krb5_keytab_entry entry{};
    while ((code = krb5_kt_next_entry(context, from, &entry, &cursor)) == 0) {
      if (pick(entry, &code)) {
        if (code == 0) code = krb5_kt_add_entry(context, to, &entry);
        count.taken++;
      } else {
        count.others++;
      }
      krb5_free_keytab_entry_contents(context, &entry); /* wipes the key */
      if (code != 0) break;
    }
    if (code == KRB5_KT_END) code = 0;
    krb5_kt_end_seq_get(context, from, &cursor);
  }
  std::string text;
  if (code != 0) {
    const char* words = krb5_get_error_message(context, code);
    text = words;
    krb5_free_error_message(context, words);
  }
  if (from != nullptr) krb5_kt_close(context, from);
  if (code != 0) return Error{0, "cannot read the keytab: " + text};
  return count;
}

}  // namespace mp11
