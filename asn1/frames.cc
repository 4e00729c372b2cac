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
#include "frames.h"

#include <algorithm>

#include "result.h"

namespace mp11 {
namespace {

constexpr uint8_t kMoreFragments = 1, kPlaced = 2;
constexpr size_t kFlagsAt = 4, kNumberAt = 5;
constexpr size_t kLengthLimit = 1u << 24; /* the first octet of a frame is 0 */
static_assert(limits::kFragment < kLengthLimit);

uint32_t get32(const uint8_t* at) {
  return static_cast<uint32_t>(at[0]) << 24 | static_cast<uint32_t>(at[1]) << 16 |
         static_cast<uint32_t>(at[2]) << 8 | at[3];
}

void put32(uint8_t* at, size_t value) {
  for (unsigned i = 0; i < 4; i++) at[i] = static_cast<uint8_t>(value >> (24 - 8 * i));
}

}  // namespace

bool write_frame(FrameSource* source, SecureBuffer* out, const FrameForm& form) {
  MP11_ASSERT(form.fragment > 0 && form.fragment < kLengthLimit);
  const size_t size = std::min(form.fragment, source->rest.size());
  if (size == 0) return false;
  const bool more = size < source->rest.size();
  const bool placed = form.placed && (more || source->written != 0);
  uint8_t header[kFrameHeader + kFramePlace];
  put32(header, size);
  header[kFlagsAt] = static_cast<uint8_t>((more ? kMoreFragments : 0) | (placed ? kPlaced : 0));
  put32(header + kNumberAt, source->number);
  put32(header + kFrameHeader, source->written);
  out->append(header, placed ? sizeof header : kFrameHeader);
  out->append(source->rest.data(), size);
  source->rest = source->rest.subspan(size);
  source->written += static_cast<uint32_t>(size);
  return more;
}

FrameHead placed_frame_head(std::span<const uint8_t> frame) {
  MP11_ASSERT(frame.size() > kFrameHeader);
  return {(frame[kFlagsAt] & kPlaced) == 0, get32(&frame[kNumberAt])};
}

FrameStatus FrameReader::fail(FrameStatus status) {
  partial_.clear();
  held_ = 0;
  broken_ = status;
  return status;
}

/* As far as it is known. */
size_t FrameReader::header_length() const {
  const bool placed =
      limits_.placed && header_size_ > kFlagsAt && (header_[kFlagsAt] & kPlaced) != 0;
  return kFrameHeader + (placed ? kFramePlace : 0);
}

/* The header is complete: finds or begins its message. kMore when the fragment may come. */
FrameStatus FrameReader::begin_fragment() {
  const size_t length = get32(header_);
  const uint32_t number = get32(header_ + kNumberAt);
  const uint8_t flags = header_[kFlagsAt];
  const bool more = (flags & kMoreFragments) != 0, placed = (flags & kPlaced) != 0;
  if (length == 0 || length >= kLengthLimit || (flags & ~(kMoreFragments | kPlaced)) != 0 ||
      (placed && !limits_.placed))
    return fail(FrameStatus::kHeader);
  if (length > limits_.fragment) return fail(FrameStatus::kLongFragment);

  auto found = std::find_if(partial_.begin(), partial_.end(),
                            [=](const Partial& p) { return p.number == number; });
  const size_t before = found == partial_.end() ? 0 : found->octets.size();
  if (limits_.placed &&
      (placed != (more || before != 0) || (placed && get32(header_ + kFrameHeader) != before)))
    return fail(FrameStatus::kMisplaced);
  if (length > limits_.message - before) return fail(FrameStatus::kLongMessage);
  if (length > limits_.total - held_) return fail(FrameStatus::kManyOctets);
  if (found == partial_.end()) {
    if (partial_.size() == limits_.partial) return fail(FrameStatus::kManyMessages);
    partial_.push_back({number, {}});
    found = partial_.end() - 1;
  }
  current_ = static_cast<size_t>(found - partial_.begin());
  fragment_left_ = length;
  return FrameStatus::kMore;
}

FrameStatus FrameReader::take(std::span<const uint8_t>* input, uint32_t* number,
                              SecureBuffer* message) {
  if (broken_ != FrameStatus::kMore) return broken_;
  while (!input->empty()) {
    if (header_size_ < header_length()) {
      const size_t size = std::min(header_length() - header_size_, input->size());
      std::copy_n(input->data(), size, header_ + header_size_);
      header_size_ += size;
      *input = input->subspan(size);
      if (header_size_ < header_length()) continue;
      if (FrameStatus status = begin_fragment(); status != FrameStatus::kMore) return status;
      continue;
    }
    Partial& whose = partial_[current_];
    const size_t size = std::min(fragment_left_, input->size());
    whose.octets.append(input->data(), size);
    held_ += size;
    fragment_left_ -= size;
    *input = input->subspan(size);
    if (fragment_left_ > 0) break;
    header_size_ = 0;
    if (header_[kFlagsAt] & kMoreFragments) continue;

    *number = whose.number;
    held_ -= whose.octets.size();
    message->clear();
    message->swap(whose.octets);
    partial_.erase(partial_.begin() + static_cast<ptrdiff_t>(current_));
    return FrameStatus::kMessage;
  }
  return out_of_input();
}

/* What comes next may be of another frame, if it comes by another token. */
FrameStatus FrameReader::out_of_input() {
  return limits_.placed && header_size_ != 0 ? fail(FrameStatus::kHeader) : FrameStatus::kMore;
}

}  // namespace mp11
