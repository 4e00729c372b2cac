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
 * NetConnection and its texts: in a thread, with the test in the places of auth, of the client and
 * of its monitor. If these failed, a client that speaks XER or JER and reads no answers would have
 * more memory than others, or none after a while.
 */
#include "net_connection.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstring>
#include <thread>

#include "codec_renew.h"
#include "gss_frames.h"
#include "gss_wrap.h"
#include "record_io.h"
#include "security.h"
#include "snapshot.h"

using namespace mp11;

namespace {

using Bytes = std::vector<uint8_t>;

constexpr int kPatienceMs = 20000;
constexpr uint64_t kMs = 1000000;

std::pair<UniqueFd, UniqueFd> pair_of(int type) {
  int fds[2];
  BOOST_REQUIRE(::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds) == 0);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

GssDone key_of_context() {
  GssDone done = make_record<GssDone>(RecordType::kGssDone);
  done.enctype = 18;
  done.key_size = 32;
  done.send_sequence = 5;
  done.receive_sequence = 9;
  for (size_t i = 0; i < done.key_size; i++) done.key[i] = static_cast<uint8_t>(i * 7);
  return done;
}

GssWrap wrap_of_client(const GssDone& done) {
  auto made = GssWrap::create({GssRole::kInitiator,
                               GssOrder::kStrict,
                               done.enctype,
                               false,
                               done.receive_sequence,
                               done.send_sequence,
                               {done.key, done.key_size}});
  BOOST_REQUIRE(made.ok());
  return std::move(*made);
}

/* One client that is authenticated, and what stands behind its net. */
class Net {
 public:
  explicit Net(uint32_t idle_timeout_s = 0) : wrap_(wrap_of_client(key_of_context())) {
    codec_start();
    auto [client, nets_client] = pair_of(SOCK_STREAM);
    auto [monitor, nets_monitor] = pair_of(SOCK_SEQPACKET);
    auto [auth, nets_auth] = pair_of(SOCK_SEQPACKET);
    NetStart start = make_record<NetStart>(RecordType::kNetStart);
    start.encodings = kAllEncodings;
    start.security = kAllSecurity;
    start.idle_timeout_s = idle_timeout_s;
    auto connection = std::make_unique<NetConnection>(
        start, std::move(nets_client), std::move(nets_monitor), std::move(nets_auth));
    thread_ = std::thread([connection = std::move(connection)] { connection->run(); });
    client_ = std::move(client);
    const uint8_t first[] = {0, 0, 0, 1, 0x60}; /* auth makes of it what it likes */
    BOOST_REQUIRE(::send(client_.get(), first, sizeof first, 0) == sizeof first);
    RecordBuffer token;
    pollfd wait{auth.get(), POLLIN, 0};
    BOOST_REQUIRE(::poll(&wait, 1, kPatienceMs) == 1);
    BOOST_REQUIRE((token.receive(auth.get(), false) == RecordStatus::kOk));
    BOOST_REQUIRE((send_record(auth.get(), key_of_context()) == RecordStatus::kOk));
    auth_ = std::move(auth);
    auto channel = Channel::create(std::move(monitor));
    BOOST_REQUIRE(channel.ok());
    monitor_ = std::move(*channel);
  }
  ~Net() {
    client_.reset();
    thread_.join();
  }

  void send(const Bytes& plain) {
    Bytes token(kGssLength);
    BOOST_REQUIRE(wrap_.wrap(plain, &token));
    put_gss_length(token.size() - kGssLength, token.data());
    BOOST_REQUIRE(::send(client_.get(), token.data(), token.size(), MSG_NOSIGNAL) ==
                  static_cast<ssize_t>(token.size()));
  }
  /* Until something of an answer is there, which is not read. */
  void wait_for_answer() {
    pollfd wait{client_.get(), POLLIN, 0};
    BOOST_REQUIRE(::poll(&wait, 1, kPatienceMs) == 1);
  }
  /* Up to that octet, or to the end of the connection; or one token. */
  Bytes read_to(std::optional<uint8_t> last, bool one = false) {
    Bytes plain;
    while (one ? plain.empty() : !last || plain.empty() || plain.back() != *last) {
      uint8_t head[kGssLength];
      if (!read(head, sizeof head)) break;
      Bytes token(head[1] * 65536u + head[2] * 256u + head[3]);
      if (!read(token.data(), token.size())) break;
      SecureBuffer piece;
      BOOST_REQUIRE((wrap_.unwrap(token, &piece) == GssWrap::Unwrapped::kOk));
      plain.insert(plain.end(), piece.data(), piece.data() + piece.size());
    }
    return plain;
  }

