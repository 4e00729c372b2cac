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
 * Plays everybody around one real multip11-auth: [priv], which starts it, net, the vault, and a
 * client with the tickets that the environment (KRB5CCNAME, KRB5_CONFIG) gives. auth.sh runs it.
 *
 *   auth_driver --auth PROGRAM --keytab FILE --principal NAME --log FILE [OPTION...] CASE
 *
 * Ends with 0 when everything was as the case says, else prints what was not. Always, at the end,
 * auth must still be there, and end by itself with exit code 0 when [priv] hangs up.
 */
#include <fcntl.h>
#include <gssapi/gssapi.h>
#include <gssapi/gssapi_krb5.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "gss_client.h"
#include "gss_frames.h"
#include "gss_wrap.h"
#include "os_memfd.h"
#include "os_process.h"
#include "record_io.h"

namespace mp11 {
namespace {

using Bytes = std::vector<uint8_t>;
using Options = std::map<std::string, std::string>;

constexpr OM_uint32 kFlags =
    GSS_C_MUTUAL_FLAG | GSS_C_REPLAY_FLAG | GSS_C_CONF_FLAG | GSS_C_INTEG_FLAG;
constexpr int kPatienceMs = 10000;
constexpr uid_t kNobody = 65534;

#define NEED(condition, ...)                              \
  do {                                                    \
    if (!(condition)) {                                   \
      std::printf("line %d: %s: ", __LINE__, #condition); \
      std::printf(__VA_ARGS__);                           \
      std::printf("\n");                                  \
      std::exit(1);                                       \
    }                                                     \
  } while (0)

/* ---- [priv] ---- */

class Auth {
 public:
  explicit Auth(const Options& options) {
    auto pair = record_pair();
    NEED(pair.ok(), "%s", pair.error().text.c_str());
    control_ = std::move(pair->first);
    std::string block = "principal=" + options.at("principal") + "\n";
    for (const char* key : {"clockskew", "handshake-ms"})
      if (options.contains(key)) block += std::string(key) + "=" + options.at(key) + "\n";
    auto start =
        sealed_memfd("start", {reinterpret_cast<const uint8_t*>(block.data()), block.size()});
    UniqueFd file(::open(options.at("keytab").c_str(), O_RDONLY | O_CLOEXEC));
    auto keytab = sealed_copy("keytab", file.get(), 1u << 20);
    NEED(start.ok() && keytab.ok(), "memfds");
    /* A pipe, as multip11-log has it: auth may not write to files. */
    int log[2];
    NEED(::pipe2(log, O_CLOEXEC | O_NONBLOCK) == 0, "pipe2");
    log_ = UniqueFd(log[0]);
    UniqueFd log_end(log[1]);
    log_file_ = options.at("log");
    SpawnSpec spec;
    spec.program = options.at("auth");
    spec.argv = {"multip11-auth", "--log-level=verbose", "--sandbox=full"};
    spec.fds = {{log_end.get(), 2}, {pair->second.get(), 3}, {start->get(), 4}, {keytab->get(), 5}};
    if (::geteuid() == 0) spec.identity = Identity{kNobody, kNobody};
    auto child = spawn(spec);
    NEED(child.ok(), "%s", child.error().text.c_str());
    child_ = std::move(*child);
    log_end.reset();
    await_serving();
  }
  /* Hangs up. Auth ends, of itself. */
  void expect_end(int code) {
    control_.reset();
    pollfd fd{child_.pidfd.get(), POLLIN, 0};
    NEED(::poll(&fd, 1, kPatienceMs) == 1, "auth does not end");
    auto reason = wait_child(child_.pidfd.get(), true);
    NEED(reason.ok() && reason->has_value(), "wait_child");
    NEED((*reason)->kind == ExitReason::kExited && (*reason)->value == code, "auth ended: %s",
         (*reason)->describe().c_str());
  }
  ~Auth() {
    while (read_log() > 0) continue;
    FILE* file = std::fopen(log_file_.c_str(), "w");
    if (file == nullptr) return;
    std::fwrite(log_text_.data(), 1, log_text_.size(), file);
    std::fclose(file);
  }
  Auth(const Auth&) = delete;
  int control() const { return control_.get(); }

 private:
  /* It takes no authenticator that is older than itself. Until it serves, or ends. */
  void await_serving() {
    while (log_text_.find("serving as ") == std::string::npos) {
      pollfd fd{log_.get(), POLLIN, 0};
      NEED(::poll(&fd, 1, kPatienceMs) == 1, "auth does not start: %s", log_text_.c_str());
      if (read_log() == 0) return;
    }
  }
  ssize_t read_log() {
    char text[4096];
    const ssize_t n = ::read(log_.get(), text, sizeof text);
    if (n > 0) log_text_.append(text, static_cast<size_t>(n));
    return n;
  }

  UniqueFd control_;
  UniqueFd log_;
  std::string log_text_;
  std::string log_file_;
  Child child_;
};

/* ---- net and vault, of one connection ---- */

struct Answer {
  bool done = false, failed = false; /* neither: auth closed without a word */
  GssDone key{};
  Bytes token;
};

class Connection {
 public:
  explicit Connection(const Auth& auth) {
    auto net = record_pair(), vault = record_pair();
    NEED(net.ok() && vault.ok(), "record_pair");
    net_ = std::move(net->first);
    vault_ = std::move(vault->first);
    auto record = make_record<AuthConnection>(RecordType::kAuthConnection);
    record.connection = name_ = ++last_name_;
    const int fds[] = {net->second.get(), vault->second.get()};
    /* It may have no room for a moment, on a busy machine. */
    RecordStatus sent = RecordStatus::kAgain;
    for (int i = 0; i < 1000 && sent == RecordStatus::kAgain; i++) {
      sent = send_record(auth.control(), record, fds);
      if (sent == RecordStatus::kAgain) ::usleep(10000);
    }
    NEED(sent == RecordStatus::kOk, "kAuthConnection");
  }
  void send(const Bytes& token, uint32_t size, RecordType type = RecordType::kGssToken) {
    auto record = make_record<ConnectionToken>(type);
    record.token_size = size;
    NEED(send_record(net_.get(), &record, sizeof record, token) == RecordStatus::kOk, "token");
  }
  void send(const Bytes& token) { send(token, static_cast<uint32_t>(token.size())); }
  /* Raw octets in place of a record. */
  void send_raw(const Bytes& octets) {
    NEED(::send(net_.get(), octets.data(), octets.size(), MSG_NOSIGNAL) >= 0, "%m");
  }
  Answer answer() {
    Answer out;
    RecordBuffer record;
    if (!wait(net_) ||
        record.receive(net_.get(), false, sizeof(GssDone) + limits::kGssToken) != RecordStatus::kOk)
      return out;
    std::span<const uint8_t> token;
    if (auto* done = record.with_tail<GssDone>(RecordType::kGssDone, &token); done != nullptr) {
      out.done = true;
      out.key = *done;
      NEED(done->token_size == token.size(), "token_size");
    } else if (auto* failed = record.with_tail<ConnectionToken>(RecordType::kGssFailed, &token);
               failed != nullptr) {
      out.failed = true;
      NEED(failed->token_size == token.size(), "token_size");
    } else {
      NEED(false, "unexpected record from auth");
    }
    out.token.assign(token.begin(), token.end());
    return out;
  }
  /* The verdict that is there now, without waiting: it must come before the answer to net. */
  bool verdict_now(Verdict* out) {
    RecordBuffer record;
    if (record.receive(vault_.get(), false) != RecordStatus::kOk) return false;
    auto* verdict = record.as<Verdict>(RecordType::kVerdict);
    NEED(verdict != nullptr && text_ends(verdict->principal), "malformed verdict");
    *out = *verdict;
    return true;
  }
  void expect_closed() {
    RecordBuffer record;
    for (UniqueFd* fd : {&net_, &vault_}) {
      if (!*fd) continue;
      NEED(wait(*fd), "auth does not close its end");
      NEED(record.receive(fd->get(), false, 200000) == RecordStatus::kClosed, "one record more");
    }
  }
  bool vault_closed() {
    RecordBuffer record;
    return wait(vault_) && record.receive(vault_.get(), false) == RecordStatus::kClosed;
  }
  uint64_t name() const { return name_; }
  UniqueFd net_, vault_;

 private:
  static bool wait(const UniqueFd& fd) {
    pollfd poll_fd{fd.get(), POLLIN, 0};
    return ::poll(&poll_fd, 1, kPatienceMs) == 1;
  }
  static inline uint64_t last_name_ = 0;
  uint64_t name_;
};

/* ---- the client ---- */

class Client {
 public:
  explicit Client(const std::string& service) : service_(service) {}
  ~Client() {
    OM_uint32 minor;
    gss_delete_sec_context(&minor, &context_, GSS_C_NO_BUFFER);
  }
  Client(const Client&) = delete;
  Bytes first_token(OM_uint32 flags = kFlags) {
    Bytes out;
    OM_uint32 minor;
    OM_uint32 major = step({}, flags, &out, &minor);
    NEED(!GSS_ERROR(major), "gss_init_sec_context: %s", text(minor).c_str());
    return out;
  }
  /* Empty when mutual authentication is complete, else the error. */
  std::string finish(const Bytes& reply) {
    Bytes out;
    OM_uint32 minor;
    return step(reply, kFlags, &out, &minor) == GSS_S_COMPLETE ? "" : text(minor);
  }
  Bytes wrap(const std::string& message) {
    gss_buffer_desc in = {message.size(), const_cast<char*>(message.data())}, out;
    OM_uint32 minor;
    NEED(gss_wrap(&minor, context_, 1, 0, &in, nullptr, &out) == GSS_S_COMPLETE, "gss_wrap");
    return take(&out);
  }
  std::string unwrap(const Bytes& token) {
    gss_buffer_desc in = {token.size(), const_cast<uint8_t*>(token.data())}, out;
    OM_uint32 minor;
    NEED(gss_unwrap(&minor, context_, &in, &out, nullptr, nullptr) == GSS_S_COMPLETE, "gss_unwrap");
    Bytes bytes = take(&out);
    return std::string(bytes.begin(), bytes.end());
  }

 private:
  static Bytes take(gss_buffer_t buffer) {
    auto* p = static_cast<uint8_t*>(buffer->value);
    Bytes out(p, p + buffer->length);
    OM_uint32 minor;
    gss_release_buffer(&minor, buffer);
    return out;
  }
  static std::string text(OM_uint32 minor) {
    OM_uint32 ignored, more = 0;
    gss_buffer_desc out = GSS_C_EMPTY_BUFFER;
    gss_display_status(&ignored, minor, GSS_C_MECH_CODE, const_cast<gss_OID>(gss_mech_krb5), &more,
                       &out);
    Bytes bytes = take(&out);
    return std::string(bytes.begin(), bytes.end());
  }
  OM_uint32 step(const Bytes& reply, OM_uint32 flags, Bytes* out, OM_uint32* minor) {
    gss_buffer_desc name_text = {service_.size(), service_.data()};
    gss_buffer_desc in = {reply.size(), const_cast<uint8_t*>(reply.data())};
    gss_buffer_desc token = GSS_C_EMPTY_BUFFER;
    gss_name_t name;
    OM_uint32 ignored;
    NEED(!GSS_ERROR(gss_import_name(minor, &name_text,
                                    const_cast<gss_OID>(GSS_KRB5_NT_PRINCIPAL_NAME), &name)),
         "gss_import_name");
    OM_uint32 major = gss_init_sec_context(
        minor, GSS_C_NO_CREDENTIAL, &context_, name, const_cast<gss_OID>(gss_mech_krb5), flags, 0,
        nullptr, reply.empty() ? GSS_C_NO_BUFFER : &in, nullptr, &token, nullptr, nullptr);
    *out = take(&token);
    gss_release_name(&ignored, &name);
    return major;
  }
  std::string service_;
  gss_ctx_id_t context_ = GSS_C_NO_CONTEXT;
};

/* ---- cases ---- */

struct Test {
  const Options& options;
  Auth& auth;
  std::string service() const {
    return options.contains("service") ? options.at("service") : options.at("principal");
  }
  std::string client() const { return options.at("client"); }
};

void refused(Connection& connection, Client* client, const std::string& error) {
  Answer answer = connection.answer();
  Verdict verdict;
  NEED(!connection.verdict_now(&verdict), "a verdict for %s", verdict.principal);
  NEED(answer.failed, "auth %s", answer.done ? "accepted" : "closed without a word");
  connection.expect_closed();
  if (client == nullptr) return;
  std::string told = client->finish(answer.token);
  NEED(told.find(error) != std::string::npos, "client was told '%s'", told.c_str());
}

/* After a handshake auth keeps net's socket, for fresh tickets, until [priv] says that it is over.
 */
void expect_kept(const Test& test, Connection* connection) {
  RecordBuffer record;
  NEED(connection->vault_closed(), "auth keeps the socket to the vault");
  NEED(record.receive(connection->net_.get(), true) == RecordStatus::kAgain, "net's is closed");
  auto over = make_record<ConnectionName>(RecordType::kVaultEnd);
  over.connection = connection->name();
  NEED(send_record(test.auth.control(), over) == RecordStatus::kOk, "kVaultEnd");
  connection->expect_closed();
}

/* A whole handshake, and messages both ways with the key that net gets. */
void good_handshake(const Test& test) {
  Connection connection(test.auth);
  Client client(test.service());
  connection.send(client.first_token());
  Answer answer = connection.answer();
  NEED(answer.done, "not accepted");
  Verdict verdict{};
  NEED(connection.verdict_now(&verdict), "the verdict does not come before the answer to net");
  NEED(verdict.principal == test.client(), "verdict is for %s", verdict.principal);
  NEED(verdict.kind == kVerdictKerberos, "kind");
  NEED(verdict.expires_s == answer.key.expires_s, "expires_s");
  auto left = static_cast<int64_t>(verdict.expires_s) - ::time(nullptr);
  NEED(left > 0 && left <= 86400, "ticket has %lld s left", static_cast<long long>(left));
  expect_kept(test, &connection);
  std::string error = client.finish(answer.token);
  NEED(error.empty(), "client: %s", error.c_str());

  auto wrap = GssWrap::create(answer.key, GssOrder::kStrict);
  NEED(wrap.ok(), "%s", wrap.error().text.c_str());
  SecureBuffer message;
  for (const std::string& text : {std::string("hello"), std::string(100000, 'x'), std::string()}) {
    NEED(wrap->unwrap(client.wrap(text), &message) == GssWrap::Unwrapped::kOk, "unwrap");
    NEED(
        message.size() == text.size() && std::memcmp(message.data(), text.data(), text.size()) == 0,
        "text");
    Bytes token;
    NEED(wrap->wrap(message.span(), &token), "wrap");
    NEED(client.unwrap(token) == text, "text back");
  }
}

void case_accept(const Test& test) {
  for (int i = 0; i < 3; i++) good_handshake(test);
}

/* --error: what the client is told. --hold: seconds between making and sending the token. */
void case_refuse(const Test& test) {
  OM_uint32 flags = kFlags;
  if (test.options.contains("one-way")) flags &= ~OM_uint32{GSS_C_MUTUAL_FLAG};
  Connection connection(test.auth);
  Client client(test.service());
  Bytes token = client.first_token(flags);
  if (test.options.contains("hold"))
    ::sleep(static_cast<unsigned>(std::atoi(test.options.at("hold").c_str())));
  Connection late(test.auth);
  late.send(token);
  refused(late, flags == kFlags ? &client : nullptr, test.options.at("error"));
}

void case_replay(const Test& test) {
  Client client(test.service());
  Bytes token = client.first_token();
  Connection first(test.auth), second(test.auth), third(test.auth);
  first.send(token);
  NEED(first.answer().done, "not accepted");
  second.send(token);
  refused(second, &client, "Request is a replay");
  /* The octet behind the tag of ap-options is outside what is protected. */
  const uint8_t options[] = {0xa2, 0x07, 0x03, 0x05, 0x00, 0x20};
  auto at = std::search(token.begin(), token.end(), std::begin(options), std::end(options));
  NEED(at != token.end(), "no ap-options");
  at[5] |= 0x01;
  third.send(token);
  refused(third, nullptr, "");
  good_handshake(test);
}

void case_garbage(const Test& test) {
  const Bytes good = Client(test.service()).first_token();
  std::vector<Bytes> bad = {{0},
                            {0x60},
                            Bytes(1000, 0xff),
                            Bytes(limits::kGssToken, 0x60),
                            {0x05, 0x04, 0x06, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}};
  bad.emplace_back(good.begin(), good.end() - 1);
  bad.push_back(good);
  bad.back()[good.size() / 2] ^= 1;
  for (const Bytes& token : bad) {
    Connection connection(test.auth);
    connection.send(token);
    refused(connection, nullptr, "");
  }
  good_handshake(test);
}

/* Not one of these is answered. */
void case_malformed(const Test& test) {
  const Bytes good = Client(test.service()).first_token();
  const auto size = static_cast<uint32_t>(good.size());
  for (int i = 0; i < 7; i++) {
    Connection connection(test.auth);
    switch (i) {
      case 0:
        connection.send(Bytes(limits::kGssToken + 1, 0x60));
        break;
      case 1:
        connection.send(good, size - 1);
        break;
      case 2:
        connection.send(good, size + 1);
        break;
      case 3:
        connection.send(good, size, RecordType::kGssDone);
        break;
      case 4:
        connection.send({});
        break;
      case 5:
        connection.send_raw(Bytes(7, 1));
        break;
      case 6:
        connection.send_raw(good);
        break;
    }
    Answer answer = connection.answer();
    NEED(!answer.done && !answer.failed, "malformed record %d was answered", i);
    Verdict verdict;
    NEED(!connection.verdict_now(&verdict), "verdict");
  }
  good_handshake(test);
}

void case_second(const Test& test) {
  Connection connection(test.auth);
  connection.send(Client(test.service()).first_token());
  NEED(connection.answer().done, "not accepted");
  Verdict verdict;
  NEED(connection.verdict_now(&verdict), "no verdict");
  Bytes another = Client(test.service()).first_token();
  auto record = make_record<ConnectionToken>(RecordType::kGssToken);
  record.token_size = static_cast<uint32_t>(another.size());
  (void)send_record(connection.net_.get(), &record, sizeof record, another); /* if not closed yet */
  connection.expect_closed();

  /* Two tokens before the first is looked at: one answer, one verdict. */
  Connection eager(test.auth);
  eager.send(Client(test.service()).first_token());
  (void)send_record(eager.net_.get(), &record, sizeof record, another); /* may be too late */
  (void)eager.answer();
  (void)eager.verdict_now(&verdict);
  NEED(!eager.verdict_now(&verdict), "a second verdict");
}

void case_hangup(const Test& test) {
  { Connection gone(test.auth); }
  {
    Connection gone(test.auth);
    gone.send(Client(test.service()).first_token());
  }
  Connection without_net(test.auth);
  without_net.net_.reset();
  without_net.expect_closed();
  Connection without_vault(test.auth);
  without_vault.vault_.reset();
  without_vault.expect_closed();
  /* The vault goes, and the token comes, before auth looks: net must not get a key. */
  for (int i = 0; i < 20; i++) {
    Connection race(test.auth);
    Bytes token = Client(test.service()).first_token();
    race.vault_.reset();
    auto record = make_record<ConnectionToken>(RecordType::kGssToken);
    record.token_size = static_cast<uint32_t>(token.size());
    (void)send_record(race.net_.get(), &record, sizeof record, token);
    NEED(!race.answer().done, "a key without a verdict");
  }
  Connection ended(test.auth);
  auto record = make_record<ConnectionName>(RecordType::kVaultEnd);
  record.connection = ended.name();
  NEED(send_record(test.auth.control(), record) == RecordStatus::kOk, "kVaultEnd");
  ended.expect_closed();
  good_handshake(test);
}

/* With --handshake-ms 300. */
void case_silent(const Test& test) {
  Connection connection(test.auth);
  timespec before{}, after{};
  ::clock_gettime(CLOCK_MONOTONIC, &before);
  connection.expect_closed();
  ::clock_gettime(CLOCK_MONOTONIC, &after);
  auto ms = (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000;
  NEED(ms >= 250 && ms < 3000, "closed after %ld ms", static_cast<long>(ms));
  good_handshake(test);
}

void case_many(const Test& test) {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  if (files.rlim_max < 2 * limits::kHandshakes + 100) {
    std::printf("too few descriptors\n");
    std::exit(77);
  }
  std::vector<Connection> waiting;
  waiting.reserve(limits::kHandshakes);
  for (size_t i = 0; i < limits::kHandshakes; i++) {
    waiting.emplace_back(test.auth);
    if (i % 64 == 63) ::usleep(2000); /* [priv]'s queue to auth is short */
  }
  Connection surplus(test.auth);
  surplus.expect_closed();
  waiting.pop_back();
  ::usleep(100000);
  good_handshake(test);
  waiting[0].send(Client(test.service()).first_token());
  NEED(waiting[0].answer().done, "the oldest is not served");
}

/* ---- GssClient against auth, with a relay that does what net does ---- */

[[noreturn]] void serve_as_net(const Test& test, UniqueFd socket) {
  Connection connection(test.auth);
  Bytes in;
  GssFrame frame;
  while (frame = next_gss_frame(in, limits::kGssToken), frame.status == GssFrameStatus::kMore) {
    uint8_t octets[4096];
    ssize_t n = ::recv(socket.get(), octets, sizeof octets, 0);
    if (n <= 0) std::_Exit(1);
    in.insert(in.end(), octets, octets + n);
  }
  connection.send(Bytes(frame.token.begin(), frame.token.end()));
  Answer answer = connection.answer();
  Bytes out;
  if (!append_gss_frame(answer.token, &out)) std::_Exit(1);
  std::unique_ptr<GssWrap> wrap;
  if (answer.done) {
    auto made = GssWrap::create(answer.key, GssOrder::kStrict);
    if (!made) std::_Exit(1);
    wrap = std::make_unique<GssWrap>(std::move(*made));
  }
  /* A message right behind the reply: GssClient must leave it on the socket. */
  Bytes token;
  const uint8_t greeting[] = {'h', 'i'};
  if (wrap != nullptr && (!wrap->wrap(greeting, &token) || !append_gss_frame(token, &out)))
    std::_Exit(1);
  if (::send(socket.get(), out.data(), out.size(), MSG_NOSIGNAL) < 0) std::_Exit(1);
  std::_Exit(0);
}

/* --error: what GssClient says; absent: it succeeds. --silent: nobody answers. */
void case_client(const Test& test) {
  int fds[2];
  NEED(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0, "socketpair");
  UniqueFd here(fds[0]), there(fds[1]);
  pid_t pid = -1;
  if (!test.options.contains("silent")) {
    pid = ::fork();
    if (pid == 0) {
      here.reset();
      serve_as_net(test, std::move(there));
    }
    there.reset();
  }
  const int timeout_ms = test.options.contains("silent") ? 300 : kPatienceMs;
  auto client = GssClient::connect(here.get(), TokenForm::kLengths, test.service(), timeout_ms);
  here.reset(client.ok() ? here.release() : -1);
  if (test.options.contains("error")) {
    NEED(!client.ok(), "GssClient succeeds");
    std::printf("%s\n", client.error().text.c_str());
    NEED(client.error().text.find(test.options.at("error")) != std::string::npos, "other text");
  } else {
    NEED(client.ok(), "%s", client.error().text.c_str());
    uint8_t octets[300];
    ssize_t n = ::recv(here.get(), octets, sizeof octets, 0);
    GssFrame frame = next_gss_frame({octets, static_cast<size_t>(n)}, limits::kGssFrame);
    NEED(frame.status == GssFrameStatus::kFrame, "greeting");
    SecureBuffer text;
    const char* error = (*client)->unwrap_token(frame.token, &text);
    NEED(error == nullptr, "%s", error);
    NEED(text.size() == 2 && std::memcmp(text.data(), "hi", 2) == 0, "greeting's text");
    error = (*client)->unwrap_token(frame.token, &text);
    NEED(error != nullptr && std::strstr(error, "replayed") && text.empty(), "repeated token");
    octets[40] ^= 1;
    NEED((*client)->unwrap_token(frame.token, &text) != nullptr && text.empty(), "changed token");
    auto left = static_cast<int64_t>((*client)->expires_s()) - ::time(nullptr);
    NEED(left > 0 && left <= 86400, "lifetime");
  }
  if (pid > 0) ::waitpid(pid, nullptr, 0);
}

const struct {
  const char* name;
  void (*run)(const Test&);
} kCases[] = {
    {"accept", case_accept},   {"refuse", case_refuse},       {"replay", case_replay},
    {"garbage", case_garbage}, {"malformed", case_malformed}, {"second", case_second},
    {"hangup", case_hangup},   {"silent", case_silent},       {"many", case_many},
    {"client", case_client},
};

int run(const Options& options, const std::string& name) {
  static Auth auth(options); /* NEED calls exit, and the log is wanted then too */
  if (name == "no-start") {  /* auth refuses to serve, and says why in its log */
    pollfd fd{auth.control(), POLLIN, 0};
    NEED(::poll(&fd, 1, kPatienceMs) == 1 && (fd.revents & POLLHUP) != 0, "auth serves");
    auth.expect_end(255);
    return 0;
  }
  for (const auto& c : kCases) {
    if (name != c.name) continue;
    c.run({options, auth});
    auth.expect_end(0);
    return 0;
  }
  std::printf("no case %s\n", name.c_str());
  return 2;
}

}  // namespace
}  // namespace mp11

int main(int argc, char** argv) {
  mp11::Options options;
  int i = 1;
  for (; i + 1 < argc && std::strncmp(argv[i], "--", 2) == 0; i += 2)
    options[argv[i] + 2] = argv[i + 1];
  if (i + 1 != argc) return 2;
  for (const char* key : {"auth", "keytab", "principal", "log"})
    if (!options.contains(key)) return 2;
  return mp11::run(options, argv[i]);
}
