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
 * marshal.h against peers and libraries that lie: broken messages are refused or harmless, nothing
 * is written beyond the application's buffers, and no pointer of a peer's reaches a library.
 */
#include <string>

#include "marshal_fixture.h"
#include "packing.h"

namespace mp11::marshal_test {
namespace {

void clone(const Message& from, Message* to) {
  to->rec = from.rec;
  to->list = from.list;
  to->bytes.clear();
  to->bytes.append(from.bytes.data(), from.bytes.size());
}

/* One change that a hostile peer could make: in the octets, the record or the list. */
void spoil(Random* random, Message* m) {
  size_t size = m->bytes.size();
  switch (random->below(6)) {
    case 0:
      m->bytes.resize(random->below(size + 1));
      return;
    case 1:
      m->bytes.extend(1 + random->below(30));
      return;
    case 2:
      if (size != 0) m->bytes.data()[random->below(size)] ^= static_cast<uint8_t>(random->next());
      return;
    case 3: /* a length or a count becomes a large one */
      if (size >= 8) {
        const uint64_t values[] = {0, 1, UINT64_MAX, UINT64_MAX - 1, 1u << 31, 24, limits::kOutput};
        uint64_t value = values[random->below(std::size(values))];
        std::memcpy(m->bytes.data() + random->below(size - 7), &value, sizeof value);
      }
      return;
    case 4:
      m->rec.handle_count = static_cast<uint32_t>(random->below(limits::kRecordHandles + 1));
      m->rec.number_count = static_cast<uint32_t>(random->below(limits::kRecordNumbers + 1));
      if (random->one_in(2)) m->rec.rv = random->one_in(2) ? CKR_OK : CKR_BUFFER_TOO_SMALL;
      return;
    default:
      m->list.resize(random->below(m->list.size() + 3), random->next());
  }
}

/* Every octet that an unpacked call points to is read, so that AddressSanitizer has its say. */
uint64_t read_template(const CK_ATTRIBUTE* attributes, CK_ULONG count) {
  uint64_t sum = 0;
  for (CK_ULONG i = 0; attributes != nullptr && i < count; i++) {
    const CK_ATTRIBUTE& a = attributes[i];
    if (is_nested(a))
      sum += read_template(static_cast<const CK_ATTRIBUTE*>(a.pValue), a.ulValueLen / sizeof a);
    else if (a.pValue != nullptr && a.ulValueLen <= limits::kMessage)
      for (CK_ULONG o = 0; o < a.ulValueLen; o++) sum += static_cast<const uint8_t*>(a.pValue)[o];
  }
  return sum;
}

uint64_t read_call(const FunctionRow& row, const Words& words) {
  uint64_t sum = 0;
  for (unsigned i = 0; i < row.arg_count; i++) {
    const Word* w = &words.w[row.args[i].first];
    ArgKind kind = row.args[i].kind;
    if (kind == ArgKind::kTemplate || kind == ArgKind::kTemplateInOut)
      sum += read_template(at<CK_ATTRIBUTE>(w[0]), w[1]);
    if ((kind == ArgKind::kBytes || kind == ArgKind::kPin) && w[0] != 0)
      for (Word o = 0; o < w[1]; o++) sum += at<uint8_t>(w[0])[o];
    if (kind == ArgKind::kMechanism && w[0] != 0 && at<CK_MECHANISM>(w[0])->pParameter != nullptr)
      sum += *static_cast<uint8_t*>(at<CK_MECHANISM>(w[0])->pParameter);
  }
  return sum;
}

BOOST_AUTO_TEST_SUITE(marshal_hostile)

BOOST_AUTO_TEST_CASE(broken_calls_are_refused_or_harmless) {
  CallArena arena;
  Message call, broken, reply;
  uint64_t sum = 0;
  unsigned refused = 0, taken = 0;
  for (unsigned f = 0; f < kFunctions240; f++) {
    const FunctionRow& row = kFunctionTable[f];
    if (!carried(row)) continue;
    for (uint64_t seed = 1; seed <= 20; seed++) {
      Application app(f * 1000 + seed);
      app.forbid_big();
      BOOST_REQUIRE(pack_call(row, app.arguments(row), &call) == CKR_OK);
      for (unsigned i = 0; i < 8; i++) {
        clone(call, &broken);
        for (unsigned k = 0; k <= i % 3; k++) spoil(&app.random(), &broken);
        Words words;
        arena.clear();
        if (!unpack_call(row, broken, &arena, &words)) {
          refused++;
          continue;
        }
        taken++;
        sum += read_call(row, words);
        pack_reply(row, words, CKR_OK, &reply);
      }
    }
  }
  BOOST_TEST_MESSAGE(refused << " refused, " << taken << " taken, " << sum);
  BOOST_TEST(refused > taken / 4);
}

/* Buffers of the application have their exact size: one octet beyond is an error of the sanitizer.
 */
BOOST_AUTO_TEST_CASE(broken_replies_are_refused_or_harmless) {
  CallArena arena;
  Message call, reply, broken;
  unsigned refused = 0;
  for (unsigned f = 0; f < kFunctions240; f++) {
    const FunctionRow& row = kFunctionTable[f];
    if (!carried(row)) continue;
    for (uint64_t seed = 1; seed <= 20; seed++) {
      for (unsigned i = 0; i < 6; i++) {
        Application app(f * 1000 + seed);
        app.forbid_big();
        app.truthful();
        Words words = app.arguments(row), theirs;
        BOOST_REQUIRE(pack_call(row, words, &call) == CKR_OK);
        arena.clear();
        BOOST_REQUIRE(unpack_call(row, call, &arena, &theirs));
        pack_reply(row, theirs, CKR_OK, &reply);
        clone(reply, &broken);
        Random random(f * 100000 + seed * 10 + i);
        for (unsigned k = 0; k <= i % 3; k++) spoil(&random, &broken);
        refused += !unpack_reply(row, broken, words);
      }
    }
  }
  BOOST_TEST(refused > 1000u);
}

/* The arguments of C_Encrypt with a buffer, in the library's process. */
struct Encrypt {
  const FunctionRow& row = kFunctionTable[kC_Encrypt];
  std::vector<uint8_t> buffer = std::vector<uint8_t>(32, 0xaa);
  CK_ULONG length = 32;
  Words words{}, theirs{};
  CallArena arena;
  Message call, reply;
  Encrypt() {
    words.w[3] = reinterpret_cast<Word>(buffer.data());
    words.w[4] = reinterpret_cast<Word>(&length);
    BOOST_REQUIRE(pack_call(row, words, &call) == CKR_OK);
    BOOST_REQUIRE(unpack_call(row, call, &arena, &theirs));
  }
  bool untouched() const { return length == 32 && buffer == std::vector<uint8_t>(32, 0xaa); }
};

BOOST_AUTO_TEST_CASE(a_library_that_claims_too_much) {
  for (CK_ULONG lie : {CK_ULONG{33}, CK_ULONG{1} << 40, CK_UNAVAILABLE_INFORMATION}) {
    Encrypt e;
    *at<CK_ULONG>(e.theirs.w[4]) = lie;
    pack_reply(e.row, e.theirs, CKR_OK, &e.reply);
    BOOST_TEST(e.reply.rec.rv == CKR_GENERAL_ERROR);
    BOOST_TEST(e.reply.bytes.empty());
    BOOST_TEST(unpack_reply(e.row, e.reply, e.words));
    BOOST_TEST(e.untouched());
  }
}

BOOST_AUTO_TEST_CASE(an_error_writes_nothing) {
  for (CK_RV rv : {CKR_GENERAL_ERROR, CKR_DEVICE_REMOVED, CKR_ENCRYPTED_DATA_INVALID}) {
    Encrypt e;
    std::memset(at<void>(e.theirs.w[3]), 0x55, 32);
    *at<CK_ULONG>(e.theirs.w[4]) = 7;
    pack_reply(e.row, e.theirs, rv, &e.reply);
    BOOST_TEST(e.reply.bytes.empty());
    BOOST_TEST(unpack_reply(e.row, e.reply, e.words));
    BOOST_TEST(e.untouched());
  }
}

BOOST_AUTO_TEST_CASE(a_list_that_claims_too_much) {
  const FunctionRow& row = kFunctionTable[kC_FindObjects];
  CK_OBJECT_HANDLE found[4] = {9, 9, 9, 9};
  CK_ULONG count = 0;
  Words words{}, theirs;
  words.w[1] = reinterpret_cast<Word>(found);
  words.w[2] = 4;
  words.w[3] = reinterpret_cast<Word>(&count);
  Message call, reply;
  CallArena arena;
  BOOST_REQUIRE(pack_call(row, words, &call) == CKR_OK);
  BOOST_REQUIRE(unpack_call(row, call, &arena, &theirs));
  *at<CK_ULONG>(theirs.w[3]) = 5;
  pack_reply(row, theirs, CKR_OK, &reply);
  BOOST_TEST(reply.rec.rv == CKR_GENERAL_ERROR);
  BOOST_TEST(reply.list.empty());

  /* A peer that says so itself. */
  *at<CK_ULONG>(theirs.w[3]) = 4;
  pack_reply(row, theirs, CKR_OK, &reply);
  BOOST_REQUIRE(reply.list.size() == 4u);
  reply.list.push_back(1);
  BOOST_TEST(!unpack_reply(row, reply, words));
  reply.bytes.data()[1] = 5;
  BOOST_TEST(!unpack_reply(row, reply, words));
}

struct Query {
  const FunctionRow& row = kFunctionTable[kC_GetAttributeValue];
  uint8_t value[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  CK_ATTRIBUTE query{CKA_VALUE, value, sizeof value};
  Words words{}, theirs{};
  CallArena arena;
  Message call, reply;
  Query() {
    words.w[2] = reinterpret_cast<Word>(&query);
    words.w[3] = 1;
    BOOST_REQUIRE(pack_call(row, words, &call) == CKR_OK);
    BOOST_REQUIRE(unpack_call(row, call, &arena, &theirs));
  }
  CK_ATTRIBUTE* theirs_attribute() { return at<CK_ATTRIBUTE>(theirs.w[2]); }
};

/* CKR_OK with a length beyond the buffer: the application would read on behind its buffer. */
BOOST_AUTO_TEST_CASE(an_attribute_that_claims_too_much) {
  Query q;
  q.theirs_attribute()->ulValueLen = 9;
  pack_reply(q.row, q.theirs, CKR_OK, &q.reply);
  BOOST_TEST(q.reply.rec.rv == CKR_GENERAL_ERROR);

  Query p;
  pack_reply(p.row, p.theirs, CKR_BUFFER_TOO_SMALL, &p.reply);
  p.reply.rec.rv = CKR_OK;
  /* count, type, length, shape */
  p.reply.bytes.data()[16] = 9;
  p.reply.bytes.data()[24] = 0;
  p.reply.bytes.resize(25);
  BOOST_TEST(!unpack_reply(p.row, p.reply, p.words));
  BOOST_TEST(p.query.ulValueLen == 8u);
}

BOOST_AUTO_TEST_CASE(success_without_results) {
  Encrypt e;
  pack_reply(e.row, e.theirs, CKR_OK, &e.reply);
  e.reply.bytes.clear();
  PackWriter(&e.reply.bytes).u8(1);
  PackWriter(&e.reply.bytes).u64(3);
  PackWriter(&e.reply.bytes).u8(0);
  BOOST_TEST(!unpack_reply(e.row, e.reply, e.words));
  BOOST_TEST(e.untouched());

  const FunctionRow& random = kFunctionTable[kC_GenerateRandom];
  uint8_t octets[16] = {};
  Words words{};
  words.w[1] = reinterpret_cast<Word>(octets);
  words.w[2] = sizeof octets;
  Message reply;
  reply.rec.function = kC_GenerateRandom;
  PackWriter(&reply.bytes).u8(0);
  BOOST_TEST(!unpack_reply(random, reply, words));

  const FunctionRow& info = kFunctionTable[kC_GetTokenInfo];
  CK_TOKEN_INFO token;
  words = Words{};
  words.w[1] = reinterpret_cast<Word>(&token);
  reply.rec.function = kC_GetTokenInfo;
  BOOST_TEST(!unpack_reply(info, reply, words));
}

BOOST_AUTO_TEST_CASE(a_reply_of_another_function) {
  Encrypt e;
  pack_reply(e.row, e.theirs, CKR_OK, &e.reply);
  BOOST_TEST(!unpack_reply(kFunctionTable[kC_Decrypt], e.reply, e.words));
  BOOST_TEST(!unpack_call(kFunctionTable[kC_Decrypt], e.call, &e.arena, &e.theirs));
}

/*
 * A peer packs by hand, so it can say that the value of CKA_WRAP_TEMPLATE is octets; these hold
 * pointers of its choice, and the library would follow them. The same with an array of a vendor's,
 * of which only the library knows what it holds.
 */
BOOST_AUTO_TEST_CASE(no_pointer_of_a_peer_in_a_template) {
  constexpr CK_ATTRIBUTE_TYPE kVendors = CKA_VENDOR_DEFINED | CKF_ARRAY_ATTRIBUTE | 7;
  for (CK_ATTRIBUTE_TYPE type : {CK_ATTRIBUTE_TYPE{CKA_WRAP_TEMPLATE}, kVendors})
    for (size_t size : {sizeof(CK_ATTRIBUTE), 2 * sizeof(CK_ATTRIBUTE), sizeof(CK_ATTRIBUTE) + 1}) {
      Message call;
      call.rec.function = kC_FindObjectsInit;
      PackWriter out(&call.bytes);
      std::vector<uint8_t> forged(size, 0x41);
      out.u8(1);
      out.u64(1);
      out.u64(type);
      out.u64(size);
      out.u8(1);
      out.raw(forged.data(), size);
      CallArena arena;
      Words words;
      BOOST_TEST(!unpack_call(kFunctionTable[kC_FindObjectsInit], call, &arena, &words));
    }
  /* An application's own, of a length that is none: the library judges a block of zeroes. */
  uint8_t odd[25], array[2 * sizeof(CK_ATTRIBUTE)];
  std::memset(odd, 0x41, sizeof odd);
  std::memset(array, 0x41, sizeof array);
  CallArena vendors_arena;
  CK_ATTRIBUTE vendors{kVendors, array, sizeof array};
  Words words{}, theirs;
  words.w[1] = reinterpret_cast<Word>(&vendors);
  words.w[2] = 1;
  Message carried_call;
  BOOST_REQUIRE(pack_call(kFunctionTable[kC_FindObjectsInit], words, &carried_call) == CKR_OK);
  BOOST_REQUIRE(
      unpack_call(kFunctionTable[kC_FindObjectsInit], carried_call, &vendors_arena, &theirs));
  auto* zeroed = at<CK_ATTRIBUTE>(theirs.w[1]);
  BOOST_TEST(zeroed->ulValueLen == sizeof array);
  for (size_t i = 0; i < sizeof array; i++)
    BOOST_TEST(static_cast<uint8_t*>(zeroed->pValue)[i] == 0);
  CK_ATTRIBUTE a{CKA_WRAP_TEMPLATE, odd, sizeof odd};
  words.w[1] = reinterpret_cast<Word>(&a);
  words.w[2] = 1;
  Message call;
  CallArena arena;
  BOOST_REQUIRE(pack_call(kFunctionTable[kC_FindObjectsInit], words, &call) == CKR_OK);
  BOOST_REQUIRE(unpack_call(kFunctionTable[kC_FindObjectsInit], call, &arena, &theirs));
  auto* unpacked = at<CK_ATTRIBUTE>(theirs.w[1]);
  BOOST_TEST(unpacked->ulValueLen == sizeof odd);
  BOOST_REQUIRE(unpacked->pValue != nullptr);
  for (size_t i = 0; i < sizeof odd; i++)
    BOOST_TEST(static_cast<uint8_t*>(unpacked->pValue)[i] == 0);
}

/*
 * The type of an attribute within a template is the library's to tell. One that makes attributes of
 * octets would have their pointers followed, one that makes octets of attributes would write some.
 */
BOOST_AUTO_TEST_CASE(no_pointer_of_a_peer_in_an_inner_value) {
  constexpr CK_ATTRIBUTE_TYPE kVendors = CKA_VENDOR_DEFINED | CKF_ARRAY_ATTRIBUTE | 7;
  const FunctionRow& row = kFunctionTable[kC_GetAttributeValue];
  struct Case {
    CK_ATTRIBUTE_TYPE asked, told;
    uint8_t shape;
    CK_RV rv;
    bool taken;
  };
  for (const Case& c : {Case{CKA_VALUE, CKA_UNWRAP_TEMPLATE, 2, CKR_OK, false},
                        Case{CKA_UNWRAP_TEMPLATE, CKA_VALUE, 1, CKR_OK, false},
                        Case{CKA_VALUE, CKA_UNWRAP_TEMPLATE, 0, CKR_OK, false},
                        Case{CKA_VALUE, kVendors, 1, CKR_OK, false},
                        Case{CKA_UNWRAP_TEMPLATE, kVendors, 1, CKR_OK, false},
                        Case{CKA_VALUE, CKA_UNWRAP_TEMPLATE, 0, CKR_BUFFER_TOO_SMALL, true},
                        Case{CKA_VALUE, CKA_LABEL, 1, CKR_OK, true},
                        Case{CKA_UNWRAP_TEMPLATE, CKA_DERIVE_TEMPLATE, 2, CKR_OK, true}}) {
    const bool attributes = attribute_kind(c.asked) == AttrKind::kTemplate;
    uint8_t victim[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    /* Of the application's, or what it has from a value that it read before. */
    CK_ATTRIBUTE content{CKA_LABEL, victim, sizeof victim};
    CK_ATTRIBUTE inner{c.asked, &content, sizeof content};
    CK_ATTRIBUTE query{CKA_WRAP_TEMPLATE, &inner, sizeof inner};
    Words words{};
    words.w[2] = reinterpret_cast<Word>(&query);
    words.w[3] = 1;
    Message reply;
    reply.rec.function = kC_GetAttributeValue;
    reply.rec.rv = static_cast<decltype(reply.rec.rv)>(c.rv);
    PackWriter out(&reply.bytes);
    out.u64(1);
    out.u64(CKA_WRAP_TEMPLATE);
    out.u64(sizeof inner);
    out.u8(2);
    out.u64(1);
    out.u64(c.told);
    out.u64(sizeof content);
    out.u8(c.shape);
    const uint8_t forged[sizeof content] = {0x41, 0x41};
    if (c.shape == 1) out.raw(forged, sizeof forged);
    if (c.shape == 2) {
      out.u64(1);
      out.u64(CKA_LABEL);
      out.u64(sizeof victim);
      out.u8(1);
      out.raw(forged, sizeof victim);
    }
    const std::string which = std::to_string(c.asked) + " told " + std::to_string(c.told);
    BOOST_TEST(unpack_reply(row, reply, words) == c.taken, which);
    if (c.taken && attributes == (c.shape == 2))
      BOOST_TEST((inner.type == c.told) == (c.shape != 0));
    if (!c.taken || c.shape == 0) {
      BOOST_TEST(inner.type == c.asked, which);
      BOOST_TEST(content.pValue == victim, which);
    }
    BOOST_TEST((victim[0] == 1) == (c.shape != 2 || !c.taken), which);
  }
}

/* Nor in a parameter: a structure is never taken as octets, nor in a length that is not its own. */
/* Nor in the answer to a query of an array of a vendor's: what it holds is not told. */
BOOST_AUTO_TEST_CASE(no_pointer_of_a_library_in_a_vendors_array) {
  constexpr CK_ATTRIBUTE_TYPE kVendors = CKA_VENDOR_DEFINED | CKF_ARRAY_ATTRIBUTE | 7;
  const FunctionRow& row = kFunctionTable[kC_GetAttributeValue];
  CK_ATTRIBUTE own[1], before[1];
  char inner[8] = "inner", id[4];
  own[0] = before[0] = {CKA_LABEL, inner, sizeof inner};
  CK_ATTRIBUTE query[] = {{kVendors, own, sizeof own}, {CKA_ID, id, sizeof id}};
  Words words{}, theirs;
  words.w[0] = words.w[1] = 1;
  words.w[2] = reinterpret_cast<Word>(query);
  words.w[3] = 2;
  Message call, reply;
  CallArena arena;
  BOOST_REQUIRE(pack_call(row, words, &call) == CKR_OK);
  BOOST_REQUIRE(unpack_call(row, call, &arena, &theirs));
  auto* there = at<CK_ATTRIBUTE>(theirs.w[2]);
  auto* array = static_cast<CK_ATTRIBUTE*>(there[0].pValue);
  BOOST_TEST(array->pValue == nullptr); /* it gets none of the application's either */
  *array = {CKA_LABEL, array, 0x4141};  /* and has its own */
  std::memcpy(there[1].pValue, "x", there[1].ulValueLen = 1);
  pack_reply(row, theirs, CKR_OK, &reply);
  BOOST_TEST(reply.rec.rv == CKR_ATTRIBUTE_TYPE_INVALID);
  BOOST_REQUIRE(unpack_reply(row, reply, words));
  BOOST_TEST(query[0].ulValueLen == CK_UNAVAILABLE_INFORMATION);
  BOOST_TEST(std::memcmp(own, before, sizeof own) == 0);
  BOOST_TEST(query[1].ulValueLen == 1u);
  BOOST_TEST(id[0] == 'x');
  /* Who packs by hand is refused. */
  for (CK_RV rv : {CKR_OK, CKR_ATTRIBUTE_TYPE_INVALID, CKR_BUFFER_TOO_SMALL}) {
    query[0].ulValueLen = sizeof own;
    query[1].ulValueLen = sizeof id;
    reply.clear();
    reply.rec.function = row.number;
    reply.rec.rv = rv;
    const std::vector<uint8_t> forged(sizeof own, 0x41);
    PackWriter out(&reply.bytes);
    out.u64(2);
    out.u64(kVendors);
    out.u64(sizeof own);
    out.u8(1);
    out.raw(forged.data(), forged.size());
    out.u64(CKA_ID);
    out.u64(1);
    out.u8(1);
    out.raw("x", 1);
    BOOST_TEST(!unpack_reply(row, reply, words));
    BOOST_TEST(std::memcmp(own, before, sizeof own) == 0);
  }
  /* The length alone is. */
  query[0] = {kVendors, nullptr, 0};
  query[1].ulValueLen = sizeof id;
  BOOST_REQUIRE(pack_call(row, words, &call) == CKR_OK);
  arena.clear();
  BOOST_REQUIRE(unpack_call(row, call, &arena, &theirs));
  at<CK_ATTRIBUTE>(theirs.w[2])[0].ulValueLen = 48;
  at<CK_ATTRIBUTE>(theirs.w[2])[1].ulValueLen = 0;
  pack_reply(row, theirs, CKR_OK, &reply);
  BOOST_TEST(reply.rec.rv == CKR_OK);
  BOOST_REQUIRE(unpack_reply(row, reply, words));
  BOOST_TEST(query[0].ulValueLen == 48u);
}

BOOST_AUTO_TEST_CASE(no_pointer_of_a_peer_in_a_parameter) {
  for (const MechanismRow& row : mechanism_rows()) {
    if (row.form == ParamForm::kOctets) continue;
    Message call;
    call.rec.function = kC_DigestInit;
    PackWriter out(&call.bytes);
    uint8_t forged[64];
    std::memset(forged, 0x41, sizeof forged);
    out.u8(2); /* octets */
    out.u64(row.type);
    out.octets(forged, sizeof forged);
    CallArena arena;
    Words words;
    BOOST_TEST(!unpack_call(kFunctionTable[kC_DigestInit], call, &arena, &words), row.name);
  }
}

/* A small message must not make the other side allocate much. */
BOOST_AUTO_TEST_CASE(blank_blocks_are_bounded) {
  Message call;
  call.rec.function = kC_FindObjectsInit;
  PackWriter out(&call.bytes);
  out.u8(1);
  out.u64(limits::kAttributes);
  for (size_t i = 0; i < limits::kAttributes; i++) {
    out.u64(CKA_WRAP_TEMPLATE);
    out.u64(1u << 20);
    out.u8(3);
  }
  CallArena arena;
  Words words;
  BOOST_TEST(!unpack_call(kFunctionTable[kC_FindObjectsInit], call, &arena, &words));
}

BOOST_AUTO_TEST_CASE(depth_is_bounded) {
  for (size_t depth : {size_t{limits::kDepth}, size_t{limits::kDepth} + 1}) {
    Message call;
    call.rec.function = kC_FindObjectsInit;
    PackWriter out(&call.bytes);
    out.u8(1);
    out.u64(1);
    for (size_t i = 0; i < depth; i++) {
      out.u64(CKA_WRAP_TEMPLATE);
      out.u64(sizeof(CK_ATTRIBUTE));
      out.u8(2);
      out.u64(1);
    }
    out.u64(CKA_LABEL);
    out.u64(0);
    out.u8(0);
    CallArena arena;
    Words words;
    BOOST_TEST(unpack_call(kFunctionTable[kC_FindObjectsInit], call, &arena, &words) ==
               (depth <= limits::kDepth));
  }
}

BOOST_AUTO_TEST_CASE(arena_memory_is_aligned_zeroed_and_remembers_its_room) {
  CallArena arena;
  for (unsigned round = 0; round < 3; round++) {
    Random random(round + 1);
    for (unsigned i = 0; i < 200; i++) {
      size_t size = random.one_in(50) ? random.below(300'000) : random.below(2000);
      bool out = random.one_in(2);
      auto* p = static_cast<uint8_t*>(out ? arena.allocate_out(size) : arena.allocate(size));
      BOOST_REQUIRE(reinterpret_cast<uintptr_t>(p) % 16 == 0);
      BOOST_REQUIRE(std::all_of(p, p + size, [](uint8_t octet) { return octet == 0; }));
      std::memset(p, 0xff, size);
      if (out) BOOST_REQUIRE(CallArena::room(p) == size);
    }
    arena.clear();
  }
  BOOST_CHECK_THROW(arena.allocate(SIZE_MAX - 3), std::bad_alloc);
  BOOST_CHECK_THROW(arena.allocate_out(SIZE_MAX), std::bad_alloc);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace mp11::marshal_test
