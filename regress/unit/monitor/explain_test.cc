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
/* What multip11d -T -C says: who sees what, which layer answers a call, and why not. If these fail,
 * an administrator believes something else than what the daemon does. */
#include "explain.h"

#include "config_fixture.h"
#include "token_uri.h"

using namespace mp11;
using config_test::ConfigDir;

namespace {

/* A configuration as the file has it; MODULE, PIN_FILE and STAFF are files that are there. */
class Configured {
 public:
  explicit Configured(std::string text) {
    text = config_test::kUsers + std::string(config_test::kListener) + kBackends + text;
    put(&text, "MODULE", dir_.file("module.so"));
    put(&text, "PIN_FILE", "file:" + dir_.write("pin", "1234\n", 0600));
    put(&text, "STAFF", dir_.write("staff", "uid:7\nbob@R\n"));
    LoadedConfig loaded = config_test::load(dir_, text);
    for (const std::string& error : loaded.errors) BOOST_TEST_MESSAGE(error);
    BOOST_REQUIRE(loaded.config);
    config = std::move(*loaded.config);
  }

  /* The answer, or "error: " and what is wrong. */
  std::string ask(const std::vector<std::string>& parts) {
    Result<std::string> text = explain(config, parts, &yes);
    return text ? *text : "error: " + text.error().text;
  }
  /* Of alice in the token: the lines of a call, from its first to the answer. */
  std::string call(const std::string& token, std::vector<std::string> parts) {
    parts.insert(parts.end(), {"user=alice@R", "token=" + token});
    const std::string text = ask(parts);
    const size_t allowed = text.rfind("\n  allowed by: ");
    return allowed == text.npos ? text : text.substr(text.find('\n', allowed + 1) + 1);
  }

  Config config;
  bool yes = false;

 private:
  static constexpr const char* kBackends =
      "backend hsm { module = MODULE user = \"64010:64010\" }\n"
      "backend soft { module = MODULE user = \"64011:64011\" }\n"
      "backend open { module = MODULE user = \"64012:64012\" transparent = yes\n"
      "  allow = {\"uid:5\"} }\n"
      "group staff { file = STAFF }\n"; /* with what is before: 8 lines */

  static void put(std::string* text, const std::string& word, const std::string& what) {
    for (size_t at; (at = text->find(word)) != text->npos;)
      text->replace(at, word.size(), "\"" + what + "\"");
  }
  const ConfigDir dir_;
};

bool has(const std::string& text, const std::string& part) {
  const bool there = text.find(part) != text.npos;
  if (!there) BOOST_TEST_MESSAGE("no " << part << " in:\n" << text);
  return there;
}

const char kThree[] =
    "token Desk {\n"                                                   /* 9 */
    "  layer { backend = hsm token = alice access = read-write\n"      /* 10 */
    "    create = {public-key, private-key} }\n"                       /* 11 */
    "  layer { backend = soft token = web functions = {\"C_Sign*\"}\n" /* 12 */
    "    no-mechanisms = {\"CKM_RSA*\"} show = {\"label=web-*\"} hide = {\"id=2b*\"}\n"
    "    no-export = yes pin = PIN_FILE }\n"                  /* 14 */
    "  layer { backend = soft token = company pin = none }\n" /* 15 */
    "  layer { backend = soft token = others allow = {\"uid:9\"} }\n"
    "  allow = {\"alice@R\", \"uid:8\"}\n"
    "}\n"
    "token Plain { layer { backend = hsm token = plain } allow = {\"alice@R\", \"group:staff\"} }\n"
    "token \"Own, with a comma\" { layer { backend = hsm token = own } admin = yes\n"
    "  access = read-write allow = {\"alice@R\"} }\n";

}  // namespace

BOOST_AUTO_TEST_SUITE(explaining)

