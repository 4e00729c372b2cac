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
/* Returns: encode_return and decode_return, each kind of result once in either direction. */
#include <cstring>

#include "ahead.h"
#include "asn1c_memory.h"
#include "envelope.h"
#include "param_walk.h"
#include "values.h"
#include "words.h"

namespace mp11 {

using namespace asn1;

namespace {

/* ---- results to a return ---- */

class ReturnEncoder {
 public:
  ReturnEncoder(const FunctionRow& row, const Words& words, CK_RV rv, void* result,
                CallArena* arena)
      : row_(row),
        types_(function_types(row)),
        words_(words),
        rv_(rv),
        result_(result),
        arena_(arena) {}

  /* False when a result has no form on the wire. */
  bool encode() {
    auto* retval = static_cast<WireNumber*>(place(types_.result->elements[0], result_, arena_));
    if (!put_number(rv_, retval)) return false;
    for (unsigned i = 0; i < row_.arg_count; i++)
      if (!result(row_.args[i])) return false;
    return true;
  }

 private:
  bool result(const ArgSpec& arg) {
    const unsigned n = arg.first;
    const Word* w = &words_.w[n];
    switch (arg.kind) {
      case ArgKind::kMechanism: {
        const auto* mechanism = pointer<const CK_MECHANISM>(w[0]);
        if (types_.result_member[n] == nullptr || output_struct(mechanism) == nullptr) return true;
        return put_outputs(mechanism, rv_ == CKR_OK, at<ACK_MECHANISM_t>(n), arena_);
      }
      case ArgKind::kBytesOut:
        return octets(n, w);
      case ArgKind::kFillOut:
        if (rv_ == CKR_OK && w[0] != 0)
          put_octets(pointer<const void>(w[0]), w[1], at<OCTET_STRING_t>(n));
        return true;
      case ArgKind::kHandleList:
        return list(n, w[0], n + 2, w[2]);
      case ArgKind::kSlotList:
      case ArgKind::kNumberList:
        return list(n, w[0], n + 1, w[1]);
      case ArgKind::kTemplateInOut:
        if (w[0] == 0) return true;
        return put_results(pointer<const CK_ATTRIBUTE>(w[0]), w[1], rv_ == CKR_OK,
                           at<ACK_ATTRIBUTE_ARRAY_t>(n), arena_);
      case ArgKind::kHandleOut:
      case ArgKind::kSessionOut:
      case ArgKind::kSlotOut:
        return put_number(value(w[0]), at<WireNumber>(n));
      case ArgKind::kNumberOut:
        *at<WireNumber>(n) = nearest_number(value(w[0]));
        return true;
      case ArgKind::kInfoOut:
        return info<CK_INFO>(n, w[0]);
      case ArgKind::kSlotInfoOut:
        return info<CK_SLOT_INFO>(n, w[0]);
      case ArgKind::kTokenInfoOut:
        return info<CK_TOKEN_INFO>(n, w[0]);
      case ArgKind::kSessionInfoOut:
        return info<CK_SESSION_INFO>(n, w[0]);
      case ArgKind::kMechanismInfoOut:
        return info<CK_MECHANISM_INFO>(n, w[0]);
      default:
        return true;
    }
  }

  const Element& member(unsigned n) {
    MP11_ASSERT(types_.result_member[n] != nullptr);
    return *types_.result_member[n];
  }
  template <class T>
  T* at(unsigned n) {
    return static_cast<T*>(place(member(n), result_, arena_));
  }
  static CK_ULONG value(Word word) { return word != 0 ? *pointer<const CK_ULONG>(word) : 0; }

  /* Data there is on success, and where there is a buffer and somewhere to tell its length. */
  bool octets(unsigned n, const Word* w) {
    const CK_ULONG length = value(w[1]);
    *at<WireNumber>(n + 1) = put_length(length);
    const auto* data = pointer<const uint8_t>(w[0]);
    auto* out = at<OCTET_STRING_t>(n);
    if (rv_ != CKR_OK || data == nullptr || w[1] == 0) return true;
    if (length > CallArena::room(data)) return false;
    put_octets(data, length, out);
    return true;
  }

