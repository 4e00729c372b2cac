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
 * Packing a call's arguments into a Message, and a Message back into arguments.
 *
 *   multip11.so, multip11-net      pack_call    -> Message -> unpack_call   multip11-backend,
 *                                  unpack_reply <- Message <- pack_reply    multip11-remote
 *
 * A pointer never travels. What is carried of every argument, NULL pointers included, is such that
 * the library at the end sees what the application passed: it is the library that judges.
 *
 * Packed octets are little-endian, each argument in the order of the function's row; the exact form
 * stands in PROTOCOL.internal and in the two functions side by side for each kind in marshal.cc.
 *
 * Trust: unpack_call and unpack_reply believe nothing of the message; false means that its format
 * is broken, which is fatal to the peer. Lengths that the application passes are believed, as by
 * any library.
 */
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "call_rec.h"
#include "p11_functions.h"

namespace mp11 {

/*
 * Private memory of one call in the process that makes it: what the words of an unpacked call point
 * to. Reused; clear() wipes and keeps a first block. Addresses are aligned to 16 octets.
 */
class CallArena {
 public:
  CallArena() = default;
  CallArena(CallArena&&) = default;
  CallArena& operator=(CallArena&&) = default;
  /* Zeroed memory that lives until clear(). Throws std::bad_alloc. */
  void* allocate(size_t size);
  template <class T>
  T* make(size_t count = 1) {
    return static_cast<T*>(allocate(sizeof(T) * count));
  }
  /*
   * An output buffer that remembers its room: room(p) is what allocate_out was called with. The
   * memory is zeroed, and never of size 0, so that the pointer is not NULL.
   */
  void* allocate_out(size_t room);
  static size_t room(const void* out);
  void clear();
  /* Octets that it holds. */
  size_t size() const;

 private:
  static constexpr size_t kFirstBlock = 64u << 10;

  std::vector<SecureBuffer> blocks_;
  size_t used_ = 0;                  /* of the last block */
  size_t first_block_ = kFirstBlock; /* how large the next first block is to be */
  unsigned light_uses_ = 0; /* in a row, that would have done with a quarter of a large block */
};

/*
 * Whether long octets stay where they are (Message::lent) until the message is sent: the caller
 * sends it before the words' memory goes, and only through a channel.
 */
enum class Lend { kNo, kYes };

/*
 * Packs a call. CKR_OK, or what the application gets at once because the call cannot be carried:
 * CKR_HOST_MEMORY beyond a limit, CKR_MECHANISM_PARAM_INVALID for a parameter of unknown layout,
 * CKR_FUNCTION_NOT_SUPPORTED for a row that is not carried. message->rec.primary and handles are
 * the application's; id and deadline are the caller's matter.
 */
CK_RV pack_call(const FunctionRow& row, const Words& words, Message* message,
                Lend lend = Lend::kNo);

/*
 * Unpacks a call into arguments to call a library with. Octets that go in are not copied: their
 * words point into message.bytes, and are good while that is.
 */
[[nodiscard]] bool unpack_call(const FunctionRow& row, const Message& message, CallArena* arena,
                               Words* words);

/*
 * Packs what the library left in memory that came from unpack_call. On return values other than
 * CKR_OK, CKR_BUFFER_TOO_SMALL, CKR_ATTRIBUTE_SENSITIVE and CKR_ATTRIBUTE_TYPE_INVALID nothing but
 * the value is carried. A library that claims more octets than it had room for has
 * CKR_GENERAL_ERROR carried. rec.id is the caller's matter.
 */
void pack_reply(const FunctionRow& row, const Words& words, CK_RV rv, Message* message,
                Lend lend = Lend::kNo);

/*
 * Writes a reply into the application's memory as the library would have done. A length beyond the
 * room that the application offered makes it false, and nothing beyond was written; so does success
 * without the results that were asked for.
 */
[[nodiscard]] bool unpack_reply(const FunctionRow& row, const Message& message, const Words& words);

/*
 * CallFlags of the objects that a call makes, from its templates: what pack_call puts into the
 * record. Who enforces a policy takes them from here: a record says what its sender likes. A
 * CKA_TOKEN or CKA_PRIVATE that is anything but one octet CK_FALSE counts as true.
 */
uint32_t object_flags(const FunctionRow& row, const Words& words);

/* What a call's mechanism parameter says of what the call makes beside the function's own object.
 */
struct ParameterFacts {
  /* A template within the parameter, in memory that unpack_call or the application made. */
  struct Template {
    uint8_t* at;
    uint8_t* length;
    const CK_ATTRIBUTE* attributes() const;
    CK_ULONG count() const;
    void replace(CK_ATTRIBUTE* attributes, CK_ULONG count) const;
  };
  std::vector<Template> templates;
  /* The handles that come back in the reply's list, in order: of which template the object is made,
   * an index; without one, of the call's own. */
  std::vector<std::optional<size_t>> handles;
  std::vector<CK_MECHANISM_TYPE> mechanisms; /* the call's, and those within its parameter */
  bool gives_octets = false;                 /* of key material */
};
ParameterFacts parameter_facts(const FunctionRow& row, const Words& words);
/* object_flags of an object that is made of such a template, as of a call's first. */
uint32_t template_flags(const ParameterFacts::Template& one);

/*
 * Whether a template of the call, one in its parameter too, says CKA_TOKEN, and not CK_FALSE, at
 * any depth of nesting.
 */
bool names_token_object(const FunctionRow& row, const Words& words);

/* True when a reply with this value carries results. */
constexpr bool carries_results(CK_RV rv) {
  return rv == CKR_OK || rv == CKR_BUFFER_TOO_SMALL || rv == CKR_ATTRIBUTE_SENSITIVE ||
         rv == CKR_ATTRIBUTE_TYPE_INVALID;
}

/* Whether this function can be carried in a channel today: every row of 2.40. */
bool carried(const FunctionRow& row);

/* CK_ULONG to 64 bits and back; CK_UNAVAILABLE_INFORMATION by name, whatever its width. */
constexpr uint64_t wide(CK_ULONG value) {
  return value == CK_UNAVAILABLE_INFORMATION ? UINT64_MAX : value;
}
constexpr bool narrow_ulong(uint64_t wide_value, CK_ULONG* value) {
  *value =
      wide_value == UINT64_MAX ? CK_UNAVAILABLE_INFORMATION : static_cast<CK_ULONG>(wide_value);
  return wide_value == UINT64_MAX || wide(*value) == wide_value;
}

/*
 * Packed infos, for the monitor, which reads and makes some of its own: packed octets of a reply to
 * C_GetTokenInfo and its like. Forms are those of pack_reply.
 */
[[nodiscard]] bool read_token_info(const Message& reply, CK_TOKEN_INFO* info);
void write_token_info(const CK_TOKEN_INFO& info, Message* reply);
[[nodiscard]] bool read_session_info(const Message& reply, CK_SESSION_INFO* info);
void write_session_info(const CK_SESSION_INFO& info, Message* reply);
[[nodiscard]] bool read_mechanism_info(const Message& reply, CK_MECHANISM_INFO* info);
void write_mechanism_info(const CK_MECHANISM_INFO& info, Message* reply);
[[nodiscard]] bool read_slot_info(const Message& reply, CK_SLOT_INFO* info);
void write_slot_info(const CK_SLOT_INFO& info, Message* reply);
void write_info(const CK_INFO& info, Message* reply);

}  // namespace mp11
