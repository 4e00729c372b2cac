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
 * Groups of the configuration: named lists of who, for the allow lists of tokens. Members stand in
 * the configuration itself, in a file with one on each line, or in a group of /etc/group.
 *
 * Called by the configuration, in [priv], at start and on SIGHUP. A group that cannot be read whole
 * is an error and changes nothing: half a group would take tokens from some of its members.
 *
 * Trust: the file must be kept as the configuration is. /etc/group and /etc/passwd are read
 * themselves, never through NSS.
 */
#pragma once
#include <string>
#include <vector>

#include "result.h"

namespace mp11 {

struct GroupMember {
  std::string rule;  /* as in an allow list */
  std::string where; /* for people: which line said so */
};

struct GroupConfig {
  std::string name;
  int line = 0;
  std::vector<std::string> members;   /* of the configuration itself */
  std::string file;                   /* empty: none */
  std::string unix_group, unix_realm; /* empty: none */
  std::vector<GroupMember> all;       /* from everywhere, in that order */
};

/* What is wrong with "uid:N", "local:NAME", a principal or a pattern; empty: nothing. */
std::string rule_problem(const std::string& text);
/* A plain name as in local:NAME; never of the form uid:N, so that it cannot meet a rule for one. */
bool is_local_name(const std::string& name);

/*
 * The members that a file names: one on each line; what follows a # is a comment, and blank lines
 * are nothing. The error says which line is wrong.
 */
Result<std::vector<GroupMember>> read_group_file(const std::string& path);
struct UnixFiles {
  const char* group = "/etc/group";
  const char* passwd = "/etc/passwd";
};
/*
 * Users whose own group it is or who are listed in it, as uid:N, and as NAME@realm unless realm is
 * empty. Entries of NIS (+ and -) are no users.
 */
Result<std::vector<GroupMember>> read_unix_group(const std::string& group, const std::string& realm,
                                                 const UnixFiles& files = {});

}  // namespace mp11
