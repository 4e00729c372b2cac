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
/* XER (X.693), canonical when written. expat reads it. */
#include <expat.h>

#include <cstdlib>
#include <cstring>

#include "result.h"
#include "text_forms.h"
#include "values.h"

namespace mp11::asn1 {
namespace {

/*
 * X.680 has empty elements for the control characters that XML has no form for. Tabulator, line
 * feed and carriage return have one.
 */
constexpr const char* kControls[32] = {
    "nul", "soh", "stx",   "etx", "eot", "enq", "ack", "bel", "bs",  nullptr, nullptr,
    "vt",  "ff",  nullptr, "so",  "si",  "dle", "dc1", "dc2", "dc3", "dc4",   "nak",
    "syn", "etb", "can",   "em",  "sub", "esc", "is4", "is3", "is2", "is1",
};

/* ---- reading ---- */

/* expat's memory: with its size before it, and wiped, as it had passwords in it. */
struct alignas(16) Header {
  size_t size;
};
void* allocate(size_t size) {
  if (size > SIZE_MAX - sizeof(Header)) return nullptr;
  auto* header = static_cast<Header*>(std::malloc(sizeof(Header) + size));
  if (header == nullptr) return nullptr;
  header->size = size;
  return header + 1;
}
void give_back(void* block) {
  if (block == nullptr) return;
  auto* header = static_cast<Header*>(block) - 1;
  wipe(block, header->size);
  std::free(header);
}
void* reallocate(void* block, size_t size) {
  void* larger = allocate(size);
  if (block == nullptr || larger == nullptr) return larger;
  const size_t had = (static_cast<Header*>(block) - 1)->size;
  std::memcpy(larger, block, std::min(had, size));
  give_back(block);
  return larger;
}

class XerReader {
 public:
  explicit XerReader(TextValue* value) : value_(value) {
    const XML_Memory_Handling_Suite memory = {allocate, reallocate, give_back};
    parser_ = XML_ParserCreate_MM("UTF-8", &memory, nullptr);
    if (parser_ == nullptr) throw std::bad_alloc();
    XML_SetUserData(parser_, this);
    XML_SetElementHandler(parser_, on_start, on_end);
    XML_SetCharacterDataHandler(parser_, on_characters);
    XML_SetDoctypeDeclHandler(parser_, on_doctype, nullptr);
    XML_SetProcessingInstructionHandler(parser_, on_instruction);
  }
  ~XerReader() { XML_ParserFree(parser_); }
  XerReader(const XerReader&) = delete;
  XerReader& operator=(const XerReader&) = delete;

  bool read(std::string_view text, size_t* offset, const char** why) {
    const XML_Status status =
        XML_Parse(parser_, text.data(), static_cast<int>(text.size()), XML_TRUE);
    const XML_Index at = XML_GetCurrentByteIndex(parser_);
    *offset = at < 0 ? 0 : static_cast<size_t>(at);
    *why = why_;
    if (out_of_memory_) throw std::bad_alloc();
    return status == XML_STATUS_OK && !stopped_;
  }

 private:
  /* What an element that is open is, which tells what may be within it. */
  enum class Kind : uint8_t {
    kMembers,    /* a SEQUENCE or CHOICE: an element for each member */
    kList,       /* SEQUENCE OF: an element of the type's name for each */
    kSimple,     /* characters; or an empty element, for true and the names of an ENUMERATED */
    kOpdata,     /* an element of the name of the type that the opcode chose */
    kWord,       /* such an empty element */
    kPassedOver, /* of a later version */
  };

  static XerReader* self(void* user) { return static_cast<XerReader*>(user); }
  /* No exception passes through C. */
  template <class Step>
  void step(Step take) {
    if (stopped_) return;
    try {
      if (take()) return;
    } catch (const std::bad_alloc&) {
      out_of_memory_ = true;
    }
    stopped_ = true;
    XML_StopParser(parser_, XML_FALSE);
  }
  bool refuse(const char* why) {
    why_ = why;
    return false;
  }

