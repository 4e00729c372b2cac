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
/* Calls: encode_call and decode_call, each kind of argument once in either direction. */
#include <algorithm>
#include <cstring>

#include "ahead.h"
#include "asn1c_memory.h"
#include "envelope.h"
#include "values.h"
#include "words.h"

namespace mp11 {

using namespace asn1;

namespace {

/*
 * The server's block behind a pointer of which only its presence is told. As large as what
 * unpack_call makes for the same.
 */
constexpr size_t kPlaceholder = 64;

/* ---- words to a call ---- */

class CallEncoder {
 public:
  CallEncoder(const FunctionRow& row, const Words& words, void* call, CallArena* arena)
      : row_(row), types_(function_types(row)), words_(words), call_(call), arena_(arena) {}

  CK_RV encode() {
    for (unsigned i = 0; i < row_.arg_count; i++) {
      CK_RV rv = argument(row_.args[i]);
      if (rv != CKR_OK) return rv;
    }
    return CKR_OK;
  }
  uint32_t nulls() const { return nulls_; }

 private:
  CK_RV argument(const ArgSpec& arg) {
    const unsigned n = arg.first;
    const Word* w = &words_.w[n];
    switch (arg.kind) {
      case ArgKind::kSession:
      case ArgKind::kSlot:
      case ArgKind::kHandle:
        *number(n) = nearest_number(w[0]);
        return CKR_OK;
      case ArgKind::kNumber:
        return scalar(n, w[0]);
      case ArgKind::kBytes:
      case ArgKind::kPin:
        return octets(n, pointer<const uint8_t>(w[0]), w[1]);
      case ArgKind::kBytesOut:
        return room(n, w[0] != 0, w[1], limits::kOutput);
      case ArgKind::kSlotList:
      case ArgKind::kNumberList:
        return room(n, w[0] != 0, w[1], limits::kWireList);
      case ArgKind::kFillOut:
        note_null(n, w[0]);
        if (w[0] != 0 && w[1] > limits::kOutput) return CKR_HOST_MEMORY;
        *number(n + 1) = nearest_number(w[1]);
        return CKR_OK;
      case ArgKind::kHandleList:
        note_null(n, w[0]);
        note_null(n + 2, w[2]);
        *number(n + 1) = std::min<WireNumber>(nearest_number(w[1]), limits::kWireList);
        return CKR_OK;
      case ArgKind::kMechanism:
        return put_mechanism(pointer<const CK_MECHANISM>(w[0]), at<ACK_MECHANISM_PTR_t>(n), arena_);
      case ArgKind::kTemplate:
      case ArgKind::kTemplateInOut:
        return attributes(n, pointer<const CK_ATTRIBUTE>(w[0]), w[1],
                          arg.kind == ArgKind::kTemplate);
      case ArgKind::kLabel:
        note_null(n, w[0]);
        put_text(pointer<const uint8_t>(w[0]), w[0] != 0 ? kLabelSize : 0, at<OCTET_STRING_t>(n),
                 arena_);
        return CKR_OK;
      case ArgKind::kNotify:
        presence(n, w[0] != 0, "opaque");
        presence(n + 1, w[1] != 0, "present");
        return CKR_OK;
      case ArgKind::kReserved:
        return reserved(n, w[0] != 0);
      case ArgKind::kInitArgs:
        init_args(n, w[0] != 0);
        return CKR_OK;
      default:
        note_null(n, w[0]);
        return CKR_OK;
    }
  }

  const Element& member(unsigned n) {
    MP11_ASSERT(types_.call_member[n] != nullptr);
    return *types_.call_member[n];
  }
  template <class T>
  T* at(unsigned n) {
    return static_cast<T*>(place(member(n), call_, arena_));
  }
  WireNumber* number(unsigned n) { return at<WireNumber>(n); }
  void note_null(unsigned n, Word word) {
    if (word == 0) nulls_ |= 1u << n;
  }

  CK_RV scalar(unsigned n, Word word) {
    switch (shape_of(member(n).type)) {
      case Shape::kBoolean:
        *at<BOOLEAN_t>(n) = word != 0 ? 0xff : 0;
        return CKR_OK;
      case Shape::kBits:
        put_flags(word, at<BIT_STRING_t>(n), arena_);
        return CKR_OK;
      default:
        *number(n) = nearest_number(word);
        return CKR_OK;
    }
  }

