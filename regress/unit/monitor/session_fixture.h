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
 * For the tests of SessionMonitor: a small PKCS #11 library in memory, which gives out the lowest
 * free numbers again and again, and a host that lets the test decide what happens when.
 */
#pragma once
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "session_monitor.h"

namespace mp11::session_test {

template <class T>
T* at(Word word) {
  return reinterpret_cast<T*>(word);
}
inline Word word(const void* p) { return reinterpret_cast<Word>(p); }

/* ---- the library ---- */

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

/* ---- portfolios ---- */

struct TokenPlan {
  PortfolioToken token;
  std::vector<PortfolioLayer> layers;
  std::vector<FilterPlan> filters = {}; /* of its layers that are kLayerFiltered */
  std::vector<std::string> pins = {};   /* of those that are kPinStored */
  std::vector<std::string> next = {};   /* of the same, what they are changed to; empty: not */
};

struct Plans {
  std::vector<PortfolioBackend> backends;
  std::vector<TokenPlan> tokens;
  Portfolio portfolio() const {
    Portfolio all{backends, {}, {}, {}, {}, {}};
    for (const TokenPlan& plan : tokens) {
      all.tokens.push_back(plan.token);
      all.tokens.back().layers = static_cast<uint32_t>(plan.layers.size());
      all.layers.insert(all.layers.end(), plan.layers.begin(), plan.layers.end());
      all.filters.insert(all.filters.end(), plan.filters.begin(), plan.filters.end());
      for (const std::string& pin : plan.pins) {
        auto kept = std::make_shared<SecureBuffer>();
        kept->append(pin.data(), pin.size());
        all.pins.push_back(std::move(kept));
      }
      for (const std::string& pin : plan.next) {
        auto kept = std::make_shared<SecureBuffer>();
        kept->append(pin.data(), pin.size());
        all.next_pins.push_back(pin.empty() ? nullptr : std::move(kept));
      }
    }
    return all;
  }
};

/* ---- the host ---- */

/*
 * Runs calls of one client. Whatever takes time outside, the start of a process, a lock, the work
 * of a library, the way of a reply, is an event that waits in `events` until the test lets it
 * happen.
 */
class World : public MonitorHost {
 public:
  using Action = SessionMonitor::Action;
  struct Run {
    SessionMonitor::Call call;
    const FunctionRow* row = nullptr;
    Words words;
    bool waiting = false; /* was told kWait, and nothing has changed since */
    bool pending = false; /* an event below will bring it on */
    bool answered = false;
    bool checked = true;  /* its answer must be one that the client understands */
    uint32_t backend = 0; /* of the event */
    uint64_t id = 0;      /* the client's; on the way to a backend it has another */
    std::function<void(CK_RV)> then;
  };
  struct Event {
    enum class Kind { kSpawn, kLock, kExecute, kReply } kind;
    Run* run; /* nullptr: kSpawn */
    uint32_t backend;
    std::shared_ptr<Message> message;
  };
  struct Process {
    std::unique_ptr<FakeLibrary> library; /* while it runs */
    std::function<std::unique_ptr<FakeLibrary>()> make;
    uint32_t spawn_error = kSpawnOk;
    bool lock_fails = false;
    bool locked = false;
    unsigned starts = 0;
    unsigned ended = 0;
    unsigned locks = 0;
    LockMode last_mode = LockMode::kNoLock;
  };

  explicit World(const Plans& plans) : monitor(plans.portfolio(), this) {}

