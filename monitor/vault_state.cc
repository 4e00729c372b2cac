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
#include <sys/random.h>

#include <cerrno>

#include "vault_statement.h"

namespace mp11 {
namespace {

/* How long another vault's transaction is waited for. */
constexpr int kBusyMs = 5000;
/* Of the tables below; a file of another is not touched. */
constexpr int kFormat = 1;

/*
 * FULL and DELETE: a uid that was given is on the disk before it is used. A uid stays given when
 * its range has changed, hence no CHECK of it. secure_delete: a PIN that was removed, or is under
 * another key now, does not stay in a free page.
 */
constexpr char kSettings[] =
    "PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL; PRAGMA mmap_size = 0;"
    "PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF; PRAGMA secure_delete = ON;";
constexpr char kTables[] =
    "CREATE TABLE scope (backend TEXT NOT NULL, token TEXT NOT NULL, uid INTEGER NOT NULL UNIQUE,"
    " PRIMARY KEY (backend, token)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE token (backend TEXT NOT NULL, token TEXT NOT NULL, id TEXT NOT NULL UNIQUE,"
    " made INTEGER NOT NULL, pin_size INTEGER NOT NULL, key INTEGER NOT NULL,"
    " begun INTEGER NOT NULL, PRIMARY KEY (backend, token)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE key (number INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL) STRICT;"
    "PRAGMA user_version = 1;";
/* Also of a database that was made before there were such tables. */
constexpr char kLaterTables[] =
    "CREATE TABLE IF NOT EXISTS pin (kind INTEGER NOT NULL, backend TEXT NOT NULL,"
    " token TEXT NOT NULL, key INTEGER NOT NULL, sealed BLOB NOT NULL, next_key INTEGER NOT NULL,"
    " next BLOB NOT NULL, begun INTEGER NOT NULL, started INTEGER NOT NULL,"
    " changed INTEGER NOT NULL, PRIMARY KEY (kind, backend, token)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS person (backend TEXT NOT NULL, token TEXT NOT NULL,"
    " kind INTEGER NOT NULL, principal TEXT NOT NULL,"
    " PRIMARY KEY (backend, token, kind, principal)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS gone (backend TEXT NOT NULL, token TEXT NOT NULL,"
    " since INTEGER NOT NULL, seen INTEGER NOT NULL, waited INTEGER NOT NULL,"
    " erasing INTEGER NOT NULL, PRIMARY KEY (backend, token)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS hidden (id TEXT NOT NULL PRIMARY KEY, backend TEXT NOT NULL,"
    " token TEXT NOT NULL, pin_size INTEGER NOT NULL, key INTEGER NOT NULL,"
    " user_key INTEGER NOT NULL, next_key INTEGER NOT NULL, since INTEGER NOT NULL)"
    " STRICT, WITHOUT ROWID;";

}  // namespace

VaultState::~VaultState() { sqlite3_close(database_); }

Error VaultState::error() const { return Error{0, sqlite3_errmsg(database_)}; }

Status VaultState::execute(const char* sql) {
  if (sqlite3_exec(database_, sql, nullptr, nullptr, nullptr) == SQLITE_OK) return ok();
  return error();
}

Result<std::unique_ptr<VaultState>> VaultState::open(const std::string& file) {
  std::unique_ptr<VaultState> state(new VaultState);
  constexpr int kFlags =
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX | SQLITE_OPEN_NOFOLLOW;
  auto failed = [&](const Error& why) { return Error{why.code, file + ": " + why.text}; };
  if (sqlite3_open_v2(file.c_str(), &state->database_, kFlags, nullptr) != SQLITE_OK)
    return failed(state->error());
  sqlite3_busy_timeout(state->database_, kBusyMs);
  if (Status status = state->execute(kSettings); !status) return failed(status.error());
  /* Asked within the transaction: another vault may be making the tables. */
  if (Status status = state->execute("BEGIN IMMEDIATE"); !status) return failed(status.error());
  int64_t format = -1;
  {
    Statement version(state->database_, "PRAGMA user_version");
    if (version.step() == SQLITE_ROW) format = version.number(0);
  }
  if (format != 0 && format != kFormat)
    return Error{0, file + " is of format " + std::to_string(format) + "; this is multip11 " +
                        "of format " + std::to_string(kFormat)};
  if (format == 0)
    if (Status status = state->execute(kTables); !status) return failed(status.error());
  if (Status status = state->execute(kLaterTables); !status) return failed(status.error());
  if (Status status = state->execute("COMMIT"); !status) return failed(status.error());
  return state;
}

Result<uint32_t> VaultState::uid_of(const std::string& backend, const std::string& token,
                                    uint32_t first, uint32_t last) {
  return transaction([&] { return find_or_give(backend, token, first, last); });
}

/* ---- tokens on demand */

/* The master key of the user's PIN, which is not the SO's once it was changed. */
std::string VaultState::demanded_where(const char* condition) {
  return std::string(
             "SELECT id, made, pin_size, key, coalesce((SELECT pin.key FROM pin WHERE kind = 2"
             " AND pin.backend = token.backend AND pin.token = token.token), key),"
             " backend, token, EXISTS (SELECT 1 FROM gone WHERE gone.backend = token.backend"
             " AND gone.token = token.token AND gone.erasing = 1) FROM token ") +
         condition;
}

VaultState::DemandedToken VaultState::demanded_of(const Statement& row) {
  auto small = [&row](int column) { return static_cast<uint32_t>(row.number(column)); };
  return DemandedToken{row.text(0), row.number(1) != 0, small(2),
                       small(3),    small(4),           row.number(7) != 0};
}

Result<VaultState::DemandedToken> VaultState::demanded(const std::string& backend,
                                                       const std::string& token, uint32_t key) {
  return transaction([&] { return find_or_demand(backend, token, key); });
}

Result<VaultState::DemandedToken> VaultState::find_or_demand(const std::string& backend,
                                                             const std::string& token,
                                                             uint32_t key) {
  const std::string sql = demanded_where("WHERE backend = ? AND token = ?");
  Statement known(database_, sql.c_str());
  const int answer = known.bind(1, backend).bind(2, token).step();
  if (answer == SQLITE_ROW) return demanded_of(known);
  if (answer != SQLITE_DONE) return error();
  uint8_t random[16];
  if (::getrandom(random, sizeof random, 0) != sizeof random) return Error{errno, "getrandom"};
  DemandedToken fresh;
  for (uint8_t octet : random) {
    constexpr char kDigits[] = "0123456789abcdef";
    fresh.id.append({kDigits[octet >> 4], kDigits[octet & 15]});
  }
  fresh.key = fresh.user_key = key;
  Statement add(database_, "INSERT INTO token VALUES (?, ?, ?, 0, 0, ?, 0)");
  if (add.bind(1, backend).bind(2, token).bind(3, fresh.id).bind(4, uint64_t{key}).step() !=
      SQLITE_DONE)
    return error();
  return fresh;
}

Result<VaultState::DemandedToken> VaultState::demanded_by_id(const std::string& id) {
  const std::string sql = demanded_where("WHERE id = ?");
  Statement known(database_, sql.c_str());
  if (known.bind(1, id).step() != SQLITE_ROW) return error();
  return demanded_of(known);
}

Result<uint64_t> VaultState::begin_making(const std::string& id) {
  return transaction([&]() -> Result<uint64_t> {
    Statement begin(database_,
                    "UPDATE token SET begun = begun + 1 WHERE id = ? AND made = 0 RETURNING begun");
    const int answer = begin.bind(1, id).step();
    if (answer == SQLITE_DONE) return uint64_t{0};
    if (answer != SQLITE_ROW) return error();
    const uint64_t number = static_cast<uint64_t>(begin.number(0));
    if (begin.step() != SQLITE_DONE) return error();
    return number;
  });
}

Status VaultState::end_making(const std::string& id, uint64_t number, uint32_t pin_size) {
  return transaction([&]() -> Status {
    Statement end(
        database_,
        "UPDATE token SET made = 1, pin_size = ? WHERE id = ? AND made = 0 AND begun = ?");
    end.bind(1, uint64_t{pin_size}).bind(2, id).bind(3, number);
    if (end.step() != SQLITE_DONE) return error();
    if (sqlite3_changes(database_) == 1) return ok();
    return Error{0, "somebody else has been told to make it"};
  });
}

Status VaultState::know_key(uint32_t number, const std::string& fingerprint) {
  return transaction([&]() -> Status {
    Statement add(database_, "INSERT OR IGNORE INTO key VALUES (?, ?)");
    if (add.bind(1, uint64_t{number}).bind(2, fingerprint).step() != SQLITE_DONE) return error();
    Statement known(database_, "SELECT fingerprint FROM key WHERE number = ?");
    if (known.bind(1, uint64_t{number}).step() != SQLITE_ROW) return error();
    if (known.text(0) == fingerprint) return ok();
    return Error{0, "line " + std::to_string(number) +
                        " of master-key is not what it was when PINs were derived from it; put "
                        "the old one there, and new ones below"};
  });
}

/* ---- uids */

Result<std::optional<uint32_t>> VaultState::known_uid(const std::string& backend,
                                                      const std::string& token, uint32_t first,
                                                      uint32_t last) {
  Statement known(database_, "SELECT uid FROM scope WHERE backend = ? AND token = ?");
  const int answer = known.bind(1, backend).bind(2, token).step();
  if (answer == SQLITE_DONE) return std::optional<uint32_t>();
  if (answer != SQLITE_ROW) return error();
  const int64_t uid = known.number(0);
  if (uid < first || uid > last)
    return Error{0, "its uid is " + std::to_string(uid) + ", which is not of uids = " +
                        std::to_string(first) + "-" + std::to_string(last)};
  return std::optional<uint32_t>(static_cast<uint32_t>(uid));
}

Result<uint32_t> VaultState::find_or_give(const std::string& backend, const std::string& token,
                                          uint32_t first, uint32_t last) {
  const std::string range = std::to_string(first) + "-" + std::to_string(last);
  Result<std::optional<uint32_t>> known = known_uid(backend, token, first, last);
  if (!known) return known.error();
  if (*known) return **known;
  Statement highest(database_, "SELECT max(uid) FROM scope WHERE uid BETWEEN ? AND ?");
  if (highest.bind(1, uint64_t{first}).bind(2, uint64_t{last}).step() != SQLITE_ROW) return error();
  const int64_t next = highest.is_null(0) ? first : highest.number(0) + 1;
  if (next > last) return Error{0, "all of uids = " + range + " are given; widen it"};
  const uint32_t uid = static_cast<uint32_t>(next);
  Statement give(database_, "INSERT INTO scope (backend, token, uid) VALUES (?, ?, ?)");
  if (give.bind(1, backend).bind(2, token).bind(3, uint64_t{uid}).step() != SQLITE_DONE)
    return error();
  return uid;
}

}  // namespace mp11
