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
 * p11bench: how fast is a PKCS #11 module?
 *
 *   p11bench [options] MODULE
 *     -l LABEL   token (default: the first initialised one)
 *     -p PIN     user PIN (default: no login)
 *     -t N       threads in each process, each with a session of its own (default 1)
 *     -P N       client processes (default 1)
 *     -d SEC     how long each operation is measured (default 1)
 *     -w SEC     how long it is warmed up (default 0.2)
 *     -o OP,OP   operations (default: all; -L lists them)
 *     -n N       objects for the find operations (default 1000)
 *     -i         instead: measures what each line of standard input says, OPERATION THREADS SECONDS
 *                WARM-UP, as it comes; -t is the most threads, -o what may be asked for. With 0 for
 *                both times the operation is made exactly once
 *     -F         instead: C_Initialize to the first signature, in microseconds, once
 *     -I SEC     instead: connect, log in, sign once, say "ready" and sleep; with -P each process
 *     -L         instead: lists the operations, each with the octets of the caller's data that one
 *                moves, in or out, whichever is more
 *   Prints lines: operation threads ops/s p50_us p99_us (threads of all processes together).
 *
 * Keys and objects are session objects, made at the start and gone at the end; -F and -I use the
 * token's own first EC key, which must be there. Sign, digest and encrypt are an Init and a
 * single-part call: two calls of the module.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cryptoki.h"

enum { kMiB = 1 << 20, kBulk = 65536, kMaxThreads = 256 };

static struct {
  const char *module, *label, *pin, *operations;
  int threads, processes, interactive;
  double seconds, warm_up;
  unsigned objects;
} options = {NULL, NULL, NULL, NULL, 1, 1, 0, 1.0, 0.2, 1000};

static CK_FUNCTION_LIST* p11;
static CK_SLOT_ID slot;
static CK_OBJECT_HANDLE rsa_public, rsa_private, ec_public, ec_private, aes;
static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
static CK_OBJECT_CLASS class_data = CKO_DATA, class_private = CKO_PRIVATE_KEY;
static CK_KEY_TYPE key_ec = CKK_EC;
/* CKA_APPLICATION of this process's objects, and what their labels begin with. */
static char tag[32];

#define ATTRIBUTE(type, variable) \
  { type, &(variable), sizeof(variable) }
#define TEXT(type, string) \
  { type, (void*)(string), strlen(string) }

static void fail(const char* what, CK_RV rv) {
  if (rv == CKR_OK)
    fprintf(stderr, "p11bench: %s\n", what);
  else
    fprintf(stderr, "p11bench: %s: 0x%lx\n", what, rv);
  exit(2);
}

static void must(const char* what, CK_RV rv) {
  if (rv != CKR_OK) fail(what, rv);
}

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- Operations. Each takes one thread's client and does its thing once. */

typedef struct {
  CK_SESSION_HANDLE session;
  unsigned char *in, *out; /* kMiB, and a little more */
  unsigned count;
} Client;

static CK_RV session_info(Client* c) {
  CK_SESSION_INFO info;
  return p11->C_GetSessionInfo(c->session, &info);
}

static CK_RV random_octets(Client* c, CK_ULONG size) {
  return p11->C_GenerateRandom(c->session, c->out, size);
}
static CK_RV random_16(Client* c) { return random_octets(c, 16); }
static CK_RV random_32(Client* c) { return random_octets(c, 32); }
static CK_RV random_4k(Client* c) { return random_octets(c, 4096); }

static CK_RV digest(Client* c, CK_ULONG size) {
  CK_MECHANISM mechanism = {CKM_SHA256, NULL, 0};
  CK_ULONG length = 32;
  CK_RV rv = p11->C_DigestInit(c->session, &mechanism);
  return rv != CKR_OK ? rv : p11->C_Digest(c->session, c->in, size, c->out, &length);
}
static CK_RV sha256_64(Client* c) { return digest(c, 64); }
static CK_RV sha256_4k(Client* c) { return digest(c, 4096); }
static CK_RV sha256_1mib(Client* c) { return digest(c, kMiB); }

