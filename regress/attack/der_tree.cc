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
#include "der_tree.h"

#include <functional>
#include <span>

namespace mp11::test {
namespace {

using Bytes = std::vector<uint8_t>;

bool parse(std::span<const uint8_t>* in, DerNode* out, int depth) {
  if (in->size() < 2 || depth > 30) return false;
  out->tag = (*in)[0];
  size_t length = (*in)[1], header = 2;
  if (length > 0x80) {
    const size_t octets = length & 0x7f;
    if (octets > 3 || in->size() < 2 + octets) return false;
    length = 0;
    for (size_t i = 0; i < octets; i++) length = length << 8 | (*in)[2 + i];
    header += octets;
  }
  if (in->size() - header < length) return false;
  std::span<const uint8_t> content = in->subspan(header, length);
  *in = in->subspan(header + length);
  if (!out->constructed()) {
    out->octets.assign(content.begin(), content.end());
    return true;
  }
  while (!content.empty()) {
    out->children.emplace_back();
    if (!parse(&content, &out->children.back(), depth + 1)) return false;
  }
  return true;
}

void write(const DerNode& node, Bytes* out) {
  Bytes content = node.octets;
  for (const DerNode& child : node.children) write(child, &content);
  out->push_back(node.tag);
  if (content.size() < 0x80) {
    out->push_back(static_cast<uint8_t>(content.size()));
  } else {
    const int octets = content.size() < 0x100 ? 1 : content.size() < 0x10000 ? 2 : 3;
    out->push_back(static_cast<uint8_t>(0x80 + octets));
    for (int i = octets - 1; i >= 0; i--)
      out->push_back(static_cast<uint8_t>(content.size() >> 8 * i));
  }
  out->insert(out->end(), content.begin(), content.end());
}

/* Each list of children in the tree, with the tree that it is part of. */
void each_list(DerNode* node, const std::function<void(std::vector<DerNode>*)>& visit) {
  if (node->children.empty()) return;
  visit(&node->children);
  for (DerNode& child : node->children) each_list(&child, visit);
}

}  // namespace

std::optional<DerNode> parse_der(const Bytes& der) {
  DerNode node;
  std::span<const uint8_t> in = der;
  if (!parse(&in, &node, 0) || !in.empty()) return std::nullopt;
  return node;
}

Bytes encode_der(const DerNode& node) {
  Bytes out;
  write(node, &out);
  return out;
}

bool set_opcode(DerNode* message, uint32_t opcode) {
  for (DerNode& child : message->children) {
    if ((child.tag & 0xdf) != 0x41 || child.children.empty()) continue; /* APPLICATION 1 */
    DerNode* number = &child.children[0];
    while (number->constructed() && !number->children.empty()) number = &number->children[0];
    number->octets.clear();
    for (int shift = 24; shift >= 0; shift -= 8)
      if (opcode >> shift != 0) number->octets.push_back(static_cast<uint8_t>(opcode >> shift));
    if (number->octets.empty() || number->octets[0] > 0x7f)
      number->octets.insert(number->octets.begin(), 0);
    return true;
  }
  return false;
}

std::vector<Bytes> mutations(const Bytes& der) {
  using Change = std::function<void(std::vector<DerNode>*, size_t)>;
  const Change changes[] = {
      [](auto* list, size_t i) { list->erase(list->begin() + static_cast<ptrdiff_t>(i)); },
      [](auto* list, size_t i) { list->push_back(DerNode((*list)[i])); },
      [](auto* list, size_t i) { (*list)[i].octets.clear(), (*list)[i].children.clear(); },
      [](auto* list, size_t i) { (*list)[i].tag ^= 0x20; },
      [](auto* list, size_t i) { (*list)[i].tag ^= 0x80; },
      [](auto* list, size_t i) { (*list)[i].tag = 0x02; },
      [](auto* list, size_t i) { (*list)[i].octets.assign(1, 0xff); },
      [](auto* list, size_t i) { (*list)[i].octets.assign(9, 0x7f); },
      [](auto* list, size_t i) { (*list)[i].octets.assign(5, 0); },
      [](auto* list, size_t i) { (*list)[i].octets.assign(70000, 0x30); },
  };
  std::vector<Bytes> out;
  const std::optional<DerNode> whole = parse_der(der);
  if (!whole) return out;
  std::vector<size_t> sizes;
  DerNode scratch = *whole;
  each_list(&scratch, [&](std::vector<DerNode>* list) { sizes.push_back(list->size()); });
  for (size_t which = 0; which < sizes.size(); which++)
    for (size_t i = 0; i < sizes[which]; i++)
      for (const Change& change : changes) {
        DerNode copy = *whole;
        std::vector<DerNode>* wanted = nullptr;
        size_t at = 0;
        each_list(&copy, [&](std::vector<DerNode>* list) {
          if (at++ == which) wanted = list;
        });
        change(wanted, i);
        out.push_back(encode_der(copy));
      }
  /* Fifty values deep, and octets behind the end. */
  DerNode deep = *whole;
  for (int i = 0; i < 50; i++) {
    DerNode outer;
    outer.tag = 0x30;
    outer.children.push_back(std::move(deep));
    deep = std::move(outer);
  }
  out.push_back(encode_der(deep));
  out.push_back(der);
  out.back().push_back(0);
  out.emplace_back(der.begin(), der.end() - 1);
  return out;
}

}  // namespace mp11::test
