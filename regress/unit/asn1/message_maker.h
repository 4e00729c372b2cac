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
/* Random messages of every operation, made from the module's types and nothing else. */
#pragma once
#include <INTEGER.h>
#include <RemoteProcedureCall.h>
#include <RemoteProcedureReturn.h>
#include <TransportMessage.h>

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "asn1c_memory.h"
#include "schema.h"
#include "values.h"

namespace mp11::asn1 {

class Maker {
 public:
  Maker(unsigned seed, CallArena* arena) : random_(seed), arena_(arena) {}

  std::vector<uint8_t> message(bool call, long opcode) {
    auto* message = arena_->make<TransportMessage_t>();
    fill(&asn_DEF_TransportMessage, message, 0);
    put_octets("\0", 1, &message->version.major);
    auto& payload = message->payload;
    std::memset(&payload, 0, sizeof payload);
    const Type* type = call ? call_type(opcode) : return_type(opcode);
    void* data = arena_->allocate(size_of(type));
    fill(type, data, 1);
    const size_t size = encoded_size(type, data);
    BOOST_REQUIRE_MESSAGE(size > 0, type->name);
    auto* der = arena_->make<uint8_t>(size);
    BOOST_REQUIRE((encode(type, data, der, size)));
    payload.present =
        call ? TransportMessage__payload_PR_call : TransportMessage__payload_PR_called;
    if (call) {
      payload.choice.call.opcode = opcode;
      put_octets(der, size, reinterpret_cast<OCTET_STRING_t*>(&payload.choice.call.opdata));
    } else {
      payload.choice.called.opcode = opcode;
      put_octets(der, size, reinterpret_cast<OCTET_STRING_t*>(&payload.choice.called.opdata));
    }
    std::vector<uint8_t> whole(encoded_size(&asn_DEF_TransportMessage, message));
    BOOST_REQUIRE(!whole.empty());
    BOOST_REQUIRE((encode(&asn_DEF_TransportMessage, message, whole.data(), whole.size())));
    return whole;
  }

 private:
  size_t below(size_t n) { return random_() % n; }

  void fill(const Type* type, void* at, int depth) {
    switch (shape_of(type)) {
      case Shape::kBoolean:
        *static_cast<BOOLEAN_t*>(at) = below(2) != 0 ? 0xff : 0;
        break;
      case Shape::kNumber: {
        constexpr WireNumber kSome[] = {0,     1,          127,        128,       255,
                                        65536, 0x7fffffff, 0xfffffffe, 0xffffffff};
        const WireNumber number = below(2) != 0 ? kSome[below(std::size(kSome))] : below(5000);
        std::memcpy(at, &number, sizeof number);
        break;
      }
      case Shape::kEnumerated: {
        const auto* spec = static_cast<const asn_INTEGER_specifics_t*>(type->specifics);
        const long value = spec->value2enum[below(static_cast<size_t>(spec->map_count))].nat_value;
        std::memcpy(at, &value, sizeof value);
        break;
      }
      case Shape::kBits: {
        const size_t count = below(70);
        auto* bits = static_cast<BIT_STRING_t*>(at);
        bits->size = static_cast<int>((count + 7) / 8);
        bits->buf = arena_->make<uint8_t>(count / 8 + 1);
        bits->bits_unused = static_cast<int>((8 - count % 8) % 8);
        for (size_t i = 0; i < count; i++)
          if (below(2) != 0) bits->buf[i / 8] |= static_cast<uint8_t>(0x80 >> i % 8);
        break;
      }
      case Shape::kOctets:
      case Shape::kText:
        octets(type, nullptr, at);
        break;
      case Shape::kNull:
        break;
      case Shape::kSequence:
        sequence(type, at, depth);
        break;
      case Shape::kChoice:
        choice(type, at, depth);
        break;
      case Shape::kOther:
        break; /* opdata: put there afterwards */
    }
  }

