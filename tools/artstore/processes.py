"""Child processes that never outlive us: each in its own session, ended by its pid, killed by the kernel if we die."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class ProcessFailed(RuntimeError):
    """A program ended when it should not have, or did not get ready in time."""


class Process:
    """One running program with its output in a file."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        log: Path,
        environment: Mapping[str, str] | None = None,
        user: str | None = None,
        death_signal: signal.Signals = signal.SIGTERM,
        descriptors: Sequence[int] = (),
    ) -> None:
        self.name = name
        self.command = [str(part) for part in command]
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        env = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LANG": "C.UTF-8", **(environment or {})}
        account = pwd.getpwnam(user) if user else None
        parent = os.getpid()

        def before_exec() -> None:
            _libc.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
            if os.getppid() != parent:
                os._exit(127)

        with log.open("ab") as output:
            self._child = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=env,
                cwd="/",
                start_new_session=True,
                user=account.pw_uid if account else None,
                group=account.pw_gid if account else None,
                extra_groups=[] if account else None,
                preexec_fn=before_exec,
                pass_fds=tuple(descriptors),
            )

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def exit_status(self) -> int | None:
        return self._child.poll()

    def output(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def wait_until(self, ready: Callable[[], bool], what: str, seconds: float = 60) -> None:
        """Polls `ready`; fails at once if the program ends, with the end of its output."""
        deadline = time.monotonic() + seconds
        while not ready():
            if self.exit_status is not None:
                raise ProcessFailed(f"{self.name} ended with status {self.exit_status} before {what}:\n{self.tail()}")
            if time.monotonic() > deadline:
                raise ProcessFailed(f"{self.name} was not ready in {seconds:.0f} s ({what}):\n{self.tail()}")
            time.sleep(0.01)

    def tail(self, lines: int = 15) -> str:
        return "\n".join(self.output().splitlines()[-lines:])

    def send(self, number: signal.Signals) -> None:
        if self.exit_status is None:
            self._child.send_signal(number)

    def kill(self) -> None:
        """SIGKILL: the program gets no chance to tidy up."""
        self.send(signal.SIGKILL)
        self._child.wait()

    def stop(self, number: signal.Signals = signal.SIGTERM, seconds: float = 20) -> int:
        """Asks the program to end, and makes it end if it has not in time. Returns its exit status."""
        self.send(number)
        try:
            return self._child.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.send(signal.SIGKILL)
            return self._child.wait()


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Turns SIGTERM and SIGHUP into the KeyboardInterrupt that Ctrl-C is, so that clean-up always runs; SIGINT as well,
    for a shell starts what it puts into the background with SIGINT ignored."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    previous = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
