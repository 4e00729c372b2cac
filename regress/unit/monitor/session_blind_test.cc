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
 * Blind layers: what they hold hides what has the same class and id below. If these failed, a
 * person would go on using the group's old key beside the own one, or would lose objects that
 * nothing replaces.
 */
#include "session_fixture.h"

using namespace mp11;
using namespace mp11::session_test;

namespace {

using Names = std::vector<std::string>;

/* Three layers, of which the first is blind; "a" asks for a PIN. */
struct Blinded : World {
  explicit Blinded(std::function<void(TokenPlan*)> change = nullptr)
      : World(Plans{{backend_plan(0), backend_plan(1), backend_plan(2)}, {plan(change)}}) {
    processes[0] = process({{10, "a", "7777777777777777", "1234"}});
    processes[1] = process({{20, "b"}});
    processes[2] = process({{30, "c"}});
    BOOST_REQUIRE_EQUAL(initialize(), CKR_OK);
    session = open(1);
    find(session); /* starts them */
  }
  static TokenPlan plan(const std::function<void(TokenPlan*)>& change) {
    TokenPlan token =
        layered_plan(1, "Blinded",
                     {layer_plan(0, "a", kLayerBlind), layer_plan(1, "b", 0, kPinNone),
                      layer_plan(2, "c", 0, kPinNone)});
    if (change != nullptr) change(&token);
    return token;
  }
  FakeLibrary& library(uint32_t n) { return *processes[n].library; }
  /* In the library, past the monitor. */
  CK_OBJECT_HANDLE there(uint32_t n, CK_OBJECT_CLASS of_class, const std::string& label,
                         const std::string& id, bool priv = false) {
    FakeLibrary::Object object{id, (n + 1) * 10, true, priv, 0};
    object.of_class = of_class;
    object.label = label;
    const CK_OBJECT_HANDLE handle = 1000 + 1000 * n + library(n).objects.size();
    library(n).objects[handle] = object;
    return handle;
  }
  std::string label_of(CK_OBJECT_HANDLE object) {
    char value[64];
    CK_ATTRIBUTE a{CKA_LABEL, value, sizeof value};
    last_rv = call(kC_GetAttributeValue, {session, object, word(&a), 1});
    return last_rv == CKR_OK ? std::string(value, a.ulValueLen) : std::string();
  }
  /* Labels of what is found, `most` at a time. */
  Names found(std::vector<CK_ATTRIBUTE> t = {}, CK_ULONG most = 64) {
    Names labels;
    CK_OBJECT_HANDLE all[64];
    CK_ULONG count = 1;
    BOOST_REQUIRE_EQUAL(call(kC_FindObjectsInit, {session, word(t.data()), t.size()}), CKR_OK);
    while (count != 0) {
      BOOST_REQUIRE_EQUAL(call(kC_FindObjects, {session, word(all), most, word(&count)}), CKR_OK);
      for (CK_ULONG i = 0; i < count; i++) labels.push_back(label_of(all[i]));
    }
    BOOST_REQUIRE_EQUAL(call(kC_FindObjectsFinal, {session}), CKR_OK);
    return labels;
  }
  void mixture() {
    there(0, CKO_CERTIFICATE, "mine", "1");
    there(0, CKO_DATA, "mine, no id", "");
    there(1, CKO_CERTIFICATE, "group's 1", "1");
    there(1, CKO_CERTIFICATE, "group's 2", "2");
    there(1, CKO_PUBLIC_KEY, "group's key", "1"); /* of another class */
    there(1, CKO_DATA, "group's, no id", "");
    there(2, CKO_CERTIFICATE, "company's 1", "1");
    there(2, CKO_CERTIFICATE, "company's 2", "2"); /* the group's layer is not blind */
  }
  const Names shown = {"mine",        "mine, no id",    "group's 2",
                       "group's key", "group's, no id", "company's 2"};
  CK_SESSION_HANDLE session = 0;
};

/* Any layers, blind or not, with prefixes or without, and any search: as the definition says. */
class Model {
 public:
  explicit Model(uint64_t seed) : x_(seed * 0x9e3779b97f4a7c15u + 1) {
    const size_t count = 1 + below(4);
    Plans plans;
    std::vector<PortfolioLayer> all;
    for (uint32_t n = 0; n < count; n++) {
      plans.backends.push_back(backend_plan(n));
      all.push_back(layer_plan(n, "t", below(2) == 0 ? uint32_t{kLayerBlind} : 0u, kPinNone));
      labels_.push_back(pick({"", "p:", "q:"}));
      ids_.push_back(pick({"", "X", "XY"}));
      set_prefix(&all.back(), labels_[n], ids_[n]);
      blind_.push_back((all.back().flags & kLayerBlind) != 0);
      objects_.emplace_back(below(6));
      for (Object& one : objects_[n])
        one = {below(2) == 0 ? CKO_DATA : CKO_CERTIFICATE, pick({"", "a", "b", "p:a"}),
               pick({"", "1", "2", "X1"})};
    }
    plans.tokens = {layered_plan(1, "Model", all)};
    world_.emplace(plans);
    for (uint32_t n = 0; n < count; n++) world_->processes[n] = process({{5, "t"}});
    BOOST_REQUIRE_EQUAL(world_->initialize(), CKR_OK);
    session_ = world_->open(1);
    world_->find(session_); /* starts them */
    for (uint32_t n = 0; n < count; n++)
      for (const Object& one : objects_[n]) {
        FakeLibrary::Object object{one.id, 5, true, false, 0};
        object.of_class = one.of_class;
        object.label = one.label;
        auto& its = world_->processes[n].library->objects;
        its[its.size() + 1] = object;
      }
  }

