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
 * `multip11 explain`: what reads the configuration is multip11d, and so it is asked, in the place
 * of this process: by execve(), with each part of the question as an argument of its own.
 *
 * Trust: the caller's own arguments, with the caller's own rights. The program is where this build
 * is installed, or where the caller says; it is never looked for in PATH.
 */
#include "explain_command.h"

#include <getopt.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

namespace mp11::client {
namespace {

constexpr char kUsage[] =
    "usage: multip11 explain [-f FILE] [-o KEYWORD=VALUE] [--program PATH] user=WHO [token=LABEL]\n"
    "           [function=NAME] [mechanism=NAME] [object=URI]\n";
constexpr int kNotFoundOut = 2;

struct Question {
  std::string program = MP11_SBINDIR "/multip11d";
  std::vector<std::string> arguments; /* of multip11d */
};

bool parse_arguments(int argc, char** argv, Question* question) {
  const option kOptions[] = {{"program", required_argument, nullptr, 'p'}, {}};
  std::vector<std::string>& all = question->arguments;
  all = {"multip11d", "-T"};
  int letter;
  while ((letter = ::getopt_long(argc, argv, "f:o:", kOptions, nullptr)) != -1) {
    if (letter == 'p')
      question->program = optarg;
    else if (letter == 'f' || letter == 'o')
      all.insert(all.end(), {std::string("-") + static_cast<char>(letter), optarg});
    else
      return false;
  }
  for (int i = optind; i < argc; i++) all.insert(all.end(), {"-C", argv[i]});
  return optind < argc;
}

}  // namespace

int explain_main(int argc, char** argv) {
  Question question;
  if (!parse_arguments(argc, argv, &question)) {
    std::fputs(kUsage, stderr);
    return kNotFoundOut;
  }
  std::vector<char*> arguments;
  for (std::string& one : question.arguments) arguments.push_back(one.data());
  arguments.push_back(nullptr);
  ::execv(question.program.c_str(), arguments.data());
  std::fprintf(stderr,
               "multip11 explain: %s: %s; it reads the configuration: install it, or say where it "
               "is with --program\n",
               question.program.c_str(), std::strerror(errno));
  return kNotFoundOut;
}

}  // namespace mp11::client
