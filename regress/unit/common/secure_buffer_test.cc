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
/* If one of these failed, PINs or keys would stay in memory, come out changed, or into a dump. */
#include "secure_buffer.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <fstream>
#include <new>
#include <string>
#include <vector>

#include "os_memory.h"

using mp11::SecureBuffer;

namespace {

bool all_zero(const uint8_t* data, size_t size) {
  for (size_t i = 0; i < size; i++)
    if (data[i] != 0) return false;
  return true;
}

/* The flags that the kernel shows for the mapping that holds an address: "dd" is DONTDUMP. */
std::string mapping_flags(const void* address) {
  std::ifstream smaps("/proc/self/smaps");
  std::string line;
  bool inside = false;
  while (std::getline(smaps, line)) {
    unsigned long begin = 0;
    unsigned long end = 0;
    if (sscanf(line.c_str(), "%lx-%lx ", &begin, &end) == 2) {
      auto at = reinterpret_cast<unsigned long>(address);
      inside = begin <= at && at < end;
    } else if (inside && line.rfind("VmFlags:", 0) == 0) {
      return line.substr(8) + " ";
    }
  }
  return "";
}

bool is_mapped(const void* page) {
  unsigned char present = 0;
  return ::mincore(const_cast<void*>(page), 1, &present) == 0;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(secure_buffer)

BOOST_AUTO_TEST_CASE(wipe_and_compare) {
  char text[] = "0123456789";
  mp11::wipe(text, 5);
  BOOST_TEST(memcmp(text,
                    "\0\0\0\0\0"
                    "56789",
                    10) == 0);
  mp11::wipe(nullptr, 0);
  BOOST_TEST(mp11::equal_constant_time("abc", "abd", 2));
  BOOST_TEST(!mp11::equal_constant_time("abc", "abd", 3));
  BOOST_TEST(!mp11::equal_constant_time("\x80", "\x00", 1));
  BOOST_TEST(mp11::equal_constant_time(nullptr, nullptr, 0));
}

BOOST_AUTO_TEST_CASE(growth_keeps_data_and_zeroes_the_rest) {
  SecureBuffer buffer;
  BOOST_TEST(buffer.empty());
  std::string expected;
  for (int i = 0; i < 3000; i++) {
    std::string piece(static_cast<size_t>(i % 97), static_cast<char>('a' + i % 26));
    buffer.append(piece.data(), piece.size());
    expected += piece;
  }
  BOOST_REQUIRE(buffer.size() == expected.size());
  BOOST_TEST(memcmp(buffer.data(), expected.data(), expected.size()) == 0);
  uint8_t* fresh = buffer.extend(200'000);
  BOOST_TEST(fresh == buffer.data() + expected.size());
  BOOST_TEST(all_zero(fresh, 200'000));
  BOOST_TEST(memcmp(buffer.data(), expected.data(), expected.size()) == 0);
}

BOOST_AUTO_TEST_CASE(shrinking_wipes) {
  SecureBuffer buffer(1000);
  uint8_t* data = buffer.data();
  memset(data, 0xaa, 1000);
  buffer.resize(10);
  BOOST_TEST(data == buffer.data());
  BOOST_TEST(data[9] == 0xaa);
  BOOST_TEST(all_zero(data + 10, 990));
  buffer.resize(1000);
  BOOST_TEST(all_zero(data + 10, 990));
}

BOOST_AUTO_TEST_CASE(clear_wipes_keeps_a_little_and_gives_back_the_rest) {
  SecureBuffer buffer(100);
  uint8_t* data = buffer.data();
  memset(data, 0xaa, 100);
  buffer.clear();
  BOOST_TEST(buffer.empty());
  BOOST_TEST(all_zero(data, 100));
  buffer.resize(100);
  BOOST_TEST(data == buffer.data()); /* the same memory, no new mapping */

  buffer.resize(1u << 20);
  data = buffer.data();
  memset(data, 0xaa, 1u << 20);
  BOOST_TEST(is_mapped(data + (512u << 10)));
  /* Kept as long as it is needed now and then, given back when it is not. */
  buffer.clear();
  BOOST_TEST(all_zero(data, 1u << 20));
  for (int i = 0; i < 40; i++) {
    buffer.resize(i % 8 == 0 ? 1u << 20 : 100);
    BOOST_TEST(data == buffer.data());
    buffer.clear();
  }
  BOOST_TEST(is_mapped(data + (512u << 10)));
  for (int i = 0; i < 20; i++) {
    buffer.resize(100);
    buffer.clear();
  }
  BOOST_TEST(!is_mapped(data + (64u << 10)));
  BOOST_TEST(!is_mapped(data + (512u << 10)));
  buffer.resize(64u << 10);
  BOOST_TEST(data == buffer.data());
}

BOOST_AUTO_TEST_CASE(moving_leaves_one_owner) {
  SecureBuffer a(16);
  memcpy(a.data(), "0123456789abcdef", 16);
  SecureBuffer b(std::move(a));
  BOOST_TEST(b.size() == 16u);
  SecureBuffer c;
  c = std::move(b);
  BOOST_TEST(memcmp(c.data(), "0123456789abcdef", 16) == 0);
}

BOOST_AUTO_TEST_CASE(too_much_is_bad_alloc) {
  SecureBuffer buffer(10);
  BOOST_CHECK_THROW(buffer.resize(SIZE_MAX - 5), std::bad_alloc);
  BOOST_CHECK_THROW(buffer.extend(SIZE_MAX - 5), std::bad_alloc);
  BOOST_TEST(buffer.size() == 10u);
}

BOOST_AUTO_TEST_CASE(not_dumped_and_locked) {
  SecureBuffer buffer(5000);
  memset(buffer.data(), 1, buffer.size());
  std::string flags = mapping_flags(buffer.data());
  BOOST_TEST(flags.find(" dd ") != std::string::npos);
  if (mp11::os::lock_refusals() == 0) BOOST_TEST(flags.find(" lo ") != std::string::npos);
}

/* Limits this process, a child, to so much locked memory. */
bool limit_locked_memory(rlim_t octets) {
  const rlimit limit{octets, octets};
  if (::setrlimit(RLIMIT_MEMLOCK, &limit) != 0) return false;
  return ::geteuid() != 0 || ::setresuid(65534, 65534, 65534) == 0; /* root is above the limit */
}

bool true_in_child(bool (*body)()) {
  const pid_t child = ::fork();
  BOOST_REQUIRE(child >= 0);
  if (child == 0) ::_exit(body() ? 0 : 1);
  int status = -1;
  BOOST_REQUIRE(::waitpid(child, &status, 0) == child);
  return status == 0;
}

BOOST_AUTO_TEST_CASE(a_refused_lock_is_counted_not_fatal) {
  BOOST_TEST(true_in_child([] {
    if (!limit_locked_memory(0)) return false;
    const uint64_t before = mp11::os::lock_refusals();
    SecureBuffer buffer(5000);
    memset(buffer.data(), 7, buffer.size());
    return mp11::os::lock_refusals() > before && buffer.data()[4999] == 7;
  }));
}

BOOST_AUTO_TEST_CASE(growth_beyond_the_limit_of_locked_memory_copies) {
  BOOST_TEST(true_in_child([] {
    if (!limit_locked_memory(256u << 10)) return false;
    SecureBuffer buffer(200u << 10);
    memset(buffer.data(), 7, buffer.size());
    for (size_t size : {size_t{1} << 20, size_t{4} << 20}) {
      const size_t before = buffer.size();
      buffer.resize(size);
      if (!all_zero(buffer.data() + before, size - before)) return false;
    }
    for (size_t i = 0; i < 200u << 10; i++)
      if (buffer.data()[i] != 7) return false;
    return true;
  }));
}

BOOST_AUTO_TEST_SUITE_END()
