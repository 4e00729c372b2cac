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
 * SctpStream over a pair of local sockets that keep messages apart, as SCTP does; sctp_send() and
 * recvmsg() are those of this file, which notes streams and gives messages out in pieces. What a
 * kernel with SCTP makes of it is tried by regress/e2e/sctp.sh.
 * If these failed, a long message would hold up the others, or somebody on the way could change
 * what a message says by changing the order of its parts.
 */
#include "sctp_stream.h"

#include <netinet/sctp.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <map>
#include <set>

using namespace mp11;
using Bytes = std::vector<uint8_t>;

namespace {

struct Sent {
  uint16_t stream;
  bool ordered;
  size_t size;
};
std::vector<Sent> sent;
std::set<int> associations;          /* other sockets are none of our business */
std::map<int, Bytes> begun;          /* by descriptor: what is left of a message */
size_t most_at_once = SIZE_MAX;      /* octets that one recvmsg gives */
constexpr size_t kRoom = 256u << 10; /* for any message here */

}  // namespace

extern "C" int sctp_send(int fd, const void* octets, size_t size, const sctp_sndrcvinfo* info,
                         int flags) {
  const ssize_t n = ::send(fd, octets, size, flags);
  if (n > 0) sent.push_back({info->sinfo_stream, (info->sinfo_flags & SCTP_UNORDERED) == 0, size});
  return static_cast<int>(n);
}

extern "C" ssize_t recvmsg(int fd, msghdr* message, int flags) {
  if (!associations.contains(fd)) return ::syscall(SYS_recvmsg, fd, message, flags);
  Bytes& rest = begun[fd];
  if (rest.empty()) {
    rest.resize(kRoom);
    const ssize_t n = ::recv(fd, rest.data(), rest.size(), flags);
    rest.resize(n > 0 ? static_cast<size_t>(n) : 0);
    if (n <= 0) return n;
  }
  const size_t n = std::min({rest.size(), most_at_once, message->msg_iov->iov_len});
  std::copy_n(rest.begin(), n, static_cast<uint8_t*>(message->msg_iov->iov_base));
  rest.erase(rest.begin(), rest.begin() + static_cast<ptrdiff_t>(n));
  message->msg_flags = rest.empty() ? MSG_EOR : 0;
  return static_cast<ssize_t>(n);
}

namespace {

constexpr uint32_t kStreams = 5;

std::unique_ptr<Wrapping> wrapping(GssRole role) {
  static const uint8_t key[32] = {1, 2, 3, 4, 5, 6, 7, 8};
  auto made = GssWrap::create({role, GssOrder::kWindow, 20, true, 7, 7, key});
  BOOST_REQUIRE(made.ok());
  return std::make_unique<KeyWrapping>(std::move(*made));
}

/* A client's stream, and a server's behind a network that tests may look into. */
struct Ends {
  Ends() {
    int here[2], there[2];
    BOOST_REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, here) == 0);
    BOOST_REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, there) == 0);
    sent.clear();
    begun.clear();
    most_at_once = SIZE_MAX;
    client = std::make_unique<SctpStream>(UniqueFd(here[0]), kStreams);
    from_client = UniqueFd(here[1]);
    to_server = UniqueFd(there[0]);
    server = std::make_unique<SctpStream>(UniqueFd(there[1]), kStreams);
    associations = {here[0], there[1]};
  }
  ~Ends() { associations.clear(); }
  void begin() {
    client->begin(wrapping(GssRole::kInitiator));
    server->begin(wrapping(GssRole::kAcceptor));
  }
  /* Sends a message as net and remote do, and takes its tokens from the network. */
  std::vector<Bytes> tokens(uint32_t number, const Bytes& message) {
    FrameSource source{number, message};
    SecureBuffer frame;
    std::vector<Bytes> all;
    for (bool more = true; more; frame.clear()) {
      more = write_frame(&source, &frame, client->form());
      client->wrap(frame.span());
      client->write();
      while (client->unwritten() == 0) {
        Bytes token(kRoom);
        const ssize_t n = ::recv(from_client.get(), token.data(), token.size(), 0);
        if (n <= 0) break;
        token.resize(static_cast<size_t>(n));
        all.push_back(std::move(token));
      }
    }
    return all;
  }
  void deliver(const Bytes& token) {
    const auto n = static_cast<ssize_t>(token.size());
    BOOST_REQUIRE(::send(to_server.get(), token.data(), token.size(), 0) == n);
    take();
  }
  /* What the server makes of what has come. */
  void take() {
    while (server->read()) {
      while (server->unwrap()) {
        std::span<const uint8_t> input = server->plain();
        const size_t size = input.size();
        uint32_t number = 0;
        SecureBuffer message;
        status = reader.take(&input, &number, &message);
        server->used_plain(size - input.size());
        if (status == FrameStatus::kMessage)
          messages[number].assign(message.data(), message.data() + message.size());
        else if (status != FrameStatus::kMore)
          return;
      }
    }
  }
  std::string reason() const { return server->reason() == nullptr ? "" : server->reason(); }

  std::unique_ptr<SctpStream> client, server;
  UniqueFd from_client, to_server;
  FrameReader reader{FrameLimits{.placed = true}};
  FrameStatus status = FrameStatus::kMore;
  std::map<uint32_t, Bytes> messages;
};