  Bytes read_token() { return read_to(std::nullopt, true); }

  /* Whether a call comes to the monitor within that time. */
  bool arrives(uint64_t ms = kPatienceMs) {
    return monitor_->receive(&call_, Waiter::now_ns() + ms * kMs) == ChannelStatus::kOk;
  }
  uint32_t called() const { return call_.rec.function; }
  /* What auth is asked; empty: nothing, within that time. */
  Bytes asked(int ms = kPatienceMs) {
    pollfd wait{auth_.get(), POLLIN, 0};
    if (::poll(&wait, 1, ms) != 1) return {};
    RecordBuffer record;
    BOOST_REQUIRE((record.receive(auth_.get(), false) == RecordStatus::kOk));
    std::span<const uint8_t> ap_req;
    BOOST_REQUIRE(record.with_tail<ConnectionToken>(RecordType::kRenew, &ap_req) != nullptr);
    return Bytes(ap_req.begin(), ap_req.end());
  }
  void auth_says(RenewalAnswer what, uint64_t expires_s) {
    Renewed renewed = make_record<Renewed>(RecordType::kRenewed);
    renewed.answer = what;
    renewed.expires_s = expires_s;
    BOOST_REQUIRE((send_record(auth_.get(), renewed) == RecordStatus::kOk));
  }
  void auth_goes() { auth_.reset(); }
  /* One token with a whole message of DER. */
  Bytes next() {
    uint8_t head[kGssLength];
    BOOST_REQUIRE(read(head, sizeof head));
    Bytes token(head[1] * 65536u + head[2] * 256u + head[3]);
    BOOST_REQUIRE(read(token.data(), token.size()));
    SecureBuffer piece;
    BOOST_REQUIRE((wrap_.unwrap(token, &piece) == GssWrap::Unwrapped::kOk));
    return Bytes(piece.data(), piece.data() + piece.size());
  }

  /*
   * The last call that has come succeeds, with the memory that it brought as its result; or returns
   * so, with what `results` makes of it.
   */
  void answer() {
    answer(CKR_OK, [](const Words&) {});
  }
  template <class Results>
  void answer(CK_RV rv, Results results) {
    const FunctionRow* row = function_row(call_.rec.function);
    CallArena arena;
    Words words;
    Message reply;
    BOOST_REQUIRE((row != nullptr && unpack_call(*row, call_, &arena, &words)));
    results(words);
    pack_reply(*row, words, rv, &reply);
    reply.rec.id = call_.rec.id;
    BOOST_REQUIRE(
        (monitor_->send(reply, Waiter::now_ns() + kPatienceMs * kMs) == ChannelStatus::kOk));
  }

 private:
  bool read(uint8_t* to, size_t size) {
    for (size_t have = 0; have < size;) {
      pollfd wait{client_.get(), POLLIN, 0};
      BOOST_REQUIRE(::poll(&wait, 1, kPatienceMs) == 1);
      const ssize_t n = ::recv(client_.get(), to + have, size - have, 0);
      if (n <= 0) return false;
      have += static_cast<size_t>(n);
    }
    return true;
  }

