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
 * A piece of memory that two processes share: a memfd of fixed size, sealed so that neither side
 * can change that size under the other (a shorter file would be a SIGBUS).
 *
 * Nobody gets a pointer into it. What is read is copied out, once; what is written is copied in;
 * words are loaded and stored as a whole. Offsets come from the caller, who has checked whatever
 * the other side had a hand in; an offset beyond the end is an assertion here, not an error.
 *
 * Trust: the other side writes anything anywhere, at any time, also while copy_out runs.
 *
 * Owner: one object, moved. The two sides have a mapping each; the descriptor is not kept.
 */
#pragma once
#include <cstddef>
#include <cstdint>

#include "result.h"
#include "unique_fd.h"

namespace mp11 {

class ShmSegment {
 public:
  /*
   * Makes and maps a sealed memfd of size octets, all zero; *fd is what the other side attaches.
   * `fork_guard`: a child made by fork has no mapping there.
   */
  static Result<ShmSegment> create(size_t size, bool fork_guard, UniqueFd* fd);
  /* Maps a memfd that somebody else made, if its size and seals are right. Takes nothing of fd. */
  static Result<ShmSegment> attach(int fd, size_t size, bool fork_guard);

  ShmSegment() = default;
  ShmSegment(ShmSegment&& other) noexcept { swap(other); }
  ShmSegment& operator=(ShmSegment&& other) noexcept {
    swap(other);
    return *this;
  }
  ShmSegment(const ShmSegment&) = delete;
  ShmSegment& operator=(const ShmSegment&) = delete;
  ~ShmSegment();

  size_t size() const { return size_; }

  /* From the segment into private memory. Nothing that runs later reads the segment again. */
  void copy_out(void* to, size_t offset, size_t length) const;
  /* From private memory into the segment. */
  void copy_in(size_t offset, const void* from, size_t length);
  void wipe(size_t offset, size_t length);

  /*
   * 32-bit words, sequentially consistent: "I set my flag, then look at yours" holds on both sides
   * without fences.
   */
  uint32_t load(size_t offset) const;
  void store(size_t offset, uint32_t value);
  uint32_t exchange(size_t offset, uint32_t value);
  /* os_futex.h on such a word. */
  void futex_wait(size_t offset, uint32_t expected, uint64_t timeout_ns);
  void futex_wake_all(size_t offset);

  /* Locks a part in memory: one that carries PINs and keys, or (once per segment) bulk data. */
  bool lock(size_t offset, size_t length);
  bool lock_bulk(size_t offset, size_t length);
  /* Gives whole pages within the part back to the system; they read as zero again. */
  void punch(size_t offset, size_t length);

 private:
  static Result<ShmSegment> map(int fd, size_t size, bool fork_guard);
  uint8_t* at(size_t offset, size_t length) const;
  void swap(ShmSegment& other) noexcept;

  uint8_t* data_ = nullptr;
  size_t size_ = 0;
  size_t bulk_offset_ = 0;
  size_t bulk_length_ = 0; /* 0: none is locked */
  int owner_pid_ = 0;      /* with fork_guard: who has the mapping; else 0 */
};

}  // namespace mp11
