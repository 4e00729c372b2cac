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
 * The two directions of a channel, without the sleeping: SendRing is one side's way out, and
 * ReceiveRing one side's way in. Private to Channel.
 *
 * Segment:
 *   page 0   words, each in a cache line of its own; one set for each direction
 *   rings    limits::kRingRecords call records for each direction
 *   arena    one half for each direction
 * Direction 0 goes from the side that made the segment to the side that joined it.
 *
 * Indexes count records, modulo 2^32, and never go back. A record's octets stand in the sender's
 * half, the handle list first. A message longer than limits::kPiece travels in pieces; each but the
 * last has exactly limits::kPiece octets, so the number of pieces is bounded; the first carries the
 * list; each repeats the record of the first, but for its extents.
 *
 * Trust: as channel.h says. The sender never reads back what it wrote: what is in use in its half
 * it knows from private memory. From the other side it takes one index, which it checks.
 */
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <span>

#include "call_rec.h"
#include "channel.h"
#include "mp11_limits.h"
#include "shm_segment.h"

namespace mp11::ring {

/* What a sleep word says; any other value is as good as kAwake. */
enum SleepWord : uint32_t { kAwake = 0, kOnFutex = 1, kWantsDoorbell = 2 };

/* Offsets in the segment. */
struct Direction {
  size_t head;         /* records sent; written by the sender */
  size_t tail;         /* records taken; written by the receiver */
  size_t reader_sleep; /* SleepWord of the receiver; the sender resets it */
  size_t writer_sleep; /* SleepWord of a sender that waits for room; the receiver resets it */
  size_t records;
  size_t half;
};

inline constexpr size_t kHeader = 4096;
inline constexpr size_t kRingBytes = limits::kRingRecords * sizeof(CallRec);
inline constexpr size_t kHalf = limits::kArena / 2;
inline constexpr size_t kArenaOffset = kHeader + 2 * kRingBytes;
inline constexpr size_t kSegment = kArenaOffset + limits::kArena;
/* Word 0 of the segment: of what shape it is. To be changed with anything in this file. */
inline constexpr uint32_t kShape = 0x6d703131;
inline constexpr size_t kShapeOffset = 0;

constexpr Direction direction(unsigned n) {
  size_t words = 128 + n * 512;
  return Direction{words,
                   words + 128,
                   words + 256,
                   words + 384,
                   kHeader + n * kRingBytes,
                   kArenaOffset + n * kHalf};
}
static_assert(direction(1).writer_sleep + sizeof(uint32_t) <= kHeader);
/* The longest list and a full piece fit side by side, so every message gets through in the end. */
static_assert(limits::kHandleList * 8 + limits::kPiece <= kHalf - limits::kArenaLocked);
static_assert((limits::kRingRecords & (limits::kRingRecords - 1)) == 0);

/*
 * Locks header, rings and the beginning of the halves, and the rest while the limit allows. Says
 * once in each process what could not be locked.
 */
void lock_segment(ShmSegment* segment);

/*
 * Wakes who sleeps on a word of the segment: a system call only if somebody does. False when the
 * socket says that the other side is gone.
 */
bool wake_sleeper(ShmSegment* segment, size_t word, int socket);

/* Space handed out first in, first out; a piece never wraps round the end. */
struct Fifo {
  uint32_t base = 0; /* from the start of the half */
  uint32_t size = 0;
  uint32_t head = 0; /* where the next piece goes, from base */
  uint32_t used = 0;

  /* *offset from the start of the half; *span is what to give back, room lost at the end included.
   */
  bool allocate(uint32_t need, uint32_t* offset, uint32_t* span);
  void release(uint32_t span);
};

class SendRing {
 public:
  SendRing(ShmSegment* segment, const Direction& where, int socket);

  /* channel.h, try_send. */
  ChannelStatus put(const Message& message, size_t* sent);

  /* True when the receiver has taken something since put() said kAgain last. */
  bool room_changed() const {
    return segment_->load(where_.tail) != tail_then_.load(std::memory_order_relaxed);
  }
  /* True when pages beyond the locked part may hold memory that nobody uses. */
  bool may_trim() const { return bulk_used_ns_.load(std::memory_order_relaxed) != 0; }
  /* Gives them back if nothing was there for a while. From any thread; never waits for put(). */
  void trim();

  const Direction& where() const { return where_; }

 private:
  struct Slot {
    uint32_t span = 0;
    bool bulk = false;
  };

  ChannelStatus put_piece(const Message& message, size_t from, size_t length);
  void copy_piece(const Message& message, size_t from, size_t length, size_t offset);
  bool refresh();
  bool allocate(uint32_t need, Slot* slot, uint32_t* offset);
  void trim_locked(uint64_t now_ns);

  ShmSegment* segment_;
  Direction where_;
  int socket_;
  std::mutex lock_; /* put() against trim(), both in this process */
  uint32_t head_ = 0;
  uint32_t tail_ = 0;     /* of the other side, as last checked */
  size_t unfinished_ = 0; /* octets sent of a message that is not through */
  Fifo small_;            /* the locked beginning of the half */
  Fifo bulk_;
  std::array<Slot, limits::kRingRecords> slots_;
  std::atomic<uint32_t> tail_then_{0};
  std::atomic<uint64_t> bulk_used_ns_{0}; /* when bulk_ was last used; 0: never since trim */
};

class ReceiveRing {
 public:
  ReceiveRing(ShmSegment* segment, const Direction& where, int socket)
      : segment_(segment), where_(where), socket_(socket) {}

  /* channel.h, try_receive. */
  ChannelStatus take(Message* message);
  bool readable() const {
    return segment_->load(where_.head) != tail_.load(std::memory_order_relaxed);
  }
  const Direction& where() const { return where_; }

 private:
  ChannelStatus take_piece(Message* message, bool* last);
  bool begin_message(const CallRec& rec, Message* target);
  void release(const CallRec& rec);

  ShmSegment* segment_;
  Direction where_;
  int socket_;
  std::atomic<uint32_t> tail_{0}; /* written by the receiving thread only */
  bool in_pieces_ = false;
  Message partial_;
};

}  // namespace mp11::ring