  bool list(unsigned n, Word elements, unsigned count_at, Word count_word) {
    const CK_ULONG count = value(count_word);
    *at<WireNumber>(count_at) = nearest_number(count);
    const auto* from = pointer<const CK_ULONG>(elements);
    const bool has = rv_ == CKR_OK && from != nullptr && count_word != 0;
    if (has && count > CallArena::room(from) / sizeof(CK_ULONG)) return false;
    const Type* type = member(n).type;
    void* out = at<void>(n);
    if (shape_of(type) == Shape::kChoice) {
      out = choose(type, out, has ? "data" : "null", arena_);
      if (!has) return true;
    }
    if (!has) return true;
    /* Every SEQUENCE OF begins with its list. */
    auto* to = static_cast<WireNumber*>(
        make_list(static_cast<List*>(out), count, sizeof(WireNumber), arena_));
    for (CK_ULONG i = 0; i < count; i++)
      if (!put_number(from[i], &to[i])) return false;
    return true;
  }

  template <class T>
  bool info(unsigned n, Word word) {
    const T blank = {};
    const T* from = word != 0 ? pointer<const T>(word) : &blank;
    InfoPutter putter(member(n).type, at<void>(n), arena_);
    visit_info(putter, *from);
    return putter.complete();
  }

  const FunctionRow& row_;
  const FunctionTypes& types_;
  const Words& words_;
  const CK_RV rv_;
  void* result_;
  CallArena* arena_;
};

/* ---- a return to results ---- */

class ReturnDecoder {
 public:
  ReturnDecoder(const FunctionRow& row, const void* result, CK_RV rv, const Words& words)
      : row_(row), types_(function_types(row)), result_(result), rv_(rv), words_(words) {}

  /* False when the return does not fit the call. */
  bool decode() {
    for (unsigned i = 0; i < row_.arg_count; i++)
      if (!result(row_.args[i])) return false;
    return true;
  }

 private:
  bool result(const ArgSpec& arg) {
    const unsigned n = arg.first;
    const Word* w = &words_.w[n];
    switch (arg.kind) {
      case ArgKind::kMechanism: {
        const auto* mechanism = pointer<const CK_MECHANISM>(w[0]);
        if (types_.result_member[n] == nullptr || output_struct(mechanism) == nullptr) return true;
        return get_outputs(at<ACK_MECHANISM_t>(n), rv_ == CKR_OK, mechanism);
      }
      case ArgKind::kBytesOut:
        return octets(n, w);
      case ArgKind::kFillOut: {
        if (rv_ != CKR_OK || w[0] == 0) return true;
        std::span<const uint8_t> in = octets_of(*at<OCTET_STRING_t>(n));
        if (in.size() != w[1]) return false;
        if (!in.empty()) std::memcpy(pointer<void>(w[0]), in.data(), in.size());
        return true;
      }
      case ArgKind::kHandleList:
        return list(n, w[0], w[1], n + 2, w[2]);
      case ArgKind::kSlotList:
      case ArgKind::kNumberList:
        return list(n, w[0], w[1] != 0 ? *pointer<CK_ULONG>(w[1]) : 0, n + 1, w[1]);
      case ArgKind::kTemplateInOut:
        if (w[0] == 0) return true;
        return get_results(*at<ACK_ATTRIBUTE_ARRAY_t>(n), rv_ == CKR_OK,
                           pointer<CK_ATTRIBUTE>(w[0]), w[1]);
      case ArgKind::kHandleOut:
      case ArgKind::kSessionOut:
      case ArgKind::kSlotOut:
      case ArgKind::kNumberOut:
        return scalar(n, w[0]);
      case ArgKind::kInfoOut:
        return info<CK_INFO>(n, w[0]);
      case ArgKind::kSlotInfoOut:
        return info<CK_SLOT_INFO>(n, w[0]);
      case ArgKind::kTokenInfoOut:
        return info<CK_TOKEN_INFO>(n, w[0]);
      case ArgKind::kSessionInfoOut:
        return info<CK_SESSION_INFO>(n, w[0]);
      case ArgKind::kMechanismInfoOut:
        return info<CK_MECHANISM_INFO>(n, w[0]);
      default:
        return true;
    }
  }

  const Element& member(unsigned n) {
    MP11_ASSERT(types_.result_member[n] != nullptr);
    return *types_.result_member[n];
  }
  template <class T>
  const T* at(unsigned n) {
    return static_cast<const T*>(peek(member(n), result_));
  }
  bool number(unsigned n, CK_ULONG* value) { return get_number(*at<WireNumber>(n), value); }

