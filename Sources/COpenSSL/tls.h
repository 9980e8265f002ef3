#pragma once
// TLS for Swift: wrapped macros, and the BIO that gathers records. Everything static inline: two modules include this
// header.
#include <errno.h>
#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

static inline int artstore_ctx_min_version(SSL_CTX *ctx, int version) {
  return (int)SSL_CTX_set_min_proto_version(ctx, version);
}
static inline void artstore_ctx_server_modes(SSL_CTX *ctx) {
  // Partial writes from a buffer that may have moved: the server refills its scratch after every wait.
  SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);  // tickets are stateless
}
static inline void artstore_ctx_read_ahead(SSL_CTX *ctx, int bytes) {
  SSL_CTX_set_read_ahead(ctx, 1);
  SSL_CTX_set_default_read_buffer_len(ctx, (size_t)bytes);
}
// A client certificate that was found good, and when its whole chain is: from <= now < to.
typedef struct {
  unsigned char hash[32];  // SHA-256 of the certificate
  long long from, to;
} artstore_verified;
enum { ARTSTORE_VERIFIED_COUNT = 64 };

// What the callbacks of one context know; outlives the context. Used on the context's own thread.
typedef struct {
  artstore_verified *verified;  // ARTSTORE_VERIFIED_COUNT of them: by the hash's first byte
  EVP_CIPHER *ticket_cipher;
  int has_pinned;            // pinned: SHA-256 of a client key's SPKI
  unsigned char pinned[32];
  int revoked_count;  // revoked: SHA-256 of client keys' SPKIs, one after another in ascending order
  const unsigned char *revoked;
  int ticket_key_count;      // 0 to 2: the first one makes tickets, both are accepted
  unsigned char ticket_keys[2][80];  // a name of 16 bytes, an HMAC key and an AES key of 32 each
} artstore_facts;

static inline void artstore_ctx_use_facts(SSL_CTX *ctx, artstore_facts *facts) { SSL_CTX_set_app_data(ctx, facts); }

static int artstore_ticket_key(SSL *ssl, unsigned char name[16], unsigned char iv[EVP_MAX_IV_LENGTH],
                               EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int is_new) {
  artstore_facts *facts = (artstore_facts *)SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
  int at = 0;
  if (is_new) {
    if (facts->ticket_key_count == 0 || RAND_bytes(iv, 16) != 1) return -1;
    memcpy(name, facts->ticket_keys[0], 16);
  } else {
    while (at < facts->ticket_key_count && memcmp(name, facts->ticket_keys[at], 16)) at++;
    if (at == facts->ticket_key_count) return 0;  // a full handshake instead
  }
  unsigned char *key = facts->ticket_keys[at];
  OSSL_PARAM parameters[] = {OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key + 16, 32),
                             OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"sha256", 0),
                             OSSL_PARAM_construct_end()};
  if (!EVP_MAC_CTX_set_params(mac, parameters) ||
      !EVP_CipherInit_ex(cipher, facts->ticket_cipher, NULL, key + 48, iv, is_new))
    return -1;
  // 2: with a new ticket. Clients use each one once (RFC 8446 appendix C.4): without it every other handshake is full.
  return is_new ? 1 : 2;
}
// `seconds`: how long a ticket may be used.
static inline int artstore_ctx_tickets(SSL_CTX *ctx, long seconds) {
  SSL_CTX_set_timeout(ctx, seconds);
  return (int)SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, artstore_ticket_key);
}
static inline int artstore_ctx_add_chain(SSL_CTX *ctx, X509 *certificate) {
  return (int)SSL_CTX_add1_chain_cert(ctx, certificate);
}
static inline int artstore_ctx_groups(SSL_CTX *ctx, const char *groups) {
  return (int)SSL_CTX_set1_groups_list(ctx, groups);
}

// SHA-256 of a certificate's SPKI; 1 when `hash` is filled.
static inline int artstore_spki_hash(X509 *certificate, unsigned char hash[32]) {
  unsigned char *spki = NULL;
  int count = certificate ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &spki) : 0;
  if (count <= 0) return 0;
  int made = EVP_Digest(spki, (size_t)count, hash, NULL, EVP_sha256(), NULL);
  OPENSSL_free(spki);
  return made;
}