Bytes pattern(size_t size) {
  Bytes octets(size);
  for (size_t i = 0; i < size; i++) octets[i] = static_cast<uint8_t>(i * 31 + i / 251);
  return octets;
}

constexpr size_t kLong = 3 * limits::kSctpFragment + 5; /* four fragments */

}  // namespace

BOOST_AUTO_TEST_SUITE(sctp_stream)

BOOST_AUTO_TEST_CASE(handshake_tokens_have_no_length_and_keep_their_order) {
  Ends ends;
  const Bytes token = pattern(limits::kGssToken);
  BOOST_TEST(!ends.client->put_token({}));
  BOOST_TEST(!ends.client->put_token(pattern(limits::kGssToken + 1)));
  BOOST_REQUIRE(ends.client->put_token(token));
  BOOST_TEST(ends.client->unwritten() == token.size());
  BOOST_TEST(ends.client->write());
  BOOST_TEST(ends.client->unwritten() == 0u);
  Bytes there(kRoom);
  BOOST_TEST(::recv(ends.from_client.get(), there.data(), there.size(), 0) ==
             static_cast<ssize_t>(token.size()));
  BOOST_TEST((sent[0].stream == 0 && sent[0].ordered));
  there.resize(token.size());
  BOOST_REQUIRE(::send(ends.to_server.get(), there.data(), there.size(), 0) > 0);
  most_at_once = 10000;
  BOOST_TEST(ends.server->read());
  BOOST_TEST(ends.server->token(limits::kGssToken).empty()); /* a piece is no token */
  while (ends.server->read()) {
  }
  std::span<const uint8_t> got = ends.server->token(limits::kGssToken);
  BOOST_TEST(Bytes(got.begin(), got.end()) == token);
  ends.server->used_token();
  BOOST_TEST(ends.server->token(limits::kGssToken).empty());
  BOOST_TEST(!ends.server->ended());
}

BOOST_AUTO_TEST_CASE(a_token_has_a_limit) {
  Ends before;
  BOOST_REQUIRE(::send(before.to_server.get(), pattern(limits::kGssToken + 1).data(),
                       limits::kGssToken + 1, 0) > 0);
  BOOST_TEST(before.server->read());
  BOOST_TEST(before.reason() == "a GSS token that is too long");
  Ends after;
  after.begin();
  after.deliver(pattern(limits::kSctpToken + 1));
  BOOST_TEST(after.reason() == "a GSS token that is too long");
}

BOOST_AUTO_TEST_CASE(short_messages_overtake_and_long_ones_have_a_stream) {
  Ends ends;
  ends.begin();
  for (uint32_t number : {8u, 9u}) {
    sent.clear();
    std::vector<Bytes> whole = ends.tokens(number, pattern(limits::kSctpFragment));
    BOOST_REQUIRE(sent.size() == 1u);
    BOOST_TEST((sent[0].stream == 0 && !sent[0].ordered));
    BOOST_TEST(sent[0].size <= limits::kSctpToken);
    sent.clear();
    std::vector<Bytes> parts = ends.tokens(number + 10, pattern(kLong));
    BOOST_REQUIRE(sent.size() == 4u);
    for (const Sent& one : sent) {
      BOOST_TEST(one.stream == 1 + (number + 10) % (kStreams - 1));
      BOOST_TEST(one.ordered);
      BOOST_TEST(one.size <= limits::kSctpToken);
    }
    most_at_once = number == 8 ? SIZE_MAX : 1000;
    /* The short one comes between the long one's fragments. */
    for (size_t i = 0; i < parts.size(); i++) {
      ends.deliver(parts[i]);
      if (i == 1) ends.deliver(whole[0]);
    }
    BOOST_TEST((ends.messages[number] == pattern(limits::kSctpFragment)));
    BOOST_TEST((ends.messages[number + 10] == pattern(kLong)));
  }
  BOOST_TEST(ends.reason() == "");
}

