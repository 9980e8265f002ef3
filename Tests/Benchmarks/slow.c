// Slow clients that hold connections, and honest ones: one thread, epoll, TLS 1.3 with a client certificate.
//
//   slow --port P --ca FILE --cert FILE --key FILE --token-file FILE --path PATH [--big-path PATH] [--upload-path PATH]
//        [--heads N] [--stubborn N] [--bodies N] [--reads N] [--honest N] [--sources K] [--open-rate N]
//        [--seconds S] [--head-seconds S] [--body-bytes N] [--rate N] [--think-ms N] [--file-bytes N]
//
// --heads: a request's head takes --head-seconds, again and again. --stubborn: a head that never ends. --bodies:
// uploads of --body-bytes at --rate bytes a second. --reads: downloads of --big-path taken at --rate bytes a second.
// --honest: a GET of --path, a pause of --think-ms, again; each connection serves 50 requests. Whoever is cut off comes
// back, at most --open-rate a second. The slow ones come from 127.0.1.1 to 127.0.1.K, the honest ones from 127.0.0.1.
//
// It prints `full` when all are connected, ends after --seconds or when its input ends, and prints one JSON object. An
// honest client's error is anything but a 200 of --file-bytes bytes. That the server ends slow connections is none.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
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
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum kind { HEADS, STUBBORN, BODIES, READS, HONEST, KINDS };
enum state { CLOSED, HANDSHAKING, PAUSING, SENDING, RECEIVING };
enum { HEAD_BYTES_MAX = 6144, ANSWER_BYTES_MAX = 4096, SAMPLES_MAX = 4000000, EVENTS_MAX = 512, OPENING_MAX = 64 };
enum { REQUESTS_EACH = 50, HEAD_PIECES = 10 };

struct connection {
  SSL *ssl;
  char *request;
  double due, began;  // due: when to go on without an event
  size_t request_bytes, sent, allowed;
  long left;  // of an answer's body; -1 while its head is not whole
  int fd, head_bytes, requests;
  enum state state;
  enum kind kind;
  bool was_open;
  char *head;  // of the answer; behind the request
};

struct figures { long opened, refused, cut, answered, errors; };

static struct {
  int count[KINDS];
  double port, sources, open_rate, seconds, head_seconds, think_ms, body_bytes, rate, file_bytes;
  const char *authority, *certificate, *key, *path, *big_path, *upload_path, *token_file;
} options = {.sources = 1, .open_rate = 300, .seconds = 10, .head_seconds = 8, .think_ms = 50, .body_bytes = 65536,
             .rate = 200, .path = "/", .big_path = "/", .upload_path = "/"};

static const char *const kind_names[KINDS] = {"heads", "stubborn", "bodies", "reads", "honest"};
static struct figures figures[KINDS];
static SSL_CTX *context;
static int epoll, opening, held, ever_open;
static double *latencies, *connects, credit, held_seconds, token_read, full, pieces_late;
static long latency_count, connect_count, pieces;  // slow ones moved so often, so many seconds after their time in all
static char token[4096];

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void die(const char *what) { perror(what), exit(2); }

static void read_token(void) {  // tokens live for minutes: whoever runs us puts new ones into the file
  if (now() - token_read < 20) return;
  token_read = now();
  FILE *file = fopen(options.token_file, "r");
  if (!file || !fgets(token, sizeof token, file)) die(options.token_file);
  token[strcspn(token, "\r\n")] = 0;
  fclose(file);
}

static void close_connection(struct connection *c) {
  *(c->state == HANDSHAKING ? &opening : &held) -= 1;
  SSL_free(c->ssl);
  close(c->fd);
  c->ssl = NULL;
  c->state = CLOSED;
}

static void make_request(struct connection *c) {
  read_token();
  if (!c->request && !(c->request = malloc(HEAD_BYTES_MAX + ANSWER_BYTES_MAX))) die("malloc");
  c->head = c->request + HEAD_BYTES_MAX;
  char length[160] = "";
  const char *path = c->kind == READS ? options.big_path : options.path;
  if (c->kind == BODIES) {
    path = options.upload_path;
    snprintf(length, sizeof length, "Content-Type: application/octet-stream\r\nContent-Length: %ld\r\n%s",
             (long)options.body_bytes, "Content-Disposition: attachment; filename=slow.bin\r\n");
  }
  const char *format = "%s %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n%s%s";
  int bytes = snprintf(c->request, HEAD_BYTES_MAX, format, c->kind == BODIES ? "POST" : "GET", path, token, length,
                       c->kind == STUBBORN ? "X-Pad: " : "\r\n");
  if ((c->request_bytes = (size_t)bytes) >= HEAD_BYTES_MAX) die("request too long");
  c->sent = 0;
  c->allowed = c->kind == HEADS ? 1 : c->request_bytes;
  c->head_bytes = 0, c->left = -1;
  c->began = now();
  c->due = c->began + (c->kind == HEADS ? options.head_seconds / HEAD_PIECES : 1);
  c->state = SENDING;
}

