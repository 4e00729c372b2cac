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
 * SessionMonitor: one client's PKCS #11 application as multip11 sees it. Holds the portfolio, the
 * NAT maps of slots, sessions and objects, and decides for each call what is to be done next. It
 * makes no system call and no thread: its host does what it says.
 *
 * Hosts: multip11-monitor (an event loop, one process per connection) and multip11.so in library
 * mode (in the application's threads, under one lock of the host's). Both run a call like this:
 *
 *   SessionMonitor::Call call;  call.request = what the client sent;
 *   for (;;) {
 *     Step step = monitor.next(&call);
 *     kSend   set step.message->rec.id, put it into the channel of step.backend, wait for the reply
 *             within the deadline of class step.deadline; swap it into call.reply; replied(&call)
 *     kSpawn  have the backend's process started; then spawned(backend, error)
 *     kLock   take the lock file of step.backend in mode step.lock; then locked(&call, had it)
 *     kWait   another call is doing what this one needs: ask again after MonitorHost::changed()
 *     kAnswer call.reply is the answer to the client (Step::late: not at once)
 *   }
 *
 * When a backend dies, or is ended because a deadline passed, the host calls backend_gone(): calls
 * in flight there are answered by next().
 *
 * A virtual token of one layer is that layer, and what the library says is the answer. Of several
 * layers, the route in a function's row says which of them a call goes to (p11_functions.h); a call
 * that goes to more than one is a round over them (Call::Round), one call of the monitor's own
 * after the other. A layer that cannot be reached is left out of a round, unless the round needs
 * it.
 *
 * Trust: the client's record is well-formed (Channel) and nothing more; every handle in it is
 * looked up, and where a policy asks what a call would make, its template is read and not its
 * flags. A backend's reply is as hostile: function, session and the number of handles are those of
 * the saved call. The portfolio is believed.
 */
#pragma once
#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "blind_list.h"
#include "call_rec.h"
#include "handle_map.h"
#include "layer_filter.h"
#include "layer_prefix.h"
#include "marshal.h"
#include "monitor_host.h"
#include "own_call.h"
#include "p11_functions.h"
#include "pin_turning.h"
#include "records.h"
#include "secure_buffer.h"
#include "token_birth.h"

namespace mp11 {

class SessionMonitor {
 public:
  class Call;

 private:
  struct Selection;
  /* Session handles count up and stay below what stands for no handle. */
  static constexpr uint64_t kNoSuchSession = 0xfffffffe;

