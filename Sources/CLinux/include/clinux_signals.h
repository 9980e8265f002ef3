#pragma once
// Signals as a file descriptor. Blocks SIGTERM, SIGINT and SIGHUP for the calling thread and those it starts later.
int clinux_block_signals(void);  // the signalfd, or -1 with errno
int clinux_read_signal(int fd);  // blocks; the signal's number, or -1
