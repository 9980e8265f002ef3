// The load client of `make bench`, the same for both servers: one thread, epoll, TLS 1.3 with a client certificate.
//
//   load --port P --ca FILE --cert FILE --key FILE [--mode get|post|put|handshake|resume|idle]
//        [--connections N] [--seconds S | --requests N]
//        [--path PATH] [--range-bytes N --file-bytes N] [--body-bytes N] [--token-file FILE]
//        [--content-type TYPE] [--field 'Name: value'] [--seed N]
//
// put: each request goes to PATH followed by a number of its own.
//
// Certificates and key are PEM. It prints one JSON object. An error is a status other than 200, 201, 204
// or 206, a wrong length, a cut or a TLS failure: a fast failure must never look fast.
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "records.h"

enum mode { MODE_GET, MODE_POST, MODE_PUT, MODE_HANDSHAKE, MODE_RESUME, MODE_IDLE };
enum state { HANDSHAKING, WRITING, READING_HEAD, READING_BODY, FINISHED };
enum { HEAD_BYTES_MAX = 8192, LATENCIES_MAX = 8000000, EVENTS_MAX = 256, OPENING_MAX = 200 };

struct options {
  enum mode mode;
  int port, connections;
  double seconds;
  long requests, range_bytes, file_bytes, body_bytes;
  const char *authority, *certificate, *key, *path, *content_type, *field;
  char token[4096];
  uint64_t seed;
};

struct connection {
  int fd;
  enum state state;
  SSL *ssl;
  SSL_SESSION *session;
  char *request;
  size_t request_bytes, sent;
  char head[HEAD_BYTES_MAX];
  size_t head_bytes;
  long left, expected;
  double began;
};

static struct options options = {.mode = MODE_GET,
                                 .connections = 64,
                                 .seconds = 3,
                                 .path = "/",
                                 .content_type = "application/octet-stream",
                                 .seed = 1};
static SSL_CTX *context;
static int epoll, active;
static long done, failed, resumed, received, started;
static double *latencies, deadline, began_at, first_tenth, last_tenth;
static long latency_count;
static char *body, sink[1 << 18];

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec * 1e-9;
}

static uint64_t random_word(void) {  // xorshift64*: the ranges asked for are the same in every round
  options.seed ^= options.seed >> 12;
  options.seed ^= options.seed << 25;
  options.seed ^= options.seed >> 27;
  return options.seed * 0x2545F4914F6CDD1DULL;
}

static void die(const char *what) {
  perror(what);
  exit(2);
}

static void usage(const char *problem) {
  fprintf(stderr, "load: %s\n", problem);
  exit(2);
}

static bool may_start(void) {
  return now() < deadline && (options.requests == 0 || started < options.requests);
}

static void make_request(struct connection *c) {
  char authorization[4200] = "", extra[256] = "";
  if (options.token[0]) snprintf(authorization, sizeof authorization, "Authorization: Bearer %s\r\n", options.token);
  const char *method = options.mode == MODE_POST ? "POST" : options.mode == MODE_PUT ? "PUT" : "GET";
  bool sends = options.mode == MODE_POST || options.mode == MODE_PUT;
  char path[600];
  if (options.mode == MODE_PUT) snprintf(path, sizeof path, "%s%ld", options.path, started + 1);
  c->expected = -1;
  if (sends) {
    snprintf(extra, sizeof extra, "Content-Type: %s\r\nContent-Length: %ld\r\n%s%s", options.content_type,
             options.body_bytes, options.field ? options.field : "", options.field ? "\r\n" : "");
  } else if (options.range_bytes > 0) {
    long offset = (long)(random_word() % (uint64_t)(options.file_bytes - options.range_bytes)) & ~4095L;
    snprintf(extra, sizeof extra, "Range: bytes=%ld-%ld\r\n", offset, offset + options.range_bytes - 1);
    c->expected = options.range_bytes;
  } else if (options.file_bytes > 0) {
    c->expected = options.file_bytes;
  }
  size_t capacity = HEAD_BYTES_MAX + (sends ? (size_t)options.body_bytes : 0);
  if (!c->request && !(c->request = malloc(capacity))) die("malloc");
  c->request_bytes = (size_t)snprintf(c->request, HEAD_BYTES_MAX, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s%s\r\n",
                                      method, options.mode == MODE_PUT ? path : options.path, authorization, extra);
  if (sends) {
    // No two documents are equal, and none compresses.
    for (long i = 0; i + 8 <= options.body_bytes; i += 512) memcpy(body + i, (uint64_t[]){random_word()}, 8);
    memcpy(c->request + c->request_bytes, body, (size_t)options.body_bytes);
    c->request_bytes += (size_t)options.body_bytes;
  }
  c->sent = c->head_bytes = 0;
  c->began = now();
  c->state = WRITING;
  started++;
}

