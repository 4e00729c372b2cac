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
 * A multip11-monitor that lies to [priv]: regress/e2e/rogue-monitor.sh puts it in the place of the
 * real one. What it does stands in the file `mode` beside it; what it saw it writes to the log.
 *
 *   short    in the pool: a record that is too short
 *   early    in the pool: asks for a backend before it has a connection
 *   spawn    with a connection: asks for what it may not have, for too much, and ends what it got
 *   twice    with a connection: asks for the same instance twice
 *   deaf     with a connection: asks and asks, and never reads the answers
 */
#include <poll.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "record_io.h"

using namespace mp11;

namespace {

constexpr int kControl = 3;

std::string mode() {
  char path[4096] = "";
  ssize_t size = ::readlink("/proc/self/exe", path, sizeof path - 8);
  std::string file = std::string(path, size > 0 ? static_cast<size_t>(size) : 0);
  file = file.substr(0, file.rfind('/')) + "/mode";
  char word[32] = "";
  if (FILE* f = std::fopen(file.c_str(), "re")) {
    if (std::fscanf(f, "%31s", word) != 1) word[0] = '\0';
    std::fclose(f);
  }
  return word;
}

void say(const std::string& text) {
  std::string line = "<6>rogue: " + text + "\n";
  (void)!::write(2, line.data(), line.size());
}

/* Waits at most two seconds. */
bool receive(RecordBuffer* record) {
  pollfd wait{kControl, POLLIN, 0};
  if (::poll(&wait, 1, 2000) != 1) return false;
  return record->receive(kControl, true) == RecordStatus::kOk;
}

void ask(RecordType type, uint32_t backend, uint32_t instance) {
  Spawn spawn = make_record<Spawn>(type);
  spawn.backend = backend;
  spawn.instance = instance;
  send_record(kControl, spawn);
}

/* Channel sockets stay open, or the backends would end by themselves. */
std::vector<UniqueFd>* kept = nullptr;

/* The answer's error, -1 when there is none. */
int answer(RecordType type) {
  RecordBuffer record;
  if (!receive(&record)) return -1;
  for (UniqueFd& fd : record.fds()) kept->push_back(std::move(fd));
  const Spawned* spawned = record.as<Spawned>(type);
  return spawned != nullptr ? static_cast<int>(spawned->error) : -1;
}

int spawn(uint32_t backend, uint32_t instance) {
  ask(RecordType::kSpawn, backend, instance);
  return answer(RecordType::kSpawned);
}

/* Keeps the connection's sockets open while it lives. */
void wait_for_connection(RecordBuffer* start) {
  for (;;) {
    pollfd wait{kControl, POLLIN, 0};
    ::poll(&wait, 1, -1);
    RecordStatus status = start->receive(kControl, true);
    if (status == RecordStatus::kAgain) continue;
    if (status != RecordStatus::kOk || start->type() != RecordType::kMonitorStart) ::_exit(0);
    ::usleep(300000); /* by now [priv] has heard of the portfolio */
    return;
  }
}

void spawn_too_much() {
  say("not in the portfolio: " + std::to_string(spawn(1, 1)));
  say("no such backend: " + std::to_string(spawn(4000000000u, 2)));
  unsigned good = 0;
  int last = 0;
  for (uint32_t i = 0; i < 20; i++) {
    last = spawn(0, 100 + i);
    good += last == kSpawnOk ? 1 : 0;
  }
  say("started " + std::to_string(good) + ", then " + std::to_string(last));
  unsigned killed = 0;
  for (uint32_t i = 0; i < 16; i++) ask(RecordType::kEndBackend, 0, 100 + i);
  for (uint32_t i = 0; i < 16; i++)
    killed += answer(RecordType::kBackendGone) == kEndKilled ? 1 : 0;
  say("ended " + std::to_string(killed));
  say("again: " + std::to_string(spawn(0, 200)));
}

}  // namespace

int main() {
  std::vector<UniqueFd> all;
  kept = &all;
  std::string what = mode();
  if (what == "short") (void)!::write(kControl, "abc", 3);
  if (what == "early") ask(RecordType::kSpawn, 0, 1);
  RecordBuffer start;
  wait_for_connection(&start);
  say("connected");
  if (what == "spawn") spawn_too_much();
  if (what == "twice") {
    say("first: " + std::to_string(spawn(0, 1)));
    say("second: " + std::to_string(spawn(0, 1)));
  }
  if (what == "deaf") {
    for (uint32_t i = 0; i < 100000; i++) ask(RecordType::kSpawn, 1, i);
  }
  say("still alive");
  ::sleep(1);
  return 0;
}