static CK_RV encrypt(Client* c, CK_MECHANISM* mechanism, CK_ULONG size) {
  CK_ULONG length = kBulk + 64;
  CK_RV rv = p11->C_EncryptInit(c->session, mechanism, aes);
  return rv != CKR_OK ? rv : p11->C_Encrypt(c->session, c->in, size, c->out, &length);
}
static CK_RV aes_ecb(Client* c, CK_ULONG size) {
  CK_MECHANISM mechanism = {CKM_AES_ECB, NULL, 0};
  return encrypt(c, &mechanism, size);
}
static CK_RV aes_ecb_256(Client* c) { return aes_ecb(c, 256); }
static CK_RV aes_ecb_4k(Client* c) { return aes_ecb(c, 4096); }
static CK_RV aes_ecb_64k(Client* c) { return aes_ecb(c, kBulk); }
static CK_RV aes_cbc(Client* c, CK_ULONG size) {
  unsigned char iv[16] = {0};
  CK_MECHANISM mechanism = {CKM_AES_CBC, iv, sizeof iv};
  return encrypt(c, &mechanism, size);
}
static CK_RV aes_cbc_1k(Client* c) { return aes_cbc(c, 1024); }
static CK_RV aes_cbc_64k(Client* c) { return aes_cbc(c, kBulk); }
static CK_RV aes_gcm(Client* c, CK_ULONG size) {
  unsigned char iv[12] = {0};
  CK_GCM_PARAMS parameters;
  CK_MECHANISM mechanism = {CKM_AES_GCM, &parameters, sizeof parameters};
  memcpy(iv, &c->count, sizeof c->count);
  memset(&parameters, 0, sizeof parameters);
  parameters.pIv = iv;
  parameters.ulIvLen = sizeof iv;
  parameters.ulIvBits = 8 * sizeof iv;
  parameters.ulTagBits = 128;
  return encrypt(c, &mechanism, size);
}
static CK_RV aes_gcm_256(Client* c) { return aes_gcm(c, 256); }
static CK_RV aes_gcm_4k(Client* c) { return aes_gcm(c, 4096); }
static CK_RV aes_gcm_64k(Client* c) { return aes_gcm(c, kBulk); }

static CK_RV sign(Client* c, CK_MECHANISM_TYPE type, CK_OBJECT_HANDLE key, CK_ULONG size) {
  CK_MECHANISM mechanism = {type, NULL, 0};
  CK_ULONG length = 512;
  CK_RV rv = p11->C_SignInit(c->session, &mechanism, key);
  return rv != CKR_OK ? rv : p11->C_Sign(c->session, c->in, size, c->out, &length);
}
static CK_RV ecdsa_p256(Client* c) { return sign(c, CKM_ECDSA, ec_private, 32); }
static CK_RV rsa_2048(Client* c) { return sign(c, CKM_RSA_PKCS, rsa_private, 51); }

static CK_RV find(Client* c, CK_ATTRIBUTE* template, CK_ULONG count, unsigned expected) {
  CK_OBJECT_HANDLE found[100];
  CK_ULONG n;
  unsigned total = 0;
  CK_RV rv = p11->C_FindObjectsInit(c->session, template, count), final;
  if (rv != CKR_OK) return rv;
  do {
    rv = p11->C_FindObjects(c->session, found, 100, &n);
    total += (unsigned)n;
  } while (rv == CKR_OK && n > 0);
  final = p11->C_FindObjectsFinal(c->session);
  if (rv != CKR_OK) return rv;
  if (final != CKR_OK) return final;
  return total == expected ? CKR_OK : CKR_GENERAL_ERROR;
}
static CK_RV find_all(Client* c) {
  CK_ATTRIBUTE t[] = {ATTRIBUTE(CKA_CLASS, class_data), TEXT(CKA_APPLICATION, tag)};
  return find(c, t, 2, options.objects);
}
static CK_RV find_one(Client* c) {
  char label[64];
  CK_ATTRIBUTE t[] = {ATTRIBUTE(CKA_CLASS, class_data), {CKA_LABEL, label, 0}};
  t[1].ulValueLen =
      (CK_ULONG)snprintf(label, sizeof label, "%s-%u", tag, c->count % options.objects);
  return find(c, t, 2, 1);
}
static CK_RV get_attributes(Client* c) {
  CK_ULONG class, type;
  char label[64], id[64];
  unsigned char modulus[512];
  CK_ATTRIBUTE t[] = {ATTRIBUTE(CKA_CLASS, class), ATTRIBUTE(CKA_KEY_TYPE, type),
                      ATTRIBUTE(CKA_LABEL, label), ATTRIBUTE(CKA_ID, id),
                      ATTRIBUTE(CKA_MODULUS, modulus)};
  return p11->C_GetAttributeValue(c->session, rsa_public, t, 5);
}
static CK_RV open_close(Client* c) {
  CK_SESSION_HANDLE session;
  CK_RV rv = p11->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &session);
  (void)c;
  return rv != CKR_OK ? rv : p11->C_CloseSession(session);
}

