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
 * A client that renews what it should not: it connects as honest ones do, by the client's own
 * code, and then sends AP-REQs of every kind. For renew.sh.
 *
 *   renew_driver PORT SERVICE kdh|gss CASE [CACHE]
 *
 * The connection is made with $KRB5CCNAME, the AP-REQs with the tickets in CACHE. Prints a word for
 * each answer, or `failure N` for a message that was not taken, and last `lives` if the connection
 * still takes calls.
 */
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "auth_kdh.h"
#include "channel.h"
#include "codec_renew.h"
#include "gss_client.h"
#include "kdh_client.h"
#include "service_ticket.h"
#include "tls_stream.h"
#include "token_stream.h"
#include "wire_client.h"

namespace mp11 {
namespace {

using test::Bytes;

constexpr unsigned kGapS = limits::kRenewalGapMs / 1000 + 1;
constexpr uint64_t kPatienceNs = 30 * uint64_t{1000000000};

class Connection {
 public:
  Connection(uint16_t port, const std::string& service, bool kdh) {
    test::Target target;
    target.port = port;
    UniqueFd socket = test::dial(target);
    if (kdh) {
      auto made = kdh_connect(std::move(socket), service, Waiter::now_ns() + kPatienceNs, &basis);
      NEED(made.ok(), "%s", made.error().text.c_str());
      stream_ = std::move(*made);
      return;
    }
    auto context = GssClient::connect(socket.get(), TokenForm::kLengths, service, 30000);
    NEED(context.ok(), "%s", context.error().text.c_str());
    basis = (*context)->basis();
    auto stream = std::make_unique<TokenStream>(std::move(socket));
    stream->begin(std::move(*context));
    stream_ = std::move(stream);
  }

  /* Any call; with a hello if that is wanted. */
  CK_RV call(bool hello) {
    static const FunctionRow* const row = function_row(kC_CloseSession);
    Words words;
    words.w[0] = 1;
    Envelope envelope;
    if (hello) envelope.hello = own_hello();
    SecureBuffer der;
    CallArena arena;
    NEED(encode_call(*row, words, envelope, &arena, &der) == CKR_OK, "call");
    const Bytes answer = exchange(der);
    Received received;
    CK_RV rv = 0;
    NEED(decode_message(answer, &arena, &received) == CodecStatus::kOk &&
             decode_return(received, *row, words, &arena, &rv) == CodecStatus::kOk,
         "return");
    return rv;
  }
  std::string renew(const Bytes& ap_req) {
    SecureBuffer der;
    CallArena arena;
    NEED(encode_renew_call(ap_req, {}, &arena, &der), "renewal");
    const Bytes answer = exchange(der);
    Received received;
    CK_RV rv = 0;
    uint64_t expires_s = 0;
    NEED(decode_message(answer, &arena, &received) == CodecStatus::kOk &&
             decode_renew_return(received, &arena, &rv, &expires_s),
         "return");
    if (received.envelope.failure)
      return "failure " + std::to_string(received.envelope.failure->reason);
    switch (rv) {
      case CKR_OK:
        return "renewed";
      case CKR_FUNCTION_REJECTED:
        return "rejected";
      case CKR_FUNCTION_FAILED:
        return "later";
      case CKR_DEVICE_REMOVED:
        return "never";
      default:
        return std::to_string(rv);
    }
  }

  RenewalBasis basis;

 private:
  Bytes exchange(const SecureBuffer& der) {
    stream_->wrap(der.span());
    Bytes answer;
    size_t total = 0;
    const uint64_t until = Waiter::now_ns() + kPatienceNs;
    for (;;) {
      stream_->write();
      while (stream_->unwrap()) {
        const auto plain = stream_->plain();
        answer.insert(answer.end(), plain.begin(), plain.end());
        stream_->used_plain(plain.size());
      }
      if (!answer.empty() && der_frame(answer, limits::kMessage, &total) == DerFrame::kKnown &&
          answer.size() >= total)
        return answer;
      NEED(!stream_->ended(), "%s", stream_->reason());
      NEED(Waiter::now_ns() < until, "no answer");
      pollfd wait{stream_->fd(), POLLIN, 0};
      ::poll(&wait, 1, 1000);
      if (wait.revents != 0) stream_->read();
    }
  }

  std::unique_ptr<PeerStream> stream_;
};

Bytes ap_req_over(const std::string& service, const std::vector<uint8_t>& checksummed) {
  ServiceTicket ticket;
  Status got = ticket.get(service);
  NEED(got.ok(), "%s", got.error().text.c_str());
  Bytes out;
  krb5_keyblock* subkey = nullptr;
  NEED(ticket.make_ap_req(checksummed, &out, &subkey) == 0, "AP-REQ");
  krb5_free_keyblock(ticket.context(), subkey);
  return out;
}

void say(const std::string& word) { std::printf("%s ", word.c_str()); }

int run(int argc, char** argv) {
  NEED(argc >= 5, "usage: renew_driver PORT SERVICE kdh|gss CASE [CACHE]");
  const auto port = static_cast<uint16_t>(std::atoi(argv[1]));
  const std::string service = argv[2], kind = argv[4];
  const bool kdh = std::string(argv[3]) == "kdh";
  codec_start();
  tls_start();
  Connection first(port, service, kdh), second(port, service, kdh);
  if (argc > 5) ::setenv("KRB5CCNAME", argv[5], 1);
  const auto fresh = [&] { return ap_req_over(service, renewal_checksummed(first.basis.binding)); };

  if (kind == "before-hello") {
    ::sleep(kGapS);
    say(first.renew(fresh()));
  }
  (void)first.call(true);
  if (kind == "too-soon") say(first.renew(fresh()));
  ::sleep(kGapS);
  if (kind == "fresh") { /* of this user, or of another; of tickets that last longer, or do not */
    say(first.renew(fresh()));
  } else if (kind == "used-again") {
    const Bytes one = fresh();
    say(first.renew(one));
    ::sleep(kGapS);
    say(first.renew(one));
  } else if (kind == "other-connection") {
    say(first.renew(ap_req_over(service, renewal_checksummed(second.basis.binding))));
  } else if (kind == "for-a-handshake") {
    uint8_t random[kKdhRandom] = {};
    std::copy_n(first.basis.binding.begin(), sizeof random, random);
    say(first.renew(ap_req_over(service, kdh_checksummed(random))));
  } else if (kind == "garbage") {
    const Bytes good = fresh();
    std::vector<Bytes> all = {{0}, Bytes(60000, 0x6e), {good.begin(), good.end() - 1}, good};
    all.back()[good.size() / 2] ^= 1;
    for (const Bytes& one : all) say(first.renew(one));
  } else if (kind == "flood") {
    for (uint32_t i = 0; i < limits::kWrongRenewals + 2; i++) say(first.renew({0x6e, 0}));
    say(first.renew(fresh())); /* a good one is not looked at either */
  }
  (void)first.call(false);
  std::printf("lives\n");
  std::fflush(stdout);
  if (kind == "fresh") ::sleep(3); /* the client is told sooner than its monitor */
  return 0;
}

}  // namespace
}  // namespace mp11

int main(int argc, char** argv) { return mp11::run(argc, argv); }
