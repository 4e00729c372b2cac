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
#include "blind_list.h"

#include "mp11_limits.h"

namespace mp11 {

BlindList::BlindList(std::shared_ptr<BlindTotal> total, uint64_t epoch)
    : total_(std::move(total)), epoch_(epoch) {}

BlindList::BlindList(BlindList&& other) noexcept { *this = std::move(other); }

BlindList& BlindList::operator=(BlindList&& other) noexcept {
  std::swap(total_, other.total_);
  std::swap(unread_, other.unread_);
  std::swap(held_, other.held_);
  std::swap(calls_, other.calls_);
  std::swap(epoch_, other.epoch_);
  other.clear();
  return *this;
}

BlindList::~BlindList() { clear(); }

void BlindList::clear() {
  if (total_ != nullptr) total_->objects -= size();
  unread_.clear();
  held_.clear();
}

CK_RV BlindList::add(const std::vector<uint64_t>& numbers) {
  if (++calls_ > limits::kBlindCalls) return CKR_DEVICE_ERROR;
  if (numbers.size() > limits::kBlindObjects - total_->objects) return CKR_HOST_MEMORY;
  total_->objects += numbers.size();
  unread_.insert(unread_.end(), numbers.begin(), numbers.end());
  return CKR_OK;
}

std::optional<uint64_t> BlindList::unread() const {
  return unread_.empty() ? std::nullopt : std::optional<uint64_t>(unread_.back());
}

void BlindList::read(uint64_t number,
                     const std::optional<std::pair<uint64_t, std::string>>& class_and_id) {
  if (unread() != number) return;
  const bool fresh = class_and_id && held_.insert(*class_and_id).second;
  unread_.pop_back();
  if (!fresh) total_->objects--;
}

bool BlindList::hides(uint64_t of_class, const std::string& id) const {
  return held_.contains({of_class, id});
}

}  // namespace mp11