  /* One backend of the portfolio. */
  struct Backend {
    enum class State { kAbsent, kStarting, kRunning };
    PortfolioBackend plan;
    State state = State::kAbsent;
    bool initialized = false;
    const Call* initializing = nullptr; /* whose C_Initialize is in flight; compared only */
    const Call* lock_holder = nullptr;  /* the same, of the lock file */
    uint32_t enders = 0;                /* calls in flight that end sessions or objects */
    uint32_t flying = 0;                /* calls in flight */
    bool quiet_awaited = false;         /* somebody waits until there is none */
    uint64_t epoch = 1;                 /* counts its deaths */
    uint64_t failures = 0;              /* counts starts that failed */
    uint32_t last_error = 0;            /* SpawnError of the last start */
  };
  /* One layer of a virtual token. */
  struct Layer {
    PortfolioLayer plan;
    Backend* backend;
    uint32_t id; /* of all layers; the scope of its objects in the map */
    bool located = false;
    uint64_t real_slot = 0;
    const Call* locating = nullptr; /* who is looking for it; compared only */
    /* Of a token of several layers. */
    uint64_t anchor = 0;             /* a session that keeps the login; 0: none */
    const Call* anchoring = nullptr; /* who is opening it; compared only */
    bool logged_in = false;
    bool pin_refused = false; /* the client's PIN was wrong here: it is not tried again */
    bool left_out = false;    /* the host was told so */
    std::optional<std::vector<uint64_t>> mechanisms = {};
    std::unique_ptr<const LayerFilter> filter = {}; /* it is large, and few layers have one */
    /* Of a token on demand: how far it is. */
    enum class Made { kIs, kIsNot, kAsked, kGranted, kTold };
    Made made = Made::kIs;
    const Call* maker = nullptr; /* who waits for it, or makes it; compared only */
    uint64_t not_made = 0;       /* counts failures */
    std::unique_ptr<TokenBirth> birth = {};
    std::shared_ptr<const SecureBuffer> pin = {};  /* of kPinStored */
    std::shared_ptr<const SecureBuffer> next = {}; /* it is being changed to that; nullptr: not */
    /* How far this monitor is with that. kLost: the vault that had said so has gone. */
    enum class Turn { kNone, kAsked, kGranted, kLost };
    Turn turn = Turn::kNone;
    const Call* turner = nullptr; /* who waits for it, or does it; compared only */
    uint64_t outdated = 0;        /* epoch of the backend when somebody else had changed its PIN */
    std::unique_ptr<PinTurning> turning = {};
    bool read_only() const { return (plan.flags & kLayerReadOnly) != 0; }
    bool required() const { return (plan.flags & kLayerRequired) != 0; }
    bool blind() const { return (plan.flags & kLayerBlind) != 0; }
    bool takes(uint32_t classes) const {
      return plan.creates == 0 || (classes & ~plan.creates) == 0;
    }
  };
  static_assert(sizeof(Layer) <= 640); /* a portfolio has thousands: rare things are elsewhere */
  /* A real session whose virtual one has gone; it is closed before the token is used anew. */
  struct Orphan {
    size_t layer;
    uint64_t real;
  };
  /* One virtual token. */
  struct Token {
    PortfolioToken plan;
    Selection* selection = nullptr; /* of kTokenPinSelect: which of its variants is seen */
    std::vector<Layer> layers;      /* never resized after construction: calls point into it */
    CK_ULONG shown_slots = 0;       /* of a transparent token: virtual slots it has */
    const Call* logging = nullptr;  /* whose C_Login or C_Logout it is; compared only */
    std::vector<Orphan> orphans;
    uint32_t closing = 0;                    /* orphans whose C_CloseSession is in flight */
    std::map<uint64_t, size_t> saved_states; /* digest of an operation's state: its layer */
    bool transparent() const { return (plan.flags & kTokenTransparent) != 0; }
    /*
     * Its calls are routed: there are several layers, or one that is not the library as it is, or
     * not the same for ever.
     */
    bool layered() const {
      const Layer& first = layers.front();
      return layers.size() > 1 || selection != nullptr || first.filter ||
             first.plan.pin == kPinStored || first.plan.pin == kPinNone ||
             has_prefix(first.plan.prefix);
    }
    Layer& only() { return layers.front(); }
  };

 public:
  enum class Action { kAnswer, kSend, kSpawn, kLock, kWait };

  struct Step {
    Action action = Action::kAnswer;
    uint32_t backend = 0;
    Message* message = nullptr; /* kSend: of the call; stays until replied() */
    LockMode lock = LockMode::kNoLock;
    Deadline deadline = Deadline::kShort;
    /*
     * kAnswer: of a C_Login that failed, where a PIN may name an identity. The client is given it
     * at a fixed time after the call has come, whatever the call has found out; then released().
     */
    bool late = false;
  };

  /* One call of the client from arrival to answer. The host owns it and may reuse it after reset.
   */
  class Call {
   public:
    Message request; /* from the client; next() translates it in place */
    Message reply;   /* of the backend; then the answer */
    void reset();

