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
 * BlindList: what a blind layer holds, as far as a search needs it to know what it hides in the
 * layers below (session_blind.cc). Numbers come in first, and class and id of each when they are
 * asked for.
 *
 * Trust: a library says what it likes of its objects. What is remembered of all lists of a
 * connection is counted in one BlindTotal, from the first number on, and bounded.
 */
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cryptoki.h"

namespace mp11 {

/* Objects that the lists of one connection remember. */
struct BlindTotal {
  size_t objects = 0;
};

class BlindList {
 public:
  BlindList() = default; /* of a layer that hides nothing */
  /* epoch: of its backend; what has died hides nothing. */
  BlindList(std::shared_ptr<BlindTotal> total, uint64_t epoch);
  BlindList(BlindList&& other) noexcept;
  BlindList& operator=(BlindList&& other) noexcept;
  ~BlindList();

  /* What one call has listed. Anything but CKR_OK: it is too much, or never comes to an end. */
  CK_RV add(const std::vector<uint64_t>& numbers);
  void clear();

  bool empty() const { return unread_.empty() && held_.empty(); }
  uint64_t epoch() const { return epoch_; }
  /* An object of which class and id are not known yet. */
  std::optional<uint64_t> unread() const;
  /* They are, or there is no use in knowing them; of another object than unread(): nothing. */
  void read(uint64_t number, const std::optional<std::pair<uint64_t, std::string>>& class_and_id);
  bool hides(uint64_t of_class, const std::string& id) const;

 private:
  size_t size() const { return unread_.size() + held_.size(); }

  std::shared_ptr<BlindTotal> total_;
  std::vector<uint64_t> unread_;
  std::set<std::pair<uint64_t, std::string>> held_; /* class and id */
  size_t calls_ = 0;                                /* that have listed it */
  uint64_t epoch_ = 0;
};

}  // namespace mp11
