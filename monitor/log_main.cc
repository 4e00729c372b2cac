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
 * multip11-log: the one way from multip11d's processes, and from the libraries' stderr, to syslog,
 * a file or the terminal.
 *
 * Descriptors: 0 and 1 /dev/null; 2 [priv]'s own stderr, or /dev/null; 3 control socket to [priv].
 * [priv] first says where lines go (kLogTarget, with the descriptor of the file or terminal), and
 * again after SIGHUP; each source arrives with the read end of its pipe (kLogSource). For syslog
 * the socket is opened here, and again when the receiver was restarted; lines that find none
 * meanwhile are counted.
 *
 * Trust: [priv] is believed as far as the form of its records. What comes through a pipe is not:
 * see log_lines.h. A file is opened for appending by [priv], so this process can add to it and no
 * more.
 */
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "event_loop.h"
#include "log_lines.h"
#include "process_start.h"
#include "record_io.h"

namespace mp11 {
namespace {

constexpr size_t kReadAtOnce = 16384; /* of one source, before the others have their turn */
constexpr int kFacility = 3;          /* daemon */
constexpr uint64_t kReportMs = 5000;
/* Of what the processes of one kind may say together, what one of them may: others get through. */
constexpr uint32_t kOneOfMany = 4;

const char* priority_name(int priority) {
  if (priority <= kPriorityError) return priority < kPriorityError ? "fatal" : "error";
  if (priority == kPriorityWarning) return "warning";
  return priority >= kPriorityDebug ? "debug" : "info";
}

/* Where lines go. */
class Target {
 public:
  void set(uint32_t kind, UniqueFd fd) {
    kind_ = kind;
    fd_ = std::move(fd);
    if (kind_ == kLogToSyslog) connect();
  }
  void write(int priority, const char* name, int pid, const std::string& text) {
    if (lost_ > 0 && put(kPriorityWarning, "multip11-log", ::getpid(),
                         std::to_string(lost_) + " lines could not be delivered"))
      lost_ = 0;
    if (!put(priority, name, pid, text)) lost_++;
  }

 private:
  bool put(int priority, const char* name, int pid, const std::string& text) {
    timespec now;
    ::clock_gettime(CLOCK_REALTIME, &now);
    tm parts;
    char stamp[48];
    std::string line;
    std::string who = std::string(name) + "[" + std::to_string(pid) + "]: ";
    if (kind_ == kLogToSyslog) {
      ::localtime_r(&now.tv_sec, &parts);
      ::strftime(stamp, sizeof stamp, "%b %e %H:%M:%S ", &parts);
      line = "<" + std::to_string(kFacility * 8 + priority) + ">" + stamp + who + text;
      return send(line) || (connect() && send(line));
    }
    ::gmtime_r(&now.tv_sec, &parts);
    size_t length = ::strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &parts);
    std::snprintf(stamp + length, sizeof stamp - length, ".%03ldZ ", now.tv_nsec / 1000000);
    line = stamp + who + priority_name(priority) + ": " + text + "\n";
    ssize_t n;
    do {
      n = ::write(fd_.get(), line.data(), line.size());
    } while (n < 0 && errno == EINTR);
    return n == static_cast<ssize_t>(line.size());
  }
  bool send(const std::string& line) {
    return ::send(fd_.get(), line.data(), line.size(), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
  }
  bool connect() {
    fd_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, "/dev/log");
    return fd_ && ::connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }

  uint32_t kind_ = kLogToStderr;
  UniqueFd fd_;
  uint64_t lost_ = 0;
};

class Log {
 public:
  Log(EventLoop* loop, UniqueFd control) : loop_(loop) {
    control_ = Watch(loop, std::move(control), EPOLLIN, [this](uint32_t) { on_control(); });
  }
  Log(const Log&) = delete;

 private:
  struct Source {
    Source(const LogSource& from, uint32_t rate, LogRate* shared)
        : record(from),
          lines(from.untrusted == 0, own_rate(from, rate), EventLoop::now_ms(), shared) {}
    static uint32_t own_rate(const LogSource& from, uint32_t rate) {
      return from.many != 0 ? std::max(rate / kOneOfMany, 1u) : rate;
    }
    LogSource record;
    LogLines lines;
    Watch pipe;
  };

