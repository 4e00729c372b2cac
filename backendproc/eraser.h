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
 * Empties the directory of a token of isolate = token, in a process of its own that runs as the
 * token's own uid and loads no library (erase=yes in the start block).
 *
 * Trust: a library has written there for as long as the token lived, so what lies there is an
 * attacker's: names, symbolic links, depth, modes. Nobody else writes there now: [priv] starts us
 * when no process has that uid and no connection may start one. No symbolic link is followed and no
 * path is put together from what lies there: each entry is removed by its name in the directory
 * that is open. Another file system that is mounted there is not entered. Files are unlinked, not
 * written over.
 */
#pragma once
#include <string>

#include "result.h"

namespace mp11 {

/*
 * Removes all that is in the directory, and not the directory itself, which is not ours to remove.
 * What cannot be removed is left, the rest is removed all the same, and the error says how much
 * stays and why. Done again it goes on where it was.
 */
Status erase_directory(const std::string& directory);

}  // namespace mp11
