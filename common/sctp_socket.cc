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
#include "sctp_socket.h"

#include <netinet/in.h>
#include <netinet/sctp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace mp11 {
namespace {

/* The standard's least is a second, for which everything waits when a buffer is overrun. */
constexpr uint32_t kRtoFirstMs = 50, kRtoLeastMs = 20, kRtoMostMs = 1000;
/* Below kRtoLeastMs: what is answered late must not look lost. */
constexpr uint32_t kSackDelayMs = 10;
/*
 * A peer that is gone without a word is noticed after about three minutes, as with TCP, and within
 * half a minute when something was sent to it: so many times in a row it did not answer.
 */
constexpr uint32_t kHeartbeatMs = 5000;
constexpr uint16_t kSilences = 30;
/*
 * The kernel takes twice as much for the sender's. Sent and not acknowledged are then less than 128
 * KiB and one token, below the 208 KiB that a receiver has without a privilege; and less than 256
 * tokens, as each counts for 512 octets at least: SequenceWindow has room for 1024.
 */
constexpr int kSendBuffer = 64 << 10;
/* Of the kernel's memory, twice as much for each connection, and a stranger can fill it. */
constexpr int kReceiveBuffer = 512 << 10;

template <class T>
void set(int fd, int level, int name, const T& value) {
  (void)::setsockopt(fd, level, name, &value, sizeof value);
}

}  // namespace

void prepare_sctp(int fd, bool privileged) {
  set(fd, IPPROTO_SCTP, SCTP_NODELAY, int{1});
  sctp_rtoinfo rto{};
  rto.srto_initial = kRtoFirstMs;
  rto.srto_min = kRtoLeastMs;
  rto.srto_max = kRtoMostMs;
  set(fd, IPPROTO_SCTP, SCTP_RTOINFO, rto);
  sctp_sack_info sack{};
  sack.sack_delay = kSackDelayMs;
  set(fd, IPPROTO_SCTP, SCTP_DELAYED_SACK, sack);
  sctp_assocparams association{};
  association.sasoc_asocmaxrxt = kSilences;
  set(fd, IPPROTO_SCTP, SCTP_ASSOCINFO, association);
  sctp_paddrparams path{};
  path.spp_hbinterval = kHeartbeatMs;
  path.spp_pathmaxrxt = kSilences;
  path.spp_flags = SPP_HB_ENABLE;
  set(fd, IPPROTO_SCTP, SCTP_PEER_ADDR_PARAMS, path);
  sctp_initmsg streams{};
  streams.sinit_num_ostreams = kSctpStreams;
  streams.sinit_max_instreams = kSctpStreams;
  set(fd, IPPROTO_SCTP, SCTP_INITMSG, streams);
  set(fd, SOL_SOCKET, SO_SNDBUF, kSendBuffer);
  set(fd, SOL_SOCKET, SO_RCVBUF, kReceiveBuffer); /* cut to the system's limit */
  if (privileged) set(fd, SOL_SOCKET, SO_RCVBUFFORCE, kReceiveBuffer);
}

bool add_sctp_address(int fd, const sockaddr* address, socklen_t size) {
  return ::setsockopt(fd, IPPROTO_SCTP, SCTP_SOCKOPT_BINDX_ADD, address, size) == 0;
}

bool remove_sctp_address(int fd, const sockaddr* address, socklen_t size) {
  return ::setsockopt(fd, IPPROTO_SCTP, SCTP_SOCKOPT_BINDX_REM, address, size) == 0;
}

uint32_t sctp_streams(int fd) {
  sctp_status status{};
  socklen_t size = sizeof status;
  if (::getsockopt(fd, IPPROTO_SCTP, SCTP_STATUS, &status, &size) != 0) return 1;
  return std::max<uint32_t>(status.sstat_outstrms, 1);
}

bool sctp_is_missing(int error) {
  return error == EPROTONOSUPPORT || error == ESOCKTNOSUPPORT || error == ENOSYS;
}

std::string sctp_advice(int error) {
  /* listen() makes a cookie by HMAC, which is a module of its own in some kernels. */
  if (error == ENOSYS) return "this kernel's SCTP lacks HMAC; load its module hmac (modprobe hmac)";
  return "this kernel has no SCTP; load its module sctp (modprobe sctp), if it has one";
}

}  // namespace mp11
