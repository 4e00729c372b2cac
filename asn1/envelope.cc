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
#include "envelope.h"

#include <algorithm>
#include <cstring>

#include "C-Failed-Return.h"
#include "Hello.h"
#include "TransportFailure.h"
#include "TransportMessage.h"
#include "asn1c_memory.h"
#include "codec_renew.h"
#include "values.h"

namespace mp11 {

using namespace asn1;

namespace {

constexpr uint8_t kMajor = 0, kMinor = 3;
constexpr size_t kDetail = 255;

void put_version(uint8_t major, uint8_t minor, ACK_VERSION_t* out, CallArena* arena) {
  uint8_t* octets = arena->make<uint8_t>(2);
  octets[0] = major;
  octets[1] = minor;
  put_octets(octets, 1, &out->major);
  put_octets(octets + 1, 1, &out->minor);
}

/* Bit i of a BIT STRING: the fewest octets that hold `count` bits, or those up to the last one set.
 */
template <class Bit>
void put_bits(size_t count, Bit bit, BIT_STRING_t* out, CallArena* arena) {
  while (count > 0 && !bit(count - 1)) count--;
  out->buf = arena->make<uint8_t>((count + 7) / 8 + 1);
  out->size = static_cast<int>((count + 7) / 8);
  out->bits_unused = static_cast<int>((8 - count % 8) % 8);
  for (size_t i = 0; i < count; i++)
    if (bit(i)) out->buf[i / 8] |= static_cast<uint8_t>(0x80 >> i % 8);
}

template <class Take>
void get_bits(const BIT_STRING_t& in, size_t limit, Take take) {
  const size_t count = std::min(static_cast<size_t>(in.size) * 8, limit);
  for (size_t i = 0; i < count; i++)
    if (in.buf[i / 8] & 0x80 >> i % 8) take(i);
}

::Hello* put_hello(const Hello& hello, CallArena* arena) {
  auto* out = arena->make<::Hello>();
  put_version(hello.major, hello.minor, &out->maxVersion, arena);
  put_bits(
      Hello::kOpcodes, [&](size_t i) { return hello.functions.test(i); }, &out->functions, arena);
  out->maxMessage = hello.max_message;
  out->maxPending = hello.max_pending;
  put_bits(
      64, [&](size_t i) { return (hello.encodings >> i & 1) != 0; }, &out->encodings, arena);
  auto* names =
      static_cast<UTF8String_t*>(make_list(reinterpret_cast<List*>(&out->extensions.list),
                                           hello.extensions.size(), sizeof(UTF8String_t), arena));
  for (size_t i = 0; i < hello.extensions.size(); i++)
    put_octets(hello.extensions[i].data(), hello.extensions[i].size(), &names[i]);
  return out;
}

bool get_hello(const ::Hello& in, Hello* out) {
  out->major = in.maxVersion.major.buf[0];
  out->minor = in.maxVersion.minor.buf[0];
  get_bits(in.functions, Hello::kOpcodes, [&](size_t i) { out->functions.set(i); });
  if (in.maxMessage > kWireUnavailable || in.maxPending > kWireUnavailable) return false;
  out->max_message = static_cast<uint32_t>(in.maxMessage);
  out->max_pending = static_cast<uint32_t>(in.maxPending);
  out->encodings = 0;
  get_bits(in.encodings, 64, [&](size_t i) { out->encodings |= uint64_t{1} << i; });
  const auto count = static_cast<size_t>(in.extensions.list.count);
  if (count > limits::kExtensions) return false;
  for (size_t i = 0; i < count; i++) {
    std::span<const uint8_t> name = octets_of(*in.extensions.list.array[i]);
    if (name.size() > limits::kExtensionName) return false;
    out->extensions.emplace_back(name.begin(), name.end());
  }
  return true;
}

::TransportFailure* put_failure(const Failure& failure, CallArena* arena) {
  auto* out = arena->make<::TransportFailure>();
  out->reason = static_cast<long>(failure.reason);
  if (failure.detail.empty()) return out;
  out->detail = arena->make<UTF8String_t>();
  put_text(reinterpret_cast<const uint8_t*>(failure.detail.data()),
           std::min(failure.detail.size(), kDetail), out->detail, arena);
  return out;
}

bool get_failure(const ::TransportFailure& in, Failure* out) {
  if (in.reason < 0 || in.reason > 0xffff) return false;
  out->reason = static_cast<uint32_t>(in.reason);
  if (in.detail == nullptr) return true;
  std::span<const uint8_t> detail = octets_of(*in.detail);
  detail = detail.first(std::min(detail.size(), kDetail));
  out->detail.assign(detail.begin(), detail.end());
  return true;
}

bool get_id(const OCTET_STRING_t& in, MessageId* out) {
  std::span<const uint8_t> octets = octets_of(in);
  if (octets.size() > limits::kMessageId) return false;
  std::copy(octets.begin(), octets.end(), out->octets);
  out->size = static_cast<uint8_t>(octets.size());
  return true;
}

/* Opcode and opdata of a call or a return; their C structures are alike. */
template <class Procedure>
bool get_procedure(const Procedure& in, Received* out) {
  if (in.opcode < 0 || in.opcode > 0xffff) return false;
  out->opcode = static_cast<uint32_t>(in.opcode);
  out->opdata = {in.opdata.buf, static_cast<size_t>(in.opdata.size)};
  return !out->opdata.empty();
}

template <class Procedure>
void put_procedure(uint32_t opcode, const uint8_t* opdata, size_t size, Procedure* out) {
  out->opcode = static_cast<long>(opcode);
  put_octets(opdata, size, reinterpret_cast<OCTET_STRING_t*>(&out->opdata));
}

CodecStatus read_message(const TransportMessage_t& in, Received* out) {
  if (!get_id(in.transportID, &out->envelope.transport) ||
      !get_id(in.requestID, &out->envelope.request))
    return CodecStatus::kSyntax;
  if (in.version.major.buf[0] != kMajor) return CodecStatus::kVersion;
  switch (in.payload.present) {
    case TransportMessage__payload_PR_call:
      out->call = true;
      if (!get_procedure(in.payload.choice.call, out)) return CodecStatus::kSyntax;
      break;
    case TransportMessage__payload_PR_called:
      if (!get_procedure(in.payload.choice.called, out)) return CodecStatus::kSyntax;
      break;
    default: /* notifications: nothing in this version sends them */
      return CodecStatus::kSyntax;
  }
  if (in.nulls != nullptr) {
    CK_FLAGS nulls;
    if (!get_flags(*in.nulls, &nulls) || nulls > UINT32_MAX) return CodecStatus::kSyntax;
    out->nulls = static_cast<uint32_t>(nulls);
  }
  if (in.hello != nullptr && !get_hello(*in.hello, &out->envelope.hello.emplace()))
    return CodecStatus::kSyntax;
  if (in.failure != nullptr && !get_failure(*in.failure, &out->envelope.failure.emplace()))
    return CodecStatus::kSyntax;
  return CodecStatus::kOk;
}

}  // namespace

void codec_start() { function_types(kFunctionTable[0]); }

MessageId id_of_number(uint64_t number) {
  MessageId id;
  id.size = 8;
  for (unsigned i = 0; i < 8; i++) id.octets[i] = static_cast<uint8_t>(number >> (56 - 8 * i));
  return id;
}

bool number_of_id(const MessageId& id, uint64_t* number) {
  if (id.size != 8) return false;
  *number = 0;
  for (unsigned i = 0; i < 8; i++) *number = *number << 8 | id.octets[i];
  return true;
}

Hello own_hello() {
  Hello hello;
  hello.encodings = kAllEncodings;
  for (unsigned i = 0; i < kFunctions; i++)
    if (carried(kFunctionTable[i])) hello.functions.set(i);
  hello.extensions = {kEagerExtension, kSnapshotExtension, kOutputLenExtension, kRenewExtension};
  return hello;
}

bool names_extension(const std::optional<Hello>& hello, const char* name) {
  return hello && std::ranges::find(hello->extensions, name) != hello->extensions.end();
}

CodecStatus decode_message(std::span<const uint8_t> der, CallArena* arena, Received* received) {
  *received = Received{};
  codec_start();
  if (der.size() > limits::kMessage) return CodecStatus::kMemory;
  received->shape = der_shape(der);
  if (received->shape != DerError::kNone) return CodecStatus::kSyntax;
  Asn1cMemory memory(arena, Asn1cMemory::limit_for(der.size()));
  const void* message = decode(&asn_DEF_TransportMessage, der.data(), der.size());
  if (message == nullptr) return CodecStatus::kSyntax;
  return read_message(*static_cast<const TransportMessage_t*>(message), received);
}

void encode_answer(uint32_t opcode, CK_RV rv, const Envelope& envelope, CallArena* arena,
                   SecureBuffer* out) {
  codec_start();
  C_Failed_Return_t answer = {};
  if (!put_number(rv, &answer.retval)) answer.retval = CKR_GENERAL_ERROR;
  const bool encoded =
      encode_message(false, opcode, 0, &asn_DEF_C_Failed_Return, &answer, envelope, arena, out);
  MP11_ASSERT(encoded);
}

namespace asn1 {

bool encode_message(bool call, uint32_t opcode, uint32_t nulls, const Type* type,
                    const void* opdata, const Envelope& envelope, CallArena* arena,
                    SecureBuffer* out) {
  out->clear();
  TransportMessage_t message = {};
  Asn1cMemory memory(arena, Asn1cMemory::limit_for(limits::kMessage));
  const size_t inner_size = encoded_size(type, opdata);
  if (inner_size == 0 || inner_size > limits::kMessage) return false;
  auto* inner = arena->make<uint8_t>(inner_size);
  if (!encode(type, opdata, inner, inner_size)) return false;
  put_version(kMajor, kMinor, &message.version, arena);
  put_octets(envelope.transport.octets, envelope.transport.size, &message.transportID);
  put_octets(envelope.request.octets, envelope.request.size, &message.requestID);
  auto& payload = message.payload;
  if (call) {
    payload.present = TransportMessage__payload_PR_call;
    put_procedure(opcode, inner, inner_size, &payload.choice.call);
  } else {
    payload.present = TransportMessage__payload_PR_called;
    put_procedure(opcode, inner, inner_size, &payload.choice.called);
  }
  if (nulls != 0) {
    message.nulls = arena->make<ACK_FLAGS_t>();
    put_flags(nulls, message.nulls, arena);
  }
  if (envelope.hello) message.hello = put_hello(*envelope.hello, arena);
  if (envelope.failure) message.failure = put_failure(*envelope.failure, arena);
  const size_t size = encoded_size(&asn_DEF_TransportMessage, &message);
  if (size == 0 || size > limits::kMessage) return false;
  out->resize(size);
  return encode(&asn_DEF_TransportMessage, &message, out->data(), size) &&
         der_shape(out->span()) == DerError::kNone;
}

bool decode_retval(const Received& received, CK_RV* rv) {
  const void* answer =
      decode(&asn_DEF_C_Failed_Return, received.opdata.data(), received.opdata.size());
  if (answer == nullptr) return false;
  return get_number(static_cast<const C_Failed_Return_t*>(answer)->retval, rv);
}

}  // namespace asn1
}  // namespace mp11
