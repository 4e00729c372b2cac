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
 * Trust: the vault is believed; what it says is printed as it is, but for control characters. A PIN
 * is read from the terminal or standard input and never from an argument, which others see, and is
 * printed by `export` alone.
 */
#include "vault_command.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include "record_io.h"
#include "secure_buffer.h"
#include "vault_records.h"

namespace mp11::vault_command {
namespace {

constexpr const char* kUsage =
    "usage: multip11 vault [--socket path] [--yes] [--force] [--hidden] command\n"
    "           list                  PINs that the daemon keeps, and none of them\n"
    "           set backend token     the PIN is asked for, or is one line of standard input\n"
    "           rotate backend token  another PIN, which the next login puts into effect\n"
    "           export backend token  prints the PIN\n"
    "           remove backend token  forgets it\n"
    "           --hidden export|remove backend id   the same of a token that was hidden\n"
    "           rekey                 all under the last line of master-key\n";
/* More than the vault takes to answer: it hangs up after 10 s. */
constexpr int kPatienceMs = 20000;

struct Command {
  const char* name;
  VaultCommand command;
  int arguments;
  const char* question; /* asked first; nullptr: none */
};
constexpr Command kCommands[] = {
    {"list", kVaultList, 0, nullptr},
    {"set", kVaultSet, 2, nullptr},
    {"rotate", kVaultRotate, 2, nullptr},
    {"export", kVaultExport, 2, "The PIN will be shown here, and the log will say so. Go on?"},
    {"rekey", kVaultRekey, 0,
     "All PINs will be encrypted anew, and derived ones change with the next login. Go on?"},
    {"remove", kVaultRemove, 2, "The PIN will be forgotten. Go on?"},
};

struct Options {
  std::string socket = std::string("/run/multip11/") + kVaultSocket;
  bool yes = false, force = false;
  const Command* command = nullptr;
  VaultRequest request = make_record<VaultRequest>(RecordType::kVaultRequest);
};

int complain(const std::string& what) {
  fprintf(stderr, "multip11 vault: %s\n", what.c_str());
  return 2;
}

std::string plain(const char* text) {
  std::string good = text;
  for (char& c : good)
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = '?';
  return good;
}

/* ---- the terminal */

volatile sig_atomic_t caught = 0;
void catch_signal(int number) { caught = number; }

/* While it lives, nothing that is typed is seen; a signal ends the reading, and then has its way.
 */
class NoEcho {
 public:
  explicit NoEcho(int fd) : fd_(fd) {
    caught = 0;
    struct sigaction action = {};
    action.sa_handler = catch_signal; /* no SA_RESTART: read() returns */
    for (size_t i = 0; i < std::size(kSignals); i++) sigaction(kSignals[i], &action, &before_[i]);
    quiet_ = tcgetattr(fd_, &old_) == 0;
    termios silent = old_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    quiet_ = quiet_ && tcsetattr(fd_, TCSAFLUSH, &silent) == 0;
  }
  ~NoEcho() {
    if (quiet_) tcsetattr(fd_, TCSAFLUSH, &old_);
    for (size_t i = 0; i < std::size(kSignals); i++) sigaction(kSignals[i], &before_[i], nullptr);
    if (caught != 0) raise(caught);
  }
  NoEcho(const NoEcho&) = delete;
  bool quiet() const { return quiet_; }

