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
 * A small PKCS #11 library in memory, which gives out the lowest free numbers again and again. A
 * test may answer for it, and change what it says.
 */
#pragma once
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "marshal.h"
#include "p11_functions.h"

namespace mp11::session_test {

template <class T>
T* at(Word word) {
  return reinterpret_cast<T*>(word);
}
inline Word word(const void* p) { return reinterpret_cast<Word>(p); }

class FakeLibrary {
 public:
  struct Slot {
    CK_SLOT_ID id;
    std::string label; /* of its token; empty: not initialised */
    std::string serial = "7777777777777777";
    std::string pin = {}; /* empty: nobody logs in, and C_Login succeeds */
    std::vector<CK_MECHANISM_TYPE> mechanisms = {};
    unsigned wrong = 0; /* PINs in a row; the third locks it */
    bool logged_in = false;
    std::string so_pin = {}; /* of the last C_InitToken */
    CK_ULONG most = 255;     /* octets of a PIN */
  };
  template <size_t N>
  static void pad(CK_UTF8CHAR (&field)[N], const std::string& text) {
    std::memset(field, ' ', N);
    std::memcpy(field, text.data(), std::min(N, text.size()));
  }
  struct Object {
    std::string id; /* CKA_ID */
    CK_SLOT_ID slot;
    bool token, priv;
    CK_SESSION_HANDLE session;
    CK_OBJECT_CLASS of_class = CKO_DATA;
    std::string label = {};
    /* CKA_SENSITIVE and CKA_EXTRACTABLE as it was made; 2: not said. */
    int sensitive = 2, extractable = 2;
    CK_ATTRIBUTE_TYPE inner = CKA_ENCRYPT; /* of the one attribute in its CKA_UNWRAP_TEMPLATE */
  };
  struct Session {
    CK_SLOT_ID slot;
    std::vector<CK_OBJECT_HANDLE> found;
    CK_FLAGS flags = 0;
    bool searching = false;
    std::string signing = {}; /* CKA_ID of the key; empty: not signing */
  };

  explicit FakeLibrary(std::vector<Slot> all) : slots(std::move(all)) {}

  /* Calls the library as multip11-backend would. */
  void execute(const Message& call, Message* reply) {
    const FunctionRow* row = function_row(call.rec.function);
    BOOST_REQUIRE(row != nullptr);
    Words words;
    arena_.clear();
    BOOST_REQUIRE_MESSAGE(unpack_call(*row, call, &arena_, &words), row->name);
    calls.push_back(row->number);
    if (arrives != nullptr) arrives(call);
    CK_RV rv = answer != nullptr ? answer(row->number, words) : CKR_OK;
    if (rv == CKR_OK) rv = run(row->number, words.w);
    if (disk != nullptr) {
      *disk = slots;
      for (Slot& slot : *disk) slot.logged_in = false;
    }
    pack_reply(*row, words, rv, reply);
    reply->rec.id = call.rec.id;
    if (tamper != nullptr) tamper(row->number, reply);
  }

  std::vector<Slot> slots;
  std::map<CK_OBJECT_HANDLE, Object> objects;
  std::map<CK_SESSION_HANDLE, Session> sessions;
  bool initialized = false;
  bool hides_private = false;  /* from searches of who is not logged in */
  std::vector<uint32_t> calls; /* function numbers, in order */
  /* Another answer than CKR_OK makes it the call's; what the test wants to say before the library.
   */
  std::function<CK_RV(uint32_t, const Words&)> answer;
  std::function<void(uint32_t, Message*)> tamper;
  std::function<void(const Message&)> arrives; /* each call, before it is made */
  std::vector<Slot>* disk = nullptr;           /* what stays of them when it dies */
  CK_SLOT_ID next_free = 0; /* after C_InitToken there is a slot of this number, as in SoftHSM */

  size_t count(uint32_t function) const {
    size_t n = 0;
    for (uint32_t f : calls) n += f == function;
    return n;
  }

