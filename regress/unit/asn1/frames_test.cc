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
 * If one of these failed, one message would hold up others, arrive changed, or a peer could make us
 * keep more than we allow.
 */
#include "frames.h"

#include <boost/test/unit_test.hpp>
#include <map>
#include <string>
#include <vector>

using namespace mp11;

namespace {

std::vector<uint8_t> pattern(size_t size, unsigned seed) {
  std::vector<uint8_t> data(size);
  for (size_t i = 0; i < size; i++) data[i] = static_cast<uint8_t>(i * 31 + i / 251 + seed);
  return data;
}

std::vector<uint8_t> frame(uint32_t length, uint8_t flags, uint32_t number, size_t octets) {
  std::vector<uint8_t> out;
  for (int i = 3; i >= 0; i--) out.push_back(static_cast<uint8_t>(length >> 8 * i));
  out.push_back(flags);
  for (int i = 3; i >= 0; i--) out.push_back(static_cast<uint8_t>(number >> 8 * i));
  out.resize(out.size() + octets, 0x5a);
  return out;
}

struct Taken {
  FrameStatus status;
  std::map<uint32_t, std::vector<uint8_t>> messages;
};

/* Feeds input in steps of `step` octets. */
Taken take_all(FrameReader* reader, std::span<const uint8_t> all, size_t step) {
  Taken taken{FrameStatus::kMore, {}};
  while (!all.empty()) {
    std::span<const uint8_t> input = all.first(std::min(step, all.size()));
    all = all.subspan(input.size());
    for (;;) {
      uint32_t number;
      SecureBuffer message;
      taken.status = reader->take(&input, &number, &message);
      if (taken.status != FrameStatus::kMessage) break;
      BOOST_TEST(!taken.messages.contains(number));
      taken.messages[number].assign(message.data(), message.data() + message.size());
    }
    if (taken.status != FrameStatus::kMore) return taken;
  }
  return taken;
}

FrameStatus status_of(const std::vector<uint8_t>& octets, const FrameLimits& limits = {}) {
  FrameReader reader(limits);
  return take_all(&reader, octets, octets.size()).status;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(frames)

BOOST_AUTO_TEST_CASE(one_frame_octet_by_octet) {
  SecureBuffer out;
  FrameSource source{0x01020304, {}};
  const std::vector<uint8_t> message = {0x30, 0x00};
  source.rest = message;
  BOOST_TEST(!write_frame(&source, &out));
  const std::vector<uint8_t> expected = {0, 0, 0, 2, 0, 1, 2, 3, 4, 0x30, 0x00};
  BOOST_TEST(std::vector<uint8_t>(out.data(), out.data() + out.size()) == expected,
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(fragments_of_messages_take_turns) {
  const size_t sizes[] = {1, limits::kFragment - 1, limits::kFragment, limits::kFragment + 1,
                          5 * limits::kFragment + 17};
  std::vector<std::vector<uint8_t>> messages;
  std::vector<FrameSource> sources;
  for (unsigned i = 0; i < std::size(sizes); i++) messages.push_back(pattern(sizes[i], i));
  for (unsigned i = 0; i < std::size(sizes); i++) sources.push_back({1000 + i, messages[i]});
  SecureBuffer stream;
  for (bool more = true; more;) {
    more = false;
    for (FrameSource& source : sources)
      if (!source.rest.empty() && write_frame(&source, &stream)) more = true;
  }
  for (size_t step : {size_t{1}, size_t{7}, size_t{4096}, stream.size()}) {
    FrameReader reader;
    Taken taken = take_all(&reader, stream.span(), step);
    BOOST_TEST((taken.status == FrameStatus::kMore));
    BOOST_REQUIRE(taken.messages.size() == messages.size());
    for (unsigned i = 0; i < messages.size(); i++)
      BOOST_TEST((taken.messages[1000 + i] == messages[i]));
    BOOST_TEST(reader.held() == 0u);
  }
}

BOOST_AUTO_TEST_CASE(headers_that_are_none) {
  BOOST_TEST((status_of(frame(0, 0, 1, 0)) == FrameStatus::kHeader));
  BOOST_TEST((status_of(frame(0, 1, 1, 0)) == FrameStatus::kHeader)); /* nothing, for ever */
  BOOST_TEST((status_of(frame(1, 2, 1, 1)) == FrameStatus::kHeader));
  BOOST_TEST((status_of(frame(1, 0x80, 1, 1)) == FrameStatus::kHeader));
  BOOST_TEST((status_of(frame(1u << 24, 0, 1, 1)) == FrameStatus::kHeader));
  BOOST_TEST((status_of(frame(0x30000000, 0, 1, 1)) == FrameStatus::kHeader));
}

BOOST_AUTO_TEST_CASE(limits_on_either_side) {
  const FrameLimits few{.message = 100, .fragment = 40, .partial = 3, .total = 120};
  BOOST_TEST((status_of(frame(40, 0, 1, 40), few) == FrameStatus::kMore));
  BOOST_TEST((status_of(frame(41, 0, 1, 41), few) == FrameStatus::kLongFragment));

  auto join = [](std::initializer_list<std::vector<uint8_t>> parts) {
    std::vector<uint8_t> all;
    for (const auto& part : parts) all.insert(all.end(), part.begin(), part.end());
    return all;
  };
  const auto part = [](uint32_t number, uint32_t size) { return frame(size, 1, number, size); };
  BOOST_TEST((status_of(join({part(1, 40), part(1, 40), part(1, 20)}), few) == FrameStatus::kMore));
  BOOST_TEST(
      (status_of(join({part(1, 40), part(1, 40), part(1, 21)}), few) == FrameStatus::kLongMessage));
  BOOST_TEST((status_of(join({part(1, 40), part(2, 40), part(3, 40)}), few) == FrameStatus::kMore));
  BOOST_TEST((status_of(join({part(1, 40), part(2, 40), part(3, 40), part(3, 1)}), few) ==
              FrameStatus::kManyOctets));
  BOOST_TEST((status_of(join({part(1, 1), part(2, 1), part(3, 1), part(2, 1)}), few) ==
              FrameStatus::kMore));
  BOOST_TEST((status_of(join({part(1, 1), part(2, 1), part(3, 1), part(4, 1)}), few) ==
              FrameStatus::kManyMessages));
}

/* A message whose end never comes: refused at the limit, and what was held is gone. */
BOOST_AUTO_TEST_CASE(endless) {
  FrameReader reader;
  const std::vector<uint8_t> piece = frame(limits::kFragment, 1, 7, limits::kFragment);
  FrameStatus status = FrameStatus::kMore;
  size_t pieces = 0;
  while (status == FrameStatus::kMore && pieces < 1000) {
    status = take_all(&reader, piece, piece.size()).status;
    pieces++;
  }
  BOOST_TEST((status == FrameStatus::kLongMessage));
  BOOST_TEST(pieces == limits::kMessage / limits::kFragment + 1);
  BOOST_TEST(reader.held() == 0u);
  /* Broken stays broken. */
  BOOST_TEST((take_all(&reader, frame(1, 0, 1, 1), 100).status == FrameStatus::kLongMessage));
}

BOOST_AUTO_TEST_CASE(a_full_message_passes) {
  const std::vector<uint8_t> message = pattern(limits::kMessage, 3);
  FrameSource source{9, message};
  SecureBuffer stream;
  while (write_frame(&source, &stream)) {
  }
  FrameReader reader;
  Taken taken = take_all(&reader, stream.span(), 100000);
  BOOST_TEST((taken.messages[9] == message));
}

/* Of a message in several, each says where it begins; of one in one frame nothing is different. */
BOOST_AUTO_TEST_CASE(placed_fragments) {
  const std::vector<uint8_t> message = {1, 2, 3, 4, 5};
  FrameSource source{9, message};
  SecureBuffer out;
  BOOST_TEST(write_frame(&source, &out, {2, true}));
  BOOST_TEST(!placed_frame_head(out.span()).whole);
  BOOST_TEST(placed_frame_head(out.span()).number == 9u);
  BOOST_TEST(write_frame(&source, &out, {2, true}));
  BOOST_TEST(!write_frame(&source, &out, {2, true}));
  const std::vector<uint8_t> expected = {0, 0, 0, 2, 3, 0, 0, 0, 9, 0, 0, 0, 0, 1, 2,
                                         0, 0, 0, 2, 3, 0, 0, 0, 9, 0, 0, 0, 2, 3, 4,
                                         0, 0, 0, 1, 2, 0, 0, 0, 9, 0, 0, 0, 4, 5};
  BOOST_TEST(std::vector<uint8_t>(out.data(), out.data() + out.size()) == expected,
             boost::test_tools::per_element());
  out.clear();
  source = {9, message};
  BOOST_TEST(!write_frame(&source, &out, {5, true}));
  BOOST_TEST(placed_frame_head(out.span()).whole);
  BOOST_TEST(out.size() == kFrameHeader + 5);

  const FrameLimits placed{.placed = true};
  FrameReader reader(placed);
  Taken taken = take_all(&reader, expected, expected.size());
  BOOST_TEST((taken.messages[9] == message));
  BOOST_TEST(
      (status_of(expected) == FrameStatus::kHeader)); /* where order is kept there are none */
}

BOOST_AUTO_TEST_CASE(placed_fragments_that_are_not_in_their_place) {
  const FrameLimits placed{.placed = true};
  auto part = [](uint8_t flags, uint32_t place) {
    std::vector<uint8_t> out = frame(1, flags, 7, 0);
    for (int i = 3; i >= 0; i--) out.push_back(static_cast<uint8_t>(place >> 8 * i));
    out.push_back(0x5a);
    return out;
  };
  auto after_first = [&](const std::vector<uint8_t>& next) {
    std::vector<uint8_t> both = part(3, 0);
    both.insert(both.end(), next.begin(), next.end());
    return status_of(both, placed);
  };
  BOOST_TEST((after_first(part(3, 1)) == FrameStatus::kMore));
  BOOST_TEST((after_first(part(3, 0)) == FrameStatus::kMisplaced));
  BOOST_TEST((after_first(part(3, 2)) == FrameStatus::kMisplaced));
  BOOST_TEST((after_first(frame(1, 0, 7, 1)) == FrameStatus::kMisplaced));
  BOOST_TEST((after_first(frame(1, 1, 7, 1)) == FrameStatus::kMisplaced));
  BOOST_TEST((status_of(part(3, 1), placed) == FrameStatus::kMisplaced));
  BOOST_TEST(
      (status_of(part(2, 0), placed) == FrameStatus::kMisplaced)); /* the last, and no first */
  BOOST_TEST((status_of(frame(1, 1, 7, 1), placed) == FrameStatus::kMisplaced));
  BOOST_TEST((status_of(frame(1, 4, 7, 1), placed) == FrameStatus::kHeader));
  /* A frame ends where its token does. */
  BOOST_TEST((status_of(frame(2, 0, 7, 1), placed) == FrameStatus::kHeader));
  BOOST_TEST((status_of({0, 0, 0}, placed) == FrameStatus::kHeader));
}

BOOST_AUTO_TEST_SUITE_END()
