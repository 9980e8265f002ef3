#define _GNU_SOURCE
#include "CDisk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

// MARK: CRC-32C

#define POLYNOMIAL 0x82F63B78u

static uint32_t table[8][256];
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static void make_table(void) {
  for (uint32_t n = 0; n < 256; n++) {
    uint32_t crc = n;
    for (int bit = 0; bit < 8; bit++) crc = (crc & 1) ? (crc >> 1) ^ POLYNOMIAL : crc >> 1;
    table[0][n] = crc;
  }
  for (uint32_t n = 0; n < 256; n++)
    for (int slice = 1; slice < 8; slice++)
      table[slice][n] = (table[slice - 1][n] >> 8) ^ table[0][table[slice - 1][n] & 0xFF];
}

uint32_t artstore_crc32c_portable(uint32_t crc, const void *bytes, size_t count) {
  pthread_once(&table_once, make_table);
  const uint8_t *p = bytes;
  crc = ~crc;
  while (count >= 8) {
    crc ^= (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    crc = table[7][crc & 0xFF] ^ table[6][(crc >> 8) & 0xFF] ^ table[5][(crc >> 16) & 0xFF] ^ table[4][crc >> 24] ^
          table[3][p[4]] ^ table[2][p[5]] ^ table[1][p[6]] ^ table[0][p[7]];
    p += 8;
    count -= 8;
  }
  while (count-- > 0) crc = (crc >> 8) ^ table[0][(crc ^ *p++) & 0xFF];
  return ~crc;
}

#if defined(__x86_64__)
#include <nmmintrin.h>

__attribute__((target("sse4.2"))) static uint32_t crc32c_hardware(uint32_t crc, const void *bytes, size_t count) {
  const uint8_t *p = bytes;
  uint64_t value = ~crc;
  while (count >= 8) {
    uint64_t word;
    memcpy(&word, p, 8);
    value = _mm_crc32_u64(value, word);
    p += 8;
    count -= 8;
  }
  while (count-- > 0) value = _mm_crc32_u8((uint32_t)value, *p++);
  return ~(uint32_t)value;
}

// The instruction takes three cycles and can begin one each cycle: four quarters at once cost little more than one.
__attribute__((target("sse4.2"))) static void crc32c_quarters(const uint8_t *p, size_t quarter, uint32_t *sums) {
  uint64_t a = ~0u, b = ~0u, c = ~0u, d = ~0u;
  for (size_t at = 0; at < quarter; at += 8) {
    uint64_t words[4];
    for (int i = 0; i < 4; i++) memcpy(words + i, p + (size_t)i * quarter + at, 8);
    a = _mm_crc32_u64(a, words[0]);
    b = _mm_crc32_u64(b, words[1]);
    c = _mm_crc32_u64(c, words[2]);
    d = _mm_crc32_u64(d, words[3]);
  }
  sums[0] = ~(uint32_t)a;
  sums[1] = ~(uint32_t)b;
  sums[2] = ~(uint32_t)c;
  sums[3] = ~(uint32_t)d;
}

static int has_crc32c(void) { return __builtin_cpu_supports("sse4.2"); }

uint32_t artstore_crc32c(uint32_t crc, const void *bytes, size_t count) {
  if (__builtin_cpu_supports("sse4.2")) return crc32c_hardware(crc, bytes, count);
  return artstore_crc32c_portable(crc, bytes, count);
}
#else
static void crc32c_quarters(const uint8_t *p, size_t quarter, uint32_t *sums) {}

static int has_crc32c(void) { return 0; }

uint32_t artstore_crc32c(uint32_t crc, const void *bytes, size_t count) {
  return artstore_crc32c_portable(crc, bytes, count);
}
#endif

uint32_t artstore_block_sum(const void *bytes, size_t count) {
  const size_t quarter = ARTSTORE_BLOCK_BYTES / 4;
  const uint8_t *p = bytes;
  uint32_t sums[4] = {0, 0, 0, 0};
  if (count == ARTSTORE_BLOCK_BYTES && has_crc32c()) {
    crc32c_quarters(p, quarter, sums);
  } else {
    for (size_t at = 0, i = 0; at < count && i < 4; at += quarter, i++)
      sums[i] = artstore_crc32c(0, p + at, count - at < quarter ? count - at : quarter);
  }
  uint8_t joined[16];
  for (int i = 0; i < 16; i++) joined[i] = (uint8_t)(sums[i / 4] >> (i % 4 * 8));
  return artstore_crc32c(0, joined, sizeof joined);
}

// MARK: Linux

int artstore_syncfs(int descriptor) { return syncfs(descriptor); }

int artstore_allocate(int descriptor, int64_t count, int keep_size) {
  return fallocate(descriptor, keep_size ? FALLOC_FL_KEEP_SIZE : 0, 0, count);
}

int artstore_start_writeback(int descriptor, int64_t offset, int64_t count) {
  return sync_file_range(descriptor, offset, count, SYNC_FILE_RANGE_WRITE);
}

int artstore_drop_range(int descriptor, int64_t offset, int64_t count) {
  int status = posix_fadvise(descriptor, offset, count, POSIX_FADV_DONTNEED);
  if (status == 0) return 0;
  errno = status;
  return -1;
}

int artstore_drop_cache(int descriptor) { return artstore_drop_range(descriptor, 0, 0); }

// Linux 6.14; the C library of the build may not know it.
#ifndef RWF_DONTCACHE
#define RWF_DONTCACHE 0x00000080
#endif

// What every device takes without the kernel's copying it.
static bool are_whole_pages(const struct iovec *pieces, int count, int64_t offset) {
  enum { PAGE = 4096 };
  uintptr_t bits = (uintptr_t)offset;
  for (int i = 0; i < count; i++) bits |= (uintptr_t)pieces[i].iov_base | pieces[i].iov_len;
  return bits % PAGE == 0;
}

int artstore_write_direct(int descriptor, const struct iovec *pieces, int count, int64_t offset, int64_t *written) {
  *written = 0;
  if (count > IOV_MAX || !are_whole_pages(pieces, count, offset)) return 0;
  int flags = fcntl(descriptor, F_GETFL);
  if (flags < 0 || fcntl(descriptor, F_SETFL, flags | O_DIRECT) != 0) return -1;
  ssize_t status;
  do status = pwritev(descriptor, pieces, count, offset);
  while (status < 0 && errno == EINTR);
  int reason = errno;
  if (fcntl(descriptor, F_SETFL, flags) != 0) return -1;
  if (status >= 0) *written = status;
  errno = reason;
  return status < 0 ? -1 : 0;
}

int artstore_write_pieces(int descriptor, struct iovec *pieces, int count, int64_t offset, int *uncached) {
  enum { PIECES_MAX = 1024 };
  while (count > 0) {
    int some = count < PIECES_MAX ? count : PIECES_MAX;
    ssize_t written = pwritev2(descriptor, pieces, some, offset, *uncached ? RWF_DONTCACHE : 0);
    if (written < 0) {
      if (errno == EINTR) continue;
      // What a file system says that does not know it, and a kernel that does not.
      if (!*uncached || (errno != EOPNOTSUPP && errno != EINVAL)) return -1;
      *uncached = 0;
      continue;
    }
    offset += written;
    while (count > 0 && (size_t)written >= pieces->iov_len) {
      written -= (ssize_t)pieces->iov_len;
      pieces++;
      count--;
    }
    if (count > 0) {
      pieces->iov_base = (char *)pieces->iov_base + written;
      pieces->iov_len -= (size_t)written;
    }
  }
  return 0;
}

int artstore_open(const char *path, int flags, unsigned int mode) { return open(path, flags | O_CLOEXEC, mode); }

int artstore_lock(int descriptor) { return flock(descriptor, LOCK_EX | LOCK_NB); }

int artstore_fill_zeros(int descriptor, int64_t count) {
  enum { CHUNK = 1 << 20, ALIGNMENT = 4096 };
  void *zeros;
  if (posix_memalign(&zeros, ALIGNMENT, CHUNK) != 0) {
    errno = ENOMEM;
    return -1;
  }
  memset(zeros, 0, CHUNK);
  int flags = fcntl(descriptor, F_GETFL);
  bool is_direct = flags >= 0 && fcntl(descriptor, F_SETFL, flags | O_DIRECT) == 0;
  int reason = 0;
  for (int64_t done = 0; done < count && reason == 0;) {
    int64_t left = count - done;
    if (is_direct && left % ALIGNMENT != 0 && left < CHUNK) is_direct = fcntl(descriptor, F_SETFL, flags) != 0;
    ssize_t written = pwrite(descriptor, zeros, (size_t)(left < CHUNK ? left : CHUNK), done);
    if (written >= 0) done += written;
    // A file system, or its device, that wants another alignment or has no direct way at all.
    else if (errno == EINVAL && is_direct) is_direct = fcntl(descriptor, F_SETFL, flags) != 0;
    else if (errno != EINTR) reason = errno;
  }
  if (is_direct && fcntl(descriptor, F_SETFL, flags) != 0 && reason == 0) reason = errno;
  free(zeros);
  if (reason == 0) return 0;
  errno = reason;
  return -1;
}

int artstore_put(int directory, const char *name, const void *bytes, size_t count, int *is_open) {
  int descriptor;
  do descriptor = openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
  while (descriptor < 0 && errno == EINTR);
  *is_open = descriptor >= 0;
  if (descriptor < 0) return -1;
  int reason = 0;
  for (size_t done = 0; done < count && reason == 0;) {
    ssize_t written = pwrite(descriptor, (const char *)bytes + done, count - done, (off_t)done);
    if (written >= 0) done += (size_t)written;
    else if (errno != EINTR) reason = errno;
  }
  close(descriptor);
  if (reason == 0) return 0;
  errno = reason;
  return -1;
}

// MARK: Threads

struct start {
  artstore_thread_body body;
  void *context;
};

static void *run(void *raw) {
  struct start start = *(struct start *)raw;
  free(raw);
  start.body(start.context);
  return NULL;
}

int artstore_thread_start(unsigned long *thread, const char *name, artstore_thread_body body, void *context) {
  struct start *start = malloc(sizeof *start);
  if (start == NULL) return ENOMEM;
  start->body = body;
  start->context = context;
  pthread_t id;
  int status = pthread_create(&id, NULL, run, start);
  if (status != 0) {
    free(start);
    return status;
  }
  pthread_setname_np(id, name);
  *thread = (unsigned long)id;
  return 0;
}

int artstore_thread_join(unsigned long thread) { return pthread_join((pthread_t)thread, NULL); }
