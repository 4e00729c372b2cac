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
#include "conform_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

namespace mp11::conform {
namespace {

size_t page_size() {
  static const auto size = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  return size;
}

/* Larger pieces are given back after the call. */
constexpr size_t kKept = 128u << 10;

}  // namespace

GuardedMemory::~GuardedMemory() {
  for (const Piece& piece : pieces_) ::munmap(piece.start, piece.usable + page_size());
}

GuardedMemory::Piece* GuardedMemory::piece_for(size_t size) {
  for (Piece& piece : pieces_) {
    /* Not a large piece for a small wish: it would lack when the large wish comes. */
    if (!piece.used && piece.usable >= size && (size > page_size() || piece.usable == page_size()))
      return &piece;
  }
  const size_t page = page_size();
  size_t usable = size <= page ? page : (size <= kKept ? kKept : (size + page - 1) / page * page);
  void* start =
      ::mmap(nullptr, usable + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED) std::abort();
  auto* octets = static_cast<uint8_t*>(start);
  if (::mprotect(octets + usable, page, PROT_NONE) != 0) std::abort();
  pieces_.push_back({octets, usable, false});
  return &pieces_.back();
}

uint8_t* GuardedMemory::allocate(size_t size, uint8_t fill) {
  Piece* piece = piece_for(size);
  piece->used = true;
  uint8_t* p = piece->start + piece->usable - size;
  if (size != 0) std::memset(p, fill, size);
  return p;
}

void GuardedMemory::clear() {
  std::vector<Piece> kept;
  for (Piece& piece : pieces_) {
    piece.used = false;
    if (piece.usable <= kKept)
      kept.push_back(piece);
    else
      ::munmap(piece.start, piece.usable + page_size());
  }
  pieces_ = std::move(kept);
}

}  // namespace mp11::conform
