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
 * Members of returns that are no C arguments. If these failed, a server could write beyond what a
 * client has room for, or have it keep as much as it likes; or a client that asks for nothing ahead
 * would not get the same octets as ever.
 */
#include <algorithm>
#include <boost/test/unit_test.hpp>

#include "codec.h"
#include "snapshot.h"

using namespace mp11;

namespace {

template <class T>
Word word(T* p) {
  return reinterpret_cast<Word>(p);
}

struct Sent {
  Envelope envelope;
  CallArena arena;
  SecureBuffer der;
  Received received;
};

/* The call as a server has it, and the words for its results. */
struct Server : Sent {
  Server(const FunctionRow& function, const Words& client, uint32_t wanted) : row(function) {
    envelope.request = id_of_number(1);
    BOOST_REQUIRE(encode_call(row, client, envelope, &arena, &der, wanted) == CKR_OK);
    BOOST_REQUIRE((decode_message(der.span(), &arena, &received) == CodecStatus::kOk));
    CK_RV rv = CKR_OK;
    BOOST_REQUIRE((decode_call(received, row, &arena, &words, &rv, &eager) == CodecStatus::kOk));
  }
  CK_ATTRIBUTE* attributes() { return reinterpret_cast<CK_ATTRIBUTE*>(words.w[2]); }
  CK_ATTRIBUTE value(CK_ATTRIBUTE_TYPE type, const std::string& octets) {
    CK_ATTRIBUTE a = {type, arena.allocate_out(octets.size()), octets.size()};
    std::copy(octets.begin(), octets.end(), static_cast<char*>(a.pValue));
    return a;
  }
  const FunctionRow& row;
  Words words;
  uint32_t eager = 0;
  Ahead ahead;
};

/* The server's return as the client has it. */
struct Client : Sent {
  Client(Server& server, CK_RV said, const Words& words, Ahead* ahead) {
    encode_return(server.row, server.words, said, server.envelope, &server.arena, &der,
                  &server.ahead);
    BOOST_REQUIRE((decode_message(der.span(), &arena, &received) == CodecStatus::kOk));
    status = decode_return(received, server.row, words, &arena, &rv, ahead);
  }
  CodecStatus status;
  CK_RV rv = CKR_OK;
};

const FunctionRow& kInit = kFunctionTable[kC_FindObjectsInit];
const FunctionRow& kGet = kFunctionTable[kC_GetAttributeValue];

/* Whether a client that asks for so much takes what a server has ahead of a length query. */
bool takes(uint32_t eager, CK_RV rv, CK_ULONG told, const CK_ATTRIBUTE& value) {
  CK_ATTRIBUTE asked = {value.type, nullptr, 0};
  const Words words = {{1, 2, word(&asked), 1}};
  Server server(kGet, words, eager);
  server.attributes()[0].ulValueLen = told;
  server.ahead.values = {value};
  Ahead ahead;
  ahead.eager = eager;
  Client client(server, rv, words, &ahead);
  if (client.status != CodecStatus::kOk) return false;
  BOOST_REQUIRE(ahead.values.size() == 1u);
  BOOST_TEST(ahead.values[0].ulValueLen == asked.ulValueLen);
  BOOST_TEST(asked.pValue == nullptr);
  return ahead.values[0].pValue != nullptr;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(ahead)

BOOST_AUTO_TEST_CASE(handles) {
  const Words words = {{7, 0, 0}};
  for (const uint32_t eager : {0u, 3u, 0xffffffffu}) {
    Server server(kInit, words, eager);
    BOOST_TEST(server.eager == eager);
  }
  Server server(kInit, words, 3);
  server.ahead.handles = {4, 5, 6};
  server.ahead.found = server.ahead.complete = true;
  Ahead got;
  got.eager = 3;
  Client client(server, CKR_OK, words, &got);
  BOOST_REQUIRE((client.status == CodecStatus::kOk));
  BOOST_TEST(got.found);
  BOOST_TEST(got.complete);
  BOOST_TEST(got.handles == server.ahead.handles, boost::test_tools::per_element());
  got = {};
  got.eager = 2;
  BOOST_TEST((Client(server, CKR_OK, words, &got).status == CodecStatus::kSyntax));
  /* A client that does not know the member. */
  BOOST_TEST((Client(server, CKR_OK, words, nullptr).status == CodecStatus::kOk));
  got = {};
  Client failed(server, CKR_SESSION_HANDLE_INVALID, words, &got);
  BOOST_TEST((failed.status == CodecStatus::kOk && !got.found));
}

BOOST_AUTO_TEST_CASE(without_it_the_octets_are_as_ever) {
  const Words words = {{7, 0, 0}};
  Server server(kInit, words, 0);
  SecureBuffer plain, with;
  encode_return(kInit, server.words, CKR_OK, server.envelope, &server.arena, &plain);
  encode_return(kInit, server.words, CKR_OK, server.envelope, &server.arena, &with, &server.ahead);
  BOOST_TEST(std::ranges::equal(plain.span(), with.span()));
}

BOOST_AUTO_TEST_CASE(values) {
  CK_ULONG number = 7;
  CK_ULONG offered = 0;
  CK_ATTRIBUTE asked[] = {{CKA_ID, nullptr, 0},
                          {CKA_KEY_TYPE, nullptr, 0},
                          {CKA_VALUE, nullptr, 0},
                          {CKA_CLASS, &offered, sizeof offered}};
  const Words words = {{1, 2, word(asked), std::size(asked)}};
  Server server(kGet, words, 100);
  CK_ATTRIBUTE* told = server.attributes();
  told[0].ulValueLen = 3;
  told[1].ulValueLen = sizeof number;
  told[2].ulValueLen = CK_UNAVAILABLE_INFORMATION;
  *static_cast<CK_ULONG*>(told[3].pValue) = CKO_DATA;
  server.ahead.values = {server.value(CKA_ID, "abc"), {CKA_KEY_TYPE, nullptr, 0}, {}, {}};
  CK_ATTRIBUTE& type = server.ahead.values[1];
  type = {CKA_KEY_TYPE, server.arena.allocate_out(sizeof number), sizeof number};
  *static_cast<CK_ULONG*>(type.pValue) = number;
  Ahead got;
  got.eager = 100;
  Client client(server, CKR_ATTRIBUTE_SENSITIVE, words, &got);
  BOOST_REQUIRE((client.status == CodecStatus::kOk));
  BOOST_TEST(client.rv == CKR_ATTRIBUTE_SENSITIVE);
  BOOST_TEST(asked[0].ulValueLen == 3u);
  BOOST_TEST(asked[2].ulValueLen == CK_UNAVAILABLE_INFORMATION);
  BOOST_REQUIRE(got.values.size() == 4u);
  BOOST_TEST(std::string(static_cast<char*>(got.values[0].pValue), 3) == "abc");
  BOOST_TEST(*static_cast<CK_ULONG*>(got.values[1].pValue) == number);
  BOOST_TEST(got.values[2].pValue == nullptr);
  BOOST_TEST(got.values[3].pValue == nullptr);
}

BOOST_AUTO_TEST_CASE(values_of_a_hostile_server) {
  CallArena arena;
  CK_ATTRIBUTE id = {CKA_ID, arena.allocate_out(10), 10};
  BOOST_TEST(takes(10, CKR_OK, 10, id));
  BOOST_TEST(!takes(9, CKR_OK, 10, id));
  BOOST_TEST(!takes(0, CKR_OK, 10, id)); /* not asked for */
  BOOST_TEST(!takes(100, CKR_OK, 11, id));
  BOOST_TEST(!takes(100, CKR_OK, 9, id));
  BOOST_TEST(!takes(100, CKR_OK, CK_UNAVAILABLE_INFORMATION, id));
  CK_ATTRIBUTE nothing = {CKA_ID, arena.allocate_out(0), 0};
  BOOST_TEST(takes(1, CKR_OK, 0, nothing));
  CK_ATTRIBUTE nested = {CKA_WRAP_TEMPLATE, arena.allocate_out(0), 0};
  BOOST_TEST(!takes(100, CKR_OK, 0, nested));
}

BOOST_AUTO_TEST_CASE(output_len) {
  CK_MECHANISM mechanism = {CKM_RSA_PKCS, nullptr, 0};
  const Words words = {{1, word(&mechanism), 2}};
  for (const FunctionNumber function :
       {kC_SignInit, kC_EncryptInit, kC_DecryptInit, kC_SignRecoverInit}) {
    Server server(kFunctionTable[function], words, 5);
    BOOST_TEST(server.eager == 0u); /* there is no such member */
    server.ahead.output_len = 256;
    Ahead got;
    BOOST_TEST((Client(server, CKR_OK, words, &got).status == CodecStatus::kOk));
    const bool has = function != kC_SignRecoverInit;
    BOOST_TEST(got.output_len.has_value() == has);
    server.ahead.output_len = limits::kOutput + 1;
    const bool refused = Client(server, CKR_OK, words, &got).status != CodecStatus::kOk;
    BOOST_TEST(refused == has);
  }
}

/* ---- the snapshot ---- */

namespace {

Snapshot pictured(size_t slots, size_t mechanisms) {
  Snapshot snapshot;
  snapshot.info.flags = 5;
  std::ranges::fill(snapshot.info.manufacturerID, 'm');
  for (size_t i = 0; i < slots; i++) {
    SlotSnapshot slot;
    slot.id = 10 + i;
    slot.info.flags = CKF_TOKEN_PRESENT;
    if (i % 2 == 0) {
      slot.token.emplace().ulMaxPinLen = 77;
      std::ranges::fill(slot.token->label, 'x');
    }
    for (size_t j = 0; j < mechanisms; j++) {
      slot.mechanisms.push_back(0x80000000 + j);
      slot.infos.push_back({1, j, CKF_SIGN});
    }
    snapshot.slots.push_back(slot);
  }
  return snapshot;
}

CodecStatus received(const Snapshot& sent, Snapshot* got) {
  CallArena arena;
  SecureBuffer der;
  Received message;
  encode_snapshot(sent, Envelope{}, &arena, &der);
  BOOST_REQUIRE((decode_message(der.span(), &arena, &message) == CodecStatus::kOk));
  return decode_snapshot(message, &arena, got);
}

}  // namespace

BOOST_AUTO_TEST_CASE(snapshot) {
  Snapshot got;
  BOOST_REQUIRE((received(pictured(2, 3), &got) == CodecStatus::kOk));
  BOOST_TEST(got.info.flags == 5u);
  BOOST_TEST(got.info.manufacturerID[31] == 'm');
  BOOST_REQUIRE(got.slots.size() == 2u);
  BOOST_TEST(got.slots[1].id == 11u);
  BOOST_TEST(got.slots[0].token->ulMaxPinLen == 77u);
  BOOST_TEST(got.slots[0].token->label[0] == 'x');
  BOOST_TEST(!got.slots[1].token.has_value());
  BOOST_TEST(got.slots[1].mechanisms[2] == 0x80000002u);
  BOOST_TEST(got.slots[1].infos[2].ulMaxKeySize == 2u);
  BOOST_TEST((received({}, &got) == CodecStatus::kOk));
  BOOST_TEST(got.slots.empty());
  /* As large as it may be, it fits a message. */
  BOOST_TEST((received(pictured(limits::kSnapshotSlots,
                                limits::kSnapshotMechanisms / limits::kSnapshotSlots),
                       &got) == CodecStatus::kOk));

  bool present = true;
  CallArena arena;
  SecureBuffer der;
  Received call;
  encode_snapshot_call(Envelope{}, &arena, &der);
  BOOST_REQUIRE((decode_message(der.span(), &arena, &call) == CodecStatus::kOk));
  BOOST_TEST(decode_snapshot_call(call, &arena, &present));
  BOOST_TEST(!present);
  BOOST_TEST((decode_snapshot(call, &arena, &got) == CodecStatus::kSyntax));
}

BOOST_AUTO_TEST_CASE(snapshots_of_a_hostile_server) {
  Snapshot twice = pictured(2, 1), uneven = pictured(1, 2), got;
  twice.slots[1].id = twice.slots[0].id;
  uneven.slots[0].infos.pop_back();
  BOOST_TEST((received(twice, &got) == CodecStatus::kSyntax));
  BOOST_TEST((received(uneven, &got) == CodecStatus::kSyntax));
  uneven.slots[0].infos.clear();
  BOOST_TEST((received(uneven, &got) == CodecStatus::kOk));
  BOOST_TEST((received(pictured(limits::kSnapshotSlots + 1, 0), &got) == CodecStatus::kSyntax));
  BOOST_TEST(
      (received(pictured(1, limits::kSnapshotMechanisms + 1), &got) == CodecStatus::kSyntax));
  SecureBuffer der;
  CallArena arena;
  Received message;
  encode_answer(kSnapshotOpcode, CKR_HOST_MEMORY, Envelope{}, &arena, &der);
  BOOST_REQUIRE((decode_message(der.span(), &arena, &message) == CodecStatus::kOk));
  BOOST_TEST((decode_snapshot(message, &arena, &got) == CodecStatus::kAnswer));
}

BOOST_AUTO_TEST_SUITE_END()
