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
/* Packing of templates and mechanisms; used by marshal.cc only. */
#pragma once
#include "call_rec.h"
#include "cryptoki.h"
#include "marshal.h"
#include "packing.h"

namespace mp11 {

/* The next handle of a record; false when there is no room. */
bool put_handle(CallRec* rec, uint64_t handle);

/* True for a value that is an array of attributes, by its type and a length that fits. */
bool is_nested(const CK_ATTRIBUTE& attribute);

/*
 * Template in: u8 present, u64 count, and when present for each attribute
 *   u64 type, u64 ulValueLen, u8 shape, then  0 NULL: nothing  1: the octets  2: u64 count of
 * nested attributes and these  3: nothing, and the library gets a zeroed block of ulValueLen to
 * judge. An attribute whose value is an array of attributes has shape 0, 2, or, where its length
 * fits no such array, 3; one of an unknown type with CKF_ARRAY_ATTRIBUTE has 0 or 3. Depth and
 * counts as in limits.h.
 */
CK_RV pack_template(const CK_ATTRIBUTE* attributes, CK_ULONG count, PackWriter* out);
bool unpack_template(PackReader* in, CallArena* arena, Word words[2]);
/* The same within a parameter. *room: octets that it may still have allocated for nothing. */
bool unpack_template(PackReader* in, CallArena* arena, uint64_t* room, Word words[2]);

/*
 * Template of C_GetAttributeValue: the same, where shape 1 says that there is room of ulValueLen
 * and no octets follow. The reply: u64 count, for each u64 type, u64 ulValueLen, u8 shape 0, 1 or 2
 * as above with the value. pack_query_reply is false when the library cannot be believed.
 */
CK_RV pack_query(const CK_ATTRIBUTE* attributes, CK_ULONG count, PackWriter* out);
bool unpack_query(PackReader* in, CallArena* arena, Word words[2]);
/* Where a buffer is offered for an array that nobody here knows: what it holds is not told. */
bool asks_for_unknown_array(const CK_ATTRIBUTE* attributes, CK_ULONG count);
bool pack_query_reply(const CK_ATTRIBUTE* attributes, CK_ULONG count, CK_RV rv, PackWriter* out);
bool unpack_query_reply(PackReader* in, CK_RV rv, CK_ATTRIBUTE* attributes, CK_ULONG count);

/*
 * Mechanism: u8 form; but for 0, u64 type and
 *   0 the mechanism is NULL   1 the parameter is NULL: u64 length   2 octets   3 number: u64
 *   4 handle: u8 index   5 structure: u64 length, members   6 no known form: u64 length, and the
 * library gets a zeroed block of that length to judge.
 * Members, in order: number u64; octet u8; array raw; octets and text u8 present and, if so, u64 n
 * and n octets, or for octets that are only written u64 room; room of a buffer u8 present, u64;
 * handle u8 index in the record, none for one that is written; pointer to that u8 present; pointer
 * u8 present and the members; structures u8 present, u64 count and the members of each; template
 * and mechanism as above; value u8 1 for NULL, or its form 2 to 5 and what follows that.
 */
CK_RV pack_mechanism(const CK_MECHANISM* mechanism, CallRec* rec, PackWriter* out);
/* next_handle: index of the record's next handle, counted on. */
bool unpack_mechanism(PackReader* in, const CallRec& rec, unsigned* next_handle, CallArena* arena,
                      Word* word);

/*
 * What the parameter gives back, in a reply: of members that are written, in order, number u64;
 * octet u8; room u8 present, u64; octets u8 present (with CKR_OK) and u64 n, n octets. Handles,
 * with CKR_OK, go to the list, but for those whose pointer is NULL. Nothing where the parameter has
 * no outputs. False: the library claims more than it had room for, or the reply does not fit the
 * parameter.
 */
bool pack_mechanism_outputs(const CK_MECHANISM* mechanism, CK_RV rv, std::vector<uint64_t>* list,
                            PackWriter* out);
bool unpack_mechanism_outputs(PackReader* in, bool ok, const std::vector<uint64_t>& list,
                              size_t* list_used, const CK_MECHANISM* mechanism);

}  // namespace mp11
