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
 * Starting programs. Everything that a child needs is laid out in memory before the clone; the
 * child then makes system calls on it, and allocates, locks and logs nothing. clone is called by
 * number: glibc's fork() would run the application's atfork handlers and take its locks.
 *
 * CLONE_VFORK without CLONE_VM: the child has a copy of the memory, and the caller sleeps until
 * exec or exit. So a failed exec is known the moment clone returns, by a record in a pipe that is
 * read without waiting. Waiting for the pipe's end instead would hang where another thread of the
 * application forked meanwhile and its child holds a copy of the pipe.
 */
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

#include "os_process.h"

namespace mp11 {
namespace {

enum class Step : int {
  kNone,
  kNamespaces,
  kDescriptors,
  kIdentity,
  kDeathSignal,
  kNoNewPrivileges,
  kGroup,
  kDirectory,
  kExec,
  kForkHelper,
};

const char* step_name(Step step) {
  switch (step) {
    case Step::kNamespaces:
      return "joining or making namespaces";
    case Step::kDescriptors:
      return "placing descriptors";
    case Step::kIdentity:
      return "giving up root";
    case Step::kDeathSignal:
      return "death signal";
    case Step::kNoNewPrivileges:
      return "no-new-privileges";
    case Step::kGroup:
      return "setpgid";
    case Step::kDirectory:
      return "chdir /";
    case Step::kExec:
      return "exec";
    case Step::kForkHelper:
      return "clone";
    default:
      return "start";
  }
}

/* What a child tells before exec: how it failed, or what it had to go without. */
struct Report {
  Step step = Step::kNone; /* kNone: nothing failed */
  int error = 0;
  unsigned missing_namespaces = 0;
};

/* Laid out by the parent, used by the child in its own copy of the memory. */
struct Plan {
  const char* program = nullptr;
  std::vector<char*> argv;
  std::vector<char*> environment;
  std::vector<FdPlace> places; /* sorted by .at, no two the same */
  int report = -1;             /* pipe for a Report, close-on-exec */
  int net_namespace = -1;
  unsigned namespaces = 0;
  bool namespaces_required = true;
  bool has_identity = false;
  Identity identity{};
  int death_signal = 0;
  pid_t parent = 0; /* to notice that it died before the death signal was set */
  bool new_group = false;
  UniqueFd null; /* /dev/null for 0, 1 and 2 where they have no place */
};

Error failed(const char* what, int code = errno) {
  return Error{code, std::string(what) + ": " + strerror(code)};
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  out.reserve(texts.size() + 1);
  for (const std::string& text : texts) out.push_back(const_cast<char*>(text.c_str()));
  out.push_back(nullptr);
  return out;
}

Status plan_program(Plan* plan, const std::string& program, const std::vector<std::string>& argv,
                    const std::vector<std::string>& environment) {
  if (program.empty() || program[0] != '/')
    return Error{EINVAL, "spawn: not an absolute path: " + program};
  if (argv.empty()) return Error{EINVAL, "spawn: no argv[0]"};
  plan->program = program.c_str();
  plan->argv = pointers(argv);
  plan->environment = pointers(environment);
  return ok();
}

Status plan_places(Plan* plan, std::vector<FdPlace> places) {
  plan->null = UniqueFd(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!plan->null) return failed("/dev/null");
  for (int at = 0; at < 3; at++) {
    auto same = [at](const FdPlace& place) { return place.at == at; };
    if (std::none_of(places.begin(), places.end(), same)) places.push_back({plan->null.get(), at});
  }
  std::sort(places.begin(), places.end(),
            [](const FdPlace& a, const FdPlace& b) { return a.at < b.at; });
  for (size_t i = 0; i < places.size(); i++) {
    if (places[i].fd < 0 || places[i].at < 0 || places[i].at > kHighestPlace)
      return Error{EINVAL, "spawn: descriptor or its place out of range"};
    if (i > 0 && places[i].at == places[i - 1].at)
      return Error{EINVAL, "spawn: two descriptors for place " + std::to_string(places[i].at)};
  }
  plan->places = std::move(places);
  return ok();
}

/* ---- in the child: system calls only ---- */

[[noreturn]] void end_child(int code) {
  for (;;) ::syscall(SYS_exit_group, code);
}

void send_report(int pipe, const Report& report) {
  ssize_t n;
  do {
    n = ::write(pipe, &report, sizeof report);
  } while (n < 0 && errno == EINTR);
}

[[noreturn]] void child_failed(const Plan& plan, Step step, int error) {
  send_report(plan.report, {step, error, 0});
  end_child(127);
}

/*
 * First copies out of the way, so that no source is overwritten by another's place; then each to
 * its place; then everything else is closed, or will be by exec.
 */
int place_fds(Plan* plan) {
  const int above = plan->places.back().at + 1;
  for (FdPlace& place : plan->places) {
    place.fd = ::fcntl(place.fd, F_DUPFD_CLOEXEC, above);
    if (place.fd < 0) return errno;
  }
  int report = ::fcntl(plan->report, F_DUPFD_CLOEXEC, above);
  if (report < 0) return errno;
  plan->report = report;
  int next = 0;
  for (const FdPlace& place : plan->places) {
    for (; next < place.at; next++) ::close(next);
    if (::dup2(place.fd, place.at) < 0) return errno;
    next = place.at + 1;
  }
  return ::syscall(SYS_close_range, above, UINT_MAX, CLOSE_RANGE_CLOEXEC) == 0 ? 0 : errno;
}

int enter_namespaces(const Plan& plan, unsigned* missing) {
  static constexpr struct {
    unsigned own;
    int flag;
  } kKinds[] = {{kOwnIpc, CLONE_NEWIPC},
                {kOwnUts, CLONE_NEWUTS},
                {kOwnNet, CLONE_NEWNET},
                {kOwnMount, CLONE_NEWNS}};
  if (plan.net_namespace >= 0 && ::setns(plan.net_namespace, CLONE_NEWNET) != 0) return errno;
  for (const auto& kind : kKinds) {
    if ((plan.namespaces & kind.own) == 0) continue;
    bool done = ::unshare(kind.flag) == 0;
    /* EINVAL: in a chroot "/" need not be a mount. Its mount, which is outside, stays shared. */
    if (done && kind.flag == CLONE_NEWNS)
      done = ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 || errno == EINVAL;
    if (done) continue;
    if (plan.namespaces_required) return errno;
    *missing |= kind.own;
  }
  return 0;
}

/*
 * Handlers vanish at exec by themselves, but what is ignored would stay ignored. By the kernel's
 * own call, as glibc's does not touch its own signals 32 and 33; its posix_spawn makes them
 * ignored, so they are in whatever make or a shell of that kind has started.
 */
void default_signals() {
  struct {
    uint64_t handler, flags, restorer, mask;
  } by_default{};
  for (int signal = 1; signal < NSIG; signal++)
    ::syscall(SYS_rt_sigaction, signal, &by_default, nullptr, sizeof by_default.mask);
}

void set_signal_mask(uint64_t mask, uint64_t* before) {
  ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, before, sizeof mask);
}

[[noreturn]] void run_child(Plan* plan) {
  default_signals();
  unsigned missing = 0;
  if (int error = enter_namespaces(*plan, &missing); error != 0)
    child_failed(*plan, Step::kNamespaces, error);
  if (int error = place_fds(plan); error != 0) child_failed(*plan, Step::kDescriptors, error);
  if (plan->has_identity)
    if (int error = detail::drop_ids(plan->identity.uid, plan->identity.gid); error != 0)
      child_failed(*plan, Step::kIdentity, error);
  if (plan->new_group && ::setpgid(0, 0) != 0) child_failed(*plan, Step::kGroup, errno);
  /* After the ids: setresuid clears it. */
  if (plan->death_signal != 0) {
    if (::prctl(PR_SET_PDEATHSIG, plan->death_signal, 0, 0, 0) != 0)
      child_failed(*plan, Step::kDeathSignal, errno);
    if (::getppid() != plan->parent) child_failed(*plan, Step::kDeathSignal, ESRCH);
  }
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    child_failed(*plan, Step::kNoNewPrivileges, errno);
  if (::chdir("/") != 0) child_failed(*plan, Step::kDirectory, errno);
  if (missing != 0) send_report(plan->report, {Step::kNone, 0, missing});
  set_signal_mask(0, nullptr);
  ::execve(plan->program, plan->argv.data(), plan->environment.data());
  child_failed(*plan, Step::kExec, errno);
}

/* ---- in the parent, and in the intermediate ---- */

/* flags: with the exit signal in the low octet. Argument order is the same where it matters. */
pid_t raw_clone(unsigned long flags, int* pidfd) {
  return static_cast<pid_t>(::syscall(SYS_clone, flags, 0UL, pidfd, 0UL, 0UL));
}

/* What the child said before clone returned; never waits. */
Report read_reports(int pipe) {
  Report all;
  Report one;
  while (::read(pipe, &one, sizeof one) == static_cast<ssize_t>(sizeof one)) {
    if (one.step != Step::kNone) {
      all.step = one.step;
      all.error = one.error;
    }
    all.missing_namespaces |= one.missing_namespaces;
  }
  return all;
}

/* Reaps what was cloned here, whatever its exit signal. */
void reap(int pidfd) {
  siginfo_t info;
  while (::waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED | __WALL) != 0 &&
         errno == EINTR) {
  }
}

