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
 * multip11-monitor: one process for each connection. Holds one client's NAT map and portfolio, and
 * stands between that client's front and its backends.
 *
 * Descriptors, as [priv] places them:
 *   0, 1  /dev/null     2  to multip11-log     3  socket to [priv]
 * and later by message: the front's channel socket, the socket to the vault, for each backend its
 * channel socket and lock file. The segments are made here.
 *
 * Runs as the monitors' uid without a capability, in an empty network namespace, without files.
 */
#include <poll.h>

#include "connection.h"
#include "process_start.h"

namespace mp11 {
namespace {

constexpr int kControl = 3;
/* Socket and lock file of as many backends as one connection may have, and some. */
constexpr rlim_t kFiles = 2 * limits::kBackends + 32;
/* The kernel counts a segment as a file: the arena, the rings and a page. */
constexpr rlim_t kLargestSegment = limits::kArena + (1u << 20);

/* Waits in the pool, if need be for long, until [priv] gives it a connection. */
void serve(UniqueFd control) {
  for (;;) {
    pollfd wait{control.get(), POLLIN, 0};
    ::poll(&wait, 1, -1);
    RecordBuffer record;
    RecordStatus status = record.receive(control.get(), true);
    if (status == RecordStatus::kAgain) continue;
    if (status != RecordStatus::kOk || record.as<RecordHead>(RecordType::kStop) != nullptr) return;
    const auto* start = record.as<MonitorStart>(RecordType::kMonitorStart);
    if (start == nullptr || record.fds().size() != 2 || !text_ends(start->peer))
      fatal("[priv] sent no connection");
    Connection connection(std::move(control), *start, std::move(record.fds()[0]),
                          std::move(record.fds()[1]));
    connection.run();
    return;
  }
}

}  // namespace
}  // namespace mp11

int main(int argc, char** argv) {
  using namespace mp11;
  ProcessStart start = process_start("multip11-monitor", argc, argv);
  SelfLimits self;
  self.files = kFiles;
  self.file_size = kLargestSegment;
  limit_program(Program::kMonitor, start, self, {});
  serve(UniqueFd(kControl));
  return 0;
}
