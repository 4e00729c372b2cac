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
#include "channel_ring.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <algorithm>

#include "log.h"

namespace mp11::ring {

namespace {

/* A message up to this never leaves the locked part, it rather waits: PINs are short. */
constexpr uint32_t kAlwaysLocked = 4u << 10;
/* A message up to this goes into the locked part if there is room. */
constexpr uint32_t kRatherLocked = 32u << 10;
/* Extents start on cache lines. */
constexpr uint32_t kAlign = 64;
/* How long bulk memory stays after its last use: giving it back and faulting it in costs 100 us. */
constexpr uint64_t kTrimAfterNs = 200'000'000;

bool within_half(const Extent& extent) {
  return extent.offset <= kHalf && extent.length <= kHalf - extent.offset;
}

/* What the format demands of a record, as far as it can be told from the record alone. */
bool well_formed(const CallRec& rec) {
  if ((rec.flags & ~uint32_t{kFlagsKnown}) != 0) return false;
  if (rec.handle_count > limits::kRecordHandles) return false;
  if (rec.number_count > limits::kRecordNumbers) return false;
  uint64_t unused = 0;
  for (size_t i = rec.handle_count; i < limits::kRecordHandles; i++) unused |= rec.handles[i];
  for (size_t i = rec.number_count; i < limits::kRecordNumbers; i++) unused |= rec.numbers[i];
  for (uint64_t word : rec.reserved) unused |= word;
  if (unused != 0) return false;
  if (!within_half(rec.handle_list) || !within_half(rec.bytes)) return false;
  if (rec.handle_list.length % sizeof(uint64_t) != 0) return false;
  if (rec.handle_list.length > limits::kHandleList * sizeof(uint64_t)) return false;
  if (rec.bytes.length > limits::kPiece) return false;
  return (rec.flags & kFlagMore) == 0 || rec.bytes.length == limits::kPiece;
}

/* The record without what belongs to its journey. */
CallRec without_extents(const CallRec& rec) {
  CallRec plain = rec;
  plain.flags &= ~uint32_t{kFlagMore};
  plain.handle_list = Extent{};
  plain.bytes = Extent{};
  return plain;
}

/* The sender's record: unused places are zero, whatever the caller left there. */
CallRec outgoing(const CallRec& rec) {
  MP11_ASSERT((rec.flags & ~uint32_t{kFlagsKnown & ~kFlagMore}) == 0);
  MP11_ASSERT(rec.handle_count <= limits::kRecordHandles);
  MP11_ASSERT(rec.number_count <= limits::kRecordNumbers);
  CallRec out = rec;
  std::fill(out.handles + out.handle_count, std::end(out.handles), 0);
  std::fill(out.numbers + out.number_count, std::end(out.numbers), 0);
  std::fill(std::begin(out.reserved), std::end(out.reserved), 0);
  return out;
}

size_t record_offset(const Direction& where, uint32_t index) {
  return where.records + (index % limits::kRingRecords) * sizeof(CallRec);
}

}  // namespace

void lock_segment(ShmSegment* segment) {
  constexpr size_t kFirst = kArenaOffset + limits::kArenaLocked;
  static std::atomic<bool> warned_secrets{false};
  static std::atomic<bool> warned_bulk{false};
  bool locked = segment->lock(0, kFirst);
  locked = segment->lock(kArenaOffset + kHalf, limits::kArenaLocked) && locked;
  if (!locked && !warned_secrets.exchange(true))
    log_error("memory for PINs and keys cannot be locked: raise the limit of locked memory");
  /* Usual where the limit is the system's default, hence not for everybody's log. */
  if (!segment->lock_bulk(kFirst, kSegment - kFirst) && !warned_bulk.exchange(true))
    log_verbose("memory for bulk data is not locked beyond half the limit of locked memory");
}

bool wake_sleeper(ShmSegment* segment, size_t word, int socket) {
  if (segment->load(word) == kAwake) return true;
  switch (segment->exchange(word, kAwake)) {
    case kOnFutex:
      segment->futex_wake_all(word);
      return true;
    case kWantsDoorbell: {
      /* A full queue has bells enough. One octet: a message of none reads like a hang-up. */
      const uint8_t bell = 1;
      if (::send(socket, &bell, sizeof bell, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return true;
      return errno != EPIPE && errno != ECONNRESET;
    }
    default:
      return true;
  }
}

bool Fifo::allocate(uint32_t need, uint32_t* offset, uint32_t* span) {
  if (used == 0) head = 0; /* stay where memory is warm */
  const bool wraps = need > size - head;
  const uint32_t lost = wraps ? size - head : 0;
  if (need > size || lost + need > size - used) return false;
  if (wraps) head = 0;
  *offset = base + head;
  *span = lost + need;
  head += need;
  used += lost + need;
  return true;
}

void Fifo::release(uint32_t span) {
  MP11_ASSERT(span <= used);
  used -= span;
}

SendRing::SendRing(ShmSegment* segment, const Direction& where, int socket)
    : segment_(segment), where_(where), socket_(socket) {
  small_.size = limits::kArenaLocked;
  bulk_.base = limits::kArenaLocked;
  bulk_.size = kHalf - limits::kArenaLocked;
}

ChannelStatus SendRing::put(const Message& message, size_t* sent) {
  size_t size = message.size();
  if (size > limits::kMessage || message.list.size() > limits::kHandleList)
    return ChannelStatus::kTooLong;
  std::lock_guard<std::mutex> guard(lock_);
  /* Pieces of two messages must not mix; who gave one up half way has broken the channel. */
  if (*sent != unfinished_ || *sent > size) return ChannelStatus::kBroken;
  for (;;) {
    size_t length = std::min(size - *sent, limits::kPiece);
    ChannelStatus status = put_piece(message, *sent, length);
    if (status != ChannelStatus::kOk) return status;
    *sent += length;
    unfinished_ = *sent == size ? 0 : *sent;
    if (!wake_sleeper(segment_, where_.reader_sleep, socket_)) return ChannelStatus::kClosed;
    if (*sent == size) return ChannelStatus::kOk;
  }
}

ChannelStatus SendRing::put_piece(const Message& message, size_t from, size_t length) {
  if (!refresh()) return ChannelStatus::kBroken;
  const size_t list_size = from == 0 ? message.list.size() * sizeof(uint64_t) : 0;
  Slot slot;
  uint32_t offset = 0;
  if (head_ - tail_ == limits::kRingRecords ||
      !allocate(static_cast<uint32_t>(list_size + length), &slot, &offset)) {
    tail_then_.store(tail_, std::memory_order_relaxed);
    return ChannelStatus::kAgain;
  }
  CallRec rec = outgoing(message.rec);
  rec.handle_list = Extent{list_size == 0 ? 0 : offset, static_cast<uint32_t>(list_size)};
  rec.bytes = Extent{length == 0 ? 0 : offset + static_cast<uint32_t>(list_size),
                     static_cast<uint32_t>(length)};
  if (from + length < message.size()) rec.flags |= kFlagMore;
  if (list_size != 0) segment_->copy_in(where_.half + offset, message.list.data(), list_size);
  copy_piece(message, from, length, where_.half + rec.bytes.offset);
  segment_->copy_in(record_offset(where_, head_), &rec, sizeof rec);
  slots_[head_ % limits::kRingRecords] = slot;
  head_++;
  segment_->store(where_.head, head_);
  return ChannelStatus::kOk;
}

void SendRing::copy_piece(const Message& message, size_t from, size_t length, size_t offset) {
  const std::span<const uint8_t> bytes = message.bytes.span();
  const std::span<const uint8_t> parts[] = {bytes.first(message.lent.at),
                                            {message.lent.data, message.lent.size},
                                            bytes.subspan(message.lent.at)};
  for (const std::span<const uint8_t>& part : parts) {
    const size_t skipped = std::min(from, part.size());
    const size_t taken = std::min(length, part.size() - skipped);
    if (taken != 0) segment_->copy_in(offset, part.data() + skipped, taken);
    from -= skipped;
    length -= taken;
    offset += taken;
  }
}

/* Takes back what the receiver has read; false if it claims to have read more than there was. */
bool SendRing::refresh() {
  uint32_t tail = segment_->load(where_.tail);
  if (tail - tail_ > head_ - tail_) return false;
  for (; tail_ != tail; tail_++) {
    const Slot& slot = slots_[tail_ % limits::kRingRecords];
    (slot.bulk ? bulk_ : small_).release(slot.span);
  }
  return true;
}

bool SendRing::allocate(uint32_t need, Slot* slot, uint32_t* offset) {
  uint32_t rounded = (need + kAlign - 1) / kAlign * kAlign;
  if (need <= kRatherLocked && small_.allocate(rounded, offset, &slot->span)) {
    if (may_trim()) trim_locked(Waiter::now_ns());
    return true;
  }
  if (need <= kAlwaysLocked) return false;
  slot->bulk = true;
  if (!bulk_.allocate(rounded, offset, &slot->span)) return false;
  bulk_used_ns_.store(Waiter::now_ns(), std::memory_order_relaxed);
  return true;
}

void SendRing::trim() {
  if (!may_trim()) return;
  std::unique_lock<std::mutex> guard(lock_, std::try_to_lock);
  if (guard.owns_lock() && refresh()) trim_locked(Waiter::now_ns());
}

void SendRing::trim_locked(uint64_t now_ns) {
  if (bulk_.used != 0 || now_ns - bulk_used_ns_.load(std::memory_order_relaxed) < kTrimAfterNs)
    return;
  segment_->punch(where_.half + bulk_.base, bulk_.size);
  bulk_used_ns_.store(0, std::memory_order_relaxed);
}

ChannelStatus ReceiveRing::take(Message* message) {
  /* Ends after limits::kMessage / limits::kPiece + 1 pieces at most, whatever the peer does. */
  for (;;) {
    bool last = false;
    ChannelStatus status = take_piece(message, &last);
    if (status != ChannelStatus::kOk || last) return status;
  }
}

ChannelStatus ReceiveRing::take_piece(Message* message, bool* last) {
  const uint32_t tail = tail_.load(std::memory_order_relaxed);
  const uint32_t there = segment_->load(where_.head) - tail;
  if (there == 0) return ChannelStatus::kAgain;
  if (there > limits::kRingRecords) return ChannelStatus::kBroken;
  CallRec rec;
  segment_->copy_out(&rec, record_offset(where_, tail), sizeof rec);
  if (!well_formed(rec)) return ChannelStatus::kBroken;

  *last = (rec.flags & kFlagMore) == 0;
  Message* target = in_pieces_ || !*last ? &partial_ : message;
  if (!begin_message(rec, target)) return ChannelStatus::kBroken;
  if (rec.bytes.length > limits::kMessage - target->bytes.size()) return ChannelStatus::kBroken;
  if (rec.bytes.length != 0)
    segment_->copy_out(target->bytes.extend(rec.bytes.length), where_.half + rec.bytes.offset,
                       rec.bytes.length);
  in_pieces_ = !*last;
  if (*last && target == &partial_) {
    message->rec = partial_.rec;
    message->list.swap(partial_.list);
    message->bytes.swap(partial_.bytes);
    partial_.clear();
  }
  release(rec);
  return ChannelStatus::kOk;
}

/* The first piece sets the message up; a later one must repeat the first and has no list. */
bool ReceiveRing::begin_message(const CallRec& rec, Message* target) {
  const CallRec plain = without_extents(rec);
  if (in_pieces_)
    return rec.handle_list.length == 0 && memcmp(&plain, &target->rec, sizeof plain) == 0;
  target->clear();
  target->rec = plain;
  target->list.resize(rec.handle_list.length / sizeof(uint64_t));
  segment_->copy_out(target->list.data(), where_.half + rec.handle_list.offset,
                     rec.handle_list.length);
  return true;
}

/* Wipes what was read and hands it back to the sender. */
void ReceiveRing::release(const CallRec& rec) {
  const uint32_t tail = tail_.load(std::memory_order_relaxed);
  segment_->wipe(where_.half + rec.handle_list.offset, rec.handle_list.length);
  segment_->wipe(where_.half + rec.bytes.offset, rec.bytes.length);
  segment_->wipe(record_offset(where_, tail), sizeof rec);
  tail_.store(tail + 1, std::memory_order_relaxed);
  segment_->store(where_.tail, tail + 1);
  wake_sleeper(segment_, where_.writer_sleep, socket_);
}

}  // namespace mp11::ring
