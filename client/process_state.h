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
 * Whether this process has called C_Initialize, and what stands behind it. All of it is on one page
 * that the kernel wipes in a child made by fork (MADV_WIPEONFORK): the child finds nothing
 * initialised, whatever locks were held and whatever threads were inside in the parent. It never
 * touches what the parent had; that memory is lost to it.
 *
 * Trust: any thread of the application may call anything at any time.
 */
#pragma once
#include "cryptoki.h"

namespace mp11::client {

class LibraryMode;

/*
 * Brackets C_Initialize. begin: CKR_OK, and every other C_Initialize waits until end; or
 * CKR_CRYPTOKI_ALREADY_INITIALIZED, or CKR_HOST_MEMORY, and no end. application: what calls go to
 * from now on; nullptr when C_Initialize failed.
 */
CK_RV begin_initialize();
void end_initialize(LibraryMode* application);

/*
 * Brackets C_Finalize. begin: what C_Initialize made, and from now on enter() fails; or nullptr
 * when there is nothing. cancel: it goes on as if nothing had happened. end: waits until every
 * thread is out; then the caller frees the application. Then C_Initialize is possible again.
 */
LibraryMode* begin_finalize();
void cancel_finalize();
void wait_until_empty();
void end_finalize();

/* Brackets every other call. nullptr: not initialised, and no leave(). */
LibraryMode* enter();
void leave();

/*
 * Sockets to backends. A child that fork leaves with copies of them closes those in its own
 * C_Initialize, so that a backend sees its application's end. (Helpers watch the application's
 * process as well.)
 */
void note_socket(int fd);
void forget_socket(int fd);

}  // namespace mp11::client
