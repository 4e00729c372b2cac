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
#include "marshal.h"

#include <cstring>

#include "infos.h"
#include "marshal_parts.h"
#include "result.h"
#include "words.h"

namespace mp11 {
namespace {

/* Shorter octets are copied in less time than it takes to think about it. */
constexpr size_t kLentLeast = 4096;

/* PackWriter::octets, of octets that stay where they are. */
void lend_octets(const uint8_t* data, size_t size, PackWriter* out, Message::Lent* lent) {
  out->u64(size);
  *lent = {data, size, out->size()};
}

/* ---- call: words to message ---- */

class CallPacker {
 public:
  CallPacker(const FunctionRow& row, const Words& words, Message* message, Lend lend)
      : row_(row),
        words_(words),
        rec_(&message->rec),
        out_(&message->bytes),
        lent_(lend == Lend::kYes && !has_template(row) ? &message->lent : nullptr) {}

  CK_RV pack() {
    for (unsigned i = 0; i < row_.arg_count; i++) {
      CK_RV rv = argument(row_.args[i], &words_.w[row_.args[i].first]);
      if (rv != CKR_OK) return rv;
      if (out_.size() + lent_size() > limits::kMessage) return CKR_HOST_MEMORY;
    }
    return CKR_OK;
  }

 private:
  /* What a template says is looked at on the way. */
  static bool has_template(const FunctionRow& row) {
    for (unsigned i = 0; i < row.arg_count; i++)
      if (row.args[i].kind == ArgKind::kTemplate) return true;
    return false;
  }
  size_t lent_size() const { return lent_ != nullptr ? lent_->size : 0; }

  CK_RV argument(const ArgSpec& arg, const Word* w) {
    switch (arg.kind) {
      case ArgKind::kSession:
      case ArgKind::kSlot:
        rec_->primary = wide(w[0]);
        return CKR_OK;
      case ArgKind::kHandle:
        return put_handle(rec_, wide(w[0])) ? CKR_OK : CKR_HOST_MEMORY;
      case ArgKind::kNumber:
        MP11_ASSERT(rec_->number_count < limits::kRecordNumbers);
        rec_->numbers[rec_->number_count++] = wide(w[0]);
        return CKR_OK;
      case ArgKind::kBytes:
        if (lent_ != nullptr) return lend(pointer<const uint8_t>(w[0]), w[1]);
        return octets(pointer<const void>(w[0]), w[1]);
      case ArgKind::kPin:
        return octets(pointer<const void>(w[0]), w[1]);
      case ArgKind::kBytesOut:
        return room(w[0] != 0, pointer<const CK_ULONG>(w[1]), limits::kOutput);
      case ArgKind::kSlotList:
      case ArgKind::kNumberList:
        return room(w[0] != 0, pointer<const CK_ULONG>(w[1]), limits::kHandleList);
      case ArgKind::kFillOut:
        out_.u8(w[0] != 0);
        out_.u64(wide(w[1]));
        return w[0] != 0 && w[1] > limits::kOutput ? CKR_HOST_MEMORY : CKR_OK;
      case ArgKind::kHandleList:
        out_.u8(w[0] != 0);
        out_.u64(w[1] < limits::kHandleList ? w[1] : limits::kHandleList);
        out_.u8(w[2] != 0);
        return CKR_OK;
      case ArgKind::kMechanism:
        return pack_mechanism(pointer<const CK_MECHANISM>(w[0]), rec_, &out_);
      case ArgKind::kTemplate:
        return pack_template(pointer<const CK_ATTRIBUTE>(w[0]), w[1], &out_);
      case ArgKind::kTemplateInOut:
        return pack_query(pointer<const CK_ATTRIBUTE>(w[0]), w[1], &out_);
      case ArgKind::kLabel:
        out_.u8(w[0] != 0);
        if (w[0] != 0) out_.raw(pointer<const void>(w[0]), 32);
        return CKR_OK;
      case ArgKind::kNotify:
        out_.u8(w[0] != 0);
        out_.u8(w[1] != 0);
        return CKR_OK;
      default: /* outputs and reserved pointers: whether they are NULL */
        out_.u8(w[0] != 0);
        return CKR_OK;
    }
  }

