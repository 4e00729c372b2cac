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
 * A local application that keeps no rule, on multip11d's unix socket, for regress/attack/local.sh.
 *
 *   local_driver PATH CASE
 *
 * Ends with 0 when it could do what it wanted to try; what came of it the script looks at.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>

#include "channel.h"
#include "channel_ring.h"
#include "marshal.h"
#include "wire_client.h"

namespace mp11::test {
namespace {

uint32_t noise() {
  static uint32_t state = 2463534242;
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state;
}

UniqueFd dial_local(const std::string& path) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::strncpy(to.sun_path, path.c_str(), sizeof to.sun_path - 1);
  for (int tries = 0; ::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) != 0;) {
    NEED((errno == EAGAIN || errno == EINTR) && tries++ < 1000, "connect: %m");
    ::usleep(10000);
  }
  return fd;
}

/* Its own channel's segment, mapped to write; empty when the daemon gives none. */
std::span<uint8_t> take_segment(int socket) {
  pollfd wait{socket, POLLIN, 0};
  NEED(::poll(&wait, 1, kPatienceMs) == 1, "neither a segment nor an end");
  char octet;
  iovec data{&octet, 1};
  alignas(cmsghdr) char space[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = space;
  message.msg_controllen = sizeof space;
  const cmsghdr* header = nullptr;
  if (::recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1 ||
      (header = CMSG_FIRSTHDR(&message)) == nullptr)
    return {};
  int fd;
  std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
  UniqueFd segment(fd);
  void* data_at =
      ::mmap(nullptr, ring::kSegment, PROT_READ | PROT_WRITE, MAP_SHARED, segment.get(), 0);
  NEED(data_at != MAP_FAILED, "mmap: %m");
  return {static_cast<uint8_t*>(data_at), ring::kSegment};
}

/* Sends as many of our own descriptors as a message takes, and again, until no more go. */
void send_descriptors(int socket, int rounds) {
  constexpr int kMost = 253;
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  alignas(cmsghdr) static char space[CMSG_SPACE(kMost * sizeof(int))];
  for (int i = 0; i < rounds; i++) {
    char octet = 1;
    iovec data{&octet, 1};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = space;
    message.msg_controllen = CMSG_LEN(kMost * sizeof(int));
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = message.msg_controllen;
    for (int n = 0; n < kMost; n++)
      std::memcpy(CMSG_DATA(header) + sizeof(int) * static_cast<size_t>(n), &null, sizeof null);
    if (::sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) break;
  }
  ::close(null);
}

void wait_for_line() {
  std::printf("open\n");
  std::fflush(stdout);
  char octet;
  (void)!::read(STDIN_FILENO, &octet, 1);
}

void descriptors(const std::string& path) {
  UniqueFd early = dial_local(path), late = dial_local(path);
  send_descriptors(early.get(), 50);
  (void)take_segment(late.get());
  send_descriptors(late.get(), 50);
  wait_for_line();
}

void oversized(const std::string& path) {
  UniqueFd fd = dial_local(path);
  (void)take_segment(fd.get());
  const std::vector<uint8_t> large(100000, 1);
  for (int i = 0; i < 200; i++) (void)::send(fd.get(), large.data(), large.size(), MSG_DONTWAIT);
  (void)::send(fd.get(), large.data(), 0, MSG_DONTWAIT); /* reads like an end */
  wait_for_line();
}

void silent(const std::string& path) {
  std::vector<UniqueFd> open;
  for (int i = 0; i < 20; i++) open.push_back(dial_local(path));
  wait_for_line();
}

void thousand(const std::string& path) {
  for (int i = 0; i < 1000; i++) {
    UniqueFd fd = dial_local(path);
    if (i % 50 == 0) (void)take_segment(fd.get());
  }
}

void half(const std::string& path) {
  for (int how : {SHUT_WR, SHUT_RD, SHUT_RDWR}) {
    UniqueFd before = dial_local(path), after = dial_local(path);
    (void)::shutdown(before.get(), how);
    (void)take_segment(after.get());
    (void)::shutdown(after.get(), how);
  }
}

/* For once, an honest question: what it may see. */
void slots(const std::string& path) {
  auto channel = Channel::join(dial_local(path), kPatienceMs);
  NEED(channel.ok(), "%s", channel.error().text.c_str());
  CK_ULONG count = 0;
  for (FunctionNumber function : {kC_Initialize, kC_GetSlotList}) {
    Message call;
    const Words arguments = function == kC_Initialize ? Words{} : words(CK_TRUE, nullptr, &count);
    NEED(pack_call(*function_row(function), arguments, &call) == CKR_OK, "pack_call");
    call.rec.id = function + 1;
    NEED((*channel)->send(call, 0) == ChannelStatus::kOk &&
             (*channel)->receive(&call, 0) == ChannelStatus::kOk && call.rec.rv == CKR_OK &&
             unpack_reply(*function_row(function), call, arguments),
         "no answer");
  }
  std::printf("%lu slots\n", count);
}

/* Calls that are good, in a channel where octets change at random. */
void scribble(const std::string& path) {
  unsigned ended = 0;
  for (int round = 0; round < 40; round++) {
    UniqueFd fd = dial_local(path);
    const int copy = ::dup(fd.get());
    auto channel = Channel::join(std::move(fd), kPatienceMs);
    NEED(channel.ok(), "%s", channel.error().text.c_str());
    UniqueFd bell(copy);
    FILE* maps = std::fopen("/proc/self/maps", "r");
    unsigned long from = 0, to = 0;
    char line[512];
    std::span<uint8_t> segment;
    while (std::fgets(line, sizeof line, maps) != nullptr)
      if (std::strstr(line, "memfd:") != nullptr && std::sscanf(line, "%lx-%lx", &from, &to) == 2)
        segment = {reinterpret_cast<uint8_t*>(from), to - from};
    std::fclose(maps);
    NEED(segment.size() >= ring::kArenaOffset, "no segment");
    Message call;
    for (int i = 0; i < 60; i++) {
      CK_ULONG count = 0;
      (void)pack_call(*function_row(i == 0 ? kC_Initialize : kC_GetSlotList),
                      i == 0 ? Words{} : words(CK_TRUE, nullptr, &count), &call);
      call.rec.id = static_cast<uint64_t>(i) + 1;
      size_t sent = 0;
      (void)(*channel)->try_send(call, &sent);
      for (int n = 0; i > 2 && n < 20; n++) {
        segment[(1 + noise() % 8) * 128 + noise() % 4] = static_cast<uint8_t>(noise());
        segment[ring::kHeader + noise() % (2 * ring::kRingBytes)] ^= static_cast<uint8_t>(noise());
        segment[ring::kArenaOffset + noise() % 65536] ^= static_cast<uint8_t>(noise());
      }
      (void)::send(bell.get(), &sent, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
      ::usleep(500);
    }
    pollfd gone{bell.get(), 0, 0};
    ended += ::poll(&gone, 1, 0) == 1;
  }
  std::printf("%u of 40 were ended\n", ended);
  NEED(ended > 0, "nobody noticed");
}

const std::map<std::string, void (*)(const std::string&)> kCases = {
    {"descriptors", descriptors}, {"oversized", oversized},
    {"silent", silent},           {"slots", slots},
    {"thousand", thousand},       {"half", half},
    {"scribble", scribble},
};

}  // namespace
}  // namespace mp11::test

int main(int argc, char** argv) {
  if (argc != 3 || !mp11::test::kCases.contains(argv[2])) return 2;
  mp11::test::kCases.at(argv[2])(argv[1]);
  return 0;
}
