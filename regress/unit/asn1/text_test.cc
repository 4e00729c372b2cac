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
 * Messages as text. If one of these failed, a client that speaks XER or JER would make another call
 * than it wrote, or a text could take the server's memory or time.
 */
#include "text.h"

#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

#include "codec.h"
#include "message_maker.h"

using namespace mp11;
using namespace mp11::asn1;

namespace {

constexpr Encoding kTexts[] = {Encoding::kXer, Encoding::kJer};

std::span<const uint8_t> octets_in(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}
std::string string_of(const SecureBuffer& buffer) {
  return {reinterpret_cast<const char*>(buffer.data()), buffer.size()};
}

std::string to_text(Encoding encoding, std::span<const uint8_t> der) {
  CallArena arena;
  SecureBuffer text;
  return der_to_text(encoding, der, &arena, &text) ? string_of(text) : "none";
}

/* Its DER, or why not. */
std::string to_der(Encoding encoding, std::string_view text,
                   TextStatus expected = TextStatus::kOk) {
  CallArena arena;
  SecureBuffer der;
  TextError error;
  const TextStatus status = text_to_der(encoding, octets_in(text), &arena, &der, &error);
  BOOST_CHECK_MESSAGE(status == expected, error.what << " at " << error.offset);
  return string_of(der);
}
std::string why_not(Encoding encoding, std::string_view text) {
  CallArena arena;
  SecureBuffer der;
  TextError error;
  if (text_to_der(encoding, octets_in(text), &arena, &der, &error) == TextStatus::kOk)
    return "taken";
  BOOST_TEST(der.empty());
  BOOST_TEST(error.offset <= text.size());
  return error.what;
}

std::string spell(std::string_view octets) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string digits;
  for (const char c : octets) {
    digits += kDigits[static_cast<uint8_t>(c) >> 4];
    digits += kDigits[c & 15];
  }
  return digits;
}

/* A call of C_GetSlotList, as each encoding has it, with something in the place of its parts. */
constexpr std::string_view kJer =
    R"({"version":{"major":"00","minor":"03"},"transportID":"","requestID":"0000000000000001",)"
    R"("payload":{"call":{"opcode":"opc-GetSlotList","opdata":{"tokenPresent":true,)"
    R"("pSlotList":{"null":null},"pulCount":0}}}})";
constexpr std::string_view kXer =
    "<TransportMessage><version><major>00</major><minor>03</minor></version><transportID/>"
    "<requestID>0000000000000001</requestID><payload><call><opcode><opc-GetSlotList/></opcode>"
    "<opdata><C-GetSlotList-Call><tokenPresent><true/></tokenPresent>"
    "<pSlotList><null/></pSlotList><pulCount>0</pulCount></C-GetSlotList-Call></opdata></call>"
    "</payload></TransportMessage>";