  CK_RV lend(const uint8_t* data, CK_ULONG size) {
    if (data == nullptr || size < kLentLeast || size > limits::kMessage || lent_->size != 0)
      return octets(data, size);
    out_.u8(1);
    lend_octets(data, size, &out_, lent_);
    return CKR_OK;
  }

  CK_RV octets(const void* data, CK_ULONG size) {
    out_.u8(data != nullptr);
    if (data == nullptr) {
      out_.u64(wide(size));
      return CKR_OK;
    }
    if (size > limits::kMessage) return CKR_HOST_MEMORY;
    out_.octets(data, size);
    return CKR_OK;
  }

  /* A room beyond what a reply can carry is cut: no result is that long. */
  CK_RV room(bool buffer, const CK_ULONG* length, uint64_t most) {
    out_.u8(length != nullptr);
    out_.u8(buffer);
    uint64_t value = length != nullptr ? wide(*length) : 0;
    out_.u64(buffer && value > most ? most : value);
    return CKR_OK;
  }

  const FunctionRow& row_;
  const Words& words_;
  CallRec* rec_;
  PackWriter out_;
  Message::Lent* lent_; /* nullptr: nothing may be lent */
};

/* ---- call: message to words ---- */

class CallUnpacker {
 public:
  CallUnpacker(const FunctionRow& row, const Message& message, CallArena* arena, Words* words)
      : row_(row), rec_(message.rec), in_(message.bytes.span()), arena_(arena), words_(words) {}

  bool unpack() {
    for (unsigned i = 0; i < row_.arg_count; i++)
      if (!argument(row_.args[i], &words_->w[row_.args[i].first]) || !in_.ok()) return false;
    return in_.end() && next_handle_ == rec_.handle_count && next_number_ == rec_.number_count;
  }

 private:
  bool argument(const ArgSpec& arg, Word* w) {
    CK_ULONG number;
    switch (arg.kind) {
      case ArgKind::kSession:
      case ArgKind::kSlot:
        if (!narrow_ulong(rec_.primary, &number)) return false;
        w[0] = number;
        return true;
      case ArgKind::kHandle:
        if (next_handle_ >= rec_.handle_count || next_handle_ >= limits::kRecordHandles)
          return false;
        if (!narrow_ulong(rec_.handles[next_handle_++], &number)) return false;
        w[0] = number;
        return true;
      case ArgKind::kNumber:
        if (next_number_ >= rec_.number_count || next_number_ >= limits::kRecordNumbers)
          return false;
        if (!narrow_ulong(rec_.numbers[next_number_++], &number)) return false;
        w[0] = number;
        return true;
      case ArgKind::kBytes:
      case ArgKind::kPin:
        return octets(w);
      case ArgKind::kBytesOut:
        return room(w, 1, limits::kOutput);
      case ArgKind::kSlotList:
      case ArgKind::kNumberList:
        return room(w, sizeof(CK_ULONG), limits::kHandleList);
      case ArgKind::kFillOut: {
        bool present = in_.flag();
        uint64_t size = in_.u64();
        if (!narrow_ulong(size, &number) || (present && size > limits::kOutput)) return false;
        w[0] = present ? word_of(arena_->allocate_out(number)) : 0;
        w[1] = number;
        return true;
      }
      case ArgKind::kHandleList: {
        bool present = in_.flag();
        uint64_t most = in_.u64();
        if (most > limits::kHandleList) return false;
        w[0] = present ? word_of(arena_->allocate_out(most * sizeof(CK_OBJECT_HANDLE))) : 0;
        w[1] = static_cast<Word>(most);
        w[2] = in_.flag() ? word_of(arena_->make<CK_ULONG>()) : 0;
        return true;
      }
      case ArgKind::kMechanism:
        return unpack_mechanism(&in_, rec_, &next_handle_, arena_, w);
      case ArgKind::kTemplate:
        return unpack_template(&in_, arena_, w);
      case ArgKind::kTemplateInOut:
        return unpack_query(&in_, arena_, w);
      case ArgKind::kLabel:
        return fixed(w, 32, in_.flag());
      case ArgKind::kNotify:
        /* The application's pointers mean nothing here, and nobody is ever notified. */
        in_.flag();
        in_.flag();
        w[0] = w[1] = 0;
        return true;
      case ArgKind::kInfoOut:
        return out<CK_INFO>(w);
      case ArgKind::kSlotInfoOut:
        return out<CK_SLOT_INFO>(w);
      case ArgKind::kTokenInfoOut:
        return out<CK_TOKEN_INFO>(w);
      case ArgKind::kSessionInfoOut:
        return out<CK_SESSION_INFO>(w);
      case ArgKind::kMechanismInfoOut:
        return out<CK_MECHANISM_INFO>(w);
      default: /* one CK_ULONG out, or a reserved pointer: a zeroed block stands for it */
        w[0] = in_.flag() ? word_of(arena_->allocate(64)) : 0;
        return true;
    }
  }