BOOST_AUTO_TEST_CASE(who_sees_what_and_why) {
  Configured c(kThree);
  const std::string desk = c.ask({"user=alice@R,token=Desk"});
  BOOST_TEST(c.yes);
  BOOST_TEST(has(desk,
                 "slot 1: token \"Desk\"\n  layer: backend hsm, token \"alice\", read-write, "
                 "for new objects of public-key private-key, the client's PIN, line 10\n"));
  BOOST_TEST(has(desk,
                 "    filter: functions C_Sign*; no-mechanisms CKM_RSA*; show label=web-*; "
                 "hide id=2b*; no-export\n"));
  BOOST_TEST(has(desk, "    not seen, as none of its entries of allow matches\n"));
  BOOST_TEST(has(desk, "  allowed by: \"alice@R\", line 9\n"));
  BOOST_TEST(!has(desk, "answer"));
  BOOST_TEST(
      has(c.ask({"user=bob@R"}), "allowed by: \"group:staff\", line 19; its member \"bob@R\""));
  BOOST_TEST(has(c.ask({"user=bob@R"}), "3 not seen\n"));
  BOOST_TEST(has(c.ask({"user=bob@R", "token=Desk"}), "not seen, as none of the 2 entries"));
  BOOST_TEST(!c.yes);
  BOOST_TEST(c.ask({"user=carol@R"}) == "4 not seen\n");
  BOOST_TEST(!c.yes);
  BOOST_TEST(has(c.ask({"user=uid:5"}), "every slot of backend open, read-write\n"));
  BOOST_TEST(has(c.ask({"user=alice@R,token=Own, with a comma,function=C_Sign"}), "slot 3: "));
  for (const char* bad :
       {"user=bob@R,function=C_Nothing", "user=bob@R,mechanism=CKM_NOTHING", "", "alice@R",
        "user=", "user=alice", "user=uid:x", "user=a@R,token=Ten", "user=group:staff", "user=*@R",
        "user=*/staff@R", "user=bob@R,object=web", "token=Desk"})
    BOOST_TEST(has(c.ask({bad}), "error: "), bad);
  BOOST_TEST(has(c.ask({"user=bob@R", "user=bob@R"}), "error: user= is there twice"));
  BOOST_TEST(has(c.ask({"user=bob@R", "colour=blue"}), "error: colour=blue is not understood"));
}

BOOST_AUTO_TEST_CASE(a_call_goes_to_the_layer_of_its_object) {
  Configured c(kThree);
  BOOST_TEST(
      c.call("Desk", {"function=C_SignInit", "mechanism=CKM_ECDSA",
                      "object=pkcs11:object=web-1;id=%0A;type=private"}) ==
      "  C_SignInit CKM_ECDSA pkcs11:object=web-1;id=%0A;type=private: the layer of the "
      "object\n"
      "    layer 1, backend hsm, line 10: yes, if the object lies there, which the library "
      "decides\n"
      "    layer 2, backend soft, line 12: yes, if the object lies there, which the library "
      "decides, shown by show \"label=web-*\"\n"
      "    layer 3, backend soft, line 15: yes, if the object lies there, which the library "
      "decides, if it is public, as nobody logs in there (pin = none)\n"
      "  answer: layer 1, backend hsm; or layer 2, backend soft; or layer 3, backend soft\n");
  BOOST_TEST(c.yes);
  const std::string rsa = c.call("Desk", {"function=C_DecryptInit", "mechanism=CKM_RSA_PKCS"});
  BOOST_TEST(has(rsa,
                 "layer 2, backend soft, line 12: no: CKR_FUNCTION_NOT_SUPPORTED by functions, "
                 "which does not name it; CKR_MECHANISM_INVALID by no-mechanisms \"CKM_RSA*\""));
  BOOST_TEST(has(rsa, "answer: layer 1, backend hsm; or layer 3, backend soft\n"));
  BOOST_TEST(has(c.call("Desk", {"function=C_WrapKey"}), "CKR_KEY_UNEXTRACTABLE by no-export"));
  BOOST_TEST(has(c.call("Desk", {"function=C_GetOperationState"}),
                 "CKR_STATE_UNSAVEABLE by no-mechanisms, as a state may be of any operation"));
  const std::string destroy = c.call("Plain", {"function=C_DestroyObject"});
  BOOST_TEST(has(destroy, "answer: nobody: CKR_ACTION_PROHIBITED by access = read-only"));
  BOOST_TEST(!c.yes);
  BOOST_TEST(has(c.call("Desk", {"function=C_DestroyObject"}), "answer: layer 1, backend hsm\n"));
  BOOST_TEST(has(c.call("Desk", {"function=C_Sign"}), "the layer where the operation was begun"));
}

