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
 * Sending and receiving records (records.h) over SOCK_SEQPACKET sockets, with descriptors.
 *
 * Trust: receive() never takes more octets or descriptors than asked for; surplus descriptors are
 * closed; a message of the wrong size is kBroken. A message of zero octets reads like the end.
 */
#pragma once
#include <span>
#include <vector>

#include "records.h"
#include "result.h"
#include "unique_fd.h"

namespace mp11 {

enum class RecordStatus { kOk, kAgain, kClosed, kBroken };

/* A socket pair for records: close-on-exec, both ends non-blocking. */
Result<std::pair<UniqueFd, UniqueFd>> record_pair();

/*
 * Sends size octets at `record`, then `tail`, with descriptors. kAgain when the peer's queue is
 * full: the caller decides whether that is fatal (it is for a peer that is not trusted).
 */
RecordStatus send_record(int socket, const void* record, size_t size,
                         std::span<const uint8_t> tail = {}, std::span<const int> fds = {});
template <class T>
RecordStatus send_record(int socket, const T& record, std::span<const int> fds = {}) {
  static_assert(is_record<T>());
  return send_record(socket, &record, sizeof record, {}, fds);
}
/* A zeroed record with its head filled in. */
template <class T>
T make_record(RecordType type) {
  T record{};
  record.head = {type, sizeof(T)};
  return record;
}

/* One received message. */
class RecordBuffer {
 public:
  /*
   * Receives one message of at most `capacity` octets and kMaxFds descriptors.
   * `expect_fds` false: plain recv, so that descriptors a peer attached are dropped by the kernel.
   */
  RecordStatus receive(int socket, bool expect_fds, size_t capacity = 4096);
  RecordType type() const { return head().type; }
  /* The record as T when type and size are right and any tail is absent, else nullptr. */
  template <class T>
  const T* as(RecordType type) const {
    return head().type == type && data_.size() == sizeof(T)
               ? reinterpret_cast<const T*>(data_.data())
               : nullptr;
  }
  /* The same for records with octets behind them. */
  template <class T>
  const T* with_tail(RecordType type, std::span<const uint8_t>* tail) const {
    if (head().type != type || head().size != sizeof(T) || data_.size() < sizeof(T)) return nullptr;
    *tail = std::span(data_).subspan(sizeof(T));
    return reinterpret_cast<const T*>(data_.data());
  }
  std::vector<UniqueFd>& fds() { return fds_; }
  /* For records with a key: overwrites the octets. Pointers from as() and with_tail() stay valid.
   */
  void wipe();

 private:
  const RecordHead& head() const { return *reinterpret_cast<const RecordHead*>(data_.data()); }
  std::vector<uint8_t> data_; /* at least a RecordHead after kOk */
  std::vector<UniqueFd> fds_;
};

/* True when the text ends with NUL within its field. */
template <size_t N>
bool text_ends(const char (&field)[N]) {
  for (char c : field)
    if (c == '\0') return true;
  return false;
}
inline bool text_ends(const BackendToken& token) {
  return text_ends(token.label) && text_ends(token.manufacturer) && text_ends(token.model) &&
         text_ends(token.serial);
}

}  // namespace mp11
