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
 * The user's ticket for a service, from his cache or the KDC, and the AP-REQs that are made of it;
 * for TLS-KDH, and for the renewal of any connection.
 *
 * Trust: what the KDC answers and the cache holds is read by libkrb5. Not thread-safe; one for each
 * thread.
 */
#pragma once
#include <krb5/krb5.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "result.h"

namespace mp11 {

/*
 * The code of an error: the ticket is too large for TLS-KDH, or the user has tickets where
 * libgssapi alone looks for them (a keytab for clients). GSS-API may do.
 */
inline constexpr int kNotForKdh = -1;

class ServiceTicket {
 public:
  ServiceTicket() = default;
  ServiceTicket(const ServiceTicket&) = delete;
  ~ServiceTicket();

  /* A KDC that must be asked has the library's own time limits. An error's text is for the user. */
  Status get(const std::string& service);
  /* A new AP-REQ, with a checksum over that and a fresh subkey, which the caller frees. */
  krb5_error_code make_ap_req(std::span<const uint8_t> checksummed, std::vector<uint8_t>* ap_req,
                              krb5_keyblock** subkey);
  /* After get(). CLOCK_REALTIME seconds; and whose it is, with the realm. */
  uint64_t ends_s() const { return static_cast<uint32_t>(ticket_->times.endtime); }
  std::string client() const;

  krb5_context context() { return context_; }
  Error failure(krb5_error_code code) const;

 private:
  krb5_error_code find_cache();

  std::string service_;
  krb5_context context_ = nullptr;
  krb5_ccache cache_ = nullptr;
  krb5_creds wanted_{};
  krb5_creds* ticket_ = nullptr;
};

}  // namespace mp11
