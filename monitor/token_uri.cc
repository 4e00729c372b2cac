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
#include "token_uri.h"

#include <strings.h>

#include <optional>
#include <string_view>

#include "file_check.h"

namespace mp11 {
namespace {

constexpr std::string_view kScheme = "pkcs11:";

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/* pk11-pchar of RFC 7512, 2.3: unreserved characters, those of pk11-res-avail, and %XX. */
std::optional<std::string> decode(std::string_view value, bool any_octet = false) {
  constexpr std::string_view kOthers = "-._~:[]@!$'()*+,=&";
  std::string text;
  for (size_t i = 0; i < value.size(); i++) {
    const char c = value[i];
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       kOthers.find(c) != std::string_view::npos;
    if (plain) {
      text.push_back(c);
      continue;
    }
    if (c != '%' || value.size() - i < 3 || hex(value[i + 1]) < 0 || hex(value[i + 2]) < 0)
      return {};
    const int octet = hex(value[i + 1]) * 16 + hex(value[i + 2]);
    if (octet == 0 && !any_octet) return {}; /* no text holds one */
    text.push_back(static_cast<char>(octet));
    i += 2;
  }
  return text;
}

/* One attribute of the path. What is wrong with it; empty: nothing. */
std::string take_attribute(std::string_view attribute, TokenName* name) {
  struct Field {
    std::string_view key;
    std::string TokenName::*text;
    size_t octets; /* of CK_TOKEN_INFO */
  };
  constexpr Field kFields[] = {{"token", &TokenName::label, 32},
                               {"manufacturer", &TokenName::manufacturer, 32},
                               {"model", &TokenName::model, 16},
                               {"serial", &TokenName::serial, 16}};
  const size_t equals = attribute.find('=');
  const std::string key(attribute.substr(0, equals));
  if (equals == std::string_view::npos) return "has '" + key + "' without a value";
  for (const Field& field : kFields) {
    if (field.key != key) continue;
    std::string& text = name->*field.text;
    if (!text.empty()) return "has " + key + " twice";
    std::optional<std::string> value = decode(attribute.substr(equals + 1));
    if (!value || value->empty()) return "has a " + key + " that is not percent-encoded text";
    if (value->size() > field.octets)
      return "has a " + key + " of more than " + std::to_string(field.octets) + " octets";
    text = std::move(*value);
    return "";
  }
  return "has '" + key + "', which does not belong to the name of a token";
}

std::string hex_of(std::string_view octets) {
  std::string text;
  for (char one : octets) {
    const unsigned octet = static_cast<unsigned char>(one);
    text += {"0123456789abcdef"[octet >> 4], "0123456789abcdef"[octet & 15]};
  }
  return text;
}

/* RFC 7512, 2.3: type. 0: none of them. */
uint32_t class_of_type(std::string_view type) {
  struct Row {
    std::string_view type;
    uint32_t bit;
  };
  constexpr Row kTypes[] = {{"cert", kCreateCertificate},
                            {"data", kCreateData},
                            {"private", kCreatePrivateKey},
                            {"public", kCreatePublicKey},
                            {"secret-key", kCreateSecretKey}};
  for (const Row& row : kTypes)
    if (row.type == type) return row.bit;
  return 0;
}

/* The same for an object. */
std::string take_object_attribute(std::string_view attribute, ObjectFacts* facts) {
  const size_t equals = attribute.find('=');
  const std::string key(attribute.substr(0, equals));
  if (equals == std::string_view::npos) return "has '" + key + "' without a value";
  std::optional<std::string> value = decode(attribute.substr(equals + 1), key == "id");
  if (!value) return "has a value of " + key + " that is not percent-encoded";
  if (key == "type") {
    if (facts->class_bit != 0) return "has type twice";
    facts->class_bit = class_of_type(*value);
    return facts->class_bit != 0 ? ""
                                 : "has a type other than cert, data, private, public and "
                                   "secret-key";
  }
  if (key != "object" && key != "id") return "has '" + key + "', which is not of an object";
  std::optional<std::string>& field = key == "id" ? facts->id_hex : facts->label;
  if (field) return "has " + key + " twice";
  field = key == "id" ? hex_of(*value) : std::move(*value);
  return "";
}

/* Attribute after attribute of the path, until something is wrong; empty: nothing is. */
template <class Take>
std::string take_path(const std::string& text, Take take) {
  std::string_view rest = std::string_view(text).substr(kScheme.size());
  std::string wrong = rest.empty() ? "names nothing" : "";
  while (wrong.empty() && !rest.empty()) {
    const size_t end = rest.find(';');
    wrong = take(rest.substr(0, end));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    if (end != std::string_view::npos && rest.empty()) wrong = "ends with a semicolon";
  }
  return wrong;
}

}  // namespace

bool is_token_uri(const std::string& text) { /* RFC 3986, 3.1 */
  return ::strncasecmp(text.c_str(), kScheme.data(), kScheme.size()) == 0;
}

Result<TokenName> name_token(const std::string& text) {
  TokenName name;
  name.text = text;
  if (!is_token_uri(text)) {
    name.label = text;
    if (text.empty() || text.size() > 32)
      return Error{0, "is not usable; a token's label has 1 to 32 octets"};
    return name;
  }
  const std::string wrong =
      take_path(text, [&](std::string_view attribute) { return take_attribute(attribute, &name); });
  if (wrong.empty()) return name;
  return Error{0, wrong + "; write token, manufacturer, model or serial, as " +
                      "\"pkcs11:token=Signing%20keys;serial=0a1b\""};
}

Result<ObjectFacts> name_object(const std::string& text) {
  ObjectFacts facts;
  std::string wrong = "is no PKCS #11 URI";
  if (is_token_uri(text))
    wrong = take_path(
        text, [&](std::string_view attribute) { return take_object_attribute(attribute, &facts); });
  if (wrong.empty()) return facts;
  return Error{0, wrong + "; write object, id or type, as \"pkcs11:object=web;type=private\""};
}

}  // namespace mp11
