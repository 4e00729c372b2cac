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
 * What is answered without the server. If these failed, an application would be told what is no
 * more so, or not what the server would have said.
 */
#include "foresight.h"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstring>

using namespace mp11;

namespace {

constexpr uint64_t kMs = 1000000;
constexpr CK_SLOT_ID kSlot = 3;
using Way = Foresight::Way;
using Handles = std::vector<CK_OBJECT_HANDLE>;

template <class T>
Word word(T* p) {
  return reinterpret_cast<Word>(p);
}

/* One call, whose words are the test's. */
struct Call {
  Call(FunctionNumber function, const Words& arguments) : words(arguments) {
    asking.row = &kFunctionTable[function];
    asking.words = &words;
  }
  Call(const Call&) = delete;
  Words words;
  Foresight::Asking asking;
};

struct Fixture {
  Fixture() {
    foresight.use(true, true);
    open(1);
    open(2);
  }
  void open(CK_SESSION_HANDLE handle, CK_SLOT_ID slot = kSlot) {
    Call call(kC_OpenSession, {{slot, 4, 0, 0, word(&handle)}});
    BOOST_REQUIRE((take(&call) == Way::kServer));
    came(&call, CKR_OK);
  }
  Way take(Call* call, bool may_post = true) {
    return foresight.take(&call->asking, may_post, now);
  }
  void came(Call* call, CK_RV rv) { foresight.came(&call->asking, rv, now); }
  /* Made, and answered by the server. */
  void pass(FunctionNumber function, const Words& words, CK_RV rv = CKR_OK) {
    Call call(function, words);
    BOOST_REQUIRE((take(&call) == Way::kServer));
    came(&call, rv);
  }

  /* ---- searches ---- */

  void search(CK_SESSION_HANDLE session, const Handles& handles, bool complete) {
    Call init(kC_FindObjectsInit, {{session, 0, 0}});
    BOOST_REQUIRE((take(&init) == Way::kServer));
    BOOST_TEST(init.asking.ahead.eager == limits::kEagerHandles);
    init.asking.ahead.found = true;
    init.asking.ahead.handles = handles;
    init.asking.ahead.complete = complete;
    came(&init, CKR_OK);
  }
  /* What the application gets; the server, if it is asked, finds those. */
  Handles find(CK_SESSION_HANDLE session, CK_ULONG most, std::optional<Handles> server = {},
               CK_RV rv = CKR_OK) {
    Handles to(most);
    CK_ULONG count = 0;
    Call call(kC_FindObjects, {{session, word(to.data()), most, word(&count)}});
    const Way way = take(&call);
    BOOST_TEST((way == (server ? Way::kServer : Way::kHere)));
    if (way == Way::kServer) {
      BOOST_REQUIRE(server->size() <= call.words.w[2]);
      std::ranges::copy(*server, reinterpret_cast<CK_OBJECT_HANDLE*>(call.words.w[1]));
      if (rv == CKR_OK) count = server->size();
      came(&call, rv);
      BOOST_TEST(call.words.w[1] == word(to.data()));
      BOOST_TEST(call.words.w[2] == most);
    }
    to.resize(count);
    return to;
  }
  Way final(CK_SESSION_HANDLE session, bool may_post = true) {
    Call call(kC_FindObjectsFinal, {{session}});
    const Way way = take(&call, may_post);
    if (way == Way::kServer) came(&call, CKR_OK);
    return way;
  }

  /* ---- values ---- */

  /* Asks for the length of CKA_ID; "abc" comes with it. */
  void ask_length(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object) {
    CK_ATTRIBUTE id = {CKA_ID, nullptr, 0};
    Call call(kC_GetAttributeValue, {{session, object, word(&id), 1}});
    BOOST_REQUIRE((take(&call) == Way::kServer));
    BOOST_TEST(call.asking.ahead.eager == limits::kEagerOctets);
    answer_length(&call, &id);
  }
  void answer_length(Call* call, CK_ATTRIBUTE* id) {
    static char value[] = "abc";
    id->ulValueLen = 3;
    call->asking.ahead.values = {{CKA_ID, value, 3}};
    came(call, CKR_OK);
  }
  /* Then for the value. Whether it came from here. */
  bool knows(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ULONG room = 10,
             CK_ATTRIBUTE_TYPE type = CKA_ID) {
    char value[10] = {};
    CK_ATTRIBUTE id = {type, value, room};
    Call call(kC_GetAttributeValue, {{session, object, word(&id), 1}});
    const Way way = take(&call);
    BOOST_TEST(call.asking.ahead.eager == 0u);
    if (way == Way::kServer) {
      came(&call, CKR_OK);
      return false;
    }
    BOOST_TEST(id.ulValueLen == 3u);
    BOOST_TEST(std::string(value) == "abc");
    return true;
  }

