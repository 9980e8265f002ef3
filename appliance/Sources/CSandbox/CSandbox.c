#define _GNU_SOURCE
#include "CSandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// The same numbers on every processor (Documentation/userspace-api/landlock.rst).
#define CREATE_RULESET 444
#define ADD_RULE 445
#define RESTRICT_SELF 446
#define VERSION_FLAG 1u
#define RULE_PATH_BENEATH 1

#define FS_EXECUTE (1ull << 0)
#define FS_WRITE_FILE (1ull << 1)
#define FS_READ_FILE (1ull << 2)
#define FS_READ_DIR (1ull << 3)
#define FS_VERSION_1 ((1ull << 13) - 1)
#define FS_REFER (1ull << 13)      // version 2: rename and link between directories
#define FS_TRUNCATE (1ull << 14)   // version 3
#define FS_IOCTL_DEV (1ull << 15)  // version 5
#define NET_CONNECT_TCP (1ull << 1)  // version 4
// What may be allowed for a file; the others are about directories.
#define FS_OF_FILES (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)

struct ruleset {
  uint64_t files, network;
};

struct path_beneath {
  uint64_t allowed;
  int32_t parent;
} __attribute__((packed));

static uint64_t rights(int version) {
  uint64_t all = FS_VERSION_1;
  if (version >= 2) all |= FS_REFER;
  if (version >= 3) all |= FS_TRUNCATE;
  if (version >= 5) all |= FS_IOCTL_DEV;
  return all;
}

int artstore_landlock_version(void) {
  long version = syscall(CREATE_RULESET, NULL, 0, VERSION_FLAG);
  return version < 0 ? 0 : (int)version;
}

int artstore_landlock_new(int version) {
  struct ruleset all = {.files = rights(version), .network = version >= 4 ? NET_CONNECT_TCP : 0};
  // Kernels before version 4 do not know the second member.
  return (int)syscall(CREATE_RULESET, &all, version >= 4 ? sizeof all : sizeof all.files, 0);
}

int artstore_landlock_allow(int rules, int version, const char *path, int writable) {
  int fd = open(path, O_PATH | O_CLOEXEC);
  if (fd < 0) return -1;
  struct stat status;
  int failed = fstat(fd, &status);
  if (!failed) {
    uint64_t allowed = (FS_READ_FILE | FS_READ_DIR) | (writable ? rights(version) & ~(FS_EXECUTE | FS_IOCTL_DEV) : 0);
    if (!S_ISDIR(status.st_mode)) allowed &= FS_OF_FILES;
    struct path_beneath rule = {.allowed = allowed, .parent = fd};
    failed = (int)syscall(ADD_RULE, rules, RULE_PATH_BENEATH, &rule, 0);
  }
  int reason = errno;
  close(fd);
  errno = reason;
  return failed;
}

int artstore_landlock_enforce(int rules) {
  int failed = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscall(RESTRICT_SELF, rules, 0);
  int reason = errno;
  close(rules);
  errno = reason;
  return failed ? -1 : 0;
}