BOOST_AUTO_TEST_CASE(a_peer_with_one_stream_gets_that) {
  Ends ends;
  SctpStream narrow(UniqueFd(::dup(ends.client->fd())), 1);
  narrow.begin(wrapping(GssRole::kInitiator));
  const Bytes message = pattern(kLong);
  FrameSource source{3, message};
  SecureBuffer frame;
  write_frame(&source, &frame, narrow.form());
  narrow.wrap(frame.span());
  BOOST_TEST(narrow.write());
  BOOST_TEST((sent[0].stream == 0 && sent[0].ordered));
}

BOOST_AUTO_TEST_CASE(tokens_in_any_order_and_each_once) {
  Ends ends;
  ends.begin();
  std::vector<Bytes> tokens;
  for (uint32_t number = 0; number < 200; number++)
    tokens.push_back(ends.tokens(number, {0x30, static_cast<uint8_t>(number)})[0]);
  for (size_t i = tokens.size(); i-- > 0;) ends.deliver(tokens[i]);
  BOOST_TEST(ends.reason() == "");
  BOOST_TEST(ends.messages.size() == 200u);
  ends.deliver(tokens[100]);
  BOOST_TEST(ends.reason() == "a replayed GSS token");
}

BOOST_AUTO_TEST_CASE(fragments_that_somebody_put_elsewhere) {
  const struct {
    std::vector<size_t> order;
    FrameStatus status;
  } cases[] = {{{0, 1, 2, 3}, FrameStatus::kMessage},   {{0, 2, 1, 3}, FrameStatus::kMisplaced},
               {{0, 2, 3}, FrameStatus::kMisplaced},    {{1, 2, 3}, FrameStatus::kMisplaced},
               {{0, 1, 3, 2}, FrameStatus::kMisplaced}, {{3}, FrameStatus::kMisplaced}};
  for (const auto& one : cases) {
    Ends ends;
    ends.begin();
    const std::vector<Bytes> tokens = ends.tokens(1, pattern(kLong));
    for (size_t i : one.order) {
      ends.deliver(tokens[i]);
      if (ends.status != FrameStatus::kMore) break;
    }
    BOOST_TEST((ends.status == one.status));
    BOOST_TEST(ends.messages.size() == (one.status == FrameStatus::kMessage ? 1u : 0u));
    BOOST_TEST(ends.reason() == "");
  }
}

/* Two messages of one number, as a peer may have them one after the other: parts do not mix. */
BOOST_AUTO_TEST_CASE(a_part_of_another_message_of_that_number) {
  Ends ends;
  ends.begin();
  const std::vector<Bytes> first = ends.tokens(1, pattern(kLong)), second = ends.tokens(1, {0x30});
  ends.deliver(first[0]);
  ends.deliver(second[0]);
  BOOST_TEST((ends.status == FrameStatus::kMisplaced));
}

BOOST_AUTO_TEST_CASE(a_network_that_takes_no_more) {
  Ends ends;
  ends.begin();
  const Bytes message = pattern(1000);
  FrameSource source;
  SecureBuffer frame;
  for (uint32_t number = 0; number < 2000; number++) {
    source = {number, message};
    write_frame(&source, &frame, ends.client->form());
    ends.client->wrap(frame.span());
    frame.clear();
    ends.client->write();
  }
  BOOST_TEST(ends.client->unwritten() > 0u);
  BOOST_TEST(!ends.client->ended());
  ends.from_client.reset();
  ends.client->write();
  BOOST_TEST(ends.client->ended());
  BOOST_TEST(!ends.client->write());
}

BOOST_AUTO_TEST_SUITE_END()
