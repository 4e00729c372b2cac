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
 * A stranger before multip11d's TCP port, for regress/attack/wire.sh.
 *
 *   wire_driver PORT SERVICE CASE [ARGUMENT...]
 *
 * Ends with 0 when the daemon did as the case demands, else prints what it did. Whoever reads the
 * environment's ticket is a client with permission: what is refused here is refused for what was
 * sent.
 */
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <map>

#include "ticket_forge.h"
#include "wire_client.h"

namespace mp11::test {
namespace {

using Arguments = std::vector<std::string>;

void must_end(int fd, const std::string& what) {
  NEED(read_to_end(fd).has_value(), "%s: not closed", what.c_str());
}

/* Sends the octets, and wants the connection closed with nothing more from us. */
void refused(const Target& target, const Bytes& octets, const std::string& what) {
  UniqueFd fd = dial(target);
  (void)send_all(fd.get(), octets);
  must_end(fd.get(), what);
}

/* ---- tokens that are none ---- */

/* The first token, cut off behind each of its octets. */
void truncated(const Target& target, const Arguments&) {
  constexpr size_t kAtOnce = 32; /* so that many are in the hands of their processes */
  const Bytes whole = framed(Context(target.service).first_token());
  NEED(whole.size() > 300, "no ticket");
  for (size_t at = 1; at < whole.size();) {
    std::vector<UniqueFd> open;
    for (; open.size() < kAtOnce && at < whole.size(); at++) {
      open.push_back(dial(target));
      (void)send_all(open.back().get(), Bytes(whole.begin(), whole.begin() + (ptrdiff_t)at));
    }
    ::usleep(20000); /* what was sent is read before the end is */
    for (UniqueFd& fd : open) half_close(fd.get());
    for (UniqueFd& fd : open) {
      auto answer = read_to_end(fd.get());
      NEED(answer && answer->empty(), "cut before octet %zu: %s", at, answer ? "answered" : "open");
    }
  }
  std::printf("%zu positions\n", whole.size());
}

void oversized(const Target& target, const Arguments&) {
  for (uint32_t size : {0u, 0x18001u, 0x100001u, 0xffffffu, 0x1000000u, 0x16030100u, 0x47455420u,
                        0x5353482du, 0x7fffffffu, 0x80000000u, 0xffffffffu}) {
    Bytes head = framed({});
    for (int i = 0; i < 4; i++) head[(size_t)i] = static_cast<uint8_t>(size >> (24 - 8 * i));
    refused(target, head, "a length of " + std::to_string(size));
  }
}

/* As much as is taken: the end comes while there is still more of it. */
void endless(const Target& target, const Arguments&) {
  UniqueFd fd = dial(target);
  Bytes head = framed(Bytes(96u << 10, 0x60));
  size_t sent = 0;
  const Bytes more(1u << 20, 0x60);
  for (bool open = send_all(fd.get(), head); open && sent < (1u << 30); sent += more.size())
    open = send_all(fd.get(), more);
  NEED(sent < (1u << 30), "a GiB before authentication was taken");
}

/* One octet at a time, as slowly as keeps it open. */
void slow(const Target& target, const Arguments&) {
  const Bytes whole = framed(Context(target.service).first_token());
  UniqueFd fd = dial(target);
  for (uint8_t octet : whole) {
    if (!send_all(fd.get(), {octet})) return;
    pollfd wait{fd.get(), POLLIN, 0};
    if (::poll(&wait, 1, 300) == 1) return must_end(fd.get(), "slow");
  }
  NEED(false, "a handshake of %zu octets in as many times 0.3 s", whole.size());
}

void garbage(const Target& target, const Arguments&) {
  /* It is taken once here, so that a change of an octet that nothing protects is a replay. */
  const Bytes good = Context(target.service).first_token();
  UniqueFd first = dial(target);
  NEED(send_all(first.get(), framed(good)) && read_exactly(first.get(), 4), "not accepted");
  std::vector<Bytes> tokens = {{0}, {0x60}, Bytes(1000, 0xff), Bytes(96u << 10, 0x60)};
  for (size_t i = 0; i < 40; i++) { /* the same octets each time it runs */
    Bytes noise(1 + i * 37);
    for (size_t j = 0; j < noise.size(); j++)
      noise[j] = static_cast<uint8_t>((i * 2654435761u + j * 40503u) >> 7);
    tokens.push_back(std::move(noise));
  }
  for (size_t at = 0; at < good.size(); at += 17) {
    tokens.push_back(good);
    tokens.back()[at] ^= 0x10;
  }
  for (const Bytes& token : tokens) {
    UniqueFd fd = dial(target);
    (void)send_all(fd.get(), framed(token));
    must_end(fd.get(), "garbage"); /* perhaps after a KRB-ERROR */
  }
}

/* ---- tickets that are not good here ---- */

void ticket_refused(const Target& target, Context* context, const Bytes& token) {
  NEED(!token.empty(), "no ticket to try");
  UniqueFd fd = dial(target);
  (void)send_all(fd.get(), framed(token));
  auto answer = read_to_end(fd.get());
  NEED(answer, "not closed");
  if (answer->size() > 4) answer->erase(answer->begin(), answer->begin() + 4);
  NEED(!context->finish(*answer), "accepted");
}

/* ARGUMENT: a service of the realm that has another key. */
void other_service(const Target& target, const Arguments& arguments) {
  Context context(arguments.at(0));
  ticket_refused(target, &context, context.first_token());
}

/* Who has no key of the realm writes tickets with keys of his own. */
void forged(const Target& target, const Arguments&) {
  Forge forge;
  std::vector<Forgery> forgeries(4);
  forgeries[1].client = "alice@" + target.service.substr(target.service.find('@') + 1);
  forgeries[2].service = target.service;
  forgeries[3].service = target.service;
  forgeries[3].client = forgeries[1].client;
  forgeries[3].other_key = true;
  for (const Forgery& forgery : forgeries) {
    gss_cred_id_t credential = forge.credential(forgery);
    {
      Context context(forgery.service);
      ticket_refused(target, &context, context.first_token(credential));
    }
    OM_uint32 minor;
    gss_release_cred(&minor, &credential);
  }
}

/* ARGUMENT: seconds until the ticket is over. */
void expired(const Target& target, const Arguments& arguments) {
  Context context(target.service);
  Bytes token = context.first_token();
  ::sleep(static_cast<unsigned>(std::atoi(arguments.at(0).c_str())));
  ticket_refused(target, &context, token);
}

void replayed(const Target& target, const Arguments&) {
  Context context(target.service);
  const Bytes token = context.first_token();
  UniqueFd first = dial(target);
  NEED(send_all(first.get(), framed(token)) && read_exactly(first.get(), 4), "not accepted");
  for (int i = 0; i < 3; i++) {
    Context other(target.service);
    (void)other.first_token();
    ticket_refused(target, &other, token);
  }
}

/* ---- connections that say nothing ---- */

void half_closed(const Target& target, const Arguments&) {
  for (int i = 0; i < 64; i++) {
    UniqueFd fd = dial(target, "127.2.0." + std::to_string(i + 1));
    half_close(fd.get());
    must_end(fd.get(), "half-closed");
  }
}

void reset(const Target& target, const Arguments&) {
  const linger now{1, 0};
  for (int i = 0; i < 500; i++) {
    UniqueFd fd = dial(target, "127.3.0." + std::to_string(i % 50 + 1));
    if (i % 2 == 0) (void)send_all(fd.get(), {0});
    (void)::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }
}

/* ARGUMENTS: connections in all, source addresses, "silent" or "octet". */
void flood(const Target& target, const Arguments& arguments) {
  const int count = std::atoi(arguments.at(0).c_str());
  const int sources = std::atoi(arguments.at(1).c_str());
  const bool octet = arguments.at(2) == "octet";
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &files);
  if (files.rlim_max < static_cast<rlim_t>(count) + 64) {
    std::printf("RLIMIT_NOFILE is %llu\n", static_cast<unsigned long long>(files.rlim_max));
    std::exit(77);
  }
  std::vector<UniqueFd> open;
  for (int i = 0; i < count; i++) {
    const int n = i % sources;
    open.push_back(
        dial(target, "127.1." + std::to_string(n / 50) + "." + std::to_string(n % 50 + 1)));
    if (octet) (void)send_all(open.back().get(), {0});
  }
  for (int i = 0; i < count; i++)
    must_end(open[(size_t)i].get(), "connection " + std::to_string(i));
  std::printf("%d closed\n", count);
}

/* ARGUMENTS: how many stay open, and for how long: strangers that the script looks at. */
void hold(const Target& target, const Arguments& arguments) {
  std::vector<UniqueFd> open;
  for (int i = 0; i < std::atoi(arguments.at(0).c_str()); i++)
    open.push_back(dial(target, "127.4.0." + std::to_string(i % 200 + 1)));
  std::printf("open\n");
  std::fflush(stdout);
  ::sleep(static_cast<unsigned>(std::atoi(arguments.at(1).c_str())));
}

const std::map<std::string, void (*)(const Target&, const Arguments&)> kCases = {
    {"truncated", truncated}, {"oversized", oversized},
    {"endless", endless},     {"slow", slow},
    {"garbage", garbage},     {"other-service", other_service},
    {"forged", forged},       {"expired", expired},
    {"replayed", replayed},   {"half-closed", half_closed},
    {"reset", reset},         {"flood", flood},
    {"hold", hold},
};

}  // namespace
}  // namespace mp11::test

int main(int argc, char** argv) {
  using namespace mp11::test;
  if (argc < 4 || !kCases.contains(argv[3])) return 2;
  Target target;
  target.port = static_cast<uint16_t>(std::atoi(argv[1]));
  target.service = argv[2];
  kCases.at(argv[3])(target, Arguments(argv + 4, argv + argc));
  return 0;
}