/*
 * While it lives this thread takes no signal (those that glibc uses for itself included) and is no
 * target for cancellation; errno is put back.
 */
class Undisturbed {
 public:
  Undisturbed() : errno_(errno) {
    ::pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_);
    set_signal_mask(~uint64_t{0}, &mask_);
  }
  ~Undisturbed() {
    set_signal_mask(mask_, nullptr);
    ::pthread_setcancelstate(cancel_, nullptr);
    errno = errno_;
  }
  Undisturbed(const Undisturbed&) = delete;
  Undisturbed& operator=(const Undisturbed&) = delete;

 private:
  int errno_;
  int cancel_ = 0;
  uint64_t mask_ = 0;
};

struct ReportPipe {
  UniqueFd read;
  UniqueFd write;
};

Result<ReportPipe> report_pipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0) return failed("pipe");
  return ReportPipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

Error child_error(const std::string& program, Step step, int error) {
  return Error{error, program + ": " + step_name(step) + ": " + strerror(error)};
}

/* ---- the intermediate of spawn_detached ---- */

/* What it sends back, with the helper's pidfd when step is kNone. */
struct Introduction {
  Report report;
  pid_t pid = -1;
};

void introduce(int socket, const Introduction& introduction, int pidfd) {
  iovec part{const_cast<Introduction*>(&introduction), sizeof introduction};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (pidfd >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &pidfd, sizeof pidfd);
  }
  ::sendmsg(socket, &message, MSG_NOSIGNAL);
}

