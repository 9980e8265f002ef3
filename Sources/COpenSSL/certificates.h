#pragma once
// Wrappers for Crypto: keys and X.509. All take and return OpenSSL's own types; the Swift side owns and frees.
#include <limits.h>
#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

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

// Whether an error of the queue only says that the text has no (further) PEM block.
static inline int artstore_is_no_start_line(unsigned long code) {
  return ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
}

static inline int artstore_add_common_name(X509_NAME *name, const unsigned char *text, int count) {
  return X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, text, count, -1, 0);
}