  CK_RV octets(unsigned n, const uint8_t* data, CK_ULONG size) {
    const Type* type = member(n).type;
    *number(n + 1) = nearest_number(size);
    if (data != nullptr && size > limits::kMessage) return CKR_HOST_MEMORY;
    if (shape_of(type) != Shape::kChoice) {
      note_null(n, word_of(data));
      if (data != nullptr) put_octets(data, size, at<OCTET_STRING_t>(n));
      return CKR_OK;
    }
    void* choice = at<void>(n);
    if (data == nullptr) {
      choose(type, choice, "null", arena_);
      return CKR_OK;
    }
    /* Only a PIN has an alternative for what is not UTF-8; other octets are `data` as they are. */
    const Element& plain = type->elements[1];
    const char* name =
        shape_of(plain.type) == Shape::kText && !is_utf8({data, size}) ? "raw" : "data";
    put_octets(data, size, static_cast<OCTET_STRING_t*>(choose(type, choice, name, arena_)));
    return CKR_OK;
  }

  /* A room beyond what a return can carry is cut: no result is that long. */
  CK_RV room(unsigned n, bool buffer, Word length, uint64_t most) {
    note_null(n + 1, length);
    if (!buffer) choose(member(n).type, at<void>(n), "null", arena_);
    const CK_ULONG value = length != 0 ? *pointer<const CK_ULONG>(length) : 0;
    const WireNumber wire = nearest_number(value);
    *number(n + 1) = buffer ? std::min<WireNumber>(wire, most) : wire;
    return CKR_OK;
  }

  CK_RV attributes(unsigned n, const CK_ATTRIBUTE* attributes, CK_ULONG count, bool values) {
    note_null(n, word_of(attributes));
    *number(n + 1) = nearest_number(count);
    if (attributes == nullptr) return CKR_OK;
    return put_template(attributes, count, values, at<ACK_ATTRIBUTE_ARRAY_t>(n), arena_);
  }

  void presence(unsigned n, bool present, const char* name) {
    const Type* type = member(n).type;
    void* value = choose(type, at<void>(n), present ? name : "null", arena_);
    if (present && std::strcmp(name, "present") == 0) *static_cast<BOOLEAN_t*>(value) = 0xff;
  }

  /* CHOICE { null, ... } can say NULL alone; NULL OPTIONAL says anything else by its absence. */
  CK_RV reserved(unsigned n, bool present) {
    const bool choice = shape_of(member(n).type) == Shape::kChoice;
    if (present) return choice ? CKR_ARGUMENTS_BAD : CKR_OK;
    if (choice)
      choose(member(n).type, at<void>(n), "null", arena_);
    else
      at<void>(n);
    return CKR_OK;
  }

  /* The client module has judged what was there; our own locks are the system's. */
  void init_args(unsigned n, bool present) {
    const Type* type = member(n).type;
    void* value = choose(type, at<void>(n), present ? "data" : "null", arena_);
    if (!present) return;
    const Type* args = chosen(type, at<void>(n))->type;
    for (int i = 0; i < args->elements_count; i++) {
      const Element& element = args->elements[i];
      void* field = place(element, value, arena_);
      if (shape_of(element.type) == Shape::kChoice) choose(element.type, field, "null", arena_);
      if (shape_of(element.type) == Shape::kBits)
        put_flags(CKF_OS_LOCKING_OK, static_cast<BIT_STRING_t*>(field), arena_);
    }
  }

  static constexpr size_t kLabelSize = 32;
  const FunctionRow& row_;
  const FunctionTypes& types_;
  const Words& words_;
  void* call_;
  CallArena* arena_;
  uint32_t nulls_ = 0;
};

/* ---- a call to words ---- */

class CallDecoder {
 public:
  CallDecoder(const FunctionRow& row, const void* call, uint32_t nulls, CallArena* arena,
              Words* words)
      : row_(row),
        types_(function_types(row)),
        call_(call),
        nulls_(nulls),
        arena_(arena),
        words_(words) {}

  /* CKR_OK, or the answer. */
  CK_RV decode() {
    if (nulls_ & ~types_.nullable) return CKR_ARGUMENTS_BAD;
    for (unsigned i = 0; i < row_.arg_count; i++) {
      CK_RV rv = argument(row_.args[i]);
      if (rv != CKR_OK) return rv;
    }
    return CKR_OK;
  }

