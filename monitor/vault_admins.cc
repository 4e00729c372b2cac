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
#include "vault_admins.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include "log.h"
#include "secure_buffer.h"

namespace mp11 {
namespace {

/* At once: who needs a fifth can wait for one of four to end. */
constexpr size_t kMostAdmins = 4;
/* From connect to the last octet of the answer; a request is sent whole, and no person is asked. */
constexpr uint64_t kPatienceMs = 10000;

template <class T>
std::vector<uint8_t> octets_of(const T& record) {
  const uint8_t* data = reinterpret_cast<const uint8_t*>(&record);
  return {data, data + sizeof record};
}

bool printable(const char* text) {
  for (; *text != '\0'; text++)
    if (static_cast<unsigned char>(*text) < ' ' || *text == 0x7f) return false;
  return true;
}

bool is_good(const VaultRequest& request) {
  const bool sets = request.command == kVaultSet;
  const bool named = request.backend[0] != '\0' && request.token[0] != '\0';
  const bool nameless = request.command == kVaultList || request.command == kVaultRekey;
  const bool may_be_hidden = request.command == kVaultExport || request.command == kVaultRemove;
  return request.command >= kVaultList && request.command <= kVaultRemove && request.force <= 1 &&
         request.hidden <= (may_be_hidden ? 1u : 0u) && request.reserved == 0 &&
         text_ends(request.backend) && text_ends(request.token) && printable(request.backend) &&
         printable(request.token) && (nameless || named) &&
         (sets ? request.pin.size != 0 && request.pin.size <= sizeof request.pin.pin
               : request.pin.size == 0);
}

}  // namespace

VaultAdmins::VaultAdmins(EventLoop* loop, UniqueFd listener, Serve serve)
    : loop_(loop), serve_(std::move(serve)) {
  Result<PeerCredentials> owner = peer_credentials(listener.get()); /* who called listen() */
  if (owner) owner_ = owner->uid;
  listener_ = Watch(loop_, std::move(listener), EPOLLIN, [this](uint32_t) { on_listener(); });
}

VaultAdmins::~VaultAdmins() {
  while (!admins_.empty()) end(admins_.begin()->first);
}

void VaultAdmins::on_listener() {
  UniqueFd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket) return; /* another vault took it, or it has gone */
  Result<PeerCredentials> who = peer_credentials(socket.get());
  if (!who) return;
  if (who->uid != 0 && who->uid != owner_) {
    log_error("audit: uid %u, process %d: is no administrator; refused", who->uid, who->pid);
    return;
  }
  const uint64_t number = next_++;
  Admin& admin = admins_[number];
  admin.who = *who;
  admin.socket = Watch(loop_, std::move(socket), EPOLLIN,
                       [this, number](uint32_t events) { on_admin(number, events); });
  admin.patience = loop_->after(kPatienceMs, [this, number] { end(number); });
  if (admins_.size() >= kMostAdmins) loop_->change(listener_.get(), 0);
}

void VaultAdmins::end(uint64_t number) {
  auto place = admins_.find(number);
  if (place == admins_.end()) return;
  loop_->cancel(&place->second.patience);
  for (std::vector<uint8_t>& record : place->second.unsent) wipe(record.data(), record.size());
  admins_.erase(place);
  if (listener_) loop_->change(listener_.get(), EPOLLIN);
}

void VaultAdmins::on_admin(uint64_t number, uint32_t events) {
  Admin& admin = admins_[number];
  if (!admin.asked) {
    RecordBuffer record;
    const RecordStatus status = record.receive(admin.socket.get(), false);
    if (status == RecordStatus::kAgain) return;
    const auto* request =
        status == RecordStatus::kOk ? record.as<VaultRequest>(RecordType::kVaultRequest) : nullptr;
    const bool good = request != nullptr && is_good(*request);
    if (good) answer(&admin, *request);
    if (status == RecordStatus::kOk) record.wipe();
    if (!good) return end(number);
  } else if ((events & (EPOLLHUP | EPOLLERR | EPOLLIN)) != 0) {
    return end(number); /* gone, or says something more */
  }
  while (!admin.unsent.empty()) {
    std::vector<uint8_t>& record = admin.unsent.front();
    const RecordStatus status = send_record(admin.socket.get(), record.data(), record.size());
    if (status == RecordStatus::kAgain) {
      loop_->change(admin.socket.get(), EPOLLIN | EPOLLOUT);
      return;
    }
    if (status != RecordStatus::kOk) break;
    wipe(record.data(), record.size()); /* it may have been a PIN */
    admin.unsent.pop_front();
  }
  end(number);
}

void VaultAdmins::answer(Admin* admin, const VaultRequest& request) {
  std::vector<VaultEntry> entries;
  VaultAnswer answer = serve_(request, admin->who, &entries);
  for (const VaultEntry& entry : entries) admin->unsent.push_back(octets_of(entry));
  admin->unsent.push_back(octets_of(answer));
  admin->asked = true;
  wipe(&answer, sizeof answer);
}

}  // namespace mp11
