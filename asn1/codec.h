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
 * Remote PKCS #11 in DER: messages from and to C arguments. All that multip11-net and
 * multip11-remote need; asn1c stays inside of asn1/.
 *
 *   multip11-remote   encode_call    ->  octets  ->  decode_message, decode_call     multip11-net
 *                     decode_return  <-  octets  <-  encode_return, encode_answer
 *                     (decode_message first)
 *
 * `Words` are a call's C arguments (p11_functions.h). On the client's side they point into the
 * memory of whoever makes the call; on the server's side decode_call makes them, in an arena.
 *
 * Trust: a message that comes in is checked by der_shape() before asn1c sees it, then by its type's
 * constraints, then value by value; asn1c's memory is limited. A message that can be refused
 * without harm to the rest is refused by CK_RV or by a failure; whether the connection ends is the
 * caller's decision. Words that decode_call makes hold no pointer of the peer's; pack_call may have
 * them.
 *
 * Threads: every function may run in several threads at once, each with an arena of its own; the
 * first call of codec_start() must return before. std::bad_alloc passes.
 */
#pragma once
#include <bitset>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "der_shape.h"
#include "encoding.h"
#include "marshal.h"
#include "mp11_limits.h"
#include "p11_functions.h"
#include "secure_buffer.h"

namespace mp11 {

/* Prepares asn1c's tables. Before the sandbox or after it, but before there are threads. */
void codec_start();

/* transportID or requestID: octets that their sender chose. */
struct MessageId {
  uint8_t size = 0;
  uint8_t octets[limits::kMessageId] = {};
  bool operator==(const MessageId&) const = default;
};
/* A request's number as an id: eight octets, big-endian. */
MessageId id_of_number(uint64_t number);
/* False for an id of another form. */
bool number_of_id(const MessageId& id, uint64_t* number);

/* What one side can do; in the first call of a connection and in its answer. */
struct Hello {
  static constexpr size_t kOpcodes = 512;
  uint8_t major = 0, minor = 3;            /* highest version spoken */
  std::bitset<kOpcodes> functions;         /* by opcode; higher ones are left out */
  uint32_t max_message = limits::kMessage; /* octets it takes */
  uint32_t max_pending = limits::kCallsPerConnection;
  uint64_t encodings = encoding_bit(Encoding::kDer);
  std::vector<std::string> extensions; /* names, of which those below are known here */
};
/* This implementation: the rows that are carried, all encodings, the limits of limits.h, and the
 * extensions below. */
Hello own_hello();

/* Names of extensions, used where both sides have them: what saves round trips, and renewal. */
inline constexpr const char* kEagerExtension = "eager";
inline constexpr const char* kSnapshotExtension = "snapshot";
inline constexpr const char* kOutputLenExtension = "output-len";
inline constexpr const char* kRenewExtension = "renew";
bool names_extension(const std::optional<Hello>& hello, const char* name);

enum class FailureReason : uint8_t {
  kSyntax = 0,
  kVersion = 1,
  kOpcode = 2,
  kTooLarge = 3,
  kBusy = 4,
  kDenied = 5,
  kInternal = 6,
};
struct Failure {
  uint32_t reason = 0; /* a FailureReason, or one that is not known yet */
  std::string detail;  /* for a log; from the peer, so escape it */
};

/* What stands around a call or return. */
struct Envelope {
  MessageId transport;
  MessageId request; /* the answer repeats the call's */
  std::optional<Hello> hello;
  std::optional<Failure> failure; /* answers only */
};

/* Members that are no C arguments: what a return has for the calls that are expected next. */
struct Ahead {
  uint32_t eager = 0; /* what the call asked for: handles, or octets of values; 0: nothing */
  /* C_FindObjectsInit */
  bool found = false; /* the handles are there, though there may be none */
  std::vector<CK_OBJECT_HANDLE> handles;
  bool complete = false; /* and there are no more */
  /*
   * C_GetAttributeValue: values of attributes that have no buffer, by their position; pValue is
   * nullptr where there is none. They are in the arena that the return was decoded with.
   */
  std::vector<CK_ATTRIBUTE> values;
  /* An operation's Init: what the function that ends it would say to a length query. */
  std::optional<CK_ULONG> output_len;
};

enum class CodecStatus : uint8_t {
  kOk,
  kAnswer,  /* a well-formed call that is answered at once with a CK_RV */
  kSyntax,  /* not a message: FailureReason::kSyntax */
  kVersion, /* a version of the protocol that is not spoken: kVersion */
  kMemory,  /* more memory than a message may take: kTooLarge */
};

/* A message without its arguments. Points into the arena that it was decoded with. */
struct Received {
  bool call = false; /* else a return */
  uint32_t opcode = 0;
  uint32_t nulls = 0; /* C arguments that are NULL, by position */
  Envelope envelope;
  std::span<const uint8_t> opdata;
  DerError shape = DerError::kNone; /* why the shape was refused, for the log */
};

/*
 * Takes a whole message. The rest of decoding needs *received and the same arena. After kVersion
 * and, where it got that far, kSyntax received->envelope.request is set, so that a failure can name
 * it.
 */
CodecStatus decode_message(std::span<const uint8_t> der, CallArena* arena, Received* received);

/* ---- server side ---- */

/*
 * The arguments of a received call; `row` is function_row(received.opcode). Output buffers are
 * CallArena::allocate_out, as large as the call says they are. kAnswer: *answer is the CK_RV that
 * the client gets (encode_answer), among them CKR_FUNCTION_NOT_SUPPORTED for rows not carried yet.
 * *eager: what Ahead has by that name, as the client says it.
 */
CodecStatus decode_call(const Received& received, const FunctionRow& row, CallArena* arena,
                        Words* words, CK_RV* answer, uint32_t* eager = nullptr);

/*
 * The return of a call, from words that decode_call made and a library (or unpack_reply) then wrote
 * to. Clears *out first. Results that have no form on the wire, or claim more than there was room
 * for, make it a C-Failed-Return with CKR_GENERAL_ERROR. With ahead what is in it goes as well.
 */
void encode_return(const FunctionRow& row, const Words& words, CK_RV rv, const Envelope& envelope,
                   CallArena* arena, SecureBuffer* out, const Ahead* ahead = nullptr);

/*
 * A C-Failed-Return for any opcode, known or not: with envelope.failure it tells of a message that
 * was no call (opcode 0 where there was none, and CKR_GENERAL_ERROR). A detail longer than 255
 * octets is cut. Clears *out first.
 */
void encode_answer(uint32_t opcode, CK_RV rv, const Envelope& envelope, CallArena* arena,
                   SecureBuffer* out);

/* ---- client side ---- */

/*
 * A call. CKR_OK, or what the caller gets at once because the call cannot be carried:
 * CKR_ARGUMENTS_BAD for a number above 2^32-2, the code of an invalid handle for such a handle,
 * CKR_HOST_MEMORY beyond a limit, CKR_MECHANISM_PARAM_INVALID for a parameter of unknown layout,
 * CKR_FUNCTION_NOT_SUPPORTED for rows that are not carried. `arena` is scratch; it is not cleared
 * and may be the one that the words point into. Clears *out first. eager goes where the call has
 * such a member, unless it is 0.
 */
CK_RV encode_call(const FunctionRow& row, const Words& words, const Envelope& envelope,
                  CallArena* arena, SecureBuffer* out, uint32_t eager = 0);

/*
 * Writes a return into the memory that the words point to, as the library would have done, and
 * gives its CK_RV. kSyntax: it does not answer this call, offers more than there is room for, or is
 * success without what was asked for; nothing was written beyond any room, and the server is
 * broken. Call it only once for a call: lengths in the words' memory are the rooms. With ahead,
 * whose eager is what the call said, more than that is kSyntax as well; without, values that no
 * buffer was offered for are, and other members are not looked at.
 */
CodecStatus decode_return(const Received& received, const FunctionRow& row, const Words& words,
                          CallArena* arena, CK_RV* rv, Ahead* ahead = nullptr);

}  // namespace mp11
