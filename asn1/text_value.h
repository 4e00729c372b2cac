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
 * A value of a type of the module, put together step by step while a text is read, whatever it is
 * written in. Inside of asn1/ only.
 *
 * There is a slot, into which the next value goes: at first the whole message. A simple value fills
 * it. begin() opens a SEQUENCE, SEQUENCE OF or CHOICE there; then member() or item() makes the slot
 * for a value inside, and end() closes it. Members come in the module's order.
 *
 * A member whose type the opcode chooses has that type here, and becomes DER when it is complete.
 *
 * Trust: every order of calls is safe. One that returns false has refused the text; why() says for
 * what, and nothing may follow.
 */
#pragma once
#include <OCTET_STRING.h>

#include <span>
#include <string_view>
#include <vector>

#include "schema.h"

namespace mp11::asn1 {

class TextValue {
 public:
  TextValue(const Type* type, CallArena* arena);

  bool begin();
  bool member(std::string_view name);
  bool item();
  bool end();

  bool boolean(bool value);
  bool number(uint64_t value);
  bool named(std::string_view name); /* of an ENUMERATED */
  bool null();
  bool text(std::string_view utf8);
  bool octets(std::string_view hexadecimal);
  /* The first `count` bits of the octets; the rest of the last one must be zero. */
  bool bits(std::span<const uint8_t> octets, size_t count);
  /* What the slot takes was passed over: a member of a later version, or no known operation's. */
  bool passed_over();

  /* The type that the slot takes; nullptr: none, or what is to be passed over. */
  const Type* expected() const { return slot_.type; }
  bool to_be_passed_over() const { return slot_.unknown; }
  /* The type of the innermost value that is open, nullptr for none. */
  const Type* open() const { return frames_.empty() ? nullptr : frames_.back().type; }
  /* The slot is that of an opdata. */
  bool is_opdata() const { return slot_.any != nullptr; }

  bool complete() const { return complete_; }
  bool unknown_opcode() const { return unknown_opcode_; }
  const char* why() const { return why_; }
  const void* value() const { return root_; } /* when complete() */
  CallArena* arena() const { return arena_; }

 private:
  struct Slot {
    const Type* type = nullptr;
    void* at = nullptr;
    bool unknown = false;
    OCTET_STRING_t* any = nullptr; /* of an opdata: where its DER goes */
  };
  struct Frame {
    const Type* type;
    void* structure;
    OCTET_STRING_t* any; /* of the slot that this value fills */
    int next = 0;        /* SEQUENCE: the first member that may come; CHOICE: 1 when chosen */
  };

  bool refuse(const char* why);
  bool make_slot(const Type* type, void* at);
  bool take(Shape shape, const char* why);
  bool filled(const Type* type, const void* value, OCTET_STRING_t* any);
  bool sequence_member(Frame* frame, std::string_view name);
  bool opdata(const Element& element, const Frame& frame);
  bool failed_return(Frame* frame);

  CallArena* arena_;
  void* root_ = nullptr;
  Slot slot_;
  std::vector<Frame> frames_;
  size_t nodes_ = 0;
  bool complete_ = false;
  bool unknown_opcode_ = false;
  const char* why_ = "";
};

/* The octets of a hexadecimal number; nullptr when it is none. Blanks do not count. */
uint8_t* from_hexadecimal(std::string_view hexadecimal, CallArena* arena, size_t* size);

/* White space of XML and JSON. */
constexpr bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

}  // namespace mp11::asn1
