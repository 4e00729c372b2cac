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
/* The NAT map: what would be broken is that a handle names an object it was not given for. */
#include "handle_map.h"

#include <boost/test/unit_test.hpp>
#include <random>
#include <set>

namespace mp11 {
namespace {

HandleMap::Entry entry(uint64_t real, uint32_t scope = 1, uint64_t slot = 1) {
  return {.real = real, .scope = scope, .slot = slot};
}

BOOST_AUTO_TEST_SUITE(handle_map)

BOOST_AUTO_TEST_CASE(the_same_real_handle_is_the_same_virtual_one) {
  HandleMap map;
  uint64_t handle = map.add(entry(77));
  BOOST_TEST(handle != 0u);
  BOOST_TEST(map.add(entry(77)) == handle);
  BOOST_TEST(map.known(entry(77)) == handle);
  BOOST_TEST(map.known(entry(78)) == 0u);
  BOOST_TEST(map.size() == 1u);
  BOOST_REQUIRE(map.find(handle) != nullptr);
  BOOST_TEST(map.find(handle)->real == 77u);
}

BOOST_AUTO_TEST_CASE(backends_and_slots_are_apart) {
  HandleMap map;
  std::set<uint64_t> all = {map.add(entry(77, 1, 1)), map.add(entry(77, 2, 1)),
                            map.add(entry(77, 1, 2))};
  BOOST_TEST(all.size() == 3u);
  for (uint64_t handle : all) BOOST_TEST(map.find(handle)->real == 77u);
}

/* What is known of an object does not change because it is listed again. */
BOOST_AUTO_TEST_CASE(a_live_entry_stays_as_it_is) {
  HandleMap map;
  HandleMap::Entry made = entry(5);
  made.token_object = false;
  made.session = 9;
  uint64_t handle = map.add(made);
  BOOST_TEST(map.add(entry(5)) == handle);
  BOOST_TEST(!map.find(handle)->token_object);
  BOOST_TEST(map.find(handle)->session == 9u);
}

BOOST_AUTO_TEST_CASE(handles_that_name_nothing) {
  HandleMap map;
  for (uint64_t handle :
       {uint64_t{0}, uint64_t{1}, uint64_t{0x100000}, UINT64_MAX, uint64_t{1} << 32})
    BOOST_TEST(map.find(handle) == nullptr);
  uint64_t handle = map.add(entry(1));
  BOOST_TEST(map.find(handle + (uint64_t{1} << 32)) == nullptr);
  BOOST_TEST(map.find(handle | 0xfff00000u) == nullptr);
  BOOST_TEST(map.find(handle + 1) == nullptr);
  map.remove(handle + (uint64_t{1} << 32));
  map.remove(0);
  BOOST_TEST(map.size() == 1u);
}

/* One place, used until it has no generation left, and then never again. */
BOOST_AUTO_TEST_CASE(a_generation_never_comes_back) {
  HandleMap map;
  std::set<uint64_t> given;
  uint64_t first = map.add(entry(1));
  map.remove(first);
  given.insert(first);
  for (uint64_t i = 2; i <= 10'000; i++) {
    uint64_t handle = map.add(entry(i));
    BOOST_REQUIRE_MESSAGE(given.insert(handle).second, "a handle was given twice");
    BOOST_REQUIRE(handle != 0 && handle < 0xffffffff);
    BOOST_REQUIRE(map.find(first) == nullptr);
    map.remove(handle);
    BOOST_REQUIRE(map.find(handle) == nullptr);
  }
  BOOST_TEST(map.size() == 0u);
}

BOOST_AUTO_TEST_CASE(a_full_map_says_so) {
  HandleMap map;
  uint64_t last = 0;
  for (uint64_t i = 1; i <= limits::kObjects; i++) {
    uint64_t handle = map.add(entry(i));
    if (handle == 0) BOOST_REQUIRE_EQUAL(i, 0u);
    last = handle;
  }
  BOOST_TEST(last < uint64_t{1} << 32);
  BOOST_TEST(map.size() == limits::kObjects);
  BOOST_TEST(map.add(entry(limits::kObjects + 1ull)) == 0u);
  BOOST_TEST(map.add(entry(1)) != 0u); /* there already */
  map.remove(last);
  uint64_t again = map.add(entry(limits::kObjects + 1ull));
  BOOST_TEST(again != 0u);
  BOOST_TEST(again != last);
}

BOOST_AUTO_TEST_CASE(remove_if_takes_what_it_names) {
  HandleMap map;
  std::vector<uint64_t> handles;
  for (uint64_t i = 0; i < 100; i++) {
    HandleMap::Entry e = entry(i);
    e.private_object = i % 3 == 0;
    handles.push_back(map.add(e));
  }
  map.remove_if([](const HandleMap::Entry& e) { return e.private_object; });
  for (uint64_t i = 0; i < 100; i++) BOOST_TEST((map.find(handles[i]) == nullptr) == (i % 3 == 0));
  BOOST_TEST(map.size() == 66u);
}

/* Against a plain list of pairs. */
BOOST_AUTO_TEST_CASE(random_use) {
  HandleMap map;
  std::mt19937 random(7);
  std::map<uint64_t, uint64_t> live; /* virtual to real */
  std::set<uint64_t> dead;
  for (unsigned i = 0; i < 50'000; i++) {
    uint64_t real = random() % 200;
    if (random() % 2 == 0) {
      uint64_t handle = map.add(entry(real));
      BOOST_REQUIRE(dead.count(handle) == 0);
      auto [it, fresh] = live.emplace(handle, real);
      BOOST_REQUIRE(fresh || it->second == real);
    } else if (!live.empty()) {
      auto it = live.begin();
      std::advance(it, random() % live.size());
      map.remove(it->first);
      dead.insert(it->first);
      live.erase(it);
    }
    BOOST_REQUIRE_EQUAL(map.size(), live.size());
  }
  for (const auto& [handle, real] : live) BOOST_REQUIRE(map.find(handle)->real == real);
  for (uint64_t handle : dead) BOOST_REQUIRE(map.find(handle) == nullptr);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace mp11
