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

#include "snapshot.h"
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
  explicit Remote(Encoding encoding, bool eager = true) {
    codec_start();
    auto [ours, theirs] = pair_of(SOCK_SEQPACKET);
    auto [server, socket] = pair_of(SOCK_STREAM);
    server_ = std::move(server);
    auto channel = Channel::create(std::move(ours));
    BOOST_REQUIRE(channel.ok());
    application_ = std::move(*channel);
    auto joined = Channel::join(std::move(theirs), 5000);
    BOOST_REQUIRE(joined.ok());
    thread_ = std::thread([encoding, eager, channel = std::move(*joined),
                           socket = std::move(socket)]() mutable {
      Message first;
      if (channel->receive(&first, 0) != ChannelStatus::kOk) return;
      auto stream = std::make_unique<TokenStream>(std::move(socket));
      stream->begin(std::make_unique<Bare>());
      auto connection =
          std::make_unique<RemoteConnection>(channel.get(), std::move(stream), encoding, -1, eager);
      connection->run(&first);
    });
  }
  ~Remote() {
    application_.reset();
    thread_.join();
  }

  void call(FunctionNumber function, std::initializer_list<Word> arguments) {
    words_ = {};
    row_ = function_row(function);
    std::copy(arguments.begin(), arguments.end(), words_.w);
    Message message;
    BOOST_REQUIRE(pack_call(*row_, words_, &message) == CKR_OK);
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
    BOOST_TEST(unpack_reply(*row_, message, words_));
    return static_cast<CK_RV>(message.rec.rv);
  }
  /* Whether the server has been sent something. */
  bool sent(int ms) {
    pollfd wait{server_.get(), POLLIN, 0};
    return ::poll(&wait, 1, ms) == 1;
  }

  /* ---- as the server: all messages are short ---- */

  /* The next call. */
  uint32_t take() {
    uint8_t head[4 + 9];
    read(head, sizeof head);
    std::vector<uint8_t> der(head[7] + head[6] * 256u);
    read(der.data(), der.size());
    arena_.clear();
    BOOST_REQUIRE((decode_message(der, &arena_, &received_) == CodecStatus::kOk));
    BOOST_REQUIRE(received_.call);
    std::copy_n(head + 9, 4, number_);
    return received_.opcode;
  }
  std::optional<Hello> hello() const { return received_.envelope.hello; }
  /* Success of the call that was taken, with such results. */
  template <class Results>
  void give(Results results, const Ahead& ahead = {}, std::optional<Hello> hello = {}) {
    Words words;
    CK_RV rv = CKR_OK;
    SecureBuffer der;
    const FunctionRow& row = *function_row(received_.opcode);
    BOOST_REQUIRE((decode_call(received_, row, &arena_, &words, &rv) == CodecStatus::kOk));
    results(words);
    Envelope envelope;
    envelope.request = received_.envelope.request;
    envelope.hello = hello;
    encode_return(row, words, CKR_OK, envelope, &arena_, &der, &ahead);
    give_octets(der);
  }
  void give_snapshot(const Snapshot& snapshot) {
    SecureBuffer der;
    Envelope envelope;
    envelope.request = received_.envelope.request;
    encode_snapshot(snapshot, envelope, &arena_, &der);
    give_octets(der);
  }
  /* C_Initialize; the server has what we have. A snapshot is asked for behind it. */
  void initialize(const Snapshot* snapshot) {
    call(kC_Initialize, {0});
    BOOST_TEST(take() == uint32_t{kC_Initialize});
    BOOST_TEST(names_extension(hello(), kEagerExtension));
    give([](const Words&) {}, {}, own_hello());
    BOOST_TEST(take() == kSnapshotOpcode); /* without waiting for anything */
    if (snapshot != nullptr) give_snapshot(*snapshot);
    BOOST_TEST((reply(20000) == CK_RV{CKR_OK}));
  }
  void open_session(CK_SESSION_HANDLE handle) {
    CK_SESSION_HANDLE got = 0;
    call(kC_OpenSession, {11, 4, 0, 0, reinterpret_cast<Word>(&got)});
    BOOST_TEST(take() == uint32_t{kC_OpenSession});
    give([handle](const Words& w) { *reinterpret_cast<CK_SESSION_HANDLE*>(w.w[4]) = handle; });
    BOOST_TEST((reply(20000) == CK_RV{CKR_OK}));
    BOOST_TEST(got == handle);
  }

 private:
  void give_octets(const SecureBuffer& der) {
    const size_t size = der.size() + 9;
    std::vector<uint8_t> token = {0, 0, static_cast<uint8_t>(size >> 8),
                                  static_cast<uint8_t>(size)};
    token.insert(token.end(), {0, 0, static_cast<uint8_t>(der.size() >> 8),
                               static_cast<uint8_t>(der.size()), 0});
    token.insert(token.end(), number_, number_ + 4);
    token.insert(token.end(), der.data(), der.data() + der.size());
    BOOST_REQUIRE(::send(server_.get(), token.data(), token.size(), MSG_NOSIGNAL) ==
                  static_cast<ssize_t>(token.size()));
  }
  void read(uint8_t* to, size_t size) {
    for (size_t have = 0; have < size;) {
      BOOST_REQUIRE(sent(20000));
      const ssize_t n = ::recv(server_.get(), to + have, size - have, 0);
      BOOST_REQUIRE(n > 0);
      have += static_cast<size_t>(n);
    }
  }

  CallArena arena_;
  Received received_; /* the call that is taken */
  uint8_t number_[4] = {};
  const FunctionRow* row_ = nullptr; /* the application's */
  Words words_;
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

