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
 * What an administrator says to multip11-vault, by the socket that only root can open, and what it
 * answers: `multip11 vault` is the one who asks.
 *
 * One VaultRequest, then for kVaultList any number of VaultEntry, then one VaultAnswer, and the
 * vault hangs up. All have a fixed size.
 *
 * Trust: the vault checks size, type and each field of a request; who breaks the format has lost
 * the connection. Who may ask is what the kernel says of the socket's other end.
 */
#pragma once
#include "records.h"

namespace mp11 {

/* Below the run-directory. */
inline constexpr char kVaultSocket[] = "vault.sock";

enum VaultCommand : uint32_t {
  kVaultList = 1,
  kVaultSet,    /* pin is what the token's is */
  kVaultRotate, /* another one, from the next login on */
  kVaultExport, /* the answer has it */
  kVaultRekey,  /* all: under the last master key */
  kVaultRemove,
};
/* Of a token as its layer names it, with its NUL: a label, or a URI. */
inline constexpr size_t kVaultToken = 512;

struct VaultRequest {
  RecordHead head;
  uint32_t command; /* VaultCommand */
  uint32_t force;   /* of kVaultSet and kVaultRemove: 1: also of a PIN that is being changed */
  uint32_t hidden;  /* of kVaultExport and kVaultRemove: 1: `token` is the id of a hidden one */
  uint32_t reserved;
  char backend[32];
  char token[kVaultToken];
  StoredPin pin; /* of kVaultSet; else of size 0 */
};

struct VaultEntry {
  RecordHead head;
  uint64_t changed_s; /* CLOCK_REALTIME: when the PIN was set or changed last; 0: not yet */
  uint32_t pin;       /* PinMode: kPinVault or kPinDerived */
  uint32_t flags;     /* VaultEntryFlags */
  uint32_t key;       /* number of the master key that it comes from, or is encrypted under */
  uint32_t next_key;  /* of what it is being changed to; 0: it is not */
  uint64_t gone_s;    /* of a token on demand: since when nobody may use it; 0: somebody may */
  char backend[32];
  char token[kVaultToken];
  char id[kTokenId]; /* of a hidden one: its name for kVaultExport and kVaultRemove */
  uint8_t reserved[7];
};
enum VaultEntryFlags : uint32_t {
  kEntryMade = 1u << 0,     /* a token on demand: it has been made */
  kEntryUnusable = 1u << 1, /* its PIN cannot be decrypted */
  kEntryHidden = 1u << 2,   /* a token on demand that was set aside; nobody is given it */
};

struct VaultAnswer {
  RecordHead head;
  uint32_t result; /* VaultResult */
  uint32_t reserved;
  StoredPin pin;  /* of kVaultExport */
  StoredPin next; /* the same, while it is being changed: one of the two is right */
  char text[256]; /* for whoever asked */
};
enum VaultResult : uint32_t {
  kVaultDone = 1,
  kVaultRefused,  /* text says why, and what to do */
  kVaultChanging, /* the PIN is being changed; with `force` it is done */
};
static_assert(is_record<VaultRequest>() && is_record<VaultEntry>() && is_record<VaultAnswer>());

}  // namespace mp11
