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
/* The table of attribute types, from p11_attributes.def. */
#pragma once
#include <cstdint>

#include "cryptoki.h"

namespace mp11 {

enum class AttrKind : uint8_t {
  kBytes,      /* octets; also every type without a row */
  kUlong,      /* one CK_ULONG */
  kBool,       /* one CK_BBOOL */
  kUtf8,       /* text */
  kBigInteger, /* octets, most significant first */
  kDate,       /* CK_DATE, or empty */
  kTemplate,   /* an array of CK_ATTRIBUTE */
  kUlongs,     /* an array of CK_ULONG */
};

AttrKind attribute_kind(CK_ATTRIBUTE_TYPE type);
/* "CKA_LABEL", or nullptr without a row. */
const char* attribute_name(CK_ATTRIBUTE_TYPE type);
/* An array of a kind that the table does not know, a vendor's say: it may hold pointers. */
bool is_unknown_array(CK_ATTRIBUTE_TYPE type);
/*
 * Whether a buffer for a value of the one type may be read as one of the other: octets that are
 * read as attributes are pointers of whoever wrote them.
 */
bool same_pointers(CK_ATTRIBUTE_TYPE one, CK_ATTRIBUTE_TYPE other);

}  // namespace mp11
