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
 * `multip11 status`: connects to the daemon's status.sock, sends nothing, and prints what comes.
 *
 * Trust: see status_lines.h. A report without its last line is not whole, and is an error.
 */
#include "status_command.h"

#include <getopt.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "conform_call.h"
#include "mp11_limits.h"
#include "result.h"
#include "status_lines.h"
#include "unique_fd.h"

namespace mp11::client {
namespace {

constexpr char kUsage[] = "usage: multip11 status [--json] [--socket PATH]\n";
constexpr int kWaitMs = 30000;   /* a daemon with very many processes to start may be busy */
constexpr unsigned kVersion = 1; /* of the report (monitor/status_text.h) */
constexpr int kNoDaemon = 1, kNotFoundOut = 2;

struct Options {
  std::string socket = MP11_RUNDIR "/status.sock";
  bool json = false;
};

bool parse_arguments(int argc, char** argv, Options* options) {
  const option kOptions[] = {
      {"json", no_argument, nullptr, 'j'}, {"socket", required_argument, nullptr, 's'}, {}};
  int letter;
  while ((letter = ::getopt_long(argc, argv, "", kOptions, nullptr)) != -1) {
    if (letter == 'j')
      options->json = true;
    else if (letter == 's')
      options->socket = optarg;
    else
      return false;
  }
  return optind == argc;
}

std::string advice(int code) {
  if (code == ENOENT || code == ECONNREFUSED)
    return "no multip11d runs there; start it, or name its run-directory's with --socket";
  if (code == EACCES || code == EPERM) return "only root, or who runs the daemon, is told";
  return std::strerror(code);
}

Result<UniqueFd> connect_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return Error{ENAMETOOLONG, path + " is too long"};
  std::memcpy(address.sun_path, path.data(), path.size());
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return Error{errno, std::string("socket: ") + std::strerror(errno)};
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    return Error{errno, path + ": " + advice(errno)};
  return fd;
}

Result<std::string> read_report(int fd) {
  std::string report;
  std::vector<char> piece(64u << 10);
  for (;;) {
    pollfd wait{fd, POLLIN, 0};
    if (::poll(&wait, 1, kWaitMs) == 0) return Error{ETIMEDOUT, "the daemon does not answer"};
    const ssize_t n = ::recv(fd, piece.data(), piece.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error{errno, std::strerror(errno)};
    if (n == 0) return report;
    report.append(piece.data(), static_cast<size_t>(n));
    if (report.size() > limits::kStatus) return Error{EFBIG, "the report has no end"};
  }
}

Result<std::vector<ReadStatusLine>> read_lines(const std::string& report) {
  if (report.empty()) return Error{EACCES, advice(EACCES)};
  std::vector<ReadStatusLine> lines;
  for (size_t at = 0; at < report.size();) {
    const size_t end = report.find('\n', at);
    std::optional<ReadStatusLine> line;
    if (end != report.npos) line = read_status_line(std::string_view(report).substr(at, end - at));
    if (!line) return Error{EBADMSG, "what listens there says no status"};
    lines.push_back(std::move(*line));
    at = end + 1;
  }
  const StatusField* version = lines.front().find("status");
  if (version == nullptr) return Error{EBADMSG, "what listens there says no status"};
  if (version->value != std::to_string(kVersion))
    return Error{EBADMSG, "the daemon is of another version than this program"};
  if (lines.back().word != "end") return Error{EBADMSG, "the report is cut off; ask again"};
  return lines;
}

/* What a CKR_ value is called. */
void add_names(ReadStatusLine* line) {
  if (const StatusField* rv = line->find("rv")) {
    const uint64_t value = std::strtoull(rv->value.c_str(), nullptr, 16);
    line->fields.push_back({"rv-name", conform::rv_name(value), false});
  }
}

bool print(const std::vector<ReadStatusLine>& lines, bool json) {
  if (json) std::fputs("[\n", stdout);
  for (const ReadStatusLine& line : lines) {
    const bool last = &line == &lines.back();
    const std::string text = json ? status_json(line) + (last ? "" : ",") : status_text(line);
    std::puts(text.c_str());
  }
  if (json) std::fputs("]\n", stdout);
  return std::fflush(stdout) == 0;
}

int complain(const Error& error) {
  std::fprintf(stderr, "multip11 status: %s\n", error.text.c_str());
  return error.code == ENOENT || error.code == ECONNREFUSED ? kNoDaemon : kNotFoundOut;
}

}  // namespace

int status_main(int argc, char** argv) {
  Options options;
  if (!parse_arguments(argc, argv, &options)) {
    std::fputs(kUsage, stderr);
    return kNotFoundOut;
  }
  Result<UniqueFd> fd = connect_to(options.socket);
  if (!fd) return complain(fd.error());
  Result<std::string> report = read_report(fd->get());
  if (!report) return complain(report.error());
  Result<std::vector<ReadStatusLine>> lines = read_lines(*report);
  if (!lines) return complain(lines.error());
  for (ReadStatusLine& line : *lines) add_names(&line);
  return print(*lines, options.json) ? 0 : kNotFoundOut;
}

}  // namespace mp11::client