/* `octets`: see -L. Of find_all the caller's data are its 1,000 handles, of get_attr_5 the values.
 */
static const struct {
  const char* name;
  unsigned octets;
  CK_RV (*run)(Client*);
} operations[] = {
    {"session_info", sizeof(CK_SESSION_INFO), session_info},
    {"random_16", 16, random_16},
    {"random_32", 32, random_32},
    {"random_4KiB", 4096, random_4k},
    {"sha256_64B", 64, sha256_64},
    {"sha256_4KiB", 4096, sha256_4k},
    {"sha256_1MiB", kMiB, sha256_1mib},
    {"aes_ecb_256B", 256, aes_ecb_256},
    {"aes_ecb_4KiB", 4096, aes_ecb_4k},
    {"aes_ecb_64KiB", kBulk, aes_ecb_64k},
    {"aes_cbc_1KiB", 1024, aes_cbc_1k},
    {"aes_cbc_64KiB", kBulk, aes_cbc_64k},
    {"aes_gcm_256B", 256, aes_gcm_256},
    {"aes_gcm_4KiB", 4096, aes_gcm_4k},
    {"aes_gcm_64KiB", kBulk, aes_gcm_64k},
    {"ecdsa_p256", 64, ecdsa_p256},
    {"rsa2048", 256, rsa_2048},
    {"find_all", 8000, find_all},
    {"find_one", 64, find_one},
    {"get_attr_5", 285, get_attributes},
    {"open_close", 8, open_close},
};
enum { kOperations = sizeof operations / sizeof *operations };

static int wanted(const char* name) {
  const char* p = options.operations;
  size_t length = strlen(name);
  if (p == NULL) return 1;
  for (;;) {
    if (strncmp(p, name, length) == 0 && (p[length] == '\0' || p[length] == ',')) return 1;
    p = strchr(p, ',');
    if (p == NULL) return 0;
    p++;
  }
}

/* ---- Latencies: 512 buckets for each power of two, error below 0.1 %, as what is
 * looked for is the difference of two of them */

enum { kSubBits = 9, kBuckets = 64 << kSubBits };

static unsigned bucket_of(uint64_t v) {
  int top;
  if (v < (1u << kSubBits)) return (unsigned)v;
  top = 63 - __builtin_clzll(v);
  return ((unsigned)(top - kSubBits + 1) << kSubBits) +
         (unsigned)((v >> (top - kSubBits)) & ((1u << kSubBits) - 1));
}

static double middle_of(unsigned bucket) {
  unsigned top;
  uint64_t low, width;
  if (bucket < (1u << kSubBits)) return bucket;
  top = (bucket >> kSubBits) + kSubBits - 1;
  width = 1ull << (top - kSubBits);
  low = (1ull << top) + (bucket & ((1u << kSubBits) - 1)) * width;
  return (double)low + (double)width / 2;
}

/* What one thread measured. In memory that all processes share. */
typedef struct {
  uint64_t count, elapsed_ns;
  CK_RV rv;
  uint32_t histogram[kBuckets];
} Result;

typedef struct {
  pthread_barrier_t threads;   /* all threads of all processes */
  pthread_barrier_t processes; /* one thread of each process */
  pthread_mutex_t start;
} Shared;

static Result* results; /* processes * threads of them */
static Shared* shared;
static Client* clients;
static int process; /* number of this one */
static CK_RV (*current)(Client*);
static int threads; /* in each process, in this measurement */

static void* measure(void* argument) {
  int number = (int)(intptr_t)argument;
  Client* client = &clients[number];
  Result* result = &results[process * threads + number];
  uint64_t end = now_ns() + (uint64_t)(options.warm_up * 1e9), start, last, now;

  memset(result, 0, sizeof *result);
  do {
    client->count++;
    result->rv = current(client);
  } while (result->rv == CKR_OK && now_ns() < end);

  pthread_barrier_wait(&shared->threads);
  start = last = now_ns();
  end = start + (uint64_t)(options.seconds * 1e9);
  while (result->rv == CKR_OK && last < end) {
    client->count++;
    result->rv = current(client);
    if (result->rv != CKR_OK) break;
    now = now_ns();
    result->histogram[bucket_of(now - last)]++;
    result->count++;
    last = now;
  }
  result->elapsed_ns = last - start;
  pthread_barrier_wait(&shared->threads);
  return NULL;
}

