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
 * The tickets of a daemon's backend: got with the keys of a keytab, in memory, for one connection.
 * For multip11-remote where [priv] starts it.
 *
 * The keys are there from read() to the end of get(), which is before the server has said a word;
 * the tickets until this is destroyed, which is before its first record is looked at. What then is
 * left is the security context alone, in libgssapi.
 *
 * Trust: the keytab is root's, handed over by [priv] as a sealed memfd. What the KDC answers is
 * read by libkrb5, while the keys are there: who can forge a KDC's answers and own libkrb5 has
 * them.
 */
#pragma once
#include <memory>
#include <string>

#include "result.h"

struct _krb5_context;
struct _krb5_kt;
struct _krb5_ccache;
struct krb5_principal_data;

namespace mp11 {

class KeytabTickets {
 public:
  /*
   * Takes the keys of `client`, or of the keytab's first entry where that is empty; closes `fd`.
   * Before the sandbox, as it opens /proc/self/fd. An error's text says what to do.
   */
  static Result<std::unique_ptr<KeytabTickets>> read(int fd, const std::string& client);
  ~KeytabTickets();
  KeytabTickets(const KeytabTickets&) = delete;
  KeytabTickets& operator=(const KeytabTickets&) = delete;

  /*
   * Asks the KDC for a ticket that lasts as long as it grants. GssClient finds it, as $KRB5CCNAME
   * names it from now on. The keys are wiped, whatever comes of it.
   */
  Status get();
  /* Who we are, with the realm. */
  const std::string& client() const { return name_; }

 private:
  KeytabTickets() = default;
  Status take_keys(const std::string& keytab, const std::string& client);
  void wipe_keys();

  _krb5_context* context_ = nullptr;
  _krb5_kt* keys_ = nullptr;
  _krb5_ccache* tickets_ = nullptr;
  krb5_principal_data* principal_ = nullptr;
  std::string name_;
};

}  // namespace mp11
