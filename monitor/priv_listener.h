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
 * A place where clients connect: an address of TCP or SCTP, or a socket file. [priv] binds, or
 * was given the socket, accepts and looks at who calls; it never reads an octet of a client.
 *
 * Trust: a stale socket file of ours is removed, anything else in its place is not. The file's
 * directory must be one that nobody else can write to.
 */
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "config.h"
#include "priv_activation.h"
#include "records.h"
#include "result.h"
#include "unique_fd.h"

namespace mp11 {

/* A client that has just been accepted. */
struct Caller {
  UniqueFd socket;      /* non-blocking, close-on-exec */
  std::string source;   /* whom it counts as, for limits: address, IPv6 /64, uid, or listener */
  std::string peer;     /* for the log */
  uint32_t streams = 0; /* SCTP: for what is sent; 0: no SCTP */
  Verdict verdict{};    /* local listeners only: who it is */
};

class Listener {
 public:
  /* nullptr: one that is optional, and of which the kernel has nothing; the log says so. */
  static Result<std::unique_ptr<Listener>> bind(const ListenerConfig& config);
  /*
   * The one of `passed` that is where the listener is, which is taken out of it; nullptr when there
   * is none. Its file, if it is local, is whoever made it's: owner and mode stay, and it is never
   * removed. An error says what is wrong with a socket that is at the right place.
   */
  static Result<std::unique_ptr<Listener>> take(const ListenerConfig& config,
                                                std::vector<PassedSocket>* passed);
  ~Listener();
  Listener(const Listener&) = delete;

  int fd() const { return fd_.get(); }
  const ListenerConfig& config() const { return config_; }
  /* True when both are the same place, so that the socket can stay. */
  bool same_place(const ListenerConfig& other) const;
  /* Takes over all else of a listener at the same place. After an error it is what it was, but for
   * further addresses that have changed already. */
  Status adopt(const ListenerConfig& config);

  /* Code EAGAIN: nobody is there. Other errors concern this caller, or the limit of descriptors. */
  Result<Caller> accept();

 private:
  Listener(const ListenerConfig& config, UniqueFd fd, bool passed)
      : config_(config), fd_(std::move(fd)), passed_(passed) {}
  Status change_further(const std::vector<std::string>& wanted);
  bool set_sctp_address(bool there, const std::string& text) const;
  Result<Caller> network_caller(UniqueFd socket);
  Result<Caller> local_caller(UniqueFd socket);
  ListenerConfig config_;
  UniqueFd fd_;
  bool passed_;
};

/* Where a socket is, for a text: of an error, about one that no listener is for. */
std::string place_of(const PassedSocket& socket);

}  // namespace mp11
