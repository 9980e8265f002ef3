#pragma once
// Landlock (landlock(7)): which files a thread and the threads it makes may still open. The C library has no wrappers,
// and Debian 12's kernel headers end at version 2, so the numbers of the kernel's ABI stand in CSandbox.c.

// The kernel's landlock version, 1 and up; 0 when it has none or it is switched off.
int artstore_landlock_version(void);
// A rule set that refuses everything that `version` can refuse, and TCP connections from version 4 on; a descriptor, or
// -1 with errno.
int artstore_landlock_new(int version);
// Lets what lies at `path` and below be read and, with `writable`, changed. 0, or -1 with errno (ENOENT: no such path).
int artstore_landlock_allow(int rules, int version, const char *path, int writable);
// Puts the rules in force for the calling thread and all that it makes from now on, and closes them.
int artstore_landlock_enforce(int rules);
