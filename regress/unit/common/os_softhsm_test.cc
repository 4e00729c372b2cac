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
 * The backend's profile is wide enough for a real library, and no wider sandbox is in the way of
 * its second stage: SoftHSM with OpenSSL and its legacy provider, from loading to signing, in a
 * directory of its own and under everything that multip11-backend does to itself.
 */
#include <dlfcn.h>
#include <sys/stat.h>

#include <boost/test/unit_test.hpp>
#include <fstream>
#include <thread>
#include <vector>

#include "cryptoki.h"
#include "os_landlock.h"
#include "os_process.h"
#include "os_sandbox.h"
#include "os_test_util.h"
#include "temp_dir.h"

using namespace mp11;
using test::in_child;
using test::TempDir;

namespace {

constexpr const char* kModules[] = {"/usr/lib/softhsm/libsofthsm2.so",
                                    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
                                    "/usr/lib64/pkcs11/libsofthsm2.so"};

std::string module_path() {
  struct stat about {};
  for (const char* path : kModules)
    if (::stat(path, &about) == 0) return path;
  return "";
}

#define CHECK_RV(call)                                                               \
  do {                                                                               \
    CK_RV rv_ = (call);                                                              \
    if (rv_ != CKR_OK) ::dprintf(2, "%s: CK_RV 0x%lx\n", #call, (unsigned long)rv_); \
    CHILD_CHECK(rv_ == CKR_OK);                                                      \
  } while (0)

/* As backendproc does it. */
void confine(const TempDir& dir) {
  CHILD_CHECK(limit_self({.files = 64, .file_size = 1u << 20}).ok());
  if (::geteuid() == 0) CHILD_CHECK(drop_to({65533, 65534}).ok());
  LandlockSpec spec;
  spec.may_be_absent = true;
  for (const char* path :
       {"/usr/lib", "/lib", "/lib64", "/usr/lib64", "/etc/ld.so.cache", "/dev/urandom"})
    spec.paths.push_back({path, PathAccess::kRead, true});
  spec.paths.push_back({dir.file("softhsm2.conf"), PathAccess::kRead});
  spec.paths.push_back({dir.file("openssl.cnf"), PathAccess::kRead});
  spec.paths.push_back({dir.file("tokens"), PathAccess::kReadWriteCreate});
  auto entered = landlock_enter(spec);
  if (!entered) ::dprintf(2, "%s\n", entered.error().text.c_str());
  CHILD_CHECK(entered.ok());
  CHILD_CHECK(sandbox_enter(Program::kBackend).ok());
}

/*
 * OpenSSL reads its configuration at the first fetch of an algorithm, which may come long after
 * C_Initialize; a provider that it names could then be loaded no more.
 */
void load_openssl_providers() {
  void* crypto = ::dlopen("libcrypto.so.3", RTLD_NOW | RTLD_NOLOAD);
  if (crypto == nullptr) return; /* not the library's */
  auto init =
      reinterpret_cast<int (*)(uint64_t, const void*)>(::dlsym(crypto, "OPENSSL_init_crypto"));
  CHILD_CHECK(init != nullptr && init(0x40 /* OPENSSL_INIT_LOAD_CONFIG */, nullptr) == 1);
}

CK_FUNCTION_LIST* load(const std::string& module) {
  void* handle = ::dlopen(module.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) ::dprintf(2, "%s\n", ::dlerror());
  CHILD_CHECK(handle != nullptr);
  auto get_list = reinterpret_cast<CK_C_GetFunctionList>(::dlsym(handle, "C_GetFunctionList"));
  CK_FUNCTION_LIST* list = nullptr;
  CHECK_RV(get_list(&list));
  CK_C_INITIALIZE_ARGS args{};
  args.flags = CKF_OS_LOCKING_OK;
  CHECK_RV(list->C_Initialize(&args));
  load_openssl_providers();
  CHILD_CHECK(sandbox_loaded().ok());
  return list;
}

unsigned char kPin[] = "1234";
unsigned char kSoPin[] = "12345678";

CK_SESSION_HANDLE make_token(CK_FUNCTION_LIST* p11, CK_SLOT_ID* slot) {
  CK_SLOT_ID slots[8];
  CK_ULONG count = 8;
  CHECK_RV(p11->C_GetSlotList(CK_FALSE, slots, &count));
  unsigned char label[33] = "sandboxed                       ";
  CHECK_RV(p11->C_InitToken(slots[0], kSoPin, 8, label));
  count = 8;
  CHECK_RV(p11->C_GetSlotList(CK_TRUE, slots, &count));
  *slot = slots[0];
  CK_SESSION_HANDLE session = 0;
  CHECK_RV(
      p11->C_OpenSession(*slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &session));
  CHECK_RV(p11->C_Login(session, CKU_SO, kSoPin, 8));
  CHECK_RV(p11->C_InitPIN(session, kPin, 4));
  CHECK_RV(p11->C_Logout(session));
  CHECK_RV(p11->C_Login(session, CKU_USER, kPin, 4));
  return session;
}

void generate(CK_FUNCTION_LIST* p11, CK_SESSION_HANDLE session, bool rsa, CK_OBJECT_HANDLE* pub,
              CK_OBJECT_HANDLE* priv) {
  CK_BBOOL yes = CK_TRUE;
  CK_ULONG bits = 2048;
  unsigned char p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
  CK_ATTRIBUTE pub_template[] = {{CKA_TOKEN, &yes, sizeof yes},
                                 {CKA_VERIFY, &yes, sizeof yes},
                                 {CKA_MODULUS_BITS, &bits, sizeof bits}};
  if (!rsa) pub_template[2] = {CKA_EC_PARAMS, p256, sizeof p256};
  CK_ATTRIBUTE priv_template[] = {
      {CKA_TOKEN, &yes, sizeof yes}, {CKA_SIGN, &yes, sizeof yes}, {CKA_PRIVATE, &yes, sizeof yes}};
  CK_MECHANISM mechanism = {
      static_cast<CK_MECHANISM_TYPE>(rsa ? CKM_RSA_PKCS_KEY_PAIR_GEN : CKM_EC_KEY_PAIR_GEN),
      nullptr, 0};
  CHECK_RV(
      p11->C_GenerateKeyPair(session, &mechanism, pub_template, 3, priv_template, 3, pub, priv));
}

void sign_and_verify(CK_FUNCTION_LIST* p11, CK_SESSION_HANDLE session, bool rsa,
                     CK_OBJECT_HANDLE pub, CK_OBJECT_HANDLE priv) {
  CK_MECHANISM mechanism = {static_cast<CK_MECHANISM_TYPE>(rsa ? CKM_SHA256_RSA_PKCS : CKM_ECDSA),
                            nullptr, 0};
  unsigned char data[32] = {1, 2, 3}, signature[512];
  CK_ULONG size = sizeof signature;
  CHECK_RV(p11->C_SignInit(session, &mechanism, priv));
  CHECK_RV(p11->C_Sign(session, data, sizeof data, signature, &size));
  CHECK_RV(p11->C_VerifyInit(session, &mechanism, pub));
  CHECK_RV(p11->C_Verify(session, data, sizeof data, signature, size));
}

bool has_legacy_provider() {
  for (const char* path : {"/usr/lib/x86_64-linux-gnu/ossl-modules/legacy.so",
                           "/usr/lib64/ossl-modules/legacy.so", "/usr/lib/ossl-modules/legacy.so"})
    if (::access(path, R_OK) == 0) return true;
  return false;
}

/* Single DES is in OpenSSL's legacy provider only: a library that C_Initialize makes it load. */
void encrypt_with_des(CK_FUNCTION_LIST* p11, CK_SESSION_HANDLE session) {
  CK_MECHANISM generate_des = {CKM_DES_KEY_GEN, nullptr, 0};
  CK_BBOOL yes = CK_TRUE;
  CK_ATTRIBUTE key_template[] = {{CKA_ENCRYPT, &yes, sizeof yes}};
  CK_OBJECT_HANDLE key = 0;
  CHECK_RV(p11->C_GenerateKey(session, &generate_des, key_template, 1, &key));
  CK_MECHANISM ecb = {CKM_DES_ECB, nullptr, 0};
  CHECK_RV(p11->C_EncryptInit(session, &ecb, key));
  unsigned char data[8] = {}, out[16];
  CK_ULONG size = sizeof out;
  CHECK_RV(p11->C_Encrypt(session, data, sizeof data, out, &size));
}

int work(const std::string& module, const TempDir& dir) {
  CHILD_CHECK(::setenv("SOFTHSM2_CONF", dir.file("softhsm2.conf").c_str(), 1) == 0);
  CHILD_CHECK(::setenv("OPENSSL_CONF", dir.file("openssl.cnf").c_str(), 1) == 0);
  confine(dir);
  CK_FUNCTION_LIST* p11 = load(module);
  CK_SLOT_ID slot = 0;
  CK_SESSION_HANDLE session = make_token(p11, &slot);
  CK_OBJECT_HANDLE rsa[2], ec[2];
  generate(p11, session, true, &rsa[0], &rsa[1]);
  generate(p11, session, false, &ec[0], &ec[1]);
  sign_and_verify(p11, session, true, rsa[0], rsa[1]);
  sign_and_verify(p11, session, false, ec[0], ec[1]);
  if (has_legacy_provider()) encrypt_with_des(p11, session);
  /* Workers, as the backend has them. */
  std::vector<std::thread> workers;
  for (int i = 0; i < 4; i++)
    workers.emplace_back([&] {
      CK_SESSION_HANDLE own = 0;
      CHECK_RV(p11->C_OpenSession(slot, CKF_SERIAL_SESSION, nullptr, nullptr, &own));
      for (int n = 0; n < 5; n++) sign_and_verify(p11, own, false, ec[0], ec[1]);
      CHECK_RV(p11->C_CloseSession(own));
    });
  for (std::thread& worker : workers) worker.join();
  CHECK_RV(p11->C_DestroyObject(session, ec[1]));
  /* A failed login makes SoftHSM speak to syslog, which must not be its end. */
  CHILD_CHECK(p11->C_Logout(session) == CKR_OK);
  unsigned char wrong[] = "9999";
  CHILD_CHECK(p11->C_Login(session, CKU_USER, wrong, 4) == CKR_PIN_INCORRECT);
  CHECK_RV(p11->C_Login(session, CKU_USER, kPin, 4));
  CHECK_RV(p11->C_SetPIN(session, kPin, 4, kPin, 4));
  CHECK_RV(p11->C_Finalize(nullptr));
  return 0;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(softhsm, *boost::unit_test::enable_if<!test::kThreadSanitizer>())

BOOST_AUTO_TEST_CASE(works_in_the_backend_sandbox) {
  std::string module = module_path();
  if (module.empty()) {
    BOOST_TEST_MESSAGE("skipped: SoftHSM is not installed (Debian: softhsm2)");
    return;
  }
  TempDir dir;
  std::ofstream(dir.file("softhsm2.conf"))
      << "directories.tokendir = " << dir.file("tokens") << "\n"
      << "objectstore.backend = file\nlog.level = DEBUG\n";
  std::ofstream(dir.file("openssl.cnf")) << "openssl_conf = start\n[start]\nproviders = providers\n"
                                            "[providers]\ndefault = on\nlegacy = on\n"
                                            "[on]\nactivate = 1\n";
  BOOST_REQUIRE(::mkdir(dir.file("tokens").c_str(), 0700) == 0);
  BOOST_REQUIRE(::chmod(dir.path().c_str(), 0755) == 0);
  if (::geteuid() == 0) BOOST_REQUIRE(::chown(dir.file("tokens").c_str(), 65533, 65534) == 0);
  auto child = in_child([&] { return work(module, dir); });
  BOOST_TEST(child.exited(0), child.describe());
}

BOOST_AUTO_TEST_SUITE_END()
