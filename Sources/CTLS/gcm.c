// AES-GCM for TLS 1.3 records on processors that do AES on whole AVX-512 registers. OpenSSL 3.0 does not use those
// instructions; Intel's ipsec-mb does. This is the frame around it: a provider with two ciphers that take what a
// record layer gives (nonces of 12 bytes, tags of 16, short additional data in front of the text) and refuse all else.
//
// A connection's context keeps the key as it is, 32 bytes of it. Expanded it takes 1 KiB, and expanding takes 0.1 µs:
// a few expanded keys are kept for those who were at work last, instead of one for each direction of each connection.
#include "CTLS.h"

#include <openssl/provider.h>
#include <stddef.h>

#if defined(__x86_64__)

#include <intel-ipsec-mb.h>
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/proverr.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { NONCE_BYTES = 12, TAG_BYTES = 16, KEY_BYTES_MAX = 32, ADDITIONAL_BYTES_MAX = 20, EXPANDED_COUNT = 16 };

// The library's functions for one size of keys.
typedef struct {
  size_t key_bytes;
  aes_gcm_pre_t expand;
  aes_gcm_init_t begin;
  aes_gcm_enc_dec_update_t seal, open;
  aes_gcm_enc_dec_finalize_t end_sealing, end_opening;
} gcm_functions;

// Filled once, constant afterwards.
static struct {
  int is_available;
  gcm_functions with_128, with_256;
} engine;
static pthread_once_t engine_once = PTHREAD_ONCE_INIT;

typedef struct gcm_context gcm_context;

typedef struct {
  _Alignas(64) struct gcm_key_data key;
  const gcm_context *owner;
} gcm_expanded;

// What a provider of ours is: the expanded keys of those who were at work last.
typedef struct {
  gcm_expanded expanded[EXPANDED_COUNT];
  unsigned next;
} gcm_provider;

enum gcm_state { NEEDS_NONCE, READY, RUNNING };

// One for each direction of each connection: 10,000 idle connections have 20,000.
struct gcm_context {
  gcm_provider *provider;
  const gcm_functions *functions;
  struct gcm_context_data running;
  unsigned char key[KEY_BYTES_MAX], tag[TAG_BYTES], nonce[NONCE_BYTES], additional[ADDITIONAL_BYTES_MAX];
  uint8_t additional_bytes, state, slot, has_key, has_tag, is_sealing;
};

// The kernel must keep AVX-512 registers too, which the library does not ask; the compiler's own test does.
static int processor_suits(void) {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("vaes") &&
         __builtin_cpu_supports("vpclmulqdq");
}

// The manager is what the library hands its functions out by; it is not needed for these.
static void find_functions(void) {
  const uint64_t needed = IMB_FEATURE_AVX512_SKX | IMB_FEATURE_VAES | IMB_FEATURE_VPCLMULQDQ |
                          IMB_FEATURE_SAFE_DATA | IMB_FEATURE_SELF_TEST_PASS;
  IMB_MGR *manager = processor_suits() ? alloc_mb_mgr(0) : NULL;
  if (!manager) return;
  IMB_ARCH chosen = IMB_ARCH_NONE;
  init_mb_mgr_auto(manager, &chosen);  // runs its self-test
  engine.is_available = chosen == IMB_ARCH_AVX512 && (manager->features & needed) == needed;
  engine.with_128 = (gcm_functions){.key_bytes = 16,
                                    .expand = manager->gcm128_pre,
                                    .begin = manager->gcm128_init,
                                    .seal = manager->gcm128_enc_update,
                                    .open = manager->gcm128_dec_update,
                                    .end_sealing = manager->gcm128_enc_finalize,
                                    .end_opening = manager->gcm128_dec_finalize};
  engine.with_256 = (gcm_functions){.key_bytes = 32,
                                    .expand = manager->gcm256_pre,
                                    .begin = manager->gcm256_init,
                                    .seal = manager->gcm256_enc_update,
                                    .open = manager->gcm256_dec_update,
                                    .end_sealing = manager->gcm256_enc_finalize,
                                    .end_opening = manager->gcm256_dec_finalize};
  free_mb_mgr(manager);
}

int artstore_gcm_is_available(void) {
  pthread_once(&engine_once, find_functions);
  return engine.is_available;
}

static int refuse(int reason) {
  ERR_raise(ERR_LIB_PROV, reason);
  return 0;
}

// --- keys ---

static const struct gcm_key_data *expanded_key(gcm_context *context) {
  gcm_expanded *slot = &context->provider->expanded[context->slot];
  if (slot->owner != context) {
    context->slot = (uint8_t)(context->provider->next++ % EXPANDED_COUNT);
    slot = &context->provider->expanded[context->slot];
    context->functions->expand(context->key, &slot->key);
    slot->owner = context;
  }
  return &slot->key;
}