   private:
    friend class SessionMonitor;
    enum class Phase { kNew, kReady, kInFlight, kInternal, kDone };
    /* Calls of the monitor's own, made because a client's call needs what they find out. */
    enum class Internal {
      kNone,
      kInitialize,
      kListForToken,
      kTokenInfo,
      kListForClient,
      /* Of a round over layers. */
      kLayerSession,
      kAnchor,
      kOrphan,
      kMechanisms,
      kLayerInfo,
      kMechanismInfo,
      kPinState,
      kLogin,
      kStoredLogin,
      kContextLogin,
      kLogout,
      kFindInit,
      kFind,
      kFindFinal,
      kDualCipher,
      kDualOther,
      kObjectFacts,
      kObjectClass,
      /* Of what a blind layer holds. */
      kBlindInit,
      kBlindList,
      kBlindFinal,
      kBlindFacts,
      kBirth, /* of a token on demand */
      kTurn,  /* of a PIN that is being changed */
    };
    /* Where a call over several layers has got to. */
    struct Round {
      size_t at = 0;                    /* the layer whose turn it is */
      bool spares = false;              /* that one may fail, and is left out then */
      bool led = false;                 /* one has given the answer that counts */
      CK_RV failure = CKR_DEVICE_ERROR; /* of the last one left out */
      CK_RV said = CKR_OK;              /* that answer */
      bool draining = false;            /* nothing is left but to close orphans, and to answer */
      bool undoing = false;             /* of a login that a required layer refused */
      bool pin_is_safe = false;
      bool stored = false;     /* of C_Login: the turn of layers whose PIN is stored */
      bool opened = false;     /* one of those is logged in now that was not */
      Layer* turned = nullptr; /* whose PIN it has asked to change */
      bool judged = false;     /* by the layer that leads a search */
      bool proved = false;     /* of C_Login: the client's PIN was right where it was asked for */
      std::optional<size_t> target;
      std::optional<CK_TOKEN_INFO> token_info;
      std::optional<CK_MECHANISM_INFO> mechanism_info;
      std::vector<uint64_t> found; /* virtual handles, or mechanisms */
      Message kept;                /* of the cipher of a dual function */
      /* Of filters. */
      std::deque<uint64_t> unseen;          /* real handles found, not looked at yet */
      Layer* unseen_in = nullptr;           /* the layer of those */
      uint64_t unseen_epoch = 0;            /* of its backend */
      size_t looked = 0;                    /* how many there have been */
      std::optional<uint32_t> object_class; /* CreateClass of the object whose secrets are asked */
      bool told = false;                    /* the host has been told of this call */
      uint64_t asked_of = 0; /* real handle of the object whose class, label and id are asked for */
      /* Of C_FindObjectsInit over blind layers. */
      enum class Listing { kInit, kList, kFinal, kDone };
      Listing listing = Listing::kInit;
      std::optional<size_t> listed;  /* the layer that this is about */
      CK_RV unlisted = CKR_OK;       /* why the search cannot begin */
      std::vector<BlindList> blinds; /* of each layer */
      Message asked; /* C_GetAttributeValue as the client asked it, where a prefix is shown */
    };
    Phase phase = Phase::kNew;
    const FunctionRow* row = nullptr;
    uint64_t client_id = 0;
    uint32_t flags = 0;         /* of the request */
    uint64_t session = 0;       /* virtual handle in the request */
    uint64_t object = 0;        /* virtual handle of its first object */
    Backend* backend = nullptr; /* of the call in flight */
    uint64_t epoch = 0;         /* of that backend when it was sent */
    uint64_t seen_failures = 0; /* of the backend it needs, when it first asked */
    Backend* asked = nullptr;   /* whose failures those are */
    Token* token = nullptr;     /* of the call; nullptr: no token of the portfolio */
    Layer* layer = nullptr;     /* of the call in flight; nullptr: the same */
    Layer* awaited = nullptr;   /* whose token on demand it waits for */
    uint64_t seen_not_made = 0; /* of that one, when it asked */
    Layer* seeking = nullptr;   /* whose real slot it looks for, or found last */
    uint64_t slot = 0;          /* virtual slot of the call */
    uint64_t open_flags = 0;    /* of C_OpenSession, before they are changed for a layer */
    uint64_t opening = 0;       /* virtual session that it opens in a layer */
    Backend* locking = nullptr; /* whose lock it has asked the host for */
    bool lock_failed = false;
    bool ending = false; /* counted in Backend::enders */
    bool listed = false; /* slots are the candidates for its token */
    Internal internal = Internal::kNone;
    Message internal_message;
    std::vector<uint64_t> slots; /* gathered by C_GetSlotList, or candidates for a token */
    size_t next_index = 0;       /* of tokens gathered or candidates tried, or backends finalised */
    std::unique_ptr<Round> round; /* of a token of several layers */
    /* Of a token with pin-select: session_identity.cc. */
    Selection* within = nullptr;  /* which it has entered */
    Selection* keeping = nullptr; /* after its answer, until released() */
    bool selected = false;        /* the PIN has been looked at, and `wanted` is who it names */
    Token* wanted = nullptr;      /* nullptr: nobody that it may */
    bool trying = false;          /* logs in to `wanted`, and not yet for the session */
    bool tried = false;           /* that has ended in this step */
    bool late = false;            /* Step::late of its answer */
  };

