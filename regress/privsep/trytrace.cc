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
 * trytrace: what could a process of that user, with no privilege at all, do to these processes?
 *
 *   trytrace UID GID PID...
 *
 * Becomes that user, then tries each way to read another process's memory or take its descriptors,
 * without the sandbox that our own processes have, so that the kernel's own rules alone decide.
 * Prints a line `PID WAY allowed` for each that works. Ends with 0 when none did, 1 else, 2 when it
 * cannot try.
 */
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

int found;

void report(pid_t pid, const char* way, bool allowed) {
  if (!allowed) return;
  printf("%d %s allowed\n", static_cast<int>(pid), way);
  found = 1;
}

void try_ptrace(pid_t pid) {
  bool attached = ptrace(PTRACE_SEIZE, pid, nullptr, nullptr) == 0;
  report(pid, "ptrace", attached);
  /* A seized process goes on when its tracer ends. */
}

void try_memory(pid_t pid) {
  /* Any address will do: the right is checked first, EFAULT comes after it. */
  char octet;
  iovec local = {&octet, 1}, remote = {reinterpret_cast<void*>(0x1000), 1};
  bool allowed = process_vm_readv(pid, &local, 1, &remote, 1, 0) == 1 || errno == EFAULT;
  report(pid, "process_vm_readv", allowed);
}

void try_open(pid_t pid, const char* file) {
  std::string path = "/proc/" + std::to_string(pid) + "/" + file;
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  report(pid, file, fd >= 0);
  if (fd >= 0) close(fd);
}

void try_getfd(pid_t pid) {
  int pidfd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  if (pidfd < 0) return;
  for (int fd = 0; fd < 8; fd++) {
    int taken = static_cast<int>(syscall(SYS_pidfd_getfd, pidfd, fd, 0));
    report(pid, "pidfd_getfd", taken >= 0);
    if (taken >= 0) close(taken);
  }
  close(pidfd);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  gid_t gid = static_cast<gid_t>(strtoul(argv[2], nullptr, 10));
  uid_t uid = static_cast<uid_t>(strtoul(argv[1], nullptr, 10));
  if (uid == 0 || setgroups(0, nullptr) != 0 || setresgid(gid, gid, gid) != 0 ||
      setresuid(uid, uid, uid) != 0) {
    perror("trytrace");
    return 2;
  }
  for (int i = 3; i < argc; i++) {
    pid_t pid = static_cast<pid_t>(strtol(argv[i], nullptr, 10));
    if (kill(pid, 0) != 0 && errno == ESRCH) {
      fprintf(stderr, "trytrace: no process %d\n", static_cast<int>(pid));
      return 2;
    }
    try_ptrace(pid);
    try_memory(pid);
    try_getfd(pid);
    for (const char* file : {"mem", "maps", "environ", "fd/3", "auxv"}) try_open(pid, file);
  }
  return found;
}
