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
#include "gss_client.h"

#include <gssapi/gssapi.h>
#include <gssapi/gssapi_krb5.h>
#include <krb5/krb5.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "gss_frames.h"
#include "kerberos_advice.h"
#include "mp11_limits.h"

namespace mp11 {
namespace {

constexpr OM_uint32 kFlags =
    GSS_C_MUTUAL_FLAG | GSS_C_REPLAY_FLAG | GSS_C_CONF_FLAG | GSS_C_INTEG_FLAG;

int64_t now_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1000000;
}

/* ---- what went wrong, in words for the user ---- */

void add_status(OM_uint32 status, int kind, std::string* out) {
  OM_uint32 minor, more = 0;
  do {
    gss_buffer_desc text = GSS_C_EMPTY_BUFFER;
    if (GSS_ERROR(gss_display_status(&minor, status, kind, const_cast<gss_OID>(gss_mech_krb5),
                                     &more, &text)))
      return;
    if (!out->empty()) *out += ": ";
    out->append(static_cast<const char*>(text.value), text.length);
    gss_release_buffer(&minor, &text);
  } while (more != 0);
}

Error failure(const std::string& service, OM_uint32 major, OM_uint32 minor) {
  const char* known = kerberos_advice(static_cast<krb5_error_code>(minor));
  if (known == nullptr && GSS_ROUTINE_ERROR(major) == GSS_S_NO_CRED)
    known = "you have no Kerberos ticket; run kinit";
  if (known == nullptr && GSS_ROUTINE_ERROR(major) == GSS_S_CREDENTIALS_EXPIRED)
    known = "your Kerberos ticket has expired; run kinit";
  std::string text = "authentication to " + service + " failed: ";
  if (known != nullptr) text += std::string(known) + " (";
  std::string library;
  if (minor != 0) add_status(minor, GSS_C_MECH_CODE, &library);
  if (library.empty()) add_status(major, GSS_C_GSS_CODE, &library);
  return Error{0, text + library + (known != nullptr ? ")" : "")};
}

/* ---- tokens on the socket ---- */

/* Waits until the socket is ready; false with errno. */
bool wait_for(int socket, short events, int64_t deadline_ms) {
  for (;;) {
    const int64_t left = deadline_ms - now_ms();
    pollfd fd{socket, events, 0};
    const int n =
        left <= 0 ? 0 : ::poll(&fd, 1, static_cast<int>(std::min<int64_t>(left, 1 << 30)));
    if (n > 0) return true;
    if (n < 0 && errno == EINTR) continue;
    if (n == 0) errno = ETIMEDOUT;
    return false;
  }
}

Error broken(const char* doing) {
  const int code = errno;
  const char* what =
      code == 0 ? "the server closed the connection (its log says why)" : std::strerror(code);
  return Error{code, std::string("authentication failed while ") + doing + ": " + what};
}

Status send_token(int socket, TokenForm form, const gss_buffer_desc& token, int64_t deadline_ms) {
  std::vector<uint8_t> frame;
  auto* octets = static_cast<const uint8_t*>(token.value);
  if (token.length > limits::kGssToken || !append_gss_frame({octets, token.length}, &frame))
    return Error{EMSGSIZE, "your Kerberos ticket is too large for the server: " +
                               std::to_string(token.length) + " octets"};
  if (form == TokenForm::kMessages) frame.erase(frame.begin(), frame.begin() + kGssLength);
  for (size_t sent = 0; sent < frame.size();) {
    const ssize_t n =
        ::send(socket, frame.data() + sent, frame.size() - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n >= 0)
      sent += static_cast<size_t>(n);
    else if (errno == EAGAIN ? !wait_for(socket, POLLOUT, deadline_ms) : errno != EINTR)
      return broken("sending");
  }
  return ok();
}

Status receive(int socket, uint8_t* out, size_t size, int64_t deadline_ms) {
  for (size_t have = 0; have < size;) {
    const ssize_t n = ::recv(socket, out + have, size - have, MSG_DONTWAIT);
    if (n > 0) {
      have += static_cast<size_t>(n);
      continue;
    }
    if (n == 0) errno = 0;
    if (n < 0 && errno == EINTR) continue;
    if (n == 0 || errno != EAGAIN || !wait_for(socket, POLLIN, deadline_ms))
      return broken("waiting for the server");
  }
  return ok();
}

/* Exactly one frame: what comes behind it is for TokenStream to read. */
Result<std::vector<uint8_t>> receive_token(int socket, int64_t deadline_ms) {
  std::vector<uint8_t> frame(kGssLength);
  if (Status got = receive(socket, frame.data(), frame.size(), deadline_ms); !got)
    return got.error();
  GssFrame head = next_gss_frame(frame, limits::kGssToken);
  if (head.status != GssFrameStatus::kMore)
    return Error{EPROTO, "authentication failed: this is not a multip11 server (no GSS token)"};
  frame.resize(head.size);
  if (Status got = receive(socket, &frame[kGssLength], frame.size() - kGssLength, deadline_ms);
      !got)
    return got.error();
  frame.erase(frame.begin(), frame.begin() + kGssLength);
  return frame;
}

/* One message of SCTP, which may come in several pieces. */
Result<std::vector<uint8_t>> receive_message(int socket, int64_t deadline_ms) {
  std::vector<uint8_t> token(limits::kGssToken);
  for (size_t have = 0;;) {
    iovec room{token.data() + have, token.size() - have};
    msghdr message{};
    message.msg_iov = &room;
    message.msg_iovlen = 1;
    const ssize_t n = ::recvmsg(socket, &message, MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN && wait_for(socket, POLLIN, deadline_ms)) continue;
    if (n == 0) errno = 0;
    if (n <= 0) return broken("waiting for the server");
    have += static_cast<size_t>(n);
    if ((message.msg_flags & MSG_EOR) == 0 && have < token.size()) continue;
    if ((message.msg_flags & MSG_EOR) == 0)
      return Error{EPROTO, "authentication failed: this is not a multip11 server (a long token)"};
    token.resize(have);
    return token;
  }
}

struct Name {
  Name() = default;
  Name(const Name&) = delete;
  ~Name() {
    OM_uint32 minor;
    gss_release_name(&minor, &handle);
  }
  gss_name_t handle = GSS_C_NO_NAME;
};

struct Buffer {
  Buffer() = default;
  Buffer(const Buffer&) = delete;
  ~Buffer() {
    OM_uint32 minor;
    wipe(value.value, value.length);
    gss_release_buffer(&minor, &value);
  }
  gss_buffer_desc value = GSS_C_EMPTY_BUFFER;
};

gss_buffer_desc view(std::span<const uint8_t> octets) {
  return {octets.size(), const_cast<uint8_t*>(octets.data())};
}

Result<GssWrap> window_of(const gss_krb5_lucid_context_v1_t& lucid) {
  if (lucid.initiate != 1 || lucid.protocol != 1)
    return Error{0, "authentication failed: the context has no keys of RFC 4121"};
  const bool subkey = lucid.cfx_kd.have_acceptor_subkey != 0;
  const gss_krb5_lucid_key_t& key = subkey ? lucid.cfx_kd.acceptor_subkey : lucid.cfx_kd.ctx_key;
  return GssWrap::create({GssRole::kInitiator,
                          GssOrder::kWindow,
                          key.type,
                          subkey,
                          lucid.send_seq,
                          lucid.recv_seq,
                          {static_cast<const uint8_t*>(key.data), key.length}});
}

}  // namespace

