#pragma once
// What the storage engine needs from Linux and the processor that Swift cannot reach by itself.
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/// CRC-32C (Castagnoli, RFC 3720 appendix B.4) of `count` bytes, continuing from `crc` (0 to begin).
uint32_t artstore_crc32c(uint32_t crc, const void *bytes, size_t count);

/// What `artstore_block_sum` takes at most.
#define ARTSTORE_BLOCK_BYTES 16384

/// The CRC-32C of the four CRC-32Cs (little-endian) of a block's quarters, each of 4096 bytes at most; a short block's
/// missing quarters count as 0.
uint32_t artstore_block_sum(const void *bytes, size_t count);

/// The same by table only, so that tests can compare both ways.
uint32_t artstore_crc32c_portable(uint32_t crc, const void *bytes, size_t count);

/// syncfs(2) on the file system of `descriptor`. 0, or -1 with errno.
int artstore_syncfs(int descriptor);

/// fallocate(2) of the first `count` bytes; `keep_size` leaves the length as it is. 0, or -1 with errno.
int artstore_allocate(int descriptor, int64_t count, int keep_size);

/// Starts writing out dirty pages of a range without waiting: sync_file_range(2). 0, or -1 with errno.
int artstore_start_writeback(int descriptor, int64_t offset, int64_t count);

/// Drops clean pages of the whole file from the page cache: posix_fadvise(2). 0, or -1 with errno.
int artstore_drop_cache(int descriptor);

/// The same of a range.
int artstore_drop_range(int descriptor, int64_t offset, int64_t count);

/// Writes whole pages of memory at a whole page's offset straight from there (O_DIRECT): `written` is how many bytes, 0
/// where memory, lengths or offset are not such. 0, or -1 with errno, which is EINVAL or EOPNOTSUPP where it is not to
/// be had. Nobody else may write by this descriptor meanwhile.
int artstore_write_direct(int descriptor, const struct iovec *pieces, int count, int64_t offset, int64_t *written);

/// Writes all the pieces, which it changes, one after the other from `offset`: pwritev2(2). While `*uncached` is 1,
/// past what the page cache keeps (RWF_DONTCACHE); it becomes 0 where that is not to be had. 0, or -1 with errno.
int artstore_write_pieces(int descriptor, struct iovec *pieces, int count, int64_t offset, int *uncached);

/// openat(2) with O_CLOEXEC. The descriptor, or -1 with errno.
int artstore_open(const char *path, int flags, unsigned int mode);

/// Writes `count` zeros from the file's beginning, past the page cache where the file system lets it. 0, or -1 with
/// errno.
int artstore_fill_zeros(int descriptor, int64_t count);

/// Writes the file `name` in an open directory, made (0600) or cut to nothing: openat(2), pwrite(2), close(2). 0, or -1
/// with errno; `is_open` says whether opening went well.
int artstore_put(int directory, const char *name, const void *bytes, size_t count, int *is_open);

/// flock(2), exclusive, without waiting. 0, or -1 with errno.
int artstore_lock(int descriptor);

typedef void (*artstore_thread_body)(void *context);

/// Starts a detached-from-nothing, joinable thread with a name (≤ 15 bytes). 0, or an error number.
int artstore_thread_start(unsigned long *thread, const char *name, artstore_thread_body body, void *context);

/// Waits for the thread's end. 0, or an error number.
int artstore_thread_join(unsigned long thread);