  void on_control() {
    RecordBuffer record;
    RecordStatus status = record.receive(control_.get(), true);
    if (status == RecordStatus::kAgain) return;
    if (status != RecordStatus::kOk) return finish();
    if (const LogSource* source = record.as<LogSource>(RecordType::kLogSource);
        source != nullptr && record.fds().size() == 1 && text_ends(source->name)) {
      add(*source, std::move(record.fds()[0]));
    } else if (const LogTarget* target = record.as<LogTarget>(RecordType::kLogTarget);
               target != nullptr && target->target >= kLogToSyslog &&
               target->target <= kLogToFile && target->rate > 0 &&
               record.fds().size() == (target->target == kLogToSyslog ? 0u : 1u)) {
      target_.set(target->target,
                  target->target == kLogToSyslog ? UniqueFd() : std::move(record.fds()[0]));
      rate_ = target->rate;
      for (auto& [id, source_] : sources_)
        source_->lines.set_rate(Source::own_rate(source_->record, rate_));
      for (auto& [name, shared] : shared_) shared.set_rate(rate_);
    } else {
      log_error("a record from [priv] is not understood");
    }
  }

  void add(const LogSource& record, UniqueFd pipe) {
    uint64_t id = next_++;
    LogRate* shared = nullptr;
    if (record.many != 0)
      shared = &shared_.try_emplace(record.name, rate_, EventLoop::now_ms()).first->second;
    auto source = std::make_unique<Source>(record, rate_, shared);
    source->pipe = Watch(loop_, std::move(pipe), EPOLLIN, [this, id](uint32_t) { on_source(id); });
    sources_[id] = std::move(source);
  }

  LogLines::Sink sink_of(const Source& source) {
    return [this, &source](int priority, const std::string& text) {
      target_.write(priority, source.record.name, source.record.pid, text);
    };
  }

  /* True when there may be more. */
  bool on_source(uint64_t id) {
    Source& source = *sources_.at(id);
    char octets[kReadAtOnce];
    ssize_t n = ::read(source.pipe.get(), octets, sizeof octets);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (n > 0) {
      source.lines.feed({octets, static_cast<size_t>(n)}, EventLoop::now_ms(), sink_of(source));
      if (source.lines.has_dropped()) report_later();
      return true;
    }
    source.lines.end(EventLoop::now_ms(), sink_of(source));
    sources_.erase(id);
    return false;
  }

  /* While nothing was dropped, nobody wakes up for it. */
  void report_later() {
    if (report_ == 0) report_ = loop_->after(kReportMs, [this] { report(); });
  }
  void report() {
    report_ = 0;
    for (auto& [id, source] : sources_) source->lines.report(EventLoop::now_ms(), sink_of(*source));
    for (auto& [name, shared] : shared_) report_shared(name, shared.dropped(EventLoop::now_ms()));
    if (std::any_of(sources_.begin(), sources_.end(),
                    [](const auto& entry) { return entry.second->lines.has_dropped(); }) ||
        std::any_of(shared_.begin(), shared_.end(),
                    [](const auto& entry) { return entry.second.has_dropped(); }))
      report_later();
  }

  /* [priv] has hung up: what is in the pipes still goes out. */
  void finish() {
    std::vector<uint64_t> ids;
    for (auto& [id, source] : sources_) ids.push_back(id);
    for (uint64_t id : ids)
      while (on_source(id)) {
      }
    for (auto& [id, source] : sources_) source->lines.end(EventLoop::now_ms(), sink_of(*source));
    for (auto& [name, shared] : shared_) report_shared(name, shared.all_dropped());
    loop_->stop();
  }

  void report_shared(const std::string& name, uint64_t count) {
    if (count == 0) return;
    target_.write(kPriorityWarning, "multip11-log", ::getpid(), name + ": " + dropped_text(count));
  }

  EventLoop* loop_;
  Watch control_;
  Target target_;
  uint32_t rate_ = 200;
  uint64_t next_ = 1;
  EventLoop::TimerId report_ = 0;
  std::map<uint64_t, std::unique_ptr<Source>> sources_;
  std::map<std::string, LogRate> shared_; /* by name: a handful, as backends have names */
};

int log_main(int argc, char** argv) {
  ProcessStart start = process_start("multip11-log", argc, argv);
  log_init("multip11-log", start.level, false); /* our own stderr is no pipe to ourselves */
  ::tzset();                                    /* opens /etc/localtime, once */
  SelfLimits limits;
  limits.files = kKeepLimit;     /* one pipe for each process of the daemon */
  limits.file_size = kKeepLimit; /* a log file grows */
  Result<EventLoop> loop = EventLoop::create();
  if (!loop) fatal("%s", loop.error().text.c_str());
  limit_program(Program::kLog, start, limits, {});
  Log log(&*loop, UniqueFd(3));
  loop->run();
  return 0;
}

}  // namespace
}  // namespace mp11

int main(int argc, char** argv) { return mp11::log_main(argc, argv); }
