#pragma once
// Wrappers for Crypto: keys and X.509. All take and return OpenSSL's own types; the Swift side owns and frees.
#include <limits.h>
#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

static inline EVP_PKEY *artstore_rsa_generate(size_t bits) { return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", bits); }

static inline EVP_PKEY *artstore_p256_generate(void) { return EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256"); }

static inline long artstore_bio_bytes(BIO *bio, char **bytes) { return BIO_get_mem_data(bio, bytes); }

// An RSA public key from big-endian modulus and exponent; NULL when they make none.
static inline EVP_PKEY *artstore_rsa_public(const unsigned char *n, int n_count, const unsigned char *e, int e_count) {
  EVP_PKEY *key = NULL;
  BIGNUM *modulus = BN_bin2bn(n, n_count, NULL), *exponent = BN_bin2bn(e, e_count, NULL);
  OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
  OSSL_PARAM *params = NULL;
  EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
  if (modulus && exponent && builder && context && OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus) &&
      OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent) && (params = OSSL_PARAM_BLD_to_param(builder)) &&
      EVP_PKEY_fromdata_init(context) > 0)
    if (EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params) <= 0) key = NULL;
  EVP_PKEY_CTX_free(context);
  OSSL_PARAM_free(params);
  OSSL_PARAM_BLD_free(builder);
  BN_free(modulus);
  BN_free(exponent);
  return key;
}

// Writes the big-endian bytes of a key's number ("n", "e"); their count, or -1.
static inline int artstore_key_number(const EVP_PKEY *key, const char *name, unsigned char *out, int capacity) {
  BIGNUM *number = NULL;
  if (!EVP_PKEY_get_bn_param(key, name, &number)) return -1;
  int count = BN_num_bytes(number);
  if (count > capacity) count = -1;
  else BN_bn2bin(number, out);
  BN_free(number);
  return count;
}

// Seconds since the Unix epoch; LLONG_MIN when the time cannot be read.
static inline long long artstore_seconds(const ASN1_TIME *time) {
  ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
  int days = 0, seconds = 0;
  int good = epoch && ASN1_TIME_diff(&days, &seconds, epoch, time);
  ASN1_TIME_free(epoch);
  return good ? days * 86400LL + seconds : LLONG_MIN;
}

// Copies the only URI of the subject alternative names, NUL-terminated. 1 found, 0 none, -1 several or too long.
static inline int artstore_san_uri(X509 *certificate, char *out, size_t capacity) {
  GENERAL_NAMES *names = (GENERAL_NAMES *)X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
  if (!names) return 0;
  int found = 0;
  for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
    if (name->type != GEN_URI) continue;
    const ASN1_IA5STRING *uri = name->d.uniformResourceIdentifier;
    size_t count = (size_t)ASN1_STRING_length(uri);
    const unsigned char *bytes = ASN1_STRING_get0_data(uri);
    if (found || count >= capacity || memchr(bytes, 0, count)) { found = -1; break; }
    memcpy(out, bytes, count);
    out[count] = 0;
    found = 1;
  }
  GENERAL_NAMES_free(names);
  return found;
}

// Adds an extension written as in openssl.cnf. 1 on success.
static inline int artstore_add_extension(X509 *certificate, X509 *issuer, int nid, const char *value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
  X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
  if (!extension) return 0;
  int good = X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
  return good;
}

static inline int artstore_add_common_name(X509_NAME *name, const unsigned char *text, int count) {
  return X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, text, count, -1, 0);
}