  GssWrap wrap_;
  UniqueFd client_, auth_;
  std::unique_ptr<Channel> monitor_;
  Message call_;
  std::thread thread_;
};

Bytes der_of(FunctionNumber function, std::initializer_list<Word> arguments,
             std::optional<Hello> hello = {}, uint32_t eager = 0) {
  Words words;
  std::copy(arguments.begin(), arguments.end(), words.w);
  Envelope envelope;
  envelope.request = id_of_number(1);
  envelope.hello = hello;
  CallArena arena;
  SecureBuffer der;
  BOOST_REQUIRE(encode_call(*function_row(function), words, envelope, &arena, &der, eager) ==
                CKR_OK);
  return Bytes(der.data(), der.data() + der.size());
}

/* A return of one token, and what it is of. */
struct Returned {
  explicit Returned(const Bytes& octets) : der(octets) {
    BOOST_REQUIRE((decode_message(der, &arena, &received) == CodecStatus::kOk));
  }
  Bytes der;
  CallArena arena;
  Received received;
};

/* C_FindObjectsInit; the library then has three objects. */
Ahead search(Net* net, std::optional<Hello> hello, uint32_t eager) {
  static const Words words = {{7, 0, 0}};
  net->send(der_of(kC_FindObjectsInit, {7, 0, 0}, hello, eager));
  CK_OBJECT_HANDLE next = 50;
  BOOST_REQUIRE(net->arrives());
  do {
    net->answer(CKR_OK, [&next](const Words& w) {
      if (w.w[3] == 0) return;
      CK_ULONG count = 0;
      for (; count < w.w[2] && next < 53; count++)
        reinterpret_cast<CK_OBJECT_HANDLE*>(w.w[1])[count] = next++;
      *reinterpret_cast<CK_ULONG*>(w.w[3]) = count;
    });
  } while (net->arrives(300));
  Returned returned(net->read_token());
  Ahead ahead;
  ahead.eager = eager;
  CK_RV rv = CKR_GENERAL_ERROR;
  BOOST_REQUIRE((decode_return(returned.received, kFunctionTable[kC_FindObjectsInit], words,
                               &returned.arena, &rv, &ahead) == CodecStatus::kOk));
  BOOST_TEST(rv == CKR_OK);
  return ahead;
}

/* With a hello that names the extension, or another. */
Bytes first_call(const char* extension) {
  static CK_ULONG count;
  Words words;
  words.w[0] = CK_TRUE;
  words.w[2] = reinterpret_cast<Word>(&count);
  Envelope envelope;
  envelope.hello = own_hello();
  envelope.hello->extensions = {extension};
  CallArena arena;
  SecureBuffer der;
  BOOST_REQUIRE(encode_call(*function_row(kC_GetSlotList), words, envelope, &arena, &der) ==
                CKR_OK);
  return Bytes(der.data(), der.data() + der.size());
}

Bytes renewal(const Bytes& ap_req) {
  Envelope envelope;
  envelope.request = id_of_number(7);
  CallArena arena;
  SecureBuffer der;
  BOOST_REQUIRE(encode_renew_call(ap_req, envelope, &arena, &der));
  return Bytes(der.data(), der.data() + der.size());
}

/* Of a renewal, its return; failures of other kinds as ~0. */
struct Answer {
  explicit Answer(const Bytes& der) {
    CallArena arena;
    Received received;
    BOOST_REQUIRE((decode_message(der, &arena, &received) == CodecStatus::kOk));
    if (received.envelope.failure) reason = static_cast<int>(received.envelope.failure->reason);
    BOOST_REQUIRE(decode_renew_return(received, &arena, &rv, &expires_s));
  }
  CK_RV rv = 0;
  uint64_t expires_s = 0;
  int reason = -1; /* of a failure */
};

Bytes text_of(Encoding encoding, const Bytes& der) {
  CallArena arena;
  SecureBuffer text;
  BOOST_REQUIRE(der_to_text(encoding, der, &arena, &text));
  return Bytes(text.data(), text.data() + text.size());
}

Bytes slot_call() {
  static CK_ULONG count;
  return der_of(kC_GetSlotList, {CK_TRUE, 0, reinterpret_cast<Word>(&count)});
}

}  // namespace

BOOST_AUTO_TEST_SUITE(net_connection)

/*
 * An answer counts as long as it is not read, and with what its text takes: twice what it is in
 * DER, for which two such calls could wait. When it has been read it counts no more.
 */
BOOST_AUTO_TEST_CASE(answers_in_text_count) {
  constexpr size_t kLarge = 12u << 20;
  static_assert(2 * kLarge < limits::kPendingOctets && 3 * kLarge > limits::kPendingOctets);
  Bytes random(kLarge);
  const Bytes large =
      der_of(kC_GenerateRandom, {1, reinterpret_cast<Word>(random.data()), random.size()});
  Net net;
  for (const Encoding encoding : {Encoding::kXer, Encoding::kJer}) {
    net.send(text_of(encoding, large));
    BOOST_REQUIRE(net.arrives());
    net.answer();
    net.wait_for_answer();
    net.send(text_of(encoding, slot_call()));
    BOOST_TEST(!net.arrives(300));
    BOOST_TEST(net.read_to('\n').size() > 2 * kLarge);
    BOOST_REQUIRE(net.arrives());
    net.answer();
    BOOST_TEST(net.read_to('\n').size() < 4096u);
  }
}

/* Whoever has sent a line sends lines. The tag of each opcode in DER is a line's end: none is
 * whole, and it is said why. */
BOOST_AUTO_TEST_CASE(der_among_lines) {
  Net net;
  net.send(text_of(Encoding::kXer, slot_call()));
  BOOST_REQUIRE(net.arrives());
  net.answer();
  (void)net.read_to('\n');
  net.send(der_of(kC_CloseSession, {1}));
  BOOST_TEST(!net.arrives(300));
  const Bytes answer = net.read_to(std::nullopt); /* and then it is closed */
  CallArena arena;
  Received received;
  BOOST_REQUIRE((decode_message(answer, &arena, &received) == CodecStatus::kOk));
  BOOST_REQUIRE(received.envelope.failure.has_value());
  BOOST_TEST(received.envelope.failure->detail == "a line that is no text");
}

