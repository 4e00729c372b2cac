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
/* What the tests of Acceptor share. */
#pragma once
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <optional>
#include <string>

#include "../../krb5/ticket_forge.h"
#include "auth_acceptor.h"

namespace mp11::test {

/* A forged realm, its service and an acceptor; clients may use RC4, if they can. */
struct AuthFixture {
  AuthFixture() {
    setenv("KRB5_CONFIG", weak_configuration(), 1);
    forge.emplace();
    keytab = std::string("FILE:/tmp/mp11-auth-test-") + std::to_string(getpid()) + ".keytab";
    forge->write_keytab(keytab, start.principal);
    make_acceptor();
  }
  ~AuthFixture() { unlink(keytab.c_str() + 5); }
  static const char* weak_configuration() {
    static const std::string path = [] {
      std::string name = "/tmp/mp11-auth-test-" + std::to_string(getpid()) + ".conf";
      FILE* file = fopen(name.c_str(), "w");
      fputs(
          "[libdefaults]\n allow_weak_crypto = true\n allow_rc4 = true\n"
          " permitted_enctypes = aes256-sha2 aes256-sha1 aes128-sha2 aes128-sha1 rc4\n",
          file);
      fclose(file);
      atexit([] { unlink(getenv("KRB5_CONFIG")); });
      return name;
    }();
    return path.c_str();
  }
  void make_acceptor() {
    acceptor.reset();
    auto made = Acceptor::create(start, keytab);
    BOOST_REQUIRE_MESSAGE(made.ok(), made.error().text);
    acceptor = std::move(*made);
    acceptor->warm_up();
  }

  AuthStart start{.principal = "pkcs11/localhost@FORGED.TEST"};
  std::optional<Forge> forge;
  std::string keytab;
  std::unique_ptr<Acceptor> acceptor;
};

}  // namespace mp11::test