static void open_connection(struct connection *c, int number) {
  int one = 1;
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (c->fd < 0) die("socket");
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
  // No TIME_WAIT: ports would run out.
  setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
  if (c->kind == READS) {
    setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &(int){4096}, sizeof(int));
  }
  if (c->kind != HONEST) {
    struct sockaddr_in source = {.sin_family = AF_INET};
    source.sin_addr.s_addr = htonl(0x7F000101U + (uint32_t)(number % (int)options.sources));
    if (bind(c->fd, (void *)&source, sizeof source)) die("bind");
  }
  struct sockaddr_in address = {AF_INET, htons((uint16_t)options.port), {htonl(INADDR_LOOPBACK)}, {0}};
  if (connect(c->fd, (void *)&address, sizeof address) && errno != EINPROGRESS) die("connect");
  if (!(c->ssl = SSL_new(context)) || !SSL_set_fd(c->ssl, c->fd)) die("SSL_new");
  SSL_set_connect_state(c->ssl);
  c->state = HANDSHAKING;
  c->requests = 0;
  c->began = now();
  c->due = c->began + 60;
  opening++;
  struct epoll_event event = {EPOLLIN | EPOLLOUT | EPOLLET | EPOLLRDHUP, {.ptr = c}};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event)) die("epoll_ctl");
}

static void opened(struct connection *c) {
  opening--, held++;
  figures[c->kind].opened++;
  ever_open += !c->was_open;
  c->was_open = true;
  if (c->kind == HONEST && connect_count < SAMPLES_MAX) connects[connect_count++] = now() - c->began;
  make_request(c);
}

// The connection is over. What that means depends on who it was and how far it came.
static void over(struct connection *c, const char *what) {
  struct figures *f = &figures[c->kind];
  long *ended = c->kind == HONEST ? &f->errors : c->state == HANDSHAKING ? &f->refused : &f->cut;
  if ((*ended)++ < (c->kind == HONEST ? 5 : 1)) {
    fprintf(stderr, "slow: %s, state %d, %s, %s, %.*s\n", kind_names[c->kind], (int)c->state, what,
            ERR_error_string(ERR_peek_error(), NULL), c->head_bytes, c->head);
  }
  ERR_clear_error();
  close_connection(c);
  c->due = now() + 1;
}

static double think(void) {  // half to one and a half of it, so that the clients do not march in step
  return options.think_ms * 1e-3 * (0.5 + drand48());
}

static void answered(struct connection *c) {
  figures[c->kind].answered++;
  if (c->kind == HONEST) {
    if (latency_count < SAMPLES_MAX) latencies[latency_count++] = now() - c->began;
    if (++c->requests == REQUESTS_EACH) {
      close_connection(c);
      c->due = now() + think();
      return;
    }
  }
  c->state = PAUSING;
  c->due = now() + (c->kind == HONEST ? think() : 0.1);
}

// What came of an answer's head; false when the connection is over.
static bool take_head(struct connection *c) {
  char *end = memmem(c->head, (size_t)c->head_bytes, "\r\n\r\n", 4);
  if (!end) {
    if (c->head_bytes == ANSWER_BYTES_MAX - 1) over(c, "answer's head too long");
    return c->ssl != NULL;
  }
  int status = atoi(c->head + 9);
  char *field = strcasestr(c->head, "\r\ncontent-length:");
  long length = field && field < end ? atol(field + 17) : 0;
  long wanted = c->kind == BODIES ? 201 : 200;
  if (status != wanted || (c->kind == HONEST && length != (long)options.file_bytes)) {
    over(c, "unexpected answer");
    return false;
  }
  c->left = length - (c->head_bytes - (end + 4 - c->head));
  return true;
}

// The next bytes to send: the head as far as it may go, then a body's filler.
static int send_some(struct connection *c) {
  static const char filler[4096];
  if (c->sent < c->request_bytes) return SSL_write(c->ssl, c->request + c->sent, (int)(c->allowed - c->sent));
  size_t count = c->allowed - c->sent;
  return SSL_write(c->ssl, c->kind == STUBBORN ? "aaaaaaaa" : filler, (int)(count < 4096 ? count : 4096));
}