static void open_connection(struct connection *c) {
  int one = 1;
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (c->fd < 0) die("socket");
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (options.mode == MODE_HANDSHAKE || options.mode == MODE_RESUME) {  // no TIME_WAIT: ports would run out
    struct linger linger = {1, 0};
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
  }
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options.port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (connect(c->fd, (void *)&address, sizeof address) && errno != EINPROGRESS) die("connect");
  c->ssl = SSL_new(context);
  SSL_set_app_data(c->ssl, c);
  SSL_set_fd(c->ssl, c->fd);
  SSL_set_connect_state(c->ssl);
  if (options.mode == MODE_RESUME && c->session) SSL_set_session(c->ssl, c->session);
  c->state = HANDSHAKING;
  c->began = now();
  struct epoll_event event = {EPOLLIN | EPOLLOUT | EPOLLET | EPOLLRDHUP, {.ptr = c}};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event)) die("epoll_ctl");
}

static void close_connection(struct connection *c) {
  SSL_set_shutdown(c->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  SSL_free(c->ssl);
  close(c->fd);
  c->ssl = NULL;
}

static int keep_session(SSL *ssl, SSL_SESSION *session) {
  struct connection *c = SSL_get_app_data(ssl);
  if (c->session) SSL_SESSION_free(c->session);
  c->session = session;
  return 1;
}

static void retire(struct connection *c) {
  c->state = FINISHED;
  active--;
}

static void succeed(struct connection *c) {
  if (latency_count < LATENCIES_MAX) latencies[latency_count++] = now() - c->began;
  done++;
  if (options.requests >= 10 && done == options.requests / 10) first_tenth = now() - began_at;
  if (options.requests >= 10 && done == options.requests - options.requests / 10) last_tenth = now();
  if (options.mode == MODE_HANDSHAKE || options.mode == MODE_RESUME) {
    if (SSL_session_reused(c->ssl)) resumed++;
    close_connection(c);
    if (may_start()) open_connection(c); else retire(c);
  } else if (options.mode == MODE_IDLE || !may_start()) {
    retire(c);
  } else {
    make_request(c);
  }
}

static void fail(struct connection *c, const char *what, int status) {
  if (failed++ < 5) {
    fprintf(stderr, "load: %s, status %d, %s, %.200s\n", what, status, ERR_error_string(ERR_peek_error(), NULL),
            c->head_bytes ? c->head : "");
  }
  ERR_clear_error();
  close_connection(c);
  retire(c);
}

// Parses the response head once it is whole. True when the state changed and stepping may go on.
static bool parse_head(struct connection *c) {
  c->head[c->head_bytes] = 0;
  char *end = memmem(c->head, c->head_bytes, "\r\n\r\n", 4);
  if (!end) {
    if (c->head_bytes >= sizeof c->head - 1) fail(c, "response head too long", 0);
    return c->ssl != NULL;
  }
  int status = atoi(c->head + 9);
  char *field = strcasestr(c->head, "\r\ncontent-length:");
  long length = field && field < end ? atol(field + 17) : 0;
  bool fine = status == 200 || status == 201 || status == 204 || status == 206;
  if (!fine || (c->expected >= 0 && length != c->expected) || (options.range_bytes > 0 && status != 206)) {
    fail(c, "unexpected answer", status);
    return false;
  }
  long got = (long)(c->head_bytes - (size_t)(end + 4 - c->head));
  received += got;
  c->left = length - got;
  if (c->left > 0) c->state = READING_BODY; else succeed(c);
  return true;
}

static void step(struct connection *c) {
  while (c->state != FINISHED && c->ssl) {
    int result = 0;
    switch (c->state) {
      case HANDSHAKING:
        result = SSL_do_handshake(c->ssl);
        if (result == 1) make_request(c);
        break;
      case WRITING:
        result = SSL_write(c->ssl, c->request + c->sent, (int)(c->request_bytes - c->sent));
        if (result > 0 && (c->sent += (size_t)result) == c->request_bytes) c->state = READING_HEAD;
        break;
      case READING_HEAD:
        result = SSL_read(c->ssl, c->head + c->head_bytes, (int)(sizeof c->head - 1 - c->head_bytes));
        if (result > 0) {
          c->head_bytes += (size_t)result;
          if (!parse_head(c)) return;
        }
        break;
      case READING_BODY:
        result = SSL_read(c->ssl, sink, c->left < (long)sizeof sink ? (int)c->left : (int)sizeof sink);
        if (result > 0) {
          received += result;
          if ((c->left -= result) == 0) succeed(c);
        }
        break;
      case FINISHED:
        return;
    }
    if (result > 0) continue;
    int error = SSL_get_error(c->ssl, result);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return;
    fail(c, "connection lost", 0);
    return;
  }
}

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double percentile(double share) {
  return latency_count ? latencies[(long)((double)(latency_count - 1) * share)] * 1e3 : 0;
}

static void make_context(void) {
  if (!(context = client_context())) die("making a TLS context");
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256");
  if (!options.authority || !options.certificate || !options.key) usage("--ca, --cert and --key are needed");
  if (SSL_CTX_use_certificate_chain_file(context, options.certificate) != 1) usage(options.certificate);
  if (SSL_CTX_use_PrivateKey_file(context, options.key, SSL_FILETYPE_PEM) != 1) usage(options.key);
  if (SSL_CTX_load_verify_locations(context, options.authority, NULL) != 1) usage(options.authority);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
  if (options.mode == MODE_RESUME) {
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, keep_session);
  } else {
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  }
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(context, 1);
}

