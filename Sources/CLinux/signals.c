#define _GNU_SOURCE
#include "clinux_signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

static const int caught[] = {SIGTERM, SIGINT, SIGHUP};
static volatile int write_end = -1;

static void handle(int number) {
  int saved = errno;
  unsigned char byte = (unsigned char)number;
  // A full pipe holds more requests than anybody will make; write() may be called in a handler (signal-safety(7)).
  if (write(write_end, &byte, 1) < 0) errno = saved;
  errno = saved;
}

static void set_all(void (*action)(int)) {
  struct sigaction settings = {.sa_handler = action, .sa_flags = SA_RESTART};
  sigemptyset(&settings.sa_mask);
  for (unsigned i = 0; i < sizeof caught / sizeof *caught; i++) sigaction(caught[i], &settings, 0);
}

int clinux_catch_signals(void) {
  if (write_end >= 0) {
    errno = EALREADY;
    return -1;
  }
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return -1;
  fcntl(ends[1], F_SETFL, O_NONBLOCK);
  write_end = ends[1];
  set_all(handle);
  return ends[0];
}

int clinux_read_signal(int descriptor) {
  unsigned char byte;
  for (;;) {
    ssize_t count = read(descriptor, &byte, 1);
    if (count == 1) return byte;
    if (count < 0 && errno == EINTR) continue;
    close(descriptor);
    return -1;
  }
}

void clinux_release_signals(void) {
  if (write_end < 0) return;
  set_all(SIG_DFL);
  close(write_end);
  write_end = -1;
}
