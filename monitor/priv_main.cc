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
 * multip11d: the command line, and the way from there to a daemon that serves (priv.h).
 *
 * Order: the configuration is checked, directories, PID file and listeners are made, and only then
 * does the daemon detach; whatever fails until multip11-log, -vault and -auth run is said on the
 * caller's stderr, and the exit code is 1.
 *
 * Trust: the command line and the configuration are the administrator's. The environment is not
 * used. Where the other programs are is a setting of the configuration (libexec-directory), which
 * must stand in directories that only root, or the unprivileged user, can write to.
 */
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "explain.h"
#include "file_check.h"
#include "log.h"
#include "os_process.h"
#include "os_sandbox.h"
#include "priv.h"
#include "priv_state.h"

namespace mp11 {
namespace {

constexpr char kUsage[] =
    "usage: multip11d [-DdeTtV] [-C user=WHO] [-C keyword=value] ... [-f file]\n"
    "                 [-o keyword=value] ...\n"
    "  -t  test the configuration          -T  test it, and show what is in effect\n"
    "  -C  with -T: show what that user sees, and who would answer a call, and why; token=LABEL,\n"
    "      function=NAME, mechanism=NAME and object=URI say which\n"
    "  -D  do not detach                   -e  log to standard error\n"
    "  -d  both, and log-level = debug     -V  version\n";

/* The few powers of root that [priv] keeps, and what for. All others are given up for good. */
constexpr uint64_t kCapabilities =
    1ull << CAP_SETUID |          /* children become their own users */
    1ull << CAP_SETGID |          /* and their own groups, with no supplementary ones */
    1ull << CAP_SETPCAP |         /* children's bounding sets are emptied */
    1ull << CAP_SYS_ADMIN |       /* children join the empty network namespace; own mounts, IPC */
    1ull << CAP_KILL |            /* a connection's processes, of other users, are ended */
    1ull << CAP_CHOWN |           /* a listener's socket file gets its group */
    1ull << CAP_NET_BIND_SERVICE; /* ports below 1024, also of listeners that SIGHUP brings */

struct Arguments {
  PrivOptions options;
  bool test = false, dump = false, detach = true, version = false;
  std::vector<std::string> question; /* -C */
};

bool parse_arguments(int argc, char** argv, Arguments* arguments) {
  arguments->options.source.path = kDefaultConfigFile;
  int letter;
  while ((letter = ::getopt(argc, argv, "C:DdeTtVf:o:")) != -1) {
    switch (letter) {
      case 'C':
        arguments->question.push_back(optarg);
        break;
      case 'd':
        arguments->options.debug = arguments->options.to_stderr = true;
        arguments->detach = false;
        break;
      case 'D':
        arguments->detach = false;
        break;
      case 'e':
        arguments->options.to_stderr = true;
        break;
      case 't':
        arguments->test = true;
        break;
      case 'T':
        arguments->dump = true;
        break;
      case 'V':
        arguments->version = true;
        break;
      case 'f':
        arguments->options.source.path = optarg;
        break;
      case 'o':
        arguments->options.source.options.push_back(optarg);
        break;
      default:
        return false;
    }
  }
  return optind == argc && (arguments->dump || arguments->question.empty());
}

Error failed(const std::string& what, int code = errno) {
  return Error{code, what + ": " + std::strerror(code)};
}

/* SIGHUP reads the file again when the working directory is another. */
Status make_absolute(std::string* path) {
  if ((*path)[0] == '/') return ok();
  char directory[4096];
  if (::getcwd(directory, sizeof directory) == nullptr) return failed("getcwd");
  *path = std::string(directory) + "/" + *path;
  return ok();
}

Status check_who_we_are(const Config& config) {
  bool root = ::geteuid() == 0;
  if (::getuid() != ::geteuid() || ::getgid() != ::getegid())
    return Error{EPERM, "multip11d must not be set-id"};
  if (root && config.unprivileged)
    return Error{EPERM,
                 "unprivileged = yes, but started as root; start it as an ordinary user, or "
                 "remove that line"};
  if (!root && !config.unprivileged)
    return Error{EPERM, "not started as root; do so, or set unprivileged = yes"};
  return ok();
}

Status make_directory(const std::string& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) == 0) {
    if (::chmod(path.c_str(), mode) != 0) return failed(path);
  } else if (errno != EEXIST) {
    return failed("cannot make " + path);
  }
  return check_trusted_path(path);
}