  SessionMonitor(Portfolio portfolio, MonitorHost* host);
  ~SessionMonitor();

  Step next(Call* call);
  /* The answer to that call is on its way to the client: after Step::late. */
  void released(Call* call);
  void replied(Call* call);
  void locked(Call* call, bool ok);
  /* error is a SpawnError. */
  void spawned(uint32_t backend, uint32_t error);
  void backend_gone(uint32_t backend);
  /* The vault's word on a token on demand. nullptr: none comes, neither for it nor for any other.
   */
  void make_answered(const MakeAnswer* answer);
  /* The vault's word on the PIN of a layer. nullptr: what was asked of it stays unanswered. */
  void pin_changed(const LayerPin* news);

  /* Milliseconds of a deadline class of a backend; 0: none. */
  uint32_t deadline_ms(uint32_t backend, Deadline deadline) const;
  bool initialized() const { return initialized_; }
  size_t session_count() const { return sessions_.size(); }

 private:
  struct Session {
    Token* token = nullptr;
    uint64_t slot = 0;          /* virtual */
    uint64_t flags = 0;         /* of C_OpenSession, as the client gave them */
    std::vector<uint64_t> real; /* of each layer; 0: not opened yet */
    /* Of a token of several layers. */
    struct Begun {
      size_t layer = 0;
      bool active = false;
      uint64_t turn = 0; /* counts what the session begins */
    };
    uint64_t turns = 0;
    const Call* opening = nullptr;                        /* who opens one of them; compared only */
    Begun begun[static_cast<size_t>(Operation::kOpDual)]; /* by Operation */
    /* A stale one is over for the client, but not in the layer; a void one finds nothing there, and
     * the layer knows nothing of it. */
    enum class Search : uint8_t { kNone, kActive, kStale, kVoid };
    std::vector<Search> searches;  /* of each layer */
    size_t search_lead = 0;        /* the layer that judges calls of the search */
    size_t search_at = 0;          /* the layer that is searched */
    std::vector<BlindList> blinds; /* of each layer, or none */
    bool searches_are(Search state) const {
      return std::find(searches.begin(), searches.end(), state) != searches.end();
    }
    /* It is over for the client. */
    void end_search();
    bool searching() const { return searches_are(Search::kActive) || searches_are(Search::kVoid); }
  };

  /*
   * A slot whose token has a variant for each identity that the client may act as. Which one is
   * current changes only while no other call is within it.
   */
  struct Selection {
    std::vector<Token*> variants;    /* the client's own first */
    Token* current = nullptr;        /* all sessions of the slot are this one's */
    const Call* selecting = nullptr; /* who changes it, or has tried; compared only */
    uint32_t within = 0;             /* calls */
    Session trial;                   /* of the one that logs in to another variant */
    Token* own() const { return variants.front(); }
  };

