"""What the long exercises on whole fleets share: bounds from the environment, release programs, a clear end."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from . import paths, progress, swiftpackage


class BadBound(RuntimeError):
    """A number in the environment is none, or out of range."""


def bound(name: str, default: int, most: int) -> int:
    """A number from the environment."""
    text = os.environ.get(name, "") or str(default)
    if not text.isdigit() or not 1 <= int(text) <= most:
        raise BadBound(f"{name} is {text!r}; it must be a number from 1 to {most}")
    return int(text)


def build(report: progress.Report, folder: str) -> None:
    """Both release programs, unless the environment names them; logs go to `build/<folder>`."""
    for side in ("appliance", "controlplane"):
        if paths.given_program(side):
            continue
        with report.step(f"build {paths.PROGRAMS[side]} (release)") as step:

            def status(text: str, step: progress.Step = step) -> None:
                step.status = text

            log = paths.BUILD / folder / f"build-{side}.log"
            log.parent.mkdir(parents=True, exist_ok=True)
            swiftpackage.build(side, "release", ["--product", paths.PROGRAMS[side]], log, status)


@contextlib.contextmanager
def told(report: progress.Report, failure: str) -> Iterator[list[int]]:
    """Turns what went wrong into a line and an exit status."""
    status = [1]
    try:
        yield status
    except KeyboardInterrupt:
        status[0] = 130
    except (RuntimeError, OSError) as error:
        status[0] = 1
        report.line(f"\n{failure}: {error}")
