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
 * A multip11-auth, -vault or -log that an attacker owns (owned.h); which, its name says. Modes:
 *
 *   auth    local      tells the vault of a local user
 *           twice      two verdicts for one connection
 *           priv       asks [priv] to end connections
 *           spawn      asks [priv] for a backend
 *           renew-other   renews a connection that another has accepted, or nobody
 *           renew-as   renews its own as somebody else's
 *   vault   beyond     allows flags and backends that are none, to connections that are none
 *           flags      allows with a flag that is none
 *           spawn      asks [priv] for a backend
 *           widen      allows a running connection one backend more
 *           erase-W    asks for the directory of a token: of a backend that is none, that has one
 *                      user, or that destroys nothing; of root, of a uid of another backend; two at
 *                      once; one that a connection may use; one that nobody uses
 *           descriptors   sends [priv] descriptors
 *   log     deaf       takes its sources and reads none
 *           dies       ends at once
 *           speaks     speaks to [priv]
 */
#include <map>

#include "os_landlock.h"
#include "os_process.h"
#include "os_sandbox.h"
#include "owned.h"

using namespace mp11;
using namespace owned;

namespace {

constexpr int kControl = 3;

Verdict verdict(uint32_t kind, const char* principal) {
  Verdict out = make_record<Verdict>(RecordType::kVerdict);
  out.kind = kind;
  out.expires_s = UINT32_MAX;
  std::strcpy(out.principal, principal);
  return out;
}
ConnectionName end_of(uint64_t connection) {
  ConnectionName out = make_record<ConnectionName>(RecordType::kVaultEnd);
  out.connection = connection;
  return out;
}

Renewal renewal_of(uint64_t connection, const char* principal) {
  Renewal out = make_record<Renewal>(RecordType::kRenewal);
  out.connection = connection;
  out.expires_s = UINT32_MAX;
  std::strcpy(out.principal, principal);
  return out;
}

/* [priv] kills who speaks out of turn. */
void killed_for(const char* what) {
  ::sleep(10);
  say(std::string("attack ") + what + " no");
}

void auth(const std::string& mode, RecordBuffer* record) {
  if (record->as<AuthConnection>(RecordType::kAuthConnection) == nullptr ||
      record->fds().size() != 2)
    return;
  const uint64_t connection = record->as<AuthConnection>(RecordType::kAuthConnection)->connection;
  const int vault = record->fds()[1].get();
  if (mode == "local") {
    send_record(vault, verdict(kVerdictLocal, "uid:0"));
    held("speaks-for-local", hangs_up(vault, 5000));
  } else if (mode == "twice") {
    send_record(vault, verdict(kVerdictKerberos, "alice@MULTIP11.TEST"));
    send_record(vault, verdict(kVerdictKerberos, "bob@MULTIP11.TEST"));
    held("second-verdict", hangs_up(vault, 5000));
  } else if (mode == "priv") {
    for (uint64_t other = 1; other < connection; other++) send_record(kControl, end_of(other));
    killed_for("priv");
  } else if (mode == "spawn") {
    send_record(kControl, make_record<Spawn>(RecordType::kSpawn));
    killed_for("spawn");
  } else if (mode == "renew-other") {
    for (uint64_t other = 1; other < connection; other++)
      send_record(kControl, renewal_of(other, "alice@MULTIP11.TEST"));
    killed_for("renew-other");
  } else if (mode == "renew-as") {
    Verdict own = verdict(kVerdictKerberos, "alice@MULTIP11.TEST");
    own.expires_s = UINT32_MAX - 1;
    send_record(vault, own);
    ::sleep(2); /* until the connection runs */
    send_record(kControl, renewal_of(connection, "bob@MULTIP11.TEST"));
    held("renews-as-another", hangs_up(record->fds()[0].get(), 5000));
  }
}

Allow allow_of(uint64_t connection, std::initializer_list<AllowedBackend> backends) {
  Allow out = make_record<Allow>(RecordType::kAllow);
  out.connection = connection;
  for (const AllowedBackend& one : backends) out.backends[out.count++] = one;
  out.verdict = verdict(kVerdictLocal, "uid:61998");
  return out;
}

/* Of attack/vault.sh: 3 is what destroys its tokens, and 61800 to 61899 are its uids. */
const std::map<std::string, AllowedBackend> kErase = {
    {"erase-unknown", {9, 61800}}, {"erase-shared", {0, 61010}}, {"erase-keeps", {2, 61900}},
    {"erase-root", {3, 0}},        {"erase-range", {3, 61900}},  {"erase-twice", {3, 61801}},
    {"erase-used", {3, 61800}},    {"erase-unused", {3, 61801}}};

void ask_to_erase(const std::string& mode) {
  Erase request = make_record<Erase>(RecordType::kErase);
  request.which = kErase.at(mode);
  send_record(kControl, request);
  if (mode == "erase-twice") send_record(kControl, request);
}

void portfolio(int monitor) {
  PortfolioEnd end = make_record<PortfolioEnd>(RecordType::kPortfolioEnd);
  std::strcpy(end.principal, "somebody");
  send_record(monitor, end);
}

void vault(const std::string& mode, RecordBuffer* record, std::map<uint64_t, UniqueFd>* monitors) {
  if (const auto* start = record->as<VaultConnection>(RecordType::kVaultConnection)) {
    const uint64_t name = start->connection;
    (*monitors)[name] = std::move(record->fds()[0]);
    if (mode == "count") {
      Allow allow = allow_of(name, {});
      allow.count = limits::kBackends + 1;
      send_record(kControl, allow);
      return killed_for("count");
    }
    if (mode == "unknown" || mode == "uid" || mode == "root" || mode == "other-uid") {
      /* One that is not configured; the uid of another kind, root's, and another backend's. */
      const AllowedBackend wrong = mode == "unknown" ? AllowedBackend{9, 0}
                                   : mode == "uid"   ? AllowedBackend{0, 61999}
                                   : mode == "root"  ? AllowedBackend{2, 0}
                                                     : AllowedBackend{2, 61010};
      send_record(kControl, allow_of(name, {{0, 0}, wrong}));
      return killed_for(mode.c_str());
    }
    if (mode == "spawn") {
      send_record(kControl, make_record<Spawn>(RecordType::kSpawn));
      return killed_for("spawn");
    }
    const int fds[] = {0, 1, 2, (*monitors)[name].get()};
    for (int i = 0; mode == "descriptors" && i < 20; i++)
      send_record(kControl, end_of(UINT64_MAX), fds);
    if (mode == "beyond") {
      for (uint64_t other = 0; other < 3 * name; other++)
        if (other != name) send_record(kControl, end_of(UINT64_MAX - other));
      send_record(kControl, allow_of(UINT64_MAX, {{0, 0}, {1, 0}}));
    }
    if (mode == "erase-used") return (void)send_record(kControl, allow_of(name, {{3, 61800}}));
    send_record(kControl, allow_of(name, {{0, 0}}));
  } else if (const auto* erased = record->as<Erase>(RecordType::kErased)) {
    say("erased " + std::to_string(erased->outcome));
  } else if (const auto* allowed = record->as<ConnectionName>(RecordType::kAllowed)) {
    const uint64_t name = allowed->connection;
    if (!(*monitors)[name]) return;
    if (mode == "widen") send_record(kControl, allow_of(name, {{0, 0}, {1, 0}}));
    if (mode == "erase-used") ask_to_erase(mode);
    portfolio((*monitors)[name].get());
    say("portfolio sent");
    if (mode == "widen") monitors->erase(name); /* its second kAllowed is of no interest */
  }
}

void confine_as(const std::string& name, const ProcessStart& start) {
  SelfLimits self;
  if (name == "multip11-auth") {
    self.files = 2 * limits::kHandshakes + 16;
    (void)drop_capabilities();
    (void)close_from(6);
    ::close(4);
    ::close(5);
    return limit_program(Program::kAuth, start, self, {});
  }
  self.files = kKeepLimit;
  self.file_size = kKeepLimit;
  limit_program(name == "multip11-log" ? Program::kLog : Program::kVault, start, self, {});
}

}  // namespace

int main(int argc, char** argv) {
  const std::string name = argv[0];
  const std::string mode = Mode().word();
  ProcessStart start = process_start(argv[0], argc, argv);
  if (name == "multip11-log") log_init(argv[0], start.level, false);
  confine_as(name, start);
  std::map<uint64_t, UniqueFd> monitors;
  std::vector<UniqueFd> kept;
  if (mode == "dies") return 0;
  if (kErase.contains(mode) && mode != "erase-used") ask_to_erase(mode);
  if (mode == "speaks") {
    send_record(kControl, make_record<Spawn>(RecordType::kSpawn));
    killed_for("speaks");
  }
  for (;;) {
    RecordBuffer record;
    RecordStatus status = receive(&record, kControl, -1);
    if (status == RecordStatus::kAgain) continue;
    if (status != RecordStatus::kOk) return 0;
    if (name == "multip11-auth") auth(mode, &record);
    if (name == "multip11-vault") vault(mode, &record, &monitors);
    for (UniqueFd& fd : record.fds()) kept.push_back(std::move(fd));
  }
}