  /* Steps that end here, and what a call still lacks: a step when it lacks something. */
  Step answer(Call* call, CK_RV rv);
  Step fail(Call* call, CK_RV rv);
  Step answer_busy(Call* call);
  Step done(Call* call);
  Step next_step(Call* call);
  Step died(Call* call);
  Step wait(Call* call, Backend* backend);
  Step send(Call* call, Backend* backend, Layer* layer);
  Step send_internal(Call* call, Backend* backend, Call::Internal what, const FunctionRow& row,
                     const Words& words);
  Step send_own(Call* call, Layer* layer, Call::Internal what, const OwnCall& own);
  Step in_flight(Call* call, Backend* backend, Call::Internal what, const FunctionRow& row);
  std::optional<Step> need_running(Call* call, Backend* backend);
  std::optional<Step> need_initialized(Call* call, Backend* backend);
  std::optional<Step> need_lock(Call* call, Backend* backend, LockMode mode);
  std::optional<Step> need_slot(Call* call, Layer* layer, uint64_t* real);
  void release_lock(Call* call);
  void let_go(Call* call);

  /* Tokens on demand: session_making.cc. */
  std::optional<Step> need_made(Call* call, Layer* layer);
  Step next_birth(Call* call, Layer* layer);
  void replied_birth(Call* call);
  void abandon_birth(Layer* layer);
  static CK_TOKEN_INFO info_of_unmade();
  Step answer_unmade_slot(Call* call);

  /* PINs that are being changed: session_turning.cc. */
  std::optional<Step> need_turn(Call* call, Layer* layer);
  Step next_turning(Call* call, Layer* layer);
  void replied_turning(Call* call);
  bool knows_old_pin(const Layer& layer) const;
  Step start_anew(Call* call, Layer* layer);
  void turned(Layer* layer, const PinTurning::Known& known);
  void abandon_turning(Layer* layer);
  LayerName name_of(const Layer& layer) const;
  Token* token_of(const Layer& layer);
  bool others_need(const Backend* backend);

  /* One for each route of calls. */
  Step next_initialize(Call* call);
  Step next_finalize(Call* call);
  Step next_info(Call* call);
  Step next_slot_list(Call* call);
  Step next_slot_event(Call* call);
  Step next_by_slot(Call* call);
  Step next_by_session(Call* call);
  bool well_formed(const Call& call) const;
  std::optional<CK_RV> refused(Call* call, const Token& token);
  std::optional<CK_RV> refused_read_only(Call* call);
  bool may_name(const HandleMap::Entry& entry, const Call& call);
  void translate_handles(Call* call, const Layer* layer, CallRec* rec);

  /* What filters of layers refuse, hide and write in: session_filter.cc. */
  struct Objection {
    CK_RV rv;
    const char* why;
  };
  std::optional<Objection> objection(Call* call, const LayerFilter& filter);
  std::optional<CK_RV> refused_by_filter(Call* call, Layer* layer);
  bool tell_filtered(Call* call, const Layer& layer, const char* why);
  CK_RV keep_made_keys(Call* call);
  CK_RV keep_keys_of(const FunctionRow& row, Words* words, Call* call);
  bool keep_key(Word t[2]);
  std::optional<Step> need_class(Call* call, Session* session, size_t n);
  std::optional<Step> need_facts(Call* call, Session* session);
  /* What a library says of an object. */
  struct Facts {
    std::optional<uint64_t> object_class;
    std::optional<std::string> id; /* CKA_ID; "" where it has none */
    ObjectFacts shown;             /* what a filter judges */
  };
  Step send_facts_query(Call* call, uint64_t session, uint64_t real, Call::Internal what);
  std::optional<Facts> read_facts(Call* call);
  void replied_facts(Call* call);
  void replied_class(Call* call);
  bool read_attributes(Call* call, Words* words);
  void filter_mechanisms(Layer* layer);
  void blank_secrets(Call* call);

