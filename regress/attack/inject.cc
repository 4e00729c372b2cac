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
 * inject: makes a running program of multip11's make a system call, as if its code were an
 * attacker's, in the very sandbox that it has. For root, by ptrace; the target's own instruction
 * for system calls is used, with other registers.
 *
 *   inject WHO PID [-v VICTIM] [-k KEYTAB] [-t TOKEN-FILE] [-o OWN-FILE] FROM
 *       makes the attempts of syscalls.cc from number FROM on, until one ends the target or none is
 *       left. Prints for each: WHO CLASS NAME ended | done VALUE | error ERRNO. Last line: next N.
 *   inject judge        reads such lines of all programs; prints `ok WHO CLASS` or `not ok ...`
 *   inject matrix       prints the table of SECURITY, section 2
 */
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "syscalls.h"

namespace attack {
namespace {

struct Paths {
  std::string keytab = "/none", other_token = "/none", own_file = "/none";
  pid_t victim = 0;
};

[[noreturn]] void give_up(const char* what) {
  std::fprintf(stderr, "inject: %s: %s\n", what, std::strerror(errno));
  std::exit(2);
}

/* ---- the target */

class Target {
 public:
  explicit Target(pid_t pid) : pid_(pid) {}

  /* Stops it in a system call, which the programs of a quiet connection are in. */
  void attach() {
    if (ptrace(PTRACE_SEIZE, pid_, nullptr, PTRACE_O_TRACESYSGOOD) != 0) give_up("PTRACE_SEIZE");
    for (int i = 0; i < 100; i++) {
      if (ptrace(PTRACE_INTERRUPT, pid_, nullptr, nullptr) != 0) give_up("PTRACE_INTERRUPT");
      if (!wait_stop()) give_up("the target ended");
      if (ptrace(PTRACE_GETREGS, pid_, nullptr, &saved_) != 0) give_up("PTRACE_GETREGS");
      if ((peek(saved_.rip - 2) & 0xffff) == 0x050f) return;
      ptrace(PTRACE_CONT, pid_, nullptr, nullptr);
      ::usleep(20000);
    }
    give_up("the target is never in a system call");
  }

  /* It goes back into the call that it was in. */
  void release() {
    user_regs_struct regs = saved_;
    if (static_cast<long long>(saved_.orig_rax) >= 0) {
      regs.rip = saved_.rip - 2;
      regs.rax = saved_.orig_rax;
      regs.orig_rax = ~0ull;
    }
    ptrace(PTRACE_SETREGS, pid_, nullptr, &regs);
    ptrace(PTRACE_DETACH, pid_, nullptr, nullptr);
  }

  /* False when it has ended. */
  bool make(const Attempt& attempt, const Paths& paths, long* result) {
    /* Well below the stack's red zone; strings first, then zeros. */
    const uint64_t scratch = (saved_.rsp - 16384) & ~4095ull;
    const std::string* texts[] = {&paths.keytab, &paths.other_token, &paths.own_file};
    std::string memory(4096, '\0');
    uint64_t arguments[2] = {scratch, 0};
    const std::string victim_memory = "/proc/" + std::to_string(paths.victim) + "/mem";
    memory.replace(0, std::strlen(attempt.text), attempt.text);
    std::memcpy(&memory[512], arguments, sizeof arguments);
    /* 1024 to 1535 stay zero. */
    for (size_t i = 0; i < 3; i++) memory.replace(1536 + 512 * i, texts[i]->size(), *texts[i]);
    memory.replace(3072, victim_memory.size(), victim_memory);
    write(scratch, memory);
    user_regs_struct regs = saved_;
    regs.rip = saved_.rip - 2;
    regs.rax = static_cast<unsigned long long>(attempt.number);
    regs.orig_rax = ~0ull;
    unsigned long long* places[] = {&regs.rdi, &regs.rsi, &regs.rdx, &regs.r10, &regs.r8, &regs.r9};
    for (size_t i = 0; i < 6; i++) *places[i] = value(attempt.args[i], scratch, paths);
    if (ptrace(PTRACE_SETREGS, pid_, nullptr, &regs) != 0) give_up("PTRACE_SETREGS");
    /* In and out again. */
    for (int i = 0; i < 2; i++) {
      if (ptrace(PTRACE_SYSCALL, pid_, nullptr, signal_) != 0) return reap();
      signal_ = 0;
      if (!wait_stop()) return false;
      if (stop_ != (SIGTRAP | 0x80)) {
        if (stop_ == SIGSYS) return ptrace(PTRACE_CONT, pid_, nullptr, SIGSYS), reap();
        if (stop_ == SIGTRAP) { /* execve worked */
          *result = 0;
          return true;
        }
        i--; /* another signal, or a stop of ours */
      }
    }
    if (ptrace(PTRACE_GETREGS, pid_, nullptr, &regs) != 0) give_up("PTRACE_GETREGS");
    *result = static_cast<long>(regs.rax);
    /* A refused call leaves its number behind, and the signal that ends the process pending. */
    return *result != attempt.number || !sigsys_is_pending() ? true : deliver();
  }