  static void on_start(void* user, const XML_Char* name, const XML_Char** attributes) {
    self(user)->step([=] { return self(user)->start(name, attributes); });
  }
  static void on_end(void* user, const XML_Char*) {
    self(user)->step([=] { return self(user)->end(); });
  }
  static void on_characters(void* user, const XML_Char* text, int size) {
    self(user)->step([=] { return self(user)->characters({text, static_cast<size_t>(size)}); });
  }
  static void on_doctype(void* user, const XML_Char*, const XML_Char*, const XML_Char*, int) {
    self(user)->step([=] { return self(user)->refuse("a DOCTYPE"); });
  }
  static void on_instruction(void* user, const XML_Char*, const XML_Char*) {
    self(user)->step([=] { return self(user)->refuse("a processing instruction"); });
  }

  bool start(std::string_view name, const XML_Char** attributes) {
    if (attributes[0] != nullptr) return refuse("an attribute");
    if (open_.size() > 3 * limits::kDerDepth) return refuse("nested too deeply");
    if (open_.empty()) {
      if (name != value_->expected()->xml_tag) return refuse("another element than a message's");
      return open_value();
    }
    switch (open_.back()) {
      case Kind::kMembers:
        return value_->member(name) && open_value();
      case Kind::kList:
        return value_->item() && is_named(name) && open_value();
      case Kind::kOpdata:
        /* A return without results, or the one that its function has. */
        return (name == "C-Failed-Return" || is_named(name)) && open_plain();
      case Kind::kSimple:
        open_.push_back(Kind::kWord);
        return word(name);
      case Kind::kPassedOver:
        open_.push_back(Kind::kPassedOver);
        return true;
      case Kind::kWord:
        break;
    }
    return refuse("an element where none belongs");
  }

  bool is_named(std::string_view name) {
    const Type* type = value_->expected(); /* nullptr: what belonged here is there already */
    return (type != nullptr && name == type->xml_tag) || refuse("an element of another type");
  }
  /* The element of a value has begun. */
  bool open_value() {
    if (value_->to_be_passed_over()) {
      open_.push_back(Kind::kPassedOver);
      return true;
    }
    if (value_->is_opdata()) {
      open_.push_back(Kind::kOpdata);
      return true;
    }
    return open_plain();
  }
  bool open_plain() {
    const Type* type = value_->expected();
    if (type == nullptr) return refuse("an element where none belongs");
    const Shape shape = shape_of(type);
    if (shape == Shape::kSequence || shape == Shape::kChoice) {
      open_.push_back(is_list(type) ? Kind::kList : Kind::kMembers);
      return value_->begin();
    }
    open_.push_back(Kind::kSimple);
    text_.clear();
    word_ = false;
    return true;
  }

  /* An empty element within a simple value. */
  bool word(std::string_view name) {
    switch (shape_of(value_->expected())) {
      case Shape::kBoolean:
      case Shape::kEnumerated:
        if (word_ || !blank()) return refuse("more than a value");
        word_ = true;
        text_.append(name.data(), name.size());
        return true;
      case Shape::kText:
        for (size_t i = 0; i < std::size(kControls); i++) {
          if (kControls[i] == nullptr || name != kControls[i]) continue;
          const auto c = static_cast<char>(i);
          text_.append(&c, 1);
          return true;
        }
        [[fallthrough]];
      default:
        return refuse("an element within a simple value");
    }
  }

  bool characters(std::string_view text) {
    if (open_.empty()) return true; /* expat lets blanks pass */
    switch (open_.back()) {
      case Kind::kPassedOver:
        return true;
      case Kind::kSimple:
        if (!word_) {
          text_.append(text.data(), text.size());
          return true;
        }
        [[fallthrough]];
      default:
        for (char c : text)
          if (!is_blank(c)) return refuse("characters between elements");
        return true;
    }
  }

