#pragma once
// libseccomp for Swift: its variadic calls and macros wrapped. Functions return 0 or a negative errno, as its own do.
#include <errno.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <sys/prctl.h>

// A filter that lets everything pass; NULL when memory is out.
static inline scmp_filter_ctx artstore_filter_new(void) { return seccomp_init(SCMP_ACT_ALLOW); }

// 0, or -ENOENT for a name that this library does not know. A call that this processor's Linux lacks needs no rule.
static inline int artstore_filter_deny(scmp_filter_ctx filter, const char *name, int error) {
  int number = seccomp_syscall_resolve_name(name);
  if (number == __NR_SCMP_ERROR) return -ENOENT;
  return number < 0 ? 0 : seccomp_rule_add(filter, SCMP_ACT_ERRNO(error), number, 0);
}

// New threads may be made, new processes not. The flags of clone3 lie in memory, where a filter cannot look: it is said
// to be missing, and the C library uses clone.
static inline int artstore_filter_deny_processes(scmp_filter_ctx filter) {
  int failed = artstore_filter_deny(filter, "clone3", ENOSYS);
  if (!failed) failed = artstore_filter_deny(filter, "fork", EPERM);
  if (!failed) failed = artstore_filter_deny(filter, "vfork", EPERM);
  if (failed) return failed;
  return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
                          SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
}

// Puts the filter in force, for the calling thread and those it makes, or for every thread of the process.
static inline int artstore_filter_load(scmp_filter_ctx filter, int every_thread) {
  int failed = every_thread ? seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1) : 0;
  return failed ? failed : seccomp_load(filter);
}

static inline int artstore_has_seccomp(void) { return prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0 || errno != EINVAL; }