[[noreturn]] void run_intermediate(Plan* plan, int report_read, int socket) {
  Introduction introduction;
  int pidfd = -1;
  pid_t pid = raw_clone(CLONE_VFORK | CLONE_PIDFD | SIGCHLD, &pidfd);
  if (pid == 0) run_child(plan);
  if (pid < 0) {
    introduction.report = {Step::kForkHelper, errno, 0};
  } else {
    introduction.pid = pid;
    introduction.report = read_reports(report_read);
    if (introduction.report.step != Step::kNone) {
      reap(pidfd);
      pidfd = -1;
    }
  }
  introduce(socket, introduction, pidfd);
  end_child(0);
}

/* Waits for the introduction, or for the end of an intermediate that was killed before it. */
Result<Child> await_introduction(int socket, int intermediate, const std::string& program) {
  pollfd wait[2] = {{socket, POLLIN, 0}, {intermediate, POLLIN, 0}};
  while (::poll(wait, 2, -1) < 0 && errno == EINTR) {
  }
  Introduction introduction;
  iovec part{&introduction, sizeof introduction};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t n = ::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (n != static_cast<ssize_t>(sizeof introduction))
    return Error{ECHILD, program + ": the process that should start it was killed"};
  UniqueFd pidfd;
  if (cmsghdr* header = CMSG_FIRSTHDR(&message);
      header != nullptr && header->cmsg_type == SCM_RIGHTS) {
    int fd;
    std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
    pidfd = UniqueFd(fd);
  }
  if (introduction.report.step != Step::kNone)
    return child_error(program, introduction.report.step, introduction.report.error);
  if (!pidfd) return Error{EMFILE, program + ": no descriptor left for its pidfd"};
  return Child{introduction.pid, std::move(pidfd), 0};
}

}  // namespace