  void search() {
    std::optional<CK_OBJECT_CLASS> of_class;
    std::optional<std::string> label, id;
    if (below(3) == 0) of_class = below(2) == 0 ? CKO_DATA : CKO_CERTIFICATE;
    if (below(3) == 0) label = pick({"", "p:", "q:"}) + pick({"", "a", "b", "p:a"});
    if (below(3) == 0) id = pick({"", "X", "XY"}) + pick({"", "1", "2", "X1"});
    std::vector<CK_ATTRIBUTE> t;
    if (of_class) t.push_back({CKA_CLASS, &*of_class, sizeof *of_class});
    if (label) t.push_back({CKA_LABEL, label->data(), label->size()});
    if (id) t.push_back({CKA_ID, id->data(), id->size()});
    BOOST_TEST(found(t, 1 + below(8)) == expected(of_class, label, id),
               boost::test_tools::per_element());
  }

 private:
  struct Object {
    CK_OBJECT_CLASS of_class;
    std::string label, id;
  };
  uint64_t next() { return x_ ^= x_ << 13, x_ ^= x_ >> 7, x_ ^= x_ << 17; }
  size_t below(size_t n) { return static_cast<size_t>(next() % n); }
  std::string pick(std::initializer_list<const char*> all) {
    return all.begin()[below(all.size())];
  }

