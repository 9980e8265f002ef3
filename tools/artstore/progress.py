"""Steps on the terminal: what is being done, how far it is, how long it took."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from typing import TextIO


class Step:
    """One step being carried out. `status` may be set at any time; it is shown once the step takes over two seconds."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.status = ""
        self.result = ""
        self.began = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began


class Report:
    """Prints a line for each step; on a terminal the running step is redrawn, elsewhere it is repeated now and then."""

    def __init__(self, out: TextIO = sys.stdout, quiet_seconds: float = 2.0, log_interval: float = 15.0) -> None:
        self._out = out
        self._lock = threading.Lock()
        self._quiet_seconds = quiet_seconds
        self._log_interval = log_interval
        self._interactive = out.isatty()

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Shows progress while the body runs, then one line with the time; a failure is shown as such and passed on."""
        step = Step(title)
        done = threading.Event()
        ticker = threading.Thread(target=self._tick, args=(step, done), daemon=True)
        ticker.start()
        mark = "✘"
        try:
            yield step
            mark = "✔"
        finally:
            done.set()
            ticker.join()
            self._final(f"{mark} {title}{': ' + step.result if step.result else ''}  [{duration(step.seconds)}]")

    def line(self, text: str = "") -> None:
        with self._lock:
            print(text, file=self._out, flush=True)

    def _tick(self, step: Step, done: threading.Event) -> None:
        wait = self._quiet_seconds
        while not done.wait(wait):
            text = f"… {step.title}{': ' + step.status if step.status else ''}  [{duration(step.seconds)}]"
            if self._interactive:
                with self._lock:
                    self._out.write("\r\x1b[K" + text[:118])
                    self._out.flush()
                wait = 0.25
            else:
                self.line(text)
                wait = self._log_interval

    def _final(self, text: str) -> None:
        with self._lock:
            self._out.write(("\r\x1b[K" if self._interactive else "") + text + "\n")
            self._out.flush()


def duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"


def size(count: int) -> str:
    """Bytes for people: 1.5 MiB."""
    value = float(count)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if value < 1024 or unit == "GiB":
            return f"{count} bytes" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1024
    raise AssertionError("unreachable")
