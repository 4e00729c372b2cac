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
 * What the vault remembers from one start to the next: an SQLite database in a directory of its
 * own. Nothing of it is ever forgotten by itself.
 *
 *   scope    of each backend with isolate = token: its tokens' names, and each one's uid
 *   token    tokens on demand: the name that each has in the library, whether it has been made,
 *            with which master key's PIN of how many octets, and how often somebody was told to
 *            make it
 *   pin      PINs, encrypted (pin_box.h), and what they are being changed to; of tokens on demand
 *            the numbers of their keys alone
 *   person   whose each token on demand is, where its name is a person's: who has seen it
 *   gone     tokens on demand that nobody may use any more, since when, and which are being erased
 *   hidden   tokens on demand that were set aside: what their PINs come from
 *   key      what tells the master keys, by their number, from others
 *
 * Trust: the directory is the vault's alone. That the database cannot be read, or says what cannot
 * be, is an error of the call, never the vault's end.
 *
 * Several vaults may have it open, the old and the new one around a SIGHUP: each call is one
 * transaction, and waits a few seconds for another's.
 */
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace mp11 {

class VaultState {
 public:
  /* Makes it where there is none. */
  static Result<std::unique_ptr<VaultState>> open(const std::string& file);
  ~VaultState();
  VaultState(const VaultState&) = delete;

  /*
   * The uid of a token of a backend. One that has none yet is given the lowest of the range that
   * nobody has ever had, for good. Fails where none is left, and where the uid that it has is not
   * of the range any more: what lies there is not lost by changing the configuration.
   */
  Result<uint32_t> uid_of(const std::string& backend, const std::string& token, uint32_t first,
                          uint32_t last);
  /* The same of one that has been given; nothing: none has. */
  Result<std::optional<uint32_t>> known_uid(const std::string& backend, const std::string& token,
                                            uint32_t first, uint32_t last);

  struct DemandedToken {
    std::string id; /* 32 hexadecimal digits */
    bool made = false;
    uint32_t pin_size = 0; /* once it is */
    uint32_t key = 0;      /* number of the master key that its PINs come from */
    uint32_t user_key = 0; /* the same, of the user's alone: it may have been changed since */
    bool erasing = false;  /* its directory is being emptied, or a part of it has been */
  };
  /* The token on demand of that name; one that nobody has asked for yet has a new id, and `key`. */
  Result<DemandedToken> demanded(const std::string& backend, const std::string& token,
                                 uint32_t key);
  Result<DemandedToken> demanded_by_id(const std::string& id);
  /*
   * Somebody is about to make it: a number that is larger than any before, 0 when it is made. Who
   * was told another number since can no longer say that it is made.
   */
  Result<uint64_t> begin_making(const std::string& id);
  Status end_making(const std::string& id, uint64_t number, uint32_t pin_size);
  struct NamedToken {
    std::string backend, token;
    DemandedToken what;
  };
  /* All of them. */
  Result<std::vector<NamedToken>> all_demanded();

  /* What becomes of them when nobody may use them any more: vault_state_retired.cc. */
  struct TokenName {
    std::string backend, token;
    auto operator<=>(const TokenName&) const = default;
  };
  struct Person {
    uint32_t kind; /* VerdictKind */
    std::string principal;
  };
  /* That nobody may use it; times are of CLOCK_REALTIME. */
  struct Gone {
    uint64_t since_s = 0;  /* 0: somebody may */
    uint64_t seen_s = 0;   /* when the vault looked last */
    uint64_t waited_s = 0; /* what has passed since, from look to look */
    bool erasing = false;  /* [priv] was asked to empty its directory */
  };
  struct Retirable {
    TokenName name;
    bool made = false;
    Gone gone = {};
    std::vector<Person> persons = {};
  };
  struct HiddenToken {
    TokenName name;
    DemandedToken what;    /* made */
    uint32_t next_key = 0; /* of a change that was not ended; 0: none was */
    uint64_t since_s = 0;
  };
  /* Its name is a person's, and that is one. */
  Status note_person(const TokenName& name, const Person& person);
  /* All tokens on demand but those that are hidden. */
  Result<std::vector<Retirable>> retirable();
  Status set_gone(const TokenName& name, const Gone& gone);
  /* It has been made. Whoever asks for the name from now on has another token. */
  Status hide(const TokenName& name, uint64_t now_s);
  Result<std::vector<HiddenToken>> hidden();
  /* An error when there is none. */
  Status forget_hidden(const std::string& backend, const std::string& id);
  /* With those that were hidden under its name, or without; its uid stays given. */
  Status forget_token(const TokenName& name, bool and_hidden);

  /* PINs: vault_state_pins.cc. */
  enum class PinKind : uint32_t { kVault = 1, kDerived = 2 };
  struct PinName {
    PinKind kind;
    std::string backend, token;
    auto operator<=>(const PinName&) const = default;
  };
  struct PinRow {
    uint32_t key = 0;
    std::vector<uint8_t> sealed = {}; /* of kVault */
    uint32_t next_key = 0;            /* 0: it is not being changed */
    std::vector<uint8_t> next = {};   /* of kVault, then */
    uint64_t begun = 0;               /* counts who was told to change it */
    uint64_t started = 0;             /* the same, as it was when the change was asked for */
    uint64_t changed_s = 0;           /* CLOCK_REALTIME */
    bool operator==(const PinRow&) const = default;
  };
  using PinRows = std::map<PinName, PinRow>;
  Result<std::optional<PinRow>> pin(const PinName& name);
  Result<PinRows> pins();
  /*
   * What `work` makes of a row, or of the lack of one; nothing when it fails. What it leaves as it
   * was is not written: each write waits for the disk.
   */
  Status change_pin(const PinName& name,
                    const std::function<Status(std::optional<PinRow>* row)>& work);
  /* The same of all that there are, whose names stay. */
  Status change_pins(const std::function<Status(PinRows* rows)>& work);

  /* The first fingerprint of a key is kept; an error when it had another. */
  Status know_key(uint32_t number, const std::string& fingerprint);

 private:
  VaultState() = default;
  class Statement;
  Status execute(const char* sql);
  /* `work` in a transaction that is undone when it fails. */
  template <class F>
  auto transaction(F work) -> decltype(work());
  Result<DemandedToken> find_or_demand(const std::string& backend, const std::string& token,
                                       uint32_t key);
  static std::string demanded_where(const char* condition);
  static DemandedToken demanded_of(const Statement& row);
  static PinRow pin_of(const Statement& row, int first);
  Result<std::optional<PinRow>> find_pin(const PinName& name);
  Result<PinRows> find_pins();
  Status put_pin(const PinName& name, const PinRow& row);
  Status forget_rows(const TokenName& name);
  Error error() const;
  Result<uint32_t> find_or_give(const std::string& backend, const std::string& token,
                                uint32_t first, uint32_t last);
  sqlite3* database_ = nullptr;
};

}  // namespace mp11
