"""What the rows of the storage engine share: file systems of their own, the engine without its server, figures with a
goal. DOCUMENTS=n (default 20,000) bounds a round of uploads, STORE_DOCUMENTS=n (default 20,000) the large store; the
goals are told for 1,000,000 of each. STORE=folder keeps the large store for the next run instead of making it anew."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from artstore import paths, swiftpackage
from comparison import BUILD, ROUNDS, Figure, Target, figure, run_load
from servers import ArtStore, Credentials, Server

DOCUMENTS = int(os.environ.get("DOCUMENTS", "20000"))
STORE_DOCUMENTS = int(os.environ.get("STORE_DOCUMENTS", "20000"))
STORE = os.environ.get("STORE", "")
BODY_BYTES = 4096
UPLOAD = "/api/v1/files/upload"

Figures = dict[str, float]

MANY = ["--connections", "64", "--body-bytes", str(BODY_BYTES)]
RAW = ["--mode", "post", "--field", "Content-Disposition: attachment; filename=report.bin"]
THOUSAND = [*RAW, *MANY, "--requests", "1000", "--seconds", "60"]
TEN_THOUSAND = [*RAW, *MANY, "--requests", "10000", "--seconds", "60"]


@contextmanager
def fresh_disk(name: str, documents: int) -> Iterator[Path]:
    """An empty ext4 with room for so many documents of two files each."""
    image, mount = BUILD / f"{name}.img", BUILD / f"{name}.mnt"
    mount.mkdir(parents=True, exist_ok=True)
    with image.open("wb") as output:
        output.truncate((3 << 30) + documents * 16384)
    quiet = {"check": True, "capture_output": True}
    subprocess.run(["mkfs.ext4", "-q", "-F", "-N", str(documents * 2 + 100_000), image], **quiet)  # type: ignore[call-overload]
    subprocess.run(["mount", "-o", "loop", image, mount], **quiet)  # type: ignore[call-overload]
    try:
        yield mount
    finally:
        subprocess.run(["umount", mount], check=False)
        image.unlink()


def load(server: Server, credentials: Credentials, path: str, arguments: list[str]) -> Figures:
    token = server.token_file if isinstance(server, ArtStore) else None
    return run_load(Target(server, path, credentials, token), arguments)


def engine(command: str, directory: Path, *options: str | int) -> Figures:
    """Runs artstore-store-bench: the engine alone."""
    program = paths.SWIFT / "release" / "artstore-store-bench"
    line = [str(program), command, str(directory), *map(str, options)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=3600, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(line)}\n{done.stdout}{done.stderr}")
    figures: Figures = json.loads(done.stdout)
    return figures


def limit(name: str, metric: str, unit: str, ours: float, goal: float, *, most: bool) -> Figure:
    """A figure with a goal instead of a peer: `ratio` ≥ 1 when it is reached."""
    ratio = goal / ours if most else ours / goal
    return figure(name, metric, unit, ours, goal, "at most" if most else "at least", ratio, ROUNDS)


def build_engine() -> None:
    swiftpackage.build("appliance", "release", ["--product", "artstore-store-bench"], BUILD / "build.log")
