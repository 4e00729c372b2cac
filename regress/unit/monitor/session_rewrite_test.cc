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
 * Layers whose labels and ids have a prefix. If these failed, a client would see names that it
 * cannot use again, would change or miss the objects of another layer by name, or would read octets
 * that are not there.
 */
#include "session_fixture.h"

using namespace mp11;
using namespace mp11::session_test;

namespace {

using Names = std::vector<std::string>;
constexpr CK_ULONG kUnavailable = CK_UNAVAILABLE_INFORMATION;

/* One layer with prefixes, or one below another that has none. */
struct Prefixed : World {
  explicit Prefixed(unsigned layers = 1, const char* label = "team: ", const char* id = "AB")
      : World(Plans{{backend_plan(0), backend_plan(1)}, {plan(layers, label, id)}}) {
    processes[0] = process({{10, "a", "7777777777777777", "", {CKM_AES_KEY_GEN}}});
    processes[1] = process({{20, "b", "7777777777777777", "", {CKM_AES_KEY_GEN}}});
    BOOST_REQUIRE_EQUAL(initialize(), CKR_OK);
    session = open(1);
    find(session); /* starts them */
  }
  static TokenPlan plan(unsigned layers, const char* label, const char* id) {
    std::vector<PortfolioLayer> all = {layer_plan(1, "b"), layer_plan(0, "a")};
    set_prefix(&all[1], label, id);
    if (layers == 1) all.erase(all.begin());
    TokenPlan token = layered_plan(1, "Prefixed", all);
    if (layers == 1) token.token.serial[0] = '\0';
    return token;
  }
  FakeLibrary& library(uint32_t n = 0) { return *processes[n].library; }
  FakeLibrary::Object& last(uint32_t n = 0) { return library(n).objects.rbegin()->second; }
  void there(uint32_t n, const std::string& label, const std::string& id) {
    FakeLibrary::Object object{id, n == 0 ? 10u : 20u, true, false, 0};
    object.label = label;
    CK_OBJECT_HANDLE handle = 1; /* before what is made later */
    while (library(n).objects.count(handle) != 0) handle++;
    library(n).objects[handle] = object;
  }
  static CK_ATTRIBUTE named(CK_ATTRIBUTE_TYPE type, const std::string& value) {
    return {type, const_cast<char*>(value.data()), value.size()};
  }
  CK_OBJECT_HANDLE made(std::vector<CK_ATTRIBUTE> t) {
    CK_OBJECT_HANDLE object = 0;
    last_rv = call(kC_CreateObject, {session, word(t.data()), t.size(), word(&object)});
    return last_rv == CKR_OK ? object : 0;
  }
  std::string shown(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) {
    char value[64];
    CK_ATTRIBUTE a{type, value, sizeof value};
    last_rv = call(kC_GetAttributeValue, {session, object, word(&a), 1});
    return last_rv == CKR_OK ? std::string(value, a.ulValueLen) : "?";
  }
  Names found(std::vector<CK_ATTRIBUTE> t) {
    Names labels;
    CK_OBJECT_HANDLE all[64];
    CK_ULONG count = 0;
    last_rv = call(kC_FindObjectsInit, {session, word(t.data()), t.size()});
    if (last_rv != CKR_OK) return {"?"};
    BOOST_REQUIRE_EQUAL(call(kC_FindObjects, {session, word(all), 64, word(&count)}), CKR_OK);
    for (CK_ULONG i = 0; i < count; i++) labels.push_back(shown(all[i], CKA_LABEL));
    BOOST_REQUIRE_EQUAL(call(kC_FindObjectsFinal, {session}), CKR_OK);
    return labels;
  }
  CK_SESSION_HANDLE session = 0;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(session_rewrite)

BOOST_AUTO_TEST_CASE(what_is_made_and_shown) {
  Prefixed w;
  const std::string label = "team: web", id = "AB\1\2";
  CK_OBJECT_HANDLE object = w.made({w.named(CKA_LABEL, label), w.named(CKA_ID, id)});
  BOOST_REQUIRE(object != 0u);
  BOOST_TEST(w.last().label == "web");
  BOOST_TEST(w.last().id == "\1\2");
  BOOST_TEST(w.shown(object, CKA_LABEL) == label);
  BOOST_TEST(w.shown(object, CKA_ID) == id);
  BOOST_TEST(w.shown(object, CKA_VALUE) == "secret of \1\2"); /* no other attribute */
  const std::string other = "team: mail";
  CK_ATTRIBUTE change = w.named(CKA_LABEL, other);
  BOOST_TEST(w.call(kC_SetAttributeValue, {w.session, object, word(&change), 1}) == CKR_OK);
  BOOST_TEST(w.last().label == "mail");
  CK_OBJECT_HANDLE copy = 0;
  const std::string third = "team: team: x"; /* taken off once */
  change = w.named(CKA_LABEL, third);
  BOOST_TEST(w.call(kC_CopyObject, {w.session, object, word(&change), 1, word(&copy)}) == CKR_OK);
  BOOST_TEST(w.last().label == "team: x");
  BOOST_TEST(w.shown(copy, CKA_LABEL) == third);
  BOOST_TEST(w.shown(copy, CKA_ID) == id);
}

/* Every function that takes a template: without the prefix, with it, and without a name. */
BOOST_AUTO_TEST_CASE(each_function_that_names_something) {
  for (unsigned layers : {1u, 2u}) {
    Prefixed w(layers);
    w.there(0, "key", "1");
    const std::string full = "team: key";
    CK_OBJECT_HANDLE all[4], made = 0, other = 0;
    CK_ULONG count = 0;
    CK_ATTRIBUTE query = w.named(CKA_LABEL, full);
    BOOST_REQUIRE_EQUAL(w.call(kC_FindObjectsInit, {w.session, word(&query), 1}), CKR_OK);
    BOOST_REQUIRE_EQUAL(w.call(kC_FindObjects, {w.session, word(all), 4, word(&count)}), CKR_OK);
    BOOST_REQUIRE_EQUAL(w.call(kC_FindObjectsFinal, {w.session}), CKR_OK);
    BOOST_REQUIRE_EQUAL(count, 1u);
    const CK_OBJECT_HANDLE key = all[0];
    CK_MECHANISM mechanism{CKM_AES_KEY_GEN, nullptr, 0};
    const Word m = word(&mechanism), s = w.session;
    uint8_t wrapped[4] = {};
    auto make = [&](uint32_t function, Word t, Word n) {
      switch (function) {
        case kC_CreateObject:
          return w.call(function, {s, t, n, word(&made)});
        case kC_GenerateKey:
          return w.call(function, {s, m, t, n, word(&made)});
        case kC_UnwrapKey:
          return w.call(function, {s, m, key, word(wrapped), 4, t, n, word(&made)});
        case kC_DeriveKey:
          return w.call(function, {s, m, key, t, n, word(&made)});
        case kC_CopyObject:
          return w.call(function, {s, key, t, n, word(&made)});
        case kC_SetAttributeValue:
          return w.call(function, {s, key, t, n});
        default: /* its second template; the first is good */
          return w.call(kC_GenerateKeyPair,
                        {s, m, word(&query), 1, t, n, word(&other), word(&made)});
      }
    };
    for (uint32_t function : {kC_CreateObject, kC_GenerateKey, kC_UnwrapKey, kC_DeriveKey,
                              kC_CopyObject, kC_SetAttributeValue, kC_GenerateKeyPair}) {
      BOOST_TEST_CONTEXT(kFunctionTable[function].name << " of " << layers) {
        const bool by_route = kFunctionTable[function].route == Route::kCreate;
        if (by_route && layers == 2) continue; /* below */
        const std::string good = "team: new", bare = "new", almost = "team:new", just = "team: ";
        const std::string no_id = "A", good_id = "ABx";
        for (const CK_ATTRIBUTE& bad : {w.named(CKA_LABEL, bare), w.named(CKA_LABEL, almost),
                                        w.named(CKA_LABEL, just), w.named(CKA_ID, no_id)}) {
          const size_t before = w.library().count(function);
          BOOST_TEST(make(function, word(&bad), 1) == CKR_TEMPLATE_INCONSISTENT);
          BOOST_TEST(w.library().count(function) == before);
        }
        CK_ATTRIBUTE twice[] = {w.named(CKA_LABEL, good), w.named(CKA_LABEL, good)};
        BOOST_TEST(make(function, word(twice), 2) == CKR_TEMPLATE_INCONSISTENT);
        CK_ATTRIBUTE inside = w.named(CKA_LABEL, good);
        CK_ATTRIBUTE nested{CKA_UNWRAP_TEMPLATE, &inside, sizeof inside};
        BOOST_TEST(make(function, word(&nested), 1) == CKR_TEMPLATE_INCONSISTENT);
        inside.type = CKA_VALUE;
        BOOST_TEST(make(function, word(&nested), 1) == CKR_OK);
        BOOST_TEST(make(function, 0, 0) == CKR_OK);
        if (function != kC_SetAttributeValue && function != kC_CopyObject) {
          BOOST_TEST(w.last().label == ""); /* nothing was written in */
          BOOST_TEST(w.shown(made, CKA_LABEL) == "");
        }
        CK_ATTRIBUTE t[] = {w.named(CKA_LABEL, good), w.named(CKA_ID, good_id)};
        BOOST_TEST(make(function, word(t), 2) == CKR_OK);
        const CK_OBJECT_HANDLE object = function == kC_SetAttributeValue ? key : made;
        BOOST_TEST(w.shown(object, CKA_LABEL) == good);
        BOOST_TEST(w.shown(object, CKA_ID) == good_id);
        size_t own = 0;
        for (const auto& [handle, one] : w.library().objects)
          own += one.label == "new" && one.id == "x";
        BOOST_TEST(own >= 1u);
        CK_ATTRIBUTE empty{CKA_LABEL, wrapped, 0};
        BOOST_TEST(make(function, word(&empty), 1) == CKR_OK);
      }
    }
  }
}

/* Templates within a mechanism's parameter name objects as well. */
BOOST_AUTO_TEST_CASE(keys_that_a_parameter_asks_for) {
  Prefixed w;
  w.there(0, "key", "1");
  const CK_OBJECT_HANDLE key = w.find(w.session).at(0);
  Names labels;
  w.library().answer = [&](uint32_t function, const Words& words) -> CK_RV {
    if (function != kC_DeriveKey) return CKR_OK;
    const auto* m = at<const CK_MECHANISM>(words.w[1]);
    const auto* p = static_cast<const CK_SP800_108_KDF_PARAMS*>(m->pParameter);
    for (CK_ULONG i = 0; i < p->ulAdditionalDerivedKeys; i++)
      for (CK_ULONG n = 0; n < p->pAdditionalDerivedKeys[i].ulAttributeCount; n++) {
        const CK_ATTRIBUTE& a = p->pAdditionalDerivedKeys[i].pTemplate[n];
        labels.emplace_back(static_cast<const char*>(a.pValue), a.ulValueLen);
      }
    return CKR_OK;
  };
  const std::string first = "team: a", second = "team: b", bare = "b", id = "ABx";
  CK_ATTRIBUTE one[] = {w.named(CKA_LABEL, first), w.named(CKA_ID, id)};
  CK_ATTRIBUTE two = w.named(CKA_LABEL, second);
  CK_DERIVED_KEY keys[] = {{one, 2, nullptr}, {&two, 1, nullptr}};
  CK_SP800_108_KDF_PARAMS params{CKM_SHA256_HMAC, 0, nullptr, 2, keys};
  CK_MECHANISM mechanism{CKM_SP800_108_COUNTER_KDF, &params, sizeof params};
  auto derive = [&] {
    CK_OBJECT_HANDLE made = 0;
    return w.call(kC_DeriveKey, {w.session, word(&mechanism), key, 0, 0, word(&made)});
  };
  BOOST_TEST(derive() == CKR_OK);
  BOOST_TEST((labels == Names{"a", "x", "b"}));
  labels.clear();
  two = w.named(CKA_LABEL, bare); /* nobody would find it again under that name */
  BOOST_TEST(derive() == CKR_TEMPLATE_INCONSISTENT);
  BOOST_TEST(labels.empty());
}

/* A new object goes by a layer whose prefix its name has not. */
BOOST_AUTO_TEST_CASE(where_new_objects_go) {
  Prefixed w(2);
  const std::string bare = "mine", full = "team: ours";
  w.made({w.named(CKA_LABEL, bare)});
  w.made({w.named(CKA_LABEL, full)}); /* the first layer takes every name */
  BOOST_TEST(w.library(1).objects.size() == 2u);
  BOOST_TEST(w.last(1).label == full);
  World swapped(Plans{{backend_plan(0), backend_plan(1)}, {[] {
                        TokenPlan token = Prefixed::plan(2, "team: ", "");
                        std::swap(token.layers[0], token.layers[1]);
                        return token;
                      }()}});
  swapped.processes[0] = process({{10, "a"}});
  swapped.processes[1] = process({{20, "b"}});
  swapped.initialize();
  const CK_SESSION_HANDLE session = swapped.open(1);
  for (const std::string& label : {bare, full}) {
    CK_ATTRIBUTE a = Prefixed::named(CKA_LABEL, label);
    CK_OBJECT_HANDLE object = 0;
    BOOST_TEST(swapped.call(kC_CreateObject, {session, word(&a), 1, word(&object)}) == CKR_OK);
  }
  BOOST_TEST(swapped.processes[0].library->objects.begin()->second.label == "ours");
  BOOST_TEST(swapped.processes[1].library->objects.begin()->second.label == "mine");
}

BOOST_AUTO_TEST_CASE(searches) {
  const std::string web = "team: web", bare = "web", just = "team: ", none = "", id = "AB1",
                    bare_id = "1";
  for (unsigned layers : {1u, 2u}) {
    Prefixed w(layers);
    w.there(0, "web", "1");
    w.there(0, "", "");
    w.there(0, "team: web", "AB1"); /* it is seen as the prefix twice */
    if (layers == 2) {
      w.there(1, "web", "1");
      w.there(1, "team: web", "AB1");
    }
    auto with = [layers](Names above, Names below) {
      if (layers == 1) return below;
      above.insert(above.end(), below.begin(), below.end());
      return above;
    };
    BOOST_TEST(w.found({}) == with({"web", web}, {web, "", "team: team: web"}));
    BOOST_TEST(w.found({w.named(CKA_LABEL, web)}) == with({web}, {web}));
    BOOST_TEST(w.found({w.named(CKA_ID, id)}) == with({web}, {web}));
    BOOST_TEST(w.found({w.named(CKA_LABEL, none)}) == with({}, {""}));
    /* The layer is not asked, and the others are. */
    const size_t asked = w.library(0).count(kC_FindObjectsInit);
    BOOST_TEST(w.found({w.named(CKA_LABEL, bare)}) == with({"web"}, {}));
    BOOST_TEST(w.found({w.named(CKA_ID, bare_id)}) == with({"web"}, {}));
    BOOST_TEST(w.found({w.named(CKA_LABEL, just)}) == with({}, {}));
    BOOST_TEST(w.found({w.named(CKA_LABEL, web), w.named(CKA_LABEL, bare)}) == with({}, {}));
    CK_ATTRIBUTE inside = w.named(CKA_LABEL, web);
    BOOST_TEST(w.found({{CKA_UNWRAP_TEMPLATE, &inside, sizeof inside}}) == with({"web", web}, {}));
    BOOST_TEST(w.library(0).count(kC_FindObjectsInit) == asked);
    /* A search is one, whether a library knows of it or not. */
    CK_ATTRIBUTE t = w.named(CKA_LABEL, bare), good = w.named(CKA_LABEL, web);
    auto init = [&](CK_ATTRIBUTE* a) {
      return w.call(kC_FindObjectsInit, {w.session, word(a), 1});
    };
    BOOST_TEST(init(&t) == CKR_OK);
    BOOST_TEST(init(&t) == CKR_OPERATION_ACTIVE);
    BOOST_TEST(init(&good) == CKR_OPERATION_ACTIVE);
    BOOST_TEST(w.call(kC_FindObjectsFinal, {w.session}) == CKR_OK);
    BOOST_TEST(w.call(kC_FindObjectsFinal, {w.session}) == CKR_OPERATION_NOT_INITIALIZED);
    BOOST_TEST(init(&good) == CKR_OK);
    BOOST_TEST(init(&t) == CKR_OPERATION_ACTIVE);
    BOOST_TEST(w.call(kC_FindObjectsFinal, {w.session}) == CKR_OK);
    BOOST_TEST(w.found({good}) == with({web}, {web}));
  }
}

/* There is one search, also where the layer that has it is not the first to be asked. */
BOOST_AUTO_TEST_CASE(a_search_below_is_not_replaced) {
  for (bool filtered : {false, true}) {
    TokenPlan plan = Prefixed::plan(2, "team: ", "");
    std::swap(plan.layers[0], plan.layers[1]);
    if (filtered) { /* below two that are not asked */
      plan.layers.insert(plan.layers.begin() + 1, layer_plan(0, "c"));
      set_prefix(&plan.layers[1], "other: ");
    }
    World w(Plans{{backend_plan(0), backend_plan(1)}, {plan}});
    w.processes[0] = process({{10, "a"}, {11, "c"}});
    w.processes[1] = process({{20, "b"}});
    w.initialize();
    const CK_SESSION_HANDLE session = w.open(1);
    w.find(session);
    w.processes[1].library->objects[1] = {"1", 20, true, false, 0};
    w.processes[1].library->objects[1].label = "mine";
    const std::string below = "mine", above = "team: ours", between = "other: theirs";
    auto init = [&](const std::string& label) {
      CK_ATTRIBUTE a = Prefixed::named(CKA_LABEL, label);
      return w.call(kC_FindObjectsInit, {session, word(&a), 1});
    };
    CK_OBJECT_HANDLE all[4];
    CK_ULONG count = 0;
    BOOST_TEST(init(below) == CKR_OK);
    for (const std::string& label : {above, between, below})
      BOOST_TEST(init(label) == CKR_OPERATION_ACTIVE);
    BOOST_TEST(w.call(kC_FindObjects, {session, word(all), 4, word(&count)}) == CKR_OK);
    BOOST_TEST(count == 1u); /* of the first */
    BOOST_TEST(init(above) == CKR_OPERATION_ACTIVE);
    BOOST_TEST(w.call(kC_FindObjectsFinal, {session}) == CKR_OK);
    BOOST_TEST(init(above) == CKR_OK);
    BOOST_TEST(init(below) == CKR_OPERATION_ACTIVE);
    BOOST_TEST(w.call(kC_FindObjectsFinal, {session}) == CKR_OK);
  }
}

/* As a library would answer that has such labels: compared with one that has. */
BOOST_AUTO_TEST_CASE(buffers_of_every_size) {
  for (const std::string& own : {std::string("web"), std::string(), std::string(40, 'x')}) {
    Prefixed w, direct(1, "", "");
    const std::string full = own.empty() ? "" : "team: " + own;
    w.there(0, own, "");
    direct.there(0, full, "");
    const CK_OBJECT_HANDLE a = w.find(w.session).at(0), b = direct.find(direct.session).at(0);
    for (CK_ULONG room = 0; room < 64; room++) {
      for (CK_ATTRIBUTE_TYPE beside : {CKA_VALUE, CKA_OWNER, CKA_LABEL}) {
        char label[2][64], more[2][64];
        CK_RV rv[2];
        CK_ATTRIBUTE query[2][3];
        for (int side : {0, 1}) {
          std::memset(label[side], '.', sizeof label[side]);
          std::memset(more[side], '.', sizeof more[side]);
          query[side][0] = {CKA_LABEL, label[side], room};
          query[side][1] = {beside, more[side], 40};
          query[side][2] = {CKA_LABEL, nullptr, 0};
          World& one = side == 0 ? static_cast<World&>(w) : direct;
          rv[side] = one.call(kC_GetAttributeValue, {side == 0 ? w.session : direct.session,
                                                     side == 0 ? a : b, word(query[side]), 3});
        }
        BOOST_TEST_CONTEXT(own << " in " << room << " beside " << beside) {
          BOOST_TEST(rv[0] == rv[1]);
          for (int i : {0, 1, 2}) BOOST_TEST(query[0][i].ulValueLen == query[1][i].ulValueLen);
          BOOST_TEST(std::string(label[0], 64) == std::string(label[1], 64));
          BOOST_TEST(std::string(more[0], 64) == std::string(more[1], 64));
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(nested_templates_are_not_shown_with_names) {
  Prefixed w;
  w.there(0, "key", "1");
  const CK_OBJECT_HANDLE key = w.find(w.session).at(0);
  for (CK_ATTRIBUTE_TYPE type : {CKA_ENCRYPT, CKA_LABEL, CKA_ID}) {
    w.last().inner = type;
    char value[4] = {}, label[32];
    CK_ATTRIBUTE inside{0, value, sizeof value};
    CK_ATTRIBUTE query[] = {{CKA_UNWRAP_TEMPLATE, &inside, sizeof inside},
                            {CKA_LABEL, label, sizeof label}};
    const CK_RV rv = w.call(kC_GetAttributeValue, {w.session, key, word(query), 2});
    BOOST_TEST(std::string(label, query[1].ulValueLen) == "team: key");
    if (type == CKA_ENCRYPT) {
      BOOST_TEST(rv == CKR_OK);
      BOOST_TEST(inside.type == type);
      BOOST_TEST(value[0] == 'x');
    } else {
      BOOST_TEST(rv == CKR_ATTRIBUTE_SENSITIVE);
      BOOST_TEST(query[0].ulValueLen == kUnavailable);
      BOOST_TEST(value[0] == '\0');
    }
  }
}

/* Lengths with which the prefix would be more than a length can be, and values that are not there.
 */
BOOST_AUTO_TEST_CASE(libraries_that_lie_about_lengths) {
  Prefixed w;
  w.there(0, "key", "1");
  const CK_OBJECT_HANDLE key = w.find(w.session).at(0);
  for (CK_RV rv : {CKR_OK, CKR_BUFFER_TOO_SMALL, CKR_ATTRIBUTE_SENSITIVE}) {
    for (CK_ULONG length : {kUnavailable - 7, kUnavailable - 6, kUnavailable - 5, kUnavailable - 1,
                            kUnavailable, CK_ULONG{0}, CK_ULONG{1} << 40, CK_ULONG{12}}) {
      for (CK_ULONG room : {0u, 3u, 6u, 8u, 32u}) {
        for (bool buffer : {true, false}) {
          w.library().tamper = nullptr;
          w.library().answer = [&](uint32_t function, const Words& words) -> CK_RV {
            if (function != kC_GetAttributeValue) return CKR_OK;
            at<CK_ATTRIBUTE>(words.w[2])->ulValueLen = length;
            return rv == CKR_OK ? CKR_ATTRIBUTE_TYPE_INVALID : rv;
          };
          if (rv == CKR_OK) /* it is pack_reply that would not believe it; so on the way */
            w.library().tamper = [](uint32_t function, Message* reply) {
              if (function == kC_GetAttributeValue) reply->rec.rv = CKR_OK;
            };
          char value[64];
          std::memset(value, '.', sizeof value);
          CK_ATTRIBUTE query{CKA_LABEL, buffer ? value : nullptr, room};
          const CK_RV said = w.call(kC_GetAttributeValue, {w.session, key, word(&query), 1});
          BOOST_TEST_CONTEXT(rv << " " << length << " in " << room << " " << buffer) {
            BOOST_TEST(std::string(value + room, sizeof value - room) ==
                       std::string(sizeof value - room, '.'));
            if (carries_results(said) && buffer && query.ulValueLen != kUnavailable)
              BOOST_TEST(query.ulValueLen <= room);
            if (!buffer && length != kUnavailable && length != 0 && carries_results(said))
              BOOST_TEST(query.ulValueLen == length + 6);
            if (!buffer && length >= kUnavailable - 6 && length != kUnavailable)
              BOOST_TEST(said == CKR_DEVICE_ERROR);
          }
        }
      }
    }
  }
}

/* A reply of another shape than the question: not the client's memory, and not its answer. */
BOOST_AUTO_TEST_CASE(libraries_that_answer_something_else) {
  Prefixed w;
  w.there(0, "key", "1");
  const CK_OBJECT_HANDLE key = w.find(w.session).at(0);
  for (size_t at = 0; at < 40; at++) {
    for (unsigned octet : {0u, 1u, 2u, 3u, 0x7fu, 0xffu}) {
      w.library().tamper = [&](uint32_t function, Message* reply) {
        if (function == kC_GetAttributeValue && at < reply->bytes.size())
          reply->bytes.data()[at] = static_cast<uint8_t>(octet);
      };
      char value[64];
      std::memset(value, '.', sizeof value);
      CK_ATTRIBUTE query{CKA_LABEL, value, 16};
      w.call(kC_GetAttributeValue, {w.session, key, word(&query), 1});
      BOOST_TEST(std::string(value + 16, 48) == std::string(48, '.'));
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