/* Handles come with a search for a client that has named the extension, and asks for them. */
BOOST_AUTO_TEST_CASE(a_search_in_one) {
  Hello old = own_hello();
  old.extensions.clear();
  Net mute, knows_none, knows;
  BOOST_TEST(!search(&mute, std::nullopt, 10).found);
  BOOST_TEST(!search(&knows_none, old, 10).found);
  BOOST_TEST(!search(&knows, own_hello(), 0).found);
  const Ahead two = search(&knows, std::nullopt, 2), all = search(&knows, std::nullopt, 0xffffffff);
  BOOST_TEST(two.handles == (std::vector<CK_OBJECT_HANDLE>{50, 51}),
             boost::test_tools::per_element());
  BOOST_TEST(!two.complete);
  BOOST_TEST(all.handles.size() == 3u);
  BOOST_TEST(all.complete);
}

/* What follows C_FindObjectsFinal in its session waits for it, and nothing else does. */
BOOST_AUTO_TEST_CASE(the_end_of_a_search) {
  Net net, other;
  net.send(der_of(kC_FindObjectsFinal, {7}, own_hello()));
  net.send(der_of(kC_SeedRandom, {7, 0, 0}));
  BOOST_REQUIRE(net.arrives());
  BOOST_TEST(net.called() == uint32_t{kC_FindObjectsFinal});
  BOOST_TEST(!net.arrives(200));
  net.answer();
  BOOST_REQUIRE(net.arrives());
  BOOST_TEST(net.called() == uint32_t{kC_SeedRandom});

  other.send(der_of(kC_FindObjectsFinal, {7}, own_hello()));
  other.send(der_of(kC_SeedRandom, {7, 0, 0}));
  other.send(der_of(kC_FindObjectsFinal, {8}));
  BOOST_REQUIRE(other.arrives());
  BOOST_REQUIRE(other.arrives());
  BOOST_TEST(other.called() == uint32_t{kC_FindObjectsFinal});
}

/* A snapshot waits for C_Initialize; a second one meanwhile is too much; and who has not named it
 * has no such call. */
BOOST_AUTO_TEST_CASE(snapshots) {
  CallArena arena;
  SecureBuffer der;
  encode_snapshot_call(Envelope{}, &arena, &der);
  const Bytes call(der.data(), der.data() + der.size());
  Net stranger, net;
  stranger.send(call);
  Returned refused(stranger.read_token());
  BOOST_REQUIRE(refused.received.envelope.failure.has_value());
  BOOST_TEST(refused.received.envelope.failure->reason == 2u); /* opcode */

  net.send(der_of(kC_Initialize, {0}, own_hello()));
  net.send(call);
  net.send(call);
  BOOST_REQUIRE(net.arrives());
  BOOST_TEST(net.called() == uint32_t{kC_Initialize});
  Returned second(net.read_token());
  BOOST_REQUIRE(second.received.envelope.failure.has_value());
  BOOST_TEST(second.received.envelope.failure->reason == 4u); /* busy */
  net.answer();
  Returned initialized(net.read_token());
  BOOST_TEST(initialized.received.opcode == uint32_t{kC_Initialize});
  std::vector<uint32_t> asked;
  for (int i = 0; i < 5; i++) {
    BOOST_REQUIRE(net.arrives());
    asked.push_back(net.called());
    net.answer(CKR_OK, [&](const Words& w) {
      if (net.called() == kC_GetSlotInfo && i == 2)
        reinterpret_cast<CK_SLOT_INFO*>(w.w[1])->flags = CKF_TOKEN_PRESENT;
      if (net.called() != kC_GetSlotList) return;
      reinterpret_cast<CK_ULONG*>(w.w[1])[0] = 11;
      reinterpret_cast<CK_ULONG*>(w.w[1])[1] = 12;
      *reinterpret_cast<CK_ULONG*>(w.w[2]) = 2;
    });
  }
  BOOST_TEST(asked == (std::vector<uint32_t>{kC_GetInfo, kC_GetSlotList, kC_GetSlotInfo,
                                             kC_GetTokenInfo, kC_GetSlotInfo}),
             boost::test_tools::per_element());
  Returned taken(net.read_token());
  Snapshot snapshot;
  BOOST_REQUIRE((decode_snapshot(taken.received, &taken.arena, &snapshot) == CodecStatus::kOk));
  BOOST_REQUIRE(snapshot.slots.size() == 2u);
  BOOST_TEST(snapshot.slots[0].id == 11u);
  BOOST_TEST(snapshot.slots[0].token.has_value());
  BOOST_TEST(snapshot.slots[0].mechanisms.empty()); /* which would make a token on demand */
  BOOST_TEST(!snapshot.slots[1].token.has_value());

  net.send(call); /* of a library that has gone */
  BOOST_REQUIRE(net.arrives());
  net.answer(CKR_CRYPTOKI_NOT_INITIALIZED, [](const Words&) {});
  Returned none(net.read_token());
  BOOST_TEST((decode_snapshot(none.received, &none.arena, &snapshot) == CodecStatus::kAnswer));
}