  Foresight foresight;
  uint64_t now = 5000 * kMs;
};

const Handles kNone;

}  // namespace

BOOST_FIXTURE_TEST_SUITE(foresight, Fixture)

BOOST_AUTO_TEST_CASE(a_search_in_one) {
  search(1, {5, 6, 7}, true);
  BOOST_TEST(find(1, 2) == (Handles{5, 6}), boost::test_tools::per_element());
  BOOST_TEST(find(1, 2) == (Handles{7}), boost::test_tools::per_element());
  BOOST_TEST(find(1, 2) == kNone);
  BOOST_TEST(find(1, 1) == kNone);
  BOOST_TEST((final(1) == Way::kBoth));
  BOOST_TEST((final(1) == Way::kServer)); /* whose library has an answer to the second */
}

BOOST_AUTO_TEST_CASE(what_is_missing_is_fetched) {
  search(1, {5, 6, 7}, false);
  BOOST_TEST(find(1, 2) == (Handles{5, 6}), boost::test_tools::per_element());
  BOOST_TEST(find(1, 3, Handles{8, 9}) == (Handles{7, 8, 9}), boost::test_tools::per_element());
  BOOST_TEST(find(1, 3, Handles{}) == kNone);
  search(1, {5}, false);
  BOOST_TEST(find(1, 2, Handles{}, CKR_DEVICE_ERROR) == kNone);
  BOOST_TEST(find(1, 1) == (Handles{5}), boost::test_tools::per_element()); /* nothing is lost */
  BOOST_TEST((final(1) == Way::kServer)); /* who knows what is left of it there */
}