 private:
  bool wait_stop() {
    int status = 0;
    if (::waitpid(pid_, &status, __WALL) != pid_ || !WIFSTOPPED(status)) return false;
    stop_ = WSTOPSIG(status);
    return true;
  }
  bool sigsys_is_pending() const {
    std::string path = "/proc/" + std::to_string(pid_) + "/status";
    FILE* file = std::fopen(path.c_str(), "re");
    char line[256];
    unsigned long long pending = 0, one = 0;
    while (file != nullptr && std::fgets(line, sizeof line, file) != nullptr)
      if (std::sscanf(line, "SigPnd: %llx", &one) == 1 ||
          std::sscanf(line, "ShdPnd: %llx", &one) == 1)
        pending |= one;
    if (file != nullptr) std::fclose(file);
    return (pending >> (SIGSYS - 1) & 1) != 0;
  }
  bool reap() {
    int status = 0;
    ::waitpid(pid_, &status, __WALL);
    return false;
  }
  /* To the kernel, or to the handler of a backend: either ends it. */
  bool deliver() {
    stop_ = 0;
    do {
      ptrace(PTRACE_CONT, pid_, nullptr, stop_ == SIGSYS ? SIGSYS : 0);
    } while (wait_stop());
    return false;
  }
  long peek(uint64_t at) { return ptrace(PTRACE_PEEKTEXT, pid_, at, nullptr); }
  void write(uint64_t at, const std::string& octets) {
    for (size_t i = 0; i < octets.size(); i += sizeof(long)) {
      long word = 0;
      std::memcpy(&word, octets.data() + i, sizeof word);
      if (ptrace(PTRACE_POKEDATA, pid_, at + i, word) != 0) give_up("PTRACE_POKEDATA");
    }
  }
  uint64_t value(uint64_t argument, uint64_t scratch, const Paths& paths) const {
    switch (argument) {
      case kText:
        return scratch;
      case kArguments:
        return scratch + 512;
      case kZeros:
        return scratch + 1024;
      case kKeytab:
        return scratch + 1536;
      case kOtherToken:
        return scratch + 2048;
      case kOwnFile:
        return scratch + 2560;
      case kVictimMemory:
        return scratch + 3072;
      case kPage:
        return scratch - 4096;
      case kVictimPid:
        return static_cast<uint64_t>(paths.victim);
      case kSelfPid:
        return static_cast<uint64_t>(pid_);
      default:
        return argument;
    }
  }

