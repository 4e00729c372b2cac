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
#include "shm_segment.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>

#include "os_futex.h"
#include "os_memory.h"

#ifndef MFD_NOEXEC_SEAL /* Linux 6.3 */
#define MFD_NOEXEC_SEAL 0x0008U
#endif

namespace mp11 {

namespace {

constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
constexpr int kSealsNotWanted = F_SEAL_WRITE | 0x0010 /* F_SEAL_FUTURE_WRITE */;

Error failed(const char* what, int code) {
  return Error{code, std::string(what) + ": " + strerror(code)};
}

UniqueFd make_memfd() {
  /* The name is what /proc/PID/maps shows. */
  constexpr const char* kName = "multip11-channel";
  constexpr unsigned kFlags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  UniqueFd fd(::memfd_create(kName, kFlags | MFD_NOEXEC_SEAL));
  if (!fd && errno == EINVAL) fd.reset(::memfd_create(kName, kFlags));
  return fd;
}

}  // namespace

Result<ShmSegment> ShmSegment::create(size_t size, bool fork_guard, UniqueFd* fd) {
  UniqueFd made = make_memfd();
  if (!made) return failed("memfd_create", errno);
  if (::ftruncate(made.get(), static_cast<off_t>(size)) != 0) return failed("ftruncate", errno);
  if (::fcntl(made.get(), F_ADD_SEALS, kSeals) != 0) return failed("F_ADD_SEALS", errno);
  Result<ShmSegment> segment = map(made.get(), size, fork_guard);
  if (segment) *fd = std::move(made);
  return segment;
}

Result<ShmSegment> ShmSegment::attach(int fd, size_t size, bool fork_guard) {
  struct stat status;
  if (::fstat(fd, &status) != 0) return failed("fstat", errno);
  if (!S_ISREG(status.st_mode) || status.st_size < 0 || static_cast<size_t>(status.st_size) != size)
    return Error{0, "segment refused: it has not the size of a channel"};
  int seals = ::fcntl(fd, F_GET_SEALS);
  if (seals < 0) return Error{errno, "segment refused: it is not a memfd"};
  if ((seals & kSeals) != kSeals) return Error{0, "segment refused: its size is not sealed"};
  if ((seals & kSealsNotWanted) != 0) return Error{0, "segment refused: it is not writable"};
  return map(fd, size, fork_guard);
}

Result<ShmSegment> ShmSegment::map(int fd, size_t size, bool fork_guard) {
  void* data = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (data == MAP_FAILED) return failed("mmap", errno);
  ShmSegment segment;
  segment.data_ = static_cast<uint8_t*>(data);
  segment.size_ = size;
  if (::madvise(data, size, MADV_DONTDUMP) != 0) return failed("MADV_DONTDUMP", errno);
  if (fork_guard) {
    if (::madvise(data, size, MADV_DONTFORK) != 0) return failed("MADV_DONTFORK", errno);
    segment.owner_pid_ = ::getpid();
  }
  return segment;
}

ShmSegment::~ShmSegment() {
  if (data_ == nullptr) return;
  /* In a child made by fork nothing is mapped here, or by now something else is. */
  if (owner_pid_ != 0 && owner_pid_ != ::getpid()) return;
  if (bulk_length_ != 0) os::unlock_bulk(data_ + bulk_offset_, bulk_length_);
  ::munmap(data_, size_);
}

void ShmSegment::swap(ShmSegment& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(bulk_offset_, other.bulk_offset_);
  std::swap(bulk_length_, other.bulk_length_);
  std::swap(owner_pid_, other.owner_pid_);
}

uint8_t* ShmSegment::at(size_t offset, size_t length) const {
  MP11_ASSERT(offset <= size_ && length <= size_ - offset);
  return data_ + offset;
}

void ShmSegment::copy_out(void* to, size_t offset, size_t length) const {
  if (length == 0) return;
  memcpy(to, at(offset, length), length);
  /* The compiler must not read the segment a second time where the copy is used. */
  __asm__ __volatile__("" : : "r"(to) : "memory");
}

void ShmSegment::copy_in(size_t offset, const void* from, size_t length) {
  if (length != 0) memcpy(at(offset, length), from, length);
}

void ShmSegment::wipe(size_t offset, size_t length) {
  if (length != 0) ::explicit_bzero(at(offset, length), length);
}

namespace {

std::atomic_ref<uint32_t> word(uint8_t* data) {
  return std::atomic_ref<uint32_t>(*reinterpret_cast<uint32_t*>(data));
}

}  // namespace

uint32_t ShmSegment::load(size_t offset) const {
  return word(at(offset, sizeof(uint32_t))).load(std::memory_order_seq_cst);
}

void ShmSegment::store(size_t offset, uint32_t value) {
  word(at(offset, sizeof value)).store(value, std::memory_order_seq_cst);
}

uint32_t ShmSegment::exchange(size_t offset, uint32_t value) {
  return word(at(offset, sizeof value)).exchange(value, std::memory_order_seq_cst);
}

void ShmSegment::futex_wait(size_t offset, uint32_t expected, uint64_t timeout_ns) {
  os::futex_wait(reinterpret_cast<uint32_t*>(at(offset, sizeof expected)), expected, timeout_ns);
}

void ShmSegment::futex_wake_all(size_t offset) {
  os::futex_wake_all(reinterpret_cast<uint32_t*>(at(offset, sizeof(uint32_t))));
}

bool ShmSegment::lock(size_t offset, size_t length) {
  return os::lock_memory(at(offset, length), length);
}

bool ShmSegment::lock_bulk(size_t offset, size_t length) {
  MP11_ASSERT(bulk_length_ == 0);
  if (!os::lock_bulk(at(offset, length), length)) return false;
  bulk_offset_ = offset;
  bulk_length_ = length;
  return true;
}

void ShmSegment::punch(size_t offset, size_t length) {
  at(offset, length);
  size_t page = os::page_size();
  size_t begin = (offset + page - 1) / page * page;
  size_t end = (offset + length) / page * page;
  if (begin < end) os::discard_shared(data_ + begin, end - begin, bulk_length_ != 0);
}

}  // namespace mp11