std::string with(std::string_view text, std::string_view what, std::string_view instead) {
  std::string changed(text);
  const size_t at = changed.find(what);
  BOOST_REQUIRE_MESSAGE(at != std::string::npos, what);
  return changed.replace(at, what.size(), instead);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(texts)

BOOST_AUTO_TEST_CASE(every_message_comes_back_the_same) {
  codec_start();
  unsigned made = 0;
  for (long opcode : all_opcodes())
    for (unsigned seed = 0; seed < 8; seed++) {
      const std::vector<uint8_t> der = made_message(seed % 2 != 0, opcode, seed);
      const std::string octets(der.begin(), der.end());
      for (Encoding encoding : kTexts) {
        const std::string text = to_text(encoding, der);
        BOOST_REQUIRE_MESSAGE(text != "none", opcode << " seed " << seed);
        BOOST_REQUIRE(text.find('\n') == text.size() - 1);
        BOOST_REQUIRE_MESSAGE(to_der(encoding, text) == octets, opcode << ": " << text);
        made++;
      }
    }
  BOOST_TEST(made == all_opcodes().size() * 8 * 2);
}

BOOST_AUTO_TEST_CASE(forms) {
  const std::string der = to_der(Encoding::kJer, kJer);
  BOOST_TEST(to_text(Encoding::kJer, octets_in(der)) == std::string(kJer) + "\n");
  BOOST_TEST(to_text(Encoding::kXer, octets_in(der)) == std::string(kXer) + "\n");
  BOOST_TEST(to_der(Encoding::kXer, kXer) == der);
  /* Blanks where nobody minds. */
  std::string loose(kXer);
  for (size_t at = 0; (at = loose.find("><", at)) != std::string::npos; at += 4)
    loose.insert(at + 1, "\n\t ");
  BOOST_TEST(to_der(Encoding::kXer, loose) == der);
  BOOST_TEST(to_der(Encoding::kXer, with(kXer, "0000000000000001", " 00 00 00 00\n00000001 ")) ==
             der);
  BOOST_TEST(to_der(Encoding::kJer, with(kJer, "{\"call\"", "\n{ \"call\"")) == der);
}

BOOST_AUTO_TEST_CASE(numbers_bits_and_octets) {
  const auto jer = [](std::string_view number) {
    return to_der(Encoding::kJer,
                  with(kJer, "\"pulCount\":0", "\"pulCount\":" + std::string(number)));
  };
  const auto xer = [](std::string_view number) {
    return to_der(Encoding::kXer,
                  with(kXer, "<pulCount>0<", "<pulCount>" + std::string(number) + "<"));
  };
  for (const char* number : {"0", "127", "128", "4294967295"})
    BOOST_TEST(jer(number) == xer(number));
  BOOST_TEST(jer("0") != jer("1"));
  const auto nulls = with(kJer, "\"pulCount\":0}}}}",
                          "\"pulCount\":0}}},\"nulls\":{\"value\":\"a0\",\"length\":3}}");
  const auto elements = with(kXer, "</payload>", "</payload><nulls>101</nulls>");
  BOOST_TEST(to_der(Encoding::kJer, nulls) == to_der(Encoding::kXer, elements));
}

BOOST_AUTO_TEST_CASE(what_jer_may_not_say) {
  const auto not_this = [](std::string_view what, std::string_view instead) {
    return why_not(Encoding::kJer, with(kJer, what, instead));
  };
  const std::string number = "a number where there is another value";
  const std::string json = "not JSON as JER has it";
  BOOST_TEST(not_this("\"pulCount\":0", "\"pulCount\":0.0") == json);
  BOOST_TEST(not_this("\"pulCount\":0", "\"pulCount\":-1") == json);
  BOOST_TEST(not_this("\"pulCount\":0", "\"pulCount\":1e3") == json);
  BOOST_TEST(not_this("\"pulCount\":0", "\"pulCount\":9223372036854775808") ==
             "a number that is too large");
  BOOST_TEST(not_this("\"pulCount\":0", "\"pulCount\":\"0\"") ==
             "a text where there is another value");
  BOOST_TEST(not_this("true", "1") == number);
  BOOST_TEST(not_this("true", "{}") == "members where there is a simple value");
  BOOST_TEST(not_this("\"00\"", "\"0\"") == "octets that are not pairs of hexadecimal digits");
  BOOST_TEST(not_this("\"00\"", "\"0g\"") == "octets that are not pairs of hexadecimal digits");
  BOOST_TEST(not_this("\"00\"", "\"0000\"") == "a value that is out of range");
  BOOST_TEST(not_this("\"minor\":\"03\"", "\"major\":\"00\",\"minor\":\"03\"") ==
             "a member is missing, repeated, unknown or not in order");
  BOOST_TEST(not_this("\"major\":\"00\",\"minor\":\"03\"", "\"minor\":\"03\",\"major\":\"00\"") ==
             "a member is missing, repeated, unknown or not in order");
  BOOST_TEST(not_this(",\"minor\":\"03\"", "") == "a member is missing");
  BOOST_TEST(not_this(",\"minor\":\"03\"", ",\"minor\":\"03\",\"more\":1") ==
             "a member that there is not");
  BOOST_TEST(not_this("{\"null\":null}", "{}") == "a choice without an alternative");
  BOOST_TEST(not_this("{\"null\":null}", "{\"nil\":null}") == "an alternative that there is not");
  BOOST_TEST(not_this("{\"null\":null}", "{\"null\":null,\"null\":null}") ==
             "a second alternative");
  BOOST_TEST(not_this("\"call\"", "\"notify\"") ==
             "a member is missing, repeated, unknown or not in order");
  BOOST_TEST(why_not(Encoding::kJer, std::string(kJer) + "{}") == json);
  BOOST_TEST(why_not(Encoding::kJer, kJer.substr(0, kJer.size() - 1)) == json);
  BOOST_TEST(why_not(Encoding::kJer, "[]") == json);
  BOOST_TEST(why_not(Encoding::kJer, "") == json);
  BOOST_TEST(why_not(Encoding::kJer, "{\"a\":" + std::string(100000, '[')) != "taken");
  /* A BIT STRING is its octets and how many bits of them count, once each. */
  for (const char* bits :
       {"{\"value\":\"a0\"}", "{\"length\":3}", "{\"value\":\"a0\",\"length\":9}",
        "{\"value\":\"a0\",\"length\":2}", "{\"value\":\"a0\",\"length\":3,\"length\":3}",
        "{\"value\":3,\"length\":\"a0\"}", "{\"value\":{},\"length\":3}",
        "{\"value\":\"a00\",\"length\":3}", "\"a0\"", "{\"value\":\"a000\",\"length\":3}",
        "{\"value\":\"a0\",\"length\":[3]}"})
    BOOST_TEST(why_not(Encoding::kJer,
                       with(kJer, "\"pulCount\":0}}}}",
                            std::string("\"pulCount\":0}}},\"nulls\":") + bits + "}")) != "taken");
}

BOOST_AUTO_TEST_CASE(what_xer_may_not_say) {
  const auto not_this = [](std::string_view what, std::string_view instead) {
    return why_not(Encoding::kXer, with(kXer, what, instead));
  };
  const std::string xml = "not XML as XER has it";
  BOOST_TEST(not_this("<pulCount>0<", "<pulCount>-1<") ==
             "a number with other characters than digits");
  BOOST_TEST(not_this("<pulCount>0<", "<pulCount>00<") == "a number with a leading zero");
  BOOST_TEST(not_this("<pulCount>0<", "<pulCount><") == "no number");
  BOOST_TEST(not_this("<pulCount>0<", "<pulCount>18446744073709551616<") ==
             "a number that is too large");
  BOOST_TEST(not_this("<true/>", "true") == "neither true nor false");
  BOOST_TEST(not_this("<true/>", "<maybe/>") == "neither true nor false");
  BOOST_TEST(not_this("<true/>", "<true/><false/>") == "more than a value");
  BOOST_TEST(not_this("<true/>", "<true>1</true>") == "characters between elements");
  BOOST_TEST(not_this("<true/>", "<true><false/></true>") == "an element where none belongs");
  BOOST_TEST(not_this("<true/>", "<true/>x") == "characters between elements");
  BOOST_TEST(not_this("<null/>", "<null>0</null>") == "characters where there is nothing");
  BOOST_TEST(not_this("<null/>", "") == "a choice without an alternative");
  BOOST_TEST(not_this("<transportID/>", "") ==
             "a member is missing, repeated, unknown or not in order");
  BOOST_TEST(not_this("<transportID/>", "<transportID a='b'/>") == "an attribute");
  BOOST_TEST(not_this("<transportID/>", "x<transportID/>") == "characters between elements");
  BOOST_TEST(not_this("C-GetSlotList-Call>", "C-GetInfo-Call>") == "an element of another type");
  BOOST_TEST(not_this("</C-GetSlotList-Call>", "</C-GetSlotList-Call><X/>") ==
             "an element of another type");
  BOOST_TEST(not_this("</C-GetSlotList-Call>", "</C-GetSlotList-Call><C-Failed-Return/>") ==
             "an element where none belongs");
  BOOST_TEST(not_this("<opdata><C-GetSlotList-Call>", "<opdata>") == "an element of another type");
  BOOST_TEST(not_this("<TransportMessage>", "<!DOCTYPE a [<!ENTITY b 'c'>]><TransportMessage>") ==
             "a DOCTYPE");
  BOOST_TEST(not_this("<transportID/>", "<?php ?><transportID/>") == "a processing instruction");
  BOOST_TEST(not_this("<transportID/>", "<transportID>&b;</transportID>") == xml);
  BOOST_TEST(not_this("</payload>", "</pay>") == xml);
  BOOST_TEST(why_not(Encoding::kXer, std::string(kXer) + "x") == xml);
  BOOST_TEST(why_not(Encoding::kXer, "") == xml);
  BOOST_TEST(why_not(Encoding::kXer, "<Hello/>") == "another element than a message's");
  std::string deep("<TransportMessage>");
  for (unsigned i = 0; i < 100000; i++) deep += "<version>";
  BOOST_TEST(why_not(Encoding::kXer, deep) != "taken");
}

BOOST_AUTO_TEST_CASE(what_comes_later_is_passed_over) {
  const std::string der = to_der(Encoding::kJer, kJer);
  BOOST_TEST(to_der(Encoding::kJer, with(kJer, "\"pulCount\":0",
                                         "\"pulCount\":0,\"flags\":{\"a\":[1,null,[]],"
                                         "\"b\":-1.5},\"c\":true")) == der);
  BOOST_TEST(to_der(Encoding::kXer, with(kXer, "</pulCount>",
                                         "</pulCount><flags>1<a><b/>2</a></flags><c/>")) == der);
  /* But not before what must be there. */
  BOOST_TEST(why_not(Encoding::kJer, with(kJer, "\"pulCount\"", "\"flags\":1,\"pulCount\"")) ==
             "a member is missing, repeated, unknown or not in order");
}

BOOST_AUTO_TEST_CASE(unknown_operations) {
  const std::string jer = with(kJer, "opc-GetSlotList", "opc-Later");
  const std::string xer = with(kXer, "opc-GetSlotList", "opc-Later");
  for (const std::string& der : {to_der(Encoding::kJer, jer, TextStatus::kOpcode),
                                 to_der(Encoding::kXer, xer, TextStatus::kOpcode)}) {
    CallArena arena;
    Received received;
    BOOST_TEST((decode_message(octets_in(der), &arena, &received) == CodecStatus::kOk));
    BOOST_TEST(received.opcode == 65535u);
    BOOST_TEST((received.envelope.request == id_of_number(1)));
    BOOST_TEST(to_text(Encoding::kJer, octets_in(der)) == "none");
  }
  BOOST_TEST(
      why_not(Encoding::kJer, with(kJer, "\"pulCount\":0}}}}",
                                   "\"pulCount\":0}}},\"failure\":{\"reason\":\"later\"}}")) ==
      "a name that there is not");
}

BOOST_AUTO_TEST_CASE(returns_without_results) {
  Envelope envelope;
  envelope.request = id_of_number(7);
  CallArena arena;
  SecureBuffer der;
  encode_answer(kC_Sign, CKR_KEY_HANDLE_INVALID, envelope, &arena, &der);
  const std::string xer = to_text(Encoding::kXer, der.span());
  const std::string jer = to_text(Encoding::kJer, der.span());
  BOOST_TEST(xer.find("<opdata><C-Failed-Return><retval>96</retval></C-Failed-Return></opdata>") !=
             std::string::npos);
  BOOST_TEST(jer.find("\"opdata\":{\"retval\":96}") != std::string::npos);
  BOOST_TEST(to_der(Encoding::kXer, xer) == string_of(der));
  BOOST_TEST(to_der(Encoding::kJer, jer) == string_of(der));
  /* Success has results. */
  BOOST_TEST(why_not(Encoding::kJer, with(jer, "96", "0")) == "a member is missing");
}

BOOST_AUTO_TEST_CASE(limits_of_values_and_octets) {
  const auto list = [](size_t count) {
    std::string slots = "[";
    for (size_t i = 0; i < count; i++) slots += i == 0 ? "1" : ",1";
    return R"({"version":{"major":"00","minor":"03"},"transportID":"","requestID":"01","payload":)"
           R"({"called":{"opcode":"opc-GetSlotList","opdata":{"retval":0,"pSlotList":{"data":)" +
           slots + R"(]},"pulCount":1}}}})";
  };
  BOOST_TEST(why_not(Encoding::kJer, list(limits::kWireList)) != "too many values");
  BOOST_TEST(why_not(Encoding::kJer, list(limits::kDerNodes)) == "too many values");
  const std::string blanks(limits::kTextMessage - kJer.size(), ' ');
  const std::string der = to_der(Encoding::kJer, kJer);
  BOOST_TEST(to_der(Encoding::kJer, std::string(kJer) + blanks) == der);
  BOOST_TEST(to_der(Encoding::kJer, std::string(kJer) + blanks + " ", TextStatus::kMemory).empty());
}

/*
 * A call and a return of every operation, as the first release with texts wrote them: what was
 * recorded then is read by every later release, and understood as it was. A line with a name, then
 * DER in hexadecimal, XER, JER. MULTIP11_NEW_MESSAGES=FILE writes such a file; the one that is kept
 * for a release never changes.
 */
BOOST_AUTO_TEST_CASE(messages_of_release_0_3) {
  if (const char* name = std::getenv("MULTIP11_NEW_MESSAGES")) {
    std::ofstream file(name);
    for (long opcode : all_opcodes())
      for (bool call : {true, false}) {
        const std::vector<uint8_t> der = short_message(call, opcode);
        file << opcode << (call ? " call\n" : " return\n")
             << spell({reinterpret_cast<const char*>(der.data()), der.size()}) << "\n"
             << to_text(Encoding::kXer, der) << to_text(Encoding::kJer, der);
      }
  }
  std::ifstream file(TOP_SRCDIR "/regress/unit/asn1/messages-0.3.txt");
  std::string name, der, xer, jer;
  size_t messages = 0;
  while (std::getline(file, name) && std::getline(file, der) && std::getline(file, xer) &&
         std::getline(file, jer)) {
    const std::string octets = to_der(Encoding::kXer, xer);
    BOOST_TEST(spell(octets) == der, name);
    BOOST_TEST(to_der(Encoding::kJer, jer) == octets, name);
    BOOST_TEST(to_text(Encoding::kXer, octets_in(octets)) == xer + "\n", name);
    BOOST_TEST(to_text(Encoding::kJer, octets_in(octets)) == jer + "\n", name);
    messages++;
  }
  BOOST_TEST(messages == 2 * all_opcodes().size());
}

BOOST_AUTO_TEST_CASE(names) {
  BOOST_TEST((encoding_of('{') == Encoding::kJer && encoding_of('<') == Encoding::kXer));
  BOOST_TEST((encoding_of(0x30) == Encoding::kDer && !encoding_of(0x00)));
  for (Encoding e : {Encoding::kDer, Encoding::kXer, Encoding::kJer})
    BOOST_TEST((encoding_named(encoding_name(e)) == e));
  BOOST_TEST(!encoding_named("DER"));
}

BOOST_AUTO_TEST_SUITE_END()
