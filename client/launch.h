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
 * How a backend comes to be: a helper process of ours with a channel to it, or a connection to
 * multip11d's local socket.
 *
 * Called in a thread of the application, with no lock held: it takes milliseconds.
 *
 * Trust: helpers are found in our own directory (MULTIP11_LIBEXEC for tests, by secure_getenv);
 * what they are told comes from the configuration. What runs in them is not believed: that is
 * Channel's and SessionMonitor's matter. At a local socket the owner of the process that listens
 * must be root, the user, or whom the configuration names.
 */
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "channel.h"
#include "client_config.h"
#include "result.h"
#include "unique_fd.h"

namespace mp11::client {

struct Launched {
  std::unique_ptr<Channel> channel;
  UniqueFd pidfd; /* of the helper; none for a local socket */
  UniqueFd said;  /* what it writes to its descriptor 2; none where that is our own */
};

/* Does not wait for a helper to have started; that its library loads is seen by the first call. */
Result<Launched> launch(const BackendConfig& backend);

/* What a helper finds in descriptor 4. */
std::string start_block_text(const BackendConfig& backend);

}  // namespace mp11::client
