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
 * SQLite, for the files that VaultState is written in.
 */
#pragma once
#include <sqlite3.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vault_state.h"

namespace mp11 {

/* One prepared statement; what is bound must outlive it. */
class VaultState::Statement {
 public:
  Statement(sqlite3* database, const char* sql) {
    (void)sqlite3_prepare_v2(database, sql, -1, &statement_, nullptr);
  }
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& bind(int place, std::string_view text) {
    if (statement_ != nullptr)
      sqlite3_bind_text(statement_, place, text.data(), static_cast<int>(text.size()),
                        SQLITE_STATIC);
    return *this;
  }
  Statement& bind(int place, uint64_t number) {
    if (statement_ != nullptr) sqlite3_bind_int64(statement_, place, static_cast<int64_t>(number));
    return *this;
  }
  Statement& bind(int place, std::span<const uint8_t> octets) {
    if (statement_ == nullptr) return *this;
    if (octets.empty())
      sqlite3_bind_zeroblob(statement_, place, 0); /* and not NULL */
    else
      sqlite3_bind_blob(statement_, place, octets.data(), static_cast<int>(octets.size()),
                        SQLITE_STATIC);
    return *this;
  }
  /* SQLITE_ROW, SQLITE_DONE, or an error. */
  int step() { return statement_ != nullptr ? sqlite3_step(statement_) : SQLITE_ERROR; }
  bool is_null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }
  int64_t number(int column) const { return sqlite3_column_int64(statement_, column); }
  std::vector<uint8_t> octets(int column) const {
    const uint8_t* octets = static_cast<const uint8_t*>(sqlite3_column_blob(statement_, column));
    const int size = sqlite3_column_bytes(statement_, column);
    return octets != nullptr ? std::vector<uint8_t>(octets, octets + size) : std::vector<uint8_t>();
  }
  std::string text(int column) const {
    const unsigned char* text = sqlite3_column_text(statement_, column);
    return text != nullptr ? reinterpret_cast<const char*>(text) : "";
  }

 private:
  sqlite3_stmt* statement_ = nullptr;
};

template <class F>
auto VaultState::transaction(F work) -> decltype(work()) {
  if (Status status = execute("BEGIN IMMEDIATE"); !status) return status.error();
  auto done = work();
  Status ended = execute(done ? "COMMIT" : "ROLLBACK");
  if (done && !ended) {
    const Error why = ended.error();
    (void)execute("ROLLBACK");
    return why;
  }
  return done;
}

}  // namespace mp11