  bool is_hidden(size_t n, const Object& one) const {
    for (size_t above = 0; above < n && !one.id.empty(); above++)
      for (const Object& other : objects_[above])
        if (blind_[above] && other.of_class == one.of_class && other.id == one.id) return true;
    return false;
  }
  static std::string shown(const std::string& prefix, const std::string& own) {
    return own.empty() ? own : prefix + own;
  }
  Names expected(std::optional<CK_OBJECT_CLASS> of_class, std::optional<std::string> label,
                 std::optional<std::string> id) const {
    Names names;
    for (size_t n = 0; n < objects_.size(); n++)
      for (const Object& one : objects_[n]) {
        const std::string its_label = shown(labels_[n], one.label), its_id = shown(ids_[n], one.id);
        if (is_hidden(n, one) || of_class.value_or(one.of_class) != one.of_class ||
            label.value_or(its_label) != its_label || id.value_or(its_id) != its_id)
          continue;
        names.push_back(its_label + "/" + its_id);
      }
    return names;
  }
  Names found(std::vector<CK_ATTRIBUTE> t, CK_ULONG most) {
    Names names;
    CK_OBJECT_HANDLE all[8];
    CK_ULONG count = 1;
    BOOST_REQUIRE_EQUAL(world_->call(kC_FindObjectsInit, {session_, word(t.data()), t.size()}),
                        CKR_OK);
    while (count != 0) {
      BOOST_REQUIRE_EQUAL(world_->call(kC_FindObjects, {session_, word(all), most, word(&count)}),
                          CKR_OK);
      for (CK_ULONG i = 0; i < count; i++) {
        char label[16], id[16];
        CK_ATTRIBUTE query[] = {{CKA_LABEL, label, sizeof label}, {CKA_ID, id, sizeof id}};
        BOOST_REQUIRE_EQUAL(world_->call(kC_GetAttributeValue, {session_, all[i], word(query), 2}),
                            CKR_OK);
        names.push_back(std::string(label, query[0].ulValueLen) + "/" +
                        std::string(id, query[1].ulValueLen));
      }
    }
    BOOST_REQUIRE_EQUAL(world_->call(kC_FindObjectsFinal, {session_}), CKR_OK);
    return names;
  }

