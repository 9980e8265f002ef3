#pragma once
#include <curl/curl.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

// libcurl's setters are variadic, which Swift cannot call: one wrapper a kind of value.

static inline CURLcode artstore_set_long(CURL *easy, CURLoption option, long value) {
  return curl_easy_setopt(easy, option, value);
}
static inline CURLcode artstore_set_offset(CURL *easy, CURLoption option, curl_off_t value) {
  return curl_easy_setopt(easy, option, value);
}
static inline CURLcode artstore_set_string(CURL *easy, CURLoption option, const char *value) {
  return curl_easy_setopt(easy, option, value);
}
static inline CURLcode artstore_set_pointer(CURL *easy, CURLoption option, void *value) {
  return curl_easy_setopt(easy, option, value);
}
static inline CURLcode artstore_set_blob(CURL *easy, CURLoption option, const void *data, size_t count) {
  struct curl_blob blob = {(void *)data, count, CURL_BLOB_COPY};
  return curl_easy_setopt(easy, option, &blob);
}

typedef size_t (*artstore_data_callback)(char *, size_t, size_t, void *);
static inline CURLcode artstore_set_data_callback(CURL *easy, CURLoption option, artstore_data_callback callback) {
  return curl_easy_setopt(easy, option, callback);
}

typedef int (*artstore_seek_callback)(void *, curl_off_t, int);
static inline CURLcode artstore_set_seek_callback(CURL *easy, artstore_seek_callback callback) {
  return curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, callback);
}

typedef int (*artstore_socket_callback)(CURL *, curl_socket_t, int, void *, void *);
typedef int (*artstore_timer_callback)(CURLM *, long, void *);
static inline void artstore_multi_callbacks(
    CURLM *multi, artstore_socket_callback on_socket, artstore_timer_callback on_timer, void *context) {
  curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
  curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, context);
  curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
  curl_multi_setopt(multi, CURLMOPT_TIMERDATA, context);
  curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, 1L);
}

static inline long artstore_status(CURL *easy) {
  long status = 0;
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
  return status;
}
static inline long artstore_os_errno(CURL *easy) {
  long number = 0;
  curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &number);
  return number;
}

/// The result of the one transfer in `multi` if it is finished. Returns 1 and sets `result`, or 0.
static inline int artstore_finished(CURLM *multi, CURLcode *result) {
  int left = 0;
  CURLMsg *message;
  while ((message = curl_multi_info_read(multi, &left))) {
    if (message->msg == CURLMSG_DONE) {
      *result = message->data.result;
      return 1;
    }
  }
  return 0;
}

static inline SSL *artstore_ssl(CURL *easy) {
  struct curl_tlssessioninfo *session = NULL;
  if (curl_easy_getinfo(easy, CURLINFO_TLS_SSL_PTR, &session) != CURLE_OK || !session) return NULL;
  if (session->backend != CURLSSLBACKEND_OPENSSL) return NULL;
  return (SSL *)session->internals;
}

/// The peer's SubjectPublicKeyInfo (DER) of the connection in use, into `out`; its length, or 0.
static inline int artstore_peer_spki(CURL *easy, unsigned char *out, int capacity) {
  SSL *ssl = artstore_ssl(easy);
  if (!ssl) return 0;
  X509 *certificate = SSL_get1_peer_certificate(ssl);
  if (!certificate) return 0;
  int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), NULL);
  if (length > 0 && length <= capacity) {
    i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &out);
  } else {
    length = 0;
  }
  X509_free(certificate);
  return length;
}

/// RFC 8446 §7.5 with an empty context. Returns 1 when `out` is filled.
static inline int artstore_export(CURL *easy, const char *label, unsigned char *out, size_t count) {
  SSL *ssl = artstore_ssl(easy);
  if (!ssl) return 0;
  return SSL_export_keying_material(ssl, out, count, label, strlen(label), (const unsigned char *)"", 0, 1) == 1;
}

/// Accepts a verified chain only if the leaf's subject alternative names hold the URI set as the context's app data.
static inline int artstore_check_identity(int verified, X509_STORE_CTX *store) {
  if (!verified || X509_STORE_CTX_get_error_depth(store) != 0) return verified;
  SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
  const char *expected = ssl ? SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)) : NULL;
  int found = 0;
  if (expected) {
    GENERAL_NAMES *names =
        X509_get_ext_d2i(X509_STORE_CTX_get_current_cert(store), NID_subject_alt_name, NULL, NULL);
    for (int i = 0; names && i < sk_GENERAL_NAME_num(names); i++) {
      GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
      if (name->type != GEN_URI) continue;
      int length = ASN1_STRING_length(name->d.uniformResourceIdentifier);
      const unsigned char *text = ASN1_STRING_get0_data(name->d.uniformResourceIdentifier);
      if (length == (int)strlen(expected) && memcmp(text, expected, (size_t)length) == 0) found = 1;
    }
    GENERAL_NAMES_free(names);
  }
  if (!found) X509_STORE_CTX_set_error(store, X509_V_ERR_HOSTNAME_MISMATCH);
  return found;
}

/// The same, and dates of the leaf that do not fit are forgiven: only together with a pinned key, to mend an appliance
/// that was out of reach for too long. Everything else about the chain must be good.
static inline int artstore_check_identity_past_dates(int verified, X509_STORE_CTX *store) {
  int error = X509_STORE_CTX_get_error(store);
  int dates = error == X509_V_ERR_CERT_HAS_EXPIRED || error == X509_V_ERR_CERT_NOT_YET_VALID;
  if (!verified && dates && X509_STORE_CTX_get_error_depth(store) == 0) {
    X509_STORE_CTX_set_error(store, X509_V_OK);
    verified = 1;
  }
  return artstore_check_identity(verified, store);
}

static inline CURLcode artstore_install_identity_past_dates(CURL *easy, void *context, void *expected) {
  (void)easy;
  SSL_CTX_set_app_data((SSL_CTX *)context, expected);
  SSL_CTX_set_verify((SSL_CTX *)context, SSL_VERIFY_PEER, artstore_check_identity_past_dates);
  return CURLE_OK;
}

static inline CURLcode artstore_install_identity(CURL *easy, void *context, void *expected) {
  (void)easy;
  SSL_CTX_set_app_data((SSL_CTX *)context, expected);
  SSL_CTX_set_verify((SSL_CTX *)context, SSL_VERIFY_PEER, artstore_check_identity);
  return CURLE_OK;
}

/// Makes the handshake demand `expected` (a URI; it must outlive the transfer) in the peer's certificate; NULL:
/// nothing.
static inline void artstore_expect_identity(CURL *easy, const char *expected, int past_dates) {
  curl_ssl_ctx_callback install = past_dates ? artstore_install_identity_past_dates : artstore_install_identity;
  curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, expected ? install : NULL);
  curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, (void *)expected);
}
