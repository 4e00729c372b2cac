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
#include <algorithm>
#include <cstring>

#include "conform_generate.h"
#include "conform_keys.h"
#include "p11_attributes.h"

namespace mp11::conform {
namespace {

bool contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

/* The type of key that a mechanism works with, by its name. */
uint64_t key_type_of(uint64_t type) {
  const std::string name = mechanism_name(type);
  struct Rule {
    const char* part;
    uint64_t key_type;
  };
  constexpr Rule kRules[] = {
      {"RSA", CKK_RSA},
      {"ECDSA", CKK_EC},
      {"ECDH", CKK_EC},
      {"EDDSA", CKK_EC_EDWARDS},
      {"EDWARDS", CKK_EC_EDWARDS},
      {"MONTGOMERY", CKK_EC_MONTGOMERY},
      {"CKM_EC_", CKK_EC},
      {"CKM_DSA", CKK_DSA},
      {"CKM_DH_", CKK_DH},
      {"AES", CKK_AES},
      {"DES2", CKK_DES2},
      {"DES3", CKK_DES3},
      {"CKM_DES_", CKK_DES},
      {"SHA_1_HMAC", CKK_SHA_1_HMAC},
      {"SHA256_HMAC", CKK_SHA256_HMAC},
      {"SHA512_HMAC", CKK_SHA512_HMAC},
  };
  for (const Rule& rule : kRules)
    if (contains(name, rule.part)) return rule.key_type;
  return CKK_GENERIC_SECRET;
}

size_t block_of(const std::string& name) {
  return contains(name, "AES") ? 16 : contains(name, "DES") ? 8 : 0;
}

constexpr uint64_t kHashes[] = {CKM_SHA_1, CKM_SHA224, CKM_SHA256, CKM_SHA384, CKM_SHA512, CKM_MD5};
constexpr uint64_t kMgfs[] = {CKG_MGF1_SHA1, CKG_MGF1_SHA224, CKG_MGF1_SHA256, CKG_MGF1_SHA384,
                              CKG_MGF1_SHA512};
constexpr uint64_t kHashSizes[] = {20, 28, 32, 48, 64, 16};

/* The hash that a mechanism's name says, as an index of kHashes. */
size_t hash_of(const std::string& name, size_t otherwise) {
  constexpr const char* kNames[] = {"SHA1_", "SHA224_", "SHA256_", "SHA384_", "SHA512_"};
  for (size_t i = 0; i < std::size(kNames); i++)
    if (contains(name, kNames[i])) return i;
  return otherwise;
}

}  // namespace

Octets literal(Bytes data) {
  Octets octets;
  octets.kind = Octets::Kind::kLiteral;
  octets.data = std::move(data);
  return octets;
}
Attribute attribute_of(uint64_t type, Bytes value) {
  Attribute a;
  a.type = type;
  a.value = literal(std::move(value));
  return a;
}
Attribute ulong_attribute(uint64_t type, uint64_t value) {
  const auto narrow = static_cast<CK_ULONG>(value);
  Bytes bytes(sizeof narrow);
  memcpy(bytes.data(), &narrow, sizeof narrow);
  return attribute_of(type, std::move(bytes));
}
Attribute bool_attribute(uint64_t type, bool value) {
  return attribute_of(type, {static_cast<uint8_t>(value ? CK_TRUE : CK_FALSE)});
}

/* ---- sessions, objects, mechanisms ---- */

Var Generator::pick_session() {
  if (block_calls_ != 0) return block_session_;
  std::vector<const Session*> open = model_.open_sessions();
  return open.empty() ? 0 : random_.pick(open)->var;
}

Var Generator::pick_object() { return pick_object(UINT64_MAX, UINT64_MAX); }

Var Generator::pick_object(uint64_t object_class, uint64_t key_type) {
  std::vector<Var> fitting;
  for (const Object& o : model_.objects) {
    if (!o.alive || (block_calls_ != 0 && o.session != block_session_)) continue;
    if (object_class != UINT64_MAX && o.object_class != object_class) continue;
    if (key_type != UINT64_MAX && o.key_type != key_type) continue;
    fitting.push_back(o.var);
  }
  return fitting.empty() ? 0 : random_.pick(fitting);
}

const MechanismFacts* Generator::pick_mechanism(uint64_t flag) {
  std::vector<const MechanismFacts*> fitting;
  for (const MechanismFacts& m : facts_.mechanisms)
    if ((m.flags & flag) != 0) fitting.push_back(&m);
  if (!fitting.empty() && !random_.one_in(30)) return random_.pick(fitting);
  return facts_.mechanisms.empty() ? nullptr : &random_.pick(facts_.mechanisms);
}

Var Generator::key_for(uint64_t type, Operation operation) {
  const uint64_t key_type = key_type_of(type);
  const std::string name = mechanism_name(type);
  if (random_.one_in(12)) return pick_object();
  const bool asymmetric = key_type == CKK_RSA || key_type == CKK_EC || key_type == CKK_DSA ||
                          key_type == CKK_DH || key_type == CKK_EC_EDWARDS ||
                          key_type == CKK_EC_MONTGOMERY;
  if (!asymmetric) {
    uint64_t wanted = key_type;
    if (contains(name, "HMAC") && random_.percent(50)) wanted = CKK_GENERIC_SECRET;
    if (wanted == CKK_DES3 && random_.one_in(4)) wanted = CKK_DES2;
    Var key = pick_object(CKO_SECRET_KEY, wanted);
    return key != 0 ? key : pick_object(CKO_SECRET_KEY, UINT64_MAX);
  }
  const bool by_public = operation == Operation::kOpEncrypt || operation == Operation::kOpVerify ||
                         operation == Operation::kOpVerifyRecover;
  Var key = pick_object(by_public ? CKO_PUBLIC_KEY : CKO_PRIVATE_KEY, key_type);
  return key != 0 ? key : pick_object();
}

/* ---- parameters ---- */

std::vector<Field> Generator::fields(const ParamStruct& layout, uint64_t type) {
  const std::string name = mechanism_name(type);
  const std::string shape = layout.name;
  const size_t hash = hash_of(name, random_.percent(60) ? 0 : random_.below(std::size(kHashes)));
  std::vector<Field> values(layout.fields.size());
  for (size_t i = 0; i < values.size(); i++) {
    const ParamField& field = layout.fields[i];
    Field& value = values[i];
    const std::string member = field.name;
    switch (field.kind) {
      case FieldKind::kUlong:
        value.number = random_.below(4);
        if (contains(member, "Hash") || member == "hash" || member == "hashAlg" ||
            contains(member, "prf"))
          value.number = kHashes[hash];
        if (member == "mgf") value.number = hash < std::size(kMgfs) ? kMgfs[hash] : CKG_MGF1_SHA1;
        if (member == "sLen")
          value.number = random_.percent(70) ? kHashSizes[hash] : random_.below(70);
        if (member == "source" && random_.percent(80)) value.number = CKZ_DATA_SPECIFIED;
        if (member == "kdf" && random_.percent(80)) value.number = CKD_NULL;
        if (member == "ulCounterBits")
          value.number = random_.percent(50) ? 128 : random_.below(140);
        if (member == "ulTagBits") value.number = random_.percent(70) ? 128 : random_.below(140);
        if (member == "ulIvBits") value.number = 96;
        break;
      case FieldKind::kOctet:
        value.number = random_.below(2);
        break;
      case FieldKind::kHandle:
        value.handle.var = pick_object();
        break;
      case FieldKind::kArray:
        value.octets = literal(pattern(random_.below(4), field.size));
        break;
      case FieldKind::kBytes:
        value.octets = data(64);
        if (member == "pIv" && random_.percent(80)) value.octets = literal(pattern(3, 12));
        if (contains(shape, "CBC_ENCRYPT_DATA") || contains(shape, "STRING_DATA"))
          value.octets = literal(pattern(random_.next(), 8 * random_.below(5)));
        if ((member == "pSourceData" || member == "pSharedData") && random_.percent(70))
          value.octets = Octets{};
        if (member == "pPublicData") value.octets = peer(type);
        break;
      case FieldKind::kInside:
      case FieldKind::kPointer:
        value.null = field.kind == FieldKind::kPointer && random_.one_in(20);
        value.inner = fields(*field.nested, type);
        break;
      default: /* NULL: Arguments::fields */
        break;
    }
  }
  return values;
}

/* A public key of somebody else, for key agreement. */
Octets Generator::peer(uint64_t type) {
  std::vector<Bytes> fitting;
  for (const Material& m : materials()) {
    if (m.object_class != CKO_PUBLIC_KEY || m.key_type != key_type_of(type)) continue;
    Bytes value = from_hex(m.attributes.back().hex);
    /* With or without the OCTET STRING around a point. */
    if (m.key_type != CKK_DH && random_.percent(50) && value.size() > 3)
      value.erase(value.begin(), value.begin() + (value[1] == 0x81 ? 3 : 2));
    fitting.push_back(value);
  }
  return fitting.empty() ? data(64) : literal(random_.pick(fitting));
}

Mechanism Generator::mechanism(uint64_t type) {
  Mechanism m;
  m.type = type;
  const MechanismRow* row = mechanism_row(static_cast<CK_MECHANISM_TYPE>(type));
  const std::string name = mechanism_name(type);
  if (row == nullptr || row->form == ParamForm::kNone || row->form == ParamForm::kNotCarried)
    return m;
  switch (row->form) {
    case ParamForm::kOctets: {
      uint64_t size = block_of(name);
      if (contains(name, "KEY_WRAP")) size = random_.percent(70) ? 0 : 8;
      if (contains(name, "DH_")) {
        m.octets = peer(type);
      } else if (size != 0) {
        m.octets = literal(pattern(random_.below(3), size));
      }
      break;
    }
    case ParamForm::kNumber:
      m.form = Mechanism::Form::kNumber;
      m.number = random_.below(70);
      m.length = sizeof(CK_ULONG);
      break;
    case ParamForm::kHandle:
      m.form = Mechanism::Form::kHandle;
      m.handle.var = pick_object();
      m.length = sizeof(CK_OBJECT_HANDLE);
      break;
    case ParamForm::kStruct: {
      const ParamStruct* layout =
          row->structs[1] != nullptr && random_.percent(50) ? row->structs[1] : row->structs[0];
      m.form = Mechanism::Form::kStruct;
      const auto all = param_structs();
      m.layout = static_cast<uint32_t>(std::find(all.begin(), all.end(), layout) - all.begin());
      m.fields = fields(*layout, type);
      m.length = layout->size;
      break;
    }
    default:
      break;
  }
  return m;
}

/* ---- octets ---- */

Octets Generator::data(uint64_t most) {
  Octets o;
  o.kind = Octets::Kind::kPattern;
  o.seed = random_.below(1000);
  const uint64_t choice = random_.below(100);
  if (choice < 4) {
    o.size = 0;
  } else if (choice < 55) {
    o.size = 1 + random_.below(64);
  } else if (choice < 85) {
    o.size = 16 * (1 + random_.below(16));
  } else if (choice < 97) {
    o.size = random_.below(1500);
  } else {
    o.size = random_.percent(50) ? random_.below(70000) : 65536 - 8 + random_.below(16);
  }
  o.size = std::min(o.size, most);
  return o;
}

/* What an operation is likely to take. */
Octets Generator::data_for(const Running& running, Operation operation) {
  if (random_.one_in(8)) return data(70000);
  const std::string name = mechanism_name(running.mechanism.type);
  const size_t block = block_of(name);
  Octets o = data(2000);
  const bool bare = !contains(name, "SHA") && !contains(name, "MD5");
  if (contains(name, "_RSA_X_509")) {
    o.size = 128;
    if (random_.percent(70)) {
      Bytes number = pattern(o.seed, running.material == 2 || running.material == 3 ? 256 : 128);
      number[0] = 0;
      return literal(number);
    }
  } else if (contains(name, "RSA") && bare) {
    o.size = contains(name, "PSS") ? random_.pick(kHashSizes) : random_.below(90);
  } else if (contains(name, "DSA") && bare && !contains(name, "EDDSA")) {
    o.size = random_.pick(kHashSizes);
  } else if (block != 0 && !contains(name, "PAD") && operation != Operation::kOpSign) {
    o.size = block * random_.below(20);
  }
  return o;
}

uint64_t Generator::room_for(uint64_t needed) {
  const uint64_t choice = random_.below(100);
  if (choice < 70 || needed > (1u << 20)) return 4096;
  if (choice < 75) return 0;
  if (choice < 80) return needed == 0 ? 1 : needed - 1;
  if (choice < 92) return needed;
  if (choice < 96) return random_.below(300);
  return 80000;
}

Octets Generator::pin(const std::string& text) { return literal(Bytes(text.begin(), text.end())); }

/* ---- templates ---- */

std::vector<Attribute> Generator::material_template(size_t material) {
  const Material& m = materials()[material];
  std::vector<Attribute> list = {ulong_attribute(CKA_CLASS, m.object_class)};
  const bool key = m.object_class != CKO_CERTIFICATE;
  list.push_back(ulong_attribute(key ? CKA_KEY_TYPE : CKA_CERTIFICATE_TYPE, m.key_type));
  const bool domain = m.object_class == CKO_DOMAIN_PARAMETERS;
  list.push_back(bool_attribute(CKA_TOKEN, config_.destructive && random_.one_in(8)));
  list.push_back(bool_attribute(CKA_PRIVATE, model_.logged_in && random_.percent(60)));
  if (random_.percent(70)) list.push_back(attribute_of(CKA_LABEL, {'c', 'o', 'n', 'f'}));
  if (random_.percent(50) && !domain)
    list.push_back(attribute_of(CKA_ID, {static_cast<uint8_t>(random_.below(8))}));
  const uint64_t all = random_.percent(85);
  auto usage = [&](uint64_t type) {
    if (all || random_.percent(60))
      list.push_back(bool_attribute(type, all || random_.percent(50)));
  };
  const bool secret = m.object_class == CKO_SECRET_KEY;
  if (secret || m.object_class == CKO_PUBLIC_KEY)
    for (uint64_t type : {CKA_ENCRYPT, CKA_VERIFY, CKA_WRAP}) usage(type);
  if (secret || m.object_class == CKO_PRIVATE_KEY) {
    for (uint64_t type : {CKA_DECRYPT, CKA_SIGN, CKA_UNWRAP, CKA_DERIVE}) usage(type);
    list.push_back(bool_attribute(CKA_SENSITIVE, random_.percent(30)));
    list.push_back(bool_attribute(CKA_EXTRACTABLE, random_.percent(80)));
  }
  if (m.key_type == CKK_RSA && m.object_class == CKO_PUBLIC_KEY) usage(CKA_VERIFY_RECOVER);
  if (m.key_type == CKK_RSA && m.object_class == CKO_PRIVATE_KEY) usage(CKA_SIGN_RECOVER);
  if (key && !domain && random_.one_in(8)) list.push_back(allowed_mechanisms());
  if (secret && random_.one_in(10)) {
    Attribute nested;
    nested.type = random_.percent(50) ? CKA_WRAP_TEMPLATE : CKA_UNWRAP_TEMPLATE;
    nested.nested = true;
    nested.inner = {bool_attribute(CKA_EXTRACTABLE, true), bool_attribute(CKA_SENSITIVE, false)};
    list.push_back(nested);
  }
  for (const MaterialAttribute& a : m.attributes)
    list.push_back(attribute_of(a.type, from_hex(a.hex)));
  return list;
}

Attribute Generator::allowed_mechanisms() {
  Bytes value;
  for (uint64_t n = random_.below(4); n > 0 && !facts_.mechanisms.empty(); n--) {
    Bytes one = ulong_attribute(0, random_.pick(facts_.mechanisms).type).value.data;
    value.insert(value.end(), one.begin(), one.end());
  }
  return attribute_of(CKA_ALLOWED_MECHANISMS, value);
}

std::vector<Attribute> Generator::object_template() {
  if (random_.percent(85)) return material_template(random_.below(materials().size()));
  std::vector<Attribute> list = {
      ulong_attribute(CKA_CLASS, CKO_DATA), bool_attribute(CKA_PRIVATE, random_.percent(20)),
      bool_attribute(CKA_TOKEN, config_.destructive && random_.one_in(6))};
  Attribute value = attribute_of(CKA_VALUE, {});
  value.value = data(70000);
  list.push_back(value);
  if (random_.percent(60)) list.push_back(attribute_of(CKA_APPLICATION, {'a', 'p', 'p'}));
  if (random_.percent(60)) list.push_back(attribute_of(CKA_OBJECT_ID, {6, 3, 0x2a, 3, 4}));
  if (random_.percent(60)) list.push_back(attribute_of(CKA_LABEL, {'d'}));
  return list;
}

/* Of a key to be generated, unwrapped or derived; half 0 or 1: of a pair. */
std::vector<Attribute> Generator::new_key_template(uint64_t mechanism, int half) {
  const std::string name = mechanism_name(mechanism);
  const uint64_t key_type = key_type_of(mechanism);
  std::vector<Attribute> list = {
      bool_attribute(CKA_TOKEN, config_.destructive && random_.one_in(8)),
      bool_attribute(CKA_PRIVATE, model_.logged_in && random_.one_in(2))};
  if (half != 0) {
    list.push_back(bool_attribute(CKA_SENSITIVE, random_.one_in(4)));
    list.push_back(bool_attribute(CKA_EXTRACTABLE, !random_.one_in(4)));
  }
  const bool pair = contains(name, "PAIR");
  if (!pair && !contains(name, "_KEY_GEN")) {
    constexpr uint64_t kTypes[] = {CKK_AES, CKK_GENERIC_SECRET, CKK_DES3, CKK_DES};
    const uint64_t made = random_.pick(kTypes);
    list.push_back(ulong_attribute(CKA_CLASS, CKO_SECRET_KEY));
    list.push_back(ulong_attribute(CKA_KEY_TYPE, made));
    if (random_.percent(60))
      list.push_back(ulong_attribute(CKA_VALUE_LEN, 8 * (1 + random_.below(5))));
  } else if (!pair) {
    if (random_.percent(90))
      list.push_back(ulong_attribute(CKA_VALUE_LEN, 16 + 8 * random_.below(3)));
    for (uint64_t type : {CKA_ENCRYPT, CKA_DECRYPT, CKA_SIGN, CKA_VERIFY, CKA_WRAP, CKA_UNWRAP})
      list.push_back(bool_attribute(type, true));
  } else if (half == 1) {
    for (uint64_t type : {CKA_DECRYPT, CKA_SIGN, CKA_UNWRAP})
      list.push_back(bool_attribute(type, true));
  } else if (key_type == CKK_RSA) {
    /* Rarely one that works: it costs as much as a thousand other calls. */
    list.push_back(ulong_attribute(CKA_MODULUS_BITS, random_.one_in(8) ? 1024 : 24));
    if (!random_.one_in(5)) list.push_back(attribute_of(CKA_PUBLIC_EXPONENT, {1, 0, 1}));
  } else {
    for (const Material& m : materials()) {
      if (m.key_type != key_type || m.object_class != CKO_PUBLIC_KEY) continue;
      for (const MaterialAttribute& a : m.attributes)
        if (&a != &m.attributes.back()) list.push_back(attribute_of(a.type, from_hex(a.hex)));
      if (key_type != CKK_EC || random_.one_in(2)) break;
      list.resize(2);
    }
  }
  return list;
}

std::vector<Attribute> Generator::search_template() {
  std::vector<Attribute> list;
  if (random_.percent(40))
    list.push_back(ulong_attribute(CKA_CLASS, random_.percent(90) ? random_.below(5) : 99));
  if (random_.percent(30)) list.push_back(attribute_of(CKA_LABEL, {'c', 'o', 'n', 'f'}));
  if (random_.percent(20)) list.push_back(bool_attribute(CKA_TOKEN, random_.one_in(4)));
  if (random_.percent(20))
    list.push_back(attribute_of(CKA_ID, {static_cast<uint8_t>(random_.below(8))}));
  if (random_.percent(10)) list.push_back(ulong_attribute(CKA_KEY_TYPE, CKK_AES));
  return list;
}

std::vector<Attribute> Generator::query_template(const Object* object) {
  std::vector<uint64_t> types = {CKA_CLASS,
                                 CKA_KEY_TYPE,
                                 CKA_LABEL,
                                 CKA_ID,
                                 CKA_TOKEN,
                                 CKA_VALUE,
                                 CKA_PRIVATE,
                                 CKA_LOCAL,
                                 CKA_START_DATE,
                                 CKA_CHECK_VALUE,
                                 CKA_SENSITIVE,
                                 CKA_EXTRACTABLE,
                                 CKA_MODULUS_BITS,
                                 CKA_ALWAYS_SENSITIVE,
                                 CKA_KEY_GEN_MECHANISM,
                                 CKA_VALUE_LEN,
                                 CKA_ALLOWED_MECHANISMS,
                                 CKA_WRAP_TEMPLATE,
                                 CKA_UNWRAP_TEMPLATE,
                                 CKA_ALWAYS_AUTHENTICATE,
                                 CKA_MODIFIABLE,
                                 CKA_COPYABLE,
                                 CKA_SUBJECT};
  if (object != nullptr && object->material >= 0)
    for (const MaterialAttribute& a : materials()[static_cast<size_t>(object->material)].attributes)
      types.push_back(a.type);
  std::vector<Attribute> list;
  for (uint64_t n = random_.below(5) + (random_.one_in(20) ? 0 : 1); n > 0; n--) {
    Attribute a;
    a.type = random_.pick(types);
    if (random_.one_in(3)) {
      a.value.size = random_.below(3); /* NULL: how long is it? */
    } else {
      a.value.kind = Octets::Kind::kPattern;
      a.value.size = random_.percent(75) ? 2000 : random_.below(40);
    }
    const bool array = a.type == CKA_WRAP_TEMPLATE || a.type == CKA_UNWRAP_TEMPLATE;
    if (array && a.value.kind != Octets::Kind::kNull) {
      a.nested = true;
      a.inner.resize(2);
      for (Attribute& inner : a.inner) {
        inner.value.kind = random_.one_in(4) ? Octets::Kind::kNull : Octets::Kind::kPattern;
        inner.value.size = random_.below(10);
      }
    }
    list.push_back(a);
  }
  return list;
}

std::vector<Attribute> Generator::change_template() {
  std::vector<Attribute> list;
  const uint64_t choice = random_.below(8);
  if (choice < 3)
    list.push_back(attribute_of(CKA_LABEL, pattern(random_.below(5), random_.below(40))));
  if (choice == 3) list.push_back(attribute_of(CKA_ID, pattern(1, random_.below(5))));
  if (choice == 4) list.push_back(bool_attribute(CKA_SENSITIVE, random_.percent(50)));
  if (choice == 5) list.push_back(bool_attribute(CKA_EXTRACTABLE, random_.percent(50)));
  if (choice == 6) list.push_back(bool_attribute(CKA_DECRYPT, random_.percent(50)));
  if (choice == 7) list.push_back(allowed_mechanisms());
  return list;
}

}  // namespace mp11::conform
