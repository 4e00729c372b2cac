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
 * A peer that lies. If one of these failed, it could crash us, read or write our memory, or be
 * answered where it must be refused. Run under the sanitizers these tests say more.
 */
#include <boost/test/unit_test.hpp>
#include <cstring>

#include "ACK-PARAM-FIELD.h"
#include "Hello.h"
#include "asn1c_memory.h"
#include "codec_fixture.h"
#include "envelope.h"
#include "values.h"

using namespace mp11;
using namespace mp11::asn1;
using namespace mp11::asn1_test;

namespace {

Word word(const void* p) { return reinterpret_cast<Word>(p); }
std::vector<uint8_t> copy(const SecureBuffer& b) { return {b.data(), b.data() + b.size()}; }

/* Memory that one test uses again and again. */
struct Sides {
  CallArena make, server, client, scratch;
  SecureBuffer der;
};

/* Whatever comes: no crash, and words that pack_call can read to the end. */
void receive_call(std::span<const uint8_t> der, CallArena* arena) {
  arena->clear();
  Received received;
  if (decode_message(der, arena, &received) != CodecStatus::kOk) return;
  const FunctionRow* row = function_row(received.opcode);
  Words words;
  CK_RV answer;
  if (row == nullptr || decode_call(received, *row, arena, &words, &answer) != CodecStatus::kOk)
    return;
  Message message;
  (void)pack_call(*row, words, &message);
}

/* A call made by hand from asn1c's structures. */
template <class Fill>
CodecStatus answer_to(unsigned function, Fill fill, CK_RV* answer, uint32_t nulls = 0) {
  const FunctionRow& row = kFunctionTable[function];
  CallArena arena, server;
  const FunctionTypes& types = function_types(row);
  void* call = arena.allocate(size_of(types.call));
  fill(types, call, &arena);
  SecureBuffer der;
  BOOST_REQUIRE(
      encode_message(true, row.number, nulls, types.call, call, envelope(1), &arena, &der));
  Received received;
  BOOST_REQUIRE((decode_message(der.span(), &server, &received) == CodecStatus::kOk));
  Words words;
  return decode_call(received, row, &server, &words, answer);
}

template <class T>
T* at(const FunctionTypes& types, unsigned n, void* call, CallArena* arena) {
  return static_cast<T*>(place(*types.call_member[n], call, arena));
}

ACK_ATTRIBUTE_t* one_attribute(ACK_ATTRIBUTE_ARRAY_t* array, CK_ATTRIBUTE_TYPE type,
                               CallArena* arena) {
  auto* a = static_cast<ACK_ATTRIBUTE_t*>(
      make_list(reinterpret_cast<List*>(&array->list), 1, sizeof(ACK_ATTRIBUTE_t), arena));
  a->type = type;
  a->pValue = static_cast<decltype(a->pValue)>(arena->allocate(sizeof *a->pValue));
  return a;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(hostile)

/* A type that is another by name keeps its own constraint, from its first use on. */
BOOST_AUTO_TEST_CASE(a_version_of_another_size) {
  Sides s;
  encode_answer(kC_Login, CKR_OK, envelope(1), &s.make, &s.der);
  std::vector<uint8_t> message = copy(s.der);
  const uint8_t version[] = {0x30, 0x06, 0x04, 0x01, 0x00, 0x04, 0x01, 0x03};
  auto at = std::search(message.begin(), message.end(), std::begin(version), std::end(version));
  BOOST_REQUIRE((at == message.begin() + 2)); /* a header of two octets before it */
  Received received;
  BOOST_TEST((decode_message(message, &s.server, &received) == CodecStatus::kOk));
  std::vector<uint8_t> longer = message;
  longer.insert(longer.begin() + 7, 0x00);
  longer[1]++, longer[3]++, longer[5]++;
  BOOST_TEST((decode_message(longer, &s.server, &received) == CodecStatus::kSyntax));
  std::vector<uint8_t> shorter = message;
  shorter.erase(shorter.begin() + 6);
  shorter[1]--, shorter[3]--, shorter[5]--;
  BOOST_TEST((decode_message(shorter, &s.server, &received) == CodecStatus::kSyntax));
}

BOOST_AUTO_TEST_CASE(calls_cut_and_flipped) {
  Random random(99);
  Sides s;
  for (const FunctionRow& row : kFunctionTable) {
    if (!carried(row)) continue;
    s.make.clear();
    Words words = CallMaker(&random, &s.make).plain_call(row);
    if (encode_call(row, words, envelope(1), &s.make, &s.der) != CKR_OK) continue;
    std::vector<uint8_t> good = copy(s.der);
    Received received;
    for (size_t size = 0; size < good.size(); size++) {
      const std::vector<uint8_t> cut(good.begin(), good.begin() + static_cast<ptrdiff_t>(size));
      s.server.clear();
      BOOST_TEST((decode_message(cut, &s.server, &received) == CodecStatus::kSyntax));
    }
    for (size_t i = 0; i < 8 * good.size(); i++) {
      std::vector<uint8_t> bad = good;
      bad[i / 8] ^= static_cast<uint8_t>(1u << i % 8);
      receive_call(bad, &s.server);
    }
  }
}

BOOST_AUTO_TEST_CASE(returns_cut_and_flipped) {
  Random random(100);
  Sides s;
  Message message;
  for (const FunctionRow& row : kFunctionTable) {
    if (!carried(row)) continue;
    s.make.clear();
    s.server.clear();
    Words words = CallMaker(&random, &s.make).plain_call(row), server;
    if (pack_call(row, words, &message) != CKR_OK) continue;
    BOOST_REQUIRE(unpack_call(row, message, &s.server, &server));
    encode_return(row, server, play_library(row, server, &random), envelope(1), &s.server, &s.der);
    const std::vector<uint8_t> good = copy(s.der);
    const size_t bits = 8 * good.size();
    for (size_t i = 0; i < bits + good.size(); i++) {
      std::vector<uint8_t> bad = good;
      if (i < bits)
        bad[i / 8] ^= static_cast<uint8_t>(1u << i % 8);
      else
        bad.resize(i - bits);
      s.client.clear();
      s.scratch.clear();
      Words client;
      BOOST_REQUIRE(unpack_call(row, message, &s.client, &client));
      Received received;
      CodecStatus status = decode_message(bad, &s.scratch, &received);
      if (i >= bits) BOOST_TEST((status == CodecStatus::kSyntax));
      CK_RV rv;
      if (status == CodecStatus::kOk) (void)decode_return(received, row, client, &s.scratch, &rv);
    }
  }
}

/* Octets in the place of a nested template would be pointers of the peer's choice. */
BOOST_AUTO_TEST_CASE(no_template_is_made_of_octets) {
  const uint8_t evil[24] = {0x41, 0x41, 0x41, 0x41, 0x41, 0x41, 0x41, 0x41};
  CK_RV answer;
  for (unsigned function : {kC_CreateObject, kC_GetAttributeValue}) {
    const unsigned n = function == kC_CreateObject ? 1 : 2;
    auto fill = [&](const FunctionTypes& types, void* call, CallArena* arena) {
      ACK_ATTRIBUTE_t* a =
          one_attribute(at<ACK_ATTRIBUTE_ARRAY_t>(types, n, call, arena), CKA_WRAP_TEMPLATE, arena);
      a->pValue->present = ACK_ATTRIBUTE__pValue_PR_data;
      put_octets(evil, sizeof evil, &a->pValue->choice.data);
      a->ulValueLen = sizeof evil;
      *at<WireNumber>(types, n + 1, call, arena) = 1;
    };
    BOOST_TEST((answer_to(function, fill, &answer) == CodecStatus::kAnswer));
    BOOST_TEST(answer == CKR_ARGUMENTS_BAD);
  }
}

BOOST_AUTO_TEST_CASE(no_attributes_in_a_value_that_is_octets) {
  CK_RV answer;
  auto fill = [&](const FunctionTypes& types, void* call, CallArena* arena) {
    ACK_ATTRIBUTE_t* a =
        one_attribute(at<ACK_ATTRIBUTE_ARRAY_t>(types, 1, call, arena), CKA_VALUE, arena);
    a->pValue->present = ACK_ATTRIBUTE__pValue_PR_attrs;
    a->pValue->choice.attrs = arena->make<ACK_ATTRIBUTE_ARRAY_t>();
    ACK_ATTRIBUTE_t* inner = one_attribute(a->pValue->choice.attrs, CKA_LABEL, arena);
    inner->pValue->present = ACK_ATTRIBUTE__pValue_PR_null;
    *at<WireNumber>(types, 2, call, arena) = 1;
  };
  BOOST_TEST((answer_to(kC_CreateObject, fill, &answer) == CodecStatus::kAnswer));
  BOOST_TEST(answer == CKR_ARGUMENTS_BAD);
}

BOOST_AUTO_TEST_CASE(no_parameter_structure_is_made_of_octets) {
  const uint8_t evil[sizeof(CK_GCM_PARAMS)] = {0x41};
  CK_RV answer = CKR_OK;
  for (CK_MECHANISM_TYPE type : {CK_MECHANISM_TYPE{CKM_AES_GCM}, CK_MECHANISM_TYPE{CKM_HOTP},
                                 CK_MECHANISM_TYPE{CKM_VENDOR_DEFINED | 5}})
    for (size_t size : {size_t{0}, sizeof evil}) {
      auto fill = [&](const FunctionTypes& types, void* call, CallArena* arena) {
        auto* m = at<ACK_MECHANISM_PTR_t>(types, 1, call, arena);
        m->present = ACK_MECHANISM_PTR_PR_data;
        m->choice.data.mechanism = type;
        m->choice.data.ulParameterLen = sizeof evil;
        m->choice.data.pParameter.present = ACK_MECHANISM__pParameter_PR_data;
        put_octets(evil, size, &m->choice.data.pParameter.choice.data);
      };
      /* Zero octets stand for a parameter that no table knows, and for no other. */
      bool zeroes = size == 0 && type != CKM_AES_GCM;
      CodecStatus wanted = zeroes ? CodecStatus::kOk : CodecStatus::kAnswer;
      BOOST_TEST((answer_to(kC_EncryptInit, fill, &answer) == wanted));
      if (!zeroes) BOOST_TEST(answer == CKR_MECHANISM_PARAM_INVALID);
    }
}

/* The same with a length that no form has, where zero octets of that length would be made. */
BOOST_AUTO_TEST_CASE(no_octets_where_a_length_alone_travels) {
  const uint8_t evil[20] = {0x41};
  CK_RV answer;
  auto parameter = [&](size_t size, WireNumber length) {
    return answer_to(
        kC_EncryptInit,
        [&](const FunctionTypes& types, void* call, CallArena* arena) {
          auto* m = at<ACK_MECHANISM_PTR_t>(types, 1, call, arena);
          m->present = ACK_MECHANISM_PTR_PR_data;
          m->choice.data.mechanism = CKM_AES_GCM;
          m->choice.data.ulParameterLen = length;
          m->choice.data.pParameter.present = ACK_MECHANISM__pParameter_PR_data;
          put_octets(evil, size, &m->choice.data.pParameter.choice.data);
        },
        &answer);
  };
  BOOST_TEST((parameter(0, sizeof evil) == CodecStatus::kOk));
  BOOST_TEST((parameter(sizeof evil, sizeof evil) == CodecStatus::kAnswer));
  BOOST_TEST(answer == CKR_MECHANISM_PARAM_INVALID);
  BOOST_TEST((parameter(0, kMaxBlank) == CodecStatus::kOk));
  BOOST_TEST((parameter(0, kMaxBlank + 1) == CodecStatus::kAnswer));
}

BOOST_AUTO_TEST_CASE(members_that_contradict_each_other) {
  uint8_t octets[12] = {};
  CK_RV answer;
  for (CK_ULONG length : {12ul, 11ul, 13ul}) {
    CK_GCM_PARAMS gcm = {octets, 12, 96, nullptr, 5, 128};
    CK_MECHANISM mechanism = {CKM_AES_GCM, &gcm, sizeof gcm};
    auto fill = [&](const FunctionTypes& types, void* call, CallArena* arena) {
      auto* m = at<ACK_MECHANISM_PTR_t>(types, 1, call, arena);
      BOOST_REQUIRE(put_mechanism(&mechanism, m, arena) == CKR_OK);
      m->choice.data.pParameter.choice.fields.list.array[1]->choice.ulong = length;
    };
    BOOST_TEST((answer_to(kC_EncryptInit, fill, &answer) ==
                (length == 12 ? CodecStatus::kOk : CodecStatus::kAnswer)));
    if (length != 12) BOOST_TEST(answer == CKR_MECHANISM_PARAM_INVALID);
  }
}

BOOST_AUTO_TEST_CASE(numbers_beyond_32_bits) {
  CK_RV answer;
  for (WireNumber number : {kWireUnavailable, kWireUnavailable + 1, ~WireNumber{0} >> 1}) {
    auto fill = [&](const FunctionTypes& types, void* call, CallArena* arena) {
      *at<WireNumber>(types, 0, call, arena) = number;
    };
    BOOST_TEST((answer_to(kC_CloseSession, fill, &answer) ==
                (number == kWireUnavailable ? CodecStatus::kOk : CodecStatus::kAnswer)));
    if (number != kWireUnavailable) BOOST_TEST(answer == CKR_ARGUMENTS_BAD);
  }
}

BOOST_AUTO_TEST_CASE(lengths_that_contradict_their_data) {
  CK_RV answer;
  for (WireNumber length : {WireNumber{0}, WireNumber{4}, kWireUnavailable, WireNumber{1} << 33}) {
    auto fill = [&](const FunctionTypes& types, void* call, CallArena* arena) {
      put_octets("abc", 3, at<OCTET_STRING_t>(types, 1, call, arena));
      *at<WireNumber>(types, 2, call, arena) = length;
    };
    BOOST_TEST((answer_to(kC_DigestUpdate, fill, &answer) == CodecStatus::kAnswer));
    BOOST_TEST(answer == CKR_ARGUMENTS_BAD);
  }
}

BOOST_AUTO_TEST_CASE(nulls_for_what_is_no_pointer) {
  CK_RV answer;
  auto nothing = [](const FunctionTypes&, void*, CallArena*) {};
  BOOST_TEST((answer_to(kC_DigestUpdate, nothing, &answer, 2) == CodecStatus::kOk));
  for (uint32_t nulls : {1u, 4u, 8u, 0x80000000u}) {
    BOOST_TEST((answer_to(kC_DigestUpdate, nothing, &answer, nulls) == CodecStatus::kAnswer));
    BOOST_TEST(answer == CKR_ARGUMENTS_BAD);
  }
}

/* All output buffers of a call together. */
BOOST_AUTO_TEST_CASE(rooms_are_bounded) {
  CK_RV answer;
  auto room = [&](WireNumber size) {
    return answer_to(
        kC_Sign,
        [=](const FunctionTypes& types, void* call, CallArena* arena) {
          *at<WireNumber>(types, 4, call, arena) = size;
        },
        &answer);
  };
  BOOST_TEST((room(limits::kOutput) == CodecStatus::kOk));
  BOOST_TEST((room(limits::kOutput + 1) == CodecStatus::kAnswer));
  BOOST_TEST(answer == CKR_HOST_MEMORY);
  auto random = [&](WireNumber size) {
    return answer_to(
        kC_GenerateRandom,
        [=](const FunctionTypes& types, void* call, CallArena* arena) {
          *at<WireNumber>(types, 2, call, arena) = size;
        },
        &answer);
  };
  BOOST_TEST((random(limits::kOutput) == CodecStatus::kOk));
  BOOST_TEST((random(limits::kOutput + 1) == CodecStatus::kAnswer));
  BOOST_TEST(answer == CKR_HOST_MEMORY);
  auto many = [&](size_t count, WireNumber each) {
    return answer_to(
        kC_GetAttributeValue,
        [=](const FunctionTypes& types, void* call, CallArena* arena) {
          auto* array = at<ACK_ATTRIBUTE_ARRAY_t>(types, 2, call, arena);
          auto* a = static_cast<ACK_ATTRIBUTE_t*>(make_list(reinterpret_cast<List*>(&array->list),
                                                            count, sizeof(ACK_ATTRIBUTE_t), arena));
          for (size_t i = 0; i < count; i++) {
            a[i].type = CKA_VALUE;
            a[i].ulValueLen = each;
            a[i].pValue = static_cast<decltype(a->pValue)>(arena->allocate(sizeof *a->pValue));
            a[i].pValue->present = ACK_ATTRIBUTE__pValue_PR_data;
          }
          *at<WireNumber>(types, 3, call, arena) = count;
        },
        &answer);
  };
  BOOST_TEST((many(limits::kAttributes, 1000) == CodecStatus::kOk));
  BOOST_TEST((many(limits::kAttributes + 1, 10) == CodecStatus::kAnswer));
  BOOST_TEST((many(100, limits::kOutput / 100) == CodecStatus::kOk));
  BOOST_TEST((many(101, limits::kOutput / 100) == CodecStatus::kAnswer));
}

BOOST_AUTO_TEST_CASE(templates_nest_so_deep) {
  CallArena arena;
  SecureBuffer der;
  auto depth = [&](unsigned levels) {
    CK_ATTRIBUTE* inner = nullptr;
    for (unsigned i = 0; i < levels; i++) {
      auto* a = arena.make<CK_ATTRIBUTE>();
      *a = {CKA_WRAP_TEMPLATE, inner, inner != nullptr ? sizeof *a : 0};
      inner = a;
    }
    return encode_call(kFunctionTable[kC_CreateObject], {{1, word(inner), 1, word(&arena)}},
                       envelope(1), &arena, &der);
  };
  /* The depth of DER is the narrower limit: three levels for each template, from 7 on. */
  BOOST_TEST(depth(6) == CKR_OK);
  BOOST_TEST(depth(7) == CKR_HOST_MEMORY);
  BOOST_TEST(depth(limits::kDepth + 5) == CKR_HOST_MEMORY);
}

/* A server that answers with more than was asked for. */
BOOST_AUTO_TEST_CASE(results_beyond_the_room) {
  const FunctionRow& row = kFunctionTable[kC_Sign];
  CallArena arena, scratch;
  SecureBuffer der;
  Received received;
  uint8_t memory[12];
  CK_RV rv;
  auto* sent = static_cast<uint8_t*>(arena.allocate_out(9));
  CK_ULONG sent_length = 9;
  const Words server{{1, 0, 0, word(sent), word(&sent_length)}};
  encode_return(row, server, CKR_OK, envelope(1), &arena, &der);
  for (CK_ULONG room : {8ul, 9ul, 0ul}) {
    std::memset(memory, 0x55, sizeof memory);
    CK_ULONG length = room;
    const Words client{{1, 0, 0, word(memory), word(&length)}};
    BOOST_REQUIRE((decode_message(der.span(), &scratch, &received) == CodecStatus::kOk));
    const CodecStatus status = decode_return(received, row, client, &scratch, &rv);
    BOOST_TEST((status == (room == 9 ? CodecStatus::kOk : CodecStatus::kSyntax)));
    if (room != 9) BOOST_TEST(memory[0] == 0x55);
    BOOST_TEST(memory[9] == 0x55);
  }
  /* An answer to another function, and a call in the place of an answer. */
  BOOST_TEST((decode_return(received, kFunctionTable[kC_Encrypt], server, &scratch, &rv) ==
              CodecStatus::kSyntax));
  received.call = true;
  BOOST_TEST((decode_return(received, row, server, &scratch, &rv) == CodecStatus::kSyntax));
}

BOOST_AUTO_TEST_CASE(lists_beyond_the_room) {
  CallArena arena, scratch;
  SecureBuffer der;
  CK_RV rv;
  CK_ULONG found = 3, room = 0;
  auto* list = static_cast<CK_ULONG*>(arena.allocate_out(3 * sizeof(CK_ULONG)));
  CK_ULONG memory[4];
  for (CK_ULONG offered : {2ul, 3ul}) {
    for (CK_ULONG& m : memory) m = 0x55;
    auto take = [&](unsigned function, const Words& server, const Words& client) {
      const FunctionRow& row = kFunctionTable[function];
      Received received;
      encode_return(row, server, CKR_OK, envelope(1), &arena, &der);
      BOOST_REQUIRE((decode_message(der.span(), &scratch, &received) == CodecStatus::kOk));
      const CodecStatus status = decode_return(received, row, client, &scratch, &rv);
      BOOST_TEST((status == (offered == 3 ? CodecStatus::kOk : CodecStatus::kSyntax)), row.name);
      BOOST_TEST(memory[2] == (offered == 3 ? 0 : 0x55));
      BOOST_TEST(memory[3] == 0x55u);
    };
    room = offered;
    take(kC_FindObjects, {{1, word(list), 3, word(&found)}},
         {{1, word(memory), offered, word(&room)}});
    room = offered;
    take(kC_GetSlotList, {{0, word(list), word(&found)}}, {{0, word(memory), word(&room)}});
    room = offered;
    take(kC_GetMechanismList, {{0, word(list), word(&found)}}, {{0, word(memory), word(&room)}});
  }
}

/* Values that carry results for other functions: here nothing may be written. */
BOOST_AUTO_TEST_CASE(a_handle_comes_with_success_alone) {
  const FunctionRow& row = kFunctionTable[kC_CreateObject];
  CallArena arena;
  SecureBuffer der;
  Received received;
  CK_OBJECT_HANDLE theirs = 9, mine = 0x55;
  for (CK_RV rv : {CK_RV{CKR_ATTRIBUTE_TYPE_INVALID}, CK_RV{CKR_OK}}) {
    encode_return(row, {{1, 0, 0, word(&theirs)}}, rv, envelope(1), &arena, &der);
    BOOST_REQUIRE((decode_message(der.span(), &arena, &received) == CodecStatus::kOk));
    CK_RV got;
    BOOST_REQUIRE(
        (decode_return(received, row, {{1, 0, 0, word(&mine)}}, &arena, &got) == CodecStatus::kOk));
    BOOST_TEST(got == rv);
    BOOST_TEST(mine == (rv == CKR_OK ? 9u : 0x55u));
  }
}

BOOST_AUTO_TEST_CASE(attributes_that_were_not_asked_for) {
  const FunctionRow& row = kFunctionTable[kC_GetAttributeValue];
  CallArena arena, scratch;
  SecureBuffer der;
  Received received;
  CK_RV rv;
  CK_ATTRIBUTE theirs[2] = {{CKA_VALUE, arena.allocate_out(4), 4}, {CKA_ID, nullptr, 7}};
  encode_return(row, {{1, 2, word(theirs), 2}}, CKR_OK, envelope(1), &arena, &der);
  auto take = [&](CK_ATTRIBUTE* mine, CK_ULONG count) {
    BOOST_REQUIRE((decode_message(der.span(), &scratch, &received) == CodecStatus::kOk));
    return decode_return(received, row, {{1, 2, word(mine), count}}, &scratch, &rv);
  };
  uint8_t value[4];
  CK_ATTRIBUTE mine[3] = {{CKA_VALUE, value, 4}, {CKA_ID, nullptr, 0}, {}};
  BOOST_TEST((take(mine, 2) == CodecStatus::kOk));
  BOOST_TEST(mine[1].ulValueLen == 7u);
  mine[0].ulValueLen = 3; /* less room */
  BOOST_TEST((take(mine, 2) == CodecStatus::kSyntax));
  mine[0] = {CKA_VALUE, nullptr, 0}; /* a query */
  BOOST_TEST((take(mine, 2) == CodecStatus::kSyntax));
  mine[0] = {CKA_LABEL, value, 4};
  BOOST_TEST((take(mine, 2) == CodecStatus::kSyntax));
  mine[0] = {CKA_VALUE, value, 4};
  BOOST_TEST((take(mine, 3) == CodecStatus::kSyntax));
  BOOST_TEST((take(mine, 1) == CodecStatus::kSyntax));
}

BOOST_AUTO_TEST_CASE(asn1c_gets_no_more_than_its_limit) {
  CallArena arena;
  BOOST_TEST(Asn1cMemory::current() == nullptr);
  const uint8_t der[] = {0x30, 0x03, 0x02, 0x01, 0x54};
  const Type* type = function_types(kFunctionTable[kC_Login]).result;
  BOOST_TEST(decode(type, der, sizeof der) == nullptr); /* no memory named */
  {
    Asn1cMemory memory(&arena, 1000);
    BOOST_TEST(memory.allocate(600) != nullptr);
    BOOST_TEST(memory.allocate(401) == nullptr);
    BOOST_TEST(memory.allocate(400) != nullptr);
    BOOST_TEST(decode(type, der, sizeof der) == nullptr);
  }
  Asn1cMemory memory(&arena, 1000);
  BOOST_TEST(decode(type, der, sizeof der) != nullptr);
}

/* Success, a buffer, and nothing in it: a server must not leave the application's memory as it was.
 */
BOOST_AUTO_TEST_CASE(success_without_results) {
  CallArena arena, scratch;
  SecureBuffer der;
  Received received;
  CK_RV rv;
  CK_ULONG length = 9;
  CK_ULONG theirs = 4;
  const FunctionRow& row = kFunctionTable[kC_Sign];
  uint8_t memory[9];
  /* What answers a query, for a call that is none. */
  encode_return(row, {{1, 0, 0, 0, word(&theirs)}}, CKR_OK, envelope(1), &arena, &der);
  BOOST_REQUIRE((decode_message(der.span(), &scratch, &received) == CodecStatus::kOk));
  BOOST_TEST((decode_return(received, row, {{1, 0, 0, word(memory), word(&length)}}, &scratch,
                            &rv) == CodecStatus::kSyntax));
  BOOST_TEST((decode_return(received, row, {{1, 0, 0, 0, word(&length)}}, &scratch, &rv) ==
              CodecStatus::kOk));
  BOOST_TEST(length == 4u);

  const FunctionRow& get = kFunctionTable[kC_GetAttributeValue];
  CK_ATTRIBUTE query = {CKA_VALUE, nullptr, 4}, asked = {CKA_VALUE, memory, 9};
  for (CK_RV value : {CK_RV{CKR_OK}, CK_RV{CKR_BUFFER_TOO_SMALL}}) {
    encode_return(get, {{1, 2, word(&query), 1}}, value, envelope(1), &arena, &der);
    BOOST_REQUIRE((decode_message(der.span(), &scratch, &received) == CodecStatus::kOk));
    BOOST_TEST((decode_return(received, get, {{1, 2, word(&asked), 1}}, &scratch, &rv) ==
                (value == CKR_OK ? CodecStatus::kSyntax : CodecStatus::kOk)));
  }
}

/* Types within a template are the library's to tell, but not that octets are attributes. */
BOOST_AUTO_TEST_CASE(no_attributes_of_a_peer_in_an_inner_value) {
  const FunctionRow& row = kFunctionTable[kC_GetAttributeValue];
  for (CK_ATTRIBUTE_TYPE asked : {CKA_VALUE, CKA_UNWRAP_TEMPLATE})
    for (CK_ATTRIBUTE_TYPE told : {CKA_LABEL, CKA_DERIVE_TEMPLATE}) {
      CallArena arena, scratch;
      SecureBuffer der;
      Received received;
      CK_RV rv;
      /* The library's, in memory of its own. */
      auto theirs = [&](CK_ATTRIBUTE_TYPE type, void* value, CK_ULONG length) {
        auto* a = static_cast<CK_ATTRIBUTE*>(arena.allocate_out(sizeof(CK_ATTRIBUTE)));
        *a = {type, value, length};
        return a;
      };
      const bool attributes = told == CKA_DERIVE_TEMPLATE;
      void* value = attributes ? theirs(CKA_LABEL, arena.allocate_out(8), 8)
                               : arena.allocate_out(sizeof(CK_ATTRIBUTE));
      CK_ATTRIBUTE* outer =
          theirs(CKA_WRAP_TEMPLATE, theirs(told, value, sizeof(CK_ATTRIBUTE)), sizeof *outer);
      encode_return(row, {{1, 2, word(outer), 1}}, CKR_OK, envelope(1), &arena, &der);
      uint8_t victim[8] = {1, 1, 1, 1, 1, 1, 1, 1};
      CK_ATTRIBUTE content{CKA_LABEL, victim, sizeof victim};
      CK_ATTRIBUTE inner{asked, &content, sizeof content};
      CK_ATTRIBUTE query{CKA_WRAP_TEMPLATE, &inner, sizeof inner};
      BOOST_REQUIRE((decode_message(der.span(), &scratch, &received) == CodecStatus::kOk));
      const bool same = attributes == (asked == CKA_UNWRAP_TEMPLATE);
      BOOST_TEST((decode_return(received, row, {{1, 2, word(&query), 1}}, &scratch, &rv) ==
                  (same ? CodecStatus::kOk : CodecStatus::kSyntax)));
      BOOST_TEST(inner.type == (same ? told : asked));
      BOOST_TEST((victim[0] == 1) == !(same && attributes));
      if (!same) BOOST_TEST(content.pValue == victim);
    }
}

/* A library that claims more than it had room for is not believed. */
BOOST_AUTO_TEST_CASE(claims_beyond_the_room) {
  CallArena arena, scratch;
  SecureBuffer der;
  auto answer = [&](unsigned function, const Words& words) {
    Received received;
    CK_RV rv = CKR_OK;
    encode_return(kFunctionTable[function], words, CKR_OK, envelope(1), &arena, &der);
    BOOST_REQUIRE((decode_message(der.span(), &scratch, &received) == CodecStatus::kOk));
    (void)decode_return(received, kFunctionTable[function], {}, &scratch, &rv);
    return rv;
  };
  void* buffer = arena.allocate_out(16);
  for (CK_ULONG claim : {16ul, 17ul}) {
    const CK_RV expected = claim == 16 ? CKR_OK : CKR_GENERAL_ERROR;
    CK_ATTRIBUTE a = {CKA_VALUE, buffer, claim};
    CK_ULONG numbers = claim - 14;
    BOOST_TEST(answer(kC_Sign, {{1, 0, 0, word(buffer), word(&claim)}}) == expected);
    BOOST_TEST(answer(kC_GetAttributeValue, {{1, 2, word(&a), 1}}) == expected);
    BOOST_TEST(answer(kC_FindObjects, {{1, word(buffer), 2, word(&numbers)}}) == expected);
  }
}

/* As many values as a message may have, each of the kind that costs asn1c most. */
BOOST_AUTO_TEST_CASE(memory_is_bounded) {
  CK_RV answer;
  auto fields = [&](size_t count) {
    return answer_to(
        kC_EncryptInit,
        [=](const FunctionTypes& types, void* call, CallArena* arena) {
          auto* m = at<ACK_MECHANISM_PTR_t>(types, 1, call, arena);
          m->present = ACK_MECHANISM_PTR_PR_data;
          m->choice.data.mechanism = CKM_AES_GCM;
          m->choice.data.pParameter.present = ACK_MECHANISM__pParameter_PR_fields;
          auto* list = reinterpret_cast<List*>(&m->choice.data.pParameter.choice.fields.list);
          auto* field = static_cast<ACK_PARAM_FIELD_t*>(
              make_list(list, count, sizeof(ACK_PARAM_FIELD_t), arena));
          for (size_t i = 0; i < count; i++) field[i].present = ACK_PARAM_FIELD_PR_null;
        },
        &answer);
  };
  BOOST_TEST((fields(limits::kDerNodes - 40) == CodecStatus::kAnswer));
  BOOST_TEST(answer == CKR_MECHANISM_PARAM_INVALID);
}

BOOST_AUTO_TEST_SUITE_END()
