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
 * A server that is hostile to its clients, for regress/attack/server.sh and uplink.sh. It has a
 * library of its own that answers anything, and spoils the answers.
 *
 *   rogue_server tcp PORT MODE     with the service's key in $KRB5_KTNAME
 *   rogue_server local PATH MODE   on a unix socket, as multip11d's local listener
 *
 * honest    nothing is spoilt: the client must be content
 * spoil     one answer of each connection is changed, each time another one in another way
 * never     nothing is answered after the third call
 * twice     each answer comes twice
 * early     an answer to a call that was not made goes before each answer
 * reflect   tcp: the client's own token is sent back
 * noise     tcp: what answers the token is none
 * plain     tcp: answers are not wrapped
 * unsealed  tcp: answers are signed, and readable by all
 * scribble  local: random octets go all over the segment while calls run
 */
#include <arpa/inet.h>
#include <gssapi/gssapi_krb5.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstring>
#include <memory>
#include <thread>

#include "channel_ring.h"
#include "der_tree.h"
#include "snapshot.h"
#include "wire_client.h"

namespace mp11::test {
namespace {

std::string mode;
unsigned connection; /* how many there were before */

/* How many answers a client's round has at least (victim.cc), so that each is spoilt in turn. */
constexpr unsigned kAnswers = 20;

uint32_t noise() {
  static uint32_t state = 1 + connection * 2654435761u; /* the same each time it runs */
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state;
}

/* ---- a library that answers anything ---- */

template <class T>
void put(Word word, T value) {
  if (word != 0) *reinterpret_cast<T*>(word) = value;
}

void fill_list(Word elements, CK_ULONG room, Word count) {
  const CK_ULONG some = elements == 0 ? 2 : std::min<CK_ULONG>(room, 2);
  for (CK_ULONG i = 0; elements != 0 && i < some; i++)
    reinterpret_cast<CK_ULONG*>(elements)[i] = i + 1;
  put<CK_ULONG>(count, some);
}

void answer(const FunctionRow& row, const Words& words) {
  if (row.number == kC_GetTokenInfo && words.w[1] != 0) /* else a daemon would look no further */
    reinterpret_cast<CK_TOKEN_INFO*>(words.w[1])->flags = CKF_TOKEN_INITIALIZED;
  for (unsigned i = 0; i < row.arg_count; i++) {
    const Word* w = &words.w[row.args[i].first];
    const CK_ULONG room = w[1] != 0 && row.args[i].kind != ArgKind::kFillOut &&
                                  row.args[i].kind != ArgKind::kHandleList &&
                                  row.args[i].kind != ArgKind::kTemplateInOut
                              ? 1
                              : 0;
    switch (row.args[i].kind) {
      case ArgKind::kHandleOut:
      case ArgKind::kSessionOut:
      case ArgKind::kSlotOut:
      case ArgKind::kNumberOut:
        put<CK_ULONG>(w[0], 1 + connection);
        break;
      case ArgKind::kBytesOut:
        if (room != 0)
          put<CK_ULONG>(w[1], std::min<CK_ULONG>(*reinterpret_cast<CK_ULONG*>(w[1]), 16));
        break;
      case ArgKind::kSlotList:
      case ArgKind::kNumberList:
        fill_list(w[0], room != 0 ? *reinterpret_cast<CK_ULONG*>(w[1]) : 0, w[1]);
        break;
      case ArgKind::kHandleList:
        fill_list(w[0], w[1], w[2]);
        break;
      case ArgKind::kTemplateInOut:
        for (CK_ULONG n = 0; w[0] != 0 && n < w[1]; n++) {
          CK_ATTRIBUTE& a = reinterpret_cast<CK_ATTRIBUTE*>(w[0])[n];
          if (a.pValue == nullptr) a.ulValueLen = 8;
        }
        break;
      default:
        break;
    }
  }
}

/* ---- over the network ---- */

class Acceptor {
 public:
  explicit Acceptor(UniqueFd socket) : socket_(std::move(socket)) {}
  void run() {
    auto token = take_token();
    if (!token) return;
    if (mode == "reflect") return (void)(send_all(fd(), framed(*token)) && take_token());
    if (mode == "noise") return (void)(send_all(fd(), framed(Bytes(200, 0x6e))) && take_token());
    if (!accept(*token)) return;
    for (unsigned n = 0;; n++) {
      std::optional<Bytes> call = next_call();
      if (!call) return;
      if (mode == "never" && n >= 3) continue;
      give(*call, n);
    }
  }