 private:
  template <class M>
  static uint64_t lowest(const M& map) {
    uint64_t n = 1;
    while (map.count(n) != 0) n++;
    return n;
  }
  Slot* slot_of(CK_SLOT_ID id) {
    for (Slot& slot : slots)
      if (slot.id == id) return &slot;
    return nullptr;
  }
  void close(CK_SESSION_HANDLE session) {
    CK_SLOT_ID slot = sessions[session].slot;
    sessions.erase(session);
    std::erase_if(objects, [=](auto& o) { return !o.second.token && o.second.session == session; });
    for (auto& [h, s] : sessions)
      if (s.slot == slot) return;
    slot_of(slot)->logged_in = false;
    std::erase_if(objects, [=](auto& o) {
      return o.second.slot == slot && o.second.priv && !o.second.token;
    });
  }
  CK_RV make(CK_SESSION_HANDLE session, const Word* t, Object object, CK_OBJECT_HANDLE* handle) {
    object.slot = sessions[session].slot;
    object.session = session;
    take(t[0], t[1], &object);
    if (handle == nullptr) return CKR_ARGUMENTS_BAD;
    *handle = lowest(objects);
    objects[*handle] = object;
    return CKR_OK;
  }
  /* What a template says of an object. */
  static void take(Word t, Word count, Object* its) {
    auto* attributes = at<CK_ATTRIBUTE>(t);
    Object& object = *its;
    for (Word i = 0; attributes != nullptr && i < count; i++) {
      const CK_ATTRIBUTE& a = attributes[i];
      if (a.pValue == nullptr) continue;
      auto* value = static_cast<const char*>(a.pValue);
      if (a.type == CKA_ID) object.id.assign(value, a.ulValueLen);
      if (a.type == CKA_TOKEN) object.token = *value != 0;
      if (a.type == CKA_PRIVATE) object.priv = *value != 0;
      if (a.type == CKA_CLASS) std::memcpy(&object.of_class, value, sizeof object.of_class);
      if (a.type == CKA_LABEL) object.label.assign(value, a.ulValueLen);
      if (a.type == CKA_SENSITIVE) object.sensitive = *value != 0;
      if (a.type == CKA_EXTRACTABLE) object.extractable = *value != 0;
    }
  }
  /* Whether an object has what a template of C_FindObjectsInit says of class, label and id. */
  static bool matches(const Object& object, const CK_ATTRIBUTE* t, Word count) {
    auto is = [](const CK_ATTRIBUTE& a, const void* value, size_t size) {
      return a.ulValueLen == size && (size == 0 || std::memcmp(a.pValue, value, size) == 0);
    };
    for (Word i = 0; t != nullptr && i < count; i++) {
      if (t[i].type == CKA_CLASS && !is(t[i], &object.of_class, sizeof object.of_class))
        return false;
      if (t[i].type == CKA_LABEL && !is(t[i], object.label.data(), object.label.size()))
        return false;
      if (t[i].type == CKA_ID && !is(t[i], object.id.data(), object.id.size())) return false;
    }
    return true;
  }
  /* CKA_UNWRAP_TEMPLATE, of one attribute: object.inner. */
  static CK_RV nested(CK_ATTRIBUTE* a, const Object& object) {
    auto* one = static_cast<CK_ATTRIBUTE*>(a->pValue);
    if (one != nullptr && a->ulValueLen < sizeof *one) return CKR_BUFFER_TOO_SMALL;
    a->ulValueLen = sizeof *one;
    if (one == nullptr) return CKR_OK;
    one->type = object.inner;
    if (one->pValue != nullptr && one->ulValueLen != 0) *static_cast<char*>(one->pValue) = 'x';
    one->ulValueLen = 1;
    return CKR_OK;
  }