  template <class T>
  bool out(Word* w) {
    w[0] = in_.flag() ? word_of(arena_->make<T>()) : 0;
    return true;
  }

  bool fixed(Word* w, size_t size, bool present) {
    w[0] = 0;
    if (!present) return true;
    const uint8_t* p = in_.raw(size);
    if (p == nullptr) return false;
    void* copy = arena_->allocate(size);
    std::memcpy(copy, p, size);
    w[0] = word_of(copy);
    return true;
  }

  bool octets(Word* w) {
    bool present = in_.flag();
    CK_ULONG size;
    if (!narrow_ulong(in_.u64(), &size)) return false;
    w[0] = 0;
    w[1] = size;
    if (!present) return true;
    /* In place. The library may do what it likes with them: nobody reads them afterwards. */
    const uint8_t* p = in_.raw(size);
    w[0] = word_of(const_cast<uint8_t*>(p));
    return p != nullptr;
  }

  bool room(Word* w, size_t unit, uint64_t most) {
    bool has_length = in_.flag(), has_buffer = in_.flag();
    uint64_t value = in_.u64();
    if (has_buffer && value > most) return false;
    CK_ULONG length;
    if (!narrow_ulong(value, &length)) length = CK_UNAVAILABLE_INFORMATION;
    w[0] = has_buffer ? word_of(arena_->allocate_out(static_cast<size_t>(value) * unit)) : 0;
    w[1] = 0;
    if (has_length) {
      auto* p = arena_->make<CK_ULONG>();
      *p = length;
      w[1] = word_of(p);
    }
    return true;
  }

