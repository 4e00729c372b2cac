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
#include "der_mutator.h"

#include <cstring>
#include <vector>

#include "fuzz.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace mp11::fuzz {
namespace {

constexpr unsigned kDepth = 40;
constexpr size_t kRoom = 64; /* for new octets in one value */

struct Node {
  uint8_t tag = 0;
  bool constructed = false;
  std::vector<uint8_t> octets; /* of a primitive one */
  std::vector<Node> inside;
};

bool parse(Input* in, unsigned depth, Node* node) {
  if (in->end() || depth == 0) return false;
  node->tag = in->u8();
  if ((node->tag & 31) == 31) return false;
  size_t length = in->u8();
  if (length > 0x84 || length == 0x80) return false;
  if (length > 0x80) {
    size_t octets = length - 0x80;
    for (length = 0; octets != 0; octets--) length = length << 8 | in->u8();
  }
  std::span<const uint8_t> value = in->take(length);
  if (value.size() != length) return false;
  node->constructed = (node->tag & 0x20) != 0;
  if (!node->constructed) {
    node->octets.assign(value.begin(), value.end());
    return true;
  }
  for (Input inner(value.data(), value.size()); !inner.end();)
    if (!parse(&inner, depth - 1, &node->inside.emplace_back())) return false;
  return true;
}

void write(const Node& node, std::vector<uint8_t>* out) {
  std::vector<uint8_t> value = node.octets;
  for (const Node& inner : node.inside) write(inner, &value);
  out->push_back(node.tag);
  if (value.size() < 0x80) {
    out->push_back(static_cast<uint8_t>(value.size()));
  } else {
    uint8_t octets = 1;
    while (value.size() >> 8 * octets != 0) octets++;
    out->push_back(0x80 | octets);
    while (octets-- != 0) out->push_back(static_cast<uint8_t>(value.size() >> 8 * octets));
  }
  out->insert(out->end(), value.begin(), value.end());
}

void collect(Node* node, std::vector<Node*>* all) {
  all->push_back(node);
  for (Node& inner : node->inside) collect(&inner, all);
}

/* xorshift */
struct Random {
  uint32_t x;
  size_t below(size_t n) { return (x ^= x << 13, x ^= x >> 17, x ^= x << 5) % n; }
};

void change_octets(Node* node) {
  size_t size = node->octets.size();
  node->octets.resize(size + kRoom);
  node->octets.resize(LLVMFuzzerMutate(node->octets.data(), size, size + kRoom));
}

void change_inside(Node* node, const Node& other, Random* random) {
  std::vector<Node>& all = node->inside;
  if (all.empty()) {
    all.push_back(other);
    return;
  }
  const auto at = all.begin() + static_cast<long>(random->below(all.size()));
  switch (random->below(4)) {
    case 0:
      all.erase(at);
      break;
    case 1: {
      Node copy = *at;
      all.insert(at, std::move(copy));
      break;
    }
    case 2:
      std::swap(*at, all[random->below(all.size())]);
      break;
    default:
      all.insert(at, other);
      break;
  }
}

void change(Node* root, Random* random) {
  std::vector<Node*> all;
  collect(root, &all);
  Node* node = all[random->below(all.size())];
  const Node other = *all[random->below(all.size())];
  if (random->below(16) == 0) {
    /* A tag of this module: another member's number, or another type. */
    node->tag = static_cast<uint8_t>((node->tag & 0xe0) | random->below(31));
  } else if (random->below(12) == 0) {
    *node = other;
  } else if (node->constructed) {
    change_inside(node, other, random);
  } else {
    change_octets(node);
  }
}

}  // namespace

size_t mutate_der(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  Random random{seed * 2654435761u | 1};
  Node root;
  Input in(data, size);
  if (random.below(8) == 0 || !parse(&in, kDepth, &root) || !in.end())
    return LLVMFuzzerMutate(data, size, max_size);
  for (size_t times = 1 + random.below(3); times != 0; times--) change(&root, &random);
  std::vector<uint8_t> out;
  write(root, &out);
  if (out.size() > max_size) return size;
  if (!out.empty()) std::memcpy(data, out.data(), out.size());
  return out.size();
}

}  // namespace mp11::fuzz
