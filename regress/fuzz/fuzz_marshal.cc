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
 * Packed calls and replies. As a backend: a call from a monitor is unpacked, a library reads all
 * that it points to and fills every buffer, and its reply is packed and understood by a client who
 * made the same call. As a client: a reply of any kind to a call of his writes no octet beyond his
 * buffers, which AddressSanitizer knows. A call that was understood and packed again has the same
 * octets for ever.
 *
 * Input: function, counts of handles and numbers, variant and mechanism of samples.h, the reply's
 * handles and list, its value, the length of the call's octets (two), these, the reply's octets.
 */
#include <cstring>

#include "fuzz.h"
#include "p11_params.h"
#include "param_walk.h"
#include "samples.h"

namespace {

using namespace mp11;

template <class T>
T* at(Word word) {
  return reinterpret_cast<T*>(word);
}

/* ---- a library ---- */

class Library {
 public:
  /* Reads all of the call, and writes all that it may. */
  void use(const FunctionRow& row, const Words& words) {
    for (unsigned i = 0; i < row.arg_count; i++)
      argument(row.args[i].kind, &words.w[row.args[i].first]);
  }

 private:
  void argument(ArgKind kind, const Word* w) {
    switch (kind) {
      case ArgKind::kBytes:
      case ArgKind::kPin:
        read(at<void>(w[0]), w[1]);
        return;
      case ArgKind::kLabel:
        read(at<void>(w[0]), 32);
        return;
      case ArgKind::kBytesOut:
        if (w[0] != 0 && w[1] != 0) fill(w[0], *at<CK_ULONG>(w[1]));
        return;
      case ArgKind::kFillOut:
        fill(w[0], w[1]);
        return;
      case ArgKind::kSlotList:
      case ArgKind::kNumberList:
        if (w[0] != 0 && w[1] != 0) fill(w[0], *at<CK_ULONG>(w[1]) * sizeof(CK_ULONG));
        return;
      case ArgKind::kHandleList:
        fill(w[0], w[1] * sizeof(CK_ULONG));
        if (w[2] != 0) *at<CK_ULONG>(w[2]) = w[1];
        return;
      case ArgKind::kTemplate:
        attributes(at<CK_ATTRIBUTE>(w[0]), w[1], false);
        return;
      case ArgKind::kTemplateInOut:
        attributes(at<CK_ATTRIBUTE>(w[0]), w[1], true);
        return;
      case ArgKind::kMechanism:
        mechanism(at<CK_MECHANISM>(w[0]));
        return;
      default:
        return;
    }
  }

  void read(const void* data, size_t size) {
    const auto* octets = static_cast<const uint8_t*>(data);
    for (size_t i = 0; octets != nullptr && i < size; i++) sum_ = sum_ + octets[i];
  }
  static void fill(Word buffer, size_t size) {
    if (buffer != 0 && size != 0) std::memset(at<void>(buffer), 0x2a, size);
  }

  /* Nested as PKCS #11 says by the type; what a library takes for pointers must be ours. */
  void attributes(CK_ATTRIBUTE* all, CK_ULONG count, bool out) {
    for (CK_ULONG i = 0; all != nullptr && i < count; i++) {
      CK_ATTRIBUTE& a = all[i];
      if (a.ulValueLen == CK_UNAVAILABLE_INFORMATION) continue;
      bool nested = (a.type & CKF_ARRAY_ATTRIBUTE) != 0 && a.type != CKA_ALLOWED_MECHANISMS;
      if (nested && a.pValue != nullptr && a.ulValueLen % sizeof a == 0)
        attributes(static_cast<CK_ATTRIBUTE*>(a.pValue), a.ulValueLen / sizeof a, out);
      else if (out)
        fill(reinterpret_cast<Word>(a.pValue), a.pValue != nullptr ? a.ulValueLen : 0);
      else
        read(a.pValue, a.ulValueLen);
    }
  }

  void mechanism(const CK_MECHANISM* m) {
    if (m == nullptr || m->pParameter == nullptr) return;
    read(m->pParameter, m->ulParameterLen);
    const MechanismRow* row = mechanism_row(m->mechanism);
    const ParamStruct* type = row != nullptr ? param_struct(*row, m->ulParameterLen) : nullptr;
    if (type == nullptr) return;
    auto leaf = [this](const ParamStruct&, const ParamField& field, void* base, CK_ULONG outer) {
      return member(field, static_cast<uint8_t*>(base), outer);
    };
    walk_members(*type, m->pParameter, 0, leaf);
  }

