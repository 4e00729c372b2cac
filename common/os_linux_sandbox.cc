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
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "log.h"
#include "os_sandbox.h"
#include "unique_fd.h"

#ifdef MP11_SANITIZED
/* No leaks: to look for them a sanitizer stops the process from another, which no sandbox allows.
 */
extern "C" __attribute__((visibility("default"))) const char* __asan_default_options() {
  return "detect_leaks=0:allocator_may_return_null=1";
}
#endif

namespace mp11 {
namespace {

struct FreeFilter {
  void operator()(void* filter) const { ::seccomp_release(filter); }
};
using Filter = std::unique_ptr<void, FreeFilter>;

Error failed(const std::string& what, int code) {
  return Error{code, what + ": " + strerror(code)};
}

scmp_arg_cmp condition(const SandboxArg& arg) {
  scmp_arg_cmp out{};
  out.arg = arg.index;
  out.datum_a = arg.value;
  switch (arg.test) {
    case SandboxArg::kDiffers:
      out.op = SCMP_CMP_NE;
      break;
    case SandboxArg::kLess:
      out.op = SCMP_CMP_LT;
      break;
    case SandboxArg::kMasked:
      out.op = SCMP_CMP_MASKED_EQ;
      out.datum_a = arg.mask;
      out.datum_b = arg.value;
      break;
    case SandboxArg::kOwnPid:
      out.op = SCMP_CMP_EQ;
      out.datum_a = static_cast<uint64_t>(::getpid());
      break;
    default:
      out.op = SCMP_CMP_EQ;
      break;
  }
  return out;
}

Status add_rule(scmp_filter_ctx filter, const SandboxRule& rule) {
  int number = ::seccomp_syscall_resolve_name(rule.call);
  if (number == __NR_SCMP_ERROR)
    return Error{EINVAL, std::string("sandbox: libseccomp knows no call ") + rule.call};
  if (number < 0) return ok(); /* of another architecture */
  scmp_arg_cmp conditions[2];
  unsigned count = 0;
  for (const SandboxArg* arg : {&rule.first, &rule.second})
    if (arg->test != SandboxArg::kNone) conditions[count++] = condition(*arg);
  uint32_t action =
      rule.error == 0 ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(static_cast<uint32_t>(rule.error));
  int rc = ::seccomp_rule_add_array(filter, action, number, count, conditions);
  if (rc != 0) return failed(std::string("sandbox: rule for ") + rule.call, -rc);
  return ok();
}

Result<Filter> new_filter(uint32_t otherwise) {
  Filter filter(::seccomp_init(otherwise));
  if (!filter) return Error{ENOMEM, "sandbox: seccomp_init failed"};
  /* A call by the numbers of another architecture (32-bit, x32) is an attack. */
  int rc = ::seccomp_attr_set(filter.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
  /* A binary tree instead of a list of some hundred comparisons. */
  if (rc == 0) rc = ::seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
  if (rc != 0) return failed("sandbox: seccomp_attr_set", -rc);
  return filter;
}

Result<Filter> filter_of(const SandboxProfile& profile) {
  uint32_t otherwise = SCMP_ACT_KILL_PROCESS;
  if (profile.otherwise == SandboxDefault::kTrap) otherwise = SCMP_ACT_TRAP;
  if (profile.otherwise == SandboxDefault::kAllow) otherwise = SCMP_ACT_ALLOW;
  auto filter = new_filter(otherwise);
  if (!filter) return filter;
  for (std::span<const SandboxRule> group : profile.groups)
    for (const SandboxRule& rule : group)
      if (auto added = add_rule(filter->get(), rule); !added) return added.error();
  return filter;
}

using Code = std::vector<sock_filter>;

/* Through a pipe, as a memfd would be bound by RLIMIT_FSIZE, which limit_self sets before this. */
Result<Code> compile(const Filter& filter) {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0) return failed("sandbox: pipe", errno);
  UniqueFd from(fds[0]), to(fds[1]);
  if (int rc = ::seccomp_export_bpf(filter.get(), to.get()); rc != 0)
    return failed("sandbox: seccomp_export_bpf", -rc);
  Code code(BPF_MAXINSNS);
  ssize_t size = ::read(from.get(), code.data(), code.size() * sizeof(sock_filter));
  if (size <= 0) return failed("sandbox: reading the filter", EIO);
  code.resize(static_cast<size_t>(size) / sizeof(sock_filter));
  return code;
}

/* On all threads. Not by seccomp_load(), which first tries what else the kernel can do. */
Status install(const sock_filter* code, size_t count) {
  sock_fprog program{static_cast<unsigned short>(count), const_cast<sock_filter*>(code)};
  long rc = ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
  if (rc < 0) return failed("sandbox: seccomp", errno);
  if (rc > 0) return Error{EBUSY, "sandbox: a thread has a filter of its own"};
  return ok();
}

/*
 * What is needed after the first stage, when it can be made no more: some pages, read-only from
 * then on, so that no stray write of a library changes the filter.
 */
constexpr int kNamedCalls = 512;
constexpr size_t kLoadedCode = 1024;
struct Later {
  char call_name[kNamedCalls][28]; /* for the handler, which may not call libseccomp */
  size_t count;                    /* of the second stage's instructions, 0: none */
  sock_filter loaded[kLoadedCode];
};
constinit const Later* g_later = nullptr;

Result<Code> compile_loaded(const SandboxProfile& profile) {
  if (profile.then) {
    auto filter = filter_of(sandbox_profile(*profile.then));
    if (!filter) return filter.error();
    return compile(*filter);
  }
  auto filter = new_filter(SCMP_ACT_ALLOW);
  if (!filter) return filter.error();
  for (const SandboxRule& rule : sandbox_loaded_rules())
    if (auto added = add_rule(filter->get(), rule); !added) return added.error();
  return compile(*filter);
}

Status prepare_later(const SandboxProfile& profile) {
  auto code = compile_loaded(profile);
  if (!code) return code.error();
  MP11_ASSERT(code->size() <= kLoadedCode);
  void* memory =
      ::mmap(nullptr, sizeof(Later), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return failed("sandbox: mmap", errno);
  auto* later = static_cast<Later*>(memory);
  for (int number = 0; number < kNamedCalls; number++) {
    std::unique_ptr<char, void (*)(void*)> name(
        ::seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number), ::free);
    if (name) std::snprintf(later->call_name[number], sizeof later->call_name[0], "%s", name.get());
  }
  later->count = code->size();
  std::copy(code->begin(), code->end(), later->loaded);
  if (::mprotect(memory, sizeof(Later), PROT_READ) != 0) return failed("sandbox: mprotect", errno);
  g_later = later;
  return ok();
}

/* ---- the backend's SIGSYS handler ---- */

void put_text(char*& to, const char* end, const char* text) {
  while (*text != '\0' && to < end) *to++ = *text++;
}

void put_number(char*& to, const char* end, int number) {
  char digits[12];
  char* at = digits + sizeof digits - 1;
  *at = '\0';
  auto rest = static_cast<unsigned>(number < 0 ? 0 : number);
  do {
    *--at = static_cast<char>('0' + rest % 10);
    rest /= 10;
  } while (rest != 0);
  put_text(to, end, at);
}

/* Async-signal-safe. */
void on_sigsys(int, siginfo_t* info, void*) {
  char text[120];
  char* to = text;
  const char* end = text + sizeof text - 1;
  int number = info->si_syscall;
  if (info->si_code != 1 /* SYS_SECCOMP */) {
    put_text(to, end, "sandbox: stopped by a SIGSYS that was sent to it");
  } else {
    put_text(to, end, "sandbox: refused system call ");
    put_number(to, end, number);
    if (number >= 0 && number < kNamedCalls && g_later->call_name[number][0] != '\0') {
      put_text(to, end, " (");
      put_text(to, end, g_later->call_name[number]);
      put_text(to, end, ")");
    }
  }
  *to = '\0';
  log_signal_safe(LogLevel::kFatal, text);
  ::_exit(kSandboxExit);
}

Status set_trap_handler() {
  struct sigaction act {};
  act.sa_sigaction = on_sigsys;
  act.sa_flags = SA_SIGINFO;
  ::sigfillset(&act.sa_mask);
  if (::sigaction(SIGSYS, &act, nullptr) != 0) return failed("sandbox: sigaction", errno);
  sigset_t sigsys;
  ::sigemptyset(&sigsys);
  ::sigaddset(&sigsys, SIGSYS);
  if (int rc = ::pthread_sigmask(SIG_UNBLOCK, &sigsys, nullptr); rc != 0)
    return failed("sandbox: unblocking SIGSYS", rc);
  return ok();
}

std::string describe(const SandboxRule& rule) {
  std::string text = rule.call;
  text.resize(std::max<size_t>(text.size() + 1, 20), ' ');
  std::string what;
  if (rule.first.test != SandboxArg::kNone) what = rule.first.text;
  if (rule.second.test != SandboxArg::kNone) what += std::string(", ") + rule.second.text;
  if (rule.error != 0)
    what += std::string(what.empty() ? "" : " ") + "-> " + ::strerrorname_np(rule.error);
  what.resize(std::max<size_t>(what.size() + 1, 34), ' ');
  return text + what + rule.why + "\n";
}

const char* describe(SandboxDefault otherwise) {
  switch (otherwise) {
    case SandboxDefault::kKill:
      return "any other call: the process is killed\n";
    case SandboxDefault::kTrap:
      return "any other call: reported, and the process ends\n";
    case SandboxDefault::kAllow:
      return "any other call is allowed\n";
  }
  return "";
}

}  // namespace

std::string sandbox_table(Program program) {
  SandboxProfile profile = sandbox_profile(program);
  std::string text;
  for (std::span<const SandboxRule> group : profile.groups)
    for (const SandboxRule& rule : group) text += describe(rule);
  text += describe(profile.otherwise);
  if (profile.then) return text + "once it is connected:\n" + sandbox_table(*profile.then);
  if (!profile.loads_code) return text;
  text += "once everything is loaded:\n";
  for (const SandboxRule& rule : sandbox_loaded_rules()) text += describe(rule);
  return text;
}

Status sandbox_enter(Program program) {
  SandboxProfile profile = sandbox_profile(program);
  auto filter = filter_of(profile);
  if (!filter) return filter.error();
  auto code = compile(*filter);
  if (!code) return code.error();
  if (profile.loads_code)
    if (auto prepared = prepare_later(profile); !prepared) return prepared;
  if (profile.otherwise == SandboxDefault::kTrap)
    if (auto set = set_trap_handler(); !set) return set;
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed("no-new-privileges", errno);
  return install(code->data(), code->size());
}

Status sandbox_loaded() {
  if (g_later == nullptr) return Error{EINVAL, "sandbox: this program has no second stage"};
  return install(g_later->loaded, g_later->count);
}

}  // namespace mp11
