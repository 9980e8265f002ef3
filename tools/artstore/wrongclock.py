"""Clocks that are wrong, for programs that know nothing of it."""

from __future__ import annotations

import subprocess
from pathlib import Path


def build_wrong_clock(folder: Path) -> Path:
    """The library that gives a program the clock of a badly kept machine; clang comes with Swift."""
    library = folder / "wrongclock.so"
    source = Path(__file__).with_name("wrongclock.c")
    done = subprocess.run(
        ["clang", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", str(library), str(source)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"the library of wrong clocks could not be built: {done.stderr.strip()}")
    return library
