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
/* JER (X.697), without encoding instructions. Boost.JSON reads it. */
#include <boost/json/basic_parser_impl.hpp>
#include <cstdio>

#include "text_forms.h"
#include "values.h"

namespace mp11::asn1 {
namespace {

/* ---- reading ---- */

namespace json = boost::json;

/*
 * Boost.JSON's events, as steps of a TextValue. A BIT STRING is an object of two members, which are
 * kept until it ends.
 */
class JerHandler {
 public:
  static constexpr size_t max_object_size = limits::kDerNodes;
  static constexpr size_t max_array_size = limits::kDerNodes;
  static constexpr size_t max_key_size = 64;
  static constexpr size_t max_string_size = limits::kTextMessage;

  explicit JerHandler(TextValue* value) : value_(value) {}

  bool on_document_begin(json::error_code&) { return true; }
  bool on_document_end(json::error_code&) { return true; }
  bool on_object_begin(json::error_code& error) {
    if (skipping()) return deeper();
    if (!comes()) return refused(error);
    if (is(Shape::kBits)) {
      bits_ = Bits{};
      in_bits_ = true;
      return true;
    }
    return ok(!is_array() && value_->begin(), error);
  }
  bool on_object_end(size_t, json::error_code& error) {
    if (depth_ > 0) return shallower(error);
    return ok(in_bits_ ? end_bits() : value_->end(), error);
  }
  bool on_array_begin(json::error_code& error) {
    if (skipping()) return deeper();
    return ok(!in_bits_ && comes() && is_array() && value_->begin(), error);
  }
  bool on_array_end(size_t, json::error_code& error) {
    if (depth_ > 0) return shallower(error);
    return ok(value_->end(), error);
  }

  bool on_key_part(json::string_view part, size_t, json::error_code&) { return keep(part); }
  bool on_key(json::string_view part, size_t, json::error_code& error) {
    keep(part);
    const std::string_view key = kept();
    const bool taken = depth_ > 0 || (in_bits_ ? bits_key(key) : value_->member(key));
    kept_.clear();
    return ok(taken, error);
  }
  bool on_string_part(json::string_view part, size_t, json::error_code&) { return keep(part); }
  bool on_string(json::string_view part, size_t, json::error_code& error) {
    keep(part);
    const bool taken = string(kept());
    kept_.clear();
    return ok(taken, error);
  }

  bool on_number_part(json::string_view, json::error_code&) { return true; }
  bool on_int64(int64_t number, json::string_view, json::error_code& error) {
    if (number < 0) return ok(skip_one(), error);
    return on_uint64(static_cast<uint64_t>(number), {}, error);
  }
  bool on_uint64(uint64_t number, json::string_view, json::error_code& error) {
    if (skip_one()) return true;
    if (in_bits_) return ok(bits_length(number), error);
    return ok(comes() && value_->number(number), error);
  }
  bool on_double(double, json::string_view, json::error_code& error) {
    return ok(skip_one(), error);
  }
  bool on_bool(bool is, json::error_code& error) {
    return ok(skip_one() || (!in_bits_ && comes() && value_->boolean(is)), error);
  }
  bool on_null(json::error_code& error) {
    return ok(skip_one() || (!in_bits_ && comes() && value_->null()), error);
  }
  bool on_comment_part(json::string_view, json::error_code&) { return true; }
  bool on_comment(json::string_view, json::error_code&) { return true; }

 private:
  enum class BitsMember : uint8_t { kNone, kValue, kLength };
  struct Bits {
    BitsMember next = BitsMember::kNone;
    uint8_t seen = 0;
    SecureBuffer value;
    uint64_t length = 0;
  };

  bool refused(json::error_code& error) {
    error = json::error::exception;
    return false;
  }
  bool ok(bool taken, json::error_code& error) { return taken || refused(error); }

  bool keep(json::string_view part) {
    kept_.append(part.data(), part.size());
    return true;
  }
  std::string_view kept() const {
    return {reinterpret_cast<const char*>(kept_.data()), kept_.size()};
  }

  bool is(Shape shape) const {
    return value_->expected() != nullptr && shape_of(value_->expected()) == shape;
  }
  bool is_array() const { return value_->expected() != nullptr && is_list(value_->expected()); }
  /* A value comes: in a list it is an element. */
  bool comes() {
    const Type* open = value_->open();
    return open == nullptr || !is_list(open) || value_->item();
  }

  /* What belongs to a member that is passed over. */
  bool skipping() const { return depth_ > 0 || value_->to_be_passed_over(); }
  bool deeper() {
    depth_++;
    return true;
  }
  bool shallower(json::error_code& error) {
    return --depth_ > 0 || ok(value_->passed_over(), error);
  }
  bool skip_one() { return depth_ > 0 || (value_->to_be_passed_over() && value_->passed_over()); }

  bool string(std::string_view text) {
    if (skip_one()) return true;
    if (in_bits_) return bits_value(text);
    if (!comes()) return false;
    if (is(Shape::kOctets)) return value_->octets(text);
    if (is(Shape::kEnumerated)) return value_->named(text);
    return value_->text(text);
  }