BOOST_AUTO_TEST_CASE(what_the_library_judges) {
  search(1, {5}, true);
  CK_OBJECT_HANDLE to;
  CK_ULONG count;
  pass(kC_FindObjects, {{1, 0, 1, word(&count)}}, CKR_ARGUMENTS_BAD);
  pass(kC_FindObjects, {{1, word(&to), 1, 0}}, CKR_ARGUMENTS_BAD);
  count = 0;
  pass(kC_FindObjects, {{1, word(&to), 0, word(&count)}});
  find(2, 1, Handles{}, CKR_OPERATION_NOT_INITIALIZED);
  Call again(kC_FindObjectsInit, {{1, 0, 0}});
  BOOST_TEST((take(&again) == Way::kServer));
  came(&again, CKR_OPERATION_ACTIVE);
  BOOST_TEST(find(1, 1) == (Handles{5}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(an_end_that_is_waited_for) {
  search(1, {}, true);
  BOOST_TEST((final(1, false) == Way::kServer));
  search(1, {}, true);
  pass(kC_Logout, {{2}}); /* a library may end searches then */
  BOOST_TEST((final(1) == Way::kServer));
  BOOST_TEST((final(2) == Way::kServer));
  search(1, {}, true);
  pass(kC_GetSessionInfo, {{1, 0}}, CKR_SESSION_HANDLE_INVALID);
  BOOST_TEST((final(1) == Way::kServer));
  search(1, {}, true);
  Call flying(kC_GenerateRandom, {{1, 0, 0}});
  take(&flying);
  BOOST_TEST((final(1) == Way::kServer));
}

BOOST_AUTO_TEST_CASE(handles_go_with_their_session) {
  search(1, {5}, true);
  search(2, {6}, true);
  pass(kC_CloseSession, {{1}}, CKR_DEVICE_ERROR);
  BOOST_TEST(find(1, 1) == (Handles{5}), boost::test_tools::per_element());
  search(1, {5}, true);
  pass(kC_CloseSession, {{1}});
  find(1, 1, kNone, CKR_SESSION_HANDLE_INVALID);
  pass(kC_CloseAllSessions, {{kSlot + 1}});
  open(4, kSlot + 1);
  search(4, {8}, true);
  pass(kC_CloseAllSessions, {{kSlot}});
  find(2, 1, kNone, CKR_SESSION_HANDLE_INVALID);
  BOOST_TEST(find(4, 1) == (Handles{8}), boost::test_tools::per_element());
  open(4); /* the number again */
  find(4, 1, kNone, CKR_OPERATION_NOT_INITIALIZED);
}

BOOST_AUTO_TEST_CASE(a_value_behind_its_length) {
  ask_length(1, 9);
  BOOST_TEST(knows(1, 9));
  BOOST_TEST(!knows(1, 9)); /* once */
}

BOOST_AUTO_TEST_CASE(a_value_for_the_next_call_alone) {
  ask_length(1, 9);
  BOOST_TEST(!knows(1, 8)); /* another object */
  BOOST_TEST(!knows(1, 9));
  ask_length(1, 9);
  BOOST_TEST(!knows(1, 9, 10, CKA_LABEL));
  ask_length(1, 9);
  BOOST_TEST(!knows(1, 9, 2)); /* too little room: the library says what is to be said */
  ask_length(1, 9);
  BOOST_TEST(!knows(2, 9)); /* another session, which sees the object as it likes */
  BOOST_TEST(knows(1, 9));
  ask_length(1, 9);
  pass(kC_GetSessionInfo, {{1, 0}});
  BOOST_TEST(!knows(1, 9));
  ask_length(1, 9);
  now += 1001 * kMs;
  BOOST_TEST(!knows(1, 9));
  foresight.use(false, true);
  CK_ATTRIBUTE id = {CKA_ID, nullptr, 0};
  Call call(kC_GetAttributeValue, {{1, 9, word(&id), 1}});
  take(&call);
  BOOST_TEST(call.asking.ahead.eager == 0u);
}

BOOST_AUTO_TEST_CASE(what_may_change_it) {
  for (const FunctionNumber function :
       {kC_SetAttributeValue, kC_CreateObject, kC_CopyObject, kC_DestroyObject, kC_GenerateKey,
        kC_GenerateKeyPair, kC_UnwrapKey, kC_DeriveKey, kC_Login, kC_Logout, kC_SetPIN, kC_InitPIN,
        kC_CloseSession, kC_SetOperationState, kC_LoginUser, kC_SessionCancel}) {
    ask_length(1, 9);
    pass(function, {{2}}, CKR_DEVICE_ERROR); /* whether it succeeds or not */
    BOOST_TEST(!knows(1, 9), kFunctionTable[function].name);
  }
  for (const FunctionNumber function : {kC_InitToken, kC_CloseAllSessions, kC_WaitForSlotEvent}) {
    ask_length(1, 9);
    pass(function, {{kSlot + 1}}, CKR_DEVICE_ERROR);
    BOOST_TEST(!knows(1, 9), kFunctionTable[function].name);
  }
  ask_length(1, 9);
  pass(kC_Digest, {{2}});
  BOOST_TEST(knows(1, 9)); /* and what does not */
}

/* Between the question and its answer, which tells of the time before or of that after. */
BOOST_AUTO_TEST_CASE(what_changes_it_meanwhile) {
  CK_ATTRIBUTE id = {CKA_ID, nullptr, 0};
  const Words words = {{1, 9, word(&id), 1}};
  Call length(kC_GetAttributeValue, words);
  take(&length);
  pass(kC_SetAttributeValue, {{2, 9, 0, 0}});
  answer_length(&length, &id);
  BOOST_TEST(!knows(1, 9));
  id.ulValueLen = 0;
  Call set(kC_SetAttributeValue, {{2, 9, 0, 0}}), second(kC_GetAttributeValue, words);
  take(&set);
  take(&second);
  answer_length(&second, &id);
  came(&set, CKR_OK);
  BOOST_TEST(!knows(1, 9));
  Call other(kC_Digest, {{1}}), third(kC_GetAttributeValue, words); /* a thread in the session */
  take(&third);
  take(&other);
  answer_length(&third, &id);
  came(&other, CKR_OK);
  BOOST_TEST(!knows(1, 9));
}

BOOST_AUTO_TEST_CASE(answers_that_are_none_of_success) {
  char a[] = "abc";
  auto ask = [&] {
    CK_ATTRIBUTE asked[] = {{CKA_ID, nullptr, 0}, {CKA_VALUE, nullptr, 0}, {CKA_LABEL, nullptr, 0}};
    Call call(kC_GetAttributeValue, {{1, 9, word(asked), 3}});
    take(&call);
    asked[0].ulValueLen = 3;
    asked[1].ulValueLen = CK_UNAVAILABLE_INFORMATION;
    asked[2].ulValueLen = 0;
    call.asking.ahead.values = {{CKA_ID, a, 3}, {}, {CKA_LABEL, a, 0}};
    came(&call, CKR_ATTRIBUTE_SENSITIVE);
  };
  ask();
  /* Part of it has an answer that only the library knows. */
  BOOST_TEST(!knows(1, 9));
  ask();
  char to[3][4] = {};
  CK_ATTRIBUTE again[] = {{CKA_ID, to[0], 4}, {CKA_VALUE, to[1], 4}, {CKA_LABEL, to[2], 4}};
  Call call(kC_GetAttributeValue, {{1, 9, word(again), 3}});
  BOOST_REQUIRE((take(&call) == Way::kHere));
  BOOST_TEST(call.asking.answer == CKR_ATTRIBUTE_SENSITIVE);
  BOOST_TEST(again[1].ulValueLen == CK_UNAVAILABLE_INFORMATION);
  BOOST_TEST(std::string(to[0]) == "abc");
}

/* ---- lengths of results ---- */

BOOST_AUTO_TEST_CASE(the_length_of_a_signature) {
  uint8_t data[4] = {}, to[4];
  CK_ULONG length = 0;
  const Words query = {{1, word(data), 4, 0, word(&length)}};
  auto begin = [&](FunctionNumber function, CK_RV rv = CKR_OK) {
    Call init(function, {{1, 0, 9}});
    BOOST_REQUIRE((take(&init) == Way::kServer));
    init.asking.ahead.output_len = 256;
    came(&init, rv);
  };
  auto here = [&](FunctionNumber function, const Words& words) {
    Call call(function, words);
    const Way way = take(&call);
    if (way == Way::kServer) came(&call, CKR_OK);
    return way == Way::kHere;
  };
  begin(kC_SignInit);
  BOOST_TEST(here(kC_Sign, query));
  BOOST_TEST(length == 256u);
  BOOST_TEST(!here(kC_Sign, query)); /* the next call alone */
  begin(kC_EncryptInit);
  BOOST_TEST(here(kC_Encrypt, query));
  begin(kC_SignInit);
  BOOST_TEST(!here(kC_Encrypt, query)); /* not begun */
  begin(kC_SignInit);
  BOOST_TEST(!here(kC_Sign, {{1, 0, 4, 0, word(&length)}}));
  begin(kC_SignInit);
  BOOST_TEST(!here(kC_Sign, {{1, word(data), 4, 0, 0}}));
  begin(kC_SignInit);
  BOOST_TEST(!here(kC_Sign, {{1, word(data), 4, word(to), word(&length)}}));
  begin(kC_SignInit, CKR_KEY_HANDLE_INVALID);
  BOOST_TEST(!here(kC_Sign, query));
  begin(kC_SignInit);
  pass(kC_Logout, {{2}});
  BOOST_TEST(!here(kC_Sign, query));
  begin(kC_SignInit);
  now += 1000 * kMs;
  BOOST_TEST(!here(kC_Sign, query));
  foresight.use(true, false);
  begin(kC_SignInit);
  BOOST_TEST(!here(kC_Sign, query));
}

/* A length that is not told for want of room is another thing than one that nobody tells. */
BOOST_AUTO_TEST_CASE(a_buffer_that_was_too_small) {
  char text[] = "abc", to[8] = {};
  for (const CK_RV rv : {CKR_ATTRIBUTE_TYPE_INVALID, CKR_OK}) {
    CK_ATTRIBUTE asked[] = {{CKA_ID, nullptr, 0}, {CKA_LABEL, to, 1}};
    Call first(kC_GetAttributeValue, {{1, 9, word(asked), 2}});
    take(&first);
    asked[0].ulValueLen = 3;
    asked[1].ulValueLen = CK_UNAVAILABLE_INFORMATION;
    first.asking.ahead.values = {{CKA_ID, text, 3}, {}};
    came(&first, rv);
    CK_ATTRIBUTE again[] = {{CKA_ID, to, 4}, {CKA_LABEL, to + 4, 4}};
    Call second(kC_GetAttributeValue, {{1, 9, word(again), 2}});
    BOOST_TEST((take(&second) == Way::kServer));
    came(&second, CKR_OK);
  }
  /* Its value, with success, has come with the other's. */
  CK_ATTRIBUTE asked[] = {{CKA_ID, nullptr, 0}, {CKA_LABEL, text, 3}};
  Call first(kC_GetAttributeValue, {{1, 9, word(asked), 2}});
  take(&first);
  asked[0].ulValueLen = 3;
  first.asking.ahead.values = {{CKA_ID, text, 3}, {}};
  came(&first, CKR_OK);
  CK_ATTRIBUTE again[] = {{CKA_ID, to, 4}, {CKA_LABEL, to + 4, 4}};
  Call second(kC_GetAttributeValue, {{1, 9, word(again), 2}});
  BOOST_TEST((take(&second) == Way::kHere));
  BOOST_TEST(std::string(to + 4, 3) == "abc");
}

BOOST_AUTO_TEST_CASE(values_do_not_stay) {
  BOOST_TEST(foresight.expire(now) == UINT64_MAX);
  ask_length(1, 9);
  const uint64_t due = foresight.expire(now);
  BOOST_TEST(due == now + 1000 * kMs);
  BOOST_TEST(foresight.expire(due) == UINT64_MAX);
}

BOOST_AUTO_TEST_SUITE_END()