  const FunctionRow& row_;
  const CallRec& rec_;
  PackReader in_;
  CallArena* arena_;
  Words* words_;
  unsigned next_handle_ = 0;
  unsigned next_number_ = 0;
};

/* ---- reply: words to message ---- */

template <class T>
void pack_info(const Word* w, PackWriter* out) {
  out->u8(w[0] != 0);
  if (w[0] == 0) return;
  InfoWriter writer(out);
  visit_info(writer, *pointer<const T>(w[0]));
}

/* False when the library claims to have written more than there was room for. */
bool pack_octets_out(const Word* w, CK_RV rv, Message::Lent* lent, PackWriter* out) {
  const auto* length = pointer<const CK_ULONG>(w[1]);
  out->u8(length != nullptr);
  if (length != nullptr) out->u64(wide(*length));
  const auto* data = pointer<const uint8_t>(w[0]);
  bool wanted = rv == CKR_OK && length != nullptr && data != nullptr;
  bool has = wanted && *length <= CallArena::room(data);
  out->u8(has);
  if (has && lent != nullptr && lent->size == 0 && *length >= kLentLeast)
    lend_octets(data, *length, out, lent);
  else if (has)
    out->octets(data, *length);
  return has == wanted;
}

/* Words of a list after the call: its length, and its elements where they fit the room. */
struct ListOut {
  bool has_length;
  CK_ULONG length;
  const CK_ULONG* elements;
  bool believable; /* no more of them than there was room for */
};

ListOut list_out(const Word* w, const CK_ULONG* length, CK_RV rv) {
  const auto* elements = pointer<const CK_ULONG>(w[0]);
  bool wanted = rv == CKR_OK && length != nullptr && elements != nullptr;
  bool has = wanted && *length <= CallArena::room(elements) / sizeof(CK_ULONG);
  return {length != nullptr, length != nullptr ? *length : 0, has ? elements : nullptr,
          has == wanted};
}

bool pack_list_out(const ListOut& list, bool handles, Message* message, PackWriter* out) {
  out->u8(list.has_length);
  out->u64(wide(list.length));
  out->u8(list.elements != nullptr);
  for (CK_ULONG i = 0; list.elements != nullptr && i < list.length; i++) {
    if (handles)
      message->list.push_back(wide(list.elements[i]));
    else
      out->u64(wide(list.elements[i]));
  }
  return list.believable;
}

bool pack_result(const ArgSpec& arg, const Word* w, CK_RV rv, Lend lend, Message* message,
                 PackWriter* out) {
  switch (arg.kind) {
    case ArgKind::kMechanism:
      return pack_mechanism_outputs(pointer<const CK_MECHANISM>(w[0]), rv, &message->list, out);
    case ArgKind::kBytesOut:
      return pack_octets_out(w, rv, lend == Lend::kYes ? &message->lent : nullptr, out);
    case ArgKind::kFillOut:
      out->u8(rv == CKR_OK && w[0] != 0);
      if (rv == CKR_OK && w[0] != 0) out->octets(pointer<const void>(w[0]), w[1]);
      break;
    case ArgKind::kHandleList:
      return pack_list_out(list_out(w, pointer<const CK_ULONG>(w[2]), rv), true, message, out);
    case ArgKind::kSlotList:
      return pack_list_out(list_out(w, pointer<const CK_ULONG>(w[1]), rv), true, message, out);
    case ArgKind::kNumberList:
      return pack_list_out(list_out(w, pointer<const CK_ULONG>(w[1]), rv), false, message, out);
    case ArgKind::kTemplateInOut:
      return pack_query_reply(pointer<const CK_ATTRIBUTE>(w[0]), w[1], rv, out);
    case ArgKind::kHandleOut:
    case ArgKind::kSessionOut:
      put_handle(&message->rec, w[0] != 0 ? wide(*pointer<const CK_ULONG>(w[0])) : 0);
      break;
    case ArgKind::kSlotOut:
      message->rec.primary = w[0] != 0 ? wide(*pointer<const CK_ULONG>(w[0])) : 0;
      break;
    case ArgKind::kNumberOut:
      out->u64(w[0] != 0 ? wide(*pointer<const CK_ULONG>(w[0])) : 0);
      break;
    case ArgKind::kInfoOut:
      pack_info<CK_INFO>(w, out);
      break;
    case ArgKind::kSlotInfoOut:
      pack_info<CK_SLOT_INFO>(w, out);
      break;
    case ArgKind::kTokenInfoOut:
      pack_info<CK_TOKEN_INFO>(w, out);
      break;
    case ArgKind::kSessionInfoOut:
      pack_info<CK_SESSION_INFO>(w, out);
      break;
    case ArgKind::kMechanismInfoOut:
      pack_info<CK_MECHANISM_INFO>(w, out);
      break;
    default:
      break;
  }
  return true;
}

/* ---- reply: message to words ---- */

class ReplyUnpacker {
 public:
  ReplyUnpacker(const FunctionRow& row, const Message& message, const Words& words)
      : row_(row), message_(message), in_(message.bytes.span()), words_(words) {}

  bool unpack() {
    for (unsigned i = 0; i < row_.arg_count; i++)
      if (!result(row_.args[i], &words_.w[row_.args[i].first]) || !in_.ok()) return false;
    return in_.end() && next_handle_ == message_.rec.handle_count &&
           list_used_ == message_.list.size();
  }

