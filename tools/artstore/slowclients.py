"""Slow clients and honest ones beside them: Tests/Benchmarks/slow.c, built, run and read."""

from __future__ import annotations

import json
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from . import paths
from .certificates import KeyPair
from .processes import ProcessFailed

SOURCE = paths.ROOT / "Tests/Benchmarks/slow.c"
# A prefix for clients whose machine is in truth another one: they never take a core from whom they are held against.
IDLE = ("chrt", "--idle", "0")


@dataclass(frozen=True)
class Honest:
    """What the honest clients saw."""

    requests: int
    errors: int
    p50_ms: float
    p99_ms: float
    connect_p99_ms: float


@dataclass(frozen=True)
class Slow:
    """What became of the slow ones: `held` connections on average once all were there; how many pieces they moved
    each second and how late these came on average; by kind what came of them."""

    held: float
    pieces_per_second: float
    late_ms: float
    opened: int
    refused: int
    cut: dict[str, int]
    answered: dict[str, int]


@dataclass(frozen=True)
class Aim:
    """Whom the clients talk to, as whom, and what they ask for."""

    port: int
    authority: Path
    client: KeyPair
    token_file: Path
    path: str
    file_bytes: int
    big_path: str = "/"
    upload_path: str = "/api/v1/files/upload"

    def arguments(self) -> list[str]:
        given = {
            "port": self.port,
            "ca": self.authority,
            "cert": self.client.certificate,
            "key": self.client.key,
            "token-file": self.token_file,
            "path": self.path,
            "file-bytes": self.file_bytes,
            "big-path": self.big_path,
            "upload-path": self.upload_path,
        }
        return [text for name, value in given.items() for text in (f"--{name}", str(value))]


def write_token(path: Path, token: str) -> None:
    """Puts a new token in the place of an old one at once: a client may be reading."""
    beside = path.with_suffix(".new")
    beside.touch(mode=0o600)
    beside.write_text(token)
    beside.rename(path)


def build(folder: Path) -> Path:
    """The program; clang comes with the Swift toolchain."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "slow"
    command = ["clang", "-O2", "-Wall", "-Wextra", "-Werror", "-o", str(program), str(SOURCE), "-lssl", "-lcrypto"]
    subprocess.run(command, check=True)
    return program


class Clients:
    """A running crowd. It ends when its input does: with us at the latest."""

    def __init__(
        self, program: Path, aim: Aim, options: dict[str, float], log: Path, prefix: tuple[str, ...] = ()
    ) -> None:
        self._log = log
        command = [str(program), *aim.arguments()]
        command += [text for name, value in options.items() for text in (f"--{name}", str(value))]
        self._output = log.open("w")
        self._child = subprocess.Popen(
            [*prefix, *command],
            stdin=subprocess.PIPE,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            cwd=os.sep,
        )

    def wait_until_full(self, seconds: float) -> None:
        """Until every one of them is connected."""
        deadline = time.monotonic() + seconds
        while "full\n" not in self._log.read_text():
            if self._child.poll() is not None or time.monotonic() > deadline:
                raise ProcessFailed(
                    f"not all clients got connected in {seconds:.0f} s:\n{self._log.read_text()[-2000:]}"
                )
            time.sleep(0.05)

    def leave_idle_priority(self) -> None:
        """What was started with `IDLE` runs on with everybody else's cores, nice as it may be."""
        os.sched_setscheduler(self._child.pid, os.SCHED_OTHER, os.sched_param(0))
        os.setpriority(os.PRIO_PROCESS, self._child.pid, 19)

    def is_running(self) -> bool:
        return self._child.poll() is None

    def end(self) -> dict[str, object]:
        """Ends them if they have not ended, and answers their figures."""
        assert self._child.stdin is not None
        self._child.stdin.close()
        self._child.wait(timeout=60)
        self._output.close()
        lines = self._log.read_text().splitlines()
        if not lines or not lines[-1].startswith("{"):
            raise ProcessFailed(f"the clients gave no figures:\n{self._log.read_text()[-2000:]}")
        figures: dict[str, object] = json.loads(lines[-1])
        return figures

    def end_slow(self) -> Slow:
        figures = self.end()
        kinds = {name: dict(figures[name]) for name in ("heads", "stubborn", "bodies", "reads")}  # type: ignore[call-overload]
        return Slow(
            held=float(str(figures["held"])),
            pieces_per_second=float(str(figures["pieces_per_second"])),
            late_ms=float(str(figures["late_ms"])),
            opened=sum(kind["opened"] for kind in kinds.values()),
            refused=sum(kind["refused"] for kind in kinds.values()),
            cut={name: kind["cut"] for name, kind in kinds.items()},
            answered={name: kind["answered"] for name, kind in kinds.items()},
        )

    def end_honest(self) -> Honest:
        figures = self.end()
        honest: dict[str, int] = dict(figures["honest"])  # type: ignore[call-overload]
        return Honest(
            requests=honest["answered"],
            errors=honest["errors"],
            p50_ms=float(str(figures["p50_ms"])),
            p99_ms=float(str(figures["p99_ms"])),
            connect_p99_ms=float(str(figures["connect_p99_ms"])),
        )
