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
#include "process_state.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <new>

namespace mp11::client {
namespace {

/* A page of zeroes is a Page in its first state. */
enum Phase : uint32_t { kNothing = 0, kStarting, kInitialized, kEnding };

struct Page {
  std::atomic<uint32_t> phase;
  std::atomic<uint32_t> inside; /* threads between enter() and leave() */
  LibraryMode* application;
  pid_t pid; /* 0 where the kernel wipes the page; else the process that it belongs to */
};

constinit std::atomic<Page*> the_page{nullptr};

Page* make_page() {
  const size_t size = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  Page* page = new (memory) Page{};
  if (::madvise(memory, size, MADV_WIPEONFORK) != 0) page->pid = ::getpid();
  Page* none = nullptr;
  if (the_page.compare_exchange_strong(none, page)) return page;
  ::munmap(memory, size); /* another thread was faster */
  return none;
}

/* nullptr before the first C_Initialize. */
Page* current_page() {
  Page* page = the_page.load(std::memory_order_acquire);
  if (page == nullptr || page->pid == 0 || page->pid == ::getpid()) [[likely]]
    return page;
  /* Kernels before 4.14: the child does by hand what MADV_WIPEONFORK would have done. */
  page->application = nullptr;
  page->inside = 0;
  page->phase = kNothing;
  page->pid = ::getpid();
  return page;
}

void set_phase(Page* page, Phase phase) {
  page->phase.store(phase);
  page->phase.notify_all();
}

/* Not on the page: the child must still know them. */
struct NotedSocket {
  std::atomic<int> state{0}; /* 0: free; 1: being changed; 2: valid */
  pid_t owner = 0;
  int fd = -1;
  dev_t device = 0;
  ino_t inode = 0;
};
constinit NotedSocket noted[16];

/* That the number still is that socket: the child may have closed it and opened something else. */
void close_inherited() {
  for (NotedSocket& socket : noted) {
    if (socket.state != 2 || socket.owner == ::getpid()) continue;
    struct stat info;
    if (::fstat(socket.fd, &info) == 0 && S_ISSOCK(info.st_mode) && info.st_dev == socket.device &&
        info.st_ino == socket.inode)
      ::close(socket.fd);
    socket.state = 0;
  }
}

}  // namespace

CK_RV begin_initialize() {
  Page* page = current_page();
  if (page == nullptr) page = make_page();
  if (page == nullptr) return CKR_HOST_MEMORY;
  for (;;) {
    uint32_t phase = kNothing;
    if (page->phase.compare_exchange_strong(phase, kStarting)) break;
    if (phase == kInitialized) return CKR_CRYPTOKI_ALREADY_INITIALIZED;
    page->phase.wait(phase);
  }
  close_inherited();
  return CKR_OK;
}

void end_initialize(LibraryMode* application) {
  Page* page = current_page();
  page->application = application;
  set_phase(page, application != nullptr ? kInitialized : kNothing);
}

LibraryMode* begin_finalize() {
  Page* page = current_page();
  uint32_t phase = kInitialized;
  if (page == nullptr || !page->phase.compare_exchange_strong(phase, kEnding)) return nullptr;
  return page->application;
}

void cancel_finalize() { set_phase(current_page(), kInitialized); }

void wait_until_empty() {
  Page* page = current_page();
  while (uint32_t inside = page->inside.load()) page->inside.wait(inside);
}

void end_finalize() {
  Page* page = current_page();
  page->application = nullptr;
  set_phase(page, kNothing);
}

LibraryMode* enter() {
  Page* page = current_page();
  if (page == nullptr) return nullptr;
  page->inside.fetch_add(1);
  /* After the count: who ends sees this thread, or this thread sees that somebody ends. */
  if (page->phase.load() == kInitialized) return page->application;
  leave();
  return nullptr;
}

void leave() {
  Page* page = current_page();
  if (page->inside.fetch_sub(1) == 1 && page->phase.load() != kInitialized)
    page->inside.notify_all();
}

void note_socket(int fd) {
  struct stat info;
  if (::fstat(fd, &info) != 0) return;
  for (NotedSocket& socket : noted) {
    int free = 0;
    if (!socket.state.compare_exchange_strong(free, 1)) continue;
    socket.owner = ::getpid();
    socket.fd = fd;
    socket.device = info.st_dev;
    socket.inode = info.st_ino;
    socket.state = 2;
    return;
  }
}

void forget_socket(int fd) {
  for (NotedSocket& socket : noted)
    if (socket.state == 2 && socket.fd == fd && socket.owner == ::getpid()) socket.state = 0;
}

}  // namespace mp11::client
