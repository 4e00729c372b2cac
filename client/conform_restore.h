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
 * A directory's contents in memory, to put it back as it was: each sequence of calls begins with
 * the same tokens on both sides.
 */
#pragma once
#include <sys/types.h>

#include <string>
#include <vector>

#include "conform_call.h"
#include "result.h"

namespace mp11::conform {

class Snapshot {
 public:
  static Result<Snapshot> take(const std::string& directory);
  /* Owners and modes too. What was added since is removed. */
  Status put_back() const;

 private:
  struct Entry {
    std::string path; /* below the directory */
    mode_t mode;
    uid_t uid;
    gid_t gid;
    Bytes content; /* of a regular file */
  };
  Status add(const std::string& below);
  Status write_file(const Entry& entry) const;
  Status remove_others(const std::string& below) const;
  bool has(const std::string& path) const;

  std::string directory_;
  std::vector<Entry> entries_;
};

}  // namespace mp11::conform