  CK_RV by_slot(uint32_t function, const Word* w, Slot* slot) {
    switch (function) {
      case kC_GetTokenInfo: {
        auto* info = at<CK_TOKEN_INFO>(w[1]);
        pad(info->label, slot->label);
        pad(info->serialNumber, slot->serial);
        pad(info->manufacturerID, "ACME Ltd");
        pad(info->model, "Mark " + std::to_string(slot->id));
        info->flags = slot->label.empty() ? 0 : CKF_TOKEN_INITIALIZED;
        if (!slot->pin.empty()) info->flags |= CKF_LOGIN_REQUIRED | CKF_USER_PIN_INITIALIZED;
        if (slot->wrong != 0) info->flags |= CKF_USER_PIN_COUNT_LOW;
        if (slot->wrong == 2) info->flags |= CKF_USER_PIN_FINAL_TRY;
        if (slot->wrong >= 3) info->flags |= CKF_USER_PIN_LOCKED;
        info->ulMinPinLen = 4;
        info->ulMaxPinLen = slot->most;
        return CKR_OK;
      }
      case kC_GetMechanismList: {
        auto* count = at<CK_ULONG>(w[2]);
        const CK_ULONG room = std::exchange(*count, slot->mechanisms.size());
        if (w[1] == 0) return CKR_OK;
        if (room < slot->mechanisms.size()) return CKR_BUFFER_TOO_SMALL;
        std::copy(slot->mechanisms.begin(), slot->mechanisms.end(), at<CK_MECHANISM_TYPE>(w[1]));
        return CKR_OK;
      }
      case kC_GetMechanismInfo: {
        const auto& all = slot->mechanisms;
        if (std::find(all.begin(), all.end(), w[1]) == all.end()) return CKR_MECHANISM_INVALID;
        *at<CK_MECHANISM_INFO>(w[2]) = {slot->id, slot->id * 10, 1ul << slot->id % 20};
        return CKR_OK;
      }
      case kC_InitToken: {
        const std::string so_pin(at<char>(w[1]), w[2]);
        if (!slot->so_pin.empty() && slot->so_pin != so_pin) return CKR_PIN_INCORRECT;
        const bool fresh = slot->label.empty();
        slot->label.assign(at<char>(w[3]), sizeof CK_TOKEN_INFO::label);
        slot->label.erase(slot->label.find_last_not_of(' ') + 1);
        slot->so_pin = so_pin;
        slot->pin.clear();
        if (fresh && next_free != 0) slots.push_back({std::exchange(next_free, 0), ""});
        return CKR_OK;
      }
      case kC_OpenSession: {
        if (w[4] == 0) return CKR_ARGUMENTS_BAD;
        CK_SESSION_HANDLE session = lowest(sessions);
        sessions[session].slot = slot->id;
        sessions[session].flags = w[1];
        *at<CK_SESSION_HANDLE>(w[4]) = session;
        return CKR_OK;
      }
      case kC_CloseAllSessions: {
        std::vector<CK_SESSION_HANDLE> all;
        for (auto& [h, s] : sessions)
          if (s.slot == slot->id) all.push_back(h);
        for (CK_SESSION_HANDLE h : all) close(h);
        return CKR_OK;
      }
      default:
        return CKR_OK;
    }
  }

  CK_RV by_object(uint32_t function, const Word* w) {
    CK_RV rv = CKR_OK;
    auto it = objects.find(w[1]);
    if (it == objects.end()) return CKR_OBJECT_HANDLE_INVALID;
    switch (function) {
      case kC_DestroyObject:
        objects.erase(it);
        return CKR_OK;
      case kC_CopyObject: {
        Object copy = it->second;
        return make(w[0], &w[2], copy, at<CK_OBJECT_HANDLE>(w[4]));
      }
      case kC_GetAttributeValue:
        for (Word i = 0; i < w[3]; i++) {
          CK_ATTRIBUTE& a = at<CK_ATTRIBUTE>(w[2])[i];
          std::string value = a.type == CKA_ID ? it->second.id : std::string(1, '\1');
          if (a.type == CKA_OWNER) { /* there is no such thing here */
            a.ulValueLen = CK_UNAVAILABLE_INFORMATION;
            rv = CKR_ATTRIBUTE_TYPE_INVALID;
            continue;
          }
          if (a.type == CKA_UNWRAP_TEMPLATE) {
            rv = nested(&a, it->second);
            continue;
          }
          if (a.type == CKA_LABEL) value = it->second.label;
          if (a.type == CKA_VALUE) value = "secret of " + it->second.id;
          if (a.type == CKA_CLASS)
            value.assign(reinterpret_cast<const char*>(&it->second.of_class),
                         sizeof it->second.of_class);
          if (a.pValue != nullptr && a.ulValueLen < value.size()) {
            a.ulValueLen = CK_UNAVAILABLE_INFORMATION;
            rv = CKR_BUFFER_TOO_SMALL;
            continue;
          }
          a.ulValueLen = value.size();
          if (a.pValue != nullptr) std::memcpy(a.pValue, value.data(), value.size());
        }
        return rv;
      case kC_SetAttributeValue:
        take(w[2], w[3], &it->second);
        return CKR_OK;
      default:
        return CKR_OK;
    }
  }

