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
/* If these fail, a ClientHello that TLS-KDH forbids reaches OpenSSL's handshake. */
#include "kdh_hello.h"

#include <boost/test/unit_test.hpp>
#include <vector>

#include "kdh.h"

using Bytes = std::vector<uint8_t>;

namespace {

void put_size(size_t size, Bytes* out) {
  out->push_back(static_cast<uint8_t>(size >> 8));
  out->push_back(static_cast<uint8_t>(size));
}

struct Identity {
  Bytes octets;
  uint32_t age = 0;
};

/* pre_shared_key as RFC 8446 section 4.2.11 has it. */
Bytes extension(const std::vector<Identity>& identities, const std::vector<Bytes>& binders) {
  Bytes first, second, out;
  for (const Identity& identity : identities) {
    put_size(identity.octets.size(), &first);
    first.insert(first.end(), identity.octets.begin(), identity.octets.end());
    for (int shift = 24; shift >= 0; shift -= 8)
      first.push_back(static_cast<uint8_t>(identity.age >> shift));
  }
  for (const Bytes& binder : binders) {
    second.push_back(static_cast<uint8_t>(binder.size()));
    second.insert(second.end(), binder.begin(), binder.end());
  }
  put_size(first.size(), &out);
  out.insert(out.end(), first.begin(), first.end());
  put_size(second.size(), &out);
  out.insert(out.end(), second.begin(), second.end());
  return out;
}

const Bytes kApReq = {0x6e, 1, 2, 3};
const Bytes kBinder = Bytes(mp11::kKdhPsk, 7);

}  // namespace

BOOST_AUTO_TEST_SUITE(kdh_hello)

BOOST_AUTO_TEST_CASE(the_one_identity_is_found) {
  const Bytes good = extension({{kApReq}}, {kBinder});
  const auto found = mp11::only_identity(good);
  BOOST_REQUIRE(found.has_value());
  BOOST_CHECK(Bytes(found->begin(), found->end()) == kApReq);
  const Bytes largest = extension({{Bytes(mp11::kKdhIdentity, 0x6e)}}, {kBinder});
  BOOST_REQUIRE(mp11::only_identity(largest).has_value());
  BOOST_CHECK_EQUAL(mp11::only_identity(largest)->size(), mp11::kKdhIdentity);
}

BOOST_AUTO_TEST_CASE(what_is_not_exactly_one_ap_req_is_refused) {
  const Bytes bad[] = {
      {},
      {0},
      {0, 0},
      {0, 0, 0, 0},
      extension({}, {}),
      extension({{{}}}, {kBinder}),
      extension({{kApReq}, {kApReq}}, {kBinder, kBinder}),
      extension({{kApReq, 1}}, {kBinder}),
      extension({{kApReq, 0x80000000}}, {kBinder}),
      extension({{kApReq}}, {}),
      extension({{kApReq}}, {kBinder, kBinder}),
      extension({{kApReq}}, {Bytes(32, 7)}), /* of SHA-256 */
      extension({{Bytes(mp11::kKdhIdentity + 1, 0x6e)}}, {kBinder}),
  };
  for (size_t i = 0; i < std::size(bad); i++)
    BOOST_CHECK_MESSAGE(!mp11::only_identity(bad[i]).has_value(), "row " << i);
}

BOOST_AUTO_TEST_CASE(no_prefix_and_nothing_behind_is_taken) {
  Bytes good = extension({{kApReq}}, {kBinder});
  for (size_t have = 0; have < good.size(); have++)
    BOOST_CHECK(!mp11::only_identity(std::span(good).first(have)).has_value());
  good.push_back(0);
  BOOST_CHECK(!mp11::only_identity(good).has_value());
}

BOOST_AUTO_TEST_CASE(a_changed_length_is_never_taken_for_another_message) {
  const Bytes good = extension({{kApReq}}, {kBinder});
  /* The lengths: of the identities, of the one, of the binders, of the one. */
  const size_t lengths[] = {
      0, 1, 2, 3, 2 + 2 + kApReq.size() + 4, 2 + 2 + kApReq.size() + 5, 2 + 2 + kApReq.size() + 6};
  for (size_t at : lengths) {
    for (int change = 1; change < 256; change++) {
      Bytes bad = good;
      bad[at] = static_cast<uint8_t>(bad[at] + change);
      BOOST_CHECK_MESSAGE(!mp11::only_identity(bad).has_value(), "octet " << at << " + " << change);
    }
  }
}

BOOST_AUTO_TEST_CASE(only_an_exchange_with_diffie_hellman_will_do) {
  BOOST_CHECK(mp11::offers_dhe(Bytes{1, 1}));
  BOOST_CHECK(mp11::offers_dhe(Bytes{2, 0, 1}));
  BOOST_CHECK(mp11::offers_dhe(Bytes{2, 1, 0}));
  for (const Bytes& bad : {Bytes{}, Bytes{0}, Bytes{1, 0}, Bytes{1}, Bytes{0, 1}, Bytes{2, 1},
                           Bytes{1, 0, 1}, Bytes{3, 0, 1}})
    BOOST_CHECK(!mp11::offers_dhe(bad));
}

BOOST_AUTO_TEST_SUITE_END()