  /* What upper layers hide in lower ones: session_blind.cc. */
  static bool hides(const Token& token, size_t n);
  std::optional<Step> need_blind_list(Call* call, Session* session, size_t n);
  void narrow_to_template(Call* call, size_t n, Words* words);
  void replied_blind_list(Call* call, Call::Internal what, CK_RV rv);
  static bool may_be_hidden(Session* session, size_t n);
  std::optional<Step> need_blind_facts(Call* call, Session* session, size_t n);
  void replied_blind_facts(Call* call);
  bool is_hidden(const Call& call, size_t n, const Facts& facts);

  /* Labels and ids with a prefix: session_rewrite.cc. */
  bool fits_prefix(Call* call, const Layer& layer);
  CK_RV take_prefix_off_call(const Layer& layer, Message* message);
  CK_RV rewrite_for_prefix(Call* call, const Layer& layer);
  void show_prefix_of_answer(Call* call);

  /* Calls to a token of several layers: session_layers.cc. */
  Step next_layered(Call* call);
  Step next_close(Call* call);
  Step next_login(Call* call, Session* session);
  Step next_stored_login(Call* call, Session* session);
  Step next_context_login(Call* call, Session* session);
  /* Acting as another identity: session_identity.cc. */
  void make_selections();
  std::optional<Step> need_entry(Call* call, Token* token);
  std::optional<Step> need_alone(Call* call);
  void leave_selection(Call* call);
  bool take_identity(Call* call);
  Step next_identity_login(Call* call, Session* session);
  Step next_trial(Call* call);
  void end_trial(Call* call, CK_RV rv);
  void become(Session* session, Token* token);
  void return_to_own(Selection* selection);
  void tell_acting(MonitorHost::Acting::What what, const Token* token, CK_RV rv);
  std::optional<Step> need_safe_pin(Call* call, Layer* layer);
  Step send_stored_pin(Call* call, Layer* layer, Call::Internal what, uint64_t session,
                       CK_USER_TYPE user);
  Step next_logout(Call* call, Session* session);
  std::optional<Step> need_login_turn(Call* call);
  Step next_find_init(Call* call, Session* session);
  Step begin_search(Call* call, Session* session);
  bool is_searching_elsewhere(Call* call, const Session& session);
  std::optional<Step> stop_endless(Call* call, Session* session);
  Step next_find(Call* call, Session* session);
  Step next_find_final(Call* call, Session* session);
  Step next_merged_info(Call* call);
  Step next_mechanism_list(Call* call);
  Step next_mechanism_info(Call* call);
  Step drain(Call* call, CK_RV rv);
  Step to_first_slot(Call* call);
  Step to_first(Call* call, Session* session);
  Step to_layer(Call* call, Session* session, size_t n);
  Step to_layer_of_objects(Call* call, Session* session);
  Step to_layer_begun(Call* call, Session* session, Operation operation);
  Step next_dual(Call* call, Session* session); /* session_dual.cc */
  Step to_layer_of_state(Call* call, Session* session);
  Step to_layer_with_mechanism(Call* call, Session* session);
  Step to_layer_that_makes(Call* call, Session* session);
  static void copy_message(const Message& from, Message* to);
  Step send_copy(Call* call, Layer* layer, Call::Internal what, uint64_t session);
  std::optional<Step> need_layer_session(Call* call, Session* session, size_t n);
  std::optional<Step> need_anchor(Call* call, Layer* layer);
  std::optional<Step> need_mechanisms(Call* call, Layer* layer);
  std::optional<Step> need_drained(Call* call, Token* token);
  /* What a call would make. */
  struct Making {
    std::optional<uint64_t> mechanism;
    bool on_token = false;
    uint32_t classes = 0;                 /* CreateClass; none where the template does not say */
    bool opens_key = false;               /* some template says extractable, or not sensitive */
    std::vector<CK_MECHANISM_TYPE> named; /* the same, and those within its parameter */
    bool gives_octets = false;            /* of key material, in its parameter */
  };
  std::optional<Making> read_making(Call* call);
  static bool makes_parameters(uint64_t mechanism);
  std::optional<size_t> layer_of_handle(const Call& call, uint64_t handle) const;
  bool several_layers_named(const Call& call, size_t n) const;
  bool begins(const FunctionRow& row) const;
  void replied_round(Call* call, Call::Internal what, CK_RV rv);
  void replied_login(Call* call, CK_RV rv);
  void replied_stored_login(Call* call, CK_RV rv);
  void replied_dual(Call* call, Call::Internal what, CK_RV rv);
  void replied_session(Call* call, Call::Internal what, CK_RV rv);
  void merge_token_info(Call::Round* round, const Layer& layer, const CK_TOKEN_INFO& info);
  void rewrite_session_info(const Call& call, CK_SESSION_INFO* info);
  bool take_found(Call* call);
  void pass_on(Session* session, const Call& call);
  void skip_layer(Call* call, CK_RV rv);
  void tell_layer(const Token& token, Layer* layer, bool there, CK_RV rv);
  void note_operation(Call* call);
  void orphan(Token* token, size_t layer, uint64_t real);
  void orphan_all(Token* token, Session* session);
  void end_logins(Token* token);
  void drop_layer(Token* token, size_t n);
  Session* session_of(const Call& call);
  /* What was begun last, in a layer that is there; nullptr: nothing. */
  static const Session::Begun* latest(const Session& session);