static bool sent_all(const struct connection *c) {
  switch (c->kind) {
    case STUBBORN: return false;
    case BODIES: return c->sent == c->request_bytes + (size_t)options.body_bytes;
    default: return c->sent == c->request_bytes;
  }
}

static void step(struct connection *c) {
  static char sink[1 << 16];
  while (c->ssl) {
    int result = 0;
    if (c->state == HANDSHAKING) {
      result = SSL_do_handshake(c->ssl);
      if (result == 1) opened(c);
    } else if (c->state == SENDING && c->sent < c->allowed) {
      result = send_some(c);
      if (result > 0) c->sent += (size_t)result;
      if (sent_all(c)) c->state = RECEIVING;
    } else if (c->state == RECEIVING && c->kind == READS) {
      return;  // takes raw bytes when its time comes
    } else if (c->left < 0) {  // also while sending or pausing: the server may end it
      result = SSL_read(c->ssl, c->head + c->head_bytes, ANSWER_BYTES_MAX - 1 - c->head_bytes);
      if (result > 0) {
        c->head_bytes += result;
        c->head[c->head_bytes] = 0;
        if (!take_head(c)) return;
        if (c->left == 0) answered(c);
      }
    } else {
      result = SSL_read(c->ssl, sink, sizeof sink);
      if (result > 0 && c->left > 0 && (c->left -= result) <= 0) answered(c);
    }
    if (result > 0) continue;
    int error = c->ssl ? SSL_get_error(c->ssl, result) : SSL_ERROR_NONE;
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE && c->ssl) over(c, "connection lost");
    return;
  }
}

// A slow reader takes bytes as they are: it has no use for what they say.
static void read_slowly(struct connection *c) {
  char bytes[4096];
  ssize_t got = recv(c->fd, bytes, options.rate < 4096 ? (size_t)options.rate : 4096, 0);
  if (got == 0 || (got < 0 && errno != EAGAIN)) over(c, "cut off");
}

// Its time has come: one more piece, or the next request.
static void tick(struct connection *c, int number, double time) {
  bool moves = c->state == SENDING || (c->kind == READS && c->state == RECEIVING);
  if (full > 0 && moves) pieces++, pieces_late += time - c->due;
  if (c->state == CLOSED) {
    if (opening >= OPENING_MAX || (c->kind != HONEST && credit < 1)) return;
    if (c->kind != HONEST) credit--;
    open_connection(c, number);
  } else if (c->state == HANDSHAKING) {
    over(c, "the handshake took a minute");
  } else if (c->state == PAUSING) {
    make_request(c);
  } else if (c->kind == READS && c->state == RECEIVING) {
    read_slowly(c);
    c->due = time + 1;
    return;
  } else if (c->state == SENDING) {
    size_t piece = c->kind == STUBBORN ? 1 : (size_t)options.rate;
    if (c->kind == HEADS) piece = c->request_bytes / HEAD_PIECES + 1;
    size_t end = c->kind == HEADS ? c->request_bytes : c->request_bytes + (size_t)options.body_bytes;
    c->allowed = c->allowed + piece < end ? c->allowed + piece : end;
    c->due = time + (c->kind == HEADS ? options.head_seconds / HEAD_PIECES : 1);
  } else {
    if (time - c->began > 60) return over(c, "no answer for a minute");
    c->due = time + 1;
  }
  step(c);
}