 private:
  CK_RV argument(const ArgSpec& arg) {
    const unsigned n = arg.first;
    Word* w = &words_->w[n];
    switch (arg.kind) {
      case ArgKind::kSession:
      case ArgKind::kSlot:
      case ArgKind::kHandle:
      case ArgKind::kNumber:
        return scalar(n, w);
      case ArgKind::kBytes:
      case ArgKind::kPin:
        return octets(n, w);
      case ArgKind::kBytesOut:
        return room(n, w, 1, limits::kOutput);
      case ArgKind::kSlotList:
      case ArgKind::kNumberList:
        return room(n, w, sizeof(CK_ULONG), limits::kWireList);
      case ArgKind::kFillOut:
        if (!number(n + 1, &w[1])) return CKR_ARGUMENTS_BAD;
        return is_null(n) ? CKR_OK : buffer(&w[0], w[1]);
      case ArgKind::kHandleList:
        if (!number(n + 1, &w[1]) || w[1] > limits::kWireList) return CKR_ARGUMENTS_BAD;
        w[2] = out<CK_ULONG>(n + 2);
        return is_null(n) ? CKR_OK : buffer(&w[0], w[1] * sizeof(CK_OBJECT_HANDLE));
      case ArgKind::kMechanism: {
        CK_MECHANISM* mechanism = nullptr;
        CK_RV rv = get_mechanism(*at<ACK_MECHANISM_PTR_t>(n), arena_, &left_, &mechanism);
        w[0] = word_of(mechanism);
        return rv;
      }
      case ArgKind::kTemplate:
      case ArgKind::kTemplateInOut:
        return attributes(n, w, arg.kind == ArgKind::kTemplate);
      case ArgKind::kLabel: {
        if (is_null(n)) return CKR_OK;
        auto* label = arena_->make<uint8_t>(32);
        get_text(*at<OCTET_STRING_t>(n), label, 32);
        w[0] = word_of(label);
        return CKR_OK;
      }
      case ArgKind::kNotify:
      case ArgKind::kInitArgs:
      case ArgKind::kReserved:
        for (unsigned i = 0; i < arg.words; i++) w[i] = placeholder(n + i);
        return CKR_OK;
      case ArgKind::kInfoOut:
        w[0] = out<CK_INFO>(n);
        return CKR_OK;
      case ArgKind::kSlotInfoOut:
        w[0] = out<CK_SLOT_INFO>(n);
        return CKR_OK;
      case ArgKind::kTokenInfoOut:
        w[0] = out<CK_TOKEN_INFO>(n);
        return CKR_OK;
      case ArgKind::kSessionInfoOut:
        w[0] = out<CK_SESSION_INFO>(n);
        return CKR_OK;
      case ArgKind::kMechanismInfoOut:
        w[0] = out<CK_MECHANISM_INFO>(n);
        return CKR_OK;
      default: /* one number out */
        w[0] = out<CK_ULONG>(n);
        return CKR_OK;
    }
  }

  const Element& member(unsigned n) {
    MP11_ASSERT(types_.call_member[n] != nullptr);
    return *types_.call_member[n];
  }
  template <class T>
  const T* at(unsigned n) {
    return static_cast<const T*>(peek(member(n), call_));
  }
  bool number(unsigned n, CK_ULONG* value) { return get_number(*at<WireNumber>(n), value); }
  bool is_null(unsigned n) const { return nulls_ >> n & 1; }

  template <class T>
  Word out(unsigned n) {
    return is_null(n) ? 0 : word_of(arena_->make<T>());
  }

  CK_RV scalar(unsigned n, Word* w) {
    switch (shape_of(member(n).type)) {
      case Shape::kBoolean:
        *w = *at<BOOLEAN_t>(n) != 0 ? CK_TRUE : CK_FALSE;
        return CKR_OK;
      case Shape::kBits:
        return get_flags(*at<BIT_STRING_t>(n), w) ? CKR_OK : CKR_ARGUMENTS_BAD;
      default:
        return number(n, w) ? CKR_OK : CKR_ARGUMENTS_BAD;
    }
  }

