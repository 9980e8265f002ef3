#pragma once
// What TLS needs in C and cannot be `static inline`.

struct ossl_lib_ctx_st;
struct ossl_provider_st;

// Whether this processor has what the ciphers of `artstore_gcm_load` need: AES and carry-less multiplication on whole
// AVX-512 registers.
int artstore_gcm_is_available(void);

// Loads the provider "artstore-gcm" into `library`: AES-128-GCM and AES-256-GCM for TLS 1.3 records, several times as
// fast as OpenSSL 3.0's. What uses them from this context must run on one thread at a time. NULL when they are not
// available or memory is out; OSSL_PROVIDER_unload ends it, after all that uses it.
struct ossl_provider_st *artstore_gcm_load(struct ossl_lib_ctx_st *library);

// What `artstore_narrow` loaded.
typedef struct {
  struct ossl_provider_st *source, *narrow, *gcm;
} artstore_providers;

// Gives `library`, a context that holds no provider yet, the algorithms of `whole`'s default provider that TLS 1.3
// uses: every cipher, digest, MAC, KDF, signature and key exchange, but of the kinds of keys only EC, RSA, RSA-PSS,
// Ed25519, Ed448 and X25519, and of the decoders only those that read such public keys in certificates. With
// `own_gcm`, AES-128-GCM and AES-256-GCM are those of `artstore_gcm_load` instead. 1: done.
int artstore_narrow(struct ossl_lib_ctx_st *library, struct ossl_lib_ctx_st *whole, int own_gcm,
                    artstore_providers *loaded);

// Frees both contexts and what was loaded; nothing may use them any more.
void artstore_narrow_free(struct ossl_lib_ctx_st *library, struct ossl_lib_ctx_st *whole, artstore_providers *loaded);
