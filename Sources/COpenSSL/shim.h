#pragma once
// OpenSSL 3 for Swift. Macros and variadics are invisible to Swift: each gets a `static inline` wrapper, named
// `artstore_` + what it wraps. Two modules import this: Crypto (digests, HMAC, AES-GCM, keys, X.509) and TLS.
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/provider.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "certificates.h"
#include "tls.h"