 private:
  bool result(const ArgSpec& arg, const Word* w) {
    switch (arg.kind) {
      case ArgKind::kMechanism:
        return unpack_mechanism_outputs(&in_, ok(), message_.list, &list_used_,
                                        pointer<const CK_MECHANISM>(w[0]));
      case ArgKind::kBytesOut:
        return octets(w, pointer<CK_ULONG>(w[1]));
      case ArgKind::kFillOut: {
        if (in_.flag() != (ok() && w[0] != 0)) return false;
        if (!ok() || w[0] == 0) return true;
        std::span<const uint8_t> data = in_.octets();
        if (!in_.ok() || data.size() != w[1]) return false;
        if (!data.empty()) std::memcpy(pointer<void>(w[0]), data.data(), data.size());
        return true;
      }
      case ArgKind::kHandleList:
        return list(w, pointer<CK_ULONG>(w[2]), w[1], true);
      case ArgKind::kSlotList:
        return list(w, pointer<CK_ULONG>(w[1]), w[1] != 0 ? *pointer<CK_ULONG>(w[1]) : 0, true);
      case ArgKind::kNumberList:
        return list(w, pointer<CK_ULONG>(w[1]), w[1] != 0 ? *pointer<CK_ULONG>(w[1]) : 0, false);
      case ArgKind::kTemplateInOut:
        return unpack_query_reply(&in_, static_cast<CK_RV>(message_.rec.rv),
                                  pointer<CK_ATTRIBUTE>(w[0]), w[1]);
      case ArgKind::kHandleOut:
      case ArgKind::kSessionOut:
        if (next_handle_ >= message_.rec.handle_count) return false;
        return number(w, message_.rec.handles[next_handle_++]);
      case ArgKind::kSlotOut:
        return number(w, message_.rec.primary);
      case ArgKind::kNumberOut:
        return number(w, in_.u64());
      case ArgKind::kInfoOut:
        return info<CK_INFO>(w);
      case ArgKind::kSlotInfoOut:
        return info<CK_SLOT_INFO>(w);
      case ArgKind::kTokenInfoOut:
        return info<CK_TOKEN_INFO>(w);
      case ArgKind::kSessionInfoOut:
        return info<CK_SESSION_INFO>(w);
      case ArgKind::kMechanismInfoOut:
        return info<CK_MECHANISM_INFO>(w);
      default:
        return true;
    }
  }

  bool ok() const { return message_.rec.rv == CKR_OK; }

  bool number(const Word* w, uint64_t value) {
    CK_ULONG narrow;
    if (!narrow_ulong(value, &narrow)) return false;
    if (w[0] != 0 && ok()) *pointer<CK_ULONG>(w[0]) = narrow;
    return true;
  }

  template <class T>
  bool info(const Word* w) {
    if (in_.flag() != (w[0] != 0)) return false;
    if (w[0] == 0) return true;
    T value{};
    InfoReader reader(&in_);
    visit_info(reader, value);
    if (in_.ok() && ok()) *pointer<T>(w[0]) = value;
    return in_.ok();
  }

  bool octets(const Word* w, CK_ULONG* length) {
    bool has_length = in_.flag();
    CK_ULONG value = 0;
    if (has_length && !narrow_ulong(in_.u64(), &value)) return false;
    if (has_length != (length != nullptr)) return false;
    /* Success and a buffer: data, and nothing else gives any. */
    bool wanted = ok() && w[0] != 0 && length != nullptr;
    if (in_.flag() != wanted) return false;
    if (wanted) {
      std::span<const uint8_t> data = in_.octets();
      if (!in_.ok() || data.size() > *length || data.size() != value) return false;
      if (!data.empty()) std::memcpy(pointer<void>(w[0]), data.data(), data.size());
    }
    if (has_length) *length = value;
    return true;
  }

  /* Room of C_FindObjects stands beside its length, which only success writes. */
  bool list(const Word* w, CK_ULONG* length, CK_ULONG room, bool handles) {
    bool has_length = in_.flag();
    CK_ULONG value = 0;
    if (!narrow_ulong(in_.u64(), &value) || has_length != (length != nullptr)) return false;
    bool wanted = ok() && w[0] != 0 && length != nullptr;
    if (in_.flag() != wanted || (wanted && value > room)) return false;
    auto* elements = pointer<CK_ULONG>(w[0]);
    for (CK_ULONG i = 0; wanted && i < value; i++) {
      if (handles && list_used_ >= message_.list.size()) return false;
      uint64_t element = handles ? message_.list[list_used_++] : in_.u64();
      if (!in_.ok() || !narrow_ulong(element, &elements[i])) return false;
    }
    if (has_length && (ok() || row_.number != kC_FindObjects)) *length = value;
    return true;
  }

