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
#include "net_renewal.h"

#include "kdh.h"
#include "log.h"
#include "record_io.h"

namespace mp11 {

CK_RV NetRenewal::ask(std::span<const uint8_t> ap_req) {
  if (!auth_) return CKR_DEVICE_REMOVED;
  if (ap_req.empty() || ap_req.size() > kKdhIdentity) return CKR_FUNCTION_REJECTED;
  auto record = make_record<ConnectionToken>(RecordType::kRenew);
  record.token_size = static_cast<uint32_t>(ap_req.size());
  switch (send_record(auth_.get(), &record, sizeof record, ap_req)) {
    case RecordStatus::kOk:
      return CKR_OK;
    case RecordStatus::kAgain:
      return CKR_FUNCTION_FAILED;
    default:
      auth_.reset();
      return CKR_DEVICE_REMOVED;
  }
}

bool NetRenewal::answered(CK_RV* rv, uint64_t* expires_s) {
  RecordBuffer record;
  const RecordStatus status = record.receive(auth_.get(), false);
  if (status == RecordStatus::kAgain) return false;
  const auto* renewed =
      status == RecordStatus::kOk ? record.as<Renewed>(RecordType::kRenewed) : nullptr;
  if (renewed == nullptr) {
    if (status != RecordStatus::kClosed) fatal("unexpected record from auth");
    auth_.reset();
    *rv = CKR_DEVICE_REMOVED;
    return true;
  }
  *rv = renewed->answer == kRenewalDone      ? CKR_OK
        : renewed->answer == kRenewalRefused ? CKR_FUNCTION_REJECTED
                                             : CKR_FUNCTION_FAILED;
  *expires_s = renewed->expires_s;
  return true;
}

}  // namespace mp11
