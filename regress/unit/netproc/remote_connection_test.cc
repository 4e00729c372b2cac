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
 * RemoteConnection, in a thread, between an application and a server that the test is. If these
 * failed, one call too large for the server would cost an application its connection, and all its
 * sessions.
 */
#include "remote_connection.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <thread>

#include "token_stream.h"

using namespace mp11;

namespace {

constexpr uint64_t kMs = 1000000;

std::pair<UniqueFd, UniqueFd> pair_of(int type) {
  int fds[2];
  BOOST_REQUIRE(::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds) == 0);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

/* Tokens are what is in them. */
struct Bare : Wrapping {
  bool wrap_token(std::span<const uint8_t> message, std::vector<uint8_t>* out) override {
    out->insert(out->end(), message.begin(), message.end());
    return true;
  }
  const char* unwrap_token(std::span<const uint8_t> token, SecureBuffer* message) override {
    message->append(token.data(), token.size());
    return nullptr;
  }
};

class Remote {
 public:
  explicit Remote(Encoding encoding) {
    codec_start();
    auto [ours, theirs] = pair_of(SOCK_SEQPACKET);
    auto [server, socket] = pair_of(SOCK_STREAM);
    server_ = std::move(server);
    auto channel = Channel::create(std::move(ours));
    BOOST_REQUIRE(channel.ok());
    application_ = std::move(*channel);
    auto joined = Channel::join(std::move(theirs), 5000);
    BOOST_REQUIRE(joined.ok());
    thread_ =
        std::thread([encoding, channel = std::move(*joined), socket = std::move(socket)]() mutable {
          Message first;
          if (channel->receive(&first, 0) != ChannelStatus::kOk) return;
          auto stream = std::make_unique<TokenStream>(std::move(socket));
          stream->begin(std::make_unique<Bare>());
          auto connection =
              std::make_unique<RemoteConnection>(channel.get(), std::move(stream), encoding, -1);
          connection->run(&first);
        });
  }
  ~Remote() {
    application_.reset();
    thread_.join();
  }

  void call(FunctionNumber function, std::initializer_list<Word> arguments) {
    Words words;
    std::copy(arguments.begin(), arguments.end(), words.w);
    Message message;
    BOOST_REQUIRE(pack_call(*function_row(function), words, &message) == CKR_OK);
    message.rec.id = ++id_;
    BOOST_REQUIRE(
        (application_->send(message, Waiter::now_ns() + 10000 * kMs) == ChannelStatus::kOk));
  }
  /* Of the last call; none within that time. */
  std::optional<CK_RV> reply(uint64_t ms) {
    Message message;
    if (application_->receive(&message, Waiter::now_ns() + ms * kMs) != ChannelStatus::kOk)
      return std::nullopt;
    BOOST_TEST(message.rec.id == id_);
    return static_cast<CK_RV>(message.rec.rv);
  }
  /* Whether the server has been sent something. */
  bool sent(int ms) {
    pollfd wait{server_.get(), POLLIN, 0};
    return ::poll(&wait, 1, ms) == 1;
  }

 private:
  UniqueFd server_;
  std::unique_ptr<Channel> application_;
  uint64_t id_ = 0;
  std::thread thread_;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(remote_connection)

/* Octets are twice as many in text, and the server takes no message above limits::kMessage. */
BOOST_AUTO_TEST_CASE(a_call_that_is_too_large_as_text) {
  std::vector<uint8_t> data(9u << 20);
  static_assert((9u << 20) < limits::kMessage && 2 * (9u << 20) > limits::kMessage);
  const Word octets = reinterpret_cast<Word>(data.data());
  for (const Encoding encoding : {Encoding::kXer, Encoding::kJer}) {
    Remote text(encoding);
    text.call(kC_DigestUpdate, {1, octets, data.size()});
    BOOST_TEST((text.reply(20000) == CK_RV{CKR_HOST_MEMORY}));
    BOOST_TEST(!text.sent(0)); /* and the connection is as good as before */
    text.call(kC_DigestUpdate, {1, octets, data.size() / 4});
    BOOST_TEST(text.sent(20000));
  }
  Remote der(Encoding::kDer);
  der.call(kC_DigestUpdate, {1, octets, data.size()});
  BOOST_TEST(der.sent(20000));
  BOOST_TEST(!der.reply(100).has_value());
}

BOOST_AUTO_TEST_SUITE_END()
