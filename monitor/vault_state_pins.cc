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
 * VaultState, PINs: rows of the table pin. What is in them, pin_box.h knows.
 */
#include "vault_statement.h"

namespace mp11 {

VaultState::PinRow VaultState::pin_of(const Statement& row, int first) {
  auto large = [&](int column) { return static_cast<uint64_t>(row.number(first + column)); };
  auto small = [&](int column) { return static_cast<uint32_t>(row.number(first + column)); };
  return {small(0), row.octets(first + 1), small(2), row.octets(first + 3), large(4), large(5),
          large(6)};
}

Result<std::optional<VaultState::PinRow>> VaultState::find_pin(const PinName& name) {
  Statement known(database_,
                  "SELECT key, sealed, next_key, next, begun, started, changed FROM pin"
                  " WHERE kind = ? AND backend = ? AND token = ?");
  known.bind(1, static_cast<uint64_t>(name.kind)).bind(2, name.backend).bind(3, name.token);
  const int answer = known.step();
  if (answer == SQLITE_ROW) return std::optional(pin_of(known, 0));
  if (answer != SQLITE_DONE) return error();
  return std::optional<PinRow>();
}

Result<VaultState::PinRows> VaultState::find_pins() {
  Statement known(database_,
                  "SELECT kind, backend, token, key, sealed, next_key, next, begun, started,"
                  " changed FROM pin WHERE kind IN (1, 2)");
  PinRows rows;
  int answer;
  while ((answer = known.step()) == SQLITE_ROW)
    rows[{static_cast<PinKind>(known.number(0)), known.text(1), known.text(2)}] = pin_of(known, 3);
  if (answer != SQLITE_DONE) return error();
  return rows;
}

Status VaultState::put_pin(const PinName& name, const PinRow& row) {
  Statement put(database_, "INSERT OR REPLACE INTO pin VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  put.bind(1, static_cast<uint64_t>(name.kind)).bind(2, name.backend).bind(3, name.token);
  put.bind(4, uint64_t{row.key}).bind(5, row.sealed).bind(6, uint64_t{row.next_key});
  put.bind(7, row.next).bind(8, row.begun).bind(9, row.started).bind(10, row.changed_s);
  if (put.step() != SQLITE_DONE) return error();
  return ok();
}

Result<std::optional<VaultState::PinRow>> VaultState::pin(const PinName& name) {
  return find_pin(name);
}

Result<VaultState::PinRows> VaultState::pins() { return find_pins(); }

Status VaultState::change_pin(const PinName& name,
                              const std::function<Status(std::optional<PinRow>* row)>& work) {
  return transaction([&]() -> Status {
    Result<std::optional<PinRow>> row = find_pin(name);
    if (!row) return row.error();
    const std::optional<PinRow> before = *row;
    if (Status status = work(&*row); !status) return status;
    if (*row == before) return ok();
    if (row->has_value()) return put_pin(name, **row);
    Statement remove(database_, "DELETE FROM pin WHERE kind = ? AND backend = ? AND token = ?");
    remove.bind(1, static_cast<uint64_t>(name.kind)).bind(2, name.backend).bind(3, name.token);
    if (remove.step() != SQLITE_DONE) return error();
    return ok();
  });
}

Status VaultState::change_pins(const std::function<Status(PinRows* rows)>& work) {
  return transaction([&]() -> Status {
    Result<PinRows> rows = find_pins();
    if (!rows) return rows.error();
    if (Status status = work(&*rows); !status) return status;
    for (const auto& [name, row] : *rows)
      if (Status status = put_pin(name, row); !status) return status;
    return ok();
  });
}

Result<std::vector<VaultState::NamedToken>> VaultState::all_demanded() {
  const std::string sql = demanded_where("ORDER BY backend, token");
  Statement known(database_, sql.c_str());
  std::vector<NamedToken> all;
  int answer;
  while ((answer = known.step()) == SQLITE_ROW)
    all.push_back({known.text(5), known.text(6), demanded_of(known)});
  if (answer != SQLITE_DONE) return error();
  return all;
}

}  // namespace mp11
