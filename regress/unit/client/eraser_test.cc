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
 * A token's directory that is emptied. If these failed, a library could have files of others
 * removed by planting links, or keep its own from being removed.
 */
#include "eraser.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "../common/temp_dir.h"

using namespace mp11;

namespace {

struct Place {
  Place() {
    BOOST_REQUIRE(::mkdir(at("token").c_str(), 0700) == 0);
    BOOST_REQUIRE(::mkdir(at("other").c_str(), 0700) == 0);
    write("other/key");
  }
  ~Place() { (void)!std::system(("chmod -R u+rwx " + dir.path()).c_str()); }
  std::string at(const std::string& name) const { return dir.file(name); }
  void write(const std::string& name) const { std::ofstream(at(name)) << "x"; }
  bool there(const std::string& name) const {
    struct stat st;
    return ::lstat(at(name).c_str(), &st) == 0;
  }
  /* Nothing is left in it but itself. */
  bool empty() const { return ::rmdir(at("token").c_str()) == 0; }
  test::TempDir dir;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(eraser)

BOOST_AUTO_TEST_CASE(all_that_is_there_goes) {
  Place place;
  ::mkdir(place.at("token/tokens").c_str(), 0700);
  ::mkdir(place.at("token/tokens/a").c_str(), 0700);
  place.write("token/tokens/a/token.object");
  place.write("token/.hidden");
  place.write("token/a name\n with -rf and ;");
  ::mkfifo(place.at("token/fifo").c_str(), 0600);
  for (int i = 0; i < 3000; i++) place.write("token/many" + std::to_string(i));
  BOOST_TEST(erase_directory(place.at("token")).ok());
  BOOST_TEST(erase_directory(place.at("token")).ok()); /* once more */
  BOOST_TEST(place.empty());
  BOOST_TEST(place.there("other/key"));
}

BOOST_AUTO_TEST_CASE(links_are_removed_and_not_followed) {
  Place place;
  BOOST_REQUIRE(::symlink("../other", place.at("token/down").c_str()) == 0);
  BOOST_REQUIRE(::symlink("../other/key", place.at("token/key").c_str()) == 0);
  BOOST_REQUIRE(::symlink("..", place.at("token/up").c_str()) == 0);
  BOOST_REQUIRE(::symlink("down", place.at("token/twice").c_str()) == 0);
  BOOST_REQUIRE(::link(place.at("other/key").c_str(), place.at("token/hard").c_str()) == 0);
  ::chmod(place.at("other").c_str(), 0500); /* which a mode that follows a link would change */
  BOOST_TEST(erase_directory(place.at("token")).ok());
  BOOST_TEST(place.empty());
  BOOST_TEST(place.there("other/key"));
  struct stat st;
  BOOST_TEST(::stat(place.at("other").c_str(), &st) == 0);
  BOOST_TEST((st.st_mode & 0777) == 0500u);
  ::chmod(place.at("other").c_str(), 0700);
  /* Nor is the directory itself, should it be one. */
  BOOST_REQUIRE(::symlink("other", place.at("token").c_str()) == 0);
  BOOST_TEST(!erase_directory(place.at("token")).ok());
  BOOST_TEST(place.there("other/key"));
}

BOOST_AUTO_TEST_CASE(directories_that_are_closed) {
  Place place;
  for (const char* name : {"token/none", "token/read", "token/none/x"})
    BOOST_REQUIRE(::mkdir(place.at(name).c_str(), 0700) == 0);
  place.write("token/none/x/file");
  place.write("token/read/file");
  ::chmod(place.at("token/none/x").c_str(), 0000);
  ::chmod(place.at("token/none").c_str(), 0000);
  ::chmod(place.at("token/read").c_str(), 0500);
  ::chmod(place.at("token").c_str(), 0000);
  BOOST_TEST(erase_directory(place.at("token")).ok());
  BOOST_TEST(place.empty());
}

BOOST_AUTO_TEST_CASE(deeper_than_it_goes) {
  Place place;
  std::string path = "token";
  for (int i = 0; i < 64; i++) BOOST_REQUIRE(::mkdir(place.at(path += "/d").c_str(), 0700) == 0);
  BOOST_TEST(erase_directory(place.at("token")).ok());
  for (int i = 0; i < 66; i++)
    ::mkdir(place.at(path = i == 0 ? "token/d" : path + "/d").c_str(), 0700);
  place.write("token/beside");
  const Status status = erase_directory(place.at("token"));
  BOOST_REQUIRE(!status.ok());
  BOOST_TEST(status.error().text.find("stay; remove them by hand") != std::string::npos);
  BOOST_TEST(!place.there("token/beside")); /* the rest goes all the same */
  BOOST_TEST(place.there(path));
}

BOOST_AUTO_TEST_CASE(one_that_is_not_there) {
  Place place;
  BOOST_TEST(!erase_directory(place.at("nowhere")).ok());
  BOOST_TEST(!erase_directory(place.at("other/key")).ok());
  BOOST_TEST(place.there("other/key"));
}

BOOST_AUTO_TEST_SUITE_END()
