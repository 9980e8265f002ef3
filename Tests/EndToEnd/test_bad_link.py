"""A small `make bad-link`: every client goes on after each cut, and what arrives is what was sent."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from artstore.badlink import Gate, Seen, Weather
from bad_link import DOWNLOADERS, Spoiled, Trial


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


@pytest.mark.parametrize("tool", DOWNLOADERS)
def test_a_download_goes_on_after_each_cut(trial: Trial, tool: str) -> None:
    path, source = trial.stored(4_500_000)
    before = trial.tally.cuts
    trial.download(tool, path, source, DOWNLOADERS.index(tool))
    assert trial.tally.cuts - before >= 4


def test_uploads_go_on_after_each_cut(trial: Trial) -> None:
    before = trial.tally.cuts
    trial.uploads(12, workers=4)
    assert trial.tally.cuts - before == 12 * 4


def test_the_check_of_one_stream_can_fail() -> None:
    gate = Gate(0, Weather(0, 100), random.Random(1))
    gate.seen = [Seen("GET", "/", None, None, 40, 200, True), Seen("GET", "/", 40, None, 60, 206)]
    Trial._check_one_stream("rclone", gate)
    # Begins again, a byte late, a byte early: each is told.
    for start in (None, 39, 41):
        gate.seen[1].range_start = start
        with pytest.raises(Spoiled):
            Trial._check_one_stream("rclone", gate)


def test_only_rclone_may_begin_again_and_only_when_it_got_no_answer() -> None:
    gate = Gate(0, Weather(0, 100), random.Random(1))
    answered, unanswered = Seen("GET", "/", None, None, 40, 200, True), Seen("GET", "/", 40, None, 0, None, True)
    gate.seen = [answered, unanswered, Seen("GET", "/", None, None, 100, 200)]
    Trial._check_one_stream("rclone", gate)
    with pytest.raises(Spoiled):
        Trial._check_one_stream("chromium", gate)
    gate.seen = [answered, Seen("GET", "/", None, None, 100, 200)]
    with pytest.raises(Spoiled):
        Trial._check_one_stream("rclone", gate)


def test_the_check_of_parts_can_fail() -> None:
    parts = [Seen("GET", "/", None, None, 40_000, 200, True), Seen("GET", "/", 1 << 20, None, 9, 206, True)]
    Trial._check_parts("aria2c", [*parts, Seen("GET", "/", 32_768, None, 60, 206)])
    with pytest.raises(Spoiled):
        Trial._check_parts("aria2c", [*parts, Seen("GET", "/", 16_384, None, 60, 206)])


def test_the_check_of_offsets_can_fail(trial: Trial) -> None:
    gate = Gate(0, Weather(0, 100), random.Random(1))
    gate.seen = [Seen("PATCH", "/", None, 50, status=204), Seen("PATCH", "/", None, 0, status=204)]
    with pytest.raises(Spoiled):
        trial._check_offsets(gate, 1)
