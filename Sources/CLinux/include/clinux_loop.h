#pragma once
// What the event loop and its sockets need of Linux. Functions return -1 with errno on failure, like the calls they
// wrap.
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

// The loop that runs on this thread, or null.
extern __thread void *clinux_loop_of_thread;
static inline void *clinux_current_loop(void) { return clinux_loop_of_thread; }
static inline void clinux_set_current_loop(void *loop) { clinux_loop_of_thread = loop; }

static inline int clinux_errno(void) { return errno; }

int clinux_epoll_create(void);
int clinux_epoll_control(int epoll, int operation, int fd, uint32_t events, uint64_t token);
static inline uint32_t clinux_event_bits(const struct epoll_event *event) { return event->events; }
static inline uint64_t clinux_event_token(const struct epoll_event *event) { return event->data.u64; }

int clinux_eventfd_create(void);
static inline void clinux_eventfd_raise(int fd) { (void)eventfd_write(fd, 1); }
static inline void clinux_eventfd_clear(int fd) {
  eventfd_t value;
  (void)eventfd_read(fd, &value);
}

int64_t clinux_monotonic_nanoseconds(void);
void clinux_name_thread(const char *name);

// A non-blocking, listening TCP socket; `address` is read and then holds what was bound. `shared`: with SO_REUSEPORT,
// so that several sockets may listen on one address.
int clinux_listen(struct sockaddr_storage *address, socklen_t *length, int backlog, int shared);
// Makes an inherited listening TCP socket non-blocking and close-on-exec; fills in where it is bound. EINVAL for
// anything else.
int clinux_adopt_listener(int fd, struct sockaddr_storage *address);
int clinux_duplicate(int fd);
// One connection, non-blocking, without Nagle's delay.
int clinux_accept(int listener, struct sockaddr_storage *address, socklen_t *length);
ssize_t clinux_send(int fd, const void *bytes, size_t count);
ssize_t clinux_receive(int fd, void *bytes, size_t count);
int clinux_shutdown_write(int fd);
// Reads only what lies in the page cache: EAGAIN when the disk would have to be asked, EOPNOTSUPP where that cannot be
// told.
ssize_t clinux_pread_cached(int fd, void *bytes, size_t count, int64_t offset);
