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
/* The configuration: what is accepted, what is refused and on which line, and that -T reads back.
 */
#include "config.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <fstream>

#include "config_parse.h"
#include "layer_filter.h"
#include "layer_prefix.h"
#include "p11_params.h"
#include "remote_start.h"
#include "start_blocks.h"

using namespace mp11;

namespace {

/* A private directory with a module and a keytab that pass the checks. */
class TempDir {
 public:
  TempDir() {
    char pattern[] = "/tmp/multip11-config.XXXXXX";
    path_ = ::mkdtemp(pattern);
    write("module.so", "x", 0644);
    write("keytab", "x", 0600);
  }
  ~TempDir() { (void)!std::system(("rm -r " + path_).c_str()); }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  void write(const std::string& name, const std::string& text, mode_t mode) const {
    std::ofstream(file(name)) << text;
    ::chmod(file(name).c_str(), mode);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

const char kUsers[] =
    "users { auth = \"64001:64001\" vault = \"64002:64002\" monitor = \"64003:64003\"\n"
    "  net = \"64004:64004\" log = \"64005:64005\" }\n";
const char kListener[] = "listener here { path = \"/tmp/nowhere.sock\" peer-uid = yes }\n";

std::string backend(const TempDir& dir, const std::string& more = "") {
  return "backend hsm { module = \"" + dir.file("module.so") + "\" user = \"64010:64010\" " + more +
         " }\n";
}
const char kToken[] = "token Keys { layer { backend = hsm } allow = {\"alice@EXAMPLE.ORG\"} }\n";

std::string good(const TempDir& dir) {
  return kUsers + std::string(kListener) + backend(dir) + kToken;
}

LoadedConfig load(const TempDir& dir, const std::string& text,
                  std::vector<std::string> options = {}) {
  dir.write("conf", text, 0644);
  return load_config({dir.file("conf"), std::move(options)});
}

/* True when exactly one error is there, on that line, with that text in it. */
bool only_error(const TempDir& dir, const std::string& text, int line, const std::string& part) {
  LoadedConfig loaded = load(dir, text);
  std::string place = dir.file("conf") + ":" + std::to_string(line) + ": ";
  bool right = !loaded.config && loaded.errors.size() == 1 && loaded.errors[0].starts_with(place) &&
               loaded.errors[0].find(part) != std::string::npos &&
               loaded.errors[0].find(';') != std::string::npos; /* what to do */
  if (!right)
    for (const std::string& error : loaded.errors) BOOST_TEST_MESSAGE("got: " << error);
  if (!right && loaded.errors.empty()) BOOST_TEST_MESSAGE("got no error");
  return right;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(config)

BOOST_AUTO_TEST_CASE(minimal_file_and_its_defaults) {
  TempDir dir;
  LoadedConfig loaded = load(dir, good(dir));
  BOOST_REQUIRE_MESSAGE(loaded.config, (loaded.errors.empty() ? "" : loaded.errors[0]));
  const Config& c = *loaded.config;
  BOOST_TEST(!c.unprivileged);
  BOOST_TEST(c.tokens[0].layers.at(0).read_only); /* safe unless the file says more */
  BOOST_TEST(!c.tokens[0].admin);
  BOOST_TEST((c.sandbox == SandboxMode::kFull));
  BOOST_TEST(c.users.net.uid == 64004u);
  BOOST_TEST(c.handshake_timeout_s == 30u);
  BOOST_TEST(!c.has_tcp());
}

BOOST_AUTO_TEST_CASE(dump_reads_back_the_same) {
  TempDir dir;
  std::string text =
      kUsers + std::string("log-level = debug log-target = \"file:") + dir.file("log file") +
      "\"\nlisten"
      "er a { path = \"" +
      dir.file("s \\\"q\\\"") +
      "\" mode = 0660 principal = web }\nlistener t { address = \"::1\" port = 99 }\nkeytab = \"" +
      dir.file("keytab") + "\" principal = \"pkcs11/host@EXAMPLE.ORG\"\n" +
      backend(dir,
              "environment = {'A=${B} \"x\"', \"C=\\\\\"} read = {\"/tmp\"} token-lock = yes") +
      "backend tr { module = \"" + dir.file("module.so") +
      "\" user = \"64011:64011\" transparent = yes admin = yes allow = {\"uid:0\"} }\n" +
      "token 'a # \"b\" // c' { layer { backend = hsm token = \"pkcs11:serial=x%24;token=x$y\" } "
      "access = read-write "
      "serial = 1 allow = {\"*/admin@R\", \"uid:7\", \"local:web\", \"group:g\"} }\n"
      "token Layered { layer { backend = hsm token = a access = read-write create = {secret-key, "
      "\"certificate\", \"CKM_AES_*\"} } "
      "layer { backend = tr token = b required = yes allow = {\"uid:7\", \"group:g\"} } layer { "
      "backend = tr token = c pin = none } "
      "allow = {\"uid:7\"} }\n"
      "group g { members = {\"a\\\\*@R\"} file = \"" +
      dir.file("members") + "\" unix-group = root realm = R }\n";
  dir.write("members", "bob@R\n", 0644);
  LoadedConfig first = load(dir, text);
  BOOST_REQUIRE_MESSAGE(first.config, (first.errors.empty() ? "" : first.errors[0]));
  std::string dump = dump_config(*first.config);
  LoadedConfig second = load(dir, dump);
  BOOST_REQUIRE_MESSAGE(second.config, (second.errors.empty() ? "" : second.errors[0]));
  BOOST_TEST(dump_config(*second.config) == dump);
  const std::vector<LayerConfig>& layers = second.config->tokens.at(1).layers;
  BOOST_REQUIRE(layers.size() == 3u);
  BOOST_TEST(!layers[0].read_only);
  BOOST_TEST(layers[0].creates == (kCreateSecretKey | kCreateCertificate));
  BOOST_TEST(layers[1].creates == 0u);
  BOOST_REQUIRE(layers[0].filter.has_value());
  BOOST_TEST(layers[0].filter->plan.flags == uint32_t{kFilterCreate});
  const LayerFilter filter(layers[0].filter->plan);
  BOOST_TEST((filter.makes_with(CKM_AES_KEY_GEN) && !filter.makes_with(CKM_DES3_KEY_GEN)));
  BOOST_TEST((!filter.makes_with(CKM_VENDOR_DEFINED) && filter.takes_mechanism(CKM_DES3_KEY_GEN)));
  BOOST_TEST(!layers[1].filter.has_value());
  BOOST_TEST((layers[1].allow == std::vector<std::string>{"uid:7", "group:g"}));
  BOOST_TEST(layers[0].allow.empty());
  BOOST_TEST((layers[1].read_only && layers[1].required && layers[1].backend == 1u));
  BOOST_TEST((layers[2].read_only && !layers[2].required && layers[2].pin == kPinNone));
  BOOST_TEST(second.config->tokens[1].serial == "2522337e36b545b7"); /* of "Layered", for ever */
  BOOST_TEST(second.config->backends[0].environment[0] == "A=${B} \"x\"");
  BOOST_TEST(second.config->backends[0].environment[1] == "C=\\");
  BOOST_TEST(second.config->tokens[0].label == "a # \"b\" // c");
  BOOST_TEST(second.config->listeners[0].path == dir.file("s \"q\""));
  BOOST_TEST(second.config->listeners[0].mode == 0660u);
}

BOOST_AUTO_TEST_CASE(a_way_around_a_filter_is_told) {
  TempDir dir;
  auto warnings = [&](const std::string& second) {
    std::string text = good(dir) +
                       "token One { layer { backend = hsm token = a no-export = yes } "
                       "allow = {\"a@B\"} }\n" +
                       second;
    LoadedConfig loaded = load(dir, text);
    BOOST_REQUIRE_MESSAGE(loaded.config, (loaded.errors.empty() ? "" : loaded.errors[0]));
    size_t told = 0;
    for (const std::string& line : loaded.warnings)
      told += line.find("keeps nothing from who also sees it here") != line.npos;
    return told;
  };
  auto two = [](const std::string& layer) {
    return "token Two { layer { backend = hsm " + layer + " } allow = {\"a@B\"} }\n";
  };
  BOOST_TEST(warnings(two("token = a")) == 1u);
  BOOST_TEST(warnings(two("token = b")) == 0u);
  BOOST_TEST(warnings(two("token = a no-export = yes")) == 0u);
}

BOOST_AUTO_TEST_CASE(a_pin_in_a_file) {
  TempDir dir;
  auto with = [&](const std::string& pin) {
    std::string text = good(dir);
    text.insert(text.find("layer { backend = hsm") + 21, " pin = \"" + pin + "\"");
    return load(dir, text);
  };
  auto error = [&](const std::string& pin) {
    LoadedConfig loaded = with(pin);
    return loaded.errors.size() == 1 ? loaded.errors[0] : std::to_string(loaded.errors.size());
  };
  dir.write("pin", "12 34\n", 0600);
  LoadedConfig loaded = with("file:" + dir.file("pin"));
  BOOST_REQUIRE_MESSAGE(loaded.config, (loaded.errors.empty() ? "" : loaded.errors[0]));
  const LayerConfig& layer = loaded.config->tokens.at(0).layers.at(0);
  BOOST_TEST(layer.pin == kPinStored);
  BOOST_TEST(layer.stored_pin == "12 34");
  const std::string dump = dump_config(*loaded.config);
  BOOST_TEST(dump.find("12 34") == dump.npos);
  BOOST_TEST(load(dir, dump).config->tokens.at(0).layers.at(0).stored_pin == "12 34");
  for (const char* text : {"", "\n", "1\n2\n", "1\n\n"}) {
    dir.write("pin", text, 0600);
    BOOST_TEST(error("file:" + dir.file("pin")).find("is not one line of 1 to 252") !=
               std::string::npos);
  }
  dir.write("pin", std::string(253, '1'), 0600);
  BOOST_TEST(error("file:" + dir.file("pin")).find("1 to 252") != std::string::npos);
  dir.write("pin", std::string(252, '1'), 0600);
  BOOST_TEST(with("file:" + dir.file("pin")).config.has_value());
  dir.write("pin", "1234", 0640);
  BOOST_TEST(error("file:" + dir.file("pin")).find("chmod 600") != std::string::npos);
  BOOST_TEST(error("file:pin").find("/ABSOLUTE/PATH") != std::string::npos);
  BOOST_TEST(error("file:/nonexistent/pin").find("No such file") != std::string::npos);
  BOOST_TEST(error("vault").find("pin = vault") != std::string::npos);
  BOOST_TEST(error("pin").find("write client, none, vault or") != std::string::npos);
}

/* Names and patterns become bits; both lists of a kind may stand together. */
BOOST_AUTO_TEST_CASE(a_filter_is_what_its_words_say) {
  TempDir dir;
  std::string text = good(dir);
  const size_t at = text.find("layer { backend = hsm");
  BOOST_REQUIRE(at != text.npos);
  text.insert(at + 21,
              " functions = {\"C_*\"} no-functions = {\"C_Wrap*\", C_DestroyObject}"
              " mechanisms = {\"CKM_RSA_*\"} no-mechanisms = {CKM_RSA_X_509} no-export = yes"
              " show = {\"class=private-key;class=public-key;label=web-*;id=0a*\"}"
              " hide = {\"label=*;id=00\"} policy = audit");
  LoadedConfig loaded = load(dir, text);
  BOOST_REQUIRE_MESSAGE(loaded.config, (loaded.errors.empty() ? "" : loaded.errors[0]));
  LoadedConfig again = load(dir, dump_config(*loaded.config));
  BOOST_REQUIRE_MESSAGE(again.config, (again.errors.empty() ? "" : again.errors[0]));
  for (const LoadedConfig* one : {&loaded, &again}) {
    const auto& configured = one->config->tokens.at(0).layers.at(0).filter;
    BOOST_REQUIRE(configured.has_value());
    const FilterPlan& plan = configured->plan;
    BOOST_REQUIRE(filter_is_good(plan));
    BOOST_TEST(plan.flags == (kFilterKnown & ~uint32_t{kFilterCreate}));
    LayerFilter filter(plan);
    for (const FunctionRow& row : kFunctionTable)
      BOOST_TEST(filter.takes_function(row.number) ==
                     (row.number != kC_WrapKey && row.number != kC_WrapKeyAuthenticated &&
                      row.number != kC_DestroyObject),
                 row.name);
    for (const MechanismRow& row : mechanism_rows())
      BOOST_TEST(
          filter.takes_mechanism(row.type) ==
              (std::string_view(row.name).starts_with("CKM_RSA_") && row.type != CKM_RSA_X_509),
          row.name);
    BOOST_REQUIRE(plan.objects == 2u);
    BOOST_TEST(plan.object[0].shows == 1u);
    BOOST_TEST(plan.object[0].classes == (kCreatePrivateKey | kCreatePublicKey));
    BOOST_TEST(std::string(plan.object[0].label) == "web-*");
    BOOST_TEST(std::string(plan.object[0].id) == "0a*");
    BOOST_TEST(plan.object[1].shows == 0u);
    BOOST_TEST(std::string(plan.object[1].id) == "00");
  }
  /* Nothing written refuses nothing; an empty list of what is taken takes nothing. */
  BOOST_TEST(!load(dir, good(dir)).config->tokens.at(0).layers.at(0).filter.has_value());
  text = good(dir);
  text.insert(text.find("layer { backend = hsm") + 21, " functions = {}");
  loaded = load(dir, text);
  BOOST_REQUIRE_MESSAGE(loaded.config, (loaded.errors.empty() ? "" : loaded.errors[0]));
  LayerFilter none(loaded.config->tokens.at(0).layers.at(0).filter->plan);
  for (const FunctionRow& row : kFunctionTable)
    BOOST_TEST(none.takes_function(row.number) == !filterable(row), row.name);
}

/* What a layer shows before labels and ids, and hides; and the same again from what is dumped. */
BOOST_AUTO_TEST_CASE(prefixes_and_blind_layers) {
  TempDir dir;
  const std::string text = kUsers + std::string(kListener) + backend(dir) +
                           "token Keys { layer { backend = hsm token = a blind = yes } layer { "
                           "backend = hsm token = b label-prefix = \"te\\\"am: \" id-prefix = "
                           "\"0aFF\" } allow = {\"alice@EXAMPLE.ORG\"} }\n";
  LoadedConfig loaded = load(dir, text);
  BOOST_REQUIRE_MESSAGE(loaded.config, (loaded.errors.empty() ? "" : loaded.errors[0]));
  BOOST_TEST(loaded.warnings.empty());
  LoadedConfig again = load(dir, dump_config(*loaded.config));
  BOOST_REQUIRE_MESSAGE(again.config, (again.errors.empty() ? "" : again.errors[0]));
  for (const LoadedConfig* one : {&loaded, &again}) {
    const std::vector<LayerConfig>& layers = one->config->tokens.at(0).layers;
    BOOST_TEST(layers.at(0).blind);
    BOOST_TEST(!has_prefix(layers[0].prefix));
    BOOST_TEST(!layers.at(1).blind);
    BOOST_TEST(label_prefix(layers[1].prefix) == "te\"am: ");
    BOOST_TEST(id_prefix_hex(layers[1].prefix) == "0aff");
  }
  LoadedConfig last =
      load(dir, kUsers + std::string(kListener) + backend(dir) +
                    "token Keys { layer { backend = hsm blind = yes } allow = {\"a@B\"} }\n");
  BOOST_REQUIRE(last.config.has_value());
  BOOST_REQUIRE(last.warnings.size() == 1u);
  BOOST_TEST(last.warnings[0].find("blind = yes hides nothing") != std::string::npos);
}

/* libconfuse gives up there without a word; it was taken for an empty file without a mistake. */
BOOST_AUTO_TEST_CASE(a_keyword_of_no_letters_is_a_mistake) {
  TempDir dir;
  BOOST_TEST(only_error(dir, "'' = 9\n", 1, "not understood"));
  BOOST_TEST(only_error(dir, good(dir) + "\n'':9y", 7, "not understood"));
  LoadedConfig option = load(dir, good(dir), {"''"});
  BOOST_TEST(!option.config.has_value());
  BOOST_TEST(option.errors.size() == 1u);
}

/* What an error quotes cannot begin a line of its own in the log. */
BOOST_AUTO_TEST_CASE(an_error_is_one_line) {
  TempDir dir;
  LoadedConfig loaded = load(dir, good(dir), {"log-level\n<3>forged"});
  BOOST_REQUIRE(loaded.errors.size() == 1u);
  BOOST_TEST(loaded.errors[0].find('\n') == std::string::npos);
}

BOOST_AUTO_TEST_CASE(each_mistake_has_its_line) {
  TempDir dir;
  std::string end = good(dir);
  auto first = [&](const std::string& line) { return line + "\n" + end; };
  BOOST_TEST(only_error(dir, "\n\n/* one\n two */ foo = 3\n" + end, 4, "unknown keyword 'foo'"));
  BOOST_TEST(only_error(dir, first("max-connections = many"), 1, "write a number from 1"));
  BOOST_TEST(only_error(dir, first("max-connections = 0"), 1, "write a number from 1"));
  BOOST_TEST(only_error(dir, first("max-connections = 99999999999"), 1, "write a number"));
  BOOST_TEST(only_error(dir, first("unprivileged = maybe"), 1, "write yes or no"));
  BOOST_TEST(only_error(dir, first("pool-size = 1\npool-size = 2"), 2, "already set on line 1"));
  BOOST_TEST(only_error(dir, first("run-directory = run"), 1, "relative"));
  BOOST_TEST(only_error(dir, first("log-level = loud"), 1, "write info or error"));
  BOOST_TEST(only_error(dir, first("log-target = \"file:x\""), 1, "file:/ABSOLUTE/PATH"));
  BOOST_TEST(only_error(dir, first("sandbox = none"), 1, "write full or seccomp-only"));
  BOOST_TEST(only_error(dir, first("state-directory = x"), 1, "write it from the root"));
  BOOST_TEST(only_error(dir, first("principal = host"), 1, "has no realm"));
  BOOST_TEST(only_error(dir, first("principal = \"*@R\""), 1, "is a pattern"));
  BOOST_TEST(only_error(dir, first("keytab = \"/nonexistent\""), 1, "No such file"));
  BOOST_TEST(only_error(dir, first("run-directory = \"/a\\nb\""), 1, "single quotes"));
  BOOST_TEST(only_error(dir, first("run-directory = \"${HOME}\""), 1, "not replaced"));
  BOOST_TEST(only_error(dir, first("users { }"), 2, "a second users section"));
}

BOOST_AUTO_TEST_CASE(strings_and_comments_that_do_not_end) {
  TempDir dir;
  BOOST_TEST(only_error(dir, "\nkeytab = \"/x\n" + good(dir), 2, "does not end"));
  BOOST_TEST(only_error(dir, "\n/* x\n", 2, "does not end"));
  /* libconfuse's scanner must not remember: the next good file loads. */
  BOOST_TEST(load(dir, good(dir)).config.has_value());
  BOOST_TEST(only_error(dir, "\nbackend x {\n", 2, "not closed"));
  BOOST_TEST(load(dir, good(dir)).config.has_value());
}

/* What libconfuse would make of them means more than what stands there. */
BOOST_AUTO_TEST_CASE(escapes) {
  TempDir dir;
  auto allow = [&](const std::string& entry) {
    return kUsers + std::string(kListener) + backend(dir) +
           "token T { layer { backend = hsm } allow = {" + entry + "} }\n";
  };
  for (const char* entry : {R"("\\*@R")", R"('\*@R')", R"('\\*@R')"})
    BOOST_TEST(load(dir, allow(entry)).config->tokens[0].allow[0] == "\\*@R", entry);
  for (const char* entry : {R"("\*@R")", R"("a\/b@R")", R"("a@R\0x")", R"("a@R\x00x")"})
    BOOST_TEST(only_error(dir, allow(entry), 5, "single quotes"), entry);
  for (const char* quote : {"'", "\""})
    for (const char* before : {"", "\\"})
      BOOST_TEST(
          !load(dir, allow(quote + ("a@R" + std::string(before)) + '\0' + "x" + quote)).config);
}

BOOST_AUTO_TEST_CASE(listeners) {
  TempDir dir;
  std::string rest = kUsers + backend(dir) + kToken;
  auto one = [&](const std::string& body) { return "listener a {\n" + body + " }\n" + rest; };
  BOOST_TEST(only_error(dir, one("path = \"/x\""), 1, "exactly one of peer-uid"));
  BOOST_TEST(only_error(dir, one("path = \"/x\" peer-uid = yes principal = a"), 1, "exactly one"));
  BOOST_TEST(only_error(dir, "keytab = \n" + std::string(), 2, "premature end of file"));
  BOOST_TEST(
      only_error(dir, one("path = \"/x\" peer-uid = yes port = 1"), 1, "write either address"));
  BOOST_TEST(only_error(dir, one("path = \"/x\" principal = \"uid:1\""), 2, "not usable here"));
  BOOST_TEST(only_error(dir, one("path = \"x\" peer-uid = yes"), 2, "relative"));
  BOOST_TEST(only_error(dir, one("path = \"/x\" peer-uid = yes mode = 8"), 2, "like 0660"));
  BOOST_TEST(only_error(dir, one("path = \"/x\" peer-uid = yes group = nosuch"), 2, "no group"));
  std::string secrets = "keytab = \"" + dir.file("keytab") + "\" principal = \"p/h@R\"\n";
  auto tcp = [&](const std::string& body) { return one(body) + secrets; };
  BOOST_TEST(load(dir, tcp("address = \"127.0.0.1\"")).config.has_value());
  BOOST_TEST(only_error(dir, tcp("address = localhost"), 2, "not a literal"));
  BOOST_TEST(only_error(dir, tcp("address = \"::1\" port = 70000"), 2, "1 to 65535"));
  BOOST_TEST(only_error(dir, tcp("address = \"::1\" security = kdh"), 2, "not built yet"));
  BOOST_TEST(only_error(dir, tcp("address = \"::1\" transport = sctp"), 2, "not built yet"));
  BOOST_TEST(only_error(dir, tcp("address = \"::1\" encodings = {\"der\", \"ber\"}"), 2,
                        "encodings: 'ber' is none; write der, xer or jer"));
  BOOST_TEST(only_error(dir, tcp("address = \"::1\" encodings = {}"), 1, "nobody could call"));
  BOOST_TEST(only_error(dir, tcp("address = \"::1\" peer-uid = yes"), 2, "belongs to a listener"));
  LoadedConfig loaded = load(dir, one("address = \"127.0.0.1\""));
  BOOST_TEST(loaded.errors.size() == 2u); /* keytab and principal: both told in one run */
  BOOST_TEST(only_error(dir, good(dir) + "listener here { path = \"/y\" peer-uid = yes }", 6,
                        "duplicate name 'here'"));
  BOOST_TEST(only_error(dir,
                        good(dir) + "listener b { path = \"/tmp/nowhere.sock\" peer-uid = yes }", 6,
                        "is where listener 'here' is"));
}

BOOST_AUTO_TEST_CASE(backends) {
  TempDir dir;
  std::string head = kUsers + std::string(kListener);
  auto bad = [&](const std::string& body, const std::string& part) {
    return only_error(dir, head + backend(dir, "\n" + body) + kToken, 5, part);
  };
  BOOST_TEST(bad("isolate = process", "write backend or token"));
  BOOST_TEST(bad("uids = \"70000-70009\" isolate = backend", "belongs to isolate = token"));
  BOOST_TEST(bad("skeleton = \"/etc\"", "belongs to isolate = token"));
  BOOST_TEST(bad("environment = {\"=x\"}", "NAME=VALUE"));
  BOOST_TEST(bad("environment = {\"LD_PRELOAD=x\"}", "no effect"));
  BOOST_TEST(bad("read = {\"etc\"}", "relative"));
  BOOST_TEST(bad("write = {\"/nonexistent\"}", "No such file"));
  BOOST_TEST(bad("allow = {\"a@B\"}", "belongs to a token"));
  BOOST_TEST(bad("admin = yes", "belongs to a token"));
  BOOST_TEST(bad("max-instances = 1 prestart = 2", "above max-instances"));
  BOOST_TEST(bad("deadline = 0", "write a number from 1"));
  auto module = [&](const std::string& path) {
    return head + "backend hsm {\n user = \"64010:64010\" module = \"" + path + "\" }\n" + kToken;
  };
  BOOST_TEST(only_error(dir, module("/nonexistent.so"), 5, "No such file"));
  BOOST_TEST(only_error(dir, module("/tmp"), 5, "not a regular file"));
  BOOST_TEST(only_error(dir, module("m.so"), 5, "relative"));
  ::chmod(dir.file("module.so").c_str(), 0666);
  BOOST_TEST(only_error(dir, good(dir), 4, "can be written to by others"));
}

BOOST_AUTO_TEST_CASE(servers) {
  TempDir dir;
  const std::string head = kUsers + std::string(kListener);
  auto server = [&](const std::string& body) {
    return head + "backend far { user = \"64010:64010\"\n" + body +
           " }\ntoken Keys { layer { backend = far token = x } allow = {\"alice@EXAMPLE.ORG\"} }\n";
  };
  const std::string keytab = "keytab = \"" + dir.file("keytab") + "\" ";
  const std::string there = "server = \"tcp://keys.example.org\" " + keytab;
  LoadedConfig loaded =
      load(dir, server(there + "principal = \"pkcs11/keys.example.org@EXAMPLE.ORG\" security = gss "
                               "client-principal = \"multip11/here@EXAMPLE.ORG\" memory-limit = 64 "
                               "environment = {\"KRB5_CONFIG=/k\"} transparent = yes"));
  BOOST_REQUIRE_MESSAGE(loaded.config, (loaded.errors.empty() ? "" : loaded.errors[0]));
  const BackendConfig& b = loaded.config->backends[0];
  BOOST_TEST((b.is_server() && b.server == "keys.example.org:4611"));
  BOOST_TEST(b.deadline_start_s == 15u);
  LoadedConfig again = load(dir, dump_config(*loaded.config));
  BOOST_REQUIRE_MESSAGE(again.config, (again.errors.empty() ? "" : again.errors[0]));
  BOOST_TEST(dump_config(*again.config) == dump_config(*loaded.config));

  /* multip11-remote understands what it is told, and that is what was configured. */
  Result<RemoteStart> start = parse_remote_start(start_block_of(b, SandboxMode::kFull, false, ""));
  BOOST_REQUIRE_MESSAGE(start, (start ? "" : start.error().text));
  BOOST_TEST((start->host == "keys.example.org" && start->port == "4611" && start->name == "far"));
  BOOST_TEST((start->keytab && !start->owner && !start->landlock_may_be_absent));
  BOOST_TEST(start->principal == "pkcs11/keys.example.org@EXAMPLE.ORG");
  BOOST_TEST(start->client == "multip11/here@EXAMPLE.ORG");
  BOOST_TEST((start->environment == std::vector<std::string>{"KRB5_CONFIG=/k"}));
  BOOST_TEST((start->deadline_s == 10u && start->memory_mib == 64u));
  for (const char* wrong : {"server=h:1\ntickets=keytab\nowner=pidfd\n", "server=h:1\nenv.1=A=B\n",
                            "server=h:1\ntickets=some\n", "server=h:1\nclient=\n"})
    BOOST_TEST(!parse_remote_start(wrong), wrong);

  auto bad = [&](const std::string& body, const std::string& part) {
    return only_error(dir, server(body), 5, part);
  };
  for (const char* address : {"", "keys.example.org", "keys.example.org:4611", "tcp://h/x",
                              "tcp://h:0", "tcp://[::1", "http://h"})
    BOOST_TEST(bad("server = \"" + std::string(address) + "\" " + keytab, "write tcp://HOST"));
  BOOST_TEST(bad("server = \"unix:///run/x\" " + keytab, "is on this host"));
  BOOST_TEST(bad(there + "module = \"" + dir.file("module.so") + "\"", "remove one of them"));
  BOOST_TEST(bad(there + "isolate = token", "is for a library"));
  BOOST_TEST(bad(there + "uids = \"70000-70009\"", "is for a library"));
  BOOST_TEST(bad(there + "skeleton = \"/etc\"", "is for a library"));
  BOOST_TEST(bad(there + "prestart = 1", "connected to when it is needed"));
  BOOST_TEST(bad(there + "token-lock = yes", "is for a library"));
  BOOST_TEST(bad(there + "read = {\"/etc\"}", "is for a library"));
  BOOST_TEST(bad(there + "file-limit = 99", "is for a library"));
  BOOST_TEST(bad(there + "security = kdh", "write gss"));
  BOOST_TEST(bad(there + "principal = \"pkcs11/h\"", "write pkcs11/HOST@REALM"));
  BOOST_TEST(bad(there + "client-principal = \"*/h@R\"", "is a pattern"));
  BOOST_TEST(bad("server = \"tcp://h\" keytab = relative", "write it from the root"));
  dir.write("open", "x", 0640);
  BOOST_TEST(bad("server = \"tcp://h\" keytab = \"" + dir.file("open") + "\"", "chmod 600"));
  BOOST_TEST(bad("server = \"tcp://h\" keytab = \"" + dir.file("none") + "\"", "No such file"));
  BOOST_TEST(only_error(dir, server("server = \"tcp://h\""), 4, "add keytab"));
  BOOST_TEST(only_error(
      dir, keytab + "principal = \"pkcs11/h@R\" listener t { address = \"::1\" }\n" + server(there),
      6, "that of this daemon's own service"));
  BOOST_TEST(only_error(dir, head + backend(dir, "\n" + keytab) + kToken, 5,
                        "belongs to a backend with server"));
  std::string on_demand = server(there);
  on_demand.insert(on_demand.find("token = x"), "\non-demand = yes access = read-write ");
  BOOST_TEST(only_error(dir, on_demand, 7, "is not for a backend with server"));
}

BOOST_AUTO_TEST_CASE(users_and_clashes) {
  TempDir dir;
  std::string rest = std::string(kListener) + kToken;
  std::string module = "backend hsm { module = \"" + dir.file("module.so") + "\" ";
  auto user = [&](const std::string& who) {
    return kUsers + rest + module + "user = \"" + who + "\" }\n";
  };
  BOOST_TEST(only_error(dir, user("0:5"), 5, "is root"));
  BOOST_TEST(only_error(dir, user("5:0"), 5, "is root"));
  BOOST_TEST(only_error(dir, user("root"), 5, "is root"));
  BOOST_TEST(only_error(dir, user("64002:7"), 5, "same uid as multip11-vault"));
  BOOST_TEST(only_error(dir, user("7:64002"), 5, "same group as multip11-vault"));
  BOOST_TEST(only_error(dir, user("no-such-user"), 5, "there is no user"));
  BOOST_TEST(only_error(dir, user("1:x"), 5, "not understood"));
  BOOST_TEST(only_error(dir, kUsers + rest + module + "}\n", 5, "has no user"));
  std::string two = good(dir) + "backend b { module = \"" + dir.file("module.so") +
                    "\" user = \"64010:64011\" }\n";
  BOOST_TEST(only_error(dir, two, 6, "same uid as backend 'hsm'"));
  BOOST_TEST(load(dir, "unprivileged = yes " + rest + module + "}\n").config.has_value());
}

BOOST_AUTO_TEST_CASE(tokens) {
  TempDir dir;
  std::string head = kUsers + std::string(kListener) + backend(dir);
  auto bad = [&](const std::string& body, const std::string& part) {
    return only_error(dir, head + "token T { " + body + " }\n", 5, part);
  };
  std::string layer = "layer { backend = hsm } ";
  BOOST_TEST(bad("allow = {\"a@B\"}", "0 layers"));
  BOOST_TEST(bad(layer + layer + "allow = {\"a@B\"}", "once more"));
  std::string many;
  for (int i = 0; i < 33; i++)
    many += "layer { backend = hsm token = t" + std::to_string(i) + " } ";
  BOOST_TEST(bad(many + "allow = {\"a@B\"}", "33 layers; write 1 to 32"));
  BOOST_TEST(
      bad("layer { backend = hsm token = a } layer { backend = hsm token = b } admin = yes "
          "access = read-write allow = {\"a@B\"}",
          "tokens of one layer"));
  BOOST_TEST(
      bad(layer + "layer { backend = hsm token = a } allow = {\"a@B\"}", "could be one token"));
  BOOST_TEST(
      bad("layer { backend = hsm token = a } layer { backend = hsm token = \"pkcs11:token=a\" "
          "} allow = {\"a@B\"}",
          "once more"));
  BOOST_TEST(bad("layer { backend = hsm pin = vault } allow = {\"a@B\"}",
                 "a token with a name; add token = LABEL"));
  BOOST_TEST(
      bad("layer { backend = hsm pin = vault token = a } allow = {\"a@B\"}", "add master-key = "));
  BOOST_TEST(bad("layer { backend = hsm pin = derived } allow = {\"a@B\"}",
                 "write on-demand = yes, or client"));
  dir.write("key", std::string(64, 'a') + "\n", 0600);
  const std::string key = "master-key = \"" + dir.file("key") + "\"\n";
  auto bad_demand = [&](const std::string& rest, const std::string& part) {
    return only_error(
        dir, key + head + "token T { layer { backend = hsm " + rest + " } allow = {\"a@B\"} }\n", 6,
        part);
  };
  const std::string demand = "on-demand = yes access = read-write ";
  BOOST_TEST(bad_demand(demand, "add token = LABEL"));
  BOOST_TEST(bad_demand(demand + "token = \"pkcs11:serial=1\"", "write a label"));
  BOOST_TEST(bad_demand(demand + "token = a pin = client", "is not for on-demand = yes"));
  BOOST_TEST(bad_demand("on-demand = yes token = a", "stays empty"));
  BOOST_TEST(only_error(
      dir, head + "token T { layer { backend = hsm " + demand + "token = a } allow = {\"a@B\"} }\n",
      5, "add master-key = "));
  BOOST_TEST(only_error(dir,
                        kUsers + std::string(kListener) + backend(dir) +
                            "token A { layer { backend = hsm } serial = 2522337e36b545b7 allow = "
                            "{\"a@B\"} }\n"
                            "token Layered { layer { backend = hsm token = a } "
                            "layer { backend = hsm token = b } allow = {\"a@B\"} }\n",
                        6, "is that of token 'A'"));
  BOOST_TEST(
      bad("layer { backend = hsm pin = given } allow = {\"a@B\"}", "client, none, vault or"));
  BOOST_TEST(bad("layer { backend = hsm allow = {} } allow = {\"a@B\"}", "names nobody"));
  BOOST_TEST(bad("layer { backend = hsm allow = {\"alice\"} } allow = {\"a@B\"}", "has no realm"));
  BOOST_TEST(bad("layer { backend = hsm access = read-write create = {} } allow = {\"a@B\"}",
                 "names nothing"));
  BOOST_TEST(bad("layer { backend = hsm access = read-write create = {key} } allow = {\"a@B\"}",
                 "'key' is no class of objects"));
  BOOST_TEST(bad("layer { backend = hsm access = read-write create = {CKM_KEY} } allow = {\"a@B\"}",
                 "'CKM_KEY' names nothing; write a mechanism"));
  BOOST_TEST(bad("layer { backend = hsm create = {data} } allow = {\"a@B\"}", "read-only layer"));
  BOOST_TEST(bad("layer { backend = hsm functions = {C_Login} } allow = {\"a@B\"}",
                 "'C_Login' names nothing; write a function that goes to one layer"));
  BOOST_TEST(
      bad("layer { backend = hsm no-functions = {sign} } allow = {\"a@B\"}", "names nothing"));
  BOOST_TEST(bad("layer { backend = hsm mechanisms = {\"CKM_NONE*\"} } allow = {\"a@B\"}",
                 "names nothing; write a mechanism"));
  for (const char* rule : {"", "private-key", "class=key", "label=", "label=a;label=b", "id=0A",
                           "id=x", "class=data;", "name=x"})
    BOOST_TEST(
        bad("layer { backend = hsm show = {\"" + std::string(rule) + "\"} } allow = {\"a@B\"}",
            "write it like \"class=private-key;label=web-*;id=0a*\""),
        rule);
  BOOST_TEST(bad(
      "layer { backend = hsm hide = {\"label=" + std::string(96, 'x') + "\"} } allow = {\"a@B\"}",
      "too long"));
  BOOST_TEST(
      bad("layer { backend = hsm policy = audit } allow = {\"a@B\"}", "policy is for a layer"));
  BOOST_TEST(bad("layer { backend = hsm no-export = yes policy = perhaps } allow = {\"a@B\"}",
                 "write enforce or audit"));
  BOOST_TEST(
      bad("layer { backend = hsm no-export = yes } access = read-write admin = yes allow = "
          "{\"a@B\"}",
          "refuses nothing"));
  BOOST_TEST(
      bad("layer { backend = hsm label-prefix = a } access = read-write admin = yes allow = "
          "{\"a@B\"}",
          "has no prefix"));
  for (const std::string& prefix : {std::string(), std::string(65, 'x')})
    BOOST_TEST(bad("layer { backend = hsm label-prefix = \"" + prefix + "\" } allow = {\"a@B\"}",
                   "write 1 to 64 octets of text"),
               prefix);
  for (const std::string& prefix : {std::string(), std::string("0"), std::string("0x"),
                                    std::string("-1"), std::string(66, '0')})
    BOOST_TEST(bad("layer { backend = hsm id-prefix = \"" + prefix + "\" } allow = {\"a@B\"}",
                   "write 1 to 32 octets in hexadecimal digits"),
               prefix);
  BOOST_TEST(bad("layer { backend = hsm blind = perhaps } allow = {\"a@B\"}", "yes or no"));
  BOOST_TEST(bad("layer { backend = hsm access = write } allow = {\"a@B\"}", "read-only"));
  BOOST_TEST(bad("layer { backend = hsm required = perhaps } allow = {\"a@B\"}", "required"));
  BOOST_TEST(bad("layer { backend = other } allow = {\"a@B\"}", "no backend 'other'"));
  BOOST_TEST(bad("layer { backend = hsm token = \"pkcs11:id=1\" } allow = {\"a@B\"}",
                 "'id', which does not belong to the name of a token"));
  BOOST_TEST(bad(layer + "allow = {\"alice\"}", "has no realm"));
  BOOST_TEST(bad(layer + "allow = {\"al*@R\"}", "asterisk within a component"));
  BOOST_TEST(bad(layer + "allow = {\"a@*\"}", "asterisk in the realm"));
  BOOST_TEST(bad(layer + "allow = {\"uid:01\"}", "not uid:NUMBER"));
  BOOST_TEST(bad(layer + "allow = {\"local:a b\"}", "not local:NAME"));
  BOOST_TEST(bad(layer + "admin = yes allow = {\"a@B\"}", "needs access = read-write"));
  BOOST_TEST(bad(layer + "serial = 12345678901234567 allow = {\"a@B\"}", "1 to 16"));
  BOOST_TEST(only_error(
      dir,
      head + "token \"123456789012345678901234567890123\" { " + layer + " allow = {\"a@B\"} }\n", 5,
      "1 to 32 octets"));
  LoadedConfig nobody = load(dir, head + "token T { " + layer + "}\n");
  BOOST_TEST(nobody.config.has_value());
  BOOST_TEST(nobody.warnings.size() == 1u);
}

BOOST_AUTO_TEST_CASE(groups) {
  TempDir dir;
  const std::string head = kUsers + std::string(kListener) + backend(dir);
  const std::string token = "token T { layer { backend = hsm } allow = {\"group:g\"} }\n";
  auto bad = [&](const std::string& body, const std::string& part) {
    return only_error(dir, head + "group g { " + body + " }\n" + token, 5, part);
  };
  const std::string file = "file = \"" + dir.file("members") + "\"";
  dir.write("members", "# who signs\n\n  alice@R\t# since May\r\n*/admin@R\nuid:7\nlocal:web",
            0644);
  LoadedConfig loaded =
      load(dir, head + token + "group g { members = {\"bob@R\"} " + file + " }\n");
  BOOST_REQUIRE_MESSAGE(loaded.config, (loaded.errors.empty() ? "" : loaded.errors[0]));
  const GroupConfig& g = loaded.config->groups[0];
  std::vector<std::string> rules, places;
  for (const GroupMember& member : g.all) {
    rules.push_back(member.rule);
    places.push_back(member.where);
  }
  BOOST_TEST(
      (rules == std::vector<std::string>{"bob@R", "alice@R", "*/admin@R", "uid:7", "local:web"}));
  BOOST_TEST(places[0] == "line 6");
  BOOST_TEST(places[1] == dir.file("members") + ":3");
  /* Nobody's: allowed, as a group may be empty for a while. */
  loaded = load(dir, head + token + "group g { members = {} }\n");
  BOOST_TEST(loaded.config.has_value());
  BOOST_TEST(loaded.warnings.size() == 1u);

  BOOST_TEST(bad("", "says nothing"));
  BOOST_TEST(bad("members = {\"alice\"}", "has no realm"));
  BOOST_TEST(bad("members = {\"group:g\"}", "no groups of groups"));
  BOOST_TEST(bad("file = members", "is relative"));
  BOOST_TEST(bad("file = \"/nowhere/members\"", "No such file"));
  BOOST_TEST(bad("file = \"" + dir.path() + "\"", "not a regular file"));
  BOOST_TEST(bad("unix-group = \"no such\"", "no group 'no such'"));
  BOOST_TEST(bad("realm = R", "add that, or remove it"));
  BOOST_TEST(bad("unix-group = root realm = \"*\"", "realm = '*' is not usable"));
  dir.write("members", "alice@R\nbob\n", 0644);
  BOOST_TEST(bad(file, "members:2: 'bob' has no realm"));
  dir.write("members", "uid:7\ngroup:g\n", 0644);
  BOOST_TEST(bad(file, "members:2: 'group:g' is a group"));
  dir.write("members", "uid:7\n\nalice@R\rbob@R\n", 0644);
  BOOST_TEST(bad(file, "members:3: "));
  dir.write("members", std::string("alice@R\0.EVIL\n", 14), 0644);
  BOOST_TEST(bad(file, "has a control character"));
  dir.write("members",
            "\xef\xbb\xbf"
            "alice@R\n",
            0644);
  BOOST_TEST(bad(file, "byte order mark"));
  dir.write("members", std::string(512, 'x') + "@R\n", 0644);
  BOOST_TEST(bad(file, "is too long"));
  dir.write("members", "alice@R\n", 0666);
  BOOST_TEST(bad(file, "chmod go-w"));
  BOOST_TEST(only_error(dir, head + token, 5, "names no group of this file"));
  BOOST_TEST(only_error(dir,
                        head + "group \"a b\" { members = {\"a@R\"} }\n" +
                            "token T { layer { backend = hsm } allow = {\"a@R\"} }\n",
                        5, "letters, digits"));
}

BOOST_AUTO_TEST_CASE(names_of_tokens) {
  BOOST_TEST(name_token("PKCS11:serial=1")->serial == "1");
  auto label = name_token("Signing keys");
  BOOST_REQUIRE(label.ok());
  BOOST_TEST(label->label == "Signing keys");
  auto uri =
      name_token("pkcs11:serial=0a%2F1;manufacturer=ACME%20Ltd;model=M:[1]&;token=caf%C3%a9");
  BOOST_REQUIRE(uri.ok());
  BOOST_TEST(uri->label == "caf\xc3\xa9");
  BOOST_TEST(uri->serial == "0a/1");
  BOOST_TEST(uri->manufacturer == "ACME Ltd");
  BOOST_TEST(uri->model == "M:[1]&");
  const std::string u16(16, 'x'), u32(32, 'x');
  BOOST_TEST(name_token("pkcs11:serial=" + u16 + ";token=" + u32).ok());
  for (const std::string& bad :
       {std::string(), u32 + "x", std::string("pkcs11:"), std::string("pkcs11:token"),
        std::string("pkcs11:token="), std::string("pkcs11:token=a;"),
        std::string("pkcs11:;token=a"), std::string("pkcs11:token=a;token=b"),
        std::string("pkcs11:token=a%2"), std::string("pkcs11:token=a%zz"),
        std::string("pkcs11:token=a%00"), std::string("pkcs11:token=a b"),
        std::string("pkcs11:token=a/b"), std::string("pkcs11:object=a"),
        std::string("pkcs11:token=a?pin-value=1"), std::string("pkcs11:slot-id=1"),
        std::string("pkcs11:Token=a"), "pkcs11:serial=x" + u16, "pkcs11:token=x" + u32})
    BOOST_TEST(!name_token(bad).ok(), bad);
}

/* root is in its own group on every machine, whatever else is in it. */
BOOST_AUTO_TEST_CASE(groups_of_the_machine) {
  auto members = read_unix_group("root", "");
  BOOST_REQUIRE(members.ok());
  auto names = [&](const char* rule) {
    return std::count_if(members->begin(), members->end(),
                         [&](const GroupMember& m) { return m.rule == rule; });
  };
  BOOST_TEST(names("uid:0") == 1);
  BOOST_TEST(names("root@EXAMPLE.ORG") == 0);
  members = read_unix_group("root", "EXAMPLE.ORG");
  BOOST_REQUIRE(members.ok());
  BOOST_TEST(names("uid:0") == 1);
  BOOST_TEST(names("root@EXAMPLE.ORG") == 1);
}

BOOST_AUTO_TEST_CASE(what_stands_in_the_group_files) {
  TempDir dir;
  dir.write("group", "+ops:::\nother:x:5:dave\nops:x:7:bob,+eve,a*b,far\n", 0644);
  const std::string accounts =
      "root:x:0:0::/:/bin/sh\n+alice::7::::\n-eve::::::\n+::::::\nbob:x:1001:1001::/:/bin/sh\n"
      "carol:x:1002:7::/:/bin/sh\na*b:x:1003:1003::/:/bin/sh\n";
  dir.write("passwd", accounts, 0644);
  const std::string group = dir.file("group"), passwd = dir.file("passwd");
  auto rules = [&](const std::string& name, const std::string& realm) {
    std::vector<std::string> all;
    auto members = read_unix_group(name, realm, {group.c_str(), passwd.c_str()});
    if (!members) return std::vector<std::string>{members.error().text};
    for (const GroupMember& member : *members) all.push_back(member.rule);
    return all;
  };
  using Rules = std::vector<std::string>;
  BOOST_TEST((rules("ops", "") == Rules{"uid:1001", "uid:1002", "uid:1003"}));
  BOOST_TEST((rules("ops", "R") ==
              Rules{"uid:1001", "bob@R", "uid:1002", "carol@R", "uid:1003", "a\\*b@R", "far@R"}));
  BOOST_TEST((rules("other", "R") == Rules{"dave@R"}));
  /* Who cannot be written as a principal is told, not left out. */
  const std::string realm(510, 'R');
  BOOST_TEST(rules("other", realm)[0].find("is too long;") != std::string::npos);
  dir.write("passwd", accounts + "x:x:9:9:" + std::string(300000, 'x') + ":/:/bin/sh\n", 0644);
  BOOST_TEST(rules("ops", "")[0].find("has a line that is too long") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(identities) {
  TempDir dir;
  const std::string start = kUsers + std::string(kListener) + backend(dir);
  const std::string token =
      "token Keys { layer { backend = hsm } pin-select = yes allow = {\"a@R\"} }\n";
  LoadedConfig loaded =
      load(dir, start + "group g { members = {\"a@R\"} }\n" + token +
                    "act-as \"svc/web@R\" { allow = {\"group:g\", \"*/admin@R\"} }\n"
                    "act-as local:web { allow = {\"uid:7\"} }\n");
  BOOST_REQUIRE_MESSAGE(loaded.config, (loaded.errors.empty() ? "" : loaded.errors[0]));
  BOOST_TEST(loaded.warnings.empty());
  const Config& c = *loaded.config;
  BOOST_TEST(c.tokens.at(0).pin_select);
  BOOST_TEST(!c.tokens.at(0).serial.empty()); /* it is the same whoever is acted as */
  BOOST_TEST(c.identities.at(0).identity == "svc/web@R");
  BOOST_TEST((c.identities[0].allow == std::vector<std::string>{"group:g", "*/admin@R"}));
  BOOST_TEST(c.identities.at(1).identity == "local:web");
  const std::string dump = dump_config(c);
  LoadedConfig again = load(dir, dump);
  BOOST_REQUIRE(again.config);
  BOOST_TEST(dump_config(*again.config) == dump);
  BOOST_TEST(dump.find("act-as \"svc/web@R\"") != std::string::npos);
  for (auto [identity, wrong] :
       std::vector<std::pair<std::string, std::string>>{{"*@R", "is one and no pattern"},
                                                        {"a*@R", "has an asterisk"},
                                                        {"web", "has no realm"},
                                                        {"group:g", "is a group"},
                                                        {"uid:x", "is not uid:NUMBER"},
                                                        {"a+b@R", "which is where the PIN begins"},
                                                        {"a\\\\/b@R", "has a backslash"}})
    BOOST_TEST(
        only_error(dir, start + token + "\nact-as \"" + identity + "\" { allow = {\"a@R\"} }\n", 7,
                   wrong),
        identity);
  const std::string web = "act-as \"svc/web@R\" { allow = {\"a@R\"} }\n";
  BOOST_TEST(only_error(dir, start + token + web + web, 7, "duplicate name"));
  BOOST_TEST(
      only_error(dir, start + token + "act-as x@R { allow = {\"group:h\"} }", 6, "no group"));
  BOOST_TEST(
      only_error(dir,
                 start +
                     "token K { layer { backend = hsm }\npin-select = yes access = read-write "
                     "admin = yes }\n" +
                     web,
                 6, "remove one of them"));
  auto warns = [&](const std::string& text, const std::string& part) {
    LoadedConfig with = load(dir, start + text);
    return with.config && with.warnings.size() == 1 &&
           with.warnings[0].find(part) != std::string::npos;
  };
  BOOST_TEST(warns(kToken + web, "no token has pin-select"));
  BOOST_TEST(warns(token, "no act-as that names an identity"));
  BOOST_TEST(warns(token + "act-as x@R { }\n", "nobody can act as it"));
}

BOOST_AUTO_TEST_CASE(several_errors_in_one_run) {
  TempDir dir;
  LoadedConfig loaded = load(dir, "pool-size = x\nlog-rate = y\n" + good(dir));
  BOOST_TEST(loaded.errors.size() == 2u);
}

BOOST_AUTO_TEST_CASE(options_go_over_the_file) {
  TempDir dir;
  LoadedConfig loaded = load(dir, "pool-size = 1\n" + good(dir), {"pool-size=7", "log-rate = 5"});
  BOOST_REQUIRE(loaded.config);
  BOOST_TEST(loaded.config->pool_size == 7u);
  BOOST_TEST(loaded.config->log_rate == 5u);
  loaded = load(dir, good(dir), {"nothing=7"});
  BOOST_REQUIRE_EQUAL(loaded.errors.size(), 1u);
  BOOST_TEST(loaded.errors[0].find("option -o: unknown keyword 'nothing'") == 0u);
  loaded = load(dir, good(dir), {"pool-size=x"});
  BOOST_REQUIRE_EQUAL(loaded.errors.size(), 1u);
  BOOST_TEST(loaded.errors[0].find("option -o: ") == 0u);
}

BOOST_AUTO_TEST_CASE(who_can_write_the_file) {
  TempDir dir;
  dir.write("conf", good(dir), 0664);
  LoadedConfig loaded = load_config({dir.file("conf"), {}});
  BOOST_REQUIRE_EQUAL(loaded.errors.size(), 1u);
  BOOST_TEST(loaded.errors[0].find("chmod go-w") != std::string::npos);
  ::chmod(dir.file("conf").c_str(), 0644);
  ::chmod(dir.path().c_str(), 0777);
  loaded = load_config({dir.file("conf"), {}});
  BOOST_TEST(loaded.errors.size() == 1u);
  ::chmod(dir.path().c_str(), 0755);
  BOOST_TEST(load_config({dir.file("conf"), {}}).errors.empty());
  if (::geteuid() == 0) {
    BOOST_REQUIRE(::chown(dir.file("conf").c_str(), 64099, 0) == 0);
    loaded = load_config({dir.file("conf"), {}});
    BOOST_REQUIRE_EQUAL(loaded.errors.size(), 1u);
    BOOST_TEST(loaded.errors[0].find("belongs to uid 64099") != std::string::npos);
    BOOST_REQUIRE(::chown(dir.file("conf").c_str(), 0, 0) == 0);
  }
  BOOST_TEST(load_config({dir.file("absent"), {}}).errors.size() == 1u);
  ::chmod(dir.file("keytab").c_str(), 0640);
  BOOST_TEST(
      only_error(dir, "keytab = \"" + dir.file("keytab") + "\"\n" + good(dir), 1, "chmod 600"));
}

BOOST_AUTO_TEST_SUITE_END()
