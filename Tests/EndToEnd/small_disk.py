"""Small disks: ext4 of 55 MB in a file, loop-mounted, and a foreign file that takes what is left of one."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SIZE = 55_000_000


@contextmanager
def mounted(directory: Path, size: int = SIZE) -> Iterator[Path]:
    """An empty file system of that size. Where no loop device can be had, one in memory: as small, and as full."""
    place, image = directory / "disk", directory / "disk.img"
    place.mkdir(parents=True)
    with image.open("wb") as file:
        file.truncate(size)
    # Nothing kept for root: full is full for everyone.
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(image)], check=True, capture_output=True)
    command = ["mount", "-o", "loop", str(image), str(place)]
    if subprocess.run(command, check=False, capture_output=True).returncode != 0:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "small-disk", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)
        image.unlink()


class ForeignFile:
    """Somebody else's file on the same disk: takes every block that is free, and gives them back."""

    def __init__(self, disk: Path) -> None:
        self._path = disk / "foreign"

    def fill(self) -> None:
        """To the last byte that the disk gives. What the appliance frees meanwhile can be taken by filling again."""
        with self._path.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            for block in (1 << 20, 4096, 1):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(b"\xaa" * block)
            os.fsync(file.fileno())

    def remove(self) -> None:
        self._path.unlink()