  /* MonitorHost */
  void unlock(uint32_t backend) override { processes[backend].locked = false; }
  void end_backend(uint32_t backend) override {
    processes[backend].ended++;
    stop_process(backend);
  }
  void filtered(const Filtered& what) override {
    told.push_back(std::string(what.function) + " " + what.objection +
                   (what.audit ? " audit" : ""));
  }
  void layer_changed(const LayerState& state) override {
    told.push_back(std::string(state.backend) + "/" + std::to_string(state.layer) +
                   (state.there ? " there" : " left out"));
  }
  void acting(const Acting& acting) override {
    const char* const kWords[] = {"begun", "ended", "refused"};
    told.push_back(std::string("acting ") + kWords[static_cast<int>(acting.what)] + " " +
                   acting.identity);
  }
  void ask_to_make(const char* id) override { told.push_back("ask " + std::string(id)); }
  void tell_made(const char* id, uint32_t pin_size) override {
    told.push_back("made " + std::string(id) + " " + std::to_string(pin_size));
  }
  void ask_to_turn(const LayerName& layer) override {
    told.push_back("turn " + std::string(layer.backend));
  }
  void tell_turned(const LayerName& layer, TurnOutcome outcome, uint32_t pin_size,
                   uint64_t) override {
    constexpr const char* kOutcomes[] = {"", "done", "refused", "unknown", "neither", "untried"};
    told.push_back(std::string(layer.backend) + " " + kOutcomes[outcome] +
                   (pin_size != 0 ? " " + std::to_string(pin_size) : ""));
  }
  void changed() override {
    for (auto& run : runs) run->waiting = false;
  }

  /* The process is gone: what was on its way is lost, and next() answers for it. */
  void stop_process(uint32_t backend) {
    processes[backend].library.reset();
    std::erase_if(events, [&](const Event& e) {
      if (e.backend != backend) return false;
      if (e.run != nullptr) e.run->pending = false;
      return true;
    });
    changed();
  }
  void kill(uint32_t backend) {
    stop_process(backend);
    monitor.backend_gone(backend);
  }

  Run* begin(uint32_t function, const Words& words) {
    runs.push_back(std::make_unique<Run>());
    Run* run = runs.back().get();
    run->row = &kFunctionTable[function];
    run->words = words;
    BOOST_REQUIRE(pack_call(*run->row, words, &run->call.request) == CKR_OK);
    run->id = run->call.request.rec.id = ++ids_;
    return run;
  }

  bool ready(const Run& run) const { return !run.answered && !run.pending && !run.waiting; }

  /* One step of a call that is ready. */
  void advance(Run* run) {
    SessionMonitor::Step step = monitor.next(&run->call);
    if (step.action == Action::kAnswer) {
      late += step.late;
      if (!hold_late) monitor.released(&run->call);
      finish(run);
      return;
    }
    if (step.action == Action::kWait) {
      run->waiting = true;
      return;
    }
    run->backend = step.backend;
    run->pending = true;
    Event event{Event::Kind::kSpawn, run, step.backend, nullptr};
    if (step.action == Action::kSpawn) {
      event.run = nullptr;
      run->pending = false; /* it asks again after spawned() */
      run->waiting = true;
      for (const Event& e : events)
        BOOST_REQUIRE(e.kind != Event::Kind::kSpawn || e.backend != step.backend);
      BOOST_REQUIRE(processes[step.backend].library == nullptr);
    } else if (step.action == Action::kLock) {
      event.kind = Event::Kind::kLock;
      BOOST_REQUIRE_MESSAGE(!processes[step.backend].locked, "asked for a lock that is held");
      processes[step.backend].last_mode = step.lock;
    } else {
      event.kind = Event::Kind::kExecute;
      step.message->rec.id = 1'000'000 + ids_;
      event.message = std::make_shared<Message>();
      event.message->rec = step.message->rec;
      event.message->list = step.message->list;
      event.message->bytes.append(step.message->bytes.data(), step.message->bytes.size());
      last_deadline = step.deadline;
    }
    events.push_back(std::move(event));
  }

  /* Lets the n-th event happen. */
  void happen(size_t n) {
    Event event = std::move(events[n]);
    events.erase(events.begin() + static_cast<long>(n));
    Process& process = processes[event.backend];
    switch (event.kind) {
      case Event::Kind::kSpawn:
        process.starts++;
        if (process.spawn_error == kSpawnOk) process.library = process.make();
        monitor.spawned(event.backend, process.spawn_error);
        return;
      case Event::Kind::kLock:
        process.locks++;
        event.run->pending = false;
        process.locked = !process.lock_fails;
        monitor.locked(&event.run->call, !process.lock_fails);
        return;
      case Event::Kind::kExecute: {
        BOOST_REQUIRE(process.library != nullptr);
        auto reply = std::make_shared<Message>();
        process.library->execute(*event.message, reply.get());
        events.push_back({Event::Kind::kReply, event.run, event.backend, reply});
        return;
      }
      case Event::Kind::kReply:
        event.run->pending = false;
        std::swap(event.run->call.reply, *event.message);
        monitor.replied(&event.run->call);
        return;
    }
  }

