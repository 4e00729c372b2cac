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
 * Memory that holds secrets: left out of core dumps, and locked where the limit allows.
 * One file per system implements it: os_linux_memory.cc.
 *
 * A lock that is refused is not an error, and no caller warns of each: it is counted.
 */
#pragma once
#include <cstddef>
#include <cstdint>

namespace mp11::os {

size_t page_size();

/* Zeroed private pages, not dumped, locked as far as possible; nullptr when there is no memory. */
void* map_secret(size_t size);
/*
 * Makes such memory larger without a copy, perhaps at another address; the new part is zero.
 * nullptr if that cannot be, as when the limit of locked memory is in the way: nothing changed.
 */
void* grow_secret(void* data, size_t old_size, size_t size);
/* Gives back whole pages from map_secret, all or the last ones. The caller has wiped them. */
void unmap_secret(void* data, size_t size);

/* Keeps what is there, and what comes to be there, in memory. False, and counted, if refused. */
bool lock_memory(void* data, size_t size);
/*
 * The same for bulk data: of the process's limit it takes half at most, so that enough is left for
 * PINs and keys. Give the memory back with unlock_bulk before it is unmapped.
 */
bool lock_bulk(void* data, size_t size);
void unlock_bulk(void* data, size_t size);

/*
 * Gives shared pages back to the system, for both sides; they read as zero again. `locked`: they
 * are locked here, and shall be again. The other side's lock is no hindrance.
 */
void discard_shared(void* data, size_t size, bool locked);

/* How many locks of this process were refused so far. */
uint64_t lock_refusals();

}  // namespace mp11::os
