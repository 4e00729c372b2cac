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
#include "kdh_hello.h"

#include <algorithm>

#include "kdh.h"

namespace mp11 {
namespace {

constexpr uint8_t kPskDheKe = 1;
/* Octets of the age behind an identity, and of the length before a binder. */
constexpr size_t kAge = 4, kBinderLength = 1;

/* Octets behind a length of two of them; the rest stays in *from. */
bool take_list(std::span<const uint8_t>* from, std::span<const uint8_t>* list) {
  if (from->size() < 2) return false;
  const size_t size = static_cast<size_t>((*from)[0]) << 8 | (*from)[1];
  if (size > from->size() - 2) return false;
  *list = from->subspan(2, size);
  *from = from->subspan(2 + size);
  return true;
}

}  // namespace

bool offers_dhe(std::span<const uint8_t> psk_modes) {
  if (psk_modes.empty() || psk_modes[0] != psk_modes.size() - 1) return false;
  return std::find(psk_modes.begin() + 1, psk_modes.end(), kPskDheKe) != psk_modes.end();
}

std::optional<std::span<const uint8_t>> only_identity(std::span<const uint8_t> pre_shared_key) {
  std::span<const uint8_t> rest = pre_shared_key, identities, identity, binders;
  if (!take_list(&rest, &identities) || !take_list(&rest, &binders) || !rest.empty())
    return std::nullopt;
  if (!take_list(&identities, &identity) || identities.size() != kAge) return std::nullopt;
  if (std::any_of(identities.begin(), identities.end(), [](uint8_t octet) { return octet != 0; }))
    return std::nullopt;
  if (identity.empty() || identity.size() > kKdhIdentity) return std::nullopt;
  if (binders.size() != kBinderLength + kKdhPsk || binders[0] != kKdhPsk) return std::nullopt;
  return identity;
}

}  // namespace mp11
