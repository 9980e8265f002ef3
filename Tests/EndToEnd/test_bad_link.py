"""A small `make bad-link`: every client goes on after each cut, and what arrives is what was sent."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from artstore.badlink import Gate, Seen, Weather
from bad_link import Spoiled, Trial


@pytest.fixture(scope="module")
def trial(programs: str, scratch: Path) -> Iterator[Trial]:
    directory = scratch / "bad-link"
    directory.mkdir()
    trial = Trial(directory, programs, cuts=4, seed=41)
    yield trial
    trial.close()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.mark.parametrize("tool", ["curl", "wget", "aria2c", "rclone"])
def test_a_download_goes_on_after_each_cut(trial: Trial, tool: str) -> None:
    path, source = trial.stored(4_500_000)
    trial.download(tool, path, source, len(tool))
    assert trial.tally.cuts >= 4


def test_uploads_go_on_after_each_cut(trial: Trial) -> None:
    before = trial.tally.cuts
    trial.uploads(12, workers=4)
    assert trial.tally.cuts - before == 12 * 4


def test_the_check_of_offsets_can_fail(trial: Trial) -> None:
    gate = Gate(0, Weather(0, 100), random.Random(1))
    gate.seen = [Seen("PATCH", "/", None, 50, status=204), Seen("PATCH", "/", None, 0, status=204)]
    with pytest.raises(Spoiled):
        trial._check_offsets(gate, 1)