  uint64_t x_;
  std::vector<std::string> labels_, ids_; /* prefixes of each layer */
  std::vector<bool> blind_;
  std::vector<std::vector<Object>> objects_; /* as the libraries have them */
  std::optional<World> world_;
  CK_SESSION_HANDLE session_ = 0;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(session_blind)

BOOST_AUTO_TEST_CASE(any_layers_against_a_model) {
  for (uint64_t seed = 1; seed <= 120; seed++) {
    BOOST_TEST_CONTEXT("seed " << seed) {
      Model model(seed);
      for (unsigned i = 0; i < 24; i++) model.search();
    }
  }
}

BOOST_AUTO_TEST_CASE(what_it_holds_is_not_found_below) {
  Blinded w;
  w.mixture();
  for (CK_ULONG most : {64u, 1u, 2u, 3u})
    BOOST_TEST(w.found({}, most) == w.shown, boost::test_tools::per_element());
  CK_OBJECT_CLASS of_class = CKO_CERTIFICATE;
  char id[] = {'1'}, label[] = "group's 1";
  const CK_ATTRIBUTE by_class{CKA_CLASS, &of_class, sizeof of_class}, by_id{CKA_ID, id, 1};
  BOOST_TEST((w.found({by_class}) == Names{"mine", "group's 2", "company's 2"}));
  BOOST_TEST((w.found({by_id}) == Names{"mine", "group's key"}));
  BOOST_TEST((w.found({by_class, by_id}) == Names{"mine"}));
  /* Whatever else it is looked for by. */
  BOOST_TEST(w.found({{CKA_LABEL, label, sizeof label - 1}}).empty());
}

BOOST_AUTO_TEST_CASE(without_blind_all_of_it_is) {
  Blinded w([](TokenPlan* token) { token->layers[0].flags = 0; });
  w.mixture();
  BOOST_TEST(w.found().size() == 8u);
  Blinded lowest([](TokenPlan* token) { /* what is below nothing hides nothing */
                                        token->layers[0].flags = 0;
                                        token->layers[2].flags = kLayerBlind;
  });
  lowest.mixture();
  BOOST_TEST(lowest.found().size() == 8u);
}

BOOST_AUTO_TEST_CASE(two_blind_layers) {
  Blinded w([](TokenPlan* token) { token->layers[1].flags = kLayerBlind; });
  w.mixture();
  Names expected = w.shown;
  expected.pop_back();
  BOOST_TEST(w.found() == expected, boost::test_tools::per_element());
}

/* A private key hides from the login on, and a handle that was had before stays good. */
BOOST_AUTO_TEST_CASE(private_objects_hide_when_they_are_seen) {
  Blinded w;
  w.library(0).hides_private = true;
  w.there(0, CKO_PRIVATE_KEY, "mine", "1", true);
  w.there(1, CKO_PRIVATE_KEY, "group's", "1");
  BOOST_TEST((w.found() == Names{"group's"}));
  const CK_OBJECT_HANDLE before = w.find(w.session).at(0);
  BOOST_TEST(w.call(kC_Login, {w.session, CKU_USER, word("1234"), 4}) == CKR_OK);
  BOOST_TEST((w.found() == Names{"mine"}));
  BOOST_TEST(w.label_of(before) == "group's");
  BOOST_TEST(w.call(kC_Logout, {w.session}) == CKR_OK);
  BOOST_TEST((w.found() == Names{"group's"}));
  BOOST_TEST(w.find(w.session).at(0) == before);
}

/* What changes during a search counts from the next one on. */
BOOST_AUTO_TEST_CASE(objects_that_come_while_searching) {
  Blinded w;
  w.there(1, CKO_DATA, "one", "1");
  w.there(1, CKO_DATA, "two", "2");
  CK_OBJECT_HANDLE object = 0;
  CK_ULONG count = 0;
  BOOST_TEST(w.call(kC_FindObjectsInit, {w.session, 0, 0}) == CKR_OK);
  w.there(0, CKO_DATA, "mine", "2");
  for (const char* label : {"one", "two"}) {
    BOOST_TEST(w.call(kC_FindObjects, {w.session, word(&object), 1, word(&count)}) == CKR_OK);
    BOOST_TEST(count == 1u);
    BOOST_TEST(w.label_of(object) == label);
  }
  BOOST_TEST(w.call(kC_FindObjectsFinal, {w.session}) == CKR_OK);
  BOOST_TEST((w.found() == Names{"mine", "one"}));
  w.library(0).objects.clear();
  BOOST_TEST((w.found() == Names{"one", "two"}));
}

BOOST_AUTO_TEST_CASE(a_filter_and_a_prefix_above_and_below) {
  Blinded w([](TokenPlan* token) {
    token->layers[0].flags |= kLayerFiltered;
    set_prefix(&token->layers[0], "me: ", "AA");
    set_prefix(&token->layers[1], "team: ", "BB");
    token->filters.emplace_back();
    token->filters[0].objects = 1;
    std::strcpy(token->filters[0].object[0].label, "hidden*");
  });
  w.there(0, CKO_DATA, "hidden", "1"); /* whoever does not see it loses nothing by it */
  w.there(0, CKO_DATA, "shown", "2");
  w.there(1, CKO_DATA, "one", "1");
  w.there(1, CKO_DATA, "two", "2"); /* ids are compared as the libraries have them */
  BOOST_TEST((w.found() == Names{"me: shown", "team: one"}));
  char one[] = "BB1", two[] = "BB2";
  BOOST_TEST((w.found({{CKA_ID, one, 3}}) == Names{"team: one"}));
  BOOST_TEST(w.found({{CKA_ID, two, 3}}).empty());
}

/* A layer that is not there hides nothing, whenever it dies; and nothing else is lost with it. */
BOOST_AUTO_TEST_CASE(a_blind_layer_that_dies) {
  for (unsigned at = 0; at < 60; at++) {
    BOOST_TEST_CONTEXT("step " << at) {
      Blinded w;
      w.mixture();
      CK_OBJECT_HANDLE all[16];
      CK_ULONG count = 0;
      unsigned steps = 0;
      CK_RV rv = CKR_GENERAL_ERROR;
      auto run = [&](uint32_t function, std::initializer_list<Word> arguments) {
        Words words;
        std::copy(arguments.begin(), arguments.end(), words.w);
        World::Run* one = w.begin(function, words);
        one->then = [&rv](CK_RV value) { rv = value; };
        while (!one->answered) {
          if (steps++ == at) w.kill(0);
          if (w.ready(*one))
            w.advance(one);
          else
            w.happen(0);
        }
        w.forget_answered();
      };
      run(kC_FindObjectsInit, {w.session, 0, 0});
      BOOST_REQUIRE_EQUAL(rv, CKR_OK);
      run(kC_FindObjects, {w.session, word(all), 16, word(&count)});
      BOOST_REQUIRE_EQUAL(rv, CKR_OK);
      Names labels;
      for (CK_ULONG i = 0; i < count; i++) labels.push_back(w.label_of(all[i]));
      for (const char* label : {"group's 2", "group's key", "group's, no id", "company's 2"})
        BOOST_TEST(std::count(labels.begin(), labels.end(), label) == 1, label);
      if (w.library(1).count(kC_FindObjectsFinal) == 1) /* of the first search of the test */
        BOOST_TEST(w.call(kC_FindObjectsFinal, {w.session}) == CKR_OK);
      BOOST_TEST(w.found().size() >= 6u); /* what starts anew is empty, and hides nothing */
    }
  }
}

BOOST_AUTO_TEST_CASE(a_blind_layer_that_cannot_be_listed) {
  Blinded w;
  w.mixture();
  w.library(0).answer = [&](uint32_t function, const Words&) -> CK_RV {
    return function == kC_FindObjectsInit ? CKR_DEVICE_ERROR : CKR_OK;
  };
  BOOST_TEST(w.call(kC_FindObjectsInit, {w.session, 0, 0}) == CKR_DEVICE_ERROR); /* it leads */
  /* It says nothing of its objects: they hide nothing, and are found. */
  w.library(0).answer = [&](uint32_t function, const Words& words) -> CK_RV {
    return function == kC_GetAttributeValue && words.w[3] == 3 ? CKR_DEVICE_ERROR : CKR_OK;
  };
  BOOST_TEST(w.found().size() == 8u);
  /* It gives more than it was asked for. */
  w.library(0).answer = nullptr;
  unsigned lists = 0;
  w.library(0).tamper = [&](uint32_t function, Message* reply) {
    if (function == kC_FindObjects && lists++ == 0) reply->list.assign(5000, 7);
  };
  BOOST_TEST(w.found().size() == 8u);
}

/* A library that never comes to an end: the client is told, and the next search is as good. */
BOOST_AUTO_TEST_CASE(a_blind_layer_without_an_end) {
  Blinded w;
  w.library(0).tamper = [](uint32_t function, Message* reply) {
    if (function == kC_FindObjects && reply->list.empty()) reply->list.assign(4096, 7);
  };
  BOOST_TEST(w.call(kC_FindObjectsInit, {w.session, 0, 0}) == CKR_HOST_MEMORY);
  BOOST_TEST(w.library(0).count(kC_FindObjects) < 100u);
  w.library(0).tamper = nullptr;
  w.mixture();
  BOOST_TEST(w.found() == w.shown, boost::test_tools::per_element());
}

/* One that gives a single object each time, and never says that it was the last. */
BOOST_AUTO_TEST_CASE(a_blind_layer_that_lists_for_ever) {
  Blinded w;
  w.library(0).tamper = [](uint32_t function, Message* reply) {
    if (function == kC_FindObjects) reply->list.assign(1, 7);
  };
  BOOST_TEST(w.call(kC_FindObjectsInit, {w.session, 0, 0}) == CKR_DEVICE_ERROR);
  BOOST_TEST(w.library(0).count(kC_FindObjects) < limits::kBlindCalls + 10);
  w.library(0).tamper = nullptr;
  w.mixture();
  BOOST_TEST(w.found() == w.shown, boost::test_tools::per_element());
}

/* What searches that are beginning have listed counts, whosever they are. */
BOOST_AUTO_TEST_CASE(searches_that_begin_at_once) {
  Blinded w;
  w.library(0).tamper = [](uint32_t function, Message* reply) {
    if (function == kC_FindObjects) reply->list.assign(4096, 7);
  };
  constexpr size_t kOne = limits::kBlindObjects / 4096; /* lists that one search may have */
  std::vector<CK_RV> said;
  for (CK_SESSION_HANDLE session : {w.session, w.open(1), w.open(1), w.open(1)}) {
    Words words;
    words.w[0] = session;
    w.begin(kC_FindObjectsInit, words)->then = [&](CK_RV rv) { said.push_back(rv); };
  }
  w.settle();
  BOOST_TEST(said == std::vector<CK_RV>(4, CKR_HOST_MEMORY), boost::test_tools::per_element());
  /* Each is given up when all of them have too much, and then leaves its room to the others. */
  BOOST_TEST(w.library(0).count(kC_FindObjects) < 5 * kOne / 2);
  w.forget_answered();
  w.library(0).tamper = nullptr; /* and there is room again */
  w.mixture();
  BOOST_TEST(w.found() == w.shown, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(what_is_remembered_is_counted) {
  auto total = std::make_shared<BlindTotal>();
  {
    BlindList one(total, 1), two(total, 1);
    BOOST_TEST(one.add({1, 2, 3}) == CKR_OK);
    BOOST_TEST(two.add(std::vector<uint64_t>(limits::kBlindObjects - 3)) == CKR_OK);
    BOOST_TEST(two.add({1}) == CKR_HOST_MEMORY);
    BOOST_TEST(one.unread().value() == 3u);
    one.read(2, {{7, "id"}}); /* another one was asked for meanwhile */
    BOOST_TEST(one.unread().value() == 3u);
    one.read(3, {{7, "id"}});
    BOOST_TEST(one.hides(7, "id"));
    BOOST_TEST(!one.hides(8, "id"));
    BOOST_TEST(total->objects == limits::kBlindObjects);
    one.read(2, {{7, "id"}}); /* the same again takes no room, nor does one without an id */
    one.read(1, {});
    BOOST_TEST(total->objects == limits::kBlindObjects - 2);
    two = BlindList();
    BOOST_TEST(total->objects == 1u);
    BlindList moved = std::move(one);
    BOOST_TEST(total->objects == 1u);
  }
  BOOST_TEST(total->objects == 0u);
}

/* The same below another layer, where the search has begun already: it is over there too. */
BOOST_AUTO_TEST_CASE(a_blind_layer_without_an_end_below_another) {
  Blinded w([](TokenPlan* token) {
    token->layers[0].flags = 0;
    token->layers[1].flags = kLayerBlind;
  });
  w.library(1).tamper = [](uint32_t function, Message* reply) {
    if (function == kC_FindObjects && reply->list.empty()) reply->list.assign(4096, 7);
  };
  BOOST_TEST(w.call(kC_FindObjectsInit, {w.session, 0, 0}) == CKR_HOST_MEMORY);
  w.library(1).tamper = nullptr;
  CK_OBJECT_HANDLE all[8];
  CK_ULONG count = 0;
  BOOST_TEST(w.call(kC_FindObjects, {w.session, word(all), 8, word(&count)}) ==
             CKR_OPERATION_NOT_INITIALIZED);
  w.mixture();
  BOOST_TEST(w.found().size() == 6u); /* the company's are hidden */
}

/* What no object can have is not asked for in the layer that hides. */
BOOST_AUTO_TEST_CASE(values_that_are_too_long_narrow_nothing) {
  Blinded w;
  w.mixture();
  std::vector<CK_ULONG> lengths; /* of each C_FindObjectsInit there */
  w.library(0).answer = [&](uint32_t function, const Words& words) -> CK_RV {
    if (function != kC_FindObjectsInit) return CKR_OK;
    CK_ULONG most = 0;
    for (Word i = 0; words.w[1] != 0 && i < words.w[2]; i++)
      most = std::max(most, at<CK_ATTRIBUTE>(words.w[1])[i].ulValueLen);
    lengths.push_back(most);
    return CKR_OK;
  };
  std::string longest(limits::kBlindId, 'x'), longer(limits::kBlindId + 1, 'x');
  for (CK_ATTRIBUTE_TYPE type : {CKA_CLASS, CKA_ID}) {
    for (std::string* value : {&longest, &longer}) {
      lengths.clear();
      BOOST_TEST(w.found({{type, value->data(), value->size()}}).empty());
      BOOST_REQUIRE(lengths.size() == 2u); /* the listing, and the client's own search */
      BOOST_TEST(lengths[0] == (value == &longest ? limits::kBlindId : 0u));
      BOOST_TEST(lengths[1] == value->size());
    }
  }
}

/* One call for each object above and below, and few for who looks for one key. */
BOOST_AUTO_TEST_CASE(calls_are_linear) {
  Blinded w;
  for (unsigned i = 0; i < 300; i++) {
    w.there(0, CKO_DATA, "mine", "a" + std::to_string(i));
    w.there(1, CKO_DATA, "group's", (i % 2 == 0 ? "a" : "b") + std::to_string(i));
  }
  w.library(0).calls.clear();
  w.library(1).calls.clear();
  CK_OBJECT_HANDLE all[64];
  CK_ULONG count = 1, sum = 0;
  BOOST_TEST(w.call(kC_FindObjectsInit, {w.session, 0, 0}) == CKR_OK);
  while (count != 0) {
    BOOST_TEST(w.call(kC_FindObjects, {w.session, word(all), 64, word(&count)}) == CKR_OK);
    sum += count;
  }
  BOOST_TEST(w.call(kC_FindObjectsFinal, {w.session}) == CKR_OK);
  BOOST_TEST(sum == 450u);
  BOOST_TEST(w.library(0).count(kC_GetAttributeValue) == 300u);
  BOOST_TEST(w.library(1).count(kC_GetAttributeValue) == 300u);
  BOOST_TEST(w.library(0).calls.size() < 340u);
  w.library(0).calls.clear();
  char id[] = "a7";
  BOOST_TEST((w.found({{CKA_ID, id, 2}}) == Names{"mine"}));
  BOOST_TEST(w.library(0).calls.size() < 12u);
}

/*
 * Another thread asks for objects while the monitor lists, in the same session: what it would get
 * is the monitor's, and not chosen yet.
 */
BOOST_AUTO_TEST_CASE(nobody_gets_what_the_monitor_lists) {
  for (unsigned at = 0; at < 12; at++) {
    Blinded w([](TokenPlan* token) {
      token->layers[0].flags |= kLayerFiltered;
      token->filters.emplace_back();
      token->filters[0].objects = 1;
      std::strcpy(token->filters[0].object[0].label, "hidden*");
    });
    w.there(0, CKO_DATA, "hidden", "1");
    Words words;
    words.w[0] = w.session;
    World::Run* first = w.begin(kC_FindObjectsInit, words);
    for (unsigned i = 0; i < at && !first->answered; i++) {
      if (w.ready(*first))
        w.advance(first);
      else
        w.happen(0);
    }
    CK_OBJECT_HANDLE all[8] = {};
    CK_ULONG count = 0;
    words.w[1] = word(all);
    words.w[2] = 8;
    words.w[3] = word(&count);
    World::Run* second = w.begin(kC_FindObjects, words);
    w.settle();
    BOOST_REQUIRE(first->answered && second->answered);
    BOOST_TEST(count == 0u);
    for (CK_OBJECT_HANDLE raw = 1; raw < 8; raw++) BOOST_TEST(w.label_of(raw) == "");
  }
}

BOOST_AUTO_TEST_SUITE_END()
