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
 * The module against the C prototypes. If one of these failed, an argument would be lost on the
 * wire or land in another's place.
 */
#include <boost/test/unit_test.hpp>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "OperationCode.h"
#include "schema.h"

using namespace mp11;
using namespace mp11::asn1;

namespace {

struct Prototype {
  std::string name;
  std::vector<std::string> arguments;
};

/* common/pkcs11/functions.tsv: ordinal, function, since, arguments. */
std::vector<Prototype> prototypes() {
  std::ifstream in(std::string(TOP_SRCDIR) + "/common/pkcs11/functions.tsv");
  BOOST_REQUIRE_MESSAGE(in, "functions.tsv is there");
  std::vector<Prototype> all;
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream columns(line);
    std::string ordinal, since, arguments;
    Prototype p;
    std::getline(columns, ordinal, '\t');
    std::getline(columns, p.name, '\t');
    std::getline(columns, since, '\t');
    std::getline(columns, arguments);
    std::istringstream list(arguments);
    for (std::string one; std::getline(list, one, ',');)
      p.arguments.push_back(one.substr(one.rfind(' ') + 1));
    BOOST_REQUIRE(ordinal == std::to_string(all.size()));
    all.push_back(p);
  }
  return all;
}

/* An identifier of ASN.1 begins small; and the prototype of C_WaitForSlotEvent has a slip. */
std::string asn1_name(std::string name) {
  if (name == "pRserved") return "pReserved";
  name[0] = static_cast<char>(std::tolower(name[0]));
  return name;
}