  pid_t pid_;
  user_regs_struct saved_{};
  int stop_ = 0, signal_ = 0;
};

int run(const char* who, int argc, char** argv) {
  Paths paths;
  pid_t pid = std::atoi(argv[0]);
  int option;
  optind = 1;
  while ((option = ::getopt(argc, argv, "v:k:t:o:")) != -1) {
    if (option == 'v') paths.victim = std::atoi(optarg);
    if (option == 'k') paths.keytab = optarg;
    if (option == 't') paths.other_token = optarg;
    if (option == 'o') paths.own_file = optarg;
  }
  if (optind >= argc) return 2;
  size_t i = static_cast<size_t>(std::atol(argv[optind]));
  Target target(pid);
  target.attach();
  for (; i < attempts().size(); i++) {
    const Attempt& attempt = attempts()[i];
    long result = 0;
    std::printf("%s %s %s ", who, attempt.kind, attempt.name);
    if (!target.make(attempt, paths, &result)) {
      std::printf("ended\nnext %zu\n", i + 1);
      return 0;
    }
    bool failed = result < 0 && result > -4096;
    std::printf("%s %ld\n", failed ? "error" : "done", failed ? -result : result);
    if (!failed && std::strcmp(attempt.kind, "fork") == 0)
      ::kill(static_cast<pid_t>(result), SIGKILL);
    bool changed = std::strcmp(attempt.kind, "exec") == 0 && !failed;
    if (changed) { /* it is another program now */
      ::kill(pid, SIGKILL);
      std::printf("next %zu\n", i + 1);
      return 0;
    }
  }
  target.release();
  std::printf("next %zu\n", i);
  return 0;
}

/* ---- judging */

const Exception* exception(const Attempt& attempt, unsigned who) {
  for (const Exception& one : exceptions())
    if ((one.whos >> who & 1) != 0 && (std::strcmp(one.attempt, attempt.name) == 0 ||
                                       std::strcmp(one.attempt, attempt.kind) == 0))
      return &one;
  return nullptr;
}

/* Empty when it is as it must be. */
std::string wrong(const Attempt& attempt, unsigned who, const std::string& outcome, long value) {
  std::string seen = outcome + (outcome == "ended" ? "" : " " + std::to_string(value));
  if (who == kControl) {
    if (outcome == "ended") return "an unconfined process was ended";
    return attempt.works && outcome != "done" ? "does not work unconfined: " + seen : "";
  }
  const Exception* expected = exception(attempt, who);
  if (expected == nullptr) return outcome == "ended" ? "" : seen + ", must end it";
  if (expected->error != 0)
    return outcome == "error" && value == expected->error
               ? ""
               : seen + ", must be error " + std::to_string(expected->error);
  return outcome == "ended" ? "ended, and is allowed: " + std::string(expected->why) : "";
}

int judge() {
  std::map<std::string, std::pair<std::string, long>> seen;
  char who[32], kind[32], name[32], outcome[32];
  char line[256];
  while (std::fgets(line, sizeof line, stdin) != nullptr) {
    long value = 0;
    if (std::sscanf(line, "%31s %31s %31s %31s %ld", who, kind, name, outcome, &value) >= 4)
      seen[std::string(who) + " " + name] = {outcome, value};
  }
  int failed = 0;
  for (unsigned w = 0; w <= kControl; w++) {
    std::map<std::string, std::string> cells;
    for (const Attempt& attempt : attempts()) {
      std::string& cell = cells[attempt.kind];
      auto it = seen.find(std::string(kWhoNames[w]) + " " + attempt.name);
      std::string text = it == seen.end() ? "was not tried"
                                          : wrong(attempt, w, it->second.first, it->second.second);
      if (!text.empty()) cell += std::string(cell.empty() ? "" : "; ") + attempt.name + ": " + text;
    }
    for (const auto& [cell, text] : cells) {
      std::printf("%s %s %s\n", kWhoNames[w], cell.c_str(), text.empty() ? "held" : text.c_str());
      failed |= text.empty() ? 0 : 1;
    }
  }
  return failed;
}

/* "no" where nothing of the class is to be had, else the numbers of the reasons below it. */
int matrix() {
  std::vector<const char*> kinds, reasons;
  for (const Attempt& attempt : attempts())
    if (kinds.empty() || std::strcmp(kinds.back(), attempt.kind) != 0)
      kinds.push_back(attempt.kind);
  std::printf("    %-11s", "class");
  for (unsigned w = 0; w < kWhos; w++) std::printf(" %-7s", kWhoNames[w]);
  std::printf("\n");
  for (const char* kind : kinds) {
    std::string line = "    ";
    line += kind + std::string(11 - std::strlen(kind), ' ');
    for (unsigned w = 0; w < kWhos; w++) {
      std::string cell;
      std::set<size_t> numbers;
      for (const Attempt& attempt : attempts()) {
        const Exception* one = exception(attempt, w);
        if (std::strcmp(attempt.kind, kind) != 0 || one == nullptr || one->error != 0) continue;
        size_t n = 0;
        while (n < reasons.size() && std::strcmp(reasons[n], one->why) != 0) n++;
        if (n == reasons.size()) reasons.push_back(one->why);
        numbers.insert(n + 1);
      }
      for (size_t n : numbers) cell += (cell.empty() ? "" : ",") + std::to_string(n);
      if (cell.empty()) cell = "no";
      line += " " + cell + std::string(cell.size() < 7 ? 7 - cell.size() : 0, ' ');
    }
    while (line.back() == ' ') line.pop_back();
    std::printf("%s\n", line.c_str());
  }
  std::printf("\n");
  for (size_t n = 0; n < reasons.size(); n++) std::printf("    %2zu  %s\n", n + 1, reasons[n]);
  return 0;
}

}  // namespace
}  // namespace attack

int main(int argc, char** argv) {
  using namespace attack;
  if (argc == 2 && std::strcmp(argv[1], "judge") == 0) return judge();
  if (argc == 2 && std::strcmp(argv[1], "matrix") == 0) return matrix();
  if (argc == 2 && std::strcmp(argv[1], "count") == 0)
    return std::printf("%zu\n", attempts().size()) > 0 ? 0 : 2;
  if (argc < 4) return 2;
  return run(argv[1], argc - 2, argv + 2);
}