  bool bits_key(std::string_view key) {
    const BitsMember member = key == "value"    ? BitsMember::kValue
                              : key == "length" ? BitsMember::kLength
                                                : BitsMember::kNone;
    const auto mask = static_cast<uint8_t>(1u << static_cast<unsigned>(member));
    if (member == BitsMember::kNone || (bits_.seen & mask) != 0) return false;
    bits_.next = member;
    bits_.seen |= mask;
    return true;
  }
  bool bits_value(std::string_view text) {
    if (bits_.next != BitsMember::kValue) return false;
    bits_.next = BitsMember::kNone;
    bits_.value.append(text.data(), text.size());
    return true;
  }
  bool bits_length(uint64_t length) {
    if (bits_.next != BitsMember::kLength) return false;
    bits_.next = BitsMember::kNone;
    bits_.length = length;
    return true;
  }
  bool end_bits() {
    in_bits_ = false;
    size_t size = 0;
    const std::string_view text(reinterpret_cast<const char*>(bits_.value.data()),
                                bits_.value.size());
    const uint8_t* octets = from_hexadecimal(text, value_->arena(), &size);
    if (octets == nullptr || bits_.seen != 6 || bits_.length > size * 8) return false;
    return value_->bits({octets, size}, static_cast<size_t>(bits_.length));
  }

  TextValue* value_;
  SecureBuffer kept_;  /* of a key or string that comes in parts */
  unsigned depth_ = 0; /* of what is passed over */
  bool in_bits_ = false;
  Bits bits_;
};

/* ---- writing ---- */

/* As X.697 has it: what JSON must have escaped and no more. */
bool put_string(std::span<const uint8_t> text, SecureBuffer* out) {
  if (!is_utf8(text)) return false;
  put("\"", out);
  for (const uint8_t c : text) {
    char escape[8] = {static_cast<char>(c)};
    if (c == '"' || c == '\\') {
      escape[0] = '\\';
      escape[1] = static_cast<char>(c);
    } else if (c < 0x20) {
      snprintf(escape, sizeof escape, "\\u%04x", c);
    }
    out->append(escape, c < 0x20 ? 6 : c == '"' || c == '\\' ? 2 : 1);
  }
  put("\"", out);
  return true;
}

bool put_member(const Type* type, const void* structure, const Element& element,
                SecureBuffer* out) {
  put("\"", out);
  put(element.name, out);
  put("\":", out);
  if ((element.flags & ATF_OPEN_TYPE) == 0)
    return write_jer(element.type, peek(element, structure), out);
  const Opdata opdata = opdata_of(type, structure, element);
  return opdata.value != nullptr && write_jer(opdata.type, opdata.value, out);
}

bool put_list(const Type* type, const List& list, SecureBuffer* out) {
  for (int i = 0; i < list.count; i++) {
    put(i == 0 ? "[" : ",", out);
    if (!write_jer(type->elements[0].type, list.array[i], out)) return false;
  }
  put(list.count == 0 ? "[]" : "]", out);
  return true;
}

bool put_sequence(const Type* type, const void* structure, SecureBuffer* out) {
  put("{", out);
  bool first = true;
  for (int i = 0; i < type->elements_count; i++) {
    const Element& element = type->elements[i];
    if (peek(element, structure) == nullptr) continue;
    if (!first) put(",", out);
    first = false;
    if (!put_member(type, structure, element, out)) return false;
  }
  put("}", out);
  return true;
}

void put_bits(const BIT_STRING_t& bits, SecureBuffer* out) {
  const auto size = static_cast<size_t>(bits.size);
  put("{\"value\":\"", out);
  put_hexadecimal({bits.buf, size}, out);
  put("\",\"length\":", out);
  put_decimal(size * 8 - static_cast<size_t>(bits.bits_unused), out);
  put("}", out);
}

}  // namespace

bool read_jer(std::string_view text, TextValue* value, size_t* offset, const char** why) {
  json::parse_options options;
  options.max_depth = 2 * limits::kDerDepth;
  json::basic_parser<JerHandler> parser(options, value);
  json::error_code error;
  *offset = parser.write_some(false, text.data(), text.size(), error);
  while (!error && *offset < text.size() && is_blank(text[*offset])) ++*offset;
  *why = "not JSON as JER has it";
  return !error && *offset == text.size();
}

bool write_jer(const Type* type, const void* structure, SecureBuffer* out) {
  switch (shape_of(type)) {
    case Shape::kBoolean:
      put(*static_cast<const BOOLEAN_t*>(structure) != 0 ? "true" : "false", out);
      return true;
    case Shape::kNumber:
      put_decimal(*static_cast<const WireNumber*>(structure), out);
      return true;
    case Shape::kEnumerated: {
      const char* name = name_of(type, *static_cast<const long*>(structure));
      if (name == nullptr) return false;
      put("\"", out);
      put(name, out);
      put("\"", out);
      return true;
    }
    case Shape::kBits:
      put_bits(*static_cast<const BIT_STRING_t*>(structure), out);
      return true;
    case Shape::kOctets:
      put("\"", out);
      put_hexadecimal(octets_of(*static_cast<const OCTET_STRING_t*>(structure)), out);
      put("\"", out);
      return true;
    case Shape::kNull:
      put("null", out);
      return true;
    case Shape::kText:
      return put_string(octets_of(*static_cast<const OCTET_STRING_t*>(structure)), out);
    case Shape::kSequence:
      return is_list(type) ? put_list(type, *static_cast<const List*>(structure), out)
                           : put_sequence(type, structure, out);
    case Shape::kChoice: {
      const Element* alternative = chosen(type, structure);
      if (alternative == nullptr) return false;
      put("{", out);
      const bool written = put_member(type, structure, *alternative, out);
      put("}", out);
      return written;
    }
    case Shape::kOther:
      break;
  }
  return false;
}

}  // namespace mp11::asn1