static void forget_expanded_key(gcm_context *context) {
  gcm_expanded *slot = &context->provider->expanded[context->slot];
  if (slot->owner == context) OPENSSL_cleanse(slot, sizeof *slot);
}

// --- contexts ---

static void *new_context(void *provider, const gcm_functions *functions) {
  gcm_context *context = OPENSSL_zalloc(sizeof *context);
  if (!context) return NULL;
  context->provider = provider;
  context->functions = functions;
  return context;
}

static void *new_128(void *provider) { return new_context(provider, &engine.with_128); }
static void *new_256(void *provider) { return new_context(provider, &engine.with_256); }

static void free_context(void *opaque) {
  gcm_context *context = opaque;
  if (!context) return;
  forget_expanded_key(context);
  OPENSSL_clear_free(context, sizeof *context);
}

// The copy owns no expanded key yet: the slot that it names is the other's.
static void *copy_context(void *context) { return OPENSSL_memdup(context, sizeof(gcm_context)); }

static int set_parameters(void *opaque, const OSSL_PARAM given[]) {
  gcm_context *context = opaque;
  const OSSL_PARAM *one;
  size_t number;
  if (!given) return 1;
  if ((one = OSSL_PARAM_locate_const(given, OSSL_CIPHER_PARAM_AEAD_TAG))) {
    if (context->is_sealing || one->data_type != OSSL_PARAM_OCTET_STRING || !one->data || one->data_size != TAG_BYTES)
      return refuse(PROV_R_INVALID_TAG_LENGTH);
    memcpy(context->tag, one->data, TAG_BYTES);
    context->has_tag = 1;
  }
  if ((one = OSSL_PARAM_locate_const(given, OSSL_CIPHER_PARAM_IVLEN)) &&
      (!OSSL_PARAM_get_size_t(one, &number) || number != NONCE_BYTES))
    return refuse(PROV_R_INVALID_IV_LENGTH);
  if ((one = OSSL_PARAM_locate_const(given, OSSL_CIPHER_PARAM_KEYLEN)) &&
      (!OSSL_PARAM_get_size_t(one, &number) || number != context->functions->key_bytes))
    return refuse(PROV_R_INVALID_KEY_LENGTH);
  // TLS 1.2 makes nonces and reads records in a way of its own; nobody may believe that this does.
  if (OSSL_PARAM_locate_const(given, OSSL_CIPHER_PARAM_AEAD_TLS1_AAD) ||
      OSSL_PARAM_locate_const(given, OSSL_CIPHER_PARAM_AEAD_TLS1_IV_FIXED))
    return refuse(PROV_R_FAILED_TO_SET_PARAMETER);
  return 1;
}

static int get_parameters(void *opaque, OSSL_PARAM asked[]) {
  gcm_context *context = opaque;
  OSSL_PARAM *one;
  if ((one = OSSL_PARAM_locate(asked, OSSL_CIPHER_PARAM_IVLEN)) && !OSSL_PARAM_set_size_t(one, NONCE_BYTES)) return 0;
  if ((one = OSSL_PARAM_locate(asked, OSSL_CIPHER_PARAM_KEYLEN)) &&
      !OSSL_PARAM_set_size_t(one, context->functions->key_bytes))
    return 0;
  if ((one = OSSL_PARAM_locate(asked, OSSL_CIPHER_PARAM_AEAD_TAGLEN)) && !OSSL_PARAM_set_size_t(one, TAG_BYTES))
    return 0;
  if ((one = OSSL_PARAM_locate(asked, OSSL_CIPHER_PARAM_AEAD_TAG))) {
    if (!context->is_sealing || !context->has_tag || one->data_size != TAG_BYTES)
      return refuse(PROV_R_INVALID_TAG_LENGTH);
    return OSSL_PARAM_set_octet_string(one, context->tag, TAG_BYTES);
  }
  return 1;
}

static const OSSL_PARAM *parameters_to_set(void *context, void *provider) {
  static const OSSL_PARAM known[] = {OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_IVLEN, NULL),
                                     OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_KEYLEN, NULL),
                                     OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, NULL, 0), OSSL_PARAM_END};
  (void)context, (void)provider;
  return known;
}

static const OSSL_PARAM *parameters_to_get(void *context, void *provider) {
  static const OSSL_PARAM known[] = {OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_IVLEN, NULL),
                                     OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_KEYLEN, NULL),
                                     OSSL_PARAM_size_t(OSSL_CIPHER_PARAM_AEAD_TAGLEN, NULL),
                                     OSSL_PARAM_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, NULL, 0), OSSL_PARAM_END};
  (void)context, (void)provider;
  return known;
}