 private:
  static constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
  int fd_;
  bool quiet_ = false;
  termios old_ = {};
  struct sigaction before_[std::size(kSignals)];
};

/* One line, without its end. False: there is none, or it is longer than a PIN. */
bool read_line(int fd, SecureBuffer* line) {
  line->clear();
  for (;;) {
    char c;
    const ssize_t got = ::read(fd, &c, 1);
    if (got < 0) return false;
    if (got == 0 || c == '\n') return got != 0 || !line->empty();
    if (line->size() == sizeof(StoredPin::pin)) return false;
    line->append(&c, 1);
    wipe(&c, sizeof c);
  }
}

bool ask_pin(const char* prompt, SecureBuffer* pin) {
  NoEcho silence(STDIN_FILENO);
  if (!silence.quiet()) return false;
  fputs(prompt, stderr);
  const bool good = read_line(STDIN_FILENO, pin);
  fputc('\n', stderr);
  return good && caught == 0;
}

bool read_pin(StoredPin* pin) {
  SecureBuffer first, second;
  if (::isatty(STDIN_FILENO) == 0) {
    if (!read_line(STDIN_FILENO, &first)) first.clear();
  } else if (!ask_pin("PIN of the token: ", &first) || !ask_pin("Once more: ", &second)) {
    first.clear();
  } else if (first.size() != second.size() ||
             !equal_constant_time(first.data(), second.data(), first.size())) {
    complain("these are two PINs; nothing was changed");
    return false;
  }
  if (first.empty()) {
    complain("there was no PIN of 1 to 252 octets; nothing was changed");
    return false;
  }
  pin->size = static_cast<uint32_t>(first.size());
  memcpy(pin->pin, first.data(), first.size());
  return true;
}

/* On the terminal, wherever standard input comes from. */
bool confirm(const char* question, const char* unasked = "--yes") {
  FILE* terminal = fopen("/dev/tty", "r+e");
  if (terminal == nullptr) {
    complain(std::string("there is no terminal to ask on; nothing was done. With ") + unasked +
             " it is not asked");
    return false;
  }
  fprintf(terminal, "%s [y/N] ", question);
  fflush(terminal);
  char answer[8] = "";
  const bool yes =
      fgets(answer, sizeof answer, terminal) != nullptr && (answer[0] == 'y' || answer[0] == 'Y');
  fclose(terminal);
  if (!yes) complain("nothing was done");
  return yes;
}

/* ---- asking */

Result<UniqueFd> connect_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return Error{0, path + " is too long"};
  memcpy(address.sun_path, path.data(), path.size());
  UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!fd) return Error{errno, std::string("socket: ") + strerror(errno)};
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return fd;
  const int code = errno;
  std::string why = path + ": " + strerror(code);
  if (code == ENOENT || code == ECONNREFUSED)
    why +=
        "; multip11d does not run, or nothing in its configuration has pin = vault or "
        "on-demand = yes, or its run-directory is another (--socket)";
  if (code == EACCES) why += "; only root may, or whoever runs an unprivileged multip11d";
  return Error{code, why};
}

