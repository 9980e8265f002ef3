#define _GNU_SOURCE
#include "clinux_loop.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

__thread void *clinux_loop_of_thread;

int clinux_epoll_create(void) { return epoll_create1(EPOLL_CLOEXEC); }

int clinux_epoll_control(int epoll, int operation, int fd, uint32_t events, uint64_t token) {
  struct epoll_event event = {.events = events, .data.u64 = token};
  return epoll_ctl(epoll, operation, fd, &event);
}

int clinux_eventfd_create(void) { return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); }

int64_t clinux_monotonic_nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void clinux_name_thread(const char *name) { pthread_setname_np(pthread_self(), name); }

int clinux_listen(struct sockaddr_storage *address, socklen_t *length, int backlog, int shared) {
  int fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
  if (fd < 0) return -1;
  if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) ||
      (shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on)) ||
      bind(fd, (struct sockaddr *)address, *length) || listen(fd, backlog))
    goto failed;
  *length = sizeof *address;
  if (getsockname(fd, (struct sockaddr *)address, length)) goto failed;
  return fd;
failed:;
  int reason = errno;
  close(fd);
  errno = reason;
  return -1;
}

int clinux_adopt_listener(int fd, struct sockaddr_storage *address) {
  int listens = 0, type = 0;
  socklen_t size = sizeof listens, length = sizeof *address;
  if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) ||
      (size = sizeof type, getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size)) ||
      getsockname(fd, (struct sockaddr *)address, &length))
    return -1;
  if (!listens || type != SOCK_STREAM || (address->ss_family != AF_INET && address->ss_family != AF_INET6)) {
    errno = EINVAL;
    return -1;
  }
  return fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) || fcntl(fd, F_SETFD, FD_CLOEXEC) ? -1 : 0;
}

int clinux_duplicate(int fd) { return fcntl(fd, F_DUPFD_CLOEXEC, 3); }

int clinux_accept(int listener, struct sockaddr_storage *address, socklen_t *length) {
  *length = sizeof *address;
  int fd = accept4(listener, (struct sockaddr *)address, length, SOCK_NONBLOCK | SOCK_CLOEXEC), on = 1;
  if (fd >= 0) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

ssize_t clinux_send(int fd, const void *bytes, size_t count) { return send(fd, bytes, count, MSG_NOSIGNAL); }

ssize_t clinux_receive(int fd, void *bytes, size_t count) { return recv(fd, bytes, count, 0); }

int clinux_shutdown_write(int fd) { return shutdown(fd, SHUT_WR); }

ssize_t clinux_pread_cached(int fd, void *bytes, size_t count, int64_t offset) {
  struct iovec part = {.iov_base = bytes, .iov_len = count};
  return preadv2(fd, &part, 1, offset, RWF_NOWAIT);
}
