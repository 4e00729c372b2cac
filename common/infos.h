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
 * The info structures of PKCS #11 in packed form: members in order, octets as they are, numbers as
 * u64. One list of members serves writing and reading.
 */
#pragma once
#include "cryptoki.h"
#include "marshal.h"
#include "packing.h"

namespace mp11 {

/* Text in a field of an info: padded with blanks, cut at the field's end. */
inline void pad_text(CK_UTF8CHAR* field, size_t size, const char* text) {
  size_t length = std::strlen(text);
  std::memset(field, ' ', size);
  std::memcpy(field, text, length < size ? length : size);
}

class InfoWriter {
 public:
  explicit InfoWriter(PackWriter* out) : out_(out) {}
  template <size_t N>
  void octets(const CK_BYTE (&field)[N]) {
    out_->raw(field, N);
  }
  void number(CK_ULONG value) { out_->u64(wide(value)); }
  void version(const CK_VERSION& v) {
    out_->u8(v.major);
    out_->u8(v.minor);
  }

 private:
  PackWriter* out_;
};

class InfoReader {
 public:
  explicit InfoReader(PackReader* in) : in_(in) {}
  template <size_t N>
  void octets(CK_BYTE (&field)[N]) {
    const uint8_t* p = in_->raw(N);
    if (p != nullptr) std::memcpy(field, p, N);
  }
  void number(CK_ULONG& value) {
    if (!narrow_ulong(in_->u64(), &value)) in_->fail();
  }
  void version(CK_VERSION& v) {
    v.major = in_->u8();
    v.minor = in_->u8();
  }

 private:
  PackReader* in_;
};

template <class V, class I>
void visit_info(V& v, I& i) requires requires {
  i.libraryDescription;
}
{
  v.version(i.cryptokiVersion);
  v.octets(i.manufacturerID);
  v.number(i.flags);
  v.octets(i.libraryDescription);
  v.version(i.libraryVersion);
}

template <class V, class I>
void visit_info(V& v, I& i) requires requires {
  i.slotDescription;
}
{
  v.octets(i.slotDescription);
  v.octets(i.manufacturerID);
  v.number(i.flags);
  v.version(i.hardwareVersion);
  v.version(i.firmwareVersion);
}

template <class V, class I>
void visit_info(V& v, I& i) requires requires {
  i.utcTime;
}
{
  v.octets(i.label);
  v.octets(i.manufacturerID);
  v.octets(i.model);
  v.octets(i.serialNumber);
  v.number(i.flags);
  v.number(i.ulMaxSessionCount);
  v.number(i.ulSessionCount);
  v.number(i.ulMaxRwSessionCount);
  v.number(i.ulRwSessionCount);
  v.number(i.ulMaxPinLen);
  v.number(i.ulMinPinLen);
  v.number(i.ulTotalPublicMemory);
  v.number(i.ulFreePublicMemory);
  v.number(i.ulTotalPrivateMemory);
  v.number(i.ulFreePrivateMemory);
  v.version(i.hardwareVersion);
  v.version(i.firmwareVersion);
  v.octets(i.utcTime);
}

template <class V, class I>
void visit_info(V& v, I& i) requires requires {
  i.ulDeviceError;
}
{
  v.number(i.slotID);
  v.number(i.state);
  v.number(i.flags);
  v.number(i.ulDeviceError);
}

template <class V, class I>
void visit_info(V& v, I& i) requires requires {
  i.ulMinKeySize;
}
{
  v.number(i.ulMinKeySize);
  v.number(i.ulMaxKeySize);
  v.number(i.flags);
}

}  // namespace mp11
