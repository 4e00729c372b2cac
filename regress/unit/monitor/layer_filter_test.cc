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
 * Filters by themselves: patterns, and what a plan takes. If these failed, a layer would give what
 * the configuration says it keeps.
 */
#include "layer_filter.h"

#include <boost/test/unit_test.hpp>
#include <cstring>

#include "p11_params.h"

using namespace mp11;

namespace {

FilterObject rule(bool shows, uint32_t classes, const char* label = "", const char* id = "") {
  FilterObject one{};
  one.shows = shows;
  one.classes = classes;
  std::strcpy(one.label, label);
  std::strcpy(one.id, id);
  return one;
}

LayerFilter of_objects(std::initializer_list<FilterObject> rules) {
  FilterPlan plan{};
  for (const FilterObject& one : rules) plan.object[plan.objects++] = one;
  BOOST_REQUIRE(filter_is_good(plan));
  return LayerFilter(plan);
}

ObjectFacts facts(uint32_t of_class, const char* label, const char* id) {
  return {of_class, label, id};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(layer_filter)

BOOST_AUTO_TEST_CASE(patterns) {
  for (auto [pattern, text] : {std::pair("", ""),
                               {"*", ""},
                               {"*", "abc"},
                               {"a*c", "abbc"},
                               {"a*c", "ac"},
                               {"*a*b*", "xxaxxbxx"},
                               {"a\\*c", "a*c"},
                               {"C_Sign*", "C_SignInit"},
                               {"*ab", "aab"},
                               {"**", "x"}})
    BOOST_TEST(glob_matches(pattern, text), pattern << " " << text);
  for (auto [pattern, text] : {std::pair("", "a"),
                               {"a", ""},
                               {"a*c", "ab"},
                               {"a\\*c", "abc"},
                               {"a", "A"},
                               {"a*b*c", "acb"},
                               {"abc", "ab"},
                               {"ab", "abc"}})
    BOOST_TEST(!glob_matches(pattern, text), pattern << " " << text);
  /* No text takes long. */
  BOOST_TEST(!glob_matches("a*a*a*a*a*a*a*a*a*a*b", std::string(5000, 'a')));
  BOOST_TEST(glob_matches("a*", std::string("a\0b", 3)));
}

BOOST_AUTO_TEST_CASE(functions_and_mechanisms) {
  FilterPlan plan{};
  BOOST_TEST(LayerFilter(plan).takes_mechanism(CKM_VENDOR_DEFINED + 1));
  plan.functions[kC_WrapKey / 64] |= uint64_t{1} << kC_WrapKey % 64;
  const auto rows = mechanism_rows();
  BOOST_REQUIRE(rows.size() <= 64 * std::size(plan.mechanisms));
  const MechanismRow* refused = mechanism_row(CKM_AES_ECB);
  const auto n = static_cast<size_t>(refused - rows.data());
  plan.mechanisms[n / 64] |= uint64_t{1} << n % 64;
  plan.flags = kFilterMechanisms;
  LayerFilter filter(plan);
  for (uint32_t f = 0; f < kFunctions; f++)
    BOOST_TEST(filter.takes_function(f) == (f != kC_WrapKey), f);
  for (const MechanismRow& row : rows)
    BOOST_TEST(filter.takes_mechanism(row.type) == (row.type != CKM_AES_ECB), row.name);
  BOOST_TEST(!filter.takes_mechanism(CKM_VENDOR_DEFINED + 1));
  BOOST_TEST(!filter.takes_mechanism(UINT64_MAX));
}

BOOST_AUTO_TEST_CASE(objects) {
  LayerFilter none = of_objects({});
  BOOST_TEST(!none.chooses_objects());
  LayerFilter shows =
      of_objects({rule(true, kCreatePrivateKey, "web-*"), rule(true, 0, "", "0a*")});
  BOOST_TEST(shows.shows(facts(kCreatePrivateKey, "web-1", "")));
  BOOST_TEST(!shows.shows(facts(kCreatePublicKey, "web-1", "")));
  BOOST_TEST(!shows.shows(facts(kCreatePrivateKey, "mail", "")));
  BOOST_TEST(shows.shows(facts(kCreateData, "mail", "0a01")));
  BOOST_TEST(!shows.shows(ObjectFacts{}));
  BOOST_TEST(!shows.shows({0, "web-1", ""}));
  LayerFilter hides = of_objects({rule(false, kCreateSecretKey), rule(false, 0, "old-*")});
  BOOST_TEST(hides.shows(facts(kCreatePrivateKey, "web", "")));
  BOOST_TEST(!hides.shows(facts(kCreateSecretKey, "web", "")));
  BOOST_TEST(!hides.shows(facts(kCreateData, "old-1", "")));
  BOOST_TEST(!hides.shows(ObjectFacts{}));
  BOOST_TEST(!hides.shows({kCreateData, std::nullopt, ""}));
  LayerFilter both = of_objects({rule(true, 0, "web-*"), rule(false, 0, "*-old")});
  BOOST_TEST(both.shows(facts(kCreateData, "web-1", "")));
  BOOST_TEST(!both.shows(facts(kCreateData, "web-1-old", "")));
  BOOST_TEST(!both.shows(facts(kCreateData, "mail", "")));
}

BOOST_AUTO_TEST_CASE(a_plan_that_is_not_good) {
  auto damaged = [](auto change) {
    FilterPlan plan{};
    change(&plan);
    return !filter_is_good(plan);
  };
  BOOST_TEST(!damaged([](FilterPlan*) {}));
  BOOST_TEST(damaged([](FilterPlan* p) { p->flags = kFilterKnown + 1; }));
  BOOST_TEST(damaged([](FilterPlan* p) { p->objects = 17; }));
  BOOST_TEST(damaged([](FilterPlan* p) { p->object[15].shows = 2; }));
  BOOST_TEST(damaged([](FilterPlan* p) { p->object[0].classes = kCreateKnown + 1; }));
  BOOST_TEST(damaged([](FilterPlan* p) { std::memset(p->object[3].label, 'x', 96); }));
  BOOST_TEST(damaged([](FilterPlan* p) { std::memset(p->object[3].id, '0', 96); }));
}

BOOST_AUTO_TEST_SUITE_END()
