#pragma once
// Signals as bytes in a pipe. A handler catches SIGTERM, SIGINT and SIGHUP whichever thread they reach, so it does not
// matter which threads run already. One catcher a process.
int clinux_catch_signals(void);         // the end to read from, or -1 with errno (EALREADY: caught already)
int clinux_read_signal(int descriptor);  // blocks; the signal's number, or -1 after clinux_release_signals
void clinux_release_signals(void);      // default actions again
