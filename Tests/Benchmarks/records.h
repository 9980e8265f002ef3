#pragma once
// Whose AES-GCM the clients of `make bench` seal and open records with: that of the product's Sources/CTLS/gcm.c where
// the processor has it. A client shares the cores with the server it measures; the cheaper it is, the less it hides.
// Both servers are met with the same.
#include <CTLS.h>
#include <openssl/provider.h>
#include <openssl/ssl.h>

// NULL when memory is out. Used on one thread.
static SSL_CTX *client_context(void) {
  OSSL_LIB_CTX *library = OSSL_LIB_CTX_new();
  if (!library || !OSSL_PROVIDER_load(library, "default")) return NULL;
  if (artstore_gcm_is_available() && !artstore_gcm_load(library)) return NULL;
  return SSL_CTX_new_ex(library, "?provider=artstore-gcm", TLS_client_method());
}