 private:
  int fd() const { return socket_.get(); }
  std::optional<Bytes> take_token() {
    auto length = read_exactly(fd(), 4);
    if (!length || (*length)[0] != 0) return std::nullopt; /* TLS: as a server for GSS-API does */
    return read_exactly(fd(), (*length)[1] * 65536u + (*length)[2] * 256u + (*length)[3]);
  }
  bool accept(const Bytes& token) {
    gss_buffer_desc in = {token.size(), const_cast<uint8_t*>(token.data())};
    gss_buffer_desc out = GSS_C_EMPTY_BUFFER;
    OM_uint32 minor, major = gss_accept_sec_context(&minor, &context_, GSS_C_NO_CREDENTIAL, &in,
                                                    GSS_C_NO_CHANNEL_BINDINGS, nullptr, nullptr,
                                                    &out, nullptr, nullptr, nullptr);
    auto* p = static_cast<uint8_t*>(out.value);
    if (out.length != 0) (void)send_all(fd(), framed(Bytes(p, p + out.length)));
    std::printf("%s\n", major == GSS_S_COMPLETE ? "accepted" : "not accepted");
    std::fflush(stdout);
    return major == GSS_S_COMPLETE;
  }
  std::optional<Bytes> next_call() {
    for (;;) {
      std::span<const uint8_t> input = plain_;
      SecureBuffer message;
      FrameStatus status = frames_.take(&input, &number_, &message);
      plain_.erase(plain_.begin(), plain_.end() - static_cast<ptrdiff_t>(input.size()));
      if (status == FrameStatus::kMessage)
        return Bytes(message.data(), message.data() + message.size());
      auto token = take_token();
      if (!token) return std::nullopt;
      gss_buffer_desc in = {token->size(), token->data()}, out = GSS_C_EMPTY_BUFFER;
      OM_uint32 minor;
      if (gss_unwrap(&minor, context_, &in, &out, nullptr, nullptr) != GSS_S_COMPLETE)
        return std::nullopt;
      auto* p = static_cast<uint8_t*>(out.value);
      plain_.insert(plain_.end(), p, p + out.length);
      gss_release_buffer(&minor, &out);
    }
  }
  void give(const Bytes& der, unsigned n) {
    CallArena arena;
    Received received;
    Words words;
    CK_RV rv = CKR_OK;
    if (decode_message(der, &arena, &received) != CodecStatus::kOk) return;
    Envelope envelope;
    envelope.request = received.envelope.request;
    if (received.envelope.hello) envelope.hello = own_hello();
    if (envelope.hello && !eager()) envelope.hello->extensions.clear();
    SecureBuffer out;
    if (received.opcode == kSnapshotOpcode) {
      give_snapshot(&envelope, &arena, &out);
    } else {
      const FunctionRow& row = *function_row(received.opcode);
      Ahead ahead;
      if (decode_call(received, row, &arena, &words, &rv, &ahead.eager) == CodecStatus::kOk) {
        mp11::test::answer(row, words);
        if (eager()) look_ahead(row, words, &arena, &ahead);
      }
      encode_return(row, words, rv, envelope, &arena, &out, &ahead);
    }
    Bytes reply(out.data(), out.data() + out.size());
    uint32_t number = number_;
    if (mode == "spoil" && n == connection % kAnswers) spoil(&reply, &number);
    if (mode == "early") send(reply, number + 1);
    send(reply, number);
    if (mode == "twice") send(reply, number);
  }
  /* Turn by turn it is a server that saves round trips, or one that has never heard of it. */
  static bool eager() { return connection / kAnswers % 2 == 0; }
  static void look_ahead(const FunctionRow& row, const Words& words, CallArena* arena,
                         Ahead* ahead) {
    ahead->output_len = 16;
    if (ahead->eager == 0) return;
    ahead->found = true;
    ahead->handles = {1, 2};
    if (row.number != kC_GetAttributeValue) return;
    for (CK_ULONG i = 0; i < words.w[3]; i++)
      ahead->values.push_back(
          {reinterpret_cast<CK_ATTRIBUTE*>(words.w[2])[i].type, arena->allocate_out(8), 8});
  }
  static void give_snapshot(Envelope* envelope, CallArena* arena, SecureBuffer* out) {
    if (!eager()) {
      envelope->failure = Failure{static_cast<uint32_t>(FailureReason::kOpcode), ""};
      return encode_answer(kSnapshotOpcode, CKR_FUNCTION_NOT_SUPPORTED, *envelope, arena, out);
    }
    Snapshot snapshot;
    SlotSnapshot& slot = snapshot.slots.emplace_back();
    slot.id = 1;
    slot.info.flags = CKF_TOKEN_PRESENT;
    slot.token.emplace().flags = CKF_TOKEN_INITIALIZED;
    slot.mechanisms = {1, 2};
    slot.infos.resize(2);
    encode_snapshot(snapshot, *envelope, arena, out);
  }
  /* Another mutation of that answer for each time that its turn comes. */
  void spoil(Bytes* reply, uint32_t* number) {
    const std::vector<Bytes> all = mutations(*reply);
    const unsigned turn = connection / kAnswers;
    if (turn == 0) *number += 7;
    if (turn > 0 && !all.empty()) *reply = all[(turn * 37 + connection * 11) % all.size()];
  }
  void send(const Bytes& der, uint32_t number) {
    FrameSource source{number, der};
    for (bool more = true; more;) {
      SecureBuffer frame;
      more = write_frame(&source, &frame);
      gss_buffer_desc in = {frame.size(), frame.data()}, out = GSS_C_EMPTY_BUFFER;
      OM_uint32 minor;
      (void)gss_wrap(&minor, context_, mode != "unsealed", 0, &in, nullptr, &out);
      auto* p = static_cast<uint8_t*>(out.value);
      Bytes token(p, p + out.length);
      if (mode == "plain") token.assign(frame.data(), frame.data() + frame.size());
      (void)send_all(fd(), framed(token));
      gss_release_buffer(&minor, &out);
    }
  }

