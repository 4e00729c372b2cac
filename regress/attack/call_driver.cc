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
 * An authenticated client of multip11d that keeps no rule, for regress/attack/client.sh.
 *
 *   call_driver PORT SERVICE LABEL CASE
 *
 * The case `layers` needs a token of two layers whose PIN is in P11TEST_PIN, each with a key pair;
 * the private key of the second, which is read-only, has CKA_ID 02.
 *
 * Ends with 0 when the daemon did as the case demands, else prints what it did.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <thread>

#include "der_tree.h"
#include "text.h"
#include "wire_client.h"

namespace mp11::test {
namespace {

struct Test {
  Target target;
  std::string label;
};

using Connection = std::unique_ptr<Session>;

Connection connect(const Test& test) { return std::make_unique<Session>(test.target); }

CK_RV must_answer(std::optional<CK_RV> rv, const char* what) {
  NEED(rv.has_value(), "%s: the server closed", what);
  return *rv;
}
void must_be(CK_RV wanted, std::optional<CK_RV> rv, const char* what) {
  NEED(must_answer(rv, what) == wanted, "%s: 0x%lx, not 0x%lx", what, *rv, wanted);
}

Bytes slot_call(uint32_t request) {
  CK_ULONG count = 0;
  return Session::encode(kC_GetSlotList, words(CK_TRUE, nullptr, &count), request);
}

CK_SLOT_ID initialized(Session* session, const std::string& label) {
  must_be(CKR_OK, session->call(kC_Initialize, {}), "C_Initialize");
  CK_SLOT_ID slots[16];
  CK_ULONG count = 16;
  must_be(CKR_OK, session->call(kC_GetSlotList, words(CK_TRUE, slots, &count)), "C_GetSlotList");
  for (CK_ULONG i = 0; i < count; i++) {
    CK_TOKEN_INFO info;
    must_be(CKR_OK, session->call(kC_GetTokenInfo, words(slots[i], &info)), "C_GetTokenInfo");
    if (std::memcmp(info.label, label.data(), label.size()) == 0) return slots[i];
  }
  NEED(false, "no token %s", label.c_str());
}

CK_SESSION_HANDLE opened(Session* session, CK_SLOT_ID slot) {
  CK_SESSION_HANDLE handle = 0;
  must_be(CKR_OK,
          session->call(kC_OpenSession, words(slot, CKF_SERIAL_SESSION, nullptr, nullptr, &handle)),
          "C_OpenSession");
  return handle;
}

void serves(const Test& test) {
  Connection other = connect(test);
  opened(other.get(), initialized(other.get(), test.label));
}

/* ---- tokens of a good context ---- */

Bytes frame_of(const Bytes& der, uint32_t number) {
  FrameSource source{number, der};
  SecureBuffer frame;
  NEED(!write_frame(&source, &frame), "a short message has one frame");
  return Bytes(frame.data(), frame.data() + frame.size());
}

/* What follows a token that is refused must not be looked at either. */
void ends_with(const Test& test, const char* what,
               const std::function<std::vector<Bytes>(Context*)>& tokens) {
  Connection one = connect(test);
  for (const Bytes& token : tokens(&one->context()))
    if (!send_all(one->fd(), framed(token))) break;
  NEED(one->is_ended(), "%s: not closed", what);
}

void wrapped(const Test& test) {
  const Bytes a = frame_of(slot_call(1), 1), b = frame_of(slot_call(2), 2);
  ends_with(test, "replayed", [&](Context* c) {
    Bytes token = c->wrap(a);
    return std::vector<Bytes>{token, token};
  });
  ends_with(test, "reordered", [&](Context* c) {
    Bytes first = c->wrap(a), second = c->wrap(b);
    return std::vector<Bytes>{second, first};
  });
  ends_with(test, "dropped", [&](Context* c) {
    (void)c->wrap(a);
    return std::vector<Bytes>{c->wrap(b)};
  });
  ends_with(test, "not sealed", [&](Context* c) { return std::vector<Bytes>{c->wrap(a, false)}; });
  ends_with(test, "a MIC", [&](Context* c) { return std::vector<Bytes>{c->mic(a)}; });
  ends_with(test, "a handshake's token", [&](Context*) {
    return std::vector<Bytes>{Context(test.target.service).first_token()};
  });
  Connection other = connect(test);
  ends_with(test, "of another connection",
            [&](Context*) { return std::vector<Bytes>{other->context().wrap(a)}; });
  Bytes sample = other->context().wrap(a);
  for (size_t at = 0; at < sample.size(); at += at < 16 ? 1 : 11)
    ends_with(test, ("octet " + std::to_string(at) + " changed").c_str(), [&](Context* c) {
      Bytes token = c->wrap(a);
      token[at] ^= 0x40;
      return std::vector<Bytes>{token};
    });
  serves(test);
}

/* ---- what is in them ---- */

void plain_ends(const Test& test, const char* what, const std::vector<Bytes>& plains) {
  Connection one = connect(test);
  for (const Bytes& plain : plains)
    if (!one->send_plain(plain)) break;
  NEED(one->is_ended(), "%s: not closed", what);
}

Bytes frame_head(uint32_t size, uint8_t flags, uint32_t number) {
  Bytes out;
  for (int i = 24; i >= 0; i -= 8) out.push_back(static_cast<uint8_t>(size >> i));
  out.push_back(flags);
  for (int i = 24; i >= 0; i -= 8) out.push_back(static_cast<uint8_t>(number >> i));
  return out;
}

Bytes fragment(uint32_t number, size_t size) {
  Bytes out = frame_head(static_cast<uint32_t>(size), 1, number);
  out.resize(out.size() + size, 0x30);
  return out;
}

void framing(const Test& test) {
  plain_ends(test, "a frame of length 0", {frame_head(0, 0, 1)});
  plain_ends(test, "unknown flags", {frame_head(1, 0x82, 1)});
  plain_ends(test, "a long fragment", {frame_head(65537, 0, 1)});
  for (int first : {0x01, 0x16, 0x80, 0xff})
    plain_ends(test, "another encoding", {Bytes(64, static_cast<uint8_t>(first))});
  for (unsigned seed = 1; seed <= 20; seed++) {
    Bytes noise(seed * 53);
    for (size_t i = 0; i < noise.size(); i++)
      noise[i] = static_cast<uint8_t>((i + seed) * 2654435761u >> 11);
    if (noise[0] == 0) noise[0] = 1;
    plain_ends(test, "noise", {noise});
    plain_ends(test, "noise in a frame", {frame_of(noise, 1)});
  }
  serves(test);
}

Bytes octets_of(const std::string& text) { return Bytes(text.begin(), text.end()); }

std::string text_of(Encoding encoding, const Bytes& der) {
  CallArena arena;
  SecureBuffer text;
  NEED(der_to_text(encoding, der, &arena, &text), "a call has no form as text");
  return {reinterpret_cast<const char*>(text.data()), text.size()};
}

/* What is in that encoding is answered in it, whatever came before. */
void answers_in_kind(Session* session, Encoding encoding, uint32_t number) {
  const Bytes der = slot_call(number);
  const Bytes call = encoding == Encoding::kDer ? der : octets_of(text_of(encoding, der));
  NEED(session->send_message(call, number), "text: closed");
  uint32_t answered = 0;
  const std::optional<Bytes> answer = session->receive(&answered);
  NEED(answer && answered == number, "text: no answer");
  NEED(encoding_of((*answer)[0]) == encoding, "text: an answer in another encoding");
}

/* Texts that are none, without end, nested without end, that name entities; and good ones between.
 */
void texts(const Test& test) {
  Connection mixed = connect(test);
  for (uint32_t n = 1; n <= 30; n++) answers_in_kind(mixed.get(), static_cast<Encoding>(n % 3), n);
  const std::string entities =
      "<!DOCTYPE a [<!ENTITY b \"bbbbbbbbbb\"><!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;\">"
      "<!ENTITY d SYSTEM \"file:///etc/passwd\">]><TransportMessage>&c;&d;</TransportMessage>";
  std::string brackets("{\"version\":"), elements("<TransportMessage>"), members("{");
  for (unsigned i = 0; i < 1000000; i++) brackets += '[';
  for (unsigned i = 0; i < 200000; i++) elements += "<version>";
  for (unsigned i = 0; i < 200000; i++) members += "\"a\":1,";
  for (const std::string& text : {entities, brackets, elements, members}) {
    plain_ends(test, "a text of its own kind", {octets_of(text.substr(0, 60000) + "\n")});
    Connection framed = connect(test);
    NEED(framed->send_message(octets_of(text), 1), "text: closed too early");
    NEED(framed->is_ended(), "a text of its own kind goes on");
  }
  for (Encoding encoding : {Encoding::kXer, Encoding::kJer}) {
    const std::string good = text_of(encoding, slot_call(1));
    for (size_t at = 1; at + 1 < good.size(); at += 23) {
      plain_ends(test, "a text cut short", {octets_of(good.substr(0, at) + "\n")});
      std::string bad = good;
      bad[at] = '\x02';
      plain_ends(test, "a text with noise", {octets_of(bad)});
    }
    /* A line that does not end: as much of it as a message may have, and no more. */
    std::vector<Bytes> endless(400, Bytes(65536, static_cast<uint8_t>(' ')));
    endless.front()[0] = static_cast<uint8_t>(good[0]);
    plain_ends(test, "a line without end", endless);
  }
  serves(test);
}

/* Fragments that never end: of one message, of many, and of none that is large. */
void fragments(const Test& test) {
  std::vector<Bytes> one(300, fragment(1, 65536)), many, full;
  plain_ends(test, "one message without end", one);
  for (uint32_t n = 1; n <= 40; n++) many.push_back(fragment(n, 1));
  plain_ends(test, "many messages begun", many);
  for (uint32_t n = 0; n < 32 * 20; n++) full.push_back(fragment(n % 31 + 1, 65536));
  plain_ends(test, "much of many messages", full);
  serves(test);
}

/* A fragment an octet, for ever: idle-timeout (12 s in the test's daemon) counts messages. */
void dribble(const Test& test) {
  Connection one = connect(test);
  for (int i = 0; i < 600; i++) {
    if (!one->send_plain(fragment(1, 1))) return;
    pollfd wait{one->fd(), POLLIN, 0};
    if (::poll(&wait, 1, 100) == 1) {
      NEED(one->is_ended(), "dribble: not closed");
      return;
    }
  }
  NEED(false, "dribble: open after a minute");
}

/* Every value of good calls left out, doubled, emptied, made negative, huge, of another type. */
void shapes(const Test& test) {
  CK_BYTE data[40] = {}, label[] = "x";
  CK_ULONG length = sizeof data;
  CK_RSA_PKCS_PSS_PARAMS pss = {CKM_SHA256, CKG_MGF1_SHA256, 32};
  CK_MECHANISM mechanism = {CKM_SHA256_RSA_PKCS_PSS, &pss, sizeof pss};
  CK_ATTRIBUTE inner = {CKA_LABEL, label, 1};
  CK_ATTRIBUTE attributes[] = {{CKA_LABEL, label, 1},
                               {CKA_CLASS, &length, sizeof length},
                               {CKA_WRAP_TEMPLATE, &inner, sizeof inner}};
  const std::vector<Bytes> calls = {
      Session::encode(kC_SignInit, words(1, &mechanism, 1)),
      Session::encode(kC_FindObjectsInit, words(1, attributes, 3)),
      Session::encode(kC_Encrypt, words(1, data, sizeof data, data, &length)),
      Session::encode(kC_Login, words(1, CKU_USER, data, 4)),
  };
  Connection one = connect(test);
  size_t closed = 0, answered = 0;
  for (const Bytes& call : calls)
    for (const Bytes& changed : mutations(call)) {
      if (one->send_message(changed, 1) && one->receive())
        answered++;
      else
        closed++;
      /* One that was told of its syntax is closed next; what it is answered does not matter. */
      if (!one->send_message(slot_call(9), 2) || !one->receive()) one = connect(test);
    }
  std::printf("%zu messages: %zu answered, %zu closed\n", answered + closed, answered, closed);
  NEED(answered + closed > 300, "too few");
  serves(test);
}

/* Opcodes that are none are told so, and the connection stays. */
void opcodes(const Test& test) {
  Connection one = connect(test);
  const Bytes call = slot_call(1);
  for (uint32_t opcode : {104u, 200u, 256u, 1000u}) {
    auto tree = parse_der(call);
    NEED(tree && set_opcode(&*tree, opcode), "the call has no opcode");
    NEED(one->send_message(encode_der(*tree), opcode), "closed");
    auto der = one->receive();
    CallArena arena;
    Received received;
    NEED(der && decode_message(*der, &arena, &received) == CodecStatus::kOk, "opcode %u", opcode);
    NEED(received.envelope.failure &&
             received.envelope.failure->reason == static_cast<uint32_t>(FailureReason::kOpcode),
         "opcode %u is taken", opcode);
  }
  opened(one.get(), initialized(one.get(), test.label));
}

/* Octets where the library would look for pointers. */
void pointers(const Test& test) {
  CK_ULONG planted[6];
  for (CK_ULONG& word : planted) word = 0x4141414141414141;
  CK_ATTRIBUTE attribute = {0x40000299, planted, sizeof planted};
  const Bytes call = Session::encode(kC_FindObjectsInit, words(1, &attribute, 1));
  const uint8_t type[] = {0x02, 0x04, 0x40, 0x00, 0x02, 0x99};
  auto at = std::search(call.begin(), call.end(), std::begin(type), std::end(type)) - call.begin();
  NEED(at < static_cast<ptrdiff_t>(call.size()), "the type is not there");
  for (int last : {0x11, 0x12, 0x13}) { /* CKA_WRAP_, UNWRAP_, DERIVE_TEMPLATE */
    Connection one = connect(test);
    opened(one.get(), initialized(one.get(), test.label));
    Bytes changed = call;
    changed[static_cast<size_t>(at) + 5] = static_cast<uint8_t>(last);
    if (!one->send_message(changed, 7)) continue;
    auto der = one->receive();
    CallArena arena;
    Received received;
    if (!der) continue; /* closed: right as well */
    NEED(decode_message(*der, &arena, &received) == CodecStatus::kOk, "a broken answer");
    CK_RV rv = CKR_OK;
    CodecStatus status =
        decode_return(received, *function_row(kC_FindObjectsInit), {}, &arena, &rv);
    NEED(received.envelope.failure || (status == CodecStatus::kOk && rv != CKR_OK),
         "a template of octets is taken");
  }
  /* Flat octets as the parameter of mechanisms whose parameter is a structure. */
  CK_MECHANISM cbc = {CKM_AES_CBC, planted, sizeof planted};
  const Bytes init = Session::encode(kC_EncryptInit, words(1, &cbc, 1));
  const uint8_t number[] = {0x02, 0x02, 0x10, 0x82};
  auto where = std::search(init.begin(), init.end(), std::begin(number), std::end(number));
  NEED(where != init.end(), "the mechanism is not there");
  for (int last : {0x86, 0x87, 0x88, 0x50}) { /* CTR, GCM, CCM, ECDH1_DERIVE */
    Connection one = connect(test);
    CK_SESSION_HANDLE session = opened(one.get(), initialized(one.get(), test.label));
    Bytes changed = init;
    changed[static_cast<size_t>(where - init.begin()) + 3] = static_cast<uint8_t>(last);
    if (one->send_message(changed, 7)) (void)one->receive();
    CK_SESSION_INFO info;
    auto rv = one->call(kC_GetSessionInfo, words(session, &info));
    NEED(!rv || *rv == CKR_OK || one->failure(), "0x%lx afterwards: the library is gone", *rv);
  }
  serves(test);
}

/* ---- handles, limits, order ---- */

void handles(const Test& test) {
  Connection victim = connect(test), one = connect(test);
  const CK_SLOT_ID slot = initialized(victim.get(), test.label);
  for (int i = 0; i < 8; i++) opened(victim.get(), slot); /* handles that `one` has none of */
  const CK_SESSION_HANDLE theirs = opened(victim.get(), slot);
  CK_SESSION_HANDLE closed = opened(one.get(), initialized(one.get(), test.label));
  must_be(CKR_OK, one->call(kC_CloseSession, words(closed)), "C_CloseSession");
  CK_BYTE octets[32] = {};
  CK_ULONG length = sizeof octets;
  CK_SESSION_INFO info;
  CK_MECHANISM digest = {CKM_SHA256, nullptr, 0};
  for (CK_ULONG handle : {CK_ULONG{0}, closed, theirs, theirs + 1, CK_ULONG{0x10001},
                          CK_ULONG{0x7fffffff}, CK_ULONG{0x80000000}, CK_ULONG{0xfffffffe}}) {
    must_be(CKR_SESSION_HANDLE_INVALID, one->call(kC_GetSessionInfo, words(handle, &info)), "info");
    must_be(CKR_SESSION_HANDLE_INVALID, one->call(kC_CloseSession, words(handle)), "close");
    must_be(CKR_SESSION_HANDLE_INVALID, one->call(kC_Logout, words(handle)), "logout");
    must_be(CKR_SESSION_HANDLE_INVALID, one->call(kC_DestroyObject, words(handle, 1)), "destroy");
    must_be(CKR_SESSION_HANDLE_INVALID, one->call(kC_DigestInit, words(handle, &digest)), "digest");
    must_be(CKR_SESSION_HANDLE_INVALID,
            one->call(kC_GenerateRandom, words(handle, octets, sizeof octets)), "random");
  }
  CK_SESSION_HANDLE own = opened(one.get(), initialized(connect(test).get(), test.label));
  for (CK_ULONG object : {CK_ULONG{0}, CK_ULONG{1}, CK_ULONG{0x10001}, CK_ULONG{0xfffffffe}}) {
    must_be(CKR_OBJECT_HANDLE_INVALID, one->call(kC_DestroyObject, words(own, object)), "object");
    CK_MECHANISM ecb = {CKM_AES_ECB, nullptr, 0};
    CK_RV rv = must_answer(one->call(kC_EncryptInit, words(own, &ecb, object)), "key");
    NEED(rv == CKR_KEY_HANDLE_INVALID || rv == CKR_OBJECT_HANDLE_INVALID, "key: 0x%lx", rv);
  }
  must_be(CKR_OK, victim->call(kC_GenerateRandom, words(theirs, octets, length)), "the other's");
}

/* ---- a token of several layers ---- */

/* Handles of the session's objects that match. */
std::set<CK_OBJECT_HANDLE> found(Session* one, CK_SESSION_HANDLE session,
                                 std::vector<CK_ATTRIBUTE> wanted) {
  must_be(CKR_OK, one->call(kC_FindObjectsInit, words(session, wanted.data(), wanted.size())),
          "C_FindObjectsInit");
  CK_OBJECT_HANDLE handles[64];
  CK_ULONG count = 0;
  must_be(CKR_OK, one->call(kC_FindObjects, words(session, handles, 64, &count)), "C_FindObjects");
  must_be(CKR_OK, one->call(kC_FindObjectsFinal, words(session)), "C_FindObjectsFinal");
  return {handles, handles + count};
}

/* A session that is logged in, as the people of the token have. */
CK_SESSION_HANDLE logged_in(Session* one, const Test& test) {
  const CK_SLOT_ID slot = initialized(one, test.label);
  CK_SESSION_HANDLE session = 0;
  must_be(CKR_OK,
          one->call(kC_OpenSession,
                    words(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &session)),
          "C_OpenSession");
  const char* pin = std::getenv("P11TEST_PIN");
  NEED(pin != nullptr, "P11TEST_PIN is not set");
  must_be(CKR_OK, one->call(kC_Login, words(session, CKU_USER, pin, std::strlen(pin))), "C_Login");
  return session;
}

CK_OBJECT_HANDLE session_key(Session* one, CK_SESSION_HANDLE session) {
  CK_MECHANISM generate = {CKM_AES_KEY_GEN, nullptr, 0};
  CK_ULONG octets = 32;
  CK_BBOOL yes = CK_TRUE;
  CK_ATTRIBUTE key[] = {{CKA_VALUE_LEN, &octets, sizeof octets},
                        {CKA_WRAP, &yes, sizeof yes},
                        {CKA_DERIVE, &yes, sizeof yes},
                        {CKA_EXTRACTABLE, &yes, sizeof yes}};
  CK_OBJECT_HANDLE handle = 0;
  must_be(CKR_OK, one->call(kC_GenerateKey, words(session, &generate, key, 4, &handle)),
          "C_GenerateKey");
  return handle;
}

/* Every function that takes an object: this one is none. */
void is_no_object(Session* one, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                  CK_OBJECT_HANDLE key) {
  CK_BYTE id[] = {9}, octets[512] = {};
  CK_ULONG length = sizeof octets;
  CK_ATTRIBUTE one_id = {CKA_ID, id, sizeof id};
  CK_OBJECT_HANDLE made = 0;
  CK_MECHANISM ecb = {CKM_AES_ECB, nullptr, 0}, sign = {CKM_SHA256_RSA_PKCS, nullptr, 0};
  CK_MECHANISM raw = {CKM_RSA_PKCS, nullptr, 0}, wrap = {CKM_AES_KEY_WRAP_PAD, nullptr, 0};
  CK_MECHANISM join = {CKM_CONCATENATE_BASE_AND_KEY, &object, sizeof object};
  CK_MECHANISM sha = {CKM_SHA256, nullptr, 0};
  const struct {
    const char* what;
    std::optional<CK_RV> rv;
  } tries[] = {
      {"C_GetAttributeValue", one->call(kC_GetAttributeValue, words(session, object, &one_id, 1))},
      {"C_SetAttributeValue", one->call(kC_SetAttributeValue, words(session, object, &one_id, 1))},
      {"C_GetObjectSize", one->call(kC_GetObjectSize, words(session, object, &length))},
      {"C_CopyObject", one->call(kC_CopyObject, words(session, object, &one_id, 1, &made))},
      {"C_DestroyObject", one->call(kC_DestroyObject, words(session, object))},
      {"C_EncryptInit", one->call(kC_EncryptInit, words(session, &ecb, object))},
      {"C_DecryptInit", one->call(kC_DecryptInit, words(session, &ecb, object))},
      {"C_SignInit", one->call(kC_SignInit, words(session, &sign, object))},
      {"C_SignRecoverInit", one->call(kC_SignRecoverInit, words(session, &raw, object))},
      {"C_VerifyInit", one->call(kC_VerifyInit, words(session, &sign, object))},
      {"C_VerifyRecoverInit", one->call(kC_VerifyRecoverInit, words(session, &raw, object))},
      {"C_WrapKey", one->call(kC_WrapKey, words(session, &wrap, key, object, octets, &length))},
      {"C_WrapKey with it",
       one->call(kC_WrapKey, words(session, &wrap, object, key, octets, &length))},
      {"C_UnwrapKey",
       one->call(kC_UnwrapKey, words(session, &wrap, object, octets, 40, &one_id, 1, &made))},
      {"C_DeriveKey", one->call(kC_DeriveKey, words(session, &join, key, &one_id, 1, &made))},
  };
  /* The last two: what the library does not do with any object. */
  const std::set<CK_RV> refusals = {CKR_OBJECT_HANDLE_INVALID,
                                    CKR_KEY_HANDLE_INVALID,
                                    CKR_WRAPPING_KEY_HANDLE_INVALID,
                                    CKR_MECHANISM_PARAM_INVALID,
                                    CKR_UNWRAPPING_KEY_HANDLE_INVALID,
                                    CKR_FUNCTION_NOT_SUPPORTED,
                                    CKR_MECHANISM_INVALID};
  for (const auto& [what, rv] : tries) {
    const CK_RV said = must_answer(rv, what);
    NEED(refusals.contains(said), "%s of 0x%lx: 0x%lx", what, object, said);
  }
  must_be(CKR_OK, one->call(kC_DigestInit, words(session, &sha)), "C_DigestInit");
  const CK_RV said = must_answer(one->call(kC_DigestKey, words(session, object)), "C_DigestKey");
  NEED(said == CKR_KEY_HANDLE_INVALID || said == CKR_OBJECT_HANDLE_INVALID, "C_DigestKey: 0x%lx",
       said);
  (void)one->call(kC_DigestFinal, words(session, octets, &length)); /* ends it, if it has not */
}

/* The second layer's objects are there to be used, and for nothing else. */
void lower_layer_is_kept(Session* one, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE lower,
                         CK_OBJECT_HANDLE key) {
  CK_BYTE id[] = {9}, octets[4096] = {};
  CK_ULONG length = sizeof octets;
  CK_BBOOL yes = CK_TRUE;
  CK_OBJECT_HANDLE made = 0;
  CK_ATTRIBUTE change[] = {{CKA_ID, id, sizeof id}}, token[] = {{CKA_TOKEN, &yes, sizeof yes}};
  CK_MECHANISM wrap = {CKM_AES_KEY_WRAP_PAD, nullptr, 0};
  CK_MECHANISM join = {CKM_CONCATENATE_BASE_AND_KEY, &lower, sizeof lower};
  must_be(CKR_ACTION_PROHIBITED, one->call(kC_SetAttributeValue, words(session, lower, change, 1)),
          "change");
  must_be(CKR_ACTION_PROHIBITED, one->call(kC_DestroyObject, words(session, lower)), "destroy");
  CK_RV rv = must_answer(one->call(kC_CopyObject, words(session, lower, token, 1, &made)),
                         "copy as token");
  NEED(rv == CKR_ACTION_PROHIBITED || rv == CKR_TOKEN_WRITE_PROTECTED, "copy: 0x%lx", rv);
  must_be(CKR_TOKEN_WRITE_PROTECTED,
          one->call(kC_UnwrapKey, words(session, &wrap, lower, octets, 40, token, 1, &made)),
          "unwrap to it");
  must_be(CKR_KEY_HANDLE_INVALID,
          one->call(kC_WrapKey, words(session, &wrap, key, lower, octets, &length)), "wrap it");
  must_be(CKR_KEY_HANDLE_INVALID,
          one->call(kC_WrapKey, words(session, &wrap, lower, key, octets, &length)), "wrap by it");
  must_be(CKR_KEY_HANDLE_INVALID,
          one->call(kC_DeriveKey, words(session, &join, key, change, 1, &made)), "derive with it");
}

void layers(const Test& test) {
  Connection victim = connect(test), one = connect(test);
  const CK_SESSION_HANDLE theirs = logged_in(victim.get(), test);
  std::set<CK_OBJECT_HANDLE> foreign;
  for (int i = 0; i < 20; i++) foreign.insert(session_key(victim.get(), theirs));
  const CK_SESSION_HANDLE session = logged_in(one.get(), test);
  const CK_OBJECT_HANDLE key = session_key(one.get(), session);
  const std::set<CK_OBJECT_HANDLE> own = found(one.get(), session, {});
  CK_BYTE id[] = {2};
  CK_OBJECT_CLASS private_key = CKO_PRIVATE_KEY;
  const std::set<CK_OBJECT_HANDLE> lower = found(
      one.get(), session, {{CKA_CLASS, &private_key, sizeof private_key}, {CKA_ID, id, sizeof id}});
  NEED(own.size() == 5 && own.contains(key), "%zu objects", own.size());
  NEED(lower.size() == 1, "the second layer's key was found %zu times", lower.size());
  lower_layer_is_kept(one.get(), session, *lower.begin(), key);
  /* Small numbers are what libraries give: all of theirs, the victim's, and of later generations.
   */
  for (CK_ULONG raw = 0; raw < 64; raw++) foreign.insert(raw);
  for (CK_ULONG handle : own)
    for (CK_ULONG other : {handle + (1ul << 20), handle | 0x80000000ul, handle ^ 0x40000000ul})
      foreign.insert(other & 0xffffffff);
  size_t tried = 0;
  for (CK_OBJECT_HANDLE object : foreign)
    if (!own.contains(object)) is_no_object(one.get(), session, object, key), tried++;
  NEED(found(one.get(), session, {}) == own, "the attacker's objects have changed");
  NEED(found(victim.get(), theirs, {}).size() == 24, "the victim's objects have changed");
  std::printf("%zu handles\n", tried);
}

/* Sessions and objects until there are no more; then the others' are still there. */
void many(const Test& test) {
  Connection one = connect(test);
  const CK_SLOT_ID slot = initialized(one.get(), test.label);
  const CK_SESSION_HANDLE first = opened(one.get(), slot);
  CK_RV rv = CKR_OK;
  unsigned sessions = 1;
  for (; sessions <= limits::kSessions + 1 && rv == CKR_OK; sessions++) {
    CK_SESSION_HANDLE handle;
    rv = must_answer(
        one->call(kC_OpenSession, words(slot, CKF_SERIAL_SESSION, nullptr, nullptr, &handle)),
        "C_OpenSession");
  }
  NEED(rv == CKR_SESSION_COUNT, "%u sessions: 0x%lx", sessions, rv);
  CK_OBJECT_CLASS data = CKO_DATA;
  CK_BBOOL no = CK_FALSE;
  CK_BYTE value[256] = {};
  CK_ATTRIBUTE object[] = {{CKA_CLASS, &data, sizeof data},
                           {CKA_TOKEN, &no, sizeof no},
                           {CKA_PRIVATE, &no, sizeof no},
                           {CKA_VALUE, value, sizeof value}};
  unsigned objects = 0;
  for (rv = CKR_OK; objects < 2000 && rv == CKR_OK; objects++) {
    CK_OBJECT_HANDLE handle;
    rv = must_answer(one->call(kC_CreateObject, words(first, object, 4, &handle)), "create");
  }
  NEED(rv == CKR_OK || rv == CKR_DEVICE_MEMORY || rv == CKR_HOST_MEMORY, "%u objects: 0x%lx",
       objects, rv);
  std::printf("%u sessions, %u objects\n", sessions - 1, objects);
  must_be(CKR_OK, one->call(kC_CloseAllSessions, words(slot)), "C_CloseAllSessions");
  opened(one.get(), slot);
}

void order(const Test& test) {
  Connection one = connect(test);
  CK_ULONG count = 0;
  must_be(CKR_CRYPTOKI_NOT_INITIALIZED, one->call(kC_GetSlotList, words(CK_TRUE, nullptr, &count)),
          "before C_Initialize");
  const CK_SLOT_ID slot = initialized(one.get(), test.label);
  must_be(CKR_CRYPTOKI_ALREADY_INITIALIZED, one->call(kC_Initialize, {}), "C_Initialize twice");
  const CK_SESSION_HANDLE session = opened(one.get(), slot);
  CK_BYTE octets[64] = {};
  CK_ULONG length = sizeof octets;
  must_be(CKR_OPERATION_NOT_INITIALIZED,
          one->call(kC_Sign, words(session, octets, 1, octets, &length)), "C_Sign");
  must_be(CKR_OPERATION_NOT_INITIALIZED, one->call(kC_DigestFinal, words(session, octets, &length)),
          "C_DigestFinal");
  must_be(CKR_OK, one->call(kC_Finalize, {}), "C_Finalize");
  must_be(CKR_CRYPTOKI_NOT_INITIALIZED, one->call(kC_CloseSession, words(session)), "afterwards");
}

/* ---- many at once ---- */

uint64_t request_of(const Bytes& der) {
  CallArena arena;
  Received received;
  uint64_t number = 0;
  NEED(decode_message(der, &arena, &received) == CodecStatus::kOk && !received.call &&
           number_of_id(received.envelope.request, &number),
       "a broken return");
  return number;
}

/* Far more calls than may be pending, all sent before the first return is read: each answered once.
 */
void in_flight(const Test& test) {
  constexpr uint32_t kCalls = 3000;
  Connection one = connect(test);
  initialized(one.get(), test.label);
  std::vector<Bytes> tokens;
  for (uint32_t i = 1; i <= kCalls; i++)
    tokens.push_back(framed(one->context().wrap(frame_of(slot_call(i), i))));
  const int fd = one->fd();
  std::thread sender([&] {
    for (const Bytes& token : tokens) NEED(send_all(fd, token), "closed while it sends");
  });
  std::set<uint64_t> seen;
  while (seen.size() < kCalls) {
    auto der = one->receive();
    NEED(der, "closed after %zu returns", seen.size());
    NEED(seen.insert(request_of(*der)).second, "answered twice");
  }
  sender.join();
}

/* The same ids at once: each call has its return, and nobody else's. */
void same_id(const Test& test) {
  Connection one = connect(test), other = connect(test);
  initialized(one.get(), test.label);
  initialized(other.get(), test.label);
  for (uint32_t i = 0; i < 20; i++)
    NEED(one->send_message(slot_call(5), i + 1) && other->send_message(slot_call(6), i + 1),
         "sent");
  for (uint32_t i = 0; i < 20; i++) {
    auto mine = one->receive(), theirs = other->receive();
    NEED(mine && theirs && request_of(*mine) == 5 && request_of(*theirs) == 6, "mixed up");
  }
  /* Message numbers that are in use: answered, or the end of that connection. */
  for (uint32_t i = 0; i < 20; i++)
    if (!one->send_message(slot_call(5), 1)) break;
  half_close(one->fd());
  NEED(one->is_ended(), "not closed");
  opened(other.get(), initialized(connect(test).get(), test.label));
}

/* Asks and asks and reads nothing, until standard input ends. */
void deaf(const Test& test) {
  Connection one = connect(test);
  const CK_SESSION_HANDLE session = opened(one.get(), initialized(one.get(), test.label));
  std::vector<uint8_t> buffer(15u << 20); /* 32 such calls may be pending */
  const Bytes call =
      Session::encode(kC_GenerateRandom, words(session, buffer.data(), buffer.size()));
  const Bytes small = framed(one->context().wrap(frame_of(call, 100)));
  int stuck = 0;
  Bytes left = small;
  uint32_t number = 101;
  while (stuck < 20) {
    ssize_t n = ::send(one->fd(), left.data(), left.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) break;
    if (n < 0) {
      ::usleep(50000);
      stuck++;
      continue;
    }
    stuck = 0;
    left.erase(left.begin(), left.begin() + n);
    if (left.empty()) left = framed(one->context().wrap(frame_of(call, number++)));
  }
  std::printf("stuck after %u calls\n", number - 100);
  std::fflush(stdout);
  char octet;
  (void)!::read(STDIN_FILENO, &octet, 1);
}

/* Goes in the middle of calls, in each way there is. */
void leave(const Test& test) {
  for (int way = 0; way < 30; way++) {
    Connection one = connect(test);
    initialized(one.get(), test.label);
    for (uint32_t i = 1; i <= 32; i++) NEED(one->send_message(slot_call(i), i), "sent");
    const linger now{1, 0};
    if (way % 3 == 1) half_close(one->fd());
    if (way % 3 == 2) (void)::setsockopt(one->fd(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    if (way % 3 == 1) NEED(one->is_ended(), "half-closed: not closed");
  }
  serves(test);
}

const std::map<std::string, void (*)(const Test&)> kCases = {
    {"wrapped", wrapped}, {"framing", framing}, {"fragments", fragments}, {"dribble", dribble},
    {"shapes", shapes},   {"opcodes", opcodes}, {"pointers", pointers},   {"handles", handles},
    {"many", many},       {"order", order},     {"in-flight", in_flight}, {"same-id", same_id},
    {"deaf", deaf},       {"leave", leave},     {"layers", layers},       {"texts", texts},
};

}  // namespace
}  // namespace mp11::test

int main(int argc, char** argv) {
  using namespace mp11::test;
  if (argc != 5 || !kCases.contains(argv[4])) return 2;
  mp11::codec_start();
  Test test;
  test.target.port = static_cast<uint16_t>(std::atoi(argv[1]));
  test.target.service = argv[2];
  test.label = argv[3];
  kCases.at(argv[4])(test);
  return 0;
}
