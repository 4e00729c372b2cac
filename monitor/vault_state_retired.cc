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
 * VaultState, tokens on demand that nobody may use any more: the tables person, gone and hidden.
 * When that is so, vault_retiring.cc knows.
 */
#include <algorithm>

#include "vault_statement.h"

namespace mp11 {

/* Asked first: a write waits for the disk, and most often there is nothing new. */
Status VaultState::note_person(const TokenName& name, const Person& person) {
  Statement known(database_,
                  "SELECT 1 FROM person WHERE backend = ? AND token = ? AND kind = ?"
                  " AND principal = ?");
  known.bind(1, name.backend).bind(2, name.token).bind(3, uint64_t{person.kind});
  const int answer = known.bind(4, person.principal).step();
  if (answer == SQLITE_ROW) return ok();
  if (answer != SQLITE_DONE) return error();
  Statement add(database_, "INSERT OR IGNORE INTO person VALUES (?, ?, ?, ?)");
  add.bind(1, name.backend).bind(2, name.token).bind(3, uint64_t{person.kind});
  if (add.bind(4, person.principal).step() != SQLITE_DONE) return error();
  return ok();
}

Result<std::vector<VaultState::Retirable>> VaultState::retirable() {
  std::map<TokenName, Retirable> all;
  Statement tokens(database_,
                   "SELECT token.backend, token.token, made, coalesce(since, 0), coalesce(seen, 0),"
                   " coalesce(waited, 0), coalesce(erasing, 0) FROM token LEFT JOIN gone"
                   " ON gone.backend = token.backend AND gone.token = token.token");
  int answer;
  while ((answer = tokens.step()) == SQLITE_ROW) {
    const TokenName name{tokens.text(0), tokens.text(1)};
    auto seconds = [&tokens](int column) {
      return static_cast<uint64_t>(std::max<int64_t>(tokens.number(column), 0));
    };
    const Gone gone{seconds(3), seconds(4), seconds(5), tokens.number(6) != 0};
    all[name] = {name, tokens.number(2) != 0, gone};
  }
  if (answer != SQLITE_DONE) return error();
  Statement persons(database_, "SELECT backend, token, kind, principal FROM person");
  while ((answer = persons.step()) == SQLITE_ROW)
    if (auto token = all.find({persons.text(0), persons.text(1)}); token != all.end())
      token->second.persons.push_back({static_cast<uint32_t>(persons.number(2)), persons.text(3)});
  if (answer != SQLITE_DONE) return error();
  std::vector<Retirable> list;
  for (auto& [name, token] : all) list.push_back(std::move(token));
  return list;
}

Status VaultState::set_gone(const TokenName& name, const Gone& gone) {
  return transaction([&]() -> Status {
    Statement remove(database_, "DELETE FROM gone WHERE backend = ? AND token = ?");
    if (remove.bind(1, name.backend).bind(2, name.token).step() != SQLITE_DONE) return error();
    if (gone.since_s == 0) return ok();
    Statement put(database_, "INSERT INTO gone VALUES (?, ?, ?, ?, ?, ?)");
    put.bind(1, name.backend).bind(2, name.token).bind(3, gone.since_s).bind(4, gone.seen_s);
    put.bind(5, gone.waited_s);
    if (put.bind(6, uint64_t{gone.erasing}).step() != SQLITE_DONE) return error();
    return ok();
  });
}

Status VaultState::hide(const TokenName& name, uint64_t now_s) {
  return transaction([&]() -> Status {
    const std::string sql = demanded_where("WHERE backend = ? AND token = ? AND made = 1");
    Statement known(database_, sql.c_str());
    const int answer = known.bind(1, name.backend).bind(2, name.token).step();
    if (answer == SQLITE_DONE) return Error{0, "it has not been made"};
    if (answer != SQLITE_ROW) return error();
    const DemandedToken token = demanded_of(known);
    Result<std::optional<PinRow>> pin = find_pin({PinKind::kDerived, name.backend, name.token});
    if (!pin) return pin.error();
    const uint32_t next_key = *pin ? (**pin).next_key : 0;
    Statement add(database_, "INSERT INTO hidden VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
    add.bind(1, token.id).bind(2, name.backend).bind(3, name.token);
    add.bind(4, uint64_t{token.pin_size}).bind(5, uint64_t{token.key});
    add.bind(6, uint64_t{token.user_key}).bind(7, uint64_t{next_key}).bind(8, now_s);
    if (add.step() != SQLITE_DONE) return error();
    return forget_rows(name);
  });
}

Result<std::vector<VaultState::HiddenToken>> VaultState::hidden() {
  Statement known(database_,
                  "SELECT id, backend, token, pin_size, key, user_key, next_key, since"
                  " FROM hidden ORDER BY backend, token, since");
  std::vector<HiddenToken> all;
  int answer;
  while ((answer = known.step()) == SQLITE_ROW) {
    auto small = [&known](int column) { return static_cast<uint32_t>(known.number(column)); };
    HiddenToken& one = all.emplace_back();
    one.name = {known.text(1), known.text(2)};
    one.what = {known.text(0), true, small(3), small(4), small(5)};
    one.next_key = small(6);
    one.since_s = static_cast<uint64_t>(std::max<int64_t>(known.number(7), 0));
  }
  if (answer != SQLITE_DONE) return error();
  return all;
}

Status VaultState::forget_hidden(const std::string& backend, const std::string& id) {
  return transaction([&]() -> Status {
    Statement remove(database_, "DELETE FROM hidden WHERE backend = ? AND id = ?");
    if (remove.bind(1, backend).bind(2, id).step() != SQLITE_DONE) return error();
    if (sqlite3_changes(database_) == 1) return ok();
    return Error{0, "there is no such hidden token; list shows the ids of those that there are"};
  });
}

Status VaultState::forget_token(const TokenName& name, bool and_hidden) {
  return transaction([&]() -> Status {
    if (!and_hidden) return forget_rows(name);
    Statement hidden(database_, "DELETE FROM hidden WHERE backend = ? AND token = ?");
    if (hidden.bind(1, name.backend).bind(2, name.token).step() != SQLITE_DONE) return error();
    return forget_rows(name);
  });
}

/* All that is known of the token that the name stands for now, but for its uid. */
Status VaultState::forget_rows(const TokenName& name) {
  for (const char* sql : {"DELETE FROM token WHERE backend = ? AND token = ?",
                          "DELETE FROM pin WHERE kind = 2 AND backend = ? AND token = ?",
                          "DELETE FROM person WHERE backend = ? AND token = ?",
                          "DELETE FROM gone WHERE backend = ? AND token = ?"}) {
    Statement remove(database_, sql);
    if (remove.bind(1, name.backend).bind(2, name.token).step() != SQLITE_DONE) return error();
  }
  return ok();
}

}  // namespace mp11