static inline int artstore_is_revoked(const artstore_facts *facts, const unsigned char hash[32]) {
  int low = 0, high = facts->revoked_count;
  while (low < high) {
    int middle = low + (high - low) / 2;
    int order = memcmp(hash, facts->revoked + 32 * (size_t)middle, 32);
    if (order == 0) return 1;
    if (order < 0) high = middle; else low = middle + 1;
  }
  return 0;
}

// Refuses a leaf whose key is revoked, whatever else is right about it. The one pinned client key is let in although
// its certificate's dates do not fit this machine's clock: the verify result keeps the error; no ticket is given, so
// that the next connection is judged anew.
static int artstore_verify_client(int good, X509_STORE_CTX *store) {
  SSL *ssl = (SSL *)X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
  const artstore_facts *facts = ssl ? (artstore_facts *)SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)) : NULL;
  int depth = X509_STORE_CTX_get_error_depth(store);
  if (good && (!facts || !facts->revoked_count || depth)) return 1;
  int error = X509_STORE_CTX_get_error(store);
  if (!good && error != X509_V_ERR_CERT_NOT_YET_VALID && error != X509_V_ERR_CERT_HAS_EXPIRED) return 0;
  unsigned char hash[32];
  if (!facts || !artstore_spki_hash(X509_STORE_CTX_get0_cert(store), hash)) return 0;
  if (artstore_is_revoked(facts, hash)) {
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REVOKED);
    return 0;
  }
  if (good) return 1;
  int matches = facts->has_pinned && !CRYPTO_memcmp(hash, facts->pinned, 32);
  if (matches) SSL_set_num_tickets(ssl, 0);
  return matches;
}

static inline void artstore_note_verified(artstore_verified *slot, const unsigned char hash[32],
                                          X509_STORE_CTX *store) {
  STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(store);
  slot->from = LLONG_MIN;
  slot->to = LLONG_MAX;
  memcpy(slot->hash, hash, 32);
  for (int i = 0; i < sk_X509_num(chain); i++) {
    long long from = artstore_seconds(X509_get0_notBefore(sk_X509_value(chain, i)));
    long long to = artstore_seconds(X509_get0_notAfter(sk_X509_value(chain, i)));
    if (from > slot->from) slot->from = from;
    if (to < slot->to) slot->to = to;
  }
}

// Instead of X509_verify_cert. The same few clients come again and again: what was found good under this very set-up
// (authorities, revoked keys) stays good as long as its dates fit. The chain is not kept for the connection.
static int artstore_verify(X509_STORE_CTX *store, void *argument) {
  artstore_facts *facts = (artstore_facts *)argument;
  unsigned char hash[32];
  X509 *leaf = X509_STORE_CTX_get0_cert(store);
  if (!leaf || X509_digest(leaf, EVP_sha256(), hash, NULL) != 1) return 0;
  artstore_verified *slot = facts->verified + hash[0] % ARTSTORE_VERIFIED_COUNT;
  long long now = (long long)time(NULL);
  if (slot->from <= now && now < slot->to && !memcmp(slot->hash, hash, sizeof hash)) {
    X509_STORE_CTX_set_error(store, X509_V_OK);
    return 1;
  }
  int good = X509_verify_cert(store);
  if (good == 1 && X509_STORE_CTX_get_error(store) == X509_V_OK) artstore_note_verified(slot, hash, store);
  X509_STORE_CTX_set0_verified_chain(store, NULL);
  return good;
}
static inline void artstore_ctx_verify(SSL_CTX *ctx, int mode, artstore_facts *facts) {
  SSL_CTX_set_verify(ctx, mode, artstore_verify_client);
  SSL_CTX_set_cert_verify_callback(ctx, artstore_verify, facts);
}

// After the handshake: a client's issuers that `ctx` trusts by itself need not be kept with each connection. OpenSSL's
// clients send their authority along, and one certificate takes some 5 KiB.
static inline void artstore_drop_known_issuers(SSL *ssl, SSL_CTX *ctx) {
  STACK_OF(X509) *chain = SSL_get_peer_cert_chain(ssl);
  STACK_OF(X509_OBJECT) *known = X509_STORE_get0_objects(SSL_CTX_get_cert_store(ctx));
  for (int i = sk_X509_num(chain) - 1; i >= 0; i--) {
    X509 *issuer = sk_X509_value(chain, i);
    const ASN1_BIT_STRING *signature, *other;
    X509_get0_signature(&signature, NULL, issuer);
    for (int j = 0; j < sk_X509_OBJECT_num(known); j++) {
      X509 *authority = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(known, j));
      if (!authority) continue;
      X509_get0_signature(&other, NULL, authority);
      if (ASN1_STRING_cmp(signature, other)) continue;
      X509_free(sk_X509_delete(chain, i));
      break;
    }
  }
}

