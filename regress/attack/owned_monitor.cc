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
 * A multip11-monitor that an attacker owns (owned.h). A connection of the uid 61998 is the
 * attacker's; for all others it is the real thing, so that there is somebody to harm. What a
 * monitor may ask for, and how much, is tried in regress/e2e/rogue-monitor.sh. Modes:
 *
 *   ends        asks [priv] to end every backend that others may have
 *   record N    sends [priv] record N of kRecords, which a monitor may not send
 *   descriptors asks for a backend, with descriptors beside the record
 *   large       a record larger than any
 *   vault       speaks to the vault as if it were auth
 *   turned      tells the vault that it has changed the PIN of a layer, which nobody told it to
 *   lock        takes its own backend's lock and keeps it
 *   layer N     says number N of kLayers, about a layer that is none of its client's
 *   flood       says very often of very many layers that they are left out, and stays
 *   others      asks for each backend, after a while
 */
#include <sys/file.h>

#include <vector>

#include "connection.h"
#include "owned.h"
#include "vault_records.h"

using namespace mp11;
using namespace owned;

namespace {

constexpr int kControl = 3;
constexpr int kMs = 500;

LayerName kept_layer; /* of the portfolio, with a PIN of the vault's */

struct Row {
  RecordType type;
  size_t size;
};
/* All that anybody may say to anybody, a monitor's own three records left out. */
constexpr Row kRecords[] = {
    {RecordType::kAuthConnection, sizeof(AuthConnection)},
    {RecordType::kGssToken, sizeof(ConnectionToken)},
    {RecordType::kGssDone, sizeof(GssDone)},
    {RecordType::kGssFailed, sizeof(ConnectionToken)},
    {RecordType::kRenew, sizeof(ConnectionToken)},
    {RecordType::kRenewed, sizeof(Renewed)},
    {RecordType::kRenewal, sizeof(Renewal)},
    {RecordType::kVerdict, sizeof(Verdict)},
    {RecordType::kVaultConnection, sizeof(VaultConnection)},
    {RecordType::kAllow, sizeof(Allow)},
    {RecordType::kAllowed, sizeof(ConnectionName)},
    {RecordType::kVaultEnd, sizeof(ConnectionName)},
    {RecordType::kErase, sizeof(Erase)},
    {RecordType::kErased, sizeof(Erase)},
    {RecordType::kPortfolioToken, sizeof(PortfolioToken)},
    {RecordType::kPortfolioLayer, sizeof(PortfolioLayer)},
    {RecordType::kPortfolioFilter, sizeof(PortfolioFilter)},
    {RecordType::kPortfolioPin, sizeof(PortfolioPin)},
    {RecordType::kPortfolioBackend, sizeof(PortfolioBackend)},
    {RecordType::kPortfolioEnd, sizeof(PortfolioEnd)},
    {RecordType::kPortfolioRenewed, sizeof(PortfolioRenewed)},
    {RecordType::kTurnPin, sizeof(PinTurn)},
    {RecordType::kPinTurned, sizeof(PinTurn)},
    {RecordType::kLayerPin, sizeof(LayerPin)},
    {RecordType::kVaultRequest, sizeof(VaultRequest)},
    {RecordType::kNetStart, sizeof(NetStart)},
    {RecordType::kMonitorStart, sizeof(MonitorStart)},
    {RecordType::kSpawned, sizeof(Spawned)},
    {RecordType::kBackendGone, sizeof(Spawned)},
    {RecordType::kNewVault, sizeof(RecordHead)},
    {RecordType::kStop, sizeof(RecordHead)},
    {RecordType::kLogSource, sizeof(LogSource)},
    {RecordType::kLogTarget, sizeof(LogTarget)},
    {RecordType::kSpawn, sizeof(Spawn) - 1},
    {RecordType::kSpawn, sizeof(Spawn) + 1},
    {RecordType::kEndBackend, sizeof(RecordHead)},
    {RecordType::kLayerState, sizeof(LayerReport) - 1},
    {RecordType::kLayerState, sizeof(LayerReport) + 1},
    {static_cast<RecordType>(0), sizeof(RecordHead)},
    {static_cast<RecordType>(UINT32_MAX), sizeof(Spawn)},
};

/* Token 1 is of one layer, of backend 0; token 2 of the backend of others; 3 to 5 have 32 layers; 6
 * is the last.
 */
struct Layer {
  uint64_t slot;
  uint32_t layer, backend, there;
};
constexpr Layer kLayers[] = {
    {0, 1, 0, 0}, {7, 1, 0, 0},  {UINT64_MAX, 1, 0, 0},        {1, 0, 0, 0},
    {1, 2, 0, 0}, {3, 33, 0, 0}, {3, UINT32_MAX, 0, 0},        {1, 1, 1, 0},
    {2, 1, 1, 0}, {2, 1, 0, 0},  {1, 1, limits::kBackends, 0}, {1, 1, UINT32_MAX, 0},
    {1, 1, 0, 2}, {2, 1, 0, 1},  {1, 1, 0, UINT32_MAX},
};

void tell_layer(const Layer& layer, uint64_t rv) {
  LayerReport record = make_record<LayerReport>(RecordType::kLayerState);
  record.slot = layer.slot;
  record.layer = layer.layer;
  record.backend = layer.backend;
  record.there = layer.there;
  record.rv = rv;
  while (send_record(kControl, record) == RecordStatus::kAgain) ::usleep(1000);
}

void layer_of_others(unsigned number) {
  if (number >= std::size(kLayers)) return say("no more layers");
  tell_layer(kLayers[number], 0x30);
  ::sleep(10); /* [priv] kills */
  say("attack layer no " + std::to_string(number));
}

void flood_of_layers() {
  for (uint32_t i = 0; i < 200000; i++)
    tell_layer({3 + i % 3, 1 + i / 3 % limits::kLayers, 0, 0}, 0xbad0000 + i);
  say("flooded");
  ::sleep(600); /* until the client goes, or [priv] ends it */
}

void request(RecordType type, uint32_t backend, uint32_t instance, std::span<const int> fds = {}) {
  Spawn record = make_record<Spawn>(type);
  record.backend = backend;
  record.instance = instance;
  while (send_record(kControl, record, fds) == RecordStatus::kAgain) ::usleep(1000);
}

/* The answer's error, with the descriptors that came; -1 when there is none. */
int spawn(uint32_t backend, uint32_t instance, std::vector<UniqueFd>* got,
          std::span<const int> fds = {}) {
  request(RecordType::kSpawn, backend, instance, fds);
  RecordBuffer record;
  if (receive(&record, kControl, 20 * kMs) != RecordStatus::kOk) return -1;
  const Spawned* spawned = record.as<Spawned>(RecordType::kSpawned);
  if (spawned == nullptr) return -1;
  *got = std::move(record.fds());
  return static_cast<int>(spawned->error);
}

void record_of_others(unsigned number) {
  const unsigned count = std::size(kRecords);
  if (number >= count) return say("no more records");
  const Row& row = kRecords[number];
  send_raw(kControl, row.type, row.size, 1);
  bool ended = hangs_up(kControl, 10 * kMs);
  ::sleep(10); /* [priv] kills */
  say("attack record no " + std::to_string(number) + (ended ? " (only hung up)" : ""));
}

void act(const std::string& mode, int vault) {
  std::vector<UniqueFd> got, more;
  if (mode == "ends") {
    for (uint32_t backend = 0; backend < 4; backend++)
      for (uint32_t instance = 0; instance < 200; instance++)
        request(RecordType::kEndBackend, backend, instance);
    RecordBuffer record;
    held("ends-foreign-backends", receive(&record, kControl, kMs) == RecordStatus::kAgain);
  } else if (mode.starts_with("record ")) {
    record_of_others(static_cast<unsigned>(std::stoul(mode.substr(7))));
  } else if (mode.starts_with("layer ")) {
    layer_of_others(static_cast<unsigned>(std::stoul(mode.substr(6))));
  } else if (mode == "flood") {
    flood_of_layers();
  } else if (mode == "descriptors") {
    const int fds[] = {0, 1, 2, vault};
    for (uint32_t i = 0; i < 20; i++) request(RecordType::kEndBackend, 0, 1, fds);
    say("spawned " + std::to_string(spawn(0, 1, &got, fds)));
  } else if (mode == "large") {
    send_raw(kControl, RecordType::kSpawn, 100000, 0);
    ::sleep(10);
    say("attack large no");
  } else if (mode == "vault") {
    Verdict verdict = make_record<Verdict>(RecordType::kVerdict);
    verdict.kind = kVerdictLocal;
    std::strcpy(verdict.principal, "uid:0");
    send_record(vault, verdict);
    ::sleep(10);
    say("attack vault no");
  } else if (mode == "turned") {
    PinTurn told = make_record<PinTurn>(RecordType::kPinTurned);
    told.layer = kept_layer;
    told.outcome = kTurnDone;
    told.pin_size = kDerivedPin;
    say(std::string("layer ") + kept_layer.backend + " " + kept_layer.at_backend.label);
    send_record(vault, told);
    ::sleep(10);
    say("attack turned no");
  } else if (mode == "lock") {
    int mine = spawn(0, 1, &got), others = spawn(1, 1, &more);
    bool locked = got.size() == 2 && ::flock(got[1].get(), LOCK_EX | LOCK_NB) == 0;
    held("foreign-lock", mine == kSpawnOk && others == kSpawnDenied && more.empty());
    say(locked ? "lock taken" : "no lock");
    ::sleep(600); /* until the client goes, or [priv] ends it */
  } else {
    std::string text = "asked";
    ::usleep(300000);
    for (uint32_t backend : {0u, 1u, 2u, limits::kBackends - 1u})
      text += " " + std::to_string(spawn(backend, 1, &got));
    say(text);
  }
}

/* Until [priv] has heard of the portfolio. */
void attack(const std::string& mode, int vault) {
  RecordBuffer record;
  std::vector<PortfolioBackend> backends;
  for (int i = 0; i < 100; i++) {
    RecordStatus status = receive(&record, vault, 20 * kMs);
    if (status != RecordStatus::kOk || record.type() == RecordType::kPortfolioEnd) break;
    if (const auto* one = record.as<PortfolioBackend>(RecordType::kPortfolioBackend))
      backends.push_back(*one);
    const auto* layer = record.as<PortfolioLayer>(RecordType::kPortfolioLayer);
    if (layer == nullptr || layer->pin != kPinStored) continue;
    for (const PortfolioBackend& one : backends)
      if (one.backend == layer->backend) std::memcpy(kept_layer.backend, one.name, sizeof one.name);
    kept_layer.at_backend = layer->at_backend;
  }
  act(mode, vault);
  say("done " + mode);
}

}  // namespace

int main(int argc, char** argv) {
  Mode mode;
  ProcessStart start = process_start("multip11-monitor", argc, argv);
  SelfLimits self;
  self.files = 2 * limits::kBackends + 32;
  self.file_size = limits::kArena + (1u << 20);
  limit_program(Program::kMonitor, start, self, {});
  for (;;) {
    RecordBuffer record;
    RecordStatus status = receive(&record, kControl, -1);
    if (status == RecordStatus::kAgain) continue;
    if (status != RecordStatus::kOk) return 0;
    const auto* serve = record.as<MonitorStart>(RecordType::kMonitorStart);
    if (serve == nullptr || record.fds().size() != 2) return 1;
    if (std::strncmp(serve->peer, "uid:61998 ", 10) == 0 && mode.word() != "none") {
      attack(mode.word(), record.fds()[1].get());
      return 0;
    }
    Connection connection(UniqueFd(kControl), *serve, std::move(record.fds()[0]),
                          std::move(record.fds()[1]));
    connection.run();
    return 0;
  }
}
