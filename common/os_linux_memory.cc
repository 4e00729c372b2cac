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
#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>

#include "mp11_limits.h"
#include "os_memory.h"

namespace mp11::os {

namespace {

/* ThreadSanitizer does not see mremap: it takes the memory for that which was there before. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define MP11_THREAD_SANITIZER 1
#endif
#endif
#if defined(__SANITIZE_THREAD__) || defined(MP11_THREAD_SANITIZER)
constexpr bool kThreadSanitizer = true;
#else
constexpr bool kThreadSanitizer = false;
#endif

/* Constant initialised: no constructor runs for them. */
std::atomic<uint64_t> refusals{0};
std::atomic<size_t> bulk_locked{0};

size_t bulk_limit() {
  struct rlimit limit;
  if (::getrlimit(RLIMIT_MEMLOCK, &limit) != 0) return 0;
  if (limit.rlim_cur == RLIM_INFINITY) return SIZE_MAX;
  return static_cast<size_t>(limit.rlim_cur / 2);
}

}  // namespace

size_t page_size() { return static_cast<size_t>(::sysconf(_SC_PAGESIZE)); }

void* map_secret(size_t size) {
  void* data = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) return nullptr;
  ::madvise(data, size, MADV_DONTDUMP);
  /* Too much for the limit: at least the beginning, where PINs and keys are. */
  if (!lock_memory(data, size) && size > limits::kArenaLocked)
    lock_memory(data, limits::kArenaLocked);
  return data;
}

void* grow_secret(void* data, size_t old_size, size_t size) {
  if (kThreadSanitizer) return nullptr;
  /* The pages move, so nothing stays behind; they remain locked and out of dumps. */
  void* grown = ::mremap(data, old_size, size, MREMAP_MAYMOVE);
  return grown == MAP_FAILED ? nullptr : grown;
}

void unmap_secret(void* data, size_t size) { ::munmap(data, size); }

bool lock_memory(void* data, size_t size) {
  /* On fault: a page that is never used costs nothing. Before Linux 4.4 there was mlock only. */
  if (::mlock2(data, size, MLOCK_ONFAULT) == 0) return true;
  if (errno == ENOSYS && ::mlock(data, size) == 0) return true;
  refusals.fetch_add(1, std::memory_order_relaxed);
  return false;
}

bool lock_bulk(void* data, size_t size) {
  size_t before = bulk_locked.fetch_add(size, std::memory_order_relaxed);
  size_t limit = bulk_limit();
  bool fits = size <= limit && before <= limit - size;
  if (fits && lock_memory(data, size)) return true;
  if (!fits) refusals.fetch_add(1, std::memory_order_relaxed);
  bulk_locked.fetch_sub(size, std::memory_order_relaxed);
  return false;
}

void unlock_bulk(void* data, size_t size) {
  ::munlock(data, size);
  bulk_locked.fetch_sub(size, std::memory_order_relaxed);
}

void discard_shared(void* data, size_t size, bool locked) {
  /* MADV_REMOVE refuses locked memory. By number, as sanitizers make munlock() do nothing. */
  if (locked) ::syscall(SYS_munlock, data, size);
  ::madvise(data, size, MADV_REMOVE);
  if (locked) lock_memory(data, size);
}

uint64_t lock_refusals() { return refusals.load(std::memory_order_relaxed); }

}  // namespace mp11::os
