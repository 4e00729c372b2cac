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
 * multip11-net: one process for each connection from the network. Sees the client's octets, before
 * it is known who sends them and afterwards, and little else.
 *
 * Descriptors, as [priv] places them:
 *   0, 1  /dev/null     2  to multip11-log     3  socket to [priv]
 * and by one message on 3, after which 3 is closed: the client's connection, the channel socket to
 * its monitor, the socket to multip11-auth.
 *
 * Runs as the nets' uid without a capability, in an empty network namespace, without files: the
 * connection that it was given is the only one it will ever have.
 */
#include <poll.h>

#include "net_connection.h"
#include "process_start.h"
#include "tls_stream.h"

namespace mp11 {
namespace {

constexpr int kControl = 3;
constexpr rlim_t kFiles = 16;

/* Waits in the pool, if need be for long, until [priv] gives it a connection. */
void serve(UniqueFd control) {
  for (;;) {
    pollfd wait{control.get(), POLLIN, 0};
    ::poll(&wait, 1, -1);
    RecordBuffer record;
    RecordStatus status = record.receive(control.get(), true);
    if (status == RecordStatus::kAgain) continue;
    if (status != RecordStatus::kOk) return;
    const auto* start = record.as<NetStart>(RecordType::kNetStart);
    if (start == nullptr || record.fds().size() != 3 || !text_ends(start->peer))
      fatal("[priv] sent no connection");
    control.reset();
    auto connection = std::make_unique<NetConnection>(
        *start, std::move(record.fds()[0]), std::move(record.fds()[1]), std::move(record.fds()[2]));
    connection->run();
    return;
  }
}

}  // namespace
}  // namespace mp11

int main(int argc, char** argv) {
  using namespace mp11;
  ProcessStart start = process_start("multip11-net", argc, argv);
  codec_start();
  tls_start();
  SelfLimits self;
  self.files = kFiles;
  limit_program(Program::kNet, start, self, {});
  serve(UniqueFd(kControl));
  return 0;
}