  /* Results are written on CKR_OK; with the other values that carry results lengths alone are. */
  bool scalar(unsigned n, Word word) {
    CK_ULONG value;
    if (!number(n, &value)) return false;
    if (word != 0 && rv_ == CKR_OK) *pointer<CK_ULONG>(word) = value;
    return true;
  }

  bool octets(unsigned n, const Word* w) {
    CK_ULONG length;
    if (!get_length(*at<WireNumber>(n + 1), &length)) return false;
    std::span<const uint8_t> in = octets_of(*at<OCTET_STRING_t>(n));
    auto* room = pointer<CK_ULONG>(w[1]);
    if (rv_ == CKR_OK && w[0] != 0 && room != nullptr) {
      if (length != in.size() || length > *room) return false;
      if (!in.empty()) std::memcpy(pointer<void>(w[0]), in.data(), in.size());
    }
    if (room != nullptr) *room = length;
    return true;
  }

  bool list(unsigned n, Word elements, CK_ULONG room, unsigned count_at, Word count_word) {
    CK_ULONG count;
    if (!number(count_at, &count)) return false;
    if (rv_ == CKR_OK && elements != 0 && count_word != 0) {
      const Type* type = member(n).type;
      const void* in = at<void>(n);
      if (in == nullptr) return false;
      if (shape_of(type) == Shape::kChoice && !holds(type, in, "data", &in)) return false;
      const auto& list = *static_cast<const List*>(in);
      if (static_cast<CK_ULONG>(list.count) != count || count > room) return false;
      auto* to = pointer<CK_ULONG>(elements);
      for (CK_ULONG i = 0; i < count; i++)
        if (!get_number(*static_cast<const WireNumber*>(list.array[i]), &to[i])) return false;
    }
    /* C_FindObjects has no query, so nothing but its success tells a number. */
    if (count_word != 0 && (rv_ == CKR_OK || row_.number != kC_FindObjects))
      *pointer<CK_ULONG>(count_word) = count;
    return true;
  }

  template <class T>
  bool info(unsigned n, Word word) {
    T value = {};
    InfoGetter getter(member(n).type, at<void>(n));
    visit_info(getter, value);
    if (!getter.ok()) return false;
    if (word != 0 && rv_ == CKR_OK) *pointer<T>(word) = value;
    return true;
  }

  const FunctionRow& row_;
  const FunctionTypes& types_;
  const void* result_;
  const CK_RV rv_;
  const Words& words_;
};

}  // namespace

void encode_return(const FunctionRow& row, const Words& words, CK_RV rv, const Envelope& envelope,
                   CallArena* arena, SecureBuffer* out, const Ahead* ahead) {
  if (!carries_results(rv) || !carried(row))
    return encode_answer(row.number, rv, envelope, arena, out);
  const FunctionTypes& types = function_types(row);
  void* result = arena->allocate(size_of(types.result));
  if (ReturnEncoder(row, words, rv, result, arena).encode()) {
    if (ahead != nullptr) put_ahead(row, words, *ahead, result, arena);
    if (encode_message(false, row.number, 0, types.result, result, envelope, arena, out)) return;
  }
  encode_answer(row.number, CKR_GENERAL_ERROR, envelope, arena, out);
}

CodecStatus decode_return(const Received& received, const FunctionRow& row, const Words& words,
                          CallArena* arena, CK_RV* rv, Ahead* ahead) {
  if (received.call || received.opcode != row.number) return CodecStatus::kSyntax;
  Asn1cMemory memory(arena, Asn1cMemory::limit_for(received.opdata.size()));
  if (!decode_retval(received, rv)) return CodecStatus::kSyntax;
  if (!carries_results(*rv)) return CodecStatus::kOk;
  if (!carried(row)) return CodecStatus::kSyntax;
  const void* result =
      decode(function_types(row).result, received.opdata.data(), received.opdata.size());
  if (result == nullptr) return CodecStatus::kSyntax;
  if (ahead != nullptr && !get_ahead(row, words, result, ahead, arena)) return CodecStatus::kSyntax;
  return ReturnDecoder(row, result, *rv, words).decode() ? CodecStatus::kOk : CodecStatus::kSyntax;
}

}  // namespace mp11