  UniqueFd socket_;
  gss_ctx_id_t context_ = GSS_C_NO_CONTEXT;
  FrameReader frames_;
  Bytes plain_;
  uint32_t number_ = 0;
};

/* ---- on this machine ---- */

/* The segment, which Channel keeps to itself. */
std::span<uint8_t> find_segment() {
  FILE* maps = std::fopen("/proc/self/maps", "r");
  unsigned long from, to;
  char line[512];
  std::span<uint8_t> found;
  while (maps != nullptr && std::fgets(line, sizeof line, maps) != nullptr)
    if (std::sscanf(line, "%lx-%lx", &from, &to) == 2 && std::strstr(line, "memfd:") != nullptr)
      found = {reinterpret_cast<uint8_t*>(from), to - from};
  if (maps != nullptr) std::fclose(maps);
  return found;
}

/* A record or octets that were not what the library said. */
void spoil(Message* reply, unsigned turn) {
  auto* record = reinterpret_cast<uint8_t*>(&reply->rec);
  const size_t size = reply->bytes.size();
  switch (turn % 8) {
    case 0:
      reply->rec.id += 1;
      return;
    case 1:
      reply->rec.function += 1;
      return;
    case 2:
      reply->bytes.resize(size / 2);
      return;
    case 3:
      reply->bytes.resize(size + 100000);
      return;
    case 4:
      reply->list.assign(65536, 1);
      return;
    case 5:
      for (int i = 0; i < 4; i++)
        record[noise() % sizeof(CallRec)] ^= static_cast<uint8_t>(noise());
      return;
    case 6:
      for (size_t i = 0; i < size; i++) reply->bytes.data()[i] = 0xff;
      return;
    default:
      for (size_t i = 0; size != 0 && i < 4; i++)
        reply->bytes.data()[noise() % size] = static_cast<uint8_t>(noise());
  }
}

void serve_local(UniqueFd socket) {
  auto channel = Channel::create(std::move(socket));
  NEED(channel.ok(), "%s", channel.error().text.c_str());
  std::thread scribbler([] {
    std::span<uint8_t> segment = find_segment();
    /* Indexes and sleep words, which stand 128 octets apart, records, and the arena. */
    while (mode == "scribble") {
      for (int i = 0; i < 50; i++) {
        segment[(1 + noise() % 8) * 128 + noise() % 4] = static_cast<uint8_t>(noise());
        segment[ring::kHeader + noise() % (2 * ring::kRingBytes)] ^= static_cast<uint8_t>(noise());
        segment[ring::kArenaOffset + noise() % 65536] ^= static_cast<uint8_t>(noise());
        segment[noise() % segment.size()] = static_cast<uint8_t>(noise());
      }
      ::usleep(100);
    }
  });
  scribbler.detach(); /* until the process ends */
  Message call, reply, extra;
  for (unsigned n = 0; (*channel)->receive(&call, 0) == ChannelStatus::kOk; n++) {
    const FunctionRow* row = function_row(call.rec.function);
    CallArena arena;
    Words words;
    if (row == nullptr || !unpack_call(*row, call, &arena, &words)) continue;
    if (mode == "never" && n >= 3) continue;
    answer(*row, words);
    reply.clear();
    pack_reply(*row, words, CKR_OK, &reply);
    reply.rec.id = call.rec.id;
    if (mode == "spoil" && n == connection % kAnswers) spoil(&reply, connection / kAnswers);
    if (mode == "early") {
      extra.rec = reply.rec;
      extra.rec.id += 1;
      (void)(*channel)->send(extra, 0);
    }
    (void)(*channel)->send(reply, 0);
    if (mode == "twice") (void)(*channel)->send(reply, 0);
  }
}

UniqueFd listen_at(bool tcp, const char* where) {
  UniqueFd fd(
      ::socket(tcp ? AF_INET : AF_UNIX, (tcp ? SOCK_STREAM : SOCK_SEQPACKET) | SOCK_CLOEXEC, 0));
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_port = htons(static_cast<uint16_t>(std::atoi(where)));
  in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sockaddr_un un{};
  un.sun_family = AF_UNIX;
  std::strncpy(un.sun_path, where, sizeof un.sun_path - 1);
  const int on = 1;
  (void)::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const auto* address = tcp ? reinterpret_cast<sockaddr*>(&in) : reinterpret_cast<sockaddr*>(&un);
  NEED(::bind(fd.get(), address, tcp ? sizeof in : sizeof un) == 0, "bind: %m");
  NEED(::listen(fd.get(), 16) == 0, "listen: %m");
  return fd;
}

/* A process for each connection, so that what a client does to one is not the next one's. */
[[noreturn]] void serve(bool tcp, const char* where) {
  UniqueFd listener = listen_at(tcp, where);
  std::signal(SIGCHLD, SIG_IGN);
  std::puts("listening");
  std::fflush(stdout);
  for (;; connection++) {
    UniqueFd client(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    NEED(client, "accept: %m");
    if (::fork() != 0) continue;
    (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
    listener.reset();
    if (tcp)
      Acceptor(std::move(client)).run();
    else
      serve_local(std::move(client));
    std::_Exit(0);
  }
}

}  // namespace
}  // namespace mp11::test

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  mp11::codec_start();
  mp11::test::mode = argv[3];
  mp11::test::serve(std::strcmp(argv[1], "tcp") == 0, argv[2]);
}