  /* What a reply changes. */
  void replied_internal(Call* call);
  bool absorb(Call* call);
  bool absorb_objects(Call* call);
  bool absorb_session(Call* call);
  bool absorb_slots(Call* call);
  bool read_made(Call* call, std::vector<uint32_t>* made);
  bool absorb_made(Call* call, uint32_t flags, uint64_t* made);
  void absorb_state(Call* call);
  bool rewrite(Call* call);
  bool rewrite_token_info(Call* call);
  void hide_changeable(Call* call);
  void not_believed(Call* call);

  void drop_session(uint64_t session);
  void drop_slot(uint64_t slot);
  void drop_backend(Backend* backend);
  void finalized();

  bool drains(const Call& call) const { return call.round != nullptr && call.round->draining; }
  Backend* sole_backend() { return backends_.size() == 1 ? &backends_.front() : nullptr; }
  /* The portfolio is one transparent backend: C_GetSlotList is the library's own. */
  bool passes_slots_on() {
    return backends_.size() == 1 && tokens_.size() == 1 && tokens_[0].transparent();
  }
  std::optional<uint64_t> transparent_slot(Token* token, uint64_t real);
  bool find_slot(uint64_t slot, Token** token, std::optional<uint64_t>* real);

  MonitorHost* host_;
  std::vector<Backend> backends_; /* never resized after construction: calls point into it */
  std::vector<Token> tokens_;     /* the same */
  std::deque<Selection> selections_;
  std::vector<Layer*> layers_;                     /* of all tokens, by their id */
  std::unordered_map<uint64_t, Session> sessions_; /* by virtual handle */
  HandleMap objects_;
  std::shared_ptr<BlindTotal> blind_total_ = std::make_shared<BlindTotal>();
  CallArena arena_;
  uint64_t last_session_ = 0;
  std::vector<std::pair<Token*, uint64_t>> transparent_slots_;      /* and the real slot */
  std::map<std::pair<Token*, uint64_t>, size_t> transparent_index_; /* of the former */
  bool initialized_ = false;
};

}  // namespace mp11