  bool may_see_private(CK_SLOT_ID id) {
    Slot* slot = slot_of(id);
    return !hides_private || slot->pin.empty() || slot->logged_in;
  }

  CK_RV login(Slot* slot, const std::string& pin) {
    if (slot->pin.empty()) return CKR_OK;
    if (slot->logged_in) return CKR_USER_ALREADY_LOGGED_IN;
    if (slot->wrong >= 3) return CKR_PIN_LOCKED;
    if (pin != slot->pin) {
      slot->wrong++;
      return CKR_PIN_INCORRECT;
    }
    slot->wrong = 0;
    slot->logged_in = true;
    return CKR_OK;
  }

  CK_RV set_pin(const Session& session, const std::string& old, const std::string& fresh) {
    Slot* slot = slot_of(session.slot);
    if (slot->pin.empty()) return CKR_OK;
    if ((session.flags & CKF_RW_SESSION) == 0) return CKR_SESSION_READ_ONLY;
    if (slot->wrong >= 3) return CKR_PIN_LOCKED;
    if (old != slot->pin) {
      slot->wrong++;
      return CKR_PIN_INCORRECT;
    }
    slot->pin = fresh;
    return CKR_OK;
  }

  CK_RV by_session(uint32_t function, const Word* w) {
    auto it = sessions.find(w[0]);
    if (it == sessions.end()) return CKR_SESSION_HANDLE_INVALID;
    Session& session = it->second;
    switch (function) {
      case kC_CloseSession:
        close(w[0]);
        return CKR_OK;
      case kC_GetSessionInfo:
        at<CK_SESSION_INFO>(w[1])->slotID = session.slot;
        return CKR_OK;
      case kC_Login: {
        Slot* slot = slot_of(session.slot);
        const std::string pin(at<char>(w[2]), w[3]);
        if (w[1] != CKU_SO) return login(slot, pin);
        if (!slot->so_pin.empty() && pin != slot->so_pin) return CKR_PIN_INCORRECT;
        slot->logged_in = true;
        return CKR_OK;
      }
      case kC_InitPIN:
        if (!slot_of(session.slot)->logged_in) return CKR_USER_NOT_LOGGED_IN;
        slot_of(session.slot)->pin.assign(at<char>(w[1]), w[2]);
        return CKR_OK;
      case kC_SetPIN:
        return set_pin(session, std::string(at<char>(w[1]), w[2]),
                       std::string(at<char>(w[3]), w[4]));
      case kC_Logout:
        if (Slot* slot = slot_of(session.slot); !slot->pin.empty())
          if (!std::exchange(slot->logged_in, false)) return CKR_USER_NOT_LOGGED_IN;
        std::erase_if(objects, [&](auto& o) {
          return o.second.slot == session.slot && o.second.priv && !o.second.token;
        });
        return CKR_OK;
      case kC_CreateObject:
        return make(w[0], &w[1], Object{}, at<CK_OBJECT_HANDLE>(w[3]));
      case kC_GenerateKey:
        return make(w[0], &w[2], Object{}, at<CK_OBJECT_HANDLE>(w[4]));
      case kC_UnwrapKey:
        return make(w[0], &w[5], Object{}, at<CK_OBJECT_HANDLE>(w[7]));
      case kC_DeriveKey:
        if (w[5] == 0) return CKR_OK; /* of mechanisms that give keys in their parameters */
        return make(w[0], &w[3], Object{}, at<CK_OBJECT_HANDLE>(w[5]));
      case kC_GenerateKeyPair: {
        CK_RV rv = make(w[0], &w[2], Object{}, at<CK_OBJECT_HANDLE>(w[6]));
        return rv == CKR_OK ? make(w[0], &w[4], Object{}, at<CK_OBJECT_HANDLE>(w[7])) : rv;
      }
      case kC_FindObjectsInit:
        if (std::exchange(session.searching, true)) return CKR_OPERATION_ACTIVE;
        session.found.clear();
        for (auto& [h, o] : objects)
          if (o.slot == session.slot && (!o.priv || may_see_private(session.slot)) &&
              matches(o, at<CK_ATTRIBUTE>(w[1]), w[2]))
            session.found.push_back(h);
        return CKR_OK;
      case kC_FindObjectsFinal:
        if (!std::exchange(session.searching, false)) return CKR_OPERATION_NOT_INITIALIZED;
        return CKR_OK;
      case kC_FindObjects: {
        if (!session.searching) return CKR_OPERATION_NOT_INITIALIZED;
        CK_ULONG n = std::min<CK_ULONG>(w[2], session.found.size());
        for (CK_ULONG i = 0; i < n; i++) at<CK_OBJECT_HANDLE>(w[1])[i] = session.found[i];
        session.found.erase(session.found.begin(), session.found.begin() + static_cast<long>(n));
        *at<CK_ULONG>(w[3]) = n;
        return CKR_OK;
      }
      case kC_SignInit:
        if (objects.count(w[2]) == 0) return CKR_KEY_HANDLE_INVALID;
        session.signing = objects[w[2]].id;
        return CKR_OK;
      case kC_Sign: {
        if (session.signing.empty()) return CKR_OPERATION_NOT_INITIALIZED;
        auto* length = at<CK_ULONG>(w[4]);
        const CK_ULONG room = std::exchange(*length, session.signing.size());
        if (w[3] == 0) return CKR_OK;
        if (room < session.signing.size()) return CKR_BUFFER_TOO_SMALL;
        std::memcpy(at<char>(w[3]), session.signing.data(), session.signing.size());
        session.signing.clear();
        return CKR_OK;
      }
      case kC_CopyObject:
      case kC_DestroyObject:
      case kC_GetAttributeValue:
      case kC_SetAttributeValue:
      case kC_GetObjectSize:
        return by_object(function, w);
      default:
        return CKR_OK;
    }
  }