GssClient::~GssClient() {
  OM_uint32 minor;
  gss_delete_sec_context(&minor, &context_, GSS_C_NO_BUFFER);
}

Result<std::unique_ptr<GssClient>> GssClient::connect(int socket, TokenForm form,
                                                      const std::string& service, int timeout_ms) {
  std::unique_ptr<GssClient> client(new GssClient);
  if (Status made = client->handshake(socket, form, service, now_ms() + timeout_ms); !made)
    return made.error();
  return client;
}

Status GssClient::handshake(int socket, TokenForm form, const std::string& service,
                            int64_t deadline_ms) {
  Name name;
  gss_buffer_desc text = {service.size(), const_cast<char*>(service.data())};
  OM_uint32 minor;
  OM_uint32 major =
      gss_import_name(&minor, &text, const_cast<gss_OID>(GSS_KRB5_NT_PRINCIPAL_NAME), &name.handle);
  if (GSS_ERROR(major)) return failure(service, major, minor);

  std::vector<uint8_t> answer;
  OM_uint32 flags = 0, lifetime_s = 0;
  do {
    gss_buffer_desc in = view(answer);
    Buffer out;
    major = gss_init_sec_context(&minor, GSS_C_NO_CREDENTIAL, &context_, name.handle,
                                 const_cast<gss_OID>(gss_mech_krb5), kFlags, 0,
                                 GSS_C_NO_CHANNEL_BINDINGS, answer.empty() ? GSS_C_NO_BUFFER : &in,
                                 nullptr, &out.value, &flags, &lifetime_s);
    if (GSS_ERROR(major)) return failure(service, major, minor);
    if (out.value.length != 0)
      if (Status sent = send_token(socket, form, out.value, deadline_ms); !sent) return sent;
    if ((major & GSS_S_CONTINUE_NEEDED) == 0) break;
    if (!answer.empty())
      return Error{EPROTO, "authentication to " + service + " failed: server's token ends nothing"};
    auto token = form == TokenForm::kLengths ? receive_token(socket, deadline_ms)
                                             : receive_message(socket, deadline_ms);
    if (!token) return token.error();
    answer = std::move(*token);
  } while (true);
  if ((flags & kFlags) != kFlags)
    return Error{EPROTO, "authentication to " + service + " failed: no protection was agreed on"};
  expires_s_ =
      lifetime_s == GSS_C_INDEFINITE ? 0 : static_cast<uint64_t>(::time(nullptr)) + lifetime_s;
  service_ = service;
  Name own;
  Buffer own_text;
  major = gss_inquire_context(&minor, context_, &own.handle, nullptr, nullptr, nullptr, nullptr,
                              nullptr, nullptr);
  if (!GSS_ERROR(major)) major = gss_display_name(&minor, own.handle, &own_text.value, nullptr);
  if (GSS_ERROR(major)) return failure(service, major, minor);
  client_.assign(static_cast<const char*>(own_text.value.value), own_text.value.length);
  if (!gss_renewal_binding(context_, &binding_))
    return Error{EPROTO, "authentication to " + service + " failed: no key for renewals"};
  return ok();
}