/* The whole of a search is one call; its end is told, and not waited for. */
BOOST_AUTO_TEST_CASE(a_search_in_one) {
  Remote remote(Encoding::kDer);
  remote.initialize(nullptr);
  remote.open_session(7);
  remote.call(kC_FindObjectsInit, {7, 0, 0});
  BOOST_TEST(remote.take() == uint32_t{kC_FindObjectsInit});
  Ahead ahead;
  ahead.found = ahead.complete = true;
  ahead.handles = {21, 22};
  remote.give([](const Words&) {}, ahead);
  BOOST_TEST((remote.reply(20000) == CK_RV{CKR_OK}));
  CK_OBJECT_HANDLE found[4] = {};
  CK_ULONG count = 0;
  const auto to = reinterpret_cast<Word>(found), number = reinterpret_cast<Word>(&count);
  remote.call(kC_FindObjects, {7, to, 4, number});
  BOOST_TEST((remote.reply(20000) == CK_RV{CKR_OK}));
  BOOST_TEST(count == 2u);
  BOOST_TEST(found[1] == 22u);
  remote.call(kC_FindObjectsFinal, {7});
  BOOST_TEST((remote.reply(20000) == CK_RV{CKR_OK}));
  BOOST_TEST(remote.take() == uint32_t{kC_FindObjectsFinal});
  remote.call(kC_Logout, {7});
  BOOST_TEST(remote.take() == uint32_t{kC_Logout});
  remote.give([](const Words&) {});
  BOOST_TEST((remote.reply(20000) == CK_RV{CKR_OK}));
}

/* A server that gives more handles than there were to be loses the connection. */
BOOST_AUTO_TEST_CASE(more_than_was_asked_for) {
  Remote remote(Encoding::kDer);
  remote.initialize(nullptr);
  remote.open_session(7);
  remote.call(kC_FindObjectsInit, {7, 0, 0});
  remote.take();
  Ahead ahead;
  ahead.found = true;
  ahead.handles.assign(limits::kEagerHandles + 1, 3);
  remote.give([](const Words&) {}, ahead);
  BOOST_TEST(!remote.reply(5000).has_value());
}

BOOST_AUTO_TEST_CASE(slots_of_a_snapshot) {
  Snapshot snapshot;
  snapshot.slots.resize(2);
  snapshot.slots[0].id = 11;
  snapshot.slots[1].id = 12;
  CK_ULONG count = 0;
  const auto number = reinterpret_cast<Word>(&count);
  Remote there(Encoding::kDer);
  there.initialize(&snapshot);
  there.call(kC_GetSlotList, {CK_FALSE, 0, number});
  BOOST_TEST((there.reply(20000) == CK_RV{CKR_OK}));
  BOOST_TEST(count == 2u);
  /* A call waits for one that is on its way. */
  Remote late(Encoding::kDer);
  late.initialize(nullptr);
  late.call(kC_GetSlotList, {CK_FALSE, 0, number});
  BOOST_TEST(!late.reply(100).has_value());
  snapshot.slots.pop_back();
  late.give_snapshot(snapshot);
  BOOST_TEST((late.reply(20000) == CK_RV{CKR_OK}));
  BOOST_TEST(count == 1u);
  /* But not for long. */
  Remote never(Encoding::kDer);
  never.initialize(nullptr);
  never.call(kC_GetSlotList, {CK_FALSE, 0, number});
  BOOST_TEST(!never.reply(300).has_value());
  BOOST_TEST(never.take() == uint32_t{kC_GetSlotList});
  snapshot.slots.push_back(snapshot.slots[0]); /* twice the same: that is none */
  Remote broken(Encoding::kDer);
  broken.initialize(nullptr);
  broken.give_snapshot(snapshot);
  broken.call(kC_GetSlotList, {CK_FALSE, 0, number});
  BOOST_TEST(!broken.reply(5000).has_value());
}

/* eager = no: each call is a call, and the server is told nothing else. */
BOOST_AUTO_TEST_CASE(switched_off) {
  Remote remote(Encoding::kDer, false);
  remote.call(kC_Initialize, {0});
  BOOST_TEST(remote.take() == uint32_t{kC_Initialize});
  BOOST_TEST(remote.hello()->extensions == std::vector<std::string>{kRenewExtension});
  remote.give([](const Words&) {}, {}, own_hello());
  BOOST_TEST((remote.reply(20000) == CK_RV{CKR_OK}));
  BOOST_TEST(!remote.sent(100));
}

BOOST_AUTO_TEST_SUITE_END()