static double percentile(const uint64_t* histogram, uint64_t count, unsigned percent) {
  uint64_t seen = 0;
  for (unsigned b = 0; b < kBuckets; b++) {
    seen += histogram[b];
    if (seen * 100 >= count * percent) return middle_of(b) / 1e3;
  }
  return 0;
}

static void print_results(const char* name) {
  static uint64_t histogram[kBuckets];
  int total = threads * options.processes;
  uint64_t count = 0;
  double rate = 0;

  memset(histogram, 0, sizeof histogram);
  for (int i = 0; i < total; i++) {
    if (results[i].rv != CKR_OK) {
      printf("%-14s %7d       error 0x%lx\n", name, total, results[i].rv);
      return;
    }
    count += results[i].count;
    if (results[i].elapsed_ns > 0)
      rate += (double)results[i].count * 1e9 / (double)results[i].elapsed_ns;
    for (int b = 0; b < kBuckets; b++) histogram[b] += results[i].histogram[b];
  }
  printf("%-14s %7d %11.0f %10.2f %10.2f\n", name, total, rate, percentile(histogram, count, 50),
         percentile(histogram, count, 99));
}

static void run_operation(int number) {
  pthread_t started[kMaxThreads];
  current = operations[number].run;
  for (int i = 1; i < threads; i++)
    if (pthread_create(&started[i], NULL, measure, (void*)(intptr_t)i) != 0)
      fail("cannot start a thread", 0);
  measure(NULL);
  for (int i = 1; i < threads; i++) pthread_join(started[i], NULL);
  if (process == options.processes - 1) {
    print_results(operations[number].name);
    fflush(stdout);
  }
  pthread_barrier_wait(&shared->processes);
}

/* ---- Set-up */

static void load_module(void) {
  void* library = dlopen(options.module, RTLD_NOW | RTLD_LOCAL);
  CK_RV (*get_list)(CK_FUNCTION_LIST**);
  if (library == NULL) fail(dlerror(), 0);
  *(void**)&get_list = dlsym(library, "C_GetFunctionList");
  if (get_list == NULL) fail("the module has no C_GetFunctionList", 0);
  must("C_GetFunctionList", get_list(&p11));
}

static int is_wanted_token(CK_SLOT_ID id) {
  CK_TOKEN_INFO info;
  size_t length = sizeof info.label;
  if (p11->C_GetTokenInfo(id, &info) != CKR_OK || !(info.flags & CKF_TOKEN_INITIALIZED)) return 0;
  if (options.label == NULL) return 1;
  while (length > 0 && info.label[length - 1] == ' ') length--;
  return strlen(options.label) == length && memcmp(options.label, info.label, length) == 0;
}

static CK_SESSION_HANDLE open_session(void) {
  CK_SESSION_HANDLE session;
  must("C_OpenSession",
       p11->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session));
  return session;
}

static CK_SESSION_HANDLE connect_token(void) {
  CK_C_INITIALIZE_ARGS arguments = {.flags = CKF_OS_LOCKING_OK};
  CK_SLOT_ID slots[64];
  CK_ULONG count = 64, i = 0;
  CK_SESSION_HANDLE session;
  must("C_Initialize", p11->C_Initialize(&arguments));
  must("C_GetSlotList", p11->C_GetSlotList(CK_TRUE, slots, &count));
  while (i < count && !is_wanted_token(slots[i])) i++;
  if (i == count) fail("no such token", 0);
  slot = slots[i];
  session = open_session();
  if (options.pin != NULL)
    must("C_Login",
         p11->C_Login(session, CKU_USER, (CK_UTF8CHAR*)options.pin, strlen(options.pin)));
  return session;
}

