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
 * PINs that the vault keeps: how they lie in its database, what an administrator may ask, and who
 * is told to change one. If these failed, a PIN could be read or put in another's place, somebody
 * who is no administrator would get one, or a monitor would make the vault forget one.
 */
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "pin_box.h"
#include "vault.h"

using namespace mp11;

namespace {

std::string key_line(char digit) { return std::string(64, digit) + "\n"; }

MasterKeys keys_of(const std::string& text) {
  auto keys = MasterKeys::read({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  BOOST_REQUIRE(keys.ok());
  return std::move(*keys);
}

StoredPin stored(const std::string& pin) {
  StoredPin stored{};
  stored.size = static_cast<uint32_t>(pin.size());
  std::memcpy(stored.pin, pin.data(), pin.size());
  return stored;
}

std::string text_of(const StoredPin& pin) {
  return std::string(reinterpret_cast<const char*>(pin.pin), pin.size);
}

class TempDir {
 public:
  TempDir() {
    char pattern[] = "/tmp/multip11-pins.XXXXXX";
    path_ = ::mkdtemp(pattern);
    ::chmod(path_.c_str(), 0755);
  }
  ~TempDir() { (void)!std::system(("rm -r " + path_).c_str()); }
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

/*
 * "safe" on hsm has pin = vault, for uid:1000 and uid:1001; so has "of %p" on hsm; "made" on hsm is
 * on demand; "open" has the client's PIN.
 */
Config sample() {
  Config c;
  c.backends.resize(2);
  c.backends[0].name = "hsm";
  c.backends[1].name = "other";
  auto add = [&](const char* label, PinMode pin, bool of_person = false) {
    TokenConfig& token = c.tokens.emplace_back();
    token.label = label;
    token.serial = label;
    token.allow = {"uid:1000", "uid:1001"};
    LayerConfig& layer = token.layers.emplace_back();
    layer.at_backend.label = label;
    layer.of_person = of_person;
    layer.pin = pin;
    layer.on_demand = pin == kPinDerived;
  };
  add("safe", kPinVault);
  add("of %p", kPinVault, true);
  add("made", kPinDerived);
  add("open", kPinClient);
  return c;
}

struct Fixture {
  explicit Fixture(const std::string& keys = key_line('1'))
      : loop(std::move(*EventLoop::create())) {
    start(keys);
  }
  /* Also again: another vault over the same database. */
  void start(const std::string& keys) {
    vault.reset();
    auto pair = record_pair();
    auto policy = Policy::read(serialise_policy(sample()));
    auto state = VaultState::open(dir.file("state.db"));
    BOOST_REQUIRE((pair.ok() && policy.ok() && state.ok()));
    control = std::move(pair->first);
    vault = std::make_unique<Vault>(&loop, std::move(*policy), std::move(*state), keys_of(keys),
                                    std::move(pair->second), listener());
  }
  UniqueFd listener() {
    UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const sockaddr_un address = where();
    ::unlink(address.sun_path);
    BOOST_REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) ==
                  0);
    BOOST_REQUIRE(::chmod(address.sun_path, 0666) == 0);
    BOOST_REQUIRE(::listen(fd.get(), 10) == 0);
    return fd;
  }
  sockaddr_un where() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, dir.file("sock").c_str());
    return address;
  }
  UniqueFd admin() {
    UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const sockaddr_un address = where();
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
      fd.reset();
    return fd;
  }
  void turn() {
    for (int i = 0; i < 10; i++) {
      loop.after(0, [] {});
      loop.run_once();
    }
  }
  static VaultRequest request(VaultCommand command, const char* token = "", const char* pin = "",
                              const char* backend = "hsm") {
    VaultRequest request = make_record<VaultRequest>(RecordType::kVaultRequest);
    request.command = command;
    if (*token != '\0') std::strcpy(request.backend, backend);
    std::strcpy(request.token, token);
    request.pin = stored(pin);
    return request;
  }
  VaultAnswer ask(const VaultRequest& request) {
    UniqueFd fd = admin();
    VaultAnswer none{};
    BOOST_REQUIRE(fd);
    BOOST_REQUIRE((send_record(fd.get(), request) == RecordStatus::kOk));
    turn();
    entries.clear();
    RecordBuffer record;
    while (record.receive(fd.get(), false) == RecordStatus::kOk) {
      if (const auto* entry = record.as<VaultEntry>(RecordType::kVaultEntry))
        entries.push_back(*entry);
      if (const auto* answer = record.as<VaultAnswer>(RecordType::kVaultAnswer)) return *answer;
      turn();
    }
    return none; /* hung up */
  }
  uint32_t does(VaultCommand command, const char* token = "", const char* pin = "") {
    last = ask(request(command, token, pin));
    return last.result;
  }
  std::string pin_of(const char* token) {
    return does(kVaultExport, token) == kVaultDone ? text_of(last.pin) : "";
  }
  std::string entry_of(const char* token) { /* KIND KEY NEXT-KEY FLAGS SINCE */
    BOOST_REQUIRE(does(kVaultList) == kVaultDone);
    for (const VaultEntry& e : entries)
      if (std::string(e.token) == token)
        return std::string(e.pin == kPinVault ? "vault " : "derived ") + std::to_string(e.key) +
               " " + std::to_string(e.next_key) + " " + std::to_string(e.flags) +
               (e.changed_s != 0 ? " since" : "");
    return "";
  }
  /* A connection, with its portfolio. */
  struct Monitor {
    UniqueFd socket;
    std::map<std::string, PortfolioPin> pins; /* by the label of their layer's token there */
    std::map<std::string, BackendToken> layers;
  };
  Monitor connect(uint64_t name, const char* who = "uid:1000") {
    auto pair = record_pair();
    BOOST_REQUIRE(pair.ok());
    VaultConnection record = make_record<VaultConnection>(RecordType::kVaultConnection);
    record.connection = name;
    record.has_verdict = 1;
    record.verdict = make_record<Verdict>(RecordType::kVerdict);
    record.verdict.kind = kVerdictLocal;
    std::strcpy(record.verdict.principal, who);
    const int fd = pair->first.get();
    BOOST_REQUIRE((send_record(control.get(), record, {&fd, 1}) == RecordStatus::kOk));
    turn();
    ConnectionName allowed = make_record<ConnectionName>(RecordType::kAllowed);
    allowed.connection = name;
    send_record(control.get(), allowed);
    pair->first.reset();
    turn();
    Monitor monitor{std::move(pair->second), {}, {}};
    RecordBuffer got;
    std::string token, layer;
    while (got.receive(monitor.socket.get(), false) == RecordStatus::kOk) {
      if (const auto* t = got.as<PortfolioToken>(RecordType::kPortfolioToken)) token = t->label;
      if (const auto* l = got.as<PortfolioLayer>(RecordType::kPortfolioLayer))
        monitor.layers[token] = l->at_backend;
      if (const auto* p = got.as<PortfolioPin>(RecordType::kPortfolioPin)) monitor.pins[token] = *p;
      turn();
    }
    return monitor;
  }
  PinTurn turn_of(const Monitor& monitor, const char* token, RecordType type, uint32_t outcome = 0,
                  uint32_t size = 0) {
    PinTurn record = make_record<PinTurn>(type);
    std::strcpy(record.layer.backend, "hsm");
    record.layer.at_backend = monitor.layers.at(token);
    record.outcome = outcome;
    record.pin_size = size;
    return record;
  }
  void say(const Monitor& monitor, const char* token, RecordType type, uint32_t outcome = 0,
           uint32_t size = 0) {
    send_record(monitor.socket.get(), turn_of(monitor, token, type, outcome, size));
    turn();
  }
  /* "VERDICT PIN NEXT" of the next record; "" when there is none, "closed" when it hung up. */
  std::string heard(const Monitor& monitor) {
    RecordBuffer record;
    const RecordStatus status = record.receive(monitor.socket.get(), false);
    if (status == RecordStatus::kAgain) return "";
    const auto* news =
        status == RecordStatus::kOk ? record.as<LayerPin>(RecordType::kLayerPin) : nullptr;
    if (news == nullptr) return "closed";
    return std::to_string(news->verdict) + " " + text_of(news->pin) + " " + text_of(news->next);
  }
  void end(uint64_t name) {
    ConnectionName record = make_record<ConnectionName>(RecordType::kVaultEnd);
    record.connection = name;
    send_record(control.get(), record);
    turn();
  }
  /* What the database's file has, octet by octet. */
  std::string database() {
    const int fd = ::open(dir.file("state.db").c_str(), O_RDONLY);
    std::string all(1 << 20, '\0');
    const ssize_t size = ::read(fd, all.data(), all.size());
    ::close(fd);
    BOOST_REQUIRE(size > 100);
    all.resize(static_cast<size_t>(size));
    return all;
  }
  VaultAnswer forced(VaultCommand command, const char* token, const char* pin = "") {
    VaultRequest forced = request(command, token, pin);
    forced.force = 1;
    return ask(forced);
  }
  void sql(const std::string& text) {
    sqlite3* database = nullptr;
    BOOST_REQUIRE(sqlite3_open(dir.file("state.db").c_str(), &database) == SQLITE_OK);
    BOOST_REQUIRE(sqlite3_exec(database, text.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
    sqlite3_close(database);
  }
  TempDir dir;
  EventLoop loop;
  std::unique_ptr<Vault> vault;
  UniqueFd control;
  std::vector<VaultEntry> entries;
  VaultAnswer last{};
};

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string verdict(TurnVerdict verdict, const std::string& pin, const std::string& next = "") {
  return std::to_string(verdict) + " " + pin + " " + next;
}

/* How often the text stands in the heap, also where it was freed; 0 where that is not known. */
size_t count_in_heap(const std::string& text) {
  static char chunk[1 << 16];
  std::ifstream maps("/proc/self/maps");
  size_t count = 0;
  const int fd = ::open("/proc/self/mem", O_RDONLY);
  for (std::string line; std::getline(maps, line);) {
    unsigned long from = 0, to = 0;
    if (!has(line, "[heap]") || sscanf(line.c_str(), "%lx-%lx", &from, &to) != 2) continue;
    for (; from < to; from += sizeof chunk - text.size()) {
      const ssize_t got = ::pread(fd, chunk, std::min(sizeof chunk, to - from), (off_t)from);
      if (got <= 0) break;
      const char* end = chunk + got;
      for (const char* at = chunk; (at = std::search(at, end, text.begin(), text.end())) != end;)
        at++, count++;
    }
  }
  ::close(fd);
  return count;
}

/* Makes "made" on demand, with a PIN of 20 octets. */
void make_token(Fixture* f) {
  Fixture::Monitor monitor = f->connect(99);
  MakeToken ask = make_record<MakeToken>(RecordType::kMakeToken);
  std::memcpy(ask.id, monitor.layers.at("made").label, sizeof ask.id);
  send_record(monitor.socket.get(), ask);
  f->turn();
  MakeToken made = make_record<MakeToken>(RecordType::kTokenMade);
  std::memcpy(made.id, ask.id, sizeof made.id);
  made.made = 1;
  made.pin_size = 20;
  send_record(monitor.socket.get(), made);
  f->turn();
  f->end(99);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(vault_pins)

/* ---- how they lie there */

BOOST_AUTO_TEST_CASE(a_pin_opens_where_it_was_put_and_nowhere_else) {
  const MasterKeys keys = keys_of(key_line('1') + key_line('2'));
  const PinPlace place{"hsm", "safe", false};
  auto sealed = seal_pin(keys, 1, place, stored("1234"));
  BOOST_REQUIRE(sealed.ok());
  StoredPin pin;
  BOOST_TEST(open_pin(keys, 1, place, *sealed, &pin).ok());
  BOOST_TEST(text_of(pin) == "1234");
  auto longer = seal_pin(keys, 1, place, stored(std::string(252, 'x')));
  BOOST_REQUIRE(longer.ok());
  BOOST_TEST(longer->size() == sealed->size()); /* which tells nothing of the PIN's length */
  BOOST_TEST((*seal_pin(keys, 1, place, stored("1234")) != *sealed));
  for (const PinPlace& other : {PinPlace{"hsm", "safe", true}, PinPlace{"hsm", "other", false},
                                PinPlace{"other", "safe", false}, PinPlace{"hsmsafe", "", false}})
    BOOST_TEST(!open_pin(keys, 1, other, *sealed, &pin).ok());
  for (uint32_t number : {0u, 2u, 3u})
    BOOST_TEST(!open_pin(keys, number, place, *sealed, &pin).ok());
  for (size_t i = 0; i < sealed->size(); i++)
    for (uint8_t bit : {uint8_t{1}, uint8_t{128}}) {
      std::vector<uint8_t> changed = *sealed;
      changed[i] = static_cast<uint8_t>(changed[i] ^ bit);
      BOOST_TEST(!open_pin(keys, 1, place, changed, &pin).ok());
      BOOST_TEST(pin.size == 0u);
      BOOST_TEST(pin.pin[0] == 0u);
    }
  for (size_t size : {size_t{0}, size_t{27}, sealed->size() - 1})
    BOOST_TEST(!open_pin(keys, 1, place, std::span(*sealed).first(size), &pin).ok());
  BOOST_TEST(!seal_pin(keys, 1, place, stored("")).ok());
  BOOST_TEST(!seal_pin(keys, 3, place, stored("1234")).ok());
  StoredPin a, b;
  BOOST_TEST((make_pin(&a).ok() && make_pin(&b).ok()));
  BOOST_TEST(a.size == kDerivedPin);
  BOOST_TEST(text_of(a) != text_of(b));
}

BOOST_AUTO_TEST_CASE(a_database_that_somebody_changed) {
  Fixture f;
  BOOST_TEST(f.does(kVaultSet, "safe", "first-pin") == kVaultDone);
  BOOST_TEST(f.does(kVaultSet, "of uid:1000", "other-pin") == kVaultDone);
  BOOST_TEST(f.pin_of("safe") == "first-pin");
  f.sql(
      "UPDATE pin SET sealed = (SELECT sealed FROM pin WHERE token = 'of uid:1000') WHERE token "
      "= 'safe'");
  BOOST_TEST(f.does(kVaultExport, "safe") == kVaultRefused);
  BOOST_TEST(has(f.last.text, "is not what was written there"));
  BOOST_TEST(f.last.pin.size == 0u);
  BOOST_TEST(has(f.entry_of("safe"), "vault 1 0 2"));
  BOOST_TEST(f.connect(1).pins.at("safe").pin.size == 0u);
  BOOST_TEST(f.does(kVaultRotate, "safe") == kVaultRefused);
  BOOST_TEST(f.does(kVaultRekey) == kVaultRefused);
  BOOST_TEST(has(f.last.text, "token \"safe\" on hsm"));
  BOOST_TEST(f.pin_of("of uid:1000") == "other-pin");
  /* The next PIN in the place of the present one, in its own row. */
  BOOST_TEST(f.does(kVaultSet, "safe", "first-pin") == kVaultDone);
  BOOST_TEST(f.does(kVaultRotate, "safe") == kVaultDone);
  f.sql("UPDATE pin SET sealed = next WHERE token = 'safe'");
  BOOST_TEST(f.does(kVaultExport, "safe") == kVaultRefused);
  /* No PIN lies there readable. */
  const std::string all = f.database();
  BOOST_TEST((!has(all, "first-pin") && !has(all, "other-pin")));
}

/* What was removed, or is under another key, is not there any more, encrypted as it was. */
BOOST_AUTO_TEST_CASE(nothing_is_left_in_the_database) {
  Fixture f;
  auto sealed = [&f](const std::string& token) {
    auto state = VaultState::open(f.dir.file("state.db"));
    BOOST_REQUIRE(state.ok());
    auto row = (*state)->pin({VaultState::PinKind::kVault, "hsm", token});
    BOOST_REQUIRE((row.ok() && row->has_value()));
    return std::string((*row)->sealed.begin(), (*row)->sealed.end());
  };
  BOOST_TEST(f.does(kVaultSet, "safe", "1234") == kVaultDone);
  BOOST_TEST(f.does(kVaultSet, "of uid:1000", "5678") == kVaultDone);
  auto left = [&f](const std::string& old) {
    return has(f.database(), old.substr(old.size() / 2)); /* its beginning is written over */
  };
  const std::string one = sealed("safe"), other = sealed("of uid:1000");
  BOOST_TEST((left(one) && left(other)));
  BOOST_TEST(f.does(kVaultRemove, "safe") == kVaultDone);
  BOOST_TEST(!left(one));
  f.start(key_line('1') + key_line('2'));
  BOOST_TEST(f.does(kVaultRekey) == kVaultDone);
  BOOST_TEST(!left(other));
}

/* ---- administrators */

BOOST_AUTO_TEST_CASE(what_an_administrator_may_do) {
  Fixture f;
  BOOST_TEST(f.entry_of("safe") == "vault 0 0 0");
  BOOST_TEST(f.pin_of("safe") == "");
  BOOST_TEST(has(f.last.text, "has no PIN yet"));
  BOOST_TEST(f.does(kVaultRotate, "safe") == kVaultRefused);
  BOOST_TEST(f.does(kVaultRemove, "safe") == kVaultRefused);
  BOOST_TEST(f.does(kVaultSet, "safe", "1234") == kVaultDone);
  BOOST_TEST(f.entry_of("safe") == "vault 1 0 0 since");
  for (const VaultEntry& entry : f.entries) BOOST_TEST(!has(entry.token, "%"));
  BOOST_TEST(f.pin_of("safe") == "1234");
  BOOST_TEST(f.does(kVaultSet, "safe", "5678") == kVaultDone);
  BOOST_TEST(f.pin_of("safe") == "5678");
  BOOST_TEST(f.does(kVaultRotate, "safe") == kVaultDone);
  BOOST_TEST(f.entry_of("safe") == "vault 1 1 0 since");
  BOOST_TEST(f.does(kVaultRotate, "safe") == kVaultRefused);
  BOOST_TEST(f.pin_of("safe") == "5678");
  BOOST_TEST(f.last.next.size == 32u);
  BOOST_TEST(f.does(kVaultSet, "safe", "9999") == kVaultChanging);
  BOOST_TEST(f.forced(kVaultSet, "safe", "9999").result == kVaultDone);
  BOOST_TEST(f.pin_of("safe") == "9999");
  BOOST_TEST(f.last.next.size == 0u);
  BOOST_TEST(f.does(kVaultRotate, "safe") == kVaultDone);
  BOOST_TEST(f.does(kVaultRemove, "safe") == kVaultChanging);
  BOOST_TEST(f.pin_of("safe") == "9999");
  BOOST_TEST(f.forced(kVaultRemove, "safe").result == kVaultDone);
  BOOST_TEST(f.pin_of("safe") == "");
  BOOST_TEST(f.does(kVaultSet, "safe", "9999") == kVaultDone);
  BOOST_TEST(f.does(kVaultRemove, "safe") == kVaultDone);
  BOOST_TEST(f.pin_of("safe") == "");
  /* What no layer names. */
  BOOST_TEST(f.does(kVaultSet, "unknown", "1234") == kVaultRefused);
  BOOST_TEST(has(f.last.text, "no layer has pin = vault"));
  BOOST_TEST(f.does(kVaultSet, "open", "1234") == kVaultRefused);
  BOOST_TEST(f.does(kVaultSet, "made", "1234") == kVaultRefused);
  BOOST_TEST(has(f.last.text, "derived"));
  BOOST_TEST(f.does(kVaultRotate, "made") == kVaultRefused);
  BOOST_TEST(has(f.last.text, "not been made"));
  BOOST_TEST(f.ask(Fixture::request(kVaultSet, "safe", "1", "none")).result == kVaultRefused);
  BOOST_TEST(f.does(kVaultSet, "of alice@R", "1234") == kVaultDone);
  BOOST_TEST(f.does(kVaultSet, "off alice@R", "1234") == kVaultRefused);
}

BOOST_AUTO_TEST_CASE(requests_that_are_none) {
  Fixture f;
  std::vector<VaultRequest> bad(10, Fixture::request(kVaultSet, "safe", "1234"));
  bad[0].command = 0;
  bad[1].command = kVaultRemove + 1;
  bad[2].force = 2;
  std::memset(bad[3].backend, 'x', sizeof bad[3].backend);
  std::memset(bad[4].token, 'x', sizeof bad[4].token);
  bad[5].pin.size = 0;
  bad[6].pin.size = sizeof bad[6].pin.pin + 1;
  bad[7].token[0] = '\n';
  bad[8].command = kVaultExport; /* with a PIN */
  bad[9].head.type = RecordType::kVaultAnswer;
  for (const VaultRequest& request : bad) BOOST_TEST(f.ask(request).result == 0u);
  UniqueFd fd = f.admin();
  const uint8_t noise[2000] = {};
  for (size_t size :
       {size_t{0}, size_t{1}, sizeof(VaultRequest) - 1, sizeof(VaultRequest) + 1, sizeof noise}) {
    fd = f.admin();
    (void)!::send(fd.get(), noise, size, MSG_NOSIGNAL);
    f.turn();
    RecordBuffer record;
    BOOST_TEST((record.receive(fd.get(), false) == RecordStatus::kClosed));
  }
  BOOST_TEST(f.does(kVaultList) == kVaultDone); /* the others' time is not theirs */
}

/* Four who say nothing keep the fifth waiting until one of them goes. */
BOOST_AUTO_TEST_CASE(few_at_once) {
  Fixture f;
  std::vector<UniqueFd> silent;
  for (int i = 0; i < 4; i++) silent.push_back(f.admin());
  f.turn();
  UniqueFd fifth = f.admin();
  send_record(fifth.get(), Fixture::request(kVaultList));
  f.turn();
  RecordBuffer record;
  BOOST_TEST((record.receive(fifth.get(), false) == RecordStatus::kAgain));
  silent.pop_back();
  f.turn();
  BOOST_TEST((record.receive(fifth.get(), false) == RecordStatus::kOk));
}

BOOST_AUTO_TEST_CASE(who_is_no_administrator) {
  if (::geteuid() != 0) return; /* only root can be somebody else */
  Fixture f;
  const pid_t pid = ::fork();
  if (pid == 0) {
    if (::setgid(61997) != 0 || ::setuid(61997) != 0) ::_exit(2);
    UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET, 0));
    const sockaddr_un address = f.where();
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
      ::_exit(3);
    send_record(fd.get(), Fixture::request(kVaultList));
    char octet;
    ::_exit(::recv(fd.get(), &octet, 1, 0) <= 0 ? 0 : 1);
  }
  int status = -1;
  for (int i = 0; i < 1000 && ::waitpid(pid, &status, WNOHANG) == 0; i++) {
    f.turn();
    ::usleep(2000);
  }
  BOOST_TEST(status == 0);
  BOOST_TEST(f.does(kVaultList) == kVaultDone);
}

BOOST_AUTO_TEST_CASE(another_vault_takes_the_administrators) {
  Fixture f;
  const RecordHead stop{RecordType::kStop, sizeof(RecordHead)};
  BOOST_REQUIRE((send_record(f.control.get(), &stop, sizeof stop) == RecordStatus::kOk));
  f.turn();
  BOOST_TEST(!f.admin());
}

/* ---- who is told */

BOOST_AUTO_TEST_CASE(monitors_hear_of_a_pin) {
  Fixture f;
  Fixture::Monitor one = f.connect(1), two = f.connect(2, "uid:1001");
  BOOST_TEST(one.pins.at("safe").pin.size == 0u);
  BOOST_TEST(f.does(kVaultSet, "safe", "1234") == kVaultDone);
  for (const Fixture::Monitor* monitor : {&one, &two}) {
    BOOST_TEST(f.heard(*monitor) == verdict(kPinIs, "1234"));
    BOOST_TEST(f.heard(*monitor) == "");
  }
  /* Of a person's token, that person's alone. */
  BOOST_TEST(f.does(kVaultSet, "of uid:1000", "mine") == kVaultDone);
  BOOST_TEST(f.heard(one) == verdict(kPinIs, "mine"));
  BOOST_TEST(f.heard(two) == "");
  Fixture::Monitor later = f.connect(3, "uid:1001");
  BOOST_TEST(text_of(later.pins.at("safe").pin) == "1234");
  BOOST_TEST(later.pins.at("of uid:1001").pin.size == 0u);
}

BOOST_AUTO_TEST_CASE(one_at_a_time_changes_it) {
  Fixture f;
  BOOST_TEST(f.does(kVaultSet, "safe", "1234") == kVaultDone);
  Fixture::Monitor one = f.connect(1), two = f.connect(2, "uid:1001"), three = f.connect(3);
  BOOST_TEST(f.does(kVaultRotate, "safe") == kVaultDone);
  BOOST_TEST(f.pin_of("safe") == "1234");
  const std::string next = text_of(f.last.next);
  Fixture::Monitor four = f.connect(4);
  BOOST_TEST(text_of(four.pins.at("safe").next) == next);
  for (const Fixture::Monitor* monitor : {&one, &two, &three})
    BOOST_TEST(f.heard(*monitor) == verdict(kPinIs, "1234", next));
  f.say(one, "safe", RecordType::kTurnPin);
  f.say(two, "safe", RecordType::kTurnPin);
  f.say(three, "safe", RecordType::kTurnPin);
  BOOST_TEST(f.heard(one) == verdict(kTurnIt, "1234", next));
  BOOST_TEST(f.heard(two) == "");
  f.end(1); /* it dies */
  BOOST_TEST(f.heard(two) == verdict(kTurnItAgain, "1234", next));
  BOOST_TEST(f.heard(three) == "");
  f.say(two, "safe", RecordType::kPinTurned, kTurnDone, 12);
  BOOST_TEST(f.pin_of("safe") == next.substr(0, 12));
  BOOST_TEST(f.last.next.size == 0u);
  const std::string now = verdict(kPinIs, next.substr(0, 12));
  for (const Fixture::Monitor* monitor : {&two, &three, &four})
    BOOST_TEST(f.heard(*monitor) == now);
  BOOST_TEST(f.heard(three) == now); /* the answer to what it asked */
  BOOST_TEST(f.heard(two) == "");
}

BOOST_AUTO_TEST_CASE(a_change_that_does_not_come_about) {
  Fixture f;
  BOOST_TEST(f.does(kVaultSet, "safe", "1234") == kVaultDone);
  BOOST_TEST(f.does(kVaultRotate, "safe") == kVaultDone);
  Fixture::Monitor one = f.connect(1);
  const std::string next = text_of(one.pins.at("safe").next);
  f.say(one, "safe", RecordType::kTurnPin);
  BOOST_TEST(f.heard(one) == verdict(kTurnIt, "1234", next));
  f.say(one, "safe", RecordType::kPinTurned, kTurnUntried);
  f.say(one, "safe", RecordType::kTurnPin);
  BOOST_TEST(f.heard(one) == verdict(kTurnIt, "1234", next)); /* nobody has begun yet */
  f.say(one, "safe", RecordType::kPinTurned, kTurnUnknown);
  BOOST_TEST(f.entry_of("safe") == "vault 1 1 0 since"); /* both are kept */
  f.say(one, "safe", RecordType::kTurnPin);
  BOOST_TEST(f.heard(one) == verdict(kTurnItAgain, "1234", next));
  f.say(one, "safe", RecordType::kPinTurned, kTurnRefused);
  BOOST_TEST(f.heard(one) == verdict(kPinIs, "1234"));
  BOOST_TEST(f.pin_of("safe") == "1234");
  BOOST_TEST(f.entry_of("safe") == "vault 1 0 0 since");
  /* Neither is right: nobody tries until somebody knows better. */
  BOOST_TEST(f.does(kVaultRotate, "safe") == kVaultDone);
  (void)f.heard(one);
  f.say(one, "safe", RecordType::kTurnPin);
  BOOST_TEST(f.heard(one).starts_with(std::to_string(kTurnIt)));
  f.say(one, "safe", RecordType::kPinTurned, kTurnNeither);
  f.say(one, "safe", RecordType::kTurnPin);
  BOOST_TEST(f.heard(one).starts_with(std::to_string(kTurnNot)));
  BOOST_TEST(f.forced(kVaultSet, "safe", "8888").result == kVaultDone);
  BOOST_TEST(f.heard(one) == verdict(kPinIs, "8888"));
  f.say(one, "safe", RecordType::kTurnPin);
  BOOST_TEST(f.heard(one) == verdict(kPinIs, "8888"));
}

/* Another vault knows what this one has on the disk, at every step. */
BOOST_AUTO_TEST_CASE(a_vault_that_dies) {
  Fixture f;
  BOOST_TEST(f.does(kVaultSet, "safe", "1234") == kVaultDone);
  f.start(key_line('1'));
  BOOST_TEST(f.pin_of("safe") == "1234");
  BOOST_TEST(f.does(kVaultRotate, "safe") == kVaultDone);
  f.start(key_line('1'));
  BOOST_TEST(f.pin_of("safe") == "1234");
  const std::string next = text_of(f.last.next);
  BOOST_TEST(next.size() == 32u);
  {
    Fixture::Monitor one = f.connect(1);
    f.say(one, "safe", RecordType::kTurnPin);
    BOOST_TEST(f.heard(one) == verdict(kTurnIt, "1234", next));
    f.start(key_line('1')); /* before it says anything */
  }
  Fixture::Monitor two = f.connect(2);
  f.say(two, "safe", RecordType::kTurnPin);
  BOOST_TEST(f.heard(two) == verdict(kTurnItAgain, "1234", next));
  f.say(two, "safe", RecordType::kPinTurned, kTurnDone, 32);
  f.start(key_line('1'));
  BOOST_TEST(f.pin_of("safe") == next);
}

BOOST_AUTO_TEST_CASE(what_a_monitor_may_not_say) {
  Fixture f;
  BOOST_TEST(f.does(kVaultSet, "safe", "1234") == kVaultDone);
  BOOST_TEST(f.does(kVaultRotate, "safe") == kVaultDone);
  auto ends = [&](const char* token, RecordType type, uint32_t outcome, uint32_t size, bool asks) {
    Fixture::Monitor monitor = f.connect(7);
    if (asks) {
      f.say(monitor, "safe", RecordType::kTurnPin);
      BOOST_TEST(f.heard(monitor) != "");
    }
    f.say(monitor, token, type, outcome, size);
    const bool ended = f.heard(monitor) == "closed";
    f.end(7);
    return ended;
  };
  BOOST_TEST(ends("safe", RecordType::kPinTurned, kTurnDone, 32, false)); /* it was not told to */
  BOOST_TEST(ends("safe", RecordType::kPinTurned, kTurnRefused, 0, false));
  BOOST_TEST(ends("open", RecordType::kTurnPin, 0, 0, false)); /* it is no PIN of the vault's */
  BOOST_TEST(ends("open", RecordType::kPinTurned, kTurnDone, 32, true));
  BOOST_TEST(ends("made", RecordType::kPinTurned, kTurnDone, 32, true));
  BOOST_TEST(ends("safe", RecordType::kTurnPin, 0, 0, true)); /* twice */
  BOOST_TEST(ends("safe", RecordType::kPinTurned, 0, 0, true));
  BOOST_TEST(ends("safe", RecordType::kPinTurned, 6, 0, true));
  BOOST_TEST(ends("safe", RecordType::kPinTurned, kTurnDone, 7, true));
  BOOST_TEST(ends("safe", RecordType::kPinTurned, kTurnDone, 33, true));
  BOOST_TEST(ends("safe", RecordType::kPinTurned, kTurnRefused, 1, true));
  BOOST_TEST(f.pin_of("safe") == "1234");
  BOOST_TEST(f.last.next.size == 32u); /* nothing of it had an effect */
  /* Whom it was taken from: another vault's administrator has set another one meanwhile. */
  Fixture::Monitor late = f.connect(8);
  f.say(late, "safe", RecordType::kTurnPin);
  f.sql("UPDATE pin SET begun = begun + 1, next_key = 0, next = x'' WHERE token = 'safe'");
  f.say(late, "safe", RecordType::kPinTurned, kTurnDone, 32);
  BOOST_TEST(f.pin_of("safe") == "1234");
}

/* What the token may have at this moment is not forgotten, whatever an administrator says. */
BOOST_AUTO_TEST_CASE(a_pin_is_kept_while_somebody_changes_it) {
  Fixture f;
  BOOST_TEST(f.does(kVaultSet, "safe", "1234") == kVaultDone);
  BOOST_TEST(f.does(kVaultRotate, "safe") == kVaultDone);
  Fixture::Monitor one = f.connect(1);
  const std::string next = text_of(one.pins.at("safe").next);
  f.say(one, "safe", RecordType::kTurnPin);
  BOOST_TEST(f.heard(one) == verdict(kTurnIt, "1234", next));
  for (VaultCommand command : {kVaultSet, kVaultRemove})
    for (bool force : {false, true}) {
      const char* pin = command == kVaultSet ? "5555" : "";
      const VaultAnswer answer =
          force ? f.forced(command, "safe", pin) : f.ask(Fixture::request(command, "safe", pin));
      BOOST_TEST(answer.result == kVaultRefused);
      BOOST_TEST(has(answer.text, "is being changed now; try again in two minutes"));
    }
  BOOST_TEST(f.pin_of("safe") == "1234");
  BOOST_TEST(text_of(f.last.next) == next);
  f.say(one, "safe", RecordType::kPinTurned, kTurnDone, 32);
  BOOST_TEST(f.heard(one) == verdict(kPinIs, next));
  BOOST_TEST(f.pin_of("safe") == next);
  BOOST_TEST(f.does(kVaultRemove, "safe") == kVaultDone); /* it is known which one it was */
}

/* ---- monitors that do not do their part */

BOOST_AUTO_TEST_CASE(who_does_not_read_is_not_heard) {
  Fixture f;
  BOOST_TEST(f.does(kVaultSet, "safe", "1234") == kVaultDone);
  auto fill = [&f](const Fixture::Monitor& monitor) {
    const PinTurn ask = f.turn_of(monitor, "safe", RecordType::kTurnPin);
    int asked = 0;
    while (asked < 5000 && send_record(monitor.socket.get(), ask) == RecordStatus::kOk) {
      asked++;
      f.turn();
    }
    return asked;
  };
  Fixture::Monitor one = f.connect(1), two = f.connect(2, "uid:1001");
  const std::string before = f.database();
  const int asked = fill(one);
  BOOST_TEST(asked < 5000); /* the vault has stopped taking them */
  BOOST_TEST((f.database() == before));
  f.say(two, "safe", RecordType::kTurnPin); /* others are served */
  BOOST_TEST(f.heard(two) == verdict(kPinIs, "1234"));
  int answers = 0;
  while (f.heard(one) == verdict(kPinIs, "1234")) {
    answers++;
    f.turn();
  }
  BOOST_TEST(answers == asked); /* nothing is lost once it reads */
  /* That it hangs up is told: the vault does not wait for it. */
  BOOST_TEST(fill(one) < 5000);
  one.socket.reset();
  f.turn();
  f.control.reset();
  bool waited = false;
  f.loop.after(5000, [&] {
    waited = true;
    f.loop.stop();
  });
  f.loop.run();
  BOOST_TEST(!waited);
}

BOOST_AUTO_TEST_CASE(what_was_not_sent_is_wiped) {
  const std::string pin = "only-once-15-at"; /* short enough to be in no heap of ours */
  Fixture f;
  Fixture::Monitor one = f.connect(1);
  BOOST_TEST(f.does(kVaultSet, "safe", pin.c_str()) == kVaultDone);
  const PinTurn ask = f.turn_of(one, "safe", RecordType::kTurnPin);
  for (int i = 0; i < 5000 && send_record(one.socket.get(), ask) == RecordStatus::kOk; i++)
    f.turn();
  if (count_in_heap(pin) == 0) return; /* another allocator's heap */
  f.end(1);
  BOOST_TEST(count_in_heap(pin) == 0u);
}

/* Its PINs cannot be read at this moment: it is nobody's to change, and nobody's fault. */
BOOST_AUTO_TEST_CASE(a_change_without_its_pins) {
  Fixture f;
  BOOST_TEST(f.does(kVaultSet, "safe", "1234") == kVaultDone);
  BOOST_TEST(f.does(kVaultRotate, "safe") == kVaultDone);
  Fixture::Monitor one = f.connect(1), two = f.connect(2, "uid:1001");
  const std::string next = text_of(one.pins.at("safe").next);
  f.sql(
      "INSERT INTO pin SELECT 7, backend, token, key, sealed, next_key, next, begun, started,"
      " changed FROM pin; UPDATE pin SET next = sealed WHERE kind = 1");
  const std::string before = f.database();
  for (const Fixture::Monitor* monitor : {&one, &one, &two}) {
    f.say(*monitor, "safe", RecordType::kTurnPin);
    BOOST_TEST(f.heard(*monitor).starts_with(std::to_string(kTurnNot)));
  }
  BOOST_TEST((f.database() == before));
  f.sql("UPDATE pin SET next = (SELECT next FROM pin WHERE kind = 7) WHERE kind = 1");
  f.say(two, "safe", RecordType::kTurnPin);
  BOOST_TEST(f.heard(two) == verdict(kTurnIt, "1234", next)); /* it is the first */
}

/* ---- master keys */

BOOST_AUTO_TEST_CASE(derived_pins_follow_the_keys) {
  Fixture f;
  make_token(&f);
  BOOST_TEST(f.entry_of("made") == "derived 1 0 1");
  const std::string first = f.pin_of("made");
  BOOST_TEST(first.size() == 20u);
  BOOST_TEST(f.does(kVaultRotate, "made") == kVaultRefused);
  BOOST_TEST(has(f.last.text, "add one"));
  f.start(key_line('1') + key_line('2'));
  BOOST_TEST(f.pin_of("made") == first);
  BOOST_TEST(f.does(kVaultRotate, "made") == kVaultDone);
  Fixture::Monitor one = f.connect(1);
  BOOST_TEST(text_of(one.pins.at("made").pin) == first);
  const std::string second = text_of(one.pins.at("made").next);
  BOOST_TEST((second.size() == 20u && second != first));
  f.say(one, "made", RecordType::kTurnPin);
  BOOST_TEST(f.heard(one) == verdict(kTurnIt, first, second));
  f.say(one, "made", RecordType::kPinTurned, kTurnDone, 16); /* which nobody derives */
  BOOST_TEST(f.heard(one) == "");
  BOOST_TEST(f.entry_of("made") == "derived 1 2 1");
  f.say(one, "made", RecordType::kTurnPin);
  BOOST_TEST(f.heard(one) == verdict(kTurnItAgain, first, second));
  f.say(one, "made", RecordType::kPinTurned, kTurnDone, 20);
  BOOST_TEST(f.heard(one) == verdict(kPinIs, second));
  BOOST_TEST(f.entry_of("made") == "derived 2 0 1 since");
  BOOST_TEST(text_of(f.connect(2).pins.at("made").pin) == second);
  BOOST_TEST(f.pin_of("made") == second);
  /* A vault that has lost the key says so, and lives. */
  f.start(key_line('1'));
  BOOST_TEST(f.pin_of("made") == "");
  BOOST_TEST(f.connect(3).pins.count("made") == 0u);
}

BOOST_AUTO_TEST_CASE(all_under_the_last_key) {
  Fixture f;
  make_token(&f);
  BOOST_TEST(f.does(kVaultSet, "safe", "1234") == kVaultDone);
  BOOST_TEST(f.does(kVaultSet, "of uid:1000", "5678") == kVaultDone);
  BOOST_TEST(f.does(kVaultRotate, "safe") == kVaultDone);
  BOOST_TEST(f.pin_of("safe") == "1234");
  const std::string next = text_of(f.last.next);
  f.start(key_line('1') + key_line('2'));
  BOOST_TEST(f.does(kVaultRekey) == kVaultDone);
  BOOST_TEST(has(f.last.text, "2 PINs are encrypted under line 2 of master-key; 1 derived"));
  BOOST_TEST(f.entry_of("safe") == "vault 2 2 0 since");
  BOOST_TEST(f.entry_of("of uid:1000") == "vault 2 0 0 since");
  BOOST_TEST(f.entry_of("made") == "derived 1 2 1");
  f.start(key_line('3') + key_line('2')); /* the old key is needed no more */
  BOOST_TEST(f.pin_of("safe") == "1234");
  BOOST_TEST(text_of(f.last.next) == next);
  BOOST_TEST(f.pin_of("of uid:1000") == "5678");
  f.start(key_line('1'));
  BOOST_TEST(f.pin_of("safe") == "");
  BOOST_TEST(has(f.last.text, "no line 2 of master-key"));
}

BOOST_AUTO_TEST_SUITE_END()
