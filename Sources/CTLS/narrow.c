// OpenSSL 3.0 looks for the decoder of a certificate's public key by going through every decoder and every kind of key
// that its context has, again for each certificate: with the default provider's forty decoders that was a third of a
// handshake. A provider of our own offers a part of the default provider's tables; the algorithms are the default
// provider's own and run in its context.
#include "CTLS.h"

#include <openssl/core_dispatch.h>
#include <openssl/crypto.h>
#include <openssl/provider.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>

enum { OPERATIONS = 32, KEPT_MAX = 24 };

// Filled once, constant afterwards: the default provider's tables are the same in every context.
static struct {
  OSSL_PROVIDER *source;
  const OSSL_ALGORITHM *of[OPERATIONS];
  OSSL_ALGORITHM decoders[KEPT_MAX], keys[KEPT_MAX];
  OSSL_ALGORITHM *ciphers_without_gcm;
} tables;
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

// The default provider that the provider being loaded on this thread stands for.
static __thread OSSL_PROVIDER *loading;
static __thread int loading_without_gcm;

static const char *const kinds[] = {"EC", "RSA", "RSA-PSS", "ED25519", "ED448", "X25519", "HMAC", "HKDF", NULL};

// Whether one of `names`, which colons part, is among the kinds.
static int is_kept(const char *names) {
  while (names) {
    const char *end = strchr(names, ':');
    size_t count = end ? (size_t)(end - names) : strlen(names);
    for (int i = 0; kinds[i]; i++)
      if (strlen(kinds[i]) == count && !strncasecmp(names, kinds[i], count)) return 1;
    names = end ? end + 1 : NULL;
  }
  return 0;
}

static const OSSL_ALGORITHM *keep(OSSL_ALGORITHM *kept, const OSSL_ALGORITHM *all, const char *property) {
  int count = 0;
  for (; all && all->algorithm_names && count < KEPT_MAX - 1; all++) {
    if (!is_kept(all->algorithm_names)) continue;
    if (!property || strstr(all->property_definition, property)) kept[count++] = *all;
  }
  return kept;
}

// All ciphers but those that another provider of ours has; NULL when memory is out.
static OSSL_ALGORITHM *without_gcm(const OSSL_ALGORITHM *all) {
  int count = 0;
  while (all && all[count].algorithm_names) count++;
  OSSL_ALGORITHM *kept = OPENSSL_zalloc(((size_t)count + 1) * sizeof *kept);  // for the life of the process
  if (!kept) return NULL;
  for (int i = 0, at = 0; i < count; i++) {
    const char *names = all[i].algorithm_names;
    if (strncmp(names, "AES-128-GCM:", 12) && strncmp(names, "AES-256-GCM:", 12)) kept[at++] = all[i];
  }
  return kept;
}

static void fill_tables(void) {
  OSSL_LIB_CTX *library = OSSL_LIB_CTX_new();
  if (!library || !(tables.source = OSSL_PROVIDER_load(library, "default"))) return;
  for (int operation = 1, uncached; operation < OPERATIONS; operation++) {
    const OSSL_ALGORITHM *all = OSSL_PROVIDER_query_operation(tables.source, operation, &uncached);
    switch (operation) {
      case OSSL_OP_DECODER: all = keep(tables.decoders, all, "structure=SubjectPublicKeyInfo"); break;
      case OSSL_OP_KEYMGMT: all = keep(tables.keys, all, NULL); break;
      case OSSL_OP_CIPHER: tables.ciphers_without_gcm = without_gcm(all); break;
      case OSSL_OP_ENCODER: case OSSL_OP_STORE: all = NULL; break;
    }
    tables.of[operation] = all;
  }
}

static const OSSL_ALGORITHM *query(void *context, int operation, int *uncached) {
  (void)context;
  *uncached = 0;
  return operation > 0 && operation < OPERATIONS ? tables.of[operation] : NULL;
}

static const OSSL_ALGORITHM *query_without_gcm(void *context, int operation, int *uncached) {
  const OSSL_ALGORITHM *all = query(context, operation, uncached);
  return operation == OSSL_OP_CIPHER ? tables.ciphers_without_gcm : all;
}

static int capabilities(void *context, const char *capability, OSSL_CALLBACK *callback, void *argument) {
  (void)context;
  return OSSL_PROVIDER_get_capabilities(tables.source, capability, callback, argument);
}

#define PROVIDER(query_function)                                                \
  {{OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query_function},        \
   {OSSL_FUNC_PROVIDER_GET_CAPABILITIES, (void (*)(void))capabilities},         \
   {0, NULL}}

static int begin(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *core, const OSSL_DISPATCH **out, void **context) {
  static const OSSL_DISPATCH functions[] = PROVIDER(query), functions_without_gcm[] = PROVIDER(query_without_gcm);
  (void)handle, (void)core;
  if (!loading) return 0;
  *out = loading_without_gcm ? functions_without_gcm : functions;
  *context = OSSL_PROVIDER_get0_provider_ctx(loading);  // the algorithms are handed this
  return 1;
}

int artstore_narrow(OSSL_LIB_CTX *library, OSSL_LIB_CTX *whole, int own_gcm, artstore_providers *loaded) {
  pthread_once(&tables_once, fill_tables);
  memset(loaded, 0, sizeof *loaded);
  if (!tables.source || !(loaded->source = OSSL_PROVIDER_load(whole, "default"))) return 0;
  if (own_gcm && (!tables.ciphers_without_gcm || !(loaded->gcm = artstore_gcm_load(library)))) return 0;
  loading = loaded->source;
  loading_without_gcm = own_gcm;
  if (OSSL_PROVIDER_add_builtin(library, "artstore", begin)) loaded->narrow = OSSL_PROVIDER_load(library, "artstore");
  loading = NULL;
  return loaded->narrow != NULL;
}

void artstore_narrow_free(OSSL_LIB_CTX *library, OSSL_LIB_CTX *whole, artstore_providers *loaded) {
  if (loaded->narrow) OSSL_PROVIDER_unload(loaded->narrow);
  if (loaded->gcm) OSSL_PROVIDER_unload(loaded->gcm);
  OSSL_LIB_CTX_free(library);  // its algorithms are the other's
  if (loaded->source) OSSL_PROVIDER_unload(loaded->source);
  OSSL_LIB_CTX_free(whole);
}
