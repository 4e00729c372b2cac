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
 * Octets handed from one process to another that neither can change any more: sealed memfds.
 * [priv] uses them for keytab, master key and start blocks, which its children could not open.
 *
 * Trust: the reader believes nothing about a descriptor that it was given. It checks that the
 * content is sealed, so that what was checked is what is used, and takes no more than it asked for.
 */
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "result.h"
#include "secure_buffer.h"
#include "unique_fd.h"

namespace mp11 {

/*
 * A memfd with these octets: size and content sealed, close-on-exec, not executable where the
 * kernel can say so, file offset 0. `name` is seen in /proc only.
 */
Result<UniqueFd> sealed_memfd(const char* name, std::span<const uint8_t> bytes);

/*
 * The same with a copy of a regular file of at most `max` octets, read from its start. Refuses
 * anything but a regular file, and one that grows or shrinks meanwhile.
 */
Result<UniqueFd> sealed_copy(const char* name, int file, size_t max);

/* What a sealed memfd holds. EPERM when a seal is missing, EFBIG when it holds more than `max`. */
Result<SecureBuffer> read_sealed_memfd(int fd, size_t max);

}  // namespace mp11
