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
 * LeftOut: what a connection's monitor says of layers that cannot be reached. It is shown by
 * `multip11 status`, and nothing depends on it.
 *
 * Trust: the monitor may say what it likes, of layers that there are. It is remembered up to a
 * bound.
 */
#pragma once
#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>

#include "mp11_limits.h"
#include "records.h"

namespace mp11 {

class LeftOut {
 public:
  /* A token's variants for other identities have its slot, and layers of their own. */
  struct Place {
    uint64_t slot;
    uint32_t layer, backend;
    auto operator<=>(const Place&) const = default;
  };
  struct Why {
    uint64_t rv;
    uint64_t since_ms;
  };

  void note(const LayerReport& report, uint64_t now_ms) {
    const Place place{report.slot, report.layer, report.backend};
    if (report.there == 1)
      all_.erase(place);
    else if (all_.size() < limits::kLayersLeftOut || all_.count(place) != 0)
      all_[place] = {report.rv, now_ms};
    else
      more_ = true;
    if (all_.empty()) more_ = false;
  }

  const std::map<Place, Why>& all() const { return all_; }
  /* There are more than are remembered. */
  bool more() const { return more_; }

 private:
  std::map<Place, Why> all_;
  bool more_ = false;
};

}  // namespace mp11