std::string module_text() {
  std::ifstream in(std::string(TOP_SRCDIR) + "/asn1/RemotePKCS11.asn1");
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(module)

BOOST_AUTO_TEST_CASE(every_argument_has_a_member) {
  const std::vector<Prototype> all = prototypes();
  BOOST_REQUIRE(all.size() == kFunctions);
  for (unsigned i = 0; i < kFunctions; i++) {
    const FunctionTypes& types = function_types(kFunctionTable[i]);
    const Prototype& p = all[i];
    BOOST_TEST(p.name == kFunctionTable[i].name);
    BOOST_TEST(std::string(types.call->name) == "C-" + p.name.substr(2) + "-Call");
    BOOST_TEST(std::string(types.result->name) == "C-" + p.name.substr(2) + "-Return");
    BOOST_REQUIRE(p.arguments.size() == kFunctionTable[i].word_count);
    for (unsigned n = 0; n < p.arguments.size(); n++) {
      const Element* call = types.call_member[n];
      const Element* result = types.result_member[n];
      /* A pointer that is only written to has no member in the call but for its room. */
      BOOST_TEST_CONTEXT(p.name << " argument " << n) {
        BOOST_TEST((call != nullptr || result != nullptr));
        if (call != nullptr) BOOST_TEST(call->name == asn1_name(p.arguments[n]));
        if (result != nullptr) BOOST_TEST(result->name == asn1_name(p.arguments[n]));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(members_stand_in_the_order_of_arguments) {
  for (const FunctionRow& row : kFunctionTable) {
    const FunctionTypes& types = function_types(row);
    for (const Element* const* members : {types.call_member, types.result_member}) {
      const Element* last = nullptr;
      for (unsigned n = 0; n < row.word_count; n++) {
        const Element* element = members[n];
        /* An Init's mechanism in a return is an extension, which stands last. */
        if (element == nullptr || (members == types.result_member && element->optional &&
                                   std::string(element->name) == "pMechanism"))
          continue;
        BOOST_TEST((last == nullptr || last < element), row.name << " " << element->name);
        last = element;
      }
    }
    BOOST_TEST(types.result->elements[0].name == "retval");
  }
}

/* What the codec relies on for each kind of argument that it carries. */
BOOST_AUTO_TEST_CASE(kinds_have_members_of_their_shape) {
  for (const FunctionRow& row : kFunctionTable) {
    if (!carried(row)) continue;
    const FunctionTypes& types = function_types(row);
    for (unsigned i = 0; i < row.arg_count; i++) {
      const ArgSpec& arg = row.args[i];
      const Element* const* call = types.call_member + arg.first;
      const Element* const* result = types.result_member + arg.first;
      auto is = [&](const Element* e, Shape shape) {
        BOOST_REQUIRE_MESSAGE(e != nullptr, row.name << " " << arg.names[0]);
        BOOST_TEST((shape_of(e->type) == shape), row.name << " " << e->name);
      };
      switch (arg.kind) {
        case ArgKind::kSession:
        case ArgKind::kSlot:
        case ArgKind::kHandle:
          is(call[0], Shape::kNumber);
          break;
        case ArgKind::kBytes:
        case ArgKind::kPin:
          is(call[0], arg.kind == ArgKind::kPin ? Shape::kChoice : Shape::kOctets);
          is(call[1], Shape::kNumber);
          break;
        case ArgKind::kBytesOut:
          is(call[0], Shape::kChoice);
          is(call[1], Shape::kNumber);
          is(result[0], Shape::kOctets);
          is(result[1], Shape::kNumber);
          BOOST_TEST(call[0]->optional);
          break;
        case ArgKind::kSlotList:
        case ArgKind::kNumberList:
          is(call[0], Shape::kChoice);
          is(result[0], Shape::kChoice);
          is(result[1], Shape::kNumber);
          break;
        case ArgKind::kHandleList:
          is(call[1], Shape::kNumber);
          is(result[0], Shape::kSequence);
          is(result[2], Shape::kNumber);
          break;
        case ArgKind::kTemplate:
        case ArgKind::kTemplateInOut:
          is(call[0], Shape::kSequence);
          is(call[1], Shape::kNumber);
          break;
        case ArgKind::kMechanism:
          is(call[0], Shape::kChoice);
          break;
        case ArgKind::kHandleOut:
        case ArgKind::kSessionOut:
        case ArgKind::kSlotOut:
        case ArgKind::kNumberOut:
          is(result[0], Shape::kNumber);
          break;
        case ArgKind::kInfoOut:
        case ArgKind::kSlotInfoOut:
        case ArgKind::kTokenInfoOut:
        case ArgKind::kSessionInfoOut:
        case ArgKind::kMechanismInfoOut:
          is(result[0], Shape::kSequence);
          break;
        default:
          break;
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(opcodes_are_ordinals) {
  const std::string text = module_text();
  for (const FunctionRow& row : kFunctionTable) {
    const std::string item =
        "opc-" + std::string(row.name + 2) + "(" + std::to_string(row.number) + ")";
    BOOST_TEST((text.find(item + ",") != std::string::npos), item);
  }
  BOOST_TEST(OperationCode_opx_Cancel == 256);
  BOOST_TEST(OperationCode_opx_Snapshot == 257);
  BOOST_TEST(OperationCode_opx_Renew == 258);
}

/* Types that are another by name patch themselves at first use; afterwards they must not. */
BOOST_AUTO_TEST_CASE(descriptors_are_at_rest) {
  std::set<const Type*> seen;
  std::vector<Type*> todo;
  for (const FunctionRow& row : kFunctionTable) {
    todo.push_back(function_types(row).call);
    todo.push_back(function_types(row).result);
  }
  while (!todo.empty()) {
    Type* type = todo.back();
    todo.pop_back();
    if (!seen.insert(type).second) continue;
    const Type before = *type;
    type->free_struct(type, nullptr, 1);
    BOOST_TEST(before.free_struct == type->free_struct, type->name);
    BOOST_TEST(before.ber_decoder == type->ber_decoder, type->name);
    BOOST_TEST(before.specifics == type->specifics, type->name);
    for (int i = 0; i < type->elements_count; i++) todo.push_back(type->elements[i].type);
  }
  BOOST_TEST(seen.size() > 200u);
}

BOOST_AUTO_TEST_SUITE_END()