std::string date_of(uint64_t seconds) {
  if (seconds == 0) return "-";
  const time_t time = static_cast<time_t>(seconds);
  tm parts{};
  char text[32];
  if (gmtime_r(&time, &parts) == nullptr ||
      strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
    return "?";
  return text;
}

const char* state_of(const VaultEntry& entry) {
  if ((entry.flags & kEntryUnusable) != 0) return "unusable";
  if ((entry.flags & kEntryHidden) != 0) return "hidden";
  if (entry.next_key != 0) return "changing";
  if (entry.pin == kPinDerived) return (entry.flags & kEntryMade) != 0 ? "made" : "not-made";
  return entry.key != 0 ? "set" : "not-set";
}

void print_entry(const VaultEntry& entry) {
  const std::string key = entry.key != 0 ? std::to_string(entry.key) : "-";
  const bool hidden = (entry.flags & kEntryHidden) != 0;
  const std::string id = hidden ? plain(entry.id) + " " : "";
  const std::string unused = entry.gone_s != 0 && !hidden ? ", unused since " : "";
  printf("%-16s %-8s %-9s %4s %-20s %s%s%s%s\n", plain(entry.backend).c_str(),
         entry.pin == kPinDerived ? "derived" : "vault", state_of(entry), key.c_str(),
         date_of(entry.changed_s).c_str(), id.c_str(), plain(entry.token).c_str(), unused.c_str(),
         unused.empty() ? "" : date_of(entry.gone_s).c_str());
}

/* The exit status of a vault's answer, or kVaultChanging's own. */
constexpr int kAskAgain = -1;

int take_answer(const Options& options, const VaultAnswer& answer) {
  if (answer.result == kVaultChanging) return kAskAgain;
  if (answer.result != kVaultDone) {
    complain(plain(answer.text));
    return 1;
  }
  if (options.request.command == kVaultExport) {
    for (const StoredPin* pin : {&answer.pin, &answer.next}) {
      if (pin->size == 0 || pin->size > sizeof pin->pin) continue;
      fwrite(pin->pin, 1, pin->size, stdout);
      putchar('\n');
    }
    if (answer.next.size != 0)
      fputs("The PIN is being changed: one of the two is right.\n", stderr);
  }
  if (answer.text[0] != '\0') puts(plain(answer.text).c_str());
  return fflush(stdout) == 0 ? 0 : 2;
}

int ask(const Options& options) {
  Result<UniqueFd> fd = connect_to(options.socket);
  if (!fd) return complain(fd.error().text);
  if (options.request.command == kVaultList)
    printf("%-16s %-8s %-9s %4s %-20s %s\n", "BACKEND", "PIN", "STATE", "KEY", "SINCE", "TOKEN");
  if (send_record(fd->get(), options.request) != RecordStatus::kOk)
    return complain("the vault hung up; only root is heard, or whoever runs multip11d");
  for (;;) {
    RecordBuffer record;
    pollfd waits{fd->get(), POLLIN, 0};
    if (::poll(&waits, 1, kPatienceMs) <= 0) return complain("the vault does not answer");
    if (record.receive(fd->get(), false) != RecordStatus::kOk)
      return complain("the vault hung up; only root is heard, or whoever runs multip11d");
    if (const auto* entry = record.as<VaultEntry>(RecordType::kVaultEntry)) {
      if (!text_ends(entry->backend) || !text_ends(entry->token) || !text_ends(entry->id)) break;
      print_entry(*entry);
      continue;
    }
    const auto* answer = record.as<VaultAnswer>(RecordType::kVaultAnswer);
    if (answer == nullptr || !text_ends(answer->text)) break;
    const int status = take_answer(options, *answer);
    record.wipe();
    return status;
  }
  return complain("the vault's answer is not understood; is it of another version?");
}

/* ---- the command line */

template <size_t N>
bool put_name(char (&field)[N], const char* text) {
  const size_t size = strlen(text);
  if (size == 0 || size >= N) return false;
  memcpy(field, text, size);
  return true;
}

bool read_options(int argc, char** argv, Options* options) {
  constexpr option kLong[] = {{"socket", required_argument, nullptr, 's'},
                              {"yes", no_argument, nullptr, 'y'},
                              {"force", no_argument, nullptr, 'f'},
                              {"hidden", no_argument, nullptr, 'h'},
                              {nullptr, 0, nullptr, 0}};
  int letter;
  while ((letter = ::getopt_long(argc, argv, "", kLong, nullptr)) != -1) {
    if (letter == 's')
      options->socket = optarg;
    else if (letter == 'y')
      options->yes = true;
    else if (letter == 'f')
      options->force = true;
    else if (letter == 'h')
      options->request.hidden = 1;
    else
      return false;
  }
  if (optind == argc) return false;
  for (const Command& command : kCommands)
    if (strcmp(argv[optind], command.name) == 0) options->command = &command;
  if (options->command == nullptr || argc - optind - 1 != options->command->arguments) return false;
  options->request.command = options->command->command;
  options->request.force = options->force ? 1 : 0;
  if (options->force && options->request.command != kVaultSet &&
      options->request.command != kVaultRemove)
    return false;
  if (options->request.hidden != 0 && options->request.command != kVaultExport &&
      options->request.command != kVaultRemove)
    return false;
  return options->command->arguments == 0 ||
         (put_name(options->request.backend, argv[optind + 1]) &&
          put_name(options->request.token, argv[optind + 2]));
}

int run(Options* options) {
  const char* question = options->command->question;
  if (options->command->command == kVaultSet && !read_pin(&options->request.pin)) return 2;
  if (question != nullptr && !options->yes && !confirm(question)) return 2;
  int status = ask(*options);
  if (status != kAskAgain) return status;
  /* --yes was said before anybody knew of this. */
  if (!confirm("The PIN is being changed, and the token may have the new one already. Both will "
               "be forgotten. Go on?",
               "--force"))
    return 1;
  options->request.force = 1;
  status = ask(*options);
  return status == kAskAgain ? 1 : status;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!read_options(argc, argv, &options)) {
    fputs(kUsage, stderr);
    return 2;
  }
  const int status = run(&options);
  wipe(&options.request.pin, sizeof options.request.pin);
  return status;
}

}  // namespace mp11::vault_command