/* The lock on the PID file says that nobody else runs with this run-directory. */
Result<UniqueFd> lock_pid_file(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (!fd) return failed(path);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0)
    return Error{EBUSY, "another multip11d runs with this run-directory (" + path + ")"};
  return fd;
}

Status write_pid(int fd) {
  std::string text = std::to_string(::getpid()) + "\n";
  if (::ftruncate(fd, 0) != 0 ||
      ::pwrite(fd, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()))
    return failed("PID file");
  return ok();
}

/* Each connection needs descriptors for sockets, pidfds and log pipes of its processes. */
void raise_file_limit(const Config& config) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
  rlim_t need = rlim_t{config.max_connections} * 9 + limits::kSilent + 256;
  if (limit.rlim_max < need)
    log_info(
        "warning: the limit of open files (%llu) is low for max-connections; about %llu are "
        "needed",
        static_cast<unsigned long long>(limit.rlim_max), static_cast<unsigned long long>(need));
}

/*
 * Goes into the background. The parent waits until the daemon serves (or fails) and exits with 0
 * (or 1). Returns, in the daemon, the pipe to say so.
 */
Result<UniqueFd> detach() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return failed("pipe");
  UniqueFd read_end(fds[0]), write_end(fds[1]);
  pid_t pid = ::fork();
  if (pid < 0) return failed("fork");
  if (pid > 0) {
    write_end.reset();
    char word;
    ssize_t n;
    do {
      n = ::read(read_end.get(), &word, 1);
    } while (n < 0 && errno == EINTR);
    ::_exit(n == 1 ? 0 : 1);
  }
  if (::setsid() < 0) return failed("setsid");
  return write_end;
}

/* From here on there is no terminal; descriptor 2 is the pipe to multip11-log already. */
void leave_terminal(UniqueFd ready) {
  int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null >= 0) {
    ::dup2(null, STDIN_FILENO);
    ::dup2(null, STDOUT_FILENO);
    ::close(null);
  }
  (void)!::write(ready.get(), "R", 1); /* nobody waits any more: not our concern */
}

Status limit_priv(const Config& config) {
  SelfLimits limits;
  limits.files = kKeepLimit;     /* raised above */
  limits.file_size = kKeepLimit; /* sealed memfds, and children inherit it */
  if (Status status = limit_self(limits); !status) return status;
  Status status = config.unprivileged ? drop_capabilities() : keep_capabilities(kCapabilities);
  if (!status) return status;
  return sandbox_enter(Program::kPriv);
}

sigset_t our_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (int signal : {SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&set, signal);
  return set;
}

void serve_signals(Priv* priv, int fd) {
  signalfd_siginfo info;
  while (::read(fd, &info, sizeof info) == sizeof info) {
    if (info.ssi_signo == SIGHUP)
      priv->reload();
    else
      priv->stop();
  }
}

/* What is made before detaching, as its failures are the caller's to see. */
struct Prepared {
  UniqueFd pid_file;
  std::vector<std::unique_ptr<Listener>> listeners;
  std::unique_ptr<Launcher> launcher;
};

Result<Prepared> prepare(const Config& config, std::vector<PassedSocket> passed) {
  Prepared prepared;
  if (Status status = check_who_we_are(config); !status) return status.error();
  if (Status status = make_directory(config.run_directory, 0755); !status) return status.error();
  if (Status status = make_directory(config.run_directory + "/lock", 0700); !status)
    return status.error();
  Result<UniqueFd> pid_file = lock_pid_file(config.run_directory + "/multip11d.pid");
  if (!pid_file) return pid_file.error();
  if (Status status = prepare_state(config); !status) return status.error();
  prepared.pid_file = std::move(*pid_file);
  for (const ListenerConfig& one : config.listeners) {
    Result<std::unique_ptr<Listener>> listener = Listener::take(one, &passed);
    if (listener && !*listener) listener = Listener::bind(one);
    if (!listener) return listener.error();
    if (*listener) prepared.listeners.push_back(std::move(*listener));
  }
  if (!passed.empty())
    return Error{EINVAL,
                 "a socket was passed for which there is no listener: " + place_of(passed.front()) +
                     "; add one at that place, or take it out of the .socket unit"};
  Result<std::unique_ptr<Launcher>> launcher = Launcher::create(config);
  if (!launcher) return launcher.error();
  prepared.launcher = std::move(*launcher);
  return prepared;
}

