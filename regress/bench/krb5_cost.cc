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
 * krb5_cost: what Kerberos alone costs for the octets that calls and replies put on the wire.
 *
 *   krb5_cost ENCTYPE SECONDS
 *
 * Each line of standard input is a name and the tokens of one operation in their order, "> OCTETS"
 * what the client sends and "< OCTETS" what the server answers, as token_relay prints them. For
 * each: the sender wraps and the receiver unwraps a token of that size, with the code and library
 * of multip11-net and a random key. Prints "NAME p50_us"; SECONDS is how long each is measured.
 */
#include <krb5/krb5.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "gss_wrap.h"

using namespace mp11;

namespace {

uint64_t now_ns() {
  timespec t;
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(t.tv_nsec);
}

struct Token {
  bool from_client;
  size_t octets;
};

class Pair {
 public:
  Pair(uint32_t enctype, std::span<const uint8_t> key)
      : client_(make(GssRole::kInitiator, enctype, key)),
        server_(make(GssRole::kAcceptor, enctype, key)) {}

  /* The tokens of one operation, there and back. */
  void pass(const std::vector<Token>& tokens) {
    for (const Token& token : tokens) {
      GssWrap& sender = token.from_client ? client_ : server_;
      GssWrap& receiver = token.from_client ? server_ : client_;
      const size_t octets = token.octets - std::min(token.octets, sender.overhead());
      wrapped_.clear();
      if (message_.size() < octets) message_.resize(octets);
      if (!sender.wrap({message_.data(), octets}, &wrapped_) ||
          receiver.unwrap(wrapped_, &received_) != GssWrap::Unwrapped::kOk)
        std::abort();
    }
  }

 private:
  static GssWrap make(GssRole role, uint32_t enctype, std::span<const uint8_t> key) {
    auto wrap = GssWrap::create({role, GssOrder::kStrict, enctype, true, 0, 0, key});
    if (!wrap) {
      std::fprintf(stderr, "krb5_cost: %s\n", wrap.error().text.c_str());
      std::exit(2);
    }
    return std::move(*wrap);
  }

  GssWrap client_, server_;
  std::vector<uint8_t> message_, wrapped_;
  SecureBuffer received_;
};

std::vector<uint8_t> random_key(uint32_t enctype) {
  krb5_keyblock block{};
  krb5_context context = nullptr;
  if (krb5_init_context(&context) != 0 ||
      krb5_c_make_random_key(context, static_cast<krb5_enctype>(enctype), &block) != 0) {
    std::fprintf(stderr, "krb5_cost: no key of encryption type %u\n", enctype);
    std::exit(2);
  }
  std::vector<uint8_t> key(block.contents, block.contents + block.length);
  krb5_free_keyblock_contents(context, &block);
  krb5_free_context(context);
  return key;
}

double median_us(Pair* pair, const std::vector<Token>& tokens, double seconds) {
  std::vector<uint64_t> ns;
  for (int i = 0; i < 20; i++) pair->pass(tokens);
  const uint64_t end = now_ns() + static_cast<uint64_t>(seconds * 1e9);
  for (uint64_t last = now_ns(); last < end || ns.empty();) {
    pair->pass(tokens);
    const uint64_t now = now_ns();
    ns.push_back(now - last);
    last = now;
  }
  std::nth_element(ns.begin(), ns.begin() + static_cast<ptrdiff_t>(ns.size() / 2), ns.end());
  return static_cast<double>(ns[ns.size() / 2]) / 1e3;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: krb5_cost ENCTYPE SECONDS\n");
    return 2;
  }
  const auto enctype = static_cast<uint32_t>(std::atol(argv[1]));
  Pair pair(enctype, random_key(enctype));
  char text[65536];
  while (std::fgets(text, sizeof text, stdin) != nullptr) {
    std::istringstream line(text);
    std::string name;
    line >> name;
    std::vector<Token> tokens;
    char sign = 0;
    size_t octets = 0;
    while (line >> sign >> octets) tokens.push_back({sign == '>', octets});
    if (tokens.empty()) continue;
    std::printf("%s %.2f\n", name.c_str(), median_us(&pair, tokens, std::atof(argv[2])));
    std::fflush(stdout);
  }
}