  bool end() {
    const Kind kind = open_.back();
    open_.pop_back();
    switch (kind) {
      case Kind::kMembers:
      case Kind::kList:
        return value_->end();
      case Kind::kSimple:
        return simple();
      case Kind::kOpdata:
        return !value_->is_opdata() || refuse("no data");
      case Kind::kPassedOver:
        return (!open_.empty() && open_.back() == Kind::kPassedOver) || value_->passed_over();
      case Kind::kWord:
        break;
    }
    return true;
  }

  std::string_view text() const {
    return {reinterpret_cast<const char*>(text_.data()), text_.size()};
  }
  bool blank() const {
    for (char c : text())
      if (!is_blank(c)) return false;
    return true;
  }
  std::string_view trimmed() const {
    std::string_view t = text();
    while (!t.empty() && is_blank(t.front())) t.remove_prefix(1);
    while (!t.empty() && is_blank(t.back())) t.remove_suffix(1);
    return t;
  }

  bool simple() {
    switch (shape_of(value_->expected())) {
      case Shape::kBoolean:
        if (!word_ || (trimmed() != "true" && trimmed() != "false"))
          return refuse("neither true nor false");
        return value_->boolean(trimmed() == "true");
      case Shape::kEnumerated:
        return word_ ? value_->named(trimmed()) : refuse("a name that is no element");
      case Shape::kNumber:
        return decimal();
      case Shape::kOctets:
        return value_->octets(text());
      case Shape::kBits:
        return bits();
      case Shape::kNull:
        return blank() ? value_->null() : refuse("characters where there is nothing");
      case Shape::kText:
        return value_->text(text());
      default:
        return refuse("a type that has no form");
    }
  }

  bool decimal() {
    uint64_t number = 0;
    const std::string_view digits = trimmed();
    if (digits.empty()) return refuse("no number");
    for (char c : digits) {
      if (c < '0' || c > '9') return refuse("a number with other characters than digits");
      if (__builtin_mul_overflow(number, 10, &number) ||
          __builtin_add_overflow(number, static_cast<uint64_t>(c - '0'), &number))
        return refuse("a number that is too large");
    }
    if (digits.size() > 1 && digits[0] == '0') return refuse("a number with a leading zero");
    return value_->number(number);
  }

  bool bits() {
    SecureBuffer octets(text_.size() / 8 + 1);
    size_t count = 0;
    for (char c : text()) {
      if (is_blank(c)) continue;
      if (c != '0' && c != '1') return refuse("bits that are neither 0 nor 1");
      if (c == '1') octets.data()[count / 8] |= static_cast<uint8_t>(0x80 >> count % 8);
      count++;
    }
    return value_->bits({octets.data(), (count + 7) / 8}, count);
  }