  CK_RV run(uint32_t function, const Word* w) {
    if (function == kC_Initialize) {
      if (initialized) return CKR_CRYPTOKI_ALREADY_INITIALIZED;
      initialized = true;
      return CKR_OK;
    }
    if (!initialized) return CKR_CRYPTOKI_NOT_INITIALIZED;
    if (function == kC_Finalize) {
      if (w[0] != 0) return CKR_ARGUMENTS_BAD;
      initialized = false;
      sessions.clear();
      objects.clear();
      return CKR_OK;
    }
    const FunctionRow& row = kFunctionTable[function];
    if (function == kC_GetInfo) {
      std::memset(at<CK_INFO>(w[0])->manufacturerID, 'F', 32);
      return CKR_OK;
    }
    if (function == kC_WaitForSlotEvent) {
      *at<CK_SLOT_ID>(w[1]) = slots.back().id;
      return CKR_OK;
    }
    if (function == kC_GetSlotList) {
      CK_ULONG room = *at<CK_ULONG>(w[2]);
      *at<CK_ULONG>(w[2]) = slots.size();
      if (w[1] == 0) return CKR_OK;
      if (room < slots.size()) return CKR_BUFFER_TOO_SMALL;
      for (size_t i = 0; i < slots.size(); i++) at<CK_SLOT_ID>(w[1])[i] = slots[i].id;
      return CKR_OK;
    }
    if (!row.has(ArgKind::kSlot)) return by_session(function, w);
    Slot* slot = slot_of(w[0]);
    return slot != nullptr ? by_slot(function, w, slot) : CKR_SLOT_ID_INVALID;
  }

  CallArena arena_;
};

}  // namespace mp11::session_test