static void read_token(const char *path) {
  FILE *file = fopen(path, "r");
  if (!file || !fgets(options.token, sizeof options.token, file)) die(path);
  options.token[strcspn(options.token, "\r\n")] = 0;
  fclose(file);
}

static enum mode mode_named(const char *name) {
  static const char *const names[] = {"get", "post", "put", "handshake", "resume", "idle"};
  for (int i = 0; i < 6; i++) if (!strcmp(name, names[i])) return (enum mode)i;
  fprintf(stderr, "load: no mode %s\n", name);
  exit(2);
}

static void parse(int count, char **arguments) {
  static const struct option known[] = {
      {"mode", 1, 0, 'm'},       {"port", 1, 0, 'p'},         {"connections", 1, 0, 'c'}, {"seconds", 1, 0, 's'},
      {"requests", 1, 0, 'n'},   {"path", 1, 0, 'u'},         {"range-bytes", 1, 0, 'r'}, {"file-bytes", 1, 0, 'f'},
      {"body-bytes", 1, 0, 'b'}, {"token-file", 1, 0, 't'},  {"content-type", 1, 0, 'y'},
      {"seed", 1, 0, 'x'},       {"field", 1, 0, 'f' + 256},
      {"ca", 1, 0, 'a'},           {"cert", 1, 0, 'C'},        {"key", 1, 0, 'k'},
      {0, 0, 0, 0}};
  for (int o; (o = getopt_long(count, arguments, "", known, NULL)) != -1;) {
    switch (o) {
      case 'm': options.mode = mode_named(optarg); break;
      case 'p': options.port = atoi(optarg); break;
      case 'c': options.connections = atoi(optarg); break;
      case 's': options.seconds = atof(optarg); break;
      case 'n': options.requests = atol(optarg); break;
      case 'u': options.path = optarg; break;
      case 'r': options.range_bytes = atol(optarg); break;
      case 'f': options.file_bytes = atol(optarg); break;
      case 'b': options.body_bytes = atol(optarg); break;
      case 'a': options.authority = optarg; break;
      case 'C': options.certificate = optarg; break;
      case 'k': options.key = optarg; break;
      case 't': read_token(optarg); break;
      case 'y': options.content_type = optarg; break;
      case 'f' + 256: options.field = optarg; break;
      case 'x': options.seed = strtoull(optarg, NULL, 10) | 1; break;
      default: exit(2);
    }
  }
}

int main(int count, char **arguments) {
  parse(count, arguments);
  make_context();
  if (!(latencies = malloc(sizeof *latencies * LATENCIES_MAX))) die("malloc");
  if (!(body = malloc((size_t)options.body_bytes + 1))) die("malloc");
  for (long i = 0; i < options.body_bytes; i++) body[i] = (char)random_word();
  struct connection *connections = calloc((size_t)options.connections, sizeof *connections);
  if (!connections || (epoll = epoll_create1(EPOLL_CLOEXEC)) < 0) die("set-up");
  double began = began_at = now();
  deadline = began + options.seconds;
  active = options.connections;
  int opened = 0;
  struct epoll_event events[EVENTS_MAX];
  while (active > 0) {
    // Handshakes are paced: the accept queue is not what is measured.
    while (opened < options.connections && opened - (options.connections - active) < OPENING_MAX) {
      open_connection(&connections[opened++]);
    }
    int ready = epoll_wait(epoll, events, EVENTS_MAX, 1000);
    if (ready == 0 && now() > deadline + 30) {
      fprintf(stderr, "load: %d connections still waited 30 s after the end\n", active);
      failed += active;
      break;
    }
    for (int i = 0; i < ready; i++) step(events[i].data.ptr);
  }
  double seconds = now() - began;
  qsort(latencies, (size_t)latency_count, sizeof *latencies, by_size);
  printf("{\"requests\":%ld,\"errors\":%ld,\"resumed\":%ld,\"bytes\":%ld,", done, failed, resumed, received);
  double tenth = (double)(options.requests / 10), last = began + seconds - last_tenth;
  printf("\"first_tenth_rate\":%.1f,", first_tenth > 0 ? tenth / first_tenth : 0);
  printf("\"last_tenth_rate\":%.1f,", last_tenth > 0 && last > 0 ? tenth / last : 0);
  printf("\"seconds\":%.4f,\"p50_ms\":%.3f,\"p99_ms\":%.3f}\n", seconds, percentile(0.5), percentile(0.99));
  fflush(stdout);
  if (options.mode == MODE_IDLE) {  // hold the connections until the harness has measured and closes our input
    char byte;
    while (read(0, &byte, 1) > 0) {}
  }
  return failed > 0;
}
