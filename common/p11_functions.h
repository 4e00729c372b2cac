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
 * The table of functions, from p11_functions.def.
 *
 * A call is handled as `Words`: the C arguments in prototype order, each as one machine word. The
 * application's call becomes words in multip11.so; words become a Message (marshal.h), travel, and
 * become words again in the backend, where the library is called with them. multip11-net and
 * multip11-remote turn words into ASN.1 and back. Nothing but the table knows a prototype.
 */
#pragma once
#include <cstddef>
#include <cstdint>

#include "cryptoki.h"

namespace mp11 {

inline constexpr unsigned kFunctions = 104;
inline constexpr unsigned kFunctions240 = 68;
inline constexpr unsigned kMaxWords = 11;
inline constexpr unsigned kMaxArgs = 8;

using Word = uintptr_t;
struct Words {
  Word w[kMaxWords] = {};
};

/* What an argument is; in brackets the number of C arguments it stands for. */
enum class ArgKind : uint8_t {
  kNone,
  kSession,          /* [1] session handle: CallRec::primary */
  kSlot,             /* [1] slot id: CallRec::primary */
  kHandle,           /* [1] object handle in */
  kNumber,           /* [1] CK_ULONG, CK_FLAGS or CK_BBOOL in */
  kBytes,            /* [2] octets in and their length */
  kPin,              /* [2] the same, a PIN */
  kBytesOut,         /* [2] buffer and CK_ULONG_PTR: PKCS #11 2.40, 5.2 on output buffers */
  kFillOut,          /* [2] buffer and length, filled whole */
  kMechanism,        /* [1] */
  kTemplate,         /* [2] attributes in and their count */
  kTemplateInOut,    /* [2] attributes of C_GetAttributeValue */
  kHandleOut,        /* [1] object handle out */
  kSessionOut,       /* [1] session handle out */
  kSlotOut,          /* [1] slot id out */
  kNumberOut,        /* [1] CK_ULONG out */
  kHandleList,       /* [3] object handles out, room, number found */
  kSlotList,         /* [2] slot ids out and CK_ULONG_PTR */
  kNumberList,       /* [2] CK_ULONGs out and CK_ULONG_PTR */
  kInfoOut,          /* [1] CK_INFO */
  kSlotInfoOut,      /* [1] CK_SLOT_INFO */
  kTokenInfoOut,     /* [1] CK_TOKEN_INFO */
  kSessionInfoOut,   /* [1] CK_SESSION_INFO */
  kMechanismInfoOut, /* [1] CK_MECHANISM_INFO */
  kLabel,            /* [1] 32 octets, blank padded, of C_InitToken */
  kNotify,           /* [2] pApplication and Notify: only whether they are NULL is carried */
  kReserved,         /* [1] a pointer of which only whether it is NULL is carried */
  kInitArgs, /* [1] CK_C_INITIALIZE_ARGS, judged by the client module, carried as kReserved */
  kName,     /* [1] text that ends with NUL */
  /* Arguments of functions that are answered in the client's own process, or not carried yet. */
  kParameter,       /* [2] parameter of a message-based function */
  kFunctionListOut, /* [1] */
  kInterfaceList,   /* [2] */
  kInterfaceOut,    /* [1] */
  kVersion,         /* [1] CK_VERSION in */
  kAsyncOut,        /* [1] CK_ASYNC_DATA */
};

/* Which layer of a virtual token answers; ARCHITECTURE of layers, HACKING. */
enum class Route : uint8_t {
  kWhole,          /* the connection as a whole: the monitor */
  kMergeSlot,      /* every layer of the slot, merged; one layer: its own words */
  kAdminSlot,      /* one-layer tokens with admin = yes */
  kAdmin,          /* the same, by session */
  kPinLayer,       /* the layer whose PIN is the client's */
  kOpen,           /* the first layer at once, others on first need */
  kClose,          /* every layer that has a session */
  kLogin,          /* every layer; the first and the required ones decide */
  kLogout,         /* every layer */
  kState,          /* the layer named in the blob */
  kCreate,         /* the first writable layer that has the mechanism */
  kFind,           /* layer by layer, in order */
  kMechanismLayer, /* the first layer that has the mechanism */
  kObject,         /* the layer of the first handle */
  kContinue,       /* the layer that the operation was begun on */
  kDual,           /* the layers of both operations */
  kFirst,          /* the first layer */
};

enum class Operation : uint8_t {
  kOpNone,
  kOpFind,
  kOpEncrypt,
  kOpDecrypt,
  kOpDigest,
  kOpSign,
  kOpSignRecover,
  kOpVerify,
  kOpVerifyRecover,
  kOpDual,
};

/* Classes of deadline; their milliseconds stand in the backend's configuration. */
enum class Deadline : uint8_t { kNone, kShort, kStart, kLong };
enum class LockMode : uint8_t { kNoLock, kShared, kExclusive };
enum class Secrecy : uint8_t { kPublic, kSecretData, kSecretPin };

struct ArgSpec {
  ArgKind kind = ArgKind::kNone;
  uint8_t words = 0;         /* C arguments it stands for */
  uint8_t first = 0;         /* index of its first word */
  const char* names[3] = {}; /* of the C arguments, as in the specification */
};

struct FunctionRow {
  uint16_t number = 0;
  uint16_t since = 0;         /* 240, 300, 310, 320 */
  const char* name = nullptr; /* with C_ */
  Route route = Route::kWhole;
  Operation operation = Operation::kOpNone;
  Deadline deadline = Deadline::kShort;
  LockMode lock = LockMode::kNoLock;
  Secrecy secrecy = Secrecy::kSecretData;
  uint8_t arg_count = 0;
  uint8_t word_count = 0;
  ArgSpec args[kMaxArgs];

  constexpr bool has(ArgKind kind) const {
    for (unsigned i = 0; i < arg_count; i++)
      if (args[i].kind == kind) return true;
    return false;
  }
};

/* Ordinals: kC_Initialize = 0 ... */
enum FunctionNumber : uint32_t {
#define P11_FUNCTION(number, name, ...) kC_##name = number,
#include "p11_functions.def"
#undef P11_FUNCTION
};

extern const FunctionRow kFunctionTable[kFunctions];

/* nullptr for a number that is none. */
inline const FunctionRow* function_row(uint64_t number) {
  return number < kFunctions ? &kFunctionTable[number] : nullptr;
}

}  // namespace mp11