  TextValue* value_;
  XML_Parser parser_ = nullptr;
  std::vector<Kind> open_;
  SecureBuffer text_; /* of the simple value that is open, or its one word */
  bool word_ = false; /* its word was there */
  bool stopped_ = false;
  bool out_of_memory_ = false;
  const char* why_ = "not XML as XER has it";
};

/* ---- writing ---- */

void put_tag(const char* name, bool end, SecureBuffer* out) {
  put(end ? "</" : "<", out);
  put(name, out);
  put(">", out);
}

void put_word(const char* name, SecureBuffer* out) {
  put("<", out);
  put(name, out);
  put("/>", out);
}

bool put_string(std::span<const uint8_t> text, SecureBuffer* out) {
  while (!text.empty()) {
    const size_t size = utf8_character(text);
    if (size == 0) return false;
    const uint8_t c = text[0];
    /* What XML has no form for: U+FFFE and U+FFFF. */
    if (size == 3 && c == 0xef && text[1] == 0xbf && text[2] >= 0xbe) return false;
    if (c == '&')
      put("&amp;", out);
    else if (c == '<')
      put("&lt;", out);
    else if (c == '>')
      put("&gt;", out);
    else if (c == '\t')
      put("&#9;", out);
    else if (c == '\n')
      put("&#10;", out);
    else if (c == '\r')
      put("&#13;", out);
    else if (c < std::size(kControls))
      put_word(kControls[c], out);
    else
      out->append(text.data(), size);
    text = text.subspan(size);
  }
  return true;
}

/* A value within an element of this name. */
bool put_element(const char* name, const Type* type, const void* structure, SecureBuffer* out) {
  const size_t before = out->size();
  put_tag(name, false, out);
  const size_t begun = out->size();
  if (!write_xer(type, structure, out)) return false;
  if (out->size() == begun) {
    out->resize(before);
    put_word(name, out);
  } else {
    put_tag(name, true, out);
  }
  return true;
}

bool put_member(const Type* type, const void* structure, const Element& element,
                SecureBuffer* out) {
  if ((element.flags & ATF_OPEN_TYPE) == 0)
    return put_element(element.name, element.type, peek(element, structure), out);
  const Opdata opdata = opdata_of(type, structure, element);
  if (opdata.value == nullptr) return false;
  put_tag(element.name, false, out);
  if (!put_element(opdata.type->xml_tag, opdata.type, opdata.value, out)) return false;
  put_tag(element.name, true, out);
  return true;
}

bool put_sequence(const Type* type, const void* structure, SecureBuffer* out) {
  if (is_list(type)) {
    const auto& list = *static_cast<const List*>(structure);
    const Type* of = type->elements[0].type;
    for (int i = 0; i < list.count; i++)
      if (!put_element(of->xml_tag, of, list.array[i], out)) return false;
    return true;
  }
  for (int i = 0; i < type->elements_count; i++) {
    const Element& element = type->elements[i];
    if (peek(element, structure) != nullptr && !put_member(type, structure, element, out))
      return false;
  }
  return true;
}

void put_bits(const BIT_STRING_t& bits, SecureBuffer* out) {
  const size_t count = static_cast<size_t>(bits.size) * 8 - static_cast<size_t>(bits.bits_unused);
  for (size_t i = 0; i < count; i++) put((bits.buf[i / 8] & 0x80 >> i % 8) != 0 ? "1" : "0", out);
}

}  // namespace

bool read_xer(std::string_view text, TextValue* value, size_t* offset, const char** why) {
  return XerReader(value).read(text, offset, why);
}

/* What stands within the element of a value. */
bool write_xer(const Type* type, const void* structure, SecureBuffer* out) {
  switch (shape_of(type)) {
    case Shape::kBoolean:
      put_word(*static_cast<const BOOLEAN_t*>(structure) != 0 ? "true" : "false", out);
      return true;
    case Shape::kNumber:
      put_decimal(*static_cast<const WireNumber*>(structure), out);
      return true;
    case Shape::kEnumerated: {
      const char* name = name_of(type, *static_cast<const long*>(structure));
      if (name == nullptr) return false;
      put_word(name, out);
      return true;
    }
    case Shape::kBits:
      put_bits(*static_cast<const BIT_STRING_t*>(structure), out);
      return true;
    case Shape::kOctets:
      put_hexadecimal(octets_of(*static_cast<const OCTET_STRING_t*>(structure)), out);
      return true;
    case Shape::kNull:
      return true;
    case Shape::kText:
      return put_string(octets_of(*static_cast<const OCTET_STRING_t*>(structure)), out);
    case Shape::kSequence:
      return put_sequence(type, structure, out);
    case Shape::kChoice: {
      const Element* alternative = chosen(type, structure);
      return alternative != nullptr && put_member(type, structure, *alternative, out);
    }
    case Shape::kOther:
      break;
  }
  return false;
}

}  // namespace mp11::asn1