// --- one record ---

// A key, a nonce, or both. A nonce that was used is not used again: each text needs one set anew.
static int set_up(gcm_context *context, int is_sealing, const unsigned char *key, size_t key_bytes,
                  const unsigned char *nonce, size_t nonce_bytes, const OSSL_PARAM given[]) {
  if (key && key_bytes != context->functions->key_bytes) return refuse(PROV_R_INVALID_KEY_LENGTH);
  if (nonce && nonce_bytes != NONCE_BYTES) return refuse(PROV_R_INVALID_IV_LENGTH);
  if (context->is_sealing != is_sealing) context->has_tag = 0;
  context->is_sealing = (uint8_t)is_sealing;
  context->additional_bytes = 0;
  if (key) {
    forget_expanded_key(context);
    memcpy(context->key, key, key_bytes);
    context->has_key = 1;
  }
  if (nonce) {
    memcpy(context->nonce, nonce, NONCE_BYTES);
    context->state = READY;
  } else if (context->state != READY) {
    context->state = NEEDS_NONCE;
  }
  return set_parameters(context, given);
}

static int set_up_sealing(void *context, const unsigned char *key, size_t key_bytes, const unsigned char *nonce,
                          size_t nonce_bytes, const OSSL_PARAM given[]) {
  return set_up(context, 1, key, key_bytes, nonce, nonce_bytes, given);
}

static int set_up_opening(void *context, const unsigned char *key, size_t key_bytes, const unsigned char *nonce,
                          size_t nonce_bytes, const OSSL_PARAM given[]) {
  return set_up(context, 0, key, key_bytes, nonce, nonce_bytes, given);
}

// The expanded key once the text has begun; NULL when it cannot.
static const struct gcm_key_data *begun(gcm_context *context) {
  if (!context->has_key || context->state == NEEDS_NONCE) {
    refuse(context->has_key ? PROV_R_CIPHER_OPERATION_FAILED : PROV_R_NO_KEY_SET);
    return NULL;
  }
  const struct gcm_key_data *key = expanded_key(context);
  if (context->state == READY) {
    context->functions->begin(key, &context->running, context->nonce, context->additional, context->additional_bytes);
    if (context->is_sealing) context->has_tag = 0;
    context->state = RUNNING;
  }
  return key;
}

static int take_additional(gcm_context *context, const unsigned char *in, size_t in_bytes) {
  if (context->state != READY) return refuse(PROV_R_CIPHER_OPERATION_FAILED);
  if (in_bytes > (size_t)(ADDITIONAL_BYTES_MAX - context->additional_bytes)) return refuse(PROV_R_INVALID_AAD);
  memcpy(context->additional + context->additional_bytes, in, in_bytes);
  context->additional_bytes = (uint8_t)(context->additional_bytes + in_bytes);
  return 1;
}

// Additional data when there is no `out`. What is opened here is not genuine before `end` says so.
static int take(void *opaque, unsigned char *out, size_t *out_bytes, size_t capacity, const unsigned char *in,
                size_t in_bytes) {
  gcm_context *context = opaque;
  *out_bytes = 0;
  if (!in && in_bytes) return refuse(PROV_R_CIPHER_OPERATION_FAILED);
  if (in_bytes == 0) return 1;
  if (!out) {
    if (!take_additional(context, in, in_bytes)) return 0;
  } else {
    if (capacity < in_bytes) return refuse(PROV_R_OUTPUT_BUFFER_TOO_SMALL);
    const struct gcm_key_data *key = begun(context);
    if (!key) return 0;
    (context->is_sealing ? context->functions->seal : context->functions->open)(key, &context->running, out, in,
                                                                               in_bytes);
  }
  *out_bytes = in_bytes;
  return 1;
}

static int end(void *opaque, unsigned char *out, size_t *out_bytes, size_t capacity) {
  gcm_context *context = opaque;
  unsigned char tag[TAG_BYTES];
  (void)out, (void)capacity;
  *out_bytes = 0;
  const struct gcm_key_data *key = begun(context);
  if (!key) return 0;
  context->state = NEEDS_NONCE;
  if (context->is_sealing) {
    context->functions->end_sealing(key, &context->running, context->tag, TAG_BYTES);
    context->has_tag = 1;
    return 1;
  }
  context->functions->end_opening(key, &context->running, tag, TAG_BYTES);
  int is_genuine = context->has_tag && CRYPTO_memcmp(tag, context->tag, TAG_BYTES) == 0;
  context->has_tag = 0;
  OPENSSL_cleanse(tag, sizeof tag);  // of a text that somebody else made up
  return is_genuine;
}

