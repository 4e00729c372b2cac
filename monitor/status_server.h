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
 * The socket where [priv] says how things are: run-directory/status.sock, of `multip11 status`.
 *
 * Whoever connects is given a report and hung up on. What he does not take at once waits for him
 * here, for a while and for few at a time; the others wait in the kernel.
 *
 * Trust: the file's mode is 0600, and the kernel says who has connected: root, or whom the daemon
 * runs as; others get nothing. Nothing that a reader sends is read, and he cannot send more than
 * the kernel takes before it is told that nobody will. One that is slow harms other readers, for
 * limits::kStatusMs, and nobody else.
 */
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "event_loop.h"
#include "result.h"

namespace mp11 {

class StatusServer {
 public:
  using Report = std::function<std::string()>;
  /*
   * Nobody else may run with the path's directory: a socket that lies there is a dead daemon's. The
   * loop must outlive the server, with which the file goes. `report` is called from the loop.
   */
  static Result<std::unique_ptr<StatusServer>> create(EventLoop* loop, const std::string& path,
                                                      Report report);
  ~StatusServer();
  StatusServer(const StatusServer&) = delete;

  size_t readers() const { return readers_.size(); } /* that have not taken all of theirs */

 private:
  struct Reader {
    Watch socket;
    std::string report;
    size_t sent = 0;
    EventLoop::TimerId timer = 0;
  };
  StatusServer(EventLoop* loop, const std::string& path, Report report)
      : loop_(loop), path_(path), report_(std::move(report)) {}
  Status listen();
  void on_listener();
  void serve(UniqueFd socket);
  void on_reader(uint64_t name);
  void end(uint64_t name);
  void pause();

  EventLoop* loop_;
  std::string path_;
  Report report_;
  bool made_ = false; /* the file */
  Watch listener_;
  std::map<uint64_t, Reader> readers_;
  uint64_t next_ = 1;
  EventLoop::TimerId resume_ = 0;
};

}  // namespace mp11