Result<Child> spawn(const SpawnSpec& spec) {
  Plan plan;
  if (auto planned = plan_program(&plan, spec.program, spec.argv, spec.environment); !planned)
    return planned.error();
  if (auto planned = plan_places(&plan, spec.fds); !planned) return planned.error();
  if (spec.identity && (spec.identity->uid == 0 || spec.identity->gid == 0))
    return Error{EPERM, spec.program + ": no child program runs as root"};
  if (!spec.identity && (::geteuid() == 0 || ::getuid() == 0))
    return Error{EPERM, spec.program + ": no child program runs as root; it needs a user"};
  plan.has_identity = spec.identity.has_value();
  if (spec.identity) plan.identity = *spec.identity;
  plan.net_namespace = spec.net_namespace;
  plan.namespaces = spec.namespaces;
  plan.namespaces_required = spec.namespaces_required;
  plan.death_signal = spec.death_signal;
  plan.parent = ::getpid();
  auto pipe = report_pipe();
  if (!pipe) return pipe.error();
  plan.report = pipe->write.get();

  int pidfd = -1;
  pid_t pid;
  int clone_error = 0;
  {
    Undisturbed undisturbed;
    pid = raw_clone(CLONE_VFORK | CLONE_PIDFD | SIGCHLD, &pidfd);
    if (pid == 0) run_child(&plan);
    clone_error = errno;
  }
  if (pid < 0) return child_error(spec.program, Step::kForkHelper, clone_error);
  Child child{pid, UniqueFd(pidfd), 0};
  Report report = read_reports(pipe->read.get());
  if (report.step != Step::kNone) {
    reap(child.pidfd.get());
    return child_error(spec.program, report.step, report.error);
  }
  child.missing_namespaces = report.missing_namespaces;
  return child;
}

Result<Child> spawn_detached(const DetachedSpec& spec) {
  Undisturbed undisturbed;
  Plan plan;
  if (auto planned = plan_program(&plan, spec.program, spec.argv, spec.environment); !planned)
    return planned.error();
  std::vector<FdPlace> places = spec.fds;
  UniqueFd self;
  if (spec.application_pidfd_at >= 0) {
    self = UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
    if (!self) return failed("pidfd_open");
    places.push_back({self.get(), spec.application_pidfd_at});
  }
  if (auto planned = plan_places(&plan, std::move(places)); !planned) return planned.error();
  plan.new_group = true;
  auto pipe = report_pipe();
  if (!pipe) return pipe.error();
  plan.report = pipe->write.get();
  int sockets[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0)
    return failed("socketpair");
  UniqueFd ours(sockets[0]), theirs(sockets[1]);

  int pidfd = -1;
  /* Exit signal 0: no SIGCHLD, and invisible to a wait() without __WALL or __WCLONE. */
  pid_t pid = raw_clone(CLONE_PIDFD, &pidfd);
  if (pid == 0) run_intermediate(&plan, pipe->read.get(), theirs.get());
  if (pid < 0) return child_error(spec.program, Step::kForkHelper, errno);
  UniqueFd intermediate(pidfd);
  auto child = await_introduction(ours.get(), intermediate.get(), spec.program);
  reap(intermediate.get());
  return child;
}

}  // namespace mp11
