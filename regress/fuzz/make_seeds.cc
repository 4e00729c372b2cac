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
 * Writes the seeds of the corpora: make_seeds DIRECTORY makes a directory for each target there.
 * They are what the functions of the tree write, so that fuzzing begins with every function and
 * every mechanism. regress/fuzz/corpus holds them minimised, with what was found beside them.
 */
#include <sys/stat.h>

#include <array>
#include <cstdio>
#include <string>
#include <vector>

#include "codec.h"
#include "fuzz.h"
#include "p11_params.h"
#include "samples.h"
#include "snapshot.h"

namespace {

using namespace mp11;

class Corpus {
 public:
  Corpus(const std::string& directory, const std::string& target)
      : directory_(directory + "/" + target) {
    ::mkdir(directory_.c_str(), 0755);
  }
  void add(const std::vector<uint8_t>& head, std::span<const uint8_t> body) {
    char name[16];
    std::snprintf(name, sizeof name, "/seed-%04u", count_++);
    std::FILE* file = std::fopen((directory_ + name).c_str(), "wb");
    FUZZ_REQUIRE(file != nullptr);
    FUZZ_REQUIRE(std::fwrite(head.data(), 1, head.size(), file) == head.size());
    FUZZ_REQUIRE(std::fwrite(body.data(), 1, body.size(), file) == body.size());
    FUZZ_REQUIRE(std::fclose(file) == 0);
  }

 private:
  std::string directory_;
  unsigned count_ = 0;
};

Envelope envelope(bool hello) {
  Envelope e;
  e.request = id_of_number(1);
  if (hello) e.hello = own_hello();
  return e;
}

/* Calls and the returns to them in DER, and both as packed octets. */
void add_call(const FunctionRow& row, unsigned variant, unsigned mechanism, Corpus* der,
              Corpus* returns, Corpus* marshal) {
  CallArena arena, scratch;
  Words words;
  SecureBuffer octets;
  fuzz::sample_call(row, variant, mechanism, &arena, &words);
  const Envelope e = envelope(variant == 4);
  if (encode_call(row, words, e, &scratch, &octets) == CKR_OK) der->add({}, octets.span());
  auto byte = [](unsigned n) { return static_cast<uint8_t>(n); };
  encode_return(row, words, variant == 5 ? CKR_BUFFER_TOO_SMALL : CKR_OK, e, &scratch, &octets);
  returns->add({byte(row.number), byte(variant), byte(mechanism)}, octets.span());

  Message call, reply;
  if (pack_call(row, words, &call) != CKR_OK) return;
  pack_reply(row, words, CKR_OK, &reply);
  size_t size = call.bytes.size();
  std::vector<uint8_t> head = {byte(row.number),
                               byte(call.rec.handle_count),
                               byte(call.rec.number_count),
                               byte(variant),
                               byte(mechanism),
                               byte(reply.rec.handle_count),
                               byte(static_cast<unsigned>(reply.list.size())),
                               0,
                               byte(static_cast<unsigned>(size & 255)),
                               byte(static_cast<unsigned>(size >> 8))};
  head.insert(head.end(), call.bytes.data(), call.bytes.data() + size);
  marshal->add(head, reply.bytes.span());
}

/* Returns with what comes ahead of calls, and a snapshot (fuzz_return.cc). */
void add_ahead(Corpus* returns) {
  CallArena arena, scratch;
  SecureBuffer octets;
  Ahead ahead;
  ahead.found = ahead.complete = true;
  ahead.handles = {1, 2};
  ahead.output_len = 256;
  auto add = [&](FunctionNumber function, unsigned variant) {
    Words words;
    const FunctionRow& row = kFunctionTable[function];
    fuzz::sample_call(row, variant, 0, &arena, &words);
    ahead.values.clear();
    if (function == kC_GetAttributeValue) {
      auto* asked = reinterpret_cast<CK_ATTRIBUTE*>(words.w[2]);
      for (CK_ULONG i = 0; i < words.w[3]; i++) {
        asked[i].ulValueLen = sizeof(CK_ULONG);
        ahead.values.push_back(
            {asked[i].type, arena.allocate_out(sizeof(CK_ULONG)), sizeof(CK_ULONG)});
      }
    }
    encode_return(row, words, CKR_OK, envelope(false), &scratch, &octets, &ahead);
    for (const unsigned ask : {0x40u, 0xc0u})
      returns->add({static_cast<uint8_t>(function), static_cast<uint8_t>(variant | ask), 0},
                   octets.span());
  };
  add(kC_FindObjectsInit, 0);
  add(kC_SignInit, 0);
  add(kC_GetAttributeValue, 2);
  Snapshot snapshot;
  snapshot.slots.resize(2);
  snapshot.slots[1].id = 1;
  snapshot.slots[1].token.emplace();
  snapshot.slots[1].mechanisms = {CKM_RSA_PKCS};
  snapshot.slots[1].infos.resize(1);
  encode_snapshot(snapshot, envelope(false), &scratch, &octets);
  returns->add({255, 0, 0}, octets.span());
}

/*
 * Programs of fuzz_monitor.cc: a client that initialises, opens sessions in all slots, and makes
 * `function` in them with objects of the same session and of others; everybody behaves.
 */
void add_program(uint8_t portfolio, const FunctionRow& row, Corpus* monitor) {
  std::vector<uint8_t> program = {portfolio};
  auto call = [&program](uint32_t function, uint8_t shape, std::vector<uint8_t> choices) {
    program.insert(program.end(), {0, static_cast<uint8_t>(function), shape, 0});
    program.insert(program.end(), choices.begin(), choices.end());
    program.push_back(255);
  };
  call(kC_Initialize, 0, {0});
  call(kC_GetSlotList, 0, {0, 1});
  for (uint8_t slot : std::to_array<uint8_t>({1, 2, 3})) call(kC_OpenSession, 0, {slot, 6});
  for (uint8_t slot : std::to_array<uint8_t>({64, 65, 66})) call(kC_OpenSession, 0, {slot, 6});
  for (uint8_t session : std::to_array<uint8_t>({0, 1, 2})) {
    call(kC_CreateObject, 0, {session});
    call(kC_FindObjectsInit, 0, {session});
    call(kC_FindObjects, 0, {session});
  }
  for (uint8_t choice : std::to_array<uint8_t>({0, 1, 2, 5})) {
    const uint8_t object = static_cast<uint8_t>(3 * choice);
    call(row.number, choice, {choice, object, object, 1, 1, 1});
  }
  call(kC_GetAttributeValue, 0, {1, 0});
  monitor->add({}, program);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: make_seeds DIRECTORY\n");
    return 2;
  }
  codec_start();
  Corpus der(argv[1], "der"), returns(argv[1], "return"), marshal(argv[1], "marshal"),
      monitor(argv[1], "monitor");
  for (const FunctionRow& row : kFunctionTable) {
    if (!carried(row)) continue;
    for (unsigned variant = 0; variant < fuzz::kSampleVariants; variant++)
      add_call(row, variant, variant, &der, &returns, &marshal);
    for (uint8_t portfolio : std::to_array<uint8_t>({0, 1, 2, 3, 9, 27, 48, 62}))
      add_program(portfolio, row, &monitor);
  }
  for (unsigned i = 0; i < mechanism_rows().size(); i++)
    add_call(kFunctionTable[kC_EncryptInit], i % 2, i, &der, &returns, &marshal);
  add_ahead(&returns);
  return 0;
}