  /* Everything, in order, until nothing is left to do. */
  void settle() {
    for (;;) {
      Run* next = nullptr;
      for (auto& run : runs)
        if (ready(*run)) next = run.get();
      if (next != nullptr)
        advance(next);
      else if (!events.empty())
        happen(0);
      else
        return;
    }
  }

  /* One call from beginning to end. */
  CK_RV call(uint32_t function, std::initializer_list<Word> arguments) {
    Words words;
    std::copy(arguments.begin(), arguments.end(), words.w);
    CK_RV rv = CKR_GENERAL_ERROR;
    Run* run = begin(function, words);
    run->then = [&](CK_RV value) { rv = value; };
    settle();
    BOOST_REQUIRE_MESSAGE(run->answered, run->row->name);
    forget_answered();
    return rv;
  }

  void forget_answered() {
    std::erase_if(runs, [](const auto& run) { return run->answered; });
  }

  /* ---- the calls that tests make most ---- */

  CK_RV initialize() { return call(kC_Initialize, {0}); }
  CK_SESSION_HANDLE open(CK_SLOT_ID slot) {
    CK_SESSION_HANDLE session = 0;
    CK_RV rv =
        call(kC_OpenSession, {slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, 0, 0, word(&session)});
    BOOST_REQUIRE_EQUAL(rv, CKR_OK);
    return session;
  }
  /* The handle, or 0 with the value in last_rv. */
  CK_OBJECT_HANDLE create(CK_SESSION_HANDLE session, const std::string& id, bool token = false,
                          bool priv = false) {
    CK_BBOOL t = token, p = priv;
    std::string copy = id;
    CK_ATTRIBUTE attributes[] = {
        {CKA_TOKEN, &t, 1}, {CKA_PRIVATE, &p, 1}, {CKA_ID, copy.data(), copy.size()}};
    CK_OBJECT_HANDLE object = 0;
    last_rv = call(kC_CreateObject, {session, word(attributes), 3, word(&object)});
    return last_rv == CKR_OK ? object : 0;
  }
  std::string id_of(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object) {
    char value[32];
    CK_ATTRIBUTE a{CKA_ID, value, sizeof value};
    last_rv = call(kC_GetAttributeValue, {session, object, word(&a), 1});
    return last_rv == CKR_OK ? std::string(value, a.ulValueLen) : std::string();
  }
  std::vector<CK_SLOT_ID> slots() {
    CK_SLOT_ID all[64];
    CK_ULONG count = 64;
    last_rv = call(kC_GetSlotList, {CK_TRUE, word(all), word(&count)});
    return last_rv == CKR_OK ? std::vector<CK_SLOT_ID>(all, all + count)
                             : std::vector<CK_SLOT_ID>();
  }
  std::vector<CK_OBJECT_HANDLE> find(CK_SESSION_HANDLE session) {
    CK_OBJECT_HANDLE all[64];
    CK_ULONG count = 0;
    BOOST_REQUIRE_EQUAL(call(kC_FindObjectsInit, {session, 0, 0}), CKR_OK);
    BOOST_REQUIRE_EQUAL(call(kC_FindObjects, {session, word(all), 64, word(&count)}), CKR_OK);
    BOOST_REQUIRE_EQUAL(call(kC_FindObjectsFinal, {session}), CKR_OK);
    return {all, all + count};
  }

  std::vector<std::string> told; /* of filters and layers */
  unsigned late = 0;             /* answers with Step::late */
  bool hold_late = false;        /* the test says released() */
  std::map<uint32_t, Process> processes;
  std::deque<Event> events;
  std::vector<std::unique_ptr<Run>> runs;
  SessionMonitor monitor;
  CK_RV last_rv = CKR_OK;
  Deadline last_deadline = Deadline::kNone;

