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
#include <algorithm>
#include <cstring>
#include <new>

#include "marshal.h"
#include "memory_fence.h"

namespace mp11 {
namespace {

constexpr size_t kAlign = 16;
constexpr size_t kKeptBlock = 2u << 20;
constexpr unsigned kLightUses = 16;

constexpr size_t round_up(size_t size) { return (size + kAlign - 1) / kAlign * kAlign; }

}  // namespace

void* CallArena::allocate(size_t size) {
  if (size > SIZE_MAX / 2) throw std::bad_alloc();
  size_t need = std::max(round_up(size), kAlign) + kFence;
  if (blocks_.empty() || need > blocks_.back().size() - used_) {
    blocks_.emplace_back(std::max(need, blocks_.empty() ? first_block_ : kFirstBlock));
    forbid_access(blocks_.back().data(), blocks_.back().size());
    used_ = 0;
  }
  void* p = blocks_.back().data() + used_;
  allow_access(p, size);
  used_ += need;
  return p;
}

void* CallArena::allocate_out(size_t room) {
  if (room > SIZE_MAX / 2) throw std::bad_alloc();
  auto* p = static_cast<uint8_t*>(allocate(kAlign + room));
  std::memcpy(p, &room, sizeof room);
  return p + kAlign;
}

size_t CallArena::room(const void* out) {
  size_t room;
  std::memcpy(&room, static_cast<const uint8_t*>(out) - kAlign, sizeof room);
  return room;
}

size_t CallArena::size() const {
  size_t total = 0;
  for (const SecureBuffer& block : blocks_) total += block.size();
  return total;
}

/*
 * Keeps one block, as large as all of them: so bulk data that goes on finds its memory mapped. A
 * large one goes when it was not needed for a while, as SecureBuffer's does. Blocks but the last
 * count as used whole.
 */
void CallArena::clear() {
  if (blocks_.empty()) return;
  size_t total = 0;
  for (SecureBuffer& block : blocks_) {
    total += block.size();
    size_t used = &block == &blocks_.back() ? used_ : block.size();
    allow_access(block.data(), used);
    wipe(block.data(), used);
    forbid_access(block.data(), used);
  }
  const bool one = blocks_.size() == 1;
  light_uses_ = one && used_ < total / 4 ? light_uses_ + 1 : 0;
  used_ = 0;
  const bool give_back = total > kKeptBlock || (total > kFirstBlock && light_uses_ >= kLightUses);
  if (one && !give_back) return;
  first_block_ = give_back ? kFirstBlock : total;
  blocks_.clear();
  light_uses_ = 0;
}

}  // namespace mp11