static int by_size(const void *a, const void *b) {
  return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

static double percentile(double *samples, long count, double share) {
  qsort(samples, (size_t)count, sizeof *samples, by_size);
  return count ? samples[(long)((double)(count - 1) * share)] * 1e3 : 0;
}

static void make_context(void) {
  context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256");
  if (!options.authority || !options.certificate || !options.key || !options.token_file) exit(2);
  if (SSL_CTX_use_certificate_chain_file(context, options.certificate) != 1) die(options.certificate);
  if (SSL_CTX_use_PrivateKey_file(context, options.key, SSL_FILETYPE_PEM) != 1) die(options.key);
  if (SSL_CTX_load_verify_locations(context, options.authority, NULL) != 1) die(options.authority);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

static void set(const char *name, const char *value) {
  const struct { const char *name; const char **to; } texts[] = {
      {"--ca", &options.authority}, {"--cert", &options.certificate}, {"--key", &options.key},
      {"--token-file", &options.token_file}, {"--path", &options.path}, {"--big-path", &options.big_path},
      {"--upload-path", &options.upload_path}};
  const struct { const char *name; double *to; } numbers[] = {
      {"--port", &options.port}, {"--sources", &options.sources}, {"--open-rate", &options.open_rate},
      {"--seconds", &options.seconds}, {"--head-seconds", &options.head_seconds}, {"--rate", &options.rate},
      {"--body-bytes", &options.body_bytes}, {"--think-ms", &options.think_ms}, {"--file-bytes", &options.file_bytes}};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    if (!strcmp(name, texts[i].name)) return (void)(*texts[i].to = value);
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
    if (!strcmp(name, numbers[i].name)) return (void)(*numbers[i].to = atof(value));
  for (int kind = 0; kind < KINDS; kind++)
    if (!strcmp(name + 2, kind_names[kind])) return (void)(options.count[kind] = atoi(value));
  fprintf(stderr, "slow: no option %s\n", name);
  exit(2);
}

static struct connection *make_connections(int total) {
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  struct connection *connections = calloc((size_t)total, sizeof *connections);
  if (!connections) die("calloc");
  int made[KINDS] = {0};
  for (int i = 0, kind = 0; i < total; kind = (kind + 1) % KINDS) {  // the kinds take turns
    if (made[kind]++ >= options.count[kind]) continue;
    connections[i].due = kind == HONEST ? now() + drand48() : 0;
    connections[i++].kind = (enum kind)kind;
  }
  return connections;
}

static void report(double seconds, double after_full) {
  printf("{\"seconds\":%.1f,\"held\":%.0f", seconds, after_full > 0 ? held_seconds / after_full : held);
  for (int kind = 0; kind < KINDS; kind++) {
    struct figures *f = &figures[kind];
    printf(",\"%s\":{\"opened\":%ld,\"refused\":%ld,\"cut\":%ld,\"answered\":%ld,\"errors\":%ld}", kind_names[kind],
           f->opened, f->refused, f->cut, f->answered, f->errors);
  }
  printf(",\"pieces_per_second\":%.0f,\"late_ms\":%.1f", after_full > 0 ? (double)pieces / after_full : 0,
         pieces ? pieces_late / (double)pieces * 1e3 : 0);
  const double p50 = percentile(latencies, latency_count, 0.5), p99 = percentile(latencies, latency_count, 0.99);
  printf(",\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"connect_p99_ms\":%.3f}\n", p50, p99,
         percentile(connects, connect_count, 0.99));
}

int main(int count, char **arguments) {
  for (int i = 1; i + 1 < count; i += 2) set(arguments[i], arguments[i + 1]);
  make_context();
  latencies = malloc(sizeof *latencies * SAMPLES_MAX);
  connects = malloc(sizeof *connects * SAMPLES_MAX);
  int total = 0;
  for (int kind = 0; kind < KINDS; kind++) total += options.count[kind];
  struct connection *connections = make_connections(total);
  if (!latencies || !connects || (epoll = epoll_create1(EPOLL_CLOEXEC)) < 0) die("set-up");
  if (fcntl(0, F_SETFL, fcntl(0, F_GETFL) | O_NONBLOCK)) die("fcntl");
  struct epoll_event events[EVENTS_MAX];
  int next = 0, some = total < 500 ? total : total / 20;
  double began = now(), last = began, looked = 0;
  char byte;
  while (now() - began < options.seconds && read(0, &byte, 1) != 0) {
    int ready = epoll_wait(epoll, events, EVENTS_MAX, 1);
    for (int i = 0; i < ready; i++) {
      struct connection *c = events[i].data.ptr;
      // A slow reader would hear of a reset only after all that came before it.
      if (c->kind == READS && c->state == RECEIVING && events[i].events & EPOLLERR) over(c, "reset");
      if (c->state != CLOSED) step(c);
    }
    double time = now();
    credit = credit + (time - last) * options.open_rate;
    if (credit > options.open_rate) credit = options.open_rate;
    if (full > 0) held_seconds += held * (time - last);
    last = time;
    if (time - looked < (some == total ? 0.0005 : 0.001)) continue;
    looked = time;
    // Of a crowd only some, so that they do not march in step: each has its turn every 20 ms.
    for (int end = next + some; next < end; next++)
      if (connections[next % total].due <= time) tick(&connections[next % total], next % total, time);
    next %= total;
    if (full == 0 && ever_open == total) {
      full = time;
      puts("full"), fflush(stdout);
    }
  }
  report(now() - began, full > 0 ? now() - full : 0);
  return figures[HONEST].errors > 0;
}