static void make_keys(CK_SESSION_HANDLE session) {
  CK_ULONG bits = 2048, aes_length = 32;
  unsigned char exponent[] = {1, 0, 1}, id[] = {1, 2, 3, 4};
  unsigned char p256[] = {6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7};
  CK_MECHANISM rsa = {CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
  CK_MECHANISM ec = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
  CK_MECHANISM aes_generation = {CKM_AES_KEY_GEN, NULL, 0};
  CK_ATTRIBUTE rsa_pub[] = {ATTRIBUTE(CKA_TOKEN, no),
                            ATTRIBUTE(CKA_MODULUS_BITS, bits),
                            ATTRIBUTE(CKA_PUBLIC_EXPONENT, exponent),
                            ATTRIBUTE(CKA_VERIFY, yes),
                            TEXT(CKA_LABEL, "bench-rsa"),
                            ATTRIBUTE(CKA_ID, id)};
  CK_ATTRIBUTE private[] = {ATTRIBUTE(CKA_TOKEN, no), ATTRIBUTE(CKA_SIGN, yes)};
  CK_ATTRIBUTE ec_pub[] = {ATTRIBUTE(CKA_TOKEN, no), ATTRIBUTE(CKA_EC_PARAMS, p256),
                           ATTRIBUTE(CKA_VERIFY, yes)};
  CK_ATTRIBUTE secret[] = {ATTRIBUTE(CKA_TOKEN, no), ATTRIBUTE(CKA_VALUE_LEN, aes_length),
                           ATTRIBUTE(CKA_ENCRYPT, yes), ATTRIBUTE(CKA_DECRYPT, yes)};
  must("RSA key pair",
       p11->C_GenerateKeyPair(session, &rsa, rsa_pub, 6, private, 2, &rsa_public, &rsa_private));
  must("EC key pair",
       p11->C_GenerateKeyPair(session, &ec, ec_pub, 3, private, 2, &ec_public, &ec_private));
  must("AES key", p11->C_GenerateKey(session, &aes_generation, secret, 4, &aes));
}

static void make_objects(CK_SESSION_HANDLE session) {
  for (unsigned i = 0; i < options.objects; i++) {
    char label[64];
    CK_OBJECT_HANDLE object;
    CK_ATTRIBUTE t[] = {ATTRIBUTE(CKA_CLASS, class_data),
                        ATTRIBUTE(CKA_TOKEN, no),
                        ATTRIBUTE(CKA_PRIVATE, no),
                        TEXT(CKA_APPLICATION, tag),
                        {CKA_LABEL, label, 0},
                        TEXT(CKA_VALUE, "0123456789abcdef")};
    t[4].ulValueLen = (CK_ULONG)snprintf(label, sizeof label, "%s-%u", tag, i);
    must("C_CreateObject", p11->C_CreateObject(session, t, 6, &object));
  }
}

/* One process at a time: SoftHSM rewrites its token file at login, and who reads it then finds no
 * token. */
static void set_up(void) {
  CK_SESSION_HANDLE session;
  pthread_mutex_lock(&shared->start);
  load_module();
  session = connect_token();
  snprintf(tag, sizeof tag, "p11bench%d", (int)getpid());
  clients = calloc((size_t)options.threads, sizeof *clients);
  for (int i = 0; i < options.threads; i++) {
    clients[i].session = i == 0 ? session : open_session();
    clients[i].in = malloc(kMiB);
    clients[i].out = malloc(kMiB + 64);
    clients[i].count = (unsigned)i * 7919;
    memset(clients[i].in, i + 1, kMiB);
  }
  make_keys(session);
  if (wanted("find_all") || wanted("find_one")) make_objects(session);
  pthread_mutex_unlock(&shared->start);
}

static void share_memory(void) {
  int total = options.threads * options.processes;
  pthread_barrierattr_t barrier;
  pthread_mutexattr_t mutex;
  results = mmap(NULL, sizeof *results * (size_t)total, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (results == MAP_FAILED || shared == MAP_FAILED) fail("no memory", 0);
  pthread_barrierattr_init(&barrier);
  pthread_barrierattr_setpshared(&barrier, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_init(&mutex);
  pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED);
  pthread_barrier_init(&shared->threads, &barrier, (unsigned)total);
  pthread_barrier_init(&shared->processes, &barrier, (unsigned)options.processes);
  pthread_mutex_init(&shared->start, &mutex);
  threads = options.threads;
}

/* The parent is the last process, and prints. True in the parent. */
static int start_processes(void) {
  for (process = 0; process < options.processes - 1; process++) {
    pid_t pid = fork();
    if (pid < 0) fail(strerror(errno), 0);
    if (pid == 0) return 0;
  }
  return 1;
}

static void print_head(void) {
  printf("%-14s %7s %11s %10s %10s\n", "operation", "threads", "ops/s", "p50_us", "p99_us");
  fflush(stdout);
}

static void benchmark(void) {
  int parent;
  share_memory();
  print_head();
  parent = start_processes();
  set_up();
  pthread_barrier_wait(&shared->processes);
  for (int i = 0; i < kOperations; i++)
    if (wanted(operations[i].name)) run_operation(i);
  p11->C_Finalize(NULL);
  if (!parent) _exit(0);
  while (wait(NULL) > 0) continue;
}

/* -i. The one process stays, so that several modules can take turns without starting anew. */
static void take_orders(void) {
  char line[128], name[64];
  share_memory();
  set_up();
  print_head();
  while (fgets(line, sizeof line, stdin) != NULL) {
    int i = 0;
    if (sscanf(line, "%63s %d %lf %lf", name, &threads, &options.seconds, &options.warm_up) != 4 ||
        threads < 1 || threads > options.threads)
      fail("not an order: OPERATION THREADS SECONDS WARM-UP", 0);
    while (i < kOperations && strcmp(operations[i].name, name) != 0) i++;
    if (i == kOperations || !wanted(name)) fail("no such operation", 0);
    pthread_barrier_destroy(&shared->threads);
    pthread_barrier_init(&shared->threads, NULL, (unsigned)threads);
    run_operation(i);
  }
  p11->C_Finalize(NULL);
}

/* ---- One signature with a key that the token has */

static void first_signature(void) {
  CK_ATTRIBUTE t[] = {ATTRIBUTE(CKA_CLASS, class_private), ATTRIBUTE(CKA_KEY_TYPE, key_ec)};
  CK_OBJECT_HANDLE key;
  CK_ULONG count = 0;
  unsigned char in[32] = {0}, out[512];
  Client client = {0, in, out, 0};

  client.session = connect_token();
  must("C_FindObjectsInit", p11->C_FindObjectsInit(client.session, t, 2));
  must("C_FindObjects", p11->C_FindObjects(client.session, &key, 1, &count));
  must("C_FindObjectsFinal", p11->C_FindObjectsFinal(client.session));
  if (count != 1) fail("the token has no EC key", 0);
  must("sign", sign(&client, CKM_ECDSA, key, 32));
}

static void time_first_signature(void) {
  uint64_t start;
  load_module();
  start = now_ns();
  first_signature();
  printf("first signature after %.0f us\n", (double)(now_ns() - start) / 1e3);
  p11->C_Finalize(NULL);
}

/* One after the other connects; who is there stays until the time is over or the parent is gone. */
static void stay_idle(double seconds) {
  int ends[2];
  struct pollfd gone;
  share_memory();
  if (pipe(ends) != 0) fail(strerror(errno), 0);
  if (!start_processes()) close(ends[1]);
  pthread_mutex_lock(&shared->start);
  load_module();
  first_signature();
  puts("ready");
  fflush(stdout);
  pthread_mutex_unlock(&shared->start);
  gone.fd = ends[0];
  gone.events = POLLIN;
  poll(&gone, 1, (int)(seconds * 1e3));
  p11->C_Finalize(NULL);
}

static void usage(void) {
  fprintf(
      stderr,
      "usage: p11bench [-l LABEL] [-p PIN] [-t THREADS] [-P PROCESSES] [-d SECONDS]\n"
      "                [-w SECONDS] [-o OPERATIONS] [-n OBJECTS] [-i | -F | -I SECONDS] MODULE\n"
      "       p11bench -L\n");
  exit(2);
}

int main(int argc, char** argv) {
  int option, first = 0;
  double idle = 0;
  while ((option = getopt(argc, argv, "l:p:t:P:d:w:o:n:iFI:L")) != -1) {
    switch (option) {
      case 'l':
        options.label = optarg;
        break;
      case 'p':
        options.pin = optarg;
        break;
      case 't':
        options.threads = atoi(optarg);
        break;
      case 'P':
        options.processes = atoi(optarg);
        break;
      case 'd':
        options.seconds = atof(optarg);
        break;
      case 'w':
        options.warm_up = atof(optarg);
        break;
      case 'o':
        options.operations = optarg;
        break;
      case 'n':
        options.objects = (unsigned)atoi(optarg);
        break;
      case 'i':
        options.interactive = 1;
        break;
      case 'F':
        first = 1;
        break;
      case 'I':
        idle = atof(optarg);
        break;
      case 'L':
        for (int i = 0; i < kOperations; i++)
          printf("%s %u\n", operations[i].name, operations[i].octets);
        return 0;
      default:
        usage();
    }
  }
  if (optind != argc - 1 || options.threads < 1 || options.threads > kMaxThreads ||
      options.processes < 1 || options.objects < 1 ||
      (options.interactive && options.processes != 1))
    usage();
  options.module = argv[optind];
  if (first)
    time_first_signature();
  else if (idle > 0)
    stay_idle(idle);
  else if (options.interactive)
    take_orders();
  else
    benchmark();
  return 0;
}
