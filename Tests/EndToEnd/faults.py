"""Faults of the real kernel, dealt by strace to one thread of a running appliance: the call that fails or kills."""

from __future__ import annotations

import re
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# Every call by which the engine, SQLite included, changes a disk.
SYNCS = ("fdatasync", "fsync", "syncfs")
CHANGES = ("openat", "pwrite64", "pwritev2", "rename", "unlink", "mkdir", "ftruncate", "fallocate", *SYNCS)
_ENTRY = re.compile(r"^(\d+) +(\w+)\((.*)$")


@dataclass(frozen=True)
class Call:
    """The `number`th call of `name` by a thread of the group `thread` since the recording began."""

    thread: str
    name: str
    number: int
    text: str = ""
    # No other thread had made its call of that name and number by then.
    is_first: bool = True

    def __str__(self) -> str:
        return f"{self.thread}: {self.name} {self.number} {self.text}"


def threads(pid: int) -> dict[int, str]:
    """The process's threads by id. Each has the number in which it was started, the same in every run, as its name; but
    the event loops share one: which of them gets a connection is chance."""
    found = {}
    for number, task in enumerate(sorted(Path(f"/proc/{pid}/task").iterdir(), key=lambda task: int(task.name))):
        name = (task / "comm").read_text().strip()
        found[int(task.name)] = "loop" if name.startswith("loop") else f"thread {number}"
    return found


@contextmanager
def _traced(arguments: list[str], tasks: list[int], log: Path) -> Iterator[None]:
    """strace on the tasks while the body runs. It lets go before this returns."""
    command = ["strace", "-o", str(log), *arguments, *(part for task in tasks for part in ("-p", str(task)))]
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        assert child.stderr is not None
        for _ in tasks:
            line = child.stderr.readline()
            assert "attached" in line, f"{' '.join(command)} ended with status {child.wait()}: {line}"
        yield
    finally:
        child.terminate()
        child.communicate(timeout=10)


@contextmanager
def recorded(pid: int, log: Path) -> Iterator[list[Call]]:
    """The calls that changed something while the body ran; filled at its end."""
    groups = threads(pid)
    calls: list[Call] = []
    with _traced(["-f", f"--trace={','.join(CHANGES)}"], [pid], log):
        yield calls
    counts: Counter[tuple[int, str]] = Counter()
    for line in log.read_text(errors="replace").splitlines():
        if not (entry := _ENTRY.match(line)):
            continue
        task, name, text = int(entry[1]), entry[2], entry[3]
        counts[task, name] += 1
        if name == "openat" and "O_CREAT" not in text and "O_TRUNC" not in text:
            continue
        thread, number = groups.get(task, "?"), counts[task, name]
        is_first = all((call.name, call.number) != (name, number) for call in calls if call.thread != "loop")
        calls.append(Call(thread, name, number, text[:90], is_first))


@contextmanager
def dealt(pid: int, call: Call, what: str, log: Path) -> Iterator[None]:
    """Deals a fault (`error=EIO`, `signal=SIGKILL`) at that call, counted from here on. Which of the threads for syncs
    of large documents takes one is chance: where the first thread to come there is meant, it may be any."""
    groups = threads(pid)
    tasks = [task for task, group in groups.items() if group == call.thread]
    if call.is_first and call.thread != "loop":
        tasks = [task for task, group in groups.items() if group != "loop"]
    inject = f"inject={call.name}:{what}:when={call.number}"
    with _traced([f"--trace={call.name}", "-e", inject], tasks, log):
        yield


@contextmanager
def dealt_to(pid: int, file: Path, name: str, what: str, log: Path) -> Iterator[None]:
    """Deals a fault in the next call of `name` on that file, whichever thread makes it."""
    with _traced(["-f", "-P", str(file), f"--trace={name}", "-e", f"inject={name}:{what}:when=1"], [pid], log):
        yield


def was_dealt(log: Path) -> bool:
    return "INJECTED" in log.read_text(errors="replace")


def until(what: str, is_so: object, seconds: float = 10) -> None:
    """Polls until it is so."""
    assert callable(is_so)
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.02)
