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
#include "wire_client.h"

#include <arpa/inet.h>
#include <gssapi/gssapi_krb5.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <utility>

namespace mp11::test {
namespace {

constexpr OM_uint32 kFlags =
    GSS_C_MUTUAL_FLAG | GSS_C_REPLAY_FLAG | GSS_C_CONF_FLAG | GSS_C_INTEG_FLAG;
constexpr size_t kMostOctets = 64u << 20; /* of anything that a server sends */

int64_t now_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1000000;
}

sockaddr_in address_of(const std::string& text, uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(port);
  NEED(::inet_pton(AF_INET, text.c_str(), &out.sin_addr) == 1, "%s", text.c_str());
  return out;
}

Bytes take(gss_buffer_t buffer) {
  auto* p = static_cast<uint8_t*>(buffer->value);
  Bytes out(p, p + buffer->length);
  OM_uint32 minor;
  gss_release_buffer(&minor, buffer);
  return out;
}

gss_buffer_desc view(const Bytes& octets) {
  return {octets.size(), const_cast<uint8_t*>(octets.data())};
}

}  // namespace

UniqueFd dial(const Target& target, const std::string& source) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  NEED(fd, "socket: %m");
  int on = 1;
  (void)::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (!source.empty()) {
    /* The port is chosen when it connects: there are more connections than ports to reserve. */
    (void)::setsockopt(fd.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    sockaddr_in from = address_of(source, 0);
    NEED(::bind(fd.get(), reinterpret_cast<sockaddr*>(&from), sizeof from) == 0, "bind: %m");
  }
  sockaddr_in to = address_of(target.address, target.port);
  NEED(::connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) == 0, "connect: %m");
  return fd;
}

bool send_all(int fd, const Bytes& octets) {
  for (size_t sent = 0; sent < octets.size();) {
    pollfd wait{fd, POLLOUT, 0};
    NEED(::poll(&wait, 1, kPatienceMs) == 1, "the server takes nothing and does not close");
    ssize_t n = ::send(fd, octets.data() + sent, octets.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno != EAGAIN) return false;
    if (n > 0) sent += static_cast<size_t>(n);
  }
  return true;
}

void half_close(int fd) { (void)::shutdown(fd, SHUT_WR); }

std::optional<Bytes> read_to_end(int fd) {
  Bytes out;
  for (const int64_t until = now_ms() + kPatienceMs; now_ms() < until;) {
    pollfd wait{fd, POLLIN, 0};
    if (::poll(&wait, 1, 1000) != 1) continue;
    uint8_t piece[16384];
    ssize_t n = ::recv(fd, piece, sizeof piece, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) continue;
    if (n <= 0) return out; /* a reset is an end as well */
    out.insert(out.end(), piece, piece + n);
    NEED(out.size() < kMostOctets, "the server sends without end");
  }
  return std::nullopt;
}

std::optional<Bytes> read_exactly(int fd, size_t size) {
  Bytes out(size);
  for (size_t have = 0; have < size;) {
    pollfd wait{fd, POLLIN, 0};
    NEED(::poll(&wait, 1, kPatienceMs) == 1, "the server neither answers nor closes");
    ssize_t n = ::recv(fd, out.data() + have, size - have, 0);
    if (n <= 0) return std::nullopt;
    have += static_cast<size_t>(n);
  }
  return out;
}

Bytes framed(const Bytes& token) {
  Bytes out(4 + token.size());
  for (size_t i = 0; i < 4; i++) out[i] = static_cast<uint8_t>(token.size() >> (24 - 8 * i));
  if (!token.empty()) std::memcpy(&out[4], token.data(), token.size());
  return out;
}

/* ---- Context ---- */

Context::Context(Context&& other) noexcept
    : service_(std::move(other.service_)),
      credential_(other.credential_),
      context_(std::exchange(other.context_, GSS_C_NO_CONTEXT)) {}

Context::~Context() {
  OM_uint32 minor;
  gss_delete_sec_context(&minor, &context_, GSS_C_NO_BUFFER);
}

OM_uint32 Context::step(const Bytes& reply, Bytes* out) {
  gss_buffer_desc text = {service_.size(), service_.data()}, in = view(reply);
  gss_buffer_desc token = GSS_C_EMPTY_BUFFER;
  gss_name_t name = GSS_C_NO_NAME;
  OM_uint32 minor;
  NEED(!GSS_ERROR(
           gss_import_name(&minor, &text, const_cast<gss_OID>(GSS_KRB5_NT_PRINCIPAL_NAME), &name)),
       "gss_import_name");
  OM_uint32 major = gss_init_sec_context(
      &minor, credential_, &context_, name, const_cast<gss_OID>(gss_mech_krb5), kFlags, 0, nullptr,
      reply.empty() ? GSS_C_NO_BUFFER : &in, nullptr, &token, nullptr, nullptr);
  *out = take(&token);
  gss_release_name(&minor, &name);
  return major;
}

