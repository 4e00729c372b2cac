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
/* multip11(1): the command line. One row for each thing that it can do. */
#include <cstdio>
#include <cstring>

#include "conform.h"
#include "convert_command.h"
#include "explain_command.h"
#include "status_command.h"
#include "vault_command.h"

namespace {

struct Command {
  const char* name;
  int (*main)(int argc, char** argv);
  const char* what;
};

constexpr Command kCommands[] = {
    {"conform", mp11::conform::main, "compare a PKCS #11 module with itself hosted"},
    {"decode", mp11::client::convert_main, "messages of the protocol as text"},
    {"encode", mp11::client::convert_main, "messages as DER, from text"},
    {"explain", mp11::client::explain_main, "who sees what, and which library would answer a call"},
    {"status", mp11::client::status_main, "connections and libraries of this host's daemon"},
    {"vault", mp11::vault_command::main, "PINs that multip11d keeps"},
};

int usage() {
  fputs("usage: multip11 command [argument ...]\n", stderr);
  for (const Command& command : kCommands)
    fprintf(stderr, "    %-10s %s\n", command.name, command.what);
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return usage();
  for (const Command& command : kCommands)
    if (strcmp(argv[1], command.name) == 0) return command.main(argc - 1, argv + 1);
  fprintf(stderr, "multip11: there is no command %s\n", argv[1]);
  return usage();
}
