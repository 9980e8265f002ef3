#pragma once
// What TLS needs in C and cannot be `static inline`.

struct ossl_lib_ctx_st;
struct ossl_provider_st;

// What `artstore_narrow` loaded.
typedef struct {
  struct ossl_provider_st *source, *narrow;
} artstore_providers;

// Gives `library`, a context that holds no provider yet, the algorithms of `whole`'s default provider that TLS 1.3
// uses: every cipher, digest, MAC, KDF, signature and key exchange, but of the kinds of keys only EC, RSA, RSA-PSS,
// Ed25519, Ed448 and X25519, and of the decoders only those that read such public keys in certificates. 1: done.
int artstore_narrow(struct ossl_lib_ctx_st *library, struct ossl_lib_ctx_st *whole, artstore_providers *loaded);

// Frees both contexts and what was loaded; nothing may use them any more.
void artstore_narrow_free(struct ossl_lib_ctx_st *library, struct ossl_lib_ctx_st *whole, artstore_providers *loaded);