  /* As a library that reads what it may and fills what it may. */
  bool member(const ParamField& field, uint8_t* base, CK_ULONG outer) {
    uint8_t* at = base + field.offset;
    if (field.kind == FieldKind::kUlong || field.kind == FieldKind::kOctet ||
        field.kind == FieldKind::kArray) {
      read(at, field.size);
      return true;
    }
    if (field.kind == FieldKind::kHandle) {
      if (field.way != Way::kIn) fill(word(at), field.size);
      return true;
    }
    auto* p = load<uint8_t*>(at, 0);
    if (p == nullptr) return true;
    const CK_ULONG length = length_of(field, base, outer);
    switch (field.kind) {
      case FieldKind::kBytes:
        if (field.way == Way::kIn)
          read(p, length);
        else
          fill(word(p), length);
        break;
      case FieldKind::kText:
        read(p, std::strlen(reinterpret_cast<const char*>(p)));
        break;
      case FieldKind::kTemplate:
        attributes(reinterpret_cast<CK_ATTRIBUTE*>(p), length, false);
        break;
      case FieldKind::kHandleAt:
        fill(word(p), sizeof(CK_OBJECT_HANDLE));
        break;
      case FieldKind::kMechanism:
        mechanism(reinterpret_cast<const CK_MECHANISM*>(p));
        break;
      case FieldKind::kValue:
        read(p, length);
        break;
      default:
        break;
    }
    return true;
  }
  static Word word(const void* p) { return reinterpret_cast<Word>(p); }

  volatile uint8_t sum_ = 0;
};

/* ---- the two directions ---- */

void fill(Message* message, const FunctionRow& row, uint32_t handles, uint32_t numbers,
          std::span<const uint8_t> octets) {
  message->rec.function = row.number;
  message->rec.handle_count = handles % uint32_t{limits::kRecordHandles + 1};
  message->rec.number_count = numbers % uint32_t{limits::kRecordNumbers + 1};
  for (uint32_t i = 0; i < message->rec.handle_count; i++) message->rec.handles[i] = i + 1;
  for (uint32_t i = 0; i < message->rec.number_count; i++) message->rec.numbers[i] = i;
  message->bytes.append(octets.data(), octets.size());
}

void as_backend(const FunctionRow& row, const Message& call) {
  CallArena arena;
  Words words;
  if (!unpack_call(row, call, &arena, &words)) return;
  (void)object_flags(row, words);
  (void)names_token_object(row, words);
  Message again;
  if (pack_call(row, words, &again) == CKR_OK) {
    CallArena client_arena;
    Words client;
    FUZZ_REQUIRE(unpack_call(row, again, &client_arena, &client));
    Message third;
    FUZZ_REQUIRE(pack_call(row, client, &third) == CKR_OK);
    FUZZ_REQUIRE(std::ranges::equal(third.bytes.span(), again.bytes.span()));
  }
  Library().use(row, words);
  Message reply;
  pack_reply(row, words, CKR_OK, &reply);
  /* What arrays of vendors hold is not told. */
  FUZZ_REQUIRE(reply.rec.rv == CKR_OK ||
               (row.number == kC_GetAttributeValue && reply.rec.rv == CKR_ATTRIBUTE_TYPE_INVALID));
  CallArena client_arena;
  Words client;
  FUZZ_REQUIRE(unpack_call(row, call, &client_arena, &client));
  FUZZ_REQUIRE(unpack_reply(row, reply, client));
  Library().use(row, client); /* all lengths are within the buffers */
}

void as_client(const FunctionRow& row, unsigned variant, unsigned mechanism, const Message& reply) {
  CallArena arena;
  Words words;
  fuzz::sample_call(row, variant, mechanism, &arena, &words);
  if (!unpack_reply(row, reply, words) || reply.rec.rv != CKR_OK) return;
  Library().use(row, words);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static constexpr CK_RV kValues[] = {CKR_OK, CKR_BUFFER_TOO_SMALL, CKR_ATTRIBUTE_SENSITIVE,
                                      CKR_ATTRIBUTE_TYPE_INVALID, CKR_GENERAL_ERROR};
  fuzz::Input in(data, size);
  const FunctionRow& row = kFunctionTable[in.u8() % kFunctions];
  if (!carried(row)) return 0;
  const uint32_t handles = in.u8(), numbers = in.u8();
  const unsigned variant = in.u8(), mechanism = in.u8();
  const uint32_t reply_handles = in.u8(), list = in.u8();
  const CK_RV rv = kValues[in.u8() % std::size(kValues)];
  const size_t octets = in.u16();

  Message call, reply;
  fill(&call, row, handles, numbers, in.take(octets));
  as_backend(row, call);
  fill(&reply, row, reply_handles, 0, in.rest());
  for (uint64_t i = 0; i < list % 20; i++) reply.list.push_back(i);
  reply.rec.flags = kFlagReply;
  reply.rec.rv = rv;
  as_client(row, variant, mechanism, reply);
  return 0;
}