  const FunctionRow& row_;
  const Message& message_;
  PackReader in_;
  const Words& words_;
  unsigned next_handle_ = 0;
  size_t list_used_ = 0;
};

template <class T>
bool read_info(const Message& reply, T* info) {
  PackReader in(reply.bytes.span());
  if (!in.flag()) return false;
  InfoReader reader(&in);
  visit_info(reader, *info);
  return in.end();
}

template <class T>
void write_one(const T& info, Message* reply) {
  reply->bytes.clear();
  PackWriter out(&reply->bytes);
  out.u8(1);
  InfoWriter writer(&out);
  visit_info(writer, info);
}

}  // namespace

bool carried(const FunctionRow& row) {
  return row.number < kFunctions240 && row.number != kC_GetFunctionList;
}

CK_RV pack_call(const FunctionRow& row, const Words& words, Message* message, Lend lend) {
  message->clear();
  if (!carried(row)) return CKR_FUNCTION_NOT_SUPPORTED;
  message->rec.function = row.number;
  message->rec.flags = object_flags(row, words);
  return CallPacker(row, words, message, lend).pack();
}

bool unpack_call(const FunctionRow& row, const Message& message, CallArena* arena, Words* words) {
  *words = Words{};
  return carried(row) && message.rec.function == row.number && message.list.empty() &&
         message.rec.handle_count <= limits::kRecordHandles &&
         CallUnpacker(row, message, arena, words).unpack();
}

void pack_reply(const FunctionRow& row, const Words& words, CK_RV rv, Message* message, Lend lend) {
  message->clear();
  message->rec.function = row.number;
  message->rec.flags = kFlagReply;
  message->rec.rv = rv;
  if (!carries_results(rv)) return;
  PackWriter out(&message->bytes);
  bool believable = true;
  for (unsigned i = 0; i < row.arg_count; i++)
    believable &= pack_result(row.args[i], &words.w[row.args[i].first], rv, lend, message, &out);
  if (believable) {
    if (rv == CKR_OK && row.number == kC_GetAttributeValue &&
        asks_for_unknown_array(reinterpret_cast<const CK_ATTRIBUTE*>(words.w[2]), words.w[3]))
      message->rec.rv = CKR_ATTRIBUTE_TYPE_INVALID; /* not all of it is told */
    return;
  }
  message->clear();
  message->rec.function = row.number;
  message->rec.flags = kFlagReply;
  message->rec.rv = CKR_GENERAL_ERROR;
}

bool unpack_reply(const FunctionRow& row, const Message& message, const Words& words) {
  if (message.rec.function != row.number) return false;
  if (!carries_results(message.rec.rv))
    return message.bytes.empty() && message.list.empty() && message.rec.handle_count == 0;
  return ReplyUnpacker(row, message, words).unpack();
}

bool read_token_info(const Message& reply, CK_TOKEN_INFO* info) { return read_info(reply, info); }
void write_token_info(const CK_TOKEN_INFO& info, Message* reply) { write_one(info, reply); }
bool read_session_info(const Message& reply, CK_SESSION_INFO* info) {
  return read_info(reply, info);
}
void write_session_info(const CK_SESSION_INFO& info, Message* reply) { write_one(info, reply); }
bool read_mechanism_info(const Message& reply, CK_MECHANISM_INFO* info) {
  return read_info(reply, info);
}
void write_mechanism_info(const CK_MECHANISM_INFO& info, Message* reply) { write_one(info, reply); }
bool read_slot_info(const Message& reply, CK_SLOT_INFO* info) { return read_info(reply, info); }
void write_slot_info(const CK_SLOT_INFO& info, Message* reply) { write_one(info, reply); }
void write_info(const CK_INFO& info, Message* reply) { write_one(info, reply); }

}  // namespace mp11
