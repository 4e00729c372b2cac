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
/* What multip11.so writes into a start block is what multip11-backend reads. */
#include "start_block.h"

#include <boost/test/unit_test.hpp>

#include "client_config.h"
#include "launch.h"
#include "os_memfd.h"

namespace {

using namespace mp11;

BOOST_AUTO_TEST_SUITE(start_block)

BOOST_AUTO_TEST_CASE(there_and_back) {
  client::BackendConfig config;
  config.name = "soft";
  config.module = "/lib/x=y.so";
  config.environment = {"A=B=C", "D="};
  config.read = {"/a b", "/c"};
  config.write = {"/d"};
  config.memory_mib = 64;
  config.files = 99;
  config.workers = 3;
  config.landlock = false;
  Result<StartBlock> block = parse_start_block(client::start_block_text(config));
  BOOST_REQUIRE_MESSAGE(block.ok(), block.error().text);
  BOOST_TEST(block->name == "soft");
  BOOST_TEST(block->module == "/lib/x=y.so");
  BOOST_TEST(block->environment == config.environment);
  BOOST_TEST(block->read == config.read);
  BOOST_TEST(block->write == config.write);
  BOOST_TEST(block->memory_mib == 64u);
  BOOST_TEST(block->files == 99u);
  BOOST_TEST(block->workers == 3u);
  BOOST_TEST(!block->landlock);
  BOOST_TEST(!block->prestart);
  BOOST_TEST(block->owner);
}

BOOST_AUTO_TEST_CASE(mistakes) {
  BOOST_TEST(parse_start_block("module=/x\n").ok());
  BOOST_TEST(parse_start_block("erase=yes\ndirectory=/d\n").ok());
  for (const char* bad : {"",
                          "\n",
                          "name=x\n",
                          "module=/x",
                          "module=x\n",
                          "module=/x\nmodul=y\n",
                          "module=/x\nworkers=0\n",
                          "module=/x\nworkers=9\n",
                          "module=/x\nworkers=\n",
                          "module=/x\nmemory=-1\n",
                          "module=/x\nsandbox=none\n",
                          "module=/x\nprestart=1\n",
                          "module=/x\nenv.0=A\n",
                          "module=/x\nenv.1=A=B\n",
                          "module=/x\nread.0=\n",
                          "module=/x\nread.0=/a\nread.0=/b\n",
                          "erase=yes\n",
                          "erase=no\ndirectory=/d\n",
                          "erase=1\ndirectory=/d\n",
                          "module=/x\nerase=yes\ndirectory=/d\n"})
    BOOST_TEST(!parse_start_block(bad).ok(), bad);
  BOOST_TEST(!parse_start_block(std::string_view("module=/x\0\n", 11)).ok());
  BOOST_TEST(parse_start_block("module=/x\nnonsense\n").error().text.find("line 2") !=
             std::string::npos);
}

BOOST_AUTO_TEST_CASE(from_a_descriptor) {
  const std::string text = "module=/x\n";
  Result<UniqueFd> fd =
      sealed_memfd("t", {reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  BOOST_REQUIRE(fd.ok());
  BOOST_TEST(read_start_block(fd->get()).ok());
  BOOST_TEST(!read_start_block(0).ok()); /* not sealed */
  BOOST_TEST(!read_start_block(-1).ok());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
