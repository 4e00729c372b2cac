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
 * What is answered from a snapshot. If these failed, an application would be told of a token that
 * is no more, or of one that is not there yet; or not what PKCS #11 has for NULL and small buffers.
 */
#include "slot_picture.h"

#include <algorithm>
#include <boost/test/unit_test.hpp>

using namespace mp11;

namespace {

constexpr uint64_t kMs = 1000000;
using Says = SlotPicture::Says;

template <class T>
Word word(T* p) {
  return reinterpret_cast<Word>(p);
}

struct Fixture {
  Fixture() {
    BOOST_TEST((take(kC_Initialize, {}) == Says::kNothing));
    picture.asked(now);
    Snapshot snapshot;
    snapshot.info.flags = 77;
    for (const CK_SLOT_ID id : {5, 6, 7}) {
      SlotSnapshot one;
      one.id = id;
      one.info.flags = id == 6 ? 0 : CKF_TOKEN_PRESENT;
      if (id == 5) {
        one.token.emplace().ulMaxPinLen = 55;
        one.mechanisms = {CKM_RSA_PKCS, CKM_ECDSA};
        one.infos = {{512, 4096, CKF_SIGN}, {256, 521, CKF_SIGN}};
      }
      snapshot.slots.push_back(one);
    }
    picture.came(std::move(snapshot));
  }
  Says take(FunctionNumber function, const Words& words) {
    return picture.take(kFunctionTable[function], words, now, &rv);
  }
  bool tells_slots() { return take(kC_GetSlotInfo, {{5, word(&slot)}}) == Says::kAnswer; }
  bool tells_mechanisms() {
    return take(kC_GetMechanismList, {{5, 0, word(&count)}}) == Says::kAnswer;
  }