Result<std::unique_ptr<Wrapping>> GssClient::take_key() {
  OM_uint32 minor;
  void* exported = nullptr;
  const OM_uint32 major = gss_krb5_export_lucid_sec_context(&minor, &context_, 1, &exported);
  if (GSS_ERROR(major)) return failure("the server", major, minor);
  Result<GssWrap> wrap = window_of(*static_cast<gss_krb5_lucid_context_v1_t*>(exported));
  gss_krb5_free_lucid_sec_context(&minor, exported); /* wipes its keys */
  if (!wrap) return wrap.error();
  return std::unique_ptr<Wrapping>(std::make_unique<KeyWrapping>(std::move(*wrap)));
}

bool GssClient::wrap_token(std::span<const uint8_t> message, std::vector<uint8_t>* out) {
  if (message.size() > limits::kGssFrame) return false;
  gss_buffer_desc in = view(message);
  Buffer token;
  OM_uint32 minor;
  int sealed = 0;
  OM_uint32 major = gss_wrap(&minor, context_, 1, GSS_C_QOP_DEFAULT, &in, &sealed, &token.value);
  if (major != GSS_S_COMPLETE || sealed == 0 || token.value.length > limits::kGssFrame)
    return false;
  auto* octets = static_cast<const uint8_t*>(token.value.value);
  out->insert(out->end(), octets, octets + token.value.length);
  return true;
}

const char* GssClient::unwrap_token(std::span<const uint8_t> token, SecureBuffer* message) {
  message->clear();
  gss_buffer_desc in = view(token);
  Buffer text;
  OM_uint32 minor;
  int sealed = 0;
  OM_uint32 major = gss_unwrap(&minor, context_, &in, &text.value, &sealed, nullptr);
  if (GSS_ROUTINE_ERROR(major) == GSS_S_CONTEXT_EXPIRED) return "the Kerberos ticket has expired";
  if (GSS_ERROR(major)) return "a bad GSS token";
  /* DUPLICATE, OLD, UNSEQ, GAP: not errors to libgssapi, which gives the message out. */
  if (major != GSS_S_COMPLETE) return "a replayed GSS token";
  if (sealed == 0) return "a GSS token that is not sealed";
  message->append(text.value.value, text.value.length);
  return nullptr;
}

}  // namespace mp11
