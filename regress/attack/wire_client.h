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
 * A client of multip11d's network protocol that is in nobody's hands but the test's: tokens,
 * wrapped messages and frames can be sent in any form. For attack tests.
 */
#pragma once
#include <gssapi/gssapi.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "codec.h"
#include "frames.h"
#include "unique_fd.h"

/* Ends the program with the reason when the condition does not hold. */
#define NEED(condition, ...)                              \
  do {                                                    \
    if (!(condition)) {                                   \
      std::printf("line %d: %s: ", __LINE__, #condition); \
      std::printf(__VA_ARGS__);                           \
      std::printf("\n");                                  \
      std::exit(1);                                       \
    }                                                     \
  } while (0)

namespace mp11::test {

using Bytes = std::vector<uint8_t>;

/* How long anything may take before the test calls it a hang. */
inline constexpr int kPatienceMs = 60000;

struct Target {
  std::string address = "127.0.0.1";
  uint16_t port = 0;
  std::string service; /* pkcs11/HOST@REALM */
};

/* A connected socket, from that address of this machine when one is given. */
UniqueFd dial(const Target& target, const std::string& source = "");
/* False when the peer has closed. */
bool send_all(int fd, const Bytes& octets);
void half_close(int fd);
/* Everything until the peer closes; nullopt when it does not. */
std::optional<Bytes> read_to_end(int fd);
/* Exactly so many octets; nullopt when it closes before. */
std::optional<Bytes> read_exactly(int fd, size_t size);
/* The octets after their length, as tokens travel. */
Bytes framed(const Bytes& token);

/* One end of a security context. */
class Context {
 public:
  explicit Context(std::string service) : service_(std::move(service)) {}
  Context(Context&& other) noexcept;
  ~Context();
  /* The first token; with a credential of one's own, or the environment's. Empty: no ticket. */
  Bytes first_token(gss_cred_id_t credential = GSS_C_NO_CREDENTIAL);
  /* True when the server has proved itself. */
  bool finish(const Bytes& reply);
  Bytes wrap(const Bytes& message, bool sealed = true);
  Bytes mic(const Bytes& message);
  std::optional<Bytes> unwrap(const Bytes& token);

 private:
  OM_uint32 step(const Bytes& reply, Bytes* out);
  std::string service_;
  gss_cred_id_t credential_ = GSS_C_NO_CREDENTIAL;
  gss_ctx_id_t context_ = GSS_C_NO_CONTEXT;
};

/* An authenticated connection. */
class Session {
 public:
  explicit Session(const Target& target, const std::string& source = "");

  Context& context() { return context_; }
  int fd() const { return socket_.get(); }
  /* One token with these octets in it. False when the server has closed. */
  bool send_plain(const Bytes& octets) { return send_all(fd(), framed(context_.wrap(octets))); }
  bool send_message(const Bytes& der, uint32_t number);
  /* The next whole message; nullopt when the server closes instead. */
  std::optional<Bytes> receive(uint32_t* number = nullptr);
  /* True when the server closes, whatever it says before. */
  bool is_ended() { return read_to_end(fd()).has_value(); }

  /* A call from its C arguments, as multip11-remote would make it. */
  static Bytes encode(FunctionNumber function, const Words& words, uint64_t request = 1);
  /*
   * Makes a call and waits for its return. nullopt: the server closed. After a failure, which
   * failure() tells, CKR_GENERAL_ERROR.
   */
  std::optional<CK_RV> call(FunctionNumber function, const Words& words);
  const std::optional<Failure>& failure() const { return failure_; }

 private:
  UniqueFd socket_;
  Context context_;
  FrameReader frames_;
  Bytes plain_; /* unwrapped and not taken */
  uint32_t number_ = 1;
  std::optional<Failure> failure_;
};

/* C arguments as words. */
template <class... T>
Words words(T... arguments) {
  Words out;
  size_t n = 0;
  ((out.w[n++] = (Word)arguments), ...);
  return out;
}

}  // namespace mp11::test
