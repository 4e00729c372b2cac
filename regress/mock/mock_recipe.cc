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
/* What goes into a derivation; see mock_recipe.h. */
#include "mock_recipe.h"

namespace mock {
namespace {

void read_parameter(const CK_HKDF_PARAMS& p, Recipe* r) {
  r->number(p.bExtract * 2u + p.bExpand);
  r->number(p.prfHashMechanism);
  if (p.ulSaltType == CKF_HKDF_SALT_KEY) r->key(p.hSaltKey);
  if (p.ulSaltType == CKF_HKDF_SALT_DATA) r->data(p.pSalt, p.ulSaltLen);
  r->data(p.pInfo, p.ulInfoLen);
}
void read_parameter(const CK_ECMQV_DERIVE_PARAMS& p, Recipe* r) {
  r->number(p.kdf);
  r->data(p.pSharedData, p.ulSharedDataLen);
  r->data(p.pPublicData, p.ulPublicDataLen);
  r->key(p.hPrivateData);
  r->data(p.pPublicData2, p.ulPublicDataLen2);
  r->key(p.publicKey);
}
void read_parameter(const CK_X9_42_DH2_DERIVE_PARAMS& p, Recipe* r) {
  r->number(p.kdf);
  r->data(p.pOtherInfo, p.ulOtherInfoLen);
  r->data(p.pPublicData, p.ulPublicDataLen);
  r->key(p.hPrivateData);
  r->data(p.pPublicData2, p.ulPublicDataLen2);
}
void read_parameter(const CK_X9_42_MQV_DERIVE_PARAMS& p, Recipe* r) {
  r->number(p.kdf);
  r->data(p.pOtherInfo, p.ulOtherInfoLen);
  r->data(p.pPublicData, p.ulPublicDataLen);
  r->key(p.hPrivateData);
  r->data(p.pPublicData2, p.ulPublicDataLen2);
  r->key(p.publicKey);
}
void read_parameter(const CK_IKE2_PRF_PLUS_DERIVE_PARAMS& p, Recipe* r) {
  r->number(p.prfMechanism);
  if (p.bHasSeedKey) r->key(p.hSeedKey);
  r->data(p.pSeedData, p.ulSeedDataLen);
}
void read_parameter(const CK_IKE_PRF_DERIVE_PARAMS& p, Recipe* r) {
  r->number(p.prfMechanism);
  r->data(p.pNi, p.ulNiLen);
  r->data(p.pNr, p.ulNrLen);
  if (p.bRekey) r->key(p.hNewKey);
}
void read_parameter(const CK_IKE1_PRF_DERIVE_PARAMS& p, Recipe* r) {
  r->number(p.prfMechanism);
  r->key(p.hKeygxy);
  if (p.bHasPrevKey) r->key(p.hPrevKey);
  r->data(p.pCKYi, p.ulCKYiLen);
  r->data(p.pCKYr, p.ulCKYrLen);
  r->number(p.keyNumber);
}
void read_parameter(const CK_IKE1_EXTENDED_DERIVE_PARAMS& p, Recipe* r) {
  r->number(p.prfMechanism);
  if (p.bHasKeygxy) r->key(p.hKeygxy);
  r->data(p.pExtraData, p.ulExtraDataLen);
}
void read_parameter(const CK_OBJECT_HANDLE& p, Recipe* r) { r->key(p); }
void read_version(const CK_VERSION* version, Recipe* r) {
  r->number(version != nullptr ? version->major * 256u + version->minor : 99999u);
}
template <class T>
void read_random(const T& p, Recipe* r) {
  r->data(p.pClientRandom, p.ulClientRandomLen);
  r->data(p.pServerRandom, p.ulServerRandomLen);
}
void read_parameter(const CK_SSL3_MASTER_KEY_DERIVE_PARAMS& p, Recipe* r) {
  read_random(p.RandomInfo, r);
  read_version(p.pVersion, r);
}
void read_parameter(const CK_TLS12_MASTER_KEY_DERIVE_PARAMS& p, Recipe* r) {
  read_random(p.RandomInfo, r);
  read_version(p.pVersion, r);
  r->number(p.prfHashMechanism);
}
void read_parameter(const CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS& p, Recipe* r) {
  r->number(p.prfHashMechanism);
  r->data(p.pSessionHash, p.ulSessionHashLen);
  read_version(p.pVersion, r);
}
void read_parameter(const CK_WTLS_MASTER_KEY_DERIVE_PARAMS& p, Recipe* r) {
  r->number(p.DigestMechanism);
  read_random(p.RandomInfo, r);
  r->number(p.pVersion != nullptr ? *p.pVersion : 999u);
}
template <class T>
void read_sizes(const T& p, Recipe* r) {
  r->number(p.ulMacSizeInBits);
  r->number(p.ulKeySizeInBits);
  r->number(p.ulIVSizeInBits);
  r->number(p.bIsExport);
  read_random(p.RandomInfo, r);
}
void read_parameter(const CK_SSL3_KEY_MAT_PARAMS& p, Recipe* r) { read_sizes(p, r); }
void read_parameter(const CK_TLS12_KEY_MAT_PARAMS& p, Recipe* r) {
  read_sizes(p, r);
  r->number(p.prfHashMechanism);
}
void read_parameter(const CK_WTLS_KEY_MAT_PARAMS& p, Recipe* r) {
  r->number(p.DigestMechanism);
  r->number(p.ulSequenceNumber);
  read_sizes(p, r);
}
void read_parameter(const CK_TLS_PRF_PARAMS& p, Recipe* r) {
  r->data(p.pSeed, p.ulSeedLen);
  r->data(p.pLabel, p.ulLabelLen);
}
void read_parameter(const CK_WTLS_PRF_PARAMS& p, Recipe* r) {
  r->number(p.DigestMechanism);
  r->data(p.pSeed, p.ulSeedLen);
  r->data(p.pLabel, p.ulLabelLen);
}
void read_parameter(const CK_PBE_PARAMS& p, Recipe* r) {
  r->data(p.pPassword, p.ulPasswordLen);
  r->data(p.pSalt, p.ulSaltLen);
  r->number(p.ulIteration);
}
void read_parameter(const CK_PRF_DATA_PARAM& p, Recipe* r) {
  r->number(p.type);
  r->number(p.ulValueLen);
  if (p.pValue == nullptr) return;
  if (p.type == CK_SP800_108_BYTE_ARRAY) r->data(p.pValue, p.ulValueLen);
  if (p.type == CK_SP800_108_KEY_HANDLE) r->key(*static_cast<CK_OBJECT_HANDLE*>(p.pValue));
  if (p.type == CK_SP800_108_ITERATION_VARIABLE)
    r->number(static_cast<CK_SP800_108_COUNTER_FORMAT*>(p.pValue)->ulWidthInBits);
  if (p.type == CK_SP800_108_DKM_LENGTH)
    r->number(static_cast<CK_SP800_108_DKM_LENGTH_FORMAT*>(p.pValue)->ulWidthInBits);
}
template <class T>
void read_kdf(const T& p, Recipe* r) {
  r->number(p.prfType);
  for (CK_ULONG i = 0; i < p.ulNumberOfDataParams; i++) read_parameter(p.pDataParams[i], r);
  r->number(p.ulAdditionalDerivedKeys);
  for (CK_ULONG i = 0; i < p.ulAdditionalDerivedKeys; i++)
    r->number(p.pAdditionalDerivedKeys[i].ulAttributeCount);
}
void read_parameter(const CK_SP800_108_KDF_PARAMS& p, Recipe* r) { read_kdf(p, r); }
void read_parameter(const CK_SP800_108_FEEDBACK_KDF_PARAMS& p, Recipe* r) {
  read_kdf(p, r);
  r->data(p.pIV, p.ulIVLen);
}
void read_parameter(const CK_KEA_DERIVE_PARAMS& p, Recipe* r) {
  r->number(p.isSender);
  r->data(p.pRandomA, p.ulRandomLen);
  r->data(p.pRandomB, p.ulRandomLen);
  r->data(p.pPublicData, p.ulPublicDataLen);
}
void read_parameter(const CK_KIP_PARAMS& p, Recipe* r) {
  r->key(p.hKey);
  r->data(p.pSeed, p.ulSeedLen);
  if (p.pMechanism == nullptr) return;
  r->number(p.pMechanism->mechanism);
  (void)read_mechanism(*p.pMechanism, r);
}

template <class T>
bool read_as(const CK_MECHANISM& mechanism, Recipe* recipe) {
  if (mechanism.pParameter == nullptr || mechanism.ulParameterLen != sizeof(T)) return false;
  read_parameter(*static_cast<const T*>(mechanism.pParameter), recipe);
  return true;
}

}  // namespace

CK_RV read_mechanism(const CK_MECHANISM& m, Recipe* recipe) {
  bool formed = false;
  switch (m.mechanism) {
    case CKM_CONCATENATE_BASE_AND_KEY:
      formed = read_as<CK_OBJECT_HANDLE>(m, recipe);
      break;
    case CKM_HKDF_DERIVE:
      formed = read_as<CK_HKDF_PARAMS>(m, recipe);
      break;
    case CKM_ECMQV_DERIVE:
      formed = read_as<CK_ECMQV_DERIVE_PARAMS>(m, recipe);
      break;
    case CKM_X9_42_DH_HYBRID_DERIVE:
      formed = read_as<CK_X9_42_DH2_DERIVE_PARAMS>(m, recipe);
      break;
    case CKM_X9_42_MQV_DERIVE:
      formed = read_as<CK_X9_42_MQV_DERIVE_PARAMS>(m, recipe);
      break;
    case CKM_IKE2_PRF_PLUS_DERIVE:
      formed = read_as<CK_IKE2_PRF_PLUS_DERIVE_PARAMS>(m, recipe);
      break;
    case CKM_IKE_PRF_DERIVE:
      formed = read_as<CK_IKE_PRF_DERIVE_PARAMS>(m, recipe);
      break;
    case CKM_IKE1_PRF_DERIVE:
      formed = read_as<CK_IKE1_PRF_DERIVE_PARAMS>(m, recipe);
      break;
    case CKM_IKE1_EXTENDED_DERIVE:
      formed = read_as<CK_IKE1_EXTENDED_DERIVE_PARAMS>(m, recipe);
      break;
    case CKM_SP800_108_COUNTER_KDF:
      formed = read_as<CK_SP800_108_KDF_PARAMS>(m, recipe);
      break;
    case CKM_SP800_108_FEEDBACK_KDF:
      formed = read_as<CK_SP800_108_FEEDBACK_KDF_PARAMS>(m, recipe);
      break;
    case CKM_SSL3_MASTER_KEY_DERIVE:
      formed = read_as<CK_SSL3_MASTER_KEY_DERIVE_PARAMS>(m, recipe);
      break;
    case CKM_TLS12_MASTER_KEY_DERIVE:
      formed = read_as<CK_TLS12_MASTER_KEY_DERIVE_PARAMS>(m, recipe);
      break;
    case CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE:
      formed = read_as<CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS>(m, recipe);
      break;
    case CKM_WTLS_MASTER_KEY_DERIVE:
      formed = read_as<CK_WTLS_MASTER_KEY_DERIVE_PARAMS>(m, recipe);
      break;
    case CKM_SSL3_KEY_AND_MAC_DERIVE:
      formed = read_as<CK_SSL3_KEY_MAT_PARAMS>(m, recipe);
      break;
    case CKM_TLS12_KEY_AND_MAC_DERIVE:
      formed = read_as<CK_TLS12_KEY_MAT_PARAMS>(m, recipe);
      break;
    case CKM_TLS12_KEY_SAFE_DERIVE:
      formed = read_as<CK_TLS12_KEY_MAT_PARAMS>(m, recipe);
      break;
    case CKM_WTLS_CLIENT_KEY_AND_MAC_DERIVE:
      formed = read_as<CK_WTLS_KEY_MAT_PARAMS>(m, recipe);
      break;
    case CKM_TLS_PRF:
      formed = read_as<CK_TLS_PRF_PARAMS>(m, recipe);
      break;
    case CKM_WTLS_PRF:
      formed = read_as<CK_WTLS_PRF_PARAMS>(m, recipe);
      break;
    case CKM_PBE_SHA1_DES3_EDE_CBC:
      formed = read_as<CK_PBE_PARAMS>(m, recipe);
      break;
    case CKM_PBE_SHA1_RC4_128:
      formed = read_as<CK_PBE_PARAMS>(m, recipe);
      break;
    case CKM_KIP_DERIVE:
      formed = read_as<CK_KIP_PARAMS>(m, recipe);
      break;
    case CKM_KEA_DERIVE:
      formed = read_as<CK_KEA_DERIVE_PARAMS>(m, recipe);
      break;
    default:
      return CKR_MECHANISM_INVALID;
  }
  if (!formed) return CKR_MECHANISM_PARAM_INVALID;
  return recipe->good() ? CKR_OK : CKR_KEY_HANDLE_INVALID;
}

}  // namespace mock
