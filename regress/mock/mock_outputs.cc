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
/* What parameters of the mock library's mechanisms give back: text too; see mock_recipe.h. */
#include "mock_recipe.h"

namespace mock {
namespace {

/* Octets that say what went in, as many as are wanted. */
void fill(CK_BYTE* out, CK_ULONG size, const std::string& text) {
  for (CK_ULONG i = 0; out != nullptr && i < size; i++)
    out[i] = static_cast<CK_BYTE>(text[text.size() - 1 - i % text.size()]);
}

/* A library that was told a version says one more. */
void next_version(CK_VERSION* version) {
  if (version != nullptr) version->minor++;
}

}  // namespace

CK_RV Deriver::key(const char* what, CK_OBJECT_HANDLE* made) const {
  return make_key(session, text + " " + what, attributes, count, made);
}

CK_RV Deriver::additional(CK_DERIVED_KEY* keys, CK_ULONG number) const {
  for (CK_ULONG i = 0; i < number; i++) {
    const CK_RV rv = make_key(session, text + " more " + std::to_string(i), keys[i].pTemplate,
                              keys[i].ulAttributeCount, keys[i].phKey);
    if (rv != CKR_OK) return rv;
  }
  return CKR_OK;
}

CK_RV Deriver::material(CK_SSL3_KEY_MAT_OUT* out, CK_ULONG iv_bits) const {
  if (out == nullptr) return CKR_MECHANISM_PARAM_INVALID;
  CK_RV rv = key("client mac", &out->hClientMacSecret);
  if (rv == CKR_OK) rv = key("server mac", &out->hServerMacSecret);
  if (rv == CKR_OK) rv = key("client key", &out->hClientKey);
  if (rv == CKR_OK) rv = key("server key", &out->hServerKey);
  if (rv != CKR_OK) return rv;
  fill(out->pIVClient, iv_bits / 8, text + " client iv");
  fill(out->pIVServer, iv_bits / 8, text + " server iv");
  return CKR_OK;
}

CK_RV Deriver::material(CK_WTLS_KEY_MAT_OUT* out, CK_ULONG iv_bits) const {
  if (out == nullptr) return CKR_MECHANISM_PARAM_INVALID;
  CK_RV rv = key("mac", &out->hMacSecret);
  if (rv == CKR_OK) rv = key("key", &out->hKey);
  if (rv == CKR_OK) fill(out->pIV, iv_bits / 8, text + " iv");
  return rv;
}

CK_RV Deriver::output(CK_BYTE* out, CK_ULONG* length) const {
  if (out == nullptr || length == nullptr) return CKR_MECHANISM_PARAM_INVALID;
  const CK_ULONG room = *length;
  *length = 24;
  if (room < 24) return CKR_BUFFER_TOO_SMALL;
  fill(out, 24, text);
  return CKR_OK;
}

CK_RV Deriver::outputs(const CK_MECHANISM& m, bool* own) const {
  void* p = m.pParameter;
  *own = true;
  switch (m.mechanism) {
    case CKM_SP800_108_COUNTER_KDF: {
      auto* kdf = static_cast<CK_SP800_108_KDF_PARAMS*>(p);
      return additional(kdf->pAdditionalDerivedKeys, kdf->ulAdditionalDerivedKeys);
    }
    case CKM_SP800_108_FEEDBACK_KDF: {
      auto* kdf = static_cast<CK_SP800_108_FEEDBACK_KDF_PARAMS*>(p);
      return additional(kdf->pAdditionalDerivedKeys, kdf->ulAdditionalDerivedKeys);
    }
    case CKM_SSL3_MASTER_KEY_DERIVE:
      next_version(static_cast<CK_SSL3_MASTER_KEY_DERIVE_PARAMS*>(p)->pVersion);
      return CKR_OK;
    case CKM_TLS12_MASTER_KEY_DERIVE:
      next_version(static_cast<CK_TLS12_MASTER_KEY_DERIVE_PARAMS*>(p)->pVersion);
      return CKR_OK;
    case CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE:
      next_version(static_cast<CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS*>(p)->pVersion);
      return CKR_OK;
    case CKM_WTLS_MASTER_KEY_DERIVE:
      ++*static_cast<CK_WTLS_MASTER_KEY_DERIVE_PARAMS*>(p)->pVersion;
      return CKR_OK;
    case CKM_PBE_SHA1_DES3_EDE_CBC:
      fill(static_cast<CK_PBE_PARAMS*>(p)->pInitVector, 8, text);
      return CKR_OK;
    default:
      *own = false;
      break;
  }
  switch (m.mechanism) {
    case CKM_SSL3_KEY_AND_MAC_DERIVE: {
      auto* tls = static_cast<CK_SSL3_KEY_MAT_PARAMS*>(p);
      return material(tls->pReturnedKeyMaterial, tls->ulIVSizeInBits);
    }
    case CKM_TLS12_KEY_AND_MAC_DERIVE:
    case CKM_TLS12_KEY_SAFE_DERIVE: {
      auto* tls = static_cast<CK_TLS12_KEY_MAT_PARAMS*>(p);
      const bool safe = m.mechanism == CKM_TLS12_KEY_SAFE_DERIVE;
      return material(tls->pReturnedKeyMaterial, safe ? 0 : tls->ulIVSizeInBits);
    }
    case CKM_WTLS_CLIENT_KEY_AND_MAC_DERIVE: {
      auto* tls = static_cast<CK_WTLS_KEY_MAT_PARAMS*>(p);
      return material(tls->pReturnedKeyMaterial, tls->ulIVSizeInBits);
    }
    case CKM_TLS_PRF: {
      auto* prf = static_cast<CK_TLS_PRF_PARAMS*>(p);
      return output(prf->pOutput, prf->pulOutputLen);
    }
    case CKM_WTLS_PRF: {
      auto* prf = static_cast<CK_WTLS_PRF_PARAMS*>(p);
      return output(prf->pOutput, prf->pulOutputLen);
    }
    default:
      *own = true;
      return CKR_OK;
  }
}
}  // namespace mock
