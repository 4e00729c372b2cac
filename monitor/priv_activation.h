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
 * Listening sockets that whoever starts multip11d has made, as systemd does for a .socket unit
 * (sd_listen_fds(3)): descriptors from 3 on, LISTEN_FDS of them, for the process LISTEN_PID.
 *
 * Trust: who starts us is root, or ourselves where we are unprivileged. A socket is believed to be
 * where the kernel says that it is, and is used for the listener of the configuration that is
 * there.
 */
#pragma once
#include <string>
#include <vector>

#include "result.h"
#include "unique_fd.h"

namespace mp11 {

struct PassedSocket {
  UniqueFd fd;      /* close-on-exec, non-blocking */
  std::string name; /* its FileDescriptorName=, or empty */
};

/*
 * Takes them, and their variables out of the environment; whatever else is open from descriptor 3
 * on is closed. At the start of the program, once.
 */
Result<std::vector<PassedSocket>> take_passed_sockets();

}  // namespace mp11
