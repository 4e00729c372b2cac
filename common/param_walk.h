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
 * The members of a parameter structure in memory, by the table: how long what they point to is, and
 * a walk over those that a library may write and those that say what it makes.
 *
 * Trust: what a structure says of itself is believed. It is the application's own, or one that
 * unpack_call or decode_call made, and then as long as they allocated.
 */
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "p11_params.h"

namespace mp11 {

template <class T>
T load(const void* base, size_t offset) {
  T value;
  std::memcpy(&value, static_cast<const uint8_t*>(base) + offset, sizeof value);
  return value;
}

template <class T>
void store(void* base, size_t offset, T value) {
  std::memcpy(static_cast<uint8_t*>(base) + offset, &value, sizeof value);
}

constexpr CK_ULONG octets_of_bits(CK_ULONG bits) { return bits / 8 + (bits % 8 != 0); }

/* The length that a structure has for the OUTER_OUT members of the one that `f` points to. */
inline CK_ULONG outer_length(const ParamField& f, const void* base) {
  if (f.kind != FieldKind::kPointer || f.length != LengthIs::kBits) return 0;
  return octets_of_bits(load<CK_ULONG>(base, f.length_offset));
}

/* Octets (kBytes), structures (kStructs) or attributes (kTemplate) behind the pointer `f`. */
inline CK_ULONG length_of(const ParamField& f, const void* base, CK_ULONG outer) {
  switch (f.length) {
    case LengthIs::kNone:
      return 0;
    case LengthIs::kOctets:
      return load<CK_ULONG>(base, f.length_offset);
    case LengthIs::kBits:
      return octets_of_bits(load<CK_ULONG>(base, f.length_offset));
    case LengthIs::kFixed:
      return f.fixed;
    case LengthIs::kPointed: {
      const auto* room = load<const CK_ULONG*>(base, f.length_offset);
      return room != nullptr ? load<CK_ULONG>(room, 0) : 0;
    }
    case LengthIs::kOuter:
      return outer;
  }
  return 0;
}

/*
 * Calls leaf(layout, field, base, outer) for every member that is no structure itself, those of
 * nested structures included, in order, until it says false. Mechanisms within are not entered:
 * they have no outputs.
 */
template <class Leaf>
bool walk_members(const ParamStruct& layout, void* base, CK_ULONG outer, Leaf& leaf) {
  for (const ParamField& f : layout.fields) {
    uint8_t* at = static_cast<uint8_t*>(base) + f.offset;
    bool go_on = true;
    if (f.kind == FieldKind::kInside) {
      go_on = walk_members(*f.nested, at, 0, leaf);
    } else if (f.kind == FieldKind::kPointer) {
      if (auto* p = load<void*>(at, 0))
        go_on = walk_members(*f.nested, p, outer_length(f, base), leaf);
    } else if (f.kind == FieldKind::kStructs) {
      auto* p = load<uint8_t*>(at, 0);
      const CK_ULONG count = p != nullptr ? length_of(f, base, 0) : 0;
      for (CK_ULONG i = 0; go_on && i < count; i++)
        go_on = walk_members(*f.nested, p + i * f.nested->size, 0, leaf);
    } else {
      go_on = leaf(layout, f, base, outer);
    }
    if (!go_on) return false;
  }
  return true;
}

/* Whether the library writes a buffer's length as well, which is the room no more then. */
inline bool length_written(const ParamField& f) {
  return f.length == LengthIs::kOctets || f.length == LengthIs::kPointed;
}

/*
 * What a reply gives for a member, into the application's memory. What was read as well is left
 * alone where it is the same: an application may have it in constants.
 */
inline void write_back(const ParamField& f, void* to, const void* from, size_t size) {
  if (size == 0 || (f.way == Way::kInOut && std::memcmp(to, from, size) == 0)) return;
  std::memcpy(to, from, size);
}

/* The length that is told for a buffer, behind it, is that of the octets that came for it. */
class ToldLength {
 public:
  void came(const ParamField& f, const void* base, CK_ULONG octets) {
    if (!length_written(f)) return;
    at_ = member(base, f.length_offset);
    octets_ = octets;
  }
  bool agrees(const ParamField& f, const void* base, CK_ULONG told) const {
    return at_ != member(base, f.offset) || told == octets_;
  }

 private:
  static const uint8_t* member(const void* base, size_t offset) {
    return static_cast<const uint8_t*>(base) + offset;
  }
  const uint8_t* at_ = nullptr;
  CK_ULONG octets_ = 0;
};

/* The structure of this mechanism's parameter, where it has outputs; else nullptr. */
inline const ParamStruct* output_struct(const CK_MECHANISM* mechanism) {
  if (mechanism == nullptr || mechanism->pParameter == nullptr) return nullptr;
  const MechanismRow* row = mechanism_row(mechanism->mechanism);
  const ParamStruct* layout =
      row != nullptr ? param_struct(*row, mechanism->ulParameterLen) : nullptr;
  return layout != nullptr && has_outputs(*layout) ? layout : nullptr;
}

}  // namespace mp11