  CK_RV octets(unsigned n, Word* w) {
    const Type* type = member(n).type;
    const void* value = at<void>(n);
    if (!number(n + 1, &w[1])) return CKR_ARGUMENTS_BAD;
    bool null = is_null(n);
    if (shape_of(type) == Shape::kChoice) {
      null = holds(type, value, "null", &value);
      if (!null && !holds(type, value, "data", &value) && !holds(type, value, "raw", &value))
        return CKR_ARGUMENTS_BAD;
    }
    if (null) return CKR_OK;
    const auto& string = *static_cast<const OCTET_STRING_t*>(value);
    if (w[1] != static_cast<Word>(string.size)) return CKR_ARGUMENTS_BAD;
    w[0] = word_of(pointer_to(string, arena_));
    return CKR_OK;
  }

  /* An output buffer; all of a call's together are bounded. */
  CK_RV buffer(Word* word, uint64_t size) {
    if (size > left_) return CKR_HOST_MEMORY;
    left_ -= size;
    *word = word_of(arena_->allocate_out(static_cast<size_t>(size)));
    return CKR_OK;
  }

  CK_RV room(unsigned n, Word* w, size_t unit, uint64_t most) {
    CK_ULONG length;
    if (!number(n + 1, &length)) return CKR_ARGUMENTS_BAD;
    w[1] = out<CK_ULONG>(n + 1);
    if (w[1] != 0) *pointer<CK_ULONG>(w[1]) = length;
    if (at<void>(n) != nullptr) return CKR_OK; /* NULL: a query */
    if (length > most) return CKR_HOST_MEMORY;
    return buffer(&w[0], length * unit);
  }

  CK_RV attributes(unsigned n, Word* w, bool values) {
    if (!number(n + 1, &w[1])) return CKR_ARGUMENTS_BAD;
    if (is_null(n)) return CKR_OK;
    const auto& in = *at<ACK_ATTRIBUTE_ARRAY_t>(n);
    if (w[1] != static_cast<Word>(in.list.count)) return CKR_ARGUMENTS_BAD;
    CK_ATTRIBUTE* made = nullptr;
    CK_RV rv = get_template(in, values, arena_, &left_, &made);
    w[0] = word_of(made);
    return rv;
  }

  /* Reserved pointers, callbacks, arguments of C_Initialize: NULL, or a block of zeroes. */
  Word placeholder(unsigned n) {
    const void* value = at<void>(n);
    const Type* type = member(n).type;
    const bool null =
        shape_of(type) == Shape::kChoice ? holds(type, value, "null", &value) : value != nullptr;
    return null ? 0 : word_of(arena_->allocate(kPlaceholder));
  }

  const FunctionRow& row_;
  const FunctionTypes& types_;
  const void* call_;
  const uint32_t nulls_;
  CallArena* arena_;
  Words* words_;
  uint64_t left_ = limits::kOutput;
};

}  // namespace

CK_RV encode_call(const FunctionRow& row, const Words& words, const Envelope& envelope,
                  CallArena* arena, SecureBuffer* out, uint32_t eager) {
  out->clear();
  if (!carried(row)) return CKR_FUNCTION_NOT_SUPPORTED;
  const FunctionTypes& types = function_types(row);
  void* call = arena->allocate(size_of(types.call));
  CallEncoder encoder(row, words, call, arena);
  CK_RV rv = encoder.encode();
  if (rv != CKR_OK) return rv;
  put_eager(types, eager, call, arena);
  return encode_message(true, row.number, encoder.nulls(), types.call, call, envelope, arena, out)
             ? CKR_OK
             : CKR_HOST_MEMORY;
}

CodecStatus decode_call(const Received& received, const FunctionRow& row, CallArena* arena,
                        Words* words, CK_RV* answer, uint32_t* eager) {
  *words = Words{};
  *answer = CKR_FUNCTION_NOT_SUPPORTED;
  if (!received.call || received.opcode != row.number) return CodecStatus::kSyntax;
  if (!carried(row)) return CodecStatus::kAnswer;
  Asn1cMemory memory(arena, Asn1cMemory::limit_for(received.opdata.size()));
  const void* call =
      decode(function_types(row).call, received.opdata.data(), received.opdata.size());
  if (call == nullptr) return CodecStatus::kSyntax;
  if (eager != nullptr) *eager = get_eager(function_types(row), call);
  *answer = CallDecoder(row, call, received.nulls, arena, words).decode();
  return *answer == CKR_OK ? CodecStatus::kOk : CodecStatus::kAnswer;
}

}  // namespace mp11
