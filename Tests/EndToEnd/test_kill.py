"""SIGKILL during uploads, again and again: what was acknowledged is there, nothing is half-visible.

A short run of what `make torture` does for long.
"""

from __future__ import annotations

from pathlib import Path

from torture import Torture

KILLS = 50
UPLOADERS = 6
SEED = 20_261_120


def test_fifty_kills_lose_nothing_and_show_nothing_half(programs: str, directory: Path) -> None:
    tally = Torture(directory, programs, UPLOADERS, SEED).run(KILLS)
    assert tally.kills == KILLS
    assert tally.acknowledged >= KILLS
