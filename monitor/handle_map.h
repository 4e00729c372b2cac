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
 * PKCS #11 NAT for objects: virtual handles of 32 bits, each a generation and an index, never 0,
 * for real handles of one layer's backend, seen through one virtual slot. The same real handle
 * there gives the same virtual one while it lives; a dead entry's generation never comes back, so
 * an old handle never names a new object.
 */
#pragma once
#include <compare>
#include <cstdint>
#include <map>
#include <vector>

#include "mp11_limits.h"

namespace mp11 {

class HandleMap {
 public:
  struct Entry {
    uint64_t real = 0;
    uint32_t scope = 0;   /* the layer that the real handle belongs to */
    uint64_t slot = 0;    /* virtual slot that it was given through; dies with its last session */
    uint64_t session = 0; /* virtual session that a session object dies with; 0: none known */
    bool private_object = false;
    bool token_object = true; /* false only when known to be a session object */
    bool gone = false; /* its backend has died: it names nothing, and is known to have done */
    bool live = false;
    uint16_t generation = 0;
  };

  /*
   * The virtual handle of entry.real in entry.scope and entry.slot: of the live entry if there is
   * one, which then stays as it is, else of a new one. 0 when the map is full: limits::kObjects
   * live objects, or every generation used up.
   */
  uint64_t add(const Entry& entry);
  /* nullptr when the handle names nothing that lives. Valid until the next add(). */
  const Entry* find(uint64_t handle) const;
  /* The virtual handle that add() would find living, or 0. */
  uint64_t known(const Entry& entry) const;
  void remove(uint64_t handle);
  /* Removes every entry that the predicate says yes to. */
  template <class Predicate>
  void remove_if(Predicate predicate) {
    for (uint32_t i = 0; i < entries_.size(); i++)
      if (entries_[i].live && predicate(entries_[i])) retire(i);
  }
  /*
   * Of every entry that the predicate says yes to: the real handle is forgotten, and `gone` set.
   * find() still finds it; add() gives a new one for the same real handle.
   */
  template <class Predicate>
  void lose_if(Predicate predicate) {
    for (Entry& entry : entries_)
      if (entry.live && !entry.gone && predicate(entry)) {
        by_real_.erase(Key{entry.scope, entry.slot, entry.real});
        entry.gone = true;
      }
  }
  /* Live entries that are not gone. */
  size_t size() const { return by_real_.size(); }

 private:
  struct Key {
    uint32_t scope;
    uint64_t slot;
    uint64_t real;
    auto operator<=>(const Key&) const = default;
  };
  /*
   * 20 bits of index + 1, 12 of generation: a million objects at once. The last generation is left
   * out, as 0xffffffff stands for no number on the wire.
   */
  static constexpr uint32_t kIndexBits = 20;
  static constexpr uint32_t kGenerations = (1u << (32 - kIndexBits)) - 1;
  static_assert(limits::kObjects < 1u << kIndexBits);

  uint64_t virtual_handle(uint32_t index) const {
    return uint64_t{entries_[index].generation} << kIndexBits | (index + 1);
  }
  void retire(uint32_t index);
  std::vector<Entry> entries_;
  std::vector<uint32_t> free_;
  /* No hash table: a backend chooses these numbers, and could make one slow. */
  std::map<Key, uint32_t> by_real_;
};

}  // namespace mp11
