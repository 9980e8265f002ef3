// LD_PRELOAD: a machine whose clock is wrong by CLOCK_OFFSET_SECONDS. Civil time only; uptime, which deadlines are
// measured with, stays right, as on a real machine. Debian's libfaketime cannot do this to a program with jemalloc,
// which reads the clock before libfaketime is ready: hence the plain system call, which needs nothing.
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long offset(void) {
  const char *text = getenv("CLOCK_OFFSET_SECONDS");
  return text ? strtol(text, NULL, 10) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  int result = (int)syscall(SYS_clock_gettime, clock, now);
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += offset();
  return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  int result = (int)syscall(SYS_gettimeofday, now, zone);
  if (result == 0) now->tv_sec += offset();
  return result;
}

time_t time(time_t *target) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (target) *target = now.tv_sec;
  return now.tv_sec;
}