BOOST_AUTO_TEST_CASE(which_entry_shows_an_object_or_hides_it) {
  Configured c(kThree);
  auto second = [&](const std::string& uri) {
    const std::string text = c.call("Desk", {"object=" + uri});
    const size_t at = text.find("line 12: ");
    return text.substr(at + 9, text.find('\n', at) - at - 9);
  };
  const std::string there = "yes, if the object lies there, which the library decides";
  BOOST_TEST(second("pkcs11:object=web-1;id=%01") == there + ", shown by show \"label=web-*\"");
  BOOST_TEST(second("pkcs11:object=web-1") ==
             there + ", unless hide \"id=2b*\" is about it, shown by show \"label=web-*\"");
  BOOST_TEST(second("pkcs11:type=private;id=%01") ==
             there + ", if show \"label=web-*\" is about it");
  BOOST_TEST(second("pkcs11:object=web-1;id=%2b") == "no: hidden by hide \"id=2b*\"");
  BOOST_TEST(second("pkcs11:object=db;id=%01") == "no: hidden, as no entry of show is about it");
}

/* A question is about the names that clients see; the layer's entries, about the library's. */
BOOST_AUTO_TEST_CASE(names_with_a_prefix) {
  Configured c(
      "token T {\n"
      "  layer { backend = soft token = web label-prefix = \"team: \" id-prefix = 74\n"
      "    access = read-write show = {\"label=web-*\"} }\n"
      "  allow = {\"alice@R\"} }\n");
  auto answer = [&](std::vector<std::string> parts) {
    const std::string text = c.call("T", parts);
    const size_t at = text.find("line 10: ");
    return text.substr(at + 9, text.find('\n', at) - at - 9);
  };
  BOOST_TEST(answer({"object=pkcs11:object=team:%20web-1;id=%74%01"}) ==
             "yes, if the object lies there, which the library decides, shown by show "
             "\"label=web-*\"");
  for (const char* other : {"pkcs11:object=web-1", "pkcs11:object=team:%20"})
    BOOST_TEST(answer({std::string("object=") + other}) ==
               "no: no object there is called so, by label-prefix \"team: \"");
  BOOST_TEST(answer({"object=pkcs11:id=%01"}) ==
             "no: no object there is called so, by id-prefix 74");
  BOOST_TEST(has(answer({"function=C_CreateObject", "object=pkcs11:object=mine;type=data"}),
                 "no: no object there is called so"));
  BOOST_TEST(
      has(answer({"function=C_CreateObject", "object=pkcs11:object=team:%20x;type=data"}), "yes"));
}

