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
 * The requests between the daemon's own processes (PROTOCOL.internal). Each is one fixed-size
 * record in one SOCK_SEQPACKET message, with at most kMaxFds descriptors beside it. The two
 * exceptions carry octets behind the record: GSS tokens and AP-REQs between net and auth, and
 * nothing else.
 *
 * Trust: who receives checks size, type and phase, then every field; text fields end with NUL
 * within their size. A peer that breaks the format has lost its connection. The connection is the
 * socket that a record arrives on. `connection` is a name that [priv] gave, used between [priv],
 * auth and vault for what they say of each other's connections, and never believed from net or
 * monitor, whose records do not have it.
 *
 *   [priv] -- auth, vault, log        one control socket each, descriptor 3 of the child
 *   [priv] -- net, monitor            one control socket each, descriptor 3 of the child
 *   net -- auth, auth -- vault, vault -- monitor     per connection, ends handed out by [priv]
 *   net == monitor, monitor == backend, application == monitor    channels (channel.h)
 */
#pragma once
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "kdh.h"
#include "mp11_limits.h"

namespace mp11 {

inline constexpr unsigned kMaxFds = 4;

enum class RecordType : uint32_t {
  /* [priv] to auth. Descriptors: auth's end of net--auth, auth's end of auth--vault. */
  kAuthConnection = 0x100,
  /* net to auth, and back: ConnectionToken with token_size octets behind it. */
  kGssToken,
  kGssDone,   /* auth to net: GssDone, the last token of the exchange behind it, possibly empty */
  kGssFailed, /* auth to net: ConnectionToken, an error token behind it, possibly empty */
  kKdhHello,  /* net to auth: KdhHello, an AP-REQ of token_size octets behind it */
  kKdhDone,   /* auth to net: KdhDone */
  kKdhFailed, /* auth to net: KdhFailed */
  kRenew,     /* net to auth, later: ConnectionToken, an AP-REQ of token_size octets behind it */
  kRenewed,   /* auth to net: Renewed */
  kRenewal,   /* auth to [priv], [priv] to vault: Renewal */
  /* auth to vault, or [priv] to vault inside VaultConnection. */
  kVerdict = 0x200,
  /*
   * [priv] to vault: VaultConnection. Descriptors: vault's end of vault--monitor, then, where
   * has_verdict is 0, vault's end of auth--vault.
   */
  kVaultConnection,
  kAllow,    /* vault to [priv]: which backends this connection may have */
  kAllowed,  /* [priv] to vault: noted; now the monitor may learn its portfolio */
  kVaultEnd, /* [priv] to vault and auth: this connection has ended; vault to [priv]: end it */
  kErase,    /* vault to [priv]: a token's directory is to be emptied; one at a time */
  kErased,   /* [priv] to vault: how that went */
  /* vault to monitor. */
  kPortfolioToken = 0x300,
  kPortfolioBackend,
  kPortfolioLayer,
  kPortfolioFilter,
  kPortfolioPin,
  kPortfolioEnd,
  kMakeToken,        /* monitor to vault: a token on demand is not there yet: may I make it? */
  kMakeAnswer,       /* vault to monitor */
  kTokenMade,        /* monitor to vault: it is, or it could not be; kMakeAnswer follows */
  kTurnPin,          /* monitor to vault: the PIN of a layer is being changed: may I do that? */
  kPinTurned,        /* monitor to vault: how that went */
  kLayerPin,         /* vault to monitor: the PIN of a layer as it is now; the answer to kTurnPin */
  kPortfolioRenewed, /* vault to monitor: the verdict lasts longer than was said */
  /* [priv] to net: NetStart. Descriptors: client's connection, net's end of the channel socket,
   * net's end of net--auth. */
  kNetStart = 0x400,
  /* [priv] to monitor: MonitorStart. Descriptors: the front's channel socket, monitor's end of
   * vault--monitor. */
  kMonitorStart,
  kSpawn,   /* monitor to [priv] */
  kSpawned, /* [priv] to monitor; descriptors when error is 0: channel socket, lock file if any */
  kEndBackend,  /* monitor to [priv]: kill it */
  kBackendGone, /* [priv] to monitor: it is dead and reaped, and why */
  kNewVault,    /* [priv] to monitor; descriptor: socket to the new vault */
  kStop,        /* [priv] to monitor: finish calls in flight, then exit; to vault: another one has
                 * your place, serve no administrator */
  kLayerState,  /* monitor to [priv]: a layer is left out, or there again; to be shown, no more */
  /* [priv] to log: LogSource. Descriptor: read end of that process's fd 2. */
  kLogSource = 0x500,
  kLogTarget, /* [priv] to log: LogTarget. Descriptor unless syslog: where lines go from now on */
  /* An administrator to vault, and back: vault_records.h. */
  kVaultRequest = 0x600,
  kVaultEntry,
  kVaultAnswer,
};

struct RecordHead {
  RecordType type;
  uint32_t size; /* of the whole record, this head included */
};

/* Name and kind of whom the client proved to be. */
struct Verdict {
  RecordHead head;    /* kVerdict */
  uint64_t expires_s; /* CLOCK_REALTIME seconds; 0: never (local) */
  uint32_t kind;      /* VerdictKind */
  uint32_t reserved;
  char principal[limits::kPrincipal]; /* NUL-terminated: krb5 name unparsed, or uid:N, or NAME */
};
enum VerdictKind : uint32_t { kVerdictKerberos = 1, kVerdictLocal = 2 };

struct AuthConnection {
  RecordHead head;
  uint64_t connection;
};

struct ConnectionToken {
  RecordHead head; /* size without the octets behind it */
  uint32_t token_size;
  uint32_t reserved;
};

/* What net needs to wrap and unwrap by itself (RFC 4121): gss_krb5_export_lucid_sec_context v1. */
struct GssDone {
  RecordHead head;
  uint32_t token_size;
  uint32_t enctype;         /* RFC 3961 number of the key below */
  uint32_t key_size;        /* octets */
  uint32_t acceptor_subkey; /* 1: the acceptor asserted the key */
  uint64_t send_sequence;
  uint64_t receive_sequence;
  uint64_t expires_s;
  uint8_t key[64];
};

/* What a client of TLS-KDH proves its name with; and what the handshake goes on with (kdh.h). */
struct KdhHello {
  RecordHead head;
  uint32_t token_size;
  uint32_t reserved;
  uint8_t random[kKdhRandom]; /* of the ClientHello */
};
struct KdhDone {
  RecordHead head;
  uint8_t psk[kKdhPsk];
};
struct KdhFailed {
  RecordHead head;
  uint32_t alert; /* KdhAlert */
  uint32_t reserved;
};

/* What came of a client's fresh ticket. */
struct Renewed {
  RecordHead head;
  uint32_t answer; /* RenewalAnswer */
  uint32_t reserved;
  uint64_t expires_s; /* of kRenewalDone */
};
enum RenewalAnswer : uint32_t {
  kRenewalDone = 1,
  kRenewalRefused,  /* the ticket is not one for that: auth's log says why */
  kRenewalTryAgain, /* it was not looked at: too soon, or [priv] takes nothing now */
};

/*
 * The client of a connection has a fresh ticket. `principal` is whose it is: whoever knows the
 * connection's verdict compares.
 */
struct Renewal {
  RecordHead head;
  uint64_t connection;
  uint64_t expires_s;
  char principal[limits::kPrincipal];
};

struct VaultConnection {
  RecordHead head;
  uint64_t connection;
  uint32_t has_verdict;
  uint32_t reserved;
  Verdict verdict;
};

/* A backend that a connection may have; its place in the list is its number from then on. */
struct AllowedBackend {
  uint32_t backend; /* index in the configuration */
  uint32_t uid;     /* of isolate = token: whom it runs as, in the directory of that name; else 0 */
};
struct Allow {
  RecordHead head;
  uint64_t connection;
  uint32_t count; /* of the following, how many are used; no two are equal */
  uint32_t reserved;
  AllowedBackend backends[limits::kBackends];
  /* [priv] keeps it for the next vault, shows it, and holds a Renewal against it; no more. */
  Verdict verdict;
};

/* A token of isolate = token that nobody may use any more. */
struct Erase { /* kErase, kErased */
  RecordHead head;
  AllowedBackend which;
  uint32_t outcome; /* of kErased: EraseOutcome; else 0 */
  uint32_t reserved;
};
enum EraseOutcome : uint32_t {
  kEraseDone = 1, /* nothing lies there any more */
  kEraseBusy,     /* nothing was done: a process has the uid, or might have, or is erasing */
  kEraseFailed,   /* something may be gone, and something is left */
};

struct ConnectionName { /* kAllowed, kVaultEnd */
  RecordHead head;
  uint64_t connection;
};

/*
 * Which token of a backend: what is not empty is what the token itself says in CK_TOKEN_INFO,
 * without its padding. All empty: the first that is initialised.
 */
struct BackendToken {
  char label[33];
  char manufacturer[33];
  char model[17];
  char serial[17];
};

/*
 * One virtual token of the portfolio. Its layers follow it, in order. One that is kTokenPinSelect
 * may be followed, after its layers, by its variants, with layers of their own: what is seen in the
 * same slot by who acts as `identity`. Everything else of them is as in the first.
 */
struct PortfolioToken {
  RecordHead head;
  uint64_t slot;   /* virtual slot id, stable: position in the configuration + 1 */
  uint32_t flags;  /* TokenFlags */
  uint32_t layers; /* how many, 1..limits::kLayers; of several, neither admin nor transparent */
  char label[33];  /* of the virtual token; empty: the backend's own words */
  char serial[17]; /* the same; of several layers never empty */
  uint8_t reserved[6];
  /* Of a variant: as it stands before the + of a PIN; else empty. */
  char identity[limits::kPrincipal];
};
enum TokenFlags : uint32_t {
  kTokenAdmin = 1u << 0,       /* C_InitToken, C_InitPIN and the SO may be used */
  kTokenTransparent = 1u << 1, /* every slot of the backend, one to one; label and serial unused */
  kTokenPinSelect = 1u << 2,   /* a PIN may name a variant; neither admin nor transparent */
};

/* What clients see before an object's own CKA_LABEL and CKA_ID (layer_prefix.h). */
struct LayerPrefix {
  uint32_t label_size, id_size; /* octets; 0: none */
  uint8_t label[64];
  uint8_t id[32];
};

/* One layer of the token before it: a token of a backend. */
struct PortfolioLayer {
  RecordHead head;
  uint32_t backend;   /* number (AllowedBackend) */
  uint32_t flags;     /* LayerFlags */
  uint32_t pin;       /* PinMode */
  uint32_t creates;   /* CreateClass: what may be made there; 0: anything */
  LayerPrefix prefix; /* of no admin's token */
  BackendToken at_backend;
};
/* By CKA_CLASS (PKCS #11 3.1, 4.2.2). */
enum CreateClass : uint32_t {
  kCreateData = 1u << 0,
  kCreateCertificate = 1u << 1,
  kCreatePublicKey = 1u << 2,
  kCreatePrivateKey = 1u << 3,
  kCreateSecretKey = 1u << 4,
  kCreateDomainParameters = 1u << 5,
  kCreateOther = 1u << 6, /* and a vendor's */
};
inline constexpr uint32_t kCreateKnown = (1u << 7) - 1;
enum LayerFlags : uint32_t {
  kLayerReadOnly = 1u << 0, /* nothing that lies on it is made, changed or destroyed */
  kLayerRequired = 1u << 1, /* has a say in C_Login, and without it there is no token */
  kLayerFiltered = 1u << 2, /* a PortfolioFilter follows it; the token is no admin's */
  /* It is made on demand: at_backend has its name as the only label, and its PIN is stored. */
  kLayerOnDemand = 1u << 3,
  kLayerUnmade = 1u << 4, /* of those: it has not been made yet */
  kLayerBlind = 1u << 5,  /* what it holds hides what has the same class and id in layers below */
};

/* Objects that a filter shows or hides; empty patterns and no classes: whichever. */
struct FilterObject {
  uint32_t shows;   /* 1: such objects are shown; 0: they are hidden */
  uint32_t classes; /* CreateClass */
  char label[96];   /* pattern of CKA_LABEL, as of glob_matches() */
  char id[96];      /* the same, of CKA_ID in lower-case hexadecimal digits */
};
/* What a layer keeps its clients from (layer_filter.h). */
struct FilterPlan {
  uint64_t functions[2];  /* bit n: the function of number n is refused */
  uint64_t mechanisms[8]; /* bit n: the n-th of mechanism_rows() is refused */
  uint64_t makes[8];      /* of kFilterCreate: bit n: that one may make objects here */
  uint32_t flags;         /* FilterFlags */
  uint32_t objects;       /* of the following, how many are used */
  FilterObject object[16];
};
enum FilterFlags : uint32_t {
  kFilterMechanisms = 1u << 0, /* mechanisms are chosen: one that is not known is refused */
  kFilterNoExport = 1u << 1,   /* keys are sensitive, not extractable, and are not wrapped */
  kFilterAudit = 1u << 2,      /* nothing is refused, only told */
  kFilterCreate = 1u << 3,     /* not every mechanism makes objects here */
};
inline constexpr uint32_t kFilterKnown = (1u << 4) - 1;

/* Of the layer before it. */
struct PortfolioFilter {
  RecordHead head;
  FilterPlan plan;
};
/* Where the user's PIN of a layer comes from. */
enum PinMode : uint32_t {
  kPinClient = 1, /* what the client gives C_Login */
  kPinNone,       /* nowhere: nobody logs in there */
  kPinStored,     /* the daemon; a PortfolioPin follows the layer, whose token is no admin's */
  kPinDerived,    /* in the policy: of a token on demand, from the master key; then it is stored */
  kPinVault,      /* in the policy: encrypted in the vault's database; then it is stored */
};
/* In the policy: what becomes of a token on demand that nobody may use any more; the mildest first.
 */
enum RetireMode : uint32_t {
  kRetireKeep = 0,
  kRetireHide, /* who may use it again has a new one */
  kRetireDestroy,
};
struct StoredPin {
  uint32_t size; /* octets, 1..sizeof pin */
  uint8_t pin[252];
};
/* Of the layer before it. */
struct PortfolioPin {
  RecordHead head;
  StoredPin pin;  /* of size 0: nobody has set it yet */
  StoredPin next; /* what it is to be changed to; of size 0: it is not */
};

/*
 * A PIN that is changed. Before a monitor logs in there it asks, and is answered when no other
 * monitor is at it. Who may tries the old PIN and changes it, or finds that it has been, and says
 * how it went. Whoever sees the layer is told of the new one.
 */
struct LayerName {
  char backend[32];
  BackendToken at_backend;
};
struct PinTurn { /* kTurnPin, kPinTurned */
  RecordHead head;
  LayerName layer;
  uint32_t outcome;  /* of kPinTurned: TurnOutcome */
  uint32_t pin_size; /* of kTurnDone: octets of the new one, as far as the token takes it */
  uint32_t rv;       /* of the others: CKR_ value, for the log */
};
enum TurnOutcome : uint32_t {
  kTurnDone = 1, /* the token has the new one */
  kTurnRefused,  /* it has the old one, and does not take the new one */
  kTurnUnknown,  /* it has one of the two: both are kept, and the next one tries */
  kTurnNeither,  /* both are wrong: they are kept, and nobody tries */
  kTurnUntried,  /* it did not come to that: nothing was changed */
};
struct LayerPin {
  RecordHead head;
  LayerName layer;
  uint32_t verdict; /* TurnVerdict */
  StoredPin pin;
  StoredPin next;
};
enum TurnVerdict : uint32_t {
  kPinIs = 1,   /* nothing is asked of you */
  kTurnIt,      /* change it */
  kTurnItAgain, /* the same; somebody may have changed it already */
  kTurnNot,     /* the vault cannot say: do without the layer */
};

/*
 * Tokens made on demand. A monitor asks; the answer comes when no other monitor is at it. Who is
 * told to make it does so within the vault's patience, says how it went, and is answered again:
 * only then is it there. A monitor whose connection ends has given up.
 */
inline constexpr size_t kTokenId = 33; /* 32 hexadecimal digits, of 128 bits, and a NUL */
struct MakeToken {                     /* kMakeToken, kTokenMade */
  RecordHead head;
  char id[kTokenId];
  uint8_t reserved[3];
  uint32_t made;     /* of kTokenMade: 1: it is; 0: it could not be */
  uint32_t pin_size; /* of kTokenMade with made: of the user's PIN, as far as the token takes it */
};
struct MakeAnswer {
  RecordHead head;
  char id[kTokenId];
  uint8_t reserved[3];
  uint32_t answer; /* MakeVerdict */
  StoredPin user;  /* kMakeIt: to be cut to what the token takes; kTokenIsMade: as it is there */
  StoredPin so;    /* kMakeIt: the same */
};
enum MakeVerdict : uint32_t { kMakeIt = 1, kTokenIsMade, kTokenIsNot };
/* Octets of a derived PIN, and the fewest that may be left of it: 40 bits. */
inline constexpr size_t kDerivedPin = 32, kLeastDerivedPin = 8;

/* How to treat a backend that some token of the portfolio uses. Sent before the tokens. */
struct PortfolioBackend {
  RecordHead head;
  uint32_t backend; /* number (AllowedBackend) */
  uint32_t flags;   /* BackendFlags */
  uint32_t deadline_short_ms;
  uint32_t deadline_start_ms;
  uint32_t deadline_long_ms;
  uint32_t reserved;
  char name[32]; /* for the log */
};
enum BackendFlags : uint32_t { kBackendTokenLock = 1u << 0 };

struct PortfolioEnd {
  RecordHead head;
  uint64_t expires_s;                 /* end of the verdict's lifetime; 0: never */
  char principal[limits::kPrincipal]; /* for the log */
};

struct PortfolioRenewed {
  RecordHead head;
  uint64_t expires_s; /* in the place of what PortfolioEnd said */
};

struct NetStart {
  RecordHead head;
  uint64_t connection;     /* for the log */
  uint32_t idle_timeout_s; /* close when the client has called nothing for so long; 0: never */
  uint32_t encodings;      /* that are taken: encoding_bit()s (encoding.h) */
  uint32_t security;       /* the same: security_bit()s (security.h) */
  uint32_t streams;        /* of SCTP, for what is sent; 0: the connection is TCP */
  char peer[64];           /* address and port as text */
};

struct MonitorStart {
  RecordHead head;
  uint64_t connection; /* for the log */
  uint32_t front;      /* FrontKind */
  uint32_t reserved;
  char peer[64];
};
enum FrontKind : uint32_t { kFrontNet = 1, kFrontLocal = 2 };

struct Spawn { /* kSpawn, kEndBackend */
  RecordHead head;
  uint32_t backend;  /* number (AllowedBackend) */
  uint32_t instance; /* the monitor's own count, repeated in the answer */
};

struct Spawned { /* kSpawned, kBackendGone */
  RecordHead head;
  uint32_t backend;
  uint32_t instance;
  uint32_t error;  /* SpawnError; in kBackendGone: EndReason */
  uint32_t detail; /* errno, exit code or signal */
};
enum SpawnError : uint32_t { kSpawnOk = 0, kSpawnDenied, kSpawnBusy, kSpawnFailed };
enum EndReason : uint32_t { kEndExit = 1, kEndSignal, kEndViolation, kEndKilled };

/* Of a token of several layers. What it says is about the sender's own connection. */
struct LayerReport { /* kLayerState */
  RecordHead head;
  uint64_t slot;    /* PortfolioToken::slot */
  uint32_t layer;   /* its place among those that the client sees, from 1 */
  uint32_t backend; /* number (AllowedBackend) */
  uint32_t there;   /* 1: it is; 0: it is left out */
  uint32_t reserved;
  uint64_t rv; /* CKR_ value: why it is */
};

struct LogSource {
  RecordHead head;
  uint32_t untrusted; /* 1: a library's stderr: its <N> prefixes mean nothing */
  uint32_t many;      /* 1: there is one for each connection */
  int32_t pid;
  char name[40]; /* program and connection, for the line */
};

struct LogTarget {
  RecordHead head;
  uint32_t target; /* LogTargetKind */
  uint32_t rate;   /* lines a second and source */
};
enum LogTargetKind : uint32_t { kLogToSyslog = 1, kLogToStderr, kLogToFile };

template <class T>
constexpr bool is_record() {
  return std::is_trivially_copyable_v<T> && std::has_unique_object_representations_v<T>;
}
static_assert(is_record<Verdict>() && is_record<ConnectionToken>() && is_record<GssDone>() &&
              is_record<KdhHello>() && is_record<Renewed>() && is_record<Renewal>() &&
              is_record<PortfolioRenewed>() && is_record<KdhDone>() && is_record<KdhFailed>() &&
              is_record<AuthConnection>() && is_record<VaultConnection>() && is_record<Allow>() &&
              is_record<AllowedBackend>() && is_record<Erase>() && is_record<ConnectionName>() &&
              is_record<PortfolioToken>() && is_record<PortfolioLayer>() &&
              is_record<LayerPrefix>() && is_record<PortfolioFilter>() &&
              is_record<PortfolioPin>() && is_record<PortfolioBackend>() &&
              is_record<MakeToken>() && is_record<MakeAnswer>() && is_record<PinTurn>() &&
              is_record<LayerPin>() && is_record<PortfolioEnd>() && is_record<NetStart>() &&
              is_record<MonitorStart>() && is_record<Spawn>() && is_record<Spawned>() &&
              is_record<LayerReport>() && is_record<LogSource>() && is_record<LogTarget>());

}  // namespace mp11