  /* Some octets or characters, of a size that the member or its type takes. */
  void octets(const Type* type, const Element* member, void* at) {
    static constexpr std::string_view kCharacters[] = {"a",
                                                       "Z",
                                                       "0",
                                                       " ",
                                                       "<",
                                                       ">",
                                                       "&",
                                                       "\"",
                                                       "\\",
                                                       "/",
                                                       "\t",
                                                       "\n",
                                                       "\r",
                                                       "]]>",
                                                       "\x01",
                                                       "\x1f",
                                                       "\x7f",
                                                       "\xc3\xa4",
                                                       "\xe2\x82\xac",
                                                       "\xf0\x9f\x98\x80",
                                                       std::string_view("\0", 1)};
    const bool text = shape_of(type) == Shape::kText;
    const bool ascii = text && BER_TAG_VALUE(type->tags[type->tags_count - 1]) == 22;
    for (size_t tries = 0; tries < 200; tries++) {
      std::string value;
      const size_t size = tries % 2 == 0 ? below(20) : tries / 2 % 20;
      while (value.size() < size)
        if (text)
          value += kCharacters[below(ascii ? 17 : std::size(kCharacters))];
        else
          value += static_cast<char>(below(256));
      auto* copy = arena_->make<uint8_t>(value.size() + 1);
      std::memcpy(copy, value.data(), value.size());
      put_octets(copy, value.size(), static_cast<OCTET_STRING_t*>(at));
      auto* descriptor = const_cast<Type*>(type);
      auto* check = member != nullptr && member->memb_constraints != nullptr
                        ? member->memb_constraints
                        : descriptor->check_constraints;
      if (check(descriptor, at, nullptr, nullptr) == 0) return;
    }
    BOOST_FAIL(std::string("no value for ") + type->name);
  }

  void member(const Element& element, void* at, int depth) {
    const Shape shape = shape_of(element.type);
    if (shape == Shape::kOctets || shape == Shape::kText)
      octets(element.type, &element, at);
    else
      fill(element.type, at, depth + 1);
  }

  void sequence(const Type* type, void* at, int depth) {
    if (is_list(type)) {
      const Type* of = type->elements[0].type;
      const size_t count = depth > 5 ? 0 : below(4);
      auto* first =
          static_cast<uint8_t*>(make_list(static_cast<List*>(at), count, size_of(of), arena_));
      for (size_t i = 0; i < count; i++) fill(of, first + i * size_of(of), depth + 1);
      return;
    }
    for (int i = 0; i < type->elements_count; i++) {
      const Element& element = type->elements[i];
      if ((element.flags & ATF_OPEN_TYPE) != 0) continue;
      if (element.optional && below(2) == 0) continue;
      member(element, place(element, at, arena_), depth);
    }
  }

  void choice(const Type* type, void* at, int depth) {
    const Element& element =
        type->elements[depth > 5 ? 0 : below(static_cast<size_t>(type->elements_count))];
    member(element, choose(type, at, element.name, arena_), depth);
  }

  std::mt19937 random_;
  CallArena* arena_;
};

inline std::vector<long> all_opcodes() {
  std::vector<long> opcodes;
  for (unsigned i = 0; i < kFunctions; i++) opcodes.push_back(i);
  opcodes.insert(opcodes.end(), {256, 257, 258}); /* Cancel, Snapshot, Renew */
  return opcodes;
}

inline std::vector<uint8_t> made_message(bool call, long opcode, unsigned seed) {
  CallArena arena;
  Asn1cMemory memory(&arena, 64u << 20);
  return Maker(seed * 1000 + static_cast<unsigned>(opcode), &arena).message(call, opcode);
}

/* The shortest of some, so that many are worth keeping, but not one without its members. */
inline std::vector<uint8_t> short_message(bool call, long opcode) {
  std::vector<uint8_t> best;
  for (unsigned seed = 0; seed < 8; seed++) {
    std::vector<uint8_t> one = made_message(call, opcode, 500 + seed);
    if (best.empty() || (best.size() > 350 && one.size() < best.size())) best = std::move(one);
  }
  return best;
}

}  // namespace mp11::asn1
