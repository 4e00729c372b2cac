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
 * The application of a hostile server, for regress/attack/server.sh: makes calls of every shape of
 * result, each into memory with a guard zone on both sides, and looks at the zones afterwards.
 *
 *   victim MODULE ROUNDS
 *
 * Prints how many calls succeeded and failed. Ends with 0 when nothing was written but what was
 * asked for, whatever the calls returned.
 */
#include <dlfcn.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "cryptoki.h"

namespace {

constexpr size_t kZone = 4096;
constexpr uint8_t kMark = 0x5c;

CK_FUNCTION_LIST* p11;
unsigned succeeded, failed;

[[noreturn]] void broken(const char* call, const char* what) {
  std::printf("%s: %s\n", call, what);
  std::exit(1);
}

/* So many octets for a call to write to, and nothing around them. */
class Guarded {
 public:
  explicit Guarded(size_t size) : size_(size), octets_(size + 2 * kZone, kMark) {}
  template <class T>
  T* as() {
    return reinterpret_cast<T*>(&octets_[kZone]);
  }
  void check(const char* call) const {
    for (size_t i = 0; i < kZone; i++)
      if (octets_[i] != kMark || octets_[kZone + size_ + i] != kMark)
        broken(call, "wrote beyond its buffer");
  }
  /* Behind what the call says that it wrote. */
  void check_rest(const char* call, size_t used) const {
    if (used > size_) broken(call, "claims more than there was room for");
  }

 private:
  size_t size_;
  std::vector<uint8_t> octets_;
};

/* Any value may be returned: what the library at the end says is passed on. */
CK_RV done(const char*, CK_RV rv) {
  (rv == CKR_OK ? succeeded : failed)++;
  return rv;
}

/* One call with a buffer and a length. */
template <class F>
void sized(const char* name, size_t room, size_t element, F call) {
  Guarded buffer(room * element), length(sizeof(CK_ULONG));
  *length.as<CK_ULONG>() = room;
  CK_RV rv = done(name, call(buffer.as<CK_BYTE>(), length.as<CK_ULONG>()));
  buffer.check(name);
  length.check(name);
  if (rv == CKR_OK) buffer.check_rest(name, *length.as<CK_ULONG>() * element);
  *length.as<CK_ULONG>() = 0; /* the query */
  (void)done(name, call(nullptr, length.as<CK_ULONG>()));
  length.check(name);
}

template <class T, class F>
T result(const char* name, F call) {
  Guarded out(sizeof(T));
  CK_RV rv = done(name, call(out.as<T>()));
  out.check(name);
  T value;
  std::memcpy(&value, out.as<T>(), sizeof value);
  if (rv != CKR_OK) std::memset(&value, 0, sizeof value);
  return value;
}

void attributes(CK_SESSION_HANDLE session) {
  Guarded label(8), number(sizeof(CK_ULONG)), list(3 * sizeof(CK_ATTRIBUTE));
  CK_ATTRIBUTE* a = list.as<CK_ATTRIBUTE>();
  a[0] = {CKA_LABEL, label.as<CK_BYTE>(), 8};
  a[1] = {CKA_CLASS, number.as<CK_BYTE>(), sizeof(CK_ULONG)};
  a[2] = {CKA_VALUE, nullptr, 0};
  (void)done("C_GetAttributeValue", p11->C_GetAttributeValue(session, 1, a, 3));
  label.check("C_GetAttributeValue");
  number.check("C_GetAttributeValue");
  list.check("C_GetAttributeValue");
  if (a[0].pValue != label.as<CK_BYTE>() || a[1].pValue != number.as<CK_BYTE>() ||
      a[2].pValue != nullptr)
    broken("C_GetAttributeValue", "changed a pointer");
}

void round() {
  CK_C_INITIALIZE_ARGS arguments = {};
  arguments.flags = CKF_OS_LOCKING_OK;
  (void)done("C_Initialize", p11->C_Initialize(&arguments));
  sized("C_GetSlotList", 4, sizeof(CK_ULONG), [](CK_BYTE* p, CK_ULONG* n) {
    return p11->C_GetSlotList(CK_TRUE, reinterpret_cast<CK_SLOT_ID*>(p), n);
  });
  CK_SLOT_ID slot = 1;
  CK_ULONG one = 1;
  (void)done("C_GetSlotList", p11->C_GetSlotList(CK_TRUE, &slot, &one));
  (void)result<CK_INFO>("C_GetInfo", [](auto* p) { return p11->C_GetInfo(p); });
  (void)result<CK_SLOT_INFO>("C_GetSlotInfo", [&](auto* p) { return p11->C_GetSlotInfo(slot, p); });
  (void)result<CK_TOKEN_INFO>("C_GetTokenInfo",
                              [&](auto* p) { return p11->C_GetTokenInfo(slot, p); });
  sized("C_GetMechanismList", 4, sizeof(CK_ULONG), [&](CK_BYTE* p, CK_ULONG* n) {
    return p11->C_GetMechanismList(slot, reinterpret_cast<CK_MECHANISM_TYPE*>(p), n);
  });
  (void)result<CK_MECHANISM_INFO>(
      "C_GetMechanismInfo", [&](auto* p) { return p11->C_GetMechanismInfo(slot, CKM_SHA256, p); });
  const auto session = result<CK_SESSION_HANDLE>("C_OpenSession", [&](auto* p) {
    return p11->C_OpenSession(slot, CKF_SERIAL_SESSION, nullptr, nullptr, p);
  });
  (void)result<CK_SESSION_INFO>("C_GetSessionInfo",
                                [&](auto* p) { return p11->C_GetSessionInfo(session, p); });
  attributes(session);
  (void)done("C_FindObjectsInit", p11->C_FindObjectsInit(session, nullptr, 0));
  Guarded found(3 * sizeof(CK_OBJECT_HANDLE)), count(sizeof(CK_ULONG));
  CK_RV rv = done("C_FindObjects", p11->C_FindObjects(session, found.as<CK_OBJECT_HANDLE>(), 3,
                                                      count.as<CK_ULONG>()));
  found.check("C_FindObjects");
  count.check("C_FindObjects");
  if (rv == CKR_OK && *count.as<CK_ULONG>() > 3) broken("C_FindObjects", "more than asked");
  CK_BYTE text[3] = {'a', 'b', 'c'};
  sized("C_Digest", 20, 1,
        [&](CK_BYTE* p, CK_ULONG* n) { return p11->C_Digest(session, text, 3, p, n); });
  Guarded random(33);
  (void)done("C_GenerateRandom", p11->C_GenerateRandom(session, random.as<CK_BYTE>(), 33));
  random.check("C_GenerateRandom");
  (void)done("C_Finalize", p11->C_Finalize(nullptr));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  void* module = ::dlopen(argv[1], RTLD_NOW);
  auto get = module == nullptr
                 ? nullptr
                 : reinterpret_cast<CK_C_GetFunctionList>(::dlsym(module, "C_GetFunctionList"));
  if (get == nullptr || get(&p11) != CKR_OK) broken("dlopen", "no module");
  const int rounds = std::atoi(argv[2]);
  for (int i = 0; i < rounds; i++) round();
  std::printf("%u calls succeeded, %u failed\n", succeeded, failed);
  return 0;
}