Bytes Context::first_token(gss_cred_id_t credential) {
  Bytes out;
  credential_ = credential;
  return GSS_ERROR(step({}, &out)) ? Bytes{} : out;
}

bool Context::finish(const Bytes& reply) {
  Bytes out;
  return !reply.empty() && step(reply, &out) == GSS_S_COMPLETE;
}

Bytes Context::wrap(const Bytes& message, bool sealed) {
  gss_buffer_desc in = view(message), out = GSS_C_EMPTY_BUFFER;
  OM_uint32 minor;
  NEED(gss_wrap(&minor, context_, sealed ? 1 : 0, 0, &in, nullptr, &out) == GSS_S_COMPLETE, "wrap");
  return take(&out);
}

Bytes Context::mic(const Bytes& message) {
  gss_buffer_desc in = view(message), out = GSS_C_EMPTY_BUFFER;
  OM_uint32 minor;
  NEED(gss_get_mic(&minor, context_, 0, &in, &out) == GSS_S_COMPLETE, "get_mic");
  return take(&out);
}

std::optional<Bytes> Context::unwrap(const Bytes& token) {
  gss_buffer_desc in = view(token), out = GSS_C_EMPTY_BUFFER;
  OM_uint32 minor;
  if (gss_unwrap(&minor, context_, &in, &out, nullptr, nullptr) != GSS_S_COMPLETE)
    return std::nullopt;
  return take(&out);
}

/* ---- Session ---- */

Session::Session(const Target& target, const std::string& source)
    : socket_(dial(target, source)), context_(target.service) {
  Bytes token = context_.first_token();
  NEED(!token.empty(), "no ticket");
  NEED(send_all(fd(), framed(token)), "the server closes during the handshake");
  auto length = read_exactly(fd(), 4);
  NEED(length, "the server closes during the handshake");
  auto reply = read_exactly(fd(), (*length)[2] * 256u + (*length)[3]);
  NEED(reply && context_.finish(*reply), "the handshake fails");
}

bool Session::send_message(const Bytes& der, uint32_t number) {
  FrameSource source{number, der};
  for (bool more = true; more;) {
    SecureBuffer frame;
    more = write_frame(&source, &frame);
    if (!send_plain(Bytes(frame.data(), frame.data() + frame.size()))) return false;
  }
  return true;
}

std::optional<Bytes> Session::receive(uint32_t* number) {
  for (;;) {
    std::span<const uint8_t> input = plain_;
    SecureBuffer message;
    uint32_t found = 0;
    FrameStatus status = frames_.take(&input, &found, &message);
    plain_.erase(plain_.begin(), plain_.end() - static_cast<ptrdiff_t>(input.size()));
    if (number != nullptr) *number = found;
    if (status == FrameStatus::kMessage)
      return Bytes(message.data(), message.data() + message.size());
    NEED(status == FrameStatus::kMore, "the server sends a broken frame");
    auto length = read_exactly(fd(), 4);
    if (!length) return std::nullopt;
    auto token = read_exactly(fd(), (*length)[1] * 65536u + (*length)[2] * 256u + (*length)[3]);
    if (!token) return std::nullopt;
    auto plain = context_.unwrap(*token);
    NEED(plain, "the server sends a broken token");
    plain_.insert(plain_.end(), plain->begin(), plain->end());
  }
}

Bytes Session::encode(FunctionNumber function, const Words& words, uint64_t request) {
  CallArena arena;
  SecureBuffer der;
  Envelope envelope;
  envelope.request = id_of_number(request);
  CK_RV rv = encode_call(*function_row(function), words, envelope, &arena, &der);
  NEED(rv == CKR_OK, "a call that cannot be encoded: 0x%lx", rv);
  return Bytes(der.data(), der.data() + der.size());
}

std::optional<CK_RV> Session::call(FunctionNumber function, const Words& words) {
  const uint32_t number = number_++;
  failure_.reset();
  if (!send_message(encode(function, words, number), number)) return std::nullopt;
  uint32_t answered = 0;
  auto der = receive(&answered);
  if (!der) return std::nullopt;
  CallArena arena;
  Received received;
  NEED(decode_message(*der, &arena, &received) == CodecStatus::kOk && !received.call,
       "the return is broken");
  failure_ = received.envelope.failure;
  if (failure_) return CKR_GENERAL_ERROR;
  NEED(answered == number, "return of message %u, asked %u", answered, number);
  CK_RV rv = CKR_GENERAL_ERROR;
  NEED(decode_return(received, *function_row(function), words, &arena, &rv) == CodecStatus::kOk,
       "the return of %s does not fit", function_row(function)->name);
  return rv;
}

}  // namespace mp11::test
