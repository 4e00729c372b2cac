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
 * For the tests of PINs in a vault: VaultFixture with a database and a master key, and the test
 * also in the place of an administrator and of monitors that change PINs.
 */
#pragma once
#include <sys/un.h>

#include "vault_fixture.h"

namespace mp11::vault_test {

std::string key_line(char digit);
StoredPin stored(const std::string& pin);

/* What PinFixture::heard() says of such a record. */
std::string verdict(uint32_t verdict, const std::string& pin, const std::string& next = "");

/*
 * "safe" on hsm has pin = vault, for uid:1000 and uid:1001; so has "of %p" on hsm; "made" on hsm is
 * on demand; "open" has the client's PIN.
 */
struct PinFixture : VaultFixture {
  explicit PinFixture(const std::string& keys = key_line('1'));
  ~PinFixture() { vault.reset(); /* before its database */ }
  /* Also again: another vault over the same database. */
  void start(const std::string& keys);
  /* What the database's file has, octet by octet. */
  std::string database();
  void sql(const std::string& text) { dir.sql(text); }
  using VaultFixture::connect;
  Seen connect(uint64_t name) { return connect(name, "uid:1000"); }

  /* ---- An administrator */

  static VaultRequest request(VaultCommand command, const char* token = "", const char* pin = "",
                              const char* backend = "hsm");
  sockaddr_un where() const;
  UniqueFd admin();
  /* Of no result when the vault has hung up. */
  VaultAnswer ask(const VaultRequest& request);
  VaultAnswer forced(VaultCommand command, const char* token, const char* pin = "");
  uint32_t does(VaultCommand command, const char* token = "", const char* pin = "");
  std::string pin_of(const char* token);
  /* KIND KEY NEXT-KEY FLAGS SINCE */
  std::string entry_of(const char* token);

  /* ---- A monitor that changes the PIN of a layer */

  static PinTurn turn_of(const Seen& seen, const char* token, RecordType type, uint32_t outcome = 0,
                         uint32_t size = 0);
  void say(const Seen& seen, const char* token, RecordType type, uint32_t outcome = 0,
           uint32_t size = 0);
  /* "VERDICT PIN NEXT" of the next record; "" when there is none, "closed" when it hung up. */
  std::string heard(const Seen& seen);

  StateDir dir;
  std::vector<VaultEntry> entries; /* of the last ask() */
  VaultAnswer last{};              /* of the last does() */

 private:
  UniqueFd listener() const;
};

}  // namespace mp11::vault_test
