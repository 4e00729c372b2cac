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
 * multip11-remote: stands where a backend stands, and passes calls to another multip11d. One
 * process for each (application, server), started by multip11.so as the application's user; or for
 * each (connection, backend), started by [priv] as the backend's, with the keytab of the daemon.
 *
 * Descriptors:
 *   0, 1  /dev/null            3  channel socket to the application, or to the monitor
 *   2     the log, or nothing  4  start block (remote_start.h)
 *   5     a pidfd of the application; or the keytab, closed before the sandbox stands
 *
 * Another process of this program, made before the sandbox, looks for newer tickets of the user
 * (renewer.h): it never has the channel or the connection. Not as a daemon's backend.
 *
 * The sandbox stands before the first octet from the network: it may resolve names, speak TCP and
 * UDP, and read the user's tickets; it cannot see the application's memory nor start a program. As
 * a daemon's backend it has no files but what every user may read, and once it is connected, before
 * the server's first message, nothing at all but its descriptors: no file, no socket, no address.
 */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gss_client.h"
#include "kdh_client.h"
#include "log.h"
#include "os_memfd.h"
#include "os_process.h"
#include "os_sandbox.h"
#include "remote_connection.h"
#include "remote_keytab.h"
#include "remote_start.h"
#include "sctp_socket.h"
#include "sctp_stream.h"
#include "tls_stream.h"
#include "token_stream.h"

namespace mp11 {
namespace {

constexpr int kChannel = 3;
constexpr int kStart = 4;
constexpr int kOwner = 5;
constexpr int kKeytab = 5;
constexpr size_t kLongestStart = 64u << 10;
constexpr uint64_t kSecondNs = 1000000000;
constexpr rlim_t kFiles = 64;
/* libkrb5 writes service tickets into the user's cache. */
constexpr rlim_t kLargestFile = 16u << 20;

RemoteStart read_start() {
  auto block = read_sealed_memfd(kStart, kLongestStart);
  if (!block) fatal("%s", block.error().text.c_str());
  ::close(kStart);
  auto start = parse_remote_start({reinterpret_cast<const char*>(block->data()), block->size()});
  if (!start) fatal("%s", start.error().text.c_str());
  return std::move(*start);
}

void set_environment(const RemoteStart& start) {
  for (const std::string& entry : start.environment) {
    size_t equals = entry.find('=');
    if (::setenv(entry.substr(0, equals).c_str(), entry.c_str() + equals + 1, 1) != 0)
      fatal("environment: '%s' is not NAME=VALUE", entry.c_str());
  }
}

void limit(const RemoteStart& start) {
  SelfLimits self;
  self.files = kFiles;
  if (!start.keytab) self.file_size = kLargestFile;
  if (start.memory_mib != 0 && !kSanitized) self.data = start.memory_mib << 20;
  if (Status status = limit_self(self); !status.ok()) fatal("%s", status.error().text.c_str());
}

void confine(const RemoteStart& start, LandlockSpec files) {
  files.may_be_absent = start.landlock_may_be_absent;
  auto report = landlock_enter(files);
  if (!report) fatal("%s", report.error().text.c_str());
  if (Status status = sandbox_enter(start.keytab ? Program::kUplink : Program::kRemote);
      !status.ok())
    fatal("%s", status.error().text.c_str());
}

/*
 * The process that looks for newer tickets (renewer.h); its end of the socket is the way to end it.
 * None: the connection ends with its ticket.
 */
UniqueFd start_renewals(const RemoteStart& start) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return UniqueFd();
  UniqueFd ours(ends[0]), its(ends[1]);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child != 0) return child > 0 ? std::move(ours) : UniqueFd();
  /* It may wait for a KDC when its parent ends; and it must not look alive to the application. */
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || ::getppid() != parent) ::_exit(1);
  ours.reset();
  ::close(kChannel);
  if (start.owner) ::close(kOwner);
  confine(start, renewal_files());
  serve_renewals(its.get());
  ::_exit(0);
}

/* Everything that needs more than what is open now has been done. */
void close_sandbox(const RemoteStart& start) {
  LandlockSpec nothing;
  nothing.may_be_absent = start.landlock_may_be_absent;
  if (start.keytab)
    if (auto report = landlock_enter(nothing); !report) fatal("%s", report.error().text.c_str());
  if (Status status = sandbox_loaded(); !status.ok()) fatal("%s", status.error().text.c_str());
}

/* Waits for the application's first call; false when it goes instead. */
bool first_call(Channel* channel, bool owned, Message* call) {
  for (;;) {
    ChannelStatus status = channel->try_receive(call);
    if (status != ChannelStatus::kAgain) return status == ChannelStatus::kOk;
    bool armed = channel->arm();
    pollfd fds[2] = {{channel->fd(), POLLIN, 0}, {owned ? kOwner : -1, POLLIN, 0}};
    ::poll(fds, 2, armed ? -1 : 0);
    if (fds[1].revents != 0) return false;
    if (channel->disarm() == ChannelStatus::kClosed && !channel->readable()) return false;
  }
}

/* Answers a call that will never be made. */
void refuse(Channel* channel, const Message& call, uint64_t deadline_ns) {
  Message reply;
  reply.rec.function = call.rec.function;
  reply.rec.flags = kFlagReply;
  reply.rec.id = call.rec.id;
  reply.rec.rv = call.rec.function == kC_Initialize ? CKR_GENERAL_ERROR : CKR_DEVICE_ERROR;
  (void)channel->send(reply, deadline_ns);
}

int left_ms(uint64_t deadline_ns) {
  const uint64_t now = Waiter::now_ns();
  return now < deadline_ns ? static_cast<int>((deadline_ns - now) / 1000000) : 1;
}

