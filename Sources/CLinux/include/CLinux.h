#pragma once
// Linux calls that Swift's Glibc module does not show. _GNU_SOURCE is defined in CLinux.c only.
#include "clinux_loop.h"
#include "clinux_signals.h"
