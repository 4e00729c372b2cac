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
 * Packed calls and replies: what a backend unpacks of a monitor's, and what a front unpacks of a
 * backend's. A call that is understood and packed again is understood again, with the same octets.
 * The input is a function, numbers and handles of the record, and the octets of a call; what is
 * left behind a length is a reply to it.
 */
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "marshal.h"

namespace {

using namespace mp11;

struct Head {
  uint8_t function, handle_count, number_count, list_count;
  uint16_t call_octets;
  uint16_t rv;
};

void fill(Message* message, const FunctionRow& row, const Head& head,
          std::span<const uint8_t> octets) {
  message->rec.function = row.number;
  message->rec.handle_count = head.handle_count % (limits::kRecordHandles + 1);
  message->rec.number_count = head.number_count % (limits::kRecordNumbers + 1);
  for (uint32_t i = 0; i < message->rec.handle_count; i++) message->rec.handles[i] = i + 1;
  for (uint32_t i = 0; i < message->rec.number_count; i++) message->rec.numbers[i] = i;
  for (uint64_t i = 0; i < head.list_count % 20; i++) message->list.push_back(i);
  message->bytes.append(octets.data(), octets.size());
}

void require(bool condition) {
  if (!condition) abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Head head;
  if (size < sizeof head) return 0;
  memcpy(&head, data, sizeof head);
  std::span<const uint8_t> input(data + sizeof head, size - sizeof head);
  const FunctionRow& row = kFunctionTable[head.function % kFunctions];
  if (!carried(row)) return 0;
  std::span<const uint8_t> call_octets =
      input.first(std::min<size_t>(head.call_octets, input.size()));

  Message call;
  fill(&call, row, head, call_octets);
  CallArena arena;
  Words words{};
  if (!unpack_call(row, call, &arena, &words)) return 0;

  Message again;
  if (pack_call(row, words, &again) == CKR_OK) {
    CallArena second_arena;
    Words second{};
    require(unpack_call(row, again, &second_arena, &second));
    Message third;
    require(pack_call(row, second, &third) == CKR_OK);
    require(third.bytes.size() == again.bytes.size() &&
            std::equal(third.bytes.data(), third.bytes.data() + third.bytes.size(),
                       again.bytes.data()));
  }

  Message reply;
  fill(&reply, row, head, input.subspan(call_octets.size()));
  reply.rec.flags = kFlagReply;
  reply.rec.rv = head.rv;
  (void)unpack_reply(row, reply, words);
  Message packed_reply;
  pack_reply(row, words, CKR_OK, &packed_reply);
  return 0;
}