 private:
  void finish(Run* run) {
    BOOST_REQUIRE(!run->answered);
    run->answered = true;
    const Message& reply = run->call.reply;
    BOOST_REQUIRE_EQUAL(reply.rec.id, run->id);
    BOOST_REQUIRE((reply.rec.flags & kFlagReply) != 0);
    bool fits = unpack_reply(*run->row, reply, run->words);
    BOOST_REQUIRE_MESSAGE(fits || !run->checked, run->row->name);
    if (run->then != nullptr) run->then(static_cast<CK_RV>(reply.rec.rv));
  }

  uint64_t ids_ = 0;
};

/* ---- plans ---- */

inline PortfolioBackend backend_plan(uint32_t number, uint32_t flags = 0) {
  PortfolioBackend plan{};
  plan.backend = number;
  plan.flags = flags;
  plan.deadline_short_ms = 1000 + number;
  plan.deadline_start_ms = 2000;
  plan.deadline_long_ms = 3000;
  std::snprintf(plan.name, sizeof plan.name, "b%u", number);
  return plan;
}

inline void set_prefix(PortfolioLayer* layer, const std::string& label,
                       const std::string& id = "") {
  LayerPrefix& prefix = layer->prefix;
  std::memcpy(prefix.label, label.data(), prefix.label_size = static_cast<uint32_t>(label.size()));
  std::memcpy(prefix.id, id.data(), prefix.id_size = static_cast<uint32_t>(id.size()));
}

inline PortfolioLayer layer_plan(uint32_t backend, const char* backend_label, uint32_t flags = 0,
                                 uint32_t pin = kPinClient) {
  PortfolioLayer layer{};
  layer.backend = backend;
  layer.flags = flags;
  layer.pin = pin;
  std::snprintf(layer.at_backend.label, sizeof layer.at_backend.label, "%s", backend_label);
  return layer;
}

/* A token of one layer. layer_flags are the layer's. */
inline TokenPlan token_plan(uint64_t slot, uint32_t backend, uint32_t flags,
                            const char* backend_label = "", const char* label = "",
                            uint32_t layer_flags = 0) {
  TokenPlan plan{};
  plan.token.slot = slot;
  plan.token.flags = flags;
  std::snprintf(plan.token.label, sizeof plan.token.label, "%s", label);
  plan.layers.push_back(layer_plan(backend, backend_label, layer_flags));
  return plan;
}

inline TokenPlan layered_plan(uint64_t slot, const char* label,
                              std::vector<PortfolioLayer> layers) {
  TokenPlan plan = token_plan(slot, 0, 0, "", label);
  std::snprintf(plan.token.serial, sizeof plan.token.serial, "%016llu",
                static_cast<unsigned long long>(slot));
  plan.layers = std::move(layers);
  return plan;
}

inline World::Process process(std::vector<FakeLibrary::Slot> slots) {
  World::Process p;
  p.make = [slots] { return std::make_unique<FakeLibrary>(slots); };
  return p;
}

/* One transparent backend with two tokens and a slot that is not initialised. */
struct Transparent : World {
  explicit Transparent(uint32_t flags = kTokenTransparent | kTokenAdmin, uint32_t backend_flags = 0)
      : World({{backend_plan(0, backend_flags)}, {token_plan(1, 0, flags)}}) {
    processes[0] = process({{501, "alpha"}, {502, "beta"}, {503, ""}});
  }
  FakeLibrary& library() { return *processes[0].library; }
};

/* Two labelled tokens on backend 3, one on backend 8. */
struct Labelled : World {
  explicit Labelled(uint32_t flags = 0, uint32_t backend_flags = 0)
      : World({{backend_plan(3, backend_flags), backend_plan(8, backend_flags)},
               {token_plan(1, 3, flags, "alpha", "Alpha!"), token_plan(2, 3, flags, "beta"),
                token_plan(3, 8, flags, "", "Gamma")}}) {
    processes[3] = process({{700, ""}, {701, "beta"}, {702, "alpha"}});
    processes[8] = process({{1, ""}, {2, "gamma"}});
  }
};

}  // namespace mp11::session_test
