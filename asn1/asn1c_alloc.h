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
 * Included by force before every C file that asn1c wrote (and by nothing else): its allocations go
 * to asn1c_memory.cc. asn1c has macros for them, which cannot be set from outside; so its header
 * comes first here, and then ours in their place.
 */
#ifndef MP11_ASN1C_ALLOC_H
#define MP11_ASN1C_ALLOC_H
#include <asn_internal.h>

__attribute__((visibility("hidden"))) void* mp11_asn1c_malloc(size_t size);
__attribute__((visibility("hidden"))) void* mp11_asn1c_calloc(size_t count, size_t size);
__attribute__((visibility("hidden"))) void* mp11_asn1c_realloc(void* old, size_t size);
__attribute__((visibility("hidden"))) void mp11_asn1c_free(void* old);

#undef MALLOC
#undef CALLOC
#undef REALLOC
#undef FREEMEM
#define MALLOC(size) mp11_asn1c_malloc(size)
#define CALLOC(count, size) mp11_asn1c_calloc(count, size)
#define REALLOC(old, size) mp11_asn1c_realloc(old, size)
#define FREEMEM(old) mp11_asn1c_free(old)

#endif