/* From the end of the handshake on, tokens change places: then the window is our own. */
Result<std::unique_ptr<PeerStream>> connect_sctp(const RemoteStart& start, UniqueFd socket,
                                                 uint64_t deadline_ns, RenewalBasis* basis) {
  auto context =
      GssClient::connect(socket.get(), TokenForm::kMessages, start.principal, left_ms(deadline_ns));
  if (!context) return context.error();
  *basis = (*context)->basis();
  auto wrapping = (*context)->take_key();
  if (!wrapping) return wrapping.error();
  const uint32_t streams = sctp_streams(socket.get());
  auto stream = std::make_unique<SctpStream>(std::move(socket), streams);
  stream->begin(std::move(*wrapping));
  return std::unique_ptr<PeerStream>(std::move(stream));
}

Result<std::unique_ptr<PeerStream>> connect_gss(const RemoteStart& start, UniqueFd socket,
                                                uint64_t deadline_ns, RenewalBasis* basis) {
  auto wrapping =
      GssClient::connect(socket.get(), TokenForm::kLengths, start.principal, left_ms(deadline_ns));
  if (!wrapping) return wrapping.error();
  *basis = (*wrapping)->basis();
  auto stream = std::make_unique<TokenStream>(std::move(socket));
  stream->begin(std::move(*wrapping));
  return std::unique_ptr<PeerStream>(std::move(stream));
}

/*
 * As the configuration says; without a word of it GSS-API over SCTP, over TCP TLS-KDH, and GSS-API
 * where the server or the ticket is not for that. (Whoever can close our connections can have it
 * so: SECURITY.)
 */
Result<std::unique_ptr<PeerStream>> connect_secured(const RemoteStart& start, UniqueFd socket,
                                                    uint64_t deadline_ns, RenewalBasis* basis) {
  if (start.sctp) return connect_sctp(start, std::move(socket), deadline_ns, basis);
  if (start.security == Security::kGss)
    return connect_gss(start, std::move(socket), deadline_ns, basis);
  auto kdh = kdh_connect(std::move(socket), start.principal, deadline_ns, basis);
  if (kdh || start.security || kdh.error().code != kNotForKdh) return kdh;
  /* Not silently: what is said by GSS-API can be read by who learns the service's key later. */
  log_error("%s: %s; going on by GSS-API (write security = gss, or kdh to have it fail)",
            start.name.c_str(), kdh.error().text.c_str());
  auto again = connect_server(start, deadline_ns);
  if (!again) return again.error();
  return connect_gss(start, std::move(*again), deadline_ns, basis);
}

/* The server first, so that a KDC is not asked for nothing. The tickets end with this function. */
Result<std::unique_ptr<PeerStream>> connect(const RemoteStart& start,
                                            std::unique_ptr<KeytabTickets> tickets,
                                            uint64_t deadline_ns, RenewalBasis* basis) {
  auto socket = connect_server(start, deadline_ns);
  if (!socket) return socket.error();
  if (tickets)
    if (Status got = tickets->get(); !got) return got.error();
  auto stream = connect_secured(start, std::move(*socket), deadline_ns, basis);
  if (!stream && tickets)
    return Error{stream.error().code, "as " + tickets->client() + ": " + stream.error().text};
  return stream;
}

int serve(const RemoteStart& start, std::unique_ptr<KeytabTickets> tickets, UniqueFd helper) {
  auto channel = Channel::join(UniqueFd(kChannel), static_cast<int>(start.deadline_s * 1000));
  if (!channel) fatal("%s", channel.error().text.c_str());
  Message call;
  if (!first_call(channel->get(), start.owner, &call)) return 0;
  uint64_t deadline_ns = Waiter::now_ns() + start.deadline_s * kSecondNs;
  RenewalBasis basis;
  auto connected = connect(start, std::move(tickets), deadline_ns, &basis);
  if (!connected) {
    log_error("%s: %s", start.name.c_str(), connected.error().text.c_str());
    refuse(channel->get(), call, deadline_ns);
    return 1;
  }
  close_sandbox(start);
  /* With a keytab there is nothing to look for: it is gone, and so are file and network. */
  std::unique_ptr<Renewer> renewer;
  if (!start.keytab) renewer = std::make_unique<Renewer>(std::move(basis), std::move(helper));
  auto connection =
      std::make_unique<RemoteConnection>(channel->get(), std::move(*connected), start.encoding,
                                         start.owner ? kOwner : -1, start.eager, renewer.get());
  connection->run(&call);
  const bool failed = connection->reason() != nullptr;
  if (failed) log_error("%s: %s", start.name.c_str(), connection->reason());
  return failed;
}

}  // namespace
}  // namespace mp11

int main() {
  using namespace mp11;
  log_init("multip11-remote", LogLevel::kError, false);
  RemoteStart start = read_start();
  set_environment(start);
  if (::getenv("MULTIP11_DEBUG") != nullptr) log_init("multip11-remote", LogLevel::kDebug, false);
  limit(start); /* not to be looked into, before there is a key */
  std::unique_ptr<KeytabTickets> tickets;
  if (start.keytab) {
    auto read = KeytabTickets::read(kKeytab, start.client);
    if (!read) fatal("%s: %s", start.name.c_str(), read.error().text.c_str());
    tickets = std::move(*read);
  }
  tls_start();
  UniqueFd helper;
  if (!start.keytab) helper = start_renewals(start);
  confine(start, start.keytab ? uplink_files() : remote_files());
  return serve(start, std::move(tickets), std::move(helper));
}
