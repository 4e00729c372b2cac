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
/* For the tests of tokens of several layers: one of three layers on two backends. */
#pragma once
#include <set>

#include "session_fixture.h"

namespace mp11::session_test {

/*
 * Slot 1: "mine" of backend 0 above "ours" of backend 1, which is read-only, above "all" of the
 * same backend, where nobody logs in. Slot 2: "mine" is not there, only "other" of backend 0.
 */
struct Layered : World {
  explicit Layered(uint32_t second = kLayerReadOnly, uint32_t first = 0)
      : World(Plans{{backend_plan(0), backend_plan(1)},
                    {layered_plan(1, "Mine and ours",
                                  {layer_plan(0, "mine", first), layer_plan(1, "ours", second),
                                   layer_plan(1, "all", kLayerReadOnly, kPinNone)}),
                     token_plan(2, 0, 0, "other")}}) {
    processes[0] = process({{10, "mine", "7777777777777777", "1234", {CKM_RSA_PKCS, CKM_SHA256}},
                            {11, "other", "7777777777777777", "", {CKM_RSA_PKCS}}});
    processes[1] = process({{20, "ours", "7777777777777777", "1234", {CKM_RSA_PKCS, CKM_ECDSA}},
                            {21, "all", "7777777777777777", "", {CKM_AES_CBC}}});
    for (auto& [number, p] : processes) {
      p.make = [make = p.make, number = number] {
        auto library = make();
        if (number == 0) library->objects[5] = {"mine-5", 10, true, false, 0};
        if (number == 0) library->objects[6] = {"other-6", 11, true, false, 0};
        if (number == 1) library->objects[5] = {"ours-5", 20, true, false, 0};
        if (number == 1) library->objects[6] = {"ours-6", 20, true, true, 0};
        if (number == 1) library->objects[7] = {"all-7", 21, true, false, 0};
        return library;
      };
    }
    BOOST_REQUIRE_EQUAL(initialize(), CKR_OK);
    session = open(1);
  }
  FakeLibrary& library(uint32_t n) { return *processes[n].library; }
  FakeLibrary::Slot& slot(uint32_t n, size_t i) { return library(n).slots.at(i); }
  CK_RV login(const char* pin) {
    return call(kC_Login, {session, CKU_USER, word(pin), std::strlen(pin)});
  }
  CK_OBJECT_HANDLE named(const std::string& id) {
    for (CK_OBJECT_HANDLE h : find(session))
      if (id_of(session, h) == id) return h;
    return 0;
  }
  std::string signed_with(CK_OBJECT_HANDLE key) {
    CK_MECHANISM mechanism{CKM_RSA_PKCS, nullptr, 0};
    char out[32], data[] = "data";
    CK_ULONG length = sizeof out;
    last_rv = call(kC_SignInit, {session, word(&mechanism), key});
    if (last_rv == CKR_OK)
      last_rv = call(kC_Sign, {session, word(data), 4, word(out), word(&length)});
    return last_rv == CKR_OK ? std::string(out, length) : "";
  }

  CK_SESSION_HANDLE session = 0;
};

/* Of all objects, found in pieces of that size. */
inline std::set<std::string> ids(Layered* w, CK_ULONG batch) {
  std::set<std::string> all;
  BOOST_REQUIRE_EQUAL(w->call(kC_FindObjectsInit, {w->session, 0, 0}), CKR_OK);
  for (;;) {
    CK_OBJECT_HANDLE found[8];
    CK_ULONG count = 0;
    BOOST_REQUIRE_EQUAL(w->call(kC_FindObjects, {w->session, word(found), batch, word(&count)}),
                        CKR_OK);
    BOOST_REQUIRE(count <= batch);
    for (CK_ULONG i = 0; i < count; i++)
      BOOST_TEST(all.insert(w->id_of(w->session, found[i])).second); /* each once */
    if (count == 0) break;
  }
  BOOST_REQUIRE_EQUAL(w->call(kC_FindObjectsFinal, {w->session}), CKR_OK);
  return all;
}

}  // namespace mp11::session_test