/* ---- a fresh ticket */

const Bytes kApReq = {0x6e, 1, 2, 3};

BOOST_AUTO_TEST_CASE(renewals_are_for_who_has_named_them) {
  Net net;
  net.send(renewal(kApReq));
  BOOST_TEST(Answer(net.next()).reason == static_cast<int>(FailureReason::kOpcode));
  net.send(first_call("other"));
  BOOST_REQUIRE(net.arrives());
  net.answer();
  (void)net.next();
  net.send(renewal(kApReq));
  BOOST_TEST(Answer(net.next()).reason == static_cast<int>(FailureReason::kOpcode));
  BOOST_TEST(net.asked(100).empty());
}

BOOST_AUTO_TEST_CASE(auth_decides_on_a_renewal) {
  Net net;
  net.send(first_call(kRenewExtension));
  BOOST_REQUIRE(net.arrives());
  net.answer();
  (void)net.next();
  for (const auto& [what, rv] : {std::pair{kRenewalDone, CKR_OK},
                                 {kRenewalRefused, CKR_FUNCTION_REJECTED},
                                 {kRenewalTryAgain, CKR_FUNCTION_FAILED}}) {
    net.send(renewal(kApReq));
    BOOST_TEST((net.asked() == kApReq));
    net.send(slot_call()); /* which waits for nothing */
    BOOST_REQUIRE(net.arrives());
    net.answer();
    (void)net.next();
    net.auth_says(what, 1234);
    const Answer answer(net.next());
    BOOST_TEST(answer.rv == static_cast<CK_RV>(rv));
    if (rv == CKR_OK) BOOST_TEST(answer.expires_s == 1234u);
  }
}

BOOST_AUTO_TEST_CASE(one_renewal_at_a_time) {
  Net net;
  net.send(first_call(kRenewExtension));
  BOOST_REQUIRE(net.arrives());
  net.answer();
  (void)net.next();
  net.send(renewal(kApReq));
  BOOST_TEST((net.asked() == kApReq));
  net.send(renewal(kApReq));
  BOOST_TEST(Answer(net.next()).rv == CKR_OPERATION_ACTIVE);
  BOOST_TEST(net.asked(100).empty());
  net.auth_goes();
  BOOST_TEST(Answer(net.next()).rv == CKR_DEVICE_REMOVED);
  net.send(renewal(kApReq)); /* and from then on */
  BOOST_TEST(Answer(net.next()).rv == CKR_DEVICE_REMOVED);
  net.send(slot_call());
  BOOST_TEST(net.arrives()); /* nothing else has changed */
  net.answer();
  (void)net.next();
}

BOOST_AUTO_TEST_CASE(ap_reqs_of_no_size) {
  Net net;
  net.send(first_call(kRenewExtension));
  BOOST_REQUIRE(net.arrives());
  net.answer();
  (void)net.next();
  for (const size_t size : {size_t{0}, size_t{65001}}) {
    net.send(renewal(Bytes(size)));
    BOOST_TEST(Answer(net.next()).rv == CKR_FUNCTION_REJECTED);
  }
  BOOST_TEST(net.asked(100).empty());
}

/* Who only renews his ticket is idle. */
BOOST_AUTO_TEST_CASE(renewals_are_no_use_of_a_connection) {
  Net net(2);
  net.send(first_call(kRenewExtension));
  BOOST_REQUIRE(net.arrives());
  net.answer();
  (void)net.next();
  ::usleep(1'200'000);
  net.send(renewal(kApReq));
  BOOST_TEST((net.asked() == kApReq));
  net.auth_says(kRenewalDone, 1234);
  (void)net.next();
  net.send(renewal({})); /* nor who is refused at once */
  (void)net.next();
  const uint64_t began = Waiter::now_ns();
  BOOST_TEST(net.read_to(std::nullopt).empty());
  BOOST_TEST(Waiter::now_ns() - began < 1'500'000'000u);
}

BOOST_AUTO_TEST_SUITE_END()