  SlotPicture picture;
  uint64_t now = 9000 * kMs;
  CK_RV rv = CKR_OK;
  CK_SLOT_INFO slot = {};
  CK_TOKEN_INFO token = {};
  CK_ULONG count = 0, list[4] = {};
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(slot_picture, Fixture)

BOOST_AUTO_TEST_CASE(lists) {
  BOOST_TEST((take(kC_GetSlotList, {{CK_FALSE, 0, word(&count)}}) == Says::kAnswer));
  BOOST_TEST(count == 3u);
  count = 2;
  BOOST_TEST((take(kC_GetSlotList, {{CK_FALSE, word(list), word(&count)}}) == Says::kAnswer));
  BOOST_TEST(rv == CKR_BUFFER_TOO_SMALL);
  BOOST_TEST(count == 3u);
  BOOST_TEST(list[0] == 0u);
  count = 2;
  BOOST_TEST((take(kC_GetSlotList, {{CK_TRUE, word(list), word(&count)}}) == Says::kAnswer));
  BOOST_TEST(rv == CKR_OK);
  BOOST_TEST(count == 2u);
  BOOST_TEST(list[0] == 5u);
  BOOST_TEST(list[1] == 7u);
  count = 4;
  BOOST_TEST((take(kC_GetMechanismList, {{5, word(list), word(&count)}}) == Says::kAnswer));
  BOOST_TEST(count == 2u);
  BOOST_TEST(list[1] == CKM_ECDSA);
}

BOOST_AUTO_TEST_CASE(infos) {
  CK_INFO info = {};
  CK_MECHANISM_INFO mechanism = {};
  BOOST_TEST((take(kC_GetInfo, {{word(&info)}}) == Says::kAnswer));
  BOOST_TEST(info.flags == 77u);
  BOOST_TEST((take(kC_GetSlotInfo, {{6, word(&slot)}}) == Says::kAnswer));
  BOOST_TEST(slot.flags == 0u);
  BOOST_TEST((take(kC_GetTokenInfo, {{5, word(&token)}}) == Says::kAnswer));
  BOOST_TEST(token.ulMaxPinLen == 55u);
  BOOST_TEST((take(kC_GetMechanismInfo, {{5, CKM_ECDSA, word(&mechanism)}}) == Says::kAnswer));
  BOOST_TEST(mechanism.ulMaxKeySize == 521u);
}

BOOST_AUTO_TEST_CASE(what_the_server_judges) {
  CK_MECHANISM_INFO mechanism = {};
  BOOST_TEST((take(kC_GetInfo, {{0}}) == Says::kNothing));
  BOOST_TEST((take(kC_GetSlotList, {{CK_FALSE, word(list), 0}}) == Says::kNothing));
  BOOST_TEST((take(kC_GetSlotInfo, {{5, 0}}) == Says::kNothing));
  BOOST_TEST((take(kC_GetSlotInfo, {{8, word(&slot)}}) == Says::kNothing));
  BOOST_TEST((take(kC_GetTokenInfo, {{5, 0}}) == Says::kNothing));
  BOOST_TEST((take(kC_GetTokenInfo, {{6, word(&token)}}) == Says::kNothing)); /* no token */
  BOOST_TEST((take(kC_GetTokenInfo, {{7, word(&token)}}) == Says::kNothing)); /* not known */
  BOOST_TEST((take(kC_GetMechanismList, {{7, 0, word(&count)}}) == Says::kNothing));
  BOOST_TEST((take(kC_GetMechanismList, {{5, 0, 0}}) == Says::kNothing));
  BOOST_TEST((take(kC_GetMechanismInfo, {{5, CKM_SHA256, word(&mechanism)}}) == Says::kNothing));
  BOOST_TEST((take(kC_GetMechanismInfo, {{5, CKM_ECDSA, 0}}) == Says::kNothing));
}

BOOST_AUTO_TEST_CASE(how_long) {
  now += 999 * kMs;
  BOOST_TEST(tells_slots());
  now += kMs;
  BOOST_TEST(!tells_slots());
  BOOST_TEST(tells_mechanisms());
  now += 9000 * kMs;
  BOOST_TEST(!tells_mechanisms());
}

BOOST_AUTO_TEST_CASE(until_another_call) {
  BOOST_TEST(tells_slots());
  BOOST_TEST((take(kC_OpenSession, {{5, 4, 0, 0, 0}}) == Says::kNothing));
  BOOST_TEST(!tells_slots());
  BOOST_TEST((take(kC_GetSlotList, {{CK_FALSE, 0, word(&count)}}) == Says::kNothing));
  BOOST_TEST((take(kC_GetTokenInfo, {{5, word(&token)}}) == Says::kNothing));
  BOOST_TEST(tells_mechanisms());
  for (const FunctionNumber function : {kC_InitToken, kC_WaitForSlotEvent}) {
    Fixture other;
    BOOST_TEST(other.tells_mechanisms());
    BOOST_TEST((other.take(function, {{5}}) == Says::kNothing));
    BOOST_TEST(!other.tells_mechanisms());
    BOOST_TEST(!other.tells_slots());
  }
}

BOOST_AUTO_TEST_CASE(one_that_is_on_its_way) {
  CK_INFO info;
  picture = {};
  BOOST_TEST(!tells_slots());
  picture.asked(now);
  BOOST_TEST((take(kC_GetSlotInfo, {{5, word(&slot)}}) == Says::kWait));
  BOOST_TEST((take(kC_OpenSession, {{5}}) == Says::kNothing)); /* which waits for nothing */
  BOOST_TEST((take(kC_GetSlotInfo, {{5, word(&slot)}}) == Says::kNothing));
  BOOST_TEST((take(kC_GetMechanismList, {{5, 0, word(&count)}}) == Says::kWait));
  now += 500 * kMs;
  picture.begins(now);
  BOOST_TEST(picture.due_ns() == now + 1000 * kMs);
  now += 1000 * kMs;
  BOOST_TEST((take(kC_GetMechanismList, {{5, 0, word(&count)}}) == Says::kNothing));
  picture.came(std::nullopt);
  BOOST_TEST(!tells_mechanisms());
  picture.asked(now);
  BOOST_TEST((take(kC_InitToken, {{5}}) == Says::kNothing));
  picture.came(Snapshot{});
  BOOST_TEST((take(kC_GetInfo, {{word(&info)}}) == Says::kNothing)); /* it is of the time before */
}

BOOST_AUTO_TEST_SUITE_END()