// --- the provider ---

static int facts(OSSL_PARAM asked[], size_t key_bytes) {
  const struct {
    const char *name;
    size_t value;
  } known[] = {{OSSL_CIPHER_PARAM_KEYLEN, key_bytes}, {OSSL_CIPHER_PARAM_IVLEN, NONCE_BYTES},
               {OSSL_CIPHER_PARAM_BLOCK_SIZE, 1},     {OSSL_CIPHER_PARAM_MODE, EVP_CIPH_GCM_MODE},
               {OSSL_CIPHER_PARAM_AEAD, 1},           {OSSL_CIPHER_PARAM_CUSTOM_IV, 1}};
  for (OSSL_PARAM *one = asked; one && one->key; one++)
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
      if (strcmp(one->key, known[i].name)) continue;
      int is_set = one->data_type == OSSL_PARAM_INTEGER ? OSSL_PARAM_set_int(one, (int)known[i].value)
                                                        : OSSL_PARAM_set_size_t(one, known[i].value);
      if (!is_set) return 0;
    }
  return 1;
}

static int facts_128(OSSL_PARAM asked[]) { return facts(asked, 16); }
static int facts_256(OSSL_PARAM asked[]) { return facts(asked, 32); }

#define CIPHER(size)                                                          \
  {{OSSL_FUNC_CIPHER_NEWCTX, (void (*)(void))new_##size},                     \
   {OSSL_FUNC_CIPHER_FREECTX, (void (*)(void))free_context},                  \
   {OSSL_FUNC_CIPHER_DUPCTX, (void (*)(void))copy_context},                   \
   {OSSL_FUNC_CIPHER_ENCRYPT_INIT, (void (*)(void))set_up_sealing},           \
   {OSSL_FUNC_CIPHER_DECRYPT_INIT, (void (*)(void))set_up_opening},           \
   {OSSL_FUNC_CIPHER_UPDATE, (void (*)(void))take},                           \
   {OSSL_FUNC_CIPHER_FINAL, (void (*)(void))end},                             \
   {OSSL_FUNC_CIPHER_GET_PARAMS, (void (*)(void))facts_##size},               \
   {OSSL_FUNC_CIPHER_GET_CTX_PARAMS, (void (*)(void))get_parameters},         \
   {OSSL_FUNC_CIPHER_SET_CTX_PARAMS, (void (*)(void))set_parameters},         \
   {OSSL_FUNC_CIPHER_GETTABLE_CTX_PARAMS, (void (*)(void))parameters_to_get}, \
   {OSSL_FUNC_CIPHER_SETTABLE_CTX_PARAMS, (void (*)(void))parameters_to_set}, \
   {0, NULL}}

static const OSSL_ALGORITHM *query(void *provider, int operation, int *uncached) {
  static const OSSL_DISPATCH with_128[] = CIPHER(128), with_256[] = CIPHER(256);
  static const OSSL_ALGORITHM ciphers[] = {
      {"AES-128-GCM:id-aes128-GCM:2.16.840.1.101.3.4.1.6", "provider=artstore-gcm", with_128, NULL},
      {"AES-256-GCM:id-aes256-GCM:2.16.840.1.101.3.4.1.46", "provider=artstore-gcm", with_256, NULL},
      {NULL, NULL, NULL, NULL}};
  (void)provider;
  *uncached = 0;
  return operation == OSSL_OP_CIPHER ? ciphers : NULL;
}

static void end_provider(void *provider) {
  OPENSSL_cleanse(provider, sizeof(gcm_provider));
  free(provider);
}

static int begin_provider(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *core, const OSSL_DISPATCH **out,
                          void **context) {
  static const OSSL_DISPATCH functions[] = {{OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query},
                                            {OSSL_FUNC_PROVIDER_TEARDOWN, (void (*)(void))end_provider},
                                            {0, NULL}};
  (void)handle, (void)core;
  gcm_provider *provider = aligned_alloc(_Alignof(gcm_provider), sizeof(gcm_provider));
  if (!provider) return 0;
  memset(provider, 0, sizeof *provider);
  *out = functions;
  *context = provider;
  return 1;
}

OSSL_PROVIDER *artstore_gcm_load(OSSL_LIB_CTX *library) {
  if (!artstore_gcm_is_available() || !OSSL_PROVIDER_add_builtin(library, "artstore-gcm", begin_provider)) return NULL;
  return OSSL_PROVIDER_load(library, "artstore-gcm");
}

#else

int artstore_gcm_is_available(void) { return 0; }

OSSL_PROVIDER *artstore_gcm_load(OSSL_LIB_CTX *library) {
  (void)library;
  return NULL;
}

#endif
