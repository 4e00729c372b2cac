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
 * If one of these failed, a peer could hang asn1c, exhaust its memory or its stack, or have the
 * same message mean two things.
 */
#include "der_shape.h"

#include <boost/test/unit_test.hpp>
#include <vector>

#include "mp11_limits.h"

using namespace mp11;
using Bytes = std::vector<uint8_t>;

namespace {

DerError shape(const Bytes& der) { return der_shape(der); }

/* A constructed value of a tag around others. */
Bytes wrap(uint8_t tag, const Bytes& inner) {
  Bytes out = {tag};
  if (inner.size() < 0x80) {
    out.push_back(static_cast<uint8_t>(inner.size()));
  } else {
    int octets = 1;
    while (inner.size() >> (8 * octets)) octets++;
    out.push_back(static_cast<uint8_t>(0x80 | octets));
    for (int i = octets - 1; i >= 0; i--)
      out.push_back(static_cast<uint8_t>(inner.size() >> 8 * i));
  }
  out.insert(out.end(), inner.begin(), inner.end());
  return out;
}

Bytes nested(size_t depth) {
  Bytes der = {0x05, 0x00};
  for (size_t i = 0; i < depth; i++) der = wrap(0x30, der);
  return der;
}

struct Vector {
  DerError error;
  Bytes der;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(shape_of_der)

BOOST_AUTO_TEST_CASE(what_is_der) {
  const Bytes good[] = {
      {0x05, 0x00},
      {0x30, 0x00},
      {0x30, 0x03, 0x02, 0x01, 0x00},
      {0x30, 0x04, 0x02, 0x02, 0x00, 0x80},
      {0x30, 0x03, 0x01, 0x01, 0xff},
      {0x30, 0x03, 0x03, 0x01, 0x00},
      {0x30, 0x04, 0x03, 0x02, 0x03, 0xf8},
      {0xa0, 0x04, 0x61, 0x02, 0x30, 0x00},
      wrap(0x30, wrap(0x04, Bytes(127))),
      wrap(0x30, wrap(0x04, Bytes(128))),
      wrap(0x30, wrap(0x04, Bytes(70000))),
  };
  for (const Bytes& der : good) BOOST_TEST((shape(der) == DerError::kNone));
}

BOOST_AUTO_TEST_CASE(what_is_not) {
  const Vector bad[] = {
      {DerError::kEmpty, {}},
      {DerError::kTruncated, {0x30}},
      {DerError::kTruncated, {0x30, 0x01}},
      {DerError::kTruncated, {0x30, 0x82, 0x01}},
      {DerError::kTruncated, {0x30, 0x03, 0x02, 0x02, 0x01}}, /* child beyond its parent */
      {DerError::kTrailing, {0x30, 0x00, 0x00}},
      {DerError::kTrailing, {0x30, 0x00, 0x30, 0x00}},
      {DerError::kHighTag, {0x3f, 0x00}},
      {DerError::kHighTag, {0xbf, 0x81, 0x01, 0x00}},
      {DerError::kEndOfContents, {0x00, 0x00}},
      {DerError::kEndOfContents, {0x30, 0x02, 0x00, 0x00}},
      {DerError::kForm, {0x24, 0x02, 0x04, 0x00}}, /* constructed OCTET STRING */
      {DerError::kForm, {0x23, 0x03, 0x03, 0x01, 0x00}},
      {DerError::kForm, {0x2c, 0x00}},
      {DerError::kForm, {0x10, 0x00}}, /* primitive SEQUENCE */
      {DerError::kForm, {0x11, 0x00}},
      {DerError::kForm, {0x80, 0x01, 0x55}}, /* a tag of the module's around nothing */
      {DerError::kForm, {0x41, 0x00}},
      {DerError::kForm,
       {0x30, 0x06, 0x80, 0x04, 0xa0, 0x80, 0x05, 0x00}}, /* what asn1c finds there */
      {DerError::kLength, {0x30, 0x80, 0x00, 0x00}},      /* indefinite */
      {DerError::kLength, {0xa0, 0x80, 0x05, 0x00, 0x00, 0x00}},
      {DerError::kLength, {0x30, 0x81, 0x02, 0x05, 0x00}}, /* long form of a short length */
      {DerError::kLength, {0x30, 0x82, 0x00, 0x80}},       /* leading zero */
      {DerError::kLength, {0x30, 0x85, 0x01, 0x00, 0x00, 0x00, 0x00}},
      {DerError::kLength, {0x30, 0xff}},
      {DerError::kTruncated, {0x30, 0x84, 0xff, 0xff, 0xff, 0xff}},
      {DerError::kValue, {0x02, 0x00}},
      {DerError::kValue, {0x02, 0x02, 0x00, 0x7f}},
      {DerError::kValue, {0x02, 0x02, 0xff, 0x80}},
      {DerError::kValue, {0x02, 0x01, 0xff}}, /* negative: asn1c says 255 */
      {DerError::kValue, {0x02, 0x04, 0xff, 0xff, 0xff, 0xff}},
      {DerError::kValue, {0x0a, 0x02, 0x00, 0x01}},
      {DerError::kValue, {0x01, 0x01, 0x01}},
      {DerError::kValue, {0x01, 0x02, 0xff, 0xff}},
      {DerError::kValue, {0x05, 0x01, 0x00}},
      {DerError::kValue, {0x03, 0x00}},
      {DerError::kValue, {0x03, 0x02, 0x08, 0x00}},
      {DerError::kValue, {0x03, 0x01, 0x01}},       /* unused bits of nothing */
      {DerError::kValue, {0x03, 0x02, 0x01, 0x01}}, /* unused bits that are set */
  };
  for (const Vector& v : bad)
    BOOST_TEST((shape(v.der) == v.error),
               "is: " << der_error_text(shape(v.der)) << ", not: " << der_error_text(v.error));
}

/* These eight octets make asn1c 0.9.28 loop for ever: C-Finalize-Call, 00 01 for an end of
 * contents. */
BOOST_AUTO_TEST_CASE(the_eight_octets) {
  BOOST_TEST((shape({0x30, 0x06, 0xa0, 0x80, 0x05, 0x00, 0x00, 0x01}) == DerError::kLength));
}

BOOST_AUTO_TEST_CASE(depth) {
  BOOST_TEST((shape(nested(limits::kDerDepth)) == DerError::kNone));
  BOOST_TEST((shape(nested(limits::kDerDepth + 1)) == DerError::kTooDeep));
  BOOST_TEST((shape(nested(3000)) == DerError::kTooDeep));
}

BOOST_AUTO_TEST_CASE(nodes) {
  Bytes nulls;
  for (size_t i = 0; i < limits::kDerNodes - 1; i++) nulls.insert(nulls.end(), {0x05, 0x00});
  BOOST_TEST((shape(wrap(0x30, nulls)) == DerError::kNone));
  nulls.insert(nulls.end(), {0x05, 0x00});
  BOOST_TEST((shape(wrap(0x30, nulls)) == DerError::kTooManyNodes));
}

BOOST_AUTO_TEST_CASE(length_of_a_stream) {
  size_t total = 0;
  auto frame = [&](const Bytes& head, size_t max = 1000) { return der_frame(head, max, &total); };
  BOOST_TEST((frame({}) == DerFrame::kMore));
  BOOST_TEST((frame({0x30}) == DerFrame::kMore));
  BOOST_TEST((frame({0x30, 0x82, 0x01}) == DerFrame::kMore));
  BOOST_TEST((frame({0x30, 0x05}) == DerFrame::kKnown));
  BOOST_TEST(total == 7u);
  BOOST_TEST((frame({0x30, 0x82, 0x03, 0xe4}) == DerFrame::kKnown));
  BOOST_TEST(total == 1000u);
  BOOST_TEST((frame({0x30, 0x82, 0x03, 0xe5}) == DerFrame::kTooLarge));
  BOOST_TEST((frame({0x30, 0x84, 0xff, 0xff, 0xff, 0xff}) == DerFrame::kTooLarge));
  BOOST_TEST((frame({0x30, 0x05}, 1) == DerFrame::kTooLarge));
  BOOST_TEST((frame({0x31, 0x05}) == DerFrame::kBad));
  BOOST_TEST((frame({0x30, 0x80}) == DerFrame::kBad));
  BOOST_TEST((frame({0x30, 0x81, 0x05}) == DerFrame::kBad));
  BOOST_TEST((frame({0x30, 0x85}) == DerFrame::kBad));
}

BOOST_AUTO_TEST_SUITE_END()