// Whether the client's certificate and its issuers that it sent are valid today; 1 without a certificate.
static inline int artstore_dates_fit(SSL *ssl) {
  X509 *leaf = SSL_get0_peer_certificate(ssl);
  if (leaf && X509_cmp_current_time(X509_get0_notBefore(leaf)) >= 0) return 0;
  if (leaf && X509_cmp_current_time(X509_get0_notAfter(leaf)) <= 0) return 0;
  STACK_OF(X509) *chain = SSL_get_peer_cert_chain(ssl);
  for (int i = 0; i < sk_X509_num(chain); i++)
    if (X509_cmp_current_time(X509_get0_notAfter(sk_X509_value(chain, i))) <= 0) return 0;
  return 1;
}

// Verifies the client's certificate anew, as the handshake would, against the authorities of `ctx`: for connections
// that outlived a change of the set-up. 1: good. 0: not, or there is none.
static inline int artstore_verify_again(SSL_CTX *ctx, SSL *ssl) {
  X509 *leaf = SSL_get0_peer_certificate(ssl);
  if (!leaf) return 0;
  X509_STORE_CTX *store = X509_STORE_CTX_new();
  int good = store && X509_STORE_CTX_init(store, SSL_CTX_get_cert_store(ctx), leaf, SSL_get_peer_cert_chain(ssl)) &&
             X509_STORE_CTX_set_default(store, "ssl_client");
  if (good) {
    X509_VERIFY_PARAM_set_depth(X509_STORE_CTX_get0_param(store), SSL_CTX_get_verify_depth(ctx));
    good = X509_verify_cert(store) == 1;
  }
  X509_STORE_CTX_free(store);
  ERR_clear_error();
  return good;
}

// Where one connection's records go: a window of memory that the caller lends for the length of one call, so that many
// records leave in one send(). A record that does not fit is refused and offered again.
typedef struct {
  int fd;
  int drained;  // the last read left nothing in the socket
  int capacity, length;
  unsigned char *window;
} artstore_gather;

static int artstore_gather_write(BIO *bio, const char *bytes, int count) {
  artstore_gather *gather = (artstore_gather *)BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  if (count > gather->capacity - gather->length) {
    BIO_set_retry_write(bio);
    return -1;
  }
  memcpy(gather->window + gather->length, bytes, (size_t)count);
  gather->length += count;
  return count;
}

static int artstore_gather_read(BIO *bio, char *bytes, int count) {
  artstore_gather *gather = (artstore_gather *)BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  ssize_t got;
  do got = recv(gather->fd, bytes, (size_t)count, 0); while (got < 0 && errno == EINTR);
  gather->drained = got < count;
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) BIO_set_retry_read(bio);
  return (int)got;
}

static long artstore_gather_control(BIO *bio, int command, long number, void *pointer) {
  (void)bio, (void)number, (void)pointer;
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

// One for each context, shared by its connections; NULL when memory is out. The index is fixed: OpenSSL hands out 127
// in a process's life, fewer than there may be reloads.
static inline BIO_METHOD *artstore_gather_method(void) {
  BIO_METHOD *method = BIO_meth_new(200 | BIO_TYPE_SOURCE_SINK, "artstore gather");
  if (!method) return NULL;
  BIO_meth_set_write(method, artstore_gather_write);
  BIO_meth_set_read(method, artstore_gather_read);
  BIO_meth_set_ctrl(method, artstore_gather_control);
  return method;
}

// 1 when the connection's BIO is in place.
static inline int artstore_gather_attach(SSL *ssl, BIO_METHOD *method, artstore_gather *gather) {
  BIO *bio = BIO_new(method);
  if (!bio) return 0;
  BIO_set_data(bio, gather);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl, bio, bio);
  return 1;
}

static inline void artstore_free(void *memory) { OPENSSL_free(memory); }