BOOST_AUTO_TEST_CASE(new_objects_and_mechanisms) {
  Configured c(
      "token T {\n"
      "  layer { backend = hsm token = a create = {private-key, public-key} access = read-write }\n"
      "  layer { backend = soft token = b no-functions = {C_GenerateKey} access = read-write\n"
      "    no-mechanisms = {CKM_AES_KEY_GEN, CKM_SHA256} }\n"
      "  layer { backend = soft token = c create = {secret-key, \"CKM_AES*\"} access = read-write "
      "}\n"
      "  allow = {\"alice@R\"}\n"
      "}\n"
      "token R { layer { backend = hsm token = r } allow = {\"alice@R\"} }\n"
      "token D { layer { backend = hsm token = d create = {data} access = read-write }\n"
      "  allow = {\"alice@R\"} }\n"
      "token A { layer { backend = hsm token = e policy = audit no-functions = {C_SignInit} }\n"
      "  allow = {\"alice@R\"} }\n");
  auto answer = [&](const std::string& token, const std::vector<std::string>& parts) {
    const std::string text = c.call(token, parts);
    const size_t at = text.find("  answer: ");
    return at == text.npos ? text : text.substr(at + 10, text.size() - at - 11);
  };
  BOOST_TEST(answer("T", {"function=C_GenerateKey", "mechanism=CKM_AES_KEY_GEN"}) ==
             "layer 3, backend soft");
  BOOST_TEST(answer("T", {"function=C_GenerateKey", "mechanism=CKM_DES3_KEY_GEN"}) ==
             "nobody: CKR_FUNCTION_NOT_SUPPORTED by no-functions \"C_GenerateKey\"");
  BOOST_TEST(!c.yes);
  BOOST_TEST(answer("T", {"function=C_GenerateKeyPair", "mechanism=CKM_ECDSA_KEY_PAIR_GEN"}) ==
             "layer 1, backend hsm; then layer 2, backend soft: the first whose library has "
             "CKM_ECDSA_KEY_PAIR_GEN");
  BOOST_TEST(c.yes);
  BOOST_TEST(answer("T", {"function=C_DigestInit", "mechanism=CKM_SHA256"}) ==
             "layer 1, backend hsm; then layer 3, backend soft: the first whose library has "
             "CKM_SHA256");
  BOOST_TEST(answer("T", {"function=C_CreateObject", "object=pkcs11:type=data"}) ==
             "layer 2, backend soft");
  BOOST_TEST(has(c.call("T", {"function=C_CreateObject"}),
                 "yes, if the object is of a class that create names"));
  BOOST_TEST(answer("R", {"function=C_GenerateKey"}) ==
             "nobody: CKR_TOKEN_WRITE_PROTECTED, as every layer is read-only");
  BOOST_TEST(answer("D", {"function=C_GenerateKey"}) ==
             "nobody: CKR_TEMPLATE_INCONSISTENT, as no layer makes it");
  BOOST_TEST(has(c.call("A", {"function=C_SignInit"}),
                 "yes; policy = audit logs: CKR_FUNCTION_NOT_SUPPORTED by no-functions"));
  BOOST_TEST(c.yes);
}

BOOST_AUTO_TEST_CASE(each_function_has_an_answer) {
  Configured c(kThree);
  for (const FunctionRow& row : kFunctionTable)
    for (const char* token : {"Desk", "Plain", "Own, with a comma"})
      BOOST_TEST(has(c.call(token, {std::string("function=") + row.name}), "  answer: "), row.name);
  auto answer = [&](const std::string& token, const std::string& name) {
    const std::string text = c.call(token, {"function=" + name});
    return text.substr(text.find("  answer: ") + 10);
  };
  BOOST_TEST(has(answer("Desk", "C_Login"), "layer 1, backend hsm, with the user's PIN"));
  BOOST_TEST(has(c.call("Desk", {"function=C_Login"}), "nobody logs in there (pin = none)"));
  BOOST_TEST(has(answer("Desk", "C_SetPIN"), "layer 1, backend hsm"));
  BOOST_TEST(has(answer("Desk", "C_InitPIN"), "as the token has no admin = yes"));
  BOOST_TEST(has(answer("Own, with a comma", "C_InitToken"), "layer 1, backend hsm"));
  BOOST_TEST(has(answer("Desk", "C_GetSlotList"), "multip11-monitor"));
  BOOST_TEST(has(answer("Desk", "C_GetTokenInfo"), "every layer, merged"));
  BOOST_TEST(has(answer("Desk", "C_EncapsulateKey"), "are not built yet"));
  BOOST_TEST(has(c.ask({"user=uid:5", "function=C_Sign"}), "answer: layer 1, backend open"));
}

BOOST_AUTO_TEST_CASE(uris_of_objects) {
  auto facts = name_object("pkcs11:object=a%20b;id=%00%ffz;type=secret-key");
  BOOST_REQUIRE(facts.ok());
  BOOST_TEST(*facts->label == "a b");
  BOOST_TEST(*facts->id_hex == "00ff7a");
  BOOST_TEST(facts->class_bit == uint32_t{kCreateSecretKey});
  BOOST_TEST(!name_object("pkcs11:type=cert")->label);
  for (const char* bad :
       {"", "web", "pkcs11:", "pkcs11:object", "pkcs11:object=a;object=b", "pkcs11:id=%0",
        "pkcs11:id=%zz", "pkcs11:type=key", "pkcs11:type=data;type=data", "pkcs11:token=a",
        "pkcs11:object=a?pin-value=1", "pkcs11:object=a;", "pkcs11:object=%00"})
    BOOST_TEST(!name_object(bad).ok(), bad);
}

BOOST_AUTO_TEST_SUITE_END()
