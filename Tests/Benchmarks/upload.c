// One large request body from memory, for `make bench`: TLS 1.3 with a client certificate, one blocking connection.
//
//   upload --port P --ca FILE --cert FILE --key FILE --method M --path PATH --body-bytes N
//          [--token-file FILE] [--field 'Name: value']
//
// It prints one JSON object in the load client's form. The clock runs from the first byte of the request to the last
// of the answer, whose status must be 200, 201 or 204.
#define _GNU_SOURCE
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "records.h"

enum { HEAD_BYTES_MAX = 8192, WINDOW_BYTES = 1 << 20 };

static int port;
static long body_bytes;
static const char *authority, *certificate, *key, *method = "PUT", *path = "/", *field = "";
static char token[4096], head[HEAD_BYTES_MAX], window[WINDOW_BYTES];

static void die(const char *what) {
  fprintf(stderr, "upload: %s: %s\n", what, ERR_peek_error() ? ERR_error_string(ERR_peek_error(), NULL) : "");
  exit(1);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec * 1e-9;
}

static void read_token(const char *file_name) {
  FILE *file = fopen(file_name, "r");
  if (!file || !fgets(token, sizeof token, file)) die(file_name);
  token[strcspn(token, "\r\n")] = 0;
  fclose(file);
}

static void parse(int count, char **arguments) {
  static const struct option known[] = {{"port", 1, 0, 'p'},   {"ca", 1, 0, 'a'},         {"cert", 1, 0, 'C'},
                                        {"key", 1, 0, 'k'},    {"method", 1, 0, 'm'},     {"path", 1, 0, 'u'},
                                        {"field", 1, 0, 'f'},  {"body-bytes", 1, 0, 'b'}, {"token-file", 1, 0, 't'},
                                        {0, 0, 0, 0}};
  for (int o; (o = getopt_long(count, arguments, "", known, NULL)) != -1;) {
    switch (o) {
      case 'p': port = atoi(optarg); break;
      case 'a': authority = optarg; break;
      case 'C': certificate = optarg; break;
      case 'k': key = optarg; break;
      case 'm': method = optarg; break;
      case 'u': path = optarg; break;
      case 'f': field = optarg; break;
      case 'b': body_bytes = atol(optarg); break;
      case 't': read_token(optarg); break;
      default: exit(2);
    }
  }
  if (!authority || !certificate || !key || !port) die("--port, --ca, --cert and --key are needed");
}

static SSL *open_connection(void) {
  SSL_CTX *context = client_context();
  if (!context) die("making a TLS context");
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256");
  if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1) die(certificate);
  if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1) die(key);
  if (SSL_CTX_load_verify_locations(context, authority, NULL) != 1) die(authority);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (connect(fd, (void *)&address, sizeof address)) die("connect");
  SSL *ssl = SSL_new(context);
  SSL_set_fd(ssl, fd);
  if (SSL_connect(ssl) != 1) die("TLS handshake");
  return ssl;
}

static void send_request(SSL *ssl) {
  int count = snprintf(head, sizeof head, "%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %ld\r\n", method, path,
                       body_bytes);
  if (token[0]) count += snprintf(head + count, sizeof head - count, "Authorization: Bearer %s\r\n", token);
  if (field[0]) count += snprintf(head + count, sizeof head - count, "%s\r\n", field);
  count += snprintf(head + count, sizeof head - count, "\r\n");
  if (SSL_write(ssl, head, count) != count) die("sending the head");
  for (long left = body_bytes; left > 0;) {
    int piece = left < WINDOW_BYTES ? (int)left : WINDOW_BYTES;
    if (SSL_write(ssl, window, piece) != piece) die("sending the body");
    left -= piece;
  }
}

// The answer's status; its body is read to the end.
static int read_answer(SSL *ssl) {
  size_t held = 0;
  char *end = NULL;
  while (!end) {
    int count = SSL_read(ssl, head + held, (int)(sizeof head - 1 - held));
    if (count <= 0) die("reading the answer");
    head[held += (size_t)count] = 0;
    end = strstr(head, "\r\n\r\n");
  }
  char *length = strcasestr(head, "\r\ncontent-length:");
  long left = (length && length < end ? atol(length + 17) : 0) - (long)(held - (size_t)(end + 4 - head));
  while (left > 0) {
    int count = SSL_read(ssl, window, left < WINDOW_BYTES ? (int)left : WINDOW_BYTES);
    if (count <= 0) die("reading the answer's body");
    left -= count;
  }
  return atoi(head + 9);
}

int main(int count, char **arguments) {
  parse(count, arguments);
  unsigned long long word = (unsigned long long)time(NULL) | 1;
  for (int i = 0; i < WINDOW_BYTES; i++) {
    word = word * 6364136223846793005ULL + 1442695040888963407ULL;
    window[i] = (char)(word >> 56);
  }
  SSL *ssl = open_connection();
  double began = now();
  send_request(ssl);
  int status = read_answer(ssl);
  double seconds = now() - began;
  if (status != 200 && status != 201 && status != 204) {
    fprintf(stderr, "upload: unexpected answer, status %d, %.300s\n", status, head);
    return 1;
  }
  printf("{\"requests\":1,\"errors\":0,\"bytes\":%ld,\"seconds\":%.4f,\"p50_ms\":%.3f,\"p99_ms\":%.3f}\n", body_bytes,
         seconds, seconds * 1e3, seconds * 1e3);
  return 0;
}