Status run(Arguments arguments, Config config, std::vector<PassedSocket> passed) {
  apply_options(arguments.options, &config);
  if (Status status = make_absolute(&arguments.options.source.path); !status) return status;
  Result<Prepared> prepared = prepare(config, std::move(passed));
  if (!prepared) return prepared.error();
  raise_file_limit(config);
  UniqueFd ready;
  if (arguments.detach) {
    Result<UniqueFd> detached = detach();
    if (!detached) return detached.error();
    ready = std::move(*detached);
  }
  std::string pid_path = config.run_directory + "/multip11d.pid";
  if (Status status = write_pid(prepared->pid_file.get()); !status) return status;
  if (::chdir("/") != 0) return failed("chdir /");
  ::signal(SIGPIPE, SIG_IGN);
  sigset_t signals = our_signals();
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  UniqueFd signal_fd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signal_fd) return failed("signalfd");
  Result<EventLoop> loop = EventLoop::create();
  if (!loop) return loop.error();
  if (Status status = limit_priv(config); !status) return status;
  bool terminal = !arguments.detach || config.log_target == kLogToStderr;
  Priv priv(&*loop, std::move(arguments.options), std::move(config), std::move(prepared->launcher),
            std::move(prepared->listeners),
            UniqueFd(terminal ? ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3) : -1));
  if (Status status = priv.start(); !status) {
    ::unlink(pid_path.c_str());
    return status;
  }
  if (ready) leave_terminal(std::move(ready));
  loop->add(signal_fd.get(), EPOLLIN, [&](uint32_t) { serve_signals(&priv, signal_fd.get()); });
  loop->run();
  ::unlink(pid_path.c_str());
  return ok();
}

/* multip11d -T -C. The status tells scripts whether there is something to see, and an answer. */
int say_what_is_seen(const Config& config, const std::vector<std::string>& question) {
  bool yes = false;
  Result<std::string> text = explain(config, question, &yes);
  if (!text) {
    std::fprintf(stderr, "multip11d: %s\n", text.error().text.c_str());
    return 2;
  }
  std::fputs(text->c_str(), stdout);
  return std::fflush(stdout) == 0 && yes ? 0 : 1;
}

int priv_main(int argc, char** argv) {
  log_init("multip11d", LogLevel::kInfo, false);
  /* What else the caller left open is not ours. */
  Result<std::vector<PassedSocket>> passed = take_passed_sockets();
  if (!passed) {
    log_error("%s", passed.error().text.c_str());
    return 1;
  }
  Arguments arguments;
  if (!parse_arguments(argc, argv, &arguments)) {
    std::fputs(kUsage, stderr);
    return 1;
  }
  if (arguments.version) {
    std::puts("multip11d " MP11_VERSION);
    if (kSanitized) std::puts(kSanitizedNote);
    return 0;
  }
  LoadedConfig loaded = load_config(arguments.options.source);
  for (const std::string& line : loaded.warnings)
    std::fprintf(stderr, "warning: %s\n", line.c_str());
  for (const std::string& line : loaded.errors) std::fprintf(stderr, "%s\n", line.c_str());
  if (!loaded.config) return 1;
  if (!arguments.question.empty()) return say_what_is_seen(*loaded.config, arguments.question);
  if (arguments.dump) std::fputs(dump_config(*loaded.config).c_str(), stdout);
  if (arguments.test || arguments.dump) return std::fflush(stdout) == 0 ? 0 : 1;
  Status status = run(std::move(arguments), std::move(*loaded.config), std::move(*passed));
  if (status) return 0;
  log_error("%s", status.error().text.c_str());
  return 1;
}

}  // namespace
}  // namespace mp11

int main(int argc, char** argv) { return mp11::priv_main(argc, argv); }
