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
#include "handle_map.h"

namespace mp11 {

uint64_t HandleMap::add(const Entry& entry) {
  if (uint64_t handle = known(entry); handle != 0) return handle;
  uint32_t index;
  if (!free_.empty()) {
    index = free_.back();
    free_.pop_back();
  } else if (entries_.size() < limits::kObjects) {
    index = static_cast<uint32_t>(entries_.size());
    entries_.emplace_back();
  } else {
    return 0;
  }
  uint16_t generation = entries_[index].generation;
  entries_[index] = entry;
  entries_[index].generation = generation;
  entries_[index].live = true;
  by_real_.emplace(Key{entry.scope, entry.slot, entry.real}, index);
  return virtual_handle(index);
}

uint64_t HandleMap::known(const Entry& entry) const {
  auto it = by_real_.find(Key{entry.scope, entry.slot, entry.real});
  return it != by_real_.end() ? virtual_handle(it->second) : 0;
}

const HandleMap::Entry* HandleMap::find(uint64_t handle) const {
  uint64_t index = (handle & ((1u << kIndexBits) - 1)) - 1; /* 0 wraps, and is out of range */
  if (index >= entries_.size()) return nullptr;
  const Entry& entry = entries_[static_cast<size_t>(index)];
  return entry.live && handle >> kIndexBits == entry.generation ? &entry : nullptr;
}

void HandleMap::remove(uint64_t handle) {
  if (find(handle) != nullptr) retire(static_cast<uint32_t>(handle & ((1u << kIndexBits) - 1)) - 1);
}

void HandleMap::retire(uint32_t index) {
  Entry& entry = entries_[index];
  if (!entry.gone) by_real_.erase(Key{entry.scope, entry.slot, entry.real});
  entry.live = false;
  /* After its last generation a place is never used again: an old handle names nothing for ever. */
  if (++entry.generation < kGenerations) free_.push_back(index);
}

}  // namespace mp11
